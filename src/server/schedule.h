/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a view with `every` is materialised: a function of what is known of it, and of no clock.
 *
 * Its moments lie `every` apart, at a place in that time that the name of its source chooses. So
 * views of one source are done together, those of different sources are spread, and each has its
 * moments again after a restart. The first one behind the last run is the one that counts: whoever
 * missed some runs once. See docs/internals/control.md, "Schedules".
 */
#ifndef AX_SERVER_SCHEDULE_H
#define AX_SERVER_SCHEDULE_H

#include "base/str.h"

#include <stdint.h>

/* Of a view. Times are microseconds since 1970, UTC. */
struct ax_schedule {
    struct ax_str view, source; /* borrowed */
    int64_t every_us;
    int64_t last_us;   /* when it was done last; INT64_MIN: never */
    int64_t failed_us; /* when it failed last */
    unsigned failures; /* since it was done */
};

/* When it is to be done next; INT64_MIN: at once. What failed is tried again after a minute, then
 * after twice as long each time, up to `every`. */
int64_t ax_schedule_due_us(const struct ax_schedule *schedule);

/* Which of them to do at `now_us`: that which has waited longest, and those of its source that are
 * due. Their places go to `ret_picked`, which has room for all. Returns how many. */
size_t ax_schedule_pick(const struct ax_schedule *schedules, size_t count, int64_t now_us,
                        size_t *ret_picked);

#endif
