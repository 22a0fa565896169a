/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is kept for these: the catalog is the truth. A version has lines of its own when it has
 * an account of its own, which bounds them; how many versions are in which state counts all, a few
 * nanoseconds each.
 *
 * The state is a label of a line whose value is 1, and only the state of the moment has a line.
 */
#include "server/api/model_metrics.h"

#include <assert.h>
#include <stdio.h>

#define STATES (AX_VERSION_FAILED + 1)

static const struct ax_metric_family versions_family = {
    .name = "ax_model_versions",
    .help = "Versions by their state, all that the folder holds.",
    .type = AX_METRIC_GAUGE,
    .labels = "state",
};

static const struct ax_metric_family state_family = {
    .name = "ax_model_state",
    .help = "1; the version's state is the label.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version,state",
};

static const struct ax_metric_family resident_family = {
    .name = "ax_model_resident_bytes",
    .help = "Memory of a version that is ready, its image included, also when others share it.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static const struct ax_metric_family load_family = {
    .name = "ax_model_load_seconds",
    .help = "Seconds that loading a version took that is ready.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static const struct ax_metric_family warm_up_family = {
    .name = "ax_model_warm_up_seconds",
    .help = "Seconds that its warm-up took.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static uint64_t read_resident(const struct ax_version_line *line)
{
    return line->resident_bytes;
}

static void print_load(struct ax_buf *out, const struct ax_metric_family *family,
                       const struct ax_version_line *line)
{
    ax_version_line_print_seconds(out, family, line, line->load_ns);
}

static void print_warm_up(struct ax_buf *out, const struct ax_metric_family *family,
                          const struct ax_version_line *line)
{
    ax_version_line_print_seconds(out, family, line, line->warm_up_ns);
}

static void print_state(struct ax_buf *out, const struct ax_metric_family *family,
                        const struct ax_version_line *line)
{
    if (!line->is_listed)
        return;
    char label[32];
    int len = snprintf(label, sizeof(label), "state=\"%s\"", ax_version_state_name(line->state));
    ax_version_line_print_name(out, family, line, (struct ax_str){ label, (size_t)len });
    (void)ax_buf_append_str(out, AX_STR("1\n"));
}

const struct ax_version_family ax_model_metrics[AX_MODEL_METRICS] = {
    { .family = &state_family, .print = print_state },
    { .family = &resident_family, .is_of_ready = true, .read = read_resident },
    { .family = &load_family, .is_of_ready = true, .print = print_load },
    { .family = &warm_up_family, .is_of_ready = true, .print = print_warm_up },
};

void ax_model_metrics_print_states(const struct ax_catalog *catalog, struct ax_buf *out)
{
    assert(catalog && out);
    size_t counts[STATES] = { 0 };
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&catalog->models, &at, &name, &value)) {
        const struct ax_catalog_model *model = value;
        for (size_t i = 0; i < model->version_count; i++)
            counts[model->versions[i].state]++;
    }
    ax_metric_print_head(out, &versions_family);
    for (size_t i = 0; i < STATES; i++)
        (void)ax_buf_printf(out, "%s{state=\"%s\"} %zu\n", versions_family.name,
                            ax_version_state_name((enum ax_version_state)i), counts[i]);
}
