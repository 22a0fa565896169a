/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a history that is killed in the middle of a view, plain or with windows, a source of SQL or
 * none, goes on where it was; and what is made in slices is what is made in one.
 *
 * Method: the rows from which on there are slices are lowered. Each way to find what a row sees
 * must come to the same digest in slices as in one, with room for the values of all rows or of some
 * dozens. Of some a child makes the history and kills itself when it begins the third slice of the
 * last view; the next run must use those that are done, whose files stay the same ones, unless the
 * source was changed, however little of that its files show. Another finds no room from that slice
 * on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/offline/duckdb_parts.h"

static size_t sliced_rows_min = 1;
static size_t part_bytes = 1 << 20;

#undef AX_ROLE_SLICED_ROWS_MIN
#define AX_ROLE_SLICED_ROWS_MIN sliced_rows_min
#undef AX_OFFLINE_PART_BYTES_MAX
#define AX_OFFLINE_PART_BYTES_MAX part_bytes
#include "../../../src/feature/offline/duckdb.c" /* NOLINT(bugprone-suspicious-include) */

#include "test_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DONE_BEFORE_END 2 /* of the slices of the last view */
#define ROWS            ((size_t)200)
#define TOO_MANY        ((size_t)300) /* values for top_k */
#define PARTS_MAX       (4 * AX_ROLE_SLICES)

static const char definitions_text[] =
    "auspex: 1\n"
    "project: test\n"
    "entities: {thing: {keys: {k: int64, s: string}}}\n"
    "sources:\n"
    "  states:\n"
    "    files: states.csv\n"
    "    time: t\n"
    "    columns: {k: int32, s: string, t: timestamp, x: float64}\n"
    "  events:\n"
    "    files: events.csv\n"
    "    time: t\n"
    "    created: c\n"
    "    event_id: [id]\n"
    "    columns: {id: int64, k: int64, s: string, t: timestamp, c: timestamp, x: float64}\n"
    "  query:\n"
    "    sql: \"SELECT * FROM read_csv('states.csv') ORDER BY t, k, s, x\"\n"
    "    time: t\n"
    "    columns: {k: int64, s: string, t: timestamp, x: int64}\n"
    "  many:\n"
    "    files: many.csv\n"
    "    time: t\n"
    "    event_id: [x]\n"
    "    columns: {k: int64, s: string, t: timestamp, x: int64}\n"
    "  table:\n"
    "    table: table.duckdb/main.t\n"
    "    time: t\n"
    "    columns: {k: int64, s: string, t: timestamp, x: int64}\n"
    "  lasting: {files: states.csv, time: none, columns: {k: int64, s: string, x: float64}}\n"
    "views:\n"
    "  states: {entity: thing, source: states, fields: {x: x}}\n"
    "  events: {entity: thing, source: events, fields: {x: x}}\n"
    "  query: {entity: thing, source: query, fields: {x: x}}\n"
    "  table: {entity: thing, source: table, fields: {x: x}}\n"
    "  lasting: {entity: thing, source: lasting, fields: {x: x}}\n"
    "  numbers:\n"
    "    entity: thing\n"
    "    source: events\n"
    "    exact_events: 4\n"
    "    fields: {n: count(*) over 10m, mean: avg(x) over 20m / sum(x) over 1h}\n"
    "  lists: {entity: thing, source: events, fields: {xs: \"last_n(x, 3) over 20m\"}}\n"
    "  often: {entity: thing, source: many, fields: {xs: \"top_k(x, 2) over 1h\"}}\n"
    "  texts: {entity: thing, source: states, fields: {newest: last(s) over 20m}}\n"
    "  sums: {entity: thing, source: states, fields: {x: sum(x) over 20m}}\n"
    "  distinct: {entity: thing, source: states, fields: {x: count_distinct(x) over 20m}}\n"
    "  top: {entity: thing, source: states, fields: {most: \"top_k(s, 2) over 20m\"}}\n"
    "services:\n"
    "  states: {features: [{view: states}]}\n"
    "  query: {features: [{view: query}]}\n"
    "  table: {features: [{view: table}]}\n"
    "  lists: {features: [{view: lists}]}\n"
    "  sums: {features: [{view: sums}]}\n"
    "  distinct: {features: [{view: distinct}]}\n"
    "  top: {features: [{view: top}]}\n"
    "  often: {features: [{view: often}]}\n"
    "  roles:\n"
    "    request: {id: int64}\n"
    "    features: [{view: states}, {view: lists, as: a}, {view: numbers, as: b, keys: {k: id}}]\n"
    "  all:\n"
    "    features:\n"
    "      - {view: states, as: a}\n"
    "      - {view: events, as: b}\n"
    "      - {view: lasting, as: c}\n"
    "      - {view: numbers, as: d}\n"
    "      - {view: lists, as: e}\n"
    "      - {view: texts, as: f}\n"
    "      - {view: sums, as: g}\n"
    "  self:\n"
    "    request: {id: int64}\n"
    "    exclude_self: true\n"
    "    features: [{view: events, as: b}, {view: numbers, as: d}, {view: lists, as: e}]\n";

static struct ax_definitions definitions;

/* ---- files ---- */

static void write_file(const char *name, struct ax_buf *text)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (ax_buf_check(text, name, &err) || ax_file_replace(path, ax_buf_str(text), &err))
        fail_msg("%s", err.msg);
    ax_buf_done(text);
}

/* Few keys, some null, ties of times, and each third event in two versions. Of one key many values.
 */
static void write_data(void)
{
    struct ax_buf states, events, many, rows, text;
    ax_buf_init(&states, 1 << 20);
    ax_buf_init(&events, 1 << 20);
    ax_buf_init(&many, 1 << 20);
    ax_buf_init(&rows, 1 << 20);
    ax_buf_init(&text, 1 << 20);
    ax_buf_printf(&states, "k,s,t,x\n");
    ax_buf_printf(&events, "id,k,s,t,c,x\n");
    ax_buf_printf(&many, "k,s,t,x\n");
    for (size_t i = 0; i < TOO_MANY; i++)
        ax_buf_printf(&many, "1,a1,2024-01-01T00:00:00Z,%zu\n", i);
    ax_buf_printf(&rows, "k,s,at,id\n");
    for (size_t i = 0; i < ROWS; i++) {
        size_t key = i * i % 13;
        if (i % 17)
            ax_buf_printf(&states, "%zu", key);
        ax_buf_printf(&states, ",a%zu,2024-01-01T00:%02zu:00Z,%zu\n", key % 2, i * 7 % 60, i);
        for (size_t version = 0; version < (i % 3 ? 1U : 2U); version++)
            ax_buf_printf(&events,
                          "%zu,%zu,a%zu,2024-01-01T00:%02zu:00Z,2024-01-01T00:%02zu:30Z,"
                          "%zu\n",
                          i, key, key % 2, i * 7 % 50 + version, i * 7 % 50 + 2 * version,
                          i + version);
        if (i % 10)
            ax_buf_printf(&rows, "%zu", i % 14);
        ax_buf_printf(&rows, ",a%zu,2024-01-01T00:%02zu:10Z,%zu\n", i % 2, i * 11 % 60, i);
    }
    (void)ax_buf_append_str(&text, ax_str_from(definitions_text));
    write_file("states.csv", &states);
    write_file("events.csv", &events);
    write_file("many.csv", &many);
    write_file("rows.csv", &rows);
    write_file("all.yaml", &text);
}

static int make_data(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    if (make_folder(state))
        return -1;
    write_data();
    if (ax_definitions_read(folder, &definitions, &err))
        print_message("%s\n", err.msg);
    return err.code ? -1 : 0;
}

static int remove_data(void **state)
{
    ax_definitions_done(&definitions);
    return remove_folder(state);
}

static void remove_work(void)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/work", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), AX_OK);
}

/* ---- histories ---- */

/* What the progress told, and what is done when a view is joined that often. */
struct told {
    size_t joined, found;
    size_t too_many; /* of the report */
    size_t end_at;
    void (*end)(void);
    char last[256];
};

static void watch(void *arg, const char *what, size_t rows_done, size_t rows)
{
    struct told *told = arg;
    assert_true(rows_done <= rows);
    if (strcmp(told->last, what) == 0)
        return;
    (void)snprintf(told->last, sizeof(told->last), "%s", what);
    told->found += strncmp(what, "found what was done of view ", 28) == 0;
    if (strncmp(what, "joining view ", strlen("joining view ")) != 0)
        return;
    if (++told->joined == told->end_at)
        told->end();
}

struct asked {
    const char *name; /* of the service */
    bool as_known;
    bool keep;
};

static enum ax_code make(struct asked asked, struct told *told, char ret_digest[65],
                         struct ax_err *err)
{
    const struct ax_service *service = NULL;
    struct ax_offline *store = NULL;
    struct ax_offline_report report = { 0 };
    char work[256], rows[256], out[256];
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    (void)snprintf(rows, sizeof(rows), "%s/rows.csv", folder);
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    struct ax_offline_config config = { .definitions = &definitions,
                                        .data_folder = folder,
                                        .work_folder = work,
                                        .threads = 2,
                                        .progress = watch,
                                        .arg = told,
                                        .keep_parts = asked.keep };
    struct ax_offline_rows request = { .path = rows, .as_known = asked.as_known };
    if (!ax_definitions_find_service(&definitions, ax_str_from(asked.name), &service, err) &&
        !ax_offline_open(&config, &store, err))
        (void)(ax_offline_history(store, service, &request, out, &report, err) != AX_OK);
    ax_offline_close(store);
    told->too_many = report.too_many;
    memcpy(ret_digest, report.digest, sizeof(report.digest));
    return err->code;
}

static struct told made(struct asked asked, char ret_digest[65])
{
    struct ax_err err = AX_ERR_INIT;
    struct told told = { 0 };
    if (make(asked, &told, ret_digest, &err))
        fail_msg("%s: %s", asked.name, err.msg);
    assert_string_equal(told.last, "done");
    return told;
}

static void kill_itself(void)
{
    (void)kill(getpid(), SIGKILL);
}

static void fill_disk(void)
{
    struct rlimit none = { 16, 16 };
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &none);
}

/* In a child; returns its status. */
static int end_at(struct asked asked, size_t joined, void (*end)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct ax_err err = AX_ERR_INIT;
        struct told told = { .end_at = joined, .end = end };
        char digest[65];
        _exit(make(asked, &told, digest, &err));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

struct part {
    ino_t inode;
    struct timespec changed;
};

/* In any order; returns how many there are. */
static size_t list_parts(struct part parts[PARTS_MAX])
{
    char path[512];
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "%s/work/parts", folder);
    DIR *listing = opendir(path);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        struct stat info;
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/work/parts/%s", folder, entry->d_name);
        assert_int_equal(stat(path, &info), 0);
        assert_true(count < PARTS_MAX);
        parts[count++] = (struct part){ info.st_ino, info.st_ctim };
    }
    (void)closedir(listing);
    return count;
}

static bool has_part(const struct part *parts, size_t count, struct part part)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].inode == part.inode && parts[i].changed.tv_sec == part.changed.tv_sec &&
            parts[i].changed.tv_nsec == part.changed.tv_nsec)
            return true;
    return false;
}

/* ---- tests ---- */

static void test_slices_are_the_whole(void **state AX_UNUSED)
{
    static const struct {
        struct asked asked;
        size_t views;
    } cases[] = {
        { { .name = "all" }, 7 },
        { { .name = "all", .as_known = true }, 7 },
        { { .name = "self" }, 3 },
        { { .name = "self", .as_known = true }, 3 },
    };
    static const size_t rooms[] = { 1 << 10, 1 << 20 };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        char expected[65], digest[65];
        struct asked asked = cases[i].asked;
        (void)made(asked, expected);
        asked.keep = true;
        for (size_t room = 0; room < AX_COUNT(rooms); room++) {
            part_bytes = rooms[room];
            assert_int_equal(made(asked, digest).joined, AX_ROLE_SLICES * cases[i].views);
            assert_string_equal(digest, expected);
            remove_work();
        }
    }
}

/* A history whose last of so many views was not done goes on, and is made of what is there again
 * when the writing was killed. Returns its values of top_k that are too many. */
static size_t goes_on(struct asked asked, size_t views)
{
    struct part before[PARTS_MAX], after[PARTS_MAX];
    char expected[65], digest[65];
    size_t done = AX_ROLE_SLICES * (views - 1) + DONE_BEFORE_END;
    size_t too_many = made(asked, expected).too_many;
    asked.keep = true;
    int status = end_at(asked, done + 1, kill_itself);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(list_parts(before), done);
    struct told resumed = made(asked, digest);
    assert_string_equal(digest, expected);
    assert_int_equal(resumed.found, done);
    assert_int_equal(resumed.joined, AX_ROLE_SLICES - DONE_BEFORE_END);
    assert_int_equal(resumed.too_many, too_many);
    assert_int_equal(list_parts(after), AX_ROLE_SLICES * views);
    for (size_t i = 0; i < done; i++)
        assert_true(has_part(after, AX_ROLE_SLICES * views, before[i]));

    /* As after a kill in the writing: nothing is joined. */
    resumed = made(asked, digest);
    assert_string_equal(digest, expected);
    assert_int_equal(resumed.found, AX_ROLE_SLICES * views);
    assert_int_equal(resumed.joined, 0);
    assert_int_equal(resumed.too_many, too_many);
    remove_work();
    return too_many;
}

static void test_goes_on(void **state AX_UNUSED)
{
    static const struct {
        struct asked asked;
        size_t views;
    } cases[] = {
        { { .name = "query" }, 1 },
        { { .name = "states" }, 1 },
        { { .name = "roles", .as_known = true }, 3 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        assert_int_equal(goes_on(cases[i].asked, cases[i].views), 0);
    assert_true(goes_on((struct asked){ .name = "often" }, 1) > 0);
}

static void test_goes_on_after_a_full_disk(void **state AX_UNUSED)
{
    struct asked asked = { .name = "lists" };
    char expected[65], digest[65];
    (void)made(asked, expected);
    asked.keep = true;
    int status = end_at(asked, DONE_BEFORE_END + 1, fill_disk);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == AX_E_LIMIT);
    struct told resumed = made(asked, digest);
    assert_string_equal(digest, expected);
    assert_int_equal(resumed.found, DONE_BEFORE_END);
    remove_work();
}

/* What a query answers. */
static void change_answer(void)
{
    struct ax_buf more;
    ax_buf_init(&more, 1024);
    ax_buf_printf(&more, "k,s,t,x\n1,a1,2024-01-01T00:00:00Z,7\n");
    write_file("states.csv", &more);
}

/* In its place: size, inode and time of change stay. */
static void change_file(void)
{
    char path[256];
    struct stat before;
    (void)snprintf(path, sizeof(path), "%s/states.csv", folder);
    assert_int_equal(stat(path, &before), 0);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, -2, SEEK_END), 0);
    assert_int_equal(fputc('0', file), '0');
    assert_int_equal(fclose(file), 0);
    assert_int_equal(
        utimensat(AT_FDCWD, path, (struct timespec[]){ before.st_atim, before.st_mtim }, 0), 0);
}

/* The database of a table; what is written goes to its log, and with the end of the connection to
 * the file or not. */
static void write_table(const char *statement, const char *to_file)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    const struct ax_sql_config config = { .threads = 1 };
    char attach[300];
    (void)snprintf(attach, sizeof(attach), "ATTACH '%s/table.duckdb' AS t", folder);
    const char *statements[] = { to_file, attach, statement };
    if (ax_sql_open(&config, &sql, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < AX_COUNT(statements); i++)
        if (ax_sql_run(sql, ax_str_from(statements[i]), &err))
            fail_msg("%s", err.msg);
    ax_sql_close(sql);
}

static void make_table(void)
{
    write_table("CREATE TABLE t.t AS SELECT i AS k, 'a' || i % 2 AS s, TIMESTAMP '2024-01-01' AS "
                "t, i AS x FROM range(13) AS r(i)",
                "PRAGMA enable_checkpoint_on_shutdown");
}

static void change_log(void)
{
    char log[300];
    write_table("UPDATE t.t SET x = x + 1", "PRAGMA disable_checkpoint_on_shutdown");
    (void)snprintf(log, sizeof(log), "%s/table.duckdb.wal", folder);
    assert_int_equal(access(log, F_OK), 0);
}

static void test_another_source(void **state AX_UNUSED)
{
    static const struct {
        const char *name;
        void (*change)(void);
    } cases[] = { { "query", change_answer }, { "states", change_file }, { "table", change_log } };
    make_table();
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct asked asked = { .name = cases[i].name, .keep = true };
        char before[65], expected[65], digest[65];
        (void)made((struct asked){ .name = cases[i].name }, before);
        (void)end_at(asked, DONE_BEFORE_END + 1, kill_itself);
        cases[i].change();
        (void)made((struct asked){ .name = cases[i].name }, expected);
        assert_string_not_equal(expected, before);
        assert_int_equal(made(asked, digest).found, 0);
        assert_string_equal(digest, expected);
        remove_work();
        write_data();
    }
}

/* What it reads may change without the file of the database. */
static void test_a_view_is_no_table(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct told told = { 0 };
    char digest[65];
    write_table("DROP TABLE t.t", "PRAGMA enable_checkpoint_on_shutdown");
    write_table("CREATE VIEW t.T AS SELECT 1 AS k, 'a' AS s, TIMESTAMP '2024-01-01' AS t, 1 AS x",
                "PRAGMA enable_checkpoint_on_shutdown");
    assert_int_equal(make((struct asked){ .name = "table" }, &told, digest, &err),
                     AX_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "'main.t' is a view; name a table, or give a query as sql"));
}

static void test_little_is_made_in_one(void **state AX_UNUSED)
{
    static const struct {
        const char *name;
        size_t cost; /* in values */
    } cases[] = {
        { "states", 0 }, { "sums", 1 }, { "lists", 3 }, { "distinct", 8 }, { "top", 34 }
    };
    char digest[65];
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct asked asked = { .name = cases[i].name, .keep = true };
        size_t rows = 2 * ROWS + ROWS / 2 * cases[i].cost;
        sliced_rows_min = rows + 1;
        assert_int_equal(made(asked, digest).joined, 1);
        sliced_rows_min = rows;
        assert_int_equal(made(asked, digest).joined, AX_ROLE_SLICES);
        sliced_rows_min = 1;
        remove_work();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_are_the_whole),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_goes_on_after_a_full_disk),
        cmocka_unit_test(test_another_source),
        cmocka_unit_test(test_a_view_is_no_table),
        cmocka_unit_test(test_little_is_made_in_one),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
