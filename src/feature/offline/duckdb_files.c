/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files a source reads: those of its glob, in the order in which they are read, or the
 * database of its table; and whether what is to be written is one of them.
 */
#include "base/alloc.h"
#include "feature/offline/duckdb_relation.h"

#include <assert.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

static enum ax_code tell_files(struct ax_offline *offline, const struct ax_source *source,
                               ax_offline_file_fn found, void *arg, struct ax_err *err)
{
    struct ax_relation relation;
    if (ax_relation_find_files(offline, source, &relation, err))
        return err->code;
    for (size_t i = 0; i < relation.file_count && !err->code; i++)
        (void)(found(arg, relation.files[i], err) != AX_OK);
    ax_relation_done(&relation);
    return err->code;
}

/* "store.duckdb/main.flights": what stands in front of the last '/'. */
static enum ax_code tell_database(struct ax_offline *offline, const struct ax_source *source,
                                  ax_offline_file_fn found, void *arg, struct ax_err *err)
{
    struct ax_buf path;
    size_t len = source->text.len;
    while (len && source->text.ptr[len - 1] != '/')
        len--;
    if (len < 2)
        return AX_OK; /* No table, which is told when it is read. */
    ax_buf_init(&path, 8192);
    if (source->text.ptr[0] != '/')
        ax_buf_printf(&path, "%s/", offline->data_folder);
    (void)ax_buf_append(&path, source->text.ptr, len - 1);
    if (!ax_buf_check(&path, "the path", err))
        (void)(found(arg, ax_buf_str(&path), err) != AX_OK);
    ax_buf_done(&path);
    return err->code;
}

enum ax_code ax_offline_files(struct ax_offline *offline, const struct ax_source *source,
                              ax_offline_file_fn found, void *arg, struct ax_err *err)
{
    assert(offline && source && found && err);
    switch (source->kind) {
    case AX_SOURCE_FILES:
        return tell_files(offline, source, found, arg, err);
    case AX_SOURCE_TABLE:
        return tell_database(offline, source, found, arg, err);
    case AX_SOURCE_SQL:
        break;
    }
    return AX_OK;
}

/* ---- what must not be written ---- */

bool ax_relation_is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    assert(a && b);
    return !stat(a, &first) && !stat(b, &second) && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* "**" crosses folders, which fnmatch lets every '*' do or none. */
static bool is_matched(struct ax_str pattern, const char *path)
{
    char *text = ax_xmemdup0(pattern.ptr, pattern.len);
    bool matched = fnmatch(text, path, strstr(text, "**") ? 0 : FNM_PATHNAME) == 0;
    free(text);
    return matched;
}

static enum ax_code check_file(void *arg, struct ax_str path, struct ax_err *err)
{
    char *text = ax_xmemdup0(path.ptr, path.len);
    bool found = ax_relation_is_same_file(text, arg);
    free(text);
    return found ? ax_fail(err, AX_E_EXISTS, "it is read") : AX_OK;
}

enum ax_code ax_relation_check_out(struct ax_offline *offline, const struct ax_source *source,
                                   const char *out, struct ax_err *err)
{
    assert(offline && source && out && out[0] == '/' && err);
    struct ax_buf pattern;
    ax_buf_init(&pattern, PATH_MAX * 4);
    ax_relation_put_pattern(&pattern, offline, source->text);
    enum ax_code code = ax_buf_check(&pattern, "the path", err);
    bool found = !code && source->kind == AX_SOURCE_FILES && is_matched(ax_buf_str(&pattern), out);
    ax_buf_done(&pattern);
    if (code)
        return code;
    if (!found && ax_offline_files(offline, source, check_file, (void *)(uintptr_t)out, err))
        found = err->code == AX_E_EXISTS;
    /* That there are no files is told when they are to be read. */
    if (found || err->code == AX_E_NOT_FOUND)
        ax_err_clear(err);
    if (found)
        (void)ax_fail(err, AX_E_INVALID,
                      "'%s' is among the files of source '%.*s'; write to another place", out,
                      AX_STR_ARG(source->name));
    return err->code;
}
