/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process itself is seen to use, under the names that dashboards know from other programs:
 * read when it is asked for, and kept by nothing.
 */
#ifndef AX_SERVER_API_PROCESS_METRICS_H
#define AX_SERVER_API_PROCESS_METRICS_H

#include "base/buf.h"

/* Descriptors that are open, being counted. Zeroed at first. */
struct ax_open_files {
    int folder_fd; /* while is_open */
    bool is_open, is_counted;
    size_t count;
};

/* Count on, as many as a step may. True: all are counted, or they cannot be. */
bool ax_open_files_count(struct ax_open_files *files);
/* Zeroed is fine. */
void ax_open_files_done(struct ax_open_files *files);

void ax_process_metrics_print(struct ax_buf *out, const struct ax_open_files *files,
                              uint64_t start_us);

#endif
