/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll, an eventfd, and timeout lists.
 *
 * Messages form a lock-free stack: a sender swaps itself in front, the loop takes the whole stack
 * with one exchange and turns it round. A sender that found the stack empty writes to the eventfd;
 * the others need not, since whoever came first did or is about to. The loop empties the eventfd
 * before it takes the stack, so no message can be left behind with the eventfd silent.
 *
 * How long polling is worth it is told by the pauses between work: one that was no longer than
 * poll_ns_max would have been bridged. So a loop that nobody talks to polls, in all, for twice
 * poll_ns_max after its last event.
 */
#include "net/loop.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 256

static void loop_woken(struct ax_loop_source *source, uint32_t events)
{
    (void)events;
    struct ax_loop *loop = container_of(source, struct ax_loop, wake);
    uint64_t count;
    /* Fails only when there is nothing to read, which is as good. */
    (void)!read(loop->event_fd, &count, sizeof(count));
}

enum ax_code ax_loop_init(struct ax_loop *loop, struct ax_err *err)
{
    assert(loop && err);
    *loop = (struct ax_loop){ .epoll_fd = -1, .event_fd = -1, .wake.ready = loop_woken };
    loop->now_ns = ax_clock_ns();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->event_fd < 0) {
        enum ax_code code =
            ax_fail(err, AX_E_LIMIT, "no descriptor for an event loop (errno %d)", errno);
        ax_loop_done(loop);
        return code;
    }
    enum ax_code code = ax_loop_add(loop, loop->event_fd, EPOLLIN, &loop->wake, err);
    if (code)
        ax_loop_done(loop);
    return code;
}

void ax_loop_done(struct ax_loop *loop)
{
    if (!loop)
        return;
    assert(!atomic_load(&loop->messages));
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
    if (loop->event_fd >= 0)
        (void)close(loop->event_fd);
    loop->epoll_fd = loop->event_fd = -1;
}

enum ax_code ax_loop_add(struct ax_loop *loop, int fd, uint32_t events,
                         struct ax_loop_source *source, struct ax_err *err)
{
    assert(loop && fd >= 0 && source && source->ready);
    struct epoll_event event = { .events = events, .data.ptr = source };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return AX_OK;
    return ax_fail(err, AX_E_LIMIT, "the kernel refused to watch a descriptor (errno %d)", errno);
}

void ax_loop_remove(struct ax_loop *loop, int fd)
{
    assert(loop && fd >= 0);
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    assert(rc == 0);
    (void)rc;
}

void ax_loop_add_timeouts(struct ax_loop *loop, struct ax_timeout_list *list, uint64_t duration_ns,
                          void (*expired)(struct ax_timeout *timeout))
{
    assert(loop && list && expired && loop->list_count < AX_LOOP_TIMEOUT_LISTS_MAX);
    *list = (struct ax_timeout_list){ .duration_ns = duration_ns, .expired = expired };
    loop->lists[loop->list_count++] = list;
}

void ax_timeout_disarm(struct ax_timeout *timeout)
{
    assert(timeout);
    struct ax_timeout_list *list = timeout->list;
    if (!list)
        return;
    *(timeout->previous ? &timeout->previous->next : &list->first) = timeout->next;
    *(timeout->next ? &timeout->next->previous : &list->last) = timeout->previous;
    timeout->list = NULL;
}

void ax_timeout_arm(const struct ax_loop *loop, struct ax_timeout_list *list,
                    struct ax_timeout *timeout)
{
    assert(loop && list && list->expired && timeout);
    ax_timeout_disarm(timeout);
    *timeout = (struct ax_timeout){ .list = list,
                                    .previous = list->last,
                                    .deadline_ns = loop->now_ns + list->duration_ns };
    *(list->last ? &list->last->next : &list->first) = timeout;
    list->last = timeout;
}

void ax_loop_send(struct ax_loop *loop, struct ax_loop_message *message)
{
    assert(loop && message && message->run);
    struct ax_loop_message *top = atomic_load_explicit(&loop->messages, memory_order_relaxed);
    do {
        message->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&loop->messages, &top, message,
                                                    memory_order_release, memory_order_relaxed));
    if (top)
        return;
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the loop will wake all the same. */
    (void)!write(loop->event_fd, &one, sizeof(one));
}

void ax_loop_deliver(struct ax_loop *loop)
{
    assert(loop);
    if (!atomic_load_explicit(&loop->messages, memory_order_relaxed))
        return;
    struct ax_loop_message *stack =
        atomic_exchange_explicit(&loop->messages, NULL, memory_order_acquire);
    struct ax_loop_message *oldest = NULL;
    while (stack) {
        struct ax_loop_message *next = stack->next;
        stack->next = oldest;
        oldest = stack;
        stack = next;
    }
    while (oldest) {
        struct ax_loop_message *next = oldest->next;
        oldest->run(oldest);
        oldest = next;
    }
}

/* Milliseconds to the next deadline, rounded up, or -1 for ever. */
static int loop_patience_ms(const struct ax_loop *loop)
{
    uint64_t deadline_ns = UINT64_MAX;
    for (size_t i = 0; i < loop->list_count; i++)
        if (loop->lists[i]->first)
            deadline_ns = AX_MIN(deadline_ns, loop->lists[i]->first->deadline_ns);
    if (deadline_ns == UINT64_MAX)
        return -1;
    if (deadline_ns <= loop->now_ns)
        return 0;
    uint64_t ms = (deadline_ns - loop->now_ns + AX_NS_PER_MS - 1) / AX_NS_PER_MS;
    return (int)AX_MIN(ms, (uint64_t)INT_MAX);
}

/* The next pause is expected to be like the one that is over. */
static void loop_learn_pause(struct ax_loop *loop, uint64_t pause_ns)
{
    loop->poll_ns = pause_ns <= loop->poll_ns_max ? loop->poll_ns_max : loop->poll_ns / 2;
}

/* Ask for events until some come or poll_ns are over. A timeout may become due meanwhile: it is as
 * late as one that waits for a round. */
static int loop_poll(struct ax_loop *loop, uint64_t began_ns, struct epoll_event *events)
{
    int count;
    do {
        count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, 0);
        loop->now_ns = ax_clock_ns();
    } while (count == 0 && loop->now_ns - began_ns < loop->poll_ns);
    return count;
}

/* Wait as long as it takes. */
static int loop_block(struct ax_loop *loop, struct epoll_event *events,
                      enum ax_loop_waited *ret_waited)
{
    int patience_ms = loop_patience_ms(loop);
    uint64_t began_ns = loop->poll_ns_max ? ax_clock_ns() : 0;
    int count = 0;
    *ret_waited = patience_ms ? AX_LOOP_SLEPT : AX_LOOP_PASSED;
    if (loop->poll_ns && patience_ms) {
        count = loop_poll(loop, began_ns, events);
        if (count > 0)
            *ret_waited = AX_LOOP_POLLED;
    }
    if (count == 0) {
        count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, patience_ms);
        loop->now_ns = ax_clock_ns();
    }
    if (loop->poll_ns_max)
        loop_learn_pause(loop, loop->now_ns - began_ns);
    return count;
}

enum ax_loop_waited ax_loop_wait(struct ax_loop *loop, bool block)
{
    assert(loop && loop->epoll_fd >= 0);
    struct epoll_event events[EVENTS_MAX];
    enum ax_loop_waited waited = AX_LOOP_PASSED;
    int count;
    if (block) {
        count = loop_block(loop, events, &waited);
    } else {
        count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, 0);
        loop->now_ns = ax_clock_ns();
    }
    assert(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct ax_loop_source *source = events[i].data.ptr;
        source->ready(source, events[i].events);
    }
    ax_loop_deliver(loop);
    return waited;
}

void ax_loop_expire(struct ax_loop *loop)
{
    assert(loop);
    for (size_t i = 0; i < loop->list_count; i++) {
        struct ax_timeout_list *list = loop->lists[i];
        while (list->first && list->first->deadline_ns <= loop->now_ns) {
            struct ax_timeout *timeout = list->first;
            ax_timeout_disarm(timeout);
            list->expired(timeout);
        }
    }
}
