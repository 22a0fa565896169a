/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of an entity's windows: rows in a log whose older chunks are the archive, tiles over
 * the archive, and the index of ids (docs/internals/windows.md).
 *
 * Putting in an event: its id is looked up; the row is put in, then the row of the older version is
 * taken out, so that a refusal in between changes nothing. Then chunks go to the archive while N
 * rows stay, or come back from it when fewer than N are left. A refusal there is no failure: more
 * rows than N may stay, and a tile that could not be filled is stale.
 *
 * Reading: the N-th newest time tells for each window whether its edge moves; then its tiles, whole
 * chunks and rows at the edge are merged into the scratch partial.
 */
#include "feature/window.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "feature/window_index.h"
#include "feature/window_slide.h"
#include "feature/window_tiles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES_MAX   ((size_t)64 << 10)
#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define FLOOR_NONE     (-2 * AX_WINDOW_TIME_MAX)

/* Fewer rows than this are added rather than kept as a partial. */
enum { FOLDED_MIN = 4 };

/* What the tiles of one range come to, but for the last tile: while moments go on, a range begins
 * at the same tile for a hop, and tiles come in at the end. So most reads merge one partial instead
 * of one a tile. */
struct tile_cache {
    uint64_t changes;       /* the tiles' then */
    size_t from, to;        /* tiles in the partial, counted from the first that ever was */
    unsigned char *partial; /* whose texts are borrowed from tiles */
};

/* AX_WINDOW_SORTED: what moves along with a range. It has the rows of the log with from < time <=
 * to and no others; a row that leaves the log leaves it first. */
struct range_slides {
    bool is_valid;
    int64_t from, to;
    struct ax_window_cursor first, next; /* behind `from`, and behind `to` */
    size_t count;                        /* of accumulators that slide */
    struct ax_window_slide *slides;      /* one an accumulator of the range */
};

struct ax_window {
    const struct ax_window_spec *spec;
    enum ax_window_mode mode;
    int64_t floor;
    int64_t newest; /* AX_WINDOW_SORTED: the time of the last event */
    bool is_broken; /* AX_WINDOW_SORTED: a tile lacks rows that are no longer there */
    struct ax_window_log log;
    struct ax_window_log graves;
    struct ax_window_index index;
    struct ax_window_tiles tiles;
    void *scratch;               /* a partial, whose texts are borrowed */
    void **parts;                /* of the accumulators of the range that is read */
    struct tile_cache *caches;   /* one a range; the first has the memory of all */
    struct range_slides *moving; /* AX_WINDOW_SORTED: one a range */
    struct ax_window_value *values;
    struct ax_window_room *rooms; /* one a value; the first has the memory of all */
};

static void window_start(struct ax_window *window)
{
    window->floor = FLOOR_NONE;
    window->newest = FLOOR_NONE;
    window->is_broken = false;
}

/* Places for results that are texts or lists. */
static bool window_make_rooms(struct ax_window *window)
{
    const struct ax_window_spec *spec = window->spec;
    size_t cells = 0;
    for (size_t i = 0; i < spec->reader_count; i++)
        cells += spec->readers[i].n;
    union ax_window_cell *cell = ax_try_alloc(AX_MAX(cells, (size_t)1), sizeof *cell);
    struct ax_window_item *item = ax_try_alloc(AX_MAX(cells, (size_t)1), sizeof *item);
    window->rooms[0] = (struct ax_window_room){ cell, item };
    if (!cell || !item)
        return false;
    for (size_t i = 0; i < spec->reader_count; i++) {
        window->rooms[i] = (struct ax_window_room){ cell, item };
        cell += spec->readers[i].n;
        item += spec->readers[i].n;
    }
    return true;
}

static bool window_make_caches(struct ax_window *window)
{
    size_t count = window->spec->window_count, size = window->spec->partial_bytes;
    size_t room = AX_MAX(count, (size_t)1);
    window->caches = ax_try_alloc(room, sizeof *window->caches);
    if (!window->caches)
        return false;
    memset(window->caches, 0, room * sizeof *window->caches);
    unsigned char *partials = ax_try_alloc(room, AX_MAX(size, (size_t)1));
    if (!partials)
        return false;
    memset(partials, 0, room * size);
    for (size_t i = 0; i < room; i++)
        window->caches[i].partial = partials + i * size;
    return true;
}

static void window_free_caches(struct ax_window *window)
{
    if (!window->caches)
        return;
    for (size_t i = 0; window->caches[0].partial && i < window->spec->window_count; i++)
        ax_window_partial_done(window->spec, window->caches[i].partial, false);
    free(window->caches[0].partial);
    free(window->caches);
}

static const struct ax_window_accumulator *range_accumulator(const struct ax_window *window,
                                                             size_t range, size_t slot)
{
    return &window->spec->accumulators[window->spec->windows[range].accumulators[slot]];
}

static bool window_make_slides(struct ax_window *window)
{
    size_t count = window->spec->window_count;
    if (window->mode != AX_WINDOW_SORTED)
        return true;
    window->moving = ax_try_alloc(AX_MAX(count, (size_t)1), sizeof *window->moving);
    if (!window->moving)
        return false;
    memset(window->moving, 0, count * sizeof *window->moving);
    for (size_t i = 0; i < count; i++) {
        size_t room = window->spec->windows[i].accumulator_count;
        struct ax_window_slide *slides = ax_try_alloc(room, sizeof *slides);
        if (!slides)
            return false;
        memset(slides, 0, room * sizeof *slides);
        window->moving[i].slides = slides;
        for (size_t k = 0; k < room; k++)
            window->moving[i].count += range_accumulator(window, i, k)->slides;
    }
    return true;
}

static void window_free_slides(struct ax_window *window)
{
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++) {
        struct ax_window_slide *slides = window->moving[i].slides;
        for (size_t k = 0; slides && k < window->spec->windows[i].accumulator_count; k++)
            ax_window_slide_done(range_accumulator(window, i, k), &slides[k]);
        free(slides);
    }
    free(window->moving);
}

enum ax_code ax_window_new(const struct ax_window_spec *spec, enum ax_window_mode mode,
                           struct ax_window **ret_window, struct ax_err *err)
{
    assert(spec && ret_window && err);
    size_t values = AX_MAX(spec->reader_count, (size_t)1);
    struct ax_window *window = ax_try_alloc(1, sizeof *window);
    if (!window)
        return ax_fail(err, AX_E_LIMIT, "no memory for windows");
    *window = (struct ax_window){ .spec = spec, .mode = mode };
    window_start(window);
    ax_window_log_init(&window->log, spec);
    ax_window_log_init(&window->graves, NULL);
    ax_window_tiles_init(&window->tiles, spec);
    window->scratch = ax_try_alloc(AX_MAX(spec->partial_bytes, (size_t)1), 1);
    window->parts = ax_try_alloc(AX_MAX(spec->accumulator_count, (size_t)1), sizeof *window->parts);
    window->values = ax_try_alloc(values, sizeof *window->values);
    window->rooms = ax_try_alloc(values, sizeof *window->rooms);
    if (window->rooms)
        memset(window->rooms, 0, values * sizeof *window->rooms);
    if (window->scratch)
        memset(window->scratch, 0, spec->partial_bytes);
    if (!window->scratch || !window->parts || !window->values || !window->rooms ||
        !window_make_rooms(window) || !window_make_caches(window) || !window_make_slides(window)) {
        ax_window_free(window);
        return ax_fail(err, AX_E_LIMIT, "no memory for windows");
    }
    *ret_window = window;
    return AX_OK;
}

void ax_window_free(struct ax_window *window)
{
    if (!window)
        return;
    ax_window_log_done(&window->log);
    ax_window_log_done(&window->graves);
    ax_window_index_done(&window->index);
    ax_window_tiles_done(&window->tiles);
    if (window->scratch)
        ax_window_partial_done(window->spec, window->scratch, false);
    free(window->scratch);
    free(window->parts);
    window_free_caches(window);
    window_free_slides(window);
    free(window->values);
    if (window->rooms) {
        free(window->rooms[0].cells);
        free(window->rooms[0].items);
    }
    free(window->rooms);
    free(window);
}

void ax_window_clear(struct ax_window *window)
{
    assert(window);
    ax_window_log_clear(&window->log);
    ax_window_log_clear(&window->graves);
    ax_window_index_clear(&window->index);
    ax_window_tiles_clear(&window->tiles);
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++)
        window->moving[i].is_valid = false;
    window_start(window);
}

static enum ax_code window_fail_memory(struct ax_err *err)
{
    return ax_fail(err, AX_E_LIMIT, "no memory for another event of a window");
}

/* ---- What moves along. ---- */

static uint64_t chunk_rows(const struct ax_window_chunk *chunk, int64_t from, int64_t to)
{
    return ax_window_mask(ax_window_chunk_upto(chunk, from), ax_window_chunk_upto(chunk, to));
}

static void slides_remove(struct ax_window *window, size_t range,
                          const struct ax_window_chunk *chunk, uint64_t rows)
{
    for (size_t i = 0; rows && i < window->spec->windows[range].accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = range_accumulator(window, range, i);
        if (accumulator->slides)
            ax_window_slide_remove(accumulator, &window->moving[range].slides[i], chunk, rows);
    }
}

static bool slides_add(struct ax_window *window, size_t range, const struct ax_window_chunk *chunk,
                       uint64_t rows)
{
    for (size_t i = 0; rows && i < window->spec->windows[range].accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = range_accumulator(window, range, i);
        if (accumulator->slides &&
            !ax_window_slide_add(accumulator, &window->moving[range].slides[i], chunk, rows))
            return false;
    }
    return true;
}

/* The first chunk of the log is about to leave it. */
static void slides_leave(struct ax_window *window)
{
    const struct ax_window_chunk *chunk = ax_window_log_chunk(&window->log, 0);
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++) {
        struct range_slides *slides = &window->moving[i];
        if (!slides->is_valid)
            continue;
        slides_remove(window, i, chunk, chunk_rows(chunk, slides->from, slides->to));
        ax_window_cursor_leave(&window->log, &slides->first);
        ax_window_cursor_leave(&window->log, &slides->next);
    }
}

/* An event came at a time that slides have passed already. */
static void slides_spoil(struct ax_window *window, int64_t time)
{
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++)
        window->moving[i].is_valid &= window->moving[i].to < time;
}

static void slides_restart(struct ax_window *window, size_t range, int64_t from)
{
    struct range_slides *slides = &window->moving[range];
    for (size_t i = 0; i < window->spec->windows[range].accumulator_count; i++)
        ax_window_slide_clear(range_accumulator(window, range, i), &slides->slides[i]);
    slides->from = slides->to = from;
    slides->first = slides->next = ax_window_cursor_at(&window->log, from);
    slides->is_valid = true;
}

/* Turn a range's slides that are spent: they have lost all rows before `from`. */
static bool slides_turn(struct ax_window *window, size_t range)
{
    struct range_slides *slides = &window->moving[range];
    const struct ax_window_log *log = &window->log;
    for (size_t i = 0; i < window->spec->windows[range].accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = range_accumulator(window, range, i);
        struct ax_window_slide *slide = &slides->slides[i];
        if (!slide->is_spent)
            continue;
        ax_window_slide_clear(accumulator, slide);
        size_t first = ax_window_log_chunk_after(log, slides->from);
        size_t c = AX_MIN(ax_window_log_chunk_after(log, slides->to) + 1, log->count);
        while (c-- > first) {
            const struct ax_window_chunk *chunk = ax_window_log_chunk(log, c);
            if (!ax_window_slide_turn(accumulator, slide, chunk,
                                      chunk_rows(chunk, slides->from, slides->to)))
                return false;
        }
    }
    return true;
}

/* Move a range's slides to (from, to]. False: memory was refused. */
static bool slides_move(struct ax_window *window, size_t range, int64_t from, int64_t to)
{
    struct range_slides *slides = &window->moving[range];
    const struct ax_window_log *log = &window->log;
    const struct ax_window_chunk *chunk;
    uint64_t rows;
    if (!slides->is_valid || from < slides->from || to < slides->to || from >= slides->to)
        slides_restart(window, range, from);
    while (ax_window_cursor_next(log, &slides->first, from, &chunk, &rows))
        slides_remove(window, range, chunk, rows);
    slides->from = from;
    slides->is_valid = slides_turn(window, range);
    while (slides->is_valid && ax_window_cursor_next(log, &slides->next, to, &chunk, &rows))
        slides->is_valid = slides_add(window, range, chunk, rows);
    slides->to = to;
    return slides->is_valid;
}

/* ---- What is no longer reached. ---- */

static void window_drop_first(struct ax_window *window, struct ax_window_log *log, bool is_grave)
{
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    for (uint32_t row = 0; window->mode == AX_WINDOW_ANY && row < chunk->count; row++)
        ax_window_index_remove(&window->index, ax_hash(ax_window_text_str(&chunk->ids[row])),
                               is_grave, chunk->times[row]);
    if (!is_grave)
        slides_leave(window);
    ax_window_log_drop_first(log);
}

static bool log_is_past(const struct ax_window_log *log, int64_t time)
{
    if (!log->count)
        return false;
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    return chunk->times[chunk->count - 1] <= time;
}

void ax_window_forget(struct ax_window *window, int64_t floor)
{
    assert(window);
    floor = AX_MIN(floor, AX_WINDOW_TIME_MAX);
    if (floor <= window->floor)
        return;
    window->floor = floor;
    int64_t past = floor - window->spec->reach_us;
    ax_window_tiles_drop(&window->tiles, past);
    while (log_is_past(&window->log, past))
        window_drop_first(window, &window->log, false);
    while (log_is_past(&window->graves, past))
        window_drop_first(window, &window->graves, true);
}

/* ---- The newest N stay rows, the older ones are tiles. ---- */

/* False: memory was refused and a tile that cannot be computed anew lacks rows. */
static bool window_archive(struct ax_window *window)
{
    struct ax_window_log *log = &window->log;
    while (log->archived + 1 < log->count) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, log->archived);
        if (log->rows - log->archived_rows - chunk->count < window->spec->exact_events)
            break;
        if (!ax_window_tiles_reserve(&window->tiles, chunk->count))
            break; /* It can stay a while longer. */
        bool added = ax_window_tiles_add(&window->tiles, window->floor, chunk, 0, chunk->count);
        if (window->mode == AX_WINDOW_ANY) {
            ax_window_log_archive(log);
        } else {
            slides_leave(window);
            ax_window_log_drop_first(log);
        }
        if (!added && window->mode == AX_WINDOW_SORTED)
            return false;
    }
    return true;
}

static void window_unarchive(struct ax_window *window)
{
    struct ax_window_log *log = &window->log;
    while (log->archived && log->rows - log->archived_rows < window->spec->exact_events) {
        ax_window_log_unarchive(log);
        int64_t last = FLOOR_NONE;
        if (log->archived) {
            const struct ax_window_chunk *before = ax_window_log_chunk(log, log->archived - 1);
            last = before->times[before->count - 1];
        }
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, log->archived);
        ax_window_tiles_cut(&window->tiles, chunk->times[0], last);
    }
}

/* ---- Putting events in. ---- */

static enum ax_code check_event(const struct ax_window *window, const struct ax_window_event *event,
                                const struct ax_values *const *columns, size_t row,
                                struct ax_err *err)
{
    if (event->time < -AX_WINDOW_TIME_MAX || event->time > AX_WINDOW_TIME_MAX)
        return ax_fail(err, AX_E_INVALID, "an event's time is too far from 1970");
    if (event->id.len > ID_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "an event's id has %zu bytes; %zu are the most",
                       event->id.len, ID_BYTES_MAX);
    for (size_t i = 0; i < window->spec->source_count && !event->is_gone; i++) {
        assert(row < columns[i]->rows &&
               ax_type_equals(columns[i]->type, window->spec->columns[i].type));
        if (window->spec->columns[i].kind == AX_WINDOW_CELL_TEXT &&
            !ax_values_is_null(columns[i], row) && columns[i]->texts[row].len > TEXT_BYTES_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "an event's text has %zu bytes; %zu are the most",
                           columns[i]->texts[row].len, TEXT_BYTES_MAX);
    }
    return AX_OK;
}

static enum ax_code put_sorted(struct ax_window *window, const struct ax_window_event *event,
                               const struct ax_values *const *columns, size_t row,
                               struct ax_err *err)
{
    if (event->is_gone || event->time < window->newest)
        return ax_fail(err, AX_E_INVALID, "events of a sorted stream are not in order of time");
    window->newest = event->time;
    slides_spoil(window, event->time);
    ax_window_forget(window, event->time);
    struct ax_window_key key = { event->time, event->id, event->created, event->sequence };
    struct ax_window_place place;
    window->is_broken |= !ax_window_log_put(&window->log, &key, columns, row, &place);
    window->is_broken |= !window_archive(window);
    return window->is_broken ? window_fail_memory(err) : AX_OK;
}

/* Where an id is. */
struct found {
    bool is_there, is_grave;
    int64_t time;
    struct ax_window_place place;
};

static struct found window_find(const struct ax_window *window, struct ax_str id, uint64_t hash)
{
    struct ax_window_text text;
    ax_window_text_borrow(&text, id);
    struct ax_window_index_entry entry;
    for (size_t at = SIZE_MAX; ax_window_index_next(&window->index, hash, &at, &entry);) {
        bool is_grave = entry.hash & 1;
        const struct ax_window_log *log = is_grave ? &window->graves : &window->log;
        struct ax_window_place place = ax_window_log_seek(log, entry.time, &text);
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
        if (place.row < chunk->count && chunk->times[place.row] == entry.time &&
            ax_window_text_compare(&chunk->ids[place.row], &text) == 0)
            return (struct found){ true, is_grave, entry.time, place };
    }
    return (struct found){ .is_there = false };
}

static bool found_is_newer(const struct ax_window *window, const struct found *found,
                           const struct ax_window_event *event)
{
    const struct ax_window_log *log = found->is_grave ? &window->graves : &window->log;
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, found->place.chunk);
    int64_t created = chunk->created[found->place.row];
    int64_t sequence = chunk->sequences[found->place.row];
    return created != event->created ? created > event->created : sequence >= event->sequence;
}

/* Take out the row of an older version. `twin`: where the new one is, when it has the same time in
 * the same log: then the old one stands right behind it. */
static void window_remove(struct ax_window *window, const struct found *old, struct ax_str id,
                          const struct ax_window_place *twin)
{
    struct ax_window_log *log = old->is_grave ? &window->graves : &window->log;
    struct ax_window_text text;
    ax_window_text_borrow(&text, id);
    struct ax_window_place place = ax_window_log_seek(log, old->time, &text);
    if (twin) {
        place = (struct ax_window_place){ twin->chunk, twin->row + 1 };
        if (place.row == ax_window_log_chunk(log, place.chunk)->count)
            place = (struct ax_window_place){ place.chunk + 1, 0 };
    }
    if (!old->is_grave && place.chunk < log->archived)
        ax_window_tiles_spoil(&window->tiles, old->time);
    ax_window_log_remove(log, place);
}

static enum ax_code put_any(struct ax_window *window, const struct ax_window_event *event,
                            const struct ax_values *const *columns, size_t row, struct ax_err *err)
{
    uint64_t hash = ax_hash(event->id);
    struct found old = window_find(window, event->id, hash);
    if (old.is_there && found_is_newer(window, &old, event))
        return AX_OK;
    bool is_grave = event->is_gone || event->time <= window->floor - window->spec->reach_us;
    struct ax_window_key key = { event->time, event->id, event->created, event->sequence };
    if (is_grave) { /* Kept as long as an older version of it could come. */
        key.time = AX_MAX(key.time, window->floor);
        key.time = old.is_there ? AX_MAX(key.time, old.time) : key.time;
        key.time = AX_MAX(key.time, -AX_WINDOW_TIME_MAX);
    }
    struct ax_window_place place;
    if (!ax_window_index_reserve(&window->index) || !ax_window_tiles_reserve(&window->tiles, 1) ||
        !ax_window_log_put(is_grave ? &window->graves : &window->log, &key, columns, row, &place))
        return window_fail_memory(err);
    ax_window_index_put(&window->index, hash, is_grave, key.time);
    if (!is_grave && place.chunk < window->log.archived)
        (void)ax_window_tiles_add(&window->tiles, window->floor,
                                  ax_window_log_chunk(&window->log, place.chunk), place.row,
                                  place.row + 1); /* Refused: the tile is stale. */
    if (old.is_there) {
        bool twins = old.is_grave == is_grave && old.time == key.time;
        window_remove(window, &old, event->id, twins ? &place : NULL);
        ax_window_index_remove(&window->index, hash, old.is_grave, old.time);
    }
    window_unarchive(window);
    (void)window_archive(window);
    return AX_OK;
}

enum ax_code ax_window_put(struct ax_window *window, const struct ax_window_event *event,
                           const struct ax_values *const *columns, size_t row, struct ax_err *err)
{
    assert(window && event && err);
    assert(columns || event->is_gone || window->spec->source_count == 0);
    if (window->is_broken)
        return window_fail_memory(err);
    if (check_event(window, event, columns, row, err))
        return err->code;
    return window->mode == AX_WINDOW_SORTED ? put_sorted(window, event, columns, row, err)
                                            : put_any(window, event, columns, row, err);
}

/* ---- Reading. ---- */

/* What is read: a window's edges, and the row that does not count. */
struct reading {
    size_t number; /* of the range */
    const struct ax_window_range *range;
    int64_t from; /* times over it */
    int64_t to;   /* and up to it */
    struct found self;
};

static void *window_part(const struct ax_window *window, size_t accumulator)
{
    return (char *)window->scratch + window->spec->accumulators[accumulator].offset;
}

/* The slide that has the rows of the range's accumulator number `slot`, or NULL: they are added. */
static struct ax_window_slide *window_slide(const struct ax_window *window,
                                            const struct reading *reading, size_t slot)
{
    if (!window->moving || !range_accumulator(window, reading->number, slot)->slides)
        return NULL;
    struct ax_window_slide *slide = &window->moving[reading->number].slides[slot];
    return slide->is_off ? NULL : slide;
}

static bool chunk_fold(const struct ax_window_spec *spec, struct ax_window_chunk *chunk)
{
    uint64_t rows = ax_window_mask(chunk->folded, chunk->count);
    for (size_t i = 0; rows && i < spec->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = &spec->accumulators[i];
        if (accumulator->in_chunks &&
            !ax_window_part_add(accumulator, chunk->partial + accumulator->offset, false, chunk,
                                rows)) {
            ax_window_partial_clear(spec, chunk->partial, false);
            chunk->folded = 0;
            return false;
        }
    }
    chunk->folded = chunk->count;
    return true;
}

/* Read the chunk's rows that lie between two times. */
static bool read_chunk(struct ax_window *window, const struct reading *reading, size_t at,
                       int64_t from, int64_t to)
{
    struct ax_window_chunk *chunk = ax_window_log_chunk(&window->log, at);
    uint64_t all = ax_window_mask(0, chunk->count);
    uint64_t rows = chunk_rows(chunk, from, to);
    if (reading->self.is_there && reading->self.place.chunk == at)
        rows &= ~(UINT64_C(1) << reading->self.place.row);
    bool whole = rows == all && chunk->count >= FOLDED_MIN;
    if (whole && !chunk_fold(window->spec, chunk))
        return false;
    for (size_t i = 0; rows && i < reading->range->accumulator_count; i++) {
        if (window_slide(window, reading, i))
            continue;
        size_t number = reading->range->accumulators[i];
        const struct ax_window_accumulator *accumulator = &window->spec->accumulators[number];
        void *part = window_part(window, number);
        if (whole && accumulator->in_chunks
                ? !ax_window_part_merge(accumulator, part, false,
                                        chunk->partial + accumulator->offset)
                : !ax_window_part_add(accumulator, part, false, chunk, rows))
            return false;
    }
    return true;
}

/* Read rows of the archive, where a tile cannot be read as a whole. */
static bool read_archive(struct ax_window *window, const struct reading *reading, int64_t from,
                         int64_t to)
{
    assert(window->mode == AX_WINDOW_ANY);
    const struct ax_window_log *log = &window->log;
    for (size_t c = ax_window_log_chunk_after(log, from); c < log->archived; c++) {
        if (ax_window_log_chunk(log, c)->times[0] > to)
            break;
        if (!read_chunk(window, reading, c, from, to))
            return false;
    }
    return true;
}

/* Merge what a range reads of one partial into another. */
static bool range_merge(const struct ax_window_spec *spec, const struct ax_window_range *range,
                        void *into, const void *partial)
{
    for (size_t i = 0; i < range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator =
            &spec->accumulators[range->accumulators[i]];
        if (!ax_window_part_merge(accumulator, (char *)into + accumulator->offset, false,
                                  (const char *)partial + accumulator->offset))
            return false;
    }
    return true;
}

static void range_clear(const struct ax_window_spec *spec, const struct ax_window_range *range,
                        void *partial)
{
    for (size_t i = 0; i < range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator =
            &spec->accumulators[range->accumulators[i]];
        ax_window_part_clear(accumulator, (char *)partial + accumulator->offset, false);
    }
}

static bool read_tile(struct ax_window *window, const struct reading *reading,
                      const struct ax_window_tile *tile)
{
    const struct found *self = &reading->self;
    bool has_self = self->is_there && self->place.chunk < window->log.archived &&
                    self->time >= tile->first && self->time <= tile->last;
    if (tile->first <= reading->from || tile->last > reading->to || has_self)
        return read_archive(window, reading, AX_MAX(reading->from, tile->first - 1),
                            AX_MIN(reading->to, tile->last));
    return range_merge(window->spec, reading->range, window->scratch, tile->partial);
}

/* Read the tiles from `at` to the last by what is cached of all but the last. */
static bool read_tiles_cached(struct ax_window *window, const struct reading *reading, size_t at)
{
    const struct ax_window_tiles *tiles = &window->tiles;
    struct tile_cache *cache = &window->caches[reading->number];
    size_t from = tiles->dropped + at, to = tiles->dropped + tiles->count - 1;
    if (cache->changes != tiles->changes || cache->from != from || cache->to > to) {
        range_clear(window->spec, reading->range, cache->partial);
        cache->changes = tiles->changes;
        cache->from = cache->to = from;
    }
    for (; cache->to < to; cache->to++) {
        const struct ax_window_tile *tile = ax_window_tiles_at(tiles, cache->to - tiles->dropped);
        if (!range_merge(window->spec, reading->range, cache->partial, tile->partial)) {
            cache->from = SIZE_MAX;
            return false;
        }
    }
    return range_merge(window->spec, reading->range, window->scratch, cache->partial) &&
           read_tile(window, reading, ax_window_tiles_at(tiles, tiles->count - 1));
}

/* Read the tiles from `at` on. */
static bool read_tiles(struct ax_window *window, const struct reading *reading, size_t at)
{
    const struct ax_window_tiles *tiles = &window->tiles;
    bool has_self = reading->self.is_there && reading->self.place.chunk < window->log.archived;
    if (!has_self && ax_window_tiles_at(tiles, at)->first > reading->from &&
        ax_window_tiles_at(tiles, tiles->count - 1)->last <= reading->to)
        return read_tiles_cached(window, reading, at);
    for (; at < tiles->count && ax_window_tiles_at(tiles, at)->first <= reading->to; at++) {
        if (!read_tile(window, reading, ax_window_tiles_at(tiles, at)))
            return false;
    }
    return true;
}

static bool read_chunks(struct ax_window *window, const struct reading *reading)
{
    const struct ax_window_log *log = &window->log;
    size_t c = ax_window_log_chunk_after(log, reading->from);
    for (c = AX_MAX(c, log->archived); c < log->count; c++) {
        if (ax_window_log_chunk(log, c)->times[0] > reading->to)
            break;
        if (!read_chunk(window, reading, c, reading->from, reading->to))
            return false;
    }
    return true;
}

/* All that lies between the edges, into the window's parts: what slides is read where it is unless
 * there are tiles besides, all else is brought together in the scratch partial. */
static bool window_read(struct ax_window *window, const struct reading *reading)
{
    size_t tile = ax_window_tiles_after(&window->tiles, reading->from);
    bool has_tiles = tile < window->tiles.count, all_slide = true;
    if (window->moving && window->moving[reading->number].count &&
        !slides_move(window, reading->number, reading->from, reading->to))
        return false;
    for (size_t i = 0; i < reading->range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator =
            range_accumulator(window, reading->number, i);
        struct ax_window_slide *slide = window_slide(window, reading, i);
        void *part = slide && !has_tiles ? ax_window_slide_part(accumulator, slide) : NULL;
        all_slide &= slide != NULL;
        window->parts[i] = part;
        if (part)
            continue;
        window->parts[i] = window_part(window, reading->range->accumulators[i]);
        ax_window_part_clear(accumulator, window->parts[i], false);
        if (slide && !ax_window_slide_merge(accumulator, slide, window->parts[i]))
            return false;
    }
    return (!has_tiles || read_tiles(window, reading, tile)) &&
           (all_slide || read_chunks(window, reading));
}

/* The time of the N-th newest event at or before `at`; below all times when there is none. */
static int64_t window_exact_from(const struct ax_window *window, int64_t at)
{
    const struct ax_window_log *log = &window->log;
    size_t left = window->spec->exact_events;
    if (log->rows < left)
        return FLOOR_NONE;
    size_t c = ax_window_log_chunk_after(log, at);
    size_t before = log->rows - log->archived_rows; /* At the newest moment, of chunks up to c. */
    if (c == log->count && before >= left) {
        size_t over = before - left; /* Less than a chunk and a half: it is found from the front. */
        for (c = log->archived; over >= ax_window_log_chunk(log, c)->count; c++)
            over -= ax_window_log_chunk(log, c)->count;
        return ax_window_log_chunk(log, c)->times[over];
    }
    if (c < log->count) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, c);
        uint32_t rows = ax_window_chunk_upto(chunk, at);
        if (left <= rows)
            return chunk->times[rows - left];
        left -= rows;
    }
    while (c-- > 0) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, c);
        if (left <= chunk->count)
            return chunk->times[chunk->count - left];
        left -= chunk->count;
    }
    return FLOOR_NONE;
}

static enum ax_code check_moment(const struct ax_window *window, int64_t at,
                                 const struct ax_str *self, struct ax_err *err)
{
    if (at < -AX_WINDOW_TIME_MAX || at > AX_WINDOW_TIME_MAX)
        return ax_fail(err, AX_E_INVALID, "a moment is too far from 1970");
    if (at < window->floor)
        return ax_fail(err, AX_E_INVALID, "the moment lies before what windows still know");
    if (self && window->mode == AX_WINDOW_SORTED)
        return ax_fail(err, AX_E_INVALID, "a sorted stream has no ids to leave out");
    return AX_OK;
}

enum ax_code ax_window_get(struct ax_window *window, int64_t at, const struct ax_str *self,
                           const struct ax_window_value **ret_values, struct ax_err *err)
{
    assert(window && ret_values && err);
    if (check_moment(window, at, self, err))
        return err->code;
    if (window->is_broken || !ax_window_tiles_renew(&window->tiles, &window->log))
        return window_fail_memory(err);
    const struct ax_window_spec *spec = window->spec;
    struct reading reading = { .to = at };
    if (self) {
        reading.self = window_find(window, *self, ax_hash(*self));
        reading.self.is_there &= !reading.self.is_grave;
    }
    int64_t exact_from = window_exact_from(window, at);
    for (size_t i = 0; i < spec->window_count; i++) {
        const struct ax_window_range *range = &spec->windows[i];
        reading.number = i;
        reading.range = range;
        reading.from = at - range->window_us;
        if (range->always_hops || reading.from < exact_from)
            reading.from = ax_window_floor(reading.from, range->hop_us);
        if (!window_read(window, &reading))
            return window_fail_memory(err);
        for (size_t k = 0; k < range->reader_count; k++) {
            const struct ax_window_reader *reader = &spec->readers[range->readers[k]];
            ax_window_part_result(reader, &spec->accumulators[reader->accumulator],
                                  window->parts[reader->slot], &window->rooms[range->readers[k]],
                                  &window->values[range->readers[k]]);
        }
    }
    *ret_values = window->values;
    return AX_OK;
}

/* What reading takes: the scratch partial and the caches. */
static size_t window_scratch_bytes(const struct ax_window *window)
{
    size_t bytes = ax_window_partial_heap(window->spec, window->scratch) +
                   window->spec->partial_bytes * (1 + window->spec->window_count);
    for (size_t i = 0; i < window->spec->window_count; i++)
        bytes += ax_window_partial_heap(window->spec, window->caches[i].partial);
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++) {
        size_t count = window->spec->windows[i].accumulator_count;
        bytes += sizeof *window->moving + count * sizeof(struct ax_window_slide);
        for (size_t k = 0; k < count; k++)
            bytes += ax_window_slide_bytes(range_accumulator(window, i, k),
                                           &window->moving[i].slides[k]);
    }
    return bytes;
}

size_t ax_window_bytes(const struct ax_window *window)
{
    assert(window);
    return sizeof *window + ax_window_log_bytes(&window->log) +
           ax_window_log_bytes(&window->graves) +
           window->index.room * sizeof *window->index.entries +
           ax_window_tiles_bytes(&window->tiles) + window_scratch_bytes(window);
}

size_t ax_window_rows(const struct ax_window *window)
{
    assert(window);
    return window->log.rows;
}
