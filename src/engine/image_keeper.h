/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of images kept within a limit: what was used least recently is removed.
 *
 * Only files whose names are those of images and of tuning, and that are this user's, are looked
 * at and counted; what this process holds is never removed. When a file was used is its time of
 * change, which whoever uses it sets. A keeper is shared by a store and by what is held, which may
 * outlive the store; all functions may be called by any thread that may wait for the disk.
 */
#ifndef AX_ENGINE_IMAGE_KEEPER_H
#define AX_ENGINE_IMAGE_KEEPER_H

#include "base/hash.h"

#define AX_IMAGE_FORMAT_BYTES 24 /* with a NUL */
#define AX_IMAGE_NAME_BYTES   96

/* What lies in the folder, as far as this process knows: as it was found by the last look, and what
 * was written since. */
struct ax_image_usage {
    uint64_t bytes, file_count;
    uint64_t removed_count; /* by this process, since it began */
};

/* The name of an image's file; `format` NULL: of its tuning. */
void ax_image_name(char ret_name[AX_IMAGE_NAME_BYTES], struct ax_hash128 digest,
                   const char *format);

struct ax_image_keeper;

/* `folder` is a descriptor, and the keeper's from here; `bytes_max` 0: no limit. One reference. */
struct ax_image_keeper *ax_image_keeper_new(int folder, uint64_t bytes_max) AX_RETURNS_NONNULL;
/* NULL is fine. */
void ax_image_keeper_unref(struct ax_image_keeper *keeper);

/* Look through the folder: what writers that were killed have left is removed, and what is over
 * the limit. Whoever comes while another one looks does nothing. */
void ax_image_keeper_look(struct ax_image_keeper *keeper);

/* A file was written; looks when that was the first one, or it is time. */
void ax_image_keeper_wrote(struct ax_image_keeper *keeper, uint64_t bytes);

void ax_image_keeper_usage(const struct ax_image_keeper *keeper, struct ax_image_usage *ret_usage);

/* Keep an image, and its tuning, until the hold is freed. May wait until one is removed; freeing
 * (NULL is fine) waits for no disk. `format` is borrowed. */
struct ax_image_hold;
struct ax_image_hold *ax_image_keeper_hold(struct ax_image_keeper *keeper, struct ax_hash128 digest,
                                           const char *format) AX_RETURNS_NONNULL;
void ax_image_hold_free(struct ax_image_hold *hold);

#endif
