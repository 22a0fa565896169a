/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the compiled form to crowns.
 *
 * Nodes are copied in their order, four bytes each, so that all is linear and cheap enough to be
 * done at each load, of an image, too. A leaf has no room for its number in the tree; it has that
 * in its chunk of nodes, and the chunk has what comes before.
 */
#include "engine/forest/deep.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define ENDS (255 << 8) /* no rank is above it */
/* Levels by which a crown may be deeper than its leaves are on average, before rows are asked
 * whether they have ended: steps that are not needed cost less than that. */
#define RAGGED_LEVELS 2

struct deepening {
    struct ax_deep *out;
    const struct ax_compiled *c;
    const struct ax_mux *mux;
};

static size_t to_chunks(size_t nodes)
{
    return (nodes + AX_DEEP_CHUNK - 1) / AX_DEEP_CHUNK * AX_DEEP_CHUNK;
}

size_t ax_deep_tree_size(const struct ax_compiled *compiled, const struct ax_tree *tree,
                         size_t columns)
{
    assert(compiled && tree);
    size_t size = 1;
    if (columns > AX_DEEP_COLUMNS_MAX)
        return 0;
    for (size_t i = 0; i < size; i++) {
        struct ax_wide_node node = ax_compiled_node(compiled, tree, i);
        if (!node.left)
            continue;
        /* Below a bound of 0 goes what is missing alone; no byte is below 0. */
        if (node.bits || node.bound == 0 || node.left > UINT16_MAX)
            return 0;
        size += 2;
    }
    return size;
}

void ax_deep_find_trunk(const struct ax_compiled *compiled, const struct ax_tree *tree,
                        uint32_t ret_places[AX_DEEP_TRUNK_NODES])
{
    assert(compiled && tree && ret_places);
    ret_places[0] = 0;
    for (size_t i = 0; i < AX_DEEP_EXITS - 1; i++) {
        uint32_t left = (uint32_t)ax_compiled_node(compiled, tree, ret_places[i]).left;
        ret_places[2 * i + 1] = ret_places[i] + left;
        ret_places[2 * i + 2] = ret_places[i] + left + (left != 0);
    }
}

/* Where the tree goes, and how many steps its rows make. Leaves were grown to be about equally
 * likely. */
static void measure_tree(struct deepening *d, size_t t)
{
    const struct ax_tree *tree = &d->c->trees[t];
    size_t size = 1, level_end = 1, depth = 0, leaves = 0, steps = 0;
    for (size_t i = 0; i < size; i++) {
        if (i == level_end) {
            level_end = size;
            depth++;
        }
        bool ends = ax_compiled_node(d->c, tree, i).left == 0;
        leaves += ends;
        steps += ends && depth > AX_DEEP_LEVELS ? depth - AX_DEEP_LEVELS : 0;
        size += ends ? 0 : 2;
    }
    size_t most = depth > AX_DEEP_LEVELS ? depth - AX_DEEP_LEVELS : 0;
    bool is_ragged = most * leaves > steps + RAGGED_LEVELS * leaves;
    d->out->trees[t] =
        (struct ax_deep_tree){ .root = (uint32_t)d->out->node_count,
                               .steps = (uint32_t)(is_ragged ? steps / leaves : most),
                               .is_ragged = is_ragged };
    d->out->node_count += to_chunks(size);
    d->out->leaf_count += leaves;
}

/* `leaves` are those of the trees before. */
static void write_tree(const struct deepening *d, size_t t, size_t *leaves)
{
    const struct ax_tree *tree = &d->c->trees[t];
    const uint32_t *splits = ax_mux_splits(d->mux, d->c, tree);
    struct ax_deep_node *to = d->out->nodes + d->out->trees[t].root;
    uint32_t *chunks = d->out->chunk_leaves + d->out->trees[t].root / AX_DEEP_CHUNK;
    size_t size = 1;
    for (size_t i = 0; i < size; i++) {
        struct ax_wide_node node = ax_compiled_node(d->c, tree, i);
        if (i % AX_DEEP_CHUNK == 0)
            chunks[i / AX_DEEP_CHUNK] = (uint32_t)*leaves;
        if (node.left) {
            struct ax_mux_split split = ax_mux_split_of(splits[i]);
            to[i].split = (uint16_t)(split.column | (split.bound - 1) << 8);
            to[i].left = (uint16_t)node.left;
            size += 2;
        } else {
            to[i].split = (uint16_t)((*leaves - chunks[i / AX_DEEP_CHUNK]) | ENDS);
            to[i].left = 0;
            d->out->leaves[(*leaves)++] = node.leaf;
        }
    }
}

static enum ax_code make_trees(struct deepening *d, struct ax_err *err)
{
    struct ax_deep *out = d->out;
    const struct ax_mux *mux = d->mux;
    out->trees = ax_try_alloc(mux->tree_count, sizeof(*out->trees));
    if (!out->trees)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu trees", mux->tree_count);
    for (size_t t = 0; t < mux->tree_count; t++) {
        if (mux->trees[t].form == AX_MUX_DEEP)
            measure_tree(d, t);
    }
    out->nodes = ax_try_alloc(out->node_count, sizeof(*out->nodes));
    out->chunk_leaves = ax_try_alloc(out->node_count / AX_DEEP_CHUNK, sizeof(*out->chunk_leaves));
    out->leaves = ax_try_alloc(out->leaf_count, sizeof(*out->leaves));
    if (!out->nodes || !out->chunk_leaves || !out->leaves || out->node_count > UINT32_MAX)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu nodes", out->node_count);
    size_t leaves = 0;
    for (size_t t = 0; t < mux->tree_count; t++) {
        if (mux->trees[t].form == AX_MUX_DEEP)
            write_tree(d, t, &leaves);
    }
    assert(leaves == out->leaf_count);
    return AX_OK;
}

enum ax_code ax_deep_init(struct ax_deep *deep, const struct ax_compiled *compiled,
                          const struct ax_mux *mux, struct ax_err *err)
{
    assert(deep && compiled && mux && err);
    *deep = (struct ax_deep){ 0 };
    struct deepening d = { .out = deep, .c = compiled, .mux = mux };
    if (mux->deep_count && make_trees(&d, err))
        ax_deep_done(deep);
    return err->code;
}

void ax_deep_done(struct ax_deep *deep)
{
    if (!deep)
        return;
    free(deep->trees);
    free(deep->nodes);
    free(deep->chunk_leaves);
    free(deep->leaves);
    *deep = (struct ax_deep){ 0 };
}

size_t ax_deep_bytes(const struct ax_deep *deep)
{
    assert(deep);
    return ax_alloc_bytes(deep->trees) + ax_alloc_bytes(deep->nodes) +
           ax_alloc_bytes(deep->chunk_leaves) + ax_alloc_bytes(deep->leaves);
}
