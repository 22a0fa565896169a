/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a history for which memory is refused fails as such, leaves nothing behind, and the next
 * one of the same store is what it would have been.
 * Method: small sources under every kind of view, as known now and then; one allocation after the
 * other is refused, of later ones ever fewer, as tools/torture does. What succeeds has the digest
 * of a history for which nothing was refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "history_store.h"
#include "torture.h"

#include <stdio.h>
#include <unistd.h>

enum { EACH = 6 }; /* so many of the first allocations are refused one by one */

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: string}}}\n"
    "sources:\n"
    "  events: {files: 'e*.csv', time: t, created: c, event_id: id,\n"
    "    columns: {k: string, t: timestamp, c: timestamp, id: string, x: float64, s: string}}\n"
    "  states: {sql: states.sql, time: t,\n"
    "    columns: {k: string, t: timestamp, name: string, n: int64}}\n"
    "views:\n"
    "  newest: {entity: thing, source: events, fields: {x: x * 2, s: upper(s)}}\n"
    "  state: {entity: thing, source: states, ttl: 9d, fields: {name: name, n: n + 1}}\n"
    "  windows: {entity: thing, source: events, fields: {\n"
    "    count: count(*) over 2d, sum: sum(x) over 1d, sd: stddev(x) over 2d,\n"
    "    most: max(x) over 1d,\n"
    "    median: \"approx_quantile(x, 0.5) over 2d\", kinds: count_distinct(s) over 2d,\n"
    "    top: \"top_k(s, 2) over 2d\", last: last(s) over 2d, lasts: \"last_n(x, 3) over 2d\"}}\n"
    "services:\n"
    "  s: {features: [{view: newest}, {view: state}, {view: windows},\n"
    "    {name: twice, expr: x * 2}, {name: more, expr: twice + n}]}\n";

/* Some of two keys, each corrected a day later. */
static void write_events(void)
{
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    ax_buf_printf(&out, "k,t,c,id,x,s\n");
    for (int i = 0; i < 60; i++)
        ax_buf_printf(&out,
                      "key %d,2024-01-%02dT0%d:00:00Z,2024-01-%02dT00:00:00Z,%d,%d.5,"
                      "word %d\n",
                      i % 2, 1 + i / 6, i % 6, 2 + i / 6 + i % 2, i / 2, i, i % 7);
    write_text("events.csv", ax_buf_str(&out));
    ax_buf_done(&out);
}

static enum ax_code make(bool as_known, struct ax_offline_report *ret_report, struct ax_err *err)
{
    struct ax_offline_rows request = {
        .sql = AX_STR("SELECT 'key ' || i % 2 AS k, to_timestamp(1704067200 + i * 7200) AS at "
                      "FROM range(120) r(i)"),
        .as_known = as_known,
    };
    char out[256];
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    (void)unlink(out);
    enum ax_code code = ax_offline_history(store, ax_definitions_service(&definitions, AX_STR("s")),
                                           &request, out, ret_report, err);
    assert_int_equal(access(out, F_OK) == 0, !code);
    return code;
}

static void refused_memory_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    for (int as_known = 0; as_known < 2; as_known++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_offline_report wanted;
        if (make(as_known, &wanted, &err))
            fail_msg("%s", err.msg);
        bool is_struck = true;
        for (unsigned long i = 1; is_struck; i += 1 + i / EACH) {
            struct ax_offline_report report;
            struct ax_err refused = AX_ERR_INIT;
            ax_torture_refuse(i);
            enum ax_code code = make(as_known, &report, &refused);
            is_struck = ax_torture_struck();
            ax_torture_refuse(0);
            if (code && (!is_struck || code != AX_E_LIMIT))
                fail_msg("allocation %lu refused: %d: %s", i, code, refused.msg);
            if (!code)
                assert_string_equal(report.digest, wanted.digest);
        }
    }
}

static int open_store(void **state)
{
    if (make_folder(state))
        return -1;
    write_text("states.sql", AX_STR("SELECT 'key ' || i % 2 AS k, to_timestamp(1704067200 + i * "
                                    "50000) AS t, 'name ' || i AS name, i AS n "
                                    "FROM range(9) r(i)"));
    write_events();
    open_history_store(definitions_text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_memory_is_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("feature/history_memory", tests, open_store,
                                       close_history_store);
}
