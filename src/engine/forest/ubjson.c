/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UBJSON (draft 12, ubjson.org) into a tree of values.
 *
 * A value is a marker byte and its payload, all numbers big-endian: Z null, T and F booleans,
 * i U I l L integers of 1 to 8 bytes, d and D floats, S a text with its length in front, '['…']'
 * and '{'…'}' containers. A container may announce its number of elements ('#' and an integer) and
 * then has no closing marker; an array may announce a common type as well ('$' marker, then '#'),
 * and then its elements are bare payloads: the only form in which long arrays come, and one that
 * becomes one value here without being touched. A length is compared with what is left of the file
 * before anything is made of it.
 *
 * Not read, since XGBoost writes none of them: no-op bytes, characters (C), high-precision numbers
 * (H), maps of one type, arrays of one type that is no number.
 */
#include "engine/forest/document.h"

#include <assert.h>

struct ubjson {
    struct ax_document *document;
    const char *begin;
    const char *at;
    const char *end;
    struct ax_document_path path;
    /* For each open container: elements still to come, or UBJSON_UNTIL_CLOSED. */
    uint64_t left[AX_DOCUMENT_DEPTH_MAX];
};

#define UBJSON_UNTIL_CLOSED UINT64_MAX

static enum ax_code ubjson_fail(const struct ubjson *u, const char *what, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "UBJSON: %s at byte %zu", what, (size_t)(u->at - u->begin));
}

static size_t ubjson_left(const struct ubjson *u)
{
    return (size_t)(u->end - u->at);
}

/* An integer behind its marker, for lengths and counts. */
static enum ax_code ubjson_length(struct ubjson *u, size_t *ret, struct ax_err *err)
{
    if (!ubjson_left(u))
        return ubjson_fail(u, "the file ends where a length belongs", err);
    unsigned char marker = (unsigned char)*u->at;
    size_t size = ax_ubjson_number_size(marker);
    if (!size || marker == 'd' || marker == 'D')
        return ubjson_fail(u, "no integer where a length belongs", err);
    if (ubjson_left(u) - 1 < size)
        return ubjson_fail(u, "the file ends inside a length", err);
    struct ax_value number = { .kind = AX_VALUE_NUMBER,
                               .form = marker,
                               .raw = { u->at + 1, size } };
    int64_t length;
    if (!ax_value_to_i64(&number, &length) || length < 0)
        return ubjson_fail(u, "a negative length", err);
    u->at += 1 + size;
    *ret = (size_t)length;
    return AX_OK;
}

static enum ax_code ubjson_text(struct ubjson *u, struct ax_str *ret, struct ax_err *err)
{
    size_t length;
    if (ubjson_length(u, &length, err))
        return err->code;
    if (length > ubjson_left(u))
        return ubjson_fail(u, "a text longer than the file", err);
    *ret = (struct ax_str){ u->at, length };
    u->at += length;
    return AX_OK;
}

/* Behind '[' or '{' of `value`: the optional type and count. */
static enum ax_code ubjson_container(struct ubjson *u, struct ax_value *value, struct ax_err *err)
{
    uint64_t *left = &u->left[u->path.depth - 1];
    *left = UBJSON_UNTIL_CLOSED;
    value->form = AX_VALUE_FORM_MARKED;
    value->raw.ptr = u->at;
    unsigned char type = 0;
    if (ubjson_left(u) >= 2 && *u->at == '$') {
        type = (unsigned char)u->at[1];
        if (value->kind == AX_VALUE_MAP || !ax_ubjson_number_size(type))
            return ubjson_fail(u, "a container of one type that is not an array of numbers", err);
        u->at += 2;
        if (!ubjson_left(u) || *u->at != '#')
            return ubjson_fail(u, "a type without a count", err);
    }
    if (!ubjson_left(u) || *u->at != '#')
        return AX_OK;
    u->at++;
    size_t count;
    if (ubjson_length(u, &count, err))
        return err->code;
    size_t bytes_each = type ? ax_ubjson_number_size(type) : 1;
    if (count > ubjson_left(u) / bytes_each)
        return ubjson_fail(u, "more elements than the file has bytes", err);
    value->raw.ptr = u->at;
    *left = count;
    if (type) {
        value->form = type;
        value->count = count;
        value->raw.len = count * bytes_each;
        u->at += value->raw.len;
        *left = 0;
    }
    return AX_OK;
}

static enum ax_code ubjson_value(struct ubjson *u, struct ax_str key, struct ax_err *err)
{
    const char *start = u->at;
    unsigned char marker = (unsigned char)*u->at++;
    size_t number_size = ax_ubjson_number_size(marker);
    if (number_size > ubjson_left(u))
        return ubjson_fail(u, "the file ends inside a number", err);
    bool is_number = number_size || marker == 'T' || marker == 'F';
    if (is_number && ax_document_add_number(u->document, &u->path)) {
        u->at += number_size;
        return AX_OK;
    }
    enum ax_value_kind kind;
    if (number_size)
        kind = AX_VALUE_NUMBER;
    else if (marker == 'T' || marker == 'F')
        kind = AX_VALUE_BOOL;
    else if (marker == 'Z')
        kind = AX_VALUE_NULL;
    else if (marker == 'S')
        kind = AX_VALUE_TEXT;
    else if (marker == '[')
        kind = AX_VALUE_NUMBERS;
    else if (marker == '{')
        kind = AX_VALUE_MAP;
    else {
        u->at = start;
        return ubjson_fail(u, "an unknown marker", err);
    }
    struct ax_value *value;
    if (ax_document_add(u->document, &u->path, kind, key, &value, err))
        return err->code;
    if (ax_value_is_container(kind))
        return ubjson_container(u, value, err);
    value->is_true = marker == 'T';
    if (kind == AX_VALUE_TEXT)
        return ubjson_text(u, &value->raw, err);
    value->form = marker;
    value->raw = (struct ax_str){ u->at, number_size };
    u->at += number_size;
    return AX_OK;
}

/* Close every container that is complete. */
static enum ax_code ubjson_close(struct ubjson *u, struct ax_err *err)
{
    while (u->path.depth) {
        unsigned top = u->path.depth - 1;
        struct ax_value *value = &u->document->values[u->path.open[top].value];
        bool counted = u->left[top] != UBJSON_UNTIL_CLOSED;
        if (counted && u->left[top] > 0)
            return AX_OK;
        if (!counted) {
            char closing = value->kind == AX_VALUE_MAP ? '}' : ']';
            if (!ubjson_left(u) || *u->at != closing)
                return AX_OK;
        }
        if (value->form == AX_VALUE_FORM_MARKED)
            value->raw.len = (size_t)(u->at - value->raw.ptr);
        u->at += !counted;
        if (ax_document_close(u->document, &u->path, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_document_read_ubjson(struct ax_document *document, struct ax_str bytes,
                                     struct ax_err *err)
{
    assert(document && bytes.ptr && err);
    struct ubjson u = {
        .document = document, .begin = bytes.ptr, .at = bytes.ptr, .end = bytes.ptr + bytes.len
    };
    do {
        if (!ubjson_left(&u))
            return ubjson_fail(&u, "the file ends too early", err);
        struct ax_str key = { 0 };
        if (u.path.depth) {
            unsigned top = u.path.depth - 1;
            if (u.left[top] != UBJSON_UNTIL_CLOSED)
                u.left[top]--;
            bool in_map = document->values[u.path.open[top].value].kind == AX_VALUE_MAP;
            if (in_map && ubjson_text(&u, &key, err))
                return err->code;
            if (!ubjson_left(&u))
                return ubjson_fail(&u, "the file ends too early", err);
        }
        if (ubjson_value(&u, key, err) || ubjson_close(&u, err))
            return err->code;
    } while (u.path.depth);
    if (ubjson_left(&u))
        return ubjson_fail(&u, "more bytes behind the end", err);
    return AX_OK;
}
