/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions as a catalogue: their canonical texts, digests, features and what these are made
 * from, as the registry keeps them and as a plan compares them.
 */
#ifndef AX_PIPELINE_DEFINITION_CATALOGUE_H
#define AX_PIPELINE_DEFINITION_CATALOGUE_H

#include "feature/definitions.h"
#include "registry/registry.h"

/* Texts live in the arena, names are borrowed from the definitions. Edges of an input that is an
 * expression lead to the inputs it reads ("service"), and to what a call gives ("call"). Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_definition_catalogue(const struct ax_definitions *definitions,
                                                 struct ax_arena *arena,
                                                 struct ax_registry_catalogue *ret_catalogue,
                                                 struct ax_err *err);

/* What the online store would hold for each entity of a kind, at most: an estimate, since texts and
 * lists are as long as they are. */
struct ax_entity_bytes {
    const struct ax_entity *entity;
    size_t view_count;   /* that are online */
    size_t bytes;        /* of its row: a part a view with validity, time, sequence, values */
    size_t window_bytes; /* most that newest events and tiles take, of windowed views */
    size_t event_bytes;  /* of each event in reach of a window, over all such views */
};

/* By entity, in the order of the text; those without a view that is online too. Expected: INVALID
 * (aggregates that no window state can have), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_definition_bytes(const struct ax_definitions *definitions,
                                             struct ax_arena *arena,
                                             const struct ax_entity_bytes **ret_bytes,
                                             size_t *ret_count, struct ax_err *err);

#endif
