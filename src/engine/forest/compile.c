/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the reader's form to the kernels' form.
 *
 * Missing values. A split sends a missing value its own way, so two splits on one feature may want
 * it in two ways. Rather than test for NaN at each node, the row is copied once with NaN replaced:
 * by -inf for the splits whose default is left, by +inf for the others (-inf is below every
 * threshold, +inf below none). A threshold of -inf or NaN, below which nothing lies, would send
 * -inf right; a split that has one and defaults to left reads a slot that only says whether the
 * value is missing. A forest uses few of its possible slots, and only those are filled.
 *
 * Categories. A split's bits are as many as the feature has categories in the whole forest, plus
 * one for "any other" (always 0: left) and one for "missing" (the default), so that the kernel
 * looks up a bit without checking a bound.
 *
 * Layout. Nodes go level by level, siblings side by side. Distances are relative to the node
 * itself, so a walk needs one index and no base address. A leaf reads the NaN slot, for which
 * "less than" is false whatever its value, and so steps to left + 1 = itself.
 */
#include "engine/forest/compile.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define SLOT_NONE UINT32_MAX

struct compiling {
    struct ax_compiled *out;
    const struct ax_forest *forest;
    uint32_t *slot_of;         /* [feature * KINDS + kind] -> slot */
    uint32_t *category_limits; /* [feature]: largest category of any split + 1 */
    uint32_t *queue;           /* nodes of one tree, level by level */
    uint32_t *depths;          /* of the nodes in the queue */
};

#define KINDS 5

/* The kind of slot a split reads. */
static enum ax_slot_kind split_kind(const struct ax_forest_node *node)
{
    if (node->set)
        return AX_SLOT_CATEGORY;
    if (!node->default_left)
        return AX_SLOT_HIGH;
    bool below_nothing = isnan(node->value) || node->value == -INFINITY;
    return below_nothing ? AX_SLOT_IS_MISSING : AX_SLOT_LOW;
}

static uint32_t split_slot(const struct compiling *c, const struct ax_forest_node *node)
{
    return c->slot_of[(size_t)node->feature * KINDS + split_kind(node)];
}

/* Level by level from the root. Returns how many nodes can be reached. */
static uint32_t tree_levels(const struct compiling *c, const struct ax_forest_node *nodes)
{
    uint32_t count = 1;
    c->queue[0] = 0;
    c->depths[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct ax_forest_node *node = &nodes[c->queue[i]];
        if (node->left == -1)
            continue;
        c->queue[count] = (uint32_t)node->left;
        c->queue[count + 1] = (uint32_t)node->right;
        c->depths[count] = c->depths[count + 1] = c->depths[i] + 1;
        count += 2;
    }
    return count;
}

/* First pass: which slots there are, how large categories get, which trees are wide. */
static void survey_node(const struct compiling *c, const struct ax_forest_node *node)
{
    c->slot_of[(size_t)node->feature * KINDS + split_kind(node)] = 0; /* used; numbered later */
    if (!node->set)
        return;
    const struct ax_forest_set *set = &c->forest->sets[node->set - 1];
    uint32_t *limit = &c->category_limits[node->feature];
    for (uint32_t i = 0; i < set->count; i++)
        *limit = AX_MAX(*limit, (uint32_t)c->forest->categories[set->from + i] + 1);
}

static enum ax_code number_slots(struct compiling *c, struct ax_err *err)
{
    size_t keys = c->forest->feature_count * KINDS;
    size_t count = 1;
    for (size_t i = 0; i < keys; i++)
        count += c->slot_of[i] != SLOT_NONE;
    struct ax_slot_source *sources = ax_try_alloc(count, sizeof(*sources));
    if (!sources)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu slots", count);
    sources[0] = (struct ax_slot_source){ .kind = AX_SLOT_NAN };
    uint32_t next = 1;
    for (int is_number = 1; is_number >= 0; is_number--) {
        for (size_t i = 0; i < keys; i++) {
            enum ax_slot_kind kind = (enum ax_slot_kind)(i % KINDS);
            if (c->slot_of[i] == SLOT_NONE ||
                (kind == AX_SLOT_LOW || kind == AX_SLOT_HIGH) != is_number)
                continue;
            size_t feature = i / KINDS;
            sources[next] =
                (struct ax_slot_source){ .feature = (uint32_t)feature,
                                         .missing = kind == AX_SLOT_LOW ? -INFINITY : INFINITY,
                                         .kind = kind,
                                         .category_limit = c->category_limits[feature] };
            c->slot_of[i] = next++;
        }
        if (is_number)
            c->out->number_end = next;
    }
    c->out->sources = sources;
    c->out->slot_count = count;
    return AX_OK;
}

static size_t bit_words(const struct compiling *c, uint32_t feature)
{
    return ((size_t)c->category_limits[feature] + 2 + 31) / 32;
}

/* Second pass over the trees: how much memory the nodes need, and which kind of node. */
static enum ax_code measure_trees(struct compiling *c, struct ax_err *err)
{
    struct ax_compiled *out = c->out;
    for (size_t t = 0; t < out->tree_count; t++) {
        const struct ax_forest_tree *from = &c->forest->trees[t];
        const struct ax_forest_node *nodes = c->forest->nodes + from->node_from;
        uint32_t count = tree_levels(c, nodes);
        if (c->depths[count - 1] > AX_FOREST_DEPTH_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "tree %zu is %u levels deep; at most %d are walked",
                           t, c->depths[count - 1], AX_FOREST_DEPTH_MAX);
        bool is_wide = count > INT16_MAX || out->slot_count > UINT16_MAX;
        for (uint32_t i = 0; i < count; i++) {
            const struct ax_forest_node *node = &nodes[c->queue[i]];
            if (node->left == -1 || !node->set)
                continue;
            is_wide = true;
            out->bit_words += bit_words(c, node->feature);
        }
        if (out->bit_words > AX_COMPILED_BIT_WORDS_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "the sets of categories need over %zu bytes",
                           AX_COMPILED_BIT_WORDS_MAX * sizeof(*out->bits));
        size_t *total = is_wide ? &out->wide_count : &out->node_count;
        out->narrow_tree_count += !is_wide;
        out->trees[t] = (struct ax_tree){ .root = (uint32_t)*total,
                                          .depth = c->depths[count - 1],
                                          .group = from->group,
                                          .is_wide = is_wide };
        *total += count;
    }
    return AX_OK;
}

static uint32_t write_bits(const struct compiling *c, const struct ax_forest_node *node)
{
    struct ax_compiled *out = c->out;
    size_t begin = out->bit_words;
    uint32_t *bits = out->bits + begin;
    size_t words = bit_words(c, node->feature);
    memset(bits, 0, words * sizeof(*bits));
    const struct ax_forest_set *set = &c->forest->sets[node->set - 1];
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t category = (uint32_t)c->forest->categories[set->from + i];
        bits[category / 32] |= UINT32_C(1) << category % 32;
    }
    uint32_t missing = c->category_limits[node->feature] + 1;
    if (!node->default_left)
        bits[missing / 32] |= UINT32_C(1) << missing % 32;
    out->bit_words += words;
    return (uint32_t)begin;
}

static void write_tree(const struct compiling *c, size_t t)
{
    struct ax_compiled *out = c->out;
    const struct ax_forest_node *nodes = c->forest->nodes + c->forest->trees[t].node_from;
    uint32_t count = tree_levels(c, nodes);
    uint32_t child = 1; /* place of the next split's left child */
    for (uint32_t i = 0; i < count; i++) {
        const struct ax_forest_node *node = &nodes[c->queue[i]];
        bool is_leaf = node->left == -1;
        int32_t left = is_leaf ? -1 : (int32_t)(child - i);
        uint32_t slot = is_leaf ? 0 : split_slot(c, node);
        float value = node->value;
        if (!is_leaf) {
            child += 2;
            if (split_kind(node) == AX_SLOT_IS_MISSING)
                value = 0.0f; /* between the two that the slot may hold */
        }
        if (out->trees[t].is_wide)
            out->wide_nodes[out->trees[t].root + i] =
                (struct ax_wide_node){ value, slot, left,
                                       is_leaf || !node->set ? 0 : write_bits(c, node) };
        else
            out->nodes[out->trees[t].root + i] =
                (struct ax_node){ value, (uint16_t)slot, (int16_t)left };
    }
}

/* By counting, so trees of one kind and depth stay in order: first the narrow ones, then the wide
 * ones, each by depth. All of DEPTHS - 1 and more count as one depth. */
static void order_trees(struct ax_compiled *out)
{
    enum { DEPTHS = 64 };
    size_t starts[2 * DEPTHS + 1] = { 0 };
    for (size_t t = 0; t < out->tree_count; t++) {
        const struct ax_tree *tree = &out->trees[t];
        size_t key = (tree->is_wide ? DEPTHS : 0) + AX_MIN(tree->depth, DEPTHS - 1);
        starts[key + 1]++;
    }
    for (size_t k = 1; k < AX_COUNT(starts); k++)
        starts[k] += starts[k - 1];
    for (size_t t = 0; t < out->tree_count; t++) {
        const struct ax_tree *tree = &out->trees[t];
        size_t key = (tree->is_wide ? DEPTHS : 0) + AX_MIN(tree->depth, DEPTHS - 1);
        out->order[starts[key]++] = (uint32_t)t;
    }
}

static enum ax_code prepare(struct compiling *c, struct ax_err *err)
{
    const struct ax_forest *forest = c->forest;
    struct ax_compiled *out = c->out;
    size_t nodes_most = 1;
    for (size_t t = 0; t < forest->tree_count; t++)
        nodes_most = AX_MAX(nodes_most, forest->trees[t].node_count);
    size_t keys = forest->feature_count * KINDS;
    c->slot_of = ax_try_alloc(keys, sizeof(*c->slot_of));
    c->category_limits = ax_try_alloc(forest->feature_count, sizeof(*c->category_limits));
    c->queue = ax_try_alloc(nodes_most, sizeof(*c->queue));
    c->depths = ax_try_alloc(nodes_most, sizeof(*c->depths));
    out->trees = ax_try_alloc(forest->tree_count + 1, sizeof(*out->trees));
    out->order = ax_try_alloc(forest->tree_count + 1, sizeof(*out->order));
    out->base = ax_try_alloc(forest->group_count, sizeof(*out->base));
    if (!c->slot_of || !c->category_limits || !c->queue || !c->depths || !out->trees ||
        !out->order || !out->base)
        return ax_fail(err, AX_E_LIMIT, "no memory to compile %zu nodes", forest->node_count);
    memset(c->slot_of, 0xFF, keys * sizeof(*c->slot_of));
    memset(c->category_limits, 0, forest->feature_count * sizeof(*c->category_limits));
    memcpy(out->base, forest->base, forest->group_count * sizeof(*out->base));
    return AX_OK;
}

static void survey(const struct compiling *c)
{
    for (size_t t = 0; t < c->out->tree_count; t++) {
        const struct ax_forest_node *nodes = c->forest->nodes + c->forest->trees[t].node_from;
        uint32_t count = tree_levels(c, nodes);
        for (uint32_t i = 0; i < count; i++) {
            if (nodes[c->queue[i]].left != -1)
                survey_node(c, &nodes[c->queue[i]]);
        }
    }
}

static enum ax_code write_trees(struct compiling *c, struct ax_err *err)
{
    struct ax_compiled *out = c->out;
    out->nodes = ax_try_alloc(out->node_count + 1, sizeof(*out->nodes));
    out->wide_nodes = ax_try_alloc(out->wide_count + 1, sizeof(*out->wide_nodes));
    out->bits = ax_try_alloc(out->bit_words + 1, sizeof(*out->bits));
    if (!out->nodes || !out->wide_nodes || !out->bits)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu nodes",
                       out->node_count + out->wide_count);
    out->bits[0] = 0;
    out->bit_words = 1;
    for (size_t t = 0; t < out->tree_count; t++)
        write_tree(c, t);
    order_trees(out);
    return AX_OK;
}

enum ax_code ax_compiled_init(struct ax_compiled *compiled, const struct ax_forest *forest,
                              struct ax_err *err)
{
    assert(compiled && forest && forest->feature_count && forest->group_count && err);
    *compiled = (struct ax_compiled){ .feature_count = forest->feature_count,
                                      .group_count = forest->group_count,
                                      .tree_count = forest->tree_count };
    struct compiling c = { .out = compiled, .forest = forest };
    if (!prepare(&c, err)) {
        survey(&c);
        if (!number_slots(&c, err) && !measure_trees(&c, err))
            (void)write_trees(&c, err);
    }
    free(c.slot_of);
    free(c.category_limits);
    free(c.queue);
    free(c.depths);
    if (err->code)
        ax_compiled_done(compiled);
    return err->code;
}

void ax_compiled_done(struct ax_compiled *compiled)
{
    if (!compiled)
        return;
    free(compiled->sources);
    free(compiled->trees);
    free(compiled->order);
    free(compiled->nodes);
    free(compiled->wide_nodes);
    free(compiled->bits);
    free(compiled->base);
    *compiled = (struct ax_compiled){ 0 };
}

void ax_compiled_fill(const struct ax_compiled *compiled, const float *row, union ax_slot *slots)
{
    assert(compiled && row && slots);
    const struct ax_slot_source *sources = compiled->sources;
    slots[0].number = NAN;
    for (size_t i = 1; i < compiled->number_end; i++) {
        float x = row[sources[i].feature];
        slots[i].number = isnan(x) ? sources[i].missing : x;
    }
    for (size_t i = compiled->number_end; i < compiled->slot_count; i++) {
        float x = row[sources[i].feature];
        if (sources[i].kind == AX_SLOT_IS_MISSING) {
            slots[i].number = isnan(x) ? -INFINITY : INFINITY;
            continue;
        }
        /* Truncated as the library does, so -0.5 and below are "any other", 2.7 is 2. */
        uint32_t limit = sources[i].category_limit;
        bool is_known = x >= 0.0f && x < (float)limit;
        slots[i].category = is_known ? (uint32_t)x : isnan(x) ? limit + 1 : limit;
    }
}
