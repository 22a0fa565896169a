/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is served is what was trained on: a service's inputs from the online store are, to the
 * bit, those of a history at the same moments.
 *
 * Method: random definitions (fields and expressions out of a list, of all storages, with and
 * without ttl, defaults and created, keys of one or two values, a role or two) and random states,
 * or events with corrections, with few keys and few times, so that ties, nulls and edges of ttl are
 * frequent. They go to CSV files for the offline store, and by the source's plan into the store in
 * memory, in another order. The rows asked about have moments at or behind the newest of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/sql.h"
#include "feature/offline/offline.h"
#include "feature/service_vector.h"
#include "feature/source_plan.h"
#include "online_fixture.h"
#include "random.h"
#include "test_folder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASES_DEFAULT = 8, STATES_MAX = 200, ROWS_MAX = 50 };
enum {
    COLUMN_A,
    COLUMN_B,
    COLUMN_TIME,
    COLUMN_X,
    COLUMN_N,
    COLUMN_S,
    COLUMN_F,
    COLUMN_CREATED,
    COLUMN_ID,
    COLUMNS
};
enum { CALL_Y, CALL_M, CALL_A, CALL_B, CALL_A2, CALLS };

#define EPOCH INT64_C(1357000000000000)
#define UNIT  INT64_C(1000000)

static const enum ax_type_kind column_types[COLUMNS] = {
    [COLUMN_A] = AX_TYPE_INT64,        [COLUMN_B] = AX_TYPE_STRING,
    [COLUMN_TIME] = AX_TYPE_TIMESTAMP, [COLUMN_X] = AX_TYPE_FLOAT64,
    [COLUMN_N] = AX_TYPE_INT64,        [COLUMN_S] = AX_TYPE_STRING,
    [COLUMN_F] = AX_TYPE_BOOL,         [COLUMN_CREATED] = AX_TYPE_TIMESTAMP,
    [COLUMN_ID] = AX_TYPE_INT64,
};
static const enum ax_type_kind call_types[CALLS] = { AX_TYPE_FLOAT64, AX_TYPE_INT64, AX_TYPE_INT64,
                                                     AX_TYPE_STRING, AX_TYPE_INT64 };

static struct ax_err err = AX_ERR_INIT;
static struct ax_arena arena; /* of a case */
static struct ax_values states[COLUMNS];
static struct ax_values call[CALLS];
static int64_t moments[ROWS_MAX];
static bool is_timeless, has_created, has_events;

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(test_random(state) % n);
}

static void good(enum ax_code code)
{
    if (code)
        fail_msg("%s", err.msg);
}

/* ---- definitions ---- */

static void put_fields(struct ax_buf *out, uint64_t *state)
{
    static const char *const fields[] = {
        "f0: x",
        "f1: {expr: x, type: float32, default: 0.1}",
        "f2: {expr: x * 1e37, type: float32}",
        "f3: {expr: n, type: int32}",
        "f4: {expr: n * 1000000000, type: int32, default: -7}",
        "f5: {expr: n / 3, default: 0.3}",
        "f6: upper(s)",
        "f7: {expr: s, default: none}",
        "f8: f and x > 0",
        "f9: \"coalesce(x, 1) + n\"",
        "f10: {expr: f, default: true}",
    };
    ax_buf_printf(out, "fields: {f0: x");
    for (size_t i = 1; i < AX_COUNT(fields); i++) {
        if (below(state, 2))
            ax_buf_printf(out, ", %s", fields[i]);
    }
    ax_buf_printf(out, "}}\n");
}

static void put_definitions(struct ax_buf *out, uint64_t *state)
{
    static const char *const ages[] = { "", "ttl: 1s, ", "ttl: 3s, " };
    bool has_two = below(state, 2);
    size_t form = below(state, 8);
    is_timeless = form < 2;
    has_events = form == 2 || form == 3;
    has_created = form == 4 || form == 5;
    ax_buf_printf(out,
                  "auspex: 1\n"
                  "entities: {e: {keys: {a: int32%s}}}\n"
                  "sources:\n"
                  "  h: {files: \"h*.csv\", time: %s, %s%scolumns: {a: int32, b: string, "
                  "t: timestamp, x: float64, n: int64, s: string, f: bool, c: timestamp, "
                  "id: int64}}\n"
                  "views:\n",
                  has_two ? ", b: string" : "", is_timeless ? "none" : "t",
                  has_created ? "created: c, " : "", has_events ? "event_id: [id], " : "");
    for (size_t i = 0; i < 2; i++) {
        ax_buf_printf(out, "  v%zu: {entity: e, source: h, %s", i,
                      is_timeless ? "" : ages[below(state, AX_COUNT(ages))]);
        put_fields(out, state);
    }
    ax_buf_printf(out, "services:\n"
                       "  s:\n"
                       "    request: {y: float32, m: int64, a: int32, b: string, a2: int32}\n"
                       "    features:\n"
                       "      - {name: y}\n"
                       "      - {view: v0, as: r}\n"
                       "      - {name: e0, expr: r__f0 * y, type: float32}\n"
                       "      - {view: v1, keys: {a: a2}, as: o}\n"
                       "      - {view: v0, keys: {a: m}, as: q, fields: [f0]}\n"
                       "      - {name: e1, expr: e0 - o__f0 + q__f0}\n"
                       "      - {name: e2, expr: \"coalesce(e1, e0, m)\"}\n");
}

/* ---- states and rows ---- */

static void fill(struct ax_values *values, size_t row, int64_t number, struct ax_str text,
                 double real)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = number & 1;
        return;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = real;
        return;
    case AX_TYPE_STRING:
        values->texts[row] = text;
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        values->i64s[row] = number;
    }
}

static void random_value(struct ax_values *values, size_t row, uint64_t *state)
{
    const struct ax_str texts[] = { AX_STR("k"), AX_STR("Straße"), AX_STR("it's") };
    static const double reals[] = { 0.1, -2.5, 1e5, 0, 16777217, 3.4e38 };
    if (below(state, 6) == 0)
        ax_values_set_null(values, row);
    else
        fill(values, row, (int64_t)below(state, 4), texts[below(state, AX_COUNT(texts))],
             reals[below(state, AX_COUNT(reals))]);
}

static void make_columns(struct ax_values *columns, const enum ax_type_kind *types, size_t count,
                         size_t rows, uint64_t *state)
{
    for (size_t i = 0; i < count; i++) {
        good(ax_values_init(&columns[i], (struct ax_type){ types[i], false }, rows, &arena, &err));
        for (size_t row = 0; row < rows; row++)
            random_value(&columns[i], row, state);
    }
}

/* What is learnt of an event later has its key and its time: see "Rows of a source" in
 * docs/internals/online-store.md. */
static void correct(size_t row)
{
    static const size_t kept[] = { COLUMN_A, COLUMN_B, COLUMN_TIME, COLUMN_ID };
    for (size_t i = 0; i < AX_COUNT(kept); i++) {
        struct ax_values *values = &states[kept[i]];
        size_t size = ax_type_size(values->type);
        char *data = values->data;
        uint64_t bit = (uint64_t)1 << (row % 64);
        memcpy(data + row * size, data + (row - 1) * size, size);
        if (ax_values_is_null(values, row - 1))
            values->validity[row / 64] &= ~bit;
        else
            values->validity[row / 64] |= bit;
    }
}

static size_t make_states(uint64_t *state)
{
    static const size_t times[] = { COLUMN_TIME, COLUMN_CREATED };
    size_t count = below(state, STATES_MAX + 1);
    make_columns(states, column_types, COLUMNS, count, state);
    for (size_t i = 0; i < AX_COUNT(times); i++) {
        struct ax_values *values = &states[times[i]];
        for (size_t row = 0; row < count; row++) {
            if (!ax_values_is_null(values, row))
                values->i64s[row] = EPOCH + (int64_t)below(state, 5) * UNIT;
        }
    }
    good(ax_values_init(&states[COLUMN_ID], states[COLUMN_ID].type, count, &arena, &err));
    for (size_t row = 0; row < count; row++) {
        states[COLUMN_ID].i64s[row] = (int64_t)row;
        if (has_events && ax_values_is_null(&states[COLUMN_TIME], row)) {
            states[COLUMN_TIME].validity[row / 64] |= (uint64_t)1 << (row % 64);
            states[COLUMN_TIME].i64s[row] = EPOCH;
        }
        if (has_events && row && below(state, 3) == 0)
            correct(row);
    }
    return count;
}

/* No moment lies before a state: what was true earlier is not kept online. */
static size_t make_rows(uint64_t *state)
{
    size_t count = 1 + below(state, ROWS_MAX);
    make_columns(call, call_types, CALLS, count, state);
    for (size_t row = 0; row < count; row++)
        moments[row] =
            EPOCH + 4 * UNIT + (int64_t)below(state, 4) * UNIT + (int64_t)below(state, 2);
    return count;
}

/* ---- offline ---- */

static void put_cell(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    char text[AX_CLOCK_TEXT_SIZE];
    if (ax_values_is_null(values, row))
        return;
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        ax_buf_printf(out, values->bools[row] ? "true" : "false");
        return;
    case AX_TYPE_FLOAT64:
        ax_buf_printf(out, "%.17g", values->f64s[row]);
        return;
    case AX_TYPE_STRING:
        ax_buf_printf(out, "\"%.*s\"", AX_STR_ARG(values->texts[row]));
        return;
    case AX_TYPE_TIMESTAMP:
        ax_clock_text(values->i64s[row], text);
        ax_buf_printf(out, "%s", text);
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        ax_buf_printf(out, "%" PRId64, values->i64s[row]);
    }
}

static void put_row(struct ax_buf *out, const struct ax_values *columns, size_t count, size_t row)
{
    for (size_t i = 0; i < count; i++) {
        ax_buf_printf(out, i ? "," : "");
        put_cell(out, &columns[i], row);
    }
}

static void write_text(const char *name, struct ax_buf *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/data/%s", folder, name);
    good(ax_buf_check(text, "a file", &err));
    good(ax_file_replace(path, ax_buf_str(text), &err));
    ax_buf_done(text);
}

static void write_files(size_t state_count, size_t row_count)
{
    struct ax_buf text;
    for (size_t file = 0; file < 2; file++) {
        ax_buf_init(&text, (size_t)1 << 20);
        ax_buf_printf(&text, "a,b,t,x,n,s,f,c,id\n");
        for (size_t row = file * state_count / 2; row < (file + 1) * state_count / 2; row++) {
            put_row(&text, states, COLUMNS, row);
            ax_buf_printf(&text, "\n");
        }
        write_text(file ? "h1.csv" : "h0.csv", &text);
    }
    ax_buf_init(&text, (size_t)1 << 20);
    ax_buf_printf(&text, "y,m,a,b,a2,at\n");
    for (size_t row = 0; row < row_count; row++) {
        char at[AX_CLOCK_TEXT_SIZE];
        ax_clock_text(moments[row], at);
        put_row(&text, call, CALLS, row);
        ax_buf_printf(&text, ",%s\n", at);
    }
    write_text("rows.csv", &text);
}

static void make_history(const struct ax_definitions *definitions, const char *out)
{
    char data[256], work[256], rows[300];
    struct ax_offline *store;
    struct ax_offline_report report;
    (void)snprintf(data, sizeof(data), "%s/data", folder);
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    (void)snprintf(rows, sizeof(rows), "%s/rows.csv", data);
    const struct ax_offline_config config = {
        .definitions = definitions, .data_folder = data, .work_folder = work, .threads = 1
    };
    const struct ax_offline_rows request = { .path = rows };
    good(ax_offline_open(&config, &store, &err));
    good(ax_offline_history(store, definitions->services, &request, out, &report, &err));
    ax_offline_close(store);
}

/* ---- online ---- */

static void write_items(const struct ax_definitions *definitions,
                        const struct ax_source_items *items, size_t turn)
{
    const struct ax_view *view = &definitions->views[items->view];
    for (size_t i = 0; i < items->count; i++)
        good(write_online(view, &items->items[(items->count - i + turn) % items->count], &err));
}

/* What the rows change, in another order. */
static void put_states(const struct ax_definitions *definitions, size_t count, uint64_t *state)
{
    struct ax_source_plan *plan;
    struct ax_source_items items[2];
    size_t slices = (count + 63) / 64;
    size_t first = below(state, slices + 1);
    const struct ax_source_rows rows = { .rows = count, .columns = states };
    good(ax_source_plan_new(definitions, definitions->sources, online.views, &plan, &err));
    assert_int_equal(plan->target_count, AX_COUNT(items));
    for (size_t i = 0; i < slices; i++) {
        size_t from = (i + first) % slices * 64;
        good(ax_source_plan_apply(plan, &rows, from, AX_MIN(count - from, (size_t)64), &arena,
                                  items, &err));
        for (size_t view = 0; view < AX_COUNT(items); view++)
            write_items(definitions, &items[view], below(state, 64));
    }
    ax_source_plan_free(plan);
}

/* ---- comparing ---- */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool is_equal(const struct ax_values *values, size_t row, const struct ax_sql_column *column,
                     size_t at)
{
    if (ax_values_is_null(values, row) || ax_sql_is_null(column, at))
        return ax_values_is_null(values, row) && ax_sql_is_null(column, at);
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return values->bools[row] == column->bools[at];
    case AX_TYPE_FLOAT64:
        return bits_of(values->f64s[row]) == bits_of(column->f64s[at]);
    case AX_TYPE_STRING:
        return ax_str_equals(values->texts[row], column->texts[at]);
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        break;
    }
    return values->i64s[row] == column->i64s[at];
}

static size_t find_column(const struct ax_sql_stream *stream, struct ax_str name)
{
    size_t i = 0;
    while (!ax_str_equals(ax_sql_stream_column_name(stream, i), name))
        assert_true(++i < ax_sql_stream_column_count(stream));
    return i;
}

static void compare_rows(const struct ax_service_vector *vector, const struct ax_service *service,
                         const struct ax_sql_stream *stream, const struct ax_sql_chunk *chunk,
                         size_t first, uint64_t seed)
{
    for (size_t i = 0; i < service->input_count; i++) {
        size_t column = find_column(stream, service->inputs[i].name);
        for (size_t row = 0; row < chunk->rows; row++) {
            if (!is_equal(&vector->inputs[i], first + row, &chunk->columns[column], row))
                fail_msg("seed %" PRIu64 ", row %zu: input '%s' differs", seed, first + row,
                         service->inputs[i].name.ptr);
        }
    }
}

static void compare(struct ax_sql *sql, const struct ax_service_vector *vector,
                    const struct ax_service *service, const char *path, uint64_t seed)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk;
    char query[512];
    size_t row = 0;
    (void)snprintf(query, sizeof(query), "SELECT * FROM read_parquet('%s')", path);
    good(ax_sql_query(sql, ax_str_from(query), &stream, &err));
    do {
        good(ax_sql_stream_next(stream, &chunk, &err));
        compare_rows(vector, service, stream, &chunk, row, seed);
        row += chunk.rows;
    } while (chunk.rows);
    ax_sql_stream_free(stream);
    assert_int_equal(row, vector->rows);
}

/* ---- the test ---- */

static void ask(struct ax_sql *sql, const struct ax_definitions *definitions, size_t rows,
                const char *path, uint64_t seed)
{
    struct ax_service_plan *plan;
    struct ax_service_vector vector;
    bool done;
    good(ax_service_plan_new(definitions, definitions->services, online.views, &plan, &err));
    const struct ax_service_request request = {
        .plan = plan, .rows = rows, .call = call, .at = moments, .arena = &arena
    };
    struct ax_service_lookups lookups = { .store = online.store, .arena = &arena };
    good(ax_service_vector_begin(&vector, &request, 0, rows, &lookups, &err));
    good(ax_service_lookups_ask(&lookups, &done, &err));
    assert_true(done);
    good(ax_service_vector_finish(&vector, &err));
    good(ax_service_vector_columns(&vector, &err));
    compare(sql, &vector, definitions->services, path, seed);
    ax_service_plan_free(plan);
}

static void run_case(struct ax_sql *sql, uint64_t seed)
{
    uint64_t state = seed * 2654435761u + 1;
    char out[256];
    struct ax_buf text;
    struct ax_definitions definitions;
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    ax_buf_init(&text, (size_t)1 << 16);
    put_definitions(&text, &state);
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_buf_str(&text) };
    good(ax_definitions_read_texts("features", &file, 1, &definitions, &err));
    good(open_online(&definitions, &err));
    ax_arena_init(&arena, (size_t)1 << 18, (size_t)64 << 20);
    size_t state_count = make_states(&state);
    size_t row_count = make_rows(&state);
    write_files(state_count, row_count);
    make_history(&definitions, out);
    put_states(&definitions, state_count, &state);
    ask(sql, &definitions, row_count, out, seed);
    close_online();
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
    ax_buf_done(&text);
}

static void test_same_values(void **state)
{
    (void)state;
    const char *said = getenv("AX_CASES");
    uint64_t cases = CASES_DEFAULT;
    char data[256];
    struct ax_sql *sql;
    const struct ax_sql_config config = { .threads = 1 };
    if (said)
        assert_true(ax_str_to_u64(ax_str_from(said), &cases));
    (void)snprintf(data, sizeof(data), "%s/data", folder);
    good(ax_file_make_folder(data, &err));
    good(ax_sql_open(&config, &sql, &err));
    for (uint64_t seed = 1; seed <= cases; seed++)
        run_case(sql, seed);
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_values) };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
