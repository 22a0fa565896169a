/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer that may be long, printed in slices: metrics, statistics, lists of versions.
 *
 * Each slice is a step of its request, so that what else waits on the thread has its turn between
 * two of them, as with scores (server/prediction.h). What is printed may change in between: the
 * thread's catalog is another one perhaps, and a form keeps its place by names or holds what it
 * lists. The object begins the form's own, lies in the request's arena, and is on the request's I/O
 * thread only.
 */
#ifndef AX_SERVER_SLICED_ANSWER_H
#define AX_SERVER_SLICED_ANSWER_H

#include "server/request_user.h"
#include "server/router.h"
#include "server/server_thread.h"

/* Printed in a step, about; and what it counts to pass something over. */
#define AX_SLICED_BYTES        ((size_t)32 << 10)
#define AX_SLICED_PASSED_BYTES ((size_t)32)

struct ax_sliced_answer;

struct ax_sliced_form {
    const char *content_type;

    /* Print on, about `bytes`, inside a wake-up; true: that was all. When the buffer has failed it
     * is not called again. */
    bool (*print)(struct ax_sliced_answer *answer, struct ax_buf *out, size_t bytes);

    /* (optional) Give back what the form's own holds; once, complete or not. */
    void (*done)(struct ax_sliced_answer *answer);
};

struct ax_sliced_answer {
    const struct ax_request_user *user; /* first: the request's `user` points at it */
    const struct ax_sliced_form *form;
    struct ax_server_thread *thread;
    struct ax_request *request;
    struct ax_buf body;
};

/* An object of `size` bytes, zeroed, that begins with a struct ax_sliced_answer; NULL: there is no
 * memory, and the request is answered so. */
void *ax_sliced_answer_new(struct ax_call *call, const struct ax_sliced_form *form, size_t size);

/* Print the first slice, at once if the wake-up has printed little so far. The answer is 200. */
void ax_sliced_answer_start(struct ax_sliced_answer *answer);

#endif
