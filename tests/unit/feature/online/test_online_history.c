/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what files told windows is there with what was pushed, at a start and by other definitions,
 * too, and is corrected by what they tell later; what is not told is not guessed. A start does not
 * wait for it, and says so.
 *
 * Method: events of a source that is pushed, and of one that is not, of which some are written as a
 * history, and some pushed; what the windows have is added up here. The writer is held where it
 * asks for the time, between the definitions and the filling of windows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "feature/online/online_apply.h"
#include "feature/online/online_history.h"
#include "random.h"
#include "writer_steps.h"

#include <sched.h>

enum { EVENTS = 60, EVENT_KEYS = 4 };
#define SECOND INT64_C(1000000)
#define LATEST (INT64_C(90) * SECOND) /* of all that are told */

static const struct ax_source *source_of(size_t number)
{
    return &fixture.views->given.definitions->sources[number];
}

/* Events later than `from`, as materialise keeps them; their views' windows get them. */
static void tell(size_t source, size_t view, const struct given_event *events, size_t count,
                 int64_t from)
{
    struct ax_online_history_writer *history;
    struct ax_online_counts counts = { 0 };
    const struct ax_values *columns[4];
    struct event_columns made;
    good(ax_online_history_begin(folder, source_of(source), from, LATEST, &history, &err));
    fill_events(&made, events, count);
    for (size_t i = 0; i < 4; i++)
        columns[i] = &made.values[i];
    if (count)
        good(ax_online_history_add(history, columns, count, &err));
    good(ax_online_history_end(history, &err));
    ax_online_history_free(history);
    good(ax_online_writer_history(fixture.writer, fixture.views, view, &counts, &err));
    assert_int_equal(counts.written, count);
    assert_int_equal(counts.refused, 0);
}

static void check_windows(size_t view, const struct given_event *events, size_t count, int64_t at)
{
    for (int64_t key = 0; key < EVENT_KEYS; key++) {
        int64_t n = 0, sum = 0, found_n, found_sum;
        for (size_t i = 0; i < count; i++) {
            if (events[i].key != key || events[i].time > at)
                continue;
            n += events[i].time > at - 10 * SECOND;
            sum += events[i].time > at - 60 * SECOND ? events[i].x : 0;
        }
        assert_true(get_windows(view, key, at, &found_n, &found_sum));
        assert_int_equal(found_n, n);
        assert_int_equal(found_sum, sum);
    }
}

static void start_again(void)
{
    close_writer();
    open_state("x");
}

static void make_events(struct given_event *events, uint64_t *random)
{
    for (int64_t i = 0; i < EVENTS; i++)
        events[i] =
            (struct given_event){ i, i % EVENT_KEYS, (int64_t)(test_random(random) % 200) * SECOND,
                                  (int64_t)(test_random(random) % 1000) };
}

static void what_files_told_is_there_with_what_was_pushed(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    struct ax_online_batch batch;
    uint64_t random = 3;
    make_events(events, &random);
    open_state("x");
    tell(SOURCE_D, VIEW_D, events, EVENTS / 2, -1000 * SECOND);
    good(push_events(events + EVENTS / 2, EVENTS / 2, &batch, &err));
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    start_again();
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    good(define("x * 2", &err));
    check_windows(VIEW_D, events, EVENTS, 100 * SECOND);
    for (size_t i = 0; i < EVENTS / 2; i++) { /* corrected, later or at the same time */
        events[i].time += (int64_t)(i % 3) * SECOND;
        events[i].x++;
    }
    tell(SOURCE_D, VIEW_D, events, EVENTS / 2, -1000 * SECOND);
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    start_again();
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    close_writer();
    remove_state();
}

/* One event, of which files and a push tell another key: that which was learnt last, whoever comes
 * first, and again. */
static void an_event_is_under_one_key(void **state)
{
    (void)state;
    const struct given_event told = { 7, 1, -2 * SECOND, 10 }, moved = { 7, 2, -SECOND, 20 };
    const struct given_event later = { 7, 3, 0, 30 }, nobodys = { 7, NO_CELL, 0, 40 };
    struct ax_online_batch batch;
    for (int is_told_first = 0; is_told_first < 2; is_told_first++) {
        open_state("x");
        if (is_told_first)
            tell(SOURCE_D, VIEW_D, &told, 1, INT64_MIN);
        good(push_events(&moved, 1, &batch, &err));
        check_windows(VIEW_D, &moved, 1, 0);
        for (int i = 0; i < 2; i++) {
            tell(SOURCE_D, VIEW_D, &told, 1, INT64_MIN);
            check_windows(VIEW_D, &moved, 1, 0);
            start_again();
        }
        good(define("x * 2", &err));
        check_windows(VIEW_D, &moved, 1, 0);
        good(push_events(&later, 1, &batch, &err));
        check_windows(VIEW_D, &later, 1, 0);
        good(push_events(&nobodys, 1, &batch, &err));
        check_windows(VIEW_D, &nobodys, 1, 0);
        start_again();
        tell(SOURCE_D, VIEW_D, &told, 1, INT64_MIN);
        check_windows(VIEW_D, &nobodys, 1, 0);
        close_writer();
        remove_state();
    }
}

/* Some events are not told any more: with a rebuild they are gone, and at a start. */
static void what_is_told_no_more_goes_with_a_rebuild(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    struct ax_online_batch batch;
    uint64_t random = 5;
    make_events(events, &random);
    open_state("x");
    good(push_events(events, 20, &batch, &err));
    tell(SOURCE_D, VIEW_D, events + 20, EVENTS - 20, -1000 * SECOND);
    tell(SOURCE_D, VIEW_D, events + 20, 10, -1000 * SECOND);
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_D, &err));
    check_windows(VIEW_D, events, 30, 150 * SECOND);
    start_again();
    check_windows(VIEW_D, events, 30, 150 * SECOND);
    close_writer();
    remove_state();
}

/* Of a source that is not pushed nothing is known but from where on files were read, window by
 * window: at 80 s that of 10 s is, and that of 60 s is not. */
static void what_was_not_told_is_not_known(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    uint64_t random = 7;
    int64_t n, sum, from = 40 * SECOND;
    size_t count = 0;
    make_events(events, &random);
    for (size_t i = 0; i < EVENTS; i++) {
        if (events[i].time > from)
            events[count++] = events[i];
    }
    open_state("x");
    assert_false(get_windows(VIEW_E, 1, 150 * SECOND, &n, &sum));
    assert_true(get_windows(VIEW_D, 1, 150 * SECOND, &n, &sum));
    tell(SOURCE_E, VIEW_E, events, count, from);
    for (int again = 0; again < 2; again++) {
        check_windows(VIEW_E, events, count, 150 * SECOND);
        int64_t expected = 0;
        for (size_t i = 0; i < count; i++)
            expected +=
                events[i].key == 1 && events[i].time > 70 * SECOND && events[i].time <= 80 * SECOND;
        assert_true(get_windows(VIEW_E, 1, 80 * SECOND, &n, &sum));
        assert_int_equal(n, expected);
        assert_int_equal(sum, 0);
        assert_false(get_windows(VIEW_E, 1, 45 * SECOND, &n, &sum));
        assert_false(get_windows(VIEW_E, 99, 45 * SECOND, &n, &sum));
        start_again();
    }
    tell(SOURCE_E, VIEW_E, NULL, 0, INT64_MIN); /* there is nothing */
    start_again();
    check_windows(VIEW_E, NULL, 0, 80 * SECOND);
    close_writer();
    remove_state();
}

/* One that was not ended is as if it had not begun; one of another source is not its own. */
static void what_was_broken_off_does_not_count(void **state)
{
    (void)state;
    const struct given_event event = { 1, 1, SECOND, 10 };
    struct ax_online_history_writer *history;
    struct ax_online_history found;
    open_state("x");
    tell(SOURCE_E, VIEW_E, &event, 1, INT64_MIN);
    good(ax_online_history_begin(folder, source_of(SOURCE_E), 0, LATEST, &history, &err));
    good(ax_online_history_find(folder, source_of(SOURCE_E), &found, &err));
    assert_int_equal(found.rows, 1);
    assert_int_equal(found.to_us, LATEST);
    ax_online_history_free(history);
    struct ax_source other = *source_of(SOURCE_E);
    other.text = AX_STR("other.csv");
    good(ax_online_history_find(folder, &other, &found, &err));
    assert_string_equal(found.folder, "");
    assert_true(found.is_other);
    other = *source_of(SOURCE_E);
    other.column_count--; /* it is read as a journal is */
    good(ax_online_history_find(folder, &other, &found, &err));
    assert_int_equal(found.rows, 1);
    start_again();
    check_windows(VIEW_E, &event, 1, 2 * SECOND);
    /* A name of the former form, which did not tell how far it goes. */
    good(ax_online_history_find(folder, source_of(SOURCE_E), &found, &err));
    char former[PATH_MAX];
    (void)snprintf(former, sizeof(former), "%s", found.folder);
    *strrchr(former, '-') = '\0';
    assert_int_equal(rename(found.folder, former), 0);
    good(ax_online_history_find(folder, source_of(SOURCE_E), &found, &err));
    assert_string_equal(found.folder, "");
    assert_true(found.is_other);
    close_writer();
    remove_state();
}

static void keys_go_from_what_files_told(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    struct ax_online_batch batch;
    uint64_t random = 9, rows;
    make_events(events, &random);
    open_state("x");
    tell(SOURCE_D, VIEW_D, events, EVENTS / 2, INT64_MIN);
    tell(SOURCE_E, VIEW_E, events, EVENTS / 2, INT64_MIN);
    good(push_events(events + EVENTS / 2, EVENTS / 2, &batch, &err));
    good(erase_key(0, 1, &rows, &err));
    assert_in_range(rows, EVENTS / EVENT_KEYS + EVENTS / 2 / EVENT_KEYS, EVENTS);
    for (size_t i = 1; i < EVENTS; i += EVENT_KEYS)
        events[i].key = -1;
    for (int again = 0; again < 2; again++) {
        check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
        check_windows(VIEW_E, events, EVENTS / 2, 150 * SECOND);
        start_again();
    }
    close_writer();
    remove_state();
}

/* ---- a start that fills windows behind ---- */

static atomic_bool is_to_hold;
static sem_t held, released;

static int64_t hold_us(void *context)
{
    (void)context;
    if (atomic_exchange(&is_to_hold, false)) {
        (void)sem_post(&held);
        wait_for(&released);
    }
    return 0;
}

static _Atomic unsigned fill_failures;

static void fill_failed(void *context, const struct ax_err *reason)
{
    (void)context;
    assert_int_equal(reason->code, AX_E_INVALID);
    atomic_fetch_add(&fill_failures, 1);
}

/* Definitions are in force, and no window is filled. */
static void start_held(void)
{
    struct ax_online_writer_config config = writer_config(folder);
    config.fill_rows_first = 0;
    config.now_us = hold_us;
    config.fill_failed = fill_failed;
    atomic_store(&fill_failures, 0);
    atomic_store(&is_to_hold, true);
    assert_int_equal(sem_init(&held, 0, 0), 0);
    assert_int_equal(sem_init(&released, 0, 0), 0);
    good(open_writer(&config, "x", &err));
    wait_for(&held);
}

static struct ax_online_writer_stats stats_of_writer(void)
{
    struct ax_online_writer_stats stats;
    ax_online_writer_stats(fixture.writer, &stats);
    return stats;
}

static void go_on(void)
{
    (void)sem_post(&released);
    while (ax_online_writer_fills_windows(fixture.writer))
        (void)sched_yield();
}

static void plain_views_answer_before_windows(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    struct given_row row = { 1, 5, 55 };
    struct ax_online_batch batch;
    uint64_t random = 13, rows;
    int64_t n, sum;
    make_events(events, &random);
    open_state("x");
    good(push(SOURCE_A, &row, 1, &batch, &err));
    tell(SOURCE_D, VIEW_D, events, EVENTS / 2, INT64_MIN);
    tell(SOURCE_E, VIEW_E, events, EVENTS / 2, INT64_MIN);
    good(push_events(events + EVENTS / 2, EVENTS / 2, &batch, &err));
    close_writer();

    start_held();
    assert_true(get_value(VIEW_A, 1, &row));
    assert_int_equal(row.x, 55);
    assert_true(ax_online_writer_fills_windows(fixture.writer));
    assert_int_equal(stats_of_writer().windows_unfilled, 2 * (EVENTS / 2) + EVENTS / 2);
    assert_false(get_windows(VIEW_D, 1, 150 * SECOND, &n, &sum));
    assert_false(get_windows(VIEW_E, 1, 150 * SECOND, &n, &sum));
    go_on();
    assert_int_equal(stats_of_writer().windows_unfilled, 0);
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    check_windows(VIEW_E, events, EVENTS / 2, 150 * SECOND);
    close_writer();

    start_held(); /* what is called meanwhile comes behind */
    (void)sem_post(&released);
    good(erase_key(0, 1, &rows, &err));
    for (size_t i = 1; i < EVENTS; i += EVENT_KEYS)
        events[i].key = -1;
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    close_writer();

    start_held(); /* nobody waits for windows at an end */
    (void)sem_post(&released);
    close_writer();
    start_again();
    check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    close_writer();
    remove_state();
}

/* The last byte of what files told windows of a source is another one. */
static void damage_history(size_t source)
{
    struct ax_online_history history;
    struct ax_buf bytes;
    char path[sizeof(history.folder) + 32];
    good(ax_online_history_find(folder, source_of(source), &history, &err));
    (void)snprintf(path, sizeof(path), "%s/0000000000000001.journal", history.folder);
    ax_buf_init(&bytes, (size_t)1 << 20);
    good(ax_file_read(path, &bytes, &err));
    bytes.ptr[bytes.len - 1] ^= 1;
    good(ax_file_replace(path, (struct ax_str){ bytes.ptr, bytes.len }, &err));
    ax_buf_done(&bytes);
}

/* Whether they are filled before definitions come into force, or behind. */
static void windows_that_cannot_be_read_stay_unknown(void **state)
{
    (void)state;
    struct given_event events[EVENTS];
    struct given_row row = { 1, 5, 55 };
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    uint64_t random = 15;
    int64_t n, sum;
    make_events(events, &random);
    open_state("x");
    good(push(SOURCE_A, &row, 1, &batch, &err));
    good(push_events(events, EVENTS, &batch, &err));
    tell(SOURCE_D, VIEW_D, events, EVENTS, INT64_MIN);
    tell(SOURCE_E, VIEW_E, events, EVENTS, INT64_MIN);
    config.fill_failed = fill_failed;
    for (int behind = 0; behind < 2; behind++) {
        damage_history(SOURCE_D);
        close_writer();
        atomic_store(&fill_failures, 0);
        if (behind) {
            start_held();
            go_on();
            assert_int_equal(stats_of_writer().windows_unfilled, EVENTS);
        } else {
            good(open_writer(&config, "x", &err));
        }
        assert_int_equal(fill_failures, 1);
        assert_false(get_windows(VIEW_D, 1, 150 * SECOND, &n, &sum));
        check_windows(VIEW_E, events, EVENTS, 150 * SECOND);
        assert_true(get_value(VIEW_A, 1, &row));
        assert_int_equal(define("x + 1", &err), AX_E_INVALID); /* later the views before stay */
        assert_non_null(strstr(err.msg, "source 'd'"));
        assert_non_null(strstr(err.msg, "materialise"));
        err = (struct ax_err)AX_ERR_INIT;
        tell(SOURCE_D, VIEW_D, events, EVENTS, INT64_MIN); /* files are read again */
        check_windows(VIEW_D, events, EVENTS, 150 * SECOND);
    }
    close_writer();
    remove_state();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_files_told_is_there_with_what_was_pushed),
        cmocka_unit_test(an_event_is_under_one_key),
        cmocka_unit_test(what_is_told_no_more_goes_with_a_rebuild),
        cmocka_unit_test(what_was_not_told_is_not_known),
        cmocka_unit_test(what_was_broken_off_does_not_count),
        cmocka_unit_test(keys_go_from_what_files_told),
        cmocka_unit_test(plain_views_answer_before_windows),
        cmocka_unit_test(windows_that_cannot_be_read_stay_unknown),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_writer_folder);
}
