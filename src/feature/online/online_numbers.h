/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of parts straight into a model's rows, without a column between them.
 *
 * What comes out is what ax_online_read, the field's default and ax_rows_set_values would make of
 * it, value by value.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_NUMBERS_H
#define AX_FEATURE_ONLINE_ONLINE_NUMBERS_H

#include "data/rows.h"
#include "feature/online/online_layout.h"

/* Of no group: it is not set. */
#define AX_ONLINE_NUMBER_NONE UINT32_MAX

/* A field of a layout: where it lies, and what it is where a part does not have it. */
struct ax_online_number {
    uint32_t group; /* which parts it is a field of */
    enum ax_storage_kind kind;
    uint32_t offset; /* of the value, from the part's begin */
    uint64_t mask;   /* its bit in this word of validity */
    uint32_t word;
    bool has_default;
    union ax_literal value; /* of the default, as it is stored */
    double number;          /* the same */
};

/* Of field `at` of a layout, which `field` says the default of. A text, a list or a timestamp is no
 * number and must not be set. */
struct ax_online_number ax_online_number_of(uint32_t group, const struct ax_online_layout *layout,
                                            size_t at, const struct ax_field *field);

/* Of a group, one part a row or NULL: row r is parts[group * group_rows + r]. */
struct ax_online_groups {
    const struct ax_online_part *const *parts;
    size_t group_rows;
};

/* Set fields of `count` rows from row `to` on, which are cleared, of rows from `first` on of the
 * groups: input i is numbers[which[i]]. Where there is neither a value nor a default the field is
 * left missing. Expected: INVALID (that of the setters of data/rows.h). */
AX_MUST_USE enum ax_code ax_online_numbers_set(const struct ax_online_number *numbers,
                                               const size_t *which,
                                               const struct ax_online_groups *groups, size_t first,
                                               size_t count, struct ax_rows *rows, size_t to,
                                               struct ax_err *err);

#endif
