/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a model.yaml from outside, laid over three signatures made by hand: a binary
 * classifier without names, a multi-class one with names and a dictionary, and a value model of
 * mixed datatypes. What was accepted is used: every name is found again, and scores are decided.
 */
#include "engine/backends.h"
#include "engine/version_yaml.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void free_nothing(struct ax_model *model)
{
    (void)model;
}

static const struct ax_engine made_by_hand = { .name = "made_by_hand", .free = free_nothing };

static void must(enum ax_code code)
{
    if (code)
        abort();
}

static void name_inputs(struct ax_signature *signature)
{
    static const char *const names[] = { "dep_delay", "carrier", "seats" };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < AX_COUNT(names); i++)
        must(ax_signature_name_input(signature, i, ax_str_from(names[i]), &err));
}

static void make_signature(struct ax_signature *signature, enum ax_task task)
{
    static const struct ax_str carriers[] = { { "UA", 2 }, { "AA", 2 } };
    struct ax_err err = AX_ERR_INIT;
    size_t width = task == AX_TASK_MULTICLASS ? 3 : 1;
    must(ax_signature_init(signature, 3, 2, &err));
    signature->task = task;
    signature->outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32, width, true };
    signature->outputs[1] = (struct ax_output){ AX_STR("label"), AX_BYTES, 1, false };
    if (task == AX_TASK_BINARY)
        return;
    name_inputs(signature);
    if (task == AX_TASK_MULTICLASS) {
        must(ax_signature_add_dictionary(signature, 1, carriers, 2, &err));
        return;
    }
    signature->inputs[0].datatype = AX_INT64;
    signature->inputs[1].datatype = AX_BYTES;
    signature->inputs[2].datatype = AX_BOOL;
}

static void use(const struct ax_version *version)
{
    static const double scores[] = { 0, 0.5, 1, -1, INFINITY, -INFINITY, NAN };
    const struct ax_signature *signature = version->signature;
    for (size_t i = 0; i < signature->input_count; i++)
        if (ax_signature_input(signature, signature->inputs[i].name) != &signature->inputs[i])
            abort();
    for (size_t i = 0; i < AX_COUNT(scores); i++) {
        struct ax_str action = ax_version_decide(version, scores[i]);
        if (!action.len != (!version->decision_count || isnan(scores[i])))
            abort();
    }
    if (signature->label_count && version->decision_class >= signature->label_count)
        abort();
}

static void lay(const struct ax_yaml *root, enum ax_task task)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model model;
    struct ax_version version = { .model = &model };
    ax_model_init(&model, &made_by_hand);
    make_signature(&model.signature, task);
    ax_arena_init(&version.arena, 1024, 1 << 20);
    if (!ax_version_yaml_apply(root, &version, &err))
        use(&version);
    else if (!err.code)
        abort();
    ax_arena_done(&version.arena);
    ax_signature_done(&model.signature);
}

/* The keys at the top, and the options of the forest engine. */
static enum ax_code check_top(const struct ax_yaml *root, struct ax_arena *arena,
                              struct ax_err *err)
{
    const struct ax_engine *engine;
    if (ax_version_yaml_engine(root, &engine, err))
        return err->code;
    void *config = calloc(1, ax_engine_forest.config_size);
    const struct ax_option_group groups[] = { { ax_engine_forest.options, config }, { 0 } };
    ax_option_defaults(groups);
    enum ax_code code = ax_version_yaml_options(root, &ax_engine_forest, config, arena, err);
    ax_option_done(groups);
    free(config);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_yaml *root;
    struct ax_str text = { (const char *)data, size };
    ax_arena_init(&arena, 4096, (size_t)1 << 26);
    if (!ax_yaml_parse(text, AX_VERSION_YAML_NAME, &arena, &root, &err) &&
        !check_top(root, &arena, &err)) {
        lay(root, AX_TASK_BINARY);
        lay(root, AX_TASK_MULTICLASS);
        lay(root, AX_TASK_VALUE);
    }
    ax_arena_done(&arena);
    return 0;
}
