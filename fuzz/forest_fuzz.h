/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of model files share: load, and when that works, score three rows of
 * edges in one call, so that whatever the loader accepts is also walked.
 */
#ifndef AX_FUZZ_FOREST_FUZZ_H
#define AX_FUZZ_FOREST_FUZZ_H

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/forest/forest.h"

#include <math.h>
#include <stdlib.h>

#define FUZZ_ROWS 3

static inline void forest_fuzz_score_rows(const struct ax_model *model, size_t row_count)
{
    static const float edges[] = { NAN, 0.0f, -1.0f, INFINITY, 3.0f, -INFINITY, 0.5f };
    const struct ax_signature *signature = &model->signature;
    size_t features = signature->input_count;
    enum ax_datatype datatype = signature->inputs[0].datatype;
    size_t size = ax_datatype_size(datatype);
    char *rows = ax_xalloc(row_count * features * size);
    struct ax_column *columns = ax_xalloc(features * sizeof(*columns));
    for (size_t i = 0; i < row_count * features; i++) {
        float narrow = edges[i % AX_COUNT(edges)];
        double wide = (double)narrow;
        memcpy(rows + i * size, datatype == AX_FP64 ? (void *)&wide : (void *)&narrow, size);
    }
    for (size_t i = 0; i < features; i++)
        columns[i] = (struct ax_column){
            .datatype = datatype, .width = 1, .values = rows + i * size, .stride = features * size
        };
    struct ax_column out[3] = { { 0 } };
    size_t outputs = AX_MIN(signature->output_count, AX_COUNT(out)); /* all but the label */
    for (size_t i = 0; i < outputs; i++) {
        size_t stride =
            signature->outputs[i].width * ax_datatype_size(signature->outputs[i].datatype);
        out[i] = (struct ax_column){ .datatype = signature->outputs[i].datatype,
                                     .width = signature->outputs[i].width,
                                     .values = ax_xalloc(row_count * stride),
                                     .stride = stride };
    }
    struct ax_batch in = { row_count, features, columns };
    struct ax_batch results = { row_count, outputs, out };
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, row_count) + 63) & ~(size_t)63);
    struct ax_err err = AX_ERR_INIT;
    if (ax_model_predict(model, &in, &results, scratch, &err))
        abort(); /* the batch fits the signature, so nothing may fail */
    for (size_t i = 0; i < outputs; i++)
        free(out[i].values);
    free(scratch);
    free(columns);
    free(rows);
}

static inline void forest_fuzz_score(const struct ax_model *model)
{
    forest_fuzz_score_rows(model, FUZZ_ROWS);
}

static inline void forest_fuzz(struct ax_str bytes)
{
    struct ax_model *model = NULL;
    struct ax_err err = AX_ERR_INIT;
    if (ax_engine_load(&ax_engine_forest, bytes, NULL, &model, &err) == AX_OK)
        forest_fuzz_score(model);
    ax_model_unref(model);
}

#endif
