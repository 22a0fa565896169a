/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two forms of printing share the walk over a list; they differ in what a text, a moment, a
 * duration and an infinity look like.
 */
#include "data/expr/value_text.h"

#include "base/calendar.h"
#include "base/json.h"
#include "data/expr/expr_text.h"

#include <assert.h>
#include <math.h>

typedef void (*put_scalar_fn)(struct ax_buf *out, const struct ax_values *values, size_t row);

static void put_moment(struct ax_buf *out, int64_t us)
{
    char text[AX_CALENDAR_TEXT_SIZE];
    (void)ax_buf_append(out, text, ax_calendar_text(us, text));
}

static void put_text(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        ax_json_put_bool(out, values->bools[row]);
        return;
    case AX_TYPE_INT64:
        ax_json_put_i64(out, values->i64s[row]);
        return;
    case AX_TYPE_FLOAT64:
        ax_json_put_f64(out, values->f64s[row]);
        return;
    case AX_TYPE_STRING:
        (void)ax_buf_append_quoted(out, values->texts[row], '\'');
        return;
    case AX_TYPE_TIMESTAMP:
        put_moment(out, values->i64s[row]);
        return;
    case AX_TYPE_DURATION:
        ax_duration_put_text(out, values->i64s[row]);
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(false);
}

static void put_json(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    if (values->type.kind == AX_TYPE_STRING) {
        ax_json_put_str(out, values->texts[row]);
    } else if (values->type.kind == AX_TYPE_DURATION) {
        ax_json_put_i64(out, values->i64s[row]);
    } else if (values->type.kind == AX_TYPE_TIMESTAMP) {
        (void)ax_buf_append_char(out, '"');
        put_moment(out, values->i64s[row]);
        (void)ax_buf_append_char(out, '"');
    } else {
        put_text(out, values, row);
    }
}

static void put_value(struct ax_buf *out, const struct ax_values *values, size_t row,
                      put_scalar_fn put_scalar)
{
    if (ax_values_is_null(values, row)) {
        (void)ax_buf_append_str(out, AX_STR("null"));
        return;
    }
    if (!values->type.is_list) {
        put_scalar(out, values, row);
        return;
    }
    struct ax_span span = values->spans[row];
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < span.count; i++) {
        if (i)
            (void)ax_buf_append_str(out, AX_STR(", "));
        if (ax_values_is_null(values->items, span.from + i))
            (void)ax_buf_append_str(out, AX_STR("null"));
        else
            put_scalar(out, values->items, span.from + i);
    }
    (void)ax_buf_append_char(out, ']');
}

void ax_values_put_text(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    assert(out && values && row < values->rows);
    put_value(out, values, row, put_text);
}

void ax_values_put_json(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    assert(out && values && row < values->rows);
    put_value(out, values, row, put_json);
}
