/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store's writer has, for the files that make it up: online_writer.c (its thread, and
 * groups of batches), online_writer_define.c (definitions that come into force, and the start),
 * online_writer_fill.c (what comes from the disk), online_writer_carry.c (values that a changed
 * view keeps), online_writer_clear.c (a view that begins anew), online_writer_erase.c (keys that
 * go), online_writer_history.c (what files told windows), online_writer_expire.c (old rows of
 * journals), online_writer_fold.c (what goes to the disk, and when), online_writer_sweep.c (parts
 * that go).
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_WRITER_STATE_H
#define AX_FEATURE_ONLINE_ONLINE_WRITER_STATE_H

#include "base/thread.h"
#include "feature/online/online_apply.h"
#include "feature/online/online_fold.h"
#include "feature/online/online_journals.h"
#include "feature/online/online_writer.h"

/* Batches in the order in which they came, by message.next. */
struct ax_online_batches {
    struct ax_online_batch *first, *last;
};

/* One call of ax_online_writer_define, _clear, _complete, _erase or _history, on the caller's
 * stack. */
struct ax_online_call {
    struct ax_message message;
    void (*run)(struct ax_online_writer *writer, struct ax_online_call *call);
    const struct ax_online_definitions *given; /* define */
    struct ax_online_views *views;   /* define: those that are made; else: that it is by */
    size_t number;                   /* clear, complete, history: of the view */
    struct ax_online_erase *erase;   /* erase */
    struct ax_online_counts *counts; /* history */
    struct ax_err *err;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done; /* lock */
};

enum ax_online_sweep_state {
    AX_ONLINE_SWEEP_NEW, /* the disk is to know first that the view lacks what its journal has */
    AX_ONLINE_SWEEP_FOLDING, /* by the fold that is going on */
    AX_ONLINE_SWEEP_READY,
};

/* Parts of one view that go. */
struct ax_online_sweep {
    struct ax_online_entity *entity;
    uint32_t number; /* of the entity on the disk */
    struct ax_online_drop drop;
    size_t cursor;
    enum ax_online_sweep_state state;
    bool is_refused; /* memory for rows without the part, the last time */
};

struct ax_online_carry;
struct ax_online_fill;

struct ax_online_writer {
    struct ax_online_writer_config config; /* state: own copy, or NULL */
    struct ax_online *store;
    struct ax_inbox inbox;
    struct ax_thread thread;
    _Atomic size_t queued;
    struct {
        _Atomic uint64_t batches, rows_journalled, journal_bytes, journal_bytes_written,
            journal_failures, folded, fold_failures, unfolded, oldest_ns, filled, unfilled, swept,
            windows_unfilled, windows_bytes, events_refused, merge_stale;
        _Atomic bool fills_windows;
        _Atomic int64_t taken_us;
    } shown;

    /* The thread's from here on. */
    bool is_stopping;
    struct ax_online_batches waiting;
    struct ax_message *calls;      /* that wait */
    struct ax_online_views *views; /* in force; NULL: none yet */
    struct ax_online_numbers numbers;
    struct ax_online_disk *disk; /* NULL: not opened yet, or there is none */
    struct ax_online_journals journals;
    struct ax_online_apply apply;
    struct ax_arena arena;       /* of a batch */
    struct ax_arena merge_arena; /* of rows that were made whole, which only the first batch of a
                                    group has: */
    struct ax_source_rows merged;
    uint64_t merge_stale; /* items that partial rows did not become, since newer ones are stored */
    struct ax_map filled; /* names of entities that have all rows of the disk */
    struct ax_online_fill *fills; /* of entities that do not, the next one first */
    struct ax_err fill_err;       /* why they will not either */
    uint64_t fill_entries;        /* what will have been read when there are none */
    bool lacks_windows;           /* those of the views in force are to be filled */

    struct ax_online_views *coming;  /* that are being put in force; NULL: none */
    struct ax_online_views **former; /* not in force any more, and perhaps read by somebody */
    size_t former_count;
    struct ax_online_sweep *sweeps;
    size_t sweep_count;
    const struct ax_online_layout *clearing; /* of the view that is cleared; NULL: none */
    uint64_t sweep_ns;                       /* when the next step is, */
    uint64_t aged_ns;                        /* and when old parts are looked for again */
    uint64_t windows_ns; /* and old events of windows, which go on with this view and its keys */
    size_t windows_view, windows_cursor;
    uint64_t expire_ns;  /* when old rows of journals are looked for again, */
    bool expire_is_held; /* or when a fold is done */

    struct ax_online_folder *folder;       /* NULL as the disk is */
    struct ax_online_unfolded unfolded;    /* since the last fold began */
    struct ax_online_fold fold;            /* the one that is going on */
    struct ax_buf position_names;          /* of it, */
    struct ax_arena forms_arena;           /* and its forms, */
    struct ax_online_views *fold_views;    /* which are those of: own reference, or NULL */
    struct ax_online_batches unkept, kept; /* that wait for the next fold, and for this one */
    uint64_t unfolded_ns; /* when the oldest of the unfolded came; 0: there is none */
    uint64_t folding_ns;  /* the same of those that are folded */
    uint64_t retry_ns;    /* after a failure, not before */
    uint64_t rows_begun;  /* journalled before the last fold began */
    bool has_new_forms;   /* the disk lacks forms of the views in force */
    bool is_folding;
    bool has_failed; /* the last one, and that was told */
    bool is_off;     /* folding is over until it is opened anew */
};

void ax_online_batches_add(struct ax_online_batches *batches, struct ax_online_batch *batch);
struct ax_online_batch *ax_online_batches_take(struct ax_online_batches *batches);

static inline void ax_online_writer_show(_Atomic uint64_t *shown, uint64_t value)
{
    atomic_store_explicit(shown, value, memory_order_relaxed);
}

/* Rows that were taken in up to then are seen. */
static inline void ax_online_writer_show_moment(struct ax_online_writer *writer, int64_t taken_us)
{
    if (taken_us > atomic_load_explicit(&writer->shown.taken_us, memory_order_relaxed))
        atomic_store_explicit(&writer->shown.taken_us, taken_us, memory_order_release);
}

/* The batch is done, whatever became of it. */
void ax_online_writer_answer(struct ax_online_writer *writer, struct ax_online_batch *batch);
/* Take in what was sent, do the batches that wait, fold if it is time: what long work does in
 * between. */
void ax_online_writer_turn(struct ax_online_writer *writer);

void ax_online_writer_do_define(struct ax_online_writer *writer, struct ax_online_call *call);
void ax_online_writer_do_clear(struct ax_online_writer *writer, struct ax_online_call *call);
void ax_online_writer_do_complete(struct ax_online_writer *writer, struct ax_online_call *call);
void ax_online_writer_do_erase(struct ax_online_writer *writer, struct ax_online_call *call);
void ax_online_writer_do_history(struct ax_online_writer *writer, struct ax_online_call *call);
/* Put the history of a source, if it has one, into windows of `views`: of one view, or (NULL) of
 * all. These are known then, as far as they reach back. Expected: those of reading a journal. */
AX_MUST_USE enum ax_code ax_online_writer_put_history(struct ax_online_writer *writer,
                                                      struct ax_online_views *views, size_t source,
                                                      const struct ax_view *only,
                                                      struct ax_online_counts *counts,
                                                      struct ax_err *err);
/* Have old rows of journals go, if it is time. Nobody on this thread reads one. */
void ax_online_writer_expire(struct ax_online_writer *writer);
/* Wait for the first of what comes, and is due, and do it. */
void ax_online_writer_wait(struct ax_online_writer *writer);

/* The number of what the batch is about, in the definitions that are in force. Expected: CONFLICT.
 */
AX_MUST_USE enum ax_code ax_online_writer_resolve(const struct ax_online_writer *writer,
                                                  const struct ax_online_batch *batch,
                                                  size_t *ret_number, struct ax_err *err);
/* Up to where the journal of its source is in a view, on the disk; 0: nothing of it. If that was
 * told, what the disk has of the view may be on its way out; it never is of a source that is not
 * pushed. Expected: INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_online_writer_position(const struct ax_online_writer *writer,
                                                   uint32_t layout, uint64_t *ret_next,
                                                   bool *ret_is_told, struct ax_err *err);
/* Apply all that the journal of a source in force has to one of its views, which has that layout,
 * or (NULL) to all that have windows. */
AX_MUST_USE enum ax_code ax_online_writer_replay(struct ax_online_writer *writer, size_t source,
                                                 const struct ax_online_layout *layout,
                                                 struct ax_err *err);

/* How many rows of histories and journals are for windows. Expected: those of
 * ax_online_history_find. */
AX_MUST_USE enum ax_code ax_online_writer_count_windows(const struct ax_online_writer *writer,
                                                        const struct ax_online_views *views,
                                                        uint64_t *ret_rows, struct ax_err *err);
/* The views that come into force have windows that are to be filled by so many rows. */
void ax_online_writer_lack_windows(struct ax_online_writer *writer, uint64_t rows);
/* So many of these rows were read. */
void ax_online_writer_show_windows(struct ax_online_writer *writer, size_t rows);
/* What changed views keep of what they had, and which fields of views lack what files have, as
 * their forms say from then on. The arena of the views has what it needs; until it is
 * freed, keys that batches write are noted. Expected: INVALID, LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_online_carry_new(struct ax_online_writer *writer,
                                             struct ax_online_views *views,
                                             struct ax_online_carry **ret_carry,
                                             struct ax_err *err);
/* NULL is fine. */
void ax_online_carry_free(struct ax_online_carry *carry);
/* Carry over all that there is, with turns in between; all rows are read before. Expected: INVALID,
 * LIMIT, UNAVAILABLE (not all rows can be read). */
AX_MUST_USE enum ax_code ax_online_carry_all(struct ax_online_carry *carry,
                                             struct ax_online_apply *apply, struct ax_err *err);
/* Carry over what was written since; *ret_is_behind: there were turns, so that it is to be done
 * again. Likewise. */
AX_MUST_USE enum ax_code ax_online_carry_again(struct ax_online_carry *carry,
                                               struct ax_online_apply *apply, bool *ret_is_behind,
                                               struct ax_err *err);
/* Whether the disk is to have other forms. */
bool ax_online_carry_has_new_forms(const struct ax_online_carry *carry);
/* Begin to read the entities of definitions that come into force, and read a little. Expected:
 * INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_online_writer_fill(struct ax_online_writer *writer,
                                               struct ax_online_views *views, struct ax_err *err);
/* Read a little more, if there is more; or all windows, with turns in between. */
void ax_online_writer_fill_more(struct ax_online_writer *writer);
/* Read all of it; `has_turns`: with turns in between, and windows, too. Expected: UNAVAILABLE (it
 * cannot be read). */
AX_MUST_USE enum ax_code ax_online_writer_fill_all(struct ax_online_writer *writer, bool has_turns,
                                                   struct ax_err *err);
/* Tell that some of it cannot be read. */
void ax_online_writer_fill_failed(const struct ax_online_writer *writer, const struct ax_err *err);
/* Read no more of what is not read yet. */
void ax_online_writer_fill_stop(struct ax_online_writer *writer);

/* Of `receive` of the fold. */
void ax_online_writer_folded(void *context, struct ax_message *message);
/* Begin to fold if it is time. */
void ax_online_writer_fold(struct ax_online_writer *writer);
/* When it is time next, monotonic; UINT64_MAX: never, as it looks. */
uint64_t ax_online_writer_fold_ns(const struct ax_online_writer *writer);
/* Whether no more can be written before a fold is done. */
bool ax_online_writer_is_full(const struct ax_online_writer *writer);
/* A step of what is to be swept, if it is time, and when it is next. */
void ax_online_writer_sweep(struct ax_online_writer *writer);
uint64_t ax_online_writer_sweep_ns(const struct ax_online_writer *writer);
/* Have the parts of a view that is not in force go. */
void ax_online_writer_sweep_layout(struct ax_online_writer *writer, struct ax_online_entity *entity,
                                   uint32_t number, uint32_t layout);
/* Likewise of all of these views that nobody reads. */
void ax_online_writer_sweep_views(struct ax_online_writer *writer,
                                  const struct ax_online_views *views);
/* What is to go of all the parts of a view; NULL: nothing, or nothing any more. */
struct ax_online_sweep *ax_online_writer_sweep_find(const struct ax_online_writer *writer,
                                                    uint32_t layout);
/* Leave them. */
void ax_online_writer_sweep_leave(struct ax_online_writer *writer, struct ax_online_sweep *sweep);
/* What comes into force (`coming`) stays. */
void ax_online_writer_sweep_stop(struct ax_online_writer *writer);
/* Others are in force; the ones before, with their reference, or NULL. */
void ax_online_writer_sweep_former(struct ax_online_writer *writer, struct ax_online_views *former);
void ax_online_writer_sweep_done(struct ax_online_writer *writer);

/* Answer the batch when what was done is on the disk. */
void ax_online_writer_keep(struct ax_online_writer *writer, struct ax_online_batch *batch);

#endif
