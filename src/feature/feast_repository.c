/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python of a Feast repository: a variable an object, since `feast apply` takes what a module's
 * names stand for. A variable is called by kind and name (view_plane), so that no name of ours is a
 * word of Python's or one that is imported.
 *
 * An entity of Feast's has one join key. One of ours with several is one a key there, called by
 * both names with "__", which no name of ours has. A source that can be pushed is a PushSource, for
 * those of its views whose values can be written; a view with windows hangs on the source behind
 * it, as Feast needs some source with a column of times. None of them has a file: histories are
 * made here.
 */
#include "feature/feast_repository.h"

#include "base/alloc.h"
#include "base/json.h"
#include "feature/definition_json.h"
#include "feature/definition_reader.h"

#include <assert.h>
#include <stdlib.h>

/* What is written, and what is left out. */
struct repository {
    const struct ax_definitions *definitions;
    struct ax_buf *out;
    struct ax_buf *notes;
    bool *sources; /* whether each is there */
    bool *views;
};

static const char *const value_types[AX_STORAGE_COUNT] = {
    [AX_STORAGE_BOOL] = "BOOL",      [AX_STORAGE_INT32] = "INT32",
    [AX_STORAGE_INT64] = "INT64",    [AX_STORAGE_FLOAT32] = "FLOAT",
    [AX_STORAGE_FLOAT64] = "DOUBLE", [AX_STORAGE_STRING] = "STRING",
    [AX_STORAGE_BYTES] = "BYTES",    [AX_STORAGE_TIMESTAMP] = "UNIX_TIMESTAMP",
    [AX_STORAGE_DURATION] = "INT64",
};
static const char *const field_types[AX_STORAGE_COUNT] = {
    [AX_STORAGE_BOOL] = "Bool",       [AX_STORAGE_INT32] = "Int32",
    [AX_STORAGE_INT64] = "Int64",     [AX_STORAGE_FLOAT32] = "Float32",
    [AX_STORAGE_FLOAT64] = "Float64", [AX_STORAGE_STRING] = "String",
    [AX_STORAGE_BYTES] = "Bytes",     [AX_STORAGE_TIMESTAMP] = "UnixTimestamp",
    [AX_STORAGE_DURATION] = "Int64",
};

static void put(struct ax_buf *out, const char *text)
{
    (void)ax_buf_append_str(out, ax_str_from(text));
}

/* `name="text"`; a JSON string is one of Python's, too. */
static void put_argument(struct ax_buf *out, const char *name, struct ax_str text)
{
    put(out, name);
    put(out, "=");
    ax_json_put_str(out, text);
}

static void put_described(struct ax_buf *out, struct ax_str description, bool deprecated,
                          struct ax_str deprecation)
{
    if (description.len) {
        put(out, ", ");
        put_argument(out, "description", description);
    }
    if (deprecated) {
        put(out, ", tags={\"deprecated\": ");
        ax_json_put_str(out, deprecation.len ? deprecation : AX_STR("true"));
        put(out, "}");
    }
}

/* Something as it is written, on one line of comment. */
static void put_line(struct ax_buf *out, struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
}

/* What is called so already without regard to case, as Feast tells sources and views apart; else it
 * is `object` from now on, and NULL. */
static const void *take_name(struct ax_map *names, struct ax_str name, const void *object)
{
    char lower[AX_DEFINITION_NAME_MAX];
    assert(name.len <= sizeof(lower));
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.ptr[i] | (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? 0x20 : 0));
    const struct ax_str key = { lower, name.len };
    const void *twin = ax_map_get(names, key);
    if (!twin)
        (void)ax_map_put(names, key, (void *)object);
    return twin;
}

static size_t number_of(const void *object, const void *first, size_t size)
{
    return (size_t)((const char *)object - (const char *)first) / size;
}

static bool has_source(const struct repository *r, const struct ax_source *source)
{
    return r->sources[number_of(source, r->definitions->sources, sizeof(*source))];
}

static bool has_view(const struct repository *r, const struct ax_view *view)
{
    return r->views[number_of(view, r->definitions->views, sizeof(*view))];
}

/* ---- entities ---- */

static void put_entity_name(struct ax_buf *out, const struct ax_entity *entity, size_t key)
{
    (void)ax_buf_append_str(out, entity->name);
    if (entity->key_count > 1)
        ax_buf_printf(out, "__%.*s", AX_STR_ARG(entity->keys[key].name));
}

static void put_entity(struct ax_buf *out, const struct ax_entity *entity)
{
    for (size_t i = 0; i < entity->key_count; i++) {
        put(out, "entity_");
        put_entity_name(out, entity, i);
        put(out, " = Entity(\n    name=\"");
        put_entity_name(out, entity, i);
        ax_buf_printf(out, "\", join_keys=[\"%.*s\"], value_type=ValueType.%s",
                      AX_STR_ARG(entity->keys[i].name), value_types[entity->keys[i].storage.kind]);
        put_described(out, entity->description, false, AX_STR(""));
        put(out, "\n)\n");
    }
}

/* ---- sources ---- */

static void put_source(struct ax_buf *out, const struct ax_source *source)
{
    const char *kind = source->push ? "history" : "source";
    ax_buf_printf(out,
                  "%s_%.*s = FileSource(\n    name=\"%.*s%s\", path=\"history/%.*s.parquet\", ",
                  kind, AX_STR_ARG(source->name), AX_STR_ARG(source->name),
                  source->push ? "__history" : "", AX_STR_ARG(source->name));
    put_argument(out, "timestamp_field", AX_STR(AX_FEAST_TIME));
    if (!source->push)
        put_described(out, source->description, false, AX_STR(""));
    put(out, "\n)\n");
    if (!source->push)
        return;
    ax_buf_printf(out, "source_%.*s = PushSource(\n    name=\"%.*s\", batch_source=history_%.*s",
                  AX_STR_ARG(source->name), AX_STR_ARG(source->name), AX_STR_ARG(source->name));
    put_described(out, source->description, false, AX_STR(""));
    put(out, "\n)\n");
}

static void put_sources(struct repository *r)
{
    const struct ax_definitions *definitions = r->definitions;
    struct ax_map names;
    ax_map_init(&names);
    for (size_t i = 0; i < definitions->source_count; i++) {
        const struct ax_source *source = &definitions->sources[i];
        const struct ax_source *twin = take_name(&names, source->name, source);
        r->sources[i] = !twin;
        if (twin)
            ax_buf_printf(r->notes,
                          "source %.*s is not there: Feast takes its name for that of source "
                          "%.*s\n",
                          AX_STR_ARG(source->name), AX_STR_ARG(twin->name));
        else
            put_source(r->out, source);
    }
    ax_map_done(&names);
}

/* ---- views ---- */

/* Why Feast would read a field as something else, or NULL. */
static const char *field_refused(const struct ax_view *view, const struct ax_field *field)
{
    for (size_t i = 0; i < view->entity->key_count; i++)
        if (ax_str_equals(field->name, view->entity->keys[i].name))
            return "Feast takes it for the join key of its name";
    if (ax_str_is(field->name, AX_FEAST_TIME) || ax_str_is(field->name, "created"))
        return "Feast has a column of its own of that name";
    return NULL;
}

static void put_type(struct ax_buf *out, struct ax_storage storage)
{
    ax_buf_printf(out, storage.is_list ? "Array(%s)" : "%s", field_types[storage.kind]);
}

static void put_field(struct ax_buf *out, const struct ax_field *field)
{
    ax_buf_printf(out, "        Field(name=\"%.*s\", dtype=", AX_STR_ARG(field->name));
    put_type(out, field->storage);
    put_described(out, field->description, field->deprecated, field->deprecation);
    put(out, "),  # ");
    put_line(out, field->text);
    if (field->storage.kind == AX_STORAGE_TIMESTAMP)
        put(out, "; whole seconds");
    if (field->storage.kind == AX_STORAGE_DURATION)
        put(out, "; microseconds");
    if (ax_field_has_default(field)) {
        put(out, "; default ");
        ax_definition_put_value(out, field->storage, &field->default_value);
    }
    put(out, "\n");
}

static void put_ttl(struct ax_buf *out, int64_t us)
{
    if (us % 1000000)
        ax_buf_printf(out, "timedelta(microseconds=%lld)", (long long)us);
    else
        ax_buf_printf(out, "timedelta(seconds=%lld)", (long long)(us / 1000000));
}

static void put_view(struct ax_buf *out, const struct ax_view *view)
{
    const struct ax_entity *entity = view->entity;
    ax_buf_printf(out, "view_%.*s = FeatureView(\n    name=\"%.*s\",\n    entities=[",
                  AX_STR_ARG(view->name), AX_STR_ARG(view->name));
    for (size_t i = 0; i < entity->key_count; i++) {
        put(out, i ? ", entity_" : "entity_");
        put_entity_name(out, entity, i);
    }
    ax_buf_printf(out, "],\n    source=%s_%.*s,\n    ttl=",
                  view->source->push && view->windowed ? "history" : "source",
                  AX_STR_ARG(view->source->name));
    put_ttl(out, view->ttl_us);
    put(out, view->online ? ",\n    online=True" : ",\n    online=False");
    put_described(out, view->description, view->deprecated, view->deprecation);
    put(out, ",\n    schema=[\n");
    for (size_t i = 0; i < entity->key_count; i++) {
        ax_buf_printf(out, "        Field(name=\"%.*s\", dtype=", AX_STR_ARG(entity->keys[i].name));
        put_type(out, entity->keys[i].storage);
        put(out, "),\n");
    }
    for (size_t i = 0; i < view->field_count; i++)
        if (!field_refused(view, &view->fields[i]))
            put_field(out, &view->fields[i]);
    put(out, "    ],\n)\n");
}

/* What of a view that is there Feast does not have; returns how many of its fields it has. */
static size_t note_fields(struct repository *r, const struct ax_view *view)
{
    size_t count = 0;
    for (size_t i = 0; i < view->field_count; i++) {
        const char *why = field_refused(view, &view->fields[i]);
        count += !why;
        if (why)
            ax_buf_printf(r->notes, "field %.*s of view %.*s is not there: %s\n",
                          AX_STR_ARG(view->fields[i].name), AX_STR_ARG(view->name), why);
    }
    return count;
}

static void put_views(struct repository *r)
{
    const struct ax_definitions *definitions = r->definitions;
    struct ax_map names;
    ax_map_init(&names);
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        const struct ax_view *twin = take_name(&names, view->name, view);
        if (twin) {
            ax_buf_printf(r->notes,
                          "view %.*s is not there: Feast takes its name for that of view %.*s\n",
                          AX_STR_ARG(view->name), AX_STR_ARG(twin->name));
        } else if (!has_source(r, view->source)) {
            ax_buf_printf(r->notes, "view %.*s is not there: its source %.*s is not\n",
                          AX_STR_ARG(view->name), AX_STR_ARG(view->source->name));
        } else if (!note_fields(r, view)) {
            ax_buf_printf(r->notes, "view %.*s is not there: none of its fields is\n",
                          AX_STR_ARG(view->name));
        } else {
            r->views[i] = true;
            put_view(r->out, view);
        }
    }
    ax_map_done(&names);
    for (size_t i = 0; i < definitions->view_count; i++)
        if (r->views[i] && definitions->views[i].windowed)
            ax_buf_printf(r->notes,
                          "view %.*s has windows: it is read, and neither written nor pushed\n",
                          AX_STR_ARG(definitions->views[i].name));
}

/* ---- services ---- */

/* Which fields a role gives, in the order of the service's inputs: all without a list. */
static void put_role(struct repository *r, const struct ax_service *service, size_t number)
{
    const struct ax_role *role = &service->roles[number];
    const struct ax_entity *entity = role->view->entity;
    struct ax_buf *out = r->out;
    bool is_renamed = false;
    ax_buf_printf(out, "        view_%.*s[[", AX_STR_ARG(role->view->name));
    const char *separator = "\"";
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind != AX_INPUT_FIELD || input->role != number)
            continue;
        const struct ax_field *field = &role->view->fields[input->field];
        if (field_refused(role->view, field))
            continue;
        ax_buf_printf(out, "%s%.*s\"", separator, AX_STR_ARG(field->name));
        separator = ", \"";
    }
    put(out, "]]");
    if (role->as.len)
        ax_buf_printf(out, ".with_name(\"%.*s\")", AX_STR_ARG(role->as));
    for (size_t i = 0; i < entity->key_count; i++)
        is_renamed |= !ax_str_equals(entity->keys[i].name, service->call[role->call_keys[i]].name);
    if (is_renamed) {
        put(out, ".with_join_key_map({");
        for (size_t i = 0; i < entity->key_count; i++)
            ax_buf_printf(out, "%s\"%.*s\": \"%.*s\"", i ? ", " : "",
                          AX_STR_ARG(entity->keys[i].name),
                          AX_STR_ARG(service->call[role->call_keys[i]].name));
        put(out, "})");
    }
    put(out, ",\n");
}

/* Whether Feast has any field that a role gives. */
static bool has_role(const struct repository *r, const struct ax_service *service, size_t number)
{
    const struct ax_view *view = service->roles[number].view;
    for (size_t i = 0; has_view(r, view) && i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind == AX_INPUT_FIELD && input->role == number &&
            !field_refused(view, &view->fields[input->field]))
            return true;
    }
    return false;
}

static void note_service(struct repository *r, const struct ax_service *service)
{
    const char *separator = " ";
    struct ax_buf *notes = r->notes;
    for (size_t i = 0; i < service->role_count; i++)
        if (!has_role(r, service, i))
            ax_buf_printf(notes, "service %.*s goes without view %.*s\n", AX_STR_ARG(service->name),
                          AX_STR_ARG(service->roles[i].view->name));
    for (size_t i = 0; i < service->input_count; i++) {
        if (service->inputs[i].kind != AX_INPUT_EXPR)
            continue;
        if (*separator == ' ')
            ax_buf_printf(notes,
                          "service %.*s computes, and answers besides:", AX_STR_ARG(service->name));
        ax_buf_printf(notes, "%s%.*s", separator, AX_STR_ARG(service->inputs[i].name));
        separator = ", ";
    }
    if (*separator == ',')
        put(notes, "\n");
    if (!service->request_count)
        return;
    ax_buf_printf(notes, "service %.*s takes as entities besides:", AX_STR_ARG(service->name));
    for (size_t i = 0; i < service->request_count; i++)
        ax_buf_printf(notes, "%s%.*s%s", i ? ", " : " ", AX_STR_ARG(service->call[i].name),
                      service->call[i].required ? " (required)" : "");
    put(notes, "\n");
}

static void put_service(struct repository *r, const struct ax_service *service)
{
    ax_buf_printf(r->out, "service_%.*s = FeatureService(\n    name=\"%.*s\"",
                  AX_STR_ARG(service->name), AX_STR_ARG(service->name));
    put_described(r->out, service->description, false, AX_STR(""));
    put(r->out, ",\n    features=[\n");
    for (size_t i = 0; i < service->role_count; i++)
        if (has_role(r, service, i))
            put_role(r, service, i);
    put(r->out, "    ],\n)\n");
    note_service(r, service);
}

/* ---- all of it ---- */

static void put_head(const struct repository *r)
{
    ax_buf_printf(r->out, "%s from what is applied of project %.*s.\n", AX_FEAST_HEAD,
                  AX_STR_ARG(r->definitions->project));
    put(r->out,
        "# Change the definitions and write it anew, rather than this file. Values are the "
        "server's that\n"
        "# feature_store.yaml names; behind a field stands how it is computed. No source "
        "has a file:\n"
        "# histories are made by `auspex features history`.\n"
        "from datetime import timedelta\n\n"
        "from feast import Entity, FeatureService, FeatureView, Field, FileSource, "
        "PushSource, ValueType\n"
        "from feast.types import (\n    Array, Bool, Bytes, Float32, Float64, Int32, Int64, "
        "String, UnixTimestamp\n)\n");
}

/* The notes as comments. */
static void put_notes(const struct repository *r)
{
    struct ax_str notes = ax_buf_str(r->notes);
    if (!notes.len)
        return;
    put(r->out, "\n# What Feast does not have, or has otherwise:\n# ");
    for (size_t i = 0; i + 1 < notes.len; i++) {
        (void)ax_buf_append_char(r->out, notes.ptr[i]);
        if (notes.ptr[i] == '\n')
            put(r->out, "# ");
    }
    put(r->out, "\n");
}

enum ax_code ax_feast_put_definitions(const struct ax_definitions *definitions, struct ax_buf *out,
                                      struct ax_buf *notes, struct ax_err *err)
{
    assert(definitions && out && notes);
    if (ax_str_starts_with(definitions->project, AX_STR("_")))
        return ax_fail(err, AX_E_INVALID,
                       "Feast refuses the project '%.*s', since its name begins with '_'",
                       AX_STR_ARG(definitions->project));
    struct repository r = { .definitions = definitions, .out = out, .notes = notes };
    r.sources = ax_xalloc(definitions->source_count + 1);
    r.views = ax_xalloc(definitions->view_count + 1);
    memset(r.views, false, definitions->view_count + 1);
    put_head(&r);
    put(out, "\n");
    for (size_t i = 0; i < definitions->entity_count; i++)
        put_entity(out, &definitions->entities[i]);
    put(out, "\n");
    put_sources(&r);
    put(out, "\n");
    put_views(&r);
    put(out, "\n");
    for (size_t i = 0; i < definitions->service_count; i++)
        put_service(&r, &definitions->services[i]);
    put_notes(&r);
    free(r.sources);
    free(r.views);
    if (ax_buf_check(notes, "what Feast does not have", err) ||
        ax_buf_check(out, "the Python", err))
        return err->code;
    return AX_OK;
}

enum ax_code ax_feast_put_store(const struct ax_definitions *definitions, struct ax_str server,
                                struct ax_buf *out, struct ax_err *err)
{
    ax_buf_printf(out,
                  "project: %.*s\nprovider: local\nregistry: registry.db\n"
                  "entity_key_serialization_version: 3\nonline_store:\n  type: remote\n  path: ",
                  AX_STR_ARG(definitions->project));
    ax_json_put_str(out, server);
    put(out, "\n");
    return ax_buf_check(out, "feature_store.yaml", err);
}
