/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whoever is late runs once, whoever fails waits longer and longer and not for ever, moments
 * are the same after a restart, and views are spread by their sources.
 * Method: schedules at made-up times, over many of which a server's loop is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/calendar.h"
#include "base/compiler.h"
#include "server/schedule.h"

#include <stdio.h>

#define S    INT64_C(1000000)
#define HOUR (3600 * S)
#define NOW  (INT64_C(1700000000) * S)

static struct ax_schedule make(const char *view, const char *source, int64_t every_us)
{
    return (struct ax_schedule){ .view = ax_str_from(view),
                                 .source = ax_str_from(source),
                                 .every_us = every_us,
                                 .last_us = INT64_MIN };
}

static void moments_lie_apart(void **state)
{
    (void)state;
    struct ax_schedule one = make("v", "weather", HOUR);
    assert_true(ax_schedule_due_us(&one) == INT64_MIN);
    one.last_us = NOW;
    int64_t due_us = ax_schedule_due_us(&one);
    assert_true(due_us > NOW && due_us <= NOW + HOUR);
    /* Whenever it ran in between, the moment is the same; one that ran in it has the next. */
    one.last_us = due_us - 1;
    assert_true(ax_schedule_due_us(&one) == due_us);
    one.last_us = due_us;
    assert_true(ax_schedule_due_us(&one) == due_us + HOUR);
    one.last_us = due_us + HOUR - 1;
    assert_true(ax_schedule_due_us(&one) == due_us + HOUR);
    /* Before 1970, and at the ends of all times. */
    one.last_us = -NOW;
    assert_true(ax_schedule_due_us(&one) > -NOW && ax_schedule_due_us(&one) <= HOUR - NOW);
    one.last_us = INT64_MIN + 1;
    assert_true(ax_schedule_due_us(&one) > AX_CALENDAR_MIN_US);
    one.last_us = INT64_MAX;
    assert_true(ax_schedule_due_us(&one) > AX_CALENDAR_MAX_US);
}

/* Times at which it would run in `hours`, by a server that looks each second and is away in the
 * third hour. */
static size_t play(struct ax_schedule *one, size_t hours, int64_t *ret_runs)
{
    size_t count = 0;
    for (int64_t now_us = NOW; now_us < NOW + (int64_t)hours * HOUR; now_us += S) {
        bool is_away = now_us >= NOW + 3 * HOUR && now_us < NOW + 7 * HOUR;
        size_t picked;
        if (is_away || !ax_schedule_pick(one, 1, now_us, &picked))
            continue;
        one->last_us = now_us;
        ret_runs[count++] = now_us;
    }
    return count;
}

static void who_is_late_runs_once(void **state)
{
    (void)state;
    struct ax_schedule one = make("v", "weather", HOUR);
    int64_t runs[16];
    assert_int_equal(play(&one, 9, runs), 7);
    assert_true(runs[0] == NOW);
    assert_true(runs[2] - runs[1] < HOUR + S && runs[2] - runs[1] > HOUR - S);
    assert_true(runs[4] == NOW + 7 * HOUR);    /* once for three that were missed, */
    assert_true(runs[5] - runs[2] > 4 * HOUR); /* and then when it always does */
    assert_true((runs[5] - runs[1]) % HOUR < S || (runs[5] - runs[1]) % HOUR > HOUR - S);
}

static void failures_back_off(void **state)
{
    (void)state;
    struct ax_schedule one = make("v", "weather", HOUR);
    static const int64_t waits_s[] = { 60, 120, 240, 480, 960, 1920, 3600, 3600 };
    one.failed_us = NOW;
    for (size_t i = 0; i < AX_COUNT(waits_s); i++) {
        one.failures = (unsigned)i + 1;
        assert_true(ax_schedule_due_us(&one) == NOW + waits_s[i] * S);
    }
    one.failures = UINT32_MAX;
    assert_true(ax_schedule_due_us(&one) == NOW + HOUR);
    one.every_us = 60 * S; /* no longer than it would wait anyway */
    assert_true(ax_schedule_due_us(&one) == NOW + 60 * S);
    /* One that is not due yet does not become so by a failure. */
    one.every_us = HOUR;
    one.failures = 0;
    one.last_us = NOW;
    int64_t due_us = ax_schedule_due_us(&one);
    one.failures = 1;
    assert_true(ax_schedule_due_us(&one) >= due_us);
}

static void views_of_a_source_go_together(void **state)
{
    (void)state;
    struct ax_schedule views[] = { make("a", "s", HOUR), make("b", "t", HOUR), make("c", "s", HOUR),
                                   make("d", "s", HOUR) };
    size_t picked[4];
    for (size_t i = 0; i < AX_COUNT(views); i++)
        views[i].last_us = NOW - 10 * HOUR;
    views[3].last_us = NOW;
    assert_int_equal(ax_schedule_pick(views, 4, NOW - 11 * HOUR, picked), 0);
    views[1].last_us -= HOUR;
    assert_int_equal(ax_schedule_pick(views, 4, NOW, picked), 1);
    assert_int_equal(picked[0], 1);
    views[1].last_us = NOW;
    assert_int_equal(ax_schedule_pick(views, 4, NOW, picked), 2);
    assert_int_equal(picked[0], 0);
    assert_int_equal(picked[1], 2);
    assert_int_equal(ax_schedule_pick(views, 0, NOW, picked), 0);
}

static void sources_are_spread(void **state)
{
    (void)state;
    unsigned counts[6] = { 0 };
    for (size_t i = 0; i < 600; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "source%zu", i);
        struct ax_schedule one = make("v", name, HOUR);
        one.last_us = NOW;
        counts[(ax_schedule_due_us(&one) - NOW - 1) / (HOUR / 6)]++;
    }
    for (size_t i = 0; i < AX_COUNT(counts); i++)
        assert_in_range(counts[i], 60, 140);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_lie_apart),  cmocka_unit_test(who_is_late_runs_once),
        cmocka_unit_test(failures_back_off),  cmocka_unit_test(views_of_a_source_go_together),
        cmocka_unit_test(sources_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
