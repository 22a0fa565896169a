/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex features` prints of the catalogue of applied definitions: lists, one object,
 * lineage.
 *
 * Each appends its whole output to a buffer, text or JSON, or fails before it has printed anything.
 */
#ifndef AX_CMD_FEATURES_CATALOGUE_H
#define AX_CMD_FEATURES_CATALOGUE_H

#include "base/buf.h"
#include "pipeline/lineage.h"

/* The catalogue as it was read, and the registry for what else is asked. */
struct ax_features_catalogue {
    struct ax_registry *registry;
    struct ax_arena *arena;
    struct ax_registry_catalogue objects;
    const struct ax_plan_use *uses; /* by applied models */
    size_t use_count;
};

/* What a user names: "[KIND:]NAME[.FEATURE]". */
struct ax_features_name {
    struct ax_str text; /* all of it */
    struct ax_str kind; /* empty: any */
    struct ax_str name;
    struct ax_str part; /* empty: the whole */
};
struct ax_features_name ax_features_name_parse(struct ax_str text);

/* Fail with NOT_FOUND and the nearest name that is there. */
enum ax_code ax_features_not_found_fail(const struct ax_features_catalogue *catalogue,
                                        const struct ax_features_name *name, struct ax_err *err);

/* What `features list` lists, in the order of its --kind. */
#define AX_FEATURES_KINDS "feature|entity|source|view|service|model|apply"
enum ax_features_listed {
    AX_FEATURES_LIST_FEATURES,
    AX_FEATURES_LIST_OBJECTS, /* AX_FEATURES_LIST_OBJECTS + enum ax_registry_kind */
    AX_FEATURES_LIST_APPLIES = AX_FEATURES_LIST_OBJECTS + AX_REGISTRY_KIND_COUNT,
};

/* Lines of text under a head, or of JSON. */
AX_MUST_USE enum ax_code ax_features_list(const struct ax_features_catalogue *catalogue, int listed,
                                          bool json, struct ax_buf *out, struct ax_err *err);

/* Everything about all objects of that name, or about one feature. `version` 0: what is in force.
 * Expected: NOT_FOUND. */
AX_MUST_USE enum ax_code ax_features_show(const struct ax_features_catalogue *catalogue,
                                          const struct ax_features_name *name, uint64_t version,
                                          bool json, struct ax_buf *out, struct ax_err *err);

/* What the definition says of one feature (how it is computed, its default, its description): lines
 * of text, or members of JSON. For ax_features_show. */
void ax_features_put_part(struct ax_buf *out, const struct ax_registry_object *object,
                          struct ax_str part, bool json);

/* Where a feature is written, "flights.yaml:14", as the files tell that the registry keeps; the
 * place of the whole object where they do not. For ax_features_show. */
struct ax_str ax_features_part_place(const struct ax_features_catalogue *catalogue,
                                     const struct ax_registry_object *object, struct ax_str part);

enum ax_features_form { AX_FEATURES_TEXT, AX_FEATURES_JSON, AX_FEATURES_DOT };

/* Where it comes from and what is made from it; of everything when `name` is NULL. Expected:
 * NOT_FOUND. */
AX_MUST_USE enum ax_code ax_features_lineage(const struct ax_features_catalogue *catalogue,
                                             const struct ax_features_name *name,
                                             enum ax_features_form form, struct ax_buf *out,
                                             struct ax_err *err);

#endif
