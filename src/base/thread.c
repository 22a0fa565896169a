/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads by pthreads. What every thread needs is done in one place, thread_main; the pool is a
 * ring of jobs under one mutex, with workers that wait on one condition.
 */
#include "base/thread.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/metric.h"

#include <assert.h>
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- floating point ---- */

#if defined(__x86_64__)

#include <immintrin.h>

/* All exceptions masked, round to nearest, no flush-to-zero, no denormals-are-zero. */
#define MXCSR_DEFAULT 0x1F80u
#define MXCSR_FLAGS   0x003Fu /* what happened so far; not part of the mode */

/* fegetround answers for the x87 unit, which only long double uses. */
bool ax_thread_restore_fp(void)
{
    if ((_mm_getcsr() & ~MXCSR_FLAGS) == MXCSR_DEFAULT && fegetround() == FE_TONEAREST)
        return false;
    (void)fesetenv(FE_DFL_ENV);
    return true;
}

#elif defined(__aarch64__)

/* The control register: 0 is round to nearest, no flush-to-zero, no default NaN, no traps. What
 * happened so far is in another one. fesetenv would keep some of these bits. */
bool ax_thread_restore_fp(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    if (!mode)
        return false;
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
    return true;
}

#else

/* C knows of the rounding alone. */
bool ax_thread_restore_fp(void)
{
    bool changed = fegetround() != FE_TONEAREST;
    (void)fesetenv(FE_DFL_ENV);
    return changed;
}

#endif

bool ax_thread_own_folder(void)
{
    return unshare(CLONE_FS) == 0;
}

unsigned ax_thread_core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof(cores), &cores))
        return 1;
    int count = CPU_COUNT(&cores);
    return count > 0 ? (unsigned)count : 1;
}

/* ---- one thread ---- */

struct thread_start {
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void *thread_main(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;
    free(arg);
    (void)pthread_setname_np(pthread_self(), start.name);
    (void)ax_thread_restore_fp();
    ax_metric_thread_attach();
    start.run(start.arg);
    ax_metric_thread_detach();
    return NULL;
}

/* The new thread inherits the mask, so it never runs with a signal open. */
enum ax_code ax_thread_start(struct ax_thread *thread, const char *name, void (*run)(void *arg),
                             void *arg, struct ax_err *err)
{
    assert(thread && name && strlen(name) < 16 && run && err);
    struct thread_start *start = ax_xalloc(sizeof(*start));
    start->run = run;
    start->arg = arg;
    (void)snprintf(start->name, sizeof(start->name), "%s", name);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->handle, NULL, thread_main, start);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(start);
        return ax_fail_errno(err, failed, "start thread '%s'", name);
    }
    return AX_OK;
}

void ax_thread_join(struct ax_thread *thread)
{
    assert(thread);
    int failed = pthread_join(thread->handle, NULL);
    assert(!failed);
}

/* Why tries: what waits until a time goes by the monotonic clock, and pthreads by the wall clock,
 * which may be put back. */
bool ax_thread_wait_a_little(uint64_t until_ns)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    if (ax_clock_ns() >= until_ns)
        return false;
    (void)nanosleep(&pause, NULL);
    return true;
}

bool ax_thread_join_until(struct ax_thread *thread, uint64_t until_ns)
{
    assert(thread);
    if (until_ns == UINT64_MAX) {
        ax_thread_join(thread);
        return true;
    }
    int failed;
    while ((failed = pthread_tryjoin_np(thread->handle, NULL)) && ax_thread_wait_a_little(until_ns))
        continue;
    assert(!failed || failed == EBUSY);
    return !failed;
}

/* A system that refuses it (a seccomp filter) runs the thread as any other. */
void ax_thread_make_idle(void)
{
    const struct sched_param none = { .sched_priority = 0 };
    (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

/* Of sched_setattr(2), as of its first version; libc has neither. */
struct schedule {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* Likewise: what a system refuses is not had. */
void ax_thread_make_prompt(void)
{
    struct schedule schedule = { .size = sizeof(schedule) };
    if (syscall(SYS_sched_getattr, 0, &schedule, sizeof(schedule), 0))
        return;
    schedule.runtime = AX_THREAD_PROMPT_NS;
    (void)syscall(SYS_sched_setattr, 0, &schedule, 0);
}

void ax_thread_make_usual(struct ax_thread *thread)
{
    assert(thread);
    const struct sched_param none = { .sched_priority = 0 };
    (void)pthread_setschedparam(thread->handle, SCHED_OTHER, &none);
}

/* ---- the pool ---- */

struct pool_job {
    void (*run)(void *arg);
    void *arg;
};

struct ax_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job was queued, or closing was set */
    bool closing;
    size_t queue_max;
    size_t first; /* of the waiting jobs in the ring */
    size_t waiting;
    struct pool_job *jobs;
    size_t thread_count;
    struct ax_thread *threads;
};

static bool pool_take(struct ax_pool *pool, struct pool_job *ret_job)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->waiting && !pool->closing)
        (void)pthread_cond_wait(&pool->changed, &pool->lock);
    bool taken = pool->waiting > 0;
    if (taken) {
        *ret_job = pool->jobs[pool->first];
        pool->first = (pool->first + 1) % pool->queue_max;
        pool->waiting--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return taken;
}

/* Jobs call libraries that may leave the floating-point mode changed. */
static void pool_run(void *arg)
{
    struct pool_job job;
    while (pool_take(arg, &job)) {
        job.run(job.arg);
        (void)ax_thread_restore_fp();
    }
}

enum ax_code ax_pool_new(const char *name, size_t thread_count, size_t queue_max,
                         struct ax_pool **ret_pool, struct ax_err *err)
{
    assert(name && thread_count && queue_max && ret_pool && err);
    struct ax_pool *pool = ax_xalloc(sizeof(*pool));
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->changed, NULL);
    pool->queue_max = queue_max;
    pool->jobs = ax_xalloc(queue_max * sizeof(pool->jobs[0]));
    pool->threads = ax_xalloc(thread_count * sizeof(pool->threads[0]));
    for (; pool->thread_count < thread_count; pool->thread_count++) {
        char label[16];
        (void)snprintf(label, sizeof(label), "%.10s-%zu", name, pool->thread_count % 1000);
        if (ax_thread_start(&pool->threads[pool->thread_count], label, pool_run, pool, err)) {
            ax_pool_free(pool);
            return err->code;
        }
    }
    *ret_pool = pool;
    return AX_OK;
}

/* False: one that has no processor time to give the lock back has it. */
static bool pool_close(struct ax_pool *pool, uint64_t until_ns)
{
    while (pthread_mutex_trylock(&pool->lock))
        if (!ax_thread_wait_a_little(until_ns))
            return false;
    pool->closing = true;
    (void)pthread_cond_broadcast(&pool->changed);
    (void)pthread_mutex_unlock(&pool->lock);
    return true;
}

static size_t pool_join(struct ax_pool *pool, uint64_t until_ns)
{
    size_t joined = 0;
    while (joined < pool->thread_count && ax_thread_join_until(&pool->threads[joined], until_ns))
        joined++;
    return joined;
}

bool ax_pool_free_until(struct ax_pool *pool, uint64_t until_ns)
{
    if (!pool)
        return true;
    size_t joined = pool_close(pool, until_ns) ? pool_join(pool, until_ns) : 0;
    if (joined < pool->thread_count) {
        for (; joined < pool->thread_count; joined++)
            (void)pthread_detach(pool->threads[joined].handle);
        return false;
    }
    (void)pthread_cond_destroy(&pool->changed);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool->jobs);
    free(pool);
    return true;
}

void ax_pool_free(struct ax_pool *pool)
{
    bool is_freed = ax_pool_free_until(pool, UINT64_MAX);
    assert(is_freed);
}

void ax_pool_make_usual(struct ax_pool *pool)
{
    assert(pool);
    for (size_t i = 0; i < pool->thread_count; i++)
        ax_thread_make_usual(&pool->threads[i]);
}

enum ax_code ax_pool_submit(struct ax_pool *pool, void (*run)(void *arg), void *arg,
                            struct ax_err *err)
{
    assert(pool && run && err);
    (void)pthread_mutex_lock(&pool->lock);
    bool full = pool->waiting == pool->queue_max;
    assert(!pool->closing);
    if (!full) {
        pool->jobs[(pool->first + pool->waiting) % pool->queue_max] = (struct pool_job){ run, arg };
        pool->waiting++;
        (void)pthread_cond_signal(&pool->changed);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (full)
        return ax_fail(err, AX_E_LIMIT, "the queue of %zu jobs is full", pool->queue_max);
    return AX_OK;
}
