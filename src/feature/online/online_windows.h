/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of a view for all its keys, online: events of any keys in, columns of the view's
 * fields out.
 *
 * A hash table from keys to windows (feature/online/online_window.h), which readers search without
 * waiting while the store's writer puts events in. The view is borrowed and outlives it. See
 * docs/internals/online-store.md, "Windows".
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_WINDOWS_H
#define AX_FEATURE_ONLINE_ONLINE_WINDOWS_H

#include "data/expr/program.h"
#include "feature/online/memory_index.h"
#include "feature/online/online_window.h"
#include "feature/view_windows.h"

/* Windows that are online are read at moments that are so old. */
#define AX_ONLINE_WINDOWS_PAST_US INT64_C(3600000000)

struct ax_online_windows {
    const struct ax_view *view;
    struct ax_arena arena;
    struct ax_view_windows made; /* whose columns are those of events that are put in */
    struct ax_program *program;  /* of all fields, over aggregates */
    struct ax_online_window *nobody;
    struct ax_window_heap heap;
    struct ax_memory_slab slab; /* of keys, what finds them, and windows */
    struct ax_memory_retired retired;
    struct ax_memory_index index;
    _Atomic uint64_t keys;   /* any thread may load it */
    uint64_t refused;        /* events that it did not take; the writer's */
    _Atomic int64_t floor;   /* what moments from there on reach is kept */
    _Atomic int64_t *sinces; /* one an aggregate: moments from there on have all its events */
    _Atomic int64_t newest;  /* time of an event of any key; AX_ONLINE_TIMELESS: none came. Any
                                thread may load it */
};

/* `memory_bytes_max` is for windows, and as much again for keys. Expected: INVALID, TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_online_windows_open(const struct ax_view *view, struct ax_epoch *epoch,
                                                size_t memory_bytes_max,
                                                struct ax_online_windows **ret_windows,
                                                struct ax_err *err);
/* Nobody uses it any more. NULL is fine. */
void ax_online_windows_close(struct ax_online_windows *windows);

/* ---- The writer's. ---- */

struct ax_online_windows_item {
    struct ax_str
        key; /* feature/online/online_key.h; ptr NULL: a null in it, and nothing is done */
    struct ax_window_event event;
    size_t row; /* of the columns */
    enum ax_code ret_code;
};

/* Put in events, whose values are in columns as `made.columns` say. Each is done, or refused and
 * its code says so; `err` is that of the first. Expected: those of ax_online_window_put. */
AX_MUST_USE enum ax_code ax_online_windows_put(struct ax_online_windows *windows,
                                               struct ax_online_windows_item *items, size_t count,
                                               const struct ax_values *const *columns,
                                               struct ax_err *err);

/* Events whose time is later than `from` are there, but for columns i of the source with
 * lacking[i] (NULL: none): aggregates that reach further back, or are of such columns, are not
 * known. INT64_MIN: all are, as before this is said; INT64_MAX: nothing is known. */
void ax_online_windows_complete(struct ax_online_windows *windows, int64_t from,
                                const bool *lacking);

/* What moments before it reach was forgotten, as far as the sweep came; INT64_MIN: nothing. */
static inline int64_t ax_online_windows_floor(const struct ax_online_windows *windows)
{
    return atomic_load_explicit(&windows->floor, memory_order_relaxed);
}

/* Of the keys of some more slots of the table, forget what no moment from `floor` on reaches, and
 * keys that have nothing left. Begins with *cursor = 0 and goes on by it, until it is false. */
bool ax_online_windows_sweep(struct ax_online_windows *windows, int64_t floor, size_t *cursor);

/* A key goes with all its events. Whether it was there. */
bool ax_online_windows_end(struct ax_online_windows *windows, struct ax_str key);

/* All keys go. */
void ax_online_windows_clear(struct ax_online_windows *windows);

/* Free what readers have left; after each batch. */
void ax_online_windows_settle(struct ax_online_windows *windows);

/* ---- Readers', inside the epoch. ---- */

/* What is asked; borrowed. */
struct ax_online_windows_read {
    const struct ax_str *keys;  /* ptr NULL: a key with a null, which nobody has */
    const int64_t *at;          /* one a key */
    const struct ax_str *selfs; /* ids of events that do not count, one a key; ptr NULL, or the
                                   list: all count */
    size_t count;               /* at most AX_VALUES_ROWS_MAX */
};

/* Columns of all fields, narrowed to what is stored, in the arena. A key that is not there has no
 * events, and neither has one with a null. known[i] is false where the moment lies before what is
 * kept, or from where on all events are there: then the values mean nothing. The scratch is of
 * made.spec. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_online_windows_get(const struct ax_online_windows *windows,
                                               const struct ax_online_windows_read *read,
                                               struct ax_window_scratch *scratch,
                                               struct ax_arena *arena, struct ax_values *ret_fields,
                                               bool *ret_known, struct ax_err *err);

#endif
