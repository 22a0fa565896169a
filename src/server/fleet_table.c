/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's models: the table of them, what their folders hold, and the review, which finds what
 * follows from whatever changed.
 */
#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>

#define TURN_MS 20 /* so long it stays, until those who waited have had their turn */

/* Where a model of that name is among the models, or is to be. */
static size_t fleet_place(const struct ax_fleet *fleet, struct ax_str name)
{
    size_t low = 0, high = fleet->model_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ax_str_compare(ax_str_from(fleet->models[middle]->name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct ax_fleet_model *ax_fleet_find(const struct ax_fleet *fleet, struct ax_str name)
{
    size_t at = fleet_place(fleet, name);
    return at < fleet->model_count && ax_str_is(name, fleet->models[at]->name) ? fleet->models[at]
                                                                               : NULL;
}

struct ax_fleet_model *ax_fleet_add(struct ax_fleet *fleet, const char *name)
{
    size_t at = fleet_place(fleet, ax_str_from(name));
    if (fleet->model_count == fleet->model_cap) {
        fleet->model_cap = AX_MAX(2 * fleet->model_cap, (size_t)16);
        fleet->models =
            ax_xrealloc(fleet->models, fleet->model_cap, sizeof(struct ax_fleet_model *));
    }
    memmove(&fleet->models[at + 1], &fleet->models[at],
            (fleet->model_count - at) * sizeof(struct ax_fleet_model *));
    fleet->models[at] = ax_fleet_model_new(name);
    fleet->models[at]->worth = ax_fleet_worth(fleet, name);
    fleet->model_count++;
    return fleet->models[at];
}

void ax_fleet_retire(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (fleet->draining_count == fleet->draining_cap) {
        fleet->draining_cap = AX_MAX(2 * fleet->draining_cap, (size_t)16);
        fleet->draining =
            ax_xrealloc(fleet->draining, fleet->draining_cap, sizeof(*fleet->draining));
    }
    fleet->draining[fleet->draining_count++] =
        (struct ax_fleet_draining){ .served = version->loaded.served,
                                    .version = version,
                                    .footprint = { version->loaded.memory_bytes,
                                                   version->loaded.image_bytes,
                                                   version->loaded.image_key.digest },
                                    .began_ns = ax_clock_ns() };
    ax_log(AX_LOG_DEBUG, "model version draining", AX_LOG_TEXT("model", version->model->name),
           AX_LOG_TEXT("version", version->text));
    version->draining_count++;
    version->loaded.served = NULL;
}

void ax_fleet_show(struct ax_fleet *fleet, struct ax_fleet_version *version,
                   const struct ax_loaded *loaded)
{
    if (version->loaded.served)
        ax_fleet_retire(fleet, version);
    version->loaded = *loaded;
    ax_fleet_version_note_settings(version);
    version->is_in_force = true;
    version->ready_ms = ax_clock_ns() / AX_NS_PER_MS;
    version->turn_ms = version->wanting_count ? version->ready_ms + TURN_MS : 0;
    if (ax_fleet_version_is_current(version))
        version->ready_number = fleet->load_count;
}

bool ax_fleet_pins(const struct ax_fleet *fleet, const struct ax_fleet_model *model)
{
    bool pinned = model->settings.is_pinned;
    for (size_t i = 0; !pinned && i < fleet->config->pinned.count; i++)
        pinned = strcmp(fleet->config->pinned.texts[i], model->name) == 0;
    return pinned;
}

bool ax_fleet_preloads(const struct ax_fleet *fleet, const struct ax_fleet_version *version,
                       bool model_answers)
{
    const struct ax_fleet_model *model = version->model;
    if (version->is_asked || version->is_foreseen || ax_fleet_version_is_awaited(version))
        return true;
    if (version->is_left_out)
        return false;
    if (fleet->config->preload == AX_PRELOAD_ALL ||
        (fleet->config->preload == AX_PRELOAD_POPULAR && model->worth > 0))
        return true;
    return model_answers || ax_fleet_pins(fleet, model);
}

void ax_fleet_touch(struct ax_fleet *fleet, struct ax_fleet_model *model)
{
    model->is_touched = true;
    fleet->touched_count++;
}

void ax_fleet_review(struct ax_fleet *fleet, struct ax_fleet_model *model)
{
    ax_fleet_touch(fleet, model);
    ax_fleet_model_choose(model);
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (version->stands_in && !version->is_standing_told)
            ax_log(AX_LOG_WARN, "model version stands in", AX_LOG_TEXT("model", model->name),
                   AX_LOG_TEXT("version", version->text));
        version->is_standing_told = version->stands_in;
        if (ax_fleet_version_must_retire(version)) {
            version->is_in_force = false;
            if (version->loaded.served)
                ax_fleet_retire(fleet, version);
        }
        if (version->held.served && !ax_fleet_version_is_held(version))
            ax_fleet_version_drop_held(version);
    }
    bool answers = ax_fleet_model_answers(model); /* once: a model may have many versions */
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (!version->load && !version->is_pending && !version->held.served &&
            ax_fleet_version_is_due(version) && ax_fleet_preloads(fleet, version, answers))
            ax_fleet_add_pending(fleet, version);
    }
}

static void fleet_list_model(struct ax_fleet *fleet, struct ax_fleet_model *model,
                             const struct ax_repository_model *listing)
{
    ax_fleet_model_list(model, listing);
    fleet->has_more_room = true; /* It may be pinned no more. */
    if (listing && model->err.code && !model->is_warned) {
        ax_log(AX_LOG_ERROR,
               listing->version_count ? "model settings refused" : "model without versions",
               AX_LOG_TEXT("model", model->name), AX_LOG_ERR(&model->err));
        model->is_warned = true;
    }
    ax_fleet_review(fleet, model);
}

/* Look at one model's folder again, and lay its override over what is there. */
enum ax_code ax_fleet_list_one(struct ax_fleet *fleet, struct ax_str name,
                               struct ax_fleet_model **ret_model, struct ax_err *err)
{
    struct ax_repository_model listing = { 0 };
    struct ax_fleet_model *model = ax_fleet_find(fleet, name);
    const struct ax_override *override = model ? ax_fleet_model_override(model) : NULL;
    const char *source =
        model ? ax_fleet_model_source(model, fleet->config->models) : fleet->config->models;
    *ret_model = model;
    if (ax_repository_list_model(source, name, &fleet->repository, &listing, err)) {
        /* What cannot be tried takes nothing away. */
        if (err->code == AX_E_NOT_FOUND && model && !model->is_trying)
            fleet_list_model(fleet, model, NULL);
        return err->code;
    }
    *ret_model = model ? model : ax_fleet_add(fleet, listing.name);
    if (override && ax_override_config(override).len && !listing.err.code)
        (void)(ax_model_settings_config(ax_override_config(override), name, &listing.settings,
                                        &listing.err) != AX_OK);
    fleet_list_model(fleet, *ret_model, &listing);
    ax_repository_model_done(&listing);
    return AX_OK;
}

/* Listings are sorted as the models are; those that it lacks are gone. */
static void fleet_take_listing(struct ax_fleet *fleet, const struct ax_repository *listing)
{
    struct ax_err ignored = AX_ERR_INIT;
    for (size_t i = 0; i < listing->model_count; i++) {
        const struct ax_repository_model *listed = &listing->models[i];
        struct ax_fleet_model *model = ax_fleet_find(fleet, ax_str_from(listed->name));
        if (model && ax_fleet_model_override(model))
            continue;
        fleet_list_model(fleet, model ? model : ax_fleet_add(fleet, listed->name), listed);
    }
    for (size_t i = 0; i < fleet->model_count; i++) {
        struct ax_fleet_model *model = fleet->models[i];
        if (ax_fleet_model_override(model))
            (void)(ax_fleet_list_one(fleet, ax_str_from(model->name), &model, &ignored) != AX_OK);
        else if (model->is_listed && !ax_repository_model(listing, ax_str_from(model->name)))
            fleet_list_model(fleet, model, NULL);
    }
}

enum ax_code ax_fleet_list_all(struct ax_fleet *fleet, struct ax_err *err)
{
    struct ax_repository *listing;
    if (ax_repository_list(fleet->config->models, &fleet->repository, &listing, err))
        return err->code;
    fleet_take_listing(fleet, listing);
    ax_repository_free(listing);
    return AX_OK;
}
