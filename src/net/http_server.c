/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: options, listeners, and the life of its threads.
 *
 * Everything that can fail is done before anybody is served: addresses are bound, workers made,
 * threads started, and each thread has begun the handler's part (thread_begin). Only then do all
 * threads go; when one could not begin, none does.
 */
#include "net/http.h"

#include "base/alloc.h"

#include "net/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define LISTENERS_MAX ((size_t)16)

#define FIELD(name) offsetof(struct ax_http_config, name)

const struct ax_option ax_http_options[] = {
    { AX_OPTION_LIST, "listen", "127.0.0.1:8000", FIELD(listen), 0, 0, NULL,
      "Address to serve at: ADDR:PORT, [ADDR]:PORT or unix:PATH; port 0 lets the kernel choose." },
    { AX_OPTION_SIZE, "threads", "0", FIELD(threads), 0, AX_HTTP_THREADS_MAX, NULL,
      "I/O threads, which also run models; 0 is one a core." },
    { AX_OPTION_SIZE, "body_bytes_max", "64m", FIELD(body_bytes_max), 1024, (int64_t)1 << 32,
      "bytes", "Largest body of a request, compressed or not; a larger one is answered with 413." },
    { AX_OPTION_SIZE, "compress_bytes_min", "16k", FIELD(compress_bytes_min), 0, (int64_t)1 << 32,
      "bytes", "Smallest answer that is compressed for a client that accepts it; 0: none is." },
    { AX_OPTION_SIZE, "header_bytes_max", "16k", FIELD(header_bytes_max), 1024, 1 << 20, "bytes",
      "Most bytes of a request's target and headers together (414, 431)." },
    { AX_OPTION_SIZE, "header_count_max", "100", FIELD(header_count_max), 8, 10000, NULL,
      "Most headers of a request (431)." },
    { AX_OPTION_SIZE, "chunk_count_max", "65536", FIELD(chunk_count_max), 1, 1 << 30, NULL,
      "Most chunks of a body that comes in chunks (413)." },
    { AX_OPTION_SIZE, "connections_max", "16384", FIELD(connections_max), 1, 1000000, NULL,
      "Most open connections; further ones are answered with 503 and closed." },
    { AX_OPTION_SIZE, "connections_per_peer_max", "0", FIELD(connections_per_peer_max), 0, 1000000,
      NULL,
      "Most open connections of one address, an IPv6 address being its /64 (503); 0: no limit, as "
      "a load balancer in front needs it." },
    { AX_OPTION_SIZE, "pipeline_requests_max", "128", FIELD(pipeline_requests_max), 1, 10000, NULL,
      "Most requests of a connection that wait for answers; no more is read until some left." },
    { AX_OPTION_SIZE, "requests_max", "32768", FIELD(requests_max), 1, 1000000, NULL,
      "Most requests that the server holds; further ones are answered with 503." },
    { AX_OPTION_SIZE, "bodies_bytes_max", "1g", FIELD(bodies_bytes_max), 1024, (int64_t)1 << 40,
      "bytes",
      "Most bytes of bodies, and of work on them, that the server holds; what needs more is "
      "answered with 503." },
    { AX_OPTION_SIZE, "request_bytes_max", "128m", FIELD(request_bytes_max), 65536,
      (int64_t)1 << 36, "bytes",
      "Most memory that work on one request may take; the answer to Feast's clients, and what it "
      "is "
      "made of, may take as much each." },
    { AX_OPTION_TIME, "header_timeout_s", "10", FIELD(header_timeout_ns), 1, 3600, "s",
      "Time from a request's first byte to the end of its headers (408)." },
    { AX_OPTION_TIME, "body_timeout_s", "30", FIELD(body_timeout_ns), 1, 3600, "s",
      "Time in which a body must come on as body_rate_min says (408)." },
    { AX_OPTION_SIZE, "body_rate_min", "1k", FIELD(body_rate_min), 0, 1 << 30, "bytes",
      "Least bytes a second of a body, in each body_timeout_s; 0: one byte in each (408)." },
    { AX_OPTION_TIME, "idle_timeout_s", "75", FIELD(idle_timeout_ns), 1, 86400, "s",
      "Time that a connection without a request stays open." },
    { AX_OPTION_TIME, "write_timeout_s", "30", FIELD(write_timeout_ns), 1, 3600, "s",
      "Time in which a client reads nothing of its answer until it is given up." },
    { AX_OPTION_TIME, "drain_timeout_s", "30", FIELD(drain_timeout_ns), 1, 3600, "s",
      "Time from the request to end until the end, at most." },
    { AX_OPTION_TIME, "busy_poll_us", "0", FIELD(busy_poll_ns), 0, 1000, "us",
      "Time that an I/O thread looks for more to do before it sleeps, while more comes so soon; "
      "0: none." },
    { 0 },
};

struct ax_http_server {
    struct ax_http_config config; /* a copy, without the list */
    struct ax_http_handler handler;
    struct ax_http_metrics metrics;
    struct ax_peers peers;
    struct ax_budget_pool requests, bodies; /* of all threads */
    struct ax_listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    struct ax_http_worker *workers;
    size_t worker_count; /* made */
    size_t thread_count; /* started */
    bool is_joined;

    pthread_mutex_t start_lock; /* guards what follows */
    pthread_cond_t start_changed;
    size_t begun_count;      /* threads that have tried thread_begin */
    struct ax_err begin_err; /* the first that failed */
    enum { START_WAIT, START_GO, START_ABANDON } start;
};

/* What a thread is given. */
struct server_thread {
    struct ax_http_server *server;
    struct ax_http_worker *worker;
};

/* Tell that this thread has begun or could not, and wait for what all shall do. */
static bool server_wait_start(struct ax_http_server *server, const struct ax_err *begin_err)
{
    pthread_mutex_lock(&server->start_lock);
    if (begin_err->code && !server->begin_err.code)
        server->begin_err = *begin_err;
    server->begun_count++;
    pthread_cond_broadcast(&server->start_changed);
    while (server->start == START_WAIT)
        pthread_cond_wait(&server->start_changed, &server->start_lock);
    bool go = server->start == START_GO;
    pthread_mutex_unlock(&server->start_lock);
    return go;
}

static void server_thread_run(void *arg)
{
    struct server_thread *thread = arg;
    struct ax_http_server *server = thread->server;
    struct ax_http_worker *worker = thread->worker;
    const struct ax_http_handler *handler = &server->handler;
    free(thread);

    ax_thread_make_prompt();
    struct ax_err err = AX_ERR_INIT;
    bool has_begun = !handler->thread_begin ||
                     handler->thread_begin(handler->context, worker, &worker->state, &err) == AX_OK;
    if (server_wait_start(server, &err))
        ax_worker_run(worker);
    else
        ax_worker_abandon(worker);
    if (has_begun && handler->thread_end)
        handler->thread_end(handler->context, worker->state);
    worker->state = NULL;
    worker->is_over = true;
}

static enum ax_code server_open_listeners(struct ax_http_server *server,
                                          const struct ax_option_list *listen, size_t thread_count,
                                          struct ax_err *err)
{
    if (!listen->count || listen->count > LISTENERS_MAX)
        return ax_fail(err, AX_E_INVALID, "listen has %zu addresses, 1 to %zu are allowed",
                       listen->count, LISTENERS_MAX);
    for (size_t i = 0; i < listen->count; i++) {
        enum ax_code code = ax_listener_open(ax_str_from(listen->texts[i]), thread_count,
                                             &server->listeners[i], err);
        if (code)
            return code;
        server->listener_count++;
    }
    return AX_OK;
}

static enum ax_code server_make_workers(struct ax_http_server *server, size_t thread_count,
                                        struct ax_err *err)
{
    server->workers =
        aligned_alloc(_Alignof(struct ax_http_worker), thread_count * sizeof(*server->workers));
    if (!server->workers)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu I/O threads", thread_count);
    for (size_t i = 0; i < thread_count; i++) {
        struct ax_http_worker *worker = &server->workers[i];
        enum ax_code code =
            ax_worker_init(worker, i, &server->config, &server->handler, &server->metrics, err);
        if (code)
            return code;
        server->worker_count++;
        worker->peers = &server->peers;
        ax_exchange_table_share(&worker->exchanges, &server->requests, &server->bodies);
        code = ax_worker_listen(worker, server->listeners, server->listener_count, err);
        if (code)
            return code;
    }
    return AX_OK;
}

static enum ax_code server_start_threads(struct ax_http_server *server, struct ax_err *err)
{
    enum ax_code code = AX_OK;
    for (size_t i = 0; i < server->worker_count && !code; i++) {
        struct server_thread *thread = ax_xalloc(sizeof(*thread));
        *thread = (struct server_thread){ server, &server->workers[i] };
        char name[16];
        (void)snprintf(name, sizeof(name), "io-%u", (unsigned)i);
        code = ax_thread_start(&server->workers[i].thread, name, server_thread_run, thread, err);
        if (code)
            free(thread);
        else
            server->thread_count++;
    }
    pthread_mutex_lock(&server->start_lock);
    while (server->begun_count < server->thread_count)
        pthread_cond_wait(&server->start_changed, &server->start_lock);
    if (server->begin_err.code && !code)
        code = ax_fail(err, server->begin_err.code, "%s", server->begin_err.msg);
    server->start = code ? START_ABANDON : START_GO;
    pthread_cond_broadcast(&server->start_changed);
    pthread_mutex_unlock(&server->start_lock);
    return code;
}

enum ax_code ax_http_server_start(const struct ax_http_config *config,
                                  const struct ax_http_handler *handler,
                                  struct ax_http_server **ret_server, struct ax_err *err)
{
    assert(config && handler && handler->request && ret_server && err);
    size_t thread_count = config->threads ? config->threads : ax_thread_core_count();
    thread_count = AX_MIN(thread_count, (size_t)AX_HTTP_THREADS_MAX);
    struct ax_http_server *server = ax_xalloc(sizeof(*server));
    server->config = *config;
    server->config.listen = (struct ax_option_list){ 0 };
    server->handler = *handler;
    ax_peers_init(&server->peers, config->connections_max, config->connections_per_peer_max);
    ax_budget_pool_init(&server->requests, config->requests_max, thread_count);
    ax_budget_pool_init(&server->bodies, config->bodies_bytes_max, thread_count);
    pthread_mutex_init(&server->start_lock, NULL);
    pthread_cond_init(&server->start_changed, NULL);

    enum ax_code code = ax_http_metrics_register(&server->metrics, err);
    if (!code)
        code = server_open_listeners(server, &config->listen, thread_count, err);
    if (!code)
        code = server_make_workers(server, thread_count, err);
    if (!code)
        code = server_start_threads(server, err);
    if (code) {
        ax_http_server_join_free(server);
        return code;
    }
    *ret_server = server;
    return AX_OK;
}

void ax_http_server_drain(struct ax_http_server *server)
{
    assert(server);
    /* Nobody new shall find the address; who waits in its queue is accepted. */
    for (size_t i = 0; i < server->listener_count; i++)
        ax_listener_unlink(server->listeners[i]);
    for (size_t i = 0; i < server->worker_count; i++)
        ax_worker_drain(&server->workers[i]);
}

void ax_http_server_join(struct ax_http_server *server)
{
    assert(server);
    if (server->is_joined)
        return;
    server->is_joined = true;
    for (size_t i = 0; i < server->thread_count; i++)
        ax_thread_join(&server->workers[i].thread);
}

size_t ax_http_server_cut_count(const struct ax_http_server *server)
{
    assert(server && server->is_joined);
    size_t count = 0;
    for (size_t i = 0; i < server->worker_count; i++)
        count += server->workers[i].cut_count;
    return count;
}

void ax_http_server_join_free(struct ax_http_server *server)
{
    if (!server)
        return;
    ax_http_server_join(server);
    for (size_t i = 0; i < server->worker_count; i++) {
        struct ax_http_worker *worker = &server->workers[i];
        if (i >= server->thread_count)
            ax_worker_abandon(worker);
        ax_loop_deliver(&worker->loop);
        ax_worker_done(worker);
    }
    for (size_t i = 0; i < server->listener_count; i++)
        ax_listener_free(server->listeners[i]);
    ax_peers_done(&server->peers);
    pthread_cond_destroy(&server->start_changed);
    pthread_mutex_destroy(&server->start_lock);
    free(server->workers);
    free(server);
}

size_t ax_http_server_listener_count(const struct ax_http_server *server)
{
    assert(server);
    return server->listener_count;
}

const char *ax_http_server_listener(const struct ax_http_server *server, size_t index)
{
    assert(server && index < server->listener_count);
    return server->listeners[index]->name;
}
