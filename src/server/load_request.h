/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of the orders of the repository extension: what is to be loaded or unloaded, and how.
 *
 * A load's body may hold whole model files as base64, so its texts stay where they are in the body
 * and nothing is decoded here. That takes as long as reading the body does: a large one is no work
 * for an I/O thread.
 */
#ifndef AX_SERVER_LOAD_REQUEST_H
#define AX_SERVER_LOAD_REQUEST_H

#include "base/arena.h"
#include "server/overrides.h"

struct ax_load_request {
    struct ax_str config;           /* empty: none */
    struct ax_override_file *files; /* in the arena */
    size_t file_count;              /* only with a config */
};

/* Parse {"parameters":{"config":"…","file:1/model.json":"…"}}; empty: no parameters. Texts are
 * borrowed from the body and the arena. Other members are passed over, other parameters refused.
 * Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_load_request_parse(struct ax_str body, struct ax_arena *arena,
                                               struct ax_load_request *ret_request,
                                               struct ax_err *err);

/* Parse {"parameters":{"unload_dependents":true}}; empty: false. Expected: INVALID, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_unload_request_parse(struct ax_str body, bool *ret_unload_dependents,
                                                 struct ax_err *err);

#endif
