/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Served versions and the catalog of them.
 *
 * Series are registered here, on a control thread, so that the data plane only writes to numbers it
 * finds. A label is never taken from a request: what names no model of ours is counted under empty
 * names, however it was spelled.
 */
#include "server/catalog.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>

static const struct ax_metric_family requests_family = {
    .name = "ax_requests_total",
    .help = "Prediction requests that were answered, by the outcome's code.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version,code",
};

static const struct ax_metric_family rows_family = {
    .name = "ax_rows_total",
    .help = "Rows that were scored.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family batches_family = {
    .name = "ax_batches_total",
    .help = "Calls of the engine: joined requests, or a slice of a large one.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family request_seconds_family = {
    .name = "ax_request_duration_seconds",
    .help = "From the first byte of a prediction request to its answer.",
    .type = AX_METRIC_HISTOGRAM,
    .labels = "model,version",
};

static const struct ax_metric_family predict_seconds_family = {
    .name = "ax_predict_duration_seconds",
    .help = "A call of the engine.",
    .type = AX_METRIC_HISTOGRAM,
    .labels = "model,version",
};

/* The outcomes that are counted apart; any other one counts as INTERNAL. */
static const enum ax_code counted_codes[] = {
    AX_OK,      AX_E_INVALID,     AX_E_NOT_FOUND,   AX_E_CANCELLED, AX_E_TOO_LARGE,
    AX_E_LIMIT, AX_E_UNAVAILABLE, AX_E_UNSUPPORTED, AX_E_INTERNAL,
};

static struct ax_served_metrics no_model;

static enum ax_code metrics_register(struct ax_served_metrics *metrics, const char *model,
                                     const char *version, struct ax_err *err)
{
    struct ax_str labels[3] = { ax_str_from(model), ax_str_from(version) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        labels[2] = ax_str_from(ax_code_name(counted_codes[i]));
        if (ax_metric_register(&requests_family, labels, &metrics->requests[counted_codes[i]], err))
            return err->code;
    }
    if (ax_metric_register(&request_seconds_family, labels, &metrics->request_seconds, err))
        return err->code;
    /* Without a model nothing is scored. */
    if (!model[0])
        return AX_OK;
    if (ax_metric_register(&rows_family, labels, &metrics->rows, err) ||
        ax_metric_register(&batches_family, labels, &metrics->batches, err) ||
        ax_metric_register(&predict_seconds_family, labels, &metrics->predict_seconds, err))
        return err->code;
    return AX_OK;
}

enum ax_code ax_catalog_register_no_model(struct ax_err *err)
{
    return metrics_register(&no_model, "", "", err);
}

const struct ax_served_metrics *ax_catalog_no_model(void)
{
    return &no_model;
}

void ax_served_count(const struct ax_served_metrics *metrics, enum ax_code code, uint64_t began_ns)
{
    assert(metrics && code < AX_CODE_COUNT);
    ax_metric counter = metrics->requests[code];
    ax_metric_add(counter ? counter : metrics->requests[AX_E_INTERNAL], 1);
    ax_metric_observe_ns(metrics->request_seconds, ax_clock_ns() - began_ns);
}

enum ax_code ax_served_new(struct ax_version *version, struct ax_served **ret_served,
                           struct ax_err *err)
{
    assert(version && ret_served && err);
    struct ax_served *served = ax_xalloc(sizeof(*served));
    atomic_init(&served->refs, 1);
    atomic_init(&served->row_ns, 0);
    if (metrics_register(&served->metrics, version->model_name, version->text, err)) {
        free(served);
        return ax_err_context(err, "model '%s' version %s", version->model_name, version->text);
    }
    served->version = ax_version_ref(version);
    *ret_served = served;
    return AX_OK;
}

struct ax_served *ax_served_ref(struct ax_served *served)
{
    assert(served);
    (void)atomic_fetch_add_explicit(&served->refs, 1, memory_order_relaxed);
    return served;
}

void ax_served_unref(struct ax_served *served)
{
    if (!served || atomic_fetch_sub_explicit(&served->refs, 1, memory_order_acq_rel) > 1)
        return;
    ax_version_unref(served->version);
    free(served);
}

struct ax_catalog *ax_catalog_new(void)
{
    struct ax_catalog *catalog = ax_xalloc(sizeof(*catalog));
    ax_map_init(&catalog->models);
    return catalog;
}

void ax_catalog_free(struct ax_catalog *catalog)
{
    if (!catalog)
        return;
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&catalog->models, &at, &name, &value)) {
        struct ax_served_model *model = value;
        for (size_t i = 0; i < model->version_count; i++)
            ax_served_unref(model->versions[i]);
        free(model->versions);
        free(model);
    }
    ax_map_done(&catalog->models);
    for (size_t i = 0; i < catalog->index_count; i++) {
        free(catalog->index[i].model);
        free(catalog->index[i].version);
        free(catalog->index[i].reason);
    }
    free(catalog->index);
    free(catalog);
}

static struct ax_served_model *catalog_add_model(struct ax_catalog *catalog, const char *name)
{
    struct ax_served_model *model = ax_map_get(&catalog->models, ax_str_from(name));
    if (model)
        return model;
    model = ax_xalloc(sizeof(*model));
    (void)ax_map_put(&catalog->models, ax_str_from(name), model);
    return model;
}

static void catalog_add_entry(struct ax_catalog *catalog, const char *model, const char *version,
                              const char *reason)
{
    catalog->index = ax_xrealloc(catalog->index, catalog->index_count + 1, sizeof(*catalog->index));
    catalog->index[catalog->index_count++] = (struct ax_catalog_entry){
        .model = ax_xstrdup(model),
        .version = ax_xstrdup(version),
        .reason = reason ? ax_xstrdup(reason) : NULL,
    };
}

enum ax_code ax_catalog_add(struct ax_catalog *catalog, struct ax_version *version,
                            struct ax_err *err)
{
    assert(catalog && version && err);
    struct ax_served *served;
    if (ax_served_new(version, &served, err))
        return err->code;
    struct ax_served_model *model = catalog_add_model(catalog, version->model_name);
    model->versions =
        ax_xrealloc(model->versions, model->version_count + 1, sizeof(struct ax_served *));
    size_t at = model->version_count++;
    for (; at > 0 && model->versions[at - 1]->version->number > version->number; at--)
        model->versions[at] = model->versions[at - 1];
    model->versions[at] = served;
    catalog_add_entry(catalog, version->model_name, version->text, NULL);
    return AX_OK;
}

void ax_catalog_add_failed(struct ax_catalog *catalog, const char *model, const char *version,
                           const char *reason)
{
    assert(catalog && model && version && reason);
    (void)catalog_add_model(catalog, model);
    catalog_add_entry(catalog, model, version, reason);
}

bool ax_catalog_is_ready(const struct ax_catalog *catalog)
{
    assert(catalog);
    size_t at = 0;
    struct ax_str name;
    void *value;
    bool ready = catalog->is_complete;
    while (ready && ax_map_next(&catalog->models, &at, &name, &value))
        ready = ((const struct ax_served_model *)value)->version_count > 0;
    return ready;
}

bool ax_catalog_knows(const struct ax_catalog *catalog, struct ax_str model, struct ax_str version)
{
    assert(catalog);
    for (size_t i = 0; i < catalog->index_count; i++)
        if (ax_str_is(model, catalog->index[i].model) &&
            (version.len == 0 || ax_str_is(version, catalog->index[i].version)))
            return true;
    return false;
}

static enum ax_code catalog_fail(const struct ax_catalog *catalog, struct ax_str model,
                                 struct ax_str version, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(model, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (!catalog->is_complete)
        return ax_fail(err, AX_E_UNAVAILABLE, "the models are still being loaded");
    if (version.len == 0)
        return ax_fail(err, AX_E_NOT_FOUND, "Request for unknown model: '%.*s' is not found",
                       AX_STR_ARG(name));
    return ax_fail(err, AX_E_NOT_FOUND,
                   "Request for unknown model: '%.*s' version %.*s is not found", AX_STR_ARG(name),
                   AX_STR_ARG(ax_str_cut(version, AX_SIGNATURE_SHOWN_BYTES_MAX)));
}

enum ax_code ax_catalog_version(const struct ax_catalog *catalog, struct ax_str model,
                                struct ax_str version, struct ax_served **ret_served,
                                struct ax_err *err)
{
    assert(catalog && ret_served && err);
    const struct ax_served_model *found = ax_map_get(&catalog->models, model);
    size_t count = found ? found->version_count : 0;
    if (count == 0)
        return catalog_fail(catalog, model, AX_STR(""), err);
    if (version.len == 0) {
        *ret_served = found->versions[count - 1];
        return AX_OK;
    }
    for (size_t i = count; i > 0; i--) {
        if (ax_str_is(version, found->versions[i - 1]->version->text)) {
            *ret_served = found->versions[i - 1];
            return AX_OK;
        }
    }
    return catalog_fail(catalog, model, version, err);
}
