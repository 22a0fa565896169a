/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accumulators. Each kind has a part of a partial: a struct of its own, with functions to add rows
 * of a chunk, to merge, and to read the result.
 *
 * var and stddev: Chan's way to merge needs the mean of each side and divides at every step. Here
 * each side sums x - K and (x - K)^2 in double-double, K being the first of its values; merging
 * moves the other side's sums to this K. Since K is one of the values it is no further from the
 * mean than the spread times the root of n, so nothing is lost that a float64 shows, and the
 * one division is the last step.
 */
#include "feature/window_partial.h"

#include "feature/window_log.h"
#include "feature/window_pair.h"
#include "feature/window_sum.h"

#include <assert.h>
#include <math.h>

struct count_part {
    int64_t count;
};

struct sum_part {
    int64_t count;
    int64_t infinities; /* of float64; then there is no sum */
    union {
        ax_window_int128 total; /* of integers */
        struct ax_window_sum exact;
    };
};

struct moments_part {
    int64_t count;
    int64_t infinities;
    union ax_window_cell shift;   /* K */
    struct ax_window_pair first;  /* sum of x - K */
    struct ax_window_pair second; /* sum of (x - K)^2 */
};

struct extreme_part {
    bool has_value;
    union ax_window_cell value;
};

struct edge {
    int64_t time;
    struct ax_window_text id;
    union ax_window_cell value;
};

struct edge_part {
    bool has_value;
    struct edge edge;
};

/* The newest values, the oldest of them first: edges[from] to edges[from + count - 1]. */
struct list_part {
    uint32_t from, count, room;
    struct edge *edges;
};

enum { LIST_ROOM_FIRST = 8 };

size_t ax_window_part_size(enum ax_window_accumulator_kind kind)
{
    static const size_t sizes[] = {
        [AX_WINDOW_COUNT] = sizeof(struct count_part),
        [AX_WINDOW_SUM] = sizeof(struct sum_part),
        [AX_WINDOW_MOMENTS] = sizeof(struct moments_part),
        [AX_WINDOW_MIN] = sizeof(struct extreme_part),
        [AX_WINDOW_MAX] = sizeof(struct extreme_part),
        [AX_WINDOW_FIRST] = sizeof(struct edge_part),
        [AX_WINDOW_LAST] = sizeof(struct edge_part),
        [AX_WINDOW_LAST_N] = sizeof(struct list_part),
        [AX_WINDOW_DISTINCT] = sizeof(struct ax_window_distinct),
        [AX_WINDOW_QUANTILE] = sizeof(struct ax_window_quantile),
        [AX_WINDOW_TOP] = sizeof(struct ax_window_top),
    };
    size_t size = sizes[kind] + AX_WINDOW_PARTIAL_ALIGN - 1;
    return size / AX_WINDOW_PARTIAL_ALIGN * AX_WINDOW_PARTIAL_ALIGN;
}

size_t ax_window_part_heap_max(const struct ax_window_accumulator *accumulator)
{
    switch (accumulator->kind) {
    case AX_WINDOW_SUM:
        return accumulator->cell == AX_WINDOW_CELL_F64 ? sizeof(struct ax_window_wide) : 0;
    case AX_WINDOW_LAST_N:
        return AX_MAX((size_t)2 * accumulator->n, (size_t)LIST_ROOM_FIRST) * sizeof(struct edge);
    case AX_WINDOW_DISTINCT:
        return ax_window_distinct_bytes_max();
    case AX_WINDOW_QUANTILE:
        return ax_window_quantile_bytes_max();
    case AX_WINDOW_TOP:
        return ax_window_top_bytes_max();
    case AX_WINDOW_COUNT:
    case AX_WINDOW_MOMENTS:
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX:
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST:
        break;
    }
    return 0;
}

/* ---- Cells. ---- */

static bool cell_take(enum ax_window_cell_kind kind, bool owns, union ax_window_cell *cell,
                      const union ax_window_cell *value, bool had_value)
{
    union ax_window_cell taken = *value;
    if (kind == AX_WINDOW_CELL_TEXT && owns) {
        if (!ax_window_text_init(&taken.text, ax_window_text_str(&value->text)))
            return false;
        if (had_value)
            ax_window_text_done(&cell->text);
    }
    *cell = taken;
    return true;
}

static union ax_window_cell cell_at(const struct ax_window_accumulator *accumulator,
                                    const char *cells, uint32_t row)
{
    union ax_window_cell cell = { .i64 = 0 };
    if (accumulator->cell == AX_WINDOW_CELL_TEXT)
        cell.text = ((const struct ax_window_text *)(const void *)cells)[row];
    else if (accumulator->cell == AX_WINDOW_CELL_F64)
        cell.f64 = ((const double *)(const void *)cells)[row];
    else
        cell.i64 = ((const int64_t *)(const void *)cells)[row];
    return cell;
}

/* ---- Sums. ---- */

static bool sum_add(const struct ax_window_accumulator *accumulator, struct sum_part *part,
                    const char *cells, uint64_t rows)
{
    part->count += __builtin_popcountll(rows);
    if (accumulator->cell == AX_WINDOW_CELL_I64) {
        const int64_t *values = (const int64_t *)(const void *)cells;
        for (; rows; rows &= rows - 1)
            part->total += values[__builtin_ctzll(rows)];
        return true;
    }
    const double *values = (const double *)(const void *)cells;
    for (; rows; rows &= rows - 1) {
        double value = values[__builtin_ctzll(rows)];
        if (AX_UNLIKELY(!isfinite(value)))
            part->infinities++;
        else if (!ax_window_sum_add(&part->exact, value))
            return false;
    }
    return true;
}

/* Sums are exact, and so are their differences. */
static bool sum_remove(const struct ax_window_accumulator *accumulator, struct sum_part *part,
                       const char *cells, uint64_t rows)
{
    part->count -= __builtin_popcountll(rows);
    if (accumulator->cell == AX_WINDOW_CELL_I64) {
        const int64_t *values = (const int64_t *)(const void *)cells;
        for (; rows; rows &= rows - 1)
            part->total -= values[__builtin_ctzll(rows)];
        return true;
    }
    const double *values = (const double *)(const void *)cells;
    for (; rows; rows &= rows - 1) {
        double value = values[__builtin_ctzll(rows)];
        if (AX_UNLIKELY(!isfinite(value)))
            part->infinities--;
        else if (!ax_window_sum_add(&part->exact, -value))
            return false;
    }
    return true;
}

static bool sum_merge(const struct ax_window_accumulator *accumulator, struct sum_part *part,
                      const struct sum_part *other)
{
    part->count += other->count;
    part->infinities += other->infinities;
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return ax_window_sum_merge(&part->exact, &other->exact);
    part->total += other->total;
    return true;
}

static void sum_clear(const struct ax_window_accumulator *accumulator, struct sum_part *part)
{
    part->count = part->infinities = 0;
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        ax_window_sum_clear(&part->exact);
    else
        part->total = 0;
}

/* ---- Moments. ---- */

/* float64 distances are told in units of 2^32, so that no sum of squares overflows before the
 * variance does. */
#define MOMENTS_SCALE   0x1p-32
#define MOMENTS_UNSCALE 0x1p64 /* of squares */

static struct ax_window_pair moments_distance(const struct ax_window_accumulator *accumulator,
                                              const union ax_window_cell *from,
                                              const union ax_window_cell *to)
{
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return ax_window_pair_sum(to->f64 * MOMENTS_SCALE, -from->f64 * MOMENTS_SCALE);
    return ax_window_pair_from_int((ax_window_int128)to->i64 - from->i64);
}

static void moments_add(const struct ax_window_accumulator *accumulator, struct moments_part *part,
                        const char *cells, uint64_t rows)
{
    for (; rows; rows &= rows - 1) {
        union ax_window_cell value = cell_at(accumulator, cells, (uint32_t)__builtin_ctzll(rows));
        if (accumulator->cell == AX_WINDOW_CELL_F64 && !isfinite(value.f64)) {
            part->infinities++;
            continue;
        }
        if (part->count++ == 0)
            part->shift = value;
        struct ax_window_pair distance = moments_distance(accumulator, &part->shift, &value);
        part->first = ax_window_pair_add(part->first, distance);
        part->second =
            ax_window_pair_add(part->second, ax_window_pair_multiply(distance, distance));
    }
}

static void moments_merge(const struct ax_window_accumulator *accumulator,
                          struct moments_part *part, const struct moments_part *other)
{
    part->infinities += other->infinities;
    if (other->count == 0)
        return;
    if (part->count == 0) {
        int64_t infinities = part->infinities;
        *part = *other;
        part->infinities = infinities;
        return;
    }
    /* With d = K' - K: sum(x - K) = sum(x - K') + n d, and
     * sum (x - K)^2 = sum (x - K')^2 + 2 d sum(x - K') + n d^2. */
    double count = (double)other->count;
    struct ax_window_pair distance = moments_distance(accumulator, &part->shift, &other->shift);
    struct ax_window_pair shifted = ax_window_pair_scale(distance, count);
    struct ax_window_pair twice =
        ax_window_pair_add(ax_window_pair_scale(other->first, 2), shifted);
    part->first = ax_window_pair_add(part->first, ax_window_pair_add(other->first, shifted));
    part->second = ax_window_pair_add(
        part->second, ax_window_pair_add(other->second, ax_window_pair_multiply(distance, twice)));
    part->count += other->count;
}

static double moments_variance(const struct moments_part *part)
{
    double count = (double)part->count;
    struct ax_window_pair square =
        ax_window_pair_multiply(part->first, ax_window_pair_divide(part->first, -count));
    struct ax_window_pair spread = ax_window_pair_add(part->second, square);
    struct ax_window_pair variance = ax_window_pair_divide(spread, count - 1);
    return variance.high < 0 ? 0 : variance.high;
}

/* ---- Extremes. ---- */

static bool extreme_take(const struct ax_window_accumulator *accumulator, struct extreme_part *part,
                         bool owns, const union ax_window_cell *value)
{
    if (part->has_value) {
        int order = ax_window_cell_compare(accumulator->cell, value, &part->value);
        if (accumulator->kind == AX_WINDOW_MIN ? order >= 0 : order <= 0)
            return true;
    }
    if (!cell_take(accumulator->cell, owns, &part->value, value, part->has_value))
        return false;
    part->has_value = true;
    return true;
}

/* The extreme of some rows, of which there are any. */
static union ax_window_cell extreme_of(const struct ax_window_accumulator *accumulator,
                                       const char *cells, uint64_t rows)
{
    bool is_least = accumulator->kind == AX_WINDOW_MIN;
    union ax_window_cell best = cell_at(accumulator, cells, (uint32_t)__builtin_ctzll(rows));
    if (accumulator->cell == AX_WINDOW_CELL_F64) {
        const double *values = (const double *)(const void *)cells;
        for (rows &= rows - 1; rows; rows &= rows - 1) {
            double value = values[__builtin_ctzll(rows)];
            if (is_least ? value < best.f64 : value > best.f64)
                best.f64 = value;
        }
        return best;
    }
    for (rows &= rows - 1; rows; rows &= rows - 1) {
        union ax_window_cell other = cell_at(accumulator, cells, (uint32_t)__builtin_ctzll(rows));
        int order = ax_window_cell_compare(accumulator->cell, &other, &best);
        if (is_least ? order < 0 : order > 0)
            best = other;
    }
    return best;
}

static bool extreme_add(const struct ax_window_accumulator *accumulator, struct extreme_part *part,
                        bool owns, const char *cells, uint64_t rows)
{
    union ax_window_cell best = extreme_of(accumulator, cells, rows);
    return extreme_take(accumulator, part, owns, &best);
}

/* ---- First, last, and the last n. ---- */

static int edge_compare(const struct edge *a, const struct edge *b)
{
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return ax_window_text_compare(&a->id, &b->id);
}

static void edge_done(const struct ax_window_accumulator *accumulator, struct edge *edge, bool owns)
{
    if (!owns)
        return;
    ax_window_text_done(&edge->id);
    if (accumulator->cell == AX_WINDOW_CELL_TEXT)
        ax_window_text_done(&edge->value.text);
}

static bool edge_init(const struct ax_window_accumulator *accumulator, struct edge *edge, bool owns,
                      const struct edge *from)
{
    *edge = *from;
    if (!owns)
        return true;
    if (!ax_window_text_init(&edge->id, ax_window_text_str(&from->id)))
        return false;
    if (accumulator->cell == AX_WINDOW_CELL_TEXT &&
        !ax_window_text_init(&edge->value.text, ax_window_text_str(&from->value.text))) {
        ax_window_text_done(&edge->id);
        return false;
    }
    return true;
}

static struct edge chunk_edge(const struct ax_window_accumulator *accumulator,
                              const struct ax_window_chunk *chunk, const char *cells, uint32_t row)
{
    return (struct edge){ .time = chunk->times[row],
                          .id = ax_window_chunk_names(chunk)[row].id,
                          .value = cell_at(accumulator, cells, row) };
}

static bool edge_take(const struct ax_window_accumulator *accumulator, struct edge_part *part,
                      bool owns, const struct edge *edge)
{
    if (part->has_value) {
        int order = edge_compare(edge, &part->edge);
        if (accumulator->kind == AX_WINDOW_FIRST ? order >= 0 : order <= 0)
            return true;
    }
    struct edge taken;
    if (!edge_init(accumulator, &taken, owns, edge))
        return false;
    if (part->has_value)
        edge_done(accumulator, &part->edge, owns);
    part->edge = taken;
    part->has_value = true;
    return true;
}

/* Room for one more edge behind the last. Twice as many as are kept, so that moving them to the
 * front is rare. */
static bool list_reserve(const struct ax_window_accumulator *accumulator, struct list_part *part)
{
    if (part->from + part->count < part->room)
        return true;
    uint32_t room_max = AX_MAX(2 * accumulator->n, (uint32_t)LIST_ROOM_FIRST);
    struct edge *edges = part->edges;
    if (part->room < room_max) {
        uint32_t room = AX_MIN(AX_MAX(2 * part->room, (uint32_t)LIST_ROOM_FIRST), room_max);
        edges = ax_try_alloc(room, sizeof *edges);
        if (!edges)
            return false;
        part->room = room;
    }
    if (part->count)
        memmove(edges, part->edges + part->from, part->count * sizeof *edges);
    if (edges != part->edges)
        free(part->edges);
    part->edges = edges;
    part->from = 0;
    return true;
}

static bool list_take(const struct ax_window_accumulator *accumulator, struct list_part *part,
                      bool owns, const struct edge *edge)
{
    if (part->count == accumulator->n && edge_compare(edge, &part->edges[part->from]) < 0)
        return true;
    struct edge taken;
    if (!list_reserve(accumulator, part) || !edge_init(accumulator, &taken, owns, edge))
        return false;
    struct edge *first = part->edges + part->from;
    uint32_t at = part->count;
    while (at > 0 && edge_compare(edge, &first[at - 1]) < 0)
        at--;
    memmove(first + at + 1, first + at, (part->count - at) * sizeof *first);
    first[at] = taken;
    part->count++;
    if (part->count > accumulator->n) {
        edge_done(accumulator, first, owns);
        part->from++;
        part->count--;
    }
    return true;
}

static bool list_add(const struct ax_window_accumulator *accumulator, struct list_part *part,
                     bool owns, const struct ax_window_chunk *chunk, const char *cells,
                     uint64_t rows)
{
    while ((uint32_t)__builtin_popcountll(rows) > accumulator->n)
        rows &= rows - 1;
    for (; rows; rows &= rows - 1) {
        struct edge edge = chunk_edge(accumulator, chunk, cells, (uint32_t)__builtin_ctzll(rows));
        if (!list_take(accumulator, part, owns, &edge))
            return false;
    }
    return true;
}

static bool list_merge(const struct ax_window_accumulator *accumulator, struct list_part *part,
                       bool owns, const struct list_part *other)
{
    for (uint32_t i = 0; i < other->count; i++) {
        if (!list_take(accumulator, part, owns, &other->edges[other->from + i]))
            return false;
    }
    return true;
}

static void list_clear(const struct ax_window_accumulator *accumulator, struct list_part *part,
                       bool owns)
{
    for (uint32_t i = 0; i < part->count; i++)
        edge_done(accumulator, &part->edges[part->from + i], owns);
    part->from = part->count = 0;
}

/* ---- Sketches. ---- */

static const int64_t *derived_cells(const struct ax_window_accumulator *accumulator,
                                    const struct ax_window_chunk *chunk)
{
    return (const int64_t *)(const void *)ax_window_chunk_cells(chunk,
                                                                accumulator->derived_bytes_before);
}

static bool distinct_add(const struct ax_window_accumulator *accumulator,
                         struct ax_window_distinct *part, const struct ax_window_chunk *chunk,
                         uint64_t rows)
{
    const int64_t *hashes = derived_cells(accumulator, chunk);
    for (; rows; rows &= rows - 1) {
        if (!ax_window_distinct_add(part, (uint64_t)hashes[__builtin_ctzll(rows)]))
            return false;
    }
    return true;
}

static bool quantile_add(const struct ax_window_accumulator *accumulator,
                         struct ax_window_quantile *part, const struct ax_window_chunk *chunk,
                         const char *cells, uint64_t rows)
{
    const int64_t *buckets = derived_cells(accumulator, chunk);
    const double *doubles = (const double *)(const void *)cells;
    const int64_t *integers = (const int64_t *)(const void *)cells;
    bool is_double = accumulator->cell == AX_WINDOW_CELL_F64;
    for (; rows; rows &= rows - 1) {
        int row = __builtin_ctzll(rows);
        double value = is_double ? doubles[row] : (double)integers[row];
        if (!ax_window_quantile_add(part, buckets[row], value))
            return false;
    }
    return true;
}

static bool top_add(const struct ax_window_accumulator *accumulator, struct ax_window_top *part,
                    bool owns, const struct ax_window_chunk *chunk, const char *cells,
                    uint64_t rows)
{
    const int64_t *hashes = derived_cells(accumulator, chunk);
    for (; rows; rows &= rows - 1) {
        uint32_t row = (uint32_t)__builtin_ctzll(rows);
        struct ax_window_top_entry entry = {
            .hash = (uint64_t)hashes[row],
            .count = 1,
            .value = cell_at(accumulator, cells, row),
        };
        if (!ax_window_top_add(part, accumulator->cell, owns, &entry))
            return false;
    }
    return true;
}

/* ---- All kinds. ---- */

uint64_t ax_window_rows_counted(const struct ax_window_accumulator *accumulator,
                                const struct ax_window_chunk *chunk, uint64_t rows)
{
    if (accumulator->column >= 0)
        rows &= atomic_load_explicit(&chunk->valid[accumulator->column], memory_order_relaxed);
    if (accumulator->filter >= 0)
        rows &= atomic_load_explicit(
            &chunk->valid[chunk->spec->column_count + (size_t)accumulator->filter],
            memory_order_relaxed);
    return rows;
}

static const char *cells_of(const struct ax_window_accumulator *accumulator,
                            const struct ax_window_chunk *chunk)
{
    return accumulator->column < 0 ? NULL : ax_window_chunk_cells(chunk, accumulator->bytes_before);
}

bool ax_window_part_add(const struct ax_window_accumulator *accumulator, void *part, bool owns,
                        const struct ax_window_chunk *chunk, uint64_t rows)
{
    const char *cells = cells_of(accumulator, chunk);
    rows = ax_window_rows_counted(accumulator, chunk, rows);
    if (!rows)
        return true;
    switch (accumulator->kind) {
    case AX_WINDOW_COUNT:
        ((struct count_part *)part)->count += __builtin_popcountll(rows);
        return true;
    case AX_WINDOW_SUM:
        return sum_add(accumulator, part, cells, rows);
    case AX_WINDOW_MOMENTS:
        moments_add(accumulator, part, cells, rows);
        return true;
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX:
        return extreme_add(accumulator, part, owns, cells, rows);
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST: {
        int row = accumulator->kind == AX_WINDOW_FIRST ? __builtin_ctzll(rows)
                                                       : 63 - __builtin_clzll(rows);
        struct edge edge = chunk_edge(accumulator, chunk, cells, (uint32_t)row);
        return edge_take(accumulator, part, owns, &edge);
    }
    case AX_WINDOW_LAST_N:
        return list_add(accumulator, part, owns, chunk, cells, rows);
    case AX_WINDOW_DISTINCT:
        return distinct_add(accumulator, part, chunk, rows);
    case AX_WINDOW_QUANTILE:
        return quantile_add(accumulator, part, chunk, cells, rows);
    case AX_WINDOW_TOP:
        return top_add(accumulator, part, owns, chunk, cells, rows);
    }
    return true;
}

bool ax_window_part_remove(const struct ax_window_accumulator *accumulator, void *part,
                           const struct ax_window_chunk *chunk, uint64_t rows)
{
    rows = ax_window_rows_counted(accumulator, chunk, rows);
    if (accumulator->kind == AX_WINDOW_SUM)
        return sum_remove(accumulator, part, cells_of(accumulator, chunk), rows);
    assert(accumulator->kind == AX_WINDOW_COUNT);
    ((struct count_part *)part)->count -= __builtin_popcountll(rows);
    return true;
}

bool ax_window_part_merge(const struct ax_window_accumulator *accumulator, void *part, bool owns,
                          const void *other)
{
    switch (accumulator->kind) {
    case AX_WINDOW_COUNT:
        ((struct count_part *)part)->count += ((const struct count_part *)other)->count;
        return true;
    case AX_WINDOW_SUM:
        return sum_merge(accumulator, part, other);
    case AX_WINDOW_MOMENTS:
        moments_merge(accumulator, part, other);
        return true;
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX: {
        const struct extreme_part *extreme = other;
        return !extreme->has_value || extreme_take(accumulator, part, owns, &extreme->value);
    }
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST: {
        const struct edge_part *edge = other;
        return !edge->has_value || edge_take(accumulator, part, owns, &edge->edge);
    }
    case AX_WINDOW_LAST_N:
        return list_merge(accumulator, part, owns, other);
    case AX_WINDOW_DISTINCT:
        return ax_window_distinct_merge(part, other);
    case AX_WINDOW_QUANTILE:
        return ax_window_quantile_merge(part, other);
    case AX_WINDOW_TOP:
        return ax_window_top_merge(part, accumulator->cell, owns, other);
    }
    return true;
}

bool ax_window_part_add_value(const struct ax_window_accumulator *accumulator, void *part,
                              const union ax_window_cell *value)
{
    assert(accumulator->kind == AX_WINDOW_MIN || accumulator->kind == AX_WINDOW_MAX);
    return extreme_take(accumulator, part, false, value);
}

void ax_window_part_clear(const struct ax_window_accumulator *accumulator, void *part, bool owns)
{
    switch (accumulator->kind) {
    case AX_WINDOW_COUNT:
        *(struct count_part *)part = (struct count_part){ 0 };
        break;
    case AX_WINDOW_SUM:
        sum_clear(accumulator, part);
        break;
    case AX_WINDOW_MOMENTS:
        *(struct moments_part *)part = (struct moments_part){ 0 };
        break;
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX: {
        struct extreme_part *extreme = part;
        if (owns && accumulator->cell == AX_WINDOW_CELL_TEXT)
            ax_window_text_done(&extreme->value.text);
        *extreme = (struct extreme_part){ 0 };
        break;
    }
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST: {
        struct edge_part *edge = part;
        if (edge->has_value)
            edge_done(accumulator, &edge->edge, owns);
        *edge = (struct edge_part){ 0 };
        break;
    }
    case AX_WINDOW_LAST_N:
        list_clear(accumulator, part, owns);
        break;
    case AX_WINDOW_DISTINCT:
        ax_window_distinct_clear(part);
        break;
    case AX_WINDOW_QUANTILE:
        ax_window_quantile_clear(part);
        break;
    case AX_WINDOW_TOP:
        ax_window_top_clear(part, accumulator->cell, owns);
        break;
    }
}

void ax_window_part_done(const struct ax_window_accumulator *accumulator, void *part, bool owns)
{
    ax_window_part_clear(accumulator, part, owns);
    switch (accumulator->kind) {
    case AX_WINDOW_SUM:
        if (accumulator->cell == AX_WINDOW_CELL_F64)
            ax_window_sum_done(&((struct sum_part *)part)->exact);
        break;
    case AX_WINDOW_LAST_N:
        free(((struct list_part *)part)->edges);
        *(struct list_part *)part = (struct list_part){ 0 };
        break;
    case AX_WINDOW_DISTINCT:
        ax_window_distinct_done(part);
        break;
    case AX_WINDOW_QUANTILE:
        ax_window_quantile_done(part);
        break;
    case AX_WINDOW_TOP:
        ax_window_top_done(part, accumulator->cell, owns);
        break;
    case AX_WINDOW_COUNT:
    case AX_WINDOW_MOMENTS:
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX:
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST:
        break;
    }
}

void ax_window_partial_clear(const struct ax_window_spec *spec, void *partial, bool owns)
{
    for (size_t i = 0; i < spec->accumulator_count; i++)
        ax_window_part_clear(&spec->accumulators[i], (char *)partial + spec->accumulators[i].offset,
                             owns);
}

void ax_window_partial_done(const struct ax_window_spec *spec, void *partial, bool owns)
{
    for (size_t i = 0; i < spec->accumulator_count; i++)
        ax_window_part_done(&spec->accumulators[i], (char *)partial + spec->accumulators[i].offset,
                            owns);
}

bool ax_window_partial_merge(const struct ax_window_spec *spec, void *partial, bool owns,
                             const void *other)
{
    for (size_t i = 0; i < spec->accumulator_count; i++) {
        size_t offset = spec->accumulators[i].offset;
        if (!ax_window_part_merge(&spec->accumulators[i], (char *)partial + offset, owns,
                                  (const char *)other + offset))
            return false;
    }
    return true;
}

size_t ax_window_part_heap(const struct ax_window_accumulator *accumulator, const void *part)
{
    switch (accumulator->kind) {
    case AX_WINDOW_SUM:
        if (accumulator->cell == AX_WINDOW_CELL_F64 && ((const struct sum_part *)part)->exact.wide)
            return sizeof(struct ax_window_wide);
        break;
    case AX_WINDOW_LAST_N:
        return ((const struct list_part *)part)->room * sizeof(struct edge);
    case AX_WINDOW_DISTINCT:
        return ax_window_distinct_bytes(part);
    case AX_WINDOW_QUANTILE:
        return ax_window_quantile_bytes(part);
    case AX_WINDOW_TOP:
        return ax_window_top_bytes(part);
    case AX_WINDOW_COUNT:
    case AX_WINDOW_MOMENTS:
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX:
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST:
        break;
    }
    return 0;
}

size_t ax_window_partial_heap(const struct ax_window_spec *spec, const void *partial)
{
    size_t bytes = 0;
    for (size_t i = 0; i < spec->accumulator_count; i++)
        bytes += ax_window_part_heap(&spec->accumulators[i],
                                     (const char *)partial + spec->accumulators[i].offset);
    return bytes;
}

/* ---- Results. ---- */

/* Show a cell as an item, whose text lies in `room`. */
static struct ax_window_item item_of(enum ax_window_cell_kind kind,
                                     const union ax_window_cell *cell, union ax_window_cell *room)
{
    *room = *cell;
    switch (kind) {
    case AX_WINDOW_CELL_I64:
        return (struct ax_window_item){ .i64 = cell->i64 };
    case AX_WINDOW_CELL_F64:
        return (struct ax_window_item){ .f64 = cell->f64 };
    case AX_WINDOW_CELL_TEXT:
        return (struct ax_window_item){ .text = ax_window_text_str(&room->text) };
    }
    return (struct ax_window_item){ .i64 = 0 };
}

static struct ax_window_value value_none(void)
{
    return (struct ax_window_value){ .status = AX_WINDOW_NULL };
}

static struct ax_window_value value_i64(int64_t value)
{
    return (struct ax_window_value){ .item.i64 = value };
}

static struct ax_window_value value_f64(double value)
{
    if (!isfinite(value))
        return value_none();
    return (struct ax_window_value){ .item.f64 = value };
}

static struct ax_window_value value_cell(const struct ax_window_accumulator *accumulator,
                                         const union ax_window_cell *cell,
                                         struct ax_window_room *room)
{
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return value_f64(cell->f64);
    return (struct ax_window_value){ .item = item_of(accumulator->cell, cell, room->cells) };
}

static struct ax_window_value sum_result(const struct ax_window_accumulator *accumulator,
                                         const struct sum_part *part, bool is_mean)
{
    if (part->count == 0 || part->infinities)
        return value_none();
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return value_f64(is_mean ? ax_window_sum_mean(&part->exact, part->count)
                                 : ax_window_sum_result(&part->exact));
    if (is_mean) {
        struct ax_window_pair mean =
            ax_window_pair_divide(ax_window_pair_from_int(part->total), (double)part->count);
        return value_f64(mean.high);
    }
    if (part->total < INT64_MIN || part->total > INT64_MAX)
        return value_none();
    return value_i64((int64_t)part->total);
}

static struct ax_window_value moments_result(const struct ax_window_accumulator *accumulator,
                                             const struct moments_part *part, bool is_root)
{
    if (part->count < 2 || part->infinities)
        return value_none();
    double variance = moments_variance(part);
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        variance *= MOMENTS_UNSCALE;
    return value_f64(is_root ? sqrt(variance) : variance);
}

static struct ax_window_value list_result(const struct ax_window_reader *reader,
                                          const struct ax_window_accumulator *accumulator,
                                          const struct list_part *part, struct ax_window_room *room)
{
    size_t count = AX_MIN(part->count, reader->n);
    const struct edge *newest = part->edges + part->from + part->count;
    for (size_t i = 0; i < count; i++)
        room->items[i] = item_of(accumulator->cell, &newest[-1 - (long)i].value, &room->cells[i]);
    if (count == 0)
        return value_none();
    return (struct ax_window_value){ .items = room->items, .item_count = count };
}

static struct ax_window_value top_result(const struct ax_window_reader *reader,
                                         const struct ax_window_accumulator *accumulator,
                                         struct ax_window_top *part, struct ax_window_room *room)
{
    if (part->is_over)
        return (struct ax_window_value){ .status = AX_WINDOW_TOO_MANY };
    ax_window_top_sort(part, accumulator->cell);
    size_t count = AX_MIN(part->count, reader->n);
    for (size_t i = 0; i < count; i++)
        room->items[i] = item_of(accumulator->cell, &part->entries[i].value, &room->cells[i]);
    if (count == 0)
        return value_none();
    return (struct ax_window_value){ .items = room->items, .item_count = count };
}

void ax_window_part_result(const struct ax_window_reader *reader,
                           const struct ax_window_accumulator *accumulator, void *part,
                           struct ax_window_room *room, struct ax_window_value *ret_value)
{
    switch (accumulator->kind) {
    case AX_WINDOW_COUNT:
        *ret_value = value_i64(((const struct count_part *)part)->count);
        break;
    case AX_WINDOW_SUM:
        *ret_value = sum_result(accumulator, part, reader->kind == AX_AGGREGATE_AVG);
        break;
    case AX_WINDOW_MOMENTS:
        *ret_value = moments_result(accumulator, part, reader->kind == AX_AGGREGATE_STDDEV);
        break;
    case AX_WINDOW_MIN:
    case AX_WINDOW_MAX: {
        const struct extreme_part *extreme = part;
        *ret_value =
            extreme->has_value ? value_cell(accumulator, &extreme->value, room) : value_none();
        break;
    }
    case AX_WINDOW_FIRST:
    case AX_WINDOW_LAST: {
        const struct edge_part *edge = part;
        *ret_value =
            edge->has_value ? value_cell(accumulator, &edge->edge.value, room) : value_none();
        break;
    }
    case AX_WINDOW_LAST_N:
        *ret_value = list_result(reader, accumulator, part, room);
        break;
    case AX_WINDOW_DISTINCT:
        *ret_value = value_i64(ax_window_distinct_result(part));
        break;
    case AX_WINDOW_QUANTILE: {
        const struct ax_window_quantile *quantile = part;
        *ret_value = quantile->count
                         ? value_f64(ax_window_quantile_result(quantile, reader->quantile))
                         : value_none();
        break;
    }
    case AX_WINDOW_TOP:
        *ret_value = top_result(reader, accumulator, part, room);
        break;
    }
}
