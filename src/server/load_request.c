/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By the pull reader, since a tree of the body would copy all of it: a body is an object, of which
 * `parameters` is read, and that is an object whose members are texts.
 */
#include "server/load_request.h"

#include "base/json.h"
#include "base/json_reader.h"

#include <assert.h>

#define FILE_PREFIX AX_STR("file:")
/* Parsed in one go and into a tree, and never in need of more. */
#define UNLOAD_BODY_MAX 65536

struct parser {
    struct ax_json_reader reader;
    struct ax_arena *arena;
    struct ax_load_request *request;
    bool has_parameters, has_config;
};

/* Read the next key of an object; *ret_key has a NULL pointer at the object's end. */
static enum ax_code parser_key(struct parser *parser, struct ax_str *ret_key, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&parser->reader, err);
    *ret_key = (struct ax_str){ NULL, 0 };
    if (token == AX_JSON_FAILED || token == AX_JSON_OBJECT_END)
        return err->code;
    assert(token == AX_JSON_KEY);
    return ax_json_read_text(&parser->reader, parser->arena, ret_key, err);
}

static enum ax_code parser_expect(struct parser *parser, enum ax_json_token wanted,
                                  const char *what, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&parser->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != wanted)
        return ax_fail(err, AX_E_INVALID, "%s must be %s, not %s", what, ax_json_token_text(wanted),
                       ax_json_token_text(token));
    return AX_OK;
}

static enum ax_code parser_skip(struct parser *parser, struct ax_err *err)
{
    unsigned depth = parser->reader.depth;
    bool done = false;
    if (ax_json_read(&parser->reader, err) == AX_JSON_FAILED)
        return err->code;
    while (!done)
        if (ax_json_skip(&parser->reader, depth, SIZE_MAX, &done, err))
            return err->code;
    return AX_OK;
}

static enum ax_code parser_text(struct parser *parser, const char *what, struct ax_str *ret_text,
                                struct ax_err *err)
{
    return parser_expect(parser, AX_JSON_STRING, what, err)
               ? err->code
               : ax_json_read_text(&parser->reader, parser->arena, ret_text, err);
}

static enum ax_code parse_file(struct parser *parser, struct ax_str path, struct ax_err *err)
{
    struct ax_load_request *request = parser->request;
    if (ax_override_check_path(path, err))
        return err->code;
    for (size_t i = 0; i < request->file_count; i++)
        if (ax_str_equals(request->files[i].path, path))
            return ax_fail(err, AX_E_INVALID, "'file:%.*s' is there twice",
                           AX_STR_ARG(ax_str_cut(path, 64)));
    if (request->file_count == AX_OVERRIDE_FILES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "over %d files", AX_OVERRIDE_FILES_MAX);
    if (!request->files)
        request->files =
            ax_arena_alloc(parser->arena, AX_OVERRIDE_FILES_MAX, sizeof(*request->files));
    if (!request->files)
        return ax_arena_fail(parser->arena, "the files", err);
    struct ax_override_file *file = &request->files[request->file_count];
    *file = (struct ax_override_file){ .path = path, .is_base64 = true };
    if (parser_text(parser, "a file", &file->bytes, err))
        return err->code;
    request->file_count++;
    return AX_OK;
}

static enum ax_code parse_config(struct parser *parser, struct ax_err *err)
{
    if (parser->has_config)
        return ax_fail(err, AX_E_INVALID, "'config' is there twice");
    parser->has_config = true;
    if (parser_text(parser, "'config'", &parser->request->config, err))
        return err->code;
    if (!parser->request->config.len)
        return ax_fail(err, AX_E_INVALID, "'config' is empty: it is a model configuration as JSON");
    return AX_OK;
}

static enum ax_code parse_parameter(struct parser *parser, struct ax_str key, struct ax_err *err)
{
    struct ax_str prefix = FILE_PREFIX;
    if (ax_str_is(key, "config"))
        return parse_config(parser, err);
    if (ax_str_starts_with(key, prefix))
        return parse_file(parser, (struct ax_str){ key.ptr + prefix.len, key.len - prefix.len },
                          err);
    return ax_fail(err, AX_E_INVALID,
                   "unexpected parameter '%.*s': a load takes 'config' and 'file:VERSION/NAME'",
                   AX_STR_ARG(ax_str_cut(key, 64)));
}

static enum ax_code parse_parameters(struct parser *parser, struct ax_err *err)
{
    struct ax_str key;
    if (parser->has_parameters)
        return ax_fail(err, AX_E_INVALID, "'parameters' is there twice");
    parser->has_parameters = true;
    if (parser_expect(parser, AX_JSON_OBJECT_BEGIN, "'parameters'", err))
        return err->code;
    do {
        if (parser_key(parser, &key, err) || (key.ptr && parse_parameter(parser, key, err)))
            return err->code;
    } while (key.ptr);
    if (parser->request->file_count && !parser->has_config)
        return ax_fail(err, AX_E_INVALID, "'file:…' needs 'config': \"{}\" when nothing differs");
    return AX_OK;
}

enum ax_code ax_load_request_parse(struct ax_str body, struct ax_arena *arena,
                                   struct ax_load_request *ret_request, struct ax_err *err)
{
    assert((body.ptr || !body.len) && arena && ret_request && err);
    struct ax_load_request request = { 0 };
    struct parser parser = { .arena = arena, .request = &request };
    struct ax_str key = AX_STR("");
    ax_json_reader_init(&parser.reader, body);
    if (body.len && parser_expect(&parser, AX_JSON_OBJECT_BEGIN, "the body", err))
        return err->code;
    while (body.len && key.ptr) {
        if (parser_key(&parser, &key, err))
            return err->code;
        if (key.ptr && (ax_str_is(key, "parameters") ? parse_parameters(&parser, err)
                                                     : parser_skip(&parser, err)))
            return err->code;
    }
    if (body.len && ax_json_read(&parser.reader, err) == AX_JSON_FAILED)
        return err->code;
    *ret_request = request;
    return AX_OK;
}

enum ax_code ax_unload_request_parse(struct ax_str body, bool *ret_unload_dependents,
                                     struct ax_err *err)
{
    assert((body.ptr || !body.len) && ret_unload_dependents && err);
    struct ax_json_doc *doc;
    if (body.len == 0) {
        *ret_unload_dependents = false;
        return AX_OK;
    }
    if (body.len > UNLOAD_BODY_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the body has more than %d bytes", UNLOAD_BODY_MAX);
    if (ax_json_parse(body, &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    const struct ax_json *parameters = ax_json_get(root, "parameters");
    const struct ax_json *dependents = ax_json_get(parameters, "unload_dependents");
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        (void)ax_fail(err, AX_E_INVALID, "the body must be an object");
    else if (parameters && ax_json_kind(parameters) != AX_JSON_KIND_OBJECT)
        (void)ax_fail(err, AX_E_INVALID, "'parameters' must be an object");
    else if (dependents && ax_json_kind(dependents) != AX_JSON_KIND_BOOL)
        (void)ax_fail(err, AX_E_INVALID,
                      "Invalid value for 'unload_dependents': expected a boolean");
    else
        *ret_unload_dependents = ax_json_is_true(dependents);
    ax_json_free(doc);
    return err->code;
}
