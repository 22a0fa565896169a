/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of versions under the names that Triton gives them, for dashboards and clients that
 * know those.
 */
#ifndef AX_SERVER_API_TRITON_METRICS_H
#define AX_SERVER_API_TRITON_METRICS_H

#include "server/api/version_lines.h"

#define AX_TRITON_METRICS 11
extern const struct ax_version_family ax_triton_metrics[AX_TRITON_METRICS];

#endif
