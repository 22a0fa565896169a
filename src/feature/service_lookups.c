/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fetch an entity. Keys are told apart by a table of slots that is made when all are known, so
 * that nothing has to grow.
 */
#include "feature/service_lookups.h"

#include "base/hash.h"

#include <assert.h>
#include <string.h>

static enum ax_code no_memory(const struct ax_service_lookups *lookups, struct ax_err *err)
{
    return ax_arena_fail(lookups->arena, "the features of a request", err);
}

static void fetched(struct ax_online_fetch *fetch)
{
    struct ax_service_lookup *lookup = container_of(fetch, struct ax_service_lookup, fetch);
    struct ax_service_lookups *lookups = lookup->of;
    lookup->is_pending = false;
    if (!--lookups->pending)
        lookups->done(lookups);
}

/* The lookup of an entity, which is made when it is the first; NULL: no memory. */
static struct ax_service_lookup *find_lookup(struct ax_service_lookups *lookups,
                                             const struct ax_online_entity *entity)
{
    struct ax_service_lookup *last = NULL;
    for (struct ax_service_lookup *at = lookups->first; at; at = at->next) {
        if (at->fetch.entity == entity)
            return at;
        last = at;
    }
    struct ax_service_lookup *made = ax_arena_zalloc(lookups->arena, 1, sizeof(*made));
    if (!made)
        return NULL;
    made->of = lookups;
    made->fetch.entity = entity;
    made->fetch.arena = lookups->arena;
    made->fetch.deadline_ns = lookups->deadline_ns;
    made->fetch.loop = lookups->loop;
    made->fetch.done = fetched;
    *(last ? &last->next : &lookups->first) = made;
    return made;
}

enum ax_code ax_service_lookups_add(struct ax_service_lookups *lookups,
                                    const struct ax_online_entity *entity,
                                    struct ax_service_keys *keys, struct ax_err *err)
{
    assert(lookups && entity && keys && !keys->lookup && err);
    struct ax_service_lookup *lookup = find_lookup(lookups, entity);
    keys->places = ax_arena_alloc(lookups->arena, keys->count, sizeof(*keys->places));
    if (!lookup || !keys->places)
        return no_memory(lookups, err);
    keys->lookup = lookup;
    keys->next = lookup->wanted;
    lookup->wanted = keys;
    lookup->wanted_count += keys->count;
    return AX_OK;
}

/* Put keys that are new behind the distinct ones, and note for each which one it is. A slot, of a
 * power of two of them, has the number of a distinct key plus 1. Returns how many there are. */
static size_t merge_keys(const struct ax_service_keys *keys, uint64_t seed, uint32_t *slots,
                         size_t slot_count, struct ax_str *distinct, size_t count)
{
    for (size_t i = 0; i < keys->count; i++) {
        struct ax_str key = keys->keys[i];
        if (!key.ptr)
            continue;
        size_t at = ax_hash_seeded(key, seed) & (slot_count - 1);
        while (slots[at] && !ax_str_equals(distinct[slots[at] - 1], key))
            at = (at + 1) & (slot_count - 1);
        if (!slots[at]) {
            distinct[count] = key;
            slots[at] = (uint32_t)++count;
        }
        keys->places[i] = slots[at] - 1;
    }
    return count;
}

static enum ax_code gather(const struct ax_service_lookups *lookups,
                           struct ax_service_lookup *lookup, struct ax_err *err)
{
    size_t slot_count = 2;
    while (slot_count < 2 * lookup->wanted_count)
        slot_count *= 2;
    uint32_t *slots = ax_arena_zalloc(lookups->arena, slot_count, sizeof(*slots));
    struct ax_str *distinct =
        ax_arena_alloc(lookups->arena, lookup->wanted_count, sizeof(*distinct));
    if (!slots || !distinct)
        return no_memory(lookups, err);
    size_t count = 0;
    for (const struct ax_service_keys *keys = lookup->wanted; keys; keys = keys->next)
        count = merge_keys(keys, lookups->seed, slots, slot_count, distinct, count);
    lookup->fetch.keys = distinct;
    lookup->fetch.count = count;
    lookup->fetch.rows = ax_arena_alloc(lookups->arena, count, sizeof(*lookup->fetch.rows));
    return lookup->fetch.rows ? AX_OK : no_memory(lookups, err);
}

enum ax_code ax_service_lookups_ask(struct ax_service_lookups *lookups, bool *ret_done,
                                    struct ax_err *err)
{
    assert(lookups && !lookups->pending && ret_done && err);
    for (struct ax_service_lookup *lookup = lookups->first; lookup; lookup = lookup->next) {
        if (gather(lookups, lookup, err))
            return err->code;
    }
    /* Nothing fails any more once the store was asked. */
    for (struct ax_service_lookup *lookup = lookups->first; lookup; lookup = lookup->next) {
        lookup->is_pending = !ax_online_fetch(lookups->store, &lookup->fetch);
        lookups->pending += lookup->is_pending;
    }
    *ret_done = !lookups->pending;
    return AX_OK;
}

void ax_service_lookups_cancel(struct ax_service_lookups *lookups)
{
    assert(lookups);
    struct ax_service_lookup *lookup = lookups->pending ? lookups->first : NULL;
    for (; lookup; lookup = lookup->next) {
        if (lookup->is_pending)
            ax_online_cancel(lookups->store, &lookup->fetch);
        lookup->is_pending = false;
    }
    lookups->pending = 0;
}
