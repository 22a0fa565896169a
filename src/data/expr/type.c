/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the types' names and sizes, made from the lists of the header.
 */
#include "data/expr/type.h"

#include <assert.h>

#define BYTES_OF_LIST_ELEMENTS 8

static const struct ax_str type_names[2][AX_TYPE_COUNT] = {
    {
#define X(name, text) [AX_TYPE_##name] = { (text), sizeof(text) - 1 },
        AX_TYPE_LIST(X)
#undef X
    },
    {
#define X(name, text) [AX_TYPE_##name] = { "list<" text ">", sizeof("list<" text ">") - 1 },
        AX_TYPE_LIST(X)
#undef X
    },
};

static const struct ax_str storage_names[2][AX_STORAGE_COUNT] = {
    {
#define X(name, text, type, bytes) [AX_STORAGE_##name] = { (text), sizeof(text) - 1 },
        AX_STORAGE_LIST(X)
#undef X
    },
    {
#define X(name, text, type, bytes) \
    [AX_STORAGE_##name] = { "list<" text ">", sizeof("list<" text ">") - 1 },
        AX_STORAGE_LIST(X)
#undef X
    },
};

static const enum ax_type_kind storage_types[AX_STORAGE_COUNT] = {
#define X(name, text, type, bytes) [AX_STORAGE_##name] = AX_TYPE_##type,
    AX_STORAGE_LIST(X)
#undef X
};

static const size_t storage_bytes[AX_STORAGE_COUNT] = {
#define X(name, text, type, bytes) [AX_STORAGE_##name] = (bytes),
    AX_STORAGE_LIST(X)
#undef X
};

/* Where `name` stands in one of the tables above; false when it does not. */
static bool find_name(const struct ax_str *names, size_t count, struct ax_str name, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (ax_str_equals(names[i], name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

const char *ax_type_name(struct ax_type type)
{
    assert(type.kind < AX_TYPE_COUNT);
    return type_names[type.is_list][type.kind].ptr;
}

bool ax_type_from_name(struct ax_str name, struct ax_type *ret)
{
    assert(ret);
    size_t at = 0;
    for (unsigned is_list = 0; is_list < 2; is_list++) {
        if (find_name(type_names[is_list], AX_TYPE_COUNT, name, &at)) {
            *ret = (struct ax_type){ (enum ax_type_kind)at, is_list };
            return true;
        }
    }
    return false;
}

const char *ax_storage_name(struct ax_storage storage)
{
    assert(storage.kind < AX_STORAGE_COUNT);
    return storage_names[storage.is_list][storage.kind].ptr;
}

bool ax_storage_from_name(struct ax_str name, struct ax_storage *ret)
{
    assert(ret);
    size_t at = 0;
    for (unsigned is_list = 0; is_list < 2; is_list++) {
        if (find_name(storage_names[is_list], AX_STORAGE_COUNT, name, &at)) {
            *ret = (struct ax_storage){ (enum ax_storage_kind)at, is_list };
            return true;
        }
    }
    return false;
}

struct ax_type ax_storage_type(struct ax_storage storage)
{
    assert(storage.kind < AX_STORAGE_COUNT);
    return (struct ax_type){ storage_types[storage.kind], storage.is_list };
}

struct ax_storage ax_type_storage(struct ax_type type)
{
    static const enum ax_storage_kind kinds[AX_TYPE_COUNT] = {
        [AX_TYPE_BOOL] = AX_STORAGE_BOOL,           [AX_TYPE_INT64] = AX_STORAGE_INT64,
        [AX_TYPE_FLOAT64] = AX_STORAGE_FLOAT64,     [AX_TYPE_STRING] = AX_STORAGE_STRING,
        [AX_TYPE_TIMESTAMP] = AX_STORAGE_TIMESTAMP, [AX_TYPE_DURATION] = AX_STORAGE_DURATION,
    };
    assert(type.kind < AX_TYPE_COUNT);
    return (struct ax_storage){ kinds[type.kind], type.is_list };
}

size_t ax_storage_bytes(struct ax_storage storage)
{
    assert(storage.kind < AX_STORAGE_COUNT);
    size_t bytes = storage_bytes[storage.kind];
    return storage.is_list ? bytes * BYTES_OF_LIST_ELEMENTS : bytes;
}
