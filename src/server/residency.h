/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residency: who must leave memory, so that another version can come; docs/internals/residency.md.
 *
 * Pure decisions over a table that the caller makes: no I/O, no state, no clock. The bytes of an
 * image that several versions share count once. Control thread only.
 */
#ifndef AX_SERVER_RESIDENCY_H
#define AX_SERVER_RESIDENCY_H

#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>

/* What a version takes, or will. */
struct ax_footprint {
    size_t memory_bytes;            /* its own */
    size_t image_bytes;             /* of the image that it is mapped from; 0: none */
    struct ax_hash128 image_digest; /* by which images are told apart */
};

enum ax_resident_state {
    AX_RESIDENT_READY,
    AX_RESIDENT_LOADING, /* the footprint is an estimate */
    AX_RESIDENT_LEAVING, /* retired or draining: it counts, and will be gone without our doing */
    AX_RESIDENT_COMING,  /* not there, but room is kept for it: it will be */
};

/* A version in memory. */
struct ax_resident {
    struct ax_footprint footprint;
    enum ax_resident_state state;
    bool is_pinned;
    uint64_t used_ms; /* monotonic: its last request, or the end of its loading if that is later */
    double worth;     /* requests a minute, now or soon */

    bool must_go; /* out */
};

/* Worth of what a request waits for: whatever is not pinned may go for it. */
#define AX_RESIDENCY_ASKED (1.0 / 0.0)

struct ax_residency_demand {
    const struct ax_footprint *footprint; /* of what is to come */
    double worth;                         /* only what is worth less than half of this may go */
};

/* What all of them take. */
size_t ax_residency_bytes(const struct ax_resident *residents, size_t count);

/* Whether what is demanded fits beside the residents into `bytes_max` (0: there is no limit), now,
 * and when those that leave have gone and those that come are there.
 * *ret_fits: it does, now. Not: those that must go have to, others are on their way out, or what is
 * being loaded stands in the way: it fits later, or is to be asked again then. Expected: LIMIT (not
 * before something else changes). Nobody must go then. */
AX_MUST_USE enum ax_code ax_residency_admit(struct ax_resident *residents, size_t count,
                                            const struct ax_residency_demand *demand,
                                            size_t bytes_max, bool *ret_fits, struct ax_err *err);

/* What a version will take that was never loaded here, from the bytes of its files. */
struct ax_footprint ax_residency_estimate(size_t source_bytes);

#endif
