/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: all series as Prometheus text, and what the process itself is seen to use; printed
 * in slices, a stage after the other.
 *
 * The process's values are read when they are asked for and printed behind the registered series;
 * nothing keeps them. They bear the names that dashboards know from other programs.
 */
#include "base/metric.h"
#include "server/api/endpoints.h"
#include "server/api/model_metrics.h"
#include "server/api/triton_metrics.h"
#include "server/server.h"
#include "server/sliced_answer.h"

#include <assert.h>
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auspex_config.h"

static double process_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    double count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    /* The one that reads the folder is among them. */
    return count - 1;
}

/* The second number of /proc/self/statm is the resident pages. */
static double process_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    unsigned long total;
    unsigned long resident = 0;
    int found = fscanf(file, "%lu %lu", &total, &resident);
    (void)fclose(file);
    return found == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : 0;
}

static double process_cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           1e-6 * ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec);
}

static const struct {
    struct ax_metric_family family;
    double (*read)(void);
} process_metrics[] = {
    { { .name = "process_resident_memory_bytes",
        .help = "Memory that is resident.",
        .type = AX_METRIC_GAUGE },
      process_resident_bytes },
    { { .name = "process_open_fds", .help = "Descriptors that are open.", .type = AX_METRIC_GAUGE },
      process_open_fds },
    { { .name = "process_cpu_seconds_total",
        .help = "Processor time that was used.",
        .type = AX_METRIC_COUNTER },
      process_cpu_seconds },
};

static const struct ax_metric_family start_family = {
    .name = "process_start_time_seconds",
    .help = "When serving began, in seconds since 1970.",
    .type = AX_METRIC_GAUGE,
};

static const struct ax_metric_family build_family = {
    .name = "ax_build_info",
    .help = "1; the version is the label.",
    .type = AX_METRIC_GAUGE,
    .labels = "version",
};

struct metrics_answer {
    struct ax_sliced_answer base;
    struct ax_metric_scrape *scrape;
    struct ax_version_lines lines;
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

static bool print_process(struct metrics_answer *answer, struct ax_buf *out, size_t bytes)
{
    (void)bytes;
    for (size_t i = 0; i < AX_COUNT(process_metrics); i++) {
        const struct ax_metric_family *family = &process_metrics[i].family;
        ax_metric_print_head(out, family);
        (void)ax_buf_printf(out, "%s %.17g\n", family->name, process_metrics[i].read());
    }
    ax_metric_print_head(out, &start_family);
    (void)ax_buf_printf(out, "%s %.17g\n", start_family.name,
                        (double)ax_server_start_us(answer->base.thread->server) / 1e6);
    ax_metric_print_head(out, &build_family);
    (void)ax_buf_printf(out, "%s{version=\"%s\"} 1\n", build_family.name, AX_VERSION);
    return true;
}

/* One after the other; each does a step's work at most, and is true when it is done. */
static bool (*const stages[])(struct metrics_answer *answer, struct ax_buf *out, size_t bytes) = {
    read_versions, print_series,  print_states,  print_models,
    print_triton,  drop_versions, print_process,
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
