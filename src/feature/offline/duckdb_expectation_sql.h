/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One claim about rows as SQL: an expectation over its columns, or over one of them.
 *
 * Of every row of the source's table, called b, a claim is true, false, or null where the row is
 * left out. What cannot be seen from the row itself (is it unique, does another source have it) is
 * found first and kept in a side table ax_d<number>, to which rows are then joined.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_EXPECTATION_SQL_H
#define AX_FEATURE_OFFLINE_DUCKDB_EXPECTATION_SQL_H

#include "base/buf.h"
#include "feature/expectation_result.h"

struct ax_claim {
    struct ax_expectation_result result;
    size_t number;
    char *first; /* owned: what result.first shows */
};

/* Set used[i] for every column of the source that the claim reads. */
void ax_claim_mark_columns(const struct ax_claim *claim, bool *used);

/* Whether it needs a side table; of referential its rows come from another source, so the statement
 * that makes it reads the distinct values from the table ax_r, where they are called r. */
bool ax_claim_has_side(const struct ax_claim *claim);
void ax_claim_put_side(struct ax_buf *out, const struct ax_claim *claim, const char *table);

/* Append the join with the side table, behind "FROM … AS b". */
void ax_claim_put_join(struct ax_buf *out, const struct ax_claim *claim);

/* Append the claim. Not for `expression`, which the expression printer makes. */
void ax_claim_put_sql(struct ax_buf *out, const struct ax_claim *claim);

/* Append a text of what a row of the table has in the claim's columns: "dep_delay=5000". */
void ax_claim_put_shown(struct ax_buf *out, const struct ax_claim *claim);

#endif
