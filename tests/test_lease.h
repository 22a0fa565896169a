/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file on which this thread, and those that it starts, may take no lease: it belongs to another
 * user and the thread has no CAP_LEASE. Only root can arrange that.
 */
#ifndef AX_TESTS_TEST_LEASE_H
#define AX_TESTS_TEST_LEASE_H

#include "base/compiler.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEASE_OTHER_USER 12345

static struct __user_cap_data_struct lease_before[_LINUX_CAPABILITY_U32S_3];

static bool lease_set(const struct __user_cap_data_struct *capabilities)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    return syscall(SYS_capset, &header, capabilities) == 0;
}

/* False without the rights to do so. */
AX_UNUSED static bool lease_give_up(int folder_fd, const char *name)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct without[_LINUX_CAPABILITY_U32S_3];
    if (fchownat(folder_fd, name, LEASE_OTHER_USER, LEASE_OTHER_USER, 0) != 0 ||
        syscall(SYS_capget, &header, lease_before) != 0)
        return false;
    for (size_t i = 0; i < AX_COUNT(without); i++)
        without[i] = lease_before[i];
    without[0].effective &= ~(1U << CAP_LEASE);
    return lease_set(without);
}

AX_UNUSED static void lease_take_back(void)
{
    (void)lease_set(lease_before);
}

#endif
