/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a map answers as a plain array would, and iterates in order of insertion.
 * Method: 200,000 random puts, gets and removals of few keys against an array that does the same
 * by searching.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"

#include "random.h"

#include <stdio.h>

enum { KEYS = 300 };

struct model {
    int order[KEYS]; /* keys in order of insertion */
    size_t count;
    void *values[KEYS];
};

static void *model_remove(struct model *model, int key)
{
    void *value = model->values[key];
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++)
        if (model->order[i] != key)
            model->order[kept++] = model->order[i];
    model->count = kept;
    model->values[key] = NULL;
    return value;
}

static struct ax_str key_text(int key, char text[16])
{
    int len = snprintf(text, 16, "%d", key);
    return (struct ax_str){ text, (size_t)len };
}

static void assert_same_order(const struct ax_map *map, const struct model *model)
{
    size_t at = 0;
    size_t seen = 0;
    struct ax_str key;
    void *value;
    while (ax_map_next(map, &at, &key, &value)) {
        char text[16];
        assert_true(seen < model->count);
        assert_true(ax_str_equals(key, key_text(model->order[seen], text)));
        assert_int_equal(key.ptr[key.len], 0);
        assert_ptr_equal(value, model->values[model->order[seen]]);
        seen++;
    }
    assert_int_equal(seen, model->count);
    assert_int_equal(map->count, model->count);
}

static void random_operations(void **state)
{
    (void)state;
    static char targets[1000];
    struct ax_map map;
    struct model model = { .count = 0 };
    uint64_t random = 3;
    ax_map_init(&map);
    for (int i = 0; i < 200000; i++) {
        int key = (int)(test_random(&random) % KEYS);
        char text[16];
        struct ax_str name = key_text(key, text);
        void *value = &targets[test_random(&random) % sizeof(targets)];
        switch (test_random(&random) % 3) {
        case 0:
            assert_ptr_equal(ax_map_get(&map, name), model.values[key]);
            break;
        case 1:
            if (!model.values[key])
                model.order[model.count++] = key;
            assert_ptr_equal(ax_map_put(&map, name, value), model.values[key]);
            model.values[key] = value;
            break;
        default:
            assert_ptr_equal(ax_map_remove(&map, name), model_remove(&model, key));
        }
        if (i % 1000 == 0)
            assert_same_order(&map, &model);
    }
    assert_same_order(&map, &model);
    ax_map_done(&map);
}

/* Removing and adding other keys must not make the tables grow without end. */
static void churn_does_not_grow(void **state)
{
    (void)state;
    struct ax_map map;
    ax_map_init(&map);
    for (int i = 0; i < 100000; i++) {
        char text[16];
        (void)ax_map_put(&map, key_text(i, text), &map);
        if (i >= 10)
            assert_non_null(ax_map_remove(&map, key_text(i - 10, text)));
    }
    assert_int_equal(map.count, 10);
    assert_true(map.entry_cap <= 64 && map.slot_count <= 128);
    ax_map_done(&map);
}

static void empty_map_and_odd_keys(void **state)
{
    (void)state;
    struct ax_map map;
    ax_map_init(&map);
    size_t at = 0;
    struct ax_str key;
    void *value;
    assert_null(ax_map_get(&map, AX_STR("a")));
    assert_null(ax_map_remove(&map, AX_STR("a")));
    assert_false(ax_map_next(&map, &at, &key, &value));
    assert_null(ax_map_put(&map, (struct ax_str){ NULL, 0 }, &map));
    assert_null(ax_map_put(&map, AX_STR("a\0b"), &at));
    assert_ptr_equal(ax_map_get(&map, AX_STR("")), &map);
    assert_ptr_equal(ax_map_get(&map, AX_STR("a\0b")), &at);
    assert_null(ax_map_get(&map, AX_STR("a")));
    ax_map_done(&map);
    ax_map_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(churn_does_not_grow),
        cmocka_unit_test(empty_map_and_odd_keys),
    };
    return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
