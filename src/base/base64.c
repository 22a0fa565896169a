/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By a table of the values of characters, four characters a step.
 */
#include "base/base64.h"

#include <assert.h>

#define NO_DIGIT 0xffu

static unsigned digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26u;
    if (c >= '0' && c <= '9')
        return c - '0' + 52u;
    return c == '+' ? 62u : c == '/' ? 63u : NO_DIGIT;
}

/* The table is a function of few instructions: it is asked for each character, so it is made once
 * a call, which costs nothing beside the pieces that are decoded. */
static void fill_digits(unsigned char digits[256])
{
    for (unsigned c = 0; c < 256; c++)
        digits[c] = (unsigned char)digit((unsigned char)c);
}

/* The last group, with one or two '=' at its end. */
static bool decode_padded(const unsigned char digits[256], const unsigned char *from, char *to,
                          size_t *ret_len)
{
    unsigned a = digits[from[0]], b = digits[from[1]];
    bool is_one = from[2] == '=';
    unsigned c = is_one ? 0 : digits[from[2]];
    if ((a | b | c) > 63 || (is_one ? b & 15 : c & 3))
        return false;
    to[0] = (char)(a << 2 | b >> 4);
    if (!is_one)
        to[1] = (char)(b << 4 | c >> 2);
    *ret_len = is_one ? 1 : 2;
    return true;
}

bool ax_base64_decode(struct ax_str text, bool is_last, char *to, size_t *ret_len)
{
    assert((text.ptr || !text.len) && (to || !text.len) && ret_len);
    unsigned char digits[256];
    const unsigned char *from = (const unsigned char *)text.ptr;
    if (text.len % 4)
        return false;
    bool is_padded = is_last && text.len && from[text.len - 1] == '=';
    size_t groups = text.len / 4 - is_padded;
    size_t more = 0;
    fill_digits(digits);
    for (size_t i = 0; i < groups; i++, from += 4, to += 3) {
        unsigned a = digits[from[0]], b = digits[from[1]], c = digits[from[2]], d = digits[from[3]];
        if ((a | b | c | d) > 63)
            return false;
        to[0] = (char)(a << 2 | b >> 4);
        to[1] = (char)(b << 4 | c >> 2);
        to[2] = (char)(c << 6 | d);
    }
    if (is_padded && !decode_padded(digits, from, to, &more))
        return false;
    *ret_len = groups * 3 + more;
    return true;
}

void ax_base64_put(struct ax_buf *out, struct ax_str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)bytes.ptr;
    size_t len = (bytes.len + 2) / 3 * 4;
    char *to = ax_buf_reserve(out, len);
    if (!to)
        return;
    for (size_t left = bytes.len; left; from += 3, to += 4) {
        unsigned group = (unsigned)from[0] << 16 | (left > 1 ? (unsigned)from[1] << 8 : 0) |
                         (left > 2 ? from[2] : 0u);
        to[0] = alphabet[group >> 18];
        to[1] = alphabet[group >> 12 & 63];
        to[2] = '=';
        to[3] = '=';
        if (left > 1)
            to[2] = alphabet[group >> 6 & 63];
        if (left > 2)
            to[3] = alphabet[group & 63];
        left -= AX_MIN(left, (size_t)3);
    }
    ax_buf_added(out, len);
}
