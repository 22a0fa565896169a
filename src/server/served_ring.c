/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece is its length and its bytes. One that does not fit up to the end of the ring begins at
 * its begin, and what is left there is a piece without a length.
 */
#include "server/served_ring.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define HEAD_BYTES sizeof(uint64_t)

static uint64_t *head_at(const struct ax_served_ring *ring, uint64_t position)
{
    return (uint64_t *)(void *)(ring->bytes + position % AX_SERVED_RING_BYTES);
}

void ax_served_ring_init(struct ax_served_ring *ring)
{
    *ring = (struct ax_served_ring){ .bytes = ax_xalloc(AX_SERVED_RING_BYTES) };
}

void ax_served_ring_done(struct ax_served_ring *ring)
{
    free(ring->bytes);
}

void *ax_served_ring_room(struct ax_served_ring *ring, size_t bytes)
{
    assert(ring && bytes && bytes % 8 == 0);
    uint64_t begin = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    size_t whole = HEAD_BYTES + bytes;
    size_t to_end = AX_SERVED_RING_BYTES - begin % AX_SERVED_RING_BYTES;
    size_t skipped = whole > to_end ? to_end : 0;
    if (whole > AX_SERVED_RING_BYTES / 2 || begin + skipped + whole - read > AX_SERVED_RING_BYTES)
        return NULL;
    if (skipped)
        *head_at(ring, begin) = 0;
    ring->ahead = begin + skipped;
    return head_at(ring, ring->ahead) + 1;
}

void ax_served_ring_commit(struct ax_served_ring *ring, size_t bytes)
{
    assert(ring && bytes);
    *head_at(ring, ring->ahead) = bytes;
    atomic_store_explicit(&ring->written, ring->ahead + HEAD_BYTES + bytes, memory_order_release);
}

void *ax_served_ring_next(struct ax_served_ring *ring, size_t *ret_bytes)
{
    assert(ring && ret_bytes);
    uint64_t at = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (at == atomic_load_explicit(&ring->written, memory_order_acquire))
        return NULL;
    if (!*head_at(ring, at)) {
        at += AX_SERVED_RING_BYTES - at % AX_SERVED_RING_BYTES;
        atomic_store_explicit(&ring->read, at, memory_order_release);
    }
    *ret_bytes = (size_t)*head_at(ring, at);
    return head_at(ring, at) + 1;
}

void ax_served_ring_drop(struct ax_served_ring *ring)
{
    assert(ring);
    uint64_t at = atomic_load_explicit(&ring->read, memory_order_relaxed);
    atomic_store_explicit(&ring->read, at + HEAD_BYTES + *head_at(ring, at), memory_order_release);
}
