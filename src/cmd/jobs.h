/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that a server does for others: the table of them, and what they share.
 *
 * To add one: write its function in cmd/<name>.c, declare it here, and add a line to the table. The
 * command itself calls ax_control_owner_find and, when a server owns the state directory,
 * ax_control_owner_run. See docs/internals/control.md.
 */
#ifndef AX_CMD_JOBS_H
#define AX_CMD_JOBS_H

#include "base/option.h"
#include "cmd/text_output.h"
#include "server/control.h"

#include <limits.h>

extern const struct ax_control_command ax_jobs[];

enum ax_code ax_job_apply(struct ax_control_job *job, const struct ax_control_request *request,
                          struct ax_err *err);
enum ax_code ax_job_features_delete(struct ax_control_job *job,
                                    const struct ax_control_request *request, struct ax_err *err);
enum ax_code ax_job_materialize(struct ax_control_job *job,
                                const struct ax_control_request *request, struct ax_err *err);

/* The options of a request, from defaults and its flags alone; ended by ax_option_done, also after
 * a failure. What is no flag goes to `ret_args`, of the job's memory. Expected: INVALID, NOT_FOUND,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_job_options(struct ax_control_job *job,
                                        const struct ax_control_request *request,
                                        const struct ax_option_group *groups,
                                        struct ax_option_args *ret_args, struct ax_err *err);

/* A path of its arguments as the server must open it. Expected: INVALID (too long). */
AX_MUST_USE enum ax_code ax_job_path(const struct ax_control_request *request, const char *path,
                                     char ret_path[PATH_MAX], struct ax_err *err);

/* The standard output of the command that waits. */
struct ax_job_output {
    struct ax_text_output base;
    struct ax_control_job *job;
};
void ax_job_output_init(struct ax_job_output *output, struct ax_control_job *job);

#endif
