/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of datatypes, and views of batches. Nothing here touches values: a slice moves the
 * first value and the validity words, and the test for a matrix compares addresses only.
 */
#include "data/batch.h"

#include <assert.h>

static const struct {
    struct ax_str name;
    size_t size;
    const char *config_name;
} datatypes[] = {
#define X(name, text, size, config) [AX_##name] = { { text, sizeof(text) - 1 }, size, config },
    AX_DATATYPE_LIST(X)
#undef X
};

const char *ax_datatype_name(enum ax_datatype datatype)
{
    assert(datatype < AX_DATATYPE_COUNT);
    return datatypes[datatype].name.ptr;
}

const char *ax_datatype_config_name(enum ax_datatype datatype)
{
    assert(datatype < AX_DATATYPE_COUNT);
    return datatypes[datatype].config_name;
}

size_t ax_datatype_size(enum ax_datatype datatype)
{
    assert(datatype < AX_DATATYPE_COUNT);
    return datatypes[datatype].size;
}

bool ax_datatype_from_name(struct ax_str name, enum ax_datatype *ret)
{
    assert(ret && (name.ptr || !name.len));
    for (size_t i = 0; i < AX_COUNT(datatypes); i++) {
        if (ax_str_equals(name, datatypes[i].name)) {
            *ret = (enum ax_datatype)i;
            return true;
        }
    }
    return false;
}

struct ax_batch ax_batch_slice(const struct ax_batch *batch, size_t from, size_t count,
                               struct ax_column *columns)
{
    assert(batch && (columns || !batch->column_count));
    assert(from <= batch->rows && count <= batch->rows - from);
    for (size_t i = 0; i < batch->column_count; i++) {
        struct ax_column column = batch->columns[i];
        if (column.values)
            column.values = ax_column_at(&column, from);
        if (column.validity) {
            assert(from % 64 == 0);
            column.validity += from / 64;
        }
        columns[i] = column;
    }
    return (struct ax_batch){ count, batch->column_count, columns };
}

bool ax_batch_is_matrix(const struct ax_batch *batch, enum ax_datatype datatype)
{
    assert(batch);
    size_t size = ax_datatype_size(datatype);
    if (!batch->column_count)
        return false;
    const struct ax_column *first = batch->columns;
    if (first->matrix_columns == batch->column_count)
        return first->datatype == datatype;
    if (!first->values || first->stride < batch->column_count * size)
        return false;
    /* Asked for each row that comes alone, so without a branch a column. */
    const struct ax_column *columns = batch->columns;
    size_t stride = first->stride, differing = 0;
    uintptr_t at = (uintptr_t)first->values;
    for (size_t i = 0; i < batch->column_count; i++, at += size)
        differing |= ((size_t)columns[i].datatype ^ (size_t)datatype) | (columns[i].width ^ 1) |
                     (uintptr_t)columns[i].validity | (columns[i].stride ^ stride) |
                     ((uintptr_t)columns[i].values ^ at);
    return differing == 0;
}
