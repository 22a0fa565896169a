/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one prediction of the engine `forest` costs, beside XGBoost's C API on the same rows.
 *
 *   forest_bench MODEL ROWS LIBXGBOOST ROUNDS     time both, interleaved
 *   forest_bench MODEL ROWS - COUNT               score COUNT single rows, for callgrind
 *   forest_bench MODEL ROWS = COUNT               score COUNT rows in batches, for callgrind
 *
 * ROWS is a file of native f32, row by row; rows rotate, so that no branch history can learn them.
 * Timing: first every row's margin is compared as bits. Then each round measures ours, the
 * library's, the library's, ours (each 1 row a call, then BATCH rows a call); what is printed is
 * the least and the median of the rounds, in nanoseconds a row, and the median of the ratios within
 * a round. The library runs one thread, and writes into its own memory as always.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/forest/forest.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH       2048
#define SINGLE_ROWS 2048
#define ROUNDS_MAX  101

/* The parts of the library that are called; the signatures are those of its c_api.h. */
struct library {
    int (*create)(const void *const *matrices, uint64_t count, void **ret_booster);
    int (*load)(void *booster, const char *path);
    int (*set_param)(void *booster, const char *name, const char *value);
    int (*predict)(void *booster, const char *values, const char *config, void *matrix,
                   const uint64_t **ret_shape, uint64_t *ret_dim, const float **ret_result);
    void *booster;
};

struct bench {
    struct ax_model *model;
    size_t features;
    size_t groups;
    size_t row_count;
    float *rows;
    float *margins; /* ours, of all rows */
    struct ax_column *columns;
    void *scratch;
    struct library library;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "forest_bench: %s\n", what);
    exit(1);
}

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        die(path);
    long size = ftell(f);
    rewind(f);
    char *bytes = ax_xalloc((size_t)size + 1);
    *ret_size = fread(bytes, 1, (size_t)size, f);
    (void)fclose(f);
    return bytes;
}

static void *symbol(void *handle, const char *name)
{
    void *found = dlsym(handle, name);
    if (!found)
        die(name);
    return found;
}

static void open_library(struct library *l, const char *path, const char *model)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        die(dlerror());
    /* POSIX has data pointers hold functions here; ISO C has no cast for it. */
    *(void **)&l->create = symbol(handle, "XGBoosterCreate");
    *(void **)&l->load = symbol(handle, "XGBoosterLoadModel");
    *(void **)&l->set_param = symbol(handle, "XGBoosterSetParam");
    *(void **)&l->predict = symbol(handle, "XGBoosterPredictFromDense");
    if (l->create(NULL, 0, &l->booster) || l->load(l->booster, model) ||
        l->set_param(l->booster, "nthread", "1"))
        die("the library cannot load the model");
}

static const float *library_margins(const struct bench *b, size_t from, size_t count)
{
    char values[200];
    (void)snprintf(values, sizeof(values),
                   "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
                   (size_t)(uintptr_t)(b->rows + from * b->features), count, b->features);
    static const char config[] = "{\"type\":1,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"missing\":NaN,\"strict_shape\":true,"
                                 "\"cache_id\":0}";
    const uint64_t *shape;
    uint64_t dim;
    const float *result;
    if (b->library.predict(b->library.booster, values, config, NULL, &shape, &dim, &result))
        die("the library cannot predict");
    return result;
}

static void our_margins(const struct bench *b, size_t from, size_t count)
{
    for (size_t i = 0; i < b->features; i++)
        b->columns[i] = (struct ax_column){ .datatype = AX_FP32,
                                            .width = 1,
                                            .values = b->rows + from * b->features + i,
                                            .stride = b->features * sizeof(float) };
    struct ax_column out[2] = { { .datatype = AX_FP32, .width = 1 },
                                { .datatype = AX_FP32,
                                  .width = b->groups,
                                  .values = b->margins + from * b->groups,
                                  .stride = b->groups * sizeof(float) } };
    struct ax_batch in = { count, b->features, b->columns };
    struct ax_batch results = { count, AX_COUNT(out), out };
    struct ax_err err = AX_ERR_INIT;
    if (ax_model_predict(b->model, &in, &results, b->scratch, &err))
        die(err.msg);
}

static void prepare(struct bench *b, const char *model_path, const char *rows_path)
{
    size_t size;
    char *bytes = read_file(model_path, &size);
    struct ax_err err = AX_ERR_INIT;
    uint64_t start = ax_clock_ns();
    if (ax_engine_load(&ax_engine_forest, (struct ax_str){ bytes, size }, NULL, &b->model, &err))
        die(err.msg);
    printf("load: %.1f ms for %.1f MB\n", (double)(ax_clock_ns() - start) * 1e-6,
           (double)size * 1e-6);
    free(bytes);
    b->features = b->model->signature.input_count;
    b->groups = b->model->signature.outputs[1].width;
    b->rows = (float *)(void *)read_file(rows_path, &size);
    b->row_count = size / sizeof(float) / b->features;
    if (b->row_count < BATCH)
        die("too few rows");
    b->margins = ax_xalloc(b->row_count * b->groups * sizeof(float));
    b->columns = ax_xalloc(b->features * sizeof(*b->columns));
    b->scratch = aligned_alloc(64, (ax_model_scratch_size(b->model, BATCH) + 63) & ~(size_t)63);
}

static void check_parity(const struct bench *b)
{
    for (size_t from = 0; from + BATCH <= b->row_count; from += BATCH) {
        our_margins(b, from, BATCH);
        const float *theirs = library_margins(b, from, BATCH);
        if (memcmp(theirs, b->margins + from * b->groups, BATCH * b->groups * sizeof(float)) != 0)
            die("the answers differ");
    }
    printf("parity: %zu rows equal as bits\n", b->row_count / BATCH * BATCH);
}

/* Nanoseconds a row. */
static double time_one(const struct bench *b, bool ours, size_t rows_a_call, size_t round)
{
    size_t calls = rows_a_call == 1 ? SINGLE_ROWS : 1;
    uint64_t start = ax_clock_ns();
    for (size_t i = 0; i < calls; i++) {
        size_t from = (round * SINGLE_ROWS + i) % (b->row_count - rows_a_call + 1);
        if (ours)
            our_margins(b, from, rows_a_call);
        else
            (void)library_margins(b, from, rows_a_call);
    }
    return (double)(ax_clock_ns() - start) / (double)(calls * rows_a_call);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_both(const struct bench *b, size_t rows_a_call, size_t rounds)
{
    double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX];
    for (size_t r = 0; r < rounds; r++) {
        double a = time_one(b, true, rows_a_call, r);
        double x = time_one(b, false, rows_a_call, r);
        x = (x + time_one(b, false, rows_a_call, r + 1)) / 2;
        a = (a + time_one(b, true, rows_a_call, r + 1)) / 2;
        ours[r] = a;
        theirs[r] = x;
        ratios[r] = x / a;
    }
    qsort(ours, rounds, sizeof(*ours), by_value);
    qsort(theirs, rounds, sizeof(*theirs), by_value);
    qsort(ratios, rounds, sizeof(*ratios), by_value);
    printf("%4zu rows a call: ours %.0f / %.0f ns, XGBoost %.0f / %.0f ns (least / median), "
           "ratio %.1f (%.1f to %.1f)\n",
           rows_a_call, ours[0], ours[rounds / 2], theirs[0], theirs[rounds / 2],
           ratios[rounds / 2], ratios[rounds / 10], ratios[rounds - 1 - rounds / 10]);
}

int main(int argc, char **argv)
{
    uint64_t count = 0;
    if (argc != 5 || !ax_str_to_u64(ax_str_from(argv[4]), &count) || count < 1)
        die("MODEL ROWS LIBXGBOOST|-|= COUNT");
    struct bench b = { 0 };
    prepare(&b, argv[1], argv[2]);
    if (strcmp(argv[3], "-") == 0) {
        for (size_t i = 0; i < count; i++)
            our_margins(&b, i % b.row_count, 1);
        return 0;
    }
    if (strcmp(argv[3], "=") == 0) {
        for (size_t i = 0; i < count / BATCH; i++)
            our_margins(&b, 0, BATCH);
        return 0;
    }
    open_library(&b.library, argv[3], argv[1]);
    check_parity(&b);
    time_both(&b, 1, AX_MIN(count, ROUNDS_MAX));
    time_both(&b, 64, AX_MIN(count * 4, ROUNDS_MAX));
    time_both(&b, BATCH, AX_MIN(count, ROUNDS_MAX));
    return 0;
}
