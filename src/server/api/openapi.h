/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI document of this server, as the build wrote it from openapi.json.
 */
#ifndef AX_SERVER_API_OPENAPI_H
#define AX_SERVER_API_OPENAPI_H

#include <stddef.h>

/* JSON without line breaks, not NUL-terminated. */
extern const char ax_openapi_ptr[];
extern const size_t ax_openapi_len;

#endif
