/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the reader's form to the kernels' form.
 *
 * Missing values. A split sends a missing value its own way, so two splits on one feature may want
 * it in two ways. Rather than test for NaN at each node, the row is copied once with NaN replaced:
 * by 0, which is below the number of every value, for the splits whose default is left, and by the
 * largest number for the others. A forest uses few of its possible slots, and only those are
 * filled.
 *
 * Numbers. The bits of an f32, with all of them flipped when it is negative and the highest one
 * when it is not, are in the order of the floats; whole numbers compare faster, and a comparison
 * leaves in the carry what is to be added. A bound is 1 below its threshold's number. Below a NaN
 * lies nothing, which is a bound of 0: only what stands for missing on the left, 0, is not above
 * it.
 *
 * Ranks. Thresholds of f64 do not fit a slot. But the walk only wants to know which of them a
 * value is below. So each feature's thresholds are sorted, a slot holds 1 more than how many of
 * them are
 * <= the value, found by binary search once a row, and the bound of threshold number k is k + 1:
 * x < t[k] exactly when rank(x) + 1 <= k + 1. The sorted thresholds are made of f32, too, for
 * kernels that want ranks of both.
 *
 * Categories. A split's bits are as many as the feature has categories in the whole forest, plus
 * one for "any other" (always 0: left) and one for "missing" (the default), so that the kernel
 * looks up a bit without checking a bound.
 *
 * Layout. Nodes go level by level, siblings side by side. Distances are relative to the node
 * itself, so a walk needs one index and no base address. A leaf reads the slot that is always 0,
 * which is above nothing that a leaf can hold in a bound's place, and so steps to left + 0 =
 * itself.
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
    uint32_t *threshold_ends;  /* [feature]: where its thresholds end; the ones before it end where
                                  they begin */
};

#define KINDS               AX_SLOT_KIND_COUNT
#define SORTED_BY_BYTES_MIN 256  /* thresholds of a feature; below, qsort is as fast */
#define SORTED_NARROW_MIN   1024 /* there are more counts to be made zero */
#define OBLIVIOUS_DEPTH_MAX 14   /* no narrow tree has room for a complete one of more levels */
/* Groups of trees that may not be full: one a kind, and one a depth of oblivious trees. */
#define GROUPS_OPEN_MAX (AX_TREE_KIND_COUNT + OBLIVIOUS_DEPTH_MAX)

static bool has_ranks(const struct compiling *c)
{
    return c->forest->input_type == AX_FP64;
}

/* The kind of slot a split reads. */
static enum ax_slot_kind split_kind(const struct compiling *c, const struct ax_forest_node *node)
{
    static const enum ax_slot_kind kinds[] = {
        [AX_MISSING_LEFT] = AX_SLOT_LOW,           [AX_MISSING_RIGHT] = AX_SLOT_HIGH,
        [AX_MISSING_ZERO_LEFT] = AX_SLOT_ZERO_LOW, [AX_MISSING_ZERO_RIGHT] = AX_SLOT_ZERO_HIGH,
        [AX_MISSING_AS_ZERO] = AX_SLOT_AS_ZERO,
    };
    if (node->set)
        return AX_SLOT_CATEGORY;
    enum ax_slot_kind kind = kinds[node->missing];
    assert(has_ranks(c) || kind == AX_SLOT_LOW || kind == AX_SLOT_HIGH);
    return kind;
}

/* Whether the slot holds a number, rather than what kind of value it is. */
static bool is_number(enum ax_slot_kind kind)
{
    return kind != AX_SLOT_LEAF && kind != AX_SLOT_CATEGORY;
}

static uint32_t split_slot(const struct compiling *c, const struct ax_forest_node *node)
{
    return c->slot_of[(size_t)node->feature * KINDS + split_kind(c, node)];
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
    c->slot_of[(size_t)node->feature * KINDS + split_kind(c, node)] = 0; /* used; numbered later */
    if (!node->set) {
        if (!isnan(node->value))
            c->threshold_ends[node->feature]++;
        return;
    }
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
    sources[0] = (struct ax_slot_source){ .kind = AX_SLOT_LEAF };
    uint32_t next = 1;
    for (int numbers = 1; numbers >= 0; numbers--) {
        for (size_t i = 0; i < keys; i++) {
            enum ax_slot_kind kind = (enum ax_slot_kind)(i % KINDS);
            if (c->slot_of[i] == SLOT_NONE || is_number(kind) != numbers)
                continue;
            size_t feature = i / KINDS;
            bool is_low = kind == AX_SLOT_LOW || kind == AX_SLOT_ZERO_LOW;
            sources[next] =
                (struct ax_slot_source){ .feature = (uint32_t)feature,
                                         .missing = is_low ? 0 : UINT32_MAX,
                                         .kind = kind,
                                         .category_limit = c->category_limits[feature] };
            c->slot_of[i] = next++;
        }
        if (numbers)
            c->out->number_end = next;
    }
    c->out->sources = sources;
    c->out->slot_count = count;
    return AX_OK;
}

/* How many of the thresholds are <= x, without a branch that x decides. NaN: none. */
static uint32_t rank_of(const double *thresholds, uint32_t count, double x)
{
    uint32_t from = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        from += half & -(uint32_t)(thresholds[from + half - 1] <= x);
        count -= half;
    }
    return from + (count == 1 && thresholds[from] <= x);
}

static int compare_thresholds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A number's bits, in an order that whole numbers have. */
static uint64_t sort_key(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

#define KEY_BYTES 8

/* Put the numbers in the order of byte `byte` of their keys, of which `counts` says how many there
 * are of each. Those with the same byte keep their order. */
static void sort_by_byte(const double *from, double *to, uint32_t count, size_t byte,
                         uint32_t counts[256])
{
    uint32_t start = 0;
    for (size_t i = 0; i < 256; i++) {
        uint32_t here = counts[i];
        counts[i] = start;
        start += here;
    }
    for (uint32_t i = 0; i < count; i++)
        to[counts[sort_key(from[i]) >> 8 * byte & 0xFF]++] = from[i];
}

/* Ascending, no NaN among them; `spare` has room for as many. Large files spend their time here, so
 * many are sorted byte by byte of their keys, which is no matter of luck as branches are. */
static void sort_numbers(double *numbers, double *spare, uint32_t count)
{
    if (count < SORTED_BY_BYTES_MIN) {
        qsort(numbers, count, sizeof(*numbers), compare_thresholds);
        return;
    }
    uint32_t counts[KEY_BYTES][256] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = sort_key(numbers[i]);
        for (size_t byte = 0; byte < KEY_BYTES; byte++)
            counts[byte][key >> 8 * byte & 0xFF]++;
    }
    double *from = numbers, *to = spare;
    for (size_t byte = 0; byte < KEY_BYTES; byte++) {
        if (counts[byte][sort_key(from[0]) >> 8 * byte & 0xFF] == count)
            continue; /* the same in all, as the low ones of an f32 are */
        sort_by_byte(from, to, count, byte, counts[byte]);
        double *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != numbers)
        memcpy(numbers, from, count * sizeof(*numbers));
}

#define NARROW_BITS   11
#define NARROW_PASSES 3

/* The same of numbers that are f32: keys of 32 bits, three passes. */
static void sort_narrow(double *numbers, double *spare, uint32_t count)
{
    uint32_t counts[NARROW_PASSES][1 << NARROW_BITS] = { { 0 } };
    uint32_t *from = (uint32_t *)(void *)spare, *to = from + count;
    for (uint32_t i = 0; i < count; i++) {
        float number = (float)numbers[i];
        uint32_t bits;
        memcpy(&bits, &number, sizeof(bits));
        from[i] = bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
        for (size_t pass = 0; pass < NARROW_PASSES; pass++)
            counts[pass][from[i] >> NARROW_BITS * pass & ((1 << NARROW_BITS) - 1)]++;
    }
    for (size_t pass = 0; pass < NARROW_PASSES; pass++) {
        uint32_t *at = counts[pass], start = 0;
        for (size_t i = 0; i < 1 << NARROW_BITS; i++) {
            uint32_t here = at[i];
            at[i] = start;
            start += here;
        }
        for (uint32_t i = 0; i < count; i++)
            to[at[from[i] >> NARROW_BITS * pass & ((1 << NARROW_BITS) - 1)]++] = from[i];
        uint32_t *swapped = from;
        from = to;
        to = swapped;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits = from[i] >> 31 ? from[i] & INT32_MAX : ~from[i];
        float number;
        memcpy(&number, &bits, sizeof(number));
        numbers[i] = (double)number;
    }
}

/* One rank source for each feature that splits compare, over its slots; slots of one feature are
 * next to each other. */
static enum ax_code make_ranks(struct compiling *c, struct ax_err *err)
{
    struct ax_compiled *out = c->out;
    out->ranks = ax_try_alloc(out->number_end, sizeof(*out->ranks));
    if (!out->ranks)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu slots", out->number_end);
    for (uint32_t i = 1; i < out->number_end; i++) {
        uint32_t feature = out->sources[i].feature;
        if (i == 1 || out->sources[i - 1].feature != feature) {
            uint32_t from = feature ? c->threshold_ends[feature - 1] : 0;
            out->ranks[out->rank_count++] =
                (struct ax_rank_source){ .feature = feature,
                                         .thresholds_from = from,
                                         .threshold_count = c->threshold_ends[feature] - from,
                                         .slot_from = i };
        }
        struct ax_rank_source *rank = &out->ranks[out->rank_count - 1];
        rank->slot_end = i + 1;
        if (out->sources[i].kind == AX_SLOT_AS_ZERO)
            out->sources[i].missing =
                1 + rank_of(out->thresholds + rank->thresholds_from, rank->threshold_count, 0.0);
    }
    return AX_OK;
}

/* Sort each feature's thresholds and keep one of equal ones. threshold_ends comes in as where each
 * feature's thresholds end with repetitions, and leaves as where they end without. */
static void sort_thresholds(struct compiling *c, double *spare)
{
    double *all = c->out->thresholds;
    uint32_t from = 0, kept = 0;
    for (size_t f = 0; f < c->forest->feature_count; f++) {
        uint32_t end = c->threshold_ends[f];
        if (!has_ranks(c) && end - from >= SORTED_NARROW_MIN)
            sort_narrow(all + from, spare, end - from);
        else
            sort_numbers(all + from, spare, end - from);
        for (uint32_t i = from; i < end; i++) {
            if (i == from || all[i] != all[i - 1])
                all[kept++] = all[i];
        }
        from = end;
        c->threshold_ends[f] = kept;
    }
    c->out->threshold_count = kept;
}

/* Collect the thresholds; survey has counted each feature's in threshold_ends. */
static enum ax_code number_thresholds(struct compiling *c, struct ax_err *err)
{
    size_t features = c->forest->feature_count;
    uint32_t total = 0;
    for (size_t f = 0; f < features; f++) {
        uint32_t count = c->threshold_ends[f];
        c->threshold_ends[f] = total; /* where the next one goes: ends at the end */
        total += count;
    }
    double *all = ax_try_alloc((size_t)total + 1, sizeof(*all));
    if (!all)
        return ax_fail(err, AX_E_LIMIT, "no memory for %u thresholds", total);
    c->out->thresholds = all;
    for (size_t t = 0; t < c->forest->tree_count; t++) {
        const struct ax_forest_node *nodes = c->forest->nodes + c->forest->trees[t].node_from;
        uint32_t count = tree_levels(c, nodes);
        for (uint32_t i = 0; i < count; i++) {
            const struct ax_forest_node *node = &nodes[c->queue[i]];
            if (node->left != -1 && !node->set && !isnan(node->value))
                all[c->threshold_ends[node->feature]++] = node->value;
        }
    }
    double *spare = ax_try_alloc((size_t)total + 1, sizeof(*spare));
    if (!spare)
        return ax_fail(err, AX_E_LIMIT, "no memory for %u thresholds", total);
    sort_thresholds(c, spare);
    free(spare);
    return make_ranks(c, err);
}

static size_t bit_words(const struct compiling *c, uint32_t feature)
{
    return ((size_t)c->category_limits[feature] + 2 + 31) / 32;
}

/* NaN has many bit patterns, and which one a sum of two is depends on the machine's instruction. */
static bool leaf_is_nan(const struct ax_forest *forest, const struct ax_forest_node *leaf)
{
    size_t width = forest->leaf_width;
    if (width == 1)
        return isnan(leaf->value);
    for (size_t i = 0; i < width; i++) {
        if (isnan(forest->leaf_values[leaf->set * width + i]))
            return true;
    }
    return false;
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
            if (node->left == -1 && leaf_is_nan(c->forest, node))
                return ax_fail(err, AX_E_INVALID, "tree %zu: a leaf's value is NaN", t);
            if (node->left == -1 || !node->set)
                continue;
            is_wide = true;
            out->bit_words += bit_words(c, node->feature);
        }
        if (out->bit_words > AX_COMPILED_BIT_WORDS_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "the sets of categories need over %zu bytes",
                           AX_COMPILED_BIT_WORDS_MAX * sizeof(*out->bits));
        size_t *total = is_wide ? &out->wide_count : &out->node_count;
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
    if (node->missing != AX_MISSING_LEFT)
        bits[missing / 32] |= UINT32_C(1) << missing % 32;
    out->bit_words += words;
    return (uint32_t)begin;
}

static uint32_t write_bound(const struct compiling *c, const struct ax_forest_node *node)
{
    if (isnan(node->value))
        return 0;
    if (!has_ranks(c))
        return ax_slot_number((float)node->value) - 1;
    uint32_t from = node->feature ? c->threshold_ends[node->feature - 1] : 0;
    return rank_of(c->out->thresholds + from, c->threshold_ends[node->feature] - from, node->value);
}

static union ax_leaf write_leaf(const struct compiling *c, const struct ax_forest_node *node)
{
    struct ax_compiled *out = c->out;
    if (!out->leaf_values)
        return (union ax_leaf){ .value = (float)node->value };
    if (out->leaf_width > 1)
        return (union ax_leaf){ .row = node->set };
    out->leaf_values[out->leaf_rows] = node->value;
    return (union ax_leaf){ .row = (uint32_t)out->leaf_rows++ };
}

/* Whether the splits of each level are the same. Levels of a complete tree begin at 2^level - 1. */
static bool is_oblivious(const struct ax_compiled *out, const struct ax_tree *tree, uint32_t count)
{
    if (tree->is_wide || tree->depth < 2 || tree->depth > OBLIVIOUS_DEPTH_MAX ||
        count + 1 != UINT32_C(2) << tree->depth)
        return false;
    const struct ax_node *nodes = out->nodes + tree->root;
    for (uint32_t level = 0; level < tree->depth; level++) {
        const struct ax_node *first = &nodes[(UINT32_C(1) << level) - 1];
        for (uint32_t i = 0; i < UINT32_C(1) << level; i++) {
            if (first[i].slot != first->slot || first[i].bound != first->bound)
                return false;
        }
    }
    return true;
}

static void write_tree(const struct compiling *c, size_t t)
{
    struct ax_compiled *out = c->out;
    const struct ax_forest_node *nodes = c->forest->nodes + c->forest->trees[t].node_from;
    uint32_t count = tree_levels(c, nodes);
    uint32_t child = 1; /* place of the next split's left child */
    for (uint32_t i = 0; i < count; i++) {
        const struct ax_forest_node *node = &nodes[c->queue[i]];
        struct ax_wide_node written = { .left = 0 };
        if (node->left == -1) {
            written.leaf = write_leaf(c, node);
        } else {
            written.bound = write_bound(c, node);
            written.slot = split_slot(c, node);
            written.left = (int32_t)(child - i);
            written.bits = node->set ? write_bits(c, node) : 0;
            child += 2;
        }
        if (out->trees[t].is_wide)
            out->wide_nodes[out->trees[t].root + i] = written;
        else
            out->nodes[out->trees[t].root + i] = (struct ax_node){ .leaf = written.leaf,
                                                                   .slot = (uint16_t)written.slot,
                                                                   .left = (int16_t)written.left };
    }
}

static enum ax_tree_kind tree_kind(const struct ax_tree *tree)
{
    return tree->is_wide ? AX_TREE_WIDE : tree->is_oblivious ? AX_TREE_OBLIVIOUS : AX_TREE_NARROW;
}

/* Trees `order[0..count)`, all of one kind and by depth, in groups from number `at` on. Returns
 * where they end. */
static size_t group_trees(struct ax_compiled *out, const uint32_t *order, size_t count, size_t at)
{
    size_t from = 0;
    while (from < count) {
        const struct ax_tree *first = &out->trees[order[from]];
        struct ax_tree_group *group = &out->groups[at++];
        size_t size = 1;
        while (size < AX_TREE_LANES && from + size < count &&
               (!first->is_oblivious || out->trees[order[from + size]].depth == first->depth))
            size++;
        group->depth = 0;
        for (size_t i = 0; i < AX_TREE_LANES; i++) {
            group->trees[i] = order[from + AX_MIN(i, size - 1)];
            group->roots[i] = out->trees[group->trees[i]].root;
            group->depth = AX_MAX(group->depth, out->trees[group->trees[i]].depth);
        }
        from += size;
    }
    return at;
}

/* Kinds in their order, in each by depth. All of DEPTHS - 1 and more count as one depth; no
 * oblivious tree is that deep. */
enum { DEPTHS = 64 };

static size_t tree_rank(const struct ax_tree *tree)
{
    return tree_kind(tree) * (size_t)DEPTHS + AX_MIN(tree->depth, DEPTHS - 1);
}

/* By counting, so trees of one kind and depth stay in order. */
static void order_trees(struct ax_compiled *out, uint32_t *order)
{
    size_t starts[AX_TREE_KIND_COUNT * DEPTHS + 1] = { 0 };
    for (size_t t = 0; t < out->tree_count; t++)
        starts[tree_rank(&out->trees[t]) + 1]++;
    for (size_t k = 1; k < AX_COUNT(starts); k++)
        starts[k] += starts[k - 1];
    size_t ends[AX_TREE_KIND_COUNT] = { 0 };
    for (size_t kind = 0; kind < AX_TREE_KIND_COUNT; kind++)
        ends[kind] = starts[(kind + 1) * DEPTHS];
    for (size_t t = 0; t < out->tree_count; t++)
        order[starts[tree_rank(&out->trees[t])]++] = (uint32_t)t;
    size_t from = 0, at = 0;
    for (size_t kind = 0; kind < AX_TREE_KIND_COUNT; kind++) {
        at = group_trees(out, order + from, ends[kind] - from, at);
        out->group_ends[kind] = at;
        from = ends[kind];
    }
}

/* Narrow trees lie one behind the other, so one ends where the next one begins. */
static void find_oblivious(struct ax_compiled *out)
{
    size_t end = out->node_count;
    for (size_t t = out->tree_count; t-- > 0;) {
        struct ax_tree *tree = &out->trees[t];
        tree->is_oblivious = is_oblivious(out, tree, (uint32_t)(end - tree->root));
        end = tree->is_wide ? end : tree->root;
    }
}

enum ax_code ax_compiled_arrange(struct ax_compiled *compiled, struct ax_err *err)
{
    assert(compiled && compiled->trees && !compiled->groups && err);
    size_t groups = compiled->tree_count / AX_TREE_LANES + GROUPS_OPEN_MAX;
    uint32_t *order = ax_try_alloc(compiled->tree_count + 1, sizeof(*order));
    compiled->groups = ax_try_alloc(groups, sizeof(*compiled->groups));
    if (order && compiled->groups) {
        find_oblivious(compiled);
        order_trees(compiled, order);
    } else {
        (void)ax_fail(err, AX_E_LIMIT, "no memory for groups of %zu trees", compiled->tree_count);
    }
    free(order);
    return err->code;
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
    out->base = ax_try_alloc(forest->group_count, ax_datatype_size(out->sum_type));
    c->threshold_ends = ax_try_alloc(forest->feature_count, sizeof(*c->threshold_ends));
    if (!c->slot_of || !c->category_limits || !c->queue || !c->depths || !out->trees ||
        !out->base || !c->threshold_ends)
        return ax_fail(err, AX_E_LIMIT, "no memory to compile %zu nodes", forest->node_count);
    memset(c->slot_of, 0xFF, keys * sizeof(*c->slot_of));
    memset(c->category_limits, 0, forest->feature_count * sizeof(*c->category_limits));
    memset(c->threshold_ends, 0, forest->feature_count * sizeof(*c->threshold_ends));
    for (size_t i = 0; i < forest->group_count; i++) {
        if (out->sum_type == AX_FP64)
            ((double *)out->base)[i] = forest->base[i];
        else
            ((float *)out->base)[i] = (float)forest->base[i];
    }
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

/* The table of leaves: the reader's own, or one made while the trees are written. */
static enum ax_code prepare_leaves(struct ax_compiled *out, const struct ax_forest *forest,
                                   struct ax_err *err)
{
    if (forest->leaf_width == 1 && forest->sum_type == AX_FP32)
        return AX_OK;
    bool is_given = forest->leaf_width > 1;
    size_t rows = is_given ? forest->leaf_count : out->node_count + out->wide_count;
    size_t count;
    if (AX_MUL_OVERFLOWS(rows + 1, forest->leaf_width, &count))
        return ax_fail(err, AX_E_TOO_LARGE, "%zu leaves of %zu values", rows, forest->leaf_width);
    out->leaf_values = ax_try_alloc(count, sizeof(*out->leaf_values));
    if (!out->leaf_values)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu leaves", rows);
    if (is_given)
        memcpy(out->leaf_values, forest->leaf_values,
               rows * forest->leaf_width * sizeof(*out->leaf_values));
    out->leaf_rows = is_given ? rows : 0;
    return AX_OK;
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
    if (prepare_leaves(out, c->forest, err))
        return err->code;
    out->bits[0] = 0;
    out->bit_words = 1;
    for (size_t t = 0; t < out->tree_count; t++)
        write_tree(c, t);
    return ax_compiled_arrange(out, err);
}

enum ax_code ax_compiled_init(struct ax_compiled *compiled, const struct ax_forest *forest,
                              struct ax_err *err)
{
    assert(compiled && forest && forest->feature_count && forest->group_count && err);
    assert(forest->input_type == AX_FP32 || forest->input_type == AX_FP64);
    assert(forest->sum_type == AX_FP32 || forest->sum_type == AX_FP64);
    assert(forest->leaf_width >= 1 && forest->leaf_width <= forest->group_count);
    assert(!forest->flush_zero || forest->input_type == AX_FP64);
    *compiled = (struct ax_compiled){ .feature_count = forest->feature_count,
                                      .group_count = forest->group_count,
                                      .input_type = forest->input_type,
                                      .sum_type = forest->sum_type,
                                      .flush_zero = forest->flush_zero,
                                      .category_form = forest->category_form,
                                      .leaf_width = forest->leaf_width,
                                      .tree_count = forest->tree_count };
    struct compiling c = { .out = compiled, .forest = forest };
    if (!prepare(&c, err)) {
        survey(&c);
        if (!number_slots(&c, err) && !number_thresholds(&c, err) && !measure_trees(&c, err))
            (void)write_trees(&c, err);
    }
    free(c.slot_of);
    free(c.category_limits);
    free(c.queue);
    free(c.depths);
    free(c.threshold_ends);
    if (err->code)
        ax_compiled_done(compiled);
    return err->code;
}

void ax_compiled_done(struct ax_compiled *compiled)
{
    if (!compiled)
        return;
    free(compiled->trees);
    free(compiled->groups);
    if (!compiled->is_borrowed) {
        free(compiled->sources);
        free(compiled->ranks);
        free(compiled->thresholds);
        free(compiled->nodes);
        free(compiled->wide_nodes);
        free(compiled->bits);
        free(compiled->leaf_values);
        free(compiled->base);
    }
    *compiled = (struct ax_compiled){ 0 };
}

size_t ax_compiled_bytes(const struct ax_compiled *compiled)
{
    assert(compiled);
    size_t bytes = ax_alloc_bytes(compiled->trees) + ax_alloc_bytes(compiled->groups);
    if (!compiled->is_borrowed)
        bytes += ax_alloc_bytes(compiled->sources) + ax_alloc_bytes(compiled->ranks) +
                 ax_alloc_bytes(compiled->thresholds) + ax_alloc_bytes(compiled->nodes) +
                 ax_alloc_bytes(compiled->wide_nodes) + ax_alloc_bytes(compiled->bits) +
                 ax_alloc_bytes(compiled->leaf_values) + ax_alloc_bytes(compiled->base);
    return bytes;
}

uint32_t ax_compiled_category(const struct ax_compiled *compiled, uint32_t limit, double x)
{
    /* Truncated, so 2.7 is 2. What -0.5 is depends on whether the library compares with 0 before or
     * after. */
    bool is_below = compiled->category_form == AX_CATEGORY_TOWARDS_ZERO ? !(x > -1.0) : !(x >= 0.0);
    if (!is_below && x < (double)limit)
        return (uint32_t)x;
    return isnan(x) ? limit + 1 : limit;
}

static void fill_f32(const struct ax_compiled *compiled, const float *row, uint32_t *slots)
{
    const struct ax_slot_source *sources = compiled->sources;
    for (size_t i = 1; i < compiled->number_end; i++) {
        float x = row[sources[i].feature];
        uint32_t number = ax_slot_number(x);
        slots[i] = isnan(x) ? sources[i].missing : number;
    }
    for (size_t i = compiled->number_end; i < compiled->slot_count; i++)
        slots[i] = ax_compiled_category(compiled, sources[i].category_limit,
                                        (double)row[sources[i].feature]);
}

static void fill_f64(const struct ax_compiled *compiled, const double *row, uint32_t *slots)
{
    const struct ax_slot_source *sources = compiled->sources;
    for (size_t i = 0; i < compiled->rank_count; i++) {
        const struct ax_rank_source *rank = &compiled->ranks[i];
        double x = row[rank->feature];
        if (compiled->flush_zero && fabs(x) <= AX_FOREST_ZERO_MAX)
            x = 0.0;
        uint32_t number =
            1 + rank_of(compiled->thresholds + rank->thresholds_from, rank->threshold_count, x);
        for (size_t s = rank->slot_from; s < rank->slot_end; s++) {
            enum ax_slot_kind kind = sources[s].kind;
            bool is_zero = kind == AX_SLOT_ZERO_LOW || kind == AX_SLOT_ZERO_HIGH ? x == 0.0 : false;
            slots[s] = isnan(x) || is_zero ? sources[s].missing : number;
        }
    }
    for (size_t i = compiled->number_end; i < compiled->slot_count; i++)
        slots[i] =
            ax_compiled_category(compiled, sources[i].category_limit, row[sources[i].feature]);
}

void ax_compiled_fill(const struct ax_compiled *compiled, const void *row, uint32_t *slots)
{
    assert(compiled && row && slots);
    slots[0] = 0;
    if (compiled->input_type == AX_FP64)
        fill_f64(compiled, row, slots);
    else
        fill_f32(compiled, row, slots);
}
