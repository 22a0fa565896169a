/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what DuckDB's own functions or its optimiser get wrong, or do otherwise, is not what our
 * SQL says: it gives what native evaluation gives. Method: a table of expressions, each of which a
 * plainer template gave another answer for, over one row that the optimiser cannot fold. Random
 * trees are in test_expr_sql; these are never left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/expr/expr_sql.h"
#include "data/expr/program.h"
#include "data/expr/value_text.h"
#include "unit/data/expr/made_texts.h"

#include <stdlib.h>

static const struct ax_scope_column columns[] = {
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
    { { "at", 2 }, { AX_TYPE_TIMESTAMP, false }, false },
    { { "i", 1 }, { AX_TYPE_INT64, false }, false },
};
static const struct ax_scope scope = { .columns = columns, .column_count = AX_COUNT(columns) };

static void put_input(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    ax_sql_put_name(out, columns[input].name);
}

/* The value over the row ('1e3', null, 2), as `auspex eval` prints it. */
static void evaluate(const struct ax_expr *expr, struct ax_arena *arena, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_values inputs[AX_COUNT(columns)];
    const struct ax_values *pointers[AX_COUNT(columns)];
    struct ax_program *program = NULL;
    struct ax_values value;
    for (size_t i = 0; i < AX_COUNT(columns); i++) {
        assert_int_equal(ax_values_init(&inputs[i], columns[i].type, 1, arena, &err), AX_OK);
        pointers[i] = &inputs[i];
    }
    inputs[0].texts[0] = AX_STR("1e3");
    ax_values_set_null(&inputs[1], 0);
    inputs[2].i64s[0] = 2;
    if (ax_program_new(&expr, 1, &program, &err) ||
        ax_program_run(program, pointers, 1, arena, &value, &err))
        fail_msg("%s", err.msg);
    ax_values_put_text(out, &value, 0);
    ax_program_free(program);
}

/* The same by DuckDB: null as null, a text in quotes. */
static void query(struct ax_sql *sql, const struct ax_expr *expr, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    char *value = NULL;
    bool quoted = expr->type.kind == AX_TYPE_STRING;
    ax_buf_init(&text, 1 << 16);
    (void)ax_buf_printf(&text, "SELECT coalesce(%sCAST(", quoted ? "'''' || " : "");
    ax_expr_put_sql(&text, expr, AX_SQL_DUCKDB, put_input, NULL);
    (void)ax_buf_printf(&text, " AS VARCHAR)%s, 'null') FROM edge", quoted ? " || ''''" : "");
    if (ax_sql_get_text(sql, ax_buf_str(&text), &value, &err))
        fail_msg("%s: %.*s", err.msg, AX_STR_ARG(ax_buf_str(&text)));
    (void)ax_buf_append_str(out, ax_str_from(value));
    free(value);
    ax_buf_done(&text);
}

static void sql_gives_what_is_native(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } rows[] = {
        { "regexp_matches(s, '$1')", "false" },
        { "regexp_matches(s, '1^e')", "false" },
        { "regexp_matches(s, '$[1]', 's')", "false" },
        { "regexp_matches(s, '^1e')", "true" },
        { "regexp_matches(s, '1.*$')", "true" },
        { "regexp_matches(s, '\\Q1e')", "true" },
        { "regexp_matches(s, '\\\\Q')", "false" },
        { "regexp_matches(s, '(?i)E')", "true" },
        { "regexp_matches(s, '1|x')", "true" },
        { "regexp_matches(s, '1e3', 'l')", "true" },
        { "regexp_matches(s, '^1', 'l')", "false" },
        { "date_trunc('quarter', at) = timestamp '2013-11-03T06:30:00Z'", "null" },
        { "date_trunc('day', at) <= timestamp '2013-11-03T06:30:00Z'", "null" },
        { "date_diff('week', timestamp '2013-06-16', timestamp '2013-06-17') = i - 1", "true" },
        { "extract(dow from timestamp '2013-06-16') = i + 5", "true" },
        { "substr(s, -5, 2)", "'1e'" },
        { "left(s, 9223372036854775807)", "'1e3'" },
        { "concat(s, cast(null as string))", "'1e3'" },
        { "list_sum([1e100, 1.0, -1e100]) = i - 1", "true" },
        { "list_avg([i, null, 5])", "3.5" },
        { "round(0.75e308 * i, -308)", "null" },
        { "round(-89.8e306 * i, -306)", "null" },
        { "round(0.6e308 * i, -308) = 1e308", "true" },
        { "round(1e308 * (i - 1), -309)", "0.0" },
        { "json_extract('{\"a\": 1.50}', '$.a')", "'1.50'" },
        { "bucket(i + 40, 'exp-02', 10000)", "7393" },
        { "geohash(42.6, -5.6, 3 + i)", "'ezs42'" },
    };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    if (ax_sql_open(&config, &sql, &err) || ax_expr_register(sql, &err) ||
        ax_sql_run(sql,
                   AX_STR("CREATE TABLE edge AS SELECT '1e3' AS s, CAST(NULL AS TIMESTAMP) AS at, "
                          "CAST(2 AS BIGINT) AS i"),
                   &err))
        fail_msg("%s", err.msg);
    size_t failed = 0;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_arena arena;
        struct ax_parsed parsed;
        struct ax_buf native, theirs;
        size_t at = 0;
        ax_arena_init(&arena, 4096, (size_t)16 << 20);
        ax_buf_init(&native, 1000);
        ax_buf_init(&theirs, 1000);
        if (ax_expr_parse(ax_str_from(rows[i].text), &scope, &arena, &parsed, &at, &err))
            fail_msg("%s: %s", rows[i].text, err.msg);
        evaluate(parsed.root, &arena, &native);
        query(sql, parsed.root, &theirs);
        if (!ax_str_is(ax_buf_str(&native), rows[i].value) ||
            !ax_str_is(ax_buf_str(&theirs), rows[i].value)) {
            print_error("%s: native %.*s, SQL %.*s, expected %s\n", rows[i].text,
                        AX_STR_ARG(ax_buf_str(&native)), AX_STR_ARG(ax_buf_str(&theirs)),
                        rows[i].value);
            failed++;
        }
        ax_buf_done(&native);
        ax_buf_done(&theirs);
        ax_arena_done(&arena);
    }
    ax_sql_close(sql);
    assert_int_equal(failed, 0);
}

/* A number that `form` makes of an expression, which is its '?', over `bytes` times 'A'. */
static int64_t select_number(struct ax_sql *sql, const char *form, const char *expression,
                             size_t bytes)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    struct ax_buf text;
    size_t at = 0;
    int64_t number = 0;
    const char *sign = strchr(form, '?');
    ax_arena_init(&arena, 4096, (size_t)16 << 20);
    ax_buf_init(&text, 1 << 16);
    if (ax_expr_parse(ax_str_from(expression), &scope, &arena, &parsed, &at, &err))
        fail_msg("%s: %s", expression, err.msg);
    (void)ax_buf_printf(&text, "SELECT %.*s", (int)(sign - form), form);
    ax_expr_put_sql(&text, parsed.root, AX_SQL_DUCKDB, put_input, NULL);
    (void)ax_buf_printf(&text, "%s FROM (SELECT repeat('A', %zu) AS s)", sign + 1, bytes);
    if (ax_sql_get_i64(sql, ax_buf_str(&text), &number, &err))
        fail_msg("%s: %s", expression, err.msg);
    ax_buf_done(&text);
    ax_arena_done(&arena);
    return number;
}

static void texts_that_are_made_have_a_most(void **state)
{
    (void)state;
    static const struct made_text cases[] = { AX_MADE_TEXTS };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    if (ax_sql_open(&config, &sql, &err) || ax_expr_register(sql, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        if (select_number(sql, "coalesce(strlen(?), -1)", cases[i].text, cases[i].bytes) !=
            cases[i].length)
            fail_msg("%s of %zu", cases[i].text, cases[i].bytes);
    ax_sql_close(sql);
}

/* DuckDB's own takes minutes for two thousand. */
static void like_does_not_try_all(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    if (ax_sql_open(&config, &sql, &err) || ax_expr_register(sql, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(select_number(sql, "?::INT", "s like '%A_%A%A%A%A%A%A%B'", 60000), 0);
    assert_int_equal(select_number(sql, "?::INT", "s ilike '%a_%a%a%a%a%a%a%_'", 60000), 1);
    assert_int_equal(select_number(sql, "(? IS NULL)::INT", "'A' like s", 1000), 0);
    assert_int_equal(select_number(sql, "(? IS NULL)::INT", "'A' like s", 1001), 1);
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sql_gives_what_is_native),
        cmocka_unit_test(texts_that_are_made_have_a_most),
        cmocka_unit_test(like_does_not_try_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
