/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations. The list that is being filled gets its epoch only when it is put to wait, which is
 * when the one before it was freed: so one number stands for a whole list, and under load a list
 * grows to what was replaced in about one wake-up of the slowest reader.
 */
#include "feature/online/memory_retired.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

bool ax_memory_retired_init(struct ax_memory_retired *retired, struct ax_epoch *epoch,
                            struct ax_memory_slab *slab)
{
    assert(retired && epoch && slab);
    size_t size = sizeof(*retired->now.items);
    *retired = (struct ax_memory_retired){ .epoch = epoch, .slab = slab };
    retired->now.items = ax_try_alloc(AX_MEMORY_RETIRED_MAX, size);
    retired->waiting.items = ax_try_alloc(AX_MEMORY_RETIRED_MAX, size);
    return retired->now.items && retired->waiting.items;
}

void ax_memory_retired_done(struct ax_memory_retired *retired)
{
    if (!retired)
        return;
    free(retired->now.items);
    free(retired->waiting.items);
}

/* Its epoch is over. */
static void free_waiting(struct ax_memory_retired *retired)
{
    struct ax_memory_retirees *waiting = &retired->waiting;
    for (size_t i = 0; i < waiting->count; i++)
        ax_memory_slab_free(retired->slab, waiting->items[i].ptr, waiting->items[i].bytes);
    waiting->count = 0;
    waiting->bytes = 0;
}

/* Nothing waits: let those of now wait. */
static void begin_waiting(struct ax_memory_retired *retired)
{
    struct ax_memory_retirees empty = retired->waiting;
    assert(!empty.count);
    retired->waiting = retired->now;
    retired->now = empty;
    if (retired->waiting.count)
        retired->number = ax_epoch_advance(retired->epoch);
}

static void wait_once(struct ax_memory_retired *retired)
{
    if (retired->waiting.count)
        ax_epoch_wait(retired->epoch, retired->number);
    free_waiting(retired);
    begin_waiting(retired);
}

void ax_memory_retire(struct ax_memory_retired *retired, void *ptr, size_t bytes)
{
    assert(retired && ptr && bytes);
    struct ax_memory_retirees *now = &retired->now;
    if (now->count == AX_MEMORY_RETIRED_MAX || now->bytes > AX_MEMORY_RETIRED_BYTES_MAX)
        wait_once(retired);
    now->items[now->count++] = (struct ax_memory_retiree){ ptr, bytes };
    now->bytes += bytes;
}

void ax_memory_retired_settle(struct ax_memory_retired *retired)
{
    assert(retired);
    if (retired->waiting.count && !ax_epoch_is_over(retired->epoch, retired->number))
        return;
    free_waiting(retired);
    begin_waiting(retired);
}

bool ax_memory_retired_flush(struct ax_memory_retired *retired)
{
    assert(retired);
    bool had = retired->waiting.count || retired->now.count;
    wait_once(retired);
    wait_once(retired);
    return had;
}
