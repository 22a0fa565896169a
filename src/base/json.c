/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents by yyjson, printing by our own code and yyjson's floats.
 *
 * A text is first read by our own pull reader, which yyjson would otherwise disagree with: it
 * bounds the depth, accepts exactly the three bare tokens, and names the byte. yyjson then only
 * builds the tree; its allocations go through ax_try_alloc. A struct ax_json is a yyjson_val.
 */
#include "base/json.h"

#include "base/alloc.h"
#include "base/json_reader.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include <yyjson.h>

#define FLOAT_TEXT_MAX  AX_JSON_F64_TEXT_SIZE
#define LONG_NUMBER     300
#define PLAIN_BYTES_MAX ((size_t)256)
#define EXACT_INTEGER   9007199254740992.0

/* ---- documents ---- */

static void *doc_malloc(void *ctx, size_t size)
{
    (void)ctx;
    return ax_try_alloc(1, size);
}

static void *doc_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    void *grown = ax_try_alloc(1, size);
    if (grown && ptr) {
        memcpy(grown, ptr, AX_MIN(old_size, size));
        free(ptr);
    }
    return grown;
}

static void doc_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

/* yyjson makes an infinity of 1e400 when it may read Infinity. */
static bool number_fits(const struct ax_json_reader *reader)
{
    double ignored;
    bool suspect = reader->raw.len > LONG_NUMBER || memchr(reader->raw.ptr, 'e', reader->raw.len) ||
                   memchr(reader->raw.ptr, 'E', reader->raw.len);
    return !suspect || ax_json_read_f64(reader, &ignored);
}

static enum ax_code doc_check(struct ax_str text, struct ax_err *err)
{
    struct ax_json_reader reader;
    ax_json_reader_init(&reader, text);
    for (;;) {
        enum ax_json_token token = ax_json_read(&reader, err);
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token == AX_JSON_END)
            return AX_OK;
        if (token == AX_JSON_NUMBER && !number_fits(&reader))
            return ax_fail(err, AX_E_INVALID, "malformed JSON at byte %zu: the number is too large",
                           (size_t)(reader.raw.ptr - text.ptr));
    }
}

enum ax_code ax_json_parse(struct ax_str text, struct ax_json_doc **ret_doc, struct ax_err *err)
{
    assert((text.ptr || !text.len) && ret_doc && err);
    if (doc_check(text, err))
        return err->code;
    const yyjson_alc alc = { doc_malloc, doc_realloc, doc_free, NULL };
    yyjson_read_err failure = { 0 };
    /* Without YYJSON_READ_INSITU the text is not written to. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)text.ptr, text.len, YYJSON_READ_ALLOW_INF_AND_NAN, &alc, &failure);
    if (!doc && failure.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return ax_fail(err, AX_E_LIMIT, "no memory for a JSON document");
    if (!doc)
        return ax_fail(err, AX_E_INVALID, "malformed JSON at byte %zu: %s", failure.pos,
                       failure.msg);
    *ret_doc = (struct ax_json_doc *)doc;
    return AX_OK;
}

void ax_json_free(struct ax_json_doc *doc)
{
    yyjson_doc_free((yyjson_doc *)doc);
}

const struct ax_json *ax_json_root(const struct ax_json_doc *doc)
{
    assert(doc);
    return (const struct ax_json *)yyjson_doc_get_root((yyjson_doc *)doc);
}

/* ---- values ---- */

static yyjson_val *val(const struct ax_json *value)
{
    return (yyjson_val *)value;
}

enum ax_json_kind ax_json_kind(const struct ax_json *value)
{
    switch (yyjson_get_type(val(value))) {
    case YYJSON_TYPE_BOOL:
        return AX_JSON_KIND_BOOL;
    case YYJSON_TYPE_NUM:
        return AX_JSON_KIND_NUMBER;
    case YYJSON_TYPE_STR:
        return AX_JSON_KIND_STRING;
    case YYJSON_TYPE_ARR:
        return AX_JSON_KIND_ARRAY;
    case YYJSON_TYPE_OBJ:
        return AX_JSON_KIND_OBJECT;
    default:
        return AX_JSON_KIND_NULL;
    }
}

const struct ax_json *ax_json_get(const struct ax_json *object, const char *key)
{
    assert(key);
    return (const struct ax_json *)yyjson_obj_get(val(object), key);
}

size_t ax_json_count(const struct ax_json *value)
{
    return yyjson_is_obj(val(value)) ? yyjson_obj_size(val(value)) : yyjson_arr_size(val(value));
}

struct ax_str ax_json_str(const struct ax_json *value)
{
    if (!yyjson_is_str(val(value)))
        return AX_STR("");
    return (struct ax_str){ yyjson_get_str(val(value)), yyjson_get_len(val(value)) };
}

bool ax_json_is_true(const struct ax_json *value)
{
    return yyjson_is_true(val(value));
}

bool ax_json_to_f64(const struct ax_json *value, double *ret)
{
    assert(ret);
    if (!yyjson_is_num(val(value)))
        return false;
    *ret = yyjson_get_num(val(value));
    return true;
}

/* A float that is an integer no double rounds to. */
static bool real_is_integer(const struct ax_json *value)
{
    double real = yyjson_get_real(val(value));
    return fabs(real) <= EXACT_INTEGER && real == trunc(real);
}

bool ax_json_to_i64(const struct ax_json *value, int64_t *ret)
{
    assert(ret);
    if (yyjson_is_uint(val(value)) && yyjson_get_uint(val(value)) <= (uint64_t)INT64_MAX)
        *ret = (int64_t)yyjson_get_uint(val(value));
    else if (yyjson_is_sint(val(value)))
        *ret = yyjson_get_sint(val(value));
    else if (yyjson_is_real(val(value)) && real_is_integer(value))
        *ret = (int64_t)yyjson_get_real(val(value));
    else
        return false;
    return true;
}

bool ax_json_to_u64(const struct ax_json *value, uint64_t *ret)
{
    assert(ret);
    if (yyjson_is_uint(val(value)))
        *ret = yyjson_get_uint(val(value));
    else if (yyjson_is_sint(val(value)) && yyjson_get_sint(val(value)) == 0)
        *ret = 0; /* "-0" */
    else if (yyjson_is_real(val(value)) && real_is_integer(value) &&
             yyjson_get_real(val(value)) >= 0)
        *ret = (uint64_t)yyjson_get_real(val(value));
    else
        return false;
    return true;
}

struct ax_json_iter ax_json_iterate(const struct ax_json *value)
{
    struct ax_json_iter iter = { .left = ax_json_count(value),
                                 .is_object = yyjson_is_obj(val(value)) };
    if (iter.left)
        iter.at = (const struct ax_json *)unsafe_yyjson_get_first(val(value));
    return iter;
}

const struct ax_json *ax_json_next(struct ax_json_iter *iter)
{
    assert(iter);
    if (!iter->left)
        return NULL;
    iter->left--;
    yyjson_val *at = val(iter->at);
    if (iter->is_object) {
        iter->key = (struct ax_str){ yyjson_get_str(at), yyjson_get_len(at) };
        at++; /* a member's value follows its key */
    }
    iter->at = (const struct ax_json *)unsafe_yyjson_get_next(at);
    return (const struct ax_json *)at;
}

/* ---- printing ---- */

/* Whether a byte is printed as it is. */
static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* How many bytes from `at` need no change. */
static size_t plain_len(struct ax_str text, size_t at)
{
    size_t begin = at;
    while (at < text.len && is_plain(text.ptr[at]))
        at++;
    return at - begin;
}

static void put_escape(struct ax_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char meant[] = "\b\f\n\r\t\"\\";
    static const char letters[] = "bfnrt\"\\";
    const char *found = c ? strchr(meant, c) : NULL;
    if (found) {
        const char two[2] = { '\\', letters[found - meant] };
        (void)ax_buf_append(out, two, 2);
    } else {
        const char six[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        (void)ax_buf_append(out, six, 6);
    }
}

/* Whether all of 8 bytes are. A byte's highest bit is set in what is tested when it is not ASCII,
 * below 0x20, or one of those three; a borrow can only come from a byte that is found itself. */
static bool are_plain(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t quote = bytes ^ ones * '"';
    uint64_t backslash = bytes ^ ones * '\\';
    uint64_t delete = bytes ^ ones * 0x7F;
    uint64_t found =
        bytes | (bytes - ones * 0x20) | (quote - ones) | (backslash - ones) | (delete -ones);
    return !(found & ones * 0x80);
}

/* Put a text that needs no escape; false when it does, or the buffer cannot hold it. */
static bool put_plain_str(struct ax_buf *out, struct ax_str text)
{
    char *at = text.len < PLAIN_BYTES_MAX ? ax_buf_reserve(out, text.len + 2) : NULL;
    if (!at)
        return false;
    *at++ = '"';
    size_t i = 0;
    for (uint64_t bytes; i + sizeof(bytes) <= text.len; i += sizeof(bytes)) {
        memcpy(&bytes, text.ptr + i, sizeof(bytes));
        if (!are_plain(bytes))
            return false;
        memcpy(at + i, &bytes, sizeof(bytes));
    }
    for (; i < text.len; i++) {
        if (!is_plain(text.ptr[i]))
            return false;
        at[i] = text.ptr[i];
    }
    at[i] = '"';
    ax_buf_added(out, text.len + 2);
    return true;
}

void ax_json_put_str(struct ax_buf *out, struct ax_str text)
{
    assert(out && (text.ptr || !text.len));
    if (put_plain_str(out, text))
        return;
    (void)ax_buf_append_char(out, '"');
    for (size_t at = 0; at < text.len;) {
        size_t len = plain_len(text, at);
        (void)ax_buf_append(out, text.ptr + at, len);
        at += len;
        if (at == text.len)
            break;
        unsigned char c = (unsigned char)text.ptr[at];
        if (c < 0x80) {
            put_escape(out, c);
            at++;
            continue;
        }
        len = ax_str_utf8_len((struct ax_str){ text.ptr + at, text.len - at });
        if (len)
            (void)ax_buf_append(out, text.ptr + at, len);
        else
            (void)ax_buf_append_str(out, AX_STR("\xEF\xBF\xBD"));
        at += AX_MAX(len, (size_t)1);
    }
    (void)ax_buf_append_char(out, '"');
}

/* yyjson allocates its output; here is room for one number, on the stack. */
static void *float_malloc(void *ctx, size_t size)
{
    return size <= FLOAT_TEXT_MAX ? ctx : NULL;
}

static void *float_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)old_size;
    (void)ptr;
    return size <= FLOAT_TEXT_MAX ? ctx : NULL;
}

static void float_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

/* The shortest text that reads back to the same number, which is finite. */
static size_t print_float(double value, yyjson_write_flag flags, char ret_text[FLOAT_TEXT_MAX])
{
    const yyjson_alc alc = { float_malloc, float_realloc, float_free, ret_text };
    yyjson_val number = { 0 };
    (void)yyjson_set_real(&number, value);
    size_t len = 0;
    const char *written = yyjson_val_write_opts(&number, flags, &alc, &len, NULL);
    assert(written == ret_text && len);
    return len;
}

size_t ax_json_print_f64(double value, char ret_text[AX_JSON_F64_TEXT_SIZE])
{
    assert(isfinite(value) && ret_text);
    return print_float(value, YYJSON_WRITE_NOFLAG, ret_text);
}

static void put_float(struct ax_buf *out, double value, yyjson_write_flag flags)
{
    if (isnan(value)) {
        (void)ax_buf_append_str(out, AX_STR("NaN"));
        return;
    }
    if (isinf(value)) {
        (void)ax_buf_append_str(out, value < 0 ? AX_STR("-Infinity") : AX_STR("Infinity"));
        return;
    }
    char text[FLOAT_TEXT_MAX];
    (void)ax_buf_append(out, text, print_float(value, flags, text));
}

void ax_json_put_f64(struct ax_buf *out, double value)
{
    assert(out);
    put_float(out, value, YYJSON_WRITE_NOFLAG);
}

void ax_json_put_f32(struct ax_buf *out, float value)
{
    assert(out);
    put_float(out, (double)value, YYJSON_WRITE_FP_TO_FLOAT);
}

void ax_json_put_i64(struct ax_buf *out, int64_t value)
{
    assert(out);
    if (value < 0)
        (void)ax_buf_append_char(out, '-');
    (void)ax_buf_append_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void ax_json_put_u64(struct ax_buf *out, uint64_t value)
{
    (void)ax_buf_append_u64(out, value);
}

void ax_json_put_bool(struct ax_buf *out, bool value)
{
    (void)ax_buf_append_str(out, value ? AX_STR("true") : AX_STR("false"));
}

static void put_number(struct ax_buf *out, const struct ax_json *value)
{
    if (yyjson_is_uint(val(value)))
        ax_json_put_u64(out, yyjson_get_uint(val(value)));
    else if (yyjson_is_sint(val(value)))
        ax_json_put_i64(out, yyjson_get_sint(val(value)));
    else
        ax_json_put_f64(out, yyjson_get_real(val(value)));
}

static void put_scalar(struct ax_buf *out, const struct ax_json *value)
{
    switch (ax_json_kind(value)) {
    case AX_JSON_KIND_BOOL:
        ax_json_put_bool(out, ax_json_is_true(value));
        return;
    case AX_JSON_KIND_NUMBER:
        put_number(out, value);
        return;
    case AX_JSON_KIND_STRING:
        ax_json_put_str(out, ax_json_str(value));
        return;
    case AX_JSON_KIND_NULL:
    case AX_JSON_KIND_ARRAY:
    case AX_JSON_KIND_OBJECT:
        (void)ax_buf_append_str(out, AX_STR("null"));
        return;
    }
}

/* What stands between the value before and the next one of `iter`. */
static void put_between(struct ax_buf *out, const struct ax_json_iter *iter)
{
    if (out->len && !strchr("[{", out->ptr[out->len - 1]))
        (void)ax_buf_append_char(out, ',');
    if (!iter->is_object)
        return;
    ax_json_put_str(out, iter->key);
    (void)ax_buf_append_char(out, ':');
}

void ax_json_put_value(struct ax_buf *out, const struct ax_json *value)
{
    assert(out);
    struct ax_json_iter inside[AX_JSON_DEPTH_MAX]; /* lists and objects that are begun */
    size_t depth = 0;
    for (;;) {
        enum ax_json_kind kind = ax_json_kind(value);
        if (kind == AX_JSON_KIND_ARRAY || kind == AX_JSON_KIND_OBJECT) {
            assert(depth < AX_JSON_DEPTH_MAX); /* the reader saw to it */
            inside[depth++] = ax_json_iterate(value);
            (void)ax_buf_append_char(out, kind == AX_JSON_KIND_OBJECT ? '{' : '[');
        } else {
            put_scalar(out, value);
        }
        while (depth && !(value = ax_json_next(&inside[depth - 1])))
            (void)ax_buf_append_char(out, inside[--depth].is_object ? '}' : ']');
        if (!depth)
            return;
        put_between(out, &inside[depth - 1]);
    }
}

void ax_json_put_plain(struct ax_buf *out, const struct ax_json *value)
{
    int64_t integer;
    if (ax_json_kind(value) == AX_JSON_KIND_STRING)
        (void)ax_buf_append_str(out, ax_json_str(value));
    else if (ax_json_to_i64(value, &integer))
        ax_json_put_i64(out, integer);
    else
        ax_json_put_value(out, value);
}

void ax_json_put_key(struct ax_buf *out, const char *key)
{
    assert(out && key);
    if (out->len && out->ptr[out->len - 1] != '{')
        (void)ax_buf_append_char(out, ',');
    ax_json_put_str(out, ax_str_from(key));
    (void)ax_buf_append_char(out, ':');
}

void ax_json_put_member(struct ax_buf *out, const char *key, struct ax_str text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, text);
}

void ax_json_put_member_u64(struct ax_buf *out, const char *key, uint64_t value)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, value);
}

void ax_json_put_member_bool(struct ax_buf *out, const char *key, bool value)
{
    ax_json_put_key(out, key);
    ax_json_put_bool(out, value);
}

void ax_json_begin_item(struct ax_buf *out)
{
    assert(out);
    if (out->len && out->ptr[out->len - 1] != '[')
        (void)ax_buf_append_char(out, ',');
    (void)ax_buf_append_char(out, '{');
}
