/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to bring the latest rows of a view from a file to the online store.
 *
 *     build/release/bench/materialize [KEYS [FOLDER [ROWS]]]
 *
 * 1,000,000 keys; an empty folder, which is made and removed; two rows a key. A Parquet file has
 * them in no order of keys: a text of 8 letters, a time and six values, of the types that the
 * source says. Nanoseconds of the process's CPU time, all threads together, a key that is written,
 * of reading alone and of all of it; with one row a key as many rows are read as are written.
 */
#include "base/file.h"
#include "base/sql.h"
#include "pipeline/materialize_stream.h"

#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: string}}}\n"
    "sources:\n"
    "  things: {files: things.parquet, time: t, columns: {k: string, t: timestamp, a: float64,\n"
    "    b: float64, c: int64, d: int64, e: float64, f: bool}}\n"
    "views:\n"
    "  thing: {entity: thing, source: things, fields: {a: {expr: a, type: float32}, b: b,\n"
    "    c: {expr: c, type: int32}, d: d, e: {expr: e * 2, type: float32}, f: f}}\n";

static struct ax_err err = AX_ERR_INIT;
static const char *folder = "/tmp/auspex-bench-materialize";
static size_t keys = 1000000;
static size_t rows_a_key = 2;

static void check(enum ax_code code)
{
    if (code)
        die(err.msg);
}

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void write_rows(void)
{
    struct ax_sql *sql;
    char statement[1024];
    const struct ax_sql_config config = { .threads = 1 };
    check(ax_sql_open(&config, &sql, &err));
    (void)snprintf(statement, sizeof(statement),
                   "COPY (SELECT printf('N%%07d', i * 2654435761 %% %zu) AS k, "
                   "make_timestamp(1700000000000000 + i * 1000) AS t, i / 2 AS a, i / 7 AS b, i "
                   "%% 1000 AS c, i AS d, i / 4 AS e, i %% 2 = 0 AS f FROM range(%zu) r(i)) TO "
                   "'%s/things.parquet'",
                   keys, rows_a_key * keys, folder);
    check(ax_sql_run(sql, ax_str_from(statement), &err));
    ax_sql_close(sql);
}

/* ---- reading ---- */

static size_t given;

static enum ax_code take(void *arg, const struct ax_offline_latest_rows *rows,
                         struct ax_err *failed)
{
    struct ax_materialize_stream *stream = arg;
    given += rows->rows;
    return stream ? ax_materialize_stream_write(stream, 0, rows, failed) : AX_OK;
}

static enum ax_code end(void *arg, const struct ax_view *view, struct ax_str mark,
                        struct ax_err *failed)
{
    struct ax_materialize_counts counts;
    (void)view;
    (void)mark;
    return arg ? ax_materialize_stream_end(arg, &counts, failed) : AX_OK;
}

static void measure(const char *what, struct ax_offline *store, const struct ax_view *view,
                    struct ax_materialize_stream *stream)
{
    struct ax_offline_latest_report report;
    const struct ax_offline_latest request = { .views = &view,
                                               .view_count = 1,
                                               .from_us = INT64_MIN,
                                               .to_us = INT64_MAX,
                                               .rows = take,
                                               .done = end,
                                               .arg = stream };
    double began = cpu_ns();
    given = 0;
    check(ax_offline_latest(store, &request, &report, &err));
    double ns = (cpu_ns() - began) / (double)given;
    printf("%-44s %8.0f ns  %9.0f keys/s  %9.0f rows read/s\n", what, ns, 1e9 / ns,
           1e9 / ns * (double)report.rows / (double)given);
}

/* ---- writing ---- */

static void measure_writing(struct ax_offline *store, const struct ax_definitions *definitions,
                            const char *state)
{
    static struct ax_epoch epoch;
    struct ax_online_writer *writer;
    struct ax_online_views *views;
    const struct ax_online_writer_config config = { .state = state,
                                                    .epoch = &epoch,
                                                    .memory_bytes_max = (size_t)16 << 30,
                                                    .disk_bytes_max = (uint64_t)64 << 30,
                                                    .journal_bytes_max = (uint64_t)1 << 30,
                                                    .queue_max = 64 };
    const struct ax_online_definitions given_ones = { .definitions = definitions };
    ax_epoch_init(&epoch);
    check(ax_online_writer_open(&config, &writer, &err));
    check(ax_online_writer_define(writer, &given_ones, &views, &err));
    const struct ax_materialize_stream_config to = { .writer = writer, .views = views };
    struct ax_materialize_stream *stream = ax_materialize_stream_new(&to);
    measure(state ? "into an empty store, on the disk" : "into an empty store, in memory", store,
            definitions->views, stream);
    measure(state ? "the same again, on the disk" : "the same again, in memory", store,
            definitions->views, stream);
    ax_materialize_stream_free(stream);
    ax_online_views_unref(views);
    ax_online_writer_close(writer);
    ax_epoch_done(&epoch);
}

int main(int argc, char **argv)
{
    struct ax_definitions definitions;
    struct ax_offline *store;
    char work[4096], state[4096];
    if (argc > 4)
        die("usage: materialize [KEYS [FOLDER [ROWS]]]");
    if (argc > 1)
        keys = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        folder = argv[2];
    if (argc > 3)
        rows_a_key = strtoull(argv[3], NULL, 10);
    const struct ax_file_text text = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    check(ax_file_make_folder(folder, &err));
    write_rows();
    check(ax_definitions_read_texts(folder, &text, 1, &definitions, &err));
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    (void)snprintf(state, sizeof(state), "%s/state", folder);
    check(ax_file_make_folder(state, &err));
    const struct ax_offline_config config = {
        .definitions = &definitions, .data_folder = folder, .work_folder = work, .threads = 1
    };
    check(ax_offline_open(&config, &store, &err));
    for (int i = 0; i < 2; i++)
        measure("reading alone", store, definitions.views, NULL);
    measure_writing(store, &definitions, NULL);
    measure_writing(store, &definitions, state);
    ax_offline_close(store);
    ax_definitions_done(&definitions);
    check(ax_file_remove_tree(folder, &err));
    return 0;
}
