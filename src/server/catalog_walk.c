/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models stand in a catalog in the order of their names, versions in a model in that of their
 * numbers, so a place is found by halving. Within a step it is two indexes.
 */
#include "server/catalog_walk.h"

#include <assert.h>
#include <string.h>

/* Behind all versions of a model: no number is as high. */
#define NUMBER_NONE UINT64_MAX

static const struct ax_catalog_model *model_at(const struct ax_catalog *catalog, size_t index)
{
    return catalog->models.entries[index].value;
}

/* The first model whose name is this one or behind it. */
static size_t find_model(const struct ax_catalog *catalog, const char *name)
{
    size_t low = 0;
    size_t high = catalog->models.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(model_at(catalog, middle)->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ax_catalog_walk_seek(struct ax_catalog_walk *walk, struct ax_str model)
{
    assert(walk && (model.ptr || !model.len));
    /* No model's name is longer, and one that is cut is found to be another. */
    size_t len = AX_MIN(model.len, (size_t)AX_MODEL_NAME_BYTES_MAX);
    memcpy(walk->model, model.ptr, len);
    walk->model[len] = '\0';
    walk->number = 0;
}

void ax_catalog_walk_enter(struct ax_catalog_walk *walk, const struct ax_catalog *catalog)
{
    assert(walk && catalog);
    /* Nothing is ever taken out of a catalog, so its map has no holes. */
    assert(catalog->models.entry_count == catalog->models.count);
    walk->catalog = catalog;
    walk->model_at = find_model(catalog, walk->model);
    walk->version_at = 0;
    if (walk->model_at == catalog->models.count)
        return;
    const struct ax_catalog_model *model = model_at(catalog, walk->model_at);
    if (strcmp(model->name, walk->model) != 0 || walk->number == 0)
        return;
    walk->version_at = ax_catalog_model_seek(model, walk->number);
    if (walk->version_at == model->version_count)
        walk->model_at++, walk->version_at = 0;
}

/* `model` was met up to below `number`. */
static void walk_note(struct ax_catalog_walk *walk, const struct ax_catalog_model *model,
                      uint64_t number)
{
    size_t bytes = strlen(model->name) + 1;
    assert(bytes <= sizeof(walk->model));
    memcpy(walk->model, model->name, bytes);
    walk->number = number;
}

bool ax_catalog_walk_next(struct ax_catalog_walk *walk, const struct ax_catalog_model **ret_model,
                          const struct ax_catalog_version **ret_version)
{
    assert(walk && walk->catalog && ret_model && ret_version);
    if (walk->model_at == walk->catalog->models.count)
        return false;
    const struct ax_catalog_model *model = model_at(walk->catalog, walk->model_at);
    const struct ax_catalog_version *version =
        model->version_count ? &model->versions[walk->version_at++] : NULL;
    walk_note(walk, model, version ? version->number + 1 : NUMBER_NONE);
    if (walk->version_at == model->version_count)
        walk->model_at++, walk->version_at = 0;
    *ret_model = model;
    *ret_version = version;
    return true;
}

bool ax_catalog_walk_next_model(struct ax_catalog_walk *walk,
                                const struct ax_catalog_model **ret_model)
{
    assert(walk && walk->catalog && ret_model);
    if (walk->model_at == walk->catalog->models.count)
        return false;
    const struct ax_catalog_model *model = model_at(walk->catalog, walk->model_at++);
    walk->version_at = 0;
    walk_note(walk, model, NUMBER_NONE);
    *ret_model = model;
    return true;
}
