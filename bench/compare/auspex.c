/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ours: the engine `forest` through its seam, as the server calls it.
 *
 *   auspex MODEL
 *
 * A call says anew where each column begins, which is our price of describing a matrix.
 */
#include "contestant.h"

#include "engine/engine.h"
#include "engine/forest/forest.h"

#include <stdlib.h>

struct auspex {
    struct contestant base;
    struct ax_model *model;
    struct ax_column *columns;
    void *scratch;
};

static struct contestant *auspex_open(char **words, const struct compare_rows *rows)
{
    struct auspex *a = ax_xalloc(sizeof(*a));
    size_t size;
    char *bytes = compare_read_file(words[0], &size);
    struct ax_err err = AX_ERR_INIT;
    if (ax_engine_load(&ax_engine_forest, (struct ax_str){ bytes, size }, NULL, &a->model, &err))
        compare_die("%s", err.msg);
    free(bytes);
    const struct ax_signature *signature = &a->model->signature;
    if (signature->input_count != rows->features || signature->outputs[1].width != 1)
        compare_die("'%s' has %zu features and %zu margins a row, the rows are of %zu and 1",
                    words[0], signature->input_count, signature->outputs[1].width, rows->features);
    a->base = (struct contestant){ .kind = &contestant_auspex,
                                   .rows = rows,
                                   .row_type = signature->inputs[0].datatype,
                                   .margin_type = signature->outputs[1].datatype };
    a->columns = ax_xalloc(rows->features * sizeof(*a->columns));
    for (size_t i = 0; i < rows->features; i++)
        a->columns[i] =
            (struct ax_column){ .datatype = a->base.row_type,
                                .width = 1,
                                .stride = rows->features * ax_datatype_size(a->base.row_type) };
    a->columns[0].matrix_columns = (uint32_t)rows->features;
    size_t scratch = (ax_model_scratch_size(a->model, COMPARE_BATCH_MAX) + 63) & ~(size_t)63;
    a->scratch = aligned_alloc(64, scratch);
    if (!a->scratch)
        compare_die("no memory for %zu bytes of scratch", scratch);
    return &a->base;
}

static void auspex_predict(struct contestant *contestant, const void *values, size_t count,
                           void *margins)
{
    struct auspex *a = container_of(contestant, struct auspex, base);
    size_t size = ax_datatype_size(contestant->row_type);
    size_t features = contestant->rows->features;
    for (size_t i = 0; i < features; i++)
        a->columns[i].values = (char *)(uintptr_t)values + i * size;
    enum ax_datatype type = contestant->margin_type;
    struct ax_column out[2] = {
        { .datatype = type, .width = 1 },
        { .datatype = type, .width = 1, .values = margins, .stride = ax_datatype_size(type) }
    };
    struct ax_batch in = { count, features, a->columns };
    struct ax_batch results = { count, AX_COUNT(out), out };
    struct ax_err err = AX_ERR_INIT;
    if (ax_model_predict(a->model, &in, &results, a->scratch, &err))
        compare_die("%s", err.msg);
}

const struct contestant_kind contestant_auspex = {
    .name = "auspex",
    .open = auspex_open,
    .predict = auspex_predict,
};
