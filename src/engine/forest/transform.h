/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From margins to predictions, each step as the library takes it: its width, the scalar exp and log
 * of the C library, the same order of operations.
 *
 * The f32 ones are XGBoost's, the f64 ones LightGBM's and CatBoost's. The libraries call the same
 * libm on the same machine, so results are equal to the bit there; across C libraries they may
 * differ in the last place.
 */
#ifndef AX_ENGINE_FOREST_TRANSFORM_H
#define AX_ENGINE_FOREST_TRANSFORM_H

#include "engine/forest/forest.h"

/* 1 / (1 + e^-x), and its inverse with the probability bounded to [1e-6, 1 - 1e-6]. */
float ax_transform_sigmoid(float margin);
float ax_transform_logit(float probability);

/* Probabilities of `count` margins, which sum to about 1. `out` may be `margins`. */
void ax_transform_softmax(const float *margins, size_t count, float *out);

/* The first of the largest. */
size_t ax_transform_argmax(const float *margins, size_t count);
size_t ax_transform_argmax_f64(const double *margins, size_t count);

/* Whether there is such a transform of f32, or of f64. */
bool ax_transform_exists(enum ax_transform transform, enum ax_datatype type);

/* Values a row of the prediction: one for ARGMAX, else the number of groups. */
size_t ax_transform_width(enum ax_transform transform, size_t group_count);

/* One row's prediction from its margins. LOG1P_EXP and SIGNED_SQUARE: in f64
 * alone. */
void ax_transform_apply(enum ax_transform transform, const float *margins, size_t group_count,
                        float *out);

/* The same in f64, but for HINGE, SORT, ARGMAX, EXP_WIDE and EXPECTILES; `slope` is the sigmoid's.
 */
void ax_transform_apply_f64(enum ax_transform transform, double slope, const double *margins,
                            size_t group_count, double *out);

#endif
