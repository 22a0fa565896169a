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

/* What is waited for; the texts live as long as the request. */
struct ax_cold {
    struct ax_str model;
    struct ax_str version; /* empty: the one that answers */
    uint64_t until_ns;     /* monotonic */
};

/* Whether the version is not ready, but will be for asking. Inside a wake-up. */
bool ax_cold_is_there(const struct ax_server_thread *thread, struct ax_str model,
                      struct ax_str version);

/* How long a request that came now may wait; `deadline_ns`: its own, 0: it has none. */
uint64_t ax_cold_until_ns(const struct ax_server_thread *thread, uint64_t deadline_ns);

/* Keep the request and ask for the version. `go_on` is called once in a later wake-up, unless the
 * request ends before; *err has no code when the version was loaded. That it is there still is not
 * said. Expected codes: NOT_FOUND, UNAVAILABLE, LIMIT, TIMEOUT, CANCELLED. */
void ax_cold_wait(struct ax_server_thread *thread, struct ax_request *request,
                  const struct ax_cold *cold,
                  void (*go_on)(struct ax_server_thread *thread, struct ax_request *request,
                                const struct ax_err *err));

#endif
