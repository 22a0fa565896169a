/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of the object become columns as they come. An array is gone over twice: for the type that
 * its elements have in common, and for their values.
 */
#include "cmd/eval_row.h"

#include "base/calendar.h"
#include "base/json_reader.h"

#include <assert.h>
#include <math.h>

#define COLUMNS_MAX 1024

struct row_reader {
    struct ax_json_reader json;
    struct ax_eval_row *row;
    struct ax_arena *arena;
    struct ax_err *err;
};

/* A value that is no list; of the kind that JSON says, or that was made of it. */
struct scalar {
    bool is_null;
    enum ax_type_kind kind;
    union ax_literal value;
};

static enum ax_code fail_memory(struct row_reader *r)
{
    return ax_arena_fail(r->arena, "the row", r->err);
}

/* ---- columns ---- */

static bool find_column(const struct ax_eval_row *row, struct ax_str name, size_t *ret_column)
{
    for (size_t i = 0; i < row->count; i++) {
        if (ax_str_equals(row->columns[i].name, name)) {
            *ret_column = i;
            return true;
        }
    }
    return false;
}

static enum ax_code add_column(struct row_reader *r, struct ax_str name, size_t *ret_column)
{
    if (r->row->count == COLUMNS_MAX)
        return ax_fail(r->err, AX_E_TOO_LARGE, "over %d columns in the row", COLUMNS_MAX);
    *ret_column = r->row->count++;
    r->row->columns[*ret_column] = (struct ax_scope_column){ .name = name };
    r->row->inputs[*ret_column] = NULL;
    return AX_OK;
}

static enum ax_code declare(struct row_reader *r, struct ax_str text)
{
    size_t column = 0;
    struct ax_type type;
    const char *sign = text.len ? memchr(text.ptr, '=', text.len) : NULL;
    if (!sign)
        return ax_fail(r->err, AX_E_INVALID, "--type '%.*s' has to be NAME=TYPE", AX_STR_ARG(text));
    struct ax_str name = { text.ptr, (size_t)(sign - text.ptr) };
    struct ax_str word = { sign + 1, text.len - name.len - 1 };
    if (!ax_type_from_name(word, &type))
        return ax_fail(r->err, AX_E_INVALID,
                       "--type '%.*s': there is no type '%.*s'; there are bool, int64, float64, "
                       "string, timestamp, duration and list<int64> and so on",
                       AX_STR_ARG(text), AX_STR_ARG(word));
    if (find_column(r->row, name, &column))
        return ax_fail(r->err, AX_E_INVALID, "--type names '%.*s' twice", AX_STR_ARG(name));
    if (add_column(r, name, &column))
        return r->err->code;
    r->row->columns[column].type = type;
    return AX_OK;
}

/* ---- values ---- */

static enum ax_code read_number(struct row_reader *r, struct scalar *ret)
{
    struct ax_str raw = r->json.raw;
    bool is_whole = true;
    for (size_t i = 0; i < raw.len; i++)
        is_whole &= raw.ptr[i] == '-' || (raw.ptr[i] >= '0' && raw.ptr[i] <= '9');
    ret->kind = is_whole ? AX_TYPE_INT64 : AX_TYPE_FLOAT64;
    if (is_whole ? ax_json_read_i64(&r->json, &ret->value.i64)
                 : ax_json_read_f64(&r->json, &ret->value.f64)) {
        ret->is_null = !is_whole && isnan(ret->value.f64);
        return AX_OK;
    }
    return ax_fail(r->err, AX_E_INVALID, "the number %.*s does not fit %s",
                   AX_STR_ARG(ax_str_cut(raw, 40)), is_whole ? "int64" : "float64");
}

/* The value that the last token is. */
static enum ax_code read_scalar(struct row_reader *r, enum ax_json_token token, struct scalar *ret)
{
    *ret = (struct scalar){ .kind = AX_TYPE_COUNT };
    if (token == AX_JSON_NULL) {
        ret->is_null = true;
        return AX_OK;
    }
    if (token == AX_JSON_NUMBER)
        return read_number(r, ret);
    if (token == AX_JSON_STRING) {
        ret->kind = AX_TYPE_STRING;
        return ax_json_read_text(&r->json, r->arena, &ret->value.text, r->err);
    }
    if (token == AX_JSON_TRUE || token == AX_JSON_FALSE) {
        ret->kind = AX_TYPE_BOOL;
        ret->value.truth = token == AX_JSON_TRUE;
        return AX_OK;
    }
    if (token == AX_JSON_FAILED)
        return r->err->code;
    return ax_fail(r->err, AX_E_INVALID, "a column holds %s; expected a value or a list of values",
                   ax_json_token_text(token));
}

/* Make a value one of `kind`. */
static enum ax_code fit(struct row_reader *r, struct scalar *scalar, enum ax_type_kind kind)
{
    bool naive; /* is UTC */
    struct ax_type from = { scalar->kind, false };
    struct ax_type to = { kind, false };
    if (scalar->is_null || scalar->kind == kind) {
        scalar->kind = kind;
        return AX_OK;
    }
    scalar->kind = kind;
    if (from.kind == AX_TYPE_INT64 && kind == AX_TYPE_FLOAT64) {
        scalar->value.f64 = (double)scalar->value.i64;
        return AX_OK;
    }
    if (from.kind == AX_TYPE_INT64 && (kind == AX_TYPE_TIMESTAMP || kind == AX_TYPE_DURATION))
        return AX_OK; /* microseconds */
    if (from.kind == AX_TYPE_STRING && kind == AX_TYPE_DURATION)
        return ax_duration_parse(scalar->value.text, &scalar->value.i64, r->err);
    if (from.kind == AX_TYPE_STRING && kind == AX_TYPE_TIMESTAMP &&
        ax_calendar_parse(scalar->value.text, &scalar->value.i64, &naive))
        return AX_OK;
    return ax_fail(r->err, AX_E_INVALID, "%s cannot be read as %s", ax_type_name(from),
                   ax_type_name(to));
}

static void put_scalar(struct ax_values *values, size_t at, const struct scalar *scalar)
{
    if (scalar->is_null) {
        ax_values_set_null(values, at);
        return;
    }
    switch (scalar->kind) {
    case AX_TYPE_BOOL:
        values->bools[at] = scalar->value.truth;
        return;
    case AX_TYPE_FLOAT64:
        values->f64s[at] = scalar->value.f64 + 0.0; /* no -0 */
        return;
    case AX_TYPE_STRING:
        values->texts[at] = scalar->value.text;
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[at] = scalar->value.i64;
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(false);
}

/* ---- lists ---- */

/* What the elements from here to the end of the array have in common, and how many there are. The
 * reader stands where it stood before. */
static enum ax_code survey(struct row_reader *r, enum ax_type_kind *ret_kind, size_t *ret_count)
{
    struct ax_json_reader begin = r->json;
    enum ax_type_kind kind = AX_TYPE_COUNT;
    size_t count = 0;
    for (;;) {
        struct scalar scalar;
        enum ax_json_token token = ax_json_read(&r->json, r->err);
        if (token == AX_JSON_ARRAY_END)
            break;
        if (++count > AX_VALUES_ELEMENTS_MAX)
            return ax_fail(r->err, AX_E_TOO_LARGE, "a list of at most %d elements is expected",
                           AX_VALUES_ELEMENTS_MAX);
        if (read_scalar(r, token, &scalar))
            return r->err->code;
        bool widens = kind == AX_TYPE_INT64 && scalar.kind == AX_TYPE_FLOAT64;
        if (kind == AX_TYPE_COUNT || widens)
            kind = scalar.kind;
    }
    r->json = begin;
    *ret_kind = kind;
    *ret_count = count;
    return AX_OK;
}

static enum ax_code read_items(struct row_reader *r, struct ax_values *items)
{
    for (size_t i = 0; i < items->rows; i++) {
        struct scalar scalar;
        if (read_scalar(r, ax_json_read(&r->json, r->err), &scalar) ||
            fit(r, &scalar, items->type.kind))
            return r->err->code;
        put_scalar(items, i, &scalar);
    }
    enum ax_json_token end = ax_json_read(&r->json, r->err);
    assert(end == AX_JSON_ARRAY_END);
    return AX_OK;
}

static enum ax_code read_list(struct row_reader *r, struct ax_values *values, struct ax_type *type)
{
    enum ax_type_kind kind = AX_TYPE_COUNT;
    size_t count = 0;
    if (survey(r, &kind, &count))
        return r->err->code;
    if (type->kind != AX_TYPE_COUNT)
        kind = type->kind;
    *type = (struct ax_type){ kind, true };
    if (kind == AX_TYPE_COUNT)
        return AX_OK; /* told by the caller */
    values->items = ax_arena_alloc(r->arena, 1, sizeof(*values->items));
    if (!values->items)
        return fail_memory(r);
    struct ax_values *items = values->items;
    if (ax_values_init(items, (struct ax_type){ kind, false }, count, r->arena, r->err) ||
        ax_values_init(values, *type, 1, r->arena, r->err))
        return r->err->code;
    values->items = items;
    values->spans[0] = (struct ax_span){ 0, (uint32_t)count };
    return read_items(r, items);
}

/* ---- the row ---- */

static enum ax_code set_null(struct row_reader *r, struct ax_values *values, struct ax_type type)
{
    if (ax_values_init(values, type, 1, r->arena, r->err))
        return r->err->code;
    ax_values_set_null(values, 0);
    if (!type.is_list)
        return AX_OK;
    values->items = ax_arena_alloc(r->arena, 1, sizeof(*values->items));
    if (!values->items)
        return fail_memory(r);
    return ax_values_init(values->items, (struct ax_type){ type.kind, false }, 0, r->arena, r->err);
}

/* The value of a member; `type` is what was declared, or of no kind, and is set. */
static enum ax_code read_value(struct row_reader *r, struct ax_values *values, struct ax_type *type)
{
    struct scalar scalar;
    enum ax_json_token token = ax_json_read(&r->json, r->err);
    bool is_array = token == AX_JSON_ARRAY_BEGIN;
    bool is_declared = type->kind != AX_TYPE_COUNT;
    if (is_declared && token != AX_JSON_NULL && is_array != type->is_list)
        return ax_fail(r->err, AX_E_INVALID, "expected %s, found %s", ax_type_name(*type),
                       ax_json_token_text(token));
    if (is_array)
        return read_list(r, values, type);
    if (read_scalar(r, token, &scalar))
        return r->err->code;
    if (!is_declared)
        *type = (struct ax_type){ scalar.kind, false };
    if (type->kind == AX_TYPE_COUNT)
        return AX_OK;
    if (scalar.is_null)
        return set_null(r, values, *type);
    if (fit(r, &scalar, type->kind) || ax_values_init(values, *type, 1, r->arena, r->err))
        return r->err->code;
    put_scalar(values, 0, &scalar);
    return AX_OK;
}

static enum ax_code read_member(struct row_reader *r)
{
    struct ax_str name;
    size_t column = 0;
    struct ax_type type = { AX_TYPE_COUNT, false };
    struct ax_values *values = ax_arena_zalloc(r->arena, 1, sizeof(*values));
    if (!values)
        return fail_memory(r);
    if (ax_json_read_text(&r->json, r->arena, &name, r->err))
        return r->err->code;
    if (!find_column(r->row, name, &column)) {
        if (add_column(r, name, &column))
            return r->err->code;
    } else if (r->row->inputs[column]) {
        return ax_fail(r->err, AX_E_INVALID, "the row has '%.*s' twice", AX_STR_ARG(name));
    } else {
        type = r->row->columns[column].type;
    }
    if (read_value(r, values, &type))
        return ax_err_context(r->err, "column '%.*s'", AX_STR_ARG(ax_str_cut(name, 64)));
    if (type.kind == AX_TYPE_COUNT)
        return ax_fail(r->err, AX_E_INVALID,
                       "nothing says which type '%.*s' has; add --type '%.*s=float64' or so",
                       AX_STR_ARG(name), AX_STR_ARG(name));
    r->row->columns[column].type = type;
    r->row->inputs[column] = values;
    return AX_OK;
}

static enum ax_code read_object(struct row_reader *r)
{
    enum ax_json_token token = ax_json_read(&r->json, r->err);
    if (token == AX_JSON_FAILED)
        return r->err->code;
    if (token != AX_JSON_OBJECT_BEGIN)
        return ax_fail(r->err, AX_E_INVALID, "expected a JSON object, found %s",
                       ax_json_token_text(token));
    while ((token = ax_json_read(&r->json, r->err)) == AX_JSON_KEY)
        if (read_member(r))
            return r->err->code;
    if (token == AX_JSON_OBJECT_END)
        token = ax_json_read(&r->json, r->err);
    return token == AX_JSON_END ? AX_OK : r->err->code;
}

/* Columns that are declared, but not in the row, are null. */
static enum ax_code fill_absent(struct row_reader *r)
{
    for (size_t i = 0; i < r->row->count; i++) {
        if (r->row->inputs[i])
            continue;
        struct ax_values *values = ax_arena_zalloc(r->arena, 1, sizeof(*values));
        if (!values)
            return fail_memory(r);
        if (set_null(r, values, r->row->columns[i].type))
            return r->err->code;
        r->row->inputs[i] = values;
    }
    return AX_OK;
}

enum ax_code ax_eval_row_read(struct ax_str json, const struct ax_option_list *types,
                              struct ax_arena *arena, struct ax_eval_row *ret_row,
                              struct ax_err *err)
{
    assert((json.ptr || !json.len) && types && arena && ret_row && err);
    struct ax_eval_row row = { 0 };
    struct row_reader r = { .row = &row, .arena = arena, .err = err };
    row.columns = ax_arena_alloc(arena, COLUMNS_MAX, sizeof(*row.columns));
    if (row.columns)
        row.inputs = ax_arena_alloc(arena, COLUMNS_MAX, sizeof(const struct ax_values *));
    if (!row.inputs)
        return fail_memory(&r);
    for (size_t i = 0; i < types->count; i++)
        if (declare(&r, ax_str_from(types->texts[i])))
            return err->code;
    ax_json_reader_init(&r.json, json);
    if (json.ptr && read_object(&r))
        return ax_err_context(err, "--row");
    if (fill_absent(&r))
        return err->code;
    *ret_row = row;
    return AX_OK;
}
