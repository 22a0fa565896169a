/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a handler may refuse a request before its body is there, and learns early that a client is
 * gone; what comes of a refused body is never taken for a request.
 * Method: a server whose handler refuses by the path (at once, in wake_end, later), clients that
 * send heads and bodies in every order, and leave with and without a reset.
 */
#include "http_fixture.h"

#define HOST "Host: a\r\n"

static struct {
    struct fixture *fixture;
    atomic_size_t asked, refused, told;
    struct ax_request *late[FIXTURE_HELD_MAX]; /* of the server's only thread */
    size_t late_count;
} early;

static void refuse(struct ax_request *request)
{
    struct ax_answer answer = { .status = 503,
                                .content_type = "text/plain",
                                .extra_headers = "Retry-After: 1\r\n",
                                .body = AX_STR("full") };
    ax_request_answer(request, &answer);
}

static void refuse_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    refuse(request);
}

/* /full: at once; /full/wake: in wake_end; /full/step: in a step. All else is wanted. */
static bool early_head(void *context, void *state, struct ax_request *request)
{
    (void)context;
    assert(((struct fixture_state *)state)->in_wake && !request->user && !request->body.len);
    assert(ax_request_header(request, "host").len == 1);
    atomic_fetch_add(&early.asked, 1);
    if (!ax_str_starts_with(request->path, AX_STR("/full")))
        return true;
    atomic_fetch_add(&early.refused, 1);
    if (ax_str_is(request->path, "/full/wake"))
        early.late[early.late_count++] = request;
    else if (ax_str_is(request->path, "/full/step"))
        ax_request_resume(request, refuse_step);
    else
        refuse(request);
    return false;
}

static bool early_wake_end(void *context, void *state)
{
    bool more = fixture_wake_end(context, state);
    while (early.late_count)
        refuse(early.late[--early.late_count]);
    return more;
}

/* Those that were refused early have no user. */
static void early_release(void *context, void *state, struct ax_request *request)
{
    if (request->user)
        fixture_release(context, state, request);
}

/* Give up what waits for the engine; what it says later finds nobody. */
static void early_cancelled(void *context, void *state, struct ax_request *request)
{
    (void)context;
    assert(((struct fixture_state *)state)->in_wake && ax_request_is_cancelled(request));
    atomic_fetch_add(&early.told, 1);
    if (ax_str_is(request->path, "/hold"))
        fixture_answer(request);
}

static int setup(void **state)
{
    struct fixture *fixture = fixture_new("127.0.0.1:0", "1");
    fixture->config.body_bytes_max = 200000;
    fixture->handler.head = early_head;
    fixture->handler.cancelled = early_cancelled;
    fixture->handler.wake_end = early_wake_end;
    fixture->handler.release = early_release;
    atomic_store(&early.asked, 0);
    atomic_store(&early.refused, 0);
    atomic_store(&early.told, 0);
    fixture_start(fixture);
    *state = early.fixture = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void expect_refusal(struct client *client, bool closes)
{
    struct reply reply = client_read(client, false);
    assert_int_equal(reply.status, 503);
    assert_int_equal(reply.closes, closes);
    assert_string_equal(reply.body, "full");
    reply_done(&reply);
}

static void expect_end(struct client *client)
{
    assert_int_equal(client_read(client, false).status, 0);
    client_close(client);
}

static const char *const paths[] = { "/full", "/full/wake", "/full/step" };

/* The answer comes before the body does; what is behind the body is the next request, although the
 * body looks like one. */
static void refused_before_the_body(void **state)
{
    static const char body[] = "GET /now HTTP/1.1\r\n" HOST "\r\n";
    char text[256];
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct client client = client_open(*state);
        (void)snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", paths[i],
                       strlen(body));
        for (size_t k = 0; k < 3; k++) {
            assert_true(client_say(&client, text));
            expect_refusal(&client, false);
            for (size_t at = 0; at < strlen(body); at++)
                assert_true(client_send(&client, body + at, 1));
        }
        assert_true(client_say(&client, "GET /wake HTTP/1.1\r\n" HOST "\r\n"));
        client_expect(&client, "GET", "/wake", AX_STR(""));
        client_close(&client);
    }
    assert_int_equal(atomic_load(&early.refused), 3 * AX_COUNT(paths));
}

static void refused_chunks(void **state)
{
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct client client = client_open(*state);
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
                       paths[i]);
        assert_true(client_say(&client, text));
        expect_refusal(&client, false);
        assert_true(client_say(&client, "lo\r\n1;a=b\r\n!\r\n0\r\nTrailer: x\r\n\r\n"
                                        "GET /now HTTP/1.1\r\n" HOST "\r\n"));
        client_expect(&client, "GET", "/now", AX_STR(""));
        client_close(&client);
    }
}

/* Zeros are no gzip: nobody looks. */
static void refused_compressed_bodies(void **state)
{
    struct client client = client_open(*state);
    static const char *const coded[] = {
        "POST /full HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n0",
        "000",
        "POST /full HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n0000",
        "",
    };
    for (size_t i = 0; i < AX_COUNT(coded); i += 2) {
        assert_true(client_say(&client, coded[i]));
        expect_refusal(&client, false);
        assert_true(client_say(&client, coded[i + 1]));
    }
    assert_true(client_say(&client, "GET /now HTTP/1.1\r\n" HOST "\r\n"));
    client_expect(&client, "GET", "/now", AX_STR(""));
    client_close(&client);
}

/* Bodies that are wanted are not changed by the question, whatever their size, and what comes at
 * once is not asked for. */
static void wanted_bodies_arrive(void **state)
{
    static char body[180000];
    memset(body, 'x', sizeof(body));
    struct client client = client_open(*state);
    static const size_t sizes[] = { 1, 1000, 65000, 70000, sizeof(body) };
    for (size_t i = 0; i < AX_COUNT(sizes); i++) {
        size_t asked = atomic_load(&early.asked);
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "POST /now HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", sizes[i]);
        assert_true(client_say(&client, text));
        fixture_wait(&early.asked, asked + 1);
        assert_true(client_send(&client, body, sizes[i]));
        client_expect(&client, "POST", "/now", (struct ax_str){ body, sizes[i] });
    }
    size_t asked = atomic_load(&early.asked);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi"));
    client_expect(&client, "POST", "/now", AX_STR("hi"));
    assert_int_equal(atomic_load(&early.asked), asked);
    client_close(&client);
}

/* Nobody knows whether a client that waited to be told sends the body now. */
static void who_waits_for_continue_is_refused_for_good(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "POST /full HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                                    "Content-Length: 5\r\n\r\n"));
    expect_refusal(&client, true);
    assert_true(client_say(&client, "GET /now HTTP/1.1\r\n" HOST "\r\n"));
    expect_end(&client);
    /* A wanted one is told to go on. */
    client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                                    "Content-Length: 5\r\n\r\n"));
    struct reply reply = client_read(&client, false);
    assert_int_equal(reply.status, 100);
    reply_done(&reply);
    assert_true(client_say(&client, "hello"));
    client_expect(&client, "POST", "/now", AX_STR("hello"));
    client_close(&client);
}

static void who_closes_is_closed(void **state)
{
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct client client = client_open(*state);
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\n" HOST
                       "Connection: close\r\nContent-Length: 5\r\n\r\nh",
                       paths[i]);
        assert_true(client_say(&client, text));
        expect_refusal(&client, true);
        expect_end(&client);
    }
}

/* The answer keeps its place among the others, and the body behind it is thrown away meanwhile. */
static void refusals_keep_their_place(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_open(fixture);
    assert_true(client_say(&client, "GET /hold HTTP/1.1\r\n" HOST "\r\n"
                                    "POST /full HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe"));
    fixture_wait(&early.refused, 1);
    assert_true(client_say(&client, "lloGET /now HTTP/1.1\r\n" HOST "\r\n"));
    fixture_wait(&fixture->handed, 2);
    fixture_let_go(fixture);
    client_expect(&client, "GET", "/hold", AX_STR(""));
    expect_refusal(&client, false);
    client_expect(&client, "GET", "/now", AX_STR(""));
    client_close(&client);
}

/* What is wrong with a refused body ends the connection without a second answer. */
static void bodies_that_are_wrong_end_silently(void **state)
{
    static const char *const rests[] = { "x\r\n", "30000000\r\n", "1\r\nab" };
    for (size_t i = 0; i < AX_COUNT(rests); i++) {
        struct client client = client_open(*state);
        assert_true(client_say(&client, "POST /full HTTP/1.1\r\n" HOST
                                        "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"));
        expect_refusal(&client, false);
        assert_true(client_say(&client, rests[i]));
        expect_end(&client);
    }
    /* Cut off. */
    struct client client = client_open(*state);
    assert_true(client_say(&client, "POST /full HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nh"));
    expect_refusal(&client, false);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    expect_end(&client);
    struct fixture *fixture = *state;
    for (size_t i = 0; i <= AX_E_INTERNAL; i++)
        assert_int_equal(atomic_load(&fixture->incomplete[i]), 0);
}

/* A drain does not wait for bodies that nobody wants. */
static void a_drain_ends_refused_bodies(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_open(fixture);
    assert_true(client_say(&client, "POST /full HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nh"));
    expect_refusal(&client, false);
    ax_http_server_drain(fixture->server);
    expect_end(&client);
}

static void all_slots_are_given_back(void **state)
{
    for (size_t i = 0; i < 500; i++) {
        struct client client = client_open(*state);
        assert_true(client_say(&client, "POST /full HTTP/1.1\r\n" HOST
                                        "Content-Length: 100000\r\n\r\nhello"));
        if (i % 3)
            expect_refusal(&client, false);
        if (i % 2)
            client_reset(&client);
        else
            client_close(&client);
    }
    fixture_wait(&early.refused, 500);
}

/* Held requests are given up when their client resets, and when it closes: the kernel of one that
 * only closed says so when it is asked. */
static void clients_that_leave_are_noticed(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 1; i <= 10; i++) {
        struct client client = client_open(fixture);
        assert_true(client_say(&client, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
        fixture_wait(&fixture->handed, i);
        if (i % 2)
            client_reset(&client);
        else
            client_close(&client);
        fixture_wait(&early.told, i);
        fixture_wait(&fixture->released, i);
    }
    fixture_let_go(fixture);
    fixture_wait(&fixture->orphans, 10);
}

/* Who only shuts down its side is asked, too, and gets its answer. */
static void who_is_asked_and_lives_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct client client = client_open(fixture);
    assert_true(client_say(&client, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    fixture_wait(&fixture->handed, 1);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    struct reply reply = client_read(&client, false);
    assert_int_equal(reply.status, 100);
    reply_done(&reply);
    fixture_let_go(fixture);
    client_expect(&client, "GET", "/hold", AX_STR(""));
    expect_end(&client);
    assert_int_equal(atomic_load(&early.told), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_before_the_body),
        TEST(refused_chunks),
        TEST(refused_compressed_bodies),
        TEST(wanted_bodies_arrive),
        TEST(who_waits_for_continue_is_refused_for_good),
        TEST(who_closes_is_closed),
        TEST(refusals_keep_their_place),
        TEST(bodies_that_are_wrong_end_silently),
        TEST(a_drain_ends_refused_bodies),
        TEST(all_slots_are_given_back),
        TEST(clients_that_leave_are_noticed),
        TEST(who_is_asked_and_lives_is_answered),
    };
    return cmocka_run_group_tests_name("net/http_early", tests, NULL, NULL);
}
