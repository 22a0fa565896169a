/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the two newest rows are found at each moment, whatever came and went before.
 * Method: random rows that stay or go, against a look at all of them; what memory refuses is done
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/newest.h"
#include "random.h"
#include "torture.h"

enum { ROWS_MAX = 60, MOMENTS = 40, MOMENTS_END = 80 };

struct row {
    int64_t comes;
    struct ax_newest_row row;
};

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(test_random(state) % n);
}

/* A refused row leaves all as it was. */
static void add(struct ax_newest *newest, struct ax_newest_row row)
{
    struct ax_err err = AX_ERR_INIT;
    if (!ax_newest_add(newest, row, &err))
        return;
    assert_true(ax_torture_struck());
    assert_int_equal(err.code, AX_E_LIMIT);
    ax_err_clear(&err);
    assert_int_equal(ax_newest_add(newest, row, &err), AX_OK);
}

static bool is_better(const struct row *rows, int64_t a, int64_t b)
{
    return b < 0 || rows[a].row.time > rows[b].row.time ||
           (rows[a].row.time == rows[b].row.time && a > b);
}

static void look(const struct row *rows, size_t count, int64_t moment, int64_t ret[2])
{
    ret[0] = ret[1] = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t number = (int64_t)i;
        if (rows[i].comes > moment || rows[i].row.gone <= moment)
            continue;
        if (is_better(rows, number, ret[0])) {
            ret[1] = ret[0];
            ret[0] = number;
        } else if (is_better(rows, number, ret[1])) {
            ret[1] = number;
        }
    }
}

static void go_through(struct ax_newest *newest, uint64_t *state)
{
    struct row rows[ROWS_MAX];
    size_t count = below(state, ROWS_MAX + 1);
    size_t stay_of = 1 + below(state, 4);
    for (size_t i = 0; i < count; i++) {
        int64_t comes = (int64_t)below(state, MOMENTS);
        bool stays = below(state, stay_of) == 0;
        int64_t gone = comes + 1 + (int64_t)below(state, MOMENTS);
        rows[i] = (struct row){ comes,
                                { .time = (int64_t)below(state, 9) - 4,
                                  .number = (int64_t)i,
                                  .gone = stays ? AX_NEWEST_STAYS : gone } };
    }
    for (int64_t moment = 0; moment < MOMENTS_END; moment += 1 + (int64_t)below(state, 3)) {
        /* What came since the last moment, in no order. */
        for (size_t i = 0; i < count; i++)
            if (rows[i].comes >= 0 && rows[i].comes <= moment) {
                add(newest, rows[i].row);
                rows[i].comes = -1;
            }
        int64_t wanted[2];
        int64_t got[2];
        look(rows, count, moment, wanted);
        ax_newest_get(newest, moment, got);
        assert_int_equal(got[0], wanted[0]);
        assert_int_equal(got[1], wanted[1]);
    }
}

static void the_two_newest_are_found(void **state)
{
    (void)state;
    uint64_t numbers = 1;
    struct ax_newest newest;
    ax_newest_init(&newest);
    for (size_t i = 0; i < 3000; i++) {
        ax_newest_clear(&newest);
        go_through(&newest, &numbers);
    }
    ax_newest_done(&newest);
}

static void what_cannot_matter_takes_no_memory(void **state)
{
    (void)state;
    struct ax_newest newest;
    ax_newest_init(&newest);
    for (int64_t i = 0; i < 1000; i++)
        add(&newest, (struct ax_newest_row){ i, i, AX_NEWEST_STAYS });
    for (int64_t i = 1000; i < 2000; i++)
        add(&newest, (struct ax_newest_row){ 0, i, i + 1 });
    assert_int_equal(newest.count, 0);
    ax_newest_done(&newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_newest_are_found),
        cmocka_unit_test(what_cannot_matter_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
