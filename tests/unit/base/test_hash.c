/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: SHA-256 is the standard's, however its input is cut; XXH3 is the published one.
 * Method: vectors of FIPS 180-4 and of the algorithm's own documents; a text of 200 bytes cut in
 * two at every place, which meets every border of the padding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

static void sha256_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_sha256 sha;
        char text[AX_SHA256_TEXT_SIZE];
        ax_sha256_init(&sha);
        ax_sha256_add(&sha, rows[i].text, strlen(rows[i].text));
        ax_sha256_text(&sha, text);
        assert_string_equal(text, rows[i].digest);
    }
}

static void sha256_of_a_million(void **state)
{
    (void)state;
    char block[1000];
    memset(block, 'a', sizeof(block));
    struct ax_sha256 sha;
    char text[AX_SHA256_TEXT_SIZE];
    ax_sha256_init(&sha);
    for (int i = 0; i < 1000; i++)
        ax_sha256_add(&sha, block, sizeof(block));
    ax_sha256_text(&sha, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void sha256_cut_anywhere(void **state)
{
    (void)state;
    char bytes[200];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct ax_sha256 sha;
        char whole[AX_SHA256_TEXT_SIZE];
        char parts[AX_SHA256_TEXT_SIZE];
        ax_sha256_init(&sha);
        ax_sha256_add(&sha, bytes, len);
        ax_sha256_text(&sha, whole);
        for (size_t cut = 0; cut <= len; cut += 1 + len / 40) {
            ax_sha256_init(&sha);
            ax_sha256_add(&sha, bytes, cut);
            ax_sha256_add(&sha, NULL, 0);
            ax_sha256_add(&sha, bytes + cut, len - cut);
            ax_sha256_text(&sha, parts);
            assert_string_equal(parts, whole);
        }
    }
}

static void xxh3_vectors(void **state)
{
    (void)state;
    assert_true(ax_hash(AX_STR("")) == 0x2d06800538d394c2u);
    assert_true(ax_hash((struct ax_str){ NULL, 0 }) == 0x2d06800538d394c2u);
    assert_true(ax_hash_seeded(AX_STR("auspex"), 0) == ax_hash(AX_STR("auspex")));
    assert_true(ax_hash_seeded(AX_STR("auspex"), 1) != ax_hash(AX_STR("auspex")));
    assert_true(ax_hash(AX_STR("auspex")) != ax_hash(AX_STR("auspeX")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(sha256_of_a_million),
        cmocka_unit_test(sha256_cut_anywhere),
        cmocka_unit_test(xxh3_vectors),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
