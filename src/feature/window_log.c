/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of rows. A chunk is one piece: head, masks, partial, ids, times, versions, columns.
 * The first chunk of a log has 8 rows, since most entities have few events, and is doubled; from
 * then on they have 64, one bit of a mask each. Rows are appended at the end almost always; a chunk
 * that is full and must take a row in its middle gives its upper half to a new one.
 *
 * Rows of a shared log are never moved where readers may see it: a copy of the chunk is made first,
 * with texts of its own, so that each chunk frees what it has. Only rows behind the last one are
 * put in place: the count is stored when all else of them is there.
 *
 * A tree would find a place in fewer steps, but binary search over the chunks' last times is not
 * what costs; what is read is whole chunks in order.
 */
#include "feature/window_log.h"

#include "base/alloc.h"
#include "feature/window_partial.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 8, CHUNKS_FIRST = 8 };

/* What the version and the order take, next to columns. */
#define KEY_BYTES (sizeof(int64_t) + sizeof(struct ax_window_name))

/* What is in front of the rows. */
static size_t head_bytes(const struct ax_window_spec *spec)
{
    size_t size = sizeof(struct ax_window_chunk);
    if (spec)
        size += spec->mask_bytes + spec->partial_bytes;
    return (size + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE;
}

size_t ax_window_log_chunk_bytes(const struct ax_window_spec *spec, uint32_t room)
{
    return head_bytes(spec) + room * (KEY_BYTES + (spec ? spec->row_bytes : 0));
}

static void chunk_destroy(struct ax_window_heap *heap, struct ax_window_piece *piece);

/* Lay out the memory of a chunk, whose partial and masks are zeroed. */
static struct ax_window_chunk *chunk_new(const struct ax_window_log *log, uint32_t room)
{
    const struct ax_window_spec *spec = log->spec;
    struct ax_window_chunk *chunk =
        ax_window_piece_new(log->shared, ax_window_log_chunk_bytes(spec, room),
                            room == AX_WINDOW_CHUNK_ROWS, chunk_destroy);
    if (!chunk)
        return NULL;
    size_t head = head_bytes(spec);
    memset((char *)chunk + sizeof chunk->piece, 0, head - sizeof chunk->piece);
    chunk->spec = spec;
    chunk->room = room;
    chunk->times = (int64_t *)(void *)((char *)chunk + head + room * sizeof(struct ax_window_name));
    return chunk;
}

static void set_count(struct ax_window_chunk *chunk, uint32_t count)
{
    atomic_store_explicit(&chunk->count, count, memory_order_release);
}

static uint64_t mask_get(const _Atomic uint64_t *mask)
{
    return atomic_load_explicit(mask, memory_order_relaxed);
}

static void mask_set(_Atomic uint64_t *mask, uint64_t value)
{
    atomic_store_explicit(mask, value, memory_order_relaxed);
}

static struct ax_window_text *chunk_texts(const struct ax_window_chunk *chunk, size_t column)
{
    return (struct ax_window_text *)(void *)ax_window_chunk_column(chunk,
                                                                   &chunk->spec->columns[column]);
}

/* The next texts of a chunk that may have bytes of their own, by row: ids, then columns of texts.
 * Starts with *list = 0; false: no more. */
struct chunk_texts {
    char *at;
    size_t step;
};
static bool chunk_next_texts(const struct ax_window_chunk *chunk, size_t *list,
                             struct chunk_texts *ret_texts)
{
    const struct ax_window_spec *spec = chunk->spec;
    if (!chunk->has_texts)
        return false;
    if ((*list)++ == 0) {
        char *ids = (char *)&ax_window_chunk_names(chunk)->id;
        *ret_texts = (struct chunk_texts){ ids, sizeof(struct ax_window_name) };
        return true;
    }
    for (; spec && spec->has_texts && *list - 2 < spec->source_count; (*list)++) {
        if (spec->columns[*list - 2].kind != AX_WINDOW_CELL_TEXT)
            continue;
        char *cells = (char *)chunk_texts(chunk, *list - 2);
        *ret_texts = (struct chunk_texts){ cells, sizeof(struct ax_window_text) };
        return true;
    }
    return false;
}

static struct ax_window_text *text_at(const struct chunk_texts *texts, uint32_t row)
{
    return (struct ax_window_text *)(void *)(texts->at + row * texts->step);
}

/* Free the texts of the rows from .. to - 1. */
static void chunk_free_texts(struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    struct chunk_texts texts;
    for (size_t list = 0; chunk_next_texts(chunk, &list, &texts);) {
        for (uint32_t row = from; row < to; row++)
            ax_window_text_done(text_at(&texts, row));
    }
}

/* What the texts of the rows from .. to - 1 take besides. */
static size_t chunk_text_bytes(const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    size_t bytes = 0;
    struct chunk_texts texts;
    for (size_t list = 0; chunk_next_texts(chunk, &list, &texts);) {
        for (uint32_t row = from; row < to; row++)
            bytes += ax_window_text_bytes(text_at(&texts, row)->len);
    }
    return bytes;
}

/* The rows' texts become copies. False: memory was refused; there are no texts but copies. */
static bool chunk_copy_texts(struct ax_window_chunk *chunk)
{
    bool copied = true;
    struct chunk_texts texts;
    for (size_t list = 0; chunk_next_texts(chunk, &list, &texts);) {
        for (uint32_t row = 0; row < chunk->count; row++) {
            struct ax_window_text *text = text_at(&texts, row);
            if (!ax_window_text_is_long(text))
                continue;
            if (copied)
                copied = ax_window_text_init(text, ax_window_text_str(text));
            if (!copied)
                *text = (struct ax_window_text){ 0 };
        }
    }
    return copied;
}

static void set_folded(struct ax_window_chunk *chunk, uint32_t folded)
{
    atomic_store_explicit(&chunk->folded, folded, memory_order_release);
}

static void chunk_forget_partial(struct ax_window_chunk *chunk)
{
    if (!chunk->folded)
        return;
    ax_window_partial_clear(chunk->spec, ax_window_chunk_partial(chunk), false);
    set_folded(chunk, 0);
}

/* Add rows to the partial, after which it has the first `folded`. */
static bool chunk_fold_rows(struct ax_window_chunk *chunk, uint64_t rows, uint32_t folded)
{
    const struct ax_window_spec *spec = chunk->spec;
    for (size_t i = 0; i < spec->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = &spec->accumulators[i];
        if (accumulator->in_chunks &&
            !ax_window_part_add(accumulator, ax_window_chunk_partial(chunk) + accumulator->offset,
                                false, chunk, rows)) {
            ax_window_partial_clear(spec, ax_window_chunk_partial(chunk), false);
            set_folded(chunk, 0);
            return false;
        }
    }
    set_folded(chunk, folded);
    return true;
}

bool ax_window_chunk_fold(struct ax_window_chunk *chunk)
{
    uint32_t count = chunk->count, folded = chunk->folded;
    return folded == count || chunk_fold_rows(chunk, ax_window_mask(folded, count), count);
}

static void chunk_destroy(struct ax_window_heap *heap, struct ax_window_piece *piece)
{
    struct ax_window_chunk *chunk = container_of(piece, struct ax_window_chunk, piece);
    chunk_free_texts(chunk, 0, chunk->count);
    if (chunk->spec)
        ax_window_partial_done(chunk->spec, ax_window_chunk_partial(chunk), false);
    ax_window_piece_free(heap, chunk, ax_window_log_chunk_bytes(chunk->spec, chunk->room),
                         chunk->room == AX_WINDOW_CHUNK_ROWS);
}

/* Its texts were put in, taken out, or moved. */
static void log_count_texts(struct ax_window_log *log, struct ax_window_chunk *chunk)
{
    if (log->shared)
        ax_window_piece_count(log->shared, &chunk->piece,
                              chunk->piece.bytes -
                                  ax_window_log_chunk_bytes(log->spec, chunk->room),
                              chunk_text_bytes(chunk, 0, chunk->count));
}

void ax_window_log_init(struct ax_window_log *log, const struct ax_window_spec *spec,
                        struct ax_window_shared *shared)
{
    *log = (struct ax_window_log){ .spec = spec, .shared = shared };
}

void ax_window_log_done(struct ax_window_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        ax_window_piece_drop(log->shared, &ax_window_log_chunk(log, i)->piece);
    if (log->spare)
        ax_window_piece_drop(log->shared, &log->spare->piece);
    free(log->chunks);
    *log = (struct ax_window_log){ .spec = log->spec, .shared = log->shared };
}

/* Empty a chunk and keep it as the spare one, unless there is a better one. */
static void log_recycle(struct ax_window_log *log, struct ax_window_chunk *chunk)
{
    if (log->shared || (log->spare && log->spare->room >= chunk->room)) {
        ax_window_piece_drop(log->shared, &chunk->piece);
        return;
    }
    if (log->spare)
        ax_window_piece_drop(NULL, &log->spare->piece);
    chunk_free_texts(chunk, 0, chunk->count);
    chunk->has_texts = false;
    if (log->spec) {
        chunk_forget_partial(chunk);
        memset((void *)chunk->valid, 0, log->spec->mask_bytes);
    }
    set_count(chunk, 0);
    log->spare = chunk;
}

void ax_window_log_clear(struct ax_window_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        log_recycle(log, ax_window_log_chunk(log, i));
    log->head = log->count = log->dropped = 0;
    log->last = NULL;
    log->rows = log->archived = log->archived_rows = 0;
}

static struct ax_window_chunk *log_new_chunk(struct ax_window_log *log, uint32_t room)
{
    struct ax_window_chunk *chunk = log->spare;
    if (!chunk || chunk->room < room)
        return chunk_new(log, room);
    log->spare = NULL;
    return chunk;
}

/* Room for one more pointer, at the end of those in use. */
static bool log_reserve(struct ax_window_log *log)
{
    if (log->head + log->count < log->room)
        return true;
    if (log->head > log->count) { /* At least half of it is free in front. */
        memmove(log->chunks, log->chunks + log->head, log->count * sizeof *log->chunks);
        log->head = 0;
        return true;
    }
    size_t room = log->room ? log->room * 2 : CHUNKS_FIRST;
    struct ax_window_chunk **chunks = ax_try_alloc(room, sizeof *chunks);
    if (!chunks)
        return false;
    if (log->count)
        memcpy(chunks, log->chunks + log->head, log->count * sizeof *chunks);
    free(log->chunks);
    log->chunks = chunks;
    log->room = room;
    log->head = 0;
    return true;
}

/* The list has changed. */
static void log_find_last(struct ax_window_log *log)
{
    log->last = log->count ? ax_window_log_chunk(log, log->count - 1) : NULL;
}

/* After log_reserve; behind an archived chunk there is an archived one. */
static void log_insert_chunk(struct ax_window_log *log, size_t at, struct ax_window_chunk *chunk)
{
    log->archived += at && at <= log->archived;
    struct ax_window_chunk **place = log->chunks + log->head + at;
    memmove(place + 1, place, (log->count - at) * sizeof *place);
    *place = chunk;
    log->count++;
    log_find_last(log);
}

static void log_take_chunk(struct ax_window_log *log, size_t at)
{
    struct ax_window_chunk **place = log->chunks + log->head + at;
    if (at == 0)
        log->head++;
    else
        memmove(place, place + 1, (log->count - at - 1) * sizeof *place);
    log->archived -= at < log->archived;
    log->count--;
    log_find_last(log);
}

/* ---- Finding. ---- */

static int row_compare(const struct ax_window_chunk *chunk, uint32_t row, int64_t time,
                       const struct ax_window_text *id)
{
    if (chunk->times[row] != time)
        return chunk->times[row] < time ? -1 : 1;
    return ax_window_text_compare(&ax_window_chunk_names(chunk)[row].id, id);
}

struct ax_window_place ax_window_log_seek(const struct ax_window_log *log, int64_t time,
                                          const struct ax_window_text *id)
{
    size_t low = 0, high = log->count;
    if (high) { /* Most rows come behind all others. */
        if (row_compare(log->last, log->last->count - 1, time, id) < 0)
            return (struct ax_window_place){ high - 1, log->last->count };
        high--;
    }
    while (low < high) { /* The first chunk whose last row is not before. */
        size_t middle = low + (high - low) / 2;
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, middle);
        if (row_compare(chunk, chunk->count - 1, time, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!log->count)
        return (struct ax_window_place){ 0, 0 };
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, low);
    uint32_t from = 0, to = chunk->count - 1;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (row_compare(chunk, middle, time, id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return (struct ax_window_place){ low, from };
}

uint32_t ax_window_chunk_upto(const struct ax_window_chunk *chunk, uint32_t count, int64_t time)
{
    uint32_t from = 0, to = count;
    if (!to || chunk->times[0] > time)
        return 0;
    if (chunk->times[to - 1] <= time)
        return to;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (chunk->times[middle] <= time)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

size_t ax_window_chunks_after(const struct ax_window_chunks *chunks, int64_t time)
{
    size_t low = 0, high = chunks->count;
    if (high && chunks->list[high - 1]->times[chunks->last_rows - 1] <= time)
        return high; /* Most moments are those of now. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chunks->list[middle]->times[ax_window_chunks_rows(chunks, middle) - 1] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct ax_window_cursor ax_window_cursor_at(const struct ax_window_log *log, int64_t time)
{
    if (!log->count)
        return (struct ax_window_cursor){ log->dropped, 0 };
    struct ax_window_chunks chunks = ax_window_log_chunks(log);
    size_t c = AX_MIN(ax_window_chunks_after(&chunks, time), log->count - 1);
    uint32_t rows = ax_window_chunks_rows(&chunks, c);
    return (struct ax_window_cursor){ log->dropped + c,
                                      ax_window_chunk_upto(chunks.list[c], rows, time) };
}

/* The first row from `row` on with a time over `time`: most often that is close. */
static uint32_t chunk_advance(const struct ax_window_chunk *chunk, uint32_t count, uint32_t row,
                              int64_t time)
{
    enum { CLOSE = 4 };
    for (uint32_t i = 0; i < CLOSE; i++, row++)
        if (row >= count || chunk->times[row] > time)
            return row;
    return ax_window_chunk_upto(chunk, count, time);
}

/* A chunk that was split has its upper rows in the one behind it. */
bool ax_window_cursor_next(const struct ax_window_log *log, struct ax_window_cursor *cursor,
                           int64_t time, const struct ax_window_chunk **ret_chunk,
                           uint64_t *ret_rows)
{
    assert(cursor->chunk >= log->dropped);
    while (cursor->chunk - log->dropped < log->count) {
        const struct ax_window_chunk *chunk =
            ax_window_log_chunk(log, cursor->chunk - log->dropped);
        uint32_t count = chunk->count;
        if (cursor->row <= count) {
            uint32_t from = cursor->row;
            cursor->row = chunk_advance(chunk, count, from, time);
            *ret_chunk = chunk;
            *ret_rows = ax_window_mask(from, cursor->row);
            if (*ret_rows)
                return true;
            if (from < count || cursor->chunk - log->dropped + 1 == log->count)
                return false;
        }
        cursor->row -= count;
        cursor->chunk++;
    }
    return false;
}

void ax_window_cursor_leave(const struct ax_window_log *log, struct ax_window_cursor *cursor)
{
    if (cursor->chunk > log->dropped)
        return;
    cursor->row -= AX_MIN(cursor->row, ax_window_log_chunk(log, 0)->count);
    cursor->chunk++;
}

/* ---- Moving rows. ---- */

/* A bit for a new row at `row`. */
static uint64_t mask_open(uint64_t mask, uint32_t row)
{
    uint64_t below = ax_window_mask(0, row);
    return (mask & below) | (mask & ~below) << 1;
}

static uint64_t mask_close(uint64_t mask, uint32_t row)
{
    uint64_t below = ax_window_mask(0, row);
    return (mask & below) | (mask >> 1 & ~below);
}

static size_t cell_bytes(const struct ax_window_column *column)
{
    return column->kind == AX_WINDOW_CELL_TEXT ? sizeof(struct ax_window_text) : sizeof(int64_t);
}

/* Copy the rows from .. to - 1 of one chunk to `at` of another (or of the same one), without masks.
 */
static void rows_move(const struct ax_window_spec *spec, struct ax_window_chunk *target,
                      uint32_t at, const struct ax_window_chunk *chunk, uint32_t from, uint32_t to)
{
    size_t count = to - from;
    memmove(ax_window_chunk_names(target) + at, ax_window_chunk_names(chunk) + from,
            count * sizeof(struct ax_window_name));
    memmove(target->times + at, chunk->times + from, count * sizeof *target->times);
    target->has_texts |= chunk->has_texts;
    for (size_t i = 0; spec && i < spec->column_count; i++) {
        size_t size = cell_bytes(&spec->columns[i]);
        memmove(ax_window_chunk_column(target, &spec->columns[i]) + at * size,
                ax_window_chunk_column(chunk, &spec->columns[i]) + from * size, count * size);
    }
}

/* The same for the masks of an empty chunk: the rows from `from` on become its first. */
static void masks_copy(const struct ax_window_spec *spec, struct ax_window_chunk *target,
                       const struct ax_window_chunk *chunk, uint32_t from)
{
    size_t count = spec ? spec->column_count + spec->filter_count : 0;
    for (size_t i = 0; i < count; i++)
        mask_set(&target->valid[i], from == 64 ? 0 : mask_get(&chunk->valid[i]) >> from);
}

/* What is known of all rows of a chunk is known of its copy. (Of those with texts of their own it
 * is not, since the partial borrows them.) */
static void chunk_copy_partial(struct ax_window_chunk *copy, const struct ax_window_chunk *chunk)
{
    const struct ax_window_spec *spec = chunk->spec;
    if (!chunk->folded || chunk->folded != chunk->count || chunk->has_texts)
        return;
    for (size_t i = 0; i < spec->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = &spec->accumulators[i];
        if (accumulator->in_chunks &&
            !ax_window_part_merge(accumulator, ax_window_chunk_partial(copy) + accumulator->offset,
                                  false, ax_window_chunk_partial(chunk) + accumulator->offset)) {
            ax_window_partial_clear(spec, ax_window_chunk_partial(copy), false);
            return;
        }
    }
    set_folded(copy, chunk->folded);
}

/* Replace a chunk by one of so much room, whose texts are its own. */
static bool log_copy(struct ax_window_log *log, size_t at, uint32_t room)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, at);
    struct ax_window_chunk *copy = log_new_chunk(log, room);
    if (!copy)
        return false;
    rows_move(log->spec, copy, 0, chunk, 0, chunk->count);
    masks_copy(log->spec, copy, chunk, 0);
    set_count(copy, chunk->count);
    chunk_copy_partial(copy, chunk);
    if (!ax_window_piece_is_seen(log->shared, &chunk->piece)) {
        set_count(chunk, 0); /* Its texts have moved. */
    } else if (!chunk_copy_texts(copy)) {
        ax_window_piece_drop(log->shared, &copy->piece);
        return false;
    }
    log_count_texts(log, copy);
    log->chunks[log->head + at] = copy;
    log_find_last(log);
    log_recycle(log, chunk);
    return true;
}

bool ax_window_log_own(struct ax_window_log *log, size_t chunk)
{
    const struct ax_window_chunk *owned = ax_window_log_chunk(log, chunk);
    return !ax_window_piece_is_seen(log->shared, &owned->piece) ||
           log_copy(log, chunk, owned->room);
}

/* The upper half of a full chunk becomes a chunk of its own. */
static bool log_split(struct ax_window_log *log, size_t at)
{
    if (!log_reserve(log) || !ax_window_log_own(log, at))
        return false;
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, at);
    struct ax_window_chunk *upper = log_new_chunk(log, AX_WINDOW_CHUNK_ROWS);
    if (!upper)
        return false;
    chunk_forget_partial(chunk);
    uint32_t half = chunk->count / 2;
    rows_move(log->spec, upper, 0, chunk, half, chunk->count);
    masks_copy(log->spec, upper, chunk, half);
    size_t masks = log->spec ? log->spec->column_count + log->spec->filter_count : 0;
    for (size_t i = 0; i < masks; i++)
        mask_set(&chunk->valid[i], mask_get(&chunk->valid[i]) & ax_window_mask(0, half));
    set_count(upper, chunk->count - half);
    set_count(chunk, half);
    log_count_texts(log, upper);
    log_count_texts(log, chunk);
    log_insert_chunk(log, at + 1, upper);
    return true;
}

/* A place in a chunk that has room, for the row that belongs to `place`. */
static bool log_make_room(struct ax_window_log *log, bool at_once, struct ax_window_place *place)
{
    if (log->count) {
        struct ax_window_chunk *chunk = ax_window_log_chunk(log, place->chunk);
        bool is_last = place->row == chunk->count && place->chunk + 1 == log->count;
        if (chunk->count < chunk->room)
            return (is_last && at_once) || ax_window_log_own(log, place->chunk);
        if (chunk->room < AX_WINDOW_CHUNK_ROWS)
            return log_copy(log, place->chunk, 2 * chunk->room);
        if (!is_last) {
            if (!log_split(log, place->chunk))
                return false;
            uint32_t half = ax_window_log_chunk(log, place->chunk)->count;
            if (place->row > half) {
                place->chunk++;
                place->row -= half;
            }
            return true;
        }
    }
    if (!log_reserve(log))
        return false;
    struct ax_window_chunk *chunk =
        log_new_chunk(log, log->count ? AX_WINDOW_CHUNK_ROWS : ROOM_FIRST);
    if (!chunk)
        return false;
    *place = (struct ax_window_place){ log->count, 0 };
    log_insert_chunk(log, log->count, chunk);
    return true;
}

/* ---- Filling a row. ---- */

static void put_number(char *cells, uint32_t row, int64_t value)
{
    ((int64_t *)(void *)cells)[row] = value;
}

/* A value of a source column that is not null. */
static bool put_source(const struct ax_window_column *column, char *cells, uint32_t row,
                       const struct ax_values *values, size_t from)
{
    switch (column->type.kind) {
    case AX_TYPE_BOOL:
        put_number(cells, row, values->bools[from] != 0);
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        put_number(cells, row, values->i64s[from]);
        break;
    case AX_TYPE_FLOAT64:
        ((double *)(void *)cells)[row] = values->f64s[from] + 0.0; /* -0 becomes 0. */
        break;
    case AX_TYPE_STRING:
        return ax_window_text_init(&((struct ax_window_text *)(void *)cells)[row],
                                   values->texts[from]);
    case AX_TYPE_COUNT:
        break;
    }
    return true;
}

static int64_t derive(const struct ax_window_column *source, enum ax_window_derived derived,
                      const char *cells, uint32_t row)
{
    int64_t i64 = ((const int64_t *)(const void *)cells)[row];
    double f64 = ((const double *)(const void *)cells)[row];
    if (derived == AX_WINDOW_BUCKET)
        return ax_window_bucket(source->kind == AX_WINDOW_CELL_F64 ? f64 : (double)i64);
    switch (source->kind) {
    case AX_WINDOW_CELL_I64:
        return (int64_t)ax_window_hash_i64(i64);
    case AX_WINDOW_CELL_F64:
        return (int64_t)ax_window_hash_f64(f64);
    case AX_WINDOW_CELL_TEXT:
        return (int64_t)ax_window_hash_text(
            ax_window_text_str(&((const struct ax_window_text *)(const void *)cells)[row]));
    }
    return 0;
}

/* Fill the columns of row `row`, whose masks are open and 0. On a refusal its texts are freed. */
static bool row_fill(const struct ax_window_spec *spec, struct ax_window_chunk *chunk, uint32_t row,
                     const struct ax_values *const *columns, size_t from)
{
    uint64_t bit = UINT64_C(1) << row;
    for (size_t i = 0; i < spec->source_count; i++) {
        const struct ax_window_column *column = &spec->columns[i];
        char *cells = ax_window_chunk_column(chunk, column);
        bool is_null = ax_values_is_null(columns[i], from);
        if (column->kind == AX_WINDOW_CELL_TEXT)
            ((struct ax_window_text *)(void *)cells)[row] = (struct ax_window_text){ 0 };
        else if (is_null)
            put_number(cells, row, 0);
        if (is_null)
            continue;
        if (!put_source(column, cells, row, columns[i], from)) {
            for (size_t k = 0; k < i; k++) {
                if (spec->columns[k].kind == AX_WINDOW_CELL_TEXT)
                    ax_window_text_done(&chunk_texts(chunk, k)[row]);
            }
            return false;
        }
        mask_set(&chunk->valid[i], mask_get(&chunk->valid[i]) | bit);
    }
    for (size_t i = spec->source_count; i < spec->column_count; i++) {
        const struct ax_window_column *column = &spec->columns[i];
        const struct ax_window_column *source = &spec->columns[column->source];
        bool is_valid = mask_get(&chunk->valid[column->source]) & bit;
        put_number(ax_window_chunk_column(chunk, column), row,
                   is_valid
                       ? derive(source, column->derived, ax_window_chunk_column(chunk, source), row)
                       : 0);
        if (is_valid)
            mask_set(&chunk->valid[i], mask_get(&chunk->valid[i]) | bit);
    }
    for (size_t i = 0; i < spec->filter_count; i++) {
        size_t column = spec->filters[i];
        _Atomic uint64_t *passing = &chunk->valid[spec->column_count + i];
        const int64_t *truths =
            (const int64_t *)(const void *)ax_window_chunk_column(chunk, &spec->columns[column]);
        if (mask_get(&chunk->valid[column]) & bit && truths[row])
            mask_set(passing, mask_get(passing) | bit);
    }
    return true;
}

/* Of `count` rows those behind `row` come one down. */
static void row_close(const struct ax_window_spec *spec, struct ax_window_chunk *chunk,
                      uint32_t row, uint32_t count)
{
    rows_move(spec, chunk, row, chunk, row + 1, count);
    size_t masks = spec ? spec->column_count + spec->filter_count : 0;
    for (size_t i = 0; i < masks; i++)
        mask_set(&chunk->valid[i], mask_close(mask_get(&chunk->valid[i]), row));
}

/* The rows from `row` on go one up. */
static void row_open(const struct ax_window_spec *spec, struct ax_window_chunk *chunk, uint32_t row)
{
    if (row == chunk->count)
        return;
    if (row < chunk->folded && chunk->folded < chunk->count)
        chunk_forget_partial(chunk);
    rows_move(spec, chunk, row + 1, chunk, row, chunk->count);
    size_t masks = spec ? spec->column_count + spec->filter_count : 0;
    for (size_t i = 0; i < masks; i++)
        mask_set(&chunk->valid[i], mask_open(mask_get(&chunk->valid[i]), row));
}

/* Fill a row that is open. False: memory was refused, and it is closed again. */
static bool row_put(struct ax_window_log *log, struct ax_window_chunk *chunk, uint32_t row,
                    const struct ax_window_key *key, const struct ax_values *const *columns,
                    size_t from)
{
    uint32_t count = chunk->count + 1;
    struct ax_window_name *name = &ax_window_chunk_names(chunk)[row];
    if (!ax_window_text_own(&name->id, &key->id)) {
        row_close(log->spec, chunk, row, count);
        return false;
    }
    chunk->times[row] = key->time;
    name->version = key->version;
    if (log->spec && !row_fill(log->spec, chunk, row, columns, from)) {
        ax_window_text_done(&name->id);
        row_close(log->spec, chunk, row, count);
        return false;
    }
    bool has_texts = ax_window_text_is_long(&name->id) || (log->spec && log->spec->has_texts);
    chunk->has_texts |= has_texts;
    set_count(chunk, count); /* Only now may readers see the row. */
    if (has_texts && log->shared)
        ax_window_piece_count(log->shared, &chunk->piece, 0, chunk_text_bytes(chunk, row, row + 1));
    log->rows++;
    return true;
}

bool ax_window_log_append(struct ax_window_log *log, const struct ax_window_key *key,
                          const struct ax_values *const *columns, size_t row)
{
    assert(log && key && log->last && log->last->count < log->last->room);
    return row_put(log, log->last, log->last->count, key, columns, row);
}

bool ax_window_log_put(struct ax_window_log *log, const struct ax_window_key *key,
                       const struct ax_values *const *columns, size_t row, bool at_once,
                       struct ax_window_place *ret_place)
{
    assert(log && key && (!log->spec || columns));
    struct ax_window_place place = ax_window_log_seek(log, key->time, &key->id);
    if (!log_make_room(log, at_once, &place))
        return false;
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
    bool was_folded = chunk->folded && chunk->folded == chunk->count && place.row < chunk->count;
    row_open(log->spec, chunk, place.row);
    if (row_put(log, chunk, place.row, key, columns, row)) {
        if (was_folded)
            (void)chunk_fold_rows(chunk, UINT64_C(1) << place.row, chunk->count);
        log->archived_rows += place.chunk < log->archived;
        *ret_place = place;
        return true;
    }
    if (chunk->count == 0) {
        log_take_chunk(log, place.chunk);
        log_recycle(log, chunk);
    }
    return false;
}

void ax_window_log_remove(struct ax_window_log *log, struct ax_window_place place)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
    assert(place.row < chunk->count && !ax_window_piece_is_seen(log->shared, &chunk->piece));
    chunk_forget_partial(chunk);
    if (log->shared)
        ax_window_piece_count(log->shared, &chunk->piece,
                              chunk_text_bytes(chunk, place.row, place.row + 1), 0);
    chunk_free_texts(chunk, place.row, place.row + 1);
    row_close(log->spec, chunk, place.row, chunk->count);
    set_count(chunk, chunk->count - 1);
    log->rows--;
    log->archived_rows -= place.chunk < log->archived;
    if (chunk->count == 0) {
        log_take_chunk(log, place.chunk);
        log_recycle(log, chunk);
    }
}

void ax_window_log_archive(struct ax_window_log *log)
{
    assert(log->archived < log->count);
    log->archived_rows += ax_window_log_chunk(log, log->archived)->count;
    log->archived++;
}

void ax_window_log_unarchive(struct ax_window_log *log)
{
    assert(log->archived);
    log->archived--;
    log->archived_rows -= ax_window_log_chunk(log, log->archived)->count;
}

void ax_window_log_drop_first(struct ax_window_log *log)
{
    assert(log->count);
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    log->rows -= chunk->count;
    log->archived_rows -= log->archived ? chunk->count : 0;
    log->dropped++;
    log_take_chunk(log, 0);
    log_recycle(log, chunk);
}

size_t ax_window_log_bytes(const struct ax_window_log *log)
{
    size_t bytes = log->room * sizeof *log->chunks;
    for (size_t i = 0; i < log->count; i++)
        bytes += ax_window_log_chunk_bytes(log->spec, ax_window_log_chunk(log, i)->room);
    if (log->spare)
        bytes += ax_window_log_chunk_bytes(log->spec, log->spare->room);
    return bytes;
}
