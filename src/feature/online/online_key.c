/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of batches. A single key is where the column has it already: a text, or 8 bytes of a number
 * on a machine whose numbers are little-endian, which is all that auspex is built for. Others are
 * measured first, and then written to one piece of the arena.
 */
#include "feature/online/online_key.h"

#include "feature/online/online_row.h"

#include <assert.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "keys are borrowed from columns");

/* A value's own bytes. */
static struct ax_str value_bytes(const struct ax_values *values, size_t row)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return (struct ax_str){ (const char *)&values->bools[row], 1 };
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
        return (struct ax_str){ (const char *)&values->i64s[row], sizeof(values->i64s[row]) };
    case AX_TYPE_STRING:
        return (struct ax_str){ values->texts[row].ptr ? values->texts[row].ptr : "",
                                values->texts[row].len };
    case AX_TYPE_FLOAT64:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"a type that is no key's");
    return (struct ax_str){ 0 };
}

static size_t length_bytes(const struct ax_values *values)
{
    return values->type.kind == AX_TYPE_STRING ? sizeof(uint32_t) : 0;
}

/* 0 for a null: no key of several values is so short. */
static size_t joined_length(const struct ax_entity *entity, const struct ax_values *const *columns,
                            size_t row)
{
    size_t len = 0;
    for (size_t i = 0; i < entity->key_count; i++) {
        if (ax_values_is_null(columns[i], row))
            return 0;
        len += length_bytes(columns[i]) + value_bytes(columns[i], row).len;
    }
    return len;
}

static char *join(const struct ax_entity *entity, const struct ax_values *const *columns,
                  size_t row, char *to)
{
    for (size_t i = 0; i < entity->key_count; i++) {
        struct ax_str bytes = value_bytes(columns[i], row);
        uint32_t len = (uint32_t)bytes.len;
        memcpy(to, &len, length_bytes(columns[i]));
        to += length_bytes(columns[i]);
        memcpy(to, bytes.ptr, bytes.len);
        to += bytes.len;
    }
    return to;
}

static enum ax_code make_joined(const struct ax_entity *entity,
                                const struct ax_values *const *columns, size_t rows,
                                struct ax_arena *arena, struct ax_str *ret_keys, struct ax_err *err)
{
    size_t total = 0;
    for (size_t row = 0; row < rows; row++)
        total += joined_length(entity, columns, row);
    char *to = ax_arena_alloc(arena, total, 1);
    if (!to)
        return ax_arena_fail(arena, "the keys of a batch", err);
    for (size_t row = 0; row < rows; row++) {
        size_t len = joined_length(entity, columns, row);
        ret_keys[row] = (struct ax_str){ len ? to : NULL, len };
        if (len)
            to = join(entity, columns, row, to);
    }
    return AX_OK;
}

enum ax_code ax_online_keys_make(const struct ax_entity *entity,
                                 const struct ax_values *const *columns, size_t rows,
                                 struct ax_arena *arena, struct ax_str *ret_keys,
                                 struct ax_err *err)
{
    assert(entity && entity->key_count && columns && arena && ret_keys && err);
    if (entity->key_count > 1)
        return make_joined(entity, columns, rows, arena, ret_keys, err);
    for (size_t row = 0; row < rows; row++) {
        ret_keys[row] = (struct ax_str){ 0 };
        if (!ax_values_is_null(columns[0], row))
            ret_keys[row] = value_bytes(columns[0], row);
    }
    return AX_OK;
}

enum ax_code ax_online_keys_check(const struct ax_entity *entity, const struct ax_str *keys,
                                  size_t from, size_t rows, struct ax_err *err)
{
    assert(entity && (keys || !rows) && err);
    for (size_t row = 0; row < rows; row++) {
        if (keys[row].len > AX_ONLINE_KEY_BYTES_MAX)
            return ax_fail(err, AX_E_TOO_LARGE,
                           "the key of entity '%.*s' in row %zu has %zu bytes; at most %zu",
                           AX_STR_ARG(entity->name), from + row, keys[row].len,
                           AX_ONLINE_KEY_BYTES_MAX);
    }
    return AX_OK;
}
