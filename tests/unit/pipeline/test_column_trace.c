/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a column of a query is followed to the columns of files that it is made of, and where that
 * is not possible, or would have to be guessed, the trace says so. Method: a table of queries; what
 * comes of column `y` is printed: "file:column", "=" the column itself, "~" computed, "*" of other
 * rows too, "#" of another reading than the first one, "?" there may be more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/column_trace.h"

#include "test_folder.h"
#include "torture.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *query;
    const char *wanted;
} cases[] = {
    /* Names. */
    { "SELECT a AS y FROM 'f.csv'", "f.csv:a=" },
    { "SELECT Y FROM 'f.csv'", "f.csv:Y=" },
    { "SELECT t.a y FROM 'd/f.csv' t", "d/f.csv:a=" },
    { "SELECT f.a y FROM 'd/f.csv'", "d/f.csv:a=" },
    { "SELECT g.a y FROM 'd/f.csv'", "?" },
    { "SELECT * FROM 'f.csv'", "f.csv:y=" },
    { "FROM 'f.csv'", "f.csv:y=" },
    { "SELECT b FROM 'f.csv'", "?" },
    { "SELECT a AS y FROM f", "?" },
    { "SELECT a AS y FROM s.f", "?" },
    /* The same column still, and what is made of it. */
    { "SELECT a::DOUBLE y FROM 'f.csv'", "f.csv:a=" },
    { "SELECT TRY_CAST(nullif(a, 'NA') AS INT) y FROM 'f.csv'", "f.csv:a=" },
    { "SELECT coalesce(a, 0) y FROM 'f.csv'", "f.csv:a=" },
    { "SELECT coalesce(a, b) y FROM 'f.csv'", "f.csv:a~ f.csv:b~" },
    { "SELECT a > 15 y FROM 'f.csv'", "f.csv:a~" },
    { "SELECT CASE WHEN a THEN round(b) ELSE a END y FROM 'f.csv'", "f.csv:a~ f.csv:b~" },
    { "SELECT a + a * 2 AS y FROM 'f.csv'", "f.csv:a~" },
    { "SELECT 1 AS y FROM 'f.csv'", "" },
    { "SELECT a[1] y FROM 'f.csv'", "f.csv:a~" },
    /* Of other rows. */
    { "SELECT avg(a) OVER (PARTITION BY b) y FROM 'f.csv'", "f.csv:a~* f.csv:b~*" },
    { "SELECT lag(a) OVER (ORDER BY b) - c y FROM 'f.csv'", "f.csv:a~* f.csv:b~* f.csv:c~" },
    { "SELECT b, 2 * max(abs(a)) AS y FROM 'f.csv' GROUP BY b", "f.csv:a~*" },
    { "SELECT b AS y, count(*) FROM 'f.csv' GROUP BY b", "f.csv:b=" },
    { "SELECT unnest(a) AS y FROM 'f.csv'", "f.csv:a~*" },
    { "SELECT (SELECT max(b) FROM 'g.csv') + a AS y FROM 'f.csv'", "f.csv:a~?" },
    { "SELECT list_transform(a, x -> x + b) AS y FROM 'f.csv'", "f.csv:a~?" },
    /* Layers. */
    { "SELECT b AS y FROM (SELECT a AS b FROM 'f.csv')", "f.csv:a=" },
    { "SELECT y FROM (SELECT *, a > 1 AS y FROM 'f.csv')", "f.csv:a~" },
    { "WITH t AS (SELECT a AS b FROM 'f.csv'), u AS (SELECT b AS c FROM t) SELECT c y FROM u",
      "f.csv:a=" },
    { "WITH t AS (FROM 'f.csv') SELECT * FROM t", "f.csv:y=" },
    { "WITH t AS (SELECT a FROM 'f.csv') SELECT v.a AS y FROM t v", "f.csv:a=" },
    { "WITH t AS (SELECT a AS y FROM 'f.csv'), u AS (WITH t AS (SELECT b AS y FROM t) FROM t) FROM "
      "u",
      "?" },
    { "WITH t(y) AS (SELECT a FROM 'f.csv') SELECT y FROM t", "?" },
    { "SELECT y FROM (SELECT a FROM 'f.csv') t(y)", "?" },
    { "WITH RECURSIVE t AS (SELECT 1 AS y UNION ALL SELECT y + 1 FROM t) FROM t", "?" },
    { "SELECT a + 1 AS x, x * 2 AS y FROM (SELECT a FROM 'f.csv')", "f.csv:a~" },
    { "SELECT x AS y, y AS x", "?" },
    /* Joins. */
    { "SELECT g.b AS y FROM 'f.csv' f JOIN 'g.csv' g USING (id)", "g.csv:b=" },
    { "SELECT b AS y FROM 'f.csv' f JOIN 'g.csv' g USING (id)", "?" },
    { "SELECT b AS y FROM 'f.csv' f JOIN (SELECT id, b FROM 'g.csv') g USING (id)", "g.csv:b=" },
    { "SELECT b AS y FROM 'f.csv' f JOIN (SELECT id, c FROM 'g.csv') g USING (id)", "f.csv:b=" },
    { "SELECT b AS y FROM 'f.csv' f SEMI JOIN 'g.csv' g USING (id)", "f.csv:b=" },
    { "SELECT g.*, h.c FROM (SELECT a FROM 'f.csv') f, 'g.csv' g, 'h.csv' h", "g.csv:y=" },
    { "SELECT f.a - g.a AS y FROM 'f.csv' f JOIN 'f.csv' g ON f.id = g.next",
      "f.csv:a~ f.csv:a~#" },
    { "WITH t AS (FROM 'f.csv') SELECT u.a - v.a AS y FROM t u ASOF JOIN t v ON u.a > v.a",
      "f.csv:a~ f.csv:a~#" },
    { "SELECT id AS y FROM (SELECT id FROM 'f.csv') JOIN s.t USING (id)", "f.csv:id=" },
    { "SELECT id AS y FROM s.t JOIN (SELECT id FROM 'f.csv') USING (id)", "?" },
    { "SELECT id AS y FROM (SELECT id FROM 'f.csv') RIGHT JOIN (SELECT id FROM 'g.csv') USING (id)",
      "?" },
    { "SELECT b AS y FROM (SELECT id, b FROM 'f.csv') RIGHT JOIN (SELECT id FROM 'g.csv') USING "
      "(id)",
      "f.csv:b=" },
    /* Stars. */
    { "SELECT * EXCLUDE (y) FROM 'f.csv'", "?" },
    { "SELECT * REPLACE (a + 1 AS y) FROM 'f.csv'", "f.csv:a~" },
    { "SELECT * REPLACE (a AS b) FROM 'f.csv'", "f.csv:y=" },
    { "SELECT * RENAME (a AS y) FROM 'f.csv'", "?" },
    { "SELECT COLUMNS('y') FROM 'f.csv'", "?" },
    { "SELECT *, a AS b FROM 'f.csv'", "f.csv:y=" },
    /* Files. */
    { "SELECT y FROM read_csv('d/*.csv', all_varchar = true)", "d/*.csv:y=" },
    { "SELECT y FROM read_parquet(['a.parquet', 'b.parquet'])", "a.parquet:y= b.parquet:y=" },
    { "SELECT y FROM read_csv('f.csv', names = ['y'])", "?" },
    { "SELECT y FROM read_csv('f' || '.csv')", "?" },
    { "SELECT y FROM range(3) t(y)", "?" },
    /* Unions. */
    { "SELECT a AS y FROM 'f.csv' UNION ALL SELECT b FROM 'g.csv'", "f.csv:a= g.csv:b=#" },
    { "SELECT a AS y FROM 'f.csv' UNION ALL VALUES (1)", "f.csv:a=" },
    { "SELECT 0 AS y UNION SELECT 1 UNION SELECT a FROM 'f.csv'", "f.csv:a=" },
    { "SELECT * FROM 'f.csv' UNION ALL SELECT * FROM 'g.csv'", "?" },
    { "SELECT y FROM 'f.csv' EXCEPT SELECT y FROM 'g.csv'", "?" },
};

/* Of files that are there: f.csv has id, a, b; g.csv has id, c. */
static const struct {
    const char *query;
    const char *wanted;
} opened[] = {
    { "SELECT c AS y FROM 'f.csv' JOIN 'g.csv' USING (id)", "g.csv:c=" },
    { "SELECT a > 1 AS y FROM read_csv('f.csv', all_varchar = true) JOIN (FROM 'g.csv') USING (id)",
      "f.csv:a~" },
    { "SELECT id AS y FROM 'g.csv' JOIN read_csv(['f.csv']) USING (id)", "g.csv:id=" },
    { "SELECT a AS y FROM read_csv('f.csv', skip = 1) JOIN 'g.csv' USING (id)", "f.csv:a=" },
    { "SELECT a AS y FROM read_csv('f.csv', skip = 1) JOIN 'h.csv' USING (id)", "?" },
    { "SELECT * EXCLUDE (y), id AS y FROM 'f.csv' LEFT JOIN 'g.csv' USING (id)", "f.csv:id=" },
    { "SELECT id AS y FROM 'f.csv' NATURAL FULL JOIN 'g.csv'", "?" },
    { "SELECT c AS y FROM 'f.csv' NATURAL FULL JOIN 'g.csv'", "g.csv:c=" },
    /* Names of the select list, and of the file. */
    { "SELECT a AS z, z > 15 AS y FROM 'f.csv'", "f.csv:a~" },
    { "SELECT b AS a, a > 15 AS y FROM 'f.csv'", "f.csv:a~" },
    { "SELECT a AS z, z > 15 AS y FROM 'h.csv'", "?" },
    { "SELECT nullif(y, 0) AS y FROM 'h.csv'", "h.csv:y=" },
    { "SELECT z > 15 AS y, a AS z FROM 'f.csv'", "f.csv:z~" },
};

static struct ax_sql *sql;

static void print(struct ax_column_trace trace, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < trace.count; i++) {
        const struct ax_traced_column *column = &trace.columns[i];
        len += (size_t)snprintf(text + len, size - len, "%s%.*s:%.*s%s%s%s", i ? " " : "",
                                AX_STR_ARG(column->file), AX_STR_ARG(column->name),
                                column->is_plain ? "=" : "~", column->is_of_row ? "" : "*",
                                column->reading == trace.columns[0].reading ? "" : "#");
    }
    if (!trace.is_whole)
        (void)snprintf(text + len, size - len, "?");
}

static void queries_are_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_column_tracer *tracer = NULL;
        char text[512];
        if (ax_column_tracer_of_query(sql, ax_str_from(cases[i].query), &tracer, &err))
            fail_msg("%s: %s", cases[i].query, err.msg);
        print(ax_column_tracer_find(tracer, AX_STR("y")), text, sizeof(text));
        if (strcmp(text, cases[i].wanted) != 0)
            fail_msg("%s: '%s', expected '%s'", cases[i].query, text, cases[i].wanted);
        /* Again, and of another column in between: the same. */
        (void)ax_column_tracer_find(tracer, AX_STR("z"));
        print(ax_column_tracer_find(tracer, AX_STR("Y")), text, sizeof(text));
        if (!strstr(cases[i].wanted, ":y") && strcmp(text, cases[i].wanted) != 0)
            fail_msg("%s, again: '%s'", cases[i].query, text);
        ax_column_tracer_free(tracer);
    }
}

static void files_are_all_their_columns(void **state)
{
    (void)state;
    char text[512];
    struct ax_column_tracer *tracer = ax_column_tracer_of_file(AX_STR("d/f.parquet"));
    print(ax_column_tracer_find(tracer, AX_STR("a")), text, sizeof(text));
    assert_string_equal(text, "d/f.parquet:a=");
    ax_column_tracer_free(tracer);
}

/* Memory is refused at one place after the other: the trace is right, or says that it is not whole.
 */
static void trace_without_memory(const char *query, const char *wanted)
{
    bool is_struck = true;
    for (unsigned long i = 1; is_struck; i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_column_tracer *tracer = NULL;
        char text[512] = "?";
        ax_torture_refuse(i);
        if (ax_column_tracer_of_query(sql, ax_str_from(query), &tracer, &err))
            assert_int_equal(err.code, AX_E_LIMIT);
        else
            print(ax_column_tracer_find(tracer, AX_STR("y")), text, sizeof(text));
        is_struck = ax_torture_struck();
        if (strcmp(text, wanted) != 0 && (!is_struck || text[strlen(text) - 1] != '?'))
            fail_msg("%s, allocation %lu refused: '%s', expected '%s'", query, i, text, wanted);
        ax_column_tracer_free(tracer);
    }
    ax_torture_refuse(0);
}

static void files_are_opened_where_it_matters(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    char path[256], back[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/f.csv", folder);
    assert_int_equal(ax_file_replace(path, AX_STR("id,a,b\n1,2,3\n"), &err), AX_OK);
    (void)snprintf(path, sizeof(path), "%s/g.csv", folder);
    assert_int_equal(ax_file_replace(path, AX_STR("id,c\n1,2\n"), &err), AX_OK);
    assert_non_null(getcwd(back, sizeof(back)));
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < AX_COUNT(opened); i++) {
        struct ax_column_tracer *tracer = NULL;
        char text[512];
        if (ax_column_tracer_of_query(sql, ax_str_from(opened[i].query), &tracer, &err))
            fail_msg("%s: %s", opened[i].query, err.msg);
        print(ax_column_tracer_find(tracer, AX_STR("y")), text, sizeof(text));
        if (strcmp(text, opened[i].wanted) != 0)
            fail_msg("%s: '%s', expected '%s'", opened[i].query, text, opened[i].wanted);
        ax_column_tracer_free(tracer);
        trace_without_memory(opened[i].query, opened[i].wanted);
    }
    assert_int_equal(chdir(back), 0);
}

/* A file under nine UNION, three of it under two more, and so on: more relations than are kept. Of
 * the last one that is, neither, one or both sides are, by how many others there are. */
static void what_is_not_kept_is_told_each_time(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    for (int others = 0; others < 4; others++) {
        struct ax_column_tracer *tracer = NULL;
        struct ax_buf text;
        ax_buf_init(&text, 1 << 20);
        ax_buf_printf(&text, "WITH t0 AS (((((((((SELECT a AS y FROM 'f.csv'");
        for (int i = 0; i < 9; i++)
            ax_buf_printf(&text, " UNION SELECT 0)");
        for (int i = 1; i <= 5; i++)
            ax_buf_printf(&text,
                          ", t%d AS ((SELECT y FROM t%d UNION SELECT y FROM t%d) UNION SELECT y "
                          "FROM t%d)",
                          i, i - 1, i - 1, i - 1);
        ax_buf_printf(&text, " SELECT t5.y FROM t5");
        for (int i = 0; i < others; i++)
            ax_buf_printf(&text, ", 'f%d.csv'", i);
        assert_int_equal(ax_column_tracer_of_query(sql, ax_buf_str(&text), &tracer, &err), AX_OK);
        for (int i = 0; i < 3; i++)
            assert_false(ax_column_tracer_find(tracer, AX_STR("y")).is_whole);
        ax_column_tracer_free(tracer);
        ax_buf_done(&text);
    }
}

/* 2,000 times in an expression, and each of these again: a column all the same. */
static void what_is_named_often_is_followed_once(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_column_tracer *tracer = NULL;
    struct ax_buf query;
    char text[512];
    ax_buf_init(&query, 1 << 20);
    ax_buf_printf(&query, "WITH t0 AS (SELECT a AS y FROM 'f.csv')");
    for (int i = 1; i <= 3; i++) {
        ax_buf_printf(&query, ", t%d AS (SELECT concat(0", i);
        for (int k = 0; k < 2000; k++)
            ax_buf_printf(&query, ", y");
        ax_buf_printf(&query, ") AS y FROM t%d)", i - 1);
    }
    ax_buf_printf(&query, " FROM t3");
    assert_int_equal(ax_column_tracer_of_query(sql, ax_buf_str(&query), &tracer, &err), AX_OK);
    print(ax_column_tracer_find(tracer, AX_STR("y")), text, sizeof(text));
    assert_string_equal(text, "f.csv:a~");
    ax_column_tracer_free(tracer);
    ax_buf_done(&query);
}

/* 2^40 ways to one file, and a text that is no SELECT. */
static void large_and_wrong_ones_end(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_column_tracer *tracer = NULL;
    struct ax_buf text;
    ax_buf_init(&text, 1 << 20);
    ax_buf_printf(&text, "WITH t0 AS (SELECT a AS y FROM 'f.csv')");
    for (int i = 1; i <= 40; i++)
        ax_buf_printf(&text, ", t%d AS (SELECT p.y + q.y AS y FROM t%d p, t%d q)", i, i - 1, i - 1);
    ax_buf_printf(&text, " SELECT y FROM t40");
    assert_int_equal(ax_column_tracer_of_query(sql, ax_buf_str(&text), &tracer, &err), AX_OK);
    assert_false(ax_column_tracer_find(tracer, AX_STR("y")).is_whole);
    ax_column_tracer_free(tracer);
    assert_int_equal(ax_column_tracer_of_query(sql, AX_STR("SELECT FROM WHERE"), &tracer, &err),
                     AX_E_INVALID);
    ax_buf_done(&text);
}

static int open_sql(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_config config = { .threads = 1 };
    return make_folder(state) || ax_sql_open(&config, &sql, &err) ? -1 : 0;
}

static int close_sql(void **state)
{
    ax_sql_close(sql);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_followed),
        cmocka_unit_test(files_are_all_their_columns),
        cmocka_unit_test(files_are_opened_where_it_matters),
        cmocka_unit_test(what_is_not_kept_is_told_each_time),
        cmocka_unit_test(what_is_named_often_is_followed_once),
        cmocka_unit_test(large_and_wrong_ones_end),
    };
    return cmocka_run_group_tests_name("pipeline/column_trace", tests, open_sql, close_sql);
}
