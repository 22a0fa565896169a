/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file is one that LMDB can be let loose on.
 *
 * LMDB follows page numbers and lengths without looking at them. What passes here has none that
 * lead anywhere else. The file must not change meanwhile; it blocks.
 */
#ifndef AX_FEATURE_ONLINE_LMDB_CHECK_H
#define AX_FEATURE_ONLINE_LMDB_CHECK_H

#include "base/err.h"

#include <stdint.h>

/* Look through the data file of an LMDB environment (0.9's format) with nothing but plain keys and
 * values in its main tree. A file that is not there or is empty is fine. Expected: INVALID (what is
 * wrong, without the path), LIMIT (over `bytes_max`, or memory), DENIED. */
AX_MUST_USE enum ax_code ax_lmdb_check(const char *path, uint64_t bytes_max, struct ax_err *err);

#endif
