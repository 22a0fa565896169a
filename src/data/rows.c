/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling rows in. The layout is that of a C struct: each field at the next multiple of its size,
 * the row's length a multiple of the largest. For FP32 fields alone, or FP64 fields
 * alone, that is a dense matrix.
 *
 * Missing is NaN in FP32 and FP64 fields, and a validity bit of 0 in the others. The NaN written
 * for it has all bits set, so that rows are cleared by memset. All setters meet in a few functions
 * that each write one kind of field; there is one place that narrows, and one that checks ranges.
 */
#include "data/rows.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define BLOCK_ALIGN  64
#define UINT64_LIMIT 18446744073709551616.0 /* the first f64 beyond */

/* The smallest and largest values of the integer datatypes. */
static const struct {
    int64_t min;
    uint64_t max;
} ranges[AX_DATATYPE_COUNT] = {
    [AX_BOOL] = { 0, 1 },
    [AX_UINT8] = { 0, UINT8_MAX },
    [AX_UINT16] = { 0, UINT16_MAX },
    [AX_UINT32] = { 0, UINT32_MAX },
    [AX_UINT64] = { 0, UINT64_MAX },
    [AX_INT8] = { INT8_MIN, INT8_MAX },
    [AX_INT16] = { INT16_MIN, INT16_MAX },
    [AX_INT32] = { INT32_MIN, INT32_MAX },
    [AX_INT64] = { INT64_MIN, INT64_MAX },
};

static bool is_float(enum ax_datatype datatype)
{
    return datatype == AX_FP32 || datatype == AX_FP64;
}

/* The multiple of `align`, a power of two, that is next to `offset`. */
static size_t align_up(size_t offset, size_t align)
{
    return (offset + align - 1) & ~(align - 1);
}

/* What all fields are, which each request wants to know: asked without a branch a field. */
static void rows_survey(struct ax_rows *rows)
{
    const struct ax_input *inputs = rows->signature->inputs;
    size_t input_count = rows->signature->input_count;
    enum ax_datatype datatype = input_count > 0 ? inputs[0].datatype : AX_FP32;
    unsigned differing = 0;
    bool has_rules = false;
    uintptr_t categories = 0;
    for (size_t i = 0; i < input_count; i++) {
        differing |= (unsigned)inputs[i].datatype ^ (unsigned)datatype;
        has_rules |= inputs[i].has_default | inputs[i].required;
        categories |= (uintptr_t)inputs[i].categories;
    }
    bool is_hashed = false;
    for (size_t i = 0; categories && i < input_count && !is_hashed; i++)
        is_hashed = ax_dictionary_is_hashed(inputs[i].categories);
    rows->matrix_type = datatype;
    rows->is_matrix = input_count > 0 && is_float(datatype) && !differing && !is_hashed;
    rows->has_rules = has_rules;
}

/* The columns of a matrix. */
static void rows_lay_matrix(struct ax_rows *rows)
{
    size_t size = ax_datatype_size(rows->matrix_type);
    char *at = rows->block;
    for (size_t i = 0; i < rows->signature->input_count; i++, at += size)
        rows->columns[i] = (struct ax_column){
            .datatype = rows->matrix_type, .width = 1, .values = at, .stride = rows->row_bytes
        };
    rows->columns[0].matrix_columns = (uint32_t)rows->signature->input_count;
}

/* Find the columns' offsets, which are kept in `stride` until there is a block to point into. */
static enum ax_code rows_lay_mixed(struct ax_rows *rows, struct ax_err *err)
{
    const struct ax_input *inputs = rows->signature->inputs;
    enum ax_datatype datatype = AX_DATATYPE_COUNT;
    size_t size = 0, align = 1, align_max = 1, offset = 0;
    for (size_t i = 0; i < rows->signature->input_count; i++) {
        if (inputs[i].datatype != datatype) {
            datatype = inputs[i].datatype;
            if (datatype == AX_FP16 || datatype == AX_BF16)
                return ax_fail(err, AX_E_UNSUPPORTED, "input '%.*s' is %s, which rows cannot hold",
                               AX_STR_ARG(inputs[i].name), ax_datatype_name(datatype));
            size = ax_datatype_size(datatype);
            align = datatype == AX_BYTES ? _Alignof(struct ax_str) : size;
            align_max = AX_MAX(align_max, align);
        }
        offset = align_up(offset, align);
        rows->columns[i] = (struct ax_column){ .datatype = datatype, .width = 1, .stride = offset };
        offset += size;
    }
    rows->row_bytes = align_up(offset, align_max);
    return AX_OK;
}

/* Let the columns point into the block. */
static enum ax_code rows_place_mixed(struct ax_rows *rows, struct ax_arena *arena,
                                     struct ax_err *err)
{
    for (size_t i = 0; i < rows->signature->input_count; i++) {
        struct ax_column *column = &rows->columns[i];
        column->values = rows->block + column->stride;
        column->stride = rows->row_bytes;
        if (is_float(column->datatype))
            continue;
        column->validity =
            ax_arena_zalloc(arena, (rows->count + 63) / 64, sizeof(*column->validity));
        if (!column->validity)
            return ax_arena_fail(arena, "the rows", err);
    }
    return AX_OK;
}

/* Rows in `block`, or in a new one when that is NULL. */
static enum ax_code rows_make(struct ax_rows *rows, const struct ax_signature *signature,
                              size_t count, char *block, struct ax_arena *arena, struct ax_err *err)
{
    size_t input_count = signature->input_count;
    if (count > signature->rows_max)
        return ax_fail(err, AX_E_INVALID, "inference request batch-size must be <= %zu",
                       signature->rows_max);
    struct ax_rows fresh = { .signature = signature, .count = count, .block = block };
    rows_survey(&fresh);
    fresh.columns = ax_arena_alloc(arena, input_count, sizeof(*fresh.columns));
    if (!fresh.columns)
        return ax_arena_fail(arena, "the rows", err);
    if (fresh.is_matrix)
        fresh.row_bytes = input_count * ax_datatype_size(fresh.matrix_type);
    else if (rows_lay_mixed(&fresh, err))
        return err->code;
    if (!fresh.block)
        fresh.block = ax_arena_alloc_aligned(arena, count, fresh.row_bytes, BLOCK_ALIGN);
    if (!fresh.block)
        return ax_arena_fail(arena, "the rows", err);
    if (fresh.is_matrix)
        rows_lay_matrix(&fresh);
    else if (rows_place_mixed(&fresh, arena, err))
        return err->code;
    *rows = fresh;
    return AX_OK;
}

enum ax_code ax_rows_reserve(struct ax_rows *rows, const struct ax_signature *signature,
                             size_t count, struct ax_arena *arena, struct ax_err *err)
{
    assert(rows && signature && arena && err);
    return rows_make(rows, signature, count, NULL, arena, err);
}

bool ax_rows_can_view(const struct ax_signature *signature, enum ax_datatype datatype,
                      const void *values)
{
    assert(signature && values);
    bool is_aligned = (uintptr_t)values % ax_datatype_size(datatype) == 0;
    if (!is_float(datatype) || !is_aligned || signature->input_count == 0)
        return false;
    for (size_t i = 0; i < signature->input_count; i++) {
        const struct ax_input *input = &signature->inputs[i];
        if (input->datatype != datatype || input->has_default ||
            ax_dictionary_is_hashed(input->categories))
            return false;
    }
    return true;
}

enum ax_code ax_rows_view(struct ax_rows *rows, const struct ax_signature *signature, size_t count,
                          const void *values, struct ax_arena *arena, struct ax_err *err)
{
    assert(rows && signature && values && arena && err);
    assert(ax_rows_can_view(signature, signature->inputs[0].datatype, values));
    /* Nothing of what may be called for these rows writes into them. */
    if (rows_make(rows, signature, count, (char *)(uintptr_t)values, arena, err))
        return err->code;
    rows->takes_codes = true;
    return AX_OK;
}

void ax_rows_clear(struct ax_rows *rows, size_t from, size_t to)
{
    assert(rows && from <= to && to <= rows->count);
    if (from < to)
        memset(rows->block + from * rows->row_bytes, 0xff, (to - from) * rows->row_bytes);
    if (rows->is_matrix)
        return;
    for (size_t i = 0; i < rows->signature->input_count; i++)
        for (size_t row = from; rows->columns[i].validity && row < to; row++)
            rows->columns[i].validity[row / 64] &= ~((uint64_t)1 << (row % 64));
}

enum ax_code ax_rows_init(struct ax_rows *rows, const struct ax_signature *signature, size_t count,
                          struct ax_arena *arena, struct ax_err *err)
{
    if (ax_rows_reserve(rows, signature, count, arena, err))
        return err->code;
    ax_rows_clear(rows, 0, count);
    return AX_OK;
}

/* The column of a field that is about to be set. */
static struct ax_column *rows_column(struct ax_rows *rows, size_t row, size_t input)
{
    assert(rows && row < rows->count && input < rows->signature->input_count);
    return &rows->columns[input];
}

static void mark_valid(struct ax_column *column, size_t row)
{
    if (column->validity)
        column->validity[row / 64] |= (uint64_t)1 << (row % 64);
}

/* "input 'carrier', row 3" in front of the cause. */
static enum ax_code fail_at(const struct ax_rows *rows, size_t row, size_t input,
                            struct ax_err *err)
{
    struct ax_str name =
        ax_str_cut(rows->signature->inputs[input].name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s', row %zu", AX_STR_ARG(name), rows->first_number + row);
}

/* What a field wants, for messages. */
static const char *wanted(const struct ax_input *input)
{
    if (ax_dictionary_is_hashed(input->categories))
        return "a category, as text or as a whole number,";
    if (input->categories)
        return "a category's name";
    if (input->datatype == AX_BYTES)
        return "a text";
    if (input->datatype == AX_BOOL)
        return "true or false";
    return is_float(input->datatype) ? "a number" : "a whole number";
}

static enum ax_code fail_type(const struct ax_rows *rows, size_t row, size_t input,
                              const char *found, struct ax_err *err)
{
    const struct ax_input *in = &rows->signature->inputs[input];
    (void)ax_fail(err, AX_E_INVALID, "found %s where %s is wanted", found, wanted(in));
    return fail_at(rows, row, input, err);
}

static enum ax_code fail_range(const struct ax_rows *rows, size_t row, size_t input,
                               struct ax_err *err)
{
    enum ax_datatype datatype = rows->columns[input].datatype;
    (void)ax_fail(err, AX_E_INVALID, "the number does not fit %s (%lld to %llu)",
                  ax_datatype_name(datatype), (long long)ranges[datatype].min,
                  (unsigned long long)ranges[datatype].max);
    return fail_at(rows, row, input, err);
}

static void write_float(struct ax_column *column, size_t row, double value)
{
    if (column->datatype == AX_FP32)
        *(float *)ax_column_at(column, row) = (float)value;
    else
        *(double *)ax_column_at(column, row) = value;
}

/* The low bytes of a two's complement number are the number in a narrower type. */
static void write_bits(struct ax_column *column, size_t row, uint64_t bits)
{
    void *at = ax_column_at(column, row);
    switch (ax_datatype_size(column->datatype)) {
    case 1:
        *(uint8_t *)at = (uint8_t)bits;
        break;
    case 2:
        *(uint16_t *)at = (uint16_t)bits;
        break;
    case 4:
        *(uint32_t *)at = (uint32_t)bits;
        break;
    default:
        *(uint64_t *)at = bits;
        break;
    }
    mark_valid(column, row);
}

/* A category's index as the engine reads it, whatever the field's datatype. */
static void write_category(struct ax_column *column, size_t row, long index)
{
    if (is_float(column->datatype))
        write_float(column, row, (double)index);
    else
        write_bits(column, row, (uint64_t)index);
}

static enum ax_code set_category(struct ax_rows *rows, size_t row, size_t input,
                                 struct ax_str value, struct ax_err *err)
{
    const struct ax_dictionary *categories = rows->signature->inputs[input].categories;
    long index = ax_dictionary_index(categories, value);
    if (index >= 0) {
        write_category(&rows->columns[input], row, index);
        return AX_OK;
    }
    if (rows->signature->unknown_category_is_missing) {
        ax_rows_set_missing(rows, row, input);
        return AX_OK;
    }
    struct ax_str shown = ax_str_cut(value, AX_SIGNATURE_SHOWN_BYTES_MAX);
    long near = ax_dictionary_nearest(categories, value);
    if (near >= 0)
        (void)ax_fail(err, AX_E_INVALID, "unknown category '%.*s'; nearest is '%.*s'",
                      AX_STR_ARG(shown), AX_STR_ARG(categories->names[near]));
    else
        (void)ax_fail(err, AX_E_INVALID, "unknown category '%.*s'", AX_STR_ARG(shown));
    return fail_at(rows, row, input, err);
}

/* A category, given as a whole number. */
static enum ax_code name_integer(struct ax_rows *rows, size_t row, size_t input, const char *sign,
                                 uint64_t magnitude, struct ax_err *err)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%s%" PRIu64, sign, magnitude);
    assert(len > 0 && (size_t)len < sizeof(text));
    return set_category(rows, row, input, (struct ax_str){ text, (size_t)len }, err);
}

/* A category, given as any number. The library takes no fraction for one by hash. */
static enum ax_code name_number(struct ax_rows *rows, size_t row, size_t input, double value,
                                struct ax_err *err)
{
    if (isnan(value)) {
        ax_rows_set_missing(rows, row, input);
        return AX_OK;
    }
    bool is_integer = value >= (double)INT64_MIN && value < UINT64_LIMIT;
    if (is_integer && value == trunc(value))
        return value < 0 ? name_integer(rows, row, input, "-", -(uint64_t)(int64_t)value, err)
                         : name_integer(rows, row, input, "", (uint64_t)value, err);
    if (ax_dictionary_is_hashed(rows->signature->inputs[input].categories))
        return fail_type(
            rows, row, input,
            is_integer ? "a number with a fraction" : "a number that is no 64-bit integer", err);
    char text[AX_CATEGORY_NUMBER_BYTES];
    ax_category_print(value, text);
    return set_category(rows, row, input, ax_str_from(text), err);
}

enum ax_code ax_rows_set_i64(struct ax_rows *rows, size_t row, size_t input, int64_t value,
                             struct ax_err *err)
{
    struct ax_column *column = rows_column(rows, row, input);
    assert(err);
    if (ax_rows_names_by_number(rows, input))
        return value < 0 ? name_integer(rows, row, input, "-", -(uint64_t)value, err)
                         : name_integer(rows, row, input, "", (uint64_t)value, err);
    if (column->datatype == AX_BYTES)
        return fail_type(rows, row, input, "a number", err);
    if (is_float(column->datatype)) {
        write_float(column, row, (double)value);
        return AX_OK;
    }
    if (value < ranges[column->datatype].min ||
        (value > 0 && (uint64_t)value > ranges[column->datatype].max))
        return fail_range(rows, row, input, err);
    write_bits(column, row, (uint64_t)value);
    return AX_OK;
}

enum ax_code ax_rows_set_u64(struct ax_rows *rows, size_t row, size_t input, uint64_t value,
                             struct ax_err *err)
{
    struct ax_column *column = rows_column(rows, row, input);
    assert(err);
    if (ax_rows_names_by_number(rows, input))
        return name_integer(rows, row, input, "", value, err);
    if (column->datatype == AX_BYTES)
        return fail_type(rows, row, input, "a number", err);
    if (is_float(column->datatype)) {
        write_float(column, row, (double)value);
        return AX_OK;
    }
    if (value > ranges[column->datatype].max)
        return fail_range(rows, row, input, err);
    write_bits(column, row, value);
    return AX_OK;
}

enum ax_code ax_rows_set_f64(struct ax_rows *rows, size_t row, size_t input, double value,
                             struct ax_err *err)
{
    struct ax_column *column = rows_column(rows, row, input);
    assert(err);
    if (ax_rows_names_by_number(rows, input))
        return name_number(rows, row, input, value, err);
    if (AX_LIKELY(is_float(column->datatype))) {
        write_float(column, row, value);
        return AX_OK;
    }
    if (column->datatype == AX_BYTES)
        return fail_type(rows, row, input, "a number", err);
    if (!(value >= (double)INT64_MIN && value < UINT64_LIMIT))
        return isnan(value) ? fail_type(rows, row, input, "NaN", err)
                            : fail_range(rows, row, input, err);
    if (value != trunc(value))
        return fail_type(rows, row, input, "a number with a fraction", err);
    return value < 0 ? ax_rows_set_i64(rows, row, input, (int64_t)value, err)
                     : ax_rows_set_u64(rows, row, input, (uint64_t)value, err);
}

enum ax_code ax_rows_set_bool(struct ax_rows *rows, size_t row, size_t input, bool value,
                              struct ax_err *err)
{
    struct ax_column *column = rows_column(rows, row, input);
    assert(err);
    if (rows->signature->inputs[input].categories)
        return fail_type(rows, row, input, value ? "true" : "false", err);
    if (is_float(column->datatype))
        write_float(column, row, value);
    else if (column->datatype == AX_BOOL)
        write_bits(column, row, value);
    else
        return fail_type(rows, row, input, value ? "true" : "false", err);
    return AX_OK;
}

enum ax_code ax_rows_set_str(struct ax_rows *rows, size_t row, size_t input, struct ax_str value,
                             struct ax_err *err)
{
    struct ax_column *column = rows_column(rows, row, input);
    assert(err && (value.ptr || !value.len));
    if (rows->signature->inputs[input].categories)
        return set_category(rows, row, input, value, err);
    if (column->datatype != AX_BYTES) {
        (void)ax_fail(err, AX_E_INVALID, "found the text '%.*s' where %s is wanted",
                      AX_STR_ARG(ax_str_cut(value, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                      wanted(&rows->signature->inputs[input]));
        return fail_at(rows, row, input, err);
    }
    *(struct ax_str *)ax_column_at(column, row) = value;
    mark_valid(column, row);
    return AX_OK;
}

void ax_rows_set_missing(struct ax_rows *rows, size_t row, size_t input)
{
    struct ax_column *column = rows_column(rows, row, input);
    memset(ax_column_at(column, row), 0xff, ax_datatype_size(column->datatype));
    if (column->validity)
        column->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
}

static bool is_missing(const struct ax_column *column, size_t row)
{
    if (column->datatype == AX_FP32)
        return isnan(*(const float *)ax_column_at(column, row));
    if (column->datatype == AX_FP64)
        return isnan(*(const double *)ax_column_at(column, row));
    return !ax_column_is_valid(column, row);
}

static enum ax_code finish_column(struct ax_rows *rows, size_t input, size_t from, size_t to,
                                  struct ax_err *err)
{
    const struct ax_input *in = &rows->signature->inputs[input];
    for (size_t row = from; row < to; row++) {
        if (!is_missing(&rows->columns[input], row))
            continue;
        enum ax_code code = AX_OK;
        if (in->has_default && in->datatype == AX_BYTES)
            code = ax_rows_set_str(rows, row, input, in->default_text, err);
        else if (in->has_default && in->categories)
            write_category(&rows->columns[input], row, (long)in->default_number);
        else if (in->has_default)
            code = ax_rows_set_f64(rows, row, input, in->default_number, err);
        else
            code = fail_type(rows, row, input, "no value", err);
        if (code)
            return code;
    }
    return AX_OK;
}

enum ax_code ax_rows_finish(struct ax_rows *rows, size_t from, size_t to, struct ax_err *err)
{
    assert(rows && err && from <= to && to <= rows->count);
    for (size_t i = 0; rows->has_rules && i < rows->signature->input_count; i++) {
        const struct ax_input *in = &rows->signature->inputs[i];
        if ((in->has_default || in->required) && finish_column(rows, i, from, to, err))
            return err->code;
    }
    return AX_OK;
}
