/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features show`: one object, or one feature of it, with what it is made from, what is made
 * from it, and its former versions.
 *
 * Who uses something is found by looking through the edges of all objects, which is as long as
 * reading them was.
 */
#include "cmd/features_catalogue.h"

#include "base/calendar.h"
#include "base/clock.h"
#include "base/json.h"
#include "data/expr/expr_text.h"
#include "pipeline/materialize_views.h"
#include "server/schedule.h"

#include <assert.h>

#define APPLIES_MAX 1000000
#define US_PER_S    INT64_C(1000000)

/* What is shown: an object, perhaps one feature of it. */
struct shown {
    const struct ax_features_catalogue *catalogue;
    const struct ax_registry_object *object;
    struct ax_str part;
    struct ax_str place;
    struct ax_registry_catalogue versions; /* all of the object's */
    const struct ax_registry_applied *applied;
    struct ax_schedule schedule; /* of a view; every_us 0: none */
    int64_t due_us;
    char whole[AX_SHA256_TEXT_SIZE]; /* digest of it and of all that it is made from, now */
};

static bool has_feature(const struct ax_registry_object *object, struct ax_str name)
{
    for (size_t i = 0; i < object->feature_count; i++)
        if (ax_str_equals(object->features[i].name, name))
            return true;
    return false;
}

static bool is_named(const struct ax_registry_object *object, const struct ax_features_name *name)
{
    return (!name->kind.len || ax_str_is(name->kind, ax_registry_kind_name(object->kind))) &&
           ax_str_equals(object->name, name->name) &&
           (!name->part.len || has_feature(object, name->part));
}

/* Whether an edge leads from what is shown. */
static bool leads_from(const struct shown *shown, const struct ax_registry_edge *edge)
{
    return ax_str_is(edge->kind, ax_registry_kind_name(shown->object->kind)) &&
           ax_str_equals(edge->name, shown->object->name) &&
           (!shown->part.len || ax_str_equals(edge->part, shown->part));
}

/* An object that uses what is shown; not itself, in whichever version. */
static bool is_other(const struct shown *shown, const struct ax_registry_object *user)
{
    return ax_registry_object_compare(shown->object, user) != 0;
}

static void put_thing(struct ax_buf *out, struct ax_str kind, struct ax_str name,
                      struct ax_str part)
{
    const struct ax_lineage_node node = { .kind = kind, .name = name, .part = part };
    ax_lineage_put_name(out, &node);
}

/* ---- schedules ---- */

/* What `every` says of a view that is in force, and what the registry knows of it. */
static enum ax_code read_schedule(struct shown *shown, struct ax_err *err)
{
    const struct ax_registry_object *object = shown->object;
    struct ax_json_doc *doc;
    if (object->kind != AX_REGISTRY_VIEW || object->ended_by)
        return AX_OK;
    if (ax_json_parse(object->definition, &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    struct ax_schedule *schedule = &shown->schedule;
    const struct ax_materialize_names names = { object->name,
                                                ax_json_str(ax_json_get(root, "source")),
                                                ax_json_str(ax_json_get(root, "entity")) };
    const struct ax_json *every = ax_json_get(ax_json_get(root, "notes"), "every");
    if (every && !ax_duration_parse(ax_json_str(every), &schedule->every_us, err) &&
        !ax_materialize_last_us(shown->catalogue->registry, &shown->catalogue->objects, &names, 0,
                                shown->catalogue->arena, &schedule->last_us, err)) {
        schedule->source = names.source;
        shown->due_us = ax_schedule_due_us(schedule);
    }
    ax_json_free(doc);
    return err->code;
}

static void put_schedule(struct ax_buf *out, const struct shown *shown)
{
    char due[AX_CALENDAR_TEXT_SIZE] = "at once";
    if (!shown->schedule.every_us)
        return;
    (void)ax_buf_append_str(out, AX_STR("  every       "));
    ax_duration_put_text(out, shown->schedule.every_us);
    if (shown->due_us != INT64_MIN)
        (void)ax_calendar_text(shown->due_us - shown->due_us % US_PER_S, due);
    ax_buf_printf(out, ", next %s\n", due);
}

static void put_json_schedule(struct ax_buf *out, const struct shown *shown)
{
    char due[AX_CALENDAR_TEXT_SIZE];
    if (!shown->schedule.every_us)
        return;
    ax_json_put_key(out, "next");
    if (shown->due_us == INT64_MIN)
        (void)ax_buf_append_str(out, AX_STR("null"));
    else
        ax_json_put_str(out, (struct ax_str){ due, ax_calendar_text(shown->due_us, due) });
}

/* ---- text ---- */

static void put_sources(struct ax_buf *out, const struct ax_registry_object *object,
                        struct ax_str feature, const char *separator)
{
    for (size_t i = 0; i < object->edge_count; i++) {
        const struct ax_registry_edge *edge = &object->edges[i];
        if (!ax_str_equals(edge->feature, feature))
            continue;
        (void)ax_buf_append_str(out, ax_str_from(separator));
        put_thing(out, edge->kind, edge->name, edge->part);
        separator = ", ";
    }
}

static void put_features(struct ax_buf *out, const struct shown *shown)
{
    const struct ax_registry_object *object = shown->object;
    for (size_t i = 0; i < object->feature_count; i++) {
        const struct ax_registry_feature *feature = &object->features[i];
        if (shown->part.len && !ax_str_equals(shown->part, feature->name))
            continue;
        ax_buf_printf(out, "    %-24.*s %-14.*s", AX_STR_ARG(feature->name),
                      AX_STR_ARG(feature->type));
        put_sources(out, object, feature->name, " from ");
        (void)ax_buf_append_str(out, feature->deprecated ? AX_STR("  deprecated\n") : AX_STR("\n"));
    }
}

static void put_users(struct ax_buf *out, const struct shown *shown)
{
    const struct ax_registry_catalogue *objects = &shown->catalogue->objects;
    for (size_t i = 0; i < objects->object_count; i++) {
        const struct ax_registry_object *user = &objects->objects[i];
        size_t count = 0;
        for (size_t k = 0; is_other(shown, user) && k < user->edge_count; k++)
            if (leads_from(shown, &user->edges[k]))
                count++;
        if (!count)
            continue;
        (void)ax_buf_append_str(out, AX_STR("    "));
        put_thing(out, ax_str_from(ax_registry_kind_name(user->kind)), user->name, AX_STR(""));
        const char *separator = ": ";
        struct ax_str told = { "", 0 }; /* edges of one feature stand together */
        for (size_t k = 0; k < user->edge_count; k++) {
            if (!leads_from(shown, &user->edges[k]) || ax_str_equals(user->edges[k].feature, told))
                continue;
            told = user->edges[k].feature;
            ax_buf_printf(out, "%s%.*s", separator, AX_STR_ARG(told));
            separator = ", ";
        }
        (void)ax_buf_append_char(out, '\n');
    }
    if (shown->object->kind != AX_REGISTRY_SERVICE)
        return;
    for (size_t i = 0; i < shown->catalogue->use_count; i++) {
        const struct ax_plan_use *use = &shown->catalogue->uses[i];
        if (use->versions.len && ax_str_equals(use->service->name, shown->object->name))
            ax_buf_printf(out, "    model %.*s, trained versions %.*s: version %llu\n",
                          AX_STR_ARG(use->model), AX_STR_ARG(use->versions),
                          (unsigned long long)use->service->version);
    }
}

static void put_versions(struct ax_buf *out, const struct shown *shown)
{
    for (size_t i = 0; i < shown->versions.object_count; i++) {
        const struct ax_registry_object *version = &shown->versions.objects[i];
        char applied_at[AX_CLOCK_TEXT_SIZE];
        ax_clock_text(version->applied_at_us, applied_at);
        ax_buf_printf(out, "    %-4llu applied %.19sZ (apply %llu)%s\n",
                      (unsigned long long)version->version, applied_at,
                      (unsigned long long)version->apply, version->ended_by ? "" : ", in force");
    }
}

/* A section's head, and whatever `put` prints below it; nothing when that is nothing. */
static void put_section(struct ax_buf *out, const char *head, const struct shown *shown,
                        void (*put)(struct ax_buf *out, const struct shown *shown))
{
    size_t before = out->len;
    ax_buf_printf(out, "  %s\n", head);
    size_t behind = out->len;
    put(out, shown);
    if (out->len == behind)
        out->len = before;
}

static void put_text(struct ax_buf *out, const struct shown *shown)
{
    const struct ax_registry_object *object = shown->object;
    char applied_at[AX_CLOCK_TEXT_SIZE];
    ax_clock_text(object->applied_at_us, applied_at);
    put_thing(out, ax_str_from(ax_registry_kind_name(object->kind)), object->name, shown->part);
    ax_buf_printf(out, "\n  version     %llu%s%s\n", (unsigned long long)object->version,
                  object->ended_by ? ", not in force any more" : "",
                  object->deprecated ? ", deprecated" : "");
    ax_buf_printf(out, "  applied     %.19sZ", applied_at);
    if (shown->applied)
        ax_buf_printf(out, " by %.*s", AX_STR_ARG(shown->applied->who));
    ax_buf_printf(out, "\n  place       %.*s\n  digest      %s\n", AX_STR_ARG(shown->place),
                  object->digest);
    if (!object->ended_by)
        ax_buf_printf(out, "  with all    %s, of it and of all that it is made from\n",
                      shown->whole);
    put_schedule(out, shown);
    if (shown->part.len) {
        ax_features_put_part(out, object, shown->part, false);
    } else {
        size_t before = out->len;
        (void)ax_buf_append_str(out, AX_STR("  made from"));
        size_t behind = out->len;
        put_sources(out, object, AX_STR(""), "   ");
        if (out->len == behind)
            out->len = before;
        else
            (void)ax_buf_append_char(out, '\n');
    }
    put_section(out, "features", shown, put_features);
    put_section(out, "used by", shown, put_users);
    if (shown->part.len)
        return;
    put_section(out, "versions", shown, put_versions);
    ax_buf_printf(out, "  definition\n    %.*s\n", AX_STR_ARG(object->definition));
}

/* ---- JSON ---- */

static void put_json_edge(struct ax_buf *out, struct ax_str feature, struct ax_str kind,
                          struct ax_str name, struct ax_str part)
{
    ax_json_begin_item(out);
    if (feature.len)
        ax_json_put_member(out, "feature", feature);
    ax_json_put_member(out, "kind", kind);
    ax_json_put_member(out, "name", name);
    if (part.len)
        ax_json_put_member(out, "part", part);
    (void)ax_buf_append_char(out, '}');
}

static void put_json_features(struct ax_buf *out, const struct shown *shown)
{
    ax_json_put_key(out, "features");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < shown->object->feature_count; i++) {
        const struct ax_registry_feature *feature = &shown->object->features[i];
        if (shown->part.len && !ax_str_equals(shown->part, feature->name))
            continue;
        ax_json_begin_item(out);
        ax_json_put_member(out, "name", feature->name);
        ax_json_put_member(out, "type", feature->type);
        ax_json_put_member_bool(out, "deprecated", feature->deprecated);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_json_edges(struct ax_buf *out, const struct shown *shown)
{
    ax_json_put_key(out, "made_from");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < shown->object->edge_count; i++) {
        const struct ax_registry_edge *edge = &shown->object->edges[i];
        if (!shown->part.len || ax_str_equals(shown->part, edge->feature))
            put_json_edge(out, edge->feature, edge->kind, edge->name, edge->part);
    }
    (void)ax_buf_append_char(out, ']');
    ax_json_put_key(out, "used_by");
    (void)ax_buf_append_char(out, '[');
    const struct ax_registry_catalogue *objects = &shown->catalogue->objects;
    for (size_t i = 0; i < objects->object_count; i++) {
        const struct ax_registry_object *user = &objects->objects[i];
        for (size_t k = 0; is_other(shown, user) && k < user->edge_count; k++)
            if (leads_from(shown, &user->edges[k]))
                put_json_edge(out, user->edges[k].part,
                              ax_str_from(ax_registry_kind_name(user->kind)), user->name,
                              user->edges[k].feature);
    }
    (void)ax_buf_append_char(out, ']');
}

/* What models were trained with, in whichever version. */
static void put_json_trained(struct ax_buf *out, const struct shown *shown)
{
    ax_json_put_key(out, "trained");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < shown->catalogue->use_count; i++) {
        const struct ax_plan_use *use = &shown->catalogue->uses[i];
        if (!use->versions.len || !ax_str_equals(use->service->name, shown->object->name))
            continue;
        ax_json_begin_item(out);
        ax_json_put_member(out, "model", use->model);
        ax_json_put_member(out, "versions", use->versions);
        ax_json_put_member_u64(out, "service_version", use->service->version);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_json_versions(struct ax_buf *out, const struct shown *shown)
{
    ax_json_put_key(out, "versions");
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < shown->versions.object_count; i++) {
        const struct ax_registry_object *version = &shown->versions.objects[i];
        char applied_at[AX_CLOCK_TEXT_SIZE];
        ax_clock_text(version->applied_at_us, applied_at);
        ax_json_begin_item(out);
        ax_json_put_member_u64(out, "version", version->version);
        ax_json_put_member(out, "digest", ax_str_from(version->digest));
        ax_json_put_member(out, "applied_at", ax_str_from(applied_at));
        ax_json_put_member_u64(out, "apply", version->apply);
        if (version->ended_by)
            ax_json_put_member_u64(out, "ended_by", version->ended_by);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_json(struct ax_buf *out, const struct shown *shown)
{
    const struct ax_registry_object *object = shown->object;
    char applied_at[AX_CLOCK_TEXT_SIZE];
    ax_clock_text(object->applied_at_us, applied_at);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "kind", ax_str_from(ax_registry_kind_name(object->kind)));
    ax_json_put_member(out, "name", object->name);
    ax_json_put_member_u64(out, "version", object->version);
    ax_json_put_member(out, "digest", ax_str_from(object->digest));
    if (!object->ended_by)
        ax_json_put_member(out, "digest_with_all", ax_str_from(shown->whole));
    ax_json_put_member(out, "place", shown->place);
    ax_json_put_member(out, "applied_at", ax_str_from(applied_at));
    if (shown->applied)
        ax_json_put_member(out, "applied_by", shown->applied->who);
    ax_json_put_member_bool(out, "in_force", !object->ended_by);
    ax_json_put_member_bool(out, "deprecated", object->deprecated);
    put_json_schedule(out, shown);
    put_json_features(out, shown);
    put_json_edges(out, shown);
    if (object->kind == AX_REGISTRY_SERVICE)
        put_json_trained(out, shown);
    put_json_versions(out, shown);
    if (shown->part.len) {
        ax_json_put_key(out, "feature");
        (void)ax_buf_append_char(out, '{');
        ax_features_put_part(out, object, shown->part, true);
        (void)ax_buf_append_char(out, '}');
    }
    /* It was JSON when it was applied, and its checksum has not changed. */
    ax_json_put_key(out, "definition");
    (void)ax_buf_append_str(out, object->definition);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

/* ---- finding it ---- */

static enum ax_code show_object(const struct ax_features_catalogue *catalogue,
                                const struct ax_registry_object *object, struct ax_str part,
                                bool json, struct ax_buf *out, struct ax_err *err)
{
    struct shown shown = {
        .catalogue = catalogue,
        .object = object,
        .part = part,
        .place = part.len ? ax_features_part_place(catalogue, object, part) : object->place,
    };
    const struct ax_registry_applied *applies;
    size_t apply_count;
    if (ax_registry_versions(catalogue->registry, object->kind, object->name, catalogue->arena,
                             &shown.versions, err) ||
        ax_registry_history(catalogue->registry, APPLIES_MAX, catalogue->arena, &applies,
                            &apply_count, err) ||
        ax_lineage_digest(&catalogue->objects, object, catalogue->arena, shown.whole, err) ||
        read_schedule(&shown, err))
        return err->code;
    for (size_t i = 0; i < apply_count; i++)
        if (applies[i].number == object->apply)
            shown.applied = &applies[i];
    if (json)
        put_json(out, &shown);
    else
        put_text(out, &shown);
    return AX_OK;
}

/* A version that is asked for by its number, of each kind that has the name. */
static enum ax_code show_versions(const struct ax_features_catalogue *catalogue,
                                  const struct ax_features_name *name, uint64_t version, bool json,
                                  struct ax_buf *out, size_t *shown_count, struct ax_err *err)
{
    for (size_t kind = 0; kind < AX_REGISTRY_KIND_COUNT; kind++) {
        struct ax_registry_object object;
        if (name->kind.len && !ax_str_is(name->kind, ax_registry_kind_name((int)kind)))
            continue;
        enum ax_code code = ax_registry_read_version(catalogue->registry, (int)kind, name->name,
                                                     version, catalogue->arena, &object, err);
        if (code == AX_E_NOT_FOUND) {
            ax_err_clear(err);
            continue;
        }
        if (code || (is_named(&object, name) &&
                     show_object(catalogue, &object, name->part, json, out, err)))
            return err->code;
        *shown_count += is_named(&object, name);
    }
    return AX_OK;
}

enum ax_code ax_features_show(const struct ax_features_catalogue *catalogue,
                              const struct ax_features_name *name, uint64_t version, bool json,
                              struct ax_buf *out, struct ax_err *err)
{
    assert(catalogue && name && out && err);
    size_t shown_count = 0;
    if (version && show_versions(catalogue, name, version, json, out, &shown_count, err))
        return err->code;
    for (size_t i = 0; !version && i < catalogue->objects.object_count; i++) {
        const struct ax_registry_object *object = &catalogue->objects.objects[i];
        if (!is_named(object, name))
            continue;
        if (show_object(catalogue, object, name->part, json, out, err))
            return err->code;
        shown_count++;
    }
    if (!shown_count && version)
        return ax_fail(err, AX_E_NOT_FOUND, "'%.*s' has no version %llu", AX_STR_ARG(name->text),
                       (unsigned long long)version);
    if (!shown_count)
        return ax_features_not_found_fail(catalogue, name, err);
    return ax_buf_check(out, "what is shown", err);
}
