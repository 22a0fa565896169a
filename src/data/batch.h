/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: rows of typed columns, as engines read and write them.
 *
 * A column is a first value and a stride, so the same struct views a column of a row-major matrix
 * (stride = bytes of a row), a plain array (stride = size of the datatype), or a body that lies in
 * memory as it came (zero copy where the alignment allows). Missing values: FP32 and FP64 columns
 * hold NaN; other datatypes have validity bits. A batch owns nothing; who made it owns the memory.
 */
#ifndef AX_DATA_BATCH_H
#define AX_DATA_BATCH_H

#include "base/str.h"

/* Datatypes of the Open Inference Protocol: enum, name on the wire, bytes an element in memory (a
 * BYTES element in memory is a struct ax_str), name in Triton's model configuration. */
#define AX_DATATYPE_LIST(X)               \
    X(BOOL, "BOOL", 1, "TYPE_BOOL")       \
    X(UINT8, "UINT8", 1, "TYPE_UINT8")    \
    X(UINT16, "UINT16", 2, "TYPE_UINT16") \
    X(UINT32, "UINT32", 4, "TYPE_UINT32") \
    X(UINT64, "UINT64", 8, "TYPE_UINT64") \
    X(INT8, "INT8", 1, "TYPE_INT8")       \
    X(INT16, "INT16", 2, "TYPE_INT16")    \
    X(INT32, "INT32", 4, "TYPE_INT32")    \
    X(INT64, "INT64", 8, "TYPE_INT64")    \
    X(FP16, "FP16", 2, "TYPE_FP16")       \
    X(BF16, "BF16", 2, "TYPE_BF16")       \
    X(FP32, "FP32", 4, "TYPE_FP32")       \
    X(FP64, "FP64", 8, "TYPE_FP64")       \
    X(BYTES, "BYTES", sizeof(struct ax_str), "TYPE_STRING")

enum ax_datatype {
#define X(name, text, size, config) AX_##name,
    AX_DATATYPE_LIST(X)
#undef X
        AX_DATATYPE_COUNT
};

const char *ax_datatype_name(enum ax_datatype datatype) AX_RETURNS_NONNULL;
const char *ax_datatype_config_name(enum ax_datatype datatype) AX_RETURNS_NONNULL;
size_t ax_datatype_size(enum ax_datatype datatype);
/* False when `name` is no datatype; upper case only, as the protocol has it. */
AX_MUST_USE bool ax_datatype_from_name(struct ax_str name, enum ax_datatype *ret);

struct ax_column {
    enum ax_datatype datatype;
    /* Of column 0: how many columns from it on its maker knows to be a matrix, as
     * ax_batch_is_matrix asks; 0: nobody says. Who copies columns to lie elsewhere says nothing. */
    uint32_t matrix_columns;
    size_t width;       /* elements a row, side by side; 1 for a plain column */
    void *values;       /* of row 0; NULL in an output batch: not wanted */
    size_t stride;      /* bytes from one row to the next */
    uint64_t *validity; /* bit r % 64 of word r / 64 is 1: row r is present; NULL: all are */
};

struct ax_batch {
    size_t rows;
    size_t column_count;
    struct ax_column *columns;
};

static inline void *ax_column_at(const struct ax_column *column, size_t row)
{
    return (char *)column->values + row * column->stride;
}

static inline bool ax_column_is_valid(const struct ax_column *column, size_t row)
{
    return !column->validity || (column->validity[row / 64] >> (row % 64) & 1);
}

/* A view of rows [from, from + count) of `batch`: `columns` is the caller's storage for
 * batch->column_count columns. With validity bits `from` is a multiple of 64. */
struct ax_batch ax_batch_slice(const struct ax_batch *batch, size_t from, size_t count,
                               struct ax_column *columns);

/* True when the columns are one row-major matrix of `datatype` without validity bits: column i of
 * width 1 lies i elements behind column 0, and all share one stride. Whoever asks for each row that
 * comes alone is answered at once where the maker has said it. */
bool ax_batch_is_matrix(const struct ax_batch *batch, enum ax_datatype datatype);

#endif
