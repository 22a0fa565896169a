/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics that are read from the catalog: what state versions are in, and what they take.
 */
#ifndef AX_SERVER_API_MODEL_METRICS_H
#define AX_SERVER_API_MODEL_METRICS_H

#include "server/api/version_lines.h"

#define AX_MODEL_METRICS 4
extern const struct ax_version_family ax_model_metrics[AX_MODEL_METRICS];

/* How many versions of the catalog are in which state, at once. */
void ax_model_metrics_print_states(const struct ax_catalog *catalog, struct ax_buf *out);

#endif
