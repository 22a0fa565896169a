/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is filled from the disk, and windows from histories and journals.
 *
 * A little is read before definitions come into force, and the rest between batches. Until an
 * entity has all of its rows it lacks some (online.h): readers have those from the disk, and a key
 * is taken from there before it is written, so that what is in the table is never older than what
 * the walk through the disk finds, and is left as it is. What takes rows out waits: sweeps, calls.
 *
 * Windows come before the rest of the table, since nobody else has them: they are known when all of
 * their events are there. What is pushed meanwhile goes into them, too, in whatever order.
 */
#include "feature/online/online_writer_state.h"

#include "feature/online/online_history.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum { STRANGERS_MAX = 64 };

/* An entity that is read. */
struct ax_online_fill {
    struct ax_online_fill *next;
    struct ax_online_writer *writer;
    struct ax_online_views *views; /* by which it began: own reference */
    size_t entity;                 /* its number in the definitions */
    struct ax_online_disk_walk *walk;
    uint32_t strangers[STRANGERS_MAX]; /* layouts that the views do not have */
    size_t stranger_count;
};

/* Views may have gone while nobody was looking. Those that are too many are found at the next
 * start. */
static void note_strangers(struct ax_online_fill *fill, const struct ax_online_row *row)
{
    for (size_t i = 0; i < row->part_count; i++) {
        uint32_t layout = row->places[i].layout;
        size_t at = 0;
        if (ax_online_views_have(fill->views, layout))
            continue;
        while (at < fill->stranger_count && fill->strangers[at] != layout)
            at++;
        if (at == fill->stranger_count && at < STRANGERS_MAX)
            fill->strangers[fill->stranger_count++] = layout;
    }
}

/* Some of its rows, if there are more, which have `bytes` more. */
static enum ax_code fill_some(struct ax_online_fill *fill, size_t *bytes, bool *ret_more,
                              struct ax_err *err)
{
    const struct ax_online_row *const *rows;
    size_t count;
    if (ax_online_disk_walk_next(fill->walk, &rows, &count, err) ||
        ax_online_load(fill->writer->store, fill->views->entities[fill->entity], rows, count, err))
        return err->code;
    for (size_t i = 0; i < count; i++) {
        note_strangers(fill, rows[i]);
        *bytes += rows[i]->bytes;
    }
    (void)atomic_fetch_add_explicit(&fill->writer->shown.filled, count, memory_order_relaxed);
    *ret_more = count > 0;
    return AX_OK;
}

static void fill_free(struct ax_online_fill *fill)
{
    ax_online_disk_walk_end(fill->walk);
    ax_online_views_unref(fill->views);
    free(fill);
}

static enum ax_code fill_begin(struct ax_online_writer *writer, struct ax_online_views *views,
                               size_t entity, struct ax_err *err)
{
    struct ax_online_disk_walk *walk;
    if (ax_online_disk_walk_begin(writer->disk, views->entity_numbers[entity], &walk, err))
        return err->code;
    struct ax_online_fill *fill = ax_xalloc(sizeof(*fill));
    *fill = (struct ax_online_fill){ .next = writer->fills,
                                     .writer = writer,
                                     .views = ax_online_views_ref(views),
                                     .entity = entity,
                                     .walk = walk };
    writer->fills = fill;
    ax_online_lack(writer->store, views->entities[entity], views->entity_numbers[entity]);
    return AX_OK;
}

static void show(struct ax_online_writer *writer)
{
    uint64_t filled = atomic_load_explicit(&writer->shown.filled, memory_order_relaxed);
    uint64_t entries = writer->fill_entries;
    uint64_t left = entries > filled ? entries - filled : 1;
    bool lacks_rows = writer->fills || writer->fill_err.code;
    ax_online_writer_show(&writer->shown.unfilled, lacks_rows ? left : 0);
}

/* The first one has all rows. */
static void fill_end(struct ax_online_writer *writer)
{
    struct ax_online_fill *fill = writer->fills;
    struct ax_online_entity *entity = fill->views->entities[fill->entity];
    writer->fills = fill->next;
    ax_online_lack(writer->store, entity, 0);
    (void)ax_map_put(&writer->filled, entity->name, entity);
    for (size_t i = 0; i < fill->stranger_count; i++)
        ax_online_writer_sweep_layout(writer, entity, fill->views->entity_numbers[fill->entity],
                                      fill->strangers[i]);
    fill_free(fill);
}

void ax_online_writer_fill_stop(struct ax_online_writer *writer)
{
    while (writer->fills) {
        struct ax_online_fill *fill = writer->fills;
        writer->fills = fill->next;
        fill_free(fill);
    }
}

static enum ax_code step(struct ax_online_writer *writer, size_t *bytes, struct ax_err *err)
{
    struct ax_online_fill *fill = writer->fills;
    bool has_more = true;
    if (fill_some(fill, bytes, &has_more, err))
        return ax_err_context(err, "entity '%.*s'",
                              AX_STR_ARG(fill->views->entities[fill->entity]->name));
    if (!has_more)
        fill_end(writer);
    show(writer);
    return AX_OK;
}

enum ax_code ax_online_writer_fill(struct ax_online_writer *writer, struct ax_online_views *views,
                                   struct ax_err *err)
{
    writer->fill_err = (struct ax_err)AX_ERR_INIT;
    for (size_t i = 0; writer->disk && i < views->given.definitions->entity_count; i++) {
        if (!ax_map_get(&writer->filled, views->entities[i]->name) &&
            fill_begin(writer, views, i, err))
            return err->code;
    }
    if (writer->fills)
        writer->fill_entries = ax_online_disk_entries(writer->disk) +
                               atomic_load_explicit(&writer->shown.filled, memory_order_relaxed);
    for (size_t bytes = 0; writer->fills && bytes < writer->config.fill_bytes_first;) {
        if (step(writer, &bytes, err))
            return err->code;
        ax_online_writer_turn(writer);
    }
    show(writer);
    return AX_OK;
}

void ax_online_writer_fill_failed(const struct ax_online_writer *writer, const struct ax_err *err)
{
    if (writer->config.fill_failed)
        writer->config.fill_failed(writer->config.context, err);
}

static void fill_table(struct ax_online_writer *writer)
{
    size_t bytes = 0;
    if (!writer->fills || !step(writer, &bytes, &writer->fill_err))
        return;
    ax_online_writer_fill_stop(writer);
    ax_online_writer_fill_failed(writer, &writer->fill_err);
}

/* ---- windows ---- */

static bool has_windows(const struct ax_online_views *views, size_t source)
{
    return views->source_plans[source] && views->source_plans[source]->windows_count;
}

enum ax_code ax_online_writer_count_windows(const struct ax_online_writer *writer,
                                            const struct ax_online_views *views, uint64_t *ret_rows,
                                            struct ax_err *err)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < views->given.definitions->source_count; i++) {
        const struct ax_source *source = &views->given.definitions->sources[i];
        struct ax_online_history history = { .rows = 0 };
        if (!has_windows(views, i))
            continue;
        if (writer->config.state &&
            ax_online_history_find(writer->config.state, source, &history, err))
            return err->code;
        rows += history.rows;
        if (ax_online_views_journalled(views, i))
            rows += ax_online_journals_get(&writer->journals, source->name)->rows;
    }
    *ret_rows = rows;
    return AX_OK;
}

void ax_online_writer_lack_windows(struct ax_online_writer *writer, uint64_t rows)
{
    writer->lacks_windows = rows > 0;
    ax_online_writer_show(&writer->shown.windows_unfilled, rows);
    atomic_store_explicit(&writer->shown.fills_windows, rows > 0, memory_order_relaxed);
}

void ax_online_writer_show_windows(struct ax_online_writer *writer, size_t rows)
{
    uint64_t left = atomic_load_explicit(&writer->shown.windows_unfilled, memory_order_relaxed);
    if (writer->lacks_windows)
        ax_online_writer_show(&writer->shown.windows_unfilled, left - AX_MIN(left, rows));
}

static void fill_windows(struct ax_online_writer *writer)
{
    struct ax_online_views *views = writer->views;
    struct ax_online_counts counts = { 0 };
    bool are_filled = true;
    for (size_t i = 0; i < views->given.definitions->source_count; i++) {
        struct ax_err err = AX_ERR_INIT;
        if (!has_windows(views, i) || writer->is_stopping ||
            (!(ax_online_views_journalled(views, i) &&
               ax_online_writer_replay(writer, i, NULL, &err)) &&
             !ax_online_writer_put_history(writer, views, i, NULL, &counts, &err)))
            continue;
        ax_online_writer_fill_failed(writer, &err);
        are_filled = false;
    }
    writer->lacks_windows = false;
    if (are_filled)
        ax_online_writer_show(&writer->shown.windows_unfilled, 0);
    atomic_store_explicit(&writer->shown.fills_windows, false, memory_order_release);
}

/* ---- all of it ---- */

void ax_online_writer_fill_more(struct ax_online_writer *writer)
{
    if (writer->lacks_windows)
        fill_windows(writer);
    else
        fill_table(writer);
}

enum ax_code ax_online_writer_fill_all(struct ax_online_writer *writer, bool has_turns,
                                       struct ax_err *err)
{
    if (has_turns && writer->lacks_windows)
        fill_windows(writer);
    while (writer->fills) {
        fill_table(writer);
        if (has_turns)
            ax_online_writer_turn(writer);
    }
    if (writer->fill_err.code)
        return ax_fail(err, AX_E_UNAVAILABLE, "the online store lacks rows: %s",
                       writer->fill_err.msg);
    return AX_OK;
}
