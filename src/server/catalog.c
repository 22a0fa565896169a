/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Served versions and the catalog of them.
 */
#include "server/catalog.h"

#include "base/alloc.h"

#include <assert.h>

enum ax_code ax_served_new(struct ax_version *version, struct ax_served **ret_served,
                           struct ax_err *err)
{
    assert(version && ret_served && err);
    struct ax_served *served = ax_xalloc(sizeof(*served));
    atomic_init(&served->refs, 1);
    atomic_init(&served->row_ns, 0);
    atomic_init(&served->last_ms, 0);
    if (ax_account_init(&served->account, version->model_name, version->text, err)) {
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

void ax_catalog_split_name(struct ax_str name, struct ax_str *ret_model, struct ax_str *ret_version)
{
    assert((name.ptr || !name.len) && ret_model && ret_version);
    const char *slash = name.len ? memrchr(name.ptr, '/', name.len) : NULL;
    size_t len = slash ? (size_t)(slash - name.ptr) : name.len;
    *ret_model = name;
    *ret_version = AX_STR("");
    /* No model's name holds '/', so with an empty part the whole is the name of none. */
    if (len == 0 || len + 1 >= name.len)
        return;
    *ret_model = (struct ax_str){ name.ptr, len };
    *ret_version = (struct ax_str){ slash + 1, name.len - len - 1 };
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
