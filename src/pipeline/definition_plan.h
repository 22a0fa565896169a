/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: how the definitions that are wanted differ from those that are applied, and what breaks.
 *
 * It compares two catalogues and nothing else, so it opens no file. Definitions become a catalogue
 * in pipeline/definition_catalogue.h. Everything lives in the caller's arena, or is borrowed from
 * the two catalogues.
 */
#ifndef AX_PIPELINE_DEFINITION_PLAN_H
#define AX_PIPELINE_DEFINITION_PLAN_H

#include "pipeline/definition_diff.h"
#include "registry/registry.h"

enum ax_plan_action {
    AX_PLAN_ADD,
    AX_PLAN_CHANGE,   /* means something else: a new version */
    AX_PLAN_DESCRIBE, /* means the same, described otherwise: the same version */
    AX_PLAN_DROP,
};
#define AX_PLAN_ACTION_COUNT 4

/* "add", "change", "describe", "drop" */
const char *ax_plan_action_name(enum ax_plan_action action) AX_RETURNS_NONNULL;

struct ax_plan_item {
    enum ax_plan_action action;
    const struct ax_registry_object *before; /* as applied; NULL: it is new */
    const struct ax_registry_object *after;  /* NULL: it is dropped */
    const struct ax_definition_word *words;  /* of CHANGE and DESCRIBE: which words */
    size_t word_count;
};

enum ax_plan_break_kind {
    AX_PLAN_BREAK_DROPPED, /* the feature is gone: dropped, renamed, or its view is */
    AX_PLAN_BREAK_RETYPED,
    AX_PLAN_BREAK_SERVICE, /* the service is gone */
    AX_PLAN_BREAK_KEYS,    /* the view is found by other keys: by name, type or number */
};

/* What an applied model needs and would not have any more. */
struct ax_plan_break {
    enum ax_plan_break_kind kind;
    struct ax_str view; /* of a feature, or of KEYS */
    struct ax_str feature;
    struct ax_str from, to; /* types, of RETYPED: what is needed, what would be there; of KEYS the
                               entities, "user (id: int64)" */
    struct ax_str service;
    uint64_t service_version;
    struct ax_str model;
    struct ax_str versions; /* of the model, trained: "1, 3"; empty: none is known */
    struct ax_str place;    /* where the model is defined; empty: nowhere any more */
};

struct ax_plan {
    const struct ax_registry_catalogue *applied;
    const struct ax_registry_catalogue *wanted;
    const struct ax_plan_item *items; /* by kind, then by name */
    size_t item_count;
    size_t counts[AX_PLAN_ACTION_COUNT];
    size_t unchanged_count;
    const struct ax_registry_object *const *moved; /* wanted ones: only their place is another */
    size_t moved_count;
    const struct ax_plan_break *breaks;
    size_t break_count;
    const struct ax_plan_break *broken; /* by force, before: trained versions lack it already */
    size_t broken_count;
    bool changes_project; /* what is in force is another project's, and all of it would go */
};

/* A service's version that is in use, with its edges, and by whom. */
struct ax_plan_use {
    const struct ax_registry_object *service;
    struct ax_str model;
    struct ax_str versions; /* as in struct ax_plan_break */
    struct ax_str place;
};

/* Compare. `uses` are the versions of services that applied models need: ax_plan_uses. Expected:
 * INVALID (a definition that is no JSON), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_plan_make(const struct ax_registry_catalogue *applied,
                                      const struct ax_registry_catalogue *wanted,
                                      const struct ax_plan_use *uses, size_t use_count,
                                      struct ax_arena *arena, struct ax_plan *ret_plan,
                                      struct ax_err *err);

/* Whether applying it would change anything that a plan tells. */
static inline bool ax_plan_is_empty(const struct ax_plan *plan)
{
    return plan->item_count == 0 && !plan->changes_project;
}

/* What models need: trained versions need the version of the service that they were trained with; a
 * model that is applied and still wanted needs the one that is in force. Expected: those of
 * ax_registry_read. */
AX_MUST_USE enum ax_code ax_plan_uses(struct ax_registry *registry,
                                      const struct ax_registry_catalogue *applied,
                                      const struct ax_registry_catalogue *wanted,
                                      struct ax_arena *arena, const struct ax_plan_use **ret_uses,
                                      size_t *ret_count, struct ax_err *err);

/* Who applies, and how; the members that ax_plan_apply does not fill in are the caller's. */
AX_MUST_USE enum ax_code ax_plan_apply(const struct ax_plan *plan, struct ax_registry *registry,
                                       const struct ax_registry_change *who, struct ax_arena *arena,
                                       uint64_t *ret_apply, struct ax_err *err);

#endif
