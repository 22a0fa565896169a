/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding addresses.
 *
 * SO_REUSEPORT would let a second auspex join the port of the first one, and take half of its
 * connections. So each port is bound once without it, which fails when anybody listens there; that
 * probe stays bound, without listening, until the real sockets are, so that a port chosen by the
 * kernel cannot be given to somebody else meanwhile. (All have SO_REUSEADDR, with which Linux lets
 * a socket be bound beside one that does not listen.)
 *
 * A unix-domain socket leaves its file behind when its process dies. Whether a file that is in the
 * way is such a one is found by connecting: only when nobody answers is it removed.
 *
 * TCP_NODELAY and SO_KEEPALIVE are set on the listening socket and inherited by what it accepts.
 */
#include "net/listener.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Owner and group may connect; whoever else shall must be let in by the folder's owner. */
#define UNIX_MODE 0660

static bool address_is_unix(const struct ax_address *address)
{
    return address->any.sa_family == AF_UNIX;
}

static bool address_parse_port(struct ax_str text, in_port_t *ret_port)
{
    uint64_t port;
    if (!ax_str_to_u64(text, &port) || port > 65535)
        return false;
    *ret_port = htons((in_port_t)port);
    return true;
}

static enum ax_code address_parse_unix(struct ax_str text, struct ax_address *ret_address,
                                       struct ax_err *err)
{
    struct ax_address address = { .local.sun_family = AF_UNIX, .len = sizeof(address.local) };
    struct ax_str path = { text.ptr + 5, text.len - 5 };
    if (!path.len || memchr(path.ptr, '\0', path.len))
        return ax_fail(err, AX_E_INVALID, "listen address '%.*s' has no path", AX_STR_ARG(text));
    if (path.len >= sizeof(address.local.sun_path))
        return ax_fail(err, AX_E_INVALID, "the path of '%.*s' has %zu bytes, at most %zu fit",
                       AX_STR_ARG(text), path.len, sizeof(address.local.sun_path) - 1);
    memcpy(address.local.sun_path, path.ptr, path.len);
    *ret_address = address;
    return AX_OK;
}

enum ax_code ax_address_parse(struct ax_str text, struct ax_address *ret_address,
                              struct ax_err *err)
{
    assert(text.ptr && ret_address && err);
    if (ax_str_starts_with(text, AX_STR("unix:")))
        return address_parse_unix(text, ret_address, err);

    const char *colon = memrchr(text.ptr, ':', text.len);
    struct ax_str host = { text.ptr, colon ? (size_t)(colon - text.ptr) : 0 };
    struct ax_str port = { colon ? colon + 1 : text.ptr, colon ? text.len - host.len - 1 : 0 };
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = (struct ax_str){ host.ptr + 1, host.len - 2 };

    char host_text[INET6_ADDRSTRLEN] = "";
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    bool good = host.len && host.len < sizeof(host_text) && !memchr(host.ptr, '\0', host.len);
    if (good)
        memcpy(host_text, host.ptr, host.len);
    if (good && bracketed)
        good = inet_pton(AF_INET6, host_text, &v6.sin6_addr) == 1 &&
               address_parse_port(port, &v6.sin6_port);
    else if (good)
        good = inet_pton(AF_INET, host_text, &v4.sin_addr) == 1 &&
               address_parse_port(port, &v4.sin_port);
    if (!good)
        return ax_fail(err, AX_E_INVALID,
                       "listen address '%.*s' is not ADDR:PORT, [ADDR]:PORT or unix:PATH",
                       AX_STR_ARG(text));

    *ret_address = (struct ax_address){ .len = bracketed ? sizeof(v6) : sizeof(v4) };
    memcpy(&ret_address->storage, bracketed ? (const void *)&v6 : (const void *)&v4,
           ret_address->len);
    return AX_OK;
}

void ax_address_text(const struct ax_address *address, char ret_text[AX_ADDRESS_TEXT_SIZE])
{
    assert(address && ret_text);
    char host[INET6_ADDRSTRLEN] = "";
    if (address_is_unix(address)) {
        (void)snprintf(ret_text, AX_ADDRESS_TEXT_SIZE, "unix:%s", address->local.sun_path);
    } else if (address->any.sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &address->storage, sizeof(v4));
        (void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
        (void)snprintf(ret_text, AX_ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(v4.sin_port));
    } else {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address->storage, sizeof(v6));
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
        (void)snprintf(ret_text, AX_ADDRESS_TEXT_SIZE, "[%s]:%u", host, ntohs(v6.sin6_port));
    }
}

/* Turn errno into our error. */
static enum ax_code listener_fail(const struct ax_listener *listener, const char *what,
                                  struct ax_err *err)
{
    int cause = errno;
    switch (cause) {
    case EADDRINUSE:
        return ax_fail(err, AX_E_UNAVAILABLE, "%s is in use: choose another address with listen",
                       listener->name);
    case EADDRNOTAVAIL:
        return ax_fail(err, AX_E_UNAVAILABLE, "%s is no address of this machine", listener->name);
    case EACCES:
    case EPERM:
        return ax_fail(err, AX_E_DENIED, "%s: not allowed to %s it", listener->name, what);
    case ENOENT:
    case ENOTDIR:
        return ax_fail(err, AX_E_INVALID, "%s: its folder does not exist", listener->name);
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return ax_fail(err, AX_E_LIMIT, "%s: no descriptor or memory to %s it", listener->name,
                       what);
    default:
        return ax_fail(err, AX_E_UNAVAILABLE, "cannot %s %s (errno %d)", what, listener->name,
                       cause);
    }
}

static bool socket_set(int fd, int level, int name)
{
    int on = 1;
    return setsockopt(fd, level, name, &on, sizeof(on)) == 0;
}

static enum ax_code listener_bind_tcp(const struct ax_listener *listener, bool shared, int *ret_fd,
                                      struct ax_err *err)
{
    const struct ax_address *address = &listener->address;
    int family = address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listener_fail(listener, "open", err);
    if (!socket_set(fd, SOL_SOCKET, SO_REUSEADDR) ||
        (shared && !socket_set(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (family == AF_INET6 && !socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        !socket_set(fd, IPPROTO_TCP, TCP_NODELAY) || !socket_set(fd, SOL_SOCKET, SO_KEEPALIVE) ||
        bind(fd, &address->any, address->len)) {
        enum ax_code code = listener_fail(listener, "bind", err);
        (void)close(fd);
        return code;
    }
    *ret_fd = fd;
    return AX_OK;
}

static enum ax_code listener_listen(const struct ax_listener *listener, int fd, struct ax_err *err)
{
    return listen(fd, AX_LISTENER_BACKLOG) ? listener_fail(listener, "listen at", err) : AX_OK;
}

static enum ax_code listener_open_tcp(struct ax_listener *listener, size_t thread_count,
                                      struct ax_err *err)
{
    int probe;
    enum ax_code code = listener_bind_tcp(listener, /* shared= */ false, &probe, err);
    if (code)
        return code;
    socklen_t len = sizeof(listener->address.storage);
    if (getsockname(probe, &listener->address.any, &len))
        code = listener_fail(listener, "ask for", err);
    ax_address_text(&listener->address, listener->name);
    for (size_t i = 0; i < thread_count && !code; i++) {
        int fd;
        code = listener_bind_tcp(listener, /* shared= */ true, &fd, err);
        if (!code)
            listener->fds[listener->fd_count++] = fd;
    }
    /* Only now, since nothing may be bound beside the probe once somebody listens. */
    (void)close(probe);
    for (size_t i = 0; i < thread_count && !code; i++)
        code = listener_listen(listener, listener->fds[i], err);
    return code;
}

/* Remove the file that is in the way if it is a socket that nobody listens at. */
static bool listener_remove_stale(const struct ax_listener *listener)
{
    const char *path = listener->address.local.sun_path;
    struct stat status;
    if (lstat(path, &status) || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, &listener->address.any, listener->address.len) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale && unlink(path) == 0;
}

static enum ax_code listener_open_unix(struct ax_listener *listener, size_t thread_count,
                                       struct ax_err *err)
{
    const struct ax_address *address = &listener->address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listener_fail(listener, "open", err);
    bool bound = bind(fd, &address->any, address->len) == 0;
    if (!bound && errno == EADDRINUSE) {
        bound = listener_remove_stale(listener) && bind(fd, &address->any, address->len) == 0;
        if (!bound)
            errno = EADDRINUSE;
    }
    if (!bound) {
        enum ax_code code = listener_fail(listener, "bind", err);
        (void)close(fd);
        return code;
    }
    for (size_t i = 0; i < thread_count; i++)
        listener->fds[listener->fd_count++] = fd;
    /* Nobody can connect before listen, so the mode is right from the beginning. */
    struct stat status;
    if (chmod(address->local.sun_path, UNIX_MODE) || lstat(address->local.sun_path, &status))
        return listener_fail(listener, "set the mode of", err);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return listener_listen(listener, fd, err);
}

enum ax_code ax_listener_open(struct ax_str text, size_t thread_count,
                              struct ax_listener **ret_listener, struct ax_err *err)
{
    assert(thread_count > 0 && ret_listener && err);
    struct ax_listener *listener = ax_xalloc(sizeof(*listener));
    enum ax_code code = ax_address_parse(text, &listener->address, err);
    if (!code) {
        ax_address_text(&listener->address, listener->name);
        listener->fds = ax_xalloc(thread_count * sizeof(*listener->fds));
        code = address_is_unix(&listener->address) ? listener_open_unix(listener, thread_count, err)
                                                   : listener_open_tcp(listener, thread_count, err);
        atomic_init(&listener->users, listener->fd_count);
    }
    if (code) {
        ax_listener_free(listener);
        return code;
    }
    *ret_listener = listener;
    return AX_OK;
}

void ax_listener_unlink(struct ax_listener *listener)
{
    assert(listener);
    if (!address_is_unix(&listener->address) || !listener->inode)
        return;
    const char *path = listener->address.local.sun_path;
    struct stat status;
    if (!lstat(path, &status) && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        (void)unlink(path);
    listener->inode = 0;
}

void ax_listener_leave(struct ax_listener *listener, size_t index)
{
    assert(listener && index < listener->fd_count);
    int fd = listener->fds[index];
    listener->fds[index] = -1;
    bool last = atomic_fetch_sub(&listener->users, 1) == 1;
    if (last || !address_is_unix(&listener->address))
        (void)close(fd);
}

void ax_listener_free(struct ax_listener *listener)
{
    if (!listener)
        return;
    /* While the socket is open its file's inode number is not given to another. */
    ax_listener_unlink(listener);
    /* Where threads have not left: a start that failed half way. */
    for (size_t i = 0; i < listener->fd_count; i++) {
        if (listener->fds[i] < 0)
            continue;
        (void)close(listener->fds[i]);
        if (address_is_unix(&listener->address))
            break;
    }
    free(listener->fds);
    free(listener);
}
