/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reader of HTTP/1.1 answers.
 *
 * A head that lies whole in the given bytes is parsed where it lies; only one that arrives in parts
 * is copied together first. The short lines of chunked bodies are always copied. Head and body are
 * both bounded, the one by its buffer, the other by not being kept or by the buffer of who wants
 * it. llhttp is not used here: it accepts on purpose what servers get wrong, and a client that
 * measures our own server should notice it instead.
 */
#include "net/response.h"

#include <assert.h>
#include <string.h>

#define CHUNK_DIGITS_MAX 15

static const struct ax_str head_end = { "\r\n\r\n", 4 };

/* What the headers say that matters here. */
struct response_head {
    int status;
    bool has_length;
    uint64_t length;
    bool is_chunked;
    bool closes;
};

void ax_response_init(struct ax_response *response)
{
    assert(response);
    response->status = 0;
    response->closes = false;
    response->state = AX_RESPONSE_HEAD;
    response->body_left = 0;
    response->body = NULL;
    response->head_len = 0;
}

/* "HTTP/1.1 200 OK"; the reason may be empty, the space in front of it too. */
static enum ax_code response_parse_status(struct ax_str line, struct response_head *head,
                                          struct ax_err *err)
{
    struct ax_str prefix = { line.ptr, AX_MIN(line.len, (size_t)7) };
    bool well_formed = ax_str_is(prefix, "HTTP/1.") && line.len >= 12 &&
                       (line.ptr[7] == '0' || line.ptr[7] == '1') && line.ptr[8] == ' ' &&
                       (line.len == 12 || line.ptr[12] == ' ');
    uint64_t status = 0;
    if (!well_formed || !ax_str_to_u64((struct ax_str){ line.ptr + 9, 3 }, &status) || status < 100)
        return ax_fail(err, AX_E_INVALID, "answer: '%.*s' is no HTTP/1.1 status line",
                       (int)AX_MIN(line.len, (size_t)60), line.ptr);
    head->status = (int)status;
    head->closes = line.ptr[7] == '0';
    return AX_OK;
}

static bool is_name_char(char c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Is `word` one of the items of a list divided by commas? */
static bool list_holds(struct ax_str list, const char *word)
{
    while (list.len) {
        const char *comma = memchr(list.ptr, ',', list.len);
        struct ax_str item = { list.ptr, comma ? (size_t)(comma - list.ptr) : list.len };
        if (ax_str_equals_nocase(ax_str_trim(item), ax_str_from(word)))
            return true;
        size_t step = AX_MIN(item.len + 1, list.len);
        list = (struct ax_str){ list.ptr + step, list.len - step };
    }
    return false;
}

static enum ax_code response_take_header(struct ax_str name, struct ax_str value,
                                         struct response_head *head, struct ax_err *err)
{
    if (ax_str_equals_nocase(name, AX_STR("content-length"))) {
        uint64_t length = 0;
        if (head->has_length || !ax_str_to_u64(value, &length))
            return ax_fail(err, AX_E_INVALID, "answer: a second or malformed Content-Length");
        head->has_length = true;
        head->length = length;
    } else if (ax_str_equals_nocase(name, AX_STR("transfer-encoding"))) {
        if (head->is_chunked || !ax_str_equals_nocase(value, AX_STR("chunked")))
            return ax_fail(err, AX_E_UNSUPPORTED, "answer: Transfer-Encoding is not 'chunked'");
        head->is_chunked = true;
    } else if (ax_str_equals_nocase(name, AX_STR("connection"))) {
        head->closes = head->closes || list_holds(value, "close");
    }
    return AX_OK;
}

static enum ax_code response_parse_header(struct ax_str line, struct response_head *head,
                                          struct ax_err *err)
{
    size_t name_len = 0;
    while (name_len < line.len && is_name_char(line.ptr[name_len]))
        name_len++;
    if (name_len == 0 || name_len == line.len || line.ptr[name_len] != ':')
        return ax_fail(err, AX_E_INVALID, "answer: '%.*s' is no header",
                       (int)AX_MIN(line.len, (size_t)60), line.ptr);
    struct ax_str value = { line.ptr + name_len + 1, line.len - name_len - 1 };
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\0' || value.ptr[i] == '\r' || value.ptr[i] == '\n')
            return ax_fail(err, AX_E_INVALID, "answer: header '%.*s' holds a control character",
                           AX_STR_ARG(((struct ax_str){ line.ptr, name_len })));
    return response_take_header((struct ax_str){ line.ptr, name_len }, ax_str_trim(value), head,
                                err);
}

/* `text` is a whole head without the empty line. */
static enum ax_code response_parse_head(struct ax_str text, struct response_head *head,
                                        struct ax_err *err)
{
    bool first = true;
    while (text.len) {
        const char *end = memmem(text.ptr, text.len, "\r\n", 2);
        struct ax_str line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };
        if (first ? response_parse_status(line, head, err) : response_parse_header(line, head, err))
            return err->code;
        first = false;
        size_t step = line.len + (end ? 2 : 0);
        text = (struct ax_str){ text.ptr + step, text.len - step };
    }
    if (first)
        return ax_fail(err, AX_E_INVALID, "answer: an empty line instead of a status line");
    bool bodiless = head->status < 200 || head->status == 204 || head->status == 304;
    if (head->is_chunked && head->has_length)
        return ax_fail(err, AX_E_INVALID, "answer: both Transfer-Encoding and Content-Length");
    if (bodiless) {
        head->is_chunked = false;
        head->length = 0;
    } else if (!head->has_length && !head->is_chunked) {
        return ax_fail(err, AX_E_UNSUPPORTED, "answer: neither Content-Length nor chunks");
    }
    return AX_OK;
}

static enum ax_code response_begin_body(struct ax_response *response, struct ax_str text,
                                        struct ax_err *err)
{
    struct response_head head = { 0 };
    if (response_parse_head(text, &head, err))
        return err->code;
    response->head_len = 0;
    /* Nothing but an interim answer stays in the head: the real one follows. */
    if (head.status < 200)
        return AX_OK;
    response->status = head.status;
    response->closes = head.closes;
    response->body_left = head.length;
    response->state = head.is_chunked ? AX_RESPONSE_CHUNK_SIZE : AX_RESPONSE_BODY;
    return AX_OK;
}

/* Collect a head that comes in parts; its end may lie across two of them. */
static enum ax_code response_collect_head(struct ax_response *response, struct ax_str bytes,
                                          size_t *ret_used, struct ax_err *err)
{
    size_t before = response->head_len;
    size_t room = sizeof(response->head) - before;
    size_t taken = AX_MIN(bytes.len, room);
    memcpy(response->head + before, bytes.ptr, taken);
    size_t from = before < head_end.len ? 0 : before - (head_end.len - 1);
    const char *end =
        memmem(response->head + from, before + taken - from, head_end.ptr, head_end.len);
    if (!end && taken == room)
        return ax_fail(err, AX_E_TOO_LARGE, "answer: the head has over %zu bytes",
                       sizeof(response->head));
    if (!end) {
        response->head_len = before + taken;
        *ret_used = taken;
        return AX_OK;
    }
    size_t head_len = (size_t)(end - response->head);
    if (response_begin_body(response, (struct ax_str){ response->head, head_len }, err))
        return err->code;
    *ret_used = head_len + head_end.len - before;
    return AX_OK;
}

static enum ax_code response_read_head(struct ax_response *response, struct ax_str bytes,
                                       size_t *ret_used, struct ax_err *err)
{
    size_t looked_at = AX_MIN(bytes.len, sizeof(response->head));
    const char *end =
        response->head_len ? NULL : memmem(bytes.ptr, looked_at, head_end.ptr, head_end.len);
    if (!end)
        return response_collect_head(response, bytes, ret_used, err);
    size_t head_len = (size_t)(end - bytes.ptr);
    if (response_begin_body(response, (struct ax_str){ bytes.ptr, head_len }, err))
        return err->code;
    *ret_used = head_len + head_end.len;
    return AX_OK;
}

/* ---- bodies ---- */

/* Take what there is of the body or the chunk. */
static enum ax_code response_read_body(struct ax_response *response, struct ax_str bytes,
                                       size_t *ret_used, struct ax_err *err)
{
    size_t taken = (size_t)AX_MIN((uint64_t)bytes.len, response->body_left);
    if (response->body && ax_buf_append(response->body, bytes.ptr, taken))
        return ax_buf_check(response->body, "answer: the body", err);
    response->body_left -= taken;
    *ret_used = taken;
    return AX_OK;
}

/* "1f" or "1F;name=value" */
static enum ax_code response_take_chunk_size(struct ax_response *response, struct ax_str line,
                                             struct ax_err *err)
{
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits < line.len; digits++) {
        char c = line.ptr[digits];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            break;
        size = size * 16 + digit;
    }
    if (digits == 0 || digits > CHUNK_DIGITS_MAX || (digits < line.len && line.ptr[digits] != ';'))
        return ax_fail(err, AX_E_INVALID, "answer: '%.*s' is no size of a chunk",
                       (int)AX_MIN(line.len, (size_t)60), line.ptr);
    response->body_left = size;
    response->state = size ? AX_RESPONSE_CHUNK : AX_RESPONSE_TRAILER;
    return AX_OK;
}

/* A line between chunks or behind them, without its end. */
static enum ax_code response_take_line(struct ax_response *response, struct ax_str line,
                                       bool *ret_done, struct ax_err *err)
{
    if (response->state == AX_RESPONSE_CHUNK_SIZE)
        return response_take_chunk_size(response, line, err);
    struct response_head ignored = { 0 };
    if (response->state == AX_RESPONSE_CHUNK_END) {
        if (line.len)
            return ax_fail(err, AX_E_INVALID, "answer: a chunk is longer than it said");
        response->state = AX_RESPONSE_CHUNK_SIZE;
    } else if (line.len) {
        return response_parse_header(line, &ignored, err);
    } else {
        response->state = AX_RESPONSE_HEAD;
        *ret_done = true;
    }
    return AX_OK;
}

static enum ax_code response_read_line(struct ax_response *response, struct ax_str bytes,
                                       size_t *ret_used, bool *ret_done, struct ax_err *err)
{
    const char *end = memchr(bytes.ptr, '\n', bytes.len);
    size_t taken = end ? (size_t)(end - bytes.ptr) + 1 : bytes.len;
    if (taken > sizeof(response->head) - response->head_len)
        return ax_fail(err, AX_E_TOO_LARGE, "answer: a line of its chunks has over %zu bytes",
                       sizeof(response->head));
    memcpy(response->head + response->head_len, bytes.ptr, taken);
    response->head_len += taken;
    *ret_used = taken;
    if (!end)
        return AX_OK;
    struct ax_str line = { response->head, response->head_len - 1 };
    response->head_len = 0;
    if (line.len == 0 || line.ptr[line.len - 1] != '\r')
        return ax_fail(err, AX_E_INVALID, "answer: a line of its chunks does not end in CR LF");
    line.len--;
    return response_take_line(response, line, ret_done, err);
}

/* One step: something of the bytes is used, or the body is over. */
static enum ax_code response_step(struct ax_response *response, struct ax_str bytes,
                                  size_t *ret_used, bool *ret_done, struct ax_err *err)
{
    if (response->state == AX_RESPONSE_HEAD)
        return response_read_head(response, bytes, ret_used, err);
    if (response->state != AX_RESPONSE_BODY && response->state != AX_RESPONSE_CHUNK)
        return response_read_line(response, bytes, ret_used, ret_done, err);
    if (response_read_body(response, bytes, ret_used, err))
        return err->code;
    if (response->body_left == 0) {
        *ret_done = response->state == AX_RESPONSE_BODY;
        response->state = *ret_done ? AX_RESPONSE_HEAD : AX_RESPONSE_CHUNK_END;
    }
    return AX_OK;
}

enum ax_code ax_response_read(struct ax_response *response, const char *ptr, size_t len,
                              size_t *ret_used, bool *ret_done, struct ax_err *err)
{
    assert(response && ptr && ret_used && ret_done && err);
    size_t at = 0;
    bool done = false;
    /* A body of no bytes is over without another one. */
    while (!done && (at < len || (response->state == AX_RESPONSE_BODY && !response->body_left))) {
        size_t used = 0;
        if (response_step(response, (struct ax_str){ ptr + at, len - at }, &used, &done, err))
            return err->code;
        at += used;
    }
    *ret_used = at;
    *ret_done = done;
    return AX_OK;
}
