/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files a source reads: those of its glob, in the order in which they are read, or the
 * database of its table.
 */
#include "feature/offline/duckdb_relation.h"

#include <assert.h>

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
