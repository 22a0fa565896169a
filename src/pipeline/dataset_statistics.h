/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dataset's manifest tells of a column, gathered as its values come by.
 *
 * Everything is a function of the values alone, not of how rows are cut into chunks. Zeroed but for
 * `type` and `is_rendered` it is ready. One thread.
 */
#ifndef AX_PIPELINE_DATASET_STATISTICS_H
#define AX_PIPELINE_DATASET_STATISTICS_H

#include "base/buf.h"
#include "base/sql.h"
#include "feature/window_sketch.h"
#include "feature/window_sum.h"

/* Texts in a manifest are cut to so many bytes. */
#define AX_DATASET_TEXT_MAX 256

struct ax_dataset_text {
    char bytes[AX_DATASET_TEXT_MAX];
    size_t len;
};

struct ax_dataset_statistics {
    enum ax_sql_type type; /* never BYTES or LIST */
    bool is_rendered;      /* texts that stand for values of another type: they have no range */
    uint64_t count;        /* values: rows without nulls */
    uint64_t nulls;
    uint64_t not_finite; /* of F64: NaN and infinities */
    union {
        int64_t i64; /* BOOL, I64, TIMESTAMP */
        double f64;
        struct ax_dataset_text text;
    } min, max;                   /* when there is a finite value */
    struct ax_window_sum sum;     /* of finite F64 */
    __extension__ __int128 total; /* of BOOL, I64 */
    struct ax_window_distinct distinct;
};

void ax_dataset_statistics_done(struct ax_dataset_statistics *statistics);

/* The column's next rows. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_dataset_statistics_add(struct ax_dataset_statistics *statistics,
                                                   const struct ax_sql_column *column, size_t rows,
                                                   struct ax_err *err);

/* Append `,"count":3,"nulls":0,…`, members of a JSON object that has others before. */
void ax_dataset_statistics_put(const struct ax_dataset_statistics *statistics, struct ax_buf *out);

#endif
