/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a writer replaced, until no reader can see it any more.
 *
 * Two lists: what is being retired, and what was retired before and waits for an epoch to be over.
 * Both are bounded; when the first is full, the writer waits for readers to leave. The writer's
 * thread alone, outside of the epoch.
 */
#ifndef AX_FEATURE_ONLINE_MEMORY_RETIRED_H
#define AX_FEATURE_ONLINE_MEMORY_RETIRED_H

#include "base/epoch.h"
#include "feature/online/memory_slab.h"

#define AX_MEMORY_RETIRED_MAX       16384
#define AX_MEMORY_RETIRED_BYTES_MAX ((size_t)16 << 20)

struct ax_memory_retiree {
    void *ptr;
    size_t bytes;
};

struct ax_memory_retirees {
    struct ax_memory_retiree *items; /* AX_MEMORY_RETIRED_MAX */
    size_t count;
    size_t bytes;
};

struct ax_memory_retired {
    struct ax_epoch *epoch;      /* borrowed */
    struct ax_memory_slab *slab; /* what goes back there; borrowed */
    struct ax_memory_retirees now;
    struct ax_memory_retirees waiting;
    uint64_t number; /* of the epoch that `waiting` waits for */
};

/* False: no memory. */
AX_MUST_USE bool ax_memory_retired_init(struct ax_memory_retired *retired, struct ax_epoch *epoch,
                                        struct ax_memory_slab *slab);
/* The slab has gone, or will go, with all that is in the lists. */
void ax_memory_retired_done(struct ax_memory_retired *retired);

/* Free `ptr` of the slab later. It was replaced already. May wait. */
void ax_memory_retire(struct ax_memory_retired *retired, void *ptr, size_t bytes);

/* Free what can be freed now; after each batch. */
void ax_memory_retired_settle(struct ax_memory_retired *retired);
/* Free all of it, waiting; when memory is short. Whether there was anything. */
bool ax_memory_retired_flush(struct ax_memory_retired *retired);

#endif
