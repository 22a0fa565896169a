/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: answers are read to their last byte and no further, however the bytes arrive; what is
 * malformed is refused.
 * Method: each stream of a table is read whole, byte by byte, and cut at every place, and must
 * yield the same statuses; bad heads are a table too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUSES_MAX 4

struct outcome {
    enum ax_code code;
    size_t count;
    int statuses[STATUSES_MAX];
    bool closes[STATUSES_MAX];
};

static struct ax_response response;
static char message[240];

/* Feed the parts one after another; stop at a failure. The bytes of each part are copied to memory
 * of exactly their size, so that AddressSanitizer sees a read behind them. */
static void feed(struct outcome *outcome, const char *ptr, size_t len)
{
    struct ax_err err = AX_ERR_INIT;
    char *copy = malloc(len ? len : 1);
    memcpy(copy, ptr, len);
    for (size_t at = 0; at < len && outcome->code == AX_OK;) {
        size_t used = 0;
        bool done = false;
        outcome->code = ax_response_read(&response, copy + at, len - at, &used, &done, &err);
        at += used;
        if (outcome->code)
            memcpy(message, err.msg, sizeof(message));
        else
            assert_true(used > 0 && at <= len);
        if (done) {
            assert_true(outcome->count < STATUSES_MAX);
            outcome->statuses[outcome->count] = response.status;
            outcome->closes[outcome->count++] = response.closes;
        }
    }
    free(copy);
}

static struct outcome read_cut(const char *text, size_t first)
{
    struct outcome outcome = { 0 };
    ax_response_init(&response);
    feed(&outcome, text, first);
    feed(&outcome, text + first, strlen(text) - first);
    return outcome;
}

static struct outcome read_bytes(const char *text)
{
    struct outcome outcome = { 0 };
    ax_response_init(&response);
    for (size_t i = 0; text[i]; i++)
        feed(&outcome, text + i, 1);
    return outcome;
}

static void good_streams(void **state)
{
    (void)state;
    const struct {
        const char *text;
        struct outcome outcome;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
          { .count = 1, .statuses = { 200 } } },
        { "HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", { .count = 1, .statuses = { 200 } } },
        { "HTTP/1.1 200\r\nCONTENT-LENGTH:\t2 \r\nX-Empty:\r\n\r\nab",
          { .count = 1, .statuses = { 200 } } },
        { "HTTP/1.1 503 \r\nContent-Length: 3\r\nConnection: foo, Close\r\n\r\nabc",
          { .count = 1, .statuses = { 503 }, .closes = { true } } },
        { "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
          { .count = 1, .statuses = { 200 }, .closes = { true } } },
        { "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n",
          { .count = 2, .statuses = { 204, 304 } } },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz",
          { .count = 1, .statuses = { 200 } } },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 404 Not Found\r\n"
          "Content-Length: 4\r\n\r\n\r\n\r\nHTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n",
          { .count = 3, .statuses = { 200, 404, 999 } } },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          { .count = 1, .statuses = { 200 } } },
        { "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n"
          "00B;x=\"y\"\r\n\r\n0\r\n\r\nabcd\r\n1\r\n\r\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"
          "HTTP/1.1 503 x\r\nContent-Length: 1\r\n\r\n?",
          { .count = 2, .statuses = { 200, 503 } } },
        { "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n"
          "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
          { .count = 2, .statuses = { 204, 200 }, .closes = { false, true } } },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
          { .count = 0 } },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", { .count = 0 } },
        { "HTTP/1.1 200 OK\r\nContent-Le", { .count = 0 } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t first = 0; first <= strlen(cases[i].text); first++) {
            struct outcome outcome = read_cut(cases[i].text, first);
            assert_memory_equal(&outcome, &cases[i].outcome, sizeof(outcome));
        }
        struct outcome outcome = read_bytes(cases[i].text);
        assert_memory_equal(&outcome, &cases[i].outcome, sizeof(outcome));
    }
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"

static void bad_heads(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { "\r\n\r\n", AX_E_INVALID, "empty line" },
        { "HTTP/1.1\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.1 20 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.1 2000 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.1 099 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.1 2x0 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/2.0 200 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.2 200 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "http/1.1 200 OK\r\n\r\n", AX_E_INVALID, "status line" },
        { "{\"error\":\"x\"}\r\n\r\n", AX_E_INVALID, "status line" },
        { "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", AX_E_INVALID, "no header" },
        { "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", AX_E_INVALID, "no header" },
        { "HTTP/1.1 200 OK\r\n: 1\r\n\r\n", AX_E_INVALID, "no header" },
        { "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", AX_E_INVALID, "no header" },
        { "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", AX_E_INVALID, "control character" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", AX_E_INVALID,
          "second" },
        { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", AX_E_INVALID, "malformed" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", AX_E_INVALID, "malformed" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", AX_E_INVALID,
          "malformed" },
        { "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", AX_E_INVALID, "malformed" },
        { "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", AX_E_UNSUPPORTED, "neither" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", AX_E_UNSUPPORTED,
          "Transfer-Encoding" },
        { CHUNKED "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", AX_E_UNSUPPORTED,
          "Transfer-Encoding" },
        { CHUNKED "Content-Length: 1\r\n\r\n0\r\n\r\n", AX_E_INVALID, "both" },
        { CHUNKED "\r\n\r\n", AX_E_INVALID, "'' is no size" },
        { CHUNKED "\r\n-1\r\n", AX_E_INVALID, "'-1' is no size" },
        { CHUNKED "\r\n0x1\r\n", AX_E_INVALID, "'0x1' is no size" },
        { CHUNKED "\r\n1 \r\na", AX_E_INVALID, "'1 ' is no size" },
        { CHUNKED "\r\n;a\r\n", AX_E_INVALID, "no size" },
        { CHUNKED "\r\n1000000000000000\r\n", AX_E_INVALID, "no size" },
        { CHUNKED "\r\n1\na", AX_E_INVALID, "CR LF" },
        { CHUNKED "\r\n\n", AX_E_INVALID, "CR LF" },
        { CHUNKED "\r\n1\r\nab\r\n", AX_E_INVALID, "longer than it said" },
        { CHUNKED "\r\n0\r\nno header\r\n\r\n", AX_E_INVALID, "no header" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome whole = read_cut(cases[i].text, strlen(cases[i].text));
        assert_int_equal(whole.code, cases[i].code);
        assert_non_null(strstr(message, cases[i].says));
        assert_int_equal(whole.count, 0);
        assert_int_equal(read_bytes(cases[i].text).code, cases[i].code);
    }
}

static void long_heads_are_refused(void **state)
{
    (void)state;
    static char text[AX_RESPONSE_HEAD_BYTES_MAX + 64];
    int begin = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ");
    memset(text + begin, 'x', sizeof(text) - (size_t)begin - 1);
    assert_int_equal(read_cut(text, strlen(text)).code, AX_E_TOO_LARGE);
    assert_int_equal(read_cut(text, 100).code, AX_E_TOO_LARGE);

    /* The longest one that fits, whole and in parts. */
    memcpy(text + AX_RESPONSE_HEAD_BYTES_MAX - 4, "\r\n\r\n", 5);
    assert_int_equal(read_cut(text, strlen(text)).count, 1);
    assert_int_equal(read_cut(text, AX_RESPONSE_HEAD_BYTES_MAX - 2).count, 1);
}

static void long_lines_between_chunks_are_refused(void **state)
{
    (void)state;
    static char text[AX_RESPONSE_HEAD_BYTES_MAX + 256];
    int begin = snprintf(text, sizeof(text), CHUNKED "\r\n1;");
    memset(text + begin, 'x', sizeof(text) - (size_t)begin - 1);
    assert_int_equal(read_cut(text, strlen(text)).code, AX_E_TOO_LARGE);
    assert_int_equal(read_cut(text, 1000).code, AX_E_TOO_LARGE);
}

/* Whole bodies, however they come, behind what the buffer holds; up to its maximum. */
static void bodies_that_are_wanted_are_kept(void **state)
{
    (void)state;
    const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        CHUNKED "\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t max = 12; max <= 13; max++) {
            for (size_t step = 1; step <= strlen(texts[i]); step++) {
                struct ax_err err = AX_ERR_INIT;
                struct ax_buf body;
                bool done = false;
                size_t used = 0;
                enum ax_code code = AX_OK;
                ax_buf_init(&body, max);
                (void)ax_buf_append(&body, "> ", 2);
                ax_response_init(&response);
                response.body = &body;
                for (size_t at = 0; at < strlen(texts[i]) && code == AX_OK; at += used)
                    code =
                        ax_response_read(&response, texts[i] + at,
                                         AX_MIN(step, strlen(texts[i]) - at), &used, &done, &err);
                assert_int_equal(code, max == 12 ? AX_E_TOO_LARGE : AX_OK);
                assert_true(code || (done && ax_str_is(ax_buf_str(&body), "> hello world")));
                ax_buf_done(&body);
            }
        }
    }
}

static void large_bodies_are_counted(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    static char block[1 << 16];
    const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 6553600000\r\n\r\n";
    size_t used = 0;
    bool done = false;
    ax_response_init(&response);
    assert_int_equal(ax_response_read(&response, head, strlen(head), &used, &done, &err), AX_OK);
    for (size_t i = 0; i < 100000; i++) {
        assert_false(done);
        assert_int_equal(ax_response_read(&response, block, sizeof(block), &used, &done, &err),
                         AX_OK);
        assert_int_equal(used, sizeof(block));
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_streams),
        cmocka_unit_test(bad_heads),
        cmocka_unit_test(long_heads_are_refused),
        cmocka_unit_test(long_lines_between_chunks_are_refused),
        cmocka_unit_test(bodies_that_are_wanted_are_kept),
        cmocka_unit_test(large_bodies_are_counted),
    };
    return cmocka_run_group_tests_name("net/response", tests, NULL, NULL);
}
