/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions over RE2, which base/regex_re2.cc makes C of.
 *
 * RE2 runs automata, so a match takes time linear in the text; the factor is the size of the
 * program that the pattern became, which is why that is bounded too (a pattern of 20 characters
 * like "(\\pL{99}){9}" may become a million instructions). Matching prefers a deterministic
 * automaton whose states are made when they are first met and kept within MEMORY_BYTES_MAX; when
 * they do not fit, the slower walk over the program gives the same answer.
 *
 * Replacing is written here, since RE2's own takes and gives std::string. It walks as
 * RE2::GlobalReplace does, whose rules are visible: an empty match directly behind the match before
 * it does not count, and one character is copied to get on.
 */
#include "base/regex.h"
#include "base/alloc.h"
#include "base/regex_re2.h"

#include <assert.h>
#include <stdlib.h>

/* A third of it is for the pattern read backwards. DuckDB's has eight times as much; what fits in
 * AX_REGEX_INSTRUCTIONS_MAX fits here. */
#define MEMORY_BYTES_MAX ((long long)1 << 20)

struct ax_regex {
    struct ax_re2 *re2;
    size_t group_count;
};

enum ax_code ax_regex_options_read(struct ax_str text, struct ax_regex_options *ret_options,
                                   struct ax_err *err)
{
    assert((text.ptr || !text.len) && ret_options);
    struct ax_regex_options options = { .nocase = false };
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case 'c':
        case 'i':
            options.nocase = text.ptr[i] == 'i';
            break;
        case 'l':
            options.literal = true;
            break;
        case 'm':
        case 'n':
        case 'p':
        case 's':
            options.dot_newline = text.ptr[i] == 's';
            break;
        case 'g':
            options.global = true;
            break;
        case ' ':
        case '\t':
        case '\n':
            break;
        default:
            return ax_fail(err, AX_E_INVALID,
                           "regex options '%.*s' are none: use letters of 'cilmnpsg'",
                           AX_STR_ARG(ax_str_cut(text, 40)));
        }
    }
    *ret_options = options;
    return AX_OK;
}

/* RE2's errors become ours here. */
static enum ax_code regex_fail(struct ax_err *err, enum ax_re2_result result, struct ax_str pattern,
                               const char *why)
{
    struct ax_str shown = ax_str_cut(pattern, 80);
    switch (result) {
    case AX_RE2_MALFORMED:
        return ax_fail(err, AX_E_INVALID, "regular expression '%.*s': %s", AX_STR_ARG(shown), why);
    case AX_RE2_TOO_LARGE:
        return ax_fail(err, AX_E_TOO_LARGE,
                       "regular expression '%.*s' takes over %d instructions: repeat less in it",
                       AX_STR_ARG(shown), AX_REGEX_INSTRUCTIONS_MAX);
    case AX_RE2_NO_MEMORY:
    case AX_RE2_OK:
        break;
    }
    return ax_fail(err, AX_E_LIMIT, "no memory for regular expression '%.*s'", AX_STR_ARG(shown));
}

enum ax_code ax_regex_new(struct ax_str pattern, const struct ax_regex_options *options,
                          struct ax_regex **ret_regex, struct ax_err *err)
{
    assert((pattern.ptr || !pattern.len) && ret_regex);
    if (pattern.len > AX_REGEX_PATTERN_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "regular expression has %zu bytes; at most %zu",
                       pattern.len, AX_REGEX_PATTERN_BYTES_MAX);
    struct ax_re2_options wanted = {
        .nocase = options && options->nocase,
        .dot_newline = options && options->dot_newline,
        .literal = options && options->literal,
        .bytes_max = MEMORY_BYTES_MAX,
        .instructions_max = AX_REGEX_INSTRUCTIONS_MAX,
    };
    char why[120] = "";
    struct ax_re2 *re2 = NULL;
    enum ax_re2_result result =
        ax_re2_new(pattern.ptr ? pattern.ptr : "", pattern.len, &wanted, &re2, why, sizeof(why));
    if (result != AX_RE2_OK)
        return regex_fail(err, result, pattern, why);
    struct ax_regex *regex = ax_xalloc(sizeof(*regex));
    regex->re2 = re2;
    regex->group_count = (size_t)ax_re2_group_count(re2);
    *ret_regex = regex;
    return AX_OK;
}

void ax_regex_free(struct ax_regex *regex)
{
    if (!regex)
        return;
    ax_re2_free(regex->re2);
    free(regex);
}

size_t ax_regex_group_count(const struct ax_regex *regex)
{
    assert(regex);
    return regex->group_count;
}

static bool regex_match(const struct ax_regex *regex, struct ax_str text, bool whole)
{
    assert(regex && (text.ptr || !text.len));
    return ax_re2_match(regex->re2, text.ptr ? text.ptr : "", text.len, 0, whole, NULL, 0);
}

bool ax_regex_matches(const struct ax_regex *regex, struct ax_str text)
{
    return regex_match(regex, text, false);
}

bool ax_regex_matches_whole(const struct ax_regex *regex, struct ax_str text)
{
    return regex_match(regex, text, true);
}

struct ax_str ax_regex_extract(const struct ax_regex *regex, struct ax_str text, size_t group)
{
    assert(regex && (text.ptr || !text.len) && group <= AX_REGEX_GROUP_MAX);
    struct ax_re2_span spans[AX_REGEX_GROUP_MAX + 1];
    if (group > regex->group_count || !text.ptr ||
        !ax_re2_match(regex->re2, text.ptr, text.len, 0, false, spans, group + 1) ||
        !spans[group].ptr)
        return AX_STR("");
    return (struct ax_str){ spans[group].ptr, spans[group].len };
}

enum ax_code ax_regex_check_rewrite(const struct ax_regex *regex, struct ax_str rewrite,
                                    struct ax_err *err)
{
    assert(regex && (rewrite.ptr || !rewrite.len));
    for (size_t i = 0; i < rewrite.len; i++) {
        if (rewrite.ptr[i] != '\\')
            continue;
        char c = ++i < rewrite.len ? rewrite.ptr[i] : '\0';
        if (c == '\\')
            continue;
        if (c < '0' || c > '9')
            return ax_fail(err, AX_E_INVALID,
                           "replacement '%.*s': a backslash is \\\\, and a group \\0 to \\9",
                           AX_STR_ARG(ax_str_cut(rewrite, 80)));
        if ((size_t)(c - '0') > regex->group_count)
            return ax_fail(err, AX_E_INVALID,
                           "replacement '%.*s': the pattern has no group %c, only %zu",
                           AX_STR_ARG(ax_str_cut(rewrite, 80)), c, regex->group_count);
    }
    return AX_OK;
}

/* The places of a match that `rewrite` needs: place 0 always, to know where the match is. */
static size_t rewrite_span_count(struct ax_str rewrite)
{
    size_t count = 1;
    for (size_t i = 0; i + 1 < rewrite.len; i++) {
        if (rewrite.ptr[i] != '\\')
            continue;
        i++;
        if (rewrite.ptr[i] != '\\')
            count = AX_MAX(count, (size_t)(rewrite.ptr[i] - '0') + 1);
    }
    return count;
}

struct regex_writer {
    char *bytes;
    size_t size;
    size_t len; /* of all that was given, also of what did not fit */
};

static void writer_put(struct regex_writer *out, const char *ptr, size_t len)
{
    if (out->len < out->size && len)
        memcpy(out->bytes + out->len, ptr, AX_MIN(len, out->size - out->len));
    out->len += len;
}

static void writer_put_rewrite(struct regex_writer *out, struct ax_str rewrite,
                               const struct ax_re2_span *spans)
{
    for (size_t i = 0; i < rewrite.len; i++) {
        if (rewrite.ptr[i] != '\\' || rewrite.ptr[++i] == '\\') {
            writer_put(out, &rewrite.ptr[i], 1);
            continue;
        }
        const struct ax_re2_span *span = &spans[rewrite.ptr[i] - '0'];
        writer_put(out, span->ptr, span->len);
    }
}

size_t ax_regex_replace(const struct ax_regex *regex, struct ax_str text, struct ax_str rewrite,
                        bool global, char *ret_text, size_t size)
{
    assert(regex && (text.ptr || !text.len) && (rewrite.ptr || !rewrite.len) &&
           (ret_text || !size));
    struct ax_re2_span spans[AX_REGEX_GROUP_MAX + 1];
    struct regex_writer out = { .bytes = ret_text, .size = size };
    size_t span_count = rewrite_span_count(rewrite);
    assert(span_count <= regex->group_count + 1 && span_count <= AX_COUNT(spans));
    const char *begin = text.ptr ? text.ptr : "";
    const char *end = begin + text.len;
    const char *at = begin;
    const char *last_end = NULL;
    while (at <= end && ax_re2_match(regex->re2, begin, text.len, (size_t)(at - begin), false,
                                     spans, span_count)) {
        writer_put(&out, at, (size_t)(spans[0].ptr - at));
        if (spans[0].ptr == last_end && spans[0].len == 0) {
            size_t step = AX_MAX(ax_str_utf8_len((struct ax_str){ at, (size_t)(end - at) }), 1);
            if (at < end)
                writer_put(&out, at, step);
            at += step;
            continue;
        }
        writer_put_rewrite(&out, rewrite, spans);
        at = spans[0].ptr + spans[0].len;
        last_end = at;
        if (!global)
            break;
    }
    if (at < end)
        writer_put(&out, at, (size_t)(end - at));
    return out.len;
}
