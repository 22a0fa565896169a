/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: both of CatBoost's formats mean what the library means by them, and what we do not
 *   understand, or what is damaged, is refused by name.
 * Method: one small model, written out as JSON and built as `.cbm` from a plan of numbers; rows and
 *   the answers that follow from the model by hand; tables of what is changed in it and which words
 *   the message must hold. Then the `.cbm` cut off behind, and changed at, every byte. That answers
 *   are the library's own bits is shown by test_fixtures.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows.h"
#include "engine/engine.h"
#include "engine/forest/catboost_hash.h"
#include "engine/forest/forest.h"

#include "flat_builder.h"
#include "forest_reading.h"

#include <math.h>

/* ---- the model as .cbm ---- */

/* All are numbers, so that a table can say which one is changed. */
struct plan {
    int64_t format; /* 1: another one */
    int64_t dimension, leaf_count;
    int64_t tree_count, sizes[3], starts_count, starts[3];
    int64_t split_count, splits[4];
    int64_t step_count, left[4], right[4], step_leaves[4];
    int64_t treatment, flat_index, border_bits, cat_flat, cat_index, hot_index, hot_repeats;
    int64_t scale_milli, bias_count, bias_bits;
    int64_t ctrs, texts, estimated, embeddings, future;
    int64_t part, info, no_trees;
};

/* "delay" splits at 0.5 and 1.5, "carrier" on UA and AA, the third feature at -1 with NaN above.
 * Tree 0 asks delay > 0.5 (bit 0) and carrier = UA (bit 1), tree 1 nothing. */
static const struct plan oblivious = {
    .dimension = 1,
    .leaf_count = 5,
    .tree_count = 2,
    .sizes = { 2, 0 },
    .starts_count = 2,
    .starts = { 0, 2 },
    .split_count = 2,
    .splits = { 0, 3 },
    .treatment = 2,
    .flat_index = 2,
    .border_bits = 0x3fc00000, /* 1.5f */
    .cat_flat = 1,
    .scale_milli = 500,
    .bias_count = 1,
    .bias_bits = 0x4059000000000000, /* 100.0 */
};

/* One tree: up to delay 0.5 its first leaf, then carrier = UA or not. */
static const struct plan steps = {
    .dimension = 1,
    .leaf_count = 3,
    .tree_count = 1,
    .sizes = { 4 },
    .split_count = 4,
    .splits = { 0, 3, 0, 0 },
    .step_count = 4,
    .left = { 0, 1, 0, 0 },
    .right = { 1, 2, 0, 0 },
    .step_leaves = { 0, -1, 1, 2 },
    .treatment = 2,
    .flat_index = 2,
    .border_bits = 0x3fc00000,
    .cat_flat = 1,
    .scale_milli = 1000,
};

static const struct {
    const char *key, *text;
} infos[][3] = {
    { { NULL, NULL } },
    { { "other", "{" }, { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" } },
    { { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" },
      { "class_params", "{\"class_label_type\": \"String\", \"class_names\": [\"no\", \"yes\"], "
                        "\"class_to_label\": [0, 1], \"classes_count\": 0}" },
      { "binclass_probability_threshold", "0.7" } },
    { { "params", "{\"loss_function\": " } },
    { { "params", "{}" }, { "params", "{}" } },
    { { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" },
      { "binclass_probability_threshold", "1.5" } },
    { { "params", "{\"loss_function\": {\"type\": \"MultiClass\"}}" } },
    { { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" },
      { "class_params", "{\"class_names\": [1, 2, 3]}" } },
    { { "loss_function", "{\"type\": \"MultiClass\"}" },
      { "class_params",
        "{\"class_names\": [], \"class_to_label\": [0, 2], \"classes_count\": 4}" } },
    { { "loss_function", "{\"type\": \"MultiClass\"}" },
      { "class_params",
        "{\"class_names\": [], \"class_to_label\": [2, 0], \"classes_count\": 4}" } },
    { { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" },
      { "class_params", "{\"class_names\": [-1000000, 0.1]}" } },
    { { "params", "{\"loss_function\": {\"type\": \"Logloss\"}}" },
      { "class_params", "{\"class_label_type\": \"Boolean\", \"class_names\": [false, true]}" } },
};

static void put_numbers(struct flat_builder *b, size_t trees, size_t field, const int64_t *numbers,
                        int64_t count)
{
    size_t at = flat_vector(b, trees, field, (size_t)count, 4);
    for (int64_t i = 0; i < count; i++)
        flat_put(b, at + 4 * (size_t)i, (uint64_t)numbers[i], 4);
}

static void put_number_feature(struct flat_builder *b, const struct plan *plan, bool is_first)
{
    size_t feature = flat_table(b, 6);
    flat_set(b, feature, 0, 1, 1);
    flat_set(b, feature, 1, is_first ? 0 : 1, 4);
    flat_set(b, feature, 2, is_first ? 0 : (uint64_t)plan->flat_index, 4);
    flat_set(b, feature, 5, is_first ? 1 : (uint64_t)plan->treatment, 1);
    if (!is_first)
        flat_unset(b, feature, 6, 4);
    size_t borders = flat_vector(b, feature, 3, is_first ? 2 : 1, 4);
    flat_put(b, borders, is_first ? flat_bits_f32(0.5f) : flat_bits_f32(-1.0f), 4);
    if (is_first) {
        flat_put(b, borders + 4, (uint64_t)plan->border_bits, 4);
        flat_text(b, flat_field_at(feature, 4), "delay");
    }
}

static void put_features(struct flat_builder *b, const struct plan *plan, size_t trees)
{
    size_t list = flat_vector(b, trees, 5, 2, 4);
    for (size_t i = 0; i < 2; i++) {
        flat_link(b, list + 4 * i);
        put_number_feature(b, plan, i == 0);
    }
    list = flat_vector(b, trees, 4, 1, 4);
    flat_link(b, list);
    size_t feature = flat_table(b, 4);
    flat_set(b, feature, 0, (uint64_t)plan->cat_index, 4);
    flat_set(b, feature, 1, (uint64_t)plan->cat_flat, 4);
    flat_text(b, flat_field_at(feature, 2), "carrier");
    list = flat_vector(b, trees, 6, plan->hot_repeats == 2 ? 2 : 1, 4);
    for (size_t i = 0; i < (plan->hot_repeats == 2 ? 2 : 1); i++) {
        flat_link(b, list + 4 * i);
        feature = flat_table(b, 2);
        flat_set(b, feature, 0, (uint64_t)plan->hot_index, 4);
        size_t hashes = flat_vector(b, feature, 1, 2, 4);
        flat_put(b, hashes, ax_catboost_hash(AX_STR("UA")), 4);
        flat_put(
            b, hashes + 4,
            plan->hot_repeats ? ax_catboost_hash(AX_STR("UA")) : ax_catboost_hash(AX_STR("AA")), 4);
    }
}

static void put_trees(struct flat_builder *b, const struct plan *plan, size_t trees)
{
    put_numbers(b, trees, 1, plan->splits, plan->split_count);
    put_numbers(b, trees, 2, plan->sizes, plan->tree_count);
    put_numbers(b, trees, 3, plan->starts, plan->starts_count);
    size_t leaves = flat_vector(b, trees, 8, (size_t)plan->leaf_count, 8);
    for (int64_t i = 0; i < plan->leaf_count; i++)
        flat_put(b, leaves + 8 * (size_t)i, flat_bits_f64(ldexp(1, (int)i)), 8);
    size_t at = flat_vector(b, trees, 10, (size_t)plan->step_count, 4);
    for (int64_t i = 0; i < plan->step_count; i++) {
        flat_put(b, at + 4 * (size_t)i, (uint64_t)plan->left[i], 2);
        flat_put(b, at + 4 * (size_t)i + 2, (uint64_t)plan->right[i], 2);
    }
    put_numbers(b, trees, 11, plan->step_leaves, plan->step_count);
    size_t biases = flat_vector(b, trees, 16, (size_t)plan->bias_count, 8);
    for (int64_t i = 0; i < plan->bias_count; i++)
        flat_put(b, biases + 8 * (size_t)i, (uint64_t)plan->bias_bits, 8);
    flat_set(b, trees, 14, flat_bits_f64((double)plan->scale_milli / 1000), 8);
    const int64_t refused[][2] = {
        { 7, plan->ctrs }, { 12, plan->texts }, { 13, plan->estimated }, { 18, plan->embeddings }
    };
    for (size_t i = 0; i < AX_COUNT(refused); i++)
        flat_vector(b, trees, (size_t)refused[i][0], (size_t)refused[i][1], 4);
}

/* The file, behind its eight bytes of head. */
static void build(struct flat_builder *b, const struct plan *plan)
{
    size_t field_count = plan->future ? 20 : 19;
    flat_begin(b);
    size_t core = flat_table(b, 4);
    flat_text(b, flat_field_at(core, 0),
              plan->format ? "FlabuffersModel_v2" : "FlabuffersModel_v1");
    size_t info_count = 0;
    while (info_count < 3 && infos[plan->info][info_count].key)
        info_count++;
    size_t list = flat_vector(b, core, 2, info_count, 4);
    for (size_t i = 0; i < info_count; i++) {
        flat_link(b, list + 4 * i);
        size_t entry = flat_table(b, 2);
        flat_text(b, flat_field_at(entry, 0), infos[plan->info][i].key);
        flat_text(b, flat_field_at(entry, 1), infos[plan->info][i].text);
    }
    list = flat_vector(b, core, 3, plan->part ? 1 : 0, 4);
    if (plan->part)
        flat_text(b, list, plan->part == 1 ? "static_provider_v1" : "embeddings_v9");
    if (plan->no_trees) {
        flat_unset(b, core, 4, 1);
        return;
    }
    flat_link(b, flat_field_at(core, 1));
    size_t trees = flat_table(b, field_count);
    for (size_t i = 0; i < 19; i++)
        if (i == 9 || i == 15 || i == 17)
            flat_unset(b, trees, field_count, i);
    flat_set(b, trees, 0, (uint64_t)plan->dimension, 4);
    put_features(b, plan, trees);
    put_trees(b, plan, trees);
}

/* In memory of exactly its size, to be freed. */
static struct ax_str built(const struct plan *plan)
{
    struct flat_builder b;
    build(&b, plan);
    char *bytes = ax_xalloc(b.len + 8);
    memcpy(bytes, (const char[]){ 'C', 'B', 'M', '1' }, 4);
    for (size_t i = 0; i < 4; i++)
        bytes[4 + i] = (char)(b.len >> 8 * i);
    memcpy(bytes + 8, b.bytes, b.len);
    return (struct ax_str){ bytes, b.len + 8 };
}

/* ---- the model as JSON ---- */

static const char json_text[] =
    "{\"features_info\":{\"categorical_features\":[{\"feature_id\":\"carrier\",\"feature_index\":0,"
    "\"flat_feature_index\":1,\"values\":[HASHES]}],\"float_features\":[{\"borders\":[0.5,1.5],"
    "\"feature_id\":\"delay\",\"feature_index\":0,\"flat_feature_index\":0,\"has_nans\":true,"
    "\"nan_value_treatment\":\"AsFalse\"},{\"borders\":[-1],\"feature_id\":\"\",\"feature_index\":"
    "1,"
    "\"flat_feature_index\":2,\"has_nans\":true,\"nan_value_treatment\":\"AsTrue\"}]},"
    "\"model_info\":{},"
    "\"oblivious_trees\":[{\"leaf_values\":[1,2,4,8],\"leaf_weights\":[1,1,1,1],\"splits\":["
    "{\"border\":0.5,\"float_feature_index\":0,\"split_index\":0,\"split_type\":\"FloatFeature\"},"
    "{\"cat_feature_index\":0,\"split_index\":3,\"split_type\":\"OneHotFeature\",\"value\":FIRST}]}"
    ","
    "{\"leaf_values\":[16],\"splits\":null}],\"scale_and_bias\":[0.5,[100]]}";

static const char nested_trees[] =
    "\"trees\":[{\"split\":{\"border\":0.5,\"split_index\":0},\"left\":{\"value\":1,\"weight\":3},"
    "\"right\":{\"split\":{\"split_index\":3,\"value\":FIRST},\"left\":{\"value\":2},"
    "\"right\":{\"value\":4}}}]";

/* The model with the first `find` replaced, hashes filled in; to be freed. */
static struct ax_str json_changed(const char *find, const char *with)
{
    char hash[16];
    char hashes[64];
    (void)snprintf(hash, sizeof(hash), "%d", (int32_t)ax_catboost_hash(AX_STR("UA")));
    (void)snprintf(hashes, sizeof(hashes), "%s,%d", hash, (int32_t)ax_catboost_hash(AX_STR("AA")));
    char *text = replaced(json_text, find, with);
    const char *const fills[][2] = { { "HASHES", hashes }, { "FIRST", hash } };
    for (size_t i = 0; i < AX_COUNT(fills); i++) {
        char *filled = strstr(text, fills[i][0]) ? replaced(text, fills[i][0], fills[i][1]) : NULL;
        if (filled)
            free(text);
        text = filled ? filled : text;
    }
    struct ax_str whole = { forest_copy(ax_str_from(text)), strlen(text) };
    free(text);
    return whole;
}

/* ---- loading and scoring ---- */

static enum ax_code load(struct ax_str bytes, const char *iterations, struct ax_model **ret,
                         struct ax_err *err)
{
    char text[16];
    struct {
        char *iterations;
    } config = { text };
    (void)snprintf(text, sizeof(text), "%s", iterations);
    *ret = NULL;
    *err = (struct ax_err)AX_ERR_INIT;
    return ax_engine_load(&ax_engine_forest, bytes, &config, ret, err);
}

/* Whether it was loaded; else the torture run was struck. */
static bool loaded(enum ax_code code, const struct ax_err *err)
{
    if (!code)
        return true;
    if (!ax_torture_struck())
        fail_msg("%s", err->msg);
    assert_int_equal(code, AX_E_LIMIT);
    return false;
}

struct asked {
    double delay; /* NAN: missing */
    const char *carrier;
    double third;
};

/* The prediction of one row; `label` gets the label when it is wanted. */
static double ask(const struct ax_model *model, struct asked asked, struct ax_str *label)
{
    const struct ax_signature *signature = &model->signature;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_rows rows;
    double values[3][8] = { { 0 } };
    struct ax_column columns[4] = { { 0 } };
    ax_arena_init(&arena, 4096, 1 << 16);
    if (ax_rows_init(&rows, signature, 1, &arena, &err) ||
        ax_rows_set_f64(&rows, 0, 0, asked.delay, &err) ||
        ax_rows_set_str(&rows, 0, 1, ax_str_from(asked.carrier), &err) ||
        ax_rows_set_f64(&rows, 0, 2, asked.third, &err)) {
        assert_true(ax_torture_struck());
        ax_arena_done(&arena);
        return NAN;
    }
    for (size_t i = 0; i < signature->output_count; i++) {
        bool is_label = signature->outputs[i].datatype == AX_BYTES;
        assert_true(signature->outputs[i].width <= 8);
        columns[i] = (struct ax_column){ .datatype = signature->outputs[i].datatype,
                                         .width = signature->outputs[i].width,
                                         .values = is_label ? (void *)label : values[i],
                                         .stride = 64 };
    }
    struct ax_batch in = ax_rows_batch(&rows);
    struct ax_batch out = { 1, signature->output_count, columns };
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, 1) + 63) & ~(size_t)63);
    assert_int_equal(ax_model_predict(model, &in, &out, scratch, &err), AX_OK);
    free(scratch);
    ax_arena_done(&arena);
    return values[0][0];
}

static const struct {
    struct asked row;
    double oblivious, steps;
} answers[] = {
    { { 0, "UA", 0 }, 0.5 * (4 + 16) + 100, 1 }, { { 0.5, "AA", 0 }, 0.5 * (1 + 16) + 100, 1 },
    { { 1, "UA", 0 }, 0.5 * (8 + 16) + 100, 4 }, { { 1, "AA", NAN }, 0.5 * (2 + 16) + 100, 2 },
    { { 1, "", -5 }, 0.5 * (2 + 16) + 100, 2 },  { { NAN, "ZZ", 0 }, 0.5 * (1 + 16) + 100, 1 },
};

static void check_answers(struct ax_str bytes, bool by_steps, const char *format)
{
    struct ax_model *model;
    struct ax_err err;
    enum ax_code code = load(bytes, "all", &model, &err);
    if (loaded(code, &err)) {
        const struct ax_signature *s = &model->signature;
        assert_string_equal(model->format, format);
        assert_int_equal(s->input_count, 3);
        assert_true(ax_str_is(s->inputs[0].name, "delay"));
        assert_true(ax_str_is(s->inputs[1].name, "carrier"));
        assert_true(ax_str_is(s->inputs[2].name, "2"));
        assert_true(s->inputs[1].required && !s->inputs[0].required);
        assert_int_equal(s->inputs[0].datatype, AX_FP32);
        assert_int_equal(s->outputs[0].datatype, AX_FP64);
        assert_int_equal(s->output_count, 2);
        for (size_t i = 0; i < AX_COUNT(answers); i++) {
            double answer = ask(model, answers[i].row, NULL);
            if (!ax_torture_struck())
                assert_true(answer == (by_steps ? answers[i].steps : answers[i].oblivious));
        }
    }
    ax_model_unref(model);
    free((char *)bytes.ptr);
}

static void both_formats_answer(void **state)
{
    (void)state;
    check_answers(built(&oblivious), false, "catboost_cbm");
    check_answers(built(&steps), true, "catboost_cbm");
    check_answers(json_changed("{", "{"), false, "catboost_json");
    char *from = strstr(json_text, "\"oblivious_trees\"");
    char *find = ax_xmemdup0(from, strlen(from) - 1);
    check_answers(json_changed(find, nested_trees), true, "catboost_json");
    free(find);
}

/* Thresholds that nothing is above, and NaN with each treatment. */
static void edges_of_borders(void **state)
{
    (void)state;
    struct plan plan = oblivious;
    plan.splits[0] = 1; /* delay > +inf */
    plan.splits[1] = 2; /* the third above -1, or missing */
    plan.border_bits = 0x7f800000;
    static const struct {
        struct asked row;
        double answer;
    } edges[] = {
        { { INFINITY, "", -1 }, 0.5 * (1 + 16) + 100 },
        { { NAN, "", NAN }, 0.5 * (4 + 16) + 100 },
        { { -INFINITY, "", INFINITY }, 0.5 * (4 + 16) + 100 },
    };
    struct ax_str bytes = built(&plan);
    struct ax_model *model;
    struct ax_err err;
    if (loaded(load(bytes, "all", &model, &err), &err)) {
        for (size_t i = 0; i < AX_COUNT(edges); i++) {
            double answer = ask(model, edges[i].row, NULL);
            assert_true(answer == edges[i].answer || ax_torture_struck());
        }
    }
    ax_model_unref(model);
    free((char *)bytes.ptr);
}

static void classes_have_names(void **state)
{
    (void)state;
    static const struct {
        int64_t info;
        const char *low, *high;
        double bias; /* sums are 17 to 24, halved */
    } cases[] = {
        { 1, "0", "1", -10 },     { 2, "no", "yes", -10 }, /* above ln(0.7 / 0.3) = 0.847… */
        { 2, "no", "no", -11.2 },                          /* 12 - 11.2 is below */
        { 1, "0", "1", -11.2 },   { 10, "-1000000", "0.1", -10 }, { 11, "False", "True", -10 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct plan plan = oblivious;
        struct ax_model *model;
        struct ax_err err;
        struct ax_str low = AX_STR("");
        struct ax_str high = AX_STR("");
        plan.info = cases[i].info;
        plan.bias_bits = (int64_t)flat_bits_f64(cases[i].bias);
        struct ax_str bytes = built(&plan);
        if (loaded(load(bytes, "all", &model, &err), &err)) {
            assert_int_equal(model->signature.output_count, 4);
            assert_int_equal(model->signature.task, AX_TASK_BINARY);
            (void)ask(model, (struct asked){ 0, "AA", 0 }, &low);
            (void)ask(model, (struct asked){ 1, "UA", 0 }, &high);
            if (!ax_torture_struck())
                assert_true(ax_str_is(low, cases[i].low) && ax_str_is(high, cases[i].high));
        }
        ax_model_unref(model);
        free((char *)bytes.ptr);
    }
}

/* Two outputs of four classes: the others are -inf, whatever the row. */
static void unseen_classes_are_minus_infinity(void **state)
{
    (void)state;
    struct plan plan = oblivious;
    plan.dimension = 2;
    plan.leaf_count = 10;
    plan.bias_count = 2;
    plan.info = 8;
    struct ax_str bytes = built(&plan);
    struct ax_model *model;
    struct ax_err err;
    if (loaded(load(bytes, "all", &model, &err), &err)) {
        struct ax_str label = AX_STR("");
        assert_int_equal(model->signature.outputs[0].width, 4);
        assert_int_equal(model->signature.label_count, 4);
        /* Leaf 0 is 1, 2 and the other tree's 256, 512. */
        double first = ask(model, (struct asked){ 0, "AA", 0 }, &label);
        if (!ax_torture_struck()) {
            assert_true(first == 0.5 * 257 + 100);
            assert_true(ax_str_is(label, "2"));
        }
    }
    ax_model_unref(model);
    free((char *)bytes.ptr);
}

static void iterations_count_trees(void **state)
{
    (void)state;
    static const struct {
        const char *iterations;
        enum ax_code code;
        const char *words;
    } cases[] = { { "1", AX_OK, "" },
                  { "2", AX_OK, "" },
                  { "3", AX_E_INVALID, "3 rounds of a model of 2" },
                  { "best", AX_E_UNSUPPORTED, "use iterations: all" } };
    struct ax_str bytes = built(&oblivious);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_model *model;
        struct ax_err err;
        enum ax_code code = load(bytes, cases[i].iterations, &model, &err);
        if (!ax_torture_struck()) {
            assert_int_equal(code, cases[i].code);
            assert_non_null(strstr(err.msg, cases[i].words));
        }
        double answer = code ? 0 : ask(model, (struct asked){ 1, "UA", 0 }, NULL);
        if (i == 0 && !ax_torture_struck())
            assert_true(answer == 0.5 * 8 + 100);
        ax_model_unref(model);
    }
    free((char *)bytes.ptr);
}

/* ---- refusals ---- */

#define CHANGE(field) offsetof(struct plan, field)

static const struct {
    const struct plan *from;
    size_t field;
    int64_t value;
    enum ax_code code;
    const char *words;
} refused[] = {
    { &oblivious, CHANGE(format), 1, AX_E_UNSUPPORTED, "the format 'FlabuffersModel_v2'" },
    { &oblivious, CHANGE(no_trees), 1, AX_E_INVALID, "the model has no trees" },
    { &oblivious, CHANGE(dimension), 0, AX_E_INVALID, "ApproxDimension 0" },
    { &oblivious, CHANGE(dimension), 1 << 20, AX_E_INVALID, "ApproxDimension 1048576" },
    { &oblivious, CHANGE(dimension), 2, AX_E_INVALID, "1 biases for 2 outputs" },
    { &oblivious, CHANGE(leaf_count), 0, AX_E_INVALID, "tree 0: there are no values of leaf 0" },
    { &oblivious, CHANGE(leaf_count), 4, AX_E_INVALID, "tree 1: there are no values of leaf 4" },
    { &oblivious, CHANGE(sizes[0]), 3, AX_E_INVALID, "tree 0 has 3 splits, which are not there" },
    { &oblivious, CHANGE(sizes[0]), -1, AX_E_INVALID, "tree 0 has -1 splits" },
    { &oblivious, CHANGE(sizes[1]), 1, AX_E_INVALID, "tree 1 has 1 splits" },
    { &oblivious, CHANGE(starts_count), 1, AX_E_INVALID, "TreeStartOffsets has 1 elements for 2" },
    { &oblivious, CHANGE(starts[1]), 1, AX_E_INVALID, "tree 1 does not begin where" },
    { &oblivious, CHANGE(splits[0]), 5, AX_E_INVALID, "tree 0: there is no split 5" },
    { &oblivious, CHANGE(splits[1]), -1, AX_E_INVALID, "tree 0: there is no split -1" },
    { &oblivious, CHANGE(treatment), 3, AX_E_UNSUPPORTED, "FloatFeatures[1]: a treatment 3" },
    { &oblivious, CHANGE(flat_index), 0, AX_E_INVALID, "two features have the flat index 0" },
    { &oblivious, CHANGE(flat_index), -1, AX_E_TOO_LARGE, "the flat index -1" },
    { &oblivious, CHANGE(flat_index), 65536, AX_E_TOO_LARGE, "the flat index 65536" },
    { &oblivious, CHANGE(cat_flat), 2, AX_E_INVALID, "CatFeatures[0]: two features have" },
    { &oblivious, CHANGE(cat_index), 65536, AX_E_TOO_LARGE, "the index 65536" },
    { &oblivious, CHANGE(border_bits), 0x3f000000, AX_E_INVALID,
      "border 1 of the feature at 0 is not above" },
    { &oblivious, CHANGE(border_bits), 0x7fc00000, AX_E_INVALID, "border 1" },
    { &oblivious, CHANGE(hot_index), 1, AX_E_INVALID, "one-hot categories of a feature 1" },
    { &oblivious, CHANGE(hot_index), -1, AX_E_INVALID, "one-hot categories of a feature -1" },
    { &oblivious, CHANGE(hot_repeats), 1, AX_E_INVALID, "is listed twice" },
    { &oblivious, CHANGE(hot_repeats), 2, AX_E_INVALID, "two lists of one-hot categories" },
    { &oblivious, CHANGE(scale_milli), 0, AX_E_UNSUPPORTED, "the scale 0" },
    { &oblivious, CHANGE(bias_count), 2, AX_E_INVALID, "2 biases for 1 outputs" },
    { &oblivious, CHANGE(bias_bits), 0x7ff0000000000000, AX_E_INVALID, "bias 0 is not finite" },
    { &oblivious, CHANGE(ctrs), 1, AX_E_UNSUPPORTED, "needs CTRs" },
    { &oblivious, CHANGE(texts), 1, AX_E_UNSUPPORTED, "text features" },
    { &oblivious, CHANGE(estimated), 1, AX_E_UNSUPPORTED, "computed from texts" },
    { &oblivious, CHANGE(embeddings), 1, AX_E_UNSUPPORTED, "embedding features" },
    { &oblivious, CHANGE(future), 1, AX_E_UNSUPPORTED, "a field 19" },
    { &oblivious, CHANGE(part), 2, AX_E_UNSUPPORTED, "needs the part 'embeddings_v9'" },
    { &oblivious, CHANGE(info), 3, AX_E_INVALID, "the model's info 'params': " },
    { &oblivious, CHANGE(info), 4, AX_E_INVALID, "has 'params' twice" },
    { &oblivious, CHANGE(info), 5, AX_E_INVALID, "binclass_probability_threshold: '1.5'" },
    { &oblivious, CHANGE(info), 6, AX_E_INVALID, "1 outputs of the objective MultiClass" },
    { &oblivious, CHANGE(info), 7, AX_E_INVALID, "3 names for 2 classes" },
    { &steps, CHANGE(sizes[0]), 0, AX_E_INVALID, "tree 0 has no steps" },
    { &steps, CHANGE(split_count), 3, AX_E_INVALID, "not the same number" },
    { &steps, CHANGE(left[0]), 1, AX_E_INVALID, "another parent" },
    { &steps, CHANGE(right[1]), 3, AX_E_INVALID, "tree 0: step 1 leads out of the tree" },
    { &steps, CHANGE(right[0]), 65535, AX_E_INVALID, "tree 0: step 0 leads out of the tree" },
    { &steps, CHANGE(step_leaves[2]), 3, AX_E_INVALID, "there are no values of leaf 3" },
    { &steps, CHANGE(step_leaves[0]), -1, AX_E_INVALID, "there are no values of leaf" },
    { &steps, CHANGE(splits[1]), 99, AX_E_INVALID, "there is no split 99" },
};

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(refused); i++) {
        struct plan plan = *refused[i].from;
        memcpy((char *)&plan + refused[i].field, &refused[i].value, sizeof(int64_t));
        struct ax_str bytes = built(&plan);
        struct ax_model *model;
        struct ax_err err;
        enum ax_code code = load(bytes, "all", &model, &err);
        free((char *)bytes.ptr);
        if (ax_torture_struck() && code == AX_E_LIMIT)
            return;
        if (code != refused[i].code || !strstr(err.msg, refused[i].words))
            fail_msg("case %zu, '%s': code %s, '%s'", i, refused[i].words, ax_code_name(code),
                     err.msg);
        assert_null(model);
    }
}

static void labels_of_unseen_classes_are_checked(void **state)
{
    (void)state;
    struct plan plan = oblivious;
    plan.dimension = 2;
    plan.leaf_count = 10;
    plan.bias_count = 0;
    plan.info = 9;
    struct ax_str bytes = built(&plan);
    struct ax_model *model;
    struct ax_err err;
    enum ax_code code = load(bytes, "all", &model, &err);
    free((char *)bytes.ptr);
    if (ax_torture_struck() && code == AX_E_LIMIT)
        return;
    assert_int_equal(code, AX_E_INVALID);
    assert_non_null(strstr(err.msg, "which of 4 classes the 2 outputs are"));
}

static const struct {
    const char *find, *with;
    enum ax_code code;
    const char *words;
} json_refused[] = {
    { "\"features_info\"", "\"features\"", AX_E_INVALID, "no features_info" },
    { "\"oblivious_trees\"", "\"no_trees\"", AX_E_INVALID, "one of oblivious_trees and trees" },
    { "\"model_info\"", "\"trees\"", AX_E_INVALID, "one of oblivious_trees and trees" },
    { "\"categorical_features\"", "\"ctrs\":[{}],\"categorical_features\"", AX_E_UNSUPPORTED,
      "needs CTRs" },
    { "\"float_features\"", "\"text_features\":[{}],\"float_features\"", AX_E_UNSUPPORTED,
      "has text_features" },
    { "[HASHES]", "[1,\"x\"]", AX_E_INVALID, "categorical_features[0]: values is no list" },
    { "[HASHES]", "[1.5]", AX_E_INVALID, "values is no list of integers" },
    { "[0.5,1.5]", "[0.5,true]", AX_E_INVALID, "float_features[0]: borders is no list" },
    { "[0.5,1.5]", "[1.5,0.5]", AX_E_INVALID, "border 1 of the feature at 0" },
    { "\"flat_feature_index\":0", "\"flat_feature_index\":0.5", AX_E_INVALID,
      "flat_feature_index is missing or no integer" },
    { "AsTrue", "AsMean", AX_E_UNSUPPORTED, "float_features[1]: nan_value_treatment" },
    { "[1,2,4,8]", "[1,2,4]", AX_E_INVALID, "oblivious_trees[0]: 3 leaf_values for 4 leaves" },
    { "[1,2,4,8]", "[1,2,4,8,1,2,4,8]", AX_E_INVALID, "1 leaf_values for 1 leaves of 2 outputs" },
    { "[1,2,4,8]", "[1,2,4,null]", AX_E_INVALID, "leaf_values is missing or no list" },
    { "\"split_index\":0", "\"split_index\":1", AX_E_INVALID,
      "oblivious_trees[0]: splits[0]: split_index 1 is another split" },
    { "\"split_index\":3", "\"split_index\":4", AX_E_INVALID, "split_index 4 is another split" },
    { "\"split_index\":3", "\"split_index\":0", AX_E_INVALID, "split_index 0 is another split" },
    { "\"split_index\":3", "\"split_index\":5", AX_E_INVALID, "split_index 5 is not that of" },
    { "\"split_index\":0", "\"split_index\":-1", AX_E_INVALID, "split_index -1 is not" },
    { "[0.5,[100]]", "[[]]", AX_E_INVALID, "scale_and_bias" },
    { "[0.5,[100]]", "[0.5,[\"x\"]]", AX_E_INVALID, "scale_and_bias" },
    { "[0.5,[100]]", "[0.5,[1,2]]", AX_E_INVALID, "2 biases for 1 outputs" },
    { "[0.5,[100]]", "[0,[1]]", AX_E_UNSUPPORTED, "the scale 0" },
    { "\"model_info\":{}",
      "\"model_info\":{\"params\":{\"loss_function\":{\"type\":\"Logloss\"}},"
      "\"class_params\":{\"class_names\":[\"a\",[]]}}",
      AX_E_INVALID, "class_names are neither all texts nor all numbers" },
    { "{\"leaf_values\":[16],\"splits\":null}", "7", AX_E_INVALID, "the trees are no list" },
};

static void json_is_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(json_refused); i++) {
        struct ax_str bytes = json_changed(json_refused[i].find, json_refused[i].with);
        struct ax_model *model;
        struct ax_err err;
        enum ax_code code = load(bytes, "all", &model, &err);
        free((char *)bytes.ptr);
        ax_model_unref(model);
        if (ax_torture_struck() && code == AX_E_LIMIT)
            return;
        if (code != json_refused[i].code || !strstr(err.msg, json_refused[i].words))
            fail_msg("case %zu, '%s': code %s, '%s'", i, json_refused[i].words, ax_code_name(code),
                     err.msg);
    }
}

/* Whatever comes of it, nothing is read outside, and what is accepted can be walked. */
static void damage_does_no_harm(void **state)
{
    (void)state;
    if (forest_is_torture())
        return;
    const struct plan *plans[] = { &oblivious, &steps };
    static const unsigned char changes[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    for (size_t p = 0; p < AX_COUNT(plans); p++) {
        struct ax_str bytes = built(plans[p]);
        struct ax_model *model;
        struct ax_err err;
        for (size_t len = 0; len < bytes.len; len++) {
            char *exact = forest_copy((struct ax_str){ bytes.ptr, len });
            assert_int_not_equal(load((struct ax_str){ exact, len }, "all", &model, &err), AX_OK);
            free(exact);
        }
        size_t accepted = 0;
        for (size_t i = 0; i < bytes.len * AX_COUNT(changes); i++) {
            char *exact = forest_copy(bytes);
            exact[i / AX_COUNT(changes)] = (char)changes[i % AX_COUNT(changes)];
            if (!load((struct ax_str){ exact, bytes.len }, "all", &model, &err)) {
                accepted++;
                if (model->signature.input_count == 3 && model->signature.inputs[1].categories &&
                    model->signature.outputs[0].width <= 8)
                    (void)ask(model, (struct asked){ 1, "UA", NAN }, NULL);
            }
            ax_model_unref(model);
            free(exact);
        }
        assert_true(accepted > 100); /* the leaves' values, for one */
        free((char *)bytes.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_formats_answer),
        cmocka_unit_test(edges_of_borders),
        cmocka_unit_test(classes_have_names),
        cmocka_unit_test(unseen_classes_are_minus_infinity),
        cmocka_unit_test(iterations_count_trees),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(labels_of_unseen_classes_are_checked),
        cmocka_unit_test(json_is_checked),
        cmocka_unit_test(damage_does_no_harm),
    };
    return cmocka_run_group_tests_name("engine/forest/catboost_reader", tests, NULL, NULL);
}
