/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: functions of ours that SQL calls get the arguments as they are, in all types, with nulls,
 * and give their results back, on several threads; their failures arrive as they were.
 * Method: small functions over every type, called on constants, on columns of many chunks, on
 * nulls, and with callbacks that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sql_function.h"

#include "base/alloc.h"

#include <stdlib.h>

#define ROWS_MAX 2048

static atomic_int calls_open;
static bool refuse_calls;

/* One call for all functions of this test: room for a result of any type. */
struct test_call {
    struct ax_sql_call base;
    bool bools[ROWS_MAX];
    int64_t i64s[ROWS_MAX];
    double f64s[ROWS_MAX];
    struct ax_str texts[ROWS_MAX];
    struct ax_sql_list lists[ROWS_MAX];
    uint64_t validity[ROWS_MAX / 64];
    struct ax_sql_column items;
    char bytes[ROWS_MAX][48];
};

static struct ax_sql_call *test_call_new(const struct ax_sql_function *function)
{
    (void)function;
    if (refuse_calls)
        return NULL;
    atomic_fetch_add(&calls_open, 1);
    struct test_call *call = ax_xalloc(sizeof(*call));
    return &call->base;
}

static void test_call_free(struct ax_sql_call *call)
{
    atomic_fetch_sub(&calls_open, 1);
    free(container_of(call, struct test_call, base));
}

/* a + b, where b is counted as 1000 when it is null. */
static enum ax_code run_add(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                            struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    (void)err;
    assert_true(in->rows <= ROWS_MAX);
    for (size_t row = 0; row < in->rows; row++)
        call->i64s[row] = (ax_sql_is_null(&in->columns[0], row) ? 1000 : in->columns[0].i64s[row]) +
                          (ax_sql_is_null(&in->columns[1], row) ? 1000 : in->columns[1].i64s[row]);
    *ret = (struct ax_sql_column){ .type = AX_SQL_I64, .i64s = call->i64s };
    return AX_OK;
}

/* One text of an argument of each type; null where the number is 7. */
static enum ax_code run_show(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    const struct ax_sql_column *c = in->columns;
    (void)err;
    memset(call->validity, 0xff, sizeof(call->validity));
    for (size_t row = 0; row < in->rows; row++) {
        struct ax_str text = c[3].texts[row];
        int len = snprintf(call->bytes[row], sizeof(call->bytes[row]), "%d %lld %g %.*s %lld",
                           c[0].bools[row], (long long)c[1].i64s[row], c[2].f64s[row],
                           AX_STR_ARG(text), (long long)c[4].i64s[row]);
        call->texts[row] = (struct ax_str){ call->bytes[row], (size_t)len };
        if (c[1].i64s[row] == 7)
            call->validity[row / 64] &= ~(UINT64_C(1) << row % 64);
    }
    *ret = (struct ax_sql_column){ .type = AX_SQL_TEXT,
                                   .texts = call->texts,
                                   .validity = call->validity };
    return AX_OK;
}

/* The list without its first item. */
static enum ax_code run_rest(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    (void)err;
    for (size_t row = 0; row < in->rows; row++) {
        struct ax_sql_list list = in->columns[0].lists[row];
        call->lists[row] = list.len ? (struct ax_sql_list){ list.offset + 1, list.len - 1 } : list;
    }
    call->items = *in->columns[0].items;
    *ret =
        (struct ax_sql_column){ .type = AX_SQL_LIST, .lists = call->lists, .items = &call->items };
    return AX_OK;
}

static enum ax_code run_half(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    (void)err;
    for (size_t row = 0; row < in->rows; row++)
        call->f64s[row] = in->columns[0].f64s[row] / 2;
    *ret = (struct ax_sql_column){ .type = AX_SQL_F64, .f64s = call->f64s };
    return AX_OK;
}

static enum ax_code run_even(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    (void)err;
    for (size_t row = 0; row < in->rows; row++)
        call->bools[row] = in->columns[0].i64s[row] % 2 == 0;
    *ret = (struct ax_sql_column){ .type = AX_SQL_BOOL, .bools = call->bools };
    return AX_OK;
}

static enum ax_code run_length(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                               struct ax_sql_column *ret, struct ax_err *err)
{
    struct test_call *call = container_of(base, struct test_call, base);
    (void)err;
    for (size_t row = 0; row < in->rows; row++)
        call->f64s[row] = (double)in->columns[0].texts[row].len;
    *ret = (struct ax_sql_column){ .type = AX_SQL_F64, .f64s = call->f64s };
    return AX_OK;
}

static enum ax_code run_fail(struct ax_sql_call *call, const struct ax_sql_chunk *in,
                             struct ax_sql_column *ret, struct ax_err *err)
{
    (void)call;
    (void)ret;
    return ax_fail(err, AX_E_LIMIT, "refused at 'Out of Memory' %d", in->rows > 0);
}

static const struct ax_sql_kind two_numbers[] = { { AX_SQL_I64, 0 }, { AX_SQL_I64, 0 } };
static const struct ax_sql_kind one_number[] = { { AX_SQL_F64, 0 } };
static const struct ax_sql_kind one_text[] = { { AX_SQL_TEXT, 0 } };
static const struct ax_sql_kind one_list[] = { { AX_SQL_LIST, AX_SQL_TEXT } };
static const struct ax_sql_kind each[] = {
    { AX_SQL_BOOL, 0 }, { AX_SQL_I64, 0 },       { AX_SQL_F64, 0 },
    { AX_SQL_TEXT, 0 }, { AX_SQL_TIMESTAMP, 0 },
};

/* The last arguments are the result's kind. */
#define TEST_FUNCTION(label, types, count, nulls, what, ...) \
    {                                                        \
        .name = (label),                                     \
        .parameters = (types),                               \
        .parameter_count = (count),                          \
        .result = { __VA_ARGS__ },                           \
        .sees_nulls = (nulls),                               \
        .call_new = test_call_new,                           \
        .call_run = (what),                                  \
        .call_free = test_call_free,                         \
    }

static const struct ax_sql_function functions[] = {
    TEST_FUNCTION("ax_add", two_numbers, 2, false, run_add, AX_SQL_I64, 0),
    TEST_FUNCTION("ax_add_nulls", two_numbers, 2, true, run_add, AX_SQL_I64, 0),
    TEST_FUNCTION("ax_show", each, 5, false, run_show, AX_SQL_TEXT, 0),
    TEST_FUNCTION("ax_rest", one_list, 1, false, run_rest, AX_SQL_LIST, AX_SQL_TEXT),
    TEST_FUNCTION("ax_half", one_number, 1, false, run_half, AX_SQL_F64, 0),
    TEST_FUNCTION("ax_half", one_text, 1, false, run_length, AX_SQL_F64, 0),
    TEST_FUNCTION("ax_even", two_numbers, 1, false, run_even, AX_SQL_BOOL, 0),
    TEST_FUNCTION("ax_refuse", two_numbers, 1, false, run_fail, AX_SQL_I64, 0),
};

static int setup(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 4 };
    refuse_calls = false;
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(functions); i++)
        assert_int_equal(ax_sql_add_function(sql, &functions[i], &err), AX_OK);
    *state = sql;
    return 0;
}

static int teardown(void **state)
{
    ax_sql_close(*state);
    assert_int_equal(atomic_load(&calls_open), 0);
    return 0;
}

static void assert_text(struct ax_sql *sql, const char *query, const char *want)
{
    struct ax_err err = AX_ERR_INIT;
    char *text = NULL;
    if (ax_sql_get_text(sql, ax_str_from(query), &text, &err))
        fail_msg("%s: %s", query, err.msg);
    assert_string_equal(text, want);
    free(text);
}

static void test_values(void **state)
{
    static const struct {
        const char *query;
        const char *want;
    } cases[] = {
        { "ax_add(1, 2)", "3" },
        { "ax_add(NULL, 2)", "-" },
        { "ax_add(x, 2) FROM (VALUES (1), (NULL), (3)) t(x)", "3,-,5" },
        { "ax_add_nulls(NULL, 2)", "1002" },
        { "ax_add_nulls(x, 2) FROM (VALUES (1), (NULL), (3)) t(x)", "3,1002,5" },
        { "ax_show(true, 5, 0.5, 'x', TIMESTAMP '1970-01-01 00:00:01')", "1 5 0.5 x 1000000" },
        { "ax_show(x < 6, x, x, 'a text longer than twelve', make_timestamp(x)) FROM (VALUES (5), "
          "(6), (7), (NULL), (8)) t(x)",
          "1 5 5 a text longer than twelve 5,0 6 6 a text longer than twelve 6,-,-,0 8 8 a text "
          "longer than twelve 8" },
        { "ax_rest(['a', NULL, 'a text longer than twelve'])",
          "[NULL, a text longer than twelve]" },
        { "ax_rest(x) FROM (VALUES (['a']), (NULL), ([]), (['b', 'c'])) t(x)", "[],-,[],[c]" },
        { "ax_half(x) FROM (VALUES (1.0), (-0.5), ('inf'::DOUBLE)) t(x)", "0.5,-0.25,inf" },
        { "ax_half('abc'::VARCHAR)", "3.0" }, /* the other one of that name */
        { "ax_even(x) FROM (VALUES (1), (2), (NULL)) t(x)", "false,true,-" },
        /* A function of ours over a function of ours, and under a filter. */
        { "ax_add(ax_add(x, 1), 1) FROM range(5) r(x) WHERE ax_even(x)", "2,4,6" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        char query[1000];
        const char *from = strstr(cases[i].query, " FROM ");
        size_t len = from ? (size_t)(from - cases[i].query) : strlen(cases[i].query);
        (void)snprintf(query, sizeof(query),
                       "SELECT string_agg(coalesce(v::VARCHAR, '-'), ',') FROM (SELECT %.*s AS "
                       "v%s)",
                       (int)len, cases[i].query, from ? from : "");
        assert_text(*state, query, cases[i].want);
    }
}

/* A million rows on four threads, from a table that all of them scan. */
static void test_many_rows_and_threads(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    int64_t wrong = -1;
    assert_int_equal(ax_sql_run(*state,
                                AX_STR("CREATE TABLE t AS SELECT CASE WHEN i % 3 > 0 THEN i END AS "
                                       "i, ['x' || i, 'y' || i] AS l FROM range(1000000) r(i)"),
                                &err),
                     AX_OK);
    assert_int_equal(
        ax_sql_get_i64(*state,
                       AX_STR("SELECT count(*) FROM t WHERE ax_add(i, i) IS DISTINCT FROM i + i OR "
                              "ax_rest(l) <> l[2:2]"),
                       &wrong, &err),
        AX_OK);
    assert_int_equal(wrong, 0);
}

static void test_failures(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = *state;
    /* The code is the callback's, not what its words look like. */
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT ax_refuse(i) FROM range(10) r(i)"), &err),
                     AX_E_LIMIT);
    assert_string_equal(err.msg, "refused at 'Out of Memory' 1");
    ax_err_clear(&err);
    /* And forgotten by the next statement. */
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT nix"), &err), AX_E_INVALID);
    ax_err_clear(&err);
    refuse_calls = true;
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT ax_add(i, 1) FROM range(10) r(i)"), &err),
                     AX_E_LIMIT);
    ax_err_clear(&err);
    refuse_calls = false;
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT ax_add('x')"), &err), AX_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_rows_and_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
