/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory with clients, system's and CUDA's, which this server does not have: there are no
 * regions, none can be registered, and to unregister one that is not there succeeds, as the
 * protocol says. Clients clean up so before they begin. GET /v2 does not list the extensions.
 */
#include "server/api/endpoints.h"
#include "server/api/oip.h"
#include "server/router.h"
#include "server/server_thread.h"

static void answer(struct ax_call *call, struct ax_str text)
{
    (void)ax_buf_append_str(ax_server_thread_answer_begin(call->thread), text);
    ax_server_thread_answer(call->thread, call->request, 200);
}

static void refuse(struct ax_call *call, enum ax_code code, const char *text)
{
    ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(code), text, NULL);
}

void ax_shared_memory_status(struct ax_call *call)
{
    answer(call, AX_STR("[]"));
}

void ax_shared_memory_none(struct ax_call *call)
{
    refuse(call, AX_E_NOT_FOUND, "Unable to find shared memory region: none can be registered");
}

void ax_shared_memory_register(struct ax_call *call)
{
    refuse(call, AX_E_UNSUPPORTED,
           "shared memory is not supported; send tensors as JSON or as binary data");
}

void ax_shared_memory_unregister(struct ax_call *call)
{
    answer(call, AX_STR("{}"));
}
