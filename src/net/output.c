/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of parts. The last part takes small appends until it holds PART_BYTES; what was moved in
 * (ax_output_take) is never appended to, since its owner chose its size.
 */
#include "net/output.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define PART_BYTES ((size_t)64 << 10)
#define PARTS_KEPT ((size_t)64)

void ax_output_pool_done(struct ax_output_pool *pool)
{
    if (!pool)
        return;
    while (pool->free) {
        struct ax_output_part *part = pool->free;
        pool->free = part->next;
        ax_buf_done(&part->buf);
        free(part);
    }
    pool->count = 0;
}

static struct ax_output_part *output_push(struct ax_output *output, struct ax_output_pool *pool)
{
    struct ax_output_part *part = pool->free;
    if (part) {
        pool->free = part->next;
        pool->count--;
    } else {
        part = ax_xalloc(sizeof(*part));
        ax_buf_init(&part->buf, SIZE_MAX / 2);
    }
    part->next = NULL;
    part->sent = 0;
    *(output->last ? &output->last->next : &output->first) = part;
    output->last = part;
    return part;
}

static void output_pop(struct ax_output *output, struct ax_output_pool *pool)
{
    struct ax_output_part *part = output->first;
    output->first = part->next;
    if (!output->first)
        output->last = NULL;
    if (pool->count >= PARTS_KEPT) {
        ax_buf_done(&part->buf);
        free(part);
        return;
    }
    ax_buf_clear(&part->buf, PART_BYTES);
    part->next = pool->free;
    pool->free = part;
    pool->count++;
}

char *ax_output_reserve(struct ax_output *output, struct ax_output_pool *pool, size_t len)
{
    assert(output && pool);
    struct ax_output_part *part = output->last;
    if (!part || part->buf.len + len > PART_BYTES)
        part = output_push(output, pool);
    return ax_buf_reserve(&part->buf, len);
}

void ax_output_added(struct ax_output *output, size_t len)
{
    assert(output && output->last);
    ax_buf_added(&output->last->buf, len);
    output->len += len;
}

bool ax_output_append(struct ax_output *output, struct ax_output_pool *pool, struct ax_str bytes)
{
    assert(output && (bytes.ptr || !bytes.len));
    if (!bytes.len)
        return true;
    char *at = ax_output_reserve(output, pool, bytes.len);
    if (!at)
        return false;
    memcpy(at, bytes.ptr, bytes.len);
    ax_output_added(output, bytes.len);
    return true;
}

bool ax_output_take(struct ax_output *output, struct ax_output_pool *pool, struct ax_buf *buf)
{
    assert(output && pool && buf);
    if (buf->len <= AX_OUTPUT_COPIED_MAX) {
        if (!ax_output_append(output, pool, ax_buf_str(buf)))
            return false;
        ax_buf_reset(buf);
        return true;
    }
    struct ax_output_part *part = output_push(output, pool);
    ax_buf_done(&part->buf);
    part->buf.ptr = buf->ptr;
    part->buf.len = buf->len;
    part->buf.cap = buf->cap;
    output->len += buf->len;
    *buf = (struct ax_buf){ .max = buf->max };
    return true;
}

bool ax_output_move(struct ax_output *to, struct ax_output *from, struct ax_output_pool *pool)
{
    assert(to && from && pool);
    if (!from->first)
        return true;
    /* Join small outputs, so that many of them still leave in few parts. */
    if (from->first == from->last && from->len <= AX_OUTPUT_COPIED_MAX && to->last) {
        struct ax_str bytes = { from->first->buf.ptr + from->first->sent, from->len };
        if (!ax_output_append(to, pool, bytes))
            return false;
        ax_output_clear(from, pool);
        return true;
    }
    *(to->last ? &to->last->next : &to->first) = from->first;
    to->last = from->last;
    to->len += from->len;
    *from = (struct ax_output){ 0 };
    return true;
}

size_t ax_output_gather(const struct ax_output *output, struct iovec *iov, size_t max,
                        size_t bytes_max)
{
    assert(output && iov);
    size_t count = 0;
    struct ax_output_part *part = output->first;
    for (; part && count < max && bytes_max; part = part->next) {
        size_t len = AX_MIN(part->buf.len - part->sent, bytes_max);
        if (len)
            iov[count++] = (struct iovec){ part->buf.ptr + part->sent, len };
        bytes_max -= len;
    }
    return count;
}

void ax_output_consume(struct ax_output *output, struct ax_output_pool *pool, size_t len)
{
    assert(output && pool && len <= output->len);
    output->len -= len;
    while (output->first) {
        struct ax_output_part *part = output->first;
        size_t left = part->buf.len - part->sent;
        if (len < left) {
            part->sent += len;
            return;
        }
        len -= left;
        output_pop(output, pool);
    }
    assert(!len);
}

void ax_output_clear(struct ax_output *output, struct ax_output_pool *pool)
{
    assert(output && pool);
    while (output->first)
        output_pop(output, pool);
    output->len = 0;
}
