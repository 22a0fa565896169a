/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What YAML may say about one input of a signature: the keys `default`, `required` and
 * `categories`, which mean the same in model.yaml and in a rules file.
 */
#ifndef AX_ENGINE_INPUT_YAML_H
#define AX_ENGINE_INPUT_YAML_H

#include "base/yaml.h"
#include "data/signature.h"

/* Take `categories`, `required` and `default` from the mapping `map` for input `index`; other keys
 * are the caller's business. Categories that are there already must be the same. `name` is what
 * errors call the file. Expected: INVALID (with the place), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_input_yaml_take(struct ax_signature *signature, size_t index,
                                            const struct ax_yaml *map, const char *name,
                                            struct ax_err *err);

/* The texts of a list node, borrowed from it, in `arena`. Expected: INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_yaml_texts(const struct ax_yaml *list, const char *name,
                                       struct ax_arena *arena, struct ax_str **ret_texts,
                                       size_t *ret_count, struct ax_err *err);

#endif
