/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the folder of models is listed as documented: what is passed over, what is there with which
 * settings, and a fingerprint that is another one when files are.
 * Method: folders written for each case, with rules files as models; commands of the shell between
 * two looks at a version's folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "server/repository.h"

#include "test_folder.h"
#include "torture.h"

#include <stdio.h>
#include <stdlib.h>

static const char rules[] = "rules: 1\n"
                            "inputs: {a: FP64}\n"
                            "outputs: {prediction: FP64}\n"
                            "cases: [{otherwise: 0.5}]\n";

static const struct ax_repository_config config = { .versions_max = 20 };

static int make_quietly(void **state)
{
    ax_log_setup(AX_LOG_ERROR, AX_LOG_LOGFMT);
    return make_folder(state);
}

/* A fresh repository of these files; pairs of path and contents, ended by NULL. */
static const char *put_files(const char *const *files)
{
    static char root[128];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(root, sizeof(root), "%s/models", folder);
    assert_int_equal(ax_file_remove_tree(root, &err), 0);
    assert_int_equal(ax_file_make_folder(root, &err), 0);
    for (; *files; files += 2) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", root, files[0]);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        assert_int_equal(ax_file_make_folder(path, &err), 0);
        *slash = '/';
        if (slash[1])
            assert_int_equal(ax_file_replace(path, ax_str_from(files[1]), &err), 0);
    }
    return root;
}

static struct ax_repository *list(const char *root)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository *repository;
    assert_int_equal(ax_repository_list(root, &config, &repository, &err), 0);
    return repository;
}

static void models_and_versions(void **state)
{
    (void)state;
    const char *const files[] = { "b/1/m", rules,   "b/10/m",   rules,      "b/9/m", rules, "a/3/m",
                                  rules,   "a/4/m", "rules: [", "c/2/note", "",      NULL };
    struct ax_repository *repository = list(put_files(files));
    assert_int_equal(repository->model_count, 3);
    const struct ax_repository_model *a = ax_repository_model(repository, AX_STR("a"));
    const struct ax_repository_model *b = ax_repository_model(repository, AX_STR("b"));
    assert_ptr_equal(a, &repository->models[0]);
    assert_ptr_equal(b, &repository->models[1]);
    assert_null(ax_repository_model(repository, AX_STR("d")));
    assert_null(ax_repository_model(repository, AX_STR("")));
    assert_int_equal(a->version_count, 2);
    assert_int_equal(b->version_count, 3);
    assert_string_equal(b->versions[1].text, "9");
    assert_string_equal(b->versions[2].text, "10");
    assert_int_equal(b->versions[2].number, 10);
    assert_false(ax_fingerprint_equal(a->versions[0].fingerprint, a->versions[1].fingerprint));
    ax_repository_free(repository);
    ax_repository_free(NULL);
}

static void what_is_passed_over(void **state)
{
    (void)state;
    const char *const files[] = { "a/01/m",
                                  rules,
                                  "a/-1/m",
                                  rules,
                                  "a/abc/m",
                                  rules,
                                  "a/0/m",
                                  rules,
                                  "a/1.0/m",
                                  rules,
                                  "a/9223372036854775808/m",
                                  rules,
                                  "a/99999999999999999999/m",
                                  rules,
                                  "a/config.pbtxt",
                                  "",
                                  "a/.git/m",
                                  rules,
                                  "a/9223372036854775807/m",
                                  rules,
                                  "README.md",
                                  "",
                                  ".hidden/1/m",
                                  rules,
                                  "stats/1/m",
                                  rules,
                                  "a..b/1/m",
                                  rules,
                                  "a\nb/1/m",
                                  rules,
                                  " /1/m",
                                  rules,
                                  "\xff/1/m",
                                  rules,
                                  "empty/",
                                  "",
                                  "d\xc3\xa9j\xc3\xa0 vu/1/m",
                                  rules,
                                  NULL };
    struct ax_repository *repository = list(put_files(files));
    assert_int_equal(repository->model_count, 3);
    assert_string_equal(repository->models[0].name, "a");
    assert_int_equal(repository->models[0].version_count, 1);
    assert_string_equal(repository->models[0].versions[0].text, "9223372036854775807");
    assert_string_equal(repository->models[1].name, "d\xc3\xa9j\xc3\xa0 vu");
    assert_string_equal(repository->models[2].name, "empty");
    assert_int_equal(repository->models[2].version_count, 0);
    assert_int_equal(repository->models[2].err.code, AX_E_NOT_FOUND);
    ax_repository_free(repository);
}

static void limits(void **state)
{
    (void)state;
    static const char *files[2 * 21 + 1];
    static char names[21][16];
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository *repository = NULL;
    for (size_t i = 0; i < 21; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%zu/%zu/m", i % 2, i + 1);
        files[2 * i] = names[i];
        files[2 * i + 1] = rules;
    }
    assert_int_equal(ax_repository_list(put_files(files), &config, &repository, &err),
                     AX_E_TOO_LARGE);
    assert_null(repository);
    ax_err_clear(&err);
    files[(size_t)2 * 20] = NULL;
    repository = list(put_files(files));
    assert_int_equal(repository->models[0].version_count + repository->models[1].version_count, 20);
    ax_repository_free(repository);
}

static void a_listing_loads_nothing(void **state)
{
    (void)state;
    const char *const files[] = { "b/10/m",
                                  "no model",
                                  "b/9/m",
                                  rules,
                                  "a/1/m",
                                  rules,
                                  "a/serving.yaml",
                                  "versions: all\npinned: true\n",
                                  "c/",
                                  "",
                                  "d/1/m",
                                  rules,
                                  "d/serving.yaml",
                                  "version: all\n",
                                  NULL };
    const char *root = put_files(files);
    struct ax_repository *repository = list(root);
    assert_int_equal(repository->model_count, 4);
    if (ax_torture_struck()) { /* A serving.yaml could not be read. */
        assert_int_equal(repository->models[2].err.code, AX_E_NOT_FOUND);
        ax_repository_free(repository);
        return;
    }
    const struct ax_repository_model *models = repository->models;
    assert_int_equal(models[0].settings.policy.kind, AX_POLICY_ALL);
    assert_true(models[0].settings.is_pinned);
    assert_int_equal(models[1].settings.policy.kind, AX_POLICY_LATEST);
    assert_int_equal(models[1].settings.policy.latest_count, 1);
    assert_int_equal(models[1].version_count, 2);
    assert_string_equal(models[1].versions[0].text, "9");
    assert_int_equal(models[1].err.code, AX_OK);
    assert_int_equal(models[2].err.code, AX_E_NOT_FOUND);
    assert_int_equal(models[3].version_count, 1);
    assert_int_equal(models[3].err.code, AX_E_INVALID);
    assert_string_equal(models[3].err.msg,
                        "serving.yaml:1:1: unknown key 'version'; did you mean 'versions'?");
    ax_repository_free(repository);
}

static void settings_of_the_config_are_the_defaults(void **state)
{
    (void)state;
    const char *const files[] = { "a/1/m",          rules,           "b/1/m", rules,
                                  "b/serving.yaml", "priority: 2\n", NULL };
    const char *root = put_files(files);
    struct ax_model_settings defaults;
    ax_model_settings_init(&defaults);
    defaults.policy.kind = AX_POLICY_ALL;
    defaults.timeout_ns = 7;
    const struct ax_repository_config with = { .versions_max = 20, .settings = &defaults };
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository *repository;
    assert_int_equal(ax_repository_list(root, &with, &repository, &err), 0);
    assert_true(ax_model_settings_equal(&repository->models[0].settings, &defaults));
    defaults.priority = 2;
    if (repository->models[1].err.code)
        assert_true(ax_torture_struck());
    else
        assert_true(ax_model_settings_equal(&repository->models[1].settings, &defaults));
    ax_repository_free(repository);
}

static void one_model_again(void **state)
{
    (void)state;
    const char *const files[] = { "a/1/m",  rules, "a/2/m", rules, "none/", "",
                                  ".b/1/m", rules, "file",  "",    NULL };
    const char *root = put_files(files);
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository_model model = { 0 };
    assert_int_equal(ax_repository_list_model(root, AX_STR("a"), &config, &model, &err), 0);
    assert_string_equal(model.name, "a");
    assert_int_equal(model.version_count, 2);
    assert_string_equal(model.versions[1].text, "2");
    ax_repository_model_done(&model);
    assert_int_equal(ax_repository_list_model(root, AX_STR("none"), &config, &model, &err), 0);
    assert_int_equal(model.version_count, 0);
    assert_int_equal(model.err.code, AX_E_NOT_FOUND);
    ax_repository_model_done(&model);
    static const char *const not_there[] = { "b", "file", ".b", "../models/a", "", "stats" };
    for (size_t i = 0; i < AX_COUNT(not_there); i++) {
        ax_err_clear(&err);
        assert_int_equal(
            ax_repository_list_model(root, ax_str_from(not_there[i]), &config, &model, &err),
            AX_E_NOT_FOUND);
        assert_null(model.name);
    }
}

static struct ax_fingerprint fingerprint_of(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fingerprint fingerprint;
    assert_int_equal(ax_fingerprint_read(path, &fingerprint, &err), 0);
    return fingerprint;
}

/* What is done to the folder, and whether it is another one then. */
static void a_fingerprint_sees_changes(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        bool changes;
    } cases[] = {
        { "true", false },
        { "touch -d @7 $F/1/m", true },
        { "printf x >> $F/1/m; touch -d @7 $F/1/m", true },
        { "truncate -s 3 $F/1/m; touch -d @7 $F/1/m", true },
        /* In place, of the same size, with the time put back. */
        { "sleep 0.05; printf abc 1<> $F/1/m; touch -d @7 $F/1/m", true },
        { "cp -p $F/1/m $F/1/n && mv $F/1/n $F/1/m", true },
        { "cp -p $F/1/m $F/1/n", true },
        { "mv $F/1/n $F/1/o", true },
        { "rm $F/1/o", true },
        { "chmod 600 $F/1/m", true },
        { "printf 'engine: rules' > $F/1/model.yaml", true },
        { "printf x > $F/1/README.md", false },
        { "printf x > $F/1/.m.swp", false },
        { "mkdir $F/1/folder", false },
        { "cat $F/1/m > /dev/null", false },
        { "ln -s m $F/1/link", true },
    };
    const char *const files[] = { "1/m", rules, NULL };
    const char *root = put_files(files);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/1", root);
    assert_int_equal(setenv("F", root, 1), 0);
    struct ax_fingerprint before = fingerprint_of(path);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        assert_int_equal(system(cases[i].command), 0);
        struct ax_fingerprint after = fingerprint_of(path);
        if (ax_fingerprint_equal(before, after) == cases[i].changes)
            fail_msg("'%s'", cases[i].command);
        before = after;
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_fingerprint_read("/nowhere/1", &before, &err), AX_E_NOT_FOUND);
}

static void no_folder(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository *repository = NULL;
    assert_int_equal(ax_repository_list("/nowhere/models", &config, &repository, &err),
                     AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "'/nowhere/models'"));
    ax_err_clear(&err);
    const char *const none[] = { NULL };
    assert_int_equal(ax_repository_list(put_files(none), &config, &repository, &err), AX_OK);
    assert_int_equal(repository->model_count, 0);
    assert_null(ax_repository_model(repository, AX_STR("a")));
    ax_repository_free(repository);
}

static void names(void **state)
{
    (void)state;
    char longest[AX_MODEL_NAME_BYTES_MAX + 1];
    memset(longest, 'm', sizeof(longest));
    struct ax_err err = AX_ERR_INIT;
    const struct ax_str good[] = { AX_STR("a"),
                                   AX_STR("flight_delay-2.1"),
                                   AX_STR("statistics"),
                                   { longest, AX_MODEL_NAME_BYTES_MAX } };
    for (size_t i = 0; i < AX_COUNT(good); i++)
        assert_int_equal(ax_repository_check_name(good[i], &err), AX_OK);
    const struct {
        struct ax_str name;
        const char *message;
    } bad[] = {
        { AX_STR(""), "Model name cannot be empty. Please enter a valid name to deploy." },
        { AX_STR("../a"), "model name must not contain path traversal characters" },
        { AX_STR("a/b"), "model name must not contain path traversal characters" },
        { AX_STR("a\\b"), "model name must not contain path traversal characters" },
        { AX_STR("a..b"), "model name must not contain path traversal characters" },
        { AX_STR("   "), "Model name cannot be empty. Please enter a valid name to deploy." },
        { AX_STR("a\tb"), "model name holds a control or format character" },
        { AX_STR("a\xe2\x80\xae"
                 "b"),
          "model name holds a control or format character" },
        { AX_STR("a\0b"), "model name holds a control or format character" },
        { AX_STR("\xc3"), "model name is not UTF-8" },
        { AX_STR("stats"), "model name 'stats' is reserved" },
        { AX_STR("_gone"), "model name '_gone' is reserved" },
        { AX_STR("_other"), "model name '_other' is reserved" },
        { { longest, sizeof(longest) }, "model name is longer than 128 bytes" },
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_repository_check_name(bad[i].name, &err), AX_E_INVALID);
        assert_string_equal(err.msg, bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_and_versions),
        cmocka_unit_test(what_is_passed_over),
        cmocka_unit_test(limits),
        cmocka_unit_test(a_listing_loads_nothing),
        cmocka_unit_test(settings_of_the_config_are_the_defaults),
        cmocka_unit_test(one_model_again),
        cmocka_unit_test(a_fingerprint_sees_changes),
        cmocka_unit_test(no_folder),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("server/repository", tests, make_quietly, remove_folder);
}
