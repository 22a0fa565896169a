/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar, by arithmetic alone: libc's functions depend on the time zone or keep state.
 *
 * Years begin in March here, so that the leap day is the last one of its year, and 400 of them (an
 * era of 146,097 days, which is a whole number of weeks) repeat. All divisions round down, so times
 * before 1970 need no cases of their own.
 */
#include "base/calendar.h"

#include <assert.h>

#define DAYS_PER_ERA  146097
#define DAYS_TO_EPOCH 719468 /* from 0000-03-01 to 1970-01-01 */
#define US_PER_MINUTE INT64_C(60000000)
#define US_PER_HOUR   INT64_C(3600000000)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
}

int64_t ax_calendar_days(struct ax_date date)
{
    assert(date.month >= 1 && date.month <= 12);
    int64_t year = date.year - (date.month <= 2);
    int64_t era = floor_div(year, 400);
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (int64_t)(date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 +
                      (int64_t)date.day - 1;
    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_EPOCH;
}

struct ax_date ax_calendar_date(int64_t days)
{
    days += DAYS_TO_EPOCH;
    int64_t era = floor_div(days, DAYS_PER_ERA);
    unsigned of_era = (unsigned)(days - era * DAYS_PER_ERA);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* 0 is March */
    return (struct ax_date){
        .year = (int64_t)year + era * 400 + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

bool ax_calendar_is_leap_year(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool ax_calendar_is_date(struct ax_date date)
{
    static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (date.month < 1 || date.month > 12 || date.day < 1)
        return false;
    unsigned length = lengths[date.month - 1];
    return date.day <= length + (date.month == 2 && ax_calendar_is_leap_year(date.year));
}

int64_t ax_calendar_day_of(int64_t us)
{
    return floor_div(us, AX_US_PER_DAY);
}

unsigned ax_calendar_weekday(int64_t days)
{
    return (unsigned)floor_mod(days + 3, 7) + 1; /* 1970-01-01 was a Thursday */
}

static const char *const unit_names[] = {
#define X(name, text) [AX_CALENDAR_##name] = (text),
    AX_CALENDAR_UNIT_LIST(X)
#undef X
};

const char *ax_calendar_unit_name(enum ax_calendar_unit unit)
{
    assert(unit < AX_CALENDAR_UNIT_COUNT);
    return unit_names[unit];
}

bool ax_calendar_unit_from_name(struct ax_str name, enum ax_calendar_unit *ret)
{
    assert((name.ptr || !name.len) && ret);
    if (name.len > 1 && (name.ptr[name.len - 1] | 0x20) == 's')
        name.len--;
    for (unsigned i = 0; i < AX_CALENDAR_UNIT_COUNT; i++) {
        if (!ax_str_equals_nocase(name, ax_str_from(unit_names[i])))
            continue;
        *ret = (enum ax_calendar_unit)i;
        return true;
    }
    return false;
}

/* Microseconds of the units that always last as long; 0: a month is not one of them. */
static int64_t unit_us(enum ax_calendar_unit unit)
{
    switch (unit) {
    case AX_CALENDAR_MICROSECOND:
        return 1;
    case AX_CALENDAR_MILLISECOND:
        return 1000;
    case AX_CALENDAR_SECOND:
        return AX_US_PER_S;
    case AX_CALENDAR_MINUTE:
        return US_PER_MINUTE;
    case AX_CALENDAR_HOUR:
        return US_PER_HOUR;
    case AX_CALENDAR_DAY:
        return AX_US_PER_DAY;
    case AX_CALENDAR_WEEK:
        return 7 * AX_US_PER_DAY;
    case AX_CALENDAR_MONTH:
    case AX_CALENDAR_QUARTER:
    case AX_CALENDAR_YEAR:
    case AX_CALENDAR_UNIT_COUNT:
        break;
    }
    return 0;
}

/* Months of the others. */
static int64_t unit_months(enum ax_calendar_unit unit)
{
    return unit == AX_CALENDAR_MONTH ? 1 : unit == AX_CALENDAR_QUARTER ? 3 : 12;
}

/* The number of the unit that holds `us`; 1970-01-01 lies in unit 0, and weeks are counted from the
 * Monday before it. */
static int64_t unit_number(enum ax_calendar_unit unit, int64_t us)
{
    struct ax_date date;
    switch (unit) { /* divisors that the compiler knows become multiplications */
    case AX_CALENDAR_SECOND:
        return floor_div(us, AX_US_PER_S);
    case AX_CALENDAR_MINUTE:
        return floor_div(us, 60 * AX_US_PER_S);
    case AX_CALENDAR_HOUR:
        return floor_div(us, US_PER_HOUR);
    case AX_CALENDAR_DAY:
        return floor_div(us, AX_US_PER_DAY);
    case AX_CALENDAR_WEEK:
        return floor_div(ax_calendar_day_of(us) + 3, 7);
    case AX_CALENDAR_MICROSECOND:
    case AX_CALENDAR_MILLISECOND:
        return floor_div(us, unit_us(unit));
    case AX_CALENDAR_MONTH:
    case AX_CALENDAR_QUARTER:
    case AX_CALENDAR_YEAR:
    case AX_CALENDAR_UNIT_COUNT:
        break;
    }
    date = ax_calendar_date(ax_calendar_day_of(us));
    return floor_div((date.year - 1970) * 12 + (int64_t)date.month - 1, unit_months(unit));
}

bool ax_calendar_trunc(enum ax_calendar_unit unit, int64_t us, int64_t *ret)
{
    assert(unit < AX_CALENDAR_UNIT_COUNT && ret);
    int64_t number = unit_number(unit, us);
    if (unit < AX_CALENDAR_DAY)
        return !AX_MUL_OVERFLOWS(number, unit_us(unit), ret);
    int64_t day;
    if (unit == AX_CALENDAR_DAY) {
        day = number;
    } else if (unit == AX_CALENDAR_WEEK) {
        day = number * 7 - 3;
    } else {
        int64_t month = number * unit_months(unit);
        day = ax_calendar_days((struct ax_date){
            .year = 1970 + floor_div(month, 12),
            .month = (unsigned)floor_mod(month, 12) + 1,
            .day = 1,
        });
    }
    return !AX_MUL_OVERFLOWS(day, AX_US_PER_DAY, ret);
}

bool ax_calendar_diff(enum ax_calendar_unit unit, int64_t from, int64_t to, int64_t *ret)
{
    assert(unit < AX_CALENDAR_UNIT_COUNT && ret);
    int64_t first = unit_number(unit, from);
    int64_t last = unit_number(unit, to);
    return !__builtin_sub_overflow(last, first, ret);
}

/* A loop a unit, so that each has a divisor that the compiler knows. */
bool ax_calendar_diff_all(enum ax_calendar_unit unit, const int64_t *from, const int64_t *to,
                          size_t count, int64_t *ret)
{
    assert(unit < AX_CALENDAR_UNIT_COUNT && ((from && to && ret) || !count));
    if (unit == AX_CALENDAR_SECOND)
        for (size_t i = 0; i < count; i++)
            ret[i] = floor_div(to[i], AX_US_PER_S) - floor_div(from[i], AX_US_PER_S);
    else if (unit == AX_CALENDAR_MINUTE)
        for (size_t i = 0; i < count; i++)
            ret[i] = floor_div(to[i], 60 * AX_US_PER_S) - floor_div(from[i], 60 * AX_US_PER_S);
    else if (unit == AX_CALENDAR_HOUR)
        for (size_t i = 0; i < count; i++)
            ret[i] = floor_div(to[i], US_PER_HOUR) - floor_div(from[i], US_PER_HOUR);
    else if (unit == AX_CALENDAR_DAY)
        for (size_t i = 0; i < count; i++)
            ret[i] = floor_div(to[i], AX_US_PER_DAY) - floor_div(from[i], AX_US_PER_DAY);
    else
        return false;
    return true;
}

static const char *const field_names[] = {
#define X(name, text) [AX_CALENDAR_FIELD_##name] = (text),
    AX_CALENDAR_FIELD_LIST(X)
#undef X
};

const char *ax_calendar_field_name(enum ax_calendar_field field)
{
    assert(field < AX_CALENDAR_FIELD_COUNT);
    return field_names[field];
}

bool ax_calendar_field_from_name(struct ax_str name, enum ax_calendar_field *ret)
{
    assert((name.ptr || !name.len) && ret);
    for (unsigned i = 0; i < AX_CALENDAR_FIELD_COUNT; i++) {
        if (!ax_str_equals_nocase(name, ax_str_from(field_names[i])))
            continue;
        *ret = (enum ax_calendar_field)i;
        return true;
    }
    return false;
}

static int64_t day_of_year(int64_t days)
{
    struct ax_date date = ax_calendar_date(days);
    return days - ax_calendar_days((struct ax_date){ date.year, 1, 1 }) + 1;
}

/* The Thursday of its week says to which year a week belongs, and how many weeks came before. */
static int64_t thursday_of(int64_t days)
{
    return days - (int64_t)ax_calendar_weekday(days) + 4;
}

static int64_t date_get(enum ax_calendar_field field, int64_t days)
{
    switch (field) {
    case AX_CALENDAR_FIELD_YEAR:
        return ax_calendar_date(days).year;
    case AX_CALENDAR_FIELD_QUARTER:
        return (ax_calendar_date(days).month + 2) / 3;
    case AX_CALENDAR_FIELD_MONTH:
        return ax_calendar_date(days).month;
    case AX_CALENDAR_FIELD_DAY:
        return ax_calendar_date(days).day;
    case AX_CALENDAR_FIELD_WEEK:
        return (day_of_year(thursday_of(days)) + 6) / 7;
    case AX_CALENDAR_FIELD_ISOYEAR:
        return ax_calendar_date(thursday_of(days)).year;
    case AX_CALENDAR_FIELD_DOW:
        return ax_calendar_weekday(days);
    case AX_CALENDAR_FIELD_DOY:
        return day_of_year(days);
    case AX_CALENDAR_FIELD_HOUR:
    case AX_CALENDAR_FIELD_MINUTE:
    case AX_CALENDAR_FIELD_SECOND:
    case AX_CALENDAR_FIELD_MILLISECOND:
    case AX_CALENDAR_FIELD_MICROSECOND:
    case AX_CALENDAR_FIELD_COUNT:
        break;
    }
    return 0;
}

int64_t ax_calendar_get(enum ax_calendar_field field, int64_t us)
{
    assert(field < AX_CALENDAR_FIELD_COUNT);
    int64_t of_day = floor_mod(us, AX_US_PER_DAY);
    int64_t of_minute = of_day % US_PER_MINUTE;
    switch (field) {
    case AX_CALENDAR_FIELD_HOUR:
        return of_day / US_PER_HOUR;
    case AX_CALENDAR_FIELD_MINUTE:
        return of_day / US_PER_MINUTE % 60;
    case AX_CALENDAR_FIELD_SECOND:
        return of_minute / AX_US_PER_S;
    case AX_CALENDAR_FIELD_MILLISECOND:
        return of_minute / 1000;
    case AX_CALENDAR_FIELD_MICROSECOND:
        return of_minute;
    case AX_CALENDAR_FIELD_YEAR:
    case AX_CALENDAR_FIELD_QUARTER:
    case AX_CALENDAR_FIELD_MONTH:
    case AX_CALENDAR_FIELD_WEEK:
    case AX_CALENDAR_FIELD_DAY:
    case AX_CALENDAR_FIELD_DOW:
    case AX_CALENDAR_FIELD_DOY:
    case AX_CALENDAR_FIELD_ISOYEAR:
    case AX_CALENDAR_FIELD_COUNT:
        break;
    }
    return date_get(field, ax_calendar_day_of(us));
}
