/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: allocations have the size and contents they promise; products that overflow are refused.
 * Method: direct calls; a child process shows that ax_xrealloc aborts rather than wraps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void bookkeeping_is_zeroed(void **state)
{
    (void)state;
    char *ptr = ax_xalloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(ptr[i], 0);
    ptr = ax_xrealloc(ptr, 2000, 2);
    memset(ptr, 7, 4000);
    free(ptr);
    free(ax_xalloc(0));
    free(ax_xrealloc(NULL, 0, 8));
}

static void copies_end_in_nul(void **state)
{
    (void)state;
    char *text = ax_xstrdup("delay");
    assert_string_equal(text, "delay");
    free(text);
    text = ax_xmemdup0("delay", 3);
    assert_string_equal(text, "del");
    free(text);
    text = ax_xmemdup0(NULL, 0);
    assert_string_equal(text, "");
    free(text);
}

static void refusal_is_null(void **state)
{
    (void)state;
    assert_null(ax_try_alloc(SIZE_MAX / 2, 4));
    assert_null(ax_try_alloc(SIZE_MAX, SIZE_MAX));
    assert_null(ax_try_alloc(SIZE_MAX, 1));
    void *ptr = ax_try_alloc(3, 5);
    assert_non_null(ptr);
    free(ptr);
    ptr = ax_try_alloc(0, 5);
    assert_non_null(ptr);
    free(ptr);
}

static void overflow_aborts(void **state)
{
    (void)state;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        free(ax_xrealloc(NULL, SIZE_MAX / 2, 4));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bookkeeping_is_zeroed),
        cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(refusal_is_null),
        cmocka_unit_test(overflow_aborts),
    };
    return cmocka_run_group_tests_name("base/alloc", tests, NULL, NULL);
}
