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

/* Names that could have been meant. */
struct candidates {
    struct ax_str *names;
    size_t count, cap;
};

static void add_candidate(struct candidates *all, struct ax_str name)
{
    if (all->count == all->cap) {
        all->cap = AX_MAX(2 * all->cap, (size_t)64);
        all->names = ax_xrealloc(all->names, all->cap, sizeof(*all->names));
    }
    all->names[all->count++] = name;
}

static bool is_of_kind(const struct ax_registry_object *object, struct ax_str kind)
{
    return !kind.len || ax_str_is(kind, ax_registry_kind_name(object->kind));
}

/* Features of what has the name, and true; when nothing has it, names of that kind. */
static bool find_candidates(const struct ax_registry_catalogue *objects,
                            const struct ax_features_name *name, struct candidates *all)
{
    bool has_owner = false;
    for (size_t i = 0; i < objects->object_count; i++) {
        const struct ax_registry_object *object = &objects->objects[i];
        if (!is_of_kind(object, name->kind) || !ax_str_equals(object->name, name->name))
            continue;
        has_owner = true;
        for (size_t k = 0; k < object->feature_count; k++)
            add_candidate(all, object->features[k].name);
    }
    for (size_t i = 0; !has_owner && i < objects->object_count; i++)
        if (is_of_kind(&objects->objects[i], name->kind))
            add_candidate(all, objects->objects[i].name);
    return has_owner;
}

enum ax_code ax_features_not_found_fail(const struct ax_features_catalogue *catalogue,
                                        const struct ax_features_name *name, struct ax_err *err)
{
    struct candidates all = { 0 };
    bool has_owner = find_candidates(&catalogue->objects, name, &all);
    struct ax_str wanted = has_owner ? name->part : name->name;
    long nearest = ax_str_nearest(wanted, all.names, all.count);
    if (nearest >= 0 && has_owner)
        (void)ax_fail(err, AX_E_NOT_FOUND, "'%.*s' has no '%.*s'; nearest is '%.*s'",
                      AX_STR_ARG(name->name), AX_STR_ARG(name->part),
                      AX_STR_ARG(all.names[nearest]));
    else if (nearest >= 0)
        (void)ax_fail(err, AX_E_NOT_FOUND, "'%.*s' is not applied; nearest is '%.*s'",
                      AX_STR_ARG(name->text), AX_STR_ARG(all.names[nearest]));
    else
        (void)ax_fail(err, AX_E_NOT_FOUND,
                      "'%.*s' is not applied; auspex features list tells what is",
                      AX_STR_ARG(name->text));
    free(all.names);
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

static void put_feature(struct ax_buf *out, const struct ax_registry_object *view,
                        const struct ax_registry_feature *feature, bool json)
{
    struct ax_str entity = made_from(view, AX_REGISTRY_ENTITY);
    struct ax_str source = made_from(view, AX_REGISTRY_SOURCE);
    bool deprecated = feature->deprecated || view->deprecated;
    if (json) {
        (void)ax_buf_append_char(out, '{');
        ax_json_put_member(out, "view", view->name);
        ax_json_put_member(out, "name", feature->name);
        ax_json_put_member(out, "type", feature->type);
        ax_json_put_member(out, "entity", entity);
        ax_json_put_member(out, "source", source);
        ax_json_put_member_bool(out, "deprecated", deprecated);
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
    ax_json_put_member(out, "kind", ax_str_from(ax_registry_kind_name(object->kind)));
    ax_json_put_member(out, "name", object->name);
    ax_json_put_member_u64(out, "version", object->version);
    ax_json_put_member(out, "digest", ax_str_from(object->digest));
    ax_json_put_member_u64(out, "features", object->feature_count);
    ax_json_put_member(out, "applied_at", ax_str_from(applied_at));
    ax_json_put_member_u64(out, "apply", object->apply);
    ax_json_put_member(out, "place", object->place);
    ax_json_put_member_bool(out, "deprecated", object->deprecated);
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
    ax_json_put_member_u64(out, "apply", applied->number);
    ax_json_put_member(out, "applied_at", ax_str_from(applied_at));
    ax_json_put_member_u64(out, "added", applied->added);
    ax_json_put_member_u64(out, "changed", applied->changed);
    ax_json_put_member_u64(out, "dropped", applied->dropped);
    ax_json_put_member_bool(out, "forced", applied->forced);
    ax_json_put_member(out, "who", applied->who);
    ax_json_put_member(out, "command", applied->command);
    ax_json_put_member(out, "folder", applied->folder);
    ax_json_put_member(out, "project", applied->project);
    ax_json_put_member(out, "program", applied->program);
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
