/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a trial scores the rows that it should, in the batches that it should, and fails for what
 * is wrong with the model and for nothing else; what model.yaml gives is taken as a request's rows
 * are, and what is wrong there is told by its place.
 * Method: an engine of the test's own that writes down how it is called and answers as it is told;
 * a clock of the test's own, so that time is over when it should be; then the real models of
 * tests/data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static uint64_t thread_ns(void);

#define ax_clock_thread_ns thread_ns
#include "../../../src/server/warmup.c" /* NOLINT(bugprone-suspicious-include) */
#undef ax_clock_thread_ns

#include "../engine/forest/forest_data.h"
#include "test_folder.h"

#include <stdio.h>

#define CALLS_MAX 64
#define SUMS_MAX  2048

/* ---- an engine ---- */

static struct {
    size_t calls, rows[CALLS_MAX];
    double first_sum[CALLS_MAX]; /* of the row that came first */
    double sums[SUMS_MAX];       /* of all rows, as they came */
    size_t sum_count;
    uint64_t now_ns, call_ns; /* the clock, and how far a call moves it */
    bool fails;               /* is what a call does */
    double nan_at;            /* the sum that is answered with NaN; NaN: with a missing value */
} engine;

static uint64_t thread_ns(void)
{
    return engine.now_ns;
}

static double number_at(const struct ax_column *column, size_t row)
{
    const void *at = ax_column_at(column, row);
    if (!ax_column_is_valid(column, row))
        return (double)NAN;
    if (column->datatype == AX_BOOL)
        return *(const bool *)at;
    if (column->datatype == AX_INT64)
        return (double)*(const int64_t *)at;
    if (column->datatype == AX_FP32)
        return (double)*(const float *)at;
    assert_int_equal(column->datatype, AX_BYTES);
    return (double)((const struct ax_str *)at)->len;
}

/* The sum of the inputs; of texts, of their lengths. */
static enum ax_code sum_predict(const struct ax_model *model, const struct ax_batch *in,
                                struct ax_batch *out, void *scratch, struct ax_err *err)
{
    (void)model;
    assert_true((uintptr_t)scratch % 64 == 0);
    if (engine.fails)
        return ax_fail(err, AX_E_INVALID, "no");
    assert_true(engine.calls < CALLS_MAX);
    engine.rows[engine.calls] = in->rows;
    engine.now_ns += engine.call_ns;
    for (size_t row = 0; row < in->rows; row++) {
        double sum = 0;
        for (size_t i = 0; i < in->column_count; i++)
            sum += number_at(&in->columns[i], row);
        assert_true(engine.sum_count < SUMS_MAX);
        engine.sums[engine.sum_count++] = sum;
        if (row == 0)
            engine.first_sum[engine.calls] = sum;
        bool is_nan = isnan(engine.nan_at) ? isnan(sum) : sum == engine.nan_at;
        float *answer = ax_column_at(&out->columns[0], row);
        answer[0] = 1;
        answer[1] = is_nan ? NAN : INFINITY;
    }
    engine.calls++;
    return AX_OK;
}

static size_t sum_scratch_size(const struct ax_model *model, size_t rows)
{
    (void)model;
    return rows;
}

static struct ax_engine sum_engine = { .name = "sum",
                                       .scratch_size = sum_scratch_size,
                                       .predict = sum_predict };

static const struct ax_str carriers[] = { { "UA", 2 }, { "AA", 2 }, { "10", 2 } };
static struct ax_model model;
static struct ax_version version;
static const struct ax_model_settings no_settings;

static void put_file(const char *name, const char *text)
{
    char path[160];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(
        text ? ax_file_replace(path, ax_str_from(text), &err) : ax_file_remove_tree(path, &err), 0);
}

/* A version of the inputs x FP32, n INT64, c of categories, t BYTES, b BOOL, and this model.yaml.
 */
static void begin(const char *yaml)
{
    static const char *const names[] = { "x", "n", "c", "t", "b" };
    struct ax_err err = AX_ERR_INIT;
    ax_signature_done(&model.signature);
    model = (struct ax_model){ .engine = &sum_engine };
    assert_int_equal(ax_signature_init(&model.signature, AX_COUNT(names), 1, &err), 0);
    for (size_t i = 0; i < AX_COUNT(names); i++)
        assert_int_equal(ax_signature_name_input(&model.signature, i, ax_str_from(names[i]), &err),
                         0);
    assert_int_equal(ax_signature_add_dictionary(&model.signature, 2, carriers, 3, &err), 0);
    model.signature.inputs[1].datatype = AX_INT64;
    model.signature.inputs[3].datatype = AX_BYTES;
    model.signature.inputs[4].datatype = AX_BOOL;
    model.signature.outputs[0] = (struct ax_output){ AX_STR("score"), AX_FP32, 2, true };
    version = (struct ax_version){ .path = folder, .model = &model, .signature = &model.signature };
    memset(&engine, 0, sizeof(engine));
    engine.nan_at = -77;
    sum_engine.answers_nan = false;
    put_file("model.yaml", yaml);
}

/* The message of the trial; empty: it passed. */
static const char *trial(const struct ax_model_settings *settings)
{
    static struct ax_err err;
    struct ax_warm_up warm_up;
    ax_err_clear(&err);
    if (!ax_warm_up_read(&warm_up, &version, &err))
        (void)(ax_warm_up_run(&warm_up, settings, &err) != AX_OK);
    ax_warm_up_done(&warm_up);
    assert_true(!err.code == !err.msg[0]);
    return err.msg;
}

/* ---- made rows ---- */

static void made_rows(void **state)
{
    (void)state;
    begin(NULL);
    assert_string_equal(trial(&no_settings), "");
    assert_int_equal(engine.calls, 4);
    static const size_t rows[] = { 64, 16, 6, 1 };
    assert_memory_equal(engine.rows, rows, sizeof(rows));
    for (size_t i = 0; i < 4; i++)
        assert_true(engine.first_sum[i] == 0);
    assert_true(isnan(engine.sums[1]));
    size_t different = 0;
    for (size_t i = 2; i < 64; i++) {
        assert_false(isnan(engine.sums[i]));
        different += engine.sums[i] != engine.sums[i - 1];
    }
    assert_true(different > 50);
    for (size_t i = 0; i < 16; i++)
        assert_true(i == 1 || engine.sums[64 + i] == engine.sums[i]);
}

static void required_and_defaults(void **state)
{
    (void)state;
    begin(NULL);
    for (size_t i = 0; i < 5; i++)
        model.signature.inputs[i].required = i != 1;
    model.signature.inputs[1].has_default = true;
    model.signature.inputs[1].default_number = 5000;
    assert_string_equal(trial(&no_settings), "");
    assert_true(engine.sums[1] > 4000 && engine.sums[1] < 6e6);
    engine.nan_at = engine.sums[1];
    assert_string_equal(trial(&no_settings), "warm-up: output 'score' of a made row 1 is NaN");
}

static void small_batches(void **state)
{
    (void)state;
    begin(NULL);
    model.signature.rows_max = 20;
    assert_string_equal(trial(&no_settings), "");
    static const size_t rows[] = { 20, 20, 20, 4, 16, 6, 1 };
    assert_int_equal(engine.calls, AX_COUNT(rows));
    assert_memory_equal(engine.rows, rows, sizeof(rows));
    double sums[64];
    memcpy(sums, engine.sums, sizeof(sums));
    begin(NULL);
    assert_string_equal(trial(&no_settings), "");
    for (size_t i = 0; i < 64; i++)
        assert_true(sums[i] == engine.sums[i] || (isnan(sums[i]) && isnan(engine.sums[i])));
}

static void nan_fails(void **state)
{
    (void)state;
    begin(NULL);
    engine.nan_at = 0;
    assert_string_equal(trial(&no_settings), "warm-up: output 'score' of a made row 0 is NaN");
    /* Missing values may make one, unless nothing was missing to the model. */
    begin(NULL);
    engine.nan_at = (double)NAN;
    assert_string_equal(trial(&no_settings), "");
    begin("warmup: {rows: [{x: 1}]}");
    engine.nan_at = (double)NAN;
    assert_string_equal(trial(&no_settings), "warm-up: output 'score' of the given row 0 is NaN");
    sum_engine.answers_nan = true;
    assert_string_equal(trial(&no_settings), "");
}

static void a_call_that_fails(void **state)
{
    (void)state;
    begin(NULL);
    engine.fails = true;
    assert_string_equal(trial(&no_settings), "warm-up: no");
    put_file("model.yaml", "warmup: none");
    assert_string_equal(trial(&no_settings), "");
}

static void time_is_over(void **state)
{
    (void)state;
    begin(NULL);
    engine.call_ns = AX_WARM_UP_NS_MAX / 2;
    assert_string_equal(trial(&no_settings), "");
    assert_int_equal(engine.calls, 2);
    begin(NULL);
    engine.call_ns = 2 * AX_WARM_UP_NS_MAX;
    engine.nan_at = 0;
    assert_string_equal(trial(&no_settings), "warm-up: output 'score' of a made row 0 is NaN");
    assert_int_equal(engine.calls, 1);
}

static void batches_of_settings(void **state)
{
    (void)state;
    struct ax_model_settings settings = {
        .warm_ups = { { 3, 2, false }, { 70, 1, true } },
        .warm_up_count = 2,
    };
    begin(NULL);
    assert_string_equal(trial(&settings), "");
    static const size_t rows[] = { 64, 16, 6, 1, 3, 3, 64, 6 };
    assert_int_equal(engine.calls, AX_COUNT(rows));
    assert_memory_equal(engine.rows, rows, sizeof(rows));
    for (size_t i = 87; i < 93; i++)
        assert_true(engine.sums[i] == 0);
    assert_true(isnan(engine.sums[94]) && !isnan(engine.sums[95]) && engine.sums[95] != 0);
}

/* ---- given rows ---- */

static void given(const char *yaml, const double *sums, size_t count)
{
    begin(yaml);
    const char *message = trial(&no_settings);
    if (message[0])
        fail_msg("%s: %s", yaml, message);
    for (size_t i = 0; i < count; i++)
        if (engine.sums[i] != sums[i] && !(isnan(engine.sums[i]) && isnan(sums[i])))
            fail_msg("%s: row %zu has the sum %f", yaml, i, engine.sums[i]);
    assert_int_equal(engine.rows[0], count);
}

static void rows_of_yaml(void **state)
{
    (void)state;
    given("warmup:\n"
          "  rows:\n"
          "    - {x: 0.5, n: -2, c: AA, t: long, b: true}\n"
          "    - {x: 1e1, n: 7, c: '10', t: '1234567', b: 0}\n"
          "    - {b: false, t: '', c: UA, n: 0}\n"
          "    - {x: null, t: ~, c: UA, n: 0, b: true}\n",
          (const double[]){ 4.5, 26, (double)NAN, (double)NAN }, 4);
    assert_int_equal(engine.calls, 4);
    static const size_t rows[] = { 4, 4, 4, 1 };
    assert_memory_equal(engine.rows, rows, sizeof(rows));
}

static void rows_of_files(void **state)
{
    (void)state;
    static const double sums[] = { 4.5, 26, (double)NAN };
    put_file("rows.jsonl", "{\"x\": 0.5, \"n\": -2, \"c\": \"AA\", \"t\": \"long\", \"b\": true}\n"
                           "\r\n"
                           "{\"x\": 10, \"n\": 7, \"c\": \"10\", \"t\": \"1234567\", \"b\": 0}\r\n"
                           "{\"x\": null, \"n\": 0, \"c\": \"UA\", \"t\": \"\", \"b\": false}");
    given("warmup: {file: rows.jsonl}", sums, 3);
    put_file("rows.csv", "n,x,c,b,t\n-2,0.5,AA,true,long\n7,10,10,0,\"1234567\"\n0,,UA,false,\"\"");
    given("warmup: {file: rows.csv}", sums, 3);
}

/* Rows whose integers are missing lie in slices that begin anywhere. */
static void missing_integers(void **state)
{
    (void)state;
    char text[1 << 15] = "x,n,c,b,t\n";
    for (size_t i = 0; i < 200; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%zu,%s,UA,0,\"\"\n", i,
                       i % 3 == 0 ? "" : "0");
    put_file("rows.csv", text);
    for (size_t rows_max = 1; rows_max < 100; rows_max += 27) {
        begin("warmup: {file: rows.csv}");
        model.signature.rows_max = rows_max;
        struct ax_err err = AX_ERR_INIT;
        struct ax_warm_up warm_up;
        assert_int_equal(ax_warm_up_read(&warm_up, &version, &err), 0);
        struct trial t = { .w = &warm_up, .rows = &warm_up.rows, .until_ns = 1 };
        assert_int_equal(trial_init(&t, &err), 0);
        for (size_t from = 0; from < 200; from += t.rows_max) {
            size_t count = AX_MIN(t.rows_max, 200 - from);
            struct ax_batch slice = trial_slice(&t, from, count);
            for (size_t i = 0; i < count; i++) {
                assert_true(number_at(&slice.columns[0], i) == (double)(from + i));
                assert_true(isnan(number_at(&slice.columns[1], i)) == ((from + i) % 3 == 0));
            }
        }
        ax_warm_up_done(&warm_up);
    }
}

static void bad_rows(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *file, *message;
    } cases[] = {
        { "warmup: all", NULL, "model.yaml:1:9: expected none, or a mapping" },
        { "warmup: []", NULL, "model.yaml:1:9: expected none, or a mapping" },
        { "warmup: {}", NULL, "model.yaml:1:9: expected one of the keys 'rows' and 'file'" },
        { "warmup: {rows: [], file: a.csv}", NULL, "model.yaml:1:9: expected one of the keys" },
        { "warmup: {row: []}", NULL, "model.yaml:1:10: unknown key 'row'" },
        { "warmup: {rows: 1}", NULL, "model.yaml:1:16: expected a list of rows" },
        { "warmup: {rows: []}", NULL, "model.yaml:1:16: no rows" },
        { "warmup: {rows: [1]}", NULL, "model.yaml:1:17: expected a row" },
        { "warmup: {rows: [{x: [1]}]}", NULL, "model.yaml:1:21: expected the value of 'x'" },
        { "warmup: {rows: [{x: 1}, {y: 1}]}", NULL, "model.yaml:1:16: row 1: no input 'y'" },
        { "warmup: {rows: [{x: 1}, {x: a}]}", NULL, "model.yaml:1:16: input 'x', row 1: " },
        { "warmup: {rows: [{x: '1'}]}", NULL, "model.yaml:1:16: input 'x', row 0: " },
        { "warmup: {rows: [{c: DL}]}", NULL, "model.yaml:1:16: input 'c', row 0: " },
        { "warmup: {rows: [{n: 1.5}]}", NULL, "model.yaml:1:16: input 'n', row 0: " },
        { "warmup: {file: rows.txt}", "", "model.yaml:1:16: the file's name ends neither" },
        { "warmup: {file: ../rows.csv}", "", "model.yaml:1:16: expected the name of a file" },
        { "warmup: {file: .rows.csv}", "", "model.yaml:1:16: expected the name of a file" },
        { "warmup: {file: README.csv}", "", "model.yaml:1:16: expected the name of a file" },
        { "warmup: {file: ''}", "", "model.yaml:1:16: expected the name of a file" },
        { "warmup: {file: none.csv}", "", "model.yaml:1:16: no file 'none.csv' in the version's" },
        { "warmup: {file: rows.csv}", "", "'rows.csv': " },
        { "warmup: {file: rows.csv}", "x\n", "'rows.csv': no rows" },
        { "warmup: {file: rows.csv}", "x,c\n1,UA\n1,B6\n", "'rows.csv': input 'c', row 1: " },
        { "warmup: {file: rows.csv}", "x,y\n1,2\n", "'rows.csv': row 0: no input 'y'" },
        { "warmup: {file: rows.jsonl}", "", "'rows.jsonl': no rows" },
        { "warmup: {file: rows.jsonl}", "{\"x\": 1}\n{\"x\": }", "'rows.jsonl': line 2: " },
        { "warmup: {file: rows.jsonl}", "[1]", "'rows.jsonl': line 1: expected an object" },
        { "warmup: {file: rows.jsonl}", "{\"x\": {}}",
          "'rows.jsonl': line 1: 'x': the value is no" },
        { "warmup: {file: rows.jsonl}", "{\"n\": \"1\"}", "'rows.jsonl': input 'n', row 0: " },
        { "warmup: {file: rows.jsonl}", "{\"x\": 1, \"x\": 1}", "'rows.jsonl': line 1: " },
        { "warmup: {file: rows.jsonl}", "{\"x\": 1} x", "'rows.jsonl': line 1: " },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        begin(cases[i].yaml);
        put_file("rows.csv", cases[i].file);
        put_file("rows.jsonl", cases[i].file);
        const char *message = trial(&no_settings);
        if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s, '%s': '%s'", cases[i].yaml, cases[i].file ? cases[i].file : "", message);
        assert_int_equal(engine.calls, 0);
    }
}

static void so_many_rows(void **state)
{
    (void)state;
    static char text[1 << 15];
    static const char *const files[] = { "rows.csv", "rows.jsonl" };
    for (size_t k = 0; k < 2; k++) {
        for (size_t count = AX_WARM_UP_ROWS_MAX; count <= AX_WARM_UP_ROWS_MAX + 1; count++) {
            (void)snprintf(text, sizeof(text), "%s", k ? "" : "x\n");
            size_t len = strlen(text);
            for (size_t i = 0; i < count; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, k ? "{\"x\": 1}\n" : "1\n");
            begin(k ? "warmup: {file: rows.jsonl}" : "warmup: {file: rows.csv}");
            put_file(files[k], text);
            bool is_over = count > AX_WARM_UP_ROWS_MAX;
            const char *message = trial(&no_settings);
            assert_true(is_over == (strstr(message, "over 1024 rows") != NULL));
            assert_int_equal(engine.calls, is_over ? 0 : 16 + 3);
        }
    }
}

/* ---- real models ---- */

static void real_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(forest_names); i++) {
        char path[160];
        struct ax_err err = AX_ERR_INIT;
        struct ax_version *loaded;
        struct ax_warm_up warm_up;
        struct ax_str bytes = forest_file(forest_names[i], "ubj");
        (void)snprintf(path, sizeof(path), "%s/v", folder);
        assert_int_equal(ax_file_make_folder(path, &err), 0);
        (void)snprintf(path, sizeof(path), "%s/v/model", folder);
        assert_int_equal(ax_file_replace(path, bytes, &err), 0);
        *strrchr(path, '/') = '\0';
        memset(&engine, 0, sizeof(engine));
        if (ax_version_load(path, "m", 1, NULL, &loaded, &err) ||
            ax_warm_up_read(&warm_up, loaded, &err) || ax_warm_up_run(&warm_up, &no_settings, &err))
            fail_msg("%s: %s", forest_names[i], err.msg);
        ax_warm_up_done(&warm_up);
        ax_version_unref(loaded);
        free((void *)(uintptr_t)bytes.ptr);
    }
}

static int end(void **state)
{
    ax_signature_done(&model.signature);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_rows),
        cmocka_unit_test(required_and_defaults),
        cmocka_unit_test(small_batches),
        cmocka_unit_test(nan_fails),
        cmocka_unit_test(a_call_that_fails),
        cmocka_unit_test(time_is_over),
        cmocka_unit_test(batches_of_settings),
        cmocka_unit_test(rows_of_yaml),
        cmocka_unit_test(rows_of_files),
        cmocka_unit_test(missing_integers),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(so_many_rows),
        cmocka_unit_test(real_models),
    };
    return cmocka_run_group_tests_name("server/warmup", tests, make_folder, end);
}
