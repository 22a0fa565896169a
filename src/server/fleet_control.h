/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's inside, for its own files: fleet.c (life, publishing), fleet_table.c (models),
 * fleet_queue.c (loads), fleet_order.c (orders), fleet_override.c (what loads bring),
 * fleet_memory.c (who must go), fleet_popularity.c, fleet_state.c (the folder of state).
 *
 * All functions here are the control thread's, before it begins those of the thread that starts it,
 * and behind its end those of the one that stops it.
 */
#ifndef AX_SERVER_FLEET_CONTROL_H
#define AX_SERVER_FLEET_CONTROL_H

#include "base/thread.h"
#include "engine/image_keeper.h"
#include "server/fleet.h"
#include "server/fleet_load.h"
#include "server/fleet_model.h"

#include <limits.h>

#define AX_FLEET_ORDERS_MAX 65536

struct ax_fleet_order;
struct ax_popularity;

/* A version that answers no more, until nobody holds it. */
struct ax_fleet_draining {
    struct ax_served *served; /* one reference */
    struct ax_fleet_version *version;
    struct ax_footprint footprint;
    uint64_t began_ns;
};

struct ax_fleet {
    /* Any thread. */
    struct ax_inbox inbox;
    atomic_size_t order_count, want_count; /* those that were not told */
    atomic_bool is_stopped;
    _Atomic uint64_t wants_end_ns; /* the server drains: then wants are over; 0: it does not */

    const struct ax_fleet_config *config; /* borrowed */
    struct ax_model_settings settings;    /* of models that have none */
    struct ax_repository_config repository;
    struct ax_snapshot *snapshot;
    struct ax_thread thread;
    struct ax_overrides *overrides; /* NULL: none are kept */

    /* The control thread's. */
    bool is_stopping;
    bool has_loads_left; /* at the end */
    bool is_complete;
    struct ax_fleet_loaders loaders;
    struct ax_fleet_model **models; /* by name, bytewise */
    size_t model_count, model_cap;
    struct ax_fleet_version **pending; /* they wait for a loader, first come first */
    size_t pending_count, pending_cap;
    struct ax_fleet_order *waiting; /* the last one first */
    uint64_t load_count;            /* orders to load that were begun */
    struct ax_fleet_draining *draining;
    size_t draining_count, draining_cap;
    bool needs_room; /* what was to be loaded in this round waits for memory */
    /* The first of these, while loads are begun: room that becomes free is its. NULL: none. */
    struct ax_fleet_version *first_put_off;
    bool is_over;       /* what was loaded stays until others have had their turn, or have gone */
    bool has_more_room; /* memory was given back, or is pinned no more */
    struct ax_popularity *popularity;
    uint64_t ticked_ns;    /* when it was fed last */
    uint64_t written_ns;   /* when it was written, or that was tried */
    int64_t foreseen_hour; /* since 1970, that was loaded ahead for last */
    bool is_state_told;    /* that the folder of state is of no use was logged */
    bool has_told_images;  /* the metrics have what follows */
    struct ax_image_usage images_told;
    size_t touched_count;
    uint64_t published_ns;
    uint64_t wake_ns; /* when to look again, at the latest; found anew in each round */
};

/* Look again at that time (monotonic), at the latest. */
static inline void ax_fleet_wake_by(struct ax_fleet *fleet, uint64_t when_ns)
{
    fleet->wake_ns = AX_MIN(fleet->wake_ns, when_ns);
}

/* ---- models ---- */

/* The record of that name, or NULL. */
struct ax_fleet_model *ax_fleet_find(const struct ax_fleet *fleet, struct ax_str name);
/* A record of that name, which has none yet. */
struct ax_fleet_model *ax_fleet_add(struct ax_fleet *fleet, const char *name) AX_RETURNS_NONNULL;
/* Whether a version that is due is to be loaded before a request asks for it, of a model that
 * answers or not. What replaces one that is in use comes, too. */
bool ax_fleet_preloads(const struct ax_fleet *fleet, const struct ax_fleet_version *version,
                       bool model_answers);
/* What the catalog says of the model is no longer true. */
void ax_fleet_touch(struct ax_fleet *fleet, struct ax_fleet_model *model);
/* Something about the model changed: retire what has to go, queue what has to come, touch it. */
void ax_fleet_review(struct ax_fleet *fleet, struct ax_fleet_model *model);
/* It answers from the next catalog on, with what was loaded, which is its own from here. */
void ax_fleet_show(struct ax_fleet *fleet, struct ax_fleet_version *version,
                   const struct ax_loaded *loaded);
/* It answers no more from the next catalog on; it drains. */
void ax_fleet_retire(struct ax_fleet *fleet, struct ax_fleet_version *version);
/* Pinned by its settings or by the option. */
bool ax_fleet_pins(const struct ax_fleet *fleet, const struct ax_fleet_model *model);

/* Look through the folder. Expected: as ax_repository_list. */
AX_MUST_USE enum ax_code ax_fleet_list_all(struct ax_fleet *fleet, struct ax_err *err);
/* Look at one model's folder. A record is made for a new one; *ret_model is NULL without one, and
 * set on failure, too. Expected: as ax_repository_list_model. */
AX_MUST_USE enum ax_code ax_fleet_list_one(struct ax_fleet *fleet, struct ax_str name,
                                           struct ax_fleet_model **ret_model, struct ax_err *err);

/* ---- overrides ---- */

/* At the start, behind the first listing. Expected: UNAVAILABLE, DENIED, INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_fleet_open_overrides(struct ax_fleet *fleet, struct ax_err *err);
/* A load begins to try an override (NULL: the repository's own), which is the model's from here.
 * Returns the number of the try, 0: there is nothing to try. */
unsigned ax_fleet_try(struct ax_fleet *fleet, struct ax_str name, struct ax_override *candidate);
/* The load is over, and *err says how: keep what it tried and show it, or give it up. May fail
 * then: CONFLICT (another one tries), LIMIT, DENIED (not kept, and given up). */
void ax_fleet_end_try(struct ax_fleet *fleet, struct ax_str name, unsigned try_number,
                      struct ax_err *err);

/* ---- loads ---- */

/* Where a version's files are now; false when that is too long for a path. */
bool ax_fleet_print_path(const struct ax_fleet *fleet, const struct ax_fleet_version *version,
                         char path[PATH_MAX]);

/* It is due and is to be loaded. */
void ax_fleet_add_pending(struct ax_fleet *fleet, struct ax_fleet_version *version);
/* Fewer want it than before: it does not wait for a loader any more, when nobody does. */
void ax_fleet_reconsider(struct ax_fleet *fleet, struct ax_fleet_version *version);
/* Give work to loaders that have none. */
void ax_fleet_begin_loads(struct ax_fleet *fleet);
/* See how far those are that run, and to those that get no time. */
void ax_fleet_look_at_loads(struct ax_fleet *fleet);

/* ---- memory ---- */

enum ax_fleet_room {
    AX_FLEET_ROOM,
    AX_FLEET_ROOM_LATER, /* what had to go for it goes, or the room is another one's */
    AX_FLEET_ROOM_NEVER, /* it has failed, or was left out */
};

/* Before a load begins; the version's estimate is made. */
enum ax_fleet_room ax_fleet_make_room(struct ax_fleet *fleet, struct ax_fleet_version *version);
/* What was loaded is as large as it is: what has to go for it goes; what it replaces in any case,
 * unless it is to be held. False: it may not stay. */
bool ax_fleet_fit(struct ax_fleet *fleet, struct ax_fleet_version *version,
                  const struct ax_loaded *loaded, bool is_held);
/* In each round: when what was loaded did not fit at once, those go that have to, as soon as they
 * may. */
void ax_fleet_trim(struct ax_fleet *fleet);
/* Memory was given back: what failed for want of it, and would fit now, may be tried again. */
void ax_fleet_forgive_short(struct ax_fleet *fleet);
/* Set the gauges. */
void ax_fleet_tell_memory(struct ax_fleet *fleet);

/* ---- the folder of state ---- */

/* Before all that keeps something there. */
void ax_fleet_state_begin(struct ax_fleet *fleet);
/* The loaders get their images, or none. */
void ax_fleet_open_images(struct ax_fleet *fleet);
/* Set the metrics, if something has changed. */
void ax_fleet_tell_images(struct ax_fleet *fleet);

/* ---- popularity ---- */

/* Read what is kept, before the first listing. */
void ax_fleet_popularity_begin(struct ax_fleet *fleet);
/* Feed it, if it is time, and act on it. */
void ax_fleet_popularity_look(struct ax_fleet *fleet);
/* Feed it once more and keep it. */
void ax_fleet_popularity_end(struct ax_fleet *fleet);
/* Requests a minute, now or in ten minutes. */
double ax_fleet_worth(const struct ax_fleet *fleet, const char *model_name);

/* ---- orders ---- */

/* Tell those whose orders are over, or whose time is. */
void ax_fleet_tell_waiting(struct ax_fleet *fleet);
/* Whether an order waits to see published what was touched. */
bool ax_fleet_is_awaited(const struct ax_fleet *fleet);
/* All that is left is told CANCELLED; results of loads are taken. */
void ax_fleet_cancel_all(struct ax_fleet *fleet);
/* Have the control thread end. Any thread. */
void ax_fleet_order_stop(struct ax_fleet *fleet);

#endif
