/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every type parses and refuses what its table says; sources override each other in the
 * documented order; errors name the option, what was found, what is allowed; help and Markdown show
 * all of a table.
 * Method: two small tables that share one program; each source alone, then all together. Also run
 * with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/option.h"

#include "base/arena.h"
#include "base/yaml.h"

#include "torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct batch_config {
    size_t rows_max;
    size_t body_bytes_max;
    uint64_t wait_ns_max;
    bool strict;
};

static const struct ax_option batch_options[] = {
    { AX_OPTION_SIZE, "batch_rows_max", "64", offsetof(struct batch_config, rows_max), 1, 4096,
      "rows", "Most rows joined into one call of the engine." },
    { AX_OPTION_SIZE, "body_bytes_max", "64m", offsetof(struct batch_config, body_bytes_max), 1024,
      INT64_C(1) << 40, "bytes", "Largest body." },
    { AX_OPTION_TIME, "batch_wait_us_max", "500", offsetof(struct batch_config, wait_ns_max), 0,
      100000, "us", "Longest time a request waits for others to join it." },
    { AX_OPTION_BOOL, "strict", "false", offsetof(struct batch_config, strict), 0, 0, NULL,
      "Refuse what is unusual." },
    { 0 },
};

struct serve_config {
    struct ax_option_list listen;
    char *models;
    int log_format;
};

static const struct ax_option serve_options[] = {
    { AX_OPTION_LIST, "listen", "127.0.0.1:8000", offsetof(struct serve_config, listen), 0, 0, NULL,
      "Where to listen." },
    { AX_OPTION_TEXT, "models", NULL, offsetof(struct serve_config, models), 0, 0, "DIR",
      "The folder of models." },
    { AX_OPTION_CHOICE, "log_format", "logfmt", offsetof(struct serve_config, log_format), 0, 0,
      "logfmt|json", "The form of a log line." },
    { 0 },
};

static struct batch_config batch;
static struct serve_config serve;
static const struct ax_option_group groups[] = {
    { batch_options, &batch },
    { serve_options, &serve },
    { 0 },
};

static int set_up(void **state)
{
    (void)state;
    batch = (struct batch_config){ 0 };
    serve = (struct serve_config){ 0 };
    ax_option_defaults(groups);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_option_done(groups);
    assert_true(!serve.models && !serve.listen.texts && !serve.listen.count);
    ax_option_done(groups);
    return 0;
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(batch.rows_max, 64);
    assert_int_equal(batch.body_bytes_max, 64 << 20);
    assert_int_equal(batch.wait_ns_max, 500000);
    assert_false(batch.strict);
    assert_int_equal(serve.listen.count, 1);
    assert_string_equal(serve.listen.texts[0], "127.0.0.1:8000");
    assert_null(serve.models);
    assert_int_equal(serve.log_format, 0);
}

static void good_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        uint64_t value;
    } rows[] = {
        { "batch_rows_max", "1", 1 },
        { "batch_rows_max", "4096", 4096 },
        { "body_bytes_max", "1024", 1024 },
        { "body_bytes_max", "1k", 1024 },
        { "body_bytes_max", "3G", UINT64_C(3) << 30 },
        { "batch_wait_us_max", "0", 0 },
        { "batch_wait_us_max", "7", 7000 },
        { "batch_wait_us_max", "5ms", 5000000 },
        { "batch_wait_us_max", "900ns", 900 },
        { "batch_wait_us_max", "100ms", 100000000 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(
            ax_option_set(groups, ax_str_from(rows[i].name), ax_str_from(rows[i].text), &err),
            AX_OK);
        uint64_t found = rows[i].name[1] == 'o'   ? batch.body_bytes_max
                         : rows[i].name[6] == 'r' ? batch.rows_max
                                                  : batch.wait_ns_max;
        assert_true(found == rows[i].value);
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_option_set(groups, AX_STR("strict"), AX_STR("true"), &err), AX_OK);
    assert_true(batch.strict);
    assert_int_equal(ax_option_set(groups, AX_STR("log_format"), AX_STR("json"), &err), AX_OK);
    assert_int_equal(serve.log_format, 1);
    assert_int_equal(ax_option_set(groups, AX_STR("listen"), AX_STR("a:1,unix:/b"), &err), AX_OK);
    assert_int_equal(serve.listen.count, 2);
    assert_string_equal(serve.listen.texts[1], "unix:/b");
    assert_int_equal(ax_option_set(groups, AX_STR("listen"), AX_STR(""), &err), AX_OK);
    assert_int_equal(serve.listen.count, 0);
    assert_int_equal(ax_option_set(groups, AX_STR("models"), AX_STR("m"), &err), AX_OK);
    assert_int_equal(ax_option_set(groups, AX_STR("models"), AX_STR("n"), &err), AX_OK);
    assert_string_equal(serve.models, "n");
}

static void bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *msg;
        enum ax_code code;
    } rows[] = {
        { "batch_rows_max", "0", "batch_rows_max: '0' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "batch_rows_max", "4097", "batch_rows_max: '4097' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "batch_rows_max", "", "batch_rows_max: '' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "batch_rows_max", "1k", "batch_rows_max: '1k' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "batch_rows_max", "-1", "batch_rows_max: '-1' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "batch_rows_max", "99999999999999999999",
          "batch_rows_max: '99999999999999999999' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "body_bytes_max", "9000000000g",
          "body_bytes_max: '9000000000g' is not a number from 1024 to 1099511627776 bytes, or with "
          "k, m or g",
          AX_E_INVALID },
        /* 2^64 and 1024 bytes: would fit if it wrapped around */
        { "body_bytes_max", "18014398509481985k",
          "body_bytes_max: '18014398509481985k' is not a number from 1024 to 1099511627776 bytes, "
          "or with k, m or g",
          AX_E_INVALID },
        { "batch_wait_us_max", "1x",
          "batch_wait_us_max: '1x' is not a number from 0 to 100000 us, or with ns, us, ms, s, m "
          "or h",
          AX_E_INVALID },
        { "batch_wait_us_max", "101ms",
          "batch_wait_us_max: '101ms' is not a number from 0 to 100000 us, or with ns, us, ms, s, "
          "m or h",
          AX_E_INVALID },
        { "strict", "yes", "strict: 'yes' is neither true nor false", AX_E_INVALID },
        { "log_format", "xml", "log_format: 'xml' is not one of logfmt|json", AX_E_INVALID },
        { "log_format", "", "log_format: '' is not one of logfmt|json", AX_E_INVALID },
        { "log_format", "logfmt|json", "log_format: 'logfmt|json' is not one of logfmt|json",
          AX_E_INVALID },
        { "models", "\xFF", "models: the text is not UTF-8", AX_E_INVALID },
        { "modles", "x", "no option 'modles'; did you mean 'models'?", AX_E_NOT_FOUND },
        { "wholly_different", "x", "no option 'wholly_different'", AX_E_NOT_FOUND },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(
            ax_option_set(groups, ax_str_from(rows[i].name), ax_str_from(rows[i].text), &err),
            rows[i].code);
        assert_string_equal(err.msg, rows[i].msg);
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_option_set(groups, AX_STR("models"), AX_STR("a\0b"), &err), AX_E_INVALID);
    defaults(NULL);
}

static enum ax_code take_flags(char **argv, struct ax_option_args *args, struct ax_err *err)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return ax_option_flags(groups, argc, argv, args, err);
}

#define ARGV(...) ((char *[]){ (char *)"serve", __VA_ARGS__, NULL })

static void flags(void **state)
{
    (void)state;
    const char *texts[16];
    struct ax_option_args args = { .texts = texts };
    struct ax_err err = AX_ERR_INIT;
    char **argv = ARGV((char *)"in.csv", (char *)"--batch-rows-max", (char *)"7",
                       (char *)"--strict", (char *)"--listen=a:1", (char *)"-", (char *)"--listen",
                       (char *)"b,2", (char *)"--models=", (char *)"-1", (char *)"-.5",
                       (char *)"-(1)", (char *)"--", (char *)"--strict=x");
    assert_int_equal(take_flags(argv, &args, &err), AX_OK);
    assert_int_equal(batch.rows_max, 7);
    assert_true(batch.strict && !args.help);
    assert_int_equal(serve.listen.count, 2);
    assert_string_equal(serve.listen.texts[0], "a:1");
    assert_string_equal(serve.listen.texts[1], "b,2");
    assert_string_equal(serve.models, "");
    assert_int_equal(args.count, 6);
    assert_string_equal(texts[0], "in.csv");
    assert_string_equal(texts[1], "-");
    assert_string_equal(texts[2], "-1");
    assert_string_equal(texts[3], "-.5");
    assert_string_equal(texts[4], "-(1)");
    assert_string_equal(texts[5], "--strict=x");
    assert_int_equal(take_flags(ARGV((char *)"--strict=false"), &args, &err), AX_OK);
    assert_false(batch.strict);
    assert_int_equal(take_flags(ARGV((char *)"--help", (char *)"--nonsense"), &args, &err), AX_OK);
    assert_true(args.help);
}

static void bad_flags(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *msg;
        enum ax_code code;
    } rows[] = {
        { "--batch-rows-max", "--batch-rows-max needs a value", AX_E_INVALID },
        { "--batch-rows-max=x", "--batch-rows-max: 'x' is not a number from 1 to 4096 rows",
          AX_E_INVALID },
        { "--batch_rows_max=1", "no option '--batch_rows_max'; did you mean '--batch-rows-max'?",
          AX_E_NOT_FOUND },
        { "--batch-row-max=1", "no option '--batch-row-max'; did you mean '--batch-rows-max'?",
          AX_E_NOT_FOUND },
        { "--wholly-different", "no option '--wholly-different'; --help lists them",
          AX_E_NOT_FOUND },
        { "-x", "no option '-x'; --help lists them", AX_E_NOT_FOUND },
        { "--=3", "no option '--'; --help lists them", AX_E_NOT_FOUND },
        { "--listen=\xFF", "--listen: the text is not UTF-8", AX_E_INVALID },
        { "--config=x", "no option '--config'; --help lists them", AX_E_NOT_FOUND },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const char *texts[4];
        struct ax_option_args args = { .texts = texts };
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(take_flags(ARGV((char *)rows[i].flag), &args, &err), rows[i].code);
        assert_string_equal(err.msg, rows[i].msg);
    }
}

static enum ax_code take_yaml(const char *text, struct ax_err *err)
{
    struct ax_arena arena;
    struct ax_yaml *root;
    ax_arena_init(&arena, 1024, 1 << 20);
    enum ax_code code = ax_yaml_parse(ax_str_from(text), "a.yaml", &arena, &root, err);
    if (!code)
        code = ax_option_yaml(groups, root, "a.yaml", err);
    ax_arena_done(&arena);
    return code;
}

static void files(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    enum ax_code code = take_yaml("batch_rows_max: 9\nstrict: true\nlisten: [a, \"b,c\"]\n"
                                  "models: \"12\"\nlog_format: json\nbatch_wait_us_max: 1ms\n",
                                  &err);
    if (code) {
        assert_true(code == AX_E_LIMIT && ax_torture_struck());
        return;
    }
    assert_true(batch.rows_max == 9 && batch.strict && batch.wait_ns_max == 1000000);
    assert_int_equal(serve.listen.count, 2);
    assert_string_equal(serve.listen.texts[1], "b,c");
    assert_string_equal(serve.models, "12");
    assert_int_equal(serve.log_format, 1);
    assert_int_equal(take_yaml("listen: x,y\n", &err), AX_OK);
    assert_int_equal(serve.listen.count, 2);
}

static void bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } rows[] = {
        { "batch_rows_max: lots\n", "a.yaml:1:17: batch_rows_max: 'lots' is not a number from 1 to "
                                    "4096 rows" },
        { "a: 1\n", "a.yaml:1:1: no option 'a'" },
        { "strict: true\nbatch-rows-max: 1\n",
          "a.yaml:2:1: no option 'batch-rows-max'; did you mean 'batch_rows_max'?" },
        { "batch_rows_max: \"9\"\n", "a.yaml:1:17: batch_rows_max: write '9' without quotes" },
        { "batch_rows_max: [9]\n", "a.yaml:1:17: 'batch_rows_max' must be a text, found a list" },
        { "listen: [{}]\n", "a.yaml:1:10: 'this' must be a text, found a mapping" },
        { "models:\n", "a.yaml:1:8: 'models' must be a text, found ''" },
        { "[1]\n", "a.yaml:1:1: the file must be a mapping of options" },
        { "config: other.yaml\n", "a.yaml:1:1: no option 'config'" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = take_yaml(rows[i].text, &err);
        if (code == AX_E_LIMIT && ax_torture_struck())
            continue;
        assert_int_equal(code, AX_E_INVALID);
        assert_string_equal(err.msg, rows[i].msg);
    }
}

static void environment(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(setenv("AUSPEX_BATCH_ROWS_MAX", "11", 1), 0);
    assert_int_equal(setenv("AUSPEX_LISTEN", "x,y,z", 1), 0);
    assert_int_equal(setenv("AUSPEX_UNKNOWN", "1", 1), 0);
    assert_int_equal(ax_option_environment(groups, &err), AX_OK);
    assert_int_equal(batch.rows_max, 11);
    assert_int_equal(serve.listen.count, 3);
    assert_int_equal(setenv("AUSPEX_BATCH_ROWS_MAX", "none", 1), 0);
    assert_int_equal(ax_option_environment(groups, &err), AX_E_INVALID);
    assert_string_equal(err.msg,
                        "AUSPEX_BATCH_ROWS_MAX: 'none' is not a number from 1 to 4096 rows");
    (void)unsetenv("AUSPEX_BATCH_ROWS_MAX");
    (void)unsetenv("AUSPEX_LISTEN");
    (void)unsetenv("AUSPEX_UNKNOWN");
}

/* rows_max stands in all sources, the others in fewer and fewer. */
static void order_of_sources(void **state)
{
    (void)state;
    char path[] = "/tmp/auspex-test-option-XXXXXX";
    static const char text[] = "batch_rows_max: 2\nmodels: file\nlisten: [f, g]\nstrict: true\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    assert_int_equal(setenv("AUSPEX_BATCH_ROWS_MAX", "3", 1), 0);
    assert_int_equal(setenv("AUSPEX_MODELS", "environment", 1), 0);
    const char *texts[16];
    struct ax_option_args args = { .texts = texts };
    struct ax_err err = AX_ERR_INIT;
    char **argv = ARGV((char *)"--batch-rows-max=4", (char *)"--config", path,
                       (char *)"--listen=flag", (char *)"rest");
    ax_option_done(groups);
    enum ax_code code = ax_option_load(groups, true, 6, argv, &args, &err);
    if (!code) {
        assert_int_equal(batch.rows_max, 4);
        assert_string_equal(serve.models, "environment");
        assert_int_equal(serve.listen.count, 1);
        assert_string_equal(serve.listen.texts[0], "flag");
        assert_true(batch.strict);
        assert_int_equal(batch.wait_ns_max, 500000);
        assert_int_equal(args.count, 1);
        assert_string_equal(texts[0], "rest");
    } else {
        assert_true(code == AX_E_LIMIT && ax_torture_struck());
    }
    assert_int_equal(setenv("AUSPEX_CONFIG", path, 1), 0);
    ax_option_done(groups);
    ax_err_clear(&err);
    code = ax_option_load(groups, true, 1, ARGV(NULL), &args, &err);
    assert_true(code == AX_OK ? batch.rows_max == 3 && batch.strict : ax_torture_struck());
    (void)unlink(path);
    ax_option_done(groups);
    ax_err_clear(&err);
    assert_int_equal(ax_option_load(groups, true, 1, ARGV(NULL), &args, &err), AX_E_NOT_FOUND);
    (void)unsetenv("AUSPEX_CONFIG");
    (void)unsetenv("AUSPEX_BATCH_ROWS_MAX");
    (void)unsetenv("AUSPEX_MODELS");
    ax_option_done(groups);
    ax_err_clear(&err);
    batch.strict = false;
    assert_int_equal(ax_option_load(groups, false, 1, ARGV(NULL), &args, &err), AX_OK);
    defaults(NULL);
}

/* What another process makes of the flags is what this one has. */
static void flags_of_what_is_held(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct batch_config batch_sent = { .rows_max = 7, .body_bytes_max = 65537, .strict = true };
    struct serve_config serve_sent = { .models = "a b=c,d", .log_format = 1 };
    const struct ax_option_group sent[] = { { batch_options, &batch_sent },
                                            { serve_options, &serve_sent },
                                            { 0 } };
    struct ax_option_list list = { 0 };
    batch_sent.wait_ns_max = 1234567;
    ax_option_list_add(&serve_sent.listen, AX_STR("x,y"));
    ax_option_list_add(&serve_sent.listen, AX_STR(""));
    ax_option_list_add(&list, AX_STR("skipped"));
    ax_option_list_flags(sent, &list);
    const char *texts[16];
    struct ax_option_args args = { .texts = texts };
    assert_int_equal(list.count, 1 + 4 + 2 + 2);
    assert_int_equal(ax_option_flags(groups, (int)list.count, list.texts, &args, &err), AX_OK);
    assert_int_equal(args.count, 0);
    assert_true(batch.rows_max == 7 && batch.body_bytes_max == 65537 && batch.strict);
    assert_int_equal(batch.wait_ns_max, 1234567);
    assert_string_equal(serve.models, "a b=c,d");
    assert_int_equal(serve.log_format, 1);
    assert_int_equal(serve.listen.count, 2);
    assert_string_equal(serve.listen.texts[0], "x,y");
    assert_string_equal(serve.listen.texts[1], "");
    ax_option_list_done(&serve_sent.listen);
    ax_option_list_done(&list);
}

static void printing(void **state)
{
    (void)state;
    struct ax_buf out;
    ax_buf_init(&out, 1 << 16);
    ax_option_print_help(batch_options, &out);
    ax_option_print_help(serve_options, &out);
    ax_option_print_markdown(serve_options, &out);
    (void)ax_buf_append_char(&out, '\0');
    if (out.failed)
        assert_true(ax_torture_struck());
    else
        assert_string_equal(
            out.ptr,
            "  --batch-rows-max rows       Most rows joined into one call of the engine. [64]\n"
            "  --body-bytes-max bytes      Largest body. [64m]\n"
            "  --batch-wait-us-max us      Longest time a request waits for others to join it. "
            "[500]\n"
            "  --strict                    Refuse what is unusual. [false]\n"
            "  --listen text ...           Where to listen. [127.0.0.1:8000]\n"
            "  --models DIR                The folder of models.\n"
            "  --log-format logfmt|json    The form of a log line. [logfmt]\n"
            "| option | default | allowed | what it does |\n"
            "| --- | --- | --- | --- |\n"
            "| `listen` | `127.0.0.1:8000` | list of text | Where to listen. |\n"
            "| `models` |  | DIR | The folder of models. |\n"
            "| `log_format` | `logfmt` | logfmt\\|json | The form of a log line. |\n");
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(good_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(order_of_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flags_of_what_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(printing, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("base/option", tests, NULL, NULL);
}
