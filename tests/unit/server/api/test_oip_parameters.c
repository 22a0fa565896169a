/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the timeout of a body is found without reading the rest, wherever it stands within what may
 * be looked at, and a body that is anything else names none. Method: a table of bodies. That it
 * agrees with the reader of whole bodies is a property that fuzz/infer.c checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/oip_parameters.h"

#include <string.h>

static const struct {
    const char *json;
    uint64_t timeout_us;
} bodies[] = {
    { "{\"parameters\":{\"timeout\":50000}}", 50000 },
    { "{\"parameters\":{\"timeout\":50000},\"inputs\":nonsense", 50000 },
    { "{\"id\":\"a\",\"inputs\":[{\"data\":[1,[2,3]]}],\"parameters\":{\"timeout\":7}}", 7 },
    { " { \"parameters\" : { \"a\" : [ { } ] , \"timeout\" : 7 , \"b\" : \"c\" } }", 7 },
    { "{\"parameters\":{\"timeout\":1,\"timeout\":2}}", 2 }, /* as the reader takes it */
    { "{\"parameters\":{\"timeout\":18446744073709551615}}", UINT64_MAX },
    { "{\"parameters\":{\"timeout\":0}}", 0 },
    { "{\"parameters\":{}}", 0 },
    { "{\"parameters\":{\"other\":1}}", 0 },
    { "{}", 0 },
    { "", 0 },
    { "[]", 0 },
    { "7", 0 },
    /* Not the request's own. */
    { "{\"timeout\":7}", 0 },
    { "{\"inputs\":[{\"parameters\":{\"timeout\":7}}]}", 0 },
    { "{\"id\":\"\\\"parameters\\\":{\\\"timeout\\\":7}\"}", 0 },
    { "{\"parameters\":{\"a\":{\"timeout\":7}}}", 0 },
    /* What is refused, or not whole, is not believed. */
    { "{\"parameters\":{\"timeout\":-7}}", 0 },
    { "{\"parameters\":{\"timeout\":7.5}}", 0 },
    { "{\"parameters\":{\"timeout\":\"7\"}}", 0 },
    { "{\"parameters\":{\"timeout\":7", 0 },
    { "{\"parameters\":{\"timeout\":7]", 0 },
    { "{\"parameters\":[\"timeout\",7]}", 0 },
    { "{\"parameters\":", 0 },
    { "{\"inputs\":[1,}],\"parameters\":{\"timeout\":7}}", 0 },
    { "{\"parameters\":{\"a\":1,\"t\\u0069meout\":7,\"timeout\":8}}", 0 },
};

static void what_bodies_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_str json = ax_str_from(bodies[i].json);
        uint64_t found = ax_oip_parameters_peek_timeout(json, (size_t)1 << 20);
        if (found != bodies[i].timeout_us)
            fail_msg("%s: %llu", bodies[i].json, (unsigned long long)found);
    }
}

/* A long array before it, or beside it, is passed over as far as looking goes. */
static void looking_ends(void **state)
{
    static const char *const begins[] = { "{\"inputs\":[", "{\"parameters\":{\"a\":[" };
    static const char *const ends[] = { "1],\"parameters\":{\"timeout\":7}}",
                                        "1],\"timeout\":7}}" };
    enum { NUMBERS = 5000 };
    static char text[2 * NUMBERS + 100];
    (void)state;
    for (size_t i = 0; i < AX_COUNT(begins); i++) {
        size_t len = strlen(begins[i]);
        memcpy(text, begins[i], len);
        for (size_t k = 0; k < NUMBERS; k++) {
            text[len++] = '1';
            text[len++] = ',';
        }
        memcpy(text + len, ends[i], strlen(ends[i]));
        struct ax_str json = { text, len + strlen(ends[i]) };
        assert_int_equal(ax_oip_parameters_peek_timeout(json, json.len), 7);
        assert_int_equal(ax_oip_parameters_peek_timeout(json, (size_t)2 * NUMBERS), 0);
        assert_int_equal(ax_oip_parameters_peek_timeout(json, 1), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_bodies_name),
        cmocka_unit_test(looking_ends),
    };
    return cmocka_run_group_tests_name("server/api/oip_parameters", tests, NULL, NULL);
}
