/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule by which a zone's clocks are changed each year, as POSIX writes it in TZ: for
 * base/zone.c.
 */
#ifndef AX_BASE_ZONE_RULE_H
#define AX_BASE_ZONE_RULE_H

#include "base/str.h"

/* East of Greenwich is positive; as ISO 8601 and not as POSIX has it. */
#define AX_ZONE_OFFSET_S_MAX (26 * 3600 - 1)

enum ax_zone_day_kind {
    AX_ZONE_DAY_MONTH,   /* Mm.w.d */
    AX_ZONE_DAY_JULIAN,  /* Jn: 1 to 365, the leap day is never counted */
    AX_ZONE_DAY_OF_YEAR, /* n: 0 to 365 */
};

struct ax_zone_day {
    enum ax_zone_day_kind kind;
    unsigned month, week, weekday; /* of MONTH: 1 to 12; 1 to 5 (the last); 0 is Sunday */
    unsigned day;                  /* of the others */
    int32_t second;                /* behind that day's begin, by the clock that ends then */
};

struct ax_zone_rule {
    int32_t standard_s; /* offset */
    bool has_summer;
    int32_t summer_s;
    struct ax_zone_day begin, end; /* of summer */
};

/* Read all of `text`, like "CET-1CEST,M3.5.0,M10.5.0/3" or "<+03>-3". False when it is no rule. */
AX_MUST_USE bool ax_zone_rule_read(struct ax_str text, struct ax_zone_rule *ret_rule);

/* The moment of a change, in seconds since 1970, when the clocks were `offset_s` ahead before. */
int64_t ax_zone_day_at(const struct ax_zone_day *day, int64_t year, int32_t offset_s);

#endif
