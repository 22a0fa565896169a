/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a version answers the same whether its model comes from the file or from an image; an image
 * is used only for what it was made from, made when it is not there or not sound, and missed by
 * nobody when it cannot be made; what was measured about kernels is followed.
 * Method: a folder with a version of an XGBoost model and a store; loads in turn, with the files of
 * the store changed between them. Answers are compared as bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/forest_model.h"
#include "engine/version.h"

#include "forest/forest_data.h"
#include "test_folder.h"
#include "torture.h"

#include <glob.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 40

static void write_file(const char *name, struct ax_str bytes)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/1/%s", folder, name);
    if (ax_file_replace(path, bytes, &err))
        fail_msg("%s", err.msg);
}

/* The version's folder anew, with tests/data's `model` and `yaml`, and an empty store. */
static struct ax_image_store *begin(const char *model, const char *yaml)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    (void)snprintf(path, sizeof(path), "%s/1", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), 0);
    assert_int_equal(ax_file_make_folder(path, &err), 0);
    (void)snprintf(path, sizeof(path), "%s/data", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), 0);
    assert_int_equal(
        ax_image_store_open(&(struct ax_image_config){ .state = path }, true, &store, &err), 0);
    struct ax_str bytes = forest_file(model, "json");
    write_file("model.json", bytes);
    free((void *)(uintptr_t)bytes.ptr);
    if (yaml)
        write_file("model.yaml", ax_str_from(yaml));
    return store;
}

/* Load it; NULL when the torture run refused an allocation. */
static struct ax_version *load_with(const struct ax_version_options *options)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    struct ax_version *version = NULL;
    (void)snprintf(path, sizeof(path), "%s/1", folder);
    if (ax_version_load(path, "m", 1, options, &version, &err)) {
        if (!ax_torture_struck())
            fail_msg("%s", err.msg);
        assert_int_equal(err.code, AX_E_LIMIT);
    }
    return version;
}

static struct ax_version *load(struct ax_image_store *store, bool tune)
{
    const struct ax_version_options options = { .images = store, .tune = tune };
    return load_with(&options);
}

/* The only file of the store with that ending; the path is good until the next call. */
static const char *store_file(const char *ending)
{
    static char path[256];
    glob_t files;
    (void)snprintf(path, sizeof(path), "%s/data/images/*%s", folder, ending);
    assert_int_equal(glob(path, 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, 1);
    (void)snprintf(path, sizeof(path), "%s", files.gl_pathv[0]);
    globfree(&files);
    return path;
}

/* The margins of made-up rows, ROWS of them. */
static void ask(const struct ax_version *version, float *margins)
{
    const struct ax_signature *signature = &version->model->signature;
    size_t features = signature->input_count;
    float *rows = ax_xalloc(ROWS * features * sizeof(*rows));
    struct ax_column *columns = ax_xalloc(features * sizeof(*columns));
    for (size_t i = 0; i < ROWS * features; i++)
        rows[i] = i % 11 == 0 ? NAN : (float)(i * 37 % 101) / 25.0f - 2.0f;
    for (size_t i = 0; i < features; i++)
        columns[i] = (struct ax_column){
            .datatype = AX_FP32, .width = 1, .values = rows + i, .stride = features * sizeof(*rows)
        };
    struct ax_column out[2] = {
        { .datatype = AX_FP32, .width = 1 },
        { .datatype = AX_FP32, .width = 1, .values = margins, .stride = sizeof(*margins) }
    };
    struct ax_batch in = { ROWS, features, columns };
    struct ax_batch results = { ROWS, 2, out };
    struct ax_err err = AX_ERR_INIT;
    void *scratch =
        aligned_alloc(64, (ax_model_scratch_size(version->model, ROWS) + 63) & ~(size_t)63);
    assert_int_equal(ax_model_predict(version->model, &in, &results, scratch, &err), 0);
    free(scratch);
    free(columns);
    free(rows);
}

/* Load, and compare with what was answered before. */
static void expect(struct ax_image_store *store, enum ax_version_image image, const char *note,
                   const float *margins)
{
    float now[ROWS];
    struct ax_version *version = load(store, false);
    if (!version)
        return;
    if (!ax_torture_struck()) {
        assert_int_equal(version->image, image);
        assert_true(note ? version->image_note.code && strstr(version->image_note.msg, note)
                         : !version->image_note.code);
    }
    ask(version, now);
    assert_memory_equal(now, margins, sizeof(now));
    ax_version_unref(version);
}

static void the_second_load_has_an_image(void **state)
{
    (void)state;
    float first[ROWS], second[ROWS];
    struct ax_image_store *store = begin("binary", "signature: {labels: [fine, late]}");
    struct ax_version *made = load(store, false);
    struct ax_version *used = load(store, false);
    if (made && used && !ax_torture_struck()) {
        assert_int_equal(made->image, AX_VERSION_IMAGE_MADE);
        assert_int_equal(used->image, AX_VERSION_IMAGE_USED);
        assert_false(made->image_note.code || used->image_note.code);
        assert_string_equal(made->digest, used->digest);
        assert_string_equal(made->model->format, used->model->format);
        /* model.yaml is laid over both. */
        assert_int_equal(used->signature->label_count, 2);
        assert_int_equal(used->signature->output_count, made->signature->output_count);
        assert_true(
            ax_str_equals(used->signature->inputs[1].name, made->signature->inputs[1].name));
        ask(made, first);
        ax_version_unref(made);
        made = NULL;
        ax_image_store_free(store); /* What is mapped needs no store. */
        store = NULL;
        ask(used, second);
        assert_memory_equal(first, second, sizeof(first));
    }
    ax_version_unref(made);
    ax_version_unref(used);
    ax_image_store_free(store);
}

static void other_rounds_are_another_image(void **state)
{
    (void)state;
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *all = load(store, false);
    write_file("model.yaml", AX_STR("iterations: 2"));
    struct ax_version *two = load(store, false);
    struct ax_version *again = load(store, false);
    if (all && two && again && !ax_torture_struck()) {
        assert_int_equal(two->image, AX_VERSION_IMAGE_MADE);
        assert_int_equal(again->image, AX_VERSION_IMAGE_USED);
        assert_string_equal(again->model->iterations, two->model->iterations);
        assert_string_not_equal(again->model->iterations, all->model->iterations);
    }
    ax_version_unref(all);
    ax_version_unref(two);
    ax_version_unref(again);
    ax_image_store_free(store);
}

static void a_changed_model_is_read(void **state)
{
    (void)state;
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *before = load(store, false);
    struct ax_str bytes = forest_file("regression", "json");
    write_file("model.json", bytes);
    free((void *)(uintptr_t)bytes.ptr);
    struct ax_version *after = load(store, false);
    if (before && after && !ax_torture_struck()) {
        assert_int_equal(after->image, AX_VERSION_IMAGE_MADE);
        assert_string_not_equal(after->digest, before->digest);
        assert_int_equal(after->signature->task, AX_TASK_VALUE);
    }
    ax_version_unref(before);
    ax_version_unref(after);
    ax_image_store_free(store);
}

/* Replace the image by `len` of its bytes, the one at `flip` changed. */
/* Who knows the key has the image without a look at the file, which here is another one's; without
 * an image the file is read, and its own key is told. */
static void a_known_model_is_not_read(void **state)
{
    (void)state;
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *first = load(store, false);
    if (!first) {
        ax_image_store_free(store);
        return;
    }
    const struct ax_image_key key = first->image_key;
    assert_true(key.source_bytes > 0);
    const struct ax_version_options options = { .images = store, .known = &key };
    struct ax_str other = forest_file("regression", "json");
    write_file("model.json", other);
    struct ax_version *known = load_with(&options);
    if (known && !ax_torture_struck()) {
        assert_int_equal(known->image, AX_VERSION_IMAGE_USED);
        assert_string_equal(known->digest, first->digest);
        assert_memory_equal(&known->image_key, &key, sizeof(key));
    }
    ax_version_unref(known);
    if (!ax_torture_struck())
        assert_int_equal(unlink(store_file(".img")), 0);
    known = load_with(&options);
    if (known && !ax_torture_struck()) {
        assert_int_equal(known->image, AX_VERSION_IMAGE_MADE);
        assert_string_not_equal(known->digest, first->digest);
        assert_int_equal(known->image_key.source_bytes, other.len);
    }
    ax_version_unref(known);
    ax_version_unref(first);
    ax_image_store_free(store);
    free((void *)(uintptr_t)other.ptr);
}

static void damage_image(size_t len, size_t flip)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf bytes;
    const char *path = store_file(".img");
    ax_buf_init(&bytes, (size_t)1 << 20);
    assert_int_equal(ax_file_read(path, &bytes, &err), 0);
    bytes.ptr[AX_MIN(flip, bytes.len - 1)] ^= 0x40;
    struct ax_str some = { bytes.ptr, AX_MIN(len, bytes.len) };
    assert_int_equal(ax_file_replace(path, some, &err), 0);
    ax_buf_done(&bytes);
}

static void what_is_not_sound_is_made_anew(void **state)
{
    (void)state;
    static const struct {
        size_t len, flip;
        const char *note;
    } rows[] = {
        { SIZE_MAX, 0, "no image" },
        { SIZE_MAX, 1000, "checksum" },
        { SIZE_MAX, SIZE_MAX, "checksum" },
        { 0, 0, "empty" },
        { 100, 200, "cut off" },
        { 1000, 2000, "1000 bytes of" },
        { SIZE_MAX, 136, "another version" },
        { SIZE_MAX, 41, "another model file" },
    };
    float margins[ROWS];
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *version = load(store, false);
    if (version)
        ask(version, margins);
    for (size_t i = 0; version && i < AX_COUNT(rows) && !forest_is_torture(); i++) {
        damage_image(rows[i].len, rows[i].flip);
        expect(store, AX_VERSION_IMAGE_MADE, rows[i].note, margins);
        expect(store, AX_VERSION_IMAGE_USED, NULL, margins);
    }
    if (version && !forest_is_torture()) {
        /* Whole, ours, and with a sound checksum, but not what the engine writes. */
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf file;
        struct ax_str bytes = forest_file("binary", "json");
        struct ax_image_key key = ax_image_key_bytes(bytes, AX_STR("forest\0all"));
        static const char nothing[AX_IMAGE_HEADER_BYTES + 4096];
        ax_buf_init(&file, sizeof(nothing));
        assert_int_equal(ax_buf_append(&file, nothing, sizeof(nothing)), 0);
        assert_int_equal(ax_image_store_put(store, &key, ax_engine_forest.images->format,
                                            version->digest, &file, &err),
                         0);
        expect(store, AX_VERSION_IMAGE_MADE, "laid out", margins);
        expect(store, AX_VERSION_IMAGE_USED, NULL, margins);
        assert_int_equal(chmod(store_file(".img"), 0666), 0);
        expect(store, AX_VERSION_IMAGE_MADE, "others may write", margins);
        expect(store, AX_VERSION_IMAGE_USED, NULL, margins);
        free((void *)(uintptr_t)bytes.ptr);
        ax_buf_done(&file);
    }
    ax_version_unref(version);
    ax_image_store_free(store);
}

static void no_place_is_told_once(void **state)
{
    (void)state;
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    float margins[ROWS];
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *version = load(NULL, false);
    if (version) {
        assert_int_equal(version->image, AX_VERSION_IMAGE_NONE);
        ask(version, margins);
        (void)snprintf(path, sizeof(path), "%s/data", folder);
        assert_int_equal(ax_file_remove_tree(path, &err), 0);
        expect(store, AX_VERSION_IMAGE_NONE, "not kept", margins);
        expect(store, AX_VERSION_IMAGE_NONE, NULL, margins);
    }
    ax_version_unref(version);
    ax_image_store_free(store);
}

/* ---- kernels ---- */

static const struct ax_forest_plan *plan_of(const struct ax_version *version)
{
    return &container_of_const(version->model, struct ax_forest_model, base)->plan;
}

static void what_was_measured_is_followed(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    float margins[ROWS], now[ROWS];
    assert_int_equal(unsetenv(AX_KERNEL_VARIABLE), 0);
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *version = load(store, true);
    const struct ax_forest_kernel *best;
    assert_int_equal(ax_forest_kernel_default(&best, &err), 0);
    if (!version || ax_torture_struck() || best == &ax_kernel_portable) {
        ax_version_unref(version);
        ax_image_store_free(store);
        return;
    }
    ask(version, margins);
    assert_true(plan_of(version)->row_ns[0][0] > 0);
    ax_version_unref(version);
    /* Another choice than is likely: the portable kernel for all. Behind entries of no use. */
    ax_buf_init(&text, 1 << 16);
    assert_int_equal(ax_file_read(store_file(".tune"), &text, &err), 0);
    char *entry = ax_buf_take(&text);
    (void)ax_buf_append_str(&text, AX_STR("{\"cpu\":\"another\"}\nno JSON\n"));
    static const char key[] = "\"kernel\":\"";
    const char *from = entry;
    for (const char *at; (at = strstr(from, key)); from = strchr(at + strlen(key), '"')) {
        (void)ax_buf_append(&text, from, (size_t)(at - from) + strlen(key));
        (void)ax_buf_append_str(&text, AX_STR("portable"));
    }
    assert_int_equal(ax_buf_append_str(&text, ax_str_from(from)), 0);
    assert_int_equal(ax_file_replace(store_file(".tune"), ax_buf_str(&text), &err), 0);
    version = load(store, true);
    if (version && !ax_torture_struck()) {
        for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++)
            assert_ptr_equal(plan_of(version)->by_class[class], &ax_kernel_portable);
        ask(version, now);
        assert_memory_equal(now, margins, sizeof(now));
    }
    ax_version_unref(version);
    /* AUSPEX_KERNEL wins, and nothing is measured. */
    assert_int_equal(setenv(AX_KERNEL_VARIABLE, best->name, 1), 0);
    version = load(store, true);
    if (version && !ax_torture_struck()) {
        assert_ptr_equal(plan_of(version)->by_class[0], best);
        assert_true(plan_of(version)->row_ns[0][0] == 0);
    }
    ax_version_unref(version);
    assert_int_equal(unsetenv(AX_KERNEL_VARIABLE), 0);
    free(entry);
    ax_buf_done(&text);
    ax_image_store_free(store);
}

/* What stands in the file of tuning, and whether the entries of others are still there after a
 * load that had to measure. */
static void other_tunings_are_left_alone(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "",
        "no JSON at all",
        "{\"cpu\":\"another\",\"kernels\":\"x\"}\n",
        "[]\n{\"cpu\":\"another\"}\n\n{\"cpu\":",
        "{\"cpu\":\"another\"}\n{\"cpu\":\"a third\",\"classes\":[{}]}\n",
    };
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(unsetenv(AX_KERNEL_VARIABLE), 0);
    const struct ax_forest_kernel *best;
    assert_int_equal(ax_forest_kernel_default(&best, &err), 0);
    struct ax_image_store *store = begin("binary", NULL);
    struct ax_version *version = load(store, true);
    bool goes_on = version && !ax_torture_struck() && best != &ax_kernel_portable;
    ax_version_unref(version);
    for (size_t i = 0; goes_on && i < AX_COUNT(kept); i++) {
        struct ax_buf text;
        assert_int_equal(ax_file_replace(store_file(".tune"), ax_str_from(kept[i]), &err), 0);
        version = load(store, true);
        if (ax_torture_struck()) {
            ax_version_unref(version);
            break;
        }
        assert_false(version->image_note.code);
        assert_true(plan_of(version)->row_ns[0][0] > 0);
        ax_version_unref(version);
        ax_buf_init(&text, 1 << 16);
        assert_int_equal(ax_file_read(store_file(".tune"), &text, &err), 0);
        assert_true(strstr(kept[i], "another") == NULL ||
                    memmem(text.ptr, text.len, "another", 7) != NULL);
        assert_non_null(memmem(text.ptr, text.len, "\"kernels\":\"portable", 19));
        ax_buf_done(&text);
    }
    ax_image_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_load_has_an_image),
        cmocka_unit_test(other_rounds_are_another_image),
        cmocka_unit_test(a_changed_model_is_read),
        cmocka_unit_test(a_known_model_is_not_read),
        cmocka_unit_test(what_is_not_sound_is_made_anew),
        cmocka_unit_test(no_place_is_told_once),
        cmocka_unit_test(what_was_measured_is_followed),
        cmocka_unit_test(other_tunings_are_left_alone),
    };
    return cmocka_run_group_tests_name("engine/version_model", tests, make_folder, remove_folder);
}
