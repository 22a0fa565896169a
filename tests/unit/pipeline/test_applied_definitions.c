/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is read from a registry is what was applied, with the numbers and digests of its
 * versions, without the folder; what was read before is known again; what is not what was applied
 * is refused. Method: small definitions, applied as the command does it, then changed a word at a
 * time. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/applied_definitions.h"

#include "applied_fixture.h"
#include "torture.h"

/* False when an allocation was refused. */
static bool must_apply(const char *state)
{
    struct ax_err err = AX_ERR_INIT;
    if (!apply(state, files, &err))
        return true;
    if (!ax_torture_struck())
        fail_msg("%s", err.msg);
    return false;
}

/* NULL when an allocation was refused. */
static struct ax_applied_definitions *must_read(const char *state,
                                                struct ax_applied_definitions *before)
{
    struct ax_applied_definitions *applied = NULL;
    struct ax_err err = AX_ERR_INIT;
    if (!ax_applied_definitions_read(state, before, &applied, &err))
        return applied;
    if (!ax_torture_struck())
        fail_msg("%s", err.msg);
    assert_int_equal(err.code, AX_E_LIMIT);
    return NULL;
}

static void what_was_applied(void **state)
{
    (void)state;
    const char *path = in_folder("whole");
    struct ax_err err = AX_ERR_INIT;
    struct ax_applied_definitions *first = NULL, *other = NULL, *again = NULL;
    struct ax_version_service needed = { .name = AX_STR("buy"), .number = 7 };
    assert_int_equal(ax_applied_definitions_read(path, NULL, &first, &err), AX_E_NOT_FOUND);
    if (!must_apply(path) || !(first = must_read(path, NULL)))
        return;
    assert_int_equal(first->apply, 1);
    assert_true(ax_str_is(first->definitions.project, "shop"));
    assert_string_equal(first->definitions.folder, "/nowhere");
    assert_true(ax_str_equals(first->definitions.sources[0].text, files[1].text));
    const struct ax_applied_service *service = ax_applied_service(first, AX_STR("buy"));
    assert_ptr_equal(service->service, &first->definitions.services[0]);
    assert_int_equal(service->version, 1);
    assert_null(ax_applied_service(first, AX_STR("sell")));
    memcpy(needed.digest, service->digest, sizeof(needed.digest));
    assert_true(ax_applied_fits(first, &needed));
    assert_false(ax_applied_fits(NULL, &needed));

    /* A comment is no apply, but other files. */
    files[0].text = AX_STR("# \n" HEAD "3h" TAIL);
    if (must_apply(path) && (other = must_read(path, first))) {
        assert_true(other != first && other->apply == 1);
        assert_int_equal(other->definitions.services[0].place.line, 13);
        if ((again = must_read(path, other)))
            assert_ptr_equal(again, other);
        ax_applied_definitions_unref(again);
    }
    ax_applied_definitions_unref(other);

    /* What the service is made from is changed, and so is its digest; not its version. */
    files[0].text = AX_STR(HEAD "4h" TAIL);
    if (must_apply(path) && (other = must_read(path, first))) {
        assert_int_equal(other->apply, 2);
        assert_int_equal(ax_applied_version(other, AX_REGISTRY_VIEW, AX_STR("last")), 2);
        assert_int_equal(ax_applied_service(other, AX_STR("buy"))->version, 1);
        assert_false(ax_applied_fits(other, &needed));
        needed.name = AX_STR("");
        assert_true(ax_applied_fits(other, &needed));
        ax_applied_definitions_unref(other);
    }
    ax_applied_definitions_unref(first);
    files[0].text = AX_STR(HEAD "3h" TAIL);
}

/* As an auspex would whose parser makes something else of the same text. */
static void what_means_something_else(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        { HEAD "4h" TAIL, "view 'last' of apply 1 means something else to this auspex" },
        { HEAD "3h" TAIL "  pay: {features: [{view: last}]}\n", "service 'pay' of apply 1 means" },
        { "auspex: 1\n", "entity 'user' of apply 1 means something else" },
    };
    struct ax_file_text kept[] = { files[0], files[1] };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_applied_definitions *applied = NULL;
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_file_remove_tree(in_folder("else"), &err), AX_OK);
        kept[0].text = ax_str_from(cases[i].yaml);
        if (apply(in_folder("else"), kept, &err)) {
            assert_true(ax_torture_struck());
            return;
        }
        enum ax_code code = ax_applied_definitions_read(in_folder("else"), NULL, &applied, &err);
        assert_null(applied);
        assert_true(code == AX_E_UNSUPPORTED || (code == AX_E_LIMIT && ax_torture_struck()));
        if (code == AX_E_UNSUPPORTED && !strstr(err.msg, cases[i].says))
            fail_msg("%s", err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_applied),
        cmocka_unit_test(what_means_something_else),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
