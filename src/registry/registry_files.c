/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of applies: which ones an apply was read from, and each text once, by its digest.
 *
 * An apply that changes nothing else has its files written over those of the last one, so that what
 * is read is what was applied, with its comments and places. Files that are the same leave the
 * database untouched, which whoever watches it is glad of. Both the digest of a text and the
 * checksum of the list are compared when they are read.
 */
#include "registry/database.h"

#include <assert.h>

static void digest_text(struct ax_str text, char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, text.ptr, text.len);
    ax_sha256_text(&sha, ret_digest);
}

/* ---- written ---- */

struct keep_run {
    struct ax_query find; /* apply, checksum -> a row when these files are there */
    struct ax_query clear;
    struct ax_query text, file; /* insert */
    struct ax_query forget;     /* texts that no file has any more */
    struct ax_query mark;
};

static enum ax_code prepare(struct keep_run *run, struct ax_registry *registry, struct ax_err *err)
{
    (void)(ax_query_begin(&run->find, registry,
                          "select 1 from applies where number = ? and files_checksum = ?", err) ||
           ax_query_begin(&run->clear, registry, "delete from files where apply = ?", err) ||
           ax_query_begin(&run->text, registry,
                          "insert or ignore into texts (digest, text) values (?, ?)", err) ||
           ax_query_begin(&run->file, registry,
                          "insert into files select ?, ?, ?, id from texts where digest = ?",
                          err) ||
           ax_query_begin(&run->forget, registry,
                          "delete from texts where id not in (select text from files)", err) ||
           ax_query_begin(&run->mark, registry,
                          "update applies set files_folder = ?, files_checksum = ? "
                          "where number = ?",
                          err));
    return err->code;
}

static enum ax_code put_file(struct keep_run *run, uint64_t number, size_t position,
                             const struct ax_file_text *file, struct ax_err *err)
{
    char digest[AX_SHA256_TEXT_SIZE];
    digest_text(file->text, digest);
    ax_query_set_text(&run->text, 0, ax_str_from(digest));
    ax_query_set_text(&run->text, 1, file->text);
    ax_query_set_u64(&run->file, 0, number);
    ax_query_set_u64(&run->file, 1, position);
    ax_query_set_text(&run->file, 2, file->path);
    ax_query_set_text(&run->file, 3, ax_str_from(digest));
    (void)(ax_query_run(&run->text, err) || ax_query_run(&run->file, err));
    return err->code;
}

static enum ax_code put_files(struct keep_run *run, uint64_t number,
                              const struct ax_registry_change *change, struct ax_err *err)
{
    int64_t checksum =
        ax_registry_files_checksum(change->files_folder, change->files, change->file_count);
    bool is_there = false;
    ax_query_set_u64(&run->find, 0, number);
    ax_query_set_i64(&run->find, 1, checksum);
    if (ax_query_step(&run->find, &is_there, err) || is_there)
        return err->code;
    ax_query_set_u64(&run->clear, 0, number);
    if (ax_query_run(&run->clear, err))
        return err->code;
    for (size_t i = 0; i < change->file_count && !err->code; i++)
        (void)(put_file(run, number, i, &change->files[i], err) != AX_OK);
    ax_query_set_text(&run->mark, 0, change->files_folder);
    ax_query_set_i64(&run->mark, 1, checksum);
    ax_query_set_u64(&run->mark, 2, number);
    return err->code || ax_query_run(&run->forget, err) || ax_query_run(&run->mark, err) ? err->code
                                                                                         : AX_OK;
}

enum ax_code ax_registry_keep_files(struct ax_registry *registry, uint64_t number,
                                    const struct ax_registry_change *change, struct ax_err *err)
{
    assert(registry && number && change && (change->files || !change->file_count) && err);
    struct keep_run run = { 0 };
    if (!prepare(&run, registry, err))
        (void)(put_files(&run, number, change, err) != AX_OK);
    ax_query_end(&run.find);
    ax_query_end(&run.clear);
    ax_query_end(&run.text);
    ax_query_end(&run.file);
    ax_query_end(&run.forget);
    ax_query_end(&run.mark);
    return err->code;
}

/* ---- read ---- */

/* What its row says of them. */
static enum ax_code read_head(struct ax_registry *registry, uint64_t number, struct ax_arena *arena,
                              struct ax_registry_files *files, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false, has_files = false;
    if (!ax_query_begin(&query, registry,
                        "select number, files_folder, files_checksum, files_checksum is not null "
                        "from applies where ?1 in (0, number) order by number desc limit 1",
                        err)) {
        ax_query_set_u64(&query, 0, AX_MIN(number, (uint64_t)INT64_MAX));
        if (!ax_query_step(&query, &has_row, err) && has_row) {
            files->apply = ax_query_u64(&query, 0);
            files->checksum = ax_query_i64(&query, 2);
            has_files = ax_query_i64(&query, 3) != 0;
            (void)(ax_query_copy(&query, 1, arena, &files->folder, err) != AX_OK);
        }
    }
    ax_query_end(&query);
    if (err->code || has_files)
        return err->code;
    if (has_row)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "'%s': apply %llu was done by an older auspex, which did not keep what it "
                       "read: apply again",
                       registry->path, (unsigned long long)files->apply);
    return ax_fail(err, AX_E_NOT_FOUND, "'%s': %s", registry->path,
                   number ? "there is no such apply" : "nothing was applied yet");
}

static enum ax_code read_file(struct ax_query *query, struct ax_arena *arena,
                              struct ax_file_text *file, struct ax_err *err)
{
    char digest[AX_SHA256_TEXT_SIZE];
    if (ax_query_copy(query, 0, arena, &file->path, err) ||
        ax_query_copy(query, 1, arena, &file->text, err))
        return err->code;
    digest_text(file->text, digest);
    if (!ax_str_is(ax_query_text(query, 2), digest))
        return ax_database_damaged_fail(query->registry, err, "file '%.*s' is not what was applied",
                                        AX_STR_ARG(ax_str_cut(file->path, 60)));
    return AX_OK;
}

/* `count` of them, and no more. */
static enum ax_code read_rows(struct ax_registry *registry, uint64_t apply, struct ax_arena *arena,
                              struct ax_file_text *files, size_t count, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    size_t at = 0;
    if (!ax_query_begin(&query, registry,
                        "select f.path, t.text, t.digest from files f join texts t on t.id = "
                        "f.text where f.apply = ? order by f.position",
                        err)) {
        ax_query_set_u64(&query, 0, apply);
        while (!ax_query_step(&query, &has_row, err) && has_row && at < count &&
               !read_file(&query, arena, &files[at], err))
            at++;
    }
    ax_query_end(&query);
    if (!err->code && (at < count || has_row))
        return ax_database_damaged_fail(registry, err, "its tables do not agree");
    return err->code;
}

static enum ax_code read_files(struct ax_registry *registry, uint64_t number,
                               struct ax_arena *arena, struct ax_registry_files *ret,
                               struct ax_err *err)
{
    struct ax_registry_files found = { 0 };
    struct ax_file_text *files;
    if (read_head(registry, number, arena, &found, err) ||
        ax_registry_make_room(registry, "select count(*) from files where apply = ?",
                              (int64_t)found.apply, sizeof(*files), arena, (void **)&files,
                              &found.file_count, err) ||
        read_rows(registry, found.apply, arena, files, found.file_count, err))
        return err->code;
    if (ax_registry_files_checksum(found.folder, files, found.file_count) != found.checksum)
        return ax_database_damaged_fail(registry, err,
                                        "the files of apply %llu are not those that were applied",
                                        (unsigned long long)found.apply);
    found.files = files;
    *ret = found;
    return AX_OK;
}

enum ax_code ax_registry_read_files(struct ax_registry *registry, uint64_t number,
                                    struct ax_arena *arena, struct ax_registry_files *ret_files,
                                    struct ax_err *err)
{
    assert(registry && arena && ret_files && err);
    if (ax_database_run(registry, "begin", err))
        return err->code;
    (void)(read_files(registry, number, arena, ret_files, err) != AX_OK);
    return ax_database_end(registry, err);
}
