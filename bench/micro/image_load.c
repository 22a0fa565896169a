/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loading a model version costs: from its model file, and from its image.
 *
 *   image_load FOLDER MODEL-FILE STATE [ROUNDS]
 *
 * FOLDER is a version's, MODEL-FILE the one in it, STATE an empty folder where the image is kept.
 * Each round loads the version in both ways, as the server does, but without measuring kernels
 * (that is kept, too), and takes the parts of a load from the image apart: the digest of the model
 * file, and mapping and checking. Files are in the page cache. Printed are the least and the median
 * of the rounds, in milliseconds.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/image.h"
#include "engine/version.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 1000

enum way { FROM_SOURCE, FROM_IMAGE, DIGEST, WAY_COUNT };

static const char *const names[WAY_COUNT] = { [FROM_SOURCE] = "from source",
                                              [FROM_IMAGE] = "from image",
                                              [DIGEST] = "  of it, digest of the file" };

static void die(const char *what)
{
    (void)fprintf(stderr, "image_load: %s\n", what);
    exit(1);
}

/* One load, in milliseconds. */
static double load(const char *folder, struct ax_image_store *store, enum ax_version_image wanted)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_version *version;
    struct ax_version_options options = { .images = store };
    uint64_t began_ns = ax_clock_ns();
    if (ax_version_load(folder, "m", 1, &options, &version, &err))
        die(err.msg);
    double ms = (double)(ax_clock_ns() - began_ns) * 1e-6;
    if (version->image != wanted)
        die("not loaded as it should be");
    ax_version_unref(version);
    return ms;
}

static double digest(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_key key;
    uint64_t began_ns = ax_clock_ns();
    if (ax_image_key_file(path, AX_STR("all"), &key, &err))
        die(err.msg);
    return (double)(ax_clock_ns() - began_ns) * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double times[WAY_COUNT][ROUNDS_MAX];
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store;
    uint64_t rounds = 15;
    if (argc < 4 || (argc > 4 && !ax_str_to_u64(ax_str_from(argv[4]), &rounds)) || !rounds ||
        rounds > ROUNDS_MAX)
        die("FOLDER MODEL-FILE STATE [ROUNDS]");
    if (ax_image_store_open(argv[3], true, &store, &err))
        die(err.msg);
    (void)load(argv[1], store, AX_VERSION_IMAGE_MADE);
    for (size_t i = 0; i < rounds; i++) {
        times[FROM_SOURCE][i] = load(argv[1], NULL, AX_VERSION_IMAGE_NONE);
        times[FROM_IMAGE][i] = load(argv[1], store, AX_VERSION_IMAGE_USED);
        times[DIGEST][i] = digest(argv[2]);
    }
    for (size_t way = 0; way < WAY_COUNT; way++) {
        qsort(times[way], rounds, sizeof(double), by_value);
        printf("%-28s least %8.3f ms, median %8.3f ms\n", names[way], times[way][0],
               times[way][rounds / 2]);
    }
    ax_image_store_free(store);
    return 0;
}
