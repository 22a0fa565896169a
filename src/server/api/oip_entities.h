/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer requests by entity: their inputs are those of a service's call, in place of the model's.
 *
 * A request is one when it has an input that the model has not, and the call of the service that
 * the version was trained with has. It is read anew from its beginning then, by the call's columns.
 */
#ifndef AX_SERVER_API_OIP_ENTITIES_H
#define AX_SERVER_API_OIP_ENTITIES_H

#include "server/api/oip.h"
#include "server/api/service_pass.h"

struct ax_oip_entities {
    struct ax_oip_request *request;
    struct ax_serving_features *features; /* one reference */
    const struct ax_serving_service *service;
    struct ax_service_pass pass;
    struct ax_service_call call;
    struct ax_service_target target;
    struct ax_values *columns; /* of the call; NULL: not begun */
    size_t column, row;        /* up to which they are filled */
};

/* Reading met an input that the model does not have, as *err says. When the request is by entity,
 * begin to read anew, and clear *err. Expected: INVALID (it is not), those of ax_serving_bind. */
enum ax_code ax_oip_entities_begin(struct ax_oip_request *request, struct ax_err *err);

/* Reading a request by entity met an input that the call does not have, as *err says: when it is
 * the model's, say so instead. Returns err->code. */
enum ax_code ax_oip_entities_unknown(const struct ax_oip_request *request, struct ax_err *err);

/* The columns of the call were read: go on to fill the rows of the prediction. *ret_done: they are
 * filled. Expected: INVALID, UNSUPPORTED, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_oip_entities_fill(struct ax_oip_entities *entities, size_t byte_budget,
                                              bool *ret_done, struct ax_err *err);

/* NULL is fine. */
void ax_oip_entities_done(struct ax_oip_entities *entities);

#endif
