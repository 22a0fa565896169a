/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of a time zone as POSIX writes it, with RFC 8536's extension: times of a change may be
 * negative and up to a week long.
 *
 *   rule   = name offset [ name [ offset ] "," day [ "/" time ] "," day [ "/" time ] ]
 *   name   = at least three letters, or "<" letters, digits, "+", "-" ">"
 *   offset = [ "+" | "-" ] hours [ ":" minutes [ ":" seconds ] ]     west of Greenwich is positive
 *   day    = "M" month "." week "." weekday | "J" day | day
 *
 * Names are what people call the times; nothing here needs them.
 */
#include "base/zone_rule.h"
#include "base/calendar.h"

#include <assert.h>

#define NAME_BYTES_MAX 32

static bool take_number(struct ax_str *rest, unsigned min, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; rest->len && rest->ptr[0] >= '0' && rest->ptr[0] <= '9' && digits < 4; digits++) {
        value = value * 10 + (unsigned)(rest->ptr[0] - '0');
        rest->ptr++;
        rest->len--;
    }
    *ret = value;
    return digits && value >= min && value <= max;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_name(struct ax_str *rest)
{
    bool quoted = ax_str_take_char(rest, '<');
    size_t len = 0;
    while (len < rest->len &&
           (is_letter(rest->ptr[len]) ||
            (quoted && rest->ptr[len] && strchr("0123456789+-", rest->ptr[len]))))
        len++;
    if (len < 3 || len > NAME_BYTES_MAX)
        return false;
    rest->ptr += len;
    rest->len -= len;
    return !quoted || ax_str_take_char(rest, '>');
}

/* [+-]h[h[h]][:mm[:ss]], as seconds. */
static bool take_time(struct ax_str *rest, unsigned hours_max, int32_t *ret_s)
{
    bool negative = ax_str_take_char(rest, '-');
    unsigned hours, minutes = 0, seconds = 0;
    if (!negative)
        (void)ax_str_take_char(rest, '+');
    if (!take_number(rest, 0, hours_max, &hours))
        return false;
    if (ax_str_take_char(rest, ':')) {
        if (!take_number(rest, 0, 59, &minutes))
            return false;
        if (ax_str_take_char(rest, ':') && !take_number(rest, 0, 59, &seconds))
            return false;
    }
    int32_t s = (int32_t)(hours * 3600 + minutes * 60 + seconds);
    *ret_s = negative ? -s : s;
    return true;
}

static bool take_offset(struct ax_str *rest, int32_t *ret_s)
{
    int32_t west;
    if (!take_time(rest, 24, &west))
        return false;
    *ret_s = -west;
    return true;
}

static bool take_day(struct ax_str *rest, struct ax_zone_day *ret_day)
{
    struct ax_zone_day day = { .second = 2 * 3600 };
    if (!ax_str_take_char(rest, ','))
        return false;
    if (ax_str_take_char(rest, 'M')) {
        day.kind = AX_ZONE_DAY_MONTH;
        if (!take_number(rest, 1, 12, &day.month) || !ax_str_take_char(rest, '.') ||
            !take_number(rest, 1, 5, &day.week) || !ax_str_take_char(rest, '.') ||
            !take_number(rest, 0, 6, &day.weekday))
            return false;
    } else if (ax_str_take_char(rest, 'J')) {
        day.kind = AX_ZONE_DAY_JULIAN;
        if (!take_number(rest, 1, 365, &day.day))
            return false;
    } else {
        day.kind = AX_ZONE_DAY_OF_YEAR;
        if (!take_number(rest, 0, 365, &day.day))
            return false;
    }
    if (ax_str_take_char(rest, '/') && !take_time(rest, 167, &day.second))
        return false;
    *ret_day = day;
    return true;
}

bool ax_zone_rule_read(struct ax_str text, struct ax_zone_rule *ret_rule)
{
    assert((text.ptr || !text.len) && ret_rule);
    struct ax_zone_rule rule = { .has_summer = false };
    struct ax_str rest = text;
    if (!take_name(&rest) || !take_offset(&rest, &rule.standard_s))
        return false;
    if (rest.len) {
        rule.has_summer = true;
        if (!take_name(&rest))
            return false;
        rule.summer_s = rule.standard_s + 3600;
        if (rest.len && rest.ptr[0] != ',' && !take_offset(&rest, &rule.summer_s))
            return false;
        if (!take_day(&rest, &rule.begin) || !take_day(&rest, &rule.end) || rest.len)
            return false;
    }
    *ret_rule = rule;
    return true;
}

/* Day `weekday` (0: Sunday) of week `week` of a month; week 5 is the last one. */
static int64_t month_day(const struct ax_zone_day *day, int64_t year)
{
    int64_t first = ax_calendar_days((struct ax_date){ year, day->month, 1 });
    unsigned ahead = (day->weekday + 7 - ax_calendar_weekday(first) % 7) % 7;
    struct ax_date date = { year, day->month, 1 + ahead + 7 * (day->week - 1) };
    while (!ax_calendar_is_date(date))
        date.day -= 7;
    return ax_calendar_days(date);
}

int64_t ax_zone_day_at(const struct ax_zone_day *day, int64_t year, int32_t offset_s)
{
    assert(day);
    int64_t days = 0;
    int64_t january = ax_calendar_days((struct ax_date){ year, 1, 1 });
    switch (day->kind) {
    case AX_ZONE_DAY_MONTH:
        days = month_day(day, year);
        break;
    case AX_ZONE_DAY_JULIAN:
        days = january + (int64_t)day->day - 1 + (day->day >= 60 && ax_calendar_is_leap_year(year));
        break;
    case AX_ZONE_DAY_OF_YEAR:
        days = january + (int64_t)day->day;
        break;
    }
    return days * 86400 + day->second - offset_s;
}
