/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: taking jobs, calling the engine, learning from it.
 *
 * A turn is one call of the engine for the flow whose turn it is. The clock is read when it begins,
 * and by that reading each job of the call is in time, or is not in it. What is joined, and how
 * long a slice is, follows from what the version was learnt to cost; what a wake-up leaves, from
 * the clock. Predicted time is not time: answers are printed, requests are read, other processes
 * run. So the thread learns how much time passes while it does so much predicted work, from runs
 * that left work to the next run, and a prediction is multiplied by that.
 *
 * That is right in the mean. Under a load that does not end all that is let in is predicted to be
 * done just before its deadline, and half of it would be late. So deadlines are asked with a
 * margin, which grows with each one that was late in the end and shrinks with each one that was
 * not, such that about one in a hundred is (Robbins and Monro 1951, for a quantile).
 */
#include "server/scoring.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/scoring_join.h"
#include "server/server_thread.h"

#include <assert.h>
#include <math.h>

#define STRETCH_FIRST 1.5F
#define STRETCH_LEAST 0.125F
#define STRETCH_MOST  32.0F
#define STRETCH_RATE  0.125F

#define MARGIN_FIRST 1.25F
#define MARGIN_MOST  2.0F
#define MARGIN_STEP  0.25F
#define LATE_SHARE   0.01F

void ax_scoring_init(struct ax_scoring *scoring, const struct ax_admission_config *config)
{
    assert(scoring && config);
    scoring->admission = config;
    scoring->stretch = STRETCH_FIRST;
    scoring->margin = MARGIN_FIRST;
}

/* Show what waits; what was not moved costs nothing. */
static void scoring_show(struct ax_scoring *scoring, uint64_t backlog_ns)
{
    int64_t now_ns = (int64_t)backlog_ns;
    if (now_ns == scoring->shown_ns)
        return;
    ax_admission_show_backlog(now_ns - scoring->shown_ns);
    scoring->shown_ns = now_ns;
}

void ax_scoring_done(struct ax_scoring *scoring)
{
    scoring_show(scoring, 0);
    ax_scoring_queue_done(&scoring->queue);
    free(scoring->engine.raw);
    free(scoring->joined.raw);
}

void ax_scoring_job_hold(struct ax_scoring_job *job)
{
    if (!job->holds_served)
        (void)ax_served_ref(job->served);
    job->holds_served = true;
}

/* The most rows of a call that takes a slice of time. */
static size_t call_rows_max(const struct ax_served *served)
{
    return ax_cost_is_known(&served->cost) ? ax_cost_rows(&served->cost, AX_SCORING_SLICE_NS)
                                           : AX_SCORING_ROWS_FIRST;
}

/* ---- what waits ---- */

/* What the job should take. One that is short is done before the next of its flow, in as many calls
 * as it needs: if it went to the end after each, all of its kind would wait twice as long. A long
 * one goes there. */
static void job_estimate(struct ax_scoring_job *job)
{
    const struct ax_cost *cost = &job->served->cost;
    size_t left = job->rows->count - job->scored;
    job->line_ns = ax_cost_call_ns(cost, left);
    job->rest_ns = 0;
    if (job->line_ns <= AX_SCORING_SHORT_NS)
        return;
    /* One row is a call, whatever it costs. */
    size_t next = left == 1 ? 1 : AX_MIN(left, call_rows_max(job->served));
    job->line_ns = ax_cost_call_ns(cost, next);
    job->rest_ns = left > next ? ax_cost_call_ns(cost, left - next) : 0;
}

/* The least that the first job of a flow costs. */
static uint64_t flow_front_ns(const struct ax_scoring_flow *flow)
{
    return ax_cost_call_ns(&flow->served->cost, 1);
}

static uint64_t stretched(const struct ax_scoring *scoring, uint64_t predicted_ns)
{
    return (uint64_t)((float)predicted_ns * scoring->stretch);
}

static uint64_t cautious(const struct ax_scoring *scoring, uint64_t wait_ns)
{
    return (uint64_t)((float)wait_ns * scoring->margin);
}

/* A job that had to wait is over: was it done in time? */
static void scoring_note_end(struct ax_scoring *scoring, const struct ax_scoring_job *job,
                             enum ax_code code)
{
    bool is_late = code == AX_E_TIMEOUT || job->scored_ns >= job->deadline_ns;
    float moved = scoring->margin + MARGIN_STEP * (is_late ? 1 - LATE_SHARE : -LATE_SHARE);
    scoring->margin = moved < 1 ? 1 : moved > MARGIN_MOST ? MARGIN_MOST : moved;
}

uint64_t ax_scoring_backlog_ns(const struct ax_scoring *scoring)
{
    assert(scoring);
    return stretched(scoring, ax_scoring_queue_backlog_ns(&scoring->queue));
}

enum ax_code ax_scoring_check(struct ax_scoring *scoring, const struct ax_served *served,
                              unsigned level, uint64_t deadline_ns, uint64_t now_ns,
                              struct ax_err *err)
{
    assert(scoring && served && err);
    if (ax_scoring_queue_is_empty(&scoring->queue) && !deadline_ns)
        return AX_OK;
    struct ax_admission_case asked = {
        .now_ns = now_ns,
        .wait_ns = stretched(scoring, ax_scoring_queue_wait_ns(&scoring->queue, served, level)),
        .deadline_ns = deadline_ns,
    };
    asked.done_ns = cautious(scoring, asked.wait_ns);
    return ax_admission_check(scoring->admission, &asked, err);
}

/* The same of a job, whose cost is known; what nothing was learnt about is tried. */
static enum ax_code scoring_admit(struct ax_scoring *scoring, const struct ax_scoring_job *job,
                                  uint64_t now_ns, struct ax_err *err)
{
    struct ax_cost *cost = &job->served->cost;
    if (ax_scoring_queue_is_empty(&scoring->queue) && !job->deadline_ns)
        return AX_OK;
    struct ax_admission_case asked = {
        .now_ns = now_ns,
        .wait_ns =
            stretched(scoring, ax_scoring_queue_wait_ns(&scoring->queue, job->served, job->level)),
        .deadline_ns = job->deadline_ns,
    };
    uint64_t begins_ns = cautious(scoring, asked.wait_ns);
    asked.done_ns = begins_ns + (ax_cost_is_known(cost) ? job->line_ns + job->rest_ns : 0);
    if (!ax_admission_check(scoring->admission, &asked, err))
        return AX_OK;
    if (err->code == AX_E_TIMEOUT && now_ns + begins_ns < job->deadline_ns)
        ax_cost_doubt(cost);
    return err->code;
}

enum ax_code ax_scoring_submit(struct ax_server_thread *thread, struct ax_scoring_job *job,
                               uint64_t now_ns, struct ax_err *err)
{
    assert(thread && job && job->served && job->request && job->rows && job->finish && err);
    /* What runs outside a wake-up would never be scored. */
    assert(thread->catalog && job->request->user == job && !job->is_queued);
    job->scored = job->call_rows = 0;
    job->infer_ns = job->began_ns = job->scored_ns = 0;
    job->is_single = false;
    job_estimate(job);
    if (scoring_admit(&thread->scoring, job, now_ns, err))
        return err->code;
    struct ax_scoring_queue *queue = &thread->scoring.queue;
    job->is_behind = !ax_scoring_queue_is_empty(queue);
    if (job->is_behind)
        ax_scoring_queue_add(queue, job);
    else
        ax_scoring_queue_add_lone(queue, job);
    return AX_OK;
}

/* ---- a call of the engine ---- */

static void finish(struct ax_server_thread *thread, struct ax_scoring_job *job, struct ax_err *err)
{
    if (err->code == AX_OK)
        ax_metric_add(job->served->account->rows, job->rows->count);
    if (job->is_behind && job->deadline_ns)
        scoring_note_end(&thread->scoring, job, err->code);
    job->finish(thread, job, err);
}

/* The engine's call for all jobs, measured and counted, from `began_ns` on. */
static enum ax_code predict(struct ax_server_thread *thread, const struct ax_scoring_call *call,
                            uint64_t began_ns, const struct ax_batch *in, struct ax_batch *out,
                            struct ax_err *err)
{
    struct ax_served *served = call->first->served;
    const struct ax_model *model = served->version->model;
    size_t scratch_size = ax_model_scratch_size(model, in->rows);
    char *scratch = ax_scratch_get(&thread->scoring.engine, AX_MAX(scratch_size, (size_t)1));
    if (!scratch)
        return ax_fail(err, AX_E_LIMIT, "no memory for scoring %zu rows", in->rows);
    enum ax_code code = ax_model_predict(model, in, out, scratch, err);
    uint64_t ended_ns = ax_clock_ns();
    uint64_t took_ns = ended_ns - began_ns;
    ax_account_call(served->account, in->rows, took_ns);
    if (code == AX_OK)
        ax_cost_learn(&served->cost, in->rows, took_ns);
    for (struct ax_scoring_job *job = call->first; job; job = job->next) {
        ax_admission_note_start(began_ns, job->deadline_ns);
        job->began_ns = began_ns;
        job->infer_ns += took_ns;
        job->scored_ns = ended_ns;
        job->call_rows = in->rows;
    }
    return code;
}

static void score_alone(struct ax_server_thread *thread, const struct ax_scoring_call *call,
                        uint64_t began_ns)
{
    struct ax_scoring_job *job = call->first;
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch in = ax_rows_batch(job->rows);
    if (in.rows > 0)
        (void)predict(thread, call, began_ns, &in, &job->out, &err);
    finish(thread, job, &err);
}

/* The next slice of a large job, which then waits for another turn. */
static void score_slice(struct ax_server_thread *thread, const struct ax_scoring_call *call,
                        uint64_t began_ns)
{
    struct ax_scoring_job *job = call->first;
    struct ax_scoring_joined part;
    struct ax_err err = AX_ERR_INIT;
    if (!ax_scoring_cut(&thread->scoring.joined, job, call->rows, &part))
        (void)ax_fail(&err, AX_E_LIMIT, "no memory for scoring");
    else if (!predict(thread, call, began_ns, &part.in, &part.out, &err))
        job->scored += call->rows;
    if (err.code || job->scored == job->rows->count) {
        finish(thread, job, &err);
        return;
    }
    job_estimate(job);
    if (job->rest_ns)
        ax_scoring_queue_add(&thread->scoring.queue, job);
    else
        ax_scoring_queue_put_back(&thread->scoring.queue, job);
}

/* A call that was joined failed. Each of its jobs goes alone, in turns of their own, so that only
 * the guilty one is refused and no turn is longer than another. */
static void put_back_singly(struct ax_scoring *scoring, const struct ax_scoring_call *call)
{
    struct ax_scoring_job *reversed = NULL;
    struct ax_scoring_job *next;
    for (struct ax_scoring_job *job = call->first; job; job = next) {
        next = job->next;
        job->is_single = true;
        job->next = reversed;
        reversed = job;
    }
    for (struct ax_scoring_job *job = reversed; job; job = next) {
        next = job->next;
        ax_scoring_queue_put_back(&scoring->queue, job);
    }
}

static void score_joined(struct ax_server_thread *thread, const struct ax_scoring_call *call,
                         uint64_t began_ns)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_scoring_joined joined;
    struct ax_scoring *scoring = &thread->scoring;
    if (!ax_scoring_join(&scoring->joined, call, &joined) ||
        predict(thread, call, began_ns, &joined.in, &joined.out, &err)) {
        put_back_singly(scoring, call);
        return;
    }
    ax_scoring_scatter(call, &joined);
    struct ax_scoring_job *next;
    for (struct ax_scoring_job *job = call->first; job; job = next) {
        /* The job is gone when it is finished. */
        next = job->next;
        finish(thread, job, &err);
    }
}

/* ---- a turn ---- */

/* What a turn takes: a call, and jobs that nobody waits for any more. */
struct turn {
    uint64_t now_ns;
    struct ax_scoring_call call;
    struct ax_scoring_job *in_vain;
};

static bool is_late(const struct ax_scoring_job *job, uint64_t now_ns)
{
    return job->deadline_ns && now_ns >= job->deadline_ns;
}

/* Behind the call, so that it begins when the clock said so. */
static void finish_in_vain(struct ax_server_thread *thread, const struct turn *turn)
{
    struct ax_scoring_job *next;
    for (struct ax_scoring_job *job = turn->in_vain; job; job = next) {
        next = job->next;
        struct ax_err err = AX_ERR_INIT;
        if (is_late(job, turn->now_ns))
            (void)ax_admission_refuse(AX_REFUSAL_LATE, &err);
        else
            (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
        finish(thread, job, &err);
    }
}

/* Whether the flow's first job may go into this call. */
static bool call_takes(const struct ax_scoring_call *call, const struct ax_scoring_job *job,
                       size_t rows_max)
{
    return call->job_count == 0 ||
           (!job->is_single && !call->first->is_single && !job->scored &&
            call->job_count < AX_SCORING_JOBS_MAX && call->rows + job->rows->count <= rows_max);
}

/* Take what fits one call, or a slice of the first job; false when nothing of the flow is left. */
static bool take_turn(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                      struct turn *turn)
{
    struct ax_scoring_call *call = &turn->call;
    struct ax_scoring_job **end = &call->first;
    struct ax_scoring_job **vain_end = &turn->in_vain;
    size_t rows_max = call_rows_max(flow->served);
    bool is_left = true;
    for (size_t taken = 0; is_left && taken < AX_SCORING_JOBS_MAX; taken++) {
        struct ax_scoring_job *job = flow->first;
        if (!call_takes(call, job, rows_max))
            break;
        is_left = ax_scoring_queue_take(queue, flow, &job);
        if (is_late(job, turn->now_ns) || ax_request_is_cancelled(job->request)) {
            *vain_end = job;
            vain_end = &job->next;
            continue;
        }
        *end = job;
        end = &job->next;
        call->rows += AX_MIN(rows_max, job->rows->count - job->scored);
        call->job_count++;
        if (call->rows < job->rows->count)
            break;
    }
    return is_left;
}

static void score_call(struct ax_server_thread *thread, const struct ax_scoring_call *call,
                       uint64_t began_ns)
{
    if (call->job_count > 1)
        score_joined(thread, call, began_ns);
    else if (call->rows < call->first->rows->count)
        score_slice(thread, call, began_ns);
    else
        score_alone(thread, call, began_ns);
}

/* One call for the flow whose turn it is. */
static void scoring_turn(struct ax_server_thread *thread)
{
    struct ax_scoring *scoring = &thread->scoring;
    struct ax_scoring_flow *flow = ax_scoring_queue_choose(&scoring->queue, flow_front_ns);
    const struct ax_cost *cost = &flow->served->cost;
    unsigned level = flow->level;
    struct turn turn = { .now_ns = ax_clock_ns() };
    bool is_left = take_turn(&scoring->queue, flow, &turn);
    uint64_t cost_ns = turn.call.rows ? ax_cost_call_ns(cost, turn.call.rows) : 0;
    /* With nobody left there is nobody to owe to, either. */
    if (scoring->queue.waiting)
        ax_scoring_queue_charge(&scoring->queue, is_left ? flow : NULL, level, cost_ns);
    scoring->run_cost_ns += cost_ns;
    if (turn.call.first)
        score_call(thread, &turn.call, turn.now_ns);
    finish_in_vain(thread, &turn);
}

/* The turn of the only one there is. */
static void score_lone(struct ax_server_thread *thread, struct ax_scoring_job *job)
{
    struct turn turn = { .now_ns = ax_clock_ns() };
    if (is_late(job, turn.now_ns) || ax_request_is_cancelled(job->request)) {
        turn.in_vain = job;
        finish_in_vain(thread, &turn);
        return;
    }
    size_t rows = AX_MIN(call_rows_max(job->served), job->rows->count);
    turn.call = (struct ax_scoring_call){ .first = job, .rows = rows, .job_count = 1 };
    score_call(thread, &turn.call, turn.now_ns);
}

/* ---- a wake-up ---- */

/* What is left goes past its wake-up. A flow that did so before holds already. */
static void scoring_hold(struct ax_scoring_queue *queue)
{
    for (uint32_t left = queue->waiting; left; left &= left - 1) {
        struct ax_scoring_flow *flow = queue->levels[__builtin_ctz(left)].first;
        for (; flow; flow = flow->next) {
            if (flow->holds)
                continue;
            flow->holds = true;
            for (struct ax_scoring_job *job = flow->first; job; job = job->next)
                ax_scoring_job_hold(job);
        }
    }
}

/* The run is over. The time since the one before was over, when that one left something, was
 * needed for this one's work. */
static void scoring_learn(struct ax_scoring *scoring, uint64_t now_ns, bool is_behind)
{
    if (scoring->behind_ns && scoring->run_cost_ns) {
        float sample = (float)(now_ns - scoring->behind_ns) / (float)scoring->run_cost_ns;
        /* A thread that was preempted for long is no slower for that. */
        sample = fminf(sample, 4 * scoring->stretch);
        float moved = scoring->stretch + STRETCH_RATE * (sample - scoring->stretch);
        scoring->stretch = fminf(fmaxf(moved, STRETCH_LEAST), STRETCH_MOST);
    }
    scoring->behind_ns = is_behind ? now_ns : 0;
}

/* Take turns until nothing waits, or the time is over; when that was. */
static uint64_t take_turns(struct ax_server_thread *thread)
{
    const struct ax_scoring_queue *queue = &thread->scoring.queue;
    /* The last call may take a slice more. */
    uint64_t now_ns = ax_clock_ns();
    uint64_t end_ns = now_ns + AX_SCORING_RUN_NS - AX_SCORING_SLICE_NS;
    while (queue->waiting && now_ns < end_ns) {
        scoring_turn(thread);
        now_ns = ax_clock_ns();
    }
    return now_ns;
}

bool ax_scoring_run(struct ax_server_thread *thread)
{
    assert(thread);
    struct ax_scoring *scoring = &thread->scoring;
    struct ax_scoring_queue *queue = &scoring->queue;
    struct ax_scoring_job *lone = ax_scoring_queue_take_lone(queue);
    uint64_t now_ns = 0;
    scoring->run_cost_ns = 0;
    if (lone)
        score_lone(thread, lone);
    else if (queue->waiting || scoring->behind_ns)
        now_ns = take_turns(thread);
    bool is_behind = queue->waiting != 0;
    if (is_behind)
        scoring_hold(queue);
    /* Of a lone one a slice may be left. */
    if (is_behind && lone)
        now_ns = ax_clock_ns();
    if (is_behind || scoring->behind_ns)
        scoring_learn(scoring, now_ns, is_behind);
    scoring_show(scoring, is_behind ? ax_scoring_backlog_ns(scoring) : 0);
    return is_behind;
}

void ax_scoring_forget(struct ax_scoring *scoring, const struct ax_scoring_job *job)
{
    assert(scoring && job);
    if (job->is_queued)
        ax_scoring_queue_forget(&scoring->queue);
}
