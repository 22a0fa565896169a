/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classification extension: the best classes of a row as texts, "value:index" and, where
 * classes have names, ":label".
 *
 * Texts are made row by row into memory that is taken once, when the request is read; so an answer
 * of any size takes no more than one row's.
 */
#ifndef AX_SERVER_API_OIP_CLASSES_H
#define AX_SERVER_API_OIP_CLASSES_H

#include "base/buf.h"
#include "data/batch.h"
#include "data/signature.h"

struct ax_oip_classes {
    size_t count; /* texts a row; 0: the output is sent as it is */
    const struct ax_signature *signature;
    size_t width;
    bool has_labels;
    uint32_t *order;      /* indexes of a row's elements, best first */
    struct ax_str *texts; /* of the row that was ranked last */
    struct ax_buf room;   /* what they lie in; of fixed size, in the arena */
};

/* Make ready to rank an output by its best `wanted` elements; more than there are mean all.
 * Expected: INVALID (an output of texts), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_oip_classes_init(struct ax_oip_classes *classes,
                                             const struct ax_signature *signature,
                                             const struct ax_output *output, size_t wanted,
                                             struct ax_arena *arena, struct ax_err *err);

/* The texts of a row, `count` of them; they live until the next row is ranked. Equal values keep
 * the order of their classes, NaN comes last. */
const struct ax_str *ax_oip_classes_rank(struct ax_oip_classes *classes,
                                         const struct ax_column *column, size_t row);

#endif
