/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of LightGBM's model files: lines of `name=value`, values that are lists of numbers
 * with spaces between. Nothing here knows what a field means.
 */
#ifndef AX_ENGINE_FOREST_LIGHTGBM_TEXT_H
#define AX_ENGINE_FOREST_LIGHTGBM_TEXT_H

#include "base/err.h"
#include "base/str.h"

/* Where reading stands; ends of lines are \n or \r\n. */
struct ax_lightgbm_lines {
    const char *at;
    const char *end;
};

/* The next line without its end; false behind the last one. */
AX_MUST_USE bool ax_lightgbm_next_line(struct ax_lightgbm_lines *lines, struct ax_str *ret_line);

/* The next run of bytes other than `delimiter` in *text, which is shortened to what follows; false,
 * and an empty word, when there is none. */
bool ax_lightgbm_next_word(struct ax_str *text, char delimiter, struct ax_str *ret_word);

/* How many words there are. */
size_t ax_lightgbm_count_words(struct ax_str text);

/* Put the value of "name=value" into values[i] where names[i] is the name; a line without "=" has
 * an empty value. `place` begins messages ("Tree=3"). Expected: UNSUPPORTED (a name that is not
 * listed), INVALID (there twice). */
AX_MUST_USE enum ax_code ax_lightgbm_put_field(struct ax_str line, const char *const *names,
                                               size_t count, struct ax_str *values,
                                               const char *place, struct ax_err *err);

/* Exactly `count` integers within [min, max], or numbers other than NaN; `name` and `place` are for
 * messages. A NULL `text.ptr` is a field that is missing. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_lightgbm_integers(struct ax_str text, const char *place,
                                              const char *name, size_t count, int64_t min,
                                              int64_t max, int64_t *out, struct ax_err *err);
AX_MUST_USE enum ax_code ax_lightgbm_numbers(struct ax_str text, const char *place,
                                             const char *name, size_t count, double *out,
                                             struct ax_err *err);

#endif
