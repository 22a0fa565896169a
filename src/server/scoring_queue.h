/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be scored on one I/O thread, and whose turn it is; docs/internals/scheduling.md.
 *
 * Jobs for one version at one priority are a flow, in order of arrival. Flows of a priority share
 * its time by deficit round robin of what their calls should cost; a higher priority goes before a
 * lower one, which gets one part in AX_SCORING_SHARE nevertheless. All sums that are kept are sums
 * of predictions, so that how long a job would wait is known without looking at any. A flow lives
 * while something waits in it. A job that comes first in its wake-up, while nothing waits, is the
 * lone one, for which no flow is made until another comes: most find nobody. One thread.
 */
#ifndef AX_SERVER_SCORING_QUEUE_H
#define AX_SERVER_SCORING_QUEUE_H

#include "base/err.h"
#include "server/model_settings.h"

#define AX_SCORING_BUCKETS  256
#define AX_SCORING_SLICE_NS ((uint64_t)250000) /* of a call; what a flow gets in a round, too */
/* While a higher priority has work, each lower one gets this part of its time. */
#define AX_SCORING_SHARE ((uint64_t)16)

struct ax_served;
struct ax_scoring_job;

struct ax_scoring_flow {
    struct ax_served *served; /* its jobs hold it, or the wake-up does */
    unsigned level;
    bool holds; /* it waits since an earlier wake-up: all its jobs hold their version */
    struct ax_scoring_job *first, *last;
    uint64_t line_ns;                    /* of all that waits in it, before one more would begin */
    uint64_t deficit_ns;                 /* what it may still cost in this round */
    struct ax_scoring_flow *next;        /* of its level, in turn; or among the unused */
    struct ax_scoring_flow *bucket_next; /* in its bucket */
};

struct ax_scoring_level {
    struct ax_scoring_flow *first, *last; /* in turn */
    uint64_t line_ns;                     /* the sum of its flows' */
    uint64_t round_ns;                    /* likewise, a round's part of each at most */
    uint64_t owed_ns;                     /* while a higher one had its turns */
};

struct ax_scoring_queue {
    struct ax_scoring_level levels[AX_PRIORITIES_MAX];
    uint32_t waiting;            /* bit i: something waits at levels[i] */
    uint64_t rest_ns;            /* of jobs in slices, behind their next one */
    struct ax_scoring_job *lone; /* nothing else waits; NULL: it does, or nothing at all */
    struct ax_scoring_flow *buckets[AX_SCORING_BUCKETS];
    struct ax_scoring_flow *unused; /* owned, as are those in the buckets */
};

/* All jobs are forgotten, the flows' memory is freed. */
void ax_scoring_queue_done(struct ax_scoring_queue *queue);
/* All jobs are forgotten. */
void ax_scoring_queue_forget(struct ax_scoring_queue *queue);

static inline bool ax_scoring_queue_is_empty(const struct ax_scoring_queue *queue)
{
    return !queue->waiting && !queue->lone;
}

/* Into an empty queue, for this wake-up: before it is over, the lone one is taken. */
void ax_scoring_queue_add_lone(struct ax_scoring_queue *queue, struct ax_scoring_job *job);

/* NULL: there is none. */
struct ax_scoring_job *ax_scoring_queue_take_lone(struct ax_scoring_queue *queue);

/* Behind the others of its flow; `line_ns` and `rest_ns` of the job are set. */
void ax_scoring_queue_add(struct ax_scoring_queue *queue, struct ax_scoring_job *job);

/* In front of the others of its flow: jobs that were taken and did not get their turn. */
void ax_scoring_queue_put_back(struct ax_scoring_queue *queue, struct ax_scoring_job *job);

/* The flow whose turn it is; something waits, and not the lone one. `front_ns` says what the first
 * job of a flow would cost at least. */
struct ax_scoring_flow *ax_scoring_queue_choose(
    struct ax_scoring_queue *queue, uint64_t (*front_ns)(const struct ax_scoring_flow *flow));

/* Take the first job of a flow. The flow is gone with its last one: false then. */
bool ax_scoring_queue_take(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                           struct ax_scoring_job **ret_job);

/* The turn of a flow at `level` is over, and should have cost so much. `flow` may be NULL, when it
 * is gone. */
void ax_scoring_queue_charge(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                             unsigned level, uint64_t cost_ns);

/* What goes before a job that would be added now, in predicted time of the engine. */
uint64_t ax_scoring_queue_wait_ns(const struct ax_scoring_queue *queue,
                                  const struct ax_served *served, unsigned level);

/* All that waits, likewise. */
uint64_t ax_scoring_queue_backlog_ns(const struct ax_scoring_queue *queue);

#endif
