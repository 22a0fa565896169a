/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning two numbers from one error.
 *
 * A call took `error` times more or less than predicted. Both parts of the prediction are
 * multiplied, each the more the greater its share of it was, such that an eighth of the error would
 * be gone if the call came again (a normalised gradient step on their logarithms). So both stay
 * positive; short calls teach what is fixed, long ones what a row takes; and where all calls are
 * alike, at least their sum is right. An error counts as a doubling at most: a call that was
 * preempted for milliseconds moves the prediction by an eighth, while one that lasted too long for
 * a real reason is followed within a few dozen calls.
 */
#include "server/cost.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define RATE           0.125F
#define FIRST_FIXED_NS 2000.0F       /* most of a first call that is taken to be fixed */
#define LEAST_NS       (1.0F / 1024) /* of a row, and fixed: never zero, which is "not known" */
#define MOST_NS        1e12F
#define NEAR_ENOUGH    0.125F /* an error not worth a write to a line that all threads read */

struct parts {
    float fixed_ns;
    float row_ns;
};

static struct parts unpack(uint64_t packed)
{
    struct parts parts;
    static_assert(sizeof(parts) == sizeof(packed), "a word holds both");
    memcpy(&parts, &packed, sizeof(parts));
    return parts;
}

static struct parts cost_load(const struct ax_cost *cost)
{
    uint64_t packed = atomic_load_explicit(&cost->packed, memory_order_relaxed);
    return packed ? unpack(packed) : (struct parts){ 0, AX_COST_ROW_NS };
}

static void cost_store(struct ax_cost *cost, struct parts parts)
{
    uint64_t packed;
    memcpy(&packed, &parts, sizeof(packed));
    atomic_store_explicit(&cost->packed, packed, memory_order_relaxed);
}

uint64_t ax_cost_call_ns(const struct ax_cost *cost, size_t rows)
{
    struct parts parts = cost_load(cost);
    return (uint64_t)(parts.fixed_ns + parts.row_ns * (float)rows);
}

size_t ax_cost_rows(const struct ax_cost *cost, uint64_t call_ns)
{
    struct parts parts = cost_load(cost);
    float rows = ((float)call_ns - parts.fixed_ns) / parts.row_ns;
    if (!(rows >= 1))
        return 1;
    return rows < 1e9F ? (size_t)rows : (size_t)1000000000;
}

/* Not by fminf, which is a call for the sake of NaN; there is none. */
static float limited(float ns)
{
    float least = ns < LEAST_NS ? LEAST_NS : ns;
    return least > MOST_NS ? MOST_NS : least;
}

void ax_cost_set(struct ax_cost *cost, float fixed_ns, float row_ns)
{
    assert(cost);
    cost_store(cost, (struct parts){ limited(fixed_ns), limited(row_ns) });
}

void ax_cost_learn(struct ax_cost *cost, size_t rows, uint64_t took_ns)
{
    assert(cost && rows);
    float took = limited((float)took_ns);
    if (!ax_cost_is_known(cost)) {
        float fixed = fminf(took / 2, FIRST_FIXED_NS);
        cost_store(cost, (struct parts){ fixed, limited((took - fixed) / (float)rows) });
        return;
    }
    struct parts old = cost_load(cost);
    float predicted = old.fixed_ns + old.row_ns * (float)rows;
    if (fabsf(took - predicted) < NEAR_ENOUGH * predicted)
        return;
    float error = fminf(took / predicted - 1, 1);
    float fixed_share = old.fixed_ns / predicted;
    float row_share = 1 - fixed_share;
    float step = RATE * error / (fixed_share * fixed_share + row_share * row_share);
    cost_store(cost, (struct parts){ limited(old.fixed_ns * (1 + step * fixed_share)),
                                     limited(old.row_ns * (1 + step * row_share)) });
}

void ax_cost_doubt(struct ax_cost *cost)
{
    assert(cost);
    if (!ax_cost_is_known(cost))
        return;
    struct parts parts = cost_load(cost);
    cost_store(
        cost, (struct parts){ limited(parts.fixed_ns * 63 / 64), limited(parts.row_ns * 63 / 64) });
}
