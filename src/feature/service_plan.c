/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles are gathered by entity, so that a batch visits each key of an entity once for all views and
 * all names; roles with the same names for their keys share those, too. Expressions are compiled
 * into one program a level: one that reads another stands at least a level above it, since a value
 * is narrowed, or replaced by one that the call gives, before others see it. The offline store has
 * the same levels.
 */
#include "feature/service_plan.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#define ARENA_FIRST_BYTES ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)

struct planner {
    struct ax_service_plan *plan;
    const struct ax_definitions *definitions;
    const struct ax_online_view *views;
    struct ax_service_visit *visits;
    struct ax_service_part *parts;
    size_t *scope;
    size_t *levels; /* of inputs: 0 without an expression */
    bool *is_read;  /* an input, by an expression */
    size_t level_max;
    struct ax_err *err;
};

static void *planner_alloc(const struct planner *p, size_t count, size_t size)
{
    void *made = ax_arena_zalloc(&p->plan->arena, count, size);
    if (!made)
        (void)ax_arena_fail(&p->plan->arena, "the plan of a service", p->err);
    return made;
}

/* ---- roles ---- */

/* Whether one event of the view's source does not count. */
static bool has_self(const struct ax_service *service, const struct ax_view *view)
{
    return service->exclude_self && service->self == view->source;
}

static enum ax_code check_view(const struct planner *p, const struct ax_view *view)
{
    const char *why = ax_service_why_unserved(p->plan->service, view);
    if (!why)
        return AX_OK;
    return ax_fail(p->err, AX_E_UNSUPPORTED, "view '%.*s' %s", AX_STR_ARG(view->name), why);
}

static size_t find_visit(struct planner *p, const struct ax_role *role,
                         const struct ax_online_view *view)
{
    size_t at = 0;
    while (at < p->plan->visit_count && p->visits[at].entity != role->view->entity)
        at++;
    if (at == p->plan->visit_count)
        p->visits[p->plan->visit_count++] =
            (struct ax_service_visit){ .entity = role->view->entity, .online = view->entity };
    assert(p->visits[at].online == view->entity);
    return at;
}

static bool same_keys(const struct ax_entity *entity, const size_t *a, const size_t *b)
{
    return memcmp(a, b, entity->key_count * sizeof(*a)) == 0;
}

/* The groups of a visit are those of roles before this one, each once. */
static enum ax_code find_group(struct planner *p, size_t visit_index, const struct ax_role *role,
                               size_t *ret_group)
{
    struct ax_service_visit *visit = &p->visits[visit_index];
    size_t at = 0;
    while (at < visit->group_count && !same_keys(visit->entity, visit->groups[at], role->call_keys))
        at++;
    if (at == visit->group_count) {
        const size_t **groups = planner_alloc(p, visit->group_count + 1, sizeof(*groups));
        if (!groups)
            return p->err->code;
        for (size_t i = 0; i < visit->group_count; i++)
            groups[i] = visit->groups[i];
        groups[visit->group_count++] = role->call_keys;
        visit->groups = groups;
    }
    *ret_group = at;
    return AX_OK;
}

/* The columns of the call that have the id of the event that does not count. */
static enum ax_code plan_self(struct planner *p, const struct ax_source *source,
                              struct ax_service_part *part)
{
    const struct ax_service *service = p->plan->service;
    size_t *columns = planner_alloc(p, source->event_id_count, sizeof(*columns));
    if (!columns)
        return p->err->code;
    for (size_t i = 0; i < source->event_id_count; i++) {
        struct ax_str name = source->columns[source->event_id[i]].name;
        while (columns[i] < service->call_count &&
               !ax_str_equals(service->call[columns[i]].name, name))
            columns[i]++;
        assert(columns[i] < service->call_count); /* The definitions were checked. */
    }
    part->self = columns;
    return AX_OK;
}

static enum ax_code plan_roles(struct planner *p)
{
    const struct ax_service *service = p->plan->service;
    p->plan->visits = p->visits = planner_alloc(p, service->role_count, sizeof(*p->visits));
    p->plan->parts = p->parts = planner_alloc(p, service->role_count, sizeof(*p->parts));
    if (p->err->code)
        return p->err->code;
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_role *role = &service->roles[i];
        const struct ax_online_view *view = &p->views[role->view - p->definitions->views];
        struct ax_service_part *part = &p->parts[i];
        if (check_view(p, role->view))
            return p->err->code;
        *part = (struct ax_service_part){ .visit = find_visit(p, role, view),
                                          .layout = view->layout,
                                          .windows = view->windows,
                                          .ttl_us = role->view->ttl_us };
        if (find_group(p, part->visit, role, &part->group) ||
            (part->windows && has_self(service, role->view) &&
             plan_self(p, role->view->source, part)))
            return p->err->code;
    }
    return AX_OK;
}

/* ---- expressions ---- */

/* One more than the highest of what it reads. `made` are the inputs behind the call's columns. */
static size_t level_of(const struct planner *p, const struct ax_service_input *input,
                       const size_t *made, size_t made_count, bool *used)
{
    size_t call_count = p->plan->service->call_count;
    size_t level = 0;
    memset(used, 0, (call_count + made_count) * sizeof(*used));
    ax_expr_inputs(input->parsed.root, used);
    for (size_t i = 0; i < made_count; i++) {
        if (!used[call_count + i])
            continue;
        level = AX_MAX(level, p->levels[made[i]]);
        p->is_read[made[i]] = true;
    }
    return level + 1;
}

static enum ax_code find_levels(struct planner *p)
{
    const struct ax_service *service = p->plan->service;
    size_t made_count = 0;
    p->plan->scope = p->scope = planner_alloc(p, service->input_count, sizeof(*p->scope));
    p->levels = planner_alloc(p, service->input_count, sizeof(*p->levels));
    p->is_read = planner_alloc(p, service->input_count, sizeof(*p->is_read));
    size_t *made = planner_alloc(p, service->input_count, sizeof(*made));
    bool *used = planner_alloc(p, service->call_count + service->input_count, sizeof(*used));
    if (p->err->code)
        return p->err->code;
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (!ax_service_input_is_made(input))
            continue;
        if (input->kind == AX_INPUT_EXPR)
            p->levels[i] = level_of(p, input, made, made_count, used);
        p->level_max = AX_MAX(p->level_max, p->levels[i]);
        p->scope[i] = service->call_count + made_count;
        made[made_count++] = i;
    }
    p->plan->scope_count = service->call_count + made_count;
    return AX_OK;
}

/* A failure names the expression, which is compiled alone for that. */
static enum ax_code compile(struct planner *p, struct ax_service_step *step,
                            const struct ax_expr *const *roots)
{
    const struct ax_service *service = p->plan->service;
    if (!ax_program_new(roots, step->count, &step->program, p->err) || p->err->code != AX_E_INVALID)
        return p->err->code;
    for (size_t i = 0; i < step->count; i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_program *alone = NULL;
        if (ax_program_new(&roots[i], 1, &alone, &err))
            return ax_place_fail(&service->inputs[step->inputs[i]].place, p->err, "%s", err.msg);
        ax_program_free(alone);
    }
    return p->err->code;
}

static enum ax_code plan_step(struct planner *p, size_t level, struct ax_service_step *step)
{
    const struct ax_service *service = p->plan->service;
    size_t count = 0;
    for (size_t i = 0; i < service->input_count; i++)
        count += p->levels[i] == level;
    const struct ax_expr **roots = planner_alloc(p, count, sizeof(*roots));
    size_t *inputs = planner_alloc(p, count, sizeof(*inputs));
    if (p->err->code)
        return p->err->code;
    for (size_t i = 0; i < service->input_count; i++) {
        if (p->levels[i] != level)
            continue;
        roots[step->count] = service->inputs[i].parsed.root;
        inputs[step->count++] = i;
    }
    step->inputs = inputs;
    return compile(p, step, roots);
}

static enum ax_code plan_steps(struct planner *p)
{
    if (find_levels(p))
        return p->err->code;
    p->plan->steps = planner_alloc(p, p->level_max, sizeof(*p->plan->steps));
    if (!p->plan->steps)
        return p->err->code;
    for (size_t level = 1; level <= p->level_max; level++) {
        if (plan_step(p, level, &p->plan->steps[p->plan->step_count++]))
            return p->err->code;
    }
    return AX_OK;
}

/* ---- fields ---- */

/* Whether a field is needed as a column even if nobody asks. */
static bool is_column(const struct planner *p, size_t input)
{
    struct ax_storage storage = p->plan->service->inputs[input].storage;
    return p->is_read[input] ||
           (!storage.is_list && ax_storage_type(storage).kind == AX_TYPE_STRING);
}

/* Add the inputs of a role that are columns, or those that are not. */
static void add_fields(const struct planner *p, size_t role, bool columns,
                       struct ax_service_part *part, size_t *inputs, size_t *fields)
{
    const struct ax_service *service = p->plan->service;
    const struct ax_view *view = service->roles[role].view;
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind != AX_INPUT_FIELD || input->role != role || is_column(p, i) != columns)
            continue;
        part->has_defaults |= ax_field_has_default(&view->fields[input->field]);
        inputs[part->count] = i;
        fields[part->count++] = input->field;
    }
}

static enum ax_code plan_fields(struct planner *p)
{
    const struct ax_service *service = p->plan->service;
    struct ax_online_number *numbers = planner_alloc(p, service->input_count, sizeof(*numbers));
    p->plan->numbers = numbers;
    for (size_t i = 0; numbers && i < service->input_count; i++)
        numbers[i].group = AX_ONLINE_NUMBER_NONE;
    for (size_t role = 0; role < service->role_count && !p->err->code; role++) {
        struct ax_service_part *part = &p->parts[role];
        const struct ax_field *fields = service->roles[role].view->fields;
        size_t count = service->roles[role].view->field_count;
        size_t *part_inputs = planner_alloc(p, count, sizeof(*part_inputs));
        size_t *part_fields = planner_alloc(p, count, sizeof(*part_fields));
        if (p->err->code)
            break;
        add_fields(p, role, true, part, part_inputs, part_fields);
        part->column_count = part->count;
        add_fields(p, role, false, part, part_inputs, part_fields);
        part->inputs = part_inputs;
        part->fields = part_fields;
        for (size_t i = part->column_count; part->layout && i < part->count; i++)
            numbers[part_inputs[i]] = ax_online_number_of((uint32_t)role, part->layout,
                                                          part_fields[i], &fields[part_fields[i]]);
    }
    return p->err->code;
}

/* ---- life ---- */

enum ax_code ax_service_plan_new(const struct ax_definitions *definitions,
                                 const struct ax_service *service,
                                 const struct ax_online_view *views,
                                 struct ax_service_plan **ret_plan, struct ax_err *err)
{
    assert(definitions && service && (views || !service->role_count) && ret_plan && err);
    struct ax_service_plan *plan = ax_try_alloc(1, sizeof(*plan));
    if (!plan)
        return ax_fail(err, AX_E_LIMIT, "no memory for the plan");
    *plan = (struct ax_service_plan){ .service = service };
    ax_arena_init(&plan->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    if (getrandom(&plan->seed, sizeof(plan->seed), 0) != (ssize_t)sizeof(plan->seed))
        plan->seed = ax_clock_ns() ^ (uint64_t)(uintptr_t)plan;
    struct planner p = { .plan = plan, .definitions = definitions, .views = views, .err = err };
    if (plan_roles(&p) || plan_steps(&p) || plan_fields(&p)) {
        ax_service_plan_free(plan);
        return err->code;
    }
    *ret_plan = plan;
    return AX_OK;
}

void ax_service_plan_free(struct ax_service_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->step_count; i++)
        ax_program_free(plan->steps[i].program);
    ax_arena_done(&plan->arena);
    free(plan);
}

/* ---- models ---- */

static enum ax_code bind_input(const struct ax_service *service, struct ax_str name,
                               size_t *ret_input, struct ax_err *err)
{
    size_t i = 0;
    while (i < service->input_count && !ax_str_equals(service->inputs[i].name, name))
        i++;
    if (i == service->input_count)
        return ax_fail(err, AX_E_INVALID, "service '%.*s' has no input '%.*s', which the model has",
                       AX_STR_ARG(service->name),
                       AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    struct ax_storage storage = service->inputs[i].storage;
    if (storage.is_list || storage.kind == AX_STORAGE_TIMESTAMP)
        return ax_fail(
            err, AX_E_UNSUPPORTED,
            "input '%.*s' of service '%.*s' is %s, which no model takes; make numbers of "
            "it with an expression",
            AX_STR_ARG(name), AX_STR_ARG(service->name), ax_storage_name(storage));
    *ret_input = i;
    return AX_OK;
}

enum ax_code ax_service_plan_bind(const struct ax_service_plan *plan,
                                  const struct ax_signature *signature, size_t *ret_inputs,
                                  struct ax_err *err)
{
    assert(plan && signature && (ret_inputs || !signature->input_count) && err);
    for (size_t i = 0; i < signature->input_count; i++) {
        if (bind_input(plan->service, signature->inputs[i].name, &ret_inputs[i], err))
            return err->code;
    }
    return AX_OK;
}
