/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a windowed view becomes the columns and aggregates that its state needs, each once.
 * Method: views read from text; what is made of them printed as lines. Bad: more than a state has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/view_windows.h"

#include "test_folder.h"

#include <stdio.h>

static void read_view(const char *fields, struct ax_definitions *definitions)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    char path[256];
    ax_buf_init(&text, (size_t)1 << 20);
    ax_buf_printf(&text,
                  "auspex: 1\n"
                  "entities: {e: {keys: {k: string}}}\n"
                  "sources:\n"
                  "  s: {files: a.csv, time: t, event_id: [k],\n"
                  "      columns: {k: string, t: timestamp, x: float64, y: int64}}\n"
                  "views:\n"
                  "  v:\n"
                  "    entity: e\n"
                  "    source: s\n"
                  "    fields:\n%s",
                  fields);
    (void)snprintf(path, sizeof(path), "%s/a.yaml", folder);
    assert_int_equal(ax_file_replace(path, ax_buf_str(&text), &err), AX_OK);
    ax_buf_done(&text);
    if (ax_definitions_read(folder, definitions, &err))
        fail_msg("%s", err.msg);
}

/* What a root reads of an aggregate has the aggregate's type. */
static void check_inputs(const struct ax_view_windows *windows, const struct ax_expr *expr)
{
    if (expr->kind == AX_EXPR_INPUT)
        assert_true(ax_type_equals(ax_window_spec_type(windows->spec, expr->input), expr->type));
    for (size_t i = 0; i < expr->arg_count; i++)
        check_inputs(windows, expr->args[i]);
}

static void each_once(void **state)
{
    (void)state;
    struct ax_definitions definitions;
    struct ax_view_windows windows;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    read_view("      a: sum(x) over 1h\n"
              "      b: avg(x) over 1h + sum(x) over 1h\n"
              "      c: sum(x + y) filter (where y > 1) over 2h hop 1h\n"
              "      d: count(*) filter (where (y>1)) over 1h / count(*) over 1h\n"
              "      f: last_n(y, 3) over 1h\n"
              "      g: last_n(y, 4) over 1h\n",
              &definitions);
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    if (ax_view_windows_make(&definitions.views[0], NULL, &arena, &windows, &err))
        fail_msg("%s", err.msg);
    /* x, x + y, y > 1, y */
    assert_int_equal(windows.column_count, 4);
    assert_int_equal(windows.aggregate_count, 7);
    assert_int_equal(windows.field_roots[0]->input, 0);
    assert_int_equal(windows.field_roots[1]->args[0]->input, 1);
    assert_int_equal(windows.field_roots[1]->args[1]->input, 0);
    const struct ax_window_aggregate *filtered = &windows.aggregates[2];
    assert_true(filtered->value == 1 && filtered->filter == 2);
    assert_int_equal(filtered->hop_us, INT64_C(3600000000));
    assert_int_equal(windows.aggregates[3].value, -1);
    assert_int_equal(windows.aggregates[3].filter, 2);
    assert_int_equal(windows.aggregates[4].filter, -1);
    assert_int_equal(windows.aggregates[6].n, 4);
    assert_true(windows.columns[2]->type.kind == AX_TYPE_BOOL);
    assert_int_equal(ax_window_spec_aggregate_count(windows.spec), 7);
    for (size_t i = 0; i < definitions.views[0].field_count; i++)
        check_inputs(&windows, windows.field_roots[i]);
    ax_view_windows_done(&windows);
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
}

/* What is not asked for needs no columns and no aggregates, and numbers have no gaps. */
static void only_wanted_fields(void **state)
{
    (void)state;
    struct ax_definitions definitions;
    struct ax_view_windows windows;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    static const bool wanted[] = { false, true, false };
    read_view("      a: last_n(x, 3) over 2h\n"
              "      b: count(*) over 1h / sum(y) over 1h\n"
              "      c: top_k(k, 3) over 1h\n",
              &definitions);
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    if (ax_view_windows_make(&definitions.views[0], wanted, &arena, &windows, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(windows.column_count, 1);
    assert_int_equal(windows.columns[0]->input, 3); /* y */
    assert_int_equal(windows.aggregate_count, 2);
    assert_null(windows.field_roots[0]);
    assert_null(windows.field_roots[2]);
    assert_int_equal(ax_window_spec_reach_us(windows.spec), INT64_C(3600000000) + 300000000);
    check_inputs(&windows, windows.field_roots[1]);
    ax_view_windows_done(&windows);
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
}

static void refuses_too_many_columns(void **state)
{
    (void)state;
    struct ax_definitions definitions;
    struct ax_view_windows windows = { 0 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    char fields[4096] = "";
    size_t len = 0;
    for (int i = 0; i <= AX_WINDOW_COLUMNS_MAX; i++)
        len += (size_t)snprintf(fields + len, sizeof(fields) - len,
                                "      f%d: sum(y + %d) over 1h\n", i, i + 1);
    read_view(fields, &definitions);
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    assert_int_equal(ax_view_windows_make(&definitions.views[0], NULL, &arena, &windows, &err),
                     AX_E_TOO_LARGE);
    assert_non_null(strstr(err.msg, "a.yaml:7:3: view 'v': "));
    assert_null(windows.spec);
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once),
        cmocka_unit_test(only_wanted_fields),
        cmocka_unit_test(refuses_too_many_columns),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
