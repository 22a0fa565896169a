/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of docs/internals/expressions.md backwards: an operand is put into parentheses where
 * its own rule binds less tightly than its place asks for. It recurses, no deeper than trees are.
 */
#include "data/expr/expr_text.h"

#include "base/calendar.h"
#include "base/json.h"
#include "data/expr/function.h"

#include <assert.h>

/* The rules, from the loosest. */
enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_TEST,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_UNARY,
    LEVEL_POSTFIX,
    LEVEL_PRIMARY,
    LEVEL_NONE, /* nothing binds so tightly: parentheses always */
};

struct text_printer {
    struct ax_buf *out;
    ax_expr_put_input_fn put_input;
    void *arg;
};

static const struct infix {
    const char *name;
    enum level level;
} operators[] = {
    { "or", LEVEL_OR },      { "and", LEVEL_AND },   { "=", LEVEL_TEST },
    { "!=", LEVEL_TEST },    { "<", LEVEL_TEST },    { "<=", LEVEL_TEST },
    { ">", LEVEL_TEST },     { ">=", LEVEL_TEST },   { "like", LEVEL_TEST },
    { "ilike", LEVEL_TEST }, { "+", LEVEL_SUM },     { "-", LEVEL_SUM },
    { "||", LEVEL_SUM },     { "*", LEVEL_PRODUCT }, { "/", LEVEL_PRODUCT },
    { "//", LEVEL_PRODUCT }, { "%", LEVEL_PRODUCT },
};

/* Tests of one operand, which stand behind it. */
static const char *const tests[] = { "is null", "is true", "is false" };

static const struct infix *find_operator(const struct ax_expr *expr)
{
    if (expr->kind != AX_EXPR_CALL || expr->arg_count < 2)
        return NULL;
    for (size_t i = 0; i < AX_COUNT(operators); i++)
        if (strcmp(expr->function->name, operators[i].name) == 0)
            return &operators[i];
    return NULL;
}

static bool is_call(const struct ax_expr *expr, const char *name)
{
    return expr->kind == AX_EXPR_CALL && strcmp(expr->function->name, name) == 0;
}

static bool is_unary_test(const struct ax_expr *expr)
{
    for (size_t i = 0; i < AX_COUNT(tests); i++)
        if (is_call(expr, tests[i]))
            return true;
    return false;
}

/* What may have `not` in the middle of it. */
static bool has_negated_form(const struct ax_expr *expr)
{
    return is_unary_test(expr) || is_call(expr, "in") || is_call(expr, "like") ||
           is_call(expr, "ilike");
}

static bool is_negative(const struct ax_expr *expr)
{
    if (expr->is_null || expr->type.is_list)
        return false;
    return (expr->type.kind == AX_TYPE_INT64 && expr->literal.i64 < 0) ||
           (expr->type.kind == AX_TYPE_FLOAT64 && expr->literal.f64 < 0);
}

static enum level level_of(const struct ax_expr *expr)
{
    if (expr->kind == AX_EXPR_LITERAL)
        return is_negative(expr) ? LEVEL_UNARY : LEVEL_PRIMARY;
    if (expr->kind == AX_EXPR_INPUT)
        return LEVEL_PRIMARY;
    const struct infix *infix = find_operator(expr);
    if (infix)
        return infix->level;
    if (is_call(expr, "not"))
        return has_negated_form(expr->args[0]) ? LEVEL_TEST : LEVEL_NOT;
    if (is_unary_test(expr) || is_call(expr, "in"))
        return LEVEL_TEST;
    if (is_call(expr, "-"))
        return LEVEL_UNARY;
    if (is_call(expr, "[]") || is_call(expr, "at time zone"))
        return LEVEL_POSTFIX;
    return LEVEL_PRIMARY;
}

/* ---- leaves ---- */

static bool is_word_of_language(struct ax_str name)
{
    static const char *const words[] = {
        "and",   "at",     "between", "case",  "cast", "else",      "end",  "extract",
        "false", "filter", "hop",     "ilike", "in",   "interval",  "is",   "like",
        "not",   "null",   "or",      "over",  "then", "timestamp", "true", "when",
    };
    for (size_t i = 0; i < AX_COUNT(words); i++)
        if (ax_str_equals_nocase(name, ax_str_from(words[i])))
            return true;
    return false;
}

static bool is_plain_word(struct ax_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.ptr[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
        if (!letter && !(i && ch >= '0' && ch <= '9'))
            return false;
    }
    return name.len > 0;
}

void ax_expr_put_name(struct ax_buf *out, struct ax_str name)
{
    if (is_plain_word(name) && !is_word_of_language(name))
        (void)ax_buf_append_str(out, name);
    else
        (void)ax_buf_append_quoted(out, name, '"');
}

void ax_duration_put_text(struct ax_buf *out, int64_t us)
{
    static const struct {
        int64_t us;
        const char *name;
    } units[] = {
        { INT64_C(86400000000), "d" },
        { INT64_C(3600000000), "h" },
        { 60000000, "m" },
        { 1000000, "s" },
        { 1000, "ms" },
        { 1, "us" },
    };
    size_t i = us ? 0 : 3;
    while (us % units[i].us)
        i++;
    (void)ax_buf_printf(out, "%lld%s", (long long)(us / units[i].us), units[i].name);
}

static void put_literal(struct ax_buf *out, const struct ax_expr *expr)
{
    char time[AX_CALENDAR_TEXT_SIZE];
    if (expr->is_null) {
        (void)ax_buf_printf(out, "cast(null as %s)", ax_type_name(expr->type));
        return;
    }
    switch (expr->type.kind) {
    case AX_TYPE_BOOL:
        (void)ax_buf_append_str(out, ax_str_from(expr->literal.truth ? "true" : "false"));
        return;
    case AX_TYPE_INT64:
        (void)ax_buf_printf(out, "%lld", (long long)expr->literal.i64);
        return;
    case AX_TYPE_FLOAT64:
        ax_json_put_f64(out, expr->literal.f64);
        return;
    case AX_TYPE_STRING:
        (void)ax_buf_append_quoted(out, expr->literal.text, '\'');
        return;
    case AX_TYPE_TIMESTAMP:
        (void)ax_calendar_text(expr->literal.i64, time);
        (void)ax_buf_printf(out, "timestamp '%s'", time);
        return;
    case AX_TYPE_DURATION:
        (void)ax_buf_append_str(out, AX_STR("interval '"));
        ax_duration_put_text(out, expr->literal.i64);
        (void)ax_buf_append_char(out, '\'');
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(false);
}

/* ---- calls ---- */

static void put_expr(const struct text_printer *p, const struct ax_expr *expr, enum level level);

static void put_word(const struct text_printer *p, const char *text)
{
    (void)ax_buf_append_str(p->out, ax_str_from(text));
}

/* The arguments from `from` on. */
static void put_list(const struct text_printer *p, const struct ax_expr *expr, size_t from)
{
    for (size_t i = from; i < expr->arg_count; i++) {
        if (i > from)
            put_word(p, ", ");
        put_expr(p, expr->args[i], LEVEL_OR);
    }
}

/* Chains of `and` and `or` are one call; the others read from the left, and comparisons do not
 * follow each other. */
static void put_operator(const struct text_printer *p, const struct ax_expr *expr,
                         const struct infix *infix, const char *negation)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        bool from_left = i == 0 && infix->level >= LEVEL_SUM;
        if (i > 0)
            (void)ax_buf_printf(p->out, " %s%s ", negation, infix->name);
        put_expr(p, expr->args[i], from_left ? infix->level : (enum level)(infix->level + 1));
    }
}

/* The args: what `else` says, then conditions and values in turn. */
static void put_case(const struct text_printer *p, const struct ax_expr *expr)
{
    put_word(p, "case");
    for (size_t i = 1; i + 1 < expr->arg_count; i += 2) {
        put_word(p, " when ");
        put_expr(p, expr->args[i], LEVEL_OR);
        put_word(p, " then ");
        put_expr(p, expr->args[i + 1], LEVEL_OR);
    }
    if (expr->args[0]->kind != AX_EXPR_LITERAL || !expr->args[0]->is_null) {
        put_word(p, " else ");
        put_expr(p, expr->args[0], LEVEL_OR);
    }
    put_word(p, " end");
}

/* Tests that stand behind their operand; "not " or nothing in the middle. */
static void put_test(const struct text_printer *p, const struct ax_expr *expr, const char *negation)
{
    const struct infix *infix = find_operator(expr);
    if (infix && !is_call(expr, "in")) {
        put_operator(p, expr, infix, negation);
        return;
    }
    put_expr(p, expr->args[0], LEVEL_SUM);
    if (is_call(expr, "in")) {
        (void)ax_buf_printf(p->out, " %sin (", negation);
        put_list(p, expr, 1);
        put_word(p, ")");
        return;
    }
    (void)ax_buf_printf(p->out, " is %s%s", negation, expr->function->name + strlen("is "));
}

static void put_not(const struct text_printer *p, const struct ax_expr *expr)
{
    if (has_negated_form(expr->args[0])) {
        put_test(p, expr->args[0], "not ");
        return;
    }
    put_word(p, "not ");
    put_expr(p, expr->args[0], LEVEL_NOT);
}

static void put_minus(const struct text_printer *p, const struct ax_expr *expr)
{
    const struct ax_expr *arg = expr->args[0];
    /* A sign in front of a number would become part of it. */
    bool is_number = arg->kind == AX_EXPR_LITERAL && !arg->is_null && !is_negative(arg) &&
                     (arg->type.kind == AX_TYPE_INT64 || arg->type.kind == AX_TYPE_FLOAT64);
    put_word(p, "-");
    put_expr(p, arg, is_number ? LEVEL_NONE : LEVEL_UNARY);
}

static void put_plain_call(const struct text_printer *p, const struct ax_expr *expr)
{
    const char *name = expr->function->name;
    bool is_list = strcmp(name, "list") == 0;
    if (strncmp(name, "cast:", 5) == 0) {
        put_word(p, "cast(");
        put_expr(p, expr->args[0], LEVEL_OR);
        (void)ax_buf_printf(p->out, " as %s)", name + 5);
        return;
    }
    if (strcmp(name, "extract") == 0) {
        (void)ax_buf_printf(p->out, "extract(%.*s from ", AX_STR_ARG(expr->args[0]->literal.text));
        put_expr(p, expr->args[1], LEVEL_OR);
        put_word(p, ")");
        return;
    }
    put_word(p, is_list ? "" : name);
    put_word(p, is_list ? "[" : "(");
    put_list(p, expr, 0);
    put_word(p, is_list ? "]" : ")");
}

static void put_call(const struct text_printer *p, const struct ax_expr *expr)
{
    const struct infix *infix = find_operator(expr);
    if (is_unary_test(expr) || is_call(expr, "in")) {
        put_test(p, expr, "");
    } else if (infix) {
        put_operator(p, expr, infix, "");
    } else if (is_call(expr, "not")) {
        put_not(p, expr);
    } else if (is_call(expr, "-")) {
        put_minus(p, expr);
    } else if (is_call(expr, "case")) {
        put_case(p, expr);
    } else if (is_call(expr, "[]")) {
        put_expr(p, expr->args[0], LEVEL_POSTFIX);
        put_word(p, "[");
        put_expr(p, expr->args[1], LEVEL_OR);
        put_word(p, "]");
    } else if (is_call(expr, "at time zone")) {
        put_expr(p, expr->args[0], LEVEL_POSTFIX);
        put_word(p, " at time zone ");
        put_expr(p, expr->args[1], LEVEL_PRIMARY);
    } else {
        put_plain_call(p, expr);
    }
}

static void put_expr(const struct text_printer *p, const struct ax_expr *expr, enum level level)
{
    bool loose = level_of(expr) < level;
    if (loose)
        put_word(p, "(");
    if (expr->kind == AX_EXPR_LITERAL)
        put_literal(p->out, expr);
    else if (expr->kind == AX_EXPR_INPUT)
        p->put_input(p->out, expr->input, p->arg);
    else
        put_call(p, expr);
    if (loose)
        put_word(p, ")");
}

void ax_expr_put_text(struct ax_buf *out, const struct ax_expr *expr,
                      ax_expr_put_input_fn put_input, void *arg)
{
    assert(out && expr && put_input);
    struct text_printer printer = { out, put_input, arg };
    put_expr(&printer, expr, LEVEL_OR);
}

/* ---- aggregates ---- */

struct aggregate_printer {
    const struct ax_parsed *parsed;
    ax_expr_put_input_fn put_column;
    void *arg;
};

static void put_aggregate(struct ax_buf *out, size_t input, void *arg)
{
    const struct aggregate_printer *printer = arg;
    const struct ax_aggregate *aggregate = &printer->parsed->aggregates[input];
    (void)ax_buf_printf(out, "%s(", ax_aggregate_name(aggregate->kind));
    if (aggregate->value)
        ax_expr_put_text(out, aggregate->value, printer->put_column, printer->arg);
    else
        (void)ax_buf_append_char(out, '*');
    if (aggregate->kind == AX_AGGREGATE_LAST_N || aggregate->kind == AX_AGGREGATE_TOP_K)
        (void)ax_buf_printf(out, ", %lld", (long long)aggregate->n);
    if (aggregate->kind == AX_AGGREGATE_APPROX_QUANTILE) {
        (void)ax_buf_append_str(out, AX_STR(", "));
        ax_json_put_f64(out, aggregate->quantile);
    }
    (void)ax_buf_append_char(out, ')');
    if (aggregate->filter) {
        (void)ax_buf_append_str(out, AX_STR(" filter (where "));
        ax_expr_put_text(out, aggregate->filter, printer->put_column, printer->arg);
        (void)ax_buf_append_char(out, ')');
    }
    (void)ax_buf_append_str(out, AX_STR(" over "));
    ax_duration_put_text(out, aggregate->window_us);
    if (aggregate->hop_us) {
        (void)ax_buf_append_str(out, AX_STR(" hop "));
        ax_duration_put_text(out, aggregate->hop_us);
    }
}

void ax_parsed_put_text(struct ax_buf *out, const struct ax_parsed *parsed,
                        ax_expr_put_input_fn put_column, void *arg)
{
    assert(out && parsed && put_column);
    struct aggregate_printer printer = { parsed, put_column, arg };
    if (parsed->aggregate_count)
        ax_expr_put_text(out, parsed->root, put_aggregate, &printer);
    else
        ax_expr_put_text(out, parsed->root, put_column, arg);
}
