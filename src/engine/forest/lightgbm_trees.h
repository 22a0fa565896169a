/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of a LightGBM model, read and checked.
 */
#ifndef AX_ENGINE_FOREST_LIGHTGBM_TREES_H
#define AX_ENGINE_FOREST_LIGHTGBM_TREES_H

#include "engine/forest/forest.h"
#include "engine/forest/lightgbm_text.h"

/* Fill trees, nodes, sets and categories of `forest`, whose feature_count and group_count are set,
 * from `*lines`, which stand in front of "Tree=0"; they end up behind "end of trees". What was
 * filled before a failure is the caller's to release. Expected: INVALID, UNSUPPORTED, TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_lightgbm_read_trees(struct ax_lightgbm_lines *lines,
                                                struct ax_forest *forest, struct ax_err *err);

#endif
