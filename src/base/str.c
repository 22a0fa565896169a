/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on borrowed text that are too long to be inline.
 */
#include "base/str.h"

#include <assert.h>

#define NEAREST_LEN_MAX 64

int ax_str_compare(struct ax_str a, struct ax_str b)
{
    size_t common = AX_MIN(a.len, b.len);
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static unsigned char ascii_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool ax_str_equals_nocase(struct ax_str a, struct ax_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

/* The length of the valid sequence that begins at `p`, or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < AX_COUNT(forms); i++) {
        if (p[0] < forms[i].first_min || p[0] > forms[i].first_max)
            continue;
        if (left < forms[i].len || p[1] < forms[i].second_min || p[1] > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

size_t ax_str_utf8_len(struct ax_str text)
{
    assert(text.ptr || !text.len);
    return text.len ? utf8_sequence((const unsigned char *)text.ptr, text.len) : 0;
}

bool ax_str_is_utf8(struct ax_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        if (text.len - i >= sizeof(word)) {
            memcpy(&word, p + i, sizeof(word));
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t len = utf8_sequence(p + i, text.len - i);
        if (!len)
            return false;
        i += len;
    }
    return true;
}

/* The character of a valid sequence. */
static uint32_t utf8_character(const unsigned char *p, size_t len)
{
    uint32_t character = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++)
        character = character << 6 | (p[i] & 0x3F);
    return character;
}

/* Unicode 14's categories Cc, Cf, Zl and Zp, but for U+200C and U+200D. */
static bool is_unseen(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        { 0x0, 0x1F },        { 0x7F, 0x9F },       { 0xAD, 0xAD },       { 0x600, 0x605 },
        { 0x61C, 0x61C },     { 0x6DD, 0x6DD },     { 0x70F, 0x70F },     { 0x890, 0x891 },
        { 0x8E2, 0x8E2 },     { 0x180E, 0x180E },   { 0x200B, 0x200B },   { 0x200E, 0x200F },
        { 0x2028, 0x202E },   { 0x2060, 0x2064 },   { 0x2066, 0x206F },   { 0xFEFF, 0xFEFF },
        { 0xFFF9, 0xFFFB },   { 0x110BD, 0x110BD }, { 0x110CD, 0x110CD }, { 0x13430, 0x13438 },
        { 0x1BCA0, 0x1BCA3 }, { 0x1D173, 0x1D17A }, { 0xE0001, 0xE0001 }, { 0xE0020, 0xE007F },
    };
    for (size_t i = 0; i < AX_COUNT(ranges); i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

bool ax_str_is_plain(struct ax_str text)
{
    assert(text.ptr || !text.len);
    const unsigned char *p = (const unsigned char *)text.ptr;
    for (size_t i = 0, len; i < text.len; i += len) {
        len = utf8_sequence(p + i, text.len - i);
        if (!len || is_unseen(utf8_character(p + i, len)))
            return false;
    }
    return true;
}

struct ax_str ax_str_cut(struct ax_str text, size_t max)
{
    if (text.len <= max)
        return text;
    size_t len = max;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return (struct ax_str){ text.ptr, len };
}

void ax_str_place(struct ax_str text, size_t at, unsigned *ret_line, unsigned *ret_column)
{
    assert(at <= text.len && ret_line && ret_column);
    *ret_line = *ret_column = 1;
    for (size_t i = 0; i < at; i++) {
        *ret_line += text.ptr[i] == '\n';
        if (text.ptr[i] == '\n')
            *ret_column = 1;
        else
            *ret_column += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
}

struct ax_str ax_str_trim(struct ax_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (struct ax_str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool ax_str_to_u64(struct ax_str text, uint64_t *ret)
{
    assert(ret);
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (AX_MUL_OVERFLOWS(value, 10u, &value) ||
            AX_ADD_OVERFLOWS(value, (uint64_t)(text.ptr[i] - '0'), &value))
            return false;
    }
    if (!text.len)
        return false;
    *ret = value;
    return true;
}

bool ax_str_to_i64(struct ax_str text, int64_t *ret)
{
    assert(ret);
    bool negative = text.len > 0 && text.ptr[0] == '-';
    struct ax_str digits = text;
    if (negative)
        digits = (struct ax_str){ text.ptr + 1, text.len - 1 };
    uint64_t size;
    if (!ax_str_to_u64(digits, &size) || size > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

static size_t edit_distance(struct ax_str a, struct ax_str b)
{
    size_t row[NEAREST_LEN_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = AX_MIN(replaced, AX_MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b.len];
}

long ax_str_nearest(struct ax_str text, const struct ax_str *names, size_t count)
{
    assert(names || !count);
    long best = -1;
    size_t best_distance = AX_MAX(text.len / 3, (size_t)2) + 1;
    if (text.len > NEAREST_LEN_MAX)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (names[i].len > NEAREST_LEN_MAX)
            continue;
        size_t distance = edit_distance(text, names[i]);
        /* Of a short one two edits leave nothing, unless they are only missing at the end. */
        if (text.len < 4 && distance > 1 && !ax_str_starts_with(names[i], text))
            continue;
        if (distance < best_distance && distance < AX_MAX(text.len, names[i].len)) {
            best = (long)i;
            best_distance = distance;
        }
    }
    return best;
}
