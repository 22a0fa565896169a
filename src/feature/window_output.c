/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as columns. Rows and the items of lists grow by doubling; texts are copied to an arena.
 */
#include "feature/window_output.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum { ROOM_FIRST = 2048, TEXTS_FIRST = 64 << 10 };

/* Of a list: its items. */
struct ax_window_output_column {
    struct ax_values items;
    size_t item_room;
};

static enum ax_code output_emit(struct ax_window_sink *sink, int64_t number,
                                const struct ax_window_value *values, struct ax_err *err);

void ax_window_output_init(struct ax_window_output *output, const struct ax_window_spec *spec,
                           size_t bytes_max)
{
    assert(output && spec);
    size_t count = AX_MAX(ax_window_spec_aggregate_count(spec), (size_t)1);
    *output = (struct ax_window_output){
        .sink.emit = output_emit,
        .spec = spec,
        .columns = ax_xalloc(count * sizeof *output->columns),
        .insides = ax_xalloc(count * sizeof *output->insides),
        .bytes_max = bytes_max,
    };
    ax_arena_init(&output->texts, TEXTS_FIRST, bytes_max + TEXTS_FIRST);
    for (size_t i = 0; i < ax_window_spec_aggregate_count(spec); i++) {
        struct ax_type type = ax_window_spec_type(spec, i);
        output->columns[i].type = type;
        output->insides[i].items.type = (struct ax_type){ type.kind, false };
        if (type.is_list)
            output->columns[i].items = &output->insides[i].items;
    }
}

void ax_window_output_done(struct ax_window_output *output)
{
    if (!output->columns)
        return;
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++) {
        free(output->columns[i].data);
        free(output->columns[i].validity);
        free(output->insides[i].items.data);
    }
    free(output->columns);
    free(output->insides);
    free(output->numbers);
    ax_arena_done(&output->texts);
    *output = (struct ax_window_output){ .rows = 0 };
}

void ax_window_output_reset(struct ax_window_output *output)
{
    output->rows = 0;
    output->bytes = 0;
    output->is_full = false;
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++) {
        output->columns[i].rows = 0;
        output->insides[i].items.rows = 0;
    }
    ax_arena_reset(&output->texts);
}

/* Move `used` of `*array`'s bytes to room for `size`. */
static bool array_grow(void **array, size_t used, size_t count, size_t size)
{
    void *grown = ax_try_alloc(count, size);
    if (!grown)
        return false;
    if (used)
        memcpy(grown, *array, used);
    free(*array);
    *array = grown;
    return true;
}

static bool output_grow(struct ax_window_output *output)
{
    size_t room = output->room ? output->room * 2 : ROOM_FIRST;
    size_t rows = output->rows;
    void *numbers = output->numbers;
    if (!array_grow(&numbers, rows * sizeof(int64_t), room, sizeof(int64_t)))
        return false;
    output->numbers = numbers;
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++) {
        struct ax_values *column = &output->columns[i];
        size_t size = ax_type_size(column->type);
        void *validity = column->validity;
        if (!array_grow(&column->data, rows * size, room, size) ||
            !array_grow(&validity, (rows + 63) / 64 * sizeof(uint64_t), room / 64,
                        sizeof(uint64_t)))
            return false;
        column->validity = validity;
    }
    output->room = room;
    return true;
}

static bool put_item(struct ax_window_output *output, struct ax_values *values, size_t row,
                     const struct ax_window_item *item)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = item->i64 != 0;
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[row] = item->i64;
        break;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = item->f64;
        break;
    case AX_TYPE_STRING: {
        char *text = ax_arena_strdup(&output->texts, item->text);
        if (!text)
            return false;
        values->texts[row] = (struct ax_str){ text, item->text.len };
        break;
    }
    case AX_TYPE_COUNT:
        break;
    }
    return true;
}

static bool put_list(struct ax_window_output *output, size_t aggregate, size_t row,
                     const struct ax_window_value *value)
{
    struct ax_window_output_column *inside = &output->insides[aggregate];
    struct ax_values *items = &inside->items;
    size_t needed = items->rows + value->item_count;
    if (needed > UINT32_MAX)
        return false;
    if (needed > inside->item_room) {
        size_t room = AX_MAX(needed, AX_MAX(2 * inside->item_room, (size_t)ROOM_FIRST));
        size_t size = ax_type_size(items->type);
        if (!array_grow(&items->data, items->rows * size, room, size))
            return false;
        inside->item_room = room;
    }
    for (size_t i = 0; i < value->item_count; i++) {
        if (!put_item(output, items, items->rows + i, &value->items[i]))
            return false;
    }
    output->columns[aggregate].spans[row] =
        (struct ax_span){ (uint32_t)items->rows, (uint32_t)value->item_count };
    items->rows = needed;
    return true;
}

static bool put_value(struct ax_window_output *output, size_t aggregate, size_t row,
                      const struct ax_window_value *value)
{
    struct ax_values *column = &output->columns[aggregate];
    uint64_t bit = UINT64_C(1) << row % 64;
    if (row % 64 == 0)
        column->validity[row / 64] = 0; /* Of a word that is new. */
    column->validity[row / 64] &= ~bit;
    column->rows = row + 1;
    if (value->status != AX_WINDOW_PRESENT) {
        if (value->status == AX_WINDOW_TOO_MANY && output->too_many++ == 0)
            output->first_too_many = aggregate;
        ax_values_set_null(column, row);
        return true;
    }
    column->validity[row / 64] |= bit;
    return column->type.is_list ? put_list(output, aggregate, row, value)
                                : put_item(output, column, row, &value->item);
}

/* ---- order ---- */

static bool sort_column(struct ax_values *column, const int64_t *places, size_t rows, size_t room)
{
    size_t size = ax_type_size(column->type);
    unsigned char *data = ax_try_alloc(room, size);
    uint64_t *validity = data ? ax_try_alloc(room / 64, sizeof(*validity)) : NULL;
    if (!validity) {
        free(data);
        return false;
    }
    memset(validity, 0, room / 64 * sizeof(*validity));
    for (size_t row = 0; row < rows; row++) {
        size_t place = (size_t)places[row];
        memcpy(data + place * size, (const unsigned char *)column->data + row * size, size);
        validity[place / 64] |= (uint64_t)!ax_values_is_null(column, row) << place % 64;
    }
    free(column->data);
    free(column->validity);
    column->data = data;
    column->validity = validity;
    return true;
}

bool ax_window_output_sort(struct ax_window_output *output, int64_t first)
{
    assert(output);
    for (size_t row = 0; row < output->rows; row++) {
        output->numbers[row] -= first;
        assert(output->numbers[row] >= 0 && (size_t)output->numbers[row] < output->rows);
    }
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++)
        if (!sort_column(&output->columns[i], output->numbers, output->rows, output->room))
            return false;
    for (size_t row = 0; row < output->rows; row++)
        output->numbers[row] = first + (int64_t)row;
    return true;
}

/* ---- the sink ---- */

/* What the values of a row take. */
static size_t row_bytes(const struct ax_window_output *output, const struct ax_window_value *values)
{
    size_t bytes = sizeof(int64_t);
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++) {
        struct ax_type type = output->columns[i].type;
        const struct ax_values *items = &output->insides[i].items;
        bool is_text = type.kind == AX_TYPE_STRING && values[i].status == AX_WINDOW_PRESENT;
        bytes += ax_type_size(type);
        if (is_text && !type.is_list)
            bytes += values[i].item.text.len + 1;
        if (!type.is_list || values[i].status != AX_WINDOW_PRESENT)
            continue;
        bytes += values[i].item_count * ax_type_size(items->type);
        for (size_t k = 0; is_text && k < values[i].item_count; k++)
            bytes += values[i].items[k].text.len + 1;
    }
    return bytes;
}

static enum ax_code output_emit(struct ax_window_sink *sink, int64_t number,
                                const struct ax_window_value *values, struct ax_err *err)
{
    struct ax_window_output *output = container_of(sink, struct ax_window_output, sink);
    output->bytes += row_bytes(output, values);
    output->is_full = output->bytes > output->bytes_max;
    if (output->is_full)
        return ax_fail(err, AX_E_LIMIT, "the values of windows take more than %zu bytes",
                       output->bytes_max);
    if (output->rows == output->room && !output_grow(output))
        return ax_fail(err, AX_E_LIMIT, "no memory for the values of windows");
    size_t row = output->rows;
    for (size_t i = 0; i < ax_window_spec_aggregate_count(output->spec); i++) {
        if (!put_value(output, i, row, &values[i]))
            return ax_fail(err, AX_E_LIMIT, "no memory for the values of windows");
    }
    output->numbers[row] = number;
    output->rows = row + 1;
    return AX_OK;
}
