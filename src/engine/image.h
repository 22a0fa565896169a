/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: what an engine made of a model file, kept in a folder, so that the next load maps it.
 *
 * docs/internals/image.md tells the format and the rules. Here is what no engine needs to know:
 * which file an image is of, where it lies, who may have written it, whether it is whole. An image
 * is a cache: whatever fails costs time, never an answer. A store is immutable but for one mark
 * and may be used by several threads. Nothing here logs.
 */
#ifndef AX_ENGINE_IMAGE_H
#define AX_ENGINE_IMAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/option.h"
#include "engine/image_keeper.h"

#define AX_IMAGE_HEADER_BYTES 256
#define AX_IMAGE_BYTES_MAX    ((size_t)1 << 32)

struct ax_image_config {
    char *state;             /* folder of all that the program keeps */
    bool images;             /* whether images are used and made */
    size_t images_bytes_max; /* 0: no limit */
};
extern const struct ax_option ax_image_options[];

/* The payload of an image, aligned to 64. */
struct ax_image {
    struct ax_str payload;
    void *map; /* NULL: the payload is borrowed */
    size_t map_bytes;
};

/* Unmap. Fine on a zeroed one. */
void ax_image_done(struct ax_image *image);

/* Which model file, read with which options, an image is of. */
struct ax_image_key {
    struct ax_hash128 digest;
    uint64_t source_bytes;
};

/* The key of a file, or of bytes that were read; `options` is what besides them changes the image.
 * Expected: as ax_file_read. */
AX_MUST_USE enum ax_code ax_image_key_file(const char *path, struct ax_str options,
                                           struct ax_image_key *ret_key, struct ax_err *err);
struct ax_image_key ax_image_key_bytes(struct ax_str bytes, struct ax_str options);

/* ---- a store ---- */

struct ax_image_store;

/* Open `config->state`/images, with `make` making both folders and removing what a writer that was
 * killed has left, and what is over the limit. Expected: NOT_FOUND (not there, and not to be made),
 * DENIED (cannot be made, belongs to another user, or others may write it), INVALID (no folder). */
AX_MUST_USE enum ax_code ax_image_store_open(const struct ax_image_config *config, bool make,
                                             struct ax_image_store **ret_store, struct ax_err *err);
/* What is held may be freed later. NULL is fine. */
void ax_image_store_free(struct ax_image_store *store);

/* Have an image and its tuning stay, whether they are there yet or not, until the hold is freed. */
struct ax_image_hold *ax_image_store_hold(const struct ax_image_store *store,
                                          const struct ax_image_key *key,
                                          const char *format) AX_RETURNS_NONNULL;

/* They were used now: others are removed before. `format` NULL: the tuning. */
void ax_image_store_touch(const struct ax_image_store *store, const struct ax_image_key *key,
                          const char *format);

/* See image_keeper.h. */
void ax_image_store_usage(const struct ax_image_store *store, struct ax_image_usage *ret_usage);

/* Map the image of that key and format, if it is whole. `ret_sha256` gets the model file's.
 * Expected: NOT_FOUND; INVALID (cut off, damaged, of another version or source); DENIED (others
 * may have written it). */
AX_MUST_USE enum ax_code ax_image_store_get(const struct ax_image_store *store,
                                            const struct ax_image_key *key, const char *format,
                                            struct ax_image *ret_image,
                                            char ret_sha256[AX_SHA256_TEXT_SIZE],
                                            struct ax_err *err);

/* Write an image; others may be removed for it. The payload begins at byte AX_IMAGE_HEADER_BYTES of
 * `file`; the header is filled in. Expected: DENIED, LIMIT (disk full). */
AX_MUST_USE enum ax_code ax_image_store_put(const struct ax_image_store *store,
                                            const struct ax_image_key *key, const char *format,
                                            const char *sha256, struct ax_buf *file,
                                            struct ax_err *err);

/* What was kept about the tuning of a model: appended to `out`, whose maximum is the limit.
 * Expected: NOT_FOUND, DENIED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_image_store_get_tuning(const struct ax_image_store *store,
                                                   const struct ax_image_key *key,
                                                   struct ax_buf *out, struct ax_err *err);
AX_MUST_USE enum ax_code ax_image_store_put_tuning(const struct ax_image_store *store,
                                                   const struct ax_image_key *key,
                                                   struct ax_str text, struct ax_err *err);

/* True the first time that it is asked: the failure to write that comes is the one to be told. */
bool ax_image_store_may_tell(struct ax_image_store *store);

/* ---- files, for tests and the fuzzer ---- */

/* Whether `file` is a whole image; its payload lies within it. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_image_open(struct ax_str file, const struct ax_image_key *key,
                                       const char *format, struct ax_str *ret_payload,
                                       char ret_sha256[AX_SHA256_TEXT_SIZE], struct ax_err *err);
/* Fill in the header. */
void ax_image_seal(struct ax_buf *file, const struct ax_image_key *key, const char *format,
                   const char *sha256);

#endif
