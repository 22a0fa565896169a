/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job has the options of its command, by the same tables, since the flags that were sent are what
 * the command has understood.
 */
#include "cmd/jobs.h"

#include <assert.h>
#include <stdio.h>

const struct ax_control_command ax_jobs[] = {
    { "apply", ax_job_apply },
    { "features delete", ax_job_features_delete },
    { "materialize", ax_job_materialize },
    { 0 },
};

enum ax_code ax_job_options(struct ax_control_job *job, const struct ax_control_request *request,
                            const struct ax_option_group *groups, struct ax_option_args *ret_args,
                            struct ax_err *err)
{
    assert(job && request && groups && ret_args && err);
    struct ax_arena *arena = ax_control_job_arena(job);
    *ret_args = (struct ax_option_args){ .texts = ax_arena_alloc(arena, (size_t)request->argc,
                                                                 sizeof(ret_args->texts[0])) };
    if (!ret_args->texts)
        return ax_arena_fail(arena, "a request", err);
    ax_option_defaults(groups);
    return ax_option_flags(groups, request->argc, request->argv, ret_args, err);
}

enum ax_code ax_job_path(const struct ax_control_request *request, const char *path,
                         char ret_path[PATH_MAX], struct ax_err *err)
{
    assert(request && path && ret_path && err);
    int len = path[0] == '/' ? snprintf(ret_path, PATH_MAX, "%s", path)
                             : snprintf(ret_path, PATH_MAX, "%s/%s", request->folder, path);
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "'%s' is too long a path", path);
    return AX_OK;
}

static enum ax_code job_print(struct ax_text_output *output, struct ax_str text, struct ax_err *err)
{
    return ax_control_job_print(container_of(output, struct ax_job_output, base)->job, text, err);
}

void ax_job_output_init(struct ax_job_output *output, struct ax_control_job *job)
{
    assert(output && job);
    *output = (struct ax_job_output){ .base.print = job_print, .job = job };
}
