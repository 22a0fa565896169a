/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints of the server: one table of method, pattern and function.
 *
 * A pattern is literal text with {m} for a model's name, {v} for a version, {s} for a service of
 * features, and {r} for a region or a repository that nobody asks for; each stands for one
 * non-empty segment of the percent-decoded path, or for its beginning where text follows, as in
 * {m}:predict. Query strings do not take part.
 */
#ifndef AX_SERVER_ROUTER_H
#define AX_SERVER_ROUTER_H

#include "net/http.h"

struct ax_server_thread;

/* A request at its endpoint. */
struct ax_call {
    struct ax_server_thread *thread;
    struct ax_request *request;
    struct ax_str model;   /* {m}, or empty */
    struct ax_str version; /* {v}, or empty */
    struct ax_str service; /* {s}, or empty */
    bool is_head;          /* its body is not here yet: it is refused now, or nothing is done */
    bool is_refused;       /* it was */
};

enum {
    /* Asks for scores: each such request that was received is counted, also one that is cut. */
    AX_ENDPOINT_SCORES = 1u << 0,
    /* Changes the server: taken from this host only, unless allow_remote_control says otherwise. */
    AX_ENDPOINT_CONTROLS = 1u << 1,
    /* Tells what only a version in memory knows: one that is cold is loaded first. */
    AX_ENDPOINT_WARMS = 1u << 2,
    /* The model's name may be empty: it is refused with a text that clients look for. */
    AX_ENDPOINT_NAMES = 1u << 3,
};

struct ax_endpoint {
    enum ax_http_method method; /* GET also answers HEAD */
    const char *pattern;
    void (*run)(struct ax_call *call);
    unsigned flags; /* AX_ENDPOINT_* */
};

/* Ends with a zeroed entry; docs list it, and tests/docs compare. */
extern const struct ax_endpoint ax_endpoints[];

/* Does the pattern match? Fills `model` and `version` of *call when it does. */
bool ax_endpoint_matches(const struct ax_endpoint *endpoint, struct ax_str path,
                         struct ax_call *call);

/* Hand a request to its endpoint, or answer 404 or 405. */
void ax_router_run(struct ax_server_thread *thread, struct ax_request *request);

/* A request whose body is still to come: false when it was refused, and answered. */
bool ax_router_head(struct ax_server_thread *thread, struct ax_request *request);

/* A request that will not be handed over: count it, if its endpoint asks for scores. */
void ax_router_incomplete(struct ax_server_thread *thread, struct ax_request *request,
                          enum ax_code code);

#endif
