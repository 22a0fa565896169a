/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting in an event: its id is looked up; the row is put in, then the row of the older version is
 * taken out, so that a refusal in between changes nothing. Then chunks go to the archive while N
 * rows stay, or come back from it when fewer than N are left. A refusal there is no failure: more
 * rows than N may stay, and a tile that could not be filled is stale.
 *
 * Of a state that is shared, an event with a new id that comes behind all others needs only the
 * count of the last chunk: readers see it at once. All else makes pieces anew, and leaves the state
 * dirty until it is published: an event that moves would else be seen twice, or not at all.
 */
#include "feature/window_state.h"

#include "base/hash.h"

#include <assert.h>

#define ID_BYTES_MAX   ((size_t)64 << 10)
#define TEXT_BYTES_MAX ((size_t)64 << 10)

void ax_window_state_init(struct ax_window_state *state, const struct ax_window_spec *spec,
                          enum ax_window_mode mode, struct ax_window_shared *shared)
{
    *state = (struct ax_window_state){ .spec = spec,
                                       .shared = shared,
                                       .keeps_ids = mode == AX_WINDOW_ANY,
                                       .floor = AX_WINDOW_FLOOR_NONE,
                                       .oldest = INT64_MAX,
                                       .archived = INT64_MIN,
                                       .index.heap = shared ? shared->heap : NULL };
    ax_window_log_init(&state->log, spec, shared);
    ax_window_log_init(&state->graves, NULL, shared);
    ax_window_tiles_init(&state->tiles, spec, shared);
}

/* Have what is no piece be counted. */
static void state_count(struct ax_window_state *state)
{
    if (!state->shared)
        return;
    size_t bytes = (state->log.room + state->graves.room) * sizeof *state->log.chunks +
                   state->tiles.room * sizeof *state->tiles.list +
                   state->index.room * sizeof *state->index.entries;
    if (bytes == state->counted)
        return;
    ax_window_heap_count(state->shared->heap, state->counted, bytes);
    state->counted = bytes;
}

void ax_window_state_done(struct ax_window_state *state)
{
    ax_window_log_done(&state->log);
    ax_window_log_done(&state->graves);
    ax_window_index_done(&state->index);
    ax_window_tiles_done(&state->tiles);
    state_count(state);
}

void ax_window_state_clear(struct ax_window_state *state)
{
    ax_window_log_clear(&state->log);
    ax_window_log_clear(&state->graves);
    ax_window_index_clear(&state->index);
    ax_window_tiles_clear(&state->tiles);
    state->floor = AX_WINDOW_FLOOR_NONE;
    state->oldest = INT64_MAX;
    state->archived = INT64_MIN;
}

/* ---- What is no longer reached. ---- */

/* An event that was known within reach goes: an older version of it could come. Refused: it is
 * forgotten. */
static void state_bury(struct ax_window_state *state, const struct ax_window_name *name,
                       uint64_t hash)
{
    const struct ax_window_key key = { .time = state->floor,
                                       .id = name->id,
                                       .version = name->version };
    struct ax_window_place place;
    if (ax_window_index_reserve(&state->index) &&
        ax_window_log_put(&state->graves, &key, NULL, 0, /* at_once= */ false, &place))
        ax_window_index_put(&state->index, hash, /* is_grave= */ true, key.time);
}

static void state_drop_first(struct ax_window_state *state, struct ax_window_log *log,
                             bool is_grave, int64_t past)
{
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    uint64_t hashes[AX_WINDOW_CHUNK_ROWS];
    const struct ax_window_name *names = ax_window_chunk_names(chunk);
    uint32_t count = state->keeps_ids ? chunk->count : 0;
    for (uint32_t row = 0; row < count; row++) {
        hashes[row] = ax_hash(ax_window_text_str(&names[row].id));
        __builtin_prefetch(ax_window_index_near(&state->index, hashes[row]));
    }
    for (uint32_t row = 0; row < count; row++) {
        ax_window_index_remove(&state->index, hashes[row], is_grave, chunk->times[row]);
        if (!is_grave && names[row].version.created > past)
            state_bury(state, &names[row], hashes[row]);
    }
    if (!is_grave && state->leaving)
        state->leaving(state);
    ax_window_log_drop_first(log);
    state->is_dirty |= !is_grave;
}

/* The last time of what would go next. */
static int64_t log_oldest(const struct ax_window_log *log)
{
    if (!log->count)
        return INT64_MAX;
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, 0);
    return chunk->times[chunk->count - 1];
}

void ax_window_state_forget(struct ax_window_state *state, int64_t floor)
{
    floor = AX_MIN(floor, AX_WINDOW_TIME_MAX);
    if (floor <= state->floor)
        return;
    state->floor = floor;
    int64_t past = floor - state->spec->reach_us;
    if (state->oldest > past)
        return;
    struct ax_window_tiles *tiles = &state->tiles;
    size_t tile_count = tiles->count;
    ax_window_tiles_drop(tiles, past);
    state->is_dirty |= tile_count != tiles->count;
    while (log_oldest(&state->log) <= past)
        state_drop_first(state, &state->log, false, past);
    while (log_oldest(&state->graves) <= past)
        state_drop_first(state, &state->graves, true, past);
    state->oldest = AX_MIN(log_oldest(&state->log), log_oldest(&state->graves));
    if (tiles->count && !state->keeps_ids) /* Else they go when a chunk does, of their rows. */
        state->oldest = AX_MIN(state->oldest, ax_window_tiles_at(tiles, 0)->last);
    if (state->shared) {
        ax_window_index_trim(&state->index);
        state_count(state);
    }
}

/* ---- The newest N stay rows, the older ones are tiles. ---- */

bool ax_window_state_archive(struct ax_window_state *state)
{
    struct ax_window_log *log = &state->log;
    struct ax_window_tiles *tiles = &state->tiles;
    while (log->archived + 1 < log->count &&
           log->rows - log->archived_rows > state->spec->exact_events) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, log->archived);
        if (log->rows - log->archived_rows - chunk->count < state->spec->exact_events)
            break;
        size_t parts = ax_window_tiles_parts(tiles, state->floor, chunk, 0, chunk->count);
        if (!ax_window_tiles_reserve(tiles, parts))
            break; /* It can stay a while longer. */
        state->archived = AX_MAX(state->archived, chunk->times[chunk->count - 1]);
        bool added = ax_window_tiles_add(tiles, state->floor, chunk, 0, chunk->count);
        state->is_dirty = true;
        if (state->keeps_ids) {
            ax_window_log_archive(log);
        } else {
            state->leaving(state);
            ax_window_log_drop_first(log);
        }
        if (!added && !state->keeps_ids)
            return false;
    }
    return true;
}

static void state_unarchive(struct ax_window_state *state)
{
    struct ax_window_log *log = &state->log;
    while (log->archived && log->rows - log->archived_rows < state->spec->exact_events) {
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, log->archived - 1);
        if (!ax_window_tiles_own(&state->tiles, chunk->times[0]))
            return; /* It can stay there. */
        ax_window_log_unarchive(log);
        int64_t last = AX_WINDOW_FLOOR_NONE;
        if (log->archived) {
            const struct ax_window_chunk *before = ax_window_log_chunk(log, log->archived - 1);
            last = before->times[before->count - 1];
        }
        ax_window_tiles_cut(&state->tiles, chunk->times[0], last);
        state->archived = last;
        state->is_dirty = true;
    }
}

/* ---- Putting events in. ---- */

enum ax_code ax_window_check_event(const struct ax_window_spec *spec,
                                   const struct ax_window_event *event,
                                   const struct ax_values *const *columns, size_t row,
                                   struct ax_err *err)
{
    if (event->time < -AX_WINDOW_TIME_MAX || event->time > AX_WINDOW_TIME_MAX)
        return ax_fail(err, AX_E_INVALID, "an event's time is too far from 1970");
    if (event->id.len > ID_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "an event's id has %zu bytes; %zu are the most",
                       event->id.len, ID_BYTES_MAX);
    for (size_t i = 0; i < spec->source_count && !event->is_gone; i++) {
        assert(row < columns[i]->rows && ax_type_equals(columns[i]->type, spec->columns[i].type));
        if (spec->columns[i].kind == AX_WINDOW_CELL_TEXT && !ax_values_is_null(columns[i], row) &&
            columns[i]->texts[row].len > TEXT_BYTES_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "an event's text has %zu bytes; %zu are the most",
                           columns[i]->texts[row].len, TEXT_BYTES_MAX);
    }
    return AX_OK;
}

static struct ax_window_found state_find(const struct ax_window_state *state,
                                         const struct ax_window_text *id, uint64_t hash)
{
    struct ax_window_index_entry entry;
    for (size_t at = SIZE_MAX; ax_window_index_next(&state->index, hash, &at, &entry);) {
        bool is_grave = entry.hash & 1;
        const struct ax_window_log *log = is_grave ? &state->graves : &state->log;
        struct ax_window_place place = ax_window_log_seek(log, entry.time, id);
        const struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
        if (place.row < chunk->count && chunk->times[place.row] == entry.time &&
            ax_window_text_compare(&ax_window_chunk_names(chunk)[place.row].id, id) == 0)
            return (struct ax_window_found){ true, is_grave, entry.time, place };
    }
    return (struct ax_window_found){ .is_there = false };
}

struct ax_window_found ax_window_state_find(const struct ax_window_state *state, struct ax_str id)
{
    struct ax_window_text text;
    ax_window_text_borrow(&text, id);
    return state_find(state, &text, ax_hash(id));
}

static bool found_is_newer(const struct ax_window_state *state, const struct ax_window_found *found,
                           const struct ax_window_event *event)
{
    const struct ax_window_log *log = found->is_grave ? &state->graves : &state->log;
    const struct ax_window_chunk *chunk = ax_window_log_chunk(log, found->place.chunk);
    const struct ax_window_version *version =
        &ax_window_chunk_names(chunk)[found->place.row].version;
    return version->created != event->created ? version->created > event->created
                                              : version->sequence >= event->sequence;
}

void ax_window_state_approach_row(const struct ax_window_state *state)
{
    const struct ax_window_spec *spec = state->spec;
    const struct ax_window_chunk *last = state->log.last;
    if (!last || last->count == last->room)
        return;
    for (size_t at = AX_CACHE_LINE; at < spec->mask_bytes; at += AX_CACHE_LINE)
        __builtin_prefetch((const char *)last->valid + at);
    uint32_t row = last->count;
    __builtin_prefetch(&ax_window_chunk_names(last)[row]);
    __builtin_prefetch(&last->times[row]);
    for (size_t i = 0; i < spec->column_count; i++) {
        const struct ax_window_column *column = &spec->columns[i];
        __builtin_prefetch(ax_window_chunk_column(last, column) +
                           row * (column->kind == AX_WINDOW_CELL_TEXT
                                      ? sizeof(struct ax_window_text)
                                      : sizeof(int64_t)));
    }
}

/* Make what has the row of an older version the writer's own, so that it can be taken out. */
static bool state_own(struct ax_window_state *state, const struct ax_window_found *old)
{
    struct ax_window_log *log = old->is_grave ? &state->graves : &state->log;
    if (!ax_window_log_own(log, old->place.chunk))
        return false;
    return old->is_grave || old->place.chunk >= log->archived ||
           ax_window_tiles_own(&state->tiles, old->time);
}

/* Take out the row of an older version. `twin`: where the new one is, when it has the same time in
 * the same log: then the old one stands right behind it. */
static void state_remove(struct ax_window_state *state, const struct ax_window_found *old,
                         const struct ax_window_text *id, const struct ax_window_place *twin)
{
    struct ax_window_log *log = old->is_grave ? &state->graves : &state->log;
    struct ax_window_place place = ax_window_log_seek(log, old->time, id);
    if (twin) {
        place = (struct ax_window_place){ twin->chunk, twin->row + 1 };
        if (place.row == ax_window_log_chunk(log, place.chunk)->count)
            place = (struct ax_window_place){ place.chunk + 1, 0 };
    }
    if (!old->is_grave && place.chunk < log->archived)
        ax_window_tiles_spoil(&state->tiles, old->time);
    ax_window_log_remove(log, place);
}

/* Keep partials of the chunks around number `middle` for readers, who cannot make them. One that
 * readers may use already stays as it is. */
static void state_fold(struct ax_window_state *state, size_t middle)
{
    struct ax_window_log *log = &state->log;
    for (size_t c = middle ? middle - 1 : 0; c <= middle + 1 && c < log->count; c++) {
        struct ax_window_chunk *chunk = ax_window_log_chunk(log, c);
        bool is_closed = c + 1 < log->count || chunk->count == AX_WINDOW_CHUNK_ROWS;
        bool is_used = chunk->folded && ax_window_piece_is_seen(state->shared, &chunk->piece);
        if (is_closed && !is_used)
            (void)ax_window_chunk_fold(chunk); /* Refused: rows are added one by one. */
    }
}

/* Whether a row at that time may be one under a tile. Looks at no chunk, which may be far. */
static bool is_archived(const struct ax_window_state *state, int64_t time)
{
    return state->log.archived &&
           (time <= state->archived || state->log.archived == state->log.count);
}

/* Where the id goes of an event of which readers may know as soon as it is behind all others in the
 * last chunk, which it does not fill; NULL: it is another one. */
static struct ax_window_index_entry *state_place_behind(const struct ax_window_state *state,
                                                        const struct ax_window_key *key,
                                                        bool is_gone, uint64_t hash)
{
    bool is_plain = state->shared && !state->is_dirty && !is_gone &&
                    key->time > state->floor - state->spec->reach_us &&
                    !is_archived(state, key->time) && ax_window_log_is_behind(&state->log, key);
    return is_plain ? ax_window_index_vacancy(&state->index, hash) : NULL;
}

bool ax_window_state_put(struct ax_window_state *state, const struct ax_window_event *event,
                         uint64_t hash, const struct ax_values *const *columns, size_t row)
{
    assert(state->keeps_ids);
    struct ax_window_key key = { .time = event->time,
                                 .version = { event->created, event->sequence } };
    ax_window_text_borrow(&key.id, event->id);
    struct ax_window_index_entry *vacancy = state_place_behind(state, &key, event->is_gone, hash);
    if (vacancy) {
        if (!ax_window_log_append(&state->log, &key, columns, row))
            return false;
        ax_window_index_fill(&state->index, vacancy, hash, false, key.time);
        state->oldest = AX_MIN(state->oldest, key.time);
        return true;
    }
    struct ax_window_found old = state_find(state, &key.id, hash);
    if (old.is_there && found_is_newer(state, &old, event))
        return true;
    bool is_grave = event->is_gone || event->time <= state->floor - state->spec->reach_us;
    if (is_grave) { /* Kept as long as an older version of it could come. */
        key.time = AX_MAX(key.time, state->floor);
        key.time = old.is_there ? AX_MAX(key.time, old.time) : key.time;
        key.time = AX_MAX(key.time, -AX_WINDOW_TIME_MAX);
    }
    struct ax_window_log *log = is_grave ? &state->graves : &state->log;
    struct ax_window_place place;
    bool is_late = is_archived(state, key.time);
    bool at_once = !old.is_there && !is_late && !state->is_dirty;
    if (!ax_window_index_reserve(&state->index) || (old.is_there && !state_own(state, &old)) ||
        (is_late && !ax_window_tiles_reserve(&state->tiles, 1)) ||
        !ax_window_log_put(log, &key, columns, row, at_once, &place))
        return false;
    struct ax_window_chunk *chunk = ax_window_log_chunk(log, place.chunk);
    state->is_dirty |= !is_grave && !ax_window_piece_is_seen(state->shared, &chunk->piece);
    state->oldest = AX_MIN(state->oldest, key.time);
    ax_window_index_put(&state->index, hash, is_grave, key.time);
    if (!is_grave && place.chunk < state->log.archived)
        (void)ax_window_tiles_add(&state->tiles, state->floor, chunk, place.row,
                                  place.row + 1); /* Refused: the tile is stale. */
    if (old.is_there) {
        bool twins = old.is_grave == is_grave && old.time == key.time;
        state_remove(state, &old, &key.id, twins ? &place : NULL);
        state->is_dirty |= !old.is_grave;
        ax_window_index_remove(&state->index, hash, old.is_grave, old.time);
        if (!is_grave) /* What was taken out may have been before it. */
            place = ax_window_log_seek(&state->log, key.time, &key.id);
    }
    state_unarchive(state);
    if (!state->shared || state->is_dirty) /* Else a few rows may stay a while longer. */
        (void)ax_window_state_archive(state);
    if (!state->shared)
        return true;
    ax_window_tiles_trim(&state->tiles);
    state_count(state);
    if (!is_grave && (state->is_dirty || chunk->count == AX_WINDOW_CHUNK_ROWS))
        state_fold(state, place.chunk);
    if (old.is_there && !old.is_grave)
        state_fold(state, ax_window_log_seek(&state->log, old.time, &key.id).chunk);
    return true;
}
