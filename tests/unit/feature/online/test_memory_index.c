/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a crowded segment of the table finds exactly the rows that are in it, while it grows, while
 * rows come and go in its marks, and when keys share all bits of the hash that a slot has.
 * Method: keys that all fall into one segment, in random order put,
 * replaced and removed beside an array; all of them looked for again and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/memory_index.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 1500, STEPS = 30000, KEY_BYTES = 16 };

/* Aligned as the slab's are, with a part that nobody looks at. */
struct own_row {
    _Alignas(16) unsigned char bytes[96];
};

static char names[KEYS][KEY_BYTES];
static struct own_row rows[KEYS][2];
static const struct ax_online_row *there[KEYS];

static struct ax_str key_at(size_t at)
{
    return ax_str_from(names[at]);
}

/* Names that the seed sends to segment 5. */
static void make_names(const struct ax_memory_index *index)
{
    size_t count = 0;
    for (unsigned number = 0; count < KEYS; number++) {
        char name[KEY_BYTES];
        (void)snprintf(name, sizeof name, "%u", number);
        uint64_t hash = ax_hash_seeded(ax_str_from(name), index->seed);
        if (hash >> 54 == 5)
            memcpy(names[count++], name, sizeof name);
    }
}

static const struct ax_online_row *make_row(size_t key, size_t version)
{
    struct ax_online_part part = { .stamp = { (int64_t)version, 0, 0 } };
    size_t bytes = ax_online_row_with(NULL, key_at(key), 1, &part, sizeof(part), NULL);
    assert_true(bytes <= sizeof rows[key][version]);
    (void)ax_online_row_with(NULL, key_at(key), 1, &part, sizeof(part), rows[key][version].bytes);
    return (const void *)rows[key][version].bytes;
}

static const struct ax_online_row *find(const struct ax_memory_index *index, struct ax_str key)
{
    struct ax_memory_probe probe;
    ax_memory_index_begin(index, key, &probe);
    (void)ax_memory_index_peek(&probe);
    return ax_memory_index_find(&probe, key);
}

static void change(struct ax_memory_index *index, struct ax_memory_retired *retired, size_t key,
                   bool remove, size_t version)
{
    struct ax_memory_probe probe;
    ax_memory_index_begin(index, key_at(key), &probe);
    if (remove && !there[key])
        return;
    const struct ax_online_row *row = remove ? NULL : make_row(key, version);
    if (!there[key])
        assert_true(ax_memory_index_reserve(index, &probe, retired));
    ax_memory_index_put(index, &probe, there[key], row);
    there[key] = row;
}

static void check_all(const struct ax_memory_index *index)
{
    size_t count = 0;
    for (size_t key = 0; key < KEYS; key++) {
        assert_ptr_equal(find(index, key_at(key)), there[key]);
        count += there[key] != NULL;
    }
    const struct ax_memory_segment *segment = &index->segments[5];
    uintptr_t slots = atomic_load(&segment->slots);
    assert_int_equal(segment->live, count);
    assert_true(segment->used >= segment->live);
    assert_true(!slots || segment->used <= ax_memory_segment_slots(slots) / 4 * 3);
    size_t walked = 0;
    for (size_t i = 0; i < ax_memory_segment_slots(slots); i++)
        walked += ax_memory_segment_row(slots, i) != NULL;
    assert_int_equal(walked, count);
}

static void a_crowded_segment_is_as_an_array(void **state)
{
    (void)state;
    static struct ax_memory_index index;
    static struct ax_epoch epoch;
    struct ax_memory_slab slab;
    struct ax_memory_retired retired;
    struct ax_random random;
    ax_random_init(&random, 6, 0);
    ax_epoch_init(&epoch);
    ax_memory_slab_init(&slab, (size_t)64 << 20);
    ax_memory_index_init(&index);
    assert_true(ax_memory_retired_init(&retired, &epoch, &slab));
    make_names(&index);
    assert_null(find(&index, key_at(0)));
    for (size_t i = 0; i < STEPS; i++) {
        /* First few keys, later all; now and then mostly removals. */
        size_t among = AX_MIN(KEYS, 3 + i / 8);
        bool remove = ax_random_below(&random, 10) < (i / 4000 % 2 ? 7U : 3U);
        size_t key = ax_random_below(&random, among);
        change(&index, &retired, key, remove, i % 2);
        if (i % 1500 == 0)
            check_all(&index);
        ax_memory_retired_settle(&retired);
    }
    check_all(&index);
    for (size_t key = 0; key < KEYS; key++)
        change(&index, &retired, key, true, 0);
    check_all(&index);
    assert_null(find(&index, AX_STR("another")));
    ax_memory_retired_done(&retired);
    ax_memory_slab_done(&slab);
    ax_epoch_done(&epoch);
}

/* Searches of keys with the same 20 bits pass each other, and marks. */
static void keys_of_one_tag_are_told_apart(void **state)
{
    (void)state;
    static struct ax_memory_index index;
    static struct ax_epoch epoch;
    struct ax_memory_slab slab;
    struct ax_memory_retired retired;
    ax_epoch_init(&epoch);
    ax_memory_slab_init(&slab, (size_t)64 << 20);
    ax_memory_index_init(&index);
    assert_true(ax_memory_retired_init(&retired, &epoch, &slab));
    memset(there, 0, sizeof there);
    make_names(&index);
    /* One probe, and so one tag and one segment, for six keys. */
    struct ax_memory_probe same;
    for (size_t key = 0; key < 6; key++) {
        ax_memory_index_begin(&index, key_at(0), &same);
        assert_true(ax_memory_index_reserve(&index, &same, &retired));
        there[key] = make_row(key, 0);
        ax_memory_index_put(&index, &same, NULL, there[key]);
    }
    ax_memory_index_put(&index, &same, there[1], NULL);
    ax_memory_index_put(&index, &same, there[4], NULL);
    there[1] = there[4] = NULL;
    for (size_t key = 0; key < 6; key++) {
        ax_memory_index_begin(&index, key_at(0), &same);
        assert_ptr_equal(ax_memory_index_find(&same, key_at(key)), there[key]);
    }
    /* The first mark is taken by the next. */
    uint32_t used = index.segments[5].used;
    there[1] = make_row(1, 1);
    ax_memory_index_put(&index, &same, NULL, there[1]);
    assert_int_equal(index.segments[5].used, used);
    ax_memory_index_begin(&index, key_at(0), &same);
    assert_ptr_equal(ax_memory_index_find(&same, key_at(1)), there[1]);
    ax_memory_retired_done(&retired);
    ax_memory_slab_done(&slab);
    ax_epoch_done(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowded_segment_is_as_an_array),
        cmocka_unit_test(keys_of_one_tag_are_told_apart),
    };
    return cmocka_run_group_tests_name("feature/online/memory_index", tests, NULL, NULL);
}
