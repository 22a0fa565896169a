/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread looks into the rings ten times a second, and gathers rows by their form. A form's rows
 * become a file when the first of them has waited long enough, or when they are many. Files are
 * named by when they were written, so that the order of names is that of their age.
 */
#include "server/served_log.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/inbox.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/thread.h"
#include "server/served_files.h"
#include "server/served_ring.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define LOOK_NS         ((uint64_t)100 * AX_NS_PER_MS)
#define BATCH_BYTES_MAX ((size_t)32 << 20)
#define BATCH_BYTES     (BATCH_BYTES_MAX / 2) /* become a file at once */
#define MILLION         UINT64_C(1000000)
#define FIELD(name)     offsetof(struct ax_served_log_config, name)

const struct ax_option ax_served_log_options[] = {
    { AX_OPTION_SIZE, "served_entities_per_million", "0", FIELD(entities_per_million), 0, 1000000,
      NULL,
      "Of a million entities, how many have logged what was served of their features, for "
      "`auspex features consistency`; 0: none." },
    { AX_OPTION_SIZE, "served_bytes_max", "1g", FIELD(bytes_max), 1 << 20, INT64_C(1) << 46,
      "bytes", "Files of served vectors; over it the oldest are removed." },
    { AX_OPTION_SIZE, "served_days_max", "30", FIELD(days_max), 1, 36500, "days",
      "Files of served vectors that are older are removed." },
    { AX_OPTION_TIME, "served_interval_s", "60", FIELD(interval_ns), 1, 86400, "s",
      "Served vectors are in a file after this time." },
    { 0 },
};

static const struct ax_metric_family taken_family = {
    .name = "ax_served_vectors_total",
    .help = "Served vectors of features that were sampled.",
    .type = AX_METRIC_COUNTER,
};

static const struct ax_metric_family lost_family = {
    .name = "ax_served_vectors_lost_total",
    .help = "Sampled vectors that were lost: there was no room, or no file could be written.",
    .type = AX_METRIC_COUNTER,
};

struct ax_served_sampler {
    struct ax_served_log *log;
    struct ax_served_ring ring;
    const struct ax_values *values[AX_SERVED_VALUES_MAX]; /* of the vector in hand */
    struct ax_served_sampler *next;
};

/* Rows of one form that wait. */
struct batch {
    struct ax_served_form *form; /* one reference */
    struct ax_buf rows;
    size_t row_count;
    uint64_t begun_ns;
    struct batch *next;
};

struct ax_served_log {
    const struct ax_served_log_config *config;
    int64_t (*now_us)(void *context);
    void *context;
    uint64_t hash_below; /* of a sampled entity; UINT64_MAX: all are */
    _Atomic(struct ax_served_sampler *) samplers;
    ax_metric taken, lost;
    struct ax_inbox inbox; /* to be woken by */
    struct ax_thread thread;
    atomic_bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t flush, flushed; /* lock: that were asked for, and done */
    /* The thread's. */
    struct batch *batches;
    struct ax_served_files files;
};

/* ---- sampling: I/O threads ---- */

static uint64_t hash_value(const struct ax_values *values, size_t row, uint64_t seed)
{
    static const char null[] = "";
    if (ax_values_is_null(values, row) || values->type.is_list)
        return ax_hash_seeded((struct ax_str){ null, 1 }, seed);
    if (values->type.kind == AX_TYPE_STRING)
        return ax_hash_seeded(values->texts[row], seed);
    size_t size = ax_type_size(values->type);
    return ax_hash_seeded((struct ax_str){ (const char *)values->data + row * size, size }, seed);
}

static bool is_sampled(const struct ax_served_sampler *sampler, const struct ax_served_form *form,
                       const struct ax_service_vector *vector, size_t row)
{
    uint64_t hash = 0;
    for (size_t i = form->first_key; i < form->call_count; i++)
        hash = hash_value(&vector->call[i], row, hash);
    return hash <= sampler->log->hash_below;
}

static bool is_moment(int64_t us)
{
    return us >= AX_CALENDAR_MIN_US && us <= AX_CALENDAR_MAX_US;
}

/* Whether a history can be asked for it. */
static bool can_be_kept(const struct ax_served_form *form, const struct ax_service_vector *vector,
                        size_t row)
{
    for (size_t i = 0; i < form->call_count; i++) {
        const struct ax_values *values = &vector->call[i];
        if (values->type.kind == AX_TYPE_TIMESTAMP && !values->type.is_list &&
            !ax_values_is_null(values, row) && !is_moment(values->i64s[row]))
            return false;
    }
    return is_moment(vector->request->at[vector->from + row]);
}

static void put_row(struct ax_served_sampler *sampler, struct ax_served_form *form,
                    const struct ax_online_stamp *stamp, const uint64_t *seen, size_t row)
{
    const struct ax_served_log *log = sampler->log;
    size_t part = ax_online_part_write(&form->layout, stamp, sampler->values, row, NULL);
    size_t bytes = sizeof(struct ax_served_row) + 2 * form->seen_count * sizeof(uint64_t) + part;
    struct ax_served_row *made = ax_served_ring_room(&sampler->ring, bytes);
    ax_metric_add(log->taken, 1);
    if (!made) {
        ax_metric_add(log->lost, 1);
        return;
    }
    made->form = ax_served_form_ref(form);
    made->bytes = bytes;
    memcpy(made->seen, seen, 2 * form->seen_count * sizeof(uint64_t));
    (void)ax_online_part_write(&form->layout, stamp, sampler->values, row,
                               (void *)(uintptr_t)ax_served_row_part(made));
    ax_served_ring_commit(&sampler->ring, bytes);
}

void ax_served_sampler_begin(const struct ax_served_form *form,
                             uint64_t ret_seen[AX_SERVED_SOURCES_MAX])
{
    assert(form && ret_seen);
    for (size_t i = 0; i < form->seen_count; i++)
        ret_seen[i] = ax_online_seen_done(form->seen[i]);
}

enum ax_code ax_served_sampler_take(struct ax_served_sampler *sampler, struct ax_served_form *form,
                                    struct ax_service_vector *vector, const uint64_t *seen,
                                    struct ax_err *err)
{
    assert(sampler && form && vector && seen && err);
    uint64_t bounds[2 * AX_SERVED_SOURCES_MAX];
    /* What a call gives itself is nobody's to compute. */
    if (vector->request->given_count)
        return AX_OK;
    for (size_t i = 0; i < form->seen_count; i++) {
        bounds[2 * i] = seen[i];
        bounds[2 * i + 1] = ax_online_seen_begun(form->seen[i]);
    }
    for (size_t i = 0; i < form->call_count; i++)
        sampler->values[i] = &vector->call[i];
    for (size_t i = 0; i < form->input_count; i++)
        sampler->values[form->call_count + i] = &vector->inputs[form->inputs[i]];
    struct ax_online_stamp stamp = { .created = sampler->log->now_us(sampler->log->context) };
    for (size_t row = 0; row < vector->rows; row++) {
        if (!is_sampled(sampler, form, vector, row) || !can_be_kept(form, vector, row))
            continue;
        if (ax_service_vector_columns(vector, err))
            return err->code;
        stamp.time = vector->request->at[vector->from + row];
        put_row(sampler, form, &stamp, bounds, row);
    }
    return AX_OK;
}

/* ---- writing: the log's thread ---- */

static struct batch *find_batch(struct ax_served_log *log, struct ax_served_form *form)
{
    struct batch *batch = log->batches;
    while (batch && batch->form != form)
        batch = batch->next;
    if (batch)
        return batch;
    batch = ax_xalloc(sizeof(*batch));
    batch->form = ax_served_form_ref(form);
    batch->begun_ns = ax_clock_ns();
    ax_buf_init(&batch->rows, BATCH_BYTES_MAX);
    batch->next = log->batches;
    log->batches = batch;
    return batch;
}

static void write_batch(struct ax_served_log *log, struct batch *batch)
{
    struct ax_err err = AX_ERR_INIT;
    if (!ax_served_files_write(&log->files, batch->form, ax_buf_str(&batch->rows), &err))
        return;
    ax_metric_add(log->lost, batch->row_count);
    ax_log(AX_LOG_ERROR, "served vectors could not be written",
           AX_LOG_STR("service", batch->form->service), AX_LOG_ERR(&err));
}

static bool is_due(const struct ax_served_log *log, const struct batch *batch, uint64_t now_ns)
{
    return batch->rows.len >= BATCH_BYTES || now_ns - batch->begun_ns >= log->config->interval_ns;
}

static void write_due(struct ax_served_log *log, bool is_all)
{
    uint64_t now_ns = ax_clock_ns();
    struct batch **at = &log->batches;
    bool has_written = false;
    while (*at) {
        struct batch *batch = *at;
        if (!is_all && !is_due(log, batch, now_ns)) {
            at = &batch->next;
            continue;
        }
        *at = batch->next;
        if (batch->row_count)
            write_batch(log, batch);
        ax_buf_done(&batch->rows);
        ax_served_form_unref(batch->form);
        free(batch);
        has_written = true;
    }
    if (has_written)
        ax_served_files_trim(&log->files);
}

static void take_row(struct ax_served_log *log, struct ax_served_row *row, size_t bytes)
{
    struct batch *batch = find_batch(log, row->form);
    ax_served_form_unref(row->form);
    if (ax_buf_append(&batch->rows, row, bytes))
        ax_metric_add(log->lost, 1);
    else
        batch->row_count++;
    if (batch->rows.len >= BATCH_BYTES)
        write_due(log, false);
}

static void look(struct ax_served_log *log)
{
    size_t bytes;
    struct ax_served_sampler *sampler = atomic_load_explicit(&log->samplers, memory_order_acquire);
    for (; sampler; sampler = sampler->next) {
        struct ax_served_row *row;
        while ((row = ax_served_ring_next(&sampler->ring, &bytes))) {
            take_row(log, row, bytes);
            ax_served_ring_drop(&sampler->ring);
        }
    }
}

static void log_run(void *arg)
{
    struct ax_served_log *log = arg;
    bool is_stopping = false;
    while (!is_stopping) {
        ax_inbox_wait(&log->inbox, ax_clock_ns() + LOOK_NS);
        is_stopping = atomic_load_explicit(&log->is_stopping, memory_order_acquire);
        (void)pthread_mutex_lock(&log->lock);
        uint64_t flush = log->flush;
        (void)pthread_mutex_unlock(&log->lock);
        look(log);
        write_due(log, is_stopping || flush > log->flushed);
        (void)pthread_mutex_lock(&log->lock);
        log->flushed = flush;
        (void)pthread_cond_broadcast(&log->changed);
        (void)pthread_mutex_unlock(&log->lock);
    }
}

void ax_served_log_flush(struct ax_served_log *log)
{
    assert(log);
    (void)pthread_mutex_lock(&log->lock);
    uint64_t flush = ++log->flush;
    ax_inbox_wake(&log->inbox);
    while (log->flushed < flush)
        (void)pthread_cond_wait(&log->changed, &log->lock);
    (void)pthread_mutex_unlock(&log->lock);
}

/* ---- life ---- */

static void free_samplers(struct ax_served_log *log)
{
    struct ax_served_sampler *sampler = atomic_load(&log->samplers);
    while (sampler) {
        struct ax_served_sampler *next = sampler->next;
        ax_served_ring_done(&sampler->ring);
        free(sampler);
        sampler = next;
    }
}

static uint64_t hash_below(size_t per_million)
{
    return per_million >= MILLION ? UINT64_MAX : UINT64_MAX / MILLION * per_million;
}

enum ax_code ax_served_log_new(const struct ax_served_log_config *config, const char *state,
                               int64_t (*now_us)(void *context), void *context,
                               struct ax_served_log **ret_log, struct ax_err *err)
{
    assert(config && config->entities_per_million && state && state[0] && now_us && ret_log && err);
    struct ax_served_log *log = ax_xalloc(sizeof(*log));
    log->config = config;
    log->now_us = now_us;
    log->context = context;
    log->hash_below = hash_below(config->entities_per_million);
    ax_served_files_init(&log->files, state, config->bytes_max, config->days_max);
    if (ax_metric_register(&taken_family, NULL, &log->taken, err) ||
        ax_metric_register(&lost_family, NULL, &log->lost, err) ||
        ax_inbox_init(&log->inbox, err)) {
        free(log);
        return err->code;
    }
    (void)pthread_mutex_init(&log->lock, NULL);
    (void)pthread_cond_init(&log->changed, NULL);
    if (ax_thread_start(&log->thread, "served", log_run, log, err)) {
        ax_inbox_done(&log->inbox);
        free(log);
        return err->code;
    }
    *ret_log = log;
    return AX_OK;
}

void ax_served_log_free(struct ax_served_log *log)
{
    if (!log)
        return;
    atomic_store_explicit(&log->is_stopping, true, memory_order_release);
    ax_inbox_wake(&log->inbox);
    ax_thread_join(&log->thread);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->lock);
    ax_inbox_done(&log->inbox);
    free_samplers(log);
    free(log);
}

struct ax_served_sampler *ax_served_log_sampler(struct ax_served_log *log)
{
    assert(log);
    struct ax_served_sampler *sampler = ax_xalloc(sizeof(*sampler));
    sampler->log = log;
    ax_served_ring_init(&sampler->ring);
    sampler->next = atomic_load(&log->samplers);
    while (!atomic_compare_exchange_weak(&log->samplers, &sampler->next, sampler)) {
    }
    return sampler;
}
