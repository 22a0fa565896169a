/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of docs/internals/expressions.md, a function a rule, straight to the typed tree.
 *
 * It recurses only through ax_parser_expr, which counts how deep. Chains of `and` and `or` become
 * one call with many arguments; `between` and `case x when` are written out with what they repeat
 * used twice in the tree, which the program computes once.
 */
#include "data/expr/parser.h"

#include "base/calendar.h"
#include "data/expr/function.h"

#include <assert.h>

#define SHOWN_BYTES_MAX 32
#define ALL_NULL        "null has no type here; write cast(null as int64) or so"

enum ax_code ax_parser_fail(struct ax_parser *parser, size_t at, enum ax_code code, const char *fmt,
                            ...)
{
    assert(parser && fmt);
    char text[sizeof(parser->err->msg)];
    va_list args;
    va_start(args, fmt);
    ax_err_print(text, sizeof(text), fmt, args);
    va_end(args);
    parser->fail_at = at;
    return ax_fail(parser->err, code, "%s", text);
}

enum ax_code ax_parser_fail_expected(struct ax_parser *parser, const char *expected)
{
    const struct ax_lexer *lexer = &parser->lexer;
    struct ax_str token = { lexer->text.ptr + lexer->token_at, lexer->at - lexer->token_at };
    if (lexer->kind == AX_TOKEN_END)
        return ax_parser_fail(parser, lexer->token_at, AX_E_INVALID, "the text ends; expected %s",
                              expected);
    return ax_parser_fail(parser, lexer->token_at, AX_E_INVALID, "found '%.*s'; expected %s",
                          AX_STR_ARG(ax_str_cut(token, SHOWN_BYTES_MAX)), expected);
}

enum ax_code ax_parser_skip_sign(struct ax_parser *parser, const char *sign)
{
    char expected[16];
    if (ax_lexer_is_sign(&parser->lexer, sign))
        return ax_parser_next(parser);
    (void)snprintf(expected, sizeof(expected), "'%s'", sign);
    return ax_parser_fail_expected(parser, expected);
}

enum ax_code ax_parser_skip_word(struct ax_parser *parser, const char *word)
{
    if (ax_lexer_is_word(&parser->lexer, word))
        return ax_parser_next(parser);
    return ax_parser_fail_expected(parser, word);
}

static bool is_sign(const struct ax_parser *parser, const char *sign)
{
    return ax_lexer_is_sign(&parser->lexer, sign);
}

static bool is_word(const struct ax_parser *parser, const char *word)
{
    return ax_lexer_is_word(&parser->lexer, word);
}

static enum ax_code call(struct ax_parser *parser, const char *name, size_t at, size_t count)
{
    return ax_parser_call(parser, ax_str_from(name), at, count);
}

/* Expressions with commas between, up to a sign, which is gone over too. */
static enum ax_code read_list(struct ax_parser *parser, const char *end, size_t *ret_count)
{
    size_t count = 0;
    while (!count || is_sign(parser, ",")) {
        if ((count && ax_parser_next(parser)) || ax_parser_expr(parser))
            return parser->err->code;
        count++;
    }
    if (!is_sign(parser, end))
        return ax_parser_fail_expected(parser, *end == ')' ? "',' or ')'" : "',' or ']'");
    *ret_count = count;
    return ax_parser_next(parser);
}

static enum ax_code push_null(struct ax_parser *parser, size_t at)
{
    return ax_parser_push(
        parser, (struct ax_expr){
                    .kind = AX_EXPR_LITERAL, .type = AX_TYPE_OF_NULL, .at = at, .is_null = true });
}

/* ---- what begins with a word ---- */

/* The branches of a case: its arguments are what `else` says, and then conditions and values in
 * turn. `base` is where the stack begins: the value that is compared, or a null in its stead. */
static enum ax_code read_branches(struct ax_parser *parser, size_t base, bool compares)
{
    do {
        size_t at = parser->lexer.token_at;
        if (ax_parser_skip_word(parser, "when") ||
            (compares && ax_parser_repeat(parser, parser->operands[base])) ||
            ax_parser_expr(parser) || (compares && call(parser, "=", at, 2)) ||
            ax_parser_skip_word(parser, "then") || ax_parser_expr(parser))
            return parser->err->code;
    } while (is_word(parser, "when"));
    return AX_OK;
}

static bool is_number(struct ax_type type)
{
    return !type.is_list && (type.kind == AX_TYPE_INT64 || type.kind == AX_TYPE_FLOAT64);
}

/* The overload would be refused with all of the arguments' types; here is which one it is. */
static enum ax_code check_branches(struct ax_parser *parser, size_t base)
{
    struct ax_type type = AX_TYPE_OF_NULL;
    for (size_t i = base; i < parser->operand_count; i++) {
        const struct ax_expr *arg = parser->operands[i].expr;
        if (arg->type.kind == AX_TYPE_COUNT)
            continue;
        if ((i - base) % 2 == 1) {
            if (arg->type.kind != AX_TYPE_BOOL || arg->type.is_list)
                return ax_parser_fail(parser, arg->at, AX_E_INVALID,
                                      "this condition is %s; bool is expected",
                                      ax_type_name(arg->type));
            continue;
        }
        bool joins = type.kind == AX_TYPE_COUNT || ax_type_equals(type, arg->type) ||
                     (is_number(type) && is_number(arg->type));
        if (!joins)
            return ax_parser_fail(parser, arg->at, AX_E_INVALID,
                                  "the values of a case have one type; here are %s and %s",
                                  ax_type_name(type), ax_type_name(arg->type));
        type = arg->type;
    }
    return AX_OK;
}

static enum ax_code read_case(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    size_t base = parser->operand_count;
    if (ax_parser_next(parser))
        return parser->err->code;
    bool compares = !is_word(parser, "when");
    if ((compares ? ax_parser_expr(parser) : push_null(parser, at)) ||
        read_branches(parser, base, compares))
        return parser->err->code;
    if (is_word(parser, "else")) {
        if (ax_parser_next(parser) || ax_parser_expr(parser))
            return parser->err->code;
    } else if (push_null(parser, at)) {
        return parser->err->code;
    }
    parser->operands[base] = ax_parser_pop(parser);
    if (!is_word(parser, "end"))
        return ax_parser_fail_expected(parser, "when, else or end");
    if (ax_parser_next(parser) || check_branches(parser, base))
        return parser->err->code;
    return call(parser, "case", at, parser->operand_count - base);
}

/* The name of a type: "int64", "list<string>". */
static enum ax_code read_type(struct ax_parser *parser, struct ax_type *ret)
{
    static const char expected[] = "a type: bool, int64, float64, string, timestamp, duration or "
                                   "list<int64> and so on";
    bool is_list = is_word(parser, "list");
    if (is_list && (ax_parser_next(parser) || ax_parser_skip_sign(parser, "<")))
        return parser->err->code;
    if (parser->lexer.kind != AX_TOKEN_WORD || !ax_type_from_name(parser->lexer.raw, ret))
        return ax_parser_fail_expected(parser, expected);
    ret->is_list = is_list;
    if (ax_parser_next(parser) || (is_list && ax_parser_skip_sign(parser, ">")))
        return parser->err->code;
    return AX_OK;
}

static enum ax_code read_cast(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    struct ax_type type;
    if (ax_parser_next(parser) || ax_parser_skip_sign(parser, "(") || ax_parser_expr(parser) ||
        ax_parser_skip_word(parser, "as") || read_type(parser, &type) ||
        ax_parser_skip_sign(parser, ")"))
        return parser->err->code;
    return ax_parser_cast(parser, type, at);
}

/* extract(hour from t): the field is a text, and the function decides whether it knows it. */
static enum ax_code read_extract(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    struct ax_str field;
    if (ax_parser_next(parser) || ax_parser_skip_sign(parser, "("))
        return parser->err->code;
    size_t field_at = parser->lexer.token_at;
    if (parser->lexer.kind != AX_TOKEN_WORD)
        return ax_parser_fail_expected(parser, "a field like hour");
    if (ax_lexer_take_text(&parser->lexer, parser->arena, &field, parser->err) ||
        ax_parser_next(parser) || ax_parser_push_text(parser, field, field_at) ||
        ax_parser_skip_word(parser, "from") || ax_parser_expr(parser) ||
        ax_parser_skip_sign(parser, ")"))
        return parser->err->code;
    return call(parser, "extract", at, 2);
}

/* The last token is one: 15m, or the text behind `interval`. */
static enum ax_code push_duration(struct ax_parser *parser, size_t at)
{
    struct ax_expr literal = { .kind = AX_EXPR_LITERAL,
                               .type = { AX_TYPE_DURATION, false },
                               .at = at };
    if (ax_duration_parse(parser->lexer.raw, &literal.literal.i64, parser->err) ||
        ax_parser_next(parser))
        return parser->err->code;
    return ax_parser_push(parser, literal);
}

static enum ax_code read_interval(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    return ax_parser_next(parser) || push_duration(parser, at) ? parser->err->code : AX_OK;
}

static enum ax_code read_timestamp(struct ax_parser *parser)
{
    struct ax_expr literal = { .kind = AX_EXPR_LITERAL,
                               .type = { AX_TYPE_TIMESTAMP, false },
                               .at = parser->lexer.token_at };
    bool naive; /* is UTC */
    if (ax_parser_next(parser))
        return parser->err->code;
    if (!ax_calendar_parse(parser->lexer.raw, &literal.literal.i64, &naive))
        return ax_parser_fail_expected(parser, "a moment like '2013-10-01T00:00:00Z'");
    if (ax_parser_next(parser))
        return parser->err->code;
    return ax_parser_push(parser, literal);
}

static enum ax_code read_call(struct ax_parser *parser)
{
    enum ax_aggregate_kind kind = AX_AGGREGATE_COUNT_OF;
    if (ax_aggregate_from_name(parser->lexer.raw, &kind))
        return ax_parser_aggregate(parser, kind);
    struct ax_str name = parser->lexer.raw;
    size_t at = parser->lexer.token_at;
    size_t count = 0;
    if (!ax_function_is_known(name)) {
        parser->fail_at = at;
        return ax_function_fail_unknown(name, parser->scope->has_aggregates, parser->err);
    }
    if (ax_parser_next(parser) || ax_parser_skip_sign(parser, "("))
        return parser->err->code;
    if (is_sign(parser, ")") ? ax_parser_next(parser) : read_list(parser, ")", &count))
        return parser->err->code;
    return ax_parser_call(parser, name, at, count);
}

static enum ax_code read_truth(struct ax_parser *parser, bool truth)
{
    size_t at = parser->lexer.token_at;
    if (ax_parser_next(parser))
        return parser->err->code;
    return ax_parser_push(parser, (struct ax_expr){ .kind = AX_EXPR_LITERAL,
                                                    .type = { AX_TYPE_BOOL, false },
                                                    .at = at,
                                                    .literal.truth = truth });
}

static enum ax_code read_null(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    return ax_parser_next(parser) || push_null(parser, at) ? parser->err->code : AX_OK;
}

/* Words that no column may have as its name without quotes. */
static bool is_reserved(const struct ax_parser *parser)
{
    static const char *const words[] = { "and",  "or",   "not",   "in",   "is",   "between",
                                         "like", "when", "ilike", "then", "else", "end" };
    for (size_t i = 0; i < AX_COUNT(words); i++)
        if (is_word(parser, words[i]))
            return true;
    return false;
}

static enum ax_code read_word(struct ax_parser *parser)
{
    bool calls = ax_lexer_precedes(&parser->lexer, '(');
    bool quotes = ax_lexer_precedes(&parser->lexer, '\'');
    if (is_word(parser, "true") || is_word(parser, "false"))
        return read_truth(parser, is_word(parser, "true"));
    if (is_word(parser, "null"))
        return read_null(parser);
    if (is_word(parser, "case"))
        return read_case(parser);
    if (is_reserved(parser))
        return ax_parser_fail_expected(parser, "a name, a constant, a function or '('");
    if (calls && is_word(parser, "cast"))
        return read_cast(parser);
    if (calls && is_word(parser, "extract"))
        return read_extract(parser);
    if (quotes && is_word(parser, "timestamp"))
        return read_timestamp(parser);
    if (quotes && is_word(parser, "interval"))
        return read_interval(parser);
    return calls ? read_call(parser) : ax_parser_push_column(parser);
}

/* ---- the rules, from the tightest to the loosest ---- */

static enum ax_code read_primary(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    size_t count = 0;
    struct ax_str text;
    switch (parser->lexer.kind) {
    case AX_TOKEN_WORD:
        return read_word(parser);
    case AX_TOKEN_NAME:
        return ax_parser_push_column(parser);
    case AX_TOKEN_NUMBER:
        return ax_parser_push_number(parser, false);
    case AX_TOKEN_TEXT:
        if (ax_lexer_take_text(&parser->lexer, parser->arena, &text, parser->err) ||
            ax_parser_next(parser))
            return parser->err->code;
        return ax_parser_push_text(parser, text, at);
    case AX_TOKEN_DURATION:
        return push_duration(parser, at);
    case AX_TOKEN_SIGN:
        if (is_sign(parser, "(")) {
            if (ax_parser_next(parser) || ax_parser_expr(parser))
                return parser->err->code;
            return ax_parser_skip_sign(parser, ")");
        }
        if (is_sign(parser, "[")) {
            if (ax_parser_next(parser) || read_list(parser, "]", &count))
                return parser->err->code;
            return call(parser, "list", at, count);
        }
        break;
    case AX_TOKEN_END:
        break;
    }
    return ax_parser_fail_expected(parser, "a name, a constant, a function or '('");
}

/* Elements of lists, and local times. */
static enum ax_code read_postfix(struct ax_parser *parser)
{
    if (read_primary(parser))
        return parser->err->code;
    for (;;) {
        size_t at = parser->lexer.token_at;
        struct ax_str zone;
        if (is_sign(parser, "[")) {
            if (ax_parser_next(parser) || ax_parser_expr(parser) ||
                ax_parser_skip_sign(parser, "]") || call(parser, "[]", at, 2))
                return parser->err->code;
            continue;
        }
        if (!is_word(parser, "at"))
            return AX_OK;
        if (ax_parser_next(parser) || ax_parser_skip_word(parser, "time") ||
            ax_parser_skip_word(parser, "zone"))
            return parser->err->code;
        size_t zone_at = parser->lexer.token_at;
        if (parser->lexer.kind != AX_TOKEN_TEXT)
            return ax_parser_fail_expected(parser, "a zone like 'America/New_York'");
        if (ax_lexer_take_text(&parser->lexer, parser->arena, &zone, parser->err) ||
            ax_parser_next(parser) || ax_parser_push_text(parser, zone, zone_at) ||
            call(parser, "at time zone", at, 2))
            return parser->err->code;
    }
}

/* A sign in front of a number belongs to it: the smallest int64 has no positive counterpart. */
static enum ax_code read_unary(struct ax_parser *parser)
{
    size_t signs[AX_EXPR_DEPTH_MAX];
    size_t count = 0;
    for (; is_sign(parser, "-"); count++) {
        if (count == AX_EXPR_DEPTH_MAX)
            return ax_parser_fail(parser, parser->lexer.token_at, AX_E_TOO_LARGE,
                                  "nested over %d deep", AX_EXPR_DEPTH_MAX);
        signs[count] = parser->lexer.token_at;
        if (ax_parser_next(parser))
            return parser->err->code;
    }
    bool negative = count && parser->lexer.kind == AX_TOKEN_NUMBER;
    count -= negative;
    if (negative ? ax_parser_push_number(parser, true) : read_postfix(parser))
        return parser->err->code;
    while (count)
        if (call(parser, "-", signs[--count], 1))
            return parser->err->code;
    return AX_OK;
}

/* Operators of one precedence, from the left. */
static enum ax_code read_operators(struct ax_parser *parser, const char *const *signs, size_t count,
                                   enum ax_code (*read_operand)(struct ax_parser *))
{
    if (read_operand(parser))
        return parser->err->code;
    for (size_t i = 0; i < count; i++) {
        size_t at = parser->lexer.token_at;
        if (!is_sign(parser, signs[i]))
            continue;
        if (ax_parser_next(parser) || read_operand(parser) || call(parser, signs[i], at, 2))
            return parser->err->code;
        i = SIZE_MAX; /* and once more from the first one */
    }
    return AX_OK;
}

static enum ax_code read_product(struct ax_parser *parser)
{
    static const char *const signs[] = { "*", "/", "//", "%" };
    return read_operators(parser, signs, AX_COUNT(signs), read_unary);
}

static enum ax_code read_sum(struct ax_parser *parser)
{
    static const char *const signs[] = { "+", "-", "||" };
    return read_operators(parser, signs, AX_COUNT(signs), read_product);
}

/* Behind `is`. */
static enum ax_code read_is(struct ax_parser *parser, size_t at)
{
    static const char *const names[][2] = { { "null", "is null" },
                                            { "true", "is true" },
                                            { "false", "is false" } };
    bool negated = is_word(parser, "not");
    if (negated && ax_parser_next(parser))
        return parser->err->code;
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        if (!is_word(parser, names[i][0]))
            continue;
        if (ax_parser_next(parser) || call(parser, names[i][1], at, 1))
            return parser->err->code;
        return negated ? call(parser, "not", at, 1) : AX_OK;
    }
    return ax_parser_fail_expected(parser,
                                   negated ? "null, true or false" : "null, true, false or not");
}

/* Behind `between`: x >= low and x <= high. */
static enum ax_code read_between(struct ax_parser *parser, size_t at)
{
    struct ax_operand value = parser->operands[parser->operand_count - 1];
    if (read_sum(parser) || call(parser, ">=", at, 2) || ax_parser_skip_word(parser, "and") ||
        ax_parser_repeat(parser, value) || read_sum(parser) || call(parser, "<=", at, 2))
        return parser->err->code;
    return call(parser, "and", at, 2);
}

static enum ax_code read_in(struct ax_parser *parser, size_t at)
{
    size_t count = 0;
    if (ax_parser_skip_sign(parser, "(") || read_list(parser, ")", &count))
        return parser->err->code;
    return call(parser, "in", at, count + 1);
}

/* Behind an operand: in, between, like; with `not` in front or without. *ret_found is whether one
 * of them was there. */
static enum ax_code read_word_test(struct ax_parser *parser, bool *ret_found)
{
    size_t at = parser->lexer.token_at;
    bool negated = is_word(parser, "not");
    if (negated && ax_parser_next(parser))
        return parser->err->code;
    *ret_found = true;
    if (is_word(parser, "in")) {
        if (ax_parser_next(parser) || read_in(parser, at))
            return parser->err->code;
    } else if (is_word(parser, "between")) {
        if (ax_parser_next(parser) || read_between(parser, at))
            return parser->err->code;
    } else if (is_word(parser, "like") || is_word(parser, "ilike")) {
        const char *name = is_word(parser, "like") ? "like" : "ilike";
        if (ax_parser_next(parser) || read_sum(parser) || call(parser, name, at, 2))
            return parser->err->code;
    } else if (negated) {
        return ax_parser_fail_expected(parser, "in, between, like or ilike");
    } else {
        *ret_found = false;
    }
    return negated ? call(parser, "not", at, 1) : AX_OK;
}

static enum ax_code read_test(struct ax_parser *parser)
{
    static const char *const comparisons[][2] = {
        { "=", "=" }, { "==", "=" }, { "!=", "!=" }, { "<>", "!=" },
        { "<", "<" }, { ">", ">" },  { "<=", "<=" }, { ">=", ">=" },
    };
    if (read_sum(parser))
        return parser->err->code;
    size_t at = parser->lexer.token_at;
    bool found = false;
    if (is_word(parser, "is"))
        return ax_parser_next(parser) || read_is(parser, at) ? parser->err->code : AX_OK;
    if (read_word_test(parser, &found))
        return parser->err->code;
    for (size_t i = 0; i < AX_COUNT(comparisons) && !found; i++) {
        found = is_sign(parser, comparisons[i][0]);
        if (found &&
            (ax_parser_next(parser) || read_sum(parser) || call(parser, comparisons[i][1], at, 2)))
            return parser->err->code;
    }
    return AX_OK;
}

static enum ax_code read_not(struct ax_parser *parser)
{
    size_t at = parser->lexer.token_at;
    size_t count = 0;
    for (; is_word(parser, "not"); count++)
        if (ax_parser_next(parser))
            return parser->err->code;
    if (read_test(parser))
        return parser->err->code;
    for (; count; count--)
        if (call(parser, "not", at, 1))
            return parser->err->code;
    return AX_OK;
}

/* A chain of one connective is one call. */
static enum ax_code read_chain(struct ax_parser *parser, const char *word,
                               enum ax_code (*read_operand)(struct ax_parser *))
{
    size_t count = 1;
    if (read_operand(parser))
        return parser->err->code;
    size_t at = parser->lexer.token_at;
    for (; is_word(parser, word); count++)
        if (ax_parser_next(parser) || read_operand(parser))
            return parser->err->code;
    return count > 1 ? call(parser, word, at, count) : AX_OK;
}

static enum ax_code read_and(struct ax_parser *parser)
{
    return read_chain(parser, "and", read_not);
}

enum ax_code ax_parser_expr(struct ax_parser *parser)
{
    if (parser->level == AX_EXPR_DEPTH_MAX)
        return ax_parser_fail(parser, parser->lexer.token_at, AX_E_TOO_LARGE, "nested over %d deep",
                              AX_EXPR_DEPTH_MAX);
    parser->level++;
    enum ax_code code = read_chain(parser, "or", read_and);
    parser->level--;
    return code;
}

/* ---- the whole text ---- */

static enum ax_code check_text(struct ax_str text, struct ax_err *err)
{
    if (text.len > AX_EXPR_TEXT_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "an expression of %zu bytes; %zu are allowed", text.len,
                       AX_EXPR_TEXT_BYTES_MAX);
    if (!ax_str_is_utf8(text) || (text.len && memchr(text.ptr, '\0', text.len)))
        return ax_fail(err, AX_E_INVALID, "the expression is not UTF-8, or holds NUL");
    return AX_OK;
}

static enum ax_code read_all(struct ax_parser *parser)
{
    if (ax_parser_next(parser) || ax_parser_expr(parser))
        return parser->err->code;
    if (parser->lexer.kind != AX_TOKEN_END)
        return ax_parser_fail_expected(parser, "an operator or the end");
    const struct ax_expr *root = parser->operands[0].expr;
    if (root->type.kind == AX_TYPE_COUNT && !parser->operands[0].is_unknown)
        return ax_parser_fail(parser, root->at, AX_E_INVALID, ALL_NULL);
    if (parser->aggregate_count && parser->outside)
        return ax_parser_fail(parser, parser->outside->at, AX_E_INVALID,
                              "a column stands outside of the aggregates; put it into one, like "
                              "last(x) over 1h");
    return AX_OK;
}

/* The aggregates leave the parser for the arena. */
static enum ax_code take_aggregates(const struct ax_parser *parser,
                                    const struct ax_aggregate **ret_aggregates)
{
    struct ax_aggregate *copy =
        ax_arena_alloc(parser->arena, parser->aggregate_count, sizeof(*copy));
    if (!copy)
        return ax_arena_fail(parser->arena, "an expression", parser->err);
    memcpy(copy, parser->aggregates, parser->aggregate_count * sizeof(*copy));
    *ret_aggregates = copy;
    return AX_OK;
}

enum ax_code ax_expr_parse(struct ax_str text, const struct ax_scope *scope, struct ax_arena *arena,
                           struct ax_parsed *ret, size_t *ret_at, struct ax_err *err)
{
    assert((text.ptr || !text.len) && scope && arena && ret && ret_at && err);
    struct ax_parser parser; /* large, and its arrays need no zeros */
    const struct ax_aggregate *aggregates = NULL;
    *ret_at = 0;
    if (check_text(text, err))
        return err->code;
    parser.scope = scope;
    parser.arena = arena;
    parser.err = err;
    parser.fail_at = SIZE_MAX;
    parser.level = parser.nodes = parser.operand_count = parser.aggregate_count = 0;
    parser.in_aggregate = false;
    parser.outside = NULL;
    ax_lexer_init(&parser.lexer, text);
    if (read_all(&parser) || (parser.aggregate_count && take_aggregates(&parser, &aggregates))) {
        *ret_at = parser.fail_at == SIZE_MAX ? parser.lexer.token_at : parser.fail_at;
        return err->code;
    }
    *ret = (struct ax_parsed){ .root = parser.operands[0].expr,
                               .aggregates = aggregates,
                               .aggregate_count = parser.aggregate_count };
    return AX_OK;
}
