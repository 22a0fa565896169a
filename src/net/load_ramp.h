/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for the highest rate whose P99 stays under an objective.
 *
 * It says which rate to try next and is told what came of it; who runs the open loop is not its
 * concern. From the first rate it doubles until one fails (or halves until one passes), then
 * narrows the interval between the two down to a twentieth. A rate has failed when it failed twice
 * in a row, since on a shared machine one bad moment is no verdict. Owns nothing.
 */
#ifndef AX_NET_LOAD_RAMP_H
#define AX_NET_LOAD_RAMP_H

#include "net/load.h"

#define AX_LOAD_RATE_MAX       ((uint64_t)10000000)
#define AX_LOAD_RAMP_STEPS_MAX 96 /* a search of all rates from 1 on takes fewer */

/* What a run at one rate says of it. */
enum ax_load_verdict {
    AX_LOAD_PASSED, /* all were answered well, and the P99 is within the objective */
    AX_LOAD_SLOW,   /* the P99 is over it */
    AX_LOAD_FAILED, /* there were errors */
    AX_LOAD_LATE,   /* the P99 is over it, but the client was too late itself to say why */
};

struct ax_load_ramp {
    uint64_t rate;                /* to try next */
    uint64_t passed;              /* the highest rate that did; 0: none */
    uint64_t failed;              /* the lowest rate that did not; 0: none */
    enum ax_load_verdict verdict; /* of `failed` */
    bool is_second_try;
};

void ax_load_ramp_init(struct ax_load_ramp *ramp, uint64_t first_rate);

/* Latency counts from the intended time, the client's lateness is part of it: so a P99 within the
 * objective is a pass even when the client was late. */
enum ax_load_verdict ax_load_ramp_judge(const struct ax_load_result *result, uint64_t p99_ns_max);

/* Take what came of ramp->rate. False when the search is over. */
AX_MUST_USE bool ax_load_ramp_next(struct ax_load_ramp *ramp, enum ax_load_verdict verdict);

/* "passed", "slow", "failed", "client late". */
const char *ax_load_verdict_text(enum ax_load_verdict verdict) AX_RETURNS_NONNULL;

#endif
