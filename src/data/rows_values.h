/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column of computed values (data/expr/values.h) into rows that are being filled in.
 */
#ifndef AX_DATA_ROWS_VALUES_H
#define AX_DATA_ROWS_VALUES_H

#include "data/expr/values.h"
#include "data/rows.h"

/* Set a field of rows, from row `to` on, as the setters of data/rows.h do: of rows [first, first +
 * count) of `values`, which are of one word of validity. A null leaves the field missing, as it is
 * in rows that were cleared. A timestamp or a list is no field; a duration is its microseconds.
 * Texts for a BYTES field are copied to the arena. Expected: those of the setters, TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_rows_set_values(struct ax_rows *rows, size_t to, size_t input,
                                            const struct ax_values *values, size_t first,
                                            size_t count, struct ax_arena *arena,
                                            struct ax_err *err);

#endif
