/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz segments of a journal.
 *
 * The bytes are a segment as they are, and again with hashes and sequences that fit them. What a
 * reader takes of it, in the columns that it says it has, is what a writer finds in it, too; and
 * can be written behind it, and is then there twice.
 */
#include "feature/online/journal.h"
#include "feature/online/journal_reader.h"
#include "feature/online/journal_segment.h"

#include "base/file.h"
#include "base/hash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_BYTES   ((size_t)1 << 20)
#define HASH_AT       8
#define HEAD_BYTES_AT 16
#define FIRST_AT      32
#define HEAD_BYTES    40

static char folder[] = "/tmp/auspex-fuzz-XXXXXX"; /* mkdtemp fills in the end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void remove_folder(void)
{
    struct ax_err err = AX_ERR_INIT;
    (void)(ax_file_remove_tree(folder, &err) != AX_OK);
}

/* Read all rows, and add them to `copy` (NULL: to nothing). */
static bool read_rows(const struct ax_journal_segment *segment, struct ax_journal *copy,
                      uint64_t *ret_rows, struct ax_err *err)
{
    struct ax_journal_reader *reader = NULL;
    struct ax_journal_rows rows = { 0 };
    struct ax_arena arena;
    const struct ax_values **columns = malloc(segment->column_count * sizeof(*columns));
    ax_arena_init(&arena, ARENA_BYTES, 1024 * ARENA_BYTES);
    require(columns && !ax_journal_reader_open(folder, segment->columns, segment->column_count, 0,
                                               0, &reader, err));
    *ret_rows = 0;
    do {
        ax_arena_reset(&arena);
        if (ax_journal_reader_next(reader, &arena, &rows, err))
            break;
        uint64_t first;
        for (size_t i = 0; i < segment->column_count && rows.rows; i++)
            columns[i] = &rows.values[i];
        if (copy && rows.rows && ax_journal_add(copy, columns, rows.rows, 1, &first, err))
            break;
        require(!rows.rows || rows.first_sequence == 1 + *ret_rows);
        *ret_rows += rows.rows;
    } while (rows.rows);
    ax_journal_reader_close(reader);
    ax_arena_done(&arena);
    free(columns);
    return !err->code;
}

/* Write what there is behind it once more. */
static void write_on(const struct ax_journal_segment *segment, uint64_t rows)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_journal_config config = { .folder = folder,
                                        .source = segment->source,
                                        .columns = segment->columns,
                                        .column_count = segment->column_count };
    struct ax_journal *journal;
    uint64_t again;
    if (ax_journal_open(&config, &journal, &err)) {
        require(err.code == AX_E_INVALID);
        return;
    }
    require(ax_journal_next(journal) == 1 + rows);
    if (read_rows(segment, journal, &again, &err)) {
        require(again == rows && !ax_journal_commit(journal, &err));
        require(read_rows(segment, NULL, &again, &err) && again == 2 * rows);
    } else {
        require(err.code == AX_E_TOO_LARGE || err.code == AX_E_LIMIT);
    }
    ax_journal_close(journal);
}

static void read_segment(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_journal_segment segment;
    char *path = ax_journal_path(folder, 1);
    (void)unlink(path); /* ext4 writes to the disk what takes the place of what was truncated. */
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    require(fd >= 0 && !ax_file_write_all(fd, (struct ax_str){ (const char *)data, size }, &err));
    (void)close(fd);
    free(path);
    if (ax_journal_segment_open(&segment, folder, 1, O_RDONLY, &err)) {
        require(err.code == AX_E_INVALID);
        return;
    }
    uint64_t rows;
    if (read_rows(&segment, NULL, &rows, &err))
        write_on(&segment, rows);
    else
        require(err.code == AX_E_INVALID); /* Two columns of one name. */
    ax_journal_segment_done(&segment);
}

static void fit_groups(uint8_t *data, size_t size, uint32_t at)
{
    struct ax_journal_segment segment = { .at = at };
    uint64_t next = 1;
    memcpy(&segment.seed, data + HEAD_BYTES_AT + 8, sizeof(segment.seed));
    while (size - segment.at >= sizeof(struct ax_journal_group)) {
        struct ax_journal_group *group = (void *)(data + segment.at);
        if (group->bytes % 8 || group->bytes < sizeof(*group) || group->bytes > size - segment.at)
            return;
        group->first = next;
        ax_journal_group_seal(segment.seed, segment.at, group);
        segment.at += group->bytes;
        next += group->rows;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder[sizeof(folder) - 2] == 'X') {
        require(mkdtemp(folder) != NULL);
        (void)atexit(remove_folder);
    }
    read_segment(data, size);
    uint8_t *fitted = malloc(size + 1);
    uint32_t head_bytes = 0;
    require(fitted != NULL);
    memcpy(fitted, data, size);
    if (size >= HEAD_BYTES)
        memcpy(&head_bytes, data + HEAD_BYTES_AT, sizeof(head_bytes));
    if (head_bytes >= HEAD_BYTES && head_bytes <= size && head_bytes % 8 == 0) {
        static const char head_begins[HASH_AT] = { 'A', 'X', 'J', 'R', 'N', 'L', '0', '1' };
        uint64_t first = 1;
        memcpy(fitted, head_begins, HASH_AT);
        memcpy(fitted + FIRST_AT, &first, sizeof(first));
        fit_groups(fitted, size, head_bytes);
        uint64_t hash = ax_hash(
            (struct ax_str){ (const char *)fitted + HEAD_BYTES_AT, head_bytes - HEAD_BYTES_AT });
        memcpy(fitted + HASH_AT, &hash, sizeof(hash));
        read_segment(fitted, size);
    }
    free(fitted);
    return 0;
}
