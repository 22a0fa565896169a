/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From names to a way.
 *
 * The names that the label reads come out of DuckDB's parser, which hands out a statement as JSON;
 * every part of every column's name counts, so that `t.arr_delay` is found. Each input is then
 * followed down: through expressions to what they read, which stands above them, and through roles
 * to the values of the call that look them up. The first one that arrives at a name of the label is
 * told with its way. SQL does not tell names apart by case, so neither is it done here.
 */
#include "pipeline/leakage.h"

#include "base/alloc.h"
#include "base/json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX      1024
#define TEXT_MAX       ((size_t)1 << 20)
#define TELL_BYTES     512
#define NO_STEP        ((size_t)-1)
#define JSON_STACK_MAX (AX_JSON_DEPTH_MAX + 1)

/* What an expression of the train block reads. */
struct leakage_names {
    struct ax_json_doc *doc; /* owns the texts */
    struct ax_str items[NAMES_MAX];
    size_t count;
};

struct leakage {
    struct ax_sql *sql;
    const struct ax_train_spec *spec;
    const struct ax_service *service;
    const struct ax_str *columns; /* of the rows */
    size_t column_count;
    struct leakage_names *label;
    struct leakage_names *known; /* what label_known_at reads */
    ax_leakage_warn_fn warn;
    void *arg;
    struct ax_err *err;
};

/* ---- names of an expression ---- */

static bool has_name(const struct ax_str *names, size_t count, struct ax_str name)
{
    for (size_t i = 0; i < count; i++)
        if (ax_str_equals_nocase(names[i], name))
            return true;
    return false;
}

static enum ax_code add_names(struct leakage_names *names, const struct ax_json *list,
                              struct ax_err *err)
{
    struct ax_json_iter parts = ax_json_iterate(list);
    const struct ax_json *part;
    while ((part = ax_json_next(&parts))) {
        if (names->count == NAMES_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "it reads more than %d names", NAMES_MAX);
        names->items[names->count++] = ax_json_str(part);
    }
    return AX_OK;
}

/* Every COLUMN_REF of the tree, by a stack. */
static enum ax_code walk(struct leakage_names *names, const struct ax_json *root,
                         struct ax_err *err)
{
    struct ax_json_iter stack[JSON_STACK_MAX];
    size_t depth = 0;
    stack[depth++] = ax_json_iterate(root);
    while (depth) {
        const struct ax_json *value = ax_json_next(&stack[depth - 1]);
        if (!value) {
            depth--;
            continue;
        }
        if (ax_str_is(ax_json_str(ax_json_get(value, "class")), "COLUMN_REF") &&
            add_names(names, ax_json_get(value, "column_names"), err))
            return err->code;
        if (depth == JSON_STACK_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "it is nested too deeply");
        stack[depth++] = ax_json_iterate(value);
    }
    return AX_OK;
}

static enum ax_code read_names(struct ax_sql *sql, struct ax_str expression,
                               struct leakage_names *names, struct ax_err *err)
{
    struct ax_buf query, text;
    char *json = NULL;
    ax_buf_init(&query, TEXT_MAX);
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&query, "SELECT (%.*s\n)", AX_STR_ARG(expression));
    (void)ax_buf_append_str(&text, AX_STR("SELECT json_serialize_sql("));
    ax_sql_put_literal(&text, ax_buf_str(&query));
    (void)ax_buf_append_str(&text, AX_STR(")::VARCHAR"));
    if (!ax_buf_check(&query, "the expression", err) &&
        !ax_buf_check(&text, "the expression", err) &&
        !ax_sql_get_text(sql, ax_buf_str(&text), &json, err) &&
        !ax_json_parse(ax_str_from(json), &names->doc, err)) {
        const struct ax_json *root = ax_json_root(names->doc);
        struct ax_str message = ax_json_str(ax_json_get(root, "error_message"));
        if (ax_json_is_true(ax_json_get(root, "error")))
            (void)ax_fail(err, AX_E_INVALID, "%.*s", AX_STR_ARG(message));
        else
            (void)(walk(names, root, err) != AX_OK);
    }
    free(json);
    ax_buf_done(&query);
    ax_buf_done(&text);
    return err->code;
}

/* ---- inputs ---- */

/* Why an input knows a name of the label: what it reads next, down to a value of the call. */
struct leakage_step {
    bool leaks;
    size_t next;        /* the input that it reads; NO_STEP: the value of the call itself */
    size_t call_column; /* that the label reads */
    bool by_key;        /* which looks a view up */
};

static bool is_told(const struct leakage *l, struct ax_str name)
{
    return has_name(l->label->items, l->label->count, name);
}

static struct leakage_step call_step(const struct leakage *l, size_t call_column, bool by_key)
{
    return (struct leakage_step){ is_told(l, l->service->call[call_column].name), NO_STEP,
                                  call_column, by_key };
}

/* By the keys of its role. */
static struct leakage_step field_step(const struct leakage *l, const struct ax_role *role)
{
    struct leakage_step step = { .next = NO_STEP };
    for (size_t i = 0; i < role->view->entity->key_count && !step.leaks; i++)
        step = call_step(l, role->call_keys[i], true);
    return step;
}

/* `scope` are the inputs that are no values of the call, in order. */
static struct leakage_step expr_step(const struct leakage *l, const struct ax_service_input *input,
                                     const struct leakage_step *steps, const size_t *scope,
                                     size_t scope_count)
{
    size_t calls = l->service->call_count;
    bool *used = ax_xalloc((calls + scope_count + 1) * sizeof(*used));
    struct leakage_step step = { .next = NO_STEP };
    ax_expr_inputs(input->parsed.root, used);
    for (size_t i = 0; i < calls && !step.leaks; i++)
        if (used[i])
            step = call_step(l, i, false);
    for (size_t i = 0; i < scope_count && !step.leaks; i++)
        if (used[calls + i] && steps[scope[i]].leaks)
            step = (struct leakage_step){ true, scope[i], steps[scope[i]].call_column, false };
    free(used);
    return step;
}

static enum ax_code refuse(const struct leakage *l, size_t input, const struct leakage_step *steps)
{
    struct ax_buf way;
    const struct ax_service *service = l->service;
    size_t at = input;
    ax_buf_init(&way, TEXT_MAX);
    for (; steps[at].next != NO_STEP; at = steps[at].next)
        ax_buf_printf(&way, "'%.*s' <- ", AX_STR_ARG(service->inputs[at].name));
    if (service->inputs[at].kind == AX_INPUT_FIELD || service->inputs[at].kind == AX_INPUT_EXPR)
        ax_buf_printf(&way, "'%.*s' <- ", AX_STR_ARG(service->inputs[at].name));
    if (steps[at].by_key)
        ax_buf_printf(&way, "view '%.*s' <- its key ",
                      AX_STR_ARG(service->roles[service->inputs[at].role].view->name));
    const struct ax_definition_column *call = &service->call[steps[at].call_column];
    if (!ax_buf_check(&way, "the way to the label", l->err))
        (void)ax_place_fail(&service->inputs[input].place, l->err,
                            "leak: %.*s'%.*s' of the rows, which the label reads: take it out of "
                            "service '%.*s', or make the label one column of the query",
                            AX_STR_ARG(ax_buf_str(&way)), AX_STR_ARG(call->name),
                            AX_STR_ARG(service->name));
    ax_buf_done(&way);
    return l->err->code;
}

static enum ax_code refuse_itself(const struct leakage *l, const struct ax_service_input *input)
{
    return ax_place_fail(&input->place, l->err,
                         "leak: the label reads input '%.*s' of service '%.*s' itself: make it of "
                         "columns of the rows that are no inputs",
                         AX_STR_ARG(input->name), AX_STR_ARG(l->service->name));
}

static enum ax_code check_inputs(const struct leakage *l)
{
    const struct ax_service *service = l->service;
    struct leakage_step *steps = ax_xalloc((service->input_count + 1) * sizeof(*steps));
    size_t *scope = ax_xalloc((service->input_count + 1) * sizeof(*scope));
    size_t scope_count = 0;
    for (size_t i = 0; i < service->input_count && !l->err->code; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        bool is_made = input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR;
        if (input->kind == AX_INPUT_FIELD)
            steps[i] = field_step(l, &service->roles[input->role]);
        else if (input->kind == AX_INPUT_EXPR)
            steps[i] = expr_step(l, input, steps, scope, scope_count);
        else
            steps[i] = call_step(l, input->call_column, false);
        if (is_made)
            scope[scope_count++] = i;
        if (steps[i].leaks)
            (void)refuse(l, i, steps);
        else if (is_made && is_told(l, input->name))
            (void)refuse_itself(l, input);
    }
    free(steps);
    free(scope);
    return l->err->code;
}

/* ---- the row's own event ---- */

static void mark_field(const struct ax_field *field, bool *used)
{
    const struct ax_parsed *parsed = &field->parsed;
    if (!parsed->aggregate_count)
        ax_expr_inputs(parsed->root, used);
    for (size_t i = 0; i < parsed->aggregate_count; i++) {
        if (parsed->aggregates[i].value)
            ax_expr_inputs(parsed->aggregates[i].value, used);
        if (parsed->aggregates[i].filter)
            ax_expr_inputs(parsed->aggregates[i].filter, used);
    }
}

/* The column of the source that a field reads and that is called as one of the label's; -1: none.
 */
static long label_column(const struct leakage *l, const struct ax_source *source,
                         const struct ax_field *field)
{
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    long found = -1;
    mark_field(field, used);
    for (size_t i = 0; i < source->column_count && found < 0; i++)
        if (used[i] && is_told(l, source->columns[i].name))
            found = (long)i;
    free(used);
    return found;
}

/* Whether the rows have the ids of the source's events, so that each may be one of them. */
static bool has_own_event(const struct leakage *l, const struct ax_source *source)
{
    for (size_t i = 0; i < source->event_id_count; i++)
        if (!has_name(l->columns, l->column_count, source->columns[source->event_id[i]].name))
            return false;
    return source->event_id_count > 0;
}

static void tell(const struct leakage *l, const char *fmt, ...) AX_PRINTF(2, 3);
static void tell(const struct leakage *l, const char *fmt, ...)
{
    char text[TELL_BYTES];
    va_list args;
    if (!l->warn)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    l->warn(l->arg, text);
}

static enum ax_code check_own_event(const struct leakage *l, const struct ax_service_input *input)
{
    const struct ax_view *view = l->service->roles[input->role].view;
    const struct ax_source *source = view->source;
    long column = label_column(l, source, &view->fields[input->field]);
    if (column < 0 || (l->service->exclude_self && l->service->self == source))
        return AX_OK;
    struct ax_str name = source->columns[column].name;
    if (!has_own_event(l, source)) {
        if (source->time < 0)
            tell(l,
                 "input '%.*s' reads '%.*s' of source '%.*s', called as what the label reads, at "
                 "whatever moment: the source has no history",
                 AX_STR_ARG(input->name), AX_STR_ARG(name), AX_STR_ARG(source->name));
        return AX_OK;
    }
    if (!l->spec->label_known_at.len)
        return ax_place_fail(&input->place, l->err,
                             "leak: '%.*s' <- view '%.*s' <- '%.*s.%.*s', as the label reads, of "
                             "which the rows have the event_id: say label_known_at, or "
                             "exclude_self: %.*s in the service",
                             AX_STR_ARG(input->name), AX_STR_ARG(view->name),
                             AX_STR_ARG(source->name), AX_STR_ARG(name), AX_STR_ARG(source->name));
    assert(source->time >= 0); /* as events have */
    struct ax_str time = source->columns[source->time].name;
    if (!has_name(l->known->items, l->known->count, time))
        tell(l,
             "input '%.*s' reads '%.*s' of source '%.*s', called as what the label reads, from "
             "'%.*s' on: if that is before label_known_at, a row's own event tells its label; "
             "'exclude_self: %.*s' leaves it out",
             AX_STR_ARG(input->name), AX_STR_ARG(name), AX_STR_ARG(source->name), AX_STR_ARG(time),
             AX_STR_ARG(source->name));
    return AX_OK;
}

static enum ax_code check_own_events(const struct leakage *l)
{
    for (size_t i = 0; i < l->service->input_count; i++)
        if (l->service->inputs[i].kind == AX_INPUT_FIELD &&
            check_own_event(l, &l->service->inputs[i]))
            return l->err->code;
    return AX_OK;
}

/* ---- what is only suspicious ---- */

/* Each source once. */
static void tell_timeless(const struct leakage *l)
{
    const struct ax_service *service = l->service;
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_source *source = service->roles[i].view->source;
        bool is_told_already = source->time >= 0;
        for (size_t k = 0; k < i && !is_told_already; k++)
            is_told_already = service->roles[k].view->source == source;
        if (!is_told_already)
            tell(l,
                 "source '%.*s' has no history (time: none): its values are those of today, "
                 "and may hold what became true after the moment asked about",
                 AX_STR_ARG(source->name));
    }
}

enum ax_code ax_leakage_check(struct ax_sql *sql, const struct ax_train_spec *spec,
                              const struct ax_str *columns, size_t column_count,
                              ax_leakage_warn_fn warn, void *arg, struct ax_err *err)
{
    assert(sql && spec && spec->service && (columns || !column_count) && err);
    struct leakage l = { .sql = sql,
                         .spec = spec,
                         .service = spec->service,
                         .columns = columns,
                         .column_count = column_count,
                         .label = ax_xalloc(sizeof(*l.label)),
                         .known = ax_xalloc(sizeof(*l.known)),
                         .warn = warn,
                         .arg = arg,
                         .err = err };
    *l.label = *l.known = (struct leakage_names){ 0 };
    if (read_names(sql, spec->label, l.label, err))
        (void)ax_err_context(err, "label");
    else if (spec->label_known_at.len && read_names(sql, spec->label_known_at, l.known, err))
        (void)ax_err_context(err, "label_known_at");
    else if (!check_inputs(&l) && !check_own_events(&l))
        tell_timeless(&l);
    ax_json_free(l.label->doc);
    ax_json_free(l.known->doc);
    free(l.label);
    free(l.known);
    return err->code;
}
