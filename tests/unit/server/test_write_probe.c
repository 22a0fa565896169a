/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a file is known to be open for writing exactly while somebody has it open so, whoever and
 * by which name; what cannot be known is said to be unknown; and asking harms neither this process
 * nor who opens the file in the same moment.
 * Method: real files, each state made by hand. Leases are taken away as the kernel does it: the
 * file is given to another user and this thread gives up CAP_LEASE, which only root can arrange
 * (else that test is skipped). For the last part a thread opens the file for writing again and
 * again while it is asked about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/write_probe.h"

#include "test_folder.h"
#include "test_lease.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASKED 20000

static int folder_fd;

static int open_folder(void **state)
{
    if (make_folder(state))
        return -1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0 ? -1 : 0;
}

static int close_folder(void **state)
{
    (void)close(folder_fd);
    return remove_folder(state);
}

static int open_file(const char *name, int flags)
{
    int file = openat(folder_fd, name, flags | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    return file;
}

static void write_file(const char *name)
{
    int file = open_file(name, O_WRONLY | O_CREAT | O_TRUNC);
    assert_int_equal(write(file, "text", 4), 4);
    assert_int_equal(close(file), 0);
}

#define ASSERT_PROBE(name, found) \
    assert_int_equal(ax_write_probe_file(folder_fd, name), AX_WRITE_PROBE_##found)

static void test_writers(void **state)
{
    (void)state;
    write_file("file");
    ASSERT_PROBE("file", CLOSED);
    assert_int_equal(linkat(folder_fd, "file", folder_fd, "hard", 0), 0);
    assert_int_equal(symlinkat("file", folder_fd, "soft"), 0);
    /* Two writers, by another name; the file is open until the last one closes it. */
    int first = open_file("hard", O_WRONLY), second = open_file("file", O_RDWR);
    ASSERT_PROBE("file", OPEN);
    ASSERT_PROBE("soft", OPEN);
    assert_int_equal(close(second), 0);
    ASSERT_PROBE("file", OPEN);
    assert_int_equal(close(first), 0);
    ASSERT_PROBE("file", CLOSED);
    /* Readers are nobody. */
    first = open_file("file", O_RDONLY);
    ASSERT_PROBE("file", CLOSED);
    assert_int_equal(close(first), 0);
}

static void test_mapping(void **state)
{
    (void)state;
    write_file("mapped");
    int file = open_file("mapped", O_RDWR);
    void *bytes = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    assert_int_equal(close(file), 0);
    ASSERT_PROBE("mapped", OPEN);
    assert_int_equal(munmap(bytes, 4), 0);
    ASSERT_PROBE("mapped", CLOSED);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    ASSERT_PROBE("gone", CLOSED);
    assert_int_equal(mkdirat(folder_fd, "folder", 0700), 0);
    ASSERT_PROBE("folder", UNKNOWN);
    /* A writer who waits for a reader goes on waiting: without one this open fails. */
    assert_int_equal(mkfifoat(folder_fd, "fifo", 0600), 0);
    ASSERT_PROBE("fifo", UNKNOWN);
    assert_int_equal(symlinkat("loop", folder_fd, "loop"), 0);
    ASSERT_PROBE("loop", UNKNOWN);
}

static void test_without_leases(void **state)
{
    (void)state;
    write_file("foreign");
    if (!lease_give_up(folder_fd, "foreign"))
        skip();
    ASSERT_PROBE("foreign", UNKNOWN);
    int file = open_file("foreign", O_WRONLY);
    ASSERT_PROBE("foreign", UNKNOWN);
    assert_int_equal(close(file), 0);
    /* One's own can be asked about without any right, as in a container. */
    assert_int_equal(fchownat(folder_fd, "foreign", geteuid(), getegid(), 0), 0);
    ASSERT_PROBE("foreign", CLOSED);
    lease_take_back();
}

static atomic_bool is_done;

/* Each lease that is held when this opens the file is taken away by a signal. */
static void *write_again(void *arg)
{
    size_t *failed = arg;
    while (!atomic_load(&is_done)) {
        int file = openat(folder_fd, "busy", O_WRONLY | O_CLOEXEC);
        *failed += file < 0;
        if (file >= 0)
            (void)close(file);
    }
    return NULL;
}

static void test_harms_nobody(void **state)
{
    (void)state;
    pthread_t writer;
    size_t failed = 0, counts[3] = { 0 };
    write_file("busy");
    assert_int_equal(pthread_create(&writer, NULL, write_again, &failed), 0);
    /* At least so often, and until both answers were seen. */
    for (size_t i = 0; i < ASKED || !counts[AX_WRITE_PROBE_OPEN] || !counts[AX_WRITE_PROBE_CLOSED];
         i++)
        counts[ax_write_probe_file(folder_fd, "busy")]++;
    atomic_store(&is_done, true);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(failed, 0);
    assert_int_equal(counts[AX_WRITE_PROBE_UNKNOWN], 0);
    ASSERT_PROBE("busy", CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers),         cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_what_is_no_file), cmocka_unit_test(test_without_leases),
        cmocka_unit_test(test_harms_nobody),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
