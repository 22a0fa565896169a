/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's inbox: messages from any thread to the control thread.
 *
 * Nobody waits for anybody: a sender pushes onto a stack, the control thread takes the whole of it
 * with one exchange and turns it round. There is no lock on purpose: a loader runs at idle priority
 * and may lose the processor for long; if it did so inside a lock, an I/O thread would wait for it.
 */
#ifndef AX_SERVER_FLEET_INBOX_H
#define AX_SERVER_FLEET_INBOX_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

/* Embedded in what is sent. */
struct ax_fleet_message {
    struct ax_fleet_message *next;
    void (*receive)(void *context, struct ax_fleet_message *message); /* on the control thread */
};

struct ax_fleet_inbox {
    _Atomic(struct ax_fleet_message *) top;
    int event_fd;
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_fleet_inbox_init(struct ax_fleet_inbox *inbox, struct ax_err *err);
/* Nobody sends any more, and all was taken. */
void ax_fleet_inbox_done(struct ax_fleet_inbox *inbox);

/* Any thread. */
void ax_fleet_inbox_send(struct ax_fleet_inbox *inbox, struct ax_fleet_message *message);
/* Without a message: have the control thread look around. Any thread. */
void ax_fleet_inbox_wake(struct ax_fleet_inbox *inbox);

/* Control thread: wait for messages, or being woken, until `until_ns` (monotonic; UINT64_MAX: for
 * ever); then receive all that are there, in the order in which they were sent. */
void ax_fleet_inbox_wait(struct ax_fleet_inbox *inbox, uint64_t until_ns);
void ax_fleet_inbox_receive(struct ax_fleet_inbox *inbox, void *context);

#endif
