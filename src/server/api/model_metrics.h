/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics that are read from the catalog: what state versions are in, and what they take.
 */
#ifndef AX_SERVER_API_MODEL_METRICS_H
#define AX_SERVER_API_MODEL_METRICS_H

#include "server/catalog.h"

void ax_model_metrics_print(const struct ax_catalog *catalog, struct ax_buf *out);

#endif
