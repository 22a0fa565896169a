/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to be preloaded into the server: counts what the prediction path must not do, and the
 * calls to the kernel that it must, in a file that the test reads (COUNT_CALLS_FILE: one u64 a
 * count, in the order of the enum). All threads count together; without the variable nobody looks.
 *
 * The allocator's own entry points are those of glibc, since looking them up would allocate.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum count {
    COUNT_ALLOCATIONS, /* also of C++ libraries, whose operator new is malloc */
    COUNT_MAPPINGS,
    COUNT_LOCKS,  /* mutexes, reader-writer locks, conditions */
    COUNT_WRITES, /* a log line, or the wake-up of another thread */
    COUNT_WAITS,
    COUNT_RECEIVES,
    COUNT_SENDS,
    COUNTS,
};

static _Atomic uint64_t before_main[COUNTS];
static _Atomic uint64_t *counts = before_main;

static void count(enum count which)
{
    (void)atomic_fetch_add_explicit(&counts[which], 1, memory_order_relaxed);
}

__attribute__((constructor)) static void map_counts(void)
{
    const char *path = getenv("COUNT_CALLS_FILE");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof(before_main)))
        return;
    void *shared = (mmap)(NULL, sizeof(before_main), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED)
        counts = shared;
    (void)close(fd);
}

/* ---- memory ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    count(COUNT_ALLOCATIONS);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(COUNT_ALLOCATIONS);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    count(COUNT_ALLOCATIONS);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(COUNT_ALLOCATIONS);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    count(COUNT_ALLOCATIONS);
    *ret = __libc_memalign(alignment, size);
    return *ret ? 0 : ENOMEM;
}

/* ---- everything else: the next library's function of the same name ---- */

#define NEXT(type, name)                                            \
    static _Atomic(type *) next;                                    \
    type *call = atomic_load_explicit(&next, memory_order_relaxed); \
    if (!call) {                                                    \
        *(void **)&call = dlsym(RTLD_NEXT, name);                   \
        atomic_store_explicit(&next, call, memory_order_relaxed);   \
    }

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    count(COUNT_MAPPINGS);
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

int munmap(void *at, size_t len)
{
    count(COUNT_MAPPINGS);
    return (int)syscall(SYS_munmap, at, len);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    typedef int ax_mutex_fn(pthread_mutex_t *);
    NEXT(ax_mutex_fn, "pthread_mutex_lock")
    count(COUNT_LOCKS);
    return call(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    typedef int ax_read_lock_fn(pthread_rwlock_t *);
    NEXT(ax_read_lock_fn, "pthread_rwlock_rdlock")
    count(COUNT_LOCKS);
    return call(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    typedef int ax_write_lock_fn(pthread_rwlock_t *);
    NEXT(ax_write_lock_fn, "pthread_rwlock_wrlock")
    count(COUNT_LOCKS);
    return call(lock);
}

int pthread_cond_signal(pthread_cond_t *condition)
{
    typedef int ax_signal_fn(pthread_cond_t *);
    NEXT(ax_signal_fn, "pthread_cond_signal")
    count(COUNT_LOCKS);
    return call(condition);
}

int pthread_cond_broadcast(pthread_cond_t *condition)
{
    typedef int ax_broadcast_fn(pthread_cond_t *);
    NEXT(ax_broadcast_fn, "pthread_cond_broadcast")
    count(COUNT_LOCKS);
    return call(condition);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    count(COUNT_WRITES);
    return syscall(SYS_write, fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *parts, int number)
{
    count(COUNT_WRITES);
    return syscall(SYS_writev, fd, parts, number);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    typedef int ax_wait_fn(int, struct epoll_event *, int, int);
    NEXT(ax_wait_fn, "epoll_wait")
    count(COUNT_WAITS);
    return call(epoll, events, most, timeout);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    typedef ssize_t ax_receive_fn(int, void *, size_t, int);
    NEXT(ax_receive_fn, "recv")
    count(COUNT_RECEIVES);
    return call(fd, bytes, len, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    typedef ssize_t ax_send_fn(int, const void *, size_t, int);
    NEXT(ax_send_fn, "send")
    count(COUNT_SENDS);
    return call(fd, bytes, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    typedef ssize_t ax_send_message_fn(int, const struct msghdr *, int);
    NEXT(ax_send_message_fn, "sendmsg")
    count(COUNT_SENDS);
    return call(fd, message, flags);
}
