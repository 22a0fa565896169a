/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a call of a service fills the rows of models with what the store has, whether the store
 * answers at once, later, not at all or not any more; slice by slice as in one; and tells of the
 * features what became of them. A model that cannot take its rows hinders no others. Calls of
 * several services in one pass ask for each key once, and one that fails hinders no others.
 * Method: bodies are read as a request's are, over a small store in memory, or over one that keeps
 * each fetch until the test answers it. What is filled is worked out by hand. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online_key.h"
#include "server/api/service_pass.h"
#include "torture.h"

#include <math.h>

#define SECOND INT64_C(1000000)

enum { FETCHES_MAX = 8, MANY = 3000, MODEL_INPUTS = 4 };

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  airport: {keys: {faa: string}}\n"
    "  aircraft: {keys: {tail: int64}}\n"
    "sources:\n"
    "  w: {files: w.csv, time: t, columns: {faa: string, t: timestamp, temp: float64}}\n"
    "  p: {files: p.csv, time: none, columns: {tail: int64, seats: int64}}\n"
    "views:\n"
    "  weather: {entity: airport, source: w, ttl: 1h, fields: {temp: temp}}\n"
    "  plane: {entity: aircraft, source: p, fields: {seats: {expr: seats, default: 150}}}\n"
    "services:\n"
    "  s:\n"
    "    request: {x: float64}\n"
    "    features:\n"
    "      - {name: x}\n"
    "      - {name: origin}\n"
    "      - {view: weather, keys: {faa: origin}, as: origin}\n"
    "      - {view: plane}\n"
    "      - {name: sum, expr: origin__temp + x}\n"
    "  o:\n"
    "    request: {y: float64}\n"
    "    features: [{view: weather, keys: {faa: dest}, as: dest}]\n";

static struct ax_err err;
static struct ax_arena arena;
static struct ax_epoch epoch;
static struct ax_online *memory;
static struct ax_applied_definitions applied;
static struct ax_applied_service applied_services[2];
static struct ax_serving_features *features;
static struct ax_signature signature;
static size_t inputs[MODEL_INPUTS];
static struct ax_service_pass pass;
static struct ax_service_call call;
static size_t woken_count;

/* Whether it went well; else an allocation was refused. */
static bool good(enum ax_code code)
{
    if (code && !ax_torture_struck())
        fail_msg("%s", err.msg);
    return !code;
}

/* ---- a store that answers when it is told to ---- */

static struct {
    struct ax_online base;
    struct ax_online_fetch *fetches[FETCHES_MAX];
    size_t count, cancelled;
    bool is_down;
} slow;

static bool slow_fetch(struct ax_online *store, struct ax_online_fetch *fetch)
{
    assert_ptr_equal(store, &slow.base);
    assert_true(slow.count < FETCHES_MAX);
    slow.fetches[slow.count++] = fetch;
    return false;
}

static void slow_cancel(struct ax_online *store, struct ax_online_fetch *fetch)
{
    (void)store;
    (void)fetch;
    slow.cancelled++;
}

static const struct ax_online_backend slow_backend = {
    .name = "slow",
    .fetch = slow_fetch,
    .cancel = slow_cancel,
};

/* Answer the fetches that wait; rows lie in the call's arena, as those of a store elsewhere do. */
static void slow_answer(void)
{
    struct ax_online_fetch *fetches[FETCHES_MAX];
    size_t count = slow.count;
    memcpy(fetches, slow.fetches, sizeof(fetches));
    slow.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct ax_online_fetch *fetch = fetches[i];
        if (slow.is_down)
            (void)ax_fail(&fetch->err, AX_E_UNAVAILABLE, "the store is down");
        else
            assert_true(ax_online_fetch(memory, fetch));
        for (size_t row = 0; !slow.is_down && row < fetch->count; row++) {
            const struct ax_online_row *found = fetch->rows[row];
            char *copy = found ? ax_arena_alloc(fetch->arena, found->bytes, 1) : NULL;
            if (copy)
                memcpy(copy, found, found->bytes);
            fetch->rows[row] = (const struct ax_online_row *)(const void *)copy;
        }
        fetch->done(fetch);
    }
}

/* ---- set-up ---- */

static bool put_row(size_t role, struct ax_values *key, struct ax_values *field, int64_t time)
{
    const struct ax_service_plan *plan = features->services[0].plan;
    const struct ax_online_layout *layout = plan->parts[role].layout;
    const struct ax_entity *of = plan->visits[plan->parts[role].visit].entity;
    const struct ax_values *keys[] = { key };
    const struct ax_values *fields[] = { field };
    struct ax_online_stamp stamp = { time, 0, 0 };
    struct ax_online_entity *entity;
    struct ax_str made;
    size_t bytes = ax_online_part_write(layout, &stamp, fields, 0, NULL);
    void *part = ax_arena_alloc(&arena, bytes, 1);
    if (!part || !good(ax_online_keys_make(of, keys, 1, &arena, &made, &err)) ||
        !good(ax_online_find_entity(memory, of->name, &entity, &err)))
        return false;
    (void)ax_online_part_write(layout, &stamp, fields, 0, part);
    struct ax_online_item item = { .key = made, .layout = layout, .part = part, .bytes = bytes };
    struct ax_online_write write = { .entity = entity, .items = &item, .count = 1 };
    assert_true(ax_online_write(memory, &write));
    err = write.err;
    return good(err.code);
}

static bool put_rows(void)
{
    struct ax_str faa = AX_STR("EWR");
    double temp = 2.5;
    int64_t tail = 7;
    int64_t seats = 20;
    struct ax_values texts = { .type = { AX_TYPE_STRING, false }, .rows = 1, .texts = &faa };
    struct ax_values temps = { .type = { AX_TYPE_FLOAT64, false }, .rows = 1, .f64s = &temp };
    struct ax_values tails = { .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &tail };
    struct ax_values counts = { .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &seats };
    return put_row(0, &texts, &temps, 1000 * SECOND) &&
           put_row(1, &tails, &counts, AX_ONLINE_TIMELESS);
}

static bool make_signature(void)
{
    static const char *const names[MODEL_INPUTS] = { "sum", "seats", "origin__temp", "origin" };
    if (!good(ax_signature_init(&signature, MODEL_INPUTS, 0, &err)))
        return false;
    signature.inputs[3].datatype = AX_BYTES;
    for (size_t i = 0; i < MODEL_INPUTS; i++) {
        if (!good(ax_signature_name_input(&signature, i, ax_str_from(names[i]), &err)))
            return false;
    }
    return good(ax_service_plan_bind(features->services[0].plan, &signature, inputs, &err));
}

/* Over the store in memory, or over the slow one; false: refused. */
static bool set_up(bool is_slow)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = ax_str_from(text) };
    const struct ax_online_config config = { .epoch = &epoch,
                                             .memory_bytes_max = (size_t)64 << 20 };
    ax_err_clear(&err);
    memset(&slow, 0, sizeof(slow));
    memset(&pass, 0, sizeof(pass));
    memset(&call, 0, sizeof(call));
    woken_count = 0;
    slow.base.backend = &slow_backend;
    ax_arena_init(&arena, (size_t)1 << 16, (size_t)64 << 20);
    ax_epoch_init(&epoch);
    if (!good(ax_online_open(&ax_online_memory, &config, &memory, &err)) ||
        !good(ax_definitions_read_texts("features", &file, 1, &applied.definitions, &err)))
        return false;
    atomic_init(&applied.refs, 2); /* The test's stays. */
    for (size_t i = 0; i < AX_COUNT(applied_services); i++)
        applied_services[i].service = &applied.definitions.services[i];
    applied.services = applied_services;
    const struct ax_online_definitions given = { .definitions = &applied.definitions };
    struct ax_online_numbers numbers;
    struct ax_online_views *views = NULL;
    const struct ax_online_views_place place = { .store = memory,
                                                 .epoch = &epoch,
                                                 .numbers = &numbers };
    ax_map_init(&numbers.given);
    bool made = good(ax_online_views_new(&given, &place, &views, &err)) &&
                good(ax_serving_features_new(&applied, memory, views, &features, &err));
    ax_online_numbers_done(&numbers);
    ax_online_views_unref(views);
    if (!made || !put_rows())
        return false;
    if (is_slow)
        features->store = &slow.base;
    return make_signature();
}

static int tear_down(void **state)
{
    (void)state;
    ax_service_pass_done(&pass);
    ax_serving_features_unref(features);
    features = NULL;
    ax_signature_done(&signature);
    ax_definitions_done(&applied.definitions);
    memset(&applied, 0, sizeof(applied));
    ax_online_close(memory);
    memory = NULL;
    ax_epoch_done(&epoch);
    ax_arena_done(&arena);
    return 0;
}

/* ---- a call ---- */

static const struct ax_row_member members[] = { AX_ROW_ENTITY_MEMBERS, { 0 } };
static const struct ax_row_protocol protocol = { .members = members, .wanted = "'entities'" };

static void woken(struct ax_service_pass *which)
{
    assert_ptr_equal(which, &pass);
    woken_count++;
}

/* Up to where the columns are taken; NULL: refused memory. */
static struct ax_row_body *begin_body(const char *body_text)
{
    struct ax_row_body *body = ax_arena_alloc(&arena, 1, sizeof(*body));
    bool done = false;
    size_t cost = 0;
    if (!body)
        return NULL;
    ax_row_body_init(body, &protocol, ax_str_from(body_text), &arena);
    while (!done && good(ax_row_body_read(body, 100, &cost, &done, &err)))
        continue;
    if (!done)
        return NULL;
    pass.woken = woken;
    ax_service_pass_begin(&pass, features, body->cells[AX_ROW_SET_ROWS].row_count, &arena, NULL, 0);
    return good(ax_service_call_begin(&call, &pass, features->services, body->tell, &err)) ? body
                                                                                           : NULL;
}

static bool begin(const char *body_text)
{
    struct ax_row_body *body = begin_body(body_text);
    return body && good(ax_service_call_take(&call, body->cells, body->is_one, 0, &err));
}

static bool add(struct ax_service_target *target, struct ax_rows *rows)
{
    *target = (struct ax_service_target){ .inputs = inputs, .rows = rows };
    if (!good(ax_rows_reserve(rows, &signature, call.request.rows, &arena, &err)))
        return false;
    ax_service_call_add(&call, target);
    return true;
}

/* False: it waits, or memory was refused. */
static bool step_on(size_t budget)
{
    bool done = false;
    bool waits = false;
    size_t cost = 0;
    while (!done && !waits)
        ax_service_pass_step(&pass, budget, &cost, &done, &waits);
    err = call.err;
    return good(err.code) && done;
}

static float number_at(const struct ax_rows *rows, size_t input, size_t row)
{
    return *(const float *)ax_column_at(&rows->columns[input], row);
}

static void assert_row(const struct ax_rows *rows, size_t row, float sum, float seats, float temp,
                       const char *origin)
{
    const float expected[] = { sum, seats, temp };
    for (size_t i = 0; i < AX_COUNT(expected); i++) {
        float found = number_at(rows, i, row);
        if (found != expected[i] && !(isnan(found) && isnan(expected[i])))
            fail_msg("row %zu, input %zu: %g is no %g", row, i, (double)found, (double)expected[i]);
    }
    const struct ax_str *name = ax_column_at(&rows->columns[3], row);
    assert_true(ax_str_is(*name, origin));
}

static void assert_told(size_t row, const char *expected)
{
    struct ax_str told = ax_service_call_told(&call, row);
    if (!ax_str_is(told, expected))
        fail_msg("told: %.*s", (int)told.len, told.ptr);
}

#define SMALL                                                                                  \
    "{\"entities\":[{\"origin\":\"EWR\",\"tail\":7},{\"origin\":\"JFK\",\"tail\":7},"          \
    "{\"origin\":\"EWR\"}],\"request\":{\"x\":0.5},\"at\":[1001000000,1001000000,4601000000]," \
    "\"features\":\"full\"}"

static void assert_small(const struct ax_rows *rows)
{
    assert_row(rows, 0, 3, 20, 2.5F, "EWR");
    assert_row(rows, 1, NAN, 20, NAN, "JFK");
    assert_row(rows, 2, NAN, 150, NAN, "EWR");
    assert_told(0, "\"at\":\"1970-01-01T00:16:41Z\",\"features\":{"
                   "\"x\":{\"value\":0.5,\"status\":\"PRESENT\"},"
                   "\"origin\":{\"value\":\"EWR\",\"status\":\"PRESENT\"},"
                   "\"origin__temp\":{\"value\":2.5,\"status\":\"PRESENT\","
                   "\"time\":\"1970-01-01T00:16:40Z\"},"
                   "\"seats\":{\"value\":20,\"status\":\"PRESENT\"},"
                   "\"sum\":{\"value\":3.0,\"status\":\"PRESENT\"}}");
    assert_told(2, "\"at\":\"1970-01-01T01:16:41Z\",\"features\":{"
                   "\"x\":{\"value\":0.5,\"status\":\"PRESENT\"},"
                   "\"origin\":{\"value\":\"EWR\",\"status\":\"PRESENT\"},"
                   "\"origin__temp\":{\"value\":null,\"status\":\"OUTSIDE_MAX_AGE\","
                   "\"time\":\"1970-01-01T00:16:40Z\"},"
                   "\"seats\":{\"value\":150,\"status\":\"NOT_FOUND\",\"defaulted\":true},"
                   "\"sum\":{\"value\":null,\"status\":\"NULL_VALUE\"}}");
}

static void test_at_once(void **state)
{
    for (size_t budget = 1; budget < 10000; budget *= 9) {
        struct ax_service_target target;
        struct ax_rows rows;
        if (set_up(false) && begin(SMALL) && add(&target, &rows) && step_on(budget)) {
            assert_int_equal(target.err.code, AX_OK);
            assert_small(&rows);
            assert_int_equal(woken_count, 0);
        }
        tear_down(state);
    }
}

static void test_later(void **state)
{
    (void)state;
    struct ax_service_target target;
    struct ax_rows rows;
    if (!set_up(true) || !begin(SMALL) || !add(&target, &rows))
        return;
    assert_false(step_on(1000));
    if (err.code)
        return;
    assert_int_equal(slow.count, 2);
    assert_int_equal(slow.fetches[0]->count, 2); /* EWR is asked for once */
    assert_int_equal(woken_count, 0);
    slow_answer();
    assert_int_equal(woken_count, 1);
    if (step_on(1000) && !ax_torture_struck())
        assert_small(&rows);
}

/* Slices wait one after the other, and each has the memory of the one before it. */
static void test_slices(void **state)
{
    (void)state;
    static const char entity[] = "{\"origin\":\"EWR\",\"tail\":7},";
    struct ax_service_target target;
    struct ax_rows rows;
    struct ax_buf body;
    size_t waits = 0;
    ax_buf_init(&body, (size_t)1 << 20);
    (void)ax_buf_append_str(&body,
                            AX_STR("{\"at\":1001000000,\"request\":{\"x\":1},\"entities\":["));
    for (size_t i = 0; i < MANY; i++)
        (void)ax_buf_append(&body, entity, sizeof(entity) - 1);
    (void)ax_buf_append_str(&body, AX_STR("{\"tail\":8}]}"));
    (void)ax_buf_append_char(&body, '\0');
    if (!body.failed && set_up(true) && begin(body.ptr) && add(&target, &rows)) {
        assert_true(pass.slice_rows < MANY);
        while (!step_on(1000) && !err.code) {
            waits++;
            slow_answer();
        }
        if (!ax_torture_struck()) {
            assert_int_equal(waits, (MANY + pass.slice_rows) / pass.slice_rows);
            for (size_t row = 0; row < MANY; row++)
                assert_row(&rows, row, 3.5F, 20, 2.5F, "EWR");
            assert_int_equal(number_at(&rows, 1, MANY), 150);
            assert_int_equal(ax_service_call_told(&call, 0).len, 0);
        }
    }
    ax_buf_done(&body);
}

/* To tell takes longer than to fill, so slices are smaller; what is told is of each row its own. */
static void test_told_slices(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    static const char *const givens[] = { "{}", "{\"origin__temp\":4}", "{\"origin__temp\":null}" };
    static const char *const told[] = {
        "\"origin__temp\":{\"value\":2.5,\"status\":\"PRESENT\",\"time\":\"1970-01-01T00:16:40Z\"}",
        "\"origin__temp\":{\"value\":4.0,\"status\":\"PRESENT\",\"given\":true}",
        "\"origin__temp\":{\"value\":null,\"status\":\"NULL_VALUE\",\"given\":true}",
        "\"origin__temp\":{\"value\":null,\"status\":\"NOT_FOUND\"}",
    };
    static const float temps[] = { 2.5F, 4, NAN, NAN };
    struct ax_service_target target;
    struct ax_rows rows;
    struct ax_buf body;
    ax_buf_init(&body, (size_t)1 << 20);
    (void)ax_buf_append_str(&body, AX_STR("{\"at\":1001000000,\"request\":{\"x\":1},"
                                          "\"features\":\"full\",\"entities\":["));
    for (size_t i = 0; i < ROWS; i++)
        (void)ax_buf_printf(&body, "%s{\"origin\":\"%s\",\"tail\":%s}", i ? "," : "",
                            i % 5 == 3 ? "JFK" : "EWR", i % 4 == 1 ? "null" : "7");
    (void)ax_buf_append_str(&body, AX_STR("],\"given\":["));
    for (size_t i = 0; i < ROWS; i++)
        (void)ax_buf_printf(&body, "%s%s", i ? "," : "", givens[i % 3]);
    (void)ax_buf_append(&body, "]}", sizeof("]}"));
    if (!body.failed && set_up(false) && begin(body.ptr) && add(&target, &rows)) {
        assert_true(pass.slice_rows < ROWS / 2 && pass.slice_rows % 64);
        if (step_on(1000) && !ax_torture_struck()) {
            for (size_t row = 0; row < ROWS; row++) {
                size_t is = row % 3 == 0 && row % 5 == 3 ? 3 : row % 3;
                struct ax_str found = ax_service_call_told(&call, row);
                if (!memmem(found.ptr, found.len, told[is], strlen(told[is])))
                    fail_msg("row %zu: %.*s", row, (int)found.len, found.ptr);
                assert_row(&rows, row, temps[is] + 1, row % 4 == 1 ? 150 : 20, temps[is],
                           row % 5 == 3 ? "JFK" : "EWR");
            }
        }
    }
    ax_buf_done(&body);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct ax_service_target target;
    struct ax_rows rows;
    if (!set_up(true) || !begin(SMALL) || !add(&target, &rows) || step_on(1000) || err.code)
        return;
    ax_service_pass_done(&pass);
    assert_int_equal(slow.cancelled, 2);
    assert_int_equal(woken_count, 0);
    assert_int_equal(atomic_load(&features->refs), 1);
}

static void test_store_down(void **state)
{
    (void)state;
    struct ax_service_target target;
    struct ax_rows rows;
    if (!set_up(true) || !begin(SMALL) || !add(&target, &rows) || step_on(1000) || err.code)
        return;
    slow.is_down = true;
    slow_answer();
    if (!step_on(1000))
        return;
    assert_row(&rows, 0, NAN, 150, NAN, "EWR");
    assert_told(1, "\"at\":\"1970-01-01T00:16:41Z\",\"features\":{"
                   "\"x\":{\"value\":0.5,\"status\":\"PRESENT\"},"
                   "\"origin\":{\"value\":\"JFK\",\"status\":\"PRESENT\"},"
                   "\"origin__temp\":{\"value\":null,\"status\":\"STORE_DOWN\"},"
                   "\"seats\":{\"value\":150,\"status\":\"STORE_DOWN\",\"defaulted\":true},"
                   "\"sum\":{\"value\":null,\"status\":\"NULL_VALUE\"}}");
}

/* One fetch for two models, of which one takes no such seats. */
static void test_two_models(void **state)
{
    (void)state;
    struct ax_service_target targets[2];
    struct ax_rows rows[2];
    if (!set_up(true) || !begin(SMALL) || !add(&targets[0], &rows[0]))
        return;
    struct ax_signature other = { 0 };
    size_t seats[1];
    if (good(ax_signature_init(&other, 1, 0, &err)) &&
        good(ax_signature_name_input(&other, 0, AX_STR("origin__temp"), &err)) &&
        good(ax_service_plan_bind(features->services[0].plan, &other, seats, &err)) &&
        good(ax_rows_reserve(&rows[1], &other, call.request.rows, &arena, &err))) {
        other.inputs[0].required = true;
        rows[1].has_rules = true;
        targets[1] = (struct ax_service_target){ .inputs = seats, .rows = &rows[1] };
        ax_service_call_add(&call, &targets[1]);
        if (!step_on(1000) && !err.code) {
            assert_int_equal(slow.count, 2);
            slow_answer();
            if (step_on(1000) && !ax_torture_struck()) {
                assert_small(&rows[0]);
                assert_int_equal(targets[0].err.code, AX_OK);
                assert_int_equal(targets[1].err.code, AX_E_INVALID);
                assert_non_null(strstr(targets[1].err.msg, "row 1"));
            }
        }
    }
    ax_signature_done(&other);
}

/* What is filled of the other service: the weather where the flight goes. */
struct other {
    struct ax_service_call call;
    struct ax_signature signature;
    size_t inputs[1];
    struct ax_service_target target;
    struct ax_rows rows;
};

/* Both calls in one pass; false: refused. */
static bool begin_two(struct ax_row_body *body, struct other *other)
{
    struct ax_service_call *calls[] = { &call, &other->call };
    memset(other, 0, sizeof(*other));
    if (!body ||
        !good(ax_service_call_begin(&other->call, &pass, &features->services[1], body->tell, &err)))
        return false;
    for (size_t i = 0; i < AX_COUNT(calls); i++) {
        ax_service_call_share(calls[i], body->cells);
        if (!good(ax_service_call_take(calls[i], body->cells, body->is_one, 0, &err)))
            return false;
    }
    other->target = (struct ax_service_target){ .inputs = other->inputs, .rows = &other->rows };
    if (!good(ax_signature_init(&other->signature, 1, 0, &err)) ||
        !good(ax_signature_name_input(&other->signature, 0, AX_STR("dest__temp"), &err)) ||
        !good(ax_service_plan_bind(features->services[1].plan, &other->signature, other->inputs,
                                   &err)) ||
        !good(ax_rows_reserve(&other->rows, &other->signature, pass.rows, &arena, &err)))
        return false;
    ax_service_call_add(&other->call, &other->target);
    return true;
}

#define TWO                                                                                        \
    "{\"entities\":[{\"origin\":\"EWR\",\"dest\":\"JFK\",\"tail\":7},"                             \
    "{\"origin\":\"JFK\",\"dest\":\"EWR\",\"tail\":7},{\"origin\":null,\"dest\":\"EWR\",\"tail\":" \
    "9}],"                                                                                         \
    "\"request\":{\"x\":0.5},\"at\":1001000000}"

/* Airports of both services are one fetch, and each of them is asked for once. */
static void test_two_services(void **state)
{
    (void)state;
    struct ax_service_target target;
    struct ax_rows rows;
    static struct other other;
    if (set_up(true) && begin_two(begin_body(TWO), &other) && add(&target, &rows) &&
        !step_on(1000) && !err.code && !other.call.err.code) {
        assert_int_equal(slow.count, 2);
        assert_int_equal(slow.fetches[0]->count, 2);
        assert_int_equal(slow.fetches[1]->count, 2);
        slow_answer();
        assert_int_equal(woken_count, 1);
        if (step_on(1000) && !ax_torture_struck()) {
            assert_row(&rows, 0, 3, 20, 2.5F, "EWR");
            assert_row(&rows, 1, NAN, 20, NAN, "JFK");
            assert_true(isnan(number_at(&other.rows, 0, 0)));
            assert_true(number_at(&other.rows, 0, 1) == 2.5F);
            assert_true(number_at(&other.rows, 0, 2) == 2.5F);
        }
    }
    ax_signature_done(&other.signature);
}

/* A row gives a number that one of the services cannot have; the other one is filled. */
static void test_one_fails(void **state)
{
    (void)state;
    static const char body[] =
        "{\"entities\":[{\"origin\":\"EWR\",\"dest\":\"EWR\",\"tail\":\"x\"}],"
        "\"at\":1001000000}";
    struct ax_service_target target;
    struct ax_rows rows;
    static struct other other;
    if (set_up(false) && begin_two(begin_body(body), &other) && add(&target, &rows)) {
        bool done = false;
        bool waits = false;
        size_t cost = 0;
        while (!done)
            ax_service_pass_step(&pass, 1000, &cost, &done, &waits);
        if (!ax_torture_struck()) {
            assert_int_equal(call.err.code, AX_E_INVALID);
            assert_string_equal(target.err.msg, call.err.msg);
            assert_non_null(strstr(call.err.msg, "'tail'"));
            assert_int_equal(other.call.err.code, AX_OK);
            assert_int_equal(other.target.err.code, AX_OK);
            assert_true(number_at(&other.rows, 0, 0) == 2.5F);
        }
    }
    ax_signature_done(&other.signature);
}

/* A slice has room for services of so many values; alone, or for few entities, any has. */
static void test_room(void **state)
{
    (void)state;
    if (!set_up(false) || !begin(SMALL))
        return;
    const struct ax_serving_service *service = &features->services[1];
    const enum ax_service_tell nothing = AX_SERVICE_TELL_NOTHING;
    assert_true(ax_service_pass_has_room(&pass, service, nothing));
    pass.row_values = 1024 - ax_service_call_row_values(service, nothing);
    pass.rows = 1000;
    assert_true(ax_service_pass_has_room(&pass, service, nothing));
    assert_false(ax_service_pass_has_room(&pass, service, AX_SERVICE_TELL_STATUS));
    pass.row_values++;
    assert_false(ax_service_pass_has_room(&pass, service, nothing));
    pass.rows = 15;
    assert_true(ax_service_pass_has_room(&pass, service, nothing));
}

/* What a body has for several services is taken or refused; alone, only what this one takes. */
static void test_shared(void **state)
{
    static const struct {
        const char *body;
        bool is_shared;
        const char *message; /* NULL: none */
    } bodies[] = {
        { "{\"entities\":[{\"origin\":\"EWR\",\"dest\":\"JFK\",\"tail\":7}],\"at\":1001000000,"
          "\"request\":{\"y\":[1],\"x\":0.5},\"given\":{\"dest__temp\":1}}",
          true, NULL },
        { "{\"entities\":[{\"tail\":7,\"origin\":\"EWR\"},{\"tail\":null,\"dest\":\"EWR\"}]}", true,
          "row 1: key 'origin' of service 's' is missing; send null where there is none" },
        { "{\"entities\":[{\"dest\":\"EWR\"}]}", true,
          "row 0: key 'origin' of service 's' is missing; send null where there is none" },
        { "{\"entities\":[{\"tail\":7,\"origin\":null,\"dst\":\"EWR\"}]}", true,
          "row 0: 'dst' is no key of service 's'" },
        { "{\"entities\":[{\"tail\":7,\"origin\":null}],\"request\":{\"dest\":0}}", true,
          "row 0: 'dest' is no request value of service 's'" },
        { "{\"entities\":[{\"tail\":7,\"dest\":\"EWR\"}]}", false,
          "row 0: 'dest' is no key of service 's'" },
        { "{\"entities\":[{},{}],\"at\":[]}", false,
          "'at' holds 0 values, 'entities' 2: send one for all, or one an entity" },
        { "{\"entities\":[{},{}],\"request\":[]}", false,
          "'request' holds 0 values, 'entities' 2: send one for all, or one an entity" },
        { "{\"entities\":[{}],\"given\":[]}", false,
          "'given' holds 0 values, 'entities' 1: send one for all, or one an entity" },
        { "{\"entities\":[],\"at\":[],\"given\":[]}", false, NULL },
    };
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_service_target target;
        struct ax_rows rows;
        struct ax_row_body *body = set_up(false) ? begin_body(bodies[i].body) : NULL;
        if (body && bodies[i].is_shared)
            ax_service_call_share(&call, body->cells);
        enum ax_code code =
            body ? ax_service_call_take(&call, body->cells, body->is_one, 0, &err) : AX_E_LIMIT;
        if (code != AX_E_LIMIT)
            assert_string_equal(code ? err.msg : "", bodies[i].message ? bodies[i].message : "");
        if (!code && add(&target, &rows) && step_on(1000) && rows.count && !target.err.code)
            assert_row(&rows, 0, 3, 20, 2.5F, "EWR");
        tear_down(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_shared),
        cmocka_unit_test_teardown(test_later, tear_down),
        cmocka_unit_test_teardown(test_slices, tear_down),
        cmocka_unit_test_teardown(test_told_slices, tear_down),
        cmocka_unit_test_teardown(test_cancelled, tear_down),
        cmocka_unit_test_teardown(test_store_down, tear_down),
        cmocka_unit_test_teardown(test_two_models, tear_down),
        cmocka_unit_test_teardown(test_two_services, tear_down),
        cmocka_unit_test_teardown(test_one_fails, tear_down),
        cmocka_unit_test_teardown(test_room, tear_down),
    };
    ax_metric_thread_attach();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}
