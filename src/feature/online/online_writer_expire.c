/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushed rows that are older than their source keeps them.
 *
 * They go by whole segments of its journal, once a minute. So that a source of few rows has old
 * segments, too, the last one is ended when it has a row of an eighth of that age: a row stays as
 * long as is said, and at most an eighth longer. Those that the disk does not have yet stay; when
 * nothing was folded since definitions came into force, positions alone are.
 */
#include "feature/online/online_writer_state.h"

#include "base/clock.h"

#define LOOK_NS    ((uint64_t)60 * AX_NS_PER_S)
#define END_SHARE  8
#define ROWS_OTHER UINT64_MAX /* of rows_begun: something is to be folded */

static void expire_source(struct ax_online_writer *writer, const struct ax_source *source)
{
    struct ax_online_journal *journal = ax_online_journals_get(&writer->journals, source->name);
    struct ax_err ignored = AX_ERR_INIT; /* What it has stays shown, and it is tried again. */
    int64_t now_us = writer->config.now_us(writer->config.context);
    int64_t before_us;
    if (!journal || __builtin_sub_overflow(now_us, source->keep_us, &before_us))
        return;
    if (!journal->folded && ax_online_journal_next(journal) > 1) {
        writer->rows_begun = ROWS_OTHER;
        writer->expire_is_held = true;
        return;
    }
    (void)(ax_online_journal_expire(&writer->journals, journal,
                                    now_us - source->keep_us / END_SHARE, before_us,
                                    &ignored) != AX_OK);
}

void ax_online_writer_expire(struct ax_online_writer *writer)
{
    const struct ax_online_views *views = writer->views;
    uint64_t now_ns = ax_clock_ns();
    if (!views || !writer->folder || !writer->config.now_us || now_ns < writer->expire_ns)
        return;
    writer->expire_ns = now_ns + LOOK_NS;
    writer->expire_is_held = false;
    for (size_t i = 0; i < views->given.definitions->source_count; i++) {
        const struct ax_source *source = &views->given.definitions->sources[i];
        if (source->keep_us)
            expire_source(writer, source);
    }
}
