/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CatBoost model being read, from whichever of its two formats.
 *
 * Both formats list the features first, and with each feature the splits that trees may use: a
 * border of a number, or a category of a one-hot feature. Trees then name splits by their place in
 * that list, the numbers' in front. Both end here: catboost_cbm.c and catboost_json.c know how
 * files are laid out, this knows what they mean and makes the forest.
 *
 * Texts and borders may point into the file; nothing does after ax_catboost_finish. All memory that
 * grows with the file is bounded (TOO_LARGE) and may be refused (LIMIT).
 */
#ifndef AX_ENGINE_FOREST_CATBOOST_MODEL_H
#define AX_ENGINE_FOREST_CATBOOST_MODEL_H

#include "engine/forest/document.h"
#include "engine/forest/reader.h"

#define AX_CATBOOST_DEPTH_MAX  16 /* of oblivious trees, as the library has it */
#define AX_CATBOOST_SPLITS_MAX ((size_t)1 << 22)
#define AX_CATBOOST_LEAVES_MAX ((size_t)1 << 27) /* values of all leaves together */

struct ax_catboost_feature {
    struct ax_str name;  /* empty: its place in decimal, as the library calls it */
    bool is_present;     /* else the file lists no feature for this place in a row */
    bool is_categorical; /* sent as text, known by hash */
    bool is_required;
    size_t hash_from; /* in `hashes`, of a one-hot feature */
    size_t hash_count;
};

struct ax_catboost_split {
    uint32_t feature;
    uint32_t set; /* as in struct ax_forest_node */
    float border;
    float value; /* of a border, as in struct ax_forest_node */
    enum ax_forest_missing missing;
};

struct ax_catboost {
    struct ax_forest forest;
    size_t node_room, tree_room, set_room, leaf_room;
    size_t dimension;    /* outputs of a leaf; 0: not known yet */
    double *leaf_values; /* of all trees, `dimension` a leaf */
    size_t leaf_value_count;
    struct ax_catboost_feature *features; /* forest.feature_count, by place in a row */
    size_t feature_room;
    uint32_t *places; /* of categorical features, by their own numbering: place in a row + 1 */
    size_t place_count, place_room;
    struct ax_catboost_split *splits;
    size_t split_count, split_room;
    uint32_t *hashes;
    size_t hash_count, hash_room;
    size_t open_tree; /* where the nodes of the tree being added begin */
};

/* What a feature is beside its borders or categories. */
struct ax_catboost_about {
    int64_t index;      /* among the features of its kind */
    int64_t flat_index; /* its place in a row */
    struct ax_str name;
    bool is_true_when_missing; /* NaN counts as above all borders; else as below */
};

/* What is said about the model as a whole; NULL and empty: not said. */
struct ax_catboost_info {
    const struct ax_value *params;       /* of the training */
    const struct ax_value *class_params; /* names of the classes */
    const struct ax_value *loss_function;
    struct ax_str class_threshold; /* a probability */
};

/* Zeroed is a fresh one. */
void ax_catboost_done(struct ax_catboost *model);

/* Features: all of numbers first, then the categorical ones, then the one-hot categories of those.
 * Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_catboost_add_number(struct ax_catboost *model,
                                                const struct ax_catboost_about *about,
                                                const float *borders, size_t border_count,
                                                struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_add_categorical(struct ax_catboost *model,
                                                     const struct ax_catboost_about *about,
                                                     struct ax_err *err);
/* `index` is that of the categorical feature. */
AX_MUST_USE enum ax_code ax_catboost_add_one_hot(struct ax_catboost *model, int64_t index,
                                                 const int32_t *hashes, size_t hash_count,
                                                 struct ax_err *err);

/* Room for `count` more values of leaves, to be filled in by the caller; NULL when there are none
 * at all. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_catboost_add_leaf_values(struct ax_catboost *model, size_t count,
                                                     double **ret, struct ax_err *err);

/* Trees. An oblivious one asks the same split on a whole level, the last of `splits` at its root;
 * its 2^depth leaves follow each other from `leaf` on. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_catboost_add_oblivious(struct ax_catboost *model, const int32_t *splits,
                                                   size_t depth, size_t leaf, struct ax_err *err);
/* Any other tree: begin, add nodes (the first is the root), end, which checks that it is a tree. A
 * new node's index is *ret; children are set by the caller in forest.nodes[open_tree + index]. */
AX_MUST_USE enum ax_code ax_catboost_begin_tree(struct ax_catboost *model, struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_add_nodes(struct ax_catboost *model, size_t count,
                                               uint32_t *ret, struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_set_leaf(struct ax_catboost *model, uint32_t node, size_t leaf,
                                              struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_set_split(struct ax_catboost *model, uint32_t node,
                                               int64_t split, uint32_t left, uint32_t right,
                                               struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_end_tree(struct ax_catboost *model, struct ax_err *err);

/* What is done with the sum: `biases` is one for all outputs or one each, and `dimension` is known.
 * Expected: INVALID, UNSUPPORTED, LIMIT. */
AX_MUST_USE enum ax_code ax_catboost_set_scale(struct ax_catboost *model, double scale,
                                               const double *biases, size_t bias_count,
                                               struct ax_err *err);

/* The objective, the classes and the names (catboost_describe.c): moves the forest out and fills
 * the signature. Expected: INVALID, UNSUPPORTED, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_catboost_finish(struct ax_catboost *model,
                                            const struct ax_catboost_info *info,
                                            struct ax_iterations iterations,
                                            struct ax_forest *ret_forest,
                                            struct ax_signature *signature, struct ax_err *err);

/* The formats. Both fill the whole model but for what `finish` does, and call it. */
AX_MUST_USE enum ax_code ax_catboost_read_cbm(struct ax_str bytes, struct ax_iterations iterations,
                                              struct ax_forest *ret_forest,
                                              struct ax_signature *signature, struct ax_err *err);
AX_MUST_USE enum ax_code ax_catboost_read_json(struct ax_str bytes, struct ax_iterations iterations,
                                               struct ax_forest *ret_forest,
                                               struct ax_signature *signature, struct ax_err *err);

#endif
