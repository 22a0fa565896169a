/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is kept for these: the catalog is the truth. A version has lines of its own when it has
 * an account of its own, which bounds them; how many versions are in which state counts all.
 *
 * The state is a label of a line whose value is 1, and only the state of the moment has a line.
 */
#include "server/api/model_metrics.h"

#include "base/clock.h"
#include "base/json.h"

#include <assert.h>

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

/* A version that has lines of its own. */
struct line {
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
};

static void print_labels(struct ax_buf *out, const struct ax_metric_family *family,
                         const struct line *line, const char *state)
{
    const struct ax_str values[] = { ax_str_from(line->model->name),
                                     ax_str_from(line->version->text), ax_str_from(state) };
    (void)ax_buf_printf(out, "%s{", family->name);
    ax_metric_print_labels(out, family->labels, values);
    (void)ax_buf_append_str(out, AX_STR("} "));
}

static void print_resident(struct ax_buf *out, const struct line *line)
{
    print_labels(out, &resident_family, line, "");
    ax_json_put_u64(out, line->version->resident_bytes);
    (void)ax_buf_append_char(out, '\n');
}

static void print_load(struct ax_buf *out, const struct line *line)
{
    print_labels(out, &load_family, line, "");
    (void)ax_buf_printf(out, "%.6f\n", (double)line->version->load_ns / AX_NS_PER_S);
}

static void print_warm_up(struct ax_buf *out, const struct line *line)
{
    print_labels(out, &warm_up_family, line, "");
    (void)ax_buf_printf(out, "%.6f\n", (double)line->version->warm_up_ns / AX_NS_PER_S);
}

static void print_state(struct ax_buf *out, const struct line *line)
{
    print_labels(out, &state_family, line, ax_version_state_name(line->version->state));
    (void)ax_buf_append_str(out, AX_STR("1\n"));
}

static bool has_lines(const struct ax_catalog_version *version)
{
    const struct ax_account *account =
        version->served ? version->served->account : version->account;
    return account && !ax_account_is_shared(account);
}

/* Each version with lines, by `print`; or only those that are ready. */
static void print_each(const struct ax_catalog *catalog, struct ax_buf *out,
                       const struct ax_metric_family *family, bool only_ready,
                       void (*print)(struct ax_buf *out, const struct line *line))
{
    size_t at = 0;
    struct ax_str name;
    void *model;
    ax_metric_print_head(out, family);
    while (ax_map_next(&catalog->models, &at, &name, &model)) {
        struct line line = { .model = model };
        for (size_t i = 0; i < line.model->version_count; i++) {
            line.version = &line.model->versions[i];
            if (has_lines(line.version) && (line.version->served || !only_ready))
                print(out, &line);
        }
    }
}

static void print_states(const struct ax_catalog *catalog, struct ax_buf *out)
{
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

void ax_model_metrics_print(const struct ax_catalog *catalog, struct ax_buf *out)
{
    assert(catalog && out);
    print_states(catalog, out);
    print_each(catalog, out, &state_family, false, print_state);
    print_each(catalog, out, &resident_family, true, print_resident);
    print_each(catalog, out, &load_family, true, print_load);
    print_each(catalog, out, &warm_up_family, true, print_warm_up);
}
