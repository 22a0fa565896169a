/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of an expression becomes a postfix list: and, or and not as they are, a comparison of an
 * input with a constant or several as a test. Any other tree of type bool is an output of the
 * program, and the list reads it. Evaluating goes over the list once, with a stack no deeper than
 * trees are; it recurses only while compiling, no deeper than that either.
 *
 * Every number of a test is compared as f64. That is exact for FP32, FP64 and BOOL, and for INT64
 * because tests with constants of 2^53 and more are left to the program: rounding to f64 never
 * carries an integer across a smaller one. `=` is `in` with one constant, `!=` is its `not`.
 */
#include "engine/condition.h"

#include "base/alloc.h"
#include "data/expr/function.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define INTEGER_CONSTANT_MAX (INT64_C(1) << 53)
#define TREE_BYTES_FIRST     ((size_t)16 << 10)
#define TREE_BYTES_MAX       ((size_t)64 << 20)

enum op_code {
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN_NUMBERS,
    OP_IN_TEXTS,
    OP_IS_NULL,
    OP_COMPUTED,
    OP_NOT,
    OP_AND,
    OP_OR,
};

struct ax_condition_op {
    enum op_code code;
    uint32_t input; /* of a test; of COMPUTED the program's output */
    uint32_t first; /* constant */
    uint32_t count; /* of constants */
};

union ax_condition_constant {
    double number;
    struct ax_str text;
};

struct compiler {
    const struct ax_signature *signature;
    struct ax_arena trees;  /* of the tree that was read */
    struct ax_arena *arena; /* of the condition */
    struct ax_err *err;

    struct ax_condition_op ops[2 * AX_EXPR_NODES_MAX]; /* a node is a test, and may be negated */
    size_t op_count;
    union ax_condition_constant constants[AX_EXPR_NODES_MAX];
    size_t constant_count;
    const struct ax_expr *computed[AX_EXPR_NODES_MAX];
    size_t computed_count;
};

/* What truth may be: a test of a missing value is UNKNOWN. */
enum truth { NO, YES, UNKNOWN };

bool ax_condition_has_datatype(enum ax_datatype datatype)
{
    return datatype == AX_BOOL || datatype == AX_INT64 || datatype == AX_FP32 ||
           datatype == AX_FP64 || datatype == AX_BYTES;
}

/* ---- names ---- */

static enum ax_type_kind type_of(enum ax_datatype datatype)
{
    assert(ax_condition_has_datatype(datatype));
    if (datatype == AX_BOOL)
        return AX_TYPE_BOOL;
    if (datatype == AX_INT64)
        return AX_TYPE_INT64;
    return datatype == AX_BYTES ? AX_TYPE_STRING : AX_TYPE_FLOAT64;
}

void ax_condition_names_init(struct ax_condition_names *names, const struct ax_signature *signature)
{
    assert(names && signature);
    size_t count = signature->input_count;
    *names = (struct ax_condition_names){ .signature = signature };
    names->columns = ax_xalloc(count * sizeof(*names->columns));
    ax_map_init(&names->indexes);
    for (size_t i = 0; i < count; i++) {
        const struct ax_input *input = &signature->inputs[i];
        names->columns[i] = (struct ax_scope_column){ .name = input->name,
                                                      .type = { type_of(input->datatype), false } };
        (void)ax_map_put(&names->indexes, input->name, &names->columns[i]);
    }
    names->scope = (struct ax_scope){ .columns = names->columns, .column_count = count };
}

void ax_condition_names_done(struct ax_condition_names *names)
{
    assert(names);
    free(names->columns);
    ax_map_done(&names->indexes);
}

/* ---- from the tree to tests ---- */

static bool is_call(const struct ax_expr *expr, const char *name)
{
    return expr->kind == AX_EXPR_CALL && strcmp(expr->function->name, name) == 0;
}

/* The comparison that a call is; OP_IN_NUMBERS: = or in. False when it is none. */
static bool find_comparison(const struct ax_expr *expr, enum op_code *ret_code, bool *ret_negated)
{
    static const struct {
        const char *name;
        enum op_code code;
    } comparisons[] = {
        { "<", OP_LESS },           { "<=", OP_LESS_EQUAL }, { ">", OP_GREATER },
        { ">=", OP_GREATER_EQUAL }, { "=", OP_IN_NUMBERS },  { "!=", OP_IN_NUMBERS },
        { "in", OP_IN_NUMBERS },
    };
    *ret_negated = is_call(expr, "!=");
    for (size_t i = 0; i < AX_COUNT(comparisons); i++) {
        if (is_call(expr, comparisons[i].name)) {
            *ret_code = comparisons[i].code;
            return true;
        }
    }
    return false;
}

/* The input that an argument is, as it is or widened; NULL: it is no input. */
static const struct ax_expr *find_input(const struct ax_expr *expr)
{
    if (is_call(expr, "cast:float64") && expr->args[0]->kind == AX_EXPR_INPUT &&
        expr->args[0]->type.kind == AX_TYPE_INT64)
        expr = expr->args[0];
    return expr->kind == AX_EXPR_INPUT ? expr : NULL;
}

static bool is_single(const struct compiler *c, const struct ax_expr *expr)
{
    return expr->kind == AX_EXPR_INPUT && c->signature->inputs[expr->input].datatype == AX_FP32;
}

/* The same tree with the constants that FP32 inputs are compared with rounded to FP32. */
static const struct ax_expr *round_constants(struct compiler *c, const struct ax_expr *expr)
{
    enum op_code code;
    bool negated, rounds = false;
    if (expr->kind != AX_EXPR_CALL)
        return expr;
    bool compares = find_comparison(expr, &code, &negated);
    struct ax_expr *copy = ax_arena_alloc(&c->trees, 1, sizeof(*copy));
    const struct ax_expr **args = ax_arena_alloc(&c->trees, expr->arg_count, sizeof(void *));
    struct ax_expr *literals = ax_arena_alloc(&c->trees, expr->arg_count, sizeof(*literals));
    if (!copy || !args || !literals) {
        (void)ax_arena_fail(&c->trees, "the condition", c->err);
        return expr;
    }
    for (size_t i = 0; compares && i < expr->arg_count; i++)
        rounds |= is_single(c, expr->args[i]);
    for (size_t i = 0; i < expr->arg_count; i++) {
        args[i] = round_constants(c, expr->args[i]);
        if (!rounds || args[i]->kind != AX_EXPR_LITERAL || args[i]->is_null)
            continue;
        literals[i] = *args[i];
        literals[i].literal.f64 = (double)(float)args[i]->literal.f64;
        args[i] = &literals[i];
    }
    *copy = *expr;
    copy->args = args;
    return copy;
}

static void emit(struct compiler *c, struct ax_condition_op op)
{
    assert(c->op_count < AX_COUNT(c->ops));
    c->ops[c->op_count++] = op;
}

static void emit_code(struct compiler *c, enum op_code code)
{
    emit(c, (struct ax_condition_op){ .code = code });
}

/* Whether a constant can stand in a test, as number or text. */
static bool take_constant(const struct ax_expr *expr, union ax_condition_constant *ret)
{
    if (expr->kind != AX_EXPR_LITERAL || expr->is_null)
        return false;
    if (expr->type.kind == AX_TYPE_STRING)
        ret->text = expr->literal.text;
    else if (expr->type.kind == AX_TYPE_BOOL)
        ret->number = expr->literal.truth;
    else if (expr->type.kind == AX_TYPE_FLOAT64)
        ret->number = expr->literal.f64;
    else if (expr->literal.i64 > -INTEGER_CONSTANT_MAX && expr->literal.i64 < INTEGER_CONSTANT_MAX)
        ret->number = (double)expr->literal.i64;
    else
        return false;
    return true;
}

static enum op_code turn_round(enum op_code code)
{
    static const enum op_code turned[] = { [OP_LESS] = OP_GREATER,
                                           [OP_LESS_EQUAL] = OP_GREATER_EQUAL,
                                           [OP_GREATER] = OP_LESS,
                                           [OP_GREATER_EQUAL] = OP_LESS_EQUAL };
    return code <= OP_GREATER_EQUAL ? turned[code] : code;
}

/* A comparison of one input with constants. False: it is not that. */
static bool lower_comparison(struct compiler *c, const struct ax_expr *expr)
{
    struct ax_condition_op op = { .first = (uint32_t)c->constant_count };
    bool negated;
    if (!find_comparison(expr, &op.code, &negated))
        return false;
    const struct ax_expr *input = find_input(expr->args[0]);
    bool is_turned = !input && !is_call(expr, "in");
    if (is_turned)
        input = find_input(expr->args[1]);
    if (!input)
        return false;
    bool is_ordered = op.code <= OP_GREATER_EQUAL;
    if (is_ordered && (input->type.kind == AX_TYPE_STRING || input->type.kind == AX_TYPE_BOOL))
        return false;
    for (size_t i = 0; i < expr->arg_count; i++)
        if (i != (size_t)is_turned &&
            !take_constant(expr->args[i], &c->constants[op.first + op.count++]))
            return false;
    if (is_turned)
        op.code = turn_round(op.code);
    if (input->type.kind == AX_TYPE_STRING)
        op.code = OP_IN_TEXTS;
    op.input = (uint32_t)input->input;
    c->constant_count += op.count;
    emit(c, op);
    if (negated)
        emit_code(c, OP_NOT);
    return true;
}

static bool lower_test(struct compiler *c, const struct ax_expr *expr)
{
    if (is_call(expr, "is null") && expr->args[0]->kind == AX_EXPR_INPUT) {
        emit(c, (struct ax_condition_op){ .code = OP_IS_NULL,
                                          .input = (uint32_t)expr->args[0]->input });
        return true;
    }
    if (expr->kind != AX_EXPR_INPUT)
        return lower_comparison(c, expr);
    struct ax_condition_op op = { .code = OP_IN_NUMBERS,
                                  .input = (uint32_t)expr->input,
                                  .first = (uint32_t)c->constant_count,
                                  .count = 1 };
    c->constants[c->constant_count++].number = 1;
    emit(c, op);
    return true;
}

static void lower(struct compiler *c, const struct ax_expr *expr)
{
    bool is_and = is_call(expr, "and");
    if (is_and || is_call(expr, "or")) {
        for (size_t i = 0; i < expr->arg_count; i++) {
            lower(c, expr->args[i]);
            if (i)
                emit_code(c, is_and ? OP_AND : OP_OR);
        }
    } else if (is_call(expr, "not")) {
        lower(c, expr->args[0]);
        emit_code(c, OP_NOT);
    } else if (!lower_test(c, expr)) {
        emit(c,
             (struct ax_condition_op){ .code = OP_COMPUTED, .input = (uint32_t)c->computed_count });
        c->computed[c->computed_count++] = expr;
    }
}

/* ---- compiling ---- */

static size_t count_nodes(const struct ax_expr *expr)
{
    size_t count = 1;
    for (size_t i = 0; i < expr->arg_count; i++)
        count += count_nodes(expr->args[i]);
    return count;
}

static enum ax_code read_tree(struct compiler *c, struct ax_str text,
                              const struct ax_condition_names *names, const struct ax_expr **ret,
                              size_t *ret_at)
{
    const struct ax_type truth = { AX_TYPE_BOOL, false };
    struct ax_scope scope = names->scope;
    struct ax_parsed parsed;
    scope.indexes = &names->indexes;
    if (ax_expr_parse(text, &scope, &c->trees, &parsed, ret_at, c->err))
        return c->err->code;
    *ret_at = 0;
    if (ax_expr_convert(parsed.root, truth, &c->trees, ret, c->err))
        return ax_err_context(c->err, "the condition");
    *ret = round_constants(c, *ret);
    return c->err->code;
}

static enum ax_code keep_texts(struct compiler *c, union ax_condition_constant *constants)
{
    for (size_t i = 0; i < c->op_count; i++) {
        const struct ax_condition_op *op = &c->ops[i];
        for (uint32_t k = 0; op->code == OP_IN_TEXTS && k < op->count; k++) {
            struct ax_str *text = &constants[op->first + k].text;
            const char *copy = ax_arena_strdup(c->arena, *text);
            if (!copy)
                return ax_arena_fail(c->arena, "the condition", c->err);
            text->ptr = copy;
        }
    }
    return AX_OK;
}

/* Copy what was made from the compiler into the arena, and make the program. */
static enum ax_code keep(struct compiler *c, struct ax_condition *ret)
{
    struct ax_condition_op *ops = ax_arena_alloc(c->arena, c->op_count, sizeof(*ops));
    union ax_condition_constant *constants =
        ax_arena_alloc(c->arena, c->constant_count, sizeof(*constants));
    struct ax_condition made = { ops, c->op_count, constants, c->constant_count, NULL, 0 };
    if (!ops || !constants)
        return ax_arena_fail(c->arena, "the condition", c->err);
    memcpy(ops, c->ops, c->op_count * sizeof(*ops));
    memcpy(constants, c->constants, c->constant_count * sizeof(*constants));
    for (size_t i = 0; i < c->computed_count; i++)
        made.node_count += count_nodes(c->computed[i]);
    if (keep_texts(c, constants) ||
        (c->computed_count &&
         ax_program_new(c->computed, c->computed_count, &made.program, c->err)))
        return c->err->code;
    *ret = made;
    return AX_OK;
}

enum ax_code ax_condition_compile(struct ax_str text, const struct ax_condition_names *names,
                                  struct ax_arena *arena, struct ax_condition *ret, size_t *ret_at,
                                  struct ax_err *err)
{
    assert(names && arena && ret && ret_at && err && (text.ptr || !text.len));
    const struct ax_expr *tree;
    struct compiler c;
    c.signature = names->signature;
    c.arena = arena;
    c.err = err;
    c.op_count = c.constant_count = c.computed_count = 0;
    ax_arena_init(&c.trees, TREE_BYTES_FIRST, TREE_BYTES_MAX);
    if (!read_tree(&c, text, names, &tree, ret_at)) {
        lower(&c, tree);
        (void)keep(&c, ret);
    }
    ax_arena_done(&c.trees);
    return err->code;
}

void ax_condition_done(struct ax_condition *condition)
{
    assert(condition);
    ax_program_free(condition->program);
    condition->program = NULL;
}

/* ---- evaluating ---- */

static double cell_number(const struct ax_column *column, size_t row)
{
    const void *at = ax_column_at(column, row);
    if (column->datatype == AX_FP32)
        return *(const float *)at;
    if (column->datatype == AX_FP64)
        return *(const double *)at;
    if (column->datatype == AX_INT64)
        return (double)*(const int64_t *)at;
    assert(column->datatype == AX_BOOL);
    return *(const uint8_t *)at;
}

static bool cell_is_null(const struct ax_column *column, size_t row)
{
    if (!ax_column_is_valid(column, row))
        return true;
    return (column->datatype == AX_FP32 || column->datatype == AX_FP64) &&
           isnan(cell_number(column, row));
}

static bool is_in_texts(struct ax_str text, const union ax_condition_constant *constants,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ax_str_equals(text, constants[i].text))
            return true;
    return false;
}

static bool is_in_numbers(double number, const union ax_condition_constant *constants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (number == constants[i].number)
            return true;
    return false;
}

static enum truth evaluate_test(const struct ax_condition_op *op,
                                const union ax_condition_constant *constants,
                                const struct ax_batch *in, size_t row)
{
    const struct ax_column *column = &in->columns[op->input];
    bool null = cell_is_null(column, row);
    if (op->code == OP_IS_NULL)
        return null ? YES : NO;
    if (null)
        return UNKNOWN;
    if (op->code == OP_IN_TEXTS) {
        struct ax_str text = *(const struct ax_str *)ax_column_at(column, row);
        return is_in_texts(text, constants, op->count) ? YES : NO;
    }
    double number = cell_number(column, row);
    if (op->code == OP_LESS)
        return number < constants->number ? YES : NO;
    if (op->code == OP_LESS_EQUAL)
        return number <= constants->number ? YES : NO;
    if (op->code == OP_GREATER)
        return number > constants->number ? YES : NO;
    if (op->code == OP_GREATER_EQUAL)
        return number >= constants->number ? YES : NO;
    return is_in_numbers(number, constants, op->count) ? YES : NO;
}

/* `and` and `or`: one side may decide alone, whatever the other is. */
static enum truth join(enum truth a, enum truth b, enum truth decides)
{
    if (a == decides || b == decides)
        return decides;
    return a == UNKNOWN ? a : b;
}

static enum truth take_computed(const struct ax_values *values, size_t row)
{
    if (ax_values_is_null(values, row))
        return UNKNOWN;
    return values->bools[row] ? YES : NO;
}

bool ax_condition_holds(const struct ax_condition *condition, const struct ax_batch *in, size_t row,
                        const struct ax_values *computed, size_t at)
{
    assert(condition && condition->op_count && in && row < in->rows);
    assert(computed || !condition->program);
    enum truth stack[AX_EXPR_DEPTH_MAX + 1];
    size_t depth = 0;
    stack[0] = NO;
    for (size_t i = 0; i < condition->op_count; i++) {
        const struct ax_condition_op *op = &condition->ops[i];
        if (op->code == OP_NOT) {
            enum truth *top = &stack[depth - 1];
            *top = *top == UNKNOWN ? UNKNOWN : *top == YES ? NO : YES;
        } else if (op->code == OP_AND || op->code == OP_OR) {
            depth--;
            stack[depth - 1] = join(stack[depth - 1], stack[depth], op->code == OP_AND ? NO : YES);
        } else {
            assert(depth < AX_COUNT(stack));
            stack[depth++] = op->code == OP_COMPUTED
                                 ? take_computed(&computed[op->input], at)
                                 : evaluate_test(op, condition->constants + op->first, in, row);
        }
    }
    return stack[0] == YES;
}
