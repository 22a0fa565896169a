/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: when memory is refused, the windows of an entity are as they were.
 * Method: a short random history under torture (tests/torture.h): what was refused is done again,
 * and then all values are those of brute force.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "torture.h"
#include "unit/feature/window_history.h"

#include "feature/online/online_window.h"

/* A refused allocation changes nothing: after it, the same calls give the same values. */
static void a_refusal_changes_nothing(void **state)
{
    (void)state;
    random_history(4, 100, false);
    history.exact_events = 5;
    struct ax_window_spec *spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    struct ax_window *window = NULL;
    for (int tries = 0; tries < 2 && !window; tries++) {
        ax_err_clear(&err);
        if (ax_window_new(spec, AX_WINDOW_ANY, &window, &err)) {
            assert_true(ax_torture_struck());
            assert_int_equal(err.code, AX_E_LIMIT);
        }
    }
    for (size_t i = 0; i < history.count; i++) {
        for (int tries = 0; tries < 2; tries++) {
            ax_err_clear(&err);
            if (!oracle_put(window, &history.events[i], &err))
                break;
            assert_true(ax_torture_struck() && tries == 0);
            assert_int_equal(err.code, AX_E_LIMIT);
        }
    }
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, history.count, &winners);
    for (size_t i = 0; i < 30; i++) {
        int64_t at = history.events[below(history.count)].time;
        const struct ax_window_value *values;
        ax_err_clear(&err);
        if (ax_window_get(window, at, NULL, &values, &err)) {
            assert_true(ax_torture_struck());
            ax_err_clear(&err);
            assert_int_equal(ax_window_get(window, at, NULL, &values, &err), AX_OK);
        }
        check_values(4, values, winners, count, at, NULL);
    }
    free(winners);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* Of a sorted stream, too, whose windows move along; but an event that was refused is its end. */
static void a_refused_read_is_read_again(void **state)
{
    (void)state;
    random_history(7, 100, true);
    history.exact_events = 20;
    struct ax_window_spec *spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    struct ax_window *window = NULL;
    for (int tries = 0; tries < 2 && !window; tries++) {
        ax_err_clear(&err);
        if (ax_window_new(spec, AX_WINDOW_SORTED, &window, &err))
            assert_true(ax_torture_struck());
    }
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, history.count, &winners);
    for (size_t i = 0; i < count; i++) {
        const struct ax_window_value *values;
        ax_err_clear(&err);
        if (oracle_put(window, winners[i], &err)) {
            assert_true(ax_torture_struck());
            break;
        }
        if (i + 1 < count && winners[i + 1]->time == winners[i]->time)
            continue;
        if (ax_window_get(window, winners[i]->time, NULL, &values, &err)) {
            assert_true(ax_torture_struck());
            assert_int_equal(err.code, AX_E_LIMIT);
            ax_err_clear(&err);
            assert_int_equal(ax_window_get(window, winners[i]->time, NULL, &values, &err), AX_OK);
        }
        check_values(7, values, winners, count, winners[i]->time, NULL);
    }
    free(winners);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

static enum ax_code put_online(struct ax_online_window *window, const struct oracle_event *event)
{
    struct oracle_row row;
    oracle_row_set(&row, event);
    struct ax_window_event put = oracle_window_event(event);
    return ax_online_window_put(window, &put, row.list, 0, &err);
}

/* Online: an event that was refused is put in again, and readers have all there is, or what there
 * was before. */
static void a_refused_event_is_put_again(void **state)
{
    (void)state;
    random_history(4, 100, false);
    history.exact_events = 5;
    struct ax_window_spec *spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    static struct ax_epoch epoch;
    struct ax_window_heap heap;
    struct ax_window_scratch scratch = { 0 };
    struct ax_online_window *window = NULL;
    ax_epoch_init(&epoch);
    ax_window_heap_init(&heap, &epoch, NULL, SIZE_MAX);
    while (!scratch.rooms || !window) {
        ax_err_clear(&err);
        if (!scratch.rooms && !ax_window_scratch_init(&scratch, spec, NULL))
            ax_window_scratch_done(&scratch, spec);
        if (!window && ax_online_window_new(spec, &heap, &window, &err))
            assert_int_equal(err.code, AX_E_LIMIT);
        assert_true((scratch.rooms && window) || ax_torture_struck());
    }
    for (size_t i = 0; i < history.count; i++) {
        ax_err_clear(&err);
        if (put_online(window, &history.events[i])) {
            assert_true(ax_torture_struck());
            assert_int_equal(err.code, AX_E_LIMIT);
            ax_err_clear(&err);
            assert_int_equal(put_online(window, &history.events[i]), AX_OK);
        }
    }
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, history.count, &winners);
    for (size_t i = 0; i < 30; i++) {
        int64_t at = history.events[below(history.count)].time;
        const struct ax_window_value *values;
        ax_err_clear(&err);
        if (ax_online_window_get(window, at, NULL, &scratch, &values, &err)) {
            assert_true(ax_torture_struck());
            ax_err_clear(&err);
            assert_int_equal(ax_online_window_get(window, at, NULL, &scratch, &values, &err),
                             AX_OK);
        }
        check_values(4, values, winners, count, at, NULL);
    }
    free(winners);
    ax_online_window_drop(window);
    (void)ax_window_heap_flush(&heap);
    assert_int_equal(atomic_load(&heap.bytes), 0);
    ax_window_heap_done(&heap);
    ax_epoch_done(&epoch);
    ax_window_scratch_done(&scratch, spec);
    ax_window_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_changes_nothing),
        cmocka_unit_test(a_refused_read_is_read_again),
        cmocka_unit_test(a_refused_event_is_put_again),
    };
    return cmocka_run_group_tests_name("feature/window_memory", tests, NULL, NULL);
}
