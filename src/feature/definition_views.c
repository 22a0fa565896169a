/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: whose features, from which source, by which columns, and how long they hold.
 */
#include "data/expr/expr_text.h"
#include "feature/definition_reader.h"
#include "feature/online/online_windows.h"

#include <assert.h>
#include <stdio.h>

#define EVERY_MIN_US     (INT64_C(60) * 1000000)
#define EVERY_MAX_US     (INT64_C(366) * 86400 * 1000000)
#define EXACT_EVENTS_MAX 65536

#define QUOTED(text) AX_STR_ARG(ax_str_cut((text), 60))

/* ---- what it refers to ---- */

static enum ax_code read_references(struct ax_definition_reader *r, const struct ax_yaml *node,
                                    struct ax_view *view)
{
    const struct ax_yaml *name = ax_yaml_get(node, "source");
    void *entity, *source;
    if (ax_definition_reference(r, ax_yaml_get(node, "entity"), AX_DEFINITION_ENTITY, &entity))
        return r->err->code;
    if (name->kind == AX_YAML_SCALAR &&
        !ax_map_get(&r->definitions->names[AX_DEFINITION_SOURCE], name->text) &&
        ax_map_get(&r->definitions->names[AX_DEFINITION_VIEW], name->text))
        return ax_definition_fail(r, name,
                                  "'%.*s' is a view; there are no views on views: name a "
                                  "source",
                                  QUOTED(name->text));
    if (ax_definition_reference(r, name, AX_DEFINITION_SOURCE, &source))
        return r->err->code;
    view->entity = entity;
    view->source = source;
    return AX_OK;
}

/* ---- keys ---- */

enum ax_code ax_definition_check_key_names(const struct ax_definition_reader *r,
                                           const struct ax_yaml *keys,
                                           const struct ax_entity *entity)
{
    struct ax_str known[AX_DEFINITION_KEYS_MAX];
    char what[AX_DEFINITION_NAME_MAX + 40];
    if (!keys)
        return AX_OK;
    if (keys->kind != AX_YAML_MAP)
        return ax_definition_fail(r, keys, "'keys' must be {join key: name}");
    for (size_t i = 0; i < entity->key_count; i++)
        known[i] = entity->keys[i].name;
    for (const struct ax_yaml *key = keys->first; key; key = key->next) {
        size_t i = 0;
        while (i < entity->key_count && !ax_str_equals(known[i], key->key))
            i++;
        if (i < entity->key_count)
            continue;
        (void)snprintf(what, sizeof(what), "entity '%.*s' has no key", QUOTED(entity->name));
        return ax_definition_fail_unknown(r, ax_definition_place_key(r, key), what, key->key, known,
                                          entity->key_count);
    }
    return AX_OK;
}

static enum ax_code read_key(struct ax_definition_reader *r, const struct ax_yaml *node,
                             const struct ax_view *view, size_t index, size_t *ret_column)
{
    const struct ax_definition_column *key = &view->entity->keys[index];
    const struct ax_yaml *said = ax_yaml_get(ax_yaml_get(node, "keys"), key->name.ptr);
    const struct ax_definition_scope *scope = ax_definition_source_scope(r, view->source);
    size_t column;
    if (said && said->kind != AX_YAML_SCALAR)
        return ax_definition_fail(r, said, "a column's name is expected");
    if (!said && ax_definition_scope_find(scope, key->name) < 0)
        return ax_definition_fail_key(r, node,
                                      "source '%.*s' has no column '%.*s'; say which one "
                                      "is the key, as keys: {%.*s: COLUMN}",
                                      QUOTED(view->source->name), QUOTED(key->name),
                                      QUOTED(key->name));
    if (ax_definition_column(r, said ? said : node, view->source, said ? said->text : key->name,
                             &column))
        return r->err->code;
    struct ax_storage storage = view->source->columns[column].storage;
    if (!ax_type_equals(ax_storage_type(storage), ax_storage_type(key->storage)))
        return ax_definition_fail(r, said ? said : node, "column '%.*s' is %s; key '%.*s' is %s",
                                  QUOTED(view->source->columns[column].name),
                                  ax_storage_name(storage), QUOTED(key->name),
                                  ax_storage_name(key->storage));
    *ret_column = column;
    return AX_OK;
}

static enum ax_code read_keys(struct ax_definition_reader *r, const struct ax_yaml *node,
                              struct ax_view *view)
{
    const struct ax_yaml *keys = ax_yaml_get(node, "keys");
    size_t *columns = ax_definition_alloc(r, view->entity->key_count, sizeof(*columns));
    if (!columns || ax_definition_check_key_names(r, keys, view->entity))
        return r->err->code;
    for (size_t i = 0; i < view->entity->key_count; i++)
        if (read_key(r, node, view, i, &columns[i]))
            return r->err->code;
    view->key_columns = columns;
    return AX_OK;
}

/* ---- time ---- */

static enum ax_code read_exact_events(struct ax_definition_reader *r, const struct ax_yaml *node,
                                      struct ax_view *view)
{
    const struct ax_yaml *exact = ax_yaml_get(node, "exact_events");
    const struct ax_definition_key *key = ax_definition_key(AX_MAPPING_VIEW, "exact_events");
    int64_t count = 0;
    bool is_default = ax_str_to_i64(ax_str_from(key->default_text), &count);
    assert(is_default);
    if (exact && !view->windowed)
        return ax_definition_fail_key(r, exact,
                                      "'exact_events' is for windows; no field of the "
                                      "view has one");
    if (exact && ax_yaml_i64(exact, r->file->name, &count, r->err))
        return r->err->code;
    if (count < 1 || count > EXACT_EVENTS_MAX)
        return ax_definition_fail(r, exact, "'exact_events' is %lld, expected 1 to %d",
                                  (long long)count, EXACT_EVENTS_MAX);
    view->exact_events = view->windowed ? (size_t)count : 0;
    return AX_OK;
}

static enum ax_code read_schedule(struct ax_definition_reader *r, const struct ax_yaml *node,
                                  struct ax_view *view)
{
    const struct ax_yaml *every = ax_yaml_get(node, "every");
    if (ax_definition_flag(r, node, AX_MAPPING_VIEW, "online", &view->online) ||
        ax_definition_duration(r, node, "every", &view->every_us))
        return r->err->code;
    if (every && !view->online)
        return ax_definition_fail_key(r, every,
                                      "the view is not online, so nothing is "
                                      "materialised");
    if (every && (view->every_us < EVERY_MIN_US || view->every_us > EVERY_MAX_US))
        return ax_definition_fail(r, every, "'every' is %.*s, expected 1m to 366d",
                                  AX_STR_ARG(every->text));
    return AX_OK;
}

/* The same event twice is told from two events by its id alone. */
static enum ax_code check_events(struct ax_definition_reader *r, const struct ax_yaml *node,
                                 const struct ax_view *view)
{
    const struct ax_source *source = view->source;
    const struct ax_yaml *name = ax_yaml_get(node, "source");
    if (source->time < 0)
        return ax_definition_fail(r, name, "source '%.*s' has no time, which windows need",
                                  QUOTED(source->name));
    if (source->event_id_count)
        return AX_OK;
    if (source->push)
        return ax_definition_fail(r, name,
                                  "source '%.*s' is pushed and has no event_id: a window "
                                  "would count an event twice that is sent again",
                                  QUOTED(source->name));
    struct ax_place place = ax_definition_place(r, name);
    return ax_definition_warn(r, &place,
                              "view '%.*s': source '%.*s' has no event_id; of rows with "
                              "one key and time a window counts one",
                              QUOTED(view->name), QUOTED(source->name));
}

static enum ax_code read_time(struct ax_definition_reader *r, const struct ax_yaml *node,
                              struct ax_view *view)
{
    const struct ax_yaml *ttl = ax_yaml_get(node, "ttl");
    if (ax_definition_duration(r, node, "ttl", &view->ttl_us))
        return r->err->code;
    if (ttl && view->windowed)
        return ax_definition_fail_key(r, ttl,
                                      "a view has 'ttl' or windows, never both: the window "
                                      "says how old an event may be");
    if (ttl && view->source->time < 0)
        return ax_definition_fail_key(r, ttl, "source '%.*s' has no time, so nothing grows old",
                                      QUOTED(view->source->name));
    if (read_exact_events(r, node, view))
        return r->err->code;
    return view->windowed ? check_events(r, node, view) : AX_OK;
}

/* How far back it looks: a start makes windows of the journal, also for moments just past. */
static int64_t view_reach_us(const struct ax_view *view)
{
    int64_t reach_us = view->ttl_us;
    for (size_t i = 0; i < view->field_count; i++) {
        const struct ax_parsed *parsed = &view->fields[i].parsed;
        for (size_t k = 0; k < parsed->aggregate_count; k++) {
            const struct ax_aggregate *one = &parsed->aggregates[k];
            int64_t hop_us = one->hop_us ? one->hop_us : ax_window_hop_us(one->window_us);
            reach_us = AX_MAX(reach_us, one->window_us + hop_us + AX_ONLINE_WINDOWS_PAST_US);
        }
    }
    return reach_us;
}

static enum ax_code check_kept(struct ax_definition_reader *r, const struct ax_yaml *node,
                               const struct ax_view *view)
{
    const struct ax_source *source = view->source;
    struct ax_buf reach;
    if (!source->keep_us || view_reach_us(view) <= source->keep_us)
        return AX_OK;
    ax_buf_init(&reach, 64);
    ax_duration_put_text(&reach, view_reach_us(view));
    (void)ax_definition_fail(r, ax_yaml_get(node, "source"),
                             "the view looks back %.*s, and source '%.*s' does not 'keep' what was "
                             "pushed for so long",
                             AX_STR_ARG(ax_buf_str(&reach)), QUOTED(source->name));
    ax_buf_done(&reach);
    return r->err->code;
}

enum ax_code ax_definition_read_view(struct ax_definition_reader *r, const struct ax_yaml *node,
                                     struct ax_view *view)
{
    assert(r && node && view);
    if (ax_definition_check_keys(r, node, AX_MAPPING_VIEW) || read_references(r, node, view) ||
        read_keys(r, node, view) ||
        ax_definition_read_fields(r, ax_yaml_get(node, "fields"), view) ||
        read_time(r, node, view) || check_kept(r, node, view) || read_schedule(r, node, view) ||
        ax_definition_deprecated(r, node, &view->deprecated, &view->deprecation))
        return r->err->code;
    return ax_definition_text(r, node, AX_MAPPING_VIEW, "description", &view->description);
}
