/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of members, and readers of those that are no columns. A null is as if the member were not
 * there: the client sends some that have no value.
 */
#include "server/api/feast_body.h"

#include <assert.h>

#define FEATURES_MIN ((size_t)16)

static struct ax_feast_body *body_of(struct ax_row_body *rows)
{
    return container_of(rows, struct ax_feast_body, rows);
}

static enum ax_code fail_member(const char *name, const char *wanted, enum ax_json_token token,
                                struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "'%s' must be %s, found %s", name, wanted,
                   ax_json_token_text(token));
}

static enum ax_code read_name(struct ax_row_body *rows, const char *member, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&rows->json, err);
    if (token == AX_JSON_FAILED || token == AX_JSON_NULL)
        return err->code;
    if (token != AX_JSON_STRING)
        return fail_member(member, "a name", token, err);
    return ax_json_read_text(&rows->json, rows->arena, &body_of(rows)->name, err);
}

static enum ax_code read_service(struct ax_row_body *rows, struct ax_err *err)
{
    return read_name(rows, "feature_service", err);
}

static enum ax_code read_view(struct ax_row_body *rows, struct ax_err *err)
{
    return read_name(rows, "feature_view_name", err);
}

static enum ax_code read_full_names(struct ax_row_body *rows, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&rows->json, err);
    if (token == AX_JSON_FAILED || token == AX_JSON_NULL)
        return err->code;
    if (token != AX_JSON_TRUE && token != AX_JSON_FALSE)
        return fail_member("full_feature_names", "true or false", token, err);
    body_of(rows)->has_full_names = token == AX_JSON_TRUE;
    return AX_OK;
}

/* Room for one more. */
static enum ax_code grow(struct ax_feast_body *body, struct ax_str **features, size_t *cap,
                         struct ax_err *err)
{
    struct ax_arena *arena = body->rows.arena;
    if (body->feature_count < *cap)
        return AX_OK;
    if (*cap >= AX_FEAST_FEATURES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu features", AX_FEAST_FEATURES_MAX);
    size_t more = AX_MIN(AX_MAX(2 * *cap, FEATURES_MIN), AX_FEAST_FEATURES_MAX);
    struct ax_str *grown = ax_arena_alloc(arena, more, sizeof(*grown));
    if (!grown)
        return ax_arena_fail(arena, "the features", err);
    if (body->feature_count)
        memcpy(grown, *features, body->feature_count * sizeof(*grown));
    body->features = *features = grown;
    *cap = more;
    return AX_OK;
}

static enum ax_code read_features(struct ax_row_body *rows, struct ax_err *err)
{
    struct ax_feast_body *body = body_of(rows);
    struct ax_str *features = NULL;
    size_t cap = 0;
    enum ax_json_token token = ax_json_read(&rows->json, err);
    if (token == AX_JSON_FAILED || token == AX_JSON_NULL)
        return err->code;
    if (token != AX_JSON_ARRAY_BEGIN)
        return fail_member("features", "an array", token, err);
    while ((token = ax_json_read(&rows->json, err)) != AX_JSON_ARRAY_END) {
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token != AX_JSON_STRING)
            return fail_member("features", "an array of 'view:field'", token, err);
        if (grow(body, &features, &cap, err) ||
            ax_json_read_text(&rows->json, rows->arena, &features[body->feature_count], err))
            return err->code;
        body->feature_count++;
    }
    return AX_OK;
}

static const struct ax_row_member get_members[] = {
    { .name = "entities", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_OBJECT | AX_ROW_LIST },
    { .name = "features", .read = read_features },
    { .name = "feature_service", .read = read_service },
    { .name = "full_feature_names", .read = read_full_names },
    { 0 },
};

const struct ax_row_protocol ax_feast_get = { .members = get_members, .wanted = "'entities'" };

static const struct ax_row_member write_members[] = {
    { .name = "df", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_OBJECT | AX_ROW_LIST },
    { .name = "feature_view_name", .read = read_view },
    { 0 },
};

const struct ax_row_protocol ax_feast_write = { .members = write_members, .wanted = "'df'" };

void ax_feast_body_init(struct ax_feast_body *body, const struct ax_row_protocol *protocol,
                        struct ax_str text, struct ax_arena *arena)
{
    assert(body && protocol && arena);
    *body = (struct ax_feast_body){ 0 };
    ax_row_body_init(&body->rows, protocol, text, arena);
}
