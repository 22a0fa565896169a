/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a FlatBuffers message that nobody has verified.
 *
 * A message is tables, vectors and texts that point at each other by offsets; which field means
 * what is the caller's knowledge. Every offset is checked when it is followed, against the bytes of
 * the message, so nothing is read outside of it. There is no pass of verification before: a reader
 * that follows a fixed schema goes only so deep, and may meet the same bytes twice, which does no
 * harm as long as it bounds how many things it visits. Views point into the message, which must
 * outlive them; nothing is allocated.
 *
 * A field that is absent has its schema's default, and so has one that the message's writer did not
 * know. A broken offset fails the message: INVALID, with its place.
 */
#ifndef AX_ENGINE_FOREST_FLATBUFFER_H
#define AX_ENGINE_FOREST_FLATBUFFER_H

#include "base/err.h"
#include "base/str.h"

/* A table: where it stands, and where its list of fields (the vtable) stands. */
struct ax_flat_table {
    struct ax_str message;
    size_t at;
    size_t fields_at;
    size_t field_count;
    size_t size; /* bytes that the table's own fields lie in, from `at` */
};

/* A vector of `count` elements of the size that was asked for; ptr NULL: absent. Not aligned. */
struct ax_flat_vector {
    struct ax_str message;
    const char *ptr;
    size_t count;
};

/* The root table. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_flat_root(struct ax_str message, struct ax_flat_table *ret,
                                      struct ax_err *err);

/* Whether the field is set. */
bool ax_flat_has(const struct ax_flat_table *table, unsigned field);

/* Fields by their number in the schema. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_flat_bool(const struct ax_flat_table *table, unsigned field,
                                      bool absent, bool *ret, struct ax_err *err);
AX_MUST_USE enum ax_code ax_flat_u8(const struct ax_flat_table *table, unsigned field,
                                    uint8_t absent, uint8_t *ret, struct ax_err *err);
AX_MUST_USE enum ax_code ax_flat_i32(const struct ax_flat_table *table, unsigned field,
                                     int32_t absent, int32_t *ret, struct ax_err *err);
AX_MUST_USE enum ax_code ax_flat_f64(const struct ax_flat_table *table, unsigned field,
                                     double absent, double *ret, struct ax_err *err);

/* A text; ptr NULL: absent. Any bytes. */
AX_MUST_USE enum ax_code ax_flat_text(const struct ax_flat_table *table, unsigned field,
                                      struct ax_str *ret, struct ax_err *err);
/* A vector of elements of `size` bytes: scalars, structs, or (4 bytes) offsets. */
AX_MUST_USE enum ax_code ax_flat_vector(const struct ax_flat_table *table, unsigned field,
                                        size_t size, struct ax_flat_vector *ret,
                                        struct ax_err *err);
/* A table; *ret_present false: absent, and *ret untouched. */
AX_MUST_USE enum ax_code ax_flat_child(const struct ax_flat_table *table, unsigned field,
                                       bool *ret_present, struct ax_flat_table *ret,
                                       struct ax_err *err);

/* Element `index` (below count) of a vector of tables or of texts. */
AX_MUST_USE enum ax_code ax_flat_vector_table(const struct ax_flat_vector *vector, size_t index,
                                              struct ax_flat_table *ret, struct ax_err *err);
AX_MUST_USE enum ax_code ax_flat_vector_text(const struct ax_flat_vector *vector, size_t index,
                                             struct ax_str *ret, struct ax_err *err);

/* Numbers that lie at `ptr` in little-endian order, aligned or not. */
static inline uint16_t ax_flat_load_u16(const char *ptr)
{
    const unsigned char *p = (const unsigned char *)ptr;
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ax_flat_load_u32(const char *ptr)
{
    return ax_flat_load_u16(ptr) | (uint32_t)ax_flat_load_u16(ptr + 2) << 16;
}

static inline uint64_t ax_flat_load_u64(const char *ptr)
{
    return ax_flat_load_u32(ptr) | (uint64_t)ax_flat_load_u32(ptr + 4) << 32;
}

static inline float ax_flat_load_f32(const char *ptr)
{
    uint32_t bits = ax_flat_load_u32(ptr);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline double ax_flat_load_f64(const char *ptr)
{
    uint64_t bits = ax_flat_load_u64(ptr);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif
