/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several jobs as one call of the engine: rows laid one behind the other, outputs given back. And a
 * part of a job's rows as a call.
 */
#ifndef AX_SERVER_SCORING_JOIN_H
#define AX_SERVER_SCORING_JOIN_H

#include "server/scoring.h"

/* What is scored together: jobs of one version, chained by `next`. */
struct ax_scoring_call {
    struct ax_scoring_job *first;
    size_t job_count;
    size_t rows;
};

/* What the engine is given. Its columns, and what it copies, lie in the scratch. */
struct ax_scoring_joined {
    struct ax_batch in;
    struct ax_batch out;
    char *block; /* the rows */
};

/* Memory of this size, aligned to 64, or NULL. */
char *ax_scratch_get(struct ax_scratch *scratch, size_t size);

/* Copy the rows of all jobs, of one row at least, into one block; false without memory. */
AX_MUST_USE bool ax_scoring_join(struct ax_scratch *scratch, const struct ax_scoring_call *call,
                                 struct ax_scoring_joined *ret_joined);

/* Give each job its part of the outputs. */
void ax_scoring_scatter(const struct ax_scoring_call *call, const struct ax_scoring_joined *joined);

/* `count` rows of a job from its next one on, where they lie; false without memory. */
AX_MUST_USE bool ax_scoring_cut(struct ax_scratch *scratch, const struct ax_scoring_job *job,
                                size_t count, struct ax_scoring_joined *ret_joined);

#endif
