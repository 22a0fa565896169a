/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features lineage`: the graph around what was named, or all of it.
 *
 * As text it is two trees, what it comes from and what is made from it; a node that stands in a
 * tree already is named there again without what lies behind it. The walk keeps its own stack, so
 * neither depth nor circles of a damaged catalogue do harm.
 */
#include "cmd/features_catalogue.h"

#include <assert.h>

struct tree {
    const struct ax_lineage *lineage;
    bool with_edges;
    bool *is_seen;
    size_t *stack; /* nodes to print, each with its depth behind it */
    size_t stacked;
};

static bool is_named(const struct ax_lineage_node *node, const struct ax_features_name *name)
{
    return (!name->kind.len || ax_str_equals(node->kind, name->kind)) &&
           (ax_str_equals(node->name, name->name) ||
            (ax_str_is(node->kind, "file") && ax_lineage_means(node->name, name->name))) &&
           (!name->part.len || ax_str_equals(node->part, name->part));
}

/* The neighbours of a node on the stack, the first on top. */
static void push_neighbours(struct tree *tree, size_t node, size_t depth)
{
    for (size_t i = tree->lineage->edge_count; i > 0; i--) {
        const struct ax_lineage_edge *edge = &tree->lineage->edges[i - 1];
        if ((tree->with_edges ? edge->from : edge->to) != node)
            continue;
        tree->stack[tree->stacked++] = tree->with_edges ? edge->to : edge->from;
        tree->stack[tree->stacked++] = depth;
    }
}

/* What lies behind the marked nodes, in one direction. */
static void put_tree(struct tree *tree, const bool *marks, struct ax_buf *out)
{
    const struct ax_lineage *lineage = tree->lineage;
    for (size_t i = lineage->node_count; i > 0; i--)
        if (marks[i - 1])
            push_neighbours(tree, i - 1, 1);
    while (tree->stacked) {
        size_t depth = tree->stack[--tree->stacked];
        size_t node = tree->stack[--tree->stacked];
        if (marks[node])
            continue;
        ax_buf_printf(out, "%*s", (int)AX_MIN(4 + 2 * depth - 2, (size_t)200), "");
        ax_lineage_put_name(out, &lineage->nodes[node]);
        (void)ax_buf_append_str(out, tree->is_seen[node] ? AX_STR(" (see above)\n") : AX_STR("\n"));
        if (tree->is_seen[node])
            continue;
        tree->is_seen[node] = true;
        push_neighbours(tree, node, depth + 1);
    }
}

static enum ax_code put_trees(const struct ax_lineage *lineage, const bool *marks,
                              struct ax_arena *arena, struct ax_buf *out, struct ax_err *err)
{
    for (size_t i = 0; i < lineage->node_count; i++) {
        if (!marks[i])
            continue;
        ax_lineage_put_name(out, &lineage->nodes[i]);
        (void)ax_buf_append_char(out, '\n');
    }
    for (int with_edges = 0; with_edges < 2; with_edges++) {
        struct tree tree = { .lineage = lineage, .with_edges = with_edges };
        /* Each node pushes its edges once, and so do the marked ones. */
        tree.stack = ax_arena_alloc(arena, 4 * lineage->edge_count + 4, sizeof(*tree.stack));
        tree.is_seen = ax_arena_zalloc(arena, lineage->node_count + 1, sizeof(*tree.is_seen));
        if (!tree.stack || !tree.is_seen)
            return ax_arena_fail(arena, "the lineage", err);
        size_t before = out->len;
        (void)ax_buf_append_str(out, with_edges ? AX_STR("  into\n") : AX_STR("  from\n"));
        size_t behind = out->len;
        put_tree(&tree, marks, out);
        if (out->len == behind)
            out->len = before;
    }
    return AX_OK;
}

static void put_edges(const struct ax_lineage *lineage, struct ax_buf *out)
{
    for (size_t i = 0; i < lineage->edge_count; i++) {
        ax_lineage_put_name(out, &lineage->nodes[lineage->edges[i].from]);
        (void)ax_buf_append_str(out, AX_STR(" -> "));
        ax_lineage_put_name(out, &lineage->nodes[lineage->edges[i].to]);
        (void)ax_buf_append_char(out, '\n');
    }
}

/* What can be reached from the named nodes in either direction. */
static enum ax_code select_around(const struct ax_features_catalogue *catalogue,
                                  const struct ax_lineage *whole, const bool *named,
                                  struct ax_lineage *ret, struct ax_err *err)
{
    bool *back = ax_arena_alloc(catalogue->arena, whole->node_count + 1, sizeof(*back));
    bool *forth = ax_arena_alloc(catalogue->arena, whole->node_count + 1, sizeof(*forth));
    if (!back || !forth)
        return ax_arena_fail(catalogue->arena, "the lineage", err);
    memcpy(back, named, whole->node_count * sizeof(*back));
    memcpy(forth, named, whole->node_count * sizeof(*forth));
    if (ax_lineage_reach(whole, false, back, catalogue->arena, err) ||
        ax_lineage_reach(whole, true, forth, catalogue->arena, err))
        return err->code;
    for (size_t i = 0; i < whole->node_count; i++)
        back[i] |= forth[i];
    return ax_lineage_select(whole, back, catalogue->arena, ret, err);
}

/* The nodes that are called so. */
static enum ax_code mark_named(const struct ax_features_catalogue *catalogue,
                               const struct ax_lineage *lineage,
                               const struct ax_features_name *name, bool **ret_marks,
                               struct ax_err *err)
{
    size_t count = 0;
    bool *marks = ax_arena_zalloc(catalogue->arena, lineage->node_count + 1, sizeof(*marks));
    if (!marks)
        return ax_arena_fail(catalogue->arena, "the lineage", err);
    for (size_t i = 0; i < lineage->node_count; i++) {
        marks[i] = is_named(&lineage->nodes[i], name);
        count += marks[i];
    }
    if (!count)
        return ax_features_not_found_fail(catalogue, name, err);
    *ret_marks = marks;
    return AX_OK;
}

static enum ax_code print(const struct ax_features_catalogue *catalogue,
                          const struct ax_features_name *name, const struct ax_lineage *lineage,
                          enum ax_features_form form, struct ax_buf *out, struct ax_err *err)
{
    bool *marks;
    if (form == AX_FEATURES_JSON) {
        ax_lineage_put_json(out, lineage);
    } else if (form == AX_FEATURES_DOT) {
        ax_lineage_put_dot(out, lineage);
    } else if (!name) {
        put_edges(lineage, out);
    } else if (mark_named(catalogue, lineage, name, &marks, err) ||
               put_trees(lineage, marks, catalogue->arena, out, err)) {
        return err->code;
    }
    return ax_buf_check(out, "the lineage", err);
}

enum ax_code ax_features_lineage(const struct ax_features_catalogue *catalogue,
                                 const struct ax_features_name *name, enum ax_features_form form,
                                 struct ax_buf *out, struct ax_err *err)
{
    assert(catalogue && out && err);
    struct ax_lineage whole, around;
    bool *named;
    if (ax_lineage_make(&catalogue->objects, catalogue->uses, catalogue->use_count,
                        name && name->part.len, catalogue->arena, &whole, err))
        return err->code;
    if (!name)
        return print(catalogue, name, &whole, form, out, err);
    if (mark_named(catalogue, &whole, name, &named, err) ||
        select_around(catalogue, &whole, named, &around, err))
        return err->code;
    return print(catalogue, name, &around, form, out, err);
}
