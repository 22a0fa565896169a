/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait to leave: a queue of parts, so that small answers gather in one buffer and a
 * large body is moved in without a copy.
 *
 * Parts come from a pool of their thread, so a connection without output holds no memory for it.
 * Not thread-safe. An output must be cleared before it is forgotten.
 */
#ifndef AX_NET_OUTPUT_H
#define AX_NET_OUTPUT_H

#include "base/buf.h"

#include <sys/uio.h>

/* A body up to this size is copied, a larger one becomes a part of its own. */
#define AX_OUTPUT_COPIED_MAX ((size_t)16 << 10)

struct ax_output_part {
    struct ax_output_part *next;
    struct ax_buf buf;
    size_t sent; /* first bytes that have left */
};

struct ax_output_pool {
    struct ax_output_part *free;
    size_t count;
};

struct ax_output {
    struct ax_output_part *first, *last;
    size_t len; /* bytes that have not left */
};

void ax_output_pool_done(struct ax_output_pool *pool);

/* Room for `len` bytes at the end (written at once, then ax_output_added), or NULL without memory.
 */
char *ax_output_reserve(struct ax_output *output, struct ax_output_pool *pool, size_t len);
void ax_output_added(struct ax_output *output, size_t len);

/* Copy to the end; false without memory. */
AX_MUST_USE bool ax_output_append(struct ax_output *output, struct ax_output_pool *pool,
                                  struct ax_str bytes);

/* Take the contents of `buf`, which is empty afterwards; false without memory. */
AX_MUST_USE bool ax_output_take(struct ax_output *output, struct ax_output_pool *pool,
                                struct ax_buf *buf);

/* Everything of `from` goes behind `to`; false without memory (then `from` is as it was). */
AX_MUST_USE bool ax_output_move(struct ax_output *to, struct ax_output *from,
                                struct ax_output_pool *pool);

/* Fill at most `max` entries with what comes first, at most `bytes_max` bytes; how many were
 * filled.
 */
size_t ax_output_gather(const struct ax_output *output, struct iovec *iov, size_t max,
                        size_t bytes_max);

/* The first `len` bytes have left. */
void ax_output_consume(struct ax_output *output, struct ax_output_pool *pool, size_t len);

void ax_output_clear(struct ax_output *output, struct ax_output_pool *pool);

#endif
