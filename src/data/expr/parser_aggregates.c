/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates over events: `agg(value) [filter (where cond)] over W [hop H]`. An aggregate leaves an
 * input on the stack, whose number is that of the aggregate; one that was read before is used
 * again.
 */
#include "data/expr/parser.h"

#include <assert.h>

#define SECOND_US     INT64_C(1000000)
#define DAY_US        (INT64_C(86400) * SECOND_US)
#define WINDOW_US_MAX (400 * DAY_US)
#define N_MAX         1024

static const struct ax_str aggregate_names[AX_AGGREGATE_COUNT_OF] = {
#define X(name, text) [AX_AGGREGATE_##name] = { (text), sizeof(text) - 1 },
    AX_AGGREGATE_LIST(X)
#undef X
};

const char *ax_aggregate_name(enum ax_aggregate_kind kind)
{
    assert(kind < AX_AGGREGATE_COUNT_OF);
    return aggregate_names[kind].ptr;
}

bool ax_aggregate_from_name(struct ax_str name, enum ax_aggregate_kind *ret)
{
    assert(ret);
    for (size_t i = 0; i < AX_AGGREGATE_COUNT_OF; i++) {
        if (ax_str_equals_nocase(name, aggregate_names[i])) {
            *ret = (enum ax_aggregate_kind)i;
            return true;
        }
    }
    return false;
}

static bool is_number(struct ax_type type)
{
    return !type.is_list && (type.kind == AX_TYPE_INT64 || type.kind == AX_TYPE_FLOAT64);
}

/* The type of an aggregate's result over values of a type; false when it does not take them. */
static bool find_result(enum ax_aggregate_kind kind, struct ax_type value, struct ax_type *ret)
{
    bool is_bool = !value.is_list && value.kind == AX_TYPE_BOOL;
    *ret = value;
    switch (kind) {
    case AX_AGGREGATE_COUNT:
    case AX_AGGREGATE_COUNT_DISTINCT:
        *ret = (struct ax_type){ AX_TYPE_INT64, false };
        return !value.is_list;
    case AX_AGGREGATE_SUM:
        if (is_bool)
            ret->kind = AX_TYPE_INT64;
        return is_bool || is_number(value) || (value.kind == AX_TYPE_DURATION && !value.is_list);
    case AX_AGGREGATE_AVG:
    case AX_AGGREGATE_STDDEV:
    case AX_AGGREGATE_VAR:
        ret->kind = AX_TYPE_FLOAT64;
        return is_bool || is_number(value);
    case AX_AGGREGATE_APPROX_QUANTILE:
        ret->kind = AX_TYPE_FLOAT64;
        return is_number(value);
    case AX_AGGREGATE_MIN:
    case AX_AGGREGATE_MAX:
    case AX_AGGREGATE_FIRST:
    case AX_AGGREGATE_LAST:
        return !value.is_list;
    case AX_AGGREGATE_LAST_N:
    case AX_AGGREGATE_TOP_K:
        ret->is_list = true;
        return !value.is_list;
    case AX_AGGREGATE_COUNT_OF:
        break;
    }
    return false;
}

static const char *kind_takes(enum ax_aggregate_kind kind)
{
    if (kind == AX_AGGREGATE_APPROX_QUANTILE)
        return "int64 and float64";
    if (kind == AX_AGGREGATE_SUM)
        return "int64, float64, bool and duration";
    if (kind == AX_AGGREGATE_AVG || kind == AX_AGGREGATE_STDDEV || kind == AX_AGGREGATE_VAR)
        return "int64, float64 and bool";
    return "no lists";
}

/* The value, in the parentheses. */
static enum ax_code read_value(struct ax_parser *parser, struct ax_aggregate *aggregate)
{
    size_t at = parser->lexer.token_at;
    if (aggregate->kind == AX_AGGREGATE_COUNT && ax_lexer_is_sign(&parser->lexer, "*")) {
        aggregate->type = (struct ax_type){ AX_TYPE_INT64, false };
        return ax_parser_next(parser);
    }
    if (ax_parser_expr(parser))
        return parser->err->code;
    struct ax_operand value = ax_parser_pop(parser);
    aggregate->value = value.expr;
    if (value.is_bytes)
        return ax_parser_fail(parser, value.expr->at, AX_E_INVALID,
                              "a column of bytes cannot be aggregated");
    if (value.expr->type.kind == AX_TYPE_COUNT)
        return ax_parser_fail(parser, at, AX_E_INVALID,
                              "null has no type here; write cast(null as int64) or so");
    if (!find_result(aggregate->kind, value.expr->type, &aggregate->type))
        return ax_parser_fail(parser, at, AX_E_INVALID, "%s takes %s; this is %s",
                              ax_aggregate_name(aggregate->kind), kind_takes(aggregate->kind),
                              ax_type_name(value.expr->type));
    return AX_OK;
}

/* The constant behind the comma: how many, or which quantile. */
static enum ax_code read_parameter(struct ax_parser *parser, struct ax_aggregate *aggregate)
{
    bool is_quantile = aggregate->kind == AX_AGGREGATE_APPROX_QUANTILE;
    if (!is_quantile && aggregate->kind != AX_AGGREGATE_LAST_N &&
        aggregate->kind != AX_AGGREGATE_TOP_K)
        return AX_OK;
    if (ax_parser_skip_sign(parser, ","))
        return parser->err->code;
    size_t at = parser->lexer.token_at;
    const char *expected = is_quantile ? "a quantile from 0 to 1" : "a whole number from 1 to 1024";
    if (parser->lexer.kind != AX_TOKEN_NUMBER)
        return ax_parser_fail_expected(parser, expected);
    if (ax_parser_push_number(parser, false))
        return parser->err->code;
    const struct ax_expr *number = ax_parser_pop(parser).expr;
    bool is_whole = number->type.kind == AX_TYPE_INT64;
    if (is_quantile) {
        aggregate->quantile = is_whole ? (double)number->literal.i64 : number->literal.f64;
        return aggregate->quantile <= 1
                   ? AX_OK
                   : ax_parser_fail(parser, at, AX_E_INVALID, "expected %s", expected);
    }
    if (!is_whole || number->literal.i64 < 1 || number->literal.i64 > N_MAX)
        return ax_parser_fail(parser, at, AX_E_INVALID, "expected %s", expected);
    aggregate->n = number->literal.i64;
    return AX_OK;
}

static enum ax_code read_filter(struct ax_parser *parser, struct ax_aggregate *aggregate)
{
    const struct ax_type truth = { AX_TYPE_BOOL, false };
    if (!ax_lexer_is_word(&parser->lexer, "filter"))
        return AX_OK;
    if (ax_parser_next(parser) || ax_parser_skip_sign(parser, "(") ||
        ax_parser_skip_word(parser, "where"))
        return parser->err->code;
    size_t at = parser->lexer.token_at;
    if (ax_parser_expr(parser))
        return parser->err->code;
    struct ax_operand filter = ax_parser_pop(parser);
    if (filter.is_bytes)
        return ax_parser_fail(parser, at, AX_E_INVALID, "a column of bytes is no condition");
    parser->fail_at = at;
    if (ax_expr_convert(filter.expr, truth, parser->arena, &aggregate->filter, parser->err))
        return ax_err_context(parser->err, "the condition of filter");
    parser->fail_at = SIZE_MAX;
    return ax_parser_skip_sign(parser, ")");
}

/* A length of time: the token 24h, or the text '24h'. */
static enum ax_code read_duration(struct ax_parser *parser, int64_t *ret_us)
{
    if (parser->lexer.kind != AX_TOKEN_DURATION && parser->lexer.kind != AX_TOKEN_TEXT)
        return ax_parser_fail_expected(parser, "a length of time like 15m, 24h or 7d");
    if (ax_duration_parse(parser->lexer.raw, ret_us, parser->err))
        return parser->err->code;
    return ax_parser_next(parser);
}

static enum ax_code read_window(struct ax_parser *parser, struct ax_aggregate *aggregate)
{
    if (!ax_lexer_is_word(&parser->lexer, "over"))
        return ax_parser_fail_expected(parser, "filter (where …), or over and a window like 24h");
    if (ax_parser_next(parser))
        return parser->err->code;
    size_t at = parser->lexer.token_at;
    if (read_duration(parser, &aggregate->window_us))
        return parser->err->code;
    if (aggregate->window_us < SECOND_US || aggregate->window_us > WINDOW_US_MAX)
        return ax_parser_fail(parser, at, AX_E_INVALID, "a window is 1s to 400d long");
    if (!ax_lexer_is_word(&parser->lexer, "hop"))
        return AX_OK;
    if (ax_parser_next(parser))
        return parser->err->code;
    at = parser->lexer.token_at;
    if (read_duration(parser, &aggregate->hop_us))
        return parser->err->code;
    if (aggregate->hop_us < SECOND_US || aggregate->hop_us > aggregate->window_us)
        return ax_parser_fail(parser, at, AX_E_INVALID,
                              "a hop is 1s long or longer, and no longer "
                              "than its window");
    return AX_OK;
}

static bool trees_are_equal(const struct ax_expr *a, const struct ax_expr *b)
{
    return a && b ? ax_expr_equals(a, b) : a == b;
}

static bool aggregates_are_equal(const struct ax_aggregate *a, const struct ax_aggregate *b)
{
    return a->kind == b->kind && a->n == b->n && a->quantile == b->quantile &&
           a->window_us == b->window_us && a->hop_us == b->hop_us &&
           trees_are_equal(a->value, b->value) && trees_are_equal(a->filter, b->filter);
}

/* Where the aggregate stands among those that were read; it is added when it is new. */
static enum ax_code keep_aggregate(struct ax_parser *parser, const struct ax_aggregate *aggregate,
                                   size_t at, size_t *ret_index)
{
    size_t index = 0;
    while (index < parser->aggregate_count &&
           !aggregates_are_equal(&parser->aggregates[index], aggregate))
        index++;
    if (index == AX_PARSER_AGGREGATES_MAX)
        return ax_parser_fail(parser, at, AX_E_TOO_LARGE, "over %d aggregates in one expression",
                              AX_PARSER_AGGREGATES_MAX);
    if (index == parser->aggregate_count)
        parser->aggregates[parser->aggregate_count++] = *aggregate;
    *ret_index = index;
    return AX_OK;
}

enum ax_code ax_parser_aggregate(struct ax_parser *parser, enum ax_aggregate_kind kind)
{
    struct ax_aggregate aggregate = { .kind = kind };
    struct ax_expr input = { .kind = AX_EXPR_INPUT, .at = parser->lexer.token_at };
    if (!parser->scope->has_aggregates)
        return ax_parser_fail(parser, input.at, AX_E_INVALID,
                              "%s is an aggregate, which only a field of a view can be",
                              ax_aggregate_name(kind));
    if (parser->in_aggregate)
        return ax_parser_fail(parser, input.at, AX_E_INVALID,
                              "%s stands inside of another aggregate", ax_aggregate_name(kind));
    parser->in_aggregate = true;
    if (ax_parser_next(parser) || ax_parser_skip_sign(parser, "(") ||
        read_value(parser, &aggregate) || read_parameter(parser, &aggregate) ||
        ax_parser_skip_sign(parser, ")") || read_filter(parser, &aggregate) ||
        read_window(parser, &aggregate) ||
        keep_aggregate(parser, &aggregate, input.at, &input.input))
        return parser->err->code;
    parser->in_aggregate = false;
    input.type = aggregate.type;
    return ax_parser_push(parser, input);
}
