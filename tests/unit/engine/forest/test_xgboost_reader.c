/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a file's meaning is read, or refused with the field's path; nothing is guessed.
 * Method: one small model written out here, and a table of what is changed in it, what must come of
 *   that and which words the message must hold. Base scores, rounds, names and dictionaries have
 *   tables of their own. Files of the library with bytes changed must do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/xgboost_reader.h"

#include "forest_reading.h"

#include <math.h>

/* Two features; a split on a threshold, one on categories, three leaves. */
static const char model_text[] =
    "{\"learner\":{\"attributes\":{},\"feature_names\":[\"delay\",\"carrier\"],"
    "\"feature_types\":[\"q\",\"c\"],"
    "\"gradient_booster\":{\"model\":{\"cats\":{\"enc\":[{\"offsets\":[],\"values\":[]},"
    "{\"offsets\":[0,2,4,4,5],\"values\":[85,65,-61,-87,68]}]},"
    "\"gbtree_model_param\":{\"num_parallel_tree\":\"1\",\"num_trees\":\"1\"},"
    "\"iteration_indptr\":[0,1],\"tree_info\":[0],\"trees\":[{"
    "\"categories\":[1,3],\"categories_nodes\":[2],\"categories_segments\":[0],"
    "\"categories_sizes\":[2],\"default_left\":[1,0,0,0,0],\"id\":0,"
    "\"left_children\":[1,-1,3,-1,-1],\"parents\":[2147483647,0,0,2,2],"
    "\"right_children\":[2,-1,4,-1,-1],\"split_conditions\":[1.5E0,-1E0,0E0,2E0,3E0],"
    "\"split_indices\":[0,0,1,0,0],\"split_type\":[0,0,1,0,0],"
    "\"tree_param\":{\"num_deleted\":\"0\",\"num_feature\":\"2\",\"num_nodes\":\"5\","
    "\"size_leaf_vector\":\"1\"}}]},\"name\":\"gbtree\"},"
    "\"learner_model_param\":{\"base_score\":\"[5E-1]\",\"boost_from_average\":\"1\","
    "\"num_class\":\"0\",\"num_feature\":\"2\",\"num_target\":\"1\"},"
    "\"objective\":{\"name\":\"reg:squarederror\"}},\"version\":[3,4,1]}";

/* Read, describe and compile. */
static enum ax_code read_model(struct reading *r, struct ax_str bytes,
                               struct ax_iterations iterations)
{
    *r = (struct reading){ .err = AX_ERR_INIT };
    struct ax_document document;
    if (ax_document_init(&document, bytes, &r->err))
        return r->err.code;
    struct ax_compiled compiled = { 0 };
    if (!ax_xgboost_read(&document, iterations, &r->forest, &r->err) &&
        !ax_signature_init(&r->signature, r->forest.feature_count, 1, &r->err) &&
        !ax_xgboost_describe(&document, &r->forest, &r->signature, &r->err) &&
        !ax_compiled_init(&compiled, &r->forest, &r->err))
        ax_compiled_done(&compiled);
    ax_document_done(&document);
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
    if (read_changed(&r, "1.5E0", "1.5E0", all))
        return;
    assert_string_equal(r.err.msg, "");
    assert_int_equal(r.forest.feature_count, 2);
    assert_int_equal(r.forest.group_count, 1);
    assert_int_equal(r.forest.tree_count, 1);
    assert_int_equal(r.forest.transform, AX_TRANSFORM_IDENTITY);
    assert_int_equal(r.forest.task, AX_TASK_VALUE);
    assert_true(r.forest.base[0] == 0.5);
    assert_string_equal(r.forest.iterations, "all (1)");
    const struct ax_forest_node *nodes = r.forest.nodes;
    assert_true(nodes[0].left == 1 && nodes[0].right == 2 && nodes[0].value == 1.5);
    assert_true(nodes[0].missing == AX_MISSING_LEFT && nodes[0].feature == 0 && nodes[0].set == 0);
    assert_true(nodes[2].missing == AX_MISSING_RIGHT && nodes[2].feature == 1 && nodes[2].set == 1);
    assert_true(nodes[4].left == -1 && nodes[4].value == 3.0);
    assert_true(r.forest.sets[0].count == 2 && r.forest.categories[1] == 3);

    assert_true(ax_str_is(r.signature.inputs[0].name, "delay"));
    assert_null(r.signature.inputs[0].categories);
    const struct ax_dictionary *carriers = r.signature.inputs[1].categories;
    assert_int_equal(carriers->count, 4);
    assert_int_equal(ax_dictionary_index(carriers, AX_STR("\xc3\xa9")), 1);
    assert_int_equal(ax_dictionary_index(carriers, AX_STR("")), 2);
    assert_int_equal(ax_dictionary_index(carriers, AX_STR("D")), 3);
    finish(&r);
}

#define TREE "trees[0]."

static void what_is_wrong_or_unknown_is_refused(void **state)
{
    (void)state;
    static const struct change rows[] = {
        /* what the file is */
        { "\"learner\"", "\"teacher\"", AX_E_INVALID, "no 'learner'" },
        { "{\"learner\"", "{\"Config\":{},\"Model\"", AX_E_UNSUPPORTED, "a Booster's whole state" },
        { "[3,4,1]", "[3,5,0]", AX_E_UNSUPPORTED, "version: written by XGBoost 3.5.0" },
        { "[3,4,1]", "[4,0,0]", AX_E_UNSUPPORTED, "version" },
        { "[3,4,1]", "[0,90,0]", AX_E_UNSUPPORTED, "version" },
        { "[3,4,1]", "[3,4]", AX_E_INVALID, "version" },
        { "[3,4,1]", "[3,\"4\",1]", AX_E_INVALID, "version" },
        { "\"version\"", "\"edition\"", AX_E_INVALID, "version" },
        { "\"gbtree\"", "\"gblinear\"", AX_E_UNSUPPORTED, "booster 'gblinear'" },
        { "\"gbtree\"", "\"dart\"", AX_E_INVALID, "gradient_booster.gbtree.model is missing" },
        { "\"gbtree\"", "7", AX_E_INVALID, "gradient_booster.name" },
        { "\"iteration_indptr\"", "\"weight_drop\":[0.5,1],\"iteration_indptr\"", AX_E_INVALID,
          "weight_drop: not one weight for each of 1 trees" },
        { "\"iteration_indptr\"", "\"weight_drop\":[\"1\"],\"iteration_indptr\"", AX_E_INVALID,
          "weight_drop" },
        { "\"iteration_indptr\"", "\"weight_drop\":[true,false],\"iteration_indptr\"", AX_E_INVALID,
          "weight_drop" },
        { "reg:squarederror", "rank:lambda", AX_E_UNSUPPORTED, "objective 'rank:lambda'" },
        { "\"objective\"", "\"aim\"", AX_E_INVALID, "learner.objective.name" },
        { "reg:squarederror", "multi:softprob", AX_E_INVALID, "num_class" },
        { "reg:squarederror", "reg:quantileerror", AX_E_INVALID, "quantile_alpha" },
        { "\"objective\"", "\"objective\":{\"name\":\"reg:linear\"},\"objective\"", AX_E_INVALID,
          "the field 'objective' is there twice" },
        { "\"id\":0", "\"id\":0,\"id\":0", AX_E_INVALID, "the field 'id' is there twice" },
        /* its shape */
        { "\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"0\",\"num_target\"",
          AX_E_INVALID, "num_feature" },
        { "\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"4000000000\",\"num_target\"",
          AX_E_TOO_LARGE, "num_feature" },
        { "\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"x\",\"num_target\"",
          AX_E_INVALID, "num_feature is no integer" },
        { "\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"1\",\"num_target\"",
          AX_E_INVALID, TREE "split_indices[2]" },
        { "\"num_class\":\"0\"", "\"num_class\":\"3\"", AX_E_UNSUPPORTED, "3 classes" },
        { "\"num_class\":\"0\"", "\"num_class\":\"2000000000\"", AX_E_TOO_LARGE, "classes" },
        { "\"num_class\":\"0\"", "\"num_class\":\"-1\"", AX_E_INVALID, "classes" },
        { "\"num_target\":\"1\"", "\"num_target\":\"9999999\"", AX_E_TOO_LARGE, "targets" },
        /* its rounds */
        { "\"tree_info\":[0]", "\"tree_info\":[1]", AX_E_INVALID, "tree_info[0]" },
        { "\"tree_info\":[0]", "\"tree_info\":[-1]", AX_E_INVALID, "tree_info[0]" },
        { "\"tree_info\":[0]", "\"tree_info\":[0,0]", AX_E_INVALID, "tree_info" },
        { "\"tree_info\":[0]", "\"tree_info\":[0.5]", AX_E_INVALID, "tree_info" },
        { "[0,1],", "[0,2],", AX_E_INVALID, "iteration_indptr" },
        { "[0,1],", "[1,0],", AX_E_INVALID, "iteration_indptr[1] goes backwards" },
        { "[0,1],", "[],", AX_E_INVALID, "iteration_indptr" },
        { "[0,1],", "[0,9999999999],", AX_E_INVALID, "iteration_indptr" },
        { "\"num_trees\":\"1\"", "\"num_trees\":\"2\"", AX_E_INVALID,
          "num_trees: 2, but there are 1" },
        { "\"num_trees\":\"1\"", "\"num_trees\":\"x\"", AX_E_INVALID, "num_trees" },
        /* its trees */
        { "\"trees\":[", "\"trees\":[1,", AX_E_INVALID, "trees" },
        { "\"left_children\"", "\"left\"", AX_E_INVALID, TREE "left_children" },
        { "[1,-1,3,-1,-1]", "[]", AX_E_INVALID, TREE "left_children" },
        { "[1,-1,3,-1,-1]", "[1,-1,3,-1]", AX_E_INVALID, TREE },
        { "[1,-1,3,-1,-1]", "[1,-1,3,-1,\"x\"]", AX_E_INVALID, TREE },
        { "[1,-1,3,-1,-1]", "[1,-1,3.5,-1,-1]", AX_E_INVALID, TREE "left_children" },
        { "[1,-1,3,-1,-1]", "[1,-1,4294967299,-1,-1]", AX_E_INVALID, TREE "left_children" },
        { "[1,-1,3,-1,-1]", "[1,-1,5,-1,-1]", AX_E_INVALID, TREE "left_children[2]: 5 is out of" },
        { "[1,-1,3,-1,-1]", "[1,-1,2147483647,-1,-1]", AX_E_INVALID, TREE "left_children[2]" },
        { "[1,-1,3,-1,-1]", "[1,-1,-2,-1,-1]", AX_E_INVALID, TREE "left_children[2]" },
        { "[1,-1,3,-1,-1]", "[1,-1,0,-1,-1]", AX_E_INVALID, TREE "left_children[2]" },
        { "[1,-1,3,-1,-1]", "[1,-1,2,-1,-1]", AX_E_INVALID, "its own ancestor" },
        { "[1,-1,3,-1,-1]", "[1,-1,1,-1,-1]", AX_E_INVALID, "two parents" },
        { "[2,-1,4,-1,-1]", "[2,-1,3,-1,-1]", AX_E_INVALID, "two parents" },
        { "[2,-1,4,-1,-1]", "[2,-1,-1,-1,-1]", AX_E_INVALID, TREE "right_children[2]" },
        { "[2147483647,0,0,2,2]", "[2147483647,0,0,1,2]", AX_E_INVALID, "'parents'" },
        { "[0,0,1,0,0],\"split_type\"", "[0,0,9,0,0],\"split_type\"", AX_E_INVALID,
          TREE "split_indices[2]: no feature 9" },
        { "[0,0,1,0,0],\"split_type\"", "[-1,0,1,0,0],\"split_type\"", AX_E_INVALID,
          TREE "split_indices[0]" },
        { "[1,0,0,0,0]", "[2,0,0,0,0]", AX_E_INVALID, TREE "default_left[0]: 2 is neither" },
        { "[1,0,0,0,0]", "[1,-1,0,0,0]", AX_E_INVALID, TREE "default_left[1]: -1 is neither" },
        { "[1.5E0,", "[null,", AX_E_INVALID, TREE "split_conditions" },
        { "[1.5E0,-1E0,0E0,2E0,3E0]", "[1.5E0]", AX_E_INVALID, TREE "split_conditions" },
        { "\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"3\"", AX_E_INVALID,
          TREE "tree_param.size_leaf_vector" },
        { "\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"-1\"", AX_E_INVALID,
          TREE "tree_param.size_leaf_vector" },
        { "\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"x\"", AX_E_INVALID,
          TREE "tree_param.size_leaf_vector is no integer" },
        { "\"num_nodes\":\"5\"", "\"num_nodes\":\"2000000000\"", AX_E_INVALID,
          TREE "tree_param.num_nodes" },
        { "\"id\":0", "\"id\":1", AX_E_INVALID, TREE "id" },
        /* its categories */
        { "\"split_type\":[0,0,1,0,0]", "\"split_type\":[0,0,2,0,0]", AX_E_UNSUPPORTED,
          TREE "split_type[2]: type 2" },
        { "\"split_type\":[0,0,1,0,0]", "\"split_type\":[0,0,0,0,0]", AX_E_INVALID,
          TREE "split_type[2]" },
        { "\"split_type\":[0,0,1,0,0]", "\"split_type\":[1,0,1,0,0]", AX_E_INVALID,
          TREE "split_type[0]" },
        { "\"categories\":[1,3]", "\"categories\":[1,16777216]", AX_E_INVALID,
          TREE "categories[1]" },
        { "\"categories\":[1,3]", "\"categories\":[-1,3]", AX_E_INVALID, TREE "categories[0]" },
        { "\"categories\":[1,3]", "\"categories\":[1,3,5]", AX_E_INVALID, TREE "categories" },
        { "\"categories\":[1,3]", "\"categories\":[1]", AX_E_INVALID, TREE "categories" },
        { "\"categories\":[1,3],", "", AX_E_INVALID, TREE "categories" },
        { "\"categories_nodes\":[2]", "\"categories_nodes\":[5]", AX_E_INVALID,
          TREE "categories_nodes" },
        { "\"categories_nodes\":[2]", "\"categories_nodes\":[2,2]", AX_E_INVALID,
          TREE "categories_nodes" },
        { "\"categories_sizes\":[2]", "\"categories_sizes\":[0]", AX_E_INVALID,
          TREE "categories_segments" },
        { "\"categories_sizes\":[2]", "\"categories_sizes\":[9223372036854775807]", AX_E_INVALID,
          TREE "categories_segments" },
        { "\"categories_segments\":[0]", "\"categories_segments\":[-1]", AX_E_INVALID,
          TREE "categories_segments" },
        /* its names */
        { "[\"delay\",\"carrier\"]", "[\"delay\"]", AX_E_INVALID, "feature_names" },
        { "[\"delay\",\"carrier\"]", "[\"delay\",\"delay\"]", AX_E_INVALID, "feature_names[1]" },
        { "[\"delay\",\"carrier\"]", "[\"delay\",\"\"]", AX_E_INVALID, "feature_names[1]" },
        { "[\"delay\",\"carrier\"]", "[\"delay\",[]]", AX_E_INVALID, "feature_names[1]" },
        { "[\"delay\",\"carrier\"]", "[0,1]", AX_E_INVALID, "feature_names" },
        { "[0,2,4,4,5]", "[0,2,9,4,5]", AX_E_INVALID, "enc[1].offsets" },
        { "[0,2,4,4,5]", "[-1,2,4,4,5]", AX_E_INVALID, "enc[1].offsets" },
        { "[0,2,4,4,5]", "[0,2,3,4,5]", AX_E_INVALID, "is not UTF-8" },
        { "[85,65,-61,-87,68]", "[85,65,85,65,68]", AX_E_INVALID, "listed twice" },
        { "[85,65,-61,-87,68]", "[85,65,-61,-87,300]", AX_E_INVALID, "is no byte" },
        { "[{\"offsets\":[],\"values\":[]},", "[", AX_E_INVALID, "enc" },
    };
    check_changes(read_model, model_text, rows, AX_COUNT(rows));
}

static void what_does_not_matter_is_tolerated(void **state)
{
    (void)state;
    static const struct change rows[] = {
        { "\"id\":0", "\"id\":0,\"new_field\":[[1,\"x\"],{\"a\":null}]", AX_OK, "" },
        { "\"parents\":[2147483647,0,0,2,2],", "", AX_OK, "" },
        { "\"iteration_indptr\":[0,1],", "", AX_OK, "" },
        { "\"num_trees\":\"1\"", "\"number\":\"1\"", AX_OK, "" },
        { "\"cats\":{\"enc\"", "\"cats\":{\"other\"", AX_OK, "" },
        { "\"feature_names\":[\"delay\",\"carrier\"],", "", AX_OK, "" },
        { "[1,0,0,0,0]", "[true,false,false,false,false]", AX_OK, "" },
        { "[3,4,1]", "[1,0,0]", AX_OK, "" },
        { "\"num_target\":\"1\"", "\"num_target\":\"0\"", AX_OK, "" },
        /* a node that nothing leads to may hold anything */
        { "[1,-1,3,-1,-1]", "[-1,-1,77,-1,-1]", AX_OK, "" },
    };
    check_changes(read_model, model_text, rows, AX_COUNT(rows));
}

static void base_scores_in_every_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *objective;
        enum ax_code code;
        float margin;
    } rows[] = {
        { "\"5E-1\"", "reg:squarederror", AX_OK, 0.5f },
        { "\"0.5\"", "reg:squarederror", AX_OK, 0.5f },
        { "\"-2\"", "reg:squarederror", AX_OK, -2.0f },
        { "\"[5E-1]\"", "reg:squarederror", AX_OK, 0.5f },
        { "\" [ 5E-1 ] \"", "reg:squarederror", AX_OK, 0.5f },
        { "\"(5E-1)\"", "reg:squarederror", AX_OK, 0.5f },
        { "\"9.9999884E1\"", "reg:absoluteerror", AX_OK, 99.999884f },
        { "\"5E-1\"", "binary:logistic", AX_OK, -0.0f },
        { "\"[2.5E-1]\"", "binary:logistic", AX_OK, -1.0986123f },
        { "\"0E0\"", "binary:logistic", AX_OK, -13.815510f },
        { "\"2.5E-1\"", "binary:logitraw", AX_OK, 0.25f },
        { "\"2.5E-1\"", "binary:hinge", AX_OK, 0.25f },
        { "\"2.5E0\"", "count:poisson", AX_OK, 0.91629076f },
        { "\"0E0\"", "count:poisson", AX_OK, -INFINITY },
        { "\"1E0\"", "survival:aft", AX_OK, 0.0f },
        { "\"-1E-1\"", "reg:gamma", AX_E_INVALID, 0 },
        { "\"2E0\"", "rank:ndcg", AX_OK, 2.0f },
        { "\"1.5\"", "binary:logistic", AX_E_INVALID, 0 },
        { "\"-0.1\"", "reg:logistic", AX_E_INVALID, 0 },
        { "\"[5E-1,5E-1]\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"[]\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"[5E-1\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"5E-1]\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"5E-1 5\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"nan\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"0x1p-1\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"+5E-1\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"[.5]\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"[5E-1,]\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "\"1e99\"", "reg:squarederror", AX_E_INVALID, 0 },
        { "0.5", "reg:squarederror", AX_E_INVALID, 0 },
        { "[0.5]", "reg:squarederror", AX_E_INVALID, 0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char tail[400];
        (void)snprintf(tail, sizeof(tail),
                       "%s,\"boost_from_average\":\"1\",\"num_class\":\"0\",\"num_feature\":\"2\","
                       "\"num_target\":\"1\"},\"objective\":{\"name\":\"%s\"}},"
                       "\"version\":[3,4,1]}",
                       rows[i].text, rows[i].objective);
        struct reading r;
        if (read_changed(&r, strstr(model_text, "\"[5E-1]\""), tail, all))
            return;
        if (r.err.code != rows[i].code ||
            (!r.err.code && r.forest.base[0] != (double)rows[i].margin))
            fail_msg("%s, %s: '%s', %.9g", rows[i].text, rows[i].objective, r.err.msg,
                     r.err.code ? 0.0 : r.forest.base[0]);
        finish(&r);
    }
}

/* DART: each tree's leaves times its weight, in f32. */
static void weights_are_part_of_the_leaves(void **state)
{
    (void)state;
    static const struct {
        const char *weights;
        float leaf; /* of 3 */
    } rows[] = {
        { "\"weight_drop\":[0.3],", 3.0f * 0.3f },
        { "\"weight_drop\":[1E0],", 3.0f },
        { "\"weight_drop\":[0],", 0.0f },
        { "\"weight_drop\":[],", 3.0f },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "%s\"iteration_indptr\"", rows[i].weights);
        struct reading r;
        if (read_changed(&r, "\"iteration_indptr\"", text, all))
            return;
        assert_string_equal(r.err.msg, "");
        assert_true(r.forest.nodes[4].value == (double)rows[i].leaf);
        assert_true(r.forest.nodes[0].value == 1.5); /* a threshold stays */
        finish(&r);
    }
}

/* The model's tree with two outputs, whose leaves are rows. `rows` gives the fields that hold them,
 * `right` the right children. */
static bool read_rows(struct reading *r, const char *targets, const char *rows, const char *right)
{
    char *text = replaced(model_text, "\"num_target\":\"1\"", targets);
    char *at = strstr(text, "\"size_leaf_vector\":\"1\"");
    at[strlen("\"size_leaf_vector\":\"")] = '2';
    char *end = strstr(text, "\"right_children\"");
    size_t size = strlen(text) + strlen(rows) + strlen(right) + 1;
    char *whole = ax_xalloc(size);
    (void)snprintf(whole, size, "%.*s%s\"right_children\":%s%s", (int)(end - text), text, rows,
                   right, strchr(end, ']') + 1);
    free(text);
    return !was_struck(r, read_model, whole, all);
}

static void leaves_may_be_rows(void **state)
{
    (void)state;
    static const struct {
        const char *targets, *rows, *right;
        const char *message; /* NULL: it is read */
        double leaf;         /* second value of node 4 */
    } rows[] = {
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5,6.5],", "[2,0,4,1,2]", NULL, 6.5 },
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5,6.5],", "[2,2,4,1,0]", NULL, 2 },
        { "\"num_target\":\"2\"", "\"base_weights\":[0,0,1,2,0,0,3,4,5,6.5],", "[2,-1,4,-1,-1]",
          NULL, 6.5 },
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5,6],", "[2,0,4,1,3]",
          TREE "right_children[4]: no leaf 3", 0 },
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5,6],", "[2,0,4,-1,2]",
          TREE "right_children[3]: no leaf -1", 0 },
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5],", "[2,0,4,1,2]",
          TREE "leaf_weights: not a value", 0 },
        { "\"num_target\":\"2\"", "\"base_weights\":[1,2,3,4,5,6],", "[2,-1,4,-1,-1]",
          TREE "base_weights: not a value", 0 },
        { "\"num_target\":\"2\"", "", "[2,-1,4,-1,-1]", TREE "base_weights: not a value", 0 },
        { "\"num_target\":\"2\"", "\"leaf_weights\":[1,2,3,4,5,\"6\"],", "[2,0,4,1,2]",
          TREE "base_weights: not a value", 0 },
        { "\"num_target\":\"3\"", "\"leaf_weights\":[1,2,3,4,5,6],", "[2,0,4,1,2]",
          TREE "tree_param.size_leaf_vector", 0 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct reading r;
        if (!read_rows(&r, rows[i].targets, rows[i].rows, rows[i].right))
            return;
        if (rows[i].message ? !strstr(r.err.msg, rows[i].message) : r.err.code != AX_OK)
            fail_msg("row %zu: '%s'", i, r.err.msg);
        if (!rows[i].message) {
            assert_int_equal(r.forest.leaf_width, 2);
            assert_true(r.forest.leaf_values[r.forest.nodes[4].set * 2 + 1] == rows[i].leaf);
        }
        finish(&r);
    }
}

/* As many as there may be outputs, each as long as the library writes them. */
static void long_lists_of_floats_are_read(void **state)
{
    (void)state;
    enum { COUNT = AX_FOREST_GROUPS_MAX };
    static char text[COUNT * 20];
    static float floats[COUNT];
    size_t len = 0;
    for (size_t i = 0; i < COUNT; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%c-1.%07zuE-10", i ? ',' : '[', i);
    text[len++] = ']';
    char *exact = forest_copy((struct ax_str){ text, len });
    size_t count = 0;
    assert_true(ax_xgboost_parse_floats((struct ax_str){ exact, len }, floats, COUNT, &count));
    assert_int_equal(count, COUNT);
    assert_true(floats[4095] == -1.0004095e-10f);
    assert_false(ax_xgboost_parse_floats((struct ax_str){ exact, len }, floats, COUNT - 1, &count));
    assert_false(ax_xgboost_parse_floats((struct ax_str){ exact, len - 1 }, floats, COUNT, &count));
    free(exact);
}

static void iterations_choose_rounds(void **state)
{
    (void)state;
    static const struct {
        struct ax_iterations iterations;
        const char *attributes;
        enum ax_code code;
        const char *text; /* what is told, or part of the message */
    } rows[] = {
        { { AX_ITERATIONS_ALL, 0 }, "{\"best_iteration\":\"0\"}", AX_OK, "all (1)" },
        { { AX_ITERATIONS_BEST, 0 }, "{\"best_iteration\":\"0\"}", AX_OK, "best: 1 of 1" },
        { { AX_ITERATIONS_BEST, 0 }, "{\"best_iteration\":\"1\"}", AX_E_INVALID, "2 rounds" },
        { { AX_ITERATIONS_BEST, 0 },
          "{\"best_iteration\":\"9223372036854775807\"}",
          AX_E_INVALID,
          "rounds of a model of 1" },
        { { AX_ITERATIONS_BEST, 0 },
          "{\"best_iteration\":\"-5\"}",
          AX_E_INVALID,
          "early stopping" },
        { { AX_ITERATIONS_BEST, 0 }, "{}", AX_E_INVALID, "early stopping" },
        { { AX_ITERATIONS_BEST, 0 }, "{\"best_iteration\":\"x\"}", AX_E_INVALID, "no integer" },
        { { AX_ITERATIONS_COUNT, 1 }, "{}", AX_OK, "1 of 1" },
        { { AX_ITERATIONS_COUNT, 2 }, "{}", AX_E_INVALID, "iterations: 2 rounds of a model of 1" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char attributes[100];
        (void)snprintf(attributes, sizeof(attributes), "\"attributes\":%s", rows[i].attributes);
        struct reading r;
        if (read_changed(&r, "\"attributes\":{}", attributes, rows[i].iterations))
            return;
        const char *text = r.err.code ? r.err.msg : r.forest.iterations;
        if (r.err.code != rows[i].code || !strstr(text, rows[i].text))
            fail_msg("row %zu: '%s'", i, text);
        finish(&r);
    }
}

/* The library's file of six rounds, also as older versions wrote it: without the rounds' ends. */
static void rounds_bound_the_trees(void **state)
{
    (void)state;
    static const struct {
        struct ax_iterations iterations;
        size_t trees;
    } rows[] = {
        { { AX_ITERATIONS_ALL, 0 }, 6 },
        { { AX_ITERATIONS_BEST, 0 }, 4 },
        { { AX_ITERATIONS_COUNT, 2 }, 2 },
    };
    struct ax_str file = forest_file("binary", "json");
    char *bytes = (char *)(uintptr_t)file.ptr;
    for (size_t old = 0; old < 2; old++) {
        for (size_t i = 0; i < AX_COUNT(rows); i++) {
            struct reading r;
            enum ax_code code = read_model(&r, file, rows[i].iterations);
            assert_true(code ? ax_torture_struck() : r.forest.tree_count == rows[i].trees);
            finish(&r);
        }
        char *ends = memmem(bytes, file.len, "iteration_indptr", 16);
        if (ends)
            *ends = 'x';
        assert_true(ends || old);
    }
    free(bytes);
}

static void numeric_categories_become_names(void **state)
{
    (void)state;
    struct ax_str file = forest_file("classes", "json");
    struct reading r;
    enum ax_code code = read_model(&r, file, all);
    free((void *)(uintptr_t)file.ptr);
    if (code && ax_torture_struck()) {
        finish(&r);
        return;
    }
    assert_string_equal(r.err.msg, "");
    assert_true(ax_str_is(r.signature.inputs[1].name, "distance \xe2\x86\x92"));
    assert_int_equal(
        ax_dictionary_index(r.signature.inputs[2].categories, AX_STR("Zo\xc3\xab \"Air\"")), 4);
    assert_int_equal(ax_dictionary_index(r.signature.inputs[3].categories, AX_STR("8")), 3);
    assert_int_equal(ax_dictionary_index(r.signature.inputs[3].categories, AX_STR("-3")), 4);
    assert_int_equal(r.forest.task, AX_TASK_MULTICLASS);
    assert_int_equal(r.forest.group_count, 4);
    finish(&r);
}

static void quantile_levels_are_told(void **state)
{
    (void)state;
    struct ax_str file = forest_file("quantiles", "ubj");
    struct reading r;
    enum ax_code code = read_model(&r, file, all);
    free((void *)(uintptr_t)file.ptr);
    if (code && ax_torture_struck()) {
        finish(&r);
        return;
    }
    assert_string_equal(r.err.msg, "");
    assert_int_equal(r.signature.quantile_count, 3);
    assert_true(r.signature.quantiles[0] == 0.1 && r.signature.quantiles[2] == 0.9);
    finish(&r);
}

static void changed_files_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    size_t read = 0;
    for (size_t n = 0; n < AX_COUNT(forest_names); n++) {
        for (size_t e = 0; e < 2; e++) {
            struct ax_str file = forest_file(forest_names[n], e ? "ubj" : "json");
            for (size_t i = 0; i < (forest_is_torture() ? 1 : 150); i++) {
                char *bytes = forest_copy(file);
                bytes[forest_random(&random) % file.len] = (char)forest_random(&random);
                struct reading r;
                read += read_model(&r, (struct ax_str){ bytes, file.len }, all) == AX_OK;
                finish(&r);
                free(bytes);
            }
            free((void *)(uintptr_t)file.ptr);
        }
    }
    assert_true(read > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_model_is_read),
        cmocka_unit_test(what_is_wrong_or_unknown_is_refused),
        cmocka_unit_test(what_does_not_matter_is_tolerated),
        cmocka_unit_test(base_scores_in_every_spelling),
        cmocka_unit_test(weights_are_part_of_the_leaves),
        cmocka_unit_test(leaves_may_be_rows),
        cmocka_unit_test(long_lists_of_floats_are_read),
        cmocka_unit_test(iterations_choose_rounds),
        cmocka_unit_test(rounds_bound_the_trees),
        cmocka_unit_test(numeric_categories_become_names),
        cmocka_unit_test(quantile_levels_are_told),
        cmocka_unit_test(changed_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("engine/forest/xgboost_reader", tests, NULL, NULL);
}
