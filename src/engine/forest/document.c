/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of values: growing it while a file is read, and reading numbers out of it.
 *
 * Values lie in one array in the order they were met, parents before children, linked by distances
 * rather than pointers so that the array may move while it grows. Sixty-four bytes a value and at
 * most AX_DOCUMENT_VALUES_MAX of them bound the memory that a hostile file can ask for; an honest
 * one needs about twenty values a tree, since the arrays that hold the nodes are one value each.
 *
 * f32 from JSON is rounded once: by way of f64 a decimal text that lies next to the middle between
 * two floats would be rounded twice and could end on the other side. So the nearest f64 is narrowed
 * only where it is not that middle, and all else is left to strtof, which is slow. The process
 * never leaves the C locale, and a number inside an array or a map is always followed by another
 * character, so strtof stops inside the file.
 */
#include "engine/forest/document.h"

#include "base/alloc.h"
#include "base/json_number.h"
#include "base/json_numbers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define DOCUMENT_TEXT_BYTES_MAX ((size_t)256 << 20)
#define MEMBERS_FEW             ((size_t)32) /* up to here comparing all with all is fastest */
#define SHOWN_BYTES_MAX         64

enum ax_code ax_document_init(struct ax_document *document, struct ax_str bytes, struct ax_err *err)
{
    assert(document && (bytes.ptr || bytes.len == 0) && err);
    *document = (struct ax_document){ 0 };
    ax_arena_init(&document->arena, 4096, DOCUMENT_TEXT_BYTES_MAX);
    /* XGBoost tells them apart by the same byte: a JSON key begins with a quotation mark. */
    bool is_json = bytes.len < 2 || bytes.ptr[0] != '{' || strchr("\"} \t\r\n", bytes.ptr[1]);
    enum ax_code code = is_json ? ax_document_read_json(document, bytes, err)
                                : ax_document_read_ubjson(document, bytes, err);
    if (code != AX_OK)
        ax_document_done(document);
    return code;
}

void ax_document_done(struct ax_document *document)
{
    if (!document)
        return;
    free(document->values);
    ax_arena_done(&document->arena);
    *document = (struct ax_document){ 0 };
}

static enum ax_code document_grow(struct ax_document *document, struct ax_err *err)
{
    if (document->count == AX_DOCUMENT_VALUES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu values", AX_DOCUMENT_VALUES_MAX);
    size_t capacity = document->capacity ? document->capacity * 2 : 256;
    struct ax_value *values = ax_try_alloc(capacity, sizeof(*values));
    if (!values)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu values", capacity);
    if (document->count)
        memcpy(values, document->values, document->count * sizeof(*values));
    free(document->values);
    document->values = values;
    document->capacity = capacity;
    return AX_OK;
}

enum ax_code ax_document_add(struct ax_document *document, struct ax_document_path *path,
                             enum ax_value_kind kind, struct ax_str key,
                             struct ax_value **ret_value, struct ax_err *err)
{
    assert(document && path && ret_value && err);
    if (ax_value_is_container(kind) && path->depth == AX_DOCUMENT_DEPTH_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "nested deeper than %d", AX_DOCUMENT_DEPTH_MAX);
    if (document->count == document->capacity && document_grow(document, err))
        return err->code;

    uint32_t at = (uint32_t)document->count++;
    struct ax_value *value = &document->values[at];
    *value = (struct ax_value){ .kind = kind, .key = key };
    if (path->depth) {
        uint32_t parent_at = path->open[path->depth - 1].value;
        uint32_t last = path->open[path->depth - 1].last;
        struct ax_value *parent = &document->values[parent_at];
        if (last)
            document->values[last].sibling = at - last;
        else
            parent->child = at - parent_at;
        if (parent->kind == AX_VALUE_NUMBERS)
            parent->kind = parent->count ? AX_VALUE_MIXED : AX_VALUE_LIST;
        parent->count++;
        path->open[path->depth - 1].last = at;
    }
    if (ax_value_is_container(kind)) {
        path->open[path->depth].value = at;
        path->open[path->depth].last = 0;
        path->depth++;
    }
    *ret_value = value;
    return AX_OK;
}

bool ax_document_add_number(struct ax_document *document, struct ax_document_path *path)
{
    assert(document && path);
    if (!path->depth)
        return false;
    struct ax_value *parent = &document->values[path->open[path->depth - 1].value];
    if (parent->kind == AX_VALUE_MAP)
        return false;
    if (parent->kind == AX_VALUE_LIST)
        parent->kind = AX_VALUE_MIXED;
    parent->count++;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return ax_str_compare(*(const struct ax_str *)a, *(const struct ax_str *)b);
}

/* A name that two members of a map of few have, or NULL. */
static const struct ax_str *find_twice(const struct ax_value *map)
{
    for (const struct ax_value *v = ax_value_first(map); v; v = ax_value_next(v)) {
        for (const struct ax_value *w = ax_value_next(v); w; w = ax_value_next(w)) {
            if (ax_str_equals(v->key, w->key))
                return &w->key;
        }
    }
    return NULL;
}

/* XGBoost takes the last of two members from JSON and the first of two from UBJSON, so a file that
 * has two does not say what it means. */
static enum ax_code check_members(const struct ax_value *map, struct ax_err *err)
{
    const struct ax_str *twice = NULL;
    struct ax_str *keys = NULL;
    if (map->count <= MEMBERS_FEW) {
        twice = find_twice(map);
    } else {
        size_t count = 0;
        keys = ax_try_alloc(map->count, sizeof(*keys));
        if (!keys)
            return ax_fail(err, AX_E_LIMIT, "no memory for %zu names", map->count);
        for (const struct ax_value *v = ax_value_first(map); v; v = ax_value_next(v))
            keys[count++] = v->key;
        qsort(keys, count, sizeof(*keys), compare_keys);
        for (size_t i = 1; i < count && !twice; i++)
            twice = ax_str_equals(keys[i - 1], keys[i]) ? &keys[i] : NULL;
    }
    if (twice)
        (void)ax_fail(err, AX_E_INVALID, "the field '%.*s' is there twice",
                      AX_STR_ARG(ax_str_cut(*twice, SHOWN_BYTES_MAX)));
    free(keys);
    return err->code;
}

enum ax_code ax_document_close(const struct ax_document *document, struct ax_document_path *path,
                               struct ax_err *err)
{
    assert(document && path && path->depth && err);
    const struct ax_value *value = &document->values[path->open[--path->depth].value];
    return value->kind == AX_VALUE_MAP ? check_members(value, err) : AX_OK;
}

const struct ax_value *ax_value_get(const struct ax_value *map, const char *key)
{
    assert(key);
    if (!map || map->kind != AX_VALUE_MAP)
        return NULL;
    struct ax_str wanted = ax_str_from(key);
    for (const struct ax_value *v = ax_value_first(map); v; v = ax_value_next(v)) {
        if (ax_str_equals(v->key, wanted))
            return v;
    }
    return NULL;
}

/* One number as the file has it: an integer that fits, or a float. */
struct number {
    bool is_integer;
    int64_t integer;
    double real; /* of UBJSON only: exact for both of its float types */
};

struct number_cursor {
    const char *at;
    const char *end;
    unsigned char form;
};

static struct number_cursor cursor_of(const struct ax_value *value)
{
    return (struct number_cursor){ value->raw.ptr, value->raw.ptr + value->raw.len, value->form };
}

static uint64_t load_big_endian(const char *at, size_t size)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits = bits << 8 | (unsigned char)at[i];
    return bits;
}

size_t ax_ubjson_number_size(unsigned char marker)
{
    switch (marker) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static bool cursor_ubjson(struct number_cursor *cursor, struct number *ret)
{
    unsigned char type = cursor->form;
    if (type == AX_VALUE_FORM_MARKED)
        type = (unsigned char)*cursor->at++;
    size_t size = ax_ubjson_number_size(type);
    if (size == 0) { /* true or false, the only others that the reader lets into NUMBERS */
        *ret = (struct number){ .is_integer = true, .integer = type == 'T' };
        return true;
    }
    assert((size_t)(cursor->end - cursor->at) >= size);
    uint64_t bits = load_big_endian(cursor->at, size);
    cursor->at += size;
    if (type == 'd') {
        uint32_t narrow = (uint32_t)bits;
        float real;
        memcpy(&real, &narrow, sizeof(real));
        *ret = (struct number){ .real = (double)real };
        return true;
    }
    if (type == 'D') {
        *ret = (struct number){ 0 };
        memcpy(&ret->real, &bits, sizeof(ret->real));
        return true;
    }
    unsigned shift = type == 'U' ? 0 : 64 - 8 * (unsigned)size;
    int64_t integer;
    bits <<= shift;
    memcpy(&integer, &bits, sizeof(integer));
    *ret = (struct number){ .is_integer = true, .integer = integer >> shift };
    return true;
}

/* In front of the next element's first character. */
static void cursor_skip_blanks(struct number_cursor *cursor)
{
    /* Of what JSON allows here, only white space is no larger than a blank. */
    while (cursor->at < cursor->end && (*cursor->at == ',' || (unsigned char)*cursor->at <= ' '))
        cursor->at++;
}

static bool cursor_json_integer(struct number_cursor *cursor, int64_t *ret)
{
    cursor_skip_blanks(cursor);
    const char *at = cursor->at;
    if (at < cursor->end && (*at == 't' || *at == 'f')) {
        *ret = *at == 't';
        cursor->at += *at == 't' ? 4 : 5;
        return true;
    }
    bool negative = at < cursor->end && *at == '-';
    at += negative;
    int64_t value = 0;
    const char *digits = at;
    for (; at < cursor->end && *at >= '0' && *at <= '9'; at++) {
        int digit = *at - '0';
        if (AX_MUL_OVERFLOWS(value, 10, &value) ||
            AX_ADD_OVERFLOWS(value, negative ? -digit : digit, &value))
            return false;
    }
    bool is_over = at == cursor->end || *at == ',' || *at == ']' || (unsigned char)*at <= ' ';
    if (at == digits || !is_over)
        return false;
    cursor->at = at;
    *ret = value;
    return true;
}

static bool cursor_integer(struct number_cursor *cursor, int64_t *ret)
{
    if (cursor->form == AX_VALUE_FORM_JSON)
        return cursor_json_integer(cursor, ret);
    struct number number;
    if (!cursor_ubjson(cursor, &number) || !number.is_integer)
        return false;
    *ret = number.integer;
    return true;
}

/* Whether narrowing `nearest`, the f64 nearest to a text, is rounding the text itself. It is unless
 * the f64 lies in the middle between two floats: then the text may be on either side of it. What is
 * no normal float is left to strtof, too. */
static bool narrows_as_text(double nearest)
{
    uint64_t bits;
    memcpy(&bits, &nearest, sizeof(bits));
    uint64_t exponent = bits >> 52 & 0x7FF;
    bool is_middle = (bits & 0x1FFFFFFF) == 0x10000000;
    return !is_middle && exponent >= 1023 - 126 && exponent < 1023 + 127;
}

size_t ax_text_to_f32(struct ax_str text, float *ret)
{
    assert(text.ptr && ret);
    double nearest;
    const char *behind = ax_json_number_read(text.ptr, text.ptr + text.len, &nearest);
    if (behind && behind < text.ptr + text.len && strchr(",]} \t\r\n", *behind) && *behind &&
        narrows_as_text(nearest)) {
        *ret = (float)nearest;
        return (size_t)(behind - text.ptr);
    }
    char *end;
    errno = 0;
    *ret = strtof(text.ptr, &end);
    return (size_t)(end - text.ptr);
}

static bool cursor_real(struct number_cursor *cursor, float *ret)
{
    if (cursor->form == AX_VALUE_FORM_JSON) {
        cursor_skip_blanks(cursor);
        size_t left = (size_t)(cursor->end - cursor->at);
        size_t used = left ? ax_text_to_f32((struct ax_str){ cursor->at, left }, ret) : 0;
        cursor->at += used;
        return used > 0 && used <= left;
    }
    struct number number;
    if (!cursor_ubjson(cursor, &number))
        return false;
    *ret = number.is_integer ? (float)number.integer : (float)number.real;
    return true;
}

static bool cursor_f64(struct number_cursor *cursor, double *ret)
{
    if (cursor->form == AX_VALUE_FORM_JSON) {
        cursor_skip_blanks(cursor);
        char *end;
        double value = cursor->at < cursor->end ? strtod(cursor->at, &end) : 0;
        if (cursor->at == cursor->end || end == cursor->at || end > cursor->end)
            return false;
        cursor->at = end;
        *ret = value;
        return true;
    }
    struct number number;
    if (!cursor_ubjson(cursor, &number))
        return false;
    *ret = number.is_integer ? (double)number.integer : number.real;
    return true;
}

bool ax_value_to_i64(const struct ax_value *value, int64_t *ret)
{
    assert(ret);
    if (!value || value->kind != AX_VALUE_NUMBER)
        return false;
    struct number_cursor cursor = cursor_of(value);
    return cursor_integer(&cursor, ret);
}

bool ax_value_read_i64(const struct ax_value *value, int64_t *out, size_t count)
{
    assert(value && value->kind == AX_VALUE_NUMBERS && count <= value->count && (out || !count));
    struct number_cursor cursor = cursor_of(value);
    for (size_t i = 0; i < count; i++) {
        if (!cursor_integer(&cursor, &out[i]))
            return false;
    }
    return true;
}

/* Whether these are UBJSON's numbers of 4 bytes with that marker, of which most files are made:
 * they are read in a loop of their own. */
static bool are_words(const struct ax_value *value, char marker)
{
    assert(value->form != (unsigned char)marker || value->raw.len >= value->count * 4);
    return value->form == (unsigned char)marker;
}

static uint32_t load_word(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool ax_value_read_i32(const struct ax_value *value, int32_t *out, size_t count)
{
    assert(value && value->kind == AX_VALUE_NUMBERS && count <= value->count && (out || !count));
    for (size_t i = 0; are_words(value, 'l') && i < count; i++) {
        uint32_t word = load_word(value->raw.ptr + 4 * i);
        memcpy(&out[i], &word, sizeof(word));
    }
    if (are_words(value, 'l'))
        return true;
    struct number_cursor cursor = cursor_of(value);
    size_t done = 0;
    if (value->form == AX_VALUE_FORM_JSON)
        done = ax_json_numbers_read_i32(cursor.at, cursor.end, out, count, &cursor.at);
    for (size_t i = done; i < count; i++) {
        int64_t integer;
        if (!cursor_integer(&cursor, &integer) || integer < INT32_MIN || integer > INT32_MAX)
            return false;
        out[i] = (int32_t)integer;
    }
    return true;
}

bool ax_value_read_f32(const struct ax_value *value, float *out, size_t count)
{
    assert(value && value->kind == AX_VALUE_NUMBERS && count <= value->count && (out || !count));
    for (size_t i = 0; are_words(value, 'd') && i < count; i++) {
        uint32_t word = load_word(value->raw.ptr + 4 * i);
        memcpy(&out[i], &word, sizeof(word));
    }
    if (are_words(value, 'd'))
        return true;
    struct number_cursor cursor = cursor_of(value);
    for (size_t i = 0; i < count; i++) {
        if (!cursor_real(&cursor, &out[i]))
            return false;
    }
    return true;
}

bool ax_value_read_f64(const struct ax_value *value, double *out, size_t count)
{
    assert(value && value->kind == AX_VALUE_NUMBERS && count <= value->count && (out || !count));
    struct number_cursor cursor = cursor_of(value);
    for (size_t i = 0; i < count; i++) {
        if (!cursor_f64(&cursor, &out[i]))
            return false;
    }
    return true;
}

bool ax_value_to_f64(const struct ax_value *value, double *ret)
{
    assert(ret);
    if (!value || value->kind != AX_VALUE_NUMBER)
        return false;
    struct number_cursor cursor = cursor_of(value);
    return cursor_f64(&cursor, ret);
}
