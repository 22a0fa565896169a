/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that go.
 *
 * First their rows in the table and their windows, in one go: the moment of the deletion. Then the
 * journals of the sources that have rows of them, as they were at that moment: they are read
 * through for the sequences of those rows, and the segments with them are made anew without their
 * values. Batches go on in between, and what they write stays. No definitions come into force
 * meanwhile, so nothing is filled from a journal that still has the rows; who reads the files on
 * his own, as a history does, finds the journal to be another one when all is done. What files told
 * windows goes likewise.
 */
#include "feature/online/online_history.h"
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"
#include "feature/online/journal_reader.h"

#include <assert.h>
#include <stdlib.h>

#define READ_BYTES_FIRST    ((size_t)1 << 20)
#define READ_BYTES_MAX      ((size_t)4 << 30)
#define SEQUENCES_BYTES_MAX ((size_t)1 << 30)

/* ---- table and windows ---- */

enum { SLICE = 256 };

static enum ax_code end_some(struct ax_online_writer *writer, const struct ax_online_item *items,
                             size_t count, struct ax_online_erase *erase, struct ax_err *err)
{
    size_t entity = erase->entity;
    struct ax_str keys[SLICE];
    const struct ax_online_row *rows[SLICE] = { NULL };
    struct ax_online_counts counts = { 0 };
    struct ax_online_fetch fetch = {
        .entity = writer->views->entities[entity], .keys = keys, .count = count, .rows = rows
    };
    for (size_t i = 0; i < count; i++)
        keys[i] = items[i].key;
    bool is_done =
        ax_online_fetch(writer->store, &fetch); /* Rows are freed by this thread alone. */
    assert(is_done);
    for (size_t i = 0; i < count; i++)
        erase->found += rows[i] != NULL;
    if (erase->is_dry)
        return AX_OK;
    return ax_online_apply_end(&writer->apply, writer->views, entity, items, count, &counts, err);
}

static enum ax_code end_keys(struct ax_online_writer *writer, struct ax_online_erase *erase,
                             struct ax_err *err)
{
    struct ax_online_item items[SLICE];
    struct ax_str key;
    void *value;
    size_t count = 0;
    for (size_t at = 0; !err->code && ax_map_next(erase->keys, &at, &key, &value);) {
        items[count++] = (struct ax_online_item){ .key = key };
        if (count < SLICE)
            continue;
        (void)(end_some(writer, items, count, erase, err) != AX_OK);
        count = 0;
    }
    return err->code || end_some(writer, items, count, erase, err) ? err->code : AX_OK;
}

/* ---- journals ---- */

struct eraser {
    struct ax_online_writer *writer;
    size_t source;
    const char *folder;                      /* of the journal */
    const struct ax_online_history *history; /* which is that of files; NULL: of pushed rows */
    uint64_t until;                          /* behind the last row of the moment */
    struct ax_source_keys keys;
    bool is_dry;
    struct ax_online_apply apply;
    struct ax_arena arena;   /* of some rows */
    struct ax_buf sequences; /* of the rows that go */
    uint64_t count;          /* of these */
};

static enum ax_code take_rows(struct eraser *e, const struct ax_journal_rows *read,
                              struct ax_err *err)
{
    const struct ax_online_views *views = e->writer->views;
    const struct ax_source_rows rows =
        e->history ? ax_online_history_rows(e->history, read) : ax_source_rows_from_journal(read);
    bool found[AX_VALUES_ROWS_MAX];
    size_t count;
    if (ax_source_keys_find(&e->keys, read->values, read->rows, &e->arena, found, &count, err))
        return err->code;
    e->count += count;
    if (!count || e->is_dry)
        return AX_OK;
    for (size_t i = 0; i < read->rows; i++) {
        uint64_t sequence = read->first_sequence + i;
        if (found[i])
            (void)ax_buf_append(&e->sequences, &sequence, sizeof(sequence));
    }
    if (e->history && e->history->is_other)
        return ax_buf_check(&e->sequences, "rows of a history that go", err);
    return ax_buf_check(&e->sequences, "rows of a journal that go", err) ||
                   ax_online_apply_gone(&e->apply, views, e->source, &rows, found, &e->keys, err)
               ? err->code
               : AX_OK;
}

static enum ax_code find_rows(struct eraser *e, struct ax_err *err)
{
    const struct ax_source_plan *plan = e->writer->views->source_plans[e->source];
    struct ax_journal_reader *reader;
    struct ax_journal_rows read;
    if (ax_journal_reader_open(e->folder, plan->source->columns, plan->source->column_count, 1,
                               e->until, &reader, err))
        return err->code;
    while (!ax_journal_reader_next(reader, &e->arena, &read, err) && read.rows &&
           !take_rows(e, &read, err)) {
        ax_arena_reset(&e->arena);
        ax_online_writer_turn(e->writer);
    }
    ax_journal_reader_close(reader);
    return err->code;
}

/* All rows lie in segments that were ended then. */
static enum ax_code erase_pushed(struct eraser *e, struct ax_online_journal *journal,
                                 struct ax_err *err)
{
    struct ax_online_journals *journals = &e->writer->journals;
    const uint64_t *sequences = (const void *)e->sequences.ptr;
    size_t some;
    if (ax_online_journal_end_segment(journals, journal, err))
        return err->code;
    for (size_t at = 0; at < e->count; at += some) {
        if (ax_online_journal_erase(journals, journal, sequences + at, e->count - at, &some, err))
            return err->code;
        ax_online_writer_turn(e->writer);
    }
    return AX_OK;
}

/* Nobody writes it any more, so it is opened for that. */
static enum ax_code erase_told(struct eraser *e, struct ax_err *err)
{
    const struct ax_source *source = &e->writer->views->given.definitions->sources[e->source];
    const struct ax_journal_config config = { .folder = e->folder,
                                              .source = source->name,
                                              .columns = source->columns,
                                              .column_count = source->column_count,
                                              .is_synced = true };
    const uint64_t *sequences = (const void *)e->sequences.ptr;
    struct ax_journal *journal;
    size_t some;
    if (ax_journal_open(&config, &journal, err))
        return err->code;
    (void)(ax_journal_end_segment(journal, err) != AX_OK);
    for (size_t at = 0; at < e->count && !err->code; at += some) {
        if (!ax_journal_erase(journal, sequences + at, e->count - at, &some, err))
            ax_online_writer_turn(e->writer);
    }
    ax_journal_close(journal);
    return err->code;
}

/* The rows of the keys in the journal `e` is about; NULL: what files told. */
static enum ax_code erase_rows(struct eraser *e, struct ax_online_journal *journal,
                               struct ax_online_erase *erase, struct ax_err *err)
{
    const struct ax_definitions *definitions = e->writer->views->given.definitions;
    const struct ax_source *source = &definitions->sources[e->source];
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, READ_BYTES_MAX);
    if (!ax_source_keys_init(&e->keys, definitions, source, &definitions->entities[erase->entity],
                             erase->keys, &arena, err) &&
        e->keys.mapping_count) {
        ax_arena_init(&e->arena, READ_BYTES_FIRST, READ_BYTES_MAX);
        ax_buf_init(&e->sequences, SEQUENCES_BYTES_MAX);
        ax_online_apply_init(&e->apply, e->writer->store, NULL);
        if (!find_rows(e, err) && e->sequences.len)
            (void)((journal ? erase_pushed(e, journal, err) : erase_told(e, err)) != AX_OK);
        ax_online_apply_done(&e->apply);
        ax_buf_done(&e->sequences);
        ax_arena_done(&e->arena);
    }
    ax_arena_done(&arena);
    erase->rows[e->source] += e->count;
    return err->code;
}

static enum ax_code erase_source(struct ax_online_writer *writer, size_t source,
                                 struct ax_online_erase *erase, uint64_t until, struct ax_err *err)
{
    const struct ax_definitions *definitions = writer->views->given.definitions;
    struct ax_online_journal *journal =
        ax_online_journals_get(&writer->journals, definitions->sources[source].name);
    struct eraser e = { .writer = writer,
                        .source = source,
                        .folder = journal->folder,
                        .until = until,
                        .is_dry = erase->is_dry };
    return erase_rows(&e, journal, erase, err);
}

/* Whether a history has the keys of an entity, so that its rows can be told. What cannot be read is
 * found when it is. */
static enum ax_code has_keys(const struct ax_definitions *definitions, size_t source, size_t entity,
                             const struct ax_online_history *history, bool *ret_has,
                             struct ax_err *err)
{
    const struct ax_source *definition = &definitions->sources[source];
    struct ax_err unreadable = AX_ERR_INIT;
    bool *columns = ax_xalloc(definition->column_count * sizeof(*columns));
    memset(columns, 0, definition->column_count * sizeof(*columns));
    for (size_t v = 0; v < definitions->view_count; v++) {
        const struct ax_view *view = &definitions->views[v];
        bool is_of = view->source == definition && view->entity == &definitions->entities[entity];
        for (size_t i = 0; is_of && i < view->entity->key_count; i++)
            columns[view->key_columns[i]] = true;
    }
    if (ax_online_history_has(history, definition, columns, ret_has, &unreadable) == AX_E_INVALID)
        *ret_has = true;
    else if (unreadable.code)
        *err = unreadable;
    free(columns);
    return err->code;
}

/* One that cannot be searched goes as a whole. */
static enum ax_code erase_history(struct ax_online_writer *writer, size_t source,
                                  const struct ax_online_history *history,
                                  struct ax_online_erase *erase, struct ax_err *err)
{
    const struct ax_definitions *definitions = writer->views->given.definitions;
    struct eraser e = { .writer = writer,
                        .source = source,
                        .folder = history->folder,
                        .history = history,
                        .until = history->rows + 1,
                        .is_dry = erase->is_dry };
    bool can_be_searched;
    (void)(has_keys(definitions, e.source, erase->entity, history, &can_be_searched, err) ||
           (can_be_searched && erase_rows(&e, NULL, erase, err)));
    bool is_unreadable = err->code == AX_E_INVALID && history->is_other;
    if (is_unreadable)
        ax_err_clear(err);
    if (err->code || erase->is_dry || (can_be_searched && !is_unreadable))
        return err->code;
    return ax_online_history_forget(writer->config.state, &definitions->sources[source], history,
                                    err);
}

/* Those of the source as it was, too: it may be so again. */
static enum ax_code erase_histories(struct ax_online_writer *writer, size_t source,
                                    struct ax_online_erase *erase, struct ax_err *err)
{
    const struct ax_source *definition = &writer->views->given.definitions->sources[source];
    struct ax_online_history history = { .number = 0 };
    do {
        if (ax_online_history_next(writer->config.state, definition, history.number, &history,
                                   err) ||
            (history.rows && erase_history(writer, source, &history, erase, err)))
            return err->code;
    } while (history.folder[0]);
    return AX_OK;
}

/* ---- all of it ---- */

struct flushing {
    struct ax_online_batch batch;
    bool is_done;
};

static void flushed(struct ax_online_batch *batch)
{
    container_of(batch, struct flushing, batch)->is_done = true;
}

/* Have the disk know it. */
static enum ax_code flush(struct ax_online_writer *writer, struct ax_err *err)
{
    struct flushing flushing = { .batch = { .kind = AX_ONLINE_FLUSH, .done = flushed } };
    (void)atomic_fetch_add_explicit(&writer->queued, 1, memory_order_relaxed);
    ax_online_writer_keep(writer, &flushing.batch);
    ax_online_writer_turn(writer);
    while (!flushing.is_done)
        ax_online_writer_wait(writer);
    *err = flushing.batch.err;
    return err->code;
}

static enum ax_code erase_keys(struct ax_online_writer *writer, struct ax_online_erase *erase,
                               struct ax_err *err)
{
    const struct ax_online_views *views = writer->views;
    size_t count = views->given.definitions->source_count;
    uint64_t *untils = ax_xalloc((count + 1) * sizeof(*untils));
    erase->found = 0;
    for (size_t i = 0; i < count; i++) {
        erase->rows[i] = 0;
        struct ax_str name = views->given.definitions->sources[i].name;
        if (ax_online_views_journalled(views, i))
            untils[i] = ax_online_journal_next(ax_online_journals_get(&writer->journals, name));
    }
    (void)(end_keys(writer, erase, err) != AX_OK);
    for (size_t i = 0; i < count && !err->code; i++) {
        const struct ax_source_plan *plan = views->source_plans[i];
        if (ax_online_views_journalled(views, i) && writer->journals.folder)
            (void)(erase_source(writer, i, erase, untils[i], err) != AX_OK);
        if (plan && plan->windows_count && writer->config.state && !err->code)
            (void)(erase_histories(writer, i, erase, err) != AX_OK);
    }
    free(untils);
    return err->code || erase->is_dry || flush(writer, err) ? err->code : AX_OK;
}

void ax_online_writer_do_erase(struct ax_online_writer *writer, struct ax_online_call *call)
{
    if (call->views == writer->views)
        (void)(erase_keys(writer, call->erase, call->err) != AX_OK);
    else
        (void)ax_fail(call->err, AX_E_CONFLICT, "other definitions are in force meanwhile");
}
