/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: memory that is refused while definitions are read or printed is told, and nothing is lost.
 * Method: the flights' definitions read, digested and printed, with every allocation refused in
 * turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "definition_fixture.h"

#include "torture.h"

static void reading_and_printing(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    char digest[AX_SHA256_TEXT_SIZE];
    if (read_definitions(ax_buf_str(&flights), &read, &err)) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
        return;
    }
    const struct ax_service *service = ax_definitions_service(&read, AX_STR("pushback"));
    enum ax_code code = ax_definition_digest(AX_DEFINITION_SERVICE, service, digest, &err);
    assert_true(!code || (code == AX_E_LIMIT && ax_torture_struck()));
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    ax_definition_put_json(&out, AX_DEFINITION_SERVICE, service);
    assert_true(!out.failed || (out.failed == AX_E_LIMIT && ax_torture_struck()));
    ax_buf_done(&out);
    ax_definitions_done(&read);
}

static void reading_texts(void **state)
{
    (void)state;
    const struct ax_file_text files[] = {
        { AX_STR("a.yaml"), AX_STR("auspex: 1\nsources:\n  s:\n    sql: x.sql\n    time: none\n"
                                   "    columns: {a: int64}\n") },
        { AX_STR("x.sql"), AX_STR("select a from b") },
    };
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    if (ax_definitions_read_texts("f", files, AX_COUNT(files), &read, &err)) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
        return;
    }
    assert_int_equal(read.file_count, 2);
    ax_definitions_done(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_and_printing),
        cmocka_unit_test(reading_texts),
    };
    return cmocka_run_group_tests(tests, make_definitions, remove_definitions);
}
