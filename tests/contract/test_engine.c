/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every engine keeps the promises of engine.h, whatever it runs.
 * Method: the model files of tests/data/<engine>/ are loaded and score rows drawn from a fixed
 *   sequence, missing values included. What one call for all rows and all outputs answers is the
 *   reference for every other way to ask: single outputs, single rows, slices, columns that lie
 *   apart, several threads. Then the files are cut off and damaged. An engine without files in
 *   tests/data/ fails the test: a new engine brings its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "data/rows.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "torture.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS             200
#define FILES_MAX        32
#define OUTPUTS_MAX      16
#define THREADS          4
#define CUTS             64
#define CELL_MAX         1024
#define FILE_MAX         ((size_t)1 << 20)
#define TORTURE_FILE_MAX 4100
#define SCRATCH_FILL     0xa5

struct subject {
    const struct ax_engine *engine;
    char name[300]; /* of the file, for messages */
    struct ax_buf bytes;
};

static struct subject subjects[FILES_MAX];
static size_t subject_count;

/* The torture run repeats everything for each allocation: it gets the small files, and the tests
 * that allocate in another way than those before. */
static bool is_torture(void)
{
    return getenv("AX_TORTURE_FAIL_AT") != NULL;
}

static bool is_model_file(const char *name)
{
    static const char *const ends[] = { ".json", ".ubj", ".yaml" };
    size_t len = strlen(name);
    for (size_t i = 0; i < AX_COUNT(ends); i++)
        if (len > strlen(ends[i]) && strcmp(name + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static void add_subject(const struct ax_engine *engine, const char *folder, const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    char path[1024];
    assert_true(subject_count < FILES_MAX);
    struct subject *subject = &subjects[subject_count++];
    subject->engine = engine;
    (void)snprintf(subject->name, sizeof(subject->name), "%s/%s", engine->name, name);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ax_buf_init(&subject->bytes, FILE_MAX);
    if (ax_file_read(path, &subject->bytes, &err))
        assert_true(ax_torture_struck());
    if (is_torture() && subject->bytes.len > TORTURE_FILE_MAX) {
        ax_buf_done(&subject->bytes);
        subject_count--;
    }
}

static int read_files(void **state)
{
    (void)state;
    const char *data = getenv("AX_TEST_DATA");
    for (size_t i = 0; ax_engines[i]; i++) {
        char folder[512];
        (void)snprintf(folder, sizeof(folder), "%s/%s", data ? data : "tests/data",
                       ax_engines[i]->name);
        DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
            if (is_model_file(entry->d_name))
                add_subject(ax_engines[i], folder, entry->d_name);
        if (dir)
            (void)closedir(dir);
    }
    return 0;
}

static int drop_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++)
        ax_buf_done(&subjects[i].bytes);
    return 0;
}

/* ---- loading, rows, answers ---- */

static enum ax_code load_bytes(const struct ax_engine *engine, struct ax_str bytes,
                               struct ax_model **ret_model, struct ax_err *err)
{
    void *config = engine->options ? ax_xalloc(engine->config_size) : NULL;
    const struct ax_option_group groups[] = { { engine->options, config }, { 0 } };
    if (config)
        ax_option_defaults(groups);
    /* In a block of its exact size, so that a sanitizer sees who reads behind the end. */
    char *copy = ax_xmemdup0(bytes.ptr, bytes.len);
    copy = ax_xrealloc(copy, bytes.len ? bytes.len : 1, 1);
    enum ax_code code =
        ax_engine_load(engine, (struct ax_str){ copy, bytes.len }, config, ret_model, err);
    free(copy);
    if (config)
        ax_option_done(groups);
    free(config);
    return code;
}

static const struct ax_str class_names[] = { { "zero", 4 },  { "one", 3 },  { "two", 3 },
                                             { "three", 5 }, { "four", 4 }, { "five", 4 } };

/* The model, with names for its classes; NULL when the torture run refused an allocation. */
static struct ax_model *load(const struct subject *subject)
{
    struct ax_model *model = NULL;
    struct ax_err err = AX_ERR_INIT;
    if (subject->bytes.len == 0 ||
        load_bytes(subject->engine, ax_buf_str(&subject->bytes), &model, &err)) {
        if (!ax_torture_struck())
            fail_msg("%s: %s", subject->name, err.msg);
        assert_null(model);
        assert_true(subject->bytes.len == 0 || err.code == AX_E_LIMIT);
        return NULL;
    }
    if (model->signature.task == AX_TASK_BINARY || model->signature.task == AX_TASK_MULTICLASS) {
        model->signature.labels = (struct ax_str *)(uintptr_t)class_names;
        model->signature.label_count = AX_COUNT(class_names);
    }
    return model;
}

static uint32_t draw(uint32_t *sequence)
{
    *sequence = *sequence * 1664525u + 1013904223u;
    return *sequence >> 8;
}

static enum ax_code set_cell(struct ax_rows *rows, size_t row, size_t input, uint32_t *sequence,
                             struct ax_err *err)
{
    static const double numbers[] = {
        0, 1, -1, 0.5, 31, 1000.5, -0.0, INFINITY, -INFINITY, 1e-310
    };
    static const char *const texts[] = { "UA", "DE", "", "O'Land", "Z\xc3\xbcrich" };
    uint32_t kind = draw(sequence) % 16;
    if (kind == 0)
        return AX_OK; /* Missing. */
    switch (rows->signature->inputs[input].datatype) {
    case AX_BYTES:
        return ax_rows_set_str(rows, row, input,
                               ax_str_from(texts[draw(sequence) % AX_COUNT(texts)]), err);
    case AX_BOOL:
        return ax_rows_set_bool(rows, row, input, draw(sequence) % 2, err);
    case AX_FP32:
    case AX_FP64:
        return ax_rows_set_f64(rows, row, input,
                               kind < 6 ? numbers[draw(sequence) % AX_COUNT(numbers)]
                                        : (double)(int)(draw(sequence) % 4001 - 2000) / 100,
                               err);
    case AX_UINT8:
    case AX_UINT16:
    case AX_UINT32:
    case AX_UINT64:
    case AX_INT8:
    case AX_INT16:
    case AX_INT32:
    case AX_INT64:
    case AX_FP16:
    case AX_BF16:
    case AX_DATATYPE_COUNT:
        break;
    }
    return ax_rows_set_i64(rows, row, input, draw(sequence) % 100, err);
}

/* Rows, and room for answers to them. */
struct scoring {
    struct ax_model *model;
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_batch in;
    struct ax_batch out; /* what `whole` was given: all outputs, ROWS rows */
    struct ax_column out_columns[OUTPUTS_MAX];
};

static void make_outputs(struct ax_arena *arena, const struct ax_signature *signature, size_t rows,
                         struct ax_column *columns)
{
    assert_true(signature->output_count <= OUTPUTS_MAX);
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        size_t stride = ax_datatype_size(output->datatype) * output->width;
        assert_true(stride > 0 && stride <= CELL_MAX);
        void *values = ax_arena_alloc_aligned(arena, rows + 1, stride, 64);
        assert_true(values || ax_torture_struck());
        if (values)
            memset(values, SCRATCH_FILL, (rows + 1) * stride);
        columns[i] = (struct ax_column){
            .datatype = output->datatype, .width = output->width, .values = values, .stride = stride
        };
    }
}

static void predict(const struct ax_model *model, const struct ax_batch *in, struct ax_batch *out)
{
    struct ax_err err = AX_ERR_INIT;
    size_t size = ax_model_scratch_size(model, in->rows);
    char *scratch = aligned_alloc(64, (size + 127) / 64 * 64);
    memset(scratch, SCRATCH_FILL, size + 1);
    if (ax_model_predict(model, in, out, scratch, &err))
        fail_msg("predict: %s", err.msg);
    assert_int_equal((unsigned char)scratch[size], SCRATCH_FILL);
    free(scratch);
}

/* False when the torture run refused an allocation: there is nothing to test then. */
static bool begin(struct scoring *s, const struct subject *subject)
{
    struct ax_err err = AX_ERR_INIT;
    uint32_t sequence = 20130101;
    *s = (struct scoring){ .model = load(subject) };
    ax_arena_init(&s->arena, (size_t)1 << 16, (size_t)1 << 28);
    if (!s->model)
        return false;
    const struct ax_signature *signature = &s->model->signature;
    enum ax_code code = ax_rows_init(&s->rows, signature, ROWS, &s->arena, &err);
    if (!code)
        s->rows.takes_codes = true; /* what engines read, whatever the categories are called */
    for (size_t row = 0; !code && row < ROWS; row++)
        for (size_t i = 0; !code && i < signature->input_count; i++)
            code = set_cell(&s->rows, row, i, &sequence, &err);
    if (!code)
        code = ax_rows_finish(&s->rows, 0, ROWS, &err);
    if (code) {
        if (!ax_torture_struck())
            fail_msg("%s: %s", subject->name, err.msg);
        return false;
    }
    s->in = ax_rows_batch(&s->rows);
    make_outputs(&s->arena, signature, ROWS, s->out_columns);
    s->out = (struct ax_batch){ ROWS, signature->output_count, s->out_columns };
    predict(s->model, &s->in, &s->out);
    return !ax_torture_struck();
}

static void end(struct scoring *s)
{
    ax_arena_done(&s->arena);
    ax_model_unref(s->model);
}

static bool is_same_cell(const struct ax_column *a, size_t row_a, const struct ax_column *b,
                         size_t row_b)
{
    const void *left = ax_column_at(a, row_a);
    const void *right = ax_column_at(b, row_b);
    if (a->datatype != AX_BYTES)
        return memcmp(left, right, ax_datatype_size(a->datatype) * a->width) == 0;
    for (size_t i = 0; i < a->width; i++)
        if (!ax_str_equals(((const struct ax_str *)left)[i], ((const struct ax_str *)right)[i]))
            return false;
    return true;
}

/* The answers in `out` for rows from `from` on are those of the whole; untouched behind the end. */
static void check_same(const struct scoring *s, const struct ax_batch *out, size_t from)
{
    for (size_t i = 0; i < out->column_count; i++) {
        const struct ax_column *column = &out->columns[i];
        if (!column->values)
            continue;
        for (size_t row = 0; row < out->rows; row++)
            assert_true(is_same_cell(column, row, &s->out.columns[i], from + row));
        const unsigned char *behind = ax_column_at(column, out->rows);
        for (size_t k = 0; k < column->stride; k++)
            assert_int_equal(behind[k], SCRATCH_FILL);
    }
}

/* ---- the tests ---- */

static void every_engine_has_files(void **state)
{
    (void)state;
    for (size_t i = 0; ax_engines[i]; i++) {
        size_t count = 0;
        for (size_t k = 0; k < subject_count; k++)
            count += subjects[k].engine == ax_engines[i];
        if (count < 2)
            fail_msg("tests/data/%s/ holds %zu model files", ax_engines[i]->name, count);
    }
}

static void tables_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; ax_engines[i]; i++) {
        const struct ax_engine *engine = ax_engines[i];
        assert_true(engine->name && engine->recognise && engine->load && engine->scratch_size &&
                    engine->predict && engine->free && engine->memory_bytes);
        assert_true(engine->caps == AX_ENGINE_CAP_INLINE || engine->caps == AX_ENGINE_CAP_POOLED);
        assert_true(!engine->options == !engine->config_size);
        assert_true(!engine->images || (engine->images->format && engine->images->key &&
                                        engine->images->write && engine->images->read));
        assert_ptr_equal(ax_engine_by_name(ax_str_from(engine->name)), engine);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(engine->name, ax_engines[k]->name);
    }
    assert_null(ax_engine_by_name(AX_STR("")));
    assert_null(ax_engine_by_name(AX_STR("fores")));
    assert_null(ax_engine_by_name(AX_STR("forest ")));
}

/* All outputs of all rows of `model` are those of the whole. */
static void check_model(struct scoring *s, const struct ax_model *model)
{
    struct ax_column columns[OUTPUTS_MAX];
    struct ax_batch out = { ROWS, s->out.column_count, columns };
    make_outputs(&s->arena, &s->model->signature, ROWS, columns);
    if (ax_torture_struck())
        return;
    predict(model, &s->in, &out);
    check_same(s, &out, 0);
}

static void images_answer_as_models_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        const struct ax_engine_images *images = subjects[i].engine->images;
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf payload;
        ax_buf_init(&payload, (size_t)1 << 28);
        if (images && begin(&s, &subjects[i]) && !images->write(s.model, &payload, &err)) {
            struct ax_model *copy = NULL;
            char *exact = aligned_alloc(64, (payload.len + 63) & ~(size_t)63);
            memcpy(exact, payload.ptr, payload.len);
            struct ax_image image = { .payload = { exact, payload.len } };
            if (images->read(&image, &copy, &err) == AX_OK) {
                assert_int_equal(copy->signature.output_count, s.model->signature.output_count);
                assert_int_equal(copy->signature.task, s.model->signature.task);
                assert_int_equal(copy->signature.form, s.model->signature.form);
                assert_string_equal(copy->format, s.model->format);
                check_model(&s, copy);
            }
            ax_model_unref(copy);
            free(exact);
        }
        if (err.code && !ax_torture_struck())
            fail_msg("%s: %s", subjects[i].name, err.msg);
        ax_buf_done(&payload);
        if (images)
            end(&s);
    }
}

/* Twice: measured, and by what was kept of that. */
static void tuning_changes_no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf kept;
        if (!subjects[i].engine->tune || is_torture()) /* that takes its time each time */
            continue;
        ax_buf_init(&kept, (size_t)1 << 16);
        if (begin(&s, &subjects[i])) {
            (void)(subjects[i].engine->tune(s.model, AX_STR("no use"), &kept, &err) != AX_OK);
            check_model(&s, s.model);
            struct ax_buf none;
            ax_buf_init(&none, (size_t)1 << 16);
            (void)(subjects[i].engine->tune(s.model, ax_buf_str(&kept), &none, &err) != AX_OK);
            check_model(&s, s.model);
            assert_true(none.len == 0 || ax_torture_struck());
            ax_buf_done(&none);
        }
        if (err.code && !ax_torture_struck())
            fail_msg("%s: %s", subjects[i].name, err.msg);
        ax_buf_done(&kept);
        end(&s);
    }
}

static void content_tells_the_engine(void **state)
{
    (void)state;
    static const char *const others[] = { "", "{", "{}", "PK\x03\x04", "\x80\x04\x95", "hello\n" };
    for (size_t i = 0; i < subject_count; i++) {
        const struct subject *subject = &subjects[i];
        struct ax_str head = ax_buf_str(&subject->bytes);
        if (!head.len)
            continue;
        char *exact = ax_xmemdup0(head.ptr, head.len);
        head = (struct ax_str){ exact, AX_MIN(head.len, (size_t)4096) };
        assert_ptr_equal(ax_engine_by_content(head), subject->engine);
        for (size_t k = 0; ax_engines[k]; k++)
            assert_int_equal(ax_engines[k]->recognise(head), ax_engines[k] == subject->engine);
        free(exact);
    }
    for (size_t i = 0; i < AX_COUNT(others); i++)
        assert_null(ax_engine_by_content(ax_str_from(others[i])));
}

static void signatures_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject_count; i++) {
        struct ax_model *model = load(&subjects[i]);
        if (!model)
            continue;
        const struct ax_signature *s = &model->signature;
        assert_ptr_equal(model->engine, subjects[i].engine);
        assert_true(strlen(model->format) > 0);
        assert_true(s->input_count > 0 && s->output_count > 0 && s->rows_max > 0);
        assert_true(ax_str_is(s->outputs[0].name, "prediction"));
        assert_true(s->outputs[0].by_default);
        for (size_t k = 0; k < s->output_count; k++) {
            assert_true(s->outputs[k].width > 0);
            assert_ptr_equal(ax_signature_output(s, s->outputs[k].name), &s->outputs[k]);
        }
        for (size_t k = 0; k < s->input_count; k++)
            if (s->inputs[k].name.len)
                assert_ptr_equal(ax_signature_input(s, s->inputs[k].name), &s->inputs[k]);
        assert_ptr_equal(ax_model_ref(model), model);
        ax_model_unref(model);
        assert_ptr_equal(model->engine, subjects[i].engine);
        ax_model_unref(model);
    }
    ax_model_unref(NULL);
}

static void unwanted_outputs_are_left_out(void **state)
{
    (void)state;
    if (is_torture())
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        bool ready = begin(&s, &subjects[i]);
        for (size_t k = 0; ready && k <= s.out.column_count; k++) { /* The last time: none. */
            struct ax_column columns[OUTPUTS_MAX];
            make_outputs(&s.arena, &s.model->signature, ROWS, columns);
            for (size_t other = 0; other < s.out.column_count; other++)
                if (other != k)
                    columns[other].values = NULL;
            struct ax_batch out = { ROWS, s.out.column_count, columns };
            predict(s.model, &s.in, &out);
            check_same(&s, &out, 0);
        }
        end(&s);
    }
}

static void slices_equal_the_whole(void **state)
{
    (void)state;
    static const struct {
        size_t from, count;
    } slices[] = { { 0, 0 }, { 64, 0 }, { 0, 1 }, { 64, 1 }, { 128, 72 }, { 0, 64 }, { 64, 17 } };
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        bool ready = begin(&s, &subjects[i]);
        for (size_t k = 0; ready && k < AX_COUNT(slices); k++) {
            struct ax_column *views = ax_arena_alloc(&s.arena, s.in.column_count, sizeof(*views));
            struct ax_column columns[OUTPUTS_MAX];
            make_outputs(&s.arena, &s.model->signature, slices[k].count, columns);
            struct ax_batch in = ax_batch_slice(&s.in, slices[k].from, slices[k].count, views);
            struct ax_batch out = { slices[k].count, s.out.column_count, columns };
            predict(s.model, &in, &out);
            check_same(&s, &out, slices[k].from);
        }
        end(&s);
    }
}

/* Each input in an array of its own, with gaps, is no matrix, and answers the same. */
static void layout_does_not_matter(void **state)
{
    (void)state;
    if (is_torture())
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        if (begin(&s, &subjects[i])) {
            struct ax_column *apart = ax_arena_alloc(&s.arena, s.in.column_count, sizeof(*apart));
            for (size_t k = 0; k < s.in.column_count; k++) {
                apart[k] = s.in.columns[k];
                apart[k].matrix_columns = 0;
                size_t size = ax_datatype_size(apart[k].datatype);
                apart[k].stride = size * (2 + k % 2);
                apart[k].values = ax_arena_zalloc(&s.arena, ROWS, apart[k].stride);
                for (size_t row = 0; row < ROWS; row++)
                    memcpy(ax_column_at(&apart[k], row), ax_column_at(&s.in.columns[k], row), size);
            }
            struct ax_column columns[OUTPUTS_MAX];
            make_outputs(&s.arena, &s.model->signature, ROWS, columns);
            struct ax_batch in = { ROWS, s.in.column_count, apart };
            struct ax_batch out = { ROWS, s.out.column_count, columns };
            predict(s.model, &in, &out);
            check_same(&s, &out, 0);
        }
        end(&s);
    }
}

static void predicting_does_not_allocate(void **state)
{
    (void)state;
    static char scratch[1 << 20] AX_ALIGNED(64);
    if (is_torture())
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        if (begin(&s, &subjects[i])) {
            struct ax_err err = AX_ERR_INIT;
            assert_true(ax_model_scratch_size(s.model, ROWS) <= sizeof(scratch));
            unsigned long before = ax_torture_allocations();
            enum ax_code code = ax_model_predict(s.model, &s.in, &s.out, scratch, &err);
            unsigned long after = ax_torture_allocations();
            assert_int_equal(code, AX_OK);
            assert_int_equal(after, before);
        }
        end(&s);
    }
}

struct worker {
    const struct scoring *s;
    struct ax_batch out;
    struct ax_column columns[OUTPUTS_MAX];
    char *scratch;
    enum ax_code code;
};

static void work(void *arg)
{
    struct worker *worker = arg;
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < 10 && !worker->code; i++)
        worker->code =
            ax_model_predict(worker->s->model, &worker->s->in, &worker->out, worker->scratch, &err);
}

static void threads_do_not_meet(void **state)
{
    (void)state;
    if (is_torture())
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct scoring s;
        bool ready = begin(&s, &subjects[i]);
        struct worker workers[THREADS] = { 0 };
        struct ax_thread threads[THREADS];
        struct ax_err err = AX_ERR_INIT;
        for (size_t k = 0; ready && k < THREADS; k++) {
            struct worker *worker = &workers[k];
            worker->s = &s;
            make_outputs(&s.arena, &s.model->signature, ROWS, worker->columns);
            worker->out = (struct ax_batch){ ROWS, s.out.column_count, worker->columns };
            worker->scratch =
                ax_arena_alloc_aligned(&s.arena, ax_model_scratch_size(s.model, ROWS) + 1, 1, 64);
        }
        for (size_t k = 0; ready && k < THREADS; k++)
            assert_int_equal(ax_thread_start(&threads[k], "work", work, &workers[k], &err), 0);
        for (size_t k = 0; ready && k < THREADS; k++) {
            ax_thread_join(&threads[k]);
            assert_int_equal(workers[k].code, AX_OK);
            check_same(&s, &workers[k].out, 0);
        }
        end(&s);
    }
}

/* Damaged bytes are refused, with nothing left behind; or they are another model, which answers. */
static void check_damaged(const struct subject *subject, struct ax_str bytes)
{
    struct ax_model *model = NULL;
    struct ax_err err = AX_ERR_INIT;
    enum ax_code code = load_bytes(subject->engine, bytes, &model, &err);
    if (code) {
        assert_null(model);
        assert_true(code == AX_E_INVALID || code == AX_E_UNSUPPORTED || code == AX_E_TOO_LARGE);
        assert_int_equal(err.code, code);
        assert_true(strlen(err.msg) > 0 && !strchr(err.msg, '\n'));
        return;
    }
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_column columns[OUTPUTS_MAX];
    ax_arena_init(&arena, (size_t)1 << 16, (size_t)1 << 28);
    if (!ax_rows_init(&rows, &model->signature, 1, &arena, &err) &&
        !ax_rows_finish(&rows, 0, 1, &err)) {
        struct ax_batch in = ax_rows_batch(&rows);
        make_outputs(&arena, &model->signature, 1, columns);
        struct ax_batch out = { 1, model->signature.output_count, columns };
        for (size_t i = 0; i < out.column_count; i++)
            if (ax_str_is(model->signature.outputs[i].name, "label"))
                columns[i].values = NULL; /* Nobody named the classes. */
        predict(model, &in, &out);
    }
    ax_arena_done(&arena);
    ax_model_unref(model);
}

static void damaged_files(void **state)
{
    (void)state;
    uint32_t sequence = 42;
    if (is_torture())
        skip();
    for (size_t i = 0; i < subject_count; i++) {
        struct ax_str bytes = ax_buf_str(&subjects[i].bytes);
        check_damaged(&subjects[i], (struct ax_str){ bytes.ptr, 0 });
        for (size_t k = 1; k <= CUTS; k++)
            check_damaged(&subjects[i], (struct ax_str){ bytes.ptr, bytes.len * k / (CUTS + 1) });
        for (size_t k = 0; k < 4 * CUTS; k++) {
            char *copy = ax_xmemdup0(bytes.ptr, bytes.len);
            copy[draw(&sequence) % bytes.len] ^= (char)(1u << draw(&sequence) % 8);
            check_damaged(&subjects[i], (struct ax_str){ copy, bytes.len });
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_engine_has_files),
        cmocka_unit_test(tables_are_complete),
        cmocka_unit_test(content_tells_the_engine),
        cmocka_unit_test(images_answer_as_models_do),
        cmocka_unit_test(tuning_changes_no_answer),
        cmocka_unit_test(signatures_are_complete),
        cmocka_unit_test(unwanted_outputs_are_left_out),
        cmocka_unit_test(slices_equal_the_whole),
        cmocka_unit_test(layout_does_not_matter),
        cmocka_unit_test(predicting_does_not_allocate),
        cmocka_unit_test(threads_do_not_meet),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests_name("engine", tests, read_files, drop_files);
}
