/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows being filled in for an engine: what every protocol, and batch prediction, write into.
 *
 * One row-major block: each row holds the fields of the signature one after another, in the
 * engine's own datatypes, and ax_rows_batch views it as columns. So an all-FP32 model gets one
 * dense matrix that a tensor body is parsed straight into. Values are converted here and nowhere
 * else: JSON's f64 is narrowed to the field's datatype as the library would, categories become
 * indexes, a missing value becomes the default or the missing value. Memory is the given arena's.
 */
#ifndef AX_DATA_ROWS_H
#define AX_DATA_ROWS_H

#include "data/batch.h"
#include "data/signature.h"

struct ax_rows {
    const struct ax_signature *signature;
    size_t count;
    size_t row_bytes;
    char *block;               /* count * row_bytes, aligned to 64 */
    struct ax_column *columns; /* views into the block, one an input */
    bool is_matrix;            /* all inputs FP32: block is float[count][input_count] */
};

/* `count` rows, every field missing (defaults are set by ax_rows_finish). Expected: INVALID (count
 * over signature->rows_max: "inference request batch-size must be <= N"), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_rows_init(struct ax_rows *rows, const struct ax_signature *signature,
                                      size_t count, struct ax_arena *arena, struct ax_err *err);

/* Set one field. Messages name the input and the row: "input 'carrier', row 3: …". A text for a
 * BYTES field is borrowed and must live as long as the rows. Expected: INVALID (wrong type, an
 * integer that does not fit, unknown category). */
AX_MUST_USE enum ax_code ax_rows_set_f64(struct ax_rows *rows, size_t row, size_t input,
                                         double value, struct ax_err *err);
AX_MUST_USE enum ax_code ax_rows_set_i64(struct ax_rows *rows, size_t row, size_t input,
                                         int64_t value, struct ax_err *err);
AX_MUST_USE enum ax_code ax_rows_set_u64(struct ax_rows *rows, size_t row, size_t input,
                                         uint64_t value, struct ax_err *err);
AX_MUST_USE enum ax_code ax_rows_set_bool(struct ax_rows *rows, size_t row, size_t input,
                                          bool value, struct ax_err *err);
AX_MUST_USE enum ax_code ax_rows_set_str(struct ax_rows *rows, size_t row, size_t input,
                                         struct ax_str value, struct ax_err *err);
void ax_rows_set_missing(struct ax_rows *rows, size_t row, size_t input);

/* Put defaults in place of missing values and refuse missing required ones, for rows [from, to);
 * in parts, so that a large batch can be finished in slices. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_rows_finish(struct ax_rows *rows, size_t from, size_t to,
                                        struct ax_err *err);

/* The rows as an engine reads them. */
static inline struct ax_batch ax_rows_batch(const struct ax_rows *rows)
{
    return (struct ax_batch){ rows->count, rows->signature->input_count, rows->columns };
}

#endif
