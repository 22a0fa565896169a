/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an id finds its own exchange and never a later one in the same slot; the table and the
 * budget of bodies hold their limits; objects are reused.
 * Method: the table alone, with small limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/exchange.h"

#include "base/alloc.h"

#include <stdlib.h>

static const struct ax_http_config config = {
    .requests_max = 3000,
    .header_bytes_max = 1024,
    .header_count_max = 10,
    .body_bytes_max = 100000,
    .bodies_bytes_max = 150000,
    .request_bytes_max = 65536,
};

struct tables {
    struct ax_output_pool outputs;
    struct ax_exchange_table table;
};

static void tables_init(struct tables *tables, size_t thread)
{
    *tables = (struct tables){ 0 };
    ax_exchange_table_init(&tables->table, NULL, thread, &config, &tables->outputs);
}

static void tables_done(struct tables *tables)
{
    ax_exchange_table_done(&tables->table);
    ax_output_pool_done(&tables->outputs);
}

static void stale_ids_find_nothing(void **state)
{
    (void)state;
    struct tables tables;
    tables_init(&tables, 3);
    struct ax_exchange_table *table = &tables.table;
    assert_null(ax_exchange_find(table, 0));
    struct ax_exchange *first = ax_exchange_take(table, 7);
    uint64_t id = first->request.id;
    assert_int_equal(first->request.began_ns, 7);
    assert_ptr_equal(ax_exchange_find(table, id), first);
    ax_exchange_give_back(table, first);
    assert_null(ax_exchange_find(table, id));
    assert_null(ax_exchange_find(table, first->request.id)); /* the bare slot */
    struct ax_exchange *second = ax_exchange_take(table, 8);
    assert_ptr_equal(second, first); /* reused */
    assert_true(second->request.id != id);
    assert_null(ax_exchange_find(table, id));
    assert_ptr_equal(ax_exchange_find(table, second->request.id), second);
    assert_null(ax_exchange_find(table, second->request.id ^ (uint64_t)1 << 60));
    assert_null(ax_exchange_find(table, UINT64_MAX));
    ax_exchange_give_back(table, second);
    tables_done(&tables);
}

static void ids_of_threads_differ(void **state)
{
    (void)state;
    struct tables one, other;
    tables_init(&one, 0);
    tables_init(&other, AX_HTTP_THREADS_MAX - 1);
    struct ax_exchange *a = ax_exchange_take(&one.table, 0);
    struct ax_exchange *b = ax_exchange_take(&other.table, 0);
    assert_true(a->request.id != b->request.id);
    assert_null(ax_exchange_find(&one.table, b->request.id));
    ax_exchange_give_back(&one.table, a);
    ax_exchange_give_back(&other.table, b);
    tables_done(&one);
    tables_done(&other);
}

static void the_table_has_a_limit(void **state)
{
    (void)state;
    struct tables tables;
    tables_init(&tables, 0);
    struct ax_exchange_table *table = &tables.table;
    struct ax_exchange **all = ax_xalloc(config.requests_max * sizeof(struct ax_exchange *));
    /* Twice: most objects were given back to the system in between, their slots must not be. */
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < config.requests_max; i++) {
            all[i] = ax_exchange_take(table, i);
            assert_non_null(all[i]);
        }
        assert_null(ax_exchange_take(table, 0));
        size_t at = 0, count = 0;
        while (ax_exchange_next(table, &at))
            count++;
        assert_int_equal(count, config.requests_max);
        for (size_t i = 0; i < config.requests_max; i++) {
            assert_ptr_equal(ax_exchange_find(table, all[i]->request.id), all[i]);
            ax_exchange_give_back(table, all[i]);
        }
        assert_int_equal(table->used_count, 0);
        at = 0;
        assert_null(ax_exchange_next(table, &at));
    }
    free(all);
    tables_done(&tables);
}

static void bodies_are_charged(void **state)
{
    (void)state;
    struct tables tables;
    tables_init(&tables, 0);
    struct ax_exchange_table *table = &tables.table;
    struct ax_exchange *a = ax_exchange_take(table, 0);
    struct ax_exchange *b = ax_exchange_take(table, 0);
    assert_true(ax_exchange_body_room(a, &table->budget, 1));
    assert_true(table->budget.used >= 17);
    assert_true(ax_exchange_body_room(a, &table->budget, 100000));
    assert_true(table->budget.used >= 100016);
    /* Doubling would be too much; exactly what is needed is not. */
    assert_true(ax_exchange_body_room(b, &table->budget, 30000));
    assert_true(ax_exchange_body_room(b, &table->budget, 49000));
    size_t used = table->budget.used;
    assert_true(used <= config.bodies_bytes_max);
    assert_false(ax_exchange_body_room(b, &table->budget, 100000));
    assert_int_equal(table->budget.used, used);
    ax_exchange_give_back(table, a);
    assert_true(ax_exchange_body_room(b, &table->budget, 100000));
    ax_exchange_give_back(table, b);
    assert_int_equal(table->budget.used, 0);
    tables_done(&tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_ids_find_nothing),
        cmocka_unit_test(ids_of_threads_differ),
        cmocka_unit_test(the_table_has_a_limit),
        cmocka_unit_test(bodies_are_charged),
    };
    return cmocka_run_group_tests_name("net/exchange", tests, NULL, NULL);
}
