/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull reader. `expects` says what the grammar allows next:
 *
 *   VALUE   a value                  at the start, behind a key, behind a comma in an array
 *   FIRST   a value or ']'           behind '['
 *   MEMBER  a key or '}'             behind '{'
 *   KEY     a key                    behind a comma in an object
 *   NEXT    ',' or the closing one   behind a value inside a container
 *   END     white space              behind the outermost value
 *
 * Which container is open is one bit a level. A string is one token, whatever its length.
 */
#include "base/json_reader.h"

#include "base/json.h"
#include "base/json_number.h"
#include "base/json_numbers.h"

#include <assert.h>
#include <math.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

enum { EXPECTS_VALUE, EXPECTS_FIRST, EXPECTS_MEMBER, EXPECTS_KEY, EXPECTS_NEXT, EXPECTS_END };

static_assert(AX_JSON_DEPTH_MAX < 128, "a bit for every level in in_object");

void ax_json_reader_init(struct ax_json_reader *reader, struct ax_str text)
{
    assert(reader && (text.ptr || !text.len));
    *reader = (struct ax_json_reader){ .text = text.len ? text : AX_STR("") };
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* How far the token that begins at `at` may reach. */
static const char *reader_stop(const struct ax_json_reader *reader, const char *at)
{
    const char *end = reader->text.ptr + reader->text.len;
    return reader->token_max && (size_t)(end - at) > reader->token_max ? at + reader->token_max
                                                                       : end;
}

static enum ax_json_token reader_fail_long(const struct ax_json_reader *reader, const char *what,
                                           struct ax_err *err)
{
    (void)ax_fail(err, AX_E_INVALID, "JSON at byte %zu: %s of more than %zu bytes", reader->at,
                  what, reader->token_max);
    return AX_JSON_FAILED;
}

static enum ax_json_token reader_fail(const struct ax_json_reader *reader, size_t at,
                                      const char *wanted, struct ax_err *err)
{
    /* No token begins with white space, unless there was more than may be skipped. */
    if (at == reader->at && at < reader->text.len && is_space(reader->text.ptr[at]))
        return reader_fail_long(reader, "white space", err);
    if (at >= reader->text.len)
        (void)ax_fail(err, AX_E_INVALID, "malformed JSON: ends at byte %zu, %s", at, wanted);
    else
        (void)ax_fail(err, AX_E_INVALID, "malformed JSON at byte %zu: %s", at, wanted);
    return AX_JSON_FAILED;
}

static bool reader_in_object(const struct ax_json_reader *reader)
{
    return reader->in_object[reader->depth / 64] >> (reader->depth % 64) & 1;
}

static void reader_value_done(struct ax_json_reader *reader)
{
    reader->expects = reader->depth ? EXPECTS_NEXT : EXPECTS_END;
}

static void reader_skip_spaces(struct ax_json_reader *reader)
{
    const char *at = reader->text.ptr + reader->at;
    const char *stop = reader_stop(reader, at);
    while (at < stop && is_space(*at))
        at++;
    reader->at = (size_t)(at - reader->text.ptr);
}

/* Mostly there is none, or one. */
static inline void reader_skip_space(struct ax_json_reader *reader)
{
    const char *at = reader->text.ptr + reader->at;
    size_t left = reader->text.len - reader->at;
    if (left > 1 && (unsigned char)at[at[0] == ' '] > ' ')
        reader->at += at[0] == ' ';
    else
        reader_skip_spaces(reader);
}

static enum ax_json_token reader_open(struct ax_json_reader *reader, bool object,
                                      struct ax_err *err)
{
    if (reader->depth == AX_JSON_DEPTH_MAX) {
        (void)ax_fail(err, AX_E_INVALID, "JSON nesting depth exceeds maximum allowed limit (%d)",
                      AX_JSON_DEPTH_MAX);
        return AX_JSON_FAILED;
    }
    reader->at++;
    reader->depth++;
    uint64_t bit = UINT64_C(1) << (reader->depth % 64);
    if (object)
        reader->in_object[reader->depth / 64] |= bit;
    else
        reader->in_object[reader->depth / 64] &= ~bit;
    reader->expects = object ? EXPECTS_MEMBER : EXPECTS_FIRST;
    return object ? AX_JSON_OBJECT_BEGIN : AX_JSON_ARRAY_BEGIN;
}

static enum ax_json_token reader_close(struct ax_json_reader *reader)
{
    bool object = reader_in_object(reader);
    reader->at++;
    reader->depth--;
    reader_value_done(reader);
    return object ? AX_JSON_OBJECT_END : AX_JSON_ARRAY_END;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The length of the escape at `at` (a backslash), or 0. */
static size_t escape_len(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return strchr("\"\\/bfnrt", at[1]) && at[1] ? 2 : 0;
    if (end - at < 6)
        return 0;
    for (size_t i = 2; i < 6; i++)
        if (!is_hex(at[i]))
            return 0;
    return 6;
}

/* From `at` on, the first byte that needs a look: '"', '\\', control characters, and those that are
 * not ASCII; or one of the last few in front of `stop`. */
#ifdef __SSE2__
static inline const char *skip_plain(const char *at, const char *stop)
{
    for (; stop - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* As signed numbers, those that are not ASCII are below the space, too. */
        __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        int odd = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
        if (odd)
            return at + __builtin_ctz((unsigned)odd);
    }
    return at;
}
#else
static inline const char *skip_plain(const char *at, const char *stop)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    for (; stop - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        uint64_t quote = word ^ ones * '"';
        uint64_t slash = word ^ ones * '\\';
        uint64_t odd = word | ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                       ((word - ones * 0x20) & ~word);
        if (odd & tops)
            break;
    }
    return at;
}
#endif

/* From the opening quote to behind the closing one; sets raw and escaped. */
static bool reader_string(struct ax_json_reader *reader, struct ax_err *err)
{
    const char *begin = reader->text.ptr + reader->at + 1;
    const char *end = reader->text.ptr + reader->text.len;
    const char *stop = reader_stop(reader, begin);
    const char *at = begin;
    bool high = false;
    reader->escaped = false;
    for (;;) {
        at = at < stop ? skip_plain(at, stop) : at;
        if (at > stop || (at == stop && at < end && *at != '"')) {
            (void)reader_fail_long(reader, "a string", err);
            return false;
        }
        if (at >= end || (unsigned char)*at < 0x20) {
            (void)reader_fail(reader, (size_t)(at - reader->text.ptr),
                              "expected a character of a string or '\"'", err);
            return false;
        }
        if (*at == '"')
            break;
        size_t len = *at == '\\' ? escape_len(at, end) : 1;
        if (!len) {
            (void)reader_fail(reader, (size_t)(at - reader->text.ptr), "unknown escape", err);
            return false;
        }
        reader->escaped |= *at == '\\';
        high |= (unsigned char)*at >= 0x80;
        at += len;
    }
    reader->raw = (struct ax_str){ begin, (size_t)(at - begin) };
    if (high && !ax_str_is_utf8(reader->raw)) {
        (void)reader_fail(reader, reader->at, "the string is not UTF-8", err);
        return false;
    }
    reader->at = (size_t)(at + 1 - reader->text.ptr);
    return true;
}

static enum ax_json_token reader_word(struct ax_json_reader *reader, const char *word,
                                      enum ax_json_token token, struct ax_err *err)
{
    size_t len = strlen(word);
    struct ax_str found = { reader->text.ptr + reader->at, reader->text.len - reader->at };
    if (!ax_str_starts_with(found, (struct ax_str){ word, len }))
        return reader_fail(reader, reader->at, "expected a value", err);
    reader->raw = (struct ax_str){ found.ptr, len };
    reader->has_number = false;
    reader->at += len;
    reader_value_done(reader);
    return token;
}

/* Is what begins here a number, or garbage that looks like one, that reaches the limit? Then what
 * was cut off may be what it lacks: an exponent's digits, say. */
static bool reader_number_is_long(const char *begin, const char *stop)
{
    while (begin < stop && *begin && strchr("0123456789+-.eE", *begin))
        begin++;
    return begin == stop;
}

static enum ax_json_token reader_number(struct ax_json_reader *reader, struct ax_err *err)
{
    const char *begin = reader->text.ptr + reader->at;
    const char *end = reader->text.ptr + reader->text.len;
    if (end - begin > 1 && begin[0] == '-' && begin[1] == 'I')
        return reader_word(reader, "-Infinity", AX_JSON_NUMBER, err);
    const char *stop = reader_stop(reader, begin);
    const char *behind = NULL;
    if (stop - begin >= AX_JSON_SHORT_BYTES)
        behind = ax_json_number_read_short(begin, &reader->number);
    reader->has_number = behind;
    if (!behind)
        behind = ax_json_number_skip(begin, stop);
    if (stop < end && (behind ? behind == stop : reader_number_is_long(begin, stop)))
        return reader_fail_long(reader, "a number", err);
    if (!behind)
        return reader_fail(reader, reader->at, "expected a number", err);
    reader->raw = (struct ax_str){ begin, (size_t)(behind - begin) };
    reader->at += reader->raw.len;
    reader_value_done(reader);
    return AX_JSON_NUMBER;
}

static enum ax_json_token reader_value(struct ax_json_reader *reader, struct ax_err *err)
{
    switch (reader->text.ptr[reader->at]) {
    case '{':
        return reader_open(reader, true, err);
    case '[':
        return reader_open(reader, false, err);
    case '"':
        if (!reader_string(reader, err))
            return AX_JSON_FAILED;
        reader_value_done(reader);
        return AX_JSON_STRING;
    case 't':
        return reader_word(reader, "true", AX_JSON_TRUE, err);
    case 'f':
        return reader_word(reader, "false", AX_JSON_FALSE, err);
    case 'n':
        return reader_word(reader, "null", AX_JSON_NULL, err);
    case 'N':
        return reader_word(reader, "NaN", AX_JSON_NUMBER, err);
    case 'I':
        return reader_word(reader, "Infinity", AX_JSON_NUMBER, err);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return reader_number(reader, err);
    default:
        return reader_fail(reader, reader->at, "expected a value", err);
    }
}

static enum ax_json_token reader_key(struct ax_json_reader *reader, struct ax_err *err)
{
    if (reader->text.ptr[reader->at] != '"')
        return reader_fail(reader, reader->at, "expected a member's name", err);
    if (!reader_string(reader, err))
        return AX_JSON_FAILED;
    reader_skip_space(reader);
    if (reader->at >= reader->text.len || reader->text.ptr[reader->at] != ':')
        return reader_fail(reader, reader->at, "expected ':'", err);
    reader->at++;
    reader->expects = EXPECTS_VALUE;
    return AX_JSON_KEY;
}

/* Behind a value: the end of the container, or a comma and what follows it. */
static enum ax_json_token reader_next(struct ax_json_reader *reader, struct ax_err *err)
{
    bool object = reader_in_object(reader);
    char c = reader->text.ptr[reader->at];
    if (c == (object ? '}' : ']'))
        return reader_close(reader);
    if (c != ',')
        return reader_fail(reader, reader->at,
                           object ? "expected ',' or '}'" : "expected ',' or ']'", err);
    reader->at++;
    reader_skip_space(reader);
    if (reader->at >= reader->text.len) {
        return reader_fail(reader, reader->at, "expected a value", err);
    }
    reader->expects = object ? EXPECTS_KEY : EXPECTS_VALUE;
    return object ? reader_key(reader, err) : reader_value(reader, err);
}

enum ax_json_token ax_json_read(struct ax_json_reader *reader, struct ax_err *err)
{
    assert(reader && reader->text.ptr && err);
    reader_skip_space(reader);
    bool at_end = reader->at >= reader->text.len;
    if (reader->expects == EXPECTS_END) {
        if (at_end)
            return AX_JSON_END;
        return reader_fail(reader, reader->at, "nothing may follow the value", err);
    }
    if (at_end)
        return reader_fail(reader, reader->at, "the value is not complete", err);
    char c = reader->text.ptr[reader->at];
    if (reader->expects == EXPECTS_NEXT)
        return reader_next(reader, err);
    if (reader->expects == EXPECTS_KEY)
        return reader_key(reader, err);
    if (reader->expects == EXPECTS_MEMBER)
        return c == '}' ? reader_close(reader) : reader_key(reader, err);
    if (reader->expects == EXPECTS_FIRST && c == ']')
        return reader_close(reader);
    return reader_value(reader, err);
}

enum ax_code ax_json_skip(struct ax_json_reader *reader, unsigned depth, size_t byte_budget,
                          bool *ret_done, struct ax_err *err)
{
    assert(reader && depth <= reader->depth && byte_budget && ret_done && err);
    size_t start = reader->at;
    while (reader->depth > depth && reader->at - start < byte_budget)
        if (ax_json_read(reader, err) == AX_JSON_FAILED)
            return err->code;
    *ret_done = reader->depth == depth;
    return AX_OK;
}

static unsigned hex_value(const char *at)
{
    unsigned value = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i];
        value = value << 4 | (c <= '9' ? c - 0x30u : (c | 0x20u) - 'a' + 10u);
    }
    return value;
}

static char *put_utf8(char *at, unsigned code)
{
    if (code < 0x80) {
        *at++ = (char)code;
        return at;
    }
    if (code < 0x800) {
        *at++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *at++ = (char)(0xE0 | code >> 12);
        } else {
            *at++ = (char)(0xF0 | code >> 18);
            *at++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *at++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *at++ = (char)(0x80 | (code & 0x3F));
    return at;
}

/* The escape at *from, which the reader has checked; false for half a surrogate pair. */
static bool put_escape(const char **from, const char *end, char **to)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    char c = (*from)[1];
    if (c != 'u') {
        const char *letter = strchr(letters, c);
        *(*to)++ = letter ? meant[letter - letters] : c;
        *from += 2;
        return true;
    }
    unsigned code = hex_value(*from + 2);
    *from += 6;
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || end - *from < 6 || (*from)[0] != '\\' || (*from)[1] != 'u')
            return false;
        unsigned low = hex_value(*from + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *from += 6;
    }
    *to = put_utf8(*to, code);
    return true;
}

enum ax_code ax_json_read_text(const struct ax_json_reader *reader, struct ax_arena *arena,
                               struct ax_str *ret_text, struct ax_err *err)
{
    assert(reader && arena && ret_text && err);
    if (!reader->escaped) {
        *ret_text = reader->raw;
        return AX_OK;
    }
    /* No escape is shorter than what it stands for. */
    char *text = ax_arena_alloc_aligned(arena, reader->raw.len, 1, 1);
    if (!text)
        return ax_arena_fail(arena, "a string", err);
    const char *from = reader->raw.ptr;
    const char *end = from + reader->raw.len;
    char *to = text;
    while (from < end) {
        if (*from != '\\')
            *to++ = *from++;
        else if (!put_escape(&from, end, &to))
            return ax_fail(err, AX_E_INVALID, "malformed JSON at byte %zu: half a surrogate pair",
                           (size_t)(from - reader->text.ptr));
    }
    *ret_text = (struct ax_str){ text, (size_t)(to - text) };
    return AX_OK;
}

bool ax_json_read_f64(const struct ax_json_reader *reader, double *ret)
{
    assert(reader && reader->raw.len && ret);
    if (reader->has_number) {
        *ret = reader->number;
        return true;
    }
    struct ax_str raw = reader->raw;
    char last = raw.ptr[raw.len - 1];
    if (last == 'N') {
        *ret = (double)NAN;
        return true;
    }
    if (last == 'y') {
        *ret = raw.ptr[0] == '-' ? (double)-INFINITY : (double)INFINITY;
        return true;
    }
    return ax_json_number_read(raw.ptr, raw.ptr + raw.len, ret) != NULL;
}

bool ax_json_read_i64(const struct ax_json_reader *reader, int64_t *ret)
{
    assert(reader && ret);
    return ax_json_number_i64(reader->raw, ret);
}

bool ax_json_read_u64(const struct ax_json_reader *reader, uint64_t *ret)
{
    assert(reader && ret);
    return ax_json_number_u64(reader->raw, ret);
}

/* The reader's place while it runs over an array, in registers. With a token_max it
 * sees that much of the text, so that a run takes bounded time whatever the text is. */
struct cursor {
    const char *at;
    const char *end;
    bool is_cut; /* the text goes on behind `end` */
    unsigned char expects;
};

static inline void cursor_skip_space(struct cursor *cursor)
{
    const char *at = cursor->at;
    while (at < cursor->end && is_space(*at))
        at++;
    /* What reaches the end of the window is measured as a whole by ax_json_read. */
    if (at < cursor->end || !cursor->is_cut)
        cursor->at = at;
}

/* In front of the next element, if there is one. The comma in front of it is read in any case. */
static inline bool cursor_next(struct cursor *cursor)
{
    cursor_skip_space(cursor);
    if (cursor->expects == EXPECTS_NEXT) {
        if (cursor->at >= cursor->end || *cursor->at != ',')
            return false;
        cursor->at++;
        cursor->expects = EXPECTS_VALUE;
        cursor_skip_space(cursor);
    }
    return true;
}

/* Behind a number that ends at `behind`; NULL: there was none. */
static inline bool cursor_take(struct cursor *cursor, const char *behind)
{
    /* What reaches the end of the window may go on behind it. */
    if (!behind || (behind == cursor->end && cursor->is_cut))
        return false;
    cursor->at = behind;
    cursor->expects = EXPECTS_NEXT;
    return true;
}

static inline bool cursor_number(struct cursor *cursor, double *ret)
{
    return cursor_next(cursor) &&
           cursor_take(cursor, ax_json_number_read(cursor->at, cursor->end, ret));
}

static bool cursor_begin(const struct ax_json_reader *reader, struct cursor *ret_cursor)
{
    ret_cursor->at = reader->text.ptr + reader->at;
    ret_cursor->end = reader_stop(reader, ret_cursor->at);
    ret_cursor->is_cut = ret_cursor->end < reader->text.ptr + reader->text.len;
    ret_cursor->expects = reader->expects;
    return reader->depth && !reader_in_object(reader);
}

static void cursor_end(struct ax_json_reader *reader, const struct cursor *cursor)
{
    reader->at = (size_t)(cursor->at - reader->text.ptr);
    reader->expects = cursor->expects;
}

/* Where floats are put: every `stride`th from `at` on. */
struct floats {
    void *at;
    size_t stride;
    bool is_wide;
};

static AX_ALWAYS_INLINE void floats_put(const struct floats *floats, size_t i, double value)
{
    if (floats->is_wide)
        ((double *)floats->at)[i * floats->stride] = value;
    else
        ((float *)floats->at)[i * floats->stride] = (float)value;
}

/* From the `from`th to at most the `to`th value: as many numbers as are short and stand as writers
 * of JSON put them, all behind a comma, or all behind a comma and a space. What is between is
 * compared and not looked for, so that it takes no time. Tells how far it came. */
static AX_ALWAYS_INLINE size_t cursor_short_numbers(struct cursor *cursor,
                                                    const struct floats *floats, size_t from,
                                                    size_t to)
{
    const char *at = cursor->at;
    const char *stop = cursor->end - AX_JSON_SHORT_BYTES;
    if (cursor->end - at < AX_JSON_SHORT_BYTES)
        return from;
    size_t gap = at[1] == ' ' ? 2 : 1;
    while (from < to && at <= stop && at[0] == ',' && (at[1] == ' ') == (gap == 2)) {
        double value;
        const char *behind = ax_json_number_read_short(at + gap, &value);
        if (AX_UNLIKELY(!behind))
            break;
        floats_put(floats, from++, value);
        at = behind;
    }
    cursor->at = at;
    return from;
}

static AX_ALWAYS_INLINE size_t reader_floats(struct ax_json_reader *reader,
                                             const struct floats *floats, size_t count)
{
    size_t done = 0;
    double value;
    struct cursor cursor;
    if (!cursor_begin(reader, &cursor))
        return 0;
    while (done < count && cursor_number(&cursor, &value)) {
        floats_put(floats, done, value);
        done = cursor_short_numbers(&cursor, floats, done + 1, count);
    }
    cursor_end(reader, &cursor);
    return done;
}

size_t ax_json_read_f32s(struct ax_json_reader *reader, float *values, size_t stride, size_t count)
{
    assert(reader && (values || !count) && stride);
    const struct floats floats = { values, stride, false };
    return reader_floats(reader, &floats, count);
}

size_t ax_json_read_f64s(struct ax_json_reader *reader, double *values, size_t stride, size_t count)
{
    assert(reader && (values || !count) && stride);
    const struct floats floats = { values, stride, true };
    return reader_floats(reader, &floats, count);
}

size_t ax_json_skip_numbers(struct ax_json_reader *reader)
{
    assert(reader);
    size_t done = 0;
    struct cursor cursor;
    if (!cursor_begin(reader, &cursor))
        return 0;
    /* Blocks of many first, then what is left, one by one. */
    if (cursor_next(&cursor)) {
        const char *reached = ax_json_numbers_skip(cursor.at, cursor.end, &done);
        cursor.expects = done ? EXPECTS_VALUE : cursor.expects;
        cursor.at = reached;
    }
    while (cursor_next(&cursor) && cursor_take(&cursor, ax_json_number_skip(cursor.at, cursor.end)))
        done++;
    cursor_end(reader, &cursor);
    return done;
}

const char *ax_json_token_text(enum ax_json_token token)
{
    switch (token) {
    case AX_JSON_OBJECT_BEGIN:
        return "an object";
    case AX_JSON_ARRAY_BEGIN:
        return "an array";
    case AX_JSON_STRING:
        return "a string";
    case AX_JSON_NUMBER:
        return "a number";
    case AX_JSON_TRUE:
        return "true";
    case AX_JSON_FALSE:
        return "false";
    case AX_JSON_NULL:
        return "null";
    case AX_JSON_FAILED:
    case AX_JSON_END:
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_KEY:
        break;
    }
    return "nothing";
}
