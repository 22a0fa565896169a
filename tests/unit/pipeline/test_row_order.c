/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the columns of a query's own ORDER BY are found, and ties in them.
 * Method: queries of each shape with the order that they have, or why they are refused; then tables
 * with and without ties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/row_order.h"

static int open_sql(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    enum ax_code code = ax_sql_open(&config, &sql, &err);
    *state = sql;
    return code && code != AX_E_UNSUPPORTED ? -1 : 0;
}

static int close_sql(void **state)
{
    ax_sql_close(*state);
    return 0;
}

static struct ax_sql *need_sql(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static void orders(void **state)
{
    struct ax_sql *sql = need_sql(state);
    static const struct {
        const char *query;
        const char *order;   /* NULL: refused */
        const char *message; /* then part of the message */
    } cases[] = {
        { "SELECT a, b FROM t ORDER BY a, b DESC", "\"a\", \"b\"", NULL },
        { "SELECT a FROM t ORDER BY t.a", "\"a\"", NULL },
        { "SELECT a AS \"x \"\"y\" FROM t ORDER BY \"x \"\"y\"", "\"x \"\"y\"", NULL },
        { "SELECT a FROM t ORDER BY ALL", "ALL", NULL },
        { "WITH w AS (SELECT 1 AS a ORDER BY 1) SELECT a FROM w ORDER BY a", "\"a\"", NULL },
        { "SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a", "\"a\"", NULL },
        { "SELECT a FROM t ORDER BY a LIMIT 3", "\"a\"", NULL },
        { "SELECT a FROM t", NULL, "no ORDER BY" },
        { "SELECT a FROM (SELECT a FROM t ORDER BY a)", NULL, "no ORDER BY" },
        { "SELECT a FROM t ORDER BY 1", NULL, "by columns of its result, by their names" },
        { "SELECT a FROM t ORDER BY a + 1", NULL, "by columns of its result" },
        { "SELECT a FORM t ORDER", NULL, "syntax error at or near" },
        { "", NULL, "" },
        { "CREATE TABLE x (a INTEGER)", NULL, "" },
        { "SELECT 'it''s' FROM t ORDER BY a; DROP TABLE t", NULL, "" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        ax_buf_init(&out, 4096);
        enum ax_code code = ax_row_order_print(sql, ax_str_from(cases[i].query), &out, NULL, &err);
        if (cases[i].order && (code || !ax_str_is(ax_buf_str(&out), cases[i].order)))
            fail_msg("'%s': %s %.*s", cases[i].query, err.msg, AX_STR_ARG(ax_buf_str(&out)));
        if (!cases[i].order && (code != AX_E_INVALID || !strstr(err.msg, cases[i].message)))
            fail_msg("'%s': %d %s", cases[i].query, code, err.msg);
        ax_buf_done(&out);
    }
}

static void ties(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_sql_run(sql,
                                AX_STR("CREATE TABLE rows AS SELECT * FROM (VALUES (1, 1), (1, 2), "
                                       "(2, NULL), (3, NULL)) v(a, b)"),
                                &err),
                     AX_OK);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("\"a\", \"b\""), &err), AX_OK);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("ALL"), &err), AX_OK);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("\"a\""), &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "not total: rows agree in (\"a\") in 1 places"));
    /* Nulls tie as well. */
    ax_err_clear(&err);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("\"b\""), &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("\"nix\""), &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "must select the columns that it is ordered by"));
    ax_err_clear(&err);
    assert_int_equal(ax_sql_run(sql, AX_STR("INSERT INTO rows VALUES (1, 2)"), &err), AX_OK);
    assert_int_equal(ax_row_order_check(sql, "rows", AX_STR("ALL"), &err), AX_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(ties),
    };
    return cmocka_run_group_tests_name("pipeline/row_order", tests, open_sql, close_sql);
}
