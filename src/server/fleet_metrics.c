/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gauge is a sum of changes (base/metric.h), so setting one adds what it lacks; only the control
 * thread does.
 */
#include "server/fleet_metrics.h"

#include "engine/image_keeper.h"

#include <assert.h>

static const struct ax_metric_family load_family = {
    .name = "ax_model_load_duration_seconds",
    .help = "Loading a version: reading, checking, compiling or mapping.",
    .type = AX_METRIC_HISTOGRAM,
};

static const struct ax_metric_family warm_up_family = {
    .name = "ax_model_warm_up_duration_seconds",
    .help = "Scoring rows for trial before a version is ready.",
    .type = AX_METRIC_HISTOGRAM,
};

static const struct ax_metric_family memory_family = {
    .name = "ax_model_memory_bytes",
    .help = "Memory of loaded versions, and of those that drain; an image that several share once.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family limit_family = {
    .name = "ax_model_memory_limit_bytes",
    .help = "The limit of that (model_memory_max); 0: none.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family image_bytes_family = {
    .name = "ax_image_bytes",
    .help = "Disk that compiled models take, with what was measured about them.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family image_limit_family = {
    .name = "ax_image_limit_bytes",
    .help = "The limit of that (images_bytes_max); 0: none.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family image_files_family = {
    .name = "ax_image_files",
    .help = "Files that these are.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family images_removed_family = {
    .name = "ax_images_removed_total",
    .help = "Files of these that were removed, since the limit was reached.",
    .type = AX_METRIC_COUNTER,
};

static const struct ax_metric_family waiting_family = {
    .name = "ax_model_waiting_requests",
    .help = "Requests that wait for a version to be loaded.",
    .type = AX_METRIC_GAUGE,
};

static struct {
    ax_metric load, warm_up, memory, limit, waiting;
    ax_metric image_bytes, image_limit, image_files, images_removed;
} metrics;

enum ax_code ax_fleet_metrics_register(struct ax_err *err)
{
    assert(err);
    if (ax_metric_register(&load_family, NULL, &metrics.load, err) ||
        ax_metric_register(&warm_up_family, NULL, &metrics.warm_up, err) ||
        ax_metric_register(&memory_family, NULL, &metrics.memory, err) ||
        ax_metric_register(&limit_family, NULL, &metrics.limit, err) ||
        ax_metric_register(&waiting_family, NULL, &metrics.waiting, err) ||
        ax_metric_register(&image_bytes_family, NULL, &metrics.image_bytes, err) ||
        ax_metric_register(&image_limit_family, NULL, &metrics.image_limit, err) ||
        ax_metric_register(&image_files_family, NULL, &metrics.image_files, err) ||
        ax_metric_register(&images_removed_family, NULL, &metrics.images_removed, err))
        return err->code;
    return AX_OK;
}

void ax_fleet_metrics_loaded(const struct ax_account *account, uint64_t load_ns,
                             uint64_t warm_up_ns)
{
    assert(account);
    ax_metric_add(account->loads, 1);
    ax_metric_observe_ns(metrics.load, load_ns);
    ax_metric_observe_ns(metrics.warm_up, warm_up_ns);
}

void ax_fleet_metrics_failed(const struct ax_account *account)
{
    assert(account);
    ax_metric_add(account->load_failures, 1);
}

void ax_fleet_metrics_evicted(const struct ax_account *account)
{
    assert(account);
    ax_metric_add(account->evictions, 1);
}

static void gauge_set(ax_metric gauge, size_t value)
{
    ax_metric_gauge_add(gauge, (int64_t)value - ax_metric_read(gauge));
}

void ax_fleet_metrics_memory(size_t used_bytes, size_t limit_bytes)
{
    gauge_set(metrics.memory, used_bytes);
    gauge_set(metrics.limit, limit_bytes);
}

void ax_fleet_metrics_images(const struct ax_image_usage *usage, uint64_t removed_more,
                             size_t limit_bytes)
{
    assert(usage);
    gauge_set(metrics.image_bytes, usage->bytes);
    gauge_set(metrics.image_limit, limit_bytes);
    gauge_set(metrics.image_files, usage->file_count);
    ax_metric_add(metrics.images_removed, removed_more);
}

void ax_fleet_metrics_waiting(size_t count)
{
    gauge_set(metrics.waiting, count);
}
