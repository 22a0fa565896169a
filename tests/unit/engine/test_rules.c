/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a rules file becomes the signature and the answers that it says, and a wrong one is refused
 * with its place.
 * Method: small files as texts, good and bad; predictions over rows filled by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows.h"
#include "engine/backends.h"
#include "torture.h"

#include <stdlib.h>

#define HEAD   "rules: 1\ninputs: {dep_delay: FP64, carrier: {datatype: BYTES, default: UA}}\n"
#define OUT    "outputs: {prediction: FP64}\n"
#define ELSE   "  - otherwise: 0.2\n"
#define CASES  "cases:\n"
#define A_CASE "  - {when: dep_delay > 30, then: 0.9}\n"

static const char several_outputs[] =
    HEAD "outputs: {prediction: FP32, label: BYTES, sure: BOOL, code: INT64}\n"
         "cases:\n"
         "  # The first case that holds answers.\n"
         "  - when: dep_delay > 30 and carrier in ('UA', 'AA')\n"
         "    then: {prediction: 0.1, label: late, sure: true, code: -7}\n"
         "  - when: \"dep_delay > 30\"\n"
         "    then: {prediction: 2, label: 'on', sure: false, code: 0}\n"
         "  - otherwise: {code: 9, prediction: .inf, label: fine, sure: false}\n";

static struct ax_model *load(const char *text, struct ax_err *err)
{
    struct ax_model *model = NULL;
    if (ax_engine_load(&ax_engine_rules, ax_str_from(text), NULL, &model, err)) {
        assert_null(model);
        return NULL;
    }
    return model;
}

static void recognises(void **state)
{
    (void)state;
    static const char *const yes[] = { "rules: 1", "# a\n\n---\nrules: 1\n",
                                       "\xef\xbb\xbfrules:", "\r\n  \nrules: 1" };
    static const char *const no[] = {
        "", "rule: 1", "inputs: {}\nrules: 1\n", "{\"learner\": 1}", " rules: 1", "#rules: 1", "---"
    };
    for (size_t i = 0; i < AX_COUNT(yes); i++)
        assert_true(ax_engine_rules.recognise(ax_str_from(yes[i])));
    for (size_t i = 0; i < AX_COUNT(no); i++)
        assert_false(ax_engine_rules.recognise(ax_str_from(no[i])));
    /* Nothing behind the length is looked at. */
    assert_false(ax_engine_rules.recognise((struct ax_str){ "rules: 1", 5 }));
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        double dep_delay;
        const char *carrier;
        float prediction;
        const char *label;
        bool sure;
        int64_t code;
    } rows[] = {
        { 31, "AA", 0.1f, "late", true, -7 },
        { 31, "B6", 2, "on", false, 0 },
        { 30, "AA", 1.0f / 0.0f, "fine", false, 9 },
        { 31, NULL, 0.1f, "late", true, -7 }, /* the default */
        { 0.0 / 0.0, "UA", 1.0f / 0.0f, "fine", false, 9 },
    };
    enum { ROWS = AX_COUNT(rows) };
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = load(several_outputs, &err);
    if (!model) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
        return;
    }
    struct ax_arena arena;
    ax_arena_init(&arena, 1024, 1 << 20);
    struct ax_rows in;
    if (ax_rows_init(&in, &model->signature, ROWS, &arena, &err)) {
        assert_true(ax_torture_struck());
        goto done;
    }
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(ax_rows_set_f64(&in, i, 0, rows[i].dep_delay, &err), 0);
        if (rows[i].carrier)
            assert_int_equal(ax_rows_set_str(&in, i, 1, ax_str_from(rows[i].carrier), &err), 0);
    }
    assert_int_equal(ax_rows_finish(&in, 0, ROWS, &err), 0);

    float predictions[ROWS];
    struct ax_str labels[ROWS];
    bool sure[ROWS];
    int64_t codes[ROWS];
    struct ax_column columns[] = {
        { .datatype = AX_FP32, .width = 1, .values = predictions, .stride = sizeof(float) },
        { .datatype = AX_BYTES, .width = 1, .values = labels, .stride = sizeof(struct ax_str) },
        { .datatype = AX_BOOL, .width = 1, .values = sure, .stride = sizeof(bool) },
        { .datatype = AX_INT64, .width = 1, .values = codes, .stride = sizeof(int64_t) },
    };
    struct ax_batch batch = ax_rows_batch(&in);
    struct ax_batch out = { ROWS, AX_COUNT(columns), columns };
    assert_int_equal(ax_model_scratch_size(model, ROWS), 0);
    assert_int_equal(ax_model_predict(model, &batch, &out, NULL, &err), 0);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(predictions[i] == rows[i].prediction);
        assert_true(ax_str_is(labels[i], rows[i].label));
        assert_int_equal(sure[i], rows[i].sure);
        assert_int_equal(codes[i], rows[i].code);
    }
done:
    ax_arena_done(&arena);
    ax_model_unref(model);
}

static void signature(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = load(several_outputs, &err);
    if (!model) {
        assert_true(ax_torture_struck());
        return;
    }
    const struct ax_signature *s = &model->signature;
    assert_int_equal(s->input_count, 2);
    assert_int_equal(s->inputs[0].datatype, AX_FP64);
    assert_int_equal(s->inputs[1].datatype, AX_BYTES);
    assert_true(s->inputs[1].has_default);
    assert_true(ax_str_is(s->inputs[1].default_text, "UA"));
    assert_int_equal(s->output_count, 4);
    assert_true(ax_str_is(s->outputs[1].name, "label"));
    assert_true(s->outputs[3].by_default);
    assert_int_equal(s->task, AX_TASK_VALUE);
    assert_string_equal(model->format, "rules");
    ax_model_unref(model);
}

static void bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ax_code code;
        const char *message;
    } bad[] = {
        { "rules: 2\n", AX_E_UNSUPPORTED,
          "rules:1:8: version 2 of the format; this is auspex with 1" },
        { "rules: one\n", AX_E_INVALID, "rules:1:8: " },
        { "", AX_E_INVALID, "the key 'rules: 1' is missing" },
        { "rules: [", AX_E_INVALID, "rules:" },
        { HEAD OUT, AX_E_INVALID, "expected a list 'cases' that ends with 'otherwise'" },
        { HEAD OUT CASES A_CASE, AX_E_INVALID, "rules:5:5: the last case must be 'otherwise'" },
        { HEAD OUT "cases: []\n", AX_E_INVALID, "rules:4:8: expected a list 'cases'" },
        { HEAD OUT CASES ELSE ELSE, AX_E_INVALID,
          "rules:5:5: expected a case with 'when' and 'then'" },
        { HEAD OUT CASES "  - {when: dep_delay > 30, than: 1}\n" ELSE, AX_E_INVALID,
          "expected a case with 'when' and 'then'" },
        { HEAD OUT CASES "  - {when: dep_delay > 30, then: 1, note: x}\n" ELSE, AX_E_INVALID,
          "note" },
        { HEAD OUT CASES "  - when: carrier = 'UA' and dep_dely > 30\n    then: 1\n" ELSE,
          AX_E_INVALID, "rules:5:30: 'dep_dely' is not known here; nearest is 'dep_delay'" },
        { HEAD OUT CASES "  - when: \"dep_delay >> 30\"\n    then: 1\n" ELSE, AX_E_INVALID,
          "rules:5:23: found '>'; expected a name, a constant, a function or '('" },
        { HEAD OUT CASES "  - when: >\n      dep_delay\n      >> 30\n    then: 1\n" ELSE,
          AX_E_INVALID, "found '>'; expected a name, a constant, a function or '('" },
        { HEAD OUT CASES "  - {when: dep_delay > 30, then: high}\n" ELSE, AX_E_INVALID,
          "rules:5:34: " },
        { HEAD OUT CASES "  - {when: dep_delay > 30, then: [1, 2]}\n" ELSE, AX_E_INVALID,
          "rules:5:34: expected a value for each output, by name" },
        { HEAD OUT CASES "  - {when: dep_delay > 30, then: {predicton: 1}}\n" ELSE, AX_E_INVALID,
          "predicton" },
        { HEAD OUT CASES "  - {when: dep_delay > 30, then: {}}\n" ELSE, AX_E_INVALID,
          "the value of 'prediction' is missing" },
        { HEAD "outputs: {score: FP64}\n" CASES ELSE, AX_E_INVALID,
          "expected a mapping 'outputs' of names to datatypes, with the name 'prediction'" },
        { HEAD "outputs: {prediction: FP32}\n" CASES "  - {otherwise: -1e39}\n", AX_E_INVALID,
          "rules:5:17: '-1e39' is too large for FP32" },
        { HEAD "outputs: {prediction: FP16}\n" CASES ELSE, AX_E_INVALID,
          "rules:3:23: found 'FP16'; expected BOOL, INT64, FP32, FP64 or BYTES" },
        { "rules: 1\ninputs: {}\n" OUT CASES ELSE, AX_E_INVALID, "expected a mapping 'inputs'" },
        { "rules: 1\ninputs: {a: float}\n" OUT CASES ELSE, AX_E_INVALID,
          "rules:2:13: found 'float'; expected BOOL" },
        { "rules: 1\ninputs: {a: {default: 1}}\n" OUT CASES ELSE, AX_E_INVALID,
          "the key 'datatype' is missing" },
        { "rules: 1\ninputs: {a: {datatype: INT64, default: 1.5}}\n" OUT CASES ELSE, AX_E_INVALID,
          "found a number with a fraction where a whole number is wanted" },
        { "rules: 1\ninputs: {a: {datatype: FP64, default: 1, required: true}}\n" OUT CASES ELSE,
          AX_E_INVALID, "leave out one of 'required' and 'default'" },
        { "rules: 1\ninputs: {'': FP64}\n" OUT CASES ELSE, AX_E_INVALID,
          "rules:2:10: the name of input 0 is empty" },
        { HEAD OUT CASES ELSE "casse: 1\n", AX_E_INVALID, "cases" },
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_err err = AX_ERR_INIT;
        assert_null(load(bad[i].text, &err));
        if (ax_torture_struck() && err.code == AX_E_LIMIT)
            return;
        if (err.code != bad[i].code || !strstr(err.msg, bad[i].message))
            print_error("%zu: %s\n", i, err.msg);
        assert_int_equal(err.code, bad[i].code);
        assert_non_null(strstr(err.msg, bad[i].message));
    }
}

/* Conditions that compute: over more rows than a program runs over at once, after and before plain
 * tests, with what is missing. Row i has delay i, and none where i % 7 is 0. */
static void computes(void **state)
{
    (void)state;
    enum { ROWS = 700 };
    static const char text[] = HEAD OUT
        "cases:\n"
        "  - {when: \"dep_delay < 100\", then: 1}\n"
        "  - {when: \"floor(dep_delay / 2) * 2 = dep_delay and carrier like 'U%'\", then: 2}\n"
        "  - {when: \"dep_delay = 303\", then: 3}\n"
        "  - {when: \"coalesce(dep_delay, -1) < 0\", then: 4}\n"
        "  - {when: \"sqrt(dep_delay - 500) >= 0\", then: 5}\n"
        "  - otherwise: 0\n";
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = load(text, &err);
    struct ax_arena arena;
    struct ax_rows in;
    if (!model) {
        assert_true(ax_torture_struck());
        return;
    }
    ax_arena_init(&arena, 1024, 1 << 20);
    double predictions[ROWS];
    struct ax_column column = {
        .datatype = AX_FP64, .width = 1, .values = predictions, .stride = sizeof(double)
    };
    struct ax_batch out = { ROWS, 1, &column };
    if (!ax_rows_init(&in, &model->signature, ROWS, &arena, &err)) {
        for (size_t i = 0; i < ROWS; i++)
            if (i % 7)
                assert_int_equal(ax_rows_set_f64(&in, i, 0, (double)i, &err), 0);
        assert_int_equal(ax_rows_finish(&in, 0, ROWS, &err), 0);
        struct ax_batch batch = ax_rows_batch(&in);
        (void)!ax_model_predict(model, &batch, &out, NULL, &err);
    }
    assert_true(!err.code || (err.code == AX_E_LIMIT && ax_torture_struck()));
    for (size_t i = 0; i < ROWS && !err.code; i++) {
        double wanted = i % 7 == 0   ? 4
                        : i < 100    ? 1
                        : i % 2 == 0 ? 2
                        : i == 303   ? 3
                        : i >= 500   ? 5
                                     : 0;
        assert_true(predictions[i] == wanted);
    }
    ax_arena_done(&arena);
    ax_model_unref(model);
}

/* One condition over some rows of default values; the first row's answer is *ret. */
static enum ax_code predict_condition(const char *condition, size_t rows, double *ret)
{
    char text[8192];
    (void)snprintf(text, sizeof(text), HEAD OUT CASES "  - {when: \"%s\", then: 1}\n" ELSE,
                   condition);
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = load(text, &err);
    if (!model) {
        if (!ax_torture_struck())
            fail_msg("%s", err.msg);
        return err.code;
    }
    struct ax_arena arena;
    struct ax_rows in;
    double predictions[256];
    assert_in_range(rows, 1, AX_COUNT(predictions));
    ax_arena_init(&arena, 1024, 1 << 20);
    struct ax_column column = {
        .datatype = AX_FP64, .width = 1, .values = predictions, .stride = sizeof(double)
    };
    struct ax_batch out = { rows, 1, &column };
    if (!ax_rows_init(&in, &model->signature, rows, &arena, &err) &&
        !ax_rows_finish(&in, 0, rows, &err)) {
        struct ax_batch batch = ax_rows_batch(&in);
        if (!ax_model_predict(model, &batch, &out, NULL, &err))
            *ret = predictions[0];
    }
    ax_arena_done(&arena);
    ax_model_unref(model);
    return err.code;
}

/* A condition that would make texts without end is null, so it does not hold; one that makes more
 * of them than a call may hold is an error of the call, and not of the process. */
static void texts_are_bounded(void **state)
{
    (void)state;
    static const char letters[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char endless[4096];
    char large[4096];
    (void)snprintf(endless, sizeof(endless),
                   "length(replace(replace(replace(replace(carrier, 'U', '%s'), 'a', '%s'), 'a', "
                   "'%s'), 'a', '%s')) > 1",
                   letters, letters, letters, letters);
    (void)snprintf(large, sizeof(large),
                   "length(lower(lower(lower(lower(lower(lower(replace(replace(carrier, 'U', "
                   "'%s%s%s%s%s%s%s'), 'a', '%s%s')))))))) > 1",
                   letters, letters, letters, letters, letters, letters, letters, letters, letters);
    double prediction = -1;
    enum ax_code code = predict_condition(endless, 1, &prediction);
    assert_true(ax_torture_struck() || (code == AX_OK && prediction == 0.2));
    code = predict_condition(large, 1, &prediction);
    assert_true(ax_torture_struck() || (code == AX_OK && prediction == 1));
    code = predict_condition(large, 256, &prediction);
    assert_true(ax_torture_struck() || code == AX_E_TOO_LARGE);
}

/* A file of `count` cases, each with `condition`. */
static enum ax_code load_cases(size_t count, const char *condition, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, (size_t)1 << 26);
    (void)ax_buf_printf(&text, HEAD OUT CASES);
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_printf(&text, "- {when: \"%s\", then: 1}\n", condition);
    (void)ax_buf_printf(&text, "- otherwise: 0\n");
    assert_int_equal(text.failed, AX_OK);
    struct ax_model *model = NULL;
    enum ax_code code = ax_engine_load(&ax_engine_rules, ax_buf_str(&text), NULL, &model, err);
    ax_buf_done(&text);
    ax_model_unref(model);
    return code;
}

static void limits(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    if (getenv("AX_TORTURE_FAIL_AT")) /* Thousands of cases again and again tell nothing new. */
        skip();
    assert_int_equal(load_cases(9999, "dep_delay > 1", &err), AX_OK);
    assert_int_equal(load_cases(10000, "dep_delay > 1", &err), AX_E_TOO_LARGE);
    assert_non_null(strstr(err.msg, "over 10000 cases"));
    ax_err_clear(&err);
    assert_int_equal(load_cases(9999, "dep_delay > 1 and dep_delay > 1 and dep_delay > 1", &err),
                     AX_E_TOO_LARGE);
    assert_non_null(strstr(err.msg, "over 65536 tests, operators and constants"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognises),
        cmocka_unit_test(answers),
        cmocka_unit_test(signature),
        cmocka_unit_test(computes),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests_name("engine/rules", tests, NULL, NULL);
}
