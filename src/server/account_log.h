/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts as lines of the log, which the server writes at its end.
 */
#ifndef AX_SERVER_ACCOUNT_LOG_H
#define AX_SERVER_ACCOUNT_LOG_H

/* What became of all requests: a line an account that counted any, and one for the sum. Exact when
 * no request is in progress. */
void ax_account_log_all(void);

#endif
