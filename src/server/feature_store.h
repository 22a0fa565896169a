/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's online store: its options, and its writer.
 *
 * It is opened with the first definitions that come into force; a server without features has
 * neither threads nor files of it. See docs/internals/online-store.md.
 */
#ifndef AX_SERVER_FEATURE_STORE_H
#define AX_SERVER_FEATURE_STORE_H

#include "base/epoch.h"
#include "base/option.h"
#include "feature/online/online_writer.h"
#include "pipeline/applied_definitions.h"

struct ax_feature_store;
struct ax_server;

struct ax_feature_store_config {
    size_t memory_bytes_max;
    size_t disk_bytes_max;
    size_t journal_bytes_max;
    size_t queue_max;
    int durability; /* enum ax_online_durability */
};
extern const struct ax_option ax_feature_store_options[];

/* `config` and `epoch` are borrowed; so is `server`, by whose clock values become too old (NULL:
 * they do not); `state`, too: the folder whose lock the server has; empty:
 * there is none, and what is pushed ends with the server. */
struct ax_feature_store *ax_feature_store_new(const struct ax_feature_store_config *config,
                                              const char *state, struct ax_epoch *epoch,
                                              const struct ax_server *server);
/* When no reader and no sender is left; what was sent is done, and on the disk. NULL is fine. */
void ax_feature_store_free(struct ax_feature_store *store);

/* Have the definitions in force; *ret_views is a reference of their views. Readers are given them
 * by `publish` (NULL: there are none), as ax_online_definitions says. Blocks. One control thread.
 * Expected: those of ax_online_writer_open and ax_online_writer_define; then those before stay in
 * force. */
AX_MUST_USE enum ax_code ax_feature_store_define(
    struct ax_feature_store *store, struct ax_applied_definitions *applied,
    enum ax_code (*publish)(void *context, struct ax_online_views *views, struct ax_err *err),
    void *context, struct ax_online_views **ret_views, struct ax_err *err);

/* Whether windows are known: false while they are filled after a start. Any thread. */
bool ax_feature_store_is_ready(const struct ax_feature_store *store);

/* The writer; NULL: none yet. Any thread. */
struct ax_online_writer *ax_feature_store_writer(const struct ax_feature_store *store);

#endif
