/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path into JSON ("$.a.b[0]") and what stands there in a text.
 *
 * A path begins with $, and goes on with .name, ."any name" or [index], at most
 * AX_JSON_PATH_STEPS_MAX times. It is read once and may then be used by many threads. The text is
 * walked by the pull reader, without a tree.
 */
#ifndef AX_BASE_JSON_PATH_H
#define AX_BASE_JSON_PATH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define AX_JSON_PATH_STEPS_MAX 32

struct ax_json_path;

/* `text` is not kept. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_json_path_new(struct ax_str text, struct ax_json_path **ret_path,
                                          struct ax_err *err);
/* NULL is fine. */
void ax_json_path_free(struct ax_json_path *path);

/* What stands there, as text: a string without its quotes and escapes, anything else as it is
 * written. Of members with one name the first counts. *ret_found is false when nothing stands
 * there, or null, or a number that is not finite, or when the text, all of it, is no JSON. The text
 * is a part of `json`, or lies in `arena`. Expected: TOO_LARGE, LIMIT (the arena). */
AX_MUST_USE enum ax_code ax_json_path_find(const struct ax_json_path *path, struct ax_str json,
                                           struct ax_arena *arena, bool *ret_found,
                                           struct ax_str *ret_text, struct ax_err *err);

#endif
