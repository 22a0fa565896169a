/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a service's inputs are made online: which keys are asked for, which fields are read of the
 * rows that come, and which expressions follow.
 *
 * Made once from the definitions and from where the online store has their views; immutable then,
 * and shared by threads. What a request makes of it is feature/service_vector.h. Definitions and
 * layouts are borrowed and outlive the plan.
 */
#ifndef AX_FEATURE_SERVICE_PLAN_H
#define AX_FEATURE_SERVICE_PLAN_H

#include "data/expr/program.h"
#include "data/signature.h"
#include "feature/definitions.h"
#include "feature/online/online.h"
#include "feature/online/online_numbers.h"

struct ax_online_windows;

/* Where the store has a view. */
struct ax_online_view {
    const struct ax_online_entity *entity; /* the view's entity */
    const struct ax_online_layout *layout;
    const struct ax_online_windows *windows; /* of a view with windows, instead of a layout; NULL:
                                                it is not served */
};

/* All that is asked of one entity: its keys under each of the names that the call gives them. */
struct ax_service_visit {
    const struct ax_entity *entity;
    const struct ax_online_entity *online;
    const size_t *const *groups; /* of columns of the call, one a key of the entity */
    size_t group_count;
};

/* What one role reads of a row. */
struct ax_service_part {
    size_t visit;
    size_t group; /* of the visit's keys */
    const struct ax_online_layout *layout;
    const struct ax_online_windows *windows; /* or this one */
    const size_t *self; /* of windows: columns of the call that are the id of the event that does
                           not count, one a part of it; NULL: all count */
    int64_t ttl_us;
    const size_t *inputs; /* of the service */
    const size_t *fields; /* of the view, for each */
    size_t count;
    size_t column_count; /* of these the first become columns whoever asks: texts, and what
                            expressions read */
    bool has_defaults;   /* one of the fields has a default that is no null */
};

/* Expressions that read nothing of each other. */
struct ax_service_step {
    struct ax_program *program;
    const size_t *inputs; /* of the service, one an output of the program */
    size_t count;
};

struct ax_service_plan {
    struct ax_arena arena;
    const struct ax_service *service;
    const struct ax_service_visit *visits;
    size_t visit_count;
    const struct ax_service_part *parts; /* one a role */
    struct ax_service_step *steps;       /* in order */
    size_t step_count;
    const struct ax_online_number *numbers; /* one an input, of its role; of none: a column */
    const size_t *scope; /* an input's place in what expressions see, behind the call's columns;
                            meaningless for keys and request values */
    size_t scope_count;  /* of columns that expressions see, with those of the call */
    uint64_t seed;       /* of the hash by which a batch's keys are told apart */
};

/* views[i] is where the view number i of the definitions is. Expected: UNSUPPORTED (windows that
 * are not there; a view that is not online; a plain view of the events of which the service
 * excludes the row's own), INVALID, TOO_LARGE, LIMIT; which service it is, the caller adds. */
AX_MUST_USE enum ax_code ax_service_plan_new(const struct ax_definitions *definitions,
                                             const struct ax_service *service,
                                             const struct ax_online_view *views,
                                             struct ax_service_plan **ret_plan, struct ax_err *err);
void ax_service_plan_free(struct ax_service_plan *plan);

/* Which input of the service each input of a model is, by name: signature->input_count numbers.
 * Expected: INVALID (the service has none of that name), UNSUPPORTED (it is a timestamp or a list).
 */
AX_MUST_USE enum ax_code ax_service_plan_bind(const struct ax_service_plan *plan,
                                              const struct ax_signature *signature,
                                              size_t *ret_inputs, struct ax_err *err);

#endif
