/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loading a model version costs: from its model file, and from its image.
 *
 *   image_load FOLDER MODEL-FILE STATE [ROUNDS]
 *
 * FOLDER is a version's, MODEL-FILE the one in it, STATE an empty folder where the image is kept.
 * Each round loads the version in both ways, as the server does, but without measuring kernels
 * (that is kept, too), and takes the digest of the model file, which is the part of a load from the
 * image that has to be, apart. Files are in the page cache. Printed are the least and the median of
 * the rounds, in milliseconds, and the least time that the thread had the processor: where others
 * want it, too, that alone tells something.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/image.h"
#include "engine/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

struct taken {
    double wall_ms;
    double cpu_ms;
};

static double cpu_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
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

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double wall_ms[WAY_COUNT][ROUNDS_MAX], cpu_ms[WAY_COUNT][ROUNDS_MAX];
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
        const struct taken taken[WAY_COUNT] = {
            [FROM_SOURCE] = load(argv[1], NULL, AX_VERSION_IMAGE_NONE),
            [FROM_IMAGE] = load(argv[1], store, AX_VERSION_IMAGE_USED),
            [DIGEST] = digest(argv[2]),
        };
        for (size_t way = 0; way < WAY_COUNT; way++) {
            wall_ms[way][i] = taken[way].wall_ms;
            cpu_ms[way][i] = taken[way].cpu_ms;
        }
    }
    for (size_t way = 0; way < WAY_COUNT; way++) {
        qsort(wall_ms[way], rounds, sizeof(double), by_value);
        qsort(cpu_ms[way], rounds, sizeof(double), by_value);
        printf("%-28s least %8.3f ms, median %8.3f ms, of the processor least %8.3f ms\n",
               names[way], wall_ms[way][0], wall_ms[way][rounds / 2], cpu_ms[way][0]);
    }
    ax_image_store_free(store);
    return 0;
}
