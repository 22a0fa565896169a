/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of struct ax_window_spec, for the files that keep rows and partials.
 */
#ifndef AX_FEATURE_WINDOW_PLAN_H
#define AX_FEATURE_WINDOW_PLAN_H

#include "feature/window_spec.h"

/* Rows of a chunk: one bit of a mask each. */
#define AX_WINDOW_CHUNK_ROWS 64

/* A column of rows. The first ones are the config's; behind them is what is computed of them once a
 * row: hashes and buckets. */
enum ax_window_derived { AX_WINDOW_SOURCE, AX_WINDOW_HASH, AX_WINDOW_BUCKET };
struct ax_window_column {
    struct ax_type type;
    enum ax_window_cell_kind kind;
    enum ax_window_derived derived;
    size_t source; /* of a derived one: its column */
    size_t
        bytes_before; /* of a row's bytes, those of columns before it: where it starts in a chunk */
};

enum ax_window_accumulator_kind {
    AX_WINDOW_COUNT,
    AX_WINDOW_SUM,
    AX_WINDOW_MOMENTS, /* for var and stddev */
    AX_WINDOW_MIN,
    AX_WINDOW_MAX,
    AX_WINDOW_FIRST,
    AX_WINDOW_LAST,
    AX_WINDOW_LAST_N,
    AX_WINDOW_DISTINCT,
    AX_WINDOW_QUANTILE,
    AX_WINDOW_TOP
};

struct ax_window_accumulator {
    enum ax_window_accumulator_kind kind;
    enum ax_window_cell_kind cell;
    int column;                  /* -1: every row counts */
    size_t bytes_before;         /* of that column */
    size_t derived_bytes_before; /* of the column of its hash or bucket */
    int filter;                  /* index of a filter; -1: none */
    uint32_t n;                  /* of LAST_N: the most that any aggregate asks for */
    size_t offset;               /* of its part in a partial */
    bool in_chunks;              /* cheap to merge: chunks keep it */
    bool slides;                 /* rows can leave it again: window_slide.h */
};

/* An aggregate: a reader of an accumulator, in a window. */
struct ax_window_reader {
    enum ax_aggregate_kind kind;
    size_t accumulator;
    size_t window;
    size_t slot; /* of the accumulator among the window's */
    uint32_t n;
    double quantile;
    struct ax_type type;
};

struct ax_window_range {
    int64_t window_us;
    int64_t hop_us;
    bool always_hops;
    size_t *accumulators; /* that its aggregates read */
    size_t accumulator_count;
    size_t *readers; /* its aggregates */
    size_t reader_count;
};

/* A hop, and the longest window that has it. */
struct ax_window_step {
    int64_t hop_us;
    int64_t window_us;
};

struct ax_window_spec {
    size_t exact_events;
    int64_t reach_us;
    struct ax_window_column *columns;
    size_t column_count, source_count;
    size_t *filters; /* columns of bools */
    size_t filter_count;
    struct ax_window_accumulator *accumulators;
    size_t accumulator_count;
    struct ax_window_reader *readers;
    size_t reader_count;
    struct ax_window_range *windows;
    size_t window_count;
    struct ax_window_step *steps;
    size_t step_count;
    bool has_texts;
    size_t row_bytes;     /* of a row in a chunk: time, id, version, columns */
    size_t mask_bytes;    /* of a chunk: validity of columns, filters; a multiple of 16 */
    size_t partial_bytes; /* of all accumulators */
};

/* A tile's extent, before its partial; and tiles that may be there before those that no boundary
 * separates any longer are merged, when `least` would do. */
#define AX_WINDOW_TILE_HEAD         64
#define AX_WINDOW_TILES_ROOM(least) ((least) + (least) / 4 + 16)

/* The greatest multiple of `hop` up to `time`. */
static inline int64_t ax_window_floor(int64_t time, int64_t hop)
{
    int64_t rest = time % hop;
    return time - (rest < 0 ? rest + hop : rest);
}

#endif
