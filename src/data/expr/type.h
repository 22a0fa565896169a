/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of the expression language, and the types in which values are stored.
 *
 * Expressions compute with few types; what is stored may be narrower. A stored value is widened
 * when it is read and narrowed when it becomes a feature, so training and serving see the same
 * narrowed value. There is one implicit conversion: int64 to float64. Timestamps are microseconds
 * since 1970 in UTC, durations are microseconds. A list holds scalars of one type, and nulls.
 */
#ifndef AX_DATA_EXPR_TYPE_H
#define AX_DATA_EXPR_TYPE_H

#include "base/str.h"

#define AX_TYPE_LIST(X)       \
    X(BOOL, "bool")           \
    X(INT64, "int64")         \
    X(FLOAT64, "float64")     \
    X(STRING, "string")       \
    X(TIMESTAMP, "timestamp") \
    X(DURATION, "duration")

enum ax_type_kind {
#define X(name, text) AX_TYPE_##name,
    AX_TYPE_LIST(X)
#undef X
        AX_TYPE_COUNT
};

struct ax_type {
    enum ax_type_kind kind; /* of a list: of its elements */
    bool is_list;
};

static inline bool ax_type_equals(struct ax_type a, struct ax_type b)
{
    return a.kind == b.kind && a.is_list == b.is_list;
}

/* "int64", "list<int64>". */
const char *ax_type_name(struct ax_type type) AX_RETURNS_NONNULL;
AX_MUST_USE bool ax_type_from_name(struct ax_str name, struct ax_type *ret);

/* Stored types: name, the type that expressions see, bytes a value (of string and bytes: what is
 * expected, for estimates). A bytes value can be passed on, but not computed with: expressions that
 * do more than name the column are refused. */
#define AX_STORAGE_LIST(X)                  \
    X(BOOL, "bool", BOOL, 1)                \
    X(INT32, "int32", INT64, 4)             \
    X(INT64, "int64", INT64, 8)             \
    X(FLOAT32, "float32", FLOAT64, 4)       \
    X(FLOAT64, "float64", FLOAT64, 8)       \
    X(STRING, "string", STRING, 24)         \
    X(BYTES, "bytes", STRING, 24)           \
    X(TIMESTAMP, "timestamp", TIMESTAMP, 8) \
    X(DURATION, "duration", DURATION, 8)

enum ax_storage_kind {
#define X(name, text, type, bytes) AX_STORAGE_##name,
    AX_STORAGE_LIST(X)
#undef X
        AX_STORAGE_COUNT
};

struct ax_storage {
    enum ax_storage_kind kind;
    bool is_list;
};

const char *ax_storage_name(struct ax_storage storage) AX_RETURNS_NONNULL;
AX_MUST_USE bool ax_storage_from_name(struct ax_str name, struct ax_storage *ret);

/* The type that expressions see; and the storage that a type has when nothing else is said. */
struct ax_type ax_storage_type(struct ax_storage storage);
struct ax_storage ax_type_storage(struct ax_type type);

/* Bytes a value; of a list: of 8 elements. An estimate for string, bytes and lists. */
size_t ax_storage_bytes(struct ax_storage storage);

#endif
