/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys become cells, whose columns are looked for in the entity once, and those columns of values.
 */
#include "pipeline/given_keys.h"

#include "base/file.h"
#include "data/cells_json.h"
#include "data/cells_values.h"
#include "feature/online/online_key.h"

#include <assert.h>

void ax_given_keys_init(struct ax_cells *cells, struct ax_arena *arena)
{
    ax_cells_init(cells, arena);
}

enum ax_code ax_given_keys_add(struct ax_cells *cells, char *const *texts, size_t count,
                               struct ax_err *err)
{
    assert(cells && (texts || !count) && err);
    if (ax_cells_add_row(cells, err))
        return err->code;
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(texts[i], '=');
        size_t column;
        if (!equals)
            return ax_fail(err, AX_E_INVALID, "'%s' is no key; one is COLUMN=VALUE", texts[i]);
        struct ax_str name = { texts[i], (size_t)(equals - texts[i]) };
        if (ax_cells_column(cells, name, &column, err) ||
            ax_cells_give(cells, cells->row_count - 1, column, err) ||
            ax_cells_put_text(cells, cells->row_count - 1, column, AX_CELL_FIELD,
                              ax_str_from(equals + 1), err))
            return err->code;
    }
    return AX_OK;
}

/* ---- lines ---- */

static enum ax_code add_line(struct ax_cells *cells, struct ax_str line, struct ax_err *err)
{
    struct ax_json_doc *doc;
    if (ax_cells_add_row(cells, err) || ax_json_parse(line, &doc, err))
        return err->code;
    (void)(ax_cells_put_object(cells, ax_json_root(doc), err) != AX_OK);
    ax_json_free(doc);
    return err->code;
}

enum ax_code ax_given_keys_add_file(struct ax_cells *cells, const char *path, struct ax_err *err)
{
    assert(cells && path && err);
    struct ax_buf bytes;
    size_t number = 0;
    ax_buf_init(&bytes, AX_GIVEN_KEYS_BYTES_MAX);
    struct ax_str rest = { 0 };
    if (!ax_file_read(path, &bytes, err))
        rest = ax_buf_str(&bytes);
    while (rest.len && !err->code) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct ax_str line = { rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len };
        size_t taken = line.len + (end != NULL);
        rest = (struct ax_str){ rest.ptr + taken, rest.len - taken };
        number++;
        if (ax_str_trim(line).len && add_line(cells, line, err))
            (void)ax_err_context(err, "'%s', line %zu", path, number);
    }
    ax_buf_done(&bytes);
    return err->code;
}

/* ---- keys ---- */

static enum ax_code fill(const struct ax_cells *cells, const struct ax_entity *entity,
                         struct ax_cells_target *targets, struct ax_err *err)
{
    struct ax_cells_values filling;
    const uint32_t *places;
    size_t cost = 0;
    bool done = false;
    if (ax_cells_values_find(cells, targets, entity->key_count, "key of entity", entity->name,
                             cells->arena, &places, err))
        return err->code;
    ax_cells_values_begin(&filling, cells, targets, entity->key_count, places, cells->row_count,
                          cells->arena);
    while (!done) {
        if (ax_cells_values_step(&filling, SIZE_MAX, &cost, &done, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code put_keys(const struct ax_entity *entity, const struct ax_cells_target *targets,
                             const struct ax_str *keys, size_t count, struct ax_map *map,
                             struct ax_err *err)
{
    static char present;
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < entity->key_count; i++) {
            if (ax_values_is_null(&targets[i].values, row))
                return ax_fail(err, AX_E_INVALID, "key %zu has no '%.*s'", row + 1,
                               AX_STR_ARG(targets[i].name));
        }
        (void)ax_map_put(map, keys[row], &present);
    }
    return AX_OK;
}

enum ax_code ax_given_keys_make(const struct ax_cells *cells, const struct ax_entity *entity,
                                struct ax_map *map, struct ax_err *err)
{
    assert(cells && entity && map && err);
    struct ax_arena *arena = cells->arena;
    size_t count = cells->row_count;
    struct ax_cells_target *targets = ax_arena_zalloc(arena, entity->key_count, sizeof(*targets));
    const struct ax_values **columns = ax_arena_alloc(arena, entity->key_count, sizeof(*columns));
    struct ax_str *keys = ax_arena_alloc(arena, AX_MAX(count, 1), sizeof(*keys));
    if (!targets || !columns || !keys)
        return ax_arena_fail(arena, "keys", err);
    for (size_t i = 0; i < entity->key_count; i++) {
        targets[i] = (struct ax_cells_target){ .name = entity->keys[i].name,
                                               .storage = entity->keys[i].storage };
        columns[i] = &targets[i].values;
    }
    if (!count)
        return ax_fail(err, AX_E_INVALID, "no key is given");
    return fill(cells, entity, targets, err) ||
                   ax_online_keys_make(entity, columns, count, arena, keys, err) ||
                   ax_online_keys_check(entity, keys, 0, count, err) ||
                   put_keys(entity, targets, keys, count, map, err)
               ? err->code
               : AX_OK;
}
