/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an input that provably knows the label is refused with its way, one that only may is told,
 * and what has nothing to do with it is neither. Method: one folder of definitions; labels, columns
 * of the rows and label_known_at vary, and the query of the rows where names are followed through
 * it to the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/leakage.h"

#include "test_folder.h"

#include <stdio.h>

static const char text[] =
    "auspex: 1\n"
    "entities: {who: {keys: {id: string}}, place: {keys: {faa: string}}}\n"
    "sources:\n"
    "  events: {sql: select 1, time: t, event_id: [nr],\n"
    "    columns: {nr: int64, who: string, t: timestamp, late: float64, other: float64}}\n"
    "  states: {sql: select 1, time: none, columns: {faa: string, late: float64, n: int64}}\n"
    "  log: {files: d/*.csv, time: t, event_id: [nr],\n"
    "    columns: {nr: int64, who: string, t: timestamp, late: float64, other: float64}}\n"
    "  cut: {sql: \"SELECT who, m AS t, late > 1 AS was FROM './d/f.csv'\", time: t,\n"
    "    columns: {who: string, t: timestamp, was: bool}}\n"
    "  odd: {sql: \"SELECT who, t, (SELECT max(late) FROM 'd/f.csv') AS m FROM 'd/f.csv'\",\n"
    "    time: t, columns: {who: string, t: timestamp, m: float64}}\n"
    "  still: {files: d/f.csv, time: none, columns: {who: string, late: float64}}\n"
    "views:\n"
    "  sum: {entity: who, keys: {id: who}, source: events,\n"
    "    fields: {s: sum(late) over 1h, f: count(*) filter (where late > 1) over 1h,\n"
    "      o: sum(other) over 1h}}\n"
    "  now: {entity: place, source: states, fields: {l: late, n: n}}\n"
    "  logged: {entity: who, keys: {id: who}, source: log, fields: {s: sum(late) over 1h}}\n"
    "  cuts: {entity: who, keys: {id: who}, source: cut, fields: {w: was}}\n"
    "  odds: {entity: who, keys: {id: who}, source: odd, fields: {m: m}}\n"
    "  stills: {entity: who, keys: {id: who}, source: still, fields: {l: late}}\n"
    "services:\n"
    "  values: {request: {a: float64, b: float64}, features: [{name: a},\n"
    "    {name: up, expr: b + 1}, {name: upper, expr: up * 2}]}\n"
    "  one: {features: [{view: sum, fields: [s]}]}\n"
    "  filter: {features: [{view: sum, fields: [f]}]}\n"
    "  without: {features: [{view: sum, fields: [o]}]}\n"
    "  self: {request: {nr: int64}, exclude_self: true, features: [{view: sum, fields: [s]}]}\n"
    "  place: {features: [{view: now, keys: {faa: dest}, as: d}]}\n"
    "  number: {features: [{view: now, fields: [n]}]}\n"
    "  logged: {features: [{view: logged}]}\n"
    "  logged_self: {request: {nr: int64}, exclude_self: true, features: [{view: logged}]}\n"
    "  cut: {features: [{view: cuts}]}\n"
    "  odd: {features: [{view: odds}]}\n"
    "  still: {features: [{view: stills}]}\n";

static char told[4096];

static void collect(void *arg, const char *line)
{
    (void)arg;
    size_t len = strlen(told);
    (void)snprintf(told + len, sizeof(told) - len, "%s\n", line);
}

/* NULL: neither refused nor told, or nothing of this kind. */
static const struct {
    const char *service, *label, *known;
    const char *refused;
    const char *warned;
} cases[] = {
    { "values", "late > 1", "", NULL, NULL },
    { "values", "A > 1", "", "leak: 'a' of the rows, which the label reads: take it out", NULL },
    { "values", "r.a > 1", "", "leak: 'a' of the rows", NULL },
    { "values", "(SELECT max(x) FROM (SELECT \"a\" AS x))", "", "leak: 'a' of the rows", NULL },
    { "values", "'a' || \"c\"", "", NULL, NULL },
    { "values", "b", "", "leak: 'up' <- 'b' of the rows", NULL },
    { "values", "CASE WHEN c THEN 1 ELSE upper END", "", "reads input 'upper' of service", NULL },
    { "values", "c >", "", "label: ", NULL },
    { "values", "c", "t >", "label_known_at: ", NULL },
    { "one", "late", "", "leak: 's' <- view 'sum' <- 'events.late', as the label reads", NULL },
    { "one", "late", "t", NULL, NULL },
    { "one", "late", "e.T + INTERVAL 1 HOUR", NULL, NULL },
    { "one", "late", "landed", NULL, "'s' reads 'late' of source 'events'" },
    { "one", "id = 'x'", "t", "leak: 's' <- view 'sum' <- its key 'id' of the rows", NULL },
    { "filter", "late", "", "leak: 'f' <- view 'sum' <- 'events.late'", NULL },
    { "without", "late", "", NULL, NULL },
    { "self", "late", "", NULL, NULL },
    { "place", "dest", "", "leak: 'd__l' <- view 'now' <- its key 'dest' of the rows", NULL },
    { "place", "late", "", NULL, "'d__l' reads 'late' of source 'states'" },
    { "number", "late", "", NULL, "source 'states' has no history" },
};

/* Rows of a query, which gives the columns id, a, c, y, k and nothing else of what is named; the
 * moment is c. */
#define UNKNOWN_A "'a' of the rows cannot be followed to the files that they come from"
#define FROM_LOG  " FROM 'd/f.csv' f ORDER BY nr"
static const struct {
    const char *service, *query, *label, *known;
    const char *refused;
    const char *warned;
} followed[] = {
    /* Values of the call. */
    { "values", "SELECT late AS a, late AS y" FROM_LOG, "y > 1", "",
      "leak: 'a' of the rows, made of 'late' of 'd/f.csv', as 'y' is, which the label reads: take",
      NULL },
    { "values", "SELECT late * 2 AS b, late AS y" FROM_LOG, "y > 1", "",
      "leak: 'up' <- 'b' of the rows, made of 'late' of 'd/f.csv', as 'y' is, which", NULL },
    { "values",
      "WITH t AS (SELECT late AS z FROM 'd/f.csv') SELECT CAST(z AS INT) AS a, z AS y "
      "FROM t",
      "y > 1", "", "leak: 'a' of the rows, made of 'late'", NULL },
    { "values", "SELECT other AS a, late AS y" FROM_LOG, "y > 1", "", NULL, NULL },
    { "values", "SELECT g.late AS a, f.late AS y FROM 'd/f.csv' f JOIN 'd/f.csv' g ON f.n = g.m",
      "y > 1", "", NULL,
      "input 'a' and 'y', which the label reads, are both made of 'late' of 'd/f.csv': if" },
    { "values", "SELECT g.late AS b, f.late AS y FROM 'd/f.csv' f JOIN 'd/f.csv' g USING (nr)",
      "y > 1", "", NULL, "input 'up' and 'y', which the label reads, are both made of 'late'" },
    { "values", "SELECT lag(late) OVER (ORDER BY t) AS a, late AS y" FROM_LOG, "y > 1", "", NULL,
      "input 'a' and 'y', which the label reads, are both made of 'late' of 'd/f.csv'" },
    /* Labels that the query computes. */
    { "values", "SELECT late AS a, late > 1 AS y" FROM_LOG, "y", "",
      "leak: 'y', which the label reads, is computed of inputs alone: 'a' is 'late' of 'd/f.csv'",
      NULL },
    { "values", "SELECT other AS a, late - other > 1 AS y" FROM_LOG, "y", "", NULL,
      "input 'a' and 'y', which the label reads, are both made of 'other' of 'd/f.csv': if" },
    { "values", "SELECT late AS a, avg(late) OVER () > 1 AS y" FROM_LOG, "y", "", NULL,
      "are both made of 'late'" },
    { "values", "SELECT other AS a, random() > 1 AS y" FROM_LOG, "y", "", NULL, NULL },
    /* What cannot be followed. */
    { "values", "SELECT other AS a, (SELECT max(late) FROM 'd/f.csv') AS y" FROM_LOG, "y", "", NULL,
      "'y' of the rows cannot be followed to the files" },
    { "values", "SELECT a, y FROM somewhere", "y", "", NULL,
      "'y' of the rows, 'a' of the rows cannot be" },
    { "values", "SELECT (SELECT late) AS a, late AS y" FROM_LOG, "y > 1", "", NULL, UNKNOWN_A },
    { "values", "SELECT q.v AS a, late AS y FROM 'd/f.csv' f, LATERAL (SELECT f.late AS v) q",
      "y > 1", "", NULL, UNKNOWN_A },
    { "values", "SELECT list_sum(list_transform([1], x -> late * x)) AS a, late AS y" FROM_LOG,
      "y > 1", "", NULL, UNKNOWN_A },
    { "values", "SELECT a, late AS y FROM (PIVOT 'd/f.csv' ON who USING max(late) AS a)", "y > 1",
      "", NULL, UNKNOWN_A },
    { "values",
      "SELECT a, y FROM (PIVOT (SELECT late AS y, late, who FROM 'd/f.csv') "
      "ON who IN ('a') USING max(late))",
      "y > 1", "", NULL, UNKNOWN_A },
    { "values", "SELECT e AS a, late AS y FROM 'd/f.csv' JOIN kept.copy USING (nr)", "y > 1", "",
      NULL, UNKNOWN_A },
    /* Fields over files. */
    { "logged", "SELECT who AS id, late AS y" FROM_LOG, "y > 1", "",
      "leak: 's' <- view 'logged' <- 'log.late', made of 'late' of 'd/f.csv', as 'y' is, which "
      "the label reads: say label_known_at, or exclude_self: log in the service",
      NULL },
    { "logged", "SELECT who AS id, late > 1 AS y" FROM_LOG, "y", "", "made of 'late'", NULL },
    { "logged", "SELECT who AS id, late AS y FROM 'e/f.csv'", "y > 1", "", NULL, NULL },
    { "logged", "SELECT who AS id, other AS y" FROM_LOG, "y > 1", "", NULL, NULL },
    { "logged", "SELECT boss AS id, late AS y" FROM_LOG, "y > 1", "", NULL, NULL },
    { "logged", "SELECT who AS id, late AS y, t AS k" FROM_LOG, "y > 1", "k", NULL, NULL },
    { "logged", "SELECT who AS id, late AS y, u AS k" FROM_LOG, "y > 1", "k", NULL,
      "'s' reads 'late' of source 'log'" },
    { "logged", "SELECT who AS id, late AS y, u AS k, t AS c" FROM_LOG, "y > 1", "k",
      "as 'y' is, which the label reads, from 't' on, which is the moment asked about: take it out",
      NULL },
    { "logged", "SELECT who AS id, late AS y, u AS k, u AS c" FROM_LOG, "y > 1", "k", NULL,
      "from 't' on: if that is before the label was known, a row's own value tells its label; it "
      "is left out by exclude_self: log" },
    { "logged", "SELECT boss AS id, late AS y, u AS k, t AS c" FROM_LOG, "y > 1", "k", NULL, NULL },
    { "logged_self", "SELECT who AS id, nr, late AS y" FROM_LOG, "y > 1", "", NULL, NULL },
    /* Fields over SQL. */
    { "cut", "SELECT who AS id, late AS y" FROM_LOG, "y > 1", "",
      "leak: 'w' <- view 'cuts' <- 'cut.was', made of 'late' of 'd/f.csv', as 'y'", NULL },
    { "cut", "SELECT who AS id, late AS y, m AS k" FROM_LOG, "y > 1", "k", NULL, NULL },
    { "cut", "SELECT who AS id, late AS y, u AS k, m AS c" FROM_LOG, "y > 1", "k",
      "as 'y' is, which the label reads, from 't' on, which is the moment asked about: take it out "
      "of service 'cut'",
      NULL },
    { "odd", "SELECT who AS id, late AS y" FROM_LOG, "y > 1", "", NULL,
      "'m' of source 'odd' cannot be followed" },
    { "still", "SELECT who AS id, late AS y, t AS k" FROM_LOG, "y > 1", "k",
      "leak: 'l' <- view 'stills' <- 'still.late', made of 'late' of 'd/f.csv', as 'y' is, which "
      "the label reads, at whatever moment: the source has no history",
      NULL },
    { "still", "SELECT boss AS id, late AS y" FROM_LOG, "y > 1", "", NULL,
      "'l' reads 'late' of source 'still'" },
};

static void check_followed(struct ax_sql *sql, const struct ax_definitions *definitions, size_t i)
{
    static const struct ax_str columns[] = {
        { "id", 2 }, { "a", 1 }, { "c", 1 }, { "y", 1 }, { "k", 1 }
    };
    struct ax_err err = AX_ERR_INIT;
    struct ax_train_spec spec = {
        .service = ax_definitions_service(definitions, ax_str_from(followed[i].service)),
        .query = ax_str_from(followed[i].query),
        .label = ax_str_from(followed[i].label),
        .label_known_at = ax_str_from(followed[i].known),
        .at = AX_STR("c"),
    };
    told[0] = '\0';
    enum ax_code code =
        ax_leakage_check(sql, &spec, columns, AX_COUNT(columns), collect, NULL, &err);
    const char *refused = followed[i].refused, *warned = followed[i].warned;
    if (code != (refused ? AX_E_INVALID : AX_OK) || (refused && !strstr(err.msg, refused)) ||
        (!refused && (warned ? !strstr(told, warned) : told[0] != '\0')))
        fail_msg("followed case %zu: '%s', told '%s'", i, err.msg, told);
}

static void check(struct ax_sql *sql, const struct ax_definitions *definitions, size_t i)
{
    static const struct ax_str columns[] = { { "Nr", 2 }, { "late", 4 }, { "t", 1 } };
    struct ax_err err = AX_ERR_INIT;
    struct ax_train_spec spec = {
        .service = ax_definitions_service(definitions, ax_str_from(cases[i].service)),
        .label = ax_str_from(cases[i].label),
        .label_known_at = ax_str_from(cases[i].known),
        .at = AX_STR("asked"),
    };
    told[0] = '\0';
    enum ax_code code =
        ax_leakage_check(sql, &spec, columns, AX_COUNT(columns), collect, NULL, &err);
    const char *refused = cases[i].refused, *warned = cases[i].warned;
    if (code != (refused ? AX_E_INVALID : AX_OK) || (refused && !strstr(err.msg, refused)) ||
        (!refused && (warned ? !strstr(told, warned) : told[0] != '\0')))
        fail_msg("case %zu: '%s', told '%s'", i, err.msg, told);
}

static void cases_are_told_apart(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_sql *sql = NULL;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/a.yaml", folder);
    assert_int_equal(ax_file_replace(path, ax_str_from(text), &err), AX_OK);
    if (ax_definitions_read(folder, &definitions, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        check(sql, &definitions, i);
    for (size_t i = 0; i < AX_COUNT(followed); i++)
        check_followed(sql, &definitions, i);
    ax_sql_close(sql);
    ax_definitions_done(&definitions);
}

/* Rows without the event's id, as of a copy of the file: nobody can tell which event is theirs. */
static void rows_without_an_id(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_sql *sql = NULL;
    const struct ax_str columns[] = { { "late", 4 }, { "number", 6 } };
    assert_int_equal(ax_definitions_read(folder, &definitions, &err), AX_OK);
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    struct ax_train_spec spec = { .service = ax_definitions_service(&definitions, AX_STR("one")),
                                  .label = AX_STR("late"),
                                  .at = AX_STR("t") };
    told[0] = '\0';
    assert_int_equal(ax_leakage_check(sql, &spec, columns, 2, collect, NULL, &err), AX_OK);
    assert_non_null(strstr(told, "input 's' reads 'late' of source 'events', which is or is "
                                 "called as what the label reads, from 't' on"));
    ax_sql_close(sql);
    ax_definitions_done(&definitions);
}

/* The moment asked about is the event's own time: no later moment of the label helps. */
static void events_at_the_moment(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_sql *sql = NULL;
    const struct ax_str columns[] = { { "nr", 2 }, { "late", 4 }, { "t", 1 }, { "landed", 6 } };
    assert_int_equal(ax_definitions_read(folder, &definitions, &err), AX_OK);
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    struct ax_train_spec spec = { .service = ax_definitions_service(&definitions, AX_STR("one")),
                                  .label = AX_STR("late"),
                                  .label_known_at = AX_STR("landed"),
                                  .at = AX_STR("T") };
    assert_int_equal(ax_leakage_check(sql, &spec, columns, 4, NULL, NULL, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "of which the rows have the event_id, from 't' on, which is "
                                    "the moment asked about: take it out of service 'one', or "
                                    "exclude_self: events in the service"));
    ax_err_clear(&err);
    spec.service = ax_definitions_service(&definitions, AX_STR("self"));
    assert_int_equal(ax_leakage_check(sql, &spec, columns, 4, NULL, NULL, &err), AX_OK);
    ax_sql_close(sql);
    ax_definitions_done(&definitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_are_told_apart),
        cmocka_unit_test(rows_without_an_id),
        cmocka_unit_test(events_at_the_moment),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
