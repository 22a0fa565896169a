/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of the load client, and connecting to them.
 *
 * The URL goes into the request line and the Host header as it stands, so characters that could end
 * a line or a word there are refused. Of several addresses of a name the first one is taken.
 */
#include "net/target.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define URL_LEN_MAX 4096

/* Visible ASCII only, and no fragment, which is not sent to servers. */
static bool url_is_plain(struct ax_str url)
{
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || url.ptr[i] == '#')
            return false;
    return url.len <= URL_LEN_MAX;
}

static bool address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    return false;
}

/* Cut "HOST", "HOST:PORT" or "[HOST]:PORT" in two; the texts are the caller's to free. */
static enum ax_code authority_split(struct ax_str authority, char **ret_host, char **ret_port,
                                    struct ax_err *err)
{
    bool bracketed = authority.len > 0 && authority.ptr[0] == '[';
    const char *end = authority.ptr + authority.len;
    const char *host = authority.ptr + bracketed;
    const char *host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    if (!host_end && bracketed)
        return ax_fail(err, AX_E_INVALID, "url: '[' without ']' in '%.*s'", AX_STR_ARG(authority));
    host_end = host_end ? host_end : end;
    const char *behind = host_end + bracketed;
    struct ax_str port = AX_STR("80");
    if (behind < end)
        port = (struct ax_str){ behind + 1, (size_t)(end - behind - 1) };
    uint64_t number = 0;
    if (host_end == host || (behind < end && *behind != ':') || !ax_str_to_u64(port, &number) ||
        number == 0 || number > 65535)
        return ax_fail(err, AX_E_INVALID, "url: '%.*s' is no HOST or HOST:PORT",
                       AX_STR_ARG(authority));
    *ret_host = ax_xmemdup0(host, (size_t)(host_end - host));
    *ret_port = ax_xmemdup0(port.ptr, port.len);
    return AX_OK;
}

static enum ax_code target_look_up(const char *host, const char *port, bool allow_remote,
                                   struct ax_target *target, struct ax_err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, port, &hints, &found);
    if (status)
        return ax_fail(err, AX_E_NOT_FOUND, "host '%s': %s", host, gai_strerror(status));
    if (!allow_remote && !address_is_loopback(found->ai_addr)) {
        freeaddrinfo(found);
        return ax_fail(err, AX_E_DENIED,
                       "'%s' is not this machine; --allow-remote sends load to it", host);
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return AX_OK;
}

static enum ax_code target_parse_http(struct ax_str rest, bool allow_remote,
                                      struct ax_target *target, struct ax_err *err)
{
    const char *slash = memchr(rest.ptr, '/', rest.len);
    const char *query = memchr(rest.ptr, '?', rest.len);
    if (query && (!slash || query < slash))
        return ax_fail(err, AX_E_INVALID, "url: '?' without a path in front of it");
    struct ax_str authority = { rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len };
    if (memchr(authority.ptr, '@', authority.len))
        return ax_fail(err, AX_E_INVALID, "url: a user name is not supported; use --header");
    char *host = NULL;
    char *port = NULL;
    if (authority_split(authority, &host, &port, err))
        return err->code;
    enum ax_code code = target_look_up(host, port, allow_remote, target, err);
    free(host);
    free(port);
    if (code)
        return code;
    target->host = ax_xmemdup0(authority.ptr, authority.len);
    target->path = slash ? ax_xmemdup0(slash, rest.len - authority.len) : ax_xstrdup("/");
    return AX_OK;
}

static enum ax_code target_parse_unix(struct ax_str rest, struct ax_target *target,
                                      struct ax_err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    const char *colon = rest.len ? memmem(rest.ptr, rest.len, ":/", 2) : NULL;
    struct ax_str socket_path = { rest.ptr, colon ? (size_t)(colon - rest.ptr) : rest.len };
    if (socket_path.len == 0 || socket_path.len >= sizeof(un.sun_path))
        return ax_fail(err, AX_E_INVALID, "url: a socket's path has 1 to %zu bytes",
                       sizeof(un.sun_path) - 1);
    memcpy(un.sun_path, socket_path.ptr, socket_path.len);
    memcpy(&target->address, &un, sizeof(un));
    target->address_len = sizeof(un);
    target->host = ax_xstrdup("localhost");
    target->path = colon ? ax_xmemdup0(colon + 1, rest.len - socket_path.len - 1) : ax_xstrdup("/");
    return AX_OK;
}

enum ax_code ax_target_parse(struct ax_str url, bool allow_remote, struct ax_target *ret_target,
                             struct ax_err *err)
{
    assert(ret_target && err && (url.ptr || url.len == 0));
    static const struct ax_str http = { "http://", 7 };
    static const struct ax_str local = { "unix:", 5 };
    struct ax_target target = { 0 };
    enum ax_code code;
    if (!url_is_plain(url))
        code = ax_fail(err, AX_E_INVALID,
                       "url: only visible ASCII without '#', at most %d bytes; encode as %%XX",
                       URL_LEN_MAX);
    else if (ax_str_starts_with(url, http))
        code = target_parse_http((struct ax_str){ url.ptr + http.len, url.len - http.len },
                                 allow_remote, &target, err);
    else if (ax_str_starts_with(url, local))
        code = target_parse_unix((struct ax_str){ url.ptr + local.len, url.len - local.len },
                                 &target, err);
    else
        code = ax_fail(err, AX_E_INVALID,
                       "url: '%.*s' is neither http://HOST:PORT/PATH nor unix:SOCKET:/PATH",
                       AX_STR_ARG(url));
    if (code)
        return code;
    *ret_target = target;
    return AX_OK;
}

void ax_target_done(struct ax_target *target)
{
    if (!target)
        return;
    free(target->host);
    free(target->path);
    *target = (struct ax_target){ 0 };
}

/* The send timeout of a socket also bounds connect(). */
static bool socket_prepare(int fd, int family, uint64_t timeout_ns)
{
    struct timeval timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_usec = (suseconds_t)(timeout_ns % 1000000000u / 1000u) };
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)))
        return false;
    return family == AF_UNIX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

enum ax_code ax_target_connect(const struct ax_target *target, uint64_t timeout_ns, int *ret_fd,
                               struct ax_err *err)
{
    assert(target && ret_fd && err);
    int family = target->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ax_fail(err, AX_E_LIMIT, "open a socket: %s", strerrordesc_np(errno));
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&target->address;
    if (!socket_prepare(fd, family, timeout_ns) || connect(fd, address, target->address_len) ||
        fcntl(fd, F_SETFL, O_NONBLOCK)) {
        int cause = errno;
        (void)close(fd);
        bool late = cause == EINPROGRESS || cause == EAGAIN;
        return ax_fail(err, late ? AX_E_TIMEOUT : AX_E_UNAVAILABLE, "connect to '%s': %s",
                       target->host, late ? "timed out" : strerrordesc_np(cause));
    }
    *ret_fd = fd;
    return AX_OK;
}
