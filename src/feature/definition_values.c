/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of definitions that mean something to another part of the program: expressions, literals,
 * queries; and the scopes that expressions are read in.
 */
#include "feature/definition_reader.h"

#include "base/calendar.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#define QUOTED(text) AX_STR_ARG(ax_str_cut((text), 60))

/* ---- expressions and literals ---- */

enum ax_code ax_definition_parse(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 const struct ax_scope *scope, struct ax_str *ret_text,
                                 struct ax_parsed *ret_parsed)
{
    size_t at = 0;
    unsigned line, column;
    if (node->kind != AX_YAML_SCALAR || !node->text.len || (ax_yaml_is_null(node) && !node->quoted))
        return ax_definition_fail_kind(r, node, "an expression");
    if (!ax_expr_parse(node->text, scope, r->arena, ret_parsed, &at, r->err)) {
        *ret_text = node->text;
        return AX_OK;
    }
    ax_yaml_locate(r->file->text, node, AX_MIN(at, node->text.len), &line, &column);
    return ax_err_context(r->err, "%s:%u:%u", r->file->name, line, column);
}

/* Whether a plain scalar is something else than a text to those who read YAML. */
static bool looks_like_no_text(const struct ax_yaml *node)
{
    struct ax_err ignored = AX_ERR_INIT;
    double number;
    bool truth;
    if (node->quoted)
        return false;
    bool is_number = !ax_yaml_f64(node, "", &number, &ignored);
    ax_err_clear(&ignored);
    return is_number || !ax_yaml_bool(node, "", &truth, &ignored);
}

static enum ax_code fail_literal(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 struct ax_type type)
{
    static const char *const wanted[AX_TYPE_COUNT] = {
        [AX_TYPE_BOOL] = "a bool: true or false",
        [AX_TYPE_INT64] = "an int64: a whole number",
        [AX_TYPE_FLOAT64] = "a float64: a finite number",
        [AX_TYPE_STRING] = "a string, in quotes when it looks like a number or a bool",
        [AX_TYPE_TIMESTAMP] = "a timestamp, as \"2013-10-01T00:00:00Z\"",
        [AX_TYPE_DURATION] = "a duration, as 15m",
    };
    return ax_definition_fail_kind(r, node, wanted[type.kind]);
}

/* A time without an offset is UTC, as everywhere in expressions. */
static bool literal_from_node(const struct ax_yaml *node, struct ax_type type,
                              union ax_literal *ret)
{
    struct ax_err ignored = AX_ERR_INIT;
    bool is_naive;
    switch (type.kind) {
    case AX_TYPE_BOOL:
        return !ax_yaml_bool(node, "", &ret->truth, &ignored);
    case AX_TYPE_INT64:
        return !ax_yaml_i64(node, "", &ret->i64, &ignored);
    case AX_TYPE_FLOAT64:
        if (ax_yaml_f64(node, "", &ret->f64, &ignored))
            return false;
        ret->f64 += 0.0; /* turns -0 into 0 */
        return isfinite(ret->f64);
    case AX_TYPE_STRING:
        ret->text = node->text;
        return !looks_like_no_text(node);
    case AX_TYPE_TIMESTAMP:
        return ax_calendar_parse(node->text, &ret->i64, &is_naive);
    case AX_TYPE_DURATION:
        return !ax_duration_parse(node->text, &ret->i64, &ignored);
    case AX_TYPE_COUNT:
        break;
    }
    return false;
}

enum ax_code ax_definition_literal(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                   struct ax_type type, union ax_literal *ret)
{
    union ax_literal literal = { 0 };
    assert(!type.is_list);
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node) ||
        !literal_from_node(node, type, &literal))
        return fail_literal(r, node, type);
    *ret = literal;
    return AX_OK;
}

static bool is_sql_path(struct ax_str text)
{
    return text.len > 4 && memcmp(text.ptr + text.len - 4, ".sql", 4) == 0 &&
           !memchr(text.ptr, '\n', text.len);
}

/* A file that is named for the first time. */
static enum ax_code read_sql(struct ax_definition_reader *r, const struct ax_yaml *node)
{
    char path[4096];
    struct ax_str text;
    const char *folder = node->text.ptr[0] == '/' ? "" : r->definitions->folder;
    int len = snprintf(path, sizeof(path), "%s%s%.*s", folder, *folder ? "/" : "",
                       AX_STR_ARG(node->text));
    if (len < 0 || (size_t)len >= sizeof(path))
        return ax_definition_fail(r, node, "the path is too long");
    if (r->is_from_texts)
        (void)ax_fail(r->err, AX_E_NOT_FOUND, "'%s' is not among the files of the definitions",
                      path);
    else if (!ax_definition_read_file(r, path, &text))
        (void)(ax_definition_add_sql(r, node->text, text) != AX_OK);
    return r->err->code
               ? ax_err_context(r->err, "%s:%u:%u", r->file->name, node->line, node->column)
               : AX_OK;
}

enum ax_code ax_definition_sql(struct ax_definition_reader *r, const struct ax_yaml *node,
                               struct ax_str *ret_text, struct ax_str *ret_path)
{
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node) || !node->text.len)
        return ax_definition_fail_kind(r, node,
                                       "a SELECT, or the path of a file that ends in .sql");
    *ret_path = (struct ax_str){ "", 0 };
    *ret_text = node->text;
    if (!is_sql_path(node->text))
        return AX_OK;
    if (!ax_map_get(&r->sql, node->text) && read_sql(r, node))
        return r->err->code;
    const struct ax_file_text *file = ax_map_get(&r->sql, node->text);
    if (!file->text.len || !ax_str_is_utf8(file->text))
        return ax_definition_fail(r, node, "'%.*s' is %s", QUOTED(node->text),
                                  file->text.len ? "no UTF-8" : "empty");
    *ret_path = node->text;
    *ret_text = file->text;
    return AX_OK;
}

/* ---- scopes ---- */

enum ax_code ax_definition_scope_init(struct ax_definition_reader *r,
                                      struct ax_definition_scope *scope, size_t max)
{
    assert(r && scope);
    ax_map_init(&scope->indexes);
    scope->columns = ax_definition_alloc(r, max, sizeof(*scope->columns));
    scope->scope = (struct ax_scope){ .columns = scope->columns, .indexes = &scope->indexes };
    return scope->columns ? AX_OK : r->err->code;
}

void ax_definition_scope_done(struct ax_definition_scope *scope)
{
    assert(scope);
    ax_map_done(&scope->indexes);
}

bool ax_definition_scope_add(struct ax_definition_scope *scope, struct ax_str name,
                             struct ax_storage storage)
{
    struct ax_scope_column *column = &scope->columns[scope->scope.column_count];
    if (ax_map_get(&scope->indexes, name))
        return false;
    *column = (struct ax_scope_column){ .name = name,
                                        .type = ax_storage_type(storage),
                                        .is_bytes = storage.kind == AX_STORAGE_BYTES };
    (void)ax_map_put(&scope->indexes, name, column);
    scope->scope.column_count++;
    return true;
}

long ax_definition_scope_find(const struct ax_definition_scope *scope, struct ax_str name)
{
    const struct ax_scope_column *column = ax_map_get(&scope->indexes, name);
    return column ? (long)(column - scope->columns) : -1;
}
