/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llhttp with our rules on top.
 *
 * llhttp finds the parts of a message and refuses what its strict mode refuses. Its callbacks copy
 * target and headers behind each other into the exchange's head buffer, which never moves, so
 * texts are final as soon as they are written. When the headers are complete, check_head looks at
 * what llhttp leaves to its user: version, Host, Transfer-Encoding, Expect, sizes.
 *
 * Bytes that llhttp skips without a callback take no memory. Those around chunks (zeros before a
 * size) are counted as what was fed and is no body, for which the parser is paused behind the head.
 * Blank lines before a request and spaces before a value are limited by the timeouts alone.
 */
#include "net/http1.h"

#include "net/uri.h"

#include <assert.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#define BODY_PADDING 16
#define BODY_RESERVED_MAX \
    ((size_t)64 << 10) /* before its bytes arrived: who only says, holds little */
#define BODY_SPACE_MIN  ((size_t)32 << 10) /* less is as well received elsewhere and copied */
#define BODY_SPACE_MAX  ((size_t)256 << 10)
#define HEADER_OVERHEAD 4                   /* ": " and CRLF */
#define CHUNK_OVERHEAD  ((size_t)24)        /* sixteen digits and twice CRLF, generously */
#define INFLATE_SLICE   ((size_t)128 << 10) /* bytes made a slice */
#define INFLATE_ROOM    ((size_t)4 << 10)   /* made at least a call of the coder */

static_assert(sizeof(llhttp_t) <= sizeof(((struct ax_http1 *)NULL)->parser),
              "llhttp's parser must fit");

static llhttp_t *http1_parser(struct ax_http1 *http1)
{
    return (llhttp_t *)(void *)http1->parser;
}

static struct ax_http1 *http1_of(llhttp_t *parser)
{
    return parser->data;
}

/* Refuse, and make llhttp stop: -1 stops it in every callback. */
static int http1_refuse(struct ax_http1 *http1, int status, const char *text)
{
    if (!http1->refusal.status)
        http1->refusal = (struct ax_refusal){ .status = status, .text = text };
    return -1;
}

static int http1_refuse_limit(struct ax_http1 *http1, int status, enum ax_http_limit limit,
                              const char *text)
{
    if (!http1->refusal.status)
        http1->refusal = (struct ax_refusal){ .status = status, .text = text, .limit = limit };
    return -1;
}

static bool head_has_room(struct ax_http1 *http1, size_t more)
{
    struct ax_exchange *exchange = http1->exchange;
    if (more > http1->config->header_bytes_max - exchange->head_counted)
        return false;
    exchange->head_counted += more;
    return true;
}

static int on_message_begin(llhttp_t *parser)
{
    struct ax_http1 *http1 = http1_of(parser);
    assert(http1->exchange && http1->exchange->state == AX_EXCHANGE_EMPTY);
    http1->exchange->state = AX_EXCHANGE_HEAD;
    http1->in_value = true;
    http1->is_chunked = false;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    if (!head_has_room(http1, len))
        return http1_refuse_limit(http1, 414, AX_HTTP_LIMIT_HEADER_BYTES,
                                  "the target is longer than header_bytes_max");
    memcpy(exchange->head + exchange->head_len, at, len);
    exchange->head_len += len;
    exchange->request.target = (struct ax_str){ exchange->head, exchange->head_len };
    return 0;
}

static int http1_refuse_headers(struct ax_http1 *http1)
{
    return http1_refuse_limit(http1, 431, AX_HTTP_LIMIT_HEADER_BYTES,
                              "the headers are larger than header_bytes_max");
}

static int header_begin(struct ax_http1 *http1)
{
    struct ax_exchange *exchange = http1->exchange;
    if (exchange->header_counted == http1->config->header_count_max)
        return http1_refuse_limit(http1, 431, AX_HTTP_LIMIT_HEADER_COUNT,
                                  "more headers than header_count_max");
    exchange->header_counted++;
    if (!head_has_room(http1, HEADER_OVERHEAD))
        return http1_refuse_headers(http1);
    if (exchange->state == AX_EXCHANGE_HEAD)
        exchange->headers[exchange->request.header_count++] = (struct ax_http_header){
            .name = { exchange->head + exchange->head_len, 0 },
        };
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    if (http1->in_value && header_begin(http1))
        return -1;
    http1->in_value = false;
    if (!head_has_room(http1, len))
        return http1_refuse_headers(http1);
    if (exchange->state != AX_EXCHANGE_HEAD)
        return 0; /* A trailer: counted, not kept. */
    char *to = exchange->head + exchange->head_len;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + ('a' - 'A') : at[i]);
    exchange->head_len += len;
    exchange->headers[exchange->request.header_count - 1].name.len += len;
    return 0;
}

static void header_value_begin(struct ax_http1 *http1)
{
    struct ax_exchange *exchange = http1->exchange;
    if (!http1->in_value && exchange->state == AX_EXCHANGE_HEAD)
        exchange->headers[exchange->request.header_count - 1].value =
            (struct ax_str){ exchange->head + exchange->head_len, 0 };
    http1->in_value = true;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    header_value_begin(http1);
    if (!head_has_room(http1, len))
        return http1_refuse_headers(http1);
    if (exchange->state != AX_EXCHANGE_HEAD)
        return 0;
    memcpy(exchange->head + exchange->head_len, at, len);
    exchange->head_len += len;
    exchange->headers[exchange->request.header_count - 1].value.len += len;
    return 0;
}

/* Also called for a value that is empty, for which on_header_value need not be. */
static int on_header_value_complete(llhttp_t *parser)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    header_value_begin(http1);
    if (exchange->state != AX_EXCHANGE_HEAD)
        return 0;
    struct ax_str *value = &exchange->headers[exchange->request.header_count - 1].value;
    while (value->len && (value->ptr[value->len - 1] == ' ' || value->ptr[value->len - 1] == '\t'))
        value->len--;
    return 0;
}

static enum ax_http_method method_of(const llhttp_t *parser)
{
    switch (parser->method) {
    case HTTP_GET:
        return AX_HTTP_GET;
    case HTTP_HEAD:
        return AX_HTTP_HEAD;
    case HTTP_POST:
        return AX_HTTP_POST;
    case HTTP_PUT:
        return AX_HTTP_PUT;
    case HTTP_PATCH:
        return AX_HTTP_PATCH;
    case HTTP_DELETE:
        return AX_HTTP_DELETE;
    case HTTP_OPTIONS:
        return AX_HTTP_OPTIONS;
    default:
        return AX_HTTP_OTHER;
    }
}

/* Headers that decide how the message itself is read. */
struct framing {
    size_t host_count;
    struct ax_str transfer_encoding;
    struct ax_str content_encoding;
    struct ax_str expect;
    bool has_transfer_encoding, has_content_encoding, has_expect;
    bool has_second; /* one of the three came twice */
};

static void framing_note(struct ax_str value, struct ax_str *to, bool *has, bool *second)
{
    *second |= *has;
    *has = true;
    *to = value;
}

static struct framing framing_find(const struct ax_request *request)
{
    struct framing found = { 0 };
    for (size_t i = 0; i < request->header_count; i++) {
        const struct ax_http_header *header = &request->headers[i];
        if (ax_str_is(header->name, "host"))
            found.host_count++;
        else if (ax_str_is(header->name, "transfer-encoding"))
            framing_note(header->value, &found.transfer_encoding, &found.has_transfer_encoding,
                         &found.has_second);
        else if (ax_str_is(header->name, "content-encoding"))
            framing_note(header->value, &found.content_encoding, &found.has_content_encoding,
                         &found.has_second);
        else if (ax_str_is(header->name, "expect"))
            framing_note(header->value, &found.expect, &found.has_expect, &found.has_second);
    }
    return found;
}

static int check_version(struct ax_http1 *http1, const llhttp_t *parser)
{
    struct ax_exchange *exchange = http1->exchange;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return http1_refuse(http1, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    exchange->http_1_0 = parser->http_minor == 0;
    exchange->closes = !llhttp_should_keep_alive(parser);
    if (parser->method == HTTP_CONNECT || parser->method == HTTP_TRACE)
        return http1_refuse(http1, 405, "CONNECT and TRACE are not allowed here");
    return 0;
}

static int check_framing(struct ax_http1 *http1, const struct framing *found)
{
    struct ax_exchange *exchange = http1->exchange;
    if (found->host_count > 1 || (!found->host_count && !exchange->http_1_0))
        return http1_refuse(http1, 400, "a request has exactly one Host header");
    if (found->has_second)
        return http1_refuse(
            http1, 400, "Transfer-Encoding, Content-Encoding and Expect may each come once only");
    if (found->has_transfer_encoding && exchange->http_1_0)
        return http1_refuse(http1, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (found->has_transfer_encoding &&
        !ax_str_equals_nocase(found->transfer_encoding, AX_STR("chunked")))
        return http1_refuse(http1, 501, "the only Transfer-Encoding known here is chunked");
    if (found->has_content_encoding && !ax_coding_parse(found->content_encoding, &exchange->coding))
        return http1_refuse(http1, 415, "Unsupported compression type");
    if (found->has_expect && !exchange->http_1_0) {
        if (!ax_str_equals_nocase(found->expect, AX_STR("100-continue")))
            return http1_refuse(http1, 417, "the only expectation known here is 100-continue");
        exchange->wants_continue = true;
    }
    return 0;
}

static int http1_refuse_body(struct ax_http1 *http1)
{
    return http1_refuse_limit(http1, 413, AX_HTTP_LIMIT_BODY_BYTES,
                              "the body is larger than body_bytes_max");
}

static int http1_refuse_memory(struct ax_http1 *http1)
{
    return http1_refuse_limit(http1, 503, AX_HTTP_LIMIT_BODIES_BYTES,
                              "no memory for another body now (bodies_bytes_max)");
}

static int check_body(struct ax_http1 *http1, const llhttp_t *parser)
{
    struct ax_exchange *exchange = http1->exchange;
    http1->is_chunked = (parser->flags & F_CHUNKED) != 0;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    if (!has_length || !parser->content_length) {
        exchange->wants_continue &= http1->is_chunked;
        return 0;
    }
    if (parser->content_length > http1->config->body_bytes_max)
        return http1_refuse_body(http1);
    /* Refused now rather than half way, when the whole of it cannot be held. */
    struct ax_budget *budget = &http1->table->budget;
    if (!ax_budget_has(budget, (size_t)parser->content_length))
        return http1_refuse_memory(http1);
    if (exchange->coding != AX_CODING_IDENTITY)
        return 0; /* Nobody knows how large it becomes. */
    size_t first = (size_t)AX_MIN(parser->content_length, (uint64_t)BODY_RESERVED_MAX);
    if (!ax_exchange_body_room(exchange, budget, first))
        return http1_refuse_memory(http1);
    return 0;
}

static int check_target(struct ax_http1 *http1)
{
    struct ax_request *request = &http1->exchange->request;
    struct ax_uri uri;
    struct ax_err err = AX_ERR_INIT;
    switch ((int)ax_uri_parse(request->target, &request->arena, &uri, &err)) {
    case AX_OK:
        request->path = uri.path;
        request->query = uri.query;
        return 0;
    case AX_E_INVALID:
        return http1_refuse(http1, 400,
                            "the target must be a path, escapes two hex digits and not %00");
    case AX_E_TOO_LARGE:
        return http1_refuse_limit(http1, 414, AX_HTTP_LIMIT_REQUEST_BYTES,
                                  "the target is longer than request_bytes_max");
    default:
        return http1_refuse(http1, 503, "no memory for the target now");
    }
}

static int on_headers_complete(llhttp_t *parser)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    exchange->request.method = method_of(parser);
    exchange->request.headers = exchange->headers;
    struct framing found = framing_find(&exchange->request);
    /* The target before the rest: what is wrong there is counted where the request belongs. */
    if (check_version(http1, parser) || check_target(http1) || check_framing(http1, &found) ||
        check_body(http1, parser))
        return -1;
    /* "Upgrade" may be ignored, and is. */
    parser->upgrade = 0;
    exchange->state = AX_EXCHANGE_BODY;
    http1->in_value = true;
    /* What is behind this byte is counted; see http1_execute. */
    return http1->is_chunked ? HPE_PAUSED : 0;
}

static int http1_refuse_coding(struct ax_http1 *http1)
{
    return http1_refuse(http1, 400, "the compressed body is damaged, cut off, or more than one");
}

/* Bytes of a compressed body: they wait for ax_http1_inflate. */
static int http1_keep_coded(struct ax_http1 *http1, const char *at, size_t len)
{
    struct ax_exchange *exchange = http1->exchange;
    if (exchange->coder_ended)
        return http1_refuse_coding(http1);
    if (!exchange->coder)
        exchange->coder = ax_coder_take_inflate(&http1->table->coders, exchange->coding);
    if (!exchange->coder || ax_buf_append(ax_coder_input(exchange->coder), at, len))
        return http1_refuse_memory(http1);
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    struct ax_buf *body = &exchange->body;
    if (len > http1->config->body_bytes_max - exchange->body_received)
        return http1_refuse_body(http1);
    exchange->body_received += len;
    if (exchange->is_sink)
        return 0;
    if (exchange->coding != AX_CODING_IDENTITY)
        return http1_keep_coded(http1, at, len);
    if (body->ptr && at == body->ptr + body->len) {
        ax_buf_added(body, len); /* Received in place; see ax_http1_body_space. */
        return 0;
    }
    if (!ax_exchange_body_room(exchange, &http1->table->budget, len))
        return http1_refuse_memory(http1);
    return ax_buf_append(body, at, len) ? http1_refuse_memory(http1) : 0;
}

static int on_chunk_header(llhttp_t *parser)
{
    struct ax_http1 *http1 = http1_of(parser);
    struct ax_exchange *exchange = http1->exchange;
    if (!parser->content_length)
        return 0; /* the last, empty one */
    if (exchange->chunk_count == http1->config->chunk_count_max)
        return http1_refuse_limit(http1, 413, AX_HTTP_LIMIT_CHUNK_COUNT,
                                  "the body has more chunks than chunk_count_max");
    exchange->chunk_count++;
    if (parser->content_length > http1->config->body_bytes_max - exchange->body_received)
        return http1_refuse_body(http1);
    return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len)
{
    (void)at;
    struct ax_http1 *http1 = http1_of(parser);
    if (!head_has_room(http1, len))
        return http1_refuse_limit(http1, 431, AX_HTTP_LIMIT_HEADER_BYTES,
                                  "chunk extensions are larger than header_bytes_max");
    return 0;
}

/* The body is there, as the handler shall see it. */
static void exchange_complete_body(struct ax_exchange *exchange)
{
    static const _Alignas(BODY_PADDING) char nothing[BODY_PADDING];
    struct ax_buf *body = &exchange->body;
    exchange->request.body = (struct ax_str){ nothing, 0 };
    if (body->len) {
        assert(body->cap - body->len >= BODY_PADDING && (uintptr_t)body->ptr % BODY_PADDING == 0);
        memset(body->ptr + body->len, 0, BODY_PADDING);
        exchange->request.body = ax_buf_str(body);
    }
}

static int on_message_complete(llhttp_t *parser)
{
    struct ax_exchange *exchange = http1_of(parser)->exchange;
    if (!exchange->coder)
        exchange_complete_body(exchange);
    exchange->state = AX_EXCHANGE_WHOLE;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

void ax_http1_init(struct ax_http1 *http1, struct ax_exchange_table *table)
{
    assert(http1 && table);
    *http1 = (struct ax_http1){ .config = table->config, .table = table };
    llhttp_t *parser = http1_parser(http1);
    llhttp_init(parser, HTTP_REQUEST, &settings);
    parser->data = http1;
}

/* What llhttp itself refused, at byte `c` or behind a line feed. Its reasons are for programmers,
 * these are for senders. */
static void http1_refuse_syntax(struct ax_http1 *http1, llhttp_errno_t error, char c,
                                bool behind_lf)
{
    switch ((int)error) {
    case HPE_INVALID_METHOD:
        if (c >= 'A' && c <= 'Z')
            (void)http1_refuse(http1, 405, "the method is not known here");
        else
            (void)http1_refuse(http1, 400, "this is no HTTP request");
        break;
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT:
    case HPE_PAUSED_H2_UPGRADE:
        if (behind_lf && error == HPE_INVALID_VERSION)
            (void)http1_refuse(http1, 400, "lines must end in CR LF");
        else
            (void)http1_refuse(http1, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        break;
    case HPE_INVALID_URL:
        (void)http1_refuse(http1, 400, "the target has a byte that must be escaped as %XX");
        break;
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
        (void)http1_refuse(http1, 400,
                           "Content-Length must be one number, and not beside Transfer-Encoding");
        break;
    case HPE_INVALID_TRANSFER_ENCODING:
        (void)http1_refuse(http1, 400,
                           "Transfer-Encoding must be chunked, and not beside Content-Length");
        break;
    case HPE_INVALID_CHUNK_SIZE:
        (void)http1_refuse(http1, 400, "the size of a chunk is no hexadecimal number");
        break;
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
        (void)http1_refuse(http1, 400, "lines must end in CR LF");
        break;
    case HPE_INVALID_HEADER_TOKEN:
    case HPE_UNEXPECTED_SPACE:
        (void)http1_refuse(http1, 400, "a header has a byte or a space that may not be there");
        break;
    default:
        (void)http1_refuse(http1, 400, "this is no HTTP request");
        break;
    }
}

/* Count what came around the chunks of a body. The limit is the same at each byte, so that it is
 * met at the same one however the bytes are cut into pieces. */
static bool framing_has_room(struct ax_http1 *http1, size_t more)
{
    const struct ax_http_config *config = http1->config;
    struct ax_exchange *exchange = http1->exchange;
    exchange->framing_received += more;
    return exchange->framing_received <=
           config->header_bytes_max + config->chunk_count_max * CHUNK_OVERHEAD;
}

/* Until all is used, a request ends or something is wrong, and then to which byte. */
static llhttp_errno_t http1_execute(struct ax_http1 *http1, const char *ptr, size_t len,
                                    size_t *ret_used)
{
    llhttp_t *parser = http1_parser(http1);
    struct ax_exchange *exchange = http1->exchange;
    size_t at = 0;
    for (;;) {
        bool is_counted = exchange->state == AX_EXCHANGE_BODY && http1->is_chunked;
        size_t body_before = exchange->body_received;
        llhttp_errno_t error = llhttp_execute(parser, ptr + at, len - at);
        size_t used =
            error == HPE_OK ? len - at : (size_t)(llhttp_get_error_pos(parser) - (ptr + at));
        size_t body = exchange->body_received - body_before;
        at += used;
        *ret_used = at;
        if (is_counted && used > body && !framing_has_room(http1, used - body)) {
            http1->refusal = (struct ax_refusal){
                .status = 431,
                .text = "the lines of chunks are larger than header_bytes_max and chunk_count_max",
                .limit = AX_HTTP_LIMIT_HEADER_BYTES,
            };
            return HPE_USER;
        }
        if (error != HPE_PAUSED || exchange->state != AX_EXCHANGE_BODY)
            return error;
        llhttp_resume(parser);
    }
}

enum ax_http1_event ax_http1_feed(struct ax_http1 *http1, const char *ptr, size_t len,
                                  size_t *ret_used)
{
    assert(http1 && http1->exchange && !http1->refusal.status && (ptr || !len) && ret_used);
    llhttp_t *parser = http1_parser(http1);
    struct ax_exchange *exchange = http1->exchange;
    if (http1->paused)
        llhttp_resume(parser);
    http1->paused = false;

    size_t used;
    llhttp_errno_t error = http1_execute(http1, ptr, len, &used);
    *ret_used = error == HPE_PAUSED ? used : len;
    if (error == HPE_PAUSED) {
        assert(exchange->state == AX_EXCHANGE_WHOLE);
        http1->paused = true;
        return exchange->coder ? AX_HTTP1_CODED : AX_HTTP1_REQUEST;
    }
    if (error != HPE_OK) {
        const char *at = llhttp_get_error_pos(parser);
        bool is_inside = at >= ptr && at < ptr + len;
        bool behind_lf =
            parser->method != HTTP_PRI && at > ptr && at <= ptr + len && at[-1] == '\n';
        http1_refuse_syntax(http1, error, is_inside ? *at : '\0', behind_lf);
        return AX_HTTP1_REFUSED;
    }
    bool has_input = exchange->coder && ax_coder_input(exchange->coder)->len;
    return has_input ? AX_HTTP1_CODED : AX_HTTP1_MORE;
}

/* Decompress from *in until it is used up, the slice is made, or the stream ends. */
static enum ax_coder_event inflate_slice(struct ax_http1 *http1, struct ax_str *in)
{
    struct ax_exchange *exchange = http1->exchange;
    struct ax_buf *body = &exchange->body;
    enum ax_coder_event event = AX_CODER_FULL;
    for (size_t made = 0; event == AX_CODER_FULL && made < INFLATE_SLICE;) {
        char beyond; /* One byte more than is allowed is enough to know. */
        char *out = &beyond;
        size_t room = 1;
        size_t left = http1->config->body_bytes_max - body->len;
        if (left) {
            room = AX_MIN(AX_MIN(AX_MAX(body->len, INFLATE_ROOM), INFLATE_SLICE), left);
            if (!ax_exchange_body_room(exchange, &http1->table->budget, room))
                return AX_CODER_MEMORY;
            out = body->ptr + body->len;
        }
        size_t len;
        event = ax_coder_run(exchange->coder, in, false, out, room, &len);
        if (!left && len) {
            (void)http1_refuse_body(http1);
            return AX_CODER_FAILED;
        }
        ax_buf_added(body, len);
        made += len;
    }
    return event;
}

enum ax_http1_event ax_http1_inflate(struct ax_http1 *http1)
{
    assert(http1 && http1->exchange && http1->exchange->coder && !http1->refusal.status);
    struct ax_exchange *exchange = http1->exchange;
    struct ax_buf *input = ax_coder_input(exchange->coder);
    struct ax_str in = ax_buf_str(input);
    enum ax_coder_event event = exchange->coder_ended ? AX_CODER_END : inflate_slice(http1, &in);
    ax_buf_consume(input, input->len - in.len);
    exchange->coder_ended = event == AX_CODER_END;
    bool is_whole = exchange->state == AX_EXCHANGE_WHOLE;
    if (event == AX_CODER_FULL)
        return AX_HTTP1_CODED;
    if (event == AX_CODER_MEMORY)
        (void)http1_refuse_memory(http1);
    else if (event == AX_CODER_FAILED || input->len || (is_whole && event != AX_CODER_END))
        (void)http1_refuse_coding(http1);
    if (http1->refusal.status)
        return AX_HTTP1_REFUSED;
    if (!is_whole)
        return AX_HTTP1_MORE;
    ax_coder_give_back(&http1->table->coders, exchange->coder);
    exchange->coder = NULL;
    exchange_complete_body(exchange);
    return AX_HTTP1_REQUEST;
}

char *ax_http1_body_space(struct ax_http1 *http1, size_t *ret_len)
{
    assert(http1 && ret_len);
    struct ax_exchange *exchange = http1->exchange;
    if (!exchange || exchange->state != AX_EXCHANGE_BODY || http1->is_chunked ||
        exchange->is_sink || exchange->coding != AX_CODING_IDENTITY)
        return NULL;
    uint64_t left = http1_parser(http1)->content_length;
    if (left < BODY_SPACE_MIN)
        return NULL;
    /* Room ahead grows with what has come. */
    size_t ahead = AX_MAX(exchange->body.len, BODY_RESERVED_MAX);
    size_t len = (size_t)AX_MIN(left, (uint64_t)AX_MIN(ahead, BODY_SPACE_MAX));
    if (!ax_exchange_body_room(exchange, &http1->table->budget, len))
        return NULL; /* on_body will meet the same and refuse */
    *ret_len = len;
    return exchange->body.ptr + exchange->body.len;
}
