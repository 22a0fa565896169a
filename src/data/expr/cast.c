/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Casts. Text is read strictly: all of it is one number, without blanks and signs other than '-'.
 * A float64 becomes the nearest integer, a half the even one. Numbers become the shortest text that
 * reads back to them, in the form that Python and DuckDB print: 0.1, 1e-05, 1e+16.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

#include "base/calendar.h"
#include "base/json.h"
#include "base/json_number.h"

#include <math.h>

#define I64_TEXT_MAX   20 /* with the sign */
#define F64_TEXT_MAX   32
#define F64_DIGITS_MAX 17
#define PLAIN_BELOW_E  16   /* 1e16 and above are written with an exponent, */
#define PLAIN_FROM_E   (-4) /* as what is below 0.0001 */

/* ---- between bool, int64 and float64 ---- */

enum ax_code ax_operator_cast_i64_to_f64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = (double)call->args[0]->i64s[row];
    return AX_OK;
}

enum ax_code ax_operator_cast_bool_to_f64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = call->args[0]->bools[row];
    return AX_OK;
}

enum ax_code ax_operator_cast_bool_to_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = call->args[0]->bools[row];
    return AX_OK;
}

enum ax_code ax_operator_cast_f64_to_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        double rounded = rint(call->args[0]->f64s[row]);
        if (rounded >= -0x1p63 && rounded < 0x1p63)
            call->out->i64s[row] = (int64_t)rounded;
        else
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

enum ax_code ax_operator_cast_i64_to_bool(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = call->args[0]->i64s[row] != 0;
    return AX_OK;
}

enum ax_code ax_operator_cast_f64_to_bool(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = call->args[0]->f64s[row] != 0;
    return AX_OK;
}

/* ---- text to values ---- */

static size_t count_digits(struct ax_str text, size_t at)
{
    size_t count = 0;
    while (at + count < text.len && text.ptr[at + count] >= '0' && text.ptr[at + count] <= '9')
        count++;
    return count;
}

/* Whether all of `text` is -?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?; *ret_zeros are zeros in front
 * that JSON would not have. */
static bool is_number(struct ax_str text, size_t *ret_zeros)
{
    size_t at = text.len && text.ptr[0] == '-';
    size_t digits = count_digits(text, at);
    size_t zeros = 0;
    while (zeros + 1 < digits && text.ptr[at + zeros] == '0')
        zeros++;
    at += digits;
    if (!digits)
        return false;
    if (at < text.len && text.ptr[at] == '.') {
        digits = count_digits(text, at + 1);
        at += 1 + digits;
    }
    if (digits && at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        digits = count_digits(text, at);
        at += digits;
    }
    *ret_zeros = zeros;
    return digits && at == text.len;
}

static bool read_f64(struct ax_str text, double *ret)
{
    size_t zeros = 0;
    if (!is_number(text, &zeros))
        return false;
    bool negative = text.ptr[0] == '-';
    const char *end = text.ptr + text.len;
    if (ax_json_number_read(text.ptr + negative + zeros, end, ret) != end)
        return false;
    *ret = negative && *ret != 0 ? -*ret : *ret;
    return true;
}

enum ax_code ax_operator_cast_text_to_f64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (!read_f64(call->args[0]->texts[row], &call->out->f64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}

enum ax_code ax_operator_cast_text_to_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (!ax_str_to_i64(call->args[0]->texts[row], &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}

enum ax_code ax_operator_cast_text_to_bool(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = call->args[0]->texts[row];
        if (ax_str_is(text, "true") || ax_str_is(text, "false"))
            call->out->bools[row] = text.len == 4;
        else
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

/* ---- values to text ---- */

/* Room for the texts of all rows, `size` bytes each. */
static char *alloc_texts(const struct ax_call *call, size_t size, struct ax_err *err)
{
    char *room = ax_arena_alloc_aligned(call->arena, call->rows, size, 1);
    if (!room)
        (void)ax_arena_fail(call->arena, "the texts of an expression", err);
    return room;
}

static size_t print_i64(int64_t value, char *ret_text)
{
    char digits[I64_TEXT_MAX];
    size_t count = 0;
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[count++] = (char)('0' + size % 10);
        size /= 10;
    } while (size);
    size_t len = 0;
    if (value < 0)
        ret_text[len++] = '-';
    while (count)
        ret_text[len++] = digits[--count];
    return len;
}

/* The digits of a number without zeros at its ends, and the power of ten of the first one. */
struct decimal {
    char digits[F64_DIGITS_MAX];
    int count;
    int exponent;
};

/* Out of JSON's text of a positive number: digits, perhaps a point among them, perhaps an exponent.
 */
static struct decimal read_decimal(const char *text, size_t len)
{
    struct decimal decimal = { .exponent = -1 };
    bool behind_point = false;
    size_t at = 0;
    for (; at < len && text[at] != 'e'; at++) {
        if (text[at] == '.') {
            behind_point = true;
            continue;
        }
        bool leads = decimal.count == 0 && text[at] == '0';
        /* Zeros in front only move the exponent, and those at the end are cut below. */
        decimal.exponent += behind_point ? -(int)leads : (int)!leads;
        if (!leads && decimal.count < F64_DIGITS_MAX)
            decimal.digits[decimal.count++] = text[at];
    }
    if (at < len) {
        bool negative = text[at + 1] == '-';
        int exponent = 0;
        for (at += 1 + negative; at < len; at++)
            exponent = text[at] == '+' ? 0 : exponent * 10 + (text[at] - '0');
        decimal.exponent += negative ? -exponent : exponent;
    }
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
        decimal.count--;
    return decimal;
}

/* d.ddde±XX */
static size_t print_scientific(const struct decimal *decimal, char *ret_text)
{
    size_t len = 0;
    ret_text[len++] = decimal->digits[0];
    if (decimal->count > 1)
        ret_text[len++] = '.';
    for (int i = 1; i < decimal->count; i++)
        ret_text[len++] = decimal->digits[i];
    int size = abs(decimal->exponent);
    ret_text[len++] = 'e';
    ret_text[len++] = decimal->exponent < 0 ? '-' : '+';
    if (size < 10)
        ret_text[len++] = '0';
    return len + print_i64(size, ret_text + len);
}

/* ddd.ddd, with a digit on both sides of the point */
static size_t print_plain(const struct decimal *decimal, char *ret_text)
{
    size_t len = 0;
    for (int place = AX_MAX(decimal->exponent, 0); place >= 0 || len == 0; place--) {
        int i = decimal->exponent - place;
        ret_text[len++] = i >= 0 && i < decimal->count ? decimal->digits[i] : '0';
    }
    ret_text[len++] = '.';
    int last = AX_MIN(decimal->exponent - (decimal->count - 1), -1);
    for (int place = -1; place >= last; place--) {
        int i = decimal->exponent - place;
        ret_text[len++] = i >= 0 && i < decimal->count ? decimal->digits[i] : '0';
    }
    return len;
}

static size_t print_f64(double value, char ret_text[F64_TEXT_MAX])
{
    char json[AX_JSON_F64_TEXT_SIZE];
    bool negative = value < 0;
    size_t sign = negative;
    ret_text[0] = '-';
    if (value == 0 || isinf(value)) {
        const char *text = value == 0 ? "0.0" : "inf";
        memcpy(ret_text + sign, text, 3);
        return sign + 3;
    }
    size_t len = ax_json_print_f64(negative ? -value : value, json);
    struct decimal decimal = read_decimal(json, len);
    bool plain = decimal.exponent >= PLAIN_FROM_E && decimal.exponent < PLAIN_BELOW_E;
    return sign + (plain ? print_plain(&decimal, ret_text + sign)
                         : print_scientific(&decimal, ret_text + sign));
}

enum ax_code ax_operator_cast_i64_to_text(struct ax_call *call, struct ax_err *err)
{
    char *room = alloc_texts(call, I64_TEXT_MAX, err);
    for (size_t row = 0; room && row < call->rows; row++, room += I64_TEXT_MAX) {
        size_t len = print_i64(call->args[0]->i64s[row], room);
        call->out->texts[row] = (struct ax_str){ room, len };
    }
    return err->code;
}

enum ax_code ax_operator_cast_f64_to_text(struct ax_call *call, struct ax_err *err)
{
    char *room = alloc_texts(call, F64_TEXT_MAX, err);
    for (size_t row = 0; room && row < call->rows; row++, room += F64_TEXT_MAX) {
        size_t len = print_f64(call->args[0]->f64s[row], room);
        call->out->texts[row] = (struct ax_str){ room, len };
    }
    return err->code;
}

enum ax_code ax_operator_cast_bool_to_text(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->texts[row] = call->args[0]->bools[row] ? AX_STR("true") : AX_STR("false");
    return AX_OK;
}

/* ---- moments ---- */

/* Microseconds are what times and durations are. */
enum ax_code ax_operator_cast_time_to_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    memcpy(call->out->i64s, call->args[0]->i64s, call->rows * sizeof(int64_t));
    return AX_OK;
}

enum ax_code ax_operator_cast_i64_to_time(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        int64_t us = call->args[0]->i64s[row];
        if (us < AX_CALENDAR_MIN_US || us > AX_CALENDAR_MAX_US)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = us;
    }
    return AX_OK;
}

enum ax_code ax_operator_cast_text_to_time(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        bool naive; /* is UTC */
        if (!ax_calendar_parse(call->args[0]->texts[row], &call->out->i64s[row], &naive))
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

enum ax_code ax_operator_cast_time_to_text(struct ax_call *call, struct ax_err *err)
{
    char *room = alloc_texts(call, AX_CALENDAR_TEXT_SIZE, err);
    for (size_t row = 0; room && row < call->rows; row++, room += AX_CALENDAR_TEXT_SIZE) {
        size_t len = ax_calendar_text(call->args[0]->i64s[row], room);
        call->out->texts[row] = (struct ax_str){ room, len };
    }
    return err->code;
}
