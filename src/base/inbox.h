/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inbox: messages from any thread to the one that owns it.
 *
 * Nobody waits for anybody: a sender pushes onto a stack, the owner takes the whole of it with one
 * exchange and turns it round. There is no lock on purpose: a sender may run at idle priority and
 * lose the processor for long; if it did so inside a lock, an I/O thread would wait for it.
 */
#ifndef AX_BASE_INBOX_H
#define AX_BASE_INBOX_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

/* Embedded in what is sent. */
struct ax_message {
    struct ax_message *next;
    void (*receive)(void *context, struct ax_message *message); /* on the owner's thread */
};

struct ax_inbox {
    _Atomic(struct ax_message *) top;
    int event_fd;
};

/* Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_inbox_init(struct ax_inbox *inbox, struct ax_err *err);
/* Nobody sends any more, and all was taken. */
void ax_inbox_done(struct ax_inbox *inbox);

/* Any thread. */
void ax_inbox_send(struct ax_inbox *inbox, struct ax_message *message);
/* Without a message: have the owner look around. Any thread. */
void ax_inbox_wake(struct ax_inbox *inbox);

/* The owner: wait for messages, or being woken, until `until_ns` (monotonic; UINT64_MAX: for
 * ever); then receive all that are there, in the order in which they were sent. */
void ax_inbox_wait(struct ax_inbox *inbox, uint64_t until_ns);
void ax_inbox_receive(struct ax_inbox *inbox, void *context);

#endif
