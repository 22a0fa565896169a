/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an event is under the key of its highest version and under no other, in whatever order
 * versions come, also where memory is refused; ids that no window reaches take no memory.
 *
 * Method: what is to be put goes into a table of versions by id and key, as windows keep them, and
 * is compared with the highest version of each id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online_moves.c" /* NOLINT(bugprone-suspicious-include) */

#include "random.h"

#include <stdio.h>

enum { IDS = 300, KEYS = 7, BATCH = 40, VERSIONS = 50 };

#define ALWAYS INT64_MIN

/* What windows have of an id under a key. */
struct version {
    int64_t created, sequence; /* 0 and 0: none */
    bool is_gone;
};

struct given {
    char id[16], key[8];
    size_t id_number, key_number; /* KEYS: it is null */
};

static struct ax_err err;
static struct version has[IDS][KEYS];
static struct version highest[IDS];
static size_t highest_key[IDS];

static bool is_above(const struct version *one, const struct version *other)
{
    return one->created != other->created ? one->created > other->created
                                          : one->sequence > other->sequence;
}

static size_t key_number(struct ax_str key)
{
    return (size_t)(key.ptr[1] - '0');
}

static void put(const struct ax_online_moved *moved)
{
    for (size_t i = 0; i < moved->count; i++) {
        const struct ax_online_windows_item *item = &moved->items[i];
        const struct version version = { item->event.created, item->event.sequence,
                                         item->event.is_gone };
        if (!item->key.ptr)
            continue;
        struct version *known =
            &has[strtoul(item->event.id.ptr + 1, NULL, 10)][key_number(item->key)];
        if (is_above(&version, known))
            *known = version;
    }
}

static void check(void)
{
    for (size_t id = 0; id < IDS; id++) {
        for (size_t key = 0; key < KEYS; key++) {
            bool counts = (has[id][key].created || has[id][key].sequence) && !has[id][key].is_gone;
            assert_int_equal(counts, highest[id].created && highest_key[id] == key);
            assert_true(!counts || !is_above(&highest[id], &has[id][key]));
        }
    }
}

static struct ax_online_windows_item make(struct given *given, int64_t created, int64_t sequence,
                                          int64_t time)
{
    (void)snprintf(given->id, sizeof(given->id), "i%zu", given->id_number);
    (void)snprintf(given->key, sizeof(given->key), "k%zu", given->key_number);
    return (struct ax_online_windows_item){
        .key = given->key_number < KEYS ? ax_str_from(given->key) : (struct ax_str){ NULL, 0 },
        .event = { .id = ax_str_from(given->id),
                   .time = time,
                   .created = created,
                   .sequence = sequence },
    };
}

/* With so few bytes that much is refused, or with enough. */
static void follow_versions(size_t bytes_max, bool is_refused)
{
    struct ax_online_moves *moves = ax_online_moves_new(bytes_max);
    struct ax_arena arena;
    uint64_t random = 5;
    size_t refused = 0;
    memset(has, 0, sizeof(has));
    memset(highest, 0, sizeof(highest));
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (int64_t round = 0; round < 200; round++) {
        struct given given[BATCH];
        struct ax_online_windows_item items[BATCH];
        struct ax_online_moved moved;
        for (size_t i = 0; i < BATCH; i++) {
            given[i].id_number = test_random(&random) % IDS;
            given[i].key_number = test_random(&random) % (KEYS + 1);
            items[i] = make(&given[i], 1 + (int64_t)(test_random(&random) % VERSIONS),
                            round * BATCH + (int64_t)i, 0);
        }
        err = (struct ax_err)AX_ERR_INIT;
        enum ax_code code =
            ax_online_moves_follow(moves, items, BATCH, ALWAYS, &arena, &moved, &err);
        assert_int_equal(code, moved.refused ? AX_E_LIMIT : AX_OK);
        refused += moved.refused;
        put(&moved);
        for (size_t i = 0; i < BATCH && !is_refused; i++) {
            const struct version version = { items[i].event.created, items[i].event.sequence,
                                             false };
            if (!is_above(&version, &highest[given[i].id_number]))
                continue;
            highest[given[i].id_number] = version;
            highest_key[given[i].id_number] = given[i].key_number;
        }
        if (!is_refused)
            check();
        assert_true(moves->bytes <= bytes_max);
        ax_arena_reset(&arena);
    }
    assert_int_equal(refused > 0, is_refused);
    /* However much was refused, no id counts twice. */
    for (size_t id = 0; id < IDS; id++) {
        size_t counted = 0;
        for (size_t key = 0; key < KEYS; key++)
            counted += has[id][key].created && !has[id][key].is_gone;
        assert_in_range(counted, 0, 1);
    }
    ax_online_moves_free(moves);
    ax_arena_done(&arena);
}

static void an_event_is_under_one_key(void **state)
{
    (void)state;
    follow_versions((size_t)1 << 20, false);
}

static void what_is_refused_is_not_there(void **state)
{
    (void)state;
    follow_versions((size_t)64 << 10, true);
    follow_versions(700, true); /* also keys */
}

/* One event a second, a key for some, of which those of the last minute are in reach. */
static void what_is_out_of_reach_takes_no_memory(void **state)
{
    (void)state;
    struct ax_online_moves *moves = ax_online_moves_new((size_t)1 << 20);
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (int64_t second = 0; second < 100000; second++) {
        char id[16], key[16];
        (void)snprintf(id, sizeof(id), "i%d", (int)second);
        (void)snprintf(key, sizeof(key), "k%d", (int)second / 3);
        struct ax_online_moved moved;
        struct ax_online_windows_item item = {
            .key = ax_str_from(key),
            .event = { .id = ax_str_from(id), .time = second * SECONDS_US, .created = 1 },
        };
        assert_int_equal(ax_online_moves_follow(moves, &item, 1, (second - 60) * SECONDS_US, &arena,
                                                &moved, &err),
                         AX_OK);
        assert_int_equal(moved.count, 1);
        ax_arena_reset(&arena);
    }
    assert_true(moves->key_count < TABLES * SLOTS_MIN);
    ax_online_moves_free(moves);
    ax_arena_done(&arena);
}

/* An old event of which that was learnt a moment ago; many others, so that tables are made anew. */
static void what_was_learnt_within_reach_is_known(void **state)
{
    (void)state;
    struct ax_online_moves *moves = ax_online_moves_new((size_t)1 << 20);
    struct given given = { .key_number = 1 };
    struct ax_online_moved moved;
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (; given.id_number < 20000; given.id_number++) {
        int64_t created = given.id_number ? 0 : 100 * SECONDS_US;
        struct ax_online_windows_item item = make(&given, created, 0, 0);
        assert_int_equal(
            ax_online_moves_follow(moves, &item, 1, 60 * SECONDS_US, &arena, &moved, &err), AX_OK);
        ax_arena_reset(&arena);
    }
    given = (struct given){ .key_number = 2 };
    struct ax_online_windows_item item = make(&given, 99 * SECONDS_US, 0, 99 * SECONDS_US);
    assert_int_equal(ax_online_moves_follow(moves, &item, 1, 60 * SECONDS_US, &arena, &moved, &err),
                     AX_OK);
    assert_int_equal(moved.count, 0);
    assert_int_equal(moved.stale, 1);
    ax_online_moves_free(moves);
    ax_arena_done(&arena);
}

/* A key that went does not come back; who was under it is under the next one. */
static void a_key_that_went_has_nothing(void **state)
{
    (void)state;
    struct ax_online_moves *moves = ax_online_moves_new((size_t)1 << 20);
    struct given given = { .id_number = 1, .key_number = 2 };
    struct ax_online_moved moved;
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    struct ax_online_windows_item item = make(&given, 5, 5, 0);
    assert_int_equal(ax_online_moves_follow(moves, &item, 1, ALWAYS, &arena, &moved, &err), AX_OK);
    ax_online_moves_end(moves, item.key);
    given.key_number = 3;
    item = make(&given, 4, 4, 0);
    assert_int_equal(ax_online_moves_follow(moves, &item, 1, ALWAYS, &arena, &moved, &err), AX_OK);
    assert_int_equal(moved.count, 1);
    assert_true(moved.items == &item);
    given.key_number = 2;
    item = make(&given, 6, 6, 0);
    assert_int_equal(ax_online_moves_follow(moves, &item, 1, ALWAYS, &arena, &moved, &err), AX_OK);
    assert_int_equal(moved.count, 2);
    assert_true(moved.items[0].event.is_gone && key_number(moved.items[0].key) == 3);
    ax_online_moves_clear(moves);
    assert_int_equal(moves->bytes, 0);
    ax_online_moves_free(moves);
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_under_one_key),
        cmocka_unit_test(what_is_refused_is_not_there),
        cmocka_unit_test(what_is_out_of_reach_takes_no_memory),
        cmocka_unit_test(what_was_learnt_within_reach_is_known),
        cmocka_unit_test(a_key_that_went_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
