/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definitions of features that a server has in force: those that were applied in its state
 * directory, read at the start and again when the registry has changed.
 *
 * They are published to the I/O threads as one immutable object. What cannot be read leaves in
 * force what was, and is logged and counted. A thread of its own watches and reads; nobody else
 * waits for it. See docs/internals/applied-definitions.md.
 */
#ifndef AX_SERVER_DEFINITIONS_WATCH_H
#define AX_SERVER_DEFINITIONS_WATCH_H

#include "base/epoch.h"
#include "pipeline/applied_definitions.h"

struct ax_definitions_watch;

struct ax_definitions_watch_listener {
    /* Other definitions are in force; work by them. On the thread that reads them, and at the start
     * on the caller's; `before` is NULL when there were none. What fails is tried again when
     * somebody has them read again, and `before` is then `now`. */
    enum ax_code (*changed)(struct ax_definitions_watch_listener *listener,
                            const struct ax_applied_definitions *before,
                            struct ax_applied_definitions *now, struct ax_err *err);
};

/* Read what is in force in the state directory `state`, which is borrowed, and may be empty: there
 * is none. `epoch` is that of the readers. Logs what was found. */
struct ax_definitions_watch *ax_definitions_watch_new(const char *state, struct ax_epoch *epoch);
/* Begin to watch; the listener learns of what is in force before this returns. It is the caller's
 * until stop. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_definitions_watch_start(struct ax_definitions_watch *watch,
                                                    struct ax_definitions_watch_listener *listener,
                                                    struct ax_err *err);
/* After which the listener is not called any more; what is in force stays published. */
void ax_definitions_watch_stop(struct ax_definitions_watch *watch);
/* Behind stop, when no reader is left. NULL is fine. */
void ax_definitions_watch_free(struct ax_definitions_watch *watch);

/* Read again now, changed or not. Any thread, never blocks. */
void ax_definitions_watch_look_again(struct ax_definitions_watch *watch);

/* The same, and wait until it was read and, if it is in order, published, and the listener works by
 * it. Control threads. Expected: those of ax_applied_definitions_read and of the listener;
 * UNAVAILABLE also when the watch is not running. */
AX_MUST_USE enum ax_code ax_definitions_watch_read(struct ax_definitions_watch *watch,
                                                   struct ax_err *err);

/* Whether the last reading failed, or the listener by what was read; it is tried again by itself.
 * That nothing was ever applied is no failure. Any thread. */
bool ax_definitions_watch_has_failed(const struct ax_definitions_watch *watch);

/* What is in force; NULL: nothing. Inside the epoch. */
struct ax_applied_definitions *ax_definitions_watch_get(struct ax_definitions_watch *watch);
/* The same as a reference, which the caller gives back; NULL likewise. Control threads. */
struct ax_applied_definitions *ax_definitions_watch_ref(struct ax_definitions_watch *watch);

#endif
