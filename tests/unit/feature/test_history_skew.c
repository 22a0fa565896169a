/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a history costs depends on how many rows and events there are, not on how they are
 * spread over keys: it would be the product of both for a single key, were each of its events
 * looked at for each row. Method: the same moments of rows and events, of thousands of keys and of
 * one, in turns; of each the least CPU time counts. Views of newest events and of windows, over
 * events that are corrected, as known now and then. With one key all take at most twice and a half
 * of what the cheapest takes with many, as known now; a join by inequality took sixty times as
 * much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "history_store.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { RATIO_MAX = 6, TURNS = 2, ROWS = 20000 };

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: int64}}}\n"
    "sources:\n"
    "  one: {sql: one.sql, time: t, created: c, event_id: id,\n"
    "    columns: {k: int64, t: timestamp, c: timestamp, id: int64, x: float64}}\n"
    "  many: {sql: many.sql, time: t, created: c, event_id: id,\n"
    "    columns: {k: int64, t: timestamp, c: timestamp, id: int64, x: float64}}\n"
    "views:\n"
    "  newest_one: {entity: thing, source: one, fields: {x: x}}\n"
    "  newest_many: {entity: thing, source: many, fields: {x: x}}\n"
    "  windows_one: {entity: thing, source: one, fields: {n: count(*) over 90d, m: max(x) over "
    "9d}}\n"
    "  windows_many: {entity: thing, source: many,\n"
    "    fields: {n: count(*) over 90d, m: max(x) over 9d}}\n"
    "services:\n"
    "  newest_one: {features: [{view: newest_one}]}\n"
    "  newest_many: {features: [{view: newest_many}]}\n"
    "  windows_one: {features: [{view: windows_one}]}\n"
    "  windows_many: {features: [{view: windows_many}]}\n";

/* Each event is corrected once, up to ten days later. */
#define EVENTS(key)                                                                              \
    "SELECT " key " AS k, to_timestamp(1357000000 + hash(i) % 9000000) AS t, "                   \
    "to_timestamp(1357000000 + hash(i) % 9000000 + version * (1 + hash(i + 1) % 864000)) AS c, " \
    "i AS id, (hash(i + version) % 1000)::DOUBLE AS x FROM range(10000) e(i), range(2) v(version)"
#define ROWS_OF(key)                                                                    \
    "SELECT " key " AS k, to_timestamp(1357000000 + hash(i + 7) % 9000000) AS at FROM " \
    "range(20000) r(i)"
#define ONE  "0"
#define MANY "i % 5000"

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double measure(const char *service, struct ax_str rows, bool as_known)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_offline_report report;
    struct ax_offline_rows request = { .sql = rows, .as_known = as_known };
    char out[256];
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    double start = cpu_seconds();
    if (ax_offline_history(store, ax_definitions_service(&definitions, ax_str_from(service)),
                           &request, out, &report, &err))
        fail_msg("%s: %s", service, err.msg);
    assert_int_equal(report.rows, ROWS);
    return cpu_seconds() - start;
}

static void compare(const char *one, const char *many)
{
    double least = 1e9;
    double least_one[2] = { 1e9, 1e9 }; /* as known now, and then */
    for (int turn = 0; turn < TURNS; turn++) {
        least = fmin(least, measure(many, AX_STR(ROWS_OF(MANY)), false));
        for (int i = 0; i < 2; i++)
            least_one[i] = fmin(least_one[i], measure(one, AX_STR(ROWS_OF(ONE)), i == 1));
    }
    for (int i = 0; i < 2; i++)
        if (least_one[i] > RATIO_MAX * least)
            fail_msg("%s%s: %.3f s of CPU time, where many keys take %.3f s", one,
                     i ? ", as known" : "", least_one[i], least);
}

static void one_key_costs_what_many_do(void **state)
{
    (void)state;
    compare("newest_one", "newest_many");
    compare("windows_one", "windows_many");
}

static int open_store(void **state)
{
    if (make_folder(state))
        return -1;
    write_text("one.sql", AX_STR(EVENTS(ONE)));
    write_text("many.sql", AX_STR(EVENTS(MANY)));
    open_history_store(definitions_text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_costs_what_many_do),
    };
    return cmocka_run_group_tests_name("feature/history_skew", tests, open_store,
                                       close_history_store);
}
