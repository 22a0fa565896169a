/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of the engine costs a version, learnt from calls: so much, and so much a row.
 *
 * Shared by all threads without a lock: one relaxed word, written only when it moved enough to
 * matter, so that in steady use its line is only read. Two threads that learn at once may lose one
 * of the two lessons.
 */
#ifndef AX_SERVER_COST_H
#define AX_SERVER_COST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define AX_COST_ROW_NS 10000 /* assumed of a version that never scored */

struct ax_cost {
    _Atomic uint64_t packed; /* zeroed: nothing is known yet */
};

/* What a call of so many rows should take. */
uint64_t ax_cost_call_ns(const struct ax_cost *cost, size_t rows);

/* The most rows, at least one, of a call that should not take longer. */
size_t ax_cost_rows(const struct ax_cost *cost, uint64_t call_ns);

/* Whether anything was learnt yet. */
static inline int ax_cost_is_known(const struct ax_cost *cost)
{
    return atomic_load_explicit(&cost->packed, memory_order_relaxed) != 0;
}

/* What was measured before it served. */
void ax_cost_set(struct ax_cost *cost, float fixed_ns, float row_ns);

/* A call of so many rows, at least one, took so long. */
void ax_cost_learn(struct ax_cost *cost, size_t rows, uint64_t took_ns);

/* Something was not tried because of what it should take: believe that a little less. So a cost
 * that was learnt wrongly is tried again, some time. */
void ax_cost_doubt(struct ax_cost *cost);

#endif
