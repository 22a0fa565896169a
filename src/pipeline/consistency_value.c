/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bits of numbers of floating point, taken as whole numbers that grow with them, tell how many
 * numbers lie between two.
 */
#include "pipeline/consistency_value.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static int64_t place_f64(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits < 0 ? INT64_MIN - bits : bits;
}

static int64_t place_f32(double value)
{
    float narrow = (float)value;
    int32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    return bits < 0 ? (int64_t)INT32_MIN - bits : bits;
}

static bool are_neighbours(double a, double b, enum ax_storage_kind kind)
{
    int64_t x = kind == AX_STORAGE_FLOAT32 ? place_f32(a) : place_f64(a);
    int64_t y = kind == AX_STORAGE_FLOAT32 ? place_f32(b) : place_f64(b);
    int64_t apart;
    return !__builtin_sub_overflow(x, y, &apart) && apart >= -1 && apart <= 1;
}

static bool scalars_are_equal(const struct ax_sql_column *a, size_t x,
                              const struct ax_sql_column *b, size_t y, enum ax_storage_kind kind)
{
    assert(a->type == b->type);
    switch (a->type) {
    case AX_SQL_BOOL:
        return a->bools[x] == b->bools[y];
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        return a->i64s[x] == b->i64s[y];
    case AX_SQL_F64:
        return are_neighbours(a->f64s[x], b->f64s[y], kind);
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
        return ax_str_equals(a->texts[x], b->texts[y]);
    case AX_SQL_LIST:
        break;
    }
    assert(!"no scalar");
    return false;
}

static bool lists_are_equal(const struct ax_sql_column *a, const struct ax_sql_column *b,
                            size_t row, enum ax_storage_kind kind)
{
    struct ax_sql_list x = a->lists[row];
    struct ax_sql_list y = b->lists[row];
    if (x.len != y.len)
        return false;
    for (uint64_t i = 0; i < x.len; i++) {
        bool is_null = ax_sql_is_null(a->items, x.offset + i);
        if (is_null != ax_sql_is_null(b->items, y.offset + i) ||
            (!is_null && !scalars_are_equal(a->items, x.offset + i, b->items, y.offset + i, kind)))
            return false;
    }
    return true;
}

enum ax_consistency_outcome ax_consistency_compare(const struct ax_sql_column *served,
                                                   const struct ax_sql_column *known, size_t row,
                                                   struct ax_storage storage)
{
    assert(served && known);
    bool is_served = !ax_sql_is_null(served, row);
    bool is_known = !ax_sql_is_null(known, row);
    if (!is_served || !is_known)
        return is_served  ? AX_CONSISTENCY_EXTRA
               : is_known ? AX_CONSISTENCY_MISSING
                          : AX_CONSISTENCY_EQUAL;
    bool is_equal = storage.is_list ? lists_are_equal(served, known, row, storage.kind)
                                    : scalars_are_equal(served, row, known, row, storage.kind);
    return is_equal ? AX_CONSISTENCY_EQUAL : AX_CONSISTENCY_DIFFERING;
}

double ax_consistency_smape(const struct ax_sql_column *served, const struct ax_sql_column *known,
                            size_t row)
{
    assert(served && known);
    if (ax_sql_is_null(served, row) || ax_sql_is_null(known, row) ||
        (served->type != AX_SQL_I64 && served->type != AX_SQL_F64))
        return -1;
    bool is_whole = served->type == AX_SQL_I64;
    double a = is_whole ? (double)served->i64s[row] : served->f64s[row];
    double b = is_whole ? (double)known->i64s[row] : known->f64s[row];
    if (a == b)
        return 0;
    double term = fabs(a - b) / (fabs(a) / 2 + fabs(b) / 2);
    return isfinite(term) ? term : 2; /* one is infinite */
}
