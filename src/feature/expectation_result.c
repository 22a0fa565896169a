/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of expectations in words. Values of users are cut and their control characters replaced,
 * so that every text is one line.
 */
#include "feature/expectation_result.h"

#include "base/calendar.h"
#include "base/json.h"
#include "data/expr/expr_text.h"
#include "feature/definition_keys.h"

#include <assert.h>
#include <inttypes.h>

#define SHOWN_BYTES 60

const char *ax_expectation_outcome_name(enum ax_expectation_outcome outcome)
{
    static const char *const names[] = {
#define X(name, text) text,
        AX_EXPECTATION_OUTCOME_LIST(X)
#undef X
    };
    assert((size_t)outcome < AX_COUNT(names));
    return names[outcome];
}

static struct ax_str word(const char *key, int index)
{
    const char *words = ax_definition_key(AX_MAPPING_EXPECTATION, key)->words;
    for (; index; index--)
        words = strchr(words, '|') + 1;
    return (struct ax_str){ words, strcspn(words, "|") };
}

struct ax_str ax_expectation_kind_name(enum ax_expectation_kind kind)
{
    assert(kind < AX_EXPECT_KIND_COUNT);
    return word("check", (int)kind);
}

struct ax_str ax_expectation_action_name(enum ax_expectation_action action)
{
    assert(action <= AX_EXPECT_FAIL);
    return word("do", (int)action);
}

bool ax_expectation_is_whole(enum ax_expectation_kind kind)
{
    return kind == AX_EXPECT_ROW_COUNT || kind == AX_EXPECT_FRESHNESS;
}

/* ---- judging ---- */

/* A share that is one in decimals is the same double when it is divided. */
static bool is_enough(size_t held, size_t looked_at, double mostly)
{
    return !looked_at || (double)held / (double)looked_at >= mostly;
}

/* How many rows that do not hold are still fine. */
static size_t allowed(size_t looked_at, double mostly)
{
    size_t count = AX_MIN((size_t)((1 - mostly) * (double)looked_at), looked_at);
    while (count && !is_enough(looked_at - count, looked_at, mostly))
        count--;
    while (count < looked_at && is_enough(looked_at - count - 1, looked_at, mostly))
        count++;
    return count;
}

/* False when it is too old for the number. */
static bool get_age(const struct ax_expectation_result *result, int64_t *ret_us)
{
    return !__builtin_sub_overflow(result->now_us, result->observed, ret_us);
}

static bool is_met(const struct ax_expectation_result *result)
{
    const struct ax_expectation *expectation = result->expectation;
    size_t looked_at = result->rows - result->missing;
    int64_t rows = (int64_t)result->rows;
    int64_t age_us;
    if (expectation->kind == AX_EXPECT_ROW_COUNT)
        return (!expectation->min.is_there || rows >= expectation->min.whole) &&
               (!expectation->max.is_there || rows <= expectation->max.whole);
    if (expectation->kind == AX_EXPECT_FRESHNESS)
        return result->has_observed && get_age(result, &age_us) &&
               age_us <= expectation->freshness_us;
    return is_enough(looked_at - result->unexpected, looked_at, expectation->mostly);
}

static enum ax_expectation_outcome outcome_of(const struct ax_expectation_result *result)
{
    const struct ax_expectation *expectation = result->expectation;
    switch (expectation->action) {
    case AX_EXPECT_WARN:
        return result->is_met ? AX_EXPECTATION_HELD : AX_EXPECTATION_WARNED;
    case AX_EXPECT_FAIL:
        return result->is_met ? AX_EXPECTATION_HELD : AX_EXPECTATION_FAILED;
    case AX_EXPECT_DROP_ROW:
        break;
    }
    if (!result->unexpected)
        return AX_EXPECTATION_HELD;
    return expectation->mostly < 1 && !result->is_met ? AX_EXPECTATION_FAILED
                                                      : AX_EXPECTATION_DROPPED;
}

void ax_expectation_judge(struct ax_expectation_result *result)
{
    assert(result && result->expectation && result->missing <= result->rows &&
           result->unexpected <= result->rows - result->missing);
    result->is_met = is_met(result);
    result->outcome = outcome_of(result);
}

/* ---- pieces ---- */

static void put(struct ax_buf *out, const char *text)
{
    (void)ax_buf_append_str(out, ax_str_from(text));
}

static void put_shown(struct ax_buf *out, struct ax_str text)
{
    struct ax_str cut = ax_str_cut(text, SHOWN_BYTES);
    for (size_t i = 0; i < cut.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)cut.ptr[i] < ' ' ? ' ' : cut.ptr[i]);
    if (cut.len < text.len)
        put(out, "...");
}

static void put_columns(struct ax_buf *out, const struct ax_source *source, const size_t *columns,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            put(out, ", ");
        put_shown(out, source->columns[columns[i]].name);
    }
}

/* A whole number without a point. */
static void put_number(struct ax_buf *out, double number)
{
    char text[AX_JSON_F64_TEXT_SIZE];
    size_t len = ax_json_print_f64(number, text);
    if (len > 2 && text[len - 2] == '.' && text[len - 1] == '0')
        len -= 2;
    (void)ax_buf_append(out, text, len);
}

static void put_time(struct ax_buf *out, int64_t us)
{
    char text[AX_CALENDAR_TEXT_SIZE];
    (void)ax_buf_append(out, text, ax_calendar_text(us, text));
}

/* A bound of `between`, of the column's type; of the others, a number. */
static void put_bound(struct ax_buf *out, const struct ax_expectation_result *result,
                      const struct ax_bound *bound)
{
    enum ax_type_kind kind = AX_TYPE_INT64;
    if (result->expectation->kind == AX_EXPECT_BETWEEN)
        kind = ax_storage_type(result->source->columns[result->columns[0]].storage).kind;
    if (kind == AX_TYPE_TIMESTAMP)
        put_time(out, bound->whole);
    else if (kind == AX_TYPE_DURATION)
        ax_duration_put_text(out, bound->whole);
    else if (bound->is_whole)
        ax_json_put_i64(out, bound->whole);
    else
        put_number(out, bound->number);
}

static void put_bounds(struct ax_buf *out, const struct ax_expectation_result *result)
{
    const struct ax_bound *min = &result->expectation->min, *max = &result->expectation->max;
    bool is_range = min->is_there && max->is_there;
    bool is_one = is_range && min->number == max->number && min->whole == max->whole;
    put(out, is_range ? " (" : min->is_there ? " (at least " : " (at most ");
    if (min->is_there)
        put_bound(out, result, min);
    if (is_range && !is_one)
        put(out, " to ");
    if (max->is_there && !is_one)
        put_bound(out, result, max);
    put(out, ")");
}

/* As many values as are short enough. */
static void put_set(struct ax_buf *out, const struct ax_expectation *expectation)
{
    size_t begin = out->len;
    put(out, " (");
    for (size_t i = 0; i < expectation->set_count; i++) {
        if (i)
            put(out, ", ");
        if (out->len - begin > SHOWN_BYTES) {
            ax_buf_printf(out, "and %zu more", expectation->set_count - i);
            break;
        }
        put_shown(out, expectation->set[i]);
    }
    put(out, ")");
}

static void put_referred(struct ax_buf *out, const struct ax_expectation *expectation)
{
    const struct ax_source *referred = expectation->referred;
    put(out, " (");
    put_shown(out, referred->name);
    put(out, ".");
    put_shown(out, referred->columns[expectation->referred_column].name);
    put(out, ")");
}

/* ---- the whole ---- */

static void put_details(struct ax_buf *out, const struct ax_expectation_result *result)
{
    const struct ax_expectation *expectation = result->expectation;
    switch (expectation->kind) {
    case AX_EXPECT_BETWEEN:
    case AX_EXPECT_LENGTH:
    case AX_EXPECT_ROW_COUNT:
        put_bounds(out, result);
        return;
    case AX_EXPECT_IN_SET:
        put_set(out, expectation);
        return;
    case AX_EXPECT_REGEX:
        put(out, " (");
        put_shown(out, expectation->pattern);
        put(out, ")");
        return;
    case AX_EXPECT_FRESHNESS:
        put(out, " (at most ");
        ax_duration_put_text(out, expectation->freshness_us);
        put(out, " old)");
        return;
    case AX_EXPECT_MONOTONIC:
        if (expectation->by_count)
            put(out, " by ");
        put_columns(out, result->source, expectation->by, expectation->by_count);
        return;
    case AX_EXPECT_REFERENTIAL:
        put_referred(out, expectation);
        return;
    case AX_EXPECT_EXPRESSION:
        put(out, " ");
        put_shown(out, expectation->text);
        return;
    case AX_EXPECT_NOT_NULL:
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_KIND_COUNT:
        return;
    }
}

void ax_expectation_put_name(struct ax_buf *out, const struct ax_expectation_result *result)
{
    assert(out && result && result->source && result->expectation);
    (void)ax_buf_append_str(out, ax_expectation_kind_name(result->expectation->kind));
    if (result->column_count)
        put(out, " ");
    put_columns(out, result->source, result->columns, result->column_count);
    put_details(out, result);
}

/* In the largest unit of which there are at least two. */
static void put_age(struct ax_buf *out, int64_t us)
{
    static const int64_t units[] = { INT64_C(86400000000), INT64_C(3600000000), 60000000, 1000000 };
    size_t i = 0;
    while (i + 1 < AX_COUNT(units) && us / units[i] < 2)
        i++;
    ax_duration_put_text(out, us - us % units[i]);
}

static void put_newest(struct ax_buf *out, const struct ax_expectation_result *result)
{
    int64_t age_us;
    if (!result->has_observed) {
        put(out, "there is no time that is not in the future");
        return;
    }
    put(out, "the newest time is ");
    put_time(out, result->observed);
    if (!get_age(result, &age_us))
        return;
    put(out, ", ");
    put_age(out, age_us);
    put(out, " ago");
}

static void put_unexpected(struct ax_buf *out, const struct ax_expectation_result *result,
                           size_t looked_at)
{
    double mostly = result->expectation->mostly;
    ax_buf_printf(out, "%zu of %zu row%s (%.3g %%) do%s not hold", result->unexpected, looked_at,
                  looked_at == 1 ? "" : "s", 100 * (double)result->unexpected / (double)looked_at,
                  result->unexpected == 1 ? "es" : "");
    if (mostly < 1) {
        put(out, "; mostly ");
        put_number(out, mostly);
        ax_buf_printf(out, " allows %zu", allowed(looked_at, mostly));
    }
    ax_buf_printf(out, "; row %zu: ", result->first_row);
    (void)ax_buf_append_str(out, result->first);
}

void ax_expectation_put_finding(struct ax_buf *out, const struct ax_expectation_result *result)
{
    assert(out && result && result->source && result->expectation);
    size_t looked_at = result->rows - result->missing;
    if (result->expectation->kind == AX_EXPECT_ROW_COUNT)
        ax_buf_printf(out, "%zu row%s", result->rows, result->rows == 1 ? "" : "s");
    else if (result->expectation->kind == AX_EXPECT_FRESHNESS)
        put_newest(out, result);
    else if (result->unexpected)
        put_unexpected(out, result, looked_at);
    else
        ax_buf_printf(out, "%zu row%s hold%s", looked_at, looked_at == 1 ? "" : "s",
                      looked_at == 1 ? "s" : "");
    if (result->missing)
        ax_buf_printf(out, " (%zu left out: null)", result->missing);
}
