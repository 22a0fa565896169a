/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definitions in force as requests are served by them: a plan of each service, over the online
 * store.
 *
 * Made on the thread that reads definitions, when others come into force, and published to the I/O
 * threads by a snapshot. Immutable and counted: a request that lasts longer than its wake-up has a
 * reference. See docs/internals/predict-by-entity.md.
 */
#ifndef AX_SERVER_SERVING_FEATURES_H
#define AX_SERVER_SERVING_FEATURES_H

#include "base/metric.h"
#include "feature/online/online_views.h"
#include "pipeline/applied_definitions.h"
#include "pipeline/served_form.h"
#include "server/api/feast_columns.h"
#include "server/catalog.h"

struct ax_serving_service {
    const struct ax_applied_service *applied;
    struct ax_service_plan *plan;  /* NULL: it is not served by entity, */
    struct ax_err err;             /* and why */
    struct ax_signature call;      /* the columns of its call as inputs; without any when it takes
                                      lists */
    struct ax_served_form *served; /* in which its vectors are logged; NULL: they are not */
    struct ax_feast_columns feast[2]; /* of answers of Feast's protocol, by whether they have full
                                         names; inputs NULL: not made, two have one name */
};

/* What is counted of a view. */
struct ax_serving_view {
    ax_metric found[AX_ONLINE_STATUS_COUNT]; /* rows that were looked for, by what there was */
    ax_metric age;                           /* of those that were found */
};

/* Names in their order, a name perhaps more than once. */
struct ax_serving_names {
    struct ax_str *names;
    size_t count;
};

struct ax_serving_features {
    _Atomic unsigned refs;
    struct ax_applied_definitions *applied; /* one reference */
    struct ax_online *store;                /* borrowed */
    struct ax_online_views *online;         /* where it has the views; one reference */
    struct ax_arena arena;
    struct ax_serving_service *services; /* one a service of the definitions */
    struct ax_serving_view *views;       /* one a view */
    /* What calls of any of the services may name. */
    struct ax_serving_names keys, request_values, given;
};

/* `applied` and `online`, the views of its definitions, are referenced. A service that cannot be
 * served by entity is no failure. Expected: LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_serving_features_new(struct ax_applied_definitions *applied,
                                                 struct ax_online *store,
                                                 struct ax_online_views *online,
                                                 struct ax_serving_features **ret_features,
                                                 struct ax_err *err);
struct ax_serving_features *ax_serving_features_ref(struct ax_serving_features *features);
/* NULL is fine. The last one frees. Any thread. */
void ax_serving_features_unref(struct ax_serving_features *features);

/* The service of that name. `features` may be NULL: nothing is in force. Expected: NOT_FOUND,
 * UNSUPPORTED and others (it is not served by entity). */
AX_MUST_USE enum ax_code ax_serving_service(const struct ax_serving_features *features,
                                            struct ax_str name,
                                            const struct ax_serving_service **ret_service,
                                            struct ax_err *err);

bool ax_serving_names_have(const struct ax_serving_names *names, struct ax_str name);

/* The service that a version was trained with, if it is in force as it was then, and which of its
 * inputs each input of the model is: found once a version. Data plane. Expected: INVALID (it was
 * trained without one), CONFLICT (that is not in force as it was), UNSUPPORTED, LIMIT. */
AX_MUST_USE enum ax_code ax_serving_bind(const struct ax_serving_features *features,
                                         struct ax_served *served,
                                         const struct ax_serving_service **ret_service,
                                         const size_t **ret_inputs, struct ax_err *err);

#endif
