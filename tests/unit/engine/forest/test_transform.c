/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the link functions at their edges; the library's own answers are compared by tools/parity.
 * Method: values whose results are exact or known, and the bounds the library sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/transform.h"

#include <math.h>

static void sigmoid_and_logit(void **state)
{
    (void)state;
    assert_true(ax_transform_sigmoid(0.0f) == 0.5f);
    assert_true(ax_transform_sigmoid(INFINITY) == 1.0f);
    assert_true(ax_transform_sigmoid(-INFINITY) == ax_transform_sigmoid(-88.7f));
    assert_true(ax_transform_sigmoid(-88.75f) == ax_transform_sigmoid(-88.7f));
    assert_true(ax_transform_sigmoid(-88.7f) > 0.0f);
    assert_true(isnan(ax_transform_sigmoid(NAN)));
    assert_true(ax_transform_logit(0.5f) == 0.0f);
    assert_true(ax_transform_logit(0.0f) == ax_transform_logit(1e-6f));
    assert_true(ax_transform_logit(1.0f) == ax_transform_logit(1.0f - 1e-6f));
    assert_true(isfinite(ax_transform_logit(0.0f)) && isfinite(ax_transform_logit(1.0f)));
}

static void softmax_and_argmax(void **state)
{
    (void)state;
    float equal[4] = { 3, 3, 3, 3 };
    ax_transform_softmax(equal, 4, equal);
    for (size_t i = 0; i < 4; i++)
        assert_true(equal[i] == 0.25f);
    float far[3] = { 1e4f, -1e4f, 0 }, out[3];
    ax_transform_softmax(far, 3, out);
    assert_true(out[0] == 1.0f && out[1] == 0.0f && out[2] == 0.0f);
    assert_int_equal(ax_transform_argmax((float[]){ 1, 2, 2, 0 }, 4), 1);
    assert_int_equal(ax_transform_argmax((float[]){ -1 }, 1), 0);
}

static void others(void **state)
{
    (void)state;
    float out[3];
    ax_transform_apply(AX_TRANSFORM_SORT, (float[]){ 3, -1, 2 }, 3, out);
    assert_true(out[0] == -1 && out[1] == 2 && out[2] == 3);
    ax_transform_apply(AX_TRANSFORM_EXP, (float[]){ 0, 1, -INFINITY }, 3, out);
    assert_true(out[0] == 1 && out[1] == expf(1.0f) && out[2] == 0);
    /* e^x in f32 and in f64 round to different numbers; volatile, or the compiler rounds rightly.
     */
    volatile float differing = 0.576171875f;
    ax_transform_apply(AX_TRANSFORM_EXP_WIDE, (float[]){ 1, differing, INFINITY }, 3, out);
    assert_true(out[0] == (float)exp(1.0) && out[1] == (float)exp((double)differing));
    assert_true(out[1] != expf(differing) && out[2] == INFINITY);
    ax_transform_apply(AX_TRANSFORM_EXPECTILES, (float[]){ 5, 0, -200 }, 3, out);
    assert_true(out[0] == 5 && out[1] == 5 + (1e-6f + log1pf(1.0f)) && out[2] == out[1] + 1e-6f);
    ax_transform_apply(AX_TRANSFORM_EXPECTILES, (float[]){ -1, 200, 1 }, 3, out);
    assert_true(out[1] == 199.0f && out[2] > 200.0f && out[2] < 200.5f);
    ax_transform_apply(AX_TRANSFORM_HINGE, (float[]){ 0.0f, 1e-45f, -1 }, 3, out);
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 0);
    ax_transform_apply(AX_TRANSFORM_IDENTITY, (float[]){ 7, 8, 9 }, 3, out);
    assert_true(out[0] == 7 && out[2] == 9);
    ax_transform_apply(AX_TRANSFORM_ARGMAX, (float[]){ 7, 9, 8 }, 3, out);
    assert_true(out[0] == 1);
    assert_int_equal(ax_transform_width(AX_TRANSFORM_ARGMAX, 3), 1);
    assert_int_equal(ax_transform_width(AX_TRANSFORM_SOFTMAX, 3), 3);
}

/* In f64 nothing is bounded, and each output is transformed by itself but for softmax. */
static void wide_ones(void **state)
{
    (void)state;
    static const struct {
        enum ax_transform transform;
        double slope, margin, wanted;
    } rows[] = {
        { AX_TRANSFORM_IDENTITY, 1.0, -0.1, -0.1 },
        { AX_TRANSFORM_SIGMOID, 1.0, 0.0, 0.5 },
        { AX_TRANSFORM_SIGMOID, 1.0, -1000.0, 0.0 },
        { AX_TRANSFORM_SIGMOID, 1.0, 1000.0, 1.0 },
        { AX_TRANSFORM_SIGMOID, 1e-300, 1e10, 0.5 },
        { AX_TRANSFORM_EXP, 1.0, 0.0, 1.0 },
        { AX_TRANSFORM_EXP, 1.0, -INFINITY, 0.0 },
        { AX_TRANSFORM_LOG1P_EXP, 1.0, -INFINITY, 0.0 },
        { AX_TRANSFORM_LOG1P_EXP, 1.0, 800.0, INFINITY },
        { AX_TRANSFORM_SIGNED_SQUARE, 1.0, -3.0, -9.0 },
        { AX_TRANSFORM_SIGNED_SQUARE, 1.0, 3.0, 9.0 },
        { AX_TRANSFORM_SIGNED_SQUARE, 1.0, 0.0, 0.0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        double margins[2] = { rows[i].margin, rows[i].margin }, out[2];
        ax_transform_apply_f64(rows[i].transform, rows[i].slope, margins, 2, out);
        if (out[0] != rows[i].wanted || out[1] != rows[i].wanted)
            fail_msg("row %zu: %.17g", i, out[0]);
    }
    double out[3];
    ax_transform_apply_f64(AX_TRANSFORM_SOFTMAX, 1.0, (double[]){ 1e4, -1e4, 0 }, 3, out);
    assert_true(out[0] == 1.0 && out[1] == 0.0 && out[2] == 0.0);
    assert_int_equal(ax_transform_argmax_f64((double[]){ 1, 2, 2, 0 }, 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigmoid_and_logit),
        cmocka_unit_test(softmax_and_argmax),
        cmocka_unit_test(others),
        cmocka_unit_test(wide_ones),
    };
    return cmocka_run_group_tests_name("engine/forest/transform", tests, NULL, NULL);
}
