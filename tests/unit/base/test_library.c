/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a library that has denormals flushed to zero is found out as it is opened, and arithmetic
 * is afterwards what it was; one that does no such thing is opened and nothing is told; one that
 * is not there is refused. Method: open tests/flush_to_zero.c, which the build made a library, and
 * the C library's own libm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/library.h"

#include "base/thread.h"

#include <dlfcn.h>
#include <fenv.h>
#include <string.h>

static volatile float tiny = 1e-38f;

#if defined(__x86_64__) || defined(__aarch64__)

static void a_changed_mode_is_put_back(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    const char *path = getenv("AX_TEST_FLUSH_TO_ZERO");
    void *library = NULL;
    bool changed = false;
    assert_non_null(path);
    assert_int_equal(ax_library_open(path, &library, &changed, &err), AX_OK);
    assert_non_null(library);
    assert_true(changed);
    assert_true(tiny / 8 > 0);
    assert_false(ax_thread_restore_fp());

    /* Opened plainly, it does change the mode: else this test would say nothing. */
    assert_int_equal(dlclose(library), 0);
    assert_non_null(dlopen(path, RTLD_NOW | RTLD_LOCAL));
    assert_true(tiny / 8 == 0);
    assert_true(ax_thread_restore_fp());
    assert_true(tiny / 8 > 0);
}

#else

static void a_changed_mode_is_put_back(void **state)
{
    (void)state;
    skip();
}

#endif

/* What the mode was before is not laid at the library's door. */
static void a_harmless_library_is_not_accused(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    void *library = NULL;
    bool changed = true;
    (void)fesetround(FE_UPWARD);
    assert_int_equal(ax_library_open("libm.so.6", &library, &changed, &err), AX_OK);
    assert_non_null(library);
    assert_false(changed);
    assert_int_equal(fegetround(), FE_TONEAREST);
}

static void what_is_not_there_is_refused(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    void *library = &err;
    bool changed = true;
    assert_int_equal(ax_library_open("/nowhere/libnothing.so", &library, &changed, &err),
                     AX_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "/nowhere/libnothing.so"));
    assert_ptr_equal(library, &err);
    assert_true(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_mode_is_put_back),
        cmocka_unit_test(a_harmless_library_is_not_accused),
        cmocka_unit_test(what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests_name("base/library", tests, NULL, NULL);
}
