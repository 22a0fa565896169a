/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of bytes from one thread to another: pieces of any size, in their order, without a lock
 * or an allocation on either side. What does not fit is refused.
 */
#ifndef AX_SERVER_SERVED_RING_H
#define AX_SERVER_SERVED_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define AX_SERVED_RING_BYTES ((size_t)1 << 20)

struct ax_served_ring {
    char *bytes;
    _Atomic uint64_t written, read; /* positions, which only grow */
    uint64_t ahead;                 /* of the writer: where the piece in hand begins */
};

void ax_served_ring_init(struct ax_served_ring *ring);
void ax_served_ring_done(struct ax_served_ring *ring);

/* The writer: room for `bytes`, a multiple of 8, aligned to 8; NULL: there is none. It is the
 * reader's with the commit; another room instead drops it. */
void *ax_served_ring_room(struct ax_served_ring *ring, size_t bytes);
void ax_served_ring_commit(struct ax_served_ring *ring, size_t bytes);

/* The reader: the next piece, or NULL; its room is given back by the drop. */
void *ax_served_ring_next(struct ax_served_ring *ring, size_t *ret_bytes);
void ax_served_ring_drop(struct ax_served_ring *ring);

#endif
