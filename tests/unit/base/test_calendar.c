/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: dates, parts, boundaries and texts of times are right, before 1970 and at the ends of int64
 * too; what is no time is refused.
 * Method: every day of 800 years walked one by one beside a counter that knows only the lengths of
 * months; tables from DuckDB 1.5.5 and Python; texts read and printed again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/calendar.h"

#include <stdio.h>

static int64_t us_of(const char *text)
{
    int64_t us;
    bool naive;
    if (!ax_calendar_parse(ax_str_from(text), &us, &naive))
        fail_msg("'%s' is not read", text);
    return us;
}

static void every_day_of_eight_centuries(void **state)
{
    (void)state;
    static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct ax_date date = { 1600, 1, 1 };
    int64_t days = -135140; /* 1600-01-01 */
    unsigned weekday = 6;   /* a Saturday */
    int64_t of_year = 1, week_year = 1599, week = 52;
    while (date.year < 2400) {
        assert_int_equal(ax_calendar_days(date), days);
        struct ax_date back = ax_calendar_date(days);
        assert_true(back.year == date.year && back.month == date.month && back.day == date.day);
        assert_int_equal(ax_calendar_weekday(days), weekday);
        int64_t us = days * AX_US_PER_DAY + 1;
        assert_int_equal(ax_calendar_get(AX_CALENDAR_FIELD_DOY, us), of_year);
        assert_int_equal(ax_calendar_get(AX_CALENDAR_FIELD_WEEK, us), week);
        assert_int_equal(ax_calendar_get(AX_CALENDAR_FIELD_ISOYEAR, us), week_year);
        assert_int_equal(ax_calendar_get(AX_CALENDAR_FIELD_QUARTER, us), (date.month + 2) / 3);
        bool leap = date.year % 400 == 0 || (date.year % 4 == 0 && date.year % 100 != 0);
        days++;
        of_year++;
        if (date.day++ == lengths[date.month - 1] + (leap && date.month == 2)) {
            date.day = 1;
            if (date.month++ == 12) {
                date.month = 1;
                date.year++;
                of_year = 1;
            }
        }
        weekday = weekday % 7 + 1;
        /* A Monday begins week 1 when January the 4th is in it. */
        if (weekday == 1) {
            bool first = (date.month == 12 && date.day >= 29) || (date.month == 1 && date.day <= 4);
            week = first ? 1 : week + 1;
            if (first)
                week_year = date.year + (date.month == 12);
        }
    }
}

static void dates_that_are_none(void **state)
{
    (void)state;
    static const struct ax_date bad[] = { { 2023, 2, 29 }, { 1900, 2, 29 }, { 2024, 2, 30 },
                                          { 2024, 4, 31 }, { 2024, 0, 1 },  { 2024, 13, 1 },
                                          { 2024, 1, 0 },  { 2024, 1, 32 } };
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_false(ax_calendar_is_date(bad[i]));
    assert_true(ax_calendar_is_date((struct ax_date){ 2000, 2, 29 }));
    assert_true(ax_calendar_is_date((struct ax_date){ 2024, 12, 31 }));
}

static void fields_of_a_time(void **state)
{
    (void)state;
    int64_t us = us_of("1969-07-20T20:17:40.123456Z");
    static const int64_t wanted[] = {
        [AX_CALENDAR_FIELD_YEAR] = 1969,
        [AX_CALENDAR_FIELD_QUARTER] = 3,
        [AX_CALENDAR_FIELD_MONTH] = 7,
        [AX_CALENDAR_FIELD_WEEK] = 29,
        [AX_CALENDAR_FIELD_DAY] = 20,
        [AX_CALENDAR_FIELD_DOW] = 7,
        [AX_CALENDAR_FIELD_DOY] = 201,
        [AX_CALENDAR_FIELD_ISOYEAR] = 1969,
        [AX_CALENDAR_FIELD_HOUR] = 20,
        [AX_CALENDAR_FIELD_MINUTE] = 17,
        [AX_CALENDAR_FIELD_SECOND] = 40,
        [AX_CALENDAR_FIELD_MILLISECOND] = 40123,
        [AX_CALENDAR_FIELD_MICROSECOND] = 40123456,
    };
    for (unsigned i = 0; i < AX_CALENDAR_FIELD_COUNT; i++) {
        enum ax_calendar_field field;
        assert_true(ax_calendar_field_from_name(ax_str_from(ax_calendar_field_name(i)), &field));
        assert_int_equal(field, i);
        assert_int_equal(ax_calendar_get(field, us), wanted[i]);
    }
    enum ax_calendar_field field = AX_CALENDAR_FIELD_DOY;
    assert_true(ax_calendar_field_from_name(AX_STR("HOUR"), &field));
    assert_int_equal(field, AX_CALENDAR_FIELD_HOUR);
    assert_false(ax_calendar_field_from_name(AX_STR("fortnight"), &field));
    assert_false(ax_calendar_field_from_name(AX_STR(""), &field));
}

static void truncates(void **state)
{
    (void)state;
    static const struct {
        const char *unit, *from, *to;
    } rows[] = {
        { "microsecond", "2013-06-15T12:34:56.789012", "2013-06-15T12:34:56.789012" },
        { "millisecond", "2013-06-15T12:34:56.789012", "2013-06-15T12:34:56.789" },
        { "second", "1969-12-31T23:59:59.5", "1969-12-31T23:59:59" },
        { "minute", "2013-06-15T12:34:56.789012", "2013-06-15T12:34" },
        { "hour", "1969-12-31T23:59:59.5", "1969-12-31T23:00" },
        { "day", "1969-12-31T23:59:59.5", "1969-12-31" },
        { "week", "2013-06-16T23:59:59", "2013-06-10" },
        { "week", "1970-01-01", "1969-12-29" },
        { "month", "2012-02-29T01:00", "2012-02-01" },
        { "quarter", "1968-06-30T23:59", "1968-04-01" },
        { "year", "1969-12-31T23:59:59.5", "1969-01-01" },
        { "Years", "2000-02-29", "2000-01-01" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        enum ax_calendar_unit unit;
        int64_t got;
        assert_true(ax_calendar_unit_from_name(ax_str_from(rows[i].unit), &unit));
        assert_true(ax_calendar_trunc(unit, us_of(rows[i].from), &got));
        assert_int_equal(got, us_of(rows[i].to));
    }
    enum ax_calendar_unit unit;
    assert_false(ax_calendar_unit_from_name(AX_STR("eon"), &unit));
    assert_false(ax_calendar_unit_from_name(AX_STR("s"), &unit));
    assert_false(ax_calendar_unit_from_name(AX_STR(""), &unit));
    assert_string_equal(ax_calendar_unit_name(AX_CALENDAR_QUARTER), "quarter");
}

static void counts_boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *unit, *from, *to;
        int64_t wanted;
    } rows[] = {
        { "day", "2013-01-01T23:59:59", "2013-01-02T00:00:00", 1 },
        { "day", "2013-01-02T00:00:00", "2013-01-01T23:59:59", -1 },
        { "hour", "1969-12-31T23:59:59", "1970-01-01T00:00:00", 1 },
        { "week", "2013-06-16T23:59:59", "2013-06-17T00:00:00", 1 },
        { "month", "2012-01-31", "2013-02-01", 13 },
        { "month", "2012-02-29", "2012-02-01", 0 },
        { "quarter", "1969-12-31", "1970-01-01", 1 },
        { "year", "1999-12-31T23:59:59.999999", "2000-01-01", 1 },
        { "microsecond", "1999-12-31T23:59:59.999999", "2000-01-01", 1 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        enum ax_calendar_unit unit;
        int64_t got;
        assert_true(ax_calendar_unit_from_name(ax_str_from(rows[i].unit), &unit));
        assert_true(ax_calendar_diff(unit, us_of(rows[i].from), us_of(rows[i].to), &got));
        int64_t from = us_of(rows[i].from), to = us_of(rows[i].to), all = 0;
        bool has_all = unit >= AX_CALENDAR_SECOND && unit <= AX_CALENDAR_DAY;
        assert_int_equal(ax_calendar_diff_all(unit, &from, &to, 1, &all), has_all);
        assert_true(!has_all || all == got);
        assert_int_equal(got, rows[i].wanted);
    }
}

static void the_ends_of_int64(void **state)
{
    (void)state;
    int64_t got = 7;
    assert_true(ax_calendar_trunc(AX_CALENDAR_MICROSECOND, INT64_MIN, &got));
    assert_int_equal(got, INT64_MIN);
    for (unsigned unit = AX_CALENDAR_MILLISECOND; unit < AX_CALENDAR_UNIT_COUNT; unit++) {
        assert_false(ax_calendar_trunc(unit, INT64_MIN, &got));
        assert_true(ax_calendar_trunc(unit, INT64_MAX, &got));
        assert_true(got <= INT64_MAX && got > INT64_MAX - 366 * AX_US_PER_DAY);
    }
    assert_false(ax_calendar_diff(AX_CALENDAR_MICROSECOND, INT64_MIN, INT64_MAX, &got));
    assert_true(ax_calendar_diff(AX_CALENDAR_YEAR, INT64_MIN, INT64_MAX, &got));
    assert_int_equal(got, 294247 + 290308);
    for (unsigned i = 0; i < AX_CALENDAR_FIELD_COUNT; i++) {
        (void)ax_calendar_get(i, INT64_MIN);
        (void)ax_calendar_get(i, INT64_MAX);
    }
    assert_int_equal(ax_calendar_get(AX_CALENDAR_FIELD_YEAR, INT64_MAX), 294247);
    char text[AX_CALENDAR_TEXT_SIZE];
    (void)ax_calendar_text(INT64_MIN, text);
    assert_string_equal(text, "-290308-12-21T19:59:05.224192Z");
    (void)ax_calendar_text(INT64_MAX, text);
    assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
}

static void reads_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        bool naive;
    } rows[] = {
        { "1970-01-01", 0, true },
        { "1970-01-01T00:00:01", 1000000, true },
        { "1970-01-01 00:00:01Z", 1000000, false },
        { "1970-01-01t00:01z", 60000000, false },
        { "1970-01-01T00:00:00.1", 100000, true },
        { "1970-01-01T00:00:00.123456789Z", 123456, false },
        { "1969-12-31T23:59:59.9999999Z", -1, false }, /* down, and not to 0 */
        { "1970-01-01T01:00:00+01:00", 0, false },
        { "1970-01-01T01:00:00+0100", 0, false },
        { "1970-01-01T01:00:00+01", 0, false },
        { "1969-12-31T18:30:00-05:30", 0, false },
        { "0001-01-01", AX_CALENDAR_MIN_US, true },
        { "9999-12-31T23:59:59.999999Z", AX_CALENDAR_MAX_US, false },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        int64_t us = 7;
        bool naive = !rows[i].naive;
        if (!ax_calendar_parse(ax_str_from(rows[i].text), &us, &naive) || us != rows[i].us ||
            naive != rows[i].naive)
            fail_msg("'%s': %lld", rows[i].text, (long long)us);
    }
}

static void refuses_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1970",
        "1970-1-1",
        "1970-01-01T",
        "1970-01-01 ",
        "1970-01-01T24:00:00",
        "1970-01-01T00:60:00",
        "1970-01-01T00:00:60",
        "1970-01-01T00",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00:00.1234567890123456789012345678901",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00+1",
        "1970-01-01T00:00:00+01:",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+24:00",
        "1970-02-29",
        "0000-01-01",
        "10000-01-01",
        " 1970-01-01",
        "1970-01-01  00:00",
        "1970-01-01T00:00:00 Z",
        "1970-01-01Z",
        "1970-00-01",
        "1970-01-00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1970-01-01T00:00:00\xe2\x88\x92:01",
        "70-01-01",
        "1970/01/01",
        "now",
        "infinity",
        "+1970-01-01",
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        int64_t us = 7;
        bool naive = true;
        if (ax_calendar_parse(ax_str_from(bad[i]), &us, &naive))
            fail_msg("'%s' is read as %lld", bad[i], (long long)us);
        assert_int_equal(us, 7);
    }
    int64_t us;
    bool naive;
    assert_false(ax_calendar_parse((struct ax_str){ "1970-01-01\0", 11 }, &us, &naive));
}

static void prints_what_it_reads(void **state)
{
    (void)state;
    static const char *const texts[] = { "2013-12-01T10:00:00Z",        "2013-12-01T10:00:00.25Z",
                                         "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
                                         "2000-02-29T12:00:10Z",        "2013-10-20T00:00:00.1Z" };
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        char text[AX_CALENDAR_TEXT_SIZE];
        size_t len = ax_calendar_text(us_of(texts[i]), text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(len, strlen(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_eight_centuries),
        cmocka_unit_test(dates_that_are_none),
        cmocka_unit_test(fields_of_a_time),
        cmocka_unit_test(truncates),
        cmocka_unit_test(counts_boundaries),
        cmocka_unit_test(the_ends_of_int64),
        cmocka_unit_test(reads_texts),
        cmocka_unit_test(refuses_texts),
        cmocka_unit_test(prints_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
