/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: tables of ours that SQL reads give every row once, in order, whatever the query does with
 * them and however many threads DuckDB has; they come and go; failures and cancelling arrive.
 * Method: a made table whose row i can be checked by itself, handed out in chunks of odd sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sql_table.h"

#include "base/alloc.h"

#include <stdlib.h>

#define CHUNK_MAX 5000

static atomic_bool cancelled;
static atomic_int scans_open;

/* Row i: i (null where i % 7 = 3), i / 4, "text <i>", i % 2 = 0, [i, i + 1] (null where i % 5 = 4),
 * i microseconds. */
struct counting_table {
    struct ax_sql_table base;
    int64_t rows;
    int64_t fail_at;   /* < 0: never */
    int64_t cancel_at; /* < 0: never */
    size_t chunk;
};

struct counting_scan {
    struct ax_sql_scan base;
    int64_t at;
    int64_t ids[CHUNK_MAX];
    double quarters[CHUNK_MAX];
    struct ax_str texts[CHUNK_MAX];
    char bytes[CHUNK_MAX][32];
    bool evens[CHUNK_MAX];
    struct ax_sql_list lists[CHUNK_MAX];
    int64_t list_items[2 * CHUNK_MAX];
    uint64_t id_validity[CHUNK_MAX / 64 + 1];
    uint64_t list_validity[CHUNK_MAX / 64 + 1];
    struct ax_sql_column items;
    struct ax_sql_column columns[6];
};

static enum ax_code counting_scan_new(const struct ax_sql_table *table,
                                      struct ax_sql_scan **ret_scan, struct ax_err *err)
{
    const struct counting_table *counting = container_of_const(table, struct counting_table, base);
    if (counting->fail_at == 0)
        return ax_fail(err, AX_E_CONFLICT, "the table changed meanwhile");
    struct counting_scan *scan = ax_xalloc(sizeof(*scan));
    atomic_fetch_add(&scans_open, 1);
    *ret_scan = &scan->base;
    return AX_OK;
}

static void counting_scan_free(struct ax_sql_scan *scan)
{
    atomic_fetch_sub(&scans_open, 1);
    free(container_of(scan, struct counting_scan, base));
}

static void make_row(struct counting_scan *scan, size_t row, int64_t i)
{
    int len = snprintf(scan->bytes[row], sizeof(scan->bytes[row]), "text %lld", (long long)i);
    scan->ids[row] = i;
    scan->quarters[row] = (double)i / 4;
    scan->texts[row] = (struct ax_str){ scan->bytes[row], (size_t)len };
    scan->evens[row] = i % 2 == 0;
    scan->lists[row] = (struct ax_sql_list){ 2 * row, 2 };
    scan->list_items[2 * row] = i;
    scan->list_items[2 * row + 1] = i + 1;
    if (i % 7 == 3)
        scan->id_validity[row / 64] &= ~(UINT64_C(1) << row % 64);
    if (i % 5 == 4)
        scan->list_validity[row / 64] &= ~(UINT64_C(1) << row % 64);
}

static enum ax_code counting_scan_next(struct ax_sql_scan *base, struct ax_sql_chunk *ret_chunk,
                                       struct ax_err *err)
{
    struct counting_scan *scan = container_of(base, struct counting_scan, base);
    const struct counting_table *table =
        container_of_const(base->table, struct counting_table, base);
    int64_t left = table->rows - scan->at;
    size_t rows = left < (int64_t)table->chunk ? (size_t)left : table->chunk;
    if (table->fail_at >= 0 && scan->at >= table->fail_at)
        return ax_fail(err, AX_E_NOT_FOUND, "row %lld is gone", (long long)scan->at);
    if (table->cancel_at >= 0 && scan->at >= table->cancel_at)
        atomic_store(&cancelled, true);
    memset(scan->id_validity, 0xff, sizeof(scan->id_validity));
    memset(scan->list_validity, 0xff, sizeof(scan->list_validity));
    for (size_t row = 0; row < rows; row++)
        make_row(scan, row, scan->at + (int64_t)row);
    scan->at += (int64_t)rows;
    scan->items = (struct ax_sql_column){ .type = AX_SQL_I64, .i64s = scan->list_items };
    scan->columns[0] = (struct ax_sql_column){ .type = AX_SQL_I64,
                                               .i64s = scan->ids,
                                               .validity = scan->id_validity };
    scan->columns[1] = (struct ax_sql_column){ .type = AX_SQL_F64, .f64s = scan->quarters };
    scan->columns[2] = (struct ax_sql_column){ .type = AX_SQL_TEXT, .texts = scan->texts };
    scan->columns[3] = (struct ax_sql_column){ .type = AX_SQL_BOOL, .bools = scan->evens };
    scan->columns[4] = (struct ax_sql_column){ .type = AX_SQL_LIST,
                                               .lists = scan->lists,
                                               .validity = scan->list_validity,
                                               .items = &scan->items };
    scan->columns[5] = (struct ax_sql_column){ .type = AX_SQL_TIMESTAMP, .i64s = scan->ids };
    *ret_chunk = (struct ax_sql_chunk){ rows, scan->columns };
    return AX_OK;
}

static const struct ax_sql_table_column counting_columns[] = {
    { "id", { AX_SQL_I64, 0 } },
    { "quarter", { AX_SQL_F64, 0 } },
    { "text", { AX_SQL_TEXT, 0 } },
    { "even", { AX_SQL_BOOL, 0 } },
    { "pair", { AX_SQL_LIST, AX_SQL_I64 } },
    { "time", { AX_SQL_TIMESTAMP, 0 } },
};

static struct counting_table counting(int64_t rows, size_t chunk)
{
    return (struct counting_table){
        .base = { .name = "counting",
                  .columns = counting_columns,
                  .column_count = AX_COUNT(counting_columns),
                  .row_count = (uint64_t)rows,
                  .scan_new = counting_scan_new,
                  .scan_next = counting_scan_next,
                  .scan_free = counting_scan_free },
        .rows = rows,
        .fail_at = -1,
        .cancel_at = -1,
        .chunk = chunk,
    };
}

static int setup(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 4, .cancelled = &cancelled };
    atomic_store(&cancelled, false);
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    *state = sql;
    return 0;
}

static int teardown(void **state)
{
    ax_sql_close(*state);
    assert_int_equal(atomic_load(&scans_open), 0);
    return 0;
}

static int64_t get(struct ax_sql *sql, const char *query)
{
    struct ax_err err = AX_ERR_INIT;
    int64_t number = -1;
    if (ax_sql_get_i64(sql, ax_str_from(query), &number, &err))
        fail_msg("%s: %s", query, err.msg);
    return number;
}

static void test_every_row_once_in_order(void **state)
{
    struct ax_sql *sql = *state;
    static const struct {
        int64_t rows;
        size_t chunk;
    } cases[] = {
        { 0, 100 }, { 1, 100 }, { 2048, 2048 }, { 2049, 2048 }, { 300000, 5000 }, { 70001, 997 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct counting_table table = counting(cases[i].rows, cases[i].chunk);
        struct ax_err err = AX_ERR_INIT;
        if (i % 2)
            table.base.row_count = AX_SQL_ROWS_UNKNOWN;
        assert_int_equal(ax_sql_add_table(sql, &table.base, &err), AX_OK);
        assert_int_equal(get(sql, "SELECT count(*) FROM counting()"), cases[i].rows);
        assert_int_equal(ax_sql_run(sql,
                                    AX_STR("CREATE OR REPLACE TABLE copy AS SELECT * FROM "
                                           "counting()"),
                                    &err),
                         AX_OK);
        assert_int_equal(get(sql, "SELECT count(*) FROM copy"), cases[i].rows);
        assert_int_equal(
            get(sql, "SELECT count(*) FROM (SELECT *, rowid AS i FROM copy) WHERE id IS DISTINCT "
                     "FROM CASE WHEN i % 7 <> 3 THEN i END OR quarter <> i / 4 OR text <> 'text ' "
                     "|| i OR even <> (i % 2 = 0) OR pair IS DISTINCT FROM CASE WHEN i % 5 <> 4 "
                     "THEN [i, i + 1] END OR time <> make_timestamp(i)"),
            0);
        /* Side by side with another table, by position; and twice in one query. */
        assert_int_equal(get(sql, "SELECT count(*) FROM copy POSITIONAL JOIN counting() c WHERE "
                                  "copy.text IS DISTINCT FROM c.text"),
                         0);
        assert_int_equal(get(sql, "SELECT count(*) FROM counting() a JOIN counting() b USING (id) "
                                  "WHERE a.text <> b.text"),
                         0);
        ax_sql_remove_table(sql, &table.base);
    }
}

/* A query that streams out sees the order, too, and need not read all. */
static void test_stream_and_stop(void **state)
{
    struct ax_sql *sql = *state;
    struct ax_err err = AX_ERR_INIT;
    struct counting_table table = counting(100000, 3000);
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    assert_int_equal(ax_sql_add_table(sql, &table.base, &err), AX_OK);
    assert_int_equal(
        ax_sql_query(sql, AX_STR("SELECT time, quarter FROM counting()"), &stream, &err), AX_OK);
    int64_t want = 0;
    while (want < 50000) {
        assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
        for (size_t row = 0; row < chunk.rows; row++, want++) {
            assert_int_equal(chunk.columns[0].i64s[row], want);
            assert_true(chunk.columns[1].f64s[row] == (double)want / 4);
        }
    }
    ax_sql_stream_free(stream);
    assert_int_equal(get(sql, "SELECT count(*) FROM (SELECT * FROM counting() LIMIT 10)"), 10);
    /* What is removed is let go of, also in the middle of a stream. */
    assert_int_equal(ax_sql_query(sql, AX_STR("SELECT text FROM counting()"), &stream, &err),
                     AX_OK);
    assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
    assert_true(atomic_load(&scans_open) > 0);
    ax_sql_remove_table(sql, &table.base);
    assert_int_equal(atomic_load(&scans_open), 0);
    assert_int_not_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
    ax_sql_stream_free(stream);
}

static void test_come_and_go(void **state)
{
    struct ax_sql *sql = *state;
    struct ax_err err = AX_ERR_INIT;
    struct counting_table first = counting(10, 100);
    struct counting_table second = counting(20, 100);
    second.base.column_count = 1;
    assert_int_equal(ax_sql_add_table(sql, &first.base, &err), AX_OK);
    assert_int_equal(ax_sql_add_table(sql, &second.base, &err), AX_E_EXISTS);
    ax_err_clear(&err);
    assert_int_equal(get(sql, "SELECT sum(quarter * 4)::BIGINT FROM counting()"), 45);
    ax_sql_remove_table(sql, &second.base); /* is not there: nothing happens */
    ax_sql_remove_table(sql, &first.base);
    assert_int_equal(ax_sql_run(sql, AX_STR("FROM counting()"), &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "there no more"));
    ax_err_clear(&err);
    assert_int_equal(ax_sql_add_table(sql, &second.base, &err), AX_OK);
    assert_int_equal(get(sql, "SELECT count(*) FROM counting()"), 20);
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT quarter FROM counting()"), &err), AX_E_INVALID);
    ax_err_clear(&err);
    ax_sql_remove_table(sql, &second.base);
}

static void test_failures(void **state)
{
    struct ax_sql *sql = *state;
    static const int64_t fail_ats[] = { 0, 1000, 50000 };
    for (size_t i = 0; i < AX_COUNT(fail_ats); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct counting_table table = counting(100000, 500);
        table.fail_at = fail_ats[i];
        assert_int_equal(ax_sql_add_table(sql, &table.base, &err), AX_OK);
        assert_int_equal(ax_sql_run(sql, AX_STR("SELECT max(id) FROM counting()"), &err),
                         fail_ats[i] ? AX_E_NOT_FOUND : AX_E_CONFLICT);
        char want[64];
        (void)snprintf(want, sizeof(want), "row %lld is gone", (long long)fail_ats[i]);
        assert_string_equal(err.msg, fail_ats[i] ? want : "the table changed meanwhile");
        ax_sql_remove_table(sql, &table.base);
    }
}

static void test_cancelled_while_read(void **state)
{
    struct ax_sql *sql = *state;
    struct ax_err err = AX_ERR_INIT;
    struct counting_table table = counting(INT64_MAX, 1000);
    table.cancel_at = 20000;
    assert_int_equal(ax_sql_add_table(sql, &table.base, &err), AX_OK);
    assert_int_equal(ax_sql_run(sql, AX_STR("SELECT sum(quarter) FROM counting()"), &err),
                     AX_E_CANCELLED);
    atomic_store(&cancelled, false);
    ax_sql_remove_table(sql, &table.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_row_once_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_while_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
