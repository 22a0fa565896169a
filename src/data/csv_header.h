/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in the first line of a CSV file, as RFC 4180 has it: divided by ',', quoted by '"'.
 *
 * DuckDB reads the rows; the names are read here because it changes them where two differ only in
 * case, and names of inputs are compared exactly.
 */
#ifndef AX_DATA_CSV_HEADER_H
#define AX_DATA_CSV_HEADER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define AX_CSV_HEADER_BYTES_MAX ((size_t)4 << 20)

/* The names in the first record of `text`, which may go on behind it; a byte order mark is passed
 * over. Names live in the arena. Expected: INVALID (empty, not UTF-8, a name twice, a quote that
 * is not closed), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_csv_header_parse(struct ax_str text, struct ax_arena *arena,
                                             struct ax_str **ret_names, size_t *ret_count,
                                             struct ax_err *err);

#endif
