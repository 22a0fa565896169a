/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions: RE2's syntax, in time linear in the text whatever the pattern is.
 *
 * Patterns and texts are UTF-8. What a pattern may cost is bounded when it is compiled: its length,
 * the instructions it becomes, the memory that matching may keep. A compiled expression does not
 * change as seen from outside and may be used by many threads at once; it may take memory of its
 * own, within its bound, the first times it is used. The options, groups and replacements are those
 * of DuckDB's regexp_ functions. See docs/internals/regex.md.
 */
#ifndef AX_BASE_REGEX_H
#define AX_BASE_REGEX_H

#include "base/err.h"
#include "base/str.h"

#define AX_REGEX_PATTERN_BYTES_MAX ((size_t)1000)
#define AX_REGEX_INSTRUCTIONS_MAX  10000
#define AX_REGEX_GROUP_MAX         9

struct ax_regex;

struct ax_regex_options {
    bool nocase;      /* i */
    bool dot_newline; /* s: '.' matches a line's end, too */
    bool literal;     /* l: the pattern is a text */
    bool global;      /* g: replace every match */
};

/* Read options as DuckDB writes them: letters of "cilmnpsg", the later one wins ('c' against 'i',
 * 'm', 'n', 'p' against 's'); blanks mean nothing. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_regex_options_read(struct ax_str text,
                                               struct ax_regex_options *ret_options,
                                               struct ax_err *err);

/* `options` NULL: none. `pattern` is not kept. Expected: INVALID (with RE2's words), TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_regex_new(struct ax_str pattern, const struct ax_regex_options *options,
                                      struct ax_regex **ret_regex, struct ax_err *err);
/* NULL is fine. */
void ax_regex_free(struct ax_regex *regex);

/* How many ( ) that capture it has. */
size_t ax_regex_group_count(const struct ax_regex *regex);

/* Whether any part of `text` matches, or all of it does. */
bool ax_regex_matches(const struct ax_regex *regex, struct ax_str text);
bool ax_regex_matches_whole(const struct ax_regex *regex, struct ax_str text);

/* Group `group` of the first match (0: all of it) as a part of `text`; empty when nothing matches
 * or the group took no part. `group` is at most AX_REGEX_GROUP_MAX; one that the pattern has not is
 * empty as well. */
struct ax_str ax_regex_extract(const struct ax_regex *regex, struct ax_str text, size_t group);

/* Whether `rewrite` may be a replacement: \0 to \9 stand for groups that the pattern has, \\ for a
 * backslash, and no other backslash is in it. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_regex_check_rewrite(const struct ax_regex *regex, struct ax_str rewrite,
                                                struct ax_err *err);

/* Write `text` with its first match, or all that do not overlap, replaced by `rewrite`, which was
 * checked for this expression, to `ret_text`, as far as `size` bytes reach. Returns the length that
 * the whole has. */
size_t ax_regex_replace(const struct ax_regex *regex, struct ax_str text, struct ax_str rewrite,
                        bool global, char *ret_text, size_t size);

#endif
