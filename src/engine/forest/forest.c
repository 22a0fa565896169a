/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine `forest`: tree ensembles read from the files their libraries write.
 *
 * Loading reads the file into a document, the document into a forest, and compiles the forest;
 * document and forest are dropped. Predicting goes in blocks of BLOCK_ROWS rows: the block's rows
 * become slots, a kernel turns slots into margins, and each wanted output is computed from the
 * margins. A batch that is one f32 matrix is read where it lies. All working memory is the caller's
 * scratch, whose size does not grow with the batch.
 *
 * Outputs, in this order as far as the objective has them: prediction (what the library's predict
 * returns), margin, probability, label (last, so that it can be left out where the version has no
 * names for its classes).
 */
#include "engine/forest/forest.h"

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/forest/compile.h"
#include "engine/forest/transform.h"
#include "engine/forest/xgboost_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_ROWS 16
/* From here on rows in one tree keep the processor as busy as trees of one row, and touch each
 * node once. */
#define ROWS_KERNEL_MIN 6
#define ALIGN_UP(n)     (((n) + 63) & ~(size_t)63)

enum forest_output {
    FOREST_PREDICTION,
    FOREST_MARGIN,
    FOREST_PROBABILITY,
    FOREST_LABEL,
    FOREST_OUTPUT_COUNT
};

struct forest_config {
    char *iterations;
};

struct forest_model {
    struct ax_model base;
    struct ax_compiled compiled;
    enum ax_transform transform;
    enum forest_output outputs[FOREST_OUTPUT_COUNT]; /* of the signature, in its order */
    size_t output_count;
};

static const struct ax_option forest_options[] = {
    { AX_OPTION_TEXT, "iterations", "all", offsetof(struct forest_config, iterations), 0, 0,
      "all|best|N",
      "How many boosting rounds answer: all, up to the best one of early stopping, or a number." },
    { 0 },
};

static bool forest_recognise(struct ax_str head)
{
    if (head.len < 2)
        return false;
    size_t at = 0;
    while (at < head.len && (head.ptr[at] == ' ' || head.ptr[at] == '\t' || head.ptr[at] == '\r' ||
                             head.ptr[at] == '\n'))
        at++;
    return at < head.len && head.ptr[at] == '{' &&
           memmem(head.ptr + at, head.len - at, "learner", strlen("learner")) != NULL;
}

static enum ax_code forest_iterations(const struct forest_config *config, struct ax_iterations *ret,
                                      struct ax_err *err)
{
    struct ax_str text = ax_str_from(config && config->iterations ? config->iterations : "all");
    uint64_t count = 0;
    if (ax_str_is(text, "all"))
        *ret = (struct ax_iterations){ .kind = AX_ITERATIONS_ALL };
    else if (ax_str_is(text, "best"))
        *ret = (struct ax_iterations){ .kind = AX_ITERATIONS_BEST };
    else if (ax_str_to_u64(text, &count) && count >= 1 && count <= INT64_MAX)
        *ret = (struct ax_iterations){ .kind = AX_ITERATIONS_COUNT, .count = (int64_t)count };
    else
        return ax_fail(err, AX_E_INVALID, "iterations: '%.*s' is not all, best or a number from 1",
                       AX_STR_ARG(text));
    return AX_OK;
}

static void forest_add_output(struct forest_model *model, enum forest_output output,
                              const char *name, enum ax_datatype datatype, size_t width)
{
    model->base.signature.outputs[model->output_count] =
        (struct ax_output){ .name = ax_str_from(name),
                            .datatype = datatype,
                            .width = width,
                            .by_default = output == FOREST_PREDICTION };
    model->outputs[model->output_count++] = output;
}

static enum ax_code forest_sign(struct forest_model *model, const struct ax_document *document,
                                const struct ax_forest *forest, struct ax_err *err)
{
    struct ax_signature *signature = &model->base.signature;
    size_t groups = forest->group_count;
    size_t outputs = forest->has_probability ? 4 : 2;
    if (ax_signature_init(signature, forest->feature_count, outputs, err))
        return err->code;
    signature->task = forest->task;
    forest_add_output(model, FOREST_PREDICTION, "prediction", AX_FP32,
                      ax_transform_width(forest->transform, groups));
    forest_add_output(model, FOREST_MARGIN, "margin", AX_FP32, groups);
    if (forest->has_probability) {
        forest_add_output(model, FOREST_PROBABILITY, "probability", AX_FP32, groups);
        forest_add_output(model, FOREST_LABEL, "label", AX_BYTES, 1);
    }
    if (ax_xgboost_describe(document, forest, signature, err))
        return err->code;
    signature->form = AX_FORM_TENSOR;
    for (size_t i = 0; i < signature->input_count; i++) {
        if (signature->inputs[i].categories)
            signature->form = AX_FORM_COLUMNS;
    }
    return AX_OK;
}

static void forest_free(struct ax_model *model)
{
    if (!model)
        return;
    struct forest_model *forest = container_of(model, struct forest_model, base);
    ax_compiled_done(&forest->compiled);
    ax_signature_done(&forest->base.signature);
    free(forest);
}

static enum ax_code forest_load(struct ax_str bytes, const void *config,
                                struct ax_model **ret_model, struct ax_err *err)
{
    struct ax_iterations iterations;
    struct ax_document document;
    if (forest_iterations(config, &iterations, err) || ax_document_init(&document, bytes, err))
        return err->code;
    bool is_json = document.count && document.values[0].form == AX_VALUE_FORM_JSON;
    struct ax_forest forest = { 0 };
    struct forest_model *model = NULL;
    if (!ax_xgboost_read(&document, iterations, &forest, err)) {
        model = ax_xalloc(sizeof(*model));
        ax_model_init(&model->base, &ax_engine_forest);
        model->transform = forest.transform;
        (void)snprintf(model->base.format, sizeof(model->base.format), "xgboost_%s",
                       is_json ? "json" : "ubjson");
        memcpy(model->base.iterations, forest.iterations, sizeof(model->base.iterations));
        (void)(forest_sign(model, &document, &forest, err) ||
               ax_compiled_init(&model->compiled, &forest, err));
    }
    ax_forest_done(&forest);
    ax_document_done(&document);
    if (err->code) {
        forest_free(model ? &model->base : NULL);
        return err->code;
    }
    *ret_model = &model->base;
    return AX_OK;
}

/* The parts of the scratch, for one block. */
struct forest_scratch {
    float *gathered; /* one row, when the batch is no matrix */
    union ax_slot *slots;
    float *margins;
    float *leaves;
    float *outputs; /* one row's prediction */
    size_t bytes;
};

static struct forest_scratch forest_divide(const struct forest_model *model, size_t rows,
                                           void *memory)
{
    const struct ax_compiled *c = &model->compiled;
    size_t block = AX_MIN(rows, BLOCK_ROWS);
    size_t gathered = ALIGN_UP(c->feature_count * sizeof(float));
    size_t slots = ALIGN_UP(block * c->slot_count * sizeof(union ax_slot));
    size_t margins = ALIGN_UP(block * c->group_count * sizeof(float));
    size_t leaves = ALIGN_UP((c->tree_count + 1) * sizeof(float));
    size_t outputs = ALIGN_UP(c->group_count * sizeof(float));
    char *at = memory;
    struct forest_scratch s = { .bytes = gathered + slots + margins + leaves + outputs };
    if (!at)
        return s;
    s.gathered = (float *)(void *)at;
    s.slots = (union ax_slot *)(void *)(at += gathered);
    s.margins = (float *)(void *)(at += slots);
    s.leaves = (float *)(void *)(at += margins);
    s.outputs = (float *)(void *)(at + leaves);
    return s;
}

static size_t forest_scratch_size(const struct ax_model *model, size_t rows)
{
    assert(model);
    return forest_divide(container_of_const(model, struct forest_model, base), rows, NULL).bytes;
}

static void forest_fill(const struct forest_model *model, const struct ax_batch *in, bool is_matrix,
                        size_t from, size_t rows, const struct forest_scratch *scratch)
{
    const struct ax_compiled *c = &model->compiled;
    for (size_t r = 0; r < rows; r++) {
        const float *row = scratch->gathered;
        if (is_matrix)
            row = ax_column_at(&in->columns[0], from + r);
        for (size_t i = 0; !is_matrix && i < c->feature_count; i++) {
            const struct ax_column *column = &in->columns[i];
            const float *value = ax_column_at(column, from + r);
            scratch->gathered[i] = ax_column_is_valid(column, from + r) ? *value : NAN;
        }
        ax_compiled_fill(c, row, scratch->slots + r * c->slot_count);
    }
}

static void forest_walk(const struct ax_compiled *compiled, size_t rows,
                        const struct forest_scratch *scratch)
{
    if (rows >= ROWS_KERNEL_MIN) {
        ax_kernel_scalar_rows.walk(compiled, scratch->slots, rows, scratch->margins,
                                   scratch->leaves);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        ax_kernel_scalar_row.walk(compiled, scratch->slots + r * compiled->slot_count, 1,
                                  scratch->margins + r * compiled->group_count, scratch->leaves);
}

/* Which class: as the library's own classifier has it, above one half or the first largest. Margins
 * that differ may have equal probabilities, so where the prediction is a class, it is that one. */
static size_t forest_class(enum ax_transform transform, const float *margins,
                           const float *probabilities, size_t groups)
{
    if (transform == AX_TRANSFORM_ARGMAX)
        return ax_transform_argmax(margins, groups);
    return groups == 1 ? probabilities[0] > 0.5f : ax_transform_argmax(probabilities, groups);
}

static void forest_answer(const struct forest_model *model, enum forest_output output,
                          const float *margins, const struct forest_scratch *scratch, void *to)
{
    size_t groups = model->compiled.group_count;
    enum ax_transform probability = groups == 1 ? AX_TRANSFORM_SIGMOID : AX_TRANSFORM_SOFTMAX;
    switch (output) {
    case FOREST_PREDICTION:
        ax_transform_apply(model->transform, margins, groups, to);
        return;
    case FOREST_MARGIN:
        memcpy(to, margins, groups * sizeof(*margins));
        return;
    case FOREST_PROBABILITY:
        ax_transform_apply(probability, margins, groups, to);
        return;
    case FOREST_LABEL: {
        ax_transform_apply(probability, margins, groups, scratch->outputs);
        size_t class = forest_class(model->transform, margins, scratch->outputs, groups);
        struct ax_str label = model->base.signature.labels[class];
        memcpy(to, &label, sizeof(label));
        return;
    }
    case FOREST_OUTPUT_COUNT:
        break;
    }
    assert(!"no such output");
}

/* Whether `in` and `out` have the shape of the signature. */
static enum ax_code forest_check(const struct forest_model *model, const struct ax_batch *in,
                                 const struct ax_batch *out, struct ax_err *err)
{
    const struct ax_signature *signature = &model->base.signature;
    if (in->column_count != model->compiled.feature_count)
        return ax_fail(err, AX_E_INVALID, "%zu columns for a model of %zu features",
                       in->column_count, model->compiled.feature_count);
    for (size_t i = 0; i < in->column_count; i++) {
        if (in->columns[i].datatype != AX_FP32 || in->columns[i].width != 1)
            return ax_fail(err, AX_E_INVALID, "input '%.*s' is no column of FP32",
                           AX_STR_ARG(signature->inputs[i].name));
    }
    if (out->column_count > model->output_count)
        return ax_fail(err, AX_E_INVALID, "%zu outputs of a model of %zu", out->column_count,
                       model->output_count);
    size_t classes = AX_MAX(model->compiled.group_count, 2);
    for (size_t i = 0; i < out->column_count; i++) {
        if (out->columns[i].values && model->outputs[i] == FOREST_LABEL &&
            signature->label_count < classes)
            return ax_fail(err, AX_E_INVALID, "no labels for the %zu classes of this model",
                           classes);
    }
    return AX_OK;
}

static enum ax_code forest_predict(const struct ax_model *model, const struct ax_batch *in,
                                   struct ax_batch *out, void *scratch, struct ax_err *err)
{
    const struct forest_model *forest = container_of_const(model, struct forest_model, base);
    if (forest_check(forest, in, out, err))
        return err->code;
    assert(scratch);
    struct forest_scratch parts = forest_divide(forest, in->rows, scratch);
    bool is_matrix = ax_batch_is_matrix(in, AX_FP32);
    for (size_t from = 0; from < in->rows; from += BLOCK_ROWS) {
        size_t rows = AX_MIN(BLOCK_ROWS, in->rows - from);
        forest_fill(forest, in, is_matrix, from, rows, &parts);
        forest_walk(&forest->compiled, rows, &parts);
        for (size_t i = 0; i < out->column_count; i++) {
            const struct ax_column *column = &out->columns[i];
            for (size_t r = 0; column->values && r < rows; r++)
                forest_answer(forest, forest->outputs[i],
                              parts.margins + r * forest->compiled.group_count, &parts,
                              ax_column_at(column, from + r));
        }
    }
    return AX_OK;
}

const struct ax_engine ax_engine_forest = {
    .name = "forest",
    .caps = AX_ENGINE_CAP_INLINE,
    .options = forest_options,
    .config_size = sizeof(struct forest_config),
    .recognise = forest_recognise,
    .load = forest_load,
    .scratch_size = forest_scratch_size,
    .predict = forest_predict,
    .free = forest_free,
};
