/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a train file becomes what it says, and whatever is wrong with it is told with its place.
 * Method: a whole file with every key; then one good file in which one line is replaced at a time,
 * with the message that this must give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/train_file.h"

#include "test_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[96];

static int make_path(void **state)
{
    if (make_folder(state))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/t.yaml", folder);
    return 0;
}

static enum ax_code read_text(const char *text, struct ax_train_file *file, struct ax_err *err)
{
    struct ax_err own = AX_ERR_INIT;
    assert_int_equal(ax_file_replace(path, ax_str_from(text), &own), AX_OK);
    return ax_train_file_read(path, file, err);
}

static void every_key(void **state)
{
    (void)state;
    struct ax_train_file file;
    const struct ax_train_spec *spec = NULL;
    struct ax_err err = AX_ERR_INIT;
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "%s/q.sql", folder);
    assert_int_equal(ax_file_replace(sql, AX_STR("SELECT 1 AS a ORDER BY a\n"), &err), AX_OK);
    assert_int_equal(
        read_text("auspex: 1\n"
                  "project: p\n"
                  "models:\n"
                  "  m-1.x_Y:\n"
                  "    description: what it is\n"
                  "    columns: [a, {name: b, required: true}, {name: c, default: 2}]\n"
                  "    unknown_category: missing\n"
                  "    decision: {thresholds: [{at_least: 0.5, action: go}], otherwise: stay}\n"
                  "    train:\n"
                  "      rows: {sql: q.sql}\n"
                  "      at: t\n"
                  "      label: y > 1\n"
                  "      label_known_at: k\n"
                  "      weight: w\n"
                  "      split: {stop_from: \"2013-10-01\", test_from: \"2013-11-01 "
                  "12:00\"}\n"
                  "      params: {objective: reg:quantileerror, quantile_alpha: "
                  "[0.1, 0.9], eta: 0.3}\n"
                  "      rounds: 12\n"
                  "      early_stopping: 3\n"
                  "      seed: 9\n"
                  "      threads: 2\n"
                  "  other:\n"
                  "    columns: [a]\n"
                  "    train:\n"
                  "      rows: {sql: SELECT 2 ORDER BY 1}\n"
                  "      label: y\n"
                  "      split: {hash: id, stop: 0.1, test: 0.25}\n"
                  "      params: {objective: binary:logistic}\n",
                  &file, &err),
        AX_OK);
    assert_int_equal(file.spec_count, 2);
    assert_int_equal(ax_train_file_spec(&file, AX_STR("m-1.x_Y"), &spec, &err), AX_OK);
    assert_true(ax_str_is(spec->description, "what it is"));
    assert_int_equal(spec->column_count, 3);
    assert_true(!spec->columns[0].required && spec->columns[1].required);
    assert_true(ax_str_is(spec->columns[2].default_value->text, "2"));
    assert_true(spec->unknown_category_is_missing && spec->decision);
    assert_true(ax_str_is(spec->query, "SELECT 1 AS a ORDER BY a"));
    assert_true(ax_str_is(spec->at, "t") && ax_str_is(spec->label, "y > 1"));
    assert_true(ax_str_is(spec->label_known_at, "k") && ax_str_is(spec->weight, "w"));
    assert_true(ax_str_is(spec->test_from, "2013-11-01 12:00"));
    assert_int_equal(spec->param_count, 4);
    assert_string_equal(spec->params[1].name, "quantile_alpha");
    assert_string_equal(spec->params[1].text, "[0.1,0.9]");
    assert_string_equal(spec->params[3].name, "seed");
    assert_string_equal(spec->params[3].text, "9");
    assert_int_equal(spec->rounds, 12);
    assert_int_equal(spec->early_stopping_rounds, 3);
    assert_int_equal(spec->threads, 2);
    assert_int_equal(ax_train_file_spec(&file, AX_STR("other"), &spec, &err), AX_OK);
    assert_true(ax_str_is(spec->hash_column, "id"));
    assert_true(spec->hash_stop == 0.1 && spec->hash_test == 0.25);
    assert_int_equal(spec->rounds, 100);
    assert_string_equal(spec->params[1].text, "0");
    /* Two models: one has to be named. */
    assert_int_equal(ax_train_file_spec(&file, AX_STR(""), &spec, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "defines several models: name one of m-1.x_Y, other"));
    ax_err_clear(&err);
    assert_int_equal(ax_train_file_spec(&file, AX_STR("nix"), &spec, &err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no model 'nix'; there are m-1.x_Y, other"));
    ax_train_file_done(&file);
}

/* The good file, a line an entry. */
static const char *const good[] = {
    "auspex: 1",
    "models:",
    "  m:",
    "    columns: [a, b]",
    "    train:",
    "      rows: {sql: SELECT 1}",
    "      at: t",
    "      label: y",
    "      split: {test_from: '2013-10-01'}",
    "      params: {objective: binary:logistic}",
    "      rounds: 10",
};

static void read_with(size_t line, const char *text, struct ax_train_file *file, struct ax_err *err)
{
    struct ax_buf out;
    ax_buf_init(&out, 65536);
    for (size_t i = 0; i < AX_COUNT(good); i++)
        if (i + 1 != line || *text)
            ax_buf_printf(&out, "%s\n", i + 1 == line ? text : good[i]);
    (void)ax_buf_append(&out, "", 1);
    (void)(read_text(out.ptr, file, err) != AX_OK);
    ax_buf_done(&out);
}

static void one_line_wrong(void **state)
{
    (void)state;
    static const struct {
        size_t line; /* replaced; with an empty text left out */
        const char *text;
        const char *message; /* behind the file's path */
    } cases[] = {
        { 1, "", ":1:1: expected 'auspex: 1' at the top" },
        { 1, "auspex: 2", ":1:9: this program reads format 1, not 2" },
        { 1, "auspex: x", ":1:9: " },
        { 2, "model:", ":2:1: " },
        { 3, "  m/x:", ":4:5: 'm/x' is no model name" },
        { 3, "  .m:", ":4:5: '.m' is no model name" },
        { 4, "", ": expected columns: a list of the model's inputs" },
        { 4, "    columns: []", ":4:14: expected columns: a list" },
        { 4, "    columns: a", ":4:14: expected columns: a list" },
        { 4, "    columns: [a, a]", ":4:18: column 'a' is there twice" },
        { 4, "    columns: [[a]]", ":4:15: expected a column's name" },
        { 4, "    columns: [{required: true}]", ":4:15: the key 'name' is missing" },
        { 4, "    columns: [{name: a, requird: true}]", ":4:25: " },
        { 4, "    columns: [{name: a, required: maybe}]", ":4:35: " },
        { 4, "    columns: [a]\n    unknown_category: drop",
          ":5:23: found 'drop', expected missing" },
        { 4, "    columns: [a]\n    decision: {banana: 1}", ":5:16: unknown key 'banana'" },
        { 4, "    columns: [a]\n    decision: {otherwis: 1}", "did you mean 'otherwise'?" },
        { 4, "    columns: [a]\n    decision: go", ":5:15: expected a list 'thresholds'" },
        { 4,
          "    columns: [a]\n    decision: {thresholds: [{at_least: x, action: go}], otherwise: b}",
          ":5:40: 'at_least' must be a number" },
        { 4,
          "    columns: [a]\n    decision: {class: 1, otherwise: b, thresholds: [{at_least: 1, "
          "action: go}]}",
          ":5:23: 'class' is for models of more than two classes" },
        { 4, "    colums: [a]", ":4:5: unknown key 'colums'; did you mean 'columns'?" },
        { 5, "    trian:", ":5:5: unknown key 'trian'; did you mean 'train'?" },
        { 6, "", ": the key 'rows' is missing" },
        { 6, "      rows: SELECT 1", ":6:13: expected {sql: …} or {file: …}" },
        { 6, "      rows: {sql: ''}", ":6:19: 'sql' is empty" },
        { 6, "      rows: {sql: nix.sql}", ":6:19: sql: " },
        { 6, "      rows: {qsl: SELECT 1}", ":6:14: " },
        { 7, "", ": a split by time needs the key 'at'" },
        { 7, "      at: [t]", ":7:11: " },
        { 7, "      at: t\n      weigth: w", ":8:7: " },
        { 7, "      label_known_at: k", ": a split by time needs the key 'at'" },
        { 8, "      label: y\n      as_known: true", ":9:17: as_known needs a service" },
        { 8, "      label: y\n      as_known: 1", ":9:17: " },
        { 8, "", ": the key 'label' is missing" },
        { 8, "      label: b", ":8:14: the label 'b' is among the columns" },
        { 9, "", ": the key 'split' is missing" },
        { 9, "      split: time", ":9:14: expected {stop_from: TIME" },
        { 9, "      split: {stop_from: '2013-10-01'}", ":9:14: the key 'test_from' is missing" },
        { 9, "      split: {stop_from: '2013-11-01', test_from: '2013-10-01'}",
          ":9:14: stop_from lies after test_from" },
        { 9, "      split: {test_from: 2013-9-1}", ":9:26: 'test_from' is '2013-9-1', expected" },
        { 9, "      split: {stop_from: soon, test_from: '2013-10-01'}", ":9:26: 'stop_from' is" },
        { 9, "      split: {hash: id, stop: 0.5, test: 0.5}", ":9:14: nothing is left to train" },
        { 9, "      split: {hash: id, stop: 1}", ":9:31: 'stop' is a share" },
        { 9, "      split: {hash: id, stop: -0.1}", ":9:31: 'stop' is a share" },
        { 9, "      split: {hash: id, test: .nan}", ":9:31: 'test' is a share" },
        { 9, "      split: {hash: id, tset: 0.1}", ":9:25: " },
        { 9, "      split: {hashh: id, test: 0.1}",
          ":9:15: unknown key 'hashh'; did you mean 'hash'?" },
        { 9, "      split: {hash: id, test_from: '2013-10-01'}", ":9:25: unknown key 'test_from'" },
        { 10, "", ": expected params with an objective" },
        { 10, "      params: {eta: 1}", ":10:15: expected params with an objective" },
        { 10, "      params: {objective: x, nthread: 4}",
          ":10:39: 'nthread' belongs to the train" },
        { 10, "      params: {objective: x, n_estimators: 4}", "rounds" },
        { 10, "      params: {objective: x, num_class: 4}", "taken from the labels" },
        { 10, "      params: {objective: x, a: {b: 1}}", ":10:33: expected a number, a text or" },
        { 10, "      params: {objective: x, a: [[1]]}", ":10:34: expected a number or a text" },
        { 11, "      rounds: 0", ":11:15: 'rounds' is 0, expected 1 to 100000" },
        { 11, "      rounds: 1.5", ":11:15: " },
        { 11, "      threads: 2000", ":11:16: 'threads' is 2000, expected 1 to 1024" },
        { 11, "      early_stopping: 0", ":11:23: 'early_stopping' is 0" },
        { 11, "      round: 10", ":11:7: " },
        { 11, "      rounds: [", ": " },
    };
    struct ax_train_file file;
    struct ax_err err = AX_ERR_INIT;
    read_with(0, "", &file, &err);
    assert_int_equal(err.code, AX_OK);
    ax_train_file_done(&file);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        ax_err_clear(&err);
        read_with(cases[i].line, cases[i].text, &file, &err);
        if (!err.code)
            fail_msg("accepted: %s", cases[i].text);
        if (strncmp(err.msg, path, strlen(path)) != 0 || !strstr(err.msg, cases[i].message))
            fail_msg("'%s': got '%s', wanted '%s'", cases[i].text, err.msg, cases[i].message);
    }
}

/* Definitions whose model takes a service, a line an entry. */
static const char *const served[] = {
    "auspex: 1",
    "entities: {thing: {keys: {k: string}}}",
    "sources: {s: {files: s.csv, time: t, columns: {k: string, t: timestamp, x: int64}}}",
    "views: {v: {entity: thing, source: s, fields: {x: x}}}",
    "services: {a: {request: {n: int64, ts: timestamp}, features: [{view: v}]}}",
    "models:",
    "  m:",
    "    service: a",
    "    train:",
    "      rows: {sql: SELECT 1 AS a ORDER BY a}",
    "      at: ts",
    "      label: y > 1",
    "      split: {test_from: '2013-10-01'}",
    "      params: {objective: binary:logistic}",
};

/* What is found with that line in place of its own, as `plan` and as `train` do it. */
static void check_with(size_t line, const char *text, struct ax_err *err)
{
    struct ax_sql_config config = { .threads = 1 };
    struct ax_err found = AX_ERR_INIT;
    struct ax_train_file file;
    struct ax_sql *sql = NULL;
    struct ax_buf out;
    ax_buf_init(&out, 65536);
    for (size_t i = 0; i < AX_COUNT(served); i++)
        ax_buf_printf(&out, "%s\n", i + 1 == line ? text : served[i]);
    (void)ax_buf_append(&out, "", 1);
    assert_int_equal(read_text(out.ptr, &file, err), AX_OK);
    ax_buf_done(&out);
    assert_int_equal(ax_sql_open(&config, &sql, err), AX_OK);
    (void)(ax_train_check_models(file.definitions, &found) != AX_OK);
    (void)(ax_train_spec_check(&file.specs[0], sql, err) != AX_OK);
    assert_int_equal(found.code, err->code);
    assert_string_equal(found.msg, err->msg);
    ax_sql_close(sql);
    ax_train_file_done(&file);
}

static void texts_inside(void **state)
{
    (void)state;
    static const struct {
        size_t line;
        const char *text;
        const char *message; /* behind the file's path; NULL: it is right */
    } cases[] = {
        { 0, "", NULL },
        { 10, "      rows: {sql: selec 1}", ":10:19: rows: " },
        { 10, "      rows: {sql: SELECT 1 AS a FORM t x ORDER BY a}",
          ":10:33: rows: syntax error" },
        { 10, "      rows: {sql: SELECT 1 AS a}", ":10:19: rows: the query has no ORDER BY" },
        { 10, "      rows: {sql: DROP TABLE a}", ":10:19: rows: " },
        { 10, "      rows: {sql: FROM 'nothing.csv' ORDER BY ALL}", NULL },
        { 11, "      at: moment", NULL },
        { 11, "      at: \"moment - - 2 hours (\"", ":11:" },
        { 11, "      at: moment - 2h", NULL },
        { 11, "      at: date_trunc('hour', greatest(moment, ts) - 2h) + case when a then b end",
          NULL },
        { 11, "      at: cast(date as timestamp)", NULL },
        { 11, "      at: ts - later between 1 and", ":11:35: at: the text ends" },
        { 11, "      at: dat_trunc('hour', moment)",
          ":11:11: at: no function 'dat_trunc'; nearest is" },
        { 11, "      at: n + 1", ":11:11: at: it is int64; timestamp is expected" },
        { 12, "      label: bought >", ":12:" },
        { 12, "      label: bought > (1", ":12:" },
        { 12, "      label: unknown_function(y)", NULL },
        { 12, "      label: y\n      label_known_at: a b c", ":13:25: label_known_at: " },
        { 12, "      label: y\n      weight: \"1 +\"", ":13:" },
    };
    struct ax_sql_config config = { .threads = 1 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    if (ax_sql_open(&config, &sql, &err) == AX_E_UNSUPPORTED)
        skip();
    ax_sql_close(sql);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        const char *message = cases[i].message;
        ax_err_clear(&err);
        check_with(cases[i].line, cases[i].text, &err);
        if (!message && err.code)
            fail_msg("'%s': %s", cases[i].text, err.msg);
        if (message && (err.code != AX_E_INVALID || strncmp(err.msg, path, strlen(path)) != 0 ||
                        !strstr(err.msg, message)))
            fail_msg("'%s': got '%s', wanted '%s'", cases[i].text, err.msg, message);
    }
}

static void no_file(void **state)
{
    (void)state;
    struct ax_train_file file;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_train_file_read("/nix/t.yaml", &file, &err), AX_E_NOT_FOUND);
    ax_train_file_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key),
        cmocka_unit_test(one_line_wrong),
        cmocka_unit_test(texts_inside),
        cmocka_unit_test(no_file),
    };
    return cmocka_run_group_tests_name("pipeline/train_file", tests, make_path, remove_folder);
}
