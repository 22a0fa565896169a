/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to bring the latest rows of a view from a file to the online store.
 *
 *     build/release/bench/materialize [KEYS [FOLDER]]    # 1000000; an empty folder, made and
 * removed
 *
 * A Parquet file has two rows a key, of a text of 8 letters, a time and six values. Nanoseconds of
 * the process's CPU time, all threads together, a row that is written; and of these those of
 * reading alone.
 */
#include "base/file.h"
#include "base/sql.h"
#include "feature/offline/offline.h"

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
                   "COPY (SELECT printf('N%%07d', hash(i) %% %zu) AS k, "
                   "make_timestamp(1700000000000000 + i * 1000) AS t, i * 0.5 AS a, i / 7 AS b, i "
                   "%% 1000 AS c, i AS d, i * 0.25 AS e, i %% 2 = 0 AS f FROM range(%zu) r(i)) TO "
                   "'%s/things.parquet'",
                   keys, 2 * keys, folder);
    check(ax_sql_run(sql, ax_str_from(statement), &err));
    ax_sql_close(sql);
}

static size_t given;

static enum ax_code take(void *arg, const struct ax_offline_latest_rows *rows,
                         struct ax_err *failed)
{
    (void)arg;
    (void)failed;
    given += rows->rows;
    return AX_OK;
}

static enum ax_code end(void *arg, const struct ax_view *view, struct ax_str mark,
                        struct ax_err *failed)
{
    (void)arg;
    (void)view;
    (void)mark;
    (void)failed;
    return AX_OK;
}

int main(int argc, char **argv)
{
    struct ax_definitions definitions;
    struct ax_offline *store;
    struct ax_offline_latest_report report;
    char work[4096];
    if (argc > 1)
        keys = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        folder = argv[2];
    const struct ax_file_text text = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    check(ax_file_make_folder(folder, &err));
    write_rows();
    check(ax_definitions_read_texts(folder, &text, 1, &definitions, &err));
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    const struct ax_offline_config config = {
        .definitions = &definitions, .data_folder = folder, .work_folder = work, .threads = 1
    };
    check(ax_offline_open(&config, &store, &err));
    const struct ax_view *view = definitions.views;
    const struct ax_offline_latest request = { .views = &view,
                                               .view_count = 1,
                                               .from_us = INT64_MIN,
                                               .to_us = INT64_MAX,
                                               .rows = take,
                                               .done = end };
    for (int i = 0; i < 3; i++) {
        double began = cpu_ns();
        given = 0;
        check(ax_offline_latest(store, &request, &report, &err));
        printf("reading: %zu of %zu rows, %.0f ns a row given\n", given, report.rows,
               (cpu_ns() - began) / (double)given);
    }
    ax_offline_close(store);
    ax_definitions_done(&definitions);
    check(ax_file_remove_tree(folder, &err));
    return 0;
}
