/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From names to a way.
 *
 * The names that the label reads come out of DuckDB's parser; every part of every column's name
 * counts, so that `t.arr_delay` is found. Each input is then followed down: through expressions to
 * what they read, which stands above them, and through roles to the values of the call that look
 * them up. The first one that arrives at a name of the label is told with its way. SQL does not
 * tell names apart by case, so neither is it done here.
 *
 * What has another name is found by where it comes from: columns of the rows, and of sources, are
 * traced to columns of files (pipeline/column_trace.h) and compared there.
 */
#include "pipeline/leakage.h"

#include "base/alloc.h"
#include "pipeline/column_trace.h"
#include "pipeline/lineage.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX      1024
#define TEXT_MAX       ((size_t)1 << 20)
#define TELL_BYTES     1024
#define NO_STEP        ((size_t)-1)
#define NO_INPUT       ((size_t)-1)
#define JSON_STACK_MAX (AX_JSON_DEPTH_MAX + 1)

/* What an expression of the train block reads. */
struct leakage_names {
    struct ax_json_doc *doc; /* owns the texts */
    struct ax_str items[NAMES_MAX];
    size_t count;
};

/* A column of a file, and the column of the rows that is made of it. */
struct leakage_column {
    struct ax_traced_column from;
    struct ax_str as;
};

struct leakage_columns {
    struct leakage_column *items;
    size_t count;
    bool is_whole;
};

struct leakage {
    struct ax_sql *sql;
    const struct ax_train_spec *spec;
    const struct ax_service *service;
    const struct ax_str *columns; /* of the rows */
    size_t column_count;
    struct leakage_names *label;
    struct leakage_names *known;          /* what label_known_at reads */
    struct ax_column_tracer *rows;        /* NULL: there is no query to look into, or nobody can */
    struct leakage_columns label_columns; /* that those names come from */
    struct leakage_columns known_columns;
    size_t *readers;                       /* of each value of the call: the first input that reads
                                              it, or NO_INPUT */
    const struct leakage_column **reached; /* of each value of the call: the label's column that it
                                              is made of, or NULL */
    struct ax_column_tracer **sources;     /* of each role's source; NULL: not asked for yet, or
                                              nobody knows */
    struct ax_buf unknown;                 /* what could not be followed: "'a' of the rows, …" */
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

static bool is_told(const struct leakage *l, struct ax_str name)
{
    return has_name(l->label->items, l->label->count, name);
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

/* `expression` is what `key` of the train block says. */
static enum ax_code read_names(const struct leakage *l, const char *key, struct ax_str expression,
                               struct leakage_names *names)
{
    if (!ax_train_spec_parse(l->spec, l->sql, key, expression, &names->doc, l->err) &&
        walk(names, ax_json_root(names->doc), l->err))
        (void)ax_train_spec_context(l->spec, key, SIZE_MAX, l->err);
    return l->err->code;
}

/* ---- where columns come from ---- */

/* What is meant by a path or pattern of a query, whose working folder is that of the process. */
static char *whole_path(struct ax_str text)
{
    char real[PATH_MAX];
    char *path = ax_xmemdup0(text.ptr, text.len);
    bool is_pattern = path[strcspn(path, "*?[")] != '\0';
    char *whole = NULL;
    if (!is_pattern && realpath(path, real)) {
        whole = ax_xstrdup(real);
    } else if (*path == '/' || !realpath(".", real)) {
        return path;
    } else {
        size_t size = strlen(real) + text.len + 2;
        whole = ax_xalloc(size);
        (void)snprintf(whole, size, "%s/%s", real, path + (strncmp(path, "./", 2) == 0 ? 2 : 0));
    }
    free(path);
    return whole;
}

static bool is_same_file(struct ax_str a, struct ax_str b)
{
    if (ax_str_equals(a, b))
        return true;
    char *first = whole_path(a), *second = whole_path(b);
    struct ax_str one = ax_str_from(first), other = ax_str_from(second);
    bool same = ax_lineage_means(one, other) || ax_lineage_means(other, one);
    free(first);
    free(second);
    return same;
}

static bool is_same_column(const struct ax_traced_column *a, const struct ax_traced_column *b)
{
    return ax_str_equals_nocase(a->name, b->name) && is_same_file(a->file, b->file);
}

/* The same value, which two readings of a file have not. */
static bool is_same_value(const struct ax_traced_column *a, const struct ax_traced_column *b)
{
    return a->reading == b->reading && is_same_column(a, b);
}

static struct ax_column_trace trace(struct ax_column_tracer *tracer, struct ax_str name)
{
    return tracer ? ax_column_tracer_find(tracer, name) : (struct ax_column_trace){ 0 };
}

/* Columns of the rows that an expression names, and what they are made of. */
static struct leakage_columns trace_names(const struct leakage *l,
                                          const struct leakage_names *names)
{
    struct leakage_columns columns = { .is_whole = true };
    for (size_t i = 0; i < names->count; i++) {
        if (!has_name(l->columns, l->column_count, names->items[i]))
            continue;
        struct ax_column_trace found = trace(l->rows, names->items[i]);
        columns.is_whole = columns.is_whole && found.is_whole;
        columns.items =
            ax_xrealloc(columns.items, columns.count + found.count + 1, sizeof(*columns.items));
        for (size_t k = 0; k < found.count; k++)
            columns.items[columns.count++] =
                (struct leakage_column){ found.columns[k], names->items[i] };
    }
    return columns;
}

static void put_unknown(struct leakage *l, struct ax_str name, const char *whose,
                        struct ax_str whose_name)
{
    ax_buf_printf(&l->unknown, "%s'%.*s' of %s", l->unknown.len ? ", " : "", AX_STR_ARG(name),
                  whose);
    if (whose_name.len)
        ax_buf_printf(&l->unknown, " '%.*s'", AX_STR_ARG(whose_name));
}

static void put_unknown_name(struct leakage *l, struct ax_str name)
{
    if (has_name(l->columns, l->column_count, name) && !trace(l->rows, name).is_whole)
        put_unknown(l, name, "the rows", (struct ax_str){ "", 0 });
}

/* Of what the label reads, and of what the inputs do. */
static void put_unknown_names(struct leakage *l)
{
    for (size_t i = 0; i < l->label->count; i++)
        put_unknown_name(l, l->label->items[i]);
    for (size_t i = 0; i < l->service->call_count; i++)
        if (l->readers[i] != NO_INPUT && !is_told(l, l->service->call[i].name))
            put_unknown_name(l, l->service->call[i].name);
}

/* The column that the label reads, under whatever name, and that a value of the call is made of. */
static const struct leakage_column *reached_column(struct leakage *l, struct ax_str name)
{
    struct ax_column_trace found = trace(l->rows, name);
    for (size_t i = 0; i < found.count; i++)
        for (size_t k = 0; k < l->label_columns.count; k++) {
            const struct leakage_column *label = &l->label_columns.items[k];
            if (found.columns[i].is_of_row && label->from.is_plain &&
                is_same_value(&found.columns[i], &label->from))
                return label;
        }
    return NULL;
}

/* Values of the call; `used` may mark inputs behind them. */
static void mark_call(const struct ax_service *service, const struct ax_service_input *input,
                      bool *used)
{
    if (input->kind == AX_INPUT_EXPR) {
        ax_expr_inputs(input->parsed.root, used);
    } else if (input->kind == AX_INPUT_FIELD) {
        const struct ax_role *role = &service->roles[input->role];
        for (size_t i = 0; i < role->view->entity->key_count; i++)
            used[role->call_keys[i]] = true;
    } else {
        used[input->call_column] = true;
    }
}

static void find_readers(struct leakage *l)
{
    const struct ax_service *service = l->service;
    bool *used = ax_xalloc((service->call_count + service->input_count + 1) * sizeof(*used));
    l->readers = ax_xalloc((service->call_count + 1) * sizeof(*l->readers));
    for (size_t i = 0; i < service->call_count; i++)
        l->readers[i] = NO_INPUT;
    for (size_t i = service->input_count; i-- > 0;) {
        memset(used, 0, service->call_count * sizeof(*used));
        mark_call(service, &service->inputs[i], used);
        for (size_t k = 0; k < service->call_count; k++)
            l->readers[k] = used[k] ? i : l->readers[k];
    }
    free(used);
}

static void trace_rows(struct leakage *l)
{
    const struct ax_service *service = l->service;
    find_readers(l);
    l->reached = ax_xalloc((service->call_count + 1) * sizeof(*l->reached));
    l->sources = ax_xalloc((service->role_count + 1) * sizeof(*l->sources));
    memset(l->sources, 0, (service->role_count + 1) * sizeof(*l->sources));
    l->label_columns = trace_names(l, l->label);
    l->known_columns = trace_names(l, l->known);
    for (size_t i = 0; i < service->call_count; i++)
        l->reached[i] = reached_column(l, service->call[i].name);
    if (l->rows || l->spec->query.len)
        put_unknown_names(l);
}

/* ---- inputs ---- */

/* Why an input knows a name of the label: what it reads next, down to a value of the call. */
struct leakage_step {
    bool leaks;
    size_t next;        /* the input that it reads; NO_STEP: the value of the call itself */
    size_t call_column; /* that the label reads */
    bool by_key;        /* which looks a view up */
};

static struct leakage_step call_step(const struct leakage *l, size_t call_column, bool by_key)
{
    bool leaks = is_told(l, l->service->call[call_column].name) || l->reached[call_column];
    return (struct leakage_step){ leaks, NO_STEP, call_column, by_key };
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
    const struct leakage_column *reached = l->reached[steps[at].call_column];
    ax_buf_printf(&way, "'%.*s' of the rows, ", AX_STR_ARG(call->name));
    if (reached && !is_told(l, call->name))
        ax_buf_printf(&way, "made of '%.*s' of '%.*s', as '%.*s' is, ",
                      AX_STR_ARG(reached->from.name), AX_STR_ARG(reached->from.file),
                      AX_STR_ARG(reached->as));
    if (!ax_buf_check(&way, "the way to the label", l->err))
        (void)ax_place_fail(&service->inputs[input].place, l->err,
                            "leak: %.*swhich the label reads: take it out of service '%.*s', or "
                            "make the label one column of the query",
                            AX_STR_ARG(ax_buf_str(&way)), AX_STR_ARG(service->name));
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

/* ---- labels that the query computes ---- */

/* The first input that a column of a file is; -1: none. */
static long input_that_is(const struct leakage *l, const struct ax_traced_column *column)
{
    for (size_t i = 0; i < l->service->input_count; i++) {
        const struct ax_service_input *input = &l->service->inputs[i];
        if (input->kind != AX_INPUT_KEY && input->kind != AX_INPUT_REQUEST)
            continue;
        struct ax_column_trace found = trace(l->rows, l->service->call[input->call_column].name);
        for (size_t k = 0; k < found.count; k++)
            if (found.columns[k].is_plain && is_same_value(&found.columns[k], column))
                return (long)i;
    }
    return -1;
}

/* A label that is computed from nothing but inputs tells nothing new. */
static enum ax_code check_computed(const struct leakage *l)
{
    const struct leakage_columns *label = &l->label_columns;
    bool is_all = label->is_whole && label->count;
    long first = -1;
    for (size_t i = 0; i < label->count && is_all; i++) {
        long input = input_that_is(l, &label->items[i].from);
        is_all = input >= 0 && label->items[i].from.is_of_row;
        first = first < 0 ? input : first;
    }
    if (!is_all)
        return AX_OK;
    const struct ax_service_input *input = &l->service->inputs[first];
    return ax_place_fail(&input->place, l->err,
                         "leak: '%.*s', which the label reads, is computed of inputs alone: '%.*s' "
                         "is '%.*s' of '%.*s'",
                         AX_STR_ARG(label->items[0].as), AX_STR_ARG(input->name),
                         AX_STR_ARG(label->items[0].from.name),
                         AX_STR_ARG(label->items[0].from.file));
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

static struct ax_column_trace trace_source(const struct leakage *l, size_t role, size_t column)
{
    const struct ax_source *source = l->service->roles[role].view->source;
    struct ax_err ignored = AX_ERR_INIT;
    for (size_t i = 0; i < role; i++) /* the first role of the source */
        if (l->service->roles[i].view->source == source)
            role = i;
    if (!l->sources[role] && source->kind == AX_SOURCE_FILES)
        l->sources[role] = ax_column_tracer_of_file(source->text);
    else if (!l->sources[role] && source->kind == AX_SOURCE_SQL &&
             ax_column_tracer_of_query(l->sql, source->text, &l->sources[role], &ignored))
        l->sources[role] = NULL;
    return trace(l->sources[role], source->columns[column].name);
}

/* Where a field and the label read the same. */
struct leakage_meeting {
    long column;                        /* of the source; -1: nowhere */
    const struct leakage_column *label; /* what both come from; NULL: they are called the same */
};

static const struct leakage_column *find_label(const struct leakage *l,
                                               struct ax_column_trace found)
{
    for (size_t i = 0; i < found.count; i++)
        for (size_t k = 0; k < l->label_columns.count; k++)
            if (is_same_column(&found.columns[i], &l->label_columns.items[k].from))
                return &l->label_columns.items[k];
    return NULL;
}

static struct leakage_meeting find_meeting(struct leakage *l, size_t role,
                                           const struct ax_field *field)
{
    const struct ax_source *source = l->service->roles[role].view->source;
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    struct leakage_meeting meeting = { .column = -1 };
    memset(used, 0, (source->column_count + 1) * sizeof(*used));
    mark_field(field, used);
    for (size_t i = 0; i < source->column_count && !meeting.label; i++) {
        if (!used[i])
            continue;
        struct ax_column_trace found = trace_source(l, role, i);
        meeting.label = find_label(l, found);
        if (meeting.label || (meeting.column < 0 && is_told(l, source->columns[i].name)))
            meeting.column = (long)i;
        else if (l->label_columns.count && !found.is_whole)
            put_unknown(l, source->columns[i].name, "source", source->name);
    }
    free(used);
    return meeting;
}

/* Whether the rows have the ids of the source's events, so that each may be one of them. */
static bool has_own_event(const struct leakage *l, const struct ax_source *source)
{
    for (size_t i = 0; i < source->event_id_count; i++)
        if (!has_name(l->columns, l->column_count, source->columns[source->event_id[i]].name))
            return false;
    return source->event_id_count > 0;
}

/* Whether the view is looked up by what the same row of the file has, so that its own value is
 * found. */
static bool has_own_key(const struct leakage *l, size_t number)
{
    const struct ax_role *role = &l->service->roles[number];
    for (size_t i = 0; i < role->view->entity->key_count; i++) {
        struct ax_column_trace asked = trace(l->rows, l->service->call[role->call_keys[i]].name);
        struct ax_column_trace stored = trace_source(l, number, role->view->key_columns[i]);
        bool is_same = false;
        for (size_t k = 0; k < asked.count; k++)
            for (size_t j = 0; j < stored.count; j++)
                is_same = is_same || (asked.columns[k].is_plain && stored.columns[j].is_plain &&
                                      is_same_column(&asked.columns[k], &stored.columns[j]));
        if (!is_same)
            return false;
    }
    return true;
}

/* Whether label_known_at is the source's time: of that name, or made of the same columns. */
static bool is_known_by_time(const struct leakage *l, size_t role)
{
    const struct ax_source *source = l->service->roles[role].view->source;
    const struct leakage_columns *known = &l->known_columns;
    struct ax_column_trace time = trace_source(l, role, (size_t)source->time);
    if (has_name(l->known->items, l->known->count, source->columns[source->time].name))
        return true;
    bool is_same = known->is_whole && time.is_whole && known->count && time.count;
    for (size_t i = 0; i < known->count && is_same; i++) {
        is_same = false;
        for (size_t k = 0; k < time.count; k++)
            is_same = is_same || is_same_column(&known->items[i].from, &time.columns[k]);
    }
    for (size_t k = 0; k < time.count && is_same; k++) {
        is_same = false;
        for (size_t i = 0; i < known->count; i++)
            is_same = is_same || is_same_column(&known->items[i].from, &time.columns[k]);
    }
    return is_same;
}

/* Whether a row's own event has its time at the moment asked about, so that it counts: both are the
 * same column of the file or, of a row's own event by its id, are called the same. */
static bool is_asked_at_time(const struct leakage *l, size_t role)
{
    const struct ax_source *source = l->service->roles[role].view->source;
    struct ax_column_trace at = trace(l->rows, l->spec->at);
    struct ax_column_trace time = trace_source(l, role, (size_t)source->time);
    bool is_by_id = has_own_event(l, source);
    if (!at.count || !time.count)
        return is_by_id && ax_str_equals_nocase(l->spec->at, source->columns[source->time].name);
    return at.count == 1 && at.columns[0].is_plain && time.count == 1 && time.columns[0].is_plain &&
           (is_by_id ? ax_str_equals_nocase(at.columns[0].name, time.columns[0].name)
                     : is_same_column(&at.columns[0], &time.columns[0]));
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

/* "'s' <- view 'sum' <- 'events.late', …": the way of a field to what the label reads. */
static void put_meeting(struct ax_buf *out, const struct leakage *l,
                        const struct ax_service_input *input, struct leakage_meeting meeting)
{
    const struct ax_view *view = l->service->roles[input->role].view;
    ax_buf_printf(out, "'%.*s' <- view '%.*s' <- '%.*s.%.*s', ", AX_STR_ARG(input->name),
                  AX_STR_ARG(view->name), AX_STR_ARG(view->source->name),
                  AX_STR_ARG(view->source->columns[meeting.column].name));
    if (meeting.label)
        ax_buf_printf(out, "made of '%.*s' of '%.*s', as '%.*s' is, which the label reads",
                      AX_STR_ARG(meeting.label->from.name), AX_STR_ARG(meeting.label->from.file),
                      AX_STR_ARG(meeting.label->as));
    else
        ax_buf_printf(out, "as the label reads, of which the rows have the event_id");
}

static void put_exclude_self(struct ax_buf *out, const char *before, const struct ax_source *source)
{
    if (source->event_id_count)
        ax_buf_printf(out, "%sexclude_self: %.*s in the service", before, AX_STR_ARG(source->name));
}

static enum ax_code refuse_meeting(const struct leakage *l, const struct ax_service_input *input,
                                   struct leakage_meeting meeting)
{
    const struct ax_source *source = l->service->roles[input->role].view->source;
    struct ax_buf way;
    ax_buf_init(&way, TEXT_MAX);
    put_meeting(&way, l, input, meeting);
    if (source->time < 0)
        ax_buf_printf(&way, ", at whatever moment: the source has no history");
    else if (is_asked_at_time(l, input->role))
        ax_buf_printf(&way,
                      ", from '%.*s' on, which is the moment asked about: take it out of "
                      "service '%.*s'",
                      AX_STR_ARG(source->columns[source->time].name), AX_STR_ARG(l->service->name));
    else
        ax_buf_printf(&way, ": say label_known_at");
    put_exclude_self(&way, ", or ", source);
    if (!ax_buf_check(&way, "the way to the label", l->err))
        (void)ax_place_fail(&input->place, l->err, "leak: %.*s", AX_STR_ARG(ax_buf_str(&way)));
    ax_buf_done(&way);
    return l->err->code;
}

static void tell_meeting(const struct leakage *l, const struct ax_service_input *input,
                         struct leakage_meeting meeting)
{
    const struct ax_source *source = l->service->roles[input->role].view->source;
    struct ax_buf when;
    ax_buf_init(&when, TEXT_MAX);
    if (source->time < 0) {
        ax_buf_printf(&when, "at whatever moment: the source has no history");
    } else {
        ax_buf_printf(&when,
                      "from '%.*s' on: if that is before the label was known, a row's own "
                      "value tells its label",
                      AX_STR_ARG(source->columns[source->time].name));
        put_exclude_self(&when, "; it is left out by ", source);
    }
    tell(l,
         "input '%.*s' reads '%.*s' of source '%.*s', which is or is called as what the label "
         "reads, %.*s",
         AX_STR_ARG(input->name), AX_STR_ARG(source->columns[meeting.column].name),
         AX_STR_ARG(source->name), AX_STR_ARG(ax_buf_str(&when)));
    ax_buf_done(&when);
}

/* A row's own event, or state, may be what the field counts. */
static enum ax_code check_own_event(struct leakage *l, const struct ax_service_input *input)
{
    const struct ax_view *view = l->service->roles[input->role].view;
    const struct ax_source *source = view->source;
    struct leakage_meeting meeting = find_meeting(l, input->role, &view->fields[input->field]);
    if (meeting.column < 0 || (l->service->exclude_self && l->service->self == source))
        return AX_OK;
    bool has_history = source->time >= 0;
    bool is_own = has_own_event(l, source) || (meeting.label && has_own_key(l, input->role));
    if (is_own &&
        (!has_history || !l->spec->label_known_at.len || is_asked_at_time(l, input->role)))
        return refuse_meeting(l, input, meeting);
    /* What is made of the label's column and looked up by another key has not the row's own. */
    bool may_be_own = is_own || !has_history || !meeting.label;
    if (may_be_own && !(has_history && is_known_by_time(l, input->role)))
        tell_meeting(l, input, meeting);
    return AX_OK;
}

static enum ax_code check_own_events(struct leakage *l)
{
    for (size_t i = 0; i < l->service->input_count; i++)
        if (l->service->inputs[i].kind == AX_INPUT_FIELD &&
            check_own_event(l, &l->service->inputs[i]))
            return l->err->code;
    return AX_OK;
}

/* ---- what is only suspicious ---- */

/* The first input that reads what is made of a column of a file, of whichever row. */
static size_t input_made_of(const struct leakage *l, const struct ax_traced_column *column)
{
    for (size_t i = 0; i < l->service->call_count; i++) {
        struct ax_column_trace found = { 0 };
        if (l->readers[i] != NO_INPUT)
            found = trace(l->rows, l->service->call[i].name);
        for (size_t k = 0; k < found.count; k++)
            if (is_same_column(&found.columns[k], column))
                return l->readers[i];
    }
    return NO_INPUT;
}

/* The query computes the label of an input and of something else, or joins the file with itself:
 * it may be right. */
static void tell_shared(const struct leakage *l)
{
    for (size_t i = 0; i < l->label_columns.count; i++) {
        const struct leakage_column *label = &l->label_columns.items[i];
        size_t input = input_made_of(l, &label->from);
        if (input != NO_INPUT)
            tell(l,
                 "input '%.*s' and '%.*s', which the label reads, are both made of '%.*s' of "
                 "'%.*s': if that tells the answer, take it out of service '%.*s'",
                 AX_STR_ARG(l->service->inputs[input].name), AX_STR_ARG(label->as),
                 AX_STR_ARG(label->from.name), AX_STR_ARG(label->from.file),
                 AX_STR_ARG(l->service->name));
    }
}

static void tell_unknown(const struct leakage *l)
{
    if (l->unknown.len)
        tell(l,
             "%.*s cannot be followed to the files that they come from: a leak by another name is "
             "not found there",
             AX_STR_ARG(ax_str_cut(ax_buf_str(&l->unknown), TELL_BYTES / 2)));
}

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

static void done(struct leakage *l)
{
    for (size_t i = 0; l->sources && i < l->service->role_count; i++)
        ax_column_tracer_free(l->sources[i]);
    ax_column_tracer_free(l->rows);
    ax_json_free(l->label->doc);
    ax_json_free(l->known->doc);
    ax_buf_done(&l->unknown);
    free(l->label);
    free(l->known);
    free(l->label_columns.items);
    free(l->known_columns.items);
    free(l->readers);
    free(l->reached);
    free(l->sources);
}

static enum ax_code check_traces(struct leakage *l)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (l->spec->rows_file.len)
        l->rows = ax_column_tracer_of_file(l->spec->rows_file);
    else if (l->spec->query.len &&
             ax_column_tracer_of_query(l->sql, l->spec->query, &l->rows, &ignored))
        l->rows = NULL; /* such as PIVOT without IN, whose columns are found as it runs */
    trace_rows(l);
    if (check_inputs(l) || check_computed(l) || check_own_events(l))
        return l->err->code;
    tell_shared(l);
    tell_unknown(l);
    tell_timeless(l);
    return AX_OK;
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
    ax_buf_init(&l.unknown, TEXT_MAX);
    if (!read_names(&l, "label", spec->label, l.label) &&
        !(spec->label_known_at.len &&
          read_names(&l, "label_known_at", spec->label_known_at, l.known)))
        (void)(check_traces(&l) != AX_OK);
    done(&l);
    return err->code;
}
