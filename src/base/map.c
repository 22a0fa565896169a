/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two arrays: the entries in order of insertion, and a table of slots (linear probing, at most half
 * full) whose numbers point into the entries. A removed entry keeps its place and its slot, with
 * its key gone, so that probing goes on behind it; when the entries are full, they are packed and
 * the slots are made anew.
 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

#define MAP_ENTRIES_MIN 8

void ax_map_init(struct ax_map *map)
{
    assert(map);
    *map = (struct ax_map){ 0 };
}

void ax_map_done(struct ax_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->entry_count; i++)
        free((char *)map->entries[i].key.ptr);
    free(map->entries);
    free(map->slots);
    *map = (struct ax_map){ 0 };
}

size_t ax_map_bytes(const struct ax_map *map)
{
    assert(map);
    size_t bytes = ax_alloc_bytes(map->entries) + ax_alloc_bytes(map->slots);
    for (size_t i = 0; i < map->entry_count; i++)
        bytes += ax_alloc_bytes(map->entries[i].key.ptr);
    return bytes;
}

static struct ax_map_entry *map_find(const struct ax_map *map, struct ax_str key, uint64_t hash)
{
    if (!map->count)
        return NULL;
    size_t mask = map->slot_count - 1;
    for (size_t at = hash & mask; map->slots[at]; at = (at + 1) & mask) {
        struct ax_map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->hash == hash && entry->key.ptr && ax_str_equals(entry->key, key))
            return entry;
    }
    return NULL;
}

static void map_link(struct ax_map *map, size_t index)
{
    size_t mask = map->slot_count - 1;
    size_t at = map->entries[index].hash & mask;
    while (map->slots[at])
        at = (at + 1) & mask;
    map->slots[at] = (uint32_t)(index + 1);
}

/* Drop removed entries, make room for as many again as are left, and link all of them. */
static void map_rebuild(struct ax_map *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->entry_count; i++)
        if (map->entries[i].key.ptr)
            map->entries[kept++] = map->entries[i];
    assert(kept == map->count && kept < UINT32_MAX / 4);
    size_t cap = MAP_ENTRIES_MIN;
    while (cap < 2 * kept)
        cap *= 2;
    map->entries = ax_xrealloc(map->entries, cap, sizeof(map->entries[0]));
    map->entry_count = kept;
    map->entry_cap = cap;
    map->slot_count = 2 * cap;
    free(map->slots);
    map->slots = ax_xalloc(map->slot_count * sizeof(map->slots[0]));
    for (size_t i = 0; i < kept; i++)
        map_link(map, i);
}

void *ax_map_get(const struct ax_map *map, struct ax_str key)
{
    assert(map && (key.ptr || !key.len));
    const struct ax_map_entry *entry = map_find(map, key, ax_hash(key));
    return entry ? entry->value : NULL;
}

void *ax_map_put(struct ax_map *map, struct ax_str key, void *value)
{
    assert(map && (key.ptr || !key.len) && value);
    uint64_t hash = ax_hash(key);
    struct ax_map_entry *entry = map_find(map, key, hash);
    if (entry) {
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    if (map->entry_count == map->entry_cap)
        map_rebuild(map);
    map->entries[map->entry_count] = (struct ax_map_entry){
        .key = { ax_xmemdup0(key.ptr, key.len), key.len }, .hash = hash, .value = value
    };
    map_link(map, map->entry_count++);
    map->count++;
    return NULL;
}

void *ax_map_remove(struct ax_map *map, struct ax_str key)
{
    assert(map && (key.ptr || !key.len));
    struct ax_map_entry *entry = map_find(map, key, ax_hash(key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    free((char *)entry->key.ptr);
    *entry = (struct ax_map_entry){ .hash = entry->hash };
    map->count--;
    return value;
}

bool ax_map_next(const struct ax_map *map, size_t *at, struct ax_str *ret_key, void **ret_value)
{
    assert(map && at && ret_key && ret_value);
    while (*at < map->entry_count) {
        const struct ax_map_entry *entry = &map->entries[(*at)++];
        if (!entry->key.ptr)
            continue;
        *ret_key = entry->key;
        *ret_value = entry->value;
        return true;
    }
    return false;
}
