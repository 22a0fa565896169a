/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every metric is what its definition says, ties and missing classes included.
 * Method: small cases worked out by hand; AUC also against all pairs of random rows with many ties;
 * the printed form for each task.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/evaluate.h"

#include <math.h>
#include <stdlib.h>

#define CLOSE(a, b) assert_true(fabs((a) - (b)) < 1e-6)

static void binary_by_hand(void **state)
{
    (void)state;
    static const float probabilities[] = { 0.8f, 0.9f, 0.1f, 0.8f, 0.3f };
    static const float labels[] = { 1, 1, 1, 0, 0 };
    struct ax_binary_metrics metrics;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_evaluate_binary(probabilities, labels, 5, &metrics, &err), AX_OK);
    CLOSE(metrics.auc, 3.5 / 6);
    CLOSE(metrics.average_precision, (1.0 + 2.0 / 3 + 3.0 / 5) / 3);
    CLOSE(metrics.f1, 0.75);
    CLOSE(metrics.f1_threshold, 0.1);
    CLOSE(metrics.log_loss, -(log(0.8) + log(0.9) + log(0.1) + log(0.2) + log(0.7)) / 5);
    CLOSE(metrics.brier, (0.04 + 0.01 + 0.81 + 0.64 + 0.09) / 5);
    CLOSE(metrics.positive_share, 0.6);
}

static void one_class_has_no_auc(void **state)
{
    (void)state;
    static const float probabilities[] = { 0, 1, 0.5f };
    static const float ones[] = { 1, 1, 1 };
    static const float zeros[] = { 0, 0, 0 };
    struct ax_binary_metrics metrics;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_evaluate_binary(probabilities, ones, 3, &metrics, &err), AX_OK);
    assert_true(isnan(metrics.auc));
    CLOSE(metrics.average_precision, 1);
    CLOSE(metrics.f1, 1);
    /* A probability of 0 for what happened costs -log(1e-15), not infinity. */
    CLOSE(metrics.log_loss, (-log(1e-15) - log(0.5)) / 3);
    assert_int_equal(ax_evaluate_binary(probabilities, zeros, 3, &metrics, &err), AX_OK);
    assert_true(isnan(metrics.auc) && isnan(metrics.average_precision));
    assert_true(metrics.f1 == 0 && metrics.f1_threshold == 1);
}

static void no_number_is_refused(void **state)
{
    (void)state;
    static const float probabilities[] = { 0.5f, NAN };
    static const float labels[] = { 1, 0 };
    struct ax_binary_metrics metrics;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_evaluate_binary(probabilities, labels, 2, &metrics, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "the probability of row 2 is no number");
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void auc_over_all_pairs(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    float probabilities[ROWS];
    float labels[ROWS];
    uint32_t random = 7;
    for (unsigned levels = 1; levels <= 64; levels *= 2) {
        double pairs = 0;
        double won = 0;
        for (size_t i = 0; i < ROWS; i++) {
            probabilities[i] = (float)(next_random(&random) % levels) / (float)levels;
            labels[i] = (float)(next_random(&random) % 3 == 0);
        }
        for (size_t i = 0; i < ROWS; i++)
            for (size_t k = 0; k < ROWS; k++) {
                if (labels[i] <= labels[k])
                    continue;
                pairs++;
                won += probabilities[i] > probabilities[k]    ? 1
                       : probabilities[i] == probabilities[k] ? 0.5
                                                              : 0;
            }
        struct ax_binary_metrics metrics;
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_evaluate_binary(probabilities, labels, ROWS, &metrics, &err), AX_OK);
        CLOSE(metrics.auc, won / pairs);
        size_t rows = 0;
        double positives = 0;
        for (size_t b = 0; b < AX_CALIBRATION_BINS; b++) {
            rows += metrics.bins[b].rows;
            positives += metrics.bins[b].observed * (double)metrics.bins[b].rows;
            if (b)
                assert_true(metrics.bins[b].predicted >= metrics.bins[b - 1].predicted);
        }
        assert_int_equal(rows, ROWS);
        CLOSE(positives / ROWS, metrics.positive_share);
    }
}

static void values(void **state)
{
    (void)state;
    /* Every second float is a prediction. */
    static const float predictions[] = { 1, 99, 2, 99, 5, 99 };
    static const float labels[] = { 2, 2, 2 };
    struct ax_value_metrics metrics;
    ax_evaluate_value(predictions, 2, labels, 3, &metrics);
    CLOSE(metrics.mae, 4.0 / 3);
    CLOSE(metrics.rmse, sqrt(10.0 / 3));
    CLOSE(metrics.label_mean, 2);
    /* Above the prediction by 1, exact, below it by 3. */
    CLOSE(ax_evaluate_pinball(predictions, 2, labels, 3, 0.9), (0.9 * 1 + 0.1 * 3) / 3);
}

static void coverage_has_closed_ends(void **state)
{
    (void)state;
    static const float bounds[] = { 0, 2, 0, 2, 0, 2, 1, 5 };
    static const float labels[] = { 0, 2, 2.5f, 0.5f };
    double width = 0;
    CLOSE(ax_evaluate_coverage(bounds, bounds + 1, 2, labels, 4, &width), 0.5);
    CLOSE(width, 2.5);
}

static void multiclass_by_hand(void **state)
{
    (void)state;
    static const float probabilities[] = { 0.7f, 0.2f, 0.1f, 0.1f, 0.6f, 0.3f,
                                           0.5f, 0.4f, 0.1f, 0.2f, 0.5f, 0.3f };
    static const float labels[] = { 0, 1, 1, 0 };
    struct ax_multiclass_metrics metrics;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_evaluate_multiclass(probabilities, 3, labels, 4, &metrics, &err), AX_OK);
    CLOSE(metrics.accuracy, 0.5);
    CLOSE(metrics.log_loss, -(log(0.7) + log(0.6) + log(0.4) + log(0.2)) / 4);
    /* Classes 0 and 1: one right of two predicted and two there; class 2 does not occur. */
    CLOSE(metrics.macro_f1, 0.5);
    static const float beyond[] = { 0, 1, 3, 0 };
    assert_int_equal(ax_evaluate_multiclass(probabilities, 3, beyond, 4, &metrics, &err),
                     AX_E_INVALID);
    assert_string_equal(err.msg, "label 3 is none of 3 classes");
    static const float below[] = { -1, 1, 1, 0 };
    ax_err_clear(&err);
    assert_int_equal(ax_evaluate_multiclass(probabilities, 3, below, 4, &metrics, &err),
                     AX_E_INVALID);
}

static void print(enum ax_task task, const float *predictions, size_t width, const float *labels,
                  size_t count, struct ax_buf *out, struct ax_err *err)
{
    static double quantiles[] = { 0.1, 0.5, 0.9 };
    struct ax_signature signature;
    ax_buf_reset(out);
    assert_int_equal(ax_signature_init(&signature, 1, 1, err), AX_OK);
    signature.task = task;
    signature.quantiles = quantiles;
    signature.quantile_count = 3;
    (void)(ax_evaluate_print(&signature, predictions, width, labels, count, out, err) != AX_OK);
    ax_signature_done(&signature);
}

static void assert_contains(const struct ax_buf *out, const char *text)
{
    if (!memmem(out->ptr, out->len, text, strlen(text)))
        fail_msg("no %s in %.*s", text, (int)out->len, out->ptr);
}

static void printed(void **state)
{
    (void)state;
    static const float three[] = { 1, 2, 4, 0, 1, 3 };
    static const float labels[] = { 2, 4 };
    static const float ones[] = { 1, 1 };
    static const float halves[] = { 0.5f, 0.5f };
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    ax_buf_init(&out, 65536);
    print(AX_TASK_QUANTILES, three, 3, labels, 2, &out, &err);
    assert_contains(&out, "{\"rows\":2,\"pinball_loss\":{\"0.1\":");
    assert_contains(&out, "\"mae\":1.5,");
    assert_contains(&out, "\"interval\":0.8,\"interval_coverage\":0.5,\"interval_width\":3.0}");
    print(AX_TASK_VALUE, halves, 1, ones, 2, &out, &err);
    assert_contains(&out, "{\"rows\":2,\"mae\":0.5,\"rmse\":0.5,\"label_mean\":1.0}");
    print(AX_TASK_BINARY, halves, 1, ones, 2, &out, &err);
    assert_contains(&out, "\"auc\":null,\"average_precision\":1.0,");
    assert_contains(&out, "\"calibration\":[{\"rows\":0,");
    print(AX_TASK_MULTICLASS, halves, 2, ones, 1, &out, &err);
    assert_contains(&out, "\"accuracy\":0.0,");
    print(AX_TASK_BINARY, NULL, 1, NULL, 0, &out, &err);
    assert_true(ax_str_is(ax_buf_str(&out), "{\"rows\":0}"));
    assert_int_equal(err.code, AX_OK);
    print(AX_TASK_BINARY, halves, 1, halves, 2, &out, &err);
    assert_int_equal(err.code, AX_E_INVALID);
    assert_string_equal(err.msg, "label 0.5 is neither 0 nor 1");
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_by_hand),
        cmocka_unit_test(one_class_has_no_auc),
        cmocka_unit_test(no_number_is_refused),
        cmocka_unit_test(auc_over_all_pairs),
        cmocka_unit_test(values),
        cmocka_unit_test(coverage_has_closed_ends),
        cmocka_unit_test(multiclass_by_hand),
        cmocka_unit_test(printed),
    };
    return cmocka_run_group_tests_name("pipeline/evaluate", tests, NULL, NULL);
}
