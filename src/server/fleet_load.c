/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No more loads are begun than threads are free, so the pools' queues are never full, and what
 * comes next is decided when a thread is there for it.
 */
#include "server/fleet_load.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "engine/image.h"

#include <assert.h>

#define PATIENCE_NS   ((uint64_t)1 * AX_NS_PER_S)
#define STARVED_SHARE 16 /* of the time: what it had is less */

enum ax_code ax_fleet_loaders_init(struct ax_fleet_loaders *loaders, size_t thread_count,
                                   struct ax_err *err)
{
    assert(loaders && thread_count && err);
    loaders->thread_count = thread_count;
    if (ax_pool_new("load", thread_count, thread_count, &loaders->idle, err) ||
        ax_pool_new("load-now", thread_count, thread_count, &loaders->urgent, err)) {
        (void)ax_fleet_loaders_stop(loaders, UINT64_MAX);
        return err->code;
    }
    return AX_OK;
}

bool ax_fleet_loaders_stop(struct ax_fleet_loaders *loaders, uint64_t until_ns)
{
    assert(loaders);
    atomic_store(&loaders->is_stopped, true);
    if (loaders->idle)
        ax_pool_make_usual(loaders->idle);
    bool urgent_ended = ax_pool_free_until(loaders->urgent, until_ns);
    bool idle_ended = ax_pool_free_until(loaders->idle, until_ns);
    loaders->idle = loaders->urgent = NULL;
    if (!urgent_ended || !idle_ended)
        return false;
    ax_image_store_free(loaders->images); /* Images that are in use stay mapped. */
    loaders->images = NULL;
    return true;
}

static void load_note_warming(void *context)
{
    struct ax_fleet_load *load = context;
    atomic_store_explicit(&load->is_warming, true, memory_order_relaxed);
    ax_inbox_wake(load->inbox);
}

static void load_run(void *arg)
{
    struct ax_fleet_load *load = arg;
    if (!load->is_urgent)
        ax_thread_make_idle();
    load->cpu_clock = ax_clock_thread_id();
    load->had_before_ns = ax_clock_thread_ns();
    atomic_store_explicit(&load->has_begun, true, memory_order_release);
    /* The error's code tells. */
    (void)(ax_loader_load(&load->job, &load->loaded, &load->err) != AX_OK);
    ax_inbox_send(load->inbox, &load->message);
}

bool ax_fleet_loaders_have_room(const struct ax_fleet_loaders *loaders, bool is_urgent)
{
    assert(loaders);
    return (is_urgent ? loaders->urgent_count : loaders->idle_count) < loaders->thread_count;
}

struct ax_fleet_load *ax_fleet_loaders_begin(struct ax_fleet_loaders *loaders,
                                             const struct ax_fleet_load *template)
{
    assert(loaders && template);
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet_load *load = ax_xalloc(sizeof(*load));
    *load = *template;
    atomic_init(&load->is_warming, false);
    atomic_init(&load->has_begun, false);
    load->began_ns = ax_clock_ns();
    load->job.path = load->path;
    load->job.model_name = load->model_name;
    load->job.settings = &load->settings;
    load->job.images = loaders->images;
    load->job.tune = loaders->tune;
    load->job.is_stopped = &loaders->is_stopped;
    load->job.warming = load_note_warming;
    load->job.context = load;
    load->next = loaders->running;
    loaders->running = load;
    *(load->is_urgent ? &loaders->urgent_count : &loaders->idle_count) += 1;
    enum ax_code code =
        ax_pool_submit(load->is_urgent ? loaders->urgent : loaders->idle, load_run, load, &err);
    assert(!code);
    return load;
}

bool ax_fleet_load_is_starved(const struct ax_fleet_load *load, uint64_t now_ns)
{
    assert(load);
    uint64_t age_ns = now_ns - load->began_ns;
    if (load->is_urgent || !load->version || age_ns < PATIENCE_NS)
        return false;
    uint64_t had_ns = 0;
    if (atomic_load_explicit(&load->has_begun, memory_order_acquire))
        had_ns = ax_clock_id_ns(load->cpu_clock) - load->had_before_ns;
    return had_ns < age_ns / STARVED_SHARE;
}

void ax_fleet_loaders_give_up(struct ax_fleet_loaders *loaders, struct ax_fleet_load *load)
{
    assert(loaders && load && load->version && !load->is_urgent);
    load->version = NULL;
    loaders->given_up_count++;
}

void ax_fleet_loaders_end(struct ax_fleet_loaders *loaders, struct ax_fleet_load *load)
{
    assert(loaders && load);
    struct ax_fleet_load **link = &loaders->running;
    while (*link != load)
        link = &(*link)->next;
    *link = load->next;
    *(load->is_urgent ? &loaders->urgent_count : &loaders->idle_count) -= 1;
    loaders->given_up_count -= load->version == NULL;
    free(load->path);
    free(load->model_name);
    free(load);
}
