/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones by name, from the system's time zone database.
 *
 * A zone says what the clocks of a place show at a moment of UTC ("local" time here), and which
 * moment is meant by what they show. It is read from its file under /usr/share/zoneinfo when it is
 * first asked for, is immutable, shared by all threads, and stays until the process ends; a
 * database that is replaced meanwhile is seen by the next process. Moments before the first that
 * the file knows have the offset of that place's mean time; those behind the last follow its rule
 * for ever. See docs/internals/zone.md.
 */
#ifndef AX_BASE_ZONE_H
#define AX_BASE_ZONE_H

#include "base/err.h"
#include "base/str.h"

#define AX_ZONE_NAME_BYTES_MAX ((size_t)64)
#define AX_ZONE_FILE_BYTES_MAX ((size_t)64 << 10)

struct ax_zone;

/* The zone called `name`, as "Europe/Berlin". May block when it is not known yet. Expected:
 * INVALID (no name of a zone), NOT_FOUND, LIMIT. */
AX_MUST_USE enum ax_code ax_zone_get(struct ax_str name, const struct ax_zone **ret_zone,
                                     struct ax_err *err);

/* What the clocks show at a moment, in microseconds since they would have shown
 * 1970-01-01T00:00:00. A moment outside of the years that int64 can tell stays at its end. */
int64_t ax_zone_to_local(const struct ax_zone *zone, int64_t utc_us);

/* The moment at which the clocks show that. What they never show, since they are put forward over
 * it, is moved forward by as much; what they show twice is the second one. */
int64_t ax_zone_to_utc(const struct ax_zone *zone, int64_t local_us);

/* Read a zone from the bytes of a TZif file (RFC 8536 and 9636, version 2 to 4, no leap seconds),
 * for ax_zone_get and for tests. Expected: INVALID, UNSUPPORTED, LIMIT. */
AX_MUST_USE enum ax_code ax_zone_read(struct ax_str bytes, struct ax_zone **ret_zone,
                                      struct ax_err *err);
/* Of a zone from ax_zone_read. NULL is fine. */
void ax_zone_free(struct ax_zone *zone);

#endif
