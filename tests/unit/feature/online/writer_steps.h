/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test's steps with the writer of writer_fixture.h over its folder, which must go well.
 */
#ifndef AX_TESTS_UNIT_FEATURE_ONLINE_WRITER_STEPS_H
#define AX_TESTS_UNIT_FEATURE_ONLINE_WRITER_STEPS_H

#include "writer_fixture.h"

static struct ax_err err = AX_ERR_INIT;

static void good(enum ax_code code)
{
    if (code)
        fail_msg("%s", err.msg);
}

AX_UNUSED static void remove_state(void)
{
    good(ax_file_remove_tree(folder, &err));
    good(ax_file_make_folder(folder, &err));
}

/* With this expression as the field of view 0. */
static void open_state(const char *field)
{
    const struct ax_online_writer_config config = writer_config(folder);
    good(open_writer(&config, field, &err));
}

#endif
