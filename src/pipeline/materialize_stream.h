/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latest rows on their way to the online store: made into values of a view, and sent to the store's
 * writer in batches, of which a few are under way while the next one is made.
 *
 * One thread uses it, and waits in it for the writer, and for its turn when there is a limit of
 * rows a second.
 */
#ifndef AX_PIPELINE_MATERIALIZE_STREAM_H
#define AX_PIPELINE_MATERIALIZE_STREAM_H

#include "feature/offline/offline.h"
#include "feature/online/online_writer.h"

struct ax_materialize_stream;

struct ax_materialize_stream_config {
    struct ax_online_writer *writer; /* borrowed, as all of it */
    struct ax_online_views *views;
    uint64_t rows_per_s_max; /* 0: no limit */
    atomic_bool *cancelled;  /* or NULL */
};

/* What became of the rows of a view. */
struct ax_materialize_counts {
    uint64_t written;
    uint64_t stale;   /* what is stored is newer */
    uint64_t refused; /* the key is larger than the store takes, or the values are */
};

struct ax_materialize_stream *ax_materialize_stream_new(
    const struct ax_materialize_stream_config *config);
/* Waits for what is under way. NULL is fine. */
void ax_materialize_stream_free(struct ax_materialize_stream *stream);

/* Send rows of a view, whose number is that in the definitions of `views`; between two calls of
 * `end` all are of one view. What the writer refuses of earlier rows may fail this. Expected: LIMIT
 * (the store is full), CONFLICT (other definitions came into force), TOO_LARGE, UNAVAILABLE,
 * CANCELLED. */
AX_MUST_USE enum ax_code ax_materialize_stream_write(struct ax_materialize_stream *stream,
                                                     size_t number,
                                                     const struct ax_offline_latest_rows *rows,
                                                     struct ax_err *err);

/* Wait until as many rows may be written elsewhere. Expected: CANCELLED. */
AX_MUST_USE enum ax_code ax_materialize_stream_wait(struct ax_materialize_stream *stream,
                                                    size_t rows, struct ax_err *err);

/* Have all that was sent on the disk, and begin another view. Expected: as above. */
AX_MUST_USE enum ax_code ax_materialize_stream_end(struct ax_materialize_stream *stream,
                                                   struct ax_materialize_counts *ret_counts,
                                                   struct ax_err *err);

#endif
