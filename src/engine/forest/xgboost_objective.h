/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What XGBoost's objectives make of margins, and of the base score that a file holds.
 *
 * A file is answered as the release that wrote it answers. Where releases differ, the version in
 * the file decides.
 */
#ifndef AX_ENGINE_FOREST_XGBOOST_OBJECTIVE_H
#define AX_ENGINE_FOREST_XGBOOST_OBJECTIVE_H

#include "engine/forest/forest.h"

struct ax_xgboost_version {
    int32_t major, minor;
};

/* How the stored base score becomes the margin that sums begin with. */
enum ax_xgboost_link {
    AX_XGBOOST_LINK_NONE,       /* it is a margin */
    AX_XGBOOST_LINK_LOGIT,      /* it is a probability */
    AX_XGBOOST_LINK_LOG,        /* it is e to the margin */
    AX_XGBOOST_LINK_EXPECTILES, /* ascending values; margins are the first and what gaps come from
                                 */
};

struct ax_xgboost_objective {
    const char *name;
    enum ax_task task;
    enum ax_transform transform;
    enum ax_transform probability; /* IDENTITY: margins mean none */
    enum ax_xgboost_link link;
};

/* The objective of that name, or NULL. */
const struct ax_xgboost_objective *ax_xgboost_objective_find(struct ax_str name);

/* The transform as that release has it. */
enum ax_transform ax_xgboost_objective_transform(const struct ax_xgboost_objective *objective,
                                                 struct ax_xgboost_version version);

/* Turn `count` finite base scores, one an output, into margins. Expected: INVALID (out of the
 * objective's range; the message says of what). */
AX_MUST_USE enum ax_code ax_xgboost_objective_link(const struct ax_xgboost_objective *objective,
                                                   struct ax_xgboost_version version, float *base,
                                                   size_t count, struct ax_err *err);

static inline bool ax_xgboost_version_is_before(struct ax_xgboost_version version, int32_t major,
                                                int32_t minor)
{
    return version.major < major || (version.major == major && version.minor < minor);
}

#endif
