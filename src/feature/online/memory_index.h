/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the rows of an entity are: a hash table that one thread changes while others look.
 *
 * 1,024 segments by the top bits of a 64-bit hash, each an open-addressing array of 8-byte slots
 * that doubles on its own, so that no pause is long. A slot has 20 bits of the hash and a row's
 * address. Readers are inside the epoch, and never wait; the writer retires what it replaces.
 */
#ifndef AX_FEATURE_ONLINE_MEMORY_INDEX_H
#define AX_FEATURE_ONLINE_MEMORY_INDEX_H

#include "feature/online/memory_retired.h"
#include "feature/online/online_row.h"

#define AX_MEMORY_SEGMENTS 1024

struct ax_memory_segment {
    _Atomic uintptr_t
        slots;     /* address of the array, and the binary logarithm of its length; 0: none */
    uint32_t live; /* the writer's: slots with a row, */
    uint32_t used; /* and slots that are not free */
};

struct ax_memory_index {
    uint64_t seed; /* of the hash */
    struct ax_memory_segment segments[AX_MEMORY_SEGMENTS];
};

/* A search: where it stands. */
struct ax_memory_probe {
    uintptr_t slots;
    uint32_t tag;
    uint32_t at;
    uint16_t segment;
};

void ax_memory_index_init(struct ax_memory_index *index);

/* Begin to look for a key, and have the slots come near. */
void ax_memory_index_begin(const struct ax_memory_index *index, struct ax_str key,
                           struct ax_memory_probe *probe);
/* The first row that has the key's bits of the hash, or NULL; its key may be another one. */
const struct ax_online_row *ax_memory_index_peek(struct ax_memory_probe *probe);
/* The row of that key, which the search was begun for, or NULL. */
const struct ax_online_row *ax_memory_index_find(struct ax_memory_probe *probe, struct ax_str key);

/* The writer: have room for one more row where a search was for. False: no memory, or the segment
 * has 786,432 rows already. */
AX_MUST_USE bool ax_memory_index_reserve(struct ax_memory_index *index,
                                         const struct ax_memory_probe *probe,
                                         struct ax_memory_retired *retired);
/* Put a row in the place of `old`, which is there and the caller retires, or (NULL) where there is
 * room for it. `row` NULL: take `old` out. The search was for its key. */
void ax_memory_index_put(struct ax_memory_index *index, const struct ax_memory_probe *probe,
                         const struct ax_online_row *old, const struct ax_online_row *row);

/* Slots of a segment at the moment, and the row in one of them, or NULL. */
size_t ax_memory_segment_slots(uintptr_t slots);
const struct ax_online_row *ax_memory_segment_row(uintptr_t slots, size_t at);

#endif
