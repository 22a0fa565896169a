/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans of services, and what models take of them.
 *
 * Which input of its service each input of a model is follows from the version alone, as long as
 * the service is the one it was trained with, digest by digest. So it is found with the first
 * request by entity and kept with the version; two threads that find it at once find the same.
 */
#include "server/serving_features.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)

static const struct ax_metric_family found_family = {
    .name = "ax_feature_rows_total",
    .help = "Rows of a view that calls of services looked for, by what was found.",
    .type = AX_METRIC_COUNTER,
    .labels = "view,status",
};

static const struct ax_metric_family age_family = {
    .name = "ax_feature_age_seconds",
    .help = "How old a row of a view was that was found, at the moment that was asked; of windows, "
            "the newest event of the view.",
    .type = AX_METRIC_HISTOGRAM_AGE,
    .labels = "view",
};

/* ---- making ---- */

static void register_metrics(struct ax_serving_view *view, struct ax_str name)
{
    struct ax_err ignored = AX_ERR_INIT; /* without room for series nothing is counted */
    enum ax_code code = ax_metric_register(&age_family, &name, &view->age, &ignored);
    for (size_t i = 0; !code && i < AX_ONLINE_STATUS_COUNT; i++) {
        if (i == AX_ONLINE_NULL_VALUE)
            continue; /* of values, not of rows */
        struct ax_str status = ax_str_from(ax_online_status_name((enum ax_online_status)i));
        code = ax_metric_register(&found_family, (struct ax_str[]){ name, status }, &view->found[i],
                                  &ignored);
    }
}

/* The columns of a call as those send them who name a datatype: moments and durations are whole
 * microseconds. */
static enum ax_code make_call(struct ax_signature *call, const struct ax_service *service,
                              struct ax_err *err)
{
    static const enum ax_datatype datatypes[] = {
        [AX_TYPE_BOOL] = AX_BOOL,    [AX_TYPE_INT64] = AX_INT64,     [AX_TYPE_FLOAT64] = AX_FP64,
        [AX_TYPE_STRING] = AX_BYTES, [AX_TYPE_TIMESTAMP] = AX_INT64, [AX_TYPE_DURATION] = AX_INT64,
    };
    for (size_t i = 0; i < service->call_count; i++)
        if (service->call[i].storage.is_list)
            return AX_OK;
    if (ax_signature_init(call, service->call_count, 0, err))
        return err->code;
    for (size_t i = 0; i < service->call_count; i++) {
        call->inputs[i].datatype = datatypes[ax_storage_type(service->call[i].storage).kind];
        if (ax_signature_name_input(call, i, service->call[i].name, err))
            return err->code;
    }
    return AX_OK;
}

static void make_served(const struct ax_serving_features *features,
                        struct ax_serving_service *service)
{
    struct ax_err ignored = AX_ERR_INIT; /* it is served without being logged */
    (void)(ax_served_form_new(service->applied, features->online, &service->served, &ignored) !=
           AX_OK);
}

static void make_feast(struct ax_serving_features *features, struct ax_serving_service *service)
{
    for (size_t i = 0; i < AX_COUNT(service->feast); i++) {
        struct ax_err ignored = AX_ERR_INIT; /* a request that asks for them is told why not */
        (void)(ax_feast_columns_init(&service->feast[i], service->applied->service, i == 1,
                                     &features->arena, &ignored) != AX_OK);
    }
}

static int compare_names(const void *a, const void *b)
{
    return ax_str_compare(*(const struct ax_str *)a, *(const struct ax_str *)b);
}

static enum ax_code make_names(struct ax_serving_features *features, struct ax_err *err)
{
    const struct ax_definitions *definitions = &features->applied->definitions;
    struct ax_serving_names *all[] = { &features->keys, &features->request_values,
                                       &features->given };
    size_t count = 0;
    for (size_t i = 0; i < definitions->service_count; i++)
        count += definitions->services[i].call_count + definitions->services[i].input_count;
    for (size_t i = 0; i < AX_COUNT(all); i++) {
        all[i]->names = ax_arena_alloc(&features->arena, count, sizeof(*all[i]->names));
        if (!all[i]->names)
            return ax_arena_fail(&features->arena, "the services", err);
    }
    for (size_t i = 0; i < definitions->service_count; i++) {
        const struct ax_service *service = &definitions->services[i];
        for (size_t j = 0; j < service->call_count; j++) {
            struct ax_serving_names *names = all[j < service->request_count];
            names->names[names->count++] = service->call[j].name;
        }
        for (size_t j = 0; j < service->input_count; j++)
            if (ax_service_input_is_made(&service->inputs[j]))
                features->given.names[features->given.count++] = service->inputs[j].name;
    }
    for (size_t i = 0; i < AX_COUNT(all); i++)
        if (all[i]->count)
            qsort(all[i]->names, all[i]->count, sizeof(*all[i]->names), compare_names);
    return AX_OK;
}

static enum ax_code make_all(struct ax_serving_features *features, struct ax_err *err)
{
    const struct ax_applied_definitions *applied = features->applied;
    const struct ax_definitions *definitions = &applied->definitions;
    struct ax_arena *arena = &features->arena;
    const struct ax_online_view *views = features->online->views;
    features->services =
        ax_arena_zalloc(arena, definitions->service_count, sizeof(*features->services));
    features->views = ax_arena_zalloc(arena, definitions->view_count, sizeof(*features->views));
    if (!features->services || !features->views)
        return ax_arena_fail(arena, "the services", err);
    if (make_names(features, err))
        return err->code;
    for (size_t i = 0; i < definitions->view_count; i++)
        if (views[i].layout || views[i].windows)
            register_metrics(&features->views[i], definitions->views[i].name);
    for (size_t i = 0; i < definitions->service_count; i++) {
        struct ax_serving_service *service = &features->services[i];
        service->applied = &applied->services[i];
        if (!ax_service_plan_new(definitions, service->applied->service, views, &service->plan,
                                 &service->err) &&
            !make_call(&service->call, service->applied->service, &service->err)) {
            make_served(features, service);
            make_feast(features, service);
            continue;
        }
        ax_service_plan_free(service->plan);
        service->plan = NULL;
        (void)ax_err_context(&service->err, "service '%.*s'",
                             AX_STR_ARG(definitions->services[i].name));
        if (service->err.code == AX_E_LIMIT)
            return ax_fail(err, AX_E_LIMIT, "%s", service->err.msg);
    }
    return AX_OK;
}

enum ax_code ax_serving_features_new(struct ax_applied_definitions *applied,
                                     struct ax_online *store, struct ax_online_views *online,
                                     struct ax_serving_features **ret_features, struct ax_err *err)
{
    assert(applied && store && online && ret_features && err);
    struct ax_serving_features *features = ax_xalloc(sizeof(*features));
    *features = (struct ax_serving_features){ .store = store };
    atomic_init(&features->refs, 1);
    features->applied = ax_applied_definitions_ref(applied);
    features->online = ax_online_views_ref(online);
    ax_arena_init(&features->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    if (make_all(features, err)) {
        ax_serving_features_unref(features);
        return err->code;
    }
    *ret_features = features;
    return AX_OK;
}

struct ax_serving_features *ax_serving_features_ref(struct ax_serving_features *features)
{
    assert(features);
    (void)atomic_fetch_add_explicit(&features->refs, 1, memory_order_relaxed);
    return features;
}

void ax_serving_features_unref(struct ax_serving_features *features)
{
    if (!features || atomic_fetch_sub_explicit(&features->refs, 1, memory_order_acq_rel) > 1)
        return;
    size_t count = features->services ? features->applied->definitions.service_count : 0;
    for (size_t i = 0; i < count; i++) {
        ax_service_plan_free(features->services[i].plan);
        ax_signature_done(&features->services[i].call);
        ax_served_form_unref(features->services[i].served);
    }
    ax_arena_done(&features->arena);
    ax_online_views_unref(features->online);
    ax_applied_definitions_unref(features->applied);
    free(features);
}

/* ---- looking up ---- */

enum ax_code ax_serving_service(const struct ax_serving_features *features, struct ax_str name,
                                const struct ax_serving_service **ret_service, struct ax_err *err)
{
    assert(ret_service && err);
    if (!features)
        return ax_fail(err, AX_E_NOT_FOUND, "no definitions of features are in force");
    const struct ax_definitions *definitions = &features->applied->definitions;
    const struct ax_service *found;
    if (ax_definitions_find_service(definitions, name, &found, err))
        return err->code;
    const struct ax_serving_service *service = &features->services[found - definitions->services];
    if (!service->plan)
        return ax_fail(err, service->err.code, "%s", service->err.msg);
    *ret_service = service;
    return AX_OK;
}

bool ax_serving_names_have(const struct ax_serving_names *names, struct ax_str name)
{
    assert(names);
    return names->count &&
           bsearch(&name, names->names, names->count, sizeof(*names->names), compare_names);
}

/* Found by two at once, one of them is kept. */
static enum ax_code bind(const struct ax_service_plan *plan, struct ax_served *served,
                         const size_t **ret_inputs, struct ax_err *err)
{
    const struct ax_signature *signature = served->version->signature;
    size_t *kept = NULL;
    size_t *inputs = ax_try_alloc(AX_MAX(signature->input_count, (size_t)1), sizeof(*inputs));
    if (!inputs)
        return ax_fail(err, AX_E_LIMIT, "no memory for the inputs of a model");
    if (ax_service_plan_bind(plan, signature, inputs, err)) {
        free(inputs);
        return err->code;
    }
    if (!atomic_compare_exchange_strong(&served->service_inputs, &kept, inputs)) {
        free(inputs);
        inputs = kept;
    }
    *ret_inputs = inputs;
    return AX_OK;
}

enum ax_code ax_serving_bind(const struct ax_serving_features *features, struct ax_served *served,
                             const struct ax_serving_service **ret_service,
                             const size_t **ret_inputs, struct ax_err *err)
{
    assert(served && ret_service && ret_inputs && err);
    const struct ax_version_service *needed = &served->version->service;
    const struct ax_serving_service *service;
    if (!needed->name.len)
        return ax_fail(err, AX_E_INVALID,
                       "model '%s' version %s was trained without a service of features, so that "
                       "it takes 'rows'",
                       served->version->model_name, served->version->text);
    if (!ax_applied_fits(features ? features->applied : NULL, needed))
        return ax_fail(err, AX_E_CONFLICT,
                       "service '%.*s' is not in force as it was when model '%s' version %s was "
                       "trained: apply its definitions, or send 'rows'",
                       AX_STR_ARG(needed->name), served->version->model_name,
                       served->version->text);
    if (ax_serving_service(features, needed->name, &service, err))
        return err->code;
    size_t *inputs = atomic_load_explicit(&served->service_inputs, memory_order_acquire);
    *ret_inputs = inputs;
    if (!inputs && bind(service->plan, served, ret_inputs, err))
        return err->code;
    *ret_service = service;
    return AX_OK;
}
