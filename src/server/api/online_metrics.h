/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's online store tells of itself, read when it is asked for.
 */
#ifndef AX_SERVER_API_ONLINE_METRICS_H
#define AX_SERVER_API_ONLINE_METRICS_H

#include "base/buf.h"
#include "server/feature_store.h"

/* All of it; zeros before it is opened. */
void ax_online_metrics_print(struct ax_buf *out, const struct ax_feature_store *store);

#endif
