/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: windows online give what windows offline give after the same events, in whatever order.
 * Method: random histories (late, corrected, repeated, gone, equal times) put in one by one or by
 * batches, beside the one-thread windows and brute force, at many moments, while the floor moves. A
 * reader that stays inside the epoch still has what it read after more events came; what was
 * replaced is freed when it leaves, which AddressSanitizer and the heap's count watch.
 * AX_WINDOW_SEED and AX_WINDOW_ROUNDS run other histories.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/feature/window_history.h"

#include "feature/online/online_window.h"

#define HEAP_BYTES ((size_t)256 << 20)

static struct ax_epoch epoch;
static struct ax_window_heap heap;
static struct ax_memory_slab slab;

enum { BATCH = 40 };

/* Put in events at once; err is the first one's. Those that were refused. */
static size_t put_events(struct ax_online_window *window, const struct oracle_event *events,
                         size_t count, int64_t floor)
{
    static struct oracle_row rows[BATCH];
    static struct ax_window_event made[BATCH];
    static struct ax_online_window_put puts[BATCH];
    for (size_t i = 0; i < count; i++) {
        oracle_row_set(&rows[i], &events[i]);
        made[i] = oracle_window_event(&events[i]);
        puts[i] = (struct ax_online_window_put){ .window = window,
                                                 .event = &made[i],
                                                 .columns = rows[i].list };
    }
    enum ax_code code = ax_online_window_put_all(puts, count, floor, &err);
    size_t refused = 0;
    for (size_t i = 0; i < count; i++)
        refused += puts[i].ret_code != AX_OK;
    assert_int_equal(code != AX_OK, refused != 0);
    return refused;
}

static enum ax_code put_event(struct ax_online_window *window, const struct oracle_event *event)
{
    struct oracle_row row;
    oracle_row_set(&row, event);
    struct ax_window_event put = oracle_window_event(event);
    return ax_online_window_put(window, &put, row.list, 0, &err);
}

/* One history: both kinds of windows, and what has come. */
struct run {
    uint64_t seed;
    struct ax_window_spec *spec;
    struct ax_window *offline;
    struct ax_online_window *online;
    struct ax_window_scratch scratch;
    struct ax_epoch_reader *reader;
    int64_t floor;
    size_t known;
};

static void run_start(struct run *run, uint64_t seed, size_t count_max)
{
    random_history(seed, count_max, false);
    *run = (struct run){ .seed = seed, .floor = INT64_MIN };
    run->spec = make_spec(history.aggregates, AGGREGATES, history.exact_events);
    ax_epoch_init(&epoch);
    ax_memory_slab_init(&slab, HEAP_BYTES);
    ax_window_heap_init(&heap, &epoch, seed % 4 == 1 ? &slab : NULL, HEAP_BYTES);
    run->reader = ax_epoch_register(&epoch);
    assert_int_equal(ax_window_new(run->spec, AX_WINDOW_ANY, &run->offline, &err), AX_OK);
    assert_int_equal(ax_online_window_new(run->spec, &heap, &run->online, &err), AX_OK);
    assert_true(ax_window_scratch_init(&run->scratch, run->spec, NULL));
}

static void run_end(struct run *run)
{
    ax_online_window_drop(run->online);
    ax_epoch_unregister(run->reader);
    (void)ax_window_heap_flush(&heap);
    assert_int_equal(atomic_load(&heap.bytes), 0);
    ax_window_heap_done(&heap);
    assert_int_equal(slab.used, 0);
    ax_memory_slab_done(&slab);
    ax_epoch_done(&epoch);
    ax_window_scratch_done(&run->scratch, run->spec);
    ax_window_free(run->offline);
    ax_window_spec_free(run->spec);
}

static void raise_floor(struct run *run)
{
    int64_t next = history.events[below(run->known)].time - (int64_t)below(HOUR);
    run->floor = AX_MAX(run->floor, next);
}

static void run_put(struct run *run)
{
    const struct oracle_event *events = &history.events[run->known];
    size_t count = below(4) ? 1 : 1 + below(BATCH);
    count = AX_MIN(count, history.count - run->known);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(oracle_put(run->offline, &events[i], &err), AX_OK);
    if (run->known && below(4) == 0)
        raise_floor(run);
    assert_int_equal(put_events(run->online, events, count, run->floor), 0);
    ax_window_forget(run->offline, run->floor);
    run->known += count;
    if (below(4) == 0)
        ax_window_heap_settle(&heap);
}

/* Some events more, while a reader looks at what it got. */
static void put_a_few(struct run *run)
{
    for (uint64_t i = below(3); i > 0 && run->known < history.count; i--)
        run_put(run);
}

static void check_moment(struct run *run)
{
    const struct oracle_event **winners;
    size_t count = oracle_winners(history.events, run->known, &winners);
    int64_t at = history.events[below(run->known)].time;
    at += below(2) ? 0 : (int64_t)below(20 * SECOND) - 5 * SECOND;
    at += below(8) ? 0 : history.span;
    at = AX_MAX(at, run->floor);
    const char *name = below(3) ? NULL : history.events[below(run->known)].id;
    struct ax_str id = ax_str_from(name);
    const struct ax_str *self = name ? &id : NULL;
    const struct ax_window_value *values, *others;
    ax_epoch_enter(&epoch, run->reader);
    assert_int_equal(ax_online_window_get(run->online, at, self, &run->scratch, &values, &err),
                     AX_OK);
    assert_int_equal(ax_window_get(run->offline, at, self, &others, &err), AX_OK);
    check_equal(run->seed, values, others);
    put_a_few(run);
    check_values(run->seed, values, winners, count, at, name);
    ax_epoch_leave(run->reader);
    free(winners);
}

static void move_floor(struct run *run)
{
    raise_floor(run);
    ax_window_forget(run->offline, run->floor);
    (void)ax_online_window_forget(run->online, run->floor);
}

static void online_is_offline_and_brute_force(void **state)
{
    (void)state;
    uint64_t rounds = environment("AX_WINDOW_ROUNDS", 300);
    uint64_t seed = environment("AX_WINDOW_SEED", 1);
    for (uint64_t i = 0; i < rounds; i++, seed++) {
        struct run run;
        run_start(&run, seed, seed % 40 == 0 ? 1200 : seed % 4 == 0 ? 300 : 60);
        size_t step = 1 + history.count / 12;
        while (run.known < history.count) {
            run_put(&run);
            if (below(step) && run.known < history.count)
                continue;
            for (int k = 0; k < 3; k++)
                check_moment(&run);
            if (below(3) == 0)
                move_floor(&run);
        }
        run_end(&run);
    }
}

/* ---- By hand. ---- */

static const struct ax_window_aggregate hand_aggregates[] = {
    { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = MINUTE },
    { .kind = AX_AGGREGATE_SUM, .value = ORACLE_X, .filter = -1, .window_us = HOUR },
};

static int64_t count_at(struct run *run, int64_t at)
{
    const struct ax_window_value *values = NULL;
    assert_int_equal(ax_online_window_get(run->online, at, NULL, &run->scratch, &values, &err),
                     AX_OK);
    return values[0].item.i64;
}

static void hand_start(struct run *run, size_t exact_events, size_t bytes_max)
{
    *run =
        (struct run){ .spec = make_spec(hand_aggregates, AX_COUNT(hand_aggregates), exact_events) };
    ax_epoch_init(&epoch);
    ax_memory_slab_init(&slab, SIZE_MAX);
    ax_window_heap_init(&heap, &epoch, NULL, bytes_max);
    run->reader = ax_epoch_register(&epoch);
    assert_int_equal(ax_online_window_new(run->spec, &heap, &run->online, &err), AX_OK);
    assert_true(ax_window_scratch_init(&run->scratch, run->spec, NULL));
}

static struct oracle_event hand_event(size_t number, int64_t time)
{
    struct oracle_event event = { .time = time, .x = 1 };
    (void)snprintf(event.id, sizeof event.id, "an id of event %06zu", number);
    return event;
}

static void nothing_is_read_of_a_new_one(void **state)
{
    (void)state;
    struct run run;
    hand_start(&run, 0, HEAP_BYTES);
    assert_int_equal(count_at(&run, 0), 0);
    assert_true(ax_online_window_forget(run.online, 5));
    struct oracle_event event = hand_event(0, 10);
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_false(ax_online_window_forget(run.online, 11));
    const struct ax_window_value *values;
    assert_int_equal(count_at(&run, 11), 1);
    event.time = 12;
    event.sequence = 1;
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_int_equal(count_at(&run, 11), 0);
    assert_int_equal(ax_online_window_get(run.online, 10, NULL, &run.scratch, &values, &err),
                     AX_E_INVALID);
    ax_err_clear(&err);
    run_end(&run);
}

/* An event that is gone before any other version of it came, behind all others. */
static void what_was_never_there_is_gone(void **state)
{
    (void)state;
    struct run run;
    hand_start(&run, 0, HEAP_BYTES);
    for (size_t i = 0; i < 3; i++) {
        struct oracle_event event = hand_event(i, (int64_t)i);
        assert_int_equal(put_event(run.online, &event), AX_OK);
    }
    struct oracle_event event = hand_event(3, 3);
    event.is_gone = true;
    event.sequence = 1;
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_int_equal(count_at(&run, 3), 3);
    event.is_gone = false;
    event.sequence = 0;
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_int_equal(count_at(&run, 3), 3);
    event.sequence = 2;
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_int_equal(count_at(&run, 3), 4);
    run_end(&run);
}

/* What no window reaches goes, chunk by chunk and tile by tile, and with the last all is empty. */
static void put_and_forget(bool at_once)
{
    enum { EVENTS = 2000, NEWEST = 100 };
    struct run run;
    size_t most = 0;
    hand_start(&run, NEWEST, HEAP_BYTES);
    for (size_t i = 0; i < EVENTS; i++) {
        struct oracle_event event = hand_event(i, (int64_t)i * 10 * SECOND);
        int64_t floor = at_once ? event.time : INT64_MIN;
        assert_int_equal(put_events(run.online, &event, 1, floor), 0);
        if (!at_once)
            (void)ax_online_window_forget(run.online, event.time);
        ax_window_heap_settle(&heap);
        if (i == EVENTS / 2)
            most = atomic_load(&heap.bytes);
        assert_int_equal(count_at(&run, event.time), AX_MIN(i + 1, 6));
    }
    /* An hour has 360 of these: with twice as many there would be more. */
    assert_true(atomic_load(&heap.bytes) < most + most / 2);
    size_t row_bytes = ax_window_spec_row_bytes(run.spec);
    assert_true(most < ax_window_spec_bytes(run.spec) + 2 * 360 * (row_bytes + 32));
    assert_true(ax_online_window_forget(run.online, EVENTS * 10 * SECOND + 2 * HOUR));
    (void)ax_window_heap_flush(&heap);
    assert_true(atomic_load(&heap.bytes) < most / 8);
    run_end(&run);
}

static void what_is_past_goes(void **state)
{
    (void)state;
    put_and_forget(false);
}

static void what_is_past_goes_with_what_comes(void **state)
{
    (void)state;
    put_and_forget(true);
}

/* Many events at once, of several keys: in their order, and what is refused is told of each. */
static void many_are_put_at_once(void **state)
{
    (void)state;
    enum { KEYS = 3, EVENTS = 100 };
    struct run run;
    struct ax_online_window *windows[KEYS];
    struct oracle_event events[EVENTS];
    struct oracle_row rows[EVENTS];
    struct ax_window_event window_events[EVENTS];
    struct ax_online_window_put puts[EVENTS];
    hand_start(&run, 0, HEAP_BYTES);
    windows[0] = run.online;
    for (size_t i = 1; i < KEYS; i++)
        assert_int_equal(ax_online_window_new(run.spec, &heap, &windows[i], &err), AX_OK);
    for (size_t i = 0; i < EVENTS; i++) {
        events[i] = hand_event(i / KEYS / 2, (int64_t)i); /* Each id twice: the latter is later. */
        events[i].sequence = (int64_t)i;
        oracle_row_set(&rows[i], &events[i]);
        window_events[i] = oracle_window_event(&events[i]);
        puts[i] = (struct ax_online_window_put){ .window = windows[i % KEYS],
                                                 .event = &window_events[i],
                                                 .columns = rows[i].list };
    }
    window_events[70].time = INT64_MAX;
    window_events[80].time = INT64_MIN;
    assert_int_equal(ax_online_window_put_all(puts, EVENTS, INT64_MIN, &err), AX_E_INVALID);
    ax_err_clear(&err);
    for (size_t i = 0; i < EVENTS; i++)
        assert_int_equal(puts[i].ret_code, i == 70 || i == 80 ? AX_E_INVALID : AX_OK);
    assert_int_equal(count_at(&run, EVENTS), (EVENTS + 2 * KEYS - 1) / (2 * KEYS));
    assert_int_equal(count_at(&run, EVENTS / 2), 8); /* 3, 9, … 45. */
    for (size_t i = 1; i < KEYS; i++)
        ax_online_window_drop(windows[i]);
    run_end(&run);
}

/* At the limit of memory events are refused, those that are there stay, and go on being read. */
static void fill_heap(size_t batch, size_t late)
{
    enum { EVENTS = 5000 };
    struct run run;
    struct oracle_event events[BATCH];
    hand_start(&run, 0, (size_t)100 << 10);
    size_t put = 0, refused = 0;
    while (put < EVENTS && !refused) {
        for (size_t i = 0; i < batch; i++)
            events[i] = hand_event(put + i, (int64_t)((put + i) ^ late));
        ax_err_clear(&err);
        refused = put_events(run.online, events, batch, INT64_MIN);
        put += batch - refused;
    }
    assert_in_range(put, 100, EVENTS - 1);
    assert_int_equal(err.code, AX_E_LIMIT);
    assert_true(atomic_load(&heap.bytes) <= ((size_t)104 << 10));
    assert_in_range(count_at(&run, EVENTS), put, put + refused);
    (void)ax_online_window_forget(run.online, 2 * HOUR);
    struct oracle_event event = hand_event(EVENTS, 2 * HOUR);
    ax_err_clear(&err);
    assert_int_equal(put_event(run.online, &event), AX_OK);
    assert_int_equal(count_at(&run, 2 * HOUR), 1);
    run_end(&run);
}

static void a_full_heap_refuses(void **state)
{
    (void)state;
    fill_heap(1, 0);
    fill_heap(BATCH, 0);
    fill_heap(BATCH, 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(online_is_offline_and_brute_force),
        cmocka_unit_test(nothing_is_read_of_a_new_one),
        cmocka_unit_test(what_was_never_there_is_gone),
        cmocka_unit_test(what_is_past_goes),
        cmocka_unit_test(what_is_past_goes_with_what_comes),
        cmocka_unit_test(many_are_put_at_once),
        cmocka_unit_test(a_full_heap_refuses),
    };
    return cmocka_run_group_tests_name("feature/online/online_window", tests, NULL, NULL);
}
