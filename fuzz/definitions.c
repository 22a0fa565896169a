/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of feature definitions; what is refused is told with its place,
 * and what is accepted has canonical texts.
 * Method: the file is a descriptor of memory, read by its path under /proc. `sql:` files are looked
 * for beside it, in /proc/self/fd, where nothing ends in .sql. Whatever is accepted is read again
 * from its texts: every object gives the same digest, and JSON that yyjson reads.
 */
#include "base/json.h"
#include "feature/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(enum ax_definition_kind kind, struct ax_str name, const void *object)
{
    struct ax_json_doc *doc = NULL;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    ax_buf_init(&text, (size_t)64 << 20);
    ax_definition_put_json(&text, kind, object);
    if (text.failed || ax_json_parse(ax_buf_str(&text), &doc, &err))
        abort();
    const struct ax_json *root = ax_json_root(doc);
    if (!ax_str_equals(ax_json_str(ax_json_get(root, "name")), name) ||
        ax_json_kind(ax_json_get(root, "notes")) != AX_JSON_KIND_OBJECT)
        abort();
    ax_json_free(doc);
    ax_buf_done(&text);
}

static void check_objects(const struct ax_definitions *first, const struct ax_definitions *second)
{
    for (int i = 0; i < AX_DEFINITION_KIND_COUNT; i++) {
        enum ax_definition_kind kind = (enum ax_definition_kind)i;
        struct ax_str name;
        void *object;
        for (size_t at = 0; ax_map_next(&first->names[i], &at, &name, &object);) {
            char digests[2][AX_SHA256_TEXT_SIZE];
            struct ax_err err = AX_ERR_INIT;
            const void *again = ax_map_get(&second->names[i], name);
            if (!again)
                abort();
            if (ax_definition_digest(kind, object, digests[0], &err) ||
                ax_definition_digest(kind, again, digests[1], &err) ||
                strcmp(digests[0], digests[1]) != 0)
                abort();
            check_json(kind, name, object);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions first, second;
    char path[64];
    if (fd < 0)
        fd = memfd_create("definitions", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (ax_definitions_read(path, &first, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    if (ax_definitions_read_texts(first.folder, first.files, first.file_count, &second, &err))
        abort();
    check_objects(&first, &second);
    ax_definitions_done(&first);
    ax_definitions_done(&second);
    return 0;
}
