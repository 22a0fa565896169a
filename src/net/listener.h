/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener: one address that connections are accepted at.
 *
 * TCP has one socket a thread, all bound to the same port with SO_REUSEPORT, so the kernel spreads
 * connections and no thread waits for another. A unix-domain address has one socket that all
 * threads watch. A listener is opened and freed by the thread that owns the server;
 * ax_listener_leave may be called by each I/O thread once.
 */
#ifndef AX_NET_LISTENER_H
#define AX_NET_LISTENER_H

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* The text as given: "127.0.0.1:8000", "[::1]:8000" or "unix:/run/auspex.sock". */
struct ax_address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    };
    socklen_t len;
};
#define AX_ADDRESS_TEXT_SIZE 128

/* Connections that may wait in a queue of the kernel's to be accepted. */
#define AX_LISTENER_BACKLOG 4096

/* Addresses are numeric; names are not looked up. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_address_parse(struct ax_str text, struct ax_address *ret_address,
                                          struct ax_err *err);

/* The opposite, as ax_address_parse takes it. */
void ax_address_text(const struct ax_address *address, char ret_text[AX_ADDRESS_TEXT_SIZE]);

struct ax_listener {
    struct ax_address address;       /* with the port that the kernel chose */
    char name[AX_ADDRESS_TEXT_SIZE]; /* the same as text */
    int *fds;                        /* one a thread; for a unix-domain address all the same */
    size_t fd_count;
    atomic_size_t users; /* threads that have not left */
    dev_t device;        /* of the socket's file, to know it again */
    ino_t inode;
};

/* Bind `text` for `thread_count` threads and listen. Expected: INVALID (address), UNAVAILABLE (in
 * use, or no such address here), DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_listener_open(struct ax_str text, size_t thread_count,
                                          struct ax_listener **ret_listener, struct ax_err *err);

/* Remove the file of a unix-domain address, unless it is another's by now. Repeatable. */
void ax_listener_unlink(struct ax_listener *listener);

/* Thread `index` accepts no more from its descriptor, which is closed when nobody uses it. */
void ax_listener_leave(struct ax_listener *listener, size_t index);

/* All threads have left or never began. NULL is fine. */
void ax_listener_free(struct ax_listener *listener);

#endif
