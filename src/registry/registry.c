/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry opened and closed, and what needs no database: kinds, order, checksums.
 */
#include "registry/registry.h"

#include "base/alloc.h"
#include "registry/database.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const struct ax_option ax_registry_options[] = {
    { AX_OPTION_TEXT, "state", "auspex-data", offsetof(struct ax_registry_config, state), 0, 0,
      "DIR", "Folder for what the program keeps: applied definitions in DIR/registry.db." },
    { 0 },
};

static const char *const kind_names[AX_REGISTRY_KIND_COUNT] = {
    [AX_REGISTRY_ENTITY] = "entity",   [AX_REGISTRY_SOURCE] = "source", [AX_REGISTRY_VIEW] = "view",
    [AX_REGISTRY_SERVICE] = "service", [AX_REGISTRY_MODEL] = "model",
};

const char *ax_registry_kind_name(enum ax_registry_kind kind)
{
    assert((size_t)kind < AX_REGISTRY_KIND_COUNT);
    return kind_names[kind];
}

bool ax_registry_kind_find(struct ax_str name, enum ax_registry_kind *ret_kind)
{
    for (size_t i = 0; i < AX_REGISTRY_KIND_COUNT; i++) {
        if (ax_str_is(name, kind_names[i])) {
            *ret_kind = (enum ax_registry_kind)i;
            return true;
        }
    }
    return false;
}

int ax_registry_object_compare(const struct ax_registry_object *a,
                               const struct ax_registry_object *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return ax_str_compare(a->name, b->name);
}

const struct ax_registry_object *ax_registry_find(const struct ax_registry_catalogue *catalogue,
                                                  enum ax_registry_kind kind, struct ax_str name)
{
    const struct ax_registry_object wanted = { .kind = kind, .name = name };
    size_t low = 0, high = catalogue->object_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ax_registry_object_compare(&catalogue->objects[middle], &wanted);
        if (order == 0)
            return &catalogue->objects[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void add_text(struct ax_hasher *hasher, struct ax_str text)
{
    uint64_t len = text.len;
    ax_hasher_add(hasher, &len, sizeof(len));
    ax_hasher_add(hasher, text.ptr, text.len);
}

static void add_number(struct ax_hasher *hasher, uint64_t number)
{
    ax_hasher_add(hasher, &number, sizeof(number));
}

/* Not of its place, which may change later, nor of what ended it. */
int64_t ax_registry_object_checksum(const struct ax_registry_object *object)
{
    struct ax_hasher *hasher = ax_hasher_new();
    add_number(hasher, object->kind);
    add_text(hasher, object->name);
    add_number(hasher, object->version);
    add_number(hasher, object->deprecated);
    add_text(hasher, object->definition);
    add_text(hasher, ax_str_from(object->digest));
    add_number(hasher, object->feature_count);
    for (size_t i = 0; i < object->feature_count; i++) {
        add_text(hasher, object->features[i].name);
        add_text(hasher, object->features[i].type);
        add_number(hasher, object->features[i].deprecated);
    }
    add_number(hasher, object->edge_count);
    for (size_t i = 0; i < object->edge_count; i++) {
        add_text(hasher, object->edges[i].feature);
        add_text(hasher, object->edges[i].kind);
        add_text(hasher, object->edges[i].name);
        add_text(hasher, object->edges[i].part);
    }
    struct ax_hash128 hash = ax_hasher_result(hasher);
    ax_hasher_free(hasher);
    return (int64_t)hash.low;
}

int64_t ax_registry_files_checksum(struct ax_str folder, const struct ax_file_text *files,
                                   size_t count)
{
    struct ax_hasher *hasher = ax_hasher_new();
    add_text(hasher, folder);
    for (size_t i = 0; i < count; i++) {
        add_text(hasher, files[i].path);
        add_text(hasher, files[i].text);
    }
    struct ax_hash128 hash = ax_hasher_result(hasher);
    ax_hasher_free(hasher);
    return (int64_t)hash.low;
}

enum ax_code ax_registry_open(const char *state, enum ax_registry_access access,
                              struct ax_registry **ret_registry, struct ax_err *err)
{
    assert(state && ret_registry && err);
    if (access == AX_REGISTRY_WRITE && ax_file_make_private_folder(state, err))
        return err->code;
    struct ax_registry *registry = ax_xalloc(sizeof(*registry));
    size_t size = strlen(state) + sizeof("/registry.db");
    registry->path = ax_xalloc(size);
    (void)snprintf(registry->path, size, "%s/registry.db", state);
    if (ax_database_open(registry, access, err) || ax_schema_bring(registry, access, err))
        ax_registry_close(registry);
    else
        *ret_registry = registry;
    return err->code;
}

void ax_registry_close(struct ax_registry *registry)
{
    if (!registry)
        return;
    ax_database_close(registry);
    free(registry->path);
    free(registry);
}
