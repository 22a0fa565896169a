/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sliding accumulators. A deque of the least values: a value that comes in drives out those at the
 * end that are not less, so the first is the least; it leaves when its row does. Each value comes
 * and goes once.
 *
 * A quantile has two deques besides its counts, since its result is kept between the least and the
 * greatest value.
 *
 * Moments are two stacks that make a queue: rows are pushed to one, as a single part; what leaves
 * is popped from the other, whose every part has the rows below it, too. When that one is empty the
 * rows are turned over from the first to it. So a row is added twice, and a read merges two parts.
 */
#include "feature/window_slide.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 16 };

/* ---- deques ---- */

static struct ax_window_deque_entry *deque_at(const struct ax_window_deque *deque, size_t i)
{
    return &deque->entries[(deque->first + i) & (deque->room - 1)];
}

static bool deque_grow(struct ax_window_deque *deque)
{
    size_t room = deque->room ? 2 * deque->room : ROOM_FIRST;
    struct ax_window_deque_entry *entries = ax_try_alloc(room, sizeof *entries);
    if (!entries)
        return false;
    for (size_t i = 0; i < deque->count; i++)
        entries[i] = *deque_at(deque, i);
    free(deque->entries);
    deque->entries = entries;
    deque->room = room;
    deque->first = 0;
    return true;
}

/* Whether a newer value is as good an extreme as an older one: least, or greatest. */
static bool outdoes(enum ax_window_cell_kind kind, bool is_least, const union ax_window_cell *newer,
                    const union ax_window_cell *older)
{
    if (kind == AX_WINDOW_CELL_F64)
        return is_least ? newer->f64 <= older->f64 : newer->f64 >= older->f64;
    return is_least ? newer->i64 <= older->i64 : newer->i64 >= older->i64;
}

static bool deque_add(struct ax_window_deque *deque, enum ax_window_cell_kind kind, bool is_least,
                      const struct ax_window_deque_entry *entry)
{
    while (deque->count &&
           outdoes(kind, is_least, &entry->value, &deque_at(deque, deque->count - 1)->value))
        deque->count--;
    if (deque->count == deque->room && !deque_grow(deque))
        return false;
    deque->count++;
    *deque_at(deque, deque->count - 1) = *entry;
    return true;
}

/* Rows before `number` have left. */
static void deque_leave(struct ax_window_deque *deque, uint64_t number)
{
    while (deque->count && deque_at(deque, 0)->number < number) {
        deque->first = (deque->first + 1) & (deque->room - 1);
        deque->count--;
    }
}

/* ---- quantiles ---- */

static double number_at(const struct ax_window_accumulator *accumulator, const char *cells, int row)
{
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return ((const double *)(const void *)cells)[row];
    return (double)((const int64_t *)(const void *)cells)[row];
}

static bool quantile_add(struct ax_window_slide *slide, int64_t bucket, double value)
{
    struct ax_window_deque_entry entry = { slide->in++, { .f64 = value } };
    if (!ax_window_quantile_fits(&slide->quantile, bucket)) {
        slide->is_off = true;
        return true;
    }
    if (!ax_window_quantile_add(&slide->quantile, bucket, value))
        return false;
    return !isfinite(value) || (deque_add(&slide->least, AX_WINDOW_CELL_F64, true, &entry) &&
                                deque_add(&slide->greatest, AX_WINDOW_CELL_F64, false, &entry));
}

/* ---- parts ---- */

static void *part_at(const struct ax_window_accumulator *accumulator,
                     const struct ax_window_slide *slide, size_t i)
{
    return slide->parts + i * ax_window_part_size(accumulator->kind);
}

/* Zeroed room for part number `last`. Parts may be moved: they own no texts. */
static bool parts_reserve(const struct ax_window_accumulator *accumulator,
                          struct ax_window_slide *slide, size_t last)
{
    size_t size = ax_window_part_size(accumulator->kind);
    if (last < slide->part_room)
        return true;
    size_t room = accumulator->kind == AX_WINDOW_MOMENTS ? ROOM_FIRST + last + last / 2 : 1;
    unsigned char *parts = ax_try_alloc(room, size);
    if (!parts)
        return false;
    if (slide->part_room)
        memcpy(parts, slide->parts, slide->part_room * size);
    memset(parts + slide->part_room * size, 0, (room - slide->part_room) * size);
    free(slide->parts);
    slide->parts = parts;
    slide->part_room = room;
    return true;
}

static void moments_remove(struct ax_window_slide *slide, uint64_t rows)
{
    size_t count = (size_t)__builtin_popcountll(rows);
    slide->is_spent |= count > slide->turned;
    slide->turned -= AX_MIN(count, slide->turned);
}

bool ax_window_slide_turn(const struct ax_window_accumulator *accumulator,
                          struct ax_window_slide *slide, const struct ax_window_chunk *chunk,
                          uint64_t rows)
{
    rows = ax_window_rows_counted(accumulator, chunk, rows);
    while (rows) {
        uint64_t row = UINT64_C(1) << (63 - __builtin_clzll(rows));
        if (!parts_reserve(accumulator, slide, slide->turned + 1))
            return false;
        void *part = part_at(accumulator, slide, slide->turned + 1);
        if (slide->turned)
            memcpy(part, part_at(accumulator, slide, slide->turned),
                   ax_window_part_size(accumulator->kind));
        else
            ax_window_part_clear(accumulator, part, false);
        if (!ax_window_part_add(accumulator, part, false, chunk, row))
            return false;
        slide->turned++;
        rows &= ~row;
    }
    return true;
}

/* ---- rows ---- */

static union ax_window_cell cell_at(const struct ax_window_accumulator *accumulator,
                                    const char *cells, int row)
{
    if (accumulator->cell == AX_WINDOW_CELL_F64)
        return (union ax_window_cell){ .f64 = ((const double *)(const void *)cells)[row] };
    return (union ax_window_cell){ .i64 = ((const int64_t *)(const void *)cells)[row] };
}

static bool has_parts(const struct ax_window_accumulator *accumulator)
{
    return accumulator->kind == AX_WINDOW_COUNT || accumulator->kind == AX_WINDOW_SUM ||
           accumulator->kind == AX_WINDOW_MOMENTS;
}

bool ax_window_slide_add(const struct ax_window_accumulator *accumulator,
                         struct ax_window_slide *slide, const struct ax_window_chunk *chunk,
                         uint64_t rows)
{
    const char *cells = ax_window_chunk_cells(chunk, accumulator->bytes_before);
    const int64_t *buckets = (const int64_t *)(const void *)ax_window_chunk_cells(
        chunk, accumulator->derived_bytes_before);
    bool is_min = accumulator->kind == AX_WINDOW_MIN;
    if (slide->is_off)
        return true;
    if (has_parts(accumulator))
        return parts_reserve(accumulator, slide, 0) &&
               ax_window_part_add(accumulator, slide->parts, false, chunk, rows);
    for (rows = ax_window_rows_counted(accumulator, chunk, rows); rows; rows &= rows - 1) {
        int row = __builtin_ctzll(rows);
        if (accumulator->kind == AX_WINDOW_QUANTILE) {
            if (!quantile_add(slide, buckets[row], number_at(accumulator, cells, row)))
                return false;
            continue;
        }
        struct ax_window_deque_entry entry = { slide->in++, cell_at(accumulator, cells, row) };
        if (!deque_add(is_min ? &slide->least : &slide->greatest, accumulator->cell, is_min,
                       &entry))
            return false;
    }
    return true;
}

void ax_window_slide_remove(const struct ax_window_accumulator *accumulator,
                            struct ax_window_slide *slide, const struct ax_window_chunk *chunk,
                            uint64_t rows)
{
    rows = ax_window_rows_counted(accumulator, chunk, rows);
    if (slide->is_off || !rows)
        return;
    if (accumulator->kind == AX_WINDOW_MOMENTS) {
        moments_remove(slide, rows);
        return;
    }
    if (has_parts(accumulator)) {
        slide->is_off = !ax_window_part_remove(accumulator, slide->parts, chunk, rows);
        return;
    }
    slide->out += (uint64_t)__builtin_popcountll(rows);
    deque_leave(&slide->least, slide->out);
    deque_leave(&slide->greatest, slide->out);
    if (accumulator->kind != AX_WINDOW_QUANTILE)
        return;
    const int64_t *buckets = (const int64_t *)(const void *)ax_window_chunk_cells(
        chunk, accumulator->derived_bytes_before);
    for (; rows; rows &= rows - 1)
        ax_window_quantile_remove(&slide->quantile, buckets[__builtin_ctzll(rows)]);
}

void ax_window_slide_clear(const struct ax_window_accumulator *accumulator,
                           struct ax_window_slide *slide)
{
    slide->in = slide->out = 0;
    slide->is_off = slide->is_spent = false;
    slide->turned = 0;
    if (slide->parts)
        ax_window_part_clear(accumulator, slide->parts, false);
    ax_window_quantile_clear(&slide->quantile);
    slide->least.count = slide->greatest.count = 0;
}

void ax_window_slide_done(const struct ax_window_accumulator *accumulator,
                          struct ax_window_slide *slide)
{
    if (slide->parts)
        ax_window_part_done(accumulator, slide->parts, false);
    free(slide->parts);
    ax_window_quantile_done(&slide->quantile);
    free(slide->least.entries);
    free(slide->greatest.entries);
    *slide = (struct ax_window_slide){ 0 };
}

void *ax_window_slide_part(const struct ax_window_accumulator *accumulator,
                           struct ax_window_slide *slide)
{
    if (accumulator->kind == AX_WINDOW_COUNT || accumulator->kind == AX_WINDOW_SUM)
        return slide->parts;
    if (accumulator->kind != AX_WINDOW_QUANTILE)
        return NULL;
    ax_window_quantile_trim(&slide->quantile);
    if (slide->least.count) {
        slide->quantile.min = deque_at(&slide->least, 0)->value.f64;
        slide->quantile.max = deque_at(&slide->greatest, 0)->value.f64;
    }
    return &slide->quantile;
}

bool ax_window_slide_merge(const struct ax_window_accumulator *accumulator,
                           struct ax_window_slide *slide, void *part)
{
    if (accumulator->kind == AX_WINDOW_QUANTILE)
        return ax_window_quantile_merge(part, ax_window_slide_part(accumulator, slide));
    if (has_parts(accumulator))
        return !slide->parts || ((!slide->turned || ax_window_part_merge(accumulator, part, false,
                                                                         part_at(accumulator, slide,
                                                                                 slide->turned))) &&
                                 ax_window_part_merge(accumulator, part, false, slide->parts));
    const struct ax_window_deque *deque =
        accumulator->kind == AX_WINDOW_MIN ? &slide->least : &slide->greatest;
    return !deque->count || ax_window_part_add_value(accumulator, part, &deque_at(deque, 0)->value);
}

size_t ax_window_slide_bytes(const struct ax_window_accumulator *accumulator,
                             const struct ax_window_slide *slide)
{
    size_t parts = slide->part_room * ax_window_part_size(accumulator->kind);
    if (slide->parts)
        parts += ax_window_part_heap(accumulator, slide->parts);
    return parts + ax_window_quantile_bytes(&slide->quantile) +
           (slide->least.room + slide->greatest.room) * sizeof(struct ax_window_deque_entry);
}
