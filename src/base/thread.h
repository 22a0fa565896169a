/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and a bounded pool for blocking work.
 *
 * Every thread of the process is made here: it has a name (ps -L), blocks all signals, attaches its
 * metrics shard, and has the default floating-point mode (no flush-to-zero, round to nearest),
 * since answers must not depend on which thread gave them.
 */
#ifndef AX_BASE_THREAD_H
#define AX_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ax_thread {
    pthread_t handle;
};

/* `name` at most 15 characters, copied. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_thread_start(struct ax_thread *thread, const char *name,
                                         void (*run)(void *arg), void *arg, struct ax_err *err);
void ax_thread_join(struct ax_thread *thread);
/* The same until `until_ns` (monotonic; UINT64_MAX: for ever) at most. False: it runs still. */
AX_MUST_USE bool ax_thread_join_until(struct ax_thread *thread, uint64_t until_ns);

/* Between two tries of what nobody tells the end of: a millisecond. False, without it: `until_ns`
 * (monotonic) is over. Never on the data plane. */
AX_MUST_USE bool ax_thread_wait_a_little(uint64_t until_ns);

/* Have the calling thread run only when no other one wants the core (SCHED_IDLE): for work that
 * must cost those that answer nothing. For good: without privileges there is no way back. Whoever
 * holds a lock so may be kept from giving it back; so none that the data plane takes. */
void ax_thread_make_idle(void);
/* The way back for another thread, where this process may: with CAP_SYS_NICE or RLIMIT_NICE. */
void ax_thread_make_usual(struct ax_thread *thread);

/* Have the calling thread go as soon as it has something to do, ahead of others of the same
 * priority that are in the middle of a turn: it asks for turns of AX_THREAD_PROMPT_NS, and who
 * wants the shorter one goes first (Linux 6.12 and later; nothing happens on others). It gets no
 * more of the processor than before. For threads that wait more than they work. */
#define AX_THREAD_PROMPT_NS ((uint64_t)100000)
void ax_thread_make_prompt(void);

/* Set the calling thread's floating-point mode to the default if somebody changed it: rounding,
 * flush-to-zero, denormals as zero, traps. True when it had been changed. A few nanoseconds. */
bool ax_thread_restore_fp(void);

/* Give the calling thread, and those that it makes from then on, a working folder of their own,
 * which begins as that of the process. False: the system does not let it (some containers), and
 * chdir() moves all threads. */
bool ax_thread_own_folder(void);

/* The number of cores this process may run on (sched_getaffinity), at least 1. */
unsigned ax_thread_core_count(void);

/* A pool of `thread_count` threads and a queue of at most `queue_max` jobs. */
struct ax_pool;
AX_MUST_USE enum ax_code ax_pool_new(const char *name, size_t thread_count, size_t queue_max,
                                     struct ax_pool **ret_pool, struct ax_err *err);
/* Waits for the jobs that were accepted. NULL is fine. */
void ax_pool_free(struct ax_pool *pool);
/* The same until `until_ns` at most. False: a job goes on, and keeps the pool, which is not to be
 * touched any more, and whose threads nobody waits for: for the end of a process. */
AX_MUST_USE bool ax_pool_free_until(struct ax_pool *pool, uint64_t until_ns);
/* As ax_thread_make_usual, for all of its threads. */
void ax_pool_make_usual(struct ax_pool *pool);
/* Queue `run(arg)`. Any thread; never blocks. Expected: LIMIT (queue full). */
AX_MUST_USE enum ax_code ax_pool_submit(struct ax_pool *pool, void (*run)(void *arg), void *arg,
                                        struct ax_err *err);

#endif
