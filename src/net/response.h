/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading HTTP/1.1 answers from a stream of bytes, strictly, as a client does that measures.
 *
 * The head is checked and parsed, the body is counted and, unless it is wanted, thrown away. What
 * is refused: a malformed status line, header or chunk, a second Content-Length, one beside a
 * Transfer-Encoding, encodings besides chunked (UNSUPPORTED), a body whose end only the closing of
 * the connection tells. Interim answers (100, 103) are skipped, trailers are checked and ignored.
 * Answers to HEAD are not for this reader. Not thread-safe; owns nothing.
 */
#ifndef AX_NET_RESPONSE_H
#define AX_NET_RESPONSE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define AX_RESPONSE_HEAD_BYTES_MAX ((size_t)16 << 10)

enum ax_response_state {
    AX_RESPONSE_HEAD,
    AX_RESPONSE_BODY, /* of a known length */
    AX_RESPONSE_CHUNK_SIZE,
    AX_RESPONSE_CHUNK,
    AX_RESPONSE_CHUNK_END, /* the line end behind it */
    AX_RESPONSE_TRAILER,
};

struct ax_response {
    int status;                   /* valid when an answer is done: 200..999 */
    bool closes;                  /* the server closes the connection behind this answer */
    enum ax_response_state state; /* what comes next */
    uint64_t body_left;           /* bytes of the body, or of the chunk, not read yet */
    struct ax_buf *body;          /* (optional) borrowed; bodies are put behind its contents */
    size_t head_len;              /* bytes kept in `head`: the beginning of a head, or of a line
                                     between chunks, whose end has not come */
    char head[AX_RESPONSE_HEAD_BYTES_MAX];
};

/* No body is wanted; `body` may be set behind it. */
void ax_response_init(struct ax_response *response);

/* Has nothing come of the next answer? */
static inline bool ax_response_is_between(const struct ax_response *response)
{
    return response->state == AX_RESPONSE_HEAD && response->head_len == 0;
}

/* Read from the `len` bytes at `ptr` until an answer is complete or they are used up. Says how many
 * were used, and whether an answer is done: then `status` and `closes` are its, and the next call
 * begins the next one. Expected: INVALID (malformed), UNSUPPORTED, TOO_LARGE (the head, or a body
 * that is wanted), LIMIT (the same). */
AX_MUST_USE enum ax_code ax_response_read(struct ax_response *response, const char *ptr, size_t len,
                                          size_t *ret_used, bool *ret_done, struct ax_err *err);

#endif
