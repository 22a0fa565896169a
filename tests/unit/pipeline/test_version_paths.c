/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a folder on a command line means the versions that a user would say it means, in one order.
 * Method: a tree of folders; each of them named in turn, and what must come of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/version_paths.h"

#include "test_folder.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const folders[] = {
    "models/b/2",     "models/b/10", "models/b/1/deeper", "models/a/3",   "models/a/03",
    "models/a/words", "models/.c/1", "models/empty",      "alone/inside", "other/7/1/x",
};

/* The folder that is named, and the versions: "model number path" a line. */
static const struct {
    const char *named, *versions;
} rows[] = {
    { "models", "a 3 models/a/3\nb 1 models/b/1\nb 2 models/b/2\nb 10 models/b/10\n" },
    { "models/b", "b 1 models/b/1\nb 2 models/b/2\nb 10 models/b/10\n" },
    { "models/b/", "b 1 models/b/1\nb 2 models/b/2\nb 10 models/b/10\n" },
    { "models/b/10", "b 10 models/b/10\n" },
    { "models/b/1", "b 1 models/b/1\n" },
    { "alone", "alone 0 alone\n" },
    { "models/empty", "empty 0 models/empty\n" },
    { "other", "other 7 other/7\n" },
};

static int make_folders(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    if (make_folder(state))
        return -1;
    for (size_t i = 0; i < AX_COUNT(folders); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        if (ax_file_make_folder(path, &err))
            return -1;
    }
    return 0;
}

static void print(const struct ax_version_paths *paths, struct ax_buf *out)
{
    ax_buf_init(out, 65536);
    for (size_t i = 0; i < paths->count; i++)
        (void)ax_buf_printf(out, "%s %llu %s\n", paths->items[i].model,
                            (unsigned long long)paths->items[i].number,
                            paths->items[i].path + strlen(folder) + 1);
}

static void folders_mean_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char path[256];
        struct ax_err err = AX_ERR_INIT;
        struct ax_version_paths paths = { 0 };
        struct ax_buf text;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, rows[i].named);
        assert_int_equal(ax_version_paths_add(&paths, path, &err), 0);
        print(&paths, &text);
        if (!ax_str_is(ax_buf_str(&text), rows[i].versions))
            fail_msg("%s: %.*s", rows[i].named, (int)text.len, text.ptr);
        ax_buf_done(&text);
        ax_version_paths_done(&paths);
    }
}

static void several_are_added(void **state)
{
    (void)state;
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    struct ax_version_paths paths = { 0 };
    (void)snprintf(path, sizeof(path), "%s/models/b", folder);
    assert_int_equal(ax_version_paths_add(&paths, path, &err), 0);
    (void)snprintf(path, sizeof(path), "%s/models/a", folder);
    assert_int_equal(ax_version_paths_add(&paths, path, &err), 0);
    assert_int_equal(paths.count, 4);
    assert_string_equal(paths.items[3].model, "a");
    assert_int_equal(ax_version_paths_add(&paths, "/nowhere/at/all", &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_true(ax_version_paths_add(&paths, "/dev/null", &err) != AX_OK);
    assert_int_equal(paths.count, 4);
    ax_version_paths_done(&paths);
    ax_version_paths_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_mean_versions),
        cmocka_unit_test(several_are_added),
    };
    return cmocka_run_group_tests_name("pipeline/version_paths", tests, make_folders,
                                       remove_folder);
}
