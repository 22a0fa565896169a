/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: while one thread writes, others find whole rows and never an older one than they have seen.
 * Method: every field of a part is a function of the number of its write, and so is its stamp; the
 * writer sends new values, late ones, repeated ones, corrections of the same time, ends and drops
 * in batches; readers fetch batches and hold each part against its own number, and against the
 * stamp they saw last of that key. In the end the store has what an array has. Every backend; run
 * under ThreadSanitizer, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online.h"

#include "base/random.h"
#include "base/thread.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 16)
#define STORE_BYTES ((size_t)32 << 20)

enum {
    READERS = 3,
    KEYS = 3000,
    VIEWS = 3,
    DROPPED = 2,
    NUMBERS = 12,
    TEXT = NUMBERS,
    FIELDS = NUMBERS + 1
};
enum { BATCHES = 700, ITEMS_MAX = 64, FETCHED = 24, REPEATED = 20000 };

static struct ax_epoch epoch;
static struct ax_online *store;
static struct ax_online_entity *entity;
static struct ax_online_layout layouts[VIEWS];
static char names[KEYS][24];
static atomic_bool stop;
static atomic_ulong broken, older, seen;

/* ---- values of a number ---- */

static struct ax_online_stamp stamp_of(uint64_t number)
{
    /* Four writes have one time, two of these one `created`. */
    return (struct ax_online_stamp){ (int64_t)(number / 4), (int64_t)(number / 2), number };
}

static int64_t value_of(uint64_t number, size_t field)
{
    return (int64_t)(number * (2 * field + 3) % 1000003);
}

static struct ax_str text_of(uint64_t number)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    return (struct ax_str){ letters + number % 7, number % 40 };
}

static size_t write_part(const struct ax_online_layout *layout, uint64_t number, void *out)
{
    int64_t data[NUMBERS];
    struct ax_str text = text_of(number);
    struct ax_values values[FIELDS];
    const struct ax_values *fields[FIELDS];
    for (size_t i = 0; i < NUMBERS; i++) {
        data[i] = value_of(number, i);
        values[i] =
            (struct ax_values){ .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &data[i] };
        fields[i] = &values[i];
    }
    values[TEXT] =
        (struct ax_values){ .type = { AX_TYPE_STRING, false }, .rows = 1, .texts = &text };
    fields[TEXT] = &values[TEXT];
    struct ax_online_stamp stamp = stamp_of(number);
    return ax_online_part_write(layout, &stamp, fields, 0, out);
}

/* Whether parts are what their own numbers say. */
static bool are_whole(const struct ax_online_layout *layout,
                      const struct ax_online_part *const *parts, size_t count,
                      struct ax_arena *arena)
{
    size_t fields[FIELDS];
    struct ax_values values[FIELDS];
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < FIELDS; i++)
        fields[i] = i;
    bool whole = ax_online_read(layout, fields, FIELDS, parts, count, arena, values, &err) == AX_OK;
    for (size_t k = 0; k < count && whole; k++) {
        if (!parts[k])
            continue;
        uint64_t number = parts[k]->stamp.sequence;
        struct ax_online_stamp stamp = stamp_of(number);
        whole = ax_online_stamp_compare(&stamp, &parts[k]->stamp) == 0 &&
                ax_str_equals(values[TEXT].texts[k], text_of(number));
        for (size_t i = 0; i < NUMBERS && whole; i++)
            whole = values[i].i64s[k] == value_of(number, i);
    }
    return whole;
}

/* ---- readers ---- */

struct reader {
    struct ax_thread thread;
    uint64_t seed;
    struct ax_online_stamp last[KEYS][VIEWS];
};

static void check_fetched(struct reader *reader, const size_t *picked,
                          const struct ax_online_row *const *rows, struct ax_arena *arena)
{
    for (size_t view = 0; view < VIEWS; view++) {
        const struct ax_online_part *parts[FETCHED];
        for (size_t i = 0; i < FETCHED; i++) {
            parts[i] = rows[i] ? ax_online_row_part(rows[i], layouts[view].id) : NULL;
            if (!parts[i])
                continue;
            struct ax_online_stamp *last = &reader->last[picked[i]][view];
            if (view != DROPPED && ax_online_stamp_compare(&parts[i]->stamp, last) < 0)
                atomic_fetch_add(&older, 1);
            *last = parts[i]->stamp;
            atomic_fetch_add(&seen, 1);
        }
        if (!are_whole(&layouts[view], parts, FETCHED, arena))
            atomic_fetch_add(&broken, 1);
    }
    for (size_t i = 0; i < FETCHED; i++) {
        if (rows[i] && !ax_str_is(ax_online_row_key(rows[i]), names[picked[i]]))
            atomic_fetch_add(&broken, 1);
    }
}

static void read_on(void *arg)
{
    struct reader *reader = arg;
    struct ax_epoch_reader *slot = ax_epoch_register(&epoch);
    struct ax_random random;
    struct ax_arena arena;
    ax_random_init(&random, reader->seed, 1);
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    while (!atomic_load(&stop)) {
        size_t picked[FETCHED];
        struct ax_str keys[FETCHED];
        const struct ax_online_row *rows[FETCHED];
        for (size_t i = 0; i < FETCHED; i++) {
            picked[i] = ax_random_below(&random, i % 2 ? KEYS : 40);
            keys[i] = ax_str_from(names[picked[i]]);
        }
        struct ax_online_fetch fetch = {
            .entity = entity, .keys = keys, .count = FETCHED, .rows = rows, .arena = &arena
        };
        ax_arena_reset(&arena);
        ax_epoch_enter(&epoch, slot);
        if (ax_online_fetch(store, &fetch))
            check_fetched(reader, picked, rows, &arena);
        ax_epoch_leave(slot);
    }
    ax_arena_done(&arena);
    ax_epoch_unregister(slot);
}

/* ---- the writer ---- */

struct written {
    uint64_t number; /* 0: nothing is there */
};

struct writer {
    struct ax_random random;
    struct ax_arena arena;
    uint64_t number;
    struct written written[KEYS][VIEWS];
    struct ax_online_item items[ITEMS_MAX];
    size_t count;
};

/* New, repeated, corrected, or late. */
static uint64_t next_number(struct writer *writer, uint64_t stored)
{
    uint64_t choice = ax_random_below(&writer->random, 8);
    if (choice == 0 && stored)
        return stored;
    if (choice == 1 && stored > 1)
        return 1 + ax_random_below(&writer->random, stored);
    writer->number += 1 + ax_random_below(&writer->random, 3);
    return writer->number;
}

static void add_item(struct writer *writer)
{
    size_t key = ax_random_below(&writer->random, ax_random_below(&writer->random, 2) ? KEYS : 40);
    size_t view = ax_random_below(&writer->random, VIEWS);
    struct ax_online_item *item = &writer->items[writer->count++];
    struct written *written = &writer->written[key][view];
    *item = (struct ax_online_item){ .key = ax_str_from(names[key]) };
    if (ax_random_below(&writer->random, 30) == 0) {
        memset(writer->written[key], 0, sizeof writer->written[key]);
        writer->number += 1000; /* What comes after an end is newer than anything before. */
        return;
    }
    uint64_t number = next_number(writer, written->number);
    if (!written->number)
        number = ++writer->number;
    item->layout = &layouts[view];
    item->bytes = write_part(item->layout, number, NULL);
    void *part = ax_arena_alloc(&writer->arena, 1, item->bytes);
    assert_non_null(part);
    (void)write_part(item->layout, number, part);
    item->part = part;
    written->number = AX_MAX(number, written->number);
}

/* Some parts of one view go in the middle of it; late ones may come back then. */
static void drop_some(struct writer *writer, size_t *cursor)
{
    struct ax_online_drop drop = { .layout = layouts[DROPPED].id,
                                   .before = (int64_t)(writer->number / 8) };
    struct ax_err err = AX_ERR_INIT;
    size_t dropped;
    bool more;
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(ax_online_drop(store, entity, &drop, cursor, &dropped, &more, &err),
                         AX_OK);
        *cursor = more ? *cursor : 0;
    }
}

/* What is there in the end. */
static void check_end(struct writer *writer)
{
    for (size_t key = 0; key < KEYS; key++) {
        struct ax_str name = ax_str_from(names[key]);
        const struct ax_online_row *row;
        struct ax_online_fetch fetch = {
            .entity = entity, .keys = &name, .count = 1, .rows = &row, .arena = &writer->arena
        };
        assert_true(ax_online_fetch(store, &fetch));
        for (size_t view = 0; view < VIEWS; view++) {
            uint64_t number = writer->written[key][view].number;
            const struct ax_online_part *part =
                row ? ax_online_row_part(row, layouts[view].id) : NULL;
            if (part)
                assert_true(part->stamp.sequence == number || view == DROPPED);
            else
                assert_true(number == 0 || view == DROPPED);
        }
    }
}

/* More is replaced by one batch than may wait for the readers: the writer has to. */
static void repeat_one(struct writer *writer)
{
    struct ax_online_item *items = calloc(REPEATED, sizeof(*items));
    assert_non_null(items);
    uint64_t number = ++writer->number;
    size_t bytes = write_part(&layouts[0], number, NULL);
    void *part = ax_arena_alloc(&writer->arena, 1, bytes);
    assert_non_null(part);
    (void)write_part(&layouts[0], number, part);
    for (size_t i = 0; i < REPEATED; i++)
        items[i] = (struct ax_online_item){
            .key = ax_str_from(names[0]), .layout = &layouts[0], .part = part, .bytes = bytes
        };
    writer->written[0][0].number = number;
    struct ax_online_write write = { .entity = entity, .items = items, .count = REPEATED };
    assert_true(ax_online_write(store, &write));
    assert_int_equal(write.written, REPEATED);
    free(items);
}

static void write_all(struct writer *writer)
{
    size_t cursor = 0;
    for (size_t batch = 0; batch < BATCHES; batch++) {
        ax_arena_reset(&writer->arena);
        writer->count = 0;
        size_t count = 1 + ax_random_below(&writer->random, ITEMS_MAX);
        for (size_t i = 0; i < count; i++)
            add_item(writer);
        struct ax_online_write write = { .entity = entity, .items = writer->items, .count = count };
        assert_true(ax_online_write(store, &write));
        assert_int_equal(write.refused, 0);
        if (batch % 50 == 49)
            drop_some(writer, &cursor);
    }
    for (size_t i = 0; i < 3; i++)
        repeat_one(writer);
    check_end(writer);
}

static void open_store(const struct ax_online_backend *backend, struct ax_arena *arena)
{
    struct ax_storage storages[FIELDS];
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_config config = { .epoch = &epoch, .memory_bytes_max = STORE_BYTES };
    for (size_t i = 0; i < FIELDS; i++)
        storages[i].kind = i == TEXT ? AX_STORAGE_STRING : AX_STORAGE_INT64;
    for (size_t i = 0; i < FIELDS; i++)
        storages[i].is_list = false;
    for (uint32_t view = 0; view < VIEWS; view++)
        assert_int_equal(ax_online_layout_init(&layouts[view], view, storages, FIELDS, arena, &err),
                         AX_OK);
    for (size_t key = 0; key < KEYS; key++)
        (void)snprintf(names[key], sizeof names[key], "key %zu", key);
    assert_int_equal(ax_online_open(backend, &config, &store, &err), AX_OK);
    assert_int_equal(ax_online_find_entity(store, AX_STR("thing"), &entity, &err), AX_OK);
}

static void readers_see_whole_rows_that_grow_newer(void **state)
{
    static struct reader readers[READERS];
    static struct writer writer;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    ax_epoch_init(&epoch);
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    open_store(*state, &arena);
    memset(&writer, 0, sizeof writer);
    ax_random_init(&writer.random, 5, 0);
    ax_arena_init(&writer.arena, ARENA_BYTES, 64 * ARENA_BYTES);
    atomic_store(&stop, false);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){ .seed = i };
        assert_int_equal(ax_thread_start(&readers[i].thread, "read", read_on, &readers[i], &err),
                         AX_OK);
    }
    write_all(&writer);
    while (atomic_load(&seen) < 1000) /* There are rows by now. */
        (void)sched_yield();
    write_all(&writer);
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++)
        ax_thread_join(&readers[i].thread);
    assert_int_equal(atomic_load(&broken), 0);
    assert_int_equal(atomic_load(&older), 0);
    ax_online_close(store);
    ax_arena_done(&writer.arena);
    ax_arena_done(&arena);
    ax_epoch_done(&epoch);
}

int main(void)
{
    static const struct CMUnitTest test = cmocka_unit_test(readers_see_whole_rows_that_grow_newer);
    struct CMUnitTest tests[4];
    assert_true(ax_online_backend_count <= AX_COUNT(tests));
    for (size_t i = 0; i < ax_online_backend_count; i++) {
        tests[i] = test;
        tests[i].initial_state = (void *)(uintptr_t)ax_online_backends[i];
    }
    return _cmocka_run_group_tests("online/threads", tests, ax_online_backend_count, NULL, NULL);
}
