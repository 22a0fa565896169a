/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of types and the quoting of SQL: what needs no database.
 */
#include "base/sql.h"

#include <assert.h>

const char *ax_sql_type_name(enum ax_sql_type type)
{
    static const char *const names[] = { "BOOLEAN", "BIGINT",    "DOUBLE",
                                         "VARCHAR", "TIMESTAMP", "LIST" };
    assert((size_t)type < AX_COUNT(names));
    return names[type];
}

static void put_quoted(struct ax_buf *out, struct ax_str text, char quote)
{
    (void)ax_buf_append_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote)
            (void)ax_buf_append_char(out, quote);
        (void)ax_buf_append_char(out, text.ptr[i]);
    }
    (void)ax_buf_append_char(out, quote);
}

void ax_sql_put_literal(struct ax_buf *out, struct ax_str text)
{
    put_quoted(out, text, '\'');
}

void ax_sql_put_name(struct ax_buf *out, struct ax_str name)
{
    put_quoted(out, name, '"');
}
