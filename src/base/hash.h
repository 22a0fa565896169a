/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes: XXH3 for tables inside the process, MurmurHash3 for what must agree with other programs,
 * SHA-256 for digests that leave it.
 */
#ifndef AX_BASE_HASH_H
#define AX_BASE_HASH_H

#include "base/str.h"

/* XXH3_64bits; the value is stable across releases and machines. */
uint64_t ax_hash(struct ax_str bytes);
uint64_t ax_hash_seeded(struct ax_str bytes, uint64_t seed);

/* XXH3_128bits of what was added, however it was cut. Tells files apart; nobody who chooses the
 * bytes is kept from making two alike. */
struct ax_hash128 {
    uint64_t low, high;
};
struct ax_hasher;
struct ax_hasher *ax_hasher_new(void);
void ax_hasher_free(struct ax_hasher *hasher);
void ax_hasher_add(struct ax_hasher *hasher, const void *ptr, size_t len);
struct ax_hash128 ax_hasher_result(const struct ax_hasher *hasher);

/* MurmurHash3_x86_32, as other programs compute it: for shares and keys that must agree with
 * theirs, not for tables. */
uint32_t ax_murmur3(struct ax_str bytes, uint32_t seed);

/* SHA-256 (FIPS 180-4) of what was added; the text is 64 lower-case hex digits and a NUL. */
#define AX_SHA256_TEXT_SIZE 65
struct ax_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes added so far */
    unsigned char block[64];
};
void ax_sha256_init(struct ax_sha256 *sha);
void ax_sha256_add(struct ax_sha256 *sha, const void *ptr, size_t len);
void ax_sha256_text(struct ax_sha256 *sha, char ret_text[AX_SHA256_TEXT_SIZE]);

#endif
