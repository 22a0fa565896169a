/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressing an answer, a slice a step.
 *
 * The plain body is kept until the end, for when the compressed one turns out not to be smaller:
 * then, or when memory is refused on the way, the plain one leaves.
 */
#include "net/coded_answer.h"

#include "net/worker.h"

#include <assert.h>
#include <stdio.h>

#define SLICE_BYTES       ((size_t)32 << 10) /* of the plain body: well below a millisecond */
#define ROOM_BYTES        ((size_t)16 << 10)
#define CODED_HEADERS_MAX 80

struct ax_coded_answer {
    struct ax_coder *coder;
    enum ax_coding coding;
    struct ax_answer answer; /* texts in the arena; the body is not its, but `plain` */
    struct ax_buf plain;
    size_t at; /* bytes of it that were compressed */
    struct ax_buf packed;
};

/* A client's wish, or IDENTITY when there is nothing to be gained. */
static enum ax_coding answer_coding(const struct ax_exchange *exchange,
                                    const struct ax_answer *answer, size_t len)
{
    size_t min = exchange->request.worker->config->compress_bytes_min;
    bool has_body = answer->content_type && exchange->request.method != AX_HTTP_HEAD;
    if (!min || len < min || !has_body)
        return AX_CODING_IDENTITY;
    struct ax_str accepted = ax_request_header(&exchange->request, "accept-encoding");
    return accepted.ptr ? ax_coding_choose(accepted) : AX_CODING_IDENTITY;
}

/* The answer's texts, which are the caller's, as copies; false without memory. */
static bool copy_head(struct ax_arena *arena, const struct ax_answer *answer,
                      struct ax_answer *ret_copy)
{
    const char *type = ax_arena_strdup(arena, ax_str_from(answer->content_type));
    const char *extra = ax_arena_strdup(arena, ax_str_from(answer->extra_headers));
    *ret_copy = (struct ax_answer){ .status = answer->status,
                                    .content_type = type,
                                    .extra_headers = extra };
    return type && extra;
}

bool ax_coded_answer_begin(struct ax_exchange *exchange, const struct ax_answer *answer)
{
    assert(exchange && answer && !exchange->coded);
    struct ax_arena *arena = &exchange->request.arena;
    struct ax_coder_pool *pool = &exchange->request.worker->exchanges.coders;
    struct ax_str body = answer->body_buf ? ax_buf_str(answer->body_buf) : answer->body;
    enum ax_coding coding = answer_coding(exchange, answer, body.len);
    if (coding == AX_CODING_IDENTITY)
        return false;
    struct ax_coded_answer *coded = ax_arena_zalloc(arena, 1, sizeof(*coded));
    if (!coded || !copy_head(arena, answer, &coded->answer))
        return false;
    coded->coding = coding;
    ax_buf_init(&coded->plain, SIZE_MAX / 2);
    ax_buf_init(&coded->packed, SIZE_MAX / 2);
    if (!answer->body_buf && ax_buf_append_str(&coded->plain, body)) {
        ax_buf_done(&coded->plain);
        return false;
    }
    coded->coder = ax_coder_take_deflate(pool, coding);
    if (!coded->coder) {
        ax_buf_done(&coded->plain);
        return false;
    }
    if (answer->body_buf) {
        struct ax_buf *taken = answer->body_buf;
        coded->plain.ptr = taken->ptr;
        coded->plain.len = taken->len;
        coded->plain.cap = taken->cap;
        *taken = (struct ax_buf){ .max = taken->max };
    }
    exchange->coded = coded;
    return true;
}

/* The plain body leaves after all. */
static bool coded_give_up(struct ax_coded_answer *coded, struct ax_answer *ret_answer)
{
    *ret_answer = coded->answer;
    ret_answer->body_buf = &coded->plain;
    return true;
}

static bool coded_finish(struct ax_exchange *exchange, struct ax_answer *ret_answer)
{
    struct ax_coded_answer *coded = exchange->coded;
    const char *extra = coded->answer.extra_headers;
    size_t size = strlen(extra) + CODED_HEADERS_MAX;
    char *headers = ax_arena_alloc(&exchange->request.arena, size, 1);
    if (!headers || coded->packed.len >= coded->plain.len)
        return coded_give_up(coded, ret_answer);
    int len = snprintf(headers, size, "%sContent-Encoding: %s\r\nVary: Accept-Encoding\r\n", extra,
                       ax_coding_name(coded->coding));
    assert(len > 0 && (size_t)len < size);
    const struct ax_http_metrics *metrics = exchange->request.worker->metrics;
    ax_metric_add(metrics->compressed_answers, 1);
    ax_metric_add(metrics->deflated_bytes, coded->plain.len);
    *ret_answer = coded->answer;
    ret_answer->extra_headers = headers;
    ret_answer->body_buf = &coded->packed;
    return true;
}

bool ax_coded_answer_step(struct ax_exchange *exchange, struct ax_answer *ret_answer)
{
    assert(exchange && exchange->coded && ret_answer);
    struct ax_coded_answer *coded = exchange->coded;
    size_t slice = AX_MIN(coded->plain.len - coded->at, SLICE_BYTES);
    struct ax_str in = { coded->plain.ptr + coded->at, slice };
    coded->at += slice;
    bool is_last = coded->at == coded->plain.len;
    for (;;) {
        char *room = ax_buf_reserve(&coded->packed, ROOM_BYTES);
        if (!room)
            return coded_give_up(coded, ret_answer);
        size_t len;
        enum ax_coder_event event =
            ax_coder_run(coded->coder, &in, is_last, room, ROOM_BYTES, &len);
        ax_buf_added(&coded->packed, len);
        if (event == AX_CODER_END)
            return coded_finish(exchange, ret_answer);
        if (event == AX_CODER_MORE)
            return false;
        if (event != AX_CODER_FULL)
            return coded_give_up(coded, ret_answer);
    }
}

void ax_coded_answer_done(struct ax_coded_answer *coded, struct ax_coder_pool *pool)
{
    assert(pool);
    if (!coded)
        return;
    ax_coder_give_back(pool, coded->coder);
    ax_buf_done(&coded->plain);
    ax_buf_done(&coded->packed);
}
