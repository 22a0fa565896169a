/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /write-to-online-store: final values of a view, as Feast's client writes and pushes them;
 * docs/protocols/feast.md.
 *
 * The body becomes items in steps of the request's thread. Then they are a batch for the writer of
 * the online store (store_write.h), which is done when they are on the disk, where there is one.
 */
#include "base/alloc.h"
#include "server/api/endpoints.h"
#include "server/api/feast_answer.h"
#include "server/api/feast_values.h"
#include "server/api/store_write.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"
#include "server/serving_features.h"

#include <assert.h>

#define SLICE_BYTES ((size_t)16 << 10)

struct write {
    struct ax_store_write base; /* first; has views when the values are being filled */
    struct ax_feast_values values;
};

/* ---- answering ---- */

static void answer_done(struct ax_server_thread *thread, struct ax_request *request)
{
    (void)ax_buf_append_str(ax_server_thread_answer_begin(thread), AX_STR("null"));
    ax_server_thread_answer(thread, request, 200);
}

/* ---- the batch ---- */

static void answer(struct ax_server_thread *thread, struct ax_request *request,
                   struct ax_store_write *base)
{
    if (base->batch.err.code)
        ax_feast_answer_failure(thread, request, &base->batch.err);
    else
        answer_done(thread, request);
}

static void send(struct ax_server_thread *thread, struct ax_request *request, struct write *write)
{
    struct ax_feast_values *values = &write->values;
    struct ax_err err = AX_ERR_INIT;
    if (!values->row_count) {
        answer_done(thread, request);
        return;
    }
    const struct ax_online_batch batch = {
        .kind = AX_ONLINE_VALUES,
        .number = (size_t)(values->view - write->base.views->given.definitions->views),
        .items = values->items,
        .item_count = values->row_count,
        .is_kept = true,
    };
    if (ax_store_write_send(&write->base, thread, request, &batch, &err))
        ax_feast_answer_failure(thread, request, &err);
}

/* ---- reading ---- */

static enum ax_code find_view(struct ax_server_thread *thread, struct write *write,
                              const struct ax_view **ret_view,
                              const struct ax_online_layout **ret_layout, struct ax_err *err)
{
    struct ax_serving_features *features = ax_server_features(thread->server);
    struct ax_str name = ax_str_cut(write->values.body.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (!name.len)
        return ax_fail(err, AX_E_INVALID, "'feature_view_name' is missing");
    if (ax_server_check_features(thread->server, err))
        return err->code;
    if (!features)
        return ax_fail(err, AX_E_NOT_FOUND, "no definitions of features are in force");
    const struct ax_definitions *definitions = features->online->given.definitions;
    const struct ax_view *view = ax_definitions_view(definitions, write->values.body.name);
    if (!view)
        return ax_fail(err, AX_E_NOT_FOUND, "view '%.*s' is not there", AX_STR_ARG(name));
    const struct ax_online_layout *layout =
        features->online->views[view - definitions->views].layout;
    if (!layout)
        return ax_fail(err, AX_E_INVALID, "view '%.*s' %s", AX_STR_ARG(name),
                       view->windowed ? "has windows, whose values are made of what is pushed"
                                      : "is not online; take 'online: false' away");
    write->base.views = ax_online_views_ref(features->online);
    *ret_view = view;
    *ret_layout = layout;
    return AX_OK;
}

static enum ax_code read_some(struct ax_server_thread *thread, struct write *write, bool *ret_done,
                              struct ax_err *err)
{
    struct ax_feast_values *values = &write->values;
    const struct ax_view *view = NULL;
    const struct ax_online_layout *layout = NULL;
    size_t cost = 0;
    bool is_read = false;
    if (write->base.views)
        return ax_feast_values_step(values, SLICE_BYTES, &cost, ret_done, err);
    if (ax_row_body_read(&values->body.rows, SLICE_BYTES, &cost, &is_read, err) || !is_read)
        return err->code;
    if (find_view(thread, write, &view, &layout, err) ||
        ax_feast_values_begin(values, view, layout, ax_server_wall_us(), &write->base.arena, err))
        return err->code;
    return cost < SLICE_BYTES
               ? ax_feast_values_step(values, SLICE_BYTES - cost, &cost, ret_done, err)
               : AX_OK;
}

static void step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    struct write *write = request->user;
    struct ax_err err = AX_ERR_INIT;
    bool is_done = false;
    if (read_some(state, write, &is_done, &err))
        ax_feast_answer_failure(state, request, &err);
    else if (is_done)
        send(state, request, write);
    else
        ax_request_resume(request, step);
}

void ax_feast_online_write(struct ax_call *call)
{
    assert(call);
    struct ax_request *request = call->request;
    struct write *write = ax_try_alloc(1, sizeof(*write));
    if (!write) {
        ax_server_thread_answer_error(call->thread, request, 503, "no memory for the request",
                                      NULL);
        return;
    }
    ax_store_write_init(&write->base, request, answer);
    ax_feast_values_init(&write->values, request->body, &request->arena);
    step(NULL, call->thread, request);
}
