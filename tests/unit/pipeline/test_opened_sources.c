/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a source that was in order is known while what it means and its files' stamp are the same,
 * across processes; whatever stands in the file that tells so does no harm. Method: sources made by
 * hand, kept and read again; files that were cut off or are another program's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/opened_sources.h"

#include "test_folder.h"

#include <stdio.h>

static struct ax_source sources[] = {
    { .name = { "planes", 6 },
      .text = { "planes.csv", 10 },
      .zone = { "UTC", 3 },
      .time = -1,
      .created = -1 },
    { .name = { "weather", 7 },
      .text = { "weather.csv", 11 },
      .zone = { "UTC", 3 },
      .time = -1,
      .created = -1 },
};
static const struct ax_definitions definitions = { .sources = sources, .source_count = 2 };

static bool is_known(size_t source, const char *stamp)
{
    struct ax_opened_sources opened;
    ax_opened_sources_init(&opened, folder);
    bool known = ax_opened_sources_has(&opened, &sources[source], stamp);
    ax_opened_sources_done(&opened);
    return known;
}

static void keep(size_t source, const char *stamp)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_opened_sources opened;
    ax_opened_sources_init(&opened, folder);
    ax_opened_sources_put(&opened, &sources[source], stamp);
    assert_int_equal(ax_opened_sources_keep(&opened, &definitions, folder, &err), AX_OK);
    ax_opened_sources_done(&opened);
}

static void knows_what_was_kept(void **state)
{
    (void)state;
    assert_false(is_known(0, "a"));
    keep(0, "a");
    assert_true(is_known(0, "a"));
    assert_false(is_known(0, "b") || is_known(1, "a") || is_known(0, ""));
    keep(1, "a");
    assert_true(is_known(0, "a") && is_known(1, "a"));
    keep(0, "b");
    assert_true(is_known(0, "b") && !is_known(0, "a"));
    /* What cannot be told is never known. */
    keep(0, "");
    assert_true(is_known(0, "b") && !is_known(0, ""));
    /* Another meaning; its description is none. */
    sources[0].description = AX_STR("of the airframe");
    assert_true(is_known(0, "b"));
    sources[0].text = AX_STR("planes2.csv");
    assert_false(is_known(0, "b"));
    sources[0].text = AX_STR("planes.csv");
    assert_true(is_known(0, "b"));
    /* A source that is not defined any more is forgotten. */
    struct ax_err err = AX_ERR_INIT;
    struct ax_opened_sources opened;
    const struct ax_definitions fewer = { .sources = sources, .source_count = 1 };
    ax_opened_sources_init(&opened, folder);
    ax_opened_sources_put(&opened, &sources[0], "c");
    assert_int_equal(ax_opened_sources_keep(&opened, &fewer, folder, &err), AX_OK);
    ax_opened_sources_done(&opened);
    assert_true(is_known(0, "c") && !is_known(1, "a"));
}

static void keeps_what_is_new_alone(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_opened_sources opened;
    char nowhere[64];
    (void)snprintf(nowhere, sizeof(nowhere), "%s/nowhere", folder);
    ax_opened_sources_init(&opened, nowhere);
    assert_int_equal(ax_opened_sources_keep(&opened, &definitions, nowhere, &err), AX_OK);
    ax_opened_sources_put(&opened, &sources[0], "a");
    assert_int_equal(ax_opened_sources_keep(&opened, &definitions, nowhere, &err), AX_E_NOT_FOUND);
    ax_opened_sources_done(&opened);
}

static void damaged_files_tell_nothing(void **state)
{
    (void)state;
    struct ax_buf good;
    struct ax_err err = AX_ERR_INIT;
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/opened-sources", folder);
    keep(0, "a");
    keep(1, "a");
    ax_buf_init(&good, 4096);
    assert_int_equal(ax_file_read(path, &good, &err), AX_OK);
    const struct ax_str whole = ax_buf_str(&good);
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(ax_file_replace(path, (struct ax_str){ whole.ptr, len }, &err), AX_OK);
        assert_false(is_known(1, "a"));
        assert_int_equal(is_known(0, "a"), len > 64 + sizeof("planes"));
    }
    static const char *const others[] = { "\n", "\n\n\n", " planes\n", "planes a\n" };
    for (size_t i = 0; i < AX_COUNT(others); i++) {
        assert_int_equal(ax_file_replace(path, ax_str_from(others[i]), &err), AX_OK);
        assert_false(is_known(0, "a") || is_known(1, "a"));
    }
    ax_buf_done(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_was_kept),
        cmocka_unit_test(keeps_what_is_new_alone),
        cmocka_unit_test(damaged_files_tell_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
