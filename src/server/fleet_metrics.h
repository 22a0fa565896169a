/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fleet does, as metrics: of single versions on their accounts, and of all together.
 *
 * Called on the control thread, where it happens. What can be read from the catalog (states, bytes
 * of each version) is not counted here but printed from it (server/api/model_metrics.h).
 */
#ifndef AX_SERVER_FLEET_METRICS_H
#define AX_SERVER_FLEET_METRICS_H

#include "server/account.h"

#include <stddef.h>
#include <stdint.h>

/* Before the others. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_fleet_metrics_register(struct ax_err *err);

/* A version was loaded, checked and warmed. */
void ax_fleet_metrics_loaded(const struct ax_account *account, uint64_t load_ns,
                             uint64_t warm_up_ns);
/* Loading it failed, and is not tried again by itself. */
void ax_fleet_metrics_failed(const struct ax_account *account);
/* It had to leave, since others need the memory. */
void ax_fleet_metrics_evicted(const struct ax_account *account);

/* Bytes of all that is loaded or still drains, images once however many share them, and the limit;
 * 0: none. */
void ax_fleet_metrics_memory(size_t used_bytes, size_t limit_bytes);
/* Images on disk, how many were removed since this was called last, and the limit; 0: none. */
struct ax_image_usage;
void ax_fleet_metrics_images(const struct ax_image_usage *usage, uint64_t removed_more,
                             size_t limit_bytes);
/* Requests that wait for a load, at this moment. */
void ax_fleet_metrics_waiting(size_t count);

#endif
