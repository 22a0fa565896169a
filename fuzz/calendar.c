/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a time as text. What is read is printed and read again as the same time, and its
 * parts, put together, are the time.
 */
#include "base/calendar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t us, again;
    bool naive;
    if (!ax_calendar_parse((struct ax_str){ (const char *)data, size }, &us, &naive))
        return 0;
    char text[AX_CALENDAR_TEXT_SIZE];
    size_t len = ax_calendar_text(us, text);
    if (!ax_calendar_parse((struct ax_str){ text, len }, &again, &naive) || again != us || naive)
        abort();
    struct ax_date date = {
        .year = ax_calendar_get(AX_CALENDAR_FIELD_YEAR, us),
        .month = (unsigned)ax_calendar_get(AX_CALENDAR_FIELD_MONTH, us),
        .day = (unsigned)ax_calendar_get(AX_CALENDAR_FIELD_DAY, us),
    };
    int64_t parts = ax_calendar_days(date) * AX_US_PER_DAY +
                    (ax_calendar_get(AX_CALENDAR_FIELD_HOUR, us) * 60 +
                     ax_calendar_get(AX_CALENDAR_FIELD_MINUTE, us)) *
                        60 * AX_US_PER_S +
                    ax_calendar_get(AX_CALENDAR_FIELD_MICROSECOND, us);
    if (!ax_calendar_is_date(date) || parts != us)
        abort();
    return 0;
}
