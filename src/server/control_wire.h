/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a state directory, and lines on it: what both ends of it share.
 *
 * docs/internals/control.md tells what is said. A wire belongs to one thread at a time and blocks;
 * nothing here logs, and nobody gets a SIGPIPE.
 */
#ifndef AX_SERVER_CONTROL_WIRE_H
#define AX_SERVER_CONTROL_WIRE_H

#include "base/buf.h"

#include <stdatomic.h>

#define AX_CONTROL_REQUEST_BYTES_MAX ((size_t)64 << 10) /* of the one line of a request */
#define AX_CONTROL_OUTPUT_BYTES_MAX  ((size_t)64 << 10) /* of the text in a line of output */
#define AX_CONTROL_ANSWER_BYTES_MAX  ((size_t)1 << 20)  /* of any other line, all of it escaped */

/* Listen at `state`/control.sock, which only this user may use, in place of a socket that is there:
 * for the owner of the directory. It does not block. Expected: DENIED, INVALID (there is something
 * that is no socket), UNSUPPORTED (a file system without sockets). */
AX_MUST_USE enum ax_code ax_control_wire_listen(const char *state, int *ret_fd, struct ax_err *err);
/* Remove the socket from the folder. */
void ax_control_wire_unlink(const char *state);

/* Connect to it. Expected: UNAVAILABLE (nobody listens), DENIED. */
AX_MUST_USE enum ax_code ax_control_wire_connect(const char *state, int *ret_fd,
                                                 struct ax_err *err);

struct ax_control_wire {
    int fd;                       /* owned; it does not block */
    const atomic_bool *cancelled; /* or NULL: who waits gives up when it is set */
    struct ax_buf in;
    size_t line_bytes; /* of the line that was read last, with its end */
};

void ax_control_wire_init(struct ax_control_wire *wire, int fd, size_t line_bytes_max,
                          const atomic_bool *cancelled);
/* Fine on a zeroed one. */
void ax_control_wire_done(struct ax_control_wire *wire);

/* The next line, without its end; it stays until the next call. `until_ns` is monotonic;
 * UINT64_MAX: for ever. Expected: UNAVAILABLE (the other end has gone), TIMEOUT, CANCELLED,
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_control_wire_read(struct ax_control_wire *wire, uint64_t until_ns,
                                              struct ax_str *ret_line, struct ax_err *err);

/* Send bytes that end with a line's end. Waits for a reader, for a minute without a byte at most,
 * and only while it is not cancelled. Expected: UNAVAILABLE (the other end has gone), TIMEOUT,
 * CANCELLED. */
AX_MUST_USE enum ax_code ax_control_wire_write(struct ax_control_wire *wire, struct ax_str bytes,
                                               struct ax_err *err);

#endif
