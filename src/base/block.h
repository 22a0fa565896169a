/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: memory whose size comes from outside and may become large (bodies, answers, arenas).
 *
 * Below AX_BLOCK_MAPPED_MIN a block is malloc's. From there on it is a mapping of its own, so that
 * growing it moves page tables and copies no byte, whatever its size. Giving it back takes time in
 * proportion to its size all the same; a thread that has to go on soon (an I/O thread in a round)
 * names a waste, and what it frees is put there and given back a part at a time.
 *
 * A waste belongs to one thread at a time. What waits in it is charged to no budget, but never the
 * reason for a refusal: before a mapping is refused, all of it is given back.
 */
#ifndef AX_BASE_BLOCK_H
#define AX_BASE_BLOCK_H

#include "base/compiler.h"

#include <stddef.h>

#define AX_BLOCK_MAPPED_MIN ((size_t)1 << 20)

/* Given back by one call of ax_block_waste_release: this, or a 64th of what waits if that is more.
 * So a call is short, and what waits cannot pile up. */
#define AX_BLOCK_RELEASED_MIN ((size_t)1 << 20)

struct ax_block_waste {
    struct ax_block_wasted *first, *last; /* in the order in which they were freed */
    size_t bytes;                         /* of them */
};

/* A block of `size` bytes, not zeroed but for what a mapping has, aligned for any type. It begins
 * with the first `len` bytes of `ptr`, a block of `old_size` bytes (NULL: none), which is gone
 * then. NULL when refused; then `ptr` is as it was. */
void *ax_block_grow(void *ptr, size_t old_size, size_t len, size_t size) AX_MUST_USE;

/* `size` is the one it was made with. NULL is fine. */
void ax_block_free(void *ptr, size_t size);

/* From now on mapped blocks that this thread frees wait in `waste`; NULL: they do not wait. */
void ax_block_waste_enter(struct ax_block_waste *waste);

/* Give back a part of what waits, the oldest first. */
void ax_block_waste_release(struct ax_block_waste *waste);

/* Give back everything. */
void ax_block_waste_done(struct ax_block_waste *waste);

#endif
