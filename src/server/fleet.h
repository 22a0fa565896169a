/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet: all models of a server and the life of their versions; docs/internals/fleet.md.
 *
 * One control thread owns everything here. Other threads leave orders for it and never wait; what
 * became of an order is told by a call on the control thread. It publishes catalogs in the snapshot
 * that it was given, of which it is the only writer.
 */
#ifndef AX_SERVER_FLEET_H
#define AX_SERVER_FLEET_H

#include "base/option.h"
#include "base/snapshot.h"
#include "base/str.h"
#include "server/catalog.h"
#include "server/repository.h"

#include <stdatomic.h>

enum ax_model_control {
    AX_MODEL_CONTROL_NONE,     /* the folder is read at start and on a rescan */
    AX_MODEL_CONTROL_EXPLICIT, /* and models are loaded and unloaded by request */
    AX_MODEL_CONTROL_WATCH,    /* or the folder is watched */
};

enum ax_preload {
    AX_PRELOAD_ALL,     /* all that memory allows, the popular ones first */
    AX_PRELOAD_POPULAR, /* those that were asked for before */
    AX_PRELOAD_NONE,    /* pinned ones alone */
};

struct ax_fleet;

struct ax_fleet_config {
    int model_control;            /* enum ax_model_control */
    int preload;                  /* enum ax_preload */
    char *version_policy;         /* of models whose settings name none: "latest:1" */
    struct ax_option_list pinned; /* models */
    size_t load_threads;
    size_t model_memory_max;  /* bytes of loaded versions; 0: no limit */
    bool preload_hourly;      /* load ahead of the hour, where there is a cycle */
    uint64_t load_wait_ns;    /* how long a request waits for a version that is being loaded */
    size_t load_waiters_max;  /* requests that wait so, in all */
    size_t load_orders_max;   /* loads with parameters that wait to be kept */
    uint64_t load_timeout_ns; /* after which an order to load is told TIMEOUT */
    const char *models;       /* the folder; not an option here: set by the caller */
    const struct ax_repository_config *repository; /* likewise */

    /* (optional, likewise) The fleet is there, and will publish catalogs: what their readers need
     * of it must be in place before. On the thread that starts it. */
    void (*begin)(void *context, struct ax_fleet *fleet);
    /* (optional, likewise) A version was loaded. On the control thread. */
    void (*loaded)(void *context, const struct ax_version *version);
    /* (optional, likewise) The catalog is complete: once, on the control thread. */
    void (*complete)(void *context, const struct ax_catalog *catalog);
    void *context;
};
extern const struct ax_option ax_fleet_options[];

/* Start the control thread and the loaders, which begin with the folder at once; the catalog is
 * complete (ax_catalog.is_complete) when all that should be ready at start is, or has failed.
 * `config` is borrowed until free. Expected: NOT_FOUND, DENIED (the folder cannot be read),
 * INVALID (version_policy), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_fleet_start(const struct ax_fleet_config *config,
                                        struct ax_snapshot *snapshot, struct ax_fleet **ret_fleet,
                                        struct ax_err *err);

/* The server takes no more requests: those that wait for versions have a second left, and are told
 * UNAVAILABLE then. Once, any thread. */
void ax_fleet_drain(struct ax_fleet *fleet);

/* Orders that wait are told CANCELLED; loads that run are told to stop, and waited for until
 * `until_ns` (monotonic; UINT64_MAX: for ever). The last catalog stays published. False: some loads
 * go on, since they get no processor time, and the fleet, its configuration and its snapshot must
 * live until the process ends. NULL is fine. */
AX_MUST_USE bool ax_fleet_stop(struct ax_fleet *fleet, uint64_t until_ns);
/* Behind stop, when no I/O thread is left and no load. NULL is fine. */
void ax_fleet_free(struct ax_fleet *fleet);

/* How the giver of an order is told: called once, on the control thread, or on the caller's when
 * the order cannot even be left. Must not block. The waiter is the fleet's from the order until
 * `done` is called, and the giver's again from then. */
struct ax_fleet_waiter {
    void (*done)(struct ax_fleet_waiter *waiter, const struct ax_err *err);
    uint64_t until_ns;        /* monotonic: TIMEOUT then, at the latest; 0: none */
    atomic_bool is_withdrawn; /* by ax_fleet_withdraw; zero at first */
};

/* ---- orders; any thread, never block ---- */

/* A version of a model (empty: the one that answers) is asked for and is not ready. Told OK when it
 * is, or why not: NOT_FOUND, UNAVAILABLE (not wanted, failed, or not in time), LIMIT (memory, too
 * many wait). */
void ax_fleet_want(struct ax_fleet *fleet, struct ax_str model, struct ax_str version,
                   struct ax_fleet_waiter *waiter);

/* Where the parameters of loads are kept; NULL: they cannot be, or orders are not taken. */
struct ax_overrides;
struct ax_overrides *ax_fleet_overrides(const struct ax_fleet *fleet);

/* Load a model, or load it anew: its folder is listed again, and told OK when every target was
 * ready once since then. `override` (may be NULL, owned by the fleet from here) is what
 * server/overrides made of the order's parameters; without one the repository's own files are
 * loaded. It is in force, and on disk, when OK is told, and what was before stays otherwise.
 * Expected: NOT_FOUND, INVALID, UNSUPPORTED, LIMIT, as the load failed; CONFLICT (another load of
 * it came meanwhile), TIMEOUT (load_timeout). */
struct ax_override;
void ax_fleet_load(struct ax_fleet *fleet, struct ax_str model, struct ax_override *override,
                   struct ax_fleet_waiter *waiter);

/* A model is wanted no more. Told OK when no new request finds it; in-flight ones go on. Expected:
 * NOT_FOUND. */
void ax_fleet_unload(struct ax_fleet *fleet, struct ax_str model, bool unload_dependents,
                     struct ax_fleet_waiter *waiter);

/* Take a want, a load or an unload back, since its giver is gone. Any thread, never blocks. `done`
 * comes all the same, exactly once and soon: with CANCELLED, or with what became of the order if
 * that was told at this moment. What nobody else wants and was not begun is given up, and so is an
 * override that was not in force yet; else what was begun goes on.
 *
 * The waiter must be alive at this call, whether `done` was called or not: whoever frees it does so
 * where this cannot be called any more. (An I/O thread whose `done` is a message to itself frees it
 * where the message is delivered, and withdraws on that thread before. It may also withdraw before
 * it gives the order: then it is told as soon as it is given.) */
void ax_fleet_withdraw(struct ax_fleet *fleet, struct ax_fleet_waiter *waiter);

/* Look through the whole folder again; or at one model whose files have settled. */
void ax_fleet_rescan(struct ax_fleet *fleet);
void ax_fleet_changed(struct ax_fleet *fleet, struct ax_str model);

#endif
