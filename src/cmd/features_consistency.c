/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features consistency`. It reads what a server writes, and may run beside one; what it
 * makes lies in a locked folder of the state directory while it works.
 */
#include "cmd/features_consistency.h"

#include "base/calendar.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "pipeline/consistency.h"
#include "pipeline/history_work.h"
#include "pipeline/table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)64 << 10)
#define ARENA_BYTES_MAX   ((size_t)1 << 30)
#define TEXT_BYTES_MAX    ((size_t)256 << 20)
#define NAME_COLUMN       24

const struct ax_option ax_features_consistency_options[] = {
    { AX_OPTION_TEXT, "from", NULL, offsetof(struct ax_features_consistency_config, from), 0, 0,
      "TIME", "Vectors of earlier moments are left out by `consistency`." },
    { AX_OPTION_TEXT, "to", NULL, offsetof(struct ax_features_consistency_config, to), 0, 0, "TIME",
      "And those of later ones." },
    { 0 },
};

/* ---- what is printed ---- */

static bool is_consistent(const struct ax_consistency_counts *counts)
{
    for (size_t i = 0; i < AX_CONSISTENCY_OUTCOME_COUNT; i++)
        if (i != AX_CONSISTENCY_EQUAL && counts->values[i])
            return false;
    return true;
}

static uint64_t compared(const struct ax_consistency_counts *counts)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < AX_CONSISTENCY_OUTCOME_COUNT; i++)
        sum += counts->values[i];
    return sum;
}

static void put_text_counts(struct ax_buf *out, const struct ax_consistency_counts *counts)
{
    ax_buf_printf(out, "%10llu", (unsigned long long)compared(counts));
    for (size_t i = 0; i < AX_CONSISTENCY_OUTCOME_COUNT; i++)
        ax_buf_printf(out, " %10llu", (unsigned long long)counts->values[i]);
    if (counts->smape_count)
        ax_buf_printf(out, " %10.3g", counts->smape_sum / (double)counts->smape_count);
    (void)ax_buf_append_char(out, '\n');
}

static void put_day(struct ax_buf *out, int64_t day)
{
    struct ax_date date = ax_calendar_date(day);
    ax_buf_printf(out, "%04lld-%02u-%02u", (long long)date.year, date.month, date.day);
}

static void put_text(struct ax_buf *out, struct ax_str service,
                     const struct ax_consistency_report *report)
{
    ax_buf_printf(out, "%.*s: %zu vectors", AX_STR_ARG(service), report->vectors);
    if (report->other_vectors)
        ax_buf_printf(out, "; %zu others were served by other definitions", report->other_vectors);
    ax_buf_printf(out, "\n\n%-*s %10s", NAME_COLUMN, "feature", "compared");
    for (size_t i = 0; i < AX_CONSISTENCY_OUTCOME_COUNT; i++)
        ax_buf_printf(out, " %10s", ax_consistency_outcome_name((enum ax_consistency_outcome)i));
    ax_buf_printf(out, " %10s\n", "SMAPE");
    for (size_t i = 0; i < report->feature_count; i++) {
        ax_buf_printf(out, "%-*.*s ", NAME_COLUMN, AX_STR_ARG(report->features[i]));
        put_text_counts(out, &report->totals[i]);
    }
    for (size_t d = 0; d < report->day_count; d++) {
        bool has_head = false;
        for (size_t i = 0; i < report->feature_count; i++) {
            const struct ax_consistency_counts *counts = &report->days[d].features[i];
            if (is_consistent(counts))
                continue;
            if (!has_head) {
                (void)ax_buf_append_char(out, '\n');
                put_day(out, report->days[d].day);
                (void)ax_buf_append_char(out, '\n');
            }
            has_head = true;
            ax_buf_printf(out, "%-*.*s ", NAME_COLUMN, AX_STR_ARG(report->features[i]));
            put_text_counts(out, counts);
        }
    }
}

static void put_json_counts(struct ax_buf *out, const struct ax_consistency_counts *counts)
{
    ax_json_put_member_u64(out, "compared", compared(counts));
    for (size_t i = 0; i < AX_CONSISTENCY_OUTCOME_COUNT; i++)
        ax_json_put_member_u64(out, ax_consistency_outcome_name((enum ax_consistency_outcome)i),
                               counts->values[i]);
    ax_json_put_key(out, "smape");
    if (counts->smape_count)
        ax_json_put_f64(out, counts->smape_sum / (double)counts->smape_count);
    else
        (void)ax_buf_append_str(out, AX_STR("null"));
}

/* A line of the whole, and one a feature. */
static void put_json(struct ax_buf *out, struct ax_str service,
                     const struct ax_consistency_report *report)
{
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "service", service);
    ax_json_put_member_u64(out, "vectors", report->vectors);
    ax_json_put_member_u64(out, "other_vectors", report->other_vectors);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
    for (size_t i = 0; i < report->feature_count; i++) {
        (void)ax_buf_append_char(out, '{');
        ax_json_put_member(out, "feature", report->features[i]);
        put_json_counts(out, &report->totals[i]);
        ax_json_put_key(out, "days");
        (void)ax_buf_append_char(out, '[');
        for (size_t d = 0; d < report->day_count; d++) {
            (void)ax_buf_append_str(out, d ? AX_STR(",{\"day\":\"") : AX_STR("{\"day\":\""));
            put_day(out, report->days[d].day);
            (void)ax_buf_append_char(out, '"');
            put_json_counts(out, &report->days[d].features[i]);
            (void)ax_buf_append_char(out, '}');
        }
        (void)ax_buf_append_str(out, AX_STR("]}\n"));
    }
}

static enum ax_code print(struct ax_str service, const struct ax_consistency_report *report,
                          bool json, struct ax_err *err)
{
    struct ax_buf out;
    ax_buf_init(&out, TEXT_BYTES_MAX);
    if (json)
        put_json(&out, service, report);
    else
        put_text(&out, service, report);
    if (!ax_buf_check(&out, "the report", err) &&
        (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout)))
        (void)ax_fail(err, AX_E_INTERNAL, "standard output was closed");
    ax_buf_done(&out);
    return err->code;
}

/* ---- the command ---- */

static void show(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_progress_part(arg, what, rows_done, rows);
}

static void tell(void *arg, struct ax_str text)
{
    ax_progress_end(arg);
    (void)fprintf(stderr, "consistency: %.*s\n", AX_STR_ARG(text));
}

static enum ax_code read_time(const char *text, const char *option, int64_t otherwise,
                              int64_t *ret_us, struct ax_err *err)
{
    bool is_naive;
    *ret_us = otherwise;
    if (text && !ax_calendar_parse(ax_str_from(text), ret_us, &is_naive))
        return ax_fail(err, AX_E_INVALID, "'%s' is no time; --%s is one as 2013-10-01T00:00:00Z",
                       text, option);
    return AX_OK;
}

/* What is wrong with the command itself. */
static enum ax_code read_asked(const struct ax_features_consistency_config *config,
                               const struct ax_features_consistency_common *common,
                               struct ax_consistency_config *asked, struct ax_err *err)
{
    enum ax_table_format format;
    if (!common->service)
        return ax_fail(err, AX_E_INVALID,
                       "usage: auspex features consistency [OPTION]... --service NAME");
    if (common->out && (!ax_table_format_of(common->out, &format) || format != AX_TABLE_PARQUET))
        return ax_fail(err, AX_E_INVALID, "--out is a file called .parquet");
    if (read_time(config->from, "from", AX_CALENDAR_MIN_US, &asked->from_us, err) ||
        read_time(config->to, "to", AX_CALENDAR_MAX_US, &asked->to_us, err))
        return err->code;
    if (asked->from_us > asked->to_us)
        return ax_fail(err, AX_E_INVALID, "--from %s is later than --to %s", config->from,
                       config->to);
    return AX_OK;
}

static enum ax_code find_service(const struct ax_applied_definitions *applied, const char *name,
                                 const struct ax_applied_service **ret, struct ax_err *err)
{
    const struct ax_service *service;
    if (!ax_definitions_find_service(&applied->definitions, ax_str_from(name), &service, err))
        *ret = ax_applied_service(applied, service->name);
    return err->code;
}

/* SQL of a history starts in another folder. */
static enum ax_code open_work(const char *state, struct ax_history_work *work,
                              char ret_path[PATH_MAX], struct ax_err *err)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/consistency.work", state);
    if (len < 0 || (size_t)len >= sizeof(path))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    if (ax_history_work_open(path, work, err))
        return err->code;
    return realpath(path, ret_path) ? AX_OK : ax_fail_errno(err, errno, "find '%s'", path);
}

int ax_features_consistency(const struct ax_command_line *line,
                            const struct ax_features_consistency_config *config,
                            const struct ax_features_consistency_common *common)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_progress progress;
    struct ax_applied_definitions *applied = NULL;
    struct ax_history_work work = { .lock = -1 };
    struct ax_consistency_report report = { 0 };
    struct ax_arena arena;
    char path[PATH_MAX];
    struct ax_consistency_config asked = {
        .state = common->state,
        .data = common->data,
        .work = path,
        .out = common->out,
        .threads = common->threads ? common->threads : ax_thread_core_count(),
        .memory_bytes_max = common->memory_bytes_max,
        .cancelled = ax_interrupt_catch(),
        .progress = show,
        .notice = tell,
        .arg = &progress,
    };
    if (read_asked(config, common, &asked, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
        return AX_EXIT_USAGE;
    }
    ax_arena_init(&arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    ax_progress_init(&progress, "consistency", common->quiet);
    if (!ax_applied_definitions_read(common->state, NULL, &applied, &err) &&
        !find_service(applied, common->service, &asked.service, &err) &&
        !open_work(common->state, &work, path, &err)) {
        asked.applied = applied;
        (void)(ax_consistency_check(&asked, &arena, &report, &err) != AX_OK);
    }
    ax_progress_end(&progress);
    if (!err.code && !report.vectors)
        (void)ax_fail(&err, AX_E_NOT_FOUND,
                      "no vectors of service '%.*s' were logged in that time%s",
                      AX_STR_ARG(asked.service->service->name),
                      report.other_vectors ? ", but those that other definitions served" : "");
    if (!err.code)
        (void)(print(asked.service->service->name, &report, common->json, &err) != AX_OK);
    if (err.code)
        ax_command_line_complain(line, "%s", err.msg);
    bool holds = true;
    for (size_t i = 0; i < report.feature_count; i++)
        holds = holds && is_consistent(&report.totals[i]);
    (void)ax_history_work_close(&work, AX_OK);
    ax_applied_definitions_unref(applied);
    ax_arena_done(&arena);
    if (err.code)
        return (int)ax_exit_from_code(err.code);
    return holds ? AX_EXIT_OK : AX_EXIT_FAILURE;
}
