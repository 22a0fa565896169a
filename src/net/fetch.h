/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, blocking: for a command that asks a server something before its work.
 *
 * A connection of its own, closed afterwards. Not for I/O threads.
 */
#ifndef AX_NET_FETCH_H
#define AX_NET_FETCH_H

#include "base/buf.h"
#include "net/target.h"

/* Send `request`, a whole HTTP/1.1 request but no HEAD, and read its answer: the status, and the
 * body behind the contents of `body`, whose maximum is the limit. All of it takes at most about
 * `timeout_ns`. Expected: UNAVAILABLE, TIMEOUT, LIMIT (no answer); INVALID, UNSUPPORTED, TOO_LARGE
 * (what was answered). */
AX_MUST_USE enum ax_code ax_fetch(const struct ax_target *target, struct ax_str request,
                                  uint64_t timeout_ns, int *ret_status, struct ax_buf *body,
                                  struct ax_err *err);

#endif
