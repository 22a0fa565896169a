/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {"command":"apply","who":"ana@host","typed":"auspex apply flights","folder":"/home/ana",
 * "arguments":["--force=false","flights"]}: each member once, in any order.
 */
#include "server/control_request.h"

#include "base/json.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    { "command", offsetof(struct ax_control_request, command) },
    { "who", offsetof(struct ax_control_request, who) },
    { "typed", offsetof(struct ax_control_request, typed) },
    { "folder", offsetof(struct ax_control_request, folder) },
};
#define ARGUMENTS "arguments"

static const char **text_at(struct ax_control_request *request, size_t at)
{
    return (const char **)(void *)((char *)request + texts[at].offset);
}

/* A JSON string as C has it; `what` names it. */
static enum ax_code take_text(const struct ax_json *value, const char *what, struct ax_arena *arena,
                              char **ret_text, struct ax_err *err)
{
    struct ax_str text = ax_json_str(value);
    if (ax_json_kind(value) != AX_JSON_KIND_STRING)
        return ax_fail(err, AX_E_INVALID, "'%s' is not a text", what);
    if (text.len && memchr(text.ptr, '\0', text.len))
        return ax_fail(err, AX_E_INVALID, "'%s' holds a NUL", what);
    char *copy = ax_arena_strdup(arena, text);
    if (!copy)
        return ax_arena_fail(arena, "a request", err);
    *ret_text = copy;
    return AX_OK;
}

static enum ax_code take_arguments(const struct ax_json *value, struct ax_arena *arena,
                                   struct ax_control_request *request, struct ax_err *err)
{
    size_t count = ax_json_count(value);
    if (ax_json_kind(value) != AX_JSON_KIND_ARRAY)
        return ax_fail(err, AX_E_INVALID, "'" ARGUMENTS "' is not a list");
    if (count > AX_CONTROL_ARGUMENTS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %d arguments", AX_CONTROL_ARGUMENTS_MAX);
    request->argv = ax_arena_zalloc(arena, count + 2, sizeof(request->argv[0]));
    if (!request->argv)
        return ax_arena_fail(arena, "a request", err);
    request->argc = 1;
    struct ax_json_iter iter = ax_json_iterate(value);
    while ((value = ax_json_next(&iter)))
        if (take_text(value, ARGUMENTS, arena, &request->argv[request->argc++], err))
            return err->code;
    return AX_OK;
}

/* A member that is there twice is met twice. */
static enum ax_code take_member(struct ax_str key, const struct ax_json *value,
                                struct ax_arena *arena, struct ax_control_request *request,
                                struct ax_err *err)
{
    char *text;
    if (ax_str_is(key, ARGUMENTS) && !request->argv)
        return take_arguments(value, arena, request, err);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        if (!ax_str_is(key, texts[i].name) || *text_at(request, i))
            continue;
        if (!take_text(value, texts[i].name, arena, &text, err))
            *text_at(request, i) = text;
        return err->code;
    }
    return ax_fail(err, AX_E_INVALID, "a request has no member '%.*s', or has it once",
                   AX_STR_ARG(ax_str_cut(key, 60)));
}

static enum ax_code check_whole(struct ax_control_request *request, struct ax_err *err)
{
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        if (!*text_at(request, i))
            return ax_fail(err, AX_E_INVALID, "'%s' is missing", texts[i].name);
    if (!request->argv)
        return ax_fail(err, AX_E_INVALID, "'" ARGUMENTS "' is missing");
    if (request->folder[0] != '/')
        return ax_fail(err, AX_E_INVALID, "'folder' is no absolute path");
    return AX_OK;
}

static enum ax_code take_members(const struct ax_json *root, struct ax_arena *arena,
                                 struct ax_control_request *request, struct ax_err *err)
{
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "not an object");
    const struct ax_json *value;
    struct ax_json_iter iter = ax_json_iterate(root);
    while ((value = ax_json_next(&iter)))
        if (take_member(iter.key, value, arena, request, err))
            return err->code;
    return check_whole(request, err);
}

enum ax_code ax_control_request_parse(struct ax_str line, struct ax_arena *arena,
                                      struct ax_control_request *ret_request, struct ax_err *err)
{
    assert((line.ptr || !line.len) && arena && ret_request && err);
    struct ax_control_request request = { 0 };
    struct ax_json_doc *doc;
    if (!ax_json_parse(line, &doc, err)) {
        if (!take_members(ax_json_root(doc), arena, &request, err))
            *ret_request = request;
        ax_json_free(doc);
    }
    return err->code ? ax_err_context(err, "the request") : AX_OK;
}

/* ---- print ---- */

static enum ax_code check_utf8(const char *text, struct ax_err *err)
{
    if (ax_str_is_utf8(ax_str_from(text)))
        return AX_OK;
    return ax_fail(err, AX_E_INVALID, "'%s' is not UTF-8, and cannot be told to the server", text);
}

enum ax_code ax_control_request_put(const struct ax_control_request *request, struct ax_buf *out,
                                    struct ax_err *err)
{
    assert(request && out && err);
    struct ax_control_request copy = *request;
    (void)ax_buf_append_char(out, '{');
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        const char *text = *text_at(&copy, i);
        if (check_utf8(text, err))
            return err->code;
        ax_json_put_member(out, texts[i].name, ax_str_from(text));
    }
    ax_json_put_key(out, ARGUMENTS);
    (void)ax_buf_append_char(out, '[');
    for (int i = 1; i < request->argc; i++) {
        if (check_utf8(request->argv[i], err))
            return err->code;
        if (i > 1)
            (void)ax_buf_append_char(out, ',');
        ax_json_put_str(out, ax_str_from(request->argv[i]));
    }
    (void)ax_buf_append_str(out, AX_STR("]}\n"));
    return ax_buf_check(out, "the request", err);
}
