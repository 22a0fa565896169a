/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoring: what one wake-up brought for the same version is one batch.
 *
 * Jobs are gathered per thread and scored when the wake-up ends; there is no timer. Several small
 * jobs for a version are joined into one call of the engine, within what it does in a slice of
 * time. A job with more rows than that goes alone, a slice a turn. When the time of a wake-up is
 * over, what is left waits for the next one, where others may join it. Whose turn it is says
 * server/scoring_queue.h; what is not taken at all, server/admission.h. Everything here belongs to
 * one I/O thread.
 */
#ifndef AX_SERVER_SCORING_H
#define AX_SERVER_SCORING_H

#include "data/rows.h"
#include "net/http.h"
#include "server/admission.h"
#include "server/catalog.h"
#include "server/scoring_queue.h"

#define AX_SCORING_RUN_NS      (2 * AX_SCORING_SLICE_NS) /* most of a wake-up, about */
#define AX_SCORING_SHORT_NS    (4 * AX_SCORING_SLICE_NS) /* jobs in slices that are done in order */
#define AX_SCORING_JOBS_MAX    256 /* in a call, since their answers are given at once, too */
#define AX_SCORING_ROWS_FIRST  64  /* in a call of a version that never scored */
#define AX_SCORING_SCRATCH_MAX ((size_t)256 << 20)

struct ax_request_user;
struct ax_server_thread;

/* Embedded first in what request->user points at. The caller sets the first group of fields; the
 * job lives until `finish` is called, exactly once, with err->code AX_OK or a failure, and finish
 * answers the request. When `holds_served` is set, a reference is given back by whoever ends the
 * request. One that ends before that, since the thread does, is told of (ax_scoring_forget). */
struct ax_scoring_job {
    const struct ax_request_user *user; /* of what request->user points at; not looked at here */
    struct ax_served *served;
    struct ax_request *request;
    const struct ax_rows *rows;
    struct ax_batch out;  /* columns as the signature's outputs; values NULL: not wanted */
    uint64_t deadline_ns; /* monotonic; no call of it begins then or later. 0: none */
    unsigned level;       /* of priority, 0 first */
    void (*finish)(struct ax_server_thread *thread, struct ax_scoring_job *job, struct ax_err *err);

    size_t scored; /* rows so far, of a job in slices */
    /* For the account: time in calls, when the last one began and ended, and its rows. All are
     * zero when there was nothing to score. */
    uint64_t infer_ns;
    uint64_t began_ns;
    uint64_t scored_ns;
    size_t call_rows;
    bool holds_served;
    bool is_queued;
    bool is_single;   /* a call that it was joined into failed, so that it goes alone */
    bool is_behind;   /* others waited when it came */
    uint64_t line_ns; /* what it should take before the next one has its turn, */
    uint64_t rest_ns; /* and behind that, of a long one */
    struct ax_scoring_job *next;
};

/* Memory that grows to what was needed once, up to AX_SCORING_SCRATCH_MAX. */
struct ax_scratch {
    char *raw; /* owned */
    char *ptr; /* inside it, aligned to 64 */
    size_t size;
};

struct ax_scoring {
    struct ax_scoring_queue queue;
    const struct ax_admission_config *admission; /* borrowed */
    struct ax_scratch engine;                    /* for the engine's own use */
    struct ax_scratch joined;                    /* rows and outputs of joined jobs */
    uint64_t behind_ns;   /* when the last run ended and left something; 0: it did not */
    uint64_t run_cost_ns; /* predicted, of this run's calls so far */
    float stretch;        /* time that passes while so much predicted work is done; learnt */
    float margin;         /* deadlines ask for so much more than is predicted; learnt */
    int64_t shown_ns;     /* of the backlog's gauge, by this thread */
};

/* `config` is borrowed until done. */
void ax_scoring_init(struct ax_scoring *scoring, const struct ax_admission_config *config);
void ax_scoring_done(struct ax_scoring *scoring);

/* Whether a request for this version has to be refused right now, whatever its body says: it would
 * wait too long. Expected: LIMIT, TIMEOUT. */
AX_MUST_USE enum ax_code ax_scoring_check(struct ax_scoring *scoring,
                                          const struct ax_served *served, unsigned level,
                                          uint64_t deadline_ns, uint64_t now_ns,
                                          struct ax_err *err);

/* Queue a job for the end of this wake-up, or refuse it: it is not the scoring's then. Expected:
 * LIMIT (too much waits), TIMEOUT (it cannot be done in time). */
AX_MUST_USE enum ax_code ax_scoring_submit(struct ax_server_thread *thread,
                                           struct ax_scoring_job *job, uint64_t now_ns,
                                           struct ax_err *err);

/* Score what was queued, for about AX_SCORING_RUN_NS; true when some of it is left, whose versions
 * are held from then on. */
AX_MUST_USE bool ax_scoring_run(struct ax_server_thread *thread);

/* How long it would take until all that waits was scored, about. */
uint64_t ax_scoring_backlog_ns(const struct ax_scoring *scoring);

/* A job's request ends before the job does. That happens when the thread ends, and then to all of
 * them: none that is queued is looked at again. Without one that is queued nothing is done. */
void ax_scoring_forget(struct ax_scoring *scoring, const struct ax_scoring_job *job);

/* The job goes past its wake-up. */
void ax_scoring_job_hold(struct ax_scoring_job *job);

#endif
