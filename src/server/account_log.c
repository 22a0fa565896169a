/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line has the labels of the account and the four outcomes; the sum has '*' for both.
 */
#include "server/account_log.h"

#include "base/log.h"
#include "server/account.h"

static void log_reading(const char *event, const char *model, const char *version,
                        const struct ax_account_reading *reading)
{
    ax_log(AX_LOG_INFO, event, AX_LOG_TEXT("model", model), AX_LOG_TEXT("version", version),
           AX_LOG_U64("received", ax_account_received(reading)),
           AX_LOG_U64("success", reading->outcomes[AX_OUTCOME_SUCCESS]),
           AX_LOG_U64("failed", reading->outcomes[AX_OUTCOME_FAILED]),
           AX_LOG_U64("rejected", reading->outcomes[AX_OUTCOME_REJECTED]),
           AX_LOG_U64("cancelled", reading->outcomes[AX_OUTCOME_CANCELLED]),
           AX_LOG_U64("rows", reading->rows));
}

void ax_account_log_all(void)
{
    struct ax_account_reading sums = { 0 };
    size_t count;
    struct ax_account **accounts = ax_account_list(&count);
    for (size_t i = 0; i < count; i++) {
        struct ax_account_reading reading;
        ax_account_read(accounts[i], &reading);
        for (size_t k = 0; k < AX_OUTCOME_COUNT; k++)
            sums.outcomes[k] += reading.outcomes[k];
        sums.rows += reading.rows;
        if (ax_account_received(&reading))
            log_reading("requests", accounts[i]->model, accounts[i]->version, &reading);
    }
    ax_account_list_free(accounts, count);
    log_reading("requests in all", "*", "*", &sums);
}
