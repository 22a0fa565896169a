/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zone files made by hand, for tests of their reader.
 */
#ifndef AX_TESTS_UNIT_BASE_TZIF_H
#define AX_TESTS_UNIT_BASE_TZIF_H

#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct tzif {
    int64_t times[16]; /* of changes */
    unsigned char types[16];
    size_t time_count;
    int32_t offsets[8];
    size_t type_count;
    size_t leap_count; /* that the header claims */
    const char *rule;  /* without its line ends */
};

struct tzif_bytes {
    char bytes[1024];
    size_t len;
};

/* The low bytes of a number, big end first. */
static inline void tzif_put(struct tzif_bytes *out, uint64_t value, size_t width)
{
    for (size_t i = width; i-- > 0;)
        out->bytes[out->len++] = (char)(i < 8 ? value >> (8 * i) : 0);
}

static inline void tzif_put_header(struct tzif_bytes *out, const struct tzif *zone)
{
    memcpy(out->bytes + out->len, "TZif2", 5);
    memset(out->bytes + out->len + 5, 0, 15);
    out->len += 20;
    tzif_put(out, 0, 4);
    tzif_put(out, 0, 4);
    tzif_put(out, zone ? zone->leap_count : 0, 4);
    tzif_put(out, zone ? zone->time_count : 0, 4);
    tzif_put(out, zone ? zone->type_count : 1, 4);
    tzif_put(out, 4, 4);
}

/* The file, with a first block of one type and nothing else. */
static inline struct ax_str tzif_make(const struct tzif *zone, struct tzif_bytes *out)
{
    out->len = 0;
    tzif_put_header(out, NULL);
    tzif_put(out, 0, 6 + 4);
    tzif_put_header(out, zone);
    for (size_t i = 0; i < zone->time_count; i++)
        tzif_put(out, (uint64_t)zone->times[i], 8);
    for (size_t i = 0; i < zone->time_count; i++)
        tzif_put(out, zone->types[i], 1);
    for (size_t i = 0; i < zone->type_count; i++) {
        tzif_put(out, (uint32_t)zone->offsets[i], 4);
        tzif_put(out, 0, 2);
    }
    tzif_put(out, 0, 4);
    for (size_t i = 0; i < zone->leap_count; i++)
        tzif_put(out, 0, 12);
    int len = snprintf(out->bytes + out->len, sizeof(out->bytes) - out->len, "\n%s\n", zone->rule);
    out->len += (size_t)len;
    return (struct ax_str){ out->bytes, out->len };
}

#endif
