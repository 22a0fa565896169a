/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The N-th newest time tells for each window whether its edge moves; then its tiles, whole chunks
 * and rows at the edge are merged into a partial.
 */
#include "feature/window_read.h"

#include "base/alloc.h"
#include "feature/window_state.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_ALIGN _Alignof(max_align_t)

/* Fewer rows than this are added rather than kept as a partial. */
enum { FOLDED_MIN = 4 };

/* ---- Scratch. ---- */

/* Room for `count` things behind the `*at` bytes before, which are counted; `memory` NULL: only
 * that. */
static void *lay(char *memory, size_t *at, size_t count, size_t size)
{
    void *room = memory ? memory + *at : NULL;
    *at += (count * size + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
    return room;
}

/* Lay all of it out in `memory`, and return its bytes; NULL: only those. */
static size_t scratch_lay(struct ax_window_scratch *scratch, const struct ax_window_spec *spec,
                          char *memory)
{
    size_t at = 0;
    size_t values = spec->reader_count;
    scratch->partial = lay(memory, &at, spec->partial_bytes, 1);
    scratch->copy = lay(memory, &at, spec->partial_bytes, 1);
    scratch->rooms = lay(memory, &at, values, sizeof *scratch->rooms);
    scratch->segments = lay(memory, &at, values, sizeof *scratch->segments);
    scratch->accumulators = lay(memory, &at, values, sizeof *scratch->accumulators);
    scratch->last_segments = lay(memory, &at, values, sizeof *scratch->last_segments);
    scratch->values = lay(memory, &at, values, sizeof *scratch->values);
    for (size_t i = 0; i < values; i++) { /* of results that are texts or lists */
        size_t n = spec->readers[i].n;
        struct ax_window_room room = { lay(memory, &at, n, sizeof *room.cells),
                                       lay(memory, &at, n, sizeof *room.items) };
        if (memory)
            scratch->rooms[i] = room;
    }
    return at;
}

bool ax_window_scratch_init(struct ax_window_scratch *scratch, const struct ax_window_spec *spec,
                            struct ax_arena *arena)
{
    assert(scratch && spec);
    *scratch = (struct ax_window_scratch){ 0 };
    size_t bytes = AX_MAX(scratch_lay(scratch, spec, NULL), (size_t)1);
    void *memory = arena ? ax_arena_alloc(arena, bytes, 1) : ax_try_alloc(bytes, 1);
    if (!memory)
        return false;
    (void)scratch_lay(scratch, spec, memory);
    scratch->owned = arena ? NULL : memory;
    memset(scratch->partial, 0, spec->partial_bytes);
    memset(scratch->copy, 0, spec->partial_bytes);
    return true;
}

void ax_window_scratch_done(struct ax_window_scratch *scratch, const struct ax_window_spec *spec)
{
    if (scratch->partial)
        ax_window_partial_done(spec, scratch->partial, false);
    if (scratch->copy)
        ax_window_partial_done(spec, scratch->copy, false);
    free(scratch->owned);
    *scratch = (struct ax_window_scratch){ 0 };
}

/* ---- Edges. ---- */

enum ax_code ax_window_check_moment(int64_t at, int64_t floor, struct ax_err *err)
{
    if (at < -AX_WINDOW_TIME_MAX || at > AX_WINDOW_TIME_MAX)
        return ax_fail(err, AX_E_INVALID, "a moment is too far from 1970");
    if (at < floor)
        return ax_fail(err, AX_E_INVALID, "the moment lies before what windows still know");
    return AX_OK;
}

int64_t ax_window_exact_from(const struct ax_window_picture *picture, int64_t at)
{
    const struct ax_window_chunks *chunks = &picture->chunks;
    size_t left = picture->spec->exact_events;
    size_t c = ax_window_chunks_after(chunks, at);
    if (c == chunks->count && picture->live_rows >= left) {
        size_t over = picture->live_rows - left; /* Mostly less than a chunk and a half. */
        for (c = picture->archived; over >= ax_window_chunks_rows(chunks, c); c++)
            over -= ax_window_chunks_rows(chunks, c);
        return chunks->list[c]->times[over];
    }
    if (c < chunks->count) {
        const struct ax_window_chunk *chunk = chunks->list[c];
        uint32_t rows = ax_window_chunk_upto(chunk, ax_window_chunks_rows(chunks, c), at);
        if (left <= rows)
            return chunk->times[rows - left];
        left -= rows;
    }
    while (c-- > 0) {
        const struct ax_window_chunk *chunk = chunks->list[c];
        uint32_t rows = ax_window_chunks_rows(chunks, c);
        if (left <= rows)
            return chunk->times[rows - left];
        left -= rows;
    }
    return AX_WINDOW_FLOOR_NONE;
}

int64_t ax_window_range_from(const struct ax_window_range *range, int64_t at, int64_t exact_from)
{
    int64_t from = at - range->window_us;
    return range->always_hops || from < exact_from ? ax_window_floor(from, range->hop_us) : from;
}

struct ax_window_found ax_window_picture_find(const struct ax_window_picture *picture,
                                              struct ax_str id, int64_t from, int64_t to)
{
    const struct ax_window_chunks *chunks = &picture->chunks;
    struct ax_window_text text;
    ax_window_text_borrow(&text, id);
    size_t first = ax_window_chunks_after(chunks, from);
    for (size_t c = AX_MIN(ax_window_chunks_after(chunks, to) + 1, chunks->count); c-- > first;) {
        const struct ax_window_chunk *chunk = chunks->list[c];
        for (uint32_t row = ax_window_chunks_rows(chunks, c); row-- > 0;) {
            const struct ax_window_text *its = &ax_window_chunk_names(chunk)[row].id;
            if (its->len == text.len && ax_window_text_compare(its, &text) == 0)
                return (struct ax_window_found){ .is_there = true,
                                                 .time = chunk->times[row],
                                                 .place = { c, row } };
        }
    }
    return (struct ax_window_found){ .is_there = false };
}

/* ---- Rows. ---- */

/* Read the chunk's rows that lie between two times. */
static bool read_chunk(const struct ax_window_reading *reading, size_t at, int64_t from, int64_t to)
{
    const struct ax_window_picture *picture = reading->picture;
    struct ax_window_chunk *chunk = picture->chunks.list[at];
    uint32_t count = ax_window_chunks_rows(&picture->chunks, at);
    uint64_t rows = ax_window_mask(ax_window_chunk_upto(chunk, count, from),
                                   ax_window_chunk_upto(chunk, count, to));
    if (reading->self.is_there && reading->self.place.chunk == at)
        rows &= ~(UINT64_C(1) << reading->self.place.row);
    bool whole = rows == ax_window_mask(0, count) && count >= FOLDED_MIN;
    if (whole && picture->is_ours && !ax_window_chunk_fold(chunk))
        return false;
    whole = whole && atomic_load_explicit(&chunk->folded, memory_order_acquire) == count;
    for (size_t i = 0; rows && i < reading->range->accumulator_count; i++) {
        if (reading->are_left_out && reading->are_left_out[i])
            continue;
        const struct ax_window_accumulator *accumulator =
            &picture->spec->accumulators[reading->range->accumulators[i]];
        void *part = (char *)reading->partial + accumulator->offset;
        if (whole && accumulator->in_chunks
                ? !ax_window_part_merge(accumulator, part, false,
                                        ax_window_chunk_partial(chunk) + accumulator->offset)
                : !ax_window_part_add(accumulator, part, false, chunk, rows))
            return false;
    }
    return true;
}

bool ax_window_read_chunks(const struct ax_window_reading *reading)
{
    const struct ax_window_picture *picture = reading->picture;
    size_t c = ax_window_chunks_after(&picture->chunks, reading->from);
    for (c = AX_MAX(c, picture->archived); c < picture->chunks.count; c++) {
        if (picture->chunks.list[c]->times[0] > reading->to)
            break;
        if (!read_chunk(reading, c, reading->from, reading->to))
            return false;
    }
    return true;
}

/* Read rows of the archive, where a tile cannot be read as a whole. */
static bool read_archive(const struct ax_window_reading *reading, int64_t from, int64_t to)
{
    const struct ax_window_picture *picture = reading->picture;
    for (size_t c = ax_window_chunks_after(&picture->chunks, from); c < picture->archived; c++) {
        if (picture->chunks.list[c]->times[0] > to)
            break;
        if (!read_chunk(reading, c, from, to))
            return false;
    }
    return true;
}

/* ---- Tiles. ---- */

bool ax_window_range_merge(const struct ax_window_spec *spec, const struct ax_window_range *range,
                           void *into, const void *partial)
{
    for (size_t i = 0; i < range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator =
            &spec->accumulators[range->accumulators[i]];
        if (!ax_window_part_merge(accumulator, (char *)into + accumulator->offset, false,
                                  (const char *)partial + accumulator->offset))
            return false;
    }
    return true;
}

void ax_window_range_clear(const struct ax_window_spec *spec, const struct ax_window_range *range,
                           void *partial)
{
    for (size_t i = 0; i < range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator =
            &spec->accumulators[range->accumulators[i]];
        ax_window_part_clear(accumulator, (char *)partial + accumulator->offset, false);
    }
}

/* Whether the window has all of a tile. */
static bool has_whole(const struct ax_window_reading *reading, const struct ax_window_tile *tile)
{
    const struct ax_window_found *self = &reading->self;
    bool has_self = self->is_there && self->place.chunk < reading->picture->archived &&
                    self->time >= tile->first && self->time <= tile->last;
    return tile->first > reading->from && tile->last <= reading->to && !has_self && !tile->is_stale;
}

bool ax_window_read_tile(const struct ax_window_reading *reading, const struct ax_window_tile *tile)
{
    if (!has_whole(reading, tile))
        return read_archive(reading, AX_MAX(reading->from, tile->first - 1),
                            AX_MIN(reading->to, tile->last));
    return ax_window_range_merge(reading->picture->spec, reading->range, reading->partial,
                                 tile->partial);
}

bool ax_window_read_tiles(const struct ax_window_reading *reading, size_t tile)
{
    const struct ax_window_picture *picture = reading->picture;
    while (tile < picture->tile_count && picture->tiles[tile]->first <= reading->to) {
        size_t number = picture->tiles_before + tile;
        const struct ax_window_tile *branch = NULL;
        if (picture->branches && number % AX_WINDOW_BRANCH_TILES == 0)
            branch = picture->branches[number / AX_WINDOW_BRANCH_TILES];
        bool is_whole = branch && has_whole(reading, branch);
        if (!ax_window_read_tile(reading, is_whole ? branch : picture->tiles[tile]))
            return false;
        tile += is_whole ? AX_WINDOW_BRANCH_TILES : 1;
    }
    return true;
}

/* ---- All of it. ---- */

static void sort_segments(struct ax_window_segment *segments, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct ax_window_segment segment = segments[i];
        size_t at = i;
        for (; at && segments[at - 1].from < segment.from; at--)
            segments[at] = segments[at - 1];
        segments[at] = segment;
    }
}

/* Where each window begins, the last first; and which accumulators are read how far. */
static void make_segments(const struct ax_window_picture *picture, int64_t at,
                          struct ax_window_scratch *scratch)
{
    const struct ax_window_spec *spec = picture->spec;
    int64_t exact_from = ax_window_exact_from(picture, at);
    for (size_t i = 0; i < spec->window_count; i++)
        scratch->segments[i] =
            (struct ax_window_segment){ i,
                                        ax_window_range_from(&spec->windows[i], at, exact_from) };
    sort_segments(scratch->segments, spec->window_count);
    for (size_t s = 0; s < spec->window_count; s++) {
        const struct ax_window_range *range = &spec->windows[scratch->segments[s].window];
        for (size_t i = 0; i < range->accumulator_count; i++)
            scratch->last_segments[range->accumulators[i]] = s;
    }
}

/* The values of a segment's window. */
static bool read_results(const struct ax_window_spec *spec, size_t segment,
                         struct ax_window_scratch *scratch)
{
    const struct ax_window_range *range = &spec->windows[scratch->segments[segment].window];
    for (size_t k = 0; k < range->reader_count; k++) {
        size_t number = range->readers[k];
        size_t read = spec->readers[number].accumulator;
        const struct ax_window_accumulator *accumulator = &spec->accumulators[read];
        void *part = (char *)scratch->partial + accumulator->offset;
        if (accumulator->kind == AX_WINDOW_TOP) {
            void *copy = (char *)scratch->copy + accumulator->offset;
            ax_window_part_clear(accumulator, copy, false);
            if (!ax_window_part_merge(accumulator, copy, false, part))
                return false;
            part = copy;
        }
        ax_window_part_result(&spec->readers[number], accumulator, part, &scratch->rooms[number],
                              &scratch->values[number]);
    }
    return true;
}

/* Have the beginning of a piece come near. */
static void prefetch_piece(const void *piece, size_t bytes)
{
    for (size_t at = 0; piece && at < bytes; at += AX_CACHE_LINE)
        __builtin_prefetch((const char *)piece + at);
}

/* The same for what most reads need: chunks of the newest rows up to their partials, the newest
 * tiles, and branches. */
static void picture_prefetch(const struct ax_window_picture *picture)
{
    const struct ax_window_spec *spec = picture->spec;
    size_t chunk_bytes = sizeof(struct ax_window_chunk) + spec->mask_bytes + spec->partial_bytes;
    for (size_t i = picture->archived; i < picture->chunks.count; i++)
        prefetch_piece(picture->chunks.list[i], chunk_bytes);
    size_t tile_bytes = ax_window_tile_bytes(spec), tiles = picture->tiles_before;
    tiles += picture->tile_count;
    for (size_t i = 0; picture->branches && i < tiles / AX_WINDOW_BRANCH_TILES; i++)
        prefetch_piece(picture->branches[i], tile_bytes);
    for (size_t i = 0; i < AX_MIN(tiles % AX_WINDOW_BRANCH_TILES, picture->tile_count); i++)
        prefetch_piece(picture->tiles[picture->tile_count - 1 - i], tile_bytes);
}

/* All windows end at the moment, so the longer ones have what the shorter ones have, and more. */
bool ax_window_read(const struct ax_window_picture *picture, int64_t at, const struct ax_str *self,
                    struct ax_window_scratch *scratch)
{
    const struct ax_window_spec *spec = picture->spec;
    struct ax_window_range range = { .accumulators = scratch->accumulators };
    struct ax_window_reading reading = {
        .picture = picture, .range = &range, .to = at, .partial = scratch->partial
    };
    if (self)
        reading.self = ax_window_picture_find(picture, *self, at - spec->reach_us, at);
    picture_prefetch(picture);
    make_segments(picture, at, scratch);
    ax_window_partial_clear(spec, scratch->partial, false);
    for (size_t s = 0; s < spec->window_count; s++) {
        range.accumulator_count = 0;
        for (size_t i = 0; i < spec->accumulator_count; i++) {
            if (scratch->last_segments[i] >= s)
                range.accumulators[range.accumulator_count++] = i;
        }
        reading.from = scratch->segments[s].from;
        size_t tile = ax_window_tile_after(picture->tiles, picture->tile_count, reading.from);
        if (reading.from < reading.to &&
            (!ax_window_read_tiles(&reading, tile) || !ax_window_read_chunks(&reading)))
            return false;
        if (!read_results(spec, s, scratch))
            return false;
        reading.to = AX_MIN(reading.to, reading.from);
    }
    return true;
}
