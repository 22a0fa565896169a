/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the folder of models and tells which model's files changed and have settled.
 *
 * docs/internals/watch.md. One thread of its own; it loads nothing and lists only what it watches.
 * Whoever watches first and lists then misses nothing that happens in between.
 */
#ifndef AX_SERVER_WATCH_H
#define AX_SERVER_WATCH_H

#include "base/err.h"
#include "base/option.h"
#include "base/str.h"

struct ax_watch_config {
    uint64_t settle_ns; /* without a change, until a model is told of */
    uint64_t poll_ns;   /* between two looks at the folder where watching does not work */
};
extern const struct ax_option ax_watch_options[];

/* Who is told, on the thread of the watch. Must not block for long. */
struct ax_watch_listener {
    /* Something about a model changed, or it came or went. */
    void (*changed)(struct ax_watch_listener *listener, struct ax_str model);
    /* What changed is not known. */
    void (*rescan)(struct ax_watch_listener *listener);
};

struct ax_watch;

/* Watch all that is in the folder now: what happens to it from here on is told once that has
 * started. `folder` and `config` are borrowed. That something cannot be watched is logged, and the
 * folder is looked at now and then instead. Expected: LIMIT (no inotify). */
AX_MUST_USE enum ax_code ax_watch_new(const char *folder, const struct ax_watch_config *config,
                                      struct ax_watch **ret_watch, struct ax_err *err);
/* Begin to tell; the listener is borrowed until stop. Once. Expected: LIMIT (no thread). */
AX_MUST_USE enum ax_code ax_watch_start(struct ax_watch *watch, struct ax_watch_listener *listener,
                                        struct ax_err *err);
/* The listener is told nothing more when this returns; it may never have been. NULL is fine. */
void ax_watch_stop_free(struct ax_watch *watch);

#endif
