/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the vectors of a key go from all files whose service has the key in one of its roles, by
 * any of them, and no others; what cannot be told is told. Method: files with columns as calls have
 * them, of a service with two roles of one entity, of the same service by former definitions, and
 * of one that is not applied; keys of one and more columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/sql.h"
#include "pipeline/given_keys.h"
#include "pipeline/served_erase.h"

#include "test_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char definitions_text[] =
    "auspex: 1\n"
    "entities:\n"
    "  airport: {keys: {faa: string}}\n"
    "  visit: {keys: {who: string, number: int32, since: timestamp, paid: bool}}\n"
    "sources:\n"
    "  s: {files: 's.csv', time: t, columns: {t: timestamp, faa: string, who: string,\n"
    "    number: int64, since: timestamp, paid: bool, x: float64}}\n"
    "views:\n"
    "  a: {entity: airport, source: s, fields: {x: x}}\n"
    "  v: {entity: visit, source: s, fields: {x: x}}\n"
    "services:\n"
    "  two: {features: [{view: a, keys: {faa: from}, as: f}, {view: a, keys: {faa: 'to'}, as: "
    "t}]}\n"
    "  visits: {features: [{view: v}]}\n";

static struct ax_definitions definitions;
static struct ax_sql *sql;
static struct ax_err err = AX_ERR_INIT;
static char stranger[1024];

static void good(enum ax_code code)
{
    if (code)
        fail_msg("%s", err.msg);
}

static int open_all(void **state)
{
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    const struct ax_sql_config config = { .threads = 1 };
    return make_folder(state) || ax_sql_open(&config, &sql, &err) ||
                   ax_definitions_read_texts("f", &file, 1, &definitions, &err)
               ? -1
               : 0;
}

static int close_all(void **state)
{
    ax_sql_close(sql);
    ax_definitions_done(&definitions);
    return remove_folder(state);
}

static const char *path_of(const char *service, const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof(path), "%s/served/%s/%s", folder, service, name);
    return path;
}

static void write_vectors(const char *service, const char *name, const char *select)
{
    char text[2048];
    (void)snprintf(text, sizeof(text), "%s/served/%s", folder, service);
    good(ax_file_make_private_folder(text, &err));
    (void)snprintf(text, sizeof(text), "COPY (%s) TO '%s' (FORMAT parquet)", select,
                   path_of(service, name));
    good(ax_sql_run(sql, ax_str_from(text), &err));
}

/* The numbers `n` that a file has, "1 3"; empty: there is no file. */
static void expect_left(const char *service, const char *name, const char *numbers)
{
    char text[2048];
    char *left;
    if (access(path_of(service, name), F_OK)) {
        assert_string_equal(numbers, "");
        return;
    }
    (void)snprintf(text, sizeof(text), "SELECT string_agg(n, ' ' ORDER BY n) FROM '%s'",
                   path_of(service, name));
    good(ax_sql_get_text(sql, ax_str_from(text), &left, &err));
    assert_string_equal(left, numbers);
    free(left);
}

static void note_stranger(void *arg, const char *path)
{
    (void)arg;
    (void)snprintf(stranger, sizeof(stranger), "%s", path);
}

static uint64_t erase(const char *entity, char *const *texts, size_t count, bool is_dry)
{
    struct ax_map keys;
    struct ax_arena arena;
    struct ax_cells cells;
    struct ax_served_erase erase = {
        .state = folder,
        .definitions = &definitions,
        .entity = ax_map_get(&definitions.names[AX_DEFINITION_ENTITY], ax_str_from(entity)),
        .keys = &keys,
        .is_dry = is_dry,
        .stranger = note_stranger,
    };
    ax_map_init(&keys);
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    ax_given_keys_init(&cells, &arena);
    good(ax_given_keys_add(&cells, texts, count, &err));
    good(ax_given_keys_make(&cells, erase.entity, &keys, &err));
    good(ax_served_erase(&erase, &err));
    ax_map_done(&keys);
    ax_arena_done(&arena);
    return erase.vectors;
}

static void vectors_of_any_role_go(void **state)
{
    (void)state;
    char ewr[] = "faa=E'R";
    char *const keys[] = { ewr };
    struct stat before, after;
    assert_int_equal(erase("airport", keys, 1, false), 0); /* There is nothing at all. */
    write_vectors("two", "1.parquet",
                  "SELECT * FROM (VALUES (1, 'E''R', 'JFK'), (2, 'JFK', 'E''R'), (3, 'JFK', NULL),"
                  " (4, 'E''R', 'E''R'), (5, NULL, 'JFK')) AS t(n, \"call.from\", \"call.to\")");
    write_vectors("two", "2.parquet", "SELECT 1 AS n, 'E''R' AS \"call.from\", 'x' AS \"call.to\"");
    write_vectors("two", "former.parquet",
                  "SELECT * FROM (VALUES (1, 'E''R'), (2, 'JFK')) AS t(n, \"call.faa\")");
    write_vectors("two", "half.parquet", "SELECT 1 AS n, 'E''R' AS \"call.other\"");
    write_vectors("gone", "1.parquet", "SELECT 1 AS n, 'E''R' AS \"call.faa\"");
    write_vectors("visits", "1.parquet", "SELECT 1 AS n, 'E''R' AS \"call.who\"");
    const struct timespec times[] = { { 1000, 0 }, { 1000, 0 } };
    assert_int_equal(utimensat(AT_FDCWD, path_of("two", "1.parquet"), times, 0), 0);
    assert_int_equal(stat(path_of("two", "1.parquet"), &before), 0);
    assert_int_equal(erase("airport", keys, 1, true), 5);
    expect_left("two", "1.parquet", "1 2 3 4 5");
    assert_int_equal(erase("airport", keys, 1, false), 5);
    expect_left("two", "1.parquet", "3 5");
    expect_left("two", "2.parquet", "");
    expect_left("two", "former.parquet", "2");
    expect_left("two", "half.parquet", "1");
    expect_left("gone", "1.parquet", "1");
    expect_left("visits", "1.parquet", "1");
    assert_int_equal(stat(path_of("two", "1.parquet"), &after), 0);
    assert_int_equal(after.st_mtime, before.st_mtime);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_non_null(strstr(stranger, "/served/gone"));
    assert_int_equal(erase("airport", keys, 1, false), 0);
}

static void keys_of_more_columns(void **state)
{
    (void)state;
    char who[] = "who=é", number[] = "number=-7", since[] = "since=2024-01-02T03:04:05.000006Z";
    char paid[] = "paid=true";
    char *const keys[] = { who, number, since, paid };
    write_vectors(
        "visits", "2.parquet",
        "SELECT n, w AS \"call.who\", i::INTEGER AS \"call.number\", make_timestamp(s) AS "
        "\"call.since\", p AS \"call.paid\" FROM (VALUES "
        "(1, 'é', -7, 1704164645000006, true), (2, 'é', -7, 1704164645000006, false), "
        "(3, 'é', -7, 1704164645000007, true), (4, 'é', 7, 1704164645000006, true), "
        "(5, 'e', -7, 1704164645000006, true), (6, 'é', NULL, 1704164645000006, true)) "
        "AS t(n, w, i, s, p)");
    assert_int_equal(erase("visit", keys, 4, false), 1);
    expect_left("visits", "2.parquet", "2 3 4 5 6");
}

static void a_damaged_file_is_told(void **state)
{
    (void)state;
    struct ax_map keys;
    struct ax_served_erase one = {
        .state = folder,
        .definitions = &definitions,
        .entity = ax_map_get(&definitions.names[AX_DEFINITION_ENTITY], AX_STR("airport")),
        .keys = &keys,
        .stranger = note_stranger,
    };
    ax_map_init(&keys);
    (void)ax_map_put(&keys, AX_STR("EWR"), &keys);
    good(ax_file_replace(path_of("two", "3.parquet"), AX_STR("PAR1 and no more"), &err));
    assert_int_equal(ax_served_erase(&one, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "3.parquet"));
    ax_map_done(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_any_role_go),
        cmocka_unit_test(keys_of_more_columns),
        cmocka_unit_test(a_damaged_file_is_told),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
