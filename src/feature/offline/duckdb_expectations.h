/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expectations of a source, looked at in a table of its rows.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_EXPECTATIONS_H
#define AX_FEATURE_OFFLINE_DUCKDB_EXPECTATIONS_H

#include "feature/offline/duckdb_store.h"

/* Set used[i] for every column of the source that its expectations read. */
void ax_expectations_mark_columns(const struct ax_source *source, bool *used);

/* Whether rows that have null in a column are dropped. */
bool ax_expectations_drop_null(const struct ax_source *source, size_t column);

/* Read a source and look at all its expectations: see ax_offline_expect. The working folder is that
 * of the data. */
AX_MUST_USE enum ax_code ax_source_expect(struct ax_offline *offline,
                                          const struct ax_source *source,
                                          const struct ax_offline_expect *request,
                                          struct ax_offline_expect_report *ret_report,
                                          struct ax_err *err);

/* What a history does with a source that was read into `table`, every row of its files, in order,
 * column i as c<i>: a failed expectation is INVALID, what is to be dropped is no longer in the
 * table of that name, the rest is offline->held. Freshness is no matter of the past and not looked
 * at. With `needs_time` rows without a time go too. Expected: INVALID, TOO_LARGE,
 * CANCELLED, and those of reading a source that is referred to. */
AX_MUST_USE enum ax_code ax_source_hold(struct ax_offline *offline, const struct ax_source *source,
                                        const char *table, bool needs_time, struct ax_err *err);

/* Tell offline->held by the config's `notice`, and count the rows that were dropped. */
void ax_source_tell_held(struct ax_offline *offline);

#endif
