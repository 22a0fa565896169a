/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under which key each event of a view with windows is, so that a correction that gives it another
 * one takes it out there.
 *
 * Of each id that was met: the highest version, its key and its time; an id is forgotten when no
 * window reaches its time, nor when it was known. Ids are told apart by a seeded hash of 64 bits.
 * The store's writer's thread. See docs/internals/online-store.md, "Windows".
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_MOVES_H
#define AX_FEATURE_ONLINE_ONLINE_MOVES_H

#include "feature/online/online_windows.h"

/* What it takes of an event, with the room that its table has; a key takes its text besides. */
#define AX_ONLINE_MOVES_EVENT_BYTES 64

struct ax_online_moves;

/* Whether a correction can give an event of the view another key: not where the id has all of it,
 * or there is none. */
bool ax_view_has_moves(const struct ax_view *view);

/* Over `bytes_max` events are refused. */
struct ax_online_moves *ax_online_moves_new(size_t bytes_max);
/* NULL is fine. */
void ax_online_moves_free(struct ax_online_moves *moves);

/* What is to be put into the windows. */
struct ax_online_moved {
    struct ax_online_windows_item *items;
    size_t count;
    size_t refused, stale; /* of those that were given, which are not among the items */
};

/* Take in events of any keys, in their order. A version that is under another key than the one
 * before comes behind the same version as gone under that; one that is not the highest of its id is
 * left out. A key that is null (ptr NULL) is nobody's. Events up to `forgotten` are in no window's
 * reach. *ret_moved, in the arena, is made also when some were refused; those that are given when
 * nothing is other. Expected: LIMIT (some were refused; with none, the arena has no room, and
 * nothing was taken in: *ret_moved is untouched). */
AX_MUST_USE enum ax_code ax_online_moves_follow(struct ax_online_moves *moves,
                                                struct ax_online_windows_item *given, size_t count,
                                                int64_t forgotten, struct ax_arena *arena,
                                                struct ax_online_moved *ret_moved,
                                                struct ax_err *err);

/* The key, or all of them, went from the windows with its events. */
void ax_online_moves_end(struct ax_online_moves *moves, struct ax_str key);
void ax_online_moves_clear(struct ax_online_moves *moves);

#endif
