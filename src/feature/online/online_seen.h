/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows of a source readers of the online store see: told by the writer's thread, asked by
 * any.
 *
 * Sequences behind rows: all of those below `done` are seen, none from `begun` on. Who asks for
 * `done` before it reads and for `begun` after it knows what it has read; the two are the same
 * unless the writer was in the middle of a batch.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_SEEN_H
#define AX_FEATURE_ONLINE_ONLINE_SEEN_H

#include <stdatomic.h>
#include <stdint.h>

struct ax_online_seen {
    _Atomic uint64_t begun, done;
};

/* The writer, before rows below `next` are applied: what comes of them is published by a release,
 * so it is not seen before this. */
static inline void ax_online_seen_begin(struct ax_online_seen *seen, uint64_t next)
{
    atomic_store_explicit(&seen->begun, next, memory_order_relaxed);
}

/* And when they are. */
static inline void ax_online_seen_end(struct ax_online_seen *seen, uint64_t next)
{
    atomic_store_explicit(&seen->done, next, memory_order_release);
}

/* A reader, before it reads. */
static inline uint64_t ax_online_seen_done(const struct ax_online_seen *seen)
{
    return atomic_load_explicit(&seen->done, memory_order_acquire);
}

/* And after. */
static inline uint64_t ax_online_seen_begun(const struct ax_online_seen *seen)
{
    return atomic_load_explicit(&seen->begun, memory_order_relaxed);
}

#endif
