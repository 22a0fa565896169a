/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells, shards and the list of series.
 *
 * A series is a run of cells, and its number is the index of the first one. A shard is one reserved
 * mapping with room for all cells; the kernel gives memory to the pages that are written. Only the
 * owner writes a shard, so an addition is a relaxed load and a relaxed store; the scrape loads the
 * same cells relaxed. The first cells belong to no series: writes to series 0 go there and need no
 * branch.
 *
 * A histogram's cells are its buckets and then the sum in nanoseconds. Bucket 0 ends at 1 us; then
 * come 4 an octave, each one including its upper edge; the last one is all above. With
 * u = floor((ns - 1) * 256 / 1000), every edge is a whole number of u, so the top bits of u are the
 * octave and the two bits below them the bucket in it.
 *
 * Registering and giving back hold one mutex, and so does printing, for some lines at a time. It is
 * never taken on the write side, nor by readings of a number: shards stay where they are. Cells
 * that were given back are cleared in all shards by the thread that does so, which is why nothing
 * may write them any more; they wait for a series that takes as many.
 *
 * A scrape keeps its place between two steps as a pointer to the next series. Who gives that one
 * back moves the place on. What is registered later has a higher serial, and stands behind.
 */
#include "base/metric.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define OCTAVES         26
#define BUCKETS         (1 + 4 * OCTAVES + 1)
#define BUCKET_OVER     (BUCKETS - 1)
#define HISTOGRAM_CELLS (BUCKETS + 1)
#define CELL_SUM        BUCKETS
#define LABELS_MAX      8
#define LABEL_TEXT_MAX  ((size_t)16384)

static_assert(AX_METRIC_RESERVE_MAX <= HISTOGRAM_CELLS, "cells of no series");

typedef _Atomic uint64_t cell;

struct series {
    struct series *before, *next; /* of the family */
    uint64_t serial;              /* rises along the family */
    ax_metric first;
    uint32_t labels_len;
    char labels[]; /* `model="x",version="1"`, escaped */
};

struct family {
    const struct ax_metric_family *described;
    struct series *first, *last;
};

/* Guarded by the lock, like all that follows but `shards` and their count. */
struct ax_metric_scrape {
    struct ax_metric_scrape *next; /* of those that are not done */
    size_t family_count;           /* that there were */
    uint64_t serial_end;           /* of the series that there were */
    size_t family;                 /* whose head is next */
    struct series *at;             /* of the family before that; NULL: none is left */
};

/* Runs of cells that were given back, all of one length. */
struct vacant {
    ax_metric *firsts;
    size_t count, cap;
};

static struct {
    pthread_mutex_t lock;
    struct family families[AX_METRIC_FAMILIES_MAX];
    size_t family_count;
    struct ax_map series;   /* family name, NUL, labels -> struct series */
    uint64_t series_serial; /* of the next one */
    struct ax_metric_scrape *scrapes;
    size_t cell_count; /* that were ever given to series, with the first ones */
    struct vacant vacant[HISTOGRAM_CELLS + 1]; /* by length */
    bool shard_used[AX_METRIC_THREADS_MAX];
    /* Read without the lock: a shard is there before it is counted, and stays. */
    cell *shards[AX_METRIC_THREADS_MAX];
    _Atomic size_t shard_count;
} metrics = { .lock = PTHREAD_MUTEX_INITIALIZER, .cell_count = HISTOGRAM_CELLS };

static _Thread_local cell *own_cells;
static _Thread_local size_t own_shard;

static void metrics_lock(void)
{
    int failed = pthread_mutex_lock(&metrics.lock);
    assert(!failed);
}

static void metrics_unlock(void)
{
    int failed = pthread_mutex_unlock(&metrics.lock);
    assert(!failed);
}

/* ---- shards ---- */

static size_t shard_count(void)
{
    return atomic_load_explicit(&metrics.shard_count, memory_order_acquire);
}

static cell *shard_map(void)
{
    void *cells = mmap(NULL, AX_METRIC_CELLS_MAX * sizeof(cell), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(cells != MAP_FAILED);
    return cells;
}

void ax_metric_thread_attach(void)
{
    if (own_cells)
        return;
    metrics_lock();
    size_t count = shard_count();
    size_t i = 0;
    while (i < count && metrics.shard_used[i])
        i++;
    assert(i < AX_METRIC_THREADS_MAX);
    if (i == count) {
        metrics.shards[i] = shard_map();
        atomic_store_explicit(&metrics.shard_count, i + 1, memory_order_release);
    }
    metrics.shard_used[i] = true;
    own_cells = metrics.shards[i];
    own_shard = i;
    metrics_unlock();
}

void ax_metric_thread_detach(void)
{
    if (!own_cells)
        return;
    metrics_lock();
    metrics.shard_used[own_shard] = false;
    metrics_unlock();
    own_cells = NULL;
}

static void cell_add(size_t at, uint64_t n)
{
    assert(own_cells && at < AX_METRIC_CELLS_MAX);
    cell *own = &own_cells[at];
    uint64_t value = atomic_load_explicit(own, memory_order_relaxed);
    atomic_store_explicit(own, value + n, memory_order_relaxed);
}

void ax_metric_add(ax_metric metric, uint64_t n)
{
    cell_add(metric, n);
}

void ax_metric_gauge_add(ax_metric metric, int64_t n)
{
    cell_add(metric, (uint64_t)n);
}

static uint64_t cell_sum(size_t at)
{
    uint64_t sum = 0;
    for (size_t i = 0, count = shard_count(); i < count; i++)
        sum += atomic_load_explicit(&metrics.shards[i][at], memory_order_relaxed);
    return sum;
}

/* The same for a run of cells: a shard's lie beside each other. */
static void cells_sum(size_t first, size_t cells, uint64_t *ret_sums)
{
    for (size_t k = 0; k < cells; k++)
        ret_sums[k] = 0;
    for (size_t i = 0, count = shard_count(); i < count; i++) {
        cell *shard = &metrics.shards[i][first];
        for (size_t k = 0; k < cells; k++)
            ret_sums[k] += atomic_load_explicit(&shard[k], memory_order_relaxed);
    }
}

static unsigned bucket_of(uint64_t ns)
{
    if (ns <= (uint64_t)AX_NS_PER_US)
        return 0;
    if (ns > (uint64_t)AX_NS_PER_US << OCTAVES)
        return BUCKET_OVER;
    uint64_t u = (ns - 1) * 256 / (uint64_t)AX_NS_PER_US;
    unsigned top = 63u - (unsigned)__builtin_clzll(u);
    return 1 + 4 * (top - 8) + (unsigned)(u >> (top - 2) & 3);
}

void ax_metric_observe_ns(ax_metric metric, uint64_t ns)
{
    cell_add(metric + bucket_of(ns), 1);
    cell_add((size_t)metric + CELL_SUM, ns);
}

void ax_metric_observe_age_us(ax_metric metric, uint64_t us)
{
    ax_metric_observe_ns(metric, us / 1000);
}

/* ---- series ---- */

static void put_escaped(struct ax_buf *out, struct ax_str text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = ax_str_utf8_len((struct ax_str){ text.ptr + at, text.len - at });
        char c = text.ptr[at];
        if (!len)
            (void)ax_buf_append_str(out, AX_STR("\xEF\xBF\xBD"));
        else if (c == '\n')
            (void)ax_buf_append_str(out, AX_STR("\\n"));
        else if (c == '\\' || c == '"')
            (void)ax_buf_printf(out, "\\%c", c);
        else
            (void)ax_buf_append(out, text.ptr + at, len);
        at += AX_MAX(len, (size_t)1);
    }
}

void ax_metric_print_labels(struct ax_buf *out, const char *names, const struct ax_str *values)
{
    for (size_t i = 0; names && *names; i++) {
        assert(i < LABELS_MAX && values);
        size_t len = strcspn(names, ",");
        (void)ax_buf_printf(out, "%s%.*s=\"", i ? "," : "", (int)len, names);
        put_escaped(out, values[i]);
        (void)ax_buf_append_char(out, '"');
        names += len + (names[len] == ',');
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct family *family_find(const struct ax_metric_family *described)
{
    for (size_t i = 0; i < metrics.family_count; i++) {
        struct family *family = &metrics.families[i];
        if (strcmp(family->described->name, described->name) != 0)
            continue;
        assert(family->described->type == described->type &&
               same_text(family->described->labels, described->labels));
        return family;
    }
    if (metrics.family_count == AX_METRIC_FAMILIES_MAX)
        return NULL;
    struct family *family = &metrics.families[metrics.family_count++];
    family->described = described;
    return family;
}

static bool is_histogram(const struct ax_metric_family *described)
{
    return described->type == AX_METRIC_HISTOGRAM ||
           described->type == AX_METRIC_HISTOGRAM_COARSE ||
           described->type == AX_METRIC_HISTOGRAM_AGE;
}

static size_t family_cells(const struct ax_metric_family *described)
{
    return is_histogram(described) ? HISTOGRAM_CELLS : 1;
}

/* Cells that were given back, or new ones; 0: there are not as many left. */
static ax_metric cells_take(size_t count)
{
    struct vacant *vacant = &metrics.vacant[count];
    if (vacant->count)
        return vacant->firsts[--vacant->count];
    if (count > AX_METRIC_CELLS_MAX - metrics.cell_count)
        return 0;
    ax_metric first = (ax_metric)metrics.cell_count;
    metrics.cell_count += count;
    return first;
}

/* Nothing writes these cells: they are cleared for the next series. */
static void cells_give(ax_metric first, size_t count)
{
    for (size_t i = 0, shards = shard_count(); i < shards; i++) {
        cell *cells = &metrics.shards[i][first];
        for (size_t k = 0; k < count; k++)
            /* A page that was never written stays without memory. */
            if (atomic_load_explicit(&cells[k], memory_order_relaxed))
                atomic_store_explicit(&cells[k], 0, memory_order_relaxed);
    }
    struct vacant *vacant = &metrics.vacant[count];
    if (vacant->count == vacant->cap) {
        vacant->cap = AX_MAX(2 * vacant->cap, (size_t)16);
        vacant->firsts = ax_xrealloc(vacant->firsts, vacant->cap, sizeof(*vacant->firsts));
    }
    vacant->firsts[vacant->count++] = first;
}

/* Take cells for the series of `key`, whose labels begin at `labels_at`; NULL: there are not as
 * many left. */
static struct series *series_new(struct ax_str key, size_t labels_at, size_t cells)
{
    ax_metric first = cells_take(cells);
    if (!first)
        return NULL;
    size_t len = key.len - labels_at;
    struct series *series = ax_xalloc(sizeof(*series) + len + 1);
    memcpy(series->labels, key.ptr + labels_at, len);
    series->labels_len = (uint32_t)len; /* at most LABEL_TEXT_MAX */
    series->first = first;
    series->serial = metrics.series_serial++;
    (void)ax_map_put(&metrics.series, key, series);
    return series;
}

/* The key is the family's name, a NUL and the labels. */
static void put_series_key(struct ax_buf *out, const struct ax_metric_family *family,
                           const struct ax_str *values)
{
    ax_buf_init(out, LABEL_TEXT_MAX);
    (void)ax_buf_append(out, family->name, strlen(family->name) + 1);
    ax_metric_print_labels(out, family->labels, values);
}

/* The key is a NUL, which no family's name begins with, and the name. Such a series is in no
 * family, so nothing prints it. */
static void put_reserved_key(struct ax_buf *out, struct ax_str name)
{
    ax_buf_init(out, LABEL_TEXT_MAX);
    (void)ax_buf_append_char(out, '\0');
    (void)ax_buf_append_str(out, name);
}

static enum ax_code series_add(const struct ax_metric_family *described, struct ax_str key,
                               ax_metric *ret_metric, struct ax_err *err)
{
    size_t cells = family_cells(described);
    struct family *family = family_find(described);
    struct series *series = family ? series_new(key, strlen(described->name) + 1, cells) : NULL;
    if (!series)
        return ax_fail(err, AX_E_LIMIT, "no room for another series of %s", described->name);
    series->before = family->last;
    if (family->last)
        family->last->next = series;
    else
        family->first = series;
    family->last = series;
    *ret_metric = series->first;
    return AX_OK;
}

enum ax_code ax_metric_register(const struct ax_metric_family *family, const struct ax_str *values,
                                ax_metric *ret_metric, struct ax_err *err)
{
    assert(family && family->name && family->help && ret_metric && err);
    assert(!strpbrk(family->help, "\\\n")); /* would need escapes */
    struct ax_buf key;
    put_series_key(&key, family, values);
    enum ax_code code = ax_buf_check(&key, "labels of a metric", err);
    if (!code) {
        metrics_lock();
        const struct series *series = ax_map_get(&metrics.series, ax_buf_str(&key));
        if (series)
            *ret_metric = series->first;
        else
            code = series_add(family, ax_buf_str(&key), ret_metric, err);
        metrics_unlock();
    }
    ax_buf_done(&key);
    return code;
}

enum ax_code ax_metric_reserve(struct ax_str name, size_t count, ax_metric *ret_first,
                               struct ax_err *err)
{
    assert(name.ptr && count && count <= AX_METRIC_RESERVE_MAX && ret_first && err);
    struct ax_buf key;
    put_reserved_key(&key, name);
    enum ax_code code = ax_buf_check(&key, "the name of counters", err);
    if (!code) {
        metrics_lock();
        const struct series *series = ax_map_get(&metrics.series, ax_buf_str(&key));
        if (!series)
            series = series_new(ax_buf_str(&key), key.len, count);
        if (series)
            *ret_first = series->first;
        metrics_unlock();
        if (!series)
            code = ax_fail(err, AX_E_LIMIT, "no room for %zu more counters", count);
    }
    ax_buf_done(&key);
    return code;
}

static void family_drop(struct family *family, const struct series *series)
{
    for (struct ax_metric_scrape *scrape = metrics.scrapes; scrape; scrape = scrape->next)
        if (scrape->at == series)
            scrape->at = series->next;
    *(series->before ? &series->before->next : &family->first) = series->next;
    *(series->next ? &series->next->before : &family->last) = series->before;
}

/* What the series of `key` counted is counted by `into` from here on. `described` is NULL when
 * nothing prints it. */
static void series_remove(const struct ax_buf *key, const struct ax_metric_family *described,
                          size_t cells, ax_metric into)
{
    bool had_shard = own_cells;
    ax_metric_thread_attach();
    metrics_lock();
    struct series *series = key->failed ? NULL : ax_map_remove(&metrics.series, ax_buf_str(key));
    if (series) {
        assert(series->first != into);
        uint64_t sums[HISTOGRAM_CELLS];
        cells_sum(series->first, cells, sums);
        for (size_t i = 0; into && i < cells; i++)
            cell_add(into + i, sums[i]);
        cells_give(series->first, cells);
        if (described)
            family_drop(family_find(described), series);
        free(series);
    }
    metrics_unlock();
    if (!had_shard)
        ax_metric_thread_detach();
}

void ax_metric_unregister(const struct ax_metric_family *family, const struct ax_str *values,
                          ax_metric into)
{
    assert(family && family->name);
    struct ax_buf key;
    put_series_key(&key, family, values);
    series_remove(&key, family, family_cells(family), into);
    ax_buf_done(&key);
}

void ax_metric_unreserve(struct ax_str name, size_t count, ax_metric into)
{
    assert(name.ptr && count && count <= AX_METRIC_RESERVE_MAX);
    struct ax_buf key;
    put_reserved_key(&key, name);
    series_remove(&key, NULL, count, into);
    ax_buf_done(&key);
}

const struct ax_metric_family *ax_metric_family_at(size_t at)
{
    metrics_lock();
    const struct ax_metric_family *described =
        at < metrics.family_count ? metrics.families[at].described : NULL;
    metrics_unlock();
    return described;
}

/* ---- reading ---- */

int64_t ax_metric_read(ax_metric metric)
{
    return metric ? (int64_t)cell_sum(metric) : 0;
}

void ax_metric_read_cells(ax_metric first, size_t count, uint64_t *ret_values)
{
    assert(ret_values || !count);
    if (first)
        cells_sum(first, count, ret_values);
    else if (count)
        memset(ret_values, 0, count * sizeof(*ret_values));
}

/* In nanoseconds; of the last bucket there is none. */
static uint64_t bucket_edge(unsigned bucket)
{
    if (bucket == 0)
        return (uint64_t)AX_NS_PER_US;
    if (bucket == BUCKET_OVER)
        return UINT64_MAX;
    unsigned octave = (bucket - 1) / 4;
    uint64_t quarters = 5 + (bucket - 1) % 4;
    return (quarters << octave) * (uint64_t)AX_NS_PER_US / 4;
}

uint64_t ax_metric_quantile_ns(ax_metric metric, double q)
{
    assert(q >= 0 && q <= 1);
    uint64_t counts[BUCKETS];
    uint64_t total = 0;
    ax_metric_read_cells(metric, BUCKETS, counts);
    for (unsigned i = 0; i < BUCKETS; i++)
        total += counts[i];
    if (!total)
        return 0;
    uint64_t rank = (uint64_t)ceil(q * (double)total);
    uint64_t seen = 0;
    unsigned bucket = 0;
    while (bucket < BUCKET_OVER && (seen += counts[bucket]) < AX_MAX(rank, UINT64_C(1)))
        bucket++;
    return bucket_edge(bucket);
}

static char *put(char *at, struct ax_str text)
{
    if (text.len)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* In one piece: a scrape has tens of thousands of lines. */
static void print_name(struct ax_buf *out, const char *name, struct ax_str suffix,
                       struct ax_str labels, struct ax_str more)
{
    struct ax_str name_text = ax_str_from(name);
    char *begin = ax_buf_reserve(out, name_text.len + suffix.len + labels.len + more.len + 4);
    if (!begin)
        return;
    char *at = put(put(begin, name_text), suffix);
    if (labels.len || more.len) {
        *at++ = '{';
        at = put(at, labels);
        if (labels.len && more.len)
            *at++ = ',';
        at = put(at, more);
        *at++ = '}';
    }
    *at++ = ' ';
    ax_buf_added(out, (size_t)(at - begin));
}

void ax_metric_print_name(struct ax_buf *out, const char *name, struct ax_str labels,
                          struct ax_str more)
{
    assert(out && name);
    print_name(out, name, AX_STR(""), labels, more);
}

static void print_count(struct ax_buf *out, uint64_t count)
{
    (void)ax_buf_append_u64(out, count);
    (void)ax_buf_append_char(out, '\n');
}

#define LE(seconds) { "le=\"" seconds "\"", sizeof("le=\"" seconds "\"") - 1 }

/* The edges of octaves, 2^0 us to 2^26 us; the test compares them with the buckets. */
static const struct ax_str octave_labels[OCTAVES + 1] = {
    LE("0.000001"),  LE("0.000002"),  LE("0.000004"), LE("0.000008"), LE("0.000016"),
    LE("0.000032"),  LE("0.000064"),  LE("0.000128"), LE("0.000256"), LE("0.000512"),
    LE("0.001024"),  LE("0.002048"),  LE("0.004096"), LE("0.008192"), LE("0.016384"),
    LE("0.032768"),  LE("0.065536"),  LE("0.131072"), LE("0.262144"), LE("0.524288"),
    LE("1.048576"),  LE("2.097152"),  LE("4.194304"), LE("8.388608"), LE("16.777216"),
    LE("33.554432"), LE("67.108864"),
};

/* The end of an octave. */
static void print_edge(struct ax_buf *out, const struct ax_metric_family *family,
                       struct ax_str labels, unsigned octave)
{
    char text[32];
    struct ax_str edge = octave_labels[octave];
    if (family->type == AX_METRIC_HISTOGRAM_AGE) {
        (void)snprintf(text, sizeof(text), "le=\"%llu\"", 1ULL << octave);
        edge = ax_str_from(text);
    }
    print_name(out, family->name, AX_STR("_bucket"), labels, edge);
}

static void print_histogram(struct ax_buf *out, const struct ax_metric_family *family,
                            const struct series *series)
{
    struct ax_str labels = { series->labels, series->labels_len };
    uint64_t cells[HISTOGRAM_CELLS];
    cells_sum(series->first, HISTOGRAM_CELLS, cells);
    bool is_age = family->type == AX_METRIC_HISTOGRAM_AGE;
    bool is_coarse = is_age || family->type == AX_METRIC_HISTOGRAM_COARSE;
    unsigned octave = is_coarse ? 2 : 0;
    unsigned step = is_coarse ? 2 : 1;
    unsigned octave_last = is_coarse ? 24 : OCTAVES;
    uint64_t total = 0;
    for (unsigned bucket = 0; bucket < BUCKET_OVER; bucket++) {
        total += cells[bucket];
        if (bucket != 4 * octave || octave > octave_last)
            continue;
        print_edge(out, family, labels, octave);
        print_count(out, total);
        octave += step;
    }
    total += cells[BUCKET_OVER];
    print_name(out, family->name, AX_STR("_bucket"), labels, AX_STR("le=\"+Inf\""));
    print_count(out, total);
    print_name(out, family->name, AX_STR("_sum"), labels, AX_STR(""));
    ax_json_put_f64(out, (double)cells[CELL_SUM] / (is_age ? 1e3 : 1e9));
    (void)ax_buf_append_char(out, '\n');
    print_name(out, family->name, AX_STR("_count"), labels, AX_STR(""));
    print_count(out, total);
}

static void print_value(struct ax_buf *out, const struct ax_metric_family *family,
                        const struct series *series)
{
    struct ax_str labels = { series->labels, series->labels_len };
    uint64_t value = cell_sum(series->first);
    print_name(out, family->name, AX_STR(""), labels, AX_STR(""));
    if (family->type == AX_METRIC_GAUGE_NS)
        ax_json_put_f64(out, (double)(int64_t)value / 1e9);
    else if (family->type == AX_METRIC_GAUGE)
        ax_json_put_i64(out, (int64_t)value);
    else
        (void)ax_buf_append_u64(out, value);
    (void)ax_buf_append_char(out, '\n');
}

void ax_metric_print_head(struct ax_buf *out, const struct ax_metric_family *family)
{
    static const char *const types[] = {
        [AX_METRIC_COUNTER] = "counter",
        [AX_METRIC_GAUGE] = "gauge",
        [AX_METRIC_GAUGE_NS] = "gauge",
        [AX_METRIC_HISTOGRAM] = "histogram",
        [AX_METRIC_HISTOGRAM_COARSE] = "histogram",
        [AX_METRIC_HISTOGRAM_AGE] = "histogram",
    };
    assert(out && family);
    (void)ax_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
                        family->name, types[family->type]);
}

struct ax_metric_scrape *ax_metric_scrape_new(void)
{
    struct ax_metric_scrape *scrape = ax_xalloc(sizeof(*scrape));
    metrics_lock();
    scrape->family_count = metrics.family_count;
    scrape->serial_end = metrics.series_serial;
    scrape->next = metrics.scrapes;
    metrics.scrapes = scrape;
    metrics_unlock();
    return scrape;
}

void ax_metric_scrape_free(struct ax_metric_scrape *scrape)
{
    if (!scrape)
        return;
    metrics_lock();
    struct ax_metric_scrape **link = &metrics.scrapes;
    while (*link != scrape)
        link = &(*link)->next;
    *link = scrape->next;
    metrics_unlock();
    free(scrape);
}

/* While a series is printed: have its next one's cells come, and the one after that. Their places
 * are as good as random, and waiting for memory was a third of a scrape. */
static void series_prefetch(const struct series *next)
{
    if (!next)
        return;
    __builtin_prefetch(next->next);
    for (size_t i = 0, count = shard_count(); i < count; i++)
        __builtin_prefetch((const void *)&metrics.shards[i][next->first]);
}

/* Print the next series, or the head of the next family; false: there is none. */
static bool scrape_print_next(struct ax_metric_scrape *scrape, struct ax_buf *out)
{
    const struct series *series = scrape->at;
    if (!series || series->serial >= scrape->serial_end) {
        if (scrape->family == scrape->family_count)
            return false;
        const struct family *family = &metrics.families[scrape->family++];
        ax_metric_print_head(out, family->described);
        scrape->at = family->first;
        return true;
    }
    series_prefetch(series->next);
    const struct ax_metric_family *family = metrics.families[scrape->family - 1].described;
    if (is_histogram(family))
        print_histogram(out, family, series);
    else
        print_value(out, family, series);
    scrape->at = series->next;
    return true;
}

/* Printed under the lock at once: some microseconds. */
#define LOCKED_BYTES ((size_t)4096)

bool ax_metric_scrape_step(struct ax_metric_scrape *scrape, struct ax_buf *out, size_t bytes)
{
    assert(scrape && out && bytes);
    size_t begin = out->len;
    bool more = true;
    while (more && !out->failed && out->len - begin < bytes) {
        size_t some = AX_MIN(bytes - (out->len - begin), LOCKED_BYTES);
        size_t at = out->len;
        metrics_lock();
        while (more && !out->failed && out->len - at < some)
            more = scrape_print_next(scrape, out);
        metrics_unlock();
    }
    return !more || out->failed;
}
