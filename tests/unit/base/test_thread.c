/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a new thread has its name, no open signals, a metrics shard and the default floating point;
 * a pool runs every accepted job once, refuses over its limit, and finishes before it goes, unless
 * it is left alone.
 * Method: threads report on themselves; a gate holds the workers while the queue fills.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"

#include "base/metric.h"

#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct report {
    char name[16];
    bool signals_blocked;
    int rounding;
    bool changed;
};

static void report(void *arg)
{
    struct report *own = arg;
    sigset_t blocked;
    (void)pthread_getname_np(pthread_self(), own->name, sizeof(own->name));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    own->signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT) &&
                           sigismember(&blocked, SIGHUP);
    own->rounding = fegetround();
    own->changed = ax_thread_restore_fp();
    ax_metric_add(0, 1); /* asserts without a shard */
}

static void a_thread_is_set_up(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread thread;
    struct report found = { .rounding = -1 };
    sigset_t before, after;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    /* Threads inherit the mode of whoever starts them. */
    (void)fesetround(FE_UPWARD);
    enum ax_code code = ax_thread_start(&thread, "fifteen-letters", report, &found, &err);
    (void)fesetround(FE_TONEAREST);
    assert_int_equal(code, AX_OK);
    ax_thread_join(&thread);
    assert_string_equal(found.name, "fifteen-letters");
    assert_true(found.signals_blocked);
    assert_int_equal(found.rounding, FE_TONEAREST);
    assert_false(found.changed);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

/* It stays what it was but for its turns; systems before Linux 6.12 do not tell of them. */
static void be_prompt(void *arg)
{
    uint64_t *schedule = arg; /* 7 words that sched_getattr(2) fills */
    ax_thread_make_prompt();
    (void)syscall(SYS_sched_getattr, 0, schedule, 48, 0);
}

static void a_prompt_thread_has_short_turns(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread thread;
    union {
        uint64_t words[7];
        struct {
            uint32_t size, policy;
            uint64_t flags;
            int32_t nice;
            uint32_t priority;
            uint64_t turn_ns;
        } told;
    } found = { .words = { 0 } };
    assert_int_equal(ax_thread_start(&thread, "prompt", be_prompt, found.words, &err), AX_OK);
    ax_thread_join(&thread);
    assert_int_equal(found.told.policy, SCHED_OTHER);
    assert_int_equal(found.told.nice, getpriority(PRIO_PROCESS, 0));
    if (found.told.turn_ns)
        assert_int_equal(found.told.turn_ns, AX_THREAD_PROMPT_NS);
}

static void floating_point_is_restored(void **state)
{
    (void)state;
    assert_false(ax_thread_restore_fp());
    (void)fesetround(FE_DOWNWARD);
    assert_true(ax_thread_restore_fp());
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_false(ax_thread_restore_fp());
    /* What only happened, as opposed to what is set, is no change. */
    volatile double third = 1.0;
    third = third / 3;
    assert_false(ax_thread_restore_fp());
}

#if defined(__x86_64__)

#include <immintrin.h>

static void flush_to_zero(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040);
}

#elif defined(__aarch64__)

static void flush_to_zero(void)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(1) << 24));
}

#endif

static void flush_to_zero_is_taken_back(void **state)
{
    (void)state;
    volatile float tiny = 1e-38f;
    flush_to_zero();
    assert_true(tiny / 8 == 0);
    assert_true(ax_thread_restore_fp());
    assert_true(tiny / 8 > 0);
}

static void cores(void **state)
{
    (void)state;
    assert_in_range(ax_thread_core_count(), 1, 100000);
}

enum { JOBS = 2000 };
static atomic_int runs[JOBS];

static void run_once(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void every_accepted_job_runs_once(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_pool *pool;
    bool accepted[JOBS] = { false };
    assert_int_equal(ax_pool_new("pool", 3, 16, &pool, &err), AX_OK);
    size_t count = 0;
    for (size_t i = 0; i < JOBS; i++) {
        ax_err_clear(&err);
        accepted[i] = !ax_pool_submit(pool, run_once, &runs[i], &err);
        count += accepted[i];
        assert_true(accepted[i] || err.code == AX_E_LIMIT);
    }
    ax_pool_free(pool);
    assert_true(count >= 16);
    for (size_t i = 0; i < JOBS; i++)
        assert_int_equal(atomic_load(&runs[i]), accepted[i]);
    ax_pool_free(NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int waiting;

static void wait_at_the_gate(void *arg)
{
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_pool *pool;
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(ax_pool_new("a name that is long", 1, 3, &pool, &err), AX_OK);
    assert_int_equal(ax_pool_submit(pool, wait_at_the_gate, NULL, &err), AX_OK);
    while (!atomic_load(&waiting))
        (void)sched_yield();
    for (int i = 0; i < 3; i++)
        assert_int_equal(ax_pool_submit(pool, wait_at_the_gate, NULL, &err), AX_OK);
    assert_int_equal(ax_pool_submit(pool, wait_at_the_gate, NULL, &err), AX_E_LIMIT);
    assert_string_equal(err.msg, "the queue of 3 jobs is full");
    (void)pthread_mutex_unlock(&gate);
    ax_pool_free(pool);
    assert_int_equal(atomic_load(&waiting), 4);
}

/* A job that leaves another rounding mode behind must not change the next one's answers. */
static void round_up(void *arg)
{
    (void)arg;
    (void)fesetround(FE_UPWARD);
}

static void read_rounding(void *arg)
{
    *(int *)arg = fegetround();
}

static void jobs_do_not_leave_a_mode_behind(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_pool *pool;
    int rounding = -1;
    assert_int_equal(ax_pool_new("fp", 1, 2, &pool, &err), AX_OK);
    assert_int_equal(ax_pool_submit(pool, round_up, NULL, &err), AX_OK);
    assert_int_equal(ax_pool_submit(pool, read_rounding, &rounding, &err), AX_OK);
    ax_pool_free(pool);
    assert_int_equal(rounding, FE_TONEAREST);
}

/* A lost pool is not freed: it stays in reach, for those who look for leaks. */
static struct ax_pool *lost_pool;

static void a_pool_that_does_not_end_is_left_alone(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(ax_pool_new("lost", 2, 2, &lost_pool, &err), AX_OK);
    assert_int_equal(ax_pool_submit(lost_pool, wait_at_the_gate, NULL, &err), AX_OK);
    assert_false(ax_pool_free_until(lost_pool, 0));
    /* Its threads are nobody's, so a sanitizer has nothing to tell when the process ends. */
    (void)pthread_mutex_unlock(&gate);
}

static void go_to_the_root(void *arg)
{
    bool *is_own = arg;
    *is_own = ax_thread_own_folder();
    assert_true(!*is_own || !chdir("/"));
}

static void a_thread_has_its_own_folder(void **state)
{
    (void)state;
    struct ax_thread thread;
    struct ax_err err = AX_ERR_INIT;
    char before[4096], after[4096];
    bool is_own = false;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(ax_thread_start(&thread, "folder", go_to_the_root, &is_own, &err), AX_OK);
    ax_thread_join(&thread);
    assert_non_null(getcwd(after, sizeof(after)));
    assert_string_equal(before, after);
    if (!is_own)
        print_message("this system lets threads have no folder of their own\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_is_set_up),
        cmocka_unit_test(a_prompt_thread_has_short_turns),
        cmocka_unit_test(floating_point_is_restored),
        cmocka_unit_test(flush_to_zero_is_taken_back),
        cmocka_unit_test(a_thread_has_its_own_folder),
        cmocka_unit_test(cores),
        cmocka_unit_test(every_accepted_job_runs_once),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(jobs_do_not_leave_a_mode_behind),
        cmocka_unit_test(a_pool_that_does_not_end_is_left_alone),
    };
    return cmocka_run_group_tests_name("base/thread", tests, NULL, NULL);
}
