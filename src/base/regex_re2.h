/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few functions of RE2 that base/regex.c needs, as C: for that file alone. Everything of C++
 * stays behind them; what is thrown there becomes a result.
 */
#ifndef AX_BASE_REGEX_RE2_H
#define AX_BASE_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ax_re2;

struct ax_re2_options {
    bool nocase, dot_newline, literal;
    long long bytes_max; /* of the compiled form and of what matching remembers */
    int instructions_max;
};

enum ax_re2_result {
    AX_RE2_OK,
    AX_RE2_MALFORMED, /* the text says why */
    AX_RE2_TOO_LARGE, /* over bytes_max or instructions_max */
    AX_RE2_NO_MEMORY,
};

enum ax_re2_result ax_re2_new(const char *pattern, size_t len, const struct ax_re2_options *options,
                              struct ax_re2 **ret_re2, char *ret_text, size_t text_size);
void ax_re2_free(struct ax_re2 *re2);

int ax_re2_group_count(const struct ax_re2 *re2);

/* A part of the text; ptr NULL: a group that took no part in the match. */
struct ax_re2_span {
    const char *ptr;
    size_t len;
};

/* Look for the first match that begins at `start` or behind it. `spans` may have no place at all,
 * which is fastest; place 0 is the whole match. False: none, or no memory to look. */
bool ax_re2_match(const struct ax_re2 *re2, const char *text, size_t len, size_t start, bool whole,
                  struct ax_re2_span *spans, size_t span_count);

#ifdef __cplusplus
}
#endif

#endif
