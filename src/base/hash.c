/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3 from libxxhash's header, MurmurHash3 by its published constants, and SHA-256 as FIPS 180-4
 * writes it down: blocks of 64 bytes, a schedule of 64 words, 64 rounds. Model files are digested
 * while they are loaded, which took more than half of the load; so where the CPU has instructions
 * for SHA-256 they are used, and the plain form is for all others.
 */
#include "base/hash.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* Without it gcc keeps the sums of XXH3 in memory: 30 % slower. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
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

struct ax_hasher {
    XXH3_state_t *state; /* its alignment is the library's matter */
};

struct ax_hasher *ax_hasher_new(void)
{
    struct ax_hasher *hasher = ax_xalloc(sizeof(*hasher));
    hasher->state = XXH3_createState();
    assert(hasher->state);
    (void)XXH3_128bits_reset(hasher->state);
    return hasher;
}

void ax_hasher_free(struct ax_hasher *hasher)
{
    if (hasher)
        (void)XXH3_freeState(hasher->state);
    free(hasher);
}

void ax_hasher_add(struct ax_hasher *hasher, const void *ptr, size_t len)
{
    assert(hasher && (ptr || !len));
    if (len)
        (void)XXH3_128bits_update(hasher->state, ptr, len);
}

struct ax_hash128 ax_hasher_result(const struct ax_hasher *hasher)
{
    assert(hasher);
    XXH128_hash_t hash = XXH3_128bits_digest(hasher->state);
    return (struct ax_hash128){ hash.low64, hash.high64 };
}

static uint32_t murmur_word(const unsigned char *bytes, size_t len)
{
    uint32_t word = 0;
    for (size_t i = len; i-- > 0;)
        word = word << 8 | bytes[i];
    word *= 0xcc9e2d51;
    word = word << 15 | word >> 17;
    return word * 0x1b873593;
}

/* Words of four bytes, little end first; what is left at the end is a shorter word. */
uint32_t ax_murmur3(struct ax_str bytes, uint32_t seed)
{
    assert(bytes.ptr || !bytes.len);
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    uint32_t hash = seed;
    size_t left = bytes.len;
    for (; left >= 4; at += 4, left -= 4) {
        hash ^= murmur_word(at, 4);
        hash = hash << 13 | hash >> 19;
        hash = hash * 5 + 0xe6546b64;
    }
    if (left)
        hash ^= murmur_word(at, left);
    hash ^= (uint32_t)bytes.len;
    hash = (hash ^ hash >> 16) * 0x85ebca6b;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35;
    return hash ^ hash >> 16;
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
        for (size_t k = 7; k > 0; k--)
            s[k] = s[k - 1];
        s[0] = t1 + t2;
        s[4] += t1;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

static void sha_blocks_plain(uint32_t state[8], const unsigned char *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sha_block(state, blocks + i * SHA_BLOCK);
}

#if defined(__x86_64__)
/* The instructions want the state as a, b, e, f and c, d, g, h, from the highest number of a
 * register down, and do two rounds each, so four rounds are two of them and one register of
 * words. Words 16 to 63 follow from the four registers before. */
static AX_TARGET("sha,sse4.1") void sha_blocks_x86(uint32_t state[8], const unsigned char *blocks,
                                                   size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xB1);
    __m128i high =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; count > 0; count--, blocks += SHA_BLOCK) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];
        for (size_t i = 0; i < 16; i++) {
            __m128i *now = &w[i % 4];
            const __m128i *last = &w[(i + 3) % 4];
            if (i < 4) {
                *now = _mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i));
                *now = _mm_shuffle_epi8(*now, swap);
            } else {
                __m128i part = _mm_sha256msg1_epu32(*now, w[(i + 1) % 4]);
                part = _mm_add_epi32(part, _mm_alignr_epi8(*last, w[(i + 2) % 4], 4));
                *now = _mm_sha256msg2_epu32(part, *last);
            }
            __m128i sum = _mm_add_epi32(
                *now, _mm_loadu_si128((const __m128i *)(const void *)(sha_rounds + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);
    high = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

/* Asked once, since the answer is slow to come in a virtual machine. */
static bool has_sha(void)
{
    enum { UNKNOWN, NO, YES };
    static _Atomic int known = UNKNOWN;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == UNKNOWN) {
        unsigned eax, ebx = 0, ecx, edx;
        bool has = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ebx >> 29 & 1 &&
                   __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
        answer = has ? YES : NO;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == YES;
}

static void sha_blocks(uint32_t state[8], const unsigned char *blocks, size_t count)
{
    if (has_sha())
        sha_blocks_x86(state, blocks, count);
    else
        sha_blocks_plain(state, blocks, count);
}
#else
static void sha_blocks(uint32_t state[8], const unsigned char *blocks, size_t count)
{
    sha_blocks_plain(state, blocks, count);
}
#endif

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
        sha_blocks(sha->state, sha->block, 1);
    }
    sha_blocks(sha->state, bytes, len / SHA_BLOCK);
    if (len % SHA_BLOCK)
        memcpy(sha->block, bytes + len / SHA_BLOCK * SHA_BLOCK, len % SHA_BLOCK);
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
