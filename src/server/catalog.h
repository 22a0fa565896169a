/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: the immutable set of models that the data plane reads.
 *
 * Made on the fleet's control thread and published through a snapshot. It maps names to models,
 * each immutable and counted, so that a later catalog shares those that did not change. A model
 * holds its versions, ready or not; a ready one's is a struct ax_served: the version itself, its
 * account, and what its calls were learnt to cost. A served version is shared by reference count,
 * so that a request may outlive the catalog.
 */
#ifndef AX_SERVER_CATALOG_H
#define AX_SERVER_CATALOG_H

#include "base/clock.h"
#include "base/map.h"
#include "engine/version.h"
#include "server/account.h"
#include "server/cost.h"
#include "server/model_settings.h"

struct ax_served {
    _Atomic unsigned refs;
    struct ax_version *version;        /* one reference */
    struct ax_account *account;        /* one reference */
    struct ax_model_settings settings; /* those that it was loaded with */
    struct ax_cost cost;
    _Atomic uint64_t last_ms; /* monotonic, of the last success; 0: none. Relaxed, likewise */
    _Atomic uint64_t used_ms; /* and of the last request that found it ready */
    _Atomic size_t in_flight; /* requests that are there, when they are limited: ax_admission_enter
                               */
    _Atomic(size_t *) service_inputs; /* owned; NULL until ax_serving_bind found them */
};

/* Makes the entry for a version, which is referenced, and opens its account. Control threads and
 * loaders. Expected: none. */
AX_MUST_USE enum ax_code ax_served_new(struct ax_version *version,
                                       const struct ax_model_settings *settings,
                                       struct ax_served **ret_served, struct ax_err *err);
struct ax_served *ax_served_ref(struct ax_served *served);
/* NULL is fine. The last one frees. Any thread. */
void ax_served_unref(struct ax_served *served);
/* A request found it ready. Data plane. */
static inline void ax_served_use(struct ax_served *served, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / AX_NS_PER_MS;
    if (atomic_load_explicit(&served->used_ms, memory_order_relaxed) < now_ms)
        atomic_store_explicit(&served->used_ms, now_ms, memory_order_relaxed);
}
/* A request that it answered. Data plane. */
static inline void ax_served_succeed(struct ax_served *served, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / AX_NS_PER_MS;
    if (atomic_load_explicit(&served->last_ms, memory_order_relaxed) != now_ms)
        atomic_store_explicit(&served->last_ms, now_ms, memory_order_relaxed);
}
/* Whether the caller's reference is the last one. True stays true: who has none cannot take one. */
bool ax_served_is_last(const struct ax_served *served);

/* Where a version is in its life; docs/internals/fleet.md. */
enum ax_version_state {
    AX_VERSION_UNLOADED,
    AX_VERSION_LOADING,
    AX_VERSION_WARMING,
    AX_VERSION_READY,
    AX_VERSION_DRAINING,
    AX_VERSION_FAILED,
};
/* "ready"; and what the index of the Open Inference Protocol calls it: "READY". */
const char *ax_version_state_name(enum ax_version_state state) AX_RETURNS_NONNULL;
const char *ax_version_state_oip(enum ax_version_state state) AX_RETURNS_NONNULL;

struct ax_catalog_version {
    uint64_t number;
    char text[24]; /* the number as text */
    enum ax_version_state state;
    char *reason;             /* why it is not ready, or why its files are not served; or NULL */
    struct ax_served *served; /* one reference; NULL unless READY */
    /* Where requests are counted that find it not ready: one reference; NULL: it never was loaded.
     */
    struct ax_account *account;
    /* Of a ready one. */
    uint64_t load_ns, warm_up_ns;
    size_t resident_bytes; /* its image included, which others may share */
    bool is_target;        /* the model's policy wants it; else requests do not know it, unless
                              it is ready still */
    bool is_cold; /* a request without a version would go to it, and may have it loaded by asking:
                     ax_fleet_want */
};

struct ax_catalog_model {
    _Atomic unsigned refs;
    char *name;
    struct ax_catalog_version *versions; /* ascending */
    size_t version_count;
    char *reason; /* why there are none; NULL: there are */
    bool is_wanted;
    struct ax_model_timeout timeout; /* also while no version is ready */
};

/* Versions are filled in by the maker: number, text and state; `reason`, `served` and
 * `account` become the model's. One reference. */
struct ax_catalog_model *ax_catalog_model_new(const char *name,
                                              size_t version_count) AX_RETURNS_NONNULL;
struct ax_catalog_model *ax_catalog_model_ref(struct ax_catalog_model *model);
/* NULL is fine. Control threads. */
void ax_catalog_model_unref(struct ax_catalog_model *model);
/* The one that answers requests without a version: the highest that is ready or cold; NULL. */
const struct ax_catalog_version *ax_catalog_model_highest(const struct ax_catalog_model *model);

struct ax_catalog {
    struct ax_map models; /* name -> struct ax_catalog_model, one reference; in order of names */
    bool is_complete;     /* what should be ready at start is, or has failed; else it may come */
};

/* Without models, and not complete. */
struct ax_catalog *ax_catalog_new(void) AX_RETURNS_NONNULL;
/* NULL is fine. Control threads. */
void ax_catalog_free(struct ax_catalog *catalog);
/* Before it is published; the reference is the catalog's from here. No model has this name yet. */
void ax_catalog_put(struct ax_catalog *catalog, struct ax_catalog_model *model);

/* "model" or "model/version", as models are named in texts: without a version it is empty. */
void ax_catalog_split_name(struct ax_str name, struct ax_str *ret_model,
                           struct ax_str *ret_version);

/* Complete, and each wanted model has a version that is ready or cold. */
bool ax_catalog_is_ready(const struct ax_catalog *catalog);

/* What would answer: the version of a model, if requests know it, whatever its state; with an
 * empty `version` the one that is ready or cold, else the highest that they know. NULL: none. */
const struct ax_catalog_version *ax_catalog_find(const struct ax_catalog *catalog,
                                                 struct ax_str model, struct ax_str version);

/* The place of the first version whose number is this one or above it; the count when there is
 * none. */
size_t ax_catalog_model_seek(const struct ax_catalog_model *model, uint64_t number);

/* The same whether or not requests know it; `version` is not empty. NULL: none. */
const struct ax_catalog_version *ax_catalog_listed(const struct ax_catalog *catalog,
                                                   struct ax_str model, struct ax_str version);

/* Where a request that is not predicted is counted: on the version that it asked for, when that is
 * known and has an account, else on that of no model. */
struct ax_account *ax_catalog_account(const struct ax_catalog *catalog, struct ax_str model,
                                      struct ax_str version) AX_RETURNS_NONNULL;

/* The version of a model; an empty `version` is the highest. Data plane, inside the snapshot.
 * Expected: NOT_FOUND, UNAVAILABLE (known and not ready: with its state and reason). */
AX_MUST_USE enum ax_code ax_catalog_version(const struct ax_catalog *catalog, struct ax_str model,
                                            struct ax_str version, struct ax_served **ret_served,
                                            struct ax_err *err);

#endif
