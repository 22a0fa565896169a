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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigmoid_and_logit),
        cmocka_unit_test(softmax_and_argmax),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests_name("engine/forest/transform", tests, NULL, NULL);
}
