/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass through the entities of a request, for one call of a service or for several.
 *
 * It goes slice by slice: all calls say what they look for, the store is asked for each distinct
 * key once, and all calls fill their rows. What is wrong with a call ends that call alone. A store
 * that answers later makes the pass wait; the request goes on when it is woken. Everything is on
 * the request's I/O thread, inside wake-ups but for `woken`. docs/internals/predict-by-entity.md.
 */
#ifndef AX_SERVER_API_SERVICE_PASS_H
#define AX_SERVER_API_SERVICE_PASS_H

#include "server/api/service_call.h"

struct ax_service_pass {
    struct ax_serving_features *features; /* one reference; NULL: not begun */
    struct ax_service_call *calls;        /* in the order they began; borrowed */
    struct ax_arena *arena;               /* of the request */
    struct ax_arena own;                  /* of one slice, when there are several */
    struct ax_service_lookups lookups;    /* of one slice */
    size_t rows;                          /* entities */
    size_t row_values;                    /* of an entity, by all calls */
    size_t slice_rows;                    /* at most, of the calls that began so far */
    size_t from;                          /* the slice */
    int state;                            /* PASS_* of service_pass.c */
    void (*woken)(struct ax_service_pass *pass);
};

/* Begin with `rows` entities; `pass` is zeroed but for `woken`, which is called when what the store
 * was asked for has come. `loop` is the thread's, `deadline_ns` that of the request (0: none).
 * Takes a reference of `features`. */
void ax_service_pass_begin(struct ax_service_pass *pass, struct ax_serving_features *features,
                           size_t rows, struct ax_arena *arena, struct ax_loop *loop,
                           uint64_t deadline_ns);
/* NULL is fine, and one that has not begun: a fetch is cancelled, the reference given back, and all
 * calls are done with. */
void ax_service_pass_done(struct ax_service_pass *pass);

/* Whether a call of this service can be with the others, so that a slice stays small. */
bool ax_service_pass_has_room(const struct ax_service_pass *pass,
                              const struct ax_serving_service *service, enum ax_service_tell tell);

/* Go on for about as long as reading `byte_budget` bytes takes, and add that to *cost. *ret_waits:
 * not before `woken` was called. *ret_done: the rows of all calls are filled, with their defaults,
 * but of those that have an `err`: INVALID (names the value and the row), UNSUPPORTED, TOO_LARGE,
 * LIMIT. */
void ax_service_pass_step(struct ax_service_pass *pass, size_t byte_budget, size_t *cost,
                          bool *ret_done, bool *ret_waits);

/* ---- for its calls ---- */

void ax_service_pass_add(struct ax_service_pass *pass, struct ax_service_call *call);

#endif
