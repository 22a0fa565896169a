/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows of a source are of given keys of an entity.
 *
 * A row is of a key if one of the source's views that are of the entity has it under that key,
 * online or not. Definitions and keys are borrowed. Immutable once made.
 */
#ifndef AX_FEATURE_SOURCE_KEYS_H
#define AX_FEATURE_SOURCE_KEYS_H

#include "base/map.h"
#include "data/expr/values.h"
#include "feature/definitions.h"

struct ax_source_keys {
    const struct ax_entity *entity;
    const struct ax_map *keys; /* feature/online/online_key.h */
    const size_t **mappings;   /* each the columns of the source that are the key's */
    size_t mapping_count;      /* 0: no row is of any key */
};

/* In the arena. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_source_keys_init(struct ax_source_keys *keys,
                                             const struct ax_definitions *definitions,
                                             const struct ax_source *source,
                                             const struct ax_entity *entity,
                                             const struct ax_map *wanted, struct ax_arena *arena,
                                             struct ax_err *err);

/* Set ret_found[i] for each of `rows` rows, and *ret_count: how many are. `columns` are the
 * source's. Expected: TOO_LARGE, LIMIT (the arena). */
AX_MUST_USE enum ax_code ax_source_keys_find(const struct ax_source_keys *keys,
                                             const struct ax_values *columns, size_t rows,
                                             struct ax_arena *arena, bool *ret_found,
                                             size_t *ret_count, struct ax_err *err);

#endif
