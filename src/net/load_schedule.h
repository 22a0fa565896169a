/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the requests of an open loop are due: fixed by rate and seed, whatever the server does.
 *
 * A run may be divided among threads; each has its part, and all parts together are the schedule.
 * Constant: the requests are evenly spaced and dealt out in turn. Poisson: each part draws its own
 * gaps, which together are again a Poisson process of the whole rate. Owns nothing.
 */
#ifndef AX_NET_LOAD_SCHEDULE_H
#define AX_NET_LOAD_SCHEDULE_H

#include "base/random.h"

#include <stddef.h>
#include <stdint.h>

enum ax_load_arrivals { AX_LOAD_CONSTANT, AX_LOAD_POISSON };

struct ax_load_schedule {
    enum ax_load_arrivals arrivals;
    double gap_ns;  /* mean distance of two requests of all parts */
    double due_ns;  /* when the next request of this part is due, after the begin of the run */
    uint64_t taken; /* requests of this part that were due before it */
    size_t part;
    size_t part_count;
    struct ax_random random;
};

/* `rate` requests a second over all parts, over 0; `part` is below `part_count`. The first request
 * is due at schedule->due_ns. */
void ax_load_schedule_init(struct ax_load_schedule *schedule, enum ax_load_arrivals arrivals,
                           double rate, uint64_t seed, size_t part, size_t part_count);

/* Go on to the request behind it. */
void ax_load_schedule_next(struct ax_load_schedule *schedule);

#endif
