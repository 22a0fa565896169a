/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing an immutable object to readers that never wait (RCU by epochs).
 *
 * A reader thread registers once, and brackets each wake-up with enter and leave; in between, what
 * ax_snapshot_get returns stays valid. A publisher swaps the pointer, waits until every reader that
 * was inside has left (the grace period), and then drops the old object. What a reader wants to
 * keep beyond `leave` takes a reference of its own inside. One writer at a time (a mutex inside).
 *
 * Built on C11 sequentially consistent atomics, so ThreadSanitizer understands it without help;
 * why not liburcu: docs/decisions.
 */
#ifndef AX_BASE_SNAPSHOT_H
#define AX_BASE_SNAPSHOT_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AX_SNAPSHOT_READERS_MAX 256

struct ax_snapshot_reader {
    _Alignas(AX_CACHE_LINE) _Atomic uint64_t epoch; /* 0: outside */
    atomic_bool taken;
};

struct ax_snapshot {
    _Alignas(AX_CACHE_LINE) _Atomic(void *) current;
    _Atomic uint64_t epoch; /* from 1 */
    pthread_mutex_t publish_lock;
    struct ax_snapshot_reader readers[AX_SNAPSHOT_READERS_MAX];
};

/* `first` may be NULL. The caller frees what is current after `done`. */
void ax_snapshot_init(struct ax_snapshot *snapshot, void *first);
void ax_snapshot_done(struct ax_snapshot *snapshot);

/* A slot for the calling thread; NULL when all are taken. */
struct ax_snapshot_reader *ax_snapshot_register(struct ax_snapshot *snapshot);
void ax_snapshot_unregister(struct ax_snapshot_reader *reader);

/* Data plane: two stores and a load; no waiting. Not nested. */
void ax_snapshot_enter(struct ax_snapshot *snapshot, struct ax_snapshot_reader *reader);
void ax_snapshot_leave(struct ax_snapshot_reader *reader);
void *ax_snapshot_get(struct ax_snapshot *snapshot);

/* Make `next` current, wait for the grace period, return the old one, which nobody reads any more.
 * Control threads only: may block as long as a wake-up lasts. Never from inside enter/leave. */
void *ax_snapshot_publish(struct ax_snapshot *snapshot, void *next) AX_MUST_USE;

#endif
