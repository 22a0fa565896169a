/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a cold version: a request is kept until the fleet has loaded what it asks for.
 *
 * The order is left with the fleet, which tells on its own thread; the request goes on on its own
 * I/O thread, inside a wake-up, if it is still there. docs/internals/residency.md.
 */
#ifndef AX_SERVER_COLD_WAIT_H
#define AX_SERVER_COLD_WAIT_H

#include "server/server_thread.h"

struct ax_cold_waiter;

/* What a request asks for; it lies in the request's arena, zeroed at first. The asker sets the
 * first group. */
struct ax_cold_wait {
    struct ax_str model;   /* the texts live as long as the request */
    struct ax_str version; /* empty: the one that answers */
    uint64_t until_ns;     /* monotonic */
    /* The fleet has told, and `err` is how: no code when the version was loaded. That it is there
     * still is not said. In a wake-up; not called when the request has ended. Expected codes:
     * NOT_FOUND, UNAVAILABLE, LIMIT, TIMEOUT, CANCELLED. */
    void (*told)(struct ax_server_thread *thread, struct ax_request *request,
                 struct ax_cold_wait *wait);

    struct ax_cold_waiter *waiter; /* with the fleet; NULL: it has told, or was not asked */
    bool is_told;                  /* and nobody has looked since, who clears it */
    struct ax_err err;
};

/* Whether the version is not ready, but will be for asking. Inside a wake-up. */
bool ax_cold_is_there(const struct ax_server_thread *thread, struct ax_str model,
                      struct ax_str version);

/* How long a request that came now may wait in all. */
uint64_t ax_cold_until_ns(const struct ax_server_thread *thread);

/* Ask for the version; it is not being asked for yet. */
void ax_cold_ask(struct ax_server_thread *thread, struct ax_request *request,
                 struct ax_cold_wait *wait);

/* The request does not wait any more, since it ends: what it asked for is taken back, if it was not
 * told yet. NULL is fine. */
void ax_cold_withdraw(struct ax_server_thread *thread, struct ax_cold_wait *wait);

#endif
