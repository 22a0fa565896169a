/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a training set holds exactly the rows of its query, split, coded and in order, and data
 * that would make a wrong model is refused.
 * Method: queries over literal values; the files are read back and compared number by number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/training_set.h"

#include "test_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static enum ax_code make(const struct ax_train_spec *spec, struct ax_training_set *set,
                         struct ax_err *err)
{
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 2 };
    if (ax_sql_open(&config, &sql, err) == AX_E_UNSUPPORTED)
        skip();
    assert_int_equal(err->code, AX_OK);
    enum ax_code code = ax_training_set_make(sql, spec, NULL, folder, set, err);
    ax_sql_close(sql);
    return code;
}

static void assert_floats(const char *name, const float *wanted, size_t count)
{
    char path[128];
    struct ax_buf bytes;
    struct ax_err err = AX_ERR_INIT;
    float got[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ax_buf_init(&bytes, sizeof(got));
    assert_int_equal(ax_file_read(path, &bytes, &err), AX_OK);
    if (bytes.len != count * sizeof(float))
        fail_msg("%s holds %zu bytes", name, bytes.len);
    if (bytes.len)
        memcpy(got, bytes.ptr, bytes.len);
    for (size_t i = 0; i < count; i++)
        if (got[i] != wanted[i] && !(isnan(got[i]) && isnan(wanted[i])))
            fail_msg("%s[%zu] is %g, not %g", name, i, (double)got[i], (double)wanted[i]);
    ax_buf_done(&bytes);
}

#define FLOATS(name, ...)                                \
    do {                                                 \
        static const float wanted_[] = { __VA_ARGS__ };  \
        assert_floats(name, wanted_, AX_COUNT(wanted_)); \
    } while (0)

/* Rows 7 to 1, so that order matters: one without label, one category that training has not seen,
 * nulls, and a number that float32 cannot hold. */
static const char rows_query[] = "SELECT * FROM (VALUES "
                                 "(7, TIMESTAMP '2013-03-02', 'zz', 1.0, true, 1), "
                                 "(6, TIMESTAMP '2013-03-01', 'b', 2.0, NULL, 0), "
                                 "(5, TIMESTAMP '2013-02-01', 'a', 3.0, false, 1), "
                                 "(4, TIMESTAMP '2013-01-04', 'c', 16777217.0, true, NULL), "
                                 "(3, TIMESTAMP '2013-01-03', 'b', NULL, true, 0), "
                                 "(2, TIMESTAMP '2013-01-02', NULL, 0.1, false, 1), "
                                 "(1, TIMESTAMP '2013-01-01', 'a', 16777217.0, true, 1)) "
                                 "r(id, t, c, x, b, y) ORDER BY id";

static struct ax_train_column columns[] = { { .name = { "x", 1 } },
                                            { .name = { "c", 1 } },
                                            { .name = { "b", 1 } } };

static struct ax_train_spec spec_of(const char *query)
{
    return (struct ax_train_spec){
        .name = AX_STR("m"),
        .columns = columns,
        .column_count = AX_COUNT(columns),
        .query = ax_str_from(query),
        .at = AX_STR("t"),
        .label = AX_STR("y"),
        .weight = { "", 0 },
        .label_known_at = { "", 0 },
        .stop_from = AX_STR("2013-02-01"),
        .test_from = AX_STR("2013-03-01"),
        .hash_column = { "", 0 },
    };
}

static void by_time(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_training_set set;
    struct ax_train_spec spec = spec_of(rows_query);
    assert_int_equal(make(&spec, &set, &err), AX_OK);
    assert_int_equal(set.rows_read, 7);
    assert_int_equal(set.rows_unlabelled, 1);
    assert_int_equal(set.parts[AX_PART_TRAIN].rows, 3);
    assert_int_equal(set.parts[AX_PART_STOP].rows, 1);
    assert_int_equal(set.parts[AX_PART_TEST].rows, 2);
    /* 'c' has no label, 'zz' is only in the test: neither is a category. */
    assert_int_equal(set.columns[1].category_count, 2);
    assert_true(ax_str_is(set.columns[1].categories[0], "a"));
    assert_true(ax_str_is(set.columns[1].categories[1], "b"));
    FLOATS("train.values", 16777216, 0, 1, 0.1f, NAN, 0, NAN, 1, 1);
    FLOATS("train.labels", 1, 1, 0);
    FLOATS("stop.values", 3, 0, 0);
    FLOATS("test.values", 2, 1, NAN, 1, NAN, 1);
    FLOATS("test.labels", 0, 1);
    assert_true(!set.weighted && set.label_is_index && set.label_max == 1);
    char digest[AX_SHA256_TEXT_SIZE];
    memcpy(digest, set.parts[AX_PART_TRAIN].digest, sizeof(digest));
    ax_training_set_done(&set);
    /* The same rows in another order of arrival are the same set. */
    spec.query = AX_STR("SELECT * FROM (VALUES "
                        "(1, TIMESTAMP '2013-01-01', 'a', 16777217.0, true, 1), "
                        "(3, TIMESTAMP '2013-01-03', 'b', NULL, true, 0), "
                        "(2, TIMESTAMP '2013-01-02', NULL, 0.1, false, 1)) "
                        "r(id, t, c, x, b, y) ORDER BY id");
    assert_int_equal(make(&spec, &set, &err), AX_OK);
    assert_string_equal(set.parts[AX_PART_TRAIN].digest, digest);
    assert_int_equal(set.parts[AX_PART_TEST].rows, 0);
    assert_floats("test.values", NULL, 0);
    ax_training_set_done(&set);
}

static void weights_and_text_labels(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_training_set set;
    struct ax_train_spec spec = spec_of(rows_query);
    spec.weight = AX_STR("id * 2");
    spec.label = AX_STR("CASE WHEN y = 1 THEN 'late' WHEN y = 0 THEN 'fine' END");
    assert_int_equal(make(&spec, &set, &err), AX_OK);
    assert_true(set.weighted);
    FLOATS("train.weights", 2, 4, 6);
    FLOATS("train.labels", 1, 1, 0);
    assert_int_equal(set.label.category_count, 2);
    assert_true(ax_str_is(set.label.categories[0], "fine"));
    ax_training_set_done(&set);
}

static void by_hash(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_training_set set;
    struct ax_train_spec spec = spec_of("SELECT i AS id, i // 10 AS who, i AS x, 'c' AS c, true AS "
                                        "b, i % 2 AS y FROM range(20000) r(i) ORDER BY id");
    spec.at = spec.stop_from = spec.test_from = (struct ax_str){ "", 0 };
    spec.hash_column = AX_STR("who");
    spec.hash_stop = 0.1;
    spec.hash_test = 0.3;
    assert_int_equal(make(&spec, &set, &err), AX_OK);
    size_t stop = set.parts[AX_PART_STOP].rows;
    size_t test = set.parts[AX_PART_TEST].rows;
    assert_true(stop > 1500 && stop < 2500 && test > 5300 && test < 6700);
    /* Rows of one group stay together. */
    assert_true(stop % 10 == 0 && test % 10 == 0);
    ax_training_set_done(&set);
    spec.hash_stop = spec.hash_test = 0;
    assert_int_equal(make(&spec, &set, &err), AX_OK);
    assert_int_equal(set.parts[AX_PART_TRAIN].rows, 20000);
    ax_training_set_done(&set);
}

static void refused(void **state)
{
    (void)state;
    static struct ax_train_column misspelt[] = { { .name = { "dep_dely", 8 } } };
    static const char delays[] =
        "SELECT 1 AS id, TIMESTAMP '2013-01-01' AS t, 5 AS dep_delay, 1 AS "
        "y ORDER BY id";
    static const struct {
        const char *query, *label, *known, *weight;
        struct ax_train_column *columns;
        enum ax_code code;
        const char *message;
    } cases[] = {
        { delays, "y", "", "", misspelt, AX_E_INVALID,
          "the rows have no column 'dep_dely'; nearest is 'dep_delay'" },
        { "SELECT 1 AS id, 2 AS y", "y", "", "", NULL, AX_E_INVALID, "no ORDER BY" },
        { "SELECT 1 AS id, 2 AS y FROM range(2) ORDER BY id", "y", "", "", NULL, AX_E_INVALID,
          "not total" },
        { "SELECT nix ORDER BY nix", "y", "", "", NULL, AX_E_INVALID, "nix" },
        { "SELECT * FROM 'no-such-file.csv' ORDER BY id", "y", "", "", NULL, AX_E_NOT_FOUND,
          "no-such-file.csv" },
        { "SELECT 1 AS id, TIMESTAMP '2013-01-01' AS t, 1 AS x, 'a' AS c, true AS b, 1 AS y, 7 AS "
          "AX_Label ORDER BY id",
          "y", "", "", NULL, AX_E_INVALID, "the rows have a column 'ax_label'" },
        { rows_query, "nix > 1", "", "", NULL, AX_E_INVALID, "label: " },
        { rows_query, "y", "", "nix", NULL, AX_E_INVALID, "weight: " },
        { rows_query, "y", "t", "", NULL, AX_E_INVALID,
          "the label of 6 rows was known at or before 't'" },
        { rows_query, "y", "NULL::TIMESTAMP", "", NULL, AX_E_INVALID, "or nobody knows when" },
        { rows_query, "nix > 1 -- a comment", "", "", NULL, AX_E_INVALID, "nix" },
        { rows_query, "y", "nix", "", NULL, AX_E_INVALID, "label_known_at" },
        { rows_query, "y", "", "-1", NULL, AX_E_INVALID, "weight: that of row 1, of those" },
        { rows_query, "y", "", "CASE WHEN id <> 2 THEN 1 END", NULL, AX_E_INVALID,
          "weight: that of row 2, of those" },
        { rows_query, "CASE WHEN id = 2 THEN 'NaN'::DOUBLE ELSE y END", "", "", NULL, AX_E_INVALID,
          "label: that of row 2, of those that have one, is not finite" },
        { rows_query, "1e300::DOUBLE", "", "", NULL, AX_E_INVALID, "is not finite" },
        { rows_query, "NULL", "", "", NULL, AX_E_INVALID, "no row with a label is left" },
        { rows_query, "CAST(NULL AS VARCHAR)", "", "", NULL, AX_E_INVALID,
          "no row with a label is left" },
        { rows_query, "t", "", "", NULL, AX_E_UNSUPPORTED, "label: it is a time" },
        { "SELECT id, t, 1 AS x, y, CAST(NULL AS VARCHAR) AS c, b FROM (VALUES (1, TIMESTAMP "
          "'2013-01-01', true, 1)) r(id, t, b, y) ORDER BY id",
          "y", "", "", NULL, AX_E_INVALID, "column 'c' is null in every row to train on" },
        { "SELECT 1 AS id, CAST(NULL AS TIMESTAMP) AS t, 1 AS x, 'a' AS c, true AS b, 1 AS y ORDER "
          "BY id",
          "y", "", "", NULL, AX_E_INVALID, "1 labelled rows have no time in 't'" },
        { "SELECT 1 AS id, TIMESTAMP '2013-01-01' AS t, TIMESTAMP '2013-01-01' AS x, 'a' AS c, "
          "true AS b, 1 AS y ORDER BY id",
          "y", "", "", NULL, AX_E_UNSUPPORTED, "column 'x' is a time, which is no input" },
        { "SELECT 1 AS id, TIMESTAMP '2013-01-01' AS t, [1] AS x, 'a' AS c, true AS b, 1 AS y "
          "ORDER BY id",
          "y", "", "", NULL, AX_E_UNSUPPORTED, "column 'x' is a list, which is no input" },
        { rows_query, "[1]", "", "", NULL, AX_E_UNSUPPORTED, "label: it is a list" },
        { "SELECT 1 AS id, TIMESTAMP '2013-01-01' AS t, 'x'::BLOB AS x, 'a' AS c, true AS b, 1 AS "
          "y ORDER BY id",
          "y", "", "", NULL, AX_E_UNSUPPORTED, "column 'x' is of bytes, which are no input" },
        { rows_query, "'x'::BLOB", "", "", NULL, AX_E_UNSUPPORTED, "label: it is of bytes" },
        { "SELECT 1 AS id, TIMESTAMP '2013-05-01' AS t, 1 AS x, 'a' AS c, true AS b, 1 AS y ORDER "
          "BY id",
          "y", "", "", NULL, AX_E_INVALID, "no row with a label is left" },
        { "SELECT i AS id, TIMESTAMP '2013-01-01' AS t, 1 AS x, 'c' || i AS c, true AS b, 1 AS y "
          "FROM range(65537) r(i) ORDER BY id",
          "y", "", "", NULL, AX_E_TOO_LARGE, "column 'c' has more than 65536 distinct texts" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_training_set set;
        struct ax_train_spec spec = spec_of(cases[i].query);
        spec.label = ax_str_from(cases[i].label);
        spec.label_known_at = ax_str_from(cases[i].known);
        spec.weight = ax_str_from(cases[i].weight);
        if (cases[i].columns) {
            spec.columns = cases[i].columns;
            spec.column_count = 1;
        }
        enum ax_code code = make(&spec, &set, &err);
        if (code != cases[i].code || !strstr(err.msg, cases[i].message))
            fail_msg("case %zu: %d '%s', wanted %d '%s'", i, code, err.msg, cases[i].code,
                     cases[i].message);
    }
}

static void folder_that_cannot_be_written(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_training_set set;
    struct ax_train_spec spec = spec_of(rows_query);
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    if (ax_sql_open(&config, &sql, &err) == AX_E_UNSUPPORTED)
        skip();
    assert_true(ax_training_set_make(sql, &spec, NULL, "/nix/nix", &set, &err) != AX_OK);
    assert_non_null(strstr(err.msg, "cannot write '/nix/nix/train.values'"));
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_time),
        cmocka_unit_test(weights_and_text_labels),
        cmocka_unit_test(by_hash),
        cmocka_unit_test(refused),
        cmocka_unit_test(folder_that_cannot_be_written),
    };
    return cmocka_run_group_tests_name("pipeline/training_set", tests, make_folder, remove_folder);
}
