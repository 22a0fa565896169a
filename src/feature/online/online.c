/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of backends.
 */
#include "feature/online/online.h"

const struct ax_online_backend *const ax_online_backends[] = { &ax_online_memory };
const size_t ax_online_backend_count = AX_COUNT(ax_online_backends);
