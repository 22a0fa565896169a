/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a scrape shows of versions is the same text in however many steps, none of which is
 * long; states and sizes are the catalog's, numbers the account's, labels are escaped, and accounts
 * are held until they are dropped. Open descriptors are counted, in steps too where the kernel does
 * not tell their number.
 * Method: accounts of a few hundred versions, of which a catalog written here has most, some of
 * them ready; both tables of families printed in steps of several lengths and looked through line
 * by line; descriptors opened here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/model_metrics.h"
#include "server/api/triton_metrics.h"

#include "../../../../src/server/api/process_metrics.c" /* NOLINT(bugprone-suspicious-include) */

#include <stdlib.h>
#include <string.h>

enum { VERSIONS = 300, LINE_BYTES_MAX = 600 };

static struct ax_account *accounts[VERSIONS + 1];
static struct ax_catalog *catalog;
/* Only whether there is one is looked at; its count is never down to none. */
static struct ax_served served = { .refs = 1000000 };

/* Model 'm"' with versions 1 to VERSIONS, the odd ones ready; and 'gone', which no catalog has. */
static int set_up(void **state)
{
    (void)state;
    ax_metric_thread_attach();
    ax_account_set_up(AX_ACCOUNT_VERSIONS_MAX);
    struct ax_catalog_model *model = ax_catalog_model_new("m\"", VERSIONS);
    for (size_t i = 0; i < VERSIONS; i++) {
        struct ax_catalog_version *version = &model->versions[i];
        version->number = i + 1;
        (void)snprintf(version->text, sizeof(version->text), "%zu", i + 1);
        accounts[i] = ax_account_open("m\"", version->text);
        version->account = ax_account_ref(accounts[i]);
        version->state = i % 2 ? AX_VERSION_FAILED : AX_VERSION_READY;
        version->served = i % 2 ? NULL : ax_served_ref(&served);
        version->resident_bytes = 1000 + i;
        version->load_ns = 1500000 + 499;
        version->warm_up_ns = UINT64_C(2000000501);
        ax_account_fail(accounts[i], i % 3 ? AX_E_INTERNAL : AX_E_LIMIT, 1);
        ax_account_fail(accounts[i], AX_E_INVALID, 1);
        ax_account_fail(accounts[i], AX_E_CANCELLED, 1);
        ax_metric_add(accounts[i]->rows, i);
    }
    accounts[VERSIONS] = ax_account_open("gone", "1");
    catalog = ax_catalog_new();
    ax_catalog_put(catalog, model);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_catalog_free(catalog);
    for (size_t i = 0; i <= VERSIONS; i++)
        ax_account_unref(accounts[i]);
    ax_metric_thread_detach();
    return 0;
}

static void begin(struct ax_version_lines *lines)
{
    struct ax_metric_scrape *scrape;
    *lines = (struct ax_version_lines){ 0 };
    ax_version_lines_begin(lines, &scrape);
    ax_metric_scrape_free(scrape);
    size_t steps = 1;
    while (!ax_version_lines_read(lines, catalog))
        steps++;
    assert_in_range(steps, 4, 20);
    assert_int_equal(lines->count, VERSIONS + 1);
}

/* The caller frees it. */
static char *printed(struct ax_version_lines *lines, const struct ax_version_family *families,
                     size_t count, size_t bytes)
{
    struct ax_buf out;
    ax_buf_init(&out, 64 << 20);
    size_t before = 0;
    for (bool done = false; !done; before = out.len) {
        done = ax_version_lines_print(lines, families, count, &out, bytes);
        if (bytes < SIZE_MAX / 2)
            assert_in_range(out.len - before, 0, bytes + LINE_BYTES_MAX);
    }
    char *text = ax_buf_take(&out);
    assert_non_null(text);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static void steps_make_the_same_text(void **state)
{
    (void)state;
    static const struct {
        const struct ax_version_family *families;
        size_t count;
    } tables[] = { { ax_model_metrics, AX_MODEL_METRICS },
                   { ax_triton_metrics, AX_TRITON_METRICS } };
    static const size_t step_bytes[] = { 1, 1000, 4096, 32768 };
    struct ax_version_lines lines;
    begin(&lines);
    for (size_t i = 0; i < AX_COUNT(tables); i++) {
        char *whole = printed(&lines, tables[i].families, tables[i].count, SIZE_MAX);
        assert_int_equal(count_of(whole, "# HELP "), tables[i].count);
        assert_int_equal(count_of(whole, "# TYPE "), tables[i].count);
        for (size_t k = 0; k < AX_COUNT(step_bytes); k++) {
            char *text = printed(&lines, tables[i].families, tables[i].count, step_bytes[k]);
            assert_string_equal(text, whole);
            free(text);
        }
        free(whole);
    }
    ax_version_lines_done(&lines);
}

static void lines_show_catalog_and_account(void **state)
{
    (void)state;
    struct ax_version_lines lines;
    begin(&lines);
    char *text = printed(&lines, ax_model_metrics, AX_MODEL_METRICS, 5000);
    assert_int_equal(count_of(text, "\nax_model_state{"), VERSIONS);
    assert_int_equal(count_of(text, "\nax_model_resident_bytes{"), VERSIONS / 2);
    assert_int_equal(count_of(text, "model=\"gone\""), 0);
    static const char *const model_lines[] = {
        "\nax_model_state{model=\"m\\\"\",version=\"1\",state=\"ready\"} 1\n",
        "\nax_model_state{model=\"m\\\"\",version=\"300\",state=\"failed\"} 1\n",
        "\nax_model_resident_bytes{model=\"m\\\"\",version=\"3\"} 1002\n",
        "\nax_model_load_seconds{model=\"m\\\"\",version=\"299\"} 0.001500\n",
        "\nax_model_warm_up_seconds{model=\"m\\\"\",version=\"1\"} 2.000001\n",
    };
    for (size_t i = 0; i < AX_COUNT(model_lines); i++)
        assert_int_equal(count_of(text, model_lines[i]), 1);
    free(text);
    text = printed(&lines, ax_triton_metrics, AX_TRITON_METRICS, 5000);
    assert_int_equal(count_of(text, "\nnv_inference_count{"), VERSIONS + 1);
    assert_int_equal(count_of(text, "\nnv_inference_request_failure{"), 4 * (VERSIONS + 1));
    static const char *const triton_lines[] = {
        "\nnv_inference_count{model=\"m\\\"\",version=\"42\"} 41\n",
        "\nnv_inference_count{model=\"gone\",version=\"1\"} 0\n",
        "\nnv_inference_request_failure{model=\"m\\\"\",version=\"1\",reason=\"REJECTED\"} 1\n",
        "\nnv_inference_request_failure{model=\"m\\\"\",version=\"1\",reason=\"CANCELED\"} 1\n",
        "\nnv_inference_request_failure{model=\"m\\\"\",version=\"1\",reason=\"BACKEND\"} 0\n",
        "\nnv_inference_request_failure{model=\"m\\\"\",version=\"2\",reason=\"BACKEND\"} 1\n",
        "\nnv_inference_request_failure{model=\"m\\\"\",version=\"2\",reason=\"OTHER\"} 1\n",
        "\nnv_model_load_duration_secs{model=\"m\\\"\",version=\"1\"} 0.001500\n",
    };
    for (size_t i = 0; i < AX_COUNT(triton_lines); i++)
        assert_int_equal(count_of(text, triton_lines[i]), 1);
    free(text);
    ax_version_lines_done(&lines);
}

static void states_are_counted(void **state)
{
    (void)state;
    struct ax_buf out;
    ax_buf_init(&out, 4096);
    ax_model_metrics_print_states(catalog, &out);
    char *text = ax_buf_take(&out);
    assert_non_null(strstr(text, "ax_model_versions{state=\"ready\"} 150\n"));
    assert_non_null(strstr(text, "ax_model_versions{state=\"failed\"} 150\n"));
    assert_non_null(strstr(text, "ax_model_versions{state=\"loading\"} 0\n"));
    free(text);
}

static void accounts_are_held_and_dropped(void **state)
{
    (void)state;
    struct ax_version_lines lines;
    ax_account_unref(ax_account_open("short", "1"));
    struct ax_account *account = ax_account_open("short", "1");
    struct ax_metric_scrape *scrape;
    lines = (struct ax_version_lines){ 0 };
    ax_version_lines_begin(&lines, &scrape);
    ax_metric_scrape_free(scrape);
    ax_account_fail(account, AX_E_INVALID, 1);
    ax_account_unref(account);
    while (!ax_version_lines_read(&lines, catalog))
        ;
    char *text = printed(&lines, ax_triton_metrics, AX_TRITON_METRICS, SIZE_MAX);
    assert_non_null(strstr(text, "{model=\"short\",version=\"1\",reason=\"OTHER\"} 1\n"));
    free(text);
    while (!ax_version_lines_drop(&lines))
        ;
    assert_int_equal(lines.dropped, lines.account_count);
    ax_version_lines_done(&lines);
    ax_version_lines_done(&lines);
    /* It was given back: the next one begins at zero. */
    struct ax_account_reading reading;
    account = ax_account_open("short", "1");
    ax_account_read(account, &reading);
    assert_int_equal(ax_account_received(&reading), 0);
    ax_account_unref(account);
}

static size_t files_by_steps(bool (*count)(struct ax_open_files *files), size_t *ret_steps)
{
    struct ax_open_files files = { 0 };
    for (*ret_steps = 1; !count(&files); (*ret_steps)++)
        assert_true(*ret_steps < 1000);
    assert_true(ax_open_files_count(&files)); /* Once is enough. */
    ax_open_files_done(&files);
    return files.count;
}

static void open_files_are_counted(void **state)
{
    (void)state;
    enum { OPENED = 400 };
    int fds[OPENED];
    size_t steps;
    size_t before = files_by_steps(ax_open_files_count, &steps);
    assert_int_equal(files_by_steps(files_read, &steps), before);
    for (size_t i = 0; i < OPENED; i++) {
        fds[i] = dup(0);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(files_by_steps(ax_open_files_count, &steps), before + OPENED);
    assert_int_equal(files_by_steps(files_read, &steps), before + OPENED);
    assert_in_range(steps, 3, 40);
    /* One that is given up half-way leaves nothing open. */
    struct ax_open_files files = { 0 };
    assert_false(files_read(&files));
    ax_open_files_done(&files);
    for (size_t i = 0; i < OPENED; i++)
        assert_int_equal(close(fds[i]), 0);
    assert_int_equal(files_by_steps(files_read, &steps), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_make_the_same_text),
        cmocka_unit_test(lines_show_catalog_and_account),
        cmocka_unit_test(states_are_counted),
        cmocka_unit_test(accounts_are_held_and_dropped),
        cmocka_unit_test(open_files_are_counted),
    };
    return cmocka_run_group_tests_name("server/api/version_lines", tests, set_up, tear_down);
}
