/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers follow from a digest of what the stored form of a view depends on. */
#include "feature/online/online_views.h"

#include "base/alloc.h"
#include "feature/online/online_disk.h"
#include "feature/online/online_journals.h"
#include "feature/online/online_moves.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)256 << 20)
#define TEXT_BYTES_MAX    ((size_t)16 << 20)

void ax_online_numbers_done(struct ax_online_numbers *numbers)
{
    ax_map_done(&numbers->given);
}

/* ---- numbers ---- */

static void put_name(struct ax_buf *out, struct ax_str name)
{
    ax_buf_printf(out, "%zu:%.*s ", name.len, AX_STR_ARG(name));
}

/* The number of a name, or the next one. */
static uint32_t number_of(struct ax_online_numbers *numbers, struct ax_str name)
{
    uintptr_t number = (uintptr_t)ax_map_get(&numbers->given, name);
    if (!number) {
        number = numbers->given.count + 1;
        (void)ax_map_put(&numbers->given, name, (void *)number);
    }
    return (uint32_t)number;
}

static enum ax_code number_view(const struct ax_view *view, struct ax_online_disk *disk,
                                struct ax_online_numbers *numbers, uint32_t *ret_number,
                                struct ax_err *err)
{
    char digest[AX_SHA256_TEXT_SIZE];
    if (ax_online_form_digest(view, digest, err))
        return err->code;
    if (disk)
        return ax_online_disk_layout(disk, view->entity->name, view->name, ax_str_from(digest),
                                     ret_number, err);
    struct ax_buf name;
    ax_buf_init(&name, TEXT_BYTES_MAX);
    put_name(&name, view->entity->name);
    put_name(&name, view->name);
    (void)ax_buf_append_str(&name, ax_str_from(digest));
    if (!ax_buf_check(&name, "a view", err))
        *ret_number = number_of(numbers, ax_buf_str(&name));
    ax_buf_done(&name);
    return err->code;
}

/* ---- making ---- */

static enum ax_code make_entities(struct ax_online_views *views, struct ax_online *store,
                                  struct ax_online_disk *disk, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    for (size_t i = 0; i < definitions->entity_count; i++) {
        struct ax_str name = definitions->entities[i].name;
        if (ax_online_find_entity(store, name, &views->entities[i], err) ||
            (disk && ax_online_disk_entity(disk, name, &views->entity_numbers[i], err)))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code make_windows(struct ax_online_views *views, size_t i,
                                 const struct ax_online_views_place *place, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_view *view = &definitions->views[i];
    if (!view->source->event_id_count)
        return AX_OK;
    views->views[i].entity = views->entities[view->entity - definitions->entities];
    if (ax_online_windows_open(view, place->epoch, place->windows_bytes_max, &views->windows[i],
                               err))
        return err->code;
    ax_online_windows_complete(views->windows[i], INT64_MAX, NULL); /* until they are filled */
    views->views[i].windows = views->windows[i];
    if (ax_view_has_moves(view))
        views->moves[i] = ax_online_moves_new(place->windows_bytes_max);
    return AX_OK;
}

static enum ax_code make_view(struct ax_online_views *views, size_t i,
                              const struct ax_online_views_place *place, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_view *view = &definitions->views[i];
    if (!view->online)
        return AX_OK;
    if (view->windowed)
        return make_windows(views, i, place, err);
    uint32_t number;
    struct ax_online_layout *layout = ax_arena_alloc(&views->arena, 1, sizeof(*layout));
    if (!layout)
        return ax_arena_fail(&views->arena, "views", err);
    if (number_view(view, place->disk, place->numbers, &number, err) ||
        ax_online_layout_of_view(layout, number, view, &views->arena, err) ||
        ax_online_form_of_view(&views->forms[i], number, view, &views->arena, err))
        return ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    views->views[i] =
        (struct ax_online_view){ .entity = views->entities[view->entity - definitions->entities],
                                 .layout = layout };
    return AX_OK;
}

static enum ax_code make_plan(struct ax_online_views *views, size_t i,
                              const struct ax_online_views_place *place, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_source *source = &definitions->sources[i];
    bool is_wanted = source->push || (source->time >= 0 && place->journals &&
                                      ax_online_journals_have(place->journals, source->name));
    views->are_journalled[i] = is_wanted;
    for (size_t v = 0; v < definitions->view_count && !is_wanted; v++)
        is_wanted = views->windows[v] && definitions->views[v].source == source;
    return is_wanted
               ? ax_source_plan_new(definitions, source, views->views, &views->source_plans[i], err)
               : AX_OK;
}

static enum ax_code make_room(struct ax_online_views *views, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    struct ax_arena *arena = &views->arena;
    size_t entities = definitions->entity_count;
    views->views =
        ax_arena_zalloc(arena, AX_MAX(definitions->view_count, 1), sizeof(*views->views));
    views->forms =
        ax_arena_zalloc(arena, AX_MAX(definitions->view_count, 1), sizeof(*views->forms));
    views->windows = ax_arena_zalloc(arena, AX_MAX(definitions->view_count, 1),
                                     sizeof(struct ax_online_windows *));
    views->moves = ax_arena_zalloc(arena, AX_MAX(definitions->view_count, 1),
                                   sizeof(struct ax_online_moves *));
    views->entities =
        ax_arena_zalloc(arena, AX_MAX(entities, 1), sizeof(struct ax_online_entity *));
    views->entity_numbers =
        ax_arena_zalloc(arena, AX_MAX(entities, 1), sizeof(*views->entity_numbers));
    struct ax_source_plan **plans = ax_arena_zalloc(arena, AX_MAX(definitions->source_count, 1),
                                                    sizeof(struct ax_source_plan *));
    views->source_plans = plans;
    views->are_journalled = ax_arena_zalloc(arena, AX_MAX(definitions->source_count, 1), 1);
    const struct ax_online_seen **seen = ax_arena_zalloc(
        arena, AX_MAX(definitions->source_count, 1), sizeof(const struct ax_online_seen *));
    views->seen = seen;
    return views->views && views->forms && views->windows && views->moves && views->entities &&
                   views->entity_numbers && plans && views->are_journalled && seen
               ? AX_OK
               : ax_arena_fail(arena, "views", err);
}

static void views_free(struct ax_online_views *views)
{
    for (size_t i = 0; views->source_plans && i < views->given.definitions->source_count; i++)
        ax_source_plan_free(views->source_plans[i]);
    for (size_t i = 0; views->windows && i < views->given.definitions->view_count; i++)
        ax_online_windows_close(views->windows[i]);
    for (size_t i = 0; views->moves && i < views->given.definitions->view_count; i++)
        ax_online_moves_free(views->moves[i]);
    ax_arena_done(&views->arena);
    free(views);
}

enum ax_code ax_online_views_new(const struct ax_online_definitions *given,
                                 const struct ax_online_views_place *place,
                                 struct ax_online_views **ret_views, struct ax_err *err)
{
    assert(given && given->definitions && place && place->store && place->epoch && ret_views &&
           err);
    const struct ax_definitions *definitions = given->definitions;
    struct ax_online_views *views = ax_xalloc(sizeof(*views));
    atomic_init(&views->refs, 1);
    views->given = *given;
    ax_arena_init(&views->arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    (void)(make_room(views, err) || make_entities(views, place->store, place->disk, err));
    for (size_t i = 0; i < definitions->view_count && !err->code; i++)
        (void)(make_view(views, i, place, err) != AX_OK);
    for (size_t i = 0; i < definitions->source_count && !err->code; i++)
        (void)(make_plan(views, i, place, err) != AX_OK);
    if (err->code) {
        views_free(views);
        return err->code;
    }
    *ret_views = views;
    return AX_OK;
}

const struct ax_source_plan *ax_online_views_journalled(const struct ax_online_views *views,
                                                        size_t source)
{
    return views->are_journalled[source] ? views->source_plans[source] : NULL;
}

bool ax_online_views_have(const struct ax_online_views *views, uint32_t layout)
{
    for (size_t i = 0; views && i < views->given.definitions->view_count; i++) {
        if (views->views[i].layout && views->views[i].layout->id == layout)
            return true;
    }
    return false;
}

struct ax_online_views *ax_online_views_ref(struct ax_online_views *views)
{
    assert(views);
    (void)atomic_fetch_add_explicit(&views->refs, 1, memory_order_relaxed);
    return views;
}

void ax_online_views_unref(struct ax_online_views *views)
{
    if (!views || atomic_fetch_sub_explicit(&views->refs, 1, memory_order_acq_rel) > 1)
        return;
    struct ax_online_definitions given = views->given;
    views_free(views);
    if (given.release)
        given.release(given.owner);
}
