/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's thread, and how it does batches.
 *
 * All batches that wait are a group: their rows are added to the journals, each journal is
 * committed once, and then they are applied and answered in the order in which they came. While a
 * commit waits for the disk the next group gathers, so that syncs are shared by as many as there
 * are. A group ends early when a journal takes no more before a commit, and where partial rows
 * come: what these leave out is read from what is stored then (online_merge.h).
 */
#include "feature/online/online_writer.h"

#include "feature/online/online_merge.h"
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)1 << 20)
#define ARENA_BYTES_MAX   ((size_t)1 << 30)
#define FORMS_BYTES_FIRST ((size_t)4 << 10)

/* ---- batches ---- */

void ax_online_batches_add(struct ax_online_batches *batches, struct ax_online_batch *batch)
{
    batch->message.next = NULL;
    if (batches->last)
        batches->last->message.next = &batch->message;
    else
        batches->first = batch;
    batches->last = batch;
}

struct ax_online_batch *ax_online_batches_take(struct ax_online_batches *batches)
{
    struct ax_online_batch *batch = batches->first;
    if (!batch)
        return NULL;
    struct ax_message *next = batch->message.next;
    batches->first = next ? container_of(next, struct ax_online_batch, message) : NULL;
    if (!next)
        batches->last = NULL;
    return batch;
}

static void receive_batch(void *context, struct ax_message *message)
{
    struct ax_online_writer *writer = context;
    ax_online_batches_add(&writer->waiting, container_of(message, struct ax_online_batch, message));
}

void ax_online_writer_answer(struct ax_online_writer *writer, struct ax_online_batch *batch)
{
    (void)atomic_fetch_sub_explicit(&writer->queued, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&writer->shown.batches, 1, memory_order_relaxed);
    batch->done(batch);
}

/* ---- whether a batch fits what is in force ---- */

static bool columns_match(const struct ax_source *a, const struct ax_source *b)
{
    const struct ax_definition_column *x = a->columns;
    const struct ax_definition_column *y = b->columns;
    size_t at = 0;
    while (at < a->column_count && at < b->column_count && ax_str_equals(x[at].name, y[at].name) &&
           x[at].storage.kind == y[at].storage.kind &&
           x[at].storage.is_list == y[at].storage.is_list)
        at++;
    return at == a->column_count && at == b->column_count;
}

static size_t find_source(const struct ax_online_views *now, const struct ax_online_batch *batch)
{
    const struct ax_online_views *then = batch->views;
    const struct ax_definitions *definitions = now->given.definitions;
    const struct ax_source *found =
        ax_map_get(&definitions->names[AX_DEFINITION_SOURCE],
                   then->given.definitions->sources[batch->number].name);
    size_t number = found ? (size_t)(found - definitions->sources) : SIZE_MAX;
    return found && ax_online_views_journalled(now, number) &&
                   columns_match(found, &then->given.definitions->sources[batch->number])
               ? number
               : SIZE_MAX;
}

static size_t find_view(const struct ax_online_views *now, const struct ax_online_batch *batch)
{
    const struct ax_online_views *then = batch->views;
    const struct ax_definitions *definitions = now->given.definitions;
    const struct ax_view *found =
        ax_definitions_view(definitions, then->given.definitions->views[batch->number].name);
    size_t number = found ? (size_t)(found - definitions->views) : SIZE_MAX;
    return found && now->views[number].layout && then->views[batch->number].layout &&
                   now->views[number].layout->id == then->views[batch->number].layout->id
               ? number
               : SIZE_MAX;
}

enum ax_code ax_online_writer_resolve(const struct ax_online_writer *writer,
                                      const struct ax_online_batch *batch, size_t *ret_number,
                                      struct ax_err *err)
{
    size_t number = batch->number;
    if (batch->kind == AX_ONLINE_FLUSH)
        return AX_OK;
    if (batch->views != writer->views)
        number = batch->kind == AX_ONLINE_ROWS ? find_source(writer->views, batch)
                                               : find_view(writer->views, batch);
    if (number == SIZE_MAX)
        return ax_fail(err, AX_E_CONFLICT, "other definitions are in force meanwhile");
    *ret_number = number;
    return AX_OK;
}

/* ---- a group ---- */

/* Whether rows of the batch are to be made whole by what is stored, which has what the batches
 * before it change when a group begins. */
static bool is_partial(const struct ax_online_writer *writer, const struct ax_online_batch *batch)
{
    const struct ax_online_views *views = writer->views;
    return batch->kind == AX_ONLINE_ROWS &&
           ax_source_rows_are_partial(views->source_plans[batch->own.number], batch->rows);
}

static enum ax_code merge_rows(struct ax_online_writer *writer, struct ax_online_batch *batch)
{
    struct ax_online_merge merge = { .store = writer->store,
                                     .views = writer->views,
                                     .source = batch->own.number,
                                     .rows = batch->rows,
                                     .taken_us = batch->own.taken_us,
                                     .arena = &writer->merge_arena };
    ax_arena_reset(&writer->merge_arena);
    if (ax_online_merge_rows(&merge, &writer->merged, &batch->err))
        return batch->err.code;
    batch->own.rows = &writer->merged;
    batch->own.stale = merge.stale;
    batch->dropped = merge.dropped;
    memcpy(batch->unexpected, merge.unexpected, sizeof(merge.unexpected));
    return AX_OK;
}

/* Add the batch's rows to their journal. False: another group is to begin with it. */
static bool journal_batch(struct ax_online_writer *writer, struct ax_online_batch *batch,
                          bool is_first)
{
    const struct ax_online_views *views = writer->views;
    struct ax_err reason = AX_ERR_INIT;
    if (ax_online_writer_resolve(writer, batch, &batch->own.number, &batch->err) ||
        batch->kind != AX_ONLINE_ROWS)
        return true;
    const struct ax_source_plan *plan = views->source_plans[batch->own.number];
    struct ax_online_journal *journal =
        ax_online_journals_get(&writer->journals, plan->source->name);
    bool has_partial = is_partial(writer, batch);
    if (has_partial && !is_first)
        return false;
    is_first = !journal->is_touched;
    batch->own.journal = journal;
    batch->own.taken_us = AX_MAX(batch->taken_us, writer->journals.taken_us);
    batch->own.rows = batch->rows;
    if (has_partial && merge_rows(writer, batch))
        return true;
    ax_arena_reset(&writer->arena);
    if (!ax_online_journal_add(journal, plan, batch->own.rows, batch->own.taken_us, &writer->arena,
                               &batch->own.first_sequence, &reason))
        writer->journals.taken_us = batch->own.taken_us;
    else if (reason.code == AX_E_LIMIT && !is_first)
        return false;
    else
        batch->err = reason;
    return true;
}

static void show_windows(struct ax_online_writer *writer)
{
    const struct ax_online_views *views = writer->views;
    uint64_t bytes = 0, refused = 0;
    for (size_t i = 0; views && i < views->given.definitions->view_count; i++) {
        const struct ax_online_windows *windows = views->windows[i];
        if (!windows)
            continue;
        bytes += atomic_load_explicit(&windows->heap.bytes, memory_order_relaxed);
        refused += windows->refused;
    }
    ax_online_writer_show(&writer->shown.windows_bytes, bytes);
    ax_online_writer_show(&writer->shown.events_refused, refused);
}

static void apply_rows(struct ax_online_writer *writer, struct ax_online_batch *batch,
                       struct ax_online_counts *counts)
{
    struct ax_source_rows rows = *batch->own.rows;
    ax_arena_reset(&writer->arena);
    int64_t *taken_us = ax_arena_alloc(&writer->arena, AX_MAX(rows.rows, 1), sizeof(*taken_us));
    if (!taken_us) {
        (void)ax_arena_fail(&writer->arena, "rows", &batch->err);
        counts->refused += rows.rows;
        return;
    }
    for (size_t i = 0; i < rows.rows; i++)
        taken_us[i] = batch->own.taken_us;
    rows.taken_us = taken_us;
    rows.first_sequence = batch->own.first_sequence;
    struct ax_online_seen *seen = &batch->own.journal->seen;
    ax_online_seen_begin(seen, rows.first_sequence + rows.rows);
    (void)(ax_online_apply_rows(&writer->apply, writer->views, batch->own.number, &rows, NULL,
                                counts, &batch->err) != AX_OK);
    if (writer->views->source_plans[batch->own.number]->windows_count)
        show_windows(writer);
    ax_online_writer_show_moment(writer, batch->own.taken_us);
    ax_online_seen_end(seen, rows.first_sequence + rows.rows);
}

static bool has_ends(const struct ax_online_batch *batch)
{
    size_t at = 0;
    while (at < batch->item_count && batch->items[at].part)
        at++;
    return at < batch->item_count;
}

static void apply_batch(struct ax_online_writer *writer, struct ax_online_batch *batch)
{
    const struct ax_online_views *views = writer->views;
    const struct ax_definitions *definitions = views ? views->given.definitions : NULL;
    struct ax_online_counts counts = { .stale = batch->own.stale };
    size_t number = batch->own.number;
    if (batch->kind == AX_ONLINE_ROWS)
        apply_rows(writer, batch, &counts);
    if (batch->kind == AX_ONLINE_VALUES)
        number = (size_t)(definitions->views[number].entity - definitions->entities);
    if (batch->kind == AX_ONLINE_VALUES && has_ends(batch) &&
        ax_online_writer_fill_all(writer, false, &batch->err))
        counts.refused = batch->item_count;
    else if (batch->kind == AX_ONLINE_VALUES)
        (void)(ax_online_apply_items(&writer->apply, views, number, batch->items, batch->item_count,
                                     &counts, &batch->err) != AX_OK);
    writer->merge_stale += batch->own.stale;
    ax_online_writer_show(&writer->shown.merge_stale, writer->merge_stale);
    batch->written = counts.written;
    batch->stale = counts.stale;
    batch->refused = counts.refused;
}

static void finish_batch(struct ax_online_writer *writer, struct ax_online_batch *batch)
{
    if (!batch->err.code && batch->kind == AX_ONLINE_ROWS && batch->own.journal->err.code)
        batch->err = batch->own.journal->err;
    if (!batch->err.code)
        apply_batch(writer, batch);
    if (batch->kind == AX_ONLINE_ROWS || (batch->kind == AX_ONLINE_VALUES && !batch->is_kept))
        ax_online_writer_answer(writer, batch);
    else
        ax_online_writer_keep(writer, batch);
}

static void show_journals(struct ax_online_writer *writer)
{
    const struct ax_online_journals *journals = &writer->journals;
    ax_online_writer_show(&writer->shown.rows_journalled, journals->rows);
    ax_online_writer_show(&writer->shown.journal_bytes, journals->bytes);
    ax_online_writer_show(&writer->shown.journal_bytes_written, journals->bytes_written);
    ax_online_writer_show(&writer->shown.journal_failures, journals->failures);
}

static void do_group(struct ax_online_writer *writer)
{
    struct ax_online_batches group = { 0 };
    while (writer->waiting.first && journal_batch(writer, writer->waiting.first, !group.first))
        ax_online_batches_add(&group, ax_online_batches_take(&writer->waiting));
    ax_online_journals_commit(&writer->journals);
    show_journals(writer);
    struct ax_online_batch *batch;
    while ((batch = ax_online_batches_take(&group)))
        finish_batch(writer, batch);
}

/* ---- the thread ---- */

void ax_online_writer_turn(struct ax_online_writer *writer)
{
    ax_inbox_receive(&writer->inbox, writer);
    while (writer->waiting.first && !ax_online_writer_is_full(writer))
        do_group(writer);
    ax_online_writer_fold(writer);
    ax_online_writer_sweep(writer);
    show_windows(writer);
}

static void receive_call(void *context, struct ax_message *message)
{
    struct ax_online_writer *writer = context;
    message->next = writer->calls;
    writer->calls = message;
}

static void do_call(struct ax_online_writer *writer)
{
    struct ax_online_call *call = container_of(writer->calls, struct ax_online_call, message);
    writer->calls = call->message.next;
    struct ax_err lacks = AX_ERR_INIT;
    if (call->run == ax_online_writer_do_complete || /* which needs no rows, and so does not wait */
        !ax_online_writer_fill_all(writer, true, &lacks) || call->run == ax_online_writer_do_define)
        call->run(writer, call);
    else
        *call->err = lacks;
    show_windows(writer);
    (void)pthread_mutex_lock(&call->lock);
    call->is_done = true;
    (void)pthread_cond_signal(&call->changed);
    (void)pthread_mutex_unlock(&call->lock);
}

void ax_online_writer_wait(struct ax_online_writer *writer)
{
    uint64_t next_ns = AX_MIN(ax_online_writer_fold_ns(writer), ax_online_writer_sweep_ns(writer));
    ax_inbox_wait(&writer->inbox, writer->fills || writer->lacks_windows ? 0 : next_ns);
    ax_online_writer_turn(writer);
    ax_online_writer_fill_more(writer);
}

static bool is_at_end(const struct ax_online_writer *writer)
{
    return writer->is_stopping && !writer->waiting.first && !writer->is_folding &&
           !writer->unkept.first;
}

static void writer_run(void *arg)
{
    struct ax_online_writer *writer = arg;
    while (!is_at_end(writer)) {
        ax_online_writer_wait(writer);
        while (writer->calls)
            do_call(writer);
        ax_online_writer_expire(writer);
    }
}

/* ---- life ---- */

static void writer_free(struct ax_online_writer *writer)
{
    ax_online_folder_free(writer->folder);
    ax_online_writer_fill_stop(writer);
    ax_online_journals_done(&writer->journals);
    ax_online_disk_close(writer->disk);
    ax_online_views_unref(writer->views);
    ax_online_writer_sweep_done(writer);
    ax_online_numbers_done(&writer->numbers);
    ax_online_unfolded_done(&writer->unfolded);
    ax_online_unfolded_done(&writer->fold.keys);
    ax_buf_done(&writer->fold.positions);
    ax_buf_done(&writer->fold.forms);
    ax_buf_done(&writer->position_names);
    ax_online_apply_done(&writer->apply);
    ax_arena_done(&writer->arena);
    ax_arena_done(&writer->merge_arena);
    ax_map_done(&writer->filled);
    ax_arena_done(&writer->forms_arena);
    ax_online_close(writer->store);
    free((void *)writer->config.state);
    free(writer);
}

/* "<state>/<name>", or NULL. */
static char *state_path(const struct ax_online_writer *writer, const char *name)
{
    const char *state = writer->config.state;
    if (!state)
        return NULL;
    size_t size = strlen(state) + 1 + strlen(name) + 1;
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/%s", state, name);
    return path;
}

/* Absolute: whoever reads sources may go to another folder meanwhile. NULL: there is none. */
static char *own_path(const char *state)
{
    char *path = state && state[0] ? realpath(state, NULL) : NULL;
    return path || !state || !state[0] ? path : ax_xstrdup(state);
}

static struct ax_online_writer *writer_new(const struct ax_online_writer_config *config)
{
    struct ax_online_writer *writer = ax_xalloc(sizeof(*writer));
    writer->config = *config;
    writer->config.state = own_path(config->state);
    ax_map_init(&writer->filled);
    ax_map_init(&writer->numbers.given);
    ax_online_unfolded_init(&writer->unfolded);
    ax_online_unfolded_init(&writer->fold.keys);
    ax_buf_init(&writer->fold.positions, SIZE_MAX / 4);
    ax_buf_init(&writer->fold.forms, SIZE_MAX / 4);
    ax_buf_init(&writer->position_names, SIZE_MAX / 4);
    ax_arena_init(&writer->arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    ax_arena_init(&writer->merge_arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    ax_arena_init(&writer->forms_arena, FORMS_BYTES_FIRST, ARENA_BYTES_MAX);
    char *folder = state_path(writer, "journal");
    ax_online_journals_init(&writer->journals, folder, config->durability == AX_ONLINE_DURABLE_DISK,
                            config->journal_bytes_max);
    free(folder);
    return writer;
}

static enum ax_code get_behind(void *context, uint32_t number, struct ax_str key,
                               struct ax_arena *arena, const struct ax_online_row **ret_row,
                               struct ax_err *err)
{
    const struct ax_online_writer *writer = context;
    return ax_online_disk_get(writer->disk, number, key, arena, ret_row, err);
}

enum ax_code ax_online_writer_open(const struct ax_online_writer_config *config,
                                   struct ax_online_writer **ret_writer, struct ax_err *err)
{
    assert(config && config->epoch && config->queue_max && ret_writer && err);
    struct ax_online_writer *writer = writer_new(config);
    struct ax_online_config table = { .epoch = config->epoch,
                                      .memory_bytes_max = config->memory_bytes_max,
                                      .behind = { get_behind, writer } };
    char *folder = state_path(writer, "online");
    if (ax_inbox_init(&writer->inbox, err)) {
        free(folder);
        writer_free(writer);
        return err->code;
    }
    (void)(ax_online_open(&ax_online_memory, &table, &writer->store, err) ||
           (folder && (ax_online_disk_open(folder, config->disk_bytes_max, &writer->disk, err) ||
                       ax_online_folder_new(writer->store, writer->disk, config->epoch,
                                            &writer->inbox, &writer->folder, err))));
    free(folder);
    if (!err->code)
        ax_online_apply_init(&writer->apply, writer->store,
                             writer->disk ? &writer->unfolded : NULL);
    if (err->code || ax_thread_start(&writer->thread, "writer", writer_run, writer, err)) {
        ax_inbox_done(&writer->inbox);
        writer_free(writer);
        return err->code;
    }
    *ret_writer = writer;
    return AX_OK;
}

/* What is sent last, so that all of it is folded. */
struct last_flush {
    struct ax_online_batch batch;
    struct ax_online_writer *writer;
};

static void flushed(struct ax_online_batch *batch)
{
    struct last_flush *last = container_of(batch, struct last_flush, batch);
    last->writer->is_stopping = true;
}

void ax_online_writer_close(struct ax_online_writer *writer)
{
    if (!writer)
        return;
    struct last_flush last = {
        .batch = { .message.receive = receive_batch, .kind = AX_ONLINE_FLUSH, .done = flushed },
        .writer = writer
    };
    (void)atomic_fetch_add_explicit(&writer->queued, 1, memory_order_relaxed);
    ax_inbox_send(&writer->inbox, &last.batch.message);
    ax_thread_join(&writer->thread);
    assert(!atomic_load(&writer->queued));
    /* Its thread may not have come back yet from waking this one. */
    ax_online_folder_free(writer->folder);
    writer->folder = NULL;
    ax_inbox_done(&writer->inbox);
    writer_free(writer);
}

struct ax_online *ax_online_writer_store(struct ax_online_writer *writer)
{
    assert(writer);
    return writer->store;
}

/* ---- for others ---- */

/* Have it done by the writer's thread. */
static void call_writer(struct ax_online_writer *writer, struct ax_online_call *call)
{
    call->message.receive = receive_call;
    (void)pthread_mutex_init(&call->lock, NULL);
    (void)pthread_cond_init(&call->changed, NULL);
    ax_inbox_send(&writer->inbox, &call->message);
    (void)pthread_mutex_lock(&call->lock);
    while (!call->is_done)
        (void)pthread_cond_wait(&call->changed, &call->lock);
    (void)pthread_mutex_unlock(&call->lock);
    (void)pthread_cond_destroy(&call->changed);
    (void)pthread_mutex_destroy(&call->lock);
}

enum ax_code ax_online_writer_define(struct ax_online_writer *writer,
                                     const struct ax_online_definitions *given,
                                     struct ax_online_views **ret_views, struct ax_err *err)
{
    assert(writer && given && given->definitions && ret_views && err);
    struct ax_online_call call = { .run = ax_online_writer_do_define, .given = given, .err = err };
    call_writer(writer, &call);
    if (!err->code)
        *ret_views = call.views;
    return err->code;
}

enum ax_code ax_online_writer_clear(struct ax_online_writer *writer, struct ax_online_views *views,
                                    size_t number, struct ax_err *err)
{
    assert(writer && views && (views->views[number].layout || views->windows[number]) && err);
    struct ax_online_call call = {
        .run = ax_online_writer_do_clear, .views = views, .number = number, .err = err
    };
    call_writer(writer, &call);
    return err->code;
}

void ax_online_writer_complete(struct ax_online_writer *writer, struct ax_online_views *views,
                               size_t number)
{
    assert(writer && views);
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_online_call call = {
        .run = ax_online_writer_do_complete, .views = views, .number = number, .err = &ignored
    };
    call_writer(writer, &call);
}

enum ax_code ax_online_writer_erase(struct ax_online_writer *writer, struct ax_online_views *views,
                                    struct ax_online_erase *erase, struct ax_err *err)
{
    assert(writer && views && erase && erase->keys && erase->rows && err);
    struct ax_online_call call = {
        .run = ax_online_writer_do_erase, .views = views, .erase = erase, .err = err
    };
    call_writer(writer, &call);
    return err->code;
}

enum ax_code ax_online_writer_history(struct ax_online_writer *writer,
                                      struct ax_online_views *views, size_t number,
                                      struct ax_online_counts *counts, struct ax_err *err)
{
    assert(writer && views && views->windows[number] && counts && err);
    struct ax_online_call call = { .run = ax_online_writer_do_history,
                                   .views = views,
                                   .number = number,
                                   .counts = counts,
                                   .err = err };
    call_writer(writer, &call);
    return err->code;
}

enum ax_code ax_online_writer_send(struct ax_online_writer *writer, struct ax_online_batch *batch,
                                   struct ax_err *err)
{
    assert(writer && batch && batch->done && !batch->err.code && err);
    assert(batch->views || batch->kind == AX_ONLINE_FLUSH);
    if (atomic_fetch_add_explicit(&writer->queued, 1, memory_order_relaxed) >=
        writer->config.queue_max) {
        (void)atomic_fetch_sub_explicit(&writer->queued, 1, memory_order_relaxed);
        return ax_fail(err, AX_E_LIMIT, "%zu batches wait for the online store: come again",
                       writer->config.queue_max);
    }
    batch->message.receive = receive_batch;
    ax_inbox_send(&writer->inbox, &batch->message);
    return AX_OK;
}

static uint64_t shown(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

int64_t ax_online_writer_taken_us(const struct ax_online_writer *writer)
{
    assert(writer);
    return atomic_load_explicit(&writer->shown.taken_us, memory_order_acquire);
}

bool ax_online_writer_fills_windows(const struct ax_online_writer *writer)
{
    assert(writer);
    return atomic_load_explicit(&writer->shown.fills_windows, memory_order_acquire);
}

int64_t ax_online_writer_made_us(const struct ax_online_writer *writer)
{
    assert(writer);
    return writer->disk ? ax_online_disk_made_us(writer->disk) : 0;
}

void ax_online_writer_stats(const struct ax_online_writer *writer,
                            struct ax_online_writer_stats *ret_stats)
{
    assert(writer && ret_stats);
    uint64_t oldest_ns = shown(&writer->shown.oldest_ns);
    *ret_stats = (struct ax_online_writer_stats){
        .queue = atomic_load_explicit(&writer->queued, memory_order_relaxed),
        .batches = shown(&writer->shown.batches),
        .rows_journalled = shown(&writer->shown.rows_journalled),
        .journal_bytes = shown(&writer->shown.journal_bytes),
        .journal_bytes_written = shown(&writer->shown.journal_bytes_written),
        .journal_failures = shown(&writer->shown.journal_failures),
        .folded = shown(&writer->shown.folded),
        .fold_failures = shown(&writer->shown.fold_failures),
        .unfolded = shown(&writer->shown.unfolded),
        .unfolded_ns = oldest_ns ? ax_clock_ns() - oldest_ns : 0,
        .filled = shown(&writer->shown.filled),
        .unfilled = shown(&writer->shown.unfilled),
        .swept = shown(&writer->shown.swept),
        .windows_unfilled = shown(&writer->shown.windows_unfilled),
        .windows_bytes = shown(&writer->shown.windows_bytes),
        .events_refused = shown(&writer->shown.events_refused),
    };
    ax_online_stats(writer->store, &ret_stats->table);
    ret_stats->table.stale += shown(&writer->shown.merge_stale);
}
