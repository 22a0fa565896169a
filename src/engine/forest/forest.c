/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine `forest`: tree ensembles read from the files their libraries write.
 *
 * Loading lets the library's reader make a forest of the file, compiles the forest and drops it.
 * Predicting goes in blocks of as many rows as the kernel takes: it turns them into sums, these
 * become margins in place, and each wanted output is computed from the margins. Whether sums are
 * f32 or f64 is the forest's matter; one function a step asks. All working memory is the caller's
 * scratch, whose size does not grow with the batch beyond a block.
 *
 * Outputs, in this order as far as the objective has them: prediction (what the library's predict
 * returns), margin, probability, label (last, so that it can be left out where the version has no
 * names for its classes).
 */
#include "engine/forest/forest.h"

#include "base/alloc.h"
#include "engine/forest/forest_model.h"
#include "engine/forest/reader.h"
#include "engine/forest/transform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_BYTES  ((size_t)4096)
#define ALIGN_UP(n) (((n) + 63) & ~(size_t)63)

static const struct ax_option forest_options[] = {
    { AX_OPTION_TEXT, "iterations", "all", offsetof(struct ax_forest_config, iterations), 0, 0,
      "all|best|N",
      "How many boosting rounds answer: all, up to the best one of early stopping, or a number." },
    { 0 },
};

static const struct ax_forest_reader *forest_reader(struct ax_str head)
{
    for (size_t i = 0; ax_forest_readers[i]; i++) {
        if (ax_forest_readers[i]->recognise(head))
            return ax_forest_readers[i];
    }
    return NULL;
}

static bool forest_recognise(struct ax_str head)
{
    return forest_reader(head) != NULL;
}

static enum ax_code forest_iterations(const struct ax_forest_config *config,
                                      struct ax_iterations *ret, struct ax_err *err)
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

static void forest_add_output(struct ax_forest_model *model, enum ax_forest_output output,
                              const char *name, enum ax_datatype datatype, size_t width)
{
    model->base.signature.outputs[model->output_count] =
        (struct ax_output){ .name = ax_str_from(name),
                            .datatype = datatype,
                            .width = width,
                            .by_default = output == AX_FOREST_PREDICTION };
    model->outputs[model->output_count++] = output;
}

struct ax_forest_model *ax_forest_model_new(void)
{
    struct ax_forest_model *model = ax_xalloc(sizeof(*model));
    ax_model_init(&model->base, &ax_engine_forest);
    return model;
}

size_t ax_forest_output_count(enum ax_transform probability, enum ax_task task)
{
    bool has_probability = probability != AX_TRANSFORM_IDENTITY;
    return (size_t)2 + has_probability + (has_probability && task != AX_TASK_VALUE);
}

/* The outputs of the signature; its inputs are the reader's. */
static void forest_sign(struct ax_forest_model *model)
{
    struct ax_signature *signature = &model->base.signature;
    const struct ax_forest_ending *ending = &model->ending;
    size_t groups = model->plan.compiled.group_count;
    enum ax_datatype type = model->plan.compiled.sum_type;
    forest_add_output(model, AX_FOREST_PREDICTION, "prediction", type,
                      ax_transform_width(ending->transform, groups));
    forest_add_output(model, AX_FOREST_MARGIN, "margin", type, groups);
    if (ending->probability != AX_TRANSFORM_IDENTITY) {
        forest_add_output(model, AX_FOREST_PROBABILITY, "probability", type, groups);
        if (signature->task != AX_TASK_VALUE)
            forest_add_output(model, AX_FOREST_LABEL, "label", AX_BYTES, 1);
    }
    assert(model->output_count == signature->output_count);
    assert(!ending->class_by_margin || type == AX_FP64);
    signature->form = AX_FORM_TENSOR;
    for (size_t i = 0; i < signature->input_count; i++) {
        if (signature->inputs[i].categories)
            signature->form = AX_FORM_COLUMNS;
    }
}

void ax_forest_model_complete(struct ax_forest_model *model)
{
    assert(model && model->plan.kernel);
    model->has_affine = model->ending.scale != 1.0 || model->ending.bias;
    forest_sign(model);
}

static void forest_free(struct ax_model *model)
{
    if (!model)
        return;
    struct ax_forest_model *forest = container_of(model, struct ax_forest_model, base);
    ax_forest_plan_done(&forest->plan);
    free(forest->ending.bias);
    ax_signature_done(&forest->base.signature);
    ax_image_done(&forest->image);
    free(forest);
}

static size_t forest_memory_bytes(const struct ax_model *model)
{
    const struct ax_forest_model *forest = container_of_const(model, struct ax_forest_model, base);
    return ax_alloc_bytes(forest) + ax_forest_plan_bytes(&forest->plan) +
           ax_alloc_bytes(forest->ending.bias) + ax_signature_bytes(&model->signature);
}

/* What is done with sums; the bias changes hands. */
static struct ax_forest_ending forest_take_ending(struct ax_forest *forest)
{
    struct ax_forest_ending ending = {
        .scale = forest->scale == 0.0 ? 1.0 : forest->scale,
        .bias = forest->bias,
        .divisor = forest->divisor == 0.0 ? 1.0 : forest->divisor,
        .transform = forest->transform,
        .probability = forest->probability,
        .slope = forest->slope == 0.0 ? 1.0 : forest->slope,
        .class_by_margin = forest->class_by_margin,
        .class_margin = forest->class_margin,
    };
    forest->bias = NULL;
    return ending;
}

static enum ax_code forest_load(struct ax_str bytes, const void *config,
                                struct ax_model **ret_model, struct ax_err *err)
{
    struct ax_iterations iterations;
    if (forest_iterations(config, &iterations, err))
        return err->code;
    const struct ax_forest_reader *reader = forest_reader(ax_str_cut(bytes, HEAD_BYTES));
    if (!reader)
        return ax_fail(err, AX_E_INVALID, "no format of a forest that is known here");
    struct ax_forest forest = { 0 };
    struct ax_forest_model *model = ax_forest_model_new();
    if (!reader->read(bytes, iterations, &forest, &model->base.signature, model->base.format,
                      err) &&
        !ax_forest_plan_init(&model->plan, &forest, err)) {
        model->ending = forest_take_ending(&forest);
        ax_forest_model_complete(model);
        memcpy(model->base.iterations, forest.iterations, sizeof(model->base.iterations));
        memcpy(model->objective, forest.objective, sizeof(model->objective));
    }
    ax_forest_done(&forest);
    if (err->code) {
        forest_free(&model->base);
        return err->code;
    }
    *ret_model = &model->base;
    return AX_OK;
}

/* The parts of the scratch, for one block. */
struct forest_scratch {
    void *margins;
    void *averages; /* one row's margins divided by the divisor */
    void *outputs;  /* one row's probabilities, for the label */
    void *kernel;   /* the last, so that how much it is need not be known to find the others */
};

/* Bytes of one row's margins, and of a block's. */
static size_t forest_row_bytes(const struct ax_forest_plan *plan)
{
    return ALIGN_UP(plan->compiled.group_count * ax_datatype_size(plan->compiled.sum_type));
}

static size_t forest_margins_bytes(const struct ax_forest_plan *plan, size_t rows)
{
    return ALIGN_UP(ax_forest_plan_block(plan, rows) * plan->compiled.group_count *
                    ax_datatype_size(plan->compiled.sum_type));
}

static struct forest_scratch forest_divide(const struct ax_forest_model *model, size_t rows,
                                           void *memory)
{
    size_t row = forest_row_bytes(&model->plan);
    char *averages = (char *)memory + forest_margins_bytes(&model->plan, rows);
    return (struct forest_scratch){ .margins = memory,
                                    .averages = averages,
                                    .outputs = averages + row,
                                    .kernel = averages + 2 * row };
}

static size_t forest_scratch_size(const struct ax_model *model, size_t rows)
{
    assert(model);
    const struct ax_forest_plan *plan =
        &container_of_const(model, struct ax_forest_model, base)->plan;
    return forest_margins_bytes(plan, rows) + 2 * forest_row_bytes(plan) +
           ax_forest_plan_scratch_size(plan, rows);
}

/* The margins of row `row` of the block. */
static void *forest_margins(const struct ax_compiled *compiled, size_t row,
                            const struct forest_scratch *scratch)
{
    size_t number = ax_datatype_size(compiled->sum_type);
    return (char *)scratch->margins + row * compiled->group_count * number;
}

/* From sums to margins, in place. */
static void forest_scale(const struct ax_forest_model *model, size_t rows, void *sums)
{
    size_t groups = model->plan.compiled.group_count;
    for (size_t i = 0; i < rows * groups; i++) {
        /* What is added to nothing's loss is -0: adding 0 would turn a -0 into 0. */
        double bias = model->ending.bias ? model->ending.bias[i % groups] : -0.0;
        if (model->plan.compiled.sum_type == AX_FP64) {
            double *sum = (double *)sums + i;
            *sum = *sum * model->ending.scale + bias;
        } else {
            float *sum = (float *)sums + i;
            *sum = *sum * (float)model->ending.scale + (float)bias;
        }
    }
}

/* What transforms are applied to. */
static const void *forest_averages(const struct ax_forest_model *model, const void *margins,
                                   const struct forest_scratch *scratch)
{
    const struct ax_compiled *c = &model->plan.compiled;
    if (model->ending.divisor == 1.0)
        return margins;
    for (size_t i = 0; i < c->group_count; i++) {
        if (c->sum_type == AX_FP64)
            ((double *)scratch->averages)[i] = ((const double *)margins)[i] / model->ending.divisor;
        else
            ((float *)scratch->averages)[i] =
                ((const float *)margins)[i] / (float)model->ending.divisor;
    }
    return scratch->averages;
}

static void forest_transform(const struct ax_forest_model *model, enum ax_transform transform,
                             const void *margins, void *out)
{
    const struct ax_compiled *c = &model->plan.compiled;
    if (c->sum_type == AX_FP64)
        ax_transform_apply_f64(transform, model->ending.slope, margins, c->group_count, out);
    else
        ax_transform_apply(transform, margins, c->group_count, out);
}

/* Which class: as the library's own classifier has it, above one half or the first largest, of
 * probabilities or of margins. Margins that differ may have equal probabilities, so where the
 * prediction is a class, it is that one. */
static size_t forest_class(const struct ax_forest_model *model, const void *margins,
                           const void *probabilities)
{
    size_t groups = model->plan.compiled.group_count;
    bool by_margin =
        model->ending.class_by_margin || model->ending.transform == AX_TRANSFORM_ARGMAX;
    const void *from = by_margin ? margins : probabilities;
    if (groups == 1 && model->ending.class_by_margin)
        return *(const double *)margins > model->ending.class_margin;
    bool is_f64 = model->plan.compiled.sum_type == AX_FP64;
    if (groups == 1)
        return is_f64 ? *(const double *)probabilities > 0.5 : *(const float *)probabilities > 0.5f;
    return is_f64 ? ax_transform_argmax_f64(from, groups) : ax_transform_argmax(from, groups);
}

static void forest_answer(const struct ax_forest_model *model, enum ax_forest_output output,
                          const void *margins, const struct forest_scratch *scratch, void *to)
{
    const struct ax_compiled *c = &model->plan.compiled;
    const void *averages = forest_averages(model, margins, scratch);
    switch (output) {
    case AX_FOREST_PREDICTION:
        forest_transform(model, model->ending.transform, averages, to);
        return;
    case AX_FOREST_MARGIN:
        memcpy(to, margins, c->group_count * ax_datatype_size(c->sum_type));
        return;
    case AX_FOREST_PROBABILITY:
        forest_transform(model, model->ending.probability, averages, to);
        return;
    case AX_FOREST_LABEL: {
        forest_transform(model, model->ending.probability, averages, scratch->outputs);
        size_t class = forest_class(model, averages, scratch->outputs);
        struct ax_str label = model->base.signature.labels[class];
        memcpy(to, &label, sizeof(label));
        return;
    }
    case AX_FOREST_OUTPUT_COUNT:
        break;
    }
    assert(!"no such output");
}

/* Whether `in` and `out` have the shape of the signature. */
static enum ax_code forest_check(const struct ax_forest_model *model,
                                 const struct ax_forest_input *in, const struct ax_batch *out,
                                 struct ax_err *err)
{
    const struct ax_signature *signature = &model->base.signature;
    const struct ax_batch *batch = in->batch;
    enum ax_datatype type = model->plan.compiled.input_type;
    if (batch->column_count != model->plan.compiled.feature_count)
        return ax_fail(err, AX_E_INVALID, "%zu columns for a model of %zu features",
                       batch->column_count, model->plan.compiled.feature_count);
    for (size_t i = 0; !in->is_matrix && i < batch->column_count; i++) {
        if (batch->columns[i].datatype != type || batch->columns[i].width != 1)
            return ax_fail(err, AX_E_INVALID, "input '%.*s' is no column of %s",
                           AX_STR_ARG(signature->inputs[i].name), ax_datatype_name(type));
    }
    if (out->column_count > model->output_count)
        return ax_fail(err, AX_E_INVALID, "%zu outputs of a model of %zu", out->column_count,
                       model->output_count);
    size_t classes = AX_MAX(model->plan.compiled.group_count, 2);
    for (size_t i = 0; i < out->column_count; i++) {
        if (out->columns[i].values && model->outputs[i] == AX_FOREST_LABEL &&
            signature->label_count < classes)
            return ax_fail(err, AX_E_INVALID, "no labels for the %zu classes of this model",
                           classes);
    }
    return AX_OK;
}

static enum ax_code forest_predict(const struct ax_model *model, const struct ax_batch *in,
                                   struct ax_batch *out, void *scratch, struct ax_err *err)
{
    const struct ax_forest_model *forest = container_of_const(model, struct ax_forest_model, base);
    struct ax_forest_input input = { in, ax_batch_is_matrix(in, forest->plan.compiled.input_type) };
    if (forest_check(forest, &input, out, err))
        return err->code;
    assert(scratch);
    struct forest_scratch parts = forest_divide(forest, in->rows, scratch);
    size_t rows;
    for (size_t from = 0; from < in->rows; from += rows) {
        const struct ax_forest_kernel *kernel =
            ax_forest_plan_kernel(&forest->plan, in->rows - from);
        rows = AX_MIN(kernel->rows_max, in->rows - from);
        kernel->score(&forest->plan, &input, from, rows, parts.margins, parts.kernel);
        if (forest->has_affine)
            forest_scale(forest, rows, parts.margins);
        for (size_t i = 0; i < out->column_count; i++) {
            const struct ax_column *column = &out->columns[i];
            for (size_t r = 0; column->values && r < rows; r++)
                forest_answer(forest, forest->outputs[i],
                              forest_margins(&forest->plan.compiled, r, &parts), &parts,
                              ax_column_at(column, from + r));
        }
    }
    return AX_OK;
}

const struct ax_engine ax_engine_forest = {
    .name = "forest",
    .caps = AX_ENGINE_CAP_INLINE,
    .options = forest_options,
    .config_size = sizeof(struct ax_forest_config),
    .recognise = forest_recognise,
    .load = forest_load,
    .scratch_size = forest_scratch_size,
    .predict = forest_predict,
    .free = forest_free,
    .memory_bytes = forest_memory_bytes,
    .images = &ax_forest_images,
    .tune = ax_forest_tune,
    .describe = ax_forest_describe,
};
