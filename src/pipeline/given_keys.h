/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of an entity, as somebody gives them: COLUMN=VALUE, or lines of JSON.
 */
#ifndef AX_PIPELINE_GIVEN_KEYS_H
#define AX_PIPELINE_GIVEN_KEYS_H

#include "base/map.h"
#include "data/cells.h"
#include "feature/definitions.h"

#define AX_GIVEN_KEYS_BYTES_MAX ((size_t)256 << 20) /* of a file */

/* Begin with none; memory is the arena's. */
void ax_given_keys_init(struct ax_cells *cells, struct ax_arena *arena);

/* Add one of these texts, "tailnum=N14228"; they are borrowed. Expected: INVALID, TOO_LARGE, LIMIT.
 */
AX_MUST_USE enum ax_code ax_given_keys_add(struct ax_cells *cells, char *const *texts, size_t count,
                                           struct ax_err *err);

/* Add those of a file, a line each: {"tailnum": "N14228"}. Blocks. Expected: besides, NOT_FOUND,
 * DENIED. */
AX_MUST_USE enum ax_code ax_given_keys_add_file(struct ax_cells *cells, const char *path,
                                                struct ax_err *err);

/* Have the map hold their bytes (feature/online/online_key.h), each once. Expected: INVALID (a
 * column that the entity has not, or a value that is not of its type, or is missing). */
AX_MUST_USE enum ax_code ax_given_keys_make(const struct ax_cells *cells,
                                            const struct ax_entity *entity, struct ax_map *map,
                                            struct ax_err *err);

#endif
