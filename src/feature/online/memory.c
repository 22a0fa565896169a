/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The online store in memory: the reference of the seam, and what is served from.
 *
 * A hash table an entity (memory_index.h), rows in a slab that all entities share (memory_slab.h),
 * and what was replaced waits until its readers have left (memory_retired.h). Keys are looked for
 * in groups of 16 and in steps: first all slots are asked for, then all rows, and only then is a
 * key compared, so that the misses of a group overlap.
 *
 * The writer makes a row anew for each item and swaps the pointer. An item is refused before
 * anything was changed: room in the table and memory for the row come first. When memory is short,
 * it waits for what was retired to become free, and tries once more. A full store still takes newer
 * values of the keys it has: a part of its memory is kept for that.
 *
 * While an entity lacks rows, a key that is not found is asked for behind. A reader learns that it
 * does before it looks: once it does not, all rows can be found.
 */
#include "feature/online/memory_index.h"
#include "feature/online/online.h"

#include "base/alloc.h"
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GROUP         16
#define LINES_MAX     16 /* of a row, that are asked for ahead */
#define KEPT          64 /* such a part of the memory is for rows that do not grow */
#define SCRATCH_BYTES AX_ONLINE_ROW_BYTES_MAX
#define ARENA_BYTES   ((size_t)64 << 10)

struct memory_table {
    struct ax_online_entity base;
    struct ax_memory_index index;
    size_t row_bytes;       /* of all rows */
    _Atomic uint64_t rows;  /* the writer stores, any thread loads */
    _Atomic uint32_t lines; /* of a row that is neither small nor large */
    _Atomic uint32_t lacks; /* number by which the others are behind; 0: all rows are here */
    struct memory_table *next;
    char name[];
};

struct memory_store {
    struct ax_online base;
    struct ax_memory_slab slab;
    struct ax_memory_retired retired;
    struct ax_map names; /* name -> table */
    struct memory_table *tables;
    void *scratch; /* for merged parts; NULL: not needed yet */
    struct ax_online_behind behind;
    struct ax_arena arena; /* of a row from behind */
    _Atomic uint64_t rows, bytes, bytes_used, written, stale, refused, deleted;
};

static struct memory_store *store_of(struct ax_online *store)
{
    return container_of(store, struct memory_store, base);
}

static const struct memory_table *table_of(const struct ax_online_entity *entity)
{
    return container_of_const(entity, struct memory_table, base);
}

/* ---- life ---- */

static void memory_close(struct ax_online *base)
{
    struct memory_store *store = store_of(base);
    while (store->tables) {
        struct memory_table *table = store->tables;
        store->tables = table->next;
        free(table);
    }
    ax_map_done(&store->names);
    ax_memory_retired_done(&store->retired);
    ax_memory_slab_done(&store->slab);
    ax_arena_done(&store->arena);
    if (store->scratch)
        (void)munmap(store->scratch, SCRATCH_BYTES);
    free(store);
}

static enum ax_code memory_open(const struct ax_online_config *config, struct ax_online **ret_store,
                                struct ax_err *err)
{
    assert(config && config->epoch && ret_store);
    struct memory_store *store = ax_xalloc(sizeof(*store));
    store->base.backend = &ax_online_memory;
    ax_map_init(&store->names);
    ax_memory_slab_init(&store->slab, config->memory_bytes_max);
    ax_arena_init(&store->arena, ARENA_BYTES, 2 * AX_ONLINE_ROW_BYTES_MAX);
    store->behind = config->behind;
    if (!ax_memory_retired_init(&store->retired, config->epoch, &store->slab)) {
        memory_close(&store->base);
        return ax_fail(err, AX_E_LIMIT, "no memory for the online store");
    }
    *ret_store = &store->base;
    return AX_OK;
}

static enum ax_code memory_entity(struct ax_online *base, struct ax_str name,
                                  struct ax_online_entity **ret_entity, struct ax_err *err)
{
    struct memory_store *store = store_of(base);
    struct memory_table *table = ax_map_get(&store->names, name);
    if (!table) {
        table = ax_try_alloc(1, sizeof(*table) + name.len);
        if (!table)
            return ax_fail(err, AX_E_LIMIT, "no memory for entity '%.*s'", AX_STR_ARG(name));
        memset(table, 0, sizeof(*table));
        memcpy(table->name, name.ptr, name.len);
        table->base.name = (struct ax_str){ table->name, name.len };
        ax_memory_index_init(&table->index);
        table->next = store->tables;
        store->tables = table;
        (void)ax_map_put(&store->names, name, table);
    }
    *ret_entity = &table->base;
    return AX_OK;
}

/* ---- reading ---- */

/* Have the first lines of a row come near. */
static void prefetch_row(const struct ax_online_row *row, uint32_t lines)
{
    for (uint32_t i = 0; row && i < lines; i++)
        __builtin_prefetch((const char *)row + (size_t)i * AX_CACHE_LINE);
}

static void fetch_group(const struct memory_table *table, const struct ax_str *keys, size_t count,
                        const struct ax_online_row **ret_rows)
{
    uint32_t lines = atomic_load_explicit(&table->lines, memory_order_relaxed);
    struct ax_memory_probe probes[GROUP];
    for (size_t i = 0; i < count; i++) {
        if (keys[i].ptr)
            ax_memory_index_begin(&table->index, keys[i], &probes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (keys[i].ptr)
            prefetch_row(ax_memory_index_peek(&probes[i]), lines);
    }
    for (size_t i = 0; i < count; i++)
        ret_rows[i] = keys[i].ptr ? ax_memory_index_find(&probes[i], keys[i]) : NULL;
}

/* The rows that are not here. */
static void fetch_behind(const struct memory_store *store, uint32_t number,
                         struct ax_online_fetch *fetch)
{
    struct ax_err reason = AX_ERR_INIT;
    for (size_t i = 0; i < fetch->count && !reason.code; i++) {
        struct ax_str key = fetch->keys[i];
        if (!fetch->rows[i] && key.ptr && key.len <= AX_ONLINE_KEY_BYTES_MAX)
            (void)(store->behind.get(store->behind.context, number, key, fetch->arena,
                                     &fetch->rows[i], &reason) != AX_OK);
    }
    if (!reason.code)
        return;
    (void)ax_fail(&fetch->err, AX_E_UNAVAILABLE, "%s", reason.msg);
    for (size_t i = 0; i < fetch->count; i++)
        fetch->rows[i] = NULL;
}

static bool memory_fetch(struct ax_online *base, struct ax_online_fetch *fetch)
{
    assert(fetch->entity && !fetch->err.code);
    assert((fetch->keys && fetch->rows) || !fetch->count);
    const struct memory_table *table = table_of(fetch->entity);
    uint32_t lacks = atomic_load_explicit(&table->lacks, memory_order_acquire);
    for (size_t at = 0; at < fetch->count; at += GROUP)
        fetch_group(table, fetch->keys + at, AX_MIN(fetch->count - at, (size_t)GROUP),
                    fetch->rows + at);
    if (lacks && fetch->arena)
        fetch_behind(store_of(base), lacks, fetch);
    return true;
}

static enum ax_code memory_walk(struct ax_online *base, const struct ax_online_entity *entity,
                                size_t *cursor, ax_online_row_fn visit, void *arg, bool *ret_more,
                                struct ax_err *err)
{
    (void)base;
    assert(*cursor < AX_MEMORY_SEGMENTS);
    const struct memory_table *table = table_of(entity);
    uintptr_t slots =
        atomic_load_explicit(&table->index.segments[*cursor].slots, memory_order_acquire);
    for (size_t i = 0; i < ax_memory_segment_slots(slots); i++) {
        const struct ax_online_row *row = ax_memory_segment_row(slots, i);
        if (row && visit(arg, row, err))
            return err->code;
    }
    *ret_more = ++*cursor < AX_MEMORY_SEGMENTS;
    return AX_OK;
}

/* ---- writing ---- */

static void counter_add(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + more, memory_order_relaxed);
}

/* A row was added, replaced or removed: NULL for what there was not, or is not. */
static void table_account(struct memory_store *store, struct memory_table *table,
                          const struct ax_online_row *old, const struct ax_online_row *row)
{
    uint64_t rows = atomic_load_explicit(&table->rows, memory_order_relaxed) + !old - !row;
    table->row_bytes += (row ? row->bytes : 0) - (size_t)(old ? old->bytes : 0);
    atomic_store_explicit(&table->rows, rows, memory_order_relaxed);
    counter_add(&store->rows, (uint64_t)!old - !row);
    if (rows % 64)
        return;
    size_t lines = rows ? table->row_bytes / rows / AX_CACHE_LINE + 1 : 0;
    atomic_store_explicit(&table->lines, (uint32_t)AX_MIN(lines, (size_t)LINES_MAX),
                          memory_order_relaxed);
}

static void store_publish(struct memory_store *store, struct memory_table *table,
                          const struct ax_memory_probe *probe, struct ax_online_row *old,
                          const struct ax_online_row *row)
{
    ax_memory_index_put(&table->index, probe, old, row);
    table_account(store, table, old, row);
    if (old)
        ax_memory_retire(&store->retired, old, old->bytes);
}

static enum ax_code fail_full(const struct memory_store *store, struct ax_err *err)
{
    return ax_fail(err, AX_E_LIMIT, "the online store has no memory left: %zu of at most %zu bytes",
                   store->slab.budget.used, store->slab.budget.max);
}

static void *store_alloc(struct memory_store *store, size_t bytes, size_t kept, struct ax_err *err)
{
    void *made = ax_memory_slab_alloc(&store->slab, bytes, kept);
    if (!made && ax_memory_retired_flush(&store->retired))
        made = ax_memory_slab_alloc(&store->slab, bytes, kept);
    if (!made)
        (void)fail_full(store, err);
    return made;
}

static enum ax_code store_reserve(struct memory_store *store, struct memory_table *table,
                                  const struct ax_memory_probe *probe, struct ax_err *err)
{
    if (ax_memory_index_reserve(&table->index, probe, &store->retired) ||
        (ax_memory_retired_flush(&store->retired) &&
         ax_memory_index_reserve(&table->index, probe, &store->retired)))
        return AX_OK;
    return fail_full(store, err);
}

/* Put in a row from the disk whose key is not there: it was taken in before, so by all of the
 * memory. */
static enum ax_code load_row(struct memory_store *store, struct memory_table *table,
                             const struct ax_online_row *row, struct ax_err *err)
{
    struct ax_str key = ax_online_row_key(row);
    struct ax_memory_probe probe;
    ax_memory_index_begin(&table->index, key, &probe);
    if (ax_memory_index_find(&probe, key))
        return AX_OK;
    struct ax_online_row *copy = NULL;
    if (store_reserve(store, table, &probe, err) ||
        !(copy = store_alloc(store, row->bytes, 0, err)))
        return err->code;
    memcpy(copy, row, row->bytes);
    store_publish(store, table, &probe, NULL, copy);
    return AX_OK;
}

/* Put in the row of a key that is not here, if there is one behind. */
static enum ax_code load_behind(struct memory_store *store, struct memory_table *table,
                                uint32_t number, struct ax_str key, struct ax_err *err)
{
    const struct ax_online_row *row = NULL;
    ax_arena_reset(&store->arena);
    if (store->behind.get(store->behind.context, number, key, &store->arena, &row, err))
        return err->code;
    return row ? load_row(store, table, row, err) : AX_OK;
}

/* What an item gives, with what is stored beside it. */
static enum ax_code merge_part(struct memory_store *store, const struct ax_online_item *item,
                               const struct ax_online_part *stored,
                               const struct ax_online_part **part, size_t *bytes,
                               struct ax_err *err)
{
    *bytes = ax_online_part_merge(item->layout, item->part, item->given, stored, NULL);
    if (*bytes > SCRATCH_BYTES)
        return AX_OK; /* The row will be too large. */
    if (!store->scratch)
        store->scratch = ax_try_map(NULL, 0, SCRATCH_BYTES);
    if (!store->scratch)
        return fail_full(store, err);
    (void)ax_online_part_merge(item->layout, item->part, item->given, stored, store->scratch);
    *part = store->scratch;
    return AX_OK;
}

/* The key with another part. */
static enum ax_code put_part(struct memory_store *store, struct memory_table *table,
                             const struct ax_memory_probe *probe, struct ax_online_row *old,
                             const struct ax_online_item *item, struct ax_err *err)
{
    const struct ax_online_part *stored = old ? ax_online_row_part(old, item->layout->id) : NULL;
    const struct ax_online_part *part = item->part;
    size_t bytes = item->bytes;
    if (item->given && stored && merge_part(store, item, stored, &part, &bytes, err))
        return err->code;
    size_t total = ax_online_row_with(old, item->key, item->layout->id, part, bytes, NULL);
    if (total > AX_ONLINE_ROW_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE,
                       "the features of a key of entity '%.*s' have %zu bytes; at most %zu",
                       AX_STR_ARG(table->base.name), total, AX_ONLINE_ROW_BYTES_MAX);
    size_t kept = old && total <= old->bytes ? 0 : store->slab.budget.max / KEPT;
    struct ax_online_row *row = NULL;
    if ((!old && store_reserve(store, table, probe, err)) ||
        !(row = store_alloc(store, total, kept, err)))
        return err->code;
    (void)ax_online_row_with(old, item->key, item->layout->id, part, bytes, row);
    store_publish(store, table, probe, old, row);
    return AX_OK;
}

static bool is_stale(const struct ax_online_row *row, const struct ax_online_item *item)
{
    const struct ax_online_part *stored = row ? ax_online_row_part(row, item->layout->id) : NULL;
    return stored && ax_online_stamp_compare(&item->part->stamp, &stored->stamp) < 0;
}

static enum ax_online_result write_item(struct memory_store *store, struct memory_table *table,
                                        struct ax_memory_probe *probe,
                                        const struct ax_online_item *item, struct ax_err *err)
{
    if (!item->key.ptr || item->key.len > AX_ONLINE_KEY_BYTES_MAX) {
        (void)ax_fail(err, AX_E_INVALID, "a key of entity '%.*s' is null or over %zu bytes",
                      AX_STR_ARG(table->base.name), AX_ONLINE_KEY_BYTES_MAX);
        return AX_ONLINE_REFUSED;
    }
    uint32_t lacks = atomic_load_explicit(&table->lacks, memory_order_relaxed);
    assert(!lacks || item->part);
    /* Items before it may have changed the table since the group was asked for. */
    ax_memory_index_begin(&table->index, item->key, probe);
    if (lacks && !ax_memory_index_find(probe, item->key)) {
        if (load_behind(store, table, lacks, item->key, err))
            return AX_ONLINE_REFUSED;
        ax_memory_index_begin(&table->index, item->key, probe);
    }
    /* Only the writer has rows that may go. */
    union {
        const struct ax_online_row *found;
        struct ax_online_row *own;
    } old = { .found = ax_memory_index_find(probe, item->key) };
    if (!item->part) {
        if (old.own) {
            store_publish(store, table, probe, old.own, NULL);
            counter_add(&store->deleted, 1);
        }
        return AX_ONLINE_WRITTEN;
    }
    if (is_stale(old.found, item))
        return AX_ONLINE_STALE;
    return put_part(store, table, probe, old.own, item, err) ? AX_ONLINE_REFUSED
                                                             : AX_ONLINE_WRITTEN;
}

static void write_group(struct memory_store *store, struct memory_table *table,
                        struct ax_online_write *write, size_t at, size_t count)
{
    uint32_t lines = atomic_load_explicit(&table->lines, memory_order_relaxed);
    struct ax_memory_probe probes[GROUP];
    const struct ax_online_item *items = write->items + at;
    for (size_t i = 0; i < count; i++) {
        if (items[i].key.ptr)
            ax_memory_index_begin(&table->index, items[i].key, &probes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].key.ptr)
            prefetch_row(ax_memory_index_peek(&probes[i]), lines);
    }
    for (size_t i = 0; i < count; i++) {
        struct ax_err err = AX_ERR_INIT;
        enum ax_online_result result = write_item(store, table, &probes[i], &items[i], &err);
        if (err.code && !write->err.code)
            write->err = err;
        if (write->ret_results)
            write->ret_results[at + i] = (uint8_t)result;
        write->written += result == AX_ONLINE_WRITTEN;
        write->stale += result == AX_ONLINE_STALE;
        write->refused += result == AX_ONLINE_REFUSED;
    }
}

/* What others see of the slab. */
static void store_show(struct memory_store *store)
{
    atomic_store_explicit(&store->bytes, store->slab.budget.used, memory_order_relaxed);
    atomic_store_explicit(&store->bytes_used, store->slab.used, memory_order_relaxed);
}

static bool memory_write(struct ax_online *base, struct ax_online_write *write)
{
    struct memory_store *store = store_of(base);
    struct memory_table *table = container_of(write->entity, struct memory_table, base);
    assert((write->items || !write->count) && !write->err.code);
    write->written = write->stale = write->refused = 0;
    for (size_t at = 0; at < write->count; at += GROUP)
        write_group(store, table, write, at, AX_MIN(write->count - at, (size_t)GROUP));
    ax_memory_retired_settle(&store->retired);
    counter_add(&store->written, write->written);
    counter_add(&store->stale, write->stale);
    counter_add(&store->refused, write->refused);
    store_show(store);
    return true;
}

/* Some of them, whose slots are asked for together. */
static enum ax_code load_group(struct memory_store *store, struct memory_table *table,
                               const struct ax_online_row *const *rows, size_t count,
                               struct ax_err *err)
{
    struct ax_memory_probe probe;
    for (size_t i = 0; i < count; i++)
        ax_memory_index_begin(&table->index, ax_online_row_key(rows[i]), &probe);
    for (size_t i = 0; i < count; i++) {
        if (load_row(store, table, rows[i], err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code memory_load(struct ax_online *base, struct ax_online_entity *entity,
                                const struct ax_online_row *const *rows, size_t count,
                                struct ax_err *err)
{
    struct memory_store *store = store_of(base);
    struct memory_table *table = container_of(entity, struct memory_table, base);
    for (size_t at = 0; at < count && !err->code; at += GROUP)
        (void)(load_group(store, table, rows + at, AX_MIN(count - at, (size_t)GROUP), err) !=
               AX_OK);
    ax_memory_retired_settle(&store->retired);
    store_show(store);
    return err->code;
}

static void memory_lack(struct ax_online *base, struct ax_online_entity *entity, uint32_t number)
{
    struct memory_table *table = container_of(entity, struct memory_table, base);
    assert(!number || store_of(base)->behind.get);
    atomic_store_explicit(&table->lacks, number, memory_order_release);
}

/* ---- parts that go ---- */

static bool is_dropped(const struct ax_online_row *row, const struct ax_online_drop *drop)
{
    const struct ax_online_part *part = ax_online_row_part(row, drop->layout);
    return part && (part->stamp.time < drop->before || drop->before == INT64_MAX);
}

static enum ax_code drop_part(struct memory_store *store, struct memory_table *table,
                              struct ax_online_row *old, uint32_t layout, struct ax_err *err)
{
    struct ax_online_row *row = NULL;
    if (old->part_count > 1) {
        row = store_alloc(store, ax_online_row_without(old, layout, NULL), 0, err);
        if (!row)
            return err->code;
        (void)ax_online_row_without(old, layout, row);
    }
    struct ax_memory_probe probe;
    ax_memory_index_begin(&table->index, ax_online_row_key(old), &probe);
    store_publish(store, table, &probe, old, row);
    counter_add(&store->deleted, 1);
    return AX_OK;
}

static enum ax_code memory_drop(struct ax_online *base, struct ax_online_entity *entity,
                                const struct ax_online_drop *drop, size_t *cursor,
                                size_t *ret_dropped, bool *ret_more, struct ax_err *err)
{
    assert(*cursor < AX_MEMORY_SEGMENTS);
    struct memory_store *store = store_of(base);
    struct memory_table *table = container_of(entity, struct memory_table, base);
    uintptr_t slots =
        atomic_load_explicit(&table->index.segments[*cursor].slots, memory_order_relaxed);
    size_t dropped = 0;
    for (size_t i = 0; i < ax_memory_segment_slots(slots); i++) {
        union {
            const struct ax_online_row *found;
            struct ax_online_row *own;
        } row = { .found = ax_memory_segment_row(slots, i) };
        if (!row.found || !is_dropped(row.found, drop))
            continue;
        if (drop->dropped)
            drop->dropped(drop->arg, entity, ax_online_row_key(row.found));
        if (drop_part(store, table, row.own, drop->layout, err))
            return err->code;
        dropped++;
    }
    ax_memory_retired_settle(&store->retired);
    store_show(store);
    *ret_dropped = dropped;
    *ret_more = ++*cursor < AX_MEMORY_SEGMENTS;
    return AX_OK;
}

/* ---- figures ---- */

static void memory_stats(const struct ax_online *base, struct ax_online_stats *ret_stats)
{
    const struct memory_store *store = container_of_const(base, struct memory_store, base);
    *ret_stats = (struct ax_online_stats){
        .rows = atomic_load_explicit(&store->rows, memory_order_relaxed),
        .bytes = atomic_load_explicit(&store->bytes, memory_order_relaxed),
        .bytes_used = atomic_load_explicit(&store->bytes_used, memory_order_relaxed),
        .bytes_max = store->slab.budget.max,
        .written = atomic_load_explicit(&store->written, memory_order_relaxed),
        .stale = atomic_load_explicit(&store->stale, memory_order_relaxed),
        .refused = atomic_load_explicit(&store->refused, memory_order_relaxed),
        .deleted = atomic_load_explicit(&store->deleted, memory_order_relaxed),
    };
}

static uint64_t memory_rows(const struct ax_online *base, const struct ax_online_entity *entity)
{
    (void)base;
    return atomic_load_explicit(&table_of(entity)->rows, memory_order_relaxed);
}

const struct ax_online_backend ax_online_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .entity = memory_entity,
    .fetch = memory_fetch,
    .write = memory_write,
    .load = memory_load,
    .drop = memory_drop,
    .walk = memory_walk,
    .lack = memory_lack,
    .stats = memory_stats,
    .rows = memory_rows,
};
