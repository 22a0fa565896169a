/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: zones say what Python's zoneinfo says, for all years of four digits; gaps move forward and
 * of what is shown twice the second is meant; no name leaves the folder; no file breaks the reader.
 * Method: golden moments of 2024 and before; files made by hand, whose rules are asked far in the
 * future; the two directions held against each other around every change of all zones that the
 * system has; a good file cut off everywhere and damaged; threads that ask for the same zones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/file.h"
#include "base/thread.h"
#include "base/zone.h"
#include "tzif.h"

#include <stdlib.h>

static const struct ax_zone *zone_of(const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_zone *zone = NULL;
    if (ax_zone_get(ax_str_from(name), &zone, &err))
        fail_msg("%s", err.msg);
    return zone;
}

static int64_t us_of(const char *text)
{
    int64_t us;
    bool naive;
    if (!ax_calendar_parse(ax_str_from(text), &us, &naive))
        fail_msg("'%s' is not read", text);
    return us;
}

static void known_moments(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *utc, *local;
    } rows[] = {
        { "UTC", "2013-10-01T12:00:00.000001", "2013-10-01T12:00:00.000001" },
        { "America/New_York", "2013-03-10T06:59:59.999999", "2013-03-10T01:59:59.999999" },
        { "America/New_York", "2013-03-10T07:00:00", "2013-03-10T03:00:00" },
        { "America/New_York", "2013-11-03T05:59:59.9", "2013-11-03T01:59:59.9" },
        { "America/New_York", "2013-11-03T06:00:00", "2013-11-03T01:00:00" },
        { "America/New_York", "1883-11-18T16:59:59", "1883-11-18T12:03:57" },
        { "America/New_York", "1883-11-18T17:00:00", "1883-11-18T12:00:00" },
        { "America/New_York", "0001-06-01T12:00:00", "0001-06-01T07:03:58" },
        { "Europe/Berlin", "1945-07-01T00:00:00", "1945-07-01T03:00:00" },
        { "Europe/Dublin", "2024-01-15T12:00:00", "2024-01-15T12:00:00" },
        { "Europe/Dublin", "2024-07-15T12:00:00", "2024-07-15T13:00:00" },
        { "Asia/Kolkata", "2000-01-01T00:00:00", "2000-01-01T05:30:00" },
        { "Asia/Kathmandu", "1985-12-31T18:30:00", "1986-01-01T00:15:00" },
        { "Pacific/Apia", "2011-12-30T09:59:59", "2011-12-29T23:59:59" },
        { "Pacific/Apia", "2011-12-30T10:00:00", "2011-12-31T00:00:00" },
        { "Australia/Lord_Howe", "2023-09-30T15:30:00", "2023-10-01T02:30:00" },
        { "America/Sao_Paulo", "2018-11-04T03:00:00", "2018-11-04T01:00:00" },
        { "Africa/Casablanca", "2023-03-19T02:00:00", "2023-03-19T02:00:00" },
        { "America/Puerto_Rico", "2013-07-01T12:00:00", "2013-07-01T08:00:00" },
        { "Etc/GMT+5", "2013-07-01T12:00:00", "2013-07-01T07:00:00" },
        { "EST5EDT", "2013-07-01T12:00:00", "2013-07-01T08:00:00" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        int64_t got = ax_zone_to_local(zone_of(rows[i].zone), us_of(rows[i].utc));
        char text[AX_CALENDAR_TEXT_SIZE];
        (void)ax_calendar_text(got, text);
        if (got != us_of(rows[i].local))
            fail_msg("row %zu: %s", i, text);
    }
}

static void gaps_and_overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *local, *utc;
    } rows[] = {
        { "America/New_York", "2013-03-10T01:59:59.999999", "2013-03-10T06:59:59.999999" },
        { "America/New_York", "2013-03-10T02:00:00", "2013-03-10T07:00:00" }, /* is 03:00 */
        { "America/New_York", "2013-03-10T02:59:59", "2013-03-10T07:59:59" },
        { "America/New_York", "2013-03-10T03:00:00", "2013-03-10T07:00:00" },
        { "America/New_York", "2013-11-03T00:59:59", "2013-11-03T04:59:59" },
        { "America/New_York", "2013-11-03T01:00:00", "2013-11-03T06:00:00" }, /* the second */
        { "America/New_York", "2013-11-03T01:59:59", "2013-11-03T06:59:59" },
        { "America/New_York", "2013-11-03T02:00:00", "2013-11-03T07:00:00" },
        { "Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00" }, /* a whole day */
        { "Europe/Dublin", "2023-10-29T01:30:00", "2023-10-29T01:30:00" },
        { "Australia/Lord_Howe", "2023-10-01T02:15:00", "2023-09-30T15:45:00" },
        { "Europe/Berlin", "1970-01-01", "1969-12-31T23:00:00" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        int64_t got = ax_zone_to_utc(zone_of(rows[i].zone), us_of(rows[i].local));
        char text[AX_CALENDAR_TEXT_SIZE];
        (void)ax_calendar_text(got, text);
        if (got != us_of(rows[i].utc))
            fail_msg("row %zu: %s", i, text);
    }
}

/* The names in the list of the system. */
static size_t all_zones(struct ax_buf *list, struct ax_str *names, size_t max)
{
    struct ax_err err = AX_ERR_INIT;
    size_t count = 0;
    if (ax_file_read("/usr/share/zoneinfo/zone1970.tab", list, &err))
        fail_msg("%s", err.msg);
    struct ax_str rest = ax_buf_str(list);
    while (rest.len && count < max) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        struct ax_str line = { rest.ptr, len };
        rest = (struct ax_str){ rest.ptr + AX_MIN(len + 1, rest.len),
                                rest.len - AX_MIN(len + 1, rest.len) };
        for (unsigned tab = 0; tab < 2 && line.len && line.ptr[0] != '#'; tab++) {
            const char *at = memchr(line.ptr, '\t', line.len);
            assert_non_null(at);
            line = (struct ax_str){ at + 1, line.len - (size_t)(at + 1 - line.ptr) };
        }
        if (!line.len || line.ptr[0] == '#')
            continue;
        const char *at = memchr(line.ptr, '\t', line.len);
        names[count++] = (struct ax_str){ line.ptr, at ? (size_t)(at - line.ptr) : line.len };
    }
    return count;
}

/* Around an hour at which the offset changes from `before` to `after`, every quarter of an hour. */
static void check_change(const struct ax_zone *zone, int64_t hour_us)
{
    for (int64_t u = hour_us - 12 * 3600 * AX_US_PER_S; u < hour_us + 12 * 3600 * AX_US_PER_S;
         u += 900 * AX_US_PER_S) {
        int64_t local = ax_zone_to_local(zone, u);
        int64_t back = ax_zone_to_utc(zone, local);
        assert_true(back >= u); /* the same, or the second time that it is shown */
        assert_true(ax_zone_to_local(zone, back) == local);
        /* What is never shown becomes what is shown later, by as much as the clocks jump. */
        int64_t meant = ax_zone_to_utc(zone, u);
        assert_true(ax_zone_to_local(zone, meant) >= u);
    }
}

static void both_directions_agree_for_all_zones(void **state)
{
    (void)state;
    static struct ax_str names[1000];
    struct ax_buf list;
    ax_buf_init(&list, 1 << 20);
    size_t count = all_zones(&list, names, AX_COUNT(names));
    size_t changes = 0;
    assert_true(count > 300);
    for (size_t i = 0; i < count; i++) {
        struct ax_err err = AX_ERR_INIT;
        const struct ax_zone *zone = NULL;
        if (ax_zone_get(names[i], &zone, &err))
            fail_msg("%s", err.msg);
        int64_t step = 20 * AX_US_PER_DAY;
        int64_t before = 0;
        for (int64_t u = us_of("1960-01-01"); u < us_of("2040-01-01"); u += step) {
            int64_t offset = ax_zone_to_local(zone, u) - u;
            if (offset != before && u > us_of("1960-02-01")) {
                int64_t low = u - step, high = u;
                while (high - low > 3600 * AX_US_PER_S) {
                    int64_t middle = low + (high - low) / 2;
                    if (ax_zone_to_local(zone, middle) - middle == before)
                        low = middle;
                    else
                        high = middle;
                }
                check_change(zone, high);
                changes++;
            }
            before = offset;
        }
    }
    assert_true(changes > 10000);
    ax_buf_done(&list);
}

static struct ax_zone *made(const struct tzif *tzif)
{
    struct tzif_bytes bytes;
    struct ax_err err = AX_ERR_INIT;
    struct ax_zone *zone = NULL;
    if (ax_zone_read(tzif_make(tzif, &bytes), &zone, &err))
        fail_msg("%s", err.msg);
    return zone;
}

/* The rule alone answers: in all years, and in those that lie cycles behind the table. */
static void rules_hold_for_ever(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *utc, *local;
    } rows[] = {
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2500-03-28T00:59:59", "2500-03-28T01:59:59" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2500-03-28T01:00:00", "2500-03-28T03:00:00" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "9999-10-31T00:59:59", "9999-10-31T02:59:59" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "9999-10-31T01:00:00", "9999-10-31T02:00:00" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2372-07-01T00:00:00", "2372-07-01T02:00:00" },
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "3000-01-01", "3000-01-01T11:00:00" },
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "3000-07-01", "3000-07-01T10:30:00" },
        { "IST-2IDT,M3.4.4/26,M10.5.0", "2400-03-24T00:00:00", "2400-03-24T03:00:00" },
        { "IST-2IDT,M3.4.4/26,M10.5.0", "2400-03-23T23:59:59", "2400-03-24T01:59:59" },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2401-03-25T00:59:59", "2401-03-24T22:59:59" },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2401-03-25T01:00:00", "2401-03-25T00:00:00" },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2600-01-01", "2600-01-01" },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2600-07-01", "2600-07-01T01:00:00" },
        { "AAA0BBB,J60,J300", "2400-03-01T01:59:59", "2400-03-01T01:59:59" },
        { "AAA0BBB,J60,J300", "2400-03-01T02:00:00", "2400-03-01T03:00:00" },
        { "AAA0BBB,59,300", "2400-02-29T02:00:00", "2400-02-29T03:00:00" },
        { "EST5EDT,0/0,J365/25", "5000-12-31T23:00:00", "5000-12-31T19:00:00" }, /* always */
        { "<+03>-3", "9000-01-01", "9000-01-01T03:00:00" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct tzif tzif = { .offsets = { 0 }, .type_count = 1, .rule = rows[i].rule };
        struct ax_zone *zone = made(&tzif);
        int64_t got = ax_zone_to_local(zone, us_of(rows[i].utc));
        char text[AX_CALENDAR_TEXT_SIZE];
        (void)ax_calendar_text(got, text);
        if (got != us_of(rows[i].local))
            fail_msg("row %zu: %s", i, text);
        for (int64_t year = 0; year < 7600; year += 400) {
            int64_t later = us_of(rows[i].utc) % (AX_US_PER_DAY * 146097) +
                            (6 + year / 400) * 146097 * AX_US_PER_DAY;
            assert_int_equal(ax_zone_to_local(zone, later) - later, got - us_of(rows[i].utc));
        }
        ax_zone_free(zone);
    }
}

static void changes_of_the_file_come_first(void **state)
{
    (void)state;
    struct tzif tzif = { .times = { -INT64_C(576460752303423488), 0, 1000000 },
                         .types = { 1, 2, 1 },
                         .time_count = 3,
                         .offsets = { -3600, 0, 7200 },
                         .type_count = 3,
                         .rule = "AAA0" };
    struct ax_zone *zone = made(&tzif);
    assert_int_equal(ax_zone_to_local(zone, -1), -1);
    assert_int_equal(ax_zone_to_local(zone, 0), 7200 * AX_US_PER_S);
    assert_int_equal(ax_zone_to_local(zone, 1000000 * AX_US_PER_S - 1), 1007200 * AX_US_PER_S - 1);
    assert_int_equal(ax_zone_to_local(zone, 1000000 * AX_US_PER_S), 1000000 * AX_US_PER_S);
    ax_zone_free(zone);
    tzif.time_count = 0;
    tzif.rule = "";
    zone = made(&tzif);
    assert_int_equal(ax_zone_to_local(zone, 0), -3600 * AX_US_PER_S);
    assert_int_equal(ax_zone_to_local(zone, INT64_MIN), INT64_MIN); /* stays at the end */
    assert_int_equal(ax_zone_to_utc(zone, INT64_MAX), INT64_MAX);
    ax_zone_free(zone);
}

static void refuses_files(void **state)
{
    (void)state;
    const struct tzif good = { .times = { 0, 100000 },
                               .types = { 1, 0 },
                               .time_count = 2,
                               .offsets = { 0, 3600 },
                               .type_count = 2,
                               .rule = "AAA0" };
    struct {
        struct tzif tzif;
        enum ax_code code;
        const char *words;
    } rows[] = {
        { good, AX_E_INVALID, "not in order" },
        { good, AX_E_INVALID, "type that is not there" },
        { good, AX_E_INVALID, "more than a day" },
        { good, AX_E_INVALID, "no types" },
        { good, AX_E_UNSUPPORTED, "leap seconds" },
        { good, AX_E_INVALID, "is no rule" },
        { good, AX_E_UNSUPPORTED, "twice within hours" },
        { good, AX_E_INVALID, "after all years" },
        { good, AX_E_UNSUPPORTED, "twice within hours" }, /* put back, and on before all is shown */
    };
    rows[0].tzif.times[1] = 0;
    rows[1].tzif.types[0] = 2;
    rows[2].tzif.offsets[1] = 26 * 3600;
    rows[3].tzif.type_count = 0;
    rows[4].tzif.leap_count = 1;
    rows[5].tzif.rule = "AAA";
    rows[6].tzif.times[1] = 3600;
    rows[7].tzif.times[1] = INT64_MAX;
    rows[8].tzif.offsets[1] = -4 * 3600;
    rows[8].tzif.times[1] = 3 * 3600;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct tzif_bytes bytes;
        struct ax_err err = AX_ERR_INIT;
        struct ax_zone *zone = NULL;
        enum ax_code code = ax_zone_read(tzif_make(&rows[i].tzif, &bytes), &zone, &err);
        if (code != rows[i].code || !strstr(err.msg, rows[i].words))
            fail_msg("row %zu: %d '%s'", i, (int)code, err.msg);
        assert_null(zone);
    }
    static const char *const rules[] = {
        "AA0",
        "AAA",
        "AAA25",
        "AAA0BBB",
        "AAA0BBB,M3.5.0",
        "AAA0BBB,M13.5.0,M10.5.0",
        "AAA0BBB,M3.6.0,M10.5.0",
        "AAA0BBB,M3.5.7,M10.5.0",
        "AAA0BBB,J0,J1",
        "AAA0BBB,J366,J1",
        "AAA0BBB,366,1",
        "AAA0BBB,M3.5.0/168,M10.5.0",
        "<A0",
        "<AAA0",
        "AAA0:60",
        "AAA0 ",
        "AAA-",
        "AAA00000",
        "AAA0BBB,M3.5.0,M10.5.0,",
    };
    for (size_t i = 0; i < AX_COUNT(rules); i++) {
        struct tzif tzif = good;
        struct tzif_bytes bytes;
        struct ax_err err = AX_ERR_INIT;
        struct ax_zone *zone = NULL;
        tzif.rule = rules[i];
        if (ax_zone_read(tzif_make(&tzif, &bytes), &zone, &err) != AX_E_INVALID)
            fail_msg("rule '%s'", rules[i]);
    }
}

/* Cut off anywhere it is refused; a changed byte anywhere is refused or gives a zone that answers.
 */
static void survives_damage(void **state)
{
    (void)state;
    const struct tzif good = { .times = { -5000000, 0, 5000000 },
                               .types = { 1, 0, 1 },
                               .time_count = 3,
                               .offsets = { 0, 3600 },
                               .type_count = 2,
                               .rule = "CET-1CEST,M3.5.0,M10.5.0/3" };
    struct tzif_bytes made;
    struct ax_str whole = tzif_make(&good, &made);
    for (size_t len = 0; len < whole.len; len++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_zone *zone = NULL;
        char *copy = ax_xmemdup0(whole.ptr, len);
        assert_int_not_equal(ax_zone_read((struct ax_str){ copy, len }, &zone, &err), AX_OK);
        free(copy);
    }
    size_t accepted = 0;
    for (size_t at = 0; at < whole.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_zone *zone = NULL;
            made.bytes[at] ^= (char)(1u << bit);
            if (!ax_zone_read(whole, &zone, &err)) {
                accepted++;
                for (int64_t us = INT64_MIN / 2; us < INT64_MAX / 4; us += INT64_MAX / 9) {
                    int64_t local = ax_zone_to_local(zone, us);
                    assert_true(ax_zone_to_local(zone, ax_zone_to_utc(zone, local)) == local);
                }
            }
            ax_zone_free(zone);
            made.bytes[at] ^= (char)(1u << bit);
        }
    }
    assert_true(accepted > 0);
}

static void refuses_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ax_code code;
    } rows[] = {
        { "", AX_E_INVALID },
        { "/etc/passwd", AX_E_INVALID },
        { "../../../etc/passwd", AX_E_INVALID },
        { "Europe/../UTC", AX_E_INVALID },
        { "Europe//Berlin", AX_E_INVALID },
        { "Europe/", AX_E_INVALID },
        { "./UTC", AX_E_INVALID },
        { "tzdata.zi", AX_E_INVALID },
        { "localtime", AX_E_INVALID },
        { "Europe/Berlin\n", AX_E_INVALID },
        { "Europe/B\xc3\xa4rlin", AX_E_INVALID },
        { "Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Berlin", AX_E_INVALID },
        { "Europe", AX_E_NOT_FOUND },
        { "Europe/Berln", AX_E_NOT_FOUND },
        { "Europe/Berlin/x", AX_E_NOT_FOUND },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        const struct ax_zone *zone = NULL;
        enum ax_code code = ax_zone_get(ax_str_from(rows[i].name), &zone, &err);
        if (code != rows[i].code || !strstr(err.msg, "Europe/Berlin'"))
            fail_msg("'%s': %d '%s'", rows[i].name, (int)code, err.msg);
        assert_null(zone);
    }
}

struct asker {
    struct ax_thread thread;
    const struct ax_zone *zones[3];
};

static void ask(void *arg)
{
    struct asker *asker = arg;
    static const char *const names[] = { "Asia/Tokyo", "Asia/Seoul", "Asia/Manila" };
    for (unsigned i = 0; i < AX_COUNT(names); i++)
        asker->zones[i] = zone_of(names[i]);
}

static void threads_share_zones(void **state)
{
    (void)state;
    struct asker askers[4];
    struct ax_err err = AX_ERR_INIT;
    for (unsigned i = 0; i < AX_COUNT(askers); i++)
        assert_int_equal(ax_thread_start(&askers[i].thread, "zone", ask, &askers[i], &err), AX_OK);
    for (unsigned i = 0; i < AX_COUNT(askers); i++)
        ax_thread_join(&askers[i].thread);
    for (unsigned i = 1; i < AX_COUNT(askers); i++)
        for (unsigned k = 0; k < 3; k++)
            assert_ptr_equal(askers[i].zones[k], askers[0].zones[k]);
    assert_ptr_equal(zone_of("Asia/Tokyo"), askers[0].zones[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments),
        cmocka_unit_test(gaps_and_overlaps),
        cmocka_unit_test(both_directions_agree_for_all_zones),
        cmocka_unit_test(rules_hold_for_ever),
        cmocka_unit_test(changes_of_the_file_come_first),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(threads_share_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
