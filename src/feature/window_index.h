/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an event id is: from a hash of it to the time of its row, and to which of two logs it is
 * in.
 *
 * Two ids may have the same hash, so finding gives candidates: whoever asks looks into the row.
 */
#ifndef AX_FEATURE_WINDOW_INDEX_H
#define AX_FEATURE_WINDOW_INDEX_H

#include "base/compiler.h"
#include "feature/window_piece.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ax_window_index_entry {
    uint64_t hash; /* its lowest bit is `is_grave`; 0: free */
    int64_t time;
};

/* Entries that share a line of the cache, where a search begins. */
#define AX_WINDOW_INDEX_GROUP 4

struct ax_window_index {
    struct ax_window_heap *heap;           /* that entries are taken from; borrowed, or NULL */
    struct ax_window_index_entry *entries; /* beginning with a line */
    uint32_t count;
    uint32_t room; /* a power of two, or 0 */
};

/* What stands for `hash`, which may be any number, in entries. */
static inline uint64_t ax_window_index_hash(uint64_t hash, bool is_grave)
{
    return (hash | UINT64_C(1) << 63) - (hash & 1) + is_grave;
}

/* Where a search for it begins: the first place of a group. */
static inline size_t ax_window_index_home(const struct ax_window_index *index, uint64_t hash)
{
    return (hash >> 1) * AX_WINDOW_INDEX_GROUP & (index->room - 1);
}

/* Entries of a group, which are in front of what is free. (Sums, since how far a search goes is
 * nothing that branches could foresee.) */
static inline size_t ax_window_index_used(const struct ax_window_index_entry *group)
{
    return (size_t)(group[0].hash != 0) + (group[1].hash != 0) + (group[2].hash != 0) +
           (group[3].hash != 0);
}

void ax_window_index_done(struct ax_window_index *index);
/* No entries, the same room. */
void ax_window_index_clear(struct ax_window_index *index);

/* Room for one more; false: memory was refused. */
AX_MUST_USE bool ax_window_index_reserve(struct ax_window_index *index);
/* Give back room, if it is far too much. */
void ax_window_index_trim(struct ax_window_index *index);
/* What to prefetch before a hash is looked for; NULL: nothing. (A function that did no more than
 * that would have no effect, as gcc sees it, and might be left out.) */
static inline const void *ax_window_index_near(const struct ax_window_index *index, uint64_t hash)
{
    return index->room ? &index->entries[ax_window_index_home(index, hash)] : NULL;
}

/* Where an entry can be put in at once. NULL: there is no room for it, or one of the same hash may
 * be there. */
static inline struct ax_window_index_entry *ax_window_index_vacancy(
    const struct ax_window_index *index, uint64_t hash)
{
    if ((index->count + 1) * 2 > index->room)
        return NULL;
    uint64_t either = ax_window_index_hash(hash, true);
    size_t at = ax_window_index_home(index, either);
    struct ax_window_index_entry *group = &index->entries[at];
    size_t used = ax_window_index_used(group);
    bool may_be_there = ((group[0].hash | 1) == either) | ((group[1].hash | 1) == either) |
                        ((group[2].hash | 1) == either) | ((group[3].hash | 1) == either);
    if (may_be_there)
        return NULL;
    if (used < AX_WINDOW_INDEX_GROUP)
        return &group[used];
    do {
        at = (at + 1) & (index->room - 1);
    } while (index->entries[at].hash && (index->entries[at].hash | 1) != either);
    return index->entries[at].hash ? NULL : &index->entries[at];
}
static inline void ax_window_index_fill(struct ax_window_index *index,
                                        struct ax_window_index_entry *vacancy, uint64_t hash,
                                        bool is_grave, int64_t time)
{
    *vacancy = (struct ax_window_index_entry){ ax_window_index_hash(hash, is_grave), time };
    index->count++;
}

/* After ax_window_index_reserve. */
void ax_window_index_put(struct ax_window_index *index, uint64_t hash, bool is_grave, int64_t time);

/* The entries of `hash`, in either log: start with *at = SIZE_MAX; false: no more. */
bool ax_window_index_next(const struct ax_window_index *index, uint64_t hash, size_t *at,
                          struct ax_window_index_entry *ret_entry);

/* Take out an entry that is there. */
void ax_window_index_remove(struct ax_window_index *index, uint64_t hash, bool is_grave,
                            int64_t time);

#endif
