/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is loaded is what the folder held at one moment; a folder that changes under a load,
 * goes away or cannot be read fails it with the code that the fleet acts on.
 * Method: the loader with a reading of its own between whose bytes a command of the shell runs, so
 * that each race happens each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/version.h"

static enum ax_code load_version(const char *path, const char *model_name, uint64_t number,
                                 const struct ax_version_options *options,
                                 struct ax_version **ret_version, struct ax_err *err);

#define ax_version_load load_version
#include "../../../src/server/loader.c" /* NOLINT(bugprone-suspicious-include) */
#undef ax_version_load

#include "test_folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ax_model_settings settings;
static const char *before_reading, *behind_reading; /* commands; NULL: none */
static char path[128];

static void run(const char *command)
{
    if (command && system(command) != 0)
        fail_msg("'%s'", command);
}

static enum ax_code load_version(const char *of, const char *model_name, uint64_t number,
                                 const struct ax_version_options *options,
                                 struct ax_version **ret_version, struct ax_err *err)
{
    run(before_reading);
    enum ax_code code = ax_version_load(of, model_name, number, options, ret_version, err);
    run(behind_reading);
    return code;
}

static void put_version(const char *model)
{
    struct ax_err err = AX_ERR_INIT;
    char file[160];
    (void)snprintf(path, sizeof(path), "%s/m/3", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), 0);
    assert_int_equal(ax_file_make_folder(path, &err), 0);
    (void)snprintf(file, sizeof(file), "%s/model.rules", path);
    assert_int_equal(ax_file_replace(file, ax_str_from(model), &err), 0);
    assert_int_equal(setenv("V", path, 1), 0);
    before_reading = behind_reading = NULL;
}

static const char rules[] = "rules: 1\n"
                            "inputs: {a: FP64}\n"
                            "outputs: {prediction: FP64}\n"
                            "cases: [{otherwise: 0.5}]\n";

static struct ax_load_job make_job(void)
{
    ax_model_settings_init(&settings);
    return (
        struct ax_load_job){ .path = path, .model_name = "m", .number = 3, .settings = &settings };
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void a_version_is_loaded(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_loaded loaded;
    struct ax_fingerprint fingerprint;
    int warming_calls = 0;
    put_version(rules);
    struct ax_load_job job = make_job();
    settings.rows_max = 12;
    job.warming = count_call;
    job.context = &warming_calls;
    assert_int_equal(ax_loader_load(&job, &loaded, &err), 0);
    assert_int_equal(warming_calls, 1);
    assert_string_equal(loaded.served->version->text, "3");
    assert_int_equal(loaded.served->settings.rows_max, 12);
    assert_int_equal(ax_fingerprint_read(path, &fingerprint, &err), 0);
    assert_true(ax_fingerprint_equal(loaded.fingerprint, fingerprint));
    assert_true(loaded.load_ns > 0);
    assert_int_equal(loaded.memory_bytes, ax_version_memory_bytes(loaded.served->version));
    assert_int_equal(loaded.image_bytes, 0);
    assert_true(ax_served_is_last(loaded.served));
    ax_served_unref(loaded.served);
}

static void the_lower_limit_of_rows_holds(void **state)
{
    (void)state;
    static const struct {
        size_t of_settings, of_yaml, holds;
    } cases[] = { { 0, 7, 7 }, { 12, 7, 7 }, { 5, 7, 5 } };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_loaded loaded;
        char command[128];
        put_version(rules);
        (void)snprintf(command, sizeof(command),
                       "echo 'signature: {max_batch_size: %zu}' > $V/model.yaml", cases[i].of_yaml);
        run(command);
        struct ax_load_job job = make_job();
        settings.rows_max = cases[i].of_settings;
        assert_int_equal(ax_loader_load(&job, &loaded, &err), 0);
        assert_int_equal(loaded.served->version->signature->rows_max, cases[i].holds);
        ax_served_unref(loaded.served);
    }
}

static void a_warm_up_that_fails(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_loaded loaded = { 0 };
    int warming_calls = 0;
    put_version(rules);
    run("echo 'warmup: {rows: [{a: 1}, {b: 1}]}' > $V/model.yaml");
    struct ax_load_job job = make_job();
    job.warming = count_call;
    job.context = &warming_calls;
    assert_int_equal(ax_loader_load(&job, &loaded, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "no input 'b'"));
    assert_int_equal(warming_calls, 0);
    ax_err_clear(&err);
    run("echo 'warmup: {rows: [{a: 1}, {}]}' > $V/model.yaml");
    assert_int_equal(ax_loader_load(&job, &loaded, &err), 0);
    assert_true(loaded.warm_up_ns > 0);
    ax_served_unref(loaded.served);
}

static void folders_that_change(void **state)
{
    (void)state;
    static const struct {
        const char *before, *behind;
        enum ax_code code;
    } cases[] = {
        { "true", "true", AX_OK },
        { "truncate -s 20 $V/model.rules", NULL, AX_E_CONFLICT },
        { NULL, "truncate -s 20 $V/model.rules", AX_E_CONFLICT },
        { NULL, "cp $V/model.rules $V/x && mv $V/x $V/model.rules", AX_E_CONFLICT },
        { "printf 'engine: none' > $V/model.yaml", NULL, AX_E_CONFLICT },
        { "rm $V/model.rules", NULL, AX_E_CONFLICT },
        /* In place, of the same size, with the time put back. */
        { NULL,
          "cp -p $V/model.rules $V/.was; printf RULES 1<> $V/model.rules; "
          "touch -r $V/.was $V/model.rules",
          AX_E_CONFLICT },
        { "rm -r $V", NULL, AX_E_NOT_FOUND },
        { NULL, "rm -r $V", AX_E_NOT_FOUND },
        { "printf x > $V/README", "printf x > $V/.model.swp", AX_OK },
        /* A file that comes and goes between the two looks was read all the same. */
        { "printf 'engine: none' > $V/model.yaml", "rm $V/model.yaml", AX_E_INVALID },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_loaded loaded = { 0 };
        int warming_calls = 0;
        put_version(rules);
        struct ax_load_job job = make_job();
        job.warming = count_call;
        job.context = &warming_calls;
        before_reading = cases[i].before;
        behind_reading = cases[i].behind;
        if (ax_loader_load(&job, &loaded, &err) != cases[i].code)
            fail_msg("case %zu: %s", i, err.msg);
        assert_int_equal(warming_calls, cases[i].code == AX_OK);
        assert_true((loaded.served != NULL) == (cases[i].code == AX_OK));
        ax_served_unref(loaded.served);
    }
}

static void folders_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        enum ax_code code;
        const char *message;
    } cases[] = {
        { "truncate -s 20 $V/model.rules", AX_E_INVALID, "'model.rules': rules" },
        { "rm $V/model.rules", AX_E_NOT_FOUND, "no model file in '" },
        { "rm -r $V", AX_E_NOT_FOUND, "open the folder '" },
        { "rm -r $V; printf x > $V", AX_E_INVALID, "open the folder '" },
        { "chmod 000 $V/model.rules", AX_E_DENIED, "open '" },
        { "chmod 000 $V", AX_E_DENIED, "open the folder '" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_loaded loaded = { 0 };
        /* Nothing is denied to root, so the test becomes somebody else. */
        bool is_root = cases[i].code == AX_E_DENIED && geteuid() == 0;
        put_version(rules);
        run(cases[i].command);
        struct ax_load_job job = make_job();
        assert_int_equal(chmod(folder, 0711), 0);
        assert_int_equal(is_root ? seteuid(65534) : 0, 0);
        enum ax_code code = ax_loader_load(&job, &loaded, &err);
        assert_int_equal(is_root ? seteuid(0) : 0, 0);
        if (code != cases[i].code ||
            strncmp(err.msg, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s': %s %s", cases[i].command, ax_code_name(code), err.msg);
        assert_null(loaded.served);
        run("chmod -f 700 $V || true");
        run("rm -rf $V");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_loaded),    cmocka_unit_test(the_lower_limit_of_rows_holds),
        cmocka_unit_test(a_warm_up_that_fails),   cmocka_unit_test(folders_that_change),
        cmocka_unit_test(folders_that_are_wrong),
    };
    return cmocka_run_group_tests_name("server/loader", tests, make_folder, remove_folder);
}
