/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the latest values of views come to the online store, once, all of them or what is new, and
 * whoever is interrupted goes on where that was.
 *
 * Method: small definitions over CSV files are applied in a state directory and materialised into a
 * real store, which is asked after each step; steps are told apart by their results. An interrupt
 * is the flag that the command sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/sql.h"
#include "feature/online/online_key.h"
#include "pipeline/definition_catalogue.h"
#include "pipeline/definition_plan.h"
#include "pipeline/materialize_views.h"
#include "test_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DEFINITIONS(ttl, field)                                                      \
    "auspex: 1\n"                                                                    \
    "project: test\n"                                                                \
    "entities: {thing: {keys: {k: int64}}}\n"                                        \
    "sources:\n"                                                                     \
    "  a: {files: 'a*.csv', time: t, columns: {k: int64, t: timestamp, x: int64}}\n" \
    "  b: {files: 'b.csv', time: none, columns: {k: int64, s: string}}\n"            \
    "  c: {files: 'c.csv', time: t, columns: {k: int64, t: timestamp, x: int64},\n"  \
    "    expect: [{check: between, column: x, min: 0, max: 9, do: drop_row}]}\n"     \
    "views:\n"                                                                       \
    "  late: {entity: thing, source: c, fields: {x: x}}\n"                           \
    "  numbers: {entity: thing, source: a, ttl: " ttl ", fields: {x: {expr: " field  \
    ", default: 7}"                                                                  \
    "}}\n"                                                                           \
    "  texts: {entity: thing, source: b, fields: {s: s}}\n"                          \
    "  also: {entity: thing, source: a, fields: {y: x * 2}}\n"                       \
    "  sums: {entity: thing, source: a, fields: {sum: sum(x) over 1h}}\n"            \
    "  hidden: {entity: thing, source: a, online: false, fields: {x: x}}\n"

#define DAY(n)                                                                        \
    (INT64_C(1704067200000000) + ((n) - 1) * INT64_C(86400000000)) /* of January 2024 \
                                                                    */

enum { RESULTS_MAX = 8, VIEWS_MAX = 8, TEXT_BYTES = 1024, WIDE_COLUMNS = 400 };

static char data[256], state[256];
static struct ax_epoch epoch;
static struct ax_registry *registry;
static struct ax_applied_definitions *applied;
static struct ax_online_writer *writer;
static struct ax_online_views *views;
static struct ax_materialize_config config;
static struct ax_materialize_result results[RESULTS_MAX];
static size_t result_count;
static size_t lost;   /* views that a store which is gone had */
static char why[512]; /* of the last failure */
static char noticed[512];
static atomic_bool cancelled;
static bool cancels; /* behind the first view that is done */

static void good(enum ax_code code, const struct ax_err *err)
{
    if (code)
        fail_msg("%s", err->msg);
}

static void write_data(const char *name, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/%s", data, name);
    good(ax_file_replace(path, ax_str_from(text), &err), &err);
}

/* ---- what a command does around it ---- */

static void apply(const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    struct ax_registry_catalogue before, wanted;
    struct ax_plan plan;
    struct ax_arena arena;
    uint64_t number;
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(text) };
    const struct ax_registry_change change = { .files_folder = ax_str_from(data),
                                               .files = &file,
                                               .file_count = 1 };
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    good(ax_definitions_read_texts(data, &file, 1, &definitions, &err), &err);
    good(ax_registry_read(registry, &arena, &before, &err), &err);
    good(ax_definition_catalogue(&definitions, &arena, &wanted, &err), &err);
    good(ax_plan_make(&before, &wanted, NULL, 0, &arena, &plan, &err), &err);
    good(ax_plan_apply(&plan, registry, &change, &arena, &number, &err), &err);
    ax_definitions_done(&definitions);
    ax_arena_done(&arena);
}

static void release(void *owner)
{
    ax_applied_definitions_unref(owner);
}

/* What is applied at the writer. */
static void bring_into_force(void)
{
    struct ax_err err = AX_ERR_INIT;
    bool are_materialised[VIEWS_MAX];
    assert_true(applied->definitions.view_count <= VIEWS_MAX);
    good(ax_materialize_look_back(registry, &applied->definitions, writer, are_materialised, &lost,
                                  &err),
         &err);
    const struct ax_online_definitions given = { .definitions = &applied->definitions,
                                                 .owner = ax_applied_definitions_ref(applied),
                                                 .release = release,
                                                 .are_materialised = are_materialised };
    good(ax_online_writer_define(writer, &given, &views, &err), &err);
    config.views = views;
}

static void define(const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    apply(text);
    ax_online_views_unref(views);
    ax_applied_definitions_unref(applied);
    good(ax_applied_definitions_read(state, NULL, &applied, &err), &err);
    config.applied = applied;
    bring_into_force();
}

static void open_writer(void)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_online_writer_config opened = { .state = state,
                                                    .epoch = &epoch,
                                                    .memory_bytes_max = (size_t)64 << 20,
                                                    .disk_bytes_max = (uint64_t)64 << 20,
                                                    .journal_bytes_max = (uint64_t)64 << 20,
                                                    .queue_max = 2 };
    good(ax_online_writer_open(&opened, &writer, &err), &err);
    config.writer = writer;
}

static void close_writer(void)
{
    ax_online_views_unref(views);
    views = NULL;
    ax_online_writer_close(writer);
}

static void take_notice(void *arg, struct ax_str text)
{
    (void)arg;
    (void)snprintf(noticed, sizeof(noticed), "%.*s", AX_STR_ARG(text));
}

static void take_result(void *arg, const struct ax_materialize_result *result)
{
    (void)arg;
    assert_true(result_count < RESULTS_MAX);
    results[result_count++] = *result;
    if (result->outcome == AX_MATERIALIZE_FAILED)
        (void)snprintf(why, sizeof(why), "%.*s", AX_STR_ARG(result->why));
    if (cancels && result->outcome == AX_MATERIALIZE_DONE)
        atomic_store(&cancelled, true);
}

static int open_all(void **ignored)
{
    struct ax_err err = AX_ERR_INIT;
    if (make_folder(ignored))
        return -1;
    ax_epoch_init(&epoch);
    (void)snprintf(data, sizeof(data), "%s/data", folder);
    (void)snprintf(state, sizeof(state), "%s/state", folder);
    good(ax_file_make_folder(data, &err), &err);
    good(ax_registry_open(state, AX_REGISTRY_WRITE, &registry, &err), &err);
    config = (struct ax_materialize_config){ .state = state,
                                             .registry = registry,
                                             .threads = 1,
                                             .cancelled = &cancelled,
                                             .notice = take_notice,
                                             .result = take_result };
    open_writer();
    return 0;
}

static int close_all(void **ignored)
{
    close_writer();
    ax_applied_definitions_unref(applied);
    ax_registry_close(registry);
    ax_epoch_done(&epoch);
    return remove_folder(ignored);
}

/* ---- what came of it ---- */

static enum ax_code materialize(struct ax_err *err)
{
    result_count = 0;
    atomic_store(&cancelled, false);
    return ax_materialize_views(&config, err);
}

static void must_materialize(void)
{
    struct ax_err err = AX_ERR_INIT;
    good(materialize(&err), &err);
}

static const struct ax_materialize_result *result_of(const char *view)
{
    for (size_t i = 0; i < result_count; i++)
        if (ax_str_is(results[i].view, view))
            return &results[i];
    fail_msg("view %s was not told of", view);
    return NULL;
}

static void expect_done(const char *view, size_t read, size_t latest, uint64_t written)
{
    const struct ax_materialize_result *result = result_of(view);
    assert_int_equal(result->outcome, AX_MATERIALIZE_DONE);
    assert_int_equal(result->read, read);
    assert_int_equal(result->latest, latest);
    assert_int_equal(result->counts.written, written);
    assert_int_equal(result->counts.written + result->counts.stale, latest);
    assert_int_equal(result->counts.refused, 0);
}

/* The value of a view's only field, or INT64_MIN; of a list its first element. */
static int64_t value_of(const char *view, int64_t key)
{
    size_t number = (size_t)(ax_definitions_view(&applied->definitions, ax_str_from(view)) -
                             applied->definitions.views);
    const struct ax_online_view *online = &views->views[number];
    struct ax_err err = AX_ERR_INIT;
    const size_t field = 0;
    const struct ax_online_row *row = NULL;
    struct ax_values value;
    struct ax_arena arena;
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    const struct ax_str name = { (const char *)&key, sizeof(key) };
    struct ax_online_fetch fetch = {
        .entity = online->entity, .keys = &name, .count = 1, .rows = &row, .arena = &arena
    };
    ax_arena_init(&arena, 4096, 65536);
    ax_epoch_enter(&epoch, reader);
    assert_true(ax_online_fetch(ax_online_writer_store(writer), &fetch));
    const struct ax_online_part *part = row ? ax_online_row_part(row, online->layout->id) : NULL;
    good(ax_online_read(online->layout, &field, 1, &part, 1, &arena, &value, &err), &err);
    if (value.type.is_list && !ax_values_is_null(&value, 0))
        value = *value.items;
    int64_t found = ax_values_is_null(&value, 0)        ? INT64_MIN
                    : value.type.kind == AX_TYPE_STRING ? value.texts[0].ptr[0]
                                                        : value.i64s[0];
    ax_epoch_leave(reader);
    ax_epoch_unregister(reader);
    ax_arena_done(&arena);
    return found;
}

#define NONE INT64_MIN

/* Keys and values of the rows of source c that were kept; NULL: there is no file. */
static void expect_failed_rows(const char *rows)
{
    const struct ax_sql_config sql_config = { .threads = 1 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    char path[300], query[400], *found;
    (void)snprintf(path, sizeof(path), "%s/failed/c.failed.parquet", state);
    assert_int_equal(access(path, F_OK), rows ? 0 : -1);
    if (!rows)
        return;
    (void)snprintf(query, sizeof(query), "SELECT string_agg(k || ' ' || x, ', ') FROM '%s'", path);
    good(ax_sql_open(&sql_config, &sql, &err), &err);
    good(ax_sql_get_text(sql, ax_str_from(query), &found, &err), &err);
    assert_string_equal(found, rows);
    free(found);
    ax_sql_close(sql);
}

/* ---- tests ---- */

static void write_first(void)
{
    write_data("a1.csv",
               "k,t,x\n1,2024-01-01,10\n1,2024-01-02,11\n2,2024-01-01,20\n,2024-01-01,9\n");
    write_data("a2.csv", "k,t,x\n3,2024-01-02,\n1,2024-01-09,19\n");
    write_data("b.csv", "k,s\n1,one\n2,two\n");
    write_data("c.csv", "k,t,x\n1,2024-01-01,1\n2,2024-01-01,200\n");
}

static void test_all(void **ignored)
{
    (void)ignored;
    write_first();
    define(DEFINITIONS("3h", "x"));
    config.has_to = true;
    config.to_us = DAY(5);
    must_materialize();
    assert_int_equal(result_count, 5);
    expect_done("numbers", 6, 3, 3);
    expect_done("also", 6, 3, 3);
    expect_done("texts", 2, 2, 2);
    expect_done("late", 2, 1, 1);
    assert_int_equal(result_of("late")->rejected, 1);
    expect_failed_rows(NULL);
    config.keep_failed = true;
    must_materialize();
    config.keep_failed = false;
    expect_failed_rows("2 200");
    assert_non_null(strstr(noticed, "1 of 2 rows of source 'c' are in "));
    assert_non_null(strstr(noticed, "/failed/c.failed.parquet"));
    assert_int_equal(result_of("sums")->outcome, AX_MATERIALIZE_NAMELESS);
    assert_int_equal(value_of("numbers", 1), 11);
    assert_int_equal(value_of("numbers", 2), 20);
    assert_int_equal(value_of("numbers", 3), NONE); /* not its default */
    assert_int_equal(value_of("also", 1), 22);
    assert_int_equal(value_of("texts", 2), 't');
    assert_int_equal(value_of("late", 2), NONE);
    /* Again: the same; and later: what was later. */
    must_materialize();
    expect_done("numbers", 6, 3, 3);
    config.to_us = DAY(9);
    must_materialize();
    assert_int_equal(value_of("also", 1), 38);
    /* What is stored is newer. */
    config.to_us = DAY(1);
    must_materialize();
    expect_done("also", 6, 2, 1);
    assert_int_equal(value_of("also", 1), 38);
}

static void test_chosen(void **ignored)
{
    (void)ignored;
    struct ax_err err = AX_ERR_INIT;
    const struct ax_str names[] = { AX_STR("hidden"), AX_STR("also") };
    const struct ax_str wrong[] = { AX_STR("alsos") };
    config.names = names;
    config.name_count = 2;
    config.has_from = true;
    config.from_us = DAY(2);
    config.to_us = DAY(5);
    must_materialize();
    assert_int_equal(result_count, 2);
    expect_done("also", 6, 2, 1);
    assert_int_equal(result_of("hidden")->outcome, AX_MATERIALIZE_OFFLINE);
    config.names = wrong;
    config.name_count = 1;
    assert_int_equal(materialize(&err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "nearest is 'also'"));
    config.names = NULL;
    config.name_count = 0;
    config.has_from = false;
}

static void test_incremental(void **ignored)
{
    (void)ignored;
    config.to_us = DAY(20);
    must_materialize();
    config.incremental = true;
    must_materialize();
    expect_done("numbers", 0, 0, 0);
    expect_done("texts", 0, 0, 0);
    write_data("a2.csv", "k,t,x\n3,2024-01-02,33\n1,2024-01-09,19\n");
    write_data("b.csv", "k,s\n1,one\n2,zwei\n");
    must_materialize();
    expect_done("numbers", 2, 2, 2);
    expect_done("also", 2, 2, 2);
    expect_done("late", 0, 0, 0);
    expect_done("texts", 2, 2, 2);
    assert_int_equal(value_of("numbers", 3), 33);
    assert_int_equal(value_of("texts", 2), 'z');
    assert_int_equal(value_of("numbers", 1), 19);
    /* A view that is computed otherwise begins anew, also when it was before as it is again. */
    define(DEFINITIONS("3h", "x + 1"));
    assert_int_equal(value_of("numbers", 1), NONE);
    define(DEFINITIONS("3h", "x"));
    must_materialize();
    expect_done("numbers", 6, 3, 3);
    expect_done("also", 0, 0, 0);
    assert_int_equal(value_of("numbers", 3), 33);
    config.incremental = false;
}

/* Whether the only field of a view lacks what files have. */
static bool lacks_files(const char *view)
{
    const struct ax_definitions *definitions = &applied->definitions;
    const struct ax_view *found = ax_definitions_view(definitions, ax_str_from(view));
    const struct ax_online_form *form = &views->forms[found - definitions->views];
    assert_int_equal(form->field_count, 1);
    return form->fields[0].lacks_files;
}

/* The store's file is removed: what is recorded of views is not true any more. */
static void test_store_that_went(void **ignored)
{
    (void)ignored;
    struct ax_err err = AX_ERR_INIT;
    char path[300];
    config.incremental = true;
    must_materialize();
    close_writer();
    open_writer();
    bring_into_force();
    assert_int_equal(lost, 0);
    assert_false(lacks_files("numbers"));
    must_materialize();
    expect_done("numbers", 0, 0, 0);
    close_writer();
    (void)snprintf(path, sizeof(path), "%s/online", state);
    good(ax_file_remove_tree(path, &err), &err);
    open_writer();
    bring_into_force();
    assert_int_equal(value_of("numbers", 3), NONE);
    assert_int_equal(lost, 4);
    config.incremental = false;
    config.has_from = true;
    config.from_us = DAY(1);
    must_materialize();
    assert_true(lacks_files("numbers"));
    config.has_from = false;
    config.incremental = true;
    must_materialize();
    assert_false(lacks_files("numbers"));
    expect_done("numbers", 6, 3, 3);
    assert_int_equal(value_of("numbers", 3), 33);
    must_materialize();
    expect_done("numbers", 0, 0, 0);
    config.incremental = false;
}

static void test_interrupted(void **ignored)
{
    (void)ignored;
    struct ax_err err = AX_ERR_INIT;
    config.has_to = false;
    cancels = true;
    assert_int_equal(materialize(&err), AX_E_CANCELLED);
    cancels = false;
    assert_int_equal(result_of("numbers")->outcome, AX_MATERIALIZE_DONE);
    int64_t to = result_of("numbers")->to_us;
    must_materialize();
    assert_int_equal(result_of("numbers")->outcome, AX_MATERIALIZE_DONE_BEFORE);
    expect_done("texts", 2, 2, 2);
    assert_int_equal(result_of("texts")->to_us, to);
    /* It has ended, so all is done again. */
    must_materialize();
    expect_done("numbers", 6, 3, 3);
    assert_true(result_of("numbers")->to_us > to);
}

static void test_source_that_fails(void **ignored)
{
    (void)ignored;
    struct ax_err err = AX_ERR_INIT;
    write_data("a9.csv", "k,t,x\n1,soon,1\n");
    assert_int_equal(materialize(&err), AX_E_INVALID);
    assert_int_equal(result_of("numbers")->outcome, AX_MATERIALIZE_FAILED);
    assert_int_equal(result_of("also")->outcome, AX_MATERIALIZE_FAILED);
    assert_non_null(strstr(why, "'soon'"));
    expect_done("texts", 2, 2, 2);
    write_data("a9.csv", "k,t,x\n");
    /* Which has ended the run: what others have read may have more rows by now. */
    must_materialize();
    expect_done("texts", 2, 2, 2);
    expect_done("numbers", 6, 3, 3);
}

static void test_dry(void **ignored)
{
    (void)ignored;
    config.writer = NULL;
    config.views = NULL;
    write_data("a9.csv", "k,t,x\n8,2024-01-01,1\n");
    must_materialize();
    assert_int_equal(result_of("numbers")->latest, 4);
    assert_int_equal(result_of("numbers")->counts.written, 0);
    config.writer = writer;
    config.views = views;
    assert_int_equal(value_of("numbers", 8), NONE);
}

/* What no row gives any more is gone, and so is what is newer than the rows. */
static void test_rebuild(void **ignored)
{
    (void)ignored;
    must_materialize();
    assert_int_equal(value_of("numbers", 8), 1);
    write_data("a9.csv", "k,t,x\n9,2024-01-01,1\n");
    must_materialize();
    assert_int_equal(value_of("numbers", 8), 1);
    assert_int_equal(value_of("numbers", 9), 1);
    config.rebuild = true;
    config.to_us = 0;
    config.has_to = true;
    must_materialize();
    config.has_to = config.rebuild = false;
    assert_int_equal(value_of("numbers", 8), NONE);
    assert_int_equal(value_of("numbers", 9), NONE);
    must_materialize();
    assert_int_equal(value_of("numbers", 8), NONE);
    assert_int_equal(value_of("numbers", 9), 1);
    write_data("a9.csv", "k,t,x\n8,2024-01-01,1\n");
    must_materialize();
}

/* The rows of the second source wait for those of the first to have had their time. */
static void test_rate(void **ignored)
{
    (void)ignored;
    config.rows_per_s_max = 100;
    uint64_t began_ns = ax_clock_ns();
    must_materialize();
    assert_true(ax_clock_ns() - began_ns >= 2 * 4 * AX_NS_PER_S / 100);
    config.rows_per_s_max = 0;
}

/* Those that are no text, alone and in a list. */
/* Of JSON lines escapes are JSON's, also in lists. */
static void test_escapes(void **ignored)
{
    (void)ignored;
    write_data("z.jsonl", "{\"k\": 1, \"s\": [\"\\n\", null], \"b\": [\"\\u0007\"]}\n"
                          "{\"k\": 2, \"s\": \"[x, y]\", \"b\": []}\n");
    define("auspex: 1\n"
           "entities: {thing: {keys: {k: int64}}}\n"
           "sources: {z: {files: z.jsonl, time: none, columns: {k: int64, s: list<string>, b: "
           "list<bytes>}}}\n"
           "views:\n"
           "  zs: {entity: thing, source: z, fields: {s: s}}\n"
           "  zb: {entity: thing, source: z, fields: {b: b}}\n");
    must_materialize();
    assert_int_equal(value_of("zs", 1), '\n');
    assert_int_equal(value_of("zb", 1), '\a');
    assert_int_equal(value_of("zs", 2), 'x');
}

/* Of a CSV file with many columns, in little memory. */
static void test_wide(void **ignored)
{
    (void)ignored;
    struct ax_buf names, values, columns, fields, text;
    struct ax_buf *const all[] = { &names, &values, &columns, &fields, &text };
    for (size_t i = 0; i < AX_COUNT(all); i++)
        ax_buf_init(all[i], (size_t)1 << 20);
    for (size_t i = 0; i < WIDE_COLUMNS; i++) {
        ax_buf_printf(&names, ",c%zu", i);
        ax_buf_printf(&values, ",%zu.5", i);
        ax_buf_printf(&columns, ", c%zu: float64", i);
        ax_buf_printf(&fields, "%sf%zu: c%zu", i ? ", " : "", i, i);
    }
    ax_buf_printf(&text, "k%.*s\n1%.*s\n%c", AX_STR_ARG(ax_buf_str(&names)),
                  AX_STR_ARG(ax_buf_str(&values)), 0);
    write_data("wide.csv", text.ptr);
    ax_buf_reset(&text);
    ax_buf_printf(&text,
                  "auspex: 1\n"
                  "entities: {thing: {keys: {k: int64}}}\n"
                  "sources: {w: {files: wide.csv, time: none, columns: {k: int64%.*s}}}\n"
                  "views: {wide: {entity: thing, source: w, fields: {%.*s}}}\n%c",
                  AX_STR_ARG(ax_buf_str(&columns)), AX_STR_ARG(ax_buf_str(&fields)), 0);
    define(text.ptr);
    must_materialize();
    expect_done("wide", 1, 1, 1);
    for (size_t i = 0; i < AX_COUNT(all); i++)
        ax_buf_done(all[i]);
}

static void test_bytes(void **ignored)
{
    (void)ignored;
    const struct ax_sql_config sql_config = { .threads = 1 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    char query[400];
    (void)snprintf(query, sizeof(query),
                   "COPY (SELECT 1 AS k, '\\xFFy'::BLOB AS y, ['\\xFEy'::BLOB, NULL] AS ys) TO "
                   "'%s/y.parquet'",
                   data);
    good(ax_sql_open(&sql_config, &sql, &err), &err);
    good(ax_sql_run(sql, ax_str_from(query), &err), &err);
    ax_sql_close(sql);
    define("auspex: 1\n"
           "entities: {thing: {keys: {k: int64}}}\n"
           "sources: {y: {files: y.parquet, time: none, columns: {k: int64, y: bytes, ys: "
           "list<bytes>}}}\n"
           "views:\n"
           "  one: {entity: thing, source: y, fields: {y: y}}\n"
           "  many: {entity: thing, source: y, fields: {ys: ys}}\n");
    must_materialize();
    expect_done("one", 1, 1, 1);
    expect_done("many", 1, 1, 1);
    assert_int_equal(value_of("one", 1), (char)0xFF);
    assert_int_equal(value_of("many", 1), (char)0xFE);
}

static void test_kept(void **ignored)
{
    (void)ignored;
    close_writer();
    open_writer();
    bring_into_force();
    assert_int_equal(value_of("numbers", 8), 1);
    assert_int_equal(value_of("texts", 2), 'z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),         cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_incremental), cmocka_unit_test(test_store_that_went),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_source_that_fails),
        cmocka_unit_test(test_dry),         cmocka_unit_test(test_rebuild),
        cmocka_unit_test(test_rate),        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
