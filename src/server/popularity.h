/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Popularity: which model is asked how often, now and at this hour of the week; kept on disk.
 * docs/internals/popularity.md.
 *
 * A rate in requests a minute for each of the 168 hours of a week (UTC), a recent one, and what the
 * model took in memory. It is fed with counters that are there anyway, about once a minute, so
 * requests pay nothing. One thread; no clock of its own.
 */
#ifndef AX_SERVER_POPULARITY_H
#define AX_SERVER_POPULARITY_H

#include "base/buf.h"
#include "server/residency.h"

#define AX_POPULARITY_MODELS_MAX ((size_t)10000)
#define AX_POPULARITY_NAME       "popularity" /* in the folder of state */
#define AX_POPULARITY_FILE_MAX   ((size_t)16 << 20)

struct ax_popularity;

struct ax_popularity *ax_popularity_new(void) AX_RETURNS_NONNULL;
/* NULL is fine. */
void ax_popularity_free(struct ax_popularity *popularity);

/* All requests for a model that were counted so far; one that fell began anew. A model beyond
 * AX_POPULARITY_MODELS_MAX is passed over. */
void ax_popularity_count(struct ax_popularity *popularity, struct ax_str model, uint64_t total);

/* `elapsed_ns` of monotonic time have passed, which are what was counted since the last tick; the
 * wall clock says for which hour. About once a minute. True when an hour was closed: a moment to
 * write. */
bool ax_popularity_tick(struct ax_popularity *popularity, int64_t wall_us, uint64_t elapsed_ns);

/* Requests a minute: of late; in the hour of `wall_us`; and the larger one. 0: never seen. */
double ax_popularity_recent(const struct ax_popularity *popularity, struct ax_str model);
double ax_popularity_expected(const struct ax_popularity *popularity, struct ax_str model,
                              int64_t wall_us);
double ax_popularity_worth(const struct ax_popularity *popularity, struct ax_str model,
                           int64_t wall_us);

/* Whether the hour of the week has told better, of late, what would be asked in an hour than the
 * hour before it did: whether there is a cycle that it is worth to load ahead of. */
bool ax_popularity_has_cycle(const struct ax_popularity *popularity);

/* What the model took when it was loaded last and fitted; false: it never did. For files that may
 * have changed since, it is a guess. */
void ax_popularity_note(struct ax_popularity *popularity, struct ax_str model,
                        const struct ax_footprint *footprint);
AX_MUST_USE bool ax_popularity_footprint(const struct ax_popularity *popularity,
                                         struct ax_str model, struct ax_footprint *ret_footprint);

/* Control threads. Read a file; write one, whole or not at all. Expected: NOT_FOUND, DENIED,
 * INVALID (damaged, or of another version). */
AX_MUST_USE enum ax_code ax_popularity_read(const char *path, struct ax_popularity **ret_popularity,
                                            struct ax_err *err);
AX_MUST_USE enum ax_code ax_popularity_write(const struct ax_popularity *popularity,
                                             const char *path, struct ax_err *err);

/* Remove from the folder of state what a writer that was killed has left. */
void ax_popularity_sweep(const char *state, int64_t wall_us);

/* The file's bytes. Expected: INVALID. */
void ax_popularity_print(const struct ax_popularity *popularity, struct ax_buf *out);
AX_MUST_USE enum ax_code ax_popularity_parse(struct ax_str file,
                                             struct ax_popularity **ret_popularity,
                                             struct ax_err *err);

#endif
