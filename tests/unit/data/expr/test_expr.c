/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: expressions mean what docs/internals/expressions.md says, and what is wrong is refused with
 * its place and a message that says what to do.
 * Method: tables of texts: what one gives over a row of columns of each type, and where and with
 * which words one is refused. Every value is computed twice, in the first and in the last of many
 * rows, between nulls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "data/expr/function.h"
#include "data/expr/program.h"
#include "data/expr/value_text.h"

#define ROWS 130

/* The columns of the scope: each holds one value in all rows, but nulls in the middle. */
static const struct ax_scope_column columns[] = {
    { { "t", 1 }, { AX_TYPE_BOOL, false }, false },
    { { "i", 1 }, { AX_TYPE_INT64, false }, false },
    { { "f", 1 }, { AX_TYPE_FLOAT64, false }, false },
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
    { { "at", 2 }, { AX_TYPE_TIMESTAMP, false }, false },
    { { "d", 1 }, { AX_TYPE_DURATION, false }, false },
    { { "n", 1 }, { AX_TYPE_INT64, false }, false }, /* always null */
    { { "b", 1 }, { AX_TYPE_STRING, false }, true },
    { { "two words", 9 }, { AX_TYPE_INT64, false }, false },
    { { "inf", 3 }, { AX_TYPE_FLOAT64, false }, false },
};

static const struct ax_scope scope = { .columns = columns, .column_count = AX_COUNT(columns) };
static const struct ax_scope view = { .columns = columns,
                                      .column_count = AX_COUNT(columns),
                                      .has_aggregates = true };

static void fill_column(struct ax_values *values, size_t column, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_values_init(values, columns[column].type, ROWS, arena, &err), AX_OK);
    for (size_t row = 0; row < ROWS; row++) {
        switch (columns[column].type.kind) {
        case AX_TYPE_BOOL:
            values->bools[row] = true;
            break;
        case AX_TYPE_INT64:
            values->i64s[row] = 42;
            break;
        case AX_TYPE_FLOAT64:
            values->f64s[row] = column == 9 ? INFINITY : 2.5;
            break;
        case AX_TYPE_STRING:
            values->texts[row] = AX_STR("Grüße");
            break;
        case AX_TYPE_TIMESTAMP:
            values->i64s[row] = INT64_C(1380585600000000); /* 2013-10-01 */
            break;
        case AX_TYPE_DURATION:
            values->i64s[row] = INT64_C(5400000000); /* 90 minutes */
            break;
        case AX_TYPE_COUNT:
            fail();
        }
        if (column == 6 || (row > 0 && row + 1 < ROWS))
            ax_values_set_null(values, row);
    }
    /* What lies under a null is not the reader's. */
    if (columns[column].type.kind == AX_TYPE_STRING)
        values->texts[1] = (struct ax_str){ (const char *)1, SIZE_MAX };
}

/* The value of `text` over the columns above, or "! BYTE: MESSAGE". */
static void evaluate(const char *text, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    struct ax_program *program = NULL;
    struct ax_values inputs[AX_COUNT(columns)];
    const struct ax_values *pointers[AX_COUNT(columns)];
    struct ax_values value;
    size_t at = 0;
    ax_buf_reset(out);
    ax_arena_init(&arena, 4096, (size_t)16 << 20);
    for (size_t i = 0; i < AX_COUNT(columns); i++) {
        fill_column(&inputs[i], i, &arena);
        pointers[i] = &inputs[i];
    }
    if (ax_expr_parse(ax_str_from(text), &scope, &arena, &parsed, &at, &err)) {
        (void)ax_buf_printf(out, "! %zu: %s", at, err.msg);
    } else if (ax_program_new(&parsed.root, 1, &program, &err) ||
               ax_program_run(program, pointers, ROWS, &arena, &value, &err)) {
        (void)ax_buf_printf(out, "! %s", err.msg);
    } else {
        struct ax_buf last;
        ax_buf_init(&last, 1 << 16);
        ax_values_put_text(out, &value, 0);
        ax_values_put_text(&last, &value, ROWS - 1);
        assert_true(ax_str_equals(ax_buf_str(out), ax_buf_str(&last)));
        ax_buf_done(&last);
    }
    ax_program_free(program);
    ax_arena_done(&arena);
}

struct example {
    const char *text;
    const char *value;
};

static void check_examples(const struct example *examples, size_t count)
{
    struct ax_buf out;
    size_t failed = 0;
    ax_buf_init(&out, 1 << 16);
    for (size_t i = 0; i < count; i++) {
        evaluate(examples[i].text, &out);
        if (!ax_str_is(ax_buf_str(&out), examples[i].value)) {
            print_error("%s\n  is:       %.*s\n  expected: %s\n", examples[i].text,
                        AX_STR_ARG(ax_buf_str(&out)), examples[i].value);
            failed++;
        }
    }
    ax_buf_done(&out);
    assert_int_equal(failed, 0);
}

static void test_grammar(void **state)
{
    static const struct example examples[] = {
        { "i", "42" },
        { "\"two words\" + 1", "43" },
        { "1 + 2 * 3 - 4", "3" },
        { "(1 + 2) * 3", "9" },
        { "10 - 3 - 2", "5" },
        { "7 // 2 * 2 + 7 % 2", "7" },
        { "-i", "-42" },
        { "- - i", "42" },
        { "--1", "1" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "2 * -3", "-6" },
        { "1e3", "1000.0" },
        { "1.5E-3", "0.0015" },
        { "'it''s'", "'it''s'" },
        { "TRUE AND NOT false OR FALSE", "true" },
        { "not not true", "true" },
        { "not 1 = 2", "true" },
        { "1 == 1", "true" },
        { "1 <> 1", "false" },
        { "i between 1 and 42 and t", "true" },
        { "i not between 1 and 42 or t", "true" },
        { "i in (1, 2, i)", "true" },
        { "i not in (1, 2)", "true" },
        { "n is null", "true" },
        { "n is not null", "false" },
        { "(n = 1) is not true", "true" },
        { "case when i > 40 then 'high' when i > 20 then 'middle' else 'low' end", "'high'" },
        { "case i when 1 then 'one' when 42 then 'all' end", "'all'" },
        { "case i when 1 then 'one' end", "null" },
        { "case when n > 1 then 1 else 2.5 end", "2.5" },
        { "cast(i as float64)", "42.0" },
        { "cast(null as string)", "null" },
        { "cast(null as list<string>)", "null" },
        { "cast(i as int64)", "42" },
        { "interval '15m'", "15m" },
        { "15m", "15m" },
        { "timestamp '2013-10-01T02:00:00+02:00'", "2013-10-01T00:00:00Z" },
        { "at - 2h", "2013-09-30T22:00:00Z" },
        { "\n\t i\r\n", "42" },
        { "Coalesce(n, 7)", "7" },
        { "pi() > 3", "true" },
        { "b", "'Grüße'" },
    };
    (void)state;
    check_examples(examples, AX_COUNT(examples));
}

static void test_refusals(void **state)
{
    static const struct example examples[] = {
        { "", "! 0: the text ends; expected a name, a constant, a function or '('" },
        { "1 +", "! 3: the text ends; expected a name, a constant, a function or '('" },
        { "1 2", "! 2: found '2'; expected an operator or the end" },
        { "(1", "! 2: the text ends; expected ')'" },
        { "exp(1", "! 5: the text ends; expected ',' or ')'" },
        { "1 ? 2", "! 2: '?' means nothing here" },
        { "1 € 2", "! 2: '€' means nothing here" },
        { "'open", "! 0: the quote ' is not closed" },
        { "\"open", "! 0: the quote \" is not closed" },
        { "x + 1", "! 0: 'x' is not known here" },
        { "tow_words", "! 0: 'tow_words' is not known here; nearest is 'two words'" },
        { "rond(1)", "! 0: no function 'rond'; nearest is 'round'" },
        { "1 + rond(x)", "! 4: no function 'rond'; nearest is 'round'" },
        { "power(2, 3)", "! 0: no function 'power'; it is called 'pow' here" },
        { "mod(7, 2)", "! 0: no function 'mod'; it is called '%' here" },
        { "coutn(1)", "! 0: no function 'coutn'" },
        { "timestamp '2013-10-01' at time zone 'Nowhere'",
          "! 36: no time zone 'Nowhere' in /usr/share/zoneinfo/; names are like 'Europe/Berlin'" },
        { "extract(hours from timestamp '2013-10-01')",
          "! 8: no field 'hours' of a timestamp; there are year, quarter, month, week, day, dow, "
          "doy, isoyear, hour, minute, second, millisecond, microsecond" },
        { "regexp_matches(s, '(')", "! 18: regular expression '(': missing ): (" },
        { "i + s", "! 2: int64 + string is not there; there is int64 + int64, float64 + float64, "
                   "timestamp + duration, duration + timestamp, duration + duration" },
        { "1 + sqrt(s)", "! 4: sqrt(string) is not there; there is sqrt(float64)" },
        { "round(f, 1, 2)", "! 0: round(float64, int64, int64) is not there; there is "
                            "round(float64), round(float64, int64)" },
        { "s > 1", "! 2: string > int64 is not there; there is T > T" },
        { "t and i", "! 2: and(bool, int64) is not there; there is and(bool, bool, …)" },
        { "null", "! 0: null has no type here; write cast(null as int64) or so" },
        { "null = null",
          "! 5: nothing says which type null has here; write cast(null as int64) or so" },
        { "9223372036854775808",
          "! 0: '9223372036854775808' does not fit int64; with .0 behind it is float64" },
        { "1e999", "! 0: found '1e999'; expected a number like 12, 0.5 or 1e6 within float64" },
        { "15x", "! 0: '15x' is no duration; write a whole number and a unit (us, ms, s, m, h, d) "
                 "like 90s, 15m or 7d" },
        { "interval 'soon'", "! 9: 'soon' is no duration; write a whole number and a unit (us, ms, "
                             "s, m, h, d) like 90s, 15m or 7d" },
        { "timestamp '2013-13-01'",
          "! 10: found ''2013-13-01''; expected a moment like '2013-10-01T00:00:00Z'" },
        { "cast(i as integer)",
          "! 10: found 'integer'; expected a type: bool, int64, float64, string, timestamp, "
          "duration or list<int64> and so on" },
        { "cast(t as timestamp)", "! 0: there is no cast of bool to timestamp" },
        { "case when true then 1", "! 21: the text ends; expected when, else or end" },
        { "case when i then 1 end", "! 10: this condition is int64; bool is expected" },
        { "case when t then 'a' else 1 end",
          "! 17: the values of a case have one type; here are int64 and string" },
        { "case i when 'a' then 1 end", "! 7: int64 = string is not there; there is T = T" },
        { "case when t then null end",
          "! 0: nothing says which type null has here; write cast(null as int64) or so" },
        { "case end", "! 5: found 'end'; expected a name, a constant, a function or '('" },
        { "i not 3", "! 6: found '3'; expected in, between, like or ilike" },
        { "i is 3", "! 5: found '3'; expected null, true, false or not" },
        { "i between 1 or 2", "! 12: found 'or'; expected and" },
        { "b = 'x'", "! 0: a column of bytes can be passed on, not computed with" },
        { "count(*) over 1h", "! 0: count is an aggregate, which only a field of a view can be" },
        { "i = 1 = true", "! 6: found '='; expected an operator or the end" },
        { "[]", "! 1: found ']'; expected a name, a constant, a function or '('" },
        { "\xff", "! 0: the expression is not UTF-8, or holds NUL" },
    };
    (void)state;
    check_examples(examples, AX_COUNT(examples));
}

static void test_values(void **state)
{
    static const struct example examples[] = {
        /* What is out of bounds or undefined is null. */
        { "9223372036854775807 + 1", "null" },
        { "-9223372036854775808 - 1", "null" },
        { "9223372036854775807 * 2", "null" },
        { "-(-9223372036854775808)", "null" },
        { "-9223372036854775808 // -1", "null" },
        { "-9223372036854775808 % -1", "0" },
        { "i // 0", "null" },
        { "i % 0", "null" },
        { "f / 0", "null" },
        { "inf / 0", "null" },
        { "1e308 * 10", "null" },
        { "1e308 + 1e308", "null" },
        { "timestamp '9999-12-31' + 48h", "null" },
        { "timestamp '0001-01-01' - 1us", "null" },
        /* Infinities go through, and make no NaN. */
        { "inf", "Infinity" },
        { "inf * -1", "-Infinity" },
        { "inf - inf", "null" },
        { "inf * 0", "null" },
        { "1 / inf", "0.0" },
        { "cast(inf as int64)", "null" },
        { "cast(-inf as string)", "'-inf'" },
        /* There is no -0. */
        { "0.0 * -1", "0.0" },
        { "-0.0", "0.0" },
        { "-(0.0)", "0.0" },
        { "ceil(-0.5)", "0.0" },
        { "round(-0.4)", "0.0" },
        /* Nulls. */
        { "n + 1", "null" },
        { "n = n", "null" },
        { "not (n = 1)", "null" },
        { "n = 1 and false", "false" },
        { "n = 1 and true", "null" },
        { "n = 1 or true", "true" },
        { "true and true and n = 1 and t", "null" },
        { "false or n = 1 or t", "true" },
        { "i in (1, n)", "null" },
        { "i in (42, n)", "true" },
        { "n in (1)", "null" },
        { "n not in (1)", "null" },
        { "i in (null, 42)", "true" },
        { "i in (1, n, i)", "true" },
        { "i in (1, 2, n)", "null" },
        { "i not in (1, 2)", "true" },
        { "i in (null)", "null" },
        { "f in (2.5, 1)", "true" },
        { "0.0 in (-0.0)", "true" },
        { "f * 0 in (-0.0, 7.5)", "true" },
        { "inf in (1.5, 2.5)", "false" },
        { "s in ('', 'Gr\xc3\xbc\xc3\x9f"
          "e')",
          "true" },
        { "s in ('Gru', '')", "false" },
        { "t in (false, true)", "true" },
        { "t in (false)", "false" },
        { "at in (timestamp '2013-10-01', timestamp '2014-01-01')", "true" },
        { "d in (1h, 90m)", "true" },
        { "d in (1h, null)", "null" },
        { "coalesce(n, n)", "null" },
        { "greatest(n, 1, 3)", "3" },
        { "least(n, n)", "null" },
        { "nullif(n, 1)", "null" },
        { "nullif(i, n)", "42" },
        { "case when n > 1 then 1 end", "null" },
        { "(n > 1) is false", "false" },
        /* Types. */
        { "1 = 1.0", "true" },
        { "1 / 2", "0.5" },
        { "7 // 2", "3" },
        { "-7 // 2", "-3" },
        { "-7 % 2", "-1" },
        { "coalesce(n, 1.5)", "1.5" },
        { "greatest(1, 2.5)", "2.5" },
        { "i in (42.0)", "true" },
        { "at - timestamp '2013-09-30'", "1d" },
        { "d * 2", "3h" },
        { "d / 1h", "1.5" },
        { "d - 2h", "-30m" },
        { "at < at + 1s", "true" },
        { "false < true", "true" },
        { "s > 'Gr'", "true" },
        { "'a' < 'B'", "false" },
        { "greatest('a', 'b', 'B')", "'b'" },
        /* Casts. */
        { "cast(0.5 as int64)", "0" },
        { "cast(1.5 as int64)", "2" },
        { "cast(2.5 as int64)", "2" },
        { "cast(-2.5 as int64)", "-2" },
        { "cast(9223372036854775807.0 as int64)", "null" },
        { "cast(-9223372036854775808.0 as int64)", "-9223372036854775808" },
        { "cast('007' as int64)", "7" },
        { "cast('-0' as int64)", "0" },
        { "cast('+1' as int64)", "null" },
        { "cast(' 1' as int64)", "null" },
        { "cast('1.0' as int64)", "null" },
        { "cast('' as int64)", "null" },
        { "cast('9223372036854775808' as int64)", "null" },
        { "cast('007.50' as float64)", "7.5" },
        { "cast('-0' as float64)", "0.0" },
        { "cast('1e400' as float64)", "null" },
        { "cast('.5' as float64)", "null" },
        { "cast('5.' as float64)", "null" },
        { "cast('1e' as float64)", "null" },
        { "cast('-' as float64)", "null" },
        { "cast('nan' as float64)", "null" },
        { "cast('True' as bool)", "null" },
        { "cast(1.0 as string)", "'1.0'" },
        { "cast(-1234.5 as string)", "'-1234.5'" },
        { "cast(0.0001 as string)", "'0.0001'" },
        { "cast(0.00001 as string)", "'1e-05'" },
        { "cast(1.5e-300 as string)", "'1.5e-300'" },
        { "cast(1e15 as string)", "'1000000000000000.0'" },
        { "cast(1e16 as string)", "'1e+16'" },
        { "cast(123456789012345680.0 as string)", "'1.2345678901234568e+17'" },
        { "cast(-9223372036854775808 as string)", "'-9223372036854775808'" },
        { "cast(at + 1us as string)", "'2013-10-01T00:00:00.000001Z'" },
        { "cast('2013-10-01 00:00:00' as timestamp) = at", "true" },
        { "cast('gestern' as timestamp)", "null" },
        /* Mathematics. */
        { "abs(-9223372036854775808)", "null" },
        { "round(0.49999999999999994)", "0.0" },
        { "round(2.675, 2)", "2.68" },
        { "round(1e300, 10)", "1e300" },
        { "round(1.5, 1000)", "1.5" },
        { "round(1.5, -1000)", "0.0" },
        { "round(inf, -1)", "Infinity" },
        { "ln(-1)", "null" },
        { "log2(0)", "null" },
        { "sqrt(inf)", "Infinity" },
        { "exp(-inf)", "0.0" },
        { "exp(710)", "null" },
        { "pow(0, -1)", "null" },
        { "pow(inf, 0)", "1.0" },
        { "sin(inf)", "null" },
        { "asin(1.0000001)", "null" },
        { "sign(-0.5)", "-1" },
    };
    (void)state;
    check_examples(examples, AX_COUNT(examples));
}

/* ---- bounds ---- */

static enum ax_code parse_repeated(const char *begin, const char *part, size_t count,
                                   const char *end)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    struct ax_buf text;
    size_t at = 0;
    ax_arena_init(&arena, 4096, (size_t)16 << 20);
    ax_buf_init(&text, 1 << 20);
    (void)ax_buf_append_str(&text, ax_str_from(begin));
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_append_str(&text, ax_str_from(part));
    (void)ax_buf_append_str(&text, ax_str_from(end));
    enum ax_code code = ax_expr_parse(ax_buf_str(&text), &scope, &arena, &parsed, &at, &err);
    ax_buf_done(&text);
    ax_arena_done(&arena);
    return code;
}

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("", "(", 60,
                                    "i))))))))))))))))))))))))))))))))))))))))"
                                    "))))))))))))))))))))"),
                     AX_OK);
    assert_int_equal(parse_repeated("", "(", 4000, "i"), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("", "-", 4000, "i"), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("", "not ", 1500, "t"), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("", "case when ", 500, "t"), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("i", " + i", 62, ""), AX_OK);
    assert_int_equal(parse_repeated("i", " + i", 200, ""), AX_E_TOO_LARGE);
    /* Chains are one call. */
    assert_int_equal(parse_repeated("t", " and t", 900, ""), AX_OK);
    assert_int_equal(parse_repeated("t", " and t", 1024, ""), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("i in (1", ",1", 1000, ")"), AX_OK);
    assert_int_equal(parse_repeated("i in (1", ",1", 1024, ")"), AX_E_TOO_LARGE);
    assert_int_equal(parse_repeated("'", "x", 8190, "'"), AX_OK);
    assert_int_equal(parse_repeated("'", "x", 8191, "'"), AX_E_TOO_LARGE);
    /* What `between` uses twice counts twice. */
    assert_int_equal(parse_repeated("case i + i + i + i + i + i", " when 1 then 1", 80, " end"),
                     AX_E_TOO_LARGE);
}

/* ---- aggregates ---- */

static void test_aggregates(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    size_t at = 0;
    (void)state;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    assert_int_equal(
        ax_expr_parse(AX_STR("count(*) filter (where i > 15) over 24h / count(*) over 24h + "
                             "count(*) filter (where i > 15) over 24h hop 1h + "
                             "COUNT(*) FILTER (WHERE i > 15) OVER '1d'"),
                      &view, &arena, &parsed, &at, &err),
        AX_OK);
    assert_int_equal(parsed.aggregate_count, 3);
    assert_int_equal(parsed.aggregates[0].kind, AX_AGGREGATE_COUNT);
    assert_non_null(parsed.aggregates[0].filter);
    assert_null(parsed.aggregates[0].value);
    assert_null(parsed.aggregates[1].filter);
    assert_int_equal(parsed.aggregates[1].window_us, INT64_C(86400000000));
    assert_int_equal(parsed.aggregates[2].hop_us, INT64_C(3600000000));
    assert_int_equal(parsed.root->type.kind, AX_TYPE_FLOAT64);
    bool used[3] = { false };
    ax_expr_inputs(parsed.root, used);
    assert_true(used[0] && used[1] && used[2]);
    /* Without an aggregate it is a plain field. */
    assert_int_equal(ax_expr_parse(AX_STR("i + 1"), &view, &arena, &parsed, &at, &err), AX_OK);
    assert_int_equal(parsed.aggregate_count, 0);
    ax_arena_done(&arena);
}

static void test_aggregate_types(void **state)
{
    static const struct {
        const char *text;
        const char *type; /* NULL: refused */
    } cases[] = {
        { "count(s) over 1h", "int64" },
        { "sum(i) over 1h", "int64" },
        { "sum(f) over 1h", "float64" },
        { "sum(t) over 1h", "int64" },
        { "sum(d) over 1h", "duration" },
        { "sum(s) over 1h", NULL },
        { "avg(d) over 1h", NULL },
        { "avg(i) over 1h", "float64" },
        { "avg(at) over 1h", NULL },
        { "min(at) over 1h", "timestamp" },
        { "max(s) over 1h", "string" },
        { "stddev(i) over 1h", "float64" },
        { "var(f * 2) over 1h", "float64" },
        { "first(t) over 1h", "bool" },
        { "last(d) over 1h", "duration" },
        { "last_n(i, 3) over 1h", "list<int64>" },
        { "last_n(i, 0) over 1h", NULL },
        { "last_n(i, 1025) over 1h", NULL },
        { "last_n(i, i) over 1h", NULL },
        { "last_n(i) over 1h", NULL },
        { "count_distinct(s) over 1h", "int64" },
        { "approx_quantile(i, 0.5) over 1h", "float64" },
        { "approx_quantile(i, 1) over 1h", "float64" },
        { "approx_quantile(i, 1.5) over 1h", NULL },
        { "top_k(s, 10) over 1h", "list<string>" },
        { "sum(i, 1) over 1h", NULL },
        { "sum(*) over 1h", NULL },
        { "sum(null) over 1h", NULL },
        { "count(b) over 1h", NULL },
        { "sum(i)", NULL },
        { "sum(i) over 1", NULL },
        { "sum(i) over 500ms", NULL },
        { "sum(i) over 401d", NULL },
        { "sum(i) over 1h hop 2h", NULL },
        { "sum(i) over 1h hop 1ms", NULL },
        { "sum(i) filter (where i) over 1h", NULL },
        { "coutn(i) over 1h", NULL },
        { "sum(sum(i) over 1h) over 1h", NULL },
        { "sum(i) over 1h + i", NULL },
        { "i + sum(i) over 1h", NULL },
        { "case when count(*) over 1h > 0 then last(s) over 1h end", "string" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_parsed parsed;
        size_t at = 0;
        ax_arena_init(&arena, 4096, (size_t)1 << 20);
        enum ax_code code =
            ax_expr_parse(ax_str_from(cases[i].text), &view, &arena, &parsed, &at, &err);
        if (cases[i].type) {
            assert_string_equal(err.msg, "");
            assert_string_equal(ax_type_name(parsed.root->type), cases[i].type);
        } else {
            print_message("%s: %zu: %s\n", cases[i].text, at, err.msg);
            assert_int_equal(code, AX_E_INVALID);
        }
        ax_arena_done(&arena);
    }
}

/* What is said where it can be said only in a view. */
static void test_aggregate_messages(void **state)
{
    static const struct {
        const char *text, *message;
        size_t at;
    } cases[] = {
        { "1 + coutn(i) over 1h", "no function 'coutn'; nearest is 'count'", 4 },
        { "sum(i) filter (where i) over 1h", "the condition of filter: is int64; bool is expected",
          21 },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_parsed parsed;
        size_t at = 0;
        ax_arena_init(&arena, 4096, (size_t)1 << 20);
        assert_int_equal(
            ax_expr_parse(ax_str_from(cases[i].text), &view, &arena, &parsed, &at, &err),
            AX_E_INVALID);
        assert_string_equal(err.msg, cases[i].message);
        assert_int_equal(at, cases[i].at);
        ax_arena_done(&arena);
    }
}

/* ---- programs ---- */

/* Expressions of one program share their steps: what is computed once is one column. */
static void test_sharing(void **state)
{
    static const char *const texts[] = { "(i + 1) * 2", "(i + 1) * 3", "(i + 1) * 2", "1 + 1" };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_program *program = NULL;
    const struct ax_expr *roots[AX_COUNT(texts)];
    struct ax_values outputs[AX_COUNT(texts)];
    struct ax_values input;
    const struct ax_values *inputs[AX_COUNT(columns)] = { NULL };
    size_t at = 0;
    (void)state;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct ax_parsed parsed;
        assert_int_equal(ax_expr_parse(ax_str_from(texts[i]), &scope, &arena, &parsed, &at, &err),
                         AX_OK);
        roots[i] = parsed.root;
    }
    assert_int_equal(ax_program_new(roots, AX_COUNT(texts), &program, &err), AX_OK);
    assert_int_equal(ax_program_output_count(program), AX_COUNT(texts));
    assert_true(ax_program_reads(program, 1));
    assert_false(ax_program_reads(program, 0));
    assert_false(ax_program_reads(program, 1000));
    fill_column(&input, 1, &arena);
    inputs[1] = &input;
    assert_int_equal(ax_program_run(program, inputs, ROWS, &arena, outputs, &err), AX_OK);
    assert_ptr_equal(outputs[0].data, outputs[2].data);
    assert_int_equal(outputs[0].i64s[0], 86);
    assert_int_equal(outputs[1].i64s[ROWS - 1], 129);
    assert_true(ax_values_is_null(&outputs[1], 5));
    assert_false(ax_values_is_null(&outputs[3], 5));
    assert_int_equal(outputs[3].i64s[5], 2);
    ax_program_free(program);
    ax_arena_done(&arena);
}

/* The tables' own examples. */
static void test_table(void **state)
{
    (void)state;
    for (size_t group = 0; group < AX_FUNCTIONS_GROUP_COUNT; group++) {
        size_t count = 0;
        const struct ax_function *functions = ax_functions((enum ax_function_group)group, &count);
        for (size_t i = 0; i < count; i++) {
            const struct ax_function *function = &functions[i];
            assert_true(function->name && function->run && function->about);
            assert_true(function->param_count <= AX_FUNCTION_PARAMS_MAX &&
                        function->repeated <= function->param_count);
            assert_non_null(function->examples[0].text);
            /* In a view, a call of an aggregate's name is one. */
            for (size_t k = 0; k < AX_AGGREGATE_COUNT_OF; k++)
                assert_string_not_equal(function->name,
                                        ax_aggregate_name((enum ax_aggregate_kind)k));
            for (size_t k = 0; k < AX_FUNCTION_EXAMPLES_MAX && function->examples[k].text; k++)
                check_examples(
                    &(struct example){ function->examples[k].text, function->examples[k].value },
                    1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_aggregate_types),
        cmocka_unit_test(test_aggregate_messages),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
