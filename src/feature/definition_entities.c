/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entities, and the mappings {name: type} that entities and sources share.
 */
#include "feature/definition_reader.h"

#include <assert.h>

/* What two rows can be compared by without doubt: no fractions, no blobs, no lists. */
static bool is_key_storage(struct ax_storage storage)
{
    return !storage.is_list &&
           (storage.kind == AX_STORAGE_BOOL || storage.kind == AX_STORAGE_INT32 ||
            storage.kind == AX_STORAGE_INT64 || storage.kind == AX_STORAGE_STRING ||
            storage.kind == AX_STORAGE_TIMESTAMP);
}

enum ax_code ax_definition_read_entity(struct ax_definition_reader *r, const struct ax_yaml *node,
                                       struct ax_entity *entity)
{
    assert(r && node && entity);
    if (ax_definition_check_keys(r, node, AX_MAPPING_ENTITY) ||
        ax_definition_text(r, node, AX_MAPPING_ENTITY, "description", &entity->description))
        return r->err->code;
    const struct ax_yaml *keys = ax_yaml_get(node, "keys");
    if (ax_definition_check_many(r, keys, AX_YAML_MAP, AX_DEFINITION_KEYS_MAX, "keys"))
        return r->err->code;
    struct ax_definition_column *columns = ax_definition_alloc(r, keys->count, sizeof(*columns));
    if (!columns)
        return r->err->code;
    entity->keys = columns;
    for (const struct ax_yaml *key = keys->first; key; key = key->next) {
        struct ax_definition_column *column = &columns[entity->key_count++];
        column->place = ax_definition_place_key(r, key);
        if (ax_definition_name_key(r, key, &column->name) ||
            ax_definition_storage(r, key, &column->storage))
            return r->err->code;
        if (!is_key_storage(column->storage))
            return ax_definition_fail(r, key,
                                      "a join key is bool, int32, int64, string or timestamp, not "
                                      "%s",
                                      ax_storage_name(column->storage));
    }
    return AX_OK;
}
