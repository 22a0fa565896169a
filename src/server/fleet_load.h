/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's loaders: two small pools, and what they were given.
 *
 * One runs at idle priority, so that loading costs those that answer nothing but idle time; the
 * other one at normal priority, for versions that requests wait for. A thread cannot change over: a
 * process without privileges may not leave idle priority again. So a load that idle time is not
 * enough for is given up, and begun anew by the other pool: else no model could be replaced while
 * all cores are busy.
 */
#ifndef AX_SERVER_FLEET_LOAD_H
#define AX_SERVER_FLEET_LOAD_H

#include "base/inbox.h"
#include "server/loader.h"

struct ax_fleet_version;

/* A version that is being loaded. The loader writes `loaded`, `err` and the mark, then sends it. */
struct ax_fleet_load {
    struct ax_message message;
    struct ax_inbox *inbox;
    struct ax_fleet_version *version; /* the control thread's; NULL: nobody wants the result */
    bool is_urgent;
    uint64_t began_ns; /* when it was given to the pool */
    /* The clock of the loader's processor time, and what it showed at first; when has_begun. */
    int cpu_clock;
    uint64_t had_before_ns;
    atomic_bool has_begun;
    atomic_bool is_warming;
    bool was_warming; /* the control thread has seen it */
    struct ax_load_job job;
    char *path;
    char *model_name;
    struct ax_model_settings settings;
    struct ax_fingerprint listed; /* the version's, when this began */
    unsigned try_number;          /* of the model then; 0: it did not try anything */
    struct ax_loaded loaded;
    struct ax_err err; /* no code: it was loaded */
    struct ax_fleet_load *next;
};

static inline bool ax_fleet_load_is_warming(const struct ax_fleet_load *load)
{
    return atomic_load_explicit(&load->is_warming, memory_order_relaxed);
}

struct ax_fleet_loaders {
    struct ax_pool *idle, *urgent;
    size_t thread_count; /* of each */
    size_t idle_count, urgent_count;
    size_t given_up_count; /* of the idle ones */
    struct ax_fleet_load *running;
    struct ax_image_store *images; /* NULL: none */
    bool tune;
    atomic_bool is_stopped; /* the loads look at it */
};

/* Expected: LIMIT. `images` becomes the loaders'. */
AX_MUST_USE enum ax_code ax_fleet_loaders_init(struct ax_fleet_loaders *loaders,
                                               size_t thread_count, struct ax_err *err);
/* Loads that run are told to stop, and waited for until `until_ns` (monotonic; UINT64_MAX: for
 * ever): each is sent before. False: some go on, and keep what they use; a load at idle priority
 * may get no time to look up. */
bool ax_fleet_loaders_stop(struct ax_fleet_loaders *loaders, uint64_t until_ns);

/* What follows is the control thread's. Whether one could begin now. */
bool ax_fleet_loaders_have_room(const struct ax_fleet_loaders *loaders, bool is_urgent);

/* Begin; `template` has inbox, version, path, model_name, job.number, settings, listed and
 * try_number; path and name become the load's. What comes back is received by `receive`. */
struct ax_fleet_load *ax_fleet_loaders_begin(struct ax_fleet_loaders *loaders,
                                             const struct ax_fleet_load *template);
/* Whether it gets next to no processor time, since others leave none idle. */
bool ax_fleet_load_is_starved(const struct ax_fleet_load *load, uint64_t now_ns);
/* Have it be loaded by somebody else: its result is nobody's from here. */
void ax_fleet_loaders_give_up(struct ax_fleet_loaders *loaders, struct ax_fleet_load *load);
/* What came back was seen to; `loaded.served` is not given back. */
void ax_fleet_loaders_end(struct ax_fleet_loaders *loaders, struct ax_fleet_load *load);

#endif
