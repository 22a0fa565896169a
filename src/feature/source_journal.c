/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list: few sources are pushed. One that is not any more keeps its journal, and what stands there
 * stays a part of its history.
 */
#include "feature/source_journal.h"

#include "base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct ax_source_journals {
    struct ax_source_journal *items;
    uint64_t *ends; /* of each: the extent's when it was opened */
    size_t count;
};

static enum ax_code put_folder(const char *state, const struct ax_source *source,
                               char ret_folder[PATH_MAX], struct ax_err *err)
{
    int len = snprintf(ret_folder, PATH_MAX, "%s/journal/%.*s", state, AX_STR_ARG(source->name));
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    return AX_OK;
}

static enum ax_code check_one(const char *state, const struct ax_source *source, struct ax_err *err)
{
    char folder[PATH_MAX];
    if (put_folder(state, source, folder, err) ||
        ax_journal_check_columns(folder, source->columns, source->column_count, NULL, err))
        return ax_err_context(err, "source '%.*s'", AX_STR_ARG(source->name));
    return AX_OK;
}

enum ax_code ax_source_journals_check(const char *state, const struct ax_definitions *definitions,
                                      struct ax_err *err)
{
    assert(state && definitions && err);
    for (size_t i = 0; i < definitions->source_count && !err->code; i++)
        if (definitions->sources[i].time >= 0)
            (void)(check_one(state, &definitions->sources[i], err) != AX_OK);
    return err->code;
}

static enum ax_code open_one(struct ax_source_journals *journals, const char *state,
                             const struct ax_source *source, struct ax_err *err)
{
    char folder[PATH_MAX];
    struct ax_source_journal journal = { .source = source };
    if (put_folder(state, source, folder, err))
        return err->code;
    if (ax_journal_extent_read(folder, &journal.extent, err))
        return ax_err_context(err, "source '%.*s'", AX_STR_ARG(source->name));
    if (journal.extent.next == journal.extent.first)
        return AX_OK;
    journal.folder = realpath(folder, NULL); /* Who reads it may be in another folder then. */
    if (!journal.folder)
        return ax_fail(err, AX_E_NOT_FOUND, "'%s' is gone", folder);
    journals->ends[journals->count] = journal.extent.next;
    journals->items[journals->count++] = journal;
    return AX_OK;
}

enum ax_code ax_source_journals_open(const char *state, const struct ax_definitions *definitions,
                                     struct ax_source_journals **ret_journals, struct ax_err *err)
{
    assert(state && definitions && ret_journals && err);
    struct ax_source_journals *journals = ax_xalloc(sizeof(*journals));
    journals->items = ax_xalloc((definitions->source_count + 1) * sizeof(*journals->items));
    journals->ends = ax_xalloc((definitions->source_count + 1) * sizeof(*journals->ends));
    for (size_t i = 0; i < definitions->source_count && !err->code; i++)
        if (definitions->sources[i].time >= 0)
            (void)(open_one(journals, state, &definitions->sources[i], err) != AX_OK);
    if (err->code)
        ax_source_journals_close(journals);
    else
        *ret_journals = journals;
    return err->code;
}

void ax_source_journals_close(struct ax_source_journals *journals)
{
    if (!journals)
        return;
    for (size_t i = 0; i < journals->count; i++)
        free(journals->items[i].folder);
    free(journals->items);
    free(journals->ends);
    free(journals);
}

const struct ax_source_journal *ax_source_journals_get(const struct ax_source_journals *journals,
                                                       const struct ax_source *source)
{
    assert(source);
    for (size_t i = 0; journals && i < journals->count; i++)
        if (journals->items[i].source == source &&
            journals->items[i].extent.next > journals->items[i].extent.first)
            return &journals->items[i];
    return NULL;
}

void ax_source_journals_cut(struct ax_source_journals *journals, struct ax_str source,
                            uint64_t last)
{
    assert(journals);
    for (size_t i = 0; i < journals->count; i++)
        if (ax_str_equals(journals->items[i].source->name, source))
            journals->items[i].extent.next =
                last < UINT64_MAX ? AX_MIN(last + 1, journals->ends[i]) : journals->ends[i];
}

void ax_source_journal_put_extent(struct ax_buf *out, const struct ax_source_journal *journal)
{
    assert(out && journal);
    const struct ax_journal_extent *extent = &journal->extent;
    ax_buf_printf(out, "rows %" PRIu64 " to %" PRIu64 " (%016" PRIx64 ")", extent->first,
                  extent->next - 1, extent->hash);
}
