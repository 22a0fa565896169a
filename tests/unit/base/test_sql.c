/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: base/sql.h keeps its word: every readable type, null bits, the order of rows, errors with
 * DuckDB's own words in one line, limits and cancellation.
 * Method: small queries against a database in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sql.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool cancelled;

static int setup(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 2, .cancelled = &cancelled };
    atomic_store(&cancelled, false);
    enum ax_code code = ax_sql_open(&config, &sql, &err);
    if (code == AX_E_UNSUPPORTED)
        return 0;
    assert_int_equal(code, AX_OK);
    *state = sql;
    return 0;
}

static int teardown(void **state)
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

static void test_types(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk;
    struct ax_str query = AX_STR(
        "SELECT true AS b, 7::TINYINT AS i, 1.5::DECIMAL(9,2) AS d, 0.1::FLOAT AS f, 'abc' AS t, "
        "DATE '1970-01-02' AS day, TIMESTAMP '1970-01-01 00:00:01' AS ts, NULL AS n, "
        "'x'::ENUM('x','y') AS e, 170141183460469231731687303715884105727::HUGEINT AS h; ");
    assert_int_equal(ax_sql_query(sql, query, &stream, &err), AX_OK);
    assert_int_equal(ax_sql_stream_column_count(stream), 10);
    assert_true(ax_str_is(ax_sql_stream_column_name(stream, 5), "day"));
    assert_int_equal(ax_sql_stream_column_type(stream, 1), AX_SQL_I64);
    assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
    assert_int_equal(chunk.rows, 1);
    assert_true(chunk.columns[0].bools[0]);
    assert_int_equal(chunk.columns[1].i64s[0], 7);
    assert_true(chunk.columns[2].f64s[0] == 1.5);
    assert_true(chunk.columns[3].f64s[0] == (double)0.1f);
    assert_true(ax_str_is(chunk.columns[4].texts[0], "abc"));
    assert_int_equal(chunk.columns[5].i64s[0], 86400000000);
    assert_int_equal(chunk.columns[6].i64s[0], 1000000);
    assert_true(ax_sql_is_null(&chunk.columns[7], 0));
    assert_true(ax_str_is(chunk.columns[8].texts[0], "x"));
    assert_true(chunk.columns[9].f64s[0] > 1.7e38);
    assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
    assert_int_equal(chunk.rows, 0);
    ax_sql_stream_free(stream);
}

/* Long texts, nulls among values, many chunks, in the order that the query asks for, also through
 * the casting projection (the key is an INTEGER). */
static void test_order_over_chunks(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    struct ax_str query = AX_STR("SELECT i::INTEGER AS i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'a "
                                 "text longer than twelve ' || i"
                                 " END AS t FROM range(100000) r(i) ORDER BY i DESC");
    assert_int_equal(ax_sql_query(sql, query, &stream, &err), AX_OK);
    int64_t want = 99999;
    for (;;) {
        assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
        if (!chunk.rows)
            break;
        for (size_t row = 0; row < chunk.rows; row++, want--) {
            char text[64];
            assert_int_equal(chunk.columns[0].i64s[row], want);
            assert_int_equal(ax_sql_is_null(&chunk.columns[1], row), want % 3 == 0);
            (void)snprintf(text, sizeof(text), "a text longer than twelve %d", (int)want);
            if (want % 3)
                assert_true(ax_str_is(chunk.columns[1].texts[row], text));
        }
    }
    assert_int_equal(want, -1);
    ax_sql_stream_free(stream);
}

static void test_errors(void **state)
{
    struct ax_sql *sql = need_sql(state);
    static const struct {
        const char *query;
        enum ax_code code;
        const char *contains;
    } cases[] = {
        { "SELEC 1", AX_E_INVALID, "SELEC" },
        { "", AX_E_INVALID, "" },
        { "SELECT 1; SELECT 2", AX_E_INVALID, "one statement" },
        { "SELECT nix FROM range(3) r(i)", AX_E_INVALID, "nix" },
        { "SELECT * FROM 'there-is-no-such-file.csv'", AX_E_NOT_FOUND, "there-is-no-such-file" },
        { "SELECT [1, 2] AS l", AX_E_UNSUPPORTED, "'l'" },
        { "SELECT CAST('x' || i AS INTEGER) FROM range(3) r(i)", AX_E_INVALID, "x" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_sql_stream *stream = NULL;
        struct ax_sql_chunk chunk;
        enum ax_code code = ax_sql_query(sql, ax_str_from(cases[i].query), &stream, &err);
        if (!code)
            code = ax_sql_stream_next(stream, &chunk, &err);
        ax_sql_stream_free(stream);
        assert_int_equal(code, cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].contains));
        assert_null(strchr(err.msg, '\n'));
    }
}

static void test_cancel(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    atomic_store(&cancelled, true);
    assert_int_equal(ax_sql_run(sql, AX_STR("CREATE TABLE t AS SELECT 1"), &err), AX_E_CANCELLED);
    atomic_store(&cancelled, false);
    ax_err_clear(&err);
    assert_int_equal(ax_sql_run(sql, AX_STR("CREATE TABLE t AS SELECT 1"), &err), AX_OK);
}

static void *cancel_soon(void *arg)
{
    struct timespec wait = { .tv_nsec = 200000000 };
    (void)nanosleep(&wait, NULL);
    atomic_store(&cancelled, true);
    return arg;
}

/* A join that would take hours is one long task. */
static void test_cancel_within_a_task(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    assert_int_equal(
        ax_sql_run(sql,
                   AX_STR("CREATE TABLE u AS SELECT count(*) FROM range(1000000) a(x), "
                          "range(1000000) b(y) WHERE hash(x) % 7 = hash(y, x) % 11"),
                   &err),
        AX_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_get(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    int64_t number = 0;
    char *text = NULL;
    assert_int_equal(ax_sql_get_i64(sql, AX_STR("SELECT count(*) FROM range(42)"), &number, &err),
                     AX_OK);
    assert_int_equal(number, 42);
    assert_int_equal(ax_sql_get_text(sql, AX_STR("SELECT 'it''s'"), &text, &err), AX_OK);
    assert_string_equal(text, "it's");
    free(text);
    assert_int_equal(ax_sql_get_i64(sql, AX_STR("SELECT 'x'"), &number, &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_sql_get_i64(sql, AX_STR("SELECT 1 WHERE false"), &number, &err),
                     AX_E_INVALID);
}

static void test_quoting(void **state)
{
    (void)state;
    struct ax_buf out;
    ax_buf_init(&out, 100);
    ax_sql_put_literal(&out, AX_STR("it's"));
    ax_sql_put_name(&out, AX_STR("a\"b"));
    assert_true(ax_str_is(ax_buf_str(&out), "'it''s'\"a\"\"b\""));
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_over_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_within_a_task, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test(test_quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
