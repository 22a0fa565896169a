/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a source that were pushed: a table of SQL that is read from the source's journal.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_PUSHED_H
#define AX_FEATURE_OFFLINE_DUCKDB_PUSHED_H

#include "feature/offline/duckdb_store.h"

/* What stands behind FROM: column i of the source as c<i>, and ax_taken. Rows that were
 * erased are left out. */
#define AX_PUSHED_FROM "(FROM ax_pushed() WHERE ax_taken IS NOT NULL)"

struct ax_pushed;

/* One at a time, and queries by then. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_pushed_open(struct ax_offline *offline,
                                        const struct ax_source_journal *journal,
                                        struct ax_pushed **ret_pushed, struct ax_err *err);
/* NULL is fine. */
void ax_pushed_close(struct ax_pushed *pushed);

/* Append a column of it, `from`, as the storage type of the source's. */
void ax_pushed_put_value(struct ax_buf *out, struct ax_str from, struct ax_storage storage);

#endif
