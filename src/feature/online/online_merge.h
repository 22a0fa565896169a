/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partial rows of a state become whole: what a row leaves out is that of the stored row of its key.
 *
 * The result is what is journalled and applied, so that nobody who reads a row has to know that
 * part of it was not given. Rows of the batch count as stored for those behind them. A partial row
 * that is older than the stored one changes nothing, and is no part of the result. One whose key
 * has no stored row is refused, with all others: nobody could tell what it was to leave as it is.
 * So is one that leaves out what is kept only by fields that lack what files have. A row that is
 * not as the source expects, which could not be told before it was whole, is left out, or refuses
 * all; rows behind it are merged as if it had not come.
 * The store's writer's thread. See docs/internals/online-store.md, "Rows of a source".
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_MERGE_H
#define AX_FEATURE_ONLINE_ONLINE_MERGE_H

#include "feature/online/online_views.h"

struct ax_online_merge {
    struct ax_online *store;
    const struct ax_online_views *views;
    size_t source;                     /* its number in the definitions; of states */
    const struct ax_source_rows *rows; /* as they came */
    int64_t taken_us;
    struct ax_arena *arena; /* of the result */

    /* Set: the items that stale rows would have become. */
    uint64_t stale;
    size_t dropped; /* rows that are left out, since the source expects others */
    size_t unexpected[AX_EXPECT_FAIL + 1]; /* how often one was not as expected, by the action */
};

/* Expected: INVALID (names the row, and a column or a check), UNAVAILABLE (the stored row cannot be
 * read, or files may have another value: names the row, the column and the view), TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_online_merge_rows(struct ax_online_merge *merge,
                                              struct ax_source_rows *ret_rows, struct ax_err *err);

#endif
