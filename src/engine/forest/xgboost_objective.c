/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of objectives, and the links of base scores, operation by operation in f32 as the
 * library computes them.
 *
 * Two things changed over the releases. Since 3.2 a base probability is bounded to [1e-6, 1 - 1e-6]
 * before its logit is taken; before, it had to lie inside (0, 1). Since 3.4 the quantiles of a row
 * are sorted; before, they came as the trees had them, crossed or not.
 */
#include "engine/forest/xgboost_objective.h"

#include "engine/forest/transform.h"

#include <assert.h>
#include <math.h>

#define VALUE(name, transform, link) \
    { name, AX_TASK_VALUE, transform, AX_TRANSFORM_IDENTITY, AX_XGBOOST_LINK_##link }

static const struct ax_xgboost_objective objectives[] = {
    VALUE("binary:hinge", AX_TRANSFORM_HINGE, NONE),
    { "binary:logistic", AX_TASK_BINARY, AX_TRANSFORM_SIGMOID, AX_TRANSFORM_SIGMOID,
      AX_XGBOOST_LINK_LOGIT },
    { "binary:logitraw", AX_TASK_BINARY, AX_TRANSFORM_IDENTITY, AX_TRANSFORM_SIGMOID,
      AX_XGBOOST_LINK_NONE },
    VALUE("count:poisson", AX_TRANSFORM_EXP, LOG),
    { "multi:softmax", AX_TASK_MULTICLASS, AX_TRANSFORM_ARGMAX, AX_TRANSFORM_SOFTMAX,
      AX_XGBOOST_LINK_NONE },
    { "multi:softprob", AX_TASK_MULTICLASS, AX_TRANSFORM_SOFTMAX, AX_TRANSFORM_SOFTMAX,
      AX_XGBOOST_LINK_NONE },
    VALUE("rank:map", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("rank:ndcg", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("rank:pairwise", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("reg:absoluteerror", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("reg:expectileerror", AX_TRANSFORM_EXPECTILES, EXPECTILES),
    VALUE("reg:gamma", AX_TRANSFORM_EXP, LOG),
    VALUE("reg:linear", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("reg:logistic", AX_TRANSFORM_SIGMOID, LOGIT),
    VALUE("reg:pseudohubererror", AX_TRANSFORM_IDENTITY, NONE),
    { "reg:quantileerror", AX_TASK_QUANTILES, AX_TRANSFORM_SORT, AX_TRANSFORM_IDENTITY,
      AX_XGBOOST_LINK_NONE },
    VALUE("reg:squarederror", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("reg:squaredlogerror", AX_TRANSFORM_IDENTITY, NONE),
    VALUE("reg:tweedie", AX_TRANSFORM_EXP, LOG),
    VALUE("survival:aft", AX_TRANSFORM_EXP_WIDE, LOG),
    VALUE("survival:cox", AX_TRANSFORM_EXP, LOG),
};

const struct ax_xgboost_objective *ax_xgboost_objective_find(struct ax_str name)
{
    for (size_t i = 0; i < AX_COUNT(objectives); i++) {
        if (ax_str_is(name, objectives[i].name))
            return &objectives[i];
    }
    return NULL;
}

enum ax_transform ax_xgboost_objective_transform(const struct ax_xgboost_objective *objective,
                                                 struct ax_xgboost_version version)
{
    assert(objective);
    bool is_sorted = !ax_xgboost_version_is_before(version, 3, 4);
    if (objective->transform == AX_TRANSFORM_SORT && !is_sorted)
        return AX_TRANSFORM_IDENTITY;
    return objective->transform;
}

static enum ax_code link_logit(struct ax_xgboost_version version, float *base, struct ax_err *err)
{
    bool is_bounded = !ax_xgboost_version_is_before(version, 3, 2);
    if (is_bounded ? !(*base >= 0.0f && *base <= 1.0f) : !(*base > 0.0f && *base < 1.0f))
        return ax_fail(err, AX_E_INVALID, "%g is no probability", (double)*base);
    *base = is_bounded ? ax_transform_logit(*base) : -logf(1.0f / *base - 1.0f);
    return AX_OK;
}

/* The inverse of AX_TRANSFORM_EXPECTILES, from the last one on. */
static void link_expectiles(float *base, size_t count)
{
    const float eps = 1e-6f;
    for (size_t i = count - 1; i > 0; i--) {
        float gap = base[i] - base[i - 1] - eps;
        if (gap < eps)
            gap = eps;
        base[i] = gap + logf(-expm1f(-gap));
    }
}

enum ax_code ax_xgboost_objective_link(const struct ax_xgboost_objective *objective,
                                       struct ax_xgboost_version version, float *base, size_t count,
                                       struct ax_err *err)
{
    assert(objective && base && count && err);
    switch (objective->link) {
    case AX_XGBOOST_LINK_NONE:
        return AX_OK;
    case AX_XGBOOST_LINK_LOGIT:
        for (size_t i = 0; i < count; i++) {
            if (link_logit(version, &base[i], err))
                return err->code;
        }
        return AX_OK;
    case AX_XGBOOST_LINK_LOG:
        for (size_t i = 0; i < count; i++) {
            if (base[i] < 0.0f)
                return ax_fail(err, AX_E_INVALID, "%g is below 0", (double)base[i]);
            base[i] = logf(base[i]); /* of 0, which labels of nothing but 0 lead to: -inf */
        }
        return AX_OK;
    case AX_XGBOOST_LINK_EXPECTILES:
        link_expectiles(base, count);
        return AX_OK;
    }
    assert(!"no such link");
    return AX_OK;
}
