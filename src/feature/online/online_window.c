/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state (window_state.h) whose pieces are shared, and a root: the list of its chunks and tiles.
 * Readers load the root, then the count of the last chunk, and have all of a picture. An event that
 * comes behind all others is there with that count; anything else is there with a new root, which
 * costs a pointer a chunk and tile. So do every 64th event in order, since chunks go under tiles
 * then.
 *
 * A tree of roots would make late events of an entity with very many rows in reach cheaper; with
 * 100,000 rows a root has 1,600 pointers, which is less than what a chunk of rows takes.
 */
#include "feature/online/online_window.h"

#include "base/alloc.h"
#include "feature/window_state.h"

#include <assert.h>
#include <stdlib.h>

struct window_root {
    struct ax_window_piece piece;
    int64_t floor;
    size_t archived, chunk_count, tile_count;
    size_t live_rows;                 /* in chunks that are not archived, but for the last */
    struct ax_window_chunk *chunks[]; /* and behind them the tiles */
};

struct ax_online_window {
    struct ax_window_piece piece;
    const struct ax_window_spec *spec;
    struct window_root *_Atomic root; /* NULL: nothing was put in yet */
    struct ax_window_shared shared;
    struct ax_window_state state;
};

static void free_piece(struct ax_window_piece *piece)
{
    free(piece);
}

enum ax_code ax_online_window_new(const struct ax_window_spec *spec, struct ax_window_heap *heap,
                                  struct ax_online_window **ret_window, struct ax_err *err)
{
    assert(spec && heap && ret_window && err);
    struct ax_window_shared shared = { .heap = heap };
    struct ax_online_window *window = ax_window_piece_new(&shared, sizeof *window, free_piece);
    if (!window)
        return ax_fail(err, AX_E_LIMIT, "no memory for windows of another key");
    shared.published = 1; /* With the new window itself. */
    window->spec = spec;
    window->shared = shared;
    atomic_init(&window->root, NULL);
    ax_window_state_init(&window->state, spec, AX_WINDOW_ANY, &window->shared);
    *ret_window = window;
    return AX_OK;
}

static struct window_root *writers_root(const struct ax_online_window *window)
{
    return atomic_load_explicit(&window->root, memory_order_relaxed);
}

void ax_online_window_drop(struct ax_online_window *window)
{
    if (!window)
        return;
    struct ax_window_shared *shared = &window->shared;
    ax_window_state_done(&window->state);
    if (writers_root(window))
        ax_window_piece_drop(shared, &writers_root(window)->piece);
    ax_window_piece_drop(shared, &window->piece);
    struct ax_window_shared last = *shared;
    ax_window_shared_publish(&last); /* Which may free the window. */
}

/* Show readers what the state has. False: memory was refused. */
static bool window_publish(struct ax_online_window *window)
{
    struct ax_window_state *state = &window->state;
    const struct ax_window_log *log = &state->log;
    struct ax_window_tiles *tiles = &state->tiles;
    (void)!ax_window_tiles_renew(tiles, log); /* Rows are read instead of what stays stale. */
    ax_window_tiles_trim(tiles);
    size_t pointers = log->count + tiles->count;
    struct window_root *root = ax_window_piece_new(
        &window->shared, sizeof *root + pointers * sizeof *root->chunks, free_piece);
    if (!root)
        return false;
    root->floor = state->floor;
    root->archived = log->archived;
    root->chunk_count = log->count;
    root->tile_count = tiles->count;
    root->live_rows = log->rows - log->archived_rows;
    if (log->archived < log->count)
        root->live_rows -= ax_window_log_chunk(log, log->count - 1)->count;
    if (log->count)
        memcpy(root->chunks, log->chunks + log->head, log->count * sizeof *root->chunks);
    if (tiles->count)
        memcpy(root->chunks + log->count, tiles->list + tiles->head,
               tiles->count * sizeof *tiles->list);
    struct window_root *old = writers_root(window);
    atomic_store_explicit(&window->root, root, memory_order_release);
    if (old)
        ax_window_piece_drop(&window->shared, &old->piece);
    ax_window_shared_publish(&window->shared);
    state->is_dirty = false;
    return true;
}

/* Once more when readers have left what was replaced. */
static bool window_publish_dirty(struct ax_online_window *window)
{
    return !window->state.is_dirty || window_publish(window) ||
           (ax_window_heap_flush(window->shared.heap) && window_publish(window));
}

enum ax_code ax_online_window_put(struct ax_online_window *window,
                                  const struct ax_window_event *event,
                                  const struct ax_values *const *columns, size_t row,
                                  struct ax_err *err)
{
    assert(window && event && err);
    struct ax_window_state *state = &window->state;
    if (ax_window_check_event(window->spec, event, columns, row, err))
        return err->code;
    bool is_in = ax_window_state_put(state, event, columns, row) ||
                 (ax_window_heap_flush(window->shared.heap) &&
                  ax_window_state_put(state, event, columns, row));
    if (!is_in || !window_publish_dirty(window))
        return ax_fail(err, AX_E_LIMIT, "no memory for another event of a window");
    return AX_OK;
}

bool ax_online_window_forget(struct ax_online_window *window, int64_t floor)
{
    assert(window);
    struct ax_window_state *state = &window->state;
    ax_window_state_forget(state, floor);
    (void)window_publish_dirty(window); /* Refused: with the next event. */
    return !state->log.rows && !state->graves.rows && !state->is_dirty;
}

/* ---- Reading. ---- */

static struct ax_window_picture root_picture(const struct ax_window_spec *spec,
                                             const struct window_root *root)
{
    struct ax_window_picture picture = { .spec = spec };
    if (!root)
        return picture;
    picture.chunks.list = root->chunks;
    picture.chunks.count = root->chunk_count;
    picture.archived = root->archived;
    picture.live_rows = root->live_rows;
    picture.tiles =
        (struct ax_window_tile *const *)(const void *)(root->chunks + root->chunk_count);
    picture.tile_count = root->tile_count;
    if (root->chunk_count) {
        const struct ax_window_chunk *last = root->chunks[root->chunk_count - 1];
        picture.chunks.last_rows = atomic_load_explicit(&last->count, memory_order_acquire);
    }
    if (root->archived < root->chunk_count)
        picture.live_rows += picture.chunks.last_rows;
    return picture;
}

enum ax_code ax_online_window_get(const struct ax_online_window *window, int64_t at,
                                  const struct ax_str *self, struct ax_window_scratch *scratch,
                                  const struct ax_window_value **ret_values, struct ax_err *err)
{
    assert(window && scratch && ret_values && err);
    const struct window_root *root = atomic_load_explicit(&window->root, memory_order_acquire);
    if (ax_window_check_moment(at, root ? root->floor : AX_WINDOW_FLOOR_NONE, err))
        return err->code;
    struct ax_window_picture picture = root_picture(window->spec, root);
    if (!ax_window_read(&picture, at, self, scratch))
        return ax_fail(err, AX_E_LIMIT, "no memory for the values of windows");
    *ret_values = scratch->values;
    return AX_OK;
}
