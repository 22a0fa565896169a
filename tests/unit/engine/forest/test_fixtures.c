/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every kept model of every release of every library is answered with that release's own
 *   bits (or within the distance that the file allows), by every kernel that this CPU can run, and
 *   what must be refused is refused by name.
 * Method: all files *.fixtures of tests/data/forest, one test a model and kernel; `tools/fixtures`
 *   makes them and tests/parity/fixture_pack.py describes them. Each model is asked in batches of
 *   several sizes, once as a matrix and once column by column. Before that the comparison is shown
 * to see a single changed bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/forest/kernel.h"
#include "engine/image.h"

#include "forest_data.h"

#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define OUTPUTS_MAX  4
#define TEXTS_MAX    8
#define FIXTURES_MAX 4096

struct answer {
    char name[32];
    size_t width;
    enum ax_datatype type;
    uint64_t ulps;
    const char *bytes; /* row by row */
};

struct texts {
    size_t feature;
    size_t size;
    const char *bytes; /* one text a line */
};

struct fixture {
    char name[96], library[64], iterations[32];
    char label[208]; /* the kernel's name and both names */
    const struct ax_forest_kernel *kernel;
    char code[32], words[128]; /* of a refusal; empty: loaded */
    struct ax_str model;
    size_t rows, features;
    enum ax_datatype type; /* of the rows */
    const char *row_bytes;
    struct texts texts[TEXTS_MAX];
    size_t text_count;
    struct answer answers[OUTPUTS_MAX];
    size_t answer_count;
};

/* ---- the file ---- */

static enum ax_datatype type_from(const char *text)
{
    if (strcmp(text, "f32") != 0 && strcmp(text, "f64") != 0)
        fail_msg("unknown type '%s'", text);
    return strcmp(text, "f32") == 0 ? AX_FP32 : AX_FP64;
}

/* One line before "end"; the counts become pointers when all are known. */
static void parse_line(struct fixture *f, const char *line)
{
    char type[8] = "";
    struct answer *answer = &f->answers[f->answer_count];
    struct texts *texts = &f->texts[f->text_count];
    if (sscanf(line, "fixture %95[^\n]", f->name) == 1 ||
        sscanf(line, "library %63[^\n]", f->library) == 1 ||
        sscanf(line, "iterations %31s", f->iterations) == 1 ||
        sscanf(line, "refused %31s %127[^\n]", f->code, f->words) == 2 ||
        sscanf(line, "model %zu", &f->model.len) == 1)
        return;
    if (sscanf(line, "rows %zu %zu %7s", &f->rows, &f->features, type) == 3) {
        f->type = type_from(type);
    } else if (sscanf(line, "texts %zu %zu", &texts->feature, &texts->size) == 2) {
        assert_true(++f->text_count <= TEXTS_MAX);
    } else if (sscanf(line, "output %31s %zu %7s %" SCNu64, answer->name, &answer->width, type,
                      &answer->ulps) == 4) {
        answer->type = type_from(type);
        assert_true(++f->answer_count <= OUTPUTS_MAX);
    } else {
        fail_msg("unknown line '%s'", line);
    }
}

/* The next fixture at `*at`, which is moved behind it. */
static bool parse_fixture(struct fixture *f, const char **at, const char *end)
{
    *f = (struct fixture){ .iterations = "all" };
    if (*at == end)
        return false;
    for (bool is_head = true; is_head;) {
        const char *stop = memchr(*at, '\n', (size_t)(end - *at));
        char line[256];
        if (!stop || (size_t)(stop - *at) >= sizeof(line))
            fail_msg("no end of the head of '%s'", f->name);
        (void)snprintf(line, sizeof(line), "%.*s", (int)(stop - *at), *at);
        *at = stop + 1;
        is_head = strcmp(line, "end") != 0;
        if (is_head)
            parse_line(f, line);
    }
    const char *blob = *at;
    f->model.ptr = blob;
    blob += f->model.len;
    f->row_bytes = blob;
    blob += f->rows * f->features * ax_datatype_size(f->type);
    for (size_t i = 0; i < f->text_count; blob += f->texts[i++].size)
        f->texts[i].bytes = blob;
    for (size_t i = 0; i < f->answer_count; i++) {
        f->answers[i].bytes = blob;
        blob += f->rows * f->answers[i].width * ax_datatype_size(f->answers[i].type);
    }
    assert_true(blob <= end && f->model.len > 0 && f->name[0] && f->library[0]);
    assert_true(f->code[0] ? f->rows == 0 : f->rows > 0 && f->answer_count > 0);
    *at = blob;
    return true;
}

/* ---- rows and answers ---- */

static double number_at(const char *bytes, enum ax_datatype type, size_t index)
{
    if (type == AX_FP64) {
        double value;
        memcpy(&value, bytes + index * sizeof(value), sizeof(value));
        return value;
    }
    float value;
    memcpy(&value, bytes + index * sizeof(value), sizeof(value));
    return (double)value;
}

static void put_number(char *bytes, enum ax_datatype type, size_t index, double number)
{
    float narrow = (float)number;
    if (type == AX_FP64)
        memcpy(bytes + index * sizeof(number), &number, sizeof(number));
    else
        memcpy(bytes + index * sizeof(narrow), &narrow, sizeof(narrow));
}

/* What the engine reads for the category that the row names. */
static double category_at(const struct texts *texts, const struct ax_input *input, double place)
{
    const char *line = texts->bytes, *end = texts->bytes + texts->size;
    for (; place >= 1.0; place -= 1.0)
        line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
    struct ax_str text = { line, (size_t)((const char *)memchr(line, '\n', (size_t)(end - line)) -
                                          line) };
    assert_non_null(input->categories);
    return (double)ax_dictionary_index(input->categories, text);
}

/* The rows as the engine reads them, to be freed. */
static char *engine_rows(const struct fixture *f, const struct ax_signature *signature)
{
    enum ax_datatype type = signature->inputs[0].datatype;
    char *rows = ax_xalloc(f->rows * f->features * ax_datatype_size(type));
    for (size_t i = 0; i < f->rows * f->features; i++) {
        double value = number_at(f->row_bytes, f->type, i);
        for (size_t t = 0; t < f->text_count; t++) {
            if (f->texts[t].feature == i % f->features && !isnan(value))
                value = category_at(&f->texts[t], &signature->inputs[i % f->features], value);
        }
        put_number(rows, type, i, value);
    }
    return rows;
}

/* Neighbouring numbers of one width have neighbouring places. */
static int64_t place_of(const char *bytes, enum ax_datatype type, size_t index)
{
    int64_t bits;
    int32_t narrow;
    if (type == AX_FP64) {
        memcpy(&bits, bytes + index * sizeof(bits), sizeof(bits));
        return bits < 0 ? -(bits & INT64_MAX) : bits;
    }
    memcpy(&narrow, bytes + index * sizeof(narrow), sizeof(narrow));
    return narrow < 0 ? -(int64_t)(narrow & INT32_MAX) : narrow;
}

/* How many values are further away than allowed; with 0 ulps, how many have other bits. */
static size_t count_differences(const struct answer *answer, size_t rows, const char *ours)
{
    size_t size = ax_datatype_size(answer->type);
    size_t count = 0;
    for (size_t i = 0; i < rows * answer->width; i++) {
        if (memcmp(ours + i * size, answer->bytes + i * size, size) == 0)
            continue;
        int64_t a = place_of(ours, answer->type, i);
        int64_t b = place_of(answer->bytes, answer->type, i);
        uint64_t distance = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
        count += answer->ulps == 0 || distance > answer->ulps;
    }
    return count;
}

/* ---- scoring ---- */

struct scoring {
    const struct ax_model *model;
    const char *rows; /* of the engine's input type */
    size_t features;
    struct ax_column *inputs;
    struct ax_column outputs[OUTPUTS_MAX]; /* row 0 of all rows; NULL values: not wanted */
    size_t output_count;
};

/* Score rows [from, from + count), as a matrix or with each column apart. */
static void score_batch(const struct scoring *s, bool is_matrix, size_t from, size_t count)
{
    enum ax_datatype type = s->model->signature.inputs[0].datatype;
    size_t size = ax_datatype_size(type);
    char *apart = ax_xalloc(count * s->features * size);
    const char *rows = s->rows + from * s->features * size;
    for (size_t i = 0; i < s->features; i++) {
        s->inputs[i] = (struct ax_column){ .datatype = type, .width = 1 };
        s->inputs[i].values =
            is_matrix ? (char *)(uintptr_t)rows + i * size : apart + i * count * size;
        s->inputs[i].stride = is_matrix ? s->features * size : size;
        for (size_t r = 0; !is_matrix && r < count; r++)
            memcpy(apart + (i * count + r) * size, rows + (r * s->features + i) * size, size);
    }
    struct ax_column outputs[OUTPUTS_MAX];
    for (size_t i = 0; i < s->output_count; i++) {
        outputs[i] = s->outputs[i];
        if (outputs[i].values)
            outputs[i].values = (char *)outputs[i].values + from * outputs[i].stride;
    }
    struct ax_batch in = { count, s->features, s->inputs };
    struct ax_batch out = { count, s->output_count, outputs };
    struct ax_err err = AX_ERR_INIT;
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(s->model, count) + 63) & ~(size_t)63);
    if (ax_model_predict(s->model, &in, &out, scratch, &err))
        fail_msg("%s", err.msg);
    free(scratch);
    free(apart);
}

static void check_answers(const struct fixture *f, const struct scoring *s, const char *how)
{
    for (size_t i = 0; i < f->answer_count; i++) {
        const struct answer *answer = &f->answers[i];
        const struct ax_output *output =
            ax_signature_output(&s->model->signature, ax_str_from(answer->name));
        const char *ours = s->outputs[output - s->model->signature.outputs].values;
        size_t wrong = count_differences(answer, f->rows, ours);
        if (!wrong)
            continue;
        size_t at = 0;
        while (number_at(ours, answer->type, at) == number_at(answer->bytes, answer->type, at))
            at++;
        fail_msg("%s, %s, %s: %zu of %zu values differ; value %zu is %.17g, not %.17g", f->label,
                 answer->name, how, wrong, f->rows * answer->width, at,
                 number_at(ours, answer->type, at), number_at(answer->bytes, answer->type, at));
    }
}

static void prepare_outputs(const struct fixture *f, struct scoring *s)
{
    const struct ax_signature *signature = &s->model->signature;
    s->output_count = AX_MIN(signature->output_count, OUTPUTS_MAX);
    for (size_t i = 0; i < f->answer_count; i++) {
        const struct answer *answer = &f->answers[i];
        const struct ax_output *output = ax_signature_output(signature, ax_str_from(answer->name));
        if (!output || output->datatype != answer->type || output->width != answer->width)
            fail_msg("%s: no output '%s' of that width and type", f->label, answer->name);
        size_t stride = answer->width * ax_datatype_size(answer->type);
        s->outputs[output - signature->outputs] = (struct ax_column){
            .datatype = answer->type,
            .width = answer->width,
            .values = ax_xalloc(f->rows * stride),
            .stride = stride,
        };
    }
}

static void score_fixture(const struct fixture *f, const struct ax_model *model)
{
    const struct ax_signature *signature = &model->signature;
    assert_int_equal(signature->input_count, f->features);
    char *rows = engine_rows(f, signature);
    struct scoring s = { .model = model, .rows = rows, .features = f->features };
    s.inputs = ax_xalloc(f->features * sizeof(*s.inputs));
    prepare_outputs(f, &s);
    const size_t batches[] = { 1, 3, 7, f->rows };
    for (size_t b = 0; b < 2 * AX_COUNT(batches); b++) {
        size_t batch = batches[b / 2];
        char how[64];
        (void)snprintf(how, sizeof(how), "batches of %zu, %s", batch, b % 2 ? "columns" : "matrix");
        for (size_t i = 0; i < s.output_count; i++) {
            if (s.outputs[i].values)
                memset(s.outputs[i].values, 0x55, f->rows * s.outputs[i].stride);
        }
        for (size_t from = 0; from < f->rows; from += batch)
            score_batch(&s, b % 2 == 0, from, AX_MIN(batch, f->rows - from));
        check_answers(f, &s, how);
    }
    for (size_t i = 0; i < s.output_count; i++)
        free(s.outputs[i].values);
    free(s.inputs);
    free(rows);
}

static void assert_dictionaries_equal(const struct ax_dictionary *a, const struct ax_dictionary *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (!a)
        return;
    assert_int_equal(a->count, b->count);
    assert_true(a->has_numbers == b->has_numbers && a->hash == b->hash);
    for (size_t i = 0; a->names && i < a->count; i++)
        assert_true(ax_str_equals(a->names[i], b->names[i]));
    for (size_t i = 0; a->hash && i < a->count; i++)
        assert_true(a->hashes[i].hash == b->hashes[i].hash &&
                    a->hashes[i].index == b->hashes[i].index);
}

/* Field by field, so that one which an image does not keep is seen. */
static void assert_signatures_equal(const struct ax_signature *a, const struct ax_signature *b)
{
    assert_int_equal(a->input_count, b->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        const struct ax_input *x = &a->inputs[i], *y = &b->inputs[i];
        assert_true(ax_str_equals(x->name, y->name) && x->datatype == y->datatype);
        assert_true(x->required == y->required && x->has_default == y->has_default);
        assert_dictionaries_equal(x->categories, y->categories);
    }
    assert_int_equal(a->output_count, b->output_count);
    for (size_t i = 0; i < a->output_count; i++) {
        const struct ax_output *x = &a->outputs[i], *y = &b->outputs[i];
        assert_true(ax_str_equals(x->name, y->name) && x->datatype == y->datatype);
        assert_true(x->width == y->width && x->by_default == y->by_default);
    }
    assert_true(a->form == b->form && a->task == b->task && a->rows_max == b->rows_max);
    assert_true(a->unknown_category_is_missing == b->unknown_category_is_missing);
    assert_int_equal(a->label_count, b->label_count);
    for (size_t i = 0; i < a->label_count; i++)
        assert_true(ax_str_equals(a->labels[i], b->labels[i]));
    assert_int_equal(a->quantile_count, b->quantile_count);
    for (size_t i = 0; i < a->quantile_count; i++)
        assert_memory_equal(&a->quantiles[i], &b->quantiles[i], sizeof(double));
}

/* The same answers from the image of the model, which knows nothing of the file. */
static void score_image(const struct fixture *f, const struct ax_model *model)
{
    const struct ax_engine_images *images = ax_engine_forest.images;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf payload;
    struct ax_model *copy = NULL;
    ax_buf_init(&payload, (size_t)1 << 24);
    if (images->write(model, &payload, &err))
        fail_msg("%s: %s", f->label, err.msg);
    char *exact = aligned_alloc(64, payload.len);
    memcpy(exact, payload.ptr, payload.len);
    struct ax_image image = { .payload = { exact, payload.len } };
    if (images->read(&image, &copy, &err))
        fail_msg("%s: image: %s", f->label, err.msg);
    assert_string_equal(copy->format, model->format);
    assert_string_equal(copy->iterations, model->iterations);
    assert_signatures_equal(&copy->signature, &model->signature);
    score_fixture(f, copy);
    /* An image of an image is the same image. */
    struct ax_buf again;
    ax_buf_init(&again, (size_t)1 << 24);
    assert_int_equal(images->write(copy, &again, &err), 0);
    assert_int_equal(again.len, payload.len);
    assert_memory_equal(again.ptr, exact, payload.len);
    ax_model_unref(copy);
    ax_buf_done(&again);
    ax_buf_done(&payload);
    free(exact);
}

/* ---- the tests ---- */

static void answers_are_the_releases(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(setenv(AX_KERNEL_VARIABLE, f->kernel->name, 1), 0);
    struct {
        char *iterations;
    } config = { f->iterations };
    assert_int_equal(sizeof(config), ax_engine_forest.config_size);
    struct ax_model *model = NULL;
    struct ax_err err = AX_ERR_INIT;
    char *exact = ax_xalloc(f->model.len); /* so that a sanitizer sees one byte too far */
    memcpy(exact, f->model.ptr, f->model.len);
    enum ax_code code = ax_engine_load(&ax_engine_forest, (struct ax_str){ exact, f->model.len },
                                       &config, &model, &err);
    free(exact);
    const char *wanted = f->code[0] ? f->code : ax_code_name(AX_OK);
    if (strcmp(ax_code_name(code), wanted) != 0 || (code && !strstr(err.msg, f->words)))
        fail_msg("%s: code %s, '%s'", f->label, ax_code_name(code), err.msg);
    if (!code) {
        score_fixture(f, model);
        score_image(f, model);
    }
    ax_model_unref(model);
}

static void a_changed_bit_is_seen(void **state)
{
    (void)state;
    const float theirs[] = { 1.5f, NAN, -0.0f, 3e-45f };
    float ours[AX_COUNT(theirs)];
    struct answer answer = { .width = 2, .type = AX_FP32, .bytes = (const char *)theirs };
    memcpy(ours, theirs, sizeof(theirs));
    assert_int_equal(count_differences(&answer, 2, (const char *)ours), 0);
    ours[0] = nextafterf(1.5f, 2.0f);
    ours[2] = 0.0f;
    ours[3] = nextafterf(3e-45f, 1.0f);
    assert_int_equal(count_differences(&answer, 2, (const char *)ours), 3);
    answer.ulps = 1;
    assert_int_equal(count_differences(&answer, 2, (const char *)ours), 0);
    ours[0] = 1.5001f;
    assert_int_equal(count_differences(&answer, 2, (const char *)ours), 1);
}

/* What runs: the tests, and what their fixtures point into. */
struct suite {
    struct CMUnitTest *tests;
    struct fixture *fixtures;
    size_t count;
};

static void add_file(struct suite *suite, const char *path, struct ax_buf *bytes)
{
    struct ax_err err = AX_ERR_INIT;
    struct fixture fixture;
    ax_buf_init(bytes, (size_t)1 << 24);
    if (ax_file_read(path, bytes, &err))
        fail_msg("%s", err.msg);
    for (const char *at = bytes->ptr; parse_fixture(&fixture, &at, bytes->ptr + bytes->len);) {
        for (size_t k = 0; ax_forest_kernels[k]; k++) {
            if (!forest_wants_kernel(ax_forest_kernels[k]))
                continue;
            struct fixture *f = &suite->fixtures[suite->count++];
            assert_true(suite->count <= FIXTURES_MAX);
            *f = fixture;
            f->kernel = ax_forest_kernels[k];
            (void)snprintf(f->label, sizeof(f->label), "%s: %s: %s", f->kernel->name, f->library,
                           f->name);
        }
    }
}

int main(void)
{
    const char *folder = getenv("AX_TEST_DATA");
    char pattern[512];
    glob_t files;
    (void)snprintf(pattern, sizeof(pattern), "%s/forest/*.fixtures",
                   folder ? folder : "tests/data");
    if (glob(pattern, 0, NULL, &files)) {
        (void)fprintf(stderr, "no files '%s'\n", pattern);
        return 1;
    }
    struct suite suite = { .tests = ax_xalloc((FIXTURES_MAX + 1) * sizeof(*suite.tests)),
                           .fixtures = ax_xalloc(FIXTURES_MAX * sizeof(*suite.fixtures)) };
    struct ax_buf *bytes = ax_xalloc(files.gl_pathc * sizeof(*bytes));
    for (size_t i = 0; i < files.gl_pathc; i++)
        add_file(&suite, files.gl_pathv[i], &bytes[i]);
    if (!suite.count)
        return forest_skip_program();
    for (size_t i = 0; i < suite.count; i++)
        suite.tests[i] = (struct CMUnitTest){ .name = suite.fixtures[i].label,
                                              .test_func = answers_are_the_releases,
                                              .initial_state = &suite.fixtures[i] };
    suite.tests[suite.count] = (struct CMUnitTest)cmocka_unit_test(a_changed_bit_is_seen);
    int failed = _cmocka_run_group_tests("fixtures", suite.tests, suite.count + 1, NULL, NULL);
    for (size_t i = 0; i < files.gl_pathc; i++)
        ax_buf_done(&bytes[i]);
    free(bytes);
    free(suite.tests);
    free(suite.fixtures);
    globfree(&files);
    return failed;
}
