/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows by brute force: what tests hold the real ones against.
 *
 * Follows docs/internals/windows.md word by word over a plain list of events: winners of each id,
 * sort, walk. Sums are exact by long arithmetic, variances are computed in 113 bits in two passes.
 * Shares no code with src/feature but the types of its interface.
 */
#ifndef AX_TESTS_UNIT_FEATURE_WINDOW_ORACLE_H
#define AX_TESTS_UNIT_FEATURE_WINDOW_ORACLE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feature/window.h"

#if defined(__SIZEOF_FLOAT128__)
__extension__ typedef __float128 oracle_quad;
#else
typedef long double oracle_quad; /* 113 bits where there is no other. */
#endif

/* The columns of every test: float64, int64, string, bool. */
enum { ORACLE_X, ORACLE_N, ORACLE_S, ORACLE_FLAG, ORACLE_COLUMNS };

static const struct ax_type oracle_types[ORACLE_COLUMNS] = {
    { AX_TYPE_FLOAT64, false },
    { AX_TYPE_INT64, false },
    { AX_TYPE_STRING, false },
    { AX_TYPE_BOOL, false },
};

struct oracle_event {
    char id[48];
    int64_t time, created, sequence;
    bool is_gone;
    bool is_null[ORACLE_COLUMNS];
    double x;
    int64_t n;
    char s[32];
    bool flag;
};

static inline int oracle_order(const struct oracle_event *a, const struct oracle_event *b)
{
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return strcmp(a->id, b->id);
}

static inline int oracle_order_pointers(const void *a, const void *b)
{
    return oracle_order(*(const struct oracle_event *const *)a,
                        *(const struct oracle_event *const *)b);
}

/* Those that count: the highest version of each id, unless it is gone; in order. The caller frees
 * the list. */
static inline size_t oracle_winners(const struct oracle_event *events, size_t count,
                                    const struct oracle_event ***ret_winners)
{
    const struct oracle_event **winners = calloc(count + 1, sizeof(*winners));
    size_t winner_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool wins = !events[i].is_gone;
        for (size_t k = 0; k < count && wins; k++) {
            if (k == i || strcmp(events[k].id, events[i].id) != 0)
                continue;
            const struct oracle_event *a = &events[i], *b = &events[k];
            bool higher = b->created != a->created     ? b->created > a->created
                          : b->sequence != a->sequence ? b->sequence > a->sequence
                                                       : k < i;
            wins = !higher;
        }
        if (wins)
            winners[winner_count++] = &events[i];
    }
    qsort(winners, winner_count, sizeof *winners, oracle_order_pointers);
    *ret_winners = winners;
    return winner_count;
}

/* ---- Exact sums: digits of 32 bits in units of 2^-1074, each with its own sign. ---- */

enum { ORACLE_DIGITS = 72 };

static inline double oracle_sum(const double *values, size_t count)
{
    int64_t digits[ORACLE_DIGITS] = { 0 };
    for (size_t i = 0; i < count; i++) {
        int exponent;
        int64_t mantissa = (int64_t)(frexp(fabs(values[i]), &exponent) * 0x1p53);
        int position = exponent - 53 + 1074;
        while (position < 0 && mantissa) {
            mantissa /= 2;
            position++;
        }
        for (int bit = 0; bit < 53; bit++) {
            if (mantissa >> bit & 1)
                digits[(position + bit) / 32] +=
                    (values[i] < 0 ? -1 : 1) * ((int64_t)1 << (position + bit) % 32);
        }
    }
    bool negative = false;
    for (int pass = 0; pass < 2; pass++) {
        int64_t carry = 0;
        for (int d = 0; d < ORACLE_DIGITS; d++) {
            int64_t digit = digits[d] + carry;
            carry = digit >> 32;
            digits[d] = digit & 0xffffffff;
        }
        if (carry >= 0)
            break;
        negative = true;
        digits[ORACLE_DIGITS - 1] += carry * ((int64_t)1 << 32);
        for (int d = 0; d < ORACLE_DIGITS; d++)
            digits[d] = -digits[d];
    }
    int top = ORACLE_DIGITS * 32 - 1;
    while (top >= 0 && !(digits[top / 32] >> top % 32 & 1))
        top--;
    uint64_t mantissa = 0;
    int bit = top;
    for (int taken = 0; bit >= 0 && taken < 53; bit--, taken++)
        mantissa = mantissa * 2 + (uint64_t)(digits[bit / 32] >> bit % 32 & 1);
    int low = bit + 1;
    if (bit >= 0 && digits[bit / 32] >> bit % 32 & 1) {
        bool more = false;
        for (int rest = bit - 1; rest >= 0; rest--)
            more = more || (digits[rest / 32] >> rest % 32 & 1);
        mantissa += more || mantissa & 1;
    }
    double sum = ldexp((double)mantissa, low - 1074);
    return negative ? -sum : sum;
}

/* ---- Values of one window. ---- */

struct oracle_value {
    bool is_null;
    bool too_many;
    bool approximate_count; /* count_distinct beyond the exact ones */
    int64_t i64;
    double f64;
    double slack; /* of a quantile: where buckets are collapsed */
    const char *text;
    size_t list_count;
    const struct oracle_event *list[1024]; /* events whose values are the list */
};

static inline int oracle_compare_values(int column, const struct oracle_event *a,
                                        const struct oracle_event *b)
{
    switch (column) {
    case ORACLE_X:
        return (a->x > b->x) - (a->x < b->x);
    case ORACLE_N:
        return (a->n > b->n) - (a->n < b->n);
    case ORACLE_S:
        return strcmp(a->s, b->s);
    default:
        return a->flag - b->flag;
    }
}

static inline double oracle_number(int column, const struct oracle_event *event)
{
    return column == ORACLE_X   ? event->x + 0.0
           : column == ORACLE_N ? (double)event->n
                                : event->flag;
}

static inline void oracle_show(int column, const struct oracle_event *event,
                               struct oracle_value *value)
{
    value->f64 = event->x + 0.0;
    value->i64 = column == ORACLE_N ? event->n : event->flag;
    value->text = event->s;
    value->is_null = column == ORACLE_X && !isfinite(event->x);
}

/* `numbers` are the values of x, with room for one more. */
static inline oracle_quad oracle_mean(int column, const struct oracle_event *const *in,
                                      double *numbers, size_t count)
{
    oracle_quad sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += column == ORACLE_N ? (oracle_quad)in[i]->n : (oracle_quad)numbers[i];
    double nearest = column == ORACLE_X ? oracle_sum(numbers, count) : INFINITY;
    if (isfinite(nearest)) { /* Exact to 106 bits, whatever cancels. */
        numbers[count] = -nearest;
        sum = (oracle_quad)nearest + (oracle_quad)oracle_sum(numbers, count + 1);
    }
    return sum / (oracle_quad)count;
}

static inline void oracle_arithmetic(const struct ax_window_aggregate *aggregate,
                                     const struct oracle_event *const *in, size_t count,
                                     struct oracle_value *value)
{
    int column = aggregate->value;
    bool has_infinity = false;
    double *numbers = calloc(count + 1, sizeof *numbers);
    __extension__ __int128 total = 0;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = oracle_number(column, in[i]);
        has_infinity = has_infinity || isinf(numbers[i]);
        total += column == ORACLE_N ? in[i]->n : in[i]->flag;
    }
    bool is_sum = aggregate->kind == AX_AGGREGATE_SUM;
    bool is_mean = aggregate->kind == AX_AGGREGATE_AVG;
    if (has_infinity || count == 0 || (!is_sum && !is_mean && count < 2)) {
        value->is_null = true;
    } else if (is_sum && column == ORACLE_X) {
        value->f64 = oracle_sum(numbers, count);
    } else if (is_sum) {
        value->is_null = total < INT64_MIN || total > INT64_MAX;
        value->i64 = value->is_null ? 0 : (int64_t)total;
    } else {
        oracle_quad mean = oracle_mean(column, in, numbers, count);
        oracle_quad spread = 0;
        for (size_t i = 0; i < count; i++) {
            oracle_quad away =
                (column == ORACLE_N ? (oracle_quad)in[i]->n : (oracle_quad)numbers[i]) - mean;
            spread += away * away;
        }
        spread /= (oracle_quad)(count > 1 ? count - 1 : 1);
        value->f64 = is_mean ? (double)mean : (double)spread;
        if (aggregate->kind == AX_AGGREGATE_STDDEV)
            value->f64 = sqrt(value->f64);
    }
    value->is_null = value->is_null || !isfinite(value->f64);
    free(numbers);
}

/* Different values among `in`, each by its first event, with how often it is there. */
static inline size_t oracle_different(int column, const struct oracle_event *const *in,
                                      size_t count, const struct oracle_event **different,
                                      size_t *times)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < found && oracle_compare_values(column, different[k], in[i]) != 0)
            k++;
        if (k == found) {
            different[found] = in[i];
            times[found++] = 0;
        }
        times[k]++;
    }
    return found;
}

static inline void oracle_top(const struct ax_window_aggregate *aggregate,
                              const struct oracle_event *const *in, size_t count,
                              struct oracle_value *value)
{
    const struct oracle_event **different = calloc(count + 1, sizeof(*different));
    size_t *times = calloc(count + 1, sizeof *times);
    size_t found = oracle_different(aggregate->value, in, count, different, times);
    value->i64 = (int64_t)found;
    if (aggregate->kind == AX_AGGREGATE_COUNT_DISTINCT) {
        value->approximate_count = found > 256;
    } else if (found > 256 || found == 0) {
        value->too_many = found > 256;
        value->is_null = found == 0;
    } else {
        for (size_t k = 0; k < found && (int64_t)k < aggregate->n; k++) {
            size_t best = SIZE_MAX;
            for (size_t i = 0; i < found; i++) {
                if (times[i] &&
                    (best == SIZE_MAX || times[i] > times[best] ||
                     (times[i] == times[best] &&
                      oracle_compare_values(aggregate->value, different[i], different[best]) < 0)))
                    best = i;
            }
            value->list[value->list_count++] = different[best];
            times[best] = 0;
        }
    }
    free(different);
    free(times);
}

static inline int oracle_order_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void oracle_rank(const struct ax_window_aggregate *aggregate,
                               const struct oracle_event *const *in, size_t count,
                               struct oracle_value *value)
{
    double *numbers = calloc(count + 1, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = oracle_number(aggregate->value, in[i]);
    qsort(numbers, count, sizeof *numbers, oracle_order_numbers);
    value->is_null = count == 0;
    if (count)
        value->f64 = numbers[(size_t)(aggregate->quantile * (double)(count - 1))];
    for (size_t i = 0; i < count; i++) {
        if (isfinite(numbers[i]) && (numbers[i] < 0) == (value->f64 < 0))
            value->slack = fmax(value->slack, fabs(numbers[i]) * 2e-18);
    }
    value->is_null = value->is_null || !isfinite(value->f64);
    free(numbers);
}

/* One aggregate over the winners, `count` of them in order. */
static inline void oracle_aggregate(const struct ax_window_aggregate *aggregate,
                                    size_t exact_events, const struct oracle_event *const *winners,
                                    size_t count, int64_t at, const char *self,
                                    struct oracle_value *value)
{
    size_t known = 0;
    while (known < count && winners[known]->time <= at)
        known++;
    int64_t hop = aggregate->hop_us;
    int64_t from = at - aggregate->window_us;
    bool hops = hop > 0;
    if (known >= exact_events && winners[known - exact_events]->time > from)
        hops = true;
    if (hops) {
        if (!hop)
            hop = ax_window_hop_us(aggregate->window_us);
        from -= (from % hop + hop) % hop;
    }
    const struct oracle_event **in = calloc(known + 1, sizeof(*in));
    size_t in_count = 0;
    for (size_t i = 0; i < known; i++) {
        const struct oracle_event *event = winners[i];
        if (event->time <= from || (self && strcmp(event->id, self) == 0))
            continue;
        if (aggregate->filter >= 0 && (event->is_null[ORACLE_FLAG] || !event->flag))
            continue;
        if (aggregate->value >= 0 && event->is_null[aggregate->value])
            continue;
        in[in_count++] = event;
    }
    memset(value, 0, offsetof(struct oracle_value, list));
    const struct oracle_event *best = in_count ? in[0] : NULL;
    switch (aggregate->kind) {
    case AX_AGGREGATE_COUNT:
        value->i64 = (int64_t)in_count;
        break;
    case AX_AGGREGATE_SUM:
    case AX_AGGREGATE_AVG:
    case AX_AGGREGATE_VAR:
    case AX_AGGREGATE_STDDEV:
        oracle_arithmetic(aggregate, in, in_count, value);
        break;
    case AX_AGGREGATE_MIN:
    case AX_AGGREGATE_MAX:
        for (size_t i = 0; i < in_count; i++) {
            int order = oracle_compare_values(aggregate->value, in[i], best);
            if (aggregate->kind == AX_AGGREGATE_MIN ? order < 0 : order > 0)
                best = in[i];
        }
        break;
    case AX_AGGREGATE_LAST:
        best = in_count ? in[in_count - 1] : NULL;
        break;
    case AX_AGGREGATE_LAST_N:
        while (value->list_count < in_count && (int64_t)value->list_count < aggregate->n) {
            value->list[value->list_count] = in[in_count - 1 - value->list_count];
            value->list_count++;
        }
        value->is_null = in_count == 0;
        break;
    case AX_AGGREGATE_COUNT_DISTINCT:
    case AX_AGGREGATE_TOP_K:
        oracle_top(aggregate, in, in_count, value);
        break;
    case AX_AGGREGATE_APPROX_QUANTILE:
        oracle_rank(aggregate, in, in_count, value);
        break;
    case AX_AGGREGATE_FIRST:
    case AX_AGGREGATE_COUNT_OF:
        break;
    }
    if (aggregate->kind == AX_AGGREGATE_MIN || aggregate->kind == AX_AGGREGATE_MAX ||
        aggregate->kind == AX_AGGREGATE_FIRST || aggregate->kind == AX_AGGREGATE_LAST) {
        value->is_null = !best;
        if (best)
            oracle_show(aggregate->value, best, value);
    }
    free(in);
}

/* ---- Comparing. ---- */

/* Units in the last place between two doubles of one sign. */
static inline double oracle_ulps(double a, double b)
{
    if (a == b)
        return 0;
    double step = fabs(nextafter(b, a) - b);
    return fabs(a - b) / step;
}

static inline bool oracle_item_fits(int column, const struct ax_window_item *item,
                                    const struct oracle_event *event)
{
    switch (column) {
    case ORACLE_X:
        return item->f64 == event->x;
    case ORACLE_N:
        return item->i64 == event->n;
    case ORACLE_S:
        return item->text.len == strlen(event->s) &&
               memcmp(item->text.ptr, event->s, item->text.len) == 0;
    default:
        return item->i64 == event->flag;
    }
}

static inline bool oracle_is_approximate(enum ax_aggregate_kind kind)
{
    return kind == AX_AGGREGATE_AVG || kind == AX_AGGREGATE_VAR || kind == AX_AGGREGATE_STDDEV;
}

/* Whether a value is what brute force says. */
static inline bool oracle_fits(const struct ax_window_aggregate *aggregate,
                               const struct oracle_value *expected,
                               const struct ax_window_value *value)
{
    if (expected->too_many || expected->is_null)
        return value->status == (expected->too_many ? AX_WINDOW_TOO_MANY : AX_WINDOW_NULL);
    if (value->status != AX_WINDOW_PRESENT)
        return false;
    int column = aggregate->value;
    switch (aggregate->kind) {
    case AX_AGGREGATE_COUNT_DISTINCT:
        if (expected->approximate_count) /* Five times the standard error. */
            return fabs((double)(value->item.i64 - expected->i64)) <
                   0.0325 * 5 * (double)expected->i64;
        return value->item.i64 == expected->i64;
    case AX_AGGREGATE_AVG:
        return oracle_ulps(value->item.f64, expected->f64) <= 1;
    case AX_AGGREGATE_VAR:
    case AX_AGGREGATE_STDDEV:
        return oracle_ulps(value->item.f64, expected->f64) <= 2;
    case AX_AGGREGATE_APPROX_QUANTILE:
        return fabs(value->item.f64 - expected->f64) <=
               0.0100001 * fabs(expected->f64) + expected->slack;
    case AX_AGGREGATE_LAST_N:
    case AX_AGGREGATE_TOP_K:
        if (value->item_count != expected->list_count)
            return false;
        for (size_t i = 0; i < value->item_count; i++) {
            if (!oracle_item_fits(column, &value->items[i], expected->list[i]))
                return false;
        }
        return true;
    case AX_AGGREGATE_COUNT:
        return value->item.i64 == expected->i64;
    case AX_AGGREGATE_SUM:
    case AX_AGGREGATE_MIN:
    case AX_AGGREGATE_MAX:
    case AX_AGGREGATE_FIRST:
    case AX_AGGREGATE_LAST:
    case AX_AGGREGATE_COUNT_OF:
        break;
    }
    if (column == ORACLE_S)
        return value->item.text.len == strlen(expected->text) &&
               memcmp(value->item.text.ptr, expected->text, value->item.text.len) == 0;
    return column == ORACLE_X ? value->item.f64 == expected->f64 : value->item.i64 == expected->i64;
}

/* ---- Putting events in. ---- */

/* One event as columns of one row. */
struct oracle_row {
    struct ax_values columns[ORACLE_COLUMNS];
    const struct ax_values *list[ORACLE_COLUMNS];
    uint64_t valid[ORACLE_COLUMNS];
    double x;
    int64_t n;
    struct ax_str s;
    uint8_t flag;
};

static inline void oracle_row_set(struct oracle_row *row, const struct oracle_event *event)
{
    row->x = event->x;
    row->n = event->n;
    row->s = (struct ax_str){ event->s, strlen(event->s) };
    row->flag = event->flag;
    void *data[ORACLE_COLUMNS] = { &row->x, &row->n, &row->s, &row->flag };
    for (int i = 0; i < ORACLE_COLUMNS; i++) {
        row->valid[i] = !event->is_null[i];
        row->columns[i] = (struct ax_values){
            .type = oracle_types[i], .rows = 1, .data = data[i], .validity = &row->valid[i]
        };
        row->list[i] = &row->columns[i];
    }
}

static inline struct ax_window_event oracle_window_event(const struct oracle_event *event)
{
    return (struct ax_window_event){
        .id = { event->id, strlen(event->id) },
        .time = event->time,
        .created = event->created,
        .sequence = event->sequence,
        .is_gone = event->is_gone,
    };
}

static inline enum ax_code oracle_put(struct ax_window *window, const struct oracle_event *event,
                                      struct ax_err *err)
{
    struct oracle_row row;
    oracle_row_set(&row, event);
    struct ax_window_event put = oracle_window_event(event);
    return ax_window_put(window, &put, row.list, 0, err);
}

#endif
