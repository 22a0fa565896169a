/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service for one request: what a list of features of views gives, "view:field", without a
 * definition of its own, and so without a name.
 *
 * A call of it gives the join keys of the views' entities under their own names, each once. Its
 * inputs are the listed fields, those of a view together, in the order in which views and fields
 * are listed first; a feature that is listed again is one.
 */
#ifndef AX_FEATURE_LISTED_SERVICE_H
#define AX_FEATURE_LISTED_SERVICE_H

#include "feature/definitions.h"

/* Make it in the arena; definitions are borrowed. Inputs are called like their fields, so that
 * their names may be the same. Expected: NOT_FOUND (no such view or field; names the nearest),
 * INVALID (no feature; no "view:field"; a join key of two types), UNSUPPORTED (a version), LIMIT,
 * TOO_LARGE. */
AX_MUST_USE enum ax_code ax_listed_service_new(const struct ax_definitions *definitions,
                                               const struct ax_str *features, size_t count,
                                               struct ax_arena *arena,
                                               const struct ax_service **ret_service,
                                               struct ax_err *err);

#endif
