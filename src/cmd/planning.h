/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex plan` and `auspex apply` share: definitions read, compared with what is applied, and
 * the plan printed.
 */
#ifndef AX_CMD_PLANNING_H
#define AX_CMD_PLANNING_H

#include "cmd/text_output.h"
#include "pipeline/definition_catalogue.h"
#include "pipeline/definition_plan.h"

#include <stdatomic.h>

struct ax_planning {
    const char *folder; /* of the definitions */
    struct ax_arena arena;
    struct ax_definitions definitions;
    bool has_definitions;
    struct ax_registry *registry; /* NULL: to read, and nothing was applied yet */
    struct ax_registry_catalogue applied, wanted;
    struct ax_plan plan;
    const struct ax_entity_bytes *bytes;
    size_t byte_count;
    atomic_bool *cancelled; /* or NULL: whoever checks looks at it */
    bool is_checked;
    size_t opened_count, known_count; /* sources that the check has opened, and that it knew */
};

/* What became of a plan. */
enum ax_planning_outcome {
    AX_PLANNING_PLANNED, /* it was made, to be looked at */
    AX_PLANNING_REFUSED, /* apply did nothing */
    AX_PLANNING_APPLIED,
};

/* Read the folder, and check how its models are trained. Ended by ax_planning_done, also after a
 * failure. Expected: those of ax_definitions_read and ax_train_check_models. */
AX_MUST_USE enum ax_code ax_planning_read(struct ax_planning *planning, const char *folder,
                                          struct ax_err *err);

/* Open the registry and compare, and see that rows which were pushed can be read by the
 * definitions. Expected: those of ax_registry_open, but for NOT_FOUND: then all is new; and of
 * ax_source_journals_check. */
AX_MUST_USE enum ax_code ax_planning_compare(struct ax_planning *planning, const char *state,
                                             enum ax_registry_access access, struct ax_err *err);

/* Open the files of sources and compare what they hold with what is declared, but for sources that
 * are as they were when that was done last (pipeline/opened_sources.h); with `keep`, for the owner
 * of the state directory, the next time knows of this one. Relative paths start in the definitions'
 * folder. Expected: those of ax_offline_open and ax_offline_check. */
AX_MUST_USE enum ax_code ax_planning_check(struct ax_planning *planning, const char *state,
                                           bool keep, struct ax_err *err);

void ax_planning_done(struct ax_planning *planning);

/* Print what would change, what breaks, what is warned about, how large it is: as text, or as one
 * JSON object that ends in a line's end. With an outcome of apply the object has a member
 * "applied": the number of the last apply, or null. Expected: TOO_LARGE, and those of the output.
 */
AX_MUST_USE enum ax_code ax_planning_print_text(const struct ax_planning *planning,
                                                struct ax_text_output *output, struct ax_err *err);
AX_MUST_USE enum ax_code ax_planning_print_json(const struct ax_planning *planning,
                                                enum ax_planning_outcome outcome, uint64_t apply,
                                                struct ax_text_output *output, struct ax_err *err);

#endif
