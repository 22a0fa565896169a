/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches are slots that go round: the thread that reads fills a free one and sends it, the
 * writer's gives it back. What is in a batch, keys and parts, lies in the slot's arena, since the
 * rows that they come from are gone when the next ones are read.
 *
 * A full queue of the writer is waited for: at a slot that comes back, or, when others fill it, for
 * a little while.
 */
#include "pipeline/materialize_stream.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "feature/online/online_key.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS            8
#define ARENA_BYTES_INIT ((size_t)512 << 10)
#define ARENA_BYTES_MAX  ((size_t)1 << 30)
#define TURN_NS_MAX      (100 * (uint64_t)AX_NS_PER_MS) /* between two looks at `cancelled` */

struct slot {
    struct ax_online_batch batch;
    struct ax_arena arena;
    bool is_sent;
};

struct ax_materialize_stream {
    struct ax_materialize_stream_config config;
    struct slot slots[SLOTS];
    uint64_t due_ns;  /* when the next rows may be sent */
    uint64_t refused; /* here */
    pthread_mutex_t lock;
    pthread_cond_t given_back;
    /* Guarded by lock: is_sent of the slots, and: */
    size_t sent;
    struct ax_materialize_counts counts;
    struct ax_err failed; /* what the writer said first */
};

struct ax_materialize_stream *ax_materialize_stream_new(
    const struct ax_materialize_stream_config *config)
{
    assert(config && config->writer && config->views);
    struct ax_materialize_stream *stream = ax_xalloc(sizeof(*stream));
    pthread_condattr_t monotonic;
    stream->config = *config;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->given_back, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < SLOTS; i++)
        ax_arena_init(&stream->slots[i].arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    return stream;
}

static void wait_for_all(struct ax_materialize_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->sent)
        pthread_cond_wait(&stream->given_back, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
}

void ax_materialize_stream_free(struct ax_materialize_stream *stream)
{
    if (!stream)
        return;
    wait_for_all(stream);
    for (size_t i = 0; i < SLOTS; i++)
        ax_arena_done(&stream->slots[i].arena);
    pthread_cond_destroy(&stream->given_back);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

/* ---- the writer ---- */

/* On its thread. */
static void take_back(struct ax_online_batch *batch)
{
    struct ax_materialize_stream *stream = batch->context;
    struct slot *slot = container_of(batch, struct slot, batch);
    pthread_mutex_lock(&stream->lock);
    stream->counts.written += batch->written;
    stream->counts.stale += batch->stale;
    stream->counts.refused += batch->refused;
    if (batch->err.code && !stream->failed.code)
        stream->failed = batch->err;
    slot->is_sent = false;
    stream->sent--;
    pthread_cond_signal(&stream->given_back);
    pthread_mutex_unlock(&stream->lock);
}

static enum ax_code check_cancelled(const struct ax_materialize_stream *stream, struct ax_err *err)
{
    if (stream->config.cancelled && atomic_load(stream->config.cancelled))
        return ax_fail(err, AX_E_CANCELLED, "cancelled");
    return AX_OK;
}

/* A slot that nobody has, with an empty arena. */
static enum ax_code take_slot(struct ax_materialize_stream *stream, struct slot **ret_slot,
                              struct ax_err *err)
{
    size_t at = 0;
    pthread_mutex_lock(&stream->lock);
    while (stream->sent == SLOTS)
        pthread_cond_wait(&stream->given_back, &stream->lock);
    while (stream->slots[at].is_sent)
        at++;
    if (stream->failed.code)
        *err = stream->failed;
    pthread_mutex_unlock(&stream->lock);
    if (err->code || check_cancelled(stream, err))
        return err->code;
    ax_arena_reset(&stream->slots[at].arena);
    *ret_slot = &stream->slots[at];
    return AX_OK;
}

static void mark_sent(struct ax_materialize_stream *stream, struct slot *slot, bool is_sent)
{
    pthread_mutex_lock(&stream->lock);
    slot->is_sent = is_sent;
    stream->sent += is_sent ? 1 : (size_t)-1;
    pthread_mutex_unlock(&stream->lock);
}

/* Until one of ours comes back, if there is one but this, which is in the way as long as it waits
 * itself. */
static void wait_for_room(struct ax_materialize_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    size_t sent = stream->sent;
    while (sent && stream->sent == sent)
        pthread_cond_wait(&stream->given_back, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
    bool waited = sent || ax_thread_wait_a_little(UINT64_MAX);
    assert(waited);
    (void)waited;
}

static enum ax_code send(struct ax_materialize_stream *stream, struct slot *slot,
                         struct ax_err *err)
{
    for (;;) {
        struct ax_err full = AX_ERR_INIT;
        mark_sent(stream, slot, true);
        if (!ax_online_writer_send(stream->config.writer, &slot->batch, &full))
            return AX_OK;
        mark_sent(stream, slot, false);
        if (full.code != AX_E_LIMIT) {
            *err = full;
            return err->code;
        }
        wait_for_room(stream);
        if (check_cancelled(stream, err))
            return err->code;
    }
}

/* ---- values ---- */

static enum ax_code make_keys(const struct ax_offline_latest_rows *rows, struct ax_arena *arena,
                              struct ax_str *ret_keys, struct ax_err *err)
{
    const struct ax_entity *entity = rows->view->entity;
    const struct ax_values **columns =
        ax_arena_alloc(arena, entity->key_count, sizeof(const struct ax_values *));
    if (!columns)
        return ax_arena_fail(arena, "rows of a view", err);
    for (size_t i = 0; i < entity->key_count; i++)
        columns[i] = &rows->keys[i];
    return ax_online_keys_make(entity, columns, rows->rows, arena, ret_keys, err);
}

static struct ax_online_stamp stamp_of(const struct ax_offline_latest_rows *rows, size_t row)
{
    struct ax_online_stamp stamp = { .time = AX_ONLINE_TIMELESS, .created = INT64_MIN };
    if (!ax_values_is_null(rows->times, row))
        stamp.time = rows->times->i64s[row];
    if (!ax_values_is_null(rows->known, row))
        stamp.created = rows->known->i64s[row];
    return stamp;
}

struct maker {
    const struct ax_offline_latest_rows *rows;
    const struct ax_online_layout *layout;
    const struct ax_values **fields;
    struct ax_arena *arena;
};

/* Key and part in one piece; false: there is no room. An item without a part is refused. */
static bool make_item(const struct maker *m, struct ax_str key, size_t row,
                      struct ax_online_item *item)
{
    struct ax_online_stamp stamp = stamp_of(m->rows, row);
    size_t bytes = ax_online_part_write(m->layout, &stamp, m->fields, row, NULL);
    *item = (struct ax_online_item){ .layout = m->layout, .bytes = bytes };
    if (key.len > AX_ONLINE_KEY_BYTES_MAX || bytes > AX_ONLINE_ROW_BYTES_MAX)
        return true;
    char *to = ax_arena_alloc(m->arena, 1, bytes + key.len + 1);
    if (!to)
        return false;
    (void)ax_online_part_write(m->layout, &stamp, m->fields, row, to);
    memcpy(to + bytes, key.ptr, key.len);
    item->part = (const void *)to;
    item->key = (struct ax_str){ to + bytes, key.len };
    return true;
}

/* The batch's items; *ret_refused are those that the store takes in no case. */
static enum ax_code make_items(struct slot *slot, const struct ax_online_layout *layout,
                               const struct ax_offline_latest_rows *rows, uint64_t *ret_refused,
                               struct ax_err *err)
{
    size_t count = 0;
    size_t field_count = rows->view->field_count;
    struct maker m = { .rows = rows, .layout = layout, .arena = &slot->arena };
    struct ax_str *keys = ax_arena_alloc(&slot->arena, rows->rows, sizeof(*keys));
    struct ax_online_item *items = ax_arena_alloc(&slot->arena, rows->rows, sizeof(*items));
    m.fields = ax_arena_alloc(&slot->arena, field_count, sizeof(const struct ax_values *));
    if (!keys || !items || !m.fields)
        return ax_arena_fail(&slot->arena, "rows of a view", err);
    if (make_keys(rows, &slot->arena, keys, err))
        return err->code;
    for (size_t i = 0; i < field_count; i++)
        m.fields[i] = &rows->fields[i];
    for (size_t row = 0; row < rows->rows; row++) {
        if (!make_item(&m, keys[row], row, &items[count]))
            return ax_arena_fail(&slot->arena, "rows of a view", err);
        count += items[count].part != NULL;
    }
    slot->batch.items = items;
    slot->batch.item_count = count;
    *ret_refused = rows->rows - count;
    return AX_OK;
}

/* ---- the limit ---- */

static void wait_until(struct ax_materialize_stream *stream, uint64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / AX_NS_PER_S),
                              .tv_nsec = (long)(until_ns % AX_NS_PER_S) };
    pthread_mutex_lock(&stream->lock);
    (void)pthread_cond_timedwait(&stream->given_back, &stream->lock, &until);
    pthread_mutex_unlock(&stream->lock);
}

/* Until the rows before have had their time. What was not used of it is not saved up. */
enum ax_code ax_materialize_stream_wait(struct ax_materialize_stream *stream, size_t rows,
                                        struct ax_err *err)
{
    assert(stream && err);
    uint64_t rate = stream->config.rows_per_s_max;
    uint64_t now_ns = ax_clock_ns();
    for (; rate && now_ns < stream->due_ns && !check_cancelled(stream, err); now_ns = ax_clock_ns())
        wait_until(stream, AX_MIN(stream->due_ns, now_ns + TURN_NS_MAX));
    if (rate)
        stream->due_ns = now_ns + rows * AX_NS_PER_S / rate;
    return err->code;
}

/* ---- all of it ---- */

enum ax_code ax_materialize_stream_write(struct ax_materialize_stream *stream, size_t number,
                                         const struct ax_offline_latest_rows *rows,
                                         struct ax_err *err)
{
    assert(stream && rows && rows->rows && err);
    const struct ax_online_layout *layout = stream->config.views->views[number].layout;
    struct slot *slot;
    uint64_t refused = 0;
    assert(layout && layout->field_count == rows->view->field_count);
    if (ax_materialize_stream_wait(stream, rows->rows, err) || take_slot(stream, &slot, err))
        return err->code;
    slot->batch = (struct ax_online_batch){ .kind = AX_ONLINE_VALUES,
                                            .views = stream->config.views,
                                            .number = number,
                                            .done = take_back,
                                            .context = stream };
    if (make_items(slot, layout, rows, &refused, err))
        return err->code;
    stream->refused += refused;
    return send(stream, slot, err);
}

enum ax_code ax_materialize_stream_end(struct ax_materialize_stream *stream,
                                       struct ax_materialize_counts *ret_counts, struct ax_err *err)
{
    assert(stream && ret_counts && err);
    struct slot *slot;
    if (take_slot(stream, &slot, err))
        return err->code;
    slot->batch =
        (struct ax_online_batch){ .kind = AX_ONLINE_FLUSH, .done = take_back, .context = stream };
    if (send(stream, slot, err))
        return err->code;
    wait_for_all(stream);
    if (stream->failed.code) {
        *err = stream->failed;
        return err->code;
    }
    *ret_counts = stream->counts;
    ret_counts->refused += stream->refused;
    stream->counts = (struct ax_materialize_counts){ 0 };
    stream->refused = 0;
    return AX_OK;
}
