/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's popularity: fed each minute from the accounts, kept on disk each ten minutes and at
 * the end, and asked for what each model is worth; docs/internals/popularity.md.
 */
#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/image.h"
#include "server/popularity.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#define TICK_NS  ((uint64_t)60 * AX_NS_PER_S)
#define KEEP_NS  ((uint64_t)600 * AX_NS_PER_S)
#define HOUR_US  ((int64_t)3600 * 1000000)
#define AHEAD_US ((int64_t)600 * 1000000)

/* Where it is kept; false: nowhere. */
static bool popularity_path(const struct ax_fleet *fleet, char path[PATH_MAX])
{
    const struct ax_image_config *images = fleet->config->repository->images;
    int len = images && images->state[0]
                  ? snprintf(path, PATH_MAX, "%s/" AX_POPULARITY_NAME, images->state)
                  : 0;
    return len > 0 && len < PATH_MAX;
}

void ax_fleet_popularity_begin(struct ax_fleet *fleet)
{
    assert(fleet && !fleet->popularity);
    char path[PATH_MAX];
    struct ax_err err = AX_ERR_INIT;
    int64_t wall_us = ax_clock_wall_us();
    if (popularity_path(fleet, path)) {
        ax_popularity_sweep(fleet->config->repository->images->state, wall_us);
        if (ax_popularity_read(path, &fleet->popularity, &err) && err.code != AX_E_NOT_FOUND &&
            !fleet->is_state_told)
            ax_log(AX_LOG_WARN, "popularity of models begun anew", AX_LOG_TEXT("file", path),
                   AX_LOG_ERR(&err));
    }
    if (!fleet->popularity)
        fleet->popularity = ax_popularity_new();
    (void)ax_popularity_tick(fleet->popularity, wall_us, 0);
    fleet->ticked_ns = fleet->written_ns = ax_clock_ns();
}

double ax_fleet_worth(const struct ax_fleet *fleet, const char *model_name)
{
    assert(fleet && model_name);
    struct ax_str name = ax_str_from(model_name);
    int64_t wall_us = ax_clock_wall_us();
    double now = ax_popularity_worth(fleet->popularity, name, wall_us);
    double soon = ax_popularity_expected(fleet->popularity, name, wall_us + AHEAD_US);
    return AX_MAX(now, soon);
}

/* Requests for a model so far. An account that others share tells nothing about it. */
static void fleet_count(struct ax_fleet *fleet, struct ax_fleet_model *model)
{
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        struct ax_account_reading reading;
        if (!version->account || ax_account_is_shared(version->account))
            continue;
        ax_account_read(version->account, &reading);
        uint64_t received = ax_account_received(&reading);
        model->asked_count += received >= version->counted ? received - version->counted : received;
        version->counted = received;
    }
    ax_popularity_count(fleet->popularity, ax_str_from(model->name), model->asked_count);
}

static void fleet_write(struct ax_fleet *fleet, uint64_t now_ns)
{
    char path[PATH_MAX];
    struct ax_err err = AX_ERR_INIT;
    fleet->written_ns = now_ns;
    if (!popularity_path(fleet, path) ||
        (!ax_file_make_private_folder(fleet->config->repository->images->state, &err) &&
         !ax_popularity_write(fleet->popularity, path, &err))) {
        fleet->is_state_told = false;
        return;
    }
    if (!fleet->is_state_told)
        ax_log(AX_LOG_WARN, "popularity of models not kept", AX_LOG_ERR(&err));
    fleet->is_state_told = true; /* It would be the same each time. */
}

/* Once an hour, ten minutes before the next one: what will be asked then is to be there. */
static void fleet_preload_hour(struct ax_fleet *fleet, int64_t wall_us)
{
    int64_t soon = (wall_us + AHEAD_US) / HOUR_US;
    if (!fleet->config->preload_hourly || soon == wall_us / HOUR_US ||
        soon == fleet->foreseen_hour || !ax_popularity_has_cycle(fleet->popularity))
        return;
    fleet->foreseen_hour = soon;
    for (size_t i = 0; i < fleet->model_count; i++) {
        struct ax_fleet_model *model = fleet->models[i];
        for (size_t k = 0; model->worth > 0 && k < model->version_count; k++)
            model->versions[k]->is_foreseen =
                model->versions[k]->is_target && !model->versions[k]->loaded.served;
        if (model->worth > 0)
            ax_fleet_review(fleet, model);
    }
}

static void fleet_tick(struct ax_fleet *fleet, uint64_t now_ns)
{
    int64_t wall_us = ax_clock_wall_us();
    for (size_t i = 0; i < fleet->model_count; i++)
        fleet_count(fleet, fleet->models[i]);
    bool is_hour_over = ax_popularity_tick(fleet->popularity, wall_us, now_ns - fleet->ticked_ns);
    fleet->ticked_ns = now_ns;
    for (size_t i = 0; i < fleet->model_count; i++)
        fleet->models[i]->worth = ax_fleet_worth(fleet, fleet->models[i]->name);
    if (is_hour_over || now_ns - fleet->written_ns >= KEEP_NS)
        fleet_write(fleet, now_ns);
    fleet_preload_hour(fleet, wall_us);
}

void ax_fleet_popularity_look(struct ax_fleet *fleet)
{
    assert(fleet);
    uint64_t now_ns = ax_clock_ns();
    if (now_ns - fleet->ticked_ns >= TICK_NS)
        fleet_tick(fleet, now_ns);
    ax_fleet_wake_by(fleet, fleet->ticked_ns + TICK_NS);
}

void ax_fleet_popularity_end(struct ax_fleet *fleet)
{
    assert(fleet);
    uint64_t now_ns = ax_clock_ns();
    fleet_tick(fleet, now_ns);
    fleet_write(fleet, now_ns);
}
