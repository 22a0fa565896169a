/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3 from libxxhash's header, and SHA-256 as FIPS 180-4 writes it down: blocks of 64 bytes, a
 * schedule of 64 words, 64 rounds. Digests are made when models are loaded and written, so the
 * plain form is fast enough.
 */
#include "base/hash.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SHA_BLOCK 64

uint64_t ax_hash(struct ax_str bytes)
{
    assert(bytes.ptr || !bytes.len);
    return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t ax_hash_seeded(struct ax_str bytes, uint64_t seed)
{
    assert(bytes.ptr || !bytes.len);
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t sha_rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

static uint32_t rotated(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void sha_schedule(const unsigned char *block, uint32_t words[64])
{
    for (size_t i = 0; i < 16; i++)
        words[i] = big_endian(block + 4 * i);
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];
        words[i] = words[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + words[i - 7] +
                   (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
    }
}

/* The letters a to h of the standard are s[0] to s[7]. */
static void sha_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t words[64];
    sha_schedule(block, words);
    uint32_t s[8];
    memcpy(s, state, sizeof(s));
    for (size_t i = 0; i < 64; i++) {
        uint32_t sum1 = rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25);
        uint32_t chosen = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t t1 = s[7] + sum1 + chosen + sha_rounds[i] + words[i];
        uint32_t sum0 = rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22);
        uint32_t t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

void ax_sha256_init(struct ax_sha256 *sha)
{
    assert(sha);
    /* The same of the square roots of the first 8 primes. */
    *sha = (struct ax_sha256){ .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void ax_sha256_add(struct ax_sha256 *sha, const void *ptr, size_t len)
{
    assert(sha && (ptr || !len));
    const unsigned char *bytes = ptr;
    size_t held = sha->length % SHA_BLOCK;
    sha->length += len;
    if (held && len) {
        size_t taken = AX_MIN(len, SHA_BLOCK - held);
        memcpy(sha->block + held, bytes, taken);
        bytes += taken;
        len -= taken;
        if (held + taken < SHA_BLOCK)
            return;
        sha_block(sha->state, sha->block);
    }
    for (; len >= SHA_BLOCK; bytes += SHA_BLOCK, len -= SHA_BLOCK)
        sha_block(sha->state, bytes);
    if (len)
        memcpy(sha->block, bytes, len);
}

void ax_sha256_text(struct ax_sha256 *sha, char ret_text[AX_SHA256_TEXT_SIZE])
{
    assert(sha && ret_text);
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = sha->length * 8;
    unsigned char padding[SHA_BLOCK + 8] = { 0x80 };
    size_t held = sha->length % SHA_BLOCK;
    size_t zeros_end = (held < SHA_BLOCK - 8 ? SHA_BLOCK - 8 : 2 * SHA_BLOCK - 8) - held;
    for (size_t i = 0; i < 8; i++)
        padding[zeros_end + i] = (unsigned char)(bits >> (56 - 8 * i));
    ax_sha256_add(sha, padding, zeros_end + 8);
    for (size_t i = 0; i < AX_SHA256_TEXT_SIZE - 1; i++)
        ret_text[i] = digits[sha->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    ret_text[AX_SHA256_TEXT_SIZE - 1] = '\0';
}
