/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stored form of a view depends on, as digests: by it a view that was changed knows which
 * of its values are still what they were.
 *
 * The form of a view has one digest of what all of its fields depend on (the types of the keys,
 * the source), and one of each field (its expression, the types of the columns that it reads, its
 * storage). Names of fields are in none: a field that is only renamed keeps its values. Besides it
 * says of which fields files may have values that the store lacks. Forms are kept on the disk as
 * bytes, which are checked when they are read. Immutable, but for what the fields lack.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_FORM_H
#define AX_FEATURE_ONLINE_ONLINE_FORM_H

#include "base/hash.h"
#include "feature/definitions.h"

struct ax_online_form_field {
    struct ax_storage storage;
    char digest[AX_SHA256_TEXT_SIZE];
    bool lacks_files; /* values that files have may be missing */
};

struct ax_online_form {
    uint32_t layout;                  /* the number of the view's layout */
    char digest[AX_SHA256_TEXT_SIZE]; /* of what all fields depend on */
    size_t field_count;
    struct ax_online_form_field *fields;
};

/* Digest all that the stored form of a view depends on. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_online_form_digest(const struct ax_view *view,
                                               char ret_digest[AX_SHA256_TEXT_SIZE],
                                               struct ax_err *err);
/* Of a view whose layout has that number, and which lacks nothing. Lives in the arena. Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_online_form_of_view(struct ax_online_form *form, uint32_t layout,
                                                const struct ax_view *view, struct ax_arena *arena,
                                                struct ax_err *err);

/* All of it as bytes, in the arena. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_online_form_write(const struct ax_online_form *form,
                                              struct ax_arena *arena, struct ax_str *ret_bytes,
                                              struct ax_err *err);
/* From bytes; in the arena. Expected: INVALID (they are not such, or of another
 * version), LIMIT. */
AX_MUST_USE enum ax_code ax_online_form_read(struct ax_str bytes, struct ax_arena *arena,
                                             struct ax_online_form *ret_form, struct ax_err *err);

#define AX_ONLINE_FORM_NEW SIZE_MAX
/* For each field of `form` the one of `former` that is the same, or AX_ONLINE_FORM_NEW, in the
 * arena; NULL: a row of `former` is none of `form`. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_online_form_match(const struct ax_online_form *form,
                                              const struct ax_online_form *former,
                                              struct ax_arena *arena, const size_t **ret_fields,
                                              struct ax_err *err);

#endif
