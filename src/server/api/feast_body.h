/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests as Feast's client sends them: columns by name, and what is asked of them.
 *
 *   get-online-features     {"entities":{"driver_id":[1,2]},"features":["view:field", …],
 *                            "feature_service":"name","full_feature_names":false}
 *   write-to-online-store   {"feature_view_name":"view","df":{"driver_id":[1,2], …}}
 *
 * Other members are passed over, as Feast does. They are read by row_body.h, so in slices, and the
 * columns are its cells. See docs/protocols/feast.md.
 */
#ifndef AX_SERVER_API_FEAST_BODY_H
#define AX_SERVER_API_FEAST_BODY_H

#include "server/api/row_body.h"

/* Features of a list. */
#define AX_FEAST_FEATURES_MAX ((size_t)10000)

struct ax_feast_body {
    struct ax_row_body rows; /* its cells are the columns */

    struct ax_str name;            /* of the service or the view; empty: none */
    const struct ax_str *features; /* "view:field" */
    size_t feature_count;
    bool has_full_names; /* "view__field" is wanted in the answer */
};

/* Bodies of POST /get-online-features, and of POST /write-to-online-store. */
extern const struct ax_row_protocol ax_feast_get;
extern const struct ax_row_protocol ax_feast_write;

/* Begin with a body of that protocol, one of the two; it is read by ax_row_body_read. */
void ax_feast_body_init(struct ax_feast_body *body, const struct ax_row_protocol *protocol,
                        struct ax_str text, struct ax_arena *arena);

#endif
