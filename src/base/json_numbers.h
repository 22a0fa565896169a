/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long arrays of JSON's numbers, 64 bytes at a time.
 *
 * Both stop early: whoever calls them goes on one by one behind what they have done.
 */
#ifndef AX_BASE_JSON_NUMBERS_H
#define AX_BASE_JSON_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* Pass over numbers that are divided by commas and nothing else, from the begin of one on. Returns
 * the place behind the last comma that was reached, which is `at` when none was, and how many
 * numbers stand before it: each of them as ax_json_number_skip would have it. It stops early, in
 * front of what it does not know as well as near the end. */
const char *ax_json_numbers_skip(const char *at, const char *end, size_t *ret_count);

/* Read whole numbers that are divided by commas and nothing else, `count` of them at most, of an
 * array whose grammar was checked. Returns how many, and the place behind the last one's comma. */
size_t ax_json_numbers_read_i32(const char *at, const char *end, int32_t *values, size_t count,
                                const char **ret_behind);

#endif
