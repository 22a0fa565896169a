/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good predictions are on rows that the model did not see.
 *
 * Pure computation over arrays; sums are in double, in row order, so the same arrays give the same
 * bits. Definitions are the usual ones (those of scikit-learn where it has them): AUC counts ties
 * as one half; average precision is the step-wise sum over distinct scores; log loss clips
 * probabilities to [1e-15, 1 - 1e-15]; F1 is the best over all thresholds, told with its
 * threshold (predict positive when score >= threshold); pinball loss is that of Koenker and
 * Bassett.
 */
#ifndef AX_PIPELINE_EVALUATE_H
#define AX_PIPELINE_EVALUATE_H

#include "base/buf.h"
#include "base/err.h"
#include "data/signature.h"

#define AX_CALIBRATION_BINS 10

struct ax_calibration_bin {
    size_t rows;
    double predicted; /* mean probability */
    double observed;  /* share of positives */
};

struct ax_binary_metrics {
    double auc; /* NaN when one class is missing */
    double average_precision;
    double log_loss;
    double f1, f1_threshold;
    double brier;
    double positive_share;
    struct ax_calibration_bin bins[AX_CALIBRATION_BINS]; /* equally many rows, by probability */
};

struct ax_value_metrics {
    double mae, rmse;
    double label_mean;
};

struct ax_multiclass_metrics {
    double accuracy;
    double log_loss;
    double macro_f1; /* over the classes that occur in labels or predictions */
};

/* `count` >= 1 rows; labels are 0 or 1. Expected: INVALID (a probability is NaN), LIMIT (memory to
 * sort). */
AX_MUST_USE enum ax_code ax_evaluate_binary(const float *probabilities, const float *labels,
                                            size_t count, struct ax_binary_metrics *ret_metrics,
                                            struct ax_err *err);

/* Predictions lie `stride` floats apart. */
void ax_evaluate_value(const float *predictions, size_t stride, const float *labels, size_t count,
                       struct ax_value_metrics *ret_metrics);

/* Mean pinball loss at `quantile` of predictions `stride` floats apart. */
double ax_evaluate_pinball(const float *predictions, size_t stride, const float *labels,
                           size_t count, double quantile);

/* The share of labels within [low, high], both `stride` floats apart, and the mean width. */
double ax_evaluate_coverage(const float *low, const float *high, size_t stride, const float *labels,
                            size_t count, double *ret_width);

/* `probabilities` is count x class_count, row-major; labels are class indexes. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_evaluate_multiclass(const float *probabilities, size_t class_count,
                                                const float *labels, size_t count,
                                                struct ax_multiclass_metrics *ret_metrics,
                                                struct ax_err *err);

/* Evaluate whatever the task has and print it as one JSON object: `predictions` holds `width`
 * floats a row (probability of a binary task, probabilities of a multi-class one, else the
 * prediction). Expected: INVALID (labels that are no classes), LIMIT. */
AX_MUST_USE enum ax_code ax_evaluate_print(const struct ax_signature *signature,
                                           const float *predictions, size_t width,
                                           const float *labels, size_t count, struct ax_buf *out,
                                           struct ax_err *err);

#endif
