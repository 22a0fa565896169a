/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /write-to-online-store: final values of a view, as Feast's client writes and pushes them;
 * docs/protocols/feast.md.
 *
 * The body becomes items in steps of the request's thread. Then they are a batch for the writer of
 * the online store, which tells the thread by a message when they are written, and on the disk
 * where there is one. What is sent has memory of its own and is freed when its message comes, so
 * that a request may end before.
 */
#include "base/alloc.h"
#include "server/api/endpoints.h"
#include "server/api/feast_answer.h"
#include "server/api/feast_values.h"
#include "server/feature_store.h"
#include "server/request_user.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"
#include "server/serving_features.h"

#include <assert.h>
#include <stdlib.h>

#define SLICE_BYTES       ((size_t)16 << 10)
#define ARENA_FIRST_BYTES ((size_t)16 << 10)

enum { WRITE_READS, WRITE_FILLS, WRITE_WAITS };

struct write {
    const struct ax_request_user *user; /* first */
    struct ax_feast_values values;
    int state;
    struct ax_arena arena;         /* of what is sent; draws on the request's budget */
    struct ax_online_views *views; /* a reference, from WRITE_FILLS on */
    struct ax_online_batch batch;
    struct ax_http_worker *worker;
    uint64_t id;
};

static void write_free(struct write *write)
{
    ax_online_views_unref(write->views);
    ax_arena_done(&write->arena);
    free(write);
}

/* One that waits is the writer's until its message comes. */
static void write_release(void *user)
{
    struct write *write = user;
    if (write->state != WRITE_WAITS)
        write_free(write);
}

static const struct ax_request_user write_user = { .release = write_release };

/* ---- answering ---- */

/* What is wrong with the values is 422, as with a push. */
static void answer_failure(struct ax_server_thread *thread, struct ax_request *request,
                           const struct ax_err *err)
{
    bool is_wrong = err->code == AX_E_INVALID || err->code == AX_E_UNSUPPORTED;
    const char *class = err->code == AX_E_NOT_FOUND ? "FeatureViewNotFoundException" : "FeastError";
    ax_feast_put_error(ax_server_thread_answer_begin(thread), class, err);
    ax_server_thread_answer(thread, request, is_wrong ? 422 : ax_code_http(err->code));
}

static void answer_done(struct ax_server_thread *thread, struct ax_request *request)
{
    (void)ax_buf_append_str(ax_server_thread_answer_begin(thread), AX_STR("null"));
    ax_server_thread_answer(thread, request, 200);
}

/* ---- the batch ---- */

static void deliver_done(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct write *write = message;
    if (request && write->batch.err.code)
        answer_failure(state, request, &write->batch.err);
    else if (request)
        answer_done(state, request);
    write_free(write);
}

/* On the writer's thread. */
static void batch_done(struct ax_online_batch *batch)
{
    struct write *write = container_of(batch, struct write, batch);
    ax_request_post(write->worker, write->id, deliver_done, write);
}

static void send(struct ax_server_thread *thread, struct ax_request *request, struct write *write)
{
    struct ax_online_writer *writer =
        ax_feature_store_writer(ax_server_feature_store(thread->server));
    struct ax_feast_values *values = &write->values;
    struct ax_err err = AX_ERR_INIT;
    if (!values->row_count) {
        answer_done(thread, request);
        return;
    }
    write->batch = (struct ax_online_batch){
        .kind = AX_ONLINE_VALUES,
        .views = write->views,
        .number = (size_t)(values->view - write->views->given.definitions->views),
        .items = values->items,
        .item_count = values->row_count,
        .is_kept = true,
        .done = batch_done,
    };
    write->worker = request->worker;
    write->id = request->id;
    write->state = WRITE_WAITS;
    if (!ax_online_writer_send(writer, &write->batch, &err))
        return;
    write->state = WRITE_FILLS;
    answer_failure(thread, request, &err);
}

/* ---- reading ---- */

static enum ax_code find_view(struct ax_server_thread *thread, struct write *write,
                              const struct ax_view **ret_view,
                              const struct ax_online_layout **ret_layout, struct ax_err *err)
{
    struct ax_serving_features *features = ax_server_features(thread->server);
    struct ax_str name = ax_str_cut(write->values.body.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
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
    write->views = ax_online_views_ref(features->online);
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
    if (write->state == WRITE_FILLS)
        return ax_feast_values_step(values, SLICE_BYTES, &cost, ret_done, err);
    if (ax_row_body_read(&values->body.rows, SLICE_BYTES, &cost, &is_read, err) || !is_read)
        return err->code;
    if (find_view(thread, write, &view, &layout, err) ||
        ax_feast_values_begin(values, view, layout, ax_server_wall_us(), &write->arena, err))
        return err->code;
    write->state = WRITE_FILLS;
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
        answer_failure(state, request, &err);
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
    *write = (struct write){ .user = &write_user };
    ax_arena_init(&write->arena, ARENA_FIRST_BYTES, request->arena.max);
    write->arena.budget = request->arena.budget;
    request->user = write;
    ax_feast_values_init(&write->values, request->body, &request->arena);
    step(NULL, call->thread, request);
}
