/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: objectives are found by name, what changed over the releases changes with the version in
 *   the file, and base scores become the library's own margins or are refused.
 * Method: tables; margins as the library answered them (probabilities 0 and 1: as 3.2 and later
 * do).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/xgboost_objective.h"

#include <math.h>

static const struct ax_xgboost_objective *find(const char *name)
{
    return ax_xgboost_objective_find(ax_str_from(name));
}

static void objectives_by_name(void **state)
{
    (void)state;
    assert_non_null(find("reg:squarederror"));
    assert_int_equal(find("reg:gamma")->transform, AX_TRANSFORM_EXP);
    assert_int_equal(find("survival:aft")->transform, AX_TRANSFORM_EXP_WIDE);
    assert_int_equal(find("multi:softmax")->probability, AX_TRANSFORM_SOFTMAX);
    assert_int_equal(find("binary:logitraw")->link, AX_XGBOOST_LINK_NONE);
    assert_null(find("reg:squarederro"));
    assert_null(find("reg:squarederrors"));
    assert_null(find(""));
}

static void quantiles_are_sorted_since_3_4(void **state)
{
    (void)state;
    static const struct {
        struct ax_xgboost_version version;
        enum ax_transform transform;
    } rows[] = {
        { { 2, 0 }, AX_TRANSFORM_IDENTITY }, { { 2, 9 }, AX_TRANSFORM_IDENTITY },
        { { 3, 3 }, AX_TRANSFORM_IDENTITY }, { { 3, 4 }, AX_TRANSFORM_SORT },
        { { 4, 0 }, AX_TRANSFORM_SORT },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const struct ax_xgboost_objective *quantiles = find("reg:quantileerror");
        assert_int_equal(ax_xgboost_objective_transform(quantiles, rows[i].version),
                         rows[i].transform);
        assert_int_equal(ax_xgboost_objective_transform(find("reg:gamma"), rows[i].version),
                         AX_TRANSFORM_EXP);
    }
}

static void links_of_base_scores(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct ax_xgboost_version version;
        size_t count;
        float base[3];
        float margins[3];
        const char *message; /* NULL: there are margins */
    } rows[] = {
        { "reg:squarederror", { 3, 4 }, 3, { -1, 0, 7 }, { -1, 0, 7 }, NULL },
        { "binary:logistic", { 3, 4 }, 2, { 0.25f, 0.5f }, { -1.0986123f, -0.0f }, NULL },
        /* bounded since 3.2 */
        { "binary:logistic", { 3, 2 }, 1, { 1e-7f }, { -13.815510f }, NULL },
        { "binary:logistic", { 3, 1 }, 1, { 1e-7f }, { -16.118095f }, NULL },
        { "binary:logistic", { 3, 2 }, 2, { 0, 1 }, { -13.815510f, 13.7451601f }, NULL },
        { "binary:logistic", { 3, 1 }, 1, { 0 }, { 0 }, "0 is no probability" },
        { "reg:logistic", { 3, 1 }, 1, { 1 }, { 0 }, "1 is no probability" },
        { "reg:logistic", { 3, 4 }, 2, { 0.5f, 1.5f }, { 0 }, "1.5 is no probability" },
        { "count:poisson", { 1, 7 }, 2, { 1, 2.5f }, { 0, 0.91629076f }, NULL },
        { "reg:tweedie", { 3, 4 }, 1, { 0 }, { -INFINITY }, NULL },
        { "survival:cox", { 3, 4 }, 1, { -2 }, { 0 }, "-2 is below 0" },
        { "reg:expectileerror", { 3, 4 }, 1, { -5 }, { -5 }, NULL },
        { "reg:expectileerror",
          { 3, 4 },
          3,
          { -5.2528176f, 1.2518164f, 7.6191487f },
          { -5.2528176f, 6.503135f, 6.3656135f },
          NULL },
        /* no gap at all */
        { "reg:expectileerror", { 3, 4 }, 2, { 2, 2 }, { 2, -13.815510f }, NULL },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        float base[3];
        memcpy(base, rows[i].base, sizeof(base));
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_xgboost_objective_link(find(rows[i].name), rows[i].version, base,
                                                      rows[i].count, &err);
        if (rows[i].message) {
            assert_int_equal(code, AX_E_INVALID);
            assert_string_equal(err.msg, rows[i].message);
            continue;
        }
        assert_int_equal(code, AX_OK);
        for (size_t j = 0; j < rows[i].count; j++) {
            if (base[j] != rows[i].margins[j])
                fail_msg("row %zu: %.9g, not %.9g", i, (double)base[j], (double)rows[i].margins[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objectives_by_name),
        cmocka_unit_test(quantiles_are_sorted_since_3_4),
        cmocka_unit_test(links_of_base_scores),
    };
    return cmocka_run_group_tests_name("engine/forest/xgboost_objective", tests, NULL, NULL);
}
