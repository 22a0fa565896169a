/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object after another, in the order of the registry's kinds, sorted at the end.
 *
 * Edges of expressions are what their trees read. A windowed field reads what the values and
 * filters of its aggregates read; a field that reads no column, as count(*) does, is made from its
 * source as a whole. The view as a whole reads the columns by which rows are found: its keys, and
 * those of its source that say when and which event. How many edges an object has is only known
 * when they are made, so they are collected in one array that grows, and copied.
 */
#include "pipeline/definition_catalogue.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "feature/online/online_moves.h"
#include "feature/view_windows.h"

#include <assert.h>
#include <stdlib.h>

#define DEFINITION_BYTES_MAX ((size_t)256 << 20)
#define ROW_HEAD_BYTES       16 /* time and sequence of a view's part of a row */

/* The registry's kinds are those of definitions. */
static_assert((int)AX_REGISTRY_ENTITY == (int)AX_DEFINITION_ENTITY &&
                  (int)AX_REGISTRY_SOURCE == (int)AX_DEFINITION_SOURCE &&
                  (int)AX_REGISTRY_VIEW == (int)AX_DEFINITION_VIEW &&
                  (int)AX_REGISTRY_SERVICE == (int)AX_DEFINITION_SERVICE &&
                  (int)AX_REGISTRY_MODEL == (int)AX_DEFINITION_MODEL &&
                  (int)AX_REGISTRY_KIND_COUNT == (int)AX_DEFINITION_KIND_COUNT,
              "a kind is cast from one to the other");

struct catalogue_run {
    struct ax_arena *arena;
    struct ax_registry_object *objects;
    size_t object_count;
    struct ax_buf text;             /* of the object that is being made */
    struct ax_registry_edge *edges; /* of it */
    size_t edge_count, edge_cap;
    bool *is_used; /* of a scope's columns */
    size_t used_cap;
};

static struct ax_str kind_text(enum ax_registry_kind kind)
{
    return ax_str_from(ax_registry_kind_name(kind));
}

static void add_edge(struct catalogue_run *run, struct ax_str feature, struct ax_str kind,
                     struct ax_str name, struct ax_str part)
{
    if (run->edge_count == run->edge_cap) {
        run->edge_cap = run->edge_cap ? 2 * run->edge_cap : 64;
        run->edges = ax_xrealloc(run->edges, run->edge_cap, sizeof(*run->edges));
    }
    run->edges[run->edge_count++] = (struct ax_registry_edge){ feature, kind, name, part };
}

static enum ax_code keep_text(struct catalogue_run *run, struct ax_str *ret, struct ax_err *err)
{
    if (ax_buf_check(&run->text, "a definition", err))
        return err->code;
    char *copied = ax_arena_strdup(run->arena, ax_buf_str(&run->text));
    if (!copied)
        return ax_arena_fail(run->arena, "the catalogue", err);
    *ret = (struct ax_str){ copied, run->text.len };
    return AX_OK;
}

/* ---- features ---- */

/* NULL when refused. */
static struct ax_registry_feature *make_features(struct catalogue_run *run,
                                                 struct ax_registry_object *object, size_t count,
                                                 struct ax_err *err)
{
    struct ax_registry_feature *features =
        ax_arena_zalloc(run->arena, count + 1, sizeof(*features));
    if (!features)
        (void)ax_arena_fail(run->arena, "the catalogue", err);
    object->features = features;
    object->feature_count = features ? count : 0;
    return features;
}

static struct ax_str storage_text(struct ax_storage storage)
{
    return ax_str_from(ax_storage_name(storage));
}

static enum ax_code add_columns(struct catalogue_run *run, struct ax_registry_object *object,
                                const struct ax_definition_column *columns, size_t count,
                                struct ax_err *err)
{
    struct ax_registry_feature *features = make_features(run, object, count, err);
    if (!features)
        return err->code;
    for (size_t i = 0; i < count; i++) {
        features[i].name = columns[i].name;
        features[i].type = storage_text(columns[i].storage);
    }
    return AX_OK;
}

/* ---- what each kind is made from ---- */

static enum ax_code add_source(struct catalogue_run *run, struct ax_registry_object *object,
                               const struct ax_source *source, struct ax_err *err)
{
    const struct ax_str whole = { "", 0 };
    if (source->kind == AX_SOURCE_FILES)
        add_edge(run, whole, AX_STR("file"), source->text, whole);
    else if (source->kind == AX_SOURCE_TABLE)
        add_edge(run, whole, AX_STR("table"), source->text, whole);
    else
        add_edge(run, whole, AX_STR("sql"), source->sql_path.len ? source->sql_path : object->place,
                 whole);
    return add_columns(run, object, source->columns, source->column_count, err);
}

/* Flags for `count` columns, all false. */
static bool *clear_used(struct catalogue_run *run, size_t count)
{
    if (count > run->used_cap) {
        run->used_cap = AX_MAX(count, 2 * run->used_cap);
        run->is_used = ax_xrealloc(run->is_used, run->used_cap, sizeof(*run->is_used));
    }
    if (count)
        memset(run->is_used, 0, count * sizeof(*run->is_used));
    return run->is_used;
}

static void find_used(const struct ax_parsed *parsed, bool *is_used)
{
    if (!parsed->aggregate_count)
        ax_expr_inputs(parsed->root, is_used);
    for (size_t i = 0; i < parsed->aggregate_count; i++) {
        if (parsed->aggregates[i].value)
            ax_expr_inputs(parsed->aggregates[i].value, is_used);
        if (parsed->aggregates[i].filter)
            ax_expr_inputs(parsed->aggregates[i].filter, is_used);
    }
}

/* An edge from each column of the source that is used; how many there are. */
static size_t add_used(struct catalogue_run *run, struct ax_str feature,
                       const struct ax_source *source, const bool *is_used)
{
    size_t count = 0;
    for (size_t i = 0; i < source->column_count; i++) {
        if (!is_used[i])
            continue;
        add_edge(run, feature, kind_text(AX_REGISTRY_SOURCE), source->name,
                 source->columns[i].name);
        count++;
    }
    return count;
}

/* The columns by which rows are found, whichever field is asked for. */
static void add_found_by(struct catalogue_run *run, const struct ax_view *view)
{
    const struct ax_source *source = view->source;
    bool *is_used = clear_used(run, source->column_count);
    for (size_t i = 0; i < view->entity->key_count; i++)
        is_used[view->key_columns[i]] = true;
    for (size_t i = 0; i < source->event_id_count; i++)
        is_used[source->event_id[i]] = true;
    if (source->time >= 0)
        is_used[source->time] = true;
    if (source->created >= 0)
        is_used[source->created] = true;
    (void)add_used(run, AX_STR(""), source, is_used);
}

static enum ax_code add_view(struct catalogue_run *run, struct ax_registry_object *object,
                             const struct ax_view *view, struct ax_err *err)
{
    const struct ax_str whole = { "", 0 };
    const struct ax_source *source = view->source;
    add_edge(run, whole, kind_text(AX_REGISTRY_ENTITY), view->entity->name, whole);
    add_edge(run, whole, kind_text(AX_REGISTRY_SOURCE), source->name, whole);
    add_found_by(run, view);
    object->deprecated = view->deprecated;
    struct ax_registry_feature *features = make_features(run, object, view->field_count, err);
    if (!features)
        return err->code;
    for (size_t i = 0; i < view->field_count; i++) {
        const struct ax_field *field = &view->fields[i];
        bool *is_used = clear_used(run, source->column_count);
        features[i].name = field->name;
        features[i].type = storage_text(field->storage);
        features[i].deprecated = field->deprecated;
        find_used(&field->parsed, is_used);
        if (!add_used(run, field->name, source, is_used))
            add_edge(run, field->name, kind_text(AX_REGISTRY_SOURCE), source->name, whole);
    }
    return AX_OK;
}

/* Whether an input is a column of the scope beside those of the call. */
static bool is_in_scope(const struct ax_service_input *input)
{
    return input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR;
}

/* What an expression of a service reads: columns of the call, and inputs above it. */
static void add_expression(struct catalogue_run *run, const struct ax_service *service,
                           const struct ax_service_input *input)
{
    bool *is_used = clear_used(run, service->call_count + service->input_count);
    size_t column = service->call_count;
    find_used(&input->parsed, is_used);
    for (size_t i = 0; i < service->call_count; i++)
        if (is_used[i])
            add_edge(run, input->name, AX_STR("call"), service->name, service->call[i].name);
    for (size_t i = 0; i < service->input_count; i++)
        if (is_in_scope(&service->inputs[i]) && is_used[column++])
            add_edge(run, input->name, kind_text(AX_REGISTRY_SERVICE), service->name,
                     service->inputs[i].name);
}

static void add_input(struct catalogue_run *run, const struct ax_service *service,
                      const struct ax_service_input *input)
{
    if (input->kind == AX_INPUT_FIELD) {
        const struct ax_view *view = service->roles[input->role].view;
        add_edge(run, input->name, kind_text(AX_REGISTRY_VIEW), view->name,
                 view->fields[input->field].name);
    } else if (input->kind == AX_INPUT_EXPR) {
        add_expression(run, service, input);
    } else {
        add_edge(run, input->name, AX_STR("call"), service->name,
                 service->call[input->call_column].name);
    }
}

static enum ax_code add_service(struct catalogue_run *run, struct ax_registry_object *object,
                                const struct ax_service *service, struct ax_err *err)
{
    struct ax_registry_feature *features = make_features(run, object, service->input_count, err);
    if (!features)
        return err->code;
    for (size_t i = 0; i < service->input_count; i++) {
        features[i].name = service->inputs[i].name;
        features[i].type = storage_text(service->inputs[i].storage);
        add_input(run, service, &service->inputs[i]);
    }
    return AX_OK;
}

static void add_model(struct catalogue_run *run, const struct ax_model_definition *model)
{
    const struct ax_str whole = { "", 0 };
    if (model->service)
        add_edge(run, whole, kind_text(AX_REGISTRY_SERVICE), model->service->name, whole);
}

/* ---- objects ---- */

static enum ax_code add_parts(struct catalogue_run *run, struct ax_registry_object *object,
                              const void *definition, struct ax_err *err)
{
    const struct ax_entity *entity = definition;
    switch (object->kind) {
    case AX_REGISTRY_ENTITY:
        return add_columns(run, object, entity->keys, entity->key_count, err);
    case AX_REGISTRY_SOURCE:
        return add_source(run, object, definition, err);
    case AX_REGISTRY_VIEW:
        return add_view(run, object, definition, err);
    case AX_REGISTRY_SERVICE:
        return add_service(run, object, definition, err);
    case AX_REGISTRY_MODEL:
        add_model(run, definition);
        return AX_OK;
    }
    return AX_OK;
}

static enum ax_code keep_edges(struct catalogue_run *run, struct ax_registry_object *object,
                               struct ax_err *err)
{
    struct ax_registry_edge *edges =
        ax_arena_alloc(run->arena, run->edge_count + 1, sizeof(*edges));
    if (!edges)
        return ax_arena_fail(run->arena, "the catalogue", err);
    if (run->edge_count)
        memcpy(edges, run->edges, run->edge_count * sizeof(*edges));
    object->edges = edges;
    object->edge_count = run->edge_count;
    return AX_OK;
}

static enum ax_code add_object(struct catalogue_run *run, enum ax_definition_kind kind,
                               struct ax_str name, const struct ax_place *place,
                               const void *definition, struct ax_err *err)
{
    struct ax_registry_object *object = &run->objects[run->object_count++];
    *object = (struct ax_registry_object){ .kind = (enum ax_registry_kind)kind, .name = name };
    ax_buf_reset(&run->text);
    ax_buf_printf(&run->text, "%s:%u", place->file, place->line);
    if (keep_text(run, &object->place, err))
        return err->code;
    ax_buf_reset(&run->text);
    ax_definition_put_json_and_digest(&run->text, kind, definition, object->digest);
    if (keep_text(run, &object->definition, err))
        return err->code;
    run->edge_count = 0;
    if (add_parts(run, object, definition, err))
        return err->code;
    return keep_edges(run, object, err);
}

static enum ax_code add_all(struct catalogue_run *run, const struct ax_definitions *all,
                            struct ax_err *err)
{
    for (size_t i = 0; i < all->entity_count && !err->code; i++)
        (void)(add_object(run, AX_DEFINITION_ENTITY, all->entities[i].name, &all->entities[i].place,
                          &all->entities[i], err) != AX_OK);
    for (size_t i = 0; i < all->source_count && !err->code; i++)
        (void)(add_object(run, AX_DEFINITION_SOURCE, all->sources[i].name, &all->sources[i].place,
                          &all->sources[i], err) != AX_OK);
    for (size_t i = 0; i < all->view_count && !err->code; i++)
        (void)(add_object(run, AX_DEFINITION_VIEW, all->views[i].name, &all->views[i].place,
                          &all->views[i], err) != AX_OK);
    for (size_t i = 0; i < all->service_count && !err->code; i++)
        (void)(add_object(run, AX_DEFINITION_SERVICE, all->services[i].name,
                          &all->services[i].place, &all->services[i], err) != AX_OK);
    for (size_t i = 0; i < all->model_count && !err->code; i++)
        (void)(add_object(run, AX_DEFINITION_MODEL, all->models[i].name, &all->models[i].place,
                          &all->models[i], err) != AX_OK);
    return err->code;
}

static int compare_objects(const void *a, const void *b)
{
    return ax_registry_object_compare(a, b);
}

enum ax_code ax_definition_catalogue(const struct ax_definitions *definitions,
                                     struct ax_arena *arena,
                                     struct ax_registry_catalogue *ret_catalogue,
                                     struct ax_err *err)
{
    assert(definitions && arena && ret_catalogue && err);
    struct catalogue_run run = { .arena = arena };
    size_t count = definitions->entity_count + definitions->source_count + definitions->view_count +
                   definitions->service_count + definitions->model_count;
    run.objects = ax_arena_alloc(arena, count + 1, sizeof(*run.objects));
    if (!run.objects)
        return ax_arena_fail(arena, "the catalogue", err);
    ax_buf_init(&run.text, DEFINITION_BYTES_MAX);
    if (!add_all(&run, definitions, err)) {
        qsort(run.objects, run.object_count, sizeof(*run.objects), compare_objects);
        *ret_catalogue = (struct ax_registry_catalogue){ .project = definitions->project,
                                                         .objects = run.objects,
                                                         .object_count = run.object_count };
    }
    ax_buf_done(&run.text);
    free(run.edges);
    free(run.is_used);
    return err->code;
}

/* ---- bytes ---- */

/* Of a view's part of an entity's row. */
static size_t row_bytes(const struct ax_view *view)
{
    size_t bytes = ROW_HEAD_BYTES + (view->field_count + 7) / 8;
    for (size_t i = 0; i < view->field_count; i++)
        bytes += ax_storage_bytes(view->fields[i].storage);
    return bytes;
}

static enum ax_code add_windows(const struct ax_view *view, struct ax_arena *arena,
                                struct ax_entity_bytes *one, struct ax_err *err)
{
    struct ax_view_windows windows;
    if (ax_view_windows_make(view, NULL, arena, &windows, err))
        return err->code;
    one->window_bytes += ax_window_spec_bytes(windows.spec);
    one->event_bytes += ax_window_spec_row_bytes(windows.spec);
    if (ax_view_has_moves(view))
        one->event_bytes += AX_ONLINE_MOVES_EVENT_BYTES;
    ax_view_windows_done(&windows);
    return AX_OK;
}

enum ax_code ax_definition_bytes(const struct ax_definitions *definitions, struct ax_arena *arena,
                                 const struct ax_entity_bytes **ret_bytes, size_t *ret_count,
                                 struct ax_err *err)
{
    assert(definitions && arena && ret_bytes && ret_count && err);
    struct ax_entity_bytes *all =
        ax_arena_zalloc(arena, definitions->entity_count + 1, sizeof(*all));
    if (!all)
        return ax_arena_fail(arena, "the plan", err);
    for (size_t i = 0; i < definitions->entity_count; i++)
        all[i].entity = &definitions->entities[i];
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        struct ax_entity_bytes *one = &all[view->entity - definitions->entities];
        if (!view->online)
            continue;
        one->bytes += row_bytes(view);
        one->view_count++;
        if (view->windowed && add_windows(view, arena, one, err))
            return err->code;
    }
    *ret_bytes = all;
    *ret_count = definitions->entity_count;
    return AX_OK;
}
