/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of one I/O thread: descriptors, timeouts, and messages from other threads.
 *
 * A loop belongs to the thread that runs it; only ax_loop_send may be called from elsewhere. It
 * decides nothing: its owner calls ax_loop_wait once a round and does its own work in between.
 *
 * Waiting may begin with polling (poll_ns_max): for so long after it ran out of work the loop asks
 * again and again instead of sleeping, since being woken costs more than a small request. When that
 * finds nothing it is done for half as long the next time, down to not at all; when the next event
 * comes soon, polled for or not, for the full time again.
 *
 * Timeouts stand in lists, one list a duration, so the list is in order of time when each new one
 * goes to its end: arming and disarming cost a few stores, whatever their number.
 */
#ifndef AX_NET_LOOP_H
#define AX_NET_LOOP_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in what a descriptor belongs to; must stay valid for the round in which it is removed.
 */
struct ax_loop_source {
    void (*ready)(struct ax_loop_source *source, uint32_t events); /* EPOLLIN, … */
};

/* Embedded in what is sent; the receiver owns it from then on. */
struct ax_loop_message {
    struct ax_loop_message *next;
    void (*run)(struct ax_loop_message *message);
};

struct ax_timeout_list;

struct ax_timeout {
    struct ax_timeout_list *list; /* NULL: not armed */
    struct ax_timeout *previous, *next;
    uint64_t deadline_ns;
};

struct ax_timeout_list {
    struct ax_timeout *first, *last;
    uint64_t duration_ns;
    void (*expired)(struct ax_timeout *timeout); /* already disarmed */
};

#define AX_LOOP_TIMEOUT_LISTS_MAX 12

struct ax_loop {
    int epoll_fd;
    int event_fd;
    uint64_t now_ns;      /* monotonic, taken once a round */
    uint64_t poll_ns_max; /* 0 at first: sleeps at once; may be set */
    uint64_t poll_ns;     /* how long polling is worth it at the moment */
    struct ax_loop_source wake;
    struct ax_timeout_list *lists[AX_LOOP_TIMEOUT_LISTS_MAX];
    size_t list_count;
    /* Written by other threads: a stack, newest first. */
    _Alignas(AX_CACHE_LINE) _Atomic(struct ax_loop_message *) messages;
};

/* Expected: LIMIT (descriptors). */
AX_MUST_USE enum ax_code ax_loop_init(struct ax_loop *loop, struct ax_err *err);
/* Messages that nobody ran must have been taken out before (ax_loop_deliver). */
void ax_loop_done(struct ax_loop *loop);

/* `events` as epoll has them. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_loop_add(struct ax_loop *loop, int fd, uint32_t events,
                                     struct ax_loop_source *source, struct ax_err *err);
void ax_loop_remove(struct ax_loop *loop, int fd);

/* Tell the loop of a list, once, before its first use. */
void ax_loop_add_timeouts(struct ax_loop *loop, struct ax_timeout_list *list, uint64_t duration_ns,
                          void (*expired)(struct ax_timeout *timeout));

/* Arm, or arm anew, from the time of this round; disarming what is not armed does nothing. */
void ax_timeout_arm(const struct ax_loop *loop, struct ax_timeout_list *list,
                    struct ax_timeout *timeout);
void ax_timeout_disarm(struct ax_timeout *timeout);

/* Queue a message; any thread. Messages of one sender run in the order they were sent. The first
 * one after the loop was last served costs a system call, the others a compare-and-swap. */
void ax_loop_send(struct ax_loop *loop, struct ax_loop_message *message);

enum ax_loop_waited {
    AX_LOOP_PASSED, /* it did not wait: it was told not to, or a timeout was due */
    AX_LOOP_POLLED, /* events came while it polled */
    AX_LOOP_SLEPT,
};

/* Wait for events (not at all unless `block`), then call `ready` of all sources that have some and
 * run all messages. */
enum ax_loop_waited ax_loop_wait(struct ax_loop *loop, bool block);

/* Run the messages that are there. */
void ax_loop_deliver(struct ax_loop *loop);

/* Call `expired` of what is due. */
void ax_loop_expire(struct ax_loop *loop);

#endif
