/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Served versions and the catalog of them.
 */
#include "server/catalog.h"

#include "base/alloc.h"

#include <assert.h>

enum ax_code ax_served_new(struct ax_version *version, const struct ax_model_settings *settings,
                           struct ax_served **ret_served, struct ax_err *err)
{
    assert(version && settings && ret_served && err);
    struct ax_served *served = ax_xalloc(sizeof(*served));
    atomic_init(&served->refs, 1);
    atomic_init(&served->cost.packed, 0);
    atomic_init(&served->last_ms, 0);
    atomic_init(&served->used_ms, 0);
    atomic_init(&served->service_inputs, NULL);
    served->account = ax_account_open(version->model_name, version->text);
    served->version = ax_version_ref(version);
    served->settings = *settings;
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
    ax_account_unref(served->account);
    free(atomic_load_explicit(&served->service_inputs, memory_order_relaxed));
    free(served);
}

bool ax_served_is_last(const struct ax_served *served)
{
    assert(served);
    return atomic_load_explicit(&served->refs, memory_order_acquire) == 1;
}

static const struct {
    const char *name, *oip;
} version_states[] = {
    [AX_VERSION_UNLOADED] = { "unloaded", "UNAVAILABLE" },
    [AX_VERSION_LOADING] = { "loading", "LOADING" },
    [AX_VERSION_WARMING] = { "warming", "LOADING" },
    [AX_VERSION_READY] = { "ready", "READY" },
    [AX_VERSION_DRAINING] = { "draining", "UNLOADING" },
    [AX_VERSION_FAILED] = { "failed", "UNAVAILABLE" },
};

const char *ax_version_state_name(enum ax_version_state state)
{
    assert((size_t)state < AX_COUNT(version_states));
    return version_states[state].name;
}

const char *ax_version_state_oip(enum ax_version_state state)
{
    assert((size_t)state < AX_COUNT(version_states));
    return version_states[state].oip;
}

struct ax_catalog_model *ax_catalog_model_new(const char *name, size_t version_count)
{
    assert(name);
    struct ax_catalog_model *model = ax_xalloc(sizeof(*model));
    atomic_init(&model->refs, 1);
    model->name = ax_xstrdup(name);
    model->versions = ax_xalloc(version_count * sizeof(*model->versions));
    model->version_count = version_count;
    return model;
}

struct ax_catalog_model *ax_catalog_model_ref(struct ax_catalog_model *model)
{
    assert(model);
    (void)atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void ax_catalog_model_unref(struct ax_catalog_model *model)
{
    if (!model || atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < model->version_count; i++) {
        ax_served_unref(model->versions[i].served);
        ax_account_unref(model->versions[i].account);
        free(model->versions[i].reason);
    }
    free(model->versions);
    free(model->reason);
    free(model->name);
    free(model);
}

const struct ax_catalog_version *ax_catalog_model_highest(const struct ax_catalog_model *model)
{
    assert(model);
    for (size_t i = model->version_count; i > 0; i--)
        if (model->versions[i - 1].served || model->versions[i - 1].is_cold)
            return &model->versions[i - 1];
    return NULL;
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
    void *model;
    while (ax_map_next(&catalog->models, &at, &name, &model))
        ax_catalog_model_unref(model);
    ax_map_done(&catalog->models);
    free(catalog);
}

void ax_catalog_put(struct ax_catalog *catalog, struct ax_catalog_model *model)
{
    assert(catalog && model);
    void *before = ax_map_put(&catalog->models, ax_str_from(model->name), model);
    assert(!before);
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
    while (ready && ax_map_next(&catalog->models, &at, &name, &value)) {
        const struct ax_catalog_model *model = value;
        ready = !model->is_wanted || ax_catalog_model_highest(model);
    }
    return ready;
}

/* Requests know what the policy wants, what still answers, and what may. */
static bool is_known(const struct ax_catalog_version *version)
{
    return version->is_target || version->served || version->is_cold;
}

/* Numbers ascend, so it is found by halving: there may be thousands. */
size_t ax_catalog_model_seek(const struct ax_catalog_model *model, uint64_t number)
{
    assert(model);
    size_t low = 0;
    size_t high = model->version_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->versions[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct ax_catalog_version *ax_catalog_listed(const struct ax_catalog *catalog,
                                                   struct ax_str model, struct ax_str version)
{
    assert(catalog);
    uint64_t number;
    const struct ax_catalog_model *found = ax_map_get(&catalog->models, model);
    if (!found || !ax_str_to_u64(version, &number))
        return NULL;
    size_t at = ax_catalog_model_seek(found, number);
    /* The text, since '01' is no version. */
    bool is_it = at < found->version_count && ax_str_is(version, found->versions[at].text);
    return is_it ? &found->versions[at] : NULL;
}

const struct ax_catalog_version *ax_catalog_find(const struct ax_catalog *catalog,
                                                 struct ax_str model, struct ax_str version)
{
    assert(catalog);
    if (version.len > 0) {
        const struct ax_catalog_version *listed = ax_catalog_listed(catalog, model, version);
        return listed && is_known(listed) ? listed : NULL;
    }
    const struct ax_catalog_model *found = ax_map_get(&catalog->models, model);
    const struct ax_catalog_version *highest = found ? ax_catalog_model_highest(found) : NULL;
    for (size_t i = found ? found->version_count : 0; !highest && i > 0; i--)
        if (is_known(&found->versions[i - 1]))
            highest = &found->versions[i - 1];
    return highest;
}

struct ax_account *ax_catalog_account(const struct ax_catalog *catalog, struct ax_str model,
                                      struct ax_str version)
{
    const struct ax_catalog_version *found = ax_catalog_find(catalog, model, version);
    if (found && found->served)
        return found->served->account;
    return found && found->account ? found->account : ax_account_no_model();
}

/* What names nothing that requests know. */
static enum ax_code catalog_fail(const struct ax_catalog *catalog, struct ax_str model,
                                 struct ax_str version, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(model, AX_SIGNATURE_SHOWN_BYTES_MAX);
    const struct ax_catalog_model *found = ax_map_get(&catalog->models, model);
    if (!found && !catalog->is_complete)
        return ax_fail(err, AX_E_UNAVAILABLE, "the models are still being loaded");
    if (found && version.len == 0)
        return ax_fail(err, AX_E_UNAVAILABLE, "model '%.*s' has no version: %s", AX_STR_ARG(name),
                       found->reason ? found->reason : "its policy wants none of those there");
    if (!found)
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
    const struct ax_catalog_version *found = ax_catalog_find(catalog, model, version);
    if (!found)
        return catalog_fail(catalog, model, version, err);
    if (!found->served) {
        const char *state = ax_version_state_name(found->state);
        bool tells = found->reason && strcmp(found->reason, state) != 0;
        return ax_fail(err, AX_E_UNAVAILABLE, "model '%.*s' version %s is not ready: %s%s%s",
                       AX_STR_ARG(ax_str_cut(model, AX_SIGNATURE_SHOWN_BYTES_MAX)), found->text,
                       state, tells ? ": " : "", tells ? found->reason : "");
    }
    *ret_served = found->served;
    return AX_OK;
}
