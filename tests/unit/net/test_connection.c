/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a connection answers rightly, and when memory is refused it answers 503 or ends, and never
 * leaves anything behind.
 * Method: a worker without a thread of its own, driven round by round over a socket pair; made for
 * torture, where every answer must be right or refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/worker.h"

#include "base/alloc.h"
#include "base/clock.h"

#include "torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND ((uint64_t)1000000000)

static struct ax_http_config config = {
    .body_bytes_max = 1 << 20,
    .compress_bytes_min = 100,
    .header_bytes_max = 4096,
    .header_count_max = 16,
    .chunk_count_max = 100,
    .connections_max = 4,
    .pipeline_requests_max = 8,
    .requests_max = 64,
    .bodies_bytes_max = 16 << 20,
    .request_bytes_max = 65536,
    .header_timeout_ns = 100 * SECOND,
    .body_timeout_ns = 100 * SECOND,
    .idle_timeout_ns = 100 * SECOND,
    .write_timeout_ns = 100 * SECOND,
    .drain_timeout_ns = 100 * SECOND,
};

/* Requests that wait for wake_end or for the test. */
static struct ax_request *waiting[64];
static size_t waiting_count;
static uint64_t later_id;
static size_t handed, released;

static void answer(struct ax_request *request)
{
    struct ax_answer given = { .status = 200,
                               .content_type = "text/plain",
                               .body = request->body.len ? request->body : request->path };
    ax_request_answer(request, &given);
}

/* Steps of /slow requests, each of which takes as long as all of a round's may. */
#define SLOW_STEPS 3
static size_t slow_steps;

static void spin(uint64_t ns)
{
    uint64_t began_ns = ax_clock_ns();
    while (ax_clock_ns() - began_ns < ns)
        ;
}

/* Requests of /work, each of which takes as long where it is handed over, of /tick, a tenth, and of
 * /report, two tenths for an answer of some length. */
static size_t worked;

/* Requests of /dear: wake_end answers one of them, the oldest. */
static struct ax_request *dear[64];
static size_t dear_first, dear_count;

static void slow_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    spin(AX_NS_PER_MS);
    slow_steps++;
    request->user = (char *)request->user + 1;
    if ((uintptr_t)request->user < SLOW_STEPS)
        ax_request_resume(request, slow_step);
    else
        answer(request);
}

/* Answer with as much as nobody reads at once; without the memory, as others are. */
#define LARGE_BYTES ((size_t)8 << 20)

static void answer_large(struct ax_request *request)
{
    struct ax_buf body;
    ax_buf_init(&body, LARGE_BYTES);
    char *room = ax_buf_reserve(&body, LARGE_BYTES);
    if (!room) {
        answer(request);
        return;
    }
    memset(room, 'l', LARGE_BYTES);
    ax_buf_added(&body, LARGE_BYTES);
    struct ax_answer given = { .status = 200, .content_type = "text/plain", .body_buf = &body };
    ax_request_answer(request, &given);
    ax_buf_done(&body);
}

#define REPORT_BYTES 5000

static void answer_report(struct ax_request *request)
{
    static char report[REPORT_BYTES];
    memset(report, 'r', sizeof(report));
    spin(AX_NS_PER_MS / 5);
    worked++;
    struct ax_answer given = { .status = 200,
                               .content_type = "text/plain",
                               .body = { report, sizeof(report) } };
    ax_request_answer(request, &given);
}

static void handler_request(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    handed++;
    if (ax_str_starts_with(request->path, AX_STR("/wake")))
        waiting[waiting_count++] = request;
    else if (ax_str_starts_with(request->path, AX_STR("/later")))
        later_id = request->id;
    else if (ax_str_starts_with(request->path, AX_STR("/slow")))
        ax_request_resume(request, slow_step);
    else if (ax_str_starts_with(request->path, AX_STR("/large")))
        answer_large(request);
    else if (ax_str_starts_with(request->path, AX_STR("/report")))
        answer_report(request);
    else if (ax_str_starts_with(request->path, AX_STR("/dear")))
        dear[dear_count++] = request;
    else if (ax_str_starts_with(request->path, AX_STR("/work")) ||
             ax_str_starts_with(request->path, AX_STR("/tick"))) {
        spin(ax_str_starts_with(request->path, AX_STR("/work")) ? AX_NS_PER_MS : AX_NS_PER_MS / 10);
        worked++;
        answer(request);
    } else
        answer(request);
}

static void handler_release(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    (void)request;
    released++;
}

static bool handler_wake_end(void *context, void *state)
{
    (void)context;
    (void)state;
    while (waiting_count)
        answer(waiting[--waiting_count]);
    if (dear_first < dear_count)
        answer(dear[dear_first++]);
    return dear_first < dear_count;
}

static const struct ax_http_handler handler = {
    .request = handler_request,
    .release = handler_release,
    .wake_end = handler_wake_end,
};

static struct ax_http_worker *worker;
static struct ax_http_metrics metrics;

static int setup(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_metric_thread_attach();
    struct ax_http_worker *made = aligned_alloc(_Alignof(struct ax_http_worker), sizeof(*worker));
    if (ax_http_metrics_register(&metrics, &err) ||
        ax_worker_init(made, 0, &config, &handler, &metrics, &err)) {
        free(made);
        return -1;
    }
    worker = made;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (worker)
        ax_worker_done(worker);
    free(worker);
    ax_metric_thread_detach();
    return 0;
}

static void nothing_run(struct ax_loop_message *message)
{
    (void)message;
}

/* Rounds that do not wait. */
static void go(size_t rounds)
{
    while (rounds--) {
        struct ax_loop_message nothing = { .run = nothing_run };
        ax_loop_send(&worker->loop, &nothing);
        ax_worker_round(worker);
        for (const struct ax_connection *c = worker->again; c; c = c->next_again)
            assert_true(c->is_again && !c->is_dead);
    }
}

static int connect_client(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    ax_connection_open(worker, fds[0], NULL);
    return fds[1];
}

static void say(int fd, const char *ptr, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, ptr, len, MSG_NOSIGNAL);
        if (sent < 0 && worker->connection_count == 0)
            return;
        if (sent > 0) {
            ptr += sent;
            len -= (size_t)sent;
        }
        go(1);
    }
}

/* Everything that comes until the connection ends or nothing more does, as text. */
static char *hear(int fd)
{
    size_t len = 0;
    char *text = ax_xalloc(1);
    for (size_t quiet = 0; quiet < 50;) {
        char bytes[65536];
        go(1);
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0) {
            quiet++;
            continue;
        }
        quiet = 0;
        text = ax_xrealloc(text, len + (size_t)got + 1, 1);
        memcpy(text + len, bytes, (size_t)got);
        len += (size_t)got;
    }
    text[len] = '\0';
    return text;
}

/* The client leaves; nothing may remain. */
static void leave(int fd)
{
    (void)close(fd);
    go(5);
    assert_int_equal(worker->connection_count, 0);
    assert_int_equal(worker->exchanges.used_count, 0);
    assert_int_equal(worker->exchanges.budget.used, 0);
    assert_int_equal(handed, released);
}

/* What came is this; or memory was refused, and it is a part of it, or 503 behind a part of it. */
static void heard(char *text, const char *wanted)
{
    if (!ax_torture_struck()) {
        assert_string_equal(text, wanted);
    } else {
        const char *refusal = strstr(text, "HTTP/1.1 503 ");
        size_t len = refusal ? (size_t)(refusal - text) : strlen(text);
        assert_memory_equal(text, wanted, len);
    }
    free(text);
}

#define ANSWER(len, body) \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " len "\r\n\r\n" body
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void small_requests_are_answered(void **state)
{
    (void)state;
    int fd = connect_client();
    static const char text[] = GET("/now") GET("/wake1") GET("/%41") GET("/wake2");
    say(fd, text, sizeof(text) - 1);
    heard(hear(fd),
          ANSWER("4", "/now") ANSWER("6", "/wake1") ANSWER("2", "/A") ANSWER("6", "/wake2"));
    leave(fd);
}

static void what_has_to_wait_is_not_lost(void **state)
{
    (void)state;
    int fd = connect_client();
    /* More than pipeline_requests_max in one segment, all behind one that is not answered yet. */
    static const char text[] = GET("/later") GET("/1") GET("/2") GET("/3") GET("/4") GET("/5")
        GET("/6") GET("/7") GET("/8") GET("/9") GET("/10") GET("/11");
    say(fd, text, sizeof(text) - 1);
    char *before = hear(fd);
    if (!ax_torture_struck()) {
        assert_string_equal(before, "");
        assert_int_equal(worker->exchanges.used_count, config.pipeline_requests_max);
    }
    free(before);
    struct ax_exchange *later = ax_exchange_find(&worker->exchanges, later_id);
    if (later)
        answer(&later->request);
    heard(hear(fd), later ? ANSWER("6", "/later") ANSWER("2", "/1") ANSWER("2", "/2")
                                ANSWER("2", "/3") ANSWER("2", "/4") ANSWER("2", "/5")
                                    ANSWER("2", "/6") ANSWER("2", "/7") ANSWER("2", "/8")
                                        ANSWER("2", "/9") ANSWER("3", "/10") ANSWER("3", "/11")
                          : "");
    leave(fd);
}

static void a_large_body_comes_back(void **state)
{
    (void)state;
    enum { SIZE = 700000 };
    int fd = connect_client();
    char *body = ax_xalloc(SIZE + 1);
    memset(body, 'b', SIZE);
    char head[128], chunk[32];
    (void)snprintf(head, sizeof(head),
                   "POST /wake HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    say(fd, head, strlen(head));
    say(fd, body, SIZE);
    char *wanted = ax_xalloc(SIZE + 256);
    (void)snprintf(wanted, SIZE + 256, ANSWER("%d", "%s"), SIZE, body);
    heard(hear(fd), wanted);
    static const char chunked[] = "POST /wake HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";
    (void)snprintf(chunk, sizeof(chunk), "%x\r\n", SIZE);
    say(fd, chunked, sizeof(chunked) - 1);
    say(fd, chunk, strlen(chunk));
    say(fd, body, SIZE);
    say(fd, "\r\n0\r\n\r\n", 7);
    heard(hear(fd), wanted);
    free(wanted);
    free(body);
    leave(fd);
}

static void a_client_leaves_before_its_answer(void **state)
{
    (void)state;
    int fd = connect_client();
    static const char text[] =
        GET("/later") GET("/now") "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    say(fd, text, sizeof(text) - 1);
    go(2);
    (void)close(fd);
    go(5);
    assert_int_equal(worker->connection_count, 0);
    struct ax_exchange *later = ax_exchange_find(&worker->exchanges, later_id);
    if (later) {
        assert_int_equal(worker->exchanges.used_count, 1);
        assert_true(ax_request_is_cancelled(&later->request));
        answer(&later->request);
    }
    assert_null(ax_exchange_find(&worker->exchanges, later_id));
    assert_int_equal(worker->exchanges.used_count, 0);
    assert_int_equal(worker->exchanges.budget.used, 0);
    assert_int_equal(handed, released);
}

/* Four long requests make a round no longer than one does, and all of them get on. */
static void a_round_takes_few_steps(void **state)
{
    (void)state;
    int fd = connect_client();
    static const char text[] = GET("/slow1") GET("/slow2") GET("/slow3") GET("/slow4");
    slow_steps = 0;
    say(fd, text, sizeof(text) - 1);
    for (size_t i = 0; i < SLOW_STEPS * 4; i++) {
        size_t before = slow_steps;
        go(1);
        assert_true(slow_steps <= before + 1);
    }
    heard(hear(fd),
          ANSWER("6", "/slow1") ANSWER("6", "/slow2") ANSWER("6", "/slow3") ANSWER("6", "/slow4"));
    if (!ax_torture_struck())
        assert_int_equal(slow_steps, SLOW_STEPS * 4);
    leave(fd);
}

/* Many large bodies that are all there: a small request that comes behind them is answered when few
 * of them are, and so is one that comes pipelined behind its own, in order. */
static void large_bodies_take_turns(void **state)
{
    (void)state;
    enum { COUNT = 30, SIZE = 100000 };
    int fds[COUNT];
    char *body = ax_xalloc(SIZE + 200);
    (void)snprintf(body, 200, "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    size_t head = strlen(body);
    memset(body + head, 'b', SIZE);
    memcpy(body + head + SIZE, GET("/behind"), sizeof(GET("/behind")));
    size_t len = head + SIZE + sizeof(GET("/behind")) - 1;
    worked = 0;
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], body, len, MSG_NOSIGNAL), len);
    }
    int small = connect_client();
    assert_int_equal(send(small, GET("/small"), sizeof(GET("/small")) - 1, MSG_NOSIGNAL),
                     sizeof(GET("/small")) - 1);
    size_t rounds = 0;
    char got[200];
    ssize_t got_len = -1;
    while (got_len < 0 && rounds++ < 10) {
        size_t before = worked;
        go(1);
        assert_true(worked <= before + 1);
        got_len = recv(small, got, sizeof(got) - 1, 0);
    }
    if (!ax_torture_struck()) {
        assert_in_range(got_len, 1, sizeof(got) - 1);
        got[got_len] = '\0';
        assert_string_equal(got, ANSWER("6", "/small"));
    }
    (void)close(small);
    (void)snprintf(got, sizeof(got), ANSWER("%d", ""), SIZE);
    for (size_t i = 0; i < COUNT; i++) {
        char *wanted = ax_xalloc(SIZE + 400);
        (void)snprintf(wanted, SIZE + 400, "%s%.*s%s", got, SIZE, body + head,
                       ANSWER("7", "/behind"));
        heard(hear(fds[i]), wanted);
        free(wanted);
    }
    if (!ax_torture_struck())
        assert_int_equal(worked, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    free(body);
    leave(connect_client());
}

/* Many clients that pipeline small requests: a round takes those that fit into its time, which is
 * looked at after at most five; the others wait unread, so that there are never too many; and one
 * that comes later is answered at once. */
static void small_requests_take_turns(void **state)
{
    (void)state;
    enum { COUNT = 20, EACH = 8 };
    char text[EACH * 64] = "", wanted[EACH * 128] = "";
    for (size_t i = 0; i < EACH; i++) {
        size_t at = strlen(text), wanted_at = strlen(wanted);
        (void)snprintf(text + at, sizeof(text) - at, GET("/tick%zu"), i);
        (void)snprintf(wanted + wanted_at, sizeof(wanted) - wanted_at, ANSWER("6", "/tick%zu"), i);
    }
    int fds[COUNT];
    worked = 0;
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], text, strlen(text), MSG_NOSIGNAL), strlen(text));
    }
    for (size_t rounds = 0; rounds < 3; rounds++) {
        size_t before = worked;
        go(1);
        /* Half a round for those that are ready, five more, and five again that had to wait. */
        assert_true(worked <= before + 15);
    }
    int late = connect_client();
    assert_int_equal(send(late, GET("/late"), sizeof(GET("/late")) - 1, MSG_NOSIGNAL),
                     sizeof(GET("/late")) - 1);
    go(1);
    char got[200];
    ssize_t got_len = recv(late, got, sizeof(got) - 1, 0);
    if (!ax_torture_struck()) {
        assert_in_range(got_len, 1, sizeof(got) - 1);
        got[got_len] = '\0';
        assert_string_equal(got, ANSWER("5", "/late"));
        assert_true(worked < COUNT * EACH / 2);
    }
    (void)close(late);
    for (size_t i = 0; i < COUNT; i++)
        heard(hear(fds[i]), wanted);
    if (!ax_torture_struck())
        assert_int_equal(worked, COUNT * EACH);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    leave(connect_client());
}

/* Bodies that are handed over where they were read end the part of the round that they fill: one
 * when the socket is ready, and one that had to wait. */
static void pipelined_bodies_take_turns(void **state)
{
    (void)state;
    enum { COUNT = 6, SIZE = 15000 };
    static const char head[] = "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 15000\r\n\r\n";
    enum { ONE = sizeof(head) - 1 + SIZE };
    char *text = ax_xalloc((size_t)COUNT * ONE);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(text + i * ONE, head, sizeof(head) - 1);
        memset(text + i * ONE + sizeof(head) - 1, 'b', SIZE);
    }
    worked = 0;
    int fd = connect_client();
    assert_int_equal(send(fd, text, (size_t)COUNT * ONE, MSG_NOSIGNAL), (size_t)COUNT * ONE);
    for (size_t rounds = 0; rounds < COUNT; rounds++) {
        size_t before = worked;
        go(1);
        assert_true(worked <= before + 2);
    }
    char *got = hear(fd);
    if (!ax_torture_struck()) {
        assert_int_equal(worked, COUNT);
        assert_int_equal(strlen(got), COUNT * (strlen(ANSWER("15000", "")) + SIZE));
    }
    free(got);
    free(text);
    leave(fd);
}

/* While wake_end is behind, the loop does not sleep, a connection has one request at work, and one
 * that wake_end need not answer is answered at once. */
static void wake_end_is_behind(void **state)
{
    (void)state;
    enum { COUNT = 3 };
    static const char text[] = GET("/dear1") GET("/dear2") GET("/dear3") GET("/dear4");
    int fds[COUNT];
    dear_first = dear_count = 0;
    fds[0] = connect_client();
    assert_int_equal(send(fds[0], text, sizeof(text) - 1, MSG_NOSIGNAL), sizeof(text) - 1);
    go(1); /* Four came together. */
    for (size_t i = 1; i < COUNT; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], text, sizeof(text) - 1, MSG_NOSIGNAL), sizeof(text) - 1);
    }
    int small = connect_client();
    assert_int_equal(send(small, GET("/now"), sizeof(GET("/now")) - 1, MSG_NOSIGNAL),
                     sizeof(GET("/now")) - 1);
    ax_worker_round(worker);
    char got[200];
    ssize_t got_len = recv(small, got, sizeof(got) - 1, 0);
    if (!ax_torture_struck()) {
        assert_int_equal(got_len, strlen(ANSWER("4", "/now")));
        assert_int_equal(dear_count, 4 + COUNT - 1);
    }
    (void)close(small);
    while (dear_first < dear_count) {
        ax_worker_round(worker); /* It would wait for ever. */
        assert_true(dear_count <= dear_first + 4 + COUNT);
    }
    for (size_t i = 0; i < COUNT; i++) {
        heard(hear(fds[i]), ANSWER("6", "/dear1") ANSWER("6", "/dear2") ANSWER("6", "/dear3")
                                ANSWER("6", "/dear4"));
        (void)close(fds[i]);
    }
    leave(connect_client());
}

/* Long answers count as work: the clock is looked at after each, not after four. */
static void long_answers_take_turns(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    int fds[COUNT];
    worked = 0;
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], GET("/report"), sizeof(GET("/report")) - 1, MSG_NOSIGNAL),
                         sizeof(GET("/report")) - 1);
    }
    go(1);
    /* Three fill half a millisecond, four the time of those that had to wait. */
    assert_true(worked <= 7);
    for (size_t i = 0; i < COUNT; i++) {
        char *got = hear(fds[i]);
        if (!ax_torture_struck())
            assert_int_equal(strlen(got), strlen(ANSWER("5000", "")) + REPORT_BYTES);
        free(got);
    }
    if (!ax_torture_struck())
        assert_int_equal(worked, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    leave(connect_client());
}

/* COUNT clients that ask for more than a round's work together. */
static void ask_much(int *fds, size_t count)
{
    static const char ask[] = GET("/tick") GET("/tick") GET("/tick") GET("/tick") GET("/tick")
        GET("/tick") GET("/tick") GET("/tick");
    for (size_t i = 0; i < count; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], ask, sizeof(ask) - 1, MSG_NOSIGNAL), sizeof(ask) - 1);
    }
}

/* A connection whose time to be idle, or the grace of a drain, ends in the round in which its
 * request could not be read. */
static void asked_in_the_last_moment(void **state)
{
    (void)state;
    enum { COUNT = 10 };
    for (int draining = 0; draining <= 1; draining++) {
        struct ax_timeout_list *list = draining ? &worker->grace_timeouts : &worker->idle_timeouts;
        uint64_t duration_ns = list->duration_ns;
        int fds[COUNT];
        ask_much(fds, COUNT);
        list->duration_ns = 1;
        worker->is_draining = draining;
        int last = connect_client();
        list->duration_ns = duration_ns;
        assert_int_equal(send(last, GET("/last"), sizeof(GET("/last")) - 1, MSG_NOSIGNAL),
                         sizeof(GET("/last")) - 1);
        go(1);
        worker->is_draining = false;
        heard(hear(last), ANSWER("5", "/last"));
        (void)close(last);
        for (size_t i = 0; i < COUNT; i++)
            (void)close(fds[i]);
        leave(connect_client());
    }
}

/* A body has not to come while we have not said that it may: its request waits behind another. */
static void a_body_waits_for_us(void **state)
{
    (void)state;
    static const char expects[] = "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                  "Content-Length: 4\r\n\r\n";
    int fd = connect_client();
    worker->body_timeouts.duration_ns = 1;
    say(fd, GET("/later"), sizeof(GET("/later")) - 1);
    say(fd, expects, sizeof(expects) - 1);
    go(3);
    worker->body_timeouts.duration_ns = config.body_timeout_ns;
    struct ax_exchange *later = ax_exchange_find(&worker->exchanges, later_id);
    if (later)
        answer(&later->request);
    heard(hear(fd), ANSWER("6", "/later") "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "body", 4);
    heard(hear(fd), ANSWER("4", "body"));
    leave(fd);
}

/* Clients that leave while others before them take the time: none of them waits any more, which
 * go() looks at. */
static void clients_leave_from_the_middle(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    int fds[COUNT];
    ask_much(fds, COUNT);
    go(2);
    for (size_t i = COUNT / 2; i < COUNT; i++)
        (void)close(fds[i]);
    go(2);
    for (size_t i = 0; i < COUNT / 2; i++)
        (void)close(fds[i]);
    go(20);
    leave(connect_client());
}

/* Clients that leave while their requests wait for a turn leave nothing behind. */
static void a_client_leaves_before_its_turn(void **state)
{
    (void)state;
    enum { COUNT = 5, SIZE = 50000 };
    int fds[COUNT];
    char *body = ax_xalloc(SIZE + 200);
    (void)snprintf(body, 200, "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    size_t head = strlen(body);
    memset(body + head, 'b', SIZE);
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        assert_int_equal(send(fds[i], body, head + SIZE, MSG_NOSIGNAL), head + SIZE);
    }
    worked = 0;
    go(1);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    go(COUNT);
    if (!ax_torture_struck())
        assert_in_range(worked, 1, COUNT - 1);
    free(body);
    leave(connect_client());
}

/* Clients leave, and with them go large answers that they did not read: each round gives back a
 * part, and none waits for anything before all are gone. */
static void large_memory_goes_back_in_parts(void **state)
{
    (void)state;
    enum { COUNT = 2 };
    int fds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        say(fds[i], GET("/large"), sizeof(GET("/large")) - 1);
    }
    go(3);
    assert_int_equal(worker->connection_count, COUNT);
    assert_int_equal(worker->waste.bytes, 0);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    go(1);
    assert_int_equal(worker->connection_count, 0);
    assert_int_equal(worker->exchanges.used_count, 0);
    size_t rounds = 1;
    while (worker->waste.bytes) {
        size_t before = worker->waste.bytes;
        ax_worker_round(worker);
        assert_true(before - worker->waste.bytes <= AX_BLOCK_RELEASED_MIN);
        rounds++;
    }
    if (!ax_torture_struck())
        assert_int_equal(rounds, COUNT * LARGE_BYTES / AX_BLOCK_RELEASED_MIN);
}

/* Clients whose sockets take much at once, and large answers for all of them: what a round writes
 * is bounded, a small answer leaves in the middle of it, and everything arrives. */
static void a_round_writes_little(void **state)
{
    (void)state;
    enum { COUNT = 8, ROUND_MAX = (1 << 20) + (256 << 10) + COUNT * (16 << 10) };
    int fds[COUNT];
    size_t got[COUNT] = { 0 };
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = connect_client();
        int room = 4 << 20;
        (void)setsockopt(worker->connections->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        assert_int_equal(send(fds[i], GET("/large"), sizeof(GET("/large")) - 1, MSG_NOSIGNAL),
                         sizeof(GET("/large")) - 1);
    }
    int small = connect_client();
    size_t got_small = 0, rounds = 0, busy = 1, most = 0;
    static char bytes[1 << 20];
    for (; busy; rounds++) {
        go(1);
        busy = 0;
        for (size_t i = 0; i < COUNT; i++) {
            ssize_t len;
            while ((len = recv(fds[i], bytes, sizeof(bytes), 0)) > 0) {
                got[i] += (size_t)len;
                busy += (size_t)len;
            }
        }
        assert_in_range(busy, 0, ROUND_MAX);
        most = AX_MAX(most, busy);
        if (rounds == 10)
            assert_true(send(small, GET("/small"), sizeof(GET("/small")) - 1, MSG_NOSIGNAL) > 0);
        ssize_t len = recv(small, bytes, sizeof(bytes), 0);
        if (len > 0)
            got_small = rounds;
    }
    if (!ax_torture_struck()) {
        assert_in_range(got_small, 10, 13);
        assert_true(most >= 1 << 20); /* or the bound was never met */
        for (size_t i = 0; i < COUNT; i++)
            assert_true(got[i] > LARGE_BYTES && got[i] < LARGE_BYTES + 200);
    }
    (void)close(small);
    for (size_t i = 0; i < COUNT; i++)
        (void)close(fds[i]);
    go(2);
    leave(connect_client());
}

/* `text` in this coding; NULL bytes when memory was refused. */
static struct ax_buf pack(struct ax_str text, enum ax_coding coding)
{
    struct ax_buf packed;
    ax_buf_init(&packed, SIZE_MAX / 2);
    struct ax_coder_pool *pool = &worker->exchanges.coders;
    struct ax_coder *coder = ax_coder_take_deflate(pool, coding);
    char *to = coder ? ax_buf_reserve(&packed, text.len + 1000) : NULL;
    if (to) {
        size_t len;
        assert_int_equal(ax_coder_run(coder, &text, true, to, text.len + 1000, &len), AX_CODER_END);
        ax_buf_added(&packed, len);
    }
    ax_coder_give_back(pool, coder);
    return packed;
}

/* A compressed body comes back compressed, in both codings and in order, between small requests;
 * a decompression bomb is refused when it is over the limit. */
static void compressed_both_ways(void **state)
{
    enum { SIZE = 1 << 20 };
    static const enum ax_coding codings[] = { AX_CODING_GZIP, AX_CODING_DEFLATE };
    (void)state;
    char *body = ax_xalloc(2 * SIZE);
    char *text = ax_xalloc(SIZE), *wanted = ax_xalloc(SIZE);
    for (size_t i = 0; i < 2 * SIZE; i++)
        body[i] = (char)('a' + i % 7 + i % 11);
    for (size_t i = 0; i < 2 * AX_COUNT(codings); i++) {
        enum ax_coding coding = codings[i / 2];
        bool is_bomb = i % 2;
        const char *name = ax_coding_name(coding);
        struct ax_buf packed = pack((struct ax_str){ body, SIZE + is_bomb }, coding);
        if (!packed.len) {
            assert_true(ax_torture_struck());
            ax_buf_done(&packed);
            continue;
        }
        int fd = connect_client();
        int head = snprintf(text, SIZE,
                            GET("/first") "POST /wake HTTP/1.1\r\nHost: a\r\n"
                                          "Content-Encoding: %s\r\nAccept-Encoding: %s\r\n"
                                          "Content-Length: %zu\r\n\r\n",
                            name, name, packed.len);
        memcpy(text + head, packed.ptr, packed.len);
        memcpy(text + (size_t)head + packed.len, GET("/last"), sizeof(GET("/last")));
        say(fd, text, (size_t)head + packed.len + sizeof(GET("/last")) - 1);
        /* The answer is the same text by the same coder: the same bytes. */
        int len = snprintf(wanted, SIZE, ANSWER("6", "/first"));
        if (is_bomb)
            len += snprintf(wanted + len, SIZE,
                            "HTTP/1.1 413 Content Too Large\r\n"
                            "Content-Type: application/json\r\nContent-Length: 50\r\n"
                            "Connection: close\r\n\r\n"
                            "{\"error\":\"the body is larger than body_bytes_max\"}");
        else
            len += snprintf(wanted + len, SIZE,
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                            "Content-Length: %zu\r\nContent-Encoding: %s\r\n"
                            "Vary: Accept-Encoding\r\n\r\n",
                            packed.len, name);
        size_t before = (size_t)len;
        char *got = hear(fd);
        if (!ax_torture_struck()) {
            assert_memory_equal(got, wanted, before);
            assert_memory_equal(got + before, is_bomb ? "" : packed.ptr, is_bomb ? 1 : packed.len);
            assert_string_equal(got + before + (is_bomb ? 0 : packed.len),
                                is_bomb ? "" : ANSWER("5", "/last"));
        }
        free(got);
        ax_buf_done(&packed);
        leave(fd);
    }
    free(body);
    free(text);
    free(wanted);
}

/* Clients that leave while their bodies are decompressed, or their answers compressed. */
static void a_client_leaves_in_the_middle_of_coding(void **state)
{
    enum { SIZE = 1 << 20 };
    (void)state;
    char *body = ax_xalloc(SIZE);
    char *text = ax_xalloc(SIZE);
    memset(body, 'x', SIZE);
    struct ax_buf packed = pack((struct ax_str){ body, SIZE }, AX_CODING_GZIP);
    for (size_t rounds = 1; packed.len && rounds < 45; rounds++) {
        int fd = connect_client();
        int head = snprintf(text, SIZE,
                            "POST /now HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip"
                            "\r\nAccept-Encoding: deflate\r\nContent-Length: %zu\r\n\r\n",
                            packed.len);
        memcpy(text + head, packed.ptr, packed.len);
        (void)send(fd, text, (size_t)head + packed.len, MSG_NOSIGNAL);
        go(rounds);
        leave(fd);
    }
    ax_buf_done(&packed);
    free(body);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_requests_are_answered),
        cmocka_unit_test(what_has_to_wait_is_not_lost),
        cmocka_unit_test(a_large_body_comes_back),
        cmocka_unit_test(a_client_leaves_before_its_answer),
        cmocka_unit_test(a_round_takes_few_steps),
        cmocka_unit_test(large_bodies_take_turns),
        cmocka_unit_test(small_requests_take_turns),
        cmocka_unit_test(pipelined_bodies_take_turns),
        cmocka_unit_test(long_answers_take_turns),
        cmocka_unit_test(asked_in_the_last_moment),
        cmocka_unit_test(a_body_waits_for_us),
        cmocka_unit_test(clients_leave_from_the_middle),
        cmocka_unit_test(wake_end_is_behind),
        cmocka_unit_test(a_client_leaves_before_its_turn),
        cmocka_unit_test(large_memory_goes_back_in_parts),
        cmocka_unit_test(a_round_writes_little),
        cmocka_unit_test(compressed_both_ways),
        cmocka_unit_test(a_client_leaves_in_the_middle_of_coding),
    };
    return cmocka_run_group_tests_name("net/connection", tests, setup, teardown);
}
