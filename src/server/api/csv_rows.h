/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading CSV with a line of names into cells, as RFC 4180 and pandas' to_csv have it.
 *
 * Fields are divided by ',', may be quoted by '"' and then hold anything; lines end in LF, CRLF or
 * CR; empty lines and a byte order mark are passed over. Values have no types of their own: what a
 * field means is decided by the input it is for (data/cells.h). An empty field is a missing value.
 * Reading stops between two fields when the budget is spent.
 */
#ifndef AX_SERVER_API_CSV_ROWS_H
#define AX_SERVER_API_CSV_ROWS_H

#include "data/cells.h"

struct ax_csv_rows {
    struct ax_str text; /* borrowed, as long as the cells */
    struct ax_cells *cells;
    size_t at;     /* next byte */
    size_t line;   /* it is in, from 1 */
    size_t column; /* of the next field */
    bool in_line;  /* behind the first field of a record */
    bool has_names;
};

/* Begin with a body; nothing is read yet. The cells are empty. */
void ax_csv_rows_init(struct ax_csv_rows *csv, struct ax_str text, struct ax_cells *cells);

/* Read on for about `byte_budget` bytes, and add to *cost what was read; when *ret_done is set the
 * cells are complete. Expected: INVALID (with the line), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_csv_rows_read(struct ax_csv_rows *csv, size_t byte_budget, size_t *cost,
                                          bool *ret_done, struct ax_err *err);

#endif
