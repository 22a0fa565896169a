/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells whether anybody has a file open for writing, as the kernel knows it.
 *
 * docs/internals/watch.md, "When a model has settled". Any thread; blocks as opening a file does.
 */
#ifndef AX_SERVER_WRITE_PROBE_H
#define AX_SERVER_WRITE_PROBE_H

enum ax_write_probe {
    AX_WRITE_PROBE_UNKNOWN, /* no leases here, or not for this user; or it is no regular file */
    AX_WRITE_PROBE_CLOSED,  /* nobody writes it; or it is gone */
    AX_WRITE_PROBE_OPEN,
};

/* Ask about the file `name` in the open folder; a link is followed. Who opens the file for writing
 * in the same moment waits until this returns. */
enum ax_write_probe ax_write_probe_file(int folder, const char *name);

#endif
