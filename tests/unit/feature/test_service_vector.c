/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the inputs of a service are those that the definitions mean, each with its status, whatever
 * the store has, the call gives instead, or cannot be asked.
 * Method: four rows whose values and statuses are worked out by hand, over a small store; the same
 * with values given, in slices, by a store that answers later, and by one that is down; tables of
 * what is refused; the rows of a model. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online_windows.h"
#include "feature/service_vector.h"
#include "online_fixture.h"
#include "torture.h"

#include <math.h>

#define SECOND INT64_C(1000000)

enum {
    X,
    NEED,
    ORIGIN,
    ORIGIN_TEMP,
    ORIGIN_N,
    ORIGIN_S,
    DEST_TEMP,
    SIZE,
    LATE,
    WARMER,
    TWICE,
    INPUTS
};
enum { CALL_X, CALL_NEED, CALL_ORIGIN, CALL_DEST, CALLS };
enum { PATTERN = 4, ROWS_MAX = 70, VISITS = 2 };

/* With what stands in the views 'weather' and 'base', and in source 'h', and in the request. */
#define TEXT(weather, base, events, request)                                               \
    "auspex: 1\n"                                                                          \
    "entities:\n"                                                                          \
    "  airport: {keys: {faa: string}}\n"                                                   \
    "  route: {keys: {start: string, number: int32}}\n"                                    \
    "sources:\n"                                                                           \
    "  w: {files: w.csv, time: t, columns: {faa: string, t: timestamp, temp: float64,\n"   \
    "      n: int32, s: string}}\n"                                                        \
    "  b: {files: b.csv, time: none, columns: {faa: string, size: int64}}\n"               \
    "  h: {files: h.csv, time: t, columns: {start: string, number: int32, t: timestamp,\n" \
    "      late: bool, id: string}" events "}\n"                                           \
    "views:\n"                                                                             \
    "  weather: {entity: airport, source: w, " weather "}\n"                               \
    "  base: {entity: airport, source: b, " base "fields: {size: size}}\n"                 \
    "  hop: {entity: route, source: h, fields: {late: late}}\n"                            \
    "services:\n"                                                                          \
    "  s:\n"                                                                               \
    "    request: {x: float64, need: {type: int32, required: true}" request "}\n"          \
    "    features:\n"                                                                      \
    "      - {name: x}\n"                                                                  \
    "      - {name: need}\n"                                                               \
    "      - {name: origin}\n"                                                             \
    "      - {view: weather, keys: {faa: origin}, as: origin}\n"                           \
    "      - {view: weather, keys: {faa: dest}, as: dest, fields: [temp]}\n"               \
    "      - {view: base, keys: {faa: origin}}\n"                                          \
    "      - {view: hop, keys: {start: origin, number: need}}\n"                           \
    "      - {name: warmer, expr: origin__temp - dest__temp, type: float32}\n"             \
    "      - {name: twice, expr: warmer * 2 + x}\n"

#define WEATHER "ttl: 1h, fields: {temp: {expr: temp, type: float32, default: 20.1}, n: n, s: s}"
#define WINDOWS "fields: {temp: avg(temp) over 1h, n: max(n) over 1h, s: last(s) over 1h}"

static struct ax_err err;
static struct ax_definitions definitions;
static bool is_read;
static struct ax_service_plan *plan;
static struct ax_arena arena; /* of requests */

/* Whether it went well; else an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    if (code)
        assert_int_equal(code, AX_E_LIMIT);
    return !code;
}

static struct ax_values column(enum ax_type_kind kind, void *data, size_t rows, uint64_t *validity)
{
    return (struct ax_values){
        .type = { kind, false }, .rows = rows, .data = data, .validity = validity
    };
}

static enum ax_code read_text(const char *text, struct ax_definitions *ret, struct ax_err *failure)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = ax_str_from(text) };
    return ax_definitions_read_texts("features", &file, 1, ret, failure);
}

/* ---- the store ---- */

static bool put_weather(const char *faa, int64_t seconds, double temp, int64_t n, const char *s)
{
    struct ax_str key = ax_str_from(faa);
    struct ax_str sky = s ? ax_str_from(s) : AX_STR("");
    uint64_t has_temp = !isnan(temp);
    uint64_t has_sky = s != NULL;
    const struct ax_values keys = column(AX_TYPE_STRING, &key, 1, NULL);
    const struct ax_values fields[] = { column(AX_TYPE_FLOAT64, &temp, 1, &has_temp),
                                        column(AX_TYPE_INT64, &n, 1, NULL),
                                        column(AX_TYPE_STRING, &sky, 1, &has_sky) };
    const struct ax_values *list[] = { &fields[0], &fields[1], &fields[2] };
    const struct ax_values *key_list[] = { &keys };
    struct ax_online_stamp stamp = { seconds * SECOND, 0, 0 };
    return good(put_online("weather", key_list, list, 0, stamp, &err));
}

static bool put_others(void)
{
    struct ax_str key = AX_STR("EWR");
    int64_t number = 7;
    int64_t size = 100;
    uint8_t late = 1;
    const struct ax_values airport = column(AX_TYPE_STRING, &key, 1, NULL);
    const struct ax_values numbers = column(AX_TYPE_INT64, &number, 1, NULL);
    const struct ax_values sizes = column(AX_TYPE_INT64, &size, 1, NULL);
    const struct ax_values lates = column(AX_TYPE_BOOL, &late, 1, NULL);
    const struct ax_values *keys[] = { &airport, &numbers };
    const struct ax_values *base[] = { &sizes };
    const struct ax_values *hop[] = { &lates };
    struct ax_online_stamp always = { AX_ONLINE_TIMELESS, 0, 0 };
    struct ax_online_stamp then = { 900 * SECOND, 0, 0 };
    return good(put_online("base", keys, base, 0, always, &err)) &&
           good(put_online("hop", keys, hop, 0, then, &err));
}

/* False: refused. */
static bool set_up(void)
{
    ax_err_clear(&err);
    ax_arena_init(&arena, (size_t)1 << 20, (size_t)16 << 20);
    is_read = !read_text(TEXT(WEATHER, "", "", ""), &definitions, &err);
    return good(err.code) && good(open_online(&definitions, &err)) &&
           put_weather("EWR", 1000, 1.5, 7, "fog") && put_weather("LGA", 1000, NAN, 8, NULL) &&
           put_weather("JFK", 5000, 9, 9, "sun") && put_others() &&
           good(ax_service_plan_new(&definitions, definitions.services, online.views, &plan, &err));
}

static int tear_down(void **state)
{
    (void)state;
    ax_service_plan_free(plan);
    plan = NULL;
    close_online();
    ax_arena_done(&arena);
    if (is_read)
        ax_definitions_done(&definitions);
    is_read = false;
    return 0;
}

/* ---- a request: four rows, again and again ---- */

static struct {
    double x[ROWS_MAX];
    int64_t need[ROWS_MAX], at[ROWS_MAX];
    struct ax_str origin[ROWS_MAX], dest[ROWS_MAX];
    uint64_t has_dest[2], has_need[2];
    struct ax_values columns[CALLS];
} call;

/* Which of the four a row is: the second slice begins with another one. */
static size_t pattern(size_t row)
{
    return (row + row / 64) % PATTERN;
}

static struct ax_service_request make_request(size_t rows)
{
    static const char *const origins[PATTERN] = { "EWR", "LGA", "EWR", "EWR" };
    static const char *const dests[PATTERN] = { "LGA", "JFK", NULL, "EWR" };
    static const int64_t needs[PATTERN] = { 7, 7, 8, 7 };
    static const int64_t at[PATTERN] = { 1000 * SECOND, 1000 * SECOND, 4600 * SECOND,
                                         4600 * SECOND + 1 };
    memset(&call, 0, sizeof(call));
    for (size_t row = 0; row < rows; row++) {
        const char *dest = dests[pattern(row)];
        call.x[row] = 0.1;
        call.need[row] = needs[pattern(row)];
        call.at[row] = at[pattern(row)];
        call.origin[row] = ax_str_from(origins[pattern(row)]);
        call.dest[row] = ax_str_from(dest ? dest : "");
        call.has_dest[row / 64] |= (uint64_t)(dest != NULL) << (row % 64);
        call.has_need[row / 64] |= (uint64_t)1 << (row % 64);
    }
    call.columns[CALL_X] = column(AX_TYPE_FLOAT64, call.x, rows, NULL);
    call.columns[CALL_NEED] = column(AX_TYPE_INT64, call.need, rows, call.has_need);
    call.columns[CALL_ORIGIN] = column(AX_TYPE_STRING, call.origin, rows, NULL);
    call.columns[CALL_DEST] = column(AX_TYPE_STRING, call.dest, rows, call.has_dest);
    return (struct ax_service_request){
        .plan = plan, .rows = rows, .call = call.columns, .at = call.at, .arena = &arena
    };
}

static enum ax_code make(struct ax_service_vector *vector, const struct ax_service_request *request,
                         size_t from, size_t rows)
{
    struct ax_service_lookups lookups = { .store = online.store, .arena = &arena };
    bool done;
    if (ax_service_vector_begin(vector, request, from, rows, &lookups, &err) ||
        ax_service_lookups_ask(&lookups, &done, &err))
        return err.code;
    assert_true(done);
    return ax_service_vector_finish(vector, &err);
}

static enum ax_code run(struct ax_service_vector *vector, const struct ax_service_request *request,
                        size_t from, size_t rows)
{
    return make(vector, request, from, rows) ? err.code : ax_service_vector_columns(vector, &err);
}

/* ---- what is expected ---- */

#define TEMP_DEFAULT ((double)20.1F)

/* NAN: null. */
static double expected_value(size_t input, size_t row)
{
    const double sizes[PATTERN] = { 100, NAN, 100, 100 };
    const double lates[PATTERN] = { 1, NAN, NAN, 1 };
    const double origins[PATTERN] = { 1.5, TEMP_DEFAULT, 1.5, TEMP_DEFAULT };
    const double numbers[PATTERN] = { 7, 8, 7, NAN };
    const double needs[PATTERN] = { 7, 7, 8, 7 };
    double warmer = (double)(float)(origins[row] - TEMP_DEFAULT);
    switch (input) {
    case X:
        return 0.1;
    case NEED:
        return needs[row];
    case ORIGIN_TEMP:
        return origins[row];
    case ORIGIN_N:
        return numbers[row];
    case DEST_TEMP:
        return TEMP_DEFAULT;
    case SIZE:
        return sizes[row];
    case LATE:
        return lates[row];
    case WARMER:
        return warmer;
    case TWICE:
        return warmer * 2 + 0.1;
    default:
        fail();
        return 0;
    }
}

static double number_of(const struct ax_values *values, size_t row)
{
    if (ax_values_is_null(values, row))
        return NAN;
    if (values->type.kind == AX_TYPE_BOOL)
        return values->bools[row];
    return values->type.kind == AX_TYPE_INT64 ? (double)values->i64s[row] : values->f64s[row];
}

static void assert_number(double found, double expected, size_t input, size_t row)
{
    if (found != expected && !(isnan(found) && isnan(expected)))
        fail_msg("input %zu, row %zu: %.17g is no %.17g", input, row, found, expected);
}

static void assert_pattern(const struct ax_service_vector *vector)
{
    for (size_t row = 0; row < vector->rows; row++) {
        size_t as = pattern(vector->from + row);
        for (size_t i = 0; i < INPUTS; i++) {
            if (i != ORIGIN && i != ORIGIN_S)
                assert_number(number_of(&vector->inputs[i], row), expected_value(i, as), i, row);
        }
        const struct ax_values *sky = &vector->inputs[ORIGIN_S];
        assert_int_equal(ax_values_is_null(sky, row), as == 1 || as == 3);
        if (as != 1 && as != 3)
            assert_true(ax_str_is(sky->texts[row], "fog"));
        assert_true(ax_str_is(vector->inputs[ORIGIN].texts[row], as == 1 ? "LGA" : "EWR"));
    }
}

static void assert_status(const struct ax_service_vector *vector, size_t input, size_t row,
                          struct ax_service_status expected)
{
    struct ax_service_status found = ax_service_vector_status(vector, input, row);
    if (found.status != expected.status || found.defaulted != expected.defaulted ||
        found.given != expected.given || found.time != expected.time)
        fail_msg("input %zu, row %zu: %d %d %d %lld", input, row, (int)found.status,
                 found.defaulted, found.given, (long long)found.time);
}

/* ---- tests ---- */

static void test_values_by_hand(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(PATTERN);
    if (!good(run(&vector, &request, 0, PATTERN)))
        return;
    assert_pattern(&vector);
    const int64_t t = 1000 * SECOND;
    const int64_t never = AX_ONLINE_TIMELESS;
    static const struct {
        size_t input, row;
        struct ax_service_status status;
    } cases[] = {
        { X, 0, { AX_ONLINE_PRESENT, false, false, AX_ONLINE_TIMELESS } },
        { ORIGIN_N, 3, { AX_ONLINE_OUTSIDE_MAX_AGE, false, false, 1000 * SECOND } },
        { SIZE, 0, { AX_ONLINE_PRESENT, false, false, AX_ONLINE_TIMELESS } },
        { LATE, 0, { AX_ONLINE_PRESENT, false, false, 900 * SECOND } },
        { LATE, 1, { AX_ONLINE_NOT_FOUND, false, false, AX_ONLINE_TIMELESS } },
        { WARMER, 0, { AX_ONLINE_PRESENT, false, false, AX_ONLINE_TIMELESS } },
        { ORIGIN_S, 1, { AX_ONLINE_NULL_VALUE, false, false, 1000 * SECOND } },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        assert_status(&vector, cases[i].input, cases[i].row, cases[i].status);
    const struct ax_service_status dests[PATTERN] = {
        { AX_ONLINE_NULL_VALUE, true, false, t },
        { AX_ONLINE_NOT_FOUND, true, false, never },
        { AX_ONLINE_NOT_FOUND, true, false, never },
        { AX_ONLINE_OUTSIDE_MAX_AGE, true, false, t },
    };
    for (size_t row = 0; row < PATTERN; row++)
        assert_status(&vector, DEST_TEMP, row, dests[row]);
    assert_status(&vector, ORIGIN_TEMP, 2,
                  (struct ax_service_status){ AX_ONLINE_PRESENT, false, false, t });
}

static void test_slices(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(ROWS_MAX);
    static const size_t counts[] = { 1, 7, 33, 64 };
    for (size_t i = 0; i < AX_COUNT(counts); i++) {
        for (size_t from = 0; from < ROWS_MAX; from += counts[i]) {
            if (!good(run(&vector, &request, from, AX_MIN(counts[i], ROWS_MAX - from))))
                return;
            assert_pattern(&vector);
        }
    }
    if (good(run(&vector, &request, 64, 0)))
        assert_int_equal(vector.inputs[TWICE].rows, 0);
    double temps[ROWS_MAX] = { [65] = 3 };
    uint64_t rows[2] = { 0, 2 };
    const struct ax_service_given given = { DEST_TEMP,
                                            column(AX_TYPE_FLOAT64, temps, ROWS_MAX, NULL), rows };
    request.given = &given;
    request.given_count = 1;
    for (size_t from = 60; from <= 65; from++) {
        if (!good(run(&vector, &request, from, ROWS_MAX - from)))
            return;
        for (size_t row = from; row < ROWS_MAX; row++)
            assert_number(vector.inputs[DEST_TEMP].f64s[row - from], row == 65 ? 3 : TEMP_DEFAULT,
                          DEST_TEMP, row);
    }
}

static void test_no_malloc(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(ROWS_MAX);
    if (!good(run(&vector, &request, 0, ROWS_MAX)))
        return;
    ax_arena_reset(&arena);
    unsigned long before = ax_torture_allocations();
    assert_true(before > 0);
    if (good(run(&vector, &request, 0, ROWS_MAX)))
        assert_int_equal(ax_torture_allocations(), before);
}

/* Row 0 gives a temperature, row 1 null, and all rows what is warmer. */
static void test_given(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(PATTERN);
    double temps[PATTERN] = { 3.1 };
    double warmers[PATTERN] = { 1, 2, 3, 4 };
    uint64_t has_temp = 1;
    uint64_t rows = 3;
    const struct ax_service_given given[] = {
        { DEST_TEMP, column(AX_TYPE_FLOAT64, temps, PATTERN, &has_temp), &rows },
        { WARMER, column(AX_TYPE_FLOAT64, warmers, PATTERN, NULL), NULL },
    };
    request.given = given;
    request.given_count = 1;
    if (!good(run(&vector, &request, 0, PATTERN)))
        return;
    const struct ax_values *temp = &vector.inputs[DEST_TEMP];
    const int64_t never = AX_ONLINE_TIMELESS;
    assert_number(temp->f64s[0], (double)3.1F, DEST_TEMP, 0);
    assert_number(temp->f64s[1], TEMP_DEFAULT, DEST_TEMP, 1);
    assert_number(vector.inputs[WARMER].f64s[0], (double)(float)(1.5 - (double)3.1F), WARMER, 0);
    assert_status(&vector, DEST_TEMP, 0,
                  (struct ax_service_status){ AX_ONLINE_PRESENT, false, true, never });
    assert_status(&vector, DEST_TEMP, 1,
                  (struct ax_service_status){ AX_ONLINE_NULL_VALUE, true, true, never });
    assert_status(&vector, DEST_TEMP, 2,
                  (struct ax_service_status){ AX_ONLINE_NOT_FOUND, true, false, never });
    request.given_count = 2;
    if (!good(run(&vector, &request, 0, PATTERN)))
        return;
    for (size_t row = 0; row < PATTERN; row++)
        assert_number(vector.inputs[TWICE].f64s[row], warmers[row] * 2 + 0.1, TWICE, row);
}

static void assert_refused(const struct ax_service_request *request, size_t from, const char *why)
{
    struct ax_service_vector vector;
    enum ax_code code = run(&vector, request, from, request->rows - from);
    if (code == AX_E_LIMIT && ax_torture_struck())
        return;
    assert_int_equal(code, AX_E_INVALID);
    assert_string_equal(err.msg, why);
    ax_err_clear(&err);
}

static void test_refused(void **state)
{
    (void)state;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(ROWS_MAX);
    call.has_need[1] &= ~(uint64_t)2;
    assert_refused(&request, 64, "'need', row 65: a value is required");
    request = make_request(ROWS_MAX);
    call.need[66] = INT64_C(1) << 31;
    assert_refused(&request, 64, "'need', row 66: the number does not fit int32");
    request = make_request(PATTERN);
    double temps[PATTERN] = { 0, 1e300 };
    const struct ax_service_given given = { DEST_TEMP,
                                            column(AX_TYPE_FLOAT64, temps, PATTERN, NULL), NULL };
    request.given = &given;
    request.given_count = 1;
    assert_refused(&request, 0, "'dest__temp', row 1: the number does not fit float32");
}

/* ---- a store that answers later ---- */

static struct {
    struct ax_online_fetch *fetches[VISITS];
    size_t count, cancelled, done;
} asked;

static bool later_fetch(struct ax_online *store, struct ax_online_fetch *fetch)
{
    (void)store;
    assert_true(asked.count < VISITS);
    asked.fetches[asked.count++] = fetch;
    return false;
}

static void later_cancel(struct ax_online *store, struct ax_online_fetch *fetch)
{
    (void)store;
    (void)fetch;
    asked.cancelled++;
}

static const struct ax_online_backend later = { .fetch = later_fetch, .cancel = later_cancel };
static struct ax_online later_store = { .backend = &later };
static struct ax_service_lookups lookups;

static void note_done(struct ax_service_lookups *of)
{
    assert_ptr_equal(of, &lookups);
    asked.done++;
}

/* False: refused. */
static bool begin_later(struct ax_service_vector *vector, const struct ax_service_request *request)
{
    bool done;
    memset(&asked, 0, sizeof(asked));
    lookups =
        (struct ax_service_lookups){ .store = &later_store, .arena = &arena, .done = note_done };
    if (!good(ax_service_vector_begin(vector, request, 0, request->rows, &lookups, &err)) ||
        !good(ax_service_lookups_ask(&lookups, &done, &err)))
        return false;
    assert_false(done);
    assert_int_equal(asked.count, VISITS);
    return true;
}

static void test_later(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(64);
    if (!begin_later(&vector, &request))
        return;
    for (size_t i = 0; i < VISITS; i++) {
        /* EWR, LGA and JFK; EWR 7, LGA 7 and EWR 8: each once. */
        assert_int_equal(asked.fetches[i]->count, 3);
        assert_int_equal(asked.done, 0);
        assert_true(ax_online_fetch(online.store, asked.fetches[i]));
        asked.fetches[i]->done(asked.fetches[i]);
    }
    assert_int_equal(asked.done, 1);
    if (good(ax_service_vector_finish(&vector, &err)) &&
        good(ax_service_vector_columns(&vector, &err)))
        assert_pattern(&vector);
    ax_service_lookups_cancel(&lookups);
    assert_int_equal(asked.cancelled, 0);
}

static void test_cancel(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(PATTERN);
    if (!begin_later(&vector, &request))
        return;
    asked.fetches[1]->done(asked.fetches[1]);
    ax_service_lookups_cancel(&lookups);
    assert_int_equal(asked.cancelled, 1);
    assert_int_equal(asked.done, 0);
}

static void test_store_down(void **state)
{
    (void)state;
    struct ax_service_vector vector;
    if (!set_up())
        return;
    struct ax_service_request request = make_request(PATTERN);
    if (!begin_later(&vector, &request))
        return;
    for (size_t i = 0; i < VISITS; i++) {
        (void)ax_fail(&asked.fetches[i]->err, AX_E_UNAVAILABLE, "nobody answers");
        asked.fetches[i]->done(asked.fetches[i]);
    }
    if (!good(ax_service_vector_finish(&vector, &err)) ||
        !good(ax_service_vector_columns(&vector, &err)))
        return;
    const struct ax_service_status down = { AX_ONLINE_STORE_DOWN, false, false,
                                            AX_ONLINE_TIMELESS };
    for (size_t row = 0; row < PATTERN; row++) {
        struct ax_service_status defaulted = down;
        defaulted.defaulted = true;
        assert_status(&vector, ORIGIN_TEMP, row, defaulted);
        assert_status(&vector, SIZE, row, down);
        assert_number(vector.inputs[ORIGIN_TEMP].f64s[row], TEMP_DEFAULT, ORIGIN_TEMP, row);
        assert_true(ax_values_is_null(&vector.inputs[SIZE], row));
        assert_number(vector.inputs[WARMER].f64s[row], 0, WARMER, row);
    }
}

/* ---- plans ---- */

static enum ax_code plan_text(const char *text, struct ax_err *failure)
{
    struct ax_definitions read;
    struct ax_service_plan *made = NULL;
    if (read_text(text, &read, failure))
        return failure->code;
    enum ax_code code = open_online(&read, failure);
    if (!code)
        code = ax_service_plan_new(&read, read.services, online.views, &made, failure);
    ax_service_plan_free(made);
    close_online();
    ax_definitions_done(&read);
    return code;
}

static void test_not_served(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { TEXT(WINDOWS, "", "", ""), "view 'weather' has windows over rows without an event_id, "
                                     "which are not served" },
        { TEXT(WEATHER, "online: false, ", "", ""),
          "view 'base' is not online; take 'online: false' away" },
        { TEXT(WEATHER, "", ", event_id: id", ", id: string") "    exclude_self: true\n",
          "view 'hop' has the newest event of each key alone, which may be the row's "
          "own that exclude_self leaves out" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err failure = AX_ERR_INIT;
        enum ax_code code = plan_text(cases[i].text, &failure);
        if (code == AX_E_LIMIT && ax_torture_struck())
            continue;
        assert_string_equal(failure.msg, cases[i].why);
        assert_int_equal(code, AX_E_UNSUPPORTED);
    }
}

/* ---- windows ---- */

#define WINDOWS_TEXT                                                             \
    "auspex: 1\n"                                                                \
    "entities: {airport: {keys: {faa: string}}}\n"                               \
    "sources:\n"                                                                 \
    "  w: {files: w.csv, time: t, event_id: id,\n"                               \
    "      columns: {id: string, faa: string, t: timestamp, temp: float64}}\n"   \
    "views:\n"                                                                   \
    "  weather:\n"                                                               \
    "    entity: airport\n"                                                      \
    "    source: w\n"                                                            \
    "    fields:\n"                                                              \
    "      n: count(*) over 1h\n"                                                \
    "      temp: {expr: avg(temp) over 1h, type: float32, default: 20.1}\n"      \
    "      warm: count(*) filter (where temp > 10) over 1h / count(*) over 1h\n" \
    "services:\n"                                                                \
    "  s:\n"                                                                     \
    "    request: {id: string}\n"                                                \
    "    exclude_self: true\n"                                                   \
    "    features:\n"                                                            \
    "      - {view: weather, keys: {faa: origin}, as: origin}\n"                 \
    "      - {view: weather, keys: {faa: dest}, as: dest, fields: [temp]}\n"     \
    "      - {name: more, expr: origin__n + 1}\n"

enum { W_N, W_TEMP, W_WARM, W_DEST_TEMP, W_MORE, W_INPUTS };

/* What stands in the call's column of that name. */
static struct ax_values *call_column(struct ax_values *columns, const struct ax_service *service,
                                     const char *name)
{
    for (size_t i = 0; i < service->call_count; i++) {
        if (ax_str_is(service->call[i].name, name))
            return &columns[i];
    }
    fail();
    return columns;
}

static bool put_temps(struct ax_online_windows *windows)
{
    static const double temps[] = { 1, 2, 30 };
    static const char *const ids[] = { "a", "b", "c" };
    uint8_t are_warm[] = { 0, 0, 1 };
    double values[] = { temps[0], temps[1], temps[2] };
    const struct ax_values temp = column(AX_TYPE_FLOAT64, values, 3, NULL);
    const struct ax_values warm = column(AX_TYPE_BOOL, are_warm, 3, NULL);
    const struct ax_values *columns[] = { NULL, NULL };
    assert_int_equal(windows->made.column_count, 2);
    for (size_t i = 0; i < 2; i++)
        columns[i] = windows->made.columns[i]->type.kind == AX_TYPE_BOOL ? &warm : &temp;
    struct ax_online_windows_item items[3];
    for (size_t i = 0; i < 3; i++)
        items[i] = (struct ax_online_windows_item){
            .key = AX_STR("EWR"),
            .event = { .id = ax_str_from(ids[i]), .time = (int64_t)(1000 + i) * SECOND },
            .row = i,
        };
    return good(ax_online_windows_put(windows, items, 3, columns, &err));
}

static void check_windows(const struct ax_service *service)
{
    enum { ROWS = 5 };
    struct ax_str origins[ROWS] = { AX_STR("EWR"), AX_STR("EWR"), AX_STR("EWR"), AX_STR("LGA"),
                                    AX_STR("") };
    struct ax_str dests[ROWS] = { AX_STR("EWR"), AX_STR("LGA"), AX_STR("EWR"), AX_STR("EWR"),
                                  AX_STR("EWR") };
    struct ax_str ids[ROWS] = { AX_STR("x"), AX_STR("c"), AX_STR(""), AX_STR("a"), AX_STR("b") };
    uint64_t has_origin = 0xF, has_id = 0x1B;
    int64_t at[ROWS] = { 1001 * SECOND, 1002 * SECOND, 5000 * SECOND, 1002 * SECOND,
                         1002 * SECOND };
    const double expected[ROWS][W_INPUTS] = {
        { 2, 1.5, 0, 1.5, 3 },
        { 2, 1.5, 0, TEMP_DEFAULT, 3 }, /* Without its own. */
        { 0, TEMP_DEFAULT, NAN, TEMP_DEFAULT, 1 },
        { 0, TEMP_DEFAULT, NAN, 16, 1 },
        { 0, TEMP_DEFAULT, NAN, 15.5, 1 }, /* A key that is null has no events. */
    };
    struct ax_values columns[3];
    assert_int_equal(service->call_count, 3);
    *call_column(columns, service, "origin") = column(AX_TYPE_STRING, origins, ROWS, &has_origin);
    *call_column(columns, service, "dest") = column(AX_TYPE_STRING, dests, ROWS, NULL);
    *call_column(columns, service, "id") = column(AX_TYPE_STRING, ids, ROWS, &has_id);
    struct ax_service_request request = {
        .plan = plan, .rows = ROWS, .call = columns, .at = at, .arena = &arena
    };
    struct ax_service_vector vector;
    if (!good(run(&vector, &request, 0, ROWS)))
        return;
    size_t first = service->input_count - W_INPUTS;
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < W_INPUTS; i++)
            assert_number(number_of(&vector.inputs[first + i], row), expected[row][i], i, row);
    }
    const int64_t never = AX_ONLINE_TIMELESS;
    assert_status(&vector, first + W_TEMP, 0,
                  (struct ax_service_status){ AX_ONLINE_PRESENT, false, false, never });
    assert_status(&vector, first + W_TEMP, 2,
                  (struct ax_service_status){ AX_ONLINE_NULL_VALUE, true, false, never });
    assert_status(&vector, first + W_WARM, 3,
                  (struct ax_service_status){ AX_ONLINE_NULL_VALUE, false, false, never });
    assert_status(&vector, first + W_TEMP, 4,
                  (struct ax_service_status){ AX_ONLINE_NULL_VALUE, true, false, never });
}

/* Windows of the row's keys, one of which is null, at its moment and without its own event. */
static void test_windows(void **state)
{
    (void)state;
    struct ax_online_windows *windows = NULL;
    ax_err_clear(&err);
    ax_arena_init(&arena, (size_t)1 << 20, (size_t)16 << 20);
    is_read = !read_text(WINDOWS_TEXT, &definitions, &err);
    if (!good(err.code) || !good(open_online(&definitions, &err)))
        return;
    if (!good(ax_online_windows_open(definitions.views, &online.epoch, (size_t)16 << 20, &windows,
                                     &err)))
        return;
    online.views[0].layout = NULL;
    online.views[0].windows = windows;
    if (put_temps(windows) &&
        good(ax_service_plan_new(&definitions, definitions.services, online.views, &plan, &err)))
        check_windows(definitions.services);
    ax_online_windows_close(windows);
}

/* ---- rows of a model ---- */

enum { MODEL_SKY, MODEL_TWICE, MODEL_LATE, MODEL_TEXT, MODEL_N, MODEL_INPUTS };

static bool make_signature(struct ax_signature *signature)
{
    static const char *const names[] = { "origin__s", "twice", "late", "origin", "origin__n" };
    static const enum ax_datatype datatypes[] = { AX_FP32, AX_FP32, AX_FP64, AX_BYTES, AX_INT32 };
    const struct ax_str skies[] = { AX_STR("sun"), AX_STR("fog") };
    if (!good(ax_signature_init(signature, MODEL_INPUTS, 0, &err)))
        return false;
    for (size_t i = 0; i < MODEL_INPUTS; i++) {
        signature->inputs[i].datatype = datatypes[i];
        if (!good(ax_signature_name_input(signature, i, ax_str_from(names[i]), &err)))
            return false;
    }
    return good(ax_signature_add_dictionary(signature, MODEL_SKY, skies, 2, &err));
}

static void assert_cell(const struct ax_rows *rows, size_t input, size_t row, double expected)
{
    const void *at = ax_column_at(&rows->columns[input], row);
    bool is_single = rows->columns[input].datatype == AX_FP32;
    double found = is_single ? (double)*(const float *)at : *(const double *)at;
    assert_number(found, expected, input, row);
}

static void check_rows(const struct ax_rows *rows)
{
    for (size_t row = 0; row < PATTERN; row++) {
        bool has_sky = row != 1 && row != 3;
        assert_cell(rows, MODEL_SKY, 1 + row, has_sky ? 1 : NAN);
        assert_cell(rows, MODEL_TWICE, 1 + row, (double)(float)expected_value(TWICE, row));
        assert_cell(rows, MODEL_LATE, 1 + row, expected_value(LATE, row));
        assert_int_equal(ax_column_is_valid(&rows->columns[MODEL_N], 1 + row), row != 3);
        const struct ax_str *origin = ax_column_at(&rows->columns[MODEL_TEXT], 1 + row);
        assert_true(ax_str_equals(*origin, call.origin[row]));
        assert_ptr_not_equal(origin->ptr, call.origin[row].ptr);
    }
    assert_int_equal(*(const int32_t *)ax_column_at(&rows->columns[MODEL_N], 2), 8);
    assert_false(ax_column_is_valid(&rows->columns[MODEL_N], 0)); /* Nobody wrote that row. */
}

/* Straight from rows of the store, or of columns. */
static void fill_model(const struct ax_signature *signature, bool columns)
{
    size_t inputs[MODEL_INPUTS];
    struct ax_service_vector vector;
    struct ax_rows rows;
    struct ax_service_request request = make_request(PATTERN);
    assert_int_equal(ax_service_plan_bind(plan, signature, inputs, &err), AX_OK);
    if (good(make(&vector, &request, 0, PATTERN)) &&
        (!columns || good(ax_service_vector_columns(&vector, &err))) &&
        good(ax_rows_init(&rows, signature, PATTERN + 1, &arena, &err)) &&
        good(ax_service_vector_write(&vector, inputs, &rows, 1, &arena, &err)))
        check_rows(&rows);
}

static void test_rows_of_a_model(void **state)
{
    (void)state;
    struct ax_signature signature = { 0 };
    if (!set_up())
        return;
    if (make_signature(&signature)) {
        fill_model(&signature, false);
        fill_model(&signature, true);
        size_t inputs[MODEL_INPUTS];
        if (good(ax_signature_name_input(&signature, MODEL_LATE, AX_STR("dest"), &err))) {
            assert_int_equal(ax_service_plan_bind(plan, &signature, inputs, &err), AX_E_INVALID);
            assert_string_equal(err.msg, "service 's' has no input 'dest', which the model has");
            ax_err_clear(&err);
        }
    }
    ax_signature_done(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_values_by_hand, tear_down),
        cmocka_unit_test_teardown(test_slices, tear_down),
        cmocka_unit_test_teardown(test_no_malloc, tear_down),
        cmocka_unit_test_teardown(test_given, tear_down),
        cmocka_unit_test_teardown(test_refused, tear_down),
        cmocka_unit_test_teardown(test_later, tear_down),
        cmocka_unit_test_teardown(test_cancel, tear_down),
        cmocka_unit_test_teardown(test_store_down, tear_down),
        cmocka_unit_test_teardown(test_not_served, tear_down),
        cmocka_unit_test_teardown(test_windows, tear_down),
        cmocka_unit_test_teardown(test_rows_of_a_model, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
