/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the compiled form to complete trees, and from a row to what they compare with.
 *
 * A run of trees of depth d is one piece of memory, so that a walk needs one address for all of it:
 *
 *   leaves    of LANES trees, 2^d each       f32 or f64, or rows of leaf_values as uint32_t
 *   bounds    of LANES trees, 2^d each       a tree's root is its number 1; number 0 is not used
 *   columns   the same, 16 bits each
 *
 * A leaf that is not at the bottom becomes splits that nothing is above, down to copies of it.
 *
 * Sets: whether a category is in the set of a split is asked for all splits at once. Each category
 * has a row of bits, one a split; a row of the batch turns the bits of its category into 0 and
 * all ones, which a split compares with 0 like any number.
 */
#include "engine/forest/numbers.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES         ((size_t)AX_NUMBERS_LANES)
#define PADDING_MAX   4 /* places for leaves, each leaf counting once */
#define COLUMNS_MAX   ((size_t)UINT16_MAX + 1)
#define BIT_WORDS_MAX ((size_t)1 << 18)
/* A row of so many features for each slot is better left alone but for the slots. */
#define FLAT_MAX   4
#define FLAT_LEAST 64
#define PART       4 /* numbers of a register that every CPU has */

#define SIGN          UINT32_C(0x80000000) /* of an f32 */
#define INFINITY_BITS UINT32_C(0x7F800000)

struct numbering {
    struct ax_numbers *out;
    const struct ax_compiled *c;
    uint16_t *leaf_counts;  /* [tree]; 0: it does not fit */
    uint32_t *set_counts;   /* [slot]: splits with a set */
    uint32_t *next_columns; /* [slot]: of the next split with a set */
    uint32_t *sets_of;      /* [slot]: which of the sets */
    size_t bytes;           /* of the runs */
    size_t fitting;         /* trees */
};

/* ---- what fits ---- */

/* Count the leaves and the sets of a tree; false when it is too deep or too large. */
static bool tree_counts(const struct numbering *k, size_t t, size_t *ret_leaves, size_t *ret_sets)
{
    const struct ax_tree *tree = &k->c->trees[t];
    size_t count = 1, sets = 0;
    if (tree->depth > AX_NUMBERS_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct ax_wide_node node = ax_compiled_node(k->c, tree, i);
        count += node.left ? 2 : 0;
        sets += node.left && node.bits;
        if (node.left && node.bits && node.slot < k->c->number_end)
            return false;
    }
    *ret_leaves = (count + 1) / 2;
    *ret_sets = sets;
    return true;
}

static void count_sets(const struct numbering *k, size_t t)
{
    const struct ax_tree *tree = &k->c->trees[t];
    for (size_t i = 0; i < 2 * (size_t)k->leaf_counts[t] - 1; i++) {
        struct ax_wide_node node = ax_compiled_node(k->c, tree, i);
        if (node.left && node.bits)
            k->set_counts[node.slot]++;
    }
}

/* Which trees fit, with sets or without any. */
static void survey(struct numbering *k, bool with_sets)
{
    k->fitting = 0;
    for (size_t t = 0; t < k->c->tree_count; t++) {
        size_t leaves, sets;
        bool fits = tree_counts(k, t, &leaves, &sets) && (with_sets || !sets);
        k->leaf_counts[t] = fits ? (uint16_t)leaves : 0;
        k->fitting += fits;
        if (fits && sets)
            count_sets(k, t);
    }
}

/* ---- columns ---- */

/* Number the columns. False when they are too many. */
static bool plan_columns(struct numbering *k)
{
    struct ax_numbers *out = k->out;
    const struct ax_compiled *c = k->c;
    size_t features = (c->feature_count + PART - 1) / PART * PART;
    out->is_flat = c->input_type == AX_FP32 && features <= FLAT_MAX * c->slot_count + FLAT_LEAST;
    out->high = (uint32_t)features;
    size_t columns = out->is_flat ? 2 * features : c->slot_count, words = 0;
    out->set_slot_count = 0;
    for (size_t s = c->number_end; s < c->slot_count; s++) {
        if (!k->set_counts[s])
            continue;
        struct ax_numbers_sets *sets = &out->sets[out->set_slot_count++];
        *sets = (struct ax_numbers_sets){ .feature = c->sources[s].feature,
                                          .limit = c->sources[s].category_limit,
                                          .column = (uint32_t)columns,
                                          .count = k->set_counts[s],
                                          .words = (k->set_counts[s] + 31) / 32,
                                          .bits_from = words };
        k->next_columns[s] = sets->column;
        k->sets_of[s] = (uint32_t)out->set_slot_count - 1;
        columns += sets->words * 32;
        words += sets->words * ((size_t)sets->limit + 2);
        if (columns > COLUMNS_MAX || words > BIT_WORDS_MAX)
            return false;
    }
    out->slots_from = out->is_flat ? columns : 0;
    /* Whole cache lines, so that each row's begin where the first one's do. */
    size_t values = columns + (out->is_flat ? c->slot_count : 0);
    out->value_count = (values + 15) / 16 * 16;
    return columns <= COLUMNS_MAX;
}

/* ---- runs ---- */

static size_t run_bytes(const struct ax_compiled *c, size_t depth)
{
    return (LANES << depth) * (ax_numbers_leaf_size(c) + sizeof(uint32_t) + sizeof(uint16_t));
}

/* Whether trees [from, from + count) are worth padding to the depth of the deepest. */
static bool is_dense(const struct numbering *k, size_t from, size_t count, size_t *ret_depth)
{
    size_t leaves = 0, depth = 0;
    for (size_t t = from; t < from + count; t++) {
        leaves += k->leaf_counts[t];
        depth = AX_MAX(depth, k->c->trees[t].depth);
    }
    *ret_depth = depth;
    return count << depth <= PADDING_MAX * leaves;
}

/* How many trees from `from` on one run takes, and whether they fit or not. */
static size_t run_length(const struct numbering *k, size_t from, bool *ret_fits)
{
    const struct ax_tree *trees = k->c->trees;
    size_t count = 1;
    *ret_fits = k->leaf_counts[from] != 0;
    while (count < LANES && from + count < k->c->tree_count &&
           (k->leaf_counts[from + count] != 0) == *ret_fits &&
           (*ret_fits || trees[from + count].is_wide == trees[from].is_wide))
        count++;
    return count;
}

static size_t same_kind(const struct numbering *k, size_t from, size_t count)
{
    size_t same = 1;
    while (same < count && k->c->trees[from + same].is_wide == k->c->trees[from].is_wide)
        same++;
    return same;
}

static void count_alike(struct ax_numbers *out)
{
    for (size_t r = out->run_count; r-- > 0;) {
        struct ax_numbers_run *run = &out->runs[r];
        bool goes_on = r + 1 < out->run_count && run[1].alike && run[1].depth == run->depth;
        run->alike = run->is_walked ? 0 : goes_on ? run[1].alike + 1 : 1;
    }
}

static void plan_runs(struct numbering *k)
{
    struct ax_numbers *out = k->out;
    k->fitting = 0;
    for (size_t from = 0; from < k->c->tree_count;) {
        bool fits;
        size_t depth = 0, count = run_length(k, from, &fits);
        struct ax_numbers_run *run = &out->runs[out->run_count++];
        fits = fits && is_dense(k, from, count, &depth);
        if (!fits)
            count = same_kind(k, from, count);
        *run = (struct ax_numbers_run){ .tree_end = (uint32_t)(from + count),
                                        .is_walked = !fits,
                                        .depth = (uint32_t)depth,
                                        .at = k->bytes };
        k->bytes += fits ? run_bytes(k->c, depth) : 0;
        k->fitting += fits ? count : 0;
        out->has_walked |= !fits;
        from += count;
    }
    count_alike(out);
}

/* ---- nodes and leaves ---- */

static void put_leaf(const struct ax_compiled *c, char *leaves, size_t at, union ax_leaf leaf,
                     bool is_real)
{
    if (c->leaf_width > 1)
        ((uint32_t *)(void *)leaves)[at] = leaf.row;
    else if (c->sum_type == AX_FP64)
        ((double *)(void *)leaves)[at] = is_real ? c->leaf_values[leaf.row] : -0.0;
    else
        ((float *)(void *)leaves)[at] = is_real ? leaf.value : -0.0f;
}

/* The column of a split; of one with a set it is a new one, whose bits are written. */
static uint16_t split_column(struct numbering *k, const struct ax_wide_node *node)
{
    struct ax_numbers *out = k->out;
    const struct ax_slot_source *source = &k->c->sources[node->slot];
    if (!node->bits && !out->is_flat)
        return (uint16_t)node->slot;
    if (!node->bits)
        return (uint16_t)(source->feature + (source->kind == AX_SLOT_HIGH ? out->high : 0));
    const struct ax_numbers_sets *sets = &out->sets[k->sets_of[node->slot]];
    uint32_t column = k->next_columns[node->slot]++, number = column - sets->column;
    uint32_t *bits = out->bits + sets->bits_from + number / 32;
    for (size_t code = 0; code < (size_t)sets->limit + 2; code++) {
        uint32_t goes_right = k->c->bits[node->bits + code / 32] >> code % 32 & 1;
        bits[code * sets->words] |= goes_right << number % 32;
    }
    return (uint16_t)column;
}

static void write_tree(struct numbering *k, const struct ax_numbers_run *run, size_t lane, size_t t,
                       bool is_real)
{
    uint32_t from[2 << AX_NUMBERS_DEPTH_MAX]; /* which node of the tree stands where */
    size_t tree = (size_t)1 << run->depth, places = LANES * tree;
    char *leaves = k->out->memory + run->at;
    char *bounds_at = leaves + places * ax_numbers_leaf_size(k->c);
    uint32_t *bounds = (uint32_t *)(void *)bounds_at + lane * tree;
    uint16_t *columns = (uint16_t *)(void *)(bounds_at + places * sizeof(*bounds)) + lane * tree;
    bounds[0] = UINT32_MAX;
    columns[0] = 0;
    from[1] = 0;
    for (size_t at = 1; at < tree; at++) {
        struct ax_wide_node node = ax_compiled_node(k->c, &k->c->trees[t], from[at]);
        bool ends = node.left == 0 || !is_real;
        bounds[at] = ends ? UINT32_MAX : node.bits ? 0 : node.bound;
        columns[at] = ends ? 0 : split_column(k, &node);
        from[2 * at] = from[at] + (ends ? 0 : (uint32_t)node.left);
        from[2 * at + 1] = from[2 * at] + !ends;
    }
    for (size_t i = 0; i < tree; i++)
        put_leaf(k->c, leaves, lane * tree + i,
                 is_real ? ax_compiled_node(k->c, &k->c->trees[t], from[tree + i]).leaf
                         : (union ax_leaf){ .row = 0 },
                 is_real);
}

static void write_runs(struct numbering *k)
{
    size_t from = 0;
    for (size_t r = 0; r < k->out->run_count; from = k->out->runs[r++].tree_end) {
        const struct ax_numbers_run *run = &k->out->runs[r];
        for (size_t i = 0; !run->is_walked && i < LANES; i++)
            write_tree(k, run, i, AX_MIN(from + i, (size_t)run->tree_end - 1),
                       from + i < run->tree_end);
    }
}

/* ---- all of it ---- */

static enum ax_code allocate(struct numbering *k, struct ax_err *err)
{
    const struct ax_compiled *c = k->c;
    k->leaf_counts = ax_try_alloc(c->tree_count + 1, sizeof(*k->leaf_counts));
    k->set_counts = ax_try_alloc(c->slot_count + 1, sizeof(*k->set_counts));
    k->next_columns = ax_try_alloc(c->slot_count + 1, sizeof(*k->next_columns));
    k->sets_of = ax_try_alloc(c->slot_count + 1, sizeof(*k->sets_of));
    k->out->sets = ax_try_alloc(c->slot_count - c->number_end + 1, sizeof(*k->out->sets));
    if (!k->leaf_counts || !k->set_counts || !k->next_columns || !k->sets_of || !k->out->sets)
        return ax_fail(err, AX_E_LIMIT, "no memory to group %zu trees", c->tree_count);
    memset(k->set_counts, 0, c->slot_count * sizeof(*k->set_counts));
    return AX_OK;
}

/* Which trees fit, and where columns are; false when there are too many columns, or half of the
 * trees do not fit. */
static bool forest_fits(struct numbering *k)
{
    size_t trees = k->c->tree_count;
    survey(k, true);
    if (!plan_columns(k)) {
        memset(k->set_counts, 0, k->c->slot_count * sizeof(*k->set_counts));
        survey(k, false);
        if (!plan_columns(k))
            return false;
    }
    return trees > 0 && 2 * k->fitting >= trees;
}

static size_t bit_words(const struct ax_numbers *n)
{
    const struct ax_numbers_sets *last = n->sets + n->set_slot_count;
    return n->set_slot_count ? last[-1].bits_from + last[-1].words * ((size_t)last[-1].limit + 2)
                             : 0;
}

static enum ax_code make_runs(struct numbering *k, struct ax_err *err)
{
    struct ax_numbers *out = k->out;
    out->runs = ax_try_alloc(k->c->tree_count + 1, sizeof(*out->runs));
    if (!out->runs)
        return ax_fail(err, AX_E_LIMIT, "no memory for runs of %zu trees", k->c->tree_count);
    plan_runs(k);
    size_t words = bit_words(out);
    out->run_memory = ax_try_alloc(k->bytes + AX_CACHE_LINE, 1);
    out->bits = ax_try_alloc(words + 1, sizeof(*out->bits));
    if (!out->run_memory || !out->bits)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu bytes of nodes", k->bytes);
    size_t over = (uintptr_t)out->run_memory % AX_CACHE_LINE;
    out->memory = (char *)out->run_memory + (over ? AX_CACHE_LINE - over : 0);
    memset(out->bits, 0, (words + 1) * sizeof(*out->bits));
    write_runs(k);
    return AX_OK;
}

static void drop(struct ax_numbers *numbers)
{
    ax_numbers_done(numbers);
    numbers->is_made = true;
}

enum ax_code ax_numbers_init(struct ax_numbers *numbers, const struct ax_compiled *compiled,
                             struct ax_err *err)
{
    assert(numbers && compiled && err);
    *numbers = (struct ax_numbers){ .is_made = true };
    struct numbering k = { .out = numbers, .c = compiled };
    if (!allocate(&k, err)) {
        if (!forest_fits(&k))
            drop(numbers);
        else if (!make_runs(&k, err) && 2 * k.fitting < compiled->tree_count)
            drop(numbers);
    }
    free(k.leaf_counts);
    free(k.set_counts);
    free(k.next_columns);
    free(k.sets_of);
    if (err->code)
        ax_numbers_done(numbers);
    return err->code;
}

void ax_numbers_done(struct ax_numbers *numbers)
{
    if (!numbers)
        return;
    free(numbers->runs);
    free(numbers->sets);
    free(numbers->bits);
    free(numbers->run_memory);
    *numbers = (struct ax_numbers){ 0 };
}

size_t ax_numbers_bytes(const struct ax_numbers *numbers)
{
    assert(numbers);
    return ax_alloc_bytes(numbers->runs) + ax_alloc_bytes(numbers->sets) +
           ax_alloc_bytes(numbers->bits) + ax_alloc_bytes(numbers->run_memory);
}

/* ---- rows ---- */

typedef float part_f32 __attribute__((vector_size(PART * sizeof(float))));
typedef uint32_t part_u32 __attribute__((vector_size(PART * sizeof(uint32_t))));
typedef int32_t part_i32 __attribute__((vector_size(PART * sizeof(int32_t))));

/* PART numbers as ax_slot_number has them; NaN is 0 in `low` and all ones in `high`. */
static AX_ALWAYS_INLINE void fill_part(const float *row, uint32_t *low, uint32_t *high)
{
    part_f32 x;
    memcpy(&x, row, sizeof(x));
    x += (part_f32){ 0 }; /* -0 becomes 0 */
    part_u32 bits = (part_u32)x, sign = (part_u32)((part_i32)bits < 0);
    part_u32 is_nan = (part_u32)((part_i32)(bits & ~SIGN) > (int32_t)INFINITY_BITS);
    part_u32 number = bits ^ (sign | SIGN);
    part_u32 left = number & ~is_nan, right = number | is_nan;
    memcpy(low, &left, sizeof(left));
    memcpy(high, &right, sizeof(right));
}

/* The last part is filled from the row's last numbers, again, or from a copy of a short row. */
static void fill_flat(const struct ax_numbers *n, size_t features, const float *row,
                      uint32_t *values)
{
    float few[PART] = { 0 };
    if (features < PART) {
        memcpy(few, row, features * sizeof(*row));
        fill_part(few, values, values + n->high);
        return;
    }
    for (size_t f = 0; f + PART < features; f += PART)
        fill_part(row + f, values + f, values + n->high + f);
    size_t last = features - PART;
    fill_part(row + last, values + last, values + n->high + last);
}

static double value_of(const struct ax_compiled *c, const void *row, size_t feature)
{
    return c->input_type == AX_FP64 ? ((const double *)row)[feature]
                                    : (double)((const float *)row)[feature];
}

/* 32 answers, each 0 or all ones. */
static AX_ALWAYS_INLINE void fill_answers(uint32_t bits, uint32_t *values)
{
    const part_u32 word = { bits, bits, bits, bits };
    part_u32 bit = { 1, 2, 4, 8 };
    for (size_t i = 0; i < 32 / PART; i++, bit <<= PART) {
        part_u32 is = (part_u32)((word & bit) == bit);
        memcpy(values + i * PART, &is, sizeof(is));
    }
}

void ax_numbers_fill(const struct ax_numbers *numbers, const struct ax_compiled *compiled,
                     const void *row, uint32_t *values)
{
    assert(numbers && numbers->runs && compiled && row && values);
    if (numbers->is_flat)
        fill_flat(numbers, compiled->feature_count, row, values);
    if (!numbers->is_flat || numbers->has_walked)
        ax_compiled_fill(compiled, row, values + numbers->slots_from);
    for (size_t i = 0; i < numbers->set_slot_count; i++) {
        const struct ax_numbers_sets *sets = &numbers->sets[i];
        uint32_t code =
            ax_compiled_category(compiled, sets->limit, value_of(compiled, row, sets->feature));
        const uint32_t *bits = numbers->bits + sets->bits_from + code * sets->words;
        for (size_t w = 0; w < sets->words; w++)
            fill_answers(bits[w], values + sets->column + 32 * w);
    }
}
