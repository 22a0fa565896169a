/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranking a row: its element's indexes are sorted by value, and the first ones printed. A tie is
 * broken by the index, so an answer does not depend on how the sort works.
 */
#include "server/api/oip_classes.h"

#include "base/json.h"
#include "server/api/oip.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* "-1.7976931348623157e+308:4294967295:", and some. */
#define TEXT_BYTES_MAX 64

enum ax_code ax_oip_classes_init(struct ax_oip_classes *classes,
                                 const struct ax_signature *signature,
                                 const struct ax_output *output, size_t wanted,
                                 struct ax_arena *arena, struct ax_err *err)
{
    assert(classes && signature && output && wanted && arena && err);
    if (output->datatype == AX_BYTES)
        return ax_fail(err, AX_E_INVALID,
                       "output '%.*s' holds texts, which 'classification' cannot rank",
                       AX_STR_ARG(output->name));
    *classes = (struct ax_oip_classes){ .count = AX_MIN(wanted, output->width),
                                        .signature = signature,
                                        .width = output->width,
                                        .has_labels = signature->label_count == output->width };
    size_t label_bytes = 0;
    for (size_t i = 0; classes->has_labels && i < signature->label_count; i++)
        label_bytes = AX_MAX(label_bytes, signature->labels[i].len);
    size_t room = TEXT_BYTES_MAX + label_bytes;
    classes->room.cap = classes->room.max = classes->count * room;
    if (!(classes->order = ax_arena_alloc(arena, classes->width, sizeof(*classes->order))) ||
        !(classes->texts = ax_arena_alloc(arena, classes->count, sizeof(*classes->texts))) ||
        !(classes->room.ptr = ax_arena_alloc(arena, classes->count, room)))
        return ax_arena_fail(arena, "the classes", err);
    return AX_OK;
}

/* A row's elements, to compare by index. */
struct values {
    const char *at;
    enum ax_datatype datatype;
};

static const void *value_at(const struct values *values, uint32_t index)
{
    return values->at + index * ax_datatype_size(values->datatype);
}

/* As a number to compare; NaN is below all others. */
static double value_of(const struct values *values, uint32_t index)
{
    double value = ax_oip_number(values->datatype, value_at(values, index));
    return isnan(value) ? -INFINITY : value;
}

static bool is_nan(const struct values *values, uint32_t index)
{
    return isnan(ax_oip_number(values->datatype, value_at(values, index)));
}

static int compare(const void *a, const void *b, void *context)
{
    const struct values *values = context;
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    double x = value_of(values, left);
    double y = value_of(values, right);
    if (x != y)
        return x > y ? -1 : 1;
    if (is_nan(values, left) != is_nan(values, right))
        return is_nan(values, left) ? 1 : -1;
    return left < right ? -1 : 1;
}

/* Element `index` as the text behind those that are in the room. */
static struct ax_str put_class(struct ax_oip_classes *classes, const struct values *values,
                               uint32_t index)
{
    struct ax_buf *room = &classes->room;
    size_t begin = room->len;
    ax_oip_put_number(room, values->datatype, value_at(values, index));
    (void)ax_buf_append_char(room, ':');
    (void)ax_buf_append_u64(room, index);
    if (classes->has_labels) {
        (void)ax_buf_append_char(room, ':');
        (void)ax_buf_append_str(room, classes->signature->labels[index]);
    }
    assert(!room->failed);
    return (struct ax_str){ room->ptr + begin, room->len - begin };
}

const struct ax_str *ax_oip_classes_rank(struct ax_oip_classes *classes,
                                         const struct ax_column *column, size_t row)
{
    assert(classes && classes->count && column && column->width == classes->width);
    struct values values = { ax_column_at(column, row), column->datatype };
    for (size_t i = 0; i < classes->width; i++)
        classes->order[i] = (uint32_t)i;
    qsort_r(classes->order, classes->width, sizeof(*classes->order), compare, &values);
    classes->room.len = 0;
    for (size_t i = 0; i < classes->count; i++)
        classes->texts[i] = put_class(classes, &values, classes->order[i]);
    return classes->texts;
}
