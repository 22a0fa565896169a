/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reports of `auspex bench`. Numbers that only one of the two forms shows are few: text is for
 * reading, so it leaves out what is zero, and JSON always has the same members.
 */
#include "cmd/bench_report.h"

#include "base/json.h"

#include <assert.h>
#include <stdio.h>

/* "999 ns", "12.3 us", "4.56 ms": three digits that count. */
static const char *time_text(uint64_t ns, char text[32])
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

static double per_second(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns ? (double)count * 1e9 / (double)elapsed_ns : 0.0;
}

/* Of answers with 2xx, as the latency is. */
static double rows_per_second(const struct ax_bench_report *report)
{
    return per_second(report->result->latency.count * report->rows, report->result->elapsed_ns);
}

/* ---- text ---- */

static void text_times(struct ax_buf *out, const char *name, const struct ax_histogram *histogram)
{
    const struct {
        const char *name;
        double q;
    } columns[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };
    char text[32];
    (void)ax_buf_printf(out, "%-12s", name);
    for (size_t i = 0; i < AX_COUNT(columns); i++)
        (void)ax_buf_printf(out, "%s %s, ", columns[i].name,
                            time_text(ax_histogram_quantile(histogram, columns[i].q), text));
    (void)ax_buf_printf(out, "max %s\n", time_text(histogram->max, text));
}

static void text_errors(struct ax_buf *out, const struct ax_load_result *result)
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
    struct ax_str refusal = { result->refusal, result->refusal_len };
    if (refusal.len == 0)
        return;
    (void)ax_buf_printf(out, "%-12s", "one says");
    if (!ax_str_is_utf8(refusal))
        refusal = AX_STR("(no text)");
    for (size_t i = 0; i < refusal.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)refusal.ptr[i] < ' ' ? ' ' : refusal.ptr[i]);
    (void)ax_buf_append_char(out, '\n');
}

static void text_steps(struct ax_buf *out, const struct ax_bench_report *report)
{
    char text[32];
    for (size_t i = 0; i < report->step_count; i++)
        (void)ax_buf_printf(out, "%-12s%llu requests/s, p99 %s: %s\n", i ? "" : "ramp",
                            (unsigned long long)report->steps[i].rate,
                            time_text(report->steps[i].p99_ns, text),
                            ax_load_verdict_text(report->steps[i].verdict));
    (void)ax_buf_printf(out, "%-12s", "highest");
    if (report->best_rate)
        (void)ax_buf_printf(out, "%llu requests/s with a p99 within %s\n",
                            (unsigned long long)report->best_rate,
                            time_text(report->p99_ns_max, text));
    else
        (void)ax_buf_printf(out, "none has a p99 within %s\n", time_text(report->p99_ns_max, text));
}

static void text_loop(struct ax_buf *out, const struct ax_bench_report *report)
{
    const struct ax_load_config *config = report->config;
    uint64_t rate = report->step_count ? report->best_rate : config->rate;
    if (rate)
        (void)ax_buf_printf(out, "open loop, %llu requests/s, %s", (unsigned long long)rate,
                            config->arrivals == AX_LOAD_POISSON ? "Poisson" : "constant");
    else
        (void)ax_buf_append_str(out, AX_STR("closed loop"));
    (void)ax_buf_printf(out, ", %zu connections of %zu in flight", config->connections,
                        config->pipeline);
    if (config->threads > 1)
        (void)ax_buf_printf(out, ", %zu threads", config->threads);
    (void)ax_buf_printf(out, ", %.2f s\n", (double)report->result->elapsed_ns / 1e9);
}

static void text_result(struct ax_buf *out, const struct ax_bench_report *report)
{
    const struct ax_load_result *result = report->result;
    text_loop(out, report);
    (void)ax_buf_printf(out, "%-12s%.0f (%llu answers)\n", "requests/s",
                        per_second(result->answers, result->elapsed_ns),
                        (unsigned long long)result->answers);
    if (report->rows)
        (void)ax_buf_printf(out, "%-12s%.0f (%zu a request)\n", "rows/s", rows_per_second(report),
                            report->rows);
    text_times(out, "latency", &result->latency);
    if (result->refusals.count)
        text_times(out, "refusals", &result->refusals);
    (void)ax_buf_printf(out, "%-12s%llu out, %llu in\n", "bytes",
                        (unsigned long long)result->bytes_out,
                        (unsigned long long)result->bytes_in);
    text_errors(out, result);
    if (report->config->rate == 0)
        return;
    text_times(out, "slip", &result->slip);
    (void)ax_buf_printf(out, "%-12s%llu found no free connection\n", "waited",
                        (unsigned long long)result->waited);
    if (ax_load_is_void(result))
        (void)ax_buf_append_str(out, AX_STR("VOID: the client was too late itself (p99 of slip "
                                            "over a tenth of the p99 of latency)\n"));
}

void ax_bench_report_print_text(const struct ax_bench_report *report, struct ax_buf *out)
{
    assert(report && report->config && (report->result || report->step_count) && out);
    if (report->step_count)
        text_steps(out, report);
    if (report->result)
        text_result(out, report);
}

/* ---- JSON ---- */

static void json_times(struct ax_buf *out, const char *name, const struct ax_histogram *histogram)
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

static void json_count(struct ax_buf *out, const char *name, uint64_t count)
{
    (void)ax_buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void json_statuses(struct ax_buf *out, const struct ax_load_result *result)
{
    (void)ax_buf_append_str(out, AX_STR(",\"statuses\":{"));
    const char *comma = "";
    for (size_t status = 0; status < AX_LOAD_STATUS_COUNT; status++) {
        if (result->statuses[status] == 0)
            continue;
        (void)ax_buf_printf(out, "%s\"%zu\":%llu", comma, status,
                            (unsigned long long)result->statuses[status]);
        comma = ",";
    }
    (void)ax_buf_append_char(out, '}');
}

static void json_result(struct ax_buf *out, const struct ax_bench_report *report)
{
    const struct ax_load_result *result = report->result;
    (void)ax_buf_printf(out, ",\"requests_per_s\":%.1f",
                        per_second(result->answers, result->elapsed_ns));
    if (report->rows)
        (void)ax_buf_printf(out, ",\"rows_per_s\":%.1f", rows_per_second(report));
    json_count(out, "elapsed_ns", result->elapsed_ns);
    json_count(out, "sent", result->sent);
    json_count(out, "answers", result->answers);
    json_count(out, "errors", ax_load_error_count(result));
    json_count(out, "broken", result->broken);
    json_count(out, "unanswered", result->unanswered);
    json_count(out, "unsent", result->unsent);
    json_count(out, "waited", result->waited);
    json_count(out, "reopened", result->reopened);
    json_count(out, "bytes_out", result->bytes_out);
    json_count(out, "bytes_in", result->bytes_in);
    json_times(out, "latency_ns", &result->latency);
    json_times(out, "refusal_ns", &result->refusals);
    json_times(out, "slip_ns", &result->slip);
    json_statuses(out, result);
    ax_json_put_key(out, "refusal");
    ax_json_put_str(out, (struct ax_str){ result->refusal, result->refusal_len });
    (void)ax_buf_printf(out, ",\"void\":%s", ax_load_is_void(result) ? "true" : "false");
}

static void json_ramp(struct ax_buf *out, const struct ax_bench_report *report)
{
    (void)ax_buf_printf(out, ",\"ramp\":{\"p99_ns_max\":%llu,\"highest\":%llu,\"steps\":[",
                        (unsigned long long)report->p99_ns_max,
                        (unsigned long long)report->best_rate);
    for (size_t i = 0; i < report->step_count; i++)
        (void)ax_buf_printf(out, "%s{\"rate\":%llu,\"p99_ns\":%llu,\"verdict\":\"%s\"}",
                            i ? "," : "", (unsigned long long)report->steps[i].rate,
                            (unsigned long long)report->steps[i].p99_ns,
                            ax_load_verdict_text(report->steps[i].verdict));
    (void)ax_buf_append_str(out, AX_STR("]}"));
}

void ax_bench_report_print_json(const struct ax_bench_report *report, struct ax_buf *out)
{
    assert(report && report->config && (report->result || report->step_count) && out);
    const struct ax_load_config *config = report->config;
    uint64_t rate = report->step_count ? report->best_rate : config->rate;
    bool open = report->step_count || config->rate;
    (void)ax_buf_printf(out, "{\"loop\":\"%s\",\"threads\":%zu,\"connections\":%zu",
                        open ? "open" : "closed", config->threads, config->connections);
    (void)ax_buf_printf(out, ",\"pipeline\":%zu,\"rate\":%llu", config->pipeline,
                        (unsigned long long)rate);
    json_count(out, "rows", report->rows);
    if (report->result)
        json_result(out, report);
    if (report->step_count)
        json_ramp(out, report);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}
