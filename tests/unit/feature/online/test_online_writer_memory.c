/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a writer for which memory is refused says so, loses nothing that it has acknowledged, and
 * does not take part of a batch into the journal.
 * Method: a store is opened, written, folded and closed, again and again, while one allocation
 * after the other is refused, whichever thread asks. What was acknowledged is looked for each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "writer_fixture.h"

#include "torture.h"

/* What was acknowledged last, and what was perhaps taken in. */
static int64_t pushed, kept, tried;

static void work(const char *field, struct ax_err *err)
{
    const struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    if (open_writer(&config, field, err))
        return;
    tried++;
    const struct given_row rows[] = { { 1, tried, tried }, { 2, tried, tried } };
    if (!push(SOURCE_A, rows, AX_COUNT(rows), &batch, err))
        pushed = tried;
    if (!err->code && !put_values(VIEW_C, rows, 1, true, &batch, err))
        kept = tried;
    if (!err->code && !push(SOURCE_B, rows, AX_COUNT(rows), &batch, err))
        (void)(flush(err) != AX_OK);
    close_writer();
}

static void has_at_least(size_t view, int64_t key, int64_t time)
{
    struct given_row row = { 0 };
    assert_true(get_value(view, key, &row) || !time);
    assert_true(row.time >= time && row.time <= tried);
}

static void look(const char *field)
{
    const struct ax_online_writer_config config = writer_config(folder);
    struct ax_err err = AX_ERR_INIT;
    if (open_writer(&config, field, &err))
        fail_msg("%s", err.msg);
    for (int64_t key = 1; key <= 2; key++) {
        has_at_least(VIEW_A, key, pushed);
        has_at_least(VIEW_S, key, pushed);
    }
    has_at_least(VIEW_C, 1, kept);
    close_writer();
}

static void refused_memory_loses_nothing(void **state)
{
    (void)state;
    unsigned refusals = 0;
    bool is_done = false;
    struct ax_err warm = AX_ERR_INIT;
    work("x", &warm);
    assert_int_equal(warm.code, AX_OK);
    for (unsigned long i = 1; !is_done; i++) {
        const char *field = i % 2 ? "x" : "x, g: k"; /* what it has is carried over each time */
        struct ax_err err = AX_ERR_INIT;
        ax_torture_refuse(i);
        work(field, &err);
        is_done = !ax_torture_struck();
        ax_torture_refuse(0);
        refusals += err.code != AX_OK;
        if (err.code)
            assert_true(!is_done && (err.code == AX_E_LIMIT || err.code == AX_E_UNAVAILABLE));
        look(field);
    }
    assert_true(refusals > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_writer_folder);
}
