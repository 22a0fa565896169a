/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's folder of state: whether there is one, the images in it, and what is told of them.
 *
 * A folder that is of no use is told of once, when the fleet begins: what each of those that keep
 * something there cannot keep follows from it. Images are opened for the loaders and counted for
 * the metrics here; they are kept within their limit where they are written
 * (engine/image_keeper.h).
 */
#include "server/fleet_control.h"

#include "base/file.h"
#include "base/log.h"
#include "engine/image.h"
#include "server/fleet_metrics.h"

#include <assert.h>
#include <string.h>

void ax_fleet_state_begin(struct ax_fleet *fleet)
{
    assert(fleet);
    const struct ax_image_config *images = fleet->config->repository->images;
    struct ax_err err = AX_ERR_INIT;
    if (!images)
        return;
    if (!images->state[0])
        (void)ax_fail(&err, AX_E_INVALID, "state: no folder is named");
    else
        (void)(ax_file_make_private_folder(images->state, &err) != AX_OK);
    if (!err.code)
        return;
    fleet->is_state_told = true;
    ax_log(AX_LOG_WARN,
           "no folder of state: models are served without images, and what is asked when is not "
           "kept",
           AX_LOG_ERR(&err));
}

void ax_fleet_open_images(struct ax_fleet *fleet)
{
    assert(fleet && !fleet->loaders.images);
    const struct ax_image_config *images = fleet->config->repository->images;
    struct ax_err err = AX_ERR_INIT;
    fleet->loaders.tune = images != NULL;
    if (!images || !images->images ||
        !ax_image_store_open(images, true, &fleet->loaders.images, &err) || fleet->is_state_told)
        return;
    fleet->is_state_told = true;
    ax_log(AX_LOG_WARN, "models are served without images", AX_LOG_ERR(&err));
}

void ax_fleet_tell_images(struct ax_fleet *fleet)
{
    assert(fleet);
    struct ax_image_usage usage;
    struct ax_image_usage *told = &fleet->images_told;
    if (!fleet->loaders.images)
        return;
    ax_image_store_usage(fleet->loaders.images, &usage);
    if (fleet->has_told_images && memcmp(&usage, told, sizeof(usage)) == 0)
        return;
    fleet->has_told_images = true;
    uint64_t removed = usage.removed_count - told->removed_count;
    ax_fleet_metrics_images(&usage, removed, fleet->config->repository->images->images_bytes_max);
    if (removed)
        ax_log(AX_LOG_INFO, "images removed", AX_LOG_U64("files", removed),
               AX_LOG_U64("files_left", usage.file_count), AX_LOG_U64("bytes_left", usage.bytes));
    *told = usage;
}
