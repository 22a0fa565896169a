/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loading a model version costs: from its model file, from its image, and XGBoost to load the
 * same file.
 *
 *   image_load FOLDER MODEL-FILE STATE [ROUNDS [LIBXGBOOST]]
 *
 * FOLDER is a version's, MODEL-FILE the one in it, STATE an empty folder where the image is kept.
 * Each round loads the version in all ways, one after the other: as the server does, but without
 * measuring kernels (that is kept, too), and by XGBoosterLoadModel with one thread. The digest of
 * the model file, which is the part of a load from the image that has to be, is taken apart. Files
 * are in the page cache. Printed are the least and the median of the rounds, in milliseconds, by
 * the clock and of the processor: where others want it, too, the latter alone tells something.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/library.h"
#include "engine/image.h"
#include "engine/version.h"
#include "program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 1000

enum way { FROM_SOURCE, FROM_IMAGE, DIGEST, XGBOOST, WAY_COUNT };

static const char *const names[WAY_COUNT] = { [FROM_SOURCE] = "from source",
                                              [FROM_IMAGE] = "from image",
                                              [DIGEST] = "  of it, digest of the file",
                                              [XGBOOST] = "XGBoost's own load" };

struct taken {
    double wall_ms;
    double cpu_ms;
};

static double cpu_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static struct taken begin(void)
{
    return (struct taken){ (double)ax_clock_ns() * 1e-6, cpu_now_ms() };
}

static struct taken since(struct taken began)
{
    struct taken now = begin();
    return (struct taken){ now.wall_ms - began.wall_ms, now.cpu_ms - began.cpu_ms };
}

static struct taken load(const char *folder, struct ax_image_store *store,
                         enum ax_version_image wanted)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_version *version;
    struct ax_version_options options = { .images = store };
    struct taken began = begin();
    if (ax_version_load(folder, "m", 1, &options, &version, &err))
        die(err.msg);
    struct taken taken = since(began);
    if (version->image != wanted)
        die("not loaded as it should be");
    ax_version_unref(version);
    return taken;
}

static struct taken digest(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_key key;
    struct taken began = begin();
    if (ax_image_key_file(path, AX_STR("all"), &key, &err))
        die(err.msg);
    return since(began);
}

/* The signatures are those of its c_api.h. */
struct library {
    int (*create)(const void *const *matrices, uint64_t count, void **ret_booster);
    int (*set_param)(void *booster, const char *name, const char *value);
    int (*load)(void *booster, const char *path);
    int (*free)(void *booster);
};

static void find(void *library, const char *name, void *ret_function)
{
    void *function = dlsym(library, name);
    if (!function)
        die(name);
    memcpy(ret_function, &function, sizeof(function));
}

static struct library open_library(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    struct library library;
    void *opened;
    bool changed_fp;
    if (ax_library_open(path, &opened, &changed_fp, &err))
        die(err.msg);
    find(opened, "XGBoosterCreate", &library.create);
    find(opened, "XGBoosterSetParam", &library.set_param);
    find(opened, "XGBoosterLoadModel", &library.load);
    find(opened, "XGBoosterFree", &library.free);
    return library;
}

static struct taken library_load(const struct library *library, const char *path)
{
    void *booster;
    if (library->create(NULL, 0, &booster) || library->set_param(booster, "nthread", "1"))
        die("XGBoosterCreate");
    struct taken began = begin();
    if (library->load(booster, path))
        die("XGBoosterLoadModel");
    struct taken taken = since(began);
    if (library->free(booster))
        die("XGBoosterFree");
    return taken;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_way(enum way way, double *wall_ms, double *cpu_ms, size_t rounds)
{
    qsort(wall_ms, rounds, sizeof(double), by_value);
    qsort(cpu_ms, rounds, sizeof(double), by_value);
    printf("%-28s least %8.3f ms, median %8.3f ms; of the processor %8.3f and %8.3f ms\n",
           names[way], wall_ms[0], wall_ms[rounds / 2], cpu_ms[0], cpu_ms[rounds / 2]);
}

int main(int argc, char **argv)
{
    static double wall_ms[WAY_COUNT][ROUNDS_MAX], cpu_ms[WAY_COUNT][ROUNDS_MAX];
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store;
    uint64_t rounds = 15;
    if (argc < 4 || argc > 6 || (argc > 4 && !ax_str_to_u64(ax_str_from(argv[4]), &rounds)) ||
        !rounds || rounds > ROUNDS_MAX)
        die("FOLDER MODEL-FILE STATE [ROUNDS [LIBXGBOOST]]");
    if (ax_image_store_open(&(struct ax_image_config){ .state = argv[3] }, true, &store, &err))
        die(err.msg);
    bool has_library = argc == 6;
    struct library library = { 0 };
    if (has_library)
        library = open_library(argv[5]);
    (void)load(argv[1], store, AX_VERSION_IMAGE_MADE);
    for (size_t i = 0; i < rounds; i++) {
        const struct taken taken[WAY_COUNT] = {
            [FROM_SOURCE] = load(argv[1], NULL, AX_VERSION_IMAGE_NONE),
            [FROM_IMAGE] = load(argv[1], store, AX_VERSION_IMAGE_USED),
            [DIGEST] = digest(argv[2]),
            [XGBOOST] = has_library ? library_load(&library, argv[2]) : (struct taken){ 0 },
        };
        for (size_t way = 0; way < WAY_COUNT; way++) {
            wall_ms[way][i] = taken[way].wall_ms;
            cpu_ms[way][i] = taken[way].cpu_ms;
        }
    }
    for (size_t way = 0; way < (has_library ? WAY_COUNT : XGBOOST); way++)
        print_way((enum way)way, wall_ms[way], cpu_ms[way], rounds);
    ax_image_store_free(store);
    return 0;
}
