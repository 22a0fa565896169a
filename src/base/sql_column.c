/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of ours and vectors of DuckDB's.
 *
 * Numbers are read where they lie, since the layouts are the same; texts and lists become views
 * (pointer and length, range of items), which also gives nulls a harmless value: whatever DuckDB
 * left in the place of a null text or list is not looked at. Writing copies.
 */
#include "base/sql.h"

#include "base/alloc.h"

#include <assert.h>
#include <duckdb.h>
#include <stdlib.h>

#include "base/sql_handle.h"

/* The same of a scalar. */
static bool sql_type(duckdb_type type, enum ax_sql_type *ret_type, bool *ret_cast)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    *ret_cast = true;
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        *ret_cast = false;
        *ret_type = AX_SQL_BOOL;
        return true;
    case DUCKDB_TYPE_BIGINT:
        *ret_cast = false;
        *ret_type = AX_SQL_I64;
        return true;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
        *ret_type = AX_SQL_I64;
        return true;
    case DUCKDB_TYPE_DOUBLE:
        *ret_cast = false;
        *ret_type = AX_SQL_F64;
        return true;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_SQLNULL:
        *ret_type = AX_SQL_F64;
        return true;
    case DUCKDB_TYPE_VARCHAR:
        *ret_cast = false;
        *ret_type = AX_SQL_TEXT;
        return true;
    case DUCKDB_TYPE_BLOB:
        *ret_cast = false;
        *ret_type = AX_SQL_BYTES;
        return true;
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_UUID:
        *ret_type = AX_SQL_TEXT;
        return true;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        *ret_cast = false;
        *ret_type = AX_SQL_TIMESTAMP;
        return true;
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
        *ret_type = AX_SQL_TIMESTAMP;
        return true;
    default:
        return false;
    }
#pragma GCC diagnostic pop
}

bool ax_sql_kind_of(duckdb_logical_type type, struct ax_sql_kind *ret_kind, bool *ret_cast)
{
    duckdb_type id = duckdb_get_type_id(type);
    bool is_array = id == DUCKDB_TYPE_ARRAY;
    if (id != DUCKDB_TYPE_LIST && !is_array) {
        ret_kind->item = AX_SQL_F64;
        return sql_type(id, &ret_kind->type, ret_cast);
    }
    duckdb_logical_type child =
        is_array ? duckdb_array_type_child_type(type) : duckdb_list_type_child_type(type);
    bool fits = sql_type(duckdb_get_type_id(child), &ret_kind->item, ret_cast);
    duckdb_destroy_logical_type(&child);
    ret_kind->type = AX_SQL_LIST;
    *ret_cast = *ret_cast || is_array;
    return fits;
}

duckdb_logical_type ax_sql_logical_type(struct ax_sql_kind kind)
{
    static const duckdb_type types[] = {
        [AX_SQL_BOOL] = DUCKDB_TYPE_BOOLEAN, [AX_SQL_I64] = DUCKDB_TYPE_BIGINT,
        [AX_SQL_F64] = DUCKDB_TYPE_DOUBLE,   [AX_SQL_TEXT] = DUCKDB_TYPE_VARCHAR,
        [AX_SQL_BYTES] = DUCKDB_TYPE_BLOB,   [AX_SQL_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
    };
    enum ax_sql_type scalar = kind.type == AX_SQL_LIST ? kind.item : kind.type;
    assert((size_t)scalar < AX_COUNT(types));
    duckdb_logical_type type = duckdb_create_logical_type(types[scalar]);
    if (kind.type != AX_SQL_LIST)
        return type;
    duckdb_logical_type list = duckdb_create_list_type(type);
    duckdb_destroy_logical_type(&type);
    return list;
}

/* ---- reading ---- */

void ax_sql_view_init(struct ax_sql_view *view, struct ax_sql_kind kind)
{
    *view = (struct ax_sql_view){ .kind = kind };
    if (kind.type == AX_SQL_LIST)
        view->lists = ax_xalloc(duckdb_vector_size() * sizeof(*view->lists));
}

void ax_sql_view_done(struct ax_sql_view *view)
{
    free(view->texts);
    free(view->lists);
}

/* A chunk has at most some thousand rows; how many items its lists have is decided outside. */
static enum ax_code view_reserve_texts(struct ax_sql_view *view, size_t count, struct ax_err *err)
{
    if (count <= view->text_max)
        return AX_OK;
    size_t more = AX_MAX(count, 2 * view->text_max);
    struct ax_str *texts = ax_try_alloc(more, sizeof(*texts));
    if (!texts)
        return ax_fail(err, AX_E_LIMIT, "no memory for the texts of %zu rows", count);
    free(view->texts);
    view->texts = texts;
    view->text_max = more;
    return AX_OK;
}

static enum ax_code view_read_scalars(struct ax_sql_view *view, enum ax_sql_type type,
                                      duckdb_vector vector, size_t rows,
                                      struct ax_sql_column *column, struct ax_err *err)
{
    void *data = duckdb_vector_get_data(vector);
    column->type = type;
    column->items = NULL;
    column->validity = duckdb_vector_get_validity(vector);
    switch (type) {
    case AX_SQL_BOOL:
        column->bools = data;
        return AX_OK;
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        column->i64s = data;
        return AX_OK;
    case AX_SQL_F64:
        column->f64s = data;
        return AX_OK;
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
    case AX_SQL_LIST:
        break;
    }
    duckdb_string_t *strings = data;
    if (view_reserve_texts(view, rows, err))
        return err->code;
    for (size_t row = 0; row < rows; row++)
        view->texts[row] = ax_sql_is_null(column, row)
                               ? AX_STR("")
                               : (struct ax_str){ duckdb_string_t_data(&strings[row]),
                                                  duckdb_string_t_length(strings[row]) };
    column->texts = view->texts;
    return AX_OK;
}

enum ax_code ax_sql_view_read(struct ax_sql_view *view, duckdb_vector vector, size_t rows,
                              struct ax_sql_column *ret_column, struct ax_err *err)
{
    if (view->kind.type != AX_SQL_LIST)
        return view_read_scalars(view, view->kind.type, vector, rows, ret_column, err);
    if (view_read_scalars(view, view->kind.item, duckdb_list_vector_get_child(vector),
                          duckdb_list_vector_get_size(vector), &view->items, err))
        return err->code;
    const duckdb_list_entry *entries = duckdb_vector_get_data(vector);
    assert(rows <= duckdb_vector_size());
    ret_column->type = AX_SQL_LIST;
    ret_column->validity = duckdb_vector_get_validity(vector);
    ret_column->items = &view->items;
    for (size_t row = 0; row < rows; row++)
        view->lists[row] = ax_sql_is_null(ret_column, row)
                               ? (struct ax_sql_list){ 0, 0 }
                               : (struct ax_sql_list){ entries[row].offset, entries[row].length };
    ret_column->lists = view->lists;
    return AX_OK;
}

/* ---- writing ---- */

/* Rows [from, from + rows) of a column of scalars to the rows from `to` on. */
static void write_values(const struct ax_sql_column *column, size_t from, size_t rows,
                         duckdb_vector vector, size_t to)
{
    void *data = duckdb_vector_get_data(vector);
    if (!rows)
        return; /* Of lists that are all empty there are no items, and no place where they are. */
    switch (column->type) {
    case AX_SQL_BOOL:
        memcpy((bool *)data + to, column->bools + from, rows * sizeof(bool));
        return;
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        memcpy((int64_t *)data + to, column->i64s + from, rows * sizeof(int64_t));
        return;
    case AX_SQL_F64:
        memcpy((double *)data + to, column->f64s + from, rows * sizeof(double));
        return;
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
    case AX_SQL_LIST:
        break;
    }
    for (size_t row = 0; row < rows; row++) {
        struct ax_str text = column->texts[from + row];
        if (!ax_sql_is_null(column, from + row))
            duckdb_unsafe_vector_assign_string_element_len(vector, to + row, text.ptr, text.len);
    }
}

static void write_validity(const struct ax_sql_column *column, size_t from, size_t rows,
                           duckdb_vector vector, size_t to)
{
    if (!column->validity)
        return;
    duckdb_vector_ensure_validity_writable(vector);
    uint64_t *validity = duckdb_vector_get_validity(vector);
    if (from % 64 == 0 && to == 0) {
        memcpy(validity, column->validity + from / 64, (rows + 63) / 64 * sizeof(uint64_t));
        return;
    }
    for (size_t row = 0; row < rows; row++)
        duckdb_validity_set_row_validity(validity, to + row, !ax_sql_is_null(column, from + row));
}

static void write_lists(const struct ax_sql_column *column, size_t from, size_t rows,
                        duckdb_vector vector)
{
    duckdb_list_entry *entries = duckdb_vector_get_data(vector);
    size_t total = 0;
    for (size_t row = 0; row < rows; row++) {
        size_t count = ax_sql_is_null(column, from + row) ? 0 : column->lists[from + row].len;
        entries[row] = (duckdb_list_entry){ total, count };
        total += count;
    }
    (void)duckdb_list_vector_reserve(vector, total);
    (void)duckdb_list_vector_set_size(vector, total);
    duckdb_vector child = duckdb_list_vector_get_child(vector);
    for (size_t row = 0; row < rows; row++) {
        size_t first = column->lists[from + row].offset;
        write_validity(column->items, first, entries[row].length, child, entries[row].offset);
        write_values(column->items, first, entries[row].length, child, entries[row].offset);
    }
}

void ax_sql_column_write(const struct ax_sql_column *column, size_t from, size_t rows,
                         duckdb_vector vector)
{
    assert(from % 64 == 0);
    write_validity(column, from, rows, vector, 0);
    if (column->type == AX_SQL_LIST)
        write_lists(column, from, rows, vector);
    else
        write_values(column, from, rows, vector, 0);
}
