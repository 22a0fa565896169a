/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums are exact (128 bits, or feature/window_sum.h), so the mean depends on nothing but the
 * values; distinct values are counted by feature/window_sketch.h. Texts are cut before they are
 * compared, so that the least of the cut texts is kept and nothing longer has to be.
 */
#include "pipeline/dataset_statistics.h"

#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <math.h>

/* Times that ax_clock_text can print: the years 0 to 9999. */
#define TIME_US_MIN (-62167219200000000)
#define TIME_US_MAX 253402300799999999

void ax_dataset_statistics_done(struct ax_dataset_statistics *statistics)
{
    ax_window_sum_done(&statistics->sum);
    ax_window_distinct_done(&statistics->distinct);
}

static bool is_first(const struct ax_dataset_statistics *s)
{
    return s->count == s->not_finite;
}

static bool add_i64(struct ax_dataset_statistics *s, int64_t value)
{
    s->min.i64 = is_first(s) ? value : AX_MIN(s->min.i64, value);
    s->max.i64 = is_first(s) ? value : AX_MAX(s->max.i64, value);
    s->total += value;
    s->count++;
    return ax_window_distinct_add(&s->distinct, ax_window_hash_i64(value));
}

static bool add_f64(struct ax_dataset_statistics *s, double value)
{
    bool is_kept = true;
    if (isfinite(value)) {
        s->min.f64 = is_first(s) ? value : AX_MIN(s->min.f64, value);
        s->max.f64 = is_first(s) ? value : AX_MAX(s->max.f64, value);
        is_kept = ax_window_sum_add(&s->sum, value);
    } else {
        s->not_finite++;
    }
    s->count++;
    /* NaN is no value that could be told from others. */
    if (!isnan(value))
        is_kept = ax_window_distinct_add(&s->distinct, ax_window_hash_f64(value)) && is_kept;
    return is_kept;
}

static struct ax_str text_of(const struct ax_dataset_text *text)
{
    return (struct ax_str){ text->bytes, text->len };
}

static void keep_text(struct ax_dataset_text *kept, struct ax_str text)
{
    kept->len = text.len;
    if (text.len)
        memcpy(kept->bytes, text.ptr, text.len);
}

static bool add_text(struct ax_dataset_statistics *s, struct ax_str text)
{
    struct ax_str cut = ax_str_cut(text, AX_DATASET_TEXT_MAX);
    if (!s->is_rendered && (!s->count || ax_str_compare(cut, text_of(&s->min.text)) < 0))
        keep_text(&s->min.text, cut);
    if (!s->is_rendered && (!s->count || ax_str_compare(cut, text_of(&s->max.text)) > 0))
        keep_text(&s->max.text, cut);
    s->count++;
    return ax_window_distinct_add(&s->distinct, ax_window_hash_text(text));
}

static bool add_value(struct ax_dataset_statistics *s, const struct ax_sql_column *column,
                      size_t row)
{
    switch (column->type) {
    case AX_SQL_BOOL:
        return add_i64(s, column->bools[row]);
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        return add_i64(s, column->i64s[row]);
    case AX_SQL_F64:
        return add_f64(s, column->f64s[row]);
    case AX_SQL_TEXT:
        return add_text(s, column->texts[row]);
    case AX_SQL_BYTES:
    case AX_SQL_LIST:
        break;
    }
    return true;
}

enum ax_code ax_dataset_statistics_add(struct ax_dataset_statistics *statistics,
                                       const struct ax_sql_column *column, size_t rows,
                                       struct ax_err *err)
{
    assert(statistics && column && column->type == statistics->type &&
           column->type != AX_SQL_BYTES && column->type != AX_SQL_LIST && err);
    for (size_t row = 0; row < rows; row++) {
        if (ax_sql_is_null(column, row))
            statistics->nulls++;
        else if (!add_value(statistics, column, row))
            return ax_fail(err, AX_E_LIMIT, "no memory for the statistics of a column");
    }
    return AX_OK;
}

/* ---- printing ---- */

static void put_time(struct ax_buf *out, int64_t time_us)
{
    char text[AX_CLOCK_TEXT_SIZE];
    if (time_us < TIME_US_MIN || time_us > TIME_US_MAX) {
        ax_json_put_i64(out, time_us);
        return;
    }
    ax_clock_text(time_us, text);
    ax_json_put_str(out, ax_str_from(text));
}

static void put_bound(const struct ax_dataset_statistics *s, bool is_max, struct ax_buf *out)
{
    int64_t i64 = is_max ? s->max.i64 : s->min.i64;
    ax_json_put_key(out, is_max ? "max" : "min");
    switch (s->type) {
    case AX_SQL_BOOL:
        ax_json_put_bool(out, i64 != 0);
        break;
    case AX_SQL_I64:
        ax_json_put_i64(out, i64);
        break;
    case AX_SQL_TIMESTAMP:
        put_time(out, i64);
        break;
    case AX_SQL_F64:
        ax_json_put_f64(out, is_max ? s->max.f64 : s->min.f64);
        break;
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
    case AX_SQL_LIST:
        ax_json_put_str(out, text_of(is_max ? &s->max.text : &s->min.text));
        break;
    }
}

static void put_mean(const struct ax_dataset_statistics *s, struct ax_buf *out)
{
    int64_t count = (int64_t)(s->count - s->not_finite);
    ax_json_put_key(out, "mean");
    if (s->type == AX_SQL_F64)
        ax_json_put_f64(out, ax_window_sum_mean(&s->sum, count));
    else
        ax_json_put_f64(out, (double)s->total / (double)count);
}

void ax_dataset_statistics_put(const struct ax_dataset_statistics *statistics, struct ax_buf *out)
{
    assert(statistics && out);
    const struct ax_dataset_statistics *s = statistics;
    ax_json_put_member_u64(out, "count", s->count);
    ax_json_put_member_u64(out, "nulls", s->nulls);
    if (s->type == AX_SQL_F64)
        ax_json_put_member_u64(out, "not_finite", s->not_finite);
    uint64_t distinct = (uint64_t)ax_window_distinct_result(&s->distinct);
    ax_json_put_member_u64(out, "distinct", AX_MIN(distinct, (uint64_t)(s->count - s->not_finite)));
    if (s->distinct.is_sketch)
        ax_json_put_member_bool(out, "distinct_is_estimate", true);
    if (s->count == s->not_finite || s->is_rendered)
        return;
    put_bound(s, false, out);
    put_bound(s, true, out);
    if (s->type == AX_SQL_BOOL || s->type == AX_SQL_I64 || s->type == AX_SQL_F64)
        put_mean(s, out);
}
