/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob: the elements of one input as the binary tensor extension has them in a body. Row-major,
 * little-endian, without padding; a BYTES element is its length in four bytes and then its bytes.
 *
 * Elements are read in order, as many a call as the caller likes, into rows; they are converted as
 * the same values in JSON are. Texts are borrowed from the body.
 */
#ifndef AX_SERVER_API_OIP_BLOB_H
#define AX_SERVER_API_OIP_BLOB_H

#include "data/rows.h"

struct ax_blob {
    struct ax_str bytes;
    size_t at; /* the next byte */
    enum ax_datatype datatype;
    size_t column;  /* of the rows, for the first element of a row */
    size_t width;   /* elements a row */
    size_t element; /* the next one */
};

/* Bytes of an element, 0 when they differ (BYTES). */
size_t ax_blob_element_size(enum ax_datatype datatype);

/* Read the next `count` elements. All are there when the datatype's elements have a size and the
 * caller has checked the blob's. Expected: INVALID (naming input and row, or the element). */
AX_MUST_USE enum ax_code ax_blob_read(struct ax_blob *blob, struct ax_rows *rows, size_t count,
                                      struct ax_err *err);

#endif
