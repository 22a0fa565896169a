/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content codings: gzip and deflate (the zlib format), both ways; the only place that knows zlib.
 *
 * A coder is one stream that is being compressed or decompressed, driven with input and room for
 * output of any size. Coders come from a pool of their thread, since making one costs more than a
 * small body; each is charged to the thread's budget while it is in use. Not thread-safe.
 */
#ifndef AX_NET_CODING_H
#define AX_NET_CODING_H

#include "base/arena.h"
#include "base/buf.h"

enum ax_coding { AX_CODING_IDENTITY, AX_CODING_GZIP, AX_CODING_DEFLATE, AX_CODING_COUNT };

/* As headers name it. */
const char *ax_coding_name(enum ax_coding coding) AX_RETURNS_NONNULL;

/* The value of Content-Encoding; false when it is none of ours. */
AX_MUST_USE bool ax_coding_parse(struct ax_str value, enum ax_coding *ret_coding);

/* What to answer in, by the value of Accept-Encoding: gzip before deflate when the client likes
 * both as much; IDENTITY when it likes that more, takes none of ours, or cannot be understood. */
enum ax_coding ax_coding_choose(struct ax_str accepted);

enum ax_coder_kind { AX_CODER_INFLATE, AX_CODER_GZIP, AX_CODER_DEFLATE, AX_CODER_KIND_COUNT };

/* What a coder in use is charged: zlib's memory, and input that waits. */
#define AX_CODER_INFLATE_BYTES ((size_t)112 << 10)
#define AX_CODER_DEFLATE_BYTES ((size_t)272 << 10)

struct ax_coder;

struct ax_coder_pool {
    struct ax_budget *budget; /* borrowed */
    struct ax_coder *free[AX_CODER_KIND_COUNT];
    size_t free_count[AX_CODER_KIND_COUNT];
    size_t deflating; /* in use */
};

void ax_coder_pool_init(struct ax_coder_pool *pool, struct ax_budget *budget);
/* All coders have been given back. */
void ax_coder_pool_done(struct ax_coder_pool *pool);

/* A coder that decompresses, or compresses, this coding (not IDENTITY). NULL without memory or
 * budget, or when enough answers are being compressed. */
struct ax_coder *ax_coder_take_inflate(struct ax_coder_pool *pool, enum ax_coding coding);
struct ax_coder *ax_coder_take_deflate(struct ax_coder_pool *pool, enum ax_coding coding);
/* NULL is fine. */
void ax_coder_give_back(struct ax_coder_pool *pool, struct ax_coder *coder);

enum ax_coder_event {
    AX_CODER_MORE,   /* all input was used, and more is needed */
    AX_CODER_FULL,   /* the room is used up */
    AX_CODER_END,    /* the stream is complete */
    AX_CODER_FAILED, /* the input is no such stream (never when compressing) */
    AX_CODER_MEMORY, /* memory was refused */
};

/* Go on: use from the front of *in, which is moved, and write at most `room` bytes to `out`.
 * `is_last`: nothing comes behind *in (compressing; ignored otherwise). */
enum ax_coder_event ax_coder_run(struct ax_coder *coder, struct ax_str *in, bool is_last, char *out,
                                 size_t room, size_t *ret_len);

/* The input of a coder that waits for its turn; emptied when the coder is given back. */
struct ax_buf *ax_coder_input(struct ax_coder *coder);

#endif
