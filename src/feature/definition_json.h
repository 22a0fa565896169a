/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of definitions as canonical JSON, for feature/definition_json.c and for who prints such.
 */
#ifndef AX_FEATURE_DEFINITION_JSON_H
#define AX_FEATURE_DEFINITION_JSON_H

#include "data/expr/expr_text.h"
#include "feature/definitions.h"

/* The canonical text of an expression, as a JSON string. */
void ax_definition_put_expression(struct ax_buf *out, const struct ax_parsed *parsed,
                                  ax_expr_put_input_fn put_name, void *arg);

/* A duration as a JSON string. */
void ax_definition_put_duration(struct ax_buf *out, int64_t us);

/* A default. */
void ax_definition_put_value(struct ax_buf *out, struct ax_storage storage,
                             const union ax_literal *value);

void ax_expectation_put_json(struct ax_buf *out, const struct ax_source *source,
                             const struct ax_expectation *expectation);

/* A YAML node: keys in bytewise order, scalars as what they look like; NULL is null. `skipped` is a
 * key of the node itself that is left out, or NULL. */
void ax_definition_put_node(struct ax_buf *out, const struct ax_yaml *node, const char *skipped);

#endif
