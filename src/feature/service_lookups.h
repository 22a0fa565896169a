/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vectors of the same entities look for in the online store: each distinct key of an entity
 * is asked for once, however many of them want it.
 *
 * Keys are added, by any number of vectors; then the store is asked for all of them, and answers
 * at once or later. All memory is the arena. One thread at a time: that of the loop.
 */
#ifndef AX_FEATURE_SERVICE_LOOKUPS_H
#define AX_FEATURE_SERVICE_LOOKUPS_H

#include "feature/online/online.h"

/* The keys that one vector has of an entity. Its owner sets `keys` and `count`, and keeps it as
 * long as the lookups. */
struct ax_service_keys {
    const struct ax_str *keys; /* ptr NULL: a key with a null, which nobody has */
    size_t count;
    const struct ax_service_lookup *lookup;
    uint32_t *places; /* of each key which of the lookup's, when that has been asked for */
    struct ax_service_keys *next;
};

/* All that is asked of one entity. */
struct ax_service_lookup {
    struct ax_online_fetch fetch; /* of the distinct keys */
    struct ax_service_lookups *of;
    struct ax_service_keys *wanted;
    size_t wanted_count; /* of keys, before those that are the same are one */
    bool is_pending;
    struct ax_service_lookup *next;
};

/* Begins with its first group of members set, and the others zero. */
struct ax_service_lookups {
    struct ax_online *store;
    struct ax_arena *arena;
    struct ax_loop *loop;
    uint64_t deadline_ns; /* monotonic */
    uint64_t seed;        /* of the hash by which keys are told apart */
    void (*done)(struct ax_service_lookups *lookups);

    struct ax_service_lookup *first;
    size_t pending; /* fetches */
};

/* Expected: LIMIT, TOO_LARGE; then these keys are not asked for. */
AX_MUST_USE enum ax_code ax_service_lookups_add(struct ax_service_lookups *lookups,
                                                const struct ax_online_entity *entity,
                                                struct ax_service_keys *keys, struct ax_err *err);

/* Ask the store, inside the epoch. *ret_done: all rows are there; else `done` is called in a later
 * wake-up. Expected: LIMIT, TOO_LARGE; then nothing was asked. */
AX_MUST_USE enum ax_code ax_service_lookups_ask(struct ax_service_lookups *lookups, bool *ret_done,
                                                struct ax_err *err);

/* What has not been answered is not waited for: `done` will not be called. */
void ax_service_lookups_cancel(struct ax_service_lookups *lookups);

/* The store could not be asked. */
static inline bool ax_service_keys_is_down(const struct ax_service_keys *keys)
{
    return keys->lookup->fetch.err.code != AX_OK;
}

/* The row of one of the keys, as the store has it; NULL: it has none. Good until the epoch is left,
 * or as long as the arena. */
static inline const struct ax_online_row *ax_service_keys_row(const struct ax_service_keys *keys,
                                                              size_t key)
{
    return keys->keys[key].ptr ? keys->lookup->fetch.rows[keys->places[key]] : NULL;
}

#endif
