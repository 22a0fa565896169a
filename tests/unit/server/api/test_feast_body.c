/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what Feast's client sends is read, and what is wrong is refused by name; in slices of any
 * size as at once. Method: tables of bodies with what must be found, or the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "server/api/feast_body.h"

static const struct {
    const struct ax_row_protocol *protocol;
    const char *text;
    const char *found; /* "name;features;full;rows;columns", or the message */
    enum ax_code code;
} cases[] = {
    /* As the client sends them. */
    { &ax_feast_get,
      "{\"entities\": {\"driver_id\": [1, 2], \"town\": [\"a\", null]}, \"full_feature_names\": "
      "false, \"include_feature_view_version_metadata\": false, \"features\": [\"v:a\", \"v:b\"]}",
      ";v:a,v:b,;0;2;driver_id,town,", AX_OK },
    { &ax_feast_get,
      "{\"entities\": {\"id\": [7]}, \"full_feature_names\": true, \"feature_service\": \"s\"}",
      "s;;1;1;id,", AX_OK },
    { &ax_feast_write,
      "{\"feature_view_name\": \"v\", \"df\": {\"id\": [1], \"a\": [0.5], \"event_timestamp\": "
      "[\"2024-01-01T00:00:00\"], \"created\": [null]}, \"allow_registry_cache\": false}",
      "v;;0;1;id,a,event_timestamp,created,", AX_OK },
    /* And otherwise. */
    { &ax_feast_get, "{\"feature_service\":null,\"features\":null,\"entities\":{}}", ";;0;0;",
      AX_OK },
    { &ax_feast_get, "{\"entities\":{\"id\":[]},\"features\":[]}", ";;0;0;id,", AX_OK },
    { &ax_feast_get, "{\"entities\":[{\"id\":1},{\"id\":2}],\"features\":[\"v\\u003aa\"]}",
      ";v:a,;0;2;id,", AX_OK },
    { &ax_feast_get, "{\"features\":[\"v:a\"]}", "the request has no 'entities'", AX_E_INVALID },
    { &ax_feast_get, "{\"entities\":1}", "'entities' must be an array or an object, found a number",
      AX_E_INVALID },
    { &ax_feast_get, "{\"entities\":{\"a\":[1],\"b\":[]}}",
      "input 'b' does not hold 1 values, as the first does", AX_E_INVALID },
    { &ax_feast_get, "{\"entities\":{\"a\":[[1]]}}", ";;0;1;a,", AX_OK },
    { &ax_feast_get, "{\"entities\":{\"a\":[[[1]]]}}",
      "input 'a', row 0: found an array where a value is wanted", AX_E_INVALID },
    { &ax_feast_get, "{\"features\":[\"v:a\",1]}",
      "'features' must be an array of 'view:field', found a number", AX_E_INVALID },
    { &ax_feast_get, "{\"features\":\"v:a\"}", "'features' must be an array, found a string",
      AX_E_INVALID },
    { &ax_feast_get, "{\"features\":[],\"features\":[]}", "'features' is given twice",
      AX_E_INVALID },
    { &ax_feast_get, "{\"feature_service\":1}", "'feature_service' must be a name, found a number",
      AX_E_INVALID },
    { &ax_feast_get, "{\"full_feature_names\":1}",
      "'full_feature_names' must be true or false, found a number", AX_E_INVALID },
    { &ax_feast_write, "{\"feature_view_name\":[]}",
      "'feature_view_name' must be a name, found an array", AX_E_INVALID },
    { &ax_feast_write, "{\"feature_view_name\":\"v\"}", "the request has no 'df'", AX_E_INVALID },
};

static void put_found(struct ax_buf *out, const struct ax_feast_body *body)
{
    const struct ax_cells *cells = &body->rows.cells[AX_ROW_SET_ROWS];
    ax_buf_printf(out, "%.*s;", AX_STR_ARG(body->name));
    for (size_t i = 0; i < body->feature_count; i++)
        ax_buf_printf(out, "%.*s,", AX_STR_ARG(body->features[i]));
    ax_buf_printf(out, ";%d;%zu;", body->has_full_names, cells->row_count);
    for (size_t i = 0; i < cells->column_count; i++)
        ax_buf_printf(out, "%.*s,", AX_STR_ARG(cells->columns[i].name));
}

static void read_body(const struct ax_row_protocol *protocol, const char *text, size_t budget,
                      struct ax_buf *out, struct ax_err *err)
{
    struct ax_feast_body body;
    struct ax_arena arena;
    bool done = false;
    size_t cost = 0;
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_buf_init(out, 1 << 16);
    ax_feast_body_init(&body, protocol, ax_str_from(text), &arena);
    while (!done && !ax_row_body_read(&body.rows, budget, &cost, &done, err))
        continue;
    if (err->code)
        (void)ax_buf_append_str(out, ax_str_from(err->msg));
    else
        put_found(out, &body);
    (void)ax_buf_append_char(out, '\0');
    ax_arena_done(&arena);
}

static void test_bodies(void **state)
{
    static const size_t budgets[] = { 1, 7, SIZE_MAX };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        for (size_t k = 0; k < AX_COUNT(budgets); k++) {
            struct ax_err err = AX_ERR_INIT;
            struct ax_buf found;
            read_body(cases[i].protocol, cases[i].text, budgets[k], &found, &err);
            assert_string_equal(found.ptr, cases[i].found);
            assert_int_equal(err.code, cases[i].code);
            ax_buf_done(&found);
        }
    }
}

static void test_many_features(void **state)
{
    struct ax_buf text, found;
    (void)state;
    for (size_t count = AX_FEAST_FEATURES_MAX; count <= AX_FEAST_FEATURES_MAX + 1; count++) {
        struct ax_err err = AX_ERR_INIT;
        ax_buf_init(&text, 1 << 20);
        (void)ax_buf_append_str(&text, AX_STR("{\"entities\":{},\"features\":[\"v:a\""));
        for (size_t i = 1; i < count; i++)
            (void)ax_buf_append_str(&text, AX_STR(",\"v:a\""));
        (void)ax_buf_append(&text, "]}", 3);
        read_body(&ax_feast_get, text.ptr, SIZE_MAX, &found, &err);
        assert_int_equal(err.code, count > AX_FEAST_FEATURES_MAX ? AX_E_TOO_LARGE : AX_OK);
        ax_buf_done(&found);
        ax_buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_many_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
