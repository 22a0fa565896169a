/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a pattern, a line end, and a text. With every match replaced by itself the text is
 * as it was, and with every match replaced by nothing it is not longer; what is extracted is a part
 * of the text, and is there when something matches; the length of a replacement is the same whether
 * there is room for it or not.
 */
#include "base/regex.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct ax_regex *regex, struct ax_str text)
{
    static char out[TEXT_BYTES_MAX];
    struct ax_str part = ax_regex_extract(regex, text, 0);
    bool matches = ax_regex_matches(regex, text);
    if (part.len && (!matches || part.ptr < text.ptr || part.ptr + part.len > text.ptr + text.len))
        abort();
    if (ax_regex_matches_whole(regex, text) && !matches)
        abort();
    for (unsigned all = 0; all < 2; all++) {
        size_t len = ax_regex_replace(regex, text, AX_STR("\\0"), all, out, sizeof(out));
        if (len != text.len || (len && memcmp(out, text.ptr, len) != 0))
            abort();
        if (ax_regex_replace(regex, text, AX_STR(""), all, NULL, 0) > text.len)
            abort();
        len = ax_regex_replace(regex, text, AX_STR("<\\0\\\\>"), all, out, sizeof(out));
        if (len != ax_regex_replace(regex, text, AX_STR("<\\0\\\\>"), all, NULL, 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    if (!end || size > TEXT_BYTES_MAX)
        return 0;
    struct ax_str pattern = { (const char *)data, (size_t)(end - data) };
    struct ax_str text = { (const char *)end + 1, size - pattern.len - 1 };
    for (unsigned flags = 0; flags < 8; flags++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_regex *regex = NULL;
        struct ax_regex_options options = { flags & 1, flags >> 1 & 1, flags >> 2, false };
        if (ax_regex_new(pattern, &options, &regex, &err))
            continue;
        use(regex, text);
        ax_regex_free(regex);
    }
    return 0;
}
