/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the file of the registry is what was before an apply or what is after it, whenever the
 * process is killed; and a file that is damaged, foreign or from a newer auspex is told as that.
 * Method: a child applies and kills itself (SIGKILL) at its first call that changes a file, then at
 * its second, and so on until one comes to its end: this program's own pwrite, fsync and the like
 * stand in front of the C library's, for SQLite too. Damage: each page of a registry is overwritten
 * at some places in turn, and reading gives what was there or an error that says so. Older ones:
 * a database as an earlier auspex left it, as SQL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/registry.h"

#include "registry/database.h"
#include "test_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define OBJECTS         40
#define DAMAGE_BYTES    16

/* ---- calls that change files ---- */

static unsigned calls_left; /* 0: nobody is killed */

static void count_call(void)
{
    if (calls_left && --calls_left == 0)
        (void)kill(getpid(), SIGKILL);
}

/* Offsets have 64 bits here, so this is pwrite64, and below ftruncate64: those that SQLite calls.
 */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    count_call();
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    count_call();
    return syscall(SYS_write, fd, bytes, len);
}

/* What a killed process has written is the kernel's: no disk is waited for. */
int fsync(int fd)
{
    (void)fd;
    count_call();
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int ftruncate(int fd, off_t len)
{
    count_call();
    return (int)syscall(SYS_ftruncate, fd, len);
}

int unlink(const char *path)
{
    count_call();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* ---- registries ---- */

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % AX_COUNT(paths)];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* A set of objects, all of them with `text` in their definitions. */
struct object_set {
    struct ax_registry_object objects[OBJECTS];
    const struct ax_registry_object *pointers[OBJECTS];
    char names[OBJECTS][16];
    char definitions[OBJECTS][256];
};

static const struct ax_file_text files[] = { { { "a.yaml", 6 }, { "auspex: 1\n", 10 } },
                                             { { "x.sql", 5 }, { "select 1", 8 } } };
static const struct ax_registry_feature feature = { { "feature", 7 }, { "int64", 5 }, false };
static const struct ax_registry_edge edge = {
    { "feature", 7 }, { "source", 6 }, { "s", 1 }, { "c", 1 }
};

static void fill_set(struct object_set *set, const char *text)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        (void)snprintf(set->names[i], sizeof(set->names[i]), "view%02zu", i);
        (void)snprintf(set->definitions[i], sizeof(set->definitions[i]), "%s %0200zu", text, i);
        set->objects[i] =
            (struct ax_registry_object){ .kind = AX_REGISTRY_VIEW,
                                         .name = ax_str_from(set->names[i]),
                                         .definition = ax_str_from(set->definitions[i]),
                                         .place = AX_STR("a.yaml:1"),
                                         .features = &feature,
                                         .feature_count = 1,
                                         .edges = &edge,
                                         .edge_count = 1 };
        memset(set->objects[i].digest, text[0], AX_SHA256_TEXT_SIZE - 1);
        set->pointers[i] = &set->objects[i];
    }
}

static enum ax_code apply_set(const char *state, uint64_t after, const char *text,
                              struct ax_err *err)
{
    static struct object_set set;
    struct ax_registry *registry;
    uint64_t apply;
    fill_set(&set, text);
    const struct ax_registry_change change = { .after = after,
                                               .put = set.pointers,
                                               .put_count = OBJECTS,
                                               .files_folder = AX_STR("/f"),
                                               .files = files,
                                               .file_count = AX_COUNT(files) };
    if (ax_registry_open(state, AX_REGISTRY_WRITE, &registry, err))
        return err->code;
    (void)(ax_registry_apply(registry, &change, &apply, err) != AX_OK);
    ax_registry_close(registry);
    return err->code;
}

/* The files of the last apply are there with it. */
static enum ax_code check_files(struct ax_registry *registry,
                                const struct ax_registry_catalogue *catalogue,
                                struct ax_arena *arena, struct ax_err *err)
{
    struct ax_registry_files read;
    if (ax_registry_read_files(registry, 0, arena, &read, err))
        return err->code;
    assert_int_equal(read.apply, catalogue->apply);
    assert_int_equal(read.file_count, AX_COUNT(files));
    for (size_t i = 0; i < read.file_count; i++)
        assert_true(ax_str_equals(read.files[i].path, files[i].path) &&
                    ax_str_equals(read.files[i].text, files[i].text));
    return AX_OK;
}

/* The first letter of all definitions ('-' when there is no registry), or the error. */
static enum ax_code read_letter(const char *state, enum ax_registry_access access, char *ret_letter,
                                struct ax_err *err)
{
    struct ax_registry *registry;
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    char letter = '-';
    if (ax_registry_open(state, access, &registry, err) == AX_E_NOT_FOUND) {
        ax_err_clear(err);
        *ret_letter = '-';
        return AX_OK;
    }
    if (err->code)
        return err->code;
    ax_arena_init(&arena, 65536, ARENA_BYTES_MAX);
    if (!ax_registry_read(registry, &arena, &catalogue, err) && catalogue.object_count) {
        letter = catalogue.objects[0].definition.ptr[0];
        assert_int_equal(catalogue.object_count, OBJECTS);
        for (size_t i = 0; i < OBJECTS; i++) {
            const struct ax_registry_object *object = &catalogue.objects[i];
            assert_int_equal(object->definition.ptr[0], letter);
            assert_true(object->feature_count == 1 && object->edge_count == 1);
            assert_int_equal(object->version, catalogue.apply);
        }
        (void)(check_files(registry, &catalogue, &arena, err) != AX_OK);
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
    *ret_letter = letter;
    return err->code;
}

static char must_read(const char *state, enum ax_registry_access access)
{
    struct ax_err err = AX_ERR_INIT;
    char letter = 0;
    if (read_letter(state, access, &letter, &err))
        fail_msg("%s", err.msg);
    return letter;
}

static void copy_file(const char *from, const char *to)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf bytes;
    ax_buf_init(&bytes, (size_t)16 << 20);
    assert_int_equal(ax_file_read(from, &bytes, &err), AX_OK);
    assert_int_equal(ax_file_replace(to, ax_buf_str(&bytes), &err), AX_OK);
    ax_buf_done(&bytes);
}

/* Apply in a child that is killed at call `kill_at`; false when it came to its end before. */
static bool apply_killed(const char *state, uint64_t after, const char *text, unsigned kill_at)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ax_err err = AX_ERR_INIT;
        calls_left = kill_at;
        _exit(apply_set(state, after, text, &err) != AX_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/* From the state that `before` (a registry, or NULL) is, to one whose letter is `new_letter`. */
static void kill_at_each_call(const char *before, char old_letter, const char *text)
{
    unsigned old_count = 0, new_count = 0, kill_at = 0;
    bool was_killed = true;
    while (was_killed) {
        struct ax_err err = AX_ERR_INIT;
        const char *state = in_folder("killed");
        assert_int_equal(ax_file_remove_tree(state, &err), AX_OK);
        assert_int_equal(mkdir(state, 0700), 0);
        if (before)
            copy_file(before, in_folder("killed/registry.db"));
        was_killed = apply_killed(state, before ? 1 : 0, text, ++kill_at);
        /* To read and to write: both have to find out by themselves what the other left. */
        char letter = must_read(state, kill_at % 2 ? AX_REGISTRY_READ : AX_REGISTRY_WRITE);
        assert_true(letter == old_letter || letter == text[0]);
        assert_int_equal(must_read(state, AX_REGISTRY_READ), letter);
        assert_true(was_killed || letter == text[0]);
        if (letter == old_letter)
            old_count++;
        else
            new_count++;
        if (letter == old_letter && kill_at % 8 == 1)
            assert_int_equal(apply_set(state, before ? 1 : 0, text, &err), AX_OK);
    }
    /* Kills on both sides of the commit, or the test has missed it. */
    assert_true(old_count > 5 && new_count > 1);
}

static void killed_while_it_is_made(void **state)
{
    (void)state;
    kill_at_each_call(NULL, '-', "b");
}

static void killed_while_it_changes(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    char before[256];
    (void)snprintf(before, sizeof(before), "%s", in_folder("base/registry.db"));
    assert_int_equal(apply_set(in_folder("base"), 0, "a", &err), AX_OK);
    kill_at_each_call(before, 'a', "b");
}

static void damage_is_told(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct stat info;
    unsigned damaged_count = 0;
    char whole[256];
    (void)snprintf(whole, sizeof(whole), "%s", in_folder("whole/registry.db"));
    assert_int_equal(apply_set(in_folder("whole"), 0, "a", &err), AX_OK);
    assert_int_equal(stat(whole, &info), 0);
    assert_int_equal(mkdir(in_folder("damaged"), 0700), 0);
    for (off_t at = 0; at + DAMAGE_BYTES < info.st_size; at += 997) {
        static const char garbage[DAMAGE_BYTES] = "\xff\xff\xff\xff zapped! \0\0";
        char letter = 0;
        copy_file(whole, in_folder("damaged/registry.db"));
        int fd = open(in_folder("damaged/registry.db"), O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0 && pwrite(fd, garbage, DAMAGE_BYTES, at) == DAMAGE_BYTES);
        assert_int_equal(close(fd), 0);
        ax_err_clear(&err);
        if (read_letter(in_folder("damaged"), AX_REGISTRY_READ, &letter, &err)) {
            assert_true(err.code == AX_E_INVALID || err.code == AX_E_UNSUPPORTED);
            assert_non_null(strstr(err.msg, "registry.db'"));
            damaged_count++;
        } else {
            assert_int_equal(letter, 'a'); /* free space, or an index that is not used */
        }
    }
    assert_true(damaged_count > 10);
}

static void damage_inside_of_texts_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *says;
    } cases[] = {
        { "update versions set definition = replace(definition, 'a', 'e') where id = 3",
          "is damaged: view 'view02' is not what was applied; put back a copy" },
        { "update versions set digest = 'short' where id = 3", "view 'view02' has no digest" },
        { "update features set type = 'int32' where version = 1",
          "view 'view00' is not what was applied" },
        { "delete from features where version = 1", "view 'view00' is not what was applied" },
        { "update edges set part = 'd' where version = 40", "'view39' is not what was applied" },
        { "update objects set kind = 'table' where id = 1", "an object of kind 'table'" },
        { "pragma foreign_keys = off; delete from objects where id = 1", "do not agree" },
        { "pragma foreign_keys = off; delete from applies", "do not agree" },
        { "update texts set text = 'auspex: 2' where id = 1",
          "is damaged: file 'a.yaml' is not what was applied; put back a copy" },
        { "update files set path = 'b.yaml' where position = 0",
          "the files of apply 1 are not those that were applied" },
        { "update files set text = 1 where position = 1", "the files of apply 1 are not those" },
        { "delete from files where position = 1", "the files of apply 1 are not those" },
        { "pragma foreign_keys = off; delete from texts where id = 2", "do not agree" },
        { "update applies set files_folder = '/g'", "the files of apply 1 are not those" },
        { "update applies set files_checksum = null",
          "apply 1 was done by an older auspex, which did not keep what it read: apply again" },
        { "pragma user_version = 0", "is damaged: its schema is numbered 0" },
        { "pragma user_version = -5", "is damaged: its schema is numbered -5" },
        { "pragma user_version = 9", "has schema 9 and this auspex knows schemas up to 3: use" },
        { "pragma application_id = 7", "is a database of another program" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_registry *registry;
        char letter;
        assert_int_equal(ax_file_remove_tree(in_folder("inside"), &err), AX_OK);
        assert_int_equal(apply_set(in_folder("inside"), 0, "a", &err), AX_OK);
        assert_int_equal(ax_registry_open(in_folder("inside"), AX_REGISTRY_WRITE, &registry, &err),
                         AX_OK);
        assert_int_equal(ax_database_run(registry, cases[i].sql, &err), AX_OK);
        ax_registry_close(registry);
        assert_int_not_equal(read_letter(in_folder("inside"), AX_REGISTRY_READ, &letter, &err),
                             AX_OK);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("'%s' gave: %s", cases[i].sql, err.msg);
    }
}

/* Schema 1, as `sqlite3 registry.db .dump` printed it: of an apply without files. */
static void brings_older_ones_up_to_date(void **state)
{
    (void)state;
    const char *data = getenv("AX_TEST_DATA");
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry older = { .path = (char *)in_folder("older/registry.db") };
    struct ax_registry *registry = NULL;
    struct ax_registry_catalogue catalogue;
    struct ax_registry_files read;
    struct ax_arena arena;
    struct ax_buf sql;
    char path[512];
    uint64_t apply = 0;
    (void)snprintf(path, sizeof(path), "%s/registry/schema-1.sql", data ? data : "tests/data");
    ax_buf_init(&sql, (size_t)1 << 20);
    assert_int_equal(ax_file_read(path, &sql, &err), AX_OK);
    (void)ax_buf_append_char(&sql, '\0');
    assert_int_equal(mkdir(in_folder("older"), 0700), 0);
    assert_int_equal(ax_database_open(&older, AX_REGISTRY_WRITE, &err), AX_OK);
    if (ax_database_run(&older, sql.ptr, &err))
        fail_msg("%s", err.msg);
    ax_database_close(&older);
    ax_buf_done(&sql);

    assert_int_equal(ax_registry_open(in_folder("older"), AX_REGISTRY_READ, &registry, &err),
                     AX_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "older schema 1: auspex apply brings it up to date"));
    ax_err_clear(&err);
    ax_arena_init(&arena, 65536, ARENA_BYTES_MAX);
    assert_int_equal(ax_registry_open(in_folder("older"), AX_REGISTRY_WRITE, &registry, &err),
                     AX_OK);
    assert_int_equal(ax_registry_read(registry, &arena, &catalogue, &err), AX_OK);
    assert_int_equal(catalogue.object_count, 4);
    assert_int_equal(ax_registry_read_files(registry, 0, &arena, &read, &err), AX_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "apply 1 was done by an older auspex"));
    ax_err_clear(&err);

    /* The same again, as the same folder gives it. */
    const struct ax_registry_change again = { .after = 1,
                                              .project = AX_STR("shop"),
                                              .files_folder = AX_STR("/f"),
                                              .files = files,
                                              .file_count = AX_COUNT(files) };
    assert_int_equal(ax_registry_apply(registry, &again, &apply, &err), AX_OK);
    assert_int_equal(apply, 1);
    assert_int_equal(check_files(registry, &catalogue, &arena, &err), AX_OK);
    ax_registry_close(registry);
    ax_arena_done(&arena);
}

static void refuses_what_is_no_registry(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { "", 0, AX_E_NOT_FOUND, "is empty: nothing was applied yet" },
        { "not a database at all, but some other text", 42, AX_E_INVALID, "is damaged: " },
        { "SQLite format 3\0", 16, AX_E_INVALID, "is damaged: " },
    };
    struct ax_registry *registry = NULL;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        (void)mkdir(in_folder("none"), 0700);
        assert_int_equal(ax_file_replace(in_folder("none/registry.db"),
                                         (struct ax_str){ cases[i].bytes, cases[i].len }, &err),
                         AX_OK);
        assert_int_equal(ax_registry_open(in_folder("none"), AX_REGISTRY_READ, &registry, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(mkdir(in_folder("fifo"), 0700), 0);
    assert_int_equal(mkfifo(in_folder("fifo/registry.db"), 0600), 0);
    assert_int_equal(ax_registry_open(in_folder("fifo"), AX_REGISTRY_WRITE, &registry, &err),
                     AX_E_INVALID);
    assert_non_null(strstr(err.msg, "is not a regular file"));
    assert_null(registry);
}

/* As somebody who may not write here; the superuser becomes nobody for that. */
static enum ax_code read_as_another(const char *state, char *ret_letter, struct ax_err *err)
{
    int before = setfsuid(geteuid() ? geteuid() : 65534);
    (void)(read_letter(state, AX_REGISTRY_READ, ret_letter, err) != AX_OK);
    (void)setfsuid((uid_t)before);
    return err->code;
}

/* In a folder that may only be read; its name is no part of a URI as it stands. */
static void reads_what_may_not_be_written(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    const char *path = in_folder("a b%3f?c#");
    const char *log = in_folder("a b%3f?c#/registry.db-wal");
    char letter = 0;
    assert_int_equal(apply_set(path, 0, "a", &err), AX_OK);
    assert_true(chmod(folder, 0755) == 0 && chmod(path, 0555) == 0);
    assert_int_equal(chmod(in_folder("a b%3f?c#/registry.db"), 0444), 0);
    if (read_as_another(path, &letter, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(letter, 'a');
    assert_int_equal(access(log, F_OK), -1);

    /* What a killed writer has left is not passed over in silence. */
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(ax_file_replace(log, AX_STR("what was committed last"), &err), AX_OK);
    assert_int_equal(chmod(path, 0555), 0);
    assert_int_equal(read_as_another(path, &letter, &err), AX_E_DENIED);
    assert_non_null(strstr(err.msg, "registry.db-wal' holds what is not in the registry yet"));
    assert_int_equal(chmod(path, 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_it_is_made),
        cmocka_unit_test(killed_while_it_changes),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(damage_inside_of_texts_is_told),
        cmocka_unit_test(brings_older_ones_up_to_date),
        cmocka_unit_test(refuses_what_is_no_registry),
        cmocka_unit_test(reads_what_may_not_be_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
