/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the engine answers the kept models with the library's own bits, in every batch size and
 *   layout, and refuses what does not fit the model.
 * Method: models, rows and answers of tests/data/forest/, written by `tools/parity --fixtures` with
 *   the pinned library; rows lie at thresholds, beside them, and at every other edge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/forest/forest.h"

#include "forest_data.h"
#include "torture.h"

#include <math.h>

#define ROWS 120

/* NULL when a torture run was struck. */
static struct ax_model *load(struct ax_str bytes, char *iterations, enum ax_code wanted)
{
    struct {
        char *iterations;
    } config = { iterations };
    assert_int_equal(sizeof(config), ax_engine_forest.config_size);
    struct ax_model *model = NULL;
    struct ax_err err = AX_ERR_INIT;
    char *exact = forest_copy(bytes);
    enum ax_code code = ax_engine_load(&ax_engine_forest, (struct ax_str){ exact, bytes.len },
                                       &config, &model, &err);
    free(exact);
    if (code == AX_E_LIMIT && ax_torture_struck())
        return NULL;
    if (code != wanted)
        fail_msg("code %s, '%s'", ax_code_name(code), err.msg);
    return model;
}

static struct ax_model *load_file(const char *name, const char *ext, char *iterations)
{
    struct ax_str bytes = forest_file(name, ext);
    struct ax_model *model = load(bytes, iterations, AX_OK);
    free((void *)(uintptr_t)bytes.ptr);
    return model;
}

/* Where the inputs of a batch lie. */
enum layout { MATRIX, PADDED, COLUMNS, VALIDITY };

struct scoring {
    const struct ax_model *model;
    size_t features;
    size_t groups;
    size_t width; /* of the prediction */
    float *rows;
    float *moved;       /* the rows in another layout */
    uint64_t *validity; /* a word a column and 64 rows */
    struct ax_column *columns;
    float *margins;
    float *predictions;
};

static void set_up(struct scoring *s, const struct ax_model *model, struct ax_str rows)
{
    const struct ax_signature *signature = &model->signature;
    *s = (struct scoring){ .model = model, .features = signature->input_count };
    assert_int_equal(rows.len, ROWS * s->features * sizeof(float));
    s->groups = signature->outputs[1].width;
    s->width = signature->outputs[0].width;
    s->rows = ax_xalloc(rows.len);
    memcpy(s->rows, rows.ptr, rows.len);
    s->moved = ax_xalloc((s->features + 3) * ROWS * sizeof(float));
    s->validity = ax_xalloc(s->features * 2 * sizeof(uint64_t));
    s->columns = ax_xalloc(s->features * sizeof(*s->columns));
    s->margins = ax_xalloc(ROWS * s->groups * sizeof(float));
    s->predictions = ax_xalloc(ROWS * s->width * sizeof(float));
}

static void tear_down(struct scoring *s)
{
    free(s->rows);
    free(s->moved);
    free(s->validity);
    free(s->columns);
    free(s->margins);
    free(s->predictions);
}

/* View `count` rows from `from` in one of the layouts. */
static void arrange(struct scoring *s, enum layout layout, size_t from, size_t count)
{
    size_t pitch = layout == PADDED ? s->features + 3 : s->features;
    for (size_t i = 0; i < s->features; i++) {
        struct ax_column *column = &s->columns[i];
        *column = (struct ax_column){ .datatype = AX_FP32, .width = 1 };
        float *values = s->rows + from * s->features + i;
        if (layout == MATRIX) {
            column->values = values;
            column->stride = s->features * sizeof(float);
            continue;
        }
        bool by_rows = layout == PADDED;
        float *moved = s->moved + (by_rows ? i : i * count);
        size_t step = by_rows ? pitch : 1;
        column->values = moved;
        column->stride = step * sizeof(float);
        if (layout == VALIDITY) {
            column->validity = s->validity + i * 2;
            column->validity[0] = column->validity[1] = 0;
        }
        for (size_t r = 0; r < count; r++) {
            float value = values[r * s->features];
            if (layout == VALIDITY && !isnan(value))
                column->validity[r / 64] |= UINT64_C(1) << r % 64;
            moved[r * step] = layout == VALIDITY && isnan(value) ? 7.0f : value;
        }
    }
}

static void score(struct scoring *s, enum layout layout, size_t batch)
{
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(s->model, batch) + 63) & ~(size_t)63);
    for (size_t from = 0; from < ROWS; from += batch) {
        size_t count = AX_MIN(batch, ROWS - from);
        arrange(s, layout, from, count);
        struct ax_column out[2] = {
            { .datatype = AX_FP32,
              .width = s->width,
              .values = s->predictions + from * s->width,
              .stride = s->width * sizeof(float) },
            { .datatype = AX_FP32,
              .width = s->groups,
              .values = s->margins + from * s->groups,
              .stride = s->groups * sizeof(float) },
        };
        struct ax_batch in = { count, s->features, s->columns };
        struct ax_batch results = { count, 2, out };
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_model_predict(s->model, &in, &results, scratch, &err), AX_OK);
    }
    free(scratch);
}

static void check(const struct scoring *s, struct ax_str answers)
{
    size_t a_row = s->groups + s->width;
    assert_int_equal(answers.len, ROWS * a_row * sizeof(float));
    for (size_t r = 0; r < ROWS; r++) {
        const char *answer = answers.ptr + r * a_row * sizeof(float);
        assert_memory_equal(s->margins + r * s->groups, answer, s->groups * sizeof(float));
        assert_memory_equal(s->predictions + r * s->width, answer + s->groups * sizeof(float),
                            s->width * sizeof(float));
    }
}

static void answers_are_the_librarys(void **state)
{
    (void)state;
    static const size_t batches[] = { 1, 2, 5, 6, 7, 16, 17, 64, ROWS };
    for (size_t n = 0; n < AX_COUNT(forest_names); n++) {
        struct ax_str rows = forest_file(forest_names[n], "rows");
        struct ax_str answers = forest_file(forest_names[n], "answers");
        for (size_t e = 0; e < 2; e++) {
            struct ax_model *model = load_file(forest_names[n], e ? "ubj" : "json", NULL);
            if (!model)
                break;
            assert_string_equal(model->format, e ? "xgboost_ubjson" : "xgboost_json");
            struct scoring s;
            set_up(&s, model, rows);
            for (size_t b = 0; b < (forest_is_torture() ? 1 : AX_COUNT(batches)); b++) {
                for (enum layout layout = MATRIX; layout <= VALIDITY; layout++) {
                    memset(s.margins, 0, ROWS * s.groups * sizeof(float));
                    score(&s, layout, batches[b]);
                    check(&s, answers);
                }
            }
            tear_down(&s);
            ax_model_unref(model);
        }
        free((void *)(uintptr_t)rows.ptr);
        free((void *)(uintptr_t)answers.ptr);
    }
}

static void signature_follows_from_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ax_task task;
        enum ax_signature_form form;
        size_t outputs, width, margins;
    } rows[] = {
        { "binary", AX_TASK_BINARY, AX_FORM_TENSOR, 4, 1, 1 },
        { "regression", AX_TASK_VALUE, AX_FORM_TENSOR, 2, 1, 1 },
        { "quantiles", AX_TASK_QUANTILES, AX_FORM_TENSOR, 2, 3, 3 },
        { "classes", AX_TASK_MULTICLASS, AX_FORM_COLUMNS, 4, 4, 4 },
        { "softmax", AX_TASK_MULTICLASS, AX_FORM_TENSOR, 4, 1, 4 },
        { "onehot", AX_TASK_VALUE, AX_FORM_TENSOR, 2, 1, 1 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_model *model = load_file(rows[i].name, "ubj", NULL);
        if (!model)
            return;
        const struct ax_signature *signature = &model->signature;
        assert_int_equal(signature->task, rows[i].task);
        assert_int_equal(signature->form, rows[i].form);
        assert_int_equal(signature->output_count, rows[i].outputs);
        assert_int_equal(ax_signature_output(signature, AX_STR("prediction"))->width,
                         rows[i].width);
        assert_int_equal(ax_signature_output(signature, AX_STR("margin"))->width, rows[i].margins);
        assert_true(signature->outputs[0].by_default);
        for (size_t o = 1; o < signature->output_count; o++)
            assert_false(signature->outputs[o].by_default);
        ax_model_unref(model);
    }
}

/* Probabilities and labels of one row of `name`, whose labels are given here as model.yaml does. */
static void probability_and_label(void **state)
{
    (void)state;
    static struct ax_str names[4] = { { "a", 1 }, { "b", 1 }, { "c", 1 }, { "d", 1 } };
    static const char *const models[] = { "binary", "classes", "softmax" };
    for (size_t m = 0; m < AX_COUNT(models); m++) {
        struct ax_model *model = load_file(models[m], "json", NULL);
        if (!model)
            return;
        struct ax_str rows = forest_file(models[m], "rows");
        struct scoring s;
        set_up(&s, model, rows);
        float probabilities[ROWS][4];
        struct ax_str labels[ROWS];
        struct ax_column out[4] = {
            { .datatype = AX_FP32,
              .width = s.width,
              .values = s.predictions,
              .stride = s.width * sizeof(float) },
            { .datatype = AX_FP32,
              .width = s.groups,
              .values = NULL,
              .stride = 0 }, /* not wanted */
            { .datatype = AX_FP32,
              .width = s.groups,
              .values = probabilities,
              .stride = sizeof(probabilities[0]) },
            { .datatype = AX_BYTES, .width = 1, .values = labels, .stride = sizeof(labels[0]) },
        };
        arrange(&s, MATRIX, 0, ROWS);
        struct ax_batch in = { ROWS, s.features, s.columns };
        struct ax_batch results = { ROWS, 4, out };
        void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, ROWS) + 63) & ~(size_t)63);
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_E_INVALID);
        assert_non_null(strstr(err.msg, "no labels"));

        ax_err_clear(&err);
        model->signature.labels = names;
        model->signature.label_count = AX_MAX(s.groups, 2);
        assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_OK);
        for (size_t r = 0; r < ROWS; r++) {
            size_t class = s.groups == 1 ? probabilities[r][0] > 0.5f : 0;
            for (size_t i = 1; i < s.groups; i++)
                class = probabilities[r][i] > probabilities[r][class] ? i : class;
            assert_true(ax_str_equals(labels[r], names[class]));
            if (s.width == s.groups)
                assert_memory_equal(probabilities[r], s.predictions + r * s.width,
                                    s.width * sizeof(float));
            else
                assert_true(s.predictions[r] == (float)class);
        }
        free(scratch);
        tear_down(&s);
        free((void *)(uintptr_t)rows.ptr);
        ax_model_unref(model);
    }
}

/* Models without trees, whose margins are the base scores: a probability of exactly one half is not
 * above it, and margins that differ by too little for probabilities still are of two classes. */
static void labels_of_close_calls(void **state)
{
    (void)state;
    static const struct {
        const char *objective, *classes, *base;
        size_t groups, label;
    } rows[] = {
        { "binary:logistic", "0", "0E0", 1, 0 },
        { "binary:logistic", "0", "1E-6", 1, 1 },
        { "multi:softprob", "2", "[1E-8,2E-8]", 2, 0 },
        { "multi:softmax", "2", "[1E-8,2E-8]", 2, 1 },
    };
    static struct ax_str names[2] = { { "a", 1 }, { "b", 1 } };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "{\"learner\":{\"gradient_booster\":{\"model\":{\"trees\":[],"
                       "\"tree_info\":[],\"iteration_indptr\":[0]},\"name\":\"gbtree\"},"
                       "\"learner_model_param\":{\"base_score\":\"%s\",\"num_class\":\"%s\","
                       "\"num_feature\":\"1\"},\"objective\":{\"name\":\"%s\"}},"
                       "\"version\":[3,4,1]}",
                       rows[i].base, rows[i].classes, rows[i].objective);
        struct ax_model *model = load(ax_str_from(text), NULL, AX_OK);
        if (!model)
            return;
        model->signature.labels = names;
        model->signature.label_count = 2;
        float value = 1.0f;
        struct ax_str label = { NULL, 0 };
        struct ax_column column = {
            .datatype = AX_FP32, .width = 1, .values = &value, .stride = sizeof(value)
        };
        struct ax_column out[4] = {
            { .datatype = AX_FP32,
              .width = model->signature.outputs[0].width,
              .values = NULL,
              .stride = 0 },
            { .datatype = AX_FP32, .width = rows[i].groups, .values = NULL, .stride = 0 },
            { .datatype = AX_FP32, .width = rows[i].groups, .values = NULL, .stride = 0 },
            { .datatype = AX_BYTES, .width = 1, .values = &label, .stride = sizeof(label) },
        };
        struct ax_batch in = { 1, 1, &column };
        struct ax_batch results = { 1, 4, out };
        void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, 1) + 63) & ~(size_t)63);
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_OK);
        assert_true(ax_str_equals(label, names[rows[i].label]));
        free(scratch);
        ax_model_unref(model);
    }
}

static void iterations_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        enum ax_code code;
        const char *told;
    } rows[] = {
        { NULL, AX_OK, "all (6)" },
        { "all", AX_OK, "all (6)" },
        { "best", AX_OK, "best: 4 of 6" },
        { "6", AX_OK, "6 of 6" },
        { "2", AX_OK, "2 of 6" },
        { "7", AX_E_INVALID, NULL },
        { "0", AX_E_INVALID, NULL },
        { "-1", AX_E_INVALID, NULL },
        { "most", AX_E_INVALID, NULL },
        { "", AX_E_INVALID, NULL },
        { "99999999999999999999", AX_E_INVALID, NULL },
    };
    struct ax_str bytes = forest_file("binary", "json");
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char *option = rows[i].option ? ax_xstrdup(rows[i].option) : NULL;
        struct ax_model *model = load(bytes, option, rows[i].code);
        free(option);
        if (model && rows[i].told)
            assert_string_equal(model->iterations, rows[i].told);
        ax_model_unref(model);
    }
    free((void *)(uintptr_t)bytes.ptr);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct ax_model *model = load_file("binary", "ubj", NULL);
    if (!model)
        return;
    struct ax_str rows = forest_file("binary", "rows");
    struct scoring s;
    set_up(&s, model, rows);
    arrange(&s, MATRIX, 0, 1);
    struct ax_column out = {
        .datatype = AX_FP32, .width = 1, .values = s.predictions, .stride = sizeof(float)
    };
    struct ax_batch results = { 1, 1, &out };
    struct ax_batch in = { 1, s.features - 1, s.columns };
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, 1) + 63) & ~(size_t)63);
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_E_INVALID);
    ax_err_clear(&err);
    in.column_count = s.features;
    s.columns[3].datatype = AX_FP64;
    assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_E_INVALID);
    ax_err_clear(&err);
    s.columns[3].datatype = AX_FP32;
    in.rows = results.rows = 0; /* an empty batch is answered, with nothing */
    assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_OK);
    free(scratch);
    tear_down(&s);
    free((void *)(uintptr_t)rows.ptr);
    ax_model_unref(model);
}

static void content_is_recognised(void **state)
{
    (void)state;
    const struct {
        struct ax_str head;
        bool is_ours;
    } rows[] = {
        { AX_STR("{\"learner\":{"), true },
        { AX_STR(" \n\t{ \"version\":[3,4,1], \"learner\" :{"), true },
        { AX_STR("{L\0\0\0\0\0\0\0\7learner{"), true },
        { AX_STR("{\"lerner\":{"), false },
        { AX_STR("tree\nversion=v4\nlearner"), false },
        { AX_STR("rules:\n  - learner"), false },
        { AX_STR("{"), false },
        { AX_STR("   "), false },
        { AX_STR(""), false },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char *exact = forest_copy(rows[i].head);
        assert_int_equal(ax_engine_forest.recognise((struct ax_str){ exact, rows[i].head.len }),
                         rows[i].is_ours);
        free(exact);
    }
    assert_ptr_equal(ax_engine_by_name(AX_STR("forest")), &ax_engine_forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_librarys),
        cmocka_unit_test(signature_follows_from_the_file),
        cmocka_unit_test(probability_and_label),
        cmocka_unit_test(labels_of_close_calls),
        cmocka_unit_test(iterations_are_told),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(content_is_recognised),
    };
    return cmocka_run_group_tests_name("engine/forest/forest", tests, NULL, NULL);
}
