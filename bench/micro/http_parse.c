/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What HTTP/1.1 costs without sockets: a request's bytes to method, path, headers and body.
 *
 *   http_parse
 *
 * The parser is the server's own, with an exchange of a table as a connection gives it one, and the
 * request is what one read brings. What it found is checked before time is taken. turns.h tells how
 * time is taken.
 */
#include "net/http1.h"
#include "program.h"
#include "turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define REQUESTS       256 /* the same bytes in as many places */

struct request {
    size_t body_len;
    struct ax_buf bytes[REQUESTS];
};

static struct ax_http_config config = { .body_bytes_max = BODY_BYTES_MAX,
                                        .header_bytes_max = 16384,
                                        .header_count_max = 64,
                                        .chunk_count_max = 1024,
                                        .connections_max = 1,
                                        .pipeline_requests_max = 1,
                                        .requests_max = 2,
                                        .bodies_bytes_max = 2 * BODY_BYTES_MAX,
                                        .request_bytes_max = BODY_BYTES_MAX };
static struct ax_exchange_table exchanges;
static struct ax_http1 http1;

static void parse(const void *context, size_t number)
{
    const struct request *request = context;
    const struct ax_buf *bytes = &request->bytes[number];
    size_t used = 0;
    http1.exchange = ax_exchange_take(&exchanges, 1);
    if (ax_http1_feed(&http1, bytes->ptr, bytes->len, &used) != AX_HTTP1_REQUEST ||
        used != bytes->len || http1.exchange->request.body.len != request->body_len)
        die("the request was not understood");
    ax_exchange_give_back(&exchanges, http1.exchange);
    http1.exchange = NULL;
}

/* A GET, or with a body a POST, as `more` headers have it. */
static void make(struct request *request, size_t body_len, const char *more)
{
    static char body[BODY_BYTES_MAX];
    memset(body, ' ', body_len);
    request->body_len = body_len;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct ax_buf *bytes = &request->bytes[i];
        ax_buf_init(bytes, 2 * BODY_BYTES_MAX);
        (void)ax_buf_printf(bytes, "%s /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n%s",
                            body_len ? "POST" : "GET", more);
        if (body_len)
            (void)ax_buf_printf(bytes, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                                body_len);
        (void)ax_buf_append_str(bytes, AX_STR("\r\n"));
        (void)ax_buf_append(bytes, body, body_len);
    }
}

int main(void)
{
    static const char more[] = "User-Agent: python-requests/2.34.2\r\nAccept: */*\r\n"
                               "Accept-Encoding: identity\r\nConnection: keep-alive\r\n";
    static struct request get, row, client, rows;
    struct ax_output_pool outputs = { 0 };
    ax_exchange_table_init(&exchanges, NULL, 0, &config, &outputs);
    ax_http1_init(&http1, &exchanges);
    make(&get, 0, "");
    make(&row, 600, "");
    make(&client, 600, more);
    make(&rows, 12800, "");
    struct turns_part parts[] = {
        { .name = "HTTP, a GET of one header", .context = &get },
        { .name = "HTTP, a POST of 600 bytes", .context = &row },
        { .name = "  and four headers more", .context = &client },
        { .name = "HTTP, a POST of 12,800 bytes", .context = &rows },
    };
    for (size_t i = 0; i < AX_COUNT(parts); i++) {
        parts[i].run = parse;
        parts[i].numbers = REQUESTS;
    }
    turns_take(parts, AX_COUNT(parts));
    return 0;
}
