/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view that begins anew.
 *
 * The disk is told first that the view has nothing of its journal, and nothing else until all of
 * the journal was applied again: whoever is killed in between applies it at the next start. Then
 * all parts go, as those of a view that is not in force any more, and what was taken in up to then
 * is applied. It is told, too, that the view lacks what files have, until whoever cleared the view
 * has written that: partial rows, which would be merged with what is not the newest row, are
 * refused as long, and what else comes meanwhile is applied as ever.
 *
 * Windows are in memory alone: all keys go, and come again from the history and the journal of
 * their source. Meanwhile nothing is known of them.
 */
#include "feature/online/online_moves.h"
#include "feature/online/online_writer_state.h"

/* All parts. The disk is asked at once, though it may have failed a moment ago: somebody waits.
 * Expected: UNAVAILABLE (nothing went), LIMIT (some did). */
static enum ax_code drop_parts(struct ax_online_writer *writer, size_t entity, struct ax_err *err)
{
    const struct ax_online_views *views = writer->views;
    uint32_t layout = writer->clearing->id;
    uint64_t failures = atomic_load(&writer->shown.fold_failures);
    struct ax_online_sweep *sweep;
    ax_online_writer_sweep_layout(writer, views->entities[entity], views->entity_numbers[entity],
                                  layout);
    writer->sweep_ns = writer->retry_ns = 0;
    ax_online_writer_turn(writer);
    while ((sweep = ax_online_writer_sweep_find(writer, layout))) {
        bool has_failed = writer->is_off || atomic_load(&writer->shown.fold_failures) != failures;
        if (sweep->state != AX_ONLINE_SWEEP_READY && has_failed) {
            ax_online_writer_sweep_leave(writer, sweep);
            return ax_fail(err, AX_E_UNAVAILABLE, "the online store cannot write to the disk");
        }
        if (sweep->is_refused) {
            ax_online_writer_sweep_leave(writer, sweep);
            return ax_fail(err, AX_E_LIMIT,
                           "the online store has no memory to make rows without the view: raise "
                           "online_memory_bytes_max");
        }
        ax_online_writer_wait(writer);
    }
    return AX_OK;
}

/* All fields of a view lack what files have, or none. */
static void set_lacks(struct ax_online_writer *writer, size_t number, bool lacks_files)
{
    struct ax_online_form *form = &writer->views->forms[number];
    for (size_t i = 0; i < form->field_count; i++) {
        if (form->fields[i].lacks_files != lacks_files)
            writer->has_new_forms = writer->folder != NULL;
        form->fields[i].lacks_files = lacks_files;
    }
}

static enum ax_code clear(struct ax_online_writer *writer, size_t number, struct ax_err *err)
{
    const struct ax_online_views *views = writer->views;
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_view *view = &definitions->views[number];
    size_t source = (size_t)(view->source - definitions->sources);
    bool is_journalled = ax_online_views_journalled(views, source) != NULL;
    struct ax_err unread = AX_ERR_INIT;
    set_lacks(writer, number, true);
    writer->clearing = views->views[number].layout;
    enum ax_code code = drop_parts(writer, (size_t)(view->entity - definitions->entities), err);
    if (is_journalled && code != AX_E_UNAVAILABLE &&
        ax_online_writer_replay(writer, source, writer->clearing, &unread) && !code)
        *err = unread;
    writer->clearing = NULL;
    if (is_journalled) {
        struct ax_online_journal *journal =
            ax_online_journals_get(&writer->journals, view->source->name);
        journal->folding = journal->folded = 0; /* a fold that goes on leaves the view out */
    }
    return err->code;
}

static enum ax_code clear_windows(struct ax_online_writer *writer, size_t number,
                                  struct ax_err *err)
{
    struct ax_online_views *views = writer->views;
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_view *view = &definitions->views[number];
    size_t source = (size_t)(view->source - definitions->sources);
    struct ax_online_counts counts = { 0 };
    ax_online_windows_complete(views->windows[number], INT64_MAX, NULL);
    ax_online_windows_clear(views->windows[number]);
    if (views->moves[number])
        ax_online_moves_clear(views->moves[number]);
    if (ax_online_views_journalled(views, source) &&
        ax_online_writer_replay(writer, source, NULL, err))
        return err->code;
    return ax_online_writer_put_history(writer, views, source, view, &counts, err);
}

/* The number, by the definitions in force, of the view that a call is about. */
static enum ax_code number_of(struct ax_online_writer *writer, const struct ax_online_call *call,
                              size_t *ret_number)
{
    const struct ax_online_batch about = { .kind = AX_ONLINE_VALUES,
                                           .views = call->views,
                                           .number = call->number };
    return ax_online_writer_resolve(writer, &about, ret_number, call->err);
}

void ax_online_writer_do_clear(struct ax_online_writer *writer, struct ax_online_call *call)
{
    size_t number;
    if (!number_of(writer, call, &number))
        (void)((writer->views->windows[number] ? clear_windows(writer, number, call->err)
                                               : clear(writer, number, call->err)) != AX_OK);
}

void ax_online_writer_do_complete(struct ax_online_writer *writer, struct ax_online_call *call)
{
    size_t number;
    if (!number_of(writer, call, &number))
        set_lacks(writer, number, false);
}
