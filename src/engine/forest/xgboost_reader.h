/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an XGBoost model file means: a tree of values (document.h) becomes a forest and a signature.
 *
 * Files of XGBoost 1.0 to 3.4, JSON and UBJSON alike. Fields we do not know are ignored; a known
 * field with a meaning we do not have is refused with its path, and so is a file of a newer
 * XGBoost, which may mean something else by the same words. docs/internals/forest.md lists both.
 */
#ifndef AX_ENGINE_FOREST_XGBOOST_READER_H
#define AX_ENGINE_FOREST_XGBOOST_READER_H

#include "engine/forest/document.h"
#include "engine/forest/reader.h"

/* `document` is only read here; nothing in the results points into it. Expected: INVALID,
 * UNSUPPORTED, TOO_LARGE, LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_xgboost_read(const struct ax_document *document,
                                         struct ax_iterations iterations,
                                         struct ax_forest *ret_forest, struct ax_err *err);

/* The signature's inputs (names, category dictionaries), and the quantiles of its outputs. The
 * outputs themselves follow from the forest; see forest.c. `signature` has feature_count inputs. */
AX_MUST_USE enum ax_code ax_xgboost_describe(const struct ax_document *document,
                                             const struct ax_forest *forest,
                                             struct ax_signature *signature, struct ax_err *err);

/* The floats in a parameter's text: "5E-1", "[1E0,-2E0]", "(0.1, 0.9)". `count_max` bounds `out`.
 * False when it is none of these. */
AX_MUST_USE bool ax_xgboost_parse_floats(struct ax_str text, float *out, size_t count_max,
                                         size_t *ret_count);

#endif
