/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the windows of an entity are what their page says, whatever the order of events.
 * Method: random histories (late, corrected, repeated, moved away and back, equal times, nulls,
 * infinities, values that cancel) against brute force (window_oracle.h), at many moments, while the
 * floor moves; the same histories sorted, in both modes. Small cases by hand. A failure prints its
 * seed; AX_WINDOW_SEED and AX_WINDOW_ROUNDS run others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/feature/window_history.h"

static void check_window(uint64_t seed, struct ax_window *window, size_t known, int64_t floor)
{
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, known, &winners);
    for (int i = 0; i < 3; i++) {
        int64_t at = history.events[below(known)].time;
        at += below(2) ? 0 : (int64_t)below(20 * SECOND) - 5 * SECOND;
        at += below(3) ? 0 : (int64_t)below(3) - 1;
        if (below(8) == 0)
            at += history.span;
        at = AX_MAX(at, floor);
        const char *self = below(3) ? NULL : history.events[below(known)].id;
        struct ax_str id = ax_str_from(self);
        const struct ax_window_value *values;
        assert_int_equal(ax_window_get(window, at, self ? &id : NULL, &values, &err), AX_OK);
        check_values(seed, values, winners, count, at, self);
    }
    free(winners);
}

static void run_any(uint64_t seed, size_t count_max)
{
    random_history(seed, count_max, false);
    struct ax_window_spec *spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    int64_t floor = INT64_MIN;
    size_t step = 1 + history.count / 12;
    for (size_t i = 0; i < history.count; i++) {
        assert_int_equal(oracle_put(window, &history.events[i], &err), AX_OK);
        if (below(step) && i + 1 < history.count)
            continue;
        check_window(seed, window, i + 1, floor);
        if (below(3) == 0) {
            int64_t next = history.events[below(i + 1)].time - (int64_t)below(HOUR);
            floor = AX_MAX(floor, next);
            ax_window_forget(window, floor);
        }
    }
    ax_window_free(window);
    ax_window_spec_free(spec);
}

static void any_order_gives_what_brute_force_says(void **state)
{
    (void)state;
    uint64_t rounds = environment("AX_WINDOW_ROUNDS", 400);
    uint64_t seed = environment("AX_WINDOW_SEED", 1);
    for (uint64_t i = 0; i < rounds; i++, seed++)
        run_any(seed, seed % 40 == 0 ? 1200 : seed % 4 == 0 ? 300 : 60);
}

/* Events of one time come in any order. */
static void shuffle_equal_times(const struct oracle_event **events, size_t count)
{
    for (size_t from = 0, i = 0; i < count; i++) {
        from = events[i]->time == events[from]->time ? from : i;
        size_t other = from + below(i - from + 1);
        const struct oracle_event *event = events[i];
        events[i] = events[other];
        events[other] = event;
    }
}

static void run_sorted(uint64_t seed, size_t count_max)
{
    random_history(seed, count_max, true);
    struct ax_window_spec *spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    struct ax_window *sorted, *any;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &sorted, &err), AX_OK);
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &any, &err), AX_OK);
    for (size_t i = 0; i < history.count; i++)
        assert_int_equal(oracle_put(any, &history.events[i], &err), AX_OK);
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, history.count, &winners);
    assert_int_equal(count, history.count);
    static const struct oracle_event *coming[EVENTS_MAX];
    memcpy(coming, winners, count * sizeof *winners);
    shuffle_equal_times(coming, count);
    size_t step = 1 + count / 20;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(oracle_put(sorted, coming[i], &err), AX_OK);
        if (below(step) || (i + 1 < count && winners[i + 1]->time == winners[i]->time))
            continue;
        int64_t at = winners[i]->time;
        if (i + 1 < count)
            at += (int64_t)below((uint64_t)(winners[i + 1]->time - at));
        const struct ax_window_value *values, *others;
        assert_int_equal(ax_window_get(sorted, at, NULL, &values, &err), AX_OK);
        check_values(seed, values, winners, count, at, NULL);
        assert_int_equal(ax_window_get(any, at, NULL, &others, &err), AX_OK);
        check_equal(seed, values, others);
        ax_window_forget(sorted, at);
        /* What is asked for no more is not kept: the newest N, a chunk that cannot leave as a
         * whole, and one being filled. */
        assert_true(ax_window_rows(sorted) <= history.exact_events + 2 * 64);
    }
    free(winners);
    ax_window_free(sorted);
    ax_window_free(any);
    ax_window_spec_free(spec);
}

static void sorted_streams_give_the_same(void **state)
{
    (void)state;
    uint64_t rounds = environment("AX_WINDOW_ROUNDS", 300);
    uint64_t seed = environment("AX_WINDOW_SEED", 1000001);
    for (uint64_t i = 0; i < rounds; i++, seed++)
        run_sorted(seed, seed % 30 == 0 ? 2000 : seed % 4 == 0 ? 400 : 60);
}

/* Numbers that buckets of one sketch hold, and now and then some that they do not. */
static double slid_number(size_t i)
{
    double value = floor(ax_random_normal(&history.random) * 50);
    if (i / 100 % 3 == 1 && below(4) == 0)
        return ldexp(value, below(2) ? 800 : -800);
    return below(40) ? value : INFINITY;
}

static bool is_same(const struct ax_window_aggregate *aggregate, const struct ax_window_value *a,
                    const struct ax_window_value *b)
{
    if (a->status != b->status || a->status != AX_WINDOW_PRESENT)
        return a->status == b->status;
    if (aggregate->kind == AX_AGGREGATE_VAR || aggregate->kind == AX_AGGREGATE_STDDEV)
        return oracle_ulps(a->item.f64, b->item.f64) <= 2;
    return a->item.i64 == b->item.i64;
}

/* What moves along with a sorted stream's windows is, bit for bit (but for var and stddev), what is
 * added anew in the other mode: over many reads, bunches of events of one time in any order, events
 * that come at a moment that was asked about, more of them between reads than stay rows, and
 * buckets too far apart. */
static void what_slides_is_what_adding_gives(void **state)
{
    (void)state;
    struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_MIN, .value = ORACLE_X, .filter = -1 },
        { .kind = AX_AGGREGATE_MAX, .value = ORACLE_N, .filter = ORACLE_FLAG },
        { .kind = AX_AGGREGATE_APPROX_QUANTILE, .value = ORACLE_X, .filter = -1, .quantile = 0.9 },
        { .kind = AX_AGGREGATE_APPROX_QUANTILE, .value = ORACLE_X, .filter = -1, .quantile = 0.1 },
        { .kind = AX_AGGREGATE_APPROX_QUANTILE, .value = ORACLE_N, .filter = ORACLE_FLAG },
        { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1 },
        { .kind = AX_AGGREGATE_SUM, .value = ORACLE_X, .filter = -1 },
        { .kind = AX_AGGREGATE_AVG, .value = ORACLE_X, .filter = ORACLE_FLAG },
        { .kind = AX_AGGREGATE_SUM, .value = ORACLE_N, .filter = -1 },
        { .kind = AX_AGGREGATE_STDDEV, .value = ORACLE_X, .filter = -1 },
        { .kind = AX_AGGREGATE_VAR, .value = ORACLE_N, .filter = ORACLE_FLAG },
    };
    static const size_t exact[] = { 70, 3, 1024, 1, 17 };
    uint64_t rounds = environment("AX_WINDOW_ROUNDS", 10);
    for (uint64_t seed = 0; seed < rounds; seed++) {
        ax_random_init(&history.random, seed, 1);
        for (size_t i = 0; i < AX_COUNT(aggregates); i++)
            aggregates[i].window_us = seed % 2 ? 100 * SECOND : (int64_t)(1 + i / 3) * 7 * SECOND;
        struct ax_window_spec *spec =
            make_spec(aggregates, AX_COUNT(aggregates), exact[seed % AX_COUNT(exact)]);
        uint64_t bunch = 1 + below(40), every = 1 + below(60);
        struct ax_window *sorted, *any;
        assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &sorted, &err), AX_OK);
        assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &any, &err), AX_OK);
        struct oracle_event event = { .time = 0 };
        for (size_t i = 0; i < 1500; i++) {
            event.time += below(bunch) ? 0 : (int64_t)below(bunch * SECOND / 2);
            event.x = slid_number(i);
            event.n = (int64_t)below(300) - 100;
            event.flag = below(2);
            event.is_null[ORACLE_X] = below(20) == 0;
            (void)snprintf(event.id, sizeof event.id, "%08zu", (size_t)below(100) * 100000 + i);
            assert_int_equal(oracle_put(sorted, &event, &err), AX_OK);
            assert_int_equal(oracle_put(any, &event, &err), AX_OK);
            if (below(i / 500 % 2 ? 200 : every))
                continue;
            const struct ax_window_value *values, *others;
            int64_t at = event.time + (below(4) ? 0 : (int64_t)below(SECOND / 4));
            assert_int_equal(ax_window_get(sorted, at, NULL, &values, &err), AX_OK);
            assert_int_equal(ax_window_get(any, at, NULL, &others, &err), AX_OK);
            for (size_t k = 0; k < AX_COUNT(aggregates); k++)
                if (!is_same(&aggregates[k], &values[k], &others[k]))
                    fail_msg("seed %llu, event %zu: aggregate %zu differs",
                             (unsigned long long)seed, i, k);
        }
        ax_window_free(sorted);
        ax_window_free(any);
        ax_window_spec_free(spec);
    }
}

/* ---- By hand. ---- */

static void put(struct ax_window *window, const char *id, int64_t time, int64_t sequence, double x)
{
    struct oracle_event event = { .time = time, .sequence = sequence, .x = x, .flag = true };
    (void)snprintf(event.id, sizeof event.id, "%s", id);
    assert_int_equal(oracle_put(window, &event, &err), AX_OK);
}

static const struct ax_window_value *get(struct ax_window *window, int64_t at)
{
    const struct ax_window_value *values = NULL;
    assert_int_equal(ax_window_get(window, at, NULL, &values, &err), AX_OK);
    return values;
}

static void nothing_is_zero_or_null(void **state)
{
    (void)state;
    struct ax_window_aggregate aggregates[AX_AGGREGATE_COUNT_OF];
    for (size_t i = 0; i < AX_COUNT(aggregates); i++)
        aggregates[i] = (struct ax_window_aggregate){
            .kind = (enum ax_aggregate_kind)i,
            .value = ORACLE_X,
            .filter = -1,
            .n = 2,
            .quantile = 0.5,
            .window_us = HOUR,
        };
    struct ax_window_spec *spec = make_spec(aggregates, AX_COUNT(aggregates), 0);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &window, &err), AX_OK);
    const struct ax_window_value *values = get(window, HOUR);
    for (size_t i = 0; i < AX_COUNT(aggregates); i++) {
        bool counts = i == AX_AGGREGATE_COUNT || i == AX_AGGREGATE_COUNT_DISTINCT;
        assert_int_equal(values[i].status, counts ? AX_WINDOW_PRESENT : AX_WINDOW_NULL);
        assert_true(!counts || values[i].item.i64 == 0);
    }
    ax_window_free(window);
    ax_window_spec_free(spec);
}

static void edges_are_open_below_and_closed_above(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR },
        { .kind = AX_AGGREGATE_COUNT,
          .value = -1,
          .filter = -1,
          .window_us = HOUR,
          .hop_us = 10 * MINUTE },
    };
    struct ax_window_spec *spec = make_spec(aggregates, 2, 0);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    put(window, "a", 10 * MINUTE, 0, 1);
    put(window, "b", 10 * MINUTE + 1, 0, 1);
    put(window, "c", 70 * MINUTE, 0, 1);
    put(window, "d", 70 * MINUTE + 1, 0, 1);
    const struct ax_window_value *values = get(window, 70 * MINUTE);
    assert_int_equal(values[0].item.i64, 2); /* b and c. */
    assert_int_equal(values[1].item.i64, 2); /* The edge is a boundary already. */
    values = get(window, 70 * MINUTE + 1);
    assert_int_equal(values[0].item.i64, 2); /* c and d. */
    assert_int_equal(values[1].item.i64, 3); /* b, too. */
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* The rule of the newest N: with N events in the window its edge moves, with N - 1 it does not. */
static void the_edge_moves_when_there_are_n(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregate = {
        .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR
    };
    struct ax_window_spec *spec = make_spec(&aggregate, 1, 3);
    struct ax_window *window;
    assert_int_equal(ax_window_hop_us(HOUR), 5 * MINUTE);
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    put(window, "old", 61 * MINUTE, 0, 1);
    put(window, "b", 100 * MINUTE, 0, 1);
    put(window, "c", 110 * MINUTE, 0, 1);
    int64_t at = 122 * MINUTE; /* (62, 122]; moved: (60, 122]. */
    assert_int_equal(get(window, at)[0].item.i64, 2);
    put(window, "d", 121 * MINUTE, 0, 1);
    assert_int_equal(get(window, at)[0].item.i64, 4);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* Where windows begin and end is known still when a chunk is split, since ids come from the last to
 * the first, so that these places are in its upper half, and its lower half leaves. */
static void a_split_chunk_may_leave(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR },
        { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = 10 * SECOND },
    };
    struct ax_window_spec *spec = make_spec(aggregates, 2, 3);
    struct ax_window *window;
    char id[16];
    assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &window, &err), AX_OK);
    for (int i = 1; i <= 50; i++)
        put(window, "a", i * SECOND, 0, 1);
    const struct ax_window_value *values = get(window, 50 * SECOND);
    assert_int_equal(values[0].item.i64, 50);
    assert_int_equal(values[1].item.i64, 10);
    for (int i = 20; i > 0; i--) {
        (void)snprintf(id, sizeof id, "%02d", i);
        put(window, id, 55 * SECOND, 0, 1);
    }
    assert_true(ax_window_rows(window) < 50);
    values = get(window, 55 * SECOND);
    assert_int_equal(values[0].item.i64, 70);
    assert_int_equal(values[1].item.i64, 25);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

static void a_higher_version_replaces(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregate = {
        .kind = AX_AGGREGATE_SUM, .value = ORACLE_X, .filter = -1, .window_us = HOUR
    };
    struct ax_window_spec *spec = make_spec(&aggregate, 1, 0);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    put(window, "a", MINUTE, 1, 1);
    put(window, "b", MINUTE, 1, 10);
    put(window, "a", MINUTE, 0, 100); /* Lower. */
    put(window, "a", MINUTE, 1, 100); /* The same again. */
    assert_true(get(window, HOUR)[0].item.f64 == 11);
    put(window, "a", MINUTE, 2, 2);
    assert_true(get(window, HOUR)[0].item.f64 == 12);
    put(window, "a", 2 * HOUR, 3, 3); /* It happened later, after all. */
    assert_true(get(window, HOUR)[0].item.f64 == 10);
    struct oracle_event gone = { .id = "b", .time = MINUTE, .sequence = 2, .is_gone = true };
    assert_int_equal(oracle_put(window, &gone, &err), AX_OK);
    assert_int_equal(get(window, HOUR)[0].status, AX_WINDOW_NULL);
    put(window, "b", MINUTE, 1, 10); /* What is gone stays so. */
    assert_int_equal(get(window, HOUR)[0].status, AX_WINDOW_NULL);
    put(window, "b", MINUTE, 3, 20);
    assert_true(get(window, HOUR)[0].item.f64 == 20);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* By an older version, while that may still come. */
static void what_went_far_back_does_not_return(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregate = {
        .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR
    };
    struct ax_window_spec *spec = make_spec(&aggregate, 1, 0);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    struct oracle_event event = { .id = "a", .time = 0, .created = 10 * HOUR };
    assert_int_equal(oracle_put(window, &event, &err), AX_OK);
    ax_window_forget(window, 10 * HOUR);
    event.time = 10 * HOUR - MINUTE;
    event.created = 10 * HOUR - 1;
    assert_int_equal(oracle_put(window, &event, &err), AX_OK);
    assert_int_equal(get(window, 10 * HOUR)[0].item.i64, 0);
    event.created = 10 * HOUR + 1;
    assert_int_equal(oracle_put(window, &event, &err), AX_OK);
    assert_int_equal(get(window, 10 * HOUR)[0].item.i64, 1);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

static void what_cannot_be_known_is_refused(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregate = {
        .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR
    };
    struct ax_window_spec *spec = make_spec(&aggregate, 1, 0);
    struct ax_window *window;
    const struct ax_window_value *values;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &window, &err), AX_OK);
    put(window, "a", HOUR, 0, 1);
    assert_int_equal(ax_window_get(window, HOUR - 1, NULL, &values, &err), AX_E_INVALID);
    ax_err_clear(&err);
    struct ax_str self = AX_STR("a");
    assert_int_equal(ax_window_get(window, HOUR, &self, &values, &err), AX_E_INVALID);
    ax_err_clear(&err);
    struct oracle_event early = { .id = "b", .time = HOUR - 1 };
    assert_int_equal(oracle_put(window, &early, &err), AX_E_INVALID);
    ax_err_clear(&err);
    struct oracle_event far = { .id = "b", .time = AX_WINDOW_TIME_MAX + 1 };
    assert_int_equal(oracle_put(window, &far, &err), AX_E_INVALID);
    ax_err_clear(&err);
    ax_window_clear(window); /* For another entity. */
    put(window, "a", 1, 0, 1);
    assert_int_equal(get(window, 1)[0].item.i64, 1);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* An endless hot stream: neither rows nor bytes grow, and stay below what plan says. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_AVG, .value = ORACLE_X, .filter = -1, .window_us = HOUR },
        { .kind = AX_AGGREGATE_MAX, .value = ORACLE_N, .filter = ORACLE_FLAG, .window_us = DAY },
        { .kind = AX_AGGREGATE_COUNT_DISTINCT, .value = ORACLE_N, .filter = -1, .window_us = DAY },
        { .kind = AX_AGGREGATE_APPROX_QUANTILE,
          .value = ORACLE_X,
          .filter = -1,
          .quantile = 0.9,
          .window_us = 30 * DAY },
    };
    struct ax_window_spec *spec = make_spec(aggregates, AX_COUNT(aggregates), 100);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_SORTED, &window, &err), AX_OK);
    ax_random_init(&history.random, 5, 0);
    size_t most = 0;
    for (size_t i = 0; i < 60000; i++) { /* 416 days, an event each 10 minutes. */
        struct oracle_event event = { .time = (int64_t)i * 10 * MINUTE,
                                      .x = (double)below(1000),
                                      .n = (int64_t)below(1000),
                                      .flag = true };
        (void)snprintf(event.id, sizeof event.id, "%zu", i);
        assert_int_equal(oracle_put(window, &event, &err), AX_OK);
        if (i % 100 == 0)
            (void)get(window, event.time);
        most = AX_MAX(most, ax_window_bytes(window));
    }
    assert_true(most <= ax_window_spec_bytes(spec));
    assert_true(ax_window_rows(window) <= 100 + 2 * 64);
    ax_window_free(window);
    ax_window_spec_free(spec);
}

/* Rows and ids of corrections go when the floor has passed them. */
static void what_is_forgotten_takes_no_memory(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregate = {
        .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR
    };
    struct ax_window_spec *spec = make_spec(&aggregate, 1, 10);
    struct ax_window *window;
    assert_int_equal(ax_window_new(spec, AX_WINDOW_ANY, &window, &err), AX_OK);
    size_t most = 0;
    for (size_t i = 0; i < 50000; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "%zu", i);
        put(window, id, (int64_t)i * MINUTE, 0, 1);
        ax_window_forget(window, (int64_t)i * MINUTE);
        most = AX_MAX(most, ax_window_rows(window));
    }
    assert_true(most <= 65 + 2 * 64);
    assert_true(ax_window_bytes(window) < 100000);
    assert_int_equal(get(window, 49999 * MINUTE)[0].item.i64, 64); /* Moved to a multiple of 5 m. */
    ax_window_free(window);
    ax_window_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_zero_or_null),
        cmocka_unit_test(edges_are_open_below_and_closed_above),
        cmocka_unit_test(the_edge_moves_when_there_are_n),
        cmocka_unit_test(a_split_chunk_may_leave),
        cmocka_unit_test(a_higher_version_replaces),
        cmocka_unit_test(what_went_far_back_does_not_return),
        cmocka_unit_test(what_cannot_be_known_is_refused),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(what_is_forgotten_takes_no_memory),
        cmocka_unit_test(any_order_gives_what_brute_force_says),
        cmocka_unit_test(sorted_streams_give_the_same),
        cmocka_unit_test(what_slides_is_what_adding_gives),
    };
    return cmocka_run_group_tests_name("feature/window", tests, NULL, NULL);
}
