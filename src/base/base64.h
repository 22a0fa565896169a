/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 as RFC 4648 has it (§4): the alphabet with '+' and '/', padded, nothing else in between.
 */
#ifndef AX_BASE_BASE64_H
#define AX_BASE_BASE64_H

#include "base/buf.h"

/* What `len` characters decode to at most. */
static inline size_t ax_base64_bytes_max(size_t len)
{
    return len / 4 * 3;
}

/* Decode whole groups of four characters; only with `is_last` may the last one be padded, and then
 * the bits that are not used must be 0. `to` has room for ax_base64_bytes_max(text.len). False, and
 * `to` undefined, when it is anything else. A long text is decoded piece by piece. */
AX_MUST_USE bool ax_base64_decode(struct ax_str text, bool is_last, char *to, size_t *ret_len);

/* Append the bytes as such a text. */
void ax_base64_put(struct ax_buf *out, struct ax_str bytes);

#endif
