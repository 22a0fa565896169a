/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes by which an entity's key is found, made of the types that its definition says.
 *
 * A bool is one byte; int32, int64 and timestamp are 8 bytes, little-endian; a text is its length
 * (4 bytes, little-endian) and its bytes. The values of a key follow each other in the entity's
 * order. An entity with one key that is a text has the bare text.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_KEY_H
#define AX_FEATURE_ONLINE_ONLINE_KEY_H

#include "data/expr/values.h"
#include "feature/definitions.h"

/* The keys of `rows` rows from a column for each of the entity's key columns, in its order. Of a
 * key with a null, ptr is NULL: it matches nothing. They may be longer than a store takes. What is
 * not borrowed from the columns lives in the arena. Expected: TOO_LARGE, LIMIT (the arena). */
AX_MUST_USE enum ax_code ax_online_keys_make(const struct ax_entity *entity,
                                             const struct ax_values *const *columns, size_t rows,
                                             struct ax_arena *arena, struct ax_str *ret_keys,
                                             struct ax_err *err);

/* Whether none is longer than AX_ONLINE_KEY_BYTES_MAX. Expected: TOO_LARGE (names the row, of which
 * the first key's is `from`). */
AX_MUST_USE enum ax_code ax_online_keys_check(const struct ax_entity *entity,
                                              const struct ax_str *keys, size_t from, size_t rows,
                                              struct ax_err *err);

#endif
