/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `rules` engine: ordered conditions over the inputs, each with constants to answer. For
 * fallbacks, for limits that the law sets, and as the simplest engine the others can be held
 * against. A file is YAML whose first key is `rules`:
 *
 *     rules: 1                            # the format's version
 *     inputs:
 *       dep_delay: FP64                   # BOOL, INT64, FP32, FP64 or BYTES
 *       carrier: {datatype: BYTES, default: UA}
 *     outputs: {prediction: FP64}         # one of them is called prediction
 *     cases:                              # the first one that holds answers
 *       - when: dep_delay > 30 and carrier in ('UA', 'AA')
 *         then: 0.9                       # several outputs: {prediction: 0.9, label: late}
 *       - otherwise: 0.2                  # always the last
 *
 * The constants of a case are stored as the bytes that predict copies. All conditions of a file
 * together have at most RULES_COST_MAX tests, operators and constants, which bounds the time of a
 * row: nothing here is faster than reading the cases from the top.
 *
 * Where conditions compute (dep_delay / distance > 0.1) they have programs, which run over up to
 * RULES_ROWS_AT_ONCE rows as soon as one of them gets there; that takes memory from the heap, a few
 * times a call and at most RULES_RUN_BYTES_MAX of it. Without such conditions predict allocates
 * nothing.
 */
#include "base/alloc.h"
#include "base/yaml.h"
#include "engine/backends.h"
#include "engine/batch_values.h"
#include "engine/condition.h"
#include "engine/input_yaml.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define RULES_VERSION     1
#define RULES_CASES_MAX   10000
#define RULES_COST_MAX    65536
#define RULES_OUTPUTS_MAX 16
#define RULES_BYTES_MAX   ((size_t)1 << 26) /* of memory for one file */

#define RULES_ROWS_AT_ONCE    256
#define RULES_RUN_BYTES_FIRST ((size_t)16 << 10)
#define RULES_RUN_BYTES_MAX   ((size_t)64 << 20)

/* What errors call the file; who loads it puts the path in front. */
#define RULES_NAME "rules"

union rules_constant {
    uint8_t truth;
    int64_t integer;
    float single;
    double number;
    struct ax_str text;
};

struct rules_case {
    struct ax_condition condition; /* unused in the last case, which always holds */
    size_t program;                /* its number among those that have one */
    union rules_constant *answers; /* one an output */
};

struct rules_model {
    struct ax_model base;
    struct ax_arena arena; /* owns cases, conditions, answers */
    struct rules_case *cases;
    size_t case_count; /* at least 1 */
    size_t program_count;
    bool *reads; /* of an input: whether a program reads it */
};

/* What loading needs besides the model. */
struct rules_load {
    struct ax_str bytes;
    struct rules_model *model;
    struct ax_signature *signature; /* the model's */
    struct ax_condition_names names;
    struct ax_err *err;
    size_t cost;
};

static bool is_blank(struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

/* Behind comments, empty lines and '---' comes `rules:`. */
static bool rules_recognise(struct ax_str head)
{
    struct ax_str rest = head;
    if (ax_str_starts_with(rest, AX_STR("\xef\xbb\xbf")))
        rest = (struct ax_str){ rest.ptr + 3, rest.len - 3 };
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) + 1 : rest.len;
        if (!is_blank((struct ax_str){ rest.ptr, len }) && rest.ptr[0] != '#' &&
            !ax_str_starts_with(rest, AX_STR("---")))
            break;
        rest = (struct ax_str){ rest.ptr + len, rest.len - len };
    }
    return ax_str_starts_with(rest, AX_STR("rules:"));
}

static enum ax_code read_datatype(struct rules_load *load, const struct ax_yaml *node,
                                  enum ax_datatype *ret)
{
    struct ax_str text;
    if (ax_yaml_str(node, RULES_NAME, &text, load->err))
        return load->err->code;
    if (!ax_datatype_from_name(text, ret) || !ax_condition_has_datatype(*ret))
        return ax_yaml_fail(node, RULES_NAME, load->err,
                            "found '%.*s'; expected BOOL, INT64, FP32, FP64 or BYTES",
                            AX_STR_ARG(text));
    return AX_OK;
}

static enum ax_code read_input(struct rules_load *load, size_t index, const struct ax_yaml *node)
{
    static const char *const keys[] = { "datatype", "default", "required", NULL };
    struct ax_err *err = load->err;
    if (ax_signature_name_input(load->signature, index, node->key, err))
        return ax_err_context(err, RULES_NAME ":%u:%u", node->key_line, node->key_column);
    enum ax_datatype *datatype = &load->signature->inputs[index].datatype;
    if (node->kind != AX_YAML_MAP)
        return read_datatype(load, node, datatype);
    const struct ax_yaml *text = ax_yaml_get(node, "datatype");
    if (ax_yaml_only(node, RULES_NAME, keys, err))
        return err->code;
    if (!text)
        return ax_yaml_fail(node, RULES_NAME, err, "the key 'datatype' is missing");
    if (read_datatype(load, text, datatype))
        return err->code;
    return ax_input_yaml_take(load->signature, index, node, RULES_NAME, err);
}

static enum ax_code read_output(struct rules_load *load, size_t index, const struct ax_yaml *node)
{
    struct ax_output *output = &load->signature->outputs[index];
    char *name = ax_arena_strdup(&load->signature->arena, node->key);
    if (!name)
        return ax_arena_fail(&load->signature->arena, RULES_NAME, load->err);
    if (!node->key.len)
        return ax_yaml_fail_key(node, RULES_NAME, load->err, "the name of an output is empty");
    output->name = (struct ax_str){ name, node->key.len };
    output->width = 1;
    output->by_default = true;
    return read_datatype(load, node, &output->datatype);
}

static enum ax_code read_signature(struct rules_load *load, const struct ax_yaml *root)
{
    struct ax_err *err = load->err;
    const struct ax_yaml *inputs = ax_yaml_get(root, "inputs");
    const struct ax_yaml *outputs = ax_yaml_get(root, "outputs");
    if (!inputs || inputs->kind != AX_YAML_MAP || !inputs->count)
        return ax_yaml_fail(inputs ? inputs : root, RULES_NAME, err,
                            "expected a mapping 'inputs' of names to datatypes");
    if (!outputs || outputs->kind != AX_YAML_MAP || !ax_yaml_get(outputs, "prediction"))
        return ax_yaml_fail(outputs ? outputs : root, RULES_NAME, err,
                            "expected a mapping 'outputs' of names to datatypes, with the name "
                            "'prediction'");
    if (outputs->count > RULES_OUTPUTS_MAX)
        return ax_yaml_fail(outputs, RULES_NAME, err, "over %d outputs", RULES_OUTPUTS_MAX);
    if (ax_signature_init(load->signature, inputs->count, outputs->count, err))
        return err->code;
    load->signature->task = AX_TASK_VALUE;
    size_t index = 0;
    for (const struct ax_yaml *node = inputs->first; node; node = node->next)
        if (read_input(load, index++, node))
            return err->code;
    index = 0;
    for (const struct ax_yaml *node = outputs->first; node; node = node->next)
        if (read_output(load, index++, node))
            return err->code;
    return AX_OK;
}

static enum ax_code read_answer(struct rules_load *load, enum ax_datatype datatype,
                                const struct ax_yaml *node, union rules_constant *ret)
{
    struct ax_err *err = load->err;
    bool truth;
    double number;
    struct ax_str text;
    if (datatype == AX_INT64)
        return ax_yaml_i64(node, RULES_NAME, &ret->integer, err);
    if (datatype == AX_FP64)
        return ax_yaml_f64(node, RULES_NAME, &ret->number, err);
    if (datatype == AX_BOOL) {
        if (ax_yaml_bool(node, RULES_NAME, &truth, err))
            return err->code;
        ret->truth = truth;
    } else if (datatype == AX_FP32) {
        if (ax_yaml_f64(node, RULES_NAME, &number, err))
            return err->code;
        if (isfinite(number) && fabs(number) > (double)FLT_MAX)
            return ax_yaml_fail(node, RULES_NAME, err, "'%.*s' is too large for FP32",
                                AX_STR_ARG(ax_str_cut(node->text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
        ret->single = (float)number;
    } else {
        if (ax_yaml_str(node, RULES_NAME, &text, err))
            return err->code;
        char *copy = ax_arena_strdup(&load->model->arena, text);
        if (!copy)
            return ax_arena_fail(&load->model->arena, RULES_NAME, err);
        ret->text = (struct ax_str){ copy, text.len };
    }
    return AX_OK;
}

/* `then` or `otherwise`: one scalar for one output, else a mapping of all outputs. */
static enum ax_code read_answers(struct rules_load *load, const struct ax_yaml *node,
                                 union rules_constant **ret)
{
    const struct ax_signature *signature = load->signature;
    struct ax_err *err = load->err;
    const char *keys[RULES_OUTPUTS_MAX + 1] = { NULL };
    union rules_constant *answers =
        ax_arena_zalloc(&load->model->arena, signature->output_count, sizeof(*answers));
    if (!answers)
        return ax_arena_fail(&load->model->arena, RULES_NAME, err);
    *ret = answers;
    if (signature->output_count == 1 && node->kind == AX_YAML_SCALAR)
        return read_answer(load, signature->outputs[0].datatype, node, answers);
    for (size_t i = 0; i < signature->output_count; i++)
        keys[i] = signature->outputs[i].name.ptr;
    if (node->kind != AX_YAML_MAP)
        return ax_yaml_fail(node, RULES_NAME, err, "expected a value for each output, by name");
    if (ax_yaml_only(node, RULES_NAME, keys, err))
        return err->code;
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_yaml *value = ax_yaml_get(node, keys[i]);
        if (!value)
            return ax_yaml_fail(node, RULES_NAME, err, "the value of '%s' is missing", keys[i]);
        if (read_answer(load, signature->outputs[i].datatype, value, &answers[i]))
            return err->code;
    }
    return AX_OK;
}

/* The column of byte `at` of a scalar: exact where the text stands in the file as it is, else the
 * scalar's own. */
static unsigned column_inside(const struct rules_load *load, const struct ax_yaml *node, size_t at)
{
    const char *line = load->bytes.ptr;
    const char *end = load->bytes.ptr + load->bytes.len;
    for (unsigned number = 1; number < node->line; number++) {
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            return node->column;
        line++;
    }
    size_t begin = node->column - 1 + (node->quoted ? 1 : 0);
    struct ax_str rest = { line, (size_t)(end - line) };
    if (rest.len < begin)
        return node->column;
    rest = (struct ax_str){ line + begin, rest.len - begin };
    return ax_str_starts_with(rest, node->text) ? (unsigned)(begin + at + 1) : node->column;
}

/* Number the program of a case, and note what it reads. */
static void note_program(struct rules_model *model, struct rules_case *rule)
{
    if (!rule->condition.program)
        return;
    rule->program = model->program_count++;
    for (size_t i = 0; i < model->base.signature.input_count; i++)
        model->reads[i] |= ax_program_reads(rule->condition.program, i);
}

static enum ax_code read_condition(struct rules_load *load, const struct ax_yaml *node,
                                   struct ax_condition *ret)
{
    struct ax_err *err = load->err;
    struct ax_str text;
    size_t at = 0;
    if (ax_yaml_str(node, RULES_NAME, &text, err))
        return err->code;
    if (ax_condition_compile(text, &load->names, &load->model->arena, ret, &at, err))
        return ax_err_context(err, RULES_NAME ":%u:%u", node->line, column_inside(load, node, at));
    load->cost += ret->op_count + ret->constant_count + ret->node_count;
    if (load->cost > RULES_COST_MAX)
        return ax_fail(err, AX_E_TOO_LARGE,
                       RULES_NAME ":%u:%u: over %d tests, operators and constants", node->line,
                       node->column, RULES_COST_MAX);
    return AX_OK;
}

static enum ax_code read_case(struct rules_load *load, const struct ax_yaml *node, bool is_last,
                              struct rules_case *ret)
{
    static const char *const when_keys[] = { "when", "then", NULL };
    static const char *const otherwise_keys[] = { "otherwise", NULL };
    struct ax_err *err = load->err;
    const struct ax_yaml *answers = ax_yaml_get(node, is_last ? "otherwise" : "then");
    const struct ax_yaml *when = ax_yaml_get(node, "when");
    if (!answers || (!is_last && !when))
        return ax_yaml_fail(node, RULES_NAME, err,
                            is_last ? "the last case must be 'otherwise'"
                                    : "expected a case with 'when' and 'then'");
    if (ax_yaml_only(node, RULES_NAME, is_last ? otherwise_keys : when_keys, err))
        return err->code;
    if (!is_last && read_condition(load, when, &ret->condition))
        return err->code;
    note_program(load->model, ret);
    return read_answers(load, answers, &ret->answers);
}

static enum ax_code read_cases(struct rules_load *load, const struct ax_yaml *root)
{
    struct rules_model *model = load->model;
    const struct ax_yaml *cases = ax_yaml_get(root, "cases");
    if (!cases || cases->kind != AX_YAML_LIST || !cases->count)
        return ax_yaml_fail(cases ? cases : root, RULES_NAME, load->err,
                            "expected a list 'cases' that ends with 'otherwise'");
    if (cases->count > RULES_CASES_MAX)
        return ax_fail(load->err, AX_E_TOO_LARGE, RULES_NAME ":%u:%u: over %d cases", cases->line,
                       cases->column, RULES_CASES_MAX);
    model->cases = ax_arena_zalloc(&model->arena, cases->count, sizeof(*model->cases));
    model->reads = ax_arena_zalloc(&model->arena, load->signature->input_count, sizeof(bool));
    if (!model->cases || !model->reads)
        return ax_arena_fail(&model->arena, RULES_NAME, load->err);
    ax_condition_names_init(&load->names, load->signature);
    for (const struct ax_yaml *node = cases->first; node && !load->err->code; node = node->next)
        (void)read_case(load, node, !node->next, &model->cases[model->case_count++]);
    ax_condition_names_done(&load->names);
    return load->err->code;
}

static enum ax_code read_file(struct rules_load *load, struct ax_arena *scratch)
{
    static const char *const keys[] = { "rules", "inputs", "outputs", "cases", NULL };
    struct ax_err *err = load->err;
    struct ax_yaml *root;
    int64_t version;
    if (ax_yaml_parse(load->bytes, RULES_NAME, scratch, &root, err) ||
        ax_yaml_only(root, RULES_NAME, keys, err))
        return err->code;
    const struct ax_yaml *node = ax_yaml_get(root, "rules");
    if (!node)
        return ax_yaml_fail(root, RULES_NAME, err, "the key 'rules: %d' is missing", RULES_VERSION);
    if (ax_yaml_i64(node, RULES_NAME, &version, err))
        return err->code;
    if (version != RULES_VERSION)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       RULES_NAME ":%u:%u: version %lld of the format; this is auspex with %d",
                       node->line, node->column, (long long)version, RULES_VERSION);
    if (read_signature(load, root))
        return err->code;
    return read_cases(load, root);
}

static void rules_free(struct ax_model *model)
{
    struct rules_model *rules = container_of(model, struct rules_model, base);
    for (size_t i = 0; i < rules->case_count; i++)
        ax_condition_done(&rules->cases[i].condition);
    ax_arena_done(&rules->arena);
    ax_signature_done(&rules->base.signature);
    free(rules);
}

static size_t rules_memory_bytes(const struct ax_model *model)
{
    const struct rules_model *rules = container_of_const(model, struct rules_model, base);
    size_t bytes = ax_alloc_bytes(rules) + ax_arena_bytes(&rules->arena) +
                   ax_signature_bytes(&model->signature);
    for (size_t i = 0; i < rules->case_count; i++)
        if (rules->cases[i].condition.program)
            bytes += ax_program_bytes(rules->cases[i].condition.program);
    return bytes;
}

static enum ax_code rules_load(struct ax_str bytes, const void *config, struct ax_model **ret_model,
                               struct ax_err *err)
{
    (void)config;
    struct rules_model *model = ax_xalloc(sizeof(*model));
    ax_model_init(&model->base, &ax_engine_rules);
    ax_arena_init(&model->arena, 4096, RULES_BYTES_MAX);
    memcpy(model->base.format, "rules", sizeof("rules"));

    struct ax_arena scratch;
    ax_arena_init(&scratch, 65536, RULES_BYTES_MAX);
    struct rules_load load = {
        .bytes = bytes, .model = model, .signature = &model->base.signature, .err = err
    };
    enum ax_code code = read_file(&load, &scratch);
    ax_arena_done(&scratch);
    if (code) {
        ax_model_unref(&model->base);
        return code;
    }
    *ret_model = &model->base;
    return AX_OK;
}

static size_t rules_scratch_size(const struct ax_model *model, size_t rows)
{
    (void)model;
    (void)rows;
    return 0;
}

static void put_answers(const struct ax_signature *signature, const struct rules_case *rule,
                        struct ax_batch *out, size_t row)
{
    for (size_t i = 0; i < signature->output_count; i++)
        if (out->columns[i].values)
            memcpy(ax_column_at(&out->columns[i], row), &rule->answers[i],
                   ax_datatype_size(signature->outputs[i].datatype));
}

/* What programs gave for rows [from, from + rows). */
struct rules_run {
    const struct rules_model *rules;
    const struct ax_batch *in;
    struct ax_arena arena;
    size_t from;
    size_t rows;
    const struct ax_values **inputs;
    struct ax_values **computed; /* by program; NULL: it has not run */
    struct ax_err *err;
};

static enum ax_code begin_rows(struct rules_run *run, size_t from)
{
    ax_arena_reset(&run->arena);
    run->from = from;
    run->rows = AX_MIN(run->in->rows - from, (size_t)RULES_ROWS_AT_ONCE);
    run->computed =
        ax_arena_zalloc(&run->arena, run->rules->program_count, sizeof(struct ax_values *));
    if (!run->computed)
        return ax_arena_fail(&run->arena, RULES_NAME, run->err);
    return ax_batch_values_make(run->in, from, run->rows, run->rules->reads, &run->arena,
                                &run->inputs, run->err);
}

/* The outputs of a case's program, which runs when they are asked for first. */
static enum ax_code compute(struct rules_run *run, const struct rules_case *rule,
                            const struct ax_values **ret)
{
    const struct ax_program *program = rule->condition.program;
    struct ax_values **computed = &run->computed[rule->program];
    *ret = *computed;
    if (*computed)
        return AX_OK;
    *ret = *computed =
        ax_arena_alloc(&run->arena, ax_program_output_count(program), sizeof(**computed));
    if (!*computed)
        return ax_arena_fail(&run->arena, RULES_NAME, run->err);
    return ax_program_run(program, run->inputs, run->rows, &run->arena, *computed, run->err);
}

static enum ax_code find_case(struct rules_run *run, size_t row, const struct rules_case **ret)
{
    const struct rules_case *rule = run->rules->cases;
    const struct rules_case *last = rule + run->rules->case_count - 1;
    for (; rule < last; rule++) {
        const struct ax_values *computed = NULL;
        if (rule->condition.program && compute(run, rule, &computed))
            return run->err->code;
        if (ax_condition_holds(&rule->condition, run->in, row, computed, row - run->from))
            break;
    }
    *ret = rule;
    return AX_OK;
}

/* With conditions that compute. */
static enum ax_code predict_computing(const struct rules_model *rules, const struct ax_batch *in,
                                      struct ax_batch *out, struct ax_err *err)
{
    struct rules_run run = { .rules = rules, .in = in, .err = err };
    ax_arena_init(&run.arena, RULES_RUN_BYTES_FIRST, RULES_RUN_BYTES_MAX);
    for (size_t row = 0; row < in->rows; row++) {
        const struct rules_case *rule = NULL;
        if ((row % RULES_ROWS_AT_ONCE == 0 && begin_rows(&run, row)) || find_case(&run, row, &rule))
            break;
        put_answers(&rules->base.signature, rule, out, row);
    }
    ax_arena_done(&run.arena);
    return err->code;
}

static enum ax_code rules_predict(const struct ax_model *model, const struct ax_batch *in,
                                  struct ax_batch *out, void *scratch, struct ax_err *err)
{
    const struct rules_model *rules = container_of_const(model, struct rules_model, base);
    const struct ax_signature *signature = &model->signature;
    (void)scratch;
    assert(in->column_count == signature->input_count);
    assert(out->column_count >= signature->output_count);
    if (rules->program_count)
        return predict_computing(rules, in, out, err);
    for (size_t row = 0; row < in->rows; row++) {
        const struct rules_case *at = rules->cases;
        const struct rules_case *last = at + rules->case_count - 1;
        while (at < last && !ax_condition_holds(&at->condition, in, row, NULL, 0))
            at++;
        put_answers(signature, at, out, row);
    }
    return AX_OK;
}

const struct ax_engine ax_engine_rules = {
    .name = "rules",
    .caps = AX_ENGINE_CAP_INLINE,
    .answers_nan = true,
    .recognise = rules_recognise,
    .load = rules_load,
    .scratch_size = rules_scratch_size,
    .predict = rules_predict,
    .free = rules_free,
    .memory_bytes = rules_memory_bytes,
};
