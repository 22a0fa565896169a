/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions that come into force.
 *
 * Their views are numbered, the journals of their sources opened, and the entities that are new
 * begin to be read from the disk (online_writer_fill.c). Then each source's journal is applied from
 * where the view that has least of it stands: at a start what was acknowledged since the last fold,
 * for a new view, and always for windows, all that the journal has. Applying something again
 * changes nothing, but that rows are left out which their source drops by now. What changed views
 * keep is carried over before (online_writer_carry.c). Batches go on in between, by the definitions
 * before; what they journal is read behind the rest. When nothing is left, the new ones are in
 * force from one batch to the next. At the start nobody has windows from before, so that those are
 * filled when plain views answer.
 */
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"
#include "feature/online/journal_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLAY_BYTES_FIRST ((size_t)1 << 20)
#define REPLAY_BYTES_MAX   ((size_t)4 << 30)

/* ---- from the journals ---- */

/* A source whose journal is applied to its views. */
struct replay {
    struct ax_online_writer *writer;
    const struct ax_online_views *views;
    size_t source;
    struct ax_online_journal *journal;
    uint64_t *positions; /* one a target of the plan: what it has of the journal */
    bool *has_it;        /* likewise, of the rows that are applied */
    uint64_t next;       /* row that is looked at next */
};

static const struct ax_source_plan *replay_plan(const struct replay *replay)
{
    return replay->views->source_plans[replay->source];
}

enum ax_code ax_online_writer_position(const struct ax_online_writer *writer, uint32_t layout,
                                       uint64_t *ret_next, bool *ret_is_told, struct ax_err *err)
{
    char name[12];
    (void)snprintf(name, sizeof(name), "%u", layout);
    return ax_online_disk_position(writer->disk, ax_str_from(name), ret_next, ret_is_told, err);
}

/* From the first row that one of the views may not have (windows have none, unless they are left
 * out), and at least the last one, which tells when it was taken in. */
static enum ax_code replay_begin(struct replay *replay, struct ax_online_writer *writer,
                                 struct ax_online_views *views, size_t source, bool has_windows,
                                 struct ax_err *err)
{
    const struct ax_source_plan *plan = views->source_plans[source];
    struct ax_arena *arena = &views->arena;
    *replay = (struct replay){ .writer = writer, .views = views, .source = source };
    replay->journal = ax_online_journals_get(&writer->journals, plan->source->name);
    replay->next = plan->windows_count && !has_windows
                       ? 1
                       : AX_MAX(ax_online_journal_next(replay->journal) - 1, 1);
    replay->positions =
        ax_arena_zalloc(arena, AX_MAX(plan->target_count, 1), sizeof(*replay->positions));
    replay->has_it = ax_arena_zalloc(arena, AX_MAX(plan->target_count, 1), sizeof(bool));
    if (!replay->positions || !replay->has_it)
        return ax_arena_fail(arena, "views", err);
    for (size_t i = 0; replay->journal->folder && i < plan->target_count; i++) {
        bool is_told;
        if (ax_online_writer_position(writer, plan->targets[i].layout->id, &replay->positions[i],
                                      &is_told, err))
            return err->code;
        replay->next = AX_MIN(replay->next, AX_MAX(replay->positions[i], 1));
    }
    return AX_OK;
}

static void apply_read(struct replay *replay, struct ax_online_apply *apply,
                       const struct ax_journal_rows *read, const struct ax_source_rows *rows)
{
    struct ax_online_counts counts = { 0 };
    struct ax_err refused = AX_ERR_INIT; /* as they were when they came */
    for (size_t i = 0; i < replay_plan(replay)->target_count; i++)
        replay->has_it[i] = replay->positions[i] >= read->first_sequence + read->rows;
    (void)(ax_online_apply_rows(apply, replay->views, replay->source, rows, replay->has_it, &counts,
                                &refused) != AX_OK);
    struct ax_online_journals *journals = &replay->writer->journals;
    journals->taken_us = AX_MAX(journals->taken_us, read->taken_us[read->rows - 1]);
}

/* Up to what is there now; other work in between. */
static enum ax_code replay_more(struct replay *replay, struct ax_online_apply *apply,
                                struct ax_err *err)
{
    const struct ax_source_plan *plan = replay_plan(replay);
    uint64_t until = ax_online_journal_next(replay->journal);
    struct ax_journal_reader *reader;
    struct ax_journal_rows read = { 0 };
    struct ax_arena arena;
    if (ax_journal_reader_open(replay->journal->folder, plan->source->columns,
                               plan->source->column_count, replay->next, until, &reader, err))
        return err->code;
    ax_arena_init(&arena, REPLAY_BYTES_FIRST, REPLAY_BYTES_MAX);
    while (!replay->writer->is_stopping && !ax_journal_reader_next(reader, &arena, &read, err) &&
           read.rows) {
        struct ax_source_rows rows = ax_source_rows_from_journal(&read);
        ax_source_plan_drop(plan, &rows, &arena);
        apply_read(replay, apply, &read, &rows);
        ax_arena_reset(&arena);
        ax_online_writer_show_windows(replay->writer, read.rows);
        ax_online_writer_turn(replay->writer);
    }
    ax_arena_done(&arena);
    ax_journal_reader_close(reader);
    replay->next = until;
    return err->code;
}

/* Whatever comes while one source is done is done in the next round. The last one finds nothing,
 * and nothing comes in it. */
static enum ax_code replay_rounds(struct replay *replays, size_t count,
                                  struct ax_online_apply *apply, struct ax_err *err)
{
    bool is_behind = true;
    while (is_behind && !err->code) {
        is_behind = false;
        for (size_t i = 0; i < count && !err->code; i++) {
            struct replay *replay = &replays[i];
            if (!replay->journal->folder || replay->next >= ax_online_journal_next(replay->journal))
                continue;
            is_behind = true;
            (void)(replay_more(replay, apply, err) != AX_OK);
        }
    }
    return err->code;
}

/* What changed views keep, and then all that is in the journals; the last round finds nothing of
 * either. */
static enum ax_code carry_and_replay(struct ax_online_carry *carry, struct replay *replays,
                                     size_t count, struct ax_online_apply *apply,
                                     struct ax_err *err)
{
    bool is_behind = true;
    if (ax_online_carry_all(carry, apply, err))
        return err->code;
    while (is_behind && !err->code)
        (void)(replay_rounds(replays, count, apply, err) ||
               ax_online_carry_again(carry, apply, &is_behind, err));
    return err->code;
}

/* `has_windows`: windows are left out. */
static enum ax_code replay_all(struct ax_online_writer *writer, struct ax_online_views *views,
                               struct ax_online_carry *carry, bool has_windows, struct ax_err *err)
{
    size_t count = 0;
    size_t sources = views->given.definitions->source_count;
    struct replay *replays = ax_arena_zalloc(&views->arena, AX_MAX(sources, 1), sizeof(*replays));
    if (!replays)
        return ax_arena_fail(&views->arena, "views", err);
    for (size_t i = 0; i < sources; i++) {
        if (ax_online_views_journalled(views, i) &&
            replay_begin(&replays[count++], writer, views, i, has_windows, err))
            return err->code;
    }
    struct ax_online_apply apply;
    ax_online_apply_init(&apply, writer->store, writer->apply.unfolded);
    apply.has_windows = has_windows;
    (void)(carry_and_replay(carry, replays, count, &apply, err) != AX_OK);
    ax_online_apply_done(&apply);
    return err->code;
}

enum ax_code ax_online_writer_replay(struct ax_online_writer *writer, size_t source,
                                     const struct ax_online_layout *layout, struct ax_err *err)
{
    const struct ax_source_plan *plan = writer->views->source_plans[source];
    struct replay replay = { .writer = writer,
                             .views = writer->views,
                             .source = source,
                             .journal =
                                 ax_online_journals_get(&writer->journals, plan->source->name),
                             .next = 1 };
    struct ax_online_apply apply;
    if (!replay.journal->folder)
        return AX_OK;
    replay.positions = ax_xalloc((plan->target_count + 1) * sizeof(*replay.positions));
    replay.has_it = ax_xalloc((plan->target_count + 1) * sizeof(*replay.has_it));
    for (size_t i = 0; i < plan->target_count; i++)
        replay.positions[i] = layout && plan->targets[i].layout->id == layout->id ? 0 : UINT64_MAX;
    ax_online_apply_init(&apply, writer->store, writer->apply.unfolded);
    apply.has_windows = layout != NULL;
    (void)(replay_more(&replay, &apply, err) != AX_OK);
    ax_online_apply_done(&apply);
    free(replay.positions);
    free(replay.has_it);
    return err->code;
}

/* ---- into force ---- */

/* At the start, windows whose history cannot be read stay unknown. Later the views before stay. */
static enum ax_code put_histories(struct ax_online_writer *writer, struct ax_online_views *views,
                                  struct ax_err *err)
{
    struct ax_online_counts counts = { 0 };
    for (size_t i = 0; i < views->given.definitions->source_count && !err->code; i++) {
        struct ax_err unread = AX_ERR_INIT;
        if (!views->source_plans[i] || !views->source_plans[i]->windows_count ||
            !ax_online_writer_put_history(writer, views, i, NULL, &counts, &unread))
            continue;
        if (writer->views)
            *err = unread;
        else
            ax_online_writer_fill_failed(writer, &unread);
    }
    return err->code;
}

/* Rows below *ret_next of the source's journal are on the disk. */
static enum ax_code folded_next(const struct ax_online_writer *writer,
                                const struct ax_source_plan *plan, uint64_t *ret_next,
                                struct ax_err *err)
{
    *ret_next = 0;
    for (size_t i = 0; writer->disk && i < plan->target_count; i++) {
        uint64_t next;
        bool is_told;
        if (ax_online_writer_position(writer, plan->targets[i].layout->id, &next, &is_told, err))
            return err->code;
        *ret_next = AX_MAX(*ret_next, next);
    }
    return AX_OK;
}

static enum ax_code open_journals(struct ax_online_writer *writer,
                                  const struct ax_online_views *views, struct ax_err *err)
{
    for (size_t i = 0; i < views->given.definitions->source_count; i++) {
        const struct ax_source_plan *plan = ax_online_views_journalled(views, i);
        struct ax_online_journal_loss loss;
        uint64_t next;
        if (!plan)
            continue;
        if (folded_next(writer, plan, &next, err) ||
            ax_online_journals_open(&writer->journals, plan, next, &loss, err))
            return err->code;
        if ((loss.bytes_cut || loss.rows) && writer->config.journal_lacks)
            writer->config.journal_lacks(writer->config.context, plan->source->name, &loss);
    }
    return AX_OK;
}

/* All rows that were journalled are seen by the views. */
static void show_seen(struct ax_online_writer *writer, struct ax_online_views *views)
{
    for (size_t i = 0; i < views->given.definitions->source_count; i++) {
        const struct ax_source_plan *plan = ax_online_views_journalled(views, i);
        if (!plan)
            continue;
        struct ax_online_journal *journal =
            ax_online_journals_get(&writer->journals, plan->source->name);
        uint64_t next = ax_online_journal_next(journal);
        ax_online_seen_begin(&journal->seen, next);
        ax_online_seen_end(&journal->seen, next);
        views->seen[i] = &journal->seen;
    }
}

/* Readers first: no batch comes between this and put_in_force. `rows`: of windows that are filled
 * afterwards; 0: they are there. */
static enum ax_code publish(struct ax_online_writer *writer, struct ax_online_views *views,
                            uint64_t rows, struct ax_err *err)
{
    const struct ax_online_definitions *given = &views->given;
    show_seen(writer, views);
    ax_online_writer_lack_windows(writer, rows);
    if (given->publish && given->publish(given->context, views, err))
        ax_online_writer_lack_windows(writer, 0);
    return err->code;
}

/* From the next batch on. All positions are to be written: its views may be others. */
static void put_in_force(struct ax_online_writer *writer, struct ax_online_views *views)
{
    struct ax_str name;
    void *value;
    for (size_t at = 0; ax_map_next(&writer->journals.by_source, &at, &name, &value);) {
        struct ax_online_journal *journal = value;
        journal->folding = journal->folded = 0;
    }
    struct ax_online_views *former = writer->views;
    writer->views = ax_online_views_ref(views);
    ax_online_writer_sweep_former(writer, former);
}

void ax_online_writer_do_define(struct ax_online_writer *writer, struct ax_online_call *call)
{
    struct ax_online_views *views;
    struct ax_err *err = call->err;
    const struct ax_online_views_place place = { .store = writer->store,
                                                 .epoch = writer->config.epoch,
                                                 .disk = writer->disk,
                                                 .numbers = &writer->numbers,
                                                 .journals = &writer->journals,
                                                 .windows_bytes_max =
                                                     writer->config.memory_bytes_max };
    if (ax_online_views_new(call->given, &place, &views, err))
        return;
    writer->coming = views;
    ax_online_writer_sweep_stop(writer);
    uint64_t rows = 0;
    bool are_behind = false;
    struct ax_online_carry *carry = NULL;
    if (!open_journals(writer, views, err) && !ax_online_writer_fill(writer, views, err) &&
        !ax_online_writer_count_windows(writer, views, &rows, err) &&
        !ax_online_carry_new(writer, views, &carry, err)) {
        are_behind = !writer->views && rows > writer->config.fill_rows_first;
        (void)((!are_behind && put_histories(writer, views, err)) ||
               replay_all(writer, views, carry, are_behind, err) ||
               publish(writer, views, are_behind ? rows : 0, err));
    }
    writer->coming = NULL;
    if (err->code) {
        ax_online_carry_free(carry);
        ax_online_writer_fill_stop(writer);
        if (writer->views) /* else what is there is the disk's alone */
            ax_online_writer_sweep_views(writer, views);
        views->given.release = NULL;
        ax_online_views_unref(views);
        return;
    }
    views->given.are_materialised = NULL;
    put_in_force(writer, views);
    writer->has_new_forms = ax_online_carry_has_new_forms(carry);
    ax_online_carry_free(carry);
    ax_online_writer_show_moment(writer, writer->journals.taken_us);
    call->views = views;
}
