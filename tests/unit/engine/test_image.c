/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a store gives back the image that was put into it, and nothing that is not whole, not of
 * this file, or that others may have written; it makes what it makes private.
 * Method: a folder of its own; a small payload, put and got; then the file changed in every way: a
 * table of header fields, every length, owner and mode, links, folders. What cannot be tried
 * without being root (another owner) is tried when the test is root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/image.h"

#include "test_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHA    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FORMAT "test1"

static const struct ax_image_key key = { { 0x1122334455667788u, 0x99aabbccddeeff00u }, 77 };

/* `name` in the folder of the test; the text is good until the call after the next. */
static const char *path_of(const char *name)
{
    static char paths[2][256];
    static size_t turn;
    turn = !turn;
    (void)snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", folder, name);
    return paths[turn];
}

/* The path of the key's image in the store `name`. */
static const char *image_path(const char *name)
{
    char within[128];
    (void)snprintf(within, sizeof(within), "%s/images/99aabbccddeeff001122334455667788-test1.img",
                   name);
    return path_of(within);
}

static enum ax_code open_state(const char *state, bool make, struct ax_image_store **ret_store,
                               struct ax_err *err)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "%s", state);
    const struct ax_image_config config = { .state = text };
    return ax_image_store_open(&config, make, ret_store, err);
}

static struct ax_image_store *open_store(const char *name)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    if (open_state(path_of(name), true, &store, &err))
        fail_msg("%s", err.msg);
    return store;
}

/* A file of a header that is to be filled in and `text`. */
static void begin_file(struct ax_buf *file, const char *text)
{
    static const char header[AX_IMAGE_HEADER_BYTES];
    ax_buf_init(file, 4096);
    assert_int_equal(ax_buf_append(file, header, sizeof(header)), 0);
    assert_int_equal(ax_buf_append_str(file, ax_str_from(text)), 0);
}

static void put(const struct ax_image_store *store, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf file;
    begin_file(&file, text);
    if (ax_image_store_put(store, &key, FORMAT, SHA, &file, &err))
        fail_msg("%s", err.msg);
    ax_buf_done(&file);
}

/* Get the key's image; what it says, or the failure's code. */
static enum ax_code get(const struct ax_image_store *store, const char *expected)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image image = { 0 };
    char sha[AX_SHA256_TEXT_SIZE] = "untouched";
    enum ax_code code = ax_image_store_get(store, &key, FORMAT, &image, sha, &err);
    if (code) {
        assert_string_equal(sha, "untouched");
        assert_null(image.map);
        return code;
    }
    assert_string_equal(sha, SHA);
    assert_true((uintptr_t)image.payload.ptr % 64 == 0);
    assert_true(ax_str_is(image.payload, expected));
    ax_image_done(&image);
    return AX_OK;
}

static void what_is_put_is_got(void **state)
{
    (void)state;
    struct stat info;
    struct ax_image_store *store = open_store("a/b/data");
    assert_int_equal(get(store, ""), AX_E_NOT_FOUND);
    put(store, "first");
    assert_int_equal(get(store, "first"), AX_OK);
    put(store, "second");
    assert_int_equal(get(store, "second"), AX_OK);
    assert_int_equal(stat(image_path("a/b/data"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of("a/b/data/images"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of("a/b/data"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    /* What is mapped stays as it was when the file is replaced. */
    struct ax_err err = AX_ERR_INIT;
    struct ax_image image;
    char sha[AX_SHA256_TEXT_SIZE];
    assert_int_equal(ax_image_store_get(store, &key, FORMAT, &image, sha, &err), 0);
    put(store, "third");
    assert_true(ax_str_is(image.payload, "second"));
    ax_image_done(&image);
    ax_image_done(&image);
    ax_image_done(NULL);
    ax_image_store_free(store);
    ax_image_store_free(NULL);
}

static void other_keys_and_formats_are_others(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image image;
    char sha[AX_SHA256_TEXT_SIZE];
    struct ax_image_store *store = open_store("others");
    put(store, "text");
    struct ax_image_key other = key;
    other.digest.low++;
    assert_int_equal(ax_image_store_get(store, &other, FORMAT, &image, sha, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(ax_image_store_get(store, &key, "test2", &image, sha, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    other = key;
    other.source_bytes++;
    assert_int_equal(ax_image_store_get(store, &other, FORMAT, &image, sha, &err), AX_E_INVALID);
    ax_image_store_free(store);
}

static void keys_tell_files_and_options_apart(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_key read, made;
    char bytes[600000]; /* more than is read at once */
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 31);
    struct ax_str text = { bytes, sizeof(bytes) };
    assert_int_equal(ax_file_replace(path_of("model"), text, &err), 0);
    assert_int_equal(ax_image_key_file(path_of("model"), AX_STR("all"), &read, &err), 0);
    made = ax_image_key_bytes(text, AX_STR("all"));
    assert_true(read.digest.low == made.digest.low && read.digest.high == made.digest.high);
    assert_true(read.source_bytes == sizeof(bytes) && made.source_bytes == sizeof(bytes));
    assert_true(ax_image_key_bytes(text, AX_STR("best")).digest.low != made.digest.low);
    /* Where the file ends and the options begin counts. */
    struct ax_image_key one = ax_image_key_bytes(AX_STR("ab"), AX_STR("c"));
    struct ax_image_key other = ax_image_key_bytes(AX_STR("a"), AX_STR("bc"));
    assert_true(one.digest.low != other.digest.low);
    assert_int_equal(ax_image_key_file(path_of("none"), AX_STR(""), &read, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(ax_image_key_file(folder, AX_STR(""), &read, &err), AX_E_INVALID);
}

/* ---- damage ---- */

/* A byte of the header set to another value, and what is said of it. */
static const struct {
    size_t at;
    const char *says;
} header_damage[] = {
    { 0, "no image" },  { 7, "no image" },    { 8, "version" },     { 12, "byte order" },
    { 16, "bytes of" }, { 23, "bytes of" },   { 24, "checksum" },   { 31, "checksum" },
    { 32, "checksum" }, { 40, "model file" }, { 55, "model file" }, { 56, "model file" },
    { 64, "checksum" }, { 127, "checksum" },  { 128, "checksum" },  { 136, "version" },
    { 159, "version" }, { 160, "checksum" },  { 255, "checksum" },  { 256, "checksum" },
};

static void a_damaged_header_is_refused(void **state)
{
    (void)state;
    struct ax_buf file;
    struct ax_str payload;
    char sha[AX_SHA256_TEXT_SIZE];
    begin_file(&file, "payload");
    ax_image_seal(&file, &key, FORMAT, SHA);
    for (size_t i = 0; i < AX_COUNT(header_damage); i++) {
        struct ax_err err = AX_ERR_INIT;
        file.ptr[header_damage[i].at] ^= 0x10;
        assert_int_equal(ax_image_open(ax_buf_str(&file), &key, FORMAT, &payload, sha, &err),
                         AX_E_INVALID);
        if (!strstr(err.msg, header_damage[i].says))
            fail_msg("byte %zu: %s", header_damage[i].at, err.msg);
        file.ptr[header_damage[i].at] ^= 0x10;
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_image_open(ax_buf_str(&file), &key, FORMAT, &payload, sha, &err), 0);
    assert_true(ax_str_is(payload, "payload"));
    ax_buf_done(&file);
}

static void every_byte_counts(void **state)
{
    (void)state;
    struct ax_buf file;
    struct ax_str payload;
    char sha[AX_SHA256_TEXT_SIZE];
    begin_file(&file, "a payload of some bytes");
    ax_image_seal(&file, &key, FORMAT, SHA);
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        struct ax_err err = AX_ERR_INIT;
        file.ptr[bit / 8] = (char)(file.ptr[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(ax_image_open(ax_buf_str(&file), &key, FORMAT, &payload, sha, &err),
                         AX_E_INVALID);
        file.ptr[bit / 8] = (char)(file.ptr[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t len = 0; len < file.len; len++) {
        struct ax_err err = AX_ERR_INIT;
        char *exact = malloc(len + 1);
        memcpy(exact, file.ptr, len);
        assert_int_equal(
            ax_image_open((struct ax_str){ exact, len }, &key, FORMAT, &payload, sha, &err),
            AX_E_INVALID);
        free(exact);
    }
    ax_buf_done(&file);
}

/* ---- whose it is ---- */

static void what_others_may_write_is_not_read(void **state)
{
    (void)state;
    struct ax_image_store *store = open_store("modes");
    const char *file = image_path("modes");
    put(store, "text");
    assert_int_equal(chmod(file, 0620), 0);
    assert_int_equal(get(store, ""), AX_E_DENIED);
    assert_int_equal(chmod(file, 0602), 0);
    assert_int_equal(get(store, ""), AX_E_DENIED);
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(get(store, "text"), AX_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(file, 12345, 12345), 0);
        assert_int_equal(get(store, ""), AX_E_DENIED);
    }
    put(store, "new"); /* Replaces it. */
    assert_int_equal(get(store, "new"), AX_OK);
    ax_image_store_free(store);
}

static void links_and_folders_are_not_read(void **state)
{
    (void)state;
    struct ax_image_store *store = open_store("links");
    put(store, "text");
    char file[256];
    (void)snprintf(file, sizeof(file), "%s", image_path("links"));
    assert_int_equal(rename(file, path_of("aside")), 0);
    assert_int_equal(symlink(path_of("aside"), file), 0);
    assert_int_equal(get(store, ""), AX_E_DENIED);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(get(store, ""), AX_E_INVALID);
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(mkfifo(file, 0600), 0); /* Opening it does not wait. */
    assert_int_equal(get(store, ""), AX_E_INVALID);
    assert_int_equal(unlink(file), 0);
    FILE *empty = fopen(file, "wb");
    assert_non_null(empty);
    assert_int_equal(fclose(empty), 0);
    assert_int_equal(get(store, ""), AX_E_INVALID);
    ax_image_store_free(store);
}

static void a_folder_of_others_is_no_store(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    assert_int_equal(open_state(path_of("absent"), false, &store, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    ax_image_store_free(open_store("open"));
    assert_int_equal(chmod(path_of("open/images"), 0770), 0);
    assert_int_equal(open_state(path_of("open"), true, &store, &err), AX_E_DENIED);
    assert_non_null(strstr(err.msg, "others may write"));
    ax_err_clear(&err);
    assert_int_equal(chmod(path_of("open/images"), 0750), 0);
    assert_int_equal(open_state(path_of("open"), false, &store, &err), AX_OK);
    ax_image_store_free(store);
    if (geteuid() == 0) {
        assert_int_equal(chown(path_of("open/images"), 12345, 12345), 0);
        assert_int_equal(open_state(path_of("open"), true, &store, &err), AX_E_DENIED);
        ax_err_clear(&err);
    }
    assert_int_equal(ax_file_replace(path_of("file"), AX_STR("x"), &err), 0);
    assert_true(open_state(path_of("file"), true, &store, &err) != AX_OK);
    ax_err_clear(&err);
    assert_int_equal(open_state("", true, &store, &err), AX_E_INVALID);
}

static void a_failure_to_write_leaves_nothing(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = open_store("gone");
    struct ax_buf file;
    assert_int_equal(ax_file_remove_tree(path_of("gone"), &err), 0);
    begin_file(&file, "text");
    assert_true(ax_image_store_put(store, &key, FORMAT, SHA, &file, &err) != AX_OK);
    assert_true(ax_image_store_may_tell(store));
    assert_false(ax_image_store_may_tell(store));
    ax_buf_done(&file);
    ax_image_store_free(store);
}

/* Make an empty file in the folder of images, so many seconds old. */
static void leave_behind(const char *name, time_t age_s)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    struct timespec times[2] = { { .tv_sec = time(NULL) - age_s },
                                 { .tv_sec = time(NULL) - age_s } };
    assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
}

static void what_a_killed_writer_left_is_removed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        time_t age_s;
        bool stays;
    } files[] = {
        { ".01234567-89ab-7def-8123-456789abcdef.new", 7200, false },
        { ".01234567-89ab-7def-8123-456789abcde0.new", 60, true }, /* may be being written */
        { ".01234567-89ab-7def-8123-456789abcdef.old", 7200, true },
        { ".01234567-89ab-7def-8123-456789abcde.new", 7200, true },
        { "x01234567-89ab-7def-8123-456789abcdef.new", 7200, true },
        { ".01234567-89ab-7def-8123-456789abcdeX.new", 7200, true },
        { "abc.img", 7200, true },
    };
    ax_image_store_free(open_store("left"));
    for (size_t i = 0; i < AX_COUNT(files); i++) {
        char name[512];
        (void)snprintf(name, sizeof(name), "%s/%s", path_of("left/images"), files[i].name);
        leave_behind(name, files[i].age_s);
    }
    for (int make = 0; make <= 1; make++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_image_store *store = NULL;
        assert_int_equal(open_state(path_of("left"), make, &store, &err), AX_OK);
        ax_image_store_free(store);
        for (size_t i = 0; i < AX_COUNT(files); i++) {
            char name[512];
            (void)snprintf(name, sizeof(name), "%s/%s", path_of("left/images"), files[i].name);
            if ((access(name, F_OK) == 0) != (files[i].stays || !make))
                fail_msg("'%s'", files[i].name);
        }
    }
}

static void a_name_may_end_with_a_slash(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    struct stat info;
    assert_int_equal(open_state(path_of("slash/under//"), true, &store, &err), AX_OK);
    ax_image_store_free(store);
    assert_int_equal(stat(path_of("slash/under"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void tuning_is_kept(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = open_store("tuning");
    struct ax_buf out;
    ax_buf_init(&out, 8);
    assert_int_equal(ax_image_store_get_tuning(store, &key, &out, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(ax_image_store_put_tuning(store, &key, AX_STR("line\n"), &err), 0);
    assert_int_equal(ax_image_store_get_tuning(store, &key, &out, &err), 0);
    assert_true(ax_str_is(ax_buf_str(&out), "line\n"));
    assert_int_equal(ax_image_store_put_tuning(store, &key, AX_STR("too long for it\n"), &err), 0);
    ax_buf_reset(&out);
    assert_int_equal(ax_image_store_get_tuning(store, &key, &out, &err), AX_E_TOO_LARGE);
    ax_buf_done(&out);
    ax_image_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(other_keys_and_formats_are_others),
        cmocka_unit_test(keys_tell_files_and_options_apart),
        cmocka_unit_test(a_damaged_header_is_refused),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(what_others_may_write_is_not_read),
        cmocka_unit_test(links_and_folders_are_not_read),
        cmocka_unit_test(a_folder_of_others_is_no_store),
        cmocka_unit_test(a_failure_to_write_leaves_nothing),
        cmocka_unit_test(what_a_killed_writer_left_is_removed),
        cmocka_unit_test(a_name_may_end_with_a_slash),
        cmocka_unit_test(tuning_is_kept),
    };
    return cmocka_run_group_tests_name("engine/image", tests, make_folder, remove_folder);
}
