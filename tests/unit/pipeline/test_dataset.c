/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a dataset's digest tells names, exact types, values and order, and nothing else; a snapshot
 * is whole or not there, wherever its maker is killed; two that make the same one both succeed, and
 * nobody removes the work of the living; a file that changed is noticed.
 * Method: Parquet made by SQL and measured. A child that makes a snapshot and kills itself at its
 * first call that changes the folder, then at its second, and so on; what is there after is
 * verified. Others come between two calls that a race is about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/state_lock.h"
#include "pipeline/dataset_make.h"
#include "pipeline/dataset_origin.h"
#include "pipeline/dataset_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned calls_left; /* 0: nobody is killed */

static void count_call(void)
{
    if (calls_left && --calls_left == 0)
        (void)kill(getpid(), SIGKILL);
}

/* Or NULL: what another process does just before, once. */
static void (*before_rename)(void);

static int dying_rename(const char *from, const char *to)
{
    void (*before)(void) = before_rename;
    before_rename = NULL;
    if (before)
        before();
    count_call();
    return rename(from, to);
}

static int dying_fsync(int fd)
{
    count_call();
    return fsync(fd);
}

static enum ax_code dying_replace(const char *path, struct ax_str bytes, struct ax_err *err)
{
    count_call();
    return ax_file_replace(path, bytes, err);
}

static enum ax_code dying_remove(const char *path, struct ax_err *err)
{
    count_call();
    return ax_file_remove_tree(path, err);
}

static enum ax_code dying_sync_folder(const char *path, struct ax_err *err)
{
    count_call();
    return ax_file_sync_folder(path, err);
}

#define rename              dying_rename
#define fsync               dying_fsync
#define ax_file_replace     dying_replace
#define ax_file_remove_tree dying_remove
#define ax_file_sync_folder dying_sync_folder
#include "pipeline/dataset_store.c"
#undef rename
#undef fsync
#undef ax_file_replace
#undef ax_file_remove_tree
#undef ax_file_sync_folder

static char folder[] = "/tmp/auspex-dataset-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static size_t next;
    next = (next + 1) % AX_COUNT(paths);
    (void)snprintf(paths[next], sizeof(paths[next]), "%s/%s", folder, name);
    return paths[next];
}

static struct ax_sql *must_open(size_t threads)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = threads };
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    return sql;
}

/* `options` of the writer: "", or ", ROW_GROUP_SIZE 2048". */
static enum ax_code copy_to(struct ax_sql *sql, const char *query, const char *path,
                            const char *options, struct ax_err *err)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "COPY (%s) TO '%s' (FORMAT parquet%s)", query, path,
                   options);
    return ax_sql_run(sql, ax_str_from(text), err);
}

/* ---- snapshots ---- */

static enum ax_code keep_rows(const char *state, struct ax_dataset_kept *ret_kept,
                              struct ax_err *err)
{
    struct ax_dataset_store *store = NULL;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_dataset_origin origin = { .from = AX_STR("here") };
    if (!ax_dataset_store_open(state, &store, err) && !ax_sql_open(&config, &sql, err) &&
        !copy_to(sql, "SELECT 1 AS a", ax_dataset_store_rows(store), "", err))
        (void)(ax_dataset_store_keep(store, sql, &origin, NULL, ret_kept, err) != AX_OK);
    ax_sql_close(sql);
    ax_dataset_store_close(store);
    return err->code;
}

/* False when the child came to its end before. */
static bool keep_killed(const char *state, unsigned kill_at)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_dataset_kept kept;
        calls_left = kill_at;
        _exit(keep_rows(state, &kept, &err) != AX_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/* In a child, since a process that has used DuckDB should not fork. */
static void verify_all(const char *state, size_t *counts)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_digests digests;
    int status = 0;
    assert_int_equal(ax_dataset_digests_read(state, &digests, &err), AX_OK);
    assert_true(digests.count < 2);
    counts[digests.count]++;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ax_dataset_manifest manifest;
        for (size_t i = 0; i < digests.count; i++)
            if (ax_dataset_read(state, digests.items[i], &manifest, &err) ||
                ax_dataset_verify(state, &manifest, must_open(1), NULL, &err))
                _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ax_dataset_digests_done(&digests);
}

static void killed_at_each_call(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    size_t counts[2] = { 0 };
    unsigned kill_at = 0;
    bool was_killed = true;
    const char *place = in_folder("killed");
    while (was_killed) {
        assert_int_equal(ax_file_remove_tree(place, &err), AX_OK);
        was_killed = keep_killed(place, ++kill_at);
        verify_all(place, counts);
    }
    /* Some were killed before there was a snapshot, and some after. */
    assert_true(counts[0] >= 4 && counts[1] >= 2);
}

static size_t count_names(const char *path)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        count += entry->d_name[0] != '.';
    if (listing)
        (void)closedir(listing);
    return count;
}

static void kept_after_a_kill(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_kept kept;
    const char *place = in_folder("again");
    assert_true(keep_killed(place, 2)); /* half made: what is in .work is in the way of nobody */
    assert_int_equal(count_names(in_folder("again/snapshots/.work")), 1);
    assert_int_equal(keep_rows(place, &kept, &err), AX_OK);
    assert_false(kept.was_there);
    assert_int_equal(keep_rows(place, &kept, &err), AX_OK);
    assert_true(kept.was_there);
    assert_int_not_equal(access(in_folder("again/snapshots/.work"), F_OK), 0);
}

/* ---- two at once ---- */

static void keep_another(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_kept kept;
    assert_int_equal(keep_rows(in_folder("two"), &kept, &err), AX_OK);
    assert_false(kept.was_there);
}

static void two_make_the_same(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_kept kept;
    struct ax_state_lock *lock = NULL;
    const char *place = in_folder("two");
    /* Who has the state directory is in the way of neither. */
    assert_int_equal(ax_state_lock_take(place, "test", &lock, &err), AX_OK);
    before_rename = keep_another;
    assert_int_equal(keep_rows(place, &kept, &err), AX_OK);
    assert_true(kept.was_there);
    assert_int_equal(count_names(in_folder("two/snapshots")), 1);
    assert_int_not_equal(access(in_folder("two/snapshots/.work"), F_OK), 0);
    ax_state_lock_free(lock);
}

static void the_living_keep_their_work(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_store *first = NULL;
    struct ax_dataset_store *second = NULL;
    const char *place = in_folder("living");
    assert_int_equal(ax_dataset_store_open(place, &first, &err), AX_OK);
    assert_int_equal(ax_dataset_store_open(place, &second, &err), AX_OK);
    assert_string_not_equal(ax_dataset_store_work(first), ax_dataset_store_work(second));
    assert_int_equal(count_names(in_folder("living/snapshots/.work")), 2);
    ax_dataset_store_close(second);
    assert_int_equal(access(ax_dataset_store_work(first), F_OK), 0);
    ax_dataset_store_close(first);
    assert_int_not_equal(access(in_folder("living/snapshots/.work"), F_OK), 0);
}

static void delete_is_once(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_kept kept;
    struct ax_dataset_store *store = NULL;
    const char *place = in_folder("gone");
    assert_int_equal(keep_rows(place, &kept, &err), AX_OK);
    assert_int_equal(ax_dataset_store_open(place, &store, &err), AX_OK);
    assert_int_equal(ax_dataset_store_delete(store, kept.digest, &err), AX_OK);
    assert_int_equal(count_names(ax_dataset_store_work(store)), 1); /* out */
    assert_int_equal(ax_dataset_store_delete(store, kept.digest, &err), AX_E_NOT_FOUND);
    ax_dataset_store_close(store);
    assert_int_equal(count_names(in_folder("gone/snapshots")), 0);
}

/* ---- content ---- */

static void must_measure(struct ax_sql *sql, const char *query, const char *options,
                         struct ax_dataset_content *ret)
{
    static unsigned number; /* DuckDB keeps what it has read of a path */
    struct ax_err err = AX_ERR_INIT;
    char name[64];
    (void)snprintf(name, sizeof(name), "measured [x]*%u.parquet", number++);
    const char *path = in_folder(name);
    if (copy_to(sql, query, path, options, &err) || ax_dataset_content_read(sql, path, ret, &err))
        fail_msg("%s: %s", query, err.msg);
}

static void digests_tell(void **state AX_UNUSED)
{
    /* No two of these are the same dataset. */
    static const char *const queries[] = {
        "SELECT 1 AS a",
        "SELECT 1 AS b",
        "SELECT 2 AS a",
        "SELECT 1::BIGINT AS a",
        "SELECT 1::DOUBLE AS a",
        "SELECT 1::FLOAT AS a",
        "SELECT 1::DECIMAL(9, 1) AS a",
        "SELECT 1::DECIMAL(9, 2) AS a",
        "SELECT 18446744073709551615::UBIGINT AS a",
        "SELECT 18446744073709551614::UBIGINT AS a",
        "SELECT '1' AS a",
        "SELECT '1'::BLOB AS a",
        "SELECT true AS a",
        "SELECT NULL::INTEGER AS a",
        "SELECT 1 AS a WHERE false",
        "SELECT 1 AS a, 2 AS b",
        "SELECT 2 AS b, 1 AS a",
        "SELECT unnest([1, 2]) AS a",
        "SELECT unnest([2, 1]) AS a",
        "SELECT unnest([1, NULL, 2]) AS a",
        "SELECT unnest([1, 2, NULL]) AS a",
        "SELECT ['a, b'] AS a",
        "SELECT ['a', 'b'] AS a",
        "SELECT ['a', NULL] AS a",
        "SELECT ['a', 'NULL'] AS a",
        "SELECT NULL::VARCHAR[] AS a",
        "SELECT []::VARCHAR[] AS a",
        "SELECT TIMESTAMP '2013-01-01 00:00:00' AS a",
        "SELECT DATE '2013-01-01' AS a",
        "SELECT TIMESTAMP_NS '2013-01-01 00:00:00.000000001' AS a",
        "SELECT TIMESTAMP_NS '2013-01-01 00:00:00.000000002' AS a",
        "SELECT TIMESTAMPTZ '2013-01-01 00:00:00Z' AS a",
        "SELECT [TIMESTAMPTZ '2013-01-01 00:00:00Z'] AS a",
        "SELECT {'t': TIMESTAMPTZ '2013-01-01 00:00:00Z'} AS a",
        "SELECT MAP {'x': 1, 'y': 2} AS a",
        "SELECT MAP {'y': 2, 'x': 1} AS a",
        "SELECT unnest(['ab', 'c']) AS a",
        "SELECT unnest(['a', 'bc']) AS a",
        "SELECT 0.0::DOUBLE AS a",
        "SELECT -0.0::DOUBLE AS a",
        "SELECT 'nan'::DOUBLE AS a",
    };
    struct ax_sql *sql = must_open(1);
    char digests[AX_COUNT(queries)][AX_SHA256_TEXT_SIZE];
    struct ax_dataset_content content;
    for (size_t i = 0; i < AX_COUNT(queries); i++) {
        must_measure(sql, queries[i], "", &content);
        memcpy(digests[i], content.digest, sizeof(digests[i]));
        for (size_t k = 0; k < i; k++)
            if (strcmp(digests[i], digests[k]) == 0)
                fail_msg("'%s' and '%s' have one digest", queries[i], queries[k]);
        ax_dataset_content_done(&content);
    }
    ax_sql_close(sql);
    /* And again, by another number of threads, another writer's file, elsewhere. */
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    sql = must_open(3);
    for (size_t i = 0; i < AX_COUNT(queries); i++) {
        must_measure(sql, queries[i], ", CODEC zstd, PARQUET_VERSION v2", &content);
        assert_string_equal(content.digest, digests[i]);
        ax_dataset_content_done(&content);
    }
    ax_sql_close(sql);
    assert_int_equal(unsetenv("TZ"), 0);
}

/* Many row groups, several at once, and memory for few of them. */
static void digests_do_not_tell_how_rows_were_read(void **state AX_UNUSED)
{
    static const char query[] = "SELECT range AS a, (range * 7919 % 1000)::VARCHAR || 'x' AS b, "
                                "range / 8 AS c, [range, 1] AS d FROM range(20000)";
    static const struct {
        size_t threads, memory_bytes_max;
        const char *options;
    } rows[] = {
        { 1, 0, "" },
        { 2, 0, ", ROW_GROUP_SIZE 2048" },
        { 4, 0, ", ROW_GROUP_SIZE 2048" },
        { 4, (size_t)64 << 20, ", ROW_GROUP_SIZE 6144, CODEC zstd" },
    };
    char digest[AX_SHA256_TEXT_SIZE] = "";
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_sql *sql = NULL;
        struct ax_dataset_content content;
        struct ax_sql_config config = { .threads = rows[i].threads,
                                        .memory_bytes_max = rows[i].memory_bytes_max };
        assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
        must_measure(sql, query, rows[i].options, &content);
        assert_int_equal(content.rows, 20000);
        if (i)
            assert_string_equal(content.digest, digest);
        memcpy(digest, content.digest, sizeof(digest));
        ax_dataset_content_done(&content);
        ax_sql_close(sql);
    }
}

static void statistics_are_those_of_the_values(void **state AX_UNUSED)
{
    static const struct {
        const char *query;
        const char *statistics;
    } cases[] = {
        { "SELECT unnest([3, NULL, -1, 3]) AS a",
          ",\"count\":3,\"nulls\":1,\"distinct\":2,\"min\":-1,\"max\":3,\"mean\":"
          "1.6666666666666667" },
        { "SELECT unnest([9223372036854775807, 9223372036854775807]) AS a",
          ",\"count\":2,\"nulls\":0,\"distinct\":1,\"min\":9223372036854775807,\"max\":"
          "9223372036854775807,\"mean\":9223372036854776000.0" },
        { "SELECT unnest([1e308, 1e308, -1e308, 'nan', 'inf', NULL]::DOUBLE[]) AS a",
          ",\"count\":5,\"nulls\":1,\"not_finite\":2,\"distinct\":3,\"min\":-1e308,\"max\":1e308,"
          "\"mean\":3.333333333333333e307" },
        { "SELECT NULL::DOUBLE AS a", ",\"count\":0,\"nulls\":1,\"not_finite\":0,\"distinct\":0" },
        { "SELECT 'nan'::DOUBLE AS a", ",\"count\":1,\"nulls\":0,\"not_finite\":1,\"distinct\":0" },
        { "SELECT unnest([true, false, true, true]) AS a",
          ",\"count\":4,\"nulls\":0,\"distinct\":2,\"min\":false,\"max\":true,\"mean\":0.75" },
        { "SELECT unnest(['b', 'a\n', NULL]) AS a",
          ",\"count\":2,\"nulls\":1,\"distinct\":2,\"min\":\"a\\n\",\"max\":\"b\"" },
        { "SELECT unnest(range(600)) AS a", /* estimated as 603 */
          ",\"count\":600,\"nulls\":0,\"distinct\":600,\"distinct_is_estimate\":true,\"min\":0,"
          "\"max\":599,\"mean\":299.5" },
        { "SELECT unnest([[1], [1, 2]]) AS a", ",\"count\":2,\"nulls\":0,\"distinct\":2" },
        { "SELECT DATE '2013-01-02' AS a",
          ",\"count\":1,\"nulls\":0,\"distinct\":1,\"min\":\"2013-01-02T00:00:00.000000Z\",\"max\":"
          "\"2013-01-02T00:00:00.000000Z\"" },
        { "SELECT 'infinity'::TIMESTAMP AS a",
          ",\"count\":1,\"nulls\":0,\"distinct\":1,\"min\":9223372036854775807,\"max\":"
          "9223372036854775807" },
    };
    struct ax_sql *sql = must_open(1);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_dataset_content content;
        struct ax_buf out;
        ax_buf_init(&out, 4096);
        must_measure(sql, cases[i].query, "", &content);
        (void)ax_buf_append_char(&out, ' '); /* a member before */
        ax_dataset_statistics_put(&content.columns[0].statistics, &out);
        (void)ax_buf_append_char(&out, '\0');
        assert_string_equal(out.ptr + 1, cases[i].statistics);
        ax_buf_done(&out);
        ax_dataset_content_done(&content);
    }
    ax_sql_close(sql);
}

static void texts_are_cut(void **state AX_UNUSED)
{
    struct ax_sql *sql = must_open(1);
    struct ax_dataset_content content;
    must_measure(sql, "SELECT repeat('x', 255) || 'é' || repeat('y', 9000) AS a", "", &content);
    assert_int_equal(content.columns[0].statistics.min.text.len, 255);
    assert_int_equal(content.columns[0].statistics.max.text.len, 255);
    ax_dataset_content_done(&content);
    ax_sql_close(sql);
}

static void no_parquet(void **state AX_UNUSED)
{
    struct ax_sql *sql = must_open(1);
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_content content;
    assert_int_equal(ax_dataset_content_read(sql, in_folder("none.parquet"), &content, &err),
                     AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(ax_file_replace(in_folder("x.parquet"), AX_STR("PAR1PAR1"), &err), AX_OK);
    assert_int_equal(ax_dataset_content_read(sql, in_folder("x.parquet"), &content, &err),
                     AX_E_INVALID);
    ax_sql_close(sql);
}

/* ---- files that change ---- */

static void changes_are_noticed(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_origins origins;
    const char *path = in_folder("source.csv");
    ax_dataset_origins_init(&origins);
    assert_int_equal(ax_file_replace(path, AX_STR("abc"), &err), AX_OK);
    assert_int_equal(
        ax_dataset_origins_add_file(&origins, AX_STR("rows"), ax_str_from(path), NULL, &err),
        AX_OK);
    assert_int_equal(
        ax_dataset_origins_add_text(&origins, AX_STR("source x"), AX_STR(""), AX_STR("abc"), &err),
        AX_OK);
    assert_int_equal(origins.origin.source_count, 2);
    assert_string_equal(origins.sources[0].digest,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(origins.sources[1].digest, origins.sources[0].digest);
    assert_int_equal(ax_dataset_origins_check(&origins, &err), AX_OK);
    /* The same bytes in another file are another file. */
    assert_int_equal(ax_file_replace(path, AX_STR("abc"), &err), AX_OK);
    assert_int_equal(ax_dataset_origins_check(&origins, &err), AX_E_CONFLICT);
    assert_non_null(strstr(err.msg, "changed while it was read"));
    ax_err_clear(&err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ax_dataset_origins_check(&origins, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(
        ax_dataset_origins_add_file(&origins, AX_STR("rows"), ax_str_from(folder), NULL, &err),
        AX_E_INVALID);
    atomic_bool cancelled = true;
    ax_err_clear(&err);
    assert_int_equal(ax_file_replace(path, AX_STR("abc"), &err), AX_OK);
    assert_int_equal(
        ax_dataset_origins_add_file(&origins, AX_STR("rows"), ax_str_from(path), &cancelled, &err),
        AX_E_CANCELLED);
    ax_dataset_origins_done(&origins);
}

/* ---- a history whose files change ---- */

static const char definitions[] = "auspex: 1\n"
                                  "project: test\n"
                                  "entities: {airport: {keys: {faa: string}}}\n"
                                  "sources:\n"
                                  "  weather:\n"
                                  "    files: weather*.csv\n"
                                  "    time: hour\n"
                                  "    columns: {faa: string, hour: timestamp, temp: float64}\n"
                                  "views:\n"
                                  "  weather:\n"
                                  "    {entity: airport, source: weather, ttl: 3h, deprecated: use "
                                  "climate, fields: {temp: temp}}\n"
                                  "services: {s: {features: [{name: faa}, {view: weather}]}}\n";

static const char weather[] = "faa,hour,temp\nJFK,2013-01-01T01:00:00Z,5.5\n";

struct meanwhile {
    const char *name; /* that is written when a source is read; NULL: none */
    const char *text;
    bool is_done;
    bool is_warned;
};

static void write_file(const char *name, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_file_replace(in_folder(name), ax_str_from(text), &err))
        fail_msg("%s", err.msg);
}

static void write_meanwhile(void *arg, const char *what, size_t done AX_UNUSED,
                            size_t rows AX_UNUSED)
{
    struct meanwhile *meanwhile = arg;
    if (!strstr(what, "source weather") || meanwhile->is_done)
        return;
    meanwhile->is_done = true;
    if (meanwhile->name)
        write_file(meanwhile->name, meanwhile->text);
}

static void take_notice(void *arg, struct ax_str text)
{
    struct meanwhile *meanwhile = arg;
    meanwhile->is_warned |= ax_str_is(text, "view 'weather' is deprecated: use climate");
}

static void files_that_come_or_change_end_it(void **state AX_UNUSED)
{
    static const struct {
        const char *name, *text, *message;
    } rows[] = {
        { NULL, NULL, NULL },
        { "h/weather.csv", weather, "weather.csv' changed while it was read; try again" },
        { "h/weather2.csv", weather, "weather2.csv' came while files were read; try again" },
        { "h/weather.parquet", "no file of the source", NULL },
        { "h/rows.csv", "faa,at\nJFK,2013-01-01T02:30:00Z\n", "rows.csv' changed while it was" },
    };
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_make_folder(in_folder("h"), &err), AX_OK);
    write_file("h/all.yaml", definitions);
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct meanwhile meanwhile = { .name = rows[i].name, .text = rows[i].text };
        struct ax_dataset_kept kept;
        struct ax_dataset_history history = { .definitions = in_folder("h"),
                                              .service = "s",
                                              .rows = in_folder("h/rows.csv"),
                                              .at = "at" };
        struct ax_dataset_job job = { .state = in_folder("h/state"),
                                      .history = &history,
                                      .threads = 1,
                                      .progress = write_meanwhile,
                                      .notice = take_notice,
                                      .arg = &meanwhile };
        write_file("h/rows.csv", "faa,at\nJFK,2013-01-01T01:30:00Z\n");
        write_file("h/weather.csv", weather);
        (void)unlink(in_folder("h/weather2.csv"));
        err = (struct ax_err)AX_ERR_INIT;
        enum ax_code code = ax_dataset_make(&job, &kept, &err);
        assert_int_equal(code, rows[i].message ? AX_E_CONFLICT : AX_OK);
        if (rows[i].message && !strstr(err.msg, rows[i].message))
            fail_msg("%s", err.msg);
        assert_true(meanwhile.is_done && meanwhile.is_warned);
        assert_int_equal(count_names(in_folder("h/state/snapshots")), 1); /* of the first */
    }
}

static int make_folder(void **state AX_UNUSED)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    return ax_file_remove_tree(folder, &err) == AX_OK ? 0 : -1;
}

int main(void)
{
    /* Those that fork are first: nothing has used DuckDB in this process. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_each_call),
        cmocka_unit_test(kept_after_a_kill),
        cmocka_unit_test(two_make_the_same),
        cmocka_unit_test(the_living_keep_their_work),
        cmocka_unit_test(delete_is_once),
        cmocka_unit_test(changes_are_noticed),
        cmocka_unit_test(files_that_come_or_change_end_it),
        cmocka_unit_test(digests_tell),
        cmocka_unit_test(statistics_are_those_of_the_values),
        cmocka_unit_test(digests_do_not_tell_how_rows_were_read),
        cmocka_unit_test(texts_are_cut),
        cmocka_unit_test(no_parquet),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
