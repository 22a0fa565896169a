/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of one entity for tests of windows: events as they come, aggregates over them,
 * and a comparison with brute force. After cmocka.h.
 */
#ifndef AX_TESTS_UNIT_FEATURE_WINDOW_HISTORY_H
#define AX_TESTS_UNIT_FEATURE_WINDOW_HISTORY_H

#include "base/random.h"
#include "unit/feature/window_oracle.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static struct ax_err err;

static inline struct ax_window_spec *make_spec(const struct ax_window_aggregate *aggregates,
                                               size_t count, size_t exact_events)
{
    struct ax_window_config config = {
        .columns = oracle_types,
        .column_count = ORACLE_COLUMNS,
        .aggregates = aggregates,
        .aggregate_count = count,
        .exact_events = exact_events,
    };
    struct ax_window_spec *spec = NULL;
    ax_err_clear(&err);
    assert_int_equal(ax_window_spec_new(&config, &spec, &err), AX_OK);
    return spec;
}

/* ---- Random histories. ---- */

enum { EVENTS_MAX = 4096, AGGREGATES = 14 };

struct history {
    struct ax_random random;
    struct oracle_event events[EVENTS_MAX]; /* in the order in which they come */
    size_t count;
    struct ax_window_aggregate aggregates[AGGREGATES];
    size_t exact_events;
    int64_t span;   /* of times */
    int family;     /* of numbers */
    bool is_simple; /* each id once, none is gone */
};

static struct history history;

static inline uint64_t below(uint64_t bound)
{
    return ax_random_below(&history.random, bound);
}

static inline double random_number(void)
{
    double uniform = ax_random_uniform(&history.random);
    switch (history.family) {
    case 0:
        return (double)below(7);
    case 1: /* Money that cancels. */
        return (double)((int64_t)below(20000) - 10000) / 100;
    case 2:
        return ax_random_normal(&history.random) * 1000;
    case 3: /* Magnitudes that no double-double holds. */
        return ldexp(below(2) ? uniform : -uniform, (int)below(600) - 300) *
               (below(3) ? 1 : 0x1p300);
    case 4: /* A small spread, far away. */
        return 1.7e15 + uniform;
    default:
        return below(30) ? (below(2) ? 1e300 : -1e300) * (double)below(3) + uniform
                         : (below(2) ? INFINITY : -INFINITY);
    }
}

static inline void random_values(struct oracle_event *event)
{
    static const char *const texts[] = {
        "", "a", "b", "ab", "twelve bytes", "a text that is longer than twelve"
    };
    for (int i = 0; i < ORACLE_COLUMNS; i++)
        event->is_null[i] = below(8) == 0;
    event->x = random_number();
    event->n = below(4) ? (int64_t)below(400) - 100 : (int64_t)ax_random_next(&history.random);
    (void)snprintf(event->s, sizeof event->s, "%.31s", texts[below(AX_COUNT(texts))]);
    if (below(3) == 0)
        (void)snprintf(event->s, sizeof event->s, "value %d", (int)below(500));
    event->flag = below(2);
}

static inline void random_event(size_t i)
{
    struct oracle_event *event = &history.events[i];
    memset(event, 0, sizeof *event);
    size_t known = i;
    if (!history.is_simple && known && below(5) == 0) { /* Another version, or the same again. */
        *event = history.events[below(known)];
        if (below(3) == 0)
            return;
        event->created += (int64_t)below(3) - 1;
        event->sequence += (int64_t)below(3) - 1;
        if (below(2))
            event->time += (int64_t)below(20 * SECOND) - 10 * SECOND;
        event->is_gone = below(4) == 0;
        random_values(event);
        return;
    }
    (void)snprintf(event->id, sizeof event->id, below(2) ? "%zu" : "an id that is long: %zu", i);
    event->created = (int64_t)below(4);
    event->sequence = (int64_t)below(4);
    random_values(event);
    /* Mostly onwards, some late, many at the same times. */
    int64_t start = history.span * (int64_t)i / (int64_t)history.count;
    event->time = start - (below(4) ? 0 : (int64_t)below((uint64_t)(history.span / 4 + 1)));
    event->time = event->time / 100000 * 100000;
    if (below(3) == 0)
        event->time = event->time / (10 * SECOND) * (10 * SECOND);
}

static inline void random_aggregate(struct ax_window_aggregate *aggregate)
{
    static const int64_t windows[] = { SECOND, 10 * SECOND, 15 * SECOND, MINUTE,  7 * MINUTE,
                                       HOUR,   3 * HOUR,    30 * HOUR,   12 * DAY };
    do {
        aggregate->kind = (enum ax_aggregate_kind)below(AX_AGGREGATE_COUNT_OF);
        aggregate->value = (int)below(ORACLE_COLUMNS);
        if (aggregate->kind == AX_AGGREGATE_COUNT && below(2))
            aggregate->value = -1;
    } while (aggregate->value == ORACLE_S &&
             (oracle_is_approximate(aggregate->kind) || aggregate->kind == AX_AGGREGATE_SUM ||
              aggregate->kind == AX_AGGREGATE_APPROX_QUANTILE));
    aggregate->filter = below(3) ? -1 : ORACLE_FLAG;
    aggregate->n = 1 + (int64_t)below(below(2) ? 3 : 100);
    aggregate->quantile = below(4) ? ax_random_uniform(&history.random) : (double)below(2);
    aggregate->window_us = windows[below(AX_COUNT(windows))];
    aggregate->hop_us = 0;
    if (below(4) == 0)
        aggregate->hop_us = AX_MAX(aggregate->window_us / (int64_t)(1 + below(9)), 1);
}

static inline void random_history(uint64_t seed, size_t count_max, bool is_simple)
{
    static const size_t exact[] = { 1, 2, 5, 17, 64, 130, 1000 };
    ax_random_init(&history.random, seed, 0);
    history.is_simple = is_simple;
    history.count = 1 + below(count_max);
    history.span = (int64_t[]){ 20 * SECOND, 5 * MINUTE, 5 * HOUR, 40 * DAY }[below(4)];
    history.family = (int)below(6);
    history.exact_events = exact[below(AX_COUNT(exact))];
    for (size_t i = 0; i < history.count; i++)
        random_event(i);
    for (size_t i = 0; i < AGGREGATES; i++)
        random_aggregate(&history.aggregates[i]);
}

/* Compare all values at a moment with brute force over what has come. */
static inline void check_values(uint64_t seed, const struct ax_window_value *values,
                                const struct oracle_event *const *winners, size_t count, int64_t at,
                                const char *self)
{
    static struct oracle_value expected;
    for (size_t i = 0; i < AGGREGATES; i++) {
        const struct ax_window_aggregate *aggregate = &history.aggregates[i];
        oracle_aggregate(aggregate, history.exact_events, winners, count, at, self, &expected);
        if (!oracle_fits(aggregate, &expected, &values[i]))
            fail_msg("seed %llu: aggregate %d of column %d over %lld us hop %lld at %lld (N %zu, "
                     "filter %d%s): status %d, %.17g %lld; expected %s %.17g %lld",
                     (unsigned long long)seed, (int)aggregate->kind, aggregate->value,
                     (long long)aggregate->window_us, (long long)aggregate->hop_us, (long long)at,
                     history.exact_events, aggregate->filter, self ? ", without self" : "",
                     (int)values[i].status, values[i].item.f64, (long long)values[i].item.i64,
                     expected.is_null ? "null" : "", expected.f64, (long long)expected.i64);
    }
}

/* Two windows say the same, to the last bit, but for var and stddev, which may differ as the page
 * says. */
static inline void check_equal(uint64_t seed, const struct ax_window_value *a,
                               const struct ax_window_value *b)
{
    for (size_t i = 0; i < AGGREGATES; i++) {
        enum ax_aggregate_kind kind = history.aggregates[i].kind;
        bool is_list = kind == AX_AGGREGATE_LAST_N || kind == AX_AGGREGATE_TOP_K;
        bool is_text = history.aggregates[i].value == ORACLE_S && kind != AX_AGGREGATE_COUNT &&
                       kind != AX_AGGREGATE_COUNT_DISTINCT;
        bool equal = a[i].status == b[i].status && a[i].item_count == b[i].item_count;
        if (!equal || a[i].status != AX_WINDOW_PRESENT)
            is_list = is_text = false;
        else if (kind == AX_AGGREGATE_VAR || kind == AX_AGGREGATE_STDDEV)
            equal = oracle_ulps(a[i].item.f64, b[i].item.f64) <= 2;
        else if (!is_list)
            equal = is_text ? ax_str_equals(a[i].item.text, b[i].item.text)
                            : a[i].item.i64 == b[i].item.i64;
        for (size_t k = 0; is_list && k < a[i].item_count; k++)
            equal = equal && (is_text ? ax_str_equals(a[i].items[k].text, b[i].items[k].text)
                                      : a[i].items[k].i64 == b[i].items[k].i64);
        if (!equal)
            fail_msg("seed %llu: aggregate %d differs", (unsigned long long)seed, (int)kind);
    }
}

/* A number that whoever runs the tests may choose. */
static inline uint64_t environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

#endif
