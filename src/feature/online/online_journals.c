/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals stay open when their source is not in force any more: it may come back, and an open
 * journal costs a descriptor.
 */
#include "feature/online/online_journals.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct ax_metric_family bytes_family = {
    .name = "ax_journal_bytes",
    .help = "Files of the journal of a source.",
    .type = AX_METRIC_GAUGE,
    .labels = "source",
};

static const struct ax_metric_family rows_family = {
    .name = "ax_journal_kept_rows",
    .help = "Rows that the journal of a source has.",
    .type = AX_METRIC_GAUGE,
    .labels = "source",
};

static const struct ax_metric_family missing_family = {
    .name = "ax_journal_missing_rows_total",
    .help = "Acknowledged rows that the journal of a source was found to lack.",
    .type = AX_METRIC_COUNTER,
    .labels = "source",
};

void ax_online_journals_init(struct ax_online_journals *journals, const char *folder,
                             bool is_synced, uint64_t bytes_max)
{
    *journals = (struct ax_online_journals){ .is_synced = is_synced, .bytes_max = bytes_max };
    journals->folder = folder ? ax_xstrdup(folder) : NULL;
    ax_map_init(&journals->by_source);
}

void ax_online_journals_done(struct ax_online_journals *journals)
{
    struct ax_str name;
    void *value;
    for (size_t at = 0; ax_map_next(&journals->by_source, &at, &name, &value);) {
        struct ax_online_journal *journal = value;
        ax_journal_close(journal->journal);
        ax_metric_unregister(&bytes_family, &name, 0);
        ax_metric_unregister(&rows_family, &name, 0);
        ax_metric_unregister(&missing_family, &name, 0);
        free(journal->folder);
        free(journal);
    }
    ax_map_done(&journals->by_source);
    free(journals->folder);
}

struct ax_online_journal *ax_online_journals_get(const struct ax_online_journals *journals,
                                                 struct ax_str source)
{
    return ax_map_get(&journals->by_source, source);
}

/* NULL: there is none. */
static char *folder_of(const struct ax_online_journals *journals, struct ax_str source)
{
    if (!journals->folder)
        return NULL;
    size_t size = strlen(journals->folder) + 1 + source.len + 1;
    char *folder = ax_xalloc(size);
    (void)snprintf(folder, size, "%s/%.*s", journals->folder, AX_STR_ARG(source));
    return folder;
}

bool ax_online_journals_have(const struct ax_online_journals *journals, struct ax_str source)
{
    if (ax_online_journals_get(journals, source))
        return true;
    char *folder = folder_of(journals, source);
    bool is_there = folder && access(folder, F_OK) == 0;
    free(folder);
    return is_there;
}

static struct ax_online_journal *journal_new(struct ax_online_journals *journals,
                                             struct ax_str source)
{
    struct ax_online_journal *journal = ax_xalloc(sizeof(*journal));
    struct ax_err ignored = AX_ERR_INIT; /* without room for series nothing is counted */
    journal->next = 1;
    (void)(ax_metric_register(&bytes_family, &source, &journal->bytes_metric, &ignored) ||
           ax_metric_register(&rows_family, &source, &journal->rows_metric, &ignored) ||
           ax_metric_register(&missing_family, &source, &journal->missing_metric, &ignored));
    journal->folder = folder_of(journals, source);
    (void)ax_map_put(&journals->by_source, source, journal);
    return journal;
}

static void count(ax_metric metric, uint64_t *shown, uint64_t value)
{
    ax_metric_gauge_add(metric, (int64_t)(value - *shown));
    *shown = value;
}

/* What its files have, after whatever may have changed it. */
static void recount(struct ax_online_journals *journals, struct ax_online_journal *journal)
{
    struct ax_journal_stats stats = { 0 };
    if (journal->journal)
        ax_journal_stats(journal->journal, &stats);
    journals->bytes += stats.bytes - journal->bytes;
    count(journal->bytes_metric, &journal->bytes, stats.bytes);
    count(journal->rows_metric, &journal->rows, stats.rows_kept);
}

static enum ax_code skip(struct ax_online_journal *journal, uint64_t next,
                         struct ax_online_journal_loss *loss, struct ax_err *err)
{
    struct ax_journal_stats stats;
    ax_journal_stats(journal->journal, &stats);
    loss->bytes_cut = stats.bytes_cut;
    loss->is_cut_damaged = stats.is_cut_damaged;
    if (ax_journal_skip(journal->journal, next, &loss->rows, err)) {
        ax_journal_close(journal->journal);
        journal->journal = NULL;
        return err->code;
    }
    ax_metric_add(journal->missing_metric, loss->rows);
    return AX_OK;
}

enum ax_code ax_online_journals_open(struct ax_online_journals *journals,
                                     const struct ax_source_plan *plan, uint64_t next,
                                     struct ax_online_journal_loss *ret_loss, struct ax_err *err)
{
    assert(journals && plan && ret_loss && err);
    *ret_loss = (struct ax_online_journal_loss){ 0 };
    struct ax_str source = plan->source->name;
    struct ax_online_journal *journal = ax_online_journals_get(journals, source);
    if (!journal)
        journal = journal_new(journals, source);
    if (!journal->folder ||
        (journal->journal &&
         ax_journal_has(journal->journal, plan->source->columns, plan->source->column_count)))
        return AX_OK;
    struct ax_journal_config config = { .folder = journal->folder,
                                        .source = source,
                                        .columns = plan->source->columns,
                                        .column_count = plan->source->column_count,
                                        .is_synced = journals->is_synced,
                                        .bytes_max = journals->bytes_max };
    ax_journal_close(journal->journal);
    journal->journal = NULL;
    if (!ax_journal_open(&config, &journal->journal, err))
        (void)(skip(journal, next, ret_loss, err) != AX_OK);
    recount(journals, journal);
    return err->code;
}

uint64_t ax_online_journal_next(const struct ax_online_journal *journal)
{
    return journal->journal ? ax_journal_next(journal->journal) : journal->next;
}

static enum ax_code fail_closed(const struct ax_online_journal *journal, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNAVAILABLE, "the journal '%s' could not be opened", journal->folder);
}

enum ax_code ax_online_journal_add(struct ax_online_journal *journal,
                                   const struct ax_source_plan *plan,
                                   const struct ax_source_rows *rows, int64_t taken_us,
                                   struct ax_arena *arena, uint64_t *ret_first, struct ax_err *err)
{
    size_t count = plan->source->column_count;
    if (!journal->folder || !rows->rows) {
        *ret_first = ax_online_journal_next(journal);
        journal->next += rows->rows;
        return AX_OK;
    }
    if (!journal->journal)
        return fail_closed(journal, err);
    if (!ax_journal_has(journal->journal, plan->source->columns, plan->source->column_count))
        return ax_fail(err, AX_E_CONFLICT, "the columns of '%.*s' are changed at the moment",
                       AX_STR_ARG(plan->source->name));
    const struct ax_values **columns = ax_arena_alloc(arena, count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(arena, "rows of a source", err);
    for (size_t i = 0; i < count; i++)
        columns[i] = &rows->columns[i];
    if (ax_journal_add(journal->journal, columns, rows->rows, taken_us, ret_first, err))
        return err->code;
    journal->is_touched = true;
    return AX_OK;
}

static void commit(struct ax_online_journals *journals, struct ax_online_journal *journal)
{
    struct ax_journal_stats before, after;
    ax_journal_stats(journal->journal, &before);
    (void)(ax_journal_commit(journal->journal, &journal->err) != AX_OK);
    ax_journal_stats(journal->journal, &after);
    journal->is_touched = false;
    journals->rows += after.rows - before.rows;
    journals->bytes_written += after.bytes_written - before.bytes_written;
    journals->failures += after.failures - before.failures;
    recount(journals, journal);
}

void ax_online_journals_commit(struct ax_online_journals *journals)
{
    struct ax_str name;
    void *value;
    for (size_t at = 0; ax_map_next(&journals->by_source, &at, &name, &value);) {
        struct ax_online_journal *journal = value;
        journal->err = (struct ax_err)AX_ERR_INIT;
        if (journal->is_touched)
            commit(journals, journal);
    }
}

enum ax_code ax_online_journal_end_segment(struct ax_online_journals *journals,
                                           struct ax_online_journal *journal, struct ax_err *err)
{
    assert(journals && journal && err);
    if (!journal->journal)
        return fail_closed(journal, err);
    (void)(ax_journal_end_segment(journal->journal, err) != AX_OK);
    recount(journals, journal);
    return err->code;
}

enum ax_code ax_online_journal_erase(struct ax_online_journals *journals,
                                     struct ax_online_journal *journal, const uint64_t *sequences,
                                     size_t count, size_t *ret_count, struct ax_err *err)
{
    assert(journals && journal && journal->journal && err);
    (void)(ax_journal_erase(journal->journal, sequences, count, ret_count, err) != AX_OK);
    recount(journals, journal);
    return err->code;
}

enum ax_code ax_online_journal_expire(struct ax_online_journals *journals,
                                      struct ax_online_journal *journal, int64_t end_us,
                                      int64_t before_us, struct ax_err *err)
{
    assert(journals && journal && err);
    if (!journal->journal)
        return AX_OK;
    (void)(ax_journal_expire(journal->journal, end_us, before_us, journal->folded, err) != AX_OK);
    recount(journals, journal);
    return err->code;
}
