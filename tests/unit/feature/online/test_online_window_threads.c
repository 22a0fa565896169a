/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: while one thread puts events in, others find values of one and the same moment between two
 * events, never of half of a change.
 * Method: events whose parts tell of each other. Of one entity, events of a first kind only ever
 * move in time (corrections), so that their number and their sum stay; of a second kind the i-th
 * has the value i, comes in order or late, and is told of by a count: sum, greatest, last and tally
 * of values follow from it. Of another entity, events come each second and the floor follows them,
 * so that what readers look at is dropped behind their backs. Few rows are exact, so that tiles,
 * archive and chunks are all in use. Run under ThreadSanitizer, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/thread.h"
#include "feature/online/online_window.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define SECOND     INT64_C(1000000)
#define HEAP_BYTES ((size_t)64 << 20)
#define MOVED_SUM  ((int64_t)MOVED * (MOVED + 1) / 2 * 1000000)

enum { READERS = 3, MOVED = 150, EVENTS = 6000, SPAN = 5000, PACED_WINDOW = 90 };

static struct ax_epoch epoch;
static struct ax_window_heap heap;
static struct ax_window_spec *spec, *paced_spec;
static struct ax_online_window *window, *paced;
static atomic_bool stop;
static atomic_long now;   /* of the paced entity: the last event's second */
static atomic_long added; /* events of the second kind that were put in */
static atomic_ulong broken, seen;

/* ---- what is read ---- */

enum { COUNT, SUM, LEAST, GREATEST, MOVED_COUNT, DISTINCT, LATEST, AGGREGATES };

static const struct ax_type types[] = { { AX_TYPE_INT64, false }, { AX_TYPE_BOOL, false } };

#define OVER(what, of, where) \
    { .kind = (what), .value = (of), .filter = (where), .window_us = 10 * SPAN * SECOND }

static const struct ax_window_aggregate aggregates[AGGREGATES] = {
    [COUNT] = OVER(AX_AGGREGATE_COUNT, -1, -1),
    [SUM] = OVER(AX_AGGREGATE_SUM, 0, -1),
    [LEAST] = OVER(AX_AGGREGATE_MIN, 0, -1),
    [GREATEST] = OVER(AX_AGGREGATE_MAX, 0, -1),
    [MOVED_COUNT] = OVER(AX_AGGREGATE_COUNT, -1, 1),
    [DISTINCT] = OVER(AX_AGGREGATE_COUNT_DISTINCT, 0, 1),
    /* Has tiles be cut each minute. */
    [LATEST] = { .kind = AX_AGGREGATE_COUNT,
                 .value = -1,
                 .filter = -1,
                 .window_us = 600 * SECOND,
                 .hop_us = 60 * SECOND },
};

static const struct ax_window_aggregate paced_aggregates[] = {
    { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = PACED_WINDOW * SECOND },
    { .kind = AX_AGGREGATE_SUM, .value = 0, .filter = -1, .window_us = PACED_WINDOW * SECOND },
    { .kind = AX_AGGREGATE_LAST, .value = 0, .filter = -1, .window_us = PACED_WINDOW * SECOND },
};

static struct ax_window_spec *make(const struct ax_window_aggregate *list, size_t count,
                                   size_t exact_events)
{
    struct ax_window_config config = { .columns = types,
                                       .column_count = AX_COUNT(types),
                                       .aggregates = list,
                                       .aggregate_count = count,
                                       .exact_events = exact_events };
    struct ax_window_spec *made = NULL;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_window_spec_new(&config, &made, &err), AX_OK);
    return made;
}

/* ---- readers ---- */

struct reader {
    struct ax_thread thread;
    struct ax_window_scratch scratch, paced_scratch;
    int64_t added;
};

static bool is_whole(struct reader *reader, bool without_self)
{
    char name[32];
    (void)snprintf(name, sizeof name, "an event that moves %03d", (int)(reader->added % MOVED));
    struct ax_str self = ax_str_from(name);
    int64_t least_added = atomic_load(&added);
    struct ax_err err = AX_ERR_INIT;
    const struct ax_window_value *values;
    if (ax_online_window_get(window, 2 * SPAN * SECOND, without_self ? &self : NULL,
                             &reader->scratch, &values, &err))
        return false;
    int64_t moved = values[MOVED_COUNT].item.i64;
    int64_t count = values[COUNT].item.i64 - moved;
    int64_t sum = values[SUM].item.i64 - count * (count + 1) / 2;
    int64_t self_value = without_self ? (reader->added % MOVED + 1) * 1000000 : 0;
    bool whole = moved == MOVED - without_self && values[DISTINCT].item.i64 == moved &&
                 sum == MOVED_SUM - self_value && count >= least_added && count >= reader->added &&
                 values[LEAST].item.i64 == (count ? 1 : values[LEAST].item.i64) &&
                 values[GREATEST].item.i64 % 1000000 == 0 && values[LATEST].item.i64 == 0;
    reader->added = count;
    return whole;
}

/* At a second each window of the paced entity has its events, and the last of them. */
static bool is_paced(struct reader *reader)
{
    int64_t second = atomic_load(&now);
    struct ax_err err = AX_ERR_INIT;
    const struct ax_window_value *values;
    enum ax_code code =
        ax_online_window_get(paced, second * SECOND, NULL, &reader->paced_scratch, &values, &err);
    if (code == AX_E_INVALID)
        return true; /* The floor has passed it. */
    int64_t count = AX_MIN(second + 1, (int64_t)PACED_WINDOW);
    return !code && values[0].item.i64 == count && values[2].item.i64 == second &&
           values[1].item.i64 == count * second - count * (count - 1) / 2;
}

static void read_on(void *arg)
{
    struct reader *reader = arg;
    struct ax_epoch_reader *slot = ax_epoch_register(&epoch);
    for (size_t i = 0; !atomic_load(&stop); i++) {
        ax_epoch_enter(&epoch, slot);
        if (!is_whole(reader, i % 3 == 0))
            atomic_fetch_add(&broken, 1);
        if (!is_paced(reader))
            atomic_fetch_add(&broken, 1);
        ax_epoch_leave(slot);
        atomic_fetch_add(&seen, 1);
    }
    ax_epoch_unregister(slot);
}

/* ---- the writer ---- */

static void put(struct ax_online_window *into, const char *id, int64_t time, int64_t sequence,
                int64_t value, bool is_moved)
{
    uint8_t flag = is_moved;
    struct ax_values values[] = {
        { .type = types[0], .rows = 1, .i64s = &value },
        { .type = types[1], .rows = 1, .bools = &flag },
    };
    const struct ax_values *columns[] = { &values[0], &values[1] };
    struct ax_window_event event = { .id = ax_str_from(id), .time = time, .sequence = sequence };
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_online_window_put(into, &event, columns, 0, &err), AX_OK);
}

static void put_moved(struct ax_random *random, size_t number, int64_t sequence)
{
    char id[32];
    (void)snprintf(id, sizeof id, "an event that moves %03zu", number);
    int64_t time = (int64_t)ax_random_below(random, SPAN) * SECOND;
    put(window, id, time, sequence, (int64_t)(number + 1) * 1000000, true);
}

static void put_added(struct ax_random *random, int64_t number)
{
    char id[32];
    (void)snprintf(id, sizeof id, "%lld", (long long)number);
    int64_t time = number * SPAN / EVENTS;
    if (ax_random_below(random, 4) == 0)
        time = (int64_t)ax_random_below(random, (uint64_t)time + 1);
    put(window, id, time * SECOND, 0, number, false);
    atomic_store(&added, number);
}

static void put_paced(int64_t second)
{
    char id[32];
    (void)snprintf(id, sizeof id, "event of second %lld", (long long)second);
    put(paced, id, second * SECOND, 0, second, false);
    atomic_store(&now, second);
    (void)ax_online_window_forget(paced, (second - 5) * SECOND);
}

static void readers_see_no_half_of_a_change(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    struct ax_random random;
    struct ax_err err = AX_ERR_INIT;
    ax_random_init(&random, 11, 0);
    ax_epoch_init(&epoch);
    ax_window_heap_init(&heap, &epoch, NULL, HEAP_BYTES);
    spec = make(aggregates, AGGREGATES, 200);
    paced_spec = make(paced_aggregates, AX_COUNT(paced_aggregates), 2 * PACED_WINDOW);
    assert_int_equal(ax_online_window_new(spec, &heap, &window, &err), AX_OK);
    assert_int_equal(ax_online_window_new(paced_spec, &heap, &paced, &err), AX_OK);
    for (size_t i = 0; i < MOVED; i++)
        put_moved(&random, i, 0);
    put_paced(0);
    for (size_t i = 0; i < READERS; i++) {
        assert_true(ax_window_scratch_init(&readers[i].scratch, spec, NULL));
        assert_true(ax_window_scratch_init(&readers[i].paced_scratch, paced_spec, NULL));
        assert_int_equal(ax_thread_start(&readers[i].thread, "reader", read_on, &readers[i], &err),
                         AX_OK);
    }
    for (int64_t i = 1; i <= EVENTS; i++) {
        put_added(&random, i);
        put_moved(&random, ax_random_below(&random, MOVED), i);
        put_paced(i);
        if (i % 10 == 0)
            ax_window_heap_settle(&heap);
    }
    while (atomic_load(&seen) < READERS) /* On a busy machine they may not have begun. */
        (void)sched_yield();
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        ax_thread_join(&readers[i].thread);
        ax_window_scratch_done(&readers[i].scratch, spec);
        ax_window_scratch_done(&readers[i].paced_scratch, paced_spec);
    }
    assert_int_equal(atomic_load(&broken), 0);
    ax_online_window_drop(window);
    ax_online_window_drop(paced);
    (void)ax_window_heap_flush(&heap);
    assert_int_equal(atomic_load(&heap.bytes), 0);
    ax_window_heap_done(&heap);
    ax_epoch_done(&epoch);
    ax_window_spec_free(spec);
    ax_window_spec_free(paced_spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_no_half_of_a_change),
    };
    return cmocka_run_group_tests_name("feature/online/online_window_threads", tests, NULL, NULL);
}
