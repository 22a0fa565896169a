/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failure does not end it: what comes behind is applied all the same, since it was acknowledged
 * or will be applied again.
 */
#include "feature/online/online_apply.h"
#include "feature/online/online_moves.h"

#include <assert.h>

#define ARENA_BYTES_FIRST ((size_t)1 << 20)
#define ARENA_BYTES_MAX   ((size_t)4 << 30)

void ax_online_apply_init(struct ax_online_apply *apply, struct ax_online *store,
                          struct ax_online_unfolded *unfolded)
{
    *apply = (struct ax_online_apply){ .store = store, .unfolded = unfolded };
    ax_arena_init(&apply->arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
}

void ax_online_apply_done(struct ax_online_apply *apply)
{
    if (apply)
        ax_arena_done(&apply->arena);
}

static void apply_some(struct ax_online_apply *apply, const struct ax_online_views *views,
                       size_t entity, const struct ax_online_item *items, size_t count,
                       struct ax_online_counts *counts, struct ax_err *err)
{
    struct ax_online_write write = { .entity = views->entities[entity],
                                     .items = items,
                                     .count = count,
                                     .ret_results = apply->results };
    bool is_done = ax_online_write(apply->store, &write);
    assert(is_done);
    struct ax_online_unfolded *sets[] = { apply->unfolded, apply->touched };
    for (size_t s = 0; write.written && s < AX_COUNT(sets); s++) {
        for (size_t i = 0; sets[s] && i < count; i++)
            if (apply->results[i] == AX_ONLINE_WRITTEN)
                ax_online_unfolded_add(sets[s], write.entity, views->entity_numbers[entity],
                                       items[i].key);
    }
    counts->written += write.written;
    counts->stale += write.stale;
    counts->refused += write.refused;
    if (write.err.code && !err->code)
        *err = write.err;
}

enum ax_code ax_online_apply_items(struct ax_online_apply *apply,
                                   const struct ax_online_views *views, size_t entity,
                                   const struct ax_online_item *items, size_t count,
                                   struct ax_online_counts *counts, struct ax_err *err)
{
    assert(apply && views && entity < views->given.definitions->entity_count && counts && err);
    for (size_t at = 0; at < count; at += AX_VALUES_ROWS_MAX)
        apply_some(apply, views, entity, items + at, AX_MIN(count - at, (size_t)AX_VALUES_ROWS_MAX),
                   counts, err);
    return err->code;
}

enum ax_code ax_online_apply_end(struct ax_online_apply *apply, const struct ax_online_views *views,
                                 size_t entity, const struct ax_online_item *items, size_t count,
                                 struct ax_online_counts *counts, struct ax_err *err)
{
    const struct ax_definitions *definitions = views->given.definitions;
    for (size_t v = 0; v < definitions->view_count; v++) {
        if (!views->windows[v] || definitions->views[v].entity != &definitions->entities[entity])
            continue;
        for (size_t i = 0; i < count; i++) {
            if (!items[i].key.ptr)
                continue;
            (void)ax_online_windows_end(views->windows[v], items[i].key);
            if (views->moves[v])
                ax_online_moves_end(views->moves[v], items[i].key);
        }
        ax_online_windows_settle(views->windows[v]);
    }
    return ax_online_apply_items(apply, views, entity, items, count, counts, err);
}

/* Up to which time no window of any moment reaches. */
static int64_t forgotten_us(const struct ax_online_windows *windows)
{
    int64_t forgotten;
    return __builtin_sub_overflow(ax_online_windows_floor(windows),
                                  ax_window_spec_reach_us(windows->made.spec), &forgotten)
               ? INT64_MIN
               : forgotten;
}

/* Put events of a view in, and take them out where they were before. */
static void put_events(struct ax_online_apply *apply, const struct ax_online_views *views,
                       size_t view, const struct ax_source_events *events,
                       struct ax_online_counts *counts, struct ax_err *err)
{
    struct ax_online_windows *windows = views->windows[view];
    struct ax_online_moved moved = { .items = events->items, .count = events->count };
    struct ax_err unfollowed = AX_ERR_INIT, unput = AX_ERR_INIT;
    if (views->moves[view] &&
        ax_online_moves_follow(views->moves[view], events->items, events->count,
                               forgotten_us(windows), &apply->arena, &moved, &unfollowed) &&
        !moved.refused)
        moved = (struct ax_online_moved){ .refused = events->count };
    (void)(ax_online_windows_put(windows, moved.items, moved.count, events->columns, &unput) !=
           AX_OK);
    ax_online_windows_settle(windows);
    counts->refused += events->refused + moved.refused;
    windows->refused += events->refused + moved.refused;
    counts->written += moved.stale;
    for (size_t i = 0; i < moved.count; i++) {
        bool is_put = moved.items[i].key.ptr && !moved.items[i].event.is_gone;
        counts->refused += is_put && moved.items[i].ret_code != AX_OK;
        counts->written += is_put && moved.items[i].ret_code == AX_OK;
    }
    if (!err->code && (unfollowed.code || unput.code))
        *err = unfollowed.code ? unfollowed : unput;
}

static void apply_events(struct ax_online_apply *apply, const struct ax_online_views *views,
                         const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                         const struct ax_view *only, size_t from, size_t count,
                         struct ax_online_counts *counts, struct ax_err *err)
{
    struct ax_err reason = AX_ERR_INIT;
    struct ax_source_events *events =
        ax_arena_alloc(&apply->arena, AX_MAX(plan->windows_count, 1), sizeof(*events));
    if (!events)
        (void)ax_arena_fail(&apply->arena, "rows", &reason);
    if (reason.code ||
        ax_source_plan_events(plan, rows, from, count, &apply->arena, events, &reason)) {
        counts->refused += count * (only ? 1 : plan->windows_count);
        if (!err->code)
            *err = reason;
        return;
    }
    for (size_t i = 0; i < plan->windows_count; i++) {
        size_t view = (size_t)(plan->windows[i].definition - views->given.definitions->views);
        if (!only || only == plan->windows[i].definition)
            put_events(apply, views, view, &events[i], counts, err);
    }
}

/* Those of rows that are gone, in the version behind their own. */
static size_t keep_gone(struct ax_source_events *events, const bool *is_gone,
                        const struct ax_map *ended)
{
    size_t count = 0;
    for (size_t i = 0; i < events->count; i++) {
        struct ax_online_windows_item item = events->items[i];
        if (!is_gone[item.row] || !item.key.ptr || (ended && ax_map_get(ended, item.key)))
            continue;
        item.event.is_gone = true;
        item.event.sequence++;
        events->items[count++] = item;
    }
    return count;
}

enum ax_code ax_online_apply_gone(struct ax_online_apply *apply,
                                  const struct ax_online_views *views, size_t source,
                                  const struct ax_source_rows *rows, const bool *is_gone,
                                  const struct ax_source_keys *ended, struct ax_err *err)
{
    assert(apply && views && rows && rows->rows <= AX_VALUES_ROWS_MAX && is_gone && ended && err);
    const struct ax_source_plan *plan = views->source_plans[source];
    struct ax_online_counts ignored = { 0 };
    ax_arena_reset(&apply->arena);
    struct ax_source_events *events =
        ax_arena_alloc(&apply->arena, AX_MAX(plan->windows_count, 1), sizeof(*events));
    if (!events)
        return ax_arena_fail(&apply->arena, "rows", err);
    if (ax_source_plan_events(plan, rows, 0, rows->rows, &apply->arena, events, err))
        return err->code;
    for (size_t i = 0; i < plan->windows_count && !err->code; i++) {
        const struct ax_view *view = plan->windows[i].definition;
        events[i].count =
            keep_gone(&events[i], is_gone, view->entity == ended->entity ? ended->keys : NULL);
        put_events(apply, views, (size_t)(view - views->given.definitions->views), &events[i],
                   &ignored, err);
    }
    return err->code;
}

static void apply_items(struct ax_online_apply *apply, const struct ax_online_views *views,
                        const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                        const bool *has_it, size_t from, size_t count,
                        struct ax_online_counts *counts, struct ax_err *err)
{
    struct ax_err reason = AX_ERR_INIT;
    struct ax_source_items *items =
        ax_arena_alloc(&apply->arena, AX_MAX(plan->target_count, 1), sizeof(*items));
    if (!items)
        (void)ax_arena_fail(&apply->arena, "rows", &reason);
    if (reason.code ||
        ax_source_plan_apply(plan, rows, from, count, &apply->arena, items, &reason)) {
        counts->refused += count * plan->target_count;
        if (!err->code)
            *err = reason;
        return;
    }
    for (size_t i = 0; i < plan->target_count; i++) {
        const struct ax_entity *entity = plan->targets[i].definition->entity;
        if (has_it && has_it[i])
            continue;
        counts->refused += items[i].refused;
        apply_some(apply, views, (size_t)(entity - views->given.definitions->entities),
                   items[i].items, items[i].count, counts, err);
    }
}

enum ax_code ax_online_apply_rows(struct ax_online_apply *apply,
                                  const struct ax_online_views *views, size_t source,
                                  const struct ax_source_rows *rows, const bool *has_it,
                                  struct ax_online_counts *counts, struct ax_err *err)
{
    assert(apply && views && views->source_plans[source] && rows && counts && err);
    const struct ax_source_plan *plan = views->source_plans[source];
    for (size_t from = 0; from < rows->rows; from += AX_VALUES_ROWS_MAX) {
        size_t count = AX_MIN(rows->rows - from, (size_t)AX_VALUES_ROWS_MAX);
        ax_arena_reset(&apply->arena);
        apply_items(apply, views, plan, rows, has_it, from, count, counts, err);
        if (!apply->has_windows)
            apply_events(apply, views, plan, rows, NULL, from, count, counts, err);
    }
    ax_arena_reset(&apply->arena);
    return err->code;
}

enum ax_code ax_online_apply_events(struct ax_online_apply *apply,
                                    const struct ax_online_views *views, size_t source,
                                    const struct ax_source_rows *rows, const struct ax_view *only,
                                    struct ax_online_counts *counts, struct ax_err *err)
{
    assert(apply && views && views->source_plans[source] && rows && counts && err);
    for (size_t from = 0; from < rows->rows; from += AX_VALUES_ROWS_MAX) {
        size_t count = AX_MIN(rows->rows - from, (size_t)AX_VALUES_ROWS_MAX);
        ax_arena_reset(&apply->arena);
        apply_events(apply, views, views->source_plans[source], rows, only, from, count, counts,
                     err);
    }
    ax_arena_reset(&apply->arena);
    return err->code;
}
