/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features list`, and how names are told apart.
 *
 * A feature's line needs the entity and the source of its view, which are among the view's edges.
 */
#include "cmd/features_catalogue.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>

#define APPLIES_MAX 1000000

struct ax_features_name ax_features_name_parse(struct ax_str text)
{
    struct ax_features_name name = { .text = text, .name = text };
    enum ax_registry_kind known;
    const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
    if (colon) {
        size_t len = (size_t)(colon - text.ptr);
        name.kind = (struct ax_str){ text.ptr, len };
        name.name = (struct ax_str){ colon + 1, text.len - len - 1 };
        /* What lies outside has names with dots. */
        if (!ax_registry_kind_find(name.kind, &known))
            return name;
    }
    const char *dot = name.name.len ? memchr(name.name.ptr, '.', name.name.len) : NULL;
    if (dot) {
        size_t len = (size_t)(dot - name.name.ptr);
        name.part = (struct ax_str){ dot + 1, name.name.len - len - 1 };
        name.name.len = len;
    }
    return name;
}

enum ax_code ax_features_not_found_fail(const struct ax_features_catalogue *catalogue,
                                        const struct ax_features_name *name, struct ax_err *err)
{
    const struct ax_registry_catalogue *objects = &catalogue->objects;
    struct ax_str *names = ax_xalloc((objects->object_count + 1) * sizeof(*names));
    for (size_t i = 0; i < objects->object_count; i++)
        names[i] = objects->objects[i].name;
    long nearest = ax_str_nearest(name->name, names, objects->object_count);
    if (nearest >= 0 && !ax_str_equals(names[nearest], name->name))
        (void)ax_fail(err, AX_E_NOT_FOUND, "'%.*s' is not applied; nearest is '%.*s'",
                      AX_STR_ARG(name->text), AX_STR_ARG(names[nearest]));
    else
        (void)ax_fail(err, AX_E_NOT_FOUND,
                      "'%.*s' is not applied; auspex features list tells what is",
                      AX_STR_ARG(name->text));
    free(names);
    return err->code;
}

/* The name of the view's entity or source: an edge of the object as a whole. */
static struct ax_str made_from(const struct ax_registry_object *view, enum ax_registry_kind kind)
{
    for (size_t i = 0; i < view->edge_count; i++)
        if (!view->edges[i].feature.len &&
            ax_str_is(view->edges[i].kind, ax_registry_kind_name(kind)))
            return view->edges[i].name;
    return AX_STR("-");
}

static void put_member(struct ax_buf *out, const char *key, struct ax_str text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, text);
}

static void put_flag(struct ax_buf *out, const char *key, bool value)
{
    ax_json_put_key(out, key);
    ax_json_put_bool(out, value);
}

static void put_count(struct ax_buf *out, const char *key, uint64_t value)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, value);
}

static void put_feature(struct ax_buf *out, const struct ax_registry_object *view,
                        const struct ax_registry_feature *feature, bool json)
{
    struct ax_str entity = made_from(view, AX_REGISTRY_ENTITY);
    struct ax_str source = made_from(view, AX_REGISTRY_SOURCE);
    bool deprecated = feature->deprecated || view->deprecated;
    if (json) {
        (void)ax_buf_append_char(out, '{');
        put_member(out, "view", view->name);
        put_member(out, "name", feature->name);
        put_member(out, "type", feature->type);
        put_member(out, "entity", entity);
        put_member(out, "source", source);
        put_flag(out, "deprecated", deprecated);
        (void)ax_buf_append_str(out, AX_STR("}\n"));
        return;
    }
    size_t len = view->name.len + 1 + feature->name.len;
    ax_buf_printf(out, "%.*s.%.*s%*s %-14.*s %-16.*s %.*s%s\n", AX_STR_ARG(view->name),
                  AX_STR_ARG(feature->name), len < 40 ? (int)(40 - len) : 0, "",
                  AX_STR_ARG(feature->type), AX_STR_ARG(entity), AX_STR_ARG(source),
                  deprecated ? "  deprecated" : "");
}

static void list_features(const struct ax_features_catalogue *catalogue, bool json,
                          struct ax_buf *out)
{
    if (!json)
        ax_buf_printf(out, "%-40s %-14s %-16s %s\n", "FEATURE", "TYPE", "ENTITY", "SOURCE");
    for (size_t i = 0; i < catalogue->objects.object_count; i++) {
        const struct ax_registry_object *object = &catalogue->objects.objects[i];
        if (object->kind != AX_REGISTRY_VIEW)
            continue;
        for (size_t k = 0; k < object->feature_count; k++)
            put_feature(out, object, &object->features[k], json);
    }
}

static void put_object(struct ax_buf *out, const struct ax_registry_object *object, bool json)
{
    char applied_at[AX_CLOCK_TEXT_SIZE];
    ax_clock_text(object->applied_at_us, applied_at);
    if (!json) {
        ax_buf_printf(out, "%-24.*s %7llu %8zu  %.19sZ  %.*s%s\n", AX_STR_ARG(object->name),
                      (unsigned long long)object->version, object->feature_count, applied_at,
                      AX_STR_ARG(object->place), object->deprecated ? "  deprecated" : "");
        return;
    }
    (void)ax_buf_append_char(out, '{');
    put_member(out, "kind", ax_str_from(ax_registry_kind_name(object->kind)));
    put_member(out, "name", object->name);
    put_count(out, "version", object->version);
    put_member(out, "digest", ax_str_from(object->digest));
    put_count(out, "features", object->feature_count);
    put_member(out, "applied_at", ax_str_from(applied_at));
    put_count(out, "apply", object->apply);
    put_member(out, "place", object->place);
    put_flag(out, "deprecated", object->deprecated);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

static void list_objects(const struct ax_features_catalogue *catalogue, enum ax_registry_kind kind,
                         bool json, struct ax_buf *out)
{
    if (!json)
        ax_buf_printf(out, "%-24s %7s %8s  %-20s  %s\n", "NAME", "VERSION", "FEATURES", "APPLIED",
                      "PLACE");
    for (size_t i = 0; i < catalogue->objects.object_count; i++)
        if (catalogue->objects.objects[i].kind == kind)
            put_object(out, &catalogue->objects.objects[i], json);
}

static void put_applied(struct ax_buf *out, const struct ax_registry_applied *applied, bool json)
{
    char applied_at[AX_CLOCK_TEXT_SIZE];
    ax_clock_text(applied->applied_at_us, applied_at);
    if (!json) {
        ax_buf_printf(out, "%5llu  %.19sZ  %6llu %7llu %7llu  %-20.*s %.*s\n",
                      (unsigned long long)applied->number, applied_at,
                      (unsigned long long)applied->added, (unsigned long long)applied->changed,
                      (unsigned long long)applied->dropped, AX_STR_ARG(applied->who),
                      AX_STR_ARG(applied->command));
        return;
    }
    (void)ax_buf_append_char(out, '{');
    put_count(out, "apply", applied->number);
    put_member(out, "applied_at", ax_str_from(applied_at));
    put_count(out, "added", applied->added);
    put_count(out, "changed", applied->changed);
    put_count(out, "dropped", applied->dropped);
    put_flag(out, "forced", applied->forced);
    put_member(out, "who", applied->who);
    put_member(out, "command", applied->command);
    put_member(out, "folder", applied->folder);
    put_member(out, "project", applied->project);
    put_member(out, "program", applied->program);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

static enum ax_code list_applies(const struct ax_features_catalogue *catalogue, bool json,
                                 struct ax_buf *out, struct ax_err *err)
{
    const struct ax_registry_applied *applies;
    size_t count;
    if (ax_registry_history(catalogue->registry, APPLIES_MAX, catalogue->arena, &applies, &count,
                            err))
        return err->code;
    if (!json)
        ax_buf_printf(out, "%5s  %-20s  %6s %7s %7s  %-20s %s\n", "APPLY", "AT", "ADDED", "CHANGED",
                      "DROPPED", "BY", "COMMAND");
    for (size_t i = 0; i < count; i++)
        put_applied(out, &applies[i], json);
    return AX_OK;
}

enum ax_code ax_features_list(const struct ax_features_catalogue *catalogue, int listed, bool json,
                              struct ax_buf *out, struct ax_err *err)
{
    assert(catalogue && out && err);
    if (listed == AX_FEATURES_LIST_FEATURES)
        list_features(catalogue, json, out);
    else if (listed < AX_FEATURES_LIST_APPLIES)
        list_objects(catalogue, (enum ax_registry_kind)(listed - AX_FEATURES_LIST_OBJECTS), json,
                     out);
    else if (list_applies(catalogue, json, out, err))
        return err->code;
    return ax_buf_check(out, "the list", err);
}
