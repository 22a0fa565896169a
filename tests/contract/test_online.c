/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever keeps the newest values of features keeps the newest, whole, until they are told
 * to go. Method: small tables of writes and what must be found then; random writes, ends and drops
 * beside an array that is changed the same way; a store that becomes full. Each test runs on every
 * backend, by online.h alone. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online.h"

#include "base/random.h"

#include "torture.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 16)
#define STORE_BYTES ((size_t)64 << 20)

enum { FIELDS = 3, BACKENDS_MAX = 4 };

static const struct ax_storage storages[FIELDS] = { { AX_STORAGE_INT64, false },
                                                    { AX_STORAGE_FLOAT32, false },
                                                    { AX_STORAGE_STRING, false } };

struct store {
    struct ax_online *online;
    struct ax_online_entity *entity;
    struct ax_epoch *epoch;
    struct ax_arena arena; /* of layouts, and of what a test writes */
    struct ax_online_layout layouts[3];
};

/* What is written and found: field 1 is the number, too, and field 2 a text of so many letters. */
struct value {
    struct ax_online_stamp stamp;
    int64_t number;
    size_t letters;
};

static struct ax_epoch epoch;

/* The row that is behind, of key "b", and what asking for it fails with. */
static const struct ax_online_row *behind_row;
static enum ax_code behind_code;

static enum ax_code get_behind(void *context, uint32_t number, struct ax_str key,
                               struct ax_arena *arena, const struct ax_online_row **ret_row,
                               struct ax_err *err)
{
    assert_ptr_equal(context, &epoch);
    assert_int_equal(number, 7);
    assert_non_null(arena);
    if (behind_code)
        return ax_fail(err, behind_code, "it cannot be read");
    *ret_row = ax_str_equals(key, AX_STR("b")) ? behind_row : NULL;
    return AX_OK;
}

/* False: refused, as it may be under torture. */
static bool setup(struct store *store, const struct ax_online_backend *backend, size_t bytes_max)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_config config = { .epoch = &epoch,
                                       .memory_bytes_max = bytes_max,
                                       .behind = { get_behind, &epoch } };
    *store = (struct store){ .epoch = &epoch };
    ax_epoch_init(&epoch);
    ax_arena_init(&store->arena, ARENA_BYTES, 1024 * ARENA_BYTES);
    bool failed = ax_online_open(backend, &config, &store->online, &err) ||
                  ax_online_find_entity(store->online, AX_STR("thing"), &store->entity, &err);
    for (uint32_t i = 0; i < 3 && !failed; i++)
        failed = ax_online_layout_init(&store->layouts[i], 10 - i, storages, FIELDS, &store->arena,
                                       &err);
    if (failed) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
    }
    return !failed;
}

static void teardown(struct store *store)
{
    ax_online_close(store->online);
    ax_arena_done(&store->arena);
    ax_epoch_done(&epoch);
}

/* An item in the store's arena; false: refused. */
static bool make_item(struct store *store, const char *key, size_t view, struct value value,
                      struct ax_online_item *ret_item)
{
    double real = (double)value.number;
    char *letters = ax_arena_alloc(&store->arena, value.letters + 1, 1);
    if (!letters)
        return false;
    memset(letters, 'a' + (int)(value.letters % 26), value.letters);
    struct ax_str text = { letters, value.letters };
    const struct ax_values columns[FIELDS] = {
        { .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &value.number },
        { .type = { AX_TYPE_FLOAT64, false }, .rows = 1, .f64s = &real },
        { .type = { AX_TYPE_STRING, false }, .rows = 1, .texts = &text },
    };
    const struct ax_values *fields[FIELDS] = { &columns[0], &columns[1], &columns[2] };
    const struct ax_online_layout *layout = &store->layouts[view];
    size_t bytes = ax_online_part_write(layout, &value.stamp, fields, 0, NULL);
    void *part = ax_arena_alloc(&store->arena, 1, bytes);
    char *own_key = ax_arena_strdup(&store->arena, ax_str_from(key));
    if (!part || !own_key)
        return false;
    assert_int_equal(ax_online_part_write(layout, &value.stamp, fields, 0, part), bytes);
    *ret_item = (struct ax_online_item){ { own_key, strlen(key) }, layout, part, bytes, NULL };
    return true;
}

/* Write one item, and what became of it. */
static enum ax_online_result write_one(struct store *store, const struct ax_online_item *item,
                                       struct ax_err *err)
{
    uint8_t result = UINT8_MAX;
    struct ax_online_write write = {
        .entity = store->entity, .items = item, .count = 1, .ret_results = &result
    };
    assert_true(ax_online_write(store->online, &write));
    assert_int_equal(write.written, result == AX_ONLINE_WRITTEN);
    assert_int_equal(write.stale, result == AX_ONLINE_STALE);
    assert_int_equal(write.refused, result == AX_ONLINE_REFUSED);
    assert_int_equal(write.err.code != AX_OK, result == AX_ONLINE_REFUSED);
    *err = write.err;
    return (enum ax_online_result)result;
}

static enum ax_online_result put(struct store *store, const char *key, size_t view,
                                 struct value value)
{
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    enum ax_online_result result = AX_ONLINE_REFUSED;
    if (make_item(store, key, view, value, &item))
        result = write_one(store, &item, &err);
    assert_true(result != AX_ONLINE_REFUSED || ax_torture_struck());
    return result;
}

static enum ax_online_result end(struct store *store, const char *key)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_item item = { .key = ax_str_from(key) };
    return write_one(store, &item, &err);
}

/* The rows of some keys; the test's only thread may use them until the next write. */
static void fetch(struct store *store, const struct ax_str *keys, size_t count,
                  const struct ax_online_row **ret_rows)
{
    struct ax_online_fetch fetch = {
        .entity = store->entity,
        .keys = keys,
        .count = count,
        .rows = ret_rows,
        .arena = &store->arena,
    };
    assert_true(ax_online_fetch(store->online, &fetch));
    assert_int_equal(fetch.err.code, AX_OK);
}

static const struct ax_online_part *find(struct store *store, const char *key, size_t view)
{
    const struct ax_online_row *row;
    struct ax_str name = ax_str_from(key);
    fetch(store, &name, 1, &row);
    return row ? ax_online_row_part(row, store->layouts[view].id) : NULL;
}

/* Whether a part is what was written. */
static void assert_value(struct store *store, const struct ax_online_part *part, struct value value)
{
    static const size_t fields[FIELDS] = { 0, 1, 2 };
    struct ax_values values[FIELDS];
    struct ax_err err = AX_ERR_INIT;
    assert_non_null(part);
    assert_int_equal(ax_online_stamp_compare(&part->stamp, &value.stamp), 0);
    if (ax_online_read(&store->layouts[0], fields, FIELDS, &part, 1, &store->arena, values, &err)) {
        assert_true(ax_torture_struck());
        return;
    }
    assert_int_equal(values[0].i64s[0], value.number);
    assert_true(values[1].f64s[0] == (double)value.number);
    assert_int_equal(values[2].texts[0].len, value.letters);
    for (size_t i = 0; i < value.letters; i++)
        assert_int_equal(values[2].texts[0].ptr[i], 'a' + (int)(value.letters % 26));
}

static const struct ax_online_backend *backend_of(void **state)
{
    return *state;
}

/* ---- one after the other ---- */

static void what_was_written_is_found(void **state)
{
    enum { COUNT = 100 };
    struct store store;
    if (!setup(&store, backend_of(state), STORE_BYTES)) {
        teardown(&store);
        return;
    }
    char names[COUNT][8];
    struct ax_str keys[COUNT];
    const struct ax_online_row *rows[COUNT];
    bool is_there[COUNT] = { false };
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "k%zu", i);
        keys[i] = ax_str_from(names[i]);
        struct value value = { { (int64_t)i, 0, 0 }, (int64_t)(i * i), i };
        if (i % 3)
            is_there[i] = put(&store, names[i], i % 2, value) == AX_ONLINE_WRITTEN;
    }
    keys[4].ptr = NULL; /* A key with a null. */
    is_there[4] = false;
    fetch(&store, keys, COUNT, rows);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(rows[i] != NULL, is_there[i]);
        if (!is_there[i])
            continue;
        assert_true(ax_str_equals(ax_online_row_key(rows[i]), keys[i]));
        assert_int_equal(rows[i]->part_count, 1);
        assert_value(&store, ax_online_row_part(rows[i], store.layouts[i % 2].id),
                     (struct value){ { (int64_t)i, 0, 0 }, (int64_t)(i * i), i });
    }
    fetch(&store, keys, 0, NULL);
    teardown(&store);
}

static void only_what_is_newer_replaces(void **state)
{
    static const struct {
        struct ax_online_stamp stamp;
        enum ax_online_result result;
    } writes[] = {
        { { 100, 50, 5 }, AX_ONLINE_WRITTEN },      { { 99, 90, 9 }, AX_ONLINE_STALE },
        { { 100, 49, 9 }, AX_ONLINE_STALE },        { { 100, 50, 4 }, AX_ONLINE_STALE },
        { { 100, 50, 5 }, AX_ONLINE_WRITTEN },      { { 100, 50, 6 }, AX_ONLINE_WRITTEN },
        { { 100, 51, 1 }, AX_ONLINE_WRITTEN },      { { -5, 51, 1 }, AX_ONLINE_STALE },
        { { 101, -7, 0 }, AX_ONLINE_WRITTEN },      { { INT64_MIN, 0, 0 }, AX_ONLINE_STALE },
        { { INT64_MAX, 0, 0 }, AX_ONLINE_WRITTEN },
    };
    struct store store;
    struct value stored = { .letters = 0 };
    bool all = setup(&store, backend_of(state), STORE_BYTES);
    for (size_t i = 0; i < AX_COUNT(writes) && all; i++) {
        struct value value = { writes[i].stamp, (int64_t)i, i };
        enum ax_online_result result = put(&store, "a", 0, value);
        all = result != AX_ONLINE_REFUSED;
        if (!all)
            break;
        assert_int_equal(result, writes[i].result);
        if (result == AX_ONLINE_WRITTEN)
            stored = value;
        assert_value(&store, find(&store, "a", 0), stored);
    }
    if (all) {
        struct ax_online_stats stats;
        ax_online_stats(store.online, &stats);
        assert_int_equal(stats.rows, 1);
        assert_int_equal(stats.written, 6);
        assert_int_equal(stats.stale, 5);
        assert_int_equal(stats.refused, 0);
    }
    teardown(&store);
}

static void views_of_a_key_are_apart(void **state)
{
    struct store store;
    const struct value old = { { 1, 0, 0 }, 1, 3 };
    const struct value newer = { { 2, 0, 0 }, 2, 40 };
    const struct value other = { { AX_ONLINE_TIMELESS, 0, 0 }, 7, 0 };
    if (setup(&store, backend_of(state), STORE_BYTES) &&
        put(&store, "a", 1, old) == AX_ONLINE_WRITTEN &&
        put(&store, "a", 0, other) == AX_ONLINE_WRITTEN &&
        put(&store, "a", 2, old) == AX_ONLINE_WRITTEN &&
        put(&store, "a", 1, newer) == AX_ONLINE_WRITTEN &&
        put(&store, "b", 1, old) == AX_ONLINE_WRITTEN) {
        assert_value(&store, find(&store, "a", 0), other);
        assert_value(&store, find(&store, "a", 1), newer);
        assert_value(&store, find(&store, "a", 2), old);
        assert_value(&store, find(&store, "b", 1), old);
        assert_null(find(&store, "b", 0));
        assert_int_equal(ax_online_rows(store.online, store.entity), 2);
        struct ax_online_entity *same;
        struct ax_online_entity *another;
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_online_find_entity(store.online, AX_STR("thing"), &same, &err), AX_OK);
        assert_ptr_equal(same, store.entity);
        if (!ax_online_find_entity(store.online, AX_STR("thin"), &another, &err)) {
            store.entity = another; /* Has keys of its own. */
            assert_null(find(&store, "a", 1));
            assert_int_equal(ax_online_rows(store.online, store.entity), 0);
        }
    }
    teardown(&store);
}

static void a_part_may_give_some_fields(void **state)
{
    struct store store;
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    const uint64_t number_only = 1;
    const uint64_t text_only = 4;
    const struct value first = { { 5, 0, 0 }, 11, 9 };
    const struct value second = { { 6, 0, 0 }, 12, 30 };
    const struct value stale = { { 4, 0, 0 }, 13, 2 };
    if (!setup(&store, backend_of(state), STORE_BYTES) ||
        put(&store, "a", 0, first) != AX_ONLINE_WRITTEN ||
        !make_item(&store, "a", 0, second, &item)) {
        teardown(&store);
        return;
    }
    item.given = &text_only;
    if (write_one(&store, &item, &err) == AX_ONLINE_WRITTEN)
        assert_value(&store, find(&store, "a", 0), (struct value){ { 6, 0, 0 }, 11, 30 });
    if (make_item(&store, "a", 0, stale, &item)) {
        item.given = &number_only;
        assert_int_equal(write_one(&store, &item, &err), AX_ONLINE_STALE);
    }
    /* Nothing is stored: it is all there is. */
    if (make_item(&store, "b", 0, second, &item)) {
        item.given = &text_only;
        if (write_one(&store, &item, &err) == AX_ONLINE_WRITTEN)
            assert_value(&store, find(&store, "b", 0), second);
    }
    assert_true(!err.code || ax_torture_struck());
    teardown(&store);
}

static void a_key_ends(void **state)
{
    struct store store;
    const struct value old = { { 5, 0, 0 }, 11, 9 };
    const struct value older = { { 3, 0, 0 }, 12, 9 };
    if (setup(&store, backend_of(state), STORE_BYTES) &&
        put(&store, "a", 0, old) == AX_ONLINE_WRITTEN &&
        put(&store, "a", 1, old) == AX_ONLINE_WRITTEN &&
        put(&store, "b", 1, old) == AX_ONLINE_WRITTEN) {
        assert_int_equal(end(&store, "a"), AX_ONLINE_WRITTEN);
        assert_null(find(&store, "a", 0));
        assert_null(find(&store, "a", 1));
        assert_value(&store, find(&store, "b", 1), old);
        assert_int_equal(end(&store, "a"), AX_ONLINE_WRITTEN); /* It had ended. */
        assert_int_equal(ax_online_rows(store.online, store.entity), 1);
        if (put(&store, "a", 0, older) == AX_ONLINE_WRITTEN) /* Nothing is left to be newer. */
            assert_value(&store, find(&store, "a", 0), older);
    }
    teardown(&store);
}

static void what_cannot_be_kept_is_refused(void **state)
{
    struct store store;
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    char key[AX_ONLINE_KEY_BYTES_MAX + 2];
    memset(key, 'k', sizeof key);
    key[AX_ONLINE_KEY_BYTES_MAX + 1] = '\0';
    const struct value value = { { 5, 0, 0 }, 11, 9 };
    const struct value large = { { 6, 0, 0 }, 11, AX_ONLINE_ROW_BYTES_MAX };
    if (!setup(&store, backend_of(state), STORE_BYTES) ||
        !make_item(&store, key, 0, value, &item)) {
        teardown(&store);
        return;
    }
    assert_int_equal(write_one(&store, &item, &err), AX_ONLINE_REFUSED);
    assert_int_equal(err.code, AX_E_INVALID);
    item.key.ptr = NULL;
    assert_int_equal(write_one(&store, &item, &err), AX_ONLINE_REFUSED);
    assert_int_equal(err.code, AX_E_INVALID);
    key[AX_ONLINE_KEY_BYTES_MAX] = '\0';
    if (put(&store, key, 0, value) == AX_ONLINE_WRITTEN)
        assert_value(&store, find(&store, key, 0), value);
    if (put(&store, "a", 0, value) == AX_ONLINE_WRITTEN &&
        make_item(&store, "a", 0, large, &item)) {
        assert_int_equal(write_one(&store, &item, &err), AX_ONLINE_REFUSED);
        assert_int_equal(err.code, AX_E_TOO_LARGE);
        assert_value(&store, find(&store, "a", 0), value);
    }
    teardown(&store);
}

/* Write a value for the key number `key`; false: refused. */
static bool put_numbered(struct store *store, size_t key, size_t view, struct value value)
{
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    char name[24];
    (void)snprintf(name, sizeof(name), "k%zu", key);
    return make_item(store, name, view, value, &item) &&
           write_one(store, &item, &err) == AX_ONLINE_WRITTEN;
}

/* What comes back from the disk takes of what is kept, too: it was there before. */
static void load_into_full(struct store *store)
{
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    if (!make_item(store, "from the disk", 0, (struct value){ { 5, 0, 0 }, 11, 9 }, &item))
        return;
    size_t bytes = ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, NULL);
    void *row = ax_arena_alloc(&store->arena, 1, bytes);
    if (!row)
        return;
    (void)ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, row);
    const struct ax_online_row *rows[] = { row };
    if (ax_online_load(store->online, store->entity, rows, 1, &err))
        assert_true(ax_torture_struck());
}

/* Each key has a row of two views, so that rows have grown once. */
static void a_full_one_takes_newer_values(void **state)
{
    struct store store;
    const struct value value = { { 5, 0, 0 }, 11, 9 };
    const struct value newer = { { 6, 0, 0 }, 12, 9 };
    size_t count = 0;
    bool ready = setup(&store, backend_of(state), (size_t)4 << 20);
    while (ready && put_numbered(&store, count, 0, value) && put_numbered(&store, count, 1, value))
        count++;
    if (ready && !ax_torture_struck()) {
        assert_true(count > 1000);
        load_into_full(&store);
        for (size_t i = 0; i < 2 * count; i++)
            if (!put_numbered(&store, i / 2, i % 2, newer))
                assert_true(ax_torture_struck());
    }
    teardown(&store);
}

/* ---- all rows ---- */

struct visits {
    size_t count;
    int64_t sum;
    uint32_t layout;
};

static enum ax_code visit(void *arg, const struct ax_online_row *row, struct ax_err *err)
{
    struct visits *visits = arg;
    const struct ax_online_part *part = ax_online_row_part(row, visits->layout);
    if (part && part->stamp.time == INT64_MAX)
        return ax_fail(err, AX_E_CANCELLED, "enough");
    visits->count++;
    visits->sum += part ? part->stamp.time : 0;
    return AX_OK;
}

static struct visits walk(struct store *store, size_t view)
{
    struct visits visits = { .layout = store->layouts[view].id };
    struct ax_err err = AX_ERR_INIT;
    size_t cursor = 0;
    bool more = true;
    while (more)
        assert_int_equal(
            ax_online_walk(store->online, store->entity, &cursor, visit, &visits, &more, &err),
            AX_OK);
    return visits;
}

static void count_key(void *arg, const struct ax_online_entity *entity, struct ax_str key)
{
    size_t *told = arg;
    assert_true(ax_str_is(entity->name, "thing") && key.ptr);
    ++*told;
}

/* How many parts went; SIZE_MAX: refused. */
static size_t drop(struct store *store, size_t view, int64_t before)
{
    size_t told = 0;
    struct ax_online_drop which = {
        .layout = store->layouts[view].id, .before = before, .dropped = count_key, .arg = &told
    };
    struct ax_err err = AX_ERR_INIT;
    size_t cursor = 0;
    size_t total = 0;
    for (bool more = true; more;) {
        size_t dropped;
        if (ax_online_drop(store->online, store->entity, &which, &cursor, &dropped, &more, &err)) {
            assert_true(ax_torture_struck());
            return SIZE_MAX;
        }
        total += dropped;
    }
    assert_int_equal(told, total);
    return total;
}

static void rows_are_walked_and_parts_dropped(void **state)
{
    enum { COUNT = 200 };
    struct store store;
    bool all = setup(&store, backend_of(state), STORE_BYTES);
    for (size_t i = 0; i < COUNT && all; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%zu", i);
        struct value value = { { (int64_t)i, 0, 0 }, 1, i };
        all = put(&store, key, 0, value) == AX_ONLINE_WRITTEN &&
              (i % 2 || put(&store, key, 1, value) == AX_ONLINE_WRITTEN);
    }
    if (all) {
        struct visits visits = walk(&store, 0);
        assert_int_equal(visits.count, COUNT);
        assert_int_equal(visits.sum, COUNT * (COUNT - 1) / 2);
        size_t dropped = drop(&store, 0, 150);
        if (dropped != SIZE_MAX) {
            assert_int_equal(dropped, 150);
            visits = walk(&store, 0); /* Rows with another view stay. */
            assert_int_equal(visits.count, COUNT - 75);
            assert_int_equal(visits.sum, (150 + 199) * 50 / 2);
            assert_null(find(&store, "k10", 0));
            assert_value(&store, find(&store, "k10", 1), (struct value){ { 10, 0, 0 }, 1, 10 });
            assert_int_equal(drop(&store, 2, INT64_MAX), 0);
        }
        if (drop(&store, 1, INT64_MAX) == COUNT / 2) {
            assert_int_equal(ax_online_rows(store.online, store.entity), 50);
            assert_null(find(&store, "k10", 1));
        }
    }
    teardown(&store);
}

/* A row as another store has it. */
static void a_row_is_loaded_where_there_is_none(void **state)
{
    struct store store;
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    const struct value kept = { { 5, 0, 0 }, 11, 9 };
    const struct value older = { { 4, 0, 0 }, 12, 30 };
    if (setup(&store, backend_of(state), STORE_BYTES) && make_item(&store, "a", 0, kept, &item)) {
        size_t bytes =
            ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, NULL);
        void *row = ax_arena_alloc(&store.arena, 1, bytes);
        if (row) {
            (void)ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, row);
            const struct ax_online_row *rows[] = { row };
            if (!ax_online_load(store.online, store.entity, rows, 1, &err))
                assert_value(&store, find(&store, "a", 0), kept);
            if (end(&store, "a") == AX_ONLINE_WRITTEN &&
                put(&store, "a", 0, older) == AX_ONLINE_WRITTEN) {
                assert_int_equal(ax_online_load(store.online, store.entity, rows, 1, &err), AX_OK);
                assert_value(&store, find(&store, "a", 0), older);
                assert_int_equal(ax_online_rows(store.online, store.entity), 1);
            }
        }
    }
    teardown(&store);
}

/* As long as the entity lacks it; what was written is never older than it. */
static void a_row_that_is_behind_is_found(void **state)
{
    struct store store;
    struct ax_online_item item;
    const struct value kept = { { 5, 0, 0 }, 11, 9 };
    const struct value older = { { 4, 0, 0 }, 12, 3 };
    const struct value other = { { 1, 0, 0 }, 13, 5 };
    if (setup(&store, backend_of(state), STORE_BYTES) && make_item(&store, "b", 0, kept, &item)) {
        size_t bytes =
            ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, NULL);
        void *row = ax_arena_alloc(&store.arena, 1, bytes);
        if (row) {
            (void)ax_online_row_with(NULL, item.key, item.layout->id, item.part, item.bytes, row);
            behind_row = row;
            assert_null(find(&store, "b", 0));
            ax_online_lack(store.online, store.entity, 7);
            assert_value(&store, find(&store, "b", 0), kept);
            assert_null(find(&store, "c", 0));
            assert_int_equal(ax_online_rows(store.online, store.entity), 0);
            if (put(&store, "b", 1, other) == AX_ONLINE_WRITTEN) {
                behind_row = NULL;
                assert_value(&store, find(&store, "b", 0), kept);
                assert_value(&store, find(&store, "b", 1), other);
                assert_int_equal(put(&store, "b", 0, older), AX_ONLINE_STALE);
            }
            if (put(&store, "c", 0, older) == AX_ONLINE_WRITTEN)
                assert_value(&store, find(&store, "c", 0), older);
            ax_online_lack(store.online, store.entity, 0);
            behind_row = row;
            assert_null(find(&store, "d", 0));
        }
    }
    teardown(&store);
}

static void what_is_behind_may_fail(void **state)
{
    struct store store;
    const struct value value = { { 5, 0, 0 }, 11, 9 };
    const struct ax_str keys[] = { AX_STR("a"), AX_STR("b") };
    const struct ax_online_row *rows[] = { NULL, NULL };
    struct ax_online_item item;
    struct ax_err err = AX_ERR_INIT;
    if (setup(&store, backend_of(state), STORE_BYTES) &&
        put(&store, "a", 0, value) == AX_ONLINE_WRITTEN &&
        make_item(&store, "b", 0, value, &item)) {
        struct ax_online_fetch fetch = {
            .entity = store.entity, .keys = keys, .count = 2, .rows = rows, .arena = &store.arena
        };
        behind_code = AX_E_INVALID;
        ax_online_lack(store.online, store.entity, 7);
        assert_value(&store, find(&store, "a", 0), value); /* it is here */
        assert_true(ax_online_fetch(store.online, &fetch));
        assert_int_equal(fetch.err.code, AX_E_UNAVAILABLE);
        assert_null(rows[0]);
        assert_null(rows[1]);
        assert_int_equal(write_one(&store, &item, &err), AX_ONLINE_REFUSED);
        assert_int_equal(err.code, AX_E_INVALID);
        behind_code = AX_OK;
    }
    teardown(&store);
}

static void a_visit_may_fail(void **state)
{
    struct store store;
    const struct value last = { { INT64_MAX, 0, 0 }, 11, 9 };
    struct ax_err err = AX_ERR_INIT;
    if (setup(&store, backend_of(state), STORE_BYTES) &&
        put(&store, "a", 0, last) == AX_ONLINE_WRITTEN) {
        struct visits visits = { .layout = store.layouts[0].id };
        size_t cursor = 0;
        enum ax_code code = AX_OK;
        for (bool more = true; more && !code;)
            code = ax_online_walk(store.online, store.entity, &cursor, visit, &visits, &more, &err);
        assert_int_equal(code, AX_E_CANCELLED);
    }
    teardown(&store);
}

/* ---- a full store ---- */

static void a_full_store_loses_nothing(void **state)
{
    struct store store;
    struct ax_err err = AX_ERR_INIT;
    size_t count = 0;
    bool ready = setup(&store, backend_of(state), (size_t)2 << 20);
    for (enum ax_online_result result = AX_ONLINE_WRITTEN; ready; count++) {
        struct ax_online_item item;
        char key[24];
        (void)snprintf(key, sizeof key, "k%zu", count);
        ready =
            make_item(&store, key, 0, (struct value){ { 1, 0, 0 }, (int64_t)count, 500 }, &item);
        if (ready)
            result = write_one(&store, &item, &err);
        if (result == AX_ONLINE_REFUSED)
            break;
    }
    if (ready && !ax_torture_struck()) {
        assert_int_equal(err.code, AX_E_LIMIT);
        assert_true(count > 1000);
        assert_int_equal(ax_online_rows(store.online, store.entity), count);
        /* Replacing takes no more than there is, however often, nor does another key in the place
         * of one that ended. */
        for (size_t i = 0; i < 5000; i++) {
            char key[24];
            (void)snprintf(key, sizeof key, "k%zu", i % 700);
            ax_arena_reset(&store.arena);
            assert_int_equal(
                ax_online_layout_init(&store.layouts[0], 10, storages, FIELDS, &store.arena, &err),
                AX_OK);
            struct value value = { { 2 + (int64_t)i, 0, 0 }, (int64_t)i, 500 };
            assert_int_equal(put(&store, key, 0, value), AX_ONLINE_WRITTEN);
            assert_int_equal(end(&store, key), AX_ONLINE_WRITTEN);
            assert_int_equal(put(&store, key, 0, value), AX_ONLINE_WRITTEN);
            value.stamp.time++;
            assert_int_equal(put(&store, key, 0, value), AX_ONLINE_WRITTEN);
        }
        for (size_t i = 700; i < count; i++) {
            char key[24];
            (void)snprintf(key, sizeof key, "k%zu", i);
            assert_value(&store, find(&store, key, 0),
                         (struct value){ { 1, 0, 0 }, (int64_t)i, 500 });
        }
        struct ax_online_stats stats;
        ax_online_stats(store.online, &stats);
        assert_int_equal(stats.rows, count);
        assert_true(stats.bytes <= stats.bytes_max && stats.bytes_used <= stats.bytes);
    }
    teardown(&store);
}

/* ---- anything ---- */

enum { KEYS = 300, STEPS = 6000 };

struct model {
    bool is_there[3];
    struct value values[3];
};

static void check_model(struct store *store, const struct model *models, size_t key)
{
    char name[8];
    (void)snprintf(name, sizeof name, "k%zu", key);
    for (size_t view = 0; view < 3; view++) {
        const struct ax_online_part *part = find(store, name, view);
        assert_int_equal(part != NULL, models[key].is_there[view]);
        if (part)
            assert_value(store, part, models[key].values[view]);
    }
}

static void step(struct store *store, struct model *models, struct ax_random *random)
{
    size_t key = ax_random_below(random, KEYS);
    size_t view = ax_random_below(random, 3);
    char name[8];
    (void)snprintf(name, sizeof name, "k%zu", key);
    if (ax_random_below(random, 8) == 0) {
        assert_int_equal(end(store, name), AX_ONLINE_WRITTEN);
        models[key] = (struct model){ .is_there = { false } };
        return;
    }
    struct value value = { { (int64_t)ax_random_below(random, 6),
                             (int64_t)ax_random_below(random, 2), ax_random_below(random, 2) },
                           (int64_t)ax_random_below(random, 1000),
                           ax_random_below(random, 9) ? ax_random_below(random, 40)
                                                      : ax_random_below(random, 3000) };
    bool newer = !models[key].is_there[view] ||
                 ax_online_stamp_compare(&value.stamp, &models[key].values[view].stamp) >= 0;
    enum ax_online_result result = put(store, name, view, value);
    if (result == AX_ONLINE_REFUSED)
        return;
    assert_int_equal(result, newer ? AX_ONLINE_WRITTEN : AX_ONLINE_STALE);
    if (newer) {
        models[key].is_there[view] = true;
        models[key].values[view] = value;
    }
}

static void random_writes_are_as_in_an_array(void **state)
{
    static struct model models[KEYS];
    struct store store;
    struct ax_random random;
    ax_random_init(&random, 8, 0);
    memset(models, 0, sizeof models);
    bool ready = setup(&store, backend_of(state), STORE_BYTES);
    for (size_t i = 0; i < STEPS && ready; i++) {
        step(&store, models, &random);
        check_model(&store, models, ax_random_below(&random, KEYS));
        if (i % 1000 == 999) {
            int64_t before = (int64_t)ax_random_below(&random, 6);
            size_t view = ax_random_below(&random, 3);
            if (drop(&store, view, before) == SIZE_MAX)
                break;
            for (size_t key = 0; key < KEYS; key++)
                models[key].is_there[view] =
                    models[key].is_there[view] && models[key].values[view].stamp.time >= before;
        }
    }
    for (size_t key = 0; key < KEYS && ready; key++)
        check_model(&store, models, key);
    teardown(&store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_found),
        cmocka_unit_test(only_what_is_newer_replaces),
        cmocka_unit_test(views_of_a_key_are_apart),
        cmocka_unit_test(a_part_may_give_some_fields),
        cmocka_unit_test(a_key_ends),
        cmocka_unit_test(what_cannot_be_kept_is_refused),
        cmocka_unit_test(a_full_one_takes_newer_values),
        cmocka_unit_test(rows_are_walked_and_parts_dropped),
        cmocka_unit_test(a_row_is_loaded_where_there_is_none),
        cmocka_unit_test(a_row_that_is_behind_is_found),
        cmocka_unit_test(what_is_behind_may_fail),
        cmocka_unit_test(a_visit_may_fail),
        cmocka_unit_test(a_full_store_loses_nothing),
        cmocka_unit_test(random_writes_are_as_in_an_array),
    };
    struct CMUnitTest on_backends[AX_COUNT(tests) * BACKENDS_MAX];
    size_t count = 0;
    assert_true(ax_online_backend_count <= BACKENDS_MAX);
    for (size_t i = 0; i < ax_online_backend_count * AX_COUNT(tests); i++) {
        on_backends[count] = tests[i % AX_COUNT(tests)];
        on_backends[count++].initial_state =
            (void *)(uintptr_t)ax_online_backends[i / AX_COUNT(tests)];
    }
    return _cmocka_run_group_tests("online", on_backends, count, NULL, NULL);
}
