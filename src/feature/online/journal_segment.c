/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: names, heads, and the walk over groups.
 *
 * The walk keeps a part of the file in memory, from a group's begin on, and reads on by at least
 * READ_BYTES. Files are read, not mapped: the writer may cut one off while a reader is in it. A
 * group is taken if its head has the hash of its bytes and its place, if it has the sequence that
 * comes next, if its body has its hash, and if all rows are parts of the segment's layout.
 */
#include "feature/online/journal_segment.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feature/online/journal.h"

#define READ_BYTES   ((size_t)1 << 20)
#define NAME_DIGITS  16
#define NAME_END     ".journal"
#define COLUMNS_MAX  4097 /* of a source, and one more */
#define SEGMENTS_MAX 1000000
#define ARENA_BYTES  ((size_t)4 << 10)
#define ARENA_MAX    ((size_t)8 << 20)
#define GROUP_HEAD   sizeof(struct ax_journal_group)

static const char magic[8] = { 'A', 'X', 'J', 'R', 'N', 'L', '0', '1' };

struct head {
    char magic[8];
    uint64_t hash;  /* of all that follows */
    uint32_t bytes; /* of the head and the texts behind it, a multiple of 8 */
    uint32_t column_count;
    uint64_t seed;
    uint64_t first;
};
#define HASHED_FROM offsetof(struct head, bytes)

/* ---- names ---- */

static bool first_of_name(const char *name, uint64_t *ret_first)
{
    struct ax_str text = ax_str_from(name);
    return text.len == NAME_DIGITS + sizeof(NAME_END) - 1 &&
           ax_str_ends_with(text, AX_STR(NAME_END)) &&
           ax_str_to_u64((struct ax_str){ name, NAME_DIGITS }, ret_first);
}

static int compare_firsts(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

enum ax_code ax_journal_list(const char *folder, uint64_t **ret_firsts, size_t *ret_count,
                             struct ax_err *err)
{
    assert(folder && ret_firsts && ret_count && err);
    uint64_t *firsts = NULL;
    size_t count = 0;
    DIR *dir = opendir(folder);
    if (!dir && errno != ENOENT)
        return ax_fail_errno(err, errno, "folder '%s'", folder);
    const struct dirent *entry;
    while (dir && count < SEGMENTS_MAX && (entry = readdir(dir))) {
        uint64_t first;
        if (!first_of_name(entry->d_name, &first))
            continue;
        if (count % 64 == 0)
            firsts = ax_xrealloc(firsts, count + 64, sizeof(*firsts));
        firsts[count++] = first;
    }
    if (dir)
        (void)closedir(dir);
    if (count)
        qsort(firsts, count, sizeof(*firsts), compare_firsts);
    *ret_firsts = firsts;
    *ret_count = count;
    return AX_OK;
}

char *ax_journal_path(const char *folder, uint64_t first)
{
    assert(folder && first <= AX_JOURNAL_SEQUENCE_MAX);
    size_t size = strlen(folder) + 1 + NAME_DIGITS + sizeof(NAME_END);
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/%0*" PRIu64 NAME_END, folder, NAME_DIGITS, first);
    return path;
}

/* ---- heads ---- */

static void put_text(struct ax_buf *out, struct ax_str text)
{
    uint32_t len = (uint32_t)text.len;
    (void)ax_buf_append(out, &len, sizeof(len));
    (void)ax_buf_append_str(out, text);
}

static bool take_text(struct ax_str *rest, struct ax_str *ret_text)
{
    uint32_t len;
    if (rest->len < sizeof(len))
        return false;
    memcpy(&len, rest->ptr, sizeof(len));
    if (len > rest->len - sizeof(len))
        return false;
    *ret_text = (struct ax_str){ rest->ptr + sizeof(len), len };
    rest->ptr += sizeof(len) + len;
    rest->len -= sizeof(len) + len;
    return true;
}

enum ax_code ax_journal_segment_make(const char *path, uint64_t first, struct ax_str source,
                                     const struct ax_definition_column *columns,
                                     size_t column_count, struct ax_err *err)
{
    assert(path && columns && column_count && column_count <= COLUMNS_MAX && err);
    struct ax_buf out;
    ax_buf_init(&out, AX_JOURNAL_HEAD_BYTES_MAX);
    struct head head = { .column_count = (uint32_t)column_count, .first = first };
    uint64_t seed;
    memcpy(head.magic, magic, sizeof(magic));
    (void)ax_buf_append(&out, &head, sizeof(head));
    put_text(&out, source);
    for (size_t i = 0; i < column_count; i++) {
        put_text(&out, columns[i].name);
        put_text(&out, ax_str_from(ax_storage_name(columns[i].storage)));
    }
    while (!out.failed && out.len % 8)
        (void)ax_buf_append_char(&out, '\0');
    if (!ax_buf_check(&out, "the head of a journal", err)) {
        head.bytes = (uint32_t)out.len;
        memcpy(out.ptr, &head, sizeof(head));
        (void)(ax_journal_head_reseed(out.ptr, out.len, &seed, err) ||
               ax_file_replace(path, ax_buf_str(&out), err));
    }
    ax_buf_done(&out);
    return err->code;
}

enum ax_code ax_journal_head_reseed(char *head, size_t bytes, uint64_t *ret_seed,
                                    struct ax_err *err)
{
    assert(head && bytes >= sizeof(struct head) && ret_seed && err);
    struct head fixed;
    memcpy(&fixed, head, sizeof(fixed));
    if (getrandom(&fixed.seed, sizeof(fixed.seed), 0) != (ssize_t)sizeof(fixed.seed))
        return ax_fail_errno(err, errno, "random numbers");
    memcpy(head, &fixed, sizeof(fixed));
    fixed.hash = ax_hash((struct ax_str){ head + HASHED_FROM, bytes - HASHED_FROM });
    memcpy(head, &fixed, sizeof(fixed));
    *ret_seed = fixed.seed;
    return AX_OK;
}

enum ax_code ax_journal_segment_seed(const char *folder, uint64_t first, uint64_t *ret_seed,
                                     struct ax_err *err)
{
    assert(folder && ret_seed && err);
    struct head head = { .seed = 0 };
    char *path = ax_journal_path(folder, first);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, &head, sizeof(head), 0) < 0)
        (void)ax_fail_errno(err, errno, "read '%s'", path);
    else
        *ret_seed = head.seed;
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return err->code;
}

/* Have `len` bytes from `at` on in memory, if the file has them. */
static enum ax_code segment_read(struct ax_journal_segment *segment, size_t len, bool *ret_is_there,
                                 struct ax_err *err)
{
    struct ax_buf *bytes = &segment->bytes;
    size_t skipped = (size_t)AX_MIN(segment->at - segment->bytes_at, (uint64_t)bytes->len);
    if (len <= bytes->len - skipped) {
        *ret_is_there = true;
        return AX_OK;
    }
    ax_buf_consume(bytes, skipped);
    segment->bytes_at = segment->at;
    while (bytes->len < len) {
        size_t more = AX_MAX(len - bytes->len, READ_BYTES);
        char *to = ax_buf_reserve(bytes, more);
        if (!to)
            return ax_buf_check(bytes, "a part of a journal", err);
        ssize_t got = pread(segment->fd, to, more, (off_t)(segment->bytes_at + bytes->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ax_fail_errno(err, errno, "read '%s'", segment->path);
        if (got == 0)
            break;
        ax_buf_added(bytes, (size_t)got);
    }
    *ret_is_there = bytes->len >= len;
    return AX_OK;
}

static enum ax_code fail_head(const struct ax_journal_segment *segment, const char *what,
                              struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID,
                   "'%s' is no segment of a journal (%s): restore it, or remove it and those of "
                   "lower numbers",
                   segment->path, what);
}

static enum ax_code take_columns(struct ax_journal_segment *segment, struct ax_str texts,
                                 struct ax_err *err)
{
    size_t count = segment->column_count;
    struct ax_storage *storages = ax_arena_alloc(&segment->arena, count, sizeof(*storages));
    segment->columns = ax_arena_zalloc(&segment->arena, count, sizeof(*segment->columns));
    const char *kept = ax_arena_strdup(&segment->arena, texts);
    if (!storages || !segment->columns || !kept)
        return ax_arena_fail(&segment->arena, "the head of a journal", err);
    struct ax_str rest = { kept, texts.len };
    if (!take_text(&rest, &segment->source))
        return fail_head(segment, "no source", err);
    for (size_t i = 0; i < count; i++) {
        struct ax_definition_column *column = &segment->columns[i];
        struct ax_str storage;
        if (!take_text(&rest, &column->name) || !take_text(&rest, &storage) ||
            !ax_storage_from_name(storage, &column->storage))
            return fail_head(segment, "columns", err);
        storages[i] = column->storage;
    }
    return ax_online_layout_init(&segment->layout, 0, storages, count, &segment->arena, err);
}

static enum ax_code read_head(struct ax_journal_segment *segment, struct ax_err *err)
{
    struct head head;
    bool is_there;
    if (segment_read(segment, sizeof(head), &is_there, err))
        return err->code;
    if (!is_there)
        return fail_head(segment, "too short", err);
    memcpy(&head, segment->bytes.ptr, sizeof(head));
    if (memcmp(head.magic, magic, sizeof(magic)) != 0)
        return fail_head(segment, "other or unknown contents", err);
    if (head.bytes < sizeof(head) || head.bytes % 8 || head.bytes > AX_JOURNAL_HEAD_BYTES_MAX ||
        !head.column_count || head.column_count > COLUMNS_MAX || head.first != segment->first)
        return fail_head(segment, "its head is damaged", err);
    if (segment_read(segment, head.bytes, &is_there, err))
        return err->code;
    struct ax_str hashed = { segment->bytes.ptr + HASHED_FROM, head.bytes - HASHED_FROM };
    if (!is_there || ax_hash(hashed) != head.hash)
        return fail_head(segment, "its head is damaged", err);
    segment->seed = head.seed;
    segment->column_count = head.column_count;
    struct ax_str texts = { segment->bytes.ptr + sizeof(head), head.bytes - sizeof(head) };
    if (take_columns(segment, texts, err))
        return err->code;
    segment->at = head.bytes;
    return AX_OK;
}

enum ax_code ax_journal_segment_open(struct ax_journal_segment *segment, const char *folder,
                                     uint64_t first, int flags, struct ax_err *err)
{
    assert(segment && folder && err);
    *segment = (struct ax_journal_segment){ .path = ax_journal_path(folder, first),
                                            .first = first,
                                            .next = first };
    ax_buf_init(&segment->bytes, AX_JOURNAL_GROUP_BYTES_MAX + READ_BYTES);
    ax_arena_init(&segment->arena, ARENA_BYTES, ARENA_MAX);
    segment->fd = open(segment->path, flags | O_CLOEXEC);
    if (segment->fd < 0)
        (void)ax_fail_errno(err, errno, "open '%s'", segment->path);
    if (err->code || read_head(segment, err))
        ax_journal_segment_done(segment);
    return err->code;
}

void ax_journal_segment_done(struct ax_journal_segment *segment)
{
    assert(segment);
    if (!segment->path)
        return;
    if (segment->fd >= 0)
        (void)close(segment->fd);
    free(segment->path);
    ax_buf_done(&segment->bytes);
    ax_arena_done(&segment->arena);
    *segment = (struct ax_journal_segment){ .fd = -1 };
}

/* ---- groups ---- */

static size_t table_bytes(size_t rows)
{
    return (rows + 1) / 2 * 2 * sizeof(uint32_t);
}

static uint64_t hash_head(const struct ax_journal_group *group, uint64_t seed, uint64_t at)
{
    struct ax_str hashed = { (const char *)group, offsetof(struct ax_journal_group, head_hash) };
    return ax_hash_seeded(hashed, seed + at);
}

static uint64_t hash_body(const struct ax_journal_group *group, uint64_t seed)
{
    struct ax_str body = { (const char *)group + GROUP_HEAD, group->bytes - GROUP_HEAD };
    return ax_hash_seeded(body, seed);
}

void ax_journal_group_seal(uint64_t seed, uint64_t at, struct ax_journal_group *group)
{
    assert(group);
    group->body_hash = hash_body(group, seed);
    group->head_hash = hash_head(group, seed, at);
}

void ax_journal_put_blank(struct ax_buf *out, const struct ax_online_layout *layout,
                          const struct ax_online_stamp *stamp)
{
    assert(out && layout && stamp);
    char *to = ax_buf_reserve(out, layout->bytes);
    if (!to)
        return;
    memset(to, 0, layout->bytes);
    memcpy(to, stamp, sizeof(*stamp));
    ax_buf_added(out, layout->bytes);
}

static bool head_is_whole(const struct ax_journal_segment *segment,
                          const struct ax_journal_group *group, uint64_t at)
{
    return group->bytes % 8 == 0 && group->bytes <= AX_JOURNAL_GROUP_BYTES_MAX && group->rows &&
           group->rows < AX_JOURNAL_GROUP_BYTES_MAX / 8 &&
           group->bytes > GROUP_HEAD + table_bytes(group->rows) &&
           group->first <= AX_JOURNAL_SEQUENCE_MAX &&
           group->head_hash == hash_head(group, segment->seed, at);
}

static bool body_is_whole(const struct ax_journal_segment *segment,
                          const struct ax_journal_group *group)
{
    if (hash_body(group, segment->seed) != group->body_hash)
        return false;
    const uint32_t *lengths = ax_journal_group_lengths(group);
    const char *part = (const char *)group + GROUP_HEAD;
    for (size_t i = 0; i < group->rows; i++) {
        struct ax_err ignored = AX_ERR_INIT;
        if (lengths[i] > (size_t)((const char *)lengths - part) ||
            ax_online_part_check(&segment->layout, (const void *)part, lengths[i], &ignored))
            return false;
        part += lengths[i];
    }
    return part == (const char *)lengths;
}

static const struct ax_journal_group *group_at(const struct ax_journal_segment *segment)
{
    return (const void *)(segment->bytes.ptr + (segment->at - segment->bytes_at));
}

/* Whether the group at `at`, or its head, has come to memory. */
static enum ax_code have_bytes(struct ax_journal_segment *segment, size_t len, bool is_kept,
                               bool *ret_is_there, struct ax_err *err)
{
    if (!is_kept)
        return segment_read(segment, len, ret_is_there, err);
    *ret_is_there = segment->at + len <= segment->bytes_at + segment->bytes.len;
    return AX_OK;
}

enum ax_code ax_journal_segment_step(struct ax_journal_segment *segment, uint64_t from,
                                     bool is_kept, enum ax_journal_step *ret_step,
                                     const struct ax_journal_group **ret_group, struct ax_err *err)
{
    assert(segment && segment->path && ret_step && ret_group && err);
    for (;;) {
        bool is_there;
        if (have_bytes(segment, GROUP_HEAD, is_kept, &is_there, err))
            return err->code;
        bool is_end = segment->at >= segment->bytes_at + segment->bytes.len;
        *ret_step = is_kept ? AX_JOURNAL_LATER : is_end ? AX_JOURNAL_END : AX_JOURNAL_BROKEN;
        if (!is_there)
            return AX_OK;
        const struct ax_journal_group *group = group_at(segment);
        *ret_step = AX_JOURNAL_BROKEN;
        if (!head_is_whole(segment, group, segment->at) || group->first != segment->next)
            return AX_OK;
        size_t bytes = group->bytes;
        size_t rows = group->rows;
        bool is_wanted = group->first + rows > from;
        if (is_wanted) {
            if (have_bytes(segment, bytes, is_kept, &is_there, err))
                return err->code;
            group = group_at(segment);
            *ret_step = is_kept ? AX_JOURNAL_LATER : AX_JOURNAL_BROKEN;
            if (!is_there)
                return AX_OK;
            *ret_step = AX_JOURNAL_BROKEN;
            if (group->bytes != bytes || group->rows != rows || !body_is_whole(segment, group))
                return AX_OK;
        }
        segment->at += bytes;
        segment->next += rows;
        if (is_wanted) {
            *ret_step = AX_JOURNAL_GROUP;
            *ret_group = group;
            return AX_OK;
        }
    }
}

/* Whether the head of a later group stands anywhere behind `at`. */
static enum ax_code look_behind(const struct ax_journal_segment *segment, bool *ret_goes_on,
                                struct ax_err *err)
{
    char *bytes = ax_try_alloc(READ_BYTES, 1);
    if (!bytes)
        return ax_fail(err, AX_E_LIMIT, "no memory to read '%s'", segment->path);
    bool goes_on = false;
    ssize_t got = 0;
    for (uint64_t at = segment->at + 8; !goes_on; at += (uint64_t)got - GROUP_HEAD + 8) {
        got = pread(segment->fd, bytes, READ_BYTES, (off_t)at);
        if (got < (ssize_t)GROUP_HEAD)
            break;
        got -= got % 8;
        for (size_t i = 0; i + GROUP_HEAD <= (size_t)got && !goes_on; i += 8) {
            const struct ax_journal_group *group = (const void *)(bytes + i);
            goes_on = group->first > segment->next && head_is_whole(segment, group, at + i);
        }
    }
    free(bytes);
    if (got < 0)
        return ax_fail_errno(err, errno, "read '%s'", segment->path);
    *ret_goes_on = goes_on;
    return AX_OK;
}

static enum ax_code walk(struct ax_journal_segment *segment, enum ax_journal_step *ret_step,
                         uint64_t *hash, struct ax_err *err)
{
    const struct ax_journal_group *group;
    do {
        if (ax_journal_segment_step(segment, 0, false, ret_step, &group, err))
            return err->code;
        if (*ret_step == AX_JOURNAL_GROUP)
            *hash = group->head_hash;
    } while (*ret_step == AX_JOURNAL_GROUP);
    return AX_OK;
}

/* A writer may have completed what was broken before it wrote what stands behind, so it is read
 * again before it is damage. */
enum ax_code ax_journal_segment_to_end(struct ax_journal_segment *segment,
                                       enum ax_journal_step *ret_step, uint64_t *ret_hash,
                                       struct ax_err *err)
{
    assert(segment && segment->path && ret_step && ret_hash && err);
    enum ax_journal_step step;
    uint64_t hash = 0, broken_at = 0;
    bool goes_on = true;
    while (goes_on) {
        if (walk(segment, &step, &hash, err))
            return err->code;
        if (step == AX_JOURNAL_BROKEN && segment->at == broken_at)
            return ax_fail(err, AX_E_INVALID,
                           "'%s' is damaged at byte %" PRIu64 " and has rows behind it: stop the "
                           "server and restore it, or give them up (truncate -s %" PRIu64 ")",
                           segment->path, segment->at, segment->at);
        goes_on = step == AX_JOURNAL_BROKEN;
        if (goes_on && look_behind(segment, &goes_on, err))
            return err->code;
        if (goes_on)
            ax_buf_clear(&segment->bytes, 0);
        broken_at = segment->at;
    }
    *ret_step = step;
    *ret_hash = hash;
    return AX_OK;
}

enum ax_code ax_journal_segment_is_short(struct ax_journal_segment *segment, uint64_t file_bytes,
                                         bool *ret_is_short, struct ax_err *err)
{
    assert(segment && segment->path && ret_is_short && err);
    bool has_head;
    if (segment_read(segment, GROUP_HEAD, &has_head, err))
        return err->code;
    const struct ax_journal_group *group = has_head ? group_at(segment) : NULL;
    *ret_is_short = !group || (head_is_whole(segment, group, segment->at) &&
                               segment->at + group->bytes > file_bytes);
    return AX_OK;
}
