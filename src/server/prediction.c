/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read, score, print: each either at once, which is the usual case, or a slice a turn of the loop.
 *
 * The first slice of reading happens where the request arrived. A body that is not read whole then
 * makes the prediction take a reference on its version, since the catalog may change before the
 * next slice. Outputs are laid out in the request's arena as plain arrays, so that joined scores
 * are given back by copying.
 */
#include "server/prediction.h"

#include "base/clock.h"
#include "server/cold_wait.h"
#include "server/request_user.h"
#include "server/server_thread.h"

#include <assert.h>

#define SHOWN_BYTES_MAX ((size_t)64)
/* Of a body, at its beginning and at its end, looked through before it is read. */
#define PEEK_BYTES_MAX ((size_t)1 << 10)

int ax_prediction_status(enum ax_code code)
{
    return ax_code_http(code == AX_E_TIMEOUT ? AX_E_LIMIT : code);
}

static void answer_failure(struct ax_server_thread *thread, struct ax_request *request,
                           const struct ax_prediction_form *form, const struct ax_err *err)
{
    int status = form->status(err->code);
    if (!form->put_error) {
        ax_server_thread_answer_error(thread, request, status, err->msg, NULL);
        return;
    }
    form->put_error(err, ax_server_thread_answer_begin(thread));
    ax_server_thread_answer(thread, request, status);
}

static void prediction_fail(struct ax_prediction *prediction, const struct ax_err *err)
{
    prediction->outcome = err->code;
    answer_failure(prediction->thread, prediction->job.request, prediction->form, err);
}

static void prediction_read_again(void *context, void *state, struct ax_request *request);

static void prediction_cancel(struct ax_prediction *prediction)
{
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_CANCELLED, "the client went away");
    prediction_fail(prediction, &err);
}

static void prediction_hold(struct ax_prediction *prediction)
{
    if (!prediction->job.holds_served)
        (void)ax_served_ref(prediction->job.served);
    prediction->job.holds_served = true;
}

/* An answer's head; its body is the caller's. Texts are copied by net before the request ends. */
static struct ax_answer prediction_answer_head(const struct ax_prediction *prediction)
{
    return (struct ax_answer){
        .status = 200,
        .content_type = prediction->content_type ? prediction->content_type : "application/json",
        .extra_headers = prediction->extra_headers[0] ? prediction->extra_headers : NULL,
    };
}

/* The answer is in `prediction->body`. */
static void prediction_answer_body(struct ax_prediction *prediction)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_buf_check(&prediction->body, "the answer", &err)) {
        prediction_fail(prediction, &err);
        return;
    }
    struct ax_request *request = prediction->job.request;
    prediction->outcome = AX_OK;
    /* The prediction is released before net takes the body. */
    struct ax_buf body = prediction->body;
    ax_buf_init(&prediction->body, AX_SERVER_ANSWER_MAX);
    struct ax_answer answer = prediction_answer_head(prediction);
    answer.body_buf = &body;
    ax_request_answer(request, &answer);
    ax_buf_done(&body);
}

static void prediction_print_step(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_prediction *prediction = request->user;
    struct ax_buf *out = &prediction->body;
    if (ax_request_is_cancelled(request))
        prediction_cancel(prediction);
    else if (prediction->form->print(prediction, out, AX_PREDICTION_PRINT_BYTES) || out->failed)
        prediction_answer_body(prediction);
    else
        ax_request_resume(request, prediction_print_step);
}

static void prediction_print(struct ax_prediction *prediction)
{
    struct ax_server_thread *thread = prediction->thread;
    struct ax_request *request = prediction->job.request;
    size_t bytes = prediction->value_count * prediction->form->value_bytes + prediction->told_bytes;
    /* Some of the parts may be printed already. */
    if (bytes > thread->print_left || prediction->body.len > 0) {
        prediction_hold(prediction);
        ax_request_resume(request, prediction_print_step);
        return;
    }
    thread->print_left -= bytes;
    struct ax_buf *out = ax_server_thread_answer_begin(thread);
    bool done = prediction->form->print(prediction, out, SIZE_MAX);
    assert(done || out->failed);
    struct ax_err err = AX_ERR_INIT;
    if (ax_buf_check(out, "the answer", &err)) {
        prediction_fail(prediction, &err);
        return;
    }
    prediction->outcome = AX_OK;
    struct ax_answer answer = prediction_answer_head(prediction);
    answer.body = ax_buf_str(out);
    ax_request_answer(request, &answer);
}

/* The rows are scored, or were not to be. */
static void prediction_go_on(struct ax_prediction *prediction, const struct ax_err *err)
{
    if (ax_request_is_cancelled(prediction->job.request)) {
        prediction_cancel(prediction);
    } else if (prediction->form->part_over) {
        prediction->form->part_over(prediction, err);
        /* Not at once: the next part is as much work as another request. */
        ax_request_resume(prediction->job.request, prediction_read_again);
    } else if (err->code) {
        prediction_fail(prediction, err);
    } else {
        prediction_print(prediction);
    }
}

static void prediction_scored(struct ax_server_thread *thread, struct ax_scoring_job *job,
                              struct ax_err *err)
{
    (void)thread;
    prediction_go_on(container_of(job, struct ax_prediction, job), err);
}

/* Memory for the outputs that are wanted. */
static enum ax_code prediction_make_outputs(struct ax_prediction *prediction, struct ax_err *err)
{
    const struct ax_signature *signature = prediction->job.served->version->signature;
    struct ax_arena *arena = &prediction->job.request->arena;
    size_t rows = prediction->rows.count;
    if (ax_admission_check_rows(prediction->thread->scoring.admission, rows, err))
        return err->code;
    struct ax_column *columns = ax_arena_zalloc(arena, signature->output_count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(arena, "the outputs", err);
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        size_t stride = output->width * ax_datatype_size(output->datatype);
        columns[i] = (struct ax_column){ .datatype = output->datatype,
                                         .width = output->width,
                                         .stride = stride };
        if (!prediction->wanted[i])
            continue;
        columns[i].values = ax_arena_alloc_aligned(arena, AX_MAX(rows, (size_t)1), stride, 64);
        if (!columns[i].values)
            return ax_arena_fail(arena, "the outputs", err);
        prediction->value_count += rows * output->width;
    }
    prediction->job.out = (struct ax_batch){ rows, signature->output_count, columns };
    return AX_OK;
}

void ax_prediction_limit_us(struct ax_prediction *prediction, uint64_t timeout_us)
{
    assert(prediction && prediction->job.request);
    uint64_t began_ns = prediction->job.request->began_ns;
    if (timeout_us == 0 || timeout_us > (UINT64_MAX - began_ns) / (uint64_t)AX_NS_PER_US)
        return;
    uint64_t deadline_ns = began_ns + timeout_us * (uint64_t)AX_NS_PER_US;
    if (!prediction->deadline_ns || deadline_ns < prediction->deadline_ns)
        prediction->deadline_ns = deadline_ns;
}

/* The deadline as the request, its model and the server say; `is_read`: the body has had its say.
 */
static uint64_t prediction_deadline_of(const struct ax_prediction *prediction,
                                       struct ax_model_timeout timeout, bool is_read)
{
    const struct ax_admission_config *config = prediction->thread->scoring.admission;
    uint64_t named_ns = prediction->deadline_ns;
    uint64_t timeout_ns = timeout.ns ? timeout.ns : config->request_timeout_ns;
    bool may_be_longer = !timeout.ns || timeout.may_be_longer;
    if (timeout_ns == 0 || (may_be_longer && (named_ns || !is_read)))
        return named_ns;
    uint64_t own_ns = prediction->job.request->began_ns + timeout_ns;
    return named_ns && named_ns < own_ns ? named_ns : own_ns;
}

/* Of a request whose version is not known yet, the model has had no say either. */
static uint64_t prediction_deadline(const struct ax_prediction *prediction, bool is_read)
{
    const struct ax_served *served = prediction->job.served;
    struct ax_model_timeout timeout = { 0 };
    if (served)
        timeout = ax_model_settings_timeout(&served->settings);
    return prediction_deadline_of(prediction, timeout, is_read);
}

static unsigned prediction_level(const struct ax_prediction *prediction)
{
    return ax_admission_level(prediction->thread->scoring.admission, prediction->priority,
                              prediction->job.served->settings.priority);
}

/* The body was read. `err` is the caller's, and holds nothing yet: clearing one takes 30
 * instructions. */
static void prediction_score(struct ax_prediction *prediction, struct ax_err *err)
{
    assert(!err->code);
    struct ax_scoring_job *job = &prediction->job;
    prediction->read_ns = ax_clock_ns();
    if (!prediction->rows.signature) {
        prediction_print(prediction);
        return;
    }
    job->rows = &prediction->rows;
    job->finish = prediction_scored;
    job->deadline_ns = prediction_deadline(prediction, /* is_read= */ true);
    job->level = prediction_level(prediction);
    if (prediction_make_outputs(prediction, err) ||
        ax_scoring_submit(prediction->thread, job, prediction->read_ns, err))
        prediction_go_on(prediction, err);
}

/* ---- waiting ---- */

static void prediction_told(struct ax_server_thread *thread, struct ax_request *request,
                            struct ax_cold_wait *wait)
{
    (void)thread;
    struct ax_prediction *prediction = request->user;
    if (prediction->awaited != wait) {
        /* It was asked for ahead of its turn, and there was no place: it asks when that comes. */
        wait->is_told = wait->err.code != AX_E_LIMIT;
        return;
    }
    prediction->awaited = NULL;
    if (ax_request_is_cancelled(request))
        prediction_cancel(prediction);
    else
        prediction->go_on(prediction);
}

static void prediction_hold_account(struct ax_prediction *prediction)
{
    if (!prediction->holds_account)
        (void)ax_account_ref(prediction->account);
    prediction->holds_account = true;
}

/* Go on when what was asked for is told of. */
static void prediction_await(struct ax_prediction *prediction, struct ax_cold_wait *wait,
                             void (*go_on)(struct ax_prediction *prediction))
{
    assert(wait->waiter && !prediction->awaited);
    prediction->awaited = wait;
    prediction->go_on = go_on;
    /* Past this wake-up the catalog, which has the account, may be gone. */
    prediction_hold_account(prediction);
}

static struct ax_cold_wait *prediction_make_wait(struct ax_prediction *prediction,
                                                 struct ax_err *err)
{
    struct ax_arena *arena = &prediction->job.request->arena;
    struct ax_cold_wait *wait = ax_arena_zalloc(arena, 1, sizeof(*wait));
    if (!wait)
        (void)ax_arena_fail(arena, "the request", err);
    return wait;
}

/* When its time is over, as its model's settings have it while no version is there to ask. */
static uint64_t prediction_cold_deadline(const struct ax_prediction *prediction,
                                         struct ax_str model)
{
    const struct ax_catalog_model *found = ax_map_get(&prediction->thread->catalog->models, model);
    assert(found);
    return prediction_deadline_of(prediction, found->timeout, /* is_read= */ true);
}

/* Ask for a version that is not ready, as *err says, if that helps and there is time: one that was
 * waited for and is cold again was driven out before this request had its turn. All that a request
 * waits is bounded once. */
static enum ax_code prediction_ask(struct ax_prediction *prediction, struct ax_str model,
                                   struct ax_str version, struct ax_cold_wait **wait,
                                   struct ax_err *err)
{
    struct ax_server_thread *thread = prediction->thread;
    if (!ax_cold_is_there(thread, model, version))
        return err->code;
    uint64_t now_ns = ax_clock_ns();
    uint64_t deadline_ns = prediction_cold_deadline(prediction, model);
    if (prediction->wait_until_ns && now_ns >= prediction->wait_until_ns)
        return err->code;
    ax_err_clear(err);
    if (deadline_ns && now_ns >= deadline_ns)
        return ax_admission_refuse(AX_REFUSAL_LATE, err);
    if (!prediction->wait_until_ns)
        prediction->wait_until_ns = ax_cold_until_ns(thread);
    if (!*wait && !(*wait = prediction_make_wait(prediction, err)))
        return err->code;
    (*wait)->model = model;
    (*wait)->version = version;
    (*wait)->until_ns =
        deadline_ns ? AX_MIN(deadline_ns, prediction->wait_until_ns) : prediction->wait_until_ns;
    (*wait)->told = prediction_told;
    ax_cold_ask(thread, prediction->job.request, *wait);
    return AX_OK;
}

/* What the fleet said tells more than the catalog. That a load takes longer than requests wait is
 * no deadline of the request's. */
static enum ax_code prediction_fail_wait(const struct ax_prediction *prediction,
                                         const struct ax_cold_wait *wait, struct ax_err *err)
{
    ax_err_clear(err);
    if (wait->err.code != AX_E_TIMEOUT)
        return ax_fail(err, wait->err.code, "%s", wait->err.msg);
    if (wait->until_ns < prediction->wait_until_ns)
        return ax_admission_refuse(AX_REFUSAL_LATE, err);
    return ax_fail(err, AX_E_UNAVAILABLE, "%s", wait->err.msg);
}

enum ax_code ax_prediction_find(struct ax_prediction *prediction, struct ax_str model,
                                struct ax_str version, struct ax_cold_wait **wait,
                                struct ax_served **ret_served, struct ax_err *err)
{
    assert(prediction && wait && ret_served && err);
    struct ax_cold_wait *asked = *wait;
    bool is_told = asked && asked->is_told;
    if (asked)
        asked->is_told = false;
    if (!ax_catalog_version(prediction->thread->catalog, model, version, ret_served, err))
        return AX_OK;
    if (is_told && asked->err.code)
        return prediction_fail_wait(prediction, asked, err);
    if (asked && asked->waiter)
        ax_err_clear(err); /* It is on its way. */
    else if (prediction_ask(prediction, model, version, wait, err))
        return err->code;
    *ret_served = NULL;
    return AX_OK;
}

/* ---- reading ---- */

static void prediction_read_on(struct ax_prediction *prediction)
{
    struct ax_request *request = prediction->job.request;
    struct ax_err err = AX_ERR_INIT;
    bool done = false;
    if (prediction->form->read(prediction, AX_PREDICTION_READ_BYTES, &done, &err)) {
        prediction_fail(prediction, &err);
    } else if (done) {
        prediction_score(prediction, &err);
    } else if (!prediction->awaited) {
        prediction_hold(prediction);
        if (!prediction->is_waiting)
            ax_request_resume(request, prediction_read_again);
    }
}

/* A request whose time is over while it is read; the parts of one have times of their own. */
static bool prediction_is_late(const struct ax_prediction *prediction)
{
    if (prediction->has_parts)
        return false;
    uint64_t deadline_ns = prediction_deadline(prediction, !prediction->form->names_timeout);
    return deadline_ns && ax_clock_ns() >= deadline_ns;
}

static void prediction_read_again(void *context, void *state, struct ax_request *request)
{
    (void)context;
    (void)state;
    struct ax_prediction *prediction = request->user;
    struct ax_err err = AX_ERR_INIT;
    if (ax_request_is_cancelled(request)) {
        prediction_cancel(prediction);
    } else if (prediction_is_late(prediction)) {
        (void)ax_admission_refuse(AX_REFUSAL_LATE, &err);
        prediction_fail(prediction, &err);
    } else {
        prediction_read_on(prediction);
    }
}

void ax_prediction_await(struct ax_prediction *prediction, struct ax_cold_wait *wait)
{
    assert(prediction && wait);
    prediction_await(prediction, wait, prediction_read_on);
}

void ax_prediction_wait(struct ax_prediction *prediction)
{
    assert(prediction && !prediction->awaited);
    prediction->is_waiting = true;
}

void ax_prediction_wake(struct ax_prediction *prediction)
{
    assert(prediction && prediction->is_waiting);
    prediction->is_waiting = false;
    ax_request_resume(prediction->job.request, prediction_read_again);
}

uint64_t ax_prediction_deadline_ns(const struct ax_prediction *prediction)
{
    assert(prediction);
    return prediction->has_parts ? prediction->deadline_ns
                                 : prediction_deadline(prediction, /* is_read= */ true);
}

void ax_prediction_begin_parts(struct ax_prediction *prediction)
{
    assert(prediction && prediction->form->part_over && !prediction->has_parts);
    prediction->has_parts = true;
    ax_account_leave(prediction->account);
}

static enum ax_code prediction_make_wanted(struct ax_prediction *prediction, struct ax_err *err)
{
    struct ax_arena *arena = &prediction->job.request->arena;
    size_t outputs = prediction->job.served->version->signature->output_count;
    prediction->wanted = ax_arena_zalloc(arena, outputs, sizeof(bool));
    return prediction->wanted ? AX_OK : ax_arena_fail(arena, "the request", err);
}

static void prediction_let_account(struct ax_prediction *prediction)
{
    if (prediction->holds_account)
        ax_account_unref(prediction->account);
    prediction->holds_account = false;
}

/* Count the request here, wherever it was to be counted before. */
static void prediction_account(struct ax_prediction *prediction, struct ax_account *account)
{
    if (prediction->account)
        ax_account_leave(prediction->account);
    prediction_let_account(prediction);
    prediction->account = account;
    ax_account_enter(account);
}

enum ax_code ax_prediction_enter(struct ax_prediction *prediction, struct ax_err *err)
{
    assert(prediction && prediction->job.served && !prediction->entered && err);
    struct ax_served *served = prediction->job.served;
    return ax_admission_enter(prediction->thread->scoring.admission, served->settings.in_flight_max,
                              &served->in_flight, &prediction->entered, err);
}

static void prediction_leave(struct ax_prediction *prediction)
{
    ax_admission_leave(prediction->entered);
    prediction->entered = NULL;
}

/* It waits for another version than the one that it has, which is not needed meanwhile, and whose
 * memory the other one may need. */
static enum ax_code prediction_let_version(struct ax_prediction *prediction, struct ax_err *err)
{
    struct ax_served *before = prediction->job.served;
    struct ax_cold_wait *wait = prediction->wait;
    if (!before)
        return AX_OK;
    /* The model's name was the version's. */
    struct ax_arena *arena = &prediction->job.request->arena;
    char *model = ax_arena_alloc(arena, AX_MAX(wait->model.len, (size_t)1), 1);
    if (!model)
        return ax_arena_fail(arena, "the request", err);
    memcpy(model, wait->model.ptr, wait->model.len);
    wait->model.ptr = model;
    prediction_hold_account(prediction);
    prediction_leave(prediction);
    if (prediction->job.holds_served)
        ax_served_unref(before);
    prediction->job.holds_served = false;
    prediction->job.served = NULL;
    return AX_OK;
}

enum ax_code ax_prediction_choose(struct ax_prediction *prediction, struct ax_str version,
                                  bool *ret_waits, struct ax_err *err)
{
    assert(prediction && !prediction->rows.signature && ret_waits && err);
    struct ax_served *before = prediction->job.served;
    struct ax_served *served;
    struct ax_str model =
        before ? ax_str_from(before->version->model_name) : prediction->wait->model;
    *ret_waits = false;
    if (ax_prediction_find(prediction, model, version, &prediction->wait, &served, err)) {
        prediction->is_miss = true;
        prediction_account(prediction,
                           ax_catalog_account(prediction->thread->catalog, model, version));
        return err->code;
    }
    if (!served) {
        prediction->is_miss = true;
        *ret_waits = true;
        if (prediction_let_version(prediction, err))
            return err->code;
        ax_prediction_await(prediction, prediction->wait);
        return AX_OK;
    }
    prediction_leave(prediction);
    prediction->job.served = served;
    prediction_account(prediction, served->account);
    if (prediction->job.holds_served) {
        (void)ax_served_ref(served);
        ax_served_unref(before);
    }
    return ax_prediction_enter(prediction, err) ? err->code
                                                : prediction_make_wanted(prediction, err);
}

void ax_prediction_count_refused(const struct ax_call *call, enum ax_code code)
{
    assert(call && code);
    const struct ax_catalog *catalog = call->thread->catalog;
    const struct ax_catalog_version *found = ax_catalog_find(catalog, call->model, call->version);
    const struct ax_account *account = ax_catalog_account(catalog, call->model, call->version);
    ax_account_found(account, found && found->served);
    ax_account_fail(account, code, ax_clock_ns() - call->request->began_ns);
}

void ax_prediction_refuse(struct ax_call *call, const struct ax_prediction_form *form,
                          const struct ax_err *err)
{
    assert(call && form && err && err->code);
    call->is_refused = true;
    ax_prediction_count_refused(call, err->code);
    answer_failure(call->thread, call->request, form, err);
}

static void prediction_cancelled(void *user);
static void prediction_release(void *user);

static const struct ax_request_user prediction_user = {
    .cancelled = prediction_cancelled,
    .release = prediction_release,
};

static void prediction_begin(struct ax_call *call, const struct ax_prediction_form *form,
                             struct ax_prediction *prediction, struct ax_account *account)
{
    prediction->form = form;
    prediction->thread = call->thread;
    prediction->outcome = AX_E_CANCELLED;
    prediction->handed_ns = ax_clock_ns();
    prediction_account(prediction, account);
    prediction->job.request = call->request;
    prediction->job.user = &prediction_user;
    ax_buf_init(&prediction->body, AX_SERVER_ANSWER_MAX);
    call->request->user = prediction;
}

/* The timeout that a header names, in any protocol. */
static enum ax_code prediction_read_header(struct ax_prediction *prediction, struct ax_err *err)
{
    const struct ax_request *request = prediction->job.request;
    struct ax_str text = ax_request_header(request, "x-request-timeout-ms");
    uint64_t timeout_ms;
    if (!text.ptr)
        return AX_OK;
    if (!ax_str_to_u64(text, &timeout_ms) || ax_request_has_second(request, "x-request-timeout-ms"))
        return ax_fail(err, AX_E_INVALID,
                       "header 'X-Request-Timeout-Ms' must be a whole number from 0, once; found "
                       "'%.*s'",
                       AX_STR_ARG(ax_str_cut(text, SHOWN_BYTES_MAX)));
    ax_prediction_limit_us(prediction, timeout_ms > UINT64_MAX / 1000 ? 0 : timeout_ms * 1000);
    return AX_OK;
}

/* Whether the body may name a priority, of its own, which is found out by reading it. */
static bool prediction_may_name_priority(const struct ax_prediction *prediction)
{
    const struct ax_str name = AX_STR("\"priority\"");
    struct ax_str body = prediction->job.request->body;
    size_t len = AX_MIN(body.len, PEEK_BYTES_MAX);
    return prediction->form->names_priority && len > 0 &&
           (memmem(body.ptr, len, name.ptr, name.len) ||
            memmem(body.ptr + body.len - len, len, name.ptr, name.len));
}

/* What may be known without the body: that too many are there, or that it would wait too long. */
static enum ax_code prediction_admit(struct ax_prediction *prediction, struct ax_err *err)
{
    const struct ax_served *served = prediction->job.served;
    struct ax_scoring *scoring = &prediction->thread->scoring;
    if (ax_prediction_enter(prediction, err))
        return err->code;
    if (ax_scoring_queue_is_empty(&scoring->queue) || prediction_may_name_priority(prediction))
        return AX_OK;
    return ax_scoring_check(scoring, served, prediction_level(prediction),
                            prediction_deadline(prediction, /* is_read= */ false),
                            prediction->handed_ns, err);
}

/* Its version is found: read. `err` as above. */
static void prediction_go(struct ax_prediction *prediction, struct ax_served *served,
                          struct ax_err *err)
{
    assert(!err->code);
    ax_served_use(served, prediction->handed_ns);
    prediction->job.served = served;
    if (prediction_admit(prediction, err) || prediction_make_wanted(prediction, err))
        prediction_fail(prediction, err);
    else
        prediction_read_on(prediction);
}

/* Find the version that the path names, which is cold, or was. */
static void prediction_find_on(struct ax_prediction *prediction)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_cold_wait *wait = prediction->wait;
    if (ax_prediction_find(prediction, wait->model, wait->version, &prediction->wait, &served,
                           &err)) {
        /* Its first load has given it an account. */
        prediction_account(prediction, ax_catalog_account(prediction->thread->catalog, wait->model,
                                                          wait->version));
        prediction_fail(prediction, &err);
        return;
    }
    if (!served) {
        prediction_await(prediction, prediction->wait, prediction_find_on);
        return;
    }
    prediction_account(prediction, served->account);
    prediction->handed_ns = ax_clock_ns();
    prediction_go(prediction, served, &err);
}

/* Its version is cold, so that nothing can be read yet; but its deadline counts. */
static void prediction_start_cold(struct ax_call *call, const struct ax_prediction_form *form,
                                  struct ax_prediction *prediction)
{
    struct ax_err err = AX_ERR_INIT;
    prediction_begin(call, form, prediction,
                     ax_catalog_account(call->thread->catalog, call->model, call->version));
    prediction->is_miss = true;
    if (prediction_read_header(prediction, &err) ||
        !(prediction->wait = prediction_make_wait(prediction, &err))) {
        prediction_fail(prediction, &err);
        return;
    }
    if (form->peek)
        form->peek(prediction);
    prediction->wait->model = call->model;
    prediction->wait->version = call->version;
    prediction_find_on(prediction);
}

/* Whether it is to be refused whatever its body says. It may name the best priority, and what is
 * wrong with the header is told when it is whole. */
static enum ax_code prediction_check_head(struct ax_prediction *prediction,
                                          const struct ax_prediction_form *form, struct ax_err *err)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (prediction_read_header(prediction, &ignored))
        return AX_OK;
    if (ax_prediction_enter(prediction, err))
        return err->code;
    prediction_leave(prediction);
    return ax_scoring_check(&prediction->thread->scoring, prediction->job.served,
                            form->names_priority ? 0 : prediction_level(prediction),
                            prediction_deadline(prediction, /* is_read= */ false), ax_clock_ns(),
                            err);
}

/* The same of a request, of which nothing is begun yet; `prediction` is used for this alone. */
static void prediction_start_head(struct ax_call *call, const struct ax_prediction_form *form,
                                  struct ax_prediction *prediction)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_err ignored = AX_ERR_INIT;
    prediction->thread = call->thread;
    prediction->job.request = call->request;
    if (!ax_catalog_version(call->thread->catalog, call->model, call->version,
                            &prediction->job.served, &ignored) &&
        prediction_check_head(prediction, form, &err))
        ax_prediction_refuse(call, form, &err);
}

void ax_prediction_start(struct ax_call *call, const struct ax_prediction_form *form,
                         struct ax_prediction *prediction)
{
    assert(call && form && prediction && !prediction->job.served);
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    const struct ax_catalog *catalog = call->thread->catalog;
    if (call->is_head) {
        prediction_start_head(call, form, prediction);
        return;
    }
    if (ax_catalog_version(catalog, call->model, call->version, &served, &err)) {
        if (ax_cold_is_there(call->thread, call->model, call->version))
            prediction_start_cold(call, form, prediction);
        else
            ax_prediction_refuse(call, form, &err);
        return;
    }
    prediction_begin(call, form, prediction, served->account);
    if (prediction_read_header(prediction, &err))
        prediction_fail(prediction, &err);
    else
        prediction_go(prediction, served, &err);
}

void ax_prediction_start_parts(struct ax_call *call, const struct ax_prediction_form *form,
                               struct ax_prediction *prediction)
{
    assert(call && form && form->part_over && form->release_parts && prediction);
    if (call->is_head)
        return;
    prediction->job.holds_served = true;
    struct ax_err err = AX_ERR_INIT;
    prediction_begin(call, form, prediction, ax_account_no_model());
    if (prediction_read_header(prediction, &err))
        prediction_fail(prediction, &err);
    else
        prediction_read_on(prediction);
}

/* Where the time of a prediction that is answered went. */
static struct ax_account_spent prediction_spent(const struct ax_prediction *prediction,
                                                uint64_t now_ns)
{
    const struct ax_scoring_job *job = &prediction->job;
    uint64_t scored_ns = job->scored_ns ? job->scored_ns : prediction->read_ns;
    return (struct ax_account_spent){
        .request_ns = now_ns - job->request->began_ns,
        .input_ns = prediction->read_ns - prediction->handed_ns,
        .queue_ns = scored_ns - prediction->read_ns - job->infer_ns,
        .infer_ns = job->infer_ns,
        .output_ns = now_ns - scored_ns,
    };
}

void ax_prediction_count(struct ax_prediction *prediction)
{
    assert(prediction && prediction->account);
    struct ax_served *served = prediction->job.served;
    prediction_leave(prediction);
    uint64_t now_ns = ax_clock_ns();
    enum ax_code code =
        ax_request_is_cancelled(prediction->job.request) ? AX_E_CANCELLED : prediction->outcome;
    ax_account_leave(prediction->account);
    ax_account_found(prediction->account, !prediction->is_miss);
    if (code) {
        ax_account_fail(prediction->account, code, now_ns - prediction->job.request->began_ns);
        return;
    }
    struct ax_account_spent spent = prediction_spent(prediction, now_ns);
    ax_account_succeed(prediction->account, &spent, prediction->job.call_rows);
    ax_admission_note_wait(prediction->job.level, spent.queue_ns);
    if (served)
        ax_served_succeed(served, now_ns);
}

/* A wait for a load ends now; what waits for its turn in the queue is passed over then. */
static void prediction_cancelled(void *user)
{
    struct ax_prediction *prediction = user;
    if (!prediction->job.is_queued)
        prediction_cancel(prediction);
}

/* The one place where a prediction that was begun is counted. */
static void prediction_release(void *user)
{
    struct ax_prediction *prediction = user;
    ax_scoring_forget(&prediction->thread->scoring, &prediction->job);
    ax_cold_withdraw(prediction->thread, prediction->wait);
    if (prediction->form->release)
        prediction->form->release(prediction);
    if (prediction->has_parts) {
        prediction->form->release_parts(prediction);
    } else {
        ax_prediction_count(prediction);
        if (prediction->job.holds_served)
            ax_served_unref(prediction->job.served);
    }
    prediction_let_account(prediction);
    ax_buf_done(&prediction->body);
}
