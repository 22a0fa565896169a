/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flag behind cmd/interrupt.h. A handler may touch nothing but lock-free atomics, which is why
 * it is a static and not the caller's.
 */
#include "cmd/interrupt.h"

#include <signal.h>
#include <stddef.h>

static atomic_bool interrupted;

static void interrupt_handle(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

atomic_bool *ax_interrupt_catch(void)
{
    struct sigaction set = { .sa_handler = interrupt_handle };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGINT, &set, NULL);
    (void)sigaction(SIGTERM, &set, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    return &interrupted;
}
