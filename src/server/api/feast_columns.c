/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names lie in one table, those of the call in front: what is found there once more is either used
 * twice, which no answer may have, or a name of the call's too, which only an answer that has that
 * column may not.
 */
#include "server/api/feast_columns.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"

#include <assert.h>

#define NAMES_BYTES_MAX ((size_t)64 << 20)

/* Names by number, those of the service's call first. */
struct names {
    const struct ax_service *service;
    struct ax_str *all;
    uint32_t *slots; /* a number plus 1 */
    size_t slot_count;
};

static struct ax_str full_name(const struct ax_service *service,
                               const struct ax_service_input *input, struct ax_arena *arena)
{
    const struct ax_role *role = &service->roles[input->role];
    struct ax_str front = role->as.len ? role->as : role->view->name;
    struct ax_str field = role->view->fields[input->field].name;
    struct ax_str name = { NULL, front.len + 2 + field.len };
    char *text = ax_arena_alloc(arena, name.len, 1);
    if (text) {
        memcpy(text, front.ptr, front.len);
        memset(text + front.len, '_', 2);
        memcpy(text + front.len + 2, field.ptr, field.len);
    }
    name.ptr = text;
    return name;
}

/* Its ptr is NULL when there is no memory. */
static struct ax_str name_of(const struct ax_service *service, size_t index, bool has_full_names,
                             struct ax_arena *arena)
{
    const struct ax_service_input *input = &service->inputs[index];
    if (input->kind == AX_INPUT_EXPR)
        return input->name;
    if (has_full_names)
        return full_name(service, input, arena);
    return service->roles[input->role].view->fields[input->field].name;
}

enum ax_code ax_feast_columns_fail_twice(struct ax_str name, bool has_full_names,
                                         struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "two columns of the answer would be called '%.*s'; %s",
                   AX_STR_ARG(name),
                   has_full_names ? "give one of the views another name in the service"
                                  : "ask with \"full_feature_names\": true");
}

/* Put name `number` in. Returns the number of one that is called the same, or SIZE_MAX. */
static size_t put_name(struct names *names, size_t number, struct ax_str name)
{
    size_t at = ax_hash(name) & (names->slot_count - 1);
    names->all[number] = name;
    for (; names->slots[at]; at = (at + 1) & (names->slot_count - 1))
        if (ax_str_equals(names->all[names->slots[at] - 1], name))
            return names->slots[at] - 1;
    names->slots[at] = (uint32_t)number + 1;
    return SIZE_MAX;
}

static enum ax_code init_names(struct names *names, const struct ax_service *service,
                               struct ax_arena *arena, struct ax_err *err)
{
    size_t count = service->call_count + service->input_count;
    *names = (struct names){ .service = service, .slot_count = 2 };
    while (names->slot_count < 2 * count)
        names->slot_count *= 2;
    names->all = ax_arena_alloc(arena, count, sizeof(*names->all));
    names->slots = ax_arena_zalloc(arena, names->slot_count, sizeof(*names->slots));
    if (!names->all || !names->slots)
        return ax_arena_fail(arena, "the names of an answer", err);
    for (size_t i = 0; i < service->call_count; i++)
        (void)put_name(names, i, service->call[i].name);
    return AX_OK;
}

static enum ax_code add_column(struct names *names, size_t *inputs, bool *are_used, size_t count,
                               size_t input, bool has_full_names, struct ax_arena *arena,
                               struct ax_err *err)
{
    struct ax_str name = name_of(names->service, input, has_full_names, arena);
    if (!name.ptr)
        return ax_arena_fail(arena, "the names of an answer", err);
    size_t calls = names->service->call_count;
    size_t same = put_name(names, calls + count, name);
    if (same != SIZE_MAX && (same >= calls || are_used[same]))
        return ax_feast_columns_fail_twice(name, has_full_names, err);
    if (same != SIZE_MAX)
        are_used[same] = true;
    inputs[count] = input;
    return AX_OK;
}

static enum ax_code print_names(struct ax_feast_columns *columns, const struct ax_str *names,
                                struct ax_arena *arena, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, NAMES_BYTES_MAX);
    for (size_t i = 0; i < columns->count; i++) {
        if (i)
            (void)ax_buf_append_char(&text, ',');
        ax_json_put_str(&text, names[i]);
    }
    columns->names = ax_buf_str(&text);
    columns->names.ptr = ax_arena_strdup(arena, columns->names);
    if (!ax_buf_check(&text, "the names of an answer", err) && !columns->names.ptr)
        (void)ax_arena_fail(arena, "the names of an answer", err);
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_feast_columns_init(struct ax_feast_columns *columns,
                                   const struct ax_service *service, bool has_full_names,
                                   struct ax_arena *arena, struct ax_err *err)
{
    assert(columns && service && arena && err);
    struct names names;
    size_t count = 0;
    size_t *inputs = ax_arena_alloc(arena, service->input_count, sizeof(*inputs));
    bool *are_used = ax_arena_zalloc(arena, service->call_count, sizeof(*are_used));
    if (!inputs || !are_used)
        return ax_arena_fail(arena, "the columns of an answer", err);
    if (init_names(&names, service, arena, err))
        return err->code;
    for (size_t i = 0; i < service->input_count; i++) {
        enum ax_input_kind kind = service->inputs[i].kind;
        if (kind != AX_INPUT_FIELD && kind != AX_INPUT_EXPR)
            continue;
        if (add_column(&names, inputs, are_used, count++, i, has_full_names, arena, err))
            return err->code;
    }
    *columns =
        (struct ax_feast_columns){ .inputs = inputs, .count = count, .are_names_used = are_used };
    return print_names(columns, names.all + service->call_count, arena, err);
}
