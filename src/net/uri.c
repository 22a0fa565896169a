/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting and percent-decoding of targets. A path without '%' is not copied.
 */
#include "net/uri.h"

#include <assert.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* `what` it is a part of: a path, or a query, in which '+' is a space. */
static enum ax_code uri_decode(struct ax_str text, const char *what, bool is_query,
                               struct ax_arena *arena, struct ax_str *ret_text, struct ax_err *err)
{
    char *decoded = ax_arena_alloc(arena, text.len, 1);
    if (!decoded)
        return ax_arena_fail(arena, what, err);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && is_query)
            c = ' ';
        if (c == '%') {
            int high = i + 1 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ax_fail(err, AX_E_INVALID, "%s has a '%%' without two hex digits", what);
            if (!high && !low)
                return ax_fail(err, AX_E_INVALID, "%s has a NUL (%%00)", what);
            c = (char)(high * 16 + low);
            i += 2;
        }
        decoded[len++] = c;
    }
    *ret_text = (struct ax_str){ decoded, len };
    return AX_OK;
}

/* Behind "scheme://host", where there is one; NULL when that is not followed by a path. */
static const char *uri_origin_end(struct ax_str text)
{
    if (text.len && text.ptr[0] == '/')
        return text.ptr;
    if (ax_str_is(text, "*"))
        return text.ptr;
    const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
    const char *end = text.ptr + text.len;
    if (!colon || end - colon < 3 || colon[1] != '/' || colon[2] != '/')
        return NULL;
    return memchr(colon + 3, '/', (size_t)(end - colon - 3));
}

enum ax_code ax_uri_parse(struct ax_str text, struct ax_arena *arena, struct ax_uri *ret_uri,
                          struct ax_err *err)
{
    assert((text.ptr || !text.len) && arena && ret_uri && err);
    const char *begin = uri_origin_end(text);
    if (!begin)
        return ax_fail(err, AX_E_INVALID, "the target is no path");
    struct ax_str path = { begin, (size_t)(text.ptr + text.len - begin) };
    if (memchr(path.ptr, '#', path.len))
        return ax_fail(err, AX_E_INVALID, "the target has a fragment ('#')");

    struct ax_uri uri = { .query = { text.ptr + text.len, 0 } };
    const char *question = memchr(path.ptr, '?', path.len);
    if (question) {
        uri.query = (struct ax_str){ question + 1, path.len - (size_t)(question + 1 - begin) };
        path.len = (size_t)(question - begin);
    }
    uri.path = path;
    if (memchr(path.ptr, '%', path.len)) {
        enum ax_code code = uri_decode(path, "the path", false, arena, &uri.path, err);
        if (code)
            return code;
    }
    *ret_uri = uri;
    return AX_OK;
}

/* What stands before `mark`, which is taken off with it. */
static struct ax_str take_before(struct ax_str *text, char mark)
{
    const char *end = text->len ? memchr(text->ptr, mark, text->len) : NULL;
    size_t len = end ? (size_t)(end - text->ptr) : text->len;
    struct ax_str part = { text->ptr, len };
    size_t gone = len + (end != NULL);
    *text = (struct ax_str){ text->ptr + gone, text->len - gone };
    return part;
}

enum ax_code ax_uri_take_parameter(struct ax_str *query, struct ax_arena *arena,
                                   struct ax_str *ret_name, struct ax_str *ret_value,
                                   bool *ret_taken, struct ax_err *err)
{
    assert(query && arena && ret_name && ret_value && ret_taken && err);
    struct ax_str value = { "", 0 };
    while (!value.len && query->len)
        value = take_before(query, '&');
    *ret_taken = value.len > 0;
    if (!value.len)
        return AX_OK;
    struct ax_str name = take_before(&value, '=');
    if (uri_decode(name, "the query", true, arena, &name, err) ||
        uri_decode(value, "the query", true, arena, &value, err))
        return err->code;
    *ret_name = name;
    *ret_value = value;
    return AX_OK;
}
