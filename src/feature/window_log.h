/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of events ordered by (time, id), in chunks of up to 64, column by column.
 *
 * Validity and filters are a 64-bit mask a column and chunk. A row goes in anywhere by a move
 * inside its chunk; a full chunk is split. Texts and ids are owned. No two rows have the same
 * (time, id). One thread; of a log that is shared (window_piece.h) others may read the chunks that
 * they saw published, up to the count that they found.
 */
#ifndef AX_FEATURE_WINDOW_LOG_H
#define AX_FEATURE_WINDOW_LOG_H

#include "data/expr/values.h"
#include "feature/window_piece.h"
#include "feature/window_plan.h"

struct ax_window_version {
    int64_t created, sequence;
};

/* Which version of which event a row is. */
struct ax_window_name {
    struct ax_window_text id;
    struct ax_window_version version;
};

/* One line of the cache. Behind it are masks and a partial, unless the log has no spec; then, from
 * a line's beginning on, names, times, and the columns. Functions below find them. */
struct ax_window_chunk {
    struct ax_window_piece piece;
    const struct ax_window_spec *spec; /* the log's */
    _Atomic uint32_t count;
    _Atomic uint32_t folded; /* the first so many rows are in the partial */
    uint32_t room;           /* of rows: 8 to 64 */
    bool has_texts;          /* a text may have bytes of its own */
    int64_t *times;
    _Atomic uint64_t valid[]; /* a mask a column; then a mask a filter: rows whose filter is true */
};
_Static_assert(sizeof(struct ax_window_chunk) == AX_CACHE_LINE, "its head is one line");

/* Of a chunk, by row. */
static inline struct ax_window_name *ax_window_chunk_names(const struct ax_window_chunk *chunk)
{
    return (struct ax_window_name *)(void *)chunk->times - chunk->room;
}

/* The values of the columns, of which one begins at its bytes_before * room. */
static inline char *ax_window_chunk_cells(const struct ax_window_chunk *chunk, size_t bytes_before)
{
    return (char *)(chunk->times + chunk->room) + bytes_before * chunk->room;
}
static inline char *ax_window_chunk_column(const struct ax_window_chunk *chunk,
                                           const struct ax_window_column *column)
{
    return ax_window_chunk_cells(chunk, column->bytes_before);
}

/* Of accumulators that chunks keep; texts are borrowed from the rows. */
static inline unsigned char *ax_window_chunk_partial(const struct ax_window_chunk *chunk)
{
    return (unsigned char *)(chunk + 1) + chunk->spec->mask_bytes;
}

/* Chunks as they are at a moment: those that readers find stay as they are, but for the last, of
 * which they look at so many rows. */
struct ax_window_chunks {
    struct ax_window_chunk *const *list;
    size_t count;
    uint32_t last_rows;
};

struct ax_window_log {
    /* What a row behind all others needs comes first, to be in few lines of the cache. */
    const struct ax_window_spec *spec; /* NULL: rows without columns and partials */
    struct ax_window_chunk *last;      /* or NULL */
    size_t count;                      /* of chunks */
    size_t archived;                   /* the first so many chunks are the archive */
    size_t rows;
    size_t archived_rows;            /* of them */
    struct ax_window_shared *shared; /* or NULL; borrowed */
    struct ax_window_chunk **chunks; /* the first is at `head` */
    size_t head, room;
    size_t dropped;                /* chunks that were the first, since it was empty */
    struct ax_window_chunk *spare; /* or NULL */
};

struct ax_window_place {
    size_t chunk; /* counted from the first */
    uint32_t row;
};

/* Where the row of an id is. */
struct ax_window_found {
    bool is_there, is_grave;
    int64_t time;
    struct ax_window_place place;
};

/* What a row is besides its columns. */
struct ax_window_key {
    int64_t time;
    struct ax_window_text id; /* borrowed */
    struct ax_window_version version;
};

void ax_window_log_init(struct ax_window_log *log, const struct ax_window_spec *spec,
                        struct ax_window_shared *shared);
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

static inline struct ax_window_chunks ax_window_log_chunks(const struct ax_window_log *log)
{
    return (struct ax_window_chunks){
        .list = log->count ? log->chunks + log->head : NULL,
        .count = log->count,
        .last_rows = log->count ? ax_window_log_chunk(log, log->count - 1)->count : 0,
    };
}

/* Rows of a chunk. */
static inline uint32_t ax_window_chunks_rows(const struct ax_window_chunks *chunks, size_t chunk)
{
    return chunk + 1 == chunks->count ? chunks->last_rows : chunks->list[chunk]->count;
}

/* Of the first `count` rows of `chunk`, the number of those with a time up to `time`. */
uint32_t ax_window_chunk_upto(const struct ax_window_chunk *chunk, uint32_t count, int64_t time);
/* The first chunk whose last time is over `time`; their count when there is none. */
size_t ax_window_chunks_after(const struct ax_window_chunks *chunks, int64_t time);

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
 * archive if its neighbours are. `at_once`: where it needs no other piece than the last chunk,
 * readers may find it before the next publication. False: memory was refused, and no row has
 * changed. */
AX_MUST_USE bool ax_window_log_put(struct ax_window_log *log, const struct ax_window_key *key,
                                   const struct ax_values *const *columns, size_t row, bool at_once,
                                   struct ax_window_place *ret_place);

/* Whether a row comes behind all others, and the last chunk has room for it and for another one. */
static inline bool ax_window_log_is_behind(const struct ax_window_log *log,
                                           const struct ax_window_key *key)
{
    const struct ax_window_chunk *last = log->last;
    if (!last || last->count + 1 >= last->room || last->times[last->count - 1] > key->time)
        return false;
    return last->times[last->count - 1] < key->time ||
           ax_window_text_compare(&ax_window_chunk_names(last)[last->count - 1].id, &key->id) < 0;
}

/* Put in such a row; readers find it at once. False: memory was refused, and no row has changed. */
AX_MUST_USE bool ax_window_log_append(struct ax_window_log *log, const struct ax_window_key *key,
                                      const struct ax_values *const *columns, size_t row);

/* Make a chunk the writer's own, so that rows can be taken out. False: memory was refused. */
AX_MUST_USE bool ax_window_log_own(struct ax_window_log *log, size_t chunk);

/* Take out a row, and its chunk when that is empty. Of a chunk that is the writer's own. */
void ax_window_log_remove(struct ax_window_log *log, struct ax_window_place place);

/* Bring the chunk's partial up to date. False: memory was refused; rows can still be added one by
 * one. */
bool ax_window_chunk_fold(struct ax_window_chunk *chunk);

/* The first chunk that is not in the archive goes there; and the last of the archive comes back. */
void ax_window_log_archive(struct ax_window_log *log);
void ax_window_log_unarchive(struct ax_window_log *log);

/* Take out the first chunk. */
void ax_window_log_drop_first(struct ax_window_log *log);

size_t ax_window_log_bytes(const struct ax_window_log *log);
size_t ax_window_log_chunk_bytes(const struct ax_window_spec *spec, uint32_t room);

/* Bits of the rows from .. to - 1. */
static inline uint64_t ax_window_mask(uint32_t from, uint32_t to)
{
    uint64_t below_to = to == 64 ? ~UINT64_C(0) : (UINT64_C(1) << to) - 1;
    return from == 64 ? 0 : below_to & ~((UINT64_C(1) << from) - 1);
}

#endif
