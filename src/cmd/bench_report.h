/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex bench` says of a run: text for people, one line of JSON for programs.
 */
#ifndef AX_CMD_BENCH_REPORT_H
#define AX_CMD_BENCH_REPORT_H

#include "base/buf.h"
#include "net/load_ramp.h"

/* One rate that a ramp tried. */
struct ax_bench_step {
    uint64_t rate;
    uint64_t p99_ns;
    enum ax_load_verdict verdict;
};

struct ax_bench_report {
    const struct ax_load_config *config;
    const struct ax_load_result *result; /* of a ramp: of the highest rate that passed, or NULL */
    size_t rows;                         /* a request; 0: not known */

    /* Of a ramp. */
    uint64_t p99_ns_max;
    const struct ax_bench_step *steps;
    size_t step_count; /* 0: no ramp */
    uint64_t best_rate;
};

void ax_bench_report_print_text(const struct ax_bench_report *report, struct ax_buf *out);
void ax_bench_report_print_json(const struct ax_bench_report *report, struct ax_buf *out);

#endif
