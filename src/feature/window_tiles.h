/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: partials of the rows that are older than the newest N, without the rows.
 *
 * Ordered by time; two tiles never hold rows of equal times. No tile straddles a boundary that a
 * window of a moment from the floor on can have. A tile that is stale is to be computed anew before
 * it is read, or its rows are read instead. One thread; of tiles that are shared (window_piece.h)
 * others may read those that they saw published.
 */
#ifndef AX_FEATURE_WINDOW_TILES_H
#define AX_FEATURE_WINDOW_TILES_H

#include "feature/window_log.h"
#include "feature/window_partial.h"

struct ax_window_tile {
    struct ax_window_piece piece;
    const struct ax_window_spec *spec;
    int64_t first, last; /* no row is outside of them */
    bool is_stale;
    AX_ALIGNED(AX_WINDOW_PARTIAL_ALIGN) unsigned char partial[]; /* owns its texts */
};

struct ax_window_tiles {
    const struct ax_window_spec *spec;
    struct ax_window_shared *shared; /* or NULL; borrowed */
    struct ax_window_tile **list;    /* the first is at `head` */
    size_t head, count, room;
    struct ax_window_piece *spares; /* zeroed tiles */
    size_t spare_count;
    size_t stale_count;
    size_t merge_at;  /* when there are so many, those that no boundary separates become one */
    size_t dropped;   /* so many stood in front of the first */
    uint64_t changes; /* of what is in tiles, but for rows in the last, new last ones, and drops */
};

/* So many tiles may be read as one, a branch, where a window has all of them. They are those whose
 * numbers, counted from the first tile that ever was, have the same quotient by it. */
#define AX_WINDOW_BRANCH_TILES 16

void ax_window_tiles_init(struct ax_window_tiles *tiles, const struct ax_window_spec *spec,
                          struct ax_window_shared *shared);
void ax_window_tiles_done(struct ax_window_tiles *tiles);
void ax_window_tiles_clear(struct ax_window_tiles *tiles);

static inline size_t ax_window_tile_bytes(const struct ax_window_spec *spec)
{
    return sizeof(struct ax_window_tile) + spec->partial_bytes;
}

static inline struct ax_window_tile *ax_window_tiles_at(const struct ax_window_tiles *tiles,
                                                        size_t tile)
{
    return tiles->list[tiles->head + tile];
}

/* Of a list of tiles, the first whose last time is over `time`; the count when there is none. */
size_t ax_window_tile_after(struct ax_window_tile *const *list, size_t count, int64_t time);

/* Tiles that rows of one chunk, from .. to - 1, are spread over. */
size_t ax_window_tiles_parts(const struct ax_window_tiles *tiles, int64_t floor,
                             const struct ax_window_chunk *chunk, uint32_t from, uint32_t to);

/* Make `count` tiles ready to be filled. False: memory was refused. */
AX_MUST_USE bool ax_window_tiles_reserve(struct ax_window_tiles *tiles, size_t count);
/* In a state that is shared: those that were not needed go. */
void ax_window_tiles_trim(struct ax_window_tiles *tiles);

/* Add the rows from .. to - 1 of a chunk, after a reserve for their parts. False: memory was
 * refused, and the tile that lacks rows is stale. */
bool ax_window_tiles_add(struct ax_window_tiles *tiles, int64_t floor,
                         const struct ax_window_chunk *chunk, uint32_t from, uint32_t to);

/* Make the tile that has rows at `time`, if there is one, the writer's own, so that it can be
 * spoilt or cut there. False: memory was refused. */
AX_MUST_USE bool ax_window_tiles_own(struct ax_window_tiles *tiles, int64_t time);

/* A row with that time is gone. Of a tile that is the writer's own. */
void ax_window_tiles_spoil(struct ax_window_tiles *tiles, int64_t time);

/* Rows from `first` on are gone, and `last` is the last time that is left of the others. The tile
 * that has both is the writer's own. */
void ax_window_tiles_cut(struct ax_window_tiles *tiles, int64_t first, int64_t last);

/* Tiles without a time over `time` are gone. */
void ax_window_tiles_drop(struct ax_window_tiles *tiles, int64_t time);

/* Compute stale tiles anew of the rows of the log's archive. False: memory was refused; what is
 * stale stays so. */
AX_MUST_USE bool ax_window_tiles_renew(struct ax_window_tiles *tiles,
                                       const struct ax_window_log *log);

/* A tile that has what a branch's tiles have. NULL: memory was refused, or one of them is stale. */
struct ax_window_tile *ax_window_tiles_branch(struct ax_window_tiles *tiles,
                                              struct ax_window_tile *const *list);

size_t ax_window_tiles_bytes(const struct ax_window_tiles *tiles);

#endif
