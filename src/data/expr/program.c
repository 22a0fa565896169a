/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program is a list of steps, each with an output column; a step reads columns of steps before
 * it. Trees are walked once, from the leaves, and a table of hashes finds the step that computes
 * the same already. Functions of constants alone are computed when the program is made, and steps
 * that nothing needs any more are dropped, so what is left is what has to be done for every row.
 *
 * Everything a program holds lies in its own arena, but for what functions made of their constants.
 */
#include "data/expr/program.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "data/expr/function.h"

#include <assert.h>
#include <stdlib.h>

#define PROGRAM_BYTES_FIRST 4096
#define PROGRAM_BYTES_MAX   ((size_t)256 << 20)
#define FOLD_BYTES_MAX      ((size_t)1 << 20)
#define STEPS_MAX           ((size_t)1 << 20)

struct step {
    enum ax_expr_kind kind;
    struct ax_type type;
    bool is_null; /* of a literal */
    bool is_used;
    union ax_literal literal;
    size_t input;
    const struct ax_function *function;
    uint32_t *args; /* steps */
    size_t arg_count;
    void *state;
};

struct ax_program {
    struct ax_arena arena;
    struct step *steps; /* from the heap */
    size_t step_count;
    size_t args_max;   /* of one step */
    uint32_t *outputs; /* steps */
    size_t output_count;
    bool *reads; /* of an input, by its number */
    size_t input_count;
};

/* ---- compiling ---- */

struct compiler {
    struct ax_program *program;
    size_t step_cap;
    uint32_t *slots; /* by hash: step + 1, or 0 */
    size_t slot_count;
    struct ax_err *err;
};

static uint64_t mix(uint64_t hash, uint64_t more)
{
    return (hash ^ more) * UINT64_C(0x9E3779B97F4A7C15) ^ hash >> 29;
}

static uint64_t literal_word(const struct step *step)
{
    uint64_t word = 0;
    if (step->type.kind == AX_TYPE_STRING)
        return ax_hash(step->literal.text);
    if (step->type.kind == AX_TYPE_BOOL)
        return step->literal.truth;
    memcpy(&word, &step->literal, sizeof(word));
    return word;
}

static uint64_t step_hash(const struct step *step)
{
    uint64_t hash = mix((uint64_t)step->kind, (uint64_t)step->type.kind * 2 + step->type.is_list);
    if (step->kind == AX_EXPR_LITERAL)
        return mix(hash, step->is_null ? UINT64_MAX : literal_word(step));
    if (step->kind == AX_EXPR_INPUT)
        return mix(hash, step->input);
    hash = mix(hash, (uint64_t)(uintptr_t)step->function);
    for (size_t i = 0; i < step->arg_count; i++)
        hash = mix(hash, step->args[i]);
    return hash;
}

static bool steps_are_equal(const struct step *a, const struct step *b)
{
    if (a->kind != b->kind || !ax_type_equals(a->type, b->type))
        return false;
    if (a->kind == AX_EXPR_INPUT)
        return a->input == b->input;
    if (a->kind == AX_EXPR_CALL)
        return a->function == b->function && a->arg_count == b->arg_count &&
               (!a->arg_count || memcmp(a->args, b->args, a->arg_count * sizeof(*a->args)) == 0);
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    if (a->type.kind == AX_TYPE_STRING)
        return ax_str_equals(a->literal.text, b->literal.text);
    return literal_word(a) == literal_word(b);
}

static void grow_slots(struct compiler *c)
{
    size_t count = c->slot_count ? c->slot_count * 2 : 64;
    uint32_t *slots = ax_xalloc(count * sizeof(*slots));
    for (size_t i = 0; i < c->program->step_count; i++) {
        size_t at = step_hash(&c->program->steps[i]) & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(c->slots);
    c->slots = slots;
    c->slot_count = count;
}

/* The slot of a step that does the same, or the free one where it belongs. */
static uint32_t *find_slot(struct compiler *c, const struct step *step)
{
    if (2 * (c->program->step_count + 1) > c->slot_count)
        grow_slots(c);
    size_t at = step_hash(step) & (c->slot_count - 1);
    while (c->slots[at] && !steps_are_equal(&c->program->steps[c->slots[at] - 1], step))
        at = (at + 1) & (c->slot_count - 1);
    return &c->slots[at];
}

/* Add a step, whose texts and arguments are in the program's arena already. */
static void add_step(struct compiler *c, const struct step *step)
{
    struct ax_program *program = c->program;
    if (program->step_count == c->step_cap) {
        c->step_cap = AX_MAX(2 * c->step_cap, (size_t)16);
        program->steps = ax_xrealloc(program->steps, c->step_cap, sizeof(*program->steps));
    }
    program->steps[program->step_count++] = *step;
}

static enum ax_code keep_text(struct compiler *c, struct step *step)
{
    if (step->kind != AX_EXPR_LITERAL || step->is_null || step->type.kind != AX_TYPE_STRING)
        return AX_OK;
    const char *copy = ax_arena_strdup(&c->program->arena, step->literal.text);
    if (!copy)
        return ax_arena_fail(&c->program->arena, "a program", c->err);
    step->literal.text.ptr = copy;
    return AX_OK;
}

static enum ax_code compile(struct compiler *c, const struct ax_expr *expr, uint32_t *ret_index)
{
    struct step step = { .kind = expr->kind,
                         .type = expr->type,
                         .is_null = expr->is_null,
                         .literal = expr->literal,
                         .input = expr->input,
                         .function = expr->function,
                         .arg_count = expr->arg_count };
    if (expr->arg_count) {
        uint32_t *args = ax_arena_alloc(&c->program->arena, expr->arg_count, sizeof(*args));
        if (!args)
            return ax_arena_fail(&c->program->arena, "a program", c->err);
        for (size_t i = 0; i < expr->arg_count; i++)
            if (compile(c, expr->args[i], &args[i]))
                return c->err->code;
        step.args = args;
    }
    uint32_t *slot = find_slot(c, &step);
    if (!*slot) {
        if (c->program->step_count == STEPS_MAX)
            return ax_fail(c->err, AX_E_TOO_LARGE, "over %zu steps in one program", STEPS_MAX);
        if (keep_text(c, &step))
            return c->err->code;
        if (step.function && step.function->prepare &&
            step.function->prepare(expr, &step.state, c->err))
            return c->err->code;
        *slot = (uint32_t)c->program->step_count + 1;
        add_step(c, &step);
    }
    *ret_index = *slot - 1;
    return AX_OK;
}

static void note_input(struct ax_program *program, size_t input)
{
    if (input >= program->input_count) {
        program->reads = ax_xrealloc(program->reads, input + 1, sizeof(bool));
        memset(program->reads + program->input_count, 0, input + 1 - program->input_count);
        program->input_count = input + 1;
    }
    program->reads[input] = true;
}

/* Mark what the outputs need, and find the inputs among it. */
static void mark_used(struct ax_program *program)
{
    for (size_t i = 0; i < program->output_count; i++)
        program->steps[program->outputs[i]].is_used = true;
    for (size_t i = program->step_count; i-- > 0;) {
        struct step *step = &program->steps[i];
        if (!step->is_used)
            continue;
        if (step->state && step->function->state_replaces)
            step->arg_count = AX_MIN(step->arg_count, step->function->state_replaces);
        for (size_t k = 0; k < step->arg_count; k++)
            program->steps[step->args[k]].is_used = true;
        program->args_max = AX_MAX(program->args_max, step->arg_count);
        if (step->kind == AX_EXPR_INPUT)
            note_input(program, step->input);
    }
}

static void release_state(struct step *step)
{
    if (step->state)
        step->function->release(step->state);
    step->state = NULL;
}

/* Close the gaps that unused steps leave; arguments always stand before what uses them. */
static void drop_unused(struct ax_program *program)
{
    uint32_t *moved = ax_xalloc(program->step_count * sizeof(*moved));
    size_t count = 0;
    for (size_t i = 0; i < program->step_count; i++) {
        struct step *step = &program->steps[i];
        if (!step->is_used) {
            release_state(step);
            continue;
        }
        for (size_t k = 0; k < step->arg_count; k++)
            step->args[k] = moved[step->args[k]];
        moved[i] = (uint32_t)count;
        program->steps[count++] = *step;
    }
    for (size_t i = 0; i < program->output_count; i++)
        program->outputs[i] = moved[program->outputs[i]];
    program->step_count = count;
    free(moved);
}

/* ---- running ---- */

struct run {
    const struct ax_program *program;
    const struct ax_values *const *inputs;
    size_t rows;
    struct ax_arena *arena;
    struct ax_values *values; /* a column a step */
    const struct ax_values **args;
    struct ax_err *err;
};

static void fill_literal(struct ax_values *values, const struct step *step)
{
    size_t rows = values->rows;
    switch (step->type.kind) {
    case AX_TYPE_BOOL:
        memset(values->bools, step->literal.truth, rows);
        break;
    case AX_TYPE_FLOAT64:
        for (size_t row = 0; row < rows; row++)
            values->f64s[row] = step->literal.f64;
        break;
    case AX_TYPE_STRING:
        for (size_t row = 0; row < rows; row++)
            values->texts[row] = step->literal.text;
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        for (size_t row = 0; row < rows; row++)
            values->i64s[row] = step->literal.i64;
        break;
    case AX_TYPE_COUNT:
        assert(false);
    }
}

static enum ax_code run_literal(struct run *run, const struct step *step, struct ax_values *values)
{
    if (ax_values_init(values, step->type, run->rows, run->arena, run->err))
        return run->err->code;
    if (!step->is_null) {
        fill_literal(values, step);
        values->validity = NULL;
        return AX_OK;
    }
    for (size_t row = 0; row < run->rows; row++)
        ax_values_set_null(values, row);
    if (!step->type.is_list)
        return AX_OK;
    values->items = ax_arena_zalloc(run->arena, 1, sizeof(*values->items));
    if (!values->items)
        return ax_arena_fail(run->arena, "the values of an expression", run->err);
    return ax_values_init(values->items, (struct ax_type){ step->type.kind, false }, 0, run->arena,
                          run->err);
}

/* Whether no row is null, whatever the bits behind the last one are. */
static bool is_full(const uint64_t *validity, size_t rows)
{
    uint64_t all = ~UINT64_C(0);
    size_t whole = rows / 64;
    size_t left = rows % 64;
    for (size_t word = 0; word < whole; word++)
        all &= validity[word];
    if (left)
        all &= validity[whole] | ~UINT64_C(0) << left;
    return all == ~UINT64_C(0);
}

/* Put what ax_values_set_null does into rows that are null already. */
static void clear_nulls(struct ax_values *values)
{
    bool is_text = values->type.kind == AX_TYPE_STRING && !values->type.is_list;
    size_t size = ax_type_size(values->type);
    for (size_t from = 0; from < values->rows; from += 64) {
        size_t left = AX_MIN(values->rows - from, (size_t)64);
        uint64_t missing = ~values->validity[from / 64] & ~UINT64_C(0) >> (64 - left);
        for (; missing; missing &= missing - 1) {
            size_t row = from + (size_t)__builtin_ctzll(missing);
            if (is_text)
                values->texts[row] = AX_STR("");
            else if (size == sizeof(int64_t))
                values->i64s[row] = 0; /* 0.0 and the empty list too */
            else
                memset((char *)values->data + row * size, 0, size);
        }
    }
}

/* What lies under the nulls of an input is not ours: a copy has harmless values there. */
static enum ax_code run_input(struct run *run, const struct step *step, struct ax_values *values)
{
    const struct ax_values *input = run->inputs[step->input];
    assert(input && ax_type_equals(input->type, step->type) && input->rows >= run->rows);
    *values = *input;
    values->rows = run->rows;
    if (!input->validity || is_full(input->validity, run->rows)) {
        values->validity = NULL;
        return AX_OK;
    }
    struct ax_values *items = values->items;
    if (ax_values_init(values, step->type, run->rows, run->arena, run->err))
        return run->err->code;
    values->items = items;
    memcpy(values->data, input->data, run->rows * ax_type_size(step->type));
    memcpy(values->validity, input->validity, (run->rows + 63) / 64 * sizeof(uint64_t));
    clear_nulls(values);
    return AX_OK;
}

static void join_validity(struct ax_values *out, const struct ax_values *arg)
{
    for (size_t i = 0; arg->validity && i < (out->rows + 63) / 64; i++)
        out->validity[i] &= arg->validity[i];
}

/* Columns without nulls are told by having no bits, which readers of them go by. */
static void drop_full_validity(struct ax_values *values)
{
    if (is_full(values->validity, values->rows))
        values->validity = NULL;
}

static enum ax_code run_call(struct run *run, const struct step *step, struct ax_values *values)
{
    if (ax_values_init(values, step->type, run->rows, run->arena, run->err))
        return run->err->code;
    for (size_t i = 0; i < step->arg_count; i++) {
        run->args[i] = &run->values[step->args[i]];
        if (!step->function->sees_nulls)
            join_validity(values, run->args[i]);
    }
    struct ax_call call = { .rows = run->rows,
                            .args = run->args,
                            .arg_count = step->arg_count,
                            .out = values,
                            .arena = run->arena,
                            .state = step->state };
    if (step->function->run(&call, run->err))
        return run->err->code;
    drop_full_validity(values);
    return AX_OK;
}

static enum ax_code run_step(struct run *run, size_t index)
{
    const struct step *step = &run->program->steps[index];
    struct ax_values *values = &run->values[index];
    switch (step->kind) {
    case AX_EXPR_LITERAL:
        return run_literal(run, step, values);
    case AX_EXPR_INPUT:
        return run_input(run, step, values);
    case AX_EXPR_CALL:
        break;
    }
    return run_call(run, step, values);
}

enum ax_code ax_program_run(const struct ax_program *program, const struct ax_values *const *inputs,
                            size_t rows, struct ax_arena *arena, struct ax_values *outputs,
                            struct ax_err *err)
{
    assert(program && rows <= AX_VALUES_ROWS_MAX && arena && err);
    assert((inputs || !program->input_count) && (outputs || !program->output_count));
    struct run run = {
        .program = program, .inputs = inputs, .rows = rows, .arena = arena, .err = err
    };
    run.values = ax_arena_alloc(arena, program->step_count, sizeof(*run.values));
    if (run.values)
        run.args = ax_arena_alloc(arena, program->args_max, sizeof(struct ax_values *));
    if (!run.args)
        return ax_arena_fail(arena, "the values of an expression", err);
    for (size_t i = 0; i < program->step_count; i++)
        if (run_step(&run, i))
            return err->code;
    for (size_t i = 0; i < program->output_count; i++)
        outputs[i] = run.values[program->outputs[i]];
    return AX_OK;
}

/* ---- constants ---- */

static bool is_constant(const struct ax_program *program, const struct step *step)
{
    if (step->kind != AX_EXPR_CALL || step->type.is_list)
        return false;
    for (size_t i = 0; i < step->arg_count; i++)
        if (program->steps[step->args[i]].kind != AX_EXPR_LITERAL)
            return false;
    return true;
}

static enum ax_code take_literal(struct ax_program *program, struct step *step,
                                 const struct ax_values *values, struct ax_err *err)
{
    release_state(step);
    *step = (struct step){ .kind = AX_EXPR_LITERAL, .type = step->type };
    step->is_null = ax_values_is_null(values, 0);
    if (step->is_null)
        return AX_OK;
    if (step->type.kind == AX_TYPE_STRING) {
        const char *copy = ax_arena_strdup(&program->arena, values->texts[0]);
        if (!copy)
            return ax_arena_fail(&program->arena, "a program", err);
        step->literal.text = (struct ax_str){ copy, values->texts[0].len };
    } else if (step->type.kind == AX_TYPE_BOOL) {
        step->literal.truth = values->bools[0];
    } else {
        memcpy(&step->literal, values->data, sizeof(step->literal.i64));
    }
    return AX_OK;
}

static void fold_step(struct run *run, struct ax_program *program, size_t index)
{
    struct step *step = &program->steps[index];
    for (size_t k = 0; k < step->arg_count && !run->err->code; k++)
        (void)run_step(run, step->args[k]);
    if (!run->err->code && run_step(run, index) == AX_OK)
        (void)take_literal(program, step, &run->values[index], run->err);
}

/* Make a literal of every call whose arguments are literals. A call that does not fit into the
 * memory that there is for this stays a call. */
static enum ax_code fold(struct ax_program *program, struct ax_err *err)
{
    struct ax_arena arena;
    struct run run = { .program = program, .rows = 1, .arena = &arena, .err = err };
    run.values = ax_try_alloc(program->step_count, sizeof(*run.values));
    run.args = ax_try_alloc(AX_EXPR_ARGUMENTS_MAX, sizeof(struct ax_values *));
    ax_arena_init(&arena, PROGRAM_BYTES_FIRST, FOLD_BYTES_MAX);
    if (!run.values || !run.args)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for a program");
    for (size_t i = 0; i < program->step_count && !err->code; i++) {
        if (!is_constant(program, &program->steps[i]))
            continue;
        ax_arena_reset(&arena);
        fold_step(&run, program, i);
        if (err->code == AX_E_TOO_LARGE)
            ax_err_clear(err);
    }
    ax_arena_done(&arena);
    free(run.values);
    free(run.args);
    return err->code;
}

enum ax_code ax_program_new(const struct ax_expr *const *exprs, size_t count,
                            struct ax_program **ret_program, struct ax_err *err)
{
    assert((exprs || !count) && ret_program && err);
    struct ax_program *program = ax_xalloc(sizeof(*program));
    struct compiler c = { .program = program, .err = err };
    ax_arena_init(&program->arena, PROGRAM_BYTES_FIRST, PROGRAM_BYTES_MAX);
    program->outputs = ax_xalloc(count * sizeof(*program->outputs));
    program->output_count = count;
    for (size_t i = 0; i < count && !err->code; i++)
        (void)compile(&c, exprs[i], &program->outputs[i]);
    free(c.slots);
    if (err->code || fold(program, err)) {
        ax_program_free(program);
        return err->code;
    }
    mark_used(program);
    drop_unused(program);
    *ret_program = program;
    return AX_OK;
}

void ax_program_free(struct ax_program *program)
{
    if (!program)
        return;
    for (size_t i = 0; i < program->step_count; i++)
        release_state(&program->steps[i]);
    free(program->steps);
    free(program->outputs);
    free(program->reads);
    ax_arena_done(&program->arena);
    free(program);
}

size_t ax_program_output_count(const struct ax_program *program)
{
    assert(program);
    return program->output_count;
}

bool ax_program_reads(const struct ax_program *program, size_t input)
{
    assert(program);
    return input < program->input_count && program->reads[input];
}

size_t ax_program_bytes(const struct ax_program *program)
{
    assert(program);
    return ax_alloc_bytes(program) + ax_alloc_bytes(program->steps) +
           ax_alloc_bytes(program->outputs) + ax_alloc_bytes(program->reads) +
           ax_arena_bytes(&program->arena);
}
