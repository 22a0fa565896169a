/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of a catalog's versions under the names that Triton gives them, for dashboards and
 * clients that know those.
 */
#ifndef AX_SERVER_API_TRITON_METRICS_H
#define AX_SERVER_API_TRITON_METRICS_H

#include "server/catalog.h"

void ax_triton_metrics_print(const struct ax_catalog *catalog, struct ax_buf *out);

#endif
