/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number is the first of int64, uint64 and double that holds it, as in a request. The document is
 * gone before the cells are, so texts are kept.
 */
#include "data/cells_json.h"

#include <assert.h>

static enum ax_code keep(struct ax_cells *cells, struct ax_str *text, struct ax_err *err)
{
    text->ptr = ax_arena_strdup(cells->arena, *text);
    return text->ptr ? AX_OK : ax_arena_fail(cells->arena, "the rows", err);
}

static enum ax_code put_number(struct ax_cells *cells, struct ax_cell cell,
                               const struct ax_json *number, struct ax_err *err)
{
    if (ax_json_to_i64(number, &cell.i64))
        cell.kind = AX_CELL_I64;
    else if (ax_json_to_u64(number, &cell.u64))
        cell.kind = AX_CELL_U64;
    else if (ax_json_to_f64(number, &cell.f64))
        cell.kind = AX_CELL_F64;
    else
        return ax_fail(err, AX_E_INVALID, "the number is too large");
    return ax_cells_put(cells, cell, err);
}

static enum ax_code put_scalar(struct ax_cells *cells, size_t column, const struct ax_json *value,
                               struct ax_err *err)
{
    size_t row = cells->row_count - 1;
    struct ax_cell cell = { .row = row & 0xfffff, .column = column & 0xffff };
    struct ax_str text = ax_json_str(value);
    switch (ax_json_kind(value)) {
    case AX_JSON_KIND_NULL:
        return AX_OK;
    case AX_JSON_KIND_BOOL:
        cell.kind = AX_CELL_BOOL;
        cell.boolean = ax_json_is_true(value);
        return ax_cells_put(cells, cell, err);
    case AX_JSON_KIND_NUMBER:
        return put_number(cells, cell, value, err);
    case AX_JSON_KIND_STRING:
        return keep(cells, &text, err)
                   ? err->code
                   : ax_cells_put_text(cells, row, column, AX_CELL_TEXT, text, err);
    case AX_JSON_KIND_ARRAY:
    case AX_JSON_KIND_OBJECT:
        break;
    }
    return ax_fail(err, AX_E_INVALID, "the value is no scalar");
}

static enum ax_code put_member(struct ax_cells *cells, struct ax_str name,
                               const struct ax_json *value, struct ax_err *err)
{
    size_t column;
    if (keep(cells, &name, err) || ax_cells_column(cells, name, &column, err) ||
        ax_cells_give(cells, cells->row_count - 1, column, err))
        return err->code;
    return put_scalar(cells, column, value, err) ? ax_err_context(err, "'%.*s'", AX_STR_ARG(name))
                                                 : AX_OK;
}

enum ax_code ax_cells_put_object(struct ax_cells *cells, const struct ax_json *object,
                                 struct ax_err *err)
{
    assert(cells && cells->row_count > 0 && object && err);
    if (ax_json_kind(object) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "expected an object of names and values");
    struct ax_json_iter iter = ax_json_iterate(object);
    const struct ax_json *value;
    while ((value = ax_json_next(&iter)))
        if (put_member(cells, iter.key, value, err))
            return err->code;
    return AX_OK;
}
