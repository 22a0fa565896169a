/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of popularity, what it takes is what it prints, and what was
 * taken can be gone on with.
 * Method: the bytes as they are; and, so that more than the checksum is tried, with a header that
 * fits them. What was read is printed, which must give the same bytes, ticked and asked.
 */
#include "server/popularity.h"

#include "base/hash.h"

#include <stdlib.h>

#define FILE_BYTES_AT 16
#define CHECKSUM_AT   24
#define CHECKED_FROM  32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ax_popularity *popularity, struct ax_str file)
{
    struct ax_buf again;
    ax_buf_init(&again, AX_POPULARITY_FILE_MAX);
    ax_popularity_print(popularity, &again);
    if (!again.failed && !ax_str_equals(ax_buf_str(&again), file))
        abort();
    ax_buf_done(&again);
    ax_popularity_count(popularity, AX_STR("m"), 1000);
    for (int64_t hour = -3; hour < 400; hour += 7) {
        (void)ax_popularity_tick(popularity, hour * 3600 * 1000000, UINT64_C(600000000000));
        double worth = ax_popularity_worth(popularity, AX_STR("m"), hour * 3600 * 1000000);
        if (!(worth >= 0))
            abort();
    }
}

static void read_file(struct ax_str file)
{
    struct ax_popularity *popularity;
    struct ax_err err = AX_ERR_INIT;
    if (ax_popularity_parse(file, &popularity, &err)) {
        if (err.code != AX_E_INVALID || !err.msg[0])
            abort();
        return;
    }
    use(popularity, file);
    ax_popularity_free(popularity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_file((struct ax_str){ (const char *)data, size });
    if (size < CHECKED_FROM)
        return 0;
    char *fitted = malloc(size);
    if (!fitted)
        abort();
    memcpy(fitted, data, size);
    uint64_t file_bytes = size;
    uint64_t checksum = ax_hash((struct ax_str){ fitted + CHECKED_FROM, size - CHECKED_FROM });
    static const char head[FILE_BYTES_AT] = { 'A', 'U', 'S', 'P', 'E', 'X', 'P', 'O',
                                              2,   0,   0,   0,   4,   3,   2,   1 };
    memcpy(fitted, head, sizeof(head));
    memcpy(fitted + FILE_BYTES_AT, &file_bytes, sizeof(file_bytes));
    memcpy(fitted + CHECKSUM_AT, &checksum, sizeof(checksum));
    read_file((struct ax_str){ fitted, size });
    free(fitted);
    return 0;
}
