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
#include "test_folder.h"

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
        "'x'::ENUM('x','y') AS e, 170141183460469231731687303715884105727::HUGEINT AS h, "
        "'\\x00\\xFF'::BLOB AS y; ");
    assert_int_equal(ax_sql_query(sql, query, &stream, &err), AX_OK);
    assert_int_equal(ax_sql_stream_column_count(stream), 11);
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
    assert_int_equal(chunk.columns[10].type, AX_SQL_BYTES);
    assert_true(ax_str_equals(chunk.columns[10].texts[0], AX_STR("\0\xFF")));
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

/* "[a,NULL,b]", of the kinds that the tests use. */
static void print_list(const struct ax_sql_column *column, size_t row, struct ax_buf *out)
{
    const struct ax_sql_column *items = column->items;
    struct ax_sql_list list = column->lists[row];
    if (ax_sql_is_null(column, row)) {
        assert_int_equal(list.len, 0);
        ax_buf_printf(out, "null ");
        return;
    }
    ax_buf_printf(out, "[");
    for (uint64_t i = 0; i < list.len; i++) {
        size_t at = list.offset + i;
        ax_buf_printf(out, i ? "," : "");
        if (ax_sql_is_null(items, at))
            ax_buf_printf(out, "null");
        else if (items->type == AX_SQL_BOOL)
            ax_buf_printf(out, items->bools[at] ? "true" : "false");
        else if (items->type == AX_SQL_F64)
            ax_buf_printf(out, "%g", items->f64s[at]);
        else if (items->type == AX_SQL_TEXT || items->type == AX_SQL_BYTES)
            ax_buf_printf(out, "%.*s", AX_STR_ARG(items->texts[at]));
        else
            ax_buf_printf(out, "%lld", (long long)items->i64s[at]);
    }
    ax_buf_printf(out, "] ");
}

/* Lists as queries make them: from literals, casts, aggregates, slices, arrays, and by functions
 * that give back parts of what they were given. */
static void test_lists(void **state)
{
    struct ax_sql *sql = need_sql(state);
    static const struct {
        const char *query;
        enum ax_sql_type item;
        const char *want;
    } cases[] = {
        { "SELECT [1, NULL, 3]::BIGINT[]", AX_SQL_I64, "[1,null,3] " },
        { "SELECT [1, 2]", AX_SQL_I64, "[1,2] " },
        { "SELECT [1.5, 2]", AX_SQL_F64, "[1.5,2] " },
        { "SELECT [0.5::FLOAT]", AX_SQL_F64, "[0.5] " },
        { "SELECT ['a', 'a text longer than twelve', '']", AX_SQL_TEXT,
          "[a,a text longer than twelve,] " },
        { "SELECT [true, NULL]", AX_SQL_BOOL, "[true,null] " },
        { "SELECT [DATE '1970-01-02']", AX_SQL_TIMESTAMP, "[86400000000] " },
        { "SELECT [1, 2]::INTEGER[2]", AX_SQL_I64, "[1,2] " },
        { "SELECT []", AX_SQL_I64, "[] " },
        { "SELECT NULL::DOUBLE[]", AX_SQL_F64, "null " },
        { "SELECT list(i ORDER BY i DESC) FROM range(4) r(i)", AX_SQL_I64, "[3,2,1,0] " },
        { "SELECT [i, i + 1, NULL][2:3] FROM range(3) r(i)", AX_SQL_I64,
          "[1,null] [2,null] [3,null] " },
        { "SELECT list_sort(['b' || i, 'a']) FROM range(2) r(i)", AX_SQL_TEXT, "[a,b0] [a,b1] " },
        { "SELECT list_reverse([i, 7]) FROM range(2) r(i)", AX_SQL_I64, "[7,0] [7,1] " },
        { "SELECT list_filter([i, 7], lambda x: x > 0) FROM range(2) r(i)", AX_SQL_I64,
          "[7] [1,7] " },
        { "SELECT CASE WHEN i % 2 = 0 THEN [i] END FROM range(4) r(i)", AX_SQL_I64,
          "[0] null [2] null " },
        { "SELECT l FROM (SELECT [i] AS l, i FROM range(5) r(i)) ORDER BY i DESC LIMIT 2",
          AX_SQL_I64, "[4] [3] " },
        { "SELECT l FROM (SELECT ['x' || i] AS l, i FROM range(5) r(i)) WHERE i % 2 = 1",
          AX_SQL_TEXT, "[x1] [x3] " },
        { "SELECT l FROM (SELECT 1 AS k, [7, NULL] AS l) a JOIN (SELECT 1 AS k FROM range(2)) b "
          "USING (k)",
          AX_SQL_I64, "[7,null] [7,null] " },
        { "SELECT string_split('a,b', ',')", AX_SQL_TEXT, "[a,b] " },
        { "SELECT ['\\xFE'::BLOB, NULL]", AX_SQL_BYTES, "[\xFE,null] " },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_sql_stream *stream = NULL;
        struct ax_sql_chunk chunk;
        struct ax_buf out;
        ax_buf_init(&out, 1000);
        if (ax_sql_query(sql, ax_str_from(cases[i].query), &stream, &err))
            fail_msg("%s: %s", cases[i].query, err.msg);
        assert_int_equal(ax_sql_stream_column_kind(stream, 0).type, AX_SQL_LIST);
        assert_int_equal(ax_sql_stream_column_kind(stream, 0).item, cases[i].item);
        do {
            assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
            for (size_t row = 0; row < chunk.rows; row++)
                print_list(&chunk.columns[0], row, &out);
        } while (chunk.rows);
        if (!ax_str_is(ax_buf_str(&out), cases[i].want))
            fail_msg("%s: %.*s", cases[i].query, AX_STR_ARG(ax_buf_str(&out)));
        ax_buf_done(&out);
        ax_sql_stream_free(stream);
    }
}

/* More items than a chunk has rows, and many chunks. */
static void test_long_lists(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk;
    int64_t rows = 0;
    int64_t items = 0;
    assert_int_equal(ax_sql_query(sql,
                                  AX_STR("SELECT list_transform(range(i % 50), lambda x: 'text ' "
                                         "|| x || ' of ' || i) FROM range(5000) r(i)"),
                                  &stream, &err),
                     AX_OK);
    for (;;) {
        assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
        if (!chunk.rows)
            break;
        for (size_t row = 0; row < chunk.rows; row++, rows++) {
            struct ax_sql_list list = chunk.columns[0].lists[row];
            assert_int_equal(list.len, rows % 50);
            for (uint64_t i = 0; i < list.len; i++, items++) {
                char want[64];
                (void)snprintf(want, sizeof(want), "text %d of %d", (int)i, (int)rows);
                assert_true(ax_str_is(chunk.columns[0].items->texts[list.offset + i], want));
            }
        }
    }
    assert_int_equal(rows, 5000);
    assert_int_equal(items, 5000 / 50 * (49 * 50 / 2));
    ax_sql_stream_free(stream);
}

/* Time zones need DuckDB's ICU, which nothing of ours may depend on being fetched. */
static void test_zones_are_built_in(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    int64_t number = 0;
    assert_int_equal(
        ax_sql_get_i64(sql,
                       AX_STR("SELECT extract(hour FROM TIMESTAMPTZ '2024-03-10 07:30:00+00' AT "
                              "TIME ZONE 'America/New_York')::BIGINT"),
                       &number, &err),
        AX_OK);
    assert_int_equal(number, 3);
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
        { "SELECT [[1], [2]] AS l", AX_E_UNSUPPORTED, "'l'" },
        { "SELECT {'a': 1} AS s", AX_E_UNSUPPORTED, "'s'" },
        { "SELECT MAP {'a': 1} AS m", AX_E_UNSUPPORTED, "'m'" },
        { "SELECT CAST('x' || i AS INTEGER) FROM range(3) r(i)", AX_E_INVALID, "x" },
        { "SELECT error(E'full\\nPossible solutions:\\n* advice') FROM range(3)", AX_E_INVALID,
          "full" },
        { "SELECT error('twice. Try setting ''advice'' to true') FROM range(3)", AX_E_INVALID,
          "twice." },
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
        assert_null(strstr(err.msg, "advice"));
    }
}

/* A query is told where it is wrong, and is not run. */
static void test_check(void **state)
{
    struct ax_sql *sql = need_sql(state);
    static const struct {
        const char *query;
        size_t at; /* SIZE_MAX: not known */
        const char *says;
    } cases[] = {
        { "SELECT error('it was run') AS a, 1 AS \"A b\"; -- that is all", 0, NULL },
        { "SELECT 1 AS a, foo", 15, "Binder Error: Referenced column \"foo\"" },
        { "SELECT 1 AS a,\n  2 AS b\nFRM x", 24, "Parser Error: syntax error at or near \"FRM\"" },
        { "SELECT '\xC3\xA4' AS a, foo", 18, "Binder Error: Referenced column \"foo\"" },
        { "SELECT 'a text that is longer than what is shown of the line, and more of it, and more' "
          "AS a, foo, 'a text that is longer than what is shown of the line, and more' AS b",
          94, "Binder Error: Referenced column \"foo\"" },
        { "SELECT 1 AS a, At\n, 2 AS b FROM range(3)", 18,
          ": in SQL a column 'at' is written \"at\"" },
        { "SELECT a FROM b WHERE", 21, "Parser Error: syntax error at end of input" },
        { "SELECT 1 AS that that", 17, "Parser Error: syntax error at or near \"that\"" },
        { " -- nothing", SIZE_MAX, "the query is empty" },
        { "SELECT 1; SELECT 2", SIZE_MAX, "expected one statement, found 2" },
        { "SELECT 1 AS a, 2 AS b, 3 AS A", SIZE_MAX, "the query gives column 'A' twice" },
        { "CREATE TABLE t (a INT)", SIZE_MAX, "the query gives no rows; expected a SELECT" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        size_t at = 0;
        enum ax_code code = ax_sql_check(sql, ax_str_from(cases[i].query), &at, &err);
        if (!cases[i].says) {
            assert_int_equal(code, AX_OK);
            continue;
        }
        if (code != AX_E_INVALID || at != cases[i].at || !strstr(err.msg, cases[i].says))
            fail_msg("%s\nfails at %zu: %s", cases[i].query, at, err.msg);
        if (!strstr(cases[i].says, "'at'"))
            assert_null(strstr(err.msg, "'at'"));
    }
}

/* A failure gets the words and the place of the query alone, when that is what was wrong. */
static void test_explain(void **state)
{
    struct ax_sql *sql = need_sql(state);
    static const struct {
        const char *query;
        size_t at;
        const char *says;
    } cases[] = {
        { "SELECT 1 AS a, foo", 15, "Binder Error: Referenced column \"foo\"" },
        { "SELECT 1 AS a FROM 'no.csv'", SIZE_MAX, "IO Error: No files found" },
        { "SELECT error('as it runs') AS a", SIZE_MAX, "Invalid Input Error: as it runs" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        char text[256];
        (void)snprintf(text, sizeof(text), "CREATE TABLE t AS FROM (%s)", cases[i].query);
        assert_int_not_equal(ax_sql_run(sql, ax_str_from(text), &err), AX_OK);
        assert_true(ax_sql_explain(sql, ax_str_from(cases[i].query), &err) == cases[i].at);
        assert_non_null(strstr(err.msg, cases[i].says));
    }
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_TOO_LARGE, "full");
    assert_true(ax_sql_explain(sql, AX_STR("SELECT foo"), &err) == SIZE_MAX);
    assert_string_equal(err.msg, "full");
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
    assert_string_equal(err.msg, "the query was interrupted");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

struct ticking {
    bool is_armed;
    size_t ticks;
};

static void cancel_at_tick(void *arg, double share)
{
    struct ticking *ticking = arg;
    assert_true(share <= 1);
    if (!ticking->is_armed)
        return;
    ticking->ticks++;
    atomic_store(&cancelled, true);
}

/* Who watches is called while the statement runs: here it is what ends a long one. */
static void test_tick(void **state)
{
    (void)need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    struct ticking ticking = { 0 };
    struct ax_sql_config config = {
        .threads = 1, .cancelled = &cancelled, .tick = cancel_at_tick, .arg = &ticking
    };
    atomic_store(&cancelled, false);
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    ticking.is_armed = true;
    assert_int_equal(
        ax_sql_run(sql,
                   AX_STR("CREATE TABLE t AS SELECT sum(hash(x)) FROM range(20000000000) a(x)"),
                   &err),
        AX_E_CANCELLED);
    assert_true(ticking.ticks >= 1);
    atomic_store(&cancelled, false);
    ax_sql_close(sql);
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

/* ---- files ---- */

/* Run a statement, '@' being the path of a Parquet file. */
static void run_with_path(struct ax_sql *sql, const char *format, char path[256])
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    (void)snprintf(path, 256, "%s/a.parquet", folder);
    ax_buf_init(&text, 4096);
    for (; *format; format++)
        if (*format == '@')
            (void)ax_buf_append_str(&text, ax_str_from(path));
        else
            (void)ax_buf_append_char(&text, *format);
    if (ax_sql_run(sql, ax_buf_str(&text), &err))
        fail_msg("%s", err.msg);
    ax_buf_done(&text);
}

/* What is read of Parquet by several threads, converted and left out, comes in its order. */
static void test_parquet_keeps_its_order(void **state)
{
    struct ax_sql *sql = need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    int64_t wrong = -1;
    assert_int_equal(ax_sql_run(sql, AX_STR("SET threads = 4"), &err), AX_OK);
    run_with_path(sql,
                  "COPY (SELECT i, i::VARCHAR AS t, '2024-01-01 00:00:' || i % 60 AS m FROM "
                  "range(100000) r(i)) TO '@' (ROW_GROUP_SIZE 2048)",
                  path);
    for (size_t i = 0; i < 4; i++) {
        run_with_path(sql, "CREATE OR REPLACE TEMP TABLE t (i BIGINT, d DOUBLE, m TIMESTAMP)",
                      path);
        run_with_path(sql,
                      "INSERT INTO t SELECT * FROM (SELECT i, CASE WHEN t[1] = '7' THEN NULL ELSE "
                      "t::DOUBLE END AS d, m::TIMESTAMP FROM read_parquet('@')) WHERE d IS NOT "
                      "NULL",
                      path);
        assert_int_equal(ax_sql_get_i64(sql,
                                        AX_STR("SELECT count(*) FROM (SELECT i, lag(i) OVER (ORDER "
                                               "BY rowid) AS l FROM t) WHERE l >= i"),
                                        &wrong, &err),
                         AX_OK);
        assert_int_equal(wrong, 0);
    }
}

static void test_quoting(void **state)
{
    (void)state;
    struct ax_buf out;
    ax_buf_init(&out, 100);
    assert_true(ax_sql_type_is_exact(AX_STR("TIMESTAMP WITH TIME ZONE")));
    assert_true(ax_sql_type_is_exact(AX_STR("UINTEGER")));
    assert_false(ax_sql_type_is_exact(AX_STR("UBIGINT"))); /* a double, in a stream */
    assert_false(ax_sql_type_is_exact(AX_STR("DECIMAL(9,1)")));
    assert_false(ax_sql_type_is_exact(AX_STR("VARCHAR[]")));
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
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zones_are_built_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_explain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_within_a_task, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parquet_keeps_its_order, setup, teardown),
        cmocka_unit_test(test_quoting),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
