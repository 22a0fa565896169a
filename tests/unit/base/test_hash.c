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

/* The file itself, to hold its two ways of doing a block against each other. */
#include "base/hash.c"

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

/* Whichever way this CPU takes above, the plain one is right, and the other equal to it. */
static void sha256_plain_and_fast(void **state)
{
    (void)state;
    static const uint32_t begin[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    unsigned char blocks[64 * 9] = "abc\x80";
    uint32_t plain[8], fast[8];
    blocks[63] = 24; /* the block of "abc" with its padding */
    memcpy(plain, begin, sizeof(plain));
    sha_blocks_plain(plain, blocks, 1);
    assert_true(plain[0] == 0xba7816bf && plain[7] == 0xf20015ad);
    for (size_t i = 0; i < sizeof(blocks); i++)
        blocks[i] = (unsigned char)(i * i + i / 7);
    for (size_t count = 0; count <= 9; count++) {
        memcpy(plain, begin, sizeof(plain));
        memcpy(fast, begin, sizeof(fast));
        sha_blocks_plain(plain, blocks, count);
        sha_blocks(fast, blocks, count);
        assert_memory_equal(plain, fast, sizeof(plain));
    }
}

/* Values of Python's mmh3. */
static void murmur3_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seed, hash;
    } rows[] = {
        { "", 0, 0 },
        { "", 1, 1364076727 },
        { "ab", 0, (uint32_t)-1681926305 },
        { "abc", 0, (uint32_t)-1277324294 },
        { "abcd", UINT32_MAX, 729662808 },
        { "foo", 42, (uint32_t)-1322301282 },
        { "exp-01.1", 0, 0xcea9e64e },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 7, (uint32_t)-1576731376 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        assert_int_equal(ax_murmur3(ax_str_from(rows[i].text), rows[i].seed), rows[i].hash);
    assert_int_equal(ax_murmur3((struct ax_str){ NULL, 0 }, 0), 0);
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

/* The published value for no bytes; then, whatever the cut, what the whole has. */
static void xxh3_128_cut_anywhere(void **state)
{
    (void)state;
    char bytes[2000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    struct ax_hasher *whole = ax_hasher_new();
    struct ax_hash128 hash = ax_hasher_result(whole);
    assert_true(hash.high == 0x99aa06d3014798d8u && hash.low == 0x6001c324468d497fu);
    ax_hasher_add(whole, bytes, sizeof(bytes));
    hash = ax_hasher_result(whole);
    for (size_t cut = 0; cut <= sizeof(bytes); cut += 37) {
        struct ax_hasher *parts = ax_hasher_new();
        ax_hasher_add(parts, bytes, cut);
        ax_hasher_add(parts, NULL, 0);
        ax_hasher_add(parts, bytes + cut, sizeof(bytes) - cut);
        struct ax_hash128 other = ax_hasher_result(parts);
        assert_true(other.low == hash.low && other.high == hash.high);
        ax_hasher_free(parts);
    }
    ax_hasher_add(whole, "", 1);
    assert_true(ax_hasher_result(whole).low != hash.low);
    ax_hasher_free(whole);
    ax_hasher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),        cmocka_unit_test(sha256_of_a_million),
        cmocka_unit_test(sha256_cut_anywhere),   cmocka_unit_test(sha256_plain_and_fast),
        cmocka_unit_test(murmur3_vectors),       cmocka_unit_test(xxh3_vectors),
        cmocka_unit_test(xxh3_128_cut_anywhere),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
