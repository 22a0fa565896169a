/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FP32 and FP64 fields are most of what models take: they are written here, by a loop for each
 * storage. All others go through the setters.
 */
#include "feature/online/online_numbers.h"

#include <assert.h>

static double number_of(enum ax_type_kind kind, const union ax_literal *value)
{
    if (kind == AX_TYPE_BOOL)
        return value->truth;
    return kind == AX_TYPE_FLOAT64 ? value->f64 : (double)value->i64;
}

struct ax_online_number ax_online_number_of(uint32_t group, const struct ax_online_layout *layout,
                                            size_t at, const struct ax_field *field)
{
    assert(layout && at < layout->field_count && field);
    const struct ax_online_field *stored = &layout->fields[at];
    struct ax_online_number number = { .group = group,
                                       .kind = stored->storage.kind,
                                       .offset = stored->offset,
                                       .mask = (uint64_t)1 << (at % 64),
                                       .word = (uint32_t)(at / 64) };
    bool is_number = !stored->type.is_list && stored->type.kind != AX_TYPE_STRING;
    if (is_number && ax_field_has_default(field)) {
        number.has_default = true;
        number.value = ax_field_default(field);
        number.number = number_of(stored->type.kind, &number.value);
    }
    return number;
}

/* ---- fields that take numbers as they are ---- */

/* `type` of `loaded`, which is of `from`; a loop of its own for each. */
#define SET_AS(type, loaded)                            \
    for (size_t r = 0; r < count; r++, to += stride) {  \
        const char *from = (const char *)parts[r];      \
        if (from && parts[r]->validity[word] & mask) {  \
            from += offset;                             \
            *(type *)(void *)to = (type)(loaded);       \
        } else if (number->has_default)                 \
            *(type *)(void *)to = (type)number->number; \
    }                                                   \
    return

#define SET_FLOATS(loaded)         \
    do {                           \
        if (is_fp32) {             \
            SET_AS(float, loaded); \
        }                          \
        SET_AS(double, loaded);    \
    } while (0)

static inline void set_floats(const struct ax_online_number *number,
                              const struct ax_online_part *const *parts, size_t count, char *to,
                              size_t stride, bool is_fp32)
{
    size_t word = number->word;
    uint64_t mask = number->mask;
    size_t offset = number->offset;
    switch (number->kind) {
    case AX_STORAGE_BOOL:
        SET_FLOATS((uint8_t)*from);
    case AX_STORAGE_INT32:
        SET_FLOATS(ax_online_load_i32(from));
    case AX_STORAGE_FLOAT32:
        SET_FLOATS(ax_online_load_f32(from));
    case AX_STORAGE_FLOAT64:
        SET_FLOATS(ax_online_load_f64(from));
    case AX_STORAGE_INT64:
    case AX_STORAGE_DURATION:
        SET_FLOATS((double)ax_online_load_i64(from));
    case AX_STORAGE_STRING:
    case AX_STORAGE_BYTES:
    case AX_STORAGE_TIMESTAMP:
    case AX_STORAGE_COUNT:
        break;
    }
    assert(!"no number");
}

/* ---- all others ---- */

static union ax_literal load(const struct ax_online_number *number,
                             const struct ax_online_part *part)
{
    const char *from = (const char *)part + number->offset;
    union ax_literal value;
    if (number->kind == AX_STORAGE_BOOL)
        value.truth = *from;
    else if (number->kind == AX_STORAGE_FLOAT32)
        value.f64 = (double)ax_online_load_f32(from);
    else if (number->kind == AX_STORAGE_FLOAT64)
        value.f64 = ax_online_load_f64(from);
    else
        value.i64 =
            number->kind == AX_STORAGE_INT32 ? ax_online_load_i32(from) : ax_online_load_i64(from);
    return value;
}

static enum ax_code set_value(const struct ax_online_number *number, const union ax_literal *value,
                              struct ax_rows *rows, size_t row, size_t input, struct ax_err *err)
{
    if (number->kind == AX_STORAGE_BOOL)
        return ax_rows_set_bool(rows, row, input, value->truth, err);
    if (number->kind == AX_STORAGE_FLOAT32 || number->kind == AX_STORAGE_FLOAT64)
        return ax_rows_set_f64(rows, row, input, value->f64, err);
    return ax_rows_set_i64(rows, row, input, value->i64, err);
}

static enum ax_code set_values(const struct ax_online_number *number,
                               const struct ax_online_part *const *parts, size_t count,
                               struct ax_rows *rows, size_t to, size_t input, struct ax_err *err)
{
    for (size_t r = 0; r < count; r++) {
        bool has = parts[r] && parts[r]->validity[number->word] & number->mask;
        union ax_literal value = has ? load(number, parts[r]) : number->value;
        if ((has || number->has_default) && set_value(number, &value, rows, to + r, input, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_online_numbers_set(const struct ax_online_number *numbers, const size_t *which,
                                   const struct ax_online_groups *groups, size_t first,
                                   size_t count, struct ax_rows *rows, size_t to,
                                   struct ax_err *err)
{
    assert(numbers && which && groups && rows && count <= rows->count - to && err);
    const struct ax_input *inputs = rows->signature->inputs;
    size_t input_count = rows->signature->input_count;
    for (size_t i = 0; i < input_count; i++) {
        const struct ax_online_number *number = &numbers[which[i]];
        const struct ax_column *column = &rows->columns[i];
        bool is_fp32 = column->datatype == AX_FP32;
        if (number->group == AX_ONLINE_NUMBER_NONE)
            continue;
        const struct ax_online_part *const *parts =
            groups->parts + number->group * groups->group_rows + first;
        if ((is_fp32 || column->datatype == AX_FP64) && !inputs[i].categories)
            set_floats(number, parts, count, ax_column_at(column, to), column->stride, is_fp32);
        else if (set_values(number, parts, count, rows, to, i, err))
            return err->code;
    }
    return AX_OK;
}
