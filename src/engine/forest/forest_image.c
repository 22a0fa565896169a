/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forests as images: the engine's part of docs/internals/image.md, where the picture is.
 *
 * A payload is a head, then sections: arrays as they lie in memory, each at a multiple of 64. One
 * table says which array of the plan is which section and how large an element is. Two sections are
 * not arrays of the plan: what trees cannot be counted from, and the meta section, a stream of
 * numbers and texts that is read with a cursor which never passes its end.
 *
 * Reading takes sections as they are and then has them checked by whom they belong to:
 * compiled_check.c and mux_check.c. Only what is in the meta section and the base's length are this
 * file's matter. Numbers that are truth values or choices are compared before they are used.
 */
#include "engine/forest/forest_model.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "engine/forest/catboost_hash.h"
#include "engine/forest/transform.h"

#include <assert.h>
#include <stdlib.h>

#define ALIGN ((size_t)64)

enum section {
    SECTION_META,
    SECTION_BASE,
    SECTION_SLOTS,
    SECTION_RANKS,
    SECTION_THRESHOLDS,
    SECTION_TREES,
    SECTION_NODES,
    SECTION_WIDE_NODES,
    SECTION_BITS,
    SECTION_LEAVES,
    SECTION_PROGRAMS,
    SECTION_SPLITS,
    SECTION_CODE,
    SECTION_PROGRAM_LEAVES,
    SECTION_COUNT
};

/* What of a tree cannot be counted from its nodes. */
struct image_tree {
    uint32_t group;
    uint32_t is_wide;
};

static const size_t element_sizes[SECTION_COUNT] = {
    [SECTION_META] = 1,
    [SECTION_BASE] = 1, /* of sum_type */
    [SECTION_SLOTS] = sizeof(struct ax_slot_source),
    [SECTION_RANKS] = sizeof(struct ax_rank_source),
    [SECTION_THRESHOLDS] = sizeof(double),
    [SECTION_TREES] = sizeof(struct image_tree),
    [SECTION_NODES] = sizeof(struct ax_node),
    [SECTION_WIDE_NODES] = sizeof(struct ax_wide_node),
    [SECTION_BITS] = sizeof(uint32_t),
    [SECTION_LEAVES] = sizeof(double),
    [SECTION_PROGRAMS] = sizeof(struct ax_mux_tree),
    [SECTION_SPLITS] = sizeof(uint32_t),
    [SECTION_CODE] = sizeof(uint32_t),
    [SECTION_PROGRAM_LEAVES] = 1,
};

struct image_section {
    uint64_t offset;
    uint64_t count;
};

struct image_head {
    uint64_t layout; /* see layout_hash */
    uint32_t input_type, sum_type, flush_zero, category_form;
    uint64_t feature_count, group_count, leaf_width, leaf_rows, number_end;
    uint64_t has_programs;
    struct image_section sections[SECTION_COUNT];
};

/* Another number whenever the compiler lays a stored struct out differently, and in each version of
 * the program: what a reader or the compiler has corrected must not live on in an image. */
static uint64_t layout_hash(void)
{
    static const uint64_t words[] = {
        sizeof(struct image_head),
        offsetof(struct ax_slot_source, category_limit),
        offsetof(struct ax_rank_source, slot_end),
        offsetof(struct ax_node, slot),
        offsetof(struct ax_node, left),
        offsetof(struct ax_wide_node, bits),
        offsetof(struct ax_mux_tree, leaves),
        offsetof(struct ax_mux_tree, tiles),
        offsetof(struct ax_mux_tree, tables),
        AX_MUX_ROWS,
        AX_MUX_BOUNDS,
        AX_MUX_SET_WORDS,
        AX_MUX_TILE_HEIGHT,
        AX_MUX_PLANE_MAX,
        AX_MUX_BOUND_BITS,
    };
    uint64_t sizes = ax_hash((struct ax_str){ (const char *)element_sizes, sizeof(element_sizes) });
    uint64_t version = ax_hash_seeded(AX_STR(AX_VERSION), sizes);
    return ax_hash_seeded((struct ax_str){ (const char *)words, sizeof(words) }, version);
}

/* ---- writing ---- */

static void put_u64(struct ax_buf *out, uint64_t value)
{
    (void)ax_buf_append(out, &value, sizeof(value));
}

static void put_f64(struct ax_buf *out, double value)
{
    (void)ax_buf_append(out, &value, sizeof(value));
}

static void put_text(struct ax_buf *out, struct ax_str text)
{
    put_u64(out, text.len);
    (void)ax_buf_append_str(out, text);
}

/* How an input's categories are kept. */
enum image_dictionary { DICTIONARY_NONE, DICTIONARY_NAMES, DICTIONARY_HASHES };

static void put_dictionary(struct ax_buf *out, const struct ax_dictionary *dictionary)
{
    if (!dictionary) {
        put_u64(out, DICTIONARY_NONE);
        return;
    }
    put_u64(out, dictionary->hash ? DICTIONARY_HASHES : DICTIONARY_NAMES);
    put_u64(out, dictionary->count);
    for (size_t i = 0; !dictionary->hash && i < dictionary->count; i++)
        put_text(out, dictionary->names[i]);
    for (size_t i = 0; dictionary->hash && i < dictionary->count; i++) {
        put_u64(out, dictionary->hashes[i].hash);
        put_u64(out, dictionary->hashes[i].index);
    }
}

static void put_ending(struct ax_buf *out, const struct ax_forest_ending *ending, size_t groups)
{
    put_u64(out, ending->transform);
    put_u64(out, ending->probability);
    put_u64(out, ending->class_by_margin);
    put_f64(out, ending->class_margin);
    put_f64(out, ending->scale);
    put_f64(out, ending->divisor);
    put_f64(out, ending->slope);
    put_u64(out, ending->bias != NULL);
    for (size_t i = 0; ending->bias && i < groups; i++)
        put_f64(out, ending->bias[i]);
}

static void put_meta(struct ax_buf *out, const struct ax_forest_model *model)
{
    const struct ax_signature *signature = &model->base.signature;
    put_text(out, ax_str_from(model->base.format));
    put_text(out, ax_str_from(model->base.iterations));
    put_text(out, ax_str_from(model->objective));
    put_ending(out, &model->ending, model->plan.compiled.group_count);
    put_u64(out, signature->task);
    for (size_t i = 0; i < signature->input_count; i++) {
        put_text(out, signature->inputs[i].name);
        put_u64(out, signature->inputs[i].required);
        put_dictionary(out, signature->inputs[i].categories);
    }
    put_u64(out, signature->label_count);
    for (size_t i = 0; i < signature->label_count; i++)
        put_text(out, signature->labels[i]);
    put_u64(out, signature->quantile_count);
    for (size_t i = 0; i < signature->quantile_count; i++)
        put_f64(out, signature->quantiles[i]);
}

static void put_trees(struct ax_buf *out, const struct ax_compiled *c)
{
    for (size_t t = 0; t < c->tree_count; t++) {
        struct image_tree tree = { c->trees[t].group, c->trees[t].is_wide };
        (void)ax_buf_append(out, &tree, sizeof(tree));
    }
}

static void pad(struct ax_buf *out, size_t from)
{
    static const char zeros[ALIGN];
    size_t over = (out->len - from) % ALIGN;
    if (over)
        (void)ax_buf_append(out, zeros, ALIGN - over);
}

/* What a section of an array holds, and how many; `mux` is the plan's or one made for this. */
static const void *section_array(const struct ax_compiled *c, const struct ax_mux *mux,
                                 enum section section, uint64_t *ret_count)
{
    switch (section) {
    case SECTION_BASE:
        *ret_count = c->group_count * ax_datatype_size(c->sum_type);
        return c->base;
    case SECTION_SLOTS:
        *ret_count = c->slot_count;
        return c->sources;
    case SECTION_RANKS:
        *ret_count = c->rank_count;
        return c->ranks;
    case SECTION_THRESHOLDS:
        *ret_count = c->threshold_count;
        return c->thresholds;
    case SECTION_NODES:
        *ret_count = c->node_count;
        return c->nodes;
    case SECTION_WIDE_NODES:
        *ret_count = c->wide_count;
        return c->wide_nodes;
    case SECTION_BITS:
        *ret_count = c->bit_words;
        return c->bits;
    case SECTION_LEAVES:
        *ret_count = c->leaf_values ? c->leaf_rows * c->leaf_width : 0;
        return c->leaf_values;
    case SECTION_PROGRAMS:
        *ret_count = mux->trees ? mux->tree_count : 0;
        return mux->trees;
    case SECTION_SPLITS:
        *ret_count = mux->trees ? c->node_count + c->wide_count : 0;
        return mux->splits;
    case SECTION_CODE:
        *ret_count = mux->code_words;
        return mux->code;
    case SECTION_PROGRAM_LEAVES:
        *ret_count = mux->leaf_bytes;
        return mux->leaves;
    case SECTION_META:
    case SECTION_TREES:
    case SECTION_COUNT:
        break;
    }
    assert(!"no array");
    return NULL;
}

static void put_section(struct ax_buf *out, const struct ax_forest_model *model,
                        const struct ax_mux *mux, enum section section, uint64_t *ret_count)
{
    const struct ax_compiled *c = &model->plan.compiled;
    size_t before = out->len;
    if (section == SECTION_META) {
        put_meta(out, model);
        *ret_count = out->len - before;
    } else if (section == SECTION_TREES) {
        put_trees(out, c);
        *ret_count = c->tree_count;
    } else {
        const void *array = section_array(c, mux, section, ret_count);
        (void)ax_buf_append(out, *ret_count ? array : "", *ret_count * element_sizes[section]);
    }
}

static struct image_head make_head(const struct ax_compiled *c, const struct ax_mux *mux)
{
    return (struct image_head){ .layout = layout_hash(),
                                .input_type = c->input_type,
                                .sum_type = c->sum_type,
                                .flush_zero = c->flush_zero,
                                .category_form = c->category_form,
                                .feature_count = c->feature_count,
                                .group_count = c->group_count,
                                .leaf_width = c->leaf_width,
                                .leaf_rows = c->leaf_rows,
                                .number_end = c->number_end,
                                .has_programs = mux->trees != NULL };
}

static void put_payload(struct ax_buf *out, const struct ax_forest_model *model,
                        const struct ax_mux *mux)
{
    size_t begin = out->len;
    struct image_head head = make_head(&model->plan.compiled, mux);
    (void)ax_buf_append(out, &head, sizeof(head));
    for (int section = 0; section < SECTION_COUNT; section++) {
        struct image_section *entry = &head.sections[section];
        pad(out, begin);
        entry->offset = out->len - begin;
        put_section(out, model, mux, (enum section)section, &entry->count);
    }
    pad(out, begin);
    if (!out->failed)
        memcpy(out->ptr + begin, &head, sizeof(head));
}

static enum ax_code forest_image_write(const struct ax_model *model, struct ax_buf *out,
                                       struct ax_err *err)
{
    assert(model && out && out->len % ALIGN == 0 && err);
    const struct ax_forest_model *forest = container_of_const(model, struct ax_forest_model, base);
    /* Programs belong into the image, though this CPU may have no kernel that runs them. */
    struct ax_mux own = { 0 };
    const struct ax_mux *mux = &forest->plan.mux;
    if (!mux->is_made) {
        if (ax_mux_init(&own, &forest->plan.compiled, err))
            return err->code;
        mux = &own;
    }
    put_payload(out, forest, mux);
    ax_mux_done(&own);
    return ax_buf_check(out, "the image", err);
}

/* ---- reading ---- */

/* A cursor in the meta section. What it yields behind the end is 0 and empty. */
struct meta {
    const char *at;
    size_t left;
    bool is_over; /* it was asked for more than there is */
};

static const char *take(struct meta *meta, uint64_t len)
{
    if (meta->is_over || len > meta->left) {
        meta->is_over = true;
        return NULL;
    }
    const char *at = meta->at;
    meta->at += len;
    meta->left -= (size_t)len;
    return at;
}

static uint64_t take_u64(struct meta *meta)
{
    uint64_t value = 0;
    const char *at = take(meta, sizeof(value));
    if (at)
        memcpy(&value, at, sizeof(value));
    return value;
}

static double take_f64(struct meta *meta)
{
    double value = 0.0;
    const char *at = take(meta, sizeof(value));
    if (at)
        memcpy(&value, at, sizeof(value));
    return value;
}

static struct ax_str take_text(struct meta *meta)
{
    uint64_t len = take_u64(meta);
    const char *at = take(meta, len);
    return (struct ax_str){ at ? at : "", at ? (size_t)len : 0 };
}

/* A number of things of at least `size` bytes each; 0 when there cannot be as many. */
static size_t take_count(struct meta *meta, size_t size)
{
    uint64_t count = take_u64(meta);
    if (count <= meta->left / size)
        return (size_t)count;
    meta->is_over = true;
    return 0;
}

static enum ax_code cut_off(struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "its meta section is cut off");
}

static enum ax_code take_name(struct meta *meta, char *to, size_t size, struct ax_err *err)
{
    struct ax_str text = take_text(meta);
    if (meta->is_over)
        return cut_off(err);
    if (text.len >= size || memchr(text.ptr, '\0', text.len))
        return ax_fail(err, AX_E_INVALID, "a text of %zu bytes where %zu are most", text.len,
                       size - 1);
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return AX_OK;
}

static enum ax_code take_bias(struct meta *meta, struct ax_forest_model *model, struct ax_err *err)
{
    size_t groups = model->plan.compiled.group_count;
    uint64_t has_bias = take_u64(meta);
    if (meta->is_over || has_bias > 1 || (has_bias && groups > meta->left / sizeof(double)))
        return cut_off(err);
    if (!has_bias)
        return AX_OK;
    model->ending.bias = ax_try_alloc(groups, sizeof(double));
    if (!model->ending.bias)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu outputs", groups);
    for (size_t i = 0; i < groups; i++)
        model->ending.bias[i] = take_f64(meta);
    return AX_OK;
}

static enum ax_code take_ending(struct meta *meta, struct ax_forest_model *model,
                                struct ax_err *err)
{
    enum ax_datatype type = model->plan.compiled.sum_type;
    uint64_t transform = take_u64(meta), probability = take_u64(meta), by_margin = take_u64(meta);
    struct ax_forest_ending *ending = &model->ending;
    ending->class_margin = take_f64(meta);
    ending->scale = take_f64(meta);
    ending->divisor = take_f64(meta);
    ending->slope = take_f64(meta);
    bool is_known = transform <= AX_TRANSFORM_EXPECTILES &&
                    ax_transform_exists((enum ax_transform)transform, type) &&
                    (probability == AX_TRANSFORM_IDENTITY || probability == AX_TRANSFORM_SIGMOID ||
                     probability == AX_TRANSFORM_SOFTMAX);
    if (!is_known || by_margin > 1 || (by_margin && type != AX_FP64))
        return ax_fail(err, AX_E_INVALID, "transforms that are not known");
    ending->transform = (enum ax_transform)transform;
    ending->probability = (enum ax_transform)probability;
    ending->class_by_margin = by_margin != 0;
    return take_bias(meta, model, err);
}

static enum ax_code take_names(struct meta *meta, struct ax_signature *signature, size_t input,
                               struct ax_err *err)
{
    size_t count = take_count(meta, sizeof(uint64_t));
    struct ax_str *names = ax_try_alloc(count + 1, sizeof(*names));
    if (!names)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", count);
    for (size_t i = 0; i < count; i++)
        names[i] = take_text(meta);
    if (meta->is_over)
        (void)cut_off(err);
    else
        (void)(ax_signature_add_dictionary(signature, input, names, count, err) != AX_OK);
    free(names);
    return err->code;
}

static enum ax_code take_hashes(struct meta *meta, struct ax_signature *signature, size_t input,
                                struct ax_err *err)
{
    size_t count = take_count(meta, 2 * sizeof(uint64_t));
    uint32_t *hashes = ax_try_alloc(count + 1, sizeof(*hashes));
    unsigned char *seen = ax_try_alloc(count + 1, 1);
    if (!hashes || !seen)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", count);
    else
        memset(seen, 0, count + 1);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t hash = take_u64(meta), index = take_u64(meta);
        if (hash > UINT32_MAX || index >= count || seen[index]++)
            (void)ax_fail(err, AX_E_INVALID, "category %zu of input %zu", i, input);
        else
            hashes[index] = (uint32_t)hash;
    }
    if (!err->code && meta->is_over)
        (void)cut_off(err);
    if (!err->code)
        (void)(ax_signature_add_hashes(signature, input, ax_catboost_hash, hashes, count, err) !=
               AX_OK);
    free(hashes);
    free(seen);
    return err->code;
}

static enum ax_code take_input(struct meta *meta, struct ax_signature *signature, size_t input,
                               struct ax_err *err)
{
    struct ax_str name = take_text(meta);
    uint64_t required = take_u64(meta);
    uint64_t kind = take_u64(meta);
    if (meta->is_over)
        return cut_off(err);
    if (required > 1)
        return ax_fail(err, AX_E_INVALID, "whether input %zu is required", input);
    signature->inputs[input].required = required;
    if (name.len && ax_signature_name_input(signature, input, name, err))
        return err->code;
    if (kind == DICTIONARY_NAMES)
        return take_names(meta, signature, input, err);
    if (kind == DICTIONARY_HASHES)
        return take_hashes(meta, signature, input, err);
    return kind == DICTIONARY_NONE ? AX_OK
                                   : ax_fail(err, AX_E_INVALID, "categories of input %zu", input);
}

static enum ax_code take_labels(struct meta *meta, struct ax_signature *signature,
                                struct ax_err *err)
{
    size_t count = take_count(meta, sizeof(uint64_t));
    struct ax_str *labels = ax_arena_alloc(&signature->arena, count, sizeof(*labels));
    if (!labels)
        return ax_arena_fail(&signature->arena, "the labels", err);
    for (size_t i = 0; i < count; i++) {
        struct ax_str text = take_text(meta);
        char *copy = ax_arena_strdup(&signature->arena, text);
        if (!copy)
            return ax_arena_fail(&signature->arena, "the labels", err);
        labels[i] = (struct ax_str){ copy, text.len };
    }
    signature->labels = count ? labels : NULL;
    signature->label_count = count;
    return meta->is_over ? cut_off(err) : AX_OK;
}

static enum ax_code take_quantiles(struct meta *meta, struct ax_signature *signature,
                                   size_t group_count, struct ax_err *err)
{
    size_t count = take_count(meta, sizeof(double));
    size_t wanted = signature->task == AX_TASK_QUANTILES ? group_count : 0;
    if (meta->is_over)
        return cut_off(err);
    if (count != wanted)
        return ax_fail(err, AX_E_INVALID, "%zu quantiles of %zu", count, wanted);
    double *quantiles = ax_arena_alloc(&signature->arena, count, sizeof(*quantiles));
    if (!quantiles)
        return ax_arena_fail(&signature->arena, "the quantiles", err);
    for (size_t i = 0; i < count; i++)
        quantiles[i] = take_f64(meta);
    signature->quantiles = count ? quantiles : NULL;
    signature->quantile_count = count;
    return AX_OK;
}

static enum ax_code take_signature(struct meta *meta, struct ax_forest_model *model,
                                   struct ax_err *err)
{
    const struct ax_compiled *c = &model->plan.compiled;
    struct ax_signature *signature = &model->base.signature;
    uint64_t task = take_u64(meta);
    if (meta->is_over || task > AX_TASK_QUANTILES)
        return ax_fail(err, AX_E_INVALID, "a task that is not known");
    size_t outputs = ax_forest_output_count(model->ending.probability, (enum ax_task)task);
    if (ax_signature_init(signature, c->feature_count, outputs, err))
        return err->code;
    signature->task = (enum ax_task)task;
    for (size_t i = 0; i < c->feature_count; i++) {
        signature->inputs[i].datatype = c->input_type;
        if (take_input(meta, signature, i, err))
            return err->code;
    }
    if (take_labels(meta, signature, err) || take_quantiles(meta, signature, c->group_count, err))
        return err->code;
    return meta->left
               ? ax_fail(err, AX_E_INVALID, "%zu bytes too many in its meta section", meta->left)
               : AX_OK;
}

static enum ax_code read_meta(struct ax_str bytes, struct ax_forest_model *model,
                              struct ax_err *err)
{
    struct meta meta = { .at = bytes.ptr, .left = bytes.len };
    if (take_name(&meta, model->base.format, sizeof(model->base.format), err) ||
        take_name(&meta, model->base.iterations, sizeof(model->base.iterations), err) ||
        take_name(&meta, model->objective, sizeof(model->objective), err) ||
        take_ending(&meta, model, err))
        return err->code;
    return take_signature(&meta, model, err);
}

static enum ax_code check_head(struct ax_str payload, const struct image_head *head,
                               struct ax_err *err)
{
    if (head->layout != layout_hash())
        return ax_fail(err, AX_E_INVALID, "laid out by another version of the program");
    if (head->flush_zero > 1 || head->has_programs > 1)
        return ax_fail(err, AX_E_INVALID, "its head");
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct image_section *section = &head->sections[i];
        if (section->offset % ALIGN || section->offset > payload.len ||
            section->count > (payload.len - section->offset) / element_sizes[i])
            return ax_fail(err, AX_E_INVALID, "section %zu does not lie in it", i);
    }
    return AX_OK;
}

/* Where a section begins. Nothing is written there: the plan's pointers are not const since a plan
 * may own what they point to. */
static void *section_at(struct ax_str payload, const struct image_head *head, enum section section)
{
    union {
        const char *from;
        void *to;
    } at = { .from = payload.ptr + head->sections[section].offset };
    return at.to;
}

static size_t section_count(const struct image_head *head, enum section section)
{
    return (size_t)head->sections[section].count;
}

static enum ax_code take_trees(struct ax_str payload, const struct image_head *head,
                               struct ax_compiled *c, struct ax_err *err)
{
    const struct image_tree *trees = section_at(payload, head, SECTION_TREES);
    c->tree_count = section_count(head, SECTION_TREES);
    c->trees = ax_try_alloc(c->tree_count + 1, sizeof(*c->trees));
    if (!c->trees)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu trees", c->tree_count);
    for (size_t t = 0; t < c->tree_count; t++) {
        if (trees[t].is_wide > 1)
            return ax_fail(err, AX_E_INVALID, "kind of tree %zu", t);
        c->trees[t] = (struct ax_tree){ .group = trees[t].group, .is_wide = trees[t].is_wide };
    }
    return AX_OK;
}

static enum ax_code read_compiled(struct ax_str payload, const struct image_head *head,
                                  struct ax_compiled *c, struct ax_err *err)
{
    *c = (struct ax_compiled){
        .feature_count = head->feature_count,
        .group_count = head->group_count,
        .input_type = (enum ax_datatype)head->input_type,
        .sum_type = (enum ax_datatype)head->sum_type,
        .flush_zero = head->flush_zero,
        .category_form = (enum ax_forest_category_form)head->category_form,
        .sources = section_at(payload, head, SECTION_SLOTS),
        .slot_count = section_count(head, SECTION_SLOTS),
        .number_end = head->number_end,
        .ranks = section_at(payload, head, SECTION_RANKS),
        .rank_count = section_count(head, SECTION_RANKS),
        .thresholds = section_at(payload, head, SECTION_THRESHOLDS),
        .threshold_count = section_count(head, SECTION_THRESHOLDS),
        .nodes = section_at(payload, head, SECTION_NODES),
        .node_count = section_count(head, SECTION_NODES),
        .wide_nodes = section_at(payload, head, SECTION_WIDE_NODES),
        .wide_count = section_count(head, SECTION_WIDE_NODES),
        .bits = section_at(payload, head, SECTION_BITS),
        .bit_words = section_count(head, SECTION_BITS),
        .leaf_width = head->leaf_width,
        .leaf_rows = head->leaf_rows,
        .base = section_at(payload, head, SECTION_BASE),
        .is_borrowed = true,
    };
    if (c->leaf_width > 1 || c->sum_type == AX_FP64)
        c->leaf_values = section_at(payload, head, SECTION_LEAVES);
    size_t leaves;
    if (AX_MUL_OVERFLOWS(c->leaf_rows, c->leaf_width, &leaves) ||
        section_count(head, SECTION_LEAVES) != (c->leaf_values ? leaves : 0))
        return ax_fail(err, AX_E_INVALID, "table of leaves");
    if (take_trees(payload, head, c, err) || ax_compiled_check(c, err))
        return err->code;
    if (section_count(head, SECTION_BASE) != c->group_count * ax_datatype_size(c->sum_type))
        return ax_fail(err, AX_E_INVALID, "base");
    return AX_OK;
}

static enum ax_code read_programs(struct ax_str payload, const struct image_head *head,
                                  struct ax_forest_plan *plan, struct ax_err *err)
{
    struct ax_mux_programs programs = {
        .trees = head->has_programs ? section_at(payload, head, SECTION_PROGRAMS) : NULL,
        .splits = section_at(payload, head, SECTION_SPLITS),
        .code = section_at(payload, head, SECTION_CODE),
        .code_words = section_count(head, SECTION_CODE),
        .leaves = section_at(payload, head, SECTION_PROGRAM_LEAVES),
        .leaf_bytes = section_count(head, SECTION_PROGRAM_LEAVES),
    };
    if (programs.trees && section_count(head, SECTION_PROGRAMS) != plan->compiled.tree_count)
        return ax_fail(err, AX_E_INVALID, "%zu programs of %zu trees",
                       section_count(head, SECTION_PROGRAMS), plan->compiled.tree_count);
    if (programs.trees && section_count(head, SECTION_SPLITS) !=
                              plan->compiled.node_count + plan->compiled.wide_count)
        return ax_fail(err, AX_E_INVALID, "%zu splits of programs",
                       section_count(head, SECTION_SPLITS));
    return ax_mux_adopt(&plan->mux, &plan->compiled, &programs, err);
}

static enum ax_code read_payload(struct ax_str payload, struct ax_forest_model *model,
                                 struct ax_err *err)
{
    struct image_head head;
    if (payload.len < sizeof(head))
        return ax_fail(err, AX_E_INVALID, "its head is cut off");
    memcpy(&head, payload.ptr, sizeof(head));
    struct ax_forest_plan *plan = &model->plan;
    if (check_head(payload, &head, err) || read_compiled(payload, &head, &plan->compiled, err) ||
        read_programs(payload, &head, plan, err))
        return err->code;
    struct ax_str meta = { section_at(payload, &head, SECTION_META),
                           section_count(&head, SECTION_META) };
    if (read_meta(meta, model, err) || ax_forest_plan_prepare(plan, err))
        return err->code;
    ax_forest_model_complete(model);
    return AX_OK;
}

static enum ax_code forest_image_read(const struct ax_image *image, struct ax_model **ret_model,
                                      struct ax_err *err)
{
    assert(image && (uintptr_t)image->payload.ptr % ALIGN == 0 && ret_model && err);
    struct ax_forest_model *model = ax_forest_model_new();
    if (read_payload(image->payload, model, err)) {
        ax_model_unref(&model->base);
        return err->code;
    }
    model->image = *image;
    *ret_model = &model->base;
    return AX_OK;
}

/* ---- the seam ---- */

static void forest_image_key(const void *config, struct ax_buf *out)
{
    const struct ax_forest_config *forest = config;
    (void)ax_buf_append_str(out,
                            ax_str_from(forest && forest->iterations ? forest->iterations : "all"));
}

const struct ax_engine_images ax_forest_images = {
    .format = "forest4",
    .key = forest_image_key,
    .write = forest_image_write,
    .read = forest_image_read,
};
