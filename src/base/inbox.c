/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack that is turned round, and an eventfd.
 *
 * A sender that found the stack empty writes to the eventfd; the others need not, since whoever
 * came first did or is about to. The owner empties the eventfd before it takes the stack, so no
 * message can be left behind with the eventfd silent.
 */
#include "base/inbox.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum ax_code ax_inbox_init(struct ax_inbox *inbox, struct ax_err *err)
{
    assert(inbox && err);
    atomic_init(&inbox->top, NULL);
    inbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (inbox->event_fd < 0)
        return ax_fail_errno(err, errno, "make an eventfd");
    return AX_OK;
}

void ax_inbox_done(struct ax_inbox *inbox)
{
    assert(inbox && !atomic_load(&inbox->top));
    (void)close(inbox->event_fd);
}

void ax_inbox_send(struct ax_inbox *inbox, struct ax_message *message)
{
    assert(inbox && message && message->receive);
    struct ax_message *top = atomic_load(&inbox->top);
    do
        message->next = top;
    while (!atomic_compare_exchange_weak(&inbox->top, &top, message));
    if (!top)
        ax_inbox_wake(inbox);
}

void ax_inbox_wake(struct ax_inbox *inbox)
{
    assert(inbox);
    (void)eventfd_write(inbox->event_fd, 1);
}

void ax_inbox_wait(struct ax_inbox *inbox, uint64_t until_ns)
{
    assert(inbox);
    struct pollfd poll_fd = { .fd = inbox->event_fd, .events = POLLIN };
    uint64_t now_ns = ax_clock_ns();
    int timeout_ms = -1;
    if (until_ns <= now_ns)
        timeout_ms = 0;
    else if (until_ns != UINT64_MAX) /* Rounded up, so as not to come too early. */
        timeout_ms = (int)AX_MIN((until_ns - now_ns) / AX_NS_PER_MS + 1, (uint64_t)INT_MAX);
    eventfd_t count;
    if (poll(&poll_fd, 1, timeout_ms) > 0)
        (void)eventfd_read(inbox->event_fd, &count);
}

void ax_inbox_receive(struct ax_inbox *inbox, void *context)
{
    assert(inbox);
    struct ax_message *last_first = atomic_exchange(&inbox->top, NULL);
    struct ax_message *first = NULL;
    while (last_first) {
        struct ax_message *next = last_first->next;
        last_first->next = first;
        first = last_first;
        last_first = next;
    }
    while (first) {
        /* The message is gone when it is received. */
        struct ax_message *next = first->next;
        first->receive(context, first);
        first = next;
    }
}
