/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows offline: a stream of events and probes in, the values of each probe out, in one pass.
 *
 * Rows come ordered by (key, moment, events before probes). What is held is one key's windows. The
 * values are those that the online state gives after the same events (docs/internals/windows.md).
 * One thread.
 */
#ifndef AX_FEATURE_WINDOW_JOIN_H
#define AX_FEATURE_WINDOW_JOIN_H

#include "feature/window.h"

/* Where values go; begins the implementer's struct. */
struct ax_window_sink {
    /* The values of a probe, one an aggregate, borrowed for the call; `number` is the probe's. */
    enum ax_code (*emit)(struct ax_window_sink *sink, int64_t number,
                         const struct ax_window_value *values, struct ax_err *err);
};

struct ax_window_join_config {
    const struct ax_window_spec *spec; /* borrowed */
    /* AX_WINDOW_SORTED: an event's moment is its time, each id comes once, no probe has a self.
     * AX_WINDOW_ANY: an event's moment is when it was known; other versions may follow. */
    enum ax_window_mode mode;
    struct ax_window_sink *sink; /* borrowed */
};

/* Some rows. Lists of no interest are NULL; what is told of events is not read of probes. */
struct ax_window_join_rows {
    size_t count;
    const int64_t *keys;          /* not falling */
    const uint64_t *key_validity; /* NULL: all are there; a probe without a key meets no event */
    const int64_t *moments;       /* of a probe: what is asked for; of an event: when it comes in */
    const bool *are_probes;
    const int64_t *times;               /* of events; NULL: their moments */
    const int64_t *created, *sequences; /* of events; NULL: 0 */
    const bool *are_gone;               /* of events; NULL: none is */
    /* Of an event its id, of a probe that of the event that does not count, if it is not null. */
    const struct ax_values *const *ids;
    size_t id_count;                        /* 1 or more */
    const int64_t *numbers;                 /* of probes, as they are given to the sink */
    const struct ax_values *const *columns; /* of events, the spec's */
};

struct ax_window_join;

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_window_join_new(const struct ax_window_join_config *config,
                                            struct ax_window_join **ret_join, struct ax_err *err);
void ax_window_join_free(struct ax_window_join *join);

/* The next rows. Expected: INVALID (order, an event without id), TOO_LARGE, LIMIT, and the sink's.
 * After a failure only free may follow. */
AX_MUST_USE enum ax_code ax_window_join_push(struct ax_window_join *join,
                                             const struct ax_window_join_rows *rows,
                                             struct ax_err *err);

/* The most bytes that one key's windows took so far, looked at when a key ends. */
size_t ax_window_join_bytes_max(const struct ax_window_join *join);

#endif
