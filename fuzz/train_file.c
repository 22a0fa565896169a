/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no bytes break the reader of train files, and every refusal says something.
 * Method: the file is a descriptor of memory, read by its path under /proc. `sql:` files are looked
 * for beside it, in /proc/self/fd, where nothing ends in .sql.
 */
#include "pipeline/train_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct ax_err err = AX_ERR_INIT;
    struct ax_train_file file;
    char path[64];
    if (fd < 0)
        fd = memfd_create("train", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (ax_train_file_read(path, &file, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    const struct ax_train_spec *spec;
    for (size_t i = 0; i < file.spec_count; i++)
        if (ax_train_file_spec(&file, file.specs[i].name, &spec, &err) || !spec->column_count ||
            !spec->label.len || !spec->param_count)
            abort();
    ax_train_file_done(&file);
    return 0;
}
