/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex models list`: the versions that a server knows, or those that lie in a folder.
 */
#ifndef AX_CMD_MODELS_LIST_H
#define AX_CMD_MODELS_LIST_H

#include "base/err.h"

#include <stdbool.h>

/* Ask the server at `url` for its index and its counts, and print a line a version. Expected: as
 * ax_target_parse and ax_fetch; INVALID (no such server's answers). */
AX_MUST_USE enum ax_code ax_models_list_server(const char *url, bool json, struct ax_err *err);

/* The same of what a server would find in `folder`; nothing is loaded. Expected: as
 * ax_repository_list. */
AX_MUST_USE enum ax_code ax_models_list_folder(const char *folder, bool json, struct ax_err *err);

#endif
