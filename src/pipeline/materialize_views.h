/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Materialise: copy the latest values of views from the history of their sources to the online
 * store.
 *
 * Each plain view's latest rows are read (feature/offline) and handed to the store's writer; when
 * they are on the disk the registry is told up to where the view is. So whoever is killed loses the
 * views that were under way, and what of them was written already is written again, which changes
 * nothing: the order of stamps decides, not that of writing. Who runs it has the lock of the state
 * directory.
 *
 * Of views with windows the events within reach are kept as the history of their source
 * (feature/online/online_history.h), and then put into the windows.
 *
 * A view that is rebuilt is cleared (ax_online_writer_clear) when its first rows are read; before,
 * the registry forgets it. So whoever is killed in between has a view that is begun anew. So is one
 * whose values went with the store's file.
 */
#ifndef AX_PIPELINE_MATERIALIZE_VIEWS_H
#define AX_PIPELINE_MATERIALIZE_VIEWS_H

#include "pipeline/applied_definitions.h"
#include "pipeline/materialize_stream.h"

enum ax_materialize_outcome {
    AX_MATERIALIZE_DONE,
    AX_MATERIALIZE_DONE_BEFORE, /* by the run with the same arguments that was broken off */
    AX_MATERIALIZE_WINDOWED,    /* it has windows, which are always read whole: there is a `from` */
    AX_MATERIALIZE_NAMELESS,    /* it has windows of events without an id */
    AX_MATERIALIZE_OFFLINE,     /* the view is not online */
    AX_MATERIALIZE_FAILED,
};
/* "done", "done before", … */
const char *ax_materialize_outcome_name(enum ax_materialize_outcome outcome) AX_RETURNS_NONNULL;

/* What became of a view, while it is told. */
struct ax_materialize_result {
    struct ax_str view;
    enum ax_materialize_outcome outcome;
    size_t read;     /* rows of its source */
    size_t rejected; /* of these by the source's expectations */
    bool is_windowed;
    size_t latest;                       /* rows that its keys have; of windows events */
    struct ax_materialize_counts counts; /* of these; of a dry run 0 */
    int64_t to_us;
    double seconds;
    struct ax_str why; /* of a failure */
};

struct ax_materialize_config {
    const char *state;
    struct ax_registry *registry; /* open to write; of a dry run to read */
    const struct ax_applied_definitions *applied;
    struct ax_online_writer *writer; /* NULL: a dry run, which only reads */
    struct ax_online_views *views;   /* of `applied` */
    const struct ax_str *names;      /* of views; none: all that are online */
    size_t name_count;
    bool has_from;
    int64_t from_us; /* rows whose time lies in [from, to]; without `from` all up to `to` */
    bool has_to;     /* else, and where it is later, it is now */
    int64_t to_us;
    bool incremental;        /* only what is new since the view was materialised last */
    bool rebuild;            /* what the view has is taken out before it is written */
    bool keep_failed;        /* rows that their source does not expect: <state>/failed, as
                                ax_offline_expect keeps them; `notice` tells the file */
    uint64_t rows_per_s_max; /* 0: no limit */
    size_t threads;
    size_t memory_bytes_max; /* of reading: struct ax_offline_config */
    atomic_bool *cancelled;  /* or NULL */
    /* As those of the offline store; or NULL. */
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    void (*notice)(void *arg, struct ax_str text);
    void (*result)(void *arg, const struct ax_materialize_result *result);
    void *arg;
};

/* A view, and what it is made from. */
struct ax_materialize_names {
    struct ax_str view, source, entity;
};
/* Of what a view of the catalogue means, and of the versions of what it is made from: what was
 * materialised by another one is begun anew. Expected: as ax_lineage_digest. */
AX_MUST_USE enum ax_code ax_materialize_digest(const struct ax_registry_catalogue *catalogue,
                                               const struct ax_materialize_names *names,
                                               struct ax_arena *arena,
                                               char ret_digest[AX_SHA256_TEXT_SIZE],
                                               struct ax_err *err);
/* When a view was materialised as it is now: the moment up to which its rows were read, or that at
 * which it was done, if that was earlier, UTC; INT64_MIN: never, or before `made_us`, when the
 * store was made that its values are in (0: nobody knows, or they are in none). Expected: likewise.
 */
AX_MUST_USE enum ax_code ax_materialize_last_us(struct ax_registry *registry,
                                                const struct ax_registry_catalogue *catalogue,
                                                const struct ax_materialize_names *names,
                                                int64_t made_us, struct ax_arena *arena,
                                                int64_t *ret_us, struct ax_err *err);

/* Which views were materialised, one bool each, be it otherwise defined, or into a store of the
 * state directory that is gone: the writer's was made later. *ret_lost: how many views that are
 * online went with it. Expected: as for reading the registry. */
AX_MUST_USE enum ax_code ax_materialize_look_back(struct ax_registry *registry,
                                                  const struct ax_definitions *definitions,
                                                  const struct ax_online_writer *writer,
                                                  bool *ret_are_materialised, size_t *ret_lost,
                                                  struct ax_err *err);

/* Views are told in the order of their sources. A source that fails is told by its views' results
 * and the others are done all the same; what failed first is returned. Expected: NOT_FOUND (no view
 * has a name), INVALID, TOO_LARGE, LIMIT, CONFLICT, UNAVAILABLE, CANCELLED, and the system's codes.
 */
AX_MUST_USE enum ax_code ax_materialize_views(const struct ax_materialize_config *config,
                                              struct ax_err *err);

#endif
