/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for the highest rate: doubling, then the geometric middle, since what matters in a
 * rate is its ratio to others.
 */
#include "net/load_ramp.h"

#include <assert.h>
#include <math.h>

#define TOLERANCE 1.05

void ax_load_ramp_init(struct ax_load_ramp *ramp, uint64_t first_rate)
{
    assert(ramp && first_rate >= 1 && first_rate <= AX_LOAD_RATE_MAX);
    *ramp = (struct ax_load_ramp){ .rate = first_rate };
}

enum ax_load_verdict ax_load_ramp_judge(const struct ax_load_result *result, uint64_t p99_ns_max)
{
    assert(result);
    if (ax_load_error_count(result) || result->latency.count == 0)
        return AX_LOAD_FAILED;
    if (ax_histogram_quantile(&result->latency, 0.99) <= p99_ns_max)
        return AX_LOAD_PASSED;
    return ax_load_is_void(result) ? AX_LOAD_LATE : AX_LOAD_SLOW;
}

/* The next rate between what passed and what failed; 0: there is none worth a try. */
static uint64_t ramp_choose(const struct ax_load_ramp *ramp)
{
    if (ramp->failed == 0)
        return ramp->passed == AX_LOAD_RATE_MAX ? 0 : AX_MIN(ramp->passed * 2, AX_LOAD_RATE_MAX);
    if (ramp->passed == 0)
        return ramp->failed / 2;
    if ((double)ramp->failed <= (double)ramp->passed * TOLERANCE)
        return 0;
    uint64_t middle = (uint64_t)round(sqrt((double)ramp->passed * (double)ramp->failed));
    return middle > ramp->passed && middle < ramp->failed ? middle : 0;
}

bool ax_load_ramp_next(struct ax_load_ramp *ramp, enum ax_load_verdict verdict)
{
    assert(ramp && ramp->rate);
    if (verdict != AX_LOAD_PASSED && !ramp->is_second_try) {
        ramp->is_second_try = true;
        return true;
    }
    ramp->is_second_try = false;
    if (verdict == AX_LOAD_PASSED) {
        ramp->passed = ramp->rate;
    } else {
        ramp->failed = ramp->rate;
        ramp->verdict = verdict;
    }
    uint64_t next = ramp_choose(ramp);
    if (next == 0)
        return false;
    ramp->rate = next;
    return true;
}

const char *ax_load_verdict_text(enum ax_load_verdict verdict)
{
    switch (verdict) {
    case AX_LOAD_PASSED:
        return "passed";
    case AX_LOAD_SLOW:
        return "slow";
    case AX_LOAD_FAILED:
        return "failed";
    case AX_LOAD_LATE:
        return "client late";
    }
    assert(!"a verdict");
    return "";
}
