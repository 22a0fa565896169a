/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's loaders: two small pools, and what they were given.
 *
 * One runs at idle priority, so that loading costs those that answer nothing but idle time; the
 * other one at normal priority, for versions that requests wait for. A thread cannot change over: a
 * process without privileges may not leave idle priority again.
 */
#ifndef AX_SERVER_FLEET_LOAD_H
#define AX_SERVER_FLEET_LOAD_H

#include "server/fleet_inbox.h"
#include "server/loader.h"

struct ax_fleet_version;

/* A version that is being loaded. The loader writes `loaded`, `err` and the mark, then sends it. */
struct ax_fleet_load {
    struct ax_fleet_message message;
    struct ax_fleet_inbox *inbox;
    struct ax_fleet_version *version; /* the control thread's */
    bool is_urgent;
    atomic_bool is_warming;
    bool was_warming; /* the control thread has seen it */
    struct ax_load_job job;
    char *path;
    char *model_name;
    struct ax_model_settings settings;
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
    struct ax_fleet_load *running;
    struct ax_image_store *images; /* NULL: none */
    bool tune;
};

/* Expected: LIMIT. `images` becomes the loaders'. */
AX_MUST_USE enum ax_code ax_fleet_loaders_init(struct ax_fleet_loaders *loaders,
                                               size_t thread_count, struct ax_err *err);
/* Waits for loads that run: each is sent before. */
void ax_fleet_loaders_stop(struct ax_fleet_loaders *loaders);

/* What follows is the control thread's. Whether one could begin now. */
bool ax_fleet_loaders_have_room(const struct ax_fleet_loaders *loaders, bool is_urgent);

/* Begin; `template` has inbox, version, path, model_name, job.number and settings; path and name
 * become the load's. What comes back is received by `receive`. */
struct ax_fleet_load *ax_fleet_loaders_begin(struct ax_fleet_loaders *loaders,
                                             const struct ax_fleet_load *template);
/* What came back was seen to; `loaded.served` is not given back. */
void ax_fleet_loaders_end(struct ax_fleet_loaders *loaders, struct ax_fleet_load *load);

#endif
