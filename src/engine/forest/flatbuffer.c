/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary form of FlatBuffers, as its documentation of internals has it.
 *
 * A message begins with the offset of its root table. A table begins with the distance back to its
 * vtable: two 16-bit lengths (of the vtable itself, of the table) and then one 16-bit place in the
 * table for each field, 0 where the field is absent. Scalars lie in the table; texts, vectors and
 * other tables are reached by a 32-bit distance forwards, counted from where it stands. A vector,
 * and a text, begins with its 32-bit count. All numbers are little-endian.
 *
 * Alignment is not asked for, since everything is loaded byte by byte; the format's own verifier
 * asks. Unions, and files with an identifier, are not needed here and not known.
 */
#include "engine/forest/flatbuffer.h"

#include <assert.h>

static enum ax_code flat_broken(size_t at, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "an offset at byte %zu leads out of the message", at);
}

static bool has_bytes(struct ax_str message, size_t at, size_t count)
{
    return at <= message.len && message.len - at >= count;
}

/* The place that the offset standing at `at` leads to. */
static enum ax_code flat_follow(struct ax_str message, size_t at, size_t *ret, struct ax_err *err)
{
    if (!has_bytes(message, at, 4))
        return flat_broken(at, err);
    size_t distance = ax_flat_load_u32(message.ptr + at);
    if (distance == 0 || !has_bytes(message, at, distance))
        return flat_broken(at, err);
    *ret = at + distance;
    return AX_OK;
}

static enum ax_code flat_table_at(struct ax_str message, size_t at, struct ax_flat_table *ret,
                                  struct ax_err *err)
{
    if (!has_bytes(message, at, 4))
        return flat_broken(at, err);
    int64_t fields_at = (int64_t)at - (int32_t)ax_flat_load_u32(message.ptr + at);
    if (fields_at < 0 || !has_bytes(message, (size_t)fields_at, 4))
        return flat_broken(at, err);
    const char *fields = message.ptr + fields_at;
    size_t fields_size = ax_flat_load_u16(fields);
    size_t size = ax_flat_load_u16(fields + 2);
    if (fields_size < 4 || fields_size % 2 || size < 4 ||
        !has_bytes(message, (size_t)fields_at, fields_size) || !has_bytes(message, at, size))
        return flat_broken(at, err);
    *ret = (struct ax_flat_table){ .message = message,
                                   .at = at,
                                   .fields_at = (size_t)fields_at + 4,
                                   .field_count = fields_size / 2 - 2,
                                   .size = size };
    return AX_OK;
}

enum ax_code ax_flat_root(struct ax_str message, struct ax_flat_table *ret, struct ax_err *err)
{
    assert((message.ptr || !message.len) && ret && err);
    size_t at;
    if (flat_follow(message, 0, &at, err))
        return err->code;
    return flat_table_at(message, at, ret, err);
}

bool ax_flat_has(const struct ax_flat_table *table, unsigned field)
{
    assert(table);
    const char *fields = table->message.ptr + table->fields_at;
    return field < table->field_count && ax_flat_load_u16(fields + 2 * (size_t)field) != 0;
}

/* Where a field of `size` bytes lies in the message; 0: absent. */
static enum ax_code flat_field(const struct ax_flat_table *table, unsigned field, size_t size,
                               size_t *ret, struct ax_err *err)
{
    assert(table && err);
    *ret = 0;
    if (field >= table->field_count)
        return AX_OK;
    const char *fields = table->message.ptr + table->fields_at;
    size_t place = ax_flat_load_u16(fields + 2 * (size_t)field);
    if (place == 0)
        return AX_OK;
    if (place < 4 || place > table->size || table->size - place < size)
        return flat_broken(table->fields_at + 2 * (size_t)field, err);
    *ret = table->at + place;
    return AX_OK;
}

enum ax_code ax_flat_u8(const struct ax_flat_table *table, unsigned field, uint8_t absent,
                        uint8_t *ret, struct ax_err *err)
{
    size_t at;
    if (flat_field(table, field, 1, &at, err))
        return err->code;
    *ret = at ? (uint8_t)table->message.ptr[at] : absent;
    return AX_OK;
}

enum ax_code ax_flat_bool(const struct ax_flat_table *table, unsigned field, bool absent, bool *ret,
                          struct ax_err *err)
{
    uint8_t byte = absent;
    if (ax_flat_u8(table, field, absent, &byte, err))
        return err->code;
    *ret = byte != 0;
    return AX_OK;
}

enum ax_code ax_flat_i32(const struct ax_flat_table *table, unsigned field, int32_t absent,
                         int32_t *ret, struct ax_err *err)
{
    size_t at;
    if (flat_field(table, field, 4, &at, err))
        return err->code;
    *ret = at ? (int32_t)ax_flat_load_u32(table->message.ptr + at) : absent;
    return AX_OK;
}

enum ax_code ax_flat_f64(const struct ax_flat_table *table, unsigned field, double absent,
                         double *ret, struct ax_err *err)
{
    size_t at;
    if (flat_field(table, field, 8, &at, err))
        return err->code;
    *ret = at ? ax_flat_load_f64(table->message.ptr + at) : absent;
    return AX_OK;
}

/* The vector that the offset standing at `at` leads to. */
static enum ax_code flat_vector_at(struct ax_str message, size_t at, size_t size,
                                   struct ax_flat_vector *ret, struct ax_err *err)
{
    size_t begin;
    if (flat_follow(message, at, &begin, err))
        return err->code;
    if (!has_bytes(message, begin, 4))
        return flat_broken(at, err);
    size_t count = ax_flat_load_u32(message.ptr + begin);
    if (count > (message.len - begin - 4) / size)
        return ax_fail(err, AX_E_INVALID,
                       "the %zu elements announced at byte %zu are not there: the file is cut off "
                       "or damaged",
                       count, begin);
    *ret = (struct ax_flat_vector){ message, message.ptr + begin + 4, count };
    return AX_OK;
}

enum ax_code ax_flat_vector(const struct ax_flat_table *table, unsigned field, size_t size,
                            struct ax_flat_vector *ret, struct ax_err *err)
{
    assert(size && ret);
    size_t at;
    if (flat_field(table, field, 4, &at, err))
        return err->code;
    if (at)
        return flat_vector_at(table->message, at, size, ret, err);
    *ret = (struct ax_flat_vector){ .message = table->message };
    return AX_OK;
}

enum ax_code ax_flat_text(const struct ax_flat_table *table, unsigned field, struct ax_str *ret,
                          struct ax_err *err)
{
    struct ax_flat_vector bytes;
    if (ax_flat_vector(table, field, 1, &bytes, err))
        return err->code;
    *ret = (struct ax_str){ bytes.ptr, bytes.count };
    return AX_OK;
}

enum ax_code ax_flat_child(const struct ax_flat_table *table, unsigned field, bool *ret_present,
                           struct ax_flat_table *ret, struct ax_err *err)
{
    assert(ret_present && ret);
    size_t at;
    size_t child = 0;
    if (flat_field(table, field, 4, &at, err))
        return err->code;
    if (at && (flat_follow(table->message, at, &child, err) ||
               flat_table_at(table->message, child, ret, err)))
        return err->code;
    *ret_present = at != 0;
    return AX_OK;
}

/* Where element `index` of a vector of offsets stands. */
static size_t flat_element(const struct ax_flat_vector *vector, size_t index)
{
    assert(vector && index < vector->count);
    return (size_t)(vector->ptr - vector->message.ptr) + 4 * index;
}

enum ax_code ax_flat_vector_table(const struct ax_flat_vector *vector, size_t index,
                                  struct ax_flat_table *ret, struct ax_err *err)
{
    size_t at;
    if (flat_follow(vector->message, flat_element(vector, index), &at, err))
        return err->code;
    return flat_table_at(vector->message, at, ret, err);
}

enum ax_code ax_flat_vector_text(const struct ax_flat_vector *vector, size_t index,
                                 struct ax_str *ret, struct ax_err *err)
{
    struct ax_flat_vector bytes;
    if (flat_vector_at(vector->message, flat_element(vector, index), 1, &bytes, err))
        return err->code;
    *ret = (struct ax_str){ bytes.ptr, bytes.count };
    return AX_OK;
}
