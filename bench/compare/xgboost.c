/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XGBoost through its C API: in-place prediction, which is its fastest way from a matrix to
 * margins.
 *
 *   xgboost LIBXGBOOST MODEL
 *
 * The matrix is described by a JSON text for each call, as the interface wants it; the library
 * writes into memory of its own, from where the margins are copied. The signatures are those of its
 * c_api.h.
 */
#include "contestant.h"

#include <inttypes.h>
#include <stdio.h>

struct xgboost {
    struct contestant base;
    const char *(*last_error)(void);
    int (*create)(const void *const *matrices, uint64_t count, void **ret_booster);
    int (*load)(void *booster, const char *path);
    int (*set_param)(void *booster, const char *name, const char *value);
    int (*predict)(void *booster, const char *values, const char *config, void *matrix,
                   const uint64_t **ret_shape, uint64_t *ret_dim, const float **ret_result);
    void *booster;
};

static struct contestant *xgboost_open(char **words, const struct compare_rows *rows)
{
    struct xgboost *x = ax_xalloc(sizeof(*x));
    void *library = compare_open_library(words[0]);
    compare_find(library, "XGBGetLastError", &x->last_error);
    compare_find(library, "XGBoosterCreate", &x->create);
    compare_find(library, "XGBoosterLoadModel", &x->load);
    compare_find(library, "XGBoosterSetParam", &x->set_param);
    compare_find(library, "XGBoosterPredictFromDense", &x->predict);
    if (x->create(NULL, 0, &x->booster) || x->load(x->booster, words[1]) ||
        x->set_param(x->booster, "nthread", "1"))
        compare_die("%s", x->last_error());
    x->base = (struct contestant){
        .kind = &contestant_xgboost, .rows = rows, .row_type = AX_FP32, .margin_type = AX_FP32
    };
    return &x->base;
}

static void xgboost_predict(struct contestant *contestant, const void *values, size_t count,
                            void *margins)
{
    struct xgboost *x = container_of(contestant, struct xgboost, base);
    char described[200];
    (void)snprintf(described, sizeof(described),
                   "{\"data\":[%" PRIuPTR ",true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\","
                   "\"version\":3}",
                   (uintptr_t)values, count, contestant->rows->features);
    static const char config[] = "{\"type\":1,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"missing\":NaN,\"strict_shape\":true,"
                                 "\"cache_id\":0}";
    const uint64_t *shape;
    uint64_t dim;
    const float *result;
    if (x->predict(x->booster, described, config, NULL, &shape, &dim, &result))
        compare_die("%s", x->last_error());
    memcpy(margins, result, count * sizeof(*result));
}

const struct contestant_kind contestant_xgboost = {
    .name = "xgboost",
    .open = xgboost_open,
    .predict = xgboost_predict,
};
