/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code points by arithmetic; case and category by utf8proc's tables (Unicode 15), which is what
 * DuckDB has inside, too.
 *
 * ASCII goes past the tables. Texts are valid, so a first byte says how many follow.
 */
#include "base/unicode.h"

#include <assert.h>
#include <utf8proc.h>

uint32_t ax_unicode_take(struct ax_str *text)
{
    assert(text && text->len);
    const unsigned char *bytes = (const unsigned char *)text->ptr;
    size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    assert(len <= text->len);
    uint32_t code_point = len == 1 ? bytes[0] : bytes[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++)
        code_point = code_point << 6 | (bytes[i] & 0x3Fu);
    text->ptr += len;
    text->len -= len;
    return code_point;
}

size_t ax_unicode_put(uint32_t code_point, char ret_bytes[AX_UNICODE_BYTES_MAX])
{
    assert(code_point < 0x110000 && ret_bytes);
    if (code_point < 0x80) {
        ret_bytes[0] = (char)code_point;
        return 1;
    }
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code_point >>= 6)
        ret_bytes[i] = (char)(0x80 | (code_point & 0x3F));
    ret_bytes[0] = (char)((0xF00u >> len & 0xFF) | code_point);
    return len;
}

static bool is_first(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t ax_unicode_count(struct ax_str text)
{
    assert(text.ptr || !text.len);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += is_first(text.ptr[i]);
    return count;
}

size_t ax_unicode_offset(struct ax_str text, size_t index)
{
    assert(text.ptr || !text.len);
    for (size_t i = 0; i < text.len; i++)
        if (is_first(text.ptr[i]) && index-- == 0)
            return i;
    return text.len;
}

uint32_t ax_unicode_lower(uint32_t code_point)
{
    if (code_point < 0x80)
        return code_point >= 'A' && code_point <= 'Z' ? code_point | 0x20 : code_point;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
}

uint32_t ax_unicode_upper(uint32_t code_point)
{
    if (code_point < 0x80)
        return code_point >= 'a' && code_point <= 'z' ? code_point & ~0x20u : code_point;
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)code_point);
}

bool ax_unicode_is_space(uint32_t code_point)
{
    if (code_point < 0x80)
        return code_point == ' ';
    return utf8proc_category((utf8proc_int32_t)code_point) == UTF8PROC_CATEGORY_ZS;
}
