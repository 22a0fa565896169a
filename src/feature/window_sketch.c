/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketches of windows.
 *
 * count_distinct: an open-addressing set of hashes, and beyond its limit HyperLogLog: register
 * i (the hash's first 10 bits) holds the greatest number of leading zeros plus one of the other 54
 * bits. Whether a set or registers hold the values depends on how many there are, so
 * merging is order-free. The estimate is Ertl's ("New cardinality estimation algorithms for
 * HyperLogLog sketches", 2017): one formula over the numbers of equal registers, without the bias
 * and the switch-over of the classic one.
 *
 * approx_quantile: DDSketch (Masson, Rim, Lee 2019). The bucket of x > 0 is the least i with
 * gamma^i >= x, gamma = 1.01 / 0.99; its value 2 gamma^i / (gamma + 1) is within 1 % of all in it.
 * Counts of buckets too far below the greatest go to the lowest that is kept; since the greatest
 * only grows, doing so early (in a tile) or late (in the window) gives the same. The result is kept
 * between the least and the greatest value, so that equal values give themselves.
 *
 * top_k: counts of all values, while there are few. A sketch (space-saving) would depend on order.
 */
#include "feature/window_sketch.h"

#include "base/hash.h"

#include <assert.h>
#include <math.h>

enum {
    REGISTER_BITS = 10,
    RANK_MAX = 64 - REGISTER_BITS + 1,
    SLOTS_MIN = 16,
    SLOTS_MAX = 2 * AX_WINDOW_EXACT_VALUES,
    BUCKETS_STEP = 64,
};

uint64_t ax_window_hash_i64(int64_t value)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
    uint64_t hash = ax_hash((struct ax_str){ (const char *)bytes, sizeof bytes });
    return hash ? hash : 1;
}

uint64_t ax_window_hash_f64(double value)
{
    assert(!isnan(value));
    double canonical = value + 0.0; /* -0 becomes 0. */
    int64_t bits;
    memcpy(&bits, &canonical, sizeof bits);
    return ax_window_hash_i64(bits);
}

uint64_t ax_window_hash_text(struct ax_str value)
{
    uint64_t hash = ax_hash(value);
    return hash ? hash : 1;
}

/* ---- Different values. ---- */

void ax_window_distinct_clear(struct ax_window_distinct *distinct)
{
    if (distinct->slot_count)
        memset(distinct->slots, 0, distinct->slot_count * sizeof *distinct->slots);
    distinct->slot_count = AX_MIN(distinct->slot_room, (uint32_t)SLOTS_MIN);
    distinct->count = 0;
    distinct->is_sketch = false;
}

void ax_window_distinct_done(struct ax_window_distinct *distinct)
{
    free(distinct->slots);
    free(distinct->registers);
    *distinct = (struct ax_window_distinct){ 0 };
}

static void registers_add(uint8_t *registers, uint64_t hash)
{
    size_t at = hash >> (64 - REGISTER_BITS);
    uint64_t rest = hash << REGISTER_BITS;
    uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : RANK_MAX);
    if (registers[at] < rank)
        registers[at] = rank;
}

/* From the set to the registers. */
static bool distinct_become_sketch(struct ax_window_distinct *distinct)
{
    if (!distinct->registers) {
        distinct->registers = ax_try_alloc(AX_WINDOW_REGISTERS, 1);
        if (!distinct->registers)
            return false;
    }
    memset(distinct->registers, 0, AX_WINDOW_REGISTERS);
    for (size_t i = 0; i < distinct->slot_count; i++) {
        if (distinct->slots[i])
            registers_add(distinct->registers, distinct->slots[i]);
    }
    ax_window_distinct_clear(distinct);
    distinct->is_sketch = true;
    return true;
}

static uint64_t *distinct_slot(uint64_t *slots, uint32_t slot_count, uint64_t hash)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at] && slots[at] != hash)
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

/* Twice as many slots. */
static bool distinct_grow(struct ax_window_distinct *distinct)
{
    uint64_t hashes[AX_WINDOW_EXACT_VALUES];
    size_t count = 0;
    for (size_t i = 0; i < distinct->slot_count; i++) {
        if (distinct->slots[i])
            hashes[count++] = distinct->slots[i];
    }
    uint32_t slot_count = distinct->slot_count ? distinct->slot_count * 2 : SLOTS_MIN;
    if (distinct->slot_room < slot_count) {
        uint64_t *slots = ax_try_alloc(slot_count, sizeof *slots);
        if (!slots)
            return false;
        free(distinct->slots);
        distinct->slots = slots;
        distinct->slot_room = slot_count;
    }
    distinct->slot_count = slot_count;
    memset(distinct->slots, 0, slot_count * sizeof *distinct->slots);
    for (size_t i = 0; i < count; i++)
        *distinct_slot(distinct->slots, slot_count, hashes[i]) = hashes[i];
    return true;
}

bool ax_window_distinct_add(struct ax_window_distinct *distinct, uint64_t hash)
{
    assert(hash);
    if (distinct->is_sketch) {
        registers_add(distinct->registers, hash);
        return true;
    }
    if (distinct->count * 2 >= distinct->slot_count && distinct->slot_count < SLOTS_MAX &&
        !distinct_grow(distinct))
        return false;
    uint64_t *slot = distinct_slot(distinct->slots, distinct->slot_count, hash);
    if (*slot)
        return true;
    if (distinct->count == AX_WINDOW_EXACT_VALUES) {
        if (!distinct_become_sketch(distinct))
            return false;
        registers_add(distinct->registers, hash);
        return true;
    }
    *slot = hash;
    distinct->count++;
    return true;
}

bool ax_window_distinct_merge(struct ax_window_distinct *distinct,
                              const struct ax_window_distinct *other)
{
    if (!other->is_sketch) {
        for (size_t i = 0; i < other->slot_count; i++) {
            if (other->slots[i] && !ax_window_distinct_add(distinct, other->slots[i]))
                return false;
        }
        return true;
    }
    if (!distinct->is_sketch && !distinct_become_sketch(distinct))
        return false;
    for (size_t i = 0; i < AX_WINDOW_REGISTERS; i++) {
        if (distinct->registers[i] < other->registers[i])
            distinct->registers[i] = other->registers[i];
    }
    return true;
}

/* Ertl's sigma and tau; both loops end when a term no longer changes the sum. */
static double ertl_sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double factor = 1, sum = x, before;
    do {
        x *= x;
        before = sum;
        sum += x * factor;
        factor += factor;
    } while (sum != before);
    return sum;
}

static double ertl_tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double factor = 1, sum = 1 - x, before;
    do {
        x = sqrt(x);
        before = sum;
        factor *= 0.5;
        sum -= (1 - x) * (1 - x) * factor;
    } while (sum != before);
    return sum / 3;
}

int64_t ax_window_distinct_result(const struct ax_window_distinct *distinct)
{
    if (!distinct->is_sketch)
        return distinct->count;
    unsigned counts[RANK_MAX + 1] = { 0 };
    for (size_t i = 0; i < AX_WINDOW_REGISTERS; i++)
        counts[distinct->registers[i]]++;
    const double m = AX_WINDOW_REGISTERS;
    double sum = m * ertl_tau(1 - counts[RANK_MAX] / m);
    for (size_t rank = RANK_MAX - 1; rank >= 1; rank--)
        sum = 0.5 * (sum + counts[rank]);
    sum += m * ertl_sigma(counts[0] / m);
    /* 1 / (2 ln 2) is the constant of the estimator for many registers. */
    return (int64_t)llround(m * m / (2 * 0.693147180559945309417) / sum);
}

size_t ax_window_distinct_bytes(const struct ax_window_distinct *distinct)
{
    return distinct->slot_room * sizeof *distinct->slots +
           (distinct->registers ? AX_WINDOW_REGISTERS : 0);
}

size_t ax_window_distinct_bytes_max(void)
{
    return SLOTS_MAX * sizeof(uint64_t) + AX_WINDOW_REGISTERS;
}

/* ---- Quantiles. ---- */

/* Special buckets; those of numbers are 2 * i of positive ones, 2 * i + 1 of negative ones. */
#define BUCKET_ZERO          INT64_MIN
#define BUCKET_LOW_INFINITY  (INT64_MIN + 1)
#define BUCKET_HIGH_INFINITY (INT64_MAX)

static double bucket_gamma(void)
{
    return 1.01 / 0.99;
}

int64_t ax_window_bucket(double value)
{
    assert(!isnan(value));
    if (value == 0)
        return BUCKET_ZERO;
    if (isinf(value))
        return value > 0 ? BUCKET_HIGH_INFINITY : BUCKET_LOW_INFINITY;
    const double log_gamma = 0x1.47b0e059d057dp-6; /* ln(1.01 / 0.99) */
    int64_t bucket = (int64_t)ceil(log(fabs(value)) / log_gamma);
    return bucket * 2 + (value < 0);
}

static void store_clear(struct ax_window_bucket_store *store)
{
    if (store->low <= store->high && store->counts)
        memset(store->counts + (store->low - store->base), 0,
               (size_t)(store->high - store->low + 1) * sizeof *store->counts);
    store->low = 1;
    store->high = 0;
}

static bool store_is_empty(const struct ax_window_bucket_store *store)
{
    return !store->counts || store->low > store->high;
}

/* Room for the buckets low .. high, at most AX_WINDOW_BUCKETS of them. */
static bool store_reserve(struct ax_window_bucket_store *store, int32_t low, int32_t high)
{
    if (store->counts && low >= store->base && high < store->base + (int64_t)store->room)
        return true;
    uint32_t span = (uint32_t)(high - low + 1);
    uint32_t room = AX_MAX(store->room, (span + BUCKETS_STEP - 1) / BUCKETS_STEP * BUCKETS_STEP);
    uint32_t *counts = ax_try_alloc(room, sizeof *counts);
    if (!counts)
        return false;
    memset(counts, 0, room * sizeof *counts);
    int32_t base = low - (int32_t)((room - span) / 2);
    for (int64_t bucket = store->low; !store_is_empty(store) && bucket <= store->high; bucket++) {
        int64_t kept = AX_MAX(bucket, low);
        counts[kept - base] += store->counts[bucket - store->base];
    }
    free(store->counts);
    store->counts = counts;
    store->room = room;
    store->base = base;
    return true;
}

/* Let the store count all buckets from low to high, as far as it does; what falls below goes to the
 * lowest that is kept. */
static bool store_extend(struct ax_window_bucket_store *store, int32_t low, int32_t high)
{
    bool empty = store_is_empty(store);
    int32_t old_low = store->low, old_high = store->high;
    high = empty ? high : AX_MAX(old_high, high);
    low = empty ? low : AX_MIN(old_low, low);
    low = AX_MAX(low, high - (AX_WINDOW_BUCKETS - 1));
    if (!store_reserve(store, low, high))
        return false;
    /* Without new room, what is below the new lowest is still where it was. */
    for (int64_t at = AX_MAX(old_low, store->base); !empty && at < low && at <= old_high; at++) {
        uint32_t moved = store->counts[at - store->base];
        store->counts[at - store->base] = 0;
        store->counts[low - store->base] += moved;
    }
    store->low = low;
    store->high = high;
    return true;
}

static bool store_add(struct ax_window_bucket_store *store, int32_t bucket)
{
    if (!store_extend(store, bucket, bucket))
        return false;
    store->counts[AX_MAX(bucket, store->low) - store->base]++;
    return true;
}

static bool store_merge(struct ax_window_bucket_store *store,
                        const struct ax_window_bucket_store *other)
{
    if (store_is_empty(other))
        return true;
    if (!store_extend(store, other->low, other->high))
        return false;
    int32_t bucket = other->low;
    for (; bucket < store->low && bucket <= other->high; bucket++)
        store->counts[store->low - store->base] += other->counts[bucket - other->base];
    if (bucket > other->high)
        return true;
    uint32_t *counts = store->counts + (bucket - store->base);
    const uint32_t *others = other->counts + (bucket - other->base);
    for (int32_t i = 0; i <= other->high - bucket; i++)
        counts[i] += others[i];
    return true;
}

void ax_window_quantile_clear(struct ax_window_quantile *quantile)
{
    store_clear(&quantile->negative);
    store_clear(&quantile->positive);
    quantile->count = quantile->zeros = 0;
    quantile->low_infinities = quantile->high_infinities = 0;
}

void ax_window_quantile_done(struct ax_window_quantile *quantile)
{
    free(quantile->negative.counts);
    free(quantile->positive.counts);
    *quantile = (struct ax_window_quantile){ 0 };
}

static void quantile_extend(struct ax_window_quantile *quantile, double min, double max)
{
    bool first = quantile->count == quantile->low_infinities + quantile->high_infinities;
    quantile->min = first ? min : AX_MIN(quantile->min, min);
    quantile->max = first ? max : AX_MAX(quantile->max, max);
}

bool ax_window_quantile_add_slowly(struct ax_window_quantile *quantile, int64_t bucket,
                                   double value)
{
    if (bucket == BUCKET_LOW_INFINITY) {
        quantile->low_infinities++;
    } else if (bucket == BUCKET_HIGH_INFINITY) {
        quantile->high_infinities++;
    } else {
        if (bucket == BUCKET_ZERO)
            quantile->zeros++;
        else if (!store_add(bucket & 1 ? &quantile->negative : &quantile->positive,
                            (int32_t)((bucket - (bucket & 1)) / 2)))
            return false;
        quantile_extend(quantile, value, value);
    }
    quantile->count++;
    return true;
}

static void store_trim(struct ax_window_bucket_store *store)
{
    while (!store_is_empty(store) && !store->counts[store->low - store->base])
        store->low++;
    while (!store_is_empty(store) && !store->counts[store->high - store->base])
        store->high--;
}

void ax_window_quantile_trim(struct ax_window_quantile *quantile)
{
    store_trim(&quantile->negative);
    store_trim(&quantile->positive);
}

static bool is_special(int64_t bucket)
{
    return bucket == BUCKET_ZERO || bucket == BUCKET_LOW_INFINITY || bucket == BUCKET_HIGH_INFINITY;
}

bool ax_window_quantile_fits(struct ax_window_quantile *quantile, int64_t bucket)
{
    struct ax_window_bucket_store *store = bucket & 1 ? &quantile->negative : &quantile->positive;
    if (is_special(bucket))
        return true;
    int64_t at = (bucket - (bucket & 1)) / 2;
    if (at >= store->low && at <= store->high)
        return true;
    store_trim(store);
    return store_is_empty(store) ||
           AX_MAX(at, (int64_t)store->high) - AX_MIN(at, (int64_t)store->low) < AX_WINDOW_BUCKETS;
}

void ax_window_quantile_remove(struct ax_window_quantile *quantile, int64_t bucket)
{
    quantile->count--;
    if (bucket == BUCKET_ZERO) {
        quantile->zeros--;
    } else if (bucket == BUCKET_LOW_INFINITY) {
        quantile->low_infinities--;
    } else if (bucket == BUCKET_HIGH_INFINITY) {
        quantile->high_infinities--;
    } else {
        struct ax_window_bucket_store *store =
            bucket & 1 ? &quantile->negative : &quantile->positive;
        store->counts[(bucket - (bucket & 1)) / 2 - store->base]--;
    }
}

bool ax_window_quantile_merge(struct ax_window_quantile *quantile,
                              const struct ax_window_quantile *other)
{
    if (!store_merge(&quantile->negative, &other->negative) ||
        !store_merge(&quantile->positive, &other->positive))
        return false;
    if (other->count > other->low_infinities + other->high_infinities)
        quantile_extend(quantile, other->min, other->max);
    quantile->zeros += other->zeros;
    quantile->low_infinities += other->low_infinities;
    quantile->high_infinities += other->high_infinities;
    quantile->count += other->count;
    return true;
}

static double bucket_value(int64_t bucket)
{
    double gamma = bucket_gamma();
    return 2 * pow(gamma, (double)bucket) / (gamma + 1);
}

/* The value that `rank` finite ones are greater than. */
static double quantile_from_above(const struct ax_window_quantile *quantile, uint64_t rank)
{
    const struct ax_window_bucket_store *store = &quantile->positive;
    for (int64_t at = store->high; !store_is_empty(store) && at >= store->low; at--) {
        uint32_t count = store->counts[at - store->base];
        if (rank < count)
            return bucket_value(at);
        rank -= count;
    }
    if (rank < quantile->zeros)
        return 0;
    rank -= quantile->zeros;
    store = &quantile->negative;
    for (int64_t at = store->low; !store_is_empty(store) && at <= store->high; at++) {
        uint32_t count = store->counts[at - store->base];
        if (rank < count)
            return -bucket_value(at);
        rank -= count;
    }
    return quantile->min;
}

/* The value that `rank` finite ones are less than. */
static double quantile_from_below(const struct ax_window_quantile *quantile, uint64_t rank)
{
    const struct ax_window_bucket_store *store = &quantile->negative;
    /* From the most negative, which is the greatest bucket. */
    for (int64_t at = store->high; !store_is_empty(store) && at >= store->low; at--) {
        uint32_t count = store->counts[at - store->base];
        if (rank < count)
            return -bucket_value(at);
        rank -= count;
    }
    if (rank < quantile->zeros)
        return 0;
    rank -= quantile->zeros;
    store = &quantile->positive;
    for (int64_t at = store->low; !store_is_empty(store) && at <= store->high; at++) {
        uint32_t count = store->counts[at - store->base];
        if (rank < count)
            return bucket_value(at);
        rank -= count;
    }
    return quantile->max;
}

double ax_window_quantile_result(const struct ax_window_quantile *quantile, double q)
{
    assert(quantile->count && q >= 0 && q <= 1);
    uint64_t last = quantile->count - 1;
    uint64_t rank = AX_MIN((uint64_t)(q * (double)last), last);
    if (rank < quantile->low_infinities)
        return -INFINITY;
    rank -= quantile->low_infinities;
    uint64_t finite = quantile->count - quantile->low_infinities - quantile->high_infinities;
    if (rank >= finite)
        return INFINITY;
    double value = rank < finite / 2 ? quantile_from_below(quantile, rank)
                                     : quantile_from_above(quantile, finite - 1 - rank);
    return AX_MIN(AX_MAX(value, quantile->min), quantile->max);
}

size_t ax_window_quantile_bytes(const struct ax_window_quantile *quantile)
{
    return ((size_t)quantile->negative.room + quantile->positive.room) * sizeof(uint32_t);
}

size_t ax_window_quantile_bytes_max(void)
{
    return (size_t)2 * AX_WINDOW_BUCKETS * sizeof(uint32_t);
}

/* ---- Most frequent values. ---- */

int ax_window_cell_compare(enum ax_window_cell_kind kind, const union ax_window_cell *a,
                           const union ax_window_cell *b)
{
    switch (kind) {
    case AX_WINDOW_CELL_I64:
        return (a->i64 > b->i64) - (a->i64 < b->i64);
    case AX_WINDOW_CELL_F64:
        return (a->f64 > b->f64) - (a->f64 < b->f64);
    case AX_WINDOW_CELL_TEXT:
        return ax_window_text_compare(&a->text, &b->text);
    }
    return 0;
}

void ax_window_top_clear(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns)
{
    for (size_t i = 0; kind == AX_WINDOW_CELL_TEXT && owns && i < top->count; i++)
        ax_window_text_done(&top->entries[i].value.text);
    if (top->count)
        memset(top->slots, 0, (size_t)2 * top->room * sizeof *top->slots);
    top->count = 0;
    top->is_over = false;
}

void ax_window_top_done(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns)
{
    ax_window_top_clear(top, kind, owns);
    free(top->entries);
    free(top->slots);
    *top = (struct ax_window_top){ 0 };
}

static uint16_t *top_slot(const struct ax_window_top *top, enum ax_window_cell_kind kind,
                          const struct ax_window_top_entry *entry)
{
    size_t mask = 2 * (size_t)top->room - 1;
    size_t at = entry->hash & mask;
    while (top->slots[at]) {
        const struct ax_window_top_entry *other = &top->entries[top->slots[at] - 1];
        if (other->hash == entry->hash &&
            ax_window_cell_compare(kind, &other->value, &entry->value) == 0)
            break;
        at = (at + 1) & mask;
    }
    return &top->slots[at];
}

static bool top_grow(struct ax_window_top *top, enum ax_window_cell_kind kind)
{
    struct ax_window_top grown = { .count = top->count,
                                   .room = top->room ? top->room * 2 : SLOTS_MIN / 2 };
    grown.entries = ax_try_alloc(grown.room, sizeof *grown.entries);
    grown.slots = ax_try_alloc(grown.room, 2 * sizeof *grown.slots);
    if (!grown.entries || !grown.slots) {
        free(grown.entries);
        free(grown.slots);
        return false;
    }
    memset(grown.slots, 0, (size_t)2 * grown.room * sizeof *grown.slots);
    if (top->count)
        memcpy(grown.entries, top->entries, top->count * sizeof *top->entries);
    for (uint32_t i = 0; i < grown.count; i++)
        *top_slot(&grown, kind, &grown.entries[i]) = (uint16_t)(i + 1);
    free(top->entries);
    free(top->slots);
    *top = grown;
    return true;
}

bool ax_window_top_add(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns,
                       const struct ax_window_top_entry *entry)
{
    if (top->is_over)
        return true;
    if (top->count == top->room && top->room < AX_WINDOW_EXACT_VALUES && !top_grow(top, kind))
        return false;
    uint16_t *slot = top_slot(top, kind, entry);
    if (*slot) {
        top->entries[*slot - 1].count += entry->count;
        return true;
    }
    if (top->count == AX_WINDOW_EXACT_VALUES) {
        ax_window_top_clear(top, kind, owns);
        top->is_over = true;
        return true;
    }
    struct ax_window_top_entry *added = &top->entries[top->count];
    *added = *entry;
    if (kind == AX_WINDOW_CELL_TEXT && owns &&
        !ax_window_text_init(&added->value.text, ax_window_text_str(&entry->value.text)))
        return false;
    top->count++;
    *slot = (uint16_t)top->count;
    return true;
}

bool ax_window_top_merge(struct ax_window_top *top, enum ax_window_cell_kind kind, bool owns,
                         const struct ax_window_top *other)
{
    if (other->is_over) {
        ax_window_top_clear(top, kind, owns);
        top->is_over = true;
        return true;
    }
    for (size_t i = 0; i < other->count; i++) {
        if (!ax_window_top_add(top, kind, owns, &other->entries[i]))
            return false;
    }
    return true;
}

struct top_order {
    enum ax_window_cell_kind kind;
};

static int top_compare(const void *left, const void *right, void *arg)
{
    const struct ax_window_top_entry *a = left, *b = right;
    const struct top_order *order = arg;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return ax_window_cell_compare(order->kind, &a->value, &b->value);
}

void ax_window_top_sort(struct ax_window_top *top, enum ax_window_cell_kind kind)
{
    struct top_order order = { kind };
    if (top->count)
        qsort_r(top->entries, top->count, sizeof *top->entries, top_compare, &order);
}

size_t ax_window_top_bytes(const struct ax_window_top *top)
{
    return top->room * (sizeof *top->entries + 2 * sizeof *top->slots);
}

size_t ax_window_top_bytes_max(void)
{
    return AX_WINDOW_EXACT_VALUES * (sizeof(struct ax_window_top_entry) + 2 * sizeof(uint16_t));
}
