/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From /proc/self and getrusage. Linux 6.2 and later tell how many descriptors are open as the size
 * of /proc/self/fd. Before, its entries are counted: 1.5 us each, of which 10,000 are too many for
 * one step; so the folder stays open from step to step. What is opened and closed meanwhile may be
 * counted or not.
 */
#include "server/api/process_metrics.h"

#include "base/metric.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auspex_config.h"

#define FD_FOLDER "/proc/self/fd"

/* An entry takes 24 bytes: 170 of them in a step. */
#define ENTRIES_BYTES 4096

static bool files_end(struct ax_open_files *files)
{
    if (files->is_open)
        (void)close(files->folder_fd);
    files->is_open = false;
    files->is_counted = true;
    return true;
}

static size_t count_entries(const char *entries, size_t bytes)
{
    size_t count = 0;
    for (size_t at = 0; at < bytes;) {
        const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
        count += entry->d_name[0] != '.';
        at += entry->d_reclen;
    }
    return count;
}

/* The next entries of the folder. */
static bool files_read(struct ax_open_files *files)
{
    _Alignas(struct dirent64) char entries[ENTRIES_BYTES];
    if (!files->is_open) {
        files->folder_fd = open(FD_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files->folder_fd < 0)
            return files_end(files);
        files->is_open = true;
    }
    ssize_t bytes = getdents64(files->folder_fd, entries, sizeof(entries));
    if (bytes > 0) {
        files->count += count_entries(entries, (size_t)bytes);
        return false;
    }
    /* The one that reads the folder is among them. */
    files->count -= files->count > 0;
    return files_end(files);
}

bool ax_open_files_count(struct ax_open_files *files)
{
    assert(files);
    struct stat info;
    if (files->is_counted)
        return true;
    if (!files->is_open && stat(FD_FOLDER, &info) == 0 && info.st_size > 0) {
        files->count = (size_t)info.st_size;
        return files_end(files);
    }
    return files_read(files);
}

void ax_open_files_done(struct ax_open_files *files)
{
    assert(files);
    (void)files_end(files);
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

static const struct ax_metric_family build_family = {
    .name = "ax_build_info",
    .help = "1; the version is the label.",
    .type = AX_METRIC_GAUGE,
    .labels = "version",
};

void ax_process_metrics_print(struct ax_buf *out, const struct ax_open_files *files,
                              uint64_t start_us)
{
    assert(out && files);
    const struct {
        struct ax_metric_family family;
        double value;
    } metrics[] = {
        { { "process_resident_memory_bytes", "Memory that is resident.", AX_METRIC_GAUGE, NULL },
          process_resident_bytes() },
        { { "process_open_fds", "Descriptors that are open.", AX_METRIC_GAUGE, NULL },
          (double)files->count },
        { { "process_cpu_seconds_total", "Processor time that was used.", AX_METRIC_COUNTER, NULL },
          process_cpu_seconds() },
        { { "process_start_time_seconds", "When serving began, in seconds since 1970.",
            AX_METRIC_GAUGE, NULL },
          (double)start_us / 1e6 },
    };
    for (size_t i = 0; i < AX_COUNT(metrics); i++) {
        ax_metric_print_head(out, &metrics[i].family);
        (void)ax_buf_printf(out, "%s %.17g\n", metrics[i].family.name, metrics[i].value);
    }
    ax_metric_print_head(out, &build_family);
    (void)ax_buf_printf(out, "%s{version=\"%s\"} 1\n", build_family.name, AX_VERSION);
}
