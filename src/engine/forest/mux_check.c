/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether programs that come from a file may be run.
 *
 * They must be what mux.c writes: code and leaves of one tree behind those of the other, without a
 * gap. Then what is left to check of a tree's code is where its splits read (a column of the block,
 * or one of the tree's own sets), which results a join reads (those written before it), and that no
 * leaf's number is beyond the tree's leaves. Bounds and sets are data: any will do. Of the splits
 * that stand beside the nodes the columns are checked, all alike.
 */
#include "engine/forest/deep.h"

#include <assert.h>
#include <inttypes.h>

#define RESULTS_MAX (2 * AX_MUX_LEAVES_MAX - 1)

/* A tree's code being read. */
struct reading {
    const uint32_t *code;
    size_t left;      /* words */
    size_t columns;   /* bytes of a block's columns that splits may read */
    size_t of_values; /* of them those that all trees share */
    uint32_t leaf_count;
};

/* The next words, or NULL. */
static const uint32_t *take(struct reading *r, size_t words)
{
    if (words > r->left)
        return NULL;
    const uint32_t *at = r->code;
    r->code += words;
    r->left -= words;
    return at;
}

static bool is_place(uint32_t at, size_t end)
{
    return at < end && at % AX_MUX_ROWS == 0;
}

static bool take_splits(struct reading *r, size_t count)
{
    const uint32_t *at = take(r, 2 * count);
    if (!at)
        return false;
    bool is_fine = true;
    for (size_t i = 0; i < count; i++)
        is_fine &= is_place(at[2 * i + 1], r->columns);
    return is_fine;
}

static bool take_sets(struct reading *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t *set = take(r, AX_MUX_SET_WORDS);
        if (!set || !is_place(set[0], r->of_values) || !is_place(set[1], r->of_values))
            return false;
    }
    return true;
}

static bool take_tiles(struct reading *r, uint32_t height, size_t count)
{
    uint32_t leaves = UINT32_C(1) << height;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *first = take(r, 1);
        if (!first || *first != (*first & 0xFF) * UINT32_C(0x01010101) ||
            (*first & 0xFF) + leaves > r->leaf_count || !take_splits(r, leaves - 1))
            return false;
    }
    return true;
}

static bool take_joins(struct reading *r, size_t results, size_t count)
{
    for (size_t i = 0; i < count; i++, results++) {
        const uint32_t *join = take(r, 4);
        if (!join || !is_place(join[1], r->columns) || !is_place(join[2], results * AX_MUX_ROWS) ||
            !is_place(join[3], results * AX_MUX_ROWS))
            return false;
    }
    return true;
}

static bool take_program(struct reading *r, const struct ax_mux_tree *tree)
{
    size_t results = 0;
    if (!take_sets(r, tree->sets))
        return false;
    for (uint32_t height = 0; height <= AX_MUX_TILE_HEIGHT; height++) {
        if (!take_tiles(r, height, tree->tiles[height]))
            return false;
        results += tree->tiles[height];
    }
    return results >= 1 && results + tree->joins <= RESULTS_MAX &&
           take_joins(r, results, tree->joins);
}

static bool take_tree(struct reading *r, const struct ax_mux_tree *tree)
{
    if (tree->form != AX_MUX_OBLIVIOUS)
        return take_program(r, tree);
    return tree->sets == 0 && tree->levels >= 1 && tree->levels <= 8 &&
           tree->leaf_count == UINT32_C(1) << tree->levels && take_splits(r, tree->levels);
}

/* Whether leaves that are rows of the table are in it. */
static bool rows_fit(const struct ax_compiled *c, const char *leaves, uint32_t count)
{
    const uint32_t *rows = (const uint32_t *)(const void *)leaves;
    bool is_fine = true;
    for (uint32_t i = 0; c->leaf_width > 1 && i < count; i++)
        is_fine &= rows[i] < c->leaf_rows;
    return is_fine;
}

/* Whether the exits of a trunk are those of the tree: from elsewhere a walk of so many steps would
 * not end at a leaf. */
static bool exits_fit(const struct ax_compiled *c, const struct ax_mux *mux, size_t t,
                      const char *leaves)
{
    const uint32_t *places = (const uint32_t *)(const void *)leaves;
    uint32_t trunk[AX_DEEP_TRUNK_NODES];
    if (mux->trees[t].leaf_count != AX_DEEP_EXITS ||
        !ax_deep_tree_size(c, &c->trees[t], mux->column_count))
        return false;
    ax_deep_find_trunk(c, &c->trees[t], trunk);
    return memcmp(places, trunk + AX_DEEP_EXITS - 1, AX_DEEP_EXITS * sizeof(*places)) == 0;
}

/* One tree, whose code begins with word *code and whose leaves with byte *leaves; both move on. */
static bool tree_fits(const struct ax_compiled *c, const struct ax_mux *mux, size_t t, size_t *code,
                      size_t *leaves)
{
    const struct ax_mux_tree *tree = &mux->trees[t];
    if (tree->group != c->trees[t].group || (unsigned)tree->form > AX_MUX_DEEP)
        return false;
    if (tree->form == AX_MUX_WALKED)
        return true;
    if (tree->leaf_count < 1 || tree->leaf_count > AX_MUX_LEAVES_MAX || tree->code != *code ||
        tree->leaves != *leaves ||
        tree->tables != ax_mux_table_count(c, tree->form, tree->leaf_count))
        return false;
    size_t leaf_bytes = ax_mux_leaf_bytes(c, tree->form, tree->leaf_count);
    if (leaf_bytes > mux->leaf_bytes - *leaves ||
        !(tree->form == AX_MUX_DEEP ? exits_fit(c, mux, t, mux->leaves + *leaves)
                                    : rows_fit(c, mux->leaves + *leaves, tree->leaf_count)))
        return false;
    size_t shared = mux->column_count * AX_MUX_ROWS;
    struct reading r = { .code = mux->code + *code,
                         .left = mux->code_words - *code,
                         .columns = shared + tree->sets * AX_MUX_ROWS,
                         .of_values = shared,
                         .leaf_count = tree->leaf_count };
    if (!take_tree(&r, tree))
        return false;
    *code = mux->code_words - r.left;
    *leaves += leaf_bytes;
    return true;
}

static enum ax_code check_trees(struct ax_mux *mux, const struct ax_compiled *c, struct ax_err *err)
{
    size_t code = 0, leaves = 0;
    for (size_t t = 0; t < mux->tree_count; t++) {
        if (!tree_fits(c, mux, t, &code, &leaves))
            return ax_fail(err, AX_E_INVALID, "the program of tree %zu", t);
        mux->walked_count += mux->trees[t].form == AX_MUX_WALKED;
        mux->deep_count += mux->trees[t].form == AX_MUX_DEEP;
        mux->set_column_count = AX_MAX(mux->set_column_count, (size_t)mux->trees[t].sets);
    }
    if (code != mux->code_words || leaves != mux->leaf_bytes)
        return ax_fail(err, AX_E_INVALID, "code of no tree behind word %zu", code);
    return AX_OK;
}

static enum ax_code check_splits(const struct ax_mux *mux, const struct ax_compiled *c,
                                 struct ax_err *err)
{
    const uint32_t *splits = mux->splits;
    size_t count = c->node_count + c->wide_count;
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = AX_MAX(most, splits[i]);
    if (most >> AX_MUX_BOUND_BITS >= AX_MAX(mux->column_count, 1))
        return ax_fail(err, AX_E_INVALID, "a split that reads column %" PRIu32,
                       most >> AX_MUX_BOUND_BITS);
    return AX_OK;
}

enum ax_code ax_mux_adopt(struct ax_mux *mux, const struct ax_compiled *compiled,
                          const struct ax_mux_programs *programs, struct ax_err *err)
{
    assert(mux && compiled && programs && err);
    bool fits;
    if (!programs->trees) {
        *mux = (struct ax_mux){ .is_made = true };
        return AX_OK;
    }
    if (ax_mux_init_columns(mux, compiled, &fits, err))
        return err->code;
    mux->is_borrowed = true;
    mux->trees = programs->trees;
    mux->tree_count = compiled->tree_count;
    mux->splits = programs->splits;
    mux->code = programs->code;
    mux->code_words = programs->code_words;
    mux->leaves = programs->leaves;
    mux->leaf_bytes = programs->leaf_bytes;
    if (!fits)
        (void)ax_fail(err, AX_E_INVALID, "programs of a forest that cannot have any");
    else if (!check_splits(mux, compiled, err))
        (void)check_trees(mux, compiled, err);
    if (err->code)
        ax_mux_done(mux);
    return err->code;
}
