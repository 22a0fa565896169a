/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of a model version: what became of each of its requests, and where their time went.
 *
 * Each prediction request is counted once, when it ends, under one code: requests received =
 * success + failed + rejected + cancelled + those in progress. /metrics, the statistics of the Open
 * Inference Protocol and the log all read the same counters. Counting is per thread and without a
 * lock (base/metric.h).
 *
 * Accounts are counted objects, found by the names of their version: whoever counts holds a
 * reference, or is inside a wake-up that sees a catalog which does. When the last one lets go, the
 * series are given back and what they counted is added to the account of versions that are gone. At
 * most so many versions as were set up have series of their own; the others share one account.
 * Requests that named no version of ours have an account without names. So whatever comes and goes,
 * the sum over all accounts is exact.
 */
#ifndef AX_SERVER_ACCOUNT_H
#define AX_SERVER_ACCOUNT_H

#include "base/metric.h"

#include <stdatomic.h>

#define AX_CODE_COUNT (AX_E_INTERNAL + 1)

/* The names of two accounts that are no version's; no model may have one. */
#define AX_ACCOUNT_GONE  "_gone"  /* of versions that are there no more */
#define AX_ACCOUNT_OTHER "_other" /* of those that came when there was no room */

/* Most versions that may have series of their own, by their cells. */
#define AX_ACCOUNT_VERSIONS_MAX ((size_t)2500)

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
    _Atomic unsigned refs;
    char *model, *version;             /* as the labels are */
    char *labels;                      /* both as a scrape shows them: model="m",version="1" */
    ax_metric requests[AX_CODE_COUNT]; /* by enum ax_code */
    ax_metric in_progress;
    ax_metric rows;
    ax_metric batches;
    ax_metric request_seconds;
    ax_metric predict_seconds;
    ax_metric hits, misses;
    ax_metric loads, load_failures, evictions;
    ax_metric cells; /* what only the statistics show; see account.c */
};

/* Before threads count: at most `versions_max` versions that are opened from here on will have
 * series of their own (without this call, AX_ACCOUNT_VERSIONS_MAX), and there is an account of no
 * model. */
void ax_account_set_up(size_t versions_max);

/* The account of a version, with one reference more: the same as long as anybody holds it, or the
 * shared one when there is no room. Not in a wake-up; takes a lock. */
struct ax_account *ax_account_open(const char *model, const char *version) AX_RETURNS_NONNULL;
struct ax_account *ax_account_ref(struct ax_account *account) AX_RETURNS_NONNULL;
/* NULL is fine. Any thread; the last one takes a lock. */
void ax_account_unref(struct ax_account *account);

/* The account of requests that named no version of ours. It is always there. */
struct ax_account *ax_account_no_model(void) AX_RETURNS_NONNULL;

/* Whether it is that of no model, of other or of gone versions. */
bool ax_account_is_shared(const struct ax_account *account);

/* All accounts that there are at this moment, each referenced: the one without names, then, if
 * there are such, those of gone and of other versions, then those of versions, by the time that
 * they were opened. As long as the references are held, nothing moves between accounts. Takes a
 * lock. */
struct ax_account **ax_account_list(size_t *ret_count) AX_RETURNS_NONNULL;
/* The same, and a scrape that shows the series of just these: while the references are held, sums
 * over a family of it are exact. */
struct ax_account **ax_account_list_scrape(size_t *ret_count,
                                           struct ax_metric_scrape **ret_scrape) AX_RETURNS_NONNULL;
void ax_account_list_free(struct ax_account **accounts, size_t count);

/* Give back the references of a list from *at on, as many as an I/O thread may in one step: those
 * that were the last ones cost. True: that was all; `accounts` itself is the caller's. */
bool ax_account_list_drop(struct ax_account **accounts, size_t count, size_t *at);

/* A request of this version begins, or ends (or goes over to another account). */
void ax_account_enter(const struct ax_account *account);
void ax_account_leave(const struct ax_account *account);

/* Beside one of the next two, for each request: whether it found its version ready, or waited for
 * it, or was refused since it is not. */
void ax_account_found(const struct ax_account *account, bool is_ready);

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
    uint64_t hits, misses;
    uint64_t loads, load_failures, evictions;
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
