/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket of the local kind. Its address has room for a path of 107 bytes; a folder whose
 * path is longer is opened, and the socket named as an entry of that descriptor in /proc.
 *
 * Whoever waits looks at its flag some times a second: poll(2) knows nothing of flags, and a
 * descriptor for each of them would be one more thing to keep.
 */
#include "server/control_wire.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME          "control.sock"
#define BACKLOG       64
#define READ_BYTES    ((size_t)16 << 10)
#define LOOK_MS       100 /* at the flag */
#define WRITE_WAIT_NS ((uint64_t)60 * AX_NS_PER_S)
#define SOCKET_MODE   0600

/* ---- the socket ---- */

struct address {
    struct sockaddr_un name;
    int folder; /* -1: the path fits */
};

static enum ax_code address_open(struct address *address, const char *state, struct ax_err *err)
{
    *address = (struct address){ .name.sun_family = AF_UNIX, .folder = -1 };
    char *path = address->name.sun_path;
    int len = snprintf(path, sizeof(address->name.sun_path), "%s/" NAME, state);
    if (len > 0 && (size_t)len < sizeof(address->name.sun_path))
        return AX_OK;
    address->folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (address->folder < 0)
        return ax_fail_errno(err, errno, "open '%s'", state);
    (void)snprintf(path, sizeof(address->name.sun_path), "/proc/self/fd/%d/" NAME, address->folder);
    return AX_OK;
}

static void address_close(struct address *address)
{
    if (address->folder >= 0)
        (void)close(address->folder);
}

static enum ax_code remove_stale(const char *path, struct ax_err *err)
{
    struct stat info;
    if (lstat(path, &info))
        return errno == ENOENT ? AX_OK : ax_fail_errno(err, errno, "stat");
    if (!S_ISSOCK(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "there is something that is no socket");
    return unlink(path) ? ax_fail_errno(err, errno, "remove what a server has left") : AX_OK;
}

/* Nobody can connect before listen, so the mode is right from the beginning. */
static enum ax_code bind_and_listen(int fd, const struct sockaddr_un *name, struct ax_err *err)
{
    if (bind(fd, (const struct sockaddr *)name, sizeof(*name))) {
        if (errno == EPERM || errno == EOPNOTSUPP || errno == EINVAL)
            return ax_fail(err, AX_E_UNSUPPORTED, "the file system takes no sockets");
        return ax_fail_errno(err, errno, "bind");
    }
    if (chmod(name->sun_path, SOCKET_MODE))
        return ax_fail_errno(err, errno, "set the mode");
    return listen(fd, BACKLOG) ? ax_fail_errno(err, errno, "listen") : AX_OK;
}

static int socket_new(struct ax_err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        (void)ax_fail_errno(err, errno, "make a socket");
    return fd;
}

enum ax_code ax_control_wire_listen(const char *state, int *ret_fd, struct ax_err *err)
{
    assert(state && ret_fd && err);
    struct address address;
    if (address_open(&address, state, err))
        return err->code;
    int fd = socket_new(err);
    if (!err->code && !remove_stale(address.name.sun_path, err) &&
        !bind_and_listen(fd, &address.name, err))
        *ret_fd = fd;
    else if (fd >= 0)
        (void)close(fd);
    address_close(&address);
    return err->code ? ax_err_context(err, "'%s/" NAME "'", state) : AX_OK;
}

void ax_control_wire_unlink(const char *state)
{
    assert(state);
    struct address address;
    struct ax_err ignored = AX_ERR_INIT;
    if (address_open(&address, state, &ignored))
        return;
    (void)unlink(address.name.sun_path);
    address_close(&address);
}

/* A local socket is connected at once; EAGAIN: too many others wait to be. */
static enum ax_code connect_to(int fd, const struct sockaddr_un *name, struct ax_err *err)
{
    if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
        return AX_OK;
    if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN || errno == ENOTSOCK)
        return ax_fail(err, AX_E_UNAVAILABLE, "nobody listens");
    return ax_fail_errno(err, errno, "connect");
}

enum ax_code ax_control_wire_connect(const char *state, int *ret_fd, struct ax_err *err)
{
    assert(state && ret_fd && err);
    struct address address;
    if (address_open(&address, state, err))
        return err->code;
    int fd = socket_new(err);
    if (!err->code && !connect_to(fd, &address.name, err))
        *ret_fd = fd;
    else if (fd >= 0)
        (void)close(fd);
    address_close(&address);
    return err->code ? ax_err_context(err, "'%s/" NAME "'", state) : AX_OK;
}

/* ---- lines ---- */

void ax_control_wire_init(struct ax_control_wire *wire, int fd, size_t line_bytes_max,
                          const atomic_bool *cancelled)
{
    assert(wire && fd >= 0);
    *wire = (struct ax_control_wire){ .fd = fd, .cancelled = cancelled };
    ax_buf_init(&wire->in, line_bytes_max + READ_BYTES);
}

void ax_control_wire_done(struct ax_control_wire *wire)
{
    if (!wire->in.max)
        return;
    (void)close(wire->fd);
    ax_buf_done(&wire->in);
    *wire = (struct ax_control_wire){ 0 };
}

static enum ax_code gone_fail(struct ax_err *err)
{
    return ax_fail(err, AX_E_UNAVAILABLE, "the other end has gone");
}

/* Until the socket is ready for it. */
static enum ax_code wait_for(const struct ax_control_wire *wire, short events, uint64_t until_ns,
                             struct ax_err *err)
{
    struct pollfd ready = { .fd = wire->fd, .events = events };
    for (;;) {
        uint64_t now_ns = ax_clock_ns();
        if (wire->cancelled && atomic_load(wire->cancelled))
            return ax_fail(err, AX_E_CANCELLED, "cancelled");
        if (now_ns >= until_ns)
            return ax_fail(err, AX_E_TIMEOUT, "the other end is silent for too long");
        uint64_t left_ms = (until_ns - now_ns) / AX_NS_PER_MS + 1;
        int got = poll(&ready, 1, (int)AX_MIN(left_ms, (uint64_t)LOOK_MS));
        if (got > 0)
            return AX_OK;
        if (got < 0 && errno != EINTR)
            return ax_fail_errno(err, errno, "wait for the other end");
    }
}

/* Take what is there; waits for something. */
static enum ax_code take_some(struct ax_control_wire *wire, uint64_t until_ns, struct ax_err *err)
{
    char *room = ax_buf_reserve(&wire->in, READ_BYTES);
    if (!room)
        return ax_buf_check(&wire->in, "a line", err);
    for (;;) {
        ssize_t got = recv(wire->fd, room, READ_BYTES, 0);
        if (got > 0) {
            ax_buf_added(&wire->in, (size_t)got);
            return AX_OK;
        }
        if (got == 0 || errno == ECONNRESET)
            return gone_fail(err);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return ax_fail_errno(err, errno, "read from the other end");
        if (wait_for(wire, POLLIN, until_ns, err))
            return err->code;
    }
}

enum ax_code ax_control_wire_read(struct ax_control_wire *wire, uint64_t until_ns,
                                  struct ax_str *ret_line, struct ax_err *err)
{
    assert(wire && ret_line && err);
    ax_buf_consume(&wire->in, wire->line_bytes);
    wire->line_bytes = 0;
    size_t seen = 0;
    for (;;) {
        struct ax_str text = ax_buf_str(&wire->in);
        const char *end = seen < text.len ? memchr(text.ptr + seen, '\n', text.len - seen) : NULL;
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        if (len > wire->in.max - READ_BYTES)
            return ax_fail(err, AX_E_TOO_LARGE, "a line of more than %zu bytes",
                           wire->in.max - READ_BYTES);
        if (end) {
            wire->line_bytes = len + 1;
            *ret_line = (struct ax_str){ text.ptr, len };
            return AX_OK;
        }
        seen = text.len;
        if (take_some(wire, until_ns, err))
            return err->code;
    }
}

enum ax_code ax_control_wire_write(struct ax_control_wire *wire, struct ax_str bytes,
                                   struct ax_err *err)
{
    assert(wire && bytes.len && err);
    while (bytes.len) {
        ssize_t sent = send(wire->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent > 0)
            bytes = (struct ax_str){ bytes.ptr + sent, bytes.len - (size_t)sent };
        else if (errno == EPIPE || errno == ECONNRESET)
            return gone_fail(err);
        else if (errno != EAGAIN && errno != EINTR)
            return ax_fail_errno(err, errno, "write to the other end");
        else if (wait_for(wire, POLLOUT, ax_clock_ns() + WRITE_WAIT_NS, err))
            return err->code;
    }
    return AX_OK;
}
