/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept is what the service's inputs are made of and what they came to: a key or request
 * value once, as the call gave it, and each field and expression.
 */
#include "pipeline/served_form.h"

#include "base/alloc.h"
#include "data/expr/values_sql.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)4 << 10)
#define ARENA_BYTES_MAX   ((size_t)16 << 20)
#define FIXED_COLUMNS     ((size_t)3)

struct maker {
    struct ax_served_form *form;
    const struct ax_service *service;
    struct ax_storage *storages; /* of the layout */
    size_t value_count;
    struct ax_sql_table_column *columns;
    struct ax_err *err;
};

static void *form_alloc(struct maker *m, size_t count, size_t size)
{
    void *made = ax_arena_alloc(&m->form->arena, count, size);
    if (!made)
        (void)ax_arena_fail(&m->form->arena, "the form of served vectors", m->err);
    return made;
}

static void add_column(struct maker *m, const char *prefix, struct ax_str name,
                       struct ax_sql_kind kind)
{
    size_t size = strlen(prefix) + name.len + 1;
    char *text = form_alloc(m, size, 1);
    if (!text)
        return;
    (void)snprintf(text, size, "%s%.*s", prefix, AX_STR_ARG(name));
    m->columns[m->form->column_count++] = (struct ax_sql_table_column){ text, kind };
}

static void add_value(struct maker *m, const char *prefix, struct ax_str name,
                      struct ax_storage storage)
{
    m->storages[m->value_count++] = storage;
    add_column(m, prefix, name, ax_storage_sql_kind(storage));
}

static bool is_made(const struct ax_service_input *input)
{
    return input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR;
}

static void add_seen(struct maker *m, const struct ax_online_views *online)
{
    const struct ax_definitions *definitions = online->given.definitions;
    struct ax_sql_kind number = { .type = AX_SQL_I64 };
    const struct ax_online_seen **seen =
        form_alloc(m, AX_SERVED_SOURCES_MAX, sizeof(const struct ax_online_seen *));
    for (size_t i = 0; i < definitions->source_count && !m->err->code; i++) {
        struct ax_str name = definitions->sources[i].name;
        if (!online->seen[i] || !ax_service_reads(m->service, &definitions->sources[i]))
            continue;
        if (m->form->seen_count == AX_SERVED_SOURCES_MAX) {
            (void)ax_fail(m->err, AX_E_UNSUPPORTED, "over %zu sources that are pushed",
                          AX_SERVED_SOURCES_MAX);
            return;
        }
        seen[m->form->seen_count++] = online->seen[i];
        add_column(m, AX_SERVED_SEEN, name, number);
        add_column(m, AX_SERVED_UNTIL, name, number);
    }
    m->form->seen = seen;
}

static void add_values(struct maker *m)
{
    const struct ax_service *service = m->service;
    size_t *inputs = form_alloc(m, service->input_count, sizeof(*inputs));
    for (size_t i = 0; i < service->call_count && !m->err->code; i++)
        add_value(m, AX_SERVED_CALL, service->call[i].name, service->call[i].storage);
    for (size_t i = 0; i < service->input_count && !m->err->code; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (!is_made(input))
            continue;
        inputs[m->form->input_count++] = i;
        add_value(m, AX_SERVED_INPUT, input->name, input->storage);
    }
    m->form->inputs = inputs;
}

static enum ax_code make(struct maker *m, const struct ax_online_views *online)
{
    const struct ax_service *service = m->service;
    struct ax_served_form *form = m->form;
    size_t most = service->call_count + service->input_count;
    if (most > AX_SERVED_VALUES_MAX)
        return ax_fail(m->err, AX_E_UNSUPPORTED, "%zu values; at most %zu are kept", most,
                       AX_SERVED_VALUES_MAX);
    m->storages = form_alloc(m, most, sizeof(*m->storages));
    m->columns =
        form_alloc(m, FIXED_COLUMNS + 2 * AX_SERVED_SOURCES_MAX + most, sizeof(*m->columns));
    char *name = ax_arena_strdup(&form->arena, service->name);
    if (!m->storages || !m->columns || !name)
        return ax_arena_fail(&form->arena, "the form of served vectors", m->err);
    form->service = ax_str_from(name);
    form->call_count = service->call_count;
    form->first_key = service->request_count;
    form->columns = m->columns;
    add_column(m, AX_SERVED_AT, AX_STR(""), (struct ax_sql_kind){ .type = AX_SQL_TIMESTAMP });
    add_column(m, AX_SERVED_MADE, AX_STR(""), (struct ax_sql_kind){ .type = AX_SQL_TIMESTAMP });
    add_column(m, AX_SERVED_DEFINITIONS, AX_STR(""), (struct ax_sql_kind){ .type = AX_SQL_TEXT });
    add_seen(m, online);
    if (!m->err->code)
        add_values(m);
    return m->err->code ? m->err->code
                        : ax_online_layout_init(&form->layout, 0, m->storages, m->value_count,
                                                &form->arena, m->err);
}

enum ax_code ax_served_form_new(const struct ax_applied_service *applied,
                                const struct ax_online_views *online,
                                struct ax_served_form **ret_form, struct ax_err *err)
{
    assert(applied && online && ret_form && err);
    struct ax_served_form *form = ax_xalloc(sizeof(*form));
    struct maker m = { .form = form, .service = applied->service, .err = err };
    atomic_init(&form->refs, 1);
    memcpy(form->digest, applied->digest, sizeof(form->digest));
    ax_arena_init(&form->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    if (make(&m, online)) {
        ax_served_form_unref(form);
        return err->code;
    }
    *ret_form = form;
    return AX_OK;
}

struct ax_served_form *ax_served_form_ref(struct ax_served_form *form)
{
    assert(form);
    (void)atomic_fetch_add_explicit(&form->refs, 1, memory_order_relaxed);
    return form;
}

void ax_served_form_unref(struct ax_served_form *form)
{
    if (!form || atomic_fetch_sub_explicit(&form->refs, 1, memory_order_acq_rel) > 1)
        return;
    ax_arena_done(&form->arena);
    free(form);
}
