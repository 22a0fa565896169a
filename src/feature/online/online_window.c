/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state (window_state.h) whose pieces are shared, and a root: the list of its chunks and tiles,
 * and of branches, which stand for 16 tiles each where a window has all of them.
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
#include "base/hash.h"
#include "feature/window_state.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

/* Events for which is asked at once, in so many steps; events that are under way. */
enum { GROUP = 8, STEPS = 3, RING = GROUP * (STEPS + 1) };

struct window_root {
    struct ax_window_piece piece;
    int64_t floor;
    size_t archived, chunk_count, tile_count, branch_count;
    size_t live_rows;     /* in chunks that are not archived, but for the last */
    size_t tiles_dropped; /* so many were in front of the first */
    struct ax_window_tile **tiles, **branches; /* behind the chunks */
    struct ax_window_chunk *chunks[];
};

struct ax_online_window {
    struct ax_window_piece piece;
    const struct ax_window_spec *spec;
    struct ax_window_shared shared;
    /* From here on, where a line of the cache begins, is what an event needs. */
    struct window_root *_Atomic root; /* NULL: nothing was put in yet */
    struct ax_window_state state;
};
_Static_assert(offsetof(struct ax_online_window, root) % AX_CACHE_LINE == 0, "approach_group");

static size_t root_bytes(size_t pointers)
{
    return sizeof(struct window_root) + pointers * sizeof(void *);
}

static void root_destroy(struct ax_window_heap *heap, struct ax_window_piece *piece)
{
    struct window_root *root = container_of(piece, struct window_root, piece);
    size_t pointers = root->chunk_count + root->tile_count + root->branch_count;
    ax_window_piece_free(heap, root, root_bytes(pointers), false);
}

static void window_destroy(struct ax_window_heap *heap, struct ax_window_piece *piece)
{
    ax_window_piece_free(heap, container_of(piece, struct ax_online_window, piece),
                         sizeof(struct ax_online_window), true);
}

enum ax_code ax_online_window_new(const struct ax_window_spec *spec, struct ax_window_heap *heap,
                                  struct ax_online_window **ret_window, struct ax_err *err)
{
    assert(spec && heap && ret_window && err);
    struct ax_window_shared shared = { .heap = heap };
    struct ax_online_window *window =
        ax_window_piece_new(&shared, sizeof *window, true, window_destroy);
    if (!window)
        return ax_fail(err, AX_E_LIMIT,
                       "no memory for windows of another key; raise online_memory_bytes_max");
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

/* Number of the branch that tile number `tile` belongs to, among those of the root. */
static size_t root_branch(const struct window_root *root, size_t tile)
{
    return tile / AX_WINDOW_BRANCH_TILES - root->tiles_dropped / AX_WINDOW_BRANCH_TILES;
}

/* Tiles are as they were when they were published, so a branch of the same ones is the same. */
static struct ax_window_tile *find_branch(struct window_root *old, size_t tile,
                                          struct ax_window_tile *const *list)
{
    if (!old || tile < old->tiles_dropped ||
        tile + AX_WINDOW_BRANCH_TILES > old->tiles_dropped + old->tile_count)
        return NULL;
    struct ax_window_tile *const *tiles = old->tiles + (tile - old->tiles_dropped);
    struct ax_window_tile **branch = &old->branches[root_branch(old, tile)];
    if (!*branch || memcmp(tiles, list, AX_WINDOW_BRANCH_TILES * sizeof *list) != 0)
        return NULL;
    return *branch;
}

/* Branches of tiles that are all there, with others behind them, since the last tile often
 * changes. */
static void root_make_branches(struct window_root *root, struct window_root *old,
                               struct ax_window_tiles *tiles)
{
    size_t end = root->tiles_dropped + root->tile_count;
    for (size_t i = 0; i < root->branch_count; i++) {
        size_t tile = (root->tiles_dropped / AX_WINDOW_BRANCH_TILES + i) * AX_WINDOW_BRANCH_TILES;
        root->branches[i] = NULL;
        if (tile < root->tiles_dropped || tile + AX_WINDOW_BRANCH_TILES >= end)
            continue;
        struct ax_window_tile *const *list = root->tiles + (tile - root->tiles_dropped);
        root->branches[i] = find_branch(old, tile, list);
        if (!root->branches[i])
            root->branches[i] = ax_window_tiles_branch(tiles, list);
    }
}

static bool root_has_branch(const struct window_root *root, const struct ax_window_tile *branch)
{
    for (size_t i = 0; root && i < root->branch_count; i++) {
        if (root->branches[i] == branch)
            return true;
    }
    return false;
}

/* A root was replaced by another one, or by none. */
static void root_drop(struct ax_window_shared *shared, struct window_root *old,
                      const struct window_root *root)
{
    for (size_t i = 0; i < old->branch_count; i++) {
        if (old->branches[i] && !root_has_branch(root, old->branches[i]))
            ax_window_piece_drop(shared, &old->branches[i]->piece);
    }
    ax_window_piece_drop(shared, &old->piece);
}

/* A root of what the state has. NULL: memory was refused. */
static struct window_root *root_new(struct ax_online_window *window, struct window_root *old)
{
    const struct ax_window_log *log = &window->state.log;
    struct ax_window_tiles *tiles = &window->state.tiles;
    size_t branch_count = tiles->count
                              ? (tiles->dropped + tiles->count - 1) / AX_WINDOW_BRANCH_TILES -
                                    tiles->dropped / AX_WINDOW_BRANCH_TILES + 1
                              : 0;
    size_t pointers = log->count + tiles->count + branch_count;
    struct window_root *root =
        ax_window_piece_new(&window->shared, root_bytes(pointers), false, root_destroy);
    if (!root)
        return NULL;
    root->floor = window->state.floor;
    root->archived = log->archived;
    root->chunk_count = log->count;
    root->tile_count = tiles->count;
    root->branch_count = branch_count;
    root->tiles_dropped = tiles->dropped;
    root->tiles = (struct ax_window_tile **)(void *)(root->chunks + log->count);
    root->branches = root->tiles + tiles->count;
    root->live_rows = log->rows - log->archived_rows;
    if (log->archived < log->count)
        root->live_rows -= ax_window_log_chunk(log, log->count - 1)->count;
    if (log->count)
        memcpy(root->chunks, log->chunks + log->head, log->count * sizeof *root->chunks);
    if (tiles->count)
        memcpy(root->tiles, tiles->list + tiles->head, tiles->count * sizeof *root->tiles);
    root_make_branches(root, old, tiles);
    return root;
}

/* Show readers what the state has. False: memory was refused. */
static bool window_publish(struct ax_online_window *window)
{
    struct ax_window_state *state = &window->state;
    (void)!ax_window_tiles_renew(&state->tiles, &state->log); /* Else rows are read instead. */
    ax_window_tiles_trim(&state->tiles);
    struct window_root *old = writers_root(window);
    struct window_root *root = root_new(window, old);
    if (!root)
        return false;
    atomic_store_explicit(&window->root, root, memory_order_release);
    if (old)
        root_drop(&window->shared, old, root);
    ax_window_shared_publish(&window->shared);
    state->is_dirty = false;
    return true;
}

void ax_online_window_drop(struct ax_online_window *window)
{
    if (!window)
        return;
    struct ax_window_shared *shared = &window->shared;
    ax_window_state_done(&window->state);
    if (writers_root(window))
        root_drop(shared, writers_root(window), NULL);
    ax_window_piece_drop(shared, &window->piece);
    struct ax_window_shared last = *shared;
    ax_window_shared_publish(&last); /* Which may free the window. */
}

/* Once more when readers have left what was replaced. */
static bool window_publish_dirty(struct ax_online_window *window)
{
    return !window->state.is_dirty || window_publish(window) ||
           (ax_window_heap_flush(window->shared.heap) && window_publish(window));
}

/* Windows forget what the floor does not reach, and those that are not as readers see them are
 * published, once each; events of those that cannot be are refused. */
static void publish_all(struct ax_online_window_put *puts, size_t count, int64_t floor,
                        struct ax_err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct ax_online_window_put *put = &puts[i];
        if (ax_window_state_has_past(&put->window->state, floor))
            ax_window_state_forget(&put->window->state, floor);
        if (put->ret_code || window_publish_dirty(put->window))
            continue;
        put->ret_code = AX_E_LIMIT;
        if (!err->code)
            (void)ax_fail(err, AX_E_LIMIT,
                          "no memory for another event of a window; raise online_memory_bytes_max");
    }
}

/* Put in the event of number `at`; `reason`, which is clean, tells why not. When memory is short,
 * what all before it replaced is freed, of which `err` tells. */
static void put_event(struct ax_online_window_put *puts, size_t at, uint64_t hash, int64_t floor,
                      struct ax_err *err, struct ax_err *reason)
{
    struct ax_online_window_put *put = &puts[at];
    struct ax_window_state *state = &put->window->state;
    put->ret_code = ax_window_check_event(state->spec, put->event, put->columns, put->row, reason);
    if (put->ret_code)
        return;
    if (ax_window_state_put(state, put->event, hash, put->columns, put->row))
        return;
    publish_all(puts, at, floor, err);
    if (!window_publish_dirty(put->window) || !ax_window_heap_flush(put->window->shared.heap) ||
        !ax_window_state_put(state, put->event, hash, put->columns, put->row))
        put->ret_code =
            ax_fail(reason, AX_E_LIMIT,
                    "no memory for another event of a window; raise online_memory_bytes_max");
}

/* What the events of a group touch is asked for in steps, in each by what came with the one before:
 * the state; the id's place and the head of the last chunk; the row. */
static void approach_group(const struct ax_online_window_put *puts, size_t from, size_t to,
                           size_t step, uint64_t *hashes)
{
    if (step == 2) {
        for (size_t i = from; i < to; i++)
            ax_window_state_approach_row(&puts[i].window->state);
    } else if (step == 1) {
        for (size_t i = from; i < to; i++) {
            const struct ax_window_state *state = &puts[i].window->state;
            hashes[i % RING] = ax_hash(puts[i].event->id);
            __builtin_prefetch(ax_window_index_near(&state->index, hashes[i % RING]));
            __builtin_prefetch(state->log.last);
            __builtin_prefetch((const char *)state->log.last + AX_CACHE_LINE);
        }
    } else {
        for (size_t i = from; i < to; i++) {
            __builtin_prefetch(&puts[i].window->root);
            __builtin_prefetch((const char *)&puts[i].window->root + AX_CACHE_LINE);
        }
    }
}

static void put_group(struct ax_online_window_put *puts, size_t from, size_t to,
                      const uint64_t *hashes, int64_t floor, struct ax_err *err)
{
    struct ax_err later; /* of events behind one that was refused; its text is nobody's */
    for (size_t i = from; i < to; i++) {
        later.code = AX_OK;
        put_event(puts, i, hashes[i % RING], floor, err, err->code ? &later : err);
    }
}

/* While a group is put in, what the next ones touch is under way. */
enum ax_code ax_online_window_put_all(struct ax_online_window_put *puts, size_t count,
                                      int64_t floor, struct ax_err *err)
{
    assert((puts || !count) && err);
    const size_t ahead = (size_t)STEPS * GROUP;
    uint64_t hashes[RING];
    for (size_t at = 0; at < count + ahead; at += GROUP) {
        for (size_t step = 0; step < STEPS && step * GROUP <= at; step++) {
            size_t from = at - step * GROUP;
            approach_group(puts, from, AX_MIN(from + GROUP, count), step, hashes);
        }
        if (at >= ahead) {
            size_t from = at - ahead;
            put_group(puts, from, AX_MIN(from + GROUP, count), hashes, floor, err);
        }
    }
    publish_all(puts, count, floor, err);
    return err->code;
}

enum ax_code ax_online_window_put(struct ax_online_window *window,
                                  const struct ax_window_event *event,
                                  const struct ax_values *const *columns, size_t row,
                                  struct ax_err *err)
{
    assert(window && event && err);
    struct ax_online_window_put put = { window, event, columns, row, AX_OK };
    return ax_online_window_put_all(&put, 1, AX_WINDOW_FLOOR_NONE, err);
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
    picture.tiles = root->tiles;
    picture.tile_count = root->tile_count;
    picture.branches = root->branches;
    picture.tiles_before = root->tiles_dropped % AX_WINDOW_BRANCH_TILES;
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
