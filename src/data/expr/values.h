/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column of computed values: dense, typed, with validity bits.
 *
 * What expressions read and write. It owns nothing: arrays, texts and list elements live in the
 * arena of whoever made them, or are borrowed from a file's column. A float64 is never NaN here:
 * NaN is turned into null where a value enters (ax_values_take_nan), and no function makes one.
 */
#ifndef AX_DATA_EXPR_VALUES_H
#define AX_DATA_EXPR_VALUES_H

#include "base/arena.h"
#include "base/err.h"
#include "data/expr/type.h"

/* A list's elements: [from, from + count) of the items. */
struct ax_span {
    uint32_t from;
    uint32_t count;
};

struct ax_values {
    struct ax_type type;
    size_t rows;
    union {
        void *data;
        uint8_t *bools;        /* 0 or 1 */
        int64_t *i64s;         /* INT64, TIMESTAMP, DURATION */
        double *f64s;          /* not NaN; -0 only where a source's own -0 passes through */
        struct ax_str *texts;  /* valid UTF-8; borrowed */
        struct ax_span *spans; /* of a list */
    };
    struct ax_values *items; /* of a list: all elements, as a column; else NULL */
    uint64_t *validity;      /* bit r % 64 of word r / 64 is 1: present; NULL: all are */
};

/* Rows that a call evaluates at once, at most. */
#define AX_VALUES_ROWS_MAX 2048

/* Elements of a list, at most; checked where lists enter. */
#define AX_VALUES_ELEMENTS_MAX 65536

static inline bool ax_values_is_null(const struct ax_values *values, size_t row)
{
    return values->validity && !(values->validity[row / 64] >> (row % 64) & 1);
}

/* Bytes of one value in `data`. */
size_t ax_type_size(struct ax_type type);

/* Room for `rows` values of `type` from the arena, validity bits all set. Not filled; items of a
 * list are the caller's to make. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_values_init(struct ax_values *values, struct ax_type type, size_t rows,
                                        struct ax_arena *arena, struct ax_err *err);

/* Make a row null; the values have validity bits (as ax_values_init makes them). Its value becomes
 * 0, the empty text or the empty list, so that kernels may read it. */
void ax_values_set_null(struct ax_values *values, size_t row);

/* Row `at` becomes row `row` of values of the same type, null too. A list's span is copied, and
 * not what it is of. */
static inline void ax_values_put(struct ax_values *to, size_t at, const struct ax_values *from,
                                 size_t row)
{
    size_t size = ax_type_size(to->type);
    if (ax_values_is_null(from, row))
        ax_values_set_null(to, at);
    else
        memcpy((char *)to->data + at * size, (const char *)from->data + row * size, size);
}

/* A view of rows [from, from + count). Where these begin within a word of validity, its bits are
 * copied to the arena. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_values_slice(const struct ax_values *values, size_t from, size_t count,
                                         struct ax_arena *arena, struct ax_values *ret_slice,
                                         struct ax_err *err);

/* Narrow values to what is stored, and widen them again: what does not fit becomes null. Only a
 * narrower storage makes another column, in the arena. The type is the storage's. Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_values_narrow(struct ax_values *values, struct ax_storage storage,
                                          struct ax_arena *arena, struct ax_err *err);

/* The first row that is null in `after` and was not in `before`; SIZE_MAX: there is none. */
size_t ax_values_first_lost(const struct ax_values *before, const struct ax_values *after);

/* Turn every NaN into null, and -0 into 0; for float64 columns that enter. */
void ax_values_take_nan(struct ax_values *values);

#endif
