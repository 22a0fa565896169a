/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator: a run shared out among threads, and what they measured added up.
 *
 * All connections are opened before the first thread starts, and the threads wait at a gate until
 * the last one is there, so that the parts begin at the same moment. A thread that fails stops the
 * others; its failure is the run's. The loop itself is in load_worker.c.
 */
#include "net/load.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "net/load_worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRESS_MS 250

struct load;

struct load_thread {
    struct load *load;
    struct ax_load_worker *worker;
    struct ax_thread thread;
    struct ax_err err; /* read when the thread is over */
};

struct load {
    const struct ax_load_config *config;
    struct load_thread *threads;
    size_t thread_count; /* with a worker */
    size_t started;
    int finished_fd; /* an eventfd to which each thread adds 1 at its end */
    atomic_bool stop;

    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;      /* guarded by lock: the threads may begin */
    uint64_t begin_ns; /* guarded by lock until is_open, fixed then */
};

static void load_open_gate(struct load *load)
{
    (void)pthread_mutex_lock(&load->lock);
    load->begin_ns = ax_clock_ns();
    load->is_open = true;
    (void)pthread_cond_broadcast(&load->opened);
    (void)pthread_mutex_unlock(&load->lock);
}

static uint64_t load_wait_at_gate(struct load *load)
{
    (void)pthread_mutex_lock(&load->lock);
    while (!load->is_open)
        (void)pthread_cond_wait(&load->opened, &load->lock);
    uint64_t begin_ns = load->begin_ns;
    (void)pthread_mutex_unlock(&load->lock);
    return begin_ns;
}

static void load_thread_run(void *arg)
{
    struct load_thread *thread = arg;
    struct load *load = thread->load;
    uint64_t begin_ns = load_wait_at_gate(load);
    if (ax_load_worker_run(thread->worker, begin_ns, &thread->err))
        atomic_store(&load->stop, true);
    (void)eventfd_write(load->finished_fd, 1);
}

/* The share of thread `number` of `count` in `total`. */
static uint64_t load_share(uint64_t total, size_t number, size_t count)
{
    return total / count + (number < total % count);
}

static enum ax_code load_make_workers(struct load *load, size_t count, struct ax_err *err)
{
    const struct ax_load_config *config = load->config;
    for (size_t i = 0; i < count; i++) {
        const struct ax_load_part part = {
            .config = config,
            .number = i,
            .count = count,
            .connections = (size_t)load_share(config->connections, i, count),
            .requests_max =
                config->requests_max ? load_share(config->requests_max, i, count) : UINT64_MAX,
            .stop = &load->stop,
        };
        load->threads[i].load = load;
        if (ax_load_worker_new(&part, &load->threads[i].worker, err))
            return err->code;
        load->thread_count++;
    }
    return AX_OK;
}

static enum ax_code load_start_threads(struct load *load, struct ax_err *err)
{
    for (; load->started < load->thread_count; load->started++) {
        struct load_thread *thread = &load->threads[load->started];
        if (ax_thread_start(&thread->thread, "load", load_thread_run, thread, err))
            return err->code;
    }
    return AX_OK;
}

static void load_tell_progress(const struct load *load)
{
    struct ax_load_progress progress = {
        .elapsed_ns = ax_clock_ns() - load->begin_ns,
        .total_ns = load->config->warmup_ns + load->config->duration_ns,
    };
    for (size_t i = 0; i < load->thread_count; i++) {
        uint64_t answers, errors;
        ax_load_worker_progress(load->threads[i].worker, &answers, &errors);
        progress.answers += answers;
        progress.errors += errors;
    }
    load->config->progress(load->config->progress_arg, &progress);
}

static void load_wait_for_threads(struct load *load)
{
    struct pollfd finished = { .fd = load->finished_fd, .events = POLLIN };
    for (uint64_t count = 0; count < load->started;) {
        int ready = poll(&finished, 1, load->config->progress ? PROGRESS_MS : -1);
        uint64_t more = 0;
        if (ready > 0 && eventfd_read(load->finished_fd, &more) == 0)
            count += more;
        if (load->config->progress)
            load_tell_progress(load);
    }
}

static void result_add(struct ax_load_result *sum, const struct ax_load_result *part)
{
    ax_histogram_merge(&sum->latency, &part->latency);
    ax_histogram_merge(&sum->refusals, &part->refusals);
    ax_histogram_merge(&sum->slip, &part->slip);
    sum->sent += part->sent;
    sum->answers += part->answers;
    sum->broken += part->broken;
    sum->unanswered += part->unanswered;
    sum->unsent += part->unsent;
    sum->waited += part->waited;
    sum->reopened += part->reopened;
    sum->bytes_out += part->bytes_out;
    sum->bytes_in += part->bytes_in;
    sum->elapsed_ns = AX_MAX(sum->elapsed_ns, part->elapsed_ns);
    for (size_t i = 0; i < AX_LOAD_STATUS_COUNT; i++)
        sum->statuses[i] += part->statuses[i];
    if (sum->refusal_len == 0) {
        sum->refusal_len = part->refusal_len;
        memcpy(sum->refusal, part->refusal, part->refusal_len);
    }
}

/* The failure of the first thread that has one; without any, the sum of all. */
static enum ax_code load_add_up(const struct load *load, struct ax_load_result *ret_result,
                                struct ax_err *err)
{
    for (size_t i = 0; i < load->thread_count; i++)
        if (load->threads[i].err.code)
            return ax_fail(err, load->threads[i].err.code, "%s", load->threads[i].err.msg);
    *ret_result = *ax_load_worker_result(load->threads[0].worker);
    for (size_t i = 1; i < load->thread_count; i++)
        result_add(ret_result, ax_load_worker_result(load->threads[i].worker));
    for (size_t i = 0; load->config->records && i < load->thread_count; i++) {
        size_t count;
        const struct ax_load_record *records =
            ax_load_worker_records(load->threads[i].worker, &count);
        load->config->records(load->config->records_arg, records, count);
    }
    return AX_OK;
}

/* Make the workers, and run them when all could be made. */
static enum ax_code load_work(struct load *load, size_t thread_count, struct ax_err *err)
{
    load->finished_fd = eventfd(0, EFD_CLOEXEC);
    if (load->finished_fd < 0)
        return ax_fail_errno(err, errno, "open an event descriptor");
    if (load_make_workers(load, thread_count, err))
        return err->code;
    enum ax_code code = load_start_threads(load, err);
    if (code)
        atomic_store(&load->stop, true);
    load_open_gate(load);
    load_wait_for_threads(load);
    for (size_t i = 0; i < load->started; i++)
        ax_thread_join(&load->threads[i].thread);
    return code;
}

static void load_done(struct load *load)
{
    for (size_t i = 0; i < load->thread_count; i++)
        ax_load_worker_free(load->threads[i].worker);
    free(load->threads);
    if (load->finished_fd >= 0)
        (void)close(load->finished_fd);
    (void)pthread_cond_destroy(&load->opened);
    (void)pthread_mutex_destroy(&load->lock);
}

enum ax_code ax_load_run(const struct ax_load_config *config, struct ax_load_result *ret_result,
                         struct ax_err *err)
{
    assert(config && config->target && config->requests && config->request_count);
    assert(config->connections >= 1 && config->connections <= AX_LOAD_CONNECTIONS_MAX);
    assert(config->pipeline >= 1 && config->pipeline <= AX_LOAD_PIPELINE_MAX);
    assert(config->threads >= 1 && config->threads <= AX_LOAD_THREADS_MAX);
    assert(config->request_count <= UINT32_MAX && (!config->order || config->order_count));
    assert(ret_result && err);

    size_t thread_count = AX_MIN(config->threads, config->connections);
    struct load load = { .config = config,
                         .threads = ax_xalloc(thread_count * sizeof(struct load_thread)),
                         .finished_fd = -1,
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .opened = PTHREAD_COND_INITIALIZER };
    enum ax_code code = load_work(&load, thread_count, err);
    if (code == AX_OK)
        code = load_add_up(&load, ret_result, err);
    load_done(&load);
    return code;
}

uint64_t ax_load_error_count(const struct ax_load_result *result)
{
    assert(result);
    return result->sent + result->unsent - result->latency.count;
}

bool ax_load_is_void(const struct ax_load_result *result)
{
    assert(result);
    uint64_t slip = ax_histogram_quantile(&result->slip, 0.99);
    return slip > ax_histogram_quantile(&result->latency, 0.99) / 10;
}
