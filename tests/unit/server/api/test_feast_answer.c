/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the answer of POST /get-online-features is what Feast's client reads: types, statuses,
 * times and names as it has them. Method: a small store whose answers were written by hand, asked
 * by a list and by a service, in one slice and in several, printed at once and bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/listed_service.h"
#include "server/api/feast_answer.h"

#include "unit/feature/online_fixture.h"

#include <math.h>

#define SECOND INT64_C(1000000)
#define NOW    (100 * SECOND)

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  user: {keys: {id: int64}}\n"
    "sources:\n"
    "  s: {files: s.csv, time: t, columns: {id: int64, t: timestamp, b: bool, i: int32, f: "
    "float32,\n"
    "      d: float64, s: string, y: bytes, w: timestamp, l: list<float64>}}\n"
    "  p: {files: p.csv, time: none, columns: {id: int64, n: int64}}\n"
    "views:\n"
    "  all: {entity: user, source: s, ttl: 10s, fields: {b: b, i: {expr: i, type: int32}, f: "
    "{expr: f,\n"
    "      type: float32}, d: d, s: s, y: y, w: w, e: w - w, l: l}}\n"
    "  plain: {entity: user, source: p, fields: {n: {expr: n, default: 7}}}\n"
    "services:\n"
    "  one:\n"
    "    request: {x: float64}\n"
    "    features: [{name: x}, {view: plain}, {view: plain, keys: {id: friend}, as: friend},\n"
    "               {name: y, expr: n + friend__n}]\n";

static struct ax_definitions definitions;
static struct ax_arena arena; /* of a request */
static size_t bytes_max;      /* of its answer; 0: as many as the arena may have */

static int open_all(void **state)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = AX_STR(text) };
    struct ax_err err = AX_ERR_INIT;
    (void)state;
    if (ax_definitions_read_texts("features", &file, 1, &definitions, &err) ||
        open_online(&definitions, &err))
        fail_msg("%s", err.msg);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    close_online();
    ax_definitions_done(&definitions);
    return 0;
}

static struct ax_values column(enum ax_type_kind kind, void *data, size_t rows, uint64_t *validity)
{
    return (struct ax_values){
        .type = { kind, false }, .rows = rows, .data = data, .validity = validity
    };
}

/* One row of view 'all'; with `is_null`, of nulls. */
static void put_all(int64_t id, int64_t time, bool is_null)
{
    uint64_t none = 0, *validity = is_null ? &none : NULL;
    uint8_t b = 1;
    int64_t i = -5, w = -1, e = 2 * SECOND;
    double f = (double)0.7F, d = 5, items[] = { 1, HUGE_VAL, 0.1 };
    uint64_t has = 5; /* the item between is null */
    struct ax_str s = AX_STR("\"\xc3\xa9\n"), y = AX_STR("\xff\x01");
    struct ax_span span = { 0, 3 };
    struct ax_values floats = column(AX_TYPE_FLOAT64, items, 3, &has);
    struct ax_values list = column(AX_TYPE_FLOAT64, &span, 1, validity);
    struct ax_err err = AX_ERR_INIT;
    list.type.is_list = true;
    list.items = &floats;
    const struct ax_values key = column(AX_TYPE_INT64, &id, 1, NULL);
    const struct ax_values fields[] = {
        column(AX_TYPE_BOOL, &b, 1, validity),
        column(AX_TYPE_INT64, &i, 1, validity),
        column(AX_TYPE_FLOAT64, &f, 1, validity),
        column(AX_TYPE_FLOAT64, &d, 1, validity),
        column(AX_TYPE_STRING, &s, 1, validity),
        column(AX_TYPE_STRING, &y, 1, validity),
        column(AX_TYPE_TIMESTAMP, &w, 1, validity),
        column(AX_TYPE_DURATION, &e, 1, validity),
        list,
    };
    const struct ax_values *keys[] = { &key }, *all[AX_COUNT(fields)];
    for (size_t k = 0; k < AX_COUNT(fields); k++)
        all[k] = &fields[k];
    if (put_online("all", keys, all, 0, (struct ax_online_stamp){ time, 0, 0 }, &err))
        fail_msg("%s", err.msg);
}

static void put_plain(int64_t id, int64_t n)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_values key = column(AX_TYPE_INT64, &id, 1, NULL);
    const struct ax_values field = column(AX_TYPE_INT64, &n, 1, NULL);
    const struct ax_values *keys[] = { &key }, *fields[] = { &field };
    if (put_online("plain", keys, fields, 0, (struct ax_online_stamp){ AX_ONLINE_TIMELESS, 0, 0 },
                   &err))
        fail_msg("%s", err.msg);
}

/* The answer to a call of `service` in slices of `slice` rows, printed `bytes` at a time. */
static enum ax_code answer(const struct ax_service *service, const struct ax_cells *cells,
                           const struct ax_values *call, bool has_full_names, size_t slice,
                           size_t bytes, struct ax_buf *out, struct ax_err *err)
{
    int64_t at[256];
    struct ax_service_plan *plan = NULL;
    struct ax_feast_answer answer = { 0 };
    size_t rows = call[0].rows;
    const uint32_t places[] = { 0, 1, 2, 3 };
    for (size_t i = 0; i < rows; i++)
        at[i] = NOW;
    if (ax_service_plan_new(&definitions, service, online.views, &plan, err))
        fail_msg("%s", err->msg);
    const struct ax_service_request request = {
        .plan = plan, .rows = rows, .call = call, .at = at, .arena = &arena
    };
    struct ax_feast_columns columns;
    bool failed = ax_feast_columns_init(&columns, service, has_full_names, &arena, err) ||
                  ax_feast_answer_init(&answer, service, &columns, cells, places, has_full_names,
                                       rows / slice + 1, &arena, err);
    if (bytes_max)
        answer.bytes_max = bytes_max;
    for (size_t from = 0; !failed && from < rows; from += slice) {
        struct ax_service_vector vector;
        struct ax_service_lookups lookups = { .store = online.store, .arena = &arena };
        bool done = false;
        failed = ax_service_vector_begin(&vector, &request, from, AX_MIN(slice, rows - from),
                                         &lookups, err) ||
                 ax_service_lookups_ask(&lookups, &done, err) ||
                 ax_service_vector_finish(&vector, err) ||
                 ax_service_vector_columns(&vector, err) ||
                 ax_feast_answer_add(&answer, &vector, err);
        assert_true(failed || done);
    }
    ax_buf_init(out, 1 << 20);
    while (!failed && !ax_feast_answer_print(&answer, out, bytes))
        continue;
    (void)ax_buf_append_char(out, '\0');
    ax_feast_answer_done(&answer);
    ax_service_plan_free(plan);
    return err->code;
}

static void add_column(struct ax_cells *cells, const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    size_t column;
    if (ax_cells_column(cells, ax_str_from(name), &column, &err))
        fail_msg("%s", err.msg);
}

#define EPOCH4                                                                    \
    "\"1970-01-01T00:00:00Z\",\"1970-01-01T00:00:00Z\",\"1970-01-01T00:00:00Z\"," \
    "\"1970-01-01T00:00:00Z\""
#define TIMES                                                                      \
    "\"event_timestamps\":[\"1970-01-01T00:01:35.250Z\",\"1970-01-01T00:01:40Z\"," \
    "\"1970-01-01T00:01:20.000001Z\",\"1970-01-01T00:00:00Z\"]}"
#define STATUSES \
    "\"statuses\":[\"PRESENT\",\"NULL_VALUE\",\"OUTSIDE_MAX_AGE\",\"NOT_FOUND\"]," TIMES
#define VALUES(value) ",{\"values\":[" value ",null,null,null]," STATUSES

static const char list_answer[] =
    "{\"results\":[{\"values\":[1,2,3,null],\"statuses\":[\"PRESENT\",\"PRESENT\",\"PRESENT\","
    "\"NULL_VALUE\"],\"event_timestamps\":[" EPOCH4 "]}" VALUES("true") VALUES("-5")
        VALUES("0.699999988079071") VALUES("5.0") VALUES("\"\\\"\xc3\xa9\\n\"") VALUES("\"/wE=\"")
            VALUES("-1") VALUES("2000000")
                VALUES("[1.0,null,0.1]") ",{\"values\":[41,7,7,7],\"statuses\":[\"PRESENT\","
                                         "\"PRESENT\",\"PRESENT\",\"PRESENT\"],"
                                         "\"event_timestamps\":[" EPOCH4 "]}"
                                         "],\"metadata\":{\"feature_names\":[\"id\",\"b\",\"i\","
                                         "\"f\",\"d\",\"s\",\"y\",\"w\",\"e\","
                                         "\"l\",\"n\"]}}";

/* A service of those features, and the cells of a call by its key; in the arena. */
static const struct ax_service *begin(const struct ax_str *features, size_t count,
                                      struct ax_cells *cells)
{
    const struct ax_service *service = NULL;
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_cells_init(cells, &arena);
    add_column(cells, "id");
    if (ax_listed_service_new(&definitions, features, count, &arena, &service, &err))
        fail_msg("%s", err.msg);
    return service;
}

static void test_list(void **state)
{
    const struct ax_str features[] = { AX_STR("all:b"),  AX_STR("all:i"), AX_STR("all:f"),
                                       AX_STR("all:d"),  AX_STR("all:s"), AX_STR("all:y"),
                                       AX_STR("all:w"),  AX_STR("all:e"), AX_STR("all:l"),
                                       AX_STR("plain:n") };
    int64_t ids[] = { 1, 2, 3, 0 };
    uint64_t has = 7;
    struct ax_values call = column(AX_TYPE_INT64, ids, 4, &has);
    struct ax_err err = AX_ERR_INIT;
    struct ax_cells cells;
    struct ax_buf out;
    (void)state;
    const struct ax_service *service = begin(features, AX_COUNT(features), &cells);
    put_all(1, 95 * SECOND + 250000, false);
    put_all(2, NOW, true);
    put_all(3, 80 * SECOND + 1, false);
    put_all(4, 101 * SECOND, false); /* later than the moment: as if it were not there */
    put_plain(1, 41);
    for (size_t bytes = 1; bytes <= 100000; bytes *= 300) {
        assert_int_equal(answer(service, &cells, &call, false, 4, bytes, &out, &err), AX_OK);
        assert_string_equal(out.ptr, list_answer);
        ax_buf_done(&out);
    }
    ax_arena_done(&arena);
}

static void test_slices(void **state)
{
    const struct ax_str features[] = { AX_STR("plain:n"), AX_STR("all:d") };
    int64_t ids[200];
    struct ax_values call = column(AX_TYPE_INT64, ids, 200, NULL);
    struct ax_err err = AX_ERR_INIT;
    struct ax_cells cells;
    struct ax_buf whole, sliced;
    (void)state;
    const struct ax_service *service = begin(features, AX_COUNT(features), &cells);
    for (size_t i = 0; i < AX_COUNT(ids); i++) {
        ids[i] = (int64_t)i % 11;
        if (i < 5)
            put_plain((int64_t)i, (int64_t)i);
    }
    assert_int_equal(answer(service, &cells, &call, true, 256, 1 << 16, &whole, &err), AX_OK);
    assert_int_equal(answer(service, &cells, &call, true, 7, 50, &sliced, &err), AX_OK);
    assert_string_equal(whole.ptr, sliced.ptr);
    assert_non_null(strstr(whole.ptr, "[\"id\",\"plain__n\",\"all__d\"]"));
    ax_buf_done(&whole);
    ax_buf_done(&sliced);
    /* None at all. */
    call.rows = 0;
    assert_int_equal(answer(service, &cells, &call, true, 64, 50, &sliced, &err), AX_OK);
    assert_string_equal(sliced.ptr,
                        "{\"results\":[{\"values\":[],\"statuses\":[],\"event_timestamps\":[]},"
                        "{\"values\":[],\"statuses\":[],\"event_timestamps\":[]},"
                        "{\"values\":[],\"statuses\":[],\"event_timestamps\":[]}],"
                        "\"metadata\":{\"feature_names\":[\"id\",\"plain__n\",\"all__d\"]}}");
    ax_buf_done(&sliced);
    ax_arena_done(&arena);
}

/* Refused for its bytes, and before anything is looked up for its rows and columns. */
static void test_too_large(void **state)
{
    const struct ax_str features[] = { AX_STR("plain:n"), AX_STR("all:d") };
    static int64_t ids[200];
    struct ax_values call = column(AX_TYPE_INT64, ids, AX_COUNT(ids), NULL);
    struct ax_err err = AX_ERR_INIT;
    struct ax_cells cells;
    struct ax_buf out;
    (void)state;
    const struct ax_service *service = begin(features, AX_COUNT(features), &cells);
    assert_int_equal(answer(service, &cells, &call, true, 64, 1 << 16, &out, &err), AX_OK);
    char wanted[sizeof err.msg];
    bytes_max = out.len - 2; /* A zero is behind it. */
    ax_buf_done(&out);
    assert_int_equal(answer(service, &cells, &call, true, 64, 50, &out, &err), AX_E_TOO_LARGE);
    (void)snprintf(wanted, sizeof wanted,
                   "the answer: over %zu bytes (request_bytes_max); ask for fewer rows at a time",
                   bytes_max);
    assert_string_equal(err.msg, wanted);
    ax_buf_done(&out);
    bytes_max = 0;
    ax_err_clear(&err);
    cells.row_count = 10923;
    assert_int_equal(answer(service, &cells, &call, true, 64, 50, &out, &err), AX_E_TOO_LARGE);
    assert_string_equal(err.msg, "10923 rows of 3 columns; an answer has at most 32768 values "
                                 "(request_bytes_max / 32): ask for fewer rows at a time");
    ax_buf_done(&out);
    ax_arena_done(&arena);
}

static const char service_answer[] =
    "{\"results\":[{\"values\":[0.5],\"statuses\":[\"PRESENT\"],\"event_timestamps\":["
    "\"1970-01-01T00:00:00Z\"]},{\"values\":[1],\"statuses\":[\"PRESENT\"],\"event_timestamps\":["
    "\"1970-01-01T00:00:00Z\"]},{\"values\":[41],\"statuses\":[\"PRESENT\"],\"event_timestamps\":["
    "\"1970-01-01T00:00:00Z\"]},{\"values\":[7],\"statuses\":[\"PRESENT\"],\"event_timestamps\":["
    "\"1970-01-01T00:00:00Z\"]},{\"values\":[48],\"statuses\":[\"PRESENT\"],\"event_timestamps\":["
    "\"1970-01-01T00:00:00Z\"]}],\"metadata\":{\"feature_names\":[\"x\",\"id\",\"plain__n\","
    "\"friend__n\",\"y\"]}}";

static void test_service(void **state)
{
    int64_t id = 1, friend = 99;
    double x = 0.5;
    const struct ax_values call[] = { column(AX_TYPE_FLOAT64, &x, 1, NULL),
                                      column(AX_TYPE_INT64, &id, 1, NULL),
                                      column(AX_TYPE_INT64, &friend, 1, NULL) };
    const struct ax_service *service = ax_definitions_service(&definitions, AX_STR("one"));
    struct ax_err err = AX_ERR_INIT;
    struct ax_cells cells;
    struct ax_buf out;
    (void)state;
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_cells_init(&cells, &arena);
    add_column(&cells, "x");
    add_column(&cells, "id");
    put_plain(1, 41);
    assert_int_equal(answer(service, &cells, call, true, 64, 1 << 16, &out, &err), AX_OK);
    assert_string_equal(out.ptr, service_answer);
    ax_buf_done(&out);
    assert_int_equal(answer(service, &cells, call, false, 64, 1 << 16, &out, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "two columns of the answer would be called 'n'; ask with "
                                 "\"full_feature_names\": true");
    ax_buf_done(&out);
    ax_arena_done(&arena);
}

static void test_error(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    (void)state;
    (void)ax_fail(&err, AX_E_NOT_FOUND, "view '\"' is not there");
    ax_buf_init(&out, 1 << 10);
    ax_feast_put_error(&out, "FeatureViewNotFoundException", &err);
    (void)ax_buf_append_char(&out, '\0');
    assert_string_equal(out.ptr, "\"{\\\"module\\\":\\\"feast.errors\\\",\\\"class\\\":"
                                 "\\\"FeatureViewNotFoundException\\\",\\\"message\\\":"
                                 "\\\"view '\\\\\\\"' is not there\\\"}\"");
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),      cmocka_unit_test(test_slices),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_service),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
