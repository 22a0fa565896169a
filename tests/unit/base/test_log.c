/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an event is one whole line of its format whatever the values hold, below the level nothing
 * is written, and lines of threads do not mix.
 * Method: stderr goes to a file that is read back; JSON lines go through our own reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include "base/json.h"
#include "base/thread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/auspex-test-log-XXXXXX";
static int kept_stderr;
static char written[1 << 20];

static void capture(void)
{
    (void)fflush(stderr);
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    assert_true(lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
}

static size_t captured(void)
{
    ssize_t len = pread(STDERR_FILENO, written, sizeof(written) - 1, 0);
    assert_true(len >= 0);
    written[len] = '\0';
    return (size_t)len;
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    kept_stderr = dup(STDERR_FILENO);
    return fd >= 0 && kept_stderr >= 0 && dup2(fd, STDERR_FILENO) >= 0 && !close(fd) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return dup2(kept_stderr, STDERR_FILENO) >= 0 ? 0 : -1;
}

/* Behind "time=…Z " */
static const char *behind_time(void)
{
    assert_int_equal(strncmp(written, "time=", 5), 0);
    assert_int_equal(written[5 + 26], 'Z');
    return written + 5 + 27;
}

static void logfmt(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_NOT_FOUND, "no model 'x'");
    ax_log_setup(AX_LOG_INFO, AX_LOG_LOGFMT);
    capture();
    ax_log(AX_LOG_INFO, "model loaded", AX_LOG_TEXT("model", "fraud"), AX_LOG_U64("n", UINT64_MAX),
           AX_LOG_I64("i", -3), AX_LOG_F64("f", 0.5), AX_LOG_F64("g", (double)NAN),
           AX_LOG_TEXT("empty", ""), AX_LOG_ERR(&err));
    (void)captured();
    assert_string_equal(
        behind_time(), " level=info event=\"model loaded\" model=fraud n=18446744073709551615 i=-3 "
                       "f=0.5 g=\"not finite\" empty=\"\" error=\"no model 'x'\"\n");
}

static void user_data_cannot_begin_a_line(void **state)
{
    (void)state;
    ax_log_setup(AX_LOG_INFO, AX_LOG_LOGFMT);
    capture();
    ax_log(AX_LOG_WARN, "odd", AX_LOG_STR("a", AX_STR("x\ntime=now level=error event=\"forged\"")),
           AX_LOG_STR("b", AX_STR("y z=1\r\0\x1B[31m\xFF")), AX_LOG_STR("c", AX_STR("k=v")));
    (void)captured();
    assert_string_equal(behind_time(),
                        " level=warn event=odd a=\"x\\ntime=now level=error event=\\\"forged\\\"\" "
                        "b=\"y z=1\\r\\u0000\\u001b[31m\xEF\xBF\xBD\" c=\"k=v\"\n");
}

static void json(void **state)
{
    (void)state;
    ax_log_setup(AX_LOG_INFO, AX_LOG_JSON);
    capture();
    ax_log(AX_LOG_ERROR, "odd\n", AX_LOG_STR("a", AX_STR("x\"\n\xFF")), AX_LOG_I64("n", -1),
           AX_LOG_F64("f", (double)INFINITY));
    size_t len = captured();
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc;
    assert_int_equal(ax_json_parse((struct ax_str){ written, len }, &doc, &err), AX_OK);
    const struct ax_json *root = ax_json_root(doc);
    assert_int_equal(ax_json_count(root), 6);
    assert_true(ax_str_is(ax_json_str(ax_json_get(root, "level")), "error"));
    assert_true(ax_str_is(ax_json_str(ax_json_get(root, "event")), "odd\n"));
    assert_true(ax_str_is(ax_json_str(ax_json_get(root, "a")), "x\"\n\xEF\xBF\xBD"));
    assert_true(ax_str_is(ax_json_str(ax_json_get(root, "f")), "not finite"));
    ax_json_free(doc);
}

/* Values of every length, so that the cut meets every byte of a line. */
static void long_lines_stay_whole(void **state)
{
    (void)state;
    static char control[600];
    memset(control, 1, sizeof(control));
    for (size_t len = 0; len < sizeof(control); len += 3) {
        const struct ax_str value = { control, len };
        for (int form = 0; form < 2; form++) {
            ax_log_setup(AX_LOG_INFO, form ? AX_LOG_JSON : AX_LOG_LOGFMT);
            capture();
            ax_log(AX_LOG_INFO, "x", AX_LOG_STR("a", value), AX_LOG_STR("b", value),
                   AX_LOG_STR("c", value));
            size_t wrote = captured();
            assert_in_range(wrote, 60, 4096);
            assert_ptr_equal(strchr(written, '\n'), written + wrote - 1);
            bool cut = strstr(written, form ? "\"cut\":true}\n" : " cut=true\n") != NULL;
            assert_true(len < 200 ? !cut : len < 240 || cut);
            if (!form)
                continue;
            struct ax_err err = AX_ERR_INIT;
            struct ax_json_doc *doc;
            assert_int_equal(ax_json_parse((struct ax_str){ written, wrote }, &doc, &err), AX_OK);
            ax_json_free(doc);
        }
    }
}

static void levels(void **state)
{
    (void)state;
    for (int level = AX_LOG_DEBUG; level <= AX_LOG_ERROR; level++) {
        ax_log_setup((enum ax_log_level)level, AX_LOG_LOGFMT);
        capture();
        for (int event = AX_LOG_DEBUG; event <= AX_LOG_ERROR; event++) {
            assert_int_equal(ax_log_enabled((enum ax_log_level)event), event >= level);
            ax_log((enum ax_log_level)event, "x", AX_LOG_I64("n", event));
        }
        (void)captured();
        int lines = 0;
        for (const char *at = written; (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(lines, AX_LOG_ERROR - level + 1);
    }
}

/* Each level may be off while others are on. */
static void levels_one_by_one(void **state)
{
    (void)state;
    ax_log_setup(AX_LOG_WARN, AX_LOG_LOGFMT);
    assert_int_equal(ax_log_levels(), ax_log_levels_from(AX_LOG_WARN));
    ax_log_change_levels(1u << AX_LOG_DEBUG, 1u << AX_LOG_WARN);
    assert_int_equal(ax_log_levels(), 1u << AX_LOG_DEBUG | 1u << AX_LOG_ERROR);
    ax_log_change_levels(0, 0);
    assert_int_equal(ax_log_levels(), 1u << AX_LOG_DEBUG | 1u << AX_LOG_ERROR);
    capture();
    for (int event = AX_LOG_DEBUG; event <= AX_LOG_ERROR; event++)
        ax_log((enum ax_log_level)event, "x", AX_LOG_I64("n", event));
    ax_log_set_format(AX_LOG_JSON);
    ax_log(AX_LOG_ERROR, "x", AX_LOG_I64("n", 9));
    (void)captured();
    assert_non_null(strstr(written, "n=0\n"));
    assert_null(strstr(written, "n=1\n"));
    assert_null(strstr(written, "n=2\n"));
    assert_non_null(strstr(written, "n=3\n"));
    assert_non_null(strstr(written, "\"n\":9}\n"));
    ax_log_setup(AX_LOG_INFO, AX_LOG_LOGFMT);
}

static void log_much(void *arg)
{
    for (int i = 0; i < 500; i++)
        ax_log(AX_LOG_INFO, "thread", AX_LOG_TEXT("who", arg), AX_LOG_TEXT("again", arg));
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[3][200];
    struct ax_thread threads[3];
    struct ax_err err = AX_ERR_INIT;
    ax_log_setup(AX_LOG_INFO, AX_LOG_LOGFMT);
    capture();
    for (size_t i = 0; i < 3; i++) {
        memset(names[i], (int)('a' + i), sizeof(names[i]) - 1);
        assert_int_equal(ax_thread_start(&threads[i], "log", log_much, names[i], &err), AX_OK);
    }
    for (size_t i = 0; i < 3; i++)
        ax_thread_join(&threads[i]);
    (void)captured();
    int lines = 0;
    for (char *at = written; *at; lines++) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        const char *who = strstr(at, "who=");
        assert_non_null(who);
        char wanted[500];
        const char *name = names[who[4] - 'a'];
        (void)snprintf(wanted, sizeof(wanted), "who=%s again=%s", name, name);
        assert_string_equal(who, wanted);
        at = end + 1;
    }
    assert_int_equal(lines, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt),
        cmocka_unit_test(user_data_cannot_begin_a_line),
        cmocka_unit_test(json),
        cmocka_unit_test(long_lines_stay_whole),
        cmocka_unit_test(levels),
        cmocka_unit_test(levels_one_by_one),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests_name("base/log", tests, set_up, tear_down);
}
