/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer counts for itself; here its figures get their names.
 */
#include "server/api/online_metrics.h"

#include "base/clock.h"
#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>

static const struct ax_metric_family families[] = {
    { "ax_online_rows", "Keys of all entities in the online store.", AX_METRIC_GAUGE, NULL },
    { "ax_online_memory_bytes", "Memory that the online store has taken.", AX_METRIC_GAUGE, NULL },
    { "ax_online_written_total", "Values of views that were written for a key.", AX_METRIC_COUNTER,
      NULL },
    { "ax_online_stale_total", "Values of views that were older than what was there.",
      AX_METRIC_COUNTER, NULL },
    { "ax_online_refused_total", "Values of views that the online store had no room for.",
      AX_METRIC_COUNTER, NULL },
    { "ax_online_batches_total", "Pushes and other batches that were done.", AX_METRIC_COUNTER,
      NULL },
    { "ax_online_queue", "Pushes and other batches that wait for the online store.",
      AX_METRIC_GAUGE, NULL },
    { "ax_online_filled_total", "Keys that were read from the disk since the start.",
      AX_METRIC_COUNTER, NULL },
    { "ax_online_unfilled", "Keys that are still to be read from the disk, about.", AX_METRIC_GAUGE,
      NULL },
    { "ax_online_windows_unfilled", "Events that are still to be read into windows, about.",
      AX_METRIC_GAUGE, NULL },
    { "ax_online_windows_memory_bytes", "Memory of the windows of all views, without their keys.",
      AX_METRIC_GAUGE, NULL },
    { "ax_online_events_refused_total", "Events that windows of views in force did not take.",
      AX_METRIC_COUNTER, NULL },
    { "ax_online_folded_total", "Keys that were written to the disk.", AX_METRIC_COUNTER, NULL },
    { "ax_online_fold_failures_total", "Times that the disk took no keys.", AX_METRIC_COUNTER,
      NULL },
    { "ax_online_unfolded", "Keys that are newer than what the disk has.", AX_METRIC_GAUGE, NULL },
    { "ax_online_unfolded_age_seconds", "Since the first of them changed.", AX_METRIC_GAUGE, NULL },
    { "ax_online_swept_total", "Values that went with their view, or since they were too old.",
      AX_METRIC_COUNTER, NULL },
    { "ax_journal_rows_total", "Pushed rows that were journalled.", AX_METRIC_COUNTER, NULL },
    { "ax_journal_written_bytes_total", "Bytes of the rows that were journalled.",
      AX_METRIC_COUNTER, NULL },
    { "ax_journal_failures_total", "Times that rows could not be journalled.", AX_METRIC_COUNTER,
      NULL },
};

void ax_online_metrics_print(struct ax_buf *out, const struct ax_feature_store *store)
{
    assert(out && store);
    const struct ax_online_writer *writer = ax_feature_store_writer(store);
    struct ax_online_writer_stats stats = { 0 };
    if (writer)
        ax_online_writer_stats(writer, &stats);
    const uint64_t values[AX_COUNT(families)] = {
        /* in their order */
        stats.table.rows,
        stats.table.bytes,
        stats.table.written,
        stats.table.stale,
        stats.table.refused,
        stats.batches,
        stats.queue,
        stats.filled,
        stats.unfilled,
        stats.windows_unfilled,
        stats.windows_bytes,
        stats.events_refused,
        stats.folded,
        stats.fold_failures,
        stats.unfolded,
        stats.unfolded_ns / AX_NS_PER_S,
        stats.swept,
        stats.rows_journalled,
        stats.journal_bytes_written,
        stats.journal_failures,
    };
    for (size_t i = 0; i < AX_COUNT(families); i++) {
        ax_metric_print_head(out, &families[i]);
        (void)ax_buf_printf(out, "%s %" PRIu64 "\n", families[i].name, values[i]);
    }
}
