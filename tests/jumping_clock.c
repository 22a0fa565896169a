/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to preload: the wall clock jumps when the test says so.
 *
 * AX_TEST_CLOCK names a file of eight bytes, which is mapped: seconds that are added to
 * CLOCK_REALTIME. The test writes it while the program runs. The other clocks are left alone.
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
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    jump_s = mapped == MAP_FAILED ? NULL : mapped;
    (void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    /* Asked of the kernel: other libraries may come before this one is set up. */
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME && jump_s)
        now->tv_sec += *jump_s;
    return failed;
}
