/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of feature definitions for tests: the reference text of the flights
 * (tests/data/features/), or another text, with pieces of it replaced.
 */
#ifndef AX_TESTS_UNIT_FEATURE_DEFINITION_FIXTURE_H
#define AX_TESTS_UNIT_FEATURE_DEFINITION_FIXTURE_H

#include "feature/definitions.h"

#include "test_folder.h"

#include <stdio.h>
#include <stdlib.h>

static struct ax_buf flights; /* the reference text */

static void write_definition_file(const char *name, struct ax_str text)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (ax_file_replace(path, text, &err))
        fail_msg("%s", err.msg);
}

static int make_definitions(void **state)
{
    static const char *const queries[] = { "sql/departures.sql", "sql/arrivals.sql",
                                           "sql/rows.sql" };
    const char *data = getenv("AX_TEST_DATA");
    char path[512];
    struct ax_err err = AX_ERR_INIT;
    if (make_folder(state))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/sql", folder);
    ax_buf_init(&flights, (size_t)1 << 20);
    if (ax_file_make_folder(path, &err))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/features/flights.yaml", data ? data : "tests/data");
    if (ax_file_read(path, &flights, &err))
        return -1;
    for (size_t i = 0; i < AX_COUNT(queries); i++) {
        struct ax_buf text;
        ax_buf_init(&text, (size_t)1 << 20);
        (void)snprintf(path, sizeof(path), "%s/features/%s", data ? data : "tests/data",
                       queries[i]);
        if (ax_file_read(path, &text, &err))
            return -1;
        write_definition_file(queries[i], ax_buf_str(&text));
        ax_buf_done(&text);
    }
    return 0;
}

static int remove_definitions(void **state)
{
    ax_buf_done(&flights);
    return remove_folder(state);
}

/* `text` with `old`, which is there, made `new`. */
AX_UNUSED static void replace_text(struct ax_str text, const char *old, const char *new,
                                   struct ax_buf *out)
{
    const char *at = memmem(text.ptr, text.len, old, strlen(old));
    if (!at)
        fail_msg("the text holds no '%s'", old);
    size_t before = (size_t)(at - text.ptr);
    (void)ax_buf_append(out, text.ptr, before);
    (void)ax_buf_append_str(out, ax_str_from(new));
    (void)ax_buf_append(out, at + strlen(old), text.len - before - strlen(old));
}

/* The folder with this text as its only file of definitions. */
AX_UNUSED static enum ax_code read_definitions(struct ax_str text, struct ax_definitions *ret,
                                               struct ax_err *err)
{
    write_definition_file("f.yaml", text);
    return ax_definitions_read(folder, ret, err);
}

#endif
