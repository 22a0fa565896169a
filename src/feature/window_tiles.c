/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles. Rows go to the tile at whose times no boundary separates them from, else to a new one.
 *
 * A boundary is a multiple of a window's hop; it separates what is at or before it from what is
 * after it. It is needed while a moment can have it: from floor(floor - W, hop) on. As the floor
 * moves, boundaries of short windows are no longer needed, and when there are many tiles those that
 * none separates any longer are merged: hours become days. Each merge of all costs as many steps as
 * there are tiles, and happens after a quarter as many new ones.
 *
 * A tile that readers may see is copied before it changes. So each tile that rows are added to
 * takes at most one new one, and a reserve of so many lets adding succeed: what cannot be copied
 * or added is a stale tile, whose rows are in the archive.
 */
#include "feature/window_tiles.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct ax_window_tile) == AX_WINDOW_TILE_HEAD, "plan.h counts on it");

enum { ROOM_FIRST = 16, MERGE_FIRST = 16 };

void ax_window_tiles_init(struct ax_window_tiles *tiles, const struct ax_window_spec *spec,
                          struct ax_window_shared *shared)
{
    *tiles = (struct ax_window_tiles){ .spec = spec, .shared = shared, .merge_at = MERGE_FIRST };
}

static struct ax_window_tile *tile_of(struct ax_window_piece *piece)
{
    return container_of(piece, struct ax_window_tile, piece);
}

static void tile_destroy(struct ax_window_heap *heap, struct ax_window_piece *piece)
{
    struct ax_window_tile *tile = tile_of(piece);
    ax_window_partial_done(tile->spec, tile->partial, true);
    ax_window_piece_free(heap, tile, ax_window_tile_bytes(tile->spec), true);
}

/* A zeroed tile. NULL: memory was refused. */
static struct ax_window_tile *tile_new(struct ax_window_tiles *tiles)
{
    size_t size = ax_window_tile_bytes(tiles->spec);
    struct ax_window_tile *tile = ax_window_piece_new(tiles->shared, size, true, tile_destroy);
    if (!tile)
        return NULL;
    memset((char *)tile + sizeof tile->piece, 0, size - sizeof tile->piece);
    tile->spec = tiles->spec;
    return tile;
}

static void tiles_spare(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    tile->piece.next = tiles->spares;
    tiles->spares = &tile->piece;
    tiles->spare_count++;
}

/* One of those that were reserved. */
static struct ax_window_tile *tiles_take_spare(struct ax_window_tiles *tiles)
{
    assert(tiles->spares);
    struct ax_window_tile *tile = tile_of(tiles->spares);
    tiles->spares = tile->piece.next;
    tiles->spare_count--;
    return tile;
}

static void tiles_drop_spares(struct ax_window_tiles *tiles)
{
    while (tiles->spares)
        ax_window_piece_drop(tiles->shared, &tiles_take_spare(tiles)->piece);
}

void ax_window_tiles_trim(struct ax_window_tiles *tiles)
{
    if (tiles->shared)
        tiles_drop_spares(tiles);
}

/* A tile that has left the list. */
static void tile_done(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    tiles->stale_count -= tile->is_stale;
    if (tiles->shared) {
        ax_window_piece_drop(tiles->shared, &tile->piece);
        return;
    }
    ax_window_partial_done(tiles->spec, tile->partial, true);
    memset(tile->partial, 0, tiles->spec->partial_bytes);
    tile->is_stale = false;
    tiles_spare(tiles, tile);
}

void ax_window_tiles_clear(struct ax_window_tiles *tiles)
{
    for (size_t i = 0; i < tiles->count; i++)
        tile_done(tiles, ax_window_tiles_at(tiles, i));
    tiles->head = tiles->count = 0;
    tiles->merge_at = MERGE_FIRST;
    tiles->changes++;
    assert(tiles->stale_count == 0);
}

void ax_window_tiles_done(struct ax_window_tiles *tiles)
{
    ax_window_tiles_clear(tiles);
    tiles_drop_spares(tiles);
    free(tiles->list);
    *tiles = (struct ax_window_tiles){ .spec = tiles->spec, .shared = tiles->shared };
}

size_t ax_window_tile_after(struct ax_window_tile *const *list, size_t count, int64_t time)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle]->last <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first that ends at `time` or later. */
static size_t tiles_from(const struct ax_window_tiles *tiles, int64_t time)
{
    if (!tiles->count || ax_window_tiles_at(tiles, tiles->count - 1)->last < time)
        return tiles->count; /* As for most rows that come. */
    return ax_window_tile_after(tiles->list + tiles->head, tiles->count, time - 1);
}

/* Room for `count` more in the list. */
static bool list_reserve(struct ax_window_tiles *tiles, size_t count)
{
    if (tiles->head + tiles->count + count <= tiles->room)
        return true;
    if (tiles->head >= tiles->count + count) { /* At least half of it is free in front. */
        memmove(tiles->list, tiles->list + tiles->head, tiles->count * sizeof *tiles->list);
        tiles->head = 0;
        return true;
    }
    size_t room = AX_MAX(tiles->room * 2, (size_t)ROOM_FIRST);
    room = AX_MAX(room, tiles->count + count);
    struct ax_window_tile **list = ax_try_alloc(room, sizeof *list);
    if (!list)
        return false;
    if (tiles->count)
        memcpy(list, tiles->list + tiles->head, tiles->count * sizeof *list);
    free(tiles->list);
    tiles->list = list;
    tiles->room = room;
    tiles->head = 0;
    return true;
}

bool ax_window_tiles_reserve(struct ax_window_tiles *tiles, size_t count)
{
    while (tiles->spare_count < count) {
        struct ax_window_tile *tile = tile_new(tiles);
        if (!tile)
            return false;
        tiles_spare(tiles, tile);
    }
    return list_reserve(tiles, count);
}

/* Whether a window can begin between two times, t1 <= t2. */
static bool is_separated(const struct ax_window_spec *spec, int64_t floor, int64_t t1, int64_t t2)
{
    for (size_t i = 0; i < spec->step_count && t1 < t2; i++) {
        const struct ax_window_step *step = &spec->steps[i];
        int64_t boundary = ax_window_floor(t2 - 1, step->hop_us);
        if (boundary >= t1 && boundary > floor - step->window_us - step->hop_us)
            return true;
    }
    return false;
}

/* Rows of the chunk from `from` on that nothing separates: the first that is not one of them. */
static uint32_t part_end(const struct ax_window_tiles *tiles, int64_t floor,
                         const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    int64_t boundary = INT64_MAX; /* The first at or after the row. */
    for (size_t i = 0; i < tiles->spec->step_count; i++) {
        const struct ax_window_step *step = &tiles->spec->steps[i];
        int64_t after = floor - step->window_us - step->hop_us;
        after = ax_window_floor(AX_MAX(after, chunk->times[from] - 1), step->hop_us);
        boundary = AX_MIN(boundary, after + step->hop_us);
    }
    return ax_window_chunk_upto(chunk, to, boundary);
}

size_t ax_window_tiles_parts(const struct ax_window_tiles *tiles, int64_t floor,
                             const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    size_t parts = 0;
    for (; from < to; parts++)
        from = part_end(tiles, floor, chunk, from, to);
    return parts;
}

static void tile_spoil(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    tiles->stale_count += !tile->is_stale;
    tile->is_stale = true;
    tiles->changes++;
}

/* The partial has changed. */
static void tile_count_bytes(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    if (tiles->shared)
        ax_window_piece_count(tiles->shared, &tile->piece,
                              tile->piece.bytes - ax_window_tile_bytes(tiles->spec),
                              ax_window_partial_heap(tiles->spec, tile->partial));
}

/* The tile, the writer's own; after a reserve. A copy for which there is no memory is stale. */
static struct ax_window_tile *tiles_own_at(struct ax_window_tiles *tiles, size_t at)
{
    struct ax_window_tile *tile = ax_window_tiles_at(tiles, at);
    if (!ax_window_piece_is_seen(tiles->shared, &tile->piece))
        return tile;
    struct ax_window_tile *copy = tiles_take_spare(tiles);
    copy->first = tile->first;
    copy->last = tile->last;
    copy->is_stale = tile->is_stale;
    tiles->stale_count += copy->is_stale;
    tiles->list[tiles->head + at] = copy;
    if (!copy->is_stale &&
        !ax_window_partial_merge(tiles->spec, copy->partial, true, tile->partial)) {
        ax_window_partial_clear(tiles->spec, copy->partial, true);
        tile_spoil(tiles, copy);
    }
    tile_count_bytes(tiles, copy);
    tile_done(tiles, tile);
    return copy;
}

static void tiles_take(struct ax_window_tiles *tiles, size_t at)
{
    struct ax_window_tile **place = tiles->list + tiles->head + at;
    tile_done(tiles, *place);
    if (at == 0) {
        tiles->head++;
        tiles->dropped++;
    } else {
        tiles->changes++;
        memmove(place, place + 1, (tiles->count - at - 1) * sizeof *place);
    }
    tiles->count--;
}

/* Merge neighbours that nothing separates. False: memory was refused; a tile is stale. */
static bool tiles_merge(struct ax_window_tiles *tiles, int64_t floor)
{
    size_t kept = 0;
    bool merged = true;
    for (size_t i = 1; i < tiles->count; i++) {
        struct ax_window_tile *into = ax_window_tiles_at(tiles, kept);
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, i);
        if (is_separated(tiles->spec, floor, into->last, tile->first) ||
            (ax_window_piece_is_seen(tiles->shared, &into->piece) &&
             !ax_window_tiles_reserve(tiles, 1))) {
            tiles->list[tiles->head + ++kept] = tile;
            continue;
        }
        into = tiles_own_at(tiles, kept);
        into->last = tile->last;
        tiles->changes++;
        if (tile->is_stale) {
            tile_spoil(tiles, into);
        } else if (!into->is_stale &&
                   !ax_window_partial_merge(tiles->spec, into->partial, true, tile->partial)) {
            tile_spoil(tiles, into);
            merged = false;
        }
        tile_count_bytes(tiles, into);
        tile_done(tiles, tile);
    }
    tiles->count = AX_MIN(tiles->count, kept + 1);
    tiles->merge_at = AX_WINDOW_TILES_ROOM(tiles->count);
    return merged;
}

/* The tile for rows at `time`, extended to it or made; the writer's own. After a reserve. */
static struct ax_window_tile *tiles_for(struct ax_window_tiles *tiles, int64_t floor, int64_t time)
{
    size_t at = tiles_from(tiles, time);
    if (at < tiles->count && ax_window_tiles_at(tiles, at)->first <= time)
        return tiles_own_at(tiles, at);
    if (at > 0 &&
        !is_separated(tiles->spec, floor, ax_window_tiles_at(tiles, at - 1)->last, time)) {
        struct ax_window_tile *tile = tiles_own_at(tiles, at - 1);
        tile->last = time;
        return tile;
    }
    if (at < tiles->count &&
        !is_separated(tiles->spec, floor, time, ax_window_tiles_at(tiles, at)->first)) {
        struct ax_window_tile *tile = tiles_own_at(tiles, at);
        tile->first = time;
        return tile;
    }
    assert(tiles->head + tiles->count < tiles->room);
    struct ax_window_tile **place = tiles->list + tiles->head + at;
    memmove(place + 1, place, (tiles->count - at) * sizeof *place);
    *place = tiles_take_spare(tiles);
    (*place)->first = (*place)->last = time;
    tiles->count++;
    return *place;
}

/* Add rows to a tile: all of a chunk by what the chunk knows of them. */
static bool tile_add(struct ax_window_tile *tile, const struct ax_window_chunk *chunk,
                     uint64_t rows)
{
    const struct ax_window_spec *spec = tile->spec;
    bool whole = chunk->folded == chunk->count && rows == ax_window_mask(0, chunk->count);
    for (size_t i = 0; i < spec->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = &spec->accumulators[i];
        void *part = tile->partial + accumulator->offset;
        if (whole && accumulator->in_chunks
                ? !ax_window_part_merge(accumulator, part, true,
                                        ax_window_chunk_partial(chunk) + accumulator->offset)
                : !ax_window_part_add(accumulator, part, true, chunk, rows))
            return false;
    }
    return true;
}

bool ax_window_tiles_add(struct ax_window_tiles *tiles, int64_t floor,
                         const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    bool added = true;
    while (from < to) {
        struct ax_window_tile *tile = tiles_for(tiles, floor, chunk->times[from]);
        tiles->changes += tile != ax_window_tiles_at(tiles, tiles->count - 1);
        uint32_t end = part_end(tiles, floor, chunk, from, to);
        tile->last = AX_MAX(tile->last, chunk->times[end - 1]);
        if (!tile->is_stale && !tile_add(tile, chunk, ax_window_mask(from, end))) {
            tile_spoil(tiles, tile);
            added = false;
        }
        tile_count_bytes(tiles, tile);
        from = end;
    }
    if (tiles->count >= tiles->merge_at)
        added &= tiles_merge(tiles, floor);
    return added;
}

/* The tile that has `time` between its ends; the count: it was dropped already. */
static size_t tiles_with(const struct ax_window_tiles *tiles, int64_t time)
{
    size_t at = tiles_from(tiles, time);
    return at < tiles->count && ax_window_tiles_at(tiles, at)->first > time ? tiles->count : at;
}

bool ax_window_tiles_own(struct ax_window_tiles *tiles, int64_t time)
{
    size_t at = tiles_with(tiles, time);
    if (at == tiles->count ||
        !ax_window_piece_is_seen(tiles->shared, &ax_window_tiles_at(tiles, at)->piece))
        return true;
    if (!ax_window_tiles_reserve(tiles, 1))
        return false;
    (void)tiles_own_at(tiles, at);
    return true;
}

void ax_window_tiles_spoil(struct ax_window_tiles *tiles, int64_t time)
{
    size_t at = tiles_with(tiles, time);
    if (at < tiles->count)
        tile_spoil(tiles, ax_window_tiles_at(tiles, at));
}

void ax_window_tiles_cut(struct ax_window_tiles *tiles, int64_t first, int64_t last)
{
    while (tiles->count && ax_window_tiles_at(tiles, tiles->count - 1)->first > last)
        tiles_take(tiles, tiles->count - 1);
    if (!tiles->count)
        return;
    struct ax_window_tile *tile = ax_window_tiles_at(tiles, tiles->count - 1);
    if (tile->last < first)
        return;
    assert(!ax_window_piece_is_seen(tiles->shared, &tile->piece));
    tile_spoil(tiles, tile);
    tile->last = AX_MIN(tile->last, last);
}

void ax_window_tiles_drop(struct ax_window_tiles *tiles, int64_t time)
{
    while (tiles->count && ax_window_tiles_at(tiles, 0)->last <= time)
        tiles_take(tiles, 0);
}

/* True: the tile was computed; *ret_rows tells of how many rows. */
static bool tile_renew(struct ax_window_tiles *tiles, struct ax_window_tile *tile,
                       const struct ax_window_log *log, size_t *ret_rows)
{
    struct ax_window_chunks chunks = ax_window_log_chunks(log);
    ax_window_partial_clear(tiles->spec, tile->partial, true);
    *ret_rows = 0;
    for (size_t c = ax_window_chunks_after(&chunks, tile->first - 1); c < log->archived; c++) {
        const struct ax_window_chunk *chunk = chunks.list[c];
        uint32_t from = ax_window_chunk_upto(chunk, chunk->count, tile->first - 1);
        uint32_t to = ax_window_chunk_upto(chunk, chunk->count, tile->last);
        if (from == to)
            break;
        if (!tile_add(tile, chunk, ax_window_mask(from, to)))
            return false;
        *ret_rows += to - from;
    }
    return true;
}

bool ax_window_tiles_renew(struct ax_window_tiles *tiles, const struct ax_window_log *log)
{
    for (size_t i = tiles->count; i-- > 0 && tiles->stale_count;) {
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, i);
        if (!tile->is_stale)
            continue;
        if (!ax_window_tiles_own(tiles, tile->first))
            return false;
        tile = ax_window_tiles_at(tiles, i);
        size_t rows;
        if (!tile_renew(tiles, tile, log, &rows))
            return false;
        tile_count_bytes(tiles, tile);
        if (rows == 0) {
            tiles_take(tiles, i);
            continue;
        }
        tile->is_stale = false;
        tiles->stale_count--;
        tiles->changes++;
    }
    return true;
}

struct ax_window_tile *ax_window_tiles_branch(struct ax_window_tiles *tiles,
                                              struct ax_window_tile *const *list)
{
    struct ax_window_tile *branch = tile_new(tiles);
    for (size_t i = 0; branch && i < AX_WINDOW_BRANCH_TILES; i++) {
        if (list[i]->is_stale ||
            !ax_window_partial_merge(tiles->spec, branch->partial, true, list[i]->partial)) {
            ax_window_piece_drop(tiles->shared, &branch->piece);
            return NULL;
        }
    }
    if (branch) {
        branch->first = list[0]->first;
        branch->last = list[AX_WINDOW_BRANCH_TILES - 1]->last;
        tile_count_bytes(tiles, branch);
    }
    return branch;
}

size_t ax_window_tiles_bytes(const struct ax_window_tiles *tiles)
{
    size_t bytes = tiles->room * sizeof *tiles->list +
                   (tiles->count + tiles->spare_count) * ax_window_tile_bytes(tiles->spec);
    for (size_t i = 0; i < tiles->count; i++)
        bytes += ax_window_partial_heap(tiles->spec, ax_window_tiles_at(tiles, i)->partial);
    return bytes;
}
