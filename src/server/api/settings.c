/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of settings are small and rare, so their body is parsed into a tree.
 */
#include "server/api/settings.h"

#include "server/api/oip.h"
#include "server/server_thread.h"

#include <assert.h>

#define BODY_BYTES_MAX 65536

enum ax_code ax_settings_read(const struct ax_request *request, ax_settings_take_fn take,
                              void *change, struct ax_err *err)
{
    assert(request && take && change && err);
    if (request->body.len > BODY_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "the body has more than %d bytes", BODY_BYTES_MAX);
    struct ax_json_doc *doc;
    if (ax_json_parse(request->body, &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    enum ax_code code = AX_OK;
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        code = ax_fail(err, AX_E_INVALID, "the body must be an object of settings");
    struct ax_json_iter iter = ax_json_iterate(root);
    for (const struct ax_json *value; !code && (value = ax_json_next(&iter));)
        code = take(change, iter.key, ax_json_kind(value) == AX_JSON_KIND_NULL ? NULL : value, err);
    ax_json_free(doc);
    return code;
}

void ax_settings_answer_error(struct ax_call *call, const struct ax_err *err)
{
    ax_server_thread_answer_error(call->thread, call->request, ax_oip_status(err->code), err->msg,
                                  NULL);
}
