/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: all series as Prometheus text, and what is read when it is asked for; printed in
 * slices, a stage after the other.
 */
#include "base/metric.h"
#include "server/api/endpoints.h"
#include "server/api/model_metrics.h"
#include "server/api/online_metrics.h"
#include "server/api/process_metrics.h"
#include "server/api/triton_metrics.h"
#include "server/schedules.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>

struct metrics_answer {
    struct ax_sliced_answer base;
    struct ax_metric_scrape *scrape;
    struct ax_version_lines lines;
    struct ax_open_files files;
    size_t stage;
};

static bool read_versions(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)out;
    (void)bytes;
    return ax_version_lines_read(&answer->lines, answer->base.thread->catalog);
}

static bool print_series(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    return ax_metric_scrape_step(answer->scrape, out, bytes);
}

static bool print_states(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)bytes;
    ax_model_metrics_print_states(answer->base.thread->catalog, out);
    return true;
}

static bool print_models(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    return ax_version_lines_print(&answer->lines, ax_model_metrics, AX_MODEL_METRICS, out, bytes);
}

static bool print_triton(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    return ax_version_lines_print(&answer->lines, ax_triton_metrics, AX_TRITON_METRICS, out, bytes);
}

static bool drop_versions(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)out;
    (void)bytes;
    return ax_version_lines_drop(&answer->lines);
}

static bool count_files(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)out;
    (void)bytes;
    return ax_open_files_count(&answer->files);
}

static bool print_process(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)bytes;
    ax_process_metrics_print(out, &answer->files, ax_server_start_us(answer->base.thread->server));
    return true;
}

static bool print_online(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)bytes;
    struct ax_server *server = answer->base.thread->server;
    ax_online_metrics_print(out, ax_server_feature_store(server));
    ax_schedules_print(ax_server_schedules(server), out);
    return true;
}

/* One after the other; each does a step's work at most, and is true when it is done. */
static bool (*const stages[])(struct metrics_answer *answer, struct ax_buf *out, size_t bytes) = {
    read_versions, print_series, print_states, print_models,  print_triton,
    drop_versions, print_online, count_files,  print_process,
};

static bool metrics_print(struct ax_sliced_answer *base, struct ax_buf *out, size_t bytes)
{
    struct metrics_answer *answer = container_of(base, struct metrics_answer, base);
    size_t begin = out->len;
    for (; answer->stage < AX_COUNT(stages); answer->stage++) {
        size_t printed = out->len - begin;
        if (printed >= bytes || !stages[answer->stage](answer, out, bytes - printed))
            return false;
    }
    return true;
}

static void metrics_done(struct ax_sliced_answer *base)
{
    struct metrics_answer *answer = container_of(base, struct metrics_answer, base);
    ax_metric_scrape_free(answer->scrape);
    ax_version_lines_done(&answer->lines);
    ax_open_files_done(&answer->files);
}

static const struct ax_sliced_form metrics_form = {
    .content_type = "text/plain; version=0.0.4; charset=utf-8",
    .print = metrics_print,
    .done = metrics_done,
};

void ax_metrics(struct ax_call *call)
{
    assert(call);
    struct metrics_answer *answer = ax_sliced_answer_new(call, &metrics_form, sizeof(*answer));
    if (!answer)
        return;
    ax_version_lines_begin(&answer->lines, &answer->scrape);
    ax_sliced_answer_start(&answer->base);
}
