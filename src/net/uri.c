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

static enum ax_code uri_decode(struct ax_str text, struct ax_arena *arena, struct ax_str *ret_path,
                               struct ax_err *err)
{
    char *path = ax_arena_alloc(arena, text.len, 1);
    if (!path)
        return ax_arena_fail(arena, "the path", err);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 1 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ax_fail(err, AX_E_INVALID, "the path has a '%%' without two hex digits");
            if (!high && !low)
                return ax_fail(err, AX_E_INVALID, "the path has a NUL (%%00)");
            c = (char)(high * 16 + low);
            i += 2;
        }
        path[len++] = c;
    }
    *ret_path = (struct ax_str){ path, len };
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
        enum ax_code code = uri_decode(path, arena, &uri.path, err);
        if (code)
            return code;
    }
    *ret_uri = uri;
    return AX_OK;
}
