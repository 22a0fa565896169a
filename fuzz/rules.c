/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a rules file from outside. Whatever loads is scored on rows of edges and of missing
 * values, so that every condition that compiles is also evaluated.
 */
#include "data/rows.h"
#include "engine/backends.h"

#include <math.h>
#include <stdlib.h>

#define ROWS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct ax_rows *rows)
{
    static const double numbers[ROWS] = { 0, -1, 1, 0 };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < rows->signature->input_count; i++) {
        for (size_t row = 0; row + 1 < ROWS; row++) { /* The last row stays missing. */
            enum ax_code code;
            if (rows->signature->inputs[i].datatype == AX_BYTES)
                code = ax_rows_set_str(rows, row, i, AX_STR("UA"), &err);
            else if (rows->signature->inputs[i].datatype == AX_BOOL)
                code = ax_rows_set_bool(rows, row, i, row == 1, &err);
            else
                code = ax_rows_set_f64(rows, row, i, numbers[row], &err);
            if (code)
                abort(); /* Each is a value of the input's datatype. */
        }
    }
}

static void score(const struct ax_model *model)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_column columns[16];
    const struct ax_signature *signature = &model->signature;
    ax_arena_init(&arena, 4096, (size_t)1 << 26);
    if (ax_rows_init(&rows, signature, ROWS, &arena, &err))
        abort();
    fill(&rows);
    if (signature->output_count > AX_COUNT(columns))
        abort();
    for (size_t i = 0; i < signature->output_count; i++) {
        size_t bytes = ax_datatype_size(signature->outputs[i].datatype);
        columns[i] = (struct ax_column){ .datatype = signature->outputs[i].datatype,
                                         .width = 1,
                                         .values = ax_arena_alloc(&arena, ROWS, bytes),
                                         .stride = bytes };
    }
    struct ax_batch in = ax_rows_batch(&rows);
    struct ax_batch out = { ROWS, signature->output_count, columns };
    /* Conditions may make texts that are too long. */
    if (ax_model_predict(model, &in, &out, NULL, &err) && err.code != AX_E_TOO_LARGE)
        abort();
    ax_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = NULL;
    struct ax_str bytes = { (const char *)data, size };
    (void)ax_engine_rules.recognise(bytes);
    if (!ax_engine_load(&ax_engine_rules, bytes, NULL, &model, &err))
        score(model);
    else if (!err.code || model)
        abort();
    ax_model_unref(model);
    return 0;
}
