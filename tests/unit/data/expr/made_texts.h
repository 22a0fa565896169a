/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions that make a text of the column s, so many times 'A', and how long it may get (-1:
 * null), natively and in DuckDB.
 */
#ifndef AX_TESTS_UNIT_DATA_EXPR_MADE_TEXTS_H
#define AX_TESTS_UNIT_DATA_EXPR_MADE_TEXTS_H

#include <stddef.h>
#include <stdint.h>

struct made_text {
    const char *text;
    size_t bytes;
    int64_t length;
};

#define AX_MADE_TEXTS                                                                            \
    { "s || s", 32768, 65536 }, { "s || s", 32769, -1 }, { "s || ''", 200000, 200000 },          \
        { "'' || s", 200000, 200000 }, { "s || 'b'", 200000, -1 },                               \
        { "concat(s, s)", 32768, 65536 }, { "concat(s, null, s, 'b')", 32768, -1 },              \
        { "concat('', s, null)", 200000, 200000 }, { "concat(s, 'b')", 65536, -1 },              \
        { "replace(s, 'A', 'bb')", 32768, 65536 }, { "replace(s, 'A', 'bb')", 32769, -1 },       \
        { "replace(s, 'A', 'b')", 200000, 200000 }, { "replace(s, 'AA', 'bbb')", 43690, 65535 }, \
        { "replace(s, 'AA', 'bbb')", 43692, -1 }, { "replace(s, 'AAA', '')", 200000, 2 },        \
        { "replace(s, '', 'b')", 200000, 200000 }, { "replace(s, 'B', 'bbb')", 200000, 200000 }, \
        { "replace(s, s, s)", 200000, 200000 }, { "replace('x', 'x', s)", 200000, 200000 },      \
        { "replace('xx', 'x', s)", 200000, -1 },                                                 \
        { "regexp_replace(s, 'A', 'bb', 'g')", 32768, 65536 },                                   \
        { "regexp_replace(s, 'A', 'bb', 'g')", 32769, -1 },                                      \
        { "regexp_replace(s, '^A', 'bb')", 200000, -1 },                                         \
        { "regexp_replace(s, 'AA', '\\0', 'g')", 200000, 200000 },                               \
        { "regexp_replace(s, 'A+', '', 'g')", 200000, 0 },                                       \
        { "replace(replace(s, 'A', s), 'A', s)", 600, -1 }

#endif
