/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots, linear probing, and how a segment grows under its readers.
 *
 * A slot is (address / 16) | tag << 44: addresses have 48 bits and are multiples of 16. The tag is
 * the low 20 bits of the hash, and its own low bits are where the search begins. So a segment grows
 * without a look at any row, up to 2^20 slots; and of slots on the way of a search only those that
 * began at the same place may have the same tag and another key.
 *
 * A row is published by a store that releases, and found by loads that acquire. A new array is
 * filled before it is published; a reader that has the old one finds there what was true when it
 * began. A removed row leaves a mark, so that searches go on behind it; the next row
 * takes its place, or it goes when the segment is made anew. Not done: moving rows back over a
 * removed one, which a reader could miss on their way.
 */
#include "feature/online/memory_index.h"

#include "base/clock.h"
#include "base/hash.h"

#include <assert.h>
#include <sys/random.h>

#define ADDRESS_BITS  44
#define ADDRESS_UNIT  16
#define TAG_MASK      (((uint32_t)1 << 20) - 1)
#define SEGMENT_SHIFT 54
#define LOG_MASK      ((uintptr_t)63)
#define LOG_MIN       3
#define LOG_MAX       20
#define REMOVED       ((uint64_t)1) /* no row's address */

typedef _Atomic uint64_t slot;

void ax_memory_index_init(struct ax_memory_index *index)
{
    assert(index);
    if (getrandom(&index->seed, sizeof(index->seed), 0) != (ssize_t)sizeof(index->seed))
        index->seed = ax_clock_ns() ^ (uint64_t)(uintptr_t)index;
    for (size_t i = 0; i < AX_MEMORY_SEGMENTS; i++) {
        atomic_init(&index->segments[i].slots, 0);
        index->segments[i].live = 0;
        index->segments[i].used = 0;
    }
}

static slot *slots_of(uintptr_t slots)
{
    return (slot *)(slots & ~LOG_MASK);
}

size_t ax_memory_segment_slots(uintptr_t slots)
{
    return slots ? (size_t)1 << (slots & LOG_MASK) : 0;
}

static const struct ax_online_row *row_of(uint64_t word)
{
    uintptr_t address = (uintptr_t)(word & (((uint64_t)1 << ADDRESS_BITS) - 1)) * ADDRESS_UNIT;
    return (const struct ax_online_row *)address;
}

static uint64_t word_of(const struct ax_online_row *row, uint32_t tag)
{
    uint64_t address = (uint64_t)(uintptr_t)row / ADDRESS_UNIT;
    assert((uintptr_t)row % ADDRESS_UNIT == 0 && !(address >> ADDRESS_BITS));
    return address | (uint64_t)tag << ADDRESS_BITS;
}

const struct ax_online_row *ax_memory_segment_row(uintptr_t slots, size_t at)
{
    assert(at < ax_memory_segment_slots(slots));
    uint64_t word = atomic_load_explicit(&slots_of(slots)[at], memory_order_acquire);
    return word && word != REMOVED ? row_of(word) : NULL;
}

void ax_memory_index_begin(const struct ax_memory_index *index, struct ax_str key,
                           struct ax_memory_probe *probe)
{
    assert(index && key.ptr && probe);
    uint64_t hash = ax_hash_seeded(key, index->seed);
    uint16_t segment = (uint16_t)(hash >> SEGMENT_SHIFT);
    uintptr_t slots = atomic_load_explicit(&index->segments[segment].slots, memory_order_acquire);
    uint32_t tag = (uint32_t)hash & TAG_MASK;
    uint32_t mask = (uint32_t)ax_memory_segment_slots(slots) - 1;
    *probe = (struct ax_memory_probe){ slots, tag, slots ? tag & mask : 0, segment };
    if (slots) /* an empty segment has none */
        __builtin_prefetch((const void *)&slots_of(slots)[probe->at]);
}

const struct ax_online_row *ax_memory_index_peek(struct ax_memory_probe *probe)
{
    uint32_t mask = (uint32_t)ax_memory_segment_slots(probe->slots) - 1;
    for (; probe->slots; probe->at = (probe->at + 1) & mask) {
        uint64_t word =
            atomic_load_explicit(&slots_of(probe->slots)[probe->at], memory_order_acquire);
        if (!word)
            return NULL;
        if (word >> ADDRESS_BITS == probe->tag && word != REMOVED)
            return row_of(word);
    }
    return NULL;
}

const struct ax_online_row *ax_memory_index_find(struct ax_memory_probe *probe, struct ax_str key)
{
    for (;;) {
        const struct ax_online_row *row = ax_memory_index_peek(probe);
        if (!row || ax_str_equals(ax_online_row_key(row), key))
            return row;
        probe->at = (probe->at + 1) & ((uint32_t)ax_memory_segment_slots(probe->slots) - 1);
    }
}

/* The first slot from the tag's place on that holds `word`, or `other`. */
static slot *find_slot(uintptr_t slots, uint32_t tag, uint64_t word, uint64_t other)
{
    size_t mask = ax_memory_segment_slots(slots) - 1;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
        slot *found = &slots_of(slots)[at];
        uint64_t there = atomic_load_explicit(found, memory_order_relaxed);
        if (there == word || there == other)
            return found;
    }
}

static bool is_removed(uintptr_t slots, uint32_t tag)
{
    slot *room = find_slot(slots, tag, 0, REMOVED);
    return atomic_load_explicit(room, memory_order_relaxed) == REMOVED;
}

/* A free array of that length, with the rows of an old one. */
static uintptr_t copy_slots(uintptr_t old, size_t log, struct ax_memory_slab *slab)
{
    size_t bytes = sizeof(slot) << log;
    void *made = ax_memory_slab_alloc(slab, bytes, 0);
    if (!made)
        return 0;
    assert((uintptr_t)made % (LOG_MASK + 1) == 0);
    memset(made, 0, bytes);
    uintptr_t slots = (uintptr_t)made | log;
    for (size_t i = 0; i < ax_memory_segment_slots(old); i++) {
        uint64_t word = atomic_load_explicit(&slots_of(old)[i], memory_order_relaxed);
        if (word && word != REMOVED)
            atomic_store_explicit(find_slot(slots, (uint32_t)(word >> ADDRESS_BITS), 0, 0), word,
                                  memory_order_relaxed);
    }
    return slots;
}

bool ax_memory_index_reserve(struct ax_memory_index *index, const struct ax_memory_probe *probe,
                             struct ax_memory_retired *retired)
{
    assert(index && probe && retired);
    struct ax_memory_segment *segment = &index->segments[probe->segment];
    uintptr_t old = atomic_load_explicit(&segment->slots, memory_order_relaxed);
    size_t length = ax_memory_segment_slots(old);
    if (segment->used < length / 4 * 3 || (old && is_removed(old, probe->tag)))
        return true;
    size_t log = old ? old & LOG_MASK : LOG_MIN;
    if (old && segment->live >= length / 2)
        log++;
    uintptr_t slots = log <= LOG_MAX ? copy_slots(old, log, retired->slab) : 0;
    if (!slots)
        return false;
    atomic_store_explicit(&segment->slots, slots, memory_order_release);
    segment->used = segment->live;
    if (old)
        ax_memory_retire(retired, slots_of(old), sizeof(slot) * length);
    return true;
}

void ax_memory_index_put(struct ax_memory_index *index, const struct ax_memory_probe *probe,
                         const struct ax_online_row *old, const struct ax_online_row *row)
{
    assert(index && probe && (old || row));
    struct ax_memory_segment *segment = &index->segments[probe->segment];
    uintptr_t slots = atomic_load_explicit(&segment->slots, memory_order_relaxed);
    uint64_t word = old ? word_of(old, probe->tag) : 0;
    bool takes_free = !old && !is_removed(slots, probe->tag);
    slot *place = find_slot(slots, probe->tag, word, old ? word : REMOVED);
    atomic_store_explicit(place, row ? word_of(row, probe->tag) : REMOVED, memory_order_release);
    segment->live = segment->live + !old - !row;
    segment->used += takes_free;
}
