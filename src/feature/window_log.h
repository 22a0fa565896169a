/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of events ordered by (time, id), in chunks of up to 64, column by column.
 *
 * Validity and filters are a 64-bit mask a column and chunk. A row goes in anywhere by a move
 * inside its chunk; a full chunk is split. Texts and ids are owned. No two rows have the same
 * (time, id). One thread.
 */
#ifndef AX_FEATURE_WINDOW_LOG_H
#define AX_FEATURE_WINDOW_LOG_H

#include "data/expr/values.h"
#include "feature/window_plan.h"

struct ax_window_chunk {
    uint32_t count;
    uint32_t room;   /* of rows: 8 or 64 */
    uint32_t folded; /* the first so many rows are in the partial */
    int64_t *times;
    int64_t *created; /* with `sequences` the version */
    int64_t *sequences;
    struct ax_window_text *ids;
    char *rows;             /* of columns; a column starts at bytes_before * room */
    uint64_t *valid;        /* a mask a column */
    uint64_t *passing;      /* a mask a filter: rows whose filter is true */
    unsigned char *partial; /* of accumulators that chunks keep; texts are borrowed from the rows */
};

struct ax_window_log {
    const struct ax_window_spec *spec; /* NULL: rows without columns and partials */
    struct ax_window_chunk **chunks;   /* the first is at `head` */
    size_t head, count, room;
    size_t dropped; /* chunks that were the first, since it was empty */
    size_t rows;
    size_t archived;               /* the first so many chunks are the archive */
    size_t archived_rows;          /* of them */
    struct ax_window_chunk *spare; /* or NULL */
};

struct ax_window_place {
    size_t chunk; /* counted from the first */
    uint32_t row;
};

/* What a row is besides its columns. */
struct ax_window_key {
    int64_t time;
    struct ax_str id;
    int64_t created, sequence;
};

void ax_window_log_init(struct ax_window_log *log, const struct ax_window_spec *spec);
void ax_window_log_done(struct ax_window_log *log);
/* Without rows again; a chunk is kept. */
void ax_window_log_clear(struct ax_window_log *log);

static inline struct ax_window_chunk *ax_window_log_chunk(const struct ax_window_log *log,
                                                          size_t chunk)
{
    return log->chunks[log->head + chunk];
}

/* The first row at or behind (time, id); `row` may be the count of the last chunk. */
struct ax_window_place ax_window_log_seek(const struct ax_window_log *log, int64_t time,
                                          const struct ax_window_text *id);

/* Of `chunk`, the number of rows with a time up to `time`. */
uint32_t ax_window_chunk_upto(const struct ax_window_chunk *chunk, int64_t time);
/* The first chunk whose last time is over `time`; log->count when there is none. */
size_t ax_window_log_chunk_after(const struct ax_window_log *log, int64_t time);

/* A place between rows of a log to which rows are put behind it alone, and whose first chunks go.
 */
struct ax_window_cursor {
    size_t chunk; /* counted from the first that ever was */
    uint32_t row; /* the next; of a chunk that was split it may be in the one behind */
};

/* Behind all rows with a time up to `time`. */
struct ax_window_cursor ax_window_cursor_at(const struct ax_window_log *log, int64_t time);

/* Move a cursor over the next rows up to `time`, all of one chunk, and give these; false when there
 * are none. */
bool ax_window_cursor_next(const struct ax_window_log *log, struct ax_window_cursor *cursor,
                           int64_t time, const struct ax_window_chunk **ret_chunk,
                           uint64_t *ret_rows);

/* The first chunk is about to be taken out: a cursor in it moves to the rows behind. */
void ax_window_cursor_leave(const struct ax_window_log *log, struct ax_window_cursor *cursor);

/* Put in a row, its columns being row `row` of `columns` (NULL for a log without). It is in the
 * archive if its neighbours are. False: memory was refused, and no row has changed. */
AX_MUST_USE bool ax_window_log_put(struct ax_window_log *log, const struct ax_window_key *key,
                                   const struct ax_values *const *columns, size_t row,
                                   struct ax_window_place *ret_place);

/* Take out a row, and its chunk when that is empty. */
void ax_window_log_remove(struct ax_window_log *log, struct ax_window_place place);

/* The first chunk that is not in the archive goes there; and the last of the archive comes back. */
void ax_window_log_archive(struct ax_window_log *log);
void ax_window_log_unarchive(struct ax_window_log *log);

/* Take out the first chunk. */
void ax_window_log_drop_first(struct ax_window_log *log);

size_t ax_window_log_bytes(const struct ax_window_log *log);
size_t ax_window_log_chunk_bytes(const struct ax_window_spec *spec, uint32_t room);

/* A column's values. */
static inline char *ax_window_chunk_column(const struct ax_window_chunk *chunk,
                                           const struct ax_window_column *column)
{
    return chunk->rows + column->bytes_before * chunk->room;
}

/* Bits of the rows from .. to - 1. */
static inline uint64_t ax_window_mask(uint32_t from, uint32_t to)
{
    uint64_t below_to = to == 64 ? ~UINT64_C(0) : (UINT64_C(1) << to) - 1;
    return from == 64 ? 0 : below_to & ~((UINT64_C(1) << from) - 1);
}

#endif
