/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a folder of images stays within its limit; what goes is what was used least recently, is
 * never held, and is never a file that is not ours; processes that share a folder, and ones that
 * are killed, leave whole files.
 * Method: files of known sizes with times that are set; stores with small limits; a table of names
 * that are no images; writers in processes of their own, killed at random moments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/image.h"

#include "base/clock.h"

#include "random.h"
#include "test_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHA        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FORMAT     "test1"
#define FILE_BYTES ((size_t)8192) /* of each image here, as the disk has it */
#define THREADS    4
#define ROUNDS     200
#define KILLS      20

static char state_path[256], images_path[300];

static struct ax_image_key key_of(uint64_t number)
{
    return (struct ax_image_key){ .digest = { .low = number, .high = 0xabc }, .source_bytes = 7 };
}

static const char *path_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", images_path, name);
    return path;
}

/* The path of image `number`, or with `format` NULL of its tuning. */
static const char *image_path(uint64_t number, const char *format)
{
    char name[AX_IMAGE_NAME_BYTES];
    ax_image_name(name, key_of(number).digest, format);
    return path_of(name);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static struct ax_image_store *open_store(size_t files_max)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    const struct ax_image_config config = { .state = state_path,
                                            .images_bytes_max = files_max * FILE_BYTES };
    if (ax_image_store_open(&config, true, &store, &err))
        fail_msg("%s", err.msg);
    return store;
}

/* An empty folder of state. */
static void begin(void)
{
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(state_path, sizeof(state_path), "%s/state", folder);
    (void)snprintf(images_path, sizeof(images_path), "%s/images", state_path);
    assert_int_equal(ax_file_remove_tree(state_path, &err), 0);
}

static void put(const struct ax_image_store *store, uint64_t number)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_key key = key_of(number);
    static const char bytes[FILE_BYTES];
    struct ax_buf file;
    ax_buf_init(&file, sizeof(bytes));
    assert_int_equal(ax_buf_append(&file, bytes, sizeof(bytes)), 0);
    if (ax_image_store_put(store, &key, FORMAT, SHA, &file, &err))
        fail_msg("%s", err.msg);
    ax_buf_done(&file);
}

/* Whether the image is there and whole. */
static bool get(const struct ax_image_store *store, uint64_t number)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_key key = key_of(number);
    struct ax_image image;
    char sha[AX_SHA256_TEXT_SIZE];
    enum ax_code code = ax_image_store_get(store, &key, FORMAT, &image, sha, &err);
    if (code)
        assert_int_equal(code, AX_E_NOT_FOUND);
    else
        ax_image_done(&image);
    return !code;
}

/* It was used so many seconds ago. */
static void set_age(const char *path, time_t age_s)
{
    const struct timespec then = { .tv_sec = time(NULL) - age_s };
    const struct timespec times[2] = { then, then };
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static size_t count_files(void)
{
    DIR *listing = opendir(images_path);
    assert_non_null(listing);
    size_t count = 0;
    for (const struct dirent *file; (file = readdir(listing));)
        count += file->d_name[0] != '.';
    (void)closedir(listing);
    return count;
}

static struct ax_image_usage usage_of(const struct ax_image_store *store)
{
    struct ax_image_usage usage;
    ax_image_store_usage(store, &usage);
    return usage;
}

static void what_was_used_least_recently_goes(void **state)
{
    (void)state;
    begin();
    struct ax_image_store *store = open_store(32);
    for (uint64_t i = 0; i < 30; i++) {
        put(store, i);
        set_age(image_path(i, FORMAT), 1000 - (time_t)i);
    }
    assert_int_equal(count_files(), 30);
    assert_int_equal(usage_of(store).file_count, 30);
    assert_int_equal(usage_of(store).bytes, 30 * FILE_BYTES);
    assert_int_equal(usage_of(store).removed_count, 0);
    /* Number 0 is used now. */
    struct ax_image_key key = key_of(0);
    ax_image_store_touch(store, &key, FORMAT);
    for (uint64_t i = 30; i < 40; i++)
        put(store, i);
    assert_true(get(store, 0));
    assert_false(get(store, 1));
    assert_true(get(store, 39));
    assert_true(count_files() <= 32 && count_files() >= 29);
    struct ax_image_usage usage = usage_of(store);
    assert_int_equal(usage.file_count, count_files());
    assert_int_equal(usage.bytes, usage.file_count * FILE_BYTES);
    assert_int_equal(usage.removed_count, 40 - usage.file_count);
    ax_image_store_free(store);
}

static void many_reloads_leave_few_files(void **state)
{
    (void)state;
    begin();
    struct ax_image_store *store = open_store(4);
    for (uint64_t i = 0; i < 200; i++) {
        put(store, i);
        assert_true(count_files() <= 4);
    }
    assert_true(get(store, 199));
    ax_image_store_free(store);
    /* Without a limit nothing goes. */
    store = open_store(0);
    for (uint64_t i = 0; i < 50; i++)
        put(store, 1000 + i);
    assert_true(count_files() >= 50);
    assert_int_equal(usage_of(store).file_count, count_files());
    ax_image_store_free(store);
    /* A lower limit holds from the start. */
    store = open_store(8);
    assert_true(count_files() <= 8);
    assert_true(usage_of(store).removed_count >= 42);
    ax_image_store_free(store);
}

static void what_is_held_stays(void **state)
{
    (void)state;
    begin();
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = open_store(4);
    struct ax_image_key key = key_of(1), other = key_of(2);
    struct ax_image_hold *first = ax_image_store_hold(store, &key, FORMAT);
    struct ax_image_hold *second = ax_image_store_hold(store, &key, FORMAT);
    struct ax_image_hold *of_other = ax_image_store_hold(store, &other, "test2");
    put(store, 1);
    put(store, 2);
    assert_int_equal(ax_image_store_put_tuning(store, &key, AX_STR("tuned"), &err), 0);
    set_age(image_path(1, FORMAT), 5000);
    set_age(image_path(1, NULL), 5000);
    set_age(image_path(2, FORMAT), 5000);
    for (uint64_t i = 10; i < 30; i++)
        put(store, i);
    assert_true(is_there(image_path(1, FORMAT)));
    assert_true(is_there(image_path(1, NULL)));
    /* That one is of another version of the program. */
    assert_false(is_there(image_path(2, FORMAT)));
    ax_image_hold_free(first);
    for (uint64_t i = 30; i < 40; i++)
        put(store, i);
    assert_true(is_there(image_path(1, FORMAT)));
    ax_image_hold_free(second);
    for (uint64_t i = 40; i < 50; i++)
        put(store, i);
    assert_false(is_there(image_path(1, FORMAT)));
    assert_false(is_there(image_path(1, NULL)));
    ax_image_store_free(store);
    ax_image_hold_free(of_other); /* A hold may outlive its store. */
    ax_image_hold_free(NULL);
}

static void what_is_held_may_be_more_than_the_limit(void **state)
{
    (void)state;
    begin();
    struct ax_image_store *store = open_store(2);
    struct ax_image_hold *holds[10];
    for (uint64_t i = 0; i < AX_COUNT(holds); i++) {
        struct ax_image_key key = key_of(i);
        holds[i] = ax_image_store_hold(store, &key, FORMAT);
        put(store, i);
    }
    assert_int_equal(count_files(), AX_COUNT(holds));
    for (size_t i = 0; i < AX_COUNT(holds); i++)
        ax_image_hold_free(holds[i]);
    put(store, 99);
    assert_true(count_files() <= 2);
    ax_image_store_free(store);
}

/* Names in the folder that are not those of images, or are not files of ours. */
static const char *const strangers[] = {
    "notes.txt",
    "0000000000000abc0000000000000001.img",        /* no format */
    "0000000000000abc0000000000000001-.img",       /* an empty one */
    "0000000000000abc0000000000000001-test1.img2", /* another end */
    "0000000000000abc0000000000000001-Test1.img",  /* no format of ours */
    "0000000000000ABC0000000000000001-test1.img",  /* upper case */
    "0000000000000abc000000000000001-test1.img",   /* too short */
    "0000000000000abc00000000000000012-test1.img", /* too long */
    "0000000000000abc0000000000000001.tune.backup",
    "0000000000000abc0000000000000001-123456789012345678901234.img",
    "x0000000000000abc0000000000000001-test1.img",
};

static void files_that_are_not_ours_stay(void **state)
{
    (void)state;
    begin();
    struct ax_err err = AX_ERR_INIT;
    ax_image_store_free(open_store(4));
    for (size_t i = 0; i < AX_COUNT(strangers); i++) {
        assert_int_equal(ax_file_replace(path_of(strangers[i]), AX_STR("strange"), &err), 0);
        set_age(path_of(strangers[i]), 100000);
    }
    /* With the name of an image, and none: a folder, a link, a file of somebody else. */
    assert_int_equal(mkdir(image_path(500, FORMAT), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", image_path(501, FORMAT)), 0);
    set_age(image_path(500, FORMAT), 100000);
    set_age(image_path(501, FORMAT), 100000);
    bool is_root = geteuid() == 0;
    if (is_root) {
        assert_int_equal(ax_file_replace(image_path(502, FORMAT), AX_STR("theirs"), &err), 0);
        assert_int_equal(chown(image_path(502, FORMAT), 12345, 12345), 0);
        set_age(image_path(502, FORMAT), 100000);
    }
    struct ax_image_store *store = open_store(4);
    assert_int_equal(usage_of(store).file_count, 0);
    for (uint64_t i = 0; i < 20; i++)
        put(store, i);
    for (size_t i = 0; i < AX_COUNT(strangers); i++)
        if (!is_there(path_of(strangers[i])))
            fail_msg("'%s' is gone", strangers[i]);
    struct stat info;
    assert_int_equal(lstat(image_path(500, FORMAT), &info), 0);
    assert_int_equal(lstat(image_path(501, FORMAT), &info), 0);
    assert_true(!is_root || is_there(image_path(502, FORMAT)));
    assert_true(usage_of(store).file_count <= 4);
    ax_image_store_free(store);
}

/* ---- several at one time ---- */

static void *put_on(void *arg)
{
    static _Atomic uint64_t turns;
    struct ax_image_store *store = arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t number = atomic_fetch_add(&turns, 1);
        struct ax_image_key key = key_of(number % 30);
        struct ax_image_hold *hold = ax_image_store_hold(store, &key, FORMAT);
        put(store, number % 30);
        assert_true(get(store, number % 30));
        ax_image_hold_free(hold);
    }
    return NULL;
}

static void threads_share_a_store(void **state)
{
    (void)state;
    begin();
    struct ax_image_store *store = open_store(8);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_on, store), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    put(store, 31);
    assert_true(count_files() <= 8 + THREADS);
    ax_image_store_free(store);
}

static void *write_from(void *arg)
{
    const uint64_t *first = arg;
    struct ax_image_store *store = open_store(8);
    for (uint64_t number = 0;; number++)
        put(store, *first + number % 40);
    return NULL;
}

/* Until it is killed; by a thread of its own, since what makes names unique is a thread's, and both
 * children have the same from their parent. */
static void write_on(uint64_t first)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_from, &first) == 0)
        (void)pthread_join(thread, NULL);
    _exit(1);
}

static void killed_processes_leave_whole_images(void **state)
{
    (void)state;
    begin();
    uint64_t random = 3;
    for (size_t i = 0; i < KILLS; i++) {
        pid_t writers[2];
        for (size_t k = 0; k < AX_COUNT(writers); k++) {
            writers[k] = fork();
            assert_true(writers[k] >= 0);
            if (writers[k] == 0)
                write_on(100 * k);
        }
        struct timespec pause = { 0, 1000000 + (long)(test_random(&random) % 8000000) };
        (void)nanosleep(&pause, NULL);
        for (size_t k = 0; k < AX_COUNT(writers); k++) {
            int status;
            assert_int_equal(kill(writers[k], SIGKILL), 0);
            assert_int_equal(waitpid(writers[k], &status, 0), writers[k]);
            assert_true(WIFSIGNALED(status));
        }
        struct ax_image_store *store = open_store(0);
        for (uint64_t number = 0; number < 140; number++)
            (void)get(store, number); /* Not there, or whole. */
        assert_true(usage_of(store).file_count <= 8 + 2);
        ax_image_store_free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_least_recently_goes),
        cmocka_unit_test(many_reloads_leave_few_files),
        cmocka_unit_test(what_is_held_stays),
        cmocka_unit_test(what_is_held_may_be_more_than_the_limit),
        cmocka_unit_test(files_that_are_not_ours_stay),
        cmocka_unit_test(threads_share_a_store),
        cmocka_unit_test(killed_processes_leave_whole_images),
    };
    return cmocka_run_group_tests_name("engine/image_keeper", tests, make_folder, remove_folder);
}
