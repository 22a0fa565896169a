/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prediction: one request for scores, from its body to its answer.
 *
 * What all protocols share lives here: reading and printing in slices, the reference on the
 * version, scoring, counting. What differs is a form: a const table of functions, one a protocol. A
 * form's own struct begins with a struct ax_prediction and lies in the request's arena; the
 * request's `user` points at it (server/request_user.h). Everything runs on the request's I/O
 * thread.
 */
#ifndef AX_SERVER_PREDICTION_H
#define AX_SERVER_PREDICTION_H

#include "server/cold_wait.h"
#include "server/router.h"
#include "server/scoring.h"

/* A slice of reading and of printing. */
#define AX_PREDICTION_READ_BYTES  ((size_t)16 << 10)
#define AX_PREDICTION_PRINT_BYTES ((size_t)64 << 10)

struct ax_prediction;

struct ax_prediction_form {
    /* Read on for about `byte_budget` bytes of the body. When *ret_done is set, `rows` are complete
     * and `wanted` says what to score. Expected: INVALID, UNSUPPORTED, TOO_LARGE, LIMIT. */
    enum ax_code (*read)(struct ax_prediction *prediction, size_t byte_budget, bool *ret_done,
                         struct ax_err *err);

    /* Print on, about `byte_budget` bytes; true when the answer is complete. A failure of the
     * buffer sticks and is found by the caller; print may stop early then. */
    bool (*print)(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget);

    /* The HTTP status of a failure. */
    int (*status)(enum ax_code code);

    /* (optional) For a request to several versions, whose `read` makes the rows of one part after
     * another. A part was scored, or failed; then `read` goes on, and when it is done without
     * having made `rows`, no part is left and the answer is printed. */
    void (*part_over)(struct ax_prediction *prediction, const struct ax_err *err);

    /* (optional) Such a request ended behind ax_prediction_begin_parts: count its parts
     * (ax_prediction_count) and give back what they hold. */
    void (*release_parts)(struct ax_prediction *prediction);

    /* (optional) The request ended: give back what the form's own holds. */
    void (*release)(struct ax_prediction *prediction);

    /* (optional) The version is cold, so that the body cannot be read: look into it for a timeout,
     * as far as a slice goes (ax_prediction_limit_us). What is wrong with it is found later. */
    void (*peek)(struct ax_prediction *prediction);

    /* (optional) Print the body of a failure. NULL: {"error":"text"}. */
    void (*put_error)(const struct ax_err *err, struct ax_buf *out);

    size_t value_bytes;  /* what a value takes in an answer, about */
    bool names_priority; /* the body may name one, as "priority" */
    bool names_timeout;  /* the body may name one */
};

struct ax_prediction {
    struct ax_scoring_job job; /* first: request->user is the job, too */
    const struct ax_prediction_form *form;
    struct ax_server_thread *thread;
    struct ax_rows rows;      /* the form's read makes them */
    bool *wanted;             /* one an output of the signature; set by read */
    size_t value_count;       /* that were wanted, of all parts */
    size_t told_bytes;        /* what the answer has beside values, about */
    struct ax_buf body;       /* of an answer in slices */
    const char *content_type; /* of the answer; NULL: application/json; print may set it */
    char extra_headers[64];   /* empty, or lines as struct ax_answer has them; print may set it */

    struct ax_account *account;  /* where it is counted: the version's, or no model's */
    enum ax_code outcome;        /* as answered; CANCELLED until then */
    bool holds_account;          /* since it waits, and holds no version that would keep it */
    bool is_miss;                /* its version was not ready when it came */
    bool has_parts;              /* which are counted, and not the whole */
    uint64_t handed_ns, read_ns; /* when it was begun, and when its body was read */
    uint64_t deadline_ns;        /* that the request names; 0: none */
    uint64_t priority;           /* likewise */
    _Atomic size_t *entered;     /* where it is counted as one of its version; NULL: nowhere */

    uint64_t wait_until_ns;       /* for all versions together; 0: it never waited */
    struct ax_cold_wait *wait;    /* for the version that it names; NULL: it never did */
    struct ax_cold_wait *awaited; /* it goes on when this one is told; NULL: it does not wait */
    void (*go_on)(struct ax_prediction *prediction);
    bool is_waiting; /* for ax_prediction_wake */
};

/* The HTTP status of a failure, as the code's table has it; but a deadline that is missed is
 * overload to the client: 503, too. */
int ax_prediction_status(enum ax_code code);

/* While reading: the request names a timeout, from its first byte; 0, and what is too long to be
 * counted, is none. The shortest of those that it names counts. */
void ax_prediction_limit_us(struct ax_prediction *prediction, uint64_t timeout_us);

/* Begin for the version that the path names; `prediction` is zeroed. Answers now or later. When the
 * body is not here yet (call->is_head) it refuses now, or does nothing. */
void ax_prediction_start(struct ax_call *call, const struct ax_prediction_form *form,
                         struct ax_prediction *prediction);

/* Begin for versions that the body names, with a form that has parts. The parts hold their
 * versions: read sets job.served, `rows` and `wanted` anew for each. */
void ax_prediction_start_parts(struct ax_call *call, const struct ax_prediction_form *form,
                               struct ax_prediction *prediction);

/* A part whose version was found: take it as one more request of that, or refuse it when too many
 * are there. Expected: LIMIT. */
enum ax_code ax_prediction_enter(struct ax_prediction *part, struct ax_err *err);

/* Count a part that ended: a copy of the prediction as it was then, with its own account, which was
 * entered, and its own outcome. */
void ax_prediction_count(struct ax_prediction *part);

/* Count a request for which there is no prediction. */
void ax_prediction_count_refused(const struct ax_call *call, enum ax_code code);

/* Count and answer a request for which not even a prediction can be begun. */
void ax_prediction_refuse(struct ax_call *call, const struct ax_prediction_form *form,
                          const struct ax_err *err);

/* While reading: find a version. When it is cold, it was asked for, and *ret_served is NULL: find
 * again when it is told of. Who has nothing else to do until then calls ax_prediction_await, and
 * read returns without being done. *wait is what was asked under this name, NULL at first, and is
 * withdrawn by whoever ends the request. `model` and `version` live as long as the request.
 * Expected: NOT_FOUND, UNAVAILABLE, TIMEOUT, LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_prediction_find(struct ax_prediction *prediction, struct ax_str model,
                                            struct ax_str version, struct ax_cold_wait **wait,
                                            struct ax_served **ret_served, struct ax_err *err);

/* While reading: read is not called before what *wait asks for is told of. It holds no version. */
void ax_prediction_await(struct ax_prediction *prediction, struct ax_cold_wait *wait);

/* While reading: read is not called before ax_prediction_wake is. It holds its version. */
void ax_prediction_wait(struct ax_prediction *prediction);
/* On its thread, at any time but while reading: what it waited for has come. */
void ax_prediction_wake(struct ax_prediction *prediction);

/* When its time is over, as far as it is known while its body is read, monotonic; 0: never. */
uint64_t ax_prediction_deadline_ns(const struct ax_prediction *prediction);

/* While reading: from here on the request is its parts: each has an account, which was entered, and
 * the whole has none. */
void ax_prediction_begin_parts(struct ax_prediction *prediction);

/* While reading, before `rows` exist: go over to another version of the same model; *ret_waits: it
 * is waited for, and none is held meanwhile; read returns without being done. Expected: NOT_FOUND,
 * UNAVAILABLE, TIMEOUT, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_prediction_choose(struct ax_prediction *prediction,
                                              struct ax_str version, bool *ret_waits,
                                              struct ax_err *err);

#endif
