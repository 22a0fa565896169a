/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: rows of a source change what its views mean by them, and nothing else; what cannot be meant
 * is refused before it is taken in.
 * Method: a few rows whose items are worked out by hand; a table of what is refused. That values
 * are those of a history is shown by test_online_parity, and what becomes of partial rows by
 * online/test_online_merge. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/journal.h"
#include "feature/source_plan.h"
#include "online_fixture.h"
#include "random.h"
#include "test_folder.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>

enum { FAA, GATE, TIME, TEMP, WIND, SKY, CREATED, COLUMNS };
enum { WEATHER, GATES, ROWS_MAX = 70, FIELDS = 4 };
enum { FIELD_TEMP, FIELD_WARM, FIELD_FEELS, FIELD_ONE };

#define NULL_I64 INT64_MIN
#define LATER    INT64_C(1000)
#define FIRST    UINT64_C(41)

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  airport: {keys: {faa: string}}\n"
    "  gate: {keys: {faa: string, gate: int32}}\n"
    "sources:\n"
    "  w: {files: w.csv, time: t, created: c, push: true, columns: {faa: string, gate: int32,\n"
    "      t: timestamp, temp: float64, wind: float64, sky: string, c: timestamp}}\n"
    "  h: {files: h.csv, time: t, event_id: [id], push: true, columns: {faa: string,\n"
    "      gate: int32, t: timestamp, temp: float64, wind: float64, id: string}}\n"
    "  p: {files: p.csv, time: t, created: c, push: true, columns: {faa: string, gate: int32,\n"
    "      t: timestamp, temp: float64, wind: float64, sky: string, c: timestamp}}\n"
    "views:\n"
    "  part: {entity: airport, source: p, fields: {temp: temp, wind: {expr: wind, type: float32},\n"
    "         gate: gate + 1, sky: sky}}\n"
    "  hidden: {entity: airport, source: w, online: false, fields: {temp: temp}}\n"
    "  weather: {entity: airport, source: w, fields: {temp: {expr: temp, type: float32},\n"
    "            warm: temp > 0, feels: temp - wind, one: 1}}\n"
    "  gates: {entity: gate, source: w, fields: {sky: sky}}\n"
    "  mean: {entity: airport, source: h, fields: {temp: avg(temp) over 1h}}\n"
    "  last: {entity: airport, source: h, fields: {temp: temp}}\n";

static struct ax_err err;
static struct ax_definitions definitions;
static bool is_read;
static struct ax_source_plan *plan;
static struct ax_arena arena;

/* Whether it went well; else an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    if (code)
        assert_int_equal(code, AX_E_LIMIT);
    return !code;
}

/* False: refused. */
static bool set_up(const char *source_name)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = ax_str_from(text) };
    const struct ax_source *source;
    ax_err_clear(&err);
    ax_arena_init(&arena, (size_t)1 << 18, (size_t)16 << 20);
    is_read = !ax_definitions_read_texts("features", &file, 1, &definitions, &err);
    return good(err.code) && good(open_online(&definitions, &err)) &&
           good(
               ax_definitions_find_source(&definitions, ax_str_from(source_name), &source, &err)) &&
           good(ax_source_plan_new(&definitions, source, online.views, &plan, &err));
}

static int tear_down(void **state)
{
    (void)state;
    ax_source_plan_free(plan);
    plan = NULL;
    close_online();
    ax_arena_done(&arena);
    if (is_read)
        ax_definitions_done(&definitions);
    is_read = false;
    return 0;
}

/* ---- rows ---- */

/* Rows of 'w': null is NULL, NULL_I64 or NAN. */
struct weather {
    const char *faa;
    int64_t gate, time;
    double temp, wind;
    const char *sky;
    int64_t created;
};

static struct {
    struct ax_values columns[COLUMNS];
    struct ax_str faa[ROWS_MAX], sky[ROWS_MAX];
    int64_t gate[ROWS_MAX], time[ROWS_MAX], created[ROWS_MAX], taken[ROWS_MAX];
    double temp[ROWS_MAX], wind[ROWS_MAX];
    uint64_t validity[COLUMNS][2], bits[COLUMNS][2];
    const uint64_t *given[COLUMNS];
} made;

static void put_bit(uint64_t *words, size_t row, bool is_set)
{
    uint64_t bit = (uint64_t)1 << (row % 64);
    words[row / 64] = is_set ? words[row / 64] | bit : words[row / 64] & ~bit;
}

static void make_column(size_t column, enum ax_type_kind kind, void *data, size_t rows)
{
    made.columns[column] = (struct ax_values){
        .type = { kind, false }, .rows = rows, .data = data, .validity = made.validity[column]
    };
}

static struct ax_source_rows make_rows(const struct weather *rows, size_t count)
{
    memset(&made, 0, sizeof(made));
    make_column(FAA, AX_TYPE_STRING, made.faa, count);
    make_column(GATE, AX_TYPE_INT64, made.gate, count);
    make_column(TIME, AX_TYPE_TIMESTAMP, made.time, count);
    make_column(TEMP, AX_TYPE_FLOAT64, made.temp, count);
    make_column(WIND, AX_TYPE_FLOAT64, made.wind, count);
    make_column(SKY, AX_TYPE_STRING, made.sky, count);
    make_column(CREATED, AX_TYPE_TIMESTAMP, made.created, count);
    for (size_t i = 0; i < count; i++) {
        const struct weather *row = &rows[i];
        made.faa[i] = ax_str_from(row->faa ? row->faa : "");
        made.sky[i] = ax_str_from(row->sky ? row->sky : "");
        made.gate[i] = row->gate;
        made.time[i] = row->time;
        made.created[i] = row->created;
        made.temp[i] = row->temp;
        made.wind[i] = row->wind;
        made.taken[i] = LATER + (int64_t)i;
        put_bit(made.validity[FAA], i, row->faa != NULL);
        put_bit(made.validity[SKY], i, row->sky != NULL);
        put_bit(made.validity[GATE], i, row->gate != NULL_I64);
        put_bit(made.validity[TIME], i, row->time != NULL_I64);
        put_bit(made.validity[CREATED], i, row->created != NULL_I64);
        put_bit(made.validity[TEMP], i, !isnan(row->temp));
        put_bit(made.validity[WIND], i, !isnan(row->wind));
    }
    return (struct ax_source_rows){
        .rows = count, .columns = made.columns, .taken_us = made.taken, .first_sequence = FIRST
    };
}

static void leave_out(struct ax_source_rows *rows, size_t column, size_t row)
{
    if (!made.given[column])
        memset(made.bits[column], 0xFF, sizeof(made.bits[column]));
    made.given[column] = made.bits[column];
    put_bit(made.bits[column], row, false);
    rows->given = made.given;
    ax_values_set_null(&made.columns[column], row);
}

static bool apply(const struct ax_source_rows *rows, size_t from, struct ax_source_items *ret)
{
    return good(ax_source_plan_apply(plan, rows, from, rows->rows - from, &arena, ret, &err));
}

static struct ax_values read_field(const struct ax_source_items *items, size_t item, size_t field)
{
    struct ax_values values = { 0 };
    (void)good(ax_online_read(items->items[item].layout, &field, 1, &items->items[item].part, 1,
                              &arena, &values, &err));
    return values;
}

static double real_of(const struct ax_source_items *items, size_t item, size_t field)
{
    const struct ax_values values = read_field(items, item, field);
    return values.rows && !ax_values_is_null(&values, 0) ? values.f64s[0] : NAN;
}

static void assert_stamp(const struct ax_source_items *items, size_t item, int64_t time,
                         int64_t created, uint64_t sequence)
{
    const struct ax_online_stamp stamp = { time, created, sequence };
    assert_int_equal(ax_online_stamp_compare(&items->items[item].part->stamp, &stamp), 0);
}

/* ---- items ---- */

static void check_items(const struct ax_source_items *items)
{
    assert_int_equal(items[WEATHER].count, 3);
    assert_int_equal(items[WEATHER].refused, 1);
    assert_true(ax_str_is(items[WEATHER].items[0].key, "EWR"));
    assert_true(ax_str_is(items[WEATHER].items[2].key, "JFK"));
    const uint32_t rows[] = { 0, 2, 4 };
    assert_memory_equal(items[WEATHER].rows, rows, sizeof(rows));
    assert_stamp(&items[WEATHER], 0, 10, 12, FIRST);
    assert_stamp(&items[WEATHER], 1, 20, LATER + 2, FIRST + 2);
    assert_true(real_of(&items[WEATHER], 0, FIELD_TEMP) == (double)0.1F);
    assert_true(real_of(&items[WEATHER], 0, FIELD_FEELS) == 0.1 - 3);
    assert_true(isnan(real_of(&items[WEATHER], 1, FIELD_TEMP)));
    assert_null(items[WEATHER].items[0].given);
    assert_int_equal(items[GATES].count, 1);
    assert_int_equal(items[GATES].refused, 1);
    assert_int_equal(items[GATES].rows[0], 0);
    assert_true(ax_str_equals(items[GATES].items[0].key, AX_STR("\3\0\0\0EWR\7\0\0\0\0\0\0\0")));
}

static void test_rows_become_items(void **state)
{
    (void)state;
    const struct weather weather[] = {
        { "EWR", 7, 10, 0.1, 3, "fog", 12 },
        { NULL, 7, 10, 1, 1, "sun", 12 },
        { "EWR", NULL_I64, 20, NAN, 1, "sun", NULL_I64 },
        { "EWR", 7, NULL_I64, 1, 1, "sun", 12 },
        { "JFK", NULL_I64, 5, 2, 2, NULL, 12 },
    };
    struct ax_source_items items[2];
    if (!set_up("w"))
        return;
    struct ax_source_rows rows = make_rows(weather, AX_COUNT(weather));
    assert_int_equal(plan->target_count, 2);
    assert_string_equal(definitions.views[plan->targets[WEATHER].view].name.ptr, "weather");
    assert_string_equal(definitions.views[plan->targets[GATES].view].name.ptr, "gates");
    if (!apply(&rows, 0, items))
        return;
    assert_int_equal(items[GATES].view, plan->targets[GATES].view);
    check_items(items);
    rows.taken_us = NULL;
    if (apply(&rows, 0, items))
        assert_stamp(&items[WEATHER], 1, 20, 20, FIRST + 2);
}

static void test_later_rows(void **state)
{
    (void)state;
    struct weather weather[ROWS_MAX];
    struct ax_source_items items[2];
    for (size_t i = 0; i < ROWS_MAX; i++)
        weather[i] = (struct weather){ "EWR", 1, (int64_t)i, (double)i, 0, "sun", NULL_I64 };
    if (!set_up("w"))
        return;
    const struct ax_source_rows rows = make_rows(weather, ROWS_MAX);
    if (!apply(&rows, 64, items))
        return;
    assert_int_equal(items[WEATHER].count, ROWS_MAX - 64);
    assert_int_equal(items[WEATHER].rows[0], 64);
    assert_stamp(&items[WEATHER], 0, 64, LATER + 64, FIRST + 64);
    assert_true(real_of(&items[WEATHER], 0, FIELD_TEMP) == 64);
}

static void test_too_large(void **state)
{
    (void)state;
    static char long_key[AX_ONLINE_KEY_BYTES_MAX + 2], large[AX_ONLINE_ROW_BYTES_MAX + 1];
    struct ax_source_items items[2];
    memset(long_key, 'k', sizeof(long_key) - 1);
    memset(large, 's', sizeof(large) - 1);
    const struct weather weather[] = {
        { long_key, 1, 10, 1, 1, "sun", 12 },
        { "EWR", 1, 10, 1, 1, large, 12 },
    };
    if (!set_up("w"))
        return;
    const struct ax_source_rows rows = make_rows(weather, AX_COUNT(weather));
    if (!apply(&rows, 0, items))
        return;
    assert_int_equal(items[WEATHER].count, 1);
    assert_int_equal(items[WEATHER].refused, 1);
    assert_int_equal(items[WEATHER].rows[0], 1);
    assert_int_equal(items[GATES].count, 0);
    assert_int_equal(items[GATES].refused, 2);
}

/* ---- what is refused ---- */

static void assert_refused(const struct ax_source_rows *rows, const char *message)
{
    enum ax_code code = ax_source_plan_check(plan, rows, 0, rows->rows, LATER, &err);
    if (ax_torture_struck())
        return;
    assert_int_equal(code, AX_E_INVALID);
    assert_string_equal(err.msg, message);
    ax_err_clear(&err);
}

static void test_refused_states(void **state)
{
    (void)state;
    static const struct {
        int64_t time;
        int left_out; /* column, or -1 */
        const char *message;
    } cases[] = {
        { NULL_I64, -1, "row 1 has no 't', which is its time" },
        { LATER + 1, -1, "row 1: 't' is 1970-01-01T00:00:00.001001Z, which lies in the future" },
        { 10, TIME, "row 1 leaves out 't', which is its time" },
        { 10, FAA, "row 1 leaves out 'faa', which is a key" },
        { 10, GATE, "row 1 leaves out 'gate', which is a key" },
        { 10, TEMP,
          "row 1 leaves out 'temp', and views of the source have different keys, so its rows are "
          "given whole" },
    };
    if (!set_up("w"))
        return;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        const struct weather weather[] = {
            { "EWR", 7, LATER, 1, 2, "fog", 12 },
            { "EWR", 7, cases[i].time, 1, 2, "fog", 12 },
        };
        struct ax_source_rows rows = make_rows(weather, AX_COUNT(weather));
        if (cases[i].left_out >= 0)
            leave_out(&rows, (size_t)cases[i].left_out, 1);
        assert_refused(&rows, cases[i].message);
    }
}

/* One view of states that can be partial, and what it has not as a field, as it is. */
static void test_refused_partial_rows(void **state)
{
    (void)state;
    const struct weather weather[] = { { "EWR", 7, 10, 1, 2, "fog", 12 } };
    static const struct {
        size_t left_out;
        const char *message;
    } cases[] = {
        { TEMP, NULL },
        { CREATED, NULL },
        { FAA, "row 0 leaves out 'faa', which is a key" },
        { GATE, "row 0 leaves out 'gate', and what it was is not kept, since no plain online view "
                "has it as a field: give it" },
        { WIND, "row 0 leaves out 'wind', and what it was is not kept, since no plain online view "
                "has it as a field: give it" },
    };
    if (!set_up("p"))
        return;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_source_rows rows = make_rows(weather, 1);
        leave_out(&rows, cases[i].left_out, 0);
        if (cases[i].message)
            assert_refused(&rows, cases[i].message);
        else if (!good(ax_source_plan_check(plan, &rows, 0, 1, LATER, &err)))
            return;
        assert_int_equal(ax_source_rows_are_partial(plan, &rows), cases[i].left_out != CREATED);
    }
}

/* The source of events has an id where that of states has the sky, and nothing behind it. */
static void test_refused_events(void **state)
{
    (void)state;
    const struct weather events[] = { { "EWR", 7, 10, 1, 2, "a", 12 },
                                      { "EWR", 7, 10, 1, 2, NULL, 12 } };
    if (!set_up("h"))
        return;
    struct ax_source_rows rows = make_rows(events, AX_COUNT(events));
    assert_refused(&rows, "row 1 has no 'id', which is the id of its event");
    rows = make_rows(events, 1);
    if (!good(ax_source_plan_check(plan, &rows, 0, 1, LATER, &err)))
        return;
    leave_out(&rows, TEMP, 0);
    assert_refused(&rows, "row 0 leaves out 'temp', and events are given whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rows_become_items, tear_down),
        cmocka_unit_test_teardown(test_later_rows, tear_down),
        cmocka_unit_test_teardown(test_too_large, tear_down),
        cmocka_unit_test_teardown(test_refused_states, tear_down),
        cmocka_unit_test_teardown(test_refused_partial_rows, tear_down),
        cmocka_unit_test_teardown(test_refused_events, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
