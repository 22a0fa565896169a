/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex bench`: a server under load, measured.
 *
 * Makes the bytes of all requests beforehand, from a file or from what the server says of a model,
 * runs net/load.h over them, once or for each step of a ramp, and prints what came of it. A run is
 * a failure when any request was not answered with 2xx, and when the generator itself was too late
 * to judge (docs/internals/load-client.md); a ramp is one when no rate passed.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "cmd/bench_model.h"
#include "cmd/bench_report.h"
#include "cmd/bench_requests.h"
#include "cmd/cmd.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "net/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_BYTES_MAX     ((size_t)256 << 20)
#define METADATA_BYTES_MAX ((size_t)16 << 20)
#define PATH_BYTES_MAX     ((size_t)16 << 10)
#define REPORT_BYTES_MAX   ((size_t)1 << 20)
#define RAMP_FIRST_RATE    1000
#define DRAWN_COUNT        ((size_t)1 << 20) /* of a mix; then from the first one again */

struct bench_config {
    size_t threads;
    size_t connections;
    size_t pipeline;
    size_t rate;
    int schedule;
    bool ramp;
    uint64_t p99_ns;
    size_t seed;
    uint64_t duration_ns;
    size_t requests_max;
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    char *body;
    char *bodies;
    char *mix;
    char *model;
    char *model_version;
    char *metadata;
    size_t rows;
    int format;
    size_t distinct;
    struct ax_option_list values;
    char *content_type;
    struct ax_option_list header;
    char *records;
    bool allow_remote;
    bool quiet;
    bool json;
};

static const struct ax_option bench_options[] = {
    { AX_OPTION_SIZE, "threads", "1", offsetof(struct bench_config, threads), 1,
      AX_LOAD_THREADS_MAX, "threads", "Threads that send; the connections are shared out." },
    { AX_OPTION_SIZE, "connections", "16", offsetof(struct bench_config, connections), 1,
      AX_LOAD_CONNECTIONS_MAX, NULL, "Connections, opened before the run." },
    { AX_OPTION_SIZE, "pipeline", "1", offsetof(struct bench_config, pipeline), 1,
      AX_LOAD_PIPELINE_MAX, NULL, "Most requests in flight on a connection." },
    { AX_OPTION_SIZE, "rate", "0", offsetof(struct bench_config, rate), 0,
      (int64_t)AX_LOAD_RATE_MAX, "requests/s",
      "Requests a second whatever the server does (open loop); 0: closed loop. Of a ramp: the "
      "first "
      "one, 0 is 1000." },
    { AX_OPTION_CHOICE, "schedule", "constant", offsetof(struct bench_config, schedule), 0, 0,
      "constant|poisson", "How the requests of the open loop lie in time." },
    { AX_OPTION_BOOL, "ramp", "false", offsetof(struct bench_config, ramp), 0, 0, NULL,
      "Search the highest rate of the open loop whose p99 is within --p99; each step takes "
      "warm-up and duration." },
    { AX_OPTION_TIME, "p99", "5000", offsetof(struct bench_config, p99_ns), 1, 3600000000, "us",
      "The 99th percentile of latency that a ramp allows." },
    { AX_OPTION_SIZE, "seed", "1", offsetof(struct bench_config, seed), 0, INT64_MAX, NULL,
      "Of the Poisson schedule and of values for --model: the same seed gives the same ones." },
    { AX_OPTION_TIME, "duration", "10", offsetof(struct bench_config, duration_ns), 0, 3600, "s",
      "How long to measure; over 0." },
    { AX_OPTION_SIZE, "requests", "0", offsetof(struct bench_config, requests_max), 0, INT64_MAX,
      NULL, "Stop after so many measured requests; 0: by time alone." },
    { AX_OPTION_TIME, "warmup", "1", offsetof(struct bench_config, warmup_ns), 0, 3600, "s",
      "How long to send before measuring." },
    { AX_OPTION_TIME, "timeout", "5", offsetof(struct bench_config, timeout_ns), 1, 3600, "s",
      "How long to wait for a connection and for the last answers." },
    { AX_OPTION_TEXT, "body", NULL, offsetof(struct bench_config, body), 0, 0, NULL,
      "The body of every request; makes it a POST." },
    { AX_OPTION_TEXT, "bodies", NULL, offsetof(struct bench_config, bodies), 0, 0, NULL,
      "A file with one body a line, sent in turn; makes it a POST." },
    { AX_OPTION_TEXT, "mix", NULL, offsetof(struct bench_config, mix), 0, 0, "FILE",
      "Requests of several kinds, one a line: [WEIGHT] METHOD PATH [BODY]. With weights each one "
      "that is sent is drawn (--seed), without they are sent in turn. The URL is the server's "
      "alone." },
    { AX_OPTION_TEXT, "model", NULL, offsetof(struct bench_config, model), 0, 0, NULL,
      "Send infer requests made up for this model, whose metadata the server is asked for; the URL "
      "then is the server's alone." },
    { AX_OPTION_TEXT, "model_version", NULL, offsetof(struct bench_config, model_version), 0, 0,
      NULL, "Version of --model; the server chooses when none is given." },
    { AX_OPTION_TEXT, "metadata", NULL, offsetof(struct bench_config, metadata), 0, 0, "FILE",
      "The metadata of --model, for servers that tell none." },
    { AX_OPTION_SIZE, "rows", "0", offsetof(struct bench_config, rows), 0, AX_BENCH_ROWS_MAX,
      "rows",
      "Rows a request: made for --model (0 is 1); of other bodies what they hold, for "
      "rows/s." },
    { AX_OPTION_CHOICE, "format", "json", offsetof(struct bench_config, format), 0, 0,
      "json|binary", "How requests for --model carry their tensors." },
    { AX_OPTION_SIZE, "distinct", "256", offsetof(struct bench_config, distinct), 1, 1000000, NULL,
      "Different bodies made for --model, sent in turn." },
    { AX_OPTION_LIST, "values", NULL, offsetof(struct bench_config, values), 0, 0,
      "NAME=VALUE,VALUE…",
      "What an input of --model is drawn from; inputs that are texts need it." },
    { AX_OPTION_TEXT, "content_type", "application/json",
      offsetof(struct bench_config, content_type), 0, 0, NULL, "Of --body and --bodies." },
    { AX_OPTION_LIST, "header", NULL, offsetof(struct bench_config, header), 0, 0, NULL,
      "A header to add, 'Name: value'." },
    { AX_OPTION_TEXT, "records", NULL, offsetof(struct bench_config, records), 0, 0, "FILE",
      "Write what became of each measured request to a file, 32 bytes each "
      "(docs/internals/load-client.md)." },
    { AX_OPTION_BOOL, "allow_remote", "false", offsetof(struct bench_config, allow_remote), 0, 0,
      NULL, "Send load to another machine, too." },
    { AX_OPTION_BOOL, "quiet", "false", offsetof(struct bench_config, quiet), 0, 0, NULL,
      "Show no progress, which only a terminal gets." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct bench_config, json), 0, 0, NULL,
      "Print the result as one line of JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_bench_options[] = { bench_options, NULL };

/* What a run needs; filled step by step. */
struct bench {
    const struct bench_config *config;
    struct ax_target target;
    struct ax_buf path; /* of the requests, NUL-terminated */
    struct ax_bench_model *model;
    struct ax_bench_requests requests;
    uint32_t *order; /* of a mix with weights */
    FILE *records;
    bool records_failed;
};

/* ---- the requests ---- */

static struct ax_bench_head bench_head(const struct bench *bench)
{
    return (struct ax_bench_head){ .host = bench->target.host,
                                   .path = bench->path.ptr,
                                   .headers = &bench->config->header,
                                   .content_type = bench->config->content_type };
}

static enum ax_code bench_check(const struct bench_config *config, struct ax_err *err)
{
    int sources = (config->body != NULL) + (config->bodies != NULL) + (config->mix != NULL) +
                  (config->model != NULL);
    if (sources > 1)
        return ax_fail(err, AX_E_INVALID, "--body, --bodies, --mix and --model: give one of them");
    if (config->ramp && config->records)
        return ax_fail(err, AX_E_INVALID, "--records: a ramp has many runs; say --rate");
    if (config->model_version && !config->model)
        return ax_fail(err, AX_E_INVALID, "--model-version: say --model, too");
    if (config->metadata && !config->model)
        return ax_fail(err, AX_E_INVALID, "--metadata: say --model, too");
    if (config->values.count && !config->model)
        return ax_fail(err, AX_E_INVALID, "--values: say --model, too");
    if (config->duration_ns == 0)
        return ax_fail(err, AX_E_INVALID, "--duration: must be over 0, say 100ms");
    if (config->ramp && config->requests_max)
        return ax_fail(err, AX_E_INVALID, "--requests: the steps of --ramp end by time");
    return AX_OK;
}

/* What is no unreserved character of RFC 3986 becomes %XX. */
static void append_encoded(struct ax_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c);
        if (plain)
            (void)ax_buf_append_char(out, *text);
        else
            (void)ax_buf_printf(out, "%%%02X", c);
    }
}

/* The URL's own path, or that of the model below it, without what is done with the model. */
static enum ax_code bench_make_path(struct bench *bench, struct ax_err *err)
{
    const struct bench_config *config = bench->config;
    struct ax_str base = ax_str_from(bench->target.path);
    if (config->model && memchr(base.ptr, '?', base.len))
        return ax_fail(err, AX_E_INVALID, "url: with --model it has no '?'");
    while (config->model && base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    (void)ax_buf_append_str(&bench->path, base);
    if (config->model) {
        (void)ax_buf_append_str(&bench->path, AX_STR("/v2/models/"));
        append_encoded(&bench->path, config->model);
    }
    if (config->model_version) {
        (void)ax_buf_append_str(&bench->path, AX_STR("/versions/"));
        append_encoded(&bench->path, config->model_version);
    }
    (void)ax_buf_append_char(&bench->path, '\0');
    return ax_buf_check(&bench->path, "path", err);
}

/* GET the metadata; anything but 200 is a failure that shows what the server says. */
static enum ax_code bench_ask(const struct bench *bench, struct ax_buf *answer, struct ax_err *err)
{
    struct ax_bench_head head = bench_head(bench);
    struct ax_buf request;
    int status = 0;
    ax_buf_init(&request, (size_t)1 << 20);
    ax_bench_head_print(&head, (struct ax_str){ 0 }, &request);
    enum ax_code code = ax_buf_check(&request, "request", err);
    if (code == AX_OK)
        code = ax_fetch(&bench->target, ax_buf_str(&request), bench->config->timeout_ns, &status,
                        answer, err);
    ax_buf_done(&request);
    if (code || status == 200)
        return code;
    code = status == 404 ? AX_E_NOT_FOUND : status >= 500 ? AX_E_UNAVAILABLE : AX_E_INVALID;
    return ax_fail(err, code, "status %d: %.*s", status,
                   AX_STR_ARG(ax_str_cut(ax_buf_str(answer), 120)));
}

static enum ax_code bench_get_model(struct bench *bench, struct ax_err *err)
{
    struct ax_buf answer;
    ax_buf_init(&answer, METADATA_BYTES_MAX);
    const char *file = bench->config->metadata;
    bool failed = (file ? ax_file_read(file, &answer, err) : bench_ask(bench, &answer, err)) ||
                  ax_bench_model_parse(ax_buf_str(&answer), &bench->model, err);
    ax_buf_done(&answer);
    if (!failed)
        return AX_OK;
    return file ? ax_err_context(err, "--metadata")
                : ax_err_context(err, "--model: GET %s", bench->path.ptr);
}

static enum ax_code bench_add_made(struct bench *bench, struct ax_err *err)
{
    const struct bench_config *config = bench->config;
    enum ax_bench_format format = (enum ax_bench_format)config->format;
    size_t rows = AX_MAX(config->rows, (size_t)1);
    for (size_t i = 0; i < config->values.count; i++)
        if (ax_bench_model_set_values(bench->model, ax_str_from(config->values.texts[i]), err))
            return ax_err_context(err, "--values");
    if (ax_bench_model_check(bench->model, rows, format, err))
        return err->code;
    /* The metadata's path becomes the requests'. */
    bench->path.len--;
    (void)ax_buf_append_str(&bench->path, (struct ax_str){ "/infer", sizeof("/infer") });
    struct ax_bench_head head = bench_head(bench);
    if (format == AX_BENCH_BINARY)
        head.content_type = "application/octet-stream";
    struct ax_buf body;
    struct ax_random random;
    ax_buf_init(&body, BODY_BYTES_MAX);
    ax_random_init(&random, config->seed, 0);
    enum ax_code code = ax_buf_check(&bench->path, "path", err);
    for (size_t i = 0; i < config->distinct && code == AX_OK; i++) {
        ax_buf_reset(&body);
        size_t json_len = ax_bench_model_print(bench->model, rows, format, &random, &body);
        head.json_len = format == AX_BENCH_BINARY ? json_len : 0;
        code = ax_buf_check(&body, "--rows: a body", err);
        if (code == AX_OK)
            code = ax_bench_requests_add(&bench->requests, &head, ax_buf_str(&body), err);
    }
    ax_buf_done(&body);
    return code;
}

static enum ax_code bench_make_requests(struct bench *bench, struct ax_err *err)
{
    const struct bench_config *config = bench->config;
    struct ax_bench_head head = bench_head(bench);
    enum ax_code code;
    if (config->model)
        code = bench_add_made(bench, err);
    else if (config->bodies)
        code = ax_bench_requests_add_lines(&bench->requests, &head, config->bodies, err)
                   ? ax_err_context(err, "--bodies")
                   : AX_OK;
    else if (config->mix)
        code = ax_bench_requests_add_mix(&bench->requests, &head, config->mix, err)
                   ? ax_err_context(err, "--mix")
                   : AX_OK;
    else
        code = ax_bench_requests_add(&bench->requests, &head, ax_str_from(config->body), err);
    if (code)
        return code;
    ax_bench_requests_finish(&bench->requests);
    bench->order = ax_bench_requests_draw(&bench->requests, DRAWN_COUNT, config->seed);
    return AX_OK;
}

/* ---- progress ---- */

struct progress {
    uint64_t rate; /* 0: closed loop */
    uint64_t shown_ns;
    uint64_t shown_answers;
};

/* One line that moves, on a terminal. */
static void show_progress(void *arg, const struct ax_load_progress *now)
{
    struct progress *progress = arg;
    uint64_t wait_ns = now->elapsed_ns - progress->shown_ns;
    double rate = (double)(now->answers - progress->shown_answers) * 1e9 /
                  (double)AX_MAX(wait_ns, (uint64_t)1);
    if (progress->rate)
        (void)fprintf(stderr, "\rrate %llu: ", (unsigned long long)progress->rate);
    else
        (void)fputc('\r', stderr);
    (void)fprintf(stderr, "%.0f of %.0f s, %.0f requests/s, %llu errors\033[K",
                  (double)now->elapsed_ns / 1e9, (double)now->total_ns / 1e9, rate,
                  (unsigned long long)now->errors);
    progress->shown_ns = now->elapsed_ns;
    progress->shown_answers = now->answers;
}

/* ---- records ---- */

static enum ax_code bench_open_records(struct bench *bench, struct ax_err *err)
{
    if (!bench->config->records)
        return AX_OK;
    bench->records = fopen(bench->config->records, "we");
    if (!bench->records)
        return ax_fail_errno(err, errno, "--records: open '%s'", bench->config->records);
    return AX_OK;
}

static void write_records(void *arg, const struct ax_load_record *records, size_t count)
{
    struct bench *bench = arg;
    if (count && fwrite(records, sizeof(records[0]), count, bench->records) != count)
        bench->records_failed = true;
}

static enum ax_code bench_close_records(struct bench *bench, struct ax_err *err)
{
    if (!bench->records)
        return AX_OK;
    bool failed = fclose(bench->records) != 0 || bench->records_failed;
    bench->records = NULL;
    return failed ? ax_fail(err, AX_E_LIMIT, "--records: '%s' could not be written",
                            bench->config->records)
                  : AX_OK;
}

/* ---- runs ---- */

static struct ax_load_config bench_load_config(const struct bench *bench)
{
    const struct bench_config *config = bench->config;
    return (struct ax_load_config){ .target = &bench->target,
                                    .requests = bench->requests.texts,
                                    .request_count = bench->requests.count,
                                    .order = bench->order,
                                    .order_count = DRAWN_COUNT,
                                    .threads = AX_MIN(config->threads, config->connections),
                                    .connections = config->connections,
                                    .pipeline = config->pipeline,
                                    .rate = config->rate,
                                    .arrivals = (enum ax_load_arrivals)config->schedule,
                                    .seed = config->seed,
                                    .warmup_ns = config->warmup_ns,
                                    .duration_ns = config->duration_ns,
                                    .requests_max = config->requests_max,
                                    .timeout_ns = config->timeout_ns };
}

static enum ax_code bench_run(const struct bench *bench, const struct ax_load_config *load,
                              struct ax_load_result *ret_result, struct ax_err *err)
{
    struct ax_load_config shown = *load;
    struct progress progress = { .rate = load->rate };
    bool visible = !bench->config->quiet && isatty(STDERR_FILENO) == 1;
    if (visible) {
        shown.progress = show_progress;
        shown.progress_arg = &progress;
    }
    enum ax_code code = ax_load_run(&shown, ret_result, err);
    if (visible)
        (void)fputs("\r\033[K", stderr);
    return code;
}

/* All steps; the result of the highest rate that passed is kept. */
static enum ax_code bench_ramp(const struct bench *bench, struct ax_load_config *load,
                               struct ax_load_result *best, struct ax_bench_step *steps,
                               struct ax_bench_report *report, struct ax_err *err)
{
    struct ax_load_ramp ramp;
    ax_load_ramp_init(&ramp, load->rate ? load->rate : RAMP_FIRST_RATE);
    struct ax_load_result *result = ax_xalloc(sizeof(*result));
    enum ax_code code;
    enum ax_load_verdict verdict;
    do {
        assert(report->step_count < AX_LOAD_RAMP_STEPS_MAX);
        load->rate = ramp.rate;
        code = bench_run(bench, load, result, err);
        /* A server that is there and breaks under a rate has failed it. */
        bool broke = ramp.passed && (code == AX_E_UNAVAILABLE || code == AX_E_TIMEOUT);
        if (code && !broke)
            break;
        if (broke) {
            *result = (struct ax_load_result){ 0 };
            ax_err_clear(err);
            code = AX_OK;
        }
        verdict = ax_load_ramp_judge(result, bench->config->p99_ns);
        steps[report->step_count++] =
            (struct ax_bench_step){ .rate = ramp.rate,
                                    .p99_ns = ax_histogram_quantile(&result->latency, 0.99),
                                    .verdict = verdict };
        /* A rate that passes is always above those that did. */
        if (verdict == AX_LOAD_PASSED)
            *best = *result;
    } while (ax_load_ramp_next(&ramp, verdict));
    free(result);
    report->best_rate = ramp.passed;
    report->result = ramp.passed ? best : NULL;
    return code;
}

static bool bench_print(const struct bench *bench, const struct ax_bench_report *report)
{
    struct ax_buf out;
    ax_buf_init(&out, REPORT_BYTES_MAX);
    if (bench->config->json)
        ax_bench_report_print_json(report, &out);
    else
        ax_bench_report_print_text(report, &out);
    assert(out.failed == AX_OK);
    bool printed = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    ax_buf_done(&out);
    return printed;
}

static enum ax_code bench_measure(struct bench *bench, bool *ret_good, struct ax_err *err)
{
    struct ax_load_config load = bench_load_config(bench);
    if (bench->records) {
        load.records = write_records;
        load.records_arg = bench;
    }
    struct ax_load_result *result = ax_xalloc(sizeof(*result));
    struct ax_bench_step *steps = ax_xalloc(AX_LOAD_RAMP_STEPS_MAX * sizeof(steps[0]));
    struct ax_bench_report report = { .config = &load,
                                      .result = result,
                                      .rows = bench->config->model && !bench->config->rows
                                                  ? 1
                                                  : bench->config->rows,
                                      .p99_ns_max = bench->config->p99_ns,
                                      .steps = steps };
    enum ax_code code = bench->config->ramp ? bench_ramp(bench, &load, result, steps, &report, err)
                                            : bench_run(bench, &load, result, err);
    if (code == AX_OK)
        code = bench_close_records(bench, err);
    if (code == AX_OK) {
        bool passed = bench->config->ramp
                          ? report.best_rate > 0
                          : ax_load_error_count(result) == 0 && !ax_load_is_void(result);
        *ret_good = bench_print(bench, &report) && passed;
    }
    free(steps);
    free(result);
    return code;
}

/* The exit status of a failure in what the command line says. */
static int usage_status(enum ax_code code)
{
    int status = (int)ax_exit_from_code(code);
    return status == AX_EXIT_INPUT || status == AX_EXIT_FAILURE ? AX_EXIT_USAGE : status;
}

static int bench_work(struct bench *bench, const char *url, struct ax_err *err)
{
    struct ax_bench_head head = bench_head(bench);
    bool good = false;
    if (bench_check(bench->config, err) || ax_bench_head_check(&head, err) ||
        ax_target_parse(ax_str_from(url), bench->config->allow_remote, &bench->target, err) ||
        bench_make_path(bench, err))
        return usage_status(err->code);
    if (bench->config->model && bench_get_model(bench, err))
        return (int)ax_exit_from_code(err->code);
    if (bench_make_requests(bench, err))
        return usage_status(err->code);
    if (bench_open_records(bench, err))
        return (int)ax_exit_from_code(err->code);
    if (bench_measure(bench, &good, err))
        return (int)ax_exit_from_code(err->code);
    return good ? AX_EXIT_OK : AX_EXIT_FAILURE;
}

int ax_cmd_bench(int argc, char **argv)
{
    struct bench_config config = { 0 };
    const struct ax_option_group groups[] = { { bench_options, &config }, { 0 } };
    struct ax_command_line line = {
        .name = "bench",
        .usage = "[OPTION]... URL",
        .about = "Send requests to http://HOST:PORT/PATH or unix:SOCKET:/PATH and measure the "
                 "answers.\nExits with 1 when any request failed or the client was too slow to "
                 "judge.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status)) {
        struct ax_err err = AX_ERR_INIT;
        struct bench bench = { .config = &config };
        ax_buf_init(&bench.path, PATH_BYTES_MAX);
        ax_bench_requests_init(&bench.requests);
        status = bench_work(&bench, line.args.texts[0], &err);
        if (err.code)
            ax_command_line_complain(&line, "%s", err.msg);
        if (bench.records)
            (void)fclose(bench.records);
        free(bench.order);
        ax_bench_requests_done(&bench.requests);
        ax_bench_model_free(bench.model);
        ax_buf_done(&bench.path);
        ax_target_done(&bench.target);
    }
    ax_command_line_done(&line);
    return status;
}
