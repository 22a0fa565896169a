/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: YAML of the configuration.
 *
 * What is accepted must keep the promises of base/yaml.h: counts and depth in bounds, UTF-8 texts
 * that end in NUL, keys once in their mapping, places inside the text. What is refused must name
 * the file. Every scalar then goes through the typed readers.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 32

static void check_text(struct ax_str text)
{
    assert(text.ptr && text.ptr[text.len] == '\0' && strlen(text.ptr) == text.len);
    assert(ax_str_is_utf8(text));
}

static void check_scalar(const struct ax_yaml *node)
{
    struct ax_err err = AX_ERR_INIT;
    bool flag;
    int64_t whole;
    double real;
    struct ax_str text;
    check_text(node->text);
    (void)!ax_yaml_bool(node, "x", &flag, &err);
    ax_err_clear(&err);
    bool is_whole = !ax_yaml_i64(node, "x", &whole, &err);
    ax_err_clear(&err);
    bool is_real = !ax_yaml_f64(node, "x", &real, &err);
    assert(!is_whole || (is_real && (double)whole == real));
    ax_err_clear(&err);
    (void)!ax_yaml_str(node, "x", &text, &err);
}

static void check_node(const struct ax_yaml *node, const struct ax_yaml *parent)
{
    assert(node->line >= 1 && node->column >= 1);
    if (parent && parent->kind == AX_YAML_MAP) {
        check_text(node->key);
        assert(ax_yaml_get(parent, node->key.ptr) == node);
    }
    if (node->kind == AX_YAML_SCALAR) {
        assert(!node->first && !node->count);
        check_scalar(node);
    }
}

static void check_tree(const struct ax_yaml *root)
{
    const struct ax_yaml *path[DEPTH_MAX + 1];
    size_t depth = 0;
    const struct ax_yaml *node = root;
    while (node) {
        check_node(node, depth ? path[depth - 1] : NULL);
        size_t count = 0;
        for (const struct ax_yaml *child = node->first; child; child = child->next)
            count++;
        assert(count == node->count);
        if (node->first) {
            assert(depth < DEPTH_MAX);
            path[depth++] = node;
            node = node->first;
            continue;
        }
        while (!node->next && depth)
            node = path[--depth];
        node = depth ? node->next : NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_arena arena;
    struct ax_yaml *root = NULL;
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(&arena, 4096, 16 << 20);
    struct ax_str text = { (const char *)data, size };
    if (ax_yaml_parse(text, "auspex.yaml", &arena, &root, &err)) {
        assert(strstr(err.msg, "auspex.yaml") && !root);
    } else {
        assert(!err.code);
        check_tree(root);
    }
    ax_arena_done(&arena);
    return 0;
}
