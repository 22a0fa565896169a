/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of a model version: what became of each of its requests, and where their time went.
 *
 * Each prediction request is counted once, when it ends, under one code: requests received =
 * success + failed + rejected + cancelled + those in progress. /metrics, the statistics of the Open
 * Inference Protocol and the log all read the same counters. Counting is per thread and without a
 * lock (base/metric.h). Requests that named no version of ours have an account without names.
 */
#ifndef AX_SERVER_ACCOUNT_H
#define AX_SERVER_ACCOUNT_H

#include "base/metric.h"

#define AX_CODE_COUNT (AX_E_INTERNAL + 1)

/* The four ends of a request. */
enum ax_outcome {
    AX_OUTCOME_SUCCESS,   /* answered with scores */
    AX_OUTCOME_FAILED,    /* the request or the model was at fault */
    AX_OUTCOME_REJECTED,  /* not taken at this moment: full, too late, still loading */
    AX_OUTCOME_CANCELLED, /* its client left, or the server's own end cut it */
    AX_OUTCOME_COUNT,
};

enum ax_outcome ax_outcome_from_code(enum ax_code code);

/* The time of a successful request, in nanoseconds. */
struct ax_account_spent {
    uint64_t request_ns; /* from its first byte to its answer */
    uint64_t input_ns;   /* reading the body */
    uint64_t queue_ns;   /* between body and answer, when neither of the others was done */
    uint64_t infer_ns;   /* in the engine, in all calls that scored its rows */
    uint64_t output_ns;  /* from the engine's end to the answer */
};

/* Engine calls are told apart by their rows: 1 to 8 exactly, above by the next power of two. */
#define AX_ACCOUNT_CLASSES 25

struct ax_account {
    ax_metric requests[AX_CODE_COUNT]; /* by enum ax_code */
    ax_metric in_progress;
    ax_metric rows;
    ax_metric batches;
    ax_metric request_seconds;
    ax_metric predict_seconds;
    ax_metric cells; /* what only the statistics show; see account.c */
};

/* Register the series of a version. Control threads. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_account_init(struct ax_account *account, const char *model,
                                         const char *version, struct ax_err *err);

/* The account of requests that named no version of ours; registered before threads begin. */
const struct ax_account *ax_account_no_model(void);
AX_MUST_USE enum ax_code ax_account_register_no_model(struct ax_err *err);

/* A request of this version begins, or ends (or goes over to another account). */
void ax_account_enter(const struct ax_account *account);
void ax_account_leave(const struct ax_account *account);

/* Count a request that ends without success. `took_ns`: since its first byte. */
void ax_account_fail(const struct ax_account *account, enum ax_code code, uint64_t took_ns);

/* Count one that succeeded; its rows were scored by calls of `call_rows` rows, the last of them;
 * 0: there was nothing to score. */
void ax_account_succeed(const struct ax_account *account, const struct ax_account_spent *spent,
                        size_t call_rows);

/* Count a call of the engine. */
void ax_account_call(const struct ax_account *account, size_t rows, uint64_t took_ns);

/* What was counted so far. */
struct ax_account_reading {
    uint64_t codes[AX_CODE_COUNT];
    uint64_t outcomes[AX_OUTCOME_COUNT];
    int64_t in_progress;
    uint64_t rows, calls;
    uint64_t fail_ns;              /* of all that did not succeed */
    struct ax_account_spent spent; /* of those that did, summed */
};
void ax_account_read(const struct ax_account *account, struct ax_account_reading *ret_reading);

/* The same by the rows of a call. */
struct ax_account_class {
    uint64_t call_count, infer_ns; /* of calls */
    uint64_t input_ns, output_ns;  /* of the requests that they scored */
};
void ax_account_read_classes(const struct ax_account *account,
                             struct ax_account_class ret_classes[AX_ACCOUNT_CLASSES]);

/* All that ended, in whatever way. */
uint64_t ax_account_received(const struct ax_account_reading *reading);

/* The most rows of a call in this class. */
size_t ax_account_class_rows(size_t index);

#endif
