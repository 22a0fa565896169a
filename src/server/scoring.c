/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering, joining, slicing and scattering.
 *
 * The first job that waits for a version is the head of its group and is found again through a
 * small hash table of pointers, so gathering costs the same for one model and for thousands. Groups
 * take turns of one call, of at most as many rows as the engine does in a slice; what is left of a
 * group goes behind the others. A call of one job reads and writes the job's own memory; a call of
 * several copies their rows, which lie row-major, one behind the other, and copies the outputs
 * back.
 *
 * What a row costs is learnt from calls that are long enough for their fixed cost not to matter, an
 * eighth of the difference at a time; from shorter ones only that it costs less.
 */
#include "server/scoring.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/server_thread.h"

#include <assert.h>

#define LEARN_ROWS_MIN 32
#define LEARN_NS_MIN   (AX_SCORING_SLICE_NS / 10)
#define SCRATCH_ALIGN  64

/* The head of a call: what is scored together. */
struct call {
    struct ax_scoring_job *first;
    size_t job_count;
    size_t rows;
};

static char *scratch_get(struct ax_scratch *scratch, size_t size)
{
    if (size <= scratch->size)
        return scratch->ptr;
    if (size > AX_SCORING_SCRATCH_MAX)
        return NULL;
    size_t grown = AX_MIN(AX_MAX(size, 2 * scratch->size), AX_SCORING_SCRATCH_MAX);
    char *raw = ax_try_alloc(grown + SCRATCH_ALIGN, 1);
    if (!raw)
        return NULL;
    free(scratch->raw);
    scratch->raw = raw;
    scratch->ptr = raw + (SCRATCH_ALIGN - (uintptr_t)raw % SCRATCH_ALIGN) % SCRATCH_ALIGN;
    scratch->size = grown;
    return scratch->ptr;
}

void ax_scoring_done(struct ax_scoring *scoring)
{
    free(scoring->engine.raw);
    free(scoring->joined.raw);
}

/* Rows that the engine does in a slice. */
static size_t slice_rows(const struct ax_served *served)
{
    uint32_t row_ns = atomic_load_explicit(&served->row_ns, memory_order_relaxed);
    return AX_MAX(AX_SCORING_SLICE_NS / (row_ns ? row_ns : AX_SCORING_ROW_NS), (uint64_t)1);
}

static void learn(struct ax_served *served, size_t rows, uint64_t took_ns)
{
    uint64_t sample = AX_MIN(took_ns / rows + 1, (uint64_t)UINT32_MAX / 8);
    uint64_t known = atomic_load_explicit(&served->row_ns, memory_order_relaxed);
    /* A short call teaches only that rows are cheaper: what is fixed of it adds to them. Without
     * this, one call that was preempted could make slices so small that nothing is learnt again. */
    bool is_short = rows < LEARN_ROWS_MIN && took_ns < LEARN_NS_MIN;
    if (is_short && sample >= known)
        return;
    uint64_t moved = known ? (7 * known + sample) / 8 : sample;
    /* Small changes are not worth a write to a line that all threads read. */
    if (AX_MAX(moved, known) - AX_MIN(moved, known) > known / 64)
        atomic_store_explicit(&served->row_ns, (uint32_t)moved, memory_order_relaxed);
}

/* A call of the engine that is over. */
struct spell {
    size_t rows;
    uint64_t took_ns, ended_ns;
};

/* One call of the engine, measured and counted. */
static enum ax_code predict(struct ax_server_thread *thread, struct ax_served *served,
                            const struct ax_batch *in, struct ax_batch *out,
                            struct spell *ret_spell, struct ax_err *err)
{
    const struct ax_model *model = served->version->model;
    size_t scratch_size = ax_model_scratch_size(model, in->rows);
    char *scratch = scratch_get(&thread->scoring.engine, AX_MAX(scratch_size, (size_t)1));
    if (!scratch)
        return ax_fail(err, AX_E_LIMIT, "no memory for scoring %zu rows", in->rows);
    uint64_t began_ns = ax_clock_ns();
    enum ax_code code = ax_model_predict(model, in, out, scratch, err);
    uint64_t ended_ns = ax_clock_ns();
    uint64_t took_ns = ended_ns - began_ns;
    ax_account_call(served->account, in->rows, took_ns);
    *ret_spell = (struct spell){ in->rows, took_ns, ended_ns };
    if (code == AX_OK)
        learn(served, in->rows, took_ns);
    return code;
}

static void note_spell(struct ax_scoring_job *job, const struct spell *spell)
{
    job->infer_ns += spell->took_ns;
    job->scored_ns = spell->ended_ns;
    job->call_rows = spell->rows;
}

static void finish(struct ax_server_thread *thread, struct ax_scoring_job *job, struct ax_err *err)
{
    if (err->code == AX_OK)
        ax_metric_add(job->served->account->rows, job->rows->count);
    job->finish(thread, job, err);
}

/* Finish a job that is too late to be scored; false: it is not. */
static bool finish_late(struct ax_server_thread *thread, struct ax_scoring_job *job)
{
    if (!job->deadline_ns || ax_clock_ns() < job->deadline_ns)
        return false;
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_TIMEOUT, "Request timeout expired");
    finish(thread, job, &err);
    return true;
}

static void score_alone(struct ax_server_thread *thread, struct ax_scoring_job *job)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch in = ax_rows_batch(job->rows);
    struct spell spell;
    if (in.rows > 0 && !predict(thread, job->served, &in, &job->out, &spell, &err))
        note_spell(job, &spell);
    finish(thread, job, &err);
}

/* Rows [from, from + count) of a column whose values may be left out. */
static struct ax_column column_part(const struct ax_column *column, size_t from)
{
    struct ax_column part = *column;
    if (part.values)
        part.values = ax_column_at(column, from);
    if (part.validity)
        part.validity += from / 64;
    return part;
}

static bool has_validity(const struct ax_rows *rows)
{
    for (size_t i = 0; i < rows->signature->input_count; i++)
        if (rows->columns[i].validity)
            return true;
    return false;
}

/* Score the next slice of a large job; true when it was the last. */
static bool score_slice(struct ax_server_thread *thread, struct ax_scoring_job *job,
                        struct ax_err *err)
{
    const struct ax_rows *rows = job->rows;
    size_t inputs = rows->signature->input_count;
    size_t outputs = job->out.column_count;
    size_t count = slice_rows(job->served);
    /* Validity bits are cut at words. */
    if (has_validity(rows))
        count = AX_MAX(count / 64, (size_t)1) * 64;
    count = AX_MIN(count, rows->count - job->scored);
    char *memory =
        scratch_get(&thread->scoring.joined, (inputs + outputs) * sizeof(struct ax_column));
    if (!memory) {
        (void)ax_fail(err, AX_E_LIMIT, "no memory for scoring");
        return true;
    }
    struct ax_column *columns = (struct ax_column *)(void *)memory;
    for (size_t i = 0; i < inputs; i++)
        columns[i] = column_part(&rows->columns[i], job->scored);
    for (size_t i = 0; i < outputs; i++)
        columns[inputs + i] = column_part(&job->out.columns[i], job->scored);
    struct ax_batch in = { count, inputs, columns };
    struct ax_batch out = { count, outputs, columns + inputs };
    struct spell spell;
    if (predict(thread, job->served, &in, &out, &spell, err))
        return true;
    note_spell(job, &spell);
    job->scored += count;
    return job->scored == rows->count;
}

static void score_large(void *context, void *state, struct ax_request *request)
{
    (void)context;
    struct ax_server_thread *thread = state;
    struct ax_scoring_job *job = request->user;
    struct ax_err err = AX_ERR_INIT;
    if (finish_late(thread, job))
        return;
    if (ax_request_is_cancelled(request))
        (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
    if (err.code || score_slice(thread, job, &err)) {
        finish(thread, job, &err);
        return;
    }
    ax_request_resume(request, score_large);
}

/* Where the parts of a joined call lie in the scratch. */
struct joined {
    struct ax_batch in;
    struct ax_batch out;
    char *block; /* the rows */
};

static size_t align_up(size_t size)
{
    return (size + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
}

static bool call_wants(const struct call *call, size_t output)
{
    const struct ax_scoring_job *job = call->first;
    for (; job; job = job->next)
        if (job->out.columns[output].values)
            return true;
    return false;
}

/* Lay a joined call out in the scratch, without its values; false without memory. */
static bool join_layout(struct ax_scratch *scratch, const struct call *call, struct joined *joined)
{
    const struct ax_rows *rows = call->first->rows;
    const struct ax_batch *out = &call->first->out;
    size_t inputs = rows->signature->input_count;
    size_t heads = align_up((inputs + out->column_count) * sizeof(struct ax_column));
    size_t block = align_up(call->rows * rows->row_bytes);
    size_t words = align_up((call->rows + 63) / 64 * sizeof(uint64_t));
    size_t size = heads + block + inputs * words;
    for (size_t i = 0; i < out->column_count; i++)
        size += align_up(call->rows * out->columns[i].stride);
    char *at = scratch_get(scratch, size);
    if (!at)
        return false;
    struct ax_column *columns = (struct ax_column *)(void *)at;
    joined->in = (struct ax_batch){ call->rows, inputs, columns };
    joined->out = (struct ax_batch){ call->rows, out->column_count, columns + inputs };
    joined->block = at + heads;
    at += heads + block;
    for (size_t i = 0; i < inputs; i++) {
        columns[i] = rows->columns[i];
        columns[i].values = joined->block + ((char *)rows->columns[i].values - rows->block);
        if (!columns[i].validity)
            continue;
        columns[i].validity = memset(at, 0, words);
        at += words;
    }
    for (size_t i = 0; i < out->column_count; i++) {
        columns[inputs + i] = out->columns[i];
        columns[inputs + i].values = call_wants(call, i) ? at : NULL;
        at += align_up(call->rows * out->columns[i].stride);
    }
    return true;
}

static void join_validity(const struct ax_scoring_job *job, struct joined *joined, size_t from)
{
    for (size_t i = 0; i < joined->in.column_count; i++) {
        uint64_t *bits = joined->in.columns[i].validity;
        for (size_t row = 0; bits && row < job->rows->count; row++)
            if (ax_column_is_valid(&job->rows->columns[i], row))
                bits[(from + row) / 64] |= (uint64_t)1 << ((from + row) % 64);
    }
}

/* Copy the rows of all jobs into one block, in their order. */
static void join_rows(const struct call *call, struct joined *joined)
{
    size_t from = 0;
    for (const struct ax_scoring_job *job = call->first; job; job = job->next) {
        size_t row_bytes = job->rows->row_bytes;
        memcpy(joined->block + from * row_bytes, job->rows->block, job->rows->count * row_bytes);
        join_validity(job, joined, from);
        from += job->rows->count;
    }
}

/* Give each job its part of the outputs. */
static void scatter(const struct call *call, const struct joined *joined, const struct spell *spell)
{
    size_t from = 0;
    for (struct ax_scoring_job *job = call->first; job; job = job->next) {
        for (size_t i = 0; i < job->out.column_count; i++) {
            const struct ax_column *to = &job->out.columns[i];
            if (to->values)
                memcpy(to->values, ax_column_at(&joined->out.columns[i], from),
                       job->rows->count * to->stride);
        }
        from += job->rows->count;
        note_spell(job, spell);
    }
}

/* Score several jobs as one; false when that was not possible, and nothing is scored. */
static bool score_joined(struct ax_server_thread *thread, const struct call *call)
{
    struct ax_err err = AX_ERR_INIT;
    struct joined joined;
    if (call->rows == 0 || !join_layout(&thread->scoring.joined, call, &joined))
        return false;
    struct spell spell;
    join_rows(call, &joined);
    if (predict(thread, call->first->served, &joined.in, &joined.out, &spell, &err))
        return false;
    scatter(call, &joined, &spell);
    return true;
}

static void score_call(struct ax_server_thread *thread, const struct call *call)
{
    bool scored = call->job_count > 1 && score_joined(thread, call);
    struct ax_scoring_job *next;
    for (struct ax_scoring_job *job = call->first; job; job = next) {
        /* The job is gone when it is finished. */
        next = job->next;
        struct ax_err err = AX_ERR_INIT;
        if (scored)
            finish(thread, job, &err);
        else
            score_alone(thread, job);
    }
}

static void hold(struct ax_scoring_job *job)
{
    if (!job->holds_served)
        (void)ax_served_ref(job->served);
    job->holds_served = true;
}

static void begin_large(struct ax_scoring_job *job)
{
    hold(job);
    ax_request_resume(job->request, score_large);
}

/* Finish a job whose client is gone; false: it is not. */
static bool finish_cancelled(struct ax_server_thread *thread, struct ax_scoring_job *job)
{
    if (!ax_request_is_cancelled(job->request))
        return false;
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
    finish(thread, job, &err);
    return true;
}

static struct ax_scoring_job **scoring_bucket(struct ax_scoring *scoring,
                                              const struct ax_served *served)
{
    uint64_t mixed = (uint64_t)(uintptr_t)served * UINT64_C(0x9e3779b97f4a7c15);
    return &scoring->buckets[mixed >> 56];
}

/* A new group, behind all others. */
static void scoring_add_head(struct ax_scoring *scoring, struct ax_scoring_job *head)
{
    struct ax_scoring_job **bucket = scoring_bucket(scoring, head->served);
    head->next = NULL;
    head->bucket_next = *bucket;
    *bucket = head;
    *(scoring->last ? &scoring->last->next : &scoring->first) = head;
    scoring->last = head;
}

/* Take the first head with its group, which becomes its chain. */
static struct ax_scoring_job *scoring_take_head(struct ax_scoring *scoring)
{
    struct ax_scoring_job *head = scoring->first;
    scoring->first = head->next;
    if (!scoring->first)
        scoring->last = NULL;
    struct ax_scoring_job **link = scoring_bucket(scoring, head->served);
    while (*link != head)
        link = &(*link)->bucket_next;
    *link = head->bucket_next;
    head->next = head->group_first;
    return head;
}

static void scoring_add(struct ax_scoring *scoring, struct ax_scoring_job *job)
{
    struct ax_scoring_job *head = *scoring_bucket(scoring, job->served);
    while (head && head->served != job->served)
        head = head->bucket_next;
    job->is_queued = true;
    if (!head) {
        scoring_add_head(scoring, job);
        return;
    }
    *(head->group_last ? &head->group_last->next : &head->group_first) = job;
    head->group_last = job;
    if (head->group_holds)
        hold(job);
}

/* Put back what is left of a group, from `first` to `last`, behind the others. */
static void scoring_put_back(struct ax_scoring *scoring, struct ax_scoring_job *first,
                             struct ax_scoring_job *last, bool group_holds)
{
    first->group_first = first->next;
    first->group_last = first->next ? last : NULL;
    first->group_holds = group_holds;
    scoring_add_head(scoring, first);
}

/* Take from the front of *chain what fits one call; jobs over the limit begin their slices, and
 * those that nobody waits for any more are finished. */
static struct call take_call(struct ax_server_thread *thread, struct ax_scoring_job **chain)
{
    struct call call = { 0 };
    size_t rows_max = slice_rows((*chain)->served);
    struct ax_scoring_job **end = &call.first;
    for (size_t taken = 0; *chain && taken < AX_SCORING_JOBS_MAX; taken++) {
        struct ax_scoring_job *job = *chain;
        if (call.job_count && call.rows + job->rows->count > rows_max)
            break;
        *chain = job->next;
        job->next = NULL;
        job->is_queued = false;
        if (finish_late(thread, job) || finish_cancelled(thread, job))
            continue;
        if (job->rows->count > rows_max) {
            begin_large(job);
            continue;
        }
        *end = job;
        end = &job->next;
        call.rows += job->rows->count;
        call.job_count++;
    }
    return call;
}

/* One call for the group whose turn it is. */
static void scoring_turn(struct ax_server_thread *thread)
{
    struct ax_scoring *scoring = &thread->scoring;
    struct ax_scoring_job *chain = scoring_take_head(scoring);
    struct ax_scoring_job *last = chain->group_last;
    bool group_holds = chain->group_holds;
    struct call call = take_call(thread, &chain);
    if (chain)
        scoring_put_back(scoring, chain, last, group_holds);
    score_call(thread, &call);
}

void ax_scoring_submit(struct ax_server_thread *thread, struct ax_scoring_job *job)
{
    assert(thread && job && job->served && job->request && job->rows && job->finish);
    /* What runs outside a wake-up would never be scored. */
    assert(thread->catalog && job->request->user == job && !job->is_queued);
    job->scored = job->call_rows = 0;
    job->infer_ns = job->scored_ns = 0;
    job->next = job->bucket_next = job->group_first = job->group_last = NULL;
    job->group_holds = false;
    scoring_add(&thread->scoring, job);
}

/* What is left goes past its wake-up. A group that did so before holds already. */
static void scoring_hold(struct ax_scoring *scoring)
{
    for (struct ax_scoring_job *head = scoring->first; head; head = head->next) {
        if (head->group_holds)
            continue;
        head->group_holds = true;
        hold(head);
        for (struct ax_scoring_job *job = head->group_first; job; job = job->next)
            hold(job);
    }
}

bool ax_scoring_run(struct ax_server_thread *thread)
{
    assert(thread);
    struct ax_scoring *scoring = &thread->scoring;
    const struct ax_scoring_job *first = scoring->first;
    bool is_one_at_most = first == scoring->last && !(first && first->group_last);
    /* The last call may take a slice more. */
    uint64_t end_ns = is_one_at_most ? 0 : ax_clock_ns() + AX_SCORING_RUN_NS - AX_SCORING_SLICE_NS;
    while (scoring->first) {
        scoring_turn(thread);
        if (scoring->first && ax_clock_ns() >= end_ns) {
            scoring_hold(scoring);
            return true;
        }
    }
    return false;
}

void ax_scoring_forget(struct ax_scoring *scoring, const struct ax_scoring_job *job)
{
    assert(scoring && job);
    if (!job->is_queued)
        return;
    scoring->first = scoring->last = NULL;
    memset(scoring->buckets, 0, sizeof(scoring->buckets));
}
