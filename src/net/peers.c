/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of addresses with chains, cut into shards that each have a lock of their own. A peer
 * is made with its first connection and freed with its last, so the table holds what is open and
 * nothing else, and needs no cleaning. As there are about as many buckets as there may be
 * connections, chains are short; the seed is random, so they cannot be made long.
 *
 * A lock is held for a look at one chain, twice in the life of a connection, which costs system
 * calls of microseconds; threads that meet in a shard are rare enough.
 */
#include "net/peers.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MIN ((size_t)16) /* a shard */

/* What is the same for all connections of a peer. No padding: it is hashed and compared as bytes.
 */
struct peer_key {
    uint64_t bits; /* an IPv4 address, or the first half of an IPv6 address */
    uint64_t family;
};

struct ax_peer {
    struct peer_key key;
    size_t count;
    struct ax_peer *next; /* in its chain */
    struct ax_peers_shard *shard;
    struct ax_peer **bucket;
};

void ax_peers_init(struct ax_peers *peers, size_t connections_max, size_t per_peer_max)
{
    assert(peers && connections_max);
    *peers = (struct ax_peers){ .connections_max = connections_max, .per_peer_max = per_peer_max };
    if (!per_peer_max)
        return;
    if (getrandom(&peers->seed, sizeof(peers->seed), 0) != (ssize_t)sizeof(peers->seed))
        peers->seed = ax_clock_ns() ^ (uint64_t)(uintptr_t)peers;
    size_t buckets = BUCKETS_MIN;
    while (buckets * AX_PEERS_SHARDS < connections_max)
        buckets *= 2;
    peers->bucket_mask = buckets - 1;
    for (size_t i = 0; i < AX_PEERS_SHARDS; i++) {
        pthread_mutex_init(&peers->shards[i].lock, NULL);
        peers->shards[i].buckets = ax_xalloc(buckets * sizeof(*peers->shards[i].buckets));
    }
}

void ax_peers_done(struct ax_peers *peers)
{
    if (!peers)
        return;
    assert(!atomic_load(&peers->count));
    for (size_t i = 0; i < AX_PEERS_SHARDS && peers->per_peer_max; i++) {
        pthread_mutex_destroy(&peers->shards[i].lock);
        free(peers->shards[i].buckets);
    }
    *peers = (struct ax_peers){ 0 };
}

bool ax_peers_tells_apart(const struct ax_peers *peers)
{
    assert(peers);
    return peers->per_peer_max > 0;
}

/* False when the address tells no peer. */
static bool peer_key_of(const struct sockaddr_storage *address, struct peer_key *ret_key)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    switch (address->ss_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        *ret_key = (struct peer_key){ v4.sin_addr.s_addr, AF_INET };
        return true;
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        *ret_key = (struct peer_key){ 0, AF_INET6 };
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            uint32_t mapped;
            memcpy(&mapped, v6.sin6_addr.s6_addr + 12, sizeof(mapped));
            *ret_key = (struct peer_key){ mapped, AF_INET };
        } else {
            memcpy(&ret_key->bits, v6.sin6_addr.s6_addr, sizeof(ret_key->bits));
        }
        return true;
    default:
        return false;
    }
}

/* One more of this peer, which is made when it has none; false when it has enough. */
static bool peers_count(struct ax_peers *peers, const struct peer_key *key,
                        struct ax_peer **ret_peer)
{
    uint64_t hash = ax_hash_seeded((struct ax_str){ (const char *)key, sizeof(*key) }, peers->seed);
    struct ax_peers_shard *shard = &peers->shards[hash % AX_PEERS_SHARDS];
    struct ax_peer **bucket = &shard->buckets[hash / AX_PEERS_SHARDS & peers->bucket_mask];
    pthread_mutex_lock(&shard->lock);
    struct ax_peer *peer = *bucket;
    while (peer && memcmp(&peer->key, key, sizeof(*key)) != 0)
        peer = peer->next;
    bool has_room = !peer || peer->count < peers->per_peer_max;
    if (!peer) {
        peer = ax_xalloc(sizeof(*peer));
        *peer = (struct ax_peer){ .key = *key, .next = *bucket, .shard = shard, .bucket = bucket };
        *bucket = peer;
    }
    peer->count += has_room;
    pthread_mutex_unlock(&shard->lock);
    if (has_room)
        *ret_peer = peer;
    return has_room;
}

enum ax_peers_verdict ax_peers_admit(struct ax_peers *peers, const struct sockaddr_storage *address,
                                     struct ax_peer **ret_peer)
{
    assert(peers && ret_peer);
    if (atomic_fetch_add(&peers->count, 1) >= peers->connections_max) {
        atomic_fetch_sub(&peers->count, 1);
        return AX_PEERS_FULL;
    }
    struct ax_peer *peer = NULL;
    struct peer_key key;
    if (peers->per_peer_max && address && peer_key_of(address, &key) &&
        !peers_count(peers, &key, &peer)) {
        atomic_fetch_sub(&peers->count, 1);
        return AX_PEERS_PEER_FULL;
    }
    *ret_peer = peer;
    return AX_PEERS_ADMITTED;
}

void ax_peers_leave(struct ax_peers *peers, struct ax_peer *peer)
{
    assert(peers && atomic_load(&peers->count));
    atomic_fetch_sub(&peers->count, 1);
    if (!peer)
        return;
    struct ax_peers_shard *shard = peer->shard;
    pthread_mutex_lock(&shard->lock);
    bool is_last = --peer->count == 0;
    if (is_last) {
        struct ax_peer **link = peer->bucket;
        while (*link != peer)
            link = &(*link)->next;
        *link = peer->next;
    }
    pthread_mutex_unlock(&shard->lock);
    if (is_last)
        free(peer);
}
