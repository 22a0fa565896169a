/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical JSON of definitions: equal meaning, equal text.
 *
 * What has an order by meaning keeps it (keys of an entity, inputs of a service, expectations);
 * what has none is sorted by name (columns, fields, request values, keys of mappings). Expressions
 * are printed from their trees, durations in their largest whole unit. What no value depends on
 * (what only people read, when a server does something) stands in the last member, "notes".
 */
#include "feature/definition_json.h"

#include "base/alloc.h"
#include "base/json.h"
#include "feature/definition_keys.h"

#include <assert.h>
#include <stdlib.h>

#define DIGEST_TEXT_MAX ((size_t)256 << 20)

/* ---- pieces ---- */

static void put_text(struct ax_buf *out, const char *key, struct ax_str text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, text);
}

static void put_null(struct ax_buf *out, const char *key)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_str(out, AX_STR("null"));
}

static void put_text_or_null(struct ax_buf *out, const char *key, struct ax_str text)
{
    if (text.len)
        put_text(out, key, text);
    else
        put_null(out, key);
}

static void put_flag(struct ax_buf *out, const char *key, bool flag)
{
    ax_json_put_key(out, key);
    ax_json_put_bool(out, flag);
}

static void put_open(struct ax_buf *out, const char *key, char bracket)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_char(out, bracket);
}

static void put_duration(struct ax_buf *out, const char *key, int64_t us)
{
    ax_json_put_key(out, key);
    ax_definition_put_duration(out, us);
}

/* ---- in the order of names ---- */

static int compare_columns(const void *a, const void *b)
{
    const struct ax_definition_column *const *left = a, *const *right = b;
    return ax_str_compare((*left)->name, (*right)->name);
}

static int compare_fields(const void *a, const void *b)
{
    const struct ax_field *const *left = a, *const *right = b;
    return ax_str_compare((*left)->name, (*right)->name);
}

static const struct ax_field **sort_fields(const struct ax_view *view)
{
    const struct ax_field **sorted = ax_xalloc((view->field_count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < view->field_count; i++)
        sorted[i] = &view->fields[i];
    qsort(sorted, view->field_count, sizeof(*sorted), compare_fields);
    return sorted;
}

/* {"name": "type", …}; a required one is {"type": …, "required": true}. */
static void put_columns(struct ax_buf *out, const char *key,
                        const struct ax_definition_column *columns, size_t count)
{
    const struct ax_definition_column **sorted = ax_xalloc((count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &columns[i];
    qsort(sorted, count, sizeof(*sorted), compare_columns);
    put_open(out, key, '{');
    for (size_t i = 0; i < count; i++) {
        ax_json_put_key(out, sorted[i]->name.ptr);
        if (sorted[i]->required)
            (void)ax_buf_printf(out, "{\"type\":\"%s\",\"required\":true}",
                                ax_storage_name(sorted[i]->storage));
        else
            ax_json_put_str(out, ax_str_from(ax_storage_name(sorted[i]->storage)));
    }
    (void)ax_buf_append_char(out, '}');
    free(sorted);
}

/* ---- entities and sources ---- */

static void put_entity(struct ax_buf *out, const struct ax_entity *entity)
{
    put_open(out, "keys", '[');
    for (size_t i = 0; i < entity->key_count; i++) {
        (void)ax_buf_append_str(out, i ? AX_STR(",{") : AX_STR("{"));
        put_text(out, "name", entity->keys[i].name);
        put_text(out, "type", ax_str_from(ax_storage_name(entity->keys[i].storage)));
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_names(struct ax_buf *out, const char *key, const struct ax_source *source,
                      const size_t *columns, size_t count)
{
    put_open(out, key, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_json_put_str(out, source->columns[columns[i]].name);
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_source(struct ax_buf *out, const struct ax_source *source)
{
    static const char *const origins[] = {
        [AX_SOURCE_FILES] = "files", [AX_SOURCE_SQL] = "sql", [AX_SOURCE_TABLE] = "table"
    };
    struct ax_str text = source->text;
    while (text.len && strchr(" \t\r\n;", text.ptr[text.len - 1]))
        text.len--;
    put_text(out, origins[source->kind], text);
    put_columns(out, "columns", source->columns, source->column_count);
    put_text(out, "time", source->time < 0 ? AX_STR("none") : source->columns[source->time].name);
    put_text_or_null(out, "created",
                     source->created < 0 ? (struct ax_str){ "", 0 }
                                         : source->columns[source->created].name);
    put_text(out, "zone", source->zone);
    put_names(out, "event_id", source, source->event_id, source->event_id_count);
    put_flag(out, "push", source->push);
    put_open(out, "expect", '[');
    for (size_t i = 0; i < source->expectation_count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_expectation_put_json(out, source, &source->expectations[i]);
    }
    (void)ax_buf_append_char(out, ']');
}

/* ---- views ---- */

static void put_source_column(struct ax_buf *out, size_t input, void *arg)
{
    const struct ax_source *source = arg;
    ax_expr_put_name(out, source->columns[input].name);
}

void ax_definition_put_value(struct ax_buf *out, struct ax_storage storage,
                             const union ax_literal *value)
{
    switch (ax_storage_type(storage).kind) {
    case AX_TYPE_BOOL:
        ax_json_put_bool(out, value->truth);
        break;
    case AX_TYPE_FLOAT64:
        ax_json_put_f64(out, value->f64);
        break;
    case AX_TYPE_STRING:
        ax_json_put_str(out, value->text);
        break;
    case AX_TYPE_DURATION:
        ax_definition_put_duration(out, value->i64);
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_COUNT:
        ax_json_put_i64(out, value->i64);
        break;
    }
}

static void put_default(struct ax_buf *out, const struct ax_field *field)
{
    if (!ax_field_has_default(field)) {
        put_null(out, "default");
        return;
    }
    ax_json_put_key(out, "default");
    ax_definition_put_value(out, field->storage, &field->default_value);
}

static void put_field(struct ax_buf *out, const struct ax_view *view, const struct ax_field *field)
{
    put_open(out, field->name.ptr, '{');
    ax_json_put_key(out, "expr");
    ax_definition_put_expression(out, &field->parsed, put_source_column, (void *)view->source);
    put_text(out, "type", ax_str_from(ax_storage_name(field->storage)));
    put_default(out, field);
    (void)ax_buf_append_char(out, '}');
}

static void put_view(struct ax_buf *out, const struct ax_view *view)
{
    const struct ax_field **sorted = sort_fields(view);
    put_text(out, "entity", view->entity->name);
    put_text(out, "source", view->source->name);
    put_open(out, "keys", '{');
    for (size_t i = 0; i < view->entity->key_count; i++)
        put_text(out, view->entity->keys[i].name.ptr,
                 view->source->columns[view->key_columns[i]].name);
    (void)ax_buf_append_char(out, '}');
    if (view->ttl_us)
        put_duration(out, "ttl", view->ttl_us);
    else
        put_null(out, "ttl");
    put_flag(out, "online", view->online);
    ax_json_put_key(out, "exact_events");
    ax_json_put_u64(out, view->exact_events);
    put_open(out, "fields", '{');
    for (size_t i = 0; i < view->field_count; i++)
        put_field(out, view, sorted[i]);
    (void)ax_buf_append_char(out, '}');
    free(sorted);
}

/* ---- services ---- */

/* A service and the names of its scope, by number. */
struct service_scope {
    const struct ax_service *service;
    const struct ax_str *names;
};

static void put_service_column(struct ax_buf *out, size_t input, void *arg)
{
    const struct service_scope *scope = arg;
    ax_expr_put_name(out, scope->names[input]);
}

static void put_input_field(struct ax_buf *out, const struct ax_service *service,
                            const struct ax_service_input *input)
{
    const struct ax_role *role = &service->roles[input->role];
    put_text(out, "view", role->view->name);
    put_text(out, "field", role->view->fields[input->field].name);
    put_open(out, "keys", '{');
    for (size_t i = 0; i < role->view->entity->key_count; i++)
        put_text(out, role->view->entity->keys[i].name.ptr, service->call[role->call_keys[i]].name);
    (void)ax_buf_append_char(out, '}');
}

static void put_input(struct ax_buf *out, const struct service_scope *scope,
                      const struct ax_service_input *input)
{
    static const char *const kinds[] = { [AX_INPUT_KEY] = "key",
                                         [AX_INPUT_REQUEST] = "request",
                                         [AX_INPUT_FIELD] = "field",
                                         [AX_INPUT_EXPR] = "expr" };
    (void)ax_buf_append_char(out, '{');
    put_text(out, "name", input->name);
    put_text(out, "from", ax_str_from(kinds[input->kind]));
    put_text(out, "type", ax_str_from(ax_storage_name(input->storage)));
    if (input->kind == AX_INPUT_FIELD)
        put_input_field(out, scope->service, input);
    if (input->kind == AX_INPUT_EXPR) {
        ax_json_put_key(out, "expr");
        ax_definition_put_expression(out, &input->parsed, put_service_column, (void *)scope);
    }
    (void)ax_buf_append_char(out, '}');
}

static void put_service(struct ax_buf *out, const struct ax_service *service)
{
    struct ax_str *names =
        ax_xalloc((service->call_count + service->input_count + 1) * sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < service->call_count; i++)
        names[count++] = service->call[i].name;
    for (size_t i = 0; i < service->input_count; i++)
        if (service->inputs[i].kind == AX_INPUT_FIELD || service->inputs[i].kind == AX_INPUT_EXPR)
            names[count++] = service->inputs[i].name;
    const struct service_scope scope = { service, names };
    put_columns(out, "request", service->call, service->request_count);
    put_columns(out, "keys", service->call + service->request_count,
                service->call_count - service->request_count);
    put_open(out, "inputs", '[');
    for (size_t i = 0; i < service->input_count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        put_input(out, &scope, &service->inputs[i]);
    }
    (void)ax_buf_append_char(out, ']');
    put_text_or_null(out, "exclude_self",
                     service->self ? service->self->name : (struct ax_str){ "", 0 });
    free(names);
}

/* ---- models ---- */

static void put_model(struct ax_buf *out, const struct ax_model_definition *model)
{
    const char *unknown = ax_definition_key(AX_MAPPING_MODEL, "unknown_category")->default_text;
    const struct ax_yaml *said = ax_yaml_get(model->node, "unknown_category");
    static const char *const kept[] = { "columns", "decision" };
    const struct ax_yaml *train = ax_yaml_get(model->node, "train");
    put_text_or_null(out, "service",
                     model->service ? model->service->name : (struct ax_str){ "", 0 });
    for (size_t i = 0; i < AX_COUNT(kept); i++) {
        ax_json_put_key(out, kept[i]);
        ax_definition_put_node(out, ax_yaml_get(model->node, kept[i]), NULL);
    }
    put_text(out, "unknown_category", said ? said->text : ax_str_from(unknown));
    put_text_or_null(out, "rows", model->rows);
    ax_json_put_key(out, "train");
    ax_definition_put_node(out, train, model->rows.len ? "rows" : NULL);
}

/* ---- notes ---- */

static void put_notes(struct ax_buf *out, struct ax_str description, bool deprecated,
                      struct ax_str why)
{
    if (description.len)
        put_text(out, "description", description);
    if (deprecated && why.len)
        put_text(out, "deprecated", why);
    else if (deprecated)
        put_flag(out, "deprecated", true);
}

static void put_field_notes(struct ax_buf *out, const struct ax_view *view)
{
    const struct ax_field **fields = sort_fields(view);
    bool is_open = false;
    for (size_t i = 0; i < view->field_count; i++) {
        if (!fields[i]->description.len && !fields[i]->deprecated)
            continue;
        if (!is_open)
            put_open(out, "fields", '{');
        is_open = true;
        put_open(out, fields[i]->name.ptr, '{');
        put_notes(out, fields[i]->description, fields[i]->deprecated, fields[i]->deprecation);
        (void)ax_buf_append_char(out, '}');
    }
    if (is_open)
        (void)ax_buf_append_char(out, '}');
    free(fields);
}

static void put_notes_of(struct ax_buf *out, enum ax_definition_kind kind, const void *object)
{
    const struct ax_str nothing = { "", 0 };
    const struct ax_source *source = object;
    const struct ax_view *view = object;
    switch (kind) {
    case AX_DEFINITION_ENTITY:
        put_notes(out, ((const struct ax_entity *)object)->description, false, nothing);
        break;
    case AX_DEFINITION_SOURCE:
        put_notes(out, source->description, false, nothing);
        if (source->keep_us)
            put_duration(out, "keep", source->keep_us);
        break;
    case AX_DEFINITION_VIEW:
        put_notes(out, view->description, view->deprecated, view->deprecation);
        if (view->every_us)
            put_duration(out, "every", view->every_us);
        put_field_notes(out, view);
        break;
    case AX_DEFINITION_SERVICE:
        put_notes(out, ((const struct ax_service *)object)->description, false, nothing);
        break;
    case AX_DEFINITION_MODEL:
        put_notes(out, ((const struct ax_model_definition *)object)->description, false, nothing);
        break;
    case AX_DEFINITION_KIND_COUNT:
        break;
    }
}

/* ---- objects ---- */

/* Without the brace at the end and the notes in front of it. */
static void put_meaning(struct ax_buf *out, enum ax_definition_kind kind, const void *object)
{
    (void)ax_buf_append_char(out, '{');
    put_text(out, "kind", ax_str_from(ax_definition_kind_name(kind)));
    /* Every object begins with its name. */
    put_text(out, "name", *(const struct ax_str *)object);
    switch (kind) {
    case AX_DEFINITION_ENTITY:
        put_entity(out, object);
        break;
    case AX_DEFINITION_SOURCE:
        put_source(out, object);
        break;
    case AX_DEFINITION_VIEW:
        put_view(out, object);
        break;
    case AX_DEFINITION_SERVICE:
        put_service(out, object);
        break;
    case AX_DEFINITION_MODEL:
        put_model(out, object);
        break;
    case AX_DEFINITION_KIND_COUNT:
        break;
    }
}

static void put_rest(struct ax_buf *out, enum ax_definition_kind kind, const void *object)
{
    put_open(out, "notes", '{');
    put_notes_of(out, kind, object);
    (void)ax_buf_append_str(out, AX_STR("}}"));
}

void ax_definition_put_json(struct ax_buf *out, enum ax_definition_kind kind, const void *object)
{
    assert(out && object);
    put_meaning(out, kind, object);
    put_rest(out, kind, object);
}

static void digest_meaning(const char *ptr, size_t len, char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, ptr, len);
    ax_sha256_add(&sha, "}", 1);
    ax_sha256_text(&sha, ret_digest);
}

void ax_definition_put_json_and_digest(struct ax_buf *out, enum ax_definition_kind kind,
                                       const void *object, char ret_digest[AX_SHA256_TEXT_SIZE])
{
    assert(out && object && ret_digest);
    size_t from = out->len;
    put_meaning(out, kind, object);
    digest_meaning(ax_buf_str(out).ptr + from, out->len - from, ret_digest);
    put_rest(out, kind, object);
}

enum ax_code ax_definition_digest(enum ax_definition_kind kind, const void *object,
                                  char ret_digest[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    struct ax_buf text;
    assert(object && ret_digest && err);
    ax_buf_init(&text, DIGEST_TEXT_MAX);
    put_meaning(&text, kind, object);
    enum ax_code code = ax_buf_check(&text, "the text of a definition", err);
    if (!code)
        digest_meaning(text.ptr, text.len, ret_digest);
    ax_buf_done(&text);
    return code;
}
