/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: times print as RFC 3339 says, and ids are UUIDs of version 7 that rise in a thread and
 * differ between threads.
 * Method: the calendar against gmtime_r for every 97th hour of 0..9999; ids of four threads in one
 * map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/thread.h"

#include <stdio.h>
#include <time.h>

static void known_times(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { 1385892000000000, "2013-12-01T10:00:00.000000Z" },
        { 951782400000000, "2000-02-29T00:00:00.000000Z" },
        { 253402300799999999, "9999-12-31T23:59:59.999999Z" },
        { -62167219200000000, "0000-01-01T00:00:00.000000Z" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char text[AX_CLOCK_TEXT_SIZE];
        ax_clock_text(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void calendar_against_libc(void **state)
{
    (void)state;
    for (int64_t s = INT64_C(-62167219200); s < INT64_C(253402300800); s += 97 * 3600 + 1) {
        char text[AX_CLOCK_TEXT_SIZE];
        char wanted[64];
        struct tm tm;
        time_t t = (time_t)s;
        assert_non_null(gmtime_r(&t, &tm));
        (void)snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02d.000007Z",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
        ax_clock_text(s * 1000000 + 7, text);
        assert_string_equal(text, wanted);
    }
}

static void clocks_agree_with_libc(void **state)
{
    (void)state;
    uint64_t before = ax_clock_ns();
    int64_t wall = ax_clock_wall_us();
    time_t now = time(NULL);
    assert_true(wall / 1000000 >= now - 2 && wall / 1000000 <= now + 2);
    assert_true(ax_clock_ns() >= before);
}

static void assert_is_uuid7(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = text[i];
        assert_true(dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    }
    assert_int_equal(text[36], 0);
    assert_int_equal(text[14], '7');
    assert_non_null(strchr("89ab", text[19]));
}

static void ids_rise_and_hold_the_time(void **state)
{
    (void)state;
    char last[AX_UUID_TEXT_SIZE] = "";
    for (int i = 0; i < 200000; i++) {
        char text[AX_UUID_TEXT_SIZE];
        ax_uuid7_text(text);
        assert_is_uuid7(text);
        assert_true(memcmp(text, last, sizeof(last)) > 0);
        memcpy(last, text, sizeof(last));
    }
    unsigned long long high, low;
    assert_int_equal(sscanf(last, "%8llx-%4llx", &high, &low), 2);
    int64_t ms = (int64_t)(high << 16 | low);
    int64_t now = ax_clock_wall_us() / 1000;
    assert_true(ms >= now - 60000 && ms <= now + 1000);
}

enum { THREADS = 4, IDS = 5000 };
static char ids[THREADS][IDS][AX_UUID_TEXT_SIZE];

static void make_ids(void *arg)
{
    char(*own)[AX_UUID_TEXT_SIZE] = arg;
    for (size_t i = 0; i < IDS; i++)
        ax_uuid7_text(own[i]);
}

static void ids_of_threads_differ(void **state)
{
    (void)state;
    struct ax_thread threads[THREADS];
    struct ax_err err = AX_ERR_INIT;
    struct ax_map map;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(ax_thread_start(&threads[i], "ids", make_ids, ids[i], &err), AX_OK);
    for (size_t i = 0; i < THREADS; i++)
        ax_thread_join(&threads[i]);
    ax_map_init(&map);
    for (size_t i = 0; i < (size_t)THREADS * IDS; i++)
        assert_null(ax_map_put(&map, ax_str_from(ids[i / IDS][i % IDS]), &map));
    ax_map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times),
        cmocka_unit_test(calendar_against_libc),
        cmocka_unit_test(clocks_agree_with_libc),
        cmocka_unit_test(ids_rise_and_hold_the_time),
        cmocka_unit_test(ids_of_threads_differ),
    };
    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
