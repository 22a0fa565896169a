/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that are newer in the table than on the disk: what is to be folded.
 *
 * A set; each key is in it once, however often it was written. The store's writer fills one while
 * the one before is folded. One thread.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_UNFOLDED_H
#define AX_FEATURE_ONLINE_ONLINE_UNFOLDED_H

#include "base/buf.h"
#include "feature/online/online.h"

struct ax_online_key {
    const struct ax_online_entity *entity;
    uint64_t hash;
    size_t offset;   /* in `bytes` */
    uint32_t number; /* of the entity on the disk */
    uint32_t len;
};

struct ax_online_unfolded {
    struct ax_buf keys;  /* struct ax_online_key */
    struct ax_buf bytes; /* of the keys */
    uint32_t *slots;     /* index of a key + 1; 0: free */
    size_t slot_count;   /* a power of two; 0: none yet */
    bool has_lost;       /* keys are missing, and no more are taken: memory was refused, say */
};

void ax_online_unfolded_init(struct ax_online_unfolded *unfolded);
void ax_online_unfolded_done(struct ax_online_unfolded *unfolded);
/* Empty it; memory is given back. */
void ax_online_unfolded_clear(struct ax_online_unfolded *unfolded);

/* Without memory it is lost. */
void ax_online_unfolded_add(struct ax_online_unfolded *unfolded,
                            const struct ax_online_entity *entity, uint32_t number,
                            struct ax_str key);

size_t ax_online_unfolded_count(const struct ax_online_unfolded *unfolded);
/* What it takes. */
size_t ax_online_unfolded_bytes(const struct ax_online_unfolded *unfolded);

/* The keys, and the text of one. */
struct ax_online_key *ax_online_unfolded_keys(const struct ax_online_unfolded *unfolded);
struct ax_str ax_online_unfolded_text(const struct ax_online_unfolded *unfolded,
                                      const struct ax_online_key *key);

#endif
