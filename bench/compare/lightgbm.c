/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LightGBM through its C API: the prepared single-row call for one row, the matrix call for more.
 *
 *   lightgbm LIB_LIGHTGBM MODEL
 *
 * One thread. The signatures and numbers are those of its c_api.h.
 */
#include "contestant.h"

#define TYPE_F64     1
#define RAW_SCORE    1
#define ROW_MAJOR    1
#define ALL_TREES    (-1)
#define ONE_THREAD   "num_threads=1"
#define NONE_SKIPPED 0

struct lightgbm {
    struct contestant base;
    const char *(*last_error)(void);
    int (*create)(const char *path, int *ret_iterations, void **ret_booster);
    int (*prepare)(void *booster, int predict_type, int start, int iterations, int data_type,
                   int32_t columns, const char *parameters, void **ret_prepared);
    int (*predict_one)(void *prepared, const void *values, int64_t *ret_length, double *margins);
    int (*predict_many)(void *booster, const void *values, int data_type, int32_t rows,
                        int32_t columns, int is_row_major, int predict_type, int start,
                        int iterations, const char *parameters, int64_t *ret_length,
                        double *margins);
    void *booster;
    void *prepared;
};

static struct contestant *lightgbm_open(char **words, const struct compare_rows *rows)
{
    struct lightgbm *l = ax_xalloc(sizeof(*l));
    void *library = compare_open_library(words[0]);
    compare_find(library, "LGBM_GetLastError", &l->last_error);
    compare_find(library, "LGBM_BoosterCreateFromModelfile", &l->create);
    compare_find(library, "LGBM_BoosterPredictForMatSingleRowFastInit", &l->prepare);
    compare_find(library, "LGBM_BoosterPredictForMatSingleRowFast", &l->predict_one);
    compare_find(library, "LGBM_BoosterPredictForMat", &l->predict_many);
    int iterations;
    if (l->create(words[1], &iterations, &l->booster) ||
        l->prepare(l->booster, RAW_SCORE, NONE_SKIPPED, ALL_TREES, TYPE_F64,
                   (int32_t)rows->features, ONE_THREAD, &l->prepared))
        compare_die("%s", l->last_error());
    l->base = (struct contestant){
        .kind = &contestant_lightgbm, .rows = rows, .row_type = AX_FP64, .margin_type = AX_FP64
    };
    return &l->base;
}

static void lightgbm_predict(struct contestant *contestant, const void *values, size_t count,
                             void *margins)
{
    struct lightgbm *l = container_of(contestant, struct lightgbm, base);
    int64_t length;
    int failed = count == 1
                     ? l->predict_one(l->prepared, values, &length, margins)
                     : l->predict_many(l->booster, values, TYPE_F64, (int32_t)count,
                                       (int32_t)contestant->rows->features, ROW_MAJOR, RAW_SCORE,
                                       NONE_SKIPPED, ALL_TREES, ONE_THREAD, &length, margins);
    if (failed)
        compare_die("%s", l->last_error());
}

const struct contestant_kind contestant_lightgbm = {
    .name = "lightgbm",
    .open = lightgbm_open,
    .predict = lightgbm_predict,
};
