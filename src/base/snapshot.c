/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs. The writer counts them; a reader that enters writes the number it saw into its own slot,
 * and 0 when it leaves. After swapping the pointer the writer raises the epoch and waits until
 * every slot holds 0 or at least the new number.
 *
 * Why that suffices, all operations being sequentially consistent: let E be the raised epoch. A
 * reader whose slot holds E or more has read E before it looked at the pointer, and the pointer was
 * swapped before E was written, so it finds the new object. A reader whose store the writer's scan
 * has not seen comes behind the scan in the one order of all these operations, hence behind the
 * swap, and finds the new object too, even if the number it stores is an old one: the next
 * publisher then waits for it. Everyone else has left.
 *
 * The writer waits by yielding: wake-ups are short (a slice is at most a millisecond).
 */
#include "base/snapshot.h"

#include <assert.h>
#include <sched.h>
#include <stddef.h>

void ax_snapshot_init(struct ax_snapshot *snapshot, void *first)
{
    assert(snapshot);
    atomic_init(&snapshot->current, first);
    atomic_init(&snapshot->epoch, 1);
    int failed = pthread_mutex_init(&snapshot->publish_lock, NULL);
    assert(!failed);
    for (size_t i = 0; i < AX_SNAPSHOT_READERS_MAX; i++) {
        atomic_init(&snapshot->readers[i].epoch, 0);
        atomic_init(&snapshot->readers[i].taken, false);
    }
}

void ax_snapshot_done(struct ax_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < AX_SNAPSHOT_READERS_MAX; i++)
        assert(!atomic_load(&snapshot->readers[i].taken));
    (void)pthread_mutex_destroy(&snapshot->publish_lock);
}

struct ax_snapshot_reader *ax_snapshot_register(struct ax_snapshot *snapshot)
{
    assert(snapshot);
    for (size_t i = 0; i < AX_SNAPSHOT_READERS_MAX; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&snapshot->readers[i].taken, &taken, true))
            return &snapshot->readers[i];
    }
    return NULL;
}

void ax_snapshot_unregister(struct ax_snapshot_reader *reader)
{
    if (!reader)
        return;
    assert(atomic_load(&reader->taken) && atomic_load(&reader->epoch) == 0);
    atomic_store(&reader->taken, false);
}

void ax_snapshot_enter(struct ax_snapshot *snapshot, struct ax_snapshot_reader *reader)
{
    assert(snapshot && reader && atomic_load(&reader->epoch) == 0);
    atomic_store(&reader->epoch, atomic_load(&snapshot->epoch));
}

void ax_snapshot_leave(struct ax_snapshot_reader *reader)
{
    assert(reader && atomic_load(&reader->epoch) != 0);
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

void *ax_snapshot_get(struct ax_snapshot *snapshot)
{
    assert(snapshot);
    return atomic_load(&snapshot->current);
}

void *ax_snapshot_publish(struct ax_snapshot *snapshot, void *next)
{
    assert(snapshot);
    (void)pthread_mutex_lock(&snapshot->publish_lock);
    void *old = atomic_exchange(&snapshot->current, next);
    uint64_t epoch = atomic_fetch_add(&snapshot->epoch, 1) + 1;
    for (size_t i = 0; i < AX_SNAPSHOT_READERS_MAX; i++) {
        struct ax_snapshot_reader *reader = &snapshot->readers[i];
        for (;;) {
            uint64_t inside = atomic_load(&reader->epoch);
            if (inside == 0 || inside >= epoch)
                break;
            (void)sched_yield();
        }
    }
    (void)pthread_mutex_unlock(&snapshot->publish_lock);
    return old;
}
