/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of rows. A chunk is one allocation: head, masks, partial, ids, times, versions, columns.
 * The first chunk of a log has 8 rows, since most entities have few events; from then on they have
 * 64, one bit of a mask each. Rows are appended at the end almost always; a chunk that is full and
 * must take a row in its middle gives its upper half to a new one.
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
#define KEY_BYTES (3 * sizeof(int64_t) + sizeof(struct ax_window_text))

static size_t align_up(size_t size)
{
    return (size + AX_WINDOW_PARTIAL_ALIGN - 1) / AX_WINDOW_PARTIAL_ALIGN * AX_WINDOW_PARTIAL_ALIGN;
}

size_t ax_window_log_chunk_bytes(const struct ax_window_spec *spec, uint32_t room)
{
    size_t size = align_up(sizeof(struct ax_window_chunk)) + room * KEY_BYTES;
    if (spec)
        size += align_up(spec->mask_bytes) + spec->partial_bytes + room * spec->row_bytes;
    return size;
}

/* Lay out the memory of a chunk, whose partial and masks are zeroed. */
static struct ax_window_chunk *chunk_new(const struct ax_window_spec *spec, uint32_t room)
{
    size_t size = ax_window_log_chunk_bytes(spec, room);
    struct ax_window_chunk *chunk = ax_try_alloc(size, 1);
    if (!chunk)
        return NULL;
    size_t head = align_up(sizeof *chunk);
    if (spec)
        head += align_up(spec->mask_bytes) + spec->partial_bytes;
    memset(chunk, 0, head);
    chunk->room = room;
    char *at = (char *)chunk + align_up(sizeof *chunk);
    if (spec) {
        chunk->valid = (uint64_t *)(void *)at;
        chunk->passing = chunk->valid + spec->column_count;
        at += align_up(spec->mask_bytes);
        chunk->partial = (unsigned char *)at;
        at += spec->partial_bytes;
    }
    chunk->ids = (struct ax_window_text *)(void *)at;
    chunk->times = (int64_t *)(void *)(chunk->ids + room);
    chunk->created = chunk->times + room;
    chunk->sequences = chunk->created + room;
    chunk->rows = (char *)(chunk->sequences + room);
    return chunk;
}

/* Free the texts of the rows from .. to - 1. */
static void chunk_free_texts(const struct ax_window_spec *spec, struct ax_window_chunk *chunk,
                             uint32_t from, uint32_t to)
{
    for (uint32_t row = from; row < to; row++)
        ax_window_text_done(&chunk->ids[row]);
    for (size_t i = 0; spec && spec->has_texts && i < spec->source_count; i++) {
        if (spec->columns[i].kind != AX_WINDOW_CELL_TEXT)
            continue;
        struct ax_window_text *texts =
            (struct ax_window_text *)(void *)ax_window_chunk_column(chunk, &spec->columns[i]);
        for (uint32_t row = from; row < to; row++)
            ax_window_text_done(&texts[row]);
    }
}

static void chunk_forget_partial(const struct ax_window_spec *spec, struct ax_window_chunk *chunk)
{
    if (chunk->folded)
        ax_window_partial_clear(spec, chunk->partial, false);
    chunk->folded = 0;
}

static void chunk_free(const struct ax_window_spec *spec, struct ax_window_chunk *chunk)
{
    if (!chunk)
        return;
    chunk_free_texts(spec, chunk, 0, chunk->count);
    if (spec)
        ax_window_partial_done(spec, chunk->partial, false);
    free(chunk);
}

void ax_window_log_init(struct ax_window_log *log, const struct ax_window_spec *spec)
{
    *log = (struct ax_window_log){ .spec = spec };
}

void ax_window_log_done(struct ax_window_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        chunk_free(log->spec, ax_window_log_chunk(log, i));
    chunk_free(log->spec, log->spare);
    free(log->chunks);
    *log = (struct ax_window_log){ .spec = log->spec };
}

/* Empty a chunk and keep it as the spare one, unless there is a better one. */
static void log_recycle(struct ax_window_log *log, struct ax_window_chunk *chunk)
{
    if (log->spare && log->spare->room >= chunk->room) {
        chunk_free(log->spec, chunk);
        return;
    }
    chunk_free(log->spec, log->spare);
    chunk_free_texts(log->spec, chunk, 0, chunk->count);
    if (log->spec) {
        chunk_forget_partial(log->spec, chunk);
        memset(chunk->valid, 0, log->spec->mask_bytes);
    }
    chunk->count = 0;
    log->spare = chunk;
}

void ax_window_log_clear(struct ax_window_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        log_recycle(log, ax_window_log_chunk(log, i));
    log->head = log->count = log->dropped = 0;
    log->rows = log->archived = log->archived_rows = 0;
}

static struct ax_window_chunk *log_new_chunk(struct ax_window_log *log, uint32_t room)
{
    struct ax_window_chunk *chunk = log->spare;
    if (!chunk || chunk->room < room)
        return chunk_new(log->spec, room);
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

/* After log_reserve; behind an archived chunk there is an archived one. */
static void log_insert_chunk(struct ax_window_log *log, size_t at, struct ax_window_chunk *chunk)
{
    log->archived += at && at <= log->archived;
    struct ax_window_chunk **place = log->chunks + log->head + at;
    memmove(place + 1, place, (log->count - at) * sizeof *place);
    *place = chunk;
    log->count++;
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
}

/* ---- Finding. ---- */

static int row_compare(const struct ax_window_chunk *chunk, uint32_t row, int64_t time,
                       const struct ax_window_text *id)
{
    if (chunk->times[row] != time)
        return chunk->times[row] < time ? -1 : 1;
    return ax_window_text_compare(&chunk->ids[row], id);
}

struct ax_window_place ax_window_log_seek(const struct ax_window_log *log, int64_t time,
                                          const struct ax_window_text *id)
{
    size_t low = 0, high = log->count;
    if (high) { /* Most rows come behind all others. */
        const struct ax_window_chunk *last = ax_window_log_chunk(log, high - 1);
        if (row_compare(last, last->count - 1, time, id) < 0)
            return (struct ax_window_place){ high - 1, last->count };
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

uint32_t ax_window_chunk_upto(const struct ax_window_chunk *chunk, int64_t time)
{
    uint32_t from = 0, to = chunk->count;
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

size_t ax_window_log_chunk_after(const struct ax_window_log *log, int64_t time)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, middle);
        if (chunk->times[chunk->count - 1] <= time)
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
    size_t c = AX_MIN(ax_window_log_chunk_after(log, time), log->count - 1);
    return (struct ax_window_cursor){ log->dropped + c,
                                      ax_window_chunk_upto(ax_window_log_chunk(log, c), time) };
}

/* The first row from `row` on with a time over `time`: most often that is close. */
static uint32_t chunk_advance(const struct ax_window_chunk *chunk, uint32_t row, int64_t time)
{
    enum { CLOSE = 4 };
    for (uint32_t i = 0; i < CLOSE; i++, row++)
        if (row >= chunk->count || chunk->times[row] > time)
            return row;
    return ax_window_chunk_upto(chunk, time);
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
        if (cursor->row <= chunk->count) {
            uint32_t from = cursor->row;
            cursor->row = chunk_advance(chunk, from, time);
            *ret_chunk = chunk;
            *ret_rows = ax_window_mask(from, cursor->row);
            if (*ret_rows)
                return true;
            if (from < chunk->count || cursor->chunk - log->dropped + 1 == log->count)
                return false;
        }
        cursor->row -= chunk->count;
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
    memmove(target->ids + at, chunk->ids + from, count * sizeof *target->ids);
    memmove(target->times + at, chunk->times + from, count * sizeof *target->times);
    memmove(target->created + at, chunk->created + from, count * sizeof *target->created);
    memmove(target->sequences + at, chunk->sequences + from, count * sizeof *target->sequences);
    for (size_t i = 0; spec && i < spec->column_count; i++) {
        size_t size = cell_bytes(&spec->columns[i]);
        memmove(ax_window_chunk_column(target, &spec->columns[i]) + at * size,
                ax_window_chunk_column(chunk, &spec->columns[i]) + from * size, count * size);
    }
}

/* The same for the masks of an empty chunk: the rows from `from` on become its first. */
static void masks_move(const struct ax_window_spec *spec, struct ax_window_chunk *target,
                       struct ax_window_chunk *chunk, uint32_t from)
{
    size_t count = spec ? spec->column_count + spec->filter_count : 0;
    for (size_t i = 0; i < count; i++) {
        target->valid[i] = from == 64 ? 0 : chunk->valid[i] >> from;
        chunk->valid[i] &= ax_window_mask(0, from);
    }
}

/* Replace the small first chunk by one of full size. */
static bool log_enlarge(struct ax_window_log *log, size_t at)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, at);
    struct ax_window_chunk *larger = log_new_chunk(log, AX_WINDOW_CHUNK_ROWS);
    if (!larger)
        return false;
    rows_move(log->spec, larger, 0, chunk, 0, chunk->count);
    masks_move(log->spec, larger, chunk, 0);
    larger->count = chunk->count;
    chunk->count = 0; /* Its texts have moved. */
    log->chunks[log->head + at] = larger;
    log_recycle(log, chunk);
    return true;
}

/* The upper half of a full chunk becomes a chunk of its own. */
static bool log_split(struct ax_window_log *log, size_t at)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, at);
    struct ax_window_chunk *upper =
        log_reserve(log) ? log_new_chunk(log, AX_WINDOW_CHUNK_ROWS) : NULL;
    if (!upper)
        return false;
    if (log->spec)
        chunk_forget_partial(log->spec, chunk);
    uint32_t half = chunk->count / 2;
    rows_move(log->spec, upper, 0, chunk, half, chunk->count);
    masks_move(log->spec, upper, chunk, half);
    upper->count = chunk->count - half;
    chunk->count = half;
    log_insert_chunk(log, at + 1, upper);
    return true;
}

/* A place in a chunk that has room, for the row that belongs to `place`. */
static bool log_make_room(struct ax_window_log *log, struct ax_window_place *place)
{
    if (log->count) {
        struct ax_window_chunk *chunk = ax_window_log_chunk(log, place->chunk);
        if (chunk->count < chunk->room)
            return true;
        if (chunk->room < AX_WINDOW_CHUNK_ROWS)
            return log_enlarge(log, place->chunk);
        if (place->row < chunk->count || place->chunk + 1 < log->count) {
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
                    ax_window_text_done(&((struct ax_window_text *)(void *)ax_window_chunk_column(
                        chunk, &spec->columns[k]))[row]);
            }
            return false;
        }
        chunk->valid[i] |= bit;
    }
    for (size_t i = spec->source_count; i < spec->column_count; i++) {
        const struct ax_window_column *column = &spec->columns[i];
        const struct ax_window_column *source = &spec->columns[column->source];
        bool is_valid = chunk->valid[column->source] & bit;
        put_number(ax_window_chunk_column(chunk, column), row,
                   is_valid
                       ? derive(source, column->derived, ax_window_chunk_column(chunk, source), row)
                       : 0);
        chunk->valid[i] |= is_valid ? bit : 0;
    }
    for (size_t i = 0; i < spec->filter_count; i++) {
        size_t column = spec->filters[i];
        const int64_t *truths =
            (const int64_t *)(const void *)ax_window_chunk_column(chunk, &spec->columns[column]);
        if (chunk->valid[column] & bit && truths[row])
            chunk->passing[i] |= bit;
    }
    return true;
}

static void row_close(const struct ax_window_spec *spec, struct ax_window_chunk *chunk,
                      uint32_t row)
{
    rows_move(spec, chunk, row, chunk, row + 1, chunk->count);
    size_t masks = spec ? spec->column_count + spec->filter_count : 0;
    for (size_t i = 0; i < masks; i++)
        chunk->valid[i] = mask_close(chunk->valid[i], row);
    chunk->count--;
}

static void row_open(const struct ax_window_spec *spec, struct ax_window_chunk *chunk, uint32_t row)
{
    if (spec && row < chunk->folded)
        chunk_forget_partial(spec, chunk);
    if (row < chunk->count) {
        rows_move(spec, chunk, row + 1, chunk, row, chunk->count);
        size_t masks = spec ? spec->column_count + spec->filter_count : 0;
        for (size_t i = 0; i < masks; i++)
            chunk->valid[i] = mask_open(chunk->valid[i], row);
    }
    chunk->count++;
}

bool ax_window_log_put(struct ax_window_log *log, const struct ax_window_key *key,
                       const struct ax_values *const *columns, size_t row,
                       struct ax_window_place *ret_place)
{
    assert(log && key && (!log->spec || columns));
    struct ax_window_text id;
    if (!ax_window_text_init(&id, key->id))
        return false;
    struct ax_window_place place = ax_window_log_seek(log, key->time, &id);
    if (!log_make_room(log, &place)) {
        ax_window_text_done(&id);
        return false;
    }
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
    row_open(log->spec, chunk, place.row);
    chunk->ids[place.row] = id;
    chunk->times[place.row] = key->time;
    chunk->created[place.row] = key->created;
    chunk->sequences[place.row] = key->sequence;
    bool filled = !log->spec || row_fill(log->spec, chunk, place.row, columns, row);
    if (filled) {
        log->rows++;
        log->archived_rows += place.chunk < log->archived;
        *ret_place = place;
        return true;
    }
    ax_window_text_done(&chunk->ids[place.row]);
    row_close(log->spec, chunk, place.row);
    if (chunk->count == 0) {
        log_take_chunk(log, place.chunk);
        log_recycle(log, chunk);
    }
    return false;
}

void ax_window_log_remove(struct ax_window_log *log, struct ax_window_place place)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
    assert(place.row < chunk->count);
    if (log->spec)
        chunk_forget_partial(log->spec, chunk);
    chunk_free_texts(log->spec, chunk, place.row, place.row + 1);
    row_close(log->spec, chunk, place.row);
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
