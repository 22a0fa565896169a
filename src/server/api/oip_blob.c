/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements of a blob into rows.
 *
 * Three ways, by cost: what has the form of the rows' own matrix is copied in one go; floats go
 * from number to number into a float column; everything else goes through the setters of
 * data/rows.h, which check. A blob begins at any address, so elements are read by memcpy.
 */
#include "server/api/oip_blob.h"

#include <assert.h>
#include <math.h>

#define LENGTH_BYTES 4 /* in front of a BYTES element */

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs lie in memory as they are sent");

size_t ax_blob_element_size(enum ax_datatype datatype)
{
    return datatype == AX_BYTES ? 0 : ax_datatype_size(datatype);
}

static bool is_float(enum ax_datatype datatype)
{
    return datatype == AX_FP16 || datatype == AX_BF16 || datatype == AX_FP32 || datatype == AX_FP64;
}

/* IEEE 754 binary16: every value is one of binary32 and binary64, too. */
static double fp16_widen(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023;
    double value = 0;
    if (exponent == 31)
        value = fraction > 0 ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -value : value;
}

/* The upper half of a binary32. */
static double bf16_widen(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof(value));
    return (double)value;
}

static double blob_float(enum ax_datatype datatype, const char *at)
{
    uint16_t half;
    float single;
    double value;
    switch ((int)datatype) {
    case AX_FP16:
        memcpy(&half, at, sizeof(half));
        return fp16_widen(half);
    case AX_BF16:
        memcpy(&half, at, sizeof(half));
        return bf16_widen(half);
    case AX_FP32:
        memcpy(&single, at, sizeof(single));
        return (double)single;
    default:
        memcpy(&value, at, sizeof(value));
        return value;
    }
}

static uint64_t blob_bits(const char *at, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, at, size);
    return bits;
}

/* The number in the low `size` bytes, whose sign is at their top. */
static int64_t sign_extend(uint64_t bits, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (int64_t)(bits << shift) >> shift;
}

/* "input 'carrier', element 7" in front of the cause. */
static enum ax_code blob_context(const struct ax_blob *blob, const struct ax_rows *rows,
                                 struct ax_err *err)
{
    size_t column = blob->column + blob->element % blob->width;
    struct ax_str name =
        ax_str_cut(rows->signature->inputs[column].name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s', element %zu", AX_STR_ARG(name), blob->element);
}

/* One element of fixed size into one field. */
static enum ax_code blob_put(const struct ax_blob *blob, struct ax_rows *rows, size_t row,
                             size_t column, struct ax_err *err)
{
    const char *at = blob->bytes.ptr + blob->at;
    enum ax_datatype datatype = blob->datatype;
    if (is_float(datatype))
        return ax_rows_set_f64(rows, row, column, blob_float(datatype, at), err);
    size_t size = ax_datatype_size(datatype);
    uint64_t bits = blob_bits(at, size);
    if (datatype == AX_BOOL && bits > 1) {
        (void)ax_fail(err, AX_E_INVALID, "a BOOL is a byte 0 or 1, found %u", (unsigned)bits);
        return blob_context(blob, rows, err);
    }
    if (datatype == AX_BOOL)
        return ax_rows_set_bool(rows, row, column, bits, err);
    if (datatype >= AX_INT8 && datatype <= AX_INT64)
        return ax_rows_set_i64(rows, row, column, sign_extend(bits, size), err);
    return ax_rows_set_u64(rows, row, column, bits, err);
}

/* The text of the next element, which is then behind us. */
static enum ax_code blob_take_text(struct ax_blob *blob, struct ax_str *ret_text,
                                   struct ax_err *err)
{
    size_t left = blob->bytes.len - blob->at;
    if (left < LENGTH_BYTES)
        return ax_fail(err, AX_E_INVALID, "a text's length takes %d bytes, only %zu are left",
                       LENGTH_BYTES, left);
    uint64_t len = blob_bits(blob->bytes.ptr + blob->at, LENGTH_BYTES);
    if (len > left - LENGTH_BYTES)
        return ax_fail(err, AX_E_INVALID, "the text has %llu bytes, only %zu are left",
                       (unsigned long long)len, left - LENGTH_BYTES);
    *ret_text = (struct ax_str){ blob->bytes.ptr + blob->at + LENGTH_BYTES, (size_t)len };
    blob->at += LENGTH_BYTES + (size_t)len;
    return AX_OK;
}

static enum ax_code blob_read_texts(struct ax_blob *blob, struct ax_rows *rows, size_t count,
                                    struct ax_err *err)
{
    for (size_t end = blob->element + count; blob->element < end; blob->element++) {
        struct ax_str text;
        if (blob_take_text(blob, &text, err))
            return blob_context(blob, rows, err);
        if (ax_rows_set_str(rows, blob->element / blob->width,
                            blob->column + blob->element % blob->width, text, err))
            return err->code;
    }
    return AX_OK;
}

/* Floats for one column of floats. */
static void blob_read_floats(struct ax_blob *blob, const struct ax_column *column, size_t count)
{
    size_t size = ax_datatype_size(blob->datatype);
    const char *at = blob->bytes.ptr + blob->at;
    char *to = ax_column_at(column, blob->element);
    for (size_t i = 0; i < count; i++, at += size, to += column->stride) {
        double value = blob_float(blob->datatype, at);
        if (column->datatype == AX_FP32)
            *(float *)(void *)to = (float)value;
        else
            *(double *)(void *)to = value;
    }
    blob->at += count * size;
    blob->element += count;
}

enum ax_code ax_blob_read(struct ax_blob *blob, struct ax_rows *rows, size_t count,
                          struct ax_err *err)
{
    assert(blob && rows && err && (blob->width > 0 || count == 0));
    size_t size = ax_blob_element_size(blob->datatype);
    if (size == 0)
        return blob_read_texts(blob, rows, count, err);
    assert(count <= (blob->bytes.len - blob->at) / size);
    bool is_whole = blob->width == rows->signature->input_count;
    bool is_name = blob->width == 1 && ax_rows_names_by_number(rows, blob->column);
    if (rows->is_matrix && is_whole && !is_name && blob->datatype == rows->matrix_type) {
        memcpy(rows->block + blob->element * size, blob->bytes.ptr + blob->at, count * size);
        blob->at += count * size;
        blob->element += count;
        return AX_OK;
    }
    const struct ax_column *column = &rows->columns[blob->column];
    if (blob->width == 1 && !is_name && is_float(blob->datatype) && is_float(column->datatype)) {
        blob_read_floats(blob, column, count);
        return AX_OK;
    }
    for (size_t end = blob->element + count; blob->element < end; blob->element++) {
        if (blob_put(blob, rows, blob->element / blob->width,
                     blob->column + blob->element % blob->width, err))
            return err->code;
        blob->at += size;
    }
    return AX_OK;
}
