/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing an immutable object to readers that never wait (RCU by base/epoch.h).
 *
 * Between entering the epoch and leaving it, what ax_snapshot_get returns stays valid. A publisher
 * swaps the pointer, waits until every reader that was inside has left (the grace period), and then
 * drops the old object. What a reader wants to keep beyond `leave` takes a reference of its own
 * inside. One writer at a time (a mutex inside).
 */
#ifndef AX_BASE_SNAPSHOT_H
#define AX_BASE_SNAPSHOT_H

#include "base/epoch.h"

#include <pthread.h>

struct ax_snapshot {
    _Alignas(AX_CACHE_LINE) _Atomic(void *) current;
    struct ax_epoch *epoch; /* borrowed: that of all its readers */
    pthread_mutex_t publish_lock;
};

/* `first` may be NULL. The caller frees what is current after `done`. */
void ax_snapshot_init(struct ax_snapshot *snapshot, struct ax_epoch *epoch, void *first);
void ax_snapshot_done(struct ax_snapshot *snapshot);

/* From inside the epoch. */
void *ax_snapshot_get(struct ax_snapshot *snapshot);

/* Make `next` current, wait for the grace period, return the old one, which nobody reads any more.
 * Control threads only: may block as long as a wake-up lasts. Never from inside the epoch. */
void *ax_snapshot_publish(struct ax_snapshot *snapshot, void *next) AX_MUST_USE;

#endif
