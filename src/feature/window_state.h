/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of an entity's events: rows in a log whose older chunks are the archive, tiles over
 * the archive, the index of ids (docs/internals/windows.md).
 *
 * Without reading, which window_read.h does: offline by the same thread, in a state of its own;
 * online by others, in pieces that were published (window_piece.h). One thread writes.
 */
#ifndef AX_FEATURE_WINDOW_STATE_H
#define AX_FEATURE_WINDOW_STATE_H

#include "feature/window.h"
#include "feature/window_index.h"
#include "feature/window_tiles.h"

/* Below all times and floors. */
#define AX_WINDOW_FLOOR_NONE (-2 * AX_WINDOW_TIME_MAX)

/* What an event that comes behind all others needs is at its beginning, to be in few lines of the
 * cache. */
struct ax_window_state {
    const struct ax_window_spec *spec;
    struct ax_window_shared *shared; /* NULL: no other thread reads; borrowed */
    /* NULL, or called before the first chunk leaves the log. */
    void (*leaving)(struct ax_window_state *state);
    bool keeps_ids; /* and the rows under tiles */
    /* Of one that is shared: readers do not see all of it yet, so that nothing may be put where
     * they would see it before the rest. */
    bool is_dirty;
    int64_t floor;
    int64_t oldest;   /* nothing that could go as a whole ends before it */
    int64_t archived; /* no row in the archive is behind it */
    struct ax_window_index index;
    struct ax_window_log log;
    size_t counted; /* of the heap's bytes, what is no piece */
    struct ax_window_tiles tiles;
    struct ax_window_log graves;
};

void ax_window_state_init(struct ax_window_state *state, const struct ax_window_spec *spec,
                          enum ax_window_mode mode, struct ax_window_shared *shared);
/* Its pieces go, those of a shared one when it is published as empty. */
void ax_window_state_done(struct ax_window_state *state);
/* Forget all events and the floor, keeping memory. */
void ax_window_state_clear(struct ax_window_state *state);

/* Expected: INVALID, TOO_LARGE, as ax_window_put. */
AX_MUST_USE enum ax_code ax_window_check_event(const struct ax_window_spec *spec,
                                               const struct ax_window_event *event,
                                               const struct ax_values *const *columns, size_t row,
                                               struct ax_err *err);

/* Take in an event that was checked, of AX_WINDOW_ANY; `hash` is ax_hash of its id. False: memory
 * was refused, and nothing has changed. */
AX_MUST_USE bool ax_window_state_put(struct ax_window_state *state,
                                     const struct ax_window_event *event, uint64_t hash,
                                     const struct ax_values *const *columns, size_t row);

/* Have what another row of the last chunk takes come near: its cells, and masks that are not in the
 * line behind the head. */
void ax_window_state_approach_row(const struct ax_window_state *state);

/* Whether that floor takes anything out. */
static inline bool ax_window_state_has_past(const struct ax_window_state *state, int64_t floor)
{
    return floor > state->floor && state->oldest <= floor - state->spec->reach_us;
}

/* As ax_window_forget. */
void ax_window_state_forget(struct ax_window_state *state, int64_t floor);

/* Chunks go under tiles while the newest N stay. False: memory was refused, and a tile that cannot
 * be computed anew lacks rows. */
bool ax_window_state_archive(struct ax_window_state *state);

/* Where an id is, in the log or among the graves. */
struct ax_window_found ax_window_state_find(const struct ax_window_state *state, struct ax_str id);

#endif
