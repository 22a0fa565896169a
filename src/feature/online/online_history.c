/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name is "<number>-<digest>-<from>-<to>-<rows>"; one of a former form has no `to`, and does not
 * count. One that is being written ends with ".part" and is removed by whoever writes the next one.
 * Of what was forgotten there is one with no source's digest, made before that goes, so that
 * whoever is killed has the one or the other.
 */
#include "feature/online/online_history.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "feature/online/journal_reader.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_CHARS = 16 };

#define SEQUENCE_FIRST (-(INT64_C(1) << 62))
#define NUMBER_SHIFT   30 /* numbers have 32 bits */
#define NO_DIGEST      "0000000000000000"

struct ax_online_history_writer {
    const struct ax_source *source;
    struct ax_journal *journal;
    char parent[PATH_MAX], part[PATH_MAX];
    struct ax_online_history history;
};

/* ---- names ---- */

static void add_text(struct ax_sha256 *sha, struct ax_str text)
{
    ax_sha256_add(sha, &text.len, sizeof(text.len));
    ax_sha256_add(sha, text.ptr, text.len);
}

static void add_number(struct ax_sha256 *sha, int64_t number)
{
    ax_sha256_add(sha, &number, sizeof(number));
}

static void add_column(struct ax_sha256 *sha, const struct ax_source *source, long column)
{
    add_text(sha, column < 0 ? AX_STR("") : source->columns[column].name);
}

/* Of where events are from, when they were and which are the same; what is expected of them is not
 * in it, nor what else they have. */
static void digest_source(const struct ax_source *source, char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    add_number(&sha, source->kind);
    add_text(&sha, source->text);
    add_text(&sha, source->zone);
    add_column(&sha, source, source->time);
    add_column(&sha, source, source->created);
    for (size_t i = 0; i < source->event_id_count; i++)
        add_column(&sha, source, (long)source->event_id[i]);
    ax_sha256_text(&sha, ret_digest);
    ret_digest[DIGEST_CHARS] = '\0';
}

static enum ax_code make_path(char ret_path[PATH_MAX], const char *folder, struct ax_str name,
                              struct ax_err *err)
{
    int len = snprintf(ret_path, PATH_MAX, "%s/%.*s", folder, AX_STR_ARG(name));
    return len >= 0 && len < PATH_MAX
               ? AX_OK
               : ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
}

static enum ax_code make_parent(char ret_parent[PATH_MAX], const char *state, struct ax_str source,
                                struct ax_err *err)
{
    char all[PATH_MAX];
    return make_path(all, state, AX_STR("history"), err) || make_path(ret_parent, all, source, err)
               ? err->code
               : AX_OK;
}

/* False: the name is none. */
static bool read_name(const char *name, struct ax_online_history *ret_history,
                      char ret_digest[DIGEST_CHARS + 1])
{
    int end = 0;
    if (sscanf(name, "%" SCNu32 "-%16[0-9a-f]-%" SCNd64 "-%" SCNd64 "-%" SCNu64 "%n",
               &ret_history->number, ret_digest, &ret_history->from_us, &ret_history->to_us,
               &ret_history->rows, &end) == 5)
        return end && !name[end];
    end = 0;
    ret_history->is_other = true;
    return sscanf(name, "%" SCNu32 "-%16[0-9a-f]-%" SCNd64 "-%" SCNu64 "%n", &ret_history->number,
                  ret_digest, &ret_history->from_us, &ret_history->rows, &end) == 4 &&
           end && !name[end];
}

/* ---- finding ---- */

/* The history in `parent` with the least number above `after`. */
static enum ax_code find_next(const char *parent, const char *digest, uint32_t after,
                              struct ax_online_history *ret_history, struct ax_err *err)
{
    DIR *dir = opendir(parent);
    *ret_history = (struct ax_online_history){ .number = 0 };
    if (!dir)
        return errno == ENOENT ? AX_OK : ax_fail_errno(err, errno, "cannot read '%s'", parent);
    for (const struct dirent *entry; !err->code && (entry = readdir(dir));) {
        struct ax_online_history one = { .number = 0 };
        char its[DIGEST_CHARS + 1];
        if (!read_name(entry->d_name, &one, its) || one.number <= after ||
            (ret_history->folder[0] && one.number > ret_history->number))
            continue;
        one.is_other |= strcmp(its, digest) != 0;
        if (!make_path(one.folder, parent, ax_str_from(entry->d_name), err))
            *ret_history = one;
    }
    (void)closedir(dir);
    return err->code;
}

enum ax_code ax_online_history_next(const char *state, const struct ax_source *source,
                                    uint32_t after, struct ax_online_history *ret_history,
                                    struct ax_err *err)
{
    assert(state && source && ret_history && err);
    char parent[PATH_MAX], digest[AX_SHA256_TEXT_SIZE];
    digest_source(source, digest);
    if (make_parent(parent, state, source->name, err) ||
        find_next(parent, digest, after, ret_history, err))
        return err->code;
    struct ax_err unreadable = AX_ERR_INIT;
    if (ret_history->rows && !ret_history->is_other)
        ret_history->is_other =
            ax_journal_check_columns(ret_history->folder, source->columns, source->column_count,
                                     NULL, &unreadable) == AX_E_INVALID;
    return AX_OK;
}

enum ax_code ax_online_history_find(const char *state, const struct ax_source *source,
                                    struct ax_online_history *ret_history, struct ax_err *err)
{
    assert(state && source && ret_history && err);
    struct ax_online_history one = { .number = 0 };
    *ret_history = (struct ax_online_history){ .number = 0 };
    do {
        if (ax_online_history_next(state, source, one.number, &one, err))
            return err->code;
        if (one.folder[0] && !one.is_other)
            *ret_history = one;
        else if (one.folder[0] && !ret_history->folder[0])
            ret_history->is_other = true;
    } while (one.folder[0]);
    return AX_OK;
}

enum ax_code ax_online_history_has(const struct ax_online_history *history,
                                   const struct ax_source *source, const bool *columns,
                                   bool *ret_has, struct ax_err *err)
{
    assert(history && source && ret_has && err);
    bool *missing = ax_xalloc(source->column_count * sizeof(*missing));
    *ret_has = true;
    (void)(ax_journal_check_columns(history->folder, source->columns, source->column_count, missing,
                                    err) != AX_OK);
    for (size_t i = 0; i < source->column_count && !err->code; i++)
        *ret_has &= (columns && !columns[i]) || !missing[i];
    free(missing);
    return err->code;
}

static enum ax_code find_last(const char *parent, uint32_t *ret_number, struct ax_err *err)
{
    struct ax_online_history last = { .number = 0 };
    do {
        *ret_number = last.number;
        if (find_next(parent, "", last.number, &last, err))
            return err->code;
    } while (last.folder[0]);
    return AX_OK;
}

enum ax_code ax_online_history_forget(const char *state, const struct ax_source *source,
                                      const struct ax_online_history *history, struct ax_err *err)
{
    assert(state && source && history && history->folder[0] && err);
    char parent[PATH_MAX], name[64], path[PATH_MAX];
    uint32_t last;
    if (make_parent(parent, state, source->name, err) || find_last(parent, &last, err))
        return err->code;
    (void)snprintf(name, sizeof(name), "%" PRIu32 "-" NO_DIGEST "-0-0-0", last + 1);
    return make_path(path, parent, ax_str_from(name), err) ||
                   ax_file_make_private_folder(path, err) || ax_file_sync_folder(parent, err) ||
                   ax_file_remove_tree(history->folder, err) || ax_file_sync_folder(parent, err)
               ? err->code
               : AX_OK;
}

struct ax_source_rows ax_online_history_rows(const struct ax_online_history *history,
                                             const struct ax_journal_rows *read)
{
    assert(history && read);
    int64_t before = SEQUENCE_FIRST + ((int64_t)history->number << NUMBER_SHIFT);
    return (struct ax_source_rows){ .rows = read->rows,
                                    .columns = read->values,
                                    .first_sequence = (uint64_t)before + read->first_sequence };
}

/* ---- writing ---- */

/* All but the one of that name. */
static enum ax_code remove_others(const char *parent, const char *name, struct ax_err *err)
{
    DIR *dir = opendir(parent);
    if (!dir)
        return ax_fail_errno(err, errno, "cannot read '%s'", parent);
    for (const struct dirent *entry; !err->code && (entry = readdir(dir));) {
        char path[PATH_MAX];
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, name) != 0 &&
            !make_path(path, parent, ax_str_from(entry->d_name), err))
            (void)(ax_file_remove_tree(path, err) != AX_OK);
    }
    (void)closedir(dir);
    return err->code;
}

static enum ax_code make_folders(const char *state, const char *parent, struct ax_err *err)
{
    char all[PATH_MAX];
    return make_path(all, state, AX_STR("history"), err) || ax_file_make_private_folder(all, err) ||
                   ax_file_make_private_folder(parent, err) || ax_file_sync_folder(all, err)
               ? err->code
               : AX_OK;
}

static enum ax_code begin(struct ax_online_history_writer *writer, const char *state,
                          struct ax_err *err)
{
    char name[32];
    if (make_parent(writer->parent, state, writer->source->name, err) ||
        make_folders(state, writer->parent, err) ||
        find_last(writer->parent, &writer->history.number, err))
        return err->code;
    (void)snprintf(name, sizeof(name), "%" PRIu32 ".part", ++writer->history.number);
    if (make_path(writer->part, writer->parent, ax_str_from(name), err) ||
        ax_file_remove_tree(writer->part, err))
        return err->code;
    const struct ax_journal_config config = { .folder = writer->part,
                                              .source = writer->source->name,
                                              .columns = writer->source->columns,
                                              .column_count = writer->source->column_count,
                                              .is_synced = true };
    return ax_journal_open(&config, &writer->journal, err);
}

enum ax_code ax_online_history_begin(const char *state, const struct ax_source *source,
                                     int64_t from_us, int64_t to_us,
                                     struct ax_online_history_writer **ret_writer,
                                     struct ax_err *err)
{
    assert(state && source && source->event_id_count && ret_writer && err);
    struct ax_online_history_writer *writer = ax_xalloc(sizeof(*writer));
    writer->source = source;
    writer->history.from_us = from_us;
    writer->history.to_us = to_us;
    if (begin(writer, state, err)) {
        ax_online_history_free(writer);
        return err->code;
    }
    *ret_writer = writer;
    return AX_OK;
}

enum ax_code ax_online_history_add(struct ax_online_history_writer *writer,
                                   const struct ax_values *const *columns, size_t rows,
                                   struct ax_err *err)
{
    assert(writer && columns && rows && err);
    struct ax_err full = AX_ERR_INIT;
    uint64_t first;
    if (ax_journal_add(writer->journal, columns, rows, writer->history.from_us, &first, &full) ==
            AX_E_LIMIT &&
        ax_journal_commit(writer->journal, err))
        return err->code;
    if (full.code == AX_E_LIMIT)
        (void)(ax_journal_add(writer->journal, columns, rows, writer->history.from_us, &first,
                              err) != AX_OK);
    else if (full.code)
        *err = full;
    return err->code;
}

enum ax_code ax_online_history_end(struct ax_online_history_writer *writer, struct ax_err *err)
{
    assert(writer && err);
    char digest[AX_SHA256_TEXT_SIZE], name[128], path[PATH_MAX];
    if (ax_journal_commit(writer->journal, err))
        return err->code;
    digest_source(writer->source, digest);
    (void)snprintf(name, sizeof(name), "%" PRIu32 "-%s-%" PRId64 "-%" PRId64 "-%" PRIu64,
                   writer->history.number, digest, writer->history.from_us, writer->history.to_us,
                   ax_journal_next(writer->journal) - 1);
    ax_journal_close(writer->journal);
    writer->journal = NULL;
    if (make_path(path, writer->parent, ax_str_from(name), err))
        return err->code;
    if (rename(writer->part, path))
        return ax_fail_errno(err, errno, "cannot rename '%s'", writer->part);
    return ax_file_sync_folder(writer->parent, err) || remove_others(writer->parent, name, err)
               ? err->code
               : AX_OK;
}

void ax_online_history_free(struct ax_online_history_writer *writer)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (!writer)
        return;
    ax_journal_close(writer->journal);
    if (writer->part[0])
        (void)(ax_file_remove_tree(writer->part, &ignored) != AX_OK);
    free(writer);
}
