/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters of Unicode: the code points of a text, and what they become in another case.
 *
 * All texts here are valid UTF-8 (ax_str_is_utf8), and nothing is read behind them. Case is changed
 * a code point at a time, by Unicode's simple mappings, which are the same everywhere: no locale,
 * and one code point for each one ("ß" becomes "ẞ" and not "SS"). Pure functions; any thread.
 */
#ifndef AX_BASE_UNICODE_H
#define AX_BASE_UNICODE_H

#include "base/str.h"

/* Bytes that one code point may take, and by how much a text may grow when its case changes. */
#define AX_UNICODE_BYTES_MAX        4
#define AX_UNICODE_CASE_GROWTH(len) ((len) + (len) / 2)

/* The first code point of a text that is not empty, which is moved behind it. */
uint32_t ax_unicode_take(struct ax_str *text);

/* Write a code point; returns its bytes, 1 to 4. */
size_t ax_unicode_put(uint32_t code_point, char ret_bytes[AX_UNICODE_BYTES_MAX]);

/* How many code points there are. */
size_t ax_unicode_count(struct ax_str text);

/* Where code point `index` begins, from 0; the length of the text when there are not as many. */
size_t ax_unicode_offset(struct ax_str text, size_t index);

uint32_t ax_unicode_lower(uint32_t code_point);
uint32_t ax_unicode_upper(uint32_t code_point);

/* A space of any width (category Zs): no tabs, no line ends. */
bool ax_unicode_is_space(uint32_t code_point);

#endif
