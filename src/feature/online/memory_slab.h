/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for rows and tables that come and go for years: size classes over large mappings.
 *
 * Mappings ask for huge pages, since a store of gigabytes on small ones misses the TLB at every
 * row. Nothing goes back to the system before the end; what was freed serves the same class again.
 * Everything is aligned to 16, and to a line of the cache or a page where the size is a multiple of
 * it. One thread; others may read the memory, not the slab.
 */
#ifndef AX_FEATURE_ONLINE_MEMORY_SLAB_H
#define AX_FEATURE_ONLINE_MEMORY_SLAB_H

#include "base/budget.h"

/* Steps of 16 bytes to 1 KiB, then eighths of a power of two to 8 MiB. */
#define AX_MEMORY_SLAB_CLASSES   168
#define AX_MEMORY_SLAB_BYTES_MAX ((size_t)8 << 20)
#define AX_MEMORY_SLAB_PAGE      ((size_t)4 << 10)

struct ax_memory_class {
    struct ax_memory_free *free;
    char *at, *end;   /* what was not handed out yet of its newest run */
    size_t run_bytes; /* of the next run */
};

struct ax_memory_slab {
    struct ax_budget budget; /* what runs have taken */
    size_t used;             /* bytes of what is handed out, rounded to its class */
    struct ax_memory_chunk *chunks;
    char *at, *end;                 /* what is not a run yet of the newest chunk */
    struct ax_memory_spare *spares; /* large objects that were freed, to be runs again */
    struct ax_memory_class classes[AX_MEMORY_SLAB_CLASSES];
};

void ax_memory_slab_init(struct ax_memory_slab *slab, size_t bytes_max);
/* Everything that was handed out goes, too. */
void ax_memory_slab_done(struct ax_memory_slab *slab);

/* `bytes` from 1 to AX_MEMORY_SLAB_BYTES_MAX, not zeroed. NULL: less than `kept` of the maximum
 * would be left, or it was refused. */
void *ax_memory_slab_alloc(struct ax_memory_slab *slab, size_t bytes, size_t kept) AX_MUST_USE;
/* `bytes` are those it was asked for. */
void ax_memory_slab_free(struct ax_memory_slab *slab, void *ptr, size_t bytes);

#endif
