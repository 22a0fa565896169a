/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells of a row that is an object of a small JSON document, as a line of a file is. (The bodies of
 * requests are not made into documents: server/api/ reads them into cells as they come.)
 */
#ifndef AX_DATA_CELLS_JSON_H
#define AX_DATA_CELLS_JSON_H

#include "base/json.h"
#include "data/cells.h"

/* Put the object's members into the row that was begun last; of a null there is no cell. Names and
 * texts are copied into the cells' arena, so the document may go. Expected: INVALID (no object, a
 * name twice, a list or an object in it, a number that no double holds), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_put_object(struct ax_cells *cells, const struct ax_json *object,
                                             struct ax_err *err);

#endif
