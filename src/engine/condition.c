/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler is a shunting yard: tests go to the program as they are read, operators wait on a
 * bounded stack until one of lower precedence, a parenthesis or the end comes. So nothing recurses,
 * and the stack of truth values that evaluation needs is no deeper than the compiler's.
 *
 * Every number is compared as f64. That is exact for FP32, FP64 and BOOL, and for INT64 because
 * constants of 2^53 and more are refused there: rounding to f64 never carries an integer across a
 * smaller one. `=` is `in` with one constant, `!=` and `not in` are `in` and `not`.
 */
#include "engine/condition.h"

#include "base/json_number.h"

#include <assert.h>
#include <math.h>

#define INTEGER_CONSTANT_MAX 0x1p53
#define SHOWN_BYTES_MAX      32

enum op_code {
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN_NUMBERS,
    OP_IN_TEXTS,
    OP_IS_NULL,
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_OPEN, /* a parenthesis, on the compiler's stack only */
};

struct ax_condition_op {
    enum op_code code;
    uint32_t input; /* of a test */
    uint32_t first; /* constant */
    uint32_t count; /* of constants */
};

union ax_condition_constant {
    double number;
    struct ax_str text;
};

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_TEXT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_IN,
    TOKEN_IS,
    TOKEN_NULL,
    TOKEN_TRUE,
    TOKEN_FALSE,
};

static const struct {
    struct ax_str word;
    enum token_kind kind;
} words[] = {
    { { "and", 3 }, TOKEN_AND },   { { "or", 2 }, TOKEN_OR },       { { "not", 3 }, TOKEN_NOT },
    { { "in", 2 }, TOKEN_IN },     { { "is", 2 }, TOKEN_IS },       { { "null", 4 }, TOKEN_NULL },
    { { "true", 4 }, TOKEN_TRUE }, { { "false", 5 }, TOKEN_FALSE },
};

struct compiler {
    struct ax_str text;
    const struct ax_signature *signature;
    struct ax_arena *arena;
    struct ax_err *err;

    size_t at;            /* next byte */
    enum token_kind kind; /* the token that was read last */
    size_t token_at;      /* its first byte */
    struct ax_str raw;    /* its bytes, without quotes */
    bool doubled_quotes;  /* raw holds some */

    struct ax_condition_op ops[AX_CONDITION_OPS_MAX];
    size_t op_count;
    union ax_condition_constant constants[AX_CONDITION_CONSTANTS_MAX];
    size_t constant_count;
    enum op_code stack[AX_CONDITION_DEPTH_MAX];
    size_t depth;
};

/* What truth may be: a test of a missing value is UNKNOWN. */
enum truth { NO, YES, UNKNOWN };

bool ax_condition_has_datatype(enum ax_datatype datatype)
{
    return datatype == AX_BOOL || datatype == AX_INT64 || datatype == AX_FP32 ||
           datatype == AX_FP64 || datatype == AX_BYTES;
}

static enum ax_code fail_expected(struct compiler *c, const char *expected)
{
    struct ax_str token = { c->text.ptr + c->token_at, c->at - c->token_at };
    if (c->kind == TOKEN_END)
        return ax_fail(c->err, AX_E_INVALID, "the condition ends; expected %s", expected);
    return ax_fail(c->err, AX_E_INVALID, "found '%.*s'; expected %s",
                   AX_STR_ARG(ax_str_cut(token, SHOWN_BYTES_MAX)), expected);
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static char peek(const struct compiler *c, size_t ahead)
{
    return c->at + ahead < c->text.len ? c->text.ptr[c->at + ahead] : '\0';
}

static enum ax_code read_quoted(struct compiler *c, char quote, enum token_kind kind)
{
    size_t begin = ++c->at;
    c->doubled_quotes = false;
    for (; c->at < c->text.len; c->at++) {
        if (c->text.ptr[c->at] != quote)
            continue;
        if (peek(c, 1) != quote) {
            c->raw = (struct ax_str){ c->text.ptr + begin, c->at - begin };
            c->kind = kind;
            c->at++;
            return AX_OK;
        }
        c->doubled_quotes = true;
        c->at++;
    }
    return ax_fail(c->err, AX_E_INVALID, "the quote %c is not closed", quote);
}

static void read_word(struct compiler *c)
{
    while (is_letter(peek(c, 0)) || is_digit(peek(c, 0)))
        c->at++;
    c->raw = (struct ax_str){ c->text.ptr + c->token_at, c->at - c->token_at };
    c->doubled_quotes = false;
    c->kind = TOKEN_NAME;
    for (size_t i = 0; i < AX_COUNT(words); i++)
        if (ax_str_equals_nocase(c->raw, words[i].word))
            c->kind = words[i].kind;
}

/* Everything that a number may consist of; what it means is decided when it is converted. */
static void read_number(struct compiler *c)
{
    char last = ' ';
    for (char ch = peek(c, 0);
         is_digit(ch) || is_letter(ch) || ch == '.' || (ch == '-' && c->at == c->token_at) ||
         ((ch == '-' || ch == '+') && (last == 'e' || last == 'E'));
         ch = peek(c, 0)) {
        last = ch;
        c->at++;
    }
    c->raw = (struct ax_str){ c->text.ptr + c->token_at, c->at - c->token_at };
    c->kind = TOKEN_NUMBER;
}

static enum ax_code read_sign(struct compiler *c)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } signs[] = {
        /* longer ones first */
        { "<=", TOKEN_LESS_EQUAL }, { ">=", TOKEN_GREATER_EQUAL }, { "!=", TOKEN_NOT_EQUAL },
        { "<", TOKEN_LESS },        { ">", TOKEN_GREATER },        { "=", TOKEN_EQUAL },
        { "(", TOKEN_OPEN },        { ")", TOKEN_CLOSE },          { ",", TOKEN_COMMA }
    };
    struct ax_str rest = { c->text.ptr + c->at, c->text.len - c->at };
    for (size_t i = 0; i < AX_COUNT(signs); i++) {
        struct ax_str sign = ax_str_from(signs[i].text);
        if (ax_str_starts_with(rest, sign)) {
            c->at += sign.len;
            c->kind = signs[i].kind;
            return AX_OK;
        }
    }
    struct ax_str found = ax_str_cut(rest, 4);
    while (found.len > 1 && (unsigned char)found.ptr[0] < 0x80)
        found.len--;
    return ax_fail(c->err, AX_E_INVALID, "'%.*s' means nothing here", AX_STR_ARG(found));
}

static enum ax_code next_token(struct compiler *c)
{
    while (peek(c, 0) == ' ' || peek(c, 0) == '\t' || peek(c, 0) == '\n' || peek(c, 0) == '\r')
        c->at++;
    c->token_at = c->at;
    char ch = peek(c, 0);
    if (c->at == c->text.len)
        c->kind = TOKEN_END;
    else if (is_letter(ch))
        read_word(c);
    else if (is_digit(ch) || ch == '-' || ch == '.')
        read_number(c);
    else if (ch == '\'')
        return read_quoted(c, ch, TOKEN_TEXT);
    else if (ch == '"')
        return read_quoted(c, ch, TOKEN_NAME);
    else
        return read_sign(c);
    return AX_OK;
}

/* The token's text with doubled quotes made single, in the arena. */
static enum ax_code token_text(struct compiler *c, char quote, struct ax_str *ret)
{
    char *copy = ax_arena_strdup(c->arena, c->raw);
    if (!copy)
        return ax_arena_fail(c->arena, "the condition", c->err);
    size_t len = 0;
    for (size_t i = 0; i < c->raw.len; i++) {
        copy[len++] = copy[i];
        if (copy[i] == quote && c->doubled_quotes)
            i++;
    }
    *ret = (struct ax_str){ copy, len };
    return AX_OK;
}

static enum ax_code token_number(struct compiler *c, enum ax_datatype datatype, double *ret)
{
    const char *end = c->raw.ptr + c->raw.len;
    double number;
    if (ax_json_number_read(c->raw.ptr, end, &number) != end)
        return fail_expected(c, "a number like 12, -0.5 or 1e6");
    if (datatype == AX_INT64 && fabs(number) >= INTEGER_CONSTANT_MAX)
        return ax_fail(c->err, AX_E_INVALID, "numbers beyond 2^53 cannot be compared with INT64");
    *ret = datatype == AX_FP32 ? (double)(float)number : number;
    return AX_OK;
}

static enum ax_code read_constant(struct compiler *c, const struct ax_input *input)
{
    if (c->constant_count == AX_CONDITION_CONSTANTS_MAX)
        return ax_fail(c->err, AX_E_TOO_LARGE, "over %d constants in one condition",
                       AX_CONDITION_CONSTANTS_MAX);
    union ax_condition_constant *constant = &c->constants[c->constant_count];
    if (input->datatype == AX_BYTES) {
        if (c->kind != TOKEN_TEXT)
            return fail_expected(c, "a text like 'UA'");
        if (token_text(c, '\'', &constant->text))
            return c->err->code;
    } else if (input->datatype == AX_BOOL) {
        if (c->kind != TOKEN_TRUE && c->kind != TOKEN_FALSE)
            return fail_expected(c, "true or false");
        constant->number = c->kind == TOKEN_TRUE;
    } else {
        if (c->kind != TOKEN_NUMBER)
            return fail_expected(c, "a number");
        if (token_number(c, input->datatype, &constant->number))
            return c->err->code;
    }
    c->constant_count++;
    return next_token(c);
}

static enum ax_code emit(struct compiler *c, struct ax_condition_op op)
{
    if (c->op_count == AX_CONDITION_OPS_MAX)
        return ax_fail(c->err, AX_E_TOO_LARGE, "over %d tests and operators in one condition",
                       AX_CONDITION_OPS_MAX);
    c->ops[c->op_count++] = op;
    return AX_OK;
}

static enum ax_code emit_code(struct compiler *c, enum op_code code)
{
    return emit(c, (struct ax_condition_op){ .code = code });
}

static struct ax_condition_op make_test(struct compiler *c, const struct ax_input *input)
{
    return (struct ax_condition_op){
        .code = input->datatype == AX_BYTES ? OP_IN_TEXTS : OP_IN_NUMBERS,
        .input = (uint32_t)ax_signature_index(c->signature, input),
        .first = (uint32_t)c->constant_count,
        .count = 1,
    };
}

/* Behind `in`: a list of constants. */
static enum ax_code compile_in(struct compiler *c, const struct ax_input *input)
{
    struct ax_condition_op test = make_test(c, input);
    if (next_token(c))
        return c->err->code;
    if (c->kind != TOKEN_OPEN)
        return fail_expected(c, "'(' and a list of constants");
    do {
        if (next_token(c) || read_constant(c, input))
            return c->err->code;
    } while (c->kind == TOKEN_COMMA);
    if (c->kind != TOKEN_CLOSE)
        return fail_expected(c, "',' or ')'");
    test.count = (uint32_t)c->constant_count - test.first;
    return next_token(c) || emit(c, test) ? c->err->code : AX_OK;
}

/* Behind `is`: null or not null. */
static enum ax_code compile_is(struct compiler *c, const struct ax_input *input)
{
    struct ax_condition_op test = make_test(c, input);
    test.code = OP_IS_NULL;
    if (next_token(c))
        return c->err->code;
    bool negated = c->kind == TOKEN_NOT;
    if (negated && next_token(c))
        return c->err->code;
    if (c->kind != TOKEN_NULL)
        return fail_expected(c, negated ? "null" : "null or not null");
    if (next_token(c) || emit(c, test) || (negated && emit_code(c, OP_NOT)))
        return c->err->code;
    return AX_OK;
}

static enum ax_code compile_comparison(struct compiler *c, const struct ax_input *input)
{
    struct ax_condition_op test = make_test(c, input);
    enum token_kind kind = c->kind;
    bool ordered = kind >= TOKEN_LESS && kind <= TOKEN_GREATER_EQUAL;
    if (!ordered && kind != TOKEN_EQUAL && kind != TOKEN_NOT_EQUAL)
        return fail_expected(c, "a comparison (< <= > >= = !=), in, not in or is");
    if (ordered && (input->datatype == AX_BYTES || input->datatype == AX_BOOL))
        return fail_expected(c, "= or !=, since the input is no number");
    if (ordered)
        test.code = (enum op_code)(OP_LESS + (int)(kind - TOKEN_LESS));
    if (next_token(c))
        return c->err->code;
    if (kind == TOKEN_EQUAL && c->kind == TOKEN_EQUAL)
        return ax_fail(c->err, AX_E_INVALID, "found '=='; write '='");
    if (read_constant(c, input) || emit(c, test) ||
        (kind == TOKEN_NOT_EQUAL && emit_code(c, OP_NOT)))
        return c->err->code;
    return AX_OK;
}

/* A test: it begins with an input's name, which is the current token. */
static enum ax_code compile_test(struct compiler *c)
{
    struct ax_str name;
    if (token_text(c, '"', &name))
        return c->err->code;
    const struct ax_input *input = ax_signature_input(c->signature, name);
    if (!input)
        return ax_signature_unknown_input(c->signature, name, c->err);
    if (next_token(c))
        return c->err->code;
    if (c->kind == TOKEN_IS)
        return compile_is(c, input);
    if (c->kind == TOKEN_IN)
        return compile_in(c, input);
    if (c->kind != TOKEN_NOT)
        return compile_comparison(c, input);
    if (next_token(c))
        return c->err->code;
    if (c->kind != TOKEN_IN)
        return fail_expected(c, "in");
    return compile_in(c, input) || emit_code(c, OP_NOT) ? c->err->code : AX_OK;
}

static enum ax_code push(struct compiler *c, enum op_code code)
{
    if (c->depth == AX_CONDITION_DEPTH_MAX)
        return ax_fail(c->err, AX_E_TOO_LARGE, "nested over %d deep", AX_CONDITION_DEPTH_MAX);
    c->stack[c->depth++] = code;
    return AX_OK;
}

/* Move waiting operators to the program that bind at least as tightly as `code`. */
static enum ax_code pop_tighter(struct compiler *c, enum op_code code)
{
    while (c->depth > 0 && c->stack[c->depth - 1] <= code)
        if (emit_code(c, c->stack[--c->depth]))
            return c->err->code;
    return AX_OK;
}

/* Read up to and including one test. */
static enum ax_code compile_operand(struct compiler *c)
{
    while (c->kind == TOKEN_NOT || c->kind == TOKEN_OPEN)
        if (push(c, c->kind == TOKEN_NOT ? OP_NOT : OP_OPEN) || next_token(c))
            return c->err->code;
    if (c->kind != TOKEN_NAME)
        return fail_expected(c, "an input's name, not or '('");
    return compile_test(c);
}

static enum ax_code close_parentheses(struct compiler *c)
{
    while (c->kind == TOKEN_CLOSE) {
        if (pop_tighter(c, OP_OR))
            return c->err->code;
        if (!c->depth)
            return fail_expected(c, "'(' in front of it");
        c->depth--;
        if (next_token(c))
            return c->err->code;
    }
    return AX_OK;
}

static enum ax_code compile_all(struct compiler *c)
{
    if (next_token(c))
        return c->err->code;
    for (;;) {
        if (compile_operand(c) || close_parentheses(c))
            return c->err->code;
        if (c->kind == TOKEN_END)
            break;
        if (c->kind != TOKEN_AND && c->kind != TOKEN_OR)
            return fail_expected(c, "and, or, or the end");
        enum op_code code = c->kind == TOKEN_AND ? OP_AND : OP_OR;
        if (pop_tighter(c, code) || push(c, code) || next_token(c))
            return c->err->code;
    }
    if (pop_tighter(c, OP_OR))
        return c->err->code;
    return c->depth ? fail_expected(c, "')'") : AX_OK;
}

/* Copy the program from the compiler into the arena. */
static enum ax_code keep(struct compiler *c, struct ax_condition *ret)
{
    struct ax_condition_op *ops = ax_arena_alloc(c->arena, c->op_count, sizeof(*ops));
    union ax_condition_constant *constants =
        ax_arena_alloc(c->arena, c->constant_count, sizeof(*constants));
    if (!ops || !constants)
        return ax_arena_fail(c->arena, "the condition", c->err);
    memcpy(ops, c->ops, c->op_count * sizeof(*ops));
    memcpy(constants, c->constants, c->constant_count * sizeof(*constants));
    *ret = (struct ax_condition){ ops, c->op_count, constants, c->constant_count };
    return AX_OK;
}

enum ax_code ax_condition_compile(struct ax_str text, const struct ax_signature *signature,
                                  struct ax_arena *arena, struct ax_condition *ret, size_t *ret_at,
                                  struct ax_err *err)
{
    assert(signature && arena && ret && ret_at && err && (text.ptr || !text.len));
    struct compiler c;
    c.text = text;
    c.signature = signature;
    c.arena = arena;
    c.err = err;
    c.at = c.token_at = 0;
    c.op_count = c.constant_count = c.depth = 0;
    if (compile_all(&c) || keep(&c, ret)) {
        *ret_at = c.token_at;
        return err->code;
    }
    return AX_OK;
}

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

bool ax_condition_holds(const struct ax_condition *condition, const struct ax_batch *in, size_t row)
{
    assert(condition && condition->op_count && in && row < in->rows);
    enum truth stack[AX_CONDITION_DEPTH_MAX + 1];
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
            stack[depth++] = evaluate_test(op, condition->constants + op->first, in, row);
        }
    }
    return stack[0] == YES;
}
