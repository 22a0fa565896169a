/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both texts are made into lists of nodes in the order of the text (a node's members follow it),
 * each with its path; a map finds a path on the other side. A node that the other side lacks is a
 * word, and its members are passed over. A scalar with another text is a word. Nodes that are there
 * on both sides but as scalar and list are told whole, as JSON. What is said for people ("notes")
 * has no members that are new as one: each note is a word.
 *
 * The walk keeps its own stack, as deep as the reader of JSON lets a text be.
 */
#include "pipeline/definition_diff.h"

#include "base/json.h"
#include "base/map.h"

#include <assert.h>

#define WORD_TEXT_BYTES_MAX ((size_t)1 << 20)

struct diff_node {
    struct ax_str path;
    struct ax_str text; /* of a scalar; of a list of named elements their names */
    bool is_scalar;
    const struct ax_json *value;
    size_t end; /* of what is inside: the node behind it */
};

struct diff_side {
    struct ax_json_doc *doc;
    struct diff_node *nodes; /* in the arena */
    size_t count, cap;
    struct ax_map by_path; /* -> its node */
};

struct diff {
    struct ax_arena *arena;
    struct ax_buf scratch; /* of the text that is being made */
    struct diff_side before, after;
    struct ax_definition_word *words;
    size_t word_count;
};

/* What was made, in the arena; the scratch buffer is empty again. */
static struct ax_str take_text(struct diff *diff, struct ax_err *err)
{
    struct ax_str text = AX_STR("");
    if (!ax_buf_check(&diff->scratch, "a definition", err) && diff->scratch.len) {
        char *copied = ax_arena_strdup(diff->arena, ax_buf_str(&diff->scratch));
        if (copied)
            text = (struct ax_str){ copied, diff->scratch.len };
        else
            (void)ax_arena_fail(diff->arena, "the changes", err);
    }
    ax_buf_reset(&diff->scratch);
    return text;
}

/* The names of a list's elements, in their order. */
static void put_names(struct ax_buf *out, const struct ax_json *list)
{
    struct ax_json_iter it = ax_json_iterate(list);
    for (const struct ax_json *item; (item = ax_json_next(&it));) {
        struct ax_str name = ax_json_str(ax_json_get(item, "name"));
        if (out->len && name.len)
            (void)ax_buf_append_str(out, AX_STR(", "));
        (void)ax_buf_append_str(out, name);
    }
}

/* What a list or mapping, whose path is `above`, calls one of its values. */
static void put_path(struct ax_buf *out, struct ax_str above, const struct ax_json_iter *it,
                     size_t index, const struct ax_json *value)
{
    struct ax_str name = it->is_object ? it->key : ax_json_str(ax_json_get(value, "name"));
    (void)ax_buf_append_str(out, above);
    if (above.len && name.len)
        (void)ax_buf_append_char(out, '.');
    if (name.len)
        (void)ax_buf_append_str(out, name);
    else
        (void)ax_buf_printf(out, "[%zu]", index);
}

static struct diff_node *add_node(struct diff *diff, struct diff_side *side,
                                  const struct ax_json *value, struct ax_str path,
                                  struct ax_err *err)
{
    if (side->count == side->cap) {
        size_t cap = side->cap ? 2 * side->cap : 64;
        struct diff_node *nodes = ax_arena_alloc(diff->arena, cap, sizeof(*nodes));
        if (!nodes) {
            (void)ax_arena_fail(diff->arena, "the changes", err);
            return NULL;
        }
        if (side->count)
            memcpy(nodes, side->nodes, side->count * sizeof(*nodes));
        side->nodes = nodes;
        side->cap = cap;
    }
    enum ax_json_kind kind = ax_json_kind(value);
    struct diff_node *node = &side->nodes[side->count++];
    *node = (struct diff_node){ .path = path,
                                .value = value,
                                .is_scalar =
                                    kind != AX_JSON_KIND_OBJECT && kind != AX_JSON_KIND_ARRAY };
    if (node->is_scalar)
        ax_json_put_plain(&diff->scratch, value); /* so that 1.0 is 1 */
    else if (kind == AX_JSON_KIND_ARRAY)
        put_names(&diff->scratch, value);
    node->text = take_text(diff, err);
    return node;
}

/* A list or mapping that is being walked through. */
struct diff_level {
    struct ax_json_iter it;
    size_t node; /* its own */
    size_t index;
};

static void enter(struct diff_level *levels, size_t *depth, const struct ax_json *value,
                  size_t node)
{
    assert(*depth < AX_JSON_DEPTH_MAX + 1);
    levels[(*depth)++] = (struct diff_level){ .it = ax_json_iterate(value), .node = node };
}

static void walk(struct diff *diff, struct diff_side *side, struct ax_err *err)
{
    struct diff_level levels[AX_JSON_DEPTH_MAX + 1];
    size_t depth = 0;
    const struct ax_json *root = ax_json_root(side->doc);
    if (add_node(diff, side, root, AX_STR(""), err))
        enter(levels, &depth, root, 0);
    while (depth && !err->code) {
        struct diff_level *level = &levels[depth - 1];
        const struct ax_json *value = ax_json_next(&level->it);
        if (!value) {
            side->nodes[level->node].end = side->count;
            depth--;
            continue;
        }
        put_path(&diff->scratch, side->nodes[level->node].path, &level->it, level->index++, value);
        struct diff_node *node = add_node(diff, side, value, take_text(diff, err), err);
        if (node) {
            node->end = side->count;
            if (!node->is_scalar)
                enter(levels, &depth, value, side->count - 1);
        }
    }
}

/* Nodes do not move any more. The first of a path counts. */
static void index_nodes(struct diff_side *side)
{
    ax_map_init(&side->by_path);
    for (size_t i = 0; i < side->count; i++)
        if (!ax_map_get(&side->by_path, side->nodes[i].path))
            (void)ax_map_put(&side->by_path, side->nodes[i].path, &side->nodes[i]);
}

/* A side of a word: a list or mapping is told when the other side is a scalar. */
static struct ax_str side_text(struct diff *diff, const struct diff_node *node,
                               const struct diff_node *other, struct ax_err *err)
{
    if (node && node->is_scalar)
        return node->text;
    if (!node || !other || !other->is_scalar)
        return AX_STR("");
    ax_json_put_value(&diff->scratch, node->value);
    return take_text(diff, err);
}

static void add_word(struct diff *diff, const struct diff_node *before,
                     const struct diff_node *after, struct ax_err *err)
{
    const struct diff_node *either = before ? before : after;
    assert(either);
    diff->words[diff->word_count++] = (struct ax_definition_word){
        .path = either->path,
        .from = side_text(diff, before, after, err),
        .to = side_text(diff, after, before, err),
        .was_there = before != NULL,
        .is_there = after != NULL,
    };
}

/* Whether what is there on one side only is told by its members. */
static bool is_told_inside(const struct diff_side *side, size_t node)
{
    const struct diff_node *of = &side->nodes[node];
    bool is_note =
        ax_str_equals(of->path, AX_STR("notes")) || ax_str_starts_with(of->path, AX_STR("notes."));
    return is_note && of->end > node + 1;
}

/* Changed and added words in the order of the text after, then what is gone. */
static void compare(struct diff *diff, struct ax_err *err)
{
    for (size_t i = 0; i < diff->after.count;) {
        const struct diff_node *after = &diff->after.nodes[i];
        const struct diff_node *before = ax_map_get(&diff->before.by_path, after->path);
        bool differs = !before || before->is_scalar != after->is_scalar ||
                       (after->is_scalar && !ax_str_equals(before->text, after->text));
        if (!before && is_told_inside(&diff->after, i))
            differs = false;
        if (differs)
            add_word(diff, before, after, err);
        i = differs ? after->end : i + 1;
    }
    for (size_t i = 0; i < diff->before.count;) {
        const struct diff_node *before = &diff->before.nodes[i];
        const struct diff_node *after = ax_map_get(&diff->after.by_path, before->path);
        bool is_gone = !after && !is_told_inside(&diff->before, i);
        if (is_gone)
            add_word(diff, before, NULL, err);
        bool is_other = after && after->is_scalar != before->is_scalar;
        i = is_gone || is_other ? before->end : i + 1;
    }
}

/* No value differs, so an order does. */
static void compare_orders(struct diff *diff, struct ax_err *err)
{
    for (size_t i = 0; i < diff->after.count; i++) {
        const struct diff_node *after = &diff->after.nodes[i];
        const struct diff_node *before = ax_map_get(&diff->before.by_path, after->path);
        if (before && !after->is_scalar && !ax_str_equals(before->text, after->text)) {
            add_word(diff, before, after, err);
            diff->words[diff->word_count - 1].from = before->text;
            diff->words[diff->word_count - 1].to = after->text;
        }
    }
}

static enum ax_code compare_docs(struct diff *diff, struct ax_err *err)
{
    walk(diff, &diff->before, err);
    walk(diff, &diff->after, err);
    if (err->code)
        return err->code;
    size_t most = diff->before.count + diff->after.count;
    diff->words = ax_arena_alloc(diff->arena, most, sizeof(*diff->words));
    if (!diff->words)
        return ax_arena_fail(diff->arena, "the changes", err);
    index_nodes(&diff->before);
    index_nodes(&diff->after);
    compare(diff, err);
    if (!diff->word_count)
        compare_orders(diff, err);
    ax_map_done(&diff->before.by_path);
    ax_map_done(&diff->after.by_path);
    return err->code;
}

enum ax_code ax_definition_diff(struct ax_str before, struct ax_str after, struct ax_arena *arena,
                                const struct ax_definition_word **ret_words, size_t *ret_count,
                                struct ax_err *err)
{
    assert(arena && ret_words && ret_count && err);
    struct diff diff = { .arena = arena };
    ax_buf_init(&diff.scratch, WORD_TEXT_BYTES_MAX);
    if (!ax_json_parse(before, &diff.before.doc, err) &&
        !ax_json_parse(after, &diff.after.doc, err) && !compare_docs(&diff, err)) {
        *ret_words = diff.words;
        *ret_count = diff.word_count;
    }
    ax_buf_done(&diff.scratch);
    ax_json_free(diff.before.doc);
    ax_json_free(diff.after.doc);
    return err->code;
}
