/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: counters, gauges and log-linear histograms, written per thread, read by the scrape.
 *
 * A metric series (family and labels) is registered on a control thread and becomes a number. Each
 * thread that writes attaches a shard of its own: plain 64-bit cells in pages that no other thread
 * writes, so a write is one load and one store, without a lock, a locked instruction or a shared
 * cache line. Who reads adds the shards up. Shards of threads that ended are kept and reused.
 * Registering the same family and labels again gives the same number, so counts survive a reload.
 * A series of what is gone for good is given back, and its cells are used again.
 * A counter or gauge takes one cell, a histogram 107. At most AX_METRIC_CELLS_MAX cells,
 * AX_METRIC_FAMILIES_MAX families; over it registration fails with LIMIT.
 */
#ifndef AX_BASE_METRIC_H
#define AX_BASE_METRIC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define AX_METRIC_CELLS_MAX    ((size_t)1 << 20)
#define AX_METRIC_FAMILIES_MAX ((size_t)256)
#define AX_METRIC_THREADS_MAX  ((size_t)1024) /* attached at one time; asserted */
#define AX_METRIC_RESERVE_MAX  ((size_t)107)  /* cells reserved at once; asserted */

enum ax_metric_type {
    AX_METRIC_COUNTER,
    AX_METRIC_GAUGE,
    AX_METRIC_GAUGE_NS, /* a gauge that is counted in nanoseconds and shown in seconds */
    AX_METRIC_HISTOGRAM,
    AX_METRIC_HISTOGRAM_COARSE, /* shows fewer edges, for a family with thousands of series */
    AX_METRIC_HISTOGRAM_AGE,    /* of ages: a million times as long, and as coarse */
};

/* Described once, `static const`; tests/docs compare all families with the docs. */
struct ax_metric_family {
    const char *name; /* with its unit, as Prometheus has it: ax_request_duration_seconds */
    const char *help;
    enum ax_metric_type type;
    const char *labels; /* label names divided by ',', or NULL */
};

/* A registered series; 0 is no series, and writing to it, or to the cells that would lie behind it,
 * does nothing. */
typedef uint32_t ax_metric;

/* Register; `values` has one text per label name of the family. Any thread; takes a lock.
 * Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_metric_register(const struct ax_metric_family *family,
                                            const struct ax_str *values, ax_metric *ret_metric,
                                            struct ax_err *err);

/* Register `count` counters, one behind the other, that no scrape shows: for statistics that have
 * another form. The same name gives the same cells. Any thread; takes a lock. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_metric_reserve(struct ax_str name, size_t count, ax_metric *ret_first,
                                           struct ax_err *err);

/* Give a series back; without one nothing is done. What it counted is added to `into`, a series of
 * the same type, or dropped when that is 0. The caller sees to it that nothing writes or reads the
 * series any more, and that whatever was written happened before (as by the last reference of a
 * counted object). Its number is that of another series soon. Any thread, also one without a shard;
 * takes a lock. */
void ax_metric_unregister(const struct ax_metric_family *family, const struct ax_str *values,
                          ax_metric into);
void ax_metric_unreserve(struct ax_str name, size_t count, ax_metric into);

/* Give the calling thread its shard, and hand it back before the thread ends. Threads of
 * base/thread.h do so themselves, main() must. Writing from a thread without one asserts. */
void ax_metric_thread_attach(void);
void ax_metric_thread_detach(void);

void ax_metric_add(ax_metric metric, uint64_t n);

/* A gauge is the sum over threads of what each one added: +1 and later -1 may come from two
 * different threads. */
void ax_metric_gauge_add(ax_metric metric, int64_t n);

/* Record a duration into a histogram: 4 buckets an octave from 1 us to 67 s (2^26 us), so a
 * quantile is at most 25 % above the true value. A scrape shows exact sum and count, and in seconds
 * one `le` a power of two of 1 us; of a coarse one a dozen: one a power of four from 4 us to 17 s.
 */
void ax_metric_observe_ns(ax_metric metric, uint64_t ns);

/* The same of an age, which is counted in milliseconds: from 1 s to 776 days. */
void ax_metric_observe_age_us(ax_metric metric, uint64_t us);

/* Sum over all shards of a counter or gauge; for tests and statistics. No lock, nor in the next
 * ones. */
int64_t ax_metric_read(ax_metric metric);

/* The same as ax_metric_read for `count` counters from `first` on; zeros when `first` is no series.
 */
void ax_metric_read_cells(ax_metric first, size_t count, uint64_t *ret_values);

/* Quantile `q` (0..1) of a histogram in nanoseconds, the upper edge of its bucket; 0 when empty,
 * and UINT64_MAX when it lies above the last bucket. */
uint64_t ax_metric_quantile_ns(ax_metric metric, double q);

/* The families registered so far, from 0; NULL behind the last. What the docs are compared with. */
const struct ax_metric_family *ax_metric_family_at(size_t at);

/* Print HELP and TYPE of a family, for what is printed elsewhere. */
void ax_metric_print_head(struct ax_buf *out, const struct ax_metric_family *family);

/* Print `name="value",…` as it stands between braces, escaped. */
void ax_metric_print_labels(struct ax_buf *out, const char *names, const struct ax_str *values);

/* Print `name{labels,more} `, what stands before a value; `labels` and `more` are as printed by
 * ax_metric_print_labels, and may be empty. */
void ax_metric_print_name(struct ax_buf *out, const char *name, struct ax_str labels,
                          struct ax_str more);

/*
 * All series as Prometheus text format 0.0.4, printed in steps: families in order of registration,
 * HELP and TYPE once, label values escaped. It shows the series that there were when it was made,
 * each at most once and whole; one that was given back since is left out, unless it was printed
 * before. So what is given back meanwhile may be seen twice or not at all by a sum over a family:
 * who wants that to be exact keeps series from being given back until it is all printed. One
 * thread.
 */
struct ax_metric_scrape;
struct ax_metric_scrape *ax_metric_scrape_new(void) AX_RETURNS_NONNULL;
/* NULL is fine. */
void ax_metric_scrape_free(struct ax_metric_scrape *scrape);

/* Print on, about `bytes`: at most a series' own lines more, and a head. True: that was all, or the
 * buffer failed. Takes a lock for some of the lines at a time. */
bool ax_metric_scrape_step(struct ax_metric_scrape *scrape, struct ax_buf *out, size_t bytes);

#endif
