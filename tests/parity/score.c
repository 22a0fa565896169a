/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Score a file of rows with the engine `forest`: our side of tools/parity.
 *
 *   score MODEL ROWS OUT BATCH LAYOUT ITERATIONS
 *
 * ROWS is a file of native numbers of the model's input type, row by row, as wide as the model has
 * features; OUT becomes one of its outputs' types: for each row the prediction, the margins and,
 * where the model has them, the probabilities. BATCH rows are scored in one call. LAYOUT is
 * `matrix` (one row-major block) or `columns` (each column apart, so that the engine gathers).
 * Name, width and type of each output go to standard output, one a line.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/forest/kernel.h"

#include <stdio.h>
#include <stdlib.h>

struct scoring {
    struct ax_model *model;
    bool by_columns;
    size_t features;
    enum ax_datatype type; /* of the rows */
    size_t size;           /* bytes of one value of them */
    size_t pitch;          /* bytes a row in OUT */
    char *transposed;      /* for by_columns */
    struct ax_column *inputs;
    struct ax_column outputs[4];
    size_t output_count;
    void *scratch;
};

static int fail(const char *what)
{
    (void)fprintf(stderr, "score: %s\n", what);
    return 1;
}

static int read_file(const char *path, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    ax_buf_init(out, (size_t)1 << 32);
    return ax_file_read(path, out, &err) == AX_OK ? 0 : fail(err.msg);
}

static int load(const char *path, char *iterations, struct ax_model **ret)
{
    struct {
        char *iterations;
    } config = { iterations };
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf bytes;
    if (read_file(path, &bytes))
        return 1;
    assert(sizeof(config) == ax_engine_forest.config_size);
    enum ax_code code = ax_engine_load(&ax_engine_forest, ax_buf_str(&bytes), &config, ret, &err);
    ax_buf_done(&bytes);
    return code == AX_OK ? 0 : fail(err.msg);
}

static void prepare(struct scoring *s, size_t batch)
{
    const struct ax_signature *signature = &s->model->signature;
    s->features = signature->input_count;
    s->type = signature->inputs[0].datatype;
    s->size = ax_datatype_size(s->type);
    s->inputs = ax_xalloc(s->features * sizeof(*s->inputs));
    s->transposed = ax_xalloc(batch * s->features * s->size);
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        if (output->datatype == AX_BYTES)
            break; /* the label comes last */
        s->outputs[i] = (struct ax_column){ .datatype = output->datatype, .width = output->width };
        printf("%.*s %zu %s\n", AX_STR_ARG(output->name), output->width,
               ax_datatype_name(output->datatype));
        s->pitch += output->width * ax_datatype_size(output->datatype);
        s->output_count++;
    }
    size_t scratch = (ax_model_scratch_size(s->model, batch) + 63) & ~(size_t)63;
    s->scratch = aligned_alloc(64, scratch);
}

static int score_batch(struct scoring *s, char *rows, size_t count, char *out)
{
    size_t row_bytes = s->features * s->size;
    for (size_t i = 0; i < s->features; i++) {
        s->inputs[i] = (struct ax_column){
            .datatype = s->type, .width = 1, .values = rows + i * s->size, .stride = row_bytes
        };
        if (!s->by_columns)
            continue;
        char *column = s->transposed + i * count * s->size;
        for (size_t r = 0; r < count; r++)
            memcpy(column + r * s->size, rows + r * row_bytes + i * s->size, s->size);
        s->inputs[i].values = column;
        s->inputs[i].stride = s->size;
    }
    for (size_t i = 0; i < s->output_count; i++) {
        s->outputs[i].values = out;
        s->outputs[i].stride = s->pitch;
        out += s->outputs[i].width * ax_datatype_size(s->outputs[i].datatype);
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch in = { count, s->features, s->inputs };
    struct ax_batch results = { count, s->output_count, s->outputs };
    if (ax_model_predict(s->model, &in, &results, s->scratch, &err))
        return fail(err.msg);
    return 0;
}

static int score_file(struct scoring *s, const char *in_path, const char *out_path, size_t batch)
{
    struct ax_buf bytes;
    if (read_file(in_path, &bytes))
        return 1;
    FILE *f = fopen(out_path, "wb");
    if (!f)
        return fail("cannot open the output");
    size_t row_bytes = s->features * s->size;
    size_t rows = bytes.len / row_bytes;
    char *out = ax_xalloc(batch * s->pitch);
    int status = 0;
    for (size_t from = 0; from < rows && !status; from += batch) {
        size_t count = AX_MIN(batch, rows - from);
        status = score_batch(s, bytes.ptr + from * row_bytes, count, out);
        if (!status && fwrite(out, s->pitch, count, f) != count)
            status = fail("cannot write");
    }
    if (fclose(f) != 0)
        status = fail("cannot write");
    free(out);
    ax_buf_done(&bytes);
    return status;
}

/* The names of the kernels that this CPU can run, one a line. */
static int list_kernels(void)
{
    for (size_t i = 0; ax_forest_kernels[i]; i++) {
        if (ax_forest_kernels[i]->runs_here())
            printf("%s\n", ax_forest_kernels[i]->name);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--kernels") == 0)
        return list_kernels();
    if (argc != 7)
        return fail("MODEL ROWS OUT BATCH LAYOUT ITERATIONS | --kernels");
    struct scoring s = { .by_columns = strcmp(argv[5], "columns") == 0 };
    uint64_t batch = 0;
    if (!ax_str_to_u64(ax_str_from(argv[4]), &batch) || batch < 1 || batch > 1 << 20)
        return fail("BATCH is no number");
    if (load(argv[1], argv[6], &s.model))
        return 1;
    prepare(&s, (size_t)batch);
    int status = score_file(&s, argv[2], argv[3], (size_t)batch);
    free(s.inputs);
    free(s.transposed);
    free(s.scratch);
    ax_model_unref(s.model);
    return status;
}
