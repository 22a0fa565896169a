/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the parser finds the same requests, and refuses with the same status, however the bytes are
 * cut into pieces; what a request holds is what was sent.
 * Method: each text is fed whole, in two pieces at every place, and byte by byte; every way must
 * give the same record of what happened. Statuses of malformed requests: test_http_hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/http1.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_SIZE 8192

static struct ax_http_config config;

static int setup(void **state)
{
    (void)state;
    struct ax_option_group groups[] = { { ax_http_options, &config }, { 0 } };
    ax_option_defaults(groups);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct ax_option_group groups[] = { { ax_http_options, &config }, { 0 } };
    ax_option_done(groups);
    return 0;
}

static void record_request(struct ax_buf *out, const struct ax_exchange *exchange)
{
    const struct ax_request *request = &exchange->request;
    (void)ax_buf_printf(out, "%d %.*s?%.*s", (int)request->method, AX_STR_ARG(request->path),
                        AX_STR_ARG(request->query));
    for (size_t i = 0; i < request->header_count; i++)
        (void)ax_buf_printf(out, " [%.*s]=[%.*s]", AX_STR_ARG(request->headers[i].name),
                            AX_STR_ARG(request->headers[i].value));
    (void)ax_buf_printf(out, " {%.*s}%s%s%s\n", AX_STR_ARG(request->body),
                        exchange->closes ? " closes" : "", exchange->http_1_0 ? " 1.0" : "",
                        exchange->wants_continue ? " continue" : "");
}

/* Feed pieces of at most `piece` bytes after a first one of `first`, and write down what happens.
 */
static void record(const char *text, size_t len, size_t first, size_t piece, struct ax_buf *out)
{
    struct ax_output_pool outputs = { 0 };
    struct ax_exchange_table table;
    ax_exchange_table_init(&table, NULL, 0, &config, &outputs);
    struct ax_http1 http1;
    ax_http1_init(&http1, &table);
    bool ended = false;
    for (size_t at = 0; at < len && !ended;) {
        size_t end = AX_MIN(len, at < first ? first : at + piece);
        /* A copy of its own, so that reading beyond a piece is seen. */
        char *bytes = ax_xmemdup0(text + at, end - at);
        char *exact = ax_xrealloc(NULL, end - at, 1);
        memcpy(exact, bytes, end - at);
        free(bytes);
        size_t used = 0;
        for (size_t done = 0; done < end - at && !ended; done += used) {
            if (!http1.exchange)
                http1.exchange = ax_exchange_take(&table, 1);
            enum ax_http1_event event = ax_http1_feed(&http1, exact + done, end - at - done, &used);
            while (event == AX_HTTP1_CODED)
                event = ax_http1_inflate(&http1);
            switch (event) {
            case AX_HTTP1_CODED:
                break;
            case AX_HTTP1_MORE:
                assert_int_equal(used, end - at - done);
                break;
            case AX_HTTP1_REQUEST:
                record_request(out, http1.exchange);
                ended = http1.exchange->closes;
                ax_exchange_give_back(&table, http1.exchange);
                http1.exchange = NULL;
                break;
            case AX_HTTP1_REFUSED:
                (void)ax_buf_printf(out, "refused %d: %s\n", http1.refusal.status,
                                    http1.refusal.text);
                ended = true;
                break;
            }
        }
        free(exact);
        at = end;
    }
    if (http1.exchange)
        ax_exchange_give_back(&table, http1.exchange);
    ax_exchange_table_done(&table);
    ax_output_pool_done(&outputs);
    assert_int_equal(ax_buf_append_char(out, '\0'), 0);
}

static void same_in_all_pieces(const char *text, size_t len, const char *wanted)
{
    struct ax_buf whole, cut;
    ax_buf_init(&whole, RECORD_SIZE);
    ax_buf_init(&cut, RECORD_SIZE);
    record(text, len, len, len, &whole);
    if (wanted)
        assert_string_equal(whole.ptr, wanted);
    for (size_t first = 1; first <= len; first++) {
        ax_buf_reset(&cut);
        record(text, len, first, len, &cut);
        assert_string_equal(cut.ptr, whole.ptr);
    }
    ax_buf_reset(&cut);
    record(text, len, 1, 1, &cut);
    assert_string_equal(cut.ptr, whole.ptr);
    ax_buf_done(&whole);
    ax_buf_done(&cut);
}

static void requests_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "0 /? [host]=[a] {}\n" },
        { "\r\n\r\nGET /a%2Fb%20c?x=%20&y HTTP/1.1\r\nHOST:  a\t \r\n\r\n",
          "0 /a/b c?x=%20&y [host]=[a] {}\n" },
        { "GET http://a.b:80/p?q HTTP/1.1\r\nHost: a.b\r\n\r\n", "0 /p?q [host]=[a.b] {}\n" },
        { "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", "6 *? [host]=[] {}\n" },
        { "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Y: Z z\r\n\r\nabc"
          "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
          "2 /p? [host]=[a] [content-length]=[3] [x-y]=[Z z] {abc}\n"
          "1 /? [host]=[a] [connection]=[close] {} closes\n" },
        { "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
          "2;e=\"q\"\r\nab\r\n0003\r\ncde\r\n0\r\nT: r\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
          "3 /? [host]=[a] [transfer-encoding]=[Chunked] {abcde}\n5 /? [host]=[a] {}\n" },
        { "GET / HTTP/1.0\r\n\r\n", "0 /? {} closes 1.0\n" },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
          "0 /? [connection]=[keep-alive] {} 1.0\n" },
        { "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
          "2 /? [host]=[a] [expect]=[100-continue] [content-length]=[1] {x} continue\n" },
        { "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
          "2 /? [expect]=[100-continue] [content-length]=[1] {x} closes 1.0\n" },
        { "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\nY:\r\n\r\n",
          "0 /? [host]=[a] [x]=[\xc3\xa9] [y]=[] {}\n" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        same_in_all_pieces(cases[i].text, strlen(cases[i].text), cases[i].wanted);
}

static void refusals_do_not_depend_on_the_pieces(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET / HTTQ/1.1\r\nHost: a\r\n\r\n",
        "GETT / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nExpect: no\r\n\r\n",
    };
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct ax_buf out;
        ax_buf_init(&out, RECORD_SIZE);
        record(texts[i], strlen(texts[i]), SIZE_MAX, 1, &out);
        assert_non_null(strstr(out.ptr, "refused "));
        ax_buf_done(&out);
        same_in_all_pieces(texts[i], strlen(texts[i]), NULL);
    }
}

static void a_body_is_received_in_place(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    struct ax_output_pool outputs = { 0 };
    struct ax_exchange_table table;
    ax_exchange_table_init(&table, NULL, 0, &config, &outputs);
    struct ax_http1 http1;
    ax_http1_init(&http1, &table);
    struct ax_exchange *exchange = http1.exchange = ax_exchange_take(&table, 1);
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n01234";
    size_t used, room;
    assert_null(ax_http1_body_space(&http1, &room));
    assert_int_equal(ax_http1_feed(&http1, head, sizeof(head) - 1, &used), AX_HTTP1_MORE);
    /* Not more than the first MiB was taken for what is only announced. */
    assert_true(exchange->body.cap <= 2 << 20);
    size_t len = 5;
    enum ax_http1_event event = AX_HTTP1_MORE;
    while (len < SIZE) {
        char *at = ax_http1_body_space(&http1, &room);
        char few[40000];
        if (!at) {
            at = few;
            room = AX_MIN(sizeof(few), SIZE - len);
        }
        assert_true(room <= SIZE - len);
        for (size_t i = 0; i < room; i++)
            at[i] = (char)('0' + (len + i) % 10);
        event = ax_http1_feed(&http1, at, room, &used);
        assert_int_equal(used, room);
        len += room;
    }
    assert_int_equal(event, AX_HTTP1_REQUEST);
    assert_null(ax_http1_body_space(&http1, &room));
    assert_int_equal(exchange->request.body.len, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(exchange->request.body.ptr[i], '0' + i % 10);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(exchange->request.body.ptr[SIZE + i], 0);
    assert_true(table.budget.used >= SIZE);
    ax_exchange_give_back(&table, exchange);
    assert_int_equal(table.budget.used, 0);
    ax_exchange_table_done(&table);
    ax_output_pool_done(&outputs);
}

/* The same body, as gzip and zlib of Python write it. */
#define PLAIN                                                                                 \
    "{} hello hello hello hello hello hello hello hello hello hello hello hello hello hello " \
    "hello hello hello hello hello hello"
#define GZIP                                                           \
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x55\xc8\x48\xcd" \
    "\xc9\xc9\xa7\x3f\x09\x00\x9c\x59\xe9\xf5\x7a\x00\x00\x00"
#define ZLIB                                                           \
    "\x78\x9c\xab\xae\x55\xc8\x48\xcd\xc9\xc9\xa7\x3f\x09\x00\xd0\x5f" \
    "\x2d\x09"

#define CODED_HEAD(coding) \
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Encoding: " coding "\r\nContent-Length: "
#define CHUNKED_HEAD(coding)                                   \
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Encoding: " coding \
    "\r\nTransfer-Encoding: chunked\r\n\r\n"
#define BYTES(literal) { literal, sizeof(literal) - 1 }
#define DAMAGED        "the compressed body is damaged, cut off, or more than one"

static size_t coded_request(char *to, size_t size, const char *head, struct ax_str body)
{
    size_t len = (size_t)snprintf(to, size, "%s%zu\r\n\r\n", head, body.len);
    memcpy(to + len, body.ptr, body.len);
    return len + body.len;
}

static void compressed_bodies(void **state)
{
    static const struct {
        const char *head;
        struct ax_str body;
        const char *coding; /* NULL: refused as damaged */
    } cases[] = {
        { CODED_HEAD("gzip"), BYTES(GZIP), "gzip" },
        { CODED_HEAD("x-gzip"), BYTES(GZIP), "x-gzip" },
        { CODED_HEAD("GZip"), BYTES(GZIP), "GZip" },
        { CODED_HEAD("deflate"), BYTES(ZLIB), "deflate" },
        { CODED_HEAD("deflate"), BYTES(GZIP), NULL },
        { CODED_HEAD("gzip"), BYTES(ZLIB), NULL },
        { CODED_HEAD("gzip"), BYTES(GZIP "x"), NULL },
        { CODED_HEAD("gzip"), BYTES(GZIP GZIP), NULL },
        { CODED_HEAD("gzip"), BYTES("no gzip"), NULL },
    };
    char text[1000], wanted[1000];
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        size_t len = coded_request(text, sizeof(text), cases[i].head, cases[i].body);
        if (cases[i].coding)
            (void)snprintf(wanted, sizeof(wanted),
                           "2 /a? [host]=[h] [content-encoding]=[%s] [content-length]=[%zu] {%s}\n",
                           cases[i].coding, cases[i].body.len, PLAIN);
        else
            (void)snprintf(wanted, sizeof(wanted), "refused 400: %s\n", DAMAGED);
        same_in_all_pieces(text, len, wanted);
    }
    /* Every cut. */
    for (size_t cut = 1; cut < sizeof(GZIP) - 1; cut++) {
        size_t len =
            coded_request(text, sizeof(text), CODED_HEAD("gzip"), (struct ax_str){ GZIP, cut });
        struct ax_buf out;
        ax_buf_init(&out, RECORD_SIZE);
        record(text, len, len, len, &out);
        assert_string_equal(out.ptr, "refused 400: " DAMAGED "\n");
        ax_buf_done(&out);
    }
    /* In chunks; nothing at all is an empty body. */
    size_t len = (size_t)snprintf(text, sizeof(text), "%s%zx\r\n", CHUNKED_HEAD("gzip"),
                                  sizeof(GZIP) - 1 - 5);
    memcpy(text + len, GZIP, sizeof(GZIP) - 1 - 5);
    len += sizeof(GZIP) - 1 - 5;
    memcpy(text + len, "\r\n5\r\n", 5);
    memcpy(text + len + 5, &GZIP[sizeof(GZIP) - 1 - 5], 5);
    memcpy(text + len + 10, "\r\n0\r\n\r\n", 7);
    same_in_all_pieces(text, len + 17,
                       "2 /a? [host]=[h] [content-encoding]=[gzip] [transfer-encoding]=[chunked] "
                       "{" PLAIN "}\n");
    static const char nothing[] = CODED_HEAD("gzip") "0\r\n\r\n";
    same_in_all_pieces(nothing, sizeof(nothing) - 1,
                       "2 /a? [host]=[h] [content-encoding]=[gzip] [content-length]=[0] {}\n");
    static const char unknown[] = CODED_HEAD("br") "1\r\n\r\nx";
    same_in_all_pieces(unknown, sizeof(unknown) - 1, "refused 415: Unsupported compression type\n");
    static const char both[] = CODED_HEAD("gzip, gzip") "1\r\n\r\nx";
    same_in_all_pieces(both, sizeof(both) - 1, "refused 415: Unsupported compression type\n");
}

/* The limit holds for what a body becomes, to the byte. */
static void an_inflated_body_is_limited(void **state)
{
    (void)state;
    size_t before = config.body_bytes_max;
    char text[1000];
    size_t len = coded_request(text, sizeof(text), CODED_HEAD("gzip"), AX_STR(GZIP));
    for (size_t less = 0; less < 2; less++) {
        config.body_bytes_max = sizeof(PLAIN) - 1 - less;
        struct ax_buf out;
        ax_buf_init(&out, RECORD_SIZE);
        record(text, len, len, len, &out);
        if (less)
            assert_string_equal(out.ptr, "refused 413: the body is larger than body_bytes_max\n");
        else
            assert_non_null(strstr(out.ptr, "{" PLAIN "}"));
        ax_buf_done(&out);
    }
    config.body_bytes_max = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(refusals_do_not_depend_on_the_pieces),
        cmocka_unit_test(a_body_is_received_in_place),
        cmocka_unit_test(compressed_bodies),
        cmocka_unit_test(an_inflated_body_is_limited),
    };
    return cmocka_run_group_tests_name("net/http1", tests, setup, teardown);
}
