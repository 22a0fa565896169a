/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: partials of the rows that are older than the newest N, without the rows.
 *
 * Ordered by time; two tiles never hold rows of equal times. No tile straddles a boundary that a
 * window of a moment from the floor on can have. A tile that is stale is to be computed anew before
 * it is read. One thread.
 */
#ifndef AX_FEATURE_WINDOW_TILES_H
#define AX_FEATURE_WINDOW_TILES_H

#include "feature/window_log.h"
#include "feature/window_partial.h"

struct ax_window_tile {
    int64_t first, last; /* no row is outside of them */
    bool is_stale;
    AX_ALIGNED(AX_WINDOW_PARTIAL_ALIGN) unsigned char partial[]; /* owns its texts */
};

struct ax_window_tiles {
    const struct ax_window_spec *spec;
    unsigned char *bytes; /* of tiles, one after the other; the first at `head` */
    size_t head, count, room;
    size_t stale_count;
    size_t merge_at;  /* when there are so many, those that no boundary separates become one */
    size_t dropped;   /* so many stood in front of the first */
    uint64_t changes; /* of what is in tiles, but for rows in the last, new last ones, and drops */
};

void ax_window_tiles_init(struct ax_window_tiles *tiles, const struct ax_window_spec *spec);
void ax_window_tiles_done(struct ax_window_tiles *tiles);
void ax_window_tiles_clear(struct ax_window_tiles *tiles);

static inline size_t ax_window_tile_bytes(const struct ax_window_spec *spec)
{
    return sizeof(struct ax_window_tile) + spec->partial_bytes;
}

static inline struct ax_window_tile *ax_window_tiles_at(const struct ax_window_tiles *tiles,
                                                        size_t tile)
{
    return (struct ax_window_tile *)(void *)(tiles->bytes + (tiles->head + tile) *
                                                                ax_window_tile_bytes(tiles->spec));
}

/* The first tile whose last time is over `time`; the count when there is none. */
size_t ax_window_tiles_after(const struct ax_window_tiles *tiles, int64_t time);

/* Room for `count` more; false: memory was refused. */
AX_MUST_USE bool ax_window_tiles_reserve(struct ax_window_tiles *tiles, size_t count);

/* Add the rows from .. to - 1 of a chunk, after a reserve of as many. False: memory was refused,
 * and the tile that lacks rows is stale. */
bool ax_window_tiles_add(struct ax_window_tiles *tiles, int64_t floor,
                         const struct ax_window_chunk *chunk, uint32_t from, uint32_t to);

/* A row with that time is gone. */
void ax_window_tiles_spoil(struct ax_window_tiles *tiles, int64_t time);

/* Rows from `first` on are gone, and `last` is the last time that is left of the others. */
void ax_window_tiles_cut(struct ax_window_tiles *tiles, int64_t first, int64_t last);

/* Tiles without a time over `time` are gone. */
void ax_window_tiles_drop(struct ax_window_tiles *tiles, int64_t time);

/* Compute stale tiles anew of the rows of the log's archive. False: memory was refused; what is
 * stale stays so. */
AX_MUST_USE bool ax_window_tiles_renew(struct ax_window_tiles *tiles,
                                       const struct ax_window_log *log);

size_t ax_window_tiles_bytes(const struct ax_window_tiles *tiles);

#endif
