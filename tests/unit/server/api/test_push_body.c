/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: rows of a source arrive in its columns, however a push writes them, and what cannot be
 * taken in is refused with the row and the column; in slices of any size as at once.
 * Method: tables of bodies, good and bad, each with the rows or the message that it must give, read
 * with several budgets. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/expr/value_text.h"
#include "push_fixture.h"
#include "torture.h"

static struct ax_err err;

/* Whether it went well; else an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    return !code;
}

/* "EWR 3 null|- 4 1.5": '-' is what a row does not give. */
static void put_rows(struct ax_buf *out, const struct ax_push_body *body)
{
    for (size_t row = 0; row < body->rows.rows; row++) {
        ax_buf_printf(out, row ? "|" : "");
        for (size_t i = 0; i < body->plan->source->column_count; i++) {
            const uint64_t *given = body->rows.given ? body->rows.given[i] : NULL;
            ax_buf_printf(out, i ? " " : "");
            if (given && !(given[row / 64] >> (row % 64) & 1))
                ax_buf_printf(out, "-");
            else
                ax_values_put_json(out, &body->rows.columns[i], row);
        }
    }
}

/* ---- tables ---- */

enum { LINES = 1 };

#define S(rows)  "{\"source\":\"s\",\"rows\":" rows "}"
#define T(rows)  "{\"source\":\"types\",\"rows\":" rows "}"
#define C(rows)  "{\"source\":\"c\",\"rows\":" rows "}"
#define E(rows)  "{\"source\":\"e\",\"rows\":" rows "}"
#define KEY      "\"k\":\"a\",\"t\":"
#define NOW_TEXT "\"1970-01-01T00:16:40Z\""

static const struct {
    int form;
    const char *body;
    const char *rows;
} good_bodies[] = {
    { 0, S("[]"), "" },
    { 0, S("[{\"k\":\"a\",\"t\":1,\"x\":1.5,\"n\":2}]"),
      "\"a\" \"1970-01-01T00:00:00.000001Z\" 1.5 2" },
    { 0, S("[{\"k\":null,\"t\":\"1970-01-01T00:00:01+01:00\",\"x\":-0.0,\"n\":null}]"),
      "null \"1969-12-31T23:00:01Z\" 0.0 null" },
    { 0, S("[{\"k\":\"a\",\"t\":0,\"x\":NaN},{\"n\":7.0,\"t\":0,\"k\":\"b\"}]"),
      "\"a\" \"1970-01-01T00:00:00Z\" null -|\"b\" \"1970-01-01T00:00:00Z\" - 7" },
    { 0, "{\"row\":{" KEY "0},\"source\":\"s\"}", "\"a\" \"1970-01-01T00:00:00Z\" - -" },
    { 0, S("[{" KEY "1005000000}]"), "\"a\" \"1970-01-01T00:16:45Z\" - -" },
    { 0,
      "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\",\"b\"],\"t\":[0,1],\"n\":[1,null],"
      "\"x\":[1,2]},\"to\":\"online\",\"allow_registry_cache\":true,\"transform_on_write\":false}",
      "\"a\" \"1970-01-01T00:00:00Z\" 1.0 1|\"b\" \"1970-01-01T00:00:01Z\" 2.0 null" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{},\"to\":\"online_and_offline\"}", "" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"event_timestamp\":[1005]}}",
      "\"a\" \"1970-01-01T00:16:45Z\" - -" },
    { 0,
      T("[{\"f\":1.1,\"b\":true,\"d\":\"90s\",\"y\":\"\\u0000\",\"l\":[1,null,2],\"m\":[\"a\"],"
        "\"z\":0},"
        "{\"f\":-1e-300,\"b\":null,\"d\":5,\"y\":null,\"l\":[],\"m\":null,"
        "\"z\":\"1960-07-01T00:00:00\"}]"),
      "1.100000023841858 true 90000000 \"\\u0000\" [1, null, 2] [\"a\"] \"1970-01-01T00:00:00Z\"|"
      "0.0 null 5 null [] null \"1960-06-30T23:00:00Z\"" },
    { 0, E("[{\"id\":\"1\",\"t\":0,\"x\":1},{\"id\":\"2\",\"t\":0,\"x\":1,\"c\":5}]"),
      "\"1\" \"1970-01-01T00:00:00Z\" 1.0 -|"
      "\"2\" \"1970-01-01T00:00:00Z\" 1.0 \"1970-01-01T00:00:00.000005Z\"" },
    /* What is expected: each row that stays has a neighbour that just does not. */
    { 0,
      C("[{" KEY "0,\"i\":-1},{" KEY "1,\"i\":-2},{" KEY "2,\"i\":80},{" KEY "3,\"i\":91},"
        "{" KEY "4,\"i\":null},{" KEY "5,\"i\":1}]"),
      "\"a\" \"1970-01-01T00:00:00Z\" -1 - - -|\"a\" \"1970-01-01T00:00:00.000002Z\" 80 - - -|"
      "\"a\" \"1970-01-01T00:00:00.000004Z\" null - - -|"
      "\"a\" \"1970-01-01T00:00:00.000005Z\" 1 - - -" },
    { 0,
      C("[{\"k\":null,\"t\":0},{\"k\":\"c\",\"t\":0},{\"k\":\"ß\",\"t\":0},"
        "{\"k\":\"ßx\",\"t\":0}]"),
      "\"ß\" \"1970-01-01T00:00:00Z\" - - - -" },
    { 0, C("[{" KEY "0,\"f\":0.1},{" KEY "0,\"f\":0.0999},{" KEY "0,\"f\":5}]"),
      "\"a\" \"1970-01-01T00:00:00Z\" - 0.10000000149011612 - -|"
      "\"a\" \"1970-01-01T00:00:00Z\" - 5.0 - -" },
    { 0,
      C("[{" KEY "0,\"l\":[]},{" KEY "0,\"l\":[7]},{" KEY "0,\"y\":\"ß\"},{" KEY "0,\"y\":"
        "\"ßx\",\"l\":[1]},{" KEY "0,\"l\":[8,9]}]"),
      "\"a\" \"1970-01-01T00:00:00Z\" - - - [7]|\"a\" \"1970-01-01T00:00:00Z\" - - \"ß\" -|"
      "\"a\" \"1970-01-01T00:00:00Z\" - - - [8, 9]" },
    /* An expression is not asked of a row that leaves out one of its columns. */
    { 0,
      C("[{" KEY "0,\"i\":90},{" KEY "0,\"i\":90,\"f\":1},{" KEY "0,\"i\":90,\"f\":2},"
        "{" KEY "0,\"i\":90,\"f\":null}]"),
      "\"a\" \"1970-01-01T00:00:00Z\" 90 - - -|\"a\" \"1970-01-01T00:00:00Z\" 90 2.0 - -|"
      "\"a\" \"1970-01-01T00:00:00Z\" 90 null - -" },
    { 0, C("[{" KEY "0,\"i\":91}]"), "" },
    { LINES, "", "" },
    { LINES, "\n \r\n", "" },
    { LINES, "{" KEY "0}", "\"a\" \"1970-01-01T00:00:00Z\" - -" },
    { LINES, "{" KEY "0}\r\n\n{\"x\":1," KEY "0}\n",
      "\"a\" \"1970-01-01T00:00:00Z\" - -|\"a\" \"1970-01-01T00:00:00Z\" 1.0 -" },
};

static const struct {
    int form;
    const char *body;
    const char *message;
} bad_bodies[] = {
    { 0, "", "" },
    { 0, "[]", "the body must be an object, found an array" },
    { 0, "{\"source\":\"s\"}", "the request has no 'rows', 'row' or 'df'" },
    { 0, "{\"rows\":[]}", "the request names no source" },
    { 0, "{\"source\":7,\"rows\":[]}", "'source' must be a string, found a number" },
    { 0, "{\"source\":\"s\",\"push_source_name\":\"s\",\"rows\":[]}",
      "'push_source_name' comes on top of another source" },
    { 0, "{\"source\":\"s\",\"rws\":[]}", "unknown member 'rws'; a push has 'source', and 'rows'" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{},\"transform_on_write\":1}",
      "'transform_on_write' are true or false, found a number" },
    { 0, "{\"source\":\"s\",\"rows\":[],\"df\":{}}", "'df' comes on top of other rows" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{},\"to\":\"offline\"}", "'to' is 'offline'" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{},\"to\":\"on\"}", "found 'on'" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"t\":[1006]}}",
      "which lies in the future" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"t\":[9223372036855]}}",
      "'t', row 0: the time lies outside of the years 1 to 9999" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"t\":[-9223372036854775808]}}",
      "row 0 has no 't', which is its time" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"t\":[0,1]}}",
      "input 't' does not hold 1 values" },
    { 0, "{\"push_source_name\":\"s\",\"df\":{\"k\":[\"a\"],\"t\":[0],\"event_timestamp\":[0]}}",
      "row 0: 'event_timestamp' is no column" },
    { 0, S("[{\"k\":\"a\",\"event_timestamp\":0}]"), "'event_timestamp' is no column" },
    { 0, S("[[1]]"), "row 0 must be an object" },
    { LINES, "{" KEY "0}\n[{" KEY "0}]", "line 1: 'row' must be an object, found an array" },
    { 0, "{\"source\":\"s\",\"row\":[]}", "'row' must be an object, found an array" },
    { 0, "{\"source\":\"s\",\"row\":[{\"k\":\"a\"}]}", "'row' must be an object, found an array" },
    { 0, S("[{" KEY "0,\"x\":\"1.5\"}]"), "'x', row 0: a number is wanted, found '1.5'" },
    { 0, S("[{" KEY "0},{" KEY "0,\"n\":1.5}]"), "'n', row 1: a whole number is wanted" },
    { 0, S("[{" KEY "0,\"n\":2147483648}]"), "'n', row 0: the number does not fit int32" },
    { 0, S("[{" KEY "0,\"x\":{}}]"), "found an object where a value is wanted" },
    { 0, S("[{" KEY "0,\"x\":[1]}]"), "'x', row 0: a number is wanted, found a list" },
    { 0, S("[{" KEY "0,\"temperature\":1}]"), "'temperature' is no column of the source" },
    { 0, S("[{" KEY "0,\"kk\":1}]"), "'kk' is no column of the source; nearest is 'k'" },
    { 0, S("[{" KEY "0," KEY "0}]"), "is given twice" },
    { 0, S("[{" KEY "1005000001}]"), "which lies in the future" },
    { 0, S("[{" KEY "null}]"), "row 0 has no 't', which is its time" },
    { 0, S("[{\"k\":\"a\"}]"), "row 0 leaves out 't', which is its time" },
    { 0, S("[{\"t\":0}]"), "row 0 leaves out 'k', which is a key" },
    { 0, S("[{" KEY "\"yesterday\"}]"), "'t', row 0: a time" },
    { 0, S("[{" KEY "-9223372036854775808}]"),
      "'t', row 0: the time lies outside of the years 1 to 9999" },
    { 0, S("[{" KEY "0}]") "x", "nothing may follow" },
    { 0, T("[{\"z\":0,\"f\":1e39}]"), "'f', row 0: the number does not fit float32" },
    { 0, T("[{\"l\":[1]},{\"l\":[1,4294967296]}]"),
      "'l', row 1: the number does not fit list<int32>" },
    { 0, T("[{\"l\":1}]"), "'l', row 0: a list is wanted, found a whole number" },
    { 0, T("[{\"l\":[[1]]}]"), "found an array where a value is wanted" },
    { 0, T("[{\"m\":[1]}]"), "'m', row 0: a text is wanted" },
    { 0, T("[{\"d\":\"long\"}]"), "'d', row 0: a duration" },
    { 0, E("[{\"id\":\"1\",\"t\":0}]"), "row 0 leaves out 'x', and events are given whole" },
    { 0, E("[{\"id\":null,\"t\":0,\"x\":1}]"), "row 0 has no 'id'" },
    { 0, C("[{" KEY "0},{" KEY "-1}]"),
      "row 1: between t (at least 1970-01-01T00:00:00Z) does not hold" },
    { 0, C("[{\"k\":\"b\",\"t\":0}]"), "row 0: regex k (^[^b]) does not hold" },
    { LINES, "{" KEY "0}\n7", "line 1: row 1 must be an object" },
    { LINES, "{" KEY "0}\n{\"k\":}", "line 1: " },
    { LINES, "{" KEY "0} {" KEY "0}", "line 0: " },
};

/* ---- reading ---- */

static void check_body(int form, const char *text, const char *rows, const char *message)
{
    static const size_t budgets[] = { SIZE_MAX / 2, 1, 7, 64 };
    for (size_t i = 0; i < AX_COUNT(budgets); i++) {
        struct ax_arena arena;
        struct ax_push_body body;
        struct ax_buf out;
        ax_err_clear(&err);
        ax_arena_init(&arena, 4096, (size_t)8 << 20);
        ax_buf_init(&out, 1 << 16);
        bool read = !read_push(&body, ax_str_from(text), form == LINES, budgets[i], &arena, &err);
        if (read)
            put_rows(&out, &body);
        if (!out.failed && err.code != AX_E_LIMIT) {
            assert_int_equal(read, rows != NULL);
            if (rows && !ax_str_is(ax_buf_str(&out), rows))
                fail_msg("%s: %.*s", rows, AX_STR_ARG(ax_buf_str(&out)));
            if (message && !strstr(err.msg, message))
                fail_msg("%s: %s", message, err.msg);
        }
        ax_buf_done(&out);
        ax_arena_done(&arena);
    }
}

static void test_good_bodies(void **state)
{
    (void)state;
    if (!good(open_push(&err)))
        return;
    for (size_t i = 0; i < AX_COUNT(good_bodies); i++)
        check_body(good_bodies[i].form, good_bodies[i].body, good_bodies[i].rows, NULL);
}

static void test_bad_bodies(void **state)
{
    (void)state;
    if (!good(open_push(&err)))
        return;
    for (size_t i = 0; i < AX_COUNT(bad_bodies); i++)
        check_body(bad_bodies[i].form, bad_bodies[i].body, NULL, bad_bodies[i].message);
}

/* A million rows are refused while they are read. */
static void test_too_many_rows(void **state)
{
    (void)state;
    struct ax_arena arena;
    struct ax_push_body body;
    struct ax_buf text;
    size_t cost = 0;
    bool done = false;
    ax_err_clear(&err);
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    ax_buf_init(&text, 1 << 20);
    ax_buf_printf(&text, "{\"source\":\"s\",\"rows\":[");
    for (size_t i = 0; i < 2 * AX_PUSH_ROWS_MAX; i++)
        (void)ax_buf_append_str(&text, AX_STR("{},"));
    ax_push_body_init(&body, ax_buf_str(&text), false, AX_STR(""), &arena);
    while (!done && !ax_push_body_read(&body, 1000, &cost, &done, &err))
        continue;
    if (!text.failed && err.code != AX_E_LIMIT) {
        assert_int_equal(err.code, AX_E_TOO_LARGE);
        assert_non_null(strstr(err.msg, "at most 100000 rows"));
    }
    ax_buf_done(&text);
    ax_arena_done(&arena);
}

/* Over several slices: the rows that stay are closed up, and what was found is counted. */
static void test_many_are_left_out(void **state)
{
    (void)state;
    enum { ROWS = 5000 };
    struct ax_arena arena;
    struct ax_push_body body;
    struct ax_buf text;
    ax_err_clear(&err);
    ax_arena_init(&arena, 4096, (size_t)16 << 20);
    ax_buf_init(&text, 1 << 20);
    ax_buf_printf(&text, "{\"source\":\"c\",\"rows\":[");
    for (int i = 0; i < ROWS; i++)
        ax_buf_printf(&text, "%s{\"k\":\"a\",\"t\":%d,\"i\":%d,\"f\":2}", i ? "," : "", i,
                      i % 3 ? 1 : 100);
    ax_buf_printf(&text, "]}");
    if (good(open_push(&err)) && !text.failed &&
        good(read_push(&body, ax_buf_str(&text), false, 1000, &arena, &err))) {
        assert_int_equal(body.row_count, ROWS - (ROWS + 2) / 3);
        assert_int_equal(body.rows.rows, body.row_count);
        assert_int_equal(body.dropped_count, (ROWS + 2) / 3);
        assert_int_equal(body.unexpected[AX_EXPECT_DROP_ROW], (ROWS + 2) / 3);
        assert_int_equal(body.unexpected[AX_EXPECT_WARN], ROWS);
        for (size_t i = 0; i < body.row_count; i++) {
            assert_int_equal(body.columns[1].i64s[i], i / 2 * 3 + i % 2 + 1);
            assert_int_equal(body.columns[2].i64s[i], 1);
        }
    }
    ax_buf_done(&text);
    ax_arena_done(&arena);
}

static int end(void **state)
{
    (void)state;
    close_push();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_good_bodies, end),
        cmocka_unit_test_teardown(test_bad_bodies, end),
        cmocka_unit_test(test_too_many_rows),
        cmocka_unit_test_teardown(test_many_are_left_out, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
