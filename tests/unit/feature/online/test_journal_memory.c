/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a journal for which memory is refused takes nothing in, or all, and goes on with the next.
 * Method: a journal is opened, written, and read whole, again and again, while one allocation after
 * the other is refused. What was acknowledged is counted beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/journal.h"
#include "feature/online/journal_reader.h"

#include "test_folder.h"
#include "torture.h"

enum { ROWS = 20 };

#define ARENA_BYTES ((size_t)16 << 10)

static const struct ax_definition_column columns[] = {
    { .name = { "n", 1 }, .storage = { AX_STORAGE_INT64, false } },
    { .name = { "t", 1 }, .storage = { AX_STORAGE_STRING, false } },
};
/* What is not in the journal, too. */
static const struct ax_definition_column read_columns[] = {
    { .name = { "t", 1 }, .storage = { AX_STORAGE_STRING, false } },
    { .name = { "l", 1 }, .storage = { AX_STORAGE_INT64, true } },
};
static uint64_t acknowledged;

static void take_in(struct ax_err *err)
{
    int64_t ns[ROWS] = { 0 };
    struct ax_str texts[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        texts[i] = AX_STR("text");
    struct ax_values n = { .type = { AX_TYPE_INT64, false }, .rows = ROWS, .i64s = ns };
    struct ax_values t = { .type = { AX_TYPE_STRING, false }, .rows = ROWS, .texts = texts };
    const struct ax_values *fields[] = { &n, &t };
    struct ax_journal_config config = { .folder = folder,
                                        .source = AX_STR("s"),
                                        .columns = columns,
                                        .column_count = AX_COUNT(columns) };
    struct ax_journal *journal;
    uint64_t first;
    if (ax_journal_open(&config, &journal, err))
        return;
    assert_int_equal(ax_journal_next(journal), acknowledged + 1);
    if (!ax_journal_add(journal, fields, ROWS, 1, &first, err) && !ax_journal_commit(journal, err))
        acknowledged += ROWS;
    assert_int_equal(ax_journal_next(journal), acknowledged + 1);
    ax_journal_close(journal);
}

static void read_all(struct ax_err *err)
{
    struct ax_journal_reader *reader;
    struct ax_journal_rows rows = { 0 };
    struct ax_arena arena;
    uint64_t count = 0;
    ax_arena_init(&arena, ARENA_BYTES, 100 * ARENA_BYTES);
    if (ax_journal_reader_open(folder, read_columns, AX_COUNT(read_columns), 1, acknowledged + 1,
                               &reader, err))
        return;
    while (!ax_journal_reader_next(reader, &arena, &rows, err) && rows.rows) {
        for (size_t i = 0; i < rows.rows; i++)
            assert_true(ax_str_is(rows.values[0].texts[i], "text") &&
                        ax_values_is_null(&rows.values[1], i));
        count += rows.rows;
        ax_arena_reset(&arena);
    }
    if (!err->code)
        assert_int_equal(count, acknowledged);
    ax_journal_reader_close(reader);
    ax_arena_done(&arena);
}

static void refused_memory_loses_nothing(void **state)
{
    (void)state;
    bool is_done = false;
    unsigned refusals = 0;
    for (unsigned long i = 1; !is_done; i++) {
        struct ax_err err = AX_ERR_INIT;
        ax_torture_refuse(i);
        take_in(&err);
        if (!err.code)
            read_all(&err);
        is_done = !ax_torture_struck();
        ax_torture_refuse(0);
        refusals += err.code != AX_OK;
        if (err.code)
            assert_true(!is_done && err.code == AX_E_LIMIT);
    }
    assert_true(refusals > 8);
    struct ax_err err = AX_ERR_INIT;
    take_in(&err);
    read_all(&err);
    assert_int_equal(err.code, AX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
