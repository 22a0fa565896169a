/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a version says that it keeps in memory is what it takes from the heap, from its file
 * and from its image; and an image that two versions are mapped from is known to be one.
 * Method: models of every reader and the rules, each loaded several times; what the C library says
 * that the later ones took from the heap is compared. It does not say so under a sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/image.h"
#include "engine/version.h"

#include "forest/forest_data.h"
#include "test_folder.h"

#include <glob.h>
#include <malloc.h>
#include <sys/stat.h>

#define COPIES ((size_t)6)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_HEAP false
#elif defined(__has_feature)
#define COUNTS_HEAP (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define COUNTS_HEAP true
#endif

static const char rules[] = "rules: 1\n"
                            "inputs: {amount: FP64, name: BYTES}\n"
                            "outputs: {prediction: FP64}\n"
                            "cases:\n"
                            "  - when: amount > 100 and name in ('a', 'b', 'c')\n"
                            "    then: 1\n"
                            "  - {otherwise: 0.5}\n";

static void put_file(const char *name, struct ax_str bytes)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(ax_file_make_folder(path, &err), 0);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(ax_file_replace(path, bytes, &err), 0);
}

/* The first model of a file of fixtures; see test_fixtures.c. */
static struct ax_str first_fixture(const char *name)
{
    char path[256];
    size_t len = 0;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf file;
    const char *data = getenv("AX_TEST_DATA");
    ax_buf_init(&file, (size_t)1 << 20);
    (void)snprintf(path, sizeof(path), "%s/forest/%s.fixtures", data ? data : "tests/data", name);
    assert_int_equal(ax_file_read(path, &file, &err), 0);
    struct ax_str all = ax_buf_str(&file);
    const char *count = memmem(all.ptr, all.len, "\nmodel ", 7);
    const char *end = memmem(all.ptr, all.len, "\nend\n", 5);
    assert_true(count && end && sscanf(count, "\nmodel %zu", &len) == 1);
    struct ax_str model = { end + 5, len };
    model.ptr = forest_copy(model);
    ax_buf_done(&file);
    return model;
}

static struct ax_version *load(struct ax_image_store *store)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    struct ax_version *version;
    struct ax_version_options options = { .images = store, .tune = true };
    (void)snprintf(path, sizeof(path), "%s/m/1", folder);
    if (ax_version_load(path, "m", 1, &options, &version, &err))
        fail_msg("%s", err.msg);
    return version;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Load the version of the folder several times, and compare. */
static void compare(const char *name, struct ax_image_store *store, enum ax_version_image image)
{
    struct ax_version *versions[2 * COPIES];
    size_t told = 0;
    size_t before = 0;
    for (size_t i = 0; i < 2 * COPIES; i++) {
        if (i == COPIES) /* Now they no longer live on what others have freed. */
            before = heap_bytes();
        versions[i] = load(store);
        told += i < COPIES ? 0 : ax_version_memory_bytes(versions[i]);
        assert_int_equal(versions[i]->image, image);
    }
    size_t taken = heap_bytes() - before;
    for (size_t i = 0; i < 2 * COPIES; i++)
        ax_version_unref(versions[i]);
    if (COUNTS_HEAP && (told > taken + taken / 20 + 2048 || taken > told + told / 20 + 2048))
        fail_msg("%s (image %d): %zu bytes are told of, %zu were taken", name, (int)image,
                 told / COPIES, taken / COPIES);
}

/* The sizes of all images of the store. */
static size_t image_bytes_on_disk(void)
{
    char path[256];
    glob_t files;
    struct stat info;
    size_t bytes = 0;
    (void)snprintf(path, sizeof(path), "%s/data/images/*-*", folder);
    assert_int_equal(glob(path, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        assert_int_equal(stat(files.gl_pathv[i], &info), 0);
        bytes += (size_t)info.st_size;
    }
    globfree(&files);
    return bytes;
}

static void compare_image(const char *name)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    (void)snprintf(path, sizeof(path), "%s/data", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), 0);
    assert_int_equal(
        ax_image_store_open(&(struct ax_image_config){ .state = path }, true, &store, &err), 0);
    struct ax_version *made = load(store);
    struct ax_version *one = load(store);
    struct ax_version *two = load(store);
    assert_int_equal(made->image, AX_VERSION_IMAGE_MADE);
    assert_int_equal(made->image_bytes, 0);
    assert_int_equal(one->image_bytes, image_bytes_on_disk());
    assert_int_equal(one->image_bytes, two->image_bytes);
    assert_true(one->image_key.digest.low == two->image_key.digest.low &&
                one->image_key.digest.high == two->image_key.digest.high);
    assert_true(ax_version_memory_bytes(one) < ax_version_memory_bytes(made));
    ax_version_unref(made);
    ax_version_unref(one);
    ax_version_unref(two);
    compare(name, store, AX_VERSION_IMAGE_USED);
    ax_image_store_free(store);
}

static void compare_model(const char *name, struct ax_str bytes)
{
    put_file("m/1/model", bytes);
    compare(name, NULL, AX_VERSION_IMAGE_NONE);
    compare_image(name);
    free((void *)(uintptr_t)bytes.ptr);
}

static void forests(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(forest_names); i++)
        compare_model(forest_names[i], forest_file(forest_names[i], "json"));
    static const char *const fixtures[] = { "catboost-1.2.10", "lightgbm-4.7.0", "xgboost-3.4.1" };
    for (size_t i = 0; i < AX_COUNT(fixtures); i++)
        compare_model(fixtures[i], first_fixture(fixtures[i]));
}

static void rules_and_yaml(void **state)
{
    (void)state;
    put_file("m/1/model", ax_str_from(rules));
    put_file("m/1/model.yaml",
             AX_STR("signature:\n  inputs:\n    - {name: amount, default: 3}\n"
                    "decision:\n  thresholds:\n    - {at_least: 0.5, action: block}\n"
                    "  otherwise: pass\n"));
    compare("rules", NULL, AX_VERSION_IMAGE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forests),
        cmocka_unit_test(rules_and_yaml),
    };
    return cmocka_run_group_tests_name("engine/version_memory", tests, make_folder, remove_folder);
}
