/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of dataset manifests, and what it takes has what it promises.
 * Method: parse, look at digests and lists, and print every column's scalars.
 */
#include "pipeline/dataset_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_all(const struct ax_json *list)
{
    struct ax_buf out;
    struct ax_json_iter iter = ax_json_iterate(list);
    ax_buf_init(&out, (size_t)1 << 24);
    for (const struct ax_json *object; (object = ax_json_next(&iter));) {
        struct ax_json_iter members = ax_json_iterate(object);
        for (const struct ax_json *value; (value = ax_json_next(&members));)
            ax_dataset_put_plain(&out, value);
    }
    ax_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_manifest manifest;
    if (ax_dataset_manifest_parse((struct ax_str){ (const char *)data, size }, &manifest, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    if (!ax_dataset_is_digest(manifest.digest) || !ax_dataset_is_digest(manifest.content) ||
        !ax_dataset_is_digest(manifest.file_digest) ||
        ax_json_kind(manifest.columns) != AX_JSON_KIND_ARRAY)
        abort();
    print_all(manifest.columns);
    print_all(manifest.sources);
    ax_dataset_manifest_done(&manifest);
    return 0;
}
