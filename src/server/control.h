/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that a server does for others: what comes by the control socket of its state directory.
 *
 * A command is registered by name; a request for one becomes a job, which runs on a thread for jobs
 * alone, one at a time. Another thread takes requests and sees who goes away. Neither of them is an
 * I/O thread. The server's own threads may ask for jobs, too. See docs/internals/control.md.
 */
#ifndef AX_SERVER_CONTROL_H
#define AX_SERVER_CONTROL_H

#include "server/control_request.h"

#include <stdatomic.h>

#define AX_CONTROL_JOBS_MAX ((size_t)17) /* one that runs and those that wait */

struct ax_control;
struct ax_control_job;
struct ax_server;

/* A table of them ends with a NULL name. */
struct ax_control_command {
    const char *name;
    /* Do it, on the thread for jobs. What it returns is what the client's command ends with.
     * CANCELLED is for one that was cancelled. */
    enum ax_code (*run)(struct ax_control_job *job, const struct ax_control_request *request,
                        struct ax_err *err);
};

/* ---- for whoever runs ---- */

/* For standard output of the client's command, as it is; of a task for the log. What cannot be sent
 * cancels the job. Expected: CANCELLED. */
AX_MUST_USE enum ax_code ax_control_job_print(struct ax_control_job *job, struct ax_str text,
                                              struct ax_err *err);
/* A line for its standard error, or the log, without an end. */
void ax_control_job_note(struct ax_control_job *job, struct ax_str text);
/* What is being done, and how much of it is (of 0: nobody knows). Sent some times a second, however
 * often it is told. */
void ax_control_job_progress(struct ax_control_job *job, const char *what, uint64_t done,
                             uint64_t of);
/* Set when its client has gone or the server stops. */
atomic_bool *ax_control_job_cancelled(struct ax_control_job *job) AX_RETURNS_NONNULL;
static inline bool ax_control_job_is_cancelled(struct ax_control_job *job)
{
    return atomic_load(ax_control_job_cancelled(job));
}
/* Its memory, which ends with it. */
struct ax_arena *ax_control_job_arena(struct ax_control_job *job) AX_RETURNS_NONNULL;
/* Whose job it is. */
struct ax_server *ax_control_job_server(struct ax_control_job *job);

/* ---- for the server ---- */

/* What the server asks itself for: a job without a client. */
struct ax_control_task {
    struct ax_control_request request; /* copied */
    bool is_only; /* not while one of the same command waits or runs: CONFLICT */
    /* (optional) It has ended, with AX_OK or not: once, on the thread for jobs, which it must not
     * keep. */
    void (*done)(void *arg, const struct ax_err *err);
    void *arg;
};
/* Queue it behind those that wait. Any thread; never blocks. When it fails, `done` is not called.
 * Expected: LIMIT (too many wait), CONFLICT, TOO_LARGE, UNAVAILABLE (it is not started, or it
 * stops). */
AX_MUST_USE enum ax_code ax_control_submit(struct ax_control *control,
                                           const struct ax_control_task *task, struct ax_err *err);

/* Listen in the state directory `state`, which the caller owns (base/state_lock.h). The names are
 * borrowed. Who connects waits until start. Expected: DENIED, INVALID, UNSUPPORTED, LIMIT. */
AX_MUST_USE enum ax_code ax_control_new(const char *state,
                                        const struct ax_control_command *commands,
                                        struct ax_server *server, struct ax_control **ret_control,
                                        struct ax_err *err);
/* Begin to take requests. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_control_start(struct ax_control *control, struct ax_err *err);
/* Take no more, and cancel all jobs. Does not wait. NULL is fine. */
void ax_control_stop(struct ax_control *control);
/* Stop, and wait for the jobs until `until_ns` (monotonic). False: one runs still, and nothing is
 * freed: for the end of a process. NULL is fine. */
AX_MUST_USE bool ax_control_free_until(struct ax_control *control, uint64_t until_ns);

#endif
