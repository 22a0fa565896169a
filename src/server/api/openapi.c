/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /openapi.json: what this server answers, for generators of clients and for people.
 *
 * The text is a file of the sources and part of the program. That it says what the router and the
 * printers do is held by tests: of the paths by tests/docs, of the answers by every test that talks
 * to a server.
 */
#include "server/api/openapi.h"

#include "server/api/endpoints.h"
#include "server/router.h"
#include "server/server_thread.h"

#include <assert.h>

void ax_openapi(struct ax_call *call)
{
    assert(call);
    struct ax_answer answer = { .status = 200,
                                .content_type = "application/json",
                                .body = { ax_openapi_ptr, ax_openapi_len } };
    ax_request_answer(call->request, &answer);
}
