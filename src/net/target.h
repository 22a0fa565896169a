/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a client sends its requests: the address behind a URL, and the parts of the request line.
 *
 * http://HOST[:PORT][/PATH] or unix:SOCKET[:/PATH]. A host is looked up once, when the URL is
 * parsed; that may block. No TLS.
 */
#ifndef AX_NET_TARGET_H
#define AX_NET_TARGET_H

#include "base/err.h"
#include "base/str.h"

#include <sys/socket.h>

struct ax_target {
    char *host; /* owned; the value of the Host header: "127.0.0.1:8000", "localhost" */
    char *path; /* owned; with its query, as written: "/v2/models/m/infer" */
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* Parse `url`. Unless `allow_remote`, an address that is not this machine's own (127.0.0.0/8, ::1,
 * a unix socket) is refused. Expected: INVALID (malformed), DENIED (remote), NOT_FOUND (no such
 * host). */
AX_MUST_USE enum ax_code ax_target_parse(struct ax_str url, bool allow_remote,
                                         struct ax_target *ret_target, struct ax_err *err);
void ax_target_done(struct ax_target *target);

/* A connected socket, non-blocking, without delay, closed on exec. Blocks at most `timeout_ns`.
 * Expected: UNAVAILABLE, TIMEOUT, LIMIT. */
AX_MUST_USE enum ax_code ax_target_connect(const struct ax_target *target, uint64_t timeout_ns,
                                           int *ret_fd, struct ax_err *err);

#endif
