/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series, cells and what they mean.
 *
 * Series are registered on a control thread, so that the data plane only writes to numbers it
 * finds. A label is never taken from a request: what names no version of ours is counted under
 * empty names, however it was spelled.
 *
 * The book finds accounts by name. A count of references above one is changed without its lock; the
 * steps between one and none are taken under it, so an account that is being given back is never
 * found. Giving back moves what was counted a series at a time.
 *
 * What only the statistics of the Open Inference Protocol show stands in cells of its own, which
 * no scrape prints: times by stage, and a small table by the rows of a call. Everything is a sum
 * that only grows, so two readings have a difference; a reading is no moment: cells that were
 * written together may be seen apart.
 */
#include "server/account.h"

#include "base/alloc.h"
#include "base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static const struct ax_metric_family requests_family = {
    .name = "ax_requests_total",
    .help = "Prediction requests that ended, by the outcome's code.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version,code",
};

static const struct ax_metric_family in_progress_family = {
    .name = "ax_requests_in_progress",
    .help = "Prediction requests that were handed over and have not ended.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static const struct ax_metric_family rows_family = {
    .name = "ax_rows_total",
    .help = "Rows that were scored.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family batches_family = {
    .name = "ax_batches_total",
    .help = "Calls of the engine: joined requests, or a slice of a large one.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family request_seconds_family = {
    .name = "ax_request_duration_seconds",
    .help = "From the first byte of a prediction request to its end.",
    .type = AX_METRIC_HISTOGRAM_COARSE,
    .labels = "model,version",
};

static const struct ax_metric_family predict_seconds_family = {
    .name = "ax_predict_duration_seconds",
    .help = "A call of the engine.",
    .type = AX_METRIC_HISTOGRAM_COARSE,
    .labels = "model,version",
};

static const struct ax_metric_family hits_family = {
    .name = "ax_model_hits_total",
    .help = "Prediction requests that found their version ready.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family misses_family = {
    .name = "ax_model_misses_total",
    .help =
        "Prediction requests that waited for their version, or were refused as it is not ready.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family loads_family = {
    .name = "ax_model_loads_total",
    .help = "Times that a version was loaded and checked.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family load_failures_family = {
    .name = "ax_model_load_failures_total",
    .help = "Times that loading a version failed.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family evictions_family = {
    .name = "ax_model_evictions_total",
    .help = "Times that a version had to leave, since others need the memory.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

/* The outcomes that are counted apart; any other one counts as INTERNAL. */
static const enum ax_code counted_codes[] = {
    AX_OK,      AX_E_INVALID, AX_E_NOT_FOUND,   AX_E_CANCELLED,   AX_E_TOO_LARGE,
    AX_E_LIMIT, AX_E_TIMEOUT, AX_E_UNAVAILABLE, AX_E_UNSUPPORTED, AX_E_INTERNAL,
};

/* Of account->cells. Behind them: CLASS_COUNT cells a class. */
enum {
    CELL_FAIL_NS,
    CELL_REQUEST_NS,
    CELL_INPUT_NS,
    CELL_QUEUE_NS,
    CELL_INFER_NS,
    CELL_OUTPUT_NS,
    CELL_COUNT,
};
enum { CLASS_CALLS, CLASS_INFER_NS, CLASS_INPUT_NS, CLASS_OUTPUT_NS, CLASS_COUNT };

#define CELLS         (CELL_COUNT + CLASS_COUNT * AX_ACCOUNT_CLASSES)
#define CLASSES_EXACT ((size_t)8)

#define NAME_BYTES_MAX 1024

/* What an account takes: its codes, 8 counters and gauges, two histograms, and CELLS; and what all
 * that is no version's takes, by far. */
#define ACCOUNT_CELLS (AX_COUNT(counted_codes) + 8 + 2 * AX_METRIC_RESERVE_MAX + CELLS)
static_assert(CELLS <= AX_METRIC_RESERVE_MAX &&
                  AX_ACCOUNT_VERSIONS_MAX * ACCOUNT_CELLS + 65536 <= AX_METRIC_CELLS_MAX,
              "the accounts of versions have room");

/* All accounts; guarded by its lock, but for no_model, which is there all the time. */
static struct {
    pthread_mutex_t lock;
    struct ax_map accounts; /* model, NUL, version -> struct ax_account, of those with series */
    size_t versions_max;
    struct ax_account *no_model;
    struct ax_account *gone, *other; /* NULL until needed; one reference each */
} book = { .lock = PTHREAD_MUTEX_INITIALIZER, .versions_max = AX_ACCOUNT_VERSIONS_MAX };

/* Counts nothing; its one reference is never dropped. */
static struct ax_account nowhere = {
    .refs = 1, .model = (char[]){ "" }, .version = (char[]){ "" }, .labels = (char[]){ "" }
};

static void book_lock(void)
{
    int failed = pthread_mutex_lock(&book.lock);
    assert(!failed);
}

static void book_unlock(void)
{
    int failed = pthread_mutex_unlock(&book.lock);
    assert(!failed);
}

enum ax_outcome ax_outcome_from_code(enum ax_code code)
{
    if (code == AX_OK)
        return AX_OUTCOME_SUCCESS;
    if (code == AX_E_CANCELLED)
        return AX_OUTCOME_CANCELLED;
    if (code == AX_E_LIMIT || code == AX_E_TIMEOUT || code == AX_E_UNAVAILABLE)
        return AX_OUTCOME_REJECTED;
    return AX_OUTCOME_FAILED;
}

/* The series of an account but for its codes and cells, and where their numbers stand. */
static const struct {
    const struct ax_metric_family *family;
    size_t offset;
    bool is_scoring; /* without a model nothing is scored, nor loaded */
} account_series[] = {
    { &request_seconds_family, offsetof(struct ax_account, request_seconds), false },
    { &in_progress_family, offsetof(struct ax_account, in_progress), false },
    { &rows_family, offsetof(struct ax_account, rows), true },
    { &batches_family, offsetof(struct ax_account, batches), true },
    { &predict_seconds_family, offsetof(struct ax_account, predict_seconds), true },
    { &hits_family, offsetof(struct ax_account, hits), true },
    { &misses_family, offsetof(struct ax_account, misses), true },
    { &loads_family, offsetof(struct ax_account, loads), true },
    { &load_failures_family, offsetof(struct ax_account, load_failures), true },
    { &evictions_family, offsetof(struct ax_account, evictions), true },
};

static ax_metric *account_number(struct ax_account *account, size_t offset)
{
    return (ax_metric *)((char *)account + offset);
}

/* The name of an account: its model, a NUL, its version. */
static struct ax_str put_name(char name[NAME_BYTES_MAX], const char *model, const char *version)
{
    size_t model_bytes = strlen(model) + 1;
    size_t version_bytes = strlen(version) + 1;
    assert(model_bytes + version_bytes <= NAME_BYTES_MAX); /* A model's name has 128 at most. */
    memcpy(name, model, model_bytes);
    memcpy(name + model_bytes, version, version_bytes);
    return (struct ax_str){ name, model_bytes + version_bytes - 1 };
}

static enum ax_code account_register(struct ax_account *account, struct ax_err *err)
{
    struct ax_str labels[3] = { ax_str_from(account->model), ax_str_from(account->version) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        enum ax_code code = counted_codes[i];
        labels[2] = ax_str_from(ax_code_name(code));
        if (ax_metric_register(&requests_family, labels, &account->requests[code], err))
            return err->code;
    }
    for (size_t i = 0; i < AX_COUNT(account_series); i++) {
        ax_metric *number = account_number(account, account_series[i].offset);
        if ((account->model[0] || !account_series[i].is_scoring) &&
            ax_metric_register(account_series[i].family, labels, number, err))
            return err->code;
    }
    char name[NAME_BYTES_MAX];
    return ax_metric_reserve(put_name(name, account->model, account->version), CELLS,
                             &account->cells, err);
}

/* What was counted, as far as it was registered, is counted by `into` from here on. */
static void account_unregister(struct ax_account *account, struct ax_account *into)
{
    struct ax_str labels[3] = { ax_str_from(account->model), ax_str_from(account->version) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        enum ax_code code = counted_codes[i];
        labels[2] = ax_str_from(ax_code_name(code));
        ax_metric_unregister(&requests_family, labels, into->requests[code]);
    }
    for (size_t i = 0; i < AX_COUNT(account_series); i++)
        ax_metric_unregister(account_series[i].family, labels,
                             *account_number(into, account_series[i].offset));
    char name[NAME_BYTES_MAX];
    ax_metric_unreserve(put_name(name, account->model, account->version), CELLS, into->cells);
}

/* Escaped once: a scrape has them on many lines. NULL without memory. */
static char *labels_of(const char *model, const char *version)
{
    const struct ax_str values[] = { ax_str_from(model), ax_str_from(version) };
    struct ax_buf out;
    ax_buf_init(&out, (size_t)8 * NAME_BYTES_MAX);
    ax_metric_print_labels(&out, "model,version", values);
    char *labels = ax_buf_take(&out);
    ax_buf_done(&out);
    return labels;
}

static void account_free(struct ax_account *account)
{
    free(account->labels);
    free(account->model);
    free(account->version);
    free(account);
}

/* With one reference; NULL when there was no memory for its series. That they have room follows
 * from the limits. */
static struct ax_account *account_new(const char *model, const char *version)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_account *account = ax_xalloc(sizeof(*account));
    atomic_init(&account->refs, 1);
    account->model = ax_xstrdup(model);
    account->version = ax_xstrdup(version);
    account->labels = labels_of(model, version);
    if (account->labels && account_register(account, &err) == AX_OK)
        return account;
    account_unregister(account, &nowhere);
    account_free(account);
    return NULL;
}

/* One of the accounts that are no version's. Where it cannot be made, what belongs there is counted
 * with what names no model, so that the sums stay right. */
static struct ax_account *book_special(struct ax_account **account, const char *model)
{
    if (!*account)
        *account = account_new(model, "");
    struct ax_account *instead = book.no_model ? book.no_model : &nowhere;
    return *account ? *account : instead;
}

void ax_account_set_up(size_t versions_max)
{
    assert(versions_max <= AX_ACCOUNT_VERSIONS_MAX);
    book_lock();
    book.versions_max = versions_max;
    (void)book_special(&book.no_model, "");
    assert(book.no_model); /* Nobody serves without memory for it. */
    book_unlock();
}

struct ax_account *ax_account_no_model(void)
{
    assert(book.no_model);
    return book.no_model;
}

struct ax_account *ax_account_open(const char *model, const char *version)
{
    assert(model && model[0] && version);
    char text[NAME_BYTES_MAX];
    struct ax_str name = put_name(text, model, version);
    book_lock();
    struct ax_account *account = ax_map_get(&book.accounts, name);
    struct ax_account *opened = NULL;
    if (!account && book.accounts.count < book.versions_max)
        opened = account_new(model, version);
    if (opened) {
        account = opened;
        (void)ax_map_put(&book.accounts, name, account);
    } else {
        if (!account)
            account = book_special(&book.other, AX_ACCOUNT_OTHER);
        (void)ax_account_ref(account);
    }
    book_unlock();
    return account;
}

struct ax_account *ax_account_ref(struct ax_account *account)
{
    assert(account);
    (void)atomic_fetch_add_explicit(&account->refs, 1, memory_order_relaxed);
    return account;
}

/* The last reference of a version's account was dropped. */
static void book_give_back(struct ax_account *account)
{
    char name[NAME_BYTES_MAX];
    void *found = ax_map_remove(&book.accounts, put_name(name, account->model, account->version));
    assert(found == account);
    account_unregister(account, book_special(&book.gone, AX_ACCOUNT_GONE));
    account_free(account);
}

/* True: it was the last one. */
static bool account_drop(struct ax_account *account)
{
    unsigned refs = atomic_load_explicit(&account->refs, memory_order_relaxed);
    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&account->refs, &refs, refs - 1,
                                                  memory_order_release, memory_order_relaxed))
            return false;
    book_lock();
    bool is_last = atomic_fetch_sub_explicit(&account->refs, 1, memory_order_acq_rel) == 1;
    if (is_last)
        book_give_back(account);
    book_unlock();
    return is_last;
}

void ax_account_unref(struct ax_account *account)
{
    if (account)
        (void)account_drop(account);
}

bool ax_account_is_shared(const struct ax_account *account)
{
    assert(account);
    return !account->model[0] || strcmp(account->model, AX_ACCOUNT_GONE) == 0 ||
           strcmp(account->model, AX_ACCOUNT_OTHER) == 0;
}

/* The lock is held. */
static struct ax_account **book_list(size_t *ret_count)
{
    struct ax_account *specials[] = { book.no_model, book.gone, book.other };
    struct ax_account **accounts =
        ax_xalloc((AX_COUNT(specials) + book.accounts.count) * sizeof(struct ax_account *));
    size_t count = 0;
    for (size_t i = 0; i < AX_COUNT(specials); i++)
        if (specials[i])
            accounts[count++] = ax_account_ref(specials[i]);
    size_t at = 0;
    struct ax_str name;
    void *account;
    while (ax_map_next(&book.accounts, &at, &name, &account))
        accounts[count++] = ax_account_ref(account);
    *ret_count = count;
    return accounts;
}

struct ax_account **ax_account_list(size_t *ret_count)
{
    assert(ret_count && book.no_model);
    book_lock();
    struct ax_account **accounts = book_list(ret_count);
    book_unlock();
    return accounts;
}

struct ax_account **ax_account_list_scrape(size_t *ret_count, struct ax_metric_scrape **ret_scrape)
{
    assert(ret_count && ret_scrape && book.no_model);
    book_lock();
    struct ax_account **accounts = book_list(ret_count);
    *ret_scrape = ax_metric_scrape_new();
    book_unlock();
    return accounts;
}

void ax_account_list_free(struct ax_account **accounts, size_t count)
{
    for (size_t i = 0; accounts && i < count; i++)
        ax_account_unref(accounts[i]);
    free(accounts);
}

/* Giving an account's series back takes some 50 us, any other reference a few nanoseconds. */
#define DROPPED_LAST_MAX 4

bool ax_account_list_drop(struct ax_account **accounts, size_t count, size_t *at)
{
    assert((accounts || !count) && at && *at <= count);
    for (size_t last_ones = 0; *at < count && last_ones < DROPPED_LAST_MAX; (*at)++)
        last_ones += account_drop(accounts[*at]);
    return *at == count;
}

void ax_account_enter(const struct ax_account *account)
{
    ax_metric_gauge_add(account->in_progress, 1);
}

void ax_account_leave(const struct ax_account *account)
{
    ax_metric_gauge_add(account->in_progress, -1);
}

void ax_account_found(const struct ax_account *account, bool is_ready)
{
    assert(account);
    ax_metric_add(is_ready ? account->hits : account->misses, 1);
}

void ax_account_fail(const struct ax_account *account, enum ax_code code, uint64_t took_ns)
{
    assert(account && code != AX_OK && code < AX_CODE_COUNT);
    ax_metric counter = account->requests[code];
    ax_metric_add(counter ? counter : account->requests[AX_E_INTERNAL], 1);
    ax_metric_observe_ns(account->request_seconds, took_ns);
    ax_metric_add(account->cells + CELL_FAIL_NS, took_ns);
}

/* Which class a call of so many rows, at least one, belongs to. */
static size_t class_of(size_t rows)
{
    if (rows <= CLASSES_EXACT)
        return rows - 1;
    /* 9 to 16 is the first behind the exact ones. */
    size_t octave = 64 - (size_t)__builtin_clzll((unsigned long long)rows - 1) - 4;
    return AX_MIN(CLASSES_EXACT + octave, (size_t)AX_ACCOUNT_CLASSES - 1);
}

size_t ax_account_class_rows(size_t index)
{
    assert(index < AX_ACCOUNT_CLASSES);
    return index < CLASSES_EXACT ? index + 1 : (size_t)16 << (index - CLASSES_EXACT);
}

static ax_metric class_cells(const struct ax_account *account, size_t rows)
{
    return account->cells + CELL_COUNT + CLASS_COUNT * (ax_metric)class_of(rows);
}

void ax_account_succeed(const struct ax_account *account, const struct ax_account_spent *spent,
                        size_t call_rows)
{
    assert(account && spent);
    ax_metric_add(account->requests[AX_OK], 1);
    ax_metric_observe_ns(account->request_seconds, spent->request_ns);
    ax_metric_add(account->cells + CELL_REQUEST_NS, spent->request_ns);
    ax_metric_add(account->cells + CELL_INPUT_NS, spent->input_ns);
    ax_metric_add(account->cells + CELL_QUEUE_NS, spent->queue_ns);
    ax_metric_add(account->cells + CELL_INFER_NS, spent->infer_ns);
    ax_metric_add(account->cells + CELL_OUTPUT_NS, spent->output_ns);
    if (call_rows == 0)
        return;
    ax_metric cells = class_cells(account, call_rows);
    ax_metric_add(cells + CLASS_INPUT_NS, spent->input_ns);
    ax_metric_add(cells + CLASS_OUTPUT_NS, spent->output_ns);
}

void ax_account_call(const struct ax_account *account, size_t rows, uint64_t took_ns)
{
    assert(account && rows);
    ax_metric_add(account->batches, 1);
    ax_metric_observe_ns(account->predict_seconds, took_ns);
    ax_metric cells = class_cells(account, rows);
    ax_metric_add(cells + CLASS_CALLS, 1);
    ax_metric_add(cells + CLASS_INFER_NS, took_ns);
}

uint64_t ax_account_received(const struct ax_account_reading *reading)
{
    assert(reading);
    uint64_t received = 0;
    for (size_t i = 0; i < AX_OUTCOME_COUNT; i++)
        received += reading->outcomes[i];
    return received;
}

static uint64_t read_counter(ax_metric metric)
{
    return (uint64_t)ax_metric_read(metric);
}

void ax_account_read(const struct ax_account *account, struct ax_account_reading *ret_reading)
{
    assert(account && ret_reading);
    uint64_t cells[CELL_COUNT];
    struct ax_account_reading reading = { .in_progress = ax_metric_read(account->in_progress),
                                          .rows = read_counter(account->rows),
                                          .calls = read_counter(account->batches),
                                          .hits = read_counter(account->hits),
                                          .misses = read_counter(account->misses),
                                          .loads = read_counter(account->loads),
                                          .load_failures = read_counter(account->load_failures),
                                          .evictions = read_counter(account->evictions) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        enum ax_code code = counted_codes[i];
        reading.codes[code] = read_counter(account->requests[code]);
        reading.outcomes[ax_outcome_from_code(code)] += reading.codes[code];
    }
    ax_metric_read_cells(account->cells, CELL_COUNT, cells);
    reading.fail_ns = cells[CELL_FAIL_NS];
    reading.spent = (struct ax_account_spent){ .request_ns = cells[CELL_REQUEST_NS],
                                               .input_ns = cells[CELL_INPUT_NS],
                                               .queue_ns = cells[CELL_QUEUE_NS],
                                               .infer_ns = cells[CELL_INFER_NS],
                                               .output_ns = cells[CELL_OUTPUT_NS] };
    *ret_reading = reading;
}

void ax_account_read_classes(const struct ax_account *account,
                             struct ax_account_class ret_classes[AX_ACCOUNT_CLASSES])
{
    assert(account && ret_classes);
    uint64_t cells[CELLS];
    ax_metric_read_cells(account->cells, CELLS, cells);
    for (size_t i = 0; i < AX_ACCOUNT_CLASSES; i++) {
        const uint64_t *of_class = cells + CELL_COUNT + CLASS_COUNT * i;
        ret_classes[i] = (struct ax_account_class){ .call_count = of_class[CLASS_CALLS],
                                                    .infer_ns = of_class[CLASS_INFER_NS],
                                                    .input_ns = of_class[CLASS_INPUT_NS],
                                                    .output_ns = of_class[CLASS_OUTPUT_NS] };
    }
}
