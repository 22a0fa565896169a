/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of ids: open addressing, linear from the beginning of a line of the cache on, at most
 * half full, so that most searches end in that line; removal moves back what stands behind, so
 * there are no marks of removed entries to clean up.
 */
#include "feature/window_index.h"

#include <assert.h>
#include <string.h>

enum { ROOM_FIRST = 16 };

void ax_window_index_done(struct ax_window_index *index)
{
    if (index->entries)
        ax_window_heap_give(index->heap, index->entries, index->room * sizeof *index->entries);
    *index = (struct ax_window_index){ .heap = index->heap };
}

void ax_window_index_clear(struct ax_window_index *index)
{
    if (index->count)
        memset(index->entries, 0, index->room * sizeof *index->entries);
    index->count = 0;
}

static void index_place(struct ax_window_index *index, struct ax_window_index_entry entry)
{
    size_t at = ax_window_index_home(index, entry.hash);
    while (index->entries[at].hash)
        at = (at + 1) & (index->room - 1);
    index->entries[at] = entry;
}

/* Also when there would be too many to count. */
static bool index_resize(struct ax_window_index *index, size_t room)
{
    if (room > UINT32_MAX)
        return false;
    struct ax_window_index other = { .heap = index->heap,
                                     .count = index->count,
                                     .room = (uint32_t)room };
    size_t bytes = room * sizeof *other.entries;
    other.entries = ax_window_heap_take(other.heap, bytes);
    if (!other.entries)
        return false;
    memset(other.entries, 0, bytes);
    for (size_t i = 0; i < index->room; i++) {
        if (index->entries[i].hash)
            index_place(&other, index->entries[i]);
    }
    ax_window_index_done(index);
    *index = other;
    return true;
}

bool ax_window_index_reserve(struct ax_window_index *index)
{
    return (index->count + 1) * 2 <= index->room ||
           index_resize(index, index->room ? (size_t)index->room * 2 : ROOM_FIRST);
}

void ax_window_index_trim(struct ax_window_index *index)
{
    if (!index->count)
        ax_window_index_done(index);
    size_t room = index->room;
    while (room > ROOM_FIRST && (size_t)index->count * 16 <= room)
        room /= 2;
    if (room < index->room)
        (void)index_resize(index, room);
}

void ax_window_index_put(struct ax_window_index *index, uint64_t hash, bool is_grave, int64_t time)
{
    assert((index->count + 1) * 2 <= index->room);
    index_place(index,
                (struct ax_window_index_entry){ ax_window_index_hash(hash, is_grave), time });
    index->count++;
}

bool ax_window_index_next(const struct ax_window_index *index, uint64_t hash, size_t *at,
                          struct ax_window_index_entry *ret_entry)
{
    if (!index->count)
        return false;
    uint64_t either = ax_window_index_hash(hash, true);
    size_t slot =
        *at == SIZE_MAX ? ax_window_index_home(index, either) : (*at + 1) & (index->room - 1);
    while (index->entries[slot].hash && (index->entries[slot].hash | 1) != either)
        slot = (slot + 1) & (index->room - 1);
    *at = slot;
    *ret_entry = index->entries[slot];
    return index->entries[slot].hash != 0;
}

/* Of a group that is not full, and was searched by nobody who went on to the next one. The last of
 * them takes the place, whichever it is. False: it is none of them. */
static bool group_remove(struct ax_window_index_entry *group, uint64_t hash, int64_t time)
{
    size_t last = ax_window_index_used(group), at = 0;
    for (size_t i = 1; i < AX_WINDOW_INDEX_GROUP; i++)
        at = group[i].hash == hash && group[i].time == time ? i : at;
    if (!last || group[at].hash != hash || group[at].time != time)
        return false;
    group[at] = group[last - 1];
    group[last - 1] = (struct ax_window_index_entry){ 0 };
    return true;
}

void ax_window_index_remove(struct ax_window_index *index, uint64_t hash, bool is_grave,
                            int64_t time)
{
    assert(index->count);
    uint64_t wanted = ax_window_index_hash(hash, is_grave);
    size_t mask = index->room - 1;
    size_t at = ax_window_index_home(index, wanted);
    struct ax_window_index_entry *group = &index->entries[at];
    index->count--;
    if (!group[AX_WINDOW_INDEX_GROUP - 1].hash && group_remove(group, wanted, time))
        return;
    while (index->entries[at].hash != wanted || index->entries[at].time != time) {
        assert(index->entries[at].hash);
        at = (at + 1) & mask;
    }
    for (size_t next = (at + 1) & mask; index->entries[next].hash; next = (next + 1) & mask) {
        /* What may not stand before its home stays. */
        size_t home = ax_window_index_home(index, index->entries[next].hash);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            index->entries[at] = index->entries[next];
            at = next;
        }
    }
    index->entries[at] = (struct ax_window_index_entry){ 0 };
}
