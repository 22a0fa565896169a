/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the load client counts each request once, as what became of it, and measures from the
 * moment that its kind of loop promises.
 * Method: a small server on a thread of the test, which answers as a plan tells: well, with other
 * statuses, late, not at all, with nonsense, or by closing. Numbers are compared with what the
 * server itself counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16

enum act {
    ACT_GOOD,
    ACT_BUSY,   /* 503 */
    ACT_LAST,   /* a good answer, then the connection is closed, as it says */
    ACT_DROP,   /* close without an answer */
    ACT_SILENT, /* no answer, ever */
    ACT_NONSENSE,
    ACT_TWICE, /* an answer that nobody asked for behind the good one */
    ACT_PAUSE, /* the whole server stops for PAUSE_MS, then the good answer */
};

#define PAUSE_MS 100

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static const char *const answers[] = {
    [ACT_GOOD] = GOOD,
    [ACT_BUSY] = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
    [ACT_LAST] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    [ACT_DROP] = "",
    [ACT_SILENT] = "",
    [ACT_NONSENSE] = "hello\r\n\r\n",
    [ACT_TWICE] = GOOD GOOD,
    [ACT_PAUSE] = GOOD,
};

struct server {
    enum act (*plan)(unsigned number); /* of the Nth request, from 1, over all connections */
    int listener;
    int stop[2];
    pthread_t thread;
    atomic_uint requests;
    atomic_uint bytes;
    atomic_uint accepted;
    struct ax_target target;
};

/* Each request of these tests holds the letter 'E' once, as its last byte. */
static bool server_take(struct server *server, int fd, const char *bytes, size_t len)
{
    atomic_fetch_add(&server->bytes, (unsigned)len);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 'E')
            continue;
        enum act act = server->plan(atomic_fetch_add(&server->requests, 1) + 1);
        if (act == ACT_PAUSE)
            (void)poll(NULL, 0, PAUSE_MS);
        size_t answer_len = strlen(answers[act]);
        if (send(fd, answers[act], answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len ||
            act == ACT_LAST || act == ACT_DROP)
            return false;
    }
    return true;
}

static void *server_run(void *arg)
{
    struct server *server = arg;
    struct pollfd polls[2 + CONNECTIONS_MAX] = { { server->stop[0], POLLIN, 0 },
                                                 { server->listener, POLLIN, 0 } };
    for (size_t i = 2; i < 2 + CONNECTIONS_MAX; i++)
        polls[i].fd = -1;
    while (poll(polls, 2 + CONNECTIONS_MAX, -1) >= 0 && !polls[0].revents) {
        char bytes[4096];
        for (size_t i = 2; i < 2 + CONNECTIONS_MAX; i++) {
            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            ssize_t n = recv(polls[i].fd, bytes, sizeof(bytes), 0);
            if (n <= 0 || !server_take(server, polls[i].fd, bytes, (size_t)n)) {
                close(polls[i].fd);
                polls[i].fd = -1;
            }
        }
        for (size_t i = 2; polls[1].revents && i < 2 + CONNECTIONS_MAX; i++) {
            if (polls[i].fd >= 0)
                continue;
            polls[i] = (struct pollfd){ accept(server->listener, NULL, NULL), POLLIN, 0 };
            atomic_fetch_add(&server->accepted, 1);
            break;
        }
    }
    for (size_t i = 2; i < 2 + CONNECTIONS_MAX; i++)
        if (polls[i].fd >= 0)
            close(polls[i].fd);
    return NULL;
}

static void server_start(struct server *server, enum act (*plan)(unsigned number))
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    *server = (struct server){ .plan = plan, .listener = socket(AF_INET, SOCK_STREAM, 0) };
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, CONNECTIONS_MAX), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pipe(server->stop), 0);
    server->target.host = "test";
    server->target.address_len = len;
    memcpy(&server->target.address, &address, len);
    assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static void server_stop(struct server *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
}

static const struct ax_str requests[] = { { "short E", 7 }, { "somewhat longer E", 17 } };

static struct ax_load_result result;

/* A closed loop of 4 connections that ends after 1000 requests; tests change what they are about.
 */
static struct ax_load_config config_for(const struct server *server)
{
    return (struct ax_load_config){ .target = &server->target,
                                    .requests = requests,
                                    .request_count = 2,
                                    .threads = 1,
                                    .connections = 4,
                                    .pipeline = 1,
                                    .seed = 1,
                                    .duration_ns = 20 * (uint64_t)AX_NS_PER_S,
                                    .requests_max = 1000,
                                    .timeout_ns = 5 * (uint64_t)AX_NS_PER_S };
}

static enum ax_code run(const struct ax_load_config *config, struct ax_err *err)
{
    memset(&result, 0, sizeof(result));
    return ax_load_run(config, &result, err);
}

static void assert_all_accounted(void)
{
    assert_int_equal(result.sent, result.answers + result.broken + result.unanswered);
    uint64_t by_status = 0;
    for (size_t i = 0; i < AX_LOAD_STATUS_COUNT; i++)
        by_status += result.statuses[i];
    assert_int_equal(result.answers, by_status);
}

static enum act plan_good(unsigned number)
{
    (void)number;
    return ACT_GOOD;
}

static enum act plan_busy(unsigned number)
{
    return number % 4 ? ACT_GOOD : ACT_BUSY;
}

static enum act plan_nonsense_once(unsigned number)
{
    return number == 100 ? ACT_NONSENSE : ACT_GOOD;
}

static void closed_loop_counts_requests(void **state)
{
    (void)state;
    const size_t pipelines[] = { 1, 3, 64 };
    for (size_t i = 0; i < 3; i++) {
        struct server server;
        struct ax_err err = AX_ERR_INIT;
        server_start(&server, plan_good);
        struct ax_load_config config = config_for(&server);
        config.pipeline = pipelines[i];
        assert_int_equal(run(&config, &err), AX_OK);
        assert_all_accounted();
        assert_int_equal(result.sent, 1000);
        assert_int_equal(result.statuses[200], 1000);
        assert_int_equal(result.latency.count, 1000);
        assert_int_equal(ax_load_error_count(&result), 0);
        assert_int_equal(result.slip.count, 0);
        assert_false(ax_load_is_void(&result));
        assert_int_equal(result.bytes_out, 500 * (7 + 17));
        assert_int_equal(result.bytes_in, 1000 * strlen(GOOD));
        assert_true(result.elapsed_ns > 0 && result.elapsed_ns < config.duration_ns);
        server_stop(&server);
        assert_int_equal(server.requests, 1000);
        assert_int_equal(server.bytes, 500 * (7 + 17));
    }
}

/* Fewer connections than threads, one more, and many; the requests do not divide evenly either. */
static void threads_share_the_work(void **state)
{
    (void)state;
    const struct {
        size_t threads, connections;
    } shapes[] = { { 4, 3 }, { 2, 3 }, { 3, 16 }, { 16, 16 } };
    for (size_t i = 0; i < 4; i++) {
        struct server server;
        struct ax_err err = AX_ERR_INIT;
        server_start(&server, plan_good);
        struct ax_load_config config = config_for(&server);
        config.threads = shapes[i].threads;
        config.connections = shapes[i].connections;
        config.pipeline = 2;
        config.requests_max = 1001;
        assert_int_equal(run(&config, &err), AX_OK);
        assert_all_accounted();
        assert_int_equal(result.sent, 1001);
        assert_int_equal(result.statuses[200], 1001);
        assert_int_equal(result.refusal_len, 0);
        assert_int_equal(result.latency.count, 1001);
        assert_int_equal(result.bytes_in, 1001 * strlen(GOOD));
        assert_true(result.elapsed_ns > 0 && result.elapsed_ns < config.duration_ns);
        server_stop(&server);
        assert_int_equal(server.requests, 1001);
        assert_int_equal(server.bytes, result.bytes_out);
        assert_int_equal(server.accepted, shapes[i].connections);
    }
}

/* However many threads there are, the schedule is the same one. */
static void threads_share_the_schedule(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        struct server server;
        struct ax_err err = AX_ERR_INIT;
        server_start(&server, plan_good);
        struct ax_load_config config = config_for(&server);
        config.threads = threads;
        config.rate = 2000;
        config.requests_max = 0;
        config.duration_ns = 100 * (uint64_t)AX_NS_PER_MS;
        assert_int_equal(run(&config, &err), AX_OK);
        assert_all_accounted();
        assert_int_equal(result.sent, 200);
        assert_int_equal(result.waited + result.slip.count, 200);
        assert_int_equal(result.unsent, 0);
        server_stop(&server);
    }
}

static void a_thread_that_fails_ends_the_run(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_nonsense_once);
    struct ax_load_config config = config_for(&server);
    config.threads = 4;
    config.requests_max = 0;
    uint64_t began_ns = ax_clock_ns();
    assert_int_equal(run(&config, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "'hello'"));
    assert_true(ax_clock_ns() - began_ns < config.duration_ns / 2);
    assert_int_equal(result.sent, 0);
    server_stop(&server);
}

struct seen_progress {
    unsigned calls;
    struct ax_load_progress last;
};

static void see_progress(void *arg, const struct ax_load_progress *progress)
{
    struct seen_progress *seen = arg;
    seen->calls++;
    assert_true(progress->answers >= seen->last.answers);
    assert_true(progress->elapsed_ns > seen->last.elapsed_ns);
    seen->last = *progress;
}

static void progress_is_told(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    struct seen_progress seen = { 0 };
    server_start(&server, plan_busy);
    struct ax_load_config config = config_for(&server);
    config.threads = 2;
    config.requests_max = 0;
    config.warmup_ns = 100 * (uint64_t)AX_NS_PER_MS;
    config.duration_ns = 500 * (uint64_t)AX_NS_PER_MS;
    config.progress = see_progress;
    config.progress_arg = &seen;
    assert_int_equal(run(&config, &err), AX_OK);
    server_stop(&server);
    /* Each 250 ms, and at the end. */
    assert_in_range(seen.calls, 2, 5);
    assert_int_equal(seen.last.total_ns, 600 * (uint64_t)AX_NS_PER_MS);
    assert_true(seen.last.elapsed_ns >= seen.last.total_ns);
    assert_int_equal(seen.last.answers, server.requests);
    assert_int_equal(seen.last.errors, server.requests / 4);
}

static void time_ends_a_run_too(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_good);
    struct ax_load_config config = config_for(&server);
    config.requests_max = 0;
    config.warmup_ns = 50 * (uint64_t)AX_NS_PER_MS;
    config.duration_ns = 100 * (uint64_t)AX_NS_PER_MS;
    uint64_t began_ns = ax_clock_ns();
    assert_int_equal(run(&config, &err), AX_OK);
    assert_true(ax_clock_ns() - began_ns >= config.warmup_ns + config.duration_ns);
    assert_all_accounted();
    assert_true(result.elapsed_ns >= config.duration_ns);
    assert_true(result.answers > 0);
    server_stop(&server);
    /* The warm-up was sent, and not counted. */
    assert_true(server.requests > result.sent);
}

static void other_statuses_are_errors(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_busy);
    struct ax_load_config config = config_for(&server);
    config.pipeline = 4;
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.statuses[200], 750);
    assert_int_equal(result.statuses[503], 250);
    assert_int_equal(result.refusal_len, 4);
    assert_memory_equal(result.refusal, "busy", 4);
    assert_int_equal(result.latency.count, 750);
    assert_int_equal(ax_load_error_count(&result), 250);
    server_stop(&server);
}

static enum act plan_last(unsigned number)
{
    return number % 10 ? ACT_GOOD : ACT_LAST;
}

static enum act plan_drop(unsigned number)
{
    return number % 10 ? ACT_GOOD : ACT_DROP;
}

static void closed_connections_are_opened_again(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_last);
    struct ax_load_config config = config_for(&server);
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.answers, 1000);
    assert_int_equal(ax_load_error_count(&result), 0);
    assert_in_range(result.reopened, 96, 100);
    server_stop(&server);

    server_start(&server, plan_drop);
    config = config_for(&server);
    config.connections = 1;
    config.requests_max = 95;
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.broken, 9);
    assert_int_equal(result.reopened, 9);
    assert_int_equal(ax_load_error_count(&result), 9);
    server_stop(&server);
}

static enum act plan_always_drop(unsigned number)
{
    (void)number;
    return ACT_DROP;
}

static void a_server_that_only_closes_ends_the_run(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_always_drop);
    struct ax_load_config config = config_for(&server);
    assert_int_equal(run(&config, &err), AX_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "before it answered"));
    server_stop(&server);
    assert_in_range(server.requests, 1, 4);
}

static enum act plan_silent(unsigned number)
{
    return number <= 6 ? ACT_GOOD : ACT_SILENT;
}

static void what_never_comes_is_unanswered(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_silent);
    struct ax_load_config config = config_for(&server);
    config.connections = 1;
    config.pipeline = 4;
    config.requests_max = 0;
    config.duration_ns = 50 * (uint64_t)AX_NS_PER_MS;
    config.timeout_ns = 50 * (uint64_t)AX_NS_PER_MS;
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.answers, 6);
    assert_int_equal(result.unanswered, 4);
    assert_int_equal(ax_load_error_count(&result), 4);
    server_stop(&server);
}

static enum act plan_nonsense(unsigned number)
{
    return number < 10 ? ACT_GOOD : ACT_NONSENSE;
}

static enum act plan_twice(unsigned number)
{
    return number < 10 ? ACT_GOOD : ACT_TWICE;
}

static void malformed_answers_end_the_run(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_nonsense);
    struct ax_load_config config = config_for(&server);
    assert_int_equal(run(&config, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "'hello'"));
    server_stop(&server);

    ax_err_clear(&err);
    server_start(&server, plan_twice);
    config = config_for(&server);
    assert_int_equal(run(&config, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "nobody asked"));
    server_stop(&server);
}

static enum act plan_pause(unsigned number)
{
    return number == 50 ? ACT_PAUSE : ACT_GOOD;
}

/* The point of the open loop: a stop of the server is seen by all requests that fell into it. */
static void a_stall_shows_in_the_open_loop(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_pause);
    struct ax_load_config config = config_for(&server);
    config.rate = 1000;
    config.requests_max = 0;
    config.duration_ns = 300 * (uint64_t)AX_NS_PER_MS;
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.sent, 300);
    assert_int_equal(result.unsent, 0);
    assert_int_equal(result.latency.count, 300);
    /* 100 of 300 requests were due while it stood still, 4 connections took 4 of them at once. */
    assert_true(ax_histogram_quantile(&result.latency, 0.9) >
                PAUSE_MS / 2 * (uint64_t)AX_NS_PER_MS);
    assert_true(result.latency.max >= PAUSE_MS * (uint64_t)AX_NS_PER_MS);
    assert_true(result.waited >= 50);
    assert_int_equal(result.waited + result.slip.count, result.sent);
    server_stop(&server);

    /* The closed loop saw it 4 times in 1000. */
    server_start(&server, plan_pause);
    config = config_for(&server);
    assert_int_equal(run(&config, &err), AX_OK);
    assert_true(ax_histogram_quantile(&result.latency, 0.99) < PAUSE_MS * (uint64_t)AX_NS_PER_MS);
    server_stop(&server);
}

static void what_is_due_too_late_is_unsent(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_silent);
    struct ax_load_config config = config_for(&server);
    config.connections = 2;
    /* Slow enough that a busy machine cannot miss all of it: then nothing would be unanswered. */
    config.rate = 200;
    config.requests_max = 0;
    config.duration_ns = 250 * (uint64_t)AX_NS_PER_MS;
    config.timeout_ns = 100 * (uint64_t)AX_NS_PER_MS;
    assert_int_equal(run(&config, &err), AX_OK);
    assert_all_accounted();
    assert_int_equal(result.unanswered, 2);
    assert_int_equal(result.sent + result.unsent, 50);
    assert_int_equal(ax_load_error_count(&result), 50 - 6);
    server_stop(&server);
}

static void poisson_keeps_the_rate_and_repeats(void **state)
{
    (void)state;
    uint64_t sent[2];
    for (size_t i = 0; i < 2; i++) {
        struct server server;
        struct ax_err err = AX_ERR_INIT;
        server_start(&server, plan_good);
        struct ax_load_config config = config_for(&server);
        config.rate = 10000;
        config.arrivals = AX_LOAD_POISSON;
        config.connections = 8;
        config.pipeline = 16;
        config.requests_max = 0;
        config.duration_ns = 200 * (uint64_t)AX_NS_PER_MS;
        assert_int_equal(run(&config, &err), AX_OK);
        assert_all_accounted();
        sent[i] = result.sent + result.unsent;
        server_stop(&server);
    }
    assert_int_equal(sent[0], sent[1]);
    /* 2000 expected; 5 standard deviations are 224. */
    assert_in_range(sent[0], 1776, 2224);
    assert_int_not_equal(sent[0], 2000);
}

static void late_generators_are_void(void **state)
{
    (void)state;
    memset(&result, 0, sizeof(result));
    ax_histogram_reset(&result.latency);
    ax_histogram_reset(&result.slip);
    for (int i = 0; i < 1000; i++) {
        ax_histogram_add(&result.latency, 100000);
        ax_histogram_add(&result.slip, 9000);
    }
    assert_false(ax_load_is_void(&result));
    for (int i = 0; i < 20; i++)
        ax_histogram_add(&result.slip, 12000);
    assert_true(ax_load_is_void(&result));
}

/* What records say of a run, added up. */
struct seen_records {
    unsigned calls;
    size_t count;
    size_t by_request[3];
    size_t by_status[AX_LOAD_STATUS_COUNT];
    uint64_t latency_max;
    uint64_t hashes[AX_LOAD_STATUS_COUNT];
};

static void see_records(void *arg, const struct ax_load_record *records, size_t count)
{
    struct seen_records *seen = arg;
    for (size_t i = 0; i < count; i++) {
        const struct ax_load_record *record = &records[i];
        assert_int_equal(record->part, seen->calls);
        assert_in_range(record->request, 0, 2);
        assert_int_equal(record->latency_ns == 0, record->status == 0);
        /* One status, one body. */
        if (seen->by_status[record->status]++)
            assert_true(record->body_hash == seen->hashes[record->status]);
        seen->hashes[record->status] = record->body_hash;
        seen->by_request[record->request]++;
        seen->latency_max = AX_MAX(seen->latency_max, record->latency_ns);
    }
    seen->count += count;
    seen->calls++;
}

static void records_tell_of_each_request(void **state)
{
    (void)state;
    /* The second request never, the third one three times as often as the first. */
    static const uint32_t order[] = { 2, 2, 0, 2 };
    static const struct ax_str three[] = { { "0 E", 3 }, { "1 E", 3 }, { "two E", 5 } };
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_busy);
    struct seen_records seen = { 0 };
    struct ax_load_config config = config_for(&server);
    config.requests = three;
    config.request_count = 3;
    config.order = order;
    config.order_count = 4;
    config.threads = 2;
    config.records = see_records;
    config.records_arg = &seen;
    assert_int_equal(run(&config, &err), AX_OK);
    server_stop(&server);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.count, 1000);
    assert_int_equal(seen.by_request[0], 250);
    assert_int_equal(seen.by_request[1], 0);
    assert_int_equal(seen.by_request[2], 750);
    assert_int_equal(server.bytes, 250 * 3 + 750 * 5);
    assert_int_equal(seen.by_status[200], 750);
    assert_int_equal(seen.by_status[503], 250);
    assert_true(seen.hashes[200] != seen.hashes[503]);
    assert_int_equal(result.latency.count, 750);
    assert_int_equal(result.refusals.count, 250);
    assert_true(seen.latency_max == AX_MAX(result.latency.max, result.refusals.max));
}

static enum act plan_silent_late(unsigned number)
{
    return number > 10 ? ACT_SILENT : ACT_GOOD;
}

static void what_never_came_is_recorded(void **state)
{
    (void)state;
    struct server server;
    struct ax_err err = AX_ERR_INIT;
    server_start(&server, plan_silent_late);
    struct seen_records seen = { 0 };
    struct ax_load_config config = config_for(&server);
    config.requests_max = 14;
    config.timeout_ns = 100 * (uint64_t)AX_NS_PER_MS;
    config.records = see_records;
    config.records_arg = &seen;
    assert_int_equal(run(&config, &err), AX_OK);
    server_stop(&server);
    assert_int_equal(seen.count, 14);
    assert_int_equal(seen.by_status[200], 10);
    assert_int_equal(seen.by_status[0], 4);
    assert_int_equal(result.unanswered, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_loop_counts_requests),
        cmocka_unit_test(threads_share_the_work),
        cmocka_unit_test(threads_share_the_schedule),
        cmocka_unit_test(a_thread_that_fails_ends_the_run),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(time_ends_a_run_too),
        cmocka_unit_test(other_statuses_are_errors),
        cmocka_unit_test(closed_connections_are_opened_again),
        cmocka_unit_test(a_server_that_only_closes_ends_the_run),
        cmocka_unit_test(what_never_comes_is_unanswered),
        cmocka_unit_test(malformed_answers_end_the_run),
        cmocka_unit_test(a_stall_shows_in_the_open_loop),
        cmocka_unit_test(what_is_due_too_late_is_unsent),
        cmocka_unit_test(poisson_keeps_the_rate_and_repeats),
        cmocka_unit_test(late_generators_are_void),
        cmocka_unit_test(records_tell_of_each_request),
        cmocka_unit_test(what_never_came_is_recorded),
    };
    return cmocka_run_group_tests_name("net/load", tests, NULL, NULL);
}
