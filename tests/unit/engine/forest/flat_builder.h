/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of FlatBuffers messages for tests: front to back, each field of a table in eight bytes,
 * offsets filled in when what they lead to is written. Not aligned, which our reader does not ask.
 */
#ifndef AX_TESTS_UNIT_ENGINE_FOREST_FLAT_BUILDER_H
#define AX_TESTS_UNIT_ENGINE_FOREST_FLAT_BUILDER_H

#include "base/str.h"

#include <assert.h>

#define FLAT_BYTES_MAX  16384
#define FLAT_FIELD_SIZE 8

struct flat_builder {
    char bytes[FLAT_BYTES_MAX];
    size_t len;
};

static inline void flat_put(struct flat_builder *b, size_t at, uint64_t value, size_t size)
{
    assert(at + size <= sizeof(b->bytes));
    for (size_t i = 0; i < size; i++)
        b->bytes[at + i] = (char)(value >> 8 * i);
}

static inline size_t flat_add(struct flat_builder *b, uint64_t value, size_t size)
{
    size_t at = b->len;
    flat_put(b, at, value, size);
    b->len += size;
    return at;
}

/* Let the offset standing at `from` lead to what is written next. */
static inline void flat_link(struct flat_builder *b, size_t from)
{
    flat_put(b, from, b->len - from, 4);
}

/* A message with its root table still to come. */
static inline void flat_begin(struct flat_builder *b)
{
    *b = (struct flat_builder){ .len = 4 };
    flat_link(b, 0);
}

/* A table with the first `fields` fields, all set to 0. Returns where it is. */
static inline size_t flat_table(struct flat_builder *b, size_t fields)
{
    size_t size = 4 + fields * FLAT_FIELD_SIZE;
    size_t at = flat_add(b, 0, 4);
    b->len = at + size;
    size_t list = b->len;
    flat_put(b, at, (uint64_t)at - list, 4); /* how far the list of fields lies in front */
    flat_add(b, 4 + 2 * fields, 2);
    flat_add(b, size, 2);
    for (size_t i = 0; i < fields; i++)
        flat_add(b, 4 + i * FLAT_FIELD_SIZE, 2);
    return at;
}

static inline size_t flat_field_at(size_t table, size_t field)
{
    return table + 4 + field * FLAT_FIELD_SIZE;
}

static inline void flat_set(struct flat_builder *b, size_t table, size_t field, uint64_t value,
                            size_t size)
{
    flat_put(b, flat_field_at(table, field), value, size);
}

/* Say that the field is not there. */
static inline void flat_unset(struct flat_builder *b, size_t table, size_t fields, size_t field)
{
    flat_put(b, table + 4 + fields * FLAT_FIELD_SIZE + 4 + 2 * field, 0, 2);
}

static inline uint64_t flat_bits_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline uint64_t flat_bits_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* A vector of zeros for the field. Returns where its first element is. */
static inline size_t flat_vector(struct flat_builder *b, size_t table, size_t field, size_t count,
                                 size_t size)
{
    flat_link(b, flat_field_at(table, field));
    flat_add(b, count, 4);
    size_t at = b->len;
    b->len += count * size;
    assert(b->len <= sizeof(b->bytes));
    return at;
}

static inline void flat_text(struct flat_builder *b, size_t from, const char *text)
{
    flat_link(b, from);
    flat_add(b, strlen(text), 4);
    for (const char *c = text; *c; c++)
        flat_add(b, (unsigned char)*c, 1);
    flat_add(b, 0, 1);
}

#endif
