/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar: dates, parts of times, boundaries, and times as text.
 *
 * Times are microseconds since 1970-01-01T00:00:00 in UTC, or in some zone's own reckoning (see
 * base/zone.h): the calendar is the same. It is the Gregorian one, also before 1582 and with a year
 * 0, without leap seconds. Every int64 is a time (years -290307 to 294247). Weeks begin on Monday
 * and are numbered as ISO 8601 has it. Pure functions; any thread.
 */
#ifndef AX_BASE_CALENDAR_H
#define AX_BASE_CALENDAR_H

#include "base/str.h"

#define AX_US_PER_S   INT64_C(1000000)
#define AX_US_PER_DAY INT64_C(86400000000)

/* The years that have four digits. */
#define AX_CALENDAR_MIN_US INT64_C(-62135596800000000) /* 0001-01-01T00:00:00 */
#define AX_CALENDAR_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999 */

struct ax_date {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
};

/* Days since 1970-01-01, and back. The date is one that there is, of a year that is at most 1e9
 * away from 0; the days are at most 3e11 away. */
int64_t ax_calendar_days(struct ax_date date);
struct ax_date ax_calendar_date(int64_t days);

bool ax_calendar_is_date(struct ax_date date);
bool ax_calendar_is_leap_year(int64_t year);

/* The day that a time lies in: rounded down. */
int64_t ax_calendar_day_of(int64_t us);

/* Monday is 1, Sunday 7. */
unsigned ax_calendar_weekday(int64_t days);

/* Units of time, and the words for them ("hour", "hours"). */
#define AX_CALENDAR_UNIT_LIST(X)  \
    X(MICROSECOND, "microsecond") \
    X(MILLISECOND, "millisecond") \
    X(SECOND, "second")           \
    X(MINUTE, "minute")           \
    X(HOUR, "hour")               \
    X(DAY, "day")                 \
    X(WEEK, "week")               \
    X(MONTH, "month")             \
    X(QUARTER, "quarter")         \
    X(YEAR, "year")

enum ax_calendar_unit {
#define X(name, text) AX_CALENDAR_##name,
    AX_CALENDAR_UNIT_LIST(X)
#undef X
        AX_CALENDAR_UNIT_COUNT
};

const char *ax_calendar_unit_name(enum ax_calendar_unit unit) AX_RETURNS_NONNULL;
/* ASCII letters of either case, singular or plural. */
AX_MUST_USE bool ax_calendar_unit_from_name(struct ax_str name, enum ax_calendar_unit *ret);

/* The time at which the unit that holds `us` begins. False when that is before the first int64. */
AX_MUST_USE bool ax_calendar_trunc(enum ax_calendar_unit unit, int64_t us, int64_t *ret);

/* How many times a unit begins in (from, to]; negative when `to` is earlier. False when the number
 * of microseconds does not fit. */
AX_MUST_USE bool ax_calendar_diff(enum ax_calendar_unit unit, int64_t from, int64_t to,
                                  int64_t *ret);

/* The same for `count` pairs, for units from the second to the day, in which nothing can be too
 * large; false for the others. */
AX_MUST_USE bool ax_calendar_diff_all(enum ax_calendar_unit unit, const int64_t *from,
                                      const int64_t *to, size_t count, int64_t *ret);

/* Parts of a time. MILLISECOND and MICROSECOND are within the minute, as SQL has it. */
#define AX_CALENDAR_FIELD_LIST(X) \
    X(YEAR, "year")               \
    X(QUARTER, "quarter")         \
    X(MONTH, "month")             \
    X(WEEK, "week")               \
    X(DAY, "day")                 \
    X(DOW, "dow")                 \
    X(DOY, "doy")                 \
    X(ISOYEAR, "isoyear")         \
    X(HOUR, "hour")               \
    X(MINUTE, "minute")           \
    X(SECOND, "second")           \
    X(MILLISECOND, "millisecond") \
    X(MICROSECOND, "microsecond")

enum ax_calendar_field {
#define X(name, text) AX_CALENDAR_FIELD_##name,
    AX_CALENDAR_FIELD_LIST(X)
#undef X
        AX_CALENDAR_FIELD_COUNT
};

const char *ax_calendar_field_name(enum ax_calendar_field field) AX_RETURNS_NONNULL;
/* ASCII letters of either case. */
AX_MUST_USE bool ax_calendar_field_from_name(struct ax_str name, enum ax_calendar_field *ret);

int64_t ax_calendar_get(enum ax_calendar_field field, int64_t us);

/* Read a time, all of `text`: YYYY-MM-DD, then nothing or 'T', 't' or one space and HH:MM, :SS,
 * .fraction, and then nothing (*ret_naive: no offset was told; the time is as it is written), 'Z',
 * 'z', or an offset +HH, +HHMM, +HH:MM, which is subtracted. Hours are 00 to 23, seconds 00 to 59,
 * years 0001 to 9999, also in UTC. Of the fraction six digits count, at most 30 may stand. */
AX_MUST_USE bool ax_calendar_parse(struct ax_str text, int64_t *ret_us, bool *ret_naive);

/* Print it as RFC 3339 in UTC, with as many digits behind the second as it needs:
 * "2013-12-01T10:00:00Z", "2013-12-01T10:00:00.25Z". Years that have no four digits are printed
 * with what they have. The text ends in NUL. Returns its length. */
#define AX_CALENDAR_TEXT_SIZE 40
size_t ax_calendar_text(int64_t us, char ret_text[AX_CALENDAR_TEXT_SIZE]);

#endif
