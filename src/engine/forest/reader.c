/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of readers, and what all of them need: a signature's beginning, the choice of rounds,
 * and the check that what a file calls a tree is one. The check visits each reachable node once
 * with a stack of its own; two parents or a cycle show as a node that was seen before.
 */
#include "engine/forest/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ax_forest_reader *const ax_forest_readers[] = { &ax_reader_catboost,
                                                             &ax_reader_lightgbm,
                                                             &ax_reader_xgboost, NULL };

enum ax_code ax_forest_sign(const struct ax_forest *forest, struct ax_signature *signature,
                            struct ax_err *err)
{
    assert(forest && signature && err);
    bool has_probability = forest->probability != AX_TRANSFORM_IDENTITY;
    bool has_label = has_probability && forest->task != AX_TASK_VALUE;
    if (ax_signature_init(signature, forest->feature_count, (size_t)2 + has_probability + has_label,
                          err))
        return err->code;
    for (size_t i = 0; i < forest->feature_count; i++)
        signature->inputs[i].datatype = forest->input_type;
    signature->task = forest->task;
    return AX_OK;
}

void ax_forest_name_objective(struct ax_forest *forest, struct ax_str name)
{
    assert(forest && (name.ptr || !name.len));
    size_t len = AX_MIN(name.len, sizeof(forest->objective) - 1);
    for (size_t i = 0; i < len; i++)
        forest->objective[i] = name.ptr[i] > ' ' && name.ptr[i] < 0x7f ? name.ptr[i] : '?';
    forest->objective[len] = '\0';
}

enum ax_code ax_forest_choose_rounds(struct ax_forest *forest, struct ax_iterations iterations,
                                     size_t rounds, uint64_t best, const char *best_field,
                                     size_t *ret_rounds, struct ax_err *err)
{
    assert(forest && best_field && ret_rounds && err);
    char *text = forest->iterations;
    size_t size = sizeof(forest->iterations);
    if (iterations.kind == AX_ITERATIONS_ALL) {
        (void)snprintf(text, size, "all (%zu)", rounds);
        *ret_rounds = rounds;
        return AX_OK;
    }
    bool is_best = iterations.kind == AX_ITERATIONS_BEST;
    if (is_best && best == 0)
        return ax_fail(err, AX_E_INVALID,
                       "%s is missing, but iterations: best needs it; the model was trained "
                       "without early stopping",
                       best_field);
    uint64_t count = is_best ? best : (uint64_t)iterations.count;
    if (count < 1 || count > rounds)
        return ax_fail(err, AX_E_INVALID, "iterations: %" PRIu64 " rounds of a model of %zu", count,
                       rounds);
    (void)snprintf(text, size, "%s%" PRIu64 " of %zu", is_best ? "best: " : "", count, rounds);
    *ret_rounds = (size_t)count;
    return AX_OK;
}

static bool tree_fault(struct ax_tree_fault *fault, uint32_t node, int64_t value, const char *what)
{
    *fault = (struct ax_tree_fault){ node, value, what };
    return false;
}

bool ax_forest_check_tree(const struct ax_forest_node *nodes, uint32_t node_count,
                          size_t feature_count, uint32_t *stack, unsigned char *seen,
                          struct ax_tree_fault *ret_fault)
{
    assert(nodes && node_count && stack && seen && ret_fault);
    memset(seen, 0, node_count);
    seen[0] = 1;
    stack[0] = 0;
    for (size_t depth = 1; depth > 0;) {
        uint32_t at = stack[--depth];
        const struct ax_forest_node *node = &nodes[at];
        if (node->left == -1)
            continue;
        int32_t children[2] = { node->left, node->right };
        for (size_t i = 0; i < 2; i++) {
            int32_t child = children[i];
            if (child < 0 || (uint32_t)child >= node_count)
                return tree_fault(ret_fault, at, child, "has a child out of range");
            if (seen[child])
                return tree_fault(ret_fault, at, child,
                                  "has a child with another parent, or that is its own ancestor");
            seen[child] = 1;
            stack[depth++] = (uint32_t)child;
        }
        if (node->feature >= feature_count)
            return tree_fault(ret_fault, at, node->feature,
                              "splits on a feature that is not there");
    }
    return true;
}

void ax_forest_done(struct ax_forest *forest)
{
    if (!forest)
        return;
    free(forest->trees);
    free(forest->nodes);
    free(forest->sets);
    free(forest->categories);
    free(forest->leaf_values);
    free(forest->base);
    free(forest->bias);
    *forest = (struct ax_forest){ 0 };
}
