/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing over the keys' indexes, at most half full. A key's hash is
 * kept, so that growing looks at no text.
 */
#include "feature/online/online_unfolded.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

#define KEYS_BYTES_MAX ((size_t)1 << 36)
#define SLOTS_FIRST    ((size_t)1 << 10)

void ax_online_unfolded_init(struct ax_online_unfolded *unfolded)
{
    *unfolded = (struct ax_online_unfolded){ 0 };
    ax_buf_init(&unfolded->keys, KEYS_BYTES_MAX);
    ax_buf_init(&unfolded->bytes, KEYS_BYTES_MAX);
}

void ax_online_unfolded_done(struct ax_online_unfolded *unfolded)
{
    if (!unfolded)
        return;
    ax_buf_done(&unfolded->keys);
    ax_buf_done(&unfolded->bytes);
    free(unfolded->slots);
}

void ax_online_unfolded_clear(struct ax_online_unfolded *unfolded)
{
    ax_online_unfolded_done(unfolded);
    ax_online_unfolded_init(unfolded);
}

size_t ax_online_unfolded_count(const struct ax_online_unfolded *unfolded)
{
    return unfolded->keys.len / sizeof(struct ax_online_key);
}

size_t ax_online_unfolded_bytes(const struct ax_online_unfolded *unfolded)
{
    return unfolded->keys.cap + unfolded->bytes.cap +
           unfolded->slot_count * sizeof(*unfolded->slots);
}

struct ax_online_key *ax_online_unfolded_keys(const struct ax_online_unfolded *unfolded)
{
    return (void *)unfolded->keys.ptr;
}

struct ax_str ax_online_unfolded_text(const struct ax_online_unfolded *unfolded,
                                      const struct ax_online_key *key)
{
    return (struct ax_str){ unfolded->bytes.ptr + key->offset, key->len };
}

static bool grow(struct ax_online_unfolded *unfolded)
{
    size_t count = unfolded->slot_count ? 2 * unfolded->slot_count : SLOTS_FIRST;
    uint32_t *slots = count <= UINT32_MAX ? ax_try_alloc(count, sizeof(*slots)) : NULL;
    if (!slots)
        return false;
    memset(slots, 0, count * sizeof(*slots));
    const struct ax_online_key *keys = ax_online_unfolded_keys(unfolded);
    for (size_t i = 0; i < ax_online_unfolded_count(unfolded); i++) {
        size_t at = keys[i].hash & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(unfolded->slots);
    unfolded->slots = slots;
    unfolded->slot_count = count;
    return true;
}

/* The slot of a key: its own, or where it would be. */
static uint32_t *find(const struct ax_online_unfolded *unfolded, const struct ax_online_key *wanted,
                      struct ax_str text)
{
    const struct ax_online_key *keys = ax_online_unfolded_keys(unfolded);
    size_t at = wanted->hash & (unfolded->slot_count - 1);
    for (;; at = (at + 1) & (unfolded->slot_count - 1)) {
        uint32_t *slot = &unfolded->slots[at];
        const struct ax_online_key *key = *slot ? &keys[*slot - 1] : NULL;
        if (!key || (key->hash == wanted->hash && key->number == wanted->number &&
                     ax_str_equals(ax_online_unfolded_text(unfolded, key), text)))
            return slot;
    }
}

void ax_online_unfolded_add(struct ax_online_unfolded *unfolded,
                            const struct ax_online_entity *entity, uint32_t number,
                            struct ax_str text)
{
    assert(unfolded && entity && text.ptr);
    struct ax_online_key key = { .entity = entity,
                                 .hash = ax_hash_seeded(text, number),
                                 .offset = unfolded->bytes.len,
                                 .number = number,
                                 .len = (uint32_t)text.len };
    size_t count = ax_online_unfolded_count(unfolded);
    if (unfolded->has_lost)
        return;
    if (2 * (count + 1) > unfolded->slot_count && !grow(unfolded)) {
        unfolded->has_lost = true;
        return;
    }
    uint32_t *slot = find(unfolded, &key, text);
    if (*slot)
        return;
    if (ax_buf_append_str(&unfolded->bytes, text) ||
        ax_buf_append(&unfolded->keys, &key, sizeof(key)))
        unfolded->has_lost = true;
    else
        *slot = (uint32_t)count + 1;
}
