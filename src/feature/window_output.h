/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink that keeps values as columns, to be handed on in pieces.
 *
 * Grows as values come, to a number of bytes; whoever pushes rows takes the columns when they are
 * full or all are there, and resets it, which keeps its memory. One thread.
 */
#ifndef AX_FEATURE_WINDOW_OUTPUT_H
#define AX_FEATURE_WINDOW_OUTPUT_H

#include "feature/window_join.h"

struct ax_window_output_column;

struct ax_window_output {
    struct ax_window_sink sink;
    const struct ax_window_spec *spec; /* borrowed */
    size_t rows;
    size_t room;
    int64_t *numbers;          /* of the probes, in the order in which they came */
    struct ax_values *columns; /* one an aggregate, of its type; null is null, or too many */
    struct ax_window_output_column *insides;
    struct ax_arena texts;
    size_t bytes; /* of values, items and texts since the last reset */
    size_t bytes_max;
    bool is_full;          /* a row's values did not fit: LIMIT was told, and a reset is due */
    size_t too_many;       /* values that are null since top_k met too many different ones */
    size_t first_too_many; /* the aggregate of the first of them */
};

/* Values may take `bytes_max` until the next reset, and as much again while an array grows. */
void ax_window_output_init(struct ax_window_output *output, const struct ax_window_spec *spec,
                           size_t bytes_max);
void ax_window_output_done(struct ax_window_output *output);
/* Put the rows in the order of their numbers, which are `first` and those behind it, each once.
 * False: memory was refused, and a reset is due. */
AX_MUST_USE bool ax_window_output_sort(struct ax_window_output *output, int64_t first);
/* No rows; `too_many` goes on. */
void ax_window_output_reset(struct ax_window_output *output);

#endif
