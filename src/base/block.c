/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of blocks, told apart by their size alone, so that nothing has to be kept with them.
 *
 * A mapped block grows by mremap. Where the kernel finds room elsewhere only, it moves page tables,
 * which takes some 50 us for 64 MiB; copying them takes 20 ms. Not done instead: realloc, which
 * does the same with mappings, but copies whatever malloc decided to hold in its heap, as it learns
 * to do for up to 32 MiB; reserving address space for the maximum at once, which fails where the
 * administrator limits address space or forbids overcommitment.
 *
 * Giving back 1 MiB of touched memory takes 70 us to 150 us. A freed block that waits keeps its
 * place in the list in its own first bytes and is cut off from its end; the first page goes last.
 */
#include "base/block.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RELEASED_PART 64

struct ax_block_wasted {
    struct ax_block_wasted *next;
    size_t size;
};

static _Thread_local struct ax_block_waste *own_waste;

static bool is_mapped(size_t size)
{
    return size >= AX_BLOCK_MAPPED_MIN;
}

/* What the kernel was asked for. */
static size_t mapped_size(size_t size)
{
    return (size + AX_MAP_UNIT - 1) / AX_MAP_UNIT * AX_MAP_UNIT;
}

static void block_unmap(void *ptr, size_t size)
{
    int result = munmap(ptr, size);
    assert(result == 0);
}

/* Memory that waits must not be what is missing. */
static void *block_map(void *ptr, size_t old_size, size_t size)
{
    void *grown = ax_try_map(ptr, old_size, size);
    if (grown || !own_waste || !own_waste->first)
        return grown;
    ax_block_waste_done(own_waste);
    return ax_try_map(ptr, old_size, size);
}

void *ax_block_grow(void *ptr, size_t old_size, size_t len, size_t size)
{
    assert(len <= old_size && old_size < size && (ptr || !old_size));
    if (size > PTRDIFF_MAX - AX_MAP_UNIT)
        return NULL;
    if (ptr && is_mapped(old_size))
        return block_map(ptr, mapped_size(old_size), mapped_size(size));
    void *grown = is_mapped(size) ? block_map(NULL, 0, mapped_size(size)) : ax_try_alloc(1, size);
    if (!grown)
        return NULL;
    if (len)
        memcpy(grown, ptr, len);
    free(ptr);
    return grown;
}

void ax_block_free(void *ptr, size_t size)
{
    if (!ptr || !is_mapped(size)) {
        free(ptr);
        return;
    }
    struct ax_block_waste *waste = own_waste;
    if (!waste) {
        block_unmap(ptr, mapped_size(size));
        return;
    }
    struct ax_block_wasted *wasted = ptr;
    *wasted = (struct ax_block_wasted){ .size = mapped_size(size) };
    *(waste->last ? &waste->last->next : &waste->first) = wasted;
    waste->last = wasted;
    waste->bytes += wasted->size;
}

void ax_block_waste_enter(struct ax_block_waste *waste)
{
    own_waste = waste;
}

/* Give back `max` bytes, a multiple of AX_MAP_UNIT, or what there is. */
static void waste_release(struct ax_block_waste *waste, size_t max)
{
    while (max && waste->first) {
        struct ax_block_wasted *wasted = waste->first;
        struct ax_block_wasted *next = wasted->next;
        size_t gone = AX_MIN(max, wasted->size);
        size_t kept = wasted->size - gone;
        wasted->size = kept;
        block_unmap((char *)wasted + kept, gone);
        max -= gone;
        waste->bytes -= gone;
        if (kept)
            return;
        waste->first = next;
        if (!next)
            waste->last = NULL;
    }
}

void ax_block_waste_release(struct ax_block_waste *waste)
{
    assert(waste);
    size_t part = waste->bytes / RELEASED_PART / AX_MAP_UNIT * AX_MAP_UNIT;
    waste_release(waste, AX_MAX(part, AX_BLOCK_RELEASED_MIN));
}

void ax_block_waste_done(struct ax_block_waste *waste)
{
    assert(waste);
    waste_release(waste, SIZE_MAX / AX_MAP_UNIT * AX_MAP_UNIT);
    assert(!waste->first && !waste->bytes);
}
