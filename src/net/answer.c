/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing answers: status line, headers, body. Nothing but what a client needs: no Date (the
 * server may lack a clock worth telling, and RFC 9110 lets it be left out then), no Server.
 */
#include "net/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TEXT(literal) { literal, sizeof(literal) - 1 }

static struct ax_str status_text(int status)
{
    static const struct {
        int status;
        struct ax_str text;
    } texts[] = {
        { 200, TEXT("OK") },
        { 201, TEXT("Created") },
        { 202, TEXT("Accepted") },
        { 204, TEXT("No Content") },
        { 301, TEXT("Moved Permanently") },
        { 302, TEXT("Found") },
        { 304, TEXT("Not Modified") },
        { 307, TEXT("Temporary Redirect") },
        { 308, TEXT("Permanent Redirect") },
        { 400, TEXT("Bad Request") },
        { 401, TEXT("Unauthorized") },
        { 403, TEXT("Forbidden") },
        { 404, TEXT("Not Found") },
        { 405, TEXT("Method Not Allowed") },
        { 406, TEXT("Not Acceptable") },
        { 408, TEXT("Request Timeout") },
        { 409, TEXT("Conflict") },
        { 412, TEXT("Precondition Failed") },
        { 413, TEXT("Content Too Large") },
        { 414, TEXT("URI Too Long") },
        { 415, TEXT("Unsupported Media Type") },
        { 417, TEXT("Expectation Failed") },
        { 422, TEXT("Unprocessable Content") },
        { 429, TEXT("Too Many Requests") },
        { 431, TEXT("Request Header Fields Too Large") },
        { 499, TEXT("Client Closed Request") },
        { 500, TEXT("Internal Server Error") },
        { 501, TEXT("Not Implemented") },
        { 502, TEXT("Bad Gateway") },
        { 503, TEXT("Service Unavailable") },
        { 504, TEXT("Gateway Timeout") },
        { 505, TEXT("HTTP Version Not Supported") },
    };
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return AX_STR("Status");
}

static char *put(char *at, struct ax_str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_u64(char *at, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return put(at, (struct ax_str){ digits + first, sizeof(digits) - first });
}

/* More than all that is printed besides the texts that the answer names. */
#define HEAD_BYTES_MAX 192

struct head {
    int status;
    struct ax_str content_type;
    struct ax_str extra_headers;
    struct ax_str connection; /* empty, or a whole line */
    size_t body_len;
};

static bool answer_print_head(struct ax_output *output, struct ax_output_pool *pool,
                              const struct head *head)
{
    char *begin = ax_output_reserve(
        output, pool, HEAD_BYTES_MAX + head->content_type.len + head->extra_headers.len);
    if (!begin)
        return false;
    char *at = put(begin, AX_STR("HTTP/1.1 "));
    at = put_u64(at, (uint64_t)head->status);
    *at++ = ' ';
    at = put(at, status_text(head->status));
    if (head->content_type.len) {
        at = put(at, AX_STR("\r\nContent-Type: "));
        at = put(at, head->content_type);
    }
    if (head->status != 204 && head->status != 304) {
        at = put(at, AX_STR("\r\nContent-Length: "));
        at = put_u64(at, head->body_len);
    }
    at = put(at, AX_STR("\r\n"));
    if (head->connection.len)
        at = put(at, head->connection);
    if (head->extra_headers.len)
        at = put(at, head->extra_headers);
    at = put(at, AX_STR("\r\n"));
    ax_output_added(output, (size_t)(at - begin));
    return true;
}

static struct ax_str connection_line(const struct ax_exchange *exchange)
{
    if (exchange->closes)
        return AX_STR("Connection: close\r\n");
    if (exchange->http_1_0)
        return AX_STR("Connection: keep-alive\r\n");
    return (struct ax_str){ 0 };
}

bool ax_exchange_print(struct ax_exchange *exchange, struct ax_output_pool *pool,
                       const struct ax_answer *answer)
{
    assert(exchange && pool && answer && answer->status >= 200 && answer->status <= 599);
    struct ax_str body = answer->body_buf ? ax_buf_str(answer->body_buf) : answer->body;
    assert(!body.len || (answer->content_type && answer->status != 204 && answer->status != 304));
    struct head head = {
        .status = answer->status,
        .content_type = ax_str_from(answer->content_type),
        .extra_headers = ax_str_from(answer->extra_headers),
        .connection = connection_line(exchange),
        .body_len = body.len,
    };
    if (!answer_print_head(&exchange->output, pool, &head))
        return false;
    if (exchange->request.method == AX_HTTP_HEAD)
        return true;
    if (answer->body_buf)
        return ax_output_take(&exchange->output, pool, answer->body_buf);
    return ax_output_append(&exchange->output, pool, body);
}

bool ax_answer_print_error(struct ax_output *output, struct ax_output_pool *pool, int status,
                           const char *text, bool without_body)
{
    assert(output && pool && text && !strpbrk(text, "\"\\\n"));
    struct ax_str extra = { 0 };
    if (status == 405)
        extra = AX_STR("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    if (status == 415)
        extra = AX_STR("Accept-Encoding: gzip, deflate\r\n");
    if (status == 503)
        extra = AX_STR("Retry-After: 1\r\n");
    char body[256];
    int len = snprintf(body, sizeof(body), "{\"error\":\"%s\"}", text);
    assert(len > 0 && (size_t)len < sizeof(body));
    struct head head = {
        .status = status,
        .content_type = AX_STR("application/json"),
        .extra_headers = extra,
        .connection = AX_STR("Connection: close\r\n"),
        .body_len = (size_t)len,
    };
    if (!answer_print_head(output, pool, &head))
        return false;
    return without_body || ax_output_append(output, pool, (struct ax_str){ body, (size_t)len });
}
