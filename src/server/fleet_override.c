/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overrides in the fleet: those of before at its start, and those that a load tries.
 *
 * A try changes where the model's versions are listed and which settings they get: what should be
 * ready then follows as ever, beside what answers. What is loaded for it is held, and nothing is
 * retired. When the load is over, the try is kept, which shows all that is held in one catalog, or
 * given up, which is listing again what was in force.
 */
#include "server/fleet_control.h"

#include "base/log.h"
#include "engine/image.h"

#include <assert.h>

const struct ax_override *ax_fleet_model_override(const struct ax_fleet_model *model)
{
    assert(model);
    return model->is_trying ? model->candidate : model->override;
}

const char *ax_fleet_model_source(const struct ax_fleet_model *model, const char *repository)
{
    const struct ax_override *override = ax_fleet_model_override(model);
    const char *folder = override ? ax_override_folder(override) : NULL;
    return folder ? folder : repository;
}

void ax_fleet_model_end_try(struct ax_fleet_model *model)
{
    assert(model);
    for (size_t i = 0; i < model->version_count; i++)
        ax_fleet_version_drop_held(model->versions[i]);
    if (model->is_trying)
        ax_override_discard(model->candidate);
    model->candidate = NULL;
    model->is_trying = false;
}

unsigned ax_fleet_try(struct ax_fleet *fleet, struct ax_str name, struct ax_override *candidate)
{
    struct ax_fleet_model *model = ax_fleet_find(fleet, name);
    if (!candidate && (!model || (!model->override && !model->is_trying)))
        return 0;
    if (!model)
        model = ax_fleet_add(fleet, ax_override_model(candidate));
    /* Two that want the repository's own files try the same. */
    if (!candidate && model->is_trying && !model->candidate)
        return model->try_number;
    ax_fleet_model_end_try(model);
    model->is_trying = true;
    model->candidate = candidate;
    return ++model->try_number;
}

/* In force, on disk first, then for requests. */
static enum ax_code keep(struct ax_fleet *fleet, struct ax_fleet_model *model, struct ax_err *err)
{
    if (model->candidate ? ax_override_commit(model->candidate, err)
                         : ax_overrides_clear(fleet->overrides, model->name, err))
        return err->code;
    ax_override_discard(model->override);
    model->override = model->candidate;
    model->candidate = NULL;
    model->is_trying = false;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (!version->held.served)
            continue;
        ax_fleet_show(fleet, version, &version->held);
        version->held = (struct ax_loaded){ 0 };
    }
    ax_fleet_review(fleet, model);
    return AX_OK;
}

void ax_fleet_end_try(struct ax_fleet *fleet, struct ax_str name, unsigned try_number,
                      struct ax_err *err)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_fleet_model *model = ax_fleet_find(fleet, name);
    if (!model || !try_number)
        return;
    if (model->try_number != try_number) {
        (void)ax_fail(err, AX_E_CONFLICT, "another load of it came meanwhile");
        return;
    }
    if (!model->is_trying || (!err->code && !keep(fleet, model, err)))
        return;
    ax_fleet_model_end_try(model);
    (void)(ax_fleet_list_one(fleet, name, &model, &ignored) != AX_OK);
}

static void take_overrides(struct ax_fleet *fleet)
{
    struct ax_override *override;
    while ((override = ax_overrides_take(fleet->overrides))) {
        struct ax_err ignored = AX_ERR_INIT;
        struct ax_str name = ax_str_from(ax_override_model(override));
        struct ax_fleet_model *model = ax_fleet_find(fleet, name);
        model = model ? model : ax_fleet_add(fleet, name.ptr);
        model->override = override;
        ax_log(AX_LOG_INFO, "override in force", AX_LOG_STR("model", name),
               AX_LOG_TEXT("files", ax_override_folder(override) ? "its own" : "the repository's"));
        /* What is wrong is told where models are listed. */
        (void)(ax_fleet_list_one(fleet, name, &model, &ignored) != AX_OK);
    }
}

/* Where nothing can be kept, nothing is in force, and models are served without. What is in force
 * and cannot be had is no reason to serve something else. */
enum ax_code ax_fleet_open_overrides(struct ax_fleet *fleet, struct ax_err *err)
{
    const struct ax_image_config *images = fleet->config->repository->images;
    struct ax_err failure = AX_ERR_INIT;
    size_t count = images ? ax_overrides_count(images->state) : 0;
    if (!images || fleet->config->model_control != AX_MODEL_CONTROL_EXPLICIT) {
        if (count)
            ax_log(AX_LOG_WARN, "overrides are not in force without --model-control explicit",
                   AX_LOG_U64("overrides", count));
        return AX_OK;
    }
    if (ax_overrides_open(images->state, &fleet->overrides, &failure)) {
        if (count)
            return ax_fail(err, failure.code, "%s", failure.msg);
        if (!fleet->is_state_told)
            ax_log(AX_LOG_WARN, "loads with parameters are refused", AX_LOG_ERR(&failure));
        return AX_OK;
    }
    take_overrides(fleet);
    return AX_OK;
}

struct ax_overrides *ax_fleet_overrides(const struct ax_fleet *fleet)
{
    assert(fleet);
    return fleet->overrides;
}
