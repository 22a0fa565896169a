/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections are open: in all, and from each peer address.
 *
 * One object a server, shared by its threads. A thread asks when it has accepted a connection and
 * tells when that is closed; in between nothing is locked or looked at. A peer is an IPv4 address
 * or the /64 that an IPv6 address lies in, which is what one customer gets. Clients of unix sockets
 * have no address and are counted in all only. Without a limit for peers none is kept.
 */
#ifndef AX_NET_PEERS_H
#define AX_NET_PEERS_H

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define AX_PEERS_SHARDS 16

struct ax_peer;

struct ax_peers_shard {
    pthread_mutex_t lock; /* guards the chains and the counts of their peers */
    struct ax_peer **buckets;
};

struct ax_peers {
    size_t connections_max; /* in all */
    size_t per_peer_max;    /* 0: none */
    uint64_t seed;          /* so that nobody outside can choose addresses of one bucket */
    size_t bucket_mask;     /* of a shard; their number is a power of two */
    atomic_size_t count;    /* connections that are open */
    struct ax_peers_shard shards[AX_PEERS_SHARDS];
};

/* Peers that have a connection; there are never more of them than connections_max. */
void ax_peers_init(struct ax_peers *peers, size_t connections_max, size_t per_peer_max);
/* All connections have left. NULL is fine. */
void ax_peers_done(struct ax_peers *peers);

/* Whether addresses have to be asked for. */
bool ax_peers_tells_apart(const struct ax_peers *peers);

enum ax_peers_verdict {
    AX_PEERS_ADMITTED,
    AX_PEERS_FULL,      /* connections_max are open */
    AX_PEERS_PEER_FULL, /* per_peer_max of this one's address are */
};

/* May a connection from `address` (NULL: none is known) be kept? When it is admitted, *ret_peer is
 * to be given to ax_peers_leave when it closes; it may be NULL. Any thread. */
AX_MUST_USE enum ax_peers_verdict ax_peers_admit(struct ax_peers *peers,
                                                 const struct sockaddr_storage *address,
                                                 struct ax_peer **ret_peer);
void ax_peers_leave(struct ax_peers *peers, struct ax_peer *peer);

#endif
