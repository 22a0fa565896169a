/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a journal costs: rows of a text of 6 letters, two of 3, a time and a float64.
 *
 *     build/release/bench/journal [FOLDER]    # an empty folder, on the disk that is asked about
 *
 * Rows are added in blocks of 2,000, and committed in groups of 10,000, of 100 and one by one, with
 * the kernel and synced; then they are read into columns. Nanoseconds of the thread's CPU time a
 * row, in turns; the least and the median of the slices. Behind them, rows a second of wall-clock
 * time in synced groups of 10,000, for which the disk is waited. The folder is removed afterwards.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "feature/online/journal.h"
#include "feature/online/journal_reader.h"

#include "program.h"
#include "turns.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 2000, COLUMNS = 5, TO_READ = 10, SYNCED_GROUPS = 50 };

#define LARGE       ((size_t)10000)
#define ARENA_BYTES ((size_t)4 << 20)

static const struct ax_definition_column columns[COLUMNS] = {
    { .name = { "tailnum", 7 }, .storage = { AX_STORAGE_STRING, false } },
    { .name = { "origin", 6 }, .storage = { AX_STORAGE_STRING, false } },
    { .name = { "dest", 4 }, .storage = { AX_STORAGE_STRING, false } },
    { .name = { "departed_at", 11 }, .storage = { AX_STORAGE_TIMESTAMP, false } },
    { .name = { "dep_delay", 9 }, .storage = { AX_STORAGE_FLOAT64, false } },
};

static struct ax_err err = AX_ERR_INIT;
static struct ax_arena arena, read_arena;
static struct ax_values values[COLUMNS];
static const struct ax_values *fields[COLUMNS];
static const char *folder = "/tmp/auspex-bench-journal";
static char read_folder[4096];

static void check(enum ax_code code)
{
    if (code)
        die(err.msg);
}

static void make_rows(void)
{
    static const char *const texts[] = { "N14228", "EWR", "IAH" };
    ax_arena_init(&arena, ARENA_BYTES, 4 * ARENA_BYTES);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct ax_type type = ax_storage_type(columns[c].storage);
        check(ax_values_init(&values[c], type, BLOCK, &arena, &err));
        fields[c] = &values[c];
    }
    for (size_t r = 0; r < BLOCK; r++) {
        for (size_t c = 0; c < AX_COUNT(texts); c++)
            values[c].texts[r] = ax_str_from(texts[c]);
        values[3].i64s[r] = (int64_t)r;
        values[4].f64s[r] = (double)r;
    }
}

static struct ax_journal *open_journal(const char *name, bool is_synced)
{
    static char path[4096];
    struct ax_journal *journal;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct ax_journal_config config = { .folder = path,
                                        .source = AX_STR("departures"),
                                        .columns = columns,
                                        .column_count = COLUMNS,
                                        .is_synced = is_synced };
    check(ax_journal_open(&config, &journal, &err));
    return journal;
}

struct groups {
    struct ax_journal *journal;
    size_t rows;
};

static void append(const void *context, size_t number)
{
    (void)number;
    const struct groups *groups = context;
    uint64_t first = 0;
    for (size_t left = groups->rows; left;) {
        size_t rows = AX_MIN(left, (size_t)BLOCK);
        check(ax_journal_add(groups->journal, fields, rows, 1, &first, &err));
        left -= rows;
    }
    check(ax_journal_commit(groups->journal, &err));
    check(ax_journal_remove_below(groups->journal, first, &err));
}

/* All of it. */
static void read_rows(const void *context, size_t number)
{
    (void)context;
    (void)number;
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows;
    size_t count = 0;
    check(ax_journal_reader_open(read_folder, columns, COLUMNS, 0, 0, &reader, &err));
    do {
        ax_arena_reset(&read_arena);
        check(ax_journal_reader_next(reader, &read_arena, &rows, &err));
        count += rows.rows;
    } while (rows.rows);
    ax_journal_reader_close(reader);
    if (count != TO_READ * LARGE)
        die("rows are missing");
}

static void append_synced(struct ax_journal *journal)
{
    const struct groups groups = { journal, LARGE };
    uint64_t start = ax_clock_ns();
    for (size_t i = 0; i < SYNCED_GROUPS; i++)
        append(&groups, i);
    double seconds = (double)(ax_clock_ns() - start) / 1e9;
    printf("%-60s %8.0f rows/s\n", "synced groups of 10,000, wall-clock",
           (double)(SYNCED_GROUPS * LARGE) / seconds);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        die("usage: journal [FOLDER]");
    folder = argc == 2 ? argv[1] : folder;
    make_rows();
    struct ax_journal *kernel = open_journal("kernel", false);
    struct ax_journal *synced = open_journal("synced", true);
    struct ax_journal *to_read = open_journal("read", false);
    const struct groups one = { kernel, 1 }, small = { kernel, 100 }, large = { kernel, LARGE };
    const struct groups disk = { synced, LARGE }, kept = { to_read, LARGE };
    for (size_t i = 0; i < TO_READ; i++)
        append(&kept, i);
    (void)snprintf(read_folder, sizeof(read_folder), "%s/read", folder);
    ax_arena_init(&read_arena, ARENA_BYTES, 4 * ARENA_BYTES);
    struct turns_part parts[] = {
        { "append and commit one by one", append, &one, 1000, 1, { 0 } },
        { "append, groups of 100", append, &small, 1000, 100, { 0 } },
        { "append, groups of 10,000", append, &large, 1000, LARGE, { 0 } },
        { "append, groups of 10,000, synced", append, &disk, 1000, LARGE, { 0 } },
        { "read into columns", read_rows, NULL, 1, TO_READ * LARGE, { 0 } },
    };
    turns_take(parts, AX_COUNT(parts));
    append_synced(synced);
    struct ax_journal_stats stats;
    ax_journal_stats(to_read, &stats);
    printf("%-60s %8.1f bytes\n", "a row", (double)stats.bytes_written / (double)stats.rows);
    ax_journal_close(kernel);
    ax_journal_close(synced);
    ax_journal_close(to_read);
    check(ax_file_remove_tree(folder, &err));
    return 0;
}
