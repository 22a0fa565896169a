/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the online store in memory costs: one entity with a view of 64 float32, random keys.
 *
 *     build/release/bench/online              # 200,000 keys
 *     build/release/bench/online 10000000     # what the targets are for: 4 GB of memory
 *
 * The floor of a read is the same rows by an array of their addresses: a miss for the address, one
 * for the row, and its other lines, all values added up. Beside it: one key and batches of 16,
 * added up in place likewise, and read into columns. Then upserts, in batches of 16 and of 1,000,
 * alone and beside a thread that reads. Nanoseconds of the thread's CPU time a key, in turns; the
 * least and the median of the slices. Bytes a key are those taken from the system.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "feature/online/online.h"

#include "program.h"
#include "turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIELDS = 64, BATCH = 16, LARGE = 1000, KEY_BYTES = 16, KEYS_DEFAULT = 200000 };

#define ARENA_BYTES ((size_t)1 << 20)
#define BYTES_A_KEY ((size_t)512)

static struct ax_err err = AX_ERR_INIT;
static struct ax_epoch epoch;
static struct ax_online *store;
static struct ax_online_entity *entity;
static struct ax_online_layout layout;
static struct ax_arena arena;
static size_t key_count;
static char (*keys)[KEY_BYTES]; /* in random order */
static const struct ax_online_row **addresses;
static size_t all_fields[FIELDS];
static double sink;

static void check(enum ax_code code)
{
    if (code)
        die(err.msg);
}

static struct ax_str key_at(size_t at)
{
    return (struct ax_str){ keys[at % key_count], KEY_BYTES - 1 };
}

/* ---- writing ---- */

struct upserts {
    struct ax_online_item items[LARGE];
    struct ax_online_part *parts[LARGE];
    int64_t time;
};

static struct upserts upserts;

static void make_parts(void)
{
    double numbers[FIELDS];
    struct ax_values values[FIELDS];
    const struct ax_values *fields[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        numbers[i] = (double)i;
        values[i] = (struct ax_values){ .type = { AX_TYPE_FLOAT64, false },
                                        .rows = 1,
                                        .f64s = &numbers[i] };
        fields[i] = &values[i];
    }
    struct ax_online_stamp stamp = { 0, 0, 0 };
    size_t bytes = ax_online_part_write(&layout, &stamp, fields, 0, NULL);
    for (size_t i = 0; i < LARGE; i++) {
        upserts.parts[i] = ax_xalloc(bytes);
        (void)ax_online_part_write(&layout, &stamp, fields, 0, upserts.parts[i]);
        upserts.items[i] =
            (struct ax_online_item){ .layout = &layout, .part = upserts.parts[i], .bytes = bytes };
    }
}

static void upsert(size_t from, size_t count)
{
    upserts.time++;
    for (size_t i = 0; i < count; i++) {
        upserts.items[i].key = key_at(from + i);
        upserts.parts[i]->stamp.time = upserts.time;
    }
    struct ax_online_write write = { .entity = entity, .items = upserts.items, .count = count };
    if (!ax_online_write(store, &write) || write.written != count)
        die(write.err.code ? write.err.msg : "a write is stale");
}

static void upsert_batch(const void *context, size_t number)
{
    (void)context;
    upsert(number * 7919, BATCH);
}

static void upsert_large(const void *context, size_t number)
{
    (void)context;
    upsert(number * 7919, LARGE);
}

/* ---- reading ---- */

static double sum_part(const struct ax_online_part *part)
{
    float values[FIELDS];
    memcpy(values, (const char *)part + layout.fields[0].offset, sizeof(values));
    double sum = 0;
    for (size_t i = 0; i < FIELDS; i++)
        sum += (double)values[i];
    return sum;
}

static void read_addresses(const void *context, size_t number)
{
    size_t count = *(const size_t *)context;
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(addresses[(number * 7919 + i) % key_count]);
    for (size_t i = 0; i < count; i++)
        sink += sum_part(ax_online_row_part(addresses[(number * 7919 + i) % key_count], 1));
}

static void fetch(size_t number, size_t count, const struct ax_online_part **ret_parts)
{
    struct ax_str wanted[BATCH];
    const struct ax_online_row *rows[BATCH];
    for (size_t i = 0; i < count; i++) {
        wanted[i] = key_at(number * 7919 + i);
        __builtin_prefetch(key_at((number + 1) * 7919 + i).ptr); /* A request has its keys. */
    }
    struct ax_online_fetch fetched = {
        .entity = entity, .keys = wanted, .count = count, .rows = rows
    };
    if (!ax_online_fetch(store, &fetched))
        die("a fetch is not done");
    for (size_t i = 0; i < count; i++)
        ret_parts[i] = ax_online_row_part(rows[i], 1);
}

static void read_in_place(const void *context, size_t number)
{
    size_t count = *(const size_t *)context;
    const struct ax_online_part *parts[BATCH];
    fetch(number, count, parts);
    for (size_t i = 0; i < count; i++)
        sink += sum_part(parts[i]);
}

static void read_columns(const void *context, size_t number)
{
    size_t count = *(const size_t *)context;
    const struct ax_online_part *parts[BATCH];
    struct ax_values values[FIELDS];
    ax_arena_reset(&arena);
    fetch(number, count, parts);
    check(ax_online_read(&layout, all_fields, FIELDS, parts, count, &arena, values, &err));
    sink += values[number % FIELDS].f64s[0];
}

/* ---- the store ---- */

static void open_store(void)
{
    struct ax_storage storages[FIELDS];
    struct ax_online_config config = { .epoch = &epoch,
                                       .memory_bytes_max =
                                           ((size_t)64 << 20) + key_count * BYTES_A_KEY };
    for (size_t i = 0; i < FIELDS; i++) {
        storages[i] = (struct ax_storage){ AX_STORAGE_FLOAT32, false };
        all_fields[i] = i;
    }
    ax_epoch_init(&epoch);
    ax_arena_init(&arena, ARENA_BYTES, 4 * ARENA_BYTES);
    struct ax_arena *own = ax_xalloc(sizeof(*own));
    ax_arena_init(own, ARENA_BYTES, ARENA_BYTES);
    check(ax_online_layout_init(&layout, 1, storages, FIELDS, own, &err));
    check(ax_online_open(&ax_online_memory, &config, &store, &err));
    check(ax_online_find_entity(store, AX_STR("user"), &entity, &err));
}

static void make_keys(void)
{
    struct ax_random random;
    ax_random_init(&random, 1, 0);
    keys = ax_try_alloc(key_count, sizeof(*keys));
    addresses = ax_try_alloc(key_count, sizeof(const struct ax_online_row *));
    if (!keys || !addresses)
        die("no memory");
    for (size_t i = 0; i < key_count; i++) {
        size_t at = ax_random_below(&random, i + 1);
        memcpy(keys[i], keys[at], KEY_BYTES);
        (void)snprintf(keys[at], KEY_BYTES, "user%011u", (unsigned)i);
    }
}

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Keys in another order than that in which they are read later. */
static void fill(void)
{
    double start = cpu_ns();
    for (size_t at = 0; at < key_count; at += LARGE)
        upsert(at, AX_MIN(key_count - at, (size_t)LARGE));
    double took = cpu_ns() - start;
    struct ax_online_stats stats;
    ax_online_stats(store, &stats);
    if (stats.rows != key_count)
        die("keys are missing");
    printf("%-60s %8.1f ns\n", "insert, batches of 1,000", took / (double)key_count);
    printf("%-60s %8.1f bytes (%.1f used by rows and slots)\n", "memory a key",
           (double)stats.bytes / (double)key_count, (double)stats.bytes_used / (double)key_count);
}

/* Where the rows are, until the next write. */
static void find_addresses(void)
{
    for (size_t i = 0; i < key_count; i++) {
        struct ax_str key = key_at(i);
        struct ax_online_fetch fetched = {
            .entity = entity, .keys = &key, .count = 1, .rows = &addresses[i]
        };
        if (!ax_online_fetch(store, &fetched) || !addresses[i])
            die("a key is missing");
    }
}

/* ---- beside a reader ---- */

static atomic_bool stop;
static atomic_ulong reads;

static void read_on(void *arg)
{
    (void)arg;
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    double sum = 0;
    for (size_t number = 0; !atomic_load(&stop); number++) {
        const struct ax_online_part *parts[BATCH];
        ax_epoch_enter(&epoch, reader);
        fetch(number, BATCH, parts);
        for (size_t i = 0; i < BATCH; i++)
            sum += sum_part(parts[i]);
        ax_epoch_leave(reader);
        atomic_fetch_add_explicit(&reads, BATCH, memory_order_relaxed);
    }
    ax_epoch_unregister(reader);
    if (sum < 0)
        die("the reader sees something else");
}

static void upsert_beside_reader(void)
{
    struct ax_thread thread;
    struct turns_part parts[] = {
        { .name = "upsert, batches of 16, beside a reader",
          .run = upsert_batch,
          .numbers = key_count,
          .per = BATCH },
        { .name = "upsert, batches of 1,000, beside a reader",
          .run = upsert_large,
          .numbers = key_count,
          .per = LARGE },
    };
    check(ax_thread_start(&thread, "read", read_on, NULL, &err));
    turns_take(parts, AX_COUNT(parts));
    atomic_store(&stop, true);
    ax_thread_join(&thread);
    if (!atomic_load(&reads))
        die("the reader had no turn");
}

int main(int argc, char **argv)
{
    uint64_t wanted = KEYS_DEFAULT;
    if (argc > 2 ||
        (argc == 2 && (!ax_str_to_u64(ax_str_from(argv[1]), &wanted) || wanted < LARGE)))
        die("usage: online [KEYS], from 1000 on");
    key_count = wanted;
    make_keys();
    open_store();
    make_parts();
    fill();
    find_addresses();
    static const size_t one = 1, batch = BATCH;
    struct turns_part reads_of[] = {
        { "floor: by addresses, one", read_addresses, &one, key_count, one, { 0 } },
        { "floor: by addresses, batches of 16", read_addresses, &batch, key_count, batch, { 0 } },
        { "read one key, in place", read_in_place, &one, key_count, one, { 0 } },
        { "read one key into columns", read_columns, &one, key_count, one, { 0 } },
        { "read batches of 16, in place", read_in_place, &batch, key_count, batch, { 0 } },
        { "read batches of 16 into columns", read_columns, &batch, key_count, batch, { 0 } },
    };
    turns_take(reads_of, AX_COUNT(reads_of));
    struct turns_part writes[] = {
        { "upsert, batches of 16", upsert_batch, NULL, key_count, BATCH, { 0 } },
        { "upsert, batches of 1,000", upsert_large, NULL, key_count, LARGE, { 0 } },
    };
    turns_take(writes, AX_COUNT(writes));
    upsert_beside_reader();
    ax_online_close(store);
    return sink > 0 ? 0 : 1;
}
