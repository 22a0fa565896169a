/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading windows: from rows and tiles as they are at a moment, which are not changed, to values.
 *
 * The rules of docs/internals/windows.md about what is in a window are here, once for offline and
 * online. What is read into is a scratch of the reader's own. Any number of threads may read the
 * same picture.
 */
#ifndef AX_FEATURE_WINDOW_READ_H
#define AX_FEATURE_WINDOW_READ_H

#include "feature/window_tiles.h"

/* What there is to be read. */
struct ax_window_picture {
    const struct ax_window_spec *spec;
    struct ax_window_chunks chunks;
    size_t archived;  /* the first so many chunks lie under tiles */
    size_t live_rows; /* in the others */
    struct ax_window_tile *const *tiles;
    size_t tile_count;
    struct ax_window_tile *const *branches; /* NULL: none; of some tiles there may be none, too */
    size_t tiles_before;                    /* the first, of those that belong to its branch */
    bool is_ours; /* nobody else reads: chunks' partials may be brought up to date */
};

/* One window of it. */
struct ax_window_reading {
    const struct ax_window_picture *picture;
    const struct ax_window_range *range;
    int64_t from;                /* times over it */
    int64_t to;                  /* and up to it */
    struct ax_window_found self; /* the row that does not count */
    void *partial;               /* into whose parts it is read */
    const bool *are_left_out;    /* parts of the range that are not read; NULL: all are */
};

/* A window among those of one moment, which have a common end: it is the one before it, and what
 * lies between their beginnings. */
struct ax_window_segment {
    size_t window;
    int64_t from;
};

/* What a reader works in, made once a spec, for one reading after the other. */
struct ax_window_scratch {
    void *partial;                      /* whose texts are borrowed from what was read */
    void *copy;                         /* another one, for parts whose result spoils them */
    struct ax_window_segment *segments; /* one a window */
    size_t *accumulators;               /* that a segment reads */
    size_t *last_segments;              /* of an accumulator, where it is read last */
    struct ax_window_value *values;
    struct ax_window_room *rooms; /* one a value */
    void *owned;                  /* all of it; NULL: it is an arena's */
};

/* In memory of the arena, or of its own when that is NULL; zeroed, and no more, where memory was
 * refused (false). Sketches of quantiles grow on the heap in either case. */
AX_MUST_USE bool ax_window_scratch_init(struct ax_window_scratch *scratch,
                                        const struct ax_window_spec *spec, struct ax_arena *arena);
/* Also of one that is zeroed. The arena's memory stays there. */
void ax_window_scratch_done(struct ax_window_scratch *scratch, const struct ax_window_spec *spec);

/* The time of the N-th newest event at or before `at`; below all times when there is none. */
int64_t ax_window_exact_from(const struct ax_window_picture *picture, int64_t at);

/* Expected: INVALID (it is before the floor, or too far away). */
AX_MUST_USE enum ax_code ax_window_check_moment(int64_t at, int64_t floor, struct ax_err *err);

/* Where a window begins, for moment `at` and that time. */
int64_t ax_window_range_from(const struct ax_window_range *range, int64_t at, int64_t exact_from);

/* Where the id's row is: of those up to `to` and over `from`, which are looked through. */
struct ax_window_found ax_window_picture_find(const struct ax_window_picture *picture,
                                              struct ax_str id, int64_t from, int64_t to);

/* Add to the partial what a window has in tiles from number `tile` on, in one tile, and in the
 * chunks behind them. False: memory was refused. */
AX_MUST_USE bool ax_window_read_tiles(const struct ax_window_reading *reading, size_t tile);
AX_MUST_USE bool ax_window_read_tile(const struct ax_window_reading *reading,
                                     const struct ax_window_tile *tile);
AX_MUST_USE bool ax_window_read_chunks(const struct ax_window_reading *reading);

/* Of what a range reads: merge one partial into another; make them empty. */
AX_MUST_USE bool ax_window_range_merge(const struct ax_window_spec *spec,
                                       const struct ax_window_range *range, void *into,
                                       const void *partial);
void ax_window_range_clear(const struct ax_window_spec *spec, const struct ax_window_range *range,
                           void *partial);

/* All values at a moment, which is not before the picture's floor; in the scratch, and borrowed
 * from what was read. False: memory was refused. */
AX_MUST_USE bool ax_window_read(const struct ax_window_picture *picture, int64_t at,
                                const struct ax_str *self, struct ax_window_scratch *scratch);

#endif
