/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines, words and lists of numbers. Numbers are read exactly (the nearest f64), as LightGBM reads
 * thresholds and leaves; the lists that it reads less exactly (gains, counts) are not read at all.
 * Infinities are read, since LightGBM writes them as thresholds; NaN is refused.
 */
#include "engine/forest/lightgbm_text.h"

#include "base/json_number.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SHOWN_BYTES_MAX 40 /* of a file's text in a message */

bool ax_lightgbm_next_line(struct ax_lightgbm_lines *lines, struct ax_str *ret_line)
{
    assert(lines && ret_line);
    if (lines->at == lines->end)
        return false;
    size_t left = (size_t)(lines->end - lines->at);
    const char *newline = memchr(lines->at, '\n', left);
    struct ax_str line = { lines->at, newline ? (size_t)(newline - lines->at) : left };
    lines->at = newline ? newline + 1 : lines->end;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    *ret_line = line;
    return true;
}

bool ax_lightgbm_next_word(struct ax_str *text, char delimiter, struct ax_str *ret_word)
{
    assert(text && ret_word);
    *ret_word = *text;
    if (text->len == 0)
        return false; /* without an address, perhaps */
    size_t from = 0;
    while (from < text->len && text->ptr[from] == delimiter)
        from++;
    size_t end = from;
    while (end < text->len && text->ptr[end] != delimiter)
        end++;
    *ret_word = (struct ax_str){ text->ptr + from, end - from };
    *text = (struct ax_str){ text->ptr + end, text->len - end };
    return ret_word->len > 0;
}

size_t ax_lightgbm_count_words(struct ax_str text)
{
    struct ax_str word;
    size_t count = 0;
    while (ax_lightgbm_next_word(&text, ' ', &word))
        count++;
    return count;
}

enum ax_code ax_lightgbm_put_field(struct ax_str line, const char *const *names, size_t count,
                                   struct ax_str *values, const char *place, struct ax_err *err)
{
    assert(line.ptr && names && values && place && err);
    const char *equals = memchr(line.ptr, '=', line.len);
    struct ax_str name = { line.ptr, equals ? (size_t)(equals - line.ptr) : line.len };
    const char *value = equals ? equals + 1 : line.ptr + line.len;
    for (size_t i = 0; i < count; i++) {
        if (!ax_str_is(name, names[i]))
            continue;
        if (values[i].ptr)
            return ax_fail(err, AX_E_INVALID, "%s: the field '%s' is there twice", place, names[i]);
        values[i] = (struct ax_str){ value, (size_t)(line.ptr + line.len - value) };
        return AX_OK;
    }
    return ax_fail(err, AX_E_UNSUPPORTED, "%s: the field '%.*s' is not known here", place,
                   AX_STR_ARG(ax_str_cut(name, SHOWN_BYTES_MAX)));
}

static enum ax_code fail_count(const char *place, const char *name, size_t found, size_t count,
                               struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "%s: %s: %s%zu numbers, not %zu", place, name,
                   found > count ? "over " : "", found > count ? count : found, count);
}

enum ax_code ax_lightgbm_integers(struct ax_str text, const char *place, const char *name,
                                  size_t count, int64_t min, int64_t max, int64_t *out,
                                  struct ax_err *err)
{
    assert(place && name && out && err);
    if (!text.ptr)
        return ax_fail(err, AX_E_INVALID, "%s: the field '%s' is missing", place, name);
    struct ax_str word;
    size_t found = 0;
    for (; ax_lightgbm_next_word(&text, ' ', &word) && found < count; found++) {
        if (!ax_str_to_i64(word, &out[found]) || out[found] < min || out[found] > max)
            return ax_fail(err, AX_E_INVALID,
                           "%s: %s[%zu]: '%.*s' is no integer within %" PRId64 " to %" PRId64,
                           place, name, found, AX_STR_ARG(ax_str_cut(word, SHOWN_BYTES_MAX)), min,
                           max);
    }
    found += word.len > 0;
    return found == count ? AX_OK : fail_count(place, name, found, count, err);
}

static bool read_number(struct ax_str word, double *ret)
{
    if (ax_str_is(word, "inf") || ax_str_is(word, "-inf")) {
        *ret = word.ptr[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    return ax_json_number_read(word.ptr, word.ptr + word.len, ret) == word.ptr + word.len;
}

enum ax_code ax_lightgbm_numbers(struct ax_str text, const char *place, const char *name,
                                 size_t count, double *out, struct ax_err *err)
{
    assert(place && name && out && err);
    if (!text.ptr)
        return ax_fail(err, AX_E_INVALID, "%s: the field '%s' is missing", place, name);
    struct ax_str word;
    size_t found = 0;
    for (; ax_lightgbm_next_word(&text, ' ', &word) && found < count; found++) {
        if (!read_number(word, &out[found]))
            return ax_fail(err, AX_E_INVALID, "%s: %s[%zu]: '%.*s' is no number", place, name,
                           found, AX_STR_ARG(ax_str_cut(word, SHOWN_BYTES_MAX)));
    }
    found += word.len > 0;
    return found == count ? AX_OK : fail_count(place, name, found, count, err);
}
