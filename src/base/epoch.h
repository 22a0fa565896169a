/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs: when has everybody left who may still see what was replaced?
 *
 * A reader thread registers once, and brackets each wake-up with enter and leave. Whoever replaces
 * something that readers see (one pointer by another) advances the epoch afterwards; once the
 * number that this gives is over, nobody sees what was replaced, and it may be freed. Readers never
 * wait; a writer asks, or waits. One domain may serve many published things, so that a reader
 * enters once for all of them: base/snapshot.h publishes one object, feature/online whole tables.
 *
 * Built on C11 sequentially consistent atomics, so ThreadSanitizer understands it without help;
 * why not liburcu: docs/decisions.
 */
#ifndef AX_BASE_EPOCH_H
#define AX_BASE_EPOCH_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AX_EPOCH_READERS_MAX 256

struct ax_epoch_reader {
    _Alignas(AX_CACHE_LINE) _Atomic uint64_t inside; /* the epoch that was entered; 0: outside */
    atomic_bool taken;
};

struct ax_epoch {
    _Alignas(AX_CACHE_LINE) _Atomic uint64_t current; /* from 1 */
    struct ax_epoch_reader readers[AX_EPOCH_READERS_MAX];
};

void ax_epoch_init(struct ax_epoch *epoch);
/* Nobody is registered any more. */
void ax_epoch_done(struct ax_epoch *epoch);

/* A slot for the calling thread; NULL when all are taken. */
struct ax_epoch_reader *ax_epoch_register(struct ax_epoch *epoch);
void ax_epoch_unregister(struct ax_epoch_reader *reader);

/* Data plane: two stores and two loads; no waiting. Not nested. What was published before is seen
 * inside, even by loads that only acquire. */
void ax_epoch_enter(struct ax_epoch *epoch, struct ax_epoch_reader *reader);
void ax_epoch_leave(struct ax_epoch_reader *reader);

/* Begin the next epoch, after something was replaced; its number. Any thread. */
uint64_t ax_epoch_advance(struct ax_epoch *epoch);

/* Whether all readers that were inside when `number` began have left since. Never blocks. */
bool ax_epoch_is_over(const struct ax_epoch *epoch, uint64_t number);

/* The same, awaited by yielding: as long as a wake-up lasts. Never from inside enter/leave. */
void ax_epoch_wait(const struct ax_epoch *epoch, uint64_t number);

#endif
