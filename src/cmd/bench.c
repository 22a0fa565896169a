/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex bench`: a server under load, measured.
 *
 * Makes the bytes of all requests beforehand, one for each line of --bodies, runs net/load.h over
 * them, and prints what came of it. The run is a failure when any request was not answered with
 * 2xx, and when the generator itself was too late to judge (docs/internals/load-client.md).
 */
#include "base/alloc.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "net/load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BODIES_BYTES_MAX   ((size_t)1 << 30)
#define REQUESTS_BYTES_MAX ((size_t)2 << 30)
#define REPORT_BYTES_MAX   ((size_t)1 << 20)

struct bench_config {
    size_t connections;
    size_t pipeline;
    size_t rate;
    int schedule;
    size_t seed;
    uint64_t duration_ns;
    size_t requests_max;
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    char *body;
    char *bodies;
    char *content_type;
    struct ax_option_list header;
    bool allow_remote;
    bool json;
};

static const struct ax_option bench_options[] = {
    { AX_OPTION_SIZE, "connections", "16", offsetof(struct bench_config, connections), 1,
      AX_LOAD_CONNECTIONS_MAX, NULL, "Connections, opened before the run." },
    { AX_OPTION_SIZE, "pipeline", "1", offsetof(struct bench_config, pipeline), 1,
      AX_LOAD_PIPELINE_MAX, NULL, "Most requests in flight on a connection." },
    { AX_OPTION_SIZE, "rate", "0", offsetof(struct bench_config, rate), 0, 10000000, "requests/s",
      "Requests a second whatever the server does (open loop); 0: closed loop." },
    { AX_OPTION_CHOICE, "schedule", "constant", offsetof(struct bench_config, schedule), 0, 0,
      "constant|poisson", "How the requests of the open loop lie in time." },
    { AX_OPTION_SIZE, "seed", "1", offsetof(struct bench_config, seed), 0, INT64_MAX, NULL,
      "Of the Poisson schedule: the same seed gives the same times." },
    { AX_OPTION_TIME, "duration", "10", offsetof(struct bench_config, duration_ns), 1, 3600, "s",
      "How long to measure." },
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
    { AX_OPTION_TEXT, "content_type", "application/json",
      offsetof(struct bench_config, content_type), 0, 0, NULL, "Of the bodies." },
    { AX_OPTION_LIST, "header", NULL, offsetof(struct bench_config, header), 0, 0, NULL,
      "A header to add, 'Name: value'." },
    { AX_OPTION_BOOL, "allow_remote", "false", offsetof(struct bench_config, allow_remote), 0, 0,
      NULL, "Send load to another machine, too." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct bench_config, json), 0, 0, NULL,
      "Print the result as one line of JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_bench_options[] = { bench_options, NULL };

/* The requests: all bytes behind one another, and where each one lies. */
struct bench_requests {
    struct ax_buf bytes;
    size_t *lens;
    struct ax_str *texts;
    size_t count;
    size_t cap;
};

static void bench_requests_done(struct bench_requests *requests)
{
    ax_buf_done(&requests->bytes);
    free(requests->lens);
    free(requests->texts);
}

static enum ax_code bench_check_headers(const struct bench_config *config, struct ax_err *err)
{
    for (size_t i = 0; i < config->header.count; i++) {
        const char *text = config->header.texts[i];
        if (strpbrk(text, "\r\n") || !strchr(text, ':') || *text == ':')
            return ax_fail(err, AX_E_INVALID, "--header: number %zu is no 'Name: value'", i + 1);
    }
    if (strpbrk(config->content_type, "\r\n"))
        return ax_fail(err, AX_E_INVALID, "--content-type: holds a line break");
    return AX_OK;
}

/* Append one request; a body whose pointer is NULL makes it a GET. */
static enum ax_code bench_add_request(struct bench_requests *requests,
                                      const struct bench_config *config,
                                      const struct ax_target *target, struct ax_str body,
                                      struct ax_err *err)
{
    struct ax_buf *bytes = &requests->bytes;
    size_t before = bytes->len;
    (void)ax_buf_printf(bytes, "%s %s HTTP/1.1\r\nHost: %s\r\n", body.ptr ? "POST" : "GET",
                        target->path, target->host);
    for (size_t i = 0; i < config->header.count; i++)
        (void)ax_buf_printf(bytes, "%s\r\n", config->header.texts[i]);
    if (body.ptr)
        (void)ax_buf_printf(bytes, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                            config->content_type, body.len);
    (void)ax_buf_append_str(bytes, AX_STR("\r\n"));
    (void)ax_buf_append_str(bytes, body);
    if (ax_buf_check(bytes, "requests", err))
        return err->code;
    if (requests->count == requests->cap) {
        requests->cap = AX_MAX(requests->cap * 2, (size_t)64);
        requests->lens = ax_xrealloc(requests->lens, requests->cap, sizeof(requests->lens[0]));
    }
    requests->lens[requests->count++] = bytes->len - before;
    return AX_OK;
}

static enum ax_code bench_add_lines(struct bench_requests *requests,
                                    const struct bench_config *config,
                                    const struct ax_target *target, struct ax_err *err)
{
    struct ax_buf file;
    ax_buf_init(&file, BODIES_BYTES_MAX);
    enum ax_code code = ax_file_read(config->bodies, &file, err);
    struct ax_str left = ax_buf_str(&file);
    while (code == AX_OK && left.len) {
        const char *end = memchr(left.ptr, '\n', left.len);
        struct ax_str line = { left.ptr, end ? (size_t)(end - left.ptr) : left.len };
        size_t step = line.len + (end != NULL);
        left = (struct ax_str){ left.ptr + step, left.len - step };
        if (line.len)
            code = bench_add_request(requests, config, target, line, err);
    }
    ax_buf_done(&file);
    if (code == AX_OK && requests->count == 0)
        code = ax_fail(err, AX_E_INVALID, "'%s' holds no line", config->bodies);
    return code ? ax_err_context(err, "--bodies: ") : AX_OK;
}

static enum ax_code bench_make_requests(struct bench_requests *requests,
                                        const struct bench_config *config,
                                        const struct ax_target *target, struct ax_err *err)
{
    if (bench_check_headers(config, err))
        return err->code;
    if (config->bodies && config->body)
        return ax_fail(err, AX_E_INVALID, "--body and --bodies: give one of them");
    enum ax_code code = config->bodies ? bench_add_lines(requests, config, target, err)
                                       : bench_add_request(requests, config, target,
                                                           ax_str_from(config->body), err);
    if (code)
        return code;
    /* Only now does the buffer move no more. */
    requests->texts = ax_xalloc(requests->count * sizeof(requests->texts[0]));
    const char *at = requests->bytes.ptr;
    for (size_t i = 0; i < requests->count; at += requests->lens[i++])
        requests->texts[i] = (struct ax_str){ at, requests->lens[i] };
    return AX_OK;
}

/* "999 ns", "12.3 us", "4.56 ms": three digits that count. */
static const char *bench_time_text(uint64_t ns, char text[32])
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
    size_t i = 0;
    while (i < AX_COUNT(units) - 1 && (double)ns < units[i].ns)
        i++;
    double value = (double)ns / units[i].ns;
    int digits = value < 10 && units[i].ns > 1 ? 2 : value < 100 && units[i].ns > 1 ? 1 : 0;
    (void)snprintf(text, 32, "%.*f %s", digits, value, units[i].unit);
    return text;
}

static double bench_throughput(const struct ax_load_result *result)
{
    return result->elapsed_ns ? (double)result->answers * 1e9 / (double)result->elapsed_ns : 0.0;
}

static void bench_print_times(struct ax_buf *out, const char *name,
                              const struct ax_histogram *histogram)
{
    const struct {
        const char *name;
        double q;
    } columns[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };
    char text[32];
    (void)ax_buf_printf(out, "%-12s", name);
    for (size_t i = 0; i < AX_COUNT(columns); i++)
        (void)ax_buf_printf(out, "%s %s, ", columns[i].name,
                            bench_time_text(ax_histogram_quantile(histogram, columns[i].q), text));
    (void)ax_buf_printf(out, "max %s\n", bench_time_text(histogram->max, text));
}

static void bench_print_errors(struct ax_buf *out, const struct ax_load_result *result)
{
    (void)ax_buf_printf(out, "%-12s%llu", "errors",
                        (unsigned long long)ax_load_error_count(result));
    for (size_t status = 0; status < AX_LOAD_STATUS_COUNT; status++)
        if (result->statuses[status] && status / 100 != 2)
            (void)ax_buf_printf(out, ", status %zu: %llu", status,
                                (unsigned long long)result->statuses[status]);
    const struct {
        const char *name;
        uint64_t count;
    } others[] = { { "broken connections", result->broken },
                   { "unanswered", result->unanswered },
                   { "never sent", result->unsent } };
    for (size_t i = 0; i < AX_COUNT(others); i++)
        if (others[i].count)
            (void)ax_buf_printf(out, ", %s: %llu", others[i].name,
                                (unsigned long long)others[i].count);
    (void)ax_buf_append_char(out, '\n');
}

static void bench_print_text(struct ax_buf *out, const struct bench_config *config,
                             const struct ax_load_result *result)
{
    double seconds = (double)result->elapsed_ns / 1e9;
    if (config->rate)
        (void)ax_buf_printf(out, "open loop, %zu requests/s, %s", config->rate,
                            config->schedule == AX_LOAD_POISSON ? "Poisson" : "constant");
    else
        (void)ax_buf_append_str(out, AX_STR("closed loop"));
    (void)ax_buf_printf(out, ", %zu connections of %zu in flight, %.2f s\n", config->connections,
                        config->pipeline, seconds);
    (void)ax_buf_printf(out, "%-12s%.0f (%llu answers)\n", "requests/s", bench_throughput(result),
                        (unsigned long long)result->answers);
    bench_print_times(out, "latency", &result->latency);
    (void)ax_buf_printf(out, "%-12s%llu out, %llu in\n", "bytes",
                        (unsigned long long)result->bytes_out,
                        (unsigned long long)result->bytes_in);
    bench_print_errors(out, result);
    if (config->rate == 0)
        return;
    bench_print_times(out, "slip", &result->slip);
    (void)ax_buf_printf(out, "%-12s%llu found no free connection\n", "waited",
                        (unsigned long long)result->waited);
    if (ax_load_is_void(result))
        (void)ax_buf_append_str(out, AX_STR("VOID: the client was too late itself (p99 of slip "
                                            "over a tenth of the p99 of latency)\n"));
}

static void bench_json_times(struct ax_buf *out, const char *name,
                             const struct ax_histogram *histogram)
{
    (void)ax_buf_printf(out,
                        ",\"%s\":{\"count\":%llu,\"mean\":%.0f,\"p50\":%llu,\"p90\":%llu,"
                        "\"p99\":%llu,\"p999\":%llu,\"max\":%llu}",
                        name, (unsigned long long)histogram->count, ax_histogram_mean(histogram),
                        (unsigned long long)ax_histogram_quantile(histogram, 0.5),
                        (unsigned long long)ax_histogram_quantile(histogram, 0.9),
                        (unsigned long long)ax_histogram_quantile(histogram, 0.99),
                        (unsigned long long)ax_histogram_quantile(histogram, 0.999),
                        (unsigned long long)histogram->max);
}

static void bench_json_count(struct ax_buf *out, const char *name, uint64_t count)
{
    (void)ax_buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void bench_print_json(struct ax_buf *out, const struct bench_config *config,
                             const struct ax_load_result *result)
{
    (void)ax_buf_printf(out, "{\"loop\":\"%s\",\"connections\":%zu,\"pipeline\":%zu,\"rate\":%zu",
                        config->rate ? "open" : "closed", config->connections, config->pipeline,
                        config->rate);
    (void)ax_buf_printf(out, ",\"requests_per_s\":%.1f", bench_throughput(result));
    bench_json_count(out, "elapsed_ns", result->elapsed_ns);
    bench_json_count(out, "sent", result->sent);
    bench_json_count(out, "answers", result->answers);
    bench_json_count(out, "errors", ax_load_error_count(result));
    bench_json_count(out, "broken", result->broken);
    bench_json_count(out, "unanswered", result->unanswered);
    bench_json_count(out, "unsent", result->unsent);
    bench_json_count(out, "waited", result->waited);
    bench_json_count(out, "reopened", result->reopened);
    bench_json_count(out, "bytes_out", result->bytes_out);
    bench_json_count(out, "bytes_in", result->bytes_in);
    bench_json_times(out, "latency_ns", &result->latency);
    bench_json_times(out, "slip_ns", &result->slip);
    (void)ax_buf_append_str(out, AX_STR(",\"statuses\":{"));
    const char *comma = "";
    for (size_t status = 0; status < AX_LOAD_STATUS_COUNT; status++) {
        if (result->statuses[status] == 0)
            continue;
        (void)ax_buf_printf(out, "%s\"%zu\":%llu", comma, status,
                            (unsigned long long)result->statuses[status]);
        comma = ",";
    }
    (void)ax_buf_printf(out, "},\"void\":%s}\n", ax_load_is_void(result) ? "true" : "false");
}

static int bench_report(const struct bench_config *config, const struct ax_load_result *result)
{
    struct ax_buf out;
    ax_buf_init(&out, REPORT_BYTES_MAX);
    if (config->json)
        bench_print_json(&out, config, result);
    else
        bench_print_text(&out, config, result);
    assert(out.failed == AX_OK);
    bool printed = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    ax_buf_done(&out);
    bool good = printed && ax_load_error_count(result) == 0 && !ax_load_is_void(result);
    return good ? AX_EXIT_OK : AX_EXIT_FAILURE;
}

static enum ax_code bench_run(const struct bench_config *config, const struct ax_target *target,
                              const struct bench_requests *requests, struct ax_load_result *result,
                              struct ax_err *err)
{
    const struct ax_load_config load = { .target = target,
                                         .requests = requests->texts,
                                         .request_count = requests->count,
                                         .threads = 1,
                                         .connections = config->connections,
                                         .pipeline = config->pipeline,
                                         .rate = config->rate,
                                         .arrivals = (enum ax_load_arrivals)config->schedule,
                                         .seed = config->seed,
                                         .warmup_ns = config->warmup_ns,
                                         .duration_ns = config->duration_ns,
                                         .requests_max = config->requests_max,
                                         .timeout_ns = config->timeout_ns };
    return ax_load_run(&load, result, err);
}

static int bench_work(const struct ax_command_line *line, const struct bench_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_target target = { 0 };
    struct bench_requests requests = { 0 };
    ax_buf_init(&requests.bytes, REQUESTS_BYTES_MAX);
    struct ax_load_result *result = ax_xalloc(sizeof(*result));
    int status = AX_EXIT_USAGE;
    if (ax_target_parse(ax_str_from(line->args.texts[0]), config->allow_remote, &target, &err) ||
        bench_make_requests(&requests, config, &target, &err))
        status = err.code == AX_E_NOT_FOUND ? AX_EXIT_NOT_FOUND : AX_EXIT_USAGE;
    else if (bench_run(config, &target, &requests, result, &err))
        status = (int)ax_exit_from_code(err.code);
    else
        status = bench_report(config, result);
    if (err.code)
        ax_command_line_complain(line, "%s", err.msg);
    free(result);
    bench_requests_done(&requests);
    ax_target_done(&target);
    return status;
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
    if (ax_command_line_load(&line, argc, argv, &status))
        status = bench_work(&line, &config);
    ax_command_line_done(&line);
    return status;
}
