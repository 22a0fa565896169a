/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a view's aggregates need is found, and what cannot be is refused with a reason.
 * Method: the ladder as a table; aggregates one by one, good and bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "feature/window_plan.h"

#define SECOND INT64_C(1000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

static struct ax_err err;

static const struct ax_type columns[] = {
    { AX_TYPE_FLOAT64, false }, { AX_TYPE_INT64, false },     { AX_TYPE_STRING, false },
    { AX_TYPE_BOOL, false },    { AX_TYPE_TIMESTAMP, false }, { AX_TYPE_DURATION, false },
};

static enum ax_code make(const struct ax_window_aggregate *aggregates, size_t count,
                         struct ax_window_spec **ret_spec)
{
    struct ax_window_config config = { .columns = columns,
                                       .column_count = AX_COUNT(columns),
                                       .aggregates = aggregates,
                                       .aggregate_count = count };
    ax_err_clear(&err);
    return ax_window_spec_new(&config, ret_spec, &err);
}

static void the_ladder(void **state)
{
    (void)state;
    const struct {
        int64_t window_us, hop_us;
    } steps[] = {
        { SECOND, SECOND / 10 },
        { 12 * SECOND - 1, SECOND / 10 },
        { 12 * SECOND, SECOND },
        { 60 * SECOND, 5 * SECOND },
        { 719 * SECOND, 5 * SECOND },
        { 720 * SECOND, 60 * SECOND },
        { HOUR, 300 * SECOND },
        { 12 * HOUR - 1, 300 * SECOND },
        { 12 * HOUR, HOUR },
        { 12 * DAY - 1, HOUR },
        { 12 * DAY, DAY },
        { 400 * DAY, DAY },
    };
    for (size_t i = 0; i < AX_COUNT(steps); i++)
        assert_true(ax_window_hop_us(steps[i].window_us) == steps[i].hop_us);
}

static void results_have_types(void **state)
{
    (void)state;
    const struct {
        enum ax_aggregate_kind kind;
        int value;
        const char *type;
    } cases[] = {
        { AX_AGGREGATE_COUNT, -1, "int64" },
        { AX_AGGREGATE_COUNT, 2, "int64" },
        { AX_AGGREGATE_SUM, 3, "int64" },
        { AX_AGGREGATE_SUM, 0, "float64" },
        { AX_AGGREGATE_SUM, 5, "duration" },
        { AX_AGGREGATE_AVG, 1, "float64" },
        { AX_AGGREGATE_MIN, 2, "string" },
        { AX_AGGREGATE_MAX, 4, "timestamp" },
        { AX_AGGREGATE_STDDEV, 1, "float64" },
        { AX_AGGREGATE_LAST_N, 2, "list<string>" },
        { AX_AGGREGATE_TOP_K, 1, "list<int64>" },
        { AX_AGGREGATE_FIRST, 3, "bool" },
        { AX_AGGREGATE_COUNT_DISTINCT, 2, "int64" },
        { AX_AGGREGATE_APPROX_QUANTILE, 1, "float64" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_window_aggregate aggregate = {
            .kind = cases[i].kind, .value = cases[i].value, .filter = 3, .n = 3, .window_us = HOUR
        };
        struct ax_window_spec *spec;
        assert_int_equal(make(&aggregate, 1, &spec), AX_OK);
        assert_string_equal(ax_type_name(ax_window_spec_type(spec, 0)), cases[i].type);
        ax_window_spec_free(spec);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const struct ax_window_aggregate good = { .kind = AX_AGGREGATE_AVG,
                                              .value = 0,
                                              .filter = -1,
                                              .n = 1,
                                              .quantile = 0.5,
                                              .window_us = HOUR };
    struct ax_window_aggregate bad[10];
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        bad[i] = good;
    bad[0].value = -1;
    bad[1].value = 2; /* avg of string */
    bad[2].value = 4; /* avg of timestamp */
    bad[3].filter = 1;
    bad[4].window_us = 0;
    bad[5].window_us = AX_WINDOW_US_MAX + 1;
    bad[6].hop_us = HOUR + 1;
    bad[7].kind = AX_AGGREGATE_LAST_N;
    bad[7].n = 0;
    bad[8].kind = AX_AGGREGATE_TOP_K;
    bad[8].n = 1025;
    bad[9].kind = AX_AGGREGATE_APPROX_QUANTILE;
    bad[9].quantile = NAN;
    struct ax_window_spec *spec = NULL;
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        assert_int_equal(make(&bad[i], 1, &spec), AX_E_INVALID);
        assert_true(strlen(err.msg) > 10);
    }
    struct ax_window_aggregate many[AX_WINDOW_AGGREGATES_MAX + 1];
    for (size_t i = 0; i < AX_COUNT(many); i++)
        many[i] = good;
    assert_int_equal(make(many, AX_COUNT(many), &spec), AX_E_TOO_LARGE);
    assert_int_equal(make(many, AX_COUNT(many) - 1, &spec), AX_OK);
    ax_window_spec_free(spec);
}

static void what_is_alike_is_shared(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_AVG, .value = 0, .filter = -1, .window_us = HOUR },
        { .kind = AX_AGGREGATE_SUM, .value = 0, .filter = -1, .window_us = 3 * HOUR },
        { .kind = AX_AGGREGATE_SUM, .value = 0, .filter = 3, .window_us = 3 * HOUR },
        { .kind = AX_AGGREGATE_TOP_K, .value = 2, .filter = -1, .n = 1, .window_us = HOUR },
        { .kind = AX_AGGREGATE_COUNT_DISTINCT, .value = 2, .filter = -1, .window_us = HOUR },
    };
    struct ax_window_spec *spec;
    assert_int_equal(make(aggregates, AX_COUNT(aggregates), &spec), AX_OK);
    assert_int_equal(spec->accumulator_count, 4); /* avg and sum are one. */
    assert_int_equal(spec->window_count, 2);
    assert_int_equal(spec->step_count, 1);                       /* Both hop by 5 minutes. */
    assert_int_equal(spec->column_count, AX_COUNT(columns) + 1); /* One hash for both. */
    assert_true(ax_window_spec_reach_us(spec) == 3 * HOUR + 300 * SECOND);
    assert_true(ax_window_spec_bytes(spec) > ax_window_spec_row_bytes(spec) * 1024);
    ax_window_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ladder),
        cmocka_unit_test(results_have_types),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(what_is_alike_is_shared),
    };
    return cmocka_run_group_tests_name("feature/window_spec", tests, NULL, NULL);
}
