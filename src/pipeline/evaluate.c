/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics over held-out rows. Everything about ranking (AUC, average precision, F1, calibration)
 * comes from one sort of the rows by falling probability; equal probabilities form one group, and
 * the curves have a point only behind a group.
 */
#include "pipeline/evaluate.h"

#include "base/alloc.h"
#include "base/json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define PROBABILITY_MIN 1e-15

struct scored {
    float probability;
    float label;
};

static int compare_falling(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? 1 : -1;
    return (x->label < y->label) - (x->label > y->label);
}

static double log_loss_of(double probability)
{
    return -log(fmin(fmax(probability, PROBABILITY_MIN), 1 - PROBABILITY_MIN));
}

/* AUC, average precision and F1 from rows in falling order. */
static void rank_metrics(const struct scored *rows, size_t count, double positives,
                         struct ax_binary_metrics *metrics)
{
    double negatives = (double)count - positives;
    double hits = 0;
    double misses = 0;
    double area = 0;
    double precision_sum = 0;
    metrics->f1_threshold = 1;
    for (size_t i = 0; i < count;) {
        double group_hits = 0;
        size_t begin = i;
        for (; i < count && rows[i].probability == rows[begin].probability; i++)
            group_hits += (double)rows[i].label;
        double group_misses = (double)(i - begin) - group_hits;
        /* Each negative of the group loses to the positives above, and ties with the group's own.
         */
        area += group_misses * (hits + group_hits / 2);
        hits += group_hits;
        misses += group_misses;
        precision_sum += group_hits * hits / (hits + misses);
        double f1 = 2 * hits / (hits + misses + positives);
        if (f1 > metrics->f1) {
            metrics->f1 = f1;
            metrics->f1_threshold = (double)rows[begin].probability;
        }
    }
    bool both = positives > 0 && negatives > 0;
    metrics->auc = both ? area / (positives * negatives) : (double)NAN;
    metrics->average_precision = positives > 0 ? precision_sum / positives : (double)NAN;
}

/* Bin b holds rows [b * count / bins, (b + 1) * count / bins) in rising order. */
static void calibrate(const struct scored *rows, size_t count, struct ax_calibration_bin *bins)
{
    for (size_t b = 0; b < AX_CALIBRATION_BINS; b++) {
        size_t from = b * count / AX_CALIBRATION_BINS;
        size_t to = (b + 1) * count / AX_CALIBRATION_BINS;
        struct ax_calibration_bin bin = { .rows = to - from };
        for (size_t i = from; i < to; i++) {
            bin.predicted += (double)rows[count - 1 - i].probability;
            bin.observed += (double)rows[count - 1 - i].label;
        }
        if (bin.rows) {
            bin.predicted /= (double)bin.rows;
            bin.observed /= (double)bin.rows;
        }
        bins[b] = bin;
    }
}

enum ax_code ax_evaluate_binary(const float *probabilities, const float *labels, size_t count,
                                struct ax_binary_metrics *ret_metrics, struct ax_err *err)
{
    assert(probabilities && labels && count && ret_metrics && err);
    struct ax_binary_metrics metrics = { 0 };
    struct scored *rows = ax_try_alloc(count, sizeof(*rows));
    double positives = 0;
    if (!rows)
        return ax_fail(err, AX_E_LIMIT, "no memory to evaluate %zu rows", count);
    for (size_t i = 0; i < count; i++) {
        double p = (double)probabilities[i];
        double y = (double)labels[i];
        if (isnan(p)) {
            free(rows);
            return ax_fail(err, AX_E_INVALID, "the probability of row %zu is no number", i + 1);
        }
        rows[i] = (struct scored){ probabilities[i], labels[i] };
        positives += y;
        metrics.log_loss += y > 0.5 ? log_loss_of(p) : log_loss_of(1 - p);
        metrics.brier += (p - y) * (p - y);
    }
    qsort(rows, count, sizeof(*rows), compare_falling);
    rank_metrics(rows, count, positives, &metrics);
    calibrate(rows, count, metrics.bins);
    free(rows);
    metrics.log_loss /= (double)count;
    metrics.brier /= (double)count;
    metrics.positive_share = positives / (double)count;
    *ret_metrics = metrics;
    return AX_OK;
}

void ax_evaluate_value(const float *predictions, size_t stride, const float *labels, size_t count,
                       struct ax_value_metrics *ret_metrics)
{
    assert(predictions && stride && labels && count && ret_metrics);
    struct ax_value_metrics metrics = { 0 };
    for (size_t i = 0; i < count; i++) {
        double difference = (double)predictions[i * stride] - (double)labels[i];
        metrics.mae += fabs(difference);
        metrics.rmse += difference * difference;
        metrics.label_mean += (double)labels[i];
    }
    metrics.mae /= (double)count;
    metrics.rmse = sqrt(metrics.rmse / (double)count);
    metrics.label_mean /= (double)count;
    *ret_metrics = metrics;
}

double ax_evaluate_pinball(const float *predictions, size_t stride, const float *labels,
                           size_t count, double quantile)
{
    assert(predictions && stride && labels && count && quantile >= 0 && quantile <= 1);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double above = (double)labels[i] - (double)predictions[i * stride];
        sum += above >= 0 ? quantile * above : (quantile - 1) * above;
    }
    return sum / (double)count;
}

double ax_evaluate_coverage(const float *low, const float *high, size_t stride, const float *labels,
                            size_t count, double *ret_width)
{
    assert(low && high && stride && labels && count && ret_width);
    size_t inside = 0;
    double width = 0;
    for (size_t i = 0; i < count; i++) {
        inside += labels[i] >= low[i * stride] && labels[i] <= high[i * stride];
        width += (double)high[i * stride] - (double)low[i * stride];
    }
    *ret_width = width / (double)count;
    return (double)inside / (double)count;
}

struct class_counts {
    size_t right, predicted, actual;
};

static double macro_f1(const struct class_counts *classes, size_t class_count)
{
    double sum = 0;
    size_t seen = 0;
    for (size_t c = 0; c < class_count; c++) {
        size_t both = classes[c].predicted + classes[c].actual;
        if (!both)
            continue;
        sum += 2.0 * (double)classes[c].right / (double)both;
        seen++;
    }
    return seen ? sum / (double)seen : (double)NAN;
}

enum ax_code ax_evaluate_multiclass(const float *probabilities, size_t class_count,
                                    const float *labels, size_t count,
                                    struct ax_multiclass_metrics *ret_metrics, struct ax_err *err)
{
    assert(probabilities && class_count && labels && count && ret_metrics && err);
    struct class_counts *classes = ax_xalloc(class_count * sizeof(*classes));
    struct ax_multiclass_metrics metrics = { 0 };
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        const float *row = probabilities + i * class_count;
        size_t actual = labels[i] >= 0 ? (size_t)labels[i] : class_count;
        size_t best = 0;
        for (size_t c = 1; c < class_count; c++)
            if (row[c] > row[best])
                best = c;
        if (actual >= class_count) {
            free(classes);
            return ax_fail(err, AX_E_INVALID, "label %g is none of %zu classes", (double)labels[i],
                           class_count);
        }
        classes[best].predicted++;
        classes[actual].actual++;
        classes[actual].right += best == actual;
        right += best == actual;
        metrics.log_loss += log_loss_of((double)row[actual]);
    }
    metrics.accuracy = (double)right / (double)count;
    metrics.log_loss /= (double)count;
    metrics.macro_f1 = macro_f1(classes, class_count);
    free(classes);
    *ret_metrics = metrics;
    return AX_OK;
}

/* ---- printing ---- */

static void put_number(struct ax_buf *out, const char *key, double value)
{
    ax_json_put_key(out, key);
    if (isfinite(value))
        ax_json_put_f64(out, value);
    else
        (void)ax_buf_append_str(out, AX_STR("null"));
}

static void put_count(struct ax_buf *out, const char *key, size_t value)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, value);
}

static void print_binary(const struct ax_binary_metrics *metrics, struct ax_buf *out)
{
    put_number(out, "auc", metrics->auc);
    put_number(out, "average_precision", metrics->average_precision);
    put_number(out, "log_loss", metrics->log_loss);
    put_number(out, "f1", metrics->f1);
    put_number(out, "f1_threshold", metrics->f1_threshold);
    put_number(out, "brier", metrics->brier);
    put_number(out, "positive_share", metrics->positive_share);
    ax_json_put_key(out, "calibration");
    for (size_t b = 0; b < AX_CALIBRATION_BINS; b++) {
        (void)ax_buf_append_str(out, b ? AX_STR(",{") : AX_STR("[{"));
        put_count(out, "rows", metrics->bins[b].rows);
        put_number(out, "predicted", metrics->bins[b].predicted);
        put_number(out, "observed", metrics->bins[b].observed);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void print_value(const float *predictions, size_t stride, const float *labels, size_t count,
                        struct ax_buf *out)
{
    struct ax_value_metrics metrics;
    ax_evaluate_value(predictions, stride, labels, count, &metrics);
    put_number(out, "mae", metrics.mae);
    put_number(out, "rmse", metrics.rmse);
    put_number(out, "label_mean", metrics.label_mean);
}

/* Loss of each quantile, the interval of the outermost two, and the middle one as a point. */
static void print_quantiles(const struct ax_signature *signature, const float *predictions,
                            const float *labels, size_t count, struct ax_buf *out)
{
    size_t n = signature->quantile_count;
    size_t low;
    size_t high;
    size_t middle;
    ax_signature_find_quantiles(signature, &low, &high, &middle);
    ax_json_put_key(out, "pinball_loss");
    (void)ax_buf_append_char(out, '{');
    for (size_t q = 0; q < n; q++) {
        double quantile = signature->quantiles[q];
        char key[32];
        (void)snprintf(key, sizeof(key), "%g", quantile);
        put_number(out, key, ax_evaluate_pinball(predictions + q, n, labels, count, quantile));
    }
    (void)ax_buf_append_char(out, '}');
    print_value(predictions + middle, n, labels, count, out);
    if (n < 2)
        return;
    double width;
    double coverage =
        ax_evaluate_coverage(predictions + low, predictions + high, n, labels, count, &width);
    put_number(out, "interval", signature->quantiles[high] - signature->quantiles[low]);
    put_number(out, "interval_coverage", coverage);
    put_number(out, "interval_width", width);
}

static enum ax_code print_multiclass(const float *predictions, size_t width, const float *labels,
                                     size_t count, struct ax_buf *out, struct ax_err *err)
{
    struct ax_multiclass_metrics metrics;
    if (ax_evaluate_multiclass(predictions, width, labels, count, &metrics, err))
        return err->code;
    put_number(out, "accuracy", metrics.accuracy);
    put_number(out, "log_loss", metrics.log_loss);
    put_number(out, "macro_f1", metrics.macro_f1);
    return AX_OK;
}

enum ax_code ax_evaluate_print(const struct ax_signature *signature, const float *predictions,
                               size_t width, const float *labels, size_t count, struct ax_buf *out,
                               struct ax_err *err)
{
    assert(signature && width && out && err);
    struct ax_binary_metrics binary;
    (void)ax_buf_append_char(out, '{');
    put_count(out, "rows", count);
    if (count) {
        assert(predictions && labels);
        switch (signature->task) {
        case AX_TASK_BINARY:
            for (size_t i = 0; i < count; i++)
                if (labels[i] != 0 && labels[i] != 1)
                    return ax_fail(err, AX_E_INVALID, "label %g is neither 0 nor 1",
                                   (double)labels[i]);
            if (ax_evaluate_binary(predictions, labels, count, &binary, err))
                return err->code;
            print_binary(&binary, out);
            break;
        case AX_TASK_MULTICLASS:
            if (print_multiclass(predictions, width, labels, count, out, err))
                return err->code;
            break;
        case AX_TASK_QUANTILES:
            print_quantiles(signature, predictions, labels, count, out);
            break;
        case AX_TASK_VALUE:
            print_value(predictions, width, labels, count, out);
            break;
        }
    }
    (void)ax_buf_append_char(out, '}');
    return ax_buf_check(out, "metrics", err);
}
