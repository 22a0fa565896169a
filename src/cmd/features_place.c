/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue knows where its objects are written, and not their features: so the files that were
 * applied, which the registry keeps, are read again.
 */
#include "cmd/features_catalogue.h"

#include "feature/definitions.h"

#include <assert.h>

#define PLACE_BYTES_MAX ((size_t)64 << 10)

static const struct ax_place *find_column(const struct ax_definition_column *columns, size_t count,
                                          struct ax_str name)
{
    for (size_t i = 0; i < count; i++)
        if (ax_str_equals(columns[i].name, name))
            return &columns[i].place;
    return NULL;
}

static const struct ax_place *find_field(const struct ax_view *view, struct ax_str name)
{
    for (size_t i = 0; i < view->field_count; i++)
        if (ax_str_equals(view->fields[i].name, name))
            return &view->fields[i].place;
    return NULL;
}

static const struct ax_place *find_input(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->input_count; i++)
        if (ax_str_equals(service->inputs[i].name, name))
            return &service->inputs[i].place;
    return NULL;
}

static const struct ax_place *find_part(const struct ax_definitions *all,
                                        enum ax_registry_kind kind, struct ax_str name,
                                        struct ax_str part)
{
    static const enum ax_definition_kind kinds[AX_REGISTRY_KIND_COUNT] = {
        [AX_REGISTRY_ENTITY] = AX_DEFINITION_ENTITY, [AX_REGISTRY_SOURCE] = AX_DEFINITION_SOURCE,
        [AX_REGISTRY_VIEW] = AX_DEFINITION_VIEW,     [AX_REGISTRY_SERVICE] = AX_DEFINITION_SERVICE,
        [AX_REGISTRY_MODEL] = AX_DEFINITION_MODEL,
    };
    const void *object = ax_map_get(&all->names[kinds[kind]], name);
    const struct ax_entity *entity = object;
    const struct ax_source *source = object;
    if (!object)
        return NULL;
    switch (kind) {
    case AX_REGISTRY_ENTITY:
        return find_column(entity->keys, entity->key_count, part);
    case AX_REGISTRY_SOURCE:
        return find_column(source->columns, source->column_count, part);
    case AX_REGISTRY_VIEW:
        return find_field(object, part);
    case AX_REGISTRY_SERVICE:
        return find_input(object, part);
    case AX_REGISTRY_MODEL:
        break;
    }
    return NULL;
}

struct ax_str ax_features_part_place(const struct ax_features_catalogue *catalogue,
                                     const struct ax_registry_object *object, struct ax_str part)
{
    assert(catalogue && object && part.len);
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_registry_files files;
    struct ax_definitions all;
    struct ax_str ret = object->place;
    /* The last apply that had this version in force. */
    uint64_t apply = object->ended_by ? object->ended_by - 1 : 0;
    if (ax_registry_read_files(catalogue->registry, apply, catalogue->arena, &files, &ignored) ||
        ax_definitions_read_texts(files.folder.ptr, files.files, files.file_count, &all, &ignored))
        return ret;
    const struct ax_place *place = find_part(&all, object->kind, object->name, part);
    if (place) {
        struct ax_buf text;
        ax_buf_init(&text, PLACE_BYTES_MAX);
        ax_buf_printf(&text, "%s:%u", place->file, place->line);
        const char *copy = ax_arena_strdup(catalogue->arena, ax_buf_str(&text));
        if (copy && !text.failed)
            ret = (struct ax_str){ copy, text.len };
        ax_buf_done(&text);
    }
    ax_definitions_done(&all);
    return ret;
}
