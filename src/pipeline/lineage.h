/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage: what a thing is made from and what is made from it, as a graph.
 *
 * Nodes are objects of a catalogue and what lies outside (files, SQL, tables), or, in full detail,
 * also their features; edges go from what is read to what is made: file -> source -> view ->
 * service -> model. Of services the versions are there that models were trained with, beside the
 * one in force. The graph lives in the caller's arena and is in the order of the catalogue. What
 * the registry holds may have circles; nothing here runs in them.
 */
#ifndef AX_PIPELINE_LINEAGE_H
#define AX_PIPELINE_LINEAGE_H

#include "pipeline/definition_plan.h"

struct ax_lineage_node {
    struct ax_str kind; /* of an object; "file", "sql", "table" */
    struct ax_str name; /* "pushback@1" is a former version of a service */
    struct ax_str part; /* a feature; empty: the whole */
    struct ax_str note; /* of a model: its trained versions, "1, 3" */
};

struct ax_lineage_edge {
    size_t from, to; /* nodes */
};

struct ax_lineage {
    const struct ax_lineage_node *nodes;
    size_t node_count;
    const struct ax_lineage_edge *edges; /* by from, then by to; each once */
    size_t edge_count;
};

/* The graph of everything: of objects, or `with_features`. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_lineage_make(const struct ax_registry_catalogue *catalogue,
                                         const struct ax_plan_use *uses, size_t use_count,
                                         bool with_features, struct ax_arena *arena,
                                         struct ax_lineage *ret_lineage, struct ax_err *err);

/* Mark what can be reached from the marked nodes: with the edges (what is made from them), or
 * against them (what they are made from). `marks` has a byte a node. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_lineage_reach(const struct ax_lineage *lineage, bool with_edges,
                                          bool *marks, struct ax_arena *arena, struct ax_err *err);

/* The part of the graph that is marked. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_lineage_select(const struct ax_lineage *lineage, const bool *marks,
                                           struct ax_arena *arena, struct ax_lineage *ret_lineage,
                                           struct ax_err *err);

/* The digest of an object with all that it is made from: of views the fields, and of sources the
 * columns, that go into it, with what is said of the view or source as a whole; of other objects
 * their digests. So a service's tells whether its values are computed as they were: a field that it
 * does not take may come, change and go. Of what lies outside (files, SQL that stands in a file)
 * the definitions tell what there is to tell. Expected: INVALID (a definition that is no JSON),
 * LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_lineage_digest(const struct ax_registry_catalogue *catalogue,
                                           const struct ax_registry_object *object,
                                           struct ax_arena *arena,
                                           char ret_digest[AX_SHA256_TEXT_SIZE],
                                           struct ax_err *err);

/* Whether a file that a source names, which may be a pattern, means that path too. */
bool ax_lineage_means(struct ax_str pattern, struct ax_str path);

/* "view plane.seats", as texts call a node. */
void ax_lineage_put_name(struct ax_buf *out, const struct ax_lineage_node *node);

/* Print as a graph for Graphviz's dot, and as one JSON object. */
void ax_lineage_put_dot(struct ax_buf *out, const struct ax_lineage *lineage);
void ax_lineage_put_json(struct ax_buf *out, const struct ax_lineage *lineage);

#endif
