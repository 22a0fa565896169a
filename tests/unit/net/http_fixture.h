/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the HTTP server share: a server with a handler that answers in every way there
 * is, among them a fake asynchronous engine, and a blocking client that checks what it is told.
 *
 * The path says how a request is answered:
 *
 *     /now       at once
 *     /wake      in wake_end
 *     /steps/N   after N steps (ax_request_resume)
 *     /post      by another thread, in an order that is not that of arrival (ax_request_post)
 *     /hold      by another thread, when the test lets it (fixture_let_go)
 *     /block     at once, but the thread does nothing else until the test says so (unblocked)
 *     /big/N     at once, with N bytes 'b'
 *
 * and all but /big answer with a text that the client can foresee: "METHOD path?query HASH", with a
 * hash of the body.
 */
#ifndef AX_TESTS_UNIT_NET_HTTP_FIXTURE_H
#define AX_TESTS_UNIT_NET_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/metric.h"
#include "net/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIXTURE_HELD_MAX 4096

struct fixture_job {
    struct ax_http_worker *worker;
    uint64_t id;
    struct fixture_job *next;
};

struct fixture {
    struct ax_http_config config;
    struct ax_http_handler handler;
    struct ax_http_server *server;
    char address[128];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct fixture_job *jobs; /* newest first: the engine answers out of order */
    struct fixture_job *held;
    bool ended;
    pthread_t engine;

    atomic_bool unblocked;
    atomic_size_t handed, released, cancelled, wakes, orphans;
    atomic_size_t incomplete[AX_E_INTERNAL + 1]; /* by enum ax_code */
};

/* What a thread of the server keeps: the requests of /wake. */
struct fixture_state {
    struct ax_request *waiting[FIXTURE_HELD_MAX];
    size_t count;
    bool in_wake;
};

struct fixture_user {
    size_t steps_left;
};

AX_UNUSED static uint64_t fixture_hash(struct ax_str bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.ptr[i]) * 1099511628211u;
    return hash;
}

AX_UNUSED static const char *fixture_method(enum ax_http_method method)
{
    static const char *const names[] = { "GET",   "HEAD",   "POST",    "PUT",
                                         "PATCH", "DELETE", "OPTIONS", "OTHER" };
    return names[method];
}

/* What follows runs on the server's threads, where only a plain assert may be used. */

static void fixture_answer(struct ax_request *request)
{
    /* Every way a body may be handed over, chosen by the request. */
    struct ax_buf body;
    ax_buf_init(&body, 1 << 20);
    for (size_t i = 0; i < 16; i++)
        assert(request->body.ptr[request->body.len + i] == 0);
    assert((uintptr_t)request->body.ptr % 16 == 0);
    (void)ax_buf_printf(&body, "%s %.*s?%.*s %016llx", fixture_method(request->method),
                        AX_STR_ARG(request->path), AX_STR_ARG(request->query),
                        (unsigned long long)fixture_hash(request->body));
    bool taken = body.len % 2;
    struct ax_answer answer = {
        .status = 200,
        .content_type = "text/plain",
        .extra_headers = "X-Test: yes\r\n",
        .body = taken ? (struct ax_str){ 0 } : ax_buf_str(&body),
        .body_buf = taken ? &body : NULL,
    };
    ax_request_answer(request, &answer);
    ax_buf_done(&body);
}

static void fixture_answer_big(struct ax_request *request, size_t size)
{
    struct ax_buf body;
    ax_buf_init(&body, (size_t)1 << 30);
    char *at = ax_buf_reserve(&body, size);
    assert(at);
    memset(at, 'b', size);
    ax_buf_added(&body, size);
    struct ax_answer answer = { .status = 200, .content_type = "text/plain", .body_buf = &body };
    ax_request_answer(request, &answer);
    assert(body.len == 0);
    ax_buf_done(&body);
}

static void fixture_delivered(void *context, void *state, struct ax_request *request, void *message)
{
    (void)state;
    struct fixture *fixture = context;
    struct fixture_job *job = message;
    if (!request) {
        atomic_fetch_add(&fixture->orphans, 1);
    } else {
        assert(request->id == job->id && request->worker == job->worker);
        if (ax_request_is_cancelled(request))
            atomic_fetch_add(&fixture->cancelled, 1);
        fixture_answer(request);
    }
    free(job);
}

static void fixture_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct fixture_user *user = request->user;
    if (user->steps_left-- > 1)
        ax_request_resume(request, fixture_step);
    else
        fixture_answer(request);
}

static void fixture_submit(struct fixture *fixture, struct ax_request *request, bool held)
{
    struct fixture_job *job = ax_xalloc(sizeof(*job));
    *job = (struct fixture_job){ .worker = request->worker, .id = request->id };
    pthread_mutex_lock(&fixture->lock);
    struct fixture_job **list = held ? &fixture->held : &fixture->jobs;
    job->next = *list;
    *list = job;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static void *fixture_engine(void *arg)
{
    struct fixture *fixture = arg;
    pthread_mutex_lock(&fixture->lock);
    while (!fixture->ended || fixture->jobs) {
        if (!fixture->jobs) {
            pthread_cond_wait(&fixture->changed, &fixture->lock);
            continue;
        }
        struct fixture_job *job = fixture->jobs;
        fixture->jobs = job->next;
        pthread_mutex_unlock(&fixture->lock);
        ax_request_post(job->worker, job->id, fixture_delivered, job);
        pthread_mutex_lock(&fixture->lock);
    }
    pthread_mutex_unlock(&fixture->lock);
    return NULL;
}

/* Let the engine answer what it holds. */
AX_UNUSED static void fixture_let_go(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    while (fixture->held) {
        struct fixture_job *job = fixture->held;
        fixture->held = job->next;
        job->next = fixture->jobs;
        fixture->jobs = job;
    }
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static size_t fixture_number(struct ax_str path, const char *prefix)
{
    struct ax_str start = ax_str_from(prefix);
    uint64_t number = 0;
    if (!ax_str_starts_with(path, start) ||
        !ax_str_to_u64((struct ax_str){ path.ptr + start.len, path.len - start.len }, &number))
        return 0;
    return (size_t)number;
}

static void fixture_request(void *context, void *state, struct ax_request *request)
{
    struct fixture *fixture = context;
    struct fixture_state *thread = state;
    assert(thread->in_wake);
    assert(!request->user);
    struct fixture_user *user = ax_arena_zalloc(&request->arena, 1, sizeof(*user));
    assert(user);
    request->user = user;
    atomic_fetch_add(&fixture->handed, 1);
    user->steps_left = fixture_number(request->path, "/steps/");
    size_t big = fixture_number(request->path, "/big/");
    if (ax_str_is(request->path, "/wake")) {
        assert(thread->count < FIXTURE_HELD_MAX);
        thread->waiting[thread->count++] = request;
    } else if (user->steps_left) {
        ax_request_resume(request, fixture_step);
    } else if (ax_str_is(request->path, "/post") || ax_str_is(request->path, "/hold")) {
        fixture_submit(fixture, request, ax_str_is(request->path, "/hold"));
    } else if (ax_str_is(request->path, "/block")) {
        while (!atomic_load(&fixture->unblocked))
            (void)poll(NULL, 0, 1);
        fixture_answer(request);
    } else if (big) {
        fixture_answer_big(request, big);
    } else {
        fixture_answer(request);
    }
}

static void fixture_release(void *context, void *state, struct ax_request *request)
{
    (void)state;
    struct fixture *fixture = context;
    assert(request->user);
    atomic_fetch_add(&fixture->released, 1);
}

static void fixture_incomplete(void *context, void *state, struct ax_request *request,
                               enum ax_code code)
{
    struct fixture *fixture = context;
    const struct fixture_state *thread = state;
    assert(thread->in_wake && request->path.len && request->began_ns && !request->user);
    atomic_fetch_add(&fixture->incomplete[code], 1);
}

static enum ax_code fixture_thread_begin(void *context, struct ax_http_worker *worker,
                                         void **ret_state, struct ax_err *err)
{
    (void)context;
    (void)worker;
    (void)err;
    *ret_state = ax_xalloc(sizeof(struct fixture_state));
    return AX_OK;
}

static void fixture_thread_end(void *context, void *state)
{
    (void)context;
    struct fixture_state *thread = state;
    assert(!thread->in_wake);
    free(state);
}

static void fixture_wake_begin(void *context, void *state)
{
    struct fixture *fixture = context;
    struct fixture_state *thread = state;
    assert(!thread->in_wake);
    thread->in_wake = true;
    atomic_fetch_add(&fixture->wakes, 1);
}

static bool fixture_wake_end(void *context, void *state)
{
    (void)context;
    struct fixture_state *thread = state;
    assert(thread->in_wake);
    thread->in_wake = false;
    /* Backwards, to be sure that the order of answers is not the order of answering. */
    while (thread->count)
        fixture_answer(thread->waiting[--thread->count]);
    return false;
}

/* Defaults, port 0, `threads` threads; change the config before fixture_start. */
AX_UNUSED static struct fixture *fixture_new(const char *listen, const char *threads)
{
    struct fixture *fixture = ax_xalloc(sizeof(*fixture));
    struct ax_option_group groups[] = { { ax_http_options, &fixture->config }, { 0 } };
    struct ax_err err = AX_ERR_INIT;
    ax_option_defaults(groups);
    assert_int_equal(ax_option_set(groups, AX_STR("listen"), ax_str_from(listen), &err), 0);
    assert_int_equal(ax_option_set(groups, AX_STR("threads"), ax_str_from(threads), &err), 0);
    fixture->handler = (struct ax_http_handler){
        .context = fixture,
        .thread_begin = fixture_thread_begin,
        .thread_end = fixture_thread_end,
        .wake_begin = fixture_wake_begin,
        .wake_end = fixture_wake_end,
        .request = fixture_request,
        .incomplete = fixture_incomplete,
        .release = fixture_release,
    };
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    return fixture;
}

AX_UNUSED static void fixture_start(struct fixture *fixture)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_http_server_start(&fixture->config, &fixture->handler, &fixture->server, &err))
        fail_msg("%s", err.msg);
    (void)snprintf(fixture->address, sizeof(fixture->address), "%s",
                   ax_http_server_listener(fixture->server, 0));
    assert_int_equal(pthread_create(&fixture->engine, NULL, fixture_engine, fixture), 0);
}

/* Let the engine finish what it has, and join it. */
AX_UNUSED static void fixture_end_engine(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->ended = true;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    pthread_join(fixture->engine, NULL);
}

/* End server and engine, and check that every request that was handed over was released. */
AX_UNUSED static void fixture_free(struct fixture *fixture)
{
    fixture_let_go(fixture);
    atomic_store(&fixture->unblocked, true);
    ax_http_server_drain(fixture->server);
    ax_http_server_join(fixture->server);
    fixture_end_engine(fixture);
    ax_http_server_join_free(fixture->server);
    while (fixture->held) {
        struct fixture_job *job = fixture->held;
        fixture->held = job->next;
        free(job);
    }
    assert_int_equal(atomic_load(&fixture->handed), atomic_load(&fixture->released));
    struct ax_option_group groups[] = { { ax_http_options, &fixture->config }, { 0 } };
    ax_option_done(groups);
    pthread_mutex_destroy(&fixture->lock);
    pthread_cond_destroy(&fixture->changed);
    free(fixture);
}

/* A client's connection, blocking, 10 s of patience. */
struct client {
    int fd;
    char *bytes; /* received, not yet looked at */
    size_t len, cap;
};

static int client_socket_of(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int on = 1;
    struct timeval patience = { .tv_sec = 10 };
    if (family == AF_INET)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

AX_UNUSED static int client_socket(void)
{
    return client_socket_of(AF_INET);
}

/* False when the address is refused. */
static bool client_connect(struct client *client, const char *address)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (!strncmp(address, "unix:", 5)) {
        (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
        return connect(client->fd, (struct sockaddr *)&local, sizeof(local)) == 0;
    }
    uint64_t port = 0;
    assert_true(ax_str_to_u64(ax_str_from(strrchr(address, ':') + 1), &port));
    in.sin_port = htons((uint16_t)port);
    return connect(client->fd, (struct sockaddr *)&in, sizeof(in)) == 0;
}

AX_UNUSED static struct client client_open(const struct fixture *fixture)
{
    bool local = !strncmp(fixture->address, "unix:", 5);
    struct client client = { .fd = client_socket_of(local ? AF_UNIX : AF_INET) };
    assert_true(client_connect(&client, fixture->address));
    return client;
}

AX_UNUSED static void client_close(struct client *client)
{
    (void)close(client->fd);
    free(client->bytes);
    *client = (struct client){ .fd = -1 };
}

/* Close with a reset. */
AX_UNUSED static void client_reset(struct client *client)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    client_close(client);
}

/* False when the server has closed. */
AX_UNUSED static bool client_send(struct client *client, const void *ptr, size_t len)
{
    const char *at = ptr;
    while (len) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

AX_UNUSED static bool client_say(struct client *client, const char *text)
{
    return client_send(client, text, strlen(text));
}

/* Receive more: bytes, 0 at the end, -1 on reset, -2 after the patience. */
AX_UNUSED static int client_more(struct client *client)
{
    if (client->cap - client->len < 65536) {
        client->cap = client->cap * 2 + 131072;
        client->bytes = ax_xrealloc(client->bytes, client->cap, 1);
    }
    ssize_t got = recv(client->fd, client->bytes + client->len, client->cap - client->len - 1, 0);
    if (got < 0)
        return errno == EAGAIN ? -2 : -1;
    client->len += (size_t)got;
    client->bytes[client->len] = '\0';
    return (int)got;
}

struct reply {
    int status;
    bool closes;
    char head[1024];
    char *body; /* owned */
    size_t body_len;
};

/* One answer; status 0 at the end of the connection, -1 after a reset, -2 after the patience. */
AX_UNUSED static struct reply client_read(struct client *client, bool to_head)
{
    struct reply reply = { 0 };
    char *end = NULL;
    while (!client->len || !(end = strstr(client->bytes, "\r\n\r\n"))) {
        int got = client_more(client);
        if (got <= 0) {
            if (got == 0 && client->len)
                fail_msg("cut answer: %s", client->bytes);
            reply.status = got;
            return reply;
        }
    }
    size_t head_len = (size_t)(end - client->bytes) + 4;
    assert_true(head_len < sizeof(reply.head));
    memcpy(reply.head, client->bytes, head_len);
    uint64_t number = 0;
    assert_true(ax_str_starts_with(ax_str_from(reply.head), AX_STR("HTTP/1.1 ")));
    assert_true(ax_str_to_u64((struct ax_str){ reply.head + 9, 3 }, &number));
    reply.status = (int)number;
    reply.closes = strstr(reply.head, "\r\nConnection: close\r\n") != NULL;
    if (reply.status != 100) {
        const char *length = strstr(reply.head, "\r\nContent-Length: ");
        assert_non_null(length);
        length += strlen("\r\nContent-Length: ");
        assert_true(ax_str_to_u64((struct ax_str){ length, strcspn(length, "\r") }, &number));
        reply.body_len = to_head ? 0 : (size_t)number;
    }
    while (client->len < head_len + reply.body_len) {
        int got = client_more(client);
        if (got <= 0)
            fail_msg("the body ended (%d) after %zu of %zu bytes", got, client->len - head_len,
                     reply.body_len);
    }
    reply.body = ax_xmemdup0(client->bytes + head_len, reply.body_len);
    client->len -= head_len + reply.body_len;
    memmove(client->bytes, client->bytes + head_len + reply.body_len, client->len + 1);
    return reply;
}

AX_UNUSED static void reply_done(struct reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}

/* The next answer is 200 with the text that the fixture gives to this request. */
AX_UNUSED static void client_expect(struct client *client, const char *method, const char *target,
                                    struct ax_str body)
{
    char wanted[512];
    const char *query = strchr(target, '?');
    (void)snprintf(wanted, sizeof(wanted), "%s %.*s?%s %016llx", method,
                   query ? (int)(query - target) : (int)strlen(target), target,
                   query ? query + 1 : "", (unsigned long long)fixture_hash(body));
    struct reply reply = client_read(client, false);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, wanted);
    reply_done(&reply);
}

/* The next answer is net's own error with this status, and the last one. */
AX_UNUSED static void client_expect_error(struct client *client, int status)
{
    struct reply reply = client_read(client, false);
    assert_int_equal(reply.status, status);
    assert_true(reply.closes);
    assert_non_null(strstr(reply.head, "\r\nContent-Type: application/json\r\n"));
    assert_true(!strncmp(reply.body, "{\"error\":\"", 10));
    assert_string_equal(reply.body + reply.body_len - 2, "\"}");
    reply_done(&reply);
    reply = client_read(client, false);
    assert_int_equal(reply.status, 0);
}

/* Wait until a count has this value. */
AX_UNUSED static void fixture_wait(atomic_size_t *count, size_t value)
{
    for (int i = 0; i < 5000 && atomic_load(count) != value; i++)
        (void)poll(NULL, 0, 2);
    assert_int_equal(atomic_load(count), value);
}

#endif
