/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CatBoost's own format, `.cbm`: "CBM1", the size of what follows, a FlatBuffers message
 * TModelCore, and then parts that the message lists, of which none is read.
 *
 * The numbers below are those of the fields in the library's schema (files of 0.1 to 1.2 agree in
 * them; newer ones added at the end). A field behind the last one known is refused where it is set.
 * Vectors may share their bytes, so every loop is bounded by what the forest may hold, not by the
 * size of the file: features have different places in a row, splits and leaves are counted.
 *
 * Trees that are not oblivious are lists of steps: how far to go on in the list, to the left and to
 * the right; 0 is "stay", and then the values of that very step are the answer. A step that stays
 * on one side only gets a leaf of its own for it.
 */
#include "engine/forest/catboost_model.h"

#include "base/alloc.h"
#include "engine/forest/flatbuffer.h"

#include <assert.h>
#include <stdlib.h>

#define FORMAT_VERSION  "FlabuffersModel_v1" /* the library's spelling */
#define INFO_MAX        ((size_t)4096)
#define PARTS_MAX       ((size_t)64)
#define LARGE_SIZE_MARK UINT32_MAX

enum { CORE_FORMAT, CORE_TREES, CORE_INFO, CORE_PARTS };
enum {
    TREES_DIMENSION,
    TREES_SPLITS,
    TREES_SIZES,
    TREES_STARTS,
    TREES_CATEGORICAL,
    TREES_NUMBERS,
    TREES_ONE_HOT,
    TREES_CTRS,
    TREES_LEAVES,
    TREES_WEIGHTS,
    TREES_STEPS,
    TREES_STEP_LEAVES,
    TREES_TEXTS,
    TREES_ESTIMATED,
    TREES_SCALE,
    TREES_BIAS,
    TREES_BIASES,
    TREES_REPACKED,
    TREES_EMBEDDINGS,
    TREES_END
};
enum { NUMBER_HAS_NANS, NUMBER_INDEX, NUMBER_FLAT, NUMBER_BORDERS, NUMBER_NAME, NUMBER_MISSING };
enum { CATEGORICAL_INDEX, CATEGORICAL_FLAT, CATEGORICAL_NAME };
enum { ONE_HOT_INDEX, ONE_HOT_VALUES };
enum { MISSING_AS_IS, MISSING_AS_FALSE, MISSING_AS_TRUE };

/* The texts of the info map that are JSON. */
enum { INFO_PARAMS, INFO_CLASSES, INFO_LOSS, INFO_COUNT };

struct cbm {
    struct ax_catboost model;
    struct ax_flat_table trees;
    struct ax_document documents[INFO_COUNT];
    struct ax_catboost_info info;
};

/* The message within the file. */
static enum ax_code cbm_message(struct ax_str bytes, struct ax_str *ret, struct ax_err *err)
{
    size_t at = 8;
    if (bytes.len < at || memcmp(bytes.ptr, "CBM1", 4) != 0)
        return ax_fail(err, AX_E_INVALID, "no CatBoost model: it does not begin with CBM1");
    uint64_t size = ax_flat_load_u32(bytes.ptr + 4);
    if (size == LARGE_SIZE_MARK) {
        if (bytes.len < at + 8)
            return ax_fail(err, AX_E_INVALID, "the file is cut off behind byte %zu", bytes.len);
        size = ax_flat_load_u64(bytes.ptr + at);
        at += 8;
    }
    if (size > bytes.len - at)
        return ax_fail(err, AX_E_INVALID,
                       "the file is cut off: its model has %llu bytes and %zu are there",
                       (unsigned long long)size, bytes.len - at);
    *ret = (struct ax_str){ bytes.ptr + at, (size_t)size };
    return AX_OK;
}

/* What would change the answer and is not read. */
static enum ax_code cbm_refuse(const struct cbm *c, const struct ax_flat_table *core,
                               struct ax_err *err)
{
    static const struct {
        unsigned field;
        const char *what;
    } refused[] = {
        { TREES_CTRS, "needs CTRs (statistics of categories); train it with one_hot_max_size at "
                      "least the number of categories, or without categorical features" },
        { TREES_TEXTS, "has text features, which are not read" },
        { TREES_EMBEDDINGS, "has embedding features, which are not read" },
        { TREES_ESTIMATED, "has features computed from texts or embeddings, which are not read" },
    };
    struct ax_flat_vector list;
    for (size_t i = 0; i < AX_COUNT(refused); i++) {
        if (ax_flat_vector(&c->trees, refused[i].field, 4, &list, err))
            return err->code;
        if (list.count)
            return ax_fail(err, AX_E_UNSUPPORTED, "the model %s", refused[i].what);
    }
    for (unsigned field = TREES_END; field < c->trees.field_count; field++) {
        if (ax_flat_has(&c->trees, field))
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "the trees have a field %u, which CatBoost 1.2 does not know", field);
    }
    if (ax_flat_vector(core, CORE_PARTS, 4, &list, err))
        return err->code;
    for (size_t i = 0; i < AX_MIN(list.count, PARTS_MAX + 1); i++) {
        struct ax_str part;
        if (ax_flat_vector_text(&list, i, &part, err))
            return err->code;
        /* Without CTRs, which were refused above, their table is not used. */
        if (!ax_str_is(part, "static_provider_v1") || i == PARTS_MAX)
            return ax_fail(err, AX_E_UNSUPPORTED, "the model needs the part '%.*s'",
                           AX_STR_ARG(ax_str_cut(part, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    }
    return AX_OK;
}

/* ---- features ---- */

static enum ax_code cbm_add_number(struct cbm *c, const struct ax_flat_table *feature,
                                   struct ax_err *err)
{
    struct ax_catboost_about about;
    struct ax_flat_vector list;
    int32_t index;
    int32_t flat;
    uint8_t missing;
    bool has_nans;
    if (ax_flat_bool(feature, NUMBER_HAS_NANS, false, &has_nans, err) ||
        ax_flat_i32(feature, NUMBER_INDEX, -1, &index, err) ||
        ax_flat_i32(feature, NUMBER_FLAT, -1, &flat, err) ||
        ax_flat_vector(feature, NUMBER_BORDERS, 4, &list, err) ||
        ax_flat_text(feature, NUMBER_NAME, &about.name, err) ||
        ax_flat_u8(feature, NUMBER_MISSING, MISSING_AS_IS, &missing, err))
        return err->code;
    if (missing > MISSING_AS_TRUE)
        return ax_fail(err, AX_E_UNSUPPORTED, "a treatment %u of missing values", missing);
    if (list.count > AX_CATBOOST_SPLITS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu borders of one feature", list.count);
    about.index = index;
    about.flat_index = flat;
    about.is_true_when_missing = has_nans && missing == MISSING_AS_TRUE;
    float *borders = ax_try_alloc(list.count + 1, sizeof(*borders));
    if (!borders)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu borders", list.count);
    for (size_t i = 0; i < list.count; i++)
        borders[i] = ax_flat_load_f32(list.ptr + 4 * i);
    enum ax_code code = ax_catboost_add_number(&c->model, &about, borders, list.count, err);
    free(borders);
    return code;
}

static enum ax_code cbm_add_categorical(struct cbm *c, const struct ax_flat_table *feature,
                                        struct ax_err *err)
{
    struct ax_catboost_about about = { .is_true_when_missing = false };
    int32_t index;
    int32_t flat;
    if (ax_flat_i32(feature, CATEGORICAL_INDEX, -1, &index, err) ||
        ax_flat_i32(feature, CATEGORICAL_FLAT, -1, &flat, err) ||
        ax_flat_text(feature, CATEGORICAL_NAME, &about.name, err))
        return err->code;
    about.index = index;
    about.flat_index = flat;
    return ax_catboost_add_categorical(&c->model, &about, err);
}

static enum ax_code cbm_add_one_hot(struct cbm *c, const struct ax_flat_table *feature,
                                    struct ax_err *err)
{
    struct ax_flat_vector list;
    int32_t index;
    if (ax_flat_i32(feature, ONE_HOT_INDEX, -1, &index, err) ||
        ax_flat_vector(feature, ONE_HOT_VALUES, 4, &list, err))
        return err->code;
    if (list.count > AX_CATBOOST_SPLITS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu categories of one feature", list.count);
    int32_t *hashes = ax_try_alloc(list.count + 1, sizeof(*hashes));
    if (!hashes)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", list.count);
    for (size_t i = 0; i < list.count; i++)
        hashes[i] = (int32_t)ax_flat_load_u32(list.ptr + 4 * i);
    enum ax_code code = ax_catboost_add_one_hot(&c->model, index, hashes, list.count, err);
    free(hashes);
    return code;
}

static enum ax_code cbm_features(struct cbm *c, struct ax_err *err)
{
    /* In the order in which the library numbers the splits. */
    static const struct {
        unsigned field;
        const char *name;
        enum ax_code (*add)(struct cbm *c, const struct ax_flat_table *feature, struct ax_err *err);
    } lists[] = {
        { TREES_NUMBERS, "FloatFeatures", cbm_add_number },
        { TREES_CATEGORICAL, "CatFeatures", cbm_add_categorical },
        { TREES_ONE_HOT, "OneHotFeatures", cbm_add_one_hot },
    };
    for (size_t l = 0; l < AX_COUNT(lists); l++) {
        struct ax_flat_vector list;
        struct ax_flat_table feature;
        if (ax_flat_vector(&c->trees, lists[l].field, 4, &list, err))
            return ax_err_context(err, "%s", lists[l].name);
        /* Each takes a place of its own, so the loop ends before there are too many. */
        for (size_t i = 0; i < list.count; i++)
            if (ax_flat_vector_table(&list, i, &feature, err) || lists[l].add(c, &feature, err))
                return ax_err_context(err, "%s[%zu]", lists[l].name, i);
    }
    return AX_OK;
}

/* ---- trees ---- */

static enum ax_code cbm_leaves(struct cbm *c, struct ax_err *err)
{
    int32_t dimension;
    struct ax_flat_vector list;
    double *values;
    if (ax_flat_i32(&c->trees, TREES_DIMENSION, 0, &dimension, err) ||
        ax_flat_vector(&c->trees, TREES_LEAVES, 8, &list, err))
        return err->code;
    if (dimension < 1 || (size_t)dimension > AX_FOREST_GROUPS_MAX)
        return ax_fail(err, AX_E_INVALID, "ApproxDimension %d is not within 1 to %zu", dimension,
                       AX_FOREST_GROUPS_MAX);
    c->model.dimension = (size_t)dimension;
    if (ax_catboost_add_leaf_values(&c->model, list.count, &values, err))
        return err->code;
    for (size_t i = 0; i < list.count; i++)
        values[i] = ax_flat_load_f64(list.ptr + 8 * i);
    return AX_OK;
}

static enum ax_code cbm_scale(struct cbm *c, struct ax_err *err)
{
    double scale;
    double bias;
    struct ax_flat_vector list;
    if (ax_flat_f64(&c->trees, TREES_SCALE, 1, &scale, err) ||
        ax_flat_f64(&c->trees, TREES_BIAS, 0, &bias, err) ||
        ax_flat_vector(&c->trees, TREES_BIASES, 8, &list, err))
        return err->code;
    if (!list.count)
        return ax_catboost_set_scale(&c->model, scale, &bias, 1, err);
    if (list.count != c->model.dimension)
        return ax_fail(err, AX_E_INVALID, "%zu biases for %zu outputs", list.count,
                       c->model.dimension);
    double *biases = ax_try_alloc(list.count, sizeof(*biases));
    if (!biases)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu biases", list.count);
    for (size_t i = 0; i < list.count; i++)
        biases[i] = ax_flat_load_f64(list.ptr + 8 * i);
    enum ax_code code = ax_catboost_set_scale(&c->model, scale, biases, list.count, err);
    free(biases);
    return code;
}

struct cbm_lists {
    struct ax_flat_vector sizes, starts, splits, steps, leaves;
    size_t tree; /* the one being read: */
    size_t from; /* where its splits begin */
    size_t size; /* and how many it has */
};

static enum ax_code cbm_oblivious(struct cbm *c, const struct cbm_lists *lists, size_t *leaf,
                                  struct ax_err *err)
{
    int32_t splits[AX_CATBOOST_DEPTH_MAX];
    for (size_t i = 0; i < AX_MIN(lists->size, AX_COUNT(splits)); i++)
        splits[i] = (int32_t)ax_flat_load_u32(lists->splits.ptr + 4 * (lists->from + i));
    if (ax_catboost_add_oblivious(&c->model, splits, lists->size, *leaf, err))
        return err->code;
    *leaf += (size_t)1 << lists->size;
    return AX_OK;
}

/* Make `node` the leaf that the step `at` (in all lists) stays with. */
static enum ax_code cbm_step_leaf(struct cbm *c, const struct cbm_lists *lists, size_t at,
                                  uint32_t node, struct ax_err *err)
{
    size_t value = ax_flat_load_u32(lists->leaves.ptr + 4 * at);
    if (value % c->model.dimension)
        return ax_fail(err, AX_E_INVALID, "tree %zu: the values at %zu are no whole leaf",
                       lists->tree, value);
    return ax_catboost_set_leaf(&c->model, node, value / c->model.dimension, err);
}

/* The node that a step leads to on one side: another step, or a new leaf. */
static enum ax_code cbm_step_child(struct cbm *c, const struct cbm_lists *lists, size_t i,
                                   size_t distance, uint32_t *ret, struct ax_err *err)
{
    if (distance == 0)
        return ax_catboost_add_nodes(&c->model, 1, ret, err)
                   ? err->code
                   : cbm_step_leaf(c, lists, lists->from + i, *ret, err);
    if (distance >= lists->size - i)
        return ax_fail(err, AX_E_INVALID, "tree %zu: step %zu leads out of the tree", lists->tree,
                       i);
    *ret = (uint32_t)(i + distance);
    return AX_OK;
}

static enum ax_code cbm_steps(struct cbm *c, const struct cbm_lists *lists, struct ax_err *err)
{
    struct ax_catboost *model = &c->model;
    uint32_t first;
    if (lists->size == 0)
        return ax_fail(err, AX_E_INVALID, "tree %zu has no steps", lists->tree);
    if (ax_catboost_begin_tree(model, err) ||
        ax_catboost_add_nodes(model, lists->size, &first, err))
        return err->code;
    for (size_t i = 0; i < lists->size; i++) {
        size_t at = lists->from + i;
        size_t to_left = ax_flat_load_u16(lists->steps.ptr + 4 * at);
        size_t to_right = ax_flat_load_u16(lists->steps.ptr + 4 * at + 2);
        uint32_t left;
        uint32_t right;
        if (!to_left && !to_right) {
            if (cbm_step_leaf(c, lists, at, (uint32_t)i, err))
                return err->code;
            continue;
        }
        int32_t split = (int32_t)ax_flat_load_u32(lists->splits.ptr + 4 * at);
        if (cbm_step_child(c, lists, i, to_left, &left, err) ||
            cbm_step_child(c, lists, i, to_right, &right, err) ||
            ax_catboost_set_split(model, (uint32_t)i, split, left, right, err))
            return err->code;
    }
    return ax_catboost_end_tree(model, err);
}

static enum ax_code cbm_lists(const struct cbm *c, struct cbm_lists *ret, struct ax_err *err)
{
    struct cbm_lists lists = { .tree = 0 };
    if (ax_flat_vector(&c->trees, TREES_SIZES, 4, &lists.sizes, err) ||
        ax_flat_vector(&c->trees, TREES_STARTS, 4, &lists.starts, err) ||
        ax_flat_vector(&c->trees, TREES_SPLITS, 4, &lists.splits, err) ||
        ax_flat_vector(&c->trees, TREES_STEPS, 4, &lists.steps, err) ||
        ax_flat_vector(&c->trees, TREES_STEP_LEAVES, 4, &lists.leaves, err))
        return err->code;
    if (lists.starts.count && lists.starts.count != lists.sizes.count)
        return ax_fail(err, AX_E_INVALID, "TreeStartOffsets has %zu elements for %zu trees",
                       lists.starts.count, lists.sizes.count);
    if (lists.steps.count != lists.leaves.count ||
        (lists.steps.count && lists.steps.count != lists.splits.count))
        return ax_fail(err, AX_E_INVALID,
                       "%zu splits, %zu steps and %zu leaves of steps: not the same number",
                       lists.splits.count, lists.steps.count, lists.leaves.count);
    *ret = lists;
    return AX_OK;
}

static enum ax_code cbm_trees(struct cbm *c, struct ax_err *err)
{
    struct cbm_lists lists;
    size_t leaf = 0;
    if (cbm_lists(c, &lists, err))
        return err->code;
    bool is_oblivious = lists.steps.count == 0;
    for (; lists.tree < lists.sizes.count; lists.tree++, lists.from += lists.size) {
        int32_t size = (int32_t)ax_flat_load_u32(lists.sizes.ptr + 4 * lists.tree);
        lists.size = (size_t)size;
        if (size < 0 || lists.size > lists.splits.count - lists.from)
            return ax_fail(err, AX_E_INVALID, "tree %zu has %d splits, which are not there",
                           lists.tree, size);
        if (lists.starts.count && ax_flat_load_u32(lists.starts.ptr + 4 * lists.tree) != lists.from)
            return ax_fail(err, AX_E_INVALID, "tree %zu does not begin where the one before ends",
                           lists.tree);
        if (is_oblivious ? cbm_oblivious(c, &lists, &leaf, err) : cbm_steps(c, &lists, err))
            return err->code;
    }
    return AX_OK;
}

/* ---- the info map ---- */

static enum ax_code cbm_document(struct cbm *c, size_t which, struct ax_str key, struct ax_str text,
                                 const struct ax_value **ret, struct ax_err *err)
{
    if (c->documents[which].count)
        return ax_fail(err, AX_E_INVALID, "the model's info has '%.*s' twice", AX_STR_ARG(key));
    if (ax_document_init(&c->documents[which], text, err))
        return ax_err_context(err, "the model's info '%.*s'", AX_STR_ARG(key));
    *ret = c->documents[which].values;
    return AX_OK;
}

static enum ax_code cbm_info(struct cbm *c, const struct ax_flat_table *core, struct ax_err *err)
{
    struct ax_flat_vector list;
    if (ax_flat_vector(core, CORE_INFO, 4, &list, err))
        return err->code;
    if (list.count > INFO_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu entries of the model's info", list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct ax_flat_table entry;
        struct ax_str key;
        struct ax_str text;
        if (ax_flat_vector_table(&list, i, &entry, err) || ax_flat_text(&entry, 0, &key, err) ||
            ax_flat_text(&entry, 1, &text, err))
            return err->code;
        struct ax_catboost_info *info = &c->info;
        enum ax_code code = AX_OK;
        if (ax_str_is(key, "params"))
            code = cbm_document(c, INFO_PARAMS, key, text, &info->params, err);
        else if (ax_str_is(key, "class_params") ||
                 (ax_str_is(key, "multiclass_params") && !info->class_params))
            code = cbm_document(c, INFO_CLASSES, key, text, &info->class_params, err);
        else if (ax_str_is(key, "loss_function"))
            code = cbm_document(c, INFO_LOSS, key, text, &info->loss_function, err);
        else if (ax_str_is(key, "binclass_probability_threshold"))
            info->class_threshold = text;
        if (code)
            return code;
    }
    return AX_OK;
}

static enum ax_code cbm_core(struct cbm *c, struct ax_str message, struct ax_err *err)
{
    struct ax_flat_table core;
    struct ax_str format;
    bool is_present;
    if (ax_flat_root(message, &core, err) || ax_flat_text(&core, CORE_FORMAT, &format, err))
        return err->code;
    if (!ax_str_is(format, FORMAT_VERSION))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "the format '%.*s' of a CatBoost model; only " FORMAT_VERSION " is read",
                       AX_STR_ARG(ax_str_cut(format, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    if (ax_flat_child(&core, CORE_TREES, &is_present, &c->trees, err))
        return err->code;
    if (!is_present)
        return ax_fail(err, AX_E_INVALID, "the model has no trees");
    if (cbm_refuse(c, &core, err) || cbm_features(c, err) || cbm_leaves(c, err) ||
        cbm_scale(c, err) || cbm_trees(c, err))
        return err->code;
    return cbm_info(c, &core, err);
}

enum ax_code ax_catboost_read_cbm(struct ax_str bytes, struct ax_iterations iterations,
                                  struct ax_forest *ret_forest, struct ax_signature *signature,
                                  struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_forest && signature && err);
    struct cbm *c = ax_xalloc(sizeof(*c));
    struct ax_str message;
    (void)(cbm_message(bytes, &message, err) || cbm_core(c, message, err) ||
           ax_catboost_finish(&c->model, &c->info, iterations, ret_forest, signature, err));
    for (size_t i = 0; i < INFO_COUNT; i++)
        ax_document_done(&c->documents[i]);
    ax_catboost_done(&c->model);
    free(c);
    return err->code;
}
