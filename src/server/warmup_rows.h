/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that model.yaml gives for the trial: listed there, or in a file beside it.
 *
 *     warmup: {rows: [{dep_delay: 5, carrier: UA}, …]}     or
 *     warmup: {file: rows.jsonl}    or rows.csv            or
 *     warmup: none
 */
#ifndef AX_SERVER_WARMUP_ROWS_H
#define AX_SERVER_WARMUP_ROWS_H

#include "server/warmup.h"

/* Fill in the rows and what is said of them. Expected: as ax_warm_up_read. */
AX_MUST_USE enum ax_code ax_warm_up_rows_read(struct ax_warm_up *warm_up, struct ax_err *err);

#endif
