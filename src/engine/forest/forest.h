/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forest as a file describes it: the form that readers make and that compile.h turns into what
 * kernels walk.
 *
 * A reader promises: every tree's nodes that can be reached from its first one form a tree (no node
 * has two parents, none is its own ancestor), children lie in the tree, features are below
 * feature_count, groups below group_count. Nodes that cannot be reached may hold anything.
 */
#ifndef AX_ENGINE_FOREST_FOREST_H
#define AX_ENGINE_FOREST_FOREST_H

#include "base/err.h"
#include "data/signature.h"

struct ax_engine;

#define AX_FOREST_TREES_MAX    ((size_t)1 << 20)
#define AX_FOREST_NODES_MAX    ((size_t)1 << 26)
#define AX_FOREST_DEPTH_MAX    4096 /* of a tree; real ones end two orders of magnitude below */
#define AX_FOREST_GROUPS_MAX   ((size_t)1 << 12)
#define AX_FOREST_CATEGORY_MAX ((int32_t)1 << 24) /* categories are below it */

struct ax_forest_node {
    int32_t left; /* index in the tree, -1: a leaf */
    int32_t right;
    uint32_t feature;
    float value;  /* of a leaf; else the threshold: left when x < value */
    uint32_t set; /* 0: compare with the threshold; else sets[set - 1]: right when x is in it */
    bool default_left;
};

struct ax_forest_tree {
    size_t node_from; /* in nodes; the first one is the root */
    uint32_t node_count;
    uint32_t group; /* which output its leaves add to */
};

/* The categories of one split: categories[from], count of them, each within [0, CATEGORY_MAX). */
struct ax_forest_set {
    size_t from;
    uint32_t count;
};

/* How margins become predictions; the arithmetic is in transform.h. */
enum ax_transform {
    AX_TRANSFORM_IDENTITY,
    AX_TRANSFORM_SIGMOID,
    AX_TRANSFORM_HINGE,   /* 1 when the margin is above 0, else 0 */
    AX_TRANSFORM_SORT,    /* quantiles of a row in ascending order */
    AX_TRANSFORM_SOFTMAX, /* probabilities */
    AX_TRANSFORM_ARGMAX,  /* the index of the largest margin */
};

struct ax_forest {
    size_t feature_count;
    size_t group_count;
    struct ax_forest_tree *trees; /* in the library's order, which is the order of the sum */
    size_t tree_count;
    struct ax_forest_node *nodes;
    size_t node_count;
    struct ax_forest_set *sets;
    size_t set_count;
    int32_t *categories;
    size_t category_count;
    float *base; /* group_count margins that the sums begin with */
    enum ax_transform transform;
    enum ax_task task;
    bool has_probability; /* margins mean probabilities, whatever the prediction is */
    char iterations[48];  /* what is told to clients: "all (120)" */
};

/* The engine of this folder; see engine.h. */
extern const struct ax_engine ax_engine_forest;

/* NULL and half-built ones are fine. */
void ax_forest_done(struct ax_forest *forest);

#endif
