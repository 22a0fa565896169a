/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: all series as Prometheus text, and what the process itself is seen to use.
 *
 * The process's values are read when they are asked for and printed behind the registered series;
 * nothing keeps them. They bear the names that dashboards know from other programs.
 */
#include "base/metric.h"
#include "server/api/endpoints.h"
#include "server/api/model_metrics.h"
#include "server/api/triton_metrics.h"
#include "server/router.h"
#include "server/server.h"
#include "server/server_thread.h"

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

void ax_metrics(struct ax_call *call)
{
    assert(call);
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    ax_metric_print(out);
    ax_model_metrics_print(call->thread->catalog, out);
    ax_triton_metrics_print(call->thread->catalog, out);
    for (size_t i = 0; i < AX_COUNT(process_metrics); i++) {
        const struct ax_metric_family *family = &process_metrics[i].family;
        ax_metric_print_head(out, family);
        (void)ax_buf_printf(out, "%s %.17g\n", family->name, process_metrics[i].read());
    }
    ax_metric_print_head(out, &start_family);
    (void)ax_buf_printf(out, "%s %.17g\n", start_family.name,
                        (double)ax_server_start_us(call->thread->server) / 1e6);
    ax_metric_print_head(out, &build_family);
    (void)ax_buf_printf(out, "%s{version=\"%s\"} 1\n", build_family.name, AX_VERSION);
    ax_server_thread_answer_as(call->thread, call->request, 200,
                               "text/plain; version=0.0.4; charset=utf-8");
}
