/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a view: an expression each, the type in which it is stored, its default.
 */
#include "feature/definition_reader.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#define QUOTED(text) AX_STR_ARG(ax_str_cut((text), 60))

/* ---- types ---- */

/* A column of bytes is passed on as it is. */
static bool is_bytes(const struct ax_parsed *parsed, const struct ax_scope *scope)
{
    return !parsed->aggregate_count && parsed->root->kind == AX_EXPR_INPUT &&
           scope->columns[parsed->root->input].is_bytes;
}

/* `said` is what the text says, or NULL: what the expression is. The tree is converted where there
 * is an implicit conversion. */
enum ax_code ax_definition_store(const struct ax_definition_reader *r, const struct ax_yaml *said,
                                 const struct ax_scope *scope, struct ax_parsed *parsed,
                                 struct ax_storage *ret)
{
    bool bytes = is_bytes(parsed, scope);
    struct ax_storage storage = ax_type_storage(parsed->root->type);
    if (bytes)
        storage.kind = AX_STORAGE_BYTES;
    if (said && ax_definition_storage(r, said, &storage))
        return r->err->code;
    if (bytes != (storage.kind == AX_STORAGE_BYTES))
        return ax_definition_fail(r, said, "the expression is %s, which is not stored as %s",
                                  bytes ? "bytes" : ax_type_name(parsed->root->type),
                                  ax_storage_name(storage));
    if (said &&
        ax_expr_convert(parsed->root, ax_storage_type(storage), r->arena, &parsed->root, r->err)) {
        if (r->err->code != AX_E_INVALID)
            return r->err->code;
        ax_err_clear(r->err);
        return ax_definition_fail(r, said, "the expression is %s, which is not stored as %s",
                                  ax_type_name(parsed->root->type), ax_storage_name(storage));
    }
    *ret = storage;
    return AX_OK;
}

/* ---- defaults ---- */

/* What is stored in 4 bytes is not changed by that beyond rounding. */
static bool fits_storage(struct ax_storage storage, union ax_literal value)
{
    if (storage.kind == AX_STORAGE_INT32)
        return value.i64 >= INT32_MIN && value.i64 <= INT32_MAX;
    if (storage.kind == AX_STORAGE_FLOAT32)
        return fabs(value.f64) <= (double)FLT_MAX;
    return true;
}

static enum ax_code read_default(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 struct ax_field *field)
{
    const struct ax_yaml *value = ax_yaml_get(node, "default");
    if (!value)
        return AX_OK;
    field->has_default = true;
    field->default_is_null = value->kind == AX_YAML_SCALAR && ax_yaml_is_null(value);
    if (field->default_is_null)
        return AX_OK;
    if (field->storage.is_list || field->storage.kind == AX_STORAGE_BYTES)
        return ax_definition_fail(r, value, "a field of %s has no default but null",
                                  ax_storage_name(field->storage));
    if (ax_definition_literal(r, value, ax_storage_type(field->storage), &field->default_value))
        return r->err->code;
    if (!fits_storage(field->storage, field->default_value))
        return ax_definition_fail(r, value, "'%.*s' is no %s", QUOTED(value->text),
                                  ax_storage_name(field->storage));
    return AX_OK;
}

/* ---- fields ---- */

static enum ax_code check_windows(const struct ax_definition_reader *r, const struct ax_yaml *expr,
                                  const struct ax_field *field)
{
    for (size_t i = 0; i < field->parsed.aggregate_count; i++)
        if (field->parsed.aggregates[i].hop_us > field->parsed.aggregates[i].window_us)
            return ax_definition_fail(r, expr, "a hop is longer than its window");
    return AX_OK;
}

static enum ax_code read_field(struct ax_definition_reader *r, const struct ax_yaml *node,
                               const struct ax_scope *scope, struct ax_field *field)
{
    bool is_short = node->kind != AX_YAML_MAP;
    field->place = ax_definition_place_key(r, node);
    field->description = field->deprecation = (struct ax_str){ "", 0 };
    if (ax_definition_name_key(r, node, &field->name) ||
        (!is_short && ax_definition_check_keys(r, node, AX_MAPPING_FIELD)))
        return r->err->code;
    const struct ax_yaml *expr = is_short ? node : ax_yaml_get(node, "expr");
    if (ax_definition_parse(r, expr, scope, &field->text, &field->parsed) ||
        check_windows(r, expr, field) ||
        ax_definition_store(r, is_short ? NULL : ax_yaml_get(node, "type"), scope, &field->parsed,
                            &field->storage))
        return r->err->code;
    if (is_short)
        return AX_OK;
    if (read_default(r, node, field) ||
        ax_definition_deprecated(r, node, &field->deprecated, &field->deprecation))
        return r->err->code;
    return ax_definition_text(r, node, AX_MAPPING_FIELD, "description", &field->description);
}

static enum ax_code check_field(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                const struct ax_view *view)
{
    const struct ax_field *field = &view->fields[view->field_count - 1];
    bool is_windowed = field->parsed.aggregate_count > 0;
    if (view->field_count > 1 && is_windowed != view->windowed)
        return ax_definition_fail_key(r, node,
                                      "field '%.*s' %s a window, '%.*s' %s: a view has "
                                      "windows in all of its fields, or in none",
                                      QUOTED(field->name), is_windowed ? "has" : "is without",
                                      QUOTED(view->fields[0].name),
                                      is_windowed ? "is without" : "has one");
    return AX_OK;
}

enum ax_code ax_definition_read_fields(struct ax_definition_reader *r, const struct ax_yaml *node,
                                       struct ax_view *view)
{
    assert(r && node && view);
    struct ax_map folded;
    if (ax_definition_check_many(r, node, AX_YAML_MAP, AX_DEFINITION_FIELDS_MAX, "fields"))
        return r->err->code;
    struct ax_field *fields = ax_definition_alloc(r, node->count, sizeof(*fields));
    if (!fields)
        return r->err->code;
    view->fields = fields;
    ax_map_init(&folded);
    const struct ax_scope *scope = &ax_definition_source_scope(r, view->source)->scope;
    for (const struct ax_yaml *item = node->first; item && !r->err->code; item = item->next) {
        struct ax_field *field = &fields[view->field_count++];
        if (read_field(r, item, scope, field) ||
            ax_definition_check_case(r, &field->place, field->name, &folded) ||
            check_field(r, item, view))
            break;
        view->windowed = field->parsed.aggregate_count > 0;
    }
    ax_map_done(&folded);
    return r->err->code;
}
