/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of printing. The first ones of a wake-up are taken at once, as far as the thread's measure
 * of printing goes; so a short answer is one step, and leaves in the wake-up that brought its
 * request. The body is one growing block, which net takes whole: its length stands before it, and a
 * large block grows, leaves and is freed without being held in one go (base/block.h).
 */
#include "server/sliced_answer.h"

#include <assert.h>

static void sliced_release(void *user)
{
    struct ax_sliced_answer *answer = user;
    if (answer->form->done)
        answer->form->done(answer);
    ax_buf_done(&answer->body);
}

static const struct ax_request_user sliced_user = { .release = sliced_release };

void *ax_sliced_answer_new(struct ax_call *call, const struct ax_sliced_form *form, size_t size)
{
    assert(call && form && form->print && size >= sizeof(struct ax_sliced_answer));
    struct ax_request *request = call->request;
    struct ax_sliced_answer *answer = ax_arena_zalloc(&request->arena, 1, size);
    if (!answer) {
        ax_server_thread_answer_error(call->thread, request, 503, "no memory for the request",
                                      NULL);
        return NULL;
    }
    answer->user = &sliced_user;
    answer->form = form;
    answer->thread = call->thread;
    answer->request = request;
    ax_buf_init(&answer->body, AX_SERVER_ANSWER_MAX);
    request->user = answer;
    return answer;
}

static void sliced_finish(struct ax_sliced_answer *answer)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_request *request = answer->request;
    if (ax_buf_check(&answer->body, "the answer", &err)) {
        int status = err.code == AX_E_LIMIT ? 503 : 500;
        ax_server_thread_answer_error(answer->thread, request, status, err.msg, NULL);
        return;
    }
    /* The object is released before net takes the body. */
    struct ax_buf body = answer->body;
    ax_buf_init(&answer->body, AX_SERVER_ANSWER_MAX);
    struct ax_answer complete = { .status = 200,
                                  .content_type = answer->form->content_type,
                                  .body_buf = &body };
    ax_request_answer(request, &complete);
    ax_buf_done(&body);
}

/* True: the answer is complete, or cannot be. */
static bool sliced_print(struct ax_sliced_answer *answer)
{
    return answer->form->print(answer, &answer->body, AX_SLICED_BYTES) || answer->body.failed;
}

static void sliced_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_sliced_answer *answer = request->user;
    /* To nobody: net drops it. */
    if (ax_request_is_cancelled(request) || sliced_print(answer))
        sliced_finish(answer);
    else
        ax_request_resume(request, sliced_step);
}

void ax_sliced_answer_start(struct ax_sliced_answer *answer)
{
    assert(answer);
    struct ax_server_thread *thread = answer->thread;
    if (thread->print_left >= AX_SLICED_BYTES) {
        bool is_over = sliced_print(answer);
        thread->print_left -= AX_MIN(answer->body.len, thread->print_left);
        if (is_over) {
            sliced_finish(answer);
            return;
        }
    }
    ax_request_resume(answer->request, sliced_step);
}
