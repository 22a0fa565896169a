/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's stack of operands, and how nodes are made of them. All bounds of trees are kept
 * here.
 */
#include "data/expr/parser.h"

#include "base/json_number.h"
#include "data/expr/function.h"

#include <assert.h>

#define SHOWN_BYTES_MAX 64

static enum ax_code push_operand(struct ax_parser *parser, struct ax_operand operand)
{
    parser->operands[parser->operand_count++] = operand;
    return AX_OK;
}

/* Count nodes; the stack cannot overflow, since each operand on it was counted. */
static enum ax_code count_nodes(struct ax_parser *parser, size_t count, size_t at)
{
    parser->nodes += count;
    if (parser->nodes > AX_EXPR_NODES_MAX)
        return ax_parser_fail(parser, at, AX_E_TOO_LARGE, "over %d names, constants and operators",
                              AX_EXPR_NODES_MAX);
    return AX_OK;
}

static struct ax_expr *new_node(struct ax_parser *parser, struct ax_expr node)
{
    struct ax_expr *copy = ax_arena_alloc(parser->arena, 1, sizeof(*copy));
    if (copy)
        *copy = node;
    else
        (void)ax_arena_fail(parser->arena, "an expression", parser->err);
    return copy;
}

enum ax_code ax_parser_push(struct ax_parser *parser, struct ax_expr leaf)
{
    struct ax_operand operand = { .nodes = 1, .depth = 1 };
    if (count_nodes(parser, 1, leaf.at) || !(operand.expr = new_node(parser, leaf)))
        return parser->err->code;
    return push_operand(parser, operand);
}

enum ax_code ax_parser_repeat(struct ax_parser *parser, struct ax_operand operand)
{
    if (count_nodes(parser, operand.nodes, operand.expr->at))
        return parser->err->code;
    return push_operand(parser, operand);
}

struct ax_operand ax_parser_pop(struct ax_parser *parser)
{
    assert(parser->operand_count);
    return parser->operands[--parser->operand_count];
}

enum ax_code ax_parser_push_text(struct ax_parser *parser, struct ax_str text, size_t at)
{
    return ax_parser_push(parser, (struct ax_expr){ .kind = AX_EXPR_LITERAL,
                                                    .type = { AX_TYPE_STRING, false },
                                                    .at = at,
                                                    .literal.text = text });
}

enum ax_code ax_parser_push_number(struct ax_parser *parser, bool negative)
{
    struct ax_str raw = parser->lexer.raw;
    struct ax_expr number = { .kind = AX_EXPR_LITERAL, .at = parser->lexer.token_at };
    const char *end = raw.ptr + raw.len;
    bool is_whole = true;
    for (size_t i = 0; i < raw.len; i++)
        is_whole &= raw.ptr[i] >= '0' && raw.ptr[i] <= '9';
    uint64_t size = 0;
    if (!is_whole) {
        number.type.kind = AX_TYPE_FLOAT64;
        if (ax_json_number_read(raw.ptr, end, &number.literal.f64) != end)
            return ax_parser_fail_expected(parser, "a number like 12, 0.5 or 1e6 within float64");
        if (negative && number.literal.f64 != 0)
            number.literal.f64 = -number.literal.f64;
    } else {
        number.type.kind = AX_TYPE_INT64;
        if (!ax_str_to_u64(raw, &size) || size > (uint64_t)INT64_MAX + negative)
            return ax_parser_fail(parser, number.at, AX_E_INVALID,
                                  "'%.*s' does not fit int64; with .0 behind it is float64",
                                  AX_STR_ARG(ax_str_cut(raw, SHOWN_BYTES_MAX)));
        number.literal.i64 = (int64_t)(negative ? 0 - size : size);
    }
    if (ax_parser_next(parser))
        return parser->err->code;
    return ax_parser_push(parser, number);
}

static enum ax_code push_unknown(struct ax_parser *parser, size_t at)
{
    if (ax_parser_push(parser, (struct ax_expr){ .kind = AX_EXPR_LITERAL,
                                                 .type = AX_TYPE_OF_NULL,
                                                 .at = at,
                                                 .is_null = true }))
        return parser->err->code;
    parser->operands[parser->operand_count - 1].is_unknown = true;
    return AX_OK;
}

static bool has_unknown(const struct ax_operand *operands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (operands[i].is_unknown)
            return true;
    return false;
}

static const struct ax_scope_column *find_column(const struct ax_scope *scope, struct ax_str name)
{
    if (scope->indexes)
        return ax_map_get(scope->indexes, name);
    for (size_t i = 0; i < scope->column_count; i++)
        if (ax_str_equals(scope->columns[i].name, name))
            return &scope->columns[i];
    return NULL;
}

static enum ax_code fail_column(struct ax_parser *parser, struct ax_str name, size_t at)
{
    const struct ax_scope *scope = parser->scope;
    struct ax_str shown = ax_str_cut(name, SHOWN_BYTES_MAX);
    struct ax_str *names = ax_arena_alloc(parser->arena, scope->column_count, sizeof(*names));
    long nearest = -1;
    for (size_t i = 0; names && i < scope->column_count; i++)
        names[i] = scope->columns[i].name;
    if (names)
        nearest = ax_str_nearest(name, names, scope->column_count);
    if (nearest < 0)
        return ax_parser_fail(parser, at, AX_E_INVALID, "'%.*s' is not known here",
                              AX_STR_ARG(shown));
    return ax_parser_fail(parser, at, AX_E_INVALID, "'%.*s' is not known here; nearest is '%.*s'",
                          AX_STR_ARG(shown), AX_STR_ARG(names[nearest]));
}

enum ax_code ax_parser_push_column(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    struct ax_str name;
    if (ax_lexer_take_text(&parser->lexer, parser->arena, &name, parser->err))
        return parser->err->code;
    const struct ax_scope_column *column = find_column(parser->scope, name);
    if (!column && parser->scope->is_open)
        return ax_parser_next(parser) ? parser->err->code : push_unknown(parser, at);
    if (!column)
        return fail_column(parser, name, at);
    struct ax_expr input = { .kind = AX_EXPR_INPUT,
                             .type = column->type,
                             .at = at,
                             .input = (size_t)(column - parser->scope->columns) };
    if (ax_parser_next(parser) || ax_parser_push(parser, input))
        return parser->err->code;
    struct ax_operand *operand = &parser->operands[parser->operand_count - 1];
    operand->is_bytes = column->is_bytes;
    if (!parser->in_aggregate && !parser->outside)
        parser->outside = operand->expr;
    return AX_OK;
}

/* What is asked of arguments besides their types. */
static enum ax_code check_arguments(struct ax_parser *parser, const struct ax_function *function,
                                    const struct ax_operand *args, size_t count)
{
    for (size_t i = 0; i < count && i < AX_FUNCTION_PARAMS_MAX; i++) {
        const struct ax_expr *arg = args[i].expr;
        if (function->literals >> i & 1 && (arg->kind != AX_EXPR_LITERAL || arg->is_null))
            return ax_parser_fail(parser, arg->at, AX_E_INVALID,
                                  "argument %zu of %s has to be a constant", i + 1, function->name);
    }
    return AX_OK;
}

/* Where the first constant stands that the function asks for: what is wrong is most likely there.
 */
static size_t place_of_constant(const struct ax_expr *call)
{
    for (size_t i = 0; i < call->arg_count && i < AX_FUNCTION_PARAMS_MAX; i++)
        if (call->function->literals >> i & 1)
            return call->args[i]->at;
    return call->at;
}

/* A pattern or a zone is refused where it stands, not when the program is made. A zone that is not
 * found is a mistake in the text as others are. */
static enum ax_code check_state(struct ax_parser *parser, const struct ax_expr *call)
{
    void *state = NULL;
    if (!call->function->prepare)
        return AX_OK;
    parser->fail_at = place_of_constant(call);
    if (call->function->prepare(call, &state, parser->err)) {
        if (parser->err->code == AX_E_NOT_FOUND)
            parser->err->code = AX_E_INVALID;
        return parser->err->code;
    }
    if (call->function->release)
        call->function->release(state);
    parser->fail_at = SIZE_MAX;
    return AX_OK;
}

/* Choose the overload for the last operands. */
static enum ax_code find_function(struct ax_parser *parser, struct ax_str name, size_t count,
                                  struct ax_expr *call)
{
    const struct ax_operand *args = &parser->operands[parser->operand_count - count];
    for (size_t i = 0; i < count; i++) {
        const struct ax_expr *arg = args[i].expr;
        parser->types[i] = arg->type;
        parser->is_null[i] = arg->type.kind == AX_TYPE_COUNT;
        if (args[i].is_bytes)
            return ax_parser_fail(parser, arg->at, AX_E_INVALID,
                                  "a column of bytes can be passed on, not computed with");
    }
    parser->fail_at = call->at;
    if (ax_function_find(name, parser->types, parser->is_null, count, &call->function,
                         parser->wanted, &call->type, parser->err))
        return parser->err->code;
    parser->fail_at = SIZE_MAX;
    return check_arguments(parser, call->function, args, count);
}

enum ax_code ax_parser_call(struct ax_parser *parser, struct ax_str name, size_t at, size_t count)
{
    assert(name.len && count <= parser->operand_count);
    struct ax_expr call = { .kind = AX_EXPR_CALL, .at = at, .arg_count = count };
    struct ax_operand operand = { .nodes = 1 };
    struct ax_operand *operands = &parser->operands[parser->operand_count - count];
    if (count_nodes(parser, 1, at))
        return parser->err->code;
    if (count > AX_EXPR_ARGUMENTS_MAX)
        return ax_parser_fail(parser, at, AX_E_TOO_LARGE, "over %d arguments",
                              AX_EXPR_ARGUMENTS_MAX);
    if (has_unknown(operands, count)) {
        parser->operand_count -= count;
        return push_unknown(parser, at);
    }
    if (find_function(parser, name, count, &call))
        return parser->err->code;
    const struct ax_expr **args = ax_arena_alloc(parser->arena, count, sizeof(struct ax_expr *));
    if (!args)
        return ax_arena_fail(parser->arena, "an expression", parser->err);
    for (size_t i = 0; i < count; i++) {
        size_t conversion =
            operands[i].expr->kind == AX_EXPR_CALL || operands[i].expr->kind == AX_EXPR_INPUT;
        conversion &= !ax_type_equals(operands[i].expr->type, parser->wanted[i]);
        if (count_nodes(parser, conversion, at) ||
            ax_expr_convert(operands[i].expr, parser->wanted[i], parser->arena, &args[i],
                            parser->err))
            return parser->err->code;
        operand.nodes += operands[i].nodes + conversion;
        operand.depth = AX_MAX(operand.depth, operands[i].depth + conversion);
    }
    if (++operand.depth > AX_EXPR_DEPTH_MAX)
        return ax_parser_fail(parser, at, AX_E_TOO_LARGE, "nested over %d deep", AX_EXPR_DEPTH_MAX);
    call.args = args;
    if (!(operand.expr = new_node(parser, call)) || check_state(parser, operand.expr))
        return parser->err->code;
    parser->operand_count -= count;
    return push_operand(parser, operand);
}

enum ax_code ax_parser_cast(struct ax_parser *parser, struct ax_type type, size_t at)
{
    struct ax_operand *operand = &parser->operands[parser->operand_count - 1];
    struct ax_type from = operand->expr->type;
    if (operand->is_unknown || (ax_type_equals(from, type) && !operand->is_bytes))
        return AX_OK;
    if (from.kind == AX_TYPE_COUNT)
        return ax_expr_convert(operand->expr, type, parser->arena, &operand->expr, parser->err);
    char name[32];
    int len = snprintf(name, sizeof(name), "cast:%s", ax_type_name(type));
    assert(len > 0 && (size_t)len < sizeof(name));
    if (ax_parser_call(parser, (struct ax_str){ name, (size_t)len }, at, 1) != AX_E_INVALID)
        return parser->err->code;
    if (operand->is_bytes)
        return parser->err->code;
    ax_err_clear(parser->err);
    return ax_parser_fail(parser, at, AX_E_INVALID, "there is no cast of %s to %s",
                          ax_type_name(from), ax_type_name(type));
}
