/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of one entity, written and read by one thread: a state (window_state.h), what is read
 * of it (window_read.h), and what makes reading cheaper while moments go on: partials of the tiles
 * that a window has had before, and of a sorted stream accumulators that move along.
 */
#include "feature/window.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "feature/window_read.h"
#include "feature/window_slide.h"
#include "feature/window_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
    struct ax_window_state state;
    const struct ax_window_spec *spec;
    enum ax_window_mode mode;
    int64_t newest; /* AX_WINDOW_SORTED: the time of the last event */
    bool is_broken; /* AX_WINDOW_SORTED: a tile lacks rows that are no longer there */
    struct ax_window_scratch scratch;
    void **parts;                /* of the accumulators of the range that is read */
    bool *are_slid;              /* of these, those whose rows are in a slide */
    struct tile_cache *caches;   /* one a range; the first has the memory of all */
    struct range_slides *moving; /* AX_WINDOW_SORTED: one a range */
};

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

static void slides_leave(struct ax_window_state *state);

enum ax_code ax_window_new(const struct ax_window_spec *spec, enum ax_window_mode mode,
                           struct ax_window **ret_window, struct ax_err *err)
{
    assert(spec && ret_window && err);
    size_t parts = AX_MAX(spec->accumulator_count, (size_t)1);
    struct ax_window *window = ax_try_alloc(1, sizeof *window);
    if (!window)
        return ax_fail(err, AX_E_LIMIT, "no memory for windows");
    *window = (struct ax_window){ .spec = spec, .mode = mode, .newest = AX_WINDOW_FLOOR_NONE };
    ax_window_state_init(&window->state, spec, mode, NULL);
    if (mode == AX_WINDOW_SORTED)
        window->state.leaving = slides_leave;
    window->parts = ax_try_alloc(parts, sizeof *window->parts);
    window->are_slid = ax_try_alloc(parts, sizeof *window->are_slid);
    if (!ax_window_scratch_init(&window->scratch, spec, NULL) || !window->parts ||
        !window->are_slid || !window_make_caches(window) || !window_make_slides(window)) {
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
    ax_window_state_done(&window->state);
    ax_window_scratch_done(&window->scratch, window->spec);
    free(window->parts);
    free(window->are_slid);
    window_free_caches(window);
    window_free_slides(window);
    free(window);
}

void ax_window_clear(struct ax_window *window)
{
    assert(window);
    ax_window_state_clear(&window->state);
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++)
        window->moving[i].is_valid = false;
    window->newest = AX_WINDOW_FLOOR_NONE;
    window->is_broken = false;
}

static enum ax_code window_fail_memory(struct ax_err *err)
{
    return ax_fail(err, AX_E_LIMIT, "no memory for another event of a window");
}

/* ---- What moves along. ---- */

static uint64_t chunk_rows(const struct ax_window_chunk *chunk, int64_t from, int64_t to)
{
    uint32_t count = chunk->count;
    return ax_window_mask(ax_window_chunk_upto(chunk, count, from),
                          ax_window_chunk_upto(chunk, count, to));
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
static void slides_leave(struct ax_window_state *state)
{
    struct ax_window *window = container_of(state, struct ax_window, state);
    const struct ax_window_log *log = &state->log;
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    for (size_t i = 0; window->moving && i < window->spec->window_count; i++) {
        struct range_slides *slides = &window->moving[i];
        if (!slides->is_valid)
            continue;
        slides_remove(window, i, chunk, chunk_rows(chunk, slides->from, slides->to));
        ax_window_cursor_leave(log, &slides->first);
        ax_window_cursor_leave(log, &slides->next);
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
    slides->first = slides->next = ax_window_cursor_at(&window->state.log, from);
    slides->is_valid = true;
}

/* Turn a range's slides that are spent: they have lost all rows before `from`. */
static bool slides_turn(struct ax_window *window, size_t range)
{
    struct range_slides *slides = &window->moving[range];
    const struct ax_window_log *log = &window->state.log;
    for (size_t i = 0; i < window->spec->windows[range].accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = range_accumulator(window, range, i);
        struct ax_window_slide *slide = &slides->slides[i];
        if (!slide->is_spent)
            continue;
        ax_window_slide_clear(accumulator, slide);
        struct ax_window_chunks chunks = ax_window_log_chunks(log);
        size_t first = ax_window_chunks_after(&chunks, slides->from);
        size_t c = AX_MIN(ax_window_chunks_after(&chunks, slides->to) + 1, log->count);
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
    const struct ax_window_log *log = &window->state.log;
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

/* ---- Putting events in. ---- */

void ax_window_forget(struct ax_window *window, int64_t floor)
{
    assert(window);
    ax_window_state_forget(&window->state, floor);
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
    struct ax_window_key key = { .time = event->time,
                                 .version = { event->created, event->sequence } };
    ax_window_text_borrow(&key.id, event->id);
    struct ax_window_place place;
    window->state.oldest = AX_MIN(window->state.oldest, event->time);
    window->is_broken |= !ax_window_log_put(&window->state.log, &key, columns, row, true, &place);
    window->is_broken |= !ax_window_state_archive(&window->state);
    return window->is_broken ? window_fail_memory(err) : AX_OK;
}

enum ax_code ax_window_put(struct ax_window *window, const struct ax_window_event *event,
                           const struct ax_values *const *columns, size_t row, struct ax_err *err)
{
    assert(window && event && err);
    assert(columns || event->is_gone || window->spec->source_count == 0);
    if (window->is_broken)
        return window_fail_memory(err);
    if (ax_window_check_event(window->spec, event, columns, row, err))
        return err->code;
    if (window->mode == AX_WINDOW_SORTED)
        return put_sorted(window, event, columns, row, err);
    return ax_window_state_put(&window->state, event, ax_hash(event->id), columns, row)
               ? AX_OK
               : window_fail_memory(err);
}

/* ---- Reading. ---- */

static struct ax_window_picture window_picture(const struct ax_window *window)
{
    const struct ax_window_state *state = &window->state;
    const struct ax_window_tiles *tiles = &state->tiles;
    return (struct ax_window_picture){
        .spec = window->spec,
        .chunks = ax_window_log_chunks(&state->log),
        .archived = state->log.archived,
        .live_rows = state->log.rows - state->log.archived_rows,
        .tiles = tiles->count ? tiles->list + tiles->head : NULL,
        .tile_count = tiles->count,
        .is_ours = true,
    };
}

/* The slide that has the rows of the range's accumulator number `slot`, or NULL: they are added. */
static struct ax_window_slide *window_slide(const struct ax_window *window, size_t range,
                                            size_t slot)
{
    if (!window->moving || !range_accumulator(window, range, slot)->slides)
        return NULL;
    struct ax_window_slide *slide = &window->moving[range].slides[slot];
    return slide->is_off ? NULL : slide;
}

/* Read the tiles from `at` to the last by what is cached of all but the last. */
static bool read_tiles_cached(struct ax_window *window, size_t range,
                              const struct ax_window_reading *reading, size_t at)
{
    const struct ax_window_tiles *tiles = &window->state.tiles;
    struct tile_cache *cache = &window->caches[range];
    size_t from = tiles->dropped + at, to = tiles->dropped + tiles->count - 1;
    if (cache->changes != tiles->changes || cache->from != from || cache->to > to) {
        ax_window_range_clear(window->spec, reading->range, cache->partial);
        cache->changes = tiles->changes;
        cache->from = cache->to = from;
    }
    for (; cache->to < to; cache->to++) {
        const struct ax_window_tile *tile = ax_window_tiles_at(tiles, cache->to - tiles->dropped);
        if (!ax_window_range_merge(window->spec, reading->range, cache->partial, tile->partial)) {
            cache->from = SIZE_MAX;
            return false;
        }
    }
    return ax_window_range_merge(window->spec, reading->range, reading->partial, cache->partial) &&
           ax_window_read_tile(reading, ax_window_tiles_at(tiles, tiles->count - 1));
}

static bool read_tiles(struct ax_window *window, size_t range,
                       const struct ax_window_reading *reading, size_t at)
{
    const struct ax_window_tiles *tiles = &window->state.tiles;
    bool has_self =
        reading->self.is_there && reading->self.place.chunk < reading->picture->archived;
    if (!has_self && ax_window_tiles_at(tiles, at)->first > reading->from &&
        ax_window_tiles_at(tiles, tiles->count - 1)->last <= reading->to)
        return read_tiles_cached(window, range, reading, at);
    return ax_window_read_tiles(reading, at);
}

/* All that lies between the edges, into the window's parts: what slides is read where it is unless
 * there are tiles besides, all else is brought together in the scratch partial. */
static bool window_read(struct ax_window *window, size_t range,
                        const struct ax_window_reading *reading)
{
    const struct ax_window_picture *picture = reading->picture;
    size_t tile = picture->tile_count;
    if (tile)
        tile = ax_window_tile_after(picture->tiles, tile, reading->from);
    bool has_tiles = tile < picture->tile_count, all_slide = true;
    if (window->moving && window->moving[range].count &&
        !slides_move(window, range, reading->from, reading->to))
        return false;
    for (size_t i = 0; i < reading->range->accumulator_count; i++) {
        const struct ax_window_accumulator *accumulator = range_accumulator(window, range, i);
        struct ax_window_slide *slide = window_slide(window, range, i);
        void *part = slide && !has_tiles ? ax_window_slide_part(accumulator, slide) : NULL;
        window->are_slid[i] = slide != NULL;
        all_slide &= slide != NULL;
        window->parts[i] = part;
        if (part)
            continue;
        window->parts[i] = (char *)reading->partial + accumulator->offset;
        ax_window_part_clear(accumulator, window->parts[i], false);
        if (slide && !ax_window_slide_merge(accumulator, slide, window->parts[i]))
            return false;
    }
    if (has_tiles && !read_tiles(window, range, reading, tile))
        return false;
    return all_slide || ax_window_read_chunks(reading);
}

static enum ax_code check_moment(const struct ax_window *window, int64_t at,
                                 const struct ax_str *self, struct ax_err *err)
{
    if (ax_window_check_moment(at, window->state.floor, err))
        return err->code;
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
    if (window->is_broken || !ax_window_tiles_renew(&window->state.tiles, &window->state.log))
        return window_fail_memory(err);
    const struct ax_window_spec *spec = window->spec;
    struct ax_window_picture picture = window_picture(window);
    struct ax_window_reading reading = { .picture = &picture,
                                         .to = at,
                                         .partial = window->scratch.partial,
                                         .are_left_out = window->are_slid };
    if (self) {
        reading.self = ax_window_state_find(&window->state, *self);
        reading.self.is_there &= !reading.self.is_grave;
    }
    int64_t exact_from = ax_window_exact_from(&picture, at);
    for (size_t i = 0; i < spec->window_count; i++) {
        const struct ax_window_range *range = &spec->windows[i];
        reading.range = range;
        reading.from = ax_window_range_from(range, at, exact_from);
        if (!window_read(window, i, &reading))
            return window_fail_memory(err);
        for (size_t k = 0; k < range->reader_count; k++) {
            size_t number = range->readers[k];
            const struct ax_window_reader *reader = &spec->readers[number];
            ax_window_part_result(reader, &spec->accumulators[reader->accumulator],
                                  window->parts[reader->slot], &window->scratch.rooms[number],
                                  &window->scratch.values[number]);
        }
    }
    *ret_values = window->scratch.values;
    return AX_OK;
}

/* What reading takes: the scratch partial and the caches. */
static size_t window_scratch_bytes(const struct ax_window *window)
{
    size_t bytes = ax_window_partial_heap(window->spec, window->scratch.partial) +
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
    const struct ax_window_state *state = &window->state;
    return sizeof *window + ax_window_log_bytes(&state->log) + ax_window_log_bytes(&state->graves) +
           state->index.room * sizeof *state->index.entries + ax_window_tiles_bytes(&state->tiles) +
           window_scratch_bytes(window);
}

size_t ax_window_rows(const struct ax_window *window)
{
    assert(window);
    return window->state.log.rows;
}
