/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warnings of what is deprecated, where it is used.
 */
#ifndef AX_CMD_DEPRECATIONS_H
#define AX_CMD_DEPRECATIONS_H

#include "feature/definitions.h"

/* A line to standard error for each deprecated field and view that the service takes: "COMMAND:
 * warning: field 'built' of view 'plane' is deprecated: use age". */
void ax_deprecations_warn(const char *command, const struct ax_service *service);

#endif
