/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked of a tree. The functions recurse, no deeper than trees may be.
 */
#include "data/expr/expr.h"

#include "data/expr/function.h"
#include "data/expr/parser.h"

#include <assert.h>

static enum ax_code copy_leaf(struct ax_expr leaf, struct ax_arena *arena,
                              const struct ax_expr **ret, struct ax_err *err)
{
    struct ax_expr *copy = ax_arena_alloc(arena, 1, sizeof(*copy));
    if (!copy)
        return ax_arena_fail(arena, "an expression", err);
    *copy = leaf;
    *ret = copy;
    return AX_OK;
}

/* A call of the conversion of int64 to float64. */
static enum ax_code widen(const struct ax_expr *expr, struct ax_arena *arena,
                          const struct ax_expr **ret, struct ax_err *err)
{
    struct ax_expr call = { .kind = AX_EXPR_CALL, .at = expr->at, .arg_count = 1 };
    struct ax_type wanted;
    const bool is_null = false;
    const struct ax_expr **args = ax_arena_alloc(arena, 1, sizeof(const struct ax_expr *));
    if (!args)
        return ax_arena_fail(arena, "an expression", err);
    args[0] = expr;
    call.args = args;
    if (ax_function_find(AX_STR("cast:float64"), &expr->type, &is_null, 1, &call.function, &wanted,
                         &call.type, err))
        return err->code;
    return copy_leaf(call, arena, ret, err);
}

enum ax_code ax_expr_convert(const struct ax_expr *expr, struct ax_type type,
                             struct ax_arena *arena, const struct ax_expr **ret, struct ax_err *err)
{
    assert(expr && arena && ret && err);
    if (ax_type_equals(expr->type, type)) {
        *ret = expr;
        return AX_OK;
    }
    bool is_literal = expr->kind == AX_EXPR_LITERAL;
    if (is_literal && expr->is_null) {
        struct ax_expr null = *expr;
        null.type = type;
        return copy_leaf(null, arena, ret, err);
    }
    if (expr->type.is_list || type.is_list || expr->type.kind != AX_TYPE_INT64 ||
        type.kind != AX_TYPE_FLOAT64)
        return ax_fail(err, AX_E_INVALID, "is %s; %s is expected", ax_type_name(expr->type),
                       ax_type_name(type));
    if (!is_literal)
        return widen(expr, arena, ret, err);
    struct ax_expr literal = *expr;
    literal.type = type;
    literal.literal.f64 = (double)expr->literal.i64;
    return copy_leaf(literal, arena, ret, err);
}

void ax_expr_inputs(const struct ax_expr *expr, bool *used)
{
    assert(expr && used);
    if (expr->kind == AX_EXPR_INPUT)
        used[expr->input] = true;
    for (size_t i = 0; i < expr->arg_count; i++)
        ax_expr_inputs(expr->args[i], used);
}

static bool literals_are_equal(const struct ax_expr *a, const struct ax_expr *b)
{
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    switch (a->type.kind) {
    case AX_TYPE_BOOL:
        return a->literal.truth == b->literal.truth;
    case AX_TYPE_FLOAT64:
        return a->literal.f64 == b->literal.f64;
    case AX_TYPE_STRING:
        return ax_str_equals(a->literal.text, b->literal.text);
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        break;
    }
    return a->literal.i64 == b->literal.i64;
}

bool ax_expr_equals(const struct ax_expr *a, const struct ax_expr *b)
{
    assert(a && b);
    if (a == b)
        return true;
    if (a->kind != b->kind || !ax_type_equals(a->type, b->type) || a->arg_count != b->arg_count)
        return false;
    if (a->kind == AX_EXPR_LITERAL)
        return literals_are_equal(a, b);
    if (a->kind == AX_EXPR_INPUT)
        return a->input == b->input;
    if (a->function != b->function)
        return false;
    for (size_t i = 0; i < a->arg_count; i++)
        if (!ax_expr_equals(a->args[i], b->args[i]))
            return false;
    return true;
}
