/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever a client sends, it gets an answer that fits, within the limits, and the server
 * goes on serving others with the same memory as before.
 * Method: the real server on port 0 with small limits and short timeouts, and the client of
 * http_fixture.h; after each attack an honest request must be answered.
 */
#include "http_fixture.h"

#include "base/clock.h"
#include "net/worker.h"

#include <malloc.h>
#include <sys/resource.h>

static struct fixture *server_with(void (*change)(struct ax_http_config *config))
{
    struct fixture *fixture = fixture_new("127.0.0.1:0", "1");
    fixture->config.header_timeout_ns = 600 * (uint64_t)AX_NS_PER_MS;
    fixture->config.body_timeout_ns = 600 * (uint64_t)AX_NS_PER_MS;
    fixture->config.body_rate_min = 5;
    fixture->config.write_timeout_ns = 600 * (uint64_t)AX_NS_PER_MS;
    if (change)
        change(&fixture->config);
    fixture_start(fixture);
    return fixture;
}

static int setup(void **state)
{
    *state = server_with(NULL);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void still_serves(const struct fixture *fixture)
{
    struct client client = client_open(fixture);
    assert_true(client_say(&client, "GET /now?alive HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_expect(&client, "GET", "/now?alive", AX_STR(""));
    client_close(&client);
}

/* How a text is answered; the connection ends after it. */
static void refused(const struct fixture *fixture, const char *text, int status)
{
    struct client client = client_open(fixture);
    assert_true(client_say(&client, text));
    client_expect_error(&client, status);
    client_close(&client);
    still_serves(fixture);
}

#define HOST "Host: a\r\n"

static void malformed_requests_are_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400 }, /* a TLS ClientHello */
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },     /* HTTP/2's preface */
        { "\x01\x02", 400 },
        { "GET /\r\n\r\n", 505 }, /* HTTP/0.9 */
        { "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
        { "GET / HTTP/1.2\r\n" HOST "\r\n", 505 },
        { "GET / FTP/1.1\r\n" HOST "\r\n", 505 },
        { "BREW /pot HTTP/1.1\r\n" HOST "\r\n", 405 },
        { "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405 },
        { "TRACE / HTTP/1.1\r\n" HOST "\r\n", 405 },
        { "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "GET nowhere HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /a%4 HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /a%zz HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /\xff HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET / HTTP/1.1\n" HOST "\r\n", 400 }, /* bare LF */
        { "GET / HTTP/1.1\r\nHost: a\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\n\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400 }, /* a folded header */
        { "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\na", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\na", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 67108865\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
          "1\r\na\r\n0\r\n\r\n",
          400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
          "1\r\na\r\n0\r\n\r\n",
          400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
          "\r\n0\r\n\r\n",
          400 },
        { "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
          "11111111111111111\r\n",
          400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4000001\r\n", 413 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\na\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Encoding: br\r\nContent-Length: 1\r\n\r\na", 415 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", 400 },
        { "POST / HTTP/1.1\r\n" HOST "Expect: a miracle\r\nContent-Length: 1\r\n\r\n", 417 },
        { "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 67108865\r\n\r\n",
          413 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        refused(*state, cases[i].text, cases[i].status);
    }
}

static void a_nul_in_the_head_is_refused(void **state)
{
    static const char first[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char second[] = "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n";
    struct client client = client_open(*state);
    assert_true(client_send(&client, first, sizeof(first) - 1));
    client_expect_error(&client, 400);
    client_close(&client);
    client = client_open(*state);
    assert_true(client_send(&client, second, sizeof(second) - 1));
    client_expect_error(&client, 400);
    client_close(&client);
    still_serves(*state);
}

static void a_refusal_leaves_after_the_answers_before_it(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "GET /post HTTP/1.1\r\n" HOST "\r\n"
                                    "GET /steps/20 HTTP/1.1\r\n" HOST "\r\n"
                                    "GET / HTTP/1.1\r\n\r\n"
                                    "GET /never HTTP/1.1\r\n" HOST "\r\n"));
    client_expect(&client, "GET", "/post", AX_STR(""));
    client_expect(&client, "GET", "/steps/20", AX_STR(""));
    client_expect_error(&client, 400);
    client_close(&client);
}

static void head_limits_are_kept(void **state)
{
    struct ax_buf text;
    ax_buf_init(&text, 1 << 20);
    /* A target that is just short enough, and one that is not. */
    static const struct {
        size_t target, header, count;
        int status;
    } cases[] = {
        { 16000, 10, 1, 200 }, { 16385, 10, 1, 414 }, { 100000, 10, 1, 414 },
        { 10, 16000, 1, 200 }, { 10, 16385, 1, 431 }, { 10, 100000, 1, 431 },
        { 10, 10, 99, 200 },   { 10, 10, 100, 431 },  { 8000, 4200, 2, 431 },
        { 10, 500, 40, 431 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        ax_buf_reset(&text);
        (void)ax_buf_printf(&text, "GET /%0*d HTTP/1.1\r\n" HOST, (int)cases[i].target, 0);
        for (size_t k = 0; k < cases[i].count; k++)
            (void)ax_buf_printf(&text, "X: %0*d\r\n", (int)cases[i].header, 0);
        (void)ax_buf_append_str(&text, AX_STR("\r\n"));
        struct client client = client_open(*state);
        assert_true(client_send(&client, text.ptr, text.len));
        if (cases[i].status == 200) {
            struct reply reply = client_read(&client, false);
            assert_int_equal(reply.status, 200);
            reply_done(&reply);
        } else {
            client_expect_error(&client, cases[i].status);
        }
        client_close(&client);
    }
    still_serves(*state);
    ax_buf_done(&text);
}

static void trailers_and_extensions_are_limited(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST
                                    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"));
    bool open = true;
    for (size_t i = 0; i < 10000 && open; i++)
        open = client_say(&client, "X: y\r\n");
    client_expect_error(&client, 431);
    client_close(&client);

    client = client_open(*state);
    assert_true(
        client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    open = true;
    for (size_t i = 0; i < 10000 && open; i++)
        open = client_say(&client, "1;name=value\r\na\r\n");
    client_expect_error(&client, 431);
    client_close(&client);
    still_serves(*state);
}

static void chunked_say(struct client *client, size_t chunk_count)
{
    assert_true(
        client_say(client, "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    struct ax_buf text;
    ax_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < chunk_count; i++)
        (void)ax_buf_append_str(&text, AX_STR("1\r\nc\r\n"));
    (void)ax_buf_append_str(&text, AX_STR("0\r\n\r\n"));
    (void)client_send(client, text.ptr, text.len);
    ax_buf_done(&text);
}

static void chunks_are_counted(void **state)
{
    char *body = ax_xalloc(65536);
    memset(body, 'c', 65536);
    struct client client = client_open(*state);
    chunked_say(&client, 65536);
    client_expect(&client, "POST", "/now", (struct ax_str){ body, 65536 });
    chunked_say(&client, 65537);
    client_expect_error(&client, 413);
    client_close(&client);
    still_serves(*state);
    free(body);
}

static void a_body_one_byte_too_large_is_refused(void **state)
{
    /* The client sends it all before it reads; the answer must reach it all the same. */
    enum { SIZE = 67108865 };
    char *body = ax_xalloc(SIZE);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct client client = client_open(*state);
        assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST));
        assert_true(client_say(&client, chunked ? "Transfer-Encoding: chunked\r\n\r\n4000000\r\n"
                                                : "Content-Length: 67108865\r\n\r\n"));
        if (chunked) {
            assert_true(client_send(&client, body, SIZE - 1));
            (void)client_say(&client, "\r\n1\r\nx\r\n0\r\n\r\n");
        } else {
            (void)client_send(&client, body, SIZE);
        }
        client_expect_error(&client, 413);
        client_close(&client);
        still_serves(*state);
    }
    free(body);
}

static void slow_clients_are_told_and_dropped(void **state)
{
    /* Headers that never end, however often a byte comes. */
    struct client client = client_open(*state);
    assert_true(client_say(&client, "GET /now HTTP/1.1\r\n" HOST "X: "));
    struct pollfd readable = { .fd = client.fd, .events = POLLIN };
    int dribbled = 0;
    while (poll(&readable, 1, 50) == 0 && dribbled < 100) {
        dribbled++;
        (void)client_say(&client, "x");
    }
    assert_in_range(dribbled, 1, 50);
    client_expect_error(&client, 408);
    client_close(&client);

    /* A body that stops. */
    client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n"));
    client_expect_error(&client, 408);
    client_close(&client);

    /* A body that comes slowly, but comes. */
    client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Content-Length: 14\r\n\r\n"));
    for (size_t i = 0; i < 14; i++) {
        (void)poll(NULL, 0, 50);
        assert_true(client_say(&client, "b"));
    }
    client_expect(&client, "POST", "/now", AX_STR("bbbbbbbbbbbbbb"));
    client_close(&client);
    still_serves(*state);
}

static void a_client_that_does_not_read_is_dropped(void **state)
{
    struct client client = client_open(*state);
    for (size_t i = 0; i < 10; i++)
        assert_true(client_say(&client, "GET /big/4000000 HTTP/1.1\r\n" HOST "\r\n"));
    (void)poll(NULL, 0, 1500);
    size_t total = 0;
    int got;
    while ((got = client_more(&client)) > 0) {
        total += (size_t)got;
        client.len = 0;
    }
    /* What the kernel held is all that comes. */
    assert_true(got >= -1 && total < 30000000);
    client_close(&client);
    still_serves(*state);
}

/* Bytes that are no body, and too few of a body, buy no time. */
static void trickled_bodies_are_refused(void **state)
{
#define CHUNKED "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
    static const struct {
        const char *start, *again;
    } cases[] = {
        { CHUNKED "\r\n", "0" },                           /* zeros before a size */
        { CHUNKED "\r\n1;x=", "y" },                       /* an extension */
        { CHUNKED "\r\n1\r\na\r\n0\r\nX: ", "y" },         /* a trailer */
        { CHUNKED "Content-Encoding: gzip\r\n\r\n", "0" }, /* of a compressed one */
        { CHUNKED "\r\n64\r\n", "" },                      /* nothing */
        { "POST /now HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n1", "" },
    };
#undef CHUNKED
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        struct client client = client_open(*state);
        uint64_t began_ns = ax_clock_ns();
        assert_true(client_say(&client, cases[i].start));
        struct pollfd answered = { .fd = client.fd, .events = POLLIN };
        while (poll(&answered, 1, 20) == 0 && ax_clock_ns() - began_ns < 10 * (uint64_t)AX_NS_PER_S)
            (void)client_say(&client, cases[i].again);
        assert_true(ax_clock_ns() - began_ns >= 600 * (uint64_t)AX_NS_PER_MS);
        client_expect_error(&client, 408);
        client_close(&client);
    }
    still_serves(*state);
}

static void a_byte_now_and_then_is_refused(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n"));
    struct pollfd answered = { .fd = client.fd, .events = POLLIN };
    size_t said = 0;
    for (; said < 50 && poll(&answered, 1, 400) == 0; said++)
        (void)client_say(&client, "b");
    assert_in_range(said, 1, 10);
    client_expect_error(&client, 408);
    client_close(&client);
}

/* Without an end, but as fast as one likes: lines of chunks are bounded as heads are. */
static void ten_chunks(struct ax_http_config *config)
{
    config->chunk_count_max = 10;
}

static void lines_of_chunks_are_limited(void **state)
{
    (void)state;
    struct fixture *fixture = server_with(ten_chunks);
    size_t max = fixture->config.header_bytes_max + 24 * (size_t)10;
    struct ax_buf text;
    ax_buf_init(&text, 1 << 20);
    for (size_t more = 0; more < 2; more++) {
        ax_buf_reset(&text);
        (void)ax_buf_printf(&text,
                            "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                            "%0*d\r\na\r\n0\r\n\r\n",
                            (int)(max + more - 9), 1);
        struct client client = client_open(fixture);
        assert_true(client_send(&client, text.ptr, text.len));
        if (more)
            client_expect_error(&client, 431);
        else
            client_expect(&client, "POST", "/now", AX_STR("a"));
        client_close(&client);
    }
    still_serves(fixture);
    ax_buf_done(&text);
    fixture_free(fixture);
}

static void idle_connections_are_closed(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new("127.0.0.1:0", "1");
    fixture->config.idle_timeout_ns = 100 * (uint64_t)AX_NS_PER_MS;
    fixture_start(fixture);
    struct client fresh = client_open(fixture);
    struct client used = client_open(fixture);
    struct client blank = client_open(fixture);
    assert_true(client_say(&used, "GET /now HTTP/1.1\r\n" HOST "\r\n"));
    client_expect(&used, "GET", "/now", AX_STR(""));
    /* Blank lines are no request. */
    assert_true(client_say(&blank, "\r\n\r\n"));
    assert_int_equal(client_read(&fresh, false).status, 0);
    assert_int_equal(client_read(&used, false).status, 0);
    assert_int_equal(client_more(&blank), 0);
    /* One that waits for its answer is not idle. */
    struct client held = client_open(fixture);
    assert_true(client_say(&held, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    (void)poll(NULL, 0, 300);
    fixture_let_go(fixture);
    client_expect(&held, "GET", "/hold", AX_STR(""));
    client_close(&fresh);
    client_close(&used);
    client_close(&blank);
    client_close(&held);
    fixture_free(fixture);
}

/* Nothing remains of any connection there was, once held requests are answered. */
static void all_have_left(struct fixture *fixture)
{
    struct ax_http_metrics metrics;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_http_metrics_register(&metrics, &err), AX_OK);
    for (int i = 0; i < 1000 && ax_metric_read(metrics.connections) != 0; i++) {
        (void)poll(NULL, 0, 10);
        fixture_let_go(fixture);
    }
    assert_int_equal(ax_metric_read(metrics.connections), 0);
}

static void broken_off_requests_are_forgotten(void **state)
{
    static const char *const parts[] = {
        "G",
        "GET /now",
        "GET /now HTTP/1.1\r\nHo",
        "POST /now HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\nabc",
        "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        "GET /hold HTTP/1.1\r\n" HOST "\r\nPOST /now HTTP/1.1\r\n" HOST
        "Content-Length: 9\r\n\r\n1",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < AX_COUNT(parts); i++) {
        for (size_t k = 0; k < 20; k++) {
            struct client client = client_open(fixture);
            assert_true(client_say(&client, parts[i]));
            if (k % 2)
                client_reset(&client);
            else
                client_close(&client);
        }
        /* Half closed: the client can still be told. */
        if (i + 1 == AX_COUNT(parts))
            break;
        struct client client = client_open(fixture);
        assert_true(client_say(&client, parts[i]));
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        client_expect_error(&client, 400);
        client_close(&client);
        still_serves(fixture);
    }
    all_have_left(fixture);
    still_serves(fixture);
}

static size_t all_incomplete(struct fixture *fixture)
{
    size_t count = 0;
    for (size_t i = 0; i <= AX_E_INTERNAL; i++)
        count += atomic_load(&fixture->incomplete[i]);
    return count;
}

/* Whose target was read, but never became whole, the handler is told of: once, and why. */
static void incomplete_requests_are_told(void **state)
{
    static const struct {
        const char *text;
        enum ax_code code; /* AX_OK: it is not told */
        bool leaves;       /* the client does, else it is answered */
    } cases[] = {
        { "POST /a HTTP/1.1\r\n" HOST "Content-Length: 67108865\r\n\r\n", AX_E_TOO_LARGE, false },
        { "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4000001\r\n",
          AX_E_TOO_LARGE, false },
        { "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", AX_E_INVALID,
          false },
        { "POST /a HTTP/1.1\r\n\r\n", AX_E_INVALID, false }, /* no Host */
        { "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", AX_E_UNSUPPORTED, false },
        { "POST /a HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n", AX_E_UNSUPPORTED, false },
        { "POST /a HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n1", AX_E_CANCELLED, true },
        { "POST /a HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", AX_E_CANCELLED, true },
        { "POST /a HTTP/1.1\nContent-Length: 9\r\n\r\n", AX_OK, false },
        { "POST /a%zz HTTP/1.1\r\n" HOST "\r\n", AX_OK, false },
        { "POST /a HTT", AX_OK, true },
    };
    struct fixture *fixture = *state;
    all_have_left(fixture);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        size_t before = all_incomplete(fixture);
        size_t told = atomic_load(&fixture->incomplete[cases[i].code]);
        struct client client = client_open(fixture);
        assert_true(client_say(&client, cases[i].text));
        if (!cases[i].leaves) {
            struct reply reply = client_read(&client, false);
            assert_true(reply.status >= 400);
            reply_done(&reply);
        }
        client_close(&client);
        for (int k = 0; k < 200 && all_incomplete(fixture) == before && cases[i].code; k++)
            (void)poll(NULL, 0, 10);
        still_serves(fixture);
        assert_int_equal(all_incomplete(fixture), before + (cases[i].code != AX_OK));
        if (cases[i].code)
            assert_int_equal(atomic_load(&fixture->incomplete[cases[i].code]), told + 1);
    }
}

static void few_connections(struct ax_http_config *config)
{
    config->connections_max = 4;
}

static void connections_are_limited(void **state)
{
    (void)state;
    struct fixture *fixture = server_with(few_connections);
    struct client clients[6];
    for (size_t i = 0; i < 6; i++)
        clients[i] = client_open(fixture);
    for (size_t i = 0; i < 6; i++)
        (void)client_say(&clients[i], "GET /now HTTP/1.1\r\n" HOST "\r\n");
    for (size_t i = 0; i < 4; i++)
        client_expect(&clients[i], "GET", "/now", AX_STR(""));
    /* The answer, unless what they sent made a reset of it. */
    for (size_t i = 4; i < 6; i++) {
        struct reply reply = client_read(&clients[i], false);
        assert_true(reply.status == 503 || reply.status == 0 || reply.status == -1);
        reply_done(&reply);
    }
    for (size_t i = 0; i < 6; i++)
        client_close(&clients[i]);
    /* The server learns of the end a moment later than the client. */
    bool served = false;
    for (size_t i = 0; i < 100 && !served; i++) {
        struct client client = client_open(fixture);
        (void)client_say(&client, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        struct reply reply = client_read(&client, false);
        served = reply.status == 200;
        reply_done(&reply);
        client_close(&client);
    }
    assert_true(served);
    fixture_free(fixture);
}

static void little_memory(struct ax_http_config *config)
{
    config->bodies_bytes_max = 4 << 20;
    config->requests_max = 8;
}

static void memory_is_limited(void **state)
{
    (void)state;
    struct fixture *fixture = server_with(little_memory);
    char *body = ax_xalloc(3 << 20);
    struct client first = client_open(fixture);
    char text[128];
    (void)snprintf(text, sizeof(text), "POST /hold HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                   3 << 20);
    assert_true(client_say(&first, text) && client_send(&first, body, 3 << 20));
    fixture_wait(&fixture->handed, 1);
    /* Bodies: a length that will not fit is refused before it is sent, chunks when they come. */
    struct client second = client_open(fixture);
    assert_true(client_say(&second, text));
    struct reply reply = client_read(&second, false);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.head, "\r\nRetry-After: "));
    reply_done(&reply);
    client_close(&second);
    second = client_open(fixture);
    assert_true(client_say(&second, "POST /now HTTP/1.1\r\n" HOST
                                    "Transfer-Encoding: chunked\r\n\r\n300000\r\n"));
    (void)client_send(&second, body, 3 << 20);
    client_expect_error(&second, 503);
    client_close(&second);
    still_serves(fixture);
    /* Requests. */
    struct client many = client_open(fixture);
    for (size_t i = 0; i < 8; i++)
        assert_true(client_say(&many, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    fixture_wait(&fixture->handed, 1 + 1 + 7);
    struct client third = client_open(fixture);
    assert_true(client_say(&third, "GET /now HTTP/1.1\r\n" HOST "\r\n"));
    client_expect_error(&third, 503);
    client_close(&third);
    fixture_let_go(fixture);
    client_expect(&first, "POST", "/hold", (struct ax_str){ body, 3 << 20 });
    for (size_t i = 0; i < 7; i++)
        client_expect(&many, "GET", "/hold", AX_STR(""));
    client_expect_error(&many, 503);
    still_serves(fixture);
    assert_true(client_say(&first, text) && client_send(&first, body, 3 << 20));
    fixture_wait(&fixture->handed, 1 + 1 + 7 + 1 + 1);
    fixture_let_go(fixture);
    client_expect(&first, "POST", "/hold", (struct ax_str){ body, 3 << 20 });
    client_close(&first);
    client_close(&many);
    free(body);
    fixture_free(fixture);
}

static void four_threads(struct ax_http_config *config)
{
    config->threads = 4;
    config->bodies_bytes_max = 4 << 20;
    config->requests_max = 6;
}

/* The limits are of all threads together, whichever the connections are given to: of so many
 * clients each thread has several. */
static void limits_are_of_all_threads(void **state)
{
    (void)state;
    struct fixture *fixture = server_with(four_threads);
    struct client clients[24];
    char *body = ax_xalloc(3 << 19);
    char text[128];
    (void)snprintf(text, sizeof(text), "POST /hold HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                   3 << 19);
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        clients[i] = client_open(fixture);
        assert_true(client_say(&clients[i], text));
        if (i >= 2) {
            client_expect_error(&clients[i], 503);
            client_close(&clients[i]);
            continue;
        }
        assert_true(client_send(&clients[i], body, 3 << 19));
        fixture_wait(&fixture->handed, i + 1);
    }
    fixture_let_go(fixture);
    for (size_t i = 0; i < 2; i++) {
        client_expect(&clients[i], "POST", "/hold", (struct ax_str){ body, 3 << 19 });
        client_close(&clients[i]);
    }
    free(body);
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        clients[i] = client_open(fixture);
        assert_true(client_say(&clients[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
        if (i < 6)
            fixture_wait(&fixture->handed, 2 + i + 1);
        else
            client_expect_error(&clients[i], 503);
    }
    fixture_let_go(fixture);
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        if (i < 6)
            client_expect(&clients[i], "GET", "/hold", AX_STR(""));
        client_close(&clients[i]);
    }
    still_serves(fixture);
    fixture_free(fixture);
}

/* Bytes of the process that lie in memory. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    unsigned long total, resident;
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void attack_once(const struct fixture *fixture, size_t i)
{
    struct client client = client_open(fixture);
    switch (i % 4) {
    case 0:
        chunked_say(&client, 200);
        break;
    case 1:
        (void)client_say(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 67108864\r\n\r\nab");
        client_reset(&client);
        return;
    case 2:
        (void)client_say(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 67108865\r\n\r\nab");
        break;
    default:
        (void)client_say(&client, "GET / HTTP/1.1\r\nBad : header\r\n\r\n");
        break;
    }
    struct reply reply = client_read(&client, false);
    assert_true(reply.status == 413 || reply.status == 400);
    reply_done(&reply);
    client_close(&client);
}

static void few_chunks(struct ax_http_config *config)
{
    config->chunk_count_max = 100;
}

/* Sanitizers keep what was freed for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GROWTH_MAX ((size_t)1 << 30)
#else
#define GROWTH_MAX ((size_t)1 << 20)
#endif

static void memory_stays_flat_over_refusals(void **state)
{
    (void)state;
    struct fixture *fixture = server_with(few_chunks);
    for (size_t i = 0; i < 400; i++)
        attack_once(fixture, i);
    size_t before = resident_bytes();
    for (size_t i = 0; i < 4000; i++)
        attack_once(fixture, i);
    size_t after = resident_bytes();
    print_message("resident: %zu, then %zu bytes\n", before, after);
    assert_true(after < before + GROWTH_MAX);
    still_serves(fixture);
    fixture_free(fixture);
}

/* Clients that have been answered, when nothing more has come for a while. */
static size_t count_answered(const struct client *clients, size_t count)
{
    struct pollfd fds[64];
    size_t answered = 0;
    assert_true(count <= AX_COUNT(fds));
    for (size_t before = SIZE_MAX; answered != before || !answered;) {
        (void)poll(NULL, 0, 300);
        before = answered;
        answered = 0;
        for (size_t i = 0; i < count; i++)
            fds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
        int ready = poll(fds, (nfds_t)count, 0);
        assert_true(ready >= 0);
        answered = (size_t)ready;
    }
    return answered;
}

/* Accepting pauses: who is connected is served, who connects waits, and nobody is lost. */
static void running_out_of_descriptors_is_survived(void **state)
{
    struct fixture *fixture = *state;
    still_serves(fixture);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    /* The clients have their descriptors, and the server finds few. */
    struct client clients[40];
    int highest = 0;
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        clients[i] = (struct client){ .fd = client_socket() };
        highest = AX_MAX(highest, clients[i].fd);
    }
    struct rlimit low = { (rlim_t)highest + 5, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        assert_true(client_connect(&clients[i], fixture->address));
        (void)client_say(&clients[i], "GET /now HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_in_range(count_answered(clients, AX_COUNT(clients)), 1, 30);
    client_expect(&clients[0], "GET", "/now", AX_STR(""));
    assert_true(client_say(&clients[0], "GET /wake HTTP/1.1\r\n" HOST "\r\n"));
    client_expect(&clients[0], "GET", "/wake", AX_STR(""));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_close(&clients[0]);
    for (size_t i = 1; i < AX_COUNT(clients); i++) {
        client_expect(&clients[i], "GET", "/now", AX_STR(""));
        client_close(&clients[i]);
    }
    still_serves(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(a_nul_in_the_head_is_refused),
        cmocka_unit_test(a_refusal_leaves_after_the_answers_before_it),
        cmocka_unit_test(head_limits_are_kept),
        cmocka_unit_test(trailers_and_extensions_are_limited),
        cmocka_unit_test(chunks_are_counted),
        cmocka_unit_test(a_body_one_byte_too_large_is_refused),
        cmocka_unit_test(slow_clients_are_told_and_dropped),
        cmocka_unit_test(trickled_bodies_are_refused),
        cmocka_unit_test(a_byte_now_and_then_is_refused),
        cmocka_unit_test(lines_of_chunks_are_limited),
        cmocka_unit_test(a_client_that_does_not_read_is_dropped),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(broken_off_requests_are_forgotten),
        cmocka_unit_test(incomplete_requests_are_told),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(limits_are_of_all_threads),
        cmocka_unit_test(memory_stays_flat_over_refusals),
        cmocka_unit_test(running_out_of_descriptors_is_survived),
    };
    return cmocka_run_group_tests_name("net/http_hostile", tests, setup, teardown);
}
