/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate is that since the beginning, and the time left is what the rest takes at that rate. What
 * was shown as done stays done: of a step with several statements each has a share of its own.
 */
#include "cmd/progress.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH        30
#define TERMINAL_WAIT_NS (100 * (uint64_t)AX_NS_PER_MS)
#define LINE_WAIT_NS     (10 * (uint64_t)AX_NS_PER_S)

void ax_progress_init(struct ax_progress *progress, const char *command, bool quiet)
{
    assert(progress && command);
    *progress = (struct ax_progress){ .command = command,
                                      .quiet = quiet,
                                      .is_terminal = isatty(STDERR_FILENO) == 1,
                                      .began_ns = ax_clock_ns() };
    progress->shown_ns = progress->began_ns;
}

void ax_progress_end(struct ax_progress *progress)
{
    assert(progress);
    if (progress->open_line)
        (void)fputc('\n', stderr);
    progress->open_line = false;
}

void ax_progress_note(struct ax_progress *progress, const char *text)
{
    assert(progress && text);
    if (progress->quiet)
        return;
    ax_progress_end(progress);
    (void)fprintf(stderr, "%s: %s\n", progress->command, text);
}

void ax_progress_show(struct ax_progress *progress, size_t rows, double share)
{
    assert(progress);
    uint64_t now_ns = ax_clock_ns();
    uint64_t wait_ns = progress->is_terminal ? TERMINAL_WAIT_NS : LINE_WAIT_NS;
    if (progress->quiet || now_ns - progress->shown_ns < wait_ns)
        return;
    double seconds = (double)AX_MAX(now_ns - progress->began_ns, (uint64_t)1) / 1e9;
    bool is_known = share >= 0 && share <= 1;
    char left[48] = "";
    progress->shown_ns = now_ns;
    if (is_known && share > 0)
        (void)snprintf(left, sizeof(left), ", %.0f s left", seconds * (1 - share) / share);
    if (!progress->is_terminal) {
        (void)fprintf(stderr, "%s: %zu rows, %.0f a second%s\n", progress->command, rows,
                      (double)rows / seconds, left);
        return;
    }
    progress->open_line = true;
    (void)fputc('\r', stderr);
    if (is_known) {
        int done = (int)(share * BAR_WIDTH);
        (void)fprintf(stderr, "[%.*s%*s] %3.0f %%, ", done, "##############################",
                      BAR_WIDTH - done, "", share * 100);
    }
    (void)fprintf(stderr, "%zu rows, %.0f a second%s  ", rows, (double)rows / seconds, left);
}

void ax_progress_step(struct ax_progress *progress, const char *what, size_t rows_done, size_t rows)
{
    assert(progress && what);
    if (strcmp(progress->step, what) != 0)
        ax_progress_note(progress, what);
    (void)snprintf(progress->step, sizeof(progress->step), "%s", what);
    progress->rows_done = AX_MAX(progress->rows_done, rows_done);
    ax_progress_show(progress, progress->rows_done,
                     rows ? (double)progress->rows_done / (double)rows : -1);
}

void ax_progress_part(struct ax_progress *progress, const char *what, size_t rows_done, size_t rows)
{
    assert(progress && what);
    if (strcmp(progress->step, what) != 0) {
        progress->rows_done = 0;
        progress->began_ns = ax_clock_ns();
    }
    ax_progress_step(progress, what, rows_done, rows);
}
