/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of lists.
 *
 * A list is a span of the items, which many rows share. Nulls among the elements are skipped; what
 * is left of nothing is null. Sums of int64 are exact in 128 bits; sums of float64 carry what each
 * addition lost in a second number (double-double), so that they are as good as exact whatever the
 * order, as sums over windows are. DuckDB's own sum and average are neither, so ours are
 * registered.
 */
#include "data/expr/function.h"

#include <assert.h>
#include <math.h>

/* ---- making and taking apart ---- */

static enum ax_code run_list(struct ax_call *call, struct ax_err *err)
{
    struct ax_values *items = ax_arena_alloc(call->arena, 1, sizeof(*items));
    if (!items)
        return ax_arena_fail(call->arena, "the lists of an expression", err);
    struct ax_type type = { call->out->type.kind, false };
    if (ax_values_init(items, type, call->rows * call->arg_count, call->arena, err))
        return err->code;
    for (size_t row = 0; row < call->rows; row++) {
        size_t from = row * call->arg_count;
        for (size_t i = 0; i < call->arg_count; i++)
            ax_values_put(items, from + i, call->args[i], row);
        call->out->spans[row] = (struct ax_span){ (uint32_t)from, (uint32_t)call->arg_count };
    }
    call->out->items = items;
    return AX_OK;
}

static enum ax_code run_element(struct ax_call *call, struct ax_err *err)
{
    const struct ax_values *list = call->args[0];
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_span span = list->spans[row];
        int64_t index = call->args[1]->i64s[row];
        if (index < 0)
            index += (int64_t)span.count + 1;
        if (index < 1 || index > (int64_t)span.count)
            ax_values_set_null(call->out, row);
        else
            ax_values_put(call->out, row, list->items, span.from + (size_t)index - 1);
    }
    return AX_OK;
}

static enum ax_code run_len(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = call->args[0]->spans[row].count;
    return AX_OK;
}

/* ---- comparing ---- */

/* Negative, 0 or positive, as a[i] is smaller, equal or greater than b[k]; both are there. */
static int compare(const struct ax_values *a, size_t i, const struct ax_values *b, size_t k)
{
    switch (a->type.kind) {
    case AX_TYPE_BOOL:
        return a->bools[i] - b->bools[k];
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        return (a->i64s[i] > b->i64s[k]) - (a->i64s[i] < b->i64s[k]);
    case AX_TYPE_FLOAT64:
        return (a->f64s[i] > b->f64s[k]) - (a->f64s[i] < b->f64s[k]);
    case AX_TYPE_STRING:
        return ax_str_compare(a->texts[i], b->texts[k]);
    case AX_TYPE_COUNT:
        break;
    }
    assert(false);
    return 0;
}

static enum ax_code run_contains(struct ax_call *call, struct ax_err *err)
{
    const struct ax_values *list = call->args[0];
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_span span = list->spans[row];
        bool found = false;
        for (size_t i = span.from; i < (size_t)span.from + span.count && !found; i++)
            found = !ax_values_is_null(list->items, i) &&
                    compare(list->items, i, call->args[1], row) == 0;
        call->out->bools[row] = found;
    }
    return AX_OK;
}

/* The element that is first by `sign` times the order: 1: the smallest, -1: the greatest. */
static enum ax_code run_first(struct ax_call *call, int sign)
{
    const struct ax_values *list = call->args[0];
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_span span = list->spans[row];
        size_t best = SIZE_MAX;
        for (size_t i = span.from; i < (size_t)span.from + span.count; i++)
            if (!ax_values_is_null(list->items, i) &&
                (best == SIZE_MAX || sign * compare(list->items, i, list->items, best) < 0))
                best = i;
        if (best == SIZE_MAX)
            ax_values_set_null(call->out, row);
        else
            ax_values_put(call->out, row, list->items, best);
    }
    return AX_OK;
}

static enum ax_code run_min(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    return run_first(call, 1);
}

static enum ax_code run_max(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    return run_first(call, -1);
}

/* ---- sums ---- */

struct list_sum {
    __extension__ __int128 exact; /* of int64 */
    double high, low;             /* of float64: the sum, and what it lacks */
    size_t count;                 /* elements that are not null */
    bool has_infinity;
};

/* high + value is the new sum, and its error is known exactly (Knuth). */
static void add_f64(struct list_sum *sum, double value)
{
    double total = sum->high + value;
    double part = total - sum->high;
    sum->low += (sum->high - (total - part)) + (value - part);
    sum->high = total;
    sum->has_infinity |= (bool)isinf(value);
}

static struct list_sum sum_of(const struct ax_values *list, size_t row)
{
    struct ax_span span = list->spans[row];
    struct list_sum sum = { .high = 0 };
    for (size_t i = span.from; i < (size_t)span.from + span.count; i++) {
        if (ax_values_is_null(list->items, i))
            continue;
        sum.count++;
        if (list->type.kind == AX_TYPE_INT64)
            sum.exact += list->items->i64s[i];
        else
            add_f64(&sum, list->items->f64s[i]);
    }
    return sum;
}

static void put_f64(struct ax_call *call, size_t row, const struct list_sum *sum, double value)
{
    if (!sum->count || isnan(value) || (isinf(value) && !sum->has_infinity))
        ax_values_set_null(call->out, row);
    else
        call->out->f64s[row] = value + 0.0; /* -0 becomes 0 */
}

/* What an infinity lacks is no number. */
static double total_of(const struct list_sum *sum)
{
    return isfinite(sum->high) ? sum->high + sum->low : sum->high;
}

static enum ax_code run_sum_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct list_sum sum = sum_of(call->args[0], row);
        if (!sum.count || sum.exact < INT64_MIN || sum.exact > INT64_MAX)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = (int64_t)sum.exact;
    }
    return AX_OK;
}

static enum ax_code run_sum_f64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct list_sum sum = sum_of(call->args[0], row);
        put_f64(call, row, &sum, total_of(&sum));
    }
    return AX_OK;
}

static enum ax_code run_avg(struct ax_call *call, struct ax_err *err)
{
    bool is_i64 = call->args[0]->type.kind == AX_TYPE_INT64;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct list_sum sum = sum_of(call->args[0], row);
        double total = is_i64 ? (double)sum.exact : total_of(&sum);
        put_f64(call, row, &sum, total / (double)AX_MAX(sum.count, (size_t)1));
    }
    return AX_OK;
}

const struct ax_function ax_functions_list[] = {
    { .name = "list",
      .params = { AX_PARAM_T },
      .param_count = 1,
      .repeated = 1,
      .result = AX_PARAM_LIST_T,
      .sees_nulls = true,
      .run = run_list,
      .duckdb = "[$*]",
      .about = "A list of its arguments, which `[a, b]` writes shorter; nulls are elements.",
      .examples = { { "[1, null, 3]", "[1, null, 3]" }, { "list('a', 'b')", "['a', 'b']" } } },
    { .name = "[]",
      .params = { AX_PARAM_LIST_T, AX_PARAM_INT64 },
      .param_count = 2,
      .result = AX_PARAM_T,
      .run = run_element,
      .duckdb = "list_extract($1, $2)",
      .about = "Element i, from 1, or from the end with a negative i; null when there is none.",
      .examples = { { "[5, 6, 7][1]", "5" },
                    { "[5, 6, 7][-1]", "7" },
                    { "[5, 6, 7][0]", "null" } } },
    { .name = "len",
      .params = { AX_PARAM_LIST_T },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_len,
      .duckdb = "len($1)",
      .about = "The number of elements, with nulls.",
      .examples = { { "len([1, null, 3])", "3" } } },
    { .name = "list_contains",
      .params = { AX_PARAM_LIST_T, AX_PARAM_T },
      .param_count = 2,
      .result = AX_PARAM_BOOL,
      .run = run_contains,
      .duckdb = "list_contains($1, $2)",
      .about = "Whether a value is an element; nulls among the elements are not looked at.",
      .examples = { { "list_contains(['UA', 'AA'], 'AA')", "true" },
                    { "list_contains([1, null], 2)", "false" } } },
    { .name = "list_min",
      .params = { AX_PARAM_LIST_T },
      .param_count = 1,
      .result = AX_PARAM_T,
      .run = run_min,
      .duckdb = "list_min($1)",
      .about = "The smallest element; texts are compared bytewise.",
      .examples = { { "list_min([3, null, 1])", "1" } } },
    { .name = "list_max",
      .params = { AX_PARAM_LIST_T },
      .param_count = 1,
      .result = AX_PARAM_T,
      .run = run_max,
      .duckdb = "list_max($1)",
      .about = "The greatest element; texts are compared bytewise.",
      .examples = { { "list_max(['a', 'b'])", "'b'" } } },
    { .name = "list_sum",
      .params = { AX_PARAM_LIST_INT64 },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_sum_i64,
      .about = "The sum; null when it is no int64.",
      .examples = { { "list_sum([1, null, 3])", "4" },
                    { "list_sum([9223372036854775807, 1, -1])", "9223372036854775807" } } },
    { .name = "list_sum",
      .params = { AX_PARAM_LIST_FLOAT64 },
      .param_count = 1,
      .result = AX_PARAM_FLOAT64,
      .run = run_sum_f64,
      .about = "The sum, as good as exact in any order.",
      .examples = { { "list_sum([1e100, 1.0, -1e100])", "1.0" } } },
    { .name = "list_avg",
      .params = { AX_PARAM_LIST_INT64 },
      .param_count = 1,
      .result = AX_PARAM_FLOAT64,
      .run = run_avg,
      .about = "The mean of the elements that are not null.",
      .examples = { { "list_avg([1, null, 4])", "2.5" } } },
    { .name = "list_avg",
      .params = { AX_PARAM_LIST_FLOAT64 },
      .param_count = 1,
      .result = AX_PARAM_FLOAT64,
      .run = run_avg,
      .about = "The mean of the elements that are not null.",
      .examples = { { "list_avg([0.5, 1.0])", "0.75" } } },
    { 0 },
};

const size_t ax_functions_list_count = AX_COUNT(ax_functions_list) - 1;
