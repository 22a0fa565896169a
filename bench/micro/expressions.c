/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What expressions cost: natively, 2,048 rows and one row a call, beside DuckDB over two million.
 *
 *     build/release/bench/expressions
 *
 * One line an expression, nanoseconds of CPU time, the best of many rounds: ours a row of 2,048;
 * DuckDB's a row, of the same expression as somebody would write it there, without guards against
 * overflow, NaN and the like, and as it is printed with them; ours for one row alone. DuckDB has
 * one thread; count(expression) is timed and count of the columns in it taken off, so that reading
 * the table is not counted. The rows are the same ones. Not part of the gate.
 */
#include "base/alloc.h"
#include "base/sql.h"
#include "data/expr/expr_sql.h"
#include "data/expr/program.h"

#include "expression_cases.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS          2000000
#define NATIVE_ROUNDS 400
#define SQL_ROUNDS    5
#define SINGLE_CALLS  1000

static const char table[] =
    "CREATE TABLE flights AS SELECT *, departed + to_minutes((30 + random() * 400)::BIGINT) AS "
    "arrived FROM (SELECT CASE WHEN i % 41 <> 0 THEN round(random() * 200 - 20) END AS dep_delay, "
    "CASE WHEN i % 37 <> 0 THEN round(random() * 200 - 30) END AS arr_delay, round(80 + random() * "
    "2500) AS distance, CASE WHEN i % 37 <> 0 THEN round(20 + random() * 400) END AS air_time, (1 "
    "+ "
    "i % 12)::BIGINT AS month, CASE WHEN i % 7 <> 0 THEN (1960 + i % 53)::BIGINT END AS built, "
    "['JFK', 'LGA', 'EWR'][1 + i % 3] AS origin, ['LAX', 'SFO', 'BOS', 'MIA', 'ORD'][1 + i % 5] AS "
    "dest, CASE WHEN i % 50 <> 0 THEN 'N' || (10000 + i % 9000) || 'UA' END AS tailnum, "
    "make_timestamp(1356998400000000 + (random() * 31536000000000)::BIGINT) AS departed FROM "
    "range(2000000) r(i))";

/* The first 2,048 rows, as native evaluation reads them. */
struct rows {
    struct ax_sql_stream *stream;
    struct ax_values values[AX_COUNT(columns)];
    const struct ax_values *inputs[AX_COUNT(columns)];
};

static void check(enum ax_code code, const struct ax_err *err)
{
    if (code)
        die(err->msg);
}

/* CPU time of all threads. */
static double now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void put_name(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    ax_sql_put_name(out, columns[input].name);
}

static void read_rows(struct ax_sql *sql, struct rows *rows, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_chunk chunk;
    check(ax_sql_query(sql, AX_STR("SELECT * FROM flights LIMIT 2048"), &rows->stream, &err), &err);
    check(ax_sql_stream_next(rows->stream, &chunk, &err), &err);
    if (chunk.rows != AX_VALUES_ROWS_MAX)
        die("DuckDB's chunks are not of 2,048 rows");
    for (size_t i = 0; i < AX_COUNT(columns); i++) {
        struct ax_values *values = &rows->values[i];
        check(ax_values_init(values, columns[i].type, chunk.rows, arena, &err), &err);
        memcpy(values->data, chunk.columns[i].i64s, chunk.rows * ax_type_size(columns[i].type));
        for (size_t row = 0; row < chunk.rows; row++)
            if (ax_sql_is_null(&chunk.columns[i], row))
                ax_values_set_null(values, row);
        /* The texts' bytes go with the stream. */
        for (size_t row = 0; columns[i].type.kind == AX_TYPE_STRING && row < chunk.rows; row++)
            values->texts[row].ptr = ax_arena_strdup(arena, values->texts[row]);
        rows->inputs[i] = values;
    }
    ax_sql_stream_free(rows->stream);
}

/* Nanoseconds a call over so many rows. */
static double time_native(const struct ax_program *program, const struct rows *rows, size_t count,
                          size_t calls)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    double best = 1e30;
    ax_arena_init(&arena, (size_t)1 << 20, (size_t)1 << 30);
    for (size_t round = 0; round < NATIVE_ROUNDS; round++) {
        double start = now_ns();
        for (size_t call = 0; call < calls; call++) {
            struct ax_values output;
            ax_arena_reset(&arena);
            check(ax_program_run(program, rows->inputs, count, &arena, &output, &err), &err);
        }
        double taken = now_ns() - start;
        best = taken < best ? taken : best;
    }
    ax_arena_done(&arena);
    return best / (double)calls;
}

static double time_query(struct ax_sql *sql, struct ax_str query)
{
    struct ax_err err = AX_ERR_INIT;
    double best = 1e30;
    for (size_t round = 0; round < SQL_ROUNDS; round++) {
        double start = now_ns();
        check(ax_sql_run(sql, query, &err), &err);
        double taken = now_ns() - start;
        best = taken < best ? taken : best;
    }
    return best / ROWS;
}

/* Nanoseconds a row of "SELECT count(x) FROM (…)" without those of reading its columns. */
static double time_sql(struct ax_sql *sql, const struct ax_expr *expr, const char *text)
{
    struct ax_buf query;
    struct ax_buf base;
    bool used[AX_COUNT(columns)] = { false };
    struct ax_expr_column column = { expr, { "x", 1 } };
    ax_buf_init(&query, (size_t)1 << 20);
    ax_buf_init(&base, (size_t)1 << 20);
    ax_expr_inputs(expr, used);
    ax_buf_printf(&query, "SELECT count(x) FROM (");
    if (text)
        ax_buf_printf(&query, "SELECT %s AS x FROM flights", text);
    else
        ax_expr_put_select(&query, &column, 1, AX_STR(""), AX_STR("flights"), AX_SQL_DUCKDB,
                           put_name, NULL);
    ax_buf_printf(&query, ")");
    for (size_t i = 0; i < AX_COUNT(columns); i++)
        if (used[i])
            ax_buf_printf(&base, "%scount(%.*s)", base.len ? ", " : "SELECT ",
                          AX_STR_ARG(columns[i].name));
    ax_buf_printf(&base, " FROM flights");
    double taken = time_query(sql, ax_buf_str(&query)) - time_query(sql, ax_buf_str(&base));
    ax_buf_done(&query);
    ax_buf_done(&base);
    return taken;
}

static void measure(struct ax_sql *sql, const struct rows *rows, size_t i)
{
    struct ax_scope scope = { .columns = columns, .column_count = AX_COUNT(columns) };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    struct ax_program *program = NULL;
    size_t at = 0;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    check(ax_expr_parse(ax_str_from(expressions[i].text), &scope, &arena, &parsed, &at, &err),
          &err);
    check(ax_program_new(&parsed.root, 1, &program, &err), &err);
    double ours = time_native(program, rows, AX_VALUES_ROWS_MAX, 1) / AX_VALUES_ROWS_MAX;
    double one = time_native(program, rows, 1, SINGLE_CALLS);
    double theirs = time_sql(sql, parsed.root, expressions[i].sql);
    double printed = time_sql(sql, parsed.root, NULL);
    printf("%-60s %7.2f %7.2f %7.2f %7.0f\n", expressions[i].text, ours, theirs, printed, one);
    (void)fflush(stdout);
    ax_program_free(program);
    ax_arena_done(&arena);
}

int main(void)
{
    struct ax_sql_config config = { .threads = 1 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_arena arena;
    struct rows rows;
    check(ax_sql_open(&config, &sql, &err), &err);
    check(ax_expr_register(sql, &err), &err);
    check(ax_sql_run(sql, AX_STR(table), &err), &err);
    ax_arena_init(&arena, (size_t)1 << 20, (size_t)1 << 26);
    read_rows(sql, &rows, &arena);
    printf("%-60s %7s %7s %7s %7s\n", "ns a row", "ours", "DuckDB", "guarded", "one row");
    for (size_t i = 0; i < AX_COUNT(expressions); i++)
        measure(sql, &rows, i);
    ax_arena_done(&arena);
    ax_sql_close(sql);
    return 0;
}
