/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expectations of a source: which check, over which columns, with which bounds.
 *
 * One table says for each check which keys it takes. Sources have all been read when this begins,
 * since `referential` refers to another one.
 */
#include "feature/definition_reader.h"

#include "base/regex.h"
#include "feature/expectation_result.h"
#include "feature/row_checks.h"

#include <assert.h>
#include <stdio.h>

#define COLUMNS_MAX 64
#define VALUES_MAX  10000

/* In the order of enum ax_expectation_kind, which is also that of the words. */
static const struct {
    size_t columns_min, columns_max;
    const char *keys;   /* beside check, column, columns, do and mostly */
    const char *needed; /* one of them is there */
} checks[AX_EXPECT_KIND_COUNT] = {
    [AX_EXPECT_NOT_NULL] = { 1, COLUMNS_MAX, "", "" },
    [AX_EXPECT_UNIQUE] = { 1, COLUMNS_MAX, "", "" },
    [AX_EXPECT_BETWEEN] = { 1, COLUMNS_MAX, "|min|max|", "min|max" },
    [AX_EXPECT_IN_SET] = { 1, COLUMNS_MAX, "|values|", "values" },
    [AX_EXPECT_REGEX] = { 1, COLUMNS_MAX, "|pattern|", "pattern" },
    [AX_EXPECT_LENGTH] = { 1, COLUMNS_MAX, "|min|max|", "min|max" },
    [AX_EXPECT_ROW_COUNT] = { 0, 0, "|min|max|", "min|max" },
    [AX_EXPECT_FRESHNESS] = { 0, 0, "|max_age|", "max_age" },
    [AX_EXPECT_MONOTONIC] = { 1, 1, "|by|", "" },
    [AX_EXPECT_REFERENTIAL] = { 1, 1, "|refers_to|", "refers_to" },
    [AX_EXPECT_EXPRESSION] = { 0, 0, "|expr|", "expr" },
};

/* ---- which keys ---- */

static enum ax_code check_keys(const struct ax_definition_reader *r, const struct ax_yaml *node,
                               enum ax_expectation_kind kind)
{
    static const char common[] = "|check|column|columns|do|mostly|";
    char quoted[40];
    struct ax_str name = ax_expectation_kind_name(kind);
    bool has_needed = !checks[kind].needed[0];
    for (const struct ax_yaml *key = node->first; key; key = key->next) {
        (void)snprintf(quoted, sizeof(quoted), "|%.30s|", key->key.ptr);
        bool is_ours = strstr(checks[kind].keys, quoted) != NULL;
        has_needed |= is_ours;
        if (!is_ours && !strstr(common, quoted))
            return ax_definition_fail_key(r, key, "'%.30s' means nothing to %.*s", key->key.ptr,
                                          AX_STR_ARG(name));
    }
    if (!has_needed)
        return ax_definition_fail(r, node, "%.*s needs %s", AX_STR_ARG(name),
                                  strcmp(checks[kind].needed, "min|max") == 0
                                      ? "'min', 'max' or both"
                                      : checks[kind].needed);
    return AX_OK;
}

static enum ax_code read_action(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                struct ax_expectation *expectation)
{
    const struct ax_yaml *mostly = ax_yaml_get(node, "mostly");
    int action;
    struct ax_str name = ax_expectation_kind_name(expectation->kind);
    if (ax_definition_word(r, node, AX_MAPPING_EXPECTATION, "do", &action))
        return r->err->code;
    expectation->action = (enum ax_expectation_action)action;
    expectation->mostly = 1;
    if (ax_expectation_is_whole(expectation->kind) && expectation->action == AX_EXPECT_DROP_ROW)
        return ax_definition_fail(r, ax_yaml_get(node, "do"),
                                  "%.*s is no matter of single rows: warn or fail is expected",
                                  AX_STR_ARG(name));
    if (!mostly)
        return AX_OK;
    if (ax_expectation_is_whole(expectation->kind))
        return ax_definition_fail_key(r, mostly, "'mostly' means nothing to %.*s",
                                      AX_STR_ARG(name));
    if (ax_yaml_f64(mostly, r->file->name, &expectation->mostly, r->err))
        return r->err->code;
    if (!(expectation->mostly > 0 && expectation->mostly <= 1))
        return ax_definition_fail(r, mostly, "'mostly' is a share: above 0, at most 1");
    return AX_OK;
}

/* ---- which columns ---- */

static bool type_fits(enum ax_expectation_kind kind, struct ax_storage storage)
{
    struct ax_type type = ax_storage_type(storage);
    bool is_text = type.kind == AX_TYPE_STRING && storage.kind != AX_STORAGE_BYTES;
    switch (kind) {
    case AX_EXPECT_NOT_NULL:
        return true;
    case AX_EXPECT_BETWEEN:
        return !type.is_list && type.kind != AX_TYPE_BOOL && type.kind != AX_TYPE_STRING;
    case AX_EXPECT_IN_SET:
        return !type.is_list &&
               (is_text || type.kind == AX_TYPE_INT64 || type.kind == AX_TYPE_FLOAT64);
    case AX_EXPECT_REGEX:
        return !type.is_list && is_text;
    case AX_EXPECT_LENGTH:
        return type.is_list || type.kind == AX_TYPE_STRING;
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_MONOTONIC:
    case AX_EXPECT_REFERENTIAL:
        return !type.is_list;
    case AX_EXPECT_ROW_COUNT:
    case AX_EXPECT_FRESHNESS:
    case AX_EXPECT_EXPRESSION:
    case AX_EXPECT_KIND_COUNT:
        break;
    }
    return true;
}

static enum ax_code check_types(const struct ax_definition_reader *r, const struct ax_yaml *list,
                                const struct ax_source *source,
                                const struct ax_expectation *expectation)
{
    const struct ax_definition_column *first = &source->columns[expectation->columns[0]];
    struct ax_str name = ax_expectation_kind_name(expectation->kind);
    for (size_t i = 0; i < expectation->column_count; i++) {
        const struct ax_definition_column *column = &source->columns[expectation->columns[i]];
        if (!type_fits(expectation->kind, column->storage))
            return ax_definition_fail(r, list, "column '%.*s' is %s, which %.*s does not take",
                                      AX_STR_ARG(ax_str_cut(column->name, 60)),
                                      ax_storage_name(column->storage), AX_STR_ARG(name));
        if (expectation->kind == AX_EXPECT_BETWEEN &&
            ax_storage_type(column->storage).kind != ax_storage_type(first->storage).kind)
            return ax_definition_fail(r, list, "columns of one 'between' have one type");
    }
    return AX_OK;
}

static enum ax_code read_columns(struct ax_definition_reader *r, const struct ax_yaml *node,
                                 const struct ax_source *source, struct ax_expectation *expectation)
{
    const struct ax_yaml *one = ax_yaml_get(node, "column");
    const struct ax_yaml *many = ax_yaml_get(node, "columns");
    const struct ax_yaml *list = one ? one : many;
    size_t max = checks[expectation->kind].columns_max;
    struct ax_str name = ax_expectation_kind_name(expectation->kind);
    if (one && many)
        return ax_definition_fail_key(r, many, "'column' and 'columns' are not used together");
    if (list && !max)
        return ax_definition_fail_key(r, list, "'%s' means nothing to %.*s", list->key.ptr,
                                      AX_STR_ARG(name));
    if (!list && checks[expectation->kind].columns_min)
        return ax_definition_fail(r, node, "%.*s needs 'column'", AX_STR_ARG(name));
    if (!list)
        return AX_OK;
    if (ax_definition_columns(r, list, source, one ? 1 : max, &expectation->columns,
                              &expectation->column_count))
        return r->err->code;
    return check_types(r, list, source, expectation);
}

/* ---- bounds ---- */

/* Of a column of whole numbers a bound may still be 0.5, or beyond them all. */
static bool is_whole_number(const struct ax_yaml *node)
{
    struct ax_err ignored = AX_ERR_INIT;
    int64_t whole;
    return !ax_yaml_i64(node, "", &whole, &ignored);
}

static enum ax_code read_bound(const struct ax_definition_reader *r, const struct ax_yaml *node,
                               struct ax_type type, bool is_value, struct ax_bound *bound)
{
    union ax_literal literal;
    if (!node)
        return AX_OK;
    if (is_value && type.kind == AX_TYPE_INT64 && !is_whole_number(node))
        type.kind = AX_TYPE_FLOAT64;
    if (ax_definition_literal(r, node, type, &literal))
        return r->err->code;
    bool is_whole = type.kind != AX_TYPE_FLOAT64;
    *bound = (struct ax_bound){ .is_there = true,
                                .is_whole = is_whole,
                                .whole = is_whole ? literal.i64 : 0,
                                .number = is_whole ? (double)literal.i64 : literal.f64 };
    return AX_OK;
}

static enum ax_code read_bounds(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                const struct ax_source *source, struct ax_expectation *expectation)
{
    const struct ax_yaml *min = ax_yaml_get(node, "min"), *max = ax_yaml_get(node, "max");
    const struct ax_bound *low = &expectation->min, *high = &expectation->max;
    bool is_value = expectation->kind == AX_EXPECT_BETWEEN;
    struct ax_type type = { .kind = AX_TYPE_INT64 };
    if (is_value)
        type = ax_storage_type(source->columns[expectation->columns[0]].storage);
    if (read_bound(r, min, type, is_value, &expectation->min) ||
        read_bound(r, max, type, is_value, &expectation->max))
        return r->err->code;
    if (!is_value && (low->whole < 0 || high->whole < 0))
        return ax_definition_fail(r, low->whole < 0 ? min : max,
                                  "a number of things is not negative");
    bool are_whole = low->is_whole && high->is_whole;
    if (min && max && (are_whole ? low->whole > high->whole : low->number > high->number))
        return ax_definition_fail(r, min, "'min' lies above 'max'");
    return AX_OK;
}

static enum ax_code read_set(struct ax_definition_reader *r, const struct ax_yaml *list,
                             const struct ax_source *source, struct ax_expectation *expectation)
{
    struct ax_type type = ax_storage_type(source->columns[expectation->columns[0]].storage);
    if (ax_definition_check_many(r, list, AX_YAML_LIST, VALUES_MAX, "values"))
        return r->err->code;
    struct ax_str *set = ax_definition_alloc(r, list->count, sizeof(*set));
    if (!set)
        return r->err->code;
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        union ax_literal ignored;
        if (ax_definition_literal(r, item, type, &ignored))
            return r->err->code;
        set[expectation->set_count++] = item->text;
    }
    expectation->set = set;
    return AX_OK;
}

static enum ax_code read_pattern(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 struct ax_expectation *expectation)
{
    const struct ax_regex_options plain = { 0 };
    struct ax_regex *regex = NULL;
    if (ax_definition_text(r, node, AX_MAPPING_EXPECTATION, "pattern", &expectation->pattern))
        return r->err->code;
    if (ax_regex_new(expectation->pattern, &plain, &regex, r->err)) {
        struct ax_place place = ax_definition_place(r, ax_yaml_get(node, "pattern"));
        return ax_err_context(r->err, "%s:%u:%u", place.file, place.line, place.column);
    }
    ax_regex_free(regex);
    return AX_OK;
}

/* SOURCE.COLUMN: a source's name has no point. */
static enum ax_code read_referred(struct ax_definition_reader *r, const struct ax_yaml *node,
                                  const struct ax_source *source,
                                  struct ax_expectation *expectation)
{
    const char *point = node->kind == AX_YAML_SCALAR ? strchr(node->text.ptr, '.') : NULL;
    if (!point)
        return ax_definition_fail(r, node, "'refers_to' must be SOURCE.COLUMN");
    struct ax_str name = { node->text.ptr, (size_t)(point - node->text.ptr) };
    struct ax_str column = { point + 1, node->text.len - name.len - 1 };
    void *object;
    if (ax_definition_find(r, node, AX_DEFINITION_SOURCE, name, &object))
        return r->err->code;
    const struct ax_source *referred = object;
    if (ax_definition_column(r, node, referred, column, &expectation->referred_column))
        return r->err->code;
    const struct ax_definition_column *mine = &source->columns[expectation->columns[0]];
    const struct ax_definition_column *other = &referred->columns[expectation->referred_column];
    if (!ax_type_equals(ax_storage_type(mine->storage), ax_storage_type(other->storage)))
        return ax_definition_fail(r, node, "'%.*s' is %s, which refers to no %s",
                                  AX_STR_ARG(ax_str_cut(mine->name, 60)),
                                  ax_storage_name(mine->storage), ax_storage_name(other->storage));
    expectation->referred = referred;
    return AX_OK;
}

static enum ax_code read_condition(struct ax_definition_reader *r, const struct ax_yaml *node,
                                   const struct ax_source *source,
                                   struct ax_expectation *expectation)
{
    struct ax_scope scope = ax_definition_source_scope(r, source)->scope;
    struct ax_parsed parsed;
    scope.has_aggregates = false;
    if (ax_definition_parse(r, node, &scope, &expectation->text, &parsed))
        return r->err->code;
    if (parsed.root->type.is_list || parsed.root->type.kind != AX_TYPE_BOOL)
        return ax_definition_fail(r, node, "the expression is %s; bool is expected",
                                  ax_type_name(parsed.root->type));
    expectation->expr = parsed.root;
    return AX_OK;
}

static enum ax_code read_by(struct ax_definition_reader *r, const struct ax_yaml *list,
                            const struct ax_source *source, struct ax_expectation *expectation)
{
    if (!list)
        return AX_OK;
    if (ax_definition_columns(r, list, source, COLUMNS_MAX, &expectation->by,
                              &expectation->by_count))
        return r->err->code;
    for (size_t i = 0; i < expectation->by_count; i++)
        if (source->columns[expectation->by[i]].storage.is_list)
            return ax_definition_fail(r, list, "a list does not part rows");
    return AX_OK;
}

static enum ax_code read_details(struct ax_definition_reader *r, const struct ax_yaml *node,
                                 const struct ax_source *source, struct ax_expectation *expectation)
{
    switch (expectation->kind) {
    case AX_EXPECT_BETWEEN:
    case AX_EXPECT_LENGTH:
    case AX_EXPECT_ROW_COUNT:
        return read_bounds(r, node, source, expectation);
    case AX_EXPECT_IN_SET:
        return read_set(r, ax_yaml_get(node, "values"), source, expectation);
    case AX_EXPECT_REGEX:
        return read_pattern(r, node, expectation);
    case AX_EXPECT_FRESHNESS:
        if (source->time < 0)
            return ax_definition_fail(r, node, "freshness needs a time; 'time' is none");
        return ax_definition_duration(r, node, "max_age", &expectation->freshness_us);
    case AX_EXPECT_REFERENTIAL:
        return read_referred(r, ax_yaml_get(node, "refers_to"), source, expectation);
    case AX_EXPECT_EXPRESSION:
        return read_condition(r, ax_yaml_get(node, "expr"), source, expectation);
    case AX_EXPECT_MONOTONIC:
        return read_by(r, ax_yaml_get(node, "by"), source, expectation);
    case AX_EXPECT_NOT_NULL:
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_KIND_COUNT:
        break;
    }
    return AX_OK;
}

static enum ax_code read_expectation(struct ax_definition_reader *r, const struct ax_yaml *node,
                                     const struct ax_source *source,
                                     struct ax_expectation *expectation)
{
    int kind;
    expectation->place = ax_definition_place(r, node);
    if (ax_definition_check_keys(r, node, AX_MAPPING_EXPECTATION) ||
        ax_definition_word(r, node, AX_MAPPING_EXPECTATION, "check", &kind))
        return r->err->code;
    expectation->kind = (enum ax_expectation_kind)kind;
    if (check_keys(r, node, expectation->kind) || read_action(r, node, expectation) ||
        read_columns(r, node, source, expectation) || read_details(r, node, source, expectation))
        return r->err->code;
    bool is_asked = ax_row_checks_ask(expectation->kind);
    if (!source->push || expectation->action == AX_EXPECT_WARN || is_asked)
        return AX_OK;
    return ax_definition_warn(
        r, &expectation->place,
        "source '%.*s': pushed rows are not asked for '%.*s', which needs other "
        "rows: they are online whatever it says",
        AX_STR_ARG(ax_str_cut(source->name, 60)),
        AX_STR_ARG(ax_expectation_kind_name(expectation->kind)));
}

enum ax_code ax_definition_read_expectations(struct ax_definition_reader *r,
                                             const struct ax_yaml *node, struct ax_source *source)
{
    assert(r && node && source);
    const struct ax_yaml *list = ax_yaml_get(node, "expect");
    if (!list)
        return AX_OK;
    if (ax_definition_check_many(r, list, AX_YAML_LIST, AX_DEFINITION_FIELDS_MAX, "expectations"))
        return r->err->code;
    struct ax_expectation *expectations =
        ax_definition_alloc(r, list->count, sizeof(*expectations));
    if (!expectations)
        return r->err->code;
    source->expectations = expectations;
    for (const struct ax_yaml *item = list->first; item; item = item->next)
        if (read_expectation(r, item, source, &expectations[source->expectation_count++]))
            return r->err->code;
    return AX_OK;
}
