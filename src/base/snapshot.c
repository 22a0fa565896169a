/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pointer that is swapped, and an epoch that is waited for. The lock keeps two publishers from
 * returning in another order than the one in which they were current.
 */
#include "base/snapshot.h"

#include <assert.h>

void ax_snapshot_init(struct ax_snapshot *snapshot, struct ax_epoch *epoch, void *first)
{
    assert(snapshot && epoch);
    atomic_init(&snapshot->current, first);
    snapshot->epoch = epoch;
    int failed = pthread_mutex_init(&snapshot->publish_lock, NULL);
    assert(!failed);
}

void ax_snapshot_done(struct ax_snapshot *snapshot)
{
    if (snapshot)
        (void)pthread_mutex_destroy(&snapshot->publish_lock);
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
    ax_epoch_wait(snapshot->epoch, ax_epoch_advance(snapshot->epoch));
    (void)pthread_mutex_unlock(&snapshot->publish_lock);
    return old;
}
