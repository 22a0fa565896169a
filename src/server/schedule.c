/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic on times alone; schedules.c has the thread.
 */
#include "server/schedule.h"

#include "base/calendar.h"
#include "base/compiler.h"
#include "base/hash.h"

#include <assert.h>

#define RETRY_US         (INT64_C(60) * 1000000)
#define RETRY_SHIFTS_MAX 20 /* a minute 2^20 times is more than any `every` */

/* The first moment behind `us`. */
static int64_t next_us(const struct ax_schedule *schedule, int64_t us)
{
    int64_t every_us = schedule->every_us;
    int64_t at_us = (int64_t)(ax_hash(schedule->source) % (uint64_t)every_us);
    us = AX_MIN(AX_MAX(us, AX_CALENDAR_MIN_US), AX_CALENDAR_MAX_US);
    int64_t behind_us = (us - at_us) % every_us;
    if (behind_us < 0)
        behind_us += every_us;
    return us - behind_us + every_us;
}

int64_t ax_schedule_due_us(const struct ax_schedule *schedule)
{
    assert(schedule && schedule->every_us > 0);
    int64_t due_us =
        schedule->last_us == INT64_MIN ? INT64_MIN : next_us(schedule, schedule->last_us);
    if (!schedule->failures)
        return due_us;
    int64_t wait_us = RETRY_US << AX_MIN(schedule->failures - 1, (unsigned)RETRY_SHIFTS_MAX);
    return AX_MAX(due_us, schedule->failed_us + AX_MIN(wait_us, schedule->every_us));
}

size_t ax_schedule_pick(const struct ax_schedule *schedules, size_t count, int64_t now_us,
                        size_t *ret_picked)
{
    assert((schedules || !count) && ret_picked);
    const struct ax_schedule *first = NULL;
    int64_t first_us = now_us;
    size_t picked = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t due_us = ax_schedule_due_us(&schedules[i]);
        if (due_us > first_us || (first && due_us == first_us))
            continue;
        first = &schedules[i];
        first_us = due_us;
    }
    for (size_t i = 0; first && i < count; i++)
        if (ax_str_equals(schedules[i].source, first->source) &&
            ax_schedule_due_us(&schedules[i]) <= now_us)
            ret_picked[picked++] = i;
    return picked;
}
