/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of an XGBoost model, read and checked.
 */
#ifndef AX_ENGINE_FOREST_XGBOOST_TREES_H
#define AX_ENGINE_FOREST_XGBOOST_TREES_H

#include "engine/forest/document.h"
#include "engine/forest/forest.h"

/* Fill trees, nodes, sets, categories and leaves of `forest`, whose feature_count and group_count
 * are set, from learner.gradient_booster.model. `weights` are the trees' weights (DART), or NULL.
 * What was filled before a failure is the caller's to release. Expected: INVALID, UNSUPPORTED,
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_xgboost_read_trees(const struct ax_value *model,
                                               const struct ax_value *weights,
                                               struct ax_forest *forest, struct ax_err *err);

#endif
