/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of a table's content: of what a stream gives, in its order.
 *
 * It is a SHA-256 over each column's name, type and 128-bit XXH3 of which rows have a value and of
 * the values. It depends on neither how rows are cut into chunks nor threads. NaNs are told apart
 * by their bits, and -0 from 0. Not thread-safe.
 */
#ifndef AX_BASE_SQL_DIGEST_H
#define AX_BASE_SQL_DIGEST_H

#include "base/hash.h"
#include "base/sql.h"

struct ax_sql_digest;

/* Of a stream that was not read yet; names and types are copied. */
struct ax_sql_digest *ax_sql_digest_new(const struct ax_sql_stream *stream);
/* NULL is fine. */
void ax_sql_digest_free(struct ax_sql_digest *digest);

/* The next chunk of that stream. Expected: UNSUPPORTED (a column is a list; cast it to text),
 * TOO_LARGE, LIMIT (memory for the texts of a chunk). */
AX_MUST_USE enum ax_code ax_sql_digest_add(struct ax_sql_digest *digest,
                                           const struct ax_sql_chunk *chunk, struct ax_err *err);

/* Of all that was added. */
void ax_sql_digest_text(const struct ax_sql_digest *digest, char ret_text[AX_SHA256_TEXT_SIZE]);

#endif
