/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of dataset manifests, and what it takes has what it promises.
 * Method: parse, look at digests and lists; what was taken and is printed anew is taken again, with
 * the same in it.
 */
#include "pipeline/dataset_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_again(const struct ax_dataset_manifest *manifest)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_manifest again;
    struct ax_buf out;
    ax_buf_init(&out, SIZE_MAX);
    ax_json_put_value(&out, ax_json_root(manifest->doc));
    if (ax_dataset_manifest_parse(ax_buf_str(&out), &again, &err))
        abort();
    if (again.rows != manifest->rows || again.bytes != manifest->bytes ||
        !ax_str_equals(again.digest, manifest->digest) ||
        !ax_str_equals(again.created_at, manifest->created_at) ||
        ax_json_count(again.columns) != ax_json_count(manifest->columns) ||
        ax_json_count(again.sources) != ax_json_count(manifest->sources))
        abort();
    ax_dataset_manifest_done(&again);
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
    read_again(&manifest);
    ax_dataset_manifest_done(&manifest);
    return 0;
}
