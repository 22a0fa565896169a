/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request's `user` points at: an object that begins with a pointer to such a table, which
 * says how it ends. Everything runs on the request's I/O thread.
 */
#ifndef AX_SERVER_REQUEST_USER_H
#define AX_SERVER_REQUEST_USER_H

#include <stddef.h>

struct ax_request_user {
    /* (optional) The client is gone while the request waits for something else than a step of its
     * own: it may be answered now. NULL: that changes nothing. */
    void (*cancelled)(void *user);

    /* The request ended, answered or not: give back what the object holds. */
    void (*release)(void *user);
};

/* The table of an object, or NULL. */
static inline const struct ax_request_user *ax_request_user_of(void *user)
{
    return user ? *(const struct ax_request_user **)user : NULL;
}

#endif
