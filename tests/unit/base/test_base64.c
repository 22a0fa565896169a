/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: base64 is decoded to what was encoded, in one piece and in several, whatever else comes is
 * refused, and bytes are printed as such.
 * Method: the vectors of RFC 4648; an encoder of the test's own over bytes of all values and
 * lengths; a table of texts that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

#define BYTES_MAX 300

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode(const unsigned char *bytes, size_t len, char *to)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i += 3) {
        unsigned more = (unsigned)AX_MIN(len - i, (size_t)3);
        unsigned v = (unsigned)bytes[i] << 16 | (more > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                     (more > 2 ? bytes[i + 2] : 0);
        to[at++] = alphabet[v >> 18];
        to[at++] = alphabet[v >> 12 & 63];
        to[at++] = more > 1 ? alphabet[v >> 6 & 63] : '=';
        to[at++] = more > 2 ? alphabet[v & 63] : '=';
    }
    return at;
}

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes;
    } vectors[] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" },
        { "+/+/", "\xfb\xff\xbf" },
    };
    for (size_t i = 0; i < AX_COUNT(vectors); i++) {
        char to[16];
        size_t len = 99;
        assert_true(ax_base64_decode(ax_str_from(vectors[i].text), true, to, &len));
        assert_int_equal(len, strlen(vectors[i].bytes));
        assert_memory_equal(to, vectors[i].bytes, len);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX];
    char text[BYTES_MAX * 2];
    char back[BYTES_MAX * 2];
    for (size_t i = 0; i < BYTES_MAX; i++)
        bytes[i] = (unsigned char)(i * 167 + i / 256);
    for (size_t len = 0; len < BYTES_MAX; len++) {
        size_t chars = encode(bytes, len, text);
        size_t got = 0;
        struct ax_buf put;
        ax_buf_init(&put, sizeof(text));
        ax_base64_put(&put, (struct ax_str){ (const char *)bytes, len });
        assert_true(ax_str_equals(ax_buf_str(&put), (struct ax_str){ text, chars }));
        ax_buf_done(&put);
        assert_true(ax_base64_decode((struct ax_str){ text, chars }, true, back, &got));
        assert_int_equal(got, len);
        assert_memory_equal(back, bytes, len);
        /* In two pieces, cut at a group. */
        size_t cut = chars / 2 / 4 * 4;
        size_t first = 0, second = 0;
        assert_true(ax_base64_decode((struct ax_str){ text, cut }, cut == chars, back, &first));
        assert_true(ax_base64_decode((struct ax_str){ text + cut, chars - cut }, true, back + first,
                                     &second));
        assert_int_equal(first + second, len);
        assert_memory_equal(back, bytes, len);
    }
}

static void test_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z",
        "Zg",
        "Zg=",
        "Zm9",
        "Z===",
        "====",
        "=g==",
        "Zg=g",
        "Zh==",
        "Zm9=",
        "Zm9v=",
        "Zm9v Zm9v",
        "Zm-v",
        "Zm_v",
        "Zm9v\n",
        "Zg==Zg==",
        ("Zm\xff"
         "v"),
        "Zm8=Zm9v",
    };
    for (size_t i = 0; i < AX_COUNT(wrong); i++) {
        char to[16];
        size_t len = 77;
        assert_false(ax_base64_decode(ax_str_from(wrong[i]), true, to, &len));
        assert_int_equal(len, 77);
    }
    char to[4];
    size_t len = 77;
    /* Padding may stand in the last piece alone. */
    assert_false(ax_base64_decode(AX_STR("Zg=="), false, to, &len));
    assert_int_equal(len, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
