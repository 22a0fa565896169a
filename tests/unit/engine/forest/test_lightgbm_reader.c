/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a LightGBM file's meaning is read, or refused with the field's name; nothing is guessed.
 * Method: one small model written out here, and a table of what is changed in it, what must come of
 *   that and which words the message must hold. Objectives, rounds and dictionaries have tables of
 *   their own. The model cut off anywhere, or with any byte changed, must do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forest_reading.h"

#include <math.h>

/* Two features. The first tree splits on a threshold and on categories, the second is one leaf. */
static const char model_text[] =
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n"
    "objective=binary sigmoid:0.7\nfeature_names=delay carrier\nmonotone_constraints=0 0\n"
    "feature_infos=[-1:2] -1:0:1:2\ntree_sizes=300 100\n\n"
    "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nsplit_gain=2 1\nthreshold=1.5 0\n"
    "decision_type=10 1\nleft_child=1 -1\nright_child=-3 -2\nleaf_value=0.25 -0.5 1e-3\n"
    "leaf_weight=1 1 1\nleaf_count=1 1 1\ninternal_value=0 0\ninternal_weight=0 0\n"
    "internal_count=3 2\ncat_boundaries=0 2\ncat_threshold=2 1\nis_linear=0\nshrinkage=1\n\n\n"
    "Tree=1\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\ndecision_type=\n"
    "left_child=\nright_child=\nleaf_value=0.125\nleaf_weight=\nleaf_count=\ninternal_value=\n"
    "internal_weight=\ninternal_count=\nis_linear=0\nshrinkage=0.1\n\n\n"
    "end of trees\n\nfeature_importances:\ndelay=1\n\nparameters:\n[boosting: gbdt]\n"
    "[categorical_feature: 1]\n\nend of parameters\n\n"
    "pandas_categorical:[[\"UA\", 7, 0.1, true]]\n";

/* Read and compile. */
static enum ax_code read_model(struct reading *r, struct ax_str bytes,
                               struct ax_iterations iterations)
{
    *r = (struct reading){ .err = AX_ERR_INIT };
    struct ax_compiled compiled = { 0 };
    if (!ax_reader_lightgbm.read(bytes, iterations, &r->forest, &r->signature, r->format,
                                 &r->err) &&
        !ax_compiled_init(&compiled, &r->forest, &r->err))
        ax_compiled_done(&compiled);
    return r->err.code;
}

/* Read a changed model; true when a torture run was struck and cleaned up. */
static bool read_changed(struct reading *r, const char *find, const char *replace,
                         struct ax_iterations iterations)
{
    return was_struck(r, read_model, replaced(model_text, find, replace), iterations);
}

static void a_whole_model_is_read(void **state)
{
    (void)state;
    struct reading r;
    if (read_changed(&r, "tree\n", "tree\n", all))
        return;
    assert_string_equal(r.err.msg, "");
    const struct ax_forest *f = &r.forest;
    assert_true(f->feature_count == 2 && f->group_count == 1 && f->tree_count == 2);
    assert_true(f->input_type == AX_FP64 && f->sum_type == AX_FP64 && f->flush_zero);
    assert_true(f->category_form == AX_CATEGORY_TOWARDS_ZERO && f->leaf_width == 1);
    assert_true(f->transform == AX_TRANSFORM_SIGMOID && f->probability == AX_TRANSFORM_SIGMOID);
    assert_true(f->slope == 0.7 && f->divisor == 0.0 && f->base[0] == 0.0);
    assert_int_equal(f->task, AX_TASK_BINARY);
    assert_string_equal(f->iterations, "all (2)");
    assert_string_equal(r.format, "lightgbm_text");
    const struct ax_forest_node *n = f->nodes;
    assert_true(n[0].left == 1 && n[0].right == 4 && n[0].value == nextafter(1.5, 2.0));
    assert_true(n[0].feature == 0 && n[0].set == 0 && n[0].missing == AX_MISSING_LEFT);
    /* In the set is left there and right here, so the children changed places. */
    assert_true(n[1].left == 3 && n[1].right == 2 && n[1].set == 1);
    assert_true(n[1].feature == 1 && n[1].missing == AX_MISSING_LEFT);
    assert_true(n[2].left == -1 && n[2].value == 0.25 && n[3].value == -0.5 && n[4].value == 1e-3);
    assert_true(f->sets[0].count == 2 && f->categories[0] == 1 && f->categories[1] == 32);
    assert_true(f->trees[1].node_from == 5 && n[5].left == -1 && n[5].value == 0.125);

    const struct ax_signature *signature = &r.signature;
    assert_true(ax_str_is(signature->inputs[0].name, "delay"));
    assert_true(signature->inputs[0].datatype == AX_FP64 && !signature->inputs[0].categories);
    assert_int_equal(signature->output_count, 4);
    const struct ax_dictionary *carriers = signature->inputs[1].categories;
    static const char *const names[] = { "UA", "7", "0.1", "true" };
    assert_int_equal(carriers->count, AX_COUNT(names));
    for (size_t i = 0; i < AX_COUNT(names); i++)
        assert_int_equal(ax_dictionary_index(carriers, ax_str_from(names[i])), i);
    finish(&r);
}

static void ways_of_missing(void **state)
{
    (void)state;
    static const struct {
        const char *decision;
        enum ax_forest_missing missing;
    } rows[] = {
        { "decision_type=0 1", AX_MISSING_AS_ZERO },
        { "decision_type=2 1", AX_MISSING_AS_ZERO },
        { "decision_type=4 1", AX_MISSING_ZERO_RIGHT },
        { "decision_type=6 1", AX_MISSING_ZERO_LEFT },
        { "decision_type=8 1", AX_MISSING_RIGHT },
        { "decision_type=10 1", AX_MISSING_LEFT },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct reading r;
        if (read_changed(&r, "decision_type=10 1", rows[i].decision, all))
            return;
        assert_string_equal(r.err.msg, "");
        assert_int_equal(r.forest.nodes[0].missing, rows[i].missing);
        finish(&r);
    }
    /* Every value is <= +inf; with the children swapped, none is < -inf. */
    struct reading r;
    if (read_changed(&r, "threshold=1.5 0", "threshold=inf 0", all))
        return;
    assert_true(r.forest.nodes[0].left == 4 && r.forest.nodes[0].right == 1);
    assert_true(r.forest.nodes[0].value == -INFINITY);
    assert_int_equal(r.forest.nodes[0].missing, AX_MISSING_RIGHT);
    finish(&r);
}

static void what_is_wrong_or_unknown_is_refused(void **state)
{
    (void)state;
    static const struct change rows[] = {
        /* what the file is */
        { "tree\n", "three\n", AX_E_INVALID, "first line" },
        { "version=v4", "version=v5", AX_E_UNSUPPORTED, "version: 'v5'" },
        { "version=v4\n", "", AX_E_UNSUPPORTED, "version" },
        { "label_index=0", "boost_from_average", AX_E_UNSUPPORTED, "'boost_from_average'" },
        { "label_index=0", "num_class=1", AX_E_INVALID, "'num_class' is there twice" },
        { "Tree=0", "Baum=0", AX_E_UNSUPPORTED, "header: the field 'Baum'" },
        { "Tree=1", "Tree=2", AX_E_INVALID, "found 'Tree=2' where Tree=1" },
        { "end of trees", "end of wood", AX_E_INVALID, "end of wood" },
        { "tree_sizes=300 100", "tree_sizes=300", AX_E_INVALID, "tree_sizes lists 1 trees" },
        /* its shape */
        { "max_feature_idx=1", "max_feature_idx=-1", AX_E_INVALID, "max_feature_idx[0]: '-1'" },
        { "max_feature_idx=1", "max_feature_idx=70000", AX_E_TOO_LARGE, "70001 features" },
        { "max_feature_idx=1\n", "", AX_E_INVALID, "'max_feature_idx' is missing" },
        { "max_feature_idx=1", "max_feature_idx=0", AX_E_INVALID, "split_feature[1]" },
        { "num_class=1", "num_class=x", AX_E_INVALID, "num_class[0]: 'x'" },
        { "num_class=1", "num_class=1 1", AX_E_INVALID, "num_class: over 1 numbers" },
        { "num_class=1", "num_class=3", AX_E_UNSUPPORTED, "1 trees a round for 3" },
        { "num_class=1\nnum_tree_per_iteration=1", "num_class=3\nnum_tree_per_iteration=3",
          AX_E_INVALID, "3 outputs with objective 'binary'" },
        { "num_class=1\nnum_tree_per_iteration=1", "num_class=5000\nnum_tree_per_iteration=5000",
          AX_E_TOO_LARGE, "5000 outputs" },
        { "num_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n"
          "objective=binary sigmoid:0.7",
          "num_class=3\nnum_tree_per_iteration=3\nmax_feature_idx=1\nobjective=custom",
          AX_E_INVALID, "no whole rounds of 3" },
        /* its objective */
        { "binary sigmoid:0.7", "ternary", AX_E_UNSUPPORTED, "objective: 'ternary'" },
        { "binary sigmoid:0.7", "", AX_E_UNSUPPORTED, "objective: ''" },
        { "binary sigmoid:0.7", "binary", AX_E_INVALID, "without its sigmoid" },
        { "binary sigmoid:0.7", "binary sigmoid:0", AX_E_INVALID, "no number above 0" },
        { "binary sigmoid:0.7", "binary sigmoid:-1", AX_E_INVALID, "no number above 0" },
        { "binary sigmoid:0.7", "binary sigmoid:1e99", AX_E_INVALID, "no number above 0" },
        { "binary sigmoid:0.7", "binary sigmoid:", AX_E_INVALID, "no number above 0" },
        { "binary sigmoid:0.7", "binary sigmoid:1 hinge", AX_E_UNSUPPORTED, "'hinge'" },
        { "binary sigmoid:0.7", "poisson sqrt", AX_E_UNSUPPORTED, "'sqrt' with 'poisson'" },
        { "binary sigmoid:0.7", "multiclass num_class:1", AX_E_INVALID, "num_class: '1'" },
        { "binary sigmoid:0.7", "multiclass", AX_E_INVALID, "without its num_class" },
        /* its trees */
        { "split_gain=2 1", "leaf_color=2 1", AX_E_UNSUPPORTED, "Tree=0: the field 'leaf_color'" },
        { "num_leaves=3", "num_leaves=4", AX_E_INVALID, "leaf_value: 3 numbers for 4 leaves" },
        { "num_leaves=3", "num_leaves=0", AX_E_INVALID, "num_leaves[0]" },
        { "num_leaves=3", "num_leaves=9999999999", AX_E_INVALID, "num_leaves[0]" },
        { "num_leaves=3\n", "", AX_E_INVALID, "'num_leaves' is missing" },
        { "num_cat=1\n", "", AX_E_INVALID, "'num_cat' is missing" },
        { "num_cat=1", "num_cat=3", AX_E_INVALID, "num_cat[0]" },
        { "num_cat=1", "num_cat=2", AX_E_INVALID, "cat_boundaries: 2 numbers, not 3" },
        { "num_cat=1", "num_cat=0", AX_E_INVALID, "threshold[1]: no set of categories 0" },
        { "split_feature=0 1", "split_feature=0 2", AX_E_INVALID, "split_feature[1]: '2'" },
        { "split_feature=0 1", "split_feature=0 -1", AX_E_INVALID, "split_feature[1]: '-1'" },
        { "split_feature=0 1", "split_feature=0", AX_E_INVALID, "split_feature: 1 numbers, not 2" },
        { "split_feature=0 1", "split_feature=0 1 1", AX_E_INVALID, "over 2 numbers" },
        { "threshold=1.5 0", "threshold=1.5", AX_E_INVALID, "threshold: 1 numbers" },
        { "threshold=1.5 0", "threshold=nan 0", AX_E_INVALID, "threshold[0]: 'nan'" },
        { "threshold=1.5 0", "threshold=1.5x 0", AX_E_INVALID, "threshold[0]: '1.5x'" },
        { "threshold=1.5 0", "threshold=1e999 0", AX_E_INVALID, "threshold[0]" },
        { "threshold=1.5 0", "threshold=1.5 1", AX_E_INVALID, "no set of categories 1" },
        { "threshold=1.5 0", "threshold=1.5 -1", AX_E_INVALID, "no set of categories -1" },
        { "decision_type=10 1", "decision_type=14 1", AX_E_UNSUPPORTED, "decision_type[0]: 14" },
        { "decision_type=10 1", "decision_type=16 1", AX_E_INVALID, "decision_type[0]: '16'" },
        { "decision_type=10 1\n", "", AX_E_INVALID, "'decision_type' is missing" },
        { "left_child=1 -1", "left_child=2 -1", AX_E_INVALID, "left_child[0]: '2'" },
        { "left_child=1 -1", "left_child=1 -4", AX_E_INVALID, "left_child[1]: '-4'" },
        { "left_child=1 -1", "left_child=0 -1", AX_E_INVALID, "its own ancestor" },
        { "left_child=1 -1", "left_child=1 -2", AX_E_INVALID, "another parent" },
        { "right_child=-3 -2", "right_child=-3 0", AX_E_INVALID, "its own ancestor" },
        { "leaf_value=0.25", "leaf_value=nan", AX_E_INVALID, "leaf_value[0]: 'nan'" },
        { "leaf_value=0.25", "leaf_value=-inf", AX_E_INVALID, "leaf_value[0] is not finite" },
        { "leaf_value=0.25", "leaf_value=", AX_E_INVALID, "2 numbers for 3 leaves" },
        { "is_linear=0", "is_linear=1", AX_E_UNSUPPORTED, "linear_tree=false" },
        { "is_linear=0", "is_linear=2", AX_E_INVALID, "is_linear[0]" },
        /* its categories */
        { "cat_boundaries=0 2", "cat_boundaries=0 1", AX_E_INVALID, "do not divide up" },
        { "cat_boundaries=0 2", "cat_boundaries=1 2", AX_E_INVALID, "do not divide up" },
        { "cat_boundaries=0 2", "cat_boundaries=0 3", AX_E_INVALID, "cat_boundaries[1]: '3'" },
        { "cat_boundaries=0 2\n", "", AX_E_INVALID, "'cat_boundaries' is missing" },
        { "cat_threshold=2 1\n", "", AX_E_INVALID, "cat_boundaries[1]" },
        { "cat_threshold=2 1", "cat_threshold=2 4294967296", AX_E_INVALID, "cat_threshold[1]" },
        /* its names */
        { "feature_names=delay carrier", "feature_names=delay", AX_E_INVALID, "feature_names" },
        { "feature_names=delay carrier", "feature_names=a a", AX_E_INVALID, "feature_names[1]" },
        { "feature_names=delay carrier\n", "", AX_E_INVALID, "feature_names" },
        { "feature_infos=[-1:2] -1:0:1:2", "feature_infos=none", AX_E_INVALID, "feature_infos" },
        { "[[\"UA\"", "[[\"UA\",\"UA\"", AX_E_INVALID, "pandas_categorical" },
        { "[[\"UA\"", "[[null", AX_E_UNSUPPORTED, "pandas_categorical" },
        { "[[\"UA\"", "[[[]", AX_E_UNSUPPORTED, "pandas_categorical" },
        { "[[\"UA\"", "[[\"UA", AX_E_INVALID, "pandas_categorical" },
        { "[[\"UA\"", "[[],[\"UA\"", AX_E_UNSUPPORTED, "2 columns of categories, but 1 features" },
        { ":[[\"UA\", 7, 0.1, true]]", ":{}", AX_E_INVALID, "pandas_categorical is no list" },
        { ":[[\"UA\", 7, 0.1, true]]", ":[7]", AX_E_INVALID, "no list of at most" },
    };
    check_changes(read_model, model_text, rows, AX_COUNT(rows));
}

static void what_does_not_matter_is_tolerated(void **state)
{
    (void)state;
    static const struct change rows[] = {
        { "label_index=0\n", "", AX_OK, "" },
        { "monotone_constraints=0 0\n", "", AX_OK, "" },
        { "tree_sizes=300 100\n", "", AX_OK, "" },
        { "split_gain=2 1\n", "", AX_OK, "" },
        { "is_linear=0\n", "", AX_OK, "" },
        { "is_linear=0",
          "is_linear=0\nleaf_const=1 2 3\nnum_features=0 0 0\nleaf_features=\n"
          "leaf_coeff=",
          AX_OK, "" },
        { "threshold=1.5 0", "threshold=-inf 0", AX_OK, "" },
        { "cat_threshold=2 1", "cat_threshold=0 0", AX_OK, "" },
        { "objective=binary sigmoid:0.7\n", "", AX_OK, "" },
        { "feature_infos=[-1:2] -1:0:1:2\n", "", AX_OK, "" },
        { "[categorical_feature: 1]", "[categorical_feature: ]", AX_OK, "" },
        { "pandas_categorical:[[\"UA\", 7, 0.1, true]]\n", "", AX_OK, "" },
        { "[[\"UA\", 7, 0.1, true]]\n", "[]", AX_OK, "" },
        { "[[\"UA\", 7, 0.1, true]]", "null", AX_OK, "" },
        { "[[\"UA\", 7, 0.1, true]]\n", "[[]]\n\n\n", AX_OK, "" },
        { "tree\nversion=v4", "tree\r\nversion=v2", AX_OK, "" },
    };
    check_changes(read_model, model_text, rows, AX_COUNT(rows));
}

static void objectives_and_their_transforms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ax_transform transform, probability;
        double slope;
    } rows[] = {
        { "binary sigmoid:1", AX_TRANSFORM_SIGMOID, AX_TRANSFORM_SIGMOID, 1.0 },
        { "binary sigmoid:12.5", AX_TRANSFORM_SIGMOID, AX_TRANSFORM_SIGMOID, 12.5 },
        { "binary sigmoid:5e-05", AX_TRANSFORM_SIGMOID, AX_TRANSFORM_SIGMOID, 5.0 / 1e5 },
        { "binary sigmoid:1.5e+06", AX_TRANSFORM_SIGMOID, AX_TRANSFORM_SIGMOID, 1.5e6 },
        { "regression", AX_TRANSFORM_IDENTITY, AX_TRANSFORM_IDENTITY, 0.0 },
        { "regression sqrt", AX_TRANSFORM_SIGNED_SQUARE, AX_TRANSFORM_IDENTITY, 0.0 },
        { "regression_l1 sqrt", AX_TRANSFORM_SIGNED_SQUARE, AX_TRANSFORM_IDENTITY, 0.0 },
        { "huber", AX_TRANSFORM_IDENTITY, AX_TRANSFORM_IDENTITY, 0.0 },
        { "tweedie", AX_TRANSFORM_EXP, AX_TRANSFORM_IDENTITY, 0.0 },
        { "xentropy", AX_TRANSFORM_SIGMOID, AX_TRANSFORM_IDENTITY, 0.0 },
        { "cross_entropy_lambda", AX_TRANSFORM_LOG1P_EXP, AX_TRANSFORM_IDENTITY, 0.0 },
        { "lambdarank", AX_TRANSFORM_IDENTITY, AX_TRANSFORM_IDENTITY, 0.0 },
        { "custom", AX_TRANSFORM_IDENTITY, AX_TRANSFORM_IDENTITY, 0.0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct reading r;
        if (read_changed(&r, "binary sigmoid:0.7", rows[i].text, all))
            return;
        assert_string_equal(r.err.msg, "");
        if (r.forest.transform != rows[i].transform ||
            r.forest.probability != rows[i].probability || r.forest.slope != rows[i].slope)
            fail_msg("'%s' became %d, %d, %.17g", rows[i].text, r.forest.transform,
                     r.forest.probability, r.forest.slope);
        finish(&r);
    }
}

static void iterations_choose_rounds(void **state)
{
    (void)state;
    static const struct {
        struct ax_iterations iterations;
        const char *header;
        enum ax_code code;
        const char *text; /* the message, or what is told to clients */
        size_t trees;
        double divisor;
    } rows[] = {
        { { AX_ITERATIONS_ALL, 0 }, "label_index=0", AX_OK, "all (2)", 2, 0.0 },
        { { AX_ITERATIONS_COUNT, 1 }, "label_index=0", AX_OK, "1 of 2", 1, 0.0 },
        { { AX_ITERATIONS_COUNT, 3 },
          "label_index=0",
          AX_E_INVALID,
          "3 rounds of a model of 2",
          0,
          0.0 },
        { { AX_ITERATIONS_BEST, 0 }, "label_index=0", AX_E_INVALID, "use all", 0, 0.0 },
        { { AX_ITERATIONS_ALL, 0 }, "average_output", AX_OK, "all (2)", 2, 2.0 },
        { { AX_ITERATIONS_COUNT, 1 }, "average_output", AX_OK, "1 of 2", 1, 1.0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct reading r;
        if (read_changed(&r, "label_index=0", rows[i].header, rows[i].iterations))
            return;
        const char *text = r.err.code ? r.err.msg : r.forest.iterations;
        if (r.err.code != rows[i].code || !strstr(text, rows[i].text))
            fail_msg("row %zu: '%s'", i, text);
        if (!r.err.code)
            assert_true(r.forest.tree_count == rows[i].trees &&
                        r.forest.divisor == rows[i].divisor);
        finish(&r);
    }
}

static void it_is_told_by_its_head(void **state)
{
    (void)state;
    assert_true(ax_reader_lightgbm.recognise(ax_str_from(model_text)));
    assert_true(ax_reader_lightgbm.recognise(AX_STR("tree\r\nversion=v3\r\nnum_class=1")));
    assert_false(ax_reader_lightgbm.recognise(AX_STR("tree")));
    assert_false(ax_reader_lightgbm.recognise(AX_STR("trees\nnum_class=1")));
    assert_false(ax_reader_lightgbm.recognise(AX_STR("")));
}

/* Cut off anywhere, and with every byte changed: whatever comes of it, no sanitizer minds. */
static void broken_files_do_no_harm(void **state)
{
    (void)state;
    if (forest_is_torture())
        return;
    uint64_t random = 7;
    for (size_t i = 0; i < sizeof(model_text) - 1; i++) {
        struct reading r;
        char *part = forest_copy((struct ax_str){ model_text, i + 1 });
        enum ax_code code = read_model(&r, (struct ax_str){ part, i }, all);
        size_t end = (size_t)(strstr(model_text, "end of trees") - model_text) + 12;
        assert_true(code || i >= end);
        finish(&r);
        free(part);
        char *whole = forest_copy((struct ax_str){ model_text, sizeof(model_text) - 1 });
        for (size_t k = 0; k < 3; k++) {
            whole[i] = "0123456789 -=\n\r.e[]\""[forest_random(&random) % 20];
            (void)read_model(&r, (struct ax_str){ whole, sizeof(model_text) - 1 }, all);
            finish(&r);
        }
        free(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_model_is_read),
        cmocka_unit_test(ways_of_missing),
        cmocka_unit_test(what_is_wrong_or_unknown_is_refused),
        cmocka_unit_test(what_does_not_matter_is_tolerated),
        cmocka_unit_test(objectives_and_their_transforms),
        cmocka_unit_test(iterations_choose_rounds),
        cmocka_unit_test(it_is_told_by_its_head),
        cmocka_unit_test(broken_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("engine/forest/lightgbm_reader", tests, NULL, NULL);
}
