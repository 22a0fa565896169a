/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: allocations that all die together.
 *
 * Memory is taken from blocks by moving a pointer; nothing is freed singly. Reset keeps the first
 * block, so an arena in steady use does not call malloc. Its size comes from outside (bodies,
 * batches), so it has a maximum and may be refused. Not thread-safe.
 */
#ifndef AX_BASE_ARENA_H
#define AX_BASE_ARENA_H

#include "base/budget.h"
#include "base/err.h"
#include "base/str.h"

struct ax_arena_block;

struct ax_arena {
    struct ax_arena_block *blocks; /* newest first; the last one survives a reset */
    char *at;                      /* next free byte of the newest block */
    char *end;                     /* behind its last byte */
    size_t used;                   /* bytes handed out since the last reset, with padding */
    size_t max;                    /* most bytes that may be handed out */
    size_t first_size;             /* bytes of the first block */
    struct ax_budget
        *budget;   /* borrowed; charged for blocks worth freeing; NULL: none; may be set */
    bool over_max; /* why the last allocation was refused */
};

/* Nothing is allocated until the first use. `first_size` is what a typical life needs. */
void ax_arena_init(struct ax_arena *arena, size_t first_size, size_t max);
void ax_arena_done(struct ax_arena *arena);
void ax_arena_reset(struct ax_arena *arena);

/* `count` * `size` bytes aligned to 16, not zeroed; NULL when over the maximum, overflowing, over
 * the budget or out of memory. ax_arena_fail says which. */
void *ax_arena_alloc(struct ax_arena *arena, size_t count, size_t size) AX_MUST_USE;

/* The same, zeroed. */
void *ax_arena_zalloc(struct ax_arena *arena, size_t count, size_t size) AX_MUST_USE;

/* The same with another alignment, a power of two up to 4096. */
void *ax_arena_alloc_aligned(struct ax_arena *arena, size_t count, size_t size,
                             size_t align) AX_MUST_USE;

/* A NUL-terminated copy of `text` (the NUL is not counted in a struct ax_str of it), or NULL. */
char *ax_arena_strdup(struct ax_arena *arena, struct ax_str text) AX_MUST_USE;

/* What the arena takes from the heap and from the system. */
size_t ax_arena_bytes(const struct ax_arena *arena);

/* Report a refused allocation: TOO_LARGE when it went over the arena's maximum, else LIMIT. */
enum ax_code ax_arena_fail(const struct ax_arena *arena, const char *what, struct ax_err *err);

#endif
