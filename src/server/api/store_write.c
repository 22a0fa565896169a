/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent is the writer's until its message comes: a request that ends meanwhile leaves it
 * alone, and the message frees it.
 */
#include "server/api/store_write.h"

#include "server/feature_store.h"
#include "server/server.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)4 << 10)

static void write_free(struct ax_store_write *write)
{
    ax_online_views_unref(write->views);
    ax_arena_done(&write->arena);
    free(write);
}

static void write_release(void *user)
{
    struct ax_store_write *write = user;
    if (!write->is_sent)
        write_free(write);
}

static const struct ax_request_user write_user = { .release = write_release };

void ax_store_write_init(struct ax_store_write *write, struct ax_request *request,
                         void (*answer)(struct ax_server_thread *, struct ax_request *,
                                        struct ax_store_write *))
{
    assert(write && request && answer);
    *write = (struct ax_store_write){ .user = &write_user, .answer = answer };
    ax_arena_init(&write->arena, ARENA_FIRST_BYTES, request->arena.max);
    write->arena.budget = request->arena.budget;
    request->user = write;
}

static void deliver_done(void *context, void *state, struct ax_request *request, void *message)
{
    (void)context;
    struct ax_store_write *write = message;
    if (request)
        write->answer(state, request, write);
    write_free(write);
}

/* On the writer's thread. */
static void batch_done(struct ax_online_batch *batch)
{
    struct ax_store_write *write = container_of(batch, struct ax_store_write, batch);
    ax_request_post(write->worker, write->id, deliver_done, write);
}

enum ax_code ax_store_write_send(struct ax_store_write *write, struct ax_server_thread *thread,
                                 struct ax_request *request, const struct ax_online_batch *batch,
                                 struct ax_err *err)
{
    assert(write && write->views && !write->is_sent && thread && request && batch && err);
    struct ax_online_writer *writer =
        ax_feature_store_writer(ax_server_feature_store(thread->server));
    write->batch = *batch;
    write->batch.views = write->views;
    write->batch.done = batch_done;
    write->worker = request->worker;
    write->id = request->id;
    write->is_sent = true;
    if (ax_online_writer_send(writer, &write->batch, err))
        write->is_sent = false; /* it is not the writer's */
    return err->code;
}
