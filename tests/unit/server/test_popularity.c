/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: rates belong to the hour in which they were counted, clocks that jump and counters that
 * begin anew do no harm, and the file is whole, whatever happens to whoever writes it.
 * Method: days of ticks with clocks of our own; each byte of a file changed, and each length cut
 * off; writers in processes of their own, killed at random moments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/popularity.h"

#include "base/clock.h"

#include "random.h"
#include "test_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_US ((int64_t)60 * 1000000)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)
#define MINUTE_NS ((uint64_t)60 * AX_NS_PER_S)
/* Some day, at midnight. */
#define BEGIN_US (20000 * DAY_US)
#define KILLS    50

static void assert_near(double value, double wanted)
{
    if (value < wanted * 0.98 - 1e-9 || value > wanted * 1.02 + 1e-9)
        fail_msg("%g is not about %g", value, wanted);
}

/* `minutes` ticks, with `a_rate` and `b_rate` requests in each. */
static int64_t run(struct ax_popularity *popularity, int64_t wall_us, size_t minutes,
                   uint64_t a_rate, uint64_t b_rate, uint64_t totals[2])
{
    for (size_t i = 0; i < minutes; i++) {
        totals[0] += a_rate;
        totals[1] += b_rate;
        ax_popularity_count(popularity, AX_STR("a"), totals[0]);
        ax_popularity_count(popularity, AX_STR("b"), totals[1]);
        wall_us += MINUTE_US;
        (void)ax_popularity_tick(popularity, wall_us, MINUTE_NS);
    }
    return wall_us;
}

/* Days whose hours 9 to 17 are those of a, the others those of b. */
static int64_t run_days(struct ax_popularity *popularity, int64_t wall_us, size_t days,
                        uint64_t totals[2])
{
    for (size_t hour = 0; hour < days * 24; hour++) {
        bool is_day = hour % 24 >= 9 && hour % 24 < 17;
        wall_us = run(popularity, wall_us, 60, is_day ? 30 : 1, is_day ? 2 : 10, totals);
    }
    return wall_us;
}

static void hours_are_told_apart(void **state)
{
    (void)state;
    struct ax_popularity *popularity = ax_popularity_new();
    uint64_t totals[2] = { 0 };
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    int64_t now_us = run_days(popularity, BEGIN_US, 3, totals);
    /* A day that was never seen is expected to be like the others. */
    assert_near(ax_popularity_expected(popularity, AX_STR("a"), now_us + 10 * HOUR_US), 30);
    assert_near(ax_popularity_expected(popularity, AX_STR("b"), now_us + 10 * HOUR_US), 2);
    assert_near(ax_popularity_expected(popularity, AX_STR("a"), now_us + 20 * HOUR_US), 1);
    assert_near(ax_popularity_expected(popularity, AX_STR("b"), now_us + 20 * HOUR_US), 10);
    assert_near(ax_popularity_recent(popularity, AX_STR("b")), 10);
    /* Worth is the larger one of what is expected and what is seen. */
    assert_near(ax_popularity_worth(popularity, AX_STR("a"), now_us + 10 * HOUR_US), 30);
    assert_near(ax_popularity_worth(popularity, AX_STR("b"), now_us + 10 * HOUR_US), 10);
    /* Unknown ones are asked for never. */
    assert_near(ax_popularity_worth(popularity, AX_STR("c"), now_us), 0);
    ax_popularity_free(popularity);
}

static void a_week_has_days(void **state)
{
    (void)state;
    struct ax_popularity *popularity = ax_popularity_new();
    uint64_t totals[2] = { 0 };
    int64_t now_us = BEGIN_US;
    (void)ax_popularity_tick(popularity, now_us, 0);
    for (size_t day = 0; day < (size_t)4 * 7; day++)
        now_us = run(popularity, now_us, (size_t)24 * 60, day % 7 == 6 ? 70 : 0, 5, totals);
    /* Seen four times, the day itself counts four times as much as the other ones together. */
    assert_near(ax_popularity_expected(popularity, AX_STR("a"), now_us + 6 * DAY_US + HOUR_US),
                70 * 4.0 / 5);
    assert_true(ax_popularity_expected(popularity, AX_STR("a"), now_us + HOUR_US) < 3);
    assert_near(ax_popularity_expected(popularity, AX_STR("b"), now_us + HOUR_US), 5);
    ax_popularity_free(popularity);
}

static void a_cycle_is_told_from_none(void **state)
{
    (void)state;
    struct ax_popularity *popularity = ax_popularity_new();
    uint64_t totals[2] = { 0 };
    /* Nothing is known, then all hours are alike: the hour before says it as well. */
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    assert_false(ax_popularity_has_cycle(popularity));
    int64_t now_us = run(popularity, BEGIN_US, (size_t)2 * 24 * 60, 7, 7, totals);
    assert_false(ax_popularity_has_cycle(popularity));
    /* Hours that change places with each other. */
    for (size_t hour = 0; hour < (size_t)4 * 24; hour++)
        now_us = run(popularity, now_us, 60, hour % 2 ? 30 : 0, hour % 2 ? 0 : 30, totals);
    assert_true(ax_popularity_has_cycle(popularity));
    /* That is over, after a while. */
    now_us = run(popularity, now_us, (size_t)10 * 24 * 60, 7, 7, totals);
    assert_false(ax_popularity_has_cycle(popularity));
    ax_popularity_free(popularity);
}

static void counters_may_begin_anew(void **state)
{
    (void)state;
    struct ax_popularity *popularity = ax_popularity_new();
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    /* 60 a minute, while the counter falls back to 0 every ten minutes. */
    for (size_t i = 1; i <= 120; i++) {
        ax_popularity_count(popularity, AX_STR("m"), 60 * (i % 10));
        (void)ax_popularity_tick(popularity, BEGIN_US + (int64_t)i * MINUTE_US, MINUTE_NS);
    }
    double rate = ax_popularity_expected(popularity, AX_STR("m"), BEGIN_US);
    assert_true(rate > 50 && rate <= 60);
    ax_popularity_free(popularity);
}

static void a_clock_that_jumps_does_no_harm(void **state)
{
    (void)state;
    static const int64_t jumps_us[] = {
        -HOUR_US,      HOUR_US,      -400 * DAY_US, 9000 * DAY_US, -BEGIN_US - 3 * DAY_US,
        INT64_MAX / 2, INT64_MIN / 2
    };
    struct ax_popularity *popularity = ax_popularity_new();
    uint64_t totals[2] = { 0 };
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    int64_t now_us = run_days(popularity, BEGIN_US, 14, totals);
    double before = ax_popularity_expected(popularity, AX_STR("a"), now_us + 10 * HOUR_US);
    for (size_t i = 0; i < AX_COUNT(jumps_us); i++) {
        int64_t there_us = now_us + jumps_us[i];
        /* Two minutes there and back again: too short to be kept. */
        (void)ax_popularity_tick(popularity, there_us, MINUTE_NS);
        (void)ax_popularity_tick(popularity, there_us, MINUTE_NS);
        (void)ax_popularity_tick(popularity, now_us, MINUTE_NS);
    }
    assert_near(ax_popularity_expected(popularity, AX_STR("a"), now_us + 10 * HOUR_US), before);
    assert_near(before, 30);
    /* Ten minutes there: one bucket of 168 is half of what was and half of nothing. */
    for (size_t i = 0; i < 10; i++)
        (void)ax_popularity_tick(popularity, now_us + 10 * HOUR_US, MINUTE_NS);
    (void)ax_popularity_tick(popularity, now_us, MINUTE_NS);
    double after = ax_popularity_expected(popularity, AX_STR("a"), now_us + 10 * HOUR_US);
    assert_true(after < before && after > before / 2);
    ax_popularity_free(popularity);
}

static void what_nobody_asks_is_forgotten(void **state)
{
    (void)state;
    struct ax_popularity *popularity = ax_popularity_new();
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    char name[32];
    for (size_t i = 0; i < AX_POPULARITY_MODELS_MAX + 10; i++) {
        (void)snprintf(name, sizeof(name), "m%zu", i);
        ax_popularity_count(popularity, ax_str_from(name), i == 5 ? 1000 : 0);
    }
    (void)ax_popularity_tick(popularity, BEGIN_US + 10 * MINUTE_US, 10 * MINUTE_NS);
    struct ax_buf file;
    ax_buf_init(&file, AX_POPULARITY_FILE_MAX);
    ax_popularity_print(popularity, &file);
    assert_int_equal(file.failed, AX_OK);
    assert_true(file.len / AX_POPULARITY_MODELS_MAX < 1500);
    assert_true(ax_popularity_tick(popularity, BEGIN_US + HOUR_US, 50 * MINUTE_NS));
    ax_buf_reset(&file);
    ax_popularity_print(popularity, &file);
    assert_true(file.len < 1500);
    /* And there is room again. */
    ax_popularity_count(popularity, AX_STR("late"), 9);
    (void)ax_popularity_tick(popularity, BEGIN_US + HOUR_US, MINUTE_NS);
    assert_true(ax_popularity_recent(popularity, AX_STR("late")) > 0);
    ax_buf_done(&file);
    ax_popularity_free(popularity);
}

/* ---- the file ---- */

static struct ax_popularity *sample(size_t models)
{
    struct ax_popularity *popularity = ax_popularity_new();
    char name[32];
    (void)ax_popularity_tick(popularity, BEGIN_US, 0);
    for (size_t i = 0; i < models; i++) {
        (void)snprintf(name, sizeof(name), "model-%zu", i);
        ax_popularity_count(popularity, ax_str_from(name), 600 * (i + 1));
    }
    (void)ax_popularity_tick(popularity, BEGIN_US + HOUR_US, 60 * MINUTE_NS);
    return popularity;
}

static void a_file_says_the_same_again(void **state)
{
    (void)state;
    struct ax_popularity *popularity = sample(7);
    struct ax_footprint footprint = { 100, 2000, { 3, 4 } };
    struct ax_footprint found;
    assert_false(ax_popularity_footprint(popularity, AX_STR("model-3"), &found));
    ax_popularity_note(popularity, AX_STR("model-3"), &footprint);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/again", folder);
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_popularity_write(popularity, path, &err), AX_OK);
    struct ax_popularity *again;
    assert_int_equal(ax_popularity_read(path, &again, &err), AX_OK);
    for (size_t i = 0; i < 7; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "model-%zu", i);
        struct ax_str model = ax_str_from(name);
        assert_near(ax_popularity_expected(again, model, BEGIN_US), 10 * ((double)i + 1));
        assert_near(ax_popularity_recent(again, model), ax_popularity_recent(popularity, model));
    }
    assert_true(ax_popularity_footprint(again, AX_STR("model-3"), &found));
    assert_memory_equal(&found, &footprint, sizeof(found));
    assert_false(ax_popularity_footprint(again, AX_STR("model-4"), &found));
    /* A day later nobody knows what is asked of late, whatever the clock says. */
    double recent = ax_popularity_recent(again, AX_STR("model-6"));
    (void)ax_popularity_tick(again, BEGIN_US + DAY_US + HOUR_US, 0);
    assert_true(ax_popularity_recent(again, AX_STR("model-6")) < recent / 50);
    ax_popularity_free(again);
    ax_popularity_free(popularity);
    (void)snprintf(path, sizeof(path), "%s/none", folder);
    assert_int_equal(ax_popularity_read(path, &again, &err), AX_E_NOT_FOUND);
}

/* What a process that begins now reads of one that was killed. */
static struct ax_popularity *read_again(const struct ax_popularity *popularity)
{
    struct ax_popularity *again;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf file;
    ax_buf_init(&file, AX_POPULARITY_FILE_MAX);
    ax_popularity_print(popularity, &file);
    if (ax_popularity_parse(ax_buf_str(&file), &again, &err))
        fail_msg("%s", err.msg);
    ax_buf_done(&file);
    return again;
}

static void an_hour_goes_on_in_the_next_process(void **state)
{
    (void)state;
    static const struct {
        int64_t away_us;
        size_t more_minutes; /* in which nobody asks */
        double rate;         /* of the hour */
    } cases[] = {
        { 0, 20, 30 * 40 / 60.0 },             /* killed and started again */
        { 2 * MINUTE_US, 18, 30 * 40 / 58.0 }, /* two minutes later */
        { 3 * HOUR_US, 0, 30 },                /* behind the hour's end */
        { 7 * DAY_US, 0, 30 },                 /* in the same hour of the next week */
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_popularity *popularity = ax_popularity_new();
        uint64_t totals[2] = { 0 };
        (void)ax_popularity_tick(popularity, BEGIN_US, 0);
        int64_t now_us = run(popularity, BEGIN_US, 40, 30, 0, totals) + cases[i].away_us;
        struct ax_popularity *again = read_again(popularity);
        bool is_over = ax_popularity_tick(again, now_us, 0);
        assert_int_equal(is_over, cases[i].away_us >= HOUR_US);
        uint64_t from_zero[2] = { 0 };
        now_us = run(again, now_us, cases[i].more_minutes, 0, 0, from_zero);
        assert_near(ax_popularity_expected(again, AX_STR("a"), BEGIN_US), cases[i].rate);
        ax_popularity_free(again);
        ax_popularity_free(popularity);
    }
}

static void no_damaged_file_is_read(void **state)
{
    (void)state;
    struct ax_popularity *popularity = sample(3);
    struct ax_popularity *found;
    struct ax_buf file;
    ax_buf_init(&file, AX_POPULARITY_FILE_MAX);
    ax_popularity_print(popularity, &file);
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_popularity_parse(ax_buf_str(&file), &found, &err), AX_OK);
    ax_popularity_free(found);
    for (size_t i = 0; i < file.len; i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_popularity_parse((struct ax_str){ file.ptr, i }, &found, &err),
                         AX_E_INVALID);
        ax_err_clear(&err);
        file.ptr[i] = (char)(file.ptr[i] ^ 0x10);
        assert_int_equal(ax_popularity_parse(ax_buf_str(&file), &found, &err), AX_E_INVALID);
        file.ptr[i] = (char)(file.ptr[i] ^ 0x10);
    }
    ax_buf_done(&file);
    ax_popularity_free(popularity);
}

/* Writes files of 1, 2, 3, … models until it is killed. */
static void write_on(const char *path)
{
    for (size_t i = 0;; i++) {
        struct ax_popularity *popularity = sample(1 + i % 40);
        struct ax_err err = AX_ERR_INIT;
        if (ax_popularity_write(popularity, path, &err)) {
            (void)fprintf(stderr, "%s\n", err.msg);
            _exit(1);
        }
        ax_popularity_free(popularity);
    }
}

static void a_killed_writer_leaves_a_whole_file(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/" AX_POPULARITY_NAME, folder);
    struct ax_popularity *first = sample(1);
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_popularity_write(first, path, &err), AX_OK);
    ax_popularity_free(first);
    uint64_t random = 6;
    for (size_t i = 0; i < KILLS; i++) {
        pid_t writer = fork();
        assert_true(writer >= 0);
        if (writer == 0)
            write_on(path);
        struct timespec pause = { 0, 1000000 + (long)(test_random(&random) % 8000000) };
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(writer, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_true(WIFSIGNALED(status));
        struct ax_popularity *found;
        assert_int_equal(ax_popularity_read(path, &found, &err), AX_OK);
        assert_near(ax_popularity_expected(found, AX_STR("model-0"), BEGIN_US), 10);
        ax_popularity_free(found);
    }
}

static size_t count_files(void)
{
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    size_t count = 0;
    for (const struct dirent *file; (file = readdir(listing));)
        count += file->d_name[0] != '.' || file->d_name[1] == 'p';
    (void)closedir(listing);
    return count;
}

static void what_was_left_behind_is_removed(void **state)
{
    (void)state;
    static const char *const left[] = { "." AX_POPULARITY_NAME ".1", "." AX_POPULARITY_NAME ".2" };
    int64_t now_us = ax_clock_wall_us();
    ax_popularity_sweep(folder, now_us + DAY_US);
    size_t before = count_files();
    for (size_t i = 0; i < AX_COUNT(left); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, left[i]);
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_file_replace(path, AX_STR("x"), &err), AX_OK);
    }
    /* They may be those of a process that writes. */
    ax_popularity_sweep(folder, now_us);
    assert_int_equal(count_files(), before + 2);
    ax_popularity_sweep(folder, now_us + DAY_US);
    assert_int_equal(count_files(), before);
    ax_popularity_sweep("/nowhere", now_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_are_told_apart),
        cmocka_unit_test(a_week_has_days),
        cmocka_unit_test(a_cycle_is_told_from_none),
        cmocka_unit_test(counters_may_begin_anew),
        cmocka_unit_test(a_clock_that_jumps_does_no_harm),
        cmocka_unit_test(what_nobody_asks_is_forgotten),
        cmocka_unit_test(a_file_says_the_same_again),
        cmocka_unit_test(an_hour_goes_on_in_the_next_process),
        cmocka_unit_test(no_damaged_file_is_read),
        cmocka_unit_test(a_killed_writer_leaves_a_whole_file),
        cmocka_unit_test(what_was_left_behind_is_removed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
