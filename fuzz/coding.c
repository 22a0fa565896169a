/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz content codings: decompressing any bytes ends, makes the same of them in pieces as whole,
 * and stops at the limit that its caller sets; what was compressed comes back the same;
 * Accept-Encoding is understood or not, but read to its end.
 */
#include "net/coding.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_BYTES_MAX ((size_t)1 << 16)

static struct ax_budget budget = { .max = SIZE_MAX };
static struct ax_coder_pool pool = { .budget = &budget };

/* Run over `in`, `piece` bytes and `room` at a time; how it ended. */
static enum ax_coder_event run(struct ax_coder *coder, struct ax_str in, size_t piece, size_t room,
                               struct ax_buf *out)
{
    enum ax_coder_event event = AX_CODER_MORE;
    size_t at = 0;
    do {
        struct ax_str next = { in.ptr + at, AX_MIN(piece, in.len - at) };
        at += next.len;
        do {
            size_t len = 0;
            char *to = ax_buf_reserve(out, room);
            if (!to)
                return AX_CODER_FULL;
            event = ax_coder_run(coder, &next, at == in.len, to, room, &len);
            if (len > room || (event == AX_CODER_FULL && len != room))
                abort();
            ax_buf_added(out, len);
        } while (event == AX_CODER_FULL);
    } while (at < in.len && event == AX_CODER_MORE);
    if (event == AX_CODER_MEMORY)
        abort();
    return event;
}

static void check_inflate(enum ax_coding coding, struct ax_str in, size_t piece)
{
    struct ax_buf whole, cut;
    ax_buf_init(&whole, PLAIN_BYTES_MAX + 4096);
    ax_buf_init(&cut, PLAIN_BYTES_MAX + 4096);
    struct ax_coder *coder = ax_coder_take_inflate(&pool, coding);
    enum ax_coder_event a = run(coder, in, SIZE_MAX, 4096, &whole);
    ax_coder_give_back(&pool, coder);
    coder = ax_coder_take_inflate(&pool, coding);
    enum ax_coder_event b = run(coder, in, piece, piece, &cut);
    ax_coder_give_back(&pool, coder);
    /* Over the limit they stop at different places. */
    bool is_over = a == AX_CODER_FULL || b == AX_CODER_FULL;
    size_t same = AX_MIN(whole.len, cut.len);
    if ((!is_over && a != b) || (same && memcmp(whole.ptr, cut.ptr, same)))
        abort();
    if (!is_over && a != AX_CODER_FAILED && whole.len != cut.len)
        abort();
    ax_buf_done(&whole);
    ax_buf_done(&cut);
}

static void check_round_trip(enum ax_coding coding, struct ax_str in, size_t piece)
{
    struct ax_buf packed, plain;
    ax_buf_init(&packed, in.len + 65536);
    ax_buf_init(&plain, in.len + 8192);
    struct ax_coder *coder = ax_coder_take_deflate(&pool, coding);
    if (run(coder, in, piece, 1024, &packed) != AX_CODER_END)
        abort();
    ax_coder_give_back(&pool, coder);
    coder = ax_coder_take_inflate(&pool, coding);
    if (run(coder, ax_buf_str(&packed), piece, 4096, &plain) != AX_CODER_END)
        abort();
    ax_coder_give_back(&pool, coder);
    if (plain.len != in.len || (in.len && memcmp(plain.ptr, in.ptr, in.len)))
        abort();
    ax_buf_done(&packed);
    ax_buf_done(&plain);
}

/* The first byte chooses the coding and the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    struct ax_str in = { copy, size - 1 };
    enum ax_coding coding = data[0] & 1 ? AX_CODING_GZIP : AX_CODING_DEFLATE;
    size_t piece = 1u + data[0] / 2;
    check_inflate(coding, in, piece);
    check_round_trip(coding, in, piece);
    if (ax_coding_choose(in) >= AX_CODING_COUNT || budget.used)
        abort();
    free(copy);
    return 0;
}
