/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: trees print as the text that somebody would write, in one form; SQL of deep trees does not
 * grow as a power of their depth; durations and names print as they are read.
 * Method: tables of texts that are parsed and printed. That printed texts are read back as the same
 * tree, and that SQL means the same, is shown for random trees by test_expr_sql.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/expr/expr_sql.h"

#include <stdio.h>
#include <string.h>

#define OUT_BYTES_MAX ((size_t)1 << 20)

static const struct ax_scope_column columns[] = {
    { { "i", 1 }, { AX_TYPE_INT64, false }, false },
    { { "f", 1 }, { AX_TYPE_FLOAT64, false }, false },
    { { "b", 1 }, { AX_TYPE_BOOL, false }, false },
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
    { { "t", 1 }, { AX_TYPE_TIMESTAMP, false }, false },
    { { "l", 1 }, { AX_TYPE_INT64, true }, false },
    { { "over", 4 }, { AX_TYPE_INT64, false }, false },
    { { "a \"b\"", 5 }, { AX_TYPE_INT64, false }, false },
};

static void put_name(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    ax_expr_put_name(out, columns[input].name);
}

static void put_sql_name(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    ax_sql_put_name(out, columns[input].name);
}

static void parse(const char *text, struct ax_arena *arena, struct ax_parsed *ret)
{
    struct ax_scope scope = { .columns = columns,
                              .column_count = AX_COUNT(columns),
                              .has_aggregates = true };
    struct ax_err err = AX_ERR_INIT;
    size_t at = 0;
    if (ax_expr_parse(ax_str_from(text), &scope, arena, ret, &at, &err))
        fail_msg("%s: at %zu: %s", text, at, err.msg);
}

static void texts(void **state)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: the same */
    } cases[] = {
        { "i", NULL },
        { "((i))", "i" },
        { "i+f*2", "cast(i as float64) + f * 2.0" },
        { "(i + 1) * 2", NULL },
        { "i - (1 - 2)", NULL },
        { "i - 1 - 2", NULL },
        { "(i-1)-2", "i - 1 - 2" },
        { "i // 2 % 3", NULL },
        { "i // (2 % 3)", NULL },
        { "-i", NULL },
        { "- -i", "--i" },
        { "-(1)", NULL },
        { "-1", NULL },
        { "-(i + 1)", NULL },
        { "-9223372036854775808", NULL },
        { "0.1 + 1e300", NULL },
        { "1.0", NULL },
        { "f = 1", "f = 1.0" },
        { "i == 1 AND NOT b or b", "i = 1 and not b or b" },
        { "i <> 1", "i != 1" },
        { "b and (b or b) and b", NULL },
        { "(b and b) and b", NULL },
        { "not (b and b)", NULL },
        { "(i = 1) = b", NULL },
        { "b = (i = 1)", NULL },
        { "i between 1 and 3", "i >= 1 and i <= 3" },
        { "i not between 1 and 3", "not (i >= 1 and i <= 3)" },
        { "s not in ('a', 'it''s')", NULL },
        { "i + 1 in (i, 2)", NULL },
        { "s is not null", NULL },
        { "not s is null", "s is not null" },
        { "(b is true) is false", NULL },
        { "s like 'a%'", NULL },
        { "not s ilike 'a%'", "s not ilike 'a%'" },
        { "case when b then 1 else 2 end", NULL },
        { "case i when 1 then 'a' when 2 then 'b' end",
          "case when i = 1 then 'a' when i = 2 then 'b' end" },
        { "coalesce(i, NULL)", "coalesce(i, cast(null as int64))" },
        { "cast(s as float64)", NULL },
        { "CAST(null AS list<string>) is null", "cast(null as list<string>) is null" },
        { "extract(hour from t)", NULL },
        { "extract(hour from t at time zone 'America/New_York')", NULL },
        { "l[1] + [i, 2][2]", NULL },
        { "15m", "interval '15m'" },
        { "t - 1440m", "t - interval '1d'" },
        { "timestamp '2013-10-01T01:00:00+01:00'", "timestamp '2013-10-01T00:00:00Z'" },
        { "UPPER(s) || 'x'", "upper(s) || 'x'" },
        { "\"i\" + \"over\" + \"a \"\"b\"\"\"", "i + \"over\" + \"a \"\"b\"\"\"" },
        { "avg(f) over 60m", "avg(f) over 1h" },
        { "count(*) filter (where f > 15) over 24h hop 1h / count(*) over 1d",
          "cast(count(*) filter (where f > 15.0) over 1d hop 1h as float64) / cast(count(*) over "
          "1d "
          "as float64)" },
        { "approx_quantile(f, 0.5) over 7d", NULL },
        { "len(last_n(s, 3) over 90s)", NULL },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        const char *want = cases[i].want ? cases[i].want : cases[i].text;
        for (unsigned again = 0; again < 2; again++) {
            struct ax_arena arena;
            struct ax_parsed parsed;
            struct ax_buf out;
            ax_arena_init(&arena, 4096, OUT_BYTES_MAX);
            ax_buf_init(&out, OUT_BYTES_MAX);
            parse(again ? want : cases[i].text, &arena, &parsed);
            ax_parsed_put_text(&out, &parsed, put_name, NULL);
            if (!ax_str_is(ax_buf_str(&out), want))
                fail_msg("%s: %.*s", cases[i].text, AX_STR_ARG(ax_buf_str(&out)));
            ax_buf_done(&out);
            ax_arena_done(&arena);
        }
    }
}

static void durations(void **state)
{
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {
        { 0, "0s" },
        { 1, "1us" },
        { -1500000, "-1500ms" },
        { 90000000, "90s" },
        { 900000000, "15m" },
        { 86400000000, "1d" },
        { 3600000000, "1h" },
        { INT64_MIN, "-9223372036854775808us" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        int64_t again = 1;
        ax_buf_init(&out, 100);
        ax_duration_put_text(&out, cases[i].us);
        assert_true(ax_str_is(ax_buf_str(&out), cases[i].want));
        assert_int_equal(ax_duration_parse(ax_buf_str(&out), &again, &err), AX_OK);
        assert_int_equal(again, cases[i].us);
        ax_buf_done(&out);
    }
}

static void names(void **state)
{
    static const char *const cases[][2] = {
        { "a1_B", "a1_B" },   { "1a", "\"1a\"" },     { "", "\"\"" },   { "Case", "\"Case\"" },
        { "a b", "\"a b\"" }, { "q\"", "\"q\"\"\"" }, { "é", "\"é\"" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_buf out;
        ax_buf_init(&out, 100);
        ax_expr_put_name(&out, ax_str_from(cases[i][0]));
        assert_true(ax_str_is(ax_buf_str(&out), cases[i][1]));
        ax_buf_done(&out);
    }
}

/* The SQL of "f + f + … + f" with so many signs. */
static void print_sum(size_t signs, bool as_select, struct ax_buf *out)
{
    char text[1000] = "f";
    struct ax_arena arena;
    struct ax_parsed parsed;
    for (size_t i = 0, len = 1; i < signs; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, i % 2 ? " + f" : " * 2.5");
    ax_arena_init(&arena, 4096, OUT_BYTES_MAX);
    parse(text, &arena, &parsed);
    struct ax_expr_column column = { parsed.root, { "x", 1 } };
    if (as_select)
        ax_expr_put_select(out, &column, 1, AX_STR("i"), AX_STR("rows"), AX_SQL_DUCKDB,
                           put_sql_name, NULL);
    else
        ax_expr_put_sql(out, parsed.root, AX_SQL_DUCKDB, put_sql_name, NULL);
    ax_arena_done(&arena);
}

static void deep_trees(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    size_t lens[3];
    (void)state;
    for (size_t i = 0; i < AX_COUNT(lens); i++) {
        ax_buf_init(&out, OUT_BYTES_MAX);
        print_sum(10 * (i + 1), true, &out);
        assert_int_equal(ax_buf_check(&out, "the query", &err), AX_OK);
        lens[i] = out.len;
        ax_buf_done(&out);
    }
    /* As much for the third ten as for the second. */
    assert_in_range(lens[2] - lens[1], 1, lens[1] - lens[0] + lens[1] / 4);
    /* As one expression it is too large, and says so. */
    ax_buf_init(&out, OUT_BYTES_MAX);
    print_sum(30, false, &out);
    assert_int_equal(ax_buf_check(&out, "the query", &err), AX_E_TOO_LARGE);
    ax_buf_done(&out);
}

/* What is named twice is a column inside, and the same is one column. */
static void columns_inside(void **state)
{
    struct ax_arena arena;
    struct ax_parsed first;
    struct ax_parsed second;
    struct ax_buf out;
    size_t layers = 0;
    (void)state;
    ax_arena_init(&arena, 4096, OUT_BYTES_MAX);
    ax_buf_init(&out, OUT_BYTES_MAX);
    parse("nullif(upper(s), 'A')", &arena, &first);
    parse("nullif(upper(s), 'B')", &arena, &second);
    struct ax_expr_column both[] = { { first.root, { "x", 1 } }, { second.root, { "y", 1 } } };
    ax_expr_put_select(&out, both, 2, AX_STR("*"), AX_STR("rows"), AX_SQL_DUCKDB, put_sql_name,
                       NULL);
    (void)ax_buf_append_char(&out, '\0');
    for (const char *at = out.ptr; (at = strstr(at, "(SELECT *")); at++)
        layers++;
    assert_int_equal(layers, 1);
    assert_non_null(strstr(out.ptr, "AS \"~1\""));
    assert_null(strstr(out.ptr, "AS \"~2\""));
    assert_ptr_equal(strstr(out.ptr, "SELECT * EXCLUDE (\"~1\"), CAST("), out.ptr);
    assert_non_null(strstr(out.ptr, " AS \"x\", "));
    assert_non_null(strstr(out.ptr, " AS \"y\" FROM (SELECT *"));
    ax_buf_done(&out);
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),      cmocka_unit_test(durations),      cmocka_unit_test(names),
        cmocka_unit_test(deep_trees), cmocka_unit_test(columns_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
