/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of FlatBuffers: follow every field as every kind of thing, tables to a few
 * levels. All that is found is read, so that a sanitizer sees what lies outside.
 */
#include "engine/forest/flatbuffer.h"

#define FIELDS   24
#define LEVELS   4
#define ELEMENTS 64

static uint64_t sum; /* of all bytes that were handed out, so that they are read */

static void visit_bytes(struct ax_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        sum += (unsigned char)bytes.ptr[i];
}

static void visit_scalars(const struct ax_flat_table *table, unsigned field)
{
    struct ax_err err = AX_ERR_INIT;
    bool truth = false;
    uint8_t byte = 0;
    int32_t number = 0;
    double real = 0;
    if (!ax_flat_bool(table, field, false, &truth, &err) &&
        !ax_flat_u8(table, field, 0, &byte, &err) && !ax_flat_i32(table, field, 0, &number, &err) &&
        !ax_flat_f64(table, field, 0, &real, &err))
        sum += truth + byte + (unsigned)number + (real > 0);
}

/* One field as a text and as a vector; returns the table it is, or leads to at `pick`. */
static bool visit_field(const struct ax_flat_table *table, unsigned field, size_t pick,
                        struct ax_flat_table *ret)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_flat_vector vector;
    struct ax_str text;
    bool is_present = false;
    if (!ax_flat_text(table, field, &text, &err))
        visit_bytes(text);
    err = (struct ax_err)AX_ERR_INIT;
    if (!ax_flat_vector(table, field, 4, &vector, &err)) {
        for (size_t i = 0; i < AX_MIN(vector.count, ELEMENTS); i++) {
            sum += ax_flat_load_u32(vector.ptr + 4 * i);
            err = (struct ax_err)AX_ERR_INIT;
            if (!ax_flat_vector_text(&vector, i, &text, &err))
                visit_bytes(text);
        }
        err = (struct ax_err)AX_ERR_INIT;
        if (pick < vector.count && !ax_flat_vector_table(&vector, pick, ret, &err))
            return true;
    }
    err = (struct ax_err)AX_ERR_INIT;
    return !ax_flat_child(table, field, &is_present, ret, &err) && is_present;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says which way down is taken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_flat_table table;
    if (size == 0 || size > 1 << 16 ||
        ax_flat_root((struct ax_str){ (const char *)data + 1, size - 1 }, &table, &err))
        return 0;
    for (unsigned level = 0; level < LEVELS; level++) {
        struct ax_flat_table next = table;
        bool goes_on = false;
        for (unsigned field = 0; field < FIELDS; field++) {
            struct ax_flat_table found;
            sum += ax_flat_has(&table, field);
            visit_scalars(&table, field);
            if (visit_field(&table, field, data[0] >> 4, &found) &&
                (!goes_on || field % 16 == (data[0] & 15))) {
                next = found;
                goes_on = true;
            }
        }
        if (!goes_on)
            break;
        table = next;
    }
    return 0;
}
