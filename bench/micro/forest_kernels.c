/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a row costs in each kernel of the engine `forest`, for batches from 1 to 4,096 rows.
 *
 *   forest_kernels [--cold] MODEL ROWS [SECONDS [KERNEL...]]    time kernels, all or the named ones
 *   forest_kernels MODEL ROWS =BATCH KERNEL CALLS               score CALLS batches, for callgrind
 *
 * ROWS is a file of native numbers of the model's input type, row by row; calls rotate over them,
 * so that no branch history can learn them. Every margin of every kernel and batch size is first
 * compared as bits with the portable kernel's of whole batches. Then, for each batch size, kernels
 * take turns in slices of a fraction of a millisecond, in an order that turns round each time, for
 * SECONDS (1); what is printed is the least and the median of the slices, in nanoseconds a row.
 * Slices are that short so that some are undisturbed even on a busy machine. Warm: nothing else
 * runs between the calls. With --cold 64 MB are walked between any two, and a slice is one call.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/forest/kernel.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

#define KERNELS_MAX  8
#define BATCH_MAX    4096
#define SLICE_NS     (UINT64_C(300) * 1000)
#define SLICES_MAX   20000
#define WALKED_BYTES ((size_t)64 << 20)
#define SLICES_LEAST 15

static const size_t batches[] = { 1, 2, 4, 8, 16, 32, 64, 256, 1024, BATCH_MAX };

struct runner {
    const char *name;
    struct ax_model *model;
    void *scratch;
    double *slices;
    size_t slice_count;
};

struct bench {
    struct runner runners[KERNELS_MAX];
    size_t runner_count;
    struct ax_str bytes;
    char *rows;
    size_t row_count;
    size_t row_bytes;
    size_t margin_bytes; /* of a row */
    struct ax_column *columns;
    char *margins;
    char *wanted; /* margins of all rows */
    char *walked; /* WALKED_BYTES, or NULL when caches may stay warm */
};

static void score(const struct bench *b, const struct runner *runner, size_t from, size_t count,
                  char *margins)
{
    const struct ax_signature *signature = &runner->model->signature;
    enum ax_datatype in_type = signature->inputs[0].datatype;
    enum ax_datatype out_type = signature->outputs[1].datatype;
    for (size_t i = 0; i < signature->input_count; i++)
        b->columns[i].values = b->rows + from * b->row_bytes + i * ax_datatype_size(in_type);
    struct ax_column out[2] = { { .datatype = out_type, .width = 1 },
                                { .datatype = out_type,
                                  .width = signature->outputs[1].width,
                                  .values = margins,
                                  .stride = b->margin_bytes } };
    struct ax_batch in = { count, signature->input_count, b->columns };
    struct ax_batch results = { count, AX_COUNT(out), out };
    struct ax_err err = AX_ERR_INIT;
    if (ax_model_predict(runner->model, &in, &results, runner->scratch, &err))
        die(err.msg);
}

static void add_runner(struct bench *b, const char *name)
{
    struct runner *runner = &b->runners[b->runner_count++];
    struct ax_err err = AX_ERR_INIT;
    runner->name = name;
    (void)setenv(AX_KERNEL_VARIABLE, name, 1);
    uint64_t start = ax_clock_ns();
    if (ax_engine_load(&ax_engine_forest, b->bytes, NULL, &runner->model, &err))
        die(err.msg);
    printf("%s: loaded in %.1f ms\n", name, (double)(ax_clock_ns() - start) * 1e-6);
    size_t size = ax_model_scratch_size(runner->model, BATCH_MAX);
    runner->scratch = aligned_alloc(64, (size + 63) & ~(size_t)63);
    runner->slices = ax_xalloc(SLICES_MAX * sizeof(double));
}

static void prepare(struct bench *b, const char *rows_path)
{
    const struct ax_signature *signature = &b->runners[0].model->signature;
    struct ax_buf rows = read_file(rows_path);
    b->row_bytes = signature->input_count * ax_datatype_size(signature->inputs[0].datatype);
    b->margin_bytes =
        signature->outputs[1].width * ax_datatype_size(signature->outputs[1].datatype);
    b->columns = ax_xalloc(signature->input_count * sizeof(*b->columns));
    for (size_t i = 0; i < signature->input_count; i++)
        b->columns[i] = (struct ax_column){ .datatype = signature->inputs[0].datatype,
                                            .width = 1,
                                            .stride = b->row_bytes };
    b->columns[0].matrix_columns = (uint32_t)signature->input_count;
    b->rows = rows.ptr;
    b->row_count = rows.len / b->row_bytes;
    if (b->row_count < BATCH_MAX)
        die("too few rows");
    b->margins = ax_xalloc(b->row_count * b->margin_bytes);
    b->wanted = ax_xalloc(b->row_count * b->margin_bytes);
}

static void check_parity(const struct bench *b)
{
    for (size_t k = 0; k < b->runner_count; k++) {
        for (size_t i = AX_COUNT(batches); i-- > 0;) {
            bool is_reference = k == 0 && batches[i] == BATCH_MAX;
            for (size_t from = 0; from < b->row_count; from += batches[i])
                score(b, &b->runners[k], from, AX_MIN(batches[i], b->row_count - from),
                      (is_reference ? b->wanted : b->margins) + from * b->margin_bytes);
            if (!is_reference && memcmp(b->margins, b->wanted, b->row_count * b->margin_bytes) != 0)
                die("the answers differ");
        }
    }
    printf("parity: %zu rows equal as bits in every kernel and batch size\n", b->row_count);
}

/* Leave nothing in the caches but this. */
static void walk(char *bytes)
{
    for (size_t i = 0; i < WALKED_BYTES; i += 64)
        *(volatile char *)&bytes[i] += 1;
}

/* One slice; returns nanoseconds a row. *at is the row that comes next. */
static double slice(const struct bench *b, const struct runner *runner, size_t batch, size_t *at)
{
    if (b->walked)
        walk(b->walked);
    uint64_t start = ax_clock_ns(), now;
    size_t rows = 0;
    do {
        if (*at + batch > b->row_count)
            *at = 0;
        score(b, runner, *at, batch, b->margins);
        *at += batch;
        rows += batch;
        now = ax_clock_ns();
    } while (!b->walked && now - start < SLICE_NS);
    return (double)(now - start) / (double)rows;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_batch(struct bench *b, size_t batch, double seconds)
{
    uint64_t start = ax_clock_ns();
    for (size_t k = 0; k < b->runner_count; k++)
        b->runners[k].slice_count = 0;
    size_t at = 0;
    for (size_t turn = 0; turn < SLICES_MAX; turn++) {
        for (size_t i = 0; i < b->runner_count; i++) {
            size_t k = turn % 2 ? b->runner_count - 1 - i : i;
            struct runner *runner = &b->runners[k];
            runner->slices[runner->slice_count++] = slice(b, runner, batch, &at);
        }
        if (turn >= SLICES_LEAST && (double)(ax_clock_ns() - start) * 1e-9 > seconds)
            break;
    }
    printf("%5zu rows a call:", batch);
    for (size_t k = 0; k < b->runner_count; k++) {
        struct runner *runner = &b->runners[k];
        qsort(runner->slices, runner->slice_count, sizeof(double), by_value);
        printf("  %s %.0f / %.0f", runner->name, runner->slices[0],
               runner->slices[runner->slice_count / 2]);
    }
    printf("\n");
}

/* For callgrind: the difference of two runs of different length is what calls cost. */
static int count_calls(struct bench *b, char **argv)
{
    uint64_t batch = 0, calls = 0;
    if (!ax_str_to_u64(ax_str_from(argv[3] + 1), &batch) || batch < 1 || batch > BATCH_MAX ||
        !ax_str_to_u64(ax_str_from(argv[5]), &calls))
        die("MODEL ROWS =BATCH KERNEL CALLS");
    add_runner(b, argv[4]);
    prepare(b, argv[2]);
    for (uint64_t i = 0, at = 0; i < calls; i++, at += batch)
        score(b, &b->runners[0], (size_t)(at % (b->row_count - batch + 1)), (size_t)batch,
              b->margins);
    return 0;
}

int main(int argc, char **argv)
{
    bool is_cold = argc > 1 && strcmp(argv[1], "--cold") == 0;
    argc -= is_cold;
    argv += is_cold;
    if (argc < 3)
        die("[--cold] MODEL ROWS [SECONDS [KERNEL...]]");
    struct ax_buf model = read_file(argv[1]);
    struct bench b = { .bytes = ax_buf_str(&model),
                       .walked = is_cold ? ax_xalloc(WALKED_BYTES) : NULL };
    if (argc == 6 && argv[3][0] == '=')
        return count_calls(&b, argv);
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 1.0;
    for (size_t i = 0; argc > 4 ? i + 4 < (size_t)argc : ax_forest_kernels[i] != NULL; i++) {
        if (b.runner_count == KERNELS_MAX)
            die("too many kernels");
        if (argc > 4 || ax_forest_kernels[i]->runs_here())
            add_runner(&b, argc > 4 ? argv[i + 4] : ax_forest_kernels[i]->name);
    }
    prepare(&b, argv[2]);
    check_parity(&b);
    printf("nanoseconds a row, %s, least / median:\n", is_cold ? "cold" : "warm");
    for (size_t i = 0; i < AX_COUNT(batches); i++)
        time_batch(&b, batches[i], seconds);
    for (size_t k = 0; k < b.runner_count; k++) {
        ax_model_unref(b.runners[k].model);
        free(b.runners[k].scratch);
        free(b.runners[k].slices);
    }
    return 0;
}
