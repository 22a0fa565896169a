/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views that have their keys from the same columns are looked at once.
 */
#include "feature/source_keys.h"

#include "feature/online/online_key.h"

#include <assert.h>

static bool is_known(const struct ax_source_keys *keys, const size_t *columns)
{
    size_t bytes = keys->entity->key_count * sizeof(*columns);
    size_t at = 0;
    while (at < keys->mapping_count && memcmp(keys->mappings[at], columns, bytes) != 0)
        at++;
    return at < keys->mapping_count;
}

enum ax_code ax_source_keys_init(struct ax_source_keys *keys,
                                 const struct ax_definitions *definitions,
                                 const struct ax_source *source, const struct ax_entity *entity,
                                 const struct ax_map *wanted, struct ax_arena *arena,
                                 struct ax_err *err)
{
    assert(keys && definitions && source && entity && wanted && arena && err);
    *keys = (struct ax_source_keys){ .entity = entity, .keys = wanted };
    keys->mappings =
        ax_arena_alloc(arena, AX_MAX(definitions->view_count, 1), sizeof(keys->mappings[0]));
    if (!keys->mappings)
        return ax_arena_fail(arena, "keys", err);
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        if (view->source == source && view->entity == entity && !is_known(keys, view->key_columns))
            keys->mappings[keys->mapping_count++] = view->key_columns;
    }
    return AX_OK;
}

static enum ax_code find_by(const struct ax_source_keys *keys, const size_t *mapping,
                            const struct ax_values *columns, size_t rows, struct ax_arena *arena,
                            bool *found, struct ax_err *err)
{
    const struct ax_values **parts = ax_arena_alloc(arena, keys->entity->key_count, sizeof(*parts));
    struct ax_str *made = ax_arena_alloc(arena, rows, sizeof(*made));
    if (!parts || !made)
        return ax_arena_fail(arena, "keys", err);
    for (size_t i = 0; i < keys->entity->key_count; i++)
        parts[i] = &columns[mapping[i]];
    if (ax_online_keys_make(keys->entity, parts, rows, arena, made, err))
        return err->code;
    for (size_t row = 0; row < rows; row++)
        found[row] = found[row] || (made[row].ptr && ax_map_get(keys->keys, made[row]));
    return AX_OK;
}

enum ax_code ax_source_keys_find(const struct ax_source_keys *keys, const struct ax_values *columns,
                                 size_t rows, struct ax_arena *arena, bool *ret_found,
                                 size_t *ret_count, struct ax_err *err)
{
    assert(keys && (columns || !rows) && arena && ret_found && ret_count && err);
    memset(ret_found, 0, rows * sizeof(*ret_found));
    for (size_t i = 0; i < keys->mapping_count; i++) {
        if (find_by(keys, keys->mappings[i], columns, rows, arena, ret_found, err))
            return err->code;
    }
    *ret_count = 0;
    for (size_t row = 0; row < rows; row++)
        *ret_count += ret_found[row];
    return AX_OK;
}
