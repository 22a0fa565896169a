/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CityHash64 of version 1.0. Texts up to 16, 32 and 64 bytes have a formula each that reads the
 * first and the last bytes, which may overlap. Longer ones keep 56 bytes of state, begun from the
 * last 64 bytes and fed with blocks of 64 from the front. Words are little-endian.
 *
 * Not for tables of our own (ax_hash is faster and seeded); it is here because the files hold its
 * values. A text that a client makes to collide with a category only gets that category's answer.
 */
#include "engine/forest/catboost_hash.h"

#include <assert.h>

#define K0 0xc3a5c85c97cb3127U
#define K1 0xb492b66fbe98f273U
#define K2 0x9ae16a3b2f90404fU
#define K3 0xc949d7c7509e6557U
#define KM 0x9ddfea08eb382d69U /* of the mixture of two words */

static uint64_t word(const char *ptr, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)ptr[i] << 8 * i;
    return value;
}

static uint64_t load(const char *ptr)
{
    return word(ptr, 8);
}

/* `bits` is 1 to 63. */
static uint64_t rotated(uint64_t value, unsigned bits)
{
    return value >> bits | value << (64 - bits);
}

static uint64_t shifted(uint64_t value)
{
    return value ^ value >> 47;
}

static uint64_t mixed(uint64_t low, uint64_t high)
{
    uint64_t a = shifted((low ^ high) * KM);
    return shifted((high ^ a) * KM) * KM;
}

static uint64_t hash_upto_16(const char *s, size_t len)
{
    if (len > 8) {
        uint64_t last = load(s + len - 8);
        return mixed(load(s), rotated(last + len, (unsigned)len)) ^ last;
    }
    if (len >= 4)
        return mixed(len + (word(s, 4) << 3), word(s + len - 4, 4));
    if (len == 0)
        return K2;
    uint32_t y = (uint32_t)word(s, 1) + ((uint32_t)word(s + len / 2, 1) << 8);
    uint32_t z = (uint32_t)len + ((uint32_t)word(s + len - 1, 1) << 2);
    return shifted(y * K2 ^ z * K3) * K2;
}

static uint64_t hash_upto_32(const char *s, size_t len)
{
    uint64_t a = load(s) * K1;
    uint64_t b = load(s + 8);
    uint64_t c = load(s + len - 8) * K2;
    uint64_t d = load(s + len - 16) * K0;
    return mixed(rotated(a - b, 43) + rotated(c, 30) + d, a + rotated(b ^ K3, 20) - c + len);
}

struct pair {
    uint64_t first;
    uint64_t second;
};

/* Of 32 bytes as words 0, 1, 2 and `last`: what both longer formulas do with them. */
static struct pair fold(uint64_t a, const char *middle, uint64_t last)
{
    uint64_t b = rotated(a + last, 52);
    uint64_t c = rotated(a, 37);
    a += load(middle);
    c += rotated(a, 7);
    a += load(middle + 8);
    return (struct pair){ a + last, b + rotated(a, 31) + c };
}

static uint64_t hash_upto_64(const char *s, size_t len)
{
    uint64_t last = load(s + len - 8);
    struct pair v = fold(load(s) + (len + load(s + len - 16)) * K0, s + 8, load(s + 24));
    struct pair w = fold(load(s + 16) + load(s + len - 32), s + len - 24, last);
    uint64_t r = shifted((v.first + w.second) * K2 + (w.first + v.second) * K0);
    return shifted(r * K0 + v.second) * K2;
}

static struct pair weak(const char *s, uint64_t a, uint64_t b)
{
    uint64_t last = load(s + 24);
    a += load(s);
    b = rotated(b + a + last, 21);
    uint64_t c = a;
    a += load(s + 8) + load(s + 16);
    return (struct pair){ a + last, b + rotated(a, 44) + c };
}

static uint64_t hash_long(const char *s, size_t len)
{
    uint64_t x = load(s);
    uint64_t y = load(s + len - 16) ^ K1;
    uint64_t z = load(s + len - 56) ^ K0;
    struct pair v = weak(s + len - 64, len, y);
    struct pair w = weak(s + len - 32, len * K1, K0);
    z += shifted(v.second) * K1;
    x = rotated(z + x, 39) * K1;
    y = rotated(y, 33) * K1;
    for (const char *end = s + (len - 1) / 64 * 64; s < end; s += 64) {
        x = rotated(x + y + v.first + load(s + 16), 37) * K1 ^ w.second;
        y = rotated(y + v.second + load(s + 48), 42) * K1 ^ v.first;
        z = rotated(z ^ w.first, 33);
        v = weak(s, v.second * K1, x + w.first);
        w = weak(s + 32, z + w.second, y);
        uint64_t swapped = z;
        z = x;
        x = swapped;
    }
    return mixed(mixed(v.first, w.first) + shifted(y) * K1 + z, mixed(v.second, w.second) + x);
}

uint32_t ax_catboost_hash(struct ax_str text)
{
    assert(text.ptr || !text.len);
    if (text.len <= 16)
        return (uint32_t)hash_upto_16(text.ptr, text.len);
    if (text.len <= 32)
        return (uint32_t)hash_upto_32(text.ptr, text.len);
    return (uint32_t)(text.len <= 64 ? hash_upto_64(text.ptr, text.len)
                                     : hash_long(text.ptr, text.len));
}
