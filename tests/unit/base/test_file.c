/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: files are read within their limit and replaced whole; folders are made and removed, and
 * nothing outside them is touched.
 * Method: a temporary folder with files, links, deep and locked folders. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"

#include "torture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/auspex-test-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    return ax_file_remove_tree(folder, &err) ? -1 : 0;
}

static void write_file(const char *path, const char *text, size_t len)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_replace(path, (struct ax_str){ text, len }, &err), AX_OK);
}

/* The code of reading `path` with a limit; when it is AX_OK the contents were `len` times 'x'. */
static enum ax_code read_limited(const char *path, size_t max, size_t len)
{
    struct ax_buf buf;
    struct ax_err err = AX_ERR_INIT;
    ax_buf_init(&buf, max);
    enum ax_code code = ax_file_read(path, &buf, &err);
    if (code == AX_E_LIMIT)
        assert_true(ax_torture_struck());
    if (!code)
        assert_int_equal(buf.len, len);
    else
        assert_true(buf.len == 0 && !buf.failed && err.code == code && strstr(err.msg, path));
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], 'x');
    ax_buf_done(&buf);
    return code;
}

static void reads_within_the_limit(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, 'x', sizeof(text));
    static const size_t sizes[] = { 0, 1, 255, 256, 4096, 65535, 65536, 65537, sizeof(text) };
    for (size_t i = 0; i < AX_COUNT(sizes); i++) {
        write_file(in_folder("data"), text, sizes[i]);
        enum ax_code code = read_limited(in_folder("data"), sizes[i] + 1, sizes[i]);
        assert_true(code == AX_OK || code == AX_E_LIMIT);
        if (!sizes[i])
            continue;
        code = read_limited(in_folder("data"), sizes[i], sizes[i]);
        assert_true(code == AX_OK || code == AX_E_LIMIT);
        if (sizes[i] > 1)
            assert_int_equal(read_limited(in_folder("data"), sizes[i] - 1, 0), AX_E_TOO_LARGE);
    }
}

static void reads_behind_what_is_there(void **state)
{
    (void)state;
    struct ax_buf buf;
    struct ax_err err = AX_ERR_INIT;
    write_file(in_folder("data"), "world", 5);
    ax_buf_init(&buf, 11);
    if (!ax_buf_append(&buf, "hello ", 6) && !ax_file_read(in_folder("data"), &buf, &err))
        assert_memory_equal(buf.ptr, "hello world", 11);
    else
        assert_true(ax_torture_struck());
    ax_buf_done(&buf);
}

/* Its size is said to be 0, and it is not. */
static void reads_files_without_a_size(void **state)
{
    (void)state;
    struct ax_buf buf;
    struct ax_err err = AX_ERR_INIT;
    ax_buf_init(&buf, 1 << 20);
    if (!ax_file_read("/proc/self/status", &buf, &err))
        assert_true(buf.len > 100);
    else
        assert_true(ax_torture_struck());
    ax_buf_done(&buf);
    ax_buf_init(&buf, 50);
    assert_true(ax_file_read("/proc/self/status", &buf, &err) == AX_E_TOO_LARGE ||
                ax_torture_struck());
    ax_buf_done(&buf);
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    write_file(in_folder("data"), "x", 1);
    assert_int_equal(read_limited(in_folder("pipe"), 100, 0), AX_E_INVALID);
    assert_int_equal(read_limited(folder, 100, 0), AX_E_INVALID);
    assert_int_equal(read_limited("/dev/null", 100, 0), AX_E_INVALID);
    assert_int_equal(read_limited(in_folder("absent"), 100, 0), AX_E_NOT_FOUND);
    assert_int_equal(read_limited(in_folder("data/below"), 100, 0), AX_E_INVALID);
}

static void replaces_whole(void **state)
{
    (void)state;
    const char *path = in_folder("replaced");
    struct ax_err err = AX_ERR_INIT;
    write_file(path, "xx", 2);
    assert_int_equal(chmod(path, 0400), 0);
    write_file(path, "xxx", 3);
    enum ax_code code = read_limited(path, 100, 3);
    assert_true(code == AX_OK || code == AX_E_LIMIT);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_mode & S_IWUSR);
    assert_int_equal(ax_file_replace(in_folder("absent/file"), AX_STR("x"), &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(mkdir(in_folder("occupied"), 0700), 0);
    assert_int_not_equal(ax_file_replace(in_folder("occupied"), AX_STR("x"), &err), AX_OK);
}

/* Whatever happened before, no temporary file is left. */
static void leaves_no_temporary_file(void **state)
{
    (void)state;
    char command[600];
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_make_folder(in_folder("clean/occupied"), &err), AX_OK);
    (void)!ax_file_replace(in_folder("clean/occupied"), AX_STR("x"), &err);
    ax_err_clear(&err);
    assert_int_equal(ax_file_replace(in_folder("clean/file"), AX_STR("x"), &err), AX_OK);
    assert_int_equal(unlink(in_folder("clean/file")), 0);
    assert_int_equal(rmdir(in_folder("clean/occupied")), 0);
    (void)snprintf(command, sizeof(command), "%s", in_folder("clean"));
    assert_int_equal(rmdir(command), 0);
}

static void makes_folders(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct stat info;
    assert_int_equal(ax_file_make_folder(in_folder("a/b//c/"), &err), AX_OK);
    assert_int_equal(ax_file_make_folder(in_folder("a/b/c"), &err), AX_OK);
    assert_int_equal(stat(in_folder("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    write_file(in_folder("a/file"), "x", 1);
    assert_int_equal(ax_file_make_folder(in_folder("a/file/d"), &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_file_make_folder(in_folder("a/file"), &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_file_make_private_folder(in_folder("a/file"), &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_file_make_private_folder(in_folder("a/b"), &err), AX_OK);
    assert_int_equal(ax_file_make_folder("/", &err), AX_OK);
    /* Root may write everywhere, so the test becomes somebody else. */
    bool is_root = geteuid() == 0;
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    ax_err_clear(&err);
    enum ax_code code = ax_file_make_folder(in_folder("locked/d"), &err);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(code, AX_E_DENIED);
}

static void removes_a_tree_but_no_target_of_a_link(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_make_folder(in_folder("kept"), &err), AX_OK);
    write_file(in_folder("kept/file"), "x", 1);
    assert_int_equal(ax_file_make_folder(in_folder("tree/a/b"), &err), AX_OK);
    assert_int_equal(ax_file_make_folder(in_folder("tree/c"), &err), AX_OK);
    for (int i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "tree/a/b/%d", i);
        write_file(in_folder(name), "x", 1);
    }
    assert_int_equal(symlink("../kept", in_folder("tree/link")), 0);
    assert_int_equal(symlink("absent", in_folder("tree/c/broken")), 0);
    assert_int_equal(ax_file_remove_tree(in_folder("tree"), &err), AX_OK);
    assert_int_equal(access(in_folder("tree"), F_OK), -1);
    assert_int_equal(access(in_folder("kept/file"), F_OK), 0);
    assert_int_equal(ax_file_remove_tree(in_folder("tree"), &err), AX_OK);
    assert_int_equal(symlink("kept", in_folder("link")), 0);
    assert_int_equal(ax_file_remove_tree(in_folder("link"), &err), AX_OK);
    assert_int_equal(access(in_folder("kept/file"), F_OK), 0);
}

static void removal_is_bounded_in_depth(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    char path[400] = "deep";
    for (int i = 0; i < 40; i++)
        (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
    assert_int_equal(ax_file_make_folder(in_folder(path), &err), AX_OK);
    assert_int_equal(ax_file_remove_tree(in_folder("deep"), &err), AX_E_TOO_LARGE);
    ax_err_clear(&err);
    /* The lower part alone is within the bound, and then so is the rest. */
    path[4 + 2 * 20] = '\0';
    assert_int_equal(ax_file_remove_tree(in_folder(path), &err), AX_OK);
    assert_int_equal(ax_file_remove_tree(in_folder("deep"), &err), AX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_within_the_limit),
        cmocka_unit_test(reads_behind_what_is_there),
        cmocka_unit_test(reads_files_without_a_size),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(replaces_whole),
        cmocka_unit_test(leaves_no_temporary_file),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(removes_a_tree_but_no_target_of_a_link),
        cmocka_unit_test(removal_is_bounded_in_depth),
    };
    return cmocka_run_group_tests_name("base/file", tests, set_up, tear_down);
}
