/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zlib, and the two headers that name codings.
 *
 * Compression is at zlib's level 1: on a prediction's answer the higher ones gain a few per cent
 * and cost several times as much, on the thread that serves everybody. Memory comes through
 * ax_try_alloc, by zlib's hooks. Concatenated gzip members are not joined: what lies behind the
 * first is left over, and the caller refuses it.
 */
#include "net/coding.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define FREE_MAX         ((size_t)8)  /* of each kind */
#define DEFLATING_MAX    ((size_t)64) /* at one time; further answers go as they are */
#define INPUT_BYTES_MAX  ((size_t)128 << 10)
#define INPUT_BYTES_KEPT ((size_t)16 << 10)
#define DEFLATE_LEVEL    1
#define WINDOW_BITS      15
#define WINDOW_BITS_GZIP (WINDOW_BITS + 16) /* zlib's way to ask for gzip's head and tail */
#define DEFLATE_MEMORY   8
#define WEIGHT_ONE       1000 /* q=1 */

struct ax_coder {
    z_stream stream;
    enum ax_coder_kind kind;
    struct ax_coder *next; /* in the pool */
    struct ax_buf input;
};

static const struct {
    enum ax_coding coding;
    const char *name;
} names[] = {
    { AX_CODING_IDENTITY, "identity" },
    { AX_CODING_GZIP, "gzip" },
    { AX_CODING_DEFLATE, "deflate" },
    { AX_CODING_GZIP, "x-gzip" }, /* RFC 9110 wants it known */
};

const char *ax_coding_name(enum ax_coding coding)
{
    assert(coding < AX_CODING_COUNT && names[coding].coding == coding);
    return names[coding].name;
}

bool ax_coding_parse(struct ax_str value, enum ax_coding *ret_coding)
{
    assert((value.ptr || !value.len) && ret_coding);
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        if (ax_str_equals_nocase(value, ax_str_from(names[i].name))) {
            *ret_coding = names[i].coding;
            return true;
        }
    }
    return false;
}

/* Cut `text` at the first `mark`: what is before it is returned, *text becomes what is behind. */
static struct ax_str take_until(struct ax_str *text, char mark)
{
    const char *at = text->len ? memchr(text->ptr, mark, text->len) : NULL;
    struct ax_str before = { text->ptr, at ? (size_t)(at - text->ptr) : text->len };
    size_t gone = at ? before.len + 1 : text->len;
    *text = (struct ax_str){ text->ptr + gone, text->len - gone };
    return ax_str_trim(before);
}

/* A weight in thousandths: "1", "0.5", "0.123"; -1 when it is none. */
static int weight_parse(struct ax_str text)
{
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.'))
        return -1;
    int weight = (text.ptr[0] - '0') * WEIGHT_ONE;
    int unit = WEIGHT_ONE / 10;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        weight += (text.ptr[i] - '0') * unit;
    }
    return weight <= WEIGHT_ONE ? weight : -1;
}

/* The weight that the parameters of an element give; 1 without one, -1 when it is malformed. */
static int weight_find(struct ax_str parameters)
{
    int weight = WEIGHT_ONE;
    while (parameters.len) {
        struct ax_str value = take_until(&parameters, ';');
        struct ax_str name = take_until(&value, '=');
        if (ax_str_equals_nocase(name, AX_STR("q")))
            weight = weight_parse(ax_str_trim(value));
    }
    return weight;
}

enum ax_coding ax_coding_choose(struct ax_str accepted)
{
    assert(accepted.ptr || !accepted.len);
    enum { UNSAID = -1 };
    int weights[AX_CODING_COUNT] = { UNSAID, UNSAID, UNSAID };
    int others = UNSAID;
    while (accepted.len) {
        struct ax_str parameters = take_until(&accepted, ',');
        struct ax_str name = take_until(&parameters, ';');
        int weight = weight_find(parameters);
        enum ax_coding coding;
        if (weight < 0)
            return AX_CODING_IDENTITY;
        if (ax_str_is(name, "*"))
            others = weight;
        else if (ax_coding_parse(name, &coding))
            weights[coding] = AX_MAX(weights[coding], weight);
    }
    for (enum ax_coding i = AX_CODING_GZIP; i < AX_CODING_COUNT; i++)
        if (weights[i] == UNSAID)
            weights[i] = others;
    enum ax_coding best =
        weights[AX_CODING_DEFLATE] > weights[AX_CODING_GZIP] ? AX_CODING_DEFLATE : AX_CODING_GZIP;
    /* An identity that nobody spoke of is what is left when nothing else is liked. */
    return weights[best] > 0 && weights[best] >= weights[AX_CODING_IDENTITY] ? best
                                                                             : AX_CODING_IDENTITY;
}

static voidpf coder_alloc(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return ax_try_alloc(count, size);
}

static void coder_release(voidpf opaque, voidpf ptr)
{
    (void)opaque;
    free(ptr);
}

static size_t coder_cost(enum ax_coder_kind kind)
{
    return kind == AX_CODER_INFLATE ? AX_CODER_INFLATE_BYTES : AX_CODER_DEFLATE_BYTES;
}

static void coder_free(struct ax_coder *coder)
{
    if (coder->kind == AX_CODER_INFLATE)
        (void)inflateEnd(&coder->stream);
    else
        (void)deflateEnd(&coder->stream);
    ax_buf_done(&coder->input);
    free(coder);
}

void ax_coder_pool_init(struct ax_coder_pool *pool, struct ax_budget *budget)
{
    assert(pool && budget);
    *pool = (struct ax_coder_pool){ .budget = budget };
}

void ax_coder_pool_done(struct ax_coder_pool *pool)
{
    assert(pool && !pool->deflating);
    for (size_t i = 0; i < AX_CODER_KIND_COUNT; i++) {
        while (pool->free[i]) {
            struct ax_coder *coder = pool->free[i];
            pool->free[i] = coder->next;
            coder_free(coder);
        }
    }
    *pool = (struct ax_coder_pool){ .budget = pool->budget };
}

static struct ax_coder *coder_new(enum ax_coder_kind kind)
{
    struct ax_coder *coder = ax_try_alloc(1, sizeof(*coder));
    if (!coder)
        return NULL;
    *coder = (struct ax_coder){ .kind = kind,
                                .stream = { .zalloc = coder_alloc, .zfree = coder_release } };
    ax_buf_init(&coder->input, INPUT_BYTES_MAX);
    int bits = kind == AX_CODER_DEFLATE ? WINDOW_BITS : WINDOW_BITS_GZIP;
    int result = kind == AX_CODER_INFLATE ? inflateInit2(&coder->stream, bits)
                                          : deflateInit2(&coder->stream, DEFLATE_LEVEL, Z_DEFLATED,
                                                         bits, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY);
    if (result == Z_OK)
        return coder;
    free(coder);
    return NULL;
}

static struct ax_coder *pool_take(struct ax_coder_pool *pool, enum ax_coder_kind kind)
{
    if (!ax_budget_take(pool->budget, coder_cost(kind)))
        return NULL;
    struct ax_coder *coder = pool->free[kind];
    if (coder) {
        pool->free[kind] = coder->next;
        pool->free_count[kind]--;
    } else {
        coder = coder_new(kind);
    }
    if (!coder)
        ax_budget_give(pool->budget, coder_cost(kind));
    return coder;
}

struct ax_coder *ax_coder_take_inflate(struct ax_coder_pool *pool, enum ax_coding coding)
{
    assert(pool && (coding == AX_CODING_GZIP || coding == AX_CODING_DEFLATE));
    struct ax_coder *coder = pool_take(pool, AX_CODER_INFLATE);
    if (coder) {
        int result = inflateReset2(&coder->stream,
                                   coding == AX_CODING_GZIP ? WINDOW_BITS_GZIP : WINDOW_BITS);
        assert(result == Z_OK);
    }
    return coder;
}

struct ax_coder *ax_coder_take_deflate(struct ax_coder_pool *pool, enum ax_coding coding)
{
    assert(pool && (coding == AX_CODING_GZIP || coding == AX_CODING_DEFLATE));
    if (pool->deflating == DEFLATING_MAX)
        return NULL;
    struct ax_coder *coder =
        pool_take(pool, coding == AX_CODING_GZIP ? AX_CODER_GZIP : AX_CODER_DEFLATE);
    if (coder) {
        int result = deflateReset(&coder->stream);
        assert(result == Z_OK);
        pool->deflating++;
    }
    return coder;
}

void ax_coder_give_back(struct ax_coder_pool *pool, struct ax_coder *coder)
{
    assert(pool);
    if (!coder)
        return;
    enum ax_coder_kind kind = coder->kind;
    assert(pool->budget->used >= coder_cost(kind));
    ax_budget_give(pool->budget, coder_cost(kind));
    pool->deflating -= kind != AX_CODER_INFLATE;
    if (pool->free_count[kind] >= FREE_MAX) {
        coder_free(coder);
        return;
    }
    ax_buf_clear(&coder->input, INPUT_BYTES_KEPT);
    coder->next = pool->free[kind];
    pool->free[kind] = coder;
    pool->free_count[kind]++;
}

static enum ax_coder_event event_of(int result, const z_stream *stream)
{
    switch (result) {
    case Z_STREAM_END:
        return AX_CODER_END;
    case Z_OK:
    case Z_BUF_ERROR: /* nothing could be done: no input, or no room */
        return stream->avail_out == 0 ? AX_CODER_FULL : AX_CODER_MORE;
    case Z_MEM_ERROR:
        return AX_CODER_MEMORY;
    default: /* Z_DATA_ERROR, and Z_NEED_DICT, which no HTTP body may need */
        return AX_CODER_FAILED;
    }
}

enum ax_coder_event ax_coder_run(struct ax_coder *coder, struct ax_str *in, bool is_last, char *out,
                                 size_t room, size_t *ret_len)
{
    assert(coder && in && (in->ptr || !in->len) && out && room && ret_len);
    assert(in->len <= UINT32_MAX && room <= UINT32_MAX);
    z_stream *stream = &coder->stream;
    static Bytef nothing; /* zlib wants an address for no bytes, too */
    stream->next_in = in->len ? (Bytef *)(uintptr_t)in->ptr : &nothing;
    stream->avail_in = (uInt)in->len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    int result = coder->kind == AX_CODER_INFLATE ? inflate(stream, Z_NO_FLUSH)
                                                 : deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
    size_t used = in->len - stream->avail_in;
    *in = (struct ax_str){ in->ptr + used, in->len - used };
    *ret_len = room - stream->avail_out;
    return event_of(result, stream);
}

struct ax_buf *ax_coder_input(struct ax_coder *coder)
{
    assert(coder);
    return &coder->input;
}
