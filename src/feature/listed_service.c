/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over the list: the first finds each feature's view and field, and which of them are
 * asked for; the second has roles, then inputs role by role. A list is as long as a request makes
 * it, so views are found by the definitions' own map, and fields that were listed are marked.
 */
#include "feature/listed_service.h"

#include <assert.h>

/* What is shown of a name in a message. */
#define SHOWN_BYTES_MAX 64

/* A view that is listed. */
struct listed_view {
    const struct ax_view *view;
    size_t *fields; /* in the order of the list */
    size_t count;
    bool *is_listed; /* one a field */
};

struct lister {
    const struct ax_definitions *definitions;
    struct ax_arena *arena;
    struct listed_view *views;
    size_t view_count;
    size_t *numbers; /* of each view of the definitions: which of `views`, plus 1 */
    struct ax_definition_column *call;
    size_t call_count;
    struct ax_err *err;
};

static void *lister_alloc(const struct lister *l, size_t count, size_t size)
{
    void *made = ax_arena_zalloc(l->arena, count, size);
    if (!made)
        (void)ax_arena_fail(l->arena, "the features of a request", l->err);
    return made;
}

/* ---- names ---- */

static enum ax_code fail_name(const struct lister *l, const char *what, struct ax_str name,
                              const struct ax_str *names, size_t count, const char *of,
                              struct ax_str owner)
{
    struct ax_str shown = ax_str_cut(name, SHOWN_BYTES_MAX);
    long nearest = ax_str_nearest(name, names, count);
    if (nearest < 0)
        return ax_fail(l->err, AX_E_NOT_FOUND, "%s '%.*s' is not there%s%.*s", what,
                       AX_STR_ARG(shown), of, AX_STR_ARG(owner));
    return ax_fail(l->err, AX_E_NOT_FOUND, "%s '%.*s' is not there%s%.*s; nearest is '%.*s'", what,
                   AX_STR_ARG(shown), of, AX_STR_ARG(owner), AX_STR_ARG(names[nearest]));
}

static enum ax_code fail_view(const struct lister *l, struct ax_str name)
{
    size_t count = l->definitions->view_count;
    struct ax_str *names = lister_alloc(l, count, sizeof(*names));
    for (size_t i = 0; names && i < count; i++)
        names[i] = l->definitions->views[i].name;
    return names ? fail_name(l, "view", name, names, count, "", AX_STR("")) : l->err->code;
}

static enum ax_code fail_field(const struct lister *l, const struct ax_view *view,
                               struct ax_str name)
{
    struct ax_str *names = lister_alloc(l, view->field_count, sizeof(*names));
    for (size_t i = 0; names && i < view->field_count; i++)
        names[i] = view->fields[i].name;
    return names ? fail_name(l, "field", name, names, view->field_count, " in view ", view->name)
                 : l->err->code;
}

/* "view:field", or "view@latest:field". */
static enum ax_code split(const struct lister *l, struct ax_str feature, struct ax_str *ret_view,
                          struct ax_str *ret_field)
{
    struct ax_str shown = ax_str_cut(feature, SHOWN_BYTES_MAX);
    const char *colon = memchr(feature.ptr, ':', feature.len);
    if (!colon)
        return ax_fail(l->err, AX_E_INVALID, "'%.*s' is no feature; write 'view:field'",
                       AX_STR_ARG(shown));
    struct ax_str view = { feature.ptr, (size_t)(colon - feature.ptr) };
    *ret_field = (struct ax_str){ colon + 1, feature.len - view.len - 1 };
    const char *version = memchr(view.ptr, '@', view.len);
    if (version) {
        struct ax_str name = { version + 1, view.len - (size_t)(version + 1 - view.ptr) };
        view.len = (size_t)(version - view.ptr);
        if (!ax_str_is(name, "latest"))
            return ax_fail(l->err, AX_E_UNSUPPORTED,
                           "'%.*s' names a version of a view; only the one in force is kept online",
                           AX_STR_ARG(shown));
    }
    *ret_view = view;
    return AX_OK;
}

/* ---- the list ---- */

static struct listed_view *find_listed(struct lister *l, const struct ax_view *view)
{
    size_t *number = &l->numbers[view - l->definitions->views];
    if (*number)
        return &l->views[*number - 1];
    struct listed_view *listed = &l->views[l->view_count];
    listed->view = view;
    listed->fields = lister_alloc(l, view->field_count, sizeof(*listed->fields));
    listed->is_listed = lister_alloc(l, view->field_count, sizeof(*listed->is_listed));
    if (!listed->fields || !listed->is_listed)
        return NULL;
    *number = ++l->view_count;
    return listed;
}

static enum ax_code list_feature(struct lister *l, struct ax_str feature)
{
    struct ax_str view_name, field_name;
    size_t field = 0;
    if (split(l, feature, &view_name, &field_name))
        return l->err->code;
    const struct ax_view *view = ax_definitions_view(l->definitions, view_name);
    if (!view)
        return fail_view(l, view_name);
    while (field < view->field_count && !ax_str_equals(view->fields[field].name, field_name))
        field++;
    if (field == view->field_count)
        return fail_field(l, view, field_name);
    struct listed_view *listed = find_listed(l, view);
    if (!listed)
        return l->err->code;
    if (!listed->is_listed[field])
        listed->fields[listed->count++] = field;
    listed->is_listed[field] = true;
    return AX_OK;
}

/* ---- the service ---- */

static enum ax_code find_call(struct lister *l, const struct ax_definition_column *key,
                              const struct ax_view *view, size_t *ret_column)
{
    size_t at = 0;
    while (at < l->call_count && !ax_str_equals(l->call[at].name, key->name))
        at++;
    if (at == l->call_count) {
        l->call[l->call_count] = *key;
        l->call[l->call_count++].required = false;
    } else if (l->call[at].storage.kind != key->storage.kind) {
        return ax_fail(l->err, AX_E_INVALID,
                       "'%.*s' is a join key of two types, %s for view '%.*s' and %s; ask for them "
                       "one by one",
                       AX_STR_ARG(key->name), ax_storage_name(key->storage), AX_STR_ARG(view->name),
                       ax_storage_name(l->call[at].storage));
    }
    *ret_column = at;
    return AX_OK;
}

static enum ax_code make_role(struct lister *l, const struct ax_view *view, struct ax_role *role)
{
    size_t *keys = lister_alloc(l, view->entity->key_count, sizeof(*keys));
    if (!keys)
        return l->err->code;
    for (size_t i = 0; i < view->entity->key_count; i++)
        if (find_call(l, &view->entity->keys[i], view, &keys[i]))
            return l->err->code;
    *role = (struct ax_role){ .view = view, .call_keys = keys };
    return AX_OK;
}

static enum ax_code make_service(struct lister *l, struct ax_service *service)
{
    size_t keys = 0, fields = 0, made = 0;
    for (size_t i = 0; i < l->view_count; i++) {
        keys += l->views[i].view->entity->key_count;
        fields += l->views[i].count;
    }
    struct ax_role *roles = lister_alloc(l, l->view_count, sizeof(*roles));
    struct ax_service_input *inputs = lister_alloc(l, fields, sizeof(*inputs));
    l->call = lister_alloc(l, keys, sizeof(*l->call));
    if (!roles || !inputs || !l->call)
        return l->err->code;
    for (size_t i = 0; i < l->view_count; i++) {
        const struct listed_view *listed = &l->views[i];
        if (make_role(l, listed->view, &roles[i]))
            return l->err->code;
        for (size_t k = 0; k < listed->count; k++) {
            const struct ax_field *field = &listed->view->fields[listed->fields[k]];
            inputs[made++] = (struct ax_service_input){ .name = field->name,
                                                        .kind = AX_INPUT_FIELD,
                                                        .role = i,
                                                        .field = listed->fields[k],
                                                        .storage = field->storage };
        }
    }
    *service = (struct ax_service){ .call = l->call,
                                    .call_count = l->call_count,
                                    .roles = roles,
                                    .role_count = l->view_count,
                                    .inputs = inputs,
                                    .input_count = fields };
    return AX_OK;
}

enum ax_code ax_listed_service_new(const struct ax_definitions *definitions,
                                   const struct ax_str *features, size_t count,
                                   struct ax_arena *arena, const struct ax_service **ret_service,
                                   struct ax_err *err)
{
    assert(definitions && (features || !count) && arena && ret_service && err);
    struct lister l = { .definitions = definitions, .arena = arena, .err = err };
    if (!count)
        return ax_fail(err, AX_E_INVALID, "no feature is asked for");
    l.views = lister_alloc(&l, AX_MIN(count, definitions->view_count), sizeof(*l.views));
    l.numbers = lister_alloc(&l, definitions->view_count, sizeof(*l.numbers));
    struct ax_service *service = lister_alloc(&l, 1, sizeof(*service));
    if (!l.views || !l.numbers || !service)
        return err->code;
    for (size_t i = 0; i < count; i++)
        if (list_feature(&l, features[i]))
            return err->code;
    if (make_service(&l, service))
        return err->code;
    *ret_service = service;
    return AX_OK;
}
