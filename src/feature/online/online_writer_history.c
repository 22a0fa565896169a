/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of sources told windows.
 *
 * Windows take an event as often as it comes: which version counts follows from what it says. So a
 * history is put in behind or before what was pushed, and once more, all the same.
 */
#include "feature/online/online_history.h"
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"
#include "feature/online/journal_reader.h"

#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)1 << 20)
#define ARENA_BYTES_MAX   ((size_t)4 << 30)

/* What reads a history and puts it in. */
struct putter {
    struct ax_online_writer *writer;
    struct ax_online_views *views;
    size_t source;
    const struct ax_view *only;
    struct ax_online_counts *counts;
    bool is_asked;         /* what is expected by now of the source's rows */
    struct ax_err refused; /* why the first event was */
};

static void put_rows(struct putter *putter, struct ax_online_apply *apply,
                     const struct ax_online_history *history, const struct ax_journal_rows *read,
                     struct ax_arena *arena)
{
    struct ax_source_rows rows = ax_online_history_rows(history, read);
    if (putter->is_asked)
        ax_source_plan_drop(putter->views->source_plans[putter->source], &rows, arena);
    (void)(ax_online_apply_events(apply, putter->views, putter->source, &rows, putter->only,
                                  putter->counts, &putter->refused) != AX_OK);
}

static enum ax_code put_all(struct putter *putter, const struct ax_online_history *history,
                            struct ax_err *err)
{
    const struct ax_source *source = &putter->views->given.definitions->sources[putter->source];
    struct ax_journal_reader *reader;
    struct ax_journal_rows read = { 0 };
    struct ax_online_apply apply;
    struct ax_arena arena;
    /* What is expected may be of columns that it lacks. */
    if (ax_online_history_has(history, source, NULL, &putter->is_asked, err) ||
        ax_journal_reader_open(history->folder, source->columns, source->column_count, 1,
                               history->rows + 1, &reader, err))
        return err->code;
    uint64_t last = 0;
    ax_online_apply_init(&apply, putter->writer->store, NULL);
    ax_arena_init(&arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    while (!putter->writer->is_stopping && !ax_journal_reader_next(reader, &arena, &read, err) &&
           read.rows) {
        last = read.first_sequence + read.rows - 1;
        put_rows(putter, &apply, history, &read, &arena);
        ax_arena_reset(&arena);
        ax_online_writer_show_windows(putter->writer, read.rows);
        ax_online_writer_turn(putter->writer);
    }
    ax_arena_done(&arena);
    ax_online_apply_done(&apply);
    ax_journal_reader_close(reader);
    if (!err->code && !putter->writer->is_stopping && last < history->rows)
        return ax_fail(err, AX_E_INVALID, "rows are missing");
    return err->code;
}

/* Files give all of it again, which a journal's reader does not know. */
static enum ax_code fail_damaged(const struct ax_online_history *history,
                                 const struct ax_source *source, struct ax_err *err)
{
    ax_err_clear(err);
    return ax_fail(err, AX_E_INVALID,
                   "what files told windows of source '%.*s' is damaged in '%s': "
                   "materialise views of it that have windows",
                   AX_STR_ARG(source->name), history->folder);
}

/* Of which times they have all events: of all if the source is journalled and files have told
 * nothing, unless a history says otherwise, which may lack columns that came since. */
static enum ax_code show_complete(struct putter *putter, const struct ax_online_history *history,
                                  struct ax_err *err)
{
    const struct ax_source_plan *plan = putter->views->source_plans[putter->source];
    const struct ax_source *source = &putter->views->given.definitions->sources[putter->source];
    const struct ax_view *views = putter->views->given.definitions->views;
    bool is_all_pushed = putter->views->are_journalled[putter->source] && !history->is_other;
    int64_t from = history->folder[0] ? history->from_us : is_all_pushed ? INT64_MIN : INT64_MAX;
    bool *lacking = ax_xalloc(source->column_count * sizeof(*lacking));
    if (history->rows && ax_journal_check_columns(history->folder, source->columns,
                                                  source->column_count, lacking, err))
        from = INT64_MAX;
    for (size_t i = 0; i < plan->windows_count; i++) {
        const struct ax_view *view = plan->windows[i].definition;
        if (!putter->only || putter->only == view)
            ax_online_windows_complete(putter->views->windows[view - views], from,
                                       history->rows ? lacking : NULL);
    }
    free(lacking);
    return err->code;
}

enum ax_code ax_online_writer_put_history(struct ax_online_writer *writer,
                                          struct ax_online_views *views, size_t source,
                                          const struct ax_view *only,
                                          struct ax_online_counts *counts, struct ax_err *err)
{
    const struct ax_source *definition = &views->given.definitions->sources[source];
    struct ax_online_history history = { .rows = 0 };
    struct putter putter = { .writer = writer,
                             .views = views,
                             .source = source,
                             .only = only,
                             .counts = counts,
                             .refused = AX_ERR_INIT };
    if (writer->config.state &&
        ax_online_history_find(writer->config.state, definition, &history, err))
        return err->code;
    if (history.rows && put_all(&putter, &history, err))
        return err->code == AX_E_INVALID ? fail_damaged(&history, definition, err) : err->code;
    if (show_complete(&putter, &history, err))
        return err->code;
    if (only && putter.refused.code)
        *err = putter.refused;
    return err->code;
}

void ax_online_writer_do_history(struct ax_online_writer *writer, struct ax_online_call *call)
{
    const struct ax_definitions *definitions = call->views->given.definitions;
    const struct ax_view *view = &definitions->views[call->number];
    if (call->views != writer->views)
        (void)ax_fail(call->err, AX_E_CONFLICT, "other definitions are in force meanwhile");
    else
        (void)(ax_online_writer_put_history(writer, call->views,
                                            (size_t)(view->source - definitions->sources), view,
                                            call->counts, call->err) != AX_OK);
}
