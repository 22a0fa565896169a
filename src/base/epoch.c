/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers count the epochs; a reader that enters writes the number it saw into its own slot, and 0
 * when it leaves. An epoch is over when every slot holds 0 or at least its number.
 *
 * Why that suffices. Let E be the number, R a replacement made before E began. All operations here
 * but leaving are sequentially consistent, so they stand in one order. A reader whose slot holds E
 * or more has read E, which was written after R, and so sees what R put there. A reader whose store
 * the scan has not seen comes behind the scan in that order; it reads the epoch once more after its
 * store, finds E or more there, and sees R as well, even if the number it stored is an old one: the
 * next writer then waits for it. That second look is what lets readers find what was replaced by
 * loads that only acquire. Everyone else has left, and what they did inside came before: leaving
 * releases.
 *
 * A writer that waits yields: wake-ups are short (a slice is at most a millisecond).
 */
#include "base/epoch.h"

#include <assert.h>
#include <sched.h>
#include <stddef.h>

void ax_epoch_init(struct ax_epoch *epoch)
{
    assert(epoch);
    atomic_init(&epoch->current, 1);
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++) {
        atomic_init(&epoch->readers[i].inside, 0);
        atomic_init(&epoch->readers[i].taken, false);
    }
}

void ax_epoch_done(struct ax_epoch *epoch)
{
    if (!epoch)
        return;
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++)
        assert(!atomic_load(&epoch->readers[i].taken));
}

struct ax_epoch_reader *ax_epoch_register(struct ax_epoch *epoch)
{
    assert(epoch);
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&epoch->readers[i].taken, &taken, true))
            return &epoch->readers[i];
    }
    return NULL;
}

void ax_epoch_unregister(struct ax_epoch_reader *reader)
{
    if (!reader)
        return;
    assert(atomic_load(&reader->taken) && atomic_load(&reader->inside) == 0);
    atomic_store(&reader->taken, false);
}

void ax_epoch_enter(struct ax_epoch *epoch, struct ax_epoch_reader *reader)
{
    assert(epoch && reader && atomic_load(&reader->inside) == 0);
    atomic_store(&reader->inside, atomic_load(&epoch->current));
    (void)atomic_load(&epoch->current); /* see above */
}

void ax_epoch_leave(struct ax_epoch_reader *reader)
{
    assert(reader && atomic_load(&reader->inside) != 0);
    atomic_store_explicit(&reader->inside, 0, memory_order_release);
}

uint64_t ax_epoch_advance(struct ax_epoch *epoch)
{
    assert(epoch);
    return atomic_fetch_add(&epoch->current, 1) + 1;
}

static bool reader_has_left(const struct ax_epoch_reader *reader, uint64_t number)
{
    uint64_t inside = atomic_load(&reader->inside);
    return inside == 0 || inside >= number;
}

bool ax_epoch_is_over(const struct ax_epoch *epoch, uint64_t number)
{
    assert(epoch && number <= atomic_load(&epoch->current));
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++) {
        if (!reader_has_left(&epoch->readers[i], number))
            return false;
    }
    return true;
}

void ax_epoch_wait(const struct ax_epoch *epoch, uint64_t number)
{
    assert(epoch && number <= atomic_load(&epoch->current));
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++) {
        while (!reader_has_left(&epoch->readers[i], number))
            (void)sched_yield();
    }
}
