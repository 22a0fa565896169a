/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus wants the series of a family together, and reading an account adds up cells of all
 * threads that lie beside each other; so each account is read once, into an array, before families
 * are printed one by one.
 */
#include "server/api/version_lines.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>

#define READ_MAX 64 /* accounts in a step: some 100 us */

void ax_version_lines_begin(struct ax_version_lines *lines, struct ax_metric_scrape **ret_scrape)
{
    assert(lines && !lines->accounts && ret_scrape);
    lines->accounts = ax_account_list_scrape(&lines->account_count, ret_scrape);
    lines->lines = ax_xalloc(lines->account_count * sizeof(*lines->lines));
}

void ax_version_lines_done(struct ax_version_lines *lines)
{
    assert(lines);
    for (; lines->dropped < lines->account_count; lines->dropped++)
        ax_account_unref(lines->accounts[lines->dropped]);
    free(lines->accounts);
    free(lines->lines);
    *lines = (struct ax_version_lines){ 0 };
}

static void version_read(const struct ax_account *account, const struct ax_catalog *catalog,
                         struct ax_version_line *ret_line)
{
    *ret_line = (struct ax_version_line){ .account = account };
    ax_account_read(account, &ret_line->reading);
    const struct ax_catalog_version *version =
        ax_catalog_listed(catalog, ax_str_from(account->model), ax_str_from(account->version));
    if (!version)
        return;
    ret_line->is_listed = true;
    ret_line->is_ready = version->served;
    ret_line->state = version->state;
    ret_line->resident_bytes = version->resident_bytes;
    ret_line->load_ns = version->load_ns;
    ret_line->warm_up_ns = version->warm_up_ns;
}

bool ax_version_lines_read(struct ax_version_lines *lines, const struct ax_catalog *catalog)
{
    assert(lines && lines->accounts && catalog);
    size_t end = AX_MIN(lines->read + READ_MAX, lines->account_count);
    for (; lines->read < end; lines->read++) {
        const struct ax_account *account = lines->accounts[lines->read];
        if (!ax_account_is_shared(account))
            version_read(account, catalog, &lines->lines[lines->count++]);
    }
    return lines->read == lines->account_count;
}

void ax_version_line_print_name(struct ax_buf *out, const struct ax_metric_family *family,
                                const struct ax_version_line *line, struct ax_str more)
{
    ax_metric_print_name(out, family->name, ax_str_from(line->account->labels), more);
}

void ax_version_line_print_seconds(struct ax_buf *out, const struct ax_metric_family *family,
                                   const struct ax_version_line *line, uint64_t ns)
{
    uint64_t us = (ns + AX_NS_PER_US / 2) / AX_NS_PER_US;
    uint64_t rest = us % 1000000;
    char digits[] = ".000000\n";
    for (size_t i = 6; i > 0; i--, rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    ax_version_line_print_name(out, family, line, AX_STR(""));
    ax_json_put_u64(out, us / 1000000);
    (void)ax_buf_append_str(out, (struct ax_str){ digits, sizeof(digits) - 1 });
}

static void line_print(struct ax_buf *out, const struct ax_version_family *family,
                       const struct ax_version_line *line)
{
    if (family->print) {
        family->print(out, family->family, line);
        return;
    }
    ax_version_line_print_name(out, family->family, line, AX_STR(""));
    ax_json_put_u64(out, family->read(line));
    (void)ax_buf_append_char(out, '\n');
}

bool ax_version_lines_print(struct ax_version_lines *lines,
                            const struct ax_version_family *families, size_t family_count,
                            struct ax_buf *out, size_t bytes)
{
    assert(lines && lines->accounts && families && out);
    size_t begin = out->len;
    for (; lines->family < family_count; lines->family++, lines->at = 0) {
        const struct ax_version_family *family = &families[lines->family];
        if (lines->at == 0)
            ax_metric_print_head(out, family->family);
        for (; lines->at < lines->count; lines->at++) {
            const struct ax_version_line *line = &lines->lines[lines->at];
            /* The first line follows its head, so that there is one. */
            if (lines->at > 0 && out->len - begin >= bytes)
                return false;
            if (line->is_ready || !family->is_of_ready)
                line_print(out, family, line);
        }
    }
    lines->family = lines->at = 0;
    return true;
}

bool ax_version_lines_drop(struct ax_version_lines *lines)
{
    assert(lines && lines->accounts);
    return ax_account_list_drop(lines->accounts, lines->account_count, &lines->dropped);
}
