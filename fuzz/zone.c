/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the file of a time zone. The bytes are read as they are, and again as the rule of a
 * file that is right otherwise, so that rules are found without finding the headers first. What was
 * accepted is asked at moments of all years: what the clocks show at a moment is shown at the
 * moment that it stands for, which is that one or the second time.
 */
#include "base/zone.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct ax_zone *zone, int64_t us)
{
    int64_t local = ax_zone_to_local(zone, us);
    int64_t back = ax_zone_to_utc(zone, local);
    if (back < us || ax_zone_to_local(zone, back) != local)
        abort();
}

static void read_file(struct ax_str bytes)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_zone *zone = NULL;
    if (ax_zone_read(bytes, &zone, &err))
        return;
    (void)ax_zone_to_local(zone, INT64_MIN);
    (void)ax_zone_to_utc(zone, INT64_MAX);
    for (int64_t us = INT64_MIN / 2; us < INT64_MAX / 2; us += INT64_MAX / 41)
        ask(zone, us);
    for (int64_t day = -20000; day < 200000; day += 23)
        ask(zone, day * INT64_C(86400000000) + day % 1000);
    ax_zone_free(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Two headers, each with one type of time at offset 0 and a name of one byte. */
    char file[1024] = "TZif2";
    read_file((struct ax_str){ (const char *)data, size });
    if (size > 200)
        return 0;
    const size_t block = 44 + 6 + 1;
    file[39] = 1;
    file[43] = 1;
    memcpy(file + block, file, block);
    size_t len = 2 * block;
    file[len++] = '\n';
    memcpy(file + len, data, size);
    len += size;
    file[len++] = '\n';
    read_file((struct ax_str){ file, len });
    return 0;
}
