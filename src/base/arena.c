/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena is a list of blocks, newest first; allocation moves a pointer inside the newest. A new
 * block is twice as large as the one before, or as large as the allocation needs. Reset frees all
 * but the oldest block, whose size is the caller's idea of a typical life; that too when it was
 * made for a huge first allocation.
 */
#include "base/arena.h"

#include "base/block.h"

#include <assert.h>
#include <stdlib.h>

struct ax_arena_block {
    struct ax_arena_block *older;
    size_t size; /* bytes behind this header */
};

#define ARENA_ALIGN    16
#define BLOCK_HEADER   32
#define BLOCK_SIZE_MAX ((size_t)1 << 26)
#define BLOCK_KEPT     4096 /* not worth giving back, whatever first_size says */

static_assert(sizeof(struct ax_arena_block) <= BLOCK_HEADER, "the header must keep the alignment");

void ax_arena_init(struct ax_arena *arena, size_t first_size, size_t max)
{
    assert(arena && first_size > 0 && max > 0 && max <= SIZE_MAX / 4);
    *arena = (struct ax_arena){ .max = max, .first_size = first_size };
}

/* Whether a block of this size, being the oldest, is kept over a reset. */
static bool arena_keeps(const struct ax_arena *arena, size_t size)
{
    return size <= 2 * AX_MAX(arena->first_size, (size_t)BLOCK_KEPT);
}

/* What a block of this size is charged. What may be kept is not, so that nothing is held for good.
 */
static size_t arena_charge(const struct ax_arena *arena, size_t size)
{
    return arena->budget && !arena_keeps(arena, size) ? size : 0;
}

/* Free the newest block. */
static void arena_pop(struct ax_arena *arena)
{
    struct ax_arena_block *block = arena->blocks;
    size_t charge = arena_charge(arena, block->size);
    if (charge)
        ax_budget_give(arena->budget, charge);
    arena->blocks = block->older;
    ax_block_free(block, block->size + BLOCK_HEADER);
}

void ax_arena_done(struct ax_arena *arena)
{
    if (!arena)
        return;
    while (arena->blocks)
        arena_pop(arena);
    *arena = (struct ax_arena){ .max = arena->max,
                                .first_size = arena->first_size,
                                .budget = arena->budget };
}

static void arena_enter(struct ax_arena *arena, struct ax_arena_block *block)
{
    arena->at = (char *)block + BLOCK_HEADER;
    arena->end = arena->at + block->size;
}

void ax_arena_reset(struct ax_arena *arena)
{
    assert(arena);
    arena->used = 0;
    arena->over_max = false;
    if (!arena->blocks)
        return;
    while (arena->blocks->older)
        arena_pop(arena);
    /* One that was made for a huge first allocation is no idea of a typical life. */
    if (arena_keeps(arena, arena->blocks->size))
        arena_enter(arena, arena->blocks);
    else
        ax_arena_done(arena);
}

static bool arena_grow(struct ax_arena *arena, size_t need)
{
    size_t size = arena->first_size;
    if (arena->blocks) {
        size = AX_MIN(arena->blocks->size * 2, BLOCK_SIZE_MAX);
        size = AX_MAX(size, arena->first_size);
    }
    size = AX_MAX(size, need);
    size_t charge = arena_charge(arena, size);
    if (charge && !ax_budget_take(arena->budget, charge))
        return false;
    struct ax_arena_block *block = ax_block_grow(NULL, 0, 0, size + BLOCK_HEADER);
    if (!block) {
        if (charge)
            ax_budget_give(arena->budget, charge);
        return false;
    }
    block->older = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena_enter(arena, block);
    return true;
}

static size_t padding_of(const struct ax_arena *arena, size_t align)
{
    return (size_t)(-(uintptr_t)arena->at) & (align - 1);
}

/* Where there is room. */
static void *arena_take(struct ax_arena *arena, size_t bytes, size_t padding)
{
    char *ptr = arena->at + padding;
    arena->at = ptr + bytes;
    arena->used += bytes + padding;
    return ptr;
}

AX_COLD static void *arena_take_new(struct ax_arena *arena, size_t bytes, size_t align)
{
    size_t left = arena->max - arena->used;
    arena->over_max = bytes > left || padding_of(arena, align) > left - bytes;
    if (arena->over_max || !arena_grow(arena, bytes + align))
        return NULL;
    void *ptr = arena_take(arena, bytes, padding_of(arena, align));
    /* The padding in a new block is another one than was checked. */
    arena->used = AX_MIN(arena->max, arena->used);
    return ptr;
}

void *ax_arena_alloc_aligned(struct ax_arena *arena, size_t count, size_t size, size_t align)
{
    assert(arena && arena->max && align && align <= 4096 && (align & (align - 1)) == 0);
    size_t bytes;
    if (AX_MUL_OVERFLOWS(count, size, &bytes) || bytes > arena->max) {
        arena->over_max = true;
        return NULL;
    }
    size_t padding = padding_of(arena, align);
    if (arena->at && bytes + padding <= (size_t)(arena->end - arena->at) &&
        bytes + padding <= arena->max - arena->used)
        return arena_take(arena, bytes, padding);
    return arena_take_new(arena, bytes, align);
}

void *ax_arena_alloc(struct ax_arena *arena, size_t count, size_t size)
{
    return ax_arena_alloc_aligned(arena, count, size, ARENA_ALIGN);
}

void *ax_arena_zalloc(struct ax_arena *arena, size_t count, size_t size)
{
    void *ptr = ax_arena_alloc(arena, count, size);
    if (ptr)
        memset(ptr, 0, count * size);
    return ptr;
}

char *ax_arena_strdup(struct ax_arena *arena, struct ax_str text)
{
    assert(text.ptr || !text.len);
    char *copy = ax_arena_alloc_aligned(arena, text.len + 1, 1, 1);
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

enum ax_code ax_arena_fail(const struct ax_arena *arena, const char *what, struct ax_err *err)
{
    assert(arena && what && err);
    if (arena->over_max)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu bytes are not enough for %s", arena->max, what);
    return ax_fail(err, AX_E_LIMIT, "no memory for %s", what);
}

size_t ax_arena_bytes(const struct ax_arena *arena)
{
    assert(arena);
    size_t bytes = 0;
    for (const struct ax_arena_block *block = arena->blocks; block; block = block->older)
        bytes += block->size + BLOCK_HEADER;
    /* What of a mapping was never touched is not there. */
    if (arena->blocks && arena->blocks->size + BLOCK_HEADER >= AX_BLOCK_MAPPED_MIN)
        bytes -= (size_t)(arena->end - arena->at);
    return bytes;
}
