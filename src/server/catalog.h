/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: the immutable set of model versions that the data plane reads.
 *
 * Made on a control thread from what the repository holds, and published through a snapshot. Each
 * version in it is a struct ax_served: the version itself, its account, and what a row was learnt
 * to cost. A served version is shared by reference count, so that a request may outlive the
 * catalog.
 */
#ifndef AX_SERVER_CATALOG_H
#define AX_SERVER_CATALOG_H

#include "base/map.h"
#include "engine/version.h"
#include "server/account.h"

struct ax_served {
    _Atomic unsigned refs;
    struct ax_version *version; /* one reference */
    struct ax_account account;
    /* What a row costs the engine, learnt; 0: nothing known yet. Relaxed, written by any thread,
     * and only when it moved enough to matter, so that in steady use the line is only read. */
    _Atomic uint32_t row_ns;
    _Atomic uint64_t last_ms; /* monotonic, of the last success; 0: none. Relaxed, likewise */
};

/* Makes the entry for a version (which is referenced) and registers its series. Control threads.
 * Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_served_new(struct ax_version *version, struct ax_served **ret_served,
                                       struct ax_err *err);
struct ax_served *ax_served_ref(struct ax_served *served);
/* NULL is fine. The last one frees. Any thread. */
void ax_served_unref(struct ax_served *served);

struct ax_served_model {
    struct ax_served **versions; /* ascending */
    size_t version_count;        /* 0: none of its versions could be loaded */
};

/* A line of the index: one version, ready or not. */
struct ax_catalog_entry {
    char *model;
    char *version; /* empty: it has none */
    char *reason;  /* why it is not ready; NULL: it is */
};

struct ax_catalog {
    struct ax_map models; /* name -> struct ax_served_model */
    struct ax_catalog_entry *index;
    size_t index_count;
    bool is_complete; /* loading is over; else what is not found may still come */
};

/* Without models, and not complete. */
struct ax_catalog *ax_catalog_new(void) AX_RETURNS_NONNULL;
/* NULL is fine. */
void ax_catalog_free(struct ax_catalog *catalog);

/* Control threads, before it is published. The version is referenced. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_catalog_add(struct ax_catalog *catalog, struct ax_version *version,
                                        struct ax_err *err);
/* A version that could not be loaded, or a model without any (`version` is empty). */
void ax_catalog_add_failed(struct ax_catalog *catalog, const char *model, const char *version,
                           const char *reason);

/* "model" or "model/version", as models are named in texts: without a version it is empty. */
void ax_catalog_split_name(struct ax_str name, struct ax_str *ret_model,
                           struct ax_str *ret_version);

/* Loading is over, and each model has a version that answers. */
bool ax_catalog_is_ready(const struct ax_catalog *catalog);

/* Whether the model, and the version if it is not empty, is in the index, ready or not. */
bool ax_catalog_knows(const struct ax_catalog *catalog, struct ax_str model, struct ax_str version);

/* The version of a model; an empty `version` is the highest. Data plane, inside the snapshot.
 * Expected: NOT_FOUND, UNAVAILABLE (still loading). */
AX_MUST_USE enum ax_code ax_catalog_version(const struct ax_catalog *catalog, struct ax_str model,
                                            struct ax_str version, struct ax_served **ret_served,
                                            struct ax_err *err);

#endif
