/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as text: RFC 3339 and what people write for it.
 *
 * The reader moves over the text piece by piece; each piece either takes its characters or takes
 * nothing and says no. Digits behind the sixth of a fraction are dropped, which rounds down, since
 * the fraction counts from the second before it, also before 1970.
 */
#include "base/calendar.h"

#include <assert.h>
#include <stdio.h>

#define FRACTION_DIGITS_MAX 30

struct calendar_reader {
    struct ax_str rest;
};

static bool take_char(struct calendar_reader *reader, char c)
{
    if (!reader->rest.len || reader->rest.ptr[0] != c)
        return false;
    reader->rest.ptr++;
    reader->rest.len--;
    return true;
}

static bool take_digit(struct calendar_reader *reader, unsigned *ret)
{
    if (!reader->rest.len || reader->rest.ptr[0] < '0' || reader->rest.ptr[0] > '9')
        return false;
    *ret = (unsigned)(reader->rest.ptr[0] - '0');
    reader->rest.ptr++;
    reader->rest.len--;
    return true;
}

/* Exactly `count` digits, and no value over `max`. */
static bool take_number(struct calendar_reader *reader, unsigned count, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit;
        if (!take_digit(reader, &digit))
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return value <= max;
}

static bool take_date(struct calendar_reader *reader, int64_t *ret_us)
{
    unsigned year, month, day;
    if (!take_number(reader, 4, 9999, &year) || !take_char(reader, '-') ||
        !take_number(reader, 2, 12, &month) || !take_char(reader, '-') ||
        !take_number(reader, 2, 31, &day))
        return false;
    struct ax_date date = { .year = year, .month = month, .day = day };
    if (!year || !ax_calendar_is_date(date))
        return false;
    *ret_us = ax_calendar_days(date) * AX_US_PER_DAY;
    return true;
}

static bool take_fraction(struct calendar_reader *reader, int64_t *ret_us)
{
    int64_t us = 0;
    unsigned count = 0;
    unsigned digit;
    while (take_digit(reader, &digit))
        if (count++ < 6)
            us = us * 10 + digit;
    if (!count || count > FRACTION_DIGITS_MAX)
        return false;
    for (; count < 6; count++)
        us *= 10;
    *ret_us = us;
    return true;
}

static bool take_time(struct calendar_reader *reader, int64_t *ret_us)
{
    unsigned hour, minute, second = 0;
    int64_t fraction = 0;
    if (!take_number(reader, 2, 23, &hour) || !take_char(reader, ':') ||
        !take_number(reader, 2, 59, &minute))
        return false;
    if (take_char(reader, ':')) {
        if (!take_number(reader, 2, 59, &second))
            return false;
        if (take_char(reader, '.') && !take_fraction(reader, &fraction))
            return false;
    }
    *ret_us = ((int64_t)hour * 3600 + (int64_t)minute * 60 + second) * AX_US_PER_S + fraction;
    return true;
}

/* Nothing at all is fine, and leaves *ret_naive true. */
static bool take_offset(struct calendar_reader *reader, int64_t *ret_us, bool *ret_naive)
{
    *ret_us = 0;
    *ret_naive = !reader->rest.len;
    if (!reader->rest.len || take_char(reader, 'Z') || take_char(reader, 'z'))
        return true;
    bool west = take_char(reader, '-');
    unsigned hours, minutes = 0;
    if ((!west && !take_char(reader, '+')) || !take_number(reader, 2, 23, &hours))
        return false;
    if (reader->rest.len) {
        (void)take_char(reader, ':');
        if (!take_number(reader, 2, 59, &minutes))
            return false;
    }
    int64_t us = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * AX_US_PER_S;
    *ret_us = west ? -us : us;
    return true;
}

bool ax_calendar_parse(struct ax_str text, int64_t *ret_us, bool *ret_naive)
{
    assert((text.ptr || !text.len) && ret_us && ret_naive);
    struct calendar_reader reader = { text };
    int64_t date, time = 0, offset = 0;
    bool naive = true;
    if (!take_date(&reader, &date))
        return false;
    if (reader.rest.len) {
        if (!take_char(&reader, 'T') && !take_char(&reader, 't') && !take_char(&reader, ' '))
            return false;
        if (!take_time(&reader, &time) || !take_offset(&reader, &offset, &naive) || reader.rest.len)
            return false;
    }
    int64_t us = date + time - offset;
    if (us < AX_CALENDAR_MIN_US || us > AX_CALENDAR_MAX_US)
        return false;
    *ret_us = us;
    *ret_naive = naive;
    return true;
}

/* So many digits of a number, the last ones, to *at, and what stands in front of them. */
static char *put_digits(char *at, const char *front, unsigned value, size_t count)
{
    if (*front)
        *at++ = *front;
    for (size_t i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

size_t ax_calendar_text(int64_t us, char ret_text[AX_CALENDAR_TEXT_SIZE])
{
    assert(ret_text);
    int64_t day = ax_calendar_day_of(us);
    int64_t of_day = us % AX_US_PER_DAY + (us % AX_US_PER_DAY < 0 ? AX_US_PER_DAY : 0);
    struct ax_date date = ax_calendar_date(day);
    unsigned year = (unsigned)(date.year < 0 ? -date.year : date.year);
    unsigned seconds = (unsigned)(of_day / AX_US_PER_S);
    /* Years of 64-bit microseconds have at most six digits. */
    char *at = put_digits(ret_text, date.year < 0 ? "-" : "", year,
                          year > 99999  ? 6
                          : year > 9999 ? 5
                                        : 4);
    at = put_digits(at, "-", date.month, 2);
    at = put_digits(at, "-", date.day, 2);
    at = put_digits(at, "T", seconds / 3600, 2);
    at = put_digits(at, ":", seconds / 60 % 60, 2);
    at = put_digits(at, ":", seconds % 60, 2);
    at = put_digits(at, ".", (unsigned)(of_day % AX_US_PER_S), 6);
    size_t end = (size_t)(at - ret_text);
    assert(end < AX_CALENDAR_TEXT_SIZE - 1);
    while (ret_text[end - 1] == '0')
        end--;
    if (ret_text[end - 1] == '.')
        end--;
    ret_text[end] = 'Z';
    ret_text[end + 1] = '\0';
    return end + 1;
}
