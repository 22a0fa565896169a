/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accumulators that move along with a window: rows come in at one end and leave at the other, in
 * the same order, so that a read costs the rows that are new and not those that are there.
 *
 * Counts, sums and the counts of quantiles are exact, so rows are subtracted again; extremes have a
 * deque of those values that no newer one outdoes. What these give is what adding all rows anew
 * gives, bit for bit. Moments cannot be subtracted: they are kept of the last row, of the last two,
 * and so on, up to some row, and of what came in behind it; so they may differ in the last bit. One
 * thread.
 */
#ifndef AX_FEATURE_WINDOW_SLIDE_H
#define AX_FEATURE_WINDOW_SLIDE_H

#include "feature/window_log.h"
#include "feature/window_partial.h"

struct ax_window_deque_entry {
    uint64_t number; /* of the row among those that came in */
    union ax_window_cell value;
};

/* entries[(first + i) & (room - 1)]: the extreme of the rows, then of those behind it, … */
struct ax_window_deque {
    size_t first, count, room; /* `room` is a power of two, or 0 */
    struct ax_window_deque_entry *entries;
};

/* Valid zeroed. */
struct ax_window_slide {
    uint64_t in, out; /* rows with a value that came in, and that left */
    bool is_off;      /* rows are to be added anew instead, until it is cleared */
    bool is_spent;    /* MOMENTS: to be turned before it is asked or added to */
    struct ax_window_quantile quantile;
    struct ax_window_deque least, greatest;
    /* The first is of the rows that came in; of MOMENTS since it was turned, and parts[i] is of the
     * last i of the rows that were there then and are left. */
    unsigned char *parts;
    size_t part_room;
    size_t turned; /* rows that are left of those that were there when it was turned */
};

/* Rows of `chunk` come in, or the first ones leave. False: memory was refused; to be cleared. */
AX_MUST_USE bool ax_window_slide_add(const struct ax_window_accumulator *accumulator,
                                     struct ax_window_slide *slide,
                                     const struct ax_window_chunk *chunk, uint64_t rows);
void ax_window_slide_remove(const struct ax_window_accumulator *accumulator,
                            struct ax_window_slide *slide, const struct ax_window_chunk *chunk,
                            uint64_t rows);
void ax_window_slide_clear(const struct ax_window_accumulator *accumulator,
                           struct ax_window_slide *slide);
void ax_window_slide_done(const struct ax_window_accumulator *accumulator,
                          struct ax_window_slide *slide);

/* Of one that is spent, cleared first: all rows again, chunk by chunk, the last one first. False:
 * memory was refused; to be cleared. */
AX_MUST_USE bool ax_window_slide_turn(const struct ax_window_accumulator *accumulator,
                                      struct ax_window_slide *slide,
                                      const struct ax_window_chunk *chunk, uint64_t rows);

/* Merge what the rows come to into a part, which borrows nothing of it. */
AX_MUST_USE bool ax_window_slide_merge(const struct ax_window_accumulator *accumulator,
                                       struct ax_window_slide *slide, void *part);

/* The same as a part to be read, of counts, sums and quantiles; NULL where there is none. */
void *ax_window_slide_part(const struct ax_window_accumulator *accumulator,
                           struct ax_window_slide *slide);

size_t ax_window_slide_bytes(const struct ax_window_accumulator *accumulator,
                             const struct ax_window_slide *slide);

#endif
