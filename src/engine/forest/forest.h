/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as a file describes it: the form that readers make and that compile.h turns into what
 * kernels walk. The libraries differ in widths, in what counts as missing and in what is done with
 * the sum; all of that is said here, so that compile.c and the kernels know no library.
 *
 * A reader promises: every tree's nodes that can be reached from its first one form a tree (no node
 * has two parents, none is its own ancestor), children lie in the tree, features are below
 * feature_count, groups (with the leaf's width) within group_count, leaf rows below leaf_count.
 * Nodes that cannot be reached may hold anything. Leaves of NaN are refused when it is compiled.
 */
#ifndef AX_ENGINE_FOREST_FOREST_H
#define AX_ENGINE_FOREST_FOREST_H

#include "base/err.h"
#include "data/signature.h"

struct ax_engine;

#define AX_FOREST_TREES_MAX       ((size_t)1 << 20)
#define AX_FOREST_NODES_MAX       ((size_t)1 << 26)
#define AX_FOREST_DEPTH_MAX       4096 /* of a tree; real ones end two orders of magnitude below */
#define AX_FOREST_GROUPS_MAX      ((size_t)1 << 12)
#define AX_FOREST_CATEGORY_MAX    ((int32_t)1 << 24) /* categories are below it */
#define AX_FOREST_OBJECTIVE_BYTES 48
#define AX_FOREST_ZERO_MAX        1.0000000180025095e-35 /* LightGBM's 1e-35f */

/* Where a split sends a value that is not there. "Zero" is 0 after flush_zero, of either sign; the
 * last three are for inputs of FP64 alone. */
enum ax_forest_missing {
    AX_MISSING_LEFT,       /* NaN goes left */
    AX_MISSING_RIGHT,      /* NaN goes right */
    AX_MISSING_ZERO_LEFT,  /* NaN and zero go left */
    AX_MISSING_ZERO_RIGHT, /* NaN and zero go right */
    AX_MISSING_AS_ZERO,    /* NaN is compared as 0 */
};

struct ax_forest_node {
    double value; /* of a leaf when leaf_width is 1; of a split its threshold: left when x < value,
                     both in the forest's input_type (for "left when x <= t" it is the next number
                     above t) */
    int32_t left; /* index in the tree, -1: a leaf */
    int32_t right;
    uint32_t feature;
    uint32_t set; /* of a split: 0: compare with the threshold; else sets[set - 1]: right when x is
                     in it. Of a leaf when leaf_width is above 1: its row of leaf_values */
    enum ax_forest_missing missing; /* of a set: LEFT or RIGHT */
};

struct ax_forest_tree {
    size_t node_from; /* in nodes; the first one is the root */
    uint32_t node_count;
    uint32_t group; /* its leaves add to leaf_width outputs from this one on */
};

/* How a category is read from a number. */
enum ax_forest_category_form {
    AX_CATEGORY_TRUNCATED,    /* XGBoost: below 0 is "any other", else truncated */
    AX_CATEGORY_TOWARDS_ZERO, /* LightGBM: truncated first, so -0.5 is 0 */
};

/* The categories of one split: categories[from], count of them, each within [0, CATEGORY_MAX). */
struct ax_forest_set {
    size_t from;
    uint32_t count;
};

/* How margins become predictions; the arithmetic, in f32 and in f64, is in transform.h. */
enum ax_transform {
    AX_TRANSFORM_IDENTITY,
    AX_TRANSFORM_SIGMOID,
    AX_TRANSFORM_HINGE,   /* 1 when the margin is above 0, else 0 */
    AX_TRANSFORM_SORT,    /* quantiles of a row in ascending order */
    AX_TRANSFORM_SOFTMAX, /* probabilities */
    AX_TRANSFORM_ARGMAX,  /* the index of the largest margin */
    AX_TRANSFORM_EXP,
    AX_TRANSFORM_LOG1P_EXP,     /* ln(1 + e^x) */
    AX_TRANSFORM_SIGNED_SQUARE, /* the square, with the sign */
    AX_TRANSFORM_EXP_WIDE,      /* of f32: taken in f64 and narrowed */
    AX_TRANSFORM_EXPECTILES,    /* of f32: the first, then each by a gap above the one before */
};

struct ax_forest {
    size_t feature_count;
    size_t group_count;
    enum ax_datatype input_type; /* FP32 or FP64: what thresholds are compared with */
    enum ax_datatype sum_type;   /* FP32 or FP64: leaves, their sums, all outputs */
    bool flush_zero;             /* |x| <= AX_FOREST_ZERO_MAX becomes 0 first; FP64 inputs alone */
    enum ax_forest_category_form category_form;
    struct ax_forest_tree *trees; /* in the library's order, which is the order of the sum */
    size_t tree_count;
    struct ax_forest_node *nodes;
    size_t node_count;
    struct ax_forest_set *sets;
    size_t set_count;
    int32_t *categories;
    size_t category_count;
    size_t leaf_width;   /* 1: leaves are node.value; else rows of leaf_values */
    double *leaf_values; /* leaf_count * leaf_width, each a number of sum_type */
    size_t leaf_count;
    double *base; /* group_count numbers of sum_type that the sums begin with */

    /* What becomes of the sums, in sum_type: margin = sum * scale + bias, then prediction and
     * probability are transforms of margin / divisor. */
    double scale;   /* 0 or 1: none */
    double *bias;   /* group_count, or NULL */
    double divisor; /* 0 or 1: none */
    enum ax_transform transform;
    enum ax_transform probability; /* SIGMOID, SOFTMAX; IDENTITY: margins mean no probabilities */
    double slope;                  /* of the f64 sigmoid: 1 / (1 + e^(-slope x)); 0: 1 */
    enum ax_task task;             /* with probabilities but VALUE: one each, and no classes */

    /* How a row's class is found: from its probabilities (above one half, or the first largest),
     * or, in f64 alone, from its margins (above class_margin, or the first largest). */
    bool class_by_margin;
    double class_margin;
    char iterations[48];                       /* what is told to clients: "all (120)" */
    char objective[AX_FOREST_OBJECTIVE_BYTES]; /* as the file calls it; empty: it does not say */
};

/* The engine of this folder; see engine.h. */
extern const struct ax_engine ax_engine_forest;

/* NULL and half-built ones are fine. */
void ax_forest_done(struct ax_forest *forest);

#endif
