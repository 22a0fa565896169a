/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features check`. A source that cannot be read is told and the others are looked at all
 * the same, so that one run tells all there is to mend.
 *
 * With --failed the work lies in a hidden, locked folder inside of that one, from which files are
 * renamed into their places: two that write there do not meet, and what a killed one left goes.
 * Without, nothing is written where anybody would look for it.
 */
#include "cmd/features_check.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/exit_code.h"
#include "cmd/interrupt.h"
#include "feature/offline/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX ((size_t)1 << 20)

const struct ax_option ax_features_check_options[] = {
    { AX_OPTION_TEXT, "source", NULL, offsetof(struct ax_features_check_config, source), 0, 0,
      "NAME",
      "The only source that `check` looks at; without it, all that something is expected "
      "of." },
    { AX_OPTION_TEXT, "failed", NULL, offsetof(struct ax_features_check_config, failed), 0, 0,
      "FOLDER",
      "Where `check` keeps rows that do not hold, as SOURCE.failed.parquet; without it "
      "they are only counted." },
    { AX_OPTION_TEXT, "now", NULL, offsetof(struct ax_features_check_config, now), 0, 0, "TIME",
      "What `check` takes for now, as 2013-10-01T00:00:00Z; without it, the clock's." },
    { 0 },
};

struct check {
    const struct ax_command_line *line;
    const struct ax_features_check_config *config;
    const struct ax_features_check_common *common;
    struct ax_definitions definitions;
    struct ax_source_journals *journals;
    const struct ax_source *source; /* the only one; NULL: all that something is expected of */
    struct ax_offline *offline;
    int64_t now_us;
    char *failed; /* absolute; NULL: rows are not kept */
    char work[PATH_MAX];
    int lock; /* -1: none */
    size_t sources;
    size_t outcomes[AX_EXPECTATION_OUTCOME_COUNT];
    size_t unread_count;
    enum ax_code unread; /* what the first source that could not be read failed with */
};

/* ---- what is printed ---- */

static void print_line(struct ax_buf *text)
{
    (void)ax_buf_append_char(text, '\n');
    (void)fwrite(ax_buf_str(text).ptr, 1, text->len, stdout);
    ax_buf_done(text);
}

static void print_text(const struct ax_expectation_result *result)
{
    struct ax_buf text;
    const struct ax_place *place = &result->expectation->place;
    ax_buf_init(&text, LINE_BYTES_MAX);
    ax_buf_printf(&text, "  %-8s ", ax_expectation_outcome_name(result->outcome));
    ax_expectation_put_name(&text, result);
    ax_buf_printf(&text, ": ");
    ax_expectation_put_finding(&text, result);
    if (result->outcome != AX_EXPECTATION_HELD)
        ax_buf_printf(&text, "  [%s:%u:%u]", place->file, place->line, place->column);
    print_line(&text);
}

static void put_place(struct ax_buf *text, const struct ax_place *place)
{
    struct ax_buf words;
    ax_buf_init(&words, PATH_MAX + 64);
    ax_buf_printf(&words, "%s:%u:%u", place->file, place->line, place->column);
    ax_json_put_member(text, "place", ax_buf_str(&words));
    ax_buf_done(&words);
}

static void put_observed(struct ax_buf *text, const struct ax_expectation_result *result)
{
    char time[AX_CALENDAR_TEXT_SIZE];
    ax_json_put_key(text, "observed_value");
    if (!result->has_observed)
        (void)ax_buf_append_str(text, AX_STR("null"));
    else if (result->expectation->kind == AX_EXPECT_ROW_COUNT)
        ax_json_put_i64(text, result->observed);
    else
        ax_json_put_str(text, (struct ax_str){ time, ax_calendar_text(result->observed, time) });
}

static void put_counts(struct ax_buf *text, const struct ax_expectation_result *result)
{
    double looked_at = (double)(result->rows - result->missing);
    ax_json_put_key(text, "mostly");
    ax_json_put_f64(text, result->expectation->mostly);
    ax_json_put_member_u64(text, "missing_count", result->missing);
    ax_json_put_member_u64(text, "unexpected_count", result->unexpected);
    ax_json_put_key(text, "unexpected_percent");
    ax_json_put_f64(text, looked_at ? 100 * (double)result->unexpected / looked_at : 0);
    if (!result->unexpected)
        return;
    ax_json_put_key(text, "first_unexpected");
    (void)ax_buf_append_char(text, '{');
    ax_json_put_member_u64(text, "row", result->first_row);
    ax_json_put_member(text, "values", result->first);
    (void)ax_buf_append_char(text, '}');
}

/* The words of Great Expectations, where they mean the same. */
static void print_json(const struct ax_expectation_result *result)
{
    const struct ax_expectation *expectation = result->expectation;
    struct ax_buf text, name;
    ax_buf_init(&text, LINE_BYTES_MAX);
    ax_buf_init(&name, LINE_BYTES_MAX);
    ax_expectation_put_name(&name, result);
    (void)ax_buf_append_char(&text, '{');
    ax_json_put_member(&text, "source", result->source->name);
    ax_json_put_member(&text, "check", ax_expectation_kind_name(expectation->kind));
    ax_json_put_key(&text, "columns");
    (void)ax_buf_append_char(&text, '[');
    for (size_t i = 0; i < result->column_count; i++) {
        if (i)
            (void)ax_buf_append_char(&text, ',');
        ax_json_put_str(&text, result->source->columns[result->columns[i]].name);
    }
    (void)ax_buf_append_char(&text, ']');
    ax_json_put_member(&text, "expectation", ax_buf_str(&name));
    put_place(&text, &expectation->place);
    ax_json_put_member(&text, "do", ax_expectation_action_name(expectation->action));
    ax_json_put_member(&text, "outcome", ax_str_from(ax_expectation_outcome_name(result->outcome)));
    ax_json_put_member_bool(&text, "success", result->is_met);
    ax_json_put_member_u64(&text, "element_count", result->rows);
    if (ax_expectation_is_whole(expectation->kind))
        put_observed(&text, result);
    else
        put_counts(&text, result);
    (void)ax_buf_append_char(&text, '}');
    ax_buf_done(&name);
    print_line(&text);
}

static void take_result(void *arg, const struct ax_expectation_result *result)
{
    struct check *check = arg;
    check->outcomes[result->outcome]++;
    if (check->common->json)
        print_json(result);
    else
        print_text(result);
}

static void tell_unread(struct check *check, const struct ax_source *source,
                        const struct ax_err *err)
{
    struct ax_buf text;
    if (!check->unread_count++)
        check->unread = err->code;
    ax_command_line_complain(check->line, "%s", err->msg);
    ax_buf_init(&text, LINE_BYTES_MAX);
    if (check->common->json) {
        (void)ax_buf_append_char(&text, '{');
        ax_json_put_member(&text, "source", source->name);
        ax_json_put_member(&text, "error", ax_str_from(err->msg));
        (void)ax_buf_append_char(&text, '}');
    } else {
        ax_buf_printf(&text, "  could not be read");
    }
    print_line(&text);
}

static void print_sum(const struct check *check)
{
    (void)printf("%zu source%s", check->sources, check->sources == 1 ? "" : "s");
    if (check->unread_count)
        (void)printf(" (%zu could not be read)", check->unread_count);
    for (int i = 0; i < AX_EXPECTATION_OUTCOME_COUNT; i++)
        (void)printf(", %zu %s", check->outcomes[i],
                     ax_expectation_outcome_name((enum ax_expectation_outcome)i));
    (void)printf("\n");
}

/* ---- where the work is ---- */

static enum ax_code open_failed(struct check *check, struct ax_err *err)
{
    char real[PATH_MAX];
    if (ax_file_make_private_folder(check->config->failed, err))
        return err->code;
    if (!realpath(check->config->failed, real))
        return ax_fail_errno(err, errno, "find '%s'", check->config->failed);
    int len = snprintf(check->work, sizeof(check->work), "%s/.check.work", real);
    if (len < 0 || (size_t)len >= sizeof(check->work))
        return ax_fail(err, AX_E_INVALID, "the path '%s' is too long", check->config->failed);
    if (ax_folder_lock(check->work, &check->lock, err)) {
        check->work[0] = '\0';
        if (err->code == AX_E_LIMIT)
            (void)ax_err_context(err, "another process is checking into '%s'",
                                 check->config->failed);
        return err->code;
    }
    check->failed = ax_xstrdup(real);
    return AX_OK;
}

static enum ax_code open_work(struct check *check, struct ax_err *err)
{
    if (check->config->failed)
        return open_failed(check, err);
    (void)snprintf(check->work, sizeof(check->work), "/tmp/auspex-check-XXXXXX");
    if (!mkdtemp(check->work)) {
        check->work[0] = '\0';
        return ax_fail_errno(err, errno, "make a folder in '/tmp'");
    }
    return AX_OK;
}

static void close_work(struct check *check)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (check->work[0])
        (void)(ax_file_remove_tree(check->work, &ignored) != AX_OK);
    if (check->lock >= 0)
        (void)close(check->lock);
    free(check->failed);
}

/* ---- the command ---- */

static enum ax_code read_now(struct check *check, struct ax_err *err)
{
    bool is_naive;
    check->now_us = ax_clock_wall_us();
    if (check->config->now &&
        !ax_calendar_parse(ax_str_from(check->config->now), &check->now_us, &is_naive))
        return ax_fail(err, AX_E_INVALID, "'%s' is no time; --now is one as 2013-10-01T00:00:00Z",
                       check->config->now);
    return AX_OK;
}

static enum ax_code open_store(struct check *check, struct ax_err *err)
{
    const struct ax_features_check_common *common = check->common;
    const struct ax_offline_config store = {
        .definitions = &check->definitions,
        .data_folder = common->data ? common->data : check->definitions.folder,
        .work_folder = check->work,
        .threads = common->threads ? common->threads : ax_thread_core_count(),
        .memory_bytes_max = common->memory_bytes_max,
        .journals = check->journals,
        .cancelled = ax_interrupt_catch(),
    };
    return ax_offline_open(&store, &check->offline, err);
}

static enum ax_code check_source(struct check *check, const struct ax_source *source,
                                 struct ax_err *err)
{
    struct ax_offline_expect_report report;
    const struct ax_offline_expect request = {
        .now_us = check->now_us, .failed_folder = check->failed, .result = take_result, .arg = check
    };
    check->sources++;
    if (!check->common->json)
        (void)printf("%.*s\n", AX_STR_ARG(source->name));
    (void)fflush(stdout); /* a large source takes its time */
    if (ax_offline_expect(check->offline, source, &request, &report, err))
        return err->code;
    if (!check->common->json && !source->expectation_count)
        (void)printf("  nothing is expected of it\n");
    if (!check->common->json && report.failing_rows)
        (void)printf("  %zu of %zu rows are in %s/%.*s.failed.parquet\n", report.failing_rows,
                     report.rows, check->config->failed, AX_STR_ARG(source->name));
    return AX_OK;
}

static enum ax_code check_sources(struct check *check, struct ax_err *err)
{
    const struct ax_definitions *definitions = &check->definitions;
    for (size_t i = 0; i < definitions->source_count; i++) {
        const struct ax_source *source = &definitions->sources[i];
        bool is_asked = check->source ? source == check->source : source->expectation_count > 0;
        if (!is_asked || !check_source(check, source, err))
            continue;
        if (err->code == AX_E_CANCELLED)
            return err->code;
        tell_unread(check, source, err);
        ax_err_clear(err);
    }
    if (!check->common->json)
        print_sum(check);
    if (fflush(stdout) || ferror(stdout))
        return ax_fail(err, AX_E_INTERNAL, "standard output was closed");
    return AX_OK;
}

int ax_features_check(const struct ax_command_line *line,
                      const struct ax_features_check_config *config,
                      const struct ax_features_check_common *common)
{
    struct ax_err err = AX_ERR_INIT;
    struct check check = { .line = line, .config = config, .common = common, .lock = -1 };
    if (read_now(&check, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
        return AX_EXIT_USAGE;
    }
    if (ax_definitions_read(common->definitions, &check.definitions, &err) ||
        (config->source &&
         ax_definitions_find_source(&check.definitions, ax_str_from(config->source), &check.source,
                                    &err)) ||
        open_work(&check, &err) ||
        ax_source_journals_open(common->state, &check.definitions, &check.journals, &err) ||
        open_store(&check, &err) || check_sources(&check, &err))
        ax_command_line_complain(line, "%s", err.msg);
    ax_offline_close(check.offline);
    ax_source_journals_close(check.journals);
    close_work(&check);
    ax_definitions_done(&check.definitions);
    if (err.code)
        return (int)ax_exit_from_code(err.code);
    if (check.unread)
        return (int)ax_exit_from_code(check.unread);
    return check.outcomes[AX_EXPECTATION_FAILED] ? AX_EXIT_FAILURE : AX_EXIT_OK;
}
