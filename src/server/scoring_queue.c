/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows in buckets and in turn.
 *
 * A flow is found through a small hash table of pointers, so gathering costs the same for one model
 * and for thousands. Deficit round robin: at its turn a flow may spend what it has left and a slice
 * more; one whose next row alone costs more than that saves its turns up, the others go on
 * meanwhile. Alone at its level it need not save. Of the starvation of lower priorities: what the
 * time of a higher one owes them is kept, and paid as soon as it makes a slice.
 */
#include "server/scoring_queue.h"

#include "base/alloc.h"
#include "server/scoring.h"

#include <assert.h>

/* Turns that one row may have to wait for; what costs more gets it cheaper. */
#define TURNS_MAX ((uint64_t)16)

static struct ax_scoring_flow **queue_bucket(const struct ax_scoring_queue *queue,
                                             const struct ax_served *served, unsigned level)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)served + level) * UINT64_C(0x9e3779b97f4a7c15);
    return (struct ax_scoring_flow **)&queue->buckets[mixed >> 56];
}

static struct ax_scoring_flow *queue_find(const struct ax_scoring_queue *queue,
                                          const struct ax_served *served, unsigned level)
{
    struct ax_scoring_flow *flow = *queue_bucket(queue, served, level);
    while (flow && (flow->served != served || flow->level != level))
        flow = flow->bucket_next;
    return flow;
}

static void level_append(struct ax_scoring_level *level, struct ax_scoring_flow *flow)
{
    flow->next = NULL;
    *(level->last ? &level->last->next : &level->first) = flow;
    level->last = flow;
}

static struct ax_scoring_flow *queue_add_flow(struct ax_scoring_queue *queue,
                                              struct ax_served *served, unsigned level)
{
    struct ax_scoring_flow *flow = queue->unused;
    if (flow)
        queue->unused = flow->next;
    else
        flow = ax_xalloc(sizeof(*flow));
    *flow = (struct ax_scoring_flow){ .served = served, .level = level };
    struct ax_scoring_flow **bucket = queue_bucket(queue, served, level);
    flow->bucket_next = *bucket;
    *bucket = flow;
    level_append(&queue->levels[level], flow);
    queue->waiting |= (uint32_t)1 << level;
    return flow;
}

/* Nothing waits in it any more. */
static void queue_remove_flow(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow)
{
    struct ax_scoring_level *level = &queue->levels[flow->level];
    struct ax_scoring_flow **link = queue_bucket(queue, flow->served, flow->level);
    while (*link != flow)
        link = &(*link)->bucket_next;
    *link = flow->bucket_next;
    /* Flows are removed when it is their turn, so they are the first. */
    assert(level->first == flow);
    level->first = flow->next;
    if (!level->first) {
        level->last = NULL;
        level->owed_ns = 0;
        queue->waiting &= ~((uint32_t)1 << flow->level);
    }
    flow->next = queue->unused;
    queue->unused = flow;
}

static void flow_set_line(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                          uint64_t line_ns)
{
    struct ax_scoring_level *level = &queue->levels[flow->level];
    level->line_ns += line_ns - flow->line_ns;
    level->round_ns +=
        AX_MIN(line_ns, AX_SCORING_SLICE_NS) - AX_MIN(flow->line_ns, AX_SCORING_SLICE_NS);
    flow->line_ns = line_ns;
}

/* The flow that the job goes to. */
static struct ax_scoring_flow *queue_enter(struct ax_scoring_queue *queue,
                                           struct ax_scoring_job *job)
{
    assert(job->level < AX_PRIORITIES_MAX && !job->is_queued);
    struct ax_scoring_flow *flow = queue_find(queue, job->served, job->level);
    if (!flow)
        flow = queue_add_flow(queue, job->served, job->level);
    flow_set_line(queue, flow, flow->line_ns + job->line_ns);
    queue->rest_ns += job->rest_ns;
    job->is_queued = true;
    if (flow->holds)
        ax_scoring_job_hold(job);
    return flow;
}

static void queue_append(struct ax_scoring_queue *queue, struct ax_scoring_job *job)
{
    struct ax_scoring_flow *flow = queue_enter(queue, job);
    job->next = NULL;
    *(flow->last ? &flow->last->next : &flow->first) = job;
    flow->last = job;
}

void ax_scoring_queue_add_lone(struct ax_scoring_queue *queue, struct ax_scoring_job *job)
{
    assert(queue && ax_scoring_queue_is_empty(queue) && job && !job->is_queued);
    assert(job->level < AX_PRIORITIES_MAX);
    job->is_queued = true;
    job->next = NULL;
    queue->lone = job;
}

struct ax_scoring_job *ax_scoring_queue_take_lone(struct ax_scoring_queue *queue)
{
    assert(queue);
    struct ax_scoring_job *job = queue->lone;
    queue->lone = NULL;
    if (job)
        job->is_queued = false;
    return job;
}

void ax_scoring_queue_add(struct ax_scoring_queue *queue, struct ax_scoring_job *job)
{
    assert(queue && job);
    struct ax_scoring_job *lone = ax_scoring_queue_take_lone(queue);
    if (lone)
        queue_append(queue, lone);
    queue_append(queue, job);
}

void ax_scoring_queue_put_back(struct ax_scoring_queue *queue, struct ax_scoring_job *job)
{
    assert(queue && !queue->lone && job);
    struct ax_scoring_flow *flow = queue_enter(queue, job);
    job->next = flow->first;
    flow->first = job;
    if (!flow->last)
        flow->last = job;
}

bool ax_scoring_queue_take(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                           struct ax_scoring_job **ret_job)
{
    assert(queue && flow && flow->first && ret_job);
    struct ax_scoring_job *job = flow->first;
    flow->first = job->next;
    flow_set_line(queue, flow, flow->line_ns - job->line_ns);
    queue->rest_ns -= job->rest_ns;
    job->next = NULL;
    job->is_queued = false;
    *ret_job = job;
    if (flow->first)
        return true;
    flow->last = NULL;
    queue_remove_flow(queue, flow);
    return false;
}

/* The level whose turn it is. */
static unsigned queue_level(const struct ax_scoring_queue *queue)
{
    unsigned highest = (unsigned)__builtin_ctz(queue->waiting);
    for (uint32_t left = queue->waiting & (queue->waiting - 1); left; left &= left - 1) {
        unsigned level = (unsigned)__builtin_ctz(left);
        if (queue->levels[level].owed_ns >= AX_SCORING_SLICE_NS)
            return level;
    }
    return highest;
}

static void level_rotate(struct ax_scoring_level *level)
{
    struct ax_scoring_flow *flow = level->first;
    if (flow == level->last)
        return;
    level->first = flow->next;
    level_append(level, flow);
}

struct ax_scoring_flow *ax_scoring_queue_choose(
    struct ax_scoring_queue *queue, uint64_t (*front_ns)(const struct ax_scoring_flow *flow))
{
    assert(queue && queue->waiting && front_ns);
    struct ax_scoring_level *level = &queue->levels[queue_level(queue)];
    for (;;) {
        struct ax_scoring_flow *flow = level->first;
        flow->deficit_ns += AX_SCORING_SLICE_NS;
        if (level->first == level->last ||
            AX_MIN(front_ns(flow), TURNS_MAX * AX_SCORING_SLICE_NS) <= flow->deficit_ns)
            return flow;
        level_rotate(level);
    }
}

void ax_scoring_queue_charge(struct ax_scoring_queue *queue, struct ax_scoring_flow *flow,
                             unsigned level, uint64_t cost_ns)
{
    assert(queue && level < AX_PRIORITIES_MAX);
    struct ax_scoring_level *own = &queue->levels[level];
    own->owed_ns -= AX_MIN(cost_ns, own->owed_ns);
    for (uint32_t left = queue->waiting >> 1 >> level << level << 1; left; left &= left - 1)
        queue->levels[__builtin_ctz(left)].owed_ns += cost_ns / AX_SCORING_SHARE;
    if (!flow)
        return;
    /* What it could not spend, since a call has few jobs, is no savings. */
    flow->deficit_ns =
        AX_MIN(flow->deficit_ns - AX_MIN(cost_ns, flow->deficit_ns), AX_SCORING_SLICE_NS);
    level_rotate(own);
}

uint64_t ax_scoring_queue_wait_ns(const struct ax_scoring_queue *queue,
                                  const struct ax_served *served, unsigned level)
{
    assert(queue && served && level < AX_PRIORITIES_MAX);
    uint64_t higher_ns = 0;
    if (queue->lone)
        return queue->lone->level <= level ? queue->lone->line_ns : 0;
    if (!queue->waiting)
        return 0;
    for (uint32_t left = queue->waiting & (((uint32_t)1 << level) - 1); left; left &= left - 1)
        higher_ns += queue->levels[__builtin_ctz(left)].line_ns;
    const struct ax_scoring_level *own = &queue->levels[level];
    const struct ax_scoring_flow *flow = queue_find(queue, served, level);
    uint64_t rounds = (flow ? flow->line_ns : 0) / AX_SCORING_SLICE_NS + 1;
    return higher_ns + AX_MIN(own->line_ns, rounds * own->round_ns);
}

uint64_t ax_scoring_queue_backlog_ns(const struct ax_scoring_queue *queue)
{
    assert(queue);
    uint64_t backlog_ns = queue->rest_ns;
    if (queue->lone)
        return queue->lone->line_ns + queue->lone->rest_ns;
    for (uint32_t left = queue->waiting; left; left &= left - 1)
        backlog_ns += queue->levels[__builtin_ctz(left)].line_ns;
    return backlog_ns;
}

void ax_scoring_queue_forget(struct ax_scoring_queue *queue)
{
    assert(queue);
    for (size_t i = 0; i < AX_SCORING_BUCKETS; i++) {
        while (queue->buckets[i]) {
            struct ax_scoring_flow *flow = queue->buckets[i];
            queue->buckets[i] = flow->bucket_next;
            flow->next = queue->unused;
            queue->unused = flow;
        }
    }
    memset(queue->levels, 0, sizeof(queue->levels));
    queue->waiting = 0;
    queue->lone = NULL;
    queue->rest_ns = 0;
}

void ax_scoring_queue_done(struct ax_scoring_queue *queue)
{
    if (!queue)
        return;
    ax_scoring_queue_forget(queue);
    while (queue->unused) {
        struct ax_scoring_flow *flow = queue->unused;
        queue->unused = flow->next;
        free(flow);
    }
}
