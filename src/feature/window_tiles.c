/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles. Rows go to the tile at whose times no boundary separates them from, else to a new one.
 *
 * A boundary is a multiple of a window's hop; it separates what is at or before it from what is
 * after it. It is needed while a moment can have it: from floor(floor - W, hop) on. As the floor
 * moves, boundaries of short windows are no longer needed, and when there are many tiles those that
 * none separates any longer are merged: hours become days. Each merge of all costs as many steps as
 * there are tiles, and happens after a quarter as many new ones.
 */
#include "feature/window_tiles.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct ax_window_tile) == AX_WINDOW_TILE_HEAD, "plan.h counts on it");

enum { ROOM_FIRST = 16, MERGE_FIRST = 16 };

void ax_window_tiles_init(struct ax_window_tiles *tiles, const struct ax_window_spec *spec)
{
    *tiles = (struct ax_window_tiles){ .spec = spec, .merge_at = MERGE_FIRST };
}

static void tile_done(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    tiles->stale_count -= tile->is_stale;
    ax_window_partial_done(tiles->spec, tile->partial, true);
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
    free(tiles->bytes);
    *tiles = (struct ax_window_tiles){ .spec = tiles->spec };
}

size_t ax_window_tiles_after(const struct ax_window_tiles *tiles, int64_t time)
{
    size_t low = 0, high = tiles->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ax_window_tiles_at(tiles, middle)->last <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ax_window_tiles_reserve(struct ax_window_tiles *tiles, size_t count)
{
    if (tiles->head + tiles->count + count <= tiles->room)
        return true;
    size_t size = ax_window_tile_bytes(tiles->spec);
    if (tiles->head >= tiles->count + count) { /* At least half of it is free in front. */
        memmove(tiles->bytes, ax_window_tiles_at(tiles, 0), tiles->count * size);
        tiles->head = 0;
        return true;
    }
    size_t room = AX_MAX(tiles->room * 2, (size_t)ROOM_FIRST);
    room = AX_MAX(room, tiles->count + count);
    unsigned char *bytes = ax_try_alloc(room, size);
    if (!bytes)
        return false;
    if (tiles->count)
        memcpy(bytes, ax_window_tiles_at(tiles, 0), tiles->count * size);
    free(tiles->bytes);
    tiles->bytes = bytes;
    tiles->room = room;
    tiles->head = 0;
    return true;
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

static void tile_spoil(struct ax_window_tiles *tiles, struct ax_window_tile *tile)
{
    tiles->stale_count += !tile->is_stale;
    tile->is_stale = true;
    tiles->changes++;
}

static void tiles_take(struct ax_window_tiles *tiles, size_t at)
{
    tile_done(tiles, ax_window_tiles_at(tiles, at));
    if (at == 0) {
        tiles->head++;
        tiles->dropped++;
    } else {
        tiles->changes++;
        memmove(ax_window_tiles_at(tiles, at), ax_window_tiles_at(tiles, at + 1),
                (tiles->count - at - 1) * ax_window_tile_bytes(tiles->spec));
    }
    tiles->count--;
}

/* Merge neighbours that nothing separates. False: memory was refused; a tile is stale. */
static bool tiles_merge(struct ax_window_tiles *tiles, int64_t floor)
{
    size_t size = ax_window_tile_bytes(tiles->spec);
    size_t kept = 0;
    bool merged = true;
    for (size_t i = 1; i < tiles->count; i++) {
        struct ax_window_tile *into = ax_window_tiles_at(tiles, kept);
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, i);
        if (is_separated(tiles->spec, floor, into->last, tile->first)) {
            kept++;
            if (kept < i)
                memcpy(ax_window_tiles_at(tiles, kept), tile, size);
            continue;
        }
        into->last = tile->last;
        tiles->changes++;
        if (tile->is_stale) {
            tile_spoil(tiles, into);
        } else if (!into->is_stale &&
                   !ax_window_partial_merge(tiles->spec, into->partial, true, tile->partial)) {
            tile_spoil(tiles, into);
            merged = false;
        }
        tile_done(tiles, tile);
    }
    tiles->count = AX_MIN(tiles->count, kept + 1);
    tiles->merge_at = AX_WINDOW_TILES_ROOM(tiles->count);
    return merged;
}

/* The tile for rows at `time`, extended to it or made. After a reserve. */
static struct ax_window_tile *tiles_for(struct ax_window_tiles *tiles, int64_t floor, int64_t time)
{
    size_t at =
        ax_window_tiles_after(tiles, time - 1); /* The first that ends at `time` or later. */
    if (at < tiles->count) {
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, at);
        if (tile->first <= time)
            return tile;
    }
    if (at > 0) {
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, at - 1);
        if (!is_separated(tiles->spec, floor, tile->last, time)) {
            tile->last = time;
            return tile;
        }
    }
    if (at < tiles->count) {
        struct ax_window_tile *tile = ax_window_tiles_at(tiles, at);
        if (!is_separated(tiles->spec, floor, time, tile->first)) {
            tile->first = time;
            return tile;
        }
    }
    assert(tiles->head + tiles->count < tiles->room);
    size_t size = ax_window_tile_bytes(tiles->spec);
    struct ax_window_tile *tile = ax_window_tiles_at(tiles, at);
    memmove((char *)tile + size, tile, (tiles->count - at) * size);
    memset(tile, 0, size);
    tile->first = tile->last = time;
    tiles->count++;
    return tile;
}

bool ax_window_tiles_add(struct ax_window_tiles *tiles, int64_t floor,
                         const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    bool added = true;
    while (from < to) {
        struct ax_window_tile *tile = tiles_for(tiles, floor, chunk->times[from]);
        tiles->changes += tile != ax_window_tiles_at(tiles, tiles->count - 1);
        uint32_t end = from + 1;
        while (end < to &&
               !is_separated(tiles->spec, floor, chunk->times[end - 1], chunk->times[end]))
            end++;
        tile->last = AX_MAX(tile->last, chunk->times[end - 1]);
        if (!tile->is_stale && !ax_window_partial_add(tiles->spec, tile->partial, true, chunk,
                                                      ax_window_mask(from, end))) {
            tile_spoil(tiles, tile);
            added = false;
        }
        from = end;
    }
    if (tiles->count >= tiles->merge_at)
        added &= tiles_merge(tiles, floor);
    return added;
}

void ax_window_tiles_spoil(struct ax_window_tiles *tiles, int64_t time)
{
    size_t at = ax_window_tiles_after(tiles, time - 1);
    if (at < tiles->count && ax_window_tiles_at(tiles, at)->first <= time)
        tile_spoil(tiles, ax_window_tiles_at(tiles, at)); /* Else it was dropped already. */
}

void ax_window_tiles_cut(struct ax_window_tiles *tiles, int64_t first, int64_t last)
{
    while (tiles->count && ax_window_tiles_at(tiles, tiles->count - 1)->first > last)
        tiles_take(tiles, tiles->count - 1);
    if (!tiles->count)
        return;
    struct ax_window_tile *tile = ax_window_tiles_at(tiles, tiles->count - 1);
    if (tile->last >= first)
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
    ax_window_partial_clear(tiles->spec, tile->partial, true);
    *ret_rows = 0;
    for (size_t c = ax_window_log_chunk_after(log, tile->first - 1); c < log->archived; c++) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, c);
        uint32_t from = ax_window_chunk_upto(chunk, tile->first - 1);
        uint32_t to = ax_window_chunk_upto(chunk, tile->last);
        if (from == to)
            break;
        if (!ax_window_partial_add(tiles->spec, tile->partial, true, chunk,
                                   ax_window_mask(from, to)))
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
        size_t rows;
        if (!tile_renew(tiles, tile, log, &rows))
            return false;
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

size_t ax_window_tiles_bytes(const struct ax_window_tiles *tiles)
{
    size_t bytes = tiles->room * ax_window_tile_bytes(tiles->spec);
    for (size_t i = 0; i < tiles->count; i++)
        bytes += ax_window_partial_heap(tiles->spec, ax_window_tiles_at(tiles, i)->partial);
    return bytes;
}
