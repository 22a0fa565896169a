/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is online is what the history has, though rows that are pushed leave columns out.
 *
 * Method: random rows of files, whole and partial rows that are pushed in batches, restarts, stores
 * that are lost, views that are made otherwise or rebuilt, beside a list of all rows that merges
 * each with the newest one of its key. The journal's rows are that list's, and the values of each
 * key those of its newest row. Some of the rows that are merged are not as the source expects, and
 * come to nothing. Then what is refused: also after a child was killed in the midst.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "feature/online/online_layout.h"
#include "feature/online/online_merge.h"

/* Of the writer's fixture. `%s` is a field of view 0. */
#define DEFINITIONS                                                                    \
    "auspex: 1\n"                                                                      \
    "entities: {thing: {keys: {k: int64}}}\n"                                          \
    "sources:\n"                                                                       \
    "  p: {files: p.csv, time: t, push: true, "                                        \
    "columns: {k: int64, t: timestamp, x: int64, w: string, l: list<int64>},\n"        \
    "  expect: [{check: expression, expr: x %% 2 <> 0 or len(l) < 2, do: drop_row},\n" \
    "    {check: expression, expr: x < 1000000 or len(l) > 0, do: fail}]}\n"           \
    "views:\n"                                                                         \
    "  numbers: {entity: thing, source: p, fields: {more: %s}}\n"                      \
    "  texts: {entity: thing, source: p, fields: {l: l, w: w}}\n"

#include "writer_steps.h"

#include "random.h"
#include "torture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 5, TIMES = 30, STEPS = 200, BATCH = 8, HISTORY = 4000 };
enum { BIG = AX_VALUES_ROWS_MAX + 1, WAITING_ROW_BYTES_MAX = 1000 };
enum { NUMBERS, TEXTS, MERGE_VIEWS };
enum { X, W, L, CELLS };
enum { KEY_COLUMN, TIME_COLUMN, X_COLUMN, W_COLUMN, L_COLUMN, COLUMNS };
#define NONE INT64_C(-1)

/* A value is a number, the text of its digits, or as many elements as its last binary digits say.
 */
struct row {
    int64_t key, time, created;
    bool is_pushed;
    int64_t cells[CELLS]; /* or NONE */
    bool leaves_out[CELLS];
};

static struct row history[HISTORY];
static size_t history_count;
static int64_t newest[KEYS]; /* of each key in the history, or NONE */
static const char *field = "x * 2, x: x";
static const bool all[] = { true, true, true };
static size_t dropped_count; /* of all tests */

static int set_up(void **state)
{
    (void)state;
    history_count = 0;
    are_materialised = NULL;
    field = "x * 2, x: x";
    for (size_t k = 0; k < KEYS; k++)
        newest[k] = NONE;
    open_state(field);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_writer();
    good(ax_file_remove_tree(folder, &err));
    good(ax_file_make_folder(folder, &err));
    return 0;
}

/* ---- columns ---- */

static struct ax_values make_column(const struct row *rows, size_t count, size_t cell)
{
    static const enum ax_type_kind kinds[] = { AX_TYPE_INT64, AX_TYPE_STRING, AX_TYPE_INT64 };
    struct ax_values values;
    good(ax_values_init(&values, (struct ax_type){ kinds[cell], cell == L }, count, &arena, &err));
    if (cell == L) {
        values.items = ax_arena_alloc(&arena, 1, sizeof(*values.items));
        assert_non_null(values.items);
        good(ax_values_init(values.items, (struct ax_type){ AX_TYPE_INT64, false }, 3 * count + 1,
                            &arena, &err));
    }
    for (size_t i = 0; i < count; i++) {
        int64_t value = rows[i].leaves_out[cell] ? NONE : rows[i].cells[cell];
        if (cell == L) {
            values.spans[i] = (struct ax_span){ (uint32_t)(3 * i), (uint32_t)(value & 3) };
            for (size_t k = 0; k < 3; k++)
                values.items->i64s[3 * i + k] = value;
        } else if (cell == W) {
            char text[24];
            (void)snprintf(text, sizeof(text), "%d", (int)value);
            values.texts[i] =
                (struct ax_str){ ax_arena_strdup(&arena, ax_str_from(text)), strlen(text) };
        } else {
            values.i64s[i] = value;
        }
        if (value == NONE)
            ax_values_set_null(&values, i);
    }
    return values;
}

static void assert_value(const struct ax_values *values, size_t row, size_t cell, int64_t value)
{
    char text[24];
    assert_int_equal(ax_values_is_null(values, row), value == NONE);
    if (value == NONE)
        return;
    if (cell == X) {
        assert_int_equal(values->i64s[row], value);
    } else if (cell == W) {
        (void)snprintf(text, sizeof(text), "%d", (int)value);
        assert_true(ax_str_is(values->texts[row], text));
    } else {
        assert_int_equal(values->spans[row].count, value & 3);
        for (size_t i = 0; i < values->spans[row].count; i++)
            assert_int_equal(values->items->i64s[values->spans[row].from + i], value);
    }
}

/* ---- rows of files ---- */

/* Into views [from, until). */
static void put_into(const struct row *row, size_t from, size_t until)
{
    const struct ax_entity *entity = &fixture.views->given.definitions->entities[0];
    ax_arena_reset(&arena);
    struct row more = *row;
    more.cells[X] = row->cells[X] == NONE ? NONE : row->cells[X] * (field[4] - '0');
    const struct ax_values x = make_column(row, 1, X), w = make_column(row, 1, W),
                           l = make_column(row, 1, L), m = make_column(&more, 1, X);
    const struct ax_values *fields[MERGE_VIEWS][2] = { { &m, &x }, { &l, &w } };
    const struct ax_online_stamp stamp = { .time = row->time, .created = row->created };
    for (size_t view = from; view < until; view++) {
        const struct ax_online_layout *layout = fixture.views->views[view].layout;
        size_t bytes = ax_online_part_write(layout, &stamp, fields[view], 0, NULL);
        void *part = ax_arena_alloc(&arena, 1, bytes);
        assert_non_null(part);
        (void)ax_online_part_write(layout, &stamp, fields[view], 0, part);
        struct ax_online_item item = {
            .key = key_of(entity, row->key), .layout = layout, .part = part, .bytes = bytes
        };
        struct ax_online_batch batch = { .kind = AX_ONLINE_VALUES,
                                         .views = fixture.views,
                                         .number = view,
                                         .items = &item,
                                         .item_count = 1 };
        good(send_and_wait(&batch, &err));
    }
}

static void put_row(const struct row *row)
{
    put_into(row, 0, MERGE_VIEWS);
}

static bool is_older(const struct row *a, const struct row *b)
{
    return a->time < b->time || (a->time == b->time && a->created < b->created);
}

static void learn(const struct row *row)
{
    int64_t *best = &newest[row->key];
    assert_true(history_count < HISTORY);
    history[history_count] = *row;
    if (*best == NONE || !is_older(row, &history[*best]))
        *best = (int64_t)history_count;
    history_count++;
}

/* What materialising does: the latest row of each key, and telling that this is all. */
static void put_files(void)
{
    for (int64_t key = 0; key < KEYS; key++) {
        const struct row *latest = NULL;
        for (size_t i = 0; i < history_count; i++) {
            const struct row *row = &history[i];
            if (!row->is_pushed && row->key == key && (!latest || !is_older(row, latest)))
                latest = row;
        }
        if (latest)
            put_row(latest);
    }
    for (size_t view = 0; view < MERGE_VIEWS; view++)
        ax_online_writer_complete(fixture.writer, fixture.views, view);
}

/* ---- rows that are pushed ---- */

/* Rows as they are pushed. */
struct pushed {
    struct ax_values columns[COLUMNS];
    uint64_t bits[CELLS][BIG / 64 + 1];
    const uint64_t *given[COLUMNS];
    struct ax_source_rows rows;
    struct ax_online_batch batch;
};

static void make_pushed(struct pushed *pushed, const struct row *rows, size_t count)
{
    memset(pushed, 0, sizeof(*pushed));
    struct ax_values *columns = pushed->columns;
    pushed->rows = (struct ax_source_rows){ .rows = count, .columns = columns };
    pushed->batch = (struct ax_online_batch){ .kind = AX_ONLINE_ROWS,
                                              .views = fixture.views,
                                              .rows = &pushed->rows,
                                              .taken_us = rows[0].created };
    int64_t *keys = ax_arena_alloc(&arena, count, sizeof(*keys));
    int64_t *times = ax_arena_alloc(&arena, count, sizeof(*times));
    assert_true(keys && times && count <= BIG);
    columns[KEY_COLUMN] = column_of(AX_TYPE_INT64, keys, count);
    columns[TIME_COLUMN] = column_of(AX_TYPE_TIMESTAMP, times, count);
    for (size_t cell = 0; cell < CELLS; cell++) {
        columns[X_COLUMN + cell] = make_column(rows, count, cell);
        for (size_t i = 0; i < count; i++) {
            pushed->bits[cell][i / 64] |= (uint64_t)!rows[i].leaves_out[cell] << (i % 64);
            if (rows[i].leaves_out[cell]) {
                pushed->given[X_COLUMN + cell] = pushed->bits[cell];
                pushed->rows.given = pushed->given;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = rows[i].key;
        times[i] = rows[i].time;
    }
}

/* Push them; *ret has the counts. */
static enum ax_code push_rows(const struct row *rows, size_t count, struct ax_online_batch *ret)
{
    struct pushed pushed;
    ax_arena_reset(&arena);
    make_pushed(&pushed, rows, count);
    (void)(send_and_wait(&pushed.batch, &err) != AX_OK);
    *ret = pushed.batch;
    return err.code;
}

static bool leaves_some_out(const struct row *row)
{
    return row->leaves_out[X] || row->leaves_out[W] || row->leaves_out[L];
}

static bool is_as_expected(const struct row *row)
{
    return row->cells[X] == NONE || row->cells[X] % 2 != 0 || row->cells[L] == NONE ||
           (row->cells[L] & 3) < 2;
}

/* What the history has of the rows then, of how many they change nothing, and how many are left
 * out. False: a row has nothing to be merged with. */
static bool learn_pushed(const struct row *rows, size_t count, size_t *ret_stale,
                         size_t *ret_dropped)
{
    for (size_t i = 0; i < count; i++) {
        struct row row = rows[i];
        int64_t stored = newest[row.key];
        if (leaves_some_out(&row) && stored == NONE)
            return false;
        if (leaves_some_out(&row) && is_older(&row, &history[stored])) {
            (*ret_stale)++;
            continue;
        }
        for (size_t cell = 0; cell < CELLS; cell++) {
            if (row.leaves_out[cell])
                row.cells[cell] = history[stored].cells[cell];
            row.leaves_out[cell] = false;
        }
        if (!is_as_expected(&row)) {
            (*ret_dropped)++;
            continue;
        }
        *ret_stale += stored != NONE && is_older(&row, &history[stored]);
        learn(&row);
    }
    return true;
}

static void push_both(const struct row *rows, size_t count)
{
    struct ax_online_batch batch;
    int64_t before[KEYS];
    size_t stale = 0, dropped = 0, history_before = history_count;
    memcpy(before, newest, sizeof(before));
    if (learn_pushed(rows, count, &stale, &dropped)) {
        good(push_rows(rows, count, &batch));
        assert_int_equal(batch.stale, stale * MERGE_VIEWS);
        assert_int_equal(batch.written, (count - stale - dropped) * MERGE_VIEWS);
        assert_int_equal(batch.dropped, dropped);
        dropped_count += dropped;
        assert_int_equal(batch.unexpected[AX_EXPECT_DROP_ROW], dropped);
        return;
    }
    memcpy(newest, before, sizeof(before));
    history_count = history_before;
    assert_int_equal(push_rows(rows, count, &batch), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "there is no stored row of its key: give it"));
    ax_err_clear(&err);
}

/* Which would not be taken in as it is. */
static struct row random_row(uint64_t *random)
{
    struct row row = { .key = (int64_t)(test_random(random) % KEYS),
                       .time = (int64_t)(2 * history_count + test_random(random) % TIMES) };
    for (size_t cell = 0; cell < CELLS; cell++)
        row.cells[cell] = (int64_t)(test_random(random) % 100) - 10;
    for (size_t cell = 0; cell < CELLS; cell++)
        row.cells[cell] = AX_MAX(row.cells[cell], NONE);
    return is_as_expected(&row) ? row : random_row(random);
}

static void push_random(uint64_t *random)
{
    static int64_t taken = 1000; /* behind all times */
    struct row rows[BATCH];
    size_t count = 1 + test_random(random) % BATCH;
    bool some = test_random(random) % 4;
    taken++;
    for (size_t i = 0; i < count; i++) {
        rows[i] = random_row(random);
        if (i && test_random(random) % 2)
            rows[i].key = rows[i - 1].key;
        rows[i].created = taken;
        rows[i].is_pushed = true;
        for (size_t cell = 0; cell < CELLS; cell++)
            rows[i].leaves_out[cell] = some && test_random(random) % 2;
    }
    push_both(rows, count);
}

/* ---- comparing ---- */

static void check_journal(void)
{
    const struct ax_source *source = &fixture.views->given.definitions->sources[0];
    struct ax_journal_reader *reader = NULL;
    struct ax_journal_rows read = { 0 };
    char path[300];
    size_t at = 0;
    (void)snprintf(path, sizeof(path), "%s/journal/p", folder);
    good(ax_journal_reader_open(path, source->columns, source->column_count, 1, 0, &reader, &err));
    do {
        ax_arena_reset(&arena);
        good(ax_journal_reader_next(reader, &arena, &read, &err));
        for (size_t i = 0; i < read.rows; i++, at++) {
            while (at < history_count && !history[at].is_pushed)
                at++;
            assert_true(at < history_count);
            assert_int_equal(read.values[KEY_COLUMN].i64s[i], history[at].key);
            assert_int_equal(read.values[TIME_COLUMN].i64s[i], history[at].time);
            for (size_t cell = 0; cell < CELLS; cell++)
                assert_value(&read.values[X_COLUMN + cell], i, cell, history[at].cells[cell]);
        }
    } while (read.rows);
    while (at < history_count && !history[at].is_pushed)
        at++;
    assert_int_equal(at, history_count);
    ax_journal_reader_close(reader);
}

static void check_key(int64_t key, const struct row *row)
{
    const struct ax_entity *entity = &fixture.views->given.definitions->entities[0];
    const size_t cells[MERGE_VIEWS][2] = { { X, X }, { L, W } };
    ax_arena_reset(&arena);
    const struct ax_str text = key_of(entity, key);
    const struct ax_online_row *stored = NULL;
    struct ax_online_fetch fetch = { .entity = fixture.views->views[0].entity,
                                     .keys = &text,
                                     .count = 1,
                                     .rows = &stored,
                                     .arena = &arena };
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    assert_true(ax_online_fetch(ax_online_writer_store(fixture.writer), &fetch));
    assert_int_equal(stored != NULL, row != NULL);
    for (size_t view = 0; row && view < MERGE_VIEWS; view++) {
        const struct ax_online_layout *layout = fixture.views->views[view].layout;
        const struct ax_online_part *part = ax_online_row_part(stored, layout->id);
        assert_non_null(part);
        assert_int_equal(part->stamp.time, row->time);
        for (size_t i = view == NUMBERS; i < 2; i++) {
            struct ax_values values;
            good(ax_online_read(layout, &i, 1, &part, 1, &arena, &values, &err));
            assert_value(&values, 0, cells[view][i], row->cells[cells[view][i]]);
        }
    }
    ax_epoch_leave(fixture.reader);
}

static void check_all(void)
{
    check_journal();
    for (int64_t key = 0; key < KEYS; key++)
        check_key(key, newest[key] == NONE ? NULL : &history[newest[key]]);
}

/* Its rows on the disk are removed while nobody has it. */
static void lose_store(void)
{
    char path[300];
    close_writer();
    (void)snprintf(path, sizeof(path), "%s/online", folder);
    good(ax_file_remove_tree(path, &err));
    open_state(field);
}

/* ---- what it does ---- */

static void random_rows_are_their_history(void **state)
{
    (void)state;
    static const char *const fields[] = { "x * 2, x: x", "x * 3, x: x", "x * 4, x: x" };
    uint64_t random = 11;
    are_materialised = all;
    for (size_t step = 0; step < STEPS; step++) {
        struct row row = random_row(&random);
        row.created = row.time;
        switch (test_random(&random) % 16) {
        case 0:
            close_writer();
            open_state(field);
            break;
        case 1:
            for (size_t view = 0; view < MERGE_VIEWS; view++)
                good(ax_online_writer_clear(fixture.writer, fixture.views, view, &err));
            put_files();
            break;
        case 2:
            field = fields[test_random(&random) % AX_COUNT(fields)];
            good(define(field, &err));
            put_files();
            break;
        case 3:
            lose_store();
            put_files();
            break;
        case 4:
        case 5:
        case 6:
            put_row(&row);
            learn(&row);
            break;
        default:
            push_random(&random);
        }
        check_all();
    }
    assert_true(dropped_count > 5);
}

/* What a row leaves out is not guessed, neither while a view lacks what files told of its key. */
static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct row of_file = { .key = 1, .time = 5, .created = 5, .cells = { 7, 8, 9 } };
    const struct row partial = { .key = 1,
                                 .time = 6,
                                 .created = 1000,
                                 .is_pushed = true,
                                 .cells = { NONE, 3, NONE },
                                 .leaves_out = { true, false, true } };
    put_row(&of_file);
    learn(&of_file);
    good(ax_online_writer_clear(fixture.writer, fixture.views, NUMBERS, &err));
    ax_online_writer_complete(fixture.writer, fixture.views, NUMBERS);
    assert_int_equal(push_rows(&partial, 1, &batch), AX_E_INVALID);
    assert_string_equal(err.msg, "row 0 leaves out 'x', and the view that has it does not have the "
                                 "stored row of its key: give it");
    ax_err_clear(&err);
    good(ax_online_writer_clear(fixture.writer, fixture.views, TEXTS, &err));
    ax_online_writer_complete(fixture.writer, fixture.views, TEXTS);
    assert_int_equal(push_rows(&partial, 1, &batch), AX_E_INVALID);
    assert_string_equal(err.msg,
                        "row 0 leaves out 'x', and there is no stored row of its key: give it");
    ax_err_clear(&err);
    put_files();
    push_both(&partial, 1);
    check_all();
    /* A view that is behind the other one. */
    struct row later = of_file, last = partial;
    later.time = later.created = 2000;
    last.time = 3000;
    put_into(&later, TEXTS, MERGE_VIEWS);
    assert_int_equal(push_rows(&last, 1, &batch), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "does not have the stored row of its key"));
    ax_err_clear(&err);
    put_into(&later, NUMBERS, TEXTS);
    learn(&later);
    push_both(&last, 1);
    check_all();
}

static void refuses(const struct row *partial, const char *column, const char *view)
{
    struct ax_online_batch batch;
    char expected[200];
    assert_int_equal(push_rows(partial, 1, &batch), AX_E_UNAVAILABLE);
    (void)snprintf(expected, sizeof(expected),
                   "row 0 leaves out '%s', and files may have values of it that view '%s' lacks: "
                   "give it, or run 'auspex materialize --view %s'",
                   column, view, view);
    assert_string_equal(err.msg, expected);
    ax_err_clear(&err);
    check_journal();
}

/* A view that is rebuilt has old rows of the journal before it has new ones of files: nothing is
 * merged with those, also when its fields are made otherwise meanwhile. Whole rows are taken in. */
static void a_view_that_is_rebuilt_is_not_merged_with(void **state)
{
    (void)state;
    const struct row pushed = {
        .key = 1, .time = 5, .created = 1000, .is_pushed = true, .cells = { 1, 1, 1 }
    };
    const struct row of_file = { .key = 1, .time = 10, .created = 10, .cells = { 9, 9, 9 } };
    struct row whole = pushed, partial = pushed;
    whole.key = 2;
    partial.time = 20;
    partial.cells[W] = 7;
    partial.leaves_out[X] = partial.leaves_out[L] = true;
    push_both(&pushed, 1);
    put_row(&of_file);
    learn(&of_file);
    good(ax_online_writer_clear(fixture.writer, fixture.views, NUMBERS, &err));
    good(ax_online_writer_clear(fixture.writer, fixture.views, TEXTS, &err));
    ax_online_writer_complete(fixture.writer, fixture.views, TEXTS);
    check_key(1, &pushed);
    push_both(&whole, 1);
    for (size_t i = 0; i < 2; i++) {
        refuses(&partial, "x", "numbers");
        check_key(1, &pushed);
        field = "x * 3, x: x";
        good(define(field, &err));
    }
    put_files();
    push_both(&partial, 1);
    check_all();
}

static const struct row of_file = { .key = 1, .time = 10, .created = 10, .cells = { 9, 9, 9 } };
/* Gives the text alone. */
static const struct row text_alone = { .key = 1,
                                       .time = 20,
                                       .created = 1000,
                                       .is_pushed = true,
                                       .cells = { NONE, 7, NONE },
                                       .leaves_out = { true, false, true } };

/* What the journal has is old, where files told more. Of a view to which they never told anything
 * it is all there is. */
static void a_store_that_was_lost_is_not_merged_with(void **state)
{
    (void)state;
    const struct row pushed = {
        .key = 1, .time = 5, .created = 999, .is_pushed = true, .cells = { 1, 1, 1 }
    };
    struct row whole = pushed, partial = text_alone;
    push_both(&pushed, 1);
    lose_store();
    partial.time = 6;
    push_both(&partial, 1);
    check_all();
    put_row(&of_file);
    learn(&of_file);
    are_materialised = all;
    lose_store();
    for (size_t i = 0; i < 2; i++) {
        refuses(&text_alone, "x", "numbers");
        whole.key = (int64_t)(2 + i);
        push_both(&whole, 1);
        close_writer();
        open_state(field);
    }
    put_files();
    close_writer();
    open_state(field);
    push_both(&text_alone, 1);
    check_all();
}

/* A field that is new is null in rows of files; the others are what they were. */
static void a_field_that_is_new_is_not_merged_with(void **state)
{
    (void)state;
    struct row number_alone = text_alone, partial = text_alone;
    number_alone.cells[X] = 3;
    number_alone.leaves_out[X] = false;
    number_alone.leaves_out[W] = true;
    partial.time = 30;
    field = "x * 2";
    good(define(field, &err));
    put_row(&of_file);
    learn(&of_file);
    put_files();
    are_materialised = all;
    field = "x * 2, x: x";
    good(define(field, &err));
    for (size_t i = 0; i < 2; i++) {
        refuses(&text_alone, "x", "numbers");
        close_writer();
        open_state(field);
    }
    push_both(&number_alone, 1);
    refuses(&partial, "x", "numbers");
    field = "x * 3, x: x"; /* that which is new then keeps nothing */
    good(define(field, &err));
    refuses(&partial, "x", "numbers");
    put_files();
    push_both(&partial, 1);
    check_all();
    field = "x * 4, x: x, y: x";
    good(define(field, &err));
    partial.time++;
    push_both(&partial, 1);
}

/* A view that went and came again has what the journal has, though its form is what it was. Where
 * another one has the column, too, and lacks nothing, that is taken. */
static void a_view_that_comes_again_is_not_merged_with(void **state)
{
    (void)state;
    static const char without[] = "x * 2";
    static const char with[] = "x * 2}}\n  extra: {entity: thing, source: p, fields: {e: x";
    static const char both[] = "x * 2, x: x}}\n  extra: {entity: thing, source: p, fields: {e: x";
    struct ax_online_writer_stats stats;
    struct ax_online_batch batch;
    struct row whole = text_alone, partial = text_alone;
    memset(whole.leaves_out, 0, sizeof(whole.leaves_out));
    good(define(with, &err));
    good(push_rows(&whole, 1, &batch));
    good(push_rows(&partial, 1, &batch));
    good(flush(&err));
    are_materialised = all;
    good(define(without, &err));
    do {
        good(flush(&err));
        ax_online_writer_stats(fixture.writer, &stats);
    } while (!stats.swept);
    good(define(with, &err));
    assert_int_equal(push_rows(&partial, 1, &batch), AX_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "'extra'"));
    ax_err_clear(&err);
    are_materialised = NULL;
    good(define(both, &err));
    good(push_rows(&partial, 1, &batch));
}

/* Killed when a view was cleared, or when it had all again. */
static AX_NORETURN void clear_until_killed(bool is_complete)
{
    open_state(field);
    good(ax_online_writer_clear(fixture.writer, fixture.views, NUMBERS, &err));
    if (is_complete) {
        put_files();
        good(flush(&err));
    }
    (void)kill(getpid(), SIGKILL);
    _exit(1);
}

static void killed_in_a_rebuild_it_is_not_merged_with(void **state)
{
    (void)state;
    const struct row pushed = {
        .key = 1, .time = 5, .created = 999, .is_pushed = true, .cells = { 1, 1, 1 }
    };
    push_both(&pushed, 1);
    put_row(&of_file);
    learn(&of_file);
    for (int is_complete = 0; is_complete < 2; is_complete++) {
        int status;
        close_writer();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            clear_until_killed(is_complete);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        open_state(field);
        if (!is_complete)
            refuses(&text_alone, "x", "numbers");
    }
    push_both(&text_alone, 1);
    check_all();
}

static sem_t held, released;

static void hold(struct ax_online_batch *batch)
{
    (void)batch;
    (void)sem_post(&held);
    wait_for(&released);
}

/* Batches that wait together are merged with what the ones before them wrote. */
static void batches_that_wait_are_merged_in_turn(void **state)
{
    (void)state;
    const struct row rows[] = {
        { .key = 1, .time = 1, .created = 1000, .is_pushed = true, .cells = { 1, 1, 1 } },
        { .key = 1, .time = 2, .created = 1001, .is_pushed = true, .cells = { 2, 2, 1 } },
        { .key = 1,
          .time = 3,
          .created = 1002,
          .is_pushed = true,
          .cells = { 3 },
          .leaves_out = { false, true, true } },
        { .key = 1,
          .time = 4,
          .created = 1003,
          .is_pushed = true,
          .cells = { 0, 4 },
          .leaves_out = { true, false, true } },
    };
    struct pushed pushed[AX_COUNT(rows)];
    sem_t done;
    size_t stale = 0, dropped = 0;
    assert_true(!sem_init(&held, 0, 0) && !sem_init(&released, 0, 0) && !sem_init(&done, 0, 0));
    ax_arena_reset(&arena);
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        make_pushed(&pushed[i], &rows[i], 1);
        pushed[i].batch.context = &done;
        pushed[i].batch.done = i ? post : hold;
        good(ax_online_writer_send(fixture.writer, &pushed[i].batch, &err));
        if (i == 0)
            wait_for(&held);
    }
    (void)sem_post(&released);
    for (size_t i = 1; i < AX_COUNT(rows); i++)
        wait_for(&done);
    assert_true(learn_pushed(rows, AX_COUNT(rows), &stale, &dropped));
    check_all();
    (void)sem_destroy(&held);
    (void)sem_destroy(&released);
    (void)sem_destroy(&done);
}

/* A row that is not as expected when it is whole is as if it had not come, for those behind it in
 * its batch, too, or takes all of them with it. */
static void merged_rows_are_asked_what_is_expected(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    struct row rows[] = {
        { .key = 1, .time = 1, .created = 999, .is_pushed = true, .cells = { 4, 1, 1 } },
        { .key = 1, /* to be dropped */
          .time = 9,
          .created = 1000,
          .is_pushed = true,
          .cells = { NONE, 2, 3 },
          .leaves_out = { true, false, false } },
        { .key = 1, /* neither stale nor merged with that */
          .time = 5,
          .created = 1000,
          .is_pushed = true,
          .cells = { NONE, 3, NONE },
          .leaves_out = { true, false, true } },
        { .key = 1, /* whole */
          .time = 6,
          .created = 1000,
          .is_pushed = true,
          .cells = { 5, 4, 3 } },
        { .key = 1, /* as expected by now */
          .time = 7,
          .created = 1000,
          .is_pushed = true,
          .cells = { NONE, 5, 3 },
          .leaves_out = { true, false, false } },
        { .key = 1, /* to be dropped */
          .time = 8,
          .created = 1000,
          .is_pushed = true,
          .cells = { 8, NONE, NONE },
          .leaves_out = { false, true, true } },
    };
    push_both(rows, 1);
    push_both(rows + 1, AX_COUNT(rows) - 1);
    check_all();
    assert_int_equal(history[history_count - 1].cells[W], 5);
    assert_int_equal(history_count, 4);
    rows[3].time = rows[4].time = 10;
    rows[3].cells[L] = 0;
    push_both(rows + 3, 1);
    rows[3].key = 2;
    rows[4].cells[X] = 1000000;
    rows[4].leaves_out[X] = false;
    rows[4].leaves_out[L] = true;
    assert_int_equal(push_rows(rows + 3, 2, &batch), AX_E_INVALID);
    assert_string_equal(err.msg, "row 1: expression x < 1000000 or len(l) > 0 does not hold");
    ax_err_clear(&err);
    check_all();
}

/* More rows than are applied at once: what was stored goes before all of them are. */
static void many_rows_are_merged(void **state)
{
    (void)state;
    struct row *rows = calloc(BIG, sizeof(*rows));
    assert_non_null(rows);
    const struct row first = {
        .key = 1, .time = 1, .created = 1000, .is_pushed = true, .cells = { 1, 12345, 1 }
    };
    push_both(&first, 1);
    for (size_t i = 0; i < BIG; i++) {
        bool is_partial = i == 0 || i + 1 == BIG;
        rows[i] = (struct row){ .key = is_partial ? 1 : 2,
                                .time = 2 + (int64_t)i,
                                .created = 1001,
                                .is_pushed = true,
                                .cells = { (int64_t)i, 5, 5 },
                                .leaves_out = { false, is_partial, is_partial } };
    }
    push_both(rows, BIG);
    check_all();
    free(rows);
}

/* Small rows of keys with large texts: what is over a limit is refused before it is copied. */
/* Each row waits for the one before, since it is merged with that, and has to be asked. */
static void rows_that_wait_take_little_memory(void **state)
{
    (void)state;
    static struct row rows[BIG];
    static struct pushed pushed;
    struct row whole = {
        .key = 1, .time = 1, .created = 1000, .is_pushed = true, .cells = { 1, 2, 1 }
    };
    struct ax_arena own;
    struct ax_source_rows merged;
    push_both(&whole, 1);
    for (size_t i = 0; i < BIG; i++) {
        rows[i] = whole;
        rows[i].time = 2 + (int64_t)i;
        rows[i].leaves_out[L] = true;
    }
    ax_arena_reset(&arena);
    make_pushed(&pushed, rows, BIG);
    ax_arena_init(&own, 4096, WAITING_ROW_BYTES_MAX * (size_t)BIG);
    struct ax_online_merge merge = { .store = ax_online_writer_store(fixture.writer),
                                     .views = fixture.views,
                                     .rows = &pushed.rows,
                                     .taken_us = whole.created,
                                     .arena = &own };
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    good(ax_online_merge_rows(&merge, &merged, &err));
    ax_epoch_leave(fixture.reader);
    assert_int_equal(merged.rows, BIG);
    ax_arena_done(&own);
}

static void what_rows_leave_out_has_a_limit(void **state)
{
    (void)state;
    enum { TEXT_BYTES = 1000000, FITTING = 67, TOO_MANY = 68 }; /* of 64 MiB */
    static char text[TEXT_BYTES];
    static struct row rows[TOO_MANY];
    static struct pushed pushed;
    struct ax_online_writer_config config = writer_config(NULL); /* no journal, which has a limit */
    struct ax_online_batch batch;
    config.memory_bytes_max = (size_t)256 << 20;
    close_writer();
    good(open_writer(&config, field, &err));
    memset(text, 'x', sizeof(text));
    for (int64_t key = 0; key < TOO_MANY; key++) {
        ax_arena_reset(&arena);
        rows[key] = (struct row){ .key = key, .time = 1, .created = 1000, .cells = { 1, 2, 3 } };
        make_pushed(&pushed, &rows[key], 1);
        pushed.columns[W_COLUMN].texts[0] = (struct ax_str){ text, sizeof(text) };
        good(send_and_wait(&pushed.batch, &err));
        assert_int_equal(pushed.batch.refused, 0);
        rows[key].time = 2;
        rows[key].leaves_out[W] = true;
    }
    assert_int_equal(push_rows(rows, TOO_MANY, &batch), AX_E_TOO_LARGE);
    assert_string_equal(err.msg, "the rows, with what they leave out, are over 67108864 bytes: "
                                 "give fewer at a time");
    ax_err_clear(&err);
    good(push_rows(rows, FITTING, &batch));
    assert_int_equal(batch.written, FITTING * MERGE_VIEWS);
    for (size_t i = 0; i < TOO_MANY; i++) {
        rows[i].time = 3;
        rows[i].leaves_out[W] = i == 0; /* What a row gives is not read. */
    }
    good(push_rows(rows, TOO_MANY, &batch));
    assert_int_equal(batch.written, TOO_MANY * MERGE_VIEWS);
}

/* A batch for which memory is refused is not taken in; or its row is history, and not online. */
static void refused_memory_merges_nothing(void **state)
{
    (void)state;
    unsigned refusals = 0;
    struct row row = {
        .key = 1, .time = 1, .created = 1000, .is_pushed = true, .cells = { 1, 2, 1 }
    };
    push_both(&row, 1);
    for (unsigned long i = 1, is_done = false; !is_done; i++) {
        struct row partial = row;
        struct ax_online_batch batch;
        size_t stale = 0, dropped = 0;
        partial.time += 2 * (int64_t)i;
        partial.cells[X] = (int64_t)i;
        partial.leaves_out[W] = partial.leaves_out[L] = true;
        close_writer(); /* What it has of memory is not enough the next time. */
        open_state(field);
        ax_torture_refuse(i);
        enum ax_code code = push_rows(&partial, 1, &batch);
        is_done = !ax_torture_struck();
        ax_torture_refuse(0);
        assert_true(!code || (code == AX_E_LIMIT && !is_done));
        refusals += code != AX_OK;
        ax_err_clear(&err);
        if (!code || batch.refused)
            assert_true(learn_pushed(&partial, 1, &stale, &dropped));
        if (batch.refused) {
            partial.time++;
            partial.leaves_out[W] = partial.leaves_out[L] = false;
            push_both(&partial, 1);
        }
        check_all();
    }
    assert_true(refusals > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_rows_are_their_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_view_that_is_rebuilt_is_not_merged_with, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_was_lost_is_not_merged_with, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_field_that_is_new_is_not_merged_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_view_that_comes_again_is_not_merged_with, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_in_a_rebuild_it_is_not_merged_with, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(batches_that_wait_are_merged_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merged_rows_are_asked_what_is_expected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_rows_are_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_wait_take_little_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_rows_leave_out_has_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_memory_merges_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_writer_folder);
}
