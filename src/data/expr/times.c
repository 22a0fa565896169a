/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of times, over base/calendar.h and base/zone.h.
 *
 * Fields, units and zones are literals, so that a wrong name is told when an expression is
 * compiled. The state of a unit is a small struct; that of a zone is the zone.
 */
#include "data/expr/times.h"
#include "base/alloc.h"
#include "base/calendar.h"
#include "base/zone.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* What argument 0 names. */
struct time_word {
    enum ax_calendar_field field;
    enum ax_calendar_unit unit;
};

static struct ax_str word_of(const struct ax_expr *call)
{
    return call->args[0]->literal.text;
}

/* Names besides those of the calendar. */
static bool read_field(struct ax_str name, enum ax_calendar_field *ret)
{
    static const char *const monday_first[] = { "isodow", "weekday", "dayofweek" };
    for (size_t i = 0; i < AX_COUNT(monday_first); i++) {
        if (!ax_str_equals_nocase(name, ax_str_from(monday_first[i])))
            continue;
        *ret = AX_CALENDAR_FIELD_DOW;
        return true;
    }
    return ax_calendar_field_from_name(name, ret);
}

enum ax_code ax_time_prepare_extract(const struct ax_expr *call, void **ret_state,
                                     struct ax_err *err)
{
    struct time_word word = { 0 };
    if (!read_field(word_of(call), &word.field))
        return ax_fail(err, AX_E_INVALID,
                       "no field '%.*s' of a timestamp; there are year, quarter, month, week, day, "
                       "dow, doy, isoyear, hour, minute, second, millisecond, microsecond",
                       AX_STR_ARG(ax_str_cut(word_of(call), 40)));
    struct time_word *state = ax_xalloc(sizeof(*state));
    *state = word;
    *ret_state = state;
    return AX_OK;
}

enum ax_code ax_time_prepare_unit(const struct ax_expr *call, void **ret_state, struct ax_err *err)
{
    struct time_word word = { 0 };
    if (!ax_calendar_unit_from_name(word_of(call), &word.unit))
        return ax_fail(
            err, AX_E_INVALID,
            "no unit '%.*s' of time; there are microsecond, millisecond, second, minute, "
            "hour, day, week, month, quarter, year",
            AX_STR_ARG(ax_str_cut(word_of(call), 40)));
    struct time_word *state = ax_xalloc(sizeof(*state));
    *state = word;
    *ret_state = state;
    return AX_OK;
}

void ax_time_release(void *state)
{
    free(state);
}

enum ax_code ax_time_extract(struct ax_call *call, struct ax_err *err)
{
    const struct time_word *word = call->state;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = ax_calendar_get(word->field, call->args[1]->i64s[row]);
    return AX_OK;
}

enum ax_code ax_time_trunc(struct ax_call *call, struct ax_err *err)
{
    const struct time_word *word = call->state;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (!ax_calendar_trunc(word->unit, call->args[1]->i64s[row], &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}

enum ax_code ax_time_diff(struct ax_call *call, struct ax_err *err)
{
    const struct time_word *word = call->state;
    (void)err;
    if (ax_calendar_diff_all(word->unit, call->args[1]->i64s, call->args[2]->i64s, call->rows,
                             call->out->i64s))
        return AX_OK;
    for (size_t row = 0; row < call->rows; row++)
        if (!ax_calendar_diff(word->unit, call->args[1]->i64s[row], call->args[2]->i64s[row],
                              &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}

/* ---- DuckDB: words are those of the literal, under the one name that both sides know ---- */

/* Sunday is 0 in DuckDB's dow, and 7 in its isodow. */
void ax_time_put_extract(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args)
{
    enum ax_calendar_field field = AX_CALENDAR_FIELD_YEAR;
    (void)read_field(word_of(call), &field);
    const char *name = field == AX_CALENDAR_FIELD_DOW ? "isodow" : ax_calendar_field_name(field);
    (void)ax_buf_printf(out, "date_part('%s', %.*s)", name, AX_STR_ARG(ax_buf_str(&args[1])));
}

static const char *unit_name_of(const struct ax_expr *call)
{
    enum ax_calendar_unit unit;
    bool known = ax_calendar_unit_from_name(word_of(call), &unit);
    return known ? ax_calendar_unit_name(unit) : "unknown";
}

/* DuckDB's optimizer takes a comparison of date_trunc with a constant apart, and forgets null on
 * the way: what no truncated time can be differs from null there. It does not look through a CASE.
 */
void ax_time_put_trunc(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args)
{
    struct ax_str time = ax_buf_str(&args[1]);
    (void)ax_buf_printf(out, "CASE WHEN %.*s IS NOT NULL THEN date_trunc('%s', %.*s) END",
                        AX_STR_ARG(time), unit_name_of(call), AX_STR_ARG(time));
}

/* DuckDB counts a week for seven days between two times, and not for the Mondays: from Monday to
 * Monday that is the same. */
void ax_time_put_diff(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args)
{
    const char *unit = unit_name_of(call);
    struct ax_str from = ax_buf_str(&args[1]), to = ax_buf_str(&args[2]);
    if (strcmp(unit, "week") == 0)
        (void)ax_buf_printf(out,
                            "date_diff('week', date_trunc('week', %.*s), date_trunc('week', %.*s))",
                            AX_STR_ARG(from), AX_STR_ARG(to));
    else
        (void)ax_buf_printf(out, "date_diff('%s', %.*s, %.*s)", unit, AX_STR_ARG(from),
                            AX_STR_ARG(to));
}

/* ---- zones ---- */

enum ax_code ax_time_prepare_zone(const struct ax_expr *call, void **ret_state, struct ax_err *err)
{
    const struct ax_zone *zone;
    if (ax_zone_get(call->args[1]->literal.text, &zone, err))
        return err->code;
    *ret_state = (void *)(uintptr_t)zone;
    return AX_OK;
}

void ax_time_release_zone(void *state)
{
    (void)state;
}

static enum ax_code convert(struct ax_call *call,
                            int64_t (*conversion)(const struct ax_zone *zone, int64_t us))
{
    for (size_t row = 0; row < call->rows; row++) {
        int64_t us = conversion(call->state, call->args[0]->i64s[row]);
        if (us < AX_CALENDAR_MIN_US || us > AX_CALENDAR_MAX_US)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = us;
    }
    return AX_OK;
}

enum ax_code ax_time_at_zone(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    return convert(call, ax_zone_to_local);
}

enum ax_code ax_time_from_local(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    return convert(call, ax_zone_to_utc);
}

/* ---- numbers ---- */

enum ax_code ax_time_epoch(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = (double)call->args[0]->i64s[row] / 1e6;
    return AX_OK;
}

enum ax_code ax_time_epoch_ms(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        int64_t us = call->args[0]->i64s[row];
        call->out->i64s[row] = us / 1000 - (us % 1000 < 0);
    }
    return AX_OK;
}

static bool make_time(const struct ax_call *call, size_t row, int64_t *ret_us)
{
    int64_t part[5]; /* year, month, day, hour, minute */
    for (size_t i = 0; i < AX_COUNT(part); i++)
        part[i] = call->args[i]->i64s[row];
    double second = call->args[5]->f64s[row];
    if (part[0] < 1 || part[0] > 9999 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > 31 || part[3] < 0 || part[3] > 23 || part[4] < 0 || part[4] > 59 ||
        !(second >= 0 && second < 60))
        return false;
    struct ax_date date = { part[0], (unsigned)part[1], (unsigned)part[2] };
    if (!ax_calendar_is_date(date))
        return false;
    *ret_us = ax_calendar_days(date) * AX_US_PER_DAY +
              (part[3] * 3600 + part[4] * 60) * AX_US_PER_S + (int64_t)floor(second * 1e6);
    return true;
}

enum ax_code ax_time_make(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (!make_time(call, row, &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}
