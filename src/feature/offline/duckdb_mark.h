/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read of a source, as a text that its next reading begins with: up to which time, of
 * which files as they were, and what was known last.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_MARK_H
#define AX_FEATURE_OFFLINE_DUCKDB_MARK_H

#include "base/map.h"
#include "feature/offline/duckdb_store.h"

struct ax_mark {
    int64_t to_us;
    bool has_later;      /* there were rows whose time lies behind `to` */
    int64_t known_us;    /* the greatest `created`; INT64_MIN: there was none */
    struct ax_map files; /* stamps of all files; of a query none */
};

/* Of the files as they are at the moment. Ended by ax_mark_done, also after a failure. Expected:
 * NOT_FOUND, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_mark_of_files(struct ax_mark *mark, struct ax_offline *offline,
                                          const struct ax_source *source, struct ax_err *err);
/* From its text, likewise; an empty one: nothing was read. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_mark_read(struct ax_mark *mark, struct ax_str text, struct ax_err *err);
void ax_mark_done(struct ax_mark *mark);

void ax_mark_put(struct ax_buf *out, const struct ax_mark *mark);

/* Whether the source has files, and each was there before as it is now. */
bool ax_mark_has_files(const struct ax_mark *before, const struct ax_mark *now);

#endif
