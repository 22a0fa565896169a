/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON's numbers from text, exactly: the parts that json_reader.h is made of.
 *
 * The result is the double nearest to the text, half to even, as strtod gives it in the C locale,
 * for any length and any exponent. Nothing allocates. Plain numbers only: no NaN, no Infinity.
 */
#ifndef AX_BASE_JSON_NUMBER_H
#define AX_BASE_JSON_NUMBER_H

#include "base/str.h"

/* Where the number that begins at `at` ends, or NULL when none begins there. */
const char *ax_json_number_skip(const char *at, const char *end) AX_MUST_USE;

/* The same, and its value; also NULL when it is too large for a double. */
const char *ax_json_number_read(const char *at, const char *end, double *ret) AX_MUST_USE;

/* The whole of `text` as an integer, also when it is written as 1e3 or 2.0 (up to 2^53 then);
 * false when it is none or does not fit. */
AX_MUST_USE bool ax_json_number_i64(struct ax_str text, int64_t *ret);
AX_MUST_USE bool ax_json_number_u64(struct ax_str text, uint64_t *ret);

#endif
