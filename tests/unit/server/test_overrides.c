/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an override that was committed is there after a crash, whole, and nothing else is; no path
 * leads out of its folder; what was in force stays when a step fails.
 * Method: a store in a folder of its own, opened again and again as after a restart; a crash is the
 * store closed with an override neither committed nor discarded. Files are read back. A table of
 * paths. The full disk is RLIMIT_FSIZE in a child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/overrides.h"

#include "test_folder.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* AX_STR for initialisers of static data. */
#define TEXT(literal) { (literal), sizeof(literal) - 1 }

static const struct ax_override_file two_files[] = {
    { TEXT("1/rules.yaml"), TEXT("cnVsZXM="), true },
    { TEXT("2/deep/data.bin"), TEXT("a\0b"), false },
};

static struct ax_overrides *open_store(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_overrides *store = NULL;
    if (ax_overrides_open(folder, &store, &err))
        fail_msg("%s", err.msg);
    return store;
}

static struct ax_override *stage(struct ax_overrides *store, const char *model, const char *config,
                                 size_t file_count)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_override *override = NULL;
    struct ax_override_draft draft = { .model = ax_str_from(model),
                                       .config = ax_str_from(config),
                                       .files = two_files,
                                       .file_count = file_count };
    if (ax_overrides_stage(store, &draft, &override, &err))
        fail_msg("%s", err.msg);
    return override;
}

static void commit(const struct ax_override *override)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_override_commit(override, &err))
        fail_msg("%s", err.msg);
}

static void check_file(const struct ax_override *override, const char *path, struct ax_str bytes)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf got;
    char name[512];
    ax_buf_init(&got, 100);
    (void)snprintf(name, sizeof(name), "%s/%s/%s", ax_override_folder(override),
                   ax_override_model(override), path);
    if (ax_file_read(name, &got, &err))
        fail_msg("%s", err.msg);
    assert_true(ax_str_equals(ax_buf_str(&got), bytes));
    ax_buf_done(&got);
}

/* Names in STATE/overrides/`name`. */
static size_t count_in(const char *name)
{
    char path[512];
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "%s/overrides/%s", folder, name);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(dir);
    return count;
}

static void write_within(const char *name, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/overrides/%s", folder, name);
    assert_int_equal(ax_file_replace(path, ax_str_from(text), &err), AX_OK);
}

static int clean(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/overrides", folder);
    return ax_file_remove_tree(path, &err) ? -1 : 0;
}

static void test_committed_survives(void **state)
{
    (void)state;
    struct ax_overrides *store = open_store();
    assert_null(ax_overrides_take(store));
    struct ax_override *override = stage(store, "größe", "{\"max_batch_size\":16}", 2);
    check_file(override, "1/rules.yaml", AX_STR("rules"));
    check_file(override, "2/deep/data.bin", AX_STR("a\0b"));
    commit(override);
    ax_override_free(override);
    ax_overrides_free(store);
    assert_int_equal(ax_overrides_count(folder), 1);

    store = open_store();
    override = ax_overrides_take(store);
    assert_non_null(override);
    assert_null(ax_overrides_take(store));
    assert_string_equal(ax_override_model(override), "größe");
    assert_string_equal(ax_override_config(override).ptr, "{\"max_batch_size\":16}");
    check_file(override, "1/rules.yaml", AX_STR("rules"));
    ax_override_free(override);
    ax_overrides_free(store);
}

static void test_without_files(void **state)
{
    (void)state;
    struct ax_overrides *store = open_store();
    struct ax_override *override = stage(store, "m", "{\"a\":\"\\\"\"}", 0);
    assert_null(ax_override_folder(override));
    commit(override);
    ax_override_free(override);
    ax_overrides_free(store);
    store = open_store();
    override = ax_overrides_take(store);
    assert_non_null(override);
    assert_null(ax_override_folder(override));
    assert_string_equal(ax_override_config(override).ptr, "{\"a\":\"\\\"\"}");
    ax_override_free(override);
    ax_overrides_free(store);
}

static void test_staged_does_not_survive(void **state)
{
    (void)state;
    struct ax_overrides *store = open_store();
    struct ax_override *first = stage(store, "m", "{}", 2);
    commit(first);
    struct ax_override *second = stage(store, "m", "{\"other\":1}", 1);
    assert_int_equal(count_in("files"), 2);
    ax_override_free(second); /* as a crash does */
    ax_override_free(first);
    ax_overrides_free(store);
    write_within("models/.m.0192", "{"); /* as a crash within the replacement does */
    store = open_store();
    assert_int_equal(count_in("files"), 1);
    assert_int_equal(count_in("models"), 1);
    struct ax_override *override = ax_overrides_take(store);
    assert_string_equal(ax_override_config(override).ptr, "{}");
    check_file(override, "2/deep/data.bin", AX_STR("a\0b"));
    ax_override_free(override);
    ax_overrides_free(store);
}

static void test_replaced_and_cleared(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_overrides *store = open_store();
    struct ax_override *first = stage(store, "m", "{}", 2);
    struct ax_override *second = stage(store, "m", "{\"n\":2}", 1);
    commit(first);
    commit(second);
    ax_override_discard(first);
    assert_int_equal(count_in("files"), 1);
    check_file(second, "1/rules.yaml", AX_STR("rules"));
    assert_int_equal(ax_overrides_clear(store, "m", &err), AX_OK);
    ax_override_discard(second);
    assert_int_equal(ax_overrides_clear(store, "never there", &err), AX_OK);
    assert_int_equal(count_in("files"), 0);
    assert_int_equal(count_in("models"), 0);
    ax_overrides_free(store);
    assert_int_equal(ax_overrides_count(folder), 0);
}

static void test_private(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct stat info;
    char path[512];
    ax_overrides_free(open_store());
    (void)snprintf(path, sizeof(path), "%s/overrides", folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(chmod(path, 0770), 0);
    struct ax_overrides *store = NULL;
    assert_int_equal(ax_overrides_open(folder, &store, &err), AX_E_DENIED);
    assert_int_equal(chmod(path, 0700), 0);
}

/* An entry that is damaged is passed over, and no files are removed. */
static void test_damaged(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"files\":1,\"config\":\"\"}",
        "{\"files\":\"\"}",
        "{\"files\":\"../../../../../../../../../../../../\",\"config\":\"\"}",
        "{\"files\":\"01920000-0000-7000-8000-000000000000\",\"config\":\"\"}",
    };
    struct ax_overrides *store = open_store();
    struct ax_override *good = stage(store, "good", "{}", 1);
    commit(good);
    ax_override_free(good);
    ax_override_free(stage(store, "bad", "{}", 1));
    ax_overrides_free(store);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        write_within("models/bad", texts[i]);
        store = open_store();
        struct ax_override *override = ax_overrides_take(store);
        assert_non_null(override);
        assert_string_equal(ax_override_model(override), "good");
        assert_null(ax_overrides_take(store));
        assert_int_equal(count_in("files"), 2);
        ax_override_free(override);
        ax_overrides_free(store);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_good;
    } paths[] = {
        { "1/model.json", true },
        { "9223372036854775807/a", true },
        { "1/a/b/c/d/e/f/g", true },
        { "1/größe.json", true },
        { "1/a b", true },
        { "", false },
        { "1", false },
        { "1/", false },
        { "/1/a", false },
        { "//1/a", false },
        { "1//a", false },
        { "1/a/", false },
        { "../1/a", false },
        { "1/..", false },
        { "1/../a", false },
        { "1/../../etc/passwd", false },
        { "1/.", false },
        { "1/./a", false },
        { "./1/a", false },
        { "1/.hidden", false },
        { "1/..a", false },
        { "0/a", false },
        { "01/a", false },
        { "-1/a", false },
        { "v1/a", false },
        { "model.json", false },
        { "9223372036854775808/a", false },
        { "1/a\\b", false },
        { "1\\..\\a", false },
        { "1/a\nb", false },
        { "1/a\x7f", false },
        { "1/a\xe2\x80\xae"
          "nosj.b",
          false }, /* U+202E */
        { "1/\xc2\x85", false },
        { "1/\xd9\x86\xe2\x80\x8c\xd9\x87", true }, /* Persian, with U+200C */
        { "1/\xff", false },
        { "1/a/b/c/d/e/f/g/h", false },
    };
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_override_check_path(ax_str_from(paths[i].path), &err);
        if (code != (paths[i].is_good ? AX_OK : AX_E_INVALID))
            fail_msg("'%s': %d %s", paths[i].path, code, err.msg);
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_override_check_path(AX_STR("1/a\0b"), &err), AX_E_INVALID);
    char long_path[AX_OVERRIDE_PATH_BYTES_MAX + 2];
    memset(long_path, 'a', sizeof(long_path));
    long_path[0] = '1';
    long_path[1] = '/';
    ax_err_clear(&err);
    assert_int_equal(ax_override_check_path((struct ax_str){ long_path, sizeof(long_path) }, &err),
                     AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_override_check_path((struct ax_str){ long_path, 300 }, &err), AX_E_INVALID);
}

/* What cannot be staged leaves nothing behind. */
static void test_not_staged(void **state)
{
    (void)state;
    static const struct ax_override_file lists[][2] = {
        { { TEXT("1/a"), TEXT("x"), false }, { TEXT("1/a"), TEXT("y"), false } },
        { { TEXT("1/a"), TEXT("x"), false }, { TEXT("1/a/b"), TEXT("y"), false } },
        { { TEXT("1/a/b"), TEXT("x"), false }, { TEXT("1/a"), TEXT("y"), false } },
        { { TEXT("1/a"), TEXT("x"), false }, { TEXT("1/b"), TEXT("eA="), true } },
        { { TEXT("1/a"), TEXT("x"), false }, { TEXT("../b"), TEXT("y"), false } },
    };
    struct ax_overrides *store = open_store();
    struct ax_override *override = NULL;
    for (size_t i = 0; i < AX_COUNT(lists); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_override_draft draft = { AX_STR("m"), AX_STR("{}"), lists[i], 2 };
        assert_int_equal(ax_overrides_stage(store, &draft, &override, &err), AX_E_INVALID);
        assert_null(override);
        assert_int_equal(count_in("files"), 0);
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_override_draft hidden = { AX_STR(".m"), AX_STR("{}"), NULL, 0 };
    assert_int_equal(ax_overrides_stage(store, &hidden, &override, &err), AX_E_INVALID);
    ax_err_clear(&err);
    struct ax_override_draft many = { AX_STR("m"), AX_STR("{}"), two_files,
                                      AX_OVERRIDE_FILES_MAX + 1 };
    assert_int_equal(ax_overrides_stage(store, &many, &override, &err), AX_E_TOO_LARGE);
    ax_err_clear(&err);
    struct ax_override_draft with_nul = { AX_STR("m"), AX_STR("{\0}"), NULL, 0 };
    assert_int_equal(ax_overrides_stage(store, &with_nul, &override, &err), AX_E_INVALID);
    ax_overrides_free(store);
}

/* Run in a child, whose files may not grow over 4 KiB: as on a full disk. */
static int stage_on_full_disk(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_overrides *store = NULL;
    struct ax_override *override = NULL;
    struct rlimit limit = { 4096, 4096 };
    char *large = calloc(1, 10000);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (!large || setrlimit(RLIMIT_FSIZE, &limit) || ax_overrides_open(folder, &store, &err))
        return 1;
    struct ax_override_file file = { AX_STR("1/a"), { large, 10000 }, false };
    struct ax_override_draft draft = { AX_STR("m"), AX_STR("{\"n\":2}"), &file, 1 };
    if (!ax_overrides_stage(store, &draft, &override, &err))
        return 2;
    ax_err_clear(&err);
    memset(large, 'x', 9999);
    struct ax_override_draft long_config = { AX_STR("m"), { large, 9999 }, NULL, 0 };
    if (ax_overrides_stage(store, &long_config, &override, &err))
        return 3;
    if (!ax_override_commit(override, &err))
        return 4;
    ax_override_discard(override);
    ax_overrides_free(store);
    free(large);
    return 0;
}

static void test_full_disk(void **state)
{
    (void)state;
    struct ax_overrides *store = open_store();
    struct ax_override *override = stage(store, "m", "{\"n\":1}", 2);
    commit(override);
    ax_override_free(override);
    ax_overrides_free(store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(stage_on_full_disk());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count_in("files"), 1);
    assert_int_equal(count_in("models"), 1);
    store = open_store();
    override = ax_overrides_take(store);
    assert_string_equal(ax_override_config(override).ptr, "{\"n\":1}");
    check_file(override, "1/rules.yaml", AX_STR("rules"));
    ax_override_free(override);
    ax_overrides_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_committed_survives, clean),
        cmocka_unit_test_teardown(test_without_files, clean),
        cmocka_unit_test_teardown(test_staged_does_not_survive, clean),
        cmocka_unit_test_teardown(test_replaced_and_cleared, clean),
        cmocka_unit_test_teardown(test_private, clean),
        cmocka_unit_test_teardown(test_damaged, clean),
        cmocka_unit_test(test_paths),
        cmocka_unit_test_teardown(test_not_staged, clean),
        cmocka_unit_test_teardown(test_full_disk, clean),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
