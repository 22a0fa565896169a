/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a history is the same whether the rows of a source stand in a file or in its journal, of
 * all storage types; and what is pushed while it is made is no part of it.
 *
 * Method: two rows are written to a journal, and to a file of JSON lines; the digests of the
 * histories are compared. Then rows are appended, a journal is damaged, and a row is erased.
 * test_point_in_time.c has what counts among rows of both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feature/offline/duckdb_parts.h"
#include "feature/online/journal.h"
#include "history_store.h"

enum {
    KEY,
    TIME,
    BOOL,
    INT32,
    FLOAT32,
    FLOAT64,
    STRING,
    BYTES,
    DURATION,
    LIST,
    TEXTS,
    BLOBS,
    TIMES,
    COLUMNS
};

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: int64}}, pair: {keys: {k: int64, s: string}}}\n"
    "sources:\n"
    "  s: {files: 's.jsonl', time: t, push: true, event_id: k, columns: {k: int64, t: timestamp,\n"
    "    b: bool, i: int32, f: float32, d: float64, s: string, y: bytes, u: duration,\n"
    "    l: list<float32>, w: list<string>, o: list<bytes>, m: list<timestamp>}}\n"
    "  states: {files: 's.jsonl', time: t, push: true,\n"
    "    columns: {k: int64, s: string, t: timestamp, i: int32}}\n"
    "views:\n"
    "  v: {entity: thing, source: s, fields: {b: b, i: {expr: i, type: int32}, d: d,\n"
    "    f: {expr: f, type: float32}, s: s, y: {expr: y, type: bytes}, u: u, l: l, w: w, o: o,\n"
    "    m: m}}\n"
    "  of_things: {entity: thing, source: states, fields: {i: i}}\n"
    "  of_pairs: {entity: pair, source: states, fields: {i: i}}\n"
    "services:\n"
    "  all: {features: [{view: v}]}\n";

static const char rows_text[] =
    "{\"k\":1,\"t\":\"1970-01-01T00:00:01Z\",\"b\":true,\"i\":-7,\"f\":0.1,\"d\":0.1,\"s\":\"x\","
    "\"y\":\"yz\",\"u\":90000000,\"l\":[0.5,-2],\"w\":[\"a\",\"\"],\"o\":[\"bc\"],"
    "\"m\":[\"1970-01-01T00:00:02Z\"]}\n"
    "{\"k\":2,\"t\":\"1970-01-01T00:00:01Z\",\"b\":null,\"i\":null,\"f\":null,\"d\":null,"
    "\"s\":null,\"y\":null,\"u\":null,\"l\":null,\"w\":null,\"o\":null,\"m\":null}\n";

static char digest[65];
static struct ax_source_journals *journals;

static const char *in_state(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/state%s", folder, name);
    return path;
}

static int open_all(void **state)
{
    if (make_folder(state))
        return -1;
    write_text("s.jsonl", AX_STR(""));
    open_history_store(definitions_text);
    return 0;
}

static int close_all(void **state)
{
    ax_source_journals_close(journals);
    return close_history_store(state);
}

/* Rows that ask for all keys, by what is there now; false: it cannot be read. */
static bool open_again(void)
{
    struct ax_err err = AX_ERR_INIT;
    char work[256];
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    ax_offline_close(store);
    store = NULL;
    ax_source_journals_close(journals);
    journals = NULL;
    if (ax_source_journals_open(in_state(""), &definitions, &journals, &err)) {
        assert_int_equal(err.code, AX_E_INVALID);
        return false;
    }
    const struct ax_offline_config config = { .definitions = &definitions,
                                              .data_folder = folder,
                                              .work_folder = work,
                                              .threads = 1,
                                              .journals = journals };
    assert_int_equal(ax_offline_open(&config, &store, &err), AX_OK);
    return true;
}

static enum ax_code ask(struct ax_err *err)
{
    struct ax_offline_report report;
    char out[256];
    const struct ax_offline_rows rows = {
        .sql = AX_STR("SELECT range AS k, TIMESTAMP '2024-01-01' AS \"at\" FROM range(4)")
    };
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    if (ax_offline_history(store, &definitions.services[0], &rows, out, &report, err))
        return err->code;
    memcpy(digest, report.digest, sizeof(digest));
    assert_int_equal(report.dropped_rows, 0);
    return AX_OK;
}

static void expect_asked(void)
{
    struct ax_err err = AX_ERR_INIT;
    if (ask(&err))
        fail_msg("%s", err.msg);
}

static void fill(struct ax_values *values, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_storage lists[] = { { AX_STORAGE_FLOAT32, false },
                                  { AX_STORAGE_STRING, false },
                                  { AX_STORAGE_BYTES, false },
                                  { AX_STORAGE_TIMESTAMP, false } };
    static const uint32_t lens[] = { 2, 2, 1, 1 };
    for (size_t i = 0; i < AX_COUNT(lists); i++) {
        struct ax_values *items = ax_arena_zalloc(arena, 1, sizeof(*items));
        assert_int_equal(ax_values_init(items, ax_storage_type(lists[i]), lens[i], arena, &err),
                         AX_OK);
        values[LIST + i].items = items;
        values[LIST + i].spans[0] = (struct ax_span){ 0, lens[i] };
    }
    values[KEY].i64s[0] = 1;
    values[TIME].i64s[0] = 1000000;
    values[BOOL].bools[0] = 1;
    values[INT32].i64s[0] = -7;
    values[FLOAT32].f64s[0] = 0.1;
    values[FLOAT64].f64s[0] = 0.1;
    values[STRING].texts[0] = AX_STR("x");
    values[BYTES].texts[0] = AX_STR("yz");
    values[DURATION].i64s[0] = 90000000;
    values[LIST].items->f64s[0] = 0.5;
    values[LIST].items->f64s[1] = -2;
    values[TEXTS].items->texts[0] = AX_STR("a");
    values[TEXTS].items->texts[1] = AX_STR("");
    values[BLOBS].items->texts[0] = AX_STR("bc");
    values[TIMES].items->i64s[0] = 2000000;
}

static struct ax_journal *open_journal(void)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_source *source = &definitions.sources[0];
    struct ax_journal *journal;
    assert_int_equal(source->column_count, COLUMNS);
    if (ax_file_make_folder(in_state(""), &err) || ax_file_make_folder(in_state("/journal"), &err))
        fail_msg("%s", err.msg);
    const struct ax_journal_config config = { .folder = in_state("/journal/s"),
                                              .source = source->name,
                                              .columns = source->columns,
                                              .column_count = COLUMNS };
    if (ax_journal_open(&config, &journal, &err))
        fail_msg("%s", err.msg);
    return journal;
}

/* The rows of the text, or a row without values of another key. */
static void push(int64_t key)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_source *source = &definitions.sources[0];
    struct ax_values values[COLUMNS];
    const struct ax_values *pointers[COLUMNS];
    struct ax_arena arena;
    struct ax_journal *journal = open_journal();
    uint64_t sequence;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (size_t i = 0; i < COLUMNS; i++) {
        struct ax_type type = ax_storage_type(source->columns[i].storage);
        assert_int_equal(ax_values_init(&values[i], type, 1, &arena, &err), AX_OK);
        pointers[i] = &values[i];
    }
    fill(values, &arena);
    if (key == 1)
        assert_int_equal(ax_journal_add(journal, pointers, 1, 5, &sequence, &err), AX_OK);
    values[KEY].i64s[0] = AX_MAX(key, 2);
    for (size_t i = BOOL; i < COLUMNS; i++)
        ax_values_set_null(&values[i], 0);
    assert_int_equal(ax_journal_add(journal, pointers, 1, 5, &sequence, &err), AX_OK);
    assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
    ax_journal_close(journal);
    ax_arena_done(&arena);
}

static void test_all_storages(void **state)
{
    (void)state;
    char by_file[65], none[65];
    expect_asked();
    memcpy(none, digest, sizeof(none));
    write_text("s.jsonl", ax_str_from(rows_text));
    expect_asked();
    memcpy(by_file, digest, sizeof(by_file));
    assert_string_not_equal(by_file, none);
    write_text("s.jsonl", AX_STR(""));
    push(1);
    assert_true(open_again());
    expect_asked();
    assert_string_equal(digest, by_file);
    /* Also when the source is not pushed any more. */
    ((struct ax_source *)(uintptr_t)&definitions.sources[0])->push = false;
    assert_true(open_again());
    expect_asked();
    assert_string_equal(digest, by_file);
}

/* Of the test before, with rows that come. */
static void test_appended_and_damaged(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf extent, after, bytes;
    const struct ax_source *source = &definitions.sources[0];
    char before[65];
    ax_buf_init(&extent, 256);
    ax_buf_init(&after, 256);
    ax_buf_init(&bytes, (size_t)1 << 20);
    memcpy(before, digest, sizeof(before));
    ax_source_journal_put_extent(&extent, ax_offline_pushed(store, source));
    assert_true(ax_str_starts_with(ax_buf_str(&extent), AX_STR("rows 1 to 2 (")));
    push(3);
    expect_asked();
    assert_string_equal(digest, before);
    assert_true(open_again());
    ax_source_journal_put_extent(&after, ax_offline_pushed(store, source));
    assert_true(ax_str_starts_with(ax_buf_str(&after), AX_STR("rows 1 to 3 (")));
    const char *path = in_state("/journal/s/0000000000000001.journal");
    if (ax_file_read(path, &bytes, &err))
        fail_msg("%s", err.msg);
    /* What ends in mid-group was not acknowledged. */
    bytes.len -= 8;
    if (ax_file_replace(path, ax_buf_str(&bytes), &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ask(&err), AX_E_INVALID); /* What it was to read is no longer there. */
    assert_true(open_again());
    expect_asked();
    assert_string_equal(digest, before);
    /* No journal at all. */
    bytes.ptr[0] ^= 1;
    path = in_state("/journal/s/0000000000000001.journal");
    ax_err_clear(&err);
    if (ax_file_replace(path, ax_buf_str(&bytes), &err))
        fail_msg("%s", err.msg);
    assert_false(open_again());
    ax_buf_done(&extent);
    ax_buf_done(&after);
    ax_buf_done(&bytes);
}

/* A row that was erased is none. */
static void test_erased(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    const uint64_t sequence = 1;
    size_t erased;
    char second[65];
    if (ax_file_remove_tree(in_state("/journal/s"), &err))
        fail_msg("%s", err.msg);
    write_text("s.jsonl", ax_str_from(strchr(rows_text, '\n') + 1));
    assert_true(open_again());
    expect_asked();
    memcpy(second, digest, sizeof(second));
    write_text("s.jsonl", AX_STR(""));
    push(1);
    assert_true(open_again());
    expect_asked();
    assert_string_not_equal(digest, second);
    struct ax_journal *journal = open_journal();
    if (ax_journal_end_segment(journal, &err) ||
        ax_journal_erase(journal, &sequence, 1, &erased, &err))
        fail_msg("%s", err.msg);
    ax_journal_close(journal);
    assert_true(open_again());
    expect_asked();
    assert_string_equal(digest, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_storages),
        cmocka_unit_test(test_appended_and_damaged),
        cmocka_unit_test(test_erased),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
