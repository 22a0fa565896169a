/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offline store of one thread over the files of a test program's folder, for all of its tests.
 */
#ifndef AX_TESTS_UNIT_FEATURE_HISTORY_STORE_H
#define AX_TESTS_UNIT_FEATURE_HISTORY_STORE_H

#include "feature/offline/offline.h"
#include "test_folder.h"

#include <stdio.h>

static struct ax_definitions definitions;
static struct ax_offline *store;

static void write_text(const char *name, struct ax_str text)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (ax_file_replace(path, text, &err))
        fail_msg("%s", err.msg);
}

/* Of these definitions; the folder is there, and the files of their SQL. */
static void open_history_store(const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    char work[256];
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    write_text("features.yaml", ax_str_from(text));
    struct ax_offline_config config = {
        .definitions = &definitions, .data_folder = folder, .work_folder = work, .threads = 1
    };
    if (ax_definitions_read(folder, &definitions, &err) || ax_offline_open(&config, &store, &err))
        fail_msg("%s", err.msg);
}

static int close_history_store(void **state)
{
    ax_offline_close(store);
    ax_definitions_done(&definitions);
    return remove_folder(state);
}

#endif
