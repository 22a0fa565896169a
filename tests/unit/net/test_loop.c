/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: messages of many threads arrive once, each sender's in order, and none is left behind;
 * timeouts come in order and not too early; polling is done as long as it pays, and only when asked
 * for.
 * Method: a loop driven by the test, senders in threads of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/loop.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SENDERS = 4, MESSAGES = 20000 };

static size_t received, last_of[SENDERS];
static bool in_order = true;

struct numbered {
    struct ax_loop_message base;
    size_t sender, number; /* numbers from 1 */
};

struct sender {
    struct ax_loop *loop;
    size_t index;
    pthread_t thread;
};

static void numbered_run(struct ax_loop_message *message)
{
    struct numbered *numbered = container_of(message, struct numbered, base);
    in_order &= last_of[numbered->sender] + 1 == numbered->number;
    last_of[numbered->sender] = numbered->number;
    received++;
    free(numbered);
}

static void *sender_run(void *arg)
{
    struct sender *sender = arg;
    for (size_t i = 1; i <= MESSAGES; i++) {
        struct numbered *numbered = ax_xalloc(sizeof(*numbered));
        numbered->base.run = numbered_run;
        numbered->sender = sender->index;
        numbered->number = i;
        ax_loop_send(sender->loop, &numbered->base);
    }
    return NULL;
}

static void messages_arrive_in_order(void **state)
{
    (void)state;
    static struct ax_loop loop; /* On the stack ASan would not align it. */
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_loop_init(&loop, &err), AX_OK);
    struct sender senders[SENDERS];
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .loop = &loop, .index = i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]), 0);
    }
    /* Blocking for ever if a wake-up were lost; the test's timeout would tell. */
    while (received < (size_t)SENDERS * MESSAGES)
        ax_loop_wait(&loop, true);
    assert_true(in_order);
    for (size_t i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    ax_loop_deliver(&loop);
    assert_int_equal(received, (size_t)SENDERS * MESSAGES);
    ax_loop_done(&loop);
}

static struct ax_timeout *expired[8];
static size_t expired_count;

static void note_expired(struct ax_timeout *timeout)
{
    assert_null(timeout->list);
    expired[expired_count++] = timeout;
}

static void timeouts_come_in_order(void **state)
{
    (void)state;
    static struct ax_loop loop; /* On the stack ASan would not align it. */
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_loop_init(&loop, &err), AX_OK);
    struct ax_timeout_list fast, slow;
    ax_loop_add_timeouts(&loop, &fast, 5 * (uint64_t)AX_NS_PER_MS, note_expired);
    ax_loop_add_timeouts(&loop, &slow, 30 * (uint64_t)AX_NS_PER_MS, note_expired);
    struct ax_timeout timeouts[5] = { 0 };
    ax_timeout_disarm(&timeouts[0]); /* not armed: nothing happens */
    ax_timeout_arm(&loop, &slow, &timeouts[0]);
    ax_timeout_arm(&loop, &fast, &timeouts[1]);
    ax_timeout_arm(&loop, &fast, &timeouts[2]);
    ax_timeout_arm(&loop, &fast, &timeouts[3]);
    ax_timeout_arm(&loop, &slow, &timeouts[4]);
    ax_timeout_disarm(&timeouts[2]);            /* from the middle */
    ax_timeout_arm(&loop, &fast, &timeouts[1]); /* again, to the end */
    ax_timeout_arm(&loop, &fast, &timeouts[4]); /* to another list */
    uint64_t began_ns = loop.now_ns;
    while (expired_count < 3) {
        ax_loop_wait(&loop, true);
        ax_loop_expire(&loop);
    }
    assert_true(loop.now_ns - began_ns >= 5 * (uint64_t)AX_NS_PER_MS);
    assert_ptr_equal(expired[0], &timeouts[3]);
    assert_ptr_equal(expired[1], &timeouts[1]);
    assert_ptr_equal(expired[2], &timeouts[4]);
    while (expired_count < 4) {
        ax_loop_wait(&loop, true);
        ax_loop_expire(&loop);
    }
    assert_true(loop.now_ns - began_ns >= 30 * (uint64_t)AX_NS_PER_MS);
    assert_ptr_equal(expired[3], &timeouts[0]);
    assert_null(fast.first);
    assert_null(fast.last);
    assert_null(slow.first);
    ax_loop_done(&loop);
}

struct piped {
    struct ax_loop_source source;
    int fd;
    size_t count;
};

static void piped_ready(struct ax_loop_source *source, uint32_t events)
{
    struct piped *piped = container_of(source, struct piped, source);
    assert_true(events & EPOLLIN);
    char c;
    assert_int_equal(read(piped->fd, &c, 1), 1);
    piped->count++;
}

static void descriptors_are_watched(void **state)
{
    (void)state;
    static struct ax_loop loop; /* On the stack ASan would not align it. */
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_loop_init(&loop, &err), AX_OK);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct piped piped = { .source.ready = piped_ready, .fd = fds[0] };
    assert_int_equal(ax_loop_add(&loop, fds[0], EPOLLIN, &piped.source, &err), AX_OK);
    assert_int_equal(ax_loop_add(&loop, fds[0], EPOLLIN, &piped.source, &err), AX_E_LIMIT);
    ax_loop_wait(&loop, false);
    assert_int_equal(piped.count, 0);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    ax_loop_wait(&loop, true);
    ax_loop_wait(&loop, true);
    assert_int_equal(piped.count, 2);
    ax_loop_remove(&loop, fds[0]);
    assert_int_equal(write(fds[1], "c", 1), 1);
    ax_loop_wait(&loop, false);
    assert_int_equal(piped.count, 2);
    (void)close(fds[0]);
    (void)close(fds[1]);
    ax_loop_done(&loop);
}

static void nothing_run(struct ax_loop_message *message)
{
    (void)message;
}

/* A pause of as long as a timeout, or none since a message waits. */
static enum ax_loop_waited pause_once(struct ax_loop *loop, struct ax_timeout_list *list,
                                      bool is_short)
{
    struct ax_loop_message message = { .run = nothing_run };
    struct ax_timeout timeout = { 0 };
    loop->now_ns = ax_clock_ns();
    ax_timeout_arm(loop, list, &timeout);
    if (is_short)
        ax_loop_send(loop, &message);
    enum ax_loop_waited waited = ax_loop_wait(loop, true);
    ax_timeout_disarm(&timeout);
    return waited;
}

static void polling_is_given_up_and_taken_up(void **state)
{
    (void)state;
    static struct ax_loop loop; /* On the stack ASan would not align it. */
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_loop_init(&loop, &err), AX_OK);
    struct ax_timeout_list list;
    ax_loop_add_timeouts(&loop, &list, 5 * (uint64_t)AX_NS_PER_MS, note_expired);

    /* Off, it sleeps also for what is there already. */
    assert_int_equal(pause_once(&loop, &list, true), AX_LOOP_SLEPT);
    assert_int_equal(pause_once(&loop, &list, false), AX_LOOP_SLEPT);
    assert_int_equal(loop.poll_ns, 0);
    assert_int_equal(ax_loop_wait(&loop, false), AX_LOOP_PASSED);

    loop.poll_ns = loop.poll_ns_max = 1000 * (uint64_t)AX_NS_PER_US;
    assert_int_equal(pause_once(&loop, &list, true), AX_LOOP_POLLED);
    uint64_t began_ns = ax_clock_ns();
    for (size_t i = 1; i <= 20; i++) {
        assert_int_equal(pause_once(&loop, &list, false), AX_LOOP_SLEPT);
        assert_int_equal(loop.poll_ns, loop.poll_ns_max >> i);
    }
    assert_int_equal(loop.poll_ns, 0);
    /* The pauses are not shorter for having been polled. */
    assert_true(ax_clock_ns() - began_ns >= 20 * 4 * (uint64_t)AX_NS_PER_MS);
    /* This one is missed, and teaches that the next need not be. */
    assert_int_equal(pause_once(&loop, &list, true), AX_LOOP_SLEPT);
    assert_int_equal(loop.poll_ns, loop.poll_ns_max);
    assert_int_equal(pause_once(&loop, &list, true), AX_LOOP_POLLED);
    ax_loop_done(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order),
        cmocka_unit_test(timeouts_come_in_order),
        cmocka_unit_test(descriptors_are_watched),
        cmocka_unit_test(polling_is_given_up_and_taken_up),
    };
    return cmocka_run_group_tests_name("net/loop", tests, NULL, NULL);
}
