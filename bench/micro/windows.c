/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What windows cost: offline, events and probes through feature/window_join.h; online, events put
 * in and values read through feature/online/online_window.h. One thread.
 *
 *     build/release/bench/windows            # all below
 *     build/release/bench/windows flights    # 336,776 flights, five views
 *     build/release/bench/windows large      # 10 million events, 1 million probes
 *     build/release/bench/windows hot        # the same with a single key
 *     build/release/bench/windows self       # the same, rows kept for exclude_self
 *     build/release/bench/windows online     # updates and reads, of some keys and of many; or of
 *                                            # `online KEYS EVENTS [ROUNDS]`, so many events a key
 *     build/release/bench/windows counted    # three days of flights, for bench/callgrind, which
 *                                            # also counts inside of counted_* of `online 10 2000`
 *
 * Of each view of the flights two more are told: the floor, which counts rows in the same windows;
 * and all, which takes six aggregates of different kinds over each of its windows.
 *
 * Rows are made up: keys, times and delays as skewed as those of the flights of New York in 2013,
 * sorted by (key, moment) as DuckDB would hand them over. Sorting is told apart from the join. Not
 * part of the gate: seconds depend on the machine and on who else uses it.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/random.h"
#include "feature/online/online_window.h"
#include "feature/window_join.h"
#include "program.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum { FLIGHTS = 336776, DAYS = 365, ROWS = 2048, KINDS_MAX = 6 };
enum { COUNTED_DAYS = 3, COUNTED_FLIGHTS = FLIGHTS / DAYS * COUNTED_DAYS };

/* Flights, and the days that they spread over. */
static size_t flights = FLIGHTS;
static uint64_t days = DAYS;

static struct ax_err err;
static struct ax_random numbers;

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Adds values up, so that they are made. */
struct adder {
    struct ax_window_sink sink;
    size_t aggregates;
    size_t probes;
    double total;
};

static enum ax_code adder_emit(struct ax_window_sink *sink, int64_t number,
                               const struct ax_window_value *values, struct ax_err *error)
{
    (void)number;
    (void)error;
    struct adder *adder = container_of(sink, struct adder, sink);
    adder->probes++;
    for (size_t i = 0; i < adder->aggregates; i++)
        adder->total += values[i].status == AX_WINDOW_PRESENT;
    return AX_OK;
}

/* One row: a flight as an event, or as a probe. */
struct row {
    int64_t key;
    int64_t moment;
    int64_t number;
    bool is_probe;
    double value;
    int64_t flag;
};

static int row_order(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->moment != b->moment)
        return a->moment < b->moment ? -1 : 1;
    if (a->is_probe != b->is_probe)
        return a->is_probe ? 1 : -1;
    return (a->number > b->number) - (a->number < b->number);
}

static const struct ax_type types[] = { { AX_TYPE_FLOAT64, false }, { AX_TYPE_BOOL, false } };

static struct ax_window_spec *make_spec(const struct ax_window_aggregate *aggregates, size_t count)
{
    struct ax_window_config config = { .columns = types,
                                       .column_count = AX_COUNT(types),
                                       .aggregates = aggregates,
                                       .aggregate_count = count };
    struct ax_window_spec *spec;
    if (ax_window_spec_new(&config, &spec, &err))
        die(err.msg);
    return spec;
}

/* Rows in columns, as they are pushed. */
struct batch {
    int64_t keys[ROWS], moments[ROWS], ids[ROWS], row_numbers[ROWS];
    bool are_probes[ROWS];
    double values[ROWS];
    uint8_t flags[ROWS];
    uint64_t id_validity[ROWS / 64];
    size_t count;
};

static void batch_put(struct batch *batch, const struct row *row)
{
    size_t at = batch->count++;
    batch->keys[at] = row->key;
    batch->moments[at] = row->moment;
    batch->ids[at] = batch->row_numbers[at] = row->number;
    batch->are_probes[at] = row->is_probe;
    batch->values[at] = row->value;
    batch->flags[at] = row->flag != 0;
}

static void batch_push(struct batch *batch, struct ax_window_join *join)
{
    struct ax_values value = { .type = types[0], .rows = batch->count, .f64s = batch->values };
    struct ax_values flag = { .type = types[1], .rows = batch->count, .bools = batch->flags };
    struct ax_values id = { .type = { AX_TYPE_INT64, false },
                            .rows = batch->count,
                            .i64s = batch->ids };
    const struct ax_values *columns[] = { &value, &flag };
    const struct ax_values *ids[] = { &id };
    struct ax_window_join_rows rows = {
        .count = batch->count,
        .keys = batch->keys,
        .moments = batch->moments,
        .are_probes = batch->are_probes,
        .ids = ids,
        .id_count = 1,
        .numbers = batch->row_numbers,
        .columns = columns,
    };
    if (ax_window_join_push(join, &rows, &err))
        die(err.msg);
    batch->count = 0;
}

static struct batch batch;

static double join_rows(const struct ax_window_spec *spec, enum ax_window_mode mode,
                        const struct row *rows, size_t count, size_t *ret_bytes)
{
    struct adder adder = { .sink.emit = adder_emit,
                           .aggregates = ax_window_spec_aggregate_count(spec) };
    struct ax_window_join_config config = { spec, mode, &adder.sink };
    struct ax_window_join *join;
    if (ax_window_join_new(&config, &join, &err))
        die(err.msg);
    double start = cpu_seconds();
    for (size_t i = 0; i < count; i++) {
        batch_put(&batch, &rows[i]);
        if (batch.count == ROWS)
            batch_push(&batch, join);
    }
    batch_push(&batch, join);
    double seconds = cpu_seconds() - start;
    *ret_bytes = ax_window_join_bytes_max(join);
    ax_window_join_free(join);
    if (adder.probes == 0 || adder.total == 0)
        die("no values");
    return seconds;
}

/* ---- The flights. ---- */

struct view {
    const char *name;
    size_t keys;
    struct ax_window_aggregate aggregates[4];
    size_t count;
};

#define AVG(window) { .kind = AX_AGGREGATE_AVG, .filter = -1, .window_us = (window) }
#define COUNT_OF(where, window) \
    { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = (where), .window_us = (window) }

static const struct view views[] = {
    { "origin: departures", 3, { AVG(HOUR), AVG(3 * HOUR) }, 2 },
    { "destination: arrivals",
      105,
      { AVG(3 * HOUR),
        { .kind = AX_AGGREGATE_AVG, .filter = -1, .window_us = DAY, .hop_us = HOUR },
        COUNT_OF(1, DAY),
        COUNT_OF(-1, DAY) },
      4 },
    { "aircraft: arrivals", 4044, { AVG(DAY), COUNT_OF(-1, DAY) }, 2 },
    { "carrier: arrivals", 16, { AVG(6 * HOUR) }, 1 },
    { "origin: max, quantile, stddev",
      3,
      { { .kind = AX_AGGREGATE_MAX, .filter = -1, .window_us = 3 * HOUR },
        { .kind = AX_AGGREGATE_APPROX_QUANTILE, .filter = -1, .quantile = 0.9, .window_us = DAY },
        { .kind = AX_AGGREGATE_STDDEV, .filter = -1, .window_us = DAY } },
      3 },
};

/* A key, some far more often than others. */
static int64_t skewed_key(size_t keys)
{
    double uniform = ax_random_uniform(&numbers);
    return (int64_t)((double)keys * uniform * uniform);
}

static int64_t flight_moment(void)
{
    int64_t day = (int64_t)ax_random_below(&numbers, days);
    double hour = 14 + 4.5 * ax_random_normal(&numbers);
    hour = fmin(fmax(hour, 5), 23.9);
    return day * DAY + (int64_t)(hour * 60) * MINUTE;
}

static double time_aggregates(const struct ax_window_aggregate *aggregates, size_t count,
                              const struct row *rows, size_t *ret_bytes)
{
    struct ax_window_spec *spec = make_spec(aggregates, count);
    double seconds = join_rows(spec, AX_WINDOW_SORTED, rows, 2 * flights, ret_bytes);
    ax_window_spec_free(spec);
    return seconds;
}

/* Aggregates of these kinds over each window of a view. */
static double time_kinds(const struct view *view, const enum ax_aggregate_kind *kinds, size_t count,
                         const struct row *rows)
{
    struct ax_window_aggregate aggregates[AX_COUNT(view->aggregates) * KINDS_MAX];
    size_t made = 0, bytes;
    for (size_t i = 0; i < view->count; i++) {
        for (size_t k = 0; k < count; k++) {
            aggregates[made] = view->aggregates[i];
            aggregates[made].kind = kinds[k];
            aggregates[made].filter = -1;
            aggregates[made].value = kinds[k] == AX_AGGREGATE_COUNT ? -1 : 0;
            aggregates[made++].quantile = 0.9;
        }
    }
    return time_aggregates(aggregates, made, rows, &bytes);
}

static void time_flights(void)
{
    static const enum ax_aggregate_kind floor_kinds[] = { AX_AGGREGATE_COUNT };
    static const enum ax_aggregate_kind all_kinds[KINDS_MAX] = {
        AX_AGGREGATE_COUNT, AX_AGGREGATE_AVG,    AX_AGGREGATE_MIN,
        AX_AGGREGATE_MAX,   AX_AGGREGATE_STDDEV, AX_AGGREGATE_APPROX_QUANTILE,
    };
    struct row *rows = ax_xrealloc(NULL, 2 * flights, sizeof *rows);
    double joins = 0, floors = 0, alls = 0, sorts = 0;
    for (size_t v = 0; v < AX_COUNT(views); v++) {
        const struct view *view = &views[v];
        ax_random_init(&numbers, 2013, v);
        for (size_t i = 0; i < flights; i++) {
            int64_t key = skewed_key(view->keys), moment = flight_moment();
            double delay = floor(fabs(ax_random_normal(&numbers)) * 40 - 15);
            rows[2 * i] = (struct row){ key, moment, (int64_t)i, false, delay, delay > 15 };
            rows[2 * i + 1] = (struct row){ key, moment - HOUR, (int64_t)i, true, 0, 0 };
        }
        double start = cpu_seconds();
        qsort(rows, 2 * flights, sizeof *rows, row_order);
        double sort = cpu_seconds() - start;
        size_t bytes;
        double least = time_kinds(view, floor_kinds, AX_COUNT(floor_kinds), rows);
        double all = time_kinds(view, all_kinds, AX_COUNT(all_kinds), rows);
        double join = time_aggregates(view->aggregates, view->count, rows, &bytes);
        printf("flights  %-30s %zu values: join %.3f s, floor %.3f s, all %.3f s, qsort %.3f s; "
               "%zu bytes at most\n",
               view->name, view->count, join, least, all, sort, bytes);
        joins += join;
        floors += least;
        alls += all;
        sorts += sort;
    }
    printf("flights  all views: join %.3f s, floor %.3f s, all %.3f s, qsort %.3f s of CPU time\n",
           joins, floors, alls, sorts);
    free(rows);
}

/* ---- Many events. ---- */

static const struct ax_window_aggregate large_aggregates[] = {
    AVG(HOUR),
    COUNT_OF(1, DAY),
    { .kind = AX_AGGREGATE_SUM, .filter = -1, .window_us = 7 * DAY },
    { .kind = AX_AGGREGATE_MAX, .filter = -1, .window_us = 30 * DAY },
    { .kind = AX_AGGREGATE_APPROX_QUANTILE, .filter = -1, .quantile = 0.9, .window_us = DAY },
    { .kind = AX_AGGREGATE_STDDEV, .filter = 1, .window_us = 7 * DAY },
};

/* `events` over a year and a tenth as many probes, spread over `keys`, made while they are joined.
 */
static void time_large(const char *name, size_t keys, enum ax_window_mode mode, size_t events)
{
    struct ax_window_spec *spec = make_spec(large_aggregates, AX_COUNT(large_aggregates));
    struct adder adder = { .sink.emit = adder_emit, .aggregates = AX_COUNT(large_aggregates) };
    struct ax_window_join_config config = { spec, mode, &adder.sink };
    struct ax_window_join *join;
    if (ax_window_join_new(&config, &join, &err))
        die(err.msg);
    ax_random_init(&numbers, 7, 0);
    size_t each = events / keys;
    double start = cpu_seconds();
    for (size_t key = 0; key < keys; key++) {
        for (size_t i = 0; i < each; i++) {
            double value = (double)ax_random_below(&numbers, 100000) / 100;
            struct row row = { (int64_t)key, 365 * DAY / (int64_t)each * (int64_t)i,
                               (int64_t)i,   false,
                               value,        value > 500 };
            batch_put(&batch, &row);
            row.is_probe = i % 10 == 0;
            if (row.is_probe)
                batch_put(&batch, &row);
            if (batch.count + 2 > ROWS)
                batch_push(&batch, join);
        }
    }
    batch_push(&batch, join);
    double seconds = cpu_seconds() - start;
    printf("%-8s %zu events, %zu probes, %zu keys, %zu values: %.2f s of CPU time, %zu KiB\n", name,
           each * keys, adder.probes, keys, AX_COUNT(large_aggregates), seconds,
           ax_window_join_bytes_max(join) / 1024);
    ax_window_join_free(join);
    ax_window_spec_free(spec);
}

/* ---- Online. ---- */

static const int64_t online_windows[] = { MINUTE, 5 * MINUTE, HOUR, DAY, 7 * DAY };
static const enum ax_aggregate_kind online_kinds[] = {
    AX_AGGREGATE_SUM, AX_AGGREGATE_COUNT, AX_AGGREGATE_AVG,
    AX_AGGREGATE_MIN, AX_AGGREGATE_MAX,   AX_AGGREGATE_LAST,
};

enum { ONLINE_AGGREGATES = AX_COUNT(online_windows) * AX_COUNT(online_kinds) };
enum { BATCH = 64, ROUNDS = 5 };

struct online {
    struct ax_epoch epoch;
    struct ax_memory_slab slab;
    struct ax_window_heap heap;
    struct ax_window_spec *spec;
    struct ax_window_scratch scratch;
    struct ax_online_window **windows;
    size_t keys;
    int64_t now, interval; /* between two events, of whatever keys */
    size_t events;
    size_t swept; /* key: one forgets what is not reached after each batch */
};

/* Events of some keys, each time so many at once. They are up to `late` behind. */
static double time_updates(struct online *online, size_t updates, int64_t late)
{
    static double values[BATCH];
    static uint8_t flags[BATCH];
    static size_t ids[BATCH];
    static struct ax_window_event events[BATCH];
    static struct ax_online_window_put puts[BATCH];
    struct ax_values columns[] = { { .type = types[0], .rows = BATCH, .f64s = values },
                                   { .type = types[1], .rows = BATCH, .bools = flags } };
    const struct ax_values *list[] = { &columns[0], &columns[1] };
    double start = cpu_seconds();
    for (size_t done = 0; done < updates; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            online->now += online->interval;
            values[i] = (double)ax_random_below(&numbers, 100000) / 100;
            flags[i] = values[i] > 500;
            ids[i] = online->events++;
            events[i] = (struct ax_window_event){ .id = { (const char *)&ids[i], sizeof ids[i] },
                                                  .time = online->now };
            if (late)
                events[i].time -= (int64_t)ax_random_below(&numbers, (uint64_t)late);
            puts[i] = (struct ax_online_window_put){
                .window = online->windows[ax_random_below(&numbers, online->keys)],
                .event = &events[i],
                .columns = list,
                .row = i,
            };
        }
        if (ax_online_window_put_all(puts, BATCH, online->now - MINUTE, &err))
            die(err.msg);
        if (++online->swept == online->keys)
            online->swept = 0;
        (void)ax_online_window_forget(online->windows[online->swept], online->now - MINUTE);
        ax_window_heap_settle(&online->heap);
    }
    return (cpu_seconds() - start) / (double)updates * 1e9;
}

static double time_reads(struct online *online, size_t reads)
{
    double start = cpu_seconds(), total = 0;
    for (size_t i = 0; i < reads; i++) {
        const struct ax_online_window *window =
            online->windows[ax_random_below(&numbers, online->keys)];
        const struct ax_window_value *values;
        if (ax_online_window_get(window, online->now, NULL, &online->scratch, &values, &err))
            die(err.msg);
        total += values[ONLINE_AGGREGATES - 1].item.f64;
    }
    if (total == 0)
        die("no values");
    return (cpu_seconds() - start) / (double)reads * 1e9;
}

/* Of these bench/callgrind counts the instructions. (What a function returns as it comes would be a
 * jump and no call.) */
static __attribute__((noinline)) void counted_updates(struct online *online, size_t count,
                                                      double *ret_ns)
{
    *ret_ns = time_updates(online, count, 0);
}

static __attribute__((noinline)) void counted_late(struct online *online, size_t count,
                                                   double *ret_ns)
{
    *ret_ns = time_updates(online, count, HOUR);
}

static __attribute__((noinline)) void counted_reads(struct online *online, size_t count,
                                                    double *ret_ns)
{
    *ret_ns = time_reads(online, count);
}

/* Keys with so many events of the last week each. */
static void time_online(size_t keys, size_t each, size_t rounds)
{
    struct ax_window_aggregate aggregates[ONLINE_AGGREGATES];
    for (size_t i = 0; i < ONLINE_AGGREGATES; i++) {
        enum ax_aggregate_kind kind = online_kinds[i % AX_COUNT(online_kinds)];
        aggregates[i] = (struct ax_window_aggregate){
            .kind = kind,
            .value = kind == AX_AGGREGATE_COUNT ? -1 : 0,
            .filter = -1,
            .window_us = online_windows[i / AX_COUNT(online_kinds)],
        };
    }
    static struct online online;
    online = (struct online){ .keys = keys, .spec = make_spec(aggregates, ONLINE_AGGREGATES) };
    ax_epoch_init(&online.epoch);
    ax_memory_slab_init(&online.slab, SIZE_MAX);
    ax_window_heap_init(&online.heap, &online.epoch, &online.slab, SIZE_MAX);
    if (!ax_window_scratch_init(&online.scratch, online.spec, NULL))
        die("no memory");
    ax_random_init(&numbers, 7, 0);
    online.windows = ax_xrealloc(NULL, keys, sizeof *online.windows);
    for (size_t i = 0; i < keys; i++) {
        if (ax_online_window_new(online.spec, &online.heap, &online.windows[i], &err))
            die(err.msg);
    }
    online.interval = AX_MAX(7 * DAY / (int64_t)(keys * each), INT64_C(1));
    double fill = time_updates(&online, keys * each, 0);
    (void)time_updates(&online, 4 * keys * each, 0); /* From then on as much goes as comes. */
    double update, late, read;
    counted_updates(&online, keys * each, &update);
    for (size_t i = 1; i < rounds; i++)
        update = AX_MIN(update, time_updates(&online, keys * each, 0));
    size_t bytes = online.heap.bytes;
    counted_late(&online, keys * each / 20, &late);
    counted_reads(&online, AX_MIN(keys * each / 20, (size_t)20000), &read);
    printf("online   %zu keys, %zu events of a week each, %d values of 5 windows: first events "
           "%.0f ns, update %.0f ns, late ones %.0f ns, read %.0f ns; %zu bytes a key\n",
           keys, each, ONLINE_AGGREGATES, fill, update, late, read, bytes / keys);
    for (size_t i = 0; i < keys; i++)
        ax_online_window_drop(online.windows[i]);
    (void)ax_window_heap_flush(&online.heap);
    ax_window_heap_done(&online.heap);
    ax_memory_slab_done(&online.slab);
    ax_epoch_done(&online.epoch);
    ax_window_scratch_done(&online.scratch, online.spec);
    ax_window_spec_free(online.spec);
    free(online.windows);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!*what || strcmp(what, "flights") == 0)
        time_flights();
    if (strcmp(what, "counted") == 0) {
        days = COUNTED_DAYS;
        flights = COUNTED_FLIGHTS;
        time_flights();
    }
    if (!*what || strcmp(what, "large") == 0)
        time_large("large", 1000, AX_WINDOW_SORTED, 10000000);
    if (!*what || strcmp(what, "hot") == 0)
        time_large("hot", 1, AX_WINDOW_SORTED, 10000000);
    if (!*what || strcmp(what, "self") == 0)
        time_large("self", 1000, AX_WINDOW_ANY, 10000000);
    if (argc > 3 && strcmp(what, "online") == 0) {
        time_online(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
                    argc > 4 ? strtoull(argv[4], NULL, 10) : 1);
    } else if (!*what || strcmp(what, "online") == 0) {
        time_online(10, 20000, ROUNDS);
        time_online(1000, 3000, ROUNDS);
        time_online(100000, 20, ROUNDS);
    }
    return EXIT_SUCCESS;
}
