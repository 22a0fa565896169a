/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are compressed before they leave. Private to net.
 *
 * An answer that is large enough (compress_bytes_min), and whose client takes gzip or deflate, is
 * put aside and compressed in steps of the thread's queue, so that no answer holds the others up.
 * When that gains nothing it leaves as it was.
 */
#ifndef AX_NET_CODED_ANSWER_H
#define AX_NET_CODED_ANSWER_H

#include "net/exchange.h"

struct ax_coded_answer;

/* Put the answer aside; its body is copied or taken. False when it should leave as it is, and then
 * nothing has happened: it is small, the client takes no coding of ours, or memory is short. */
AX_MUST_USE bool ax_coded_answer_begin(struct ax_exchange *exchange,
                                       const struct ax_answer *answer);

/* Go on for a slice. When true is returned it is done, and *ret_answer is what is to be printed:
 * its texts lie in the request's arena, its body belongs to the coded answer. */
AX_MUST_USE bool ax_coded_answer_step(struct ax_exchange *exchange, struct ax_answer *ret_answer);

/* Give back what it holds; NULL is fine. */
void ax_coded_answer_done(struct ax_coded_answer *coded, struct ax_coder_pool *pool);

#endif
