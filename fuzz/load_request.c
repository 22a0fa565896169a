/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the bodies of loads and unloads, and base64.
 *
 * What is accepted must be safe to write: every path is taken by the check of paths and leads down
 * from its folder by itself; files come with a configuration only, and no path comes twice. Beside
 * it an independent reader (the tree of base/json) must accept the body, too, but for what only it
 * looks at in members that are passed over, and find the same configuration. Base64 decoded in two
 * pieces is base64 decoded in one.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/load_request.h"

#include "base/base64.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct ax_str path)
{
    struct ax_err err = AX_ERR_INIT;
    assert(ax_override_check_path(path, &err) == AX_OK);
    assert(path.len && path.ptr[0] >= '1' && path.ptr[0] <= '9');
    assert(!memchr(path.ptr, 0, path.len) && memchr(path.ptr, '/', path.len));
    assert(!memmem(path.ptr, path.len, "/.", 2) && !memmem(path.ptr, path.len, "//", 2));
    assert(path.ptr[path.len - 1] != '/');
}

/* The two things that the pull reader reports only when asked for the value
 * (docs/internals/json.md), and nobody asks for those of other members. */
static bool is_tolerated(const struct ax_err *err)
{
    return strstr(err->msg, "the number is too large") || strstr(err->msg, "surrogate");
}

static void check_tree(struct ax_str body, const struct ax_load_request *request)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc;
    if (ax_json_parse(body, &doc, &err)) {
        assert(is_tolerated(&err));
        ax_err_clear(&err);
        return;
    }
    const struct ax_json *parameters = ax_json_get(ax_json_root(doc), "parameters");
    struct ax_str config = ax_json_str(ax_json_get(parameters, "config"));
    assert(ax_str_equals(config, request->config));
    assert(ax_json_count(parameters) == request->file_count + (config.len > 0));
    ax_json_free(doc);
}

static void check_base64(struct ax_str text)
{
    size_t cut = text.len / 8 * 4;
    char *whole = malloc(text.len + 1), *parts = malloc(text.len + 1);
    size_t len = 0, first = 0, second = 0;
    assert(whole && parts);
    bool is_good = ax_base64_decode(text, true, whole, &len);
    bool is_good_cut =
        ax_base64_decode((struct ax_str){ text.ptr, cut }, cut == text.len, parts, &first) &&
        ax_base64_decode((struct ax_str){ text.ptr + cut, text.len - cut }, true, parts + first,
                         &second);
    assert(is_good == is_good_cut);
    if (is_good)
        assert(len == first + second && memcmp(whole, parts, len) == 0);
    free(whole);
    free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_str body = { (const char *)data, size };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_load_request request;
    bool dependents;
    ax_arena_init(&arena, 4096, 1 << 20);
    if (!ax_load_request_parse(body, &arena, &request, &err)) {
        assert(!request.file_count || request.config.len);
        for (size_t i = 0; i < request.file_count; i++) {
            check_path(request.files[i].path);
            check_base64(request.files[i].bytes);
            for (size_t k = 0; k < i; k++)
                assert(!ax_str_equals(request.files[i].path, request.files[k].path));
        }
        if (size)
            check_tree(body, &request);
    }
    ax_arena_done(&arena);
    ax_err_clear(&err);
    (void)!ax_unload_request_parse(body, &dependents, &err);
    check_base64(body);
    return 0;
}
