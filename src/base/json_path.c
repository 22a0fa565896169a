/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a path down a text: of each object and array on the way, what stands in front of the
 * wanted element is skipped, and then it is the next to look into. The rest of the text is read,
 * too, so that whether a text is JSON does not depend on where the path ends.
 */
#include "base/json_path.h"
#include "base/alloc.h"
#include "base/json_reader.h"

#include <assert.h>
#include <stdlib.h>

#define INDEX_DIGITS_MAX 9

struct path_step {
    struct ax_str name; /* in the path's own text; ptr NULL: an index */
    size_t index;
};

struct ax_json_path {
    char *text; /* owned */
    size_t count;
    struct path_step steps[AX_JSON_PATH_STEPS_MAX];
};

/* ---- Reading a path ---- */

/* The bytes up to one of `stops`, or to the end. */
static struct ax_str take_until(struct ax_str *rest, const char *stops)
{
    struct ax_str taken = { rest->ptr, 0 };
    while (taken.len < rest->len && !(rest->ptr[taken.len] && strchr(stops, rest->ptr[taken.len])))
        taken.len++;
    rest->ptr += taken.len;
    rest->len -= taken.len;
    return taken;
}

static bool take_step(struct ax_str *rest, struct path_step *ret)
{
    if (ax_str_take_char(rest, '[')) {
        struct ax_str digits = take_until(rest, "]");
        uint64_t index;
        if (digits.len > INDEX_DIGITS_MAX || !ax_str_to_u64(digits, &index))
            return false;
        *ret = (struct path_step){ .index = (size_t)index };
        return ax_str_take_char(rest, ']');
    }
    if (!ax_str_take_char(rest, '.'))
        return false;
    bool quoted = ax_str_take_char(rest, '"');
    *ret = (struct path_step){ .name = take_until(rest, quoted ? "\"" : ".[]\"'*? ") };
    return quoted ? ax_str_take_char(rest, '"') : ret->name.len > 0;
}

enum ax_code ax_json_path_new(struct ax_str text, struct ax_json_path **ret_path,
                              struct ax_err *err)
{
    assert((text.ptr || !text.len) && ret_path);
    struct ax_json_path *path = ax_xalloc(sizeof(*path));
    path->text = ax_xmemdup0(text.ptr ? text.ptr : "", text.len);
    struct ax_str rest = { path->text, text.len };
    bool right = ax_str_take_char(&rest, '$');
    while (right && rest.len) {
        right = path->count < AX_JSON_PATH_STEPS_MAX && take_step(&rest, &path->steps[path->count]);
        path->count++;
    }
    if (!right) {
        ax_json_path_free(path);
        return ax_fail(
            err, AX_E_INVALID,
            "JSON path '%.*s': write it like $.name.\"any name\"[0], with at most %d steps",
            AX_STR_ARG(ax_str_cut(text, 80)), AX_JSON_PATH_STEPS_MAX);
    }
    *ret_path = path;
    return AX_OK;
}

void ax_json_path_free(struct ax_json_path *path)
{
    if (!path)
        return;
    free(path->text);
    free(path);
}

/* ---- Walking ---- */

struct path_walk {
    struct ax_json_reader reader;
    struct ax_arena *arena;
    enum ax_code failed;   /* of the arena */
    struct ax_err *err;    /* of the arena */
    struct ax_err ignored; /* what is no JSON is not found, and nobody asks why */
};

static enum ax_json_token walk_read(struct path_walk *walk)
{
    return ax_json_read(&walk->reader, &walk->ignored);
}

/* The string or key that was just read; false when it is none that can be told. */
static bool walk_text(struct path_walk *walk, struct ax_str *ret_text)
{
    struct ax_err err = AX_ERR_INIT;
    enum ax_code code = ax_json_read_text(&walk->reader, walk->arena, ret_text, &err);
    if (code && code != AX_E_INVALID)
        walk->failed = ax_arena_fail(walk->arena, "a text of JSON", walk->err);
    return !code;
}

/* Skip the value whose first token was just read, at `depth` before. */
static bool walk_skip(struct path_walk *walk, unsigned depth)
{
    bool done;
    return !ax_json_skip(&walk->reader, depth, SIZE_MAX, &done, &walk->ignored);
}

static enum ax_json_token walk_to_member(struct path_walk *walk, struct ax_str name)
{
    for (;;) {
        struct ax_str key;
        if (walk_read(walk) != AX_JSON_KEY || !walk_text(walk, &key))
            return AX_JSON_FAILED;
        unsigned depth = walk->reader.depth;
        enum ax_json_token token = walk_read(walk);
        if (ax_str_equals(key, name))
            return token;
        if (token == AX_JSON_FAILED || !walk_skip(walk, depth))
            return AX_JSON_FAILED;
    }
}

static enum ax_json_token walk_to_element(struct path_walk *walk, size_t index)
{
    for (;; index--) {
        unsigned depth = walk->reader.depth;
        enum ax_json_token token = walk_read(walk);
        if (index == 0 || token == AX_JSON_ARRAY_END || token == AX_JSON_FAILED)
            return token == AX_JSON_ARRAY_END ? AX_JSON_FAILED : token;
        if (!walk_skip(walk, depth))
            return AX_JSON_FAILED;
    }
}

/* The first token of what the path leads to, or FAILED. */
static enum ax_json_token walk_down(struct path_walk *walk, const struct ax_json_path *path)
{
    enum ax_json_token token = walk_read(walk);
    for (size_t i = 0; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];
        if (token != (step->name.ptr ? AX_JSON_OBJECT_BEGIN : AX_JSON_ARRAY_BEGIN))
            return AX_JSON_FAILED;
        token =
            step->name.ptr ? walk_to_member(walk, step->name) : walk_to_element(walk, step->index);
    }
    return token;
}

/* NaN, Infinity and -Infinity are tokens of numbers, too. */
static bool is_word(struct ax_str number)
{
    char first = number.ptr[number.ptr[0] == '-'];
    return first == 'N' || first == 'I';
}

/* The text of the value that begins with `token`. */
static bool walk_take(struct path_walk *walk, enum ax_json_token token, struct ax_str *ret_text)
{
    struct ax_json_reader *reader = &walk->reader;
    switch (token) {
    case AX_JSON_STRING:
        return walk_text(walk, ret_text);
    case AX_JSON_NUMBER:
        *ret_text = reader->raw;
        return !is_word(reader->raw);
    case AX_JSON_TRUE:
        *ret_text = AX_STR("true");
        return true;
    case AX_JSON_FALSE:
        *ret_text = AX_STR("false");
        return true;
    case AX_JSON_OBJECT_BEGIN:
    case AX_JSON_ARRAY_BEGIN: {
        const char *begin = reader->text.ptr + reader->at - 1;
        if (!walk_skip(walk, reader->depth - 1))
            return false;
        *ret_text = (struct ax_str){ begin, (size_t)(reader->text.ptr + reader->at - begin) };
        return true;
    }
    case AX_JSON_FAILED:
    case AX_JSON_END:
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_KEY:
    case AX_JSON_NULL:
        break;
    }
    return false;
}

static bool walk_ends_well(struct path_walk *walk)
{
    for (;;) {
        enum ax_json_token token = walk_read(walk);
        if (token == AX_JSON_END || token == AX_JSON_FAILED)
            return token == AX_JSON_END;
    }
}

enum ax_code ax_json_path_find(const struct ax_json_path *path, struct ax_str json,
                               struct ax_arena *arena, bool *ret_found, struct ax_str *ret_text,
                               struct ax_err *err)
{
    assert(path && (json.ptr || !json.len) && arena && ret_found && ret_text);
    struct path_walk walk = { .arena = arena, .err = err, .ignored = AX_ERR_INIT };
    struct ax_str text;
    ax_json_reader_init(&walk.reader, json);
    bool found = walk_take(&walk, walk_down(&walk, path), &text) && walk_ends_well(&walk);
    if (walk.failed)
        return walk.failed;
    if (found)
        *ret_text = text;
    *ret_found = found;
    return AX_OK;
}
