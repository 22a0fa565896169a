/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that go: those of views that are not in force any more, and those that are too old.
 *
 * A view's parts go when nobody reads by definitions that have it, and none are coming into force,
 * which may keep values of it; those of a view that did not come into force go at once. Should it
 * come back in between, it must not seem to be whole: so the disk is told first that the view has
 * nothing of its journal.
 * What is older than twice the ttl goes; until then it can be told that there is a value, and that
 * it is too old. Windows forget what no moment of the last hour reaches. A step of half a
 * millisecond every 10 ms, when no batch waits; without a pause while a view is cleared, for which
 * somebody waits.
 */
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

#define PAUSE_NS ((uint64_t)10 * AX_NS_PER_MS)
#define STEP_NS  (AX_NS_PER_MS / 2)
#define LOOK_NS  AX_NS_PER_S                  /* whether former views are read */
#define AGE_NS   ((uint64_t)60 * AX_NS_PER_S) /* between two looks for what is old */

/* ---- what is to go ---- */

static void note_dropped(void *arg, const struct ax_online_entity *entity, struct ax_str key)
{
    struct ax_online_writer *writer = arg;
    if (writer->apply.unfolded)
        ax_online_unfolded_add(writer->apply.unfolded, entity, writer->sweeps[0].number, key);
}

static void add_sweep(struct ax_online_writer *writer, struct ax_online_entity *entity,
                      uint32_t number, uint32_t layout, int64_t before)
{
    bool is_all = before == INT64_MAX;
    writer->sweeps = ax_xrealloc(writer->sweeps, writer->sweep_count + 1, sizeof(*writer->sweeps));
    writer->sweeps[writer->sweep_count++] = (struct ax_online_sweep){
        .entity = entity,
        .number = number,
        .drop = { .layout = layout, .before = before, .dropped = note_dropped, .arg = writer },
        .state = is_all && writer->folder ? AX_ONLINE_SWEEP_NEW : AX_ONLINE_SWEEP_READY,
    };
}

static void remove_sweep(struct ax_online_writer *writer, size_t at)
{
    writer->sweep_count--;
    memmove(&writer->sweeps[at], &writer->sweeps[at + 1],
            (writer->sweep_count - at) * sizeof(*writer->sweeps));
}

struct ax_online_sweep *ax_online_writer_sweep_find(const struct ax_online_writer *writer,
                                                    uint32_t layout)
{
    for (size_t i = 0; i < writer->sweep_count; i++) {
        struct ax_online_sweep *sweep = &writer->sweeps[i];
        if (sweep->drop.layout == layout && sweep->drop.before == INT64_MAX)
            return sweep;
    }
    return NULL;
}

void ax_online_writer_sweep_leave(struct ax_online_writer *writer, struct ax_online_sweep *sweep)
{
    remove_sweep(writer, (size_t)(sweep - writer->sweeps));
}

void ax_online_writer_sweep_layout(struct ax_online_writer *writer, struct ax_online_entity *entity,
                                   uint32_t number, uint32_t layout)
{
    if (!ax_online_writer_sweep_find(writer, layout))
        add_sweep(writer, entity, number, layout, INT64_MAX);
}

void ax_online_writer_sweep_stop(struct ax_online_writer *writer)
{
    for (size_t i = writer->sweep_count; i-- > 0;) {
        if (ax_online_views_have(writer->coming, writer->sweeps[i].drop.layout))
            remove_sweep(writer, i);
    }
}

void ax_online_writer_sweep_former(struct ax_online_writer *writer, struct ax_online_views *former)
{
    writer->aged_ns = writer->windows_ns = writer->expire_ns = 0;
    writer->windows_view = writer->windows_cursor = 0;
    if (!former)
        return;
    writer->former =
        ax_xrealloc(writer->former, writer->former_count + 1, sizeof(struct ax_online_views *));
    writer->former[writer->former_count++] = former;
}

void ax_online_writer_sweep_done(struct ax_online_writer *writer)
{
    for (size_t i = 0; i < writer->former_count; i++)
        ax_online_views_unref(writer->former[i]);
    free(writer->former);
    free(writer->sweeps);
}

static bool is_read(const struct ax_online_writer *writer, uint32_t layout)
{
    bool found =
        ax_online_views_have(writer->views, layout) || ax_online_views_have(writer->coming, layout);
    for (size_t i = 0; i < writer->former_count && !found; i++)
        found = ax_online_views_have(writer->former[i], layout);
    return found;
}

/* Whether all of its rows are in the table. */
static bool is_whole(const struct ax_online_writer *writer, const struct ax_online_entity *entity)
{
    return !writer->disk || ax_map_get(&writer->filled, entity->name);
}

void ax_online_writer_sweep_views(struct ax_online_writer *writer,
                                  const struct ax_online_views *views)
{
    const struct ax_definitions *definitions = views->given.definitions;
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_online_layout *layout = views->views[i].layout;
        size_t entity = (size_t)(definitions->views[i].entity - definitions->entities);
        if (layout && !is_read(writer, layout->id) && is_whole(writer, views->entities[entity]))
            ax_online_writer_sweep_layout(writer, views->entities[entity],
                                          views->entity_numbers[entity], layout->id);
    }
}

/* Of views that nobody reads by any more. */
static void sweep_unread(struct ax_online_writer *writer)
{
    for (size_t i = writer->former_count; i-- > 0;) {
        struct ax_online_views *views = writer->former[i];
        if (atomic_load_explicit(&views->refs, memory_order_acquire) > 1)
            continue;
        writer->former[i] = writer->former[--writer->former_count];
        ax_online_writer_sweep_views(writer, views);
        ax_online_views_unref(views);
    }
}

/* Of all views that have a ttl. */
static void sweep_aged(struct ax_online_writer *writer)
{
    const struct ax_online_views *views = writer->views;
    const struct ax_definitions *definitions = views->given.definitions;
    int64_t now_us = writer->config.now_us(writer->config.context);
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        size_t entity = (size_t)(view->entity - definitions->entities);
        int64_t before;
        if (!views->views[i].layout || !view->ttl_us ||
            __builtin_sub_overflow(now_us, view->ttl_us, &before) ||
            __builtin_sub_overflow(before, view->ttl_us, &before) || before == INT64_MAX)
            continue;
        add_sweep(writer, views->entities[entity], views->entity_numbers[entity],
                  views->views[i].layout->id, before);
    }
}

/* ---- going ---- */

/* Some of the first one; true: it is done. */
static bool step(struct ax_online_writer *writer)
{
    struct ax_online_sweep *sweep = &writer->sweeps[0];
    struct ax_err err = AX_ERR_INIT;
    uint64_t until_ns = ax_clock_ns() + STEP_NS;
    bool has_more = true;
    while (has_more && ax_clock_ns() < until_ns) {
        size_t dropped;
        sweep->is_refused = ax_online_drop(writer->store, sweep->entity, &sweep->drop,
                                           &sweep->cursor, &dropped, &has_more, &err) != AX_OK;
        if (sweep->is_refused)
            return false; /* The same again later. */
        (void)atomic_fetch_add_explicit(&writer->shown.swept, dropped, memory_order_relaxed);
    }
    return !has_more;
}

/* Some keys of windows, view by view. */
static void sweep_windows(struct ax_online_writer *writer, uint64_t now_ns)
{
    const struct ax_online_views *views = writer->views;
    int64_t floor;
    if (!views || !writer->config.now_us || now_ns < writer->windows_ns ||
        __builtin_sub_overflow(writer->config.now_us(writer->config.context),
                               AX_ONLINE_WINDOWS_PAST_US, &floor))
        return;
    for (; writer->windows_view < views->given.definitions->view_count; writer->windows_view++) {
        struct ax_online_windows *windows = views->windows[writer->windows_view];
        bool has_more = windows != NULL;
        while (has_more && ax_clock_ns() < now_ns + STEP_NS) {
            has_more = ax_online_windows_sweep(windows, floor, &writer->windows_cursor);
            ax_online_windows_settle(windows);
        }
        if (has_more)
            return;
        writer->windows_cursor = 0;
    }
    writer->windows_view = 0;
    writer->windows_ns = now_ns + AGE_NS;
}

/* The first that may go; sweep_count: none. */
static size_t find_ready(const struct ax_online_writer *writer)
{
    size_t at = 0;
    while (at < writer->sweep_count && writer->sweeps[at].state != AX_ONLINE_SWEEP_READY)
        at++;
    return at;
}

void ax_online_writer_sweep(struct ax_online_writer *writer)
{
    uint64_t now_ns = ax_clock_ns();
    if (writer->waiting.first || writer->fills || writer->coming || !writer->views ||
        now_ns < writer->sweep_ns)
        return;
    writer->sweep_ns = now_ns + (writer->clearing ? 0 : PAUSE_NS);
    sweep_unread(writer);
    sweep_windows(writer, now_ns);
    if (!writer->sweep_count && writer->views && writer->config.now_us &&
        now_ns >= writer->aged_ns) {
        sweep_aged(writer);
        writer->aged_ns = now_ns + AGE_NS;
    }
    size_t at = find_ready(writer);
    if (at == writer->sweep_count)
        return;
    struct ax_online_sweep first = writer->sweeps[at];
    writer->sweeps[at] = writer->sweeps[0];
    writer->sweeps[0] = first;
    if (step(writer))
        remove_sweep(writer, 0);
}

uint64_t ax_online_writer_sweep_ns(const struct ax_online_writer *writer)
{
    uint64_t when_ns = UINT64_MAX;
    if (!writer->views)
        return when_ns;
    if (writer->config.now_us && !writer->sweep_count)
        when_ns = AX_MAX(writer->aged_ns, writer->sweep_ns);
    if (writer->config.now_us)
        when_ns = AX_MIN(when_ns, AX_MAX(writer->windows_ns, writer->sweep_ns));
    if (writer->former_count)
        when_ns = AX_MIN(when_ns, writer->sweep_ns + LOOK_NS);
    return find_ready(writer) < writer->sweep_count ? writer->sweep_ns : when_ns;
}
