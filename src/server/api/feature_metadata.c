/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/features: which services and views are in force, and which versions of models need which
 * service.
 *
 * Thousands of views with dozens of fields are some megabytes, so it is printed in slices, a part
 * (a value of a call, an input, a field, a version) at a time. The definitions are held meanwhile;
 * the catalog is walked as it is in each slice.
 */
#include "server/api/endpoints.h"

#include "base/json.h"
#include "server/catalog_walk.h"
#include "server/definitions_watch.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>

struct metadata_answer {
    struct ax_sliced_answer base;
    struct ax_applied_definitions *applied; /* one reference; NULL: nothing is in force */
    size_t list;                            /* that is being printed */
    size_t object;                          /* of the list, */
    size_t part;                            /* and in it: 0 is its head */
    bool is_begun;                          /* an element of the list was printed */
    struct ax_catalog_walk walk;
};

static const char *const input_kinds[] = { [AX_INPUT_KEY] = "key",
                                           [AX_INPUT_REQUEST] = "request",
                                           [AX_INPUT_FIELD] = "field",
                                           [AX_INPUT_EXPR] = "expr" };

static void put_comma(struct ax_buf *out, bool is_first)
{
    if (!is_first)
        (void)ax_buf_append_char(out, ',');
}

/* {"name":…,"type":… and no end. */
static void put_value(struct ax_buf *out, struct ax_str name, struct ax_storage storage)
{
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "name", name);
    ax_json_put_member(out, "type", ax_str_from(ax_storage_name(storage)));
}

static void put_columns(struct ax_buf *out, const char *key,
                        const struct ax_definition_column *columns, size_t count)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        put_comma(out, i == 0);
        put_value(out, columns[i].name, columns[i].storage);
        if (columns[i].required)
            ax_json_put_member_bool(out, "required", true);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

/* {"name":…,"version":… and no end. */
static void put_object(struct metadata_answer *answer, struct ax_buf *out,
                       enum ax_registry_kind kind, struct ax_str name)
{
    put_comma(out, !answer->is_begun);
    answer->is_begun = true;
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "name", name);
    ax_json_put_member_u64(out, "version", ax_applied_version(answer->applied, kind, name));
}

static void put_input(struct ax_buf *out, const struct ax_service *service, size_t index)
{
    const struct ax_service_input *input = &service->inputs[index];
    put_comma(out, index == 0);
    put_value(out, input->name, input->storage);
    ax_json_put_member(out, "from", ax_str_from(input_kinds[input->kind]));
    if (input->kind == AX_INPUT_FIELD) {
        const struct ax_view *view = service->roles[input->role].view;
        ax_json_put_member(out, "view", view->name);
        ax_json_put_member(out, "field", view->fields[input->field].name);
    }
    (void)ax_buf_append_char(out, '}');
}

/* Go on behind the part that was printed; `count` parts are behind the head. */
static void end_part(struct metadata_answer *answer, struct ax_buf *out, size_t count)
{
    if (answer->part++ < count)
        return;
    (void)ax_buf_append_str(out, AX_STR("]}"));
    answer->part = 0;
    answer->object++;
}

static bool put_services(struct metadata_answer *answer, struct ax_buf *out)
{
    const struct ax_applied_definitions *applied = answer->applied;
    if (!applied || answer->object == applied->definitions.service_count)
        return false;
    const struct ax_applied_service *one = &applied->services[answer->object];
    const struct ax_service *service = one->service;
    if (answer->part) {
        put_input(out, service, answer->part - 1);
    } else {
        put_object(answer, out, AX_REGISTRY_SERVICE, service->name);
        ax_json_put_member(out, "digest", ax_str_from(one->digest));
        put_columns(out, "request", service->call, service->request_count);
        put_columns(out, "keys", service->call + service->request_count,
                    service->call_count - service->request_count);
        ax_json_put_key(out, "inputs");
        (void)ax_buf_append_char(out, '[');
    }
    end_part(answer, out, service->input_count);
    return true;
}

static bool put_views(struct metadata_answer *answer, struct ax_buf *out)
{
    const struct ax_applied_definitions *applied = answer->applied;
    if (!applied || answer->object == applied->definitions.view_count)
        return false;
    const struct ax_view *view = &applied->definitions.views[answer->object];
    if (answer->part) {
        const struct ax_field *field = &view->fields[answer->part - 1];
        put_comma(out, answer->part == 1);
        put_value(out, field->name, field->storage);
        (void)ax_buf_append_char(out, '}');
    } else {
        put_object(answer, out, AX_REGISTRY_VIEW, view->name);
        ax_json_put_member(out, "entity", view->entity->name);
        put_columns(out, "keys", view->entity->keys, view->entity->key_count);
        ax_json_put_member(out, "source", view->source->name);
        ax_json_put_member_bool(out, "online", view->online);
        ax_json_put_member_bool(out, "windowed", view->windowed);
        ax_json_put_key(out, "fields");
        (void)ax_buf_append_char(out, '[');
    }
    end_part(answer, out, view->field_count);
    return true;
}

/* Versions that were trained with a service. */
static bool put_models(struct metadata_answer *answer, struct ax_buf *out)
{
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
    if (!ax_catalog_walk_next(&answer->walk, &model, &version))
        return false;
    if (!version || !version->served || !version->served->version->service.name.len)
        return true;
    const struct ax_version_service *needed = &version->served->version->service;
    put_comma(out, !answer->is_begun);
    answer->is_begun = true;
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "name", ax_str_from(model->name));
    ax_json_put_member(out, "version", ax_str_from(version->text));
    ax_json_put_member(out, "service", needed->name);
    if (needed->number)
        ax_json_put_member_u64(out, "service_version", needed->number);
    ax_json_put_member_bool(out, "in_force", ax_applied_fits(answer->applied, needed));
    (void)ax_buf_append_char(out, '}');
    return true;
}

static const struct {
    const char *name;
    bool (*put)(struct metadata_answer *answer, struct ax_buf *out); /* false: that was all */
} lists[] = { { "services", put_services }, { "views", put_views }, { "models", put_models } };

static void begin_list(struct metadata_answer *answer, struct ax_buf *out)
{
    ax_json_put_key(out, lists[answer->list].name);
    (void)ax_buf_append_char(out, '[');
    answer->object = 0;
    answer->is_begun = false;
}

static void begin(struct metadata_answer *answer, struct ax_buf *out)
{
    const struct ax_applied_definitions *applied = answer->applied;
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member_u64(out, "apply", applied ? applied->apply : 0);
    ax_json_put_member(out, "project", applied ? applied->definitions.project : AX_STR(""));
    begin_list(answer, out);
}

static bool metadata_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct metadata_answer *answer = container_of(base, struct metadata_answer, base);
    size_t start = out->len;
    size_t passed_bytes = 0;
    if (out->len == 0)
        begin(answer, out);
    ax_catalog_walk_enter(&answer->walk, base->thread->catalog);
    while (out->len - start + passed_bytes < bytes) {
        passed_bytes += AX_SLICED_PASSED_BYTES;
        if (lists[answer->list].put(answer, out))
            continue;
        (void)ax_buf_append_char(out, ']');
        if (++answer->list == AX_COUNT(lists)) {
            (void)ax_buf_append_char(out, '}');
            return true;
        }
        begin_list(answer, out);
    }
    return false;
}

static void metadata_done(struct ax_sliced_answer *base)
{
    ax_applied_definitions_unref(container_of(base, struct metadata_answer, base)->applied);
}

static const struct ax_sliced_form metadata_form = {
    .content_type = "application/json",
    .print = metadata_print,
    .done = metadata_done,
};

void ax_feature_metadata(struct ax_call *call)
{
    assert(call);
    struct metadata_answer *answer = ax_sliced_answer_new(call, &metadata_form, sizeof(*answer));
    if (!answer)
        return;
    struct ax_applied_definitions *applied =
        ax_definitions_watch_get(ax_server_definitions(call->thread->server));
    answer->applied = applied ? ax_applied_definitions_ref(applied) : NULL;
    ax_sliced_answer_start(&answer->base);
}
