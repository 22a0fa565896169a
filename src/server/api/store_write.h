/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request whose rows or values go to the writer of the online store.
 *
 * They are one batch, and the writer tells the request's thread by a message when it is done; no
 * thread waits. What is sent has memory of its own, which is freed when the message comes, so that
 * the request may end before.
 */
#ifndef AX_SERVER_API_STORE_WRITE_H
#define AX_SERVER_API_STORE_WRITE_H

#include "feature/online/online_writer.h"
#include "server/request_user.h"
#include "server/server_thread.h"

/* The first member of an object of ax_try_alloc, which is the request's user, and is freed with it.
 */
struct ax_store_write {
    const struct ax_request_user *user; /* first */
    struct ax_arena arena;              /* of what is sent; draws on the request's budget */
    struct ax_online_views *views;      /* by which it is made: a reference, or NULL */
    struct ax_online_batch batch;
    /* Answer by what became of the batch. */
    void (*answer)(struct ax_server_thread *thread, struct ax_request *request,
                   struct ax_store_write *write);
    bool is_sent;
    struct ax_http_worker *worker;
    uint64_t id;
};

/* Begin with a request, whose user it is from now on. */
void ax_store_write_init(struct ax_store_write *write, struct ax_request *request,
                         void (*answer)(struct ax_server_thread *, struct ax_request *,
                                        struct ax_store_write *));

/* Send a batch, which is copied; its `views` and `done` are set here. `answer` is called later,
 * unless the request has ended by then, or the batch was not sent. Expected: LIMIT (the queue is
 * full), and what ax_online_writer_send says. */
AX_MUST_USE enum ax_code ax_store_write_send(struct ax_store_write *write,
                                             struct ax_server_thread *thread,
                                             struct ax_request *request,
                                             const struct ax_online_batch *batch,
                                             struct ax_err *err);

#endif
