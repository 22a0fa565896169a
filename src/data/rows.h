/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows being filled in for an engine: what every protocol, and batch prediction, write into.
 *
 * One row-major block: each row holds the fields of the signature one after another, in the
 * engine's own datatypes, and ax_rows_batch views it as columns. So a model that is all FP32, or
 * all FP64, gets one dense matrix that a tensor body is parsed straight into. Values are converted
 * here and nowhere else: JSON's f64 is narrowed to the field's datatype as the library would,
 * categories become indexes, a missing value becomes the default or the missing value. Memory is
 * the given arena's.
 */
#ifndef AX_DATA_ROWS_H
#define AX_DATA_ROWS_H

#include "data/batch.h"
#include "data/signature.h"

struct ax_rows {
    const struct ax_signature *signature; /* borrowed; what is here was made for it as it was */
    size_t count;
    size_t row_bytes;
    char *block;               /* count * row_bytes, aligned to 64 */
    struct ax_column *columns; /* views into the block, one an input */
    bool is_matrix; /* all inputs FP32, or all FP64, none with categories by hash: block is
                       matrix_type[count][input_count], and numbers may be written into it */
    enum ax_datatype matrix_type;
    bool has_rules;      /* a field has a default or is required, so ax_rows_finish has work */
    bool takes_codes;    /* numbers for categories are the library's codes, as in its own matrix;
                            false unless set after init */
    size_t first_number; /* what messages call row 0; 0 unless set after init */
};

/*
 * Conversions. A number for an FP32 or FP64 field is read as f64 and narrowed (round half even;
 * beyond the range it becomes an infinity), NaN is a missing value; integers too, so that 16777217
 * arrives as it does in the library. A number for an integer field must be whole and in range. true
 * and false are 1 and 0 for BOOL, FP32 and FP64 fields, and 0 and 1 are a BOOL. A text for a field
 * with categories becomes the index. So does a number when all categories are called by numbers
 * (has_numbers): 10 and 10.0 are the category "10", as in the library's own data frame. Where they
 * have other names, and in rows that take codes, a number is the index and goes to the engine as it
 * is, in range or not, since that is what the library's own matrix does. In a dictionary by hash
 * there are no indexes that a client could know, so a whole number always is its decimal text.
 */

/* `count` rows, every field missing (defaults are set by ax_rows_finish). Expected: INVALID (count
 * over signature->rows_max: "inference request batch-size must be <= N"), UNSUPPORTED (an FP16 or
 * BF16 field), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_rows_init(struct ax_rows *rows, const struct ax_signature *signature,
                                      size_t count, struct ax_arena *arena, struct ax_err *err);

/* The same in two steps, for batches that are large enough to be worth slicing: after reserve,
 * ax_rows_clear must have been called for a row before anything else touches it. */
AX_MUST_USE enum ax_code ax_rows_reserve(struct ax_rows *rows, const struct ax_signature *signature,
                                         size_t count, struct ax_arena *arena, struct ax_err *err);
/* Make all fields of rows [from, to) missing. */
void ax_rows_clear(struct ax_rows *rows, size_t from, size_t to);

/* Whether `count` * input_count elements of `datatype` at `values`, row by row, can be rows as they
 * lie there: all fields are of that datatype, FP32 or FP64, none has a default to be written or
 * categories by hash, and the address suits it. Such rows take codes. */
bool ax_rows_can_view(const struct ax_signature *signature, enum ax_datatype datatype,
                      const void *values);

/* Rows that are such values, without a copy; they must outlive the rows, of which only finish may
 * be called. Expected: as ax_rows_reserve. */
AX_MUST_USE enum ax_code ax_rows_view(struct ax_rows *rows, const struct ax_signature *signature,
                                      size_t count, const void *values, struct ax_arena *arena,
                                      struct ax_err *err);

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

/* Whether a number for the input is a category's name, and so must go through a setter. */
static inline bool ax_rows_names_by_number(const struct ax_rows *rows, size_t input)
{
    const struct ax_dictionary *categories = rows->signature->inputs[input].categories;
    return categories && (categories->hash || (categories->has_numbers && !rows->takes_codes));
}

/* Row `row` of a matrix, signature->input_count floats (ax_rows_matrix_f64: doubles); NaN is a
 * missing value. Only when is_matrix, of that matrix_type: what is written here is what the engine
 * reads, without any check. */
static inline float *ax_rows_matrix(const struct ax_rows *rows, size_t row)
{
    return (float *)(void *)(rows->block + row * rows->row_bytes);
}

static inline double *ax_rows_matrix_f64(const struct ax_rows *rows, size_t row)
{
    return (double *)(void *)(rows->block + row * rows->row_bytes);
}

/* The rows as an engine reads them. */
static inline struct ax_batch ax_rows_batch(const struct ax_rows *rows)
{
    return (struct ax_batch){ rows->count, rows->signature->input_count, rows->columns };
}

#endif
