/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces, and what becomes of those that were replaced: two lists, as in memory_retired.c, but
 * linked through the pieces themselves, since these have no size class to go back to. The list
 * that is being filled gets its epoch only when the one before it was freed.
 */
#include "feature/window_piece.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

void ax_window_heap_init(struct ax_window_heap *heap, struct ax_epoch *epoch,
                         struct ax_memory_slab *slab, size_t bytes_max)
{
    assert(heap && epoch);
    *heap = (struct ax_window_heap){ .epoch = epoch, .slab = slab, .bytes_max = bytes_max };
}

/* Whole lines, so that each begins with a line. */
static size_t in_lines(size_t bytes)
{
    return (bytes + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE;
}

static bool is_of_slab(const struct ax_window_heap *heap, size_t bytes, bool is_usual)
{
    return is_usual && heap && heap->slab && in_lines(bytes) <= AX_MEMORY_SLAB_BYTES_MAX;
}

/* Less than a page is the system's, whose address is in front of it. */
void *ax_window_heap_take(struct ax_window_heap *heap, size_t bytes)
{
    if (is_of_slab(heap, bytes, bytes >= AX_MEMORY_SLAB_PAGE))
        return ax_memory_slab_alloc(heap->slab, in_lines(bytes), 0);
    void *given = ax_try_alloc(bytes + AX_CACHE_LINE, 1);
    if (!given)
        return NULL;
    void **memory = (void *)((char *)given + AX_CACHE_LINE - (uintptr_t)given % AX_CACHE_LINE);
    memory[-1] = given;
    return memory;
}

void ax_window_heap_give(struct ax_window_heap *heap, void *memory, size_t bytes)
{
    if (is_of_slab(heap, bytes, bytes >= AX_MEMORY_SLAB_PAGE))
        ax_memory_slab_free(heap->slab, memory, in_lines(bytes));
    else
        free(((void **)memory)[-1]);
}

void ax_window_piece_free(struct ax_window_heap *heap, void *piece, size_t bytes, bool is_usual)
{
    if (is_of_slab(heap, bytes, is_usual))
        ax_memory_slab_free(heap->slab, piece, in_lines(bytes));
    else
        free(piece);
}

/* One thread stores. */
static size_t heap_bytes(const struct ax_window_heap *heap)
{
    return atomic_load_explicit(&heap->bytes, memory_order_relaxed);
}

void ax_window_heap_count(struct ax_window_heap *heap, size_t old, size_t bytes)
{
    size_t used = heap_bytes(heap);
    assert(old <= used);
    atomic_store_explicit(&heap->bytes, used - old + bytes, memory_order_relaxed);
}

static void piece_free(struct ax_window_heap *heap, struct ax_window_piece *piece)
{
    if (heap)
        ax_window_heap_count(heap, piece->bytes, 0);
    piece->destroy(heap, piece);
}

static void free_waiting(struct ax_window_heap *heap)
{
    while (heap->waiting) {
        struct ax_window_piece *piece = heap->waiting;
        heap->waiting = piece->next;
        piece_free(heap, piece);
    }
}

static void begin_waiting(struct ax_window_heap *heap)
{
    heap->waiting = heap->now;
    heap->now = NULL;
    heap->now_bytes = 0;
    if (heap->waiting)
        heap->number = ax_epoch_advance(heap->epoch);
}

static void wait_once(struct ax_window_heap *heap)
{
    if (heap->waiting)
        ax_epoch_wait(heap->epoch, heap->number);
    free_waiting(heap);
    begin_waiting(heap);
}

void ax_window_heap_settle(struct ax_window_heap *heap)
{
    assert(heap);
    if (heap->waiting && !ax_epoch_is_over(heap->epoch, heap->number))
        return;
    free_waiting(heap);
    begin_waiting(heap);
}

bool ax_window_heap_flush(struct ax_window_heap *heap)
{
    assert(heap);
    bool had = heap->waiting || heap->now;
    wait_once(heap);
    wait_once(heap);
    return had;
}

void ax_window_heap_done(struct ax_window_heap *heap)
{
    free_waiting(heap);
    heap->waiting = heap->now;
    heap->now = NULL;
    free_waiting(heap);
    assert(heap_bytes(heap) == 0);
}

void *ax_window_piece_new(struct ax_window_shared *shared, size_t bytes, bool is_usual,
                          void (*destroy)(struct ax_window_heap *heap,
                                          struct ax_window_piece *piece))
{
    assert(bytes >= sizeof(struct ax_window_piece));
    struct ax_window_heap *heap = shared ? shared->heap : NULL;
    if (heap && (heap_bytes(heap) > heap->bytes_max || bytes > heap->bytes_max - heap_bytes(heap)))
        return NULL;
    struct ax_window_piece *piece = heap && is_of_slab(heap, bytes, is_usual)
                                        ? ax_memory_slab_alloc(heap->slab, in_lines(bytes), 0)
                                        : ax_try_alloc(bytes, 1);
    if (!piece)
        return NULL;
    *piece = (struct ax_window_piece){ .destroy = destroy };
    if (shared) {
        piece->made = shared->published;
        ax_window_piece_count(shared, piece, 0, bytes);
    }
    return piece;
}

void ax_window_piece_count(struct ax_window_shared *shared, struct ax_window_piece *piece,
                           size_t old, size_t bytes)
{
    if (!shared)
        return;
    ax_window_heap_count(shared->heap, old, bytes);
    piece->bytes = piece->bytes - old + bytes;
}

void ax_window_piece_drop(struct ax_window_shared *shared, struct ax_window_piece *piece)
{
    if (!piece)
        return;
    if (!ax_window_piece_is_seen(shared, piece)) {
        piece_free(shared ? shared->heap : NULL, piece);
        return;
    }
    piece->next = shared->replaced;
    shared->replaced = piece;
}

void ax_window_shared_publish(struct ax_window_shared *shared)
{
    struct ax_window_heap *heap = shared->heap;
    shared->published++;
    while (shared->replaced) {
        struct ax_window_piece *piece = shared->replaced;
        shared->replaced = piece->next;
        piece->next = heap->now;
        heap->now = piece;
        heap->now_bytes += piece->bytes;
    }
    if (heap->now_bytes > AX_WINDOW_REPLACED_BYTES_MAX)
        wait_once(heap);
}
