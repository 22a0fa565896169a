/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2 behind C: construction, one match, and nothing that decides anything.
 *
 * RE2 throws nothing itself, but its containers throw when memory is gone, and that must not pass
 * through C: each function catches everything. An RE2 object may be used by many threads; it keeps
 * the states it has met under a lock of its own, within the memory it was given, and begins anew or
 * goes on without them when that is full.
 */
#include "base/regex_re2.h"

#include <re2/re2.h>

#include <cstdio>
#include <new>

struct ax_re2 {
    re2::RE2 compiled;

    ax_re2(const re2::StringPiece &pattern, const re2::RE2::Options &options)
        : compiled(pattern, options)
    {
    }
};

static re2::RE2::Options re2_options(const struct ax_re2_options *options)
{
    re2::RE2::Options made;
    made.set_log_errors(false);
    made.set_max_mem(options->bytes_max);
    made.set_case_sensitive(!options->nocase);
    made.set_dot_nl(options->dot_newline);
    made.set_literal(options->literal);
    return made;
}

static enum ax_re2_result re2_result(const re2::RE2 &compiled, int instructions_max)
{
    if (compiled.error_code() == re2::RE2::ErrorPatternTooLarge)
        return AX_RE2_TOO_LARGE;
    if (!compiled.ok())
        return AX_RE2_MALFORMED;
    return compiled.ProgramSize() <= instructions_max ? AX_RE2_OK : AX_RE2_TOO_LARGE;
}

enum ax_re2_result ax_re2_new(const char *pattern, size_t len, const struct ax_re2_options *options,
                              struct ax_re2 **ret_re2, char *ret_text, size_t text_size)
{
    struct ax_re2 *re2 = nullptr;
    try {
        re2 = new ax_re2(re2::StringPiece(pattern, len), re2_options(options));
        enum ax_re2_result result = re2_result(re2->compiled, options->instructions_max);
        if (result == AX_RE2_OK) {
            *ret_re2 = re2;
            return result;
        }
        (void)snprintf(ret_text, text_size, "%s", re2->compiled.error().c_str());
        delete re2;
        return result;
    } catch (...) {
        delete re2;
        return AX_RE2_NO_MEMORY;
    }
}

void ax_re2_free(struct ax_re2 *re2)
{
    delete re2;
}

int ax_re2_group_count(const struct ax_re2 *re2)
{
    return re2->compiled.NumberOfCapturingGroups();
}

/* Groups 0 to 9 are all that can be asked for. */
static const size_t SPANS_MAX = 10;

bool ax_re2_match(const struct ax_re2 *re2, const char *text, size_t len, size_t start, bool whole,
                  struct ax_re2_span *spans, size_t span_count)
{
    re2::StringPiece pieces[SPANS_MAX];
    if (span_count > SPANS_MAX)
        return false;
    try {
        if (!re2->compiled.Match(re2::StringPiece(text, len), start, len,
                                 whole ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED, pieces,
                                 static_cast<int>(span_count)))
            return false;
    } catch (...) {
        return false;
    }
    for (size_t i = 0; i < span_count; i++)
        spans[i] = ax_re2_span{ pieces[i].data(), pieces[i].size() };
    return true;
}
