/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going through the versions of a catalog, by the names of models and then by numbers, in steps
 * between which the catalog may be another one.
 *
 * The place is kept by name, so a version that is there all the time is met once, and one that
 * comes or goes meanwhile is met once or not at all. Nothing is held. Data plane.
 */
#ifndef AX_SERVER_CATALOG_WALK_H
#define AX_SERVER_CATALOG_WALK_H

#include "server/catalog.h"
#include "server/repository.h"

/* Zeroed, it begins with the first version of the first model. */
struct ax_catalog_walk {
    char model[AX_MODEL_NAME_BYTES_MAX + 1]; /* of the next version, or the first name behind it */
    uint64_t number;                         /* likewise, of that model */
    const struct ax_catalog *catalog;        /* of this step, and the place in it */
    size_t model_at, version_at;
};

/* Begin with a model's first version; when there is no such model, with the next one. */
void ax_catalog_walk_seek(struct ax_catalog_walk *walk, struct ax_str model);

/* A step begins, in this catalog. */
void ax_catalog_walk_enter(struct ax_catalog_walk *walk, const struct ax_catalog *catalog);

/* The next version and its model; a model that has none comes with NULL. False: that was all. */
bool ax_catalog_walk_next(struct ax_catalog_walk *walk, const struct ax_catalog_model **ret_model,
                          const struct ax_catalog_version **ret_version);

/* The model of the next version, whose versions are passed over. False: that was all. */
bool ax_catalog_walk_next_model(struct ax_catalog_walk *walk,
                                const struct ax_catalog_model **ret_model);

#endif
