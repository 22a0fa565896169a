/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of functions_string.c: what each does is said in its entry there.
 */
#ifndef AX_DATA_EXPR_STRINGS_H
#define AX_DATA_EXPR_STRINGS_H

#include "data/expr/function.h"

/* A text that ||, concat, replace or regexp_replace make has at most so many bytes, or as many as
 * the longest that it is made of; where it would have more it is null. So no definition makes
 * gigabytes of a row. */
#define AX_STRING_MADE_MAX ((size_t)65536)

/* Bytes of a pattern of like and ilike; beyond, the result is null. A match takes at most so many
 * steps for each code point of the text. */
#define AX_STRING_PATTERN_MAX ((size_t)1000)

enum ax_code ax_string_length(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_lower(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_upper(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_trim(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_ltrim(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_rtrim(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_substr(struct ax_call *call,
                              struct ax_err *err); /* with or without length */
enum ax_code ax_string_left(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_right(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_replace(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_split_part(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_concat(struct ax_call *call, struct ax_err *err); /* nulls count as '' */
enum ax_code ax_string_starts_with(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_ends_with(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_contains(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_strpos(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_like(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_ilike(struct ax_call *call, struct ax_err *err);

/* Regular expressions: the state is the compiled pattern and what else is literal. */
enum ax_code ax_string_prepare_matches(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err);
enum ax_code ax_string_prepare_extract(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err);
enum ax_code ax_string_prepare_replace(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err);
void ax_string_release(void *state);
enum ax_code ax_string_regexp_matches(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_regexp_full_match(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_regexp_extract(struct ax_call *call, struct ax_err *err);
enum ax_code ax_string_regexp_replace(struct ax_call *call, struct ax_err *err);

#endif
