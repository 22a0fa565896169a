/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of CSV headers, and names are UTF-8 and distinct.
 * Method: parse and look at every name.
 */
#include "data/csv_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_str *names;
    size_t count;
    ax_arena_init(&arena, 1024, (size_t)1 << 22);
    if (!ax_csv_header_parse((struct ax_str){ (const char *)data, size }, &arena, &names, &count,
                             &err)) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            bytes += names[i].len;
            /* Fields of UTF-8 are UTF-8: commas and quotes never lie inside a character. */
            if (!ax_str_is_utf8(names[i]) || (i && ax_str_equals(names[i], names[i - 1])))
                abort();
        }
        if (count == 0 || bytes > size)
            abort();
    } else if (!err.msg[0]) {
        abort();
    }
    ax_arena_done(&arena);
    return 0;
}
