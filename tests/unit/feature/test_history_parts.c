/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a history of one view that is killed in the middle of its join goes on where it was, a
 * source of SQL or none; and what is made in slices is what is made in one.
 *
 * Method: the rows from which on there are slices are lowered. Each way to find what a row sees
 * must come to the same digest in slices as in one. Of some a child makes the history and kills
 * itself when it begins the third slice; the next run must use the two that are done, whose files
 * stay the same ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/offline/duckdb_parts.h"

static size_t sliced_rows_min = 1;

#undef AX_ROLE_SLICED_ROWS_MIN
#define AX_ROLE_SLICED_ROWS_MIN sliced_rows_min
#include "../../../src/feature/offline/duckdb.c" /* NOLINT(bugprone-suspicious-include) */

#include "test_folder.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DONE_BEFORE_KILL 2
#define ROWS             200

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
    "  lasting: {files: states.csv, time: none, columns: {k: int64, s: string, x: float64}}\n"
    "views:\n"
    "  states: {entity: thing, source: states, fields: {x: x}}\n"
    "  events: {entity: thing, source: events, fields: {x: x}}\n"
    "  query: {entity: thing, source: query, fields: {x: x}}\n"
    "  lasting: {entity: thing, source: lasting, fields: {x: x}}\n"
    "services:\n"
    "  states: {features: [{view: states}]}\n"
    "  events: {features: [{view: events}]}\n"
    "  query: {features: [{view: query}]}\n"
    "  lasting: {features: [{view: lasting}]}\n"
    "  self: {request: {id: int64}, exclude_self: true, features: [{view: events}]}\n";

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

/* Few keys, some null, ties of times, and each third event in two versions. */
static void write_data(void)
{
    struct ax_buf states, events, rows, text;
    ax_buf_init(&states, 1 << 20);
    ax_buf_init(&events, 1 << 20);
    ax_buf_init(&rows, 1 << 20);
    ax_buf_init(&text, 1 << 20);
    ax_buf_printf(&states, "k,s,t,x\n");
    ax_buf_printf(&events, "id,k,s,t,c,x\n");
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

/* What the progress told. */
struct told {
    size_t joined, found;
    bool is_to_be_killed;
    char last[256];
};

static void watch(void *arg, const char *what, size_t rows_done, size_t rows)
{
    struct told *told = arg;
    assert_true(rows_done <= rows);
    if (strcmp(told->last, what) == 0)
        return;
    (void)snprintf(told->last, sizeof(told->last), "%s", what);
    told->joined += strncmp(what, "joining view ", strlen("joining view ")) == 0;
    told->found += strncmp(what, "found what was done of view ", 28) == 0;
    if (told->is_to_be_killed && told->joined > DONE_BEFORE_KILL)
        (void)kill(getpid(), SIGKILL);
}

static enum ax_code make(const char *name, bool as_known, bool keep, struct told *told,
                         char ret_digest[65], struct ax_err *err)
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
                                        .keep_parts = keep };
    struct ax_offline_rows request = { .path = rows, .as_known = as_known };
    if (!ax_definitions_find_service(&definitions, ax_str_from(name), &service, err) &&
        !ax_offline_open(&config, &store, err))
        (void)(ax_offline_history(store, service, &request, out, &report, err) != AX_OK);
    ax_offline_close(store);
    memcpy(ret_digest, report.digest, sizeof(report.digest));
    return err->code;
}

static struct told made(const char *name, bool as_known, bool keep, char ret_digest[65])
{
    struct ax_err err = AX_ERR_INIT;
    struct told told = { 0 };
    if (make(name, as_known, keep, &told, ret_digest, &err))
        fail_msg("%s: %s", name, err.msg);
    assert_string_equal(told.last, "done");
    return told;
}

static void kill_in_the_middle(const char *name)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct ax_err err = AX_ERR_INIT;
        struct told told = { .is_to_be_killed = true };
        char digest[65];
        (void)(make(name, false, true, &told, digest, &err) != AX_OK);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct part {
    ino_t inode;
    struct timespec changed;
};

/* In any order; returns how many there are. */
static size_t list_parts(struct part parts[AX_ROLE_SLICES])
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
        assert_true(count < AX_ROLE_SLICES);
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
        const char *name;
        bool as_known;
    } cases[] = { { "events", false },  { "events", true }, { "states", true },
                  { "lasting", false }, { "self", false },  { "self", true } };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        char expected[65], digest[65];
        (void)made(cases[i].name, cases[i].as_known, false, expected);
        assert_int_equal(made(cases[i].name, cases[i].as_known, true, digest).joined,
                         AX_ROLE_SLICES);
        assert_string_equal(digest, expected);
        remove_work();
    }
}

static void goes_on(const char *name)
{
    struct part before[AX_ROLE_SLICES], after[AX_ROLE_SLICES];
    char expected[65], digest[65];
    (void)made(name, false, false, expected);
    kill_in_the_middle(name);
    assert_int_equal(list_parts(before), DONE_BEFORE_KILL);
    struct told resumed = made(name, false, true, digest);
    assert_string_equal(digest, expected);
    assert_int_equal(resumed.found, DONE_BEFORE_KILL);
    assert_int_equal(resumed.joined, AX_ROLE_SLICES - DONE_BEFORE_KILL);
    assert_int_equal(list_parts(after), AX_ROLE_SLICES);
    for (size_t i = 0; i < DONE_BEFORE_KILL; i++)
        assert_true(has_part(after, AX_ROLE_SLICES, before[i]));

    /* As after a kill in the writing: nothing is joined. */
    resumed = made(name, false, true, digest);
    assert_string_equal(digest, expected);
    assert_int_equal(resumed.found, AX_ROLE_SLICES);
    assert_int_equal(resumed.joined, 0);
    remove_work();
}

static void test_goes_on(void **state AX_UNUSED)
{
    goes_on("states");
    goes_on("query");
}

static void test_another_answer_of_a_query(void **state AX_UNUSED)
{
    char expected[65], digest[65];
    struct ax_buf more;
    kill_in_the_middle("query");
    ax_buf_init(&more, 1024);
    ax_buf_printf(&more, "k,s,t,x\n1,a1,2024-01-01T00:00:00Z,7\n");
    write_file("states.csv", &more);
    (void)made("query", false, false, expected);
    assert_int_equal(made("query", false, true, digest).found, 0);
    assert_string_equal(digest, expected);
    remove_work();
    write_data();
}

static void test_little_is_made_in_one(void **state AX_UNUSED)
{
    char digest[65];
    sliced_rows_min = 2 * ROWS + 1;
    assert_int_equal(made("states", false, true, digest).joined, 1);
    sliced_rows_min = 2 * ROWS;
    assert_int_equal(made("states", false, true, digest).joined, AX_ROLE_SLICES);
    sliced_rows_min = 1;
    remove_work();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_are_the_whole),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_another_answer_of_a_query),
        cmocka_unit_test(test_little_is_made_in_one),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
