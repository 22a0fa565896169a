/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that no engine reads, but that people take for model files: pickles, binary formats of old,
 * archives, dumps. Told apart by content, whatever their name, so that the refusal can say what to
 * do instead.
 */
#ifndef AX_ENGINE_FOREIGN_H
#define AX_ENGINE_FOREIGN_H

#include "base/str.h"

/* What a file that begins with `head` (its first bytes, up to 4 KiB) seems to be and what to do
 * about it: "a Python pickle of an XGBoost model; …". NULL when it looks like none of them. */
const char *ax_foreign_describe(struct ax_str head);

#endif
