/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoring: what one wake-up brought for the same version is one batch.
 *
 * Jobs are gathered per thread and scored when the wake-up ends; there is no timer. Several small
 * jobs for a version are joined into one call of the engine, within what it does in about half a
 * millisecond. A job with more rows than that goes alone, a slice a turn of the loop. When a
 * millisecond is over, what is left waits for the next wake-up, where others may join it; versions
 * take turns. Everything here belongs to one I/O thread.
 */
#ifndef AX_SERVER_SCORING_H
#define AX_SERVER_SCORING_H

#include "data/rows.h"
#include "net/http.h"
#include "server/catalog.h"

#define AX_SCORING_RUN_NS      ((uint64_t)1000000)     /* most of a wake-up, about */
#define AX_SCORING_SLICE_NS    (AX_SCORING_RUN_NS / 2) /* of a call */
#define AX_SCORING_JOBS_MAX    256   /* in a call, since their answers are given at once, too */
#define AX_SCORING_ROW_NS      10000 /* assumed of a version that never scored */
#define AX_SCORING_BUCKETS     256
#define AX_SCORING_SCRATCH_MAX ((size_t)256 << 20)

struct ax_server_thread;

/* Embedded first in what request->user points at. The caller sets the first group of fields; the
 * job lives until `finish` is called, exactly once, with err->code AX_OK or a failure, and finish
 * answers the request. When `holds_served` is set, a reference is given back by whoever ends the
 * request. One that ends before that, since the thread does, is told of (ax_scoring_forget). */
struct ax_scoring_job {
    struct ax_served *served;
    struct ax_request *request;
    const struct ax_rows *rows;
    struct ax_batch out;  /* columns as the signature's outputs; values NULL: not wanted */
    uint64_t deadline_ns; /* monotonic; not scored when it has passed. 0: none */
    void (*finish)(struct ax_server_thread *thread, struct ax_scoring_job *job, struct ax_err *err);

    size_t scored; /* rows so far, of a job in slices */
    /* For the account: time in the engine, when its last call ended, and that call's rows. All are
     * zero when there was nothing to score. */
    uint64_t infer_ns;
    uint64_t scored_ns;
    size_t call_rows;
    bool holds_served;
    bool is_queued;
    bool group_holds; /* of a head: it waits since an earlier wake-up, and all its group holds */
    struct ax_scoring_job *next;        /* in the same group, or among the heads of groups */
    struct ax_scoring_job *bucket_next; /* of a head: the next one in its bucket */
    struct ax_scoring_job *group_first; /* of a head: the others of its group */
    struct ax_scoring_job *group_last;
};

/* Memory that grows to what was needed once, up to AX_SCORING_SCRATCH_MAX. */
struct ax_scratch {
    char *raw; /* owned */
    char *ptr; /* inside it, aligned to 64 */
    size_t size;
};

struct ax_scoring {
    struct ax_scoring_job *first, *last; /* heads, in order of arrival */
    struct ax_scoring_job *buckets[AX_SCORING_BUCKETS];
    struct ax_scratch engine; /* for the engine's own use */
    struct ax_scratch joined; /* rows and outputs of joined jobs */
};

void ax_scoring_done(struct ax_scoring *scoring);

/* Queue a job for the end of this wake-up. */
void ax_scoring_submit(struct ax_server_thread *thread, struct ax_scoring_job *job);

/* Score what was queued, for about AX_SCORING_RUN_NS; true when some of it is left, whose versions
 * are held from then on. */
AX_MUST_USE bool ax_scoring_run(struct ax_server_thread *thread);

/* A job's request ends before the job does. That happens when the thread ends, and then to all of
 * them: none that is queued is looked at again. Without one that is queued nothing is done. */
void ax_scoring_forget(struct ax_scoring *scoring, const struct ax_scoring_job *job);

#endif
