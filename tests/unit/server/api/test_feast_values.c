/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: values that Feast's client writes become items of the online store, and what is wrong is
 * refused by name. Method: tables of bodies with what their items are, or the message; in steps of
 * any size, in more than one slice, and with too little memory. Values themselves are written and
 * read again by tests/e2e/test_feast_server.py and by Feast in tests/clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/feast_values.h"

#include "unit/feature/online_fixture.h"

#include <inttypes.h>

#define NOW INT64_C(1000000000)

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  user: {keys: {id: int32}}\n"
    "  town: {keys: {name: string, open: bool}}\n"
    "  page: {keys: {url: string}}\n"
    "sources:\n"
    "  u: {files: u.csv, time: seen, created: learnt, columns: {id: int32, seen: timestamp,\n"
    "      learnt: timestamp, a: int32, y: bytes, l: list<bytes>}}\n"
    "  t: {files: t.csv, time: none, columns: {name: string, open: bool, x: float64}}\n"
    "  p: {files: p.csv, time: t, columns: {url: string, t: timestamp, x: float64}}\n"
    "views:\n"
    "  user: {entity: user, source: u, fields: {a: {expr: a, type: int32}, y: y, l: l, w: seen}}\n"
    "  town: {entity: town, source: t, fields: {x: x}}\n"
    "  page: {entity: page, source: p, fields: {x: x}}\n";

static const struct {
    const char *view;
    const char *df;
    const char *items; /* "key bytes/time/created/bytes given" of each, or the message */
    enum ax_code code;
} cases[] = {
    { "town", "{\"name\":[\"a\",\"bc\"],\"open\":[true,false],\"x\":[1,null]}",
      "6/-9223372036854775808/1000000000/all 7/-9223372036854775808/1000000000/all ", AX_OK },
    { "page", "{\"url\":[\"abc\"],\"x\":[1],\"event_timestamp\":[\"1970-01-01T00:00:02\"]}",
      "3/2000000/1000000000/all ", AX_OK },
    { "user",
      "{\"id\":[1,2],\"a\":[1,2],\"seen\":[7,8.0],\"learnt\":[\"1970-01-01T00:00:01Z\",null]}",
      "8/7000000/1000000/1 8/8000000/1000000000/1 ", AX_OK },
    { "user",
      "{\"id\":[1],\"y\":[\"/"
      "wE=\"],\"l\":[[\"\",null,\"AA==\"]],\"w\":[5],\"event_timestamp\":[1]}",
      "8/1000000/1000000000/14 ", AX_OK },
    { "page", "{}", "'df' has no 'url', which is a join key", AX_E_INVALID },
    { "town", "{\"name\":[\"a\"],\"x\":[1]}", "'df' has no 'open', which is a join key",
      AX_E_INVALID },
    { "page", "{\"url\":[],\"t\":[]}", "'df' has no field of view 'page'", AX_E_INVALID },
    { "page", "{\"url\":[],\"x\":[]}", "'df' has no 'event_timestamp'", AX_E_INVALID },
    { "page", "{\"url\":[],\"x\":[],\"t\":[]}", "", AX_OK },
    { "page", "{\"url\":[],\"x\":[],\"t\":[],\"event_timestamp\":[]}",
      "'event_timestamp' is given twice, once by another name", AX_E_INVALID },
    { "page", "{\"url\":[],\"y\":[]}", "'y' is no column of view 'page'", AX_E_INVALID },
    { "page", "{\"something_else\":[]}", "'something_else' is no column of view 'page'",
      AX_E_INVALID },
    { "page", "{\"url\":[\"a\",null],\"x\":[1,1],\"t\":[1,1]}", "'url', row 1: a join key is null",
      AX_E_INVALID },
    { "page", "{\"url\":[\"a\"],\"x\":[1],\"t\":[null]}",
      "'event_timestamp', row 0: a time is wanted, found null", AX_E_INVALID },
    { "page", "{\"url\":[\"a\"],\"x\":[1],\"t\":[-9223372036854775808]}",
      "'event_timestamp', row 0: a time is wanted, found null", AX_E_INVALID },
    { "page", "{\"url\":[\"a\"],\"x\":[1],\"t\":[-9223372036854]}",
      "'event_timestamp', row 0: the time lies outside of the years 1 to 9999", AX_E_INVALID },
    { "user", "{\"id\":[1],\"w\":[-9223372036854775808],\"seen\":[1]}", "8/1000000/1000000000/8 ",
      AX_OK },
    { "page", "{\"url\":[\"a\"],\"x\":[1],\"t\":[1006]}",
      "'event_timestamp', row 0: the time lies ahead of the clock", AX_E_INVALID },
    { "town", "{\"name\":[\"a\"],\"open\":[true],\"x\":[1],\"created\":[1006]}",
      "'created', row 0: the time lies ahead of the clock", AX_E_INVALID },
    { "user", "{\"id\":[1,2],\"a\":[1,2],\"seen\":[1,1],\"learnt\":[1005,1006]}",
      "'created', row 1: the time lies ahead of the clock", AX_E_INVALID },
    { "user", "{\"id\":[1],\"a\":[1],\"seen\":[1],\"learnt\":[1005]}", "8/1000000/1005000000/1 ",
      AX_OK },
    { "page", "{\"url\":[\"a\"],\"x\":[1],\"t\":[1005]}", "1/1005000000/1000000000/all ", AX_OK },
    { "user", "{\"id\":[2147483648],\"a\":[1],\"seen\":[1]}",
      "'id', row 0: the number does not fit its type", AX_E_INVALID },
    { "user", "{\"id\":[1],\"a\":[-2147483649],\"seen\":[1]}",
      "'a', row 0: the number does not fit its type", AX_E_INVALID },
    { "user", "{\"id\":[1],\"a\":[\"x\"],\"seen\":[1]}",
      "'a', row 0: a whole number is wanted, found 'x'", AX_E_INVALID },
    { "user", "{\"id\":[1],\"y\":[\"x\"],\"seen\":[1]}", "'y', row 0: base64 is wanted",
      AX_E_INVALID },
    { "user", "{\"id\":[1],\"l\":[[\"AA==\",\"=\"]],\"seen\":[1]}", "'l', row 0: base64 is wanted",
      AX_E_INVALID },
};

static struct ax_definitions definitions;

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

static void put_items(struct ax_buf *out, const struct ax_feast_values *values)
{
    for (size_t i = 0; i < values->row_count; i++) {
        const struct ax_online_item *item = &values->items[i];
        ax_buf_printf(out, "%zu/%" PRId64 "/%" PRId64 "/", item->key.len, item->part->stamp.time,
                      item->part->stamp.created);
        if (item->given)
            ax_buf_printf(out, "%u ", (unsigned)item->given[0]);
        else
            (void)ax_buf_append_str(out, AX_STR("all "));
    }
}

/* `body` to items, `arena_max` bytes of them; `own` is theirs. */
static void make(struct ax_str body, size_t budget, size_t arena_max, struct ax_buf *out,
                 struct ax_err *err)
{
    struct ax_arena request, own;
    struct ax_feast_values values;
    bool done = false;
    size_t cost = 0;
    ax_arena_init(&request, 1024, (size_t)64 << 20);
    ax_arena_init(&own, 64, arena_max);
    ax_buf_init(out, 1 << 20);
    ax_feast_values_init(&values, body, &request);
    while (!done && !ax_row_body_read(&values.body.rows, budget, &cost, &done, err))
        continue;
    if (!err->code) {
        const struct ax_view *view = ax_definitions_view(&definitions, values.body.name);
        (void)(ax_feast_values_begin(&values, view, online.views[view - definitions.views].layout,
                                     NOW, &own, err) != AX_OK);
    }
    for (done = false; !done && !err->code;)
        (void)(ax_feast_values_step(&values, budget, &cost, &done, err) != AX_OK);
    ax_arena_done(&request); /* what is sent outlives it */
    if (err->code)
        (void)ax_buf_append_str(out, ax_str_from(err->msg));
    else
        put_items(out, &values);
    (void)ax_buf_append_char(out, '\0');
    ax_arena_done(&own);
}

static void put_body(struct ax_buf *body, const char *view, const char *df)
{
    ax_buf_init(body, 1 << 20);
    ax_buf_printf(body, "{\"df\":%s,\"feature_view_name\":\"%s\"}", df, view);
}

static void test_items(void **state)
{
    static const size_t budgets[] = { 1, 30, SIZE_MAX };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        for (size_t k = 0; k < AX_COUNT(budgets); k++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_buf body, found;
            put_body(&body, cases[i].view, cases[i].df);
            make(ax_buf_str(&body), budgets[k], (size_t)1 << 20, &found, &err);
            assert_string_equal(found.ptr, cases[i].items);
            assert_int_equal(err.code, cases[i].code);
            ax_buf_done(&found);
            ax_buf_done(&body);
        }
    }
}

static void test_memory(void **state)
{
    enum ax_code code = AX_E_TOO_LARGE;
    struct ax_buf body, found;
    (void)state;
    put_body(&body, cases[3].view, cases[3].df);
    for (size_t max = 64; code; max += 64) {
        struct ax_err err = AX_ERR_INIT;
        make(ax_buf_str(&body), SIZE_MAX, max, &found, &err);
        code = err.code;
        assert_true(!code || code == AX_E_TOO_LARGE || code == AX_E_LIMIT);
        ax_buf_done(&found);
    }
    ax_buf_done(&body);
}

/* A body of so many rows of view 'page'; the last one's time is `time`. */
static void put_rows(struct ax_buf *body, size_t rows, const char *time)
{
    ax_buf_init(body, 16 << 20);
    (void)ax_buf_append_str(body, AX_STR("{\"feature_view_name\":\"page\",\"df\":{\"url\":[\"\""));
    for (size_t i = 1; i < rows; i++)
        (void)ax_buf_append_str(body, AX_STR(",\"a\""));
    (void)ax_buf_append_str(body, AX_STR("],\"x\":[1"));
    for (size_t i = 1; i < rows; i++)
        (void)ax_buf_append_str(body, AX_STR(",1"));
    (void)ax_buf_append_str(body, AX_STR("],\"t\":["));
    for (size_t i = 1; i < rows; i++)
        (void)ax_buf_append_str(body, AX_STR("1,"));
    ax_buf_printf(body, "%s]}}", time);
}

static void test_rows(void **state)
{
    static const struct {
        size_t rows;
        const char *time, *message;
    } bodies[] = {
        { 1300, "1", NULL },
        { 1300, "2000", "'event_timestamp', row 1299: the time lies ahead of the clock" },
        { AX_FEAST_ROWS_MAX + 1, "1", "100001 rows; at most 100000 are taken at once" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf body, found;
        put_rows(&body, bodies[i].rows, bodies[i].time);
        make(ax_buf_str(&body), 4096, (size_t)64 << 20, &found, &err);
        if (bodies[i].message)
            assert_string_equal(found.ptr, bodies[i].message);
        else
            assert_int_equal(err.code, AX_OK);
        ax_buf_done(&found);
        ax_buf_done(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
