/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans. Both catalogues are in one order, so they are compared as in a merge, by digest: texts are
 * looked into only where digests or texts differ. What breaks follows from the edges of the
 * services that models need: each feature that such an edge names must be there after, with the
 * type that the service took, and its view must be found by the same keys. What is not so before,
 * by force, is broken already.
 */
#include "pipeline/definition_plan.h"

#include "base/buf.h"

#include <assert.h>

#define NUMBERS_BYTES_MAX ((size_t)1 << 16)
#define KEYS_BYTES_MAX    ((size_t)1 << 20)

const char *ax_plan_action_name(enum ax_plan_action action)
{
    static const char *const names[AX_PLAN_ACTION_COUNT] = {
        [AX_PLAN_ADD] = "add",
        [AX_PLAN_CHANGE] = "change",
        [AX_PLAN_DESCRIBE] = "describe",
        [AX_PLAN_DROP] = "drop",
    };
    assert((size_t)action < AX_PLAN_ACTION_COUNT);
    return names[action];
}

/* ---- what differs ---- */

struct break_list {
    struct ax_plan_break *items;
    size_t count, cap;
    size_t from; /* those of the use that is looked at */
};

struct plan_run {
    struct ax_arena *arena;
    struct ax_plan *plan;
    struct ax_plan_item *items;
    const struct ax_registry_object **moved;
    struct break_list breaks, broken;
};

static void add_item(struct plan_run *run, enum ax_plan_action action,
                     const struct ax_registry_object *before,
                     const struct ax_registry_object *after)
{
    run->items[run->plan->item_count++] =
        (struct ax_plan_item){ .action = action, .before = before, .after = after };
    run->plan->counts[action]++;
}

static enum ax_code compare_objects(struct plan_run *run, const struct ax_registry_object *before,
                                    const struct ax_registry_object *after, struct ax_err *err)
{
    bool means_same = strcmp(before->digest, after->digest) == 0;
    if (means_same && ax_str_equals(before->definition, after->definition)) {
        run->plan->unchanged_count++;
        if (!ax_str_equals(before->place, after->place))
            run->moved[run->plan->moved_count++] = after;
        return AX_OK;
    }
    add_item(run, means_same ? AX_PLAN_DESCRIBE : AX_PLAN_CHANGE, before, after);
    struct ax_plan_item *item = &run->items[run->plan->item_count - 1];
    if (ax_definition_diff(before->definition, after->definition, run->arena, &item->words,
                           &item->word_count, err))
        return ax_err_context(err, "%s '%.*s'", ax_registry_kind_name(after->kind),
                              AX_STR_ARG(after->name));
    return AX_OK;
}

static enum ax_code compare_catalogues(struct plan_run *run, struct ax_err *err)
{
    const struct ax_registry_catalogue *applied = run->plan->applied;
    const struct ax_registry_catalogue *wanted = run->plan->wanted;
    size_t i = 0, j = 0;
    while (!err->code && (i < applied->object_count || j < wanted->object_count)) {
        const struct ax_registry_object *before =
            i < applied->object_count ? &applied->objects[i] : NULL;
        const struct ax_registry_object *after =
            j < wanted->object_count ? &wanted->objects[j] : NULL;
        int order = !before ? 1 : !after ? -1 : ax_registry_object_compare(before, after);
        if (order < 0)
            add_item(run, AX_PLAN_DROP, before, NULL);
        else if (order > 0)
            add_item(run, AX_PLAN_ADD, NULL, after);
        else
            (void)(compare_objects(run, before, after, err) != AX_OK);
        i += order <= 0;
        j += order >= 0;
    }
    return err->code;
}

/* ---- what breaks ---- */

static enum ax_code add_break(struct plan_run *run, struct break_list *list,
                              const struct ax_plan_break *what, struct ax_err *err)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        struct ax_plan_break *items = ax_arena_alloc(run->arena, cap, sizeof(*items));
        if (!items)
            return ax_arena_fail(run->arena, "what breaks", err);
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *what;
    return AX_OK;
}

static struct ax_plan_break break_of(const struct ax_plan_use *use, enum ax_plan_break_kind kind)
{
    return (struct ax_plan_break){ .kind = kind,
                                   .service = use->service->name,
                                   .service_version = use->service->version,
                                   .model = use->model,
                                   .versions = use->versions,
                                   .place = use->place };
}

static const struct ax_registry_feature *find_feature(const struct ax_registry_object *view,
                                                      struct ax_str name)
{
    for (size_t i = 0; view && i < view->feature_count; i++)
        if (ax_str_equals(view->features[i].name, name))
            return &view->features[i];
    return NULL;
}

/* The same feature may come to a service in several roles; it is told once, and so are the keys of
 * a view, which are told with no feature. */
static bool is_told(const struct break_list *list, struct ax_str view, struct ax_str feature)
{
    for (size_t i = list->from; i < list->count; i++)
        if (ax_str_equals(list->items[i].view, view) &&
            ax_str_equals(list->items[i].feature, feature))
            return true;
    return false;
}

/* The entity that a view's edge names; NULL when there is no such view. */
static const struct ax_registry_object *entity_of(const struct ax_registry_catalogue *catalogue,
                                                  struct ax_str name)
{
    const struct ax_registry_object *view = ax_registry_find(catalogue, AX_REGISTRY_VIEW, name);
    for (size_t i = 0; view && i < view->edge_count; i++)
        if (ax_str_is(view->edges[i].kind, ax_registry_kind_name(AX_REGISTRY_ENTITY)))
            return ax_registry_find(catalogue, AX_REGISTRY_ENTITY, view->edges[i].name);
    return NULL;
}

/* What a call has to give, whatever the entity's name and the order of its keys. */
static bool has_same_keys(const struct ax_registry_object *a, const struct ax_registry_object *b)
{
    for (size_t i = 0; i < a->feature_count; i++) {
        const struct ax_registry_feature *other = find_feature(b, a->features[i].name);
        if (!other || !ax_str_equals(a->features[i].type, other->type))
            return false;
    }
    return a->feature_count == b->feature_count;
}

/* "route (origin: string, dest: string)" */
static enum ax_code list_keys(struct ax_arena *arena, const struct ax_registry_object *entity,
                              struct ax_str *ret, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, KEYS_BYTES_MAX);
    (void)ax_buf_append_str(&text, entity->name);
    for (size_t i = 0; i < entity->feature_count; i++) {
        (void)ax_buf_append_str(&text, i ? AX_STR(", ") : AX_STR(" ("));
        (void)ax_buf_append_str(&text, entity->features[i].name);
        (void)ax_buf_append_str(&text, AX_STR(": "));
        (void)ax_buf_append_str(&text, entity->features[i].type);
    }
    (void)ax_buf_append_char(&text, ')');
    if (!ax_buf_check(&text, "the keys of an entity", err)) {
        char *copied = ax_arena_strdup(arena, ax_buf_str(&text));
        if (copied)
            *ret = (struct ax_str){ copied, text.len };
        else
            (void)ax_arena_fail(arena, "what breaks", err);
    }
    ax_buf_done(&text);
    return err->code;
}

/* Of a view that is dropped the features are told instead. */
static enum ax_code check_keys(struct plan_run *run, const struct ax_plan_use *use,
                               struct ax_str view, struct ax_err *err)
{
    const struct ax_registry_object *before = entity_of(run->plan->applied, view);
    const struct ax_registry_object *after = entity_of(run->plan->wanted, view);
    if (!before || !after || has_same_keys(before, after) ||
        is_told(&run->breaks, view, AX_STR("")))
        return AX_OK;
    struct ax_plan_break what = break_of(use, AX_PLAN_BREAK_KEYS);
    what.view = view;
    if (list_keys(run->arena, before, &what.from, err) ||
        list_keys(run->arena, after, &what.to, err))
        return err->code;
    return add_break(run, &run->breaks, &what, err);
}

/* Whether a feature is what the service took; of what type that was is not known of all. */
static bool is_as_needed(const struct ax_registry_feature *feature,
                         const struct ax_registry_feature *needed)
{
    return feature && (!needed || ax_str_equals(feature->type, needed->type));
}

static enum ax_code check_edge(struct plan_run *run, const struct ax_plan_use *use,
                               const struct ax_registry_edge *edge, struct ax_err *err)
{
    const struct ax_plan *plan = run->plan;
    const struct ax_registry_feature *before =
        find_feature(ax_registry_find(plan->applied, AX_REGISTRY_VIEW, edge->name), edge->part);
    const struct ax_registry_feature *after =
        find_feature(ax_registry_find(plan->wanted, AX_REGISTRY_VIEW, edge->name), edge->part);
    const struct ax_registry_feature *input = find_feature(use->service, edge->feature);
    bool is_broken = !is_as_needed(before, input);
    const struct ax_registry_feature *needed = is_broken ? input : before;
    struct break_list *list = is_broken ? &run->broken : &run->breaks;
    struct ax_plan_break what = break_of(use, AX_PLAN_BREAK_DROPPED);
    what.view = edge->name;
    what.feature = edge->part;
    if (is_as_needed(after, needed) || is_told(list, edge->name, edge->part))
        return AX_OK;
    if (after) {
        what.kind = AX_PLAN_BREAK_RETYPED;
        what.from = needed->type;
        what.to = after->type;
    }
    return add_break(run, list, &what, err);
}

static enum ax_code check_use(struct plan_run *run, const struct ax_plan_use *use,
                              struct ax_err *err)
{
    const struct ax_plan *plan = run->plan;
    const struct ax_registry_object *service = use->service;
    run->breaks.from = run->breaks.count;
    run->broken.from = run->broken.count;
    if (!ax_registry_find(plan->wanted, AX_REGISTRY_SERVICE, service->name)) {
        const struct ax_plan_break what = break_of(use, AX_PLAN_BREAK_SERVICE);
        bool is_broken = !ax_registry_find(plan->applied, AX_REGISTRY_SERVICE, service->name);
        if (add_break(run, is_broken ? &run->broken : &run->breaks, &what, err))
            return err->code;
    }
    for (size_t i = 0; i < service->edge_count; i++)
        if (ax_str_is(service->edges[i].kind, ax_registry_kind_name(AX_REGISTRY_VIEW)) &&
            service->edges[i].part.len &&
            (check_edge(run, use, &service->edges[i], err) ||
             check_keys(run, use, service->edges[i].name, err)))
            return err->code;
    return AX_OK;
}

enum ax_code ax_plan_make(const struct ax_registry_catalogue *applied,
                          const struct ax_registry_catalogue *wanted,
                          const struct ax_plan_use *uses, size_t use_count, struct ax_arena *arena,
                          struct ax_plan *ret_plan, struct ax_err *err)
{
    assert(applied && wanted && (uses || !use_count) && arena && ret_plan && err);
    struct ax_plan plan = { .applied = applied,
                            .wanted = wanted,
                            .changes_project = applied->apply &&
                                               !ax_str_equals(applied->project, wanted->project) };
    struct plan_run run = { .arena = arena, .plan = &plan };
    size_t most = applied->object_count + wanted->object_count + 1;
    run.items = ax_arena_alloc(arena, most, sizeof(*run.items));
    run.moved = ax_arena_alloc(arena, most, sizeof(*run.moved));
    if (!run.items || !run.moved)
        return ax_arena_fail(arena, "the plan", err);
    if (compare_catalogues(&run, err))
        return err->code;
    for (size_t i = 0; i < use_count; i++)
        if (check_use(&run, &uses[i], err))
            return err->code;
    plan.items = run.items;
    plan.moved = run.moved;
    plan.breaks = run.breaks.items;
    plan.break_count = run.breaks.count;
    plan.broken = run.broken.items;
    plan.broken_count = run.broken.count;
    *ret_plan = plan;
    return AX_OK;
}

/* ---- what models need ---- */

struct uses_run {
    struct ax_registry *registry;
    const struct ax_registry_catalogue *applied;
    struct ax_arena *arena;
    const struct ax_registry_model_version *trained;
    size_t trained_count;
    struct ax_plan_use *uses;
    size_t use_count;
};

static bool is_same_use(const struct ax_registry_model_version *a,
                        const struct ax_registry_model_version *b)
{
    return ax_str_equals(a->model, b->model) && ax_str_equals(a->service, b->service) &&
           a->service_version == b->service_version;
}

/* Whether an earlier version of the model was trained with the same version of the service. */
static bool is_listed(const struct uses_run *run, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_same_use(&run->trained[i], &run->trained[at]))
            return true;
    return false;
}

static enum ax_code list_numbers(const struct uses_run *run, size_t at, struct ax_str *ret,
                                 struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, NUMBERS_BYTES_MAX);
    for (size_t i = at; i < run->trained_count; i++) {
        if (!is_same_use(&run->trained[i], &run->trained[at]))
            continue;
        if (text.len)
            (void)ax_buf_append_str(&text, AX_STR(", "));
        (void)ax_buf_append_u64(&text, run->trained[i].number);
    }
    char *copied = NULL;
    if (!ax_buf_check(&text, "the versions of a model", err)) {
        copied = ax_arena_strdup(run->arena, ax_buf_str(&text));
        if (copied)
            *ret = (struct ax_str){ copied, text.len };
        else
            (void)ax_arena_fail(run->arena, "what models need", err);
    }
    ax_buf_done(&text);
    return err->code;
}

/* The version of a service, in force or not; NULL in *ret when it is not there. */
static enum ax_code find_service(const struct uses_run *run, struct ax_str name, uint64_t version,
                                 const struct ax_registry_object **ret, struct ax_err *err)
{
    const struct ax_registry_object *service =
        ax_registry_find(run->applied, AX_REGISTRY_SERVICE, name);
    if (!service || service->version != version) {
        struct ax_registry_object *read = ax_arena_zalloc(run->arena, 1, sizeof(*read));
        if (!read)
            return ax_arena_fail(run->arena, "what models need", err);
        if (ax_registry_read_version(run->registry, AX_REGISTRY_SERVICE, name, version, run->arena,
                                     read, err))
            return err->code;
        service = read;
    }
    *ret = service;
    return AX_OK;
}

static struct ax_str place_of(const struct ax_registry_object *object)
{
    return object ? object->place : AX_STR("");
}

static enum ax_code add_trained(struct uses_run *run, const struct ax_registry_catalogue *wanted,
                                struct ax_err *err)
{
    for (size_t i = 0; i < run->trained_count; i++) {
        const struct ax_registry_model_version *version = &run->trained[i];
        if (is_listed(run, i))
            continue;
        struct ax_plan_use *use = &run->uses[run->use_count];
        use->model = version->model;
        use->place = place_of(ax_registry_find(wanted, AX_REGISTRY_MODEL, version->model));
        if (find_service(run, version->service, version->service_version, &use->service, err) ||
            list_numbers(run, i, &use->versions, err))
            return err->code;
        run->use_count++;
    }
    return AX_OK;
}

static bool has_use(const struct uses_run *run, struct ax_str model,
                    const struct ax_registry_object *service)
{
    for (size_t i = 0; i < run->use_count; i++)
        if (ax_str_equals(run->uses[i].model, model) && run->uses[i].service == service)
            return true;
    return false;
}

/* The service that a model's edge names, or NULL. */
static const struct ax_registry_object *service_of(const struct ax_registry_catalogue *catalogue,
                                                   const struct ax_registry_object *model)
{
    for (size_t i = 0; i < model->edge_count; i++)
        if (ax_str_is(model->edges[i].kind, ax_registry_kind_name(AX_REGISTRY_SERVICE)))
            return ax_registry_find(catalogue, AX_REGISTRY_SERVICE, model->edges[i].name);
    return NULL;
}

/* Models that are applied and still wanted, whether a version of them was trained or not. */
static void add_defined(struct uses_run *run, const struct ax_registry_catalogue *wanted)
{
    for (size_t i = 0; i < run->applied->object_count; i++) {
        const struct ax_registry_object *model = &run->applied->objects[i];
        if (model->kind != AX_REGISTRY_MODEL)
            continue;
        const struct ax_registry_object *still =
            ax_registry_find(wanted, AX_REGISTRY_MODEL, model->name);
        const struct ax_registry_object *service = service_of(run->applied, model);
        if (still && service && !has_use(run, model->name, service))
            run->uses[run->use_count++] = (struct ax_plan_use){ .service = service,
                                                                .model = model->name,
                                                                .place = place_of(still) };
    }
}

enum ax_code ax_plan_uses(struct ax_registry *registry, const struct ax_registry_catalogue *applied,
                          const struct ax_registry_catalogue *wanted, struct ax_arena *arena,
                          const struct ax_plan_use **ret_uses, size_t *ret_count,
                          struct ax_err *err)
{
    assert(registry && applied && wanted && arena && ret_uses && ret_count && err);
    struct uses_run run = { .registry = registry, .applied = applied, .arena = arena };
    if (ax_registry_model_versions(registry, arena, &run.trained, &run.trained_count, err))
        return err->code;
    run.uses =
        ax_arena_zalloc(arena, run.trained_count + applied->object_count + 1, sizeof(*run.uses));
    if (!run.uses)
        return ax_arena_fail(arena, "what models need", err);
    if (add_trained(&run, wanted, err))
        return err->code;
    add_defined(&run, wanted);
    *ret_uses = run.uses;
    *ret_count = run.use_count;
    return AX_OK;
}

/* ---- applying it ---- */

enum ax_code ax_plan_apply(const struct ax_plan *plan, struct ax_registry *registry,
                           const struct ax_registry_change *who, struct ax_arena *arena,
                           uint64_t *ret_apply, struct ax_err *err)
{
    assert(plan && registry && who && arena && ret_apply && err);
    struct ax_registry_change change = *who;
    size_t most = plan->item_count + plan->moved_count + 1;
    const struct ax_registry_object **put = ax_arena_alloc(arena, most, sizeof(*put));
    const struct ax_registry_object **dropped = ax_arena_alloc(arena, most, sizeof(*dropped));
    const struct ax_registry_object **rewritten = ax_arena_alloc(arena, most, sizeof(*rewritten));
    if (!put || !dropped || !rewritten)
        return ax_arena_fail(arena, "the plan", err);
    change.after = plan->applied->apply;
    change.project = plan->wanted->project;
    change.put = put;
    change.dropped = dropped;
    change.rewritten = rewritten;
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct ax_plan_item *item = &plan->items[i];
        if (item->action == AX_PLAN_DROP)
            dropped[change.dropped_count++] = item->before;
        else if (item->action == AX_PLAN_DESCRIBE)
            rewritten[change.rewritten_count++] = item->after;
        else
            put[change.put_count++] = item->after;
    }
    for (size_t i = 0; i < plan->moved_count; i++)
        rewritten[change.rewritten_count++] = plan->moved[i];
    return ax_registry_apply(registry, &change, ret_apply, err);
}
