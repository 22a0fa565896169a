/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SELECT as DuckDB's own parser has it: the tree of json_serialize_sql(), which names neither
 * files nor types. Nothing is opened.
 */
#ifndef AX_PIPELINE_SQL_TREE_H
#define AX_PIPELINE_SQL_TREE_H

#include "base/json.h"
#include "base/sql.h"

/* The document's root has a list `statements`, of which each has a `node`. Expected: INVALID (what
 * the parser says; *ret_place, unless NULL, is the byte where, SIZE_MAX when it is not said),
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_sql_tree_read(struct ax_sql *sql, struct ax_str query,
                                          struct ax_json_doc **ret_doc, size_t *ret_place,
                                          struct ax_err *err);

/* The node of the only statement. */
const struct ax_json *ax_sql_tree_node(const struct ax_json_doc *doc);

#endif
