/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of windows that other threads read while one writes: chunks of rows, tiles, roots.
 *
 * A state that is shared has pieces which readers may see from the moment when it was published. A
 * piece that was not published yet is the writer's, to be changed at will; one that was may only
 * get more rows behind its count. Instead of any other change the writer makes another piece, and
 * the old one is *replaced*: with the next publication it is nobody's but of readers that are
 * still in their wake-up, and it is freed when these have left. Of a state that nobody else reads,
 * `shared` is NULL, and all its pieces are its own.
 *
 * A heap is what the pieces of many states are taken from, and counted. One thread, the writer's,
 * outside of the epoch.
 */
#ifndef AX_FEATURE_WINDOW_PIECE_H
#define AX_FEATURE_WINDOW_PIECE_H

#include "base/epoch.h"
#include "feature/online/memory_slab.h"

#include <stddef.h>

/* What replaced pieces may take before the writer waits for readers to leave. */
#define AX_WINDOW_REPLACED_BYTES_MAX ((size_t)16 << 20)

struct ax_window_heap;

/* Begins a piece. Readers look into what follows it. */
struct ax_window_piece {
    struct ax_window_piece *next; /* of those that were replaced */
    void (*destroy)(struct ax_window_heap *heap, struct ax_window_piece *piece);
    uint64_t made; /* when so many publications had been */
    size_t bytes;  /* that the heap has counted */
};

struct ax_window_heap {
    struct ax_epoch *epoch;      /* of the readers; borrowed */
    struct ax_memory_slab *slab; /* of what has a usual size; borrowed, or NULL */
    size_t bytes_max;
    _Atomic size_t bytes; /* any thread may load it */
    struct ax_window_piece *now, *waiting;
    size_t now_bytes;
    uint64_t number; /* of the epoch that `waiting` waits for */
};

struct ax_window_shared {
    struct ax_window_heap *heap; /* borrowed */
    struct ax_window_piece *replaced;
    uint64_t published; /* so many times */
};

void ax_window_heap_init(struct ax_window_heap *heap, struct ax_epoch *epoch,
                         struct ax_memory_slab *slab, size_t bytes_max);
/* Nobody reads any more, and all states have gone. */
void ax_window_heap_done(struct ax_window_heap *heap);
/* Free what can be freed now; after each batch. */
void ax_window_heap_settle(struct ax_window_heap *heap);
/* Free all that was replaced, waiting; when memory is short. Whether there was anything. */
bool ax_window_heap_flush(struct ax_window_heap *heap);
/* What is no piece takes so much instead of `old`; counted even over the maximum. */
void ax_window_heap_count(struct ax_window_heap *heap, size_t old, size_t bytes);

/* Memory that is no piece, not zeroed, beginning with a line of the cache. Without a heap, too.
 * NULL: it was refused. */
void *ax_window_heap_take(struct ax_window_heap *heap, size_t bytes);
void ax_window_heap_give(struct ax_window_heap *heap, void *memory, size_t bytes);

/* `bytes`, not zeroed but for the head. `is_usual`: very many pieces have that size, and those that
 * go make place for those that come. What destroys it frees it by the same. NULL: memory was
 * refused. */
void *ax_window_piece_new(struct ax_window_shared *shared, size_t bytes, bool is_usual,
                          void (*destroy)(struct ax_window_heap *heap,
                                          struct ax_window_piece *piece));
void ax_window_piece_free(struct ax_window_heap *heap, void *piece, size_t bytes, bool is_usual);
/* It has so much besides instead of `old`, as ax_window_heap_count. */
void ax_window_piece_count(struct ax_window_shared *shared, struct ax_window_piece *piece,
                           size_t old, size_t bytes);
/* It was replaced, or is not needed any more. */
void ax_window_piece_drop(struct ax_window_shared *shared, struct ax_window_piece *piece);

/* Whether readers may see it. */
static inline bool ax_window_piece_is_seen(const struct ax_window_shared *shared,
                                           const struct ax_window_piece *piece)
{
    return shared && piece->made != shared->published;
}

/* What the state has now was published. May wait. */
void ax_window_shared_publish(struct ax_window_shared *shared);

#endif
