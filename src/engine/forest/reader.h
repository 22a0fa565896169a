/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between the engine `forest` and the readers of the libraries' files, and what readers
 * share. A reader knows one library's formats; it makes a forest and the inputs of a signature, and
 * everything behind that knows no library.
 */
#ifndef AX_ENGINE_FOREST_READER_H
#define AX_ENGINE_FOREST_READER_H

#include "engine/forest/forest.h"

/* How many boosting rounds answer. */
struct ax_iterations {
    enum { AX_ITERATIONS_ALL, AX_ITERATIONS_BEST, AX_ITERATIONS_COUNT } kind;
    int64_t count; /* of COUNT; at least 1 */
};

#define AX_READER_FORMAT_BYTES 32

struct ax_forest_reader {
    const char *name; /* of the library: "xgboost", "lightgbm", "catboost" */

    /* Does this content look like a file of this library? `head` is its first bytes (up to 4 KiB).
     * No validation: read does that. */
    bool (*recognise)(struct ax_str head);

    /* Read and check a whole file. Fills `ret_forest`, the inputs of `signature` (begun with
     * ax_forest_sign) and `format` (AX_READER_FORMAT_BYTES: "xgboost_json", "lightgbm_text").
     * Outputs follow from the forest in forest.c. Nothing keeps pointing into `bytes`. Expected:
     * INVALID (malformed, with the place inside the file), UNSUPPORTED (a meaning we do not have,
     * named), TOO_LARGE, LIMIT. On failure there is no forest to release; the signature is the
     * caller's to release in any case. */
    enum ax_code (*read)(struct ax_str bytes, struct ax_iterations iterations,
                         struct ax_forest *ret_forest, struct ax_signature *signature, char *format,
                         struct ax_err *err);
};

/* All readers, ended by NULL. */
extern const struct ax_forest_reader *const ax_forest_readers[];

extern const struct ax_forest_reader ax_reader_catboost;
extern const struct ax_forest_reader ax_reader_lightgbm;
extern const struct ax_forest_reader ax_reader_xgboost;

/* ---- for readers ---- */

/* Begin the signature: feature_count unnamed inputs of input_type, room for all outputs, the task.
 * Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_forest_sign(const struct ax_forest *forest,
                                        struct ax_signature *signature, struct ax_err *err);

/* Write forest->objective: as much of the name as fits, printable. */
void ax_forest_name_objective(struct ax_forest *forest, struct ax_str name);

/* How many of `rounds` rounds answer; `best` is the number up to the best one, 0 when the file
 * tells none, `best_field` where it would. Writes forest->iterations. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_forest_choose_rounds(struct ax_forest *forest,
                                                 struct ax_iterations iterations, size_t rounds,
                                                 uint64_t best, const char *best_field,
                                                 size_t *ret_rounds, struct ax_err *err);

/* What is wrong with a tree: "node 7's left child 12 …". */
struct ax_tree_fault {
    uint32_t node;
    int64_t value; /* the child's or feature's number */
    const char *what;
};

/* Whether the nodes that can be reached from the first one form a tree, with features below
 * `feature_count`. `stack` and `seen` have room for node_count. */
AX_MUST_USE bool ax_forest_check_tree(const struct ax_forest_node *nodes, uint32_t node_count,
                                      size_t feature_count, uint32_t *stack, unsigned char *seen,
                                      struct ax_tree_fault *ret_fault);

#endif
