/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a journal acknowledged is read again, whatever the types, however the process ended,
 * and whatever the disk refused; what it did not acknowledge is not; damage is told, not skipped.
 * Method: random rows of all storages in small segments, read from everywhere; the file of a small
 * journal cut at every byte and changed at every byte; a child that appends and is killed; a file
 * that may not grow; syncs and cuts that fail (the system's calls are replaced here); columns that
 * changed; readers beside the writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

static int failing_fdatasync(int fd);
static int failing_ftruncate(int fd, off_t len);
#define fdatasync failing_fdatasync
#define ftruncate failing_ftruncate
#include "feature/online/journal.c" /* NOLINT(bugprone-suspicious-include) */
#undef fdatasync
#undef ftruncate

#include "base/thread.h"
#include "feature/online/journal_reader.h"

#include "test_folder.h"

#include "random_columns.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { COLUMNS = 2 * AX_STORAGE_COUNT, ADDS = 40, ADD_ROWS_MAX = 40 };

#define ARENA_BYTES ((size_t)1 << 20)

static bool syncs_fail, cuts_fail;
static unsigned syncs;

/* Does not sync: that would take long, and no test has its machine fail. */
static int failing_fdatasync(int fd)
{
    assert_true(fd >= 0);
    syncs++;
    errno = EIO;
    return syncs_fail ? -1 : 0;
}

static int failing_ftruncate(int fd, off_t len)
{
    errno = EIO;
    return cuts_fail ? -1 : ftruncate(fd, len);
}

/* ---- a journal for each test ---- */

static char journal_folder[64];
static unsigned folders;

static int setup(void **state)
{
    (void)state;
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    ax_random_init(&numbers, 5, 0);
    (void)snprintf(journal_folder, sizeof(journal_folder), "%s/%u", folder, ++folders);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    syncs_fail = cuts_fail = false;
    return 0;
}

/* A number, and a text. */
static const struct ax_definition_column pair[] = {
    { .name = { "n", 1 }, .storage = { AX_STORAGE_INT64, false } },
    { .name = { "t", 1 }, .storage = { AX_STORAGE_STRING, false } },
};

static struct ax_journal_config pair_config(void)
{
    return (struct ax_journal_config){ .folder = journal_folder,
                                       .source = AX_STR("departures"),
                                       .columns = pair,
                                       .column_count = AX_COUNT(pair) };
}

static struct ax_journal *open_journal(const struct ax_journal_config *config)
{
    struct ax_journal *journal;
    assert_int_equal(ax_journal_open(config, &journal, &err), AX_OK);
    return journal;
}

/* Rows whose number is their sequence, and whose text has as many letters as that has tens. */
static int64_t pair_taken_us = 77; /* when the rows that are added are taken in */

static enum ax_code add_pairs(struct ax_journal *journal, size_t rows)
{
    static char letters[1000];
    int64_t ns[100];
    struct ax_str texts[100];
    uint64_t first = journal->first + row_count(journal);
    memset(letters, 'x', sizeof(letters));
    for (size_t i = 0; i < rows; i++) {
        ns[i] = (int64_t)(first + i);
        texts[i] = (struct ax_str){ letters, (first + i) / 10 % sizeof(letters) };
    }
    struct ax_values n = { .type = { AX_TYPE_INT64, false }, .rows = rows, .i64s = ns };
    struct ax_values t = { .type = { AX_TYPE_STRING, false }, .rows = rows, .texts = texts };
    const struct ax_values *columns[] = { &n, &t };
    uint64_t got = 0;
    if (!ax_journal_add(journal, columns, rows, pair_taken_us, &got, &err))
        assert_int_equal(got, first);
    return err.code;
}

static void commit_pairs(struct ax_journal *journal, size_t rows)
{
    assert_int_equal(add_pairs(journal, rows), AX_OK);
    assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
}

/* Read rows of pairs, which have to be right, and return how many there are. */
static size_t count_pairs(uint64_t from, uint64_t until)
{
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    size_t count = 0;
    if (ax_journal_reader_open(journal_folder, pair, AX_COUNT(pair), from, until, &reader, &err))
        return 0;
    do {
        ax_arena_reset(&arena);
        rows.rows = 0;
        (void)(ax_journal_reader_next(reader, &arena, &rows, &err) != AX_OK);
        for (size_t i = 0; i < rows.rows; i++) {
            assert_int_equal(rows.values[0].i64s[i], rows.first_sequence + i);
            assert_int_equal(rows.values[1].texts[i].len, (rows.first_sequence + i) / 10 % 1000);
            assert_in_range(rows.taken_us[i], 77, pair_taken_us);
        }
        if (rows.rows)
            assert_int_equal(rows.first_sequence, AX_MAX(from, (uint64_t)1) + count);
        count += rows.rows;
    } while (rows.rows);
    ax_journal_reader_close(reader);
    return count;
}

static void assert_failed(enum ax_code code, const char *words)
{
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not in '%s'", words, err.msg);
    ax_err_clear(&err);
}

/* ---- what went in comes out ---- */

struct added {
    struct ax_values values[COLUMNS];
    size_t rows;
    uint64_t first;
};

static struct ax_definition_column all_columns[COLUMNS];
static char all_names[COLUMNS][8];
static struct added added[ADDS];

static struct ax_journal_config all_config(void)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        int len = snprintf(all_names[i], sizeof(all_names[i]), "c%zu", i);
        all_columns[i].name = (struct ax_str){ all_names[i], (size_t)len };
        all_columns[i].storage = (struct ax_storage){ (enum ax_storage_kind)(i % AX_STORAGE_COUNT),
                                                      i >= AX_STORAGE_COUNT };
    }
    return (struct ax_journal_config){ .folder = journal_folder,
                                       .source = AX_STR("all"),
                                       .columns = all_columns,
                                       .column_count = COLUMNS,
                                       .segment_bytes_max = 100000 };
}

static void add_random(struct ax_journal *journal, struct added *one)
{
    const struct ax_values *columns[COLUMNS];
    one->rows = 1 + ax_random_below(&numbers, ADD_ROWS_MAX);
    for (size_t i = 0; i < COLUMNS; i++) {
        random_column(&one->values[i], all_columns[i].storage, one->rows);
        columns[i] = &one->values[i];
    }
    assert_int_equal(
        ax_journal_add(journal, columns, one->rows, (int64_t)one->rows, &one->first, &err), AX_OK);
}

static void assert_rows(const struct ax_journal_rows *rows)
{
    size_t at = 0;
    for (size_t r = 0; r < rows->rows; r++) {
        uint64_t sequence = rows->first_sequence + r;
        while (sequence >= added[at].first + added[at].rows)
            at++;
        assert_int_equal(rows->taken_us[r], added[at].rows);
        for (size_t i = 0; i < COLUMNS; i++)
            assert_value(all_columns[i].storage, &added[at].values[i],
                         (size_t)(sequence - added[at].first), &rows->values[i], r);
    }
}

static void read_all(uint64_t from, uint64_t until)
{
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    struct ax_arena own;
    ax_arena_init(&own, ARENA_BYTES, 16 * ARENA_BYTES);
    assert_int_equal(
        ax_journal_reader_open(journal_folder, all_columns, COLUMNS, from, until, &reader, &err),
        AX_OK);
    uint64_t next = from;
    for (;;) {
        assert_int_equal(ax_journal_reader_next(reader, &own, &rows, &err), AX_OK);
        if (!rows.rows)
            break;
        assert_int_equal(rows.first_sequence, next);
        assert_in_range(rows.rows, 1, AX_VALUES_ROWS_MAX);
        assert_rows(&rows);
        next += rows.rows;
        ax_arena_reset(&own);
    }
    assert_int_equal(next, until);
    ax_journal_reader_close(reader);
    ax_arena_done(&own);
}

static void what_was_added_is_read(void **state)
{
    (void)state;
    struct ax_journal_config config = all_config();
    struct ax_journal *journal = open_journal(&config);
    for (size_t i = 0; i < ADDS; i++) {
        add_random(journal, &added[i]);
        if (chance(3) || i + 1 == ADDS)
            assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
        if (chance(10)) {
            assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
            ax_journal_close(journal);
            journal = open_journal(&config);
        }
    }
    uint64_t next = ax_journal_next(journal);
    struct ax_journal_stats stats;
    ax_journal_stats(journal, &stats);
    assert_true(stats.segments > 2);
    assert_int_equal(stats.bytes_cut, 0);
    ax_journal_close(journal);
    assert_int_equal(next, added[ADDS - 1].first + added[ADDS - 1].rows);
    read_all(1, next);
    for (size_t i = 0; i < 10; i++) {
        uint64_t from = 1 + ax_random_below(&numbers, next - 1);
        read_all(from, from + ax_random_below(&numbers, next - from + 1));
    }
}

static void nan_is_null(void **state)
{
    (void)state;
    static const struct ax_definition_column column = { .name = { "x", 1 },
                                                        .storage = { AX_STORAGE_FLOAT64, false } };
    struct ax_journal_config config = pair_config();
    config.columns = &column;
    config.column_count = 1;
    struct ax_journal *journal = open_journal(&config);
    double reals[] = { 1.5, NAN, INFINITY };
    struct ax_values x = { .type = { AX_TYPE_FLOAT64, false }, .rows = 3, .f64s = reals };
    const struct ax_values *columns[] = { &x };
    uint64_t first;
    assert_int_equal(ax_journal_add(journal, columns, 3, 1, &first, &err), AX_OK);
    assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
    ax_journal_close(journal);
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    assert_int_equal(ax_journal_reader_open(journal_folder, &column, 1, 1, 0, &reader, &err),
                     AX_OK);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
    assert_int_equal(rows.rows, 3);
    assert_true(rows.values[0].f64s[0] == 1.5);
    assert_true(ax_values_is_null(&rows.values[0], 1));
    assert_true(isinf(rows.values[0].f64s[2]));
    ax_journal_reader_close(reader);
}

/* ---- columns that changed ---- */

static void columns_of_today_are_read(void **state)
{
    (void)state;
    static const struct ax_definition_column before[] = {
        { .name = { "a", 1 }, .storage = { AX_STORAGE_INT32, false } },
        { .name = { "b", 1 }, .storage = { AX_STORAGE_INT32, true } },
        { .name = { "c", 1 }, .storage = { AX_STORAGE_FLOAT32, false } },
        { .name = { "gone", 4 }, .storage = { AX_STORAGE_BOOL, false } },
    };
    static const struct ax_definition_column after[] = {
        { .name = { "new", 3 }, .storage = { AX_STORAGE_STRING, true } },
        { .name = { "c", 1 }, .storage = { AX_STORAGE_FLOAT64, false } },
        { .name = { "b", 1 }, .storage = { AX_STORAGE_FLOAT64, true } },
        { .name = { "a", 1 }, .storage = { AX_STORAGE_INT64, false } },
    };
    struct ax_journal_config config = pair_config();
    config.columns = before;
    config.column_count = AX_COUNT(before);
    int64_t as[] = { 7, 8 }, items[] = { 1, 2, 3 };
    double cs[] = { 0.5, 2 };
    uint8_t gone[] = { 1, 0 };
    struct ax_span spans[] = { { 0, 2 }, { 2, 1 } };
    struct ax_values b_items = { .type = { AX_TYPE_INT64, false }, .rows = 3, .i64s = items };
    struct ax_values values[] = {
        { .type = { AX_TYPE_INT64, false }, .rows = 2, .i64s = as },
        { .type = { AX_TYPE_INT64, true }, .rows = 2, .spans = spans, .items = &b_items },
        { .type = { AX_TYPE_FLOAT64, false }, .rows = 2, .f64s = cs },
        { .type = { AX_TYPE_BOOL, false }, .rows = 2, .bools = gone },
    };
    const struct ax_values *columns[] = { &values[0], &values[1], &values[2], &values[3] };
    uint64_t first;
    struct ax_journal *journal = open_journal(&config);
    assert_int_equal(ax_journal_add(journal, columns, 2, 1, &first, &err), AX_OK);
    assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
    ax_journal_close(journal);

    config.columns = after;
    config.column_count = AX_COUNT(after);
    journal = open_journal(&config); /* Begins a segment, */
    assert_int_equal(ax_journal_next(journal), 3);
    ax_journal_close(journal);
    config.column_count = 3;
    journal = open_journal(&config); /* and takes the place of it, since it is empty. */
    struct ax_journal_stats stats;
    ax_journal_stats(journal, &stats);
    assert_int_equal(stats.segments, 2);
    assert_int_equal(ax_journal_next(journal), 3);
    ax_journal_close(journal);

    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    assert_int_equal(
        ax_journal_reader_open(journal_folder, after, AX_COUNT(after), 0, 0, &reader, &err), AX_OK);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
    assert_int_equal(rows.rows, 2);
    assert_true(ax_values_is_null(&rows.values[0], 0) && ax_values_is_null(&rows.values[0], 1));
    assert_int_equal(rows.values[0].spans[1].count, 0);
    assert_true(rows.values[1].f64s[0] == 0.5);
    assert_true(rows.values[2].items->f64s[rows.values[2].spans[1].from] == 3);
    assert_int_equal(rows.values[3].i64s[1], 8);
    ax_journal_reader_close(reader);

    static const struct ax_definition_column narrower = { .name = { "c", 1 },
                                                          .storage = { AX_STORAGE_INT64, false } };
    assert_int_equal(ax_journal_reader_open(journal_folder, &narrower, 1, 0, 0, &reader, &err),
                     AX_OK);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_E_INVALID);
    assert_failed(AX_E_INVALID, "'c' as float32, which cannot be read as int64");
    ax_journal_reader_close(reader);
}

/* ---- cut and damaged ---- */

static struct ax_buf file;

/* Three groups of 3, 1 and 4 rows; returns where the second and the third begin. */
static void make_three(uint64_t ret_begins[2])
{
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal = open_journal(&config);
    commit_pairs(journal, 3);
    ret_begins[0] = journal->segment.at;
    commit_pairs(journal, 1);
    ret_begins[1] = journal->segment.at;
    commit_pairs(journal, 4);
    ax_buf_init(&file, ARENA_BYTES);
    assert_int_equal(ax_file_read(journal->segment.path, &file, &err), AX_OK);
    ax_journal_close(journal);
}

static void write_file(size_t len)
{
    char *path = ax_journal_path(journal_folder, 1);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(file.ptr, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    free(path);
}

static void a_group_cut_anywhere_is_cut_off(void **state)
{
    (void)state;
    uint64_t begins[2];
    struct ax_journal_config config = pair_config();
    make_three(begins);
    for (size_t len = begins[1]; len < file.len; len++) {
        write_file(len);
        assert_int_equal(count_pairs(0, 0), 4);
        struct ax_journal *journal = open_journal(&config);
        struct ax_journal_stats stats;
        ax_journal_stats(journal, &stats);
        assert_int_equal(stats.bytes_cut, len - begins[1]);
        assert_false(stats.is_cut_damaged);
        assert_int_equal(stats.bytes, begins[1]);
        assert_int_equal(ax_journal_next(journal), 5);
        commit_pairs(journal, 2);
        ax_journal_close(journal);
        assert_int_equal(count_pairs(0, 7), 6);
    }
    ax_buf_done(&file);
}

static void every_changed_bit_is_seen(void **state)
{
    (void)state;
    uint64_t begins[2];
    struct ax_journal_config config = pair_config();
    make_three(begins);
    uint32_t head_bytes;
    memcpy(&head_bytes, file.ptr + 16, sizeof(head_bytes));
    for (size_t at = 0; at < file.len; at++) {
        struct ax_journal *journal;
        file.ptr[at] ^= (char)(1 << (at % 8));
        write_file(file.len);
        size_t whole = at < head_bytes ? 0 : at < begins[0] ? 0 : at < begins[1] ? 3 : 4;
        assert_int_equal(count_pairs(0, 0), whole);
        if (at < head_bytes)
            assert_failed(AX_E_INVALID, "no segment of a journal");
        assert_int_equal(count_pairs(0, 9), whole);
        assert_failed(AX_E_INVALID, "0000000000000001.journal");
        struct ax_journal_extent extent;
        bool is_told = ax_journal_extent_read(journal_folder, &extent, &err) != AX_OK;
        assert_int_equal(is_told, at < begins[1]);
        if (is_told)
            assert_failed(AX_E_INVALID, "0000000000000001.journal");
        else
            assert_int_equal(extent.next, 5);
        if (at < begins[1]) {
            assert_int_not_equal(ax_journal_open(&config, &journal, &err), AX_OK);
            assert_failed(AX_E_INVALID, "0000000000000001.journal");
        } else {
            struct ax_journal_stats stats;
            journal = open_journal(&config);
            assert_int_equal(ax_journal_next(journal), 5);
            ax_journal_stats(journal, &stats);
            assert_true(stats.is_cut_damaged);
            ax_journal_close(journal);
        }
        file.ptr[at] ^= (char)(1 << (at % 8));
    }
    ax_buf_done(&file);
}

static void gaps_are_told(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    config.segment_bytes_max = 1;
    struct ax_journal *journal = open_journal(&config);
    for (size_t i = 0; i < 4; i++)
        commit_pairs(journal, 2);
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    assert_int_equal(
        ax_journal_reader_open(journal_folder, pair, AX_COUNT(pair), 0, 0, &reader, &err), AX_OK);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
    char *path = ax_journal_path(journal_folder, 5);
    assert_int_equal(truncate(path, 150), 0);
    assert_int_equal(count_pairs(0, 0), 4);
    assert_failed(AX_E_INVALID, "0000000000000005.journal' is damaged at byte");
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
    assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_E_CONFLICT);
    assert_failed(AX_E_CONFLICT, "removed meanwhile");
    ax_journal_reader_close(reader);
    assert_int_equal(count_pairs(0, 0), 4);
    assert_failed(AX_E_INVALID, "lacks the rows 5 to 6");
    ax_journal_close(journal);
    config.source = AX_STR("arrivals");
    assert_int_equal(ax_journal_open(&config, &journal, &err), AX_E_INVALID);
    assert_failed(AX_E_INVALID, "journal of 'departures', not of 'arrivals'");
}

/* ---- refused ---- */

static void a_file_that_cannot_grow(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal = open_journal(&config);
    commit_pairs(journal, 10);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = journal->segment.at + 100;
    assert_int_equal(add_pairs(journal, 50), AX_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    int set = setrlimit(RLIMIT_FSIZE, &limit);
    enum ax_code code = ax_journal_commit(journal, &err);
    int reset = setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(set || reset, 0);
    assert_int_equal(code, AX_E_TOO_LARGE);
    assert_failed(AX_E_TOO_LARGE, "journal of 'departures': '");
    assert_int_equal(ax_journal_next(journal), 11);
    assert_int_equal(count_pairs(0, 11), 10);
    commit_pairs(journal, 20);
    struct ax_journal_stats stats;
    ax_journal_stats(journal, &stats);
    assert_int_equal(stats.failures, 1);
    ax_journal_close(journal);
    assert_int_equal(count_pairs(0, 31), 30);
}

static void a_failed_sync_ends_it(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    config.is_synced = true;
    struct ax_journal *journal = open_journal(&config);
    unsigned before = syncs;
    commit_pairs(journal, 10);
    assert_int_equal(syncs, before + 1);
    assert_int_equal(add_pairs(journal, 5), AX_OK);
    syncs_fail = true;
    assert_int_equal(ax_journal_commit(journal, &err), AX_E_INTERNAL);
    assert_failed(AX_E_INTERNAL, "sync '");
    syncs_fail = false;
    assert_int_equal(ax_journal_next(journal), 11);
    assert_int_equal(add_pairs(journal, 5), AX_E_UNAVAILABLE);
    assert_failed(AX_E_UNAVAILABLE, "takes nothing more until a restart");
    assert_int_equal(ax_journal_commit(journal, &err), AX_E_UNAVAILABLE);
    assert_failed(AX_E_UNAVAILABLE, "takes nothing more until a restart");
    ax_journal_close(journal);
    journal = open_journal(&config);
    commit_pairs(journal, 5);
    ax_journal_close(journal);
    assert_int_equal(count_pairs(0, 16), 15);
}

static void an_ended_segment_is_synced(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    config.segment_bytes_max = 1;
    struct ax_journal *journal = open_journal(&config);
    unsigned before = syncs;
    commit_pairs(journal, 10);
    assert_int_equal(syncs, before);
    commit_pairs(journal, 10);
    assert_int_equal(syncs, before + 1);
    assert_int_equal(add_pairs(journal, 5), AX_OK);
    syncs_fail = true;
    assert_int_equal(ax_journal_commit(journal, &err), AX_E_INTERNAL);
    assert_failed(AX_E_INTERNAL, "sync '");
    assert_int_equal(add_pairs(journal, 5), AX_E_UNAVAILABLE);
    ax_err_clear(&err);
    ax_journal_close(journal);
    assert_int_equal(count_pairs(0, 0), 20);
}

static void a_failed_cut_ends_it(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal = open_journal(&config);
    commit_pairs(journal, 10);
    assert_int_equal(add_pairs(journal, 5), AX_OK);
    int fd = journal->segment.fd;
    journal->segment.fd = -1;
    assert_int_not_equal(ax_journal_commit(journal, &err), AX_OK);
    ax_err_clear(&err);
    journal->segment.fd = fd;
    assert_int_equal(add_pairs(journal, 5), AX_E_UNAVAILABLE);
    ax_err_clear(&err);
    ax_journal_close(journal);
    assert_int_equal(count_pairs(0, 11), 10);
    cuts_fail = true;
    assert_int_equal(ax_journal_open(&config, &journal, &err), AX_E_INTERNAL);
    assert_failed(AX_E_INTERNAL, "cut '");
}

static void limits(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    config.segment_bytes_max = 500;
    config.bytes_max = 2000;
    struct ax_journal *journal = open_journal(&config);
    uint64_t next = 1;
    while (!add_pairs(journal, 3) && !ax_journal_commit(journal, &err))
        next = ax_journal_next(journal);
    assert_failed(AX_E_LIMIT, "and may have 2000 at most");
    struct ax_journal_stats full, less;
    ax_journal_stats(journal, &full);
    assert_in_range(full.bytes, 1500, 2000);
    assert_int_equal(ax_journal_remove_below(journal, next - 3, &err), AX_OK);
    ax_journal_stats(journal, &less);
    assert_true(less.segments < full.segments && less.bytes < full.bytes);
    commit_pairs(journal, 3);
    assert_int_equal(ax_journal_remove_below(journal, UINT64_MAX, &err), AX_OK);
    ax_journal_stats(journal, &less);
    assert_int_equal(less.segments, 1);
    ax_journal_close(journal);
    journal = open_journal(&config);
    assert_int_equal(ax_journal_next(journal), next + 3);

    char *large = calloc(1, AX_ONLINE_ROW_BYTES_MAX);
    int64_t ns[] = { 1, 2 };
    struct ax_str texts[] = { AX_STR("x"), { large, AX_ONLINE_ROW_BYTES_MAX } };
    struct ax_values n = { .type = { AX_TYPE_INT64, false }, .rows = 2, .i64s = ns };
    struct ax_values t = { .type = { AX_TYPE_STRING, false }, .rows = 2, .texts = texts };
    const struct ax_values *columns[] = { &n, &t };
    uint64_t first;
    assert_non_null(large);
    assert_int_equal(add_pairs(journal, 1), AX_OK);
    assert_int_equal(ax_journal_add(journal, columns, 2, 1, &first, &err), AX_E_TOO_LARGE);
    assert_failed(AX_E_TOO_LARGE, "row 1 has ");
    assert_int_equal(ax_journal_commit(journal, &err), AX_OK);
    assert_int_equal(ax_journal_next(journal), next + 4);
    texts[0] = texts[1];
    texts[0].len -= 1000;
    size_t fitting = 0;
    while (!ax_journal_add(journal, columns, 1, 1, &first, &err))
        fitting++;
    assert_failed(AX_E_LIMIT, "rows to commit are over 67108864 bytes");
    assert_in_range(fitting, 63, 64);
    ax_journal_close(journal);
    /* More than any group takes. */
    journal = open_journal(&config);
    static struct ax_str many[65];
    static int64_t many_ns[AX_COUNT(many)];
    for (size_t i = 0; i < AX_COUNT(many); i++)
        many[i] = texts[0];
    n.rows = t.rows = AX_COUNT(many);
    n.i64s = many_ns;
    t.texts = many;
    next = ax_journal_next(journal);
    assert_int_equal(ax_journal_add(journal, columns, AX_COUNT(many), 1, &first, &err),
                     AX_E_TOO_LARGE);
    assert_failed(AX_E_TOO_LARGE, "the rows are over 67108864 bytes: give fewer at a time");
    assert_int_equal(ax_journal_next(journal), next);
    free(large);
    ax_journal_close(journal);
}

/* ---- rows that are erased ---- */

/* Each row is as it was, but for those of `erased`, each a bit. */
static void check_erased(const uint64_t *erased, uint64_t next)
{
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    uint64_t sequence = 1;
    assert_int_equal(
        ax_journal_reader_open(journal_folder, pair, AX_COUNT(pair), 1, next, &reader, &err),
        AX_OK);
    do {
        ax_arena_reset(&arena);
        assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
        for (size_t i = 0; i < rows.rows; i++, sequence++) {
            bool is_erased = erased[sequence / 64] >> (sequence % 64) & 1;
            assert_int_equal(rows.taken_us[i], 77);
            assert_int_equal(ax_values_is_null(&rows.values[0], i), is_erased);
            assert_int_equal(ax_values_is_null(&rows.values[1], i), is_erased);
            assert_int_equal(rows.values[0].i64s[i], is_erased ? 0 : sequence);
            if (!is_erased)
                assert_int_equal(rows.values[1].texts[i].len, sequence / 10 % 1000);
        }
    } while (rows.rows);
    assert_int_equal(sequence, next);
    ax_journal_reader_close(reader);
}

static void erase_all(struct ax_journal *journal, const uint64_t *sequences, size_t count)
{
    struct ax_journal_extent before, after;
    assert_int_equal(ax_journal_end_segment(journal, &err), AX_OK);
    assert_int_equal(ax_journal_extent_read(journal_folder, &before, &err), AX_OK);
    for (size_t at = 0, some; at < count; at += some) {
        assert_int_equal(ax_journal_erase(journal, sequences + at, count - at, &some, &err), AX_OK);
        assert_in_range(some, 1, count - at);
        assert_int_equal(ax_journal_extent_read(journal_folder, &after, &err), AX_OK);
        assert_int_equal(after.next, before.next);
        assert_int_not_equal(after.hash, before.hash);
        before = after;
    }
}

/* Rows of any segments, also of ones that were erased from before, beside what is appended. Whoever
 * is killed after any of the segments leaves a journal that is told from the one before. */
static void erased_rows_have_no_values(void **state)
{
    (void)state;
    enum { ROUNDS = 8, COMMITS_EACH = 10, COMMIT_ROWS_MAX = 9, ROWS = 720 };
    struct ax_journal_config config = pair_config();
    struct ax_journal_stats stats, opened;
    uint64_t erased[ROWS / 64 + 1] = { 0 };
    config.segment_bytes_max = 3000;
    struct ax_journal *journal = open_journal(&config);
    for (size_t round = 0; round < ROUNDS; round++) {
        uint64_t sequences[ROWS];
        size_t count = 0;
        for (size_t i = 0; i < COMMITS_EACH; i++)
            commit_pairs(journal, 1 + ax_random_below(&numbers, COMMIT_ROWS_MAX));
        uint64_t next = ax_journal_next(journal);
        for (uint64_t sequence = 1; sequence < next; sequence++) {
            if (!chance(round % 3 ? 20 : 3))
                continue;
            sequences[count++] = sequence;
            erased[sequence / 64] |= (uint64_t)1 << (sequence % 64);
        }
        erase_all(journal, sequences, count);
        check_erased(erased, next);
        ax_journal_stats(journal, &stats);
        if (round % 2 == 0)
            continue;
        ax_journal_close(journal);
        journal = open_journal(&config);
        ax_journal_stats(journal, &opened);
        assert_int_equal(opened.bytes, stats.bytes);
        assert_int_equal(opened.segments, stats.segments);
    }
    assert_true(stats.segments > ROUNDS);
    ax_journal_close(journal);
}

/* As when who makes a segment anew is killed before it takes the former's place. */
static void what_was_not_finished_goes(void **state)
{
    (void)state;
    char path[128];
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal = open_journal(&config);
    commit_pairs(journal, 3);
    ax_journal_close(journal);
    (void)snprintf(path, sizeof(path), "%s/.0000000000000001.journal.1234", journal_folder);
    assert_int_equal(ax_file_replace(path, AX_STR("half"), &err), AX_OK);
    journal = open_journal(&config);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(count_pairs(0, 4), 3);
    ax_journal_close(journal);
}

/* ---- rows that are old ---- */

/* Which rows a journal has when those before `before_us` went. */
static void expect_kept(struct ax_journal *journal, int64_t end_us, int64_t before_us,
                        uint64_t below, uint64_t first)
{
    struct ax_journal_extent extent;
    struct ax_journal_stats stats;
    uint64_t next = ax_journal_next(journal);
    assert_int_equal(ax_journal_expire(journal, end_us, before_us, below, &err), AX_OK);
    assert_int_equal(ax_journal_extent_read(journal_folder, &extent, &err), AX_OK);
    assert_int_equal(extent.first, first);
    assert_int_equal(extent.next, next);
    assert_int_equal(count_pairs(first, 0), next - first);
    ax_journal_stats(journal, &stats);
    assert_int_equal(stats.rows_kept, next - first);
    struct ax_journal_config config = pair_config();
    struct ax_journal_stats opened;
    struct ax_journal *again = open_journal(&config);
    ax_journal_stats(again, &opened);
    ax_journal_close(again);
    assert_int_equal(opened.bytes, stats.bytes);
    assert_int_equal(opened.rows_kept, stats.rows_kept);
}

/* Segments of ten rows each, taken in at 100, 200, …; the last one has one row of 500. */
static void old_rows_go(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal = open_journal(&config);
    for (pair_taken_us = 100; pair_taken_us <= 400; pair_taken_us += 100) {
        commit_pairs(journal, 5);
        commit_pairs(journal, 5);
        assert_int_equal(ax_journal_end_segment(journal, &err), AX_OK);
    }
    expect_kept(journal, 100, 100, UINT64_MAX, 1);
    commit_pairs(journal, 1);
    expect_kept(journal, 101, 101, 10, 1); /* The disk does not have the tenth row yet. */
    expect_kept(journal, 101, 101, 11, 11);
    expect_kept(journal, 201, 200, UINT64_MAX, 11);
    expect_kept(journal, 300, 300, UINT64_MAX, 21);
    expect_kept(journal, 500, 500, UINT64_MAX, 41);
    expect_kept(journal, 501, 500, UINT64_MAX, 41); /* The last segment is ended, */
    expect_kept(journal, 501, 501, UINT64_MAX, 42); /* and its last row says 500. */
    commit_pairs(journal, 3);
    expect_kept(journal, 500, 500, UINT64_MAX, 42);
    ax_journal_close(journal);
    pair_taken_us = 77;
}

/* ---- killed, and read meanwhile ---- */

static void append_until_killed(int acks)
{
    struct ax_journal_config config = pair_config();
    struct ax_journal *journal;
    config.segment_bytes_max = (uint64_t)1 << 20;
    if (ax_journal_open(&config, &journal, &err))
        _exit(1);
    for (size_t i = 0;; i++) {
        if (add_pairs(journal, 1 + i % 90) || ax_journal_commit(journal, &err))
            _exit(2);
        uint64_t next = ax_journal_next(journal);
        if (write(acks, &next, sizeof(next)) != (ssize_t)sizeof(next))
            _exit(3);
    }
}

/* The last acknowledgement of a child that is killed after `count` of them. */
static uint64_t kill_after(unsigned long count)
{
    int acks[2];
    assert_int_equal(pipe(acks), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        append_until_killed(acks[1]);
    (void)close(acks[1]);
    uint64_t next = 0;
    for (unsigned long i = 0; read(acks[0], &next, sizeof(next)) == (ssize_t)sizeof(next); i++) {
        if (i == count)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    (void)close(acks[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return next;
}

static void killed_writers_lose_nothing(void **state)
{
    (void)state;
    uint64_t acknowledged = 1;
    for (size_t i = 0; i < 50; i++) {
        uint64_t from = acknowledged;
        acknowledged = kill_after(ax_random_below(&numbers, 20));
        assert_true(acknowledged > from);
        assert_true(count_pairs(from, 0) >= acknowledged - from);
    }
    assert_true(count_pairs(0, 0) >= acknowledged - 1);
}

static struct ax_journal *shared;
static atomic_bool is_over;

static void append_on(void *arg)
{
    (void)arg;
    struct ax_err own = AX_ERR_INIT;
    int64_t n = 0;
    struct ax_str text = AX_STR("t");
    struct ax_values ns = { .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &n };
    struct ax_values ts = { .type = { AX_TYPE_STRING, false }, .rows = 1, .texts = &text };
    const struct ax_values *columns[] = { &ns, &ts };
    uint64_t first;
    for (size_t i = 0; i < 2000; i++) {
        n = (int64_t)(i + 1);
        text.len = i % 2;
        if (ax_journal_add(shared, columns, 1, 1, &first, &own) || ax_journal_commit(shared, &own))
            break;
    }
    atomic_store(&is_over, true);
}

static void readers_beside_the_writer(void **state)
{
    (void)state;
    struct ax_journal_config config = pair_config();
    config.segment_bytes_max = (uint64_t)40 << 10;
    shared = open_journal(&config);
    struct ax_thread writer;
    assert_int_equal(ax_thread_start(&writer, "write", append_on, NULL, &err), AX_OK);
    bool was_over;
    uint64_t next = 1;
    do {
        was_over = atomic_load(&is_over);
        struct ax_journal_reader *reader;
        struct ax_journal_rows rows;
        uint64_t until = ax_journal_next(shared);
        struct ax_journal_extent extent;
        assert_int_equal(ax_journal_extent_read(journal_folder, &extent, &err), AX_OK);
        assert_true(extent.next >= until);
        assert_int_equal(ax_journal_reader_open(journal_folder, pair, AX_COUNT(pair), next, until,
                                                &reader, &err),
                         AX_OK);
        do {
            ax_arena_reset(&arena);
            assert_int_equal(ax_journal_reader_next(reader, &arena, &rows, &err), AX_OK);
            for (size_t i = 0; i < rows.rows; i++)
                assert_int_equal(rows.values[0].i64s[i], next++);
        } while (rows.rows);
        assert_int_equal(next, until);
        ax_journal_reader_close(reader);
    } while (!was_over);
    ax_thread_join(&writer);
    assert_int_equal(next, 2001);
    ax_journal_close(shared);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_is_read),
        TEST(nan_is_null),
        TEST(columns_of_today_are_read),
        TEST(a_group_cut_anywhere_is_cut_off),
        TEST(every_changed_bit_is_seen),
        TEST(gaps_are_told),
        TEST(a_file_that_cannot_grow),
        TEST(a_failed_sync_ends_it),
        TEST(an_ended_segment_is_synced),
        TEST(a_failed_cut_ends_it),
        TEST(limits),
        TEST(erased_rows_have_no_values),
        TEST(what_was_not_finished_goes),
        TEST(old_rows_go),
        TEST(killed_writers_lose_nothing),
        TEST(readers_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
