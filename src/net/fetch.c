/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer: connect, write it all, read until the answer is whole, with poll()
 * between and one deadline for everything.
 */
#include "net/fetch.h"

#include "base/clock.h"
#include "net/response.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES ((size_t)16 << 10)

/* Wait until the socket can be read or written. */
static enum ax_code fetch_wait(int fd, short events, uint64_t deadline_ns, struct ax_err *err)
{
    struct pollfd poller = { .fd = fd, .events = events };
    for (;;) {
        uint64_t now = ax_clock_ns();
        if (now >= deadline_ns)
            return ax_fail(err, AX_E_TIMEOUT, "the answer timed out");
        /* At least 1 ms, else the last one would be spent polling. */
        int timeout_ms = (int)AX_MIN((deadline_ns - now) / AX_NS_PER_MS + 1, (uint64_t)60000);
        int count = poll(&poller, 1, timeout_ms);
        if (count > 0)
            return AX_OK;
        if (count < 0 && errno != EINTR)
            return ax_fail_errno(err, errno, "wait for an answer");
    }
}

static enum ax_code fetch_send(int fd, struct ax_str request, uint64_t deadline_ns,
                               struct ax_err *err)
{
    for (size_t sent = 0; sent < request.len;) {
        ssize_t n = send(fd, request.ptr + sent, request.len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return ax_fail(err, AX_E_UNAVAILABLE, "send: %s", strerrordesc_np(errno));
        else if (fetch_wait(fd, POLLOUT, deadline_ns, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code fetch_receive(int fd, struct ax_response *response, uint64_t deadline_ns,
                                  struct ax_err *err)
{
    char bytes[READ_BYTES];
    for (bool done = false; !done;) {
        if (fetch_wait(fd, POLLIN, deadline_ns, err))
            return err->code;
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return ax_fail(err, AX_E_UNAVAILABLE, "receive: %s", strerrordesc_np(errno));
        if (n == 0)
            return ax_fail(err, AX_E_UNAVAILABLE, "closed before the answer was whole");
        size_t used = 0;
        if (ax_response_read(response, bytes, (size_t)n, &used, &done, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_fetch(const struct ax_target *target, struct ax_str request, uint64_t timeout_ns,
                      int *ret_status, struct ax_buf *body, struct ax_err *err)
{
    assert(target && (request.ptr || request.len == 0) && ret_status && body && err);
    uint64_t deadline_ns = ax_clock_ns() + timeout_ns;
    int fd = -1;
    if (ax_target_connect(target, timeout_ns, &fd, err))
        return err->code;
    struct ax_response response;
    ax_response_init(&response);
    response.body = body;
    enum ax_code code = fetch_send(fd, request, deadline_ns, err);
    if (code == AX_OK)
        code = fetch_receive(fd, &response, deadline_ns, err);
    (void)close(fd);
    if (code == AX_OK)
        *ret_status = response.status;
    return code;
}
