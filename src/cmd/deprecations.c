/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line at a time, so that each says whose it is.
 */
#include "cmd/deprecations.h"

#include <assert.h>
#include <stdio.h>

#define TEXT_BYTES_MAX ((size_t)16 << 20)

void ax_deprecations_warn(const char *command, const struct ax_service *service)
{
    assert(command && service);
    struct ax_buf text;
    ax_buf_init(&text, TEXT_BYTES_MAX);
    ax_service_put_deprecated(&text, service);
    struct ax_str rest = ax_buf_str(&text);
    const char *end;
    while (rest.len && (end = memchr(rest.ptr, '\n', rest.len))) {
        int len = (int)(end - rest.ptr);
        (void)fprintf(stderr, "%s: warning: %.*s\n", command, len, rest.ptr);
        rest = (struct ax_str){ end + 1, rest.len - (size_t)len - 1 };
    }
    ax_buf_done(&text);
}
