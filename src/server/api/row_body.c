/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine of its own around that of row_reader.c: the outermost object, member by member.
 */
#include "server/api/row_body.h"

#include <assert.h>

enum {
    BODY_BEGIN,
    BODY_MEMBER, /* between members */
    BODY_ROWS,   /* inside the member that holds the rows */
    BODY_SKIP,   /* inside one that says nothing */
    BODY_TRAIL,  /* behind the object */
    BODY_DONE,
};

void ax_row_body_init(struct ax_row_body *body, const struct ax_row_protocol *protocol,
                      struct ax_str text, struct ax_arena *arena)
{
    assert(body && protocol && arena);
    *body = (struct ax_row_body){ .protocol = protocol, .arena = arena };
    ax_json_reader_init(&body->json, text);
    body->json.token_max = AX_JSON_TOKEN_BYTES_MAX;
    for (size_t i = 0; i < AX_ROW_SETS; i++) {
        ax_cells_init(&body->cells[i], arena);
        body->is_one[i] = i != AX_ROW_SET_ROWS;
    }
    /* Given as null is given. */
    body->cells[AX_ROW_SET_GIVEN].keeps_nulls = true;
    body->cells[AX_ROW_SET_AT].keeps_nulls = true;
}

enum ax_code ax_row_body_read_version(struct ax_row_body *body, struct ax_err *err)
{
    assert(body && err);
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_STRING)
        return ax_json_read_text(&body->json, body->arena, &body->version, err);
    if (token != AX_JSON_NUMBER)
        return ax_fail(err, AX_E_INVALID, "'version' must be a number or a string, found %s",
                       ax_json_token_text(token));
    body->version = body->json.raw;
    return AX_OK;
}

enum ax_code ax_row_body_read_features(struct ax_row_body *body, struct ax_err *err)
{
    static const char *const names[] = { [AX_SERVICE_TELL_NOTHING] = "none",
                                         [AX_SERVICE_TELL_STATUS] = "status",
                                         [AX_SERVICE_TELL_FULL] = "full" };
    assert(body && err);
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    for (size_t i = 0; token == AX_JSON_STRING && i < AX_COUNT(names); i++) {
        if (!ax_str_is(body->json.raw, names[i]))
            continue;
        body->tell = (enum ax_service_tell)i;
        return AX_OK;
    }
    return ax_fail(err, AX_E_INVALID, "'features' must be \"none\", \"status\" or \"full\"");
}

static enum ax_code body_step_begin(struct ax_row_body *body, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_OBJECT_BEGIN)
        return ax_fail(err, AX_E_INVALID, "the body must be an object, found %s",
                       ax_json_token_text(token));
    body->state = BODY_MEMBER;
    return AX_OK;
}

/* Pass over the value that comes next. */
static enum ax_code body_skip(struct ax_row_body *body, struct ax_err *err)
{
    body->skip_depth = body->json.depth;
    body->state = BODY_SKIP;
    return ax_json_read(&body->json, err) == AX_JSON_FAILED ? err->code : AX_OK;
}

static enum ax_code body_unknown(struct ax_row_body *body, struct ax_str key, struct ax_err *err)
{
    if (!body->protocol->unknown_hint)
        return body_skip(body, err);
    return ax_fail(err, AX_E_INVALID, "unknown member '%.*s'; %s",
                   AX_STR_ARG(ax_str_cut(key, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                   body->protocol->unknown_hint);
}

static enum ax_code body_begin_rows(struct ax_row_body *body, const struct ax_row_member *member,
                                    struct ax_err *err)
{
    if (body->members[member->set])
        return ax_fail(err, AX_E_INVALID, "'%s' comes on top of other rows; send one of %s",
                       member->name, body->protocol->wanted);
    body->members[member->set] = member;
    body->set = member->set;
    body->state = BODY_ROWS;
    ax_row_reader_init(&body->rows, &body->json, &body->cells[member->set], member->layout,
                       member->accepts & ~body->withheld, ax_str_from(member->name));
    return AX_OK;
}

static enum ax_code body_step_member(struct ax_row_body *body, struct ax_err *err)
{
    struct ax_str key;
    enum ax_json_token token = ax_json_read(&body->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END) {
        body->state = BODY_TRAIL;
        return AX_OK;
    }
    if (ax_json_read_text(&body->json, body->arena, &key, err))
        return err->code;
    const struct ax_row_member *member = body->protocol->members;
    while (member->name && !ax_str_is(key, member->name))
        member++;
    if (!member->name)
        return body_unknown(body, key, err);
    uint32_t bit = (uint32_t)1 << (member - body->protocol->members);
    if (body->seen & bit)
        return ax_fail(err, AX_E_INVALID, "'%s' is given twice", member->name);
    body->seen |= bit;
    return member->read ? member->read(body, err) : body_begin_rows(body, member, err);
}

static enum ax_code body_step_rows(struct ax_row_body *body, size_t byte_budget, struct ax_err *err)
{
    bool done;
    if (ax_row_reader_step(&body->rows, byte_budget, &done, err))
        return body->set == AX_ROW_SET_ROWS
                   ? err->code
                   : ax_err_context(err, "'%s'", body->members[body->set]->name);
    if (done) {
        body->is_one[body->set] = body->rows.is_one;
        body->state = BODY_MEMBER;
    }
    return AX_OK;
}

static enum ax_code body_step_skip(struct ax_row_body *body, size_t byte_budget, struct ax_err *err)
{
    bool done;
    if (ax_json_skip(&body->json, body->skip_depth, byte_budget, &done, err))
        return err->code;
    if (done)
        body->state = BODY_MEMBER;
    return AX_OK;
}

static enum ax_code body_step_trail(struct ax_row_body *body, struct ax_err *err)
{
    if (ax_json_read(&body->json, err) == AX_JSON_FAILED)
        return err->code;
    if (!body->members[AX_ROW_SET_ROWS])
        return ax_fail(err, AX_E_INVALID, "the request has no %s", body->protocol->wanted);
    for (size_t i = 0; i < AX_ROW_SETS; i++) {
        if (i != AX_ROW_SET_ROWS && body->members[i] && !ax_row_body_is_by_entity(body))
            return ax_fail(err, AX_E_INVALID, "'%s' goes with 'entities', not with 'rows'",
                           body->members[i]->name);
    }
    if (body->tell && !ax_row_body_is_by_entity(body))
        return ax_fail(err, AX_E_INVALID, "'features' goes with 'entities', not with 'rows'");
    body->state = BODY_DONE;
    return AX_OK;
}

static enum ax_code body_step(struct ax_row_body *body, size_t byte_budget, struct ax_err *err)
{
    switch (body->state) {
    case BODY_BEGIN:
        return body_step_begin(body, err);
    case BODY_MEMBER:
        return body_step_member(body, err);
    case BODY_ROWS:
        return body_step_rows(body, byte_budget, err);
    case BODY_SKIP:
        return body_step_skip(body, byte_budget, err);
    case BODY_TRAIL:
        return body_step_trail(body, err);
    default:
        assert(!"body_step: no such state");
        return AX_OK;
    }
}

enum ax_code ax_row_body_read(struct ax_row_body *body, size_t byte_budget, size_t *cost,
                              bool *ret_done, struct ax_err *err)
{
    assert(body && byte_budget && cost && ret_done && err);
    size_t start = body->json.at;
    while (body->state != BODY_DONE && body->json.at - start < byte_budget)
        if (body_step(body, byte_budget - (body->json.at - start), err))
            return err->code;
    *cost += body->json.at - start;
    *ret_done = body->state == BODY_DONE;
    return AX_OK;
}
