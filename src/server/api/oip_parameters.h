/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of an Open Inference Protocol request: which are known, refused or passed over.
 */
#ifndef AX_SERVER_API_OIP_PARAMETERS_H
#define AX_SERVER_API_OIP_PARAMETERS_H

#include "base/json_reader.h"

struct ax_oip_parameters {
    uint64_t timeout_us; /* from the request's first byte; 0: none */
    uint64_t priority;   /* 1 first; 0: none */
};

/* Read the value of the parameter `key`, in front of which the reader stands. *ret_known is false,
 * and nothing was read, when it is none of the protocol's. Expected: INVALID, UNSUPPORTED (what
 * would need sequences), LIMIT. */
AX_MUST_USE enum ax_code ax_oip_parameters_read(struct ax_oip_parameters *parameters,
                                                struct ax_str key, struct ax_json_reader *reader,
                                                bool *ret_known, struct ax_err *err);

/* The timeout (µs) that a request's JSON names, found without reading what lies before it: 0 when
 * it names none, or not within about `byte_budget` bytes, or is malformed up to there. */
uint64_t ax_oip_parameters_peek_timeout(struct ax_str json, size_t byte_budget);

#endif
