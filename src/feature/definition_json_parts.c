/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions, expectations and whole YAML nodes as canonical JSON.
 */
#include "feature/definition_json.h"

#include "base/alloc.h"
#include "base/json.h"
#include "feature/definition_keys.h"

#include <assert.h>
#include <stdlib.h>

#define EXPRESSION_BYTES_MAX ((size_t)4 << 20) /* what is used twice is printed twice */
#define NODE_DEPTH_MAX       33
#define WHOLE_DOUBLE_MAX     (INT64_C(1) << 53)

void ax_definition_put_expression(struct ax_buf *out, const struct ax_parsed *parsed,
                                  ax_expr_put_input_fn put_name, void *arg)
{
    struct ax_buf text;
    ax_buf_init(&text, EXPRESSION_BYTES_MAX);
    ax_parsed_put_text(&text, parsed, put_name, arg);
    if (text.failed)
        out->failed = text.failed;
    else
        ax_json_put_str(out, ax_buf_str(&text));
    ax_buf_done(&text);
}

void ax_definition_put_duration(struct ax_buf *out, int64_t us)
{
    (void)ax_buf_append_char(out, '"');
    ax_duration_put_text(out, us);
    (void)ax_buf_append_char(out, '"');
}

/* ---- expectations ---- */

static void put_word(struct ax_buf *out, const char *key, int index)
{
    const char *words = ax_definition_key(AX_MAPPING_EXPECTATION, key)->words;
    for (; index; index--)
        words = strchr(words, '|') + 1;
    ax_json_put_key(out, key);
    ax_json_put_str(out, (struct ax_str){ words, strcspn(words, "|") });
}

static void put_column_name(struct ax_buf *out, size_t input, void *arg)
{
    const struct ax_source *source = arg;
    ax_expr_put_name(out, source->columns[input].name);
}

static void put_number(struct ax_buf *out, const char *key, bool is_there, double number)
{
    if (!is_there)
        return;
    ax_json_put_key(out, key);
    ax_json_put_f64(out, number);
}

/* Whole numbers that are doubles are written as such. */
static void put_bound(struct ax_buf *out, const char *key, const struct ax_bound *bound)
{
    if (!bound->is_there || !bound->is_whole ||
        (bound->whole >= -WHOLE_DOUBLE_MAX && bound->whole <= WHOLE_DOUBLE_MAX)) {
        put_number(out, key, bound->is_there, bound->number);
        return;
    }
    ax_json_put_key(out, key);
    ax_json_put_i64(out, bound->whole);
}

static void put_referred(struct ax_buf *out, const struct ax_expectation *expectation)
{
    const struct ax_source *referred = expectation->referred;
    struct ax_buf text;
    ax_buf_init(&text, 1024);
    (void)ax_buf_append_str(&text, referred->name);
    (void)ax_buf_append_char(&text, '.');
    (void)ax_buf_append_str(&text, referred->columns[expectation->referred_column].name);
    ax_json_put_key(out, "refers_to");
    ax_json_put_str(out, ax_buf_str(&text));
    ax_buf_done(&text);
}

void ax_expectation_put_json(struct ax_buf *out, const struct ax_source *source,
                             const struct ax_expectation *expectation)
{
    (void)ax_buf_append_char(out, '{');
    put_word(out, "check", (int)expectation->kind);
    if (expectation->column_count) {
        ax_json_put_key(out, "columns");
        for (size_t i = 0; i < expectation->column_count; i++) {
            (void)ax_buf_append_char(out, i ? ',' : '[');
            ax_json_put_str(out, source->columns[expectation->columns[i]].name);
        }
        (void)ax_buf_append_char(out, ']');
    }
    if (expectation->by_count) {
        ax_json_put_key(out, "by");
        for (size_t i = 0; i < expectation->by_count; i++) {
            (void)ax_buf_append_char(out, i ? ',' : '[');
            ax_json_put_str(out, source->columns[expectation->by[i]].name);
        }
        (void)ax_buf_append_char(out, ']');
    }
    put_bound(out, "min", &expectation->min);
    put_bound(out, "max", &expectation->max);
    if (expectation->set_count) {
        ax_json_put_key(out, "values");
        for (size_t i = 0; i < expectation->set_count; i++) {
            (void)ax_buf_append_char(out, i ? ',' : '[');
            ax_json_put_str(out, expectation->set[i]);
        }
        (void)ax_buf_append_char(out, ']');
    }
    if (expectation->kind == AX_EXPECT_REGEX) {
        ax_json_put_key(out, "pattern");
        ax_json_put_str(out, expectation->pattern);
    }
    if (expectation->kind == AX_EXPECT_FRESHNESS) {
        ax_json_put_key(out, "max_age");
        ax_definition_put_duration(out, expectation->freshness_us);
    }
    if (expectation->referred)
        put_referred(out, expectation);
    if (expectation->expr) {
        const struct ax_parsed parsed = { .root = expectation->expr };
        ax_json_put_key(out, "expr");
        ax_definition_put_expression(out, &parsed, put_column_name, (void *)source);
    }
    put_number(out, "mostly", true, expectation->mostly);
    put_word(out, "do", (int)expectation->action);
    (void)ax_buf_append_char(out, '}');
}

/* ---- YAML ---- */

static void put_scalar(struct ax_buf *out, const struct ax_yaml *node)
{
    struct ax_err ignored = AX_ERR_INIT;
    double number;
    bool truth;
    if (ax_yaml_is_null(node))
        (void)ax_buf_append_str(out, AX_STR("null"));
    else if (!node->quoted && !ax_yaml_bool(node, "", &truth, &ignored))
        ax_json_put_bool(out, truth);
    else if (!node->quoted && !strchr(node->text.ptr, 'i') && !strchr(node->text.ptr, 'n') &&
             (ax_err_clear(&ignored), !ax_yaml_f64(node, "", &number, &ignored)))
        (void)ax_buf_append_str(out, node->text);
    else
        ax_json_put_str(out, node->text);
}

/* A collection that is being printed: its children in their order. */
struct open_node {
    const struct ax_yaml **children;
    size_t count, at;
    bool is_map;
};

static int compare_keys(const void *a, const void *b)
{
    const struct ax_yaml *const *left = a, *const *right = b;
    return ax_str_compare((*left)->key, (*right)->key);
}

static struct open_node open_node(struct ax_buf *out, const struct ax_yaml *node,
                                  const char *skipped)
{
    struct open_node open = { .is_map = node->kind == AX_YAML_MAP };
    open.children = ax_xalloc((node->count + 1) * sizeof(open.children[0]));
    for (const struct ax_yaml *child = node->first; child; child = child->next)
        if (!skipped || !ax_str_is(child->key, skipped))
            open.children[open.count++] = child;
    if (open.is_map)
        qsort(open.children, open.count, sizeof(open.children[0]), compare_keys);
    (void)ax_buf_append_char(out, open.is_map ? '{' : '[');
    return open;
}

void ax_definition_put_node(struct ax_buf *out, const struct ax_yaml *node, const char *skipped)
{
    struct open_node stack[NODE_DEPTH_MAX];
    size_t depth = 0;
    assert(out);
    if (!node || node->kind == AX_YAML_SCALAR) {
        if (node)
            put_scalar(out, node);
        else
            (void)ax_buf_append_str(out, AX_STR("null"));
        return;
    }
    stack[depth++] = open_node(out, node, skipped);
    while (depth) {
        struct open_node *open = &stack[depth - 1];
        if (open->at == open->count) {
            (void)ax_buf_append_char(out, open->is_map ? '}' : ']');
            free(open->children);
            depth--;
            continue;
        }
        const struct ax_yaml *child = open->children[open->at++];
        if (open->is_map)
            ax_json_put_key(out, child->key.ptr);
        else if (open->at > 1)
            (void)ax_buf_append_char(out, ',');
        if (child->kind == AX_YAML_SCALAR) {
            put_scalar(out, child);
        } else {
            assert(depth < NODE_DEPTH_MAX); /* base/yaml reads no deeper. */
            stack[depth++] = open_node(out, child, NULL);
        }
    }
}
