/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sources were in order when their files were opened last, so that they are not opened again
 * for nothing.
 *
 * Of each source a digest is kept: of the program, of what the source means, and of its files'
 * stamp (feature/offline/offline.h). It lies in the state directory, in `opened-sources`, and is
 * written by its owner alone. Nothing is lost with it: what is missing or damaged there is opened
 * again. Not for several threads.
 */
#ifndef AX_PIPELINE_OPENED_SOURCES_H
#define AX_PIPELINE_OPENED_SOURCES_H

#include "base/map.h"
#include "feature/definitions.h"

struct ax_opened_sources {
    struct ax_map digests; /* by a source's name; a struct of the .c */
    bool is_changed;       /* since it was read */
};

/* What is known; nothing when there is no such file or when it is none of ours. */
void ax_opened_sources_init(struct ax_opened_sources *sources, const char *state);
void ax_opened_sources_done(struct ax_opened_sources *sources);

/* Whether the source, with files of this stamp, was in order. An empty stamp never was. */
bool ax_opened_sources_has(const struct ax_opened_sources *sources, const struct ax_source *source,
                           const char *stamp);

/* It is in order. An empty stamp is not kept. */
void ax_opened_sources_put(struct ax_opened_sources *sources, const struct ax_source *source,
                           const char *stamp);

/* Keep what is known of these sources, if that has changed, for the next time. Expected: DENIED,
 * LIMIT (disk full). */
AX_MUST_USE enum ax_code ax_opened_sources_keep(const struct ax_opened_sources *sources,
                                                const struct ax_definitions *definitions,
                                                const char *state, struct ax_err *err);

#endif
