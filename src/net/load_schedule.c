/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of open loops. Constant times are computed from the request's number, so that no
 * rounding adds up; Poisson's gaps are exponential and add up by nature.
 */
#include "net/load_schedule.h"

#include <assert.h>
#include <math.h>

static double schedule_constant_ns(const struct ax_load_schedule *schedule)
{
    return ((double)schedule->taken * (double)schedule->part_count + (double)schedule->part) *
           schedule->gap_ns;
}

static double schedule_gap_ns(struct ax_load_schedule *schedule)
{
    double mean_ns = schedule->gap_ns * (double)schedule->part_count;
    return -log(ax_random_uniform(&schedule->random)) * mean_ns;
}

void ax_load_schedule_init(struct ax_load_schedule *schedule, enum ax_load_arrivals arrivals,
                           double rate, uint64_t seed, size_t part, size_t part_count)
{
    assert(schedule && rate > 0 && part < part_count);
    *schedule = (struct ax_load_schedule){
        .arrivals = arrivals, .gap_ns = 1e9 / rate, .part = part, .part_count = part_count
    };
    ax_random_init(&schedule->random, seed, part);
    /* The first gap is drawn too, else every Poisson schedule would begin at once. */
    schedule->due_ns =
        arrivals == AX_LOAD_CONSTANT ? schedule_constant_ns(schedule) : schedule_gap_ns(schedule);
}

void ax_load_schedule_next(struct ax_load_schedule *schedule)
{
    schedule->taken++;
    if (schedule->arrivals == AX_LOAD_CONSTANT)
        schedule->due_ns = schedule_constant_ns(schedule);
    else
        schedule->due_ns += schedule_gap_ns(schedule);
}
