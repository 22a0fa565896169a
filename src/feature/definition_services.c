/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: what a call gives, and the inputs that are made of it, in the model's order.
 *
 * What a call gives is the request values and then the keys of the views, each once, under the
 * names that roles give them; so the views of all items are read first. Then every item becomes one
 * or more inputs. All names of a service are one set: no input is called like another one, or like
 * a value of the call that it is not.
 */
#include "feature/definition_reader.h"

#include <assert.h>
#include <stdio.h>

#define QUOTED(text) AX_STR_ARG(ax_str_cut((text), 60))

struct service_reader {
    struct ax_definition_reader *r;
    struct ax_service *service;
    struct ax_definition_column *call;
    struct ax_role *roles;
    struct ax_service_input *inputs;
    size_t input_max;
    struct ax_definition_scope scope; /* call columns, then inputs that are none */
    struct ax_map folded;             /* all names, in lower case */
};

/* ---- what a call gives ---- */

static enum ax_code add_call_column(struct service_reader *s, struct ax_definition_column column)
{
    if (ax_definition_check_case(s->r, &column.place, column.name, &s->folded))
        return s->r->err->code;
    bool is_new = ax_definition_scope_add(&s->scope, column.name, column.storage);
    assert(is_new);
    s->call[s->service->call_count++] = column;
    return AX_OK;
}

static enum ax_code read_request(struct service_reader *s, const struct ax_yaml *node)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_yaml *map = ax_yaml_get(node, "request");
    if (!map)
        return AX_OK;
    for (const struct ax_yaml *item = map->first; item; item = item->next) {
        struct ax_definition_column column = { .place = ax_definition_place_key(r, item) };
        const struct ax_yaml *type = item;
        if (ax_definition_name_key(r, item, &column.name))
            return r->err->code;
        if (item->kind == AX_YAML_MAP) {
            type = ax_yaml_get(item, "type");
            if (ax_definition_check_keys(r, item, AX_MAPPING_REQUEST) ||
                ax_definition_flag(r, item, AX_MAPPING_REQUEST, "required", &column.required))
                return r->err->code;
        }
        if (ax_definition_storage(r, type, &column.storage) || add_call_column(s, column))
            return r->err->code;
    }
    s->service->request_count = s->service->call_count;
    return AX_OK;
}

/* ---- roles ---- */

static enum ax_code read_call_key(struct service_reader *s, const struct ax_yaml *item,
                                  const struct ax_role *role, size_t index, size_t *ret_column)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_definition_column *key = &role->view->entity->keys[index];
    const struct ax_yaml *said = ax_yaml_get(ax_yaml_get(item, "keys"), key->name.ptr);
    struct ax_definition_column column = *key;
    column.place = role->place;
    if (said) {
        column.place = ax_definition_place(r, said);
        if (ax_definition_name(r, said, &column.name))
            return r->err->code;
    }
    long there = ax_definition_scope_find(&s->scope, column.name);
    if (there < 0) {
        *ret_column = s->service->call_count;
        return add_call_column(s, column);
    }
    struct ax_storage storage = s->call[there].storage;
    if (!ax_type_equals(ax_storage_type(storage), ax_storage_type(key->storage)))
        return ax_place_fail(&column.place, r->err,
                             "'%.*s' is %s in the call; key '%.*s' of entity '%.*s' is %s",
                             QUOTED(column.name), ax_storage_name(storage), QUOTED(key->name),
                             QUOTED(role->view->entity->name), ax_storage_name(key->storage));
    *ret_column = (size_t)there;
    return AX_OK;
}

static enum ax_code read_role(struct service_reader *s, const struct ax_yaml *item,
                              struct ax_role *role)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_yaml *as = ax_yaml_get(item, "as");
    void *view;
    role->place = ax_definition_place(r, ax_yaml_get(item, "view"));
    role->as = (struct ax_str){ "", 0 };
    if (ax_definition_reference(r, ax_yaml_get(item, "view"), AX_DEFINITION_VIEW, &view) ||
        (as && ax_definition_name(r, as, &role->as)))
        return r->err->code;
    role->view = view;
    size_t key_count = role->view->entity->key_count;
    size_t *call_keys = ax_definition_alloc(r, key_count, sizeof(*call_keys));
    if (!call_keys ||
        ax_definition_check_key_names(r, ax_yaml_get(item, "keys"), role->view->entity))
        return r->err->code;
    for (size_t i = 0; i < key_count; i++)
        if (read_call_key(s, item, role, i, &call_keys[i]))
            return r->err->code;
    role->call_keys = call_keys;
    if (role->view->deprecated)
        return ax_definition_warn(r, &role->place, "view '%.*s' is deprecated%s%.*s",
                                  QUOTED(role->view->name), role->view->deprecation.len ? ": " : "",
                                  QUOTED(role->view->deprecation));
    return AX_OK;
}

/* Which keys an item has decides what it is. */
static enum ax_code check_item(const struct ax_definition_reader *r, const struct ax_yaml *item)
{
    static const char *const of_view[] = { "keys", "as", "fields" };
    static const char *const of_name[] = { "expr", "type" };
    if (ax_definition_check_keys(r, item, AX_MAPPING_FEATURE))
        return r->err->code;
    bool has_view = ax_yaml_get(item, "view"), has_name = ax_yaml_get(item, "name");
    if (has_view == has_name)
        return ax_definition_fail(r, item, "an item has 'name' or 'view'; %s",
                                  has_view ? "this one has both" : "this one has neither");
    for (size_t i = 0; has_name && i < AX_COUNT(of_view); i++)
        if (ax_yaml_get(item, of_view[i]))
            return ax_definition_fail_key(r, ax_yaml_get(item, of_view[i]),
                                          "'%s' goes with 'view', not with 'name'", of_view[i]);
    for (size_t i = 0; has_view && i < AX_COUNT(of_name); i++)
        if (ax_yaml_get(item, of_name[i]))
            return ax_definition_fail_key(r, ax_yaml_get(item, of_name[i]),
                                          "'%s' goes with 'name', not with 'view'", of_name[i]);
    if (ax_yaml_get(item, "type") && !ax_yaml_get(item, "expr"))
        return ax_definition_fail_key(r, ax_yaml_get(item, "type"),
                                      "'type' goes with 'expr'; a value of the call has its own");
    return AX_OK;
}

static enum ax_code read_roles(struct service_reader *s, const struct ax_yaml *list)
{
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        if (check_item(s->r, item))
            return s->r->err->code;
        if (ax_yaml_get(item, "view") && read_role(s, item, &s->roles[s->service->role_count++]))
            return s->r->err->code;
    }
    return AX_OK;
}

/* ---- inputs ---- */

/* Room for one more input; NULL after reporting. */
static struct ax_service_input *next_input(struct service_reader *s, const struct ax_yaml *item)
{
    if (s->service->input_count == s->input_max) {
        (void)ax_definition_fail(s->r, item, "over %d inputs", AX_DEFINITION_INPUTS_MAX);
        return NULL;
    }
    return &s->inputs[s->service->input_count];
}

static enum ax_code add_input(struct service_reader *s, const struct ax_service_input *input)
{
    struct ax_definition_reader *r = s->r;
    bool is_call = input->kind == AX_INPUT_KEY || input->kind == AX_INPUT_REQUEST;
    const char *hint = input->kind == AX_INPUT_FIELD ? "; give the view a role, as {as: ROLE}" : "";
    for (size_t i = 0; is_call && i < s->service->input_count; i++)
        if (ax_str_equals(s->inputs[i].name, input->name))
            return ax_place_fail(&input->place, r->err, "input '%.*s' is there twice",
                                 QUOTED(input->name));
    if (!is_call && ax_definition_scope_find(&s->scope, input->name) >= 0)
        return ax_place_fail(&input->place, r->err,
                             "input '%.*s' has the name of another input, or of a value of the "
                             "call%s",
                             QUOTED(input->name), hint);
    if (!is_call && ax_definition_check_case(r, &input->place, input->name, &s->folded))
        return r->err->code;
    if (!is_call) {
        bool is_new = ax_definition_scope_add(&s->scope, input->name, input->storage);
        assert(is_new);
    }
    s->service->input_count++;
    return AX_OK;
}

static enum ax_code fail_no_value(const struct service_reader *s, const struct ax_yaml *name)
{
    struct ax_str *known = ax_definition_alloc(s->r, s->service->call_count, sizeof(*known));
    if (!known)
        return s->r->err->code;
    for (size_t i = 0; i < s->service->call_count; i++)
        known[i] = s->call[i].name;
    return ax_definition_fail_unknown(s->r, ax_definition_place(s->r, name),
                                      "no request value or key", name->text, known,
                                      s->service->call_count);
}

static enum ax_code read_value(struct service_reader *s, const struct ax_yaml *item)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_yaml *name = ax_yaml_get(item, "name");
    struct ax_service_input *input = next_input(s, item);
    if (!input)
        return r->err->code;
    *input = (struct ax_service_input){ .place = ax_definition_place(r, name) };
    if (ax_definition_name(r, name, &input->name))
        return r->err->code;
    long column = ax_definition_scope_find(&s->scope, input->name);
    if (column < 0 || (size_t)column >= s->service->call_count)
        return fail_no_value(s, name);
    input->call_column = (size_t)column;
    input->kind = input->call_column < s->service->request_count ? AX_INPUT_REQUEST : AX_INPUT_KEY;
    input->storage = s->call[column].storage;
    return add_input(s, input);
}

static enum ax_code read_expression(struct service_reader *s, const struct ax_yaml *item)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_yaml *name = ax_yaml_get(item, "name");
    struct ax_service_input *input = next_input(s, item);
    if (!input)
        return r->err->code;
    *input =
        (struct ax_service_input){ .place = ax_definition_place(r, name), .kind = AX_INPUT_EXPR };
    if (ax_definition_name(r, name, &input->name) ||
        ax_definition_parse(r, ax_yaml_get(item, "expr"), &s->scope.scope, &input->text,
                            &input->parsed) ||
        ax_definition_store(r, ax_yaml_get(item, "type"), &s->scope.scope, &input->parsed,
                            &input->storage))
        return r->err->code;
    return add_input(s, input);
}

/* "<as>__<field>", or "<field>". */
static enum ax_code input_name(struct service_reader *s, const struct ax_role *role,
                               const struct ax_field *field, struct ax_str *ret)
{
    char text[2 * AX_DEFINITION_NAME_MAX + 4];
    *ret = field->name;
    if (!role->as.len)
        return AX_OK;
    int len = snprintf(text, sizeof(text), "%s__%s", role->as.ptr, field->name.ptr);
    *ret = (struct ax_str){ ax_arena_strdup(s->r->arena, (struct ax_str){ text, (size_t)len }),
                            (size_t)len };
    return ret->ptr ? AX_OK : ax_arena_fail(s->r->arena, "the definitions", s->r->err);
}

static enum ax_code add_field(struct service_reader *s, const struct ax_yaml *item, size_t role,
                              size_t index)
{
    const struct ax_field *field = &s->roles[role].view->fields[index];
    struct ax_service_input *input = next_input(s, item);
    if (!input)
        return s->r->err->code;
    *input = (struct ax_service_input){ .place = s->roles[role].place,
                                        .kind = AX_INPUT_FIELD,
                                        .role = role,
                                        .field = index,
                                        .storage = field->storage };
    if (input_name(s, &s->roles[role], field, &input->name) || add_input(s, input))
        return s->r->err->code;
    if (field->deprecated)
        return ax_definition_warn(s->r, &input->place,
                                  "field '%.*s' of view '%.*s' is "
                                  "deprecated%s%.*s",
                                  QUOTED(field->name), QUOTED(s->roles[role].view->name),
                                  field->deprecation.len ? ": " : "", QUOTED(field->deprecation));
    return AX_OK;
}

static enum ax_code find_field(const struct ax_definition_reader *r, const struct ax_yaml *name,
                               const struct ax_view *view, size_t *ret_field)
{
    struct ax_str known[AX_DEFINITION_FIELDS_MAX];
    char what[AX_DEFINITION_NAME_MAX + 40];
    for (size_t i = 0; i < view->field_count; i++) {
        known[i] = view->fields[i].name;
        if (ax_str_equals(known[i], name->text)) {
            *ret_field = i;
            return AX_OK;
        }
    }
    (void)snprintf(what, sizeof(what), "view '%.*s' has no field", QUOTED(view->name));
    return ax_definition_fail_unknown(r, ax_definition_place(r, name), what, name->text, known,
                                      view->field_count);
}

static enum ax_code read_fields(struct service_reader *s, const struct ax_yaml *item, size_t role)
{
    const struct ax_view *view = s->roles[role].view;
    const struct ax_yaml *fields = ax_yaml_get(item, "fields");
    const struct ax_yaml *name;
    size_t count, field;
    if (!fields) {
        for (size_t i = 0; i < view->field_count; i++)
            if (add_field(s, item, role, i))
                return s->r->err->code;
        return AX_OK;
    }
    if (ax_definition_names(s->r, fields, AX_DEFINITION_FIELDS_MAX, &name, &count))
        return s->r->err->code;
    for (size_t i = 0; i < count; i++, name = name->next)
        if (find_field(s->r, name, view, &field) || add_field(s, item, role, field))
            return s->r->err->code;
    return AX_OK;
}

/* Whether an expression failed because it does not know this name. */
static bool is_unknown(const struct ax_err *err, struct ax_str name)
{
    char text[2 * AX_DEFINITION_NAME_MAX + 40];
    (void)snprintf(text, sizeof(text), "'%.*s' is not known here", QUOTED(name));
    return err->code == AX_E_INVALID && strstr(err->msg, text);
}

/* Whether what an expression does not know is an input from its own item on. */
static bool is_below(struct service_reader *s, const struct ax_yaml *item, size_t role)
{
    const struct ax_err said = *s->r->err;
    bool found = false;
    ax_err_clear(s->r->err);
    for (; item && !found; item = item->next) {
        const struct ax_yaml *name = ax_yaml_get(item, "name");
        const struct ax_view *view = name ? NULL : s->roles[role].view;
        struct ax_str input;
        found = name && is_unknown(&said, name->text);
        for (size_t i = 0; view && i < view->field_count && !found; i++)
            found = !input_name(s, &s->roles[role], &view->fields[i], &input) &&
                    is_unknown(&said, input);
        role += !name;
    }
    *s->r->err = said;
    return found;
}

static enum ax_code read_inputs(struct service_reader *s, const struct ax_yaml *list)
{
    size_t role = 0;
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        bool is_expression = ax_yaml_get(item, "expr");
        enum ax_code code = ax_yaml_get(item, "view") ? read_fields(s, item, role++)
                            : is_expression           ? read_expression(s, item)
                                                      : read_value(s, item);
        if (!code)
            continue;
        if (is_expression && is_below(s, item, role)) {
            const struct ax_err said = *s->r->err;
            ax_err_clear(s->r->err);
            code = ax_fail(s->r->err, said.code,
                           "%s; an expression knows the inputs above it alone", said.msg);
        }
        return code;
    }
    return AX_OK;
}

/* ---- deprecations ---- */

/* Whether an input above comes from the same view, or the same field of it. */
static bool is_above(const struct ax_service *service, size_t input, bool whole_view)
{
    const struct ax_service_input *one = &service->inputs[input];
    for (size_t i = 0; i < input; i++) {
        const struct ax_service_input *other = &service->inputs[i];
        if (other->kind == AX_INPUT_FIELD &&
            service->roles[other->role].view == service->roles[one->role].view &&
            (whole_view || other->field == one->field))
            return true;
    }
    return false;
}

static void put_deprecated(struct ax_buf *out, const struct ax_view *view,
                           const struct ax_field *field)
{
    struct ax_str why = field ? field->deprecation : view->deprecation;
    if (field)
        ax_buf_printf(out, "field '%.*s' of ", AX_STR_ARG(field->name));
    ax_buf_printf(out, "view '%.*s' is deprecated%s", AX_STR_ARG(view->name), why.len ? ": " : "");
    /* A line stays one. */
    for (size_t i = 0; i < why.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)why.ptr[i] < ' ' ? ' ' : why.ptr[i]);
    (void)ax_buf_append_char(out, '\n');
}

void ax_service_put_deprecated(struct ax_buf *out, const struct ax_service *service)
{
    assert(out && service);
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind != AX_INPUT_FIELD)
            continue;
        const struct ax_view *view = service->roles[input->role].view;
        if (view->deprecated && !is_above(service, i, true))
            put_deprecated(out, view, NULL);
        if (view->fields[input->field].deprecated && !is_above(service, i, false))
            put_deprecated(out, view, &view->fields[input->field]);
    }
}

/* ---- exclude_self ---- */

/* The first column of the event's id that the call does not give, or NULL. */
static const struct ax_definition_column *missing_id(const struct service_reader *s,
                                                     const struct ax_source *source)
{
    for (size_t i = 0; i < source->event_id_count; i++) {
        const struct ax_definition_column *id = &source->columns[source->event_id[i]];
        long there = ax_definition_scope_find(&s->scope, id->name);
        if (there < 0 || (size_t)there >= s->service->call_count ||
            !ax_type_equals(ax_storage_type(s->call[there].storage), ax_storage_type(id->storage)))
            return id;
    }
    return NULL;
}

static enum ax_code check_self(const struct service_reader *s, const struct ax_yaml *node,
                               const struct ax_source *source)
{
    bool is_read = false;
    for (size_t i = 0; i < s->service->role_count; i++)
        is_read |= s->roles[i].view->source == source;
    if (!is_read)
        return ax_definition_fail(s->r, node, "no view of the service reads source '%.*s'",
                                  QUOTED(source->name));
    if (!source->event_id_count)
        return ax_definition_fail(s->r, node, "source '%.*s' has no event_id",
                                  QUOTED(source->name));
    const struct ax_definition_column *id = missing_id(s, source);
    if (id)
        return ax_definition_fail(s->r, node,
                                  "the call does not give the event's id: add '%.*s: "
                                  "%s' to 'request'",
                                  QUOTED(id->name), ax_storage_name(id->storage));
    return AX_OK;
}

/* The only source of the service's views whose event the call can name. */
static enum ax_code find_self(struct service_reader *s, const struct ax_yaml *node,
                              const struct ax_source **ret)
{
    const struct ax_source *found = NULL;
    for (size_t i = 0; i < s->service->role_count; i++) {
        const struct ax_source *source = s->roles[i].view->source;
        if (source == found || !source->event_id_count || missing_id(s, source))
            continue;
        if (found)
            return ax_definition_fail(s->r, node,
                                      "the call names an event of '%.*s' and one of "
                                      "'%.*s': say which, as exclude_self: %.*s",
                                      QUOTED(found->name), QUOTED(source->name),
                                      QUOTED(found->name));
        found = source;
    }
    if (!found)
        return ax_definition_fail(s->r, node,
                                  "the call gives the event_id of no source that the "
                                  "views read: add it to 'request'");
    *ret = found;
    return AX_OK;
}

/* A service may be for training alone, so it is no failure. */
static enum ax_code warn_unserved(const struct service_reader *s)
{
    for (size_t i = 0; i < s->service->role_count; i++) {
        const struct ax_role *role = &s->roles[i];
        const char *why = ax_service_why_unserved(s->service, role->view);
        if (why)
            return ax_definition_warn(s->r, &role->place,
                                      "service '%.*s' cannot be asked by entity: view '%.*s' %s",
                                      QUOTED(s->service->name), QUOTED(role->view->name), why);
    }
    return AX_OK;
}

static enum ax_code read_self(struct service_reader *s, const struct ax_yaml *node)
{
    const struct ax_yaml *self = ax_yaml_get(node, "exclude_self");
    void *source;
    if (!self || (self->kind == AX_YAML_SCALAR && !self->quoted && ax_str_is(self->text, "false")))
        return AX_OK;
    s->service->exclude_self = true;
    if (self->kind == AX_YAML_SCALAR && !self->quoted && ax_str_is(self->text, "true"))
        return find_self(s, self, &s->service->self);
    if (ax_definition_reference(s->r, self, AX_DEFINITION_SOURCE, &source))
        return s->r->err->code;
    s->service->self = source;
    return check_self(s, self, source);
}

/* ---- the service ---- */

/* Arrays for the most that the items can make. */
static enum ax_code make_room(struct service_reader *s, const struct ax_yaml *node)
{
    struct ax_definition_reader *r = s->r;
    const struct ax_yaml *request = ax_yaml_get(node, "request");
    const struct ax_yaml *list = ax_yaml_get(node, "features");
    size_t call_max = request ? request->count : 0;
    size_t role_max = 0;
    for (const struct ax_yaml *item = list->first; item; item = item->next) {
        const struct ax_yaml *name = ax_yaml_get(item, "view");
        const struct ax_view *view = name && name->kind == AX_YAML_SCALAR
                                         ? ax_definitions_view(r->definitions, name->text)
                                         : NULL;
        role_max += name != NULL;
        call_max += view ? view->entity->key_count : 0;
        const struct ax_yaml *fields = ax_yaml_get(item, "fields");
        s->input_max += !view ? 1 : fields ? AX_MAX(fields->count, (size_t)1) : view->field_count;
    }
    s->input_max = AX_MIN(s->input_max, (size_t)AX_DEFINITION_INPUTS_MAX);
    s->call = ax_definition_alloc(r, call_max, sizeof(*s->call));
    s->roles = ax_definition_alloc(r, role_max, sizeof(*s->roles));
    s->inputs = ax_definition_alloc(r, s->input_max, sizeof(*s->inputs));
    s->service->call = s->call;
    s->service->roles = s->roles;
    s->service->inputs = s->inputs;
    return s->call && s->roles && s->inputs
               ? ax_definition_scope_init(r, &s->scope, call_max + s->input_max)
               : r->err->code;
}

enum ax_code ax_definition_read_service(struct ax_definition_reader *r, const struct ax_yaml *node,
                                        struct ax_service *service)
{
    assert(r && node && service);
    const struct ax_yaml *request = ax_yaml_get(node, "request");
    const struct ax_yaml *list = ax_yaml_get(node, "features");
    if (ax_definition_check_keys(r, node, AX_MAPPING_SERVICE) ||
        ax_definition_text(r, node, AX_MAPPING_SERVICE, "description", &service->description) ||
        (request && ax_definition_check_many(r, request, AX_YAML_MAP, AX_DEFINITION_FIELDS_MAX,
                                             "request values")) ||
        ax_definition_check_many(r, list, AX_YAML_LIST, AX_DEFINITION_FIELDS_MAX, "features"))
        return r->err->code;
    struct service_reader s = { .r = r, .service = service };
    ax_map_init(&s.folded);
    ax_map_init(&s.scope.indexes);
    if (!make_room(&s, node) && !read_request(&s, node) && !read_roles(&s, list) &&
        !read_inputs(&s, list))
        (void)(read_self(&s, node) || warn_unserved(&s));
    ax_definition_scope_done(&s.scope);
    ax_map_done(&s.folded);
    return r->err->code;
}
