/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlopen, and the floating-point mode after it. The mode before is made the default one first, so
 * that what is found changed afterwards was the library's doing.
 */
#include "base/library.h"

#include "base/thread.h"

#include <assert.h>
#include <dlfcn.h>

enum ax_code ax_library_open(const char *path, void **ret_library, bool *ret_changed_fp,
                             struct ax_err *err)
{
    assert(path && ret_library && ret_changed_fp && err);
    (void)ax_thread_restore_fp();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    bool changed = ax_thread_restore_fp(); /* one that cannot be opened may have been run halfway */
    if (!library)
        return ax_fail(err, AX_E_UNSUPPORTED, "%s", dlerror());
    *ret_library = library;
    *ret_changed_fp = changed;
    return AX_OK;
}
