/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations as people write them: a whole number and a unit. A day is 86,400 seconds here; months
 * and years have no length and are no units.
 */
#include "data/expr/expr.h"

#include <assert.h>

#define SHOWN_BYTES_MAX 32

static const struct {
    struct ax_str name;
    int64_t us;
} duration_units[] = {
    { { "us", 2 }, 1 },
    { { "ms", 2 }, 1000 },
    { { "s", 1 }, 1000000 },
    { { "m", 1 }, INT64_C(60) * 1000000 },
    { { "h", 1 }, INT64_C(3600) * 1000000 },
    { { "d", 1 }, INT64_C(86400) * 1000000 },
};

static bool find_unit(struct ax_str name, int64_t *ret_us)
{
    for (size_t i = 0; i < AX_COUNT(duration_units); i++) {
        if (ax_str_equals(duration_units[i].name, name)) {
            *ret_us = duration_units[i].us;
            return true;
        }
    }
    return false;
}

enum ax_code ax_duration_parse(struct ax_str text, int64_t *ret_us, struct ax_err *err)
{
    assert(ret_us && err);
    size_t digits = text.len && text.ptr[0] == '-';
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int64_t count = 0;
    int64_t unit_us = 0;
    if (!find_unit((struct ax_str){ text.ptr + digits, text.len - digits }, &unit_us) ||
        !ax_str_to_i64((struct ax_str){ text.ptr, digits }, &count) ||
        AX_MUL_OVERFLOWS(count, unit_us, &count))
        return ax_fail(err, AX_E_INVALID,
                       "'%.*s' is no duration; write a whole number and a unit (us, ms, s, m, h, "
                       "d) like 90s, 15m or 7d",
                       AX_STR_ARG(ax_str_cut(text, SHOWN_BYTES_MAX)));
    *ret_us = count;
    return AX_OK;
}
