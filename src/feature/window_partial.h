/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partials: what accumulators know of some rows; rows can be added, and partials merged.
 *
 * A partial is spec->partial_bytes bytes, an accumulator's part at its offset, valid zeroed. Texts
 * in it are owned or borrowed from rows, as the caller says, always in the same way. Whatever the
 * order of rows and merges, results are equal (of var and stddev: within 2 ulp). False: memory was
 * refused, and the partial is to be cleared.
 */
#ifndef AX_FEATURE_WINDOW_PARTIAL_H
#define AX_FEATURE_WINDOW_PARTIAL_H

#include "feature/window.h"
#include "feature/window_plan.h"

struct ax_window_chunk;

/* Aligned for any part. */
#define AX_WINDOW_PARTIAL_ALIGN 16

/* Bytes of an accumulator's part, and the most that it takes from the heap besides (not of texts).
 */
size_t ax_window_part_size(enum ax_window_accumulator_kind kind);
size_t ax_window_part_heap_max(const struct ax_window_accumulator *accumulator);

/* One accumulator's part, `part` being at its offset. */
void ax_window_part_clear(const struct ax_window_accumulator *accumulator, void *part, bool owns);
void ax_window_part_done(const struct ax_window_accumulator *accumulator, void *part, bool owns);
/* Those of `rows` that the accumulator counts: it has a value of them, and they pass its filter. */
uint64_t ax_window_rows_counted(const struct ax_window_accumulator *accumulator,
                                const struct ax_window_chunk *chunk, uint64_t rows);
/* Add the rows of `chunk` whose bits are in `rows`. */
AX_MUST_USE bool ax_window_part_add(const struct ax_window_accumulator *accumulator, void *part,
                                    bool owns, const struct ax_window_chunk *chunk, uint64_t rows);
/* Take rows out of a part of a COUNT or SUM again, exactly. */
AX_MUST_USE bool ax_window_part_remove(const struct ax_window_accumulator *accumulator, void *part,
                                       const struct ax_window_chunk *chunk, uint64_t rows);
AX_MUST_USE bool ax_window_part_merge(const struct ax_window_accumulator *accumulator, void *part,
                                      bool owns, const void *other);

/* Add a value to the part of a MIN or MAX that borrows. */
AX_MUST_USE bool ax_window_part_add_value(const struct ax_window_accumulator *accumulator,
                                          void *part, const union ax_window_cell *value);

/* All of a partial. */
void ax_window_partial_clear(const struct ax_window_spec *spec, void *partial, bool owns);
void ax_window_partial_done(const struct ax_window_spec *spec, void *partial, bool owns);
AX_MUST_USE bool ax_window_partial_merge(const struct ax_window_spec *spec, void *partial,
                                         bool owns, const void *other);

/* What one part, and all of a partial, take from the heap, without texts. */
size_t ax_window_part_heap(const struct ax_window_accumulator *accumulator, const void *part);
size_t ax_window_partial_heap(const struct ax_window_spec *spec, const void *partial);

/* Room for a result that is a list or a text. */
struct ax_window_room {
    union ax_window_cell *cells; /* as many as the aggregate's list may have; 1 of a scalar */
    struct ax_window_item *items;
};

/* The aggregate's value. Texts lie in `room` or are borrowed from where the partial's are. May
 * change the part, which is to be cleared next. */
void ax_window_part_result(const struct ax_window_reader *reader,
                           const struct ax_window_accumulator *accumulator, void *part,
                           struct ax_window_room *room, struct ax_window_value *ret_value);

#endif
