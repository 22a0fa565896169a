/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a journal: one group in memory, one write and, if asked for, one sync a commit.
 *
 * The file is open for appending, so that after a failed write to cut it off is all that is to be
 * done. What the writer knows of the file is `segment.at`, the end of the last committed group,
 * and `segment.next`.
 */
#include "feature/online/journal.h"

#include "base/alloc.h"
#include "base/file.h"
#include "feature/online/journal_segment.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Memory of a group that is kept for the next one. */
#define GROUP_BYTES_KEPT ((size_t)4 << 20)
/* Of rows without values that are committed at once. */
#define BLANKS_BYTES_MAX ((size_t)1 << 20)

struct ax_journal {
    char *folder;
    struct ax_journal_segment segment; /* the last one; its columns are the journal's */
    bool is_synced;
    bool is_broken; /* takes nothing more */
    bool is_cut_damaged;
    uint64_t segment_bytes_max;
    uint64_t bytes_max;
    uint64_t *firsts; /* of the segments */
    size_t count;
    uint64_t looked_at; /* the row below it was taken in then; 0: none was looked at */
    int64_t looked_at_us;
    struct ax_buf group;     /* its head, and the parts that were added */
    struct ax_buf lengths;   /* of the parts */
    uint64_t first;          /* sequence of the first part that was added */
    _Atomic uint64_t oldest; /* sequence of the first row, */
    _Atomic uint64_t next;   /* and behind the last one: published */
    _Atomic uint64_t rows, commits, bytes_written, failures, bytes_cut, segments, bytes;
};

static void count_up(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void show_oldest(struct ax_journal *journal)
{
    atomic_store_explicit(&journal->oldest, journal->firsts[0], memory_order_relaxed);
}

/* ---- opening ---- */

static bool columns_are(const struct ax_journal_segment *segment,
                        const struct ax_definition_column *columns, size_t count)
{
    for (size_t i = 0; i < segment->column_count && segment->column_count == count; i++) {
        struct ax_storage storage = segment->columns[i].storage;
        if (!ax_str_equals(segment->columns[i].name, columns[i].name) ||
            storage.kind != columns[i].storage.kind ||
            storage.is_list != columns[i].storage.is_list)
            return false;
    }
    return segment->column_count == count;
}

/* Make a segment that begins with `first`, and go on in it. */
static enum ax_code begin_segment(struct ax_journal *journal, uint64_t first, struct ax_str source,
                                  const struct ax_definition_column *columns, size_t column_count,
                                  struct ax_err *err)
{
    char *path = ax_journal_path(journal->folder, first);
    struct ax_journal_segment begun;
    struct stat before, after;
    uint64_t had = stat(path, &before) ? 0 : (uint64_t)before.st_size;
    enum ax_code code =
        ax_journal_segment_make(path, first, source, columns, column_count, err) ||
                ax_journal_segment_open(&begun, journal->folder, first, O_RDWR | O_APPEND, err)
            ? err->code
            : AX_OK;
    if (!code && fstat(begun.fd, &after)) {
        code = ax_fail_errno(err, errno, "'%s'", path);
        ax_journal_segment_done(&begun);
    }
    free(path);
    if (code)
        return code;
    ax_journal_segment_done(&journal->segment);
    journal->segment = begun;
    if (!journal->count || journal->firsts[journal->count - 1] != first) {
        journal->firsts =
            ax_xrealloc(journal->firsts, journal->count + 1, sizeof(*journal->firsts));
        journal->firsts[journal->count++] = first;
        count_up(&journal->segments, 1);
    }
    count_up(&journal->bytes, (uint64_t)after.st_size - had);
    return AX_OK;
}

/* Whether what stands at the end is no broken-off write: as long as that says, or no head. */
static enum ax_code look_at_end(struct ax_journal *journal, uint64_t file_bytes, struct ax_err *err)
{
    bool is_short;
    if (ax_journal_segment_is_short(&journal->segment, file_bytes, &is_short, err))
        return err->code;
    journal->is_cut_damaged = !is_short;
    return AX_OK;
}

/* Go to the end of the last segment, and cut off a group that was not completed. */
static enum ax_code recover(struct ax_journal *journal, struct ax_err *err)
{
    struct ax_journal_segment *segment = &journal->segment;
    enum ax_journal_step step;
    uint64_t hash;
    if (ax_journal_segment_to_end(segment, &step, &hash, err))
        return err->code;
    struct stat info;
    if (fstat(segment->fd, &info))
        return ax_fail_errno(err, errno, "'%s'", segment->path);
    if (step == AX_JOURNAL_BROKEN && look_at_end(journal, (uint64_t)info.st_size, err))
        return err->code;
    if (ftruncate(segment->fd, (off_t)segment->at) || fdatasync(segment->fd))
        return ax_fail_errno(err, errno, "cut '%s'", segment->path);
    count_up(&journal->bytes_cut, (uint64_t)info.st_size - segment->at);
    ax_buf_clear(&segment->bytes, 0);
    return AX_OK;
}

/* Of all segments. */
static enum ax_code count_bytes(struct ax_journal *journal, struct ax_err *err)
{
    for (size_t i = 0; i < journal->count; i++) {
        struct stat info;
        char *path = ax_journal_path(journal->folder, journal->firsts[i]);
        if (stat(path, &info))
            (void)ax_fail_errno(err, errno, "'%s'", path);
        else
            count_up(&journal->bytes, (uint64_t)info.st_size);
        free(path);
    }
    count_up(&journal->segments, journal->count);
    return err->code;
}

static enum ax_code open_last(struct ax_journal *journal, const struct ax_journal_config *config,
                              struct ax_err *err)
{
    uint64_t first = 1;
    if (journal->count) {
        struct ax_journal_segment *segment = &journal->segment;
        if (ax_journal_segment_open(segment, journal->folder, journal->firsts[journal->count - 1],
                                    O_RDWR | O_APPEND, err))
            return err->code;
        if (!ax_str_equals(segment->source, config->source))
            return ax_fail(err, AX_E_INVALID, "'%s' is the journal of '%.*s', not of '%.*s'",
                           journal->folder, AX_STR_ARG(segment->source),
                           AX_STR_ARG(config->source));
        if (recover(journal, err) || count_bytes(journal, err))
            return err->code;
        if (columns_are(segment, config->columns, config->column_count))
            return AX_OK;
        first = segment->next;
    }
    return begin_segment(journal, first, config->source, config->columns, config->column_count,
                         err);
}

/* Have the folder itself, and those that may have been made for it, survive a crash. */
static enum ax_code sync_above(const char *folder, struct ax_err *err)
{
    char *path = ax_xstrdup(folder);
    for (int i = 0; i < 2 && !err->code; i++) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            break;
        *slash = '\0';
        (void)(ax_file_sync_folder(path, err) != AX_OK);
    }
    free(path);
    return err->code;
}

/* Files that were to take the place of a segment when somebody was killed: hidden, and behind the
 * segment's name is more. */
static void remove_unfinished(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] == '.' && strstr(entry->d_name, ".journal."))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
}

enum ax_code ax_journal_open(const struct ax_journal_config *config,
                             struct ax_journal **ret_journal, struct ax_err *err)
{
    assert(config && config->folder && config->columns && config->column_count && ret_journal &&
           err);
    struct ax_journal *journal = ax_xalloc(sizeof(*journal));
    journal->folder = ax_xstrdup(config->folder);
    journal->is_synced = config->is_synced;
    journal->segment_bytes_max =
        config->segment_bytes_max ? config->segment_bytes_max : AX_JOURNAL_SEGMENT_BYTES_MAX;
    journal->bytes_max = config->bytes_max ? config->bytes_max : UINT64_MAX;
    ax_buf_init(&journal->group, AX_JOURNAL_GROUP_BYTES_MAX);
    ax_buf_init(&journal->lengths, AX_JOURNAL_GROUP_BYTES_MAX);
    if (ax_file_make_folder(config->folder, err) ||
        (config->is_synced && sync_above(config->folder, err)) ||
        ax_journal_list(config->folder, &journal->firsts, &journal->count, err) ||
        open_last(journal, config, err)) {
        ax_journal_close(journal);
        return ax_err_context(err, "journal of '%.*s'", AX_STR_ARG(config->source));
    }
    remove_unfinished(config->folder);
    journal->first = journal->segment.next;
    show_oldest(journal);
    atomic_store_explicit(&journal->next, journal->first, memory_order_release);
    *ret_journal = journal;
    return AX_OK;
}

void ax_journal_close(struct ax_journal *journal)
{
    if (!journal)
        return;
    ax_journal_segment_done(&journal->segment);
    ax_buf_done(&journal->group);
    ax_buf_done(&journal->lengths);
    free(journal->firsts);
    free(journal->folder);
    free(journal);
}

bool ax_journal_has(const struct ax_journal *journal, const struct ax_definition_column *columns,
                    size_t column_count)
{
    assert(journal && columns);
    return columns_are(&journal->segment, columns, column_count);
}

/* ---- adding ---- */

static uint64_t row_count(const struct ax_journal *journal)
{
    return journal->lengths.len / sizeof(uint32_t);
}

static enum ax_code fail_broken(const struct ax_journal *journal, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNAVAILABLE,
                   "the journal of '%.*s' failed and takes nothing more until a restart",
                   AX_STR_ARG(journal->segment.source));
}

/* `is_alone`: the group has the rows of this call alone, which would not fit another one either. */
static enum ax_code add_row(struct ax_journal *journal, const struct ax_values *const *columns,
                            size_t row, const struct ax_online_stamp *stamp, bool is_alone,
                            struct ax_err *err)
{
    const struct ax_online_layout *layout = &journal->segment.layout;
    size_t bytes = ax_online_part_write(layout, stamp, columns, row, NULL);
    if (bytes > AX_ONLINE_ROW_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "row %zu has %zu bytes, over %zu", row, bytes,
                       AX_ONLINE_ROW_BYTES_MAX);
    uint32_t length = (uint32_t)bytes;
    size_t table = journal->lengths.len + 2 * sizeof(length);
    bool has_room = journal->group.len + bytes + table <= journal->group.max;
    char *part = has_room ? ax_buf_reserve(&journal->group, bytes) : NULL;
    if (!has_room && is_alone)
        return ax_fail(err, AX_E_TOO_LARGE, "the rows are over %zu bytes: give fewer at a time",
                       journal->group.max);
    if (!part || ax_buf_append(&journal->lengths, &length, sizeof(length)))
        return ax_fail(err, AX_E_LIMIT, "rows to commit are over %zu bytes, or memory is short",
                       journal->group.max);
    (void)ax_online_part_write(layout, stamp, columns, row, part);
    ax_buf_added(&journal->group, bytes);
    return AX_OK;
}

enum ax_code ax_journal_add(struct ax_journal *journal, const struct ax_values *const *columns,
                            size_t rows, int64_t taken_us, uint64_t *ret_first, struct ax_err *err)
{
    assert(journal && columns && ret_first && err);
    if (journal->is_broken)
        return fail_broken(journal, err);
    struct ax_journal_group head = { 0 };
    if (!journal->group.len)
        (void)ax_buf_append(&journal->group, &head, sizeof(head));
    size_t group_len = journal->group.len;
    size_t lengths_len = journal->lengths.len;
    uint64_t first = journal->first + row_count(journal);
    if (first + rows > AX_JOURNAL_SEQUENCE_MAX)
        return ax_fail(err, AX_E_LIMIT, "the journal has no sequences left");
    for (size_t i = 0; i < rows && !err->code; i++) {
        struct ax_online_stamp stamp = { taken_us, taken_us, first + i };
        (void)(add_row(journal, columns, i, &stamp, group_len == sizeof(head), err) != AX_OK);
    }
    if (err->code) {
        journal->group.len = group_len;
        journal->group.failed = AX_OK;
        journal->lengths.len = lengths_len;
        journal->lengths.failed = AX_OK;
        return err->code;
    }
    *ret_first = first;
    return AX_OK;
}

/* ---- committing ---- */

static enum ax_code sync_segment(struct ax_journal *journal, struct ax_err *err)
{
    if (!fdatasync(journal->segment.fd))
        return AX_OK;
    journal->is_broken = true; /* What the disk has is not known any more. */
    return ax_fail_errno(err, errno, "sync '%s'", journal->segment.path);
}

/* End the segment if the group would make it too large. It is on the disk then, so that only in the
 * last one something may be missing, whatever happens to the machine. */
static enum ax_code have_room(struct ax_journal *journal, size_t bytes, struct ax_err *err)
{
    const struct ax_journal_segment *segment = &journal->segment;
    uint64_t all = atomic_load_explicit(&journal->bytes, memory_order_relaxed);
    if (bytes > journal->bytes_max || all > journal->bytes_max - bytes)
        return ax_fail(err, AX_E_LIMIT,
                       "the journal has %" PRIu64 " bytes, and may have %" PRIu64
                       " at most: raise journal_bytes_max, or have the source 'keep' less",
                       all, journal->bytes_max);
    if (segment->next == segment->first || segment->at + bytes <= journal->segment_bytes_max)
        return AX_OK;
    if (sync_segment(journal, err))
        return err->code;
    return begin_segment(journal, segment->next, segment->source, segment->columns,
                         segment->column_count, err);
}

static enum ax_code write_group(struct ax_journal *journal, struct ax_err *err)
{
    struct ax_journal_segment *segment = &journal->segment;
    if (ax_file_write_all(segment->fd, ax_buf_str(&journal->group), err))
        (void)ax_err_context(err, "'%s'", segment->path);
    else if (journal->is_synced)
        (void)(sync_segment(journal, err) != AX_OK);
    if (err->code && ftruncate(segment->fd, (off_t)segment->at))
        journal->is_broken = true;
    return err->code;
}

static enum ax_code commit_group(struct ax_journal *journal, struct ax_err *err)
{
    uint32_t rows = (uint32_t)row_count(journal);
    struct ax_buf *group = &journal->group;
    uint32_t none = 0;
    if (rows % 2)
        (void)ax_buf_append(&journal->lengths, &none, sizeof(none));
    (void)ax_buf_append_str(group, ax_buf_str(&journal->lengths));
    ax_buf_fail_with(group, &journal->lengths);
    if (ax_buf_check(group, "rows to commit", err) || have_room(journal, group->len, err))
        return err->code;
    struct ax_journal_group *head = (void *)group->ptr;
    head->bytes = (uint32_t)group->len;
    head->rows = rows;
    head->first = journal->first;
    ax_journal_group_seal(journal->segment.seed, journal->segment.at, head);
    if (write_group(journal, err))
        return err->code;
    journal->segment.at += group->len;
    journal->segment.next += rows;
    count_up(&journal->rows, rows);
    count_up(&journal->commits, 1);
    count_up(&journal->bytes_written, group->len);
    count_up(&journal->bytes, group->len);
    return AX_OK;
}

enum ax_code ax_journal_commit(struct ax_journal *journal, struct ax_err *err)
{
    assert(journal && err);
    if (journal->is_broken)
        return fail_broken(journal, err);
    if (row_count(journal) && commit_group(journal, err)) {
        (void)ax_err_context(err, "journal of '%.*s'", AX_STR_ARG(journal->segment.source));
        count_up(&journal->failures, 1);
    }
    ax_buf_clear(&journal->group, GROUP_BYTES_KEPT);
    ax_buf_clear(&journal->lengths, GROUP_BYTES_KEPT);
    journal->first = journal->segment.next;
    atomic_store_explicit(&journal->next, journal->first, memory_order_release);
    return err->code;
}

uint64_t ax_journal_next(const struct ax_journal *journal)
{
    assert(journal);
    return atomic_load_explicit(&journal->next, memory_order_acquire);
}

/* ---- erasing ---- */

enum ax_code ax_journal_end_segment(struct ax_journal *journal, struct ax_err *err)
{
    assert(journal && !row_count(journal) && err);
    const struct ax_journal_segment *segment = &journal->segment;
    if (journal->is_broken)
        return fail_broken(journal, err);
    struct stat info;
    if (!sync_segment(journal, err) &&
        begin_segment(journal, segment->next, segment->source, segment->columns,
                      segment->column_count, err) &&
        (fstat(segment->fd, &info) || !info.st_nlink))
        journal->is_broken = true; /* It was empty, and its file is another one. */
    return err->code;
}

static enum ax_code file_bytes(const char *path, uint64_t *ret_bytes, struct ax_err *err)
{
    struct stat info;
    if (stat(path, &info))
        return ax_fail_errno(err, errno, "'%s'", path);
    *ret_bytes = (uint64_t)info.st_size;
    return AX_OK;
}

enum ax_code ax_journal_erase(struct ax_journal *journal, const uint64_t *sequences, size_t count,
                              size_t *ret_count, struct ax_err *err)
{
    assert(journal && sequences && count && sequences[0] >= journal->firsts[0] &&
           sequences[count - 1] < journal->segment.first && ret_count && err);
    uint64_t before, after;
    size_t at = 0;
    while (journal->firsts[at + 1] <= sequences[0])
        at++;
    char *path = ax_journal_path(journal->folder, journal->firsts[at]);
    if (!file_bytes(path, &before, err) &&
        !ax_journal_segment_erase(journal->folder, journal->firsts[at], sequences, count, ret_count,
                                  err) &&
        !file_bytes(path, &after, err))
        atomic_fetch_sub_explicit(&journal->bytes, before - after, memory_order_relaxed);
    free(path);
    return err->code;
}

/* ---- removing ---- */

enum ax_code ax_journal_remove_below(struct ax_journal *journal, uint64_t sequence,
                                     struct ax_err *err)
{
    assert(journal && err);
    size_t removed = 0;
    while (removed + 1 < journal->count && journal->firsts[removed + 1] <= sequence) {
        struct stat info;
        char *path = ax_journal_path(journal->folder, journal->firsts[removed]);
        bool is_done = stat(path, &info) == 0 && unlink(path) == 0;
        if (!is_done)
            (void)ax_fail_errno(err, errno, "remove '%s'", path);
        free(path);
        if (!is_done)
            break;
        removed++;
        atomic_fetch_sub_explicit(&journal->segments, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&journal->bytes, (uint64_t)info.st_size, memory_order_relaxed);
    }
    journal->count -= removed;
    memmove(journal->firsts, journal->firsts + removed, journal->count * sizeof(*journal->firsts));
    show_oldest(journal);
    if (!err->code && removed)
        return ax_file_sync_folder(journal->folder, err);
    return err->code;
}

/* When the row was taken in, of the segment with that number; INT64_MAX: there is no such row. */
static enum ax_code row_taken_us(const struct ax_journal *journal, size_t at, uint64_t sequence,
                                 int64_t *ret_us, struct ax_err *err)
{
    struct ax_journal_segment segment;
    enum ax_journal_step step;
    const struct ax_journal_group *group;
    if (ax_journal_segment_open(&segment, journal->folder, journal->firsts[at], O_RDONLY, err))
        return err->code;
    if (!ax_journal_segment_step(&segment, sequence, false, &step, &group, err)) {
        *ret_us = INT64_MAX;
        if (step == AX_JOURNAL_GROUP) {
            const char *part = (const char *)(group + 1);
            for (uint64_t i = group->first; i < sequence; i++)
                part += ax_journal_group_lengths(group)[i - group->first];
            *ret_us = ((const struct ax_online_part *)part)->stamp.created;
        }
    }
    ax_journal_segment_done(&segment);
    return err->code;
}

/* ---- missing rows ---- */

static enum ax_code commit_blanks(struct ax_journal *journal, uint64_t rows, int64_t taken_us,
                                  struct ax_err *err)
{
    const struct ax_journal_group head = { 0 };
    const struct ax_online_layout *layout = &journal->segment.layout;
    uint32_t length = (uint32_t)layout->bytes;
    (void)ax_buf_append(&journal->group, &head, sizeof(head));
    for (uint64_t i = 0; i < rows; i++) {
        const struct ax_online_stamp stamp = { taken_us, taken_us, journal->first + i };
        ax_journal_put_blank(&journal->group, layout, &stamp);
        (void)ax_buf_append(&journal->lengths, &length, sizeof(length));
    }
    return ax_journal_commit(journal, err);
}

/* They were taken in when the last row before them was, as far as can be told. */
static enum ax_code put_blanks(struct ax_journal *journal, uint64_t next, struct ax_err *err)
{
    const struct ax_journal_segment *segment = &journal->segment;
    size_t at = journal->count - 1;
    uint64_t bytes_max = journal->bytes_max;
    uint64_t rows_max = AX_MAX(BLANKS_BYTES_MAX / segment->layout.bytes, (size_t)1);
    int64_t taken_us = 0;
    if (segment->next == segment->first && at)
        at--;
    if (segment->next > journal->firsts[at] &&
        row_taken_us(journal, at, segment->next - 1, &taken_us, err))
        return err->code;
    journal->bytes_max = UINT64_MAX; /* They are no more bytes than those that are missing were. */
    while (segment->next < next && !err->code)
        (void)(commit_blanks(journal, AX_MIN(next - segment->next, rows_max), taken_us, err) !=
               AX_OK);
    journal->bytes_max = bytes_max;
    return err->code;
}

/* A journal without any row begins behind them. Its file goes first: killed in between, there is
 * none, which is the same. */
static enum ax_code begin_behind(struct ax_journal *journal, uint64_t next, struct ax_err *err)
{
    const struct ax_journal_segment *segment = &journal->segment;
    struct stat info;
    if (fstat(segment->fd, &info) || unlink(segment->path))
        return ax_fail_errno(err, errno, "remove '%s'", segment->path);
    atomic_fetch_sub_explicit(&journal->segments, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&journal->bytes, (uint64_t)info.st_size, memory_order_relaxed);
    journal->count = 0;
    if (begin_segment(journal, next, segment->source, segment->columns, segment->column_count,
                      err)) {
        journal->is_broken = true;
        return err->code;
    }
    journal->first = next;
    show_oldest(journal);
    atomic_store_explicit(&journal->next, next, memory_order_release);
    return AX_OK;
}

enum ax_code ax_journal_skip(struct ax_journal *journal, uint64_t next, uint64_t *ret_missing,
                             struct ax_err *err)
{
    assert(journal && !row_count(journal) && next <= AX_JOURNAL_SEQUENCE_MAX && ret_missing && err);
    const struct ax_journal_segment *segment = &journal->segment;
    uint64_t had = segment->next;
    *ret_missing = next > had ? next - had : 0;
    if (!*ret_missing)
        return AX_OK;
    return journal->count == 1 && had == segment->first ? begin_behind(journal, next, err)
                                                        : put_blanks(journal, next, err);
}

/* ---- old rows ---- */

/* When the last row of a segment in front of the last one was taken in: it is read through for
 * that, once. */
static enum ax_code segment_taken_us(struct ax_journal *journal, size_t at, int64_t *ret_us,
                                     struct ax_err *err)
{
    uint64_t next = journal->firsts[at + 1];
    if (journal->looked_at != next &&
        row_taken_us(journal, at, next - 1, &journal->looked_at_us, err))
        return err->code;
    journal->looked_at = next;
    *ret_us = journal->looked_at_us;
    return AX_OK;
}

enum ax_code ax_journal_expire(struct ax_journal *journal, int64_t end_us, int64_t before_us,
                               uint64_t below, struct ax_err *err)
{
    assert(journal && !row_count(journal) && end_us >= before_us && err);
    const struct ax_journal_segment *last = &journal->segment;
    int64_t taken_us = INT64_MAX;
    if (journal->is_broken)
        return fail_broken(journal, err);
    if (last->next > last->first &&
        row_taken_us(journal, journal->count - 1, last->first, &taken_us, err))
        return err->code;
    if (taken_us < end_us && ax_journal_end_segment(journal, err))
        return err->code;
    size_t old = 0;
    for (taken_us = INT64_MIN; old + 1 < journal->count && journal->firsts[old + 1] <= below;
         old++) {
        if (segment_taken_us(journal, old, &taken_us, err))
            return err->code;
        if (taken_us >= before_us)
            break;
    }
    return old ? ax_journal_remove_below(journal, journal->firsts[old], err) : AX_OK;
}

void ax_journal_stats(const struct ax_journal *journal, struct ax_journal_stats *ret_stats)
{
    assert(journal && ret_stats);
    *ret_stats = (struct ax_journal_stats){
        .rows = atomic_load_explicit(&journal->rows, memory_order_relaxed),
        .commits = atomic_load_explicit(&journal->commits, memory_order_relaxed),
        .bytes_written = atomic_load_explicit(&journal->bytes_written, memory_order_relaxed),
        .failures = atomic_load_explicit(&journal->failures, memory_order_relaxed),
        .bytes_cut = atomic_load_explicit(&journal->bytes_cut, memory_order_relaxed),
        .is_cut_damaged = journal->is_cut_damaged,
        .rows_kept =
            ax_journal_next(journal) - atomic_load_explicit(&journal->oldest, memory_order_relaxed),
        .segments = atomic_load_explicit(&journal->segments, memory_order_relaxed),
        .bytes = atomic_load_explicit(&journal->bytes, memory_order_relaxed),
    };
}
