/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What windows count that does not fit a number: different values, quantiles, most frequent values.
 *
 * Each is a function of the multiset of values alone: whatever the order of additions and merges,
 * the results are equal, bit for bit. All are valid zeroed; `_clear` keeps what is allocated,
 * `_done` frees it; what returns bool returns false when memory was refused, and then the sketch is
 * to be cleared. Values come as what ax_window_hash_* and ax_window_bucket make of them, computed
 * once a row. One thread.
 */
#ifndef AX_FEATURE_WINDOW_SKETCH_H
#define AX_FEATURE_WINDOW_SKETCH_H

#include "feature/window_text.h"

/* Exact up to so many different values: of count_distinct and of top_k. */
#define AX_WINDOW_EXACT_VALUES 256

/* Of a value's canonical bytes: 8 of a number, those of a text. Never 0. */
uint64_t ax_window_hash_i64(int64_t value);
uint64_t ax_window_hash_f64(double value); /* not NaN; -0 is 0 */
uint64_t ax_window_hash_text(struct ax_str value);

/*
 * Different values: their hashes, up to AX_WINDOW_EXACT_VALUES; then HyperLogLog with 2^10
 * registers.
 */
#define AX_WINDOW_REGISTERS 1024
struct ax_window_distinct {
    uint32_t count;      /* of hashes; once over the limit it stays 0 */
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t slot_room;
    bool is_sketch; /* registers hold it */
    uint64_t *slots;
    uint8_t *registers;
};
void ax_window_distinct_clear(struct ax_window_distinct *distinct);
void ax_window_distinct_done(struct ax_window_distinct *distinct);
AX_MUST_USE bool ax_window_distinct_add(struct ax_window_distinct *distinct, uint64_t hash);
AX_MUST_USE bool ax_window_distinct_merge(struct ax_window_distinct *distinct,
                                          const struct ax_window_distinct *other);
int64_t ax_window_distinct_result(const struct ax_window_distinct *distinct);
/* What it takes from the heap, and the most that one can. */
size_t ax_window_distinct_bytes(const struct ax_window_distinct *distinct);
size_t ax_window_distinct_bytes_max(void);

/*
 * Quantiles: DDSketch with a relative error of 1 %, counts in buckets of logarithms. Of buckets
 * more than AX_WINDOW_BUCKETS below the greatest of their sign, the counts are those of the lowest
 * that is kept.
 */
#define AX_WINDOW_BUCKETS 2048
struct ax_window_bucket_store {
    int32_t low, high; /* buckets that may be counted; low > high: none */
    int32_t base;      /* bucket of counts[0] */
    uint32_t room;     /* of counts */
    uint32_t *counts;
};
struct ax_window_quantile {
    uint64_t count;
    uint64_t zeros, low_infinities, high_infinities;
    double min, max; /* of the finite ones */
    struct ax_window_bucket_store negative, positive;
};
/* Where a value is counted; not NaN. */
int64_t ax_window_bucket(double value);
void ax_window_quantile_clear(struct ax_window_quantile *quantile);
void ax_window_quantile_done(struct ax_window_quantile *quantile);
AX_MUST_USE bool ax_window_quantile_add_slowly(struct ax_window_quantile *quantile, int64_t bucket,
                                               double value);
/* `bucket` is the value's. */
AX_MUST_USE static inline bool ax_window_quantile_add(struct ax_window_quantile *quantile,
                                                      int64_t bucket, double value)
{
    struct ax_window_bucket_store *store = bucket & 1 ? &quantile->negative : &quantile->positive;
    int64_t at = (bucket - (bucket & 1)) / 2; /* Of special buckets it is out of all bounds. */
    if (AX_UNLIKELY(!store->counts || at < store->low || at > store->high))
        return ax_window_quantile_add_slowly(quantile, bucket, value);
    store->counts[at - store->base]++;
    quantile->count++;
    quantile->min = AX_MIN(quantile->min, value);
    quantile->max = AX_MAX(quantile->max, value);
    return true;
}
/* Whether the bucket can be counted without counts being moved together. */
bool ax_window_quantile_fits(struct ax_window_quantile *quantile, int64_t bucket);
/* Take out a value that was added, all of which fitted. `min` and `max` stay. */
void ax_window_quantile_remove(struct ax_window_quantile *quantile, int64_t bucket);
/* Bring `low` and `high` of the stores to buckets that are counted, as if none had been removed. */
void ax_window_quantile_trim(struct ax_window_quantile *quantile);
AX_MUST_USE bool ax_window_quantile_merge(struct ax_window_quantile *quantile,
                                          const struct ax_window_quantile *other);
/* An estimate of the value of rank floor(q * (count - 1)); count is over 0. May be infinite. */
double ax_window_quantile_result(const struct ax_window_quantile *quantile, double q);
size_t ax_window_quantile_bytes(const struct ax_window_quantile *quantile);
size_t ax_window_quantile_bytes_max(void);

/*
 * Most frequent values: a count each, up to AX_WINDOW_EXACT_VALUES different ones; then none.
 */
union ax_window_cell {
    int64_t i64;
    double f64;
    struct ax_window_text text;
};
enum ax_window_cell_kind { AX_WINDOW_CELL_I64, AX_WINDOW_CELL_F64, AX_WINDOW_CELL_TEXT };

struct ax_window_top_entry {
    uint64_t hash;
    uint64_t count;
    union ax_window_cell value;
};
struct ax_window_top {
    uint32_t count; /* of entries */
    uint32_t room;  /* of entries; twice as many slots */
    bool is_over;   /* there are more values than are counted */
    struct ax_window_top_entry *entries;
    uint16_t *slots; /* entry + 1; 0: free */
};
/* `owns`: texts are copied, and freed; else they are borrowed. The same in all calls. */
void ax_window_top_clear(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns);
void ax_window_top_done(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns);
AX_MUST_USE bool ax_window_top_add(struct ax_window_top *top, enum ax_window_cell_kind kind,
                                   bool owns, const struct ax_window_top_entry *entry);
AX_MUST_USE bool ax_window_top_merge(struct ax_window_top *top, enum ax_window_cell_kind kind,
                                     bool owns, const struct ax_window_top *other);
/* Order the entries by count, greatest first, then by value. Then only clear and done may follow.
 */
void ax_window_top_sort(struct ax_window_top *top, enum ax_window_cell_kind kind);
size_t ax_window_top_bytes(const struct ax_window_top *top);
size_t ax_window_top_bytes_max(void);

/* Negative, 0, positive. */
int ax_window_cell_compare(enum ax_window_cell_kind kind, const union ax_window_cell *a,
                           const union ax_window_cell *b);

#endif
