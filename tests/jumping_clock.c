/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to preload: clocks jump when the test says so.
 *
 * AX_TEST_CLOCK names a file of sixteen bytes, which is mapped: seconds that are added to
 * CLOCK_REALTIME, and to CLOCK_MONOTONIC. The test writes it while the program runs. The other
 * clocks are left alone; so is what the kernel waits for.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *jump_s;

__attribute__((constructor)) static void clock_begin(void)
{
    const char *path = getenv("AX_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    jump_s = mapped == MAP_FAILED ? NULL : mapped;
    (void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    /* Asked of the kernel: other libraries may come before this one is set up. */
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && jump_s && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC))
        now->tv_sec += jump_s[clock == CLOCK_MONOTONIC];
    return failed;
}
