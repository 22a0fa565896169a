/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two newest of one key's rows at a moment, where rows come and go again.
 *
 * Moments are asked for in rising order, so that what is gone never comes back. Of the rows that
 * stay for good two are kept; of those that will go, the ones that are newer than these. A row
 * costs the logarithm of how many of the latter there are. One thread.
 */
#ifndef AX_FEATURE_NEWEST_H
#define AX_FEATURE_NEWEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define AX_NEWEST_STAYS INT64_MAX

struct ax_newest_row {
    int64_t time;   /* the greatest is the newest */
    int64_t number; /* which breaks ties; not negative, each once */
    int64_t gone;   /* from this moment on; AX_NEWEST_STAYS: never */
};

struct ax_newest {
    struct ax_newest_row stays[2]; /* the newest two of those that stay, the newest first */
    size_t stay_count;
    struct ax_newest_row *heap; /* of those that go, the newest first */
    size_t count, room;
};

void ax_newest_init(struct ax_newest *newest);
void ax_newest_done(struct ax_newest *newest);
/* Another key begins. */
void ax_newest_clear(struct ax_newest *newest);

/* A row comes. Expected: LIMIT (memory). */
AX_MUST_USE enum ax_code ax_newest_add(struct ax_newest *newest, struct ax_newest_row row,
                                       struct ax_err *err);

/* The numbers of the newest row and of the one behind it at `moment`; -1: there is none. */
void ax_newest_get(struct ax_newest *newest, int64_t moment, int64_t ret_numbers[2]);

#endif
