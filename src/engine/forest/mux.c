/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the compiled form to programs of bytes.
 *
 * Columns. A feature's slots become its columns, each as many times as its thresholds fill columns
 * of 255; a split is sent to the column that has its threshold. The sorted thresholds are the
 * compiled form's own. Where each split stands is searched for once and kept, in images, too, for
 * all that is made of it.
 *
 * Programs. A tree's nodes lie level by level, so children come behind their parents: heights and
 * numbers of leaves are found in one pass from the back, the number of each subtree's first leaf in
 * one pass from the front, and nothing recurses. A complete subtree of up to AX_MUX_TILE_HEIGHT
 * levels that is no part of a larger such one is a tile; every other split is a join. Tiles are
 * written height by height, joins from the back, so that what they read is there.
 */
#include "engine/forest/mux.h"

#include "base/alloc.h"
#include "engine/forest/deep.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define NODES_MAX (2 * AX_MUX_LEAVES_MAX - 1)
#define TILE_ANY  (-1) /* height of what is no complete subtree */

#define HALF (AX_MUX_KEYS / 2)

/* Bytes become signed by this. */
#define BYTE_BIAS 128

struct muxing {
    struct ax_mux *out;
    const struct ax_compiled *c;
    size_t code_size; /* words so far */
    size_t leaf_size; /* bytes so far */
};

/* A tree on its way; places are those of the compiled form, from its root on. */
struct sapling {
    struct ax_wide_node nodes[NODES_MAX];
    const uint32_t *splits; /* of the tree's nodes, as ax_mux has them */
    bool is_trunk;          /* of a deep tree: complete, and its leaves are the exits */
    uint32_t places[AX_DEEP_TRUNK_NODES]; /* of a trunk's nodes in the tree */
    uint32_t count;
    uint16_t sets;
    uint16_t leaves[NODES_MAX]; /* below each node */
    uint16_t first[NODES_MAX];  /* number of the first of them */
    int8_t height[NODES_MAX];   /* of a complete subtree; else TILE_ANY */
    int8_t tile[NODES_MAX];     /* of a tile's top its height; else TILE_ANY */
    bool is_inside[NODES_MAX];  /* of a tile, below its top */
    uint16_t set_of[NODES_MAX]; /* of splits with a set: its number in the tree */
    uint32_t result[NODES_MAX]; /* of tiles and joins: where it will begin */
};

static bool is_leaf(const struct ax_wide_node *node)
{
    return node->left == 0;
}

/* ---- columns ---- */

static size_t part_count(const struct ax_rank_source *rank)
{
    return AX_MAX((rank->threshold_count + AX_MUX_BOUNDS - 1) / AX_MUX_BOUNDS, 1);
}

/* Whether all that the slot may hold has a bit in a set. */
static bool has_codes(const struct ax_slot_source *slot)
{
    return slot->category_limit + 2 <= AX_MUX_CODES_MAX;
}

static size_t count_columns(const struct ax_compiled *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->rank_count; i++)
        count += part_count(&c->ranks[i]) * (c->ranks[i].slot_end - c->ranks[i].slot_from);
    for (size_t s = c->number_end; s < c->slot_count; s++)
        count += has_codes(&c->sources[s]) ? 2 : 0;
    return count;
}

static struct ax_mux_column make_column(const struct ax_slot_source *slot, size_t part)
{
    struct ax_mux_column column = { .base = (int32_t)(part * AX_MUX_BOUNDS) };
    column.zero_is_missing = slot->kind == AX_SLOT_ZERO_LOW || slot->kind == AX_SLOT_ZERO_HIGH;
    /* Slots of ranks hold 1 more than the rank, and what stands for missing is beyond all of them.
     */
    int64_t missing = (int64_t)slot->missing - 1 - column.base;
    column.missing = (uint8_t)AX_MIN(AX_MAX(missing, 0), AX_MUX_BOUNDS);
    return column;
}

/* Levels of `count` keys, of which the first begins at `from`. Returns where the next keys begin.
 */
static size_t plan_levels(struct ax_mux_source *source, size_t from, size_t count)
{
    do {
        size_t blocks = AX_MAX((count + AX_MUX_KEYS - 1) / AX_MUX_KEYS, 1);
        source->level_from[source->level_count++] = (uint32_t)from;
        from += blocks * AX_MUX_KEYS;
        count = blocks - 1;
    } while (count);
    return from;
}

/* What is plain about a source; its columns have been made. */
static void describe_source(const struct ax_mux *mux, struct ax_mux_source *source)
{
    size_t count = source->column_end - source->column_from;
    source->is_plain = count <= AX_COUNT(source->missing);
    for (size_t i = 0; source->is_plain && i < count; i++) {
        const struct ax_mux_column *column = &mux->columns[source->column_from + i];
        source->is_plain = column->base == 0 && !column->zero_is_missing;
        source->missing[i] = column->missing;
    }
}

/* Returns how many keys there are. */
static size_t plan_columns(struct muxing *m)
{
    const struct ax_compiled *c = m->c;
    struct ax_mux *out = m->out;
    size_t keys = 0;
    for (size_t i = 0; i < c->rank_count; i++) {
        const struct ax_rank_source *rank = &c->ranks[i];
        struct ax_mux_source *source = &out->sources[out->source_count++];
        *source = (struct ax_mux_source){ .feature = rank->feature,
                                          .column_from = (uint32_t)out->column_count };
        for (uint32_t s = rank->slot_from; s < rank->slot_end; s++) {
            out->column_of[s] = (uint32_t)out->column_count;
            out->rank_of[s] = (uint32_t)i;
            for (size_t part = 0; part < part_count(rank); part++)
                out->columns[out->column_count++] = make_column(&c->sources[s], part);
        }
        source->column_end = (uint32_t)out->column_count;
        describe_source(out, source);
        source->half_count = AX_MAX((rank->threshold_count + HALF - 1) / HALF, 1);
        keys = plan_levels(source, keys, rank->threshold_count);
    }
    for (size_t s = c->number_end; s < c->slot_count; s++) {
        if (!has_codes(&c->sources[s]))
            continue;
        out->column_of[s] = (uint32_t)out->column_count;
        out->categories[out->category_count++] =
            (struct ax_mux_category){ .feature = c->sources[s].feature,
                                      .limit = c->sources[s].category_limit,
                                      .column = out->column_of[s] };
        out->column_count += 2;
    }
    return keys;
}

static void write_key(const struct muxing *m, size_t at, double key)
{
    if (m->c->input_type == AX_FP64)
        ((double *)m->out->keys)[at] = key;
    else
        ((float *)m->out->keys)[at] = (float)key;
}

/* Levels of one source; `thresholds` are ascending. */
static void write_levels(const struct muxing *m, const struct ax_mux_source *source,
                         const double *thresholds, size_t count)
{
    size_t step = 1; /* thresholds a key of this level stands for */
    for (uint32_t level = 0; level < source->level_count; level++, step *= AX_MUX_KEYS) {
        size_t blocks = AX_MAX((count + AX_MUX_KEYS - 1) / AX_MUX_KEYS, 1);
        for (size_t i = 0; i < blocks * AX_MUX_KEYS; i++)
            write_key(m, source->level_from[level] + i,
                      i < count ? thresholds[(i + 1) * step - 1] : (double)NAN);
        count = blocks - 1;
    }
}

static enum ax_code make_columns(struct muxing *m, struct ax_err *err)
{
    struct ax_mux *out = m->out;
    const struct ax_compiled *c = m->c;
    size_t columns = count_columns(c);
    out->sources = ax_try_alloc(columns + 1, sizeof(*out->sources));
    out->columns = ax_try_alloc(columns + 1, sizeof(*out->columns));
    out->categories = ax_try_alloc(columns / 2 + 1, sizeof(*out->categories));
    out->column_of = ax_try_alloc(c->slot_count, sizeof(*out->column_of));
    out->rank_of = ax_try_alloc(c->slot_count, sizeof(*out->rank_of));
    if (!out->sources || !out->columns || !out->categories || !out->column_of || !out->rank_of)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu columns of ranks", columns);
    size_t keys = plan_columns(m);
    out->key_memory = ax_try_alloc(keys * ax_datatype_size(c->input_type) + AX_CACHE_LINE, 1);
    if (!out->key_memory)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu thresholds", keys);
    size_t over = (uintptr_t)out->key_memory % AX_CACHE_LINE;
    out->keys = (char *)out->key_memory + (over ? AX_CACHE_LINE - over : 0);
    for (size_t i = 0; i < out->source_count; i++)
        write_levels(m, &out->sources[i], c->thresholds + c->ranks[i].thresholds_from,
                     c->ranks[i].threshold_count);
    return AX_OK;
}

/* ---- splits ---- */

/* How many of a feature's thresholds are at or below that of a split: its bound, before it is sent
 * to a column. `numbers` are all thresholds as slots hold them; of f64 the bound is that. */
static uint32_t find_bound(const struct ax_rank_source *rank, const uint32_t *numbers,
                           uint32_t bound)
{
    if (!numbers || bound == 0)
        return bound;
    numbers += rank->thresholds_from;
    uint32_t from = 0, count = rank->threshold_count, number = bound + 1;
    while (count > 1) {
        uint32_t half = count / 2;
        from += half & -(uint32_t)(numbers[from + half - 1] <= number);
        count -= half;
    }
    return from + (count == 1 && numbers[from] <= number);
}

static uint32_t find_split(const struct muxing *m, const uint32_t *numbers, uint32_t slot,
                           uint32_t bound)
{
    uint32_t all = find_bound(&m->c->ranks[m->out->rank_of[slot]], numbers, bound);
    uint32_t part = all ? (all - 1) / AX_MUX_BOUNDS : 0;
    return (m->out->column_of[slot] + part) << AX_MUX_BOUND_BITS | (all - part * AX_MUX_BOUNDS);
}

static void find_splits(const struct muxing *m, const uint32_t *numbers)
{
    const struct ax_compiled *c = m->c;
    uint32_t *to = m->out->splits;
    for (size_t i = 0; i < c->node_count; i++) {
        const struct ax_node *node = &c->nodes[i];
        *to++ = node->left ? find_split(m, numbers, node->slot, node->bound) : 0;
    }
    for (size_t i = 0; i < c->wide_count; i++) {
        const struct ax_wide_node *node = &c->wide_nodes[i];
        *to++ = node->left && !node->bits ? find_split(m, numbers, node->slot, node->bound) : 0;
    }
}

static enum ax_code make_splits(const struct muxing *m, struct ax_err *err)
{
    const struct ax_compiled *c = m->c;
    bool is_f64 = c->input_type == AX_FP64;
    uint32_t *numbers = NULL;
    m->out->splits = ax_try_alloc(c->node_count + c->wide_count + 1, sizeof(*m->out->splits));
    if (!is_f64)
        numbers = ax_try_alloc(c->threshold_count + 1, sizeof(*numbers));
    if (!m->out->splits || (!is_f64 && !numbers)) {
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu splits", c->node_count + c->wide_count);
    } else {
        for (size_t i = 0; numbers && i < c->threshold_count; i++)
            numbers[i] = ax_slot_number((float)c->thresholds[i]);
        find_splits(m, numbers);
    }
    free(numbers);
    return err->code;
}

/* ---- trees ---- */

/* Whether a split can be one of bytes. */
static bool split_fits(const struct ax_compiled *c, const struct ax_wide_node *node)
{
    const struct ax_slot_source *slot = &c->sources[node->slot];
    if (node->bits)
        return has_codes(slot);
    /* Below nothing goes a missing value to the left, alone; no byte is below 0. */
    bool is_low = slot->kind == AX_SLOT_LOW || slot->kind == AX_SLOT_ZERO_LOW;
    return !is_low || node->bound != 0;
}

/* Copy the nodes. False when they are too many, or one does not fit. */
static bool sapling_copy(struct sapling *s, const struct ax_compiled *c, const struct ax_tree *tree)
{
    s->count = 1;
    s->sets = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        struct ax_wide_node *to = &s->nodes[i];
        *to = ax_compiled_node(c, tree, i);
        if (is_leaf(to))
            continue;
        if (!split_fits(c, to) || s->count + 2 > NODES_MAX)
            return false;
        s->count += 2;
        if (to->bits)
            s->set_of[i] = s->sets++;
    }
    return true;
}

/* Copy the trunk of a tree that is too large. False when it cannot have one. */
static bool sapling_copy_trunk(struct sapling *s, const struct ax_compiled *c,
                               const struct ax_tree *tree)
{
    if (!ax_deep_tree_size(c, tree, count_columns(c)))
        return false;
    ax_deep_find_trunk(c, tree, s->places);
    s->count = AX_DEEP_TRUNK_NODES;
    s->sets = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        bool is_exit = i >= AX_DEEP_EXITS - 1;
        s->nodes[i] = (struct ax_wide_node){ .left = is_exit ? 0 : (int32_t)i + 1 };
        if (is_exit)
            s->nodes[i].leaf.row = s->places[i];
    }
    return true;
}

/* Measure the tree from the back, then number its leaves. False when it is to be walked. */
static bool sapling_init(struct sapling *s, const struct ax_compiled *c, const struct ax_tree *tree)
{
    s->is_trunk = false;
    if (!sapling_copy(s, c, tree)) {
        s->is_trunk = sapling_copy_trunk(s, c, tree);
        if (!s->is_trunk)
            return false;
    }
    for (uint32_t i = s->count; i-- > 0;) {
        const struct ax_wide_node *node = &s->nodes[i];
        uint32_t left = i + (uint32_t)node->left;
        s->leaves[i] = is_leaf(node) ? 1 : (uint16_t)(s->leaves[left] + s->leaves[left + 1]);
        s->height[i] = is_leaf(node) ? 0 : TILE_ANY;
        if (!is_leaf(node) && s->height[left] != TILE_ANY && s->height[left] == s->height[left + 1])
            s->height[i] = (int8_t)(s->height[left] + 1);
    }
    s->first[0] = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t left = i + (uint32_t)s->nodes[i].left;
        if (is_leaf(&s->nodes[i]))
            continue;
        s->first[left] = s->first[i];
        s->first[left + 1] = (uint16_t)(s->first[i] + s->leaves[left]);
    }
    return true;
}

static void sapling_cut_tiles(struct sapling *s)
{
    memset(s->is_inside, 0, sizeof(s->is_inside));
    for (uint32_t i = 0; i < s->count; i++) {
        bool is_complete = s->height[i] >= 0 && s->height[i] <= AX_MUX_TILE_HEIGHT;
        s->tile[i] = is_complete && !s->is_inside[i] ? s->height[i] : TILE_ANY;
        if (is_leaf(&s->nodes[i]))
            continue;
        uint32_t left = i + (uint32_t)s->nodes[i].left;
        s->is_inside[left] = s->is_inside[left + 1] = is_complete;
    }
}

static void put_word(struct muxing *m, uint32_t word)
{
    m->out->code[m->code_size++] = word;
}

static void put_byte(struct muxing *m, uint32_t byte)
{
    put_word(m, (byte & 0xFF) * UINT32_C(0x01010101));
}

static void put_split(struct muxing *m, const struct sapling *s, uint32_t at)
{
    const struct ax_wide_node *node = &s->nodes[at];
    if (node->bits) {
        put_word(m, 0);
        put_word(m, (uint32_t)((m->out->column_count + s->set_of[at]) * AX_MUX_ROWS));
        return;
    }
    /* What pads a trunk is beside a leaf, and goes right, where there is the same leaf. */
    struct ax_mux_split split = ax_mux_split_of(s->splits[s->is_trunk ? s->places[at] : at]);
    put_byte(m, split.bound - BYTE_BIAS);
    put_word(m, split.column * (uint32_t)AX_MUX_ROWS);
}

/* The splits of a complete subtree: the left half's, the right half's, its top. */
static void put_splits(struct muxing *m, const struct sapling *s, uint32_t top, int height)
{
    /* Places of the tops of subtrees that are still to be written, or of splits to be written when
     * their subtrees are. */
    struct {
        uint32_t top;
        int height;
        bool is_open;
    } stack[3 * AX_MUX_TILE_HEIGHT] = { { top, height, false } };
    size_t depth = 1;
    while (depth) {
        uint32_t at = stack[depth - 1].top;
        if (stack[depth - 1].height == 0) {
            depth--;
        } else if (stack[depth - 1].is_open) {
            put_split(m, s, at);
            depth--;
        } else {
            int below = stack[depth - 1].height - 1;
            uint32_t left = at + (uint32_t)s->nodes[at].left;
            stack[depth - 1].is_open = true;
            stack[depth].top = left + 1;
            stack[depth + 1].top = left;
            stack[depth].height = stack[depth + 1].height = below;
            stack[depth].is_open = stack[depth + 1].is_open = false;
            depth += 2;
        }
    }
}

static void put_sets(struct muxing *m, const struct sapling *s, struct ax_mux_tree *to)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct ax_wide_node *node = &s->nodes[i];
        if (is_leaf(node) || !node->bits)
            continue;
        uint32_t column = m->out->column_of[node->slot] * (uint32_t)AX_MUX_ROWS;
        size_t words = (m->c->sources[node->slot].category_limit + 2 + 31) / 32;
        put_word(m, column);
        put_word(m, column + (uint32_t)AX_MUX_ROWS);
        for (size_t w = 0; w < AX_MUX_CODES_MAX / 32; w++)
            put_word(m, w < words ? m->c->bits[node->bits + w] : 0);
        to->sets++;
    }
    m->out->set_column_count = AX_MAX(m->out->set_column_count, to->sets);
}

static void put_tiles(struct muxing *m, struct sapling *s, struct ax_mux_tree *to)
{
    uint32_t result = 0;
    put_sets(m, s, to);
    sapling_cut_tiles(s);
    for (int height = 0; height <= AX_MUX_TILE_HEIGHT; height++) {
        for (uint32_t i = 0; i < s->count; i++) {
            if (s->tile[i] != height)
                continue;
            put_byte(m, s->first[i]);
            put_splits(m, s, i, height);
            to->tiles[height]++;
            s->result[i] = result;
            result += (uint32_t)AX_MUX_ROWS;
        }
    }
    for (uint32_t i = s->count; i-- > 0;) {
        if (s->tile[i] != TILE_ANY || s->is_inside[i])
            continue;
        uint32_t left = i + (uint32_t)s->nodes[i].left;
        put_split(m, s, i);
        put_word(m, s->result[left]);
        put_word(m, s->result[left + 1]);
        to->joins++;
        s->result[i] = result;
        result += (uint32_t)AX_MUX_ROWS;
    }
}

static void put_levels(struct muxing *m, const struct sapling *s, struct ax_mux_tree *to)
{
    for (uint32_t at = 0; !is_leaf(&s->nodes[at]); at += (uint32_t)s->nodes[at].left) {
        put_split(m, s, at);
        to->levels++;
    }
}

/* ---- leaves ---- */

/* Whether leaves are numbers of sum_type, rather than rows or places. */
static bool has_values(const struct ax_compiled *c, enum ax_mux_form form)
{
    return c->leaf_width == 1 && form != AX_MUX_DEEP;
}

static size_t leaf_number_size(const struct ax_compiled *c, enum ax_mux_form form)
{
    return !has_values(c, form) ? sizeof(uint32_t) : ax_datatype_size(c->sum_type);
}

uint16_t ax_mux_table_count(const struct ax_compiled *compiled, enum ax_mux_form form,
                            uint32_t leaf_count)
{
    assert(compiled);
    if (!has_values(compiled, form) || leaf_count > AX_MUX_PLANE_MAX)
        return 0;
    return leaf_count <= 16 ? 1 : leaf_count <= 32 ? 2 : 4;
}

/* Bytes of a tree's leaves, to a multiple of 16. */
size_t ax_mux_leaf_bytes(const struct ax_compiled *compiled, enum ax_mux_form form,
                         uint32_t leaf_count)
{
    size_t tables = ax_mux_table_count(compiled, form, leaf_count);
    size_t count = tables ? 16 * tables : (leaf_count + 15) / 16 * (size_t)16;
    return count * leaf_number_size(compiled, form);
}

static void put_leaf(const struct muxing *m, const struct ax_mux_tree *to, size_t number,
                     const union ax_leaf *leaf)
{
    const struct ax_compiled *c = m->c;
    size_t size = leaf_number_size(c, to->form);
    const void *from = leaf; /* a row of leaf_values, a place, or an f32 */
    if (has_values(c, to->form) && c->leaf_values)
        from = &c->leaf_values[leaf->row];
    char *leaves = m->out->leaves + to->leaves;
    size_t plane = (size_t)to->tables * 16;
    for (size_t i = 0; i < size; i++)
        leaves[plane ? i * plane + number : number * size + i] = ((const char *)from)[i];
}

static void put_leaves(struct muxing *m, const struct sapling *s, struct ax_mux_tree *to)
{
    size_t size = ax_mux_leaf_bytes(m->c, to->form, to->leaf_count);
    memset(m->out->leaves + to->leaves, 0, size);
    for (uint32_t i = 0; i < s->count; i++) {
        if (is_leaf(&s->nodes[i]))
            put_leaf(m, to, s->first[i], &s->nodes[i].leaf);
    }
    m->leaf_size += size;
}

/* ---- the forest ---- */

/* How much code and leaves there may be, and whether most trees have a program. */
static bool measure(const struct ax_compiled *c, struct sapling *s, size_t *ret_words,
                    size_t *ret_bytes)
{
    size_t words = 0, bytes = 0, count = 0;
    for (size_t t = 0; t < c->tree_count; t++) {
        if (!sapling_init(s, c, &c->trees[t]))
            continue;
        count++;
        /* A split has 2 to 4 words, a leaf has 0 or 1. */
        words += 3 * (size_t)s->count + AX_MUX_SET_WORDS * (size_t)s->sets;
        bytes += ax_mux_leaf_bytes(c, s->is_trunk ? AX_MUX_DEEP : AX_MUX_TILES, s->leaves[0]);
    }
    *ret_words = words;
    *ret_bytes = bytes;
    return 2 * count > c->tree_count;
}

static enum ax_code make_trees(struct muxing *m, struct sapling *s, size_t words, size_t bytes,
                               struct ax_err *err)
{
    struct ax_mux *out = m->out;
    out->trees = ax_try_alloc(m->c->tree_count, sizeof(*out->trees));
    out->code = ax_try_alloc(words, sizeof(*out->code));
    out->leaves = ax_try_alloc(bytes, 1);
    if (!out->trees || !out->code || !out->leaves || words > UINT32_MAX)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu words of code", words);
    out->tree_count = m->c->tree_count;
    for (size_t t = 0; t < out->tree_count; t++) {
        struct ax_mux_tree *to = &out->trees[t];
        s->splits = ax_mux_splits(out, m->c, &m->c->trees[t]);
        *to = (struct ax_mux_tree){ .form = AX_MUX_WALKED, .group = m->c->trees[t].group };
        if (!sapling_init(s, m->c, &m->c->trees[t])) {
            out->walked_count++;
            continue;
        }
        bool is_oblivious = m->c->trees[t].is_oblivious && !s->is_trunk;
        to->form = s->is_trunk ? AX_MUX_DEEP : is_oblivious ? AX_MUX_OBLIVIOUS : AX_MUX_TILES;
        out->deep_count += s->is_trunk;
        to->code = (uint32_t)m->code_size;
        to->leaves = m->leaf_size;
        to->leaf_count = s->leaves[0];
        to->tables = ax_mux_table_count(m->c, to->form, to->leaf_count);
        if (is_oblivious)
            put_levels(m, s, to);
        else
            put_tiles(m, s, to);
        put_leaves(m, s, to);
    }
    assert(m->code_size <= words && m->leaf_size == bytes);
    out->code_words = m->code_size;
    out->leaf_bytes = m->leaf_size;
    return AX_OK;
}

/* Whether the forest's shape allows bytes at all. */
static bool fits(const struct ax_compiled *c)
{
    for (size_t i = 0; i < c->rank_count; i++) {
        if (c->ranks[i].threshold_count > AX_MUX_COLUMNS_MAX * AX_MUX_BOUNDS)
            return false;
    }
    return c->group_count <= AX_MUX_GROUPS_MAX && count_columns(c) <= AX_MUX_COLUMNS_MAX &&
           c->slot_count <= AX_MUX_COLUMNS_MAX;
}

enum ax_code ax_mux_init(struct ax_mux *mux, const struct ax_compiled *compiled, struct ax_err *err)
{
    assert(mux && compiled && err);
    *mux = (struct ax_mux){ .is_made = true };
    struct muxing m = { .out = mux, .c = compiled };
    struct sapling sapling;
    size_t words, bytes;
    if (!fits(compiled) || !measure(compiled, &sapling, &words, &bytes))
        return AX_OK;
    if (!make_columns(&m, err) && !make_splits(&m, err))
        (void)make_trees(&m, &sapling, words, bytes, err);
    if (err->code)
        ax_mux_done(mux);
    return err->code;
}

enum ax_code ax_mux_init_columns(struct ax_mux *mux, const struct ax_compiled *compiled,
                                 bool *ret_fits, struct ax_err *err)
{
    assert(mux && compiled && ret_fits && err);
    *mux = (struct ax_mux){ .is_made = true };
    struct muxing m = { .out = mux, .c = compiled };
    bool is_fit = fits(compiled);
    if (is_fit)
        (void)make_columns(&m, err);
    if (err->code)
        ax_mux_done(mux);
    else
        *ret_fits = is_fit;
    return err->code;
}

void ax_mux_done(struct ax_mux *mux)
{
    if (!mux)
        return;
    if (!mux->is_borrowed) {
        free(mux->trees);
        free(mux->splits);
        free(mux->code);
        free(mux->leaves);
    }
    free(mux->sources);
    free(mux->columns);
    free(mux->column_of);
    free(mux->rank_of);
    free(mux->categories);
    free(mux->key_memory);
    *mux = (struct ax_mux){ 0 };
}

size_t ax_mux_bytes(const struct ax_mux *mux)
{
    assert(mux);
    size_t bytes = ax_alloc_bytes(mux->sources) + ax_alloc_bytes(mux->columns) +
                   ax_alloc_bytes(mux->column_of) + ax_alloc_bytes(mux->rank_of) +
                   ax_alloc_bytes(mux->categories) + ax_alloc_bytes(mux->key_memory);
    if (!mux->is_borrowed)
        bytes += ax_alloc_bytes(mux->trees) + ax_alloc_bytes(mux->splits) +
                 ax_alloc_bytes(mux->code) + ax_alloc_bytes(mux->leaves);
    return bytes;
}
