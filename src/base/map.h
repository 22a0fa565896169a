/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from text to pointer, for tables that are built once and read often.
 *
 * Open addressing over XXH3; keys are copied, values are borrowed. Lookups do not allocate and may
 * run from many threads while nobody changes the map. Iteration is in order of insertion, so that
 * output made from a map is the same every time. Removal keeps the order of the others.
 */
#ifndef AX_BASE_MAP_H
#define AX_BASE_MAP_H

#include "base/str.h"

struct ax_map_entry {
    struct ax_str key; /* owned by the map; NUL-terminated; ptr NULL: removed, skip it */
    uint64_t hash;
    void *value;
};

struct ax_map {
    struct ax_map_entry *entries; /* in order of insertion */
    size_t entry_count;           /* with removed ones */
    size_t entry_cap;
    size_t count;    /* without removed ones */
    uint32_t *slots; /* entry index + 1; 0: free */
    size_t slot_count;
};

void ax_map_init(struct ax_map *map);
/* Frees keys and tables, never the values. */
void ax_map_done(struct ax_map *map);

/* What keys and tables take from the heap. */
size_t ax_map_bytes(const struct ax_map *map);

/* The value of `key`, or NULL. */
void *ax_map_get(const struct ax_map *map, struct ax_str key);

/* Add or replace; `value` is not NULL. Returns the value that was there before, or NULL. */
void *ax_map_put(struct ax_map *map, struct ax_str key, void *value);

/* Take `key` out and return its value, or NULL. */
void *ax_map_remove(struct ax_map *map, struct ax_str key);

/* for (size_t i = 0; ax_map_next(&map, &i, &key, &value);) … */
bool ax_map_next(const struct ax_map *map, size_t *at, struct ax_str *ret_key, void **ret_value);

#endif
