/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/predict: the same rows, or entities, to several models; docs/protocols/predict-many.md.
 *
 * The body is read once, into cells. Then one part after another is filled into the rows of its
 * version, scored, and put aside; a turn of the loop lies between two parts, so a request for many
 * models is no longer than as many requests. All versions are looked up at one moment and held
 * until the end. If some are cold, all of these are asked for at once, and none is held: each part
 * takes its version when its turn comes, and before one is waited for, those that were scored are
 * printed and let go. So a request never waits for memory that it holds itself. What is wrong with
 * a part stays in the part. Of entities the features are found in one pass for all parts, whatever
 * their services: the first of them fills the rows of those behind it whose versions are there.
 * Each part is counted as a request of its version; a body that is refused is counted as one
 * request of no model.
 */
#include "base/clock.h"
#include "base/json.h"
#include "server/api/endpoints.h"
#include "server/api/row_request.h"
#include "server/api/service_pass.h"
#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>
#include <string.h>

/* A part as it is asked for, and then as it ended. */
#define PARTS_FIRST ((size_t)4)

struct many_part {
    struct ax_str model;
    struct ax_str version;           /* empty: the highest */
    struct ax_prediction prediction; /* a copy, for its answer and its account */
    struct ax_err err;               /* why it has no answer */
    struct ax_cold_wait *wait;       /* for its version; NULL: it never was cold */
    struct many_pass *pass;       /* by which its rows are filled; NULL: from cells, or not yet */
    struct ax_service_call *call; /* of its service, in the pass */
    struct ax_service_target target;
    struct ax_rows rows; /* of the target */
};

/* Of parts whose features are found together. */
struct many_pass {
    struct ax_service_pass pass;
    struct many_request *request;
    struct many_pass *next;
    bool is_done;
};

struct many_request {
    struct ax_row_request rows; /* first; its prediction is that of the part in hand */
    struct many_part *parts;
    size_t part_count;
    size_t part;       /* in hand */
    size_t put_count;  /* parts that are printed */
    bool is_in_answer; /* the head of the next part's answer is printed */
    struct many_pass *passes;
    int64_t now_us; /* of all of them */
};

static struct many_request *many_from(struct ax_prediction *prediction)
{
    return container_of(prediction, struct many_request, rows.prediction);
}

/* Read a name, or a version, which may be a number. */
static enum ax_code many_read_text(struct ax_row_body *body, bool is_name, struct ax_str *ret_text,
                                   struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_STRING)
        return ax_json_read_text(&body->json, body->arena, ret_text, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (is_name || token != AX_JSON_NUMBER)
        return ax_fail(err, AX_E_INVALID, "%s must be a string, found %s",
                       is_name ? "'name'" : "'version'", ax_json_token_text(token));
    *ret_text = body->json.raw;
    return AX_OK;
}

/* {"name":"a","version":"3"}, behind its bracket. */
static enum ax_code many_read_object(struct ax_row_body *body, struct many_part *part,
                                     struct ax_err *err)
{
    for (;;) {
        struct ax_str key;
        enum ax_json_token token = ax_json_read(&body->json, err);
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token == AX_JSON_OBJECT_END)
            break;
        if (ax_json_read_text(&body->json, body->arena, &key, err))
            return err->code;
        bool is_name = ax_str_is(key, "name");
        if (!is_name && !ax_str_is(key, "version"))
            return ax_fail(err, AX_E_INVALID,
                           "unknown member '%.*s' of a model; it has 'name' and may have 'version'",
                           AX_STR_ARG(ax_str_cut(key, AX_SIGNATURE_SHOWN_BYTES_MAX)));
        struct ax_str *text = is_name ? &part->model : &part->version;
        if (text->ptr)
            return ax_fail(err, AX_E_INVALID, "'%.*s' of a model is given twice", AX_STR_ARG(key));
        if (many_read_text(body, is_name, text, err))
            return err->code;
    }
    return part->model.ptr ? AX_OK : ax_fail(err, AX_E_INVALID, "a model has no 'name'");
}

/* "a", "a/3" or an object; *ret_end at the end of the array. */
static enum ax_code many_read_model(struct ax_row_body *body, struct many_part *part, bool *ret_end,
                                    struct ax_err *err)
{
    struct ax_str name;
    enum ax_json_token token = ax_json_read(&body->json, err);
    *ret_end = token == AX_JSON_ARRAY_END;
    if (token == AX_JSON_FAILED || *ret_end)
        return err->code;
    if (token == AX_JSON_OBJECT_BEGIN)
        return many_read_object(body, part, err);
    if (token != AX_JSON_STRING)
        return ax_fail(err, AX_E_INVALID, "each of 'models' must be a name or an object, found %s",
                       ax_json_token_text(token));
    if (ax_json_read_text(&body->json, body->arena, &name, err))
        return err->code;
    ax_catalog_split_name(name, &part->model, &part->version);
    return AX_OK;
}

/* Room for as many again at 4, 8, 16, … parts: few of them fit into what an arena always has. */
static enum ax_code many_add_part(struct many_request *request, const struct many_part *part,
                                  struct ax_err *err)
{
    size_t count = request->part_count;
    if (count == 0 || (count >= PARTS_FIRST && (count & (count - 1)) == 0)) {
        struct ax_arena *arena = request->rows.body.arena;
        struct many_part *parts =
            ax_arena_alloc(arena, AX_MAX(count * 2, PARTS_FIRST), sizeof(*parts));
        if (!parts)
            return ax_arena_fail(arena, "the models", err);
        if (count)
            memcpy(parts, request->parts, count * sizeof(*parts));
        request->parts = parts;
    }
    request->parts[request->part_count++] = *part;
    return AX_OK;
}

/* "models". There are few, so they are read in one go. */
static enum ax_code many_read_models(struct ax_row_body *body, struct ax_err *err)
{
    struct many_request *request = container_of(body, struct many_request, rows.body);
    size_t max = ax_server_models_per_request_max(request->rows.prediction.thread->server);
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_ARRAY_BEGIN)
        return ax_fail(err, AX_E_INVALID, "'models' must be an array, found %s",
                       ax_json_token_text(token));
    for (;;) {
        struct many_part part = { .err = AX_ERR_INIT };
        bool end;
        if (many_read_model(body, &part, &end, err))
            return err->code;
        if (end)
            break;
        if (request->part_count == max)
            return ax_fail(err, AX_E_INVALID, "'models' names more than %zu models", max);
        if (many_add_part(request, &part, err))
            return err->code;
    }
    return request->part_count ? AX_OK : ax_fail(err, AX_E_INVALID, "'models' names no model");
}

/* "timeout_us", since the request's first byte, of all parts together; 0: none. */
static enum ax_code many_read_timeout(struct ax_row_body *body, struct ax_err *err)
{
    struct many_request *request = container_of(body, struct many_request, rows.body);
    uint64_t timeout_us;
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_NUMBER || !ax_json_read_u64(&body->json, &timeout_us))
        return ax_fail(err, AX_E_INVALID, "'timeout_us' must be a whole number from 0");
    ax_prediction_limit_us(&request->rows.prediction, timeout_us);
    return AX_OK;
}

static const struct ax_row_member many_members[] = {
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    AX_ROW_ENTITY_MEMBERS,
    { .name = "models", .read = many_read_models },
    { .name = "timeout_us", .read = many_read_timeout },
    { 0 },
};

static const struct ax_row_protocol many_protocol = {
    .members = many_members,
    .wanted = "'rows' or 'entities'",
    .unknown_hint = "a request has 'models', and 'rows', or 'entities' with 'request', 'given', "
                    "'at' and 'features', and may have 'timeout_us'",
};

/* Count the part here, wherever it was to be counted before. */
static void part_account(struct many_part *part, struct ax_account *account)
{
    if (part->prediction.account) {
        ax_account_leave(part->prediction.account);
        ax_account_unref(part->prediction.account);
    }
    part->prediction.account = ax_account_ref(account);
    ax_account_enter(account);
}

static void part_let_version(struct many_part *part)
{
    ax_admission_leave(part->prediction.entered);
    part->prediction.entered = NULL;
    ax_served_unref(part->prediction.job.served);
    part->prediction.job.served = NULL;
}

/* Find the version of a part: it takes it, or fails, or has asked for it. */
static void part_find(struct many_request *request, struct many_part *part)
{
    struct ax_prediction *whole = &request->rows.prediction;
    struct ax_served *served = NULL;
    enum ax_code code =
        ax_prediction_find(whole, part->model, part->version, &part->wait, &served, &part->err);
    part_account(part,
                 served ? served->account
                        : ax_catalog_account(whole->thread->catalog, part->model, part->version));
    if (code || !served) {
        part->prediction.is_miss = true;
        return;
    }
    part->prediction.job.served = ax_served_ref(served);
    (void)ax_prediction_enter(&part->prediction, &part->err);
}

/* Find the versions of all parts, and ask for those that are cold. From here on the parts are
 * counted, and not the whole. */
static void many_begin(struct many_request *request)
{
    struct ax_prediction *whole = &request->rows.prediction;
    bool all_are_here = true;
    ax_prediction_begin_parts(whole);
    for (size_t i = 0; i < request->part_count; i++) {
        struct many_part *part = &request->parts[i];
        part->prediction = *whole;
        part->prediction.account = NULL;
        part_find(request, part);
        all_are_here = all_are_here && (part->err.code || part->prediction.job.served);
    }
    for (size_t i = 0; !all_are_here && i < request->part_count; i++)
        part_let_version(&request->parts[i]);
}

/* Begin to fill the rows of the part in hand. */
static enum ax_code many_begin_part(struct many_request *request, struct ax_err *err)
{
    struct ax_prediction *prediction = &request->rows.prediction;
    struct ax_served *served = request->parts[request->part].prediction.job.served;
    const struct ax_signature *signature = served->version->signature;
    struct ax_arena *arena = &prediction->job.request->arena;
    prediction->job.served = served;
    prediction->handed_ns = ax_clock_ns();
    ax_served_use(served, prediction->handed_ns);
    prediction->wanted = ax_arena_zalloc(arena, signature->output_count, sizeof(bool));
    if (!prediction->wanted)
        return ax_arena_fail(arena, "the outputs", err);
    ax_predict_answer_want(signature, prediction->wanted);
    return AX_OK;
}

static void many_part_over(struct ax_prediction *prediction, const struct ax_err *err)
{
    struct many_request *request = many_from(prediction);
    struct many_part *part = &request->parts[request->part++];
    struct ax_account *account = part->prediction.account;
    bool is_miss = part->prediction.is_miss;
    _Atomic size_t *entered = part->prediction.entered;
    part->prediction = *prediction;
    part->prediction.account = account;
    part->prediction.is_miss = is_miss;
    part->prediction.entered = entered;
    part->err = *err;
    prediction->job.served = NULL; /* The part has it. */
    prediction->rows = (struct ax_rows){ 0 };
    prediction->job.out = (struct ax_batch){ 0 };
    request->rows.is_filling = false;
}

/* ---- by entity ---- */

static void many_woken(struct ax_service_pass *pass)
{
    struct many_pass *many = container_of(pass, struct many_pass, pass);
    ax_prediction_wake(&many->request->rows.prediction);
}

/* The pass's call of a service, which is made for the first part with it; NULL: there is no room in
 * the pass, or, as *err says, no memory. What is wrong with the call stays in it. */
static struct ax_service_call *many_call(struct many_pass *many,
                                         const struct ax_serving_service *service,
                                         struct ax_err *err)
{
    struct ax_prediction *whole = &many->request->rows.prediction;
    struct ax_row_body *body = &many->request->rows.body;
    struct ax_service_call *call = many->pass.calls;
    while (call && call->service != service)
        call = call->next;
    if (call || !ax_service_pass_has_room(&many->pass, service, body->tell))
        return call;
    call = ax_arena_zalloc(body->arena, 1, sizeof(*call));
    if (!call) {
        (void)ax_arena_fail(body->arena, "the request", err);
        return NULL;
    }
    if (ax_service_call_begin(call, &many->pass, service, body->tell, &call->err))
        return call;
    ax_service_call_share(call, body->cells);
    if (!ax_service_call_take(call, body->cells, body->is_one, many->request->now_us, &call->err))
        ax_service_call_sample(call, ax_server_thread_sampler(whole->thread));
    return call;
}

/* The part takes its rows from the pass, if that has room. *err is told when the part has its turn.
 */
static enum ax_code many_join(struct many_pass *many, struct many_part *part, struct ax_err *err)
{
    const struct ax_serving_service *service;
    struct ax_served *served = part->prediction.job.served;
    part->pass = many;
    if (ax_serving_bind(many->pass.features, served, &service, &part->target.inputs, err))
        return err->code;
    struct ax_service_call *call = many_call(many, service, err);
    if (!call && !err->code)
        part->pass = NULL;
    part->target.rows = &part->rows;
    if (!call || ax_rows_reserve(&part->rows, served->version->signature, many->pass.rows,
                                 many->request->rows.body.arena, err))
        return err->code;
    part->call = call;
    ax_service_call_add(call, &part->target);
    return AX_OK;
}

/* Begin a pass with the part in hand, and those behind it whose versions are there. */
static enum ax_code many_begin_pass(struct many_request *request, struct ax_err *err)
{
    struct ax_prediction *whole = &request->rows.prediction;
    struct ax_server *server = whole->thread->server;
    struct ax_request *http = whole->job.request;
    size_t rows = request->rows.body.cells[AX_ROW_SET_ROWS].row_count;
    if (ax_admission_check_rows(whole->thread->scoring.admission, rows, err) ||
        ax_server_check_features(server, err))
        return err->code;
    struct many_pass *many = ax_arena_zalloc(&http->arena, 1, sizeof(*many));
    if (!many)
        return ax_arena_fail(&http->arena, "the request", err);
    if (!request->passes)
        request->now_us = ax_server_now_us(server);
    many->request = request;
    many->next = request->passes;
    request->passes = many;
    many->pass.woken = many_woken;
    ax_service_pass_begin(&many->pass, ax_server_features(server), rows, &http->arena,
                          ax_http_worker_loop(http->worker), ax_prediction_deadline_ns(whole));
    for (size_t i = request->part; i < request->part_count; i++) {
        struct many_part *part = &request->parts[i];
        if (part->prediction.job.served && !part->pass && !part->err.code)
            (void)(many_join(many, part, &part->target.err) != AX_OK);
    }
    return AX_OK;
}

/* Fill the rows of the part in hand by its service, with those of others. */
static enum ax_code many_fill_entities(struct many_request *request, size_t byte_budget,
                                       size_t *cost, bool *ret_done, struct ax_err *err)
{
    struct many_part *part = &request->parts[request->part];
    bool waits = false;
    request->rows.is_filling = true;
    if (!part->pass && many_begin_pass(request, err))
        return err->code;
    struct many_pass *many = part->pass;
    if (!many->is_done)
        ax_service_pass_step(&many->pass, byte_budget, cost, &many->is_done, &waits);
    if (waits) {
        ax_prediction_wait(&request->rows.prediction);
        return AX_OK;
    }
    const struct ax_err *failure = &part->target.err;
    if (failure->code)
        return ax_fail(err, failure->code, "%s", failure->msg);
    request->rows.prediction.rows = part->rows;
    *ret_done = many->is_done;
    if (many->is_done)
        request->rows.prediction.told_bytes += part->call->told.len;
    return AX_OK;
}

/* Fill the rows of the part in hand, or find that they cannot be. */
static void many_fill(struct many_request *request, size_t byte_budget, size_t *cost,
                      bool *ret_done)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_row_body *body = &request->rows.body;
    enum ax_code code = AX_OK;
    if (!request->rows.is_filling)
        code = many_begin_part(request, &err);
    if (!code && ax_row_body_is_by_entity(body))
        code = many_fill_entities(request, byte_budget, cost, ret_done, &err);
    else if (!code)
        code = ax_row_request_fill(&request->rows, &body->cells[AX_ROW_SET_ROWS], byte_budget, cost,
                                   ret_done, &err);
    if (code)
        many_part_over(&request->rows.prediction, &err);
}

static enum ax_code many_parse(struct many_request *request, size_t byte_budget, size_t *cost,
                               struct ax_err *err)
{
    bool done;
    if (ax_row_body_read(&request->rows.body, byte_budget, cost, &done, err))
        return err->code;
    if (done && !request->parts)
        return ax_fail(err, AX_E_INVALID, "the request has no 'models'");
    if (done)
        many_begin(request);
    return AX_OK;
}

static void many_put_part_head(const struct many_part *part, struct ax_buf *out)
{
    const struct ax_served *served = part->prediction.job.served;
    struct ax_str version = served ? ax_str_from(served->version->text) : part->version;
    (void)ax_buf_append_str(out, AX_STR("{\"model\":"));
    ax_json_put_str(out, part->model);
    if (version.len > 0) {
        ax_json_put_key(out, "version");
        ax_json_put_str(out, version);
    }
}

static void many_put_error(const struct ax_err *err, struct ax_buf *out)
{
    ax_json_put_key(out, "error");
    ax_json_put_str(out, ax_str_from(err->msg));
    ax_json_put_key(out, "status");
    ax_json_put_i64(out, ax_prediction_status(err->code));
    (void)ax_buf_append_char(out, '}');
}

/* Print on in the next part; true when it is complete. */
static bool many_put_part(struct many_request *request, struct ax_buf *out, size_t end)
{
    const struct many_part *part = &request->parts[request->put_count];
    if (!request->is_in_answer)
        many_put_part_head(part, out);
    if (part->err.code) {
        many_put_error(&part->err, out);
        return true;
    }
    if (!request->is_in_answer)
        (void)ax_buf_append_str(out, AX_STR(",\"predictions\":["));
    request->is_in_answer = true;
    struct ax_predict_answer answer;
    ax_predict_answer_init(&answer, part->prediction.job.served->version, &part->prediction.job.out,
                           part->call);
    if (!ax_predict_answer_put_rows(&answer, &request->rows.printed, end, ax_predict_answer_put_row,
                                    out))
        return false;
    (void)ax_buf_append_str(out, AX_STR("]}"));
    request->is_in_answer = false;
    request->rows.printed = 0;
    return true;
}

/* Print on up to part `to`, until `out` holds `end` bytes; true when all are printed. */
static bool many_put_parts(struct many_request *request, size_t to, struct ax_buf *out, size_t end)
{
    if (!request->rows.began) {
        (void)ax_buf_append_char(out, '{');
        ax_predict_answer_put_id(out);
        (void)ax_buf_append_str(out, AX_STR(",\"parts\":["));
    }
    request->rows.began = true;
    for (; request->put_count < to; request->put_count++) {
        if (request->put_count > 0 && !request->is_in_answer)
            (void)ax_buf_append_char(out, ',');
        if (!many_put_part(request, out, end))
            return false;
    }
    return true;
}

/* Print on what was scored, and let go what it was scored with; true when all of it is. */
static bool many_put_aside(struct many_request *request, size_t byte_budget, size_t *cost)
{
    struct ax_buf *out = &request->rows.prediction.body;
    size_t len = out->len;
    bool done = many_put_parts(request, request->part, out, len + byte_budget);
    *cost += out->len - len;
    /* What failed to grow is told at the end. */
    if (!done && !out->failed)
        return false;
    for (size_t i = 0; i < request->part; i++) {
        struct many_part *part = &request->parts[i];
        if (!part->err.code && part->prediction.job.served)
            ax_served_succeed(part->prediction.job.served, ax_clock_ns());
        part_let_version(part);
    }
    return true;
}

/* See to the version of the part in hand: true when it is there, or the part has failed. */
static bool many_take(struct many_request *request, size_t byte_budget, size_t *cost)
{
    struct many_part *part = &request->parts[request->part];
    if (!part->prediction.job.served && !part->err.code)
        part_find(request, part);
    if (part->prediction.job.served || part->err.code)
        return true;
    if (many_put_aside(request, byte_budget, cost))
        ax_prediction_await(&request->rows.prediction, part->wait);
    return false;
}

static enum ax_code many_read(struct ax_prediction *prediction, size_t byte_budget, bool *ret_done,
                              struct ax_err *err)
{
    struct many_request *request = many_from(prediction);
    size_t cost = 0;
    *ret_done = false;
    if (!prediction->has_parts && many_parse(request, byte_budget, &cost, err))
        return err->code;
    while (prediction->has_parts && !prediction->is_waiting && !*ret_done && cost < byte_budget) {
        if (request->part == request->part_count)
            *ret_done = true; /* All are over. */
        else if (!many_take(request, byte_budget - cost, &cost))
            break;
        else if (request->parts[request->part].err.code)
            request->part++;
        else
            many_fill(request, byte_budget - cost, &cost, ret_done);
    }
    return AX_OK;
}

static bool many_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    struct many_request *request = many_from(prediction);
    size_t end = byte_budget > SIZE_MAX - out->len ? SIZE_MAX : out->len + byte_budget;
    if (!many_put_parts(request, request->part_count, out, end))
        return false;
    (void)ax_buf_append_char(out, ']');
    ax_predict_answer_put_end(prediction->job.request->began_ns, out);
    return true;
}

/* A part ends as it did, unless its answer never left. */
static void many_release_parts(struct ax_prediction *prediction)
{
    struct many_request *request = many_from(prediction);
    for (size_t i = 0; i < request->part_count; i++) {
        struct many_part *part = &request->parts[i];
        part->prediction.outcome = prediction->outcome ? prediction->outcome : part->err.code;
        ax_prediction_count(&part->prediction);
        ax_account_unref(part->prediction.account);
        ax_cold_withdraw(prediction->thread, part->wait);
        part_let_version(part);
    }
}

static void many_release(struct ax_prediction *prediction)
{
    for (struct many_pass *many = many_from(prediction)->passes; many; many = many->next)
        ax_service_pass_done(&many->pass);
}

static const struct ax_prediction_form many_form = {
    .read = many_read,
    .release = many_release,
    .part_over = many_part_over,
    .release_parts = many_release_parts,
    .print = many_print,
    .status = ax_prediction_status,
    .value_bytes = AX_PREDICT_VALUE_BYTES,
    .names_timeout = true,
};

void ax_predict_many(struct ax_call *call)
{
    ax_row_request_start(call, &many_form, &many_protocol, sizeof(struct many_request));
}
