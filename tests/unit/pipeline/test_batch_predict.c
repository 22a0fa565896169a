/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: files become predictions row by row, in every format; what is wrong is told with row and
 * column; and an output is there whole or not at all.
 * Method: a rules model whose answer shows each input, small files written by the test, outputs
 * compared byte by byte. That the answers are XGBoost's own is an e2e test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sql.h"
#include "pipeline/batch_predict.h"

#include "test_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char notes[2048];

static const char rules[] = "rules: 1\n"
                            "inputs:\n"
                            "  x: FP64\n"
                            "  n: INT64\n"
                            "  night: BOOL\n"
                            "  who: {datatype: BYTES, default: anna}\n"
                            "  must: {datatype: FP32, required: true}\n"
                            "outputs: {prediction: FP64}\n"
                            "cases:\n"
                            "  - {when: must > 1e30, then: 7}\n"
                            "  - {when: night = true, then: 6}\n"
                            "  - {when: n > 9007199254740990, then: 5}\n"
                            "  - {when: \"who in ('', 'eve')\", then: 4}\n"
                            "  - {when: who = 'bob' and x > 2, then: 3.25}\n"
                            "  - {when: x > 2, then: 2}\n"
                            "  - {when: x < 0, then: 1}\n"
                            "  - otherwise: 0\n";

static const char *at(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % AX_COUNT(paths)];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_replace(at(name), ax_str_from(text), &err), AX_OK);
}

static int make_versions(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    if (make_folder(state) || ax_file_make_folder(at("models/m/1"), &err) ||
        ax_file_make_folder(at("models/m/2"), &err) || ax_file_make_folder(at("models/m/x"), &err))
        return -1;
    write_file("models/m/1/rules.yaml", "rules: 1\ninputs: {x: FP64}\noutputs: {prediction: FP64}\n"
                                        "cases: [{otherwise: -1}]\n");
    write_file("models/m/2/rules.yaml", rules);
    *state = ax_sql_open(&config, &sql, &err) == AX_E_UNSUPPORTED ? NULL : folder;
    ax_sql_close(sql);
    return 0;
}

static void need_sql(void **state)
{
    if (!*state)
        skip();
}

static void take_note(void *arg, const char *text)
{
    (void)arg;
    size_t len = strlen(notes);
    (void)snprintf(notes + len, sizeof(notes) - len, "%s\n", text);
}

static enum ax_code predict(const char *input, const char *output, char *const *keep,
                            size_t keep_count, struct ax_batch_predict_report *report,
                            struct ax_err *err)
{
    struct ax_batch_predict_options options = { .model = at("models/m"),
                                                .input = at(input),
                                                .output = at(output),
                                                .keep = keep,
                                                .keep_count = keep_count,
                                                .threads = 2,
                                                .memory_bytes_max = (size_t)256 << 20,
                                                .note = take_note };
    notes[0] = '\0';
    assert_true(ax_table_format_of(options.input, &options.input_format));
    assert_true(ax_table_format_of(options.output, &options.output_format));
    return ax_batch_predict_run(&options, report, err);
}

static void assert_file(const char *name, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    ax_buf_init(&out, 1 << 20);
    if (ax_file_read(at(name), &out, &err))
        fail_msg("%s", err.msg);
    if (!ax_str_is(ax_buf_str(&out), text))
        fail_msg("got:\n%.*s\nwanted:\n%s", AX_STR_ARG(ax_buf_str(&out)), text);
    ax_buf_done(&out);
}

/* No hidden file was left beside the outputs. */
static void assert_no_leftovers(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0)
            fail_msg("left over: %s", entry->d_name);
    (void)closedir(dir);
}

static void csv_to_csv(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    char *const all[] = { (char[]){ "all" } };
    write_file("in.csv", "id,who,x,n,night,must\n"
                         "1,bob,3,1,false,0\n"
                         "\"2\",\"bob\",+02.5,1,False,.5\n"
                         "3,,3.,,,1e3\n"
                         "4,eve,-1,0,0,-1\n"
                         "5,\"\",,,,0\n"
                         "6,anna, -1 ,7,FALSE,0\n"
                         "7,anna,nan,9007199254740991,false,0\n"
                         "8,anna,-inf,9007199254740990,0,0\n"
                         "9,anna,1,1,1,0\n"
                         "\"a,\"\"b\"\"\",anna,1,1,true,1e31\n");
    if (predict("in.csv", "out.csv", all, 1, &report, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(report.rows, 10);
    assert_int_equal(report.version, 2);
    assert_string_equal(report.model, "m");
    assert_file("out.csv", "id,who,x,n,night,must,prediction\n"
                           "1,bob,3,1,false,0,3.25\n"
                           "2,bob,+02.5,1,False,.5,3.25\n"
                           "3,,3.,,,1e3,2.0\n"
                           "4,eve,-1,0,0,-1,4.0\n"
                           "5,\"\",,,,0,4.0\n"
                           "6,anna,\" -1 \",7,FALSE,0,1.0\n"
                           "7,anna,nan,9007199254740991,false,0,5.0\n"
                           "8,anna,-inf,9007199254740990,0,0,1.0\n"
                           "9,anna,1,1,1,0,6.0\n"
                           "\"a,\"\"b\"\"\",anna,1,1,true,1e31,7.0\n");
    /* What is kept is not ignored. */
    assert_string_equal(notes, "");
    if (predict("in.csv", "out.jsonl", NULL, 0, &report, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(notes, "not known to the model, ignored: 'id'\n");
    assert_no_leftovers();
}

static void json_lines_to_json_lines(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    char *const keep[] = { (char[]){ "big" }, (char[]){ "who" }, (char[]){ "deep" } };
    write_file(
        "in.jsonl",
        "{\"big\": 12345678901234567890.1230, \"x\": 3, \"who\": \"b\\u006fb\", \"must\": 0}\n"
        "\n"
        "{\"must\":0,\"night\":true,\"deep\":{\"a\": [1, \"}\"]},\"extra\":[null]}\r\n"
        "  \n"
        "{\"must\":0,\"n\":9007199254740991,\"big\":null,\"deep\":false}\n"
        "{\"must\":NaN,\"must\\u0031\":1,\"who\":null}");
    assert_int_equal(predict("in.jsonl", "out.jsonl", keep, 3, &report, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "input 'must', row 4: found no value where a number is wanted");
    ax_err_clear(&err);
    write_file(
        "in.jsonl",
        "{\"big\": 12345678901234567890.1230, \"x\": 3, \"who\": \"b\\u006fb\", \"must\": 0}\n"
        "\n"
        "{\"must\":0,\"night\":true,\"deep\":{\"a\": [1, \"}\"]},\"extra\":[null]}\n"
        "  \n"
        "{\"must\":0,\"n\":9007199254740991,\"big\":null,\"deep\":false}");
    if (predict("in.jsonl", "out.jsonl", keep, 3, &report, &err))
        fail_msg("%s", err.msg);
    assert_file("out.jsonl",
                "{\"big\":12345678901234567890.1230,\"who\":\"bob\",\"deep\":null,"
                "\"prediction\":3.25}\n"
                "{\"big\":null,\"who\":null,\"deep\":{\"a\": [1, \"}\"]},\"prediction\":6.0}\n"
                "{\"big\":null,\"who\":null,\"deep\":false,\"prediction\":5.0}\n");
    assert_string_equal(notes, "not in the input, taken as missing: 'n', 'night'\n"
                               "not known to the model, ignored: 'extra'\n");
}

/* `statement`, with each '@' replaced by the next path. */
static void run_sql(const char *statement, const char *first, const char *second)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_buf text;
    ax_buf_init(&text, 4096);
    for (const char *c = statement; *c; c++) {
        if (*c != '@') {
            (void)ax_buf_append_char(&text, *c);
            continue;
        }
        ax_sql_put_literal(&text, ax_str_from(first));
        first = second;
    }
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    if (ax_sql_run(sql, ax_buf_str(&text), &err))
        fail_msg("%s", err.msg);
    ax_sql_close(sql);
    ax_buf_done(&text);
}

static void parquet_keeps_types(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    char *const all[] = { (char[]){ "all" } };
    run_sql("COPY (SELECT * FROM (VALUES (1::UTINYINT, 2.5::DECIMAL(9, 3), DATE '2013-01-02', "
            "true, 'bob', 0.1::FLOAT, [1, 2], 3::BIGINT, NULL::BLOB), (2, NULL, NULL, NULL, '', 0, "
            "NULL, NULL, NULL)) r(id, x, day, flag, who, must, list, n, raw)) TO @ (FORMAT "
            "parquet)",
            at("in.parquet"), NULL);
    if (predict("in.parquet", "out.parquet", all, 1, &report, &err))
        fail_msg("%s", err.msg);
    run_sql("COPY (SELECT string_agg(column_type, ' ') AS types FROM (DESCRIBE SELECT * FROM "
            "read_parquet(@))) TO @ (FORMAT csv)",
            at("out.parquet"), at("types.csv"));
    assert_file("types.csv", "types\n\"UTINYINT DECIMAL(9,3) DATE BOOLEAN VARCHAR FLOAT VARCHAR "
                             "BIGINT VARCHAR DOUBLE\"\n");
    run_sql("COPY (SELECT * FROM read_parquet(@)) TO @ (FORMAT csv)", at("out.parquet"),
            at("rows.csv"));
    assert_file("rows.csv", "id,x,day,flag,who,must,list,n,raw,prediction\n"
                            "1,2.500,2013-01-02,true,bob,0.1,\"[1, 2]\",3,,3.25\n"
                            "2,,,,\"\",0.0,,,,4.0\n");
    if (predict("in.parquet", "out.jsonl", all, 1, &report, &err))
        fail_msg("%s", err.msg);
    assert_file("out.jsonl",
                "{\"id\":1,\"x\":2.500,\"day\":\"2013-01-02\",\"flag\":true,\"who\":\"bob\","
                "\"must\":0.1,\"list\":\"[1, 2]\",\"n\":3,\"raw\":null,\"prediction\":3.25}\n"
                "{\"id\":2,\"x\":null,\"day\":null,\"flag\":null,\"who\":\"\",\"must\":0.0,"
                "\"list\":null,\"n\":null,\"raw\":null,\"prediction\":4.0}\n");
    assert_no_leftovers();
}

static void no_rows(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    write_file("none.csv", "must,x\n");
    assert_int_equal(predict("none.csv", "out.csv", NULL, 0, &report, &err), AX_OK);
    assert_int_equal(report.rows, 0);
    assert_file("out.csv", "prediction\n");
    assert_int_equal(predict("none.csv", "out.parquet", NULL, 0, &report, &err), AX_OK);
    write_file("none.jsonl", "\n\n");
    assert_int_equal(predict("none.jsonl", "out.jsonl", NULL, 0, &report, &err), AX_OK);
    assert_file("out.jsonl", "");
    write_file("none.jsonl", "");
    assert_int_equal(predict("none.jsonl", "out.jsonl", NULL, 0, &report, &err), AX_OK);
}

static void refused(void **state)
{
    need_sql(state);
    static const struct {
        const char *name;
        const char *text;
        const char *message;
    } cases[] = {
        { "bad.csv", "x,mist\n1,2\n", "the column 'must' is not in '" },
        { "bad.csv", "x,mist\n1,2\n", "nearest is 'mist'" },
        { "bad.csv", "a;must\n1;2\n", "the column 'must' is not in" },
        { "bad.csv", "", "the first line is empty" },
        { "bad.csv", "must,must\n1,2\n", "the header has the column 'must' twice" },
        { "bad.csv", "x,must\n1,0\nlate,0\n",
          "input 'x', row 2: found the text 'late' where a number is wanted" },
        { "bad.csv", "x,must\n1,0\n\n1,0\n0x10,0\n", "input 'x', row 3: found the text '0x10'" },
        { "bad.csv", "x,must\n1e999,0\n", "input 'x', row 1: found the text '1e999'" },
        { "bad.csv", "x,must\n1 2,0\n", "input 'x', row 1: found the text '1 2'" },
        { "bad.csv", "n,must\n1.5,0\n", "input 'n', row 1: found a number with a fraction" },
        { "bad.csv", "n,must\n9223372036854775808,0\n",
          "input 'n', row 1: the number does not fit" },
        { "bad.csv", "night,must\n1,0\nyes,0\n", "input 'night', row 2: found the text 'yes'" },
        { "bad.csv", "night,must\n2,0\n", "input 'night', row 1: the number does not fit BOOL" },
        { "bad.csv", "x,must\n1,0\n1,\n", "input 'must', row 2: found no value" },
        /* The first bad row is told, not the first bad column. */
        { "bad.csv", "must,x\n0,1\nq,1\n0,q\n", "input 'must', row 2: found the text 'q'" },
        { "bad.csv", "x,must\n1,0\n1\n", "CSV Error on Line: 3" },
        { "bad.csv", "x,must\n1,0\n1,2,3\n", "CSV Error on Line: 3" },
        { "bad.csv", "x,must\n1,\"0\n", "CSV Error on Line: 2" },
        { "bad.csv", "x,must\n\xff,0\n", "CSV Error on Line: 2" },
        { "bad.jsonl", "{\"x\":1}\n", "the column 'must' is not in" },
        { "bad.jsonl", "{\"y\":1}\n", "the column 'must' is not in" },
        { "bad.jsonl", "[1]\n", "row 1: expected one object a line, found" },
        { "bad.jsonl", "{\"must\":1}\n5\n", "row 2: expected one object a line, found a number" },
        { "bad.jsonl", "{\"must\":1}\n\n{\"must\":1,}\n", "row 2: " },
        { "bad.jsonl", "{\"must\":1} {}\n", "row 1: " },
        { "bad.jsonl", "{\"must\":1}\n{\"must\":1\n", "row 2: " },
        { "bad.jsonl", "{\"must\":1,\"must\":2}\n", "row 1: 'must' is given twice" },
        { "bad.jsonl", "{\"must\":\"1\"}\n", "input 'must', row 1: found the text '1'" },
        { "bad.jsonl", "{\"must\":[1]}\n", "input 'must', row 1: found a list or an object" },
        { "bad.jsonl", "{\"must\":1e999}\n", "input 'must', row 1: the number is too large" },
        { "bad.jsonl", "{\"must\":1,\"who\":5}\n", "input 'who', row 1: found a number" },
        { "bad.jsonl", "{\"must\":1}\n{\"must\":1,\"x\":\"\xff\"}\n", "" },
        { "bad.parquet", "PAR1 not really", "" },
    };
    static const char *const outputs[] = { "out.csv", "out.jsonl", "out.parquet" };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_batch_predict_report report;
        const char *output = outputs[i % AX_COUNT(outputs)];
        write_file(output, "what was there");
        write_file(cases[i].name, cases[i].text);
        enum ax_code code = predict(cases[i].name, output, NULL, 0, &report, &err);
        if (code != AX_E_INVALID || !strstr(err.msg, cases[i].message))
            fail_msg("case %zu: %d '%s', wanted '%s'", i, code, err.msg, cases[i].message);
        assert_null(strstr(err.msg, "Possible"));
        assert_file(output, "what was there");
        assert_no_leftovers();
    }
}

static void refused_paths(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    char *const missing[] = { (char[]){ "iid" } };
    char *const twice[] = { (char[]){ "id" }, (char[]){ "id" } };
    char *const clash[] = { (char[]){ "prediction" } };
    write_file("ok.csv", "id,prediction,must\n1,2,3\n");
    assert_int_equal(predict("nix.csv", "out.csv", NULL, 0, &report, &err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "nix.csv"));
    ax_err_clear(&err);
    assert_int_equal(predict("ok.csv", "nix/out.csv", NULL, 0, &report, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(predict("ok.csv", "ok.csv", NULL, 0, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "is the input"));
    ax_err_clear(&err);
    assert_int_equal(predict("ok.csv", "out.csv", missing, 1, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "the column to keep 'iid' is not in"));
    ax_err_clear(&err);
    assert_int_equal(predict("ok.csv", "out.csv", twice, 2, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "the column 'id' is to be kept twice"));
    ax_err_clear(&err);
    assert_int_equal(predict("ok.csv", "out.csv", clash, 1, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "the column 'prediction' twice"));
    ax_err_clear(&err);
    struct ax_batch_predict_options options = {
        .model = at("models/m/x"), .input = at("ok.csv"), .output = at("out.csv"), .threads = 1
    };
    assert_int_equal(ax_batch_predict_run(&options, &report, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    options.model = at("models/m/1");
    options.output = "/dev/null";
    options.output_format = AX_TABLE_PARQUET;
    assert_int_equal(ax_batch_predict_run(&options, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "none of the model's inputs is among the columns"));
    ax_err_clear(&err);
    options.model = at("models/m/2");
    assert_int_equal(ax_batch_predict_run(&options, &report, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "Parquet needs a file"));
    ax_err_clear(&err);
    options.output_format = AX_TABLE_CSV;
    assert_int_equal(ax_batch_predict_run(&options, &report, &err), AX_OK);
    /* A device is written to, not replaced. */
    assert_int_equal(access("/dev/null", W_OK), 0);
    assert_no_leftovers();
}

static void cancelled(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    atomic_bool flag;
    atomic_init(&flag, true);
    write_file("ok.csv", "must\n3\n");
    write_file("out.csv", "what was there");
    struct ax_batch_predict_options options = { .model = at("models/m"),
                                                .input = at("ok.csv"),
                                                .output = at("out.csv"),
                                                .threads = 1,
                                                .cancelled = &flag };
    assert_int_equal(ax_batch_predict_run(&options, &report, &err), AX_E_CANCELLED);
    assert_file("out.csv", "what was there");
    assert_no_leftovers();
}

/* A link to an output stays a link. */
static void links_are_followed(void **state)
{
    need_sql(state);
    struct ax_err err = AX_ERR_INIT;
    struct ax_batch_predict_report report;
    char target[16];
    write_file("ok.csv", "must\n3\n");
    write_file("real.csv", "before");
    assert_int_equal(symlink("real.csv", at("link.csv")), 0);
    assert_int_equal(predict("ok.csv", "link.csv", NULL, 0, &report, &err), AX_OK);
    assert_file("real.csv", "prediction\n0.0\n");
    assert_int_equal(readlink(at("link.csv"), target, sizeof(target)), 8);
}

static void formats(void **state)
{
    (void)state;
    enum ax_table_format format = AX_TABLE_PARQUET;
    assert_true(ax_table_format_of("a/b.CSV", &format) && format == AX_TABLE_CSV);
    assert_true(ax_table_format_of("b.ndjson", &format) && format == AX_TABLE_JSONL);
    assert_true(ax_table_format_of("b.csv.parquet", &format) && format == AX_TABLE_PARQUET);
    assert_false(ax_table_format_of(".csv", &format));
    assert_false(ax_table_format_of("b.csv.gz", &format));
    assert_false(ax_table_format_of("", &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_to_csv),
        cmocka_unit_test(json_lines_to_json_lines),
        cmocka_unit_test(parquet_keeps_types),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(refused),
        cmocka_unit_test(refused_paths),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests_name("pipeline/batch_predict", tests, make_versions,
                                       remove_folder);
}
