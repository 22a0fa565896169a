/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the latest rows that are given since a mark are all that something new was learnt of, and
 * what was read before is not read again.
 *
 * Method: sources of each kind in files, a query and a table of DuckDB's; each step changes what
 * they have, and tells which keys come, how many rows were read, and which values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/sql.h"
#include "history_store.h"

#include <inttypes.h>

enum { GIVEN_BYTES = 512 };

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: int64}}}\n"
    "sources:\n"
    "  states: {files: 's*.csv', time: t, columns: {k: int64, t: timestamp, x: int64}}\n"
    "  lasting: {files: 's*.csv', time: none, columns: {k: int64, x: int64}}\n"
    "  expected: {files: 's*.csv', time: t, columns: {k: int64, t: timestamp, x: int64},\n"
    "    expect: [{check: between, column: x, min: 0, max: 99, do: drop_row}]}\n"
    "  events: {files: 'e*.csv', time: t, created: c, event_id: id,\n"
    "    columns: {k: int64, t: timestamp, c: timestamp, id: int64, x: int64}}\n"
    "  learnt: {sql: learnt.sql, time: t, created: c,\n"
    "    columns: {k: int64, t: timestamp, c: timestamp, x: int64}}\n"
    "  table: {table: table.duckdb/main.t, time: t,\n"
    "    columns: {k: int64, t: timestamp, x: int64}}\n"
    "views:\n"
    "  states: {entity: thing, source: states, ttl: 1s, fields: {x: {expr: x, default: 7}}}\n"
    "  more: {entity: thing, source: states, fields: {twice: {expr: 2 * x, type: int32}}}\n"
    "  lasting: {entity: thing, source: lasting, fields: {x: x}}\n"
    "  expected: {entity: thing, source: expected, fields: {x: x}}\n"
    "  events: {entity: thing, source: events, fields: {x: x}}\n"
    "  counts: {entity: thing, source: events, fields: {n: count(*) over 1d}}\n"
    "  learnt: {entity: thing, source: learnt, fields: {x: x}}\n"
    "  table: {entity: thing, source: table, fields: {x: x}}\n";

/* Of January 2024. */
#define DAY(n) (INT64_C(1704067200000000) + ((n) - 1) * INT64_C(86400000000))

static struct ax_buf given; /* "k=x ..." in the order of keys; of events "id=x ..." */
static char *mark;

static int open_all(void **state)
{
    if (make_folder(state))
        return -1;
    ax_buf_init(&given, GIVEN_BYTES);
    write_text("learnt.sql", AX_STR("SELECT * FROM 'l.csv'"));
    open_history_store(definitions_text);
    return 0;
}

static int close_all(void **state)
{
    ax_buf_done(&given);
    free(mark);
    return close_history_store(state);
}

static enum ax_code take(void *arg, const struct ax_offline_latest_rows *rows, struct ax_err *err)
{
    (void)arg;
    for (int64_t key = 0; key < 10; key++)
        for (size_t row = 0; row < rows->rows; row++) {
            if (rows->keys[0].i64s[row] != key)
                continue;
            ax_buf_printf(&given, given.len ? " " : "");
            if (ax_values_is_null(&rows->fields[0], row))
                ax_buf_printf(&given, "%" PRId64 "=null", key);
            else
                ax_buf_printf(&given, "%" PRId64 "=%" PRId64, key, rows->fields[0].i64s[row]);
        }
    return ax_buf_check(&given, "what is given", err);
}

static enum ax_code take_events(void *arg, const struct ax_offline_event_rows *rows,
                                struct ax_err *err)
{
    (void)arg;
    for (size_t row = 0; row < rows->rows; row++)
        ax_buf_printf(&given, "%s%" PRId64 "=%" PRId64, given.len ? " " : "",
                      rows->columns[3].i64s[row], rows->columns[4].i64s[row]);
    return ax_buf_check(&given, "what is given", err);
}

static enum ax_code end(void *arg, const struct ax_view *view, struct ax_str text,
                        struct ax_err *err)
{
    (void)arg;
    (void)view;
    (void)err;
    free(mark);
    mark = ax_xmemdup0(text.ptr, text.len);
    return AX_OK;
}

/* What a view gives since the last mark (or anew) until a moment of 2024, and of how many rows. */
static void expect_since(const char *view, bool anew, int64_t day, const char *what, size_t rows)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_view *views[] = { ax_definitions_view(&definitions, ax_str_from(view)) };
    struct ax_offline_latest_report report;
    const struct ax_offline_latest request = {
        .views = views,
        .view_count = 1,
        .from_us = INT64_MIN,
        .to_us = DAY(day),
        .since = anew ? AX_STR("") : ax_str_from(mark),
        .rows = take,
        .events_from_us = DAY(4),
        .events_to_us = DAY(day),
        .events = take_events,
        .done = end,
    };
    ax_buf_reset(&given);
    if (ax_offline_latest(store, &request, &report, &err))
        fail_msg("%s", err.msg);
    (void)ax_buf_append_char(&given, '\0');
    assert_string_equal(given.ptr, what);
    assert_int_equal(report.rows, rows);
}

#define EXPECT_ANEW(view, day, what, rows)  expect_since(view, true, day, what, rows)
#define EXPECT_SINCE(view, day, what, rows) expect_since(view, false, day, what, rows)

static void test_states(void **state)
{
    (void)state;
    write_text("s1.csv", AX_STR("k,t,x\n1,2024-01-01,10\n1,2024-01-03,13\n2,2024-01-01,\n"));
    write_text("s2.csv", AX_STR("k,t,x\n3,2024-01-02,30\n"));
    EXPECT_ANEW("states", 2, "1=10 2=null 3=30", 4);
    EXPECT_SINCE("states", 2, "", 0);
    /* What was later is not any more. */
    EXPECT_SINCE("states", 3, "1=13", 1);
    EXPECT_SINCE("states", 9, "", 0);
    /* A late row, and a new file; what was read of the other one stays as it is. */
    write_text("s2.csv", AX_STR("k,t,x\n3,2024-01-02,30\n2,2023-12-31,20\n"));
    EXPECT_SINCE("states", 9, "2=20 3=30", 2);
    write_text("s3.csv", AX_STR("k,t,x\n1,2024-01-05,15\n1,2024-01-20,99\n"));
    EXPECT_SINCE("states", 9, "1=15", 2);
    EXPECT_SINCE("states", 9, "", 0);
    /* Earlier than before: nothing is lost of what comes then. */
    write_text("s4.csv", AX_STR("k,t,x\n4,2024-01-08,40\n"));
    EXPECT_SINCE("states", 7, "", 2);
    EXPECT_SINCE("states", 9, "4=40", 2);
    EXPECT_ANEW("more", 31, "1=198 2=null 3=60 4=80", 8);
}

static void test_others(void **state)
{
    (void)state;
    write_text("s1.csv", AX_STR("k,t,x\n1,2024-01-01,10\n1,2024-01-03,130\n"));
    write_text("s2.csv", AX_STR("k,t,x\n3,2024-01-02,30\n"));
    write_text("s3.csv", AX_STR("k,t,x\n"));
    write_text("s4.csv", AX_STR("k,t,x\n"));
    EXPECT_ANEW("lasting", 1, "1=130 3=30", 3);
    EXPECT_SINCE("lasting", 2, "", 0);
    write_text("s4.csv", AX_STR("k,t,x\n2,,2\n"));
    EXPECT_SINCE("lasting", 2, "2=2", 1);
    EXPECT_ANEW("expected", 9, "1=10 3=30", 3);
    EXPECT_SINCE("expected", 9, "", 0);
    write_text("s4.csv", AX_STR("k,t,x\n2,2024-01-01,2\n"));
    EXPECT_SINCE("expected", 9, "1=10 2=2 3=30", 4);
}

/* A version that comes late is known to be one by the file that was read before. */
static void test_events(void **state)
{
    (void)state;
    write_text("e1.csv", AX_STR("k,t,c,id,x\n1,2024-01-02,2024-01-05,7,72\n"
                                "1,2024-01-01,2024-01-01,6,61\n"));
    EXPECT_ANEW("events", 9, "1=72", 2);
    write_text("e2.csv", AX_STR("k,t,c,id,x\n1,2024-01-08,2024-01-04,7,70\n"));
    EXPECT_SINCE("events", 9, "1=72", 2);
    EXPECT_SINCE("events", 9, "", 0);
    /* Out of reach, of which that was learnt within it. */
    EXPECT_ANEW("counts", 9, "7=72", 2);
}

static void test_query(void **state)
{
    (void)state;
    write_text("l.csv", AX_STR("k,t,c,x\n1,2024-01-02,2024-01-02,12\n2,2024-01-03,2024-01-01,23\n"
                               "3,2024-01-09,2024-01-01,39\n"));
    EXPECT_ANEW("learnt", 4, "1=12 2=23", 3);
    write_text("l.csv", AX_STR("k,t,c,x\n1,2024-01-02,2024-01-02,12\n2,2024-01-03,2024-01-01,23\n"
                               "3,2024-01-09,2024-01-01,39\n4,2024-01-01,2024-01-03,41\n"
                               "5,2024-01-01,,51\n"));
    /* What was known at the last moment of before may not have been all. */
    EXPECT_SINCE("learnt", 4, "1=12 4=41 5=51", 4);
    EXPECT_SINCE("learnt", 9, "3=39 4=41 5=51", 3);
}

static void test_table(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    const struct ax_sql_config config = { .threads = 1 };
    char text[512];
    if (ax_sql_open(&config, &sql, &err))
        fail_msg("%s", err.msg);
    (void)snprintf(text, sizeof(text), "ATTACH '%s/table.duckdb' AS t", folder);
    assert_int_equal(ax_sql_run(sql, ax_str_from(text), &err), AX_OK);
    assert_int_equal(ax_sql_run(sql,
                                AX_STR("CREATE TABLE t.t AS SELECT 1 AS k, TIMESTAMP "
                                       "'2024-01-01' AS t, 5 AS x"),
                                &err),
                     AX_OK);
    ax_sql_close(sql);
    EXPECT_ANEW("table", 9, "1=5", 1);
    EXPECT_SINCE("table", 9, "", 0);
}

static void test_refused(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_offline_latest_report report;
    const struct ax_view *views[] = { ax_definitions_view(&definitions, AX_STR("states")) };
    struct ax_offline_latest request = { .views = views,
                                         .view_count = 1,
                                         .from_us = INT64_MIN,
                                         .since = AX_STR("1 2\n"),
                                         .rows = take,
                                         .done = end };
    assert_int_equal(ax_offline_latest(store, &request, &report, &err), AX_E_INVALID);
    ax_err_clear(&err);
    request.since = AX_STR("");
    write_text("s9.csv", AX_STR("k,t,x\n1,soon,10\n"));
    assert_int_equal(ax_offline_latest(store, &request, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "s9.csv: row 1: column 't' is 'soon'"));
    ax_err_clear(&err);
    write_text("s9.csv", AX_STR("k,t,x\n"));
    assert_int_equal(ax_offline_latest(store, &request, &report, &err), AX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states), cmocka_unit_test(test_others),
        cmocka_unit_test(test_events), cmocka_unit_test(test_query),
        cmocka_unit_test(test_table),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
