/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions as a repository of Feast: the Python that `feast apply` reads.
 *
 * Feast has names, types, ttl, roles and services; what it has no words for (expressions, windows,
 * defaults, what a call gives) is the server's, and told in comments and in a list. So are things
 * that Feast refuses or reads as something else, which are left out with all that is made from
 * them. See docs/protocols/feast.md.
 */
#ifndef AX_FEATURE_FEAST_REPOSITORY_H
#define AX_FEATURE_FEAST_REPOSITORY_H

#include "feature/definitions.h"

/* How the first line of the Python begins, by which it is known as ours. */
#define AX_FEAST_HEAD "# Written by `auspex features export --feast`"

/* The column of times in what Feast writes, whatever the source calls it. */
#define AX_FEAST_TIME "event_timestamp"

/* Append the Python to `out`, and to `notes` a line for each thing that Feast does not have, or has
 * otherwise. Expected: INVALID (Feast refuses the project's name), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_feast_put_definitions(const struct ax_definitions *definitions,
                                                  struct ax_buf *out, struct ax_buf *notes,
                                                  struct ax_err *err);

/* Append feature_store.yaml: `server` is the URL of the server that has the values. Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_feast_put_store(const struct ax_definitions *definitions,
                                            struct ax_str server, struct ax_buf *out,
                                            struct ax_err *err);

#endif
