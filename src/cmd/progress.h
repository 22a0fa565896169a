/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of long work over rows, on standard error: on a terminal one line that moves, elsewhere
 * a line every ten seconds. Belongs to one thread.
 */
#ifndef AX_CMD_PROGRESS_H
#define AX_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ax_progress {
    const char *command;
    bool quiet;
    bool is_terminal;
    bool open_line;
    uint64_t began_ns;
    uint64_t shown_ns;
    size_t rows_done; /* the most of all steps */
    char step[256];
};

void ax_progress_init(struct ax_progress *progress, const char *command, bool quiet);

/* A line of its own: "predict: …". */
void ax_progress_note(struct ax_progress *progress, const char *text);

/* So many rows are done, which are this share of the work (negative: nobody knows). Shown if the
 * time for it has come. */
void ax_progress_show(struct ax_progress *progress, size_t rows, double share);

/* Work of several steps, of which `what` is one: a line when it begins, and then as above, with so
 * many of `rows` done (0: nobody knows). It does not go back. */
void ax_progress_step(struct ax_progress *progress, const char *what, size_t rows_done,
                      size_t rows);

/* Likewise of several parts, each with rows of its own, which are counted anew. */
void ax_progress_part(struct ax_progress *progress, const char *what, size_t rows_done,
                      size_t rows);

/* Nothing more comes. */
void ax_progress_end(struct ax_progress *progress);

#endif
