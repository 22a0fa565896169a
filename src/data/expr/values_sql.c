/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's vectors and ours have scalars and validity bits alike, so those are borrowed. Lists have
 * offsets of 64 bits there and of 32 here.
 */
#include "data/expr/values_sql.h"

#include <assert.h>
#include <string.h>

struct ax_values ax_values_borrow_sql(const struct ax_sql_column *column, struct ax_type type,
                                      size_t rows)
{
    assert(column);
    const void *data = column->i64s; /* One pointer, whatever the type. */
    return (struct ax_values){ .type = type,
                               .rows = rows,
                               .data = (void *)(uintptr_t)data,
                               .validity = (uint64_t *)(uintptr_t)column->validity };
}

/* Elements of lists are read as they are, so there has to be a harmless value under each null. */
static enum ax_code copy_items(const struct ax_sql_column *items, struct ax_type type, size_t rows,
                               struct ax_arena *arena, struct ax_values *ret, struct ax_err *err)
{
    if (ax_values_init(ret, type, rows, arena, err))
        return err->code;
    if (rows)
        memcpy(ret->data, items->i64s, rows * ax_type_size(type));
    for (size_t row = 0; items->validity && row < rows; row++)
        if (ax_sql_is_null(items, row))
            ax_values_set_null(ret, row);
    return AX_OK;
}

enum ax_code ax_values_read_sql(const struct ax_sql_column *column, struct ax_type type,
                                size_t rows, struct ax_arena *arena, struct ax_values *ret_values,
                                struct ax_err *err)
{
    assert(column && arena && ret_values && err);
    struct ax_values values = ax_values_borrow_sql(column, type, rows);
    if (!type.is_list) {
        *ret_values = values;
        return AX_OK;
    }
    struct ax_span *spans = ax_arena_alloc(arena, rows, sizeof(*spans));
    struct ax_values *items = ax_arena_alloc(arena, 1, sizeof(*items));
    if (!spans || !items)
        return ax_arena_fail(arena, "the lists of a query", err);
    uint64_t end = 0;
    for (size_t row = 0; row < rows; row++) {
        struct ax_sql_list list = column->lists[row];
        end = AX_MAX(end, list.offset + list.len);
        if (end > UINT32_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "lists with over %u elements in %zu rows",
                           UINT32_MAX, rows);
        spans[row] = (struct ax_span){ (uint32_t)list.offset, (uint32_t)list.len };
    }
    values.spans = spans;
    values.items = items;
    if (!copy_items(column->items, (struct ax_type){ type.kind, false }, (size_t)end, arena, items,
                    err))
        *ret_values = values;
    return err->code;
}

static enum ax_sql_type sql_type_of(enum ax_type_kind kind)
{
    static const enum ax_sql_type types[] = {
        [AX_TYPE_BOOL] = AX_SQL_BOOL,    [AX_TYPE_INT64] = AX_SQL_I64,
        [AX_TYPE_FLOAT64] = AX_SQL_F64,  [AX_TYPE_STRING] = AX_SQL_TEXT,
        [AX_TYPE_DURATION] = AX_SQL_I64, [AX_TYPE_TIMESTAMP] = AX_SQL_TIMESTAMP,
    };
    return types[kind];
}

struct ax_sql_kind ax_values_sql_kind(struct ax_type type)
{
    enum ax_sql_type scalar = sql_type_of(type.kind);
    return (struct ax_sql_kind){ .type = type.is_list ? AX_SQL_LIST : scalar, .item = scalar };
}

struct ax_sql_kind ax_storage_sql_kind(struct ax_storage storage)
{
    bool is_bytes = storage.kind == AX_STORAGE_BYTES;
    enum ax_sql_type scalar = is_bytes ? AX_SQL_BYTES : sql_type_of(ax_storage_type(storage).kind);
    return (struct ax_sql_kind){ .type = storage.is_list ? AX_SQL_LIST : scalar, .item = scalar };
}

static struct ax_sql_column as_column(const struct ax_values *values)
{
    return (struct ax_sql_column){ .type = sql_type_of(values->type.kind),
                                   .i64s = values->data, /* One pointer, whatever the type. */
                                   .validity = values->validity };
}

struct ax_sql_column ax_values_lend_sql(const struct ax_values *values, struct ax_sql_list *lists,
                                        struct ax_sql_column *items)
{
    assert(values);
    if (!values->type.is_list)
        return as_column(values);
    assert((lists || !values->rows) && items);
    for (size_t row = 0; row < values->rows; row++)
        lists[row] = (struct ax_sql_list){ values->spans[row].from, values->spans[row].count };
    *items = as_column(values->items);
    return (struct ax_sql_column){
        .type = AX_SQL_LIST, .lists = lists, .validity = values->validity, .items = items
    };
}
