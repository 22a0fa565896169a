/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a server can do: the floor under every served benchmark.
 *
 *     echo LISTEN ANSWER_FILE [REQUEST_BYTES]
 *
 * One thread around epoll. Whatever comes is taken for a request and answered with the bytes of
 * ANSWER_FILE, one answer for each REQUEST_BYTES bytes, or, without that, one for each time that
 * something came, which is right for requests that fit one read and are not pipelined. Nothing is
 * parsed, nothing is allocated. LISTEN is 127.0.0.1:PORT (0: the kernel chooses) or unix:PATH; the
 * first line of its output says what became of it. It ends by a signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, EVENTS_MAX = 64, READ_BYTES = 1 << 16, ANSWER_BYTES_MAX = 1 << 24 };

static char answer[ANSWER_BYTES_MAX];
static size_t answer_len;
static size_t request_len;              /* 0: every read is one request */
static size_t pending[CONNECTIONS_MAX]; /* by descriptor: bytes of the request that came so far */

static void give_up(const char *what)
{
    const char *cause = errno ? strerrordesc_np(errno) : NULL;
    (void)fprintf(stderr, "echo: %s%s%s\n", what, cause ? ": " : "", cause ? cause : "");
    exit(1);
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        give_up(path);
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024))
        give_up(path);
    (void)printf("unix:%s\n", path);
    return fd;
}

static int listen_tcp(const char *text)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN] = "";
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        give_up(text);
    memcpy(host, text, (size_t)(colon - text));
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        give_up(text);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        give_up(text);
    (void)printf("%s:%d\n", host, ntohs(address.sin_port));
    return fd;
}

static void read_answer(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        give_up(path);
    answer_len = fread(answer, 1, sizeof(answer), file);
    if (ferror(file) || answer_len == 0 || answer_len == sizeof(answer))
        give_up(path);
    (void)fclose(file);
}

static void accept_one(int epoll_fd, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    int on = 1;
    /* Fails for a unix socket, which never waits. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fd >= CONNECTIONS_MAX || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        (void)close(fd);
        return;
    }
    pending[fd] = 0;
}

/* How many answers the `len` bytes that came complete. */
static size_t count_requests(int fd, size_t len)
{
    if (request_len == 0)
        return 1;
    size_t have = pending[fd] + len;
    pending[fd] = have % request_len;
    return have / request_len;
}

/* False when the connection is over, and when its buffer is full: the benchmarks read every answer
 * before they ask again. */
static bool serve(int fd)
{
    static char input[READ_BYTES];
    ssize_t n = recv(fd, input, sizeof(input), 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    for (size_t count = count_requests(fd, (size_t)n); count > 0; count--)
        if (send(fd, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4)
        give_up("usage: echo LISTEN ANSWER_FILE [REQUEST_BYTES]");
    request_len = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    read_answer(argv[2]);
    bool is_unix = strncmp(argv[1], "unix:", 5) == 0;
    int listener = is_unix ? listen_unix(argv[1] + 5) : listen_tcp(argv[1]);
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event))
        give_up("epoll");
    (void)fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll_fd, listener);
            else if (!serve(events[i].data.fd))
                (void)close(events[i].data.fd);
        }
    }
}
