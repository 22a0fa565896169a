/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a path, a line end, and a text of JSON. What the other reader takes is found by "$",
 * unless it is null or no finite number. What is found is UTF-8, and an object or an array is found
 * in itself again. (The other way round does not hold: a number that no float64 can be is JSON, but
 * the other reader has to make one of it.)
 */
#include "base/json.h"
#include "base/json_path.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool find(const struct ax_json_path *path, struct ax_str json, struct ax_arena *arena,
                 struct ax_str *ret_text)
{
    struct ax_err err = AX_ERR_INIT;
    bool found = false;
    if (ax_json_path_find(path, json, arena, &found, ret_text, &err))
        abort();
    if (found && !ax_str_is_utf8(*ret_text))
        abort();
    return found;
}

static void check_root(struct ax_str json, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_path *root;
    struct ax_json_doc *doc = NULL;
    struct ax_str text, again;
    if (ax_json_path_new(AX_STR("$"), &root, &err))
        abort();
    bool found = find(root, json, arena, &text);
    bool is_json = !ax_json_parse(json, &doc, &err);
    enum ax_json_kind kind = is_json ? ax_json_kind(ax_json_root(doc)) : AX_JSON_KIND_NULL;
    if ((kind == AX_JSON_KIND_BOOL || kind == AX_JSON_KIND_ARRAY || kind == AX_JSON_KIND_OBJECT) &&
        !found)
        abort();
    if (found && kind >= AX_JSON_KIND_ARRAY &&
        (!find(root, text, arena, &again) || !ax_str_equals(text, again)))
        abort();
    ax_json_free(doc);
    ax_json_path_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_path *path = NULL;
    struct ax_str text;
    struct ax_arena arena;
    const uint8_t *end = memchr(data, '\n', size);
    if (!end)
        return 0;
    struct ax_str json = { (const char *)end + 1, size - (size_t)(end + 1 - data) };
    ax_arena_init(&arena, 4096, 4 * size + 4096);
    check_root(json, &arena);
    if (!ax_json_path_new((struct ax_str){ (const char *)data, (size_t)(end - data) }, &path, &err))
        (void)find(path, json, &arena, &text);
    ax_json_path_free(path);
    ax_arena_done(&arena);
    return 0;
}
